"""What a server notes of datagrams with --trace: every model tells the same."""
import json
import os
import socket
import stat
import sys
import tempfile
import time
import unittest

import programs
from traces import REPLIED, Trace, UNCLAIMED, frame

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../conformance"))
from traffic import models  # noqa: E402

NONCE = 0x123456
FLOWS = 3
EACH = 40


class Folder(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = os.path.join(folder.name, "trace")

    def client(self, server):
        client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.addCleanup(client.close)
        client.settimeout(10)
        client.connect((server.host, server.port))
        return client

    def ask(self, client, data):
        """Sent and answered, so that the next one comes after it."""
        client.send(data)
        return client.recv(65536)


class EveryModel(Folder):
    def talk(self, server, trace):
        """The numbers of each flow: in order, but 5 behind 6, 7 twice and 9 not at all."""
        client = self.client(server)
        self.ask(client, frame(0, 0, NONCE))  # nobody has claimed the trace
        trace.claim(NONCE)
        numbers = [n for n in range(EACH) if n != 9]
        numbers[5], numbers[6] = numbers[6], numbers[5]
        numbers.insert(8, 7)
        before = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
        for n in numbers:
            for flow in range(FLOWS):
                self.ask(client, frame(flow, n, NONCE, time_ns=n + 1))
        for flow in range(FLOWS):
            self.ask(client, frame(flow, 0, NONCE, kind=b"W"))
        self.ask(client, frame(0, 0, NONCE + 1))
        self.ask(client, b"hello")
        self.ask(client, frame(0, EACH, NONCE)[:39] + b"x")
        self.ask(client, frame(20000, 0, NONCE))
        return numbers, before, time.clock_gettime_ns(time.CLOCK_MONOTONIC)

    def check(self, model):
        with programs.serving(model, "udp://127.0.0.1:0", "--service", "echo", "--trace", self.path) as server:
            trace = Trace(self.path)
            self.addCleanup(trace.close)
            numbers, before, after = self.talk(server, trace)
        header = trace.header()
        self.assertEqual((2, 1, 1, 1), tuple(header[name] for name in ("foreign", "unnumbered", "damaged", "beyond")))
        self.assertEqual(FLOWS * len(numbers), header["records_count"])
        records = trace.records()
        for flow in range(FLOWS):
            found = trace.flow(flow)
            self.assertTrue(before <= found.pop("first_ns") <= found.pop("last_ns") <= after)
            self.assertEqual({"unique": EACH - 1, "duplicate": 1, "ancient": 0, "reordered": 1, "warmup": 1,
                              "bytes": 64 * EACH, "refused": 0, "replied": EACH, "send_errors": 0,
                              "next_expected": EACH}, found)
            own = [record for record in records if record["flow"] == flow]
            self.assertEqual([(n, n + 1) for n in numbers], [(r["sequence"], r["time_ns"]) for r in own])
            times = [r[name] for r in own for name in ("received_ns", "sent_ns")]
            self.assertEqual(sorted(times), times)
            self.assertTrue(before <= times[0] and times[-1] <= after)
            self.assertEqual({REPLIED}, {r["state"] for r in own})

    def test_counts_and_records_are_exact(self):
        for model in models("datagram"):
            with self.subTest(model=model):
                self.check(model)


class Words(Folder):
    def refused(self, *options, listen="udp://127.0.0.1:0"):
        done = programs.run(programs.SERVE, "--model", "iterative", "--listen", listen, *options)
        return done.returncode, done.stderr

    def test_streams_have_no_trace(self):
        self.assertEqual((2, "sockbench-serve: --trace does not apply to streams: they lose nothing\n"),
                         self.refused("--trace", self.path, listen="tcp://127.0.0.1:0"))

    def test_a_file_that_is_no_trace_is_left_alone(self):
        with open(self.path, "w") as file:
            file.write("somebody's diary, longer than a page of memory has bytes" * 100)
        before = os.stat(self.path)
        code, told = self.refused("--trace", self.path)
        self.assertEqual(2, code)
        self.assertIn("a file that is no trace is left alone", told)
        after = os.stat(self.path)
        self.assertEqual((before.st_ino, before.st_mtime_ns), (after.st_ino, after.st_mtime_ns))

    def test_a_trace_is_replaced_and_belongs_to_its_owner(self):
        for _ in range(2):
            with programs.serving("iterative", "udp://127.0.0.1:0", "--trace", self.path) as server:
                self.assertEqual(0o600, stat.S_IMODE(os.stat(self.path).st_mode))
                trace = Trace(self.path)
                self.assertEqual((UNCLAIMED, 0), tuple(trace.header()[n] for n in ("nonce", "unnumbered")))
                self.ask(self.client(server), b"hello")
                trace.close()

    def test_two_servers_do_not_write_one_trace(self):
        with programs.serving("iterative", "udp://127.0.0.1:0", "--trace", self.path):
            code, told = self.refused("--trace", self.path)
            self.assertEqual(2, code)
            self.assertIn("another server writes it", told)

    def test_a_folder_that_is_not_there_is_a_failure_to_run(self):
        code, told = self.refused("--trace", self.path + "/trace")
        self.assertEqual(1, code)
        self.assertIn("cannot write the trace '%s/trace': No such file or directory" % self.path, told)


class Log(Folder):
    def test_what_the_log_has_no_room_for_is_counted(self):
        with programs.serving("iterative", "udp://127.0.0.1:0", "--trace", self.path, "--trace-records", 5) as server:
            trace = Trace(self.path)
            self.addCleanup(trace.close)
            trace.claim(NONCE)
            client = self.client(server)
            for n in range(8):
                self.ask(client, frame(0, n, NONCE))
        self.assertEqual((8, 5), (trace.header()["records_count"], len(trace.records())))
        self.assertEqual((8, 8), tuple(trace.flow(0)[name] for name in ("unique", "replied")))

    def test_what_discard_swallows_was_received_and_not_replied(self):
        with programs.serving("batch", "udp://127.0.0.1:0", "--service", "discard", "--trace", self.path) as server:
            trace = Trace(self.path)
            self.addCleanup(trace.close)
            trace.claim(NONCE)
            client = self.client(server)
            for n in range(100):
                client.send(frame(0, n, NONCE))
        self.assertEqual((100, 0), tuple(trace.flow(0)[name] for name in ("unique", "replied")))

    def test_numbers_far_behind_are_ancient_and_no_duplicates(self):
        with programs.serving("iterative", "udp://127.0.0.1:0", "--trace", self.path) as server:
            trace = Trace(self.path)
            self.addCleanup(trace.close)
            trace.claim(NONCE)
            client = self.client(server)
            for n in (0, 5000, 1, 4999, 4999, 1 << 45, (1 << 45) - 1023, (1 << 45) - 1024):
                self.ask(client, frame(0, n, NONCE))
        self.assertEqual((5, 1, 2, 2), tuple(trace.flow(0)[name]
                                             for name in ("unique", "duplicate", "ancient", "reordered")))


class Bench(Folder):
    def bench(self, **load):
        folder = os.path.dirname(self.path)
        scenario = {"servers": [{"model": "iterative", "transport": "udp"},
                                {"model": "gso", "transport": "udp", "service": "discard"},
                                {"model": "epoll"}],
                    "layout": "split" if len(os.sched_getaffinity(0)) > 1 else "shared",
                    "loads": [{"name": "a", "connections": 2, "requests": 400, "warmup": "0s",
                               "timeout": "200ms", **load}]}
        with open(os.path.join(folder, "scenario.json"), "w") as file:
            json.dump(scenario, file)
        output = os.path.join(folder, "run")
        done = programs.run(programs.BENCH, "run", file.name, "-o", output)
        if done.returncode == 2:
            return done.returncode, done.stderr
        self.assertEqual(0, done.returncode, done.stdout + done.stderr)
        self.table = done.stdout
        self.assertEqual(["report.json", "rows.json"], sorted(os.listdir(output)))
        with open(os.path.join(output, "report.json")) as file:
            return {cell["key"].split("/")[1]: cell for cell in json.load(file)["cells"]}

    def test_loads_are_traced_where_the_scenario_says_so(self):
        cells = self.bench(trace=True)
        udp = cells["iterative"]["repetitions"][0]["udp"]
        self.assertEqual(udp["sent"], udp["directions"]["forward_lost"] + udp["server"]["unique"])
        self.assertEqual(("does_not_apply", "service discard answers nothing"),
                         (cells["gso"]["status"], cells["gso"]["reason"]))
        self.assertEqual(("ok", None), (cells["epoll"]["status"], cells["epoll"]["repetitions"][0]["udp"]))

    def test_one_way_is_traced_anyhow(self):
        cells = self.bench(**{"one-way": True, "pipeline": 16})
        udp = cells["gso"]["repetitions"][0]["udp"]
        self.assertEqual(udp["sent"], udp["lost"] + udp["unique"])
        self.assertEqual(udp["unique"], udp["server"]["unique"])
        self.assertEqual(udp["delivered_per_s"], cells["gso"]["summary"]["requests_per_s"]["median"])
        self.assertIn("one way", self.table)
        self.assertIn("arrived/s", self.table)
        self.assertNotIn("not known, fewer than ten samples", self.table)
        self.assertEqual(("does_not_apply", "one way is for service discard"),
                         (cells["iterative"]["status"], cells["iterative"]["reason"]))
        self.assertEqual("one way is for datagrams", cells["epoll"]["reason"])

    def test_a_trace_is_asked_for_and_not_named(self):
        for load, why in (({"trace": 1}, "'trace' is true or false"),
                          ({"server-trace": "x"}, "'server-trace' is decided by the bench"),
                          ({"server_options": {"trace": "x"}}, "'trace' is decided by the bench")):
            with self.subTest(load=load):
                code, told = self.bench(**load)
                self.assertEqual(2, code)
                self.assertIn(why, told)


if __name__ == "__main__":
    unittest.main()
