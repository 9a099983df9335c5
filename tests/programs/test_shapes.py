"""Shapes of load: drawn sizes, source addresses, idle clients, many connections."""
import collections
import contextlib
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
import unittest

import jsonschema

from programs import LOAD, SANITIZED, patient, run, serving
from reports import SCHEMAS, check_load_report


def load_json(*argv, expect=0, **options):
    result = run(LOAD, *(patient(argv) if "-n" in argv else argv), "--json", **options)
    assert result.returncode == expect, (result.returncode, result.stderr)
    return check_load_report(json.loads(result.stdout))


class Words(unittest.TestCase):
    def refused(self, code, *argv, says):
        result = run(LOAD, *argv)
        self.assertEqual(result.returncode, code, result.stderr)
        self.assertEqual(result.stderr.count("\n"), 1, result.stderr)
        self.assertIn(says, result.stderr)

    def test_bad_words_are_one_line_and_2(self):
        tcp, udp = "tcp://127.0.0.1:7000", "udp://127.0.0.1:7000"
        for size in ("uniform:9,8", "uniform:9", "exp:0", "exp:", "normal:5", "17M"):
            self.refused(2, tcp, "-s", size, says="--size '%s': a size such as" % size)
        self.refused(2, tcp, "-s", "uniform:0,9", says="no empty requests")
        self.refused(2, udp, "-s", "uniform:19,90", says="which takes 20 bytes")
        self.refused(2, udp, "-s", "uniform:20,65508", says="65507 bytes at most")
        self.refused(2, udp, "-s", "uniform:20,90", "--udp-offload", "on", says="datagrams of one size")
        for sources in ("", "127.0.0.1,", "localhost", "127.0.0.1:80"):
            self.refused(2, tcp, "--source", sources, says="addresses such as 127.0.0.2,127.0.0.3")
        self.refused(2, tcp, "--source", "127.0.0.2,::1", says="of its own family")
        self.refused(2, "unix:@nobody", "--source", "127.0.0.2", says="of its own family")
        self.refused(2, tcp, "--source", "127.0.0.2,192.0.2.1", says="'192.0.2.1': cannot send from it")
        self.refused(2, tcp, "--unconnected", says="only UDP")
        self.refused(2, udp, "--unconnected", "--udp-offload", "on", says="connected socket")
        for idle in ("8", "8:", "0:2s", "8:0", "8:2h", "-1:2s"):
            self.refused(2, tcp, "--idle-clients", idle, says="how many and for how long")
        self.refused(2, udp, "--idle-clients", "8:2s", says="no connection to be silent on")
        self.refused(2, tcp, "--idle-clients", "8:2s", "--service", "greeting", says="cannot be idle")


class Recorder:
    """Echoes streams, or upper-cases datagrams, and keeps what came."""

    def __init__(self, kind):
        self.kind, self.data, self.datagrams = kind, {}, []
        if kind == "tcp":
            self.socket = socket.create_server(("127.0.0.1", 0))
        else:
            self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self.socket.bind(("127.0.0.1", 0))
        self.address = "%s://127.0.0.1:%d" % (kind, self.socket.getsockname()[1])
        threading.Thread(target=self.accept if kind == "tcp" else self.answer, daemon=True).start()

    def accept(self):
        while True:
            try:
                client, peer = self.socket.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(client, peer), daemon=True).start()

    def serve(self, client, peer):
        kept = self.data.setdefault(peer, bytearray())
        with client:
            while True:
                try:
                    data = client.recv(65536)
                    if not data:
                        return
                    kept += data
                    client.sendall(data)
                except OSError:
                    return

    def answer(self):
        while True:
            try:
                data, peer = self.socket.recvfrom(65536)
            except OSError:
                return
            self.datagrams.append(data)
            if data:
                self.socket.sendto(bytes(b - 32 if 97 <= b <= 122 else b for b in data), peer)

    def close(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.sendto(b"", self.socket.getsockname())
        self.socket.close()


def number_of(sextets):
    value = 0
    for byte in sextets:
        value = value * 64 + byte - 0x20
    return value


def identity(frame):
    """(type, flow, sequence) of a frame, as servers/wire/frame.h draws it."""
    if frame[:4] == b"skb1":
        return chr(frame[4]), number_of(frame[10:14]), number_of(frame[14:22])
    assert frame[:4] == b"skt1", frame[:20]
    return "DW"[number_of(frame[8:16]) >> 46], number_of(frame[4:8]), number_of(frame[8:16]) & (1 << 46) - 1


class Sizes(unittest.TestCase):
    def test_every_service_and_engine_is_verified_whatever_the_sizes(self):
        for address, model, service in (("tcp://127.0.0.1:0", "epoll", "echo"), ("tcp://127.0.0.1:0", "thread", "upper"),
                                        ("tcp://127.0.0.1:0", "thread", "ok"), ("udp://127.0.0.1:0", "epoll", "upper"),
                                        ("udp://127.0.0.1:0", "iterative", "ok")):
            with serving(model, address, "--service", service) as server:
                for engine, size, depth in (("uring", "uniform:20,1400", 1), ("uring", "exp:100", 8),
                                            ("epoll", "exp:100", 1), ("epoll", "uniform:20,1400", 8)):
                    with self.subTest(address=address, service=service, engine=engine, size=size, depth=depth):
                        report = load_json(server.address, "-c", 3, "-n", 300, "-w", 0, "-P", depth, "-s", size,
                                           "--engine", engine, "--service", service, "--timeout", "250ms")
                        self.assertEqual(report["accounting"]["ok"], 300)

    def test_the_report_has_the_distribution_and_exact_bits(self):
        with serving("epoll", "tcp://127.0.0.1:0", "--service", "ok") as server:
            for words, how, least, most, mean in (("64", "fixed", 64, 64, 64),
                                                  ("uniform:10,90", "uniform", 10, 90, 50),
                                                  ("exp:200", "exp", 1, 3200, 200.5)):
                report = load_json(server.address, "-c", 2, "-n", 2000, "-w", 0, "-s", words, "--service", "ok")
                size = report["load"]["size"]
                self.assertEqual((size["how"], size["min_bytes"], size["max_bytes"]), (how, least, most))
                self.assertAlmostEqual(size["mean_bytes"], mean, delta=0.01)
                self.assertLess(abs(size["achieved_mean_bytes"] - mean), mean / 5)
                self.assertEqual(report["config"]["size"], words)
                # Every request was answered within the window, with five bytes before it.
                seconds = report["window"]["length_ns"] / 1e9
                sent = report["throughput"]["tx_bits_per_s"] * seconds / 8
                came = report["throughput"]["rx_bits_per_s"] * seconds / 8
                self.assertAlmostEqual(sent, size["achieved_mean_bytes"] * 2000, delta=1)
                self.assertAlmostEqual(came - sent, 5 * 2000, delta=1)

    def test_sizes_depend_on_seed_flow_and_number_alone(self):
        def sizes(*words):
            recorder = Recorder("udp")
            load_json(recorder.address, "-c", 6, "-n", 300, "-w", 0, "-s", "uniform:20,900", "--timeout", "500ms",
                      *words)
            recorder.close()
            return {identity(d): len(d) for d in recorder.datagrams if d}
        first = sizes("-t", 1, "--engine", "epoll")
        self.assertEqual(len(first), 300)
        self.assertEqual(sizes("-t", 3, "-P", 4), first)
        other = sizes("--seed", 2)
        self.assertEqual(other.keys(), first.keys())
        self.assertNotEqual(other, first)
        self.assertGreater(len(set(first.values())), 100)

    def test_a_stream_carries_whole_frames_one_behind_the_other(self):
        recorder = Recorder("tcp")
        load_json(recorder.address, "-c", 2, "-n", 400, "-w", 0, "-P", 16, "-s", "uniform:40,700")
        recorder.close()
        counted = 0
        for data in recorder.data.values():
            at = 0
            while at < len(data):
                self.assertEqual(data[at:at + 4], b"skb1")
                at += number_of(data[at + 6:at + 10])
                counted += 1
            self.assertEqual(at, len(data))
        self.assertEqual(counted, 400)

    def test_one_byte_less_is_caught_whatever_the_size(self):
        server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        server.bind(("127.0.0.1", 0))

        def cut():
            for number in range(1, 401):
                data, peer = server.recvfrom(65536)
                server.sendto(data[:-1] if number == 100 else data, peer)
        threading.Thread(target=cut, daemon=True).start()
        report = load_json("udp://127.0.0.1:%d" % server.getsockname()[1], "-c", 2, "-n", 400, "-w", 0, "-s",
                           "uniform:50,60", "--service", "echo", "--timeout", "100ms", expect=4)
        server.close()
        self.assertEqual(report["load"]["content_faults"]["short"], 1)

    def test_an_open_loop_draws_them_too(self):
        with serving("epoll", "tcp://127.0.0.1:0") as server:
            report = load_json(server.address, "-c", 50, "-r", 2000, "-d", "500ms", "-w", 0, "-s", "exp:2000")
            self.assertEqual(report["accounting"]["ok"], report["accounting"]["scheduled"])


class Sources(unittest.TestCase):
    def test_connections_come_from_them_in_turn(self):
        for engine in ("uring", "epoll"):
            for threads in (1, 2):
                recorder = Recorder("tcp")
                load_json(recorder.address, "-c", 7, "-n", 70, "-w", 0, "--source", "127.0.0.2,127.0.0.3,127.0.0.4",
                          "--engine", engine, "-t", threads)
                recorder.close()
                hosts = collections.Counter(host for host, _ in recorder.data)
                self.assertEqual(hosts, {"127.0.0.2": 3, "127.0.0.3": 2, "127.0.0.4": 2})

    def test_datagrams_and_ipv6_too(self):
        with serving("epoll", "udp://127.0.0.1:0") as server:
            for more in ((), ("--unconnected",)):
                report = load_json(server.address, "-c", 4, "-n", 200, "-w", 0, "--source", "127.0.0.9", "--timeout",
                                   "500ms", *more)
                self.assertEqual(report["accounting"]["ok"], 200)
        with serving("epoll", "tcp://[::1]:0") as server:
            report = load_json(server.address, "-c", 4, "-n", 200, "-w", 0, "--source", "::1")
            self.assertEqual(report["accounting"]["ok"], 200)
            self.assertEqual(report["config"]["source"], "::1")

    def few_ports(self, first, last, *argv):
        """argv in a private network with so few ports."""
        probe = run("unshare", "-Urn", "true")
        if probe.returncode != 0:
            self.skipTest("no private network namespace: " + probe.stderr.strip())
        script = """
            ip link set lo up &&
            echo %d %d >/proc/sys/net/ipv4/ip_local_port_range &&
            exec "$@" """ % (first, last)
        return run("unshare", "-Urn", "sh", "-c", script, "sh", *argv)

    def test_ports_of_all_of_them_are_foreseen(self):
        result = self.few_ports(40000, 40049, LOAD, "tcp://127.0.0.1:7000", "-c", 101, "--source",
                                "127.0.0.2,127.0.0.3", "-d", "100ms")
        self.assertEqual(result.returncode, 77, result.stderr)
        self.assertIn("101 connections from 2 addresses need 51 ports of each, 50 are there", result.stderr)

    def test_5000_connections_over_6_addresses_with_1000_ports(self):
        count = 2000 if SANITIZED else 5000
        most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        if most < count + 100:
            self.skipTest("no more than %d descriptors are allowed" % most)
        script = """
            import json, sys
            sys.path[:0] = sys.argv[1].split(":")
            from programs import LOAD, run, serving
            with serving("epoll", "tcp://127.0.0.1:7000", "--max-clients", 6000) as server:
                result = run(LOAD, server.address, "-c", sys.argv[2], "--source",
                             ",".join("127.0.0.%d" % i for i in range(2, 8)), "-n", 2 * int(sys.argv[2]), "-w", 0,
                             "--timeout", "10s", "--json")
            sys.stderr.write(result.stderr)
            sys.stdout.write(result.stdout)
            sys.exit(result.returncode)"""
        script = "\n".join(line[12:] for line in script.splitlines())
        result = self.few_ports(40000, 40999 if count == 5000 else 40399, sys.executable, "-B", "-c", script,
                                ":".join(sys.path), count)
        self.assertEqual(result.returncode, 0, result.stderr)
        report = check_load_report(json.loads(result.stdout))
        self.assertEqual(report["load"]["flows"]["served"], count)
        self.assertEqual(report["accounting"]["ok"], 2 * count)


class Unconnected(unittest.TestCase):
    def test_it_measures_as_the_others_do(self):
        for host in ("127.0.0.1", "[::1]"):
            with serving("epoll", "udp://%s:0" % host) as server:
                for engine, size, flows in (("uring", 64, 5), ("uring", 65507, 1), ("epoll", 64, 5)):
                    with self.subTest(host=host, engine=engine, size=size):
                        report = load_json(server.address, "-c", flows, "-n", 200, "-w", "20ms", "-s", size,
                                           "--unconnected", "--engine", engine)
                        self.assertEqual(report["accounting"]["ok"], 200)
                        self.assertEqual(report["load"]["engine"], engine)
                        self.assertEqual((report["udp"]["foreign"], report["udp"]["corrupt"]), (0, 0))
                        self.assertTrue(report["config"]["unconnected"])

    def test_a_reply_from_another_port_is_foreign_and_no_reply(self):
        for engine in ("uring", "epoll"):
            with self.subTest(engine=engine):
                self.another_port(engine)

    def another_port(self, engine):
        server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        other = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        for end in (server, other):
            end.bind(("127.0.0.1", 0))

        def answer():
            for number in range(200):
                data, peer = server.recvfrom(65536)
                (other if number == 50 else server).sendto(data, peer)
        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        report = load_json("udp://127.0.0.1:%d" % server.getsockname()[1], "-c", 1, "-n", 200, "-w", 0, "--service",
                           "echo", "--timeout", "500ms", "--unconnected", "--engine", engine)
        thread.join(10)
        server.close()
        other.close()
        in_the_end = report["accounting"]["ok"] + report["udp"]["late"]  # on a busy machine some take their time
        self.assertEqual((report["udp"]["foreign"], report["udp"]["lost"], in_the_end), (1, 1, 199))

    def test_a_server_that_answers_from_another_port_alone_is_named(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server, \
                socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
            server.bind(("127.0.0.1", 0))

            def answer():
                for _ in range(3):
                    other.sendto(*server.recvfrom(65536))
            thread = threading.Thread(target=answer, daemon=True)
            thread.start()
            result = run(LOAD, "udp://127.0.0.1:%d" % server.getsockname()[1], "-c", 1, "-n", 3, "-w", 0, "--service",
                         "echo", "--timeout", "100ms", "--unconnected")
            thread.join(10)
        self.assertEqual(result.returncode, 4, result.stderr)
        self.assertIn("3 foreign replies: the server answers from another address", result.stdout)


class IdleClients(unittest.TestCase):
    def test_they_come_wait_ask_and_return(self):
        with serving("epoll", "tcp://127.0.0.1:0") as server:
            report = load_json(server.address, "-c", 4, "-d", "700ms", "-w", 0, "--idle-clients", "5:100ms")
            idle = report["load"]["idle_clients"]
            self.assertEqual((idle["count"], idle["idle_ns"], idle["failed"]), (5, 100_000_000, 0))
            self.assertGreaterEqual(idle["served"], 5)
            self.assertLessEqual(idle["served"], 5 * 9)  # nobody asks before his time
            self.assertIn(idle["connected"] - idle["served"], range(0, 6))
            self.assertEqual(report["load"]["flows"]["offered"], 4)
            text = run(LOAD, server.address, "-c", 4, "-n", 100, "-w", 0, "--idle-clients", "5:50ms").stdout
            self.assertIn("beside them 5 silent clients", text)

    def test_an_iterative_server_makes_everybody_wait_for_a_silent_one(self):
        with serving("iterative", "tcp://127.0.0.1:0") as server:
            report = load_json(server.address, "-c", 2, "-n", 4, "-w", 0, "--idle-clients", "1:1200ms", "--timeout",
                               "3s", "--reconnect-every", 1)
            self.assertEqual(report["accounting"]["ok"], 4)
            self.assertGreaterEqual(report["load"]["idle_clients"]["served"], 1)
            self.assertGreaterEqual(report["latency"]["response"]["max_ns"], 1_000_000_000)

    def test_they_count_as_descriptors(self):
        def few():
            resource.setrlimit(resource.RLIMIT_NOFILE, (100, 100))
        result = run(LOAD, "tcp://127.0.0.1:9", "-c", 20, "--idle-clients", "60:1s", preexec_fn=few)
        self.assertEqual(result.returncode, 77)


class Memory(unittest.TestCase):
    def peak(self, *argv):
        """The greatest resident set of a load, in bytes: told while it runs."""
        process = subprocess.Popen([LOAD, *map(str, argv), "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   text=True)
        done = threading.Event()
        peaks = [0]

        def watch():
            while not done.wait(0.05):
                with contextlib.suppress(OSError, ValueError), open("/proc/%d/status" % process.pid) as file:
                    peaks.extend(int(line.split()[1]) * 1024 for line in file if line.startswith("VmHWM:"))
        watcher = threading.Thread(target=watch)
        watcher.start()
        out, err = process.communicate(timeout=120)
        done.set()
        watcher.join()
        self.assertEqual(process.returncode, 0, err)
        return max(peaks), check_load_report(json.loads(out))

    @unittest.skipIf(SANITIZED, "the sanitizers' own memory")
    def test_a_connection_takes_4_kib_at_most(self):
        limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        many = min(limit - 100, 19900)
        if many < 2000:
            self.skipTest("only %d descriptors are allowed" % limit)
        with serving("epoll", "tcp://127.0.0.1:0", "--max-clients", many + 200) as server:
            # An open loop, where any connection may have to queue.
            words = ("-r", "20k", "-d", "1s", "-w", 0, "--timeout", "10s")
            few, _ = self.peak(server.address, "-c", 100, *words)
            all_of_them, report = self.peak(server.address, "-c", many, *words)
            self.assertEqual(report["load"]["flows"]["connected"], many)
            self.assertLessEqual((all_of_them - few) / (many - 100), 4096)


class Threads(unittest.TestCase):
    def test_each_has_its_cpu_and_its_share(self):
        cpus = sorted(os.sched_getaffinity(0))
        if len(cpus) < 2:
            self.skipTest("one CPU")
        with serving("epoll", "tcp://127.0.0.1:0") as server:
            for engine in ("uring", "epoll"):
                report = load_json(server.address, "-c", 5, "-n", 2000, "-w", 0, "-t", 2, "--engine", engine, "--cpus",
                                   "%d,%d" % (cpus[0], cpus[1]))
                threads = report["generator"]["threads"]
                self.assertEqual([thread["cpu"] for thread in threads], cpus[:2])
                self.assertTrue(all(thread["cpu_window_ns"] > 0 for thread in threads))
                self.assertEqual(report["load"]["engine"], engine)


class Stream(unittest.TestCase):
    def check(self, lines):
        schemas = {}
        for name in ("load-stream", "load"):
            with open(os.path.join(SCHEMAS, name + ".schema.json"), encoding="utf-8") as file:
                schemas[name + ".schema.json"] = json.load(file)
        schema = schemas["load-stream.schema.json"]
        jsonschema.Draft202012Validator.check_schema(schema)
        resolver = jsonschema.RefResolver.from_schema(schema, store=schemas)
        validator = jsonschema.Draft202012Validator(schema, resolver=resolver)
        for line in lines:
            validator.validate(line)
        return check_load_report(lines[-1]["report"])

    def test_a_line_a_thing_that_happened(self):
        with serving("epoll", "tcp://127.0.0.1:0") as server:
            for words, threads in ((("-d", "350ms"), 2), (("-r", "2k", "-d", "300ms"), 1)):
                result = run(LOAD, server.address, "-c", 4, "-t", threads, "-w", "20ms", "-i", "100ms",
                             "--json-stream", *words)
                self.assertEqual((result.returncode, result.stderr), (0, ""))
                lines = [json.loads(line) for line in result.stdout.splitlines()]
                report = self.check(lines)
                self.assertEqual(lines[0]["type"], "start")
                self.assertEqual(lines[0]["target"], server.address)
                rows = lines[1:-1]
                self.assertEqual([row.pop("type") for row in rows], ["interval"] * len(report["intervals"]))
                # But for what came after the window, the report says the same.
                self.assertEqual(rows[:-1], report["intervals"][:-1])
                self.assertEqual(rows[-1]["start_ns"], report["intervals"][-1]["start_ns"])

    def test_lines_come_as_things_happen(self):
        with serving("epoll", "tcp://127.0.0.1:0") as server:
            process = subprocess.Popen([LOAD, server.address, "-c", "4", "-d", "60s", "-w", "0", "-i", "50ms",
                                        "--json-stream"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            lines = [json.loads(process.stdout.readline()) for _ in range(4)]
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=30)
            self.assertEqual(process.returncode, 130, err)
            lines += [json.loads(line) for line in out.splitlines()]
            self.assertFalse(self.check(lines)["run"]["complete"])
            self.assertEqual([line["type"] for line in lines[:4]], ["start"] + ["interval"] * 3)

    def test_a_full_stdout_is_a_failure(self):
        with serving("epoll", "tcp://127.0.0.1:0") as server, open("/dev/full", "w") as full:
            result = subprocess.run([LOAD, server.address, "-n", "50", "-w", "0", "--json-stream"], stdout=full,
                                    stderr=subprocess.PIPE, text=True)
            self.assertEqual(result.returncode, 1)
            self.assertIn("cannot write to stdout: No space left", result.stderr)
        self.assertEqual(run(LOAD, "tcp://127.0.0.1:9", "--json", "--json-stream").returncode, 2)


if __name__ == "__main__":
    unittest.main(verbosity=2)
