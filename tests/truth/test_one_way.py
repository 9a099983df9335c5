"""Each way by itself: what the report says of datagrams is what the server knows."""
import json
import os
import select
import socket
import struct
import sys
import tempfile
import threading
import time
import unittest

from programs import LOAD, SANITIZED, run, serving
from reports import check_load_report, read_load_report
from traces import RECEIVED, REPLIED, Trace, parse

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../conformance"))
from traffic import models  # noqa: E402


class Folder(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = os.path.join(folder.name, "trace")
        self.output = os.path.join(folder.name, "report.json")

    def load(self, address, *options, expect=0, timeout="200ms"):
        done = run(LOAD, address, "-w", "50ms", "--timeout", timeout, "-q", "-o", self.output, *options)
        self.assertEqual(expect, done.returncode, done.stdout + done.stderr)
        with open(self.output) as file:
            return check_load_report(json.load(file))

    def traced(self, model, *options):
        return serving(model, "udp://127.0.0.1:0", "--trace", self.path, *options)


def refused(*options, address="udp://127.0.0.1:9"):
    done = run(LOAD, address, *options)
    return done.returncode, done.stderr.strip().split(": ", 1)[1]


class Knowing(threading.Thread):
    """An echo server that writes a trace. Of each ten numbers of a flow it never notes the 3, keeps the 5, says that
    it sent the 7, and sends the 1 after the 2."""

    def __init__(self, path):
        super().__init__(daemon=True)
        self.trace = Trace(path, create_records=1 << 16)
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        self.socket.bind(("127.0.0.1", 0))
        self.address = "udp://127.0.0.1:%d" % self.socket.getsockname()[1]
        self.ended, self.end = os.pipe()
        self.flows = {}
        self.held = {}
        self.truth = {"unnoted": 0, "kept": 0, "swallowed": 0, "swapped": 0}

    def note(self, flow, sequence, time_ns, state):
        counts = self.flows.setdefault(flow, {"unique": 0, "replied": 0, "bytes": 0})
        counts["unique"] += 1
        counts["bytes"] += 64
        counts["replied"] += state == REPLIED
        now = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
        self.trace.add_record(sequence=sequence, time_ns=time_ns, received_ns=self.received_ns,
                              sent_ns=now if state == REPLIED else 0, flow=flow, state=state)
        self.trace.write_flow(flow, **counts)

    def answer(self, data, peer):
        kind, flow, sequence, time_ns, _ = parse(data)
        self.received_ns = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
        if kind != b"D":
            self.socket.sendto(data, peer)
            return
        fate = sequence % 10
        if fate == 3:
            self.truth["unnoted"] += 1
        elif fate == 5:
            self.note(flow, sequence, time_ns, RECEIVED)
            self.truth["kept"] += 1
        elif fate == 1:
            self.held[flow] = (data, sequence, time_ns, self.received_ns)
        else:
            self.note(flow, sequence, time_ns, REPLIED)
            self.truth["swallowed"] += fate == 7
            if fate != 7:
                self.socket.sendto(data, peer)
        if fate == 2 and flow in self.held:
            data, sequence, time_ns, self.received_ns = self.held.pop(flow)
            self.note(flow, sequence, time_ns, REPLIED)
            self.socket.sendto(data, peer)
            self.truth["swapped"] += 1

    def run(self):
        while True:
            ready, _, _ = select.select([self.socket, self.ended], [], [])
            if self.ended in ready:
                return
            self.answer(*self.socket.recvfrom(65536))

    def stop(self):
        os.write(self.end, b"x")
        self.join()
        self.socket.close()
        os.close(self.end)
        os.close(self.ended)
        self.trace.close()


class RoundTrips(Folder):
    def test_losses_and_reordering_are_charged_to_where_they_happened(self):
        server = Knowing(self.path)
        server.start()
        self.addCleanup(server.stop)
        report = self.load(server.address, "--service", "echo", "-c", 3, "-r", 1000, "-d", "800ms",
                           "--server-trace", self.path, "--rcvbuf", "4M")
        udp, truth = report["udp"], server.truth
        held = len(server.held)  # received, as far as the server knows, and noted nowhere
        noted = sum(counts["unique"] for counts in server.flows.values())
        self.assertGreater(min(truth.values()), 50, truth)
        ways = dict(udp["directions"])
        self.assertAlmostEqual((udp["sent"] - noted) / udp["sent"], ways.pop("forward_loss_ratio"))
        self.assertAlmostEqual(ways["back_lost"] / udp["server"]["replied"], ways.pop("back_loss_ratio"))
        self.assertEqual({"forward_lost": udp["sent"] - noted,
                          "forward_reordered": 0,
                          "server_lost": truth["kept"],
                          "server_reordered": truth["swapped"],
                          "back_lost": truth["swallowed"] + udp["client_drops"]}, ways)
        self.assertGreaterEqual(udp["directions"]["forward_lost"], truth["unnoted"] + held)
        self.assertEqual(udp["lost"], sum(udp["directions"][way + "_lost"] for way in ("forward", "server", "back")))
        if udp["client_drops"] == 0:
            self.assertEqual(truth["swapped"], udp["reordered"])
        self.assertEqual((noted, udp["unique"]), tuple(udp["one_way"][way]["count"] for way in ("forward", "back")))

    def test_threads_on_one_socket_reorder_and_are_charged(self):
        requests = 500 if SANITIZED else 3000
        for _ in range(3):
            with self.traced("threads", "--workers", 4, "--work", "spin:50us") as server:
                report = self.load(server.address, "-c", 1, "-P", 32, "-n", requests, "--udp-offload", "off",
                                   "--server-trace", self.path)
            charged, seen = report["udp"]["directions"]["server_reordered"], report["udp"]["reordered"]
            self.assertIsNone(report["udp"]["directions"]["forward_reordered"])
            if seen > 0 and abs(charged - seen) <= 0.1 * seen:
                return
        self.fail("%d replies came out of order, %d were charged to the server" % (seen, charged))

    def test_the_ways_are_shorter_than_the_servers_sleep(self):
        for _ in range(3):
            with self.traced("iterative", "--work", "sleep:20ms") as server:
                report = self.load(server.address, "-c", 1, "-n", 20, "--server-trace", self.path)
            ways = report["udp"]["one_way"]
            self.assertGreaterEqual(report["latency"]["response"]["min_ns"], 20000000)
            if all(ways[way]["count"] == 20 and ways[way]["mean_ns"] < 10e6 for way in ("forward", "back")):
                return
        self.fail("a way took half of what the server slept: %s" % ways)

    def test_every_datagram_is_seen_by_each_end(self):
        requests = 500 if SANITIZED else 4000
        for model in ("iterative", "fork", "threads 3", "batch", "gso 2", "reuseport 2", "uring 2"):
            name, *workers = model.split()
            if name not in models("datagram"):
                continue
            options = ("--workers", *workers) if workers else ()
            with self.subTest(model=model), self.traced(name, *options) as server:
                # A process for each of 64 requests at once: on a busy machine the first reply takes its time.
                report = self.load(server.address, "-c", 4, "-t", 2, "-P", 16, "-n", requests,
                                   "--server-trace", self.path, timeout="4s" if name == "fork" else "500ms")
                udp = report["udp"]
                self.assertEqual(requests, udp["server"]["unique"] + udp["directions"]["forward_lost"])
                self.assertEqual(udp["lost"], sum(udp["directions"][way + "_lost"]
                                                  for way in ("forward", "server", "back")))

    def test_a_second_run_does_not_see_the_first(self):
        with self.traced("epoll") as server:
            for requests in (300, 200):
                report = self.load(server.address, "-c", 2, "-n", requests, "--server-trace", self.path)
                self.assertEqual(requests, report["udp"]["server"]["unique"])
                self.assertEqual(requests, report["udp"]["server"]["records"])

    def test_what_a_full_unix_socket_refuses_was_not_sent(self):
        # It holds ten datagrams.
        address = "unix-dgram:@sockbench-full-%d" % os.getpid()
        for engine in ("epoll", "uring"):
            with self.subTest(engine=engine), serving("iterative", address, "--work", "spin:50us"):
                report = self.load(address, "-c", 2, "-P", 32, "-n", 300, "-w", 0, "--engine", engine)
                a, udp = report["accounting"], report["udp"]
                self.assertGreater(udp["loss_where"]["client_send"], 0)
                self.assertEqual(a["sent"], udp["sent"] + udp["loss_where"]["client_send"])
                self.assertEqual(a["errors"]["would_block"], udp["loss_where"]["client_send"])
                self.assertEqual(a["error"], a["errors"]["would_block"])


class OneWay(Folder):
    def told(self, address, *options):
        """The text and the udp part of one run."""
        done = run(LOAD, address, "--one-way", "-w", 0, "--timeout", "200ms", "--server-trace", self.path, "-o",
                   self.output, *options)
        self.assertEqual(0, done.returncode, done.stderr)
        return done.stdout, read_load_report(self.output)["udp"]

    def test_all_that_was_sent_is_counted_by_the_server(self):
        for options in (("-P", 1), ("-P", 64, "--udp-offload", "on"), ("-r", 2000)):
            with self.subTest(options=options), \
                    self.traced("gso", "--service", "discard", "--rcvbuf", "4M") as server:
                report = self.load(server.address, "--one-way", "-c", 3, "-n", 600, "--rcvbuf", "4M", *options,
                                   "--server-trace", self.path)
                udp = report["udp"]
                self.assertEqual((600, 600), (udp["sent"], udp["server"]["unique"] + udp["lost"]))
                self.assertEqual(udp["lost"], udp["directions"]["forward_lost"])
                self.assertEqual(report["accounting"]["ok"], 600)
                self.assertEqual(None, report["latency"]["response"])
                self.assertEqual(udp["unique"], udp["one_way"]["forward"]["count"])
                self.assertEqual(None, udp["one_way"]["back"])

    def test_what_the_server_did_not_take_is_what_its_socket_dropped(self):
        reader, writer = os.pipe()
        with serving("iterative", "udp://127.0.0.1:0", "--trace", self.path, "--service", "discard", "--rcvbuf", 4096,
                     "--work", "spin:100us", "--counters-fd", writer, pass_also=[writer]) as server:
            os.close(writer)
            report = self.load(server.address, "--one-way", "-c", 2, "-n", 2000, "-w", "0s",
                               "--server-trace", self.path)
        with os.fdopen(reader) as file:
            counters = json.loads(file.read())
        udp = report["udp"]
        self.assertGreater(udp["lost"], 0)
        self.assertEqual(counters["socket_drops"], udp["lost"])
        self.assertEqual(counters["reads"], udp["received"])
        # On a busy machine there may be worse to say besides.
        self.assertIn(report["verdict"]["status"], ("server_bound", "unstable", "generator_bound"))
        self.assertTrue(any("datagrams came to the server" in reason for reason in report["verdict"]["reasons"]),
                        report["verdict"])

    def test_a_log_that_is_too_small_leaves_counts_alone_and_says_so(self):
        with self.traced("iterative", "--service", "discard", "--trace-records", 100, "--rcvbuf", "4M") as server:
            told, udp = self.told(server.address, "-n", 700, "-c", 2)
        self.assertEqual((700, 0, 0.0, 0, 0.0), tuple(udp[key] for key in (
            "unique", "duplicate", "duplicate_ratio", "reordered", "reordered_ratio")))
        self.assertEqual((100, 600), (udp["server"]["records"], udp["server"]["records_missed"]))
        for key in ("late", "loss_patterns", "reordering", "jitter"):
            self.assertIsNone(udp[key], key)
        self.assertIn("not known: the trace has room for 100 of 700 datagrams (--trace-records", told)

    def test_nothing_is_said_of_an_order_that_nobody_knows(self):
        with self.traced("threads", "--workers", 2, "--service", "discard", "--rcvbuf", "4M") as server:
            told, udp = self.told(server.address, "-n", 700, "-c", 2, "--per-flow")
        self.assertEqual((700, 700), (udp["unique"], udp["copies"]["count"]))
        self.assertEqual(udp["lost"], udp["directions"]["forward_lost"])
        for said in (udp, *udp["per_flow"]):
            self.assertIsNone(said["reordered"])
        self.assertIsNone(udp["reordering"])
        self.assertIsNone(udp["directions"]["forward_reordered"])
        self.assertNotIn("reorder", told)

    def test_a_full_buffer_is_the_pace_and_no_error(self):
        # Of a Unix socket: the receiver holds ten datagrams and a sender that has no room is told so.
        address = "unix-dgram:@sockbench-one-way-%d" % os.getpid()
        with serving("iterative", address, "--trace", self.path, "--service", "discard", "--work", "spin:50us"):
            report = self.load(address, "--one-way", "-c", 2, "-P", 8, "-n", 1000, "--server-trace", self.path)
        a, udp = report["accounting"], report["udp"]
        self.assertGreater(udp["loss_where"]["client_send"], 0)
        self.assertEqual((1000, 1000, 0), (a["scheduled"], a["ok"], a["error"]))
        self.assertEqual((1000, 1000, 0), (udp["sent"], udp["unique"], udp["lost"]))

    def test_a_silent_flow_is_not_served_and_a_server_that_answers_fails_the_run(self):
        server = Knowing(self.path)
        answer = server.answer
        server.answer = lambda data, peer: parse(data)[1] == 1 or answer(data, peer)
        server.start()
        self.addCleanup(server.stop)
        report = self.load(server.address, "--one-way", "-c", 3, "-r", 1000, "-d", "300ms", "--server-trace",
                           self.path, expect=4)
        self.assertEqual({"offered": 3, "connected": 3, "served": 2, "unserved": 1}, report["load"]["flows"])
        self.assertGreater(report["load"]["content_faults"]["long"], 0)
        self.assertIn("nobody asked for", report["verdict"]["reasons"][0])

    def test_nothing_is_made_up_without_a_trace(self):
        with serving("iterative", "udp://127.0.0.1:0", "--service", "discard") as server:
            report = self.load(server.address, "--one-way", "-c", 1, "-n", 100)
        udp = report["udp"]
        self.assertEqual(100, udp["sent"])
        for name in ("received", "unique", "lost", "loss_ratio", "duplicate", "reordered", "server", "directions",
                     "delivered_per_s", "one_way"):
            self.assertIsNone(udp[name], name)
        self.assertIn("--server-trace", udp["server_note"])
        self.assertIsNone(udp["loss_where"]["arrived"])

    def test_what_arrived_is_the_servers_word(self):
        with self.traced("iterative", "--service", "discard") as server:
            udp = self.load(server.address, "--one-way", "-c", 2, "-r", 1000, "-d", "100ms", "-w", "100ms",
                            "--server-trace", self.path)["udp"]
        self.assertGreater(udp["server"]["warmup"], 0)
        self.assertEqual(udp["server"]["received"] + udp["server"]["warmup"], udp["loss_where"]["arrived"])

    def test_a_trace_that_knows_nothing_of_the_run_says_nothing(self):
        with self.traced("iterative") as server, serving("iterative", "udp://127.0.0.1:0") as other:
            for address, size, note in ((server.address, 0, "no number"), (server.address, 19, "no number"),
                                        (other.address, 64, "does not write this trace")):
                with self.subTest(note=note, size=size):
                    udp = self.load(address, "-c", 1, "-n", 10, "-w", 0, "-s", size, "--server-trace",
                                    self.path)["udp"]
                    self.assertEqual((10, 0), (udp["sent"], udp["lost"]))
                    self.assertIn(note, udp["server_note"])
                    for name in ("server", "directions", "delivered_per_s", "one_way"):
                        self.assertIsNone(udp[name], name)

    def test_the_text_has_no_table_of_nothing_and_says_why_a_trace_is_silent(self):
        with self.traced("iterative", "--service", "discard") as server:
            told = run(LOAD, server.address, "--one-way", "-c", 1, "-n", 10, "-w", 0, "--server-trace",
                       self.path).stdout
        self.assertIn("datagrams   sent 10", told)
        self.assertNotIn("p99.9", told)
        with self.traced("iterative") as server:
            told = run(LOAD, server.address, "-c", 1, "-n", 10, "-w", 0, "-s", 10, "--server-trace", self.path).stdout
        self.assertIn("p99.9", told)
        self.assertIn("on the way  not known: below 20 bytes", told)

    def test_a_server_that_gets_nothing_is_no_measurement(self):
        with self.traced("iterative", "--service", "discard"), \
                socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
            other.bind(("127.0.0.1", 0))
            report = self.load("udp://127.0.0.1:%d" % other.getsockname()[1], "--one-way", "-c", 1, "-n", 10,
                               "--server-trace", self.path, expect=4)
        self.assertEqual("not one datagram came to the server, or the trace is another server's",
                         report["verdict"]["reasons"][0])

    def test_nobody_there_is_said(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
            other.bind(("127.0.0.1", 0))
            address = "udp://127.0.0.1:%d" % other.getsockname()[1]
        done = run(LOAD, address, "--one-way", "-c", 1, "-d", "1s", "-w", "0s")
        self.assertEqual(4, done.returncode, done.stderr)
        self.assertIn("refused", done.stderr)


class Words(Folder):
    def test_bad_words_are_one_line_each(self):
        with open(self.path, "w") as file:
            file.write("no trace" * 1000)
        for line, options in (
                ("--one-way, --service echo: nothing comes back from service discard alone",
                 ("--one-way", "--service", "echo")),
                ("--service discard: it answers nothing, and what is measured are round trips (datagrams: try "
                 "--one-way)", ("--service", "discard")),
                ("--one-way, --size '19': a datagram below 20 bytes has no number to count",
                 ("--one-way", "--size", "19")),
                ("--one-way, --engine uring: only the epoll engine is done with a datagram when it is sent",
                 ("--one-way", "--engine", "uring")),
                ("--server-trace '%s': not a file of sockbench-serve --trace" % self.path,
                 ("--server-trace", self.path))):
            with self.subTest(options=options):
                self.assertEqual((2, line), refused(*options))
        self.assertEqual((2, "--one-way: a stream's bytes are acknowledged"),
                         refused("--one-way", address="tcp://127.0.0.1:9"))
        self.assertEqual((1, "cannot read the trace '%s/not': Not a directory" % self.path),
                         refused("--server-trace", self.path + "/not"))

    def test_a_damaged_trace_is_refused(self):
        for offset, form, value in ((0, "<B", 0), (8, "<I", 2), (12, "<I", 63), (12, "<I", 2**32 - 1),
                                    (16, "<Q", 11), (16, "<Q", 2**63), (24, "<Q", 0), (32, "<Q", 2**64 - 40)):
            with self.subTest(offset=offset, value=value):
                trace = Trace(self.path, create_records=10)
                struct.pack_into(form, trace.map, offset, value)
                trace.close()
                self.assertEqual((2, "--server-trace '%s': not a file of sockbench-serve --trace" % self.path),
                                 refused("--server-trace", self.path))
        os.truncate(self.path, 4096)
        self.assertEqual(2, refused("--server-trace", self.path)[0])

    def test_a_trace_with_too_little_room_is_refused(self):
        Trace(self.path, create_records=10, flows=4).close()
        code, told = refused("--server-trace", self.path, "-c", 5)
        self.assertEqual((77, "--server-trace '%s': it has room for 4 flows, not for 5" % self.path), (code, told))


if __name__ == "__main__":
    unittest.main()
