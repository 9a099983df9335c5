"""Targets beyond loopback: asked first, loaded within caps. All of it happens in
a private network namespace with an address of its own; nothing leaves it."""
import json
import os
import socket
import subprocess
import sys
import threading
import unittest

from programs import LOAD, run, serving, skip
from reports import check_load_report

HOST = "10.99.0.1"
INSIDE = "SOCKBENCH_TEST_INSIDE"


def load(*argv, **options):
    return run(LOAD, *argv, "--allow-remote", **options)


def load_json(*argv, expect=0):
    result = load(*argv, "--json")
    assert result.returncode == expect, (result.returncode, result.stderr)
    return check_load_report(json.loads(result.stdout))


class Answering:
    """A UDP server that answers by tell(data, number), or not (None)."""

    def __init__(self, tell):
        self.tell, self.came = tell, []
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((HOST, 0))
        self.address = "udp://%s:%d" % self.socket.getsockname()
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        while True:
            data, peer = self.socket.recvfrom(65536)
            if not data:
                return
            self.came.append(data)
            answer = self.tell(data, len(self.came))
            if answer is not None:
                self.socket.sendto(answer, peer)

    def close(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.sendto(b"", self.socket.getsockname())
        self.thread.join(10)
        self.socket.close()


class Asking(unittest.TestCase):
    def refused(self, code, *argv, says):
        result = load(*argv)
        self.assertEqual(result.returncode, code, result.stderr)
        self.assertEqual(result.stdout, "")
        self.assertEqual(result.stderr.count("\n"), 1, result.stderr)
        self.assertIn(says, result.stderr)

    def test_it_wants_to_be_said(self):
        result = run(LOAD, "tcp://%s:7000" % HOST)
        self.assertEqual(result.returncode, 2)
        self.assertIn("without --allow-remote", result.stderr)

    def test_services_that_can_say_a_nonce_again_are_measured(self):
        for kind, model in (("tcp", "epoll"), ("udp", "iterative")):
            for service in ("echo", "upper", "ok"):
                with self.subTest(kind=kind, service=service), \
                        serving(model, "%s://%s:0" % (kind, HOST), "--service", service) as server:
                    report = load_json(server.address, "-c", 3, "-n", 100, "-w", 0, "--service", service)
                    self.assertEqual(report["accounting"]["ok"], 100)
                    self.assertEqual(report["load"]["remote"]["max_connections"], 1000)

    def test_those_that_cannot_are_not(self):
        with serving("epoll", "tcp://%s:0" % HOST, "--service", "greeting") as server:
            self.refused(2, server.address, "--service", "greeting", says="cannot repeat a nonce")

    def test_another_answer_is_a_no(self):
        with serving("epoll", "tcp://%s:0" % HOST, "--service", "upper") as server:
            # The nonce is its own upper case: what tells is the prefix that is missing.
            self.refused(1, server.address, "--service", "ok", says="the answer was another one")
        for wrong in (lambda d, n: d[:-1], lambda d, n: d + b"x", lambda d, n: b"", lambda d, n: d[::-1]):
            server = Answering(wrong)
            self.refused(1, server.address, says="the answer was another one")
            server.close()
            self.assertEqual([len(data) for data in server.came], [32])

    def test_an_answer_from_elsewhere_is_none(self):
        other = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        other.bind((HOST, 0))
        server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        server.bind((HOST, 0))
        came = []

        def answer():
            while True:
                data, peer = server.recvfrom(65536)
                if not data:
                    return
                came.append(data)
                other.sendto(data, peer)
        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        self.refused(1, "udp://%s:%d" % server.getsockname(), says="nothing came back in 2 s")
        other.sendto(b"", server.getsockname())
        thread.join(10)
        server.close()
        other.close()
        # The question and nothing else: at most once each half second, always the same.
        self.assertLessEqual(len(came), 5)
        self.assertEqual({len(data) for data in came}, {32})

    def test_nobody_there_is_told_at_once(self):
        with socket.socket() as s:
            s.bind((HOST, 0))
            self.refused(1, "tcp://%s:%d" % s.getsockname(), says="Connection refused")

    def test_multicast_and_broadcast_are_refused_always(self):
        self.refused(2, "udp://224.0.0.1:7000", says="multicast and broadcast are refused")
        self.refused(2, "udp://255.255.255.255:7000", says="multicast and broadcast are refused")
        if os.environ[INSIDE] != "veth":
            self.skipTest("no veth here: a network without a broadcast address")
        self.refused(2, "udp://10.99.0.255:7000", says="multicast and broadcast are refused")

    def test_loopback_stays_free(self):
        with serving("epoll", "tcp://127.0.0.1:0") as server:
            report = load_json(server.address, "-c", 1200, "-n", 2400, "-w", 0, "--timeout", "10s")
            self.assertIsNone(report["load"]["remote"])


class Caps(unittest.TestCase):
    def test_more_is_refused_and_what_lifts_it_named(self):
        for words, lift in ((("-c", 1001), "--remote-max-connections"),
                            (("-c", 999, "--idle-clients", "2:1s"), "--remote-max-connections"),
                            (("-r", "10001"), "--remote-max-rate"),
                            (("-c", 50, "--rate-per-conn", "201"), "--remote-max-rate"),
                            (("-c", 1, "--idle-clients", "20:1ms"), "--remote-max-rate"),
                            (("-r", "9k", "-s", "1400"), "--remote-max-bits")):
            result = load("tcp://%s:9" % HOST, *words)
            self.assertEqual(result.returncode, 2, result.stderr)
            self.assertIn("%s lifts that" % lift, result.stderr)

    def test_each_is_lifted_by_its_own_option(self):
        with serving("epoll", "tcp://%s:0" % HOST, "--max-clients", 1200) as server:
            load_json(server.address, "-c", 1001, "-n", 1001, "-w", 0, "--timeout", "10s", "--remote-max-connections",
                      1100)
            load_json(server.address, "-c", 4, "-r", "11k", "-d", "100ms", "-w", 0, "--remote-max-rate", "12k")
            load_json(server.address, "-c", 4, "-r", "1k", "-s", "20k", "-d", "100ms", "-w", 0, "--remote-max-bits",
                      "200M")

    def test_a_closed_loop_is_held_to_them(self):
        for kind, model in (("tcp", "epoll"), ("udp", "epoll")):
            with serving(model, "%s://%s:0" % (kind, HOST), "--service", "echo") as server:
                # 300 requests/s, or 240 kbit/s of 100 byte requests: the same.
                for words in (("--remote-max-rate", 300), ("--remote-max-bits", "240k")):
                    for threads in (1, 2):
                        report = load_json(server.address, "-c", 20, "-P", 2, "-t", threads, "-s", 100, "-d", "500ms",
                                           "-w", "100ms", "--service", "echo", *words)
                        self.assertLessEqual(report["accounting"]["sent"], 150 + 2 * threads)
                        self.assertGreater(report["accounting"]["ok"], 10)
                        self.assertGreater(report["load"]["remote"]["held_back"], 0)
                        self.assertEqual(report["verdict"]["status"], "generator_bound")
                        self.assertIn("held requests back", " ".join(report["verdict"]["reasons"]))

    def test_with_a_number_of_requests_all_are_made(self):
        with serving("epoll", "tcp://%s:0" % HOST) as server:
            report = load_json(server.address, "-c", 5, "-n", 201, "-w", 0, "--remote-max-rate", 500,
                               "--reconnect-every", 3)
            self.assertEqual(report["accounting"]["ok"], 201)

    def test_datagrams_stop_when_nobody_answers(self):
        server = Answering(lambda data, number: data if number < 50 else None)
        report = load_json(server.address, "-c", 2, "-d", "60s", "-w", 0, "--timeout", "20s", "--service", "echo",
                           expect=4)
        server.close()
        self.assertEqual(report["run"]["reason"], "no reply from a remote target for 2 s")
        self.assertEqual(report["verdict"]["status"], "invalid")
        self.assertLess(report["window"]["length_ns"], 30_000_000_000)

    def test_a_schedule_may_be_slower_than_that(self):
        with serving("epoll", "udp://%s:0" % HOST) as server:
            report = load_json(server.address, "-c", 1, "-r", "0.4", "--arrival", "constant", "-d", "2900ms", "-w", 0,
                               "--timeout", "1s")
            self.assertTrue(report["run"]["complete"])
            self.assertEqual(report["accounting"]["sent"], 2)


def enter():
    """Runs this file again in a network of its own."""
    probe = run("unshare", "-Urn", "ip", "link", "set", "lo", "up")
    if probe.returncode != 0:
        skip("no private network namespace: " + probe.stderr.strip())
    script = """
        ip link set lo up
        if ip link add v0 type veth peer name v1 2>/dev/null; then
            ip addr add %s/24 brd + dev v0 && ip link set v0 up && ip link set v1 up && link=veth
        else
            ip addr add %s/24 dev lo && link=lo
        fi
        %s=$link exec "$@" """ % (HOST, HOST, INSIDE)
    argv = ["unshare", "-Urn", "sh", "-e", "-c", script, "sh", sys.executable, "-B", *sys.argv]
    sys.exit(subprocess.run(argv, check=False).returncode)


if __name__ == "__main__":
    if INSIDE not in os.environ:
        enter()
    unittest.main(verbosity=2)
