"""Servers that lie are caught, named, and never pass for a measurement."""
import json
import socket
import struct
import threading
import time
import unittest

from programs import LOAD, run
from reports import check_load_report


def upper(data):
    return bytes(b - 32 if 97 <= b <= 122 else b for b in data)


class StreamLiar:
    """Answers each whole request by tell(request, number) -> bytes."""

    def __init__(self, size, tell):
        self.size, self.tell = size, tell
        self.socket = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.address = "tcp://127.0.0.1:%d" % self.socket.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client, _ = self.socket.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client):
        with client:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            number = 0
            while True:
                request = b""
                while len(request) < self.size:
                    try:
                        part = client.recv(self.size - len(request))
                    except OSError:
                        return
                    if not part:
                        return
                    request += part
                number += 1
                try:
                    client.sendall(self.tell(request, number))
                except OSError:
                    return

    def close(self):
        self.socket.close()


class DatagramLiar:
    """Answers each datagram by tell(request, number) -> list of datagrams."""

    def __init__(self, tell):
        self.tell = tell
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.other = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.other.bind(("127.0.0.1", 0))
        self.address = "udp://127.0.0.1:%d" % self.socket.getsockname()[1]
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        number = 0
        while True:
            try:
                request, peer = self.socket.recvfrom(65536)
            except OSError:
                return
            if not request:
                return
            number += 1
            for reply in self.tell(request, number):
                if isinstance(reply, tuple):  # from another port
                    self.other.sendto(reply[0], peer)
                else:
                    self.socket.sendto(reply, peer)

    def close(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.sendto(b"", self.socket.getsockname())
        self.thread.join(5)
        self.socket.close()
        self.other.close()


def on_100th(lie, truth):
    return lambda request, number: lie(request) if number == 100 else truth(request)


class Held:
    """Swaps the replies to two requests that are in flight together."""

    def __init__(self):
        self.held = None

    def __call__(self, request, number):
        if number % 50 == 49:
            self.held = request
            return b""
        if self.held is not None:
            held, self.held = self.held, None
            return request + held
        return request


class Streams(unittest.TestCase):
    def caught(self, service, tell, fault, size=64, depth=1, engine="uring"):
        liar = StreamLiar(size, tell)
        try:
            result = run(LOAD, liar.address, "-c", 2, "-P", depth, "-d", "1s", "-w", 0, "-s", size, "--timeout",
                         "300ms", "--service", service, "--engine", engine, "--json")
        finally:
            liar.close()
        self.assertEqual(result.returncode, 4, result.stderr)
        report = check_load_report(json.loads(result.stdout))
        self.assertEqual(report["verdict"]["status"], "invalid")
        self.assertGreater(report["load"]["content_faults"][fault], 0, report["load"]["content_faults"])

    def test_an_honest_server_passes(self):
        for service, tell in (("echo", lambda r, n: r), ("upper", lambda r, n: upper(r))):
            server = StreamLiar(64, tell)
            result = run(LOAD, server.address, "-c", 2, "-n", 500, "-w", 0, "--service", service)
            server.close()
            self.assertEqual(result.returncode, 0, result.stdout + result.stderr)

    def test_echo_for_upper(self):
        for size in (5, 20, 64):
            self.caught("upper", lambda r, n: r, "untransformed", size=size)

    def test_upper_for_echo(self):
        self.caught("echo", lambda r, n: upper(r), "content")

    def test_a_flipped_bit(self):
        def flip(request):
            broken = bytearray(request)
            broken[45] ^= 4
            return bytes(broken)
        for engine in ("uring", "epoll"):
            self.caught("echo", on_100th(flip, lambda r: r), "content", engine=engine)

    def test_high_bytes_upper_cased_too(self):
        self.caught("upper", lambda r, n: bytes(b - 32 if b >= 0xE0 else b for b in upper(r)), "content", size=512)

    def test_stops_at_nul_and_pads(self):
        def cut(request, number):
            at = request.find(0)
            return request if at < 0 else request[:at] + b"\0" * (len(request) - at)
        self.caught("echo", cut, "content", size=4096)

    def test_two_replies(self):
        self.caught("echo", on_100th(lambda r: r + r, lambda r: r), "long")

    def test_two_replies_with_another_request_in_flight(self):
        self.caught("echo", on_100th(lambda r: r + r, lambda r: r), "sequence", depth=4)

    def test_swapped_replies(self):
        self.caught("echo", Held(), "sequence", depth=4)

    def test_a_byte_short_is_never_a_measurement(self):
        liar = StreamLiar(64, lambda r, n: r[:-1])
        result = run(LOAD, liar.address, "-c", 2, "-d", "500ms", "-w", 0, "--timeout", "200ms")
        liar.close()
        self.assertEqual(result.returncode, 4, result.stdout)

    def test_a_reply_that_nobody_asked_for(self):
        server = socket.create_server(("127.0.0.1", 0))

        def greet():
            client, _ = server.accept()
            client.sendall(b"welcome\n")
            time.sleep(2)
            client.close()
        threading.Thread(target=greet, daemon=True).start()
        result = run(LOAD, "tcp://127.0.0.1:%d" % server.getsockname()[1], "-c", 1, "-d", "300ms", "-w", 0)
        server.close()
        self.assertIn(result.returncode, (1, 4), result.stdout)


class Datagrams(unittest.TestCase):
    def measured(self, tell, expect, service="echo", size=64, depth=1, engine="uring", timeout="1s"):
        liar = DatagramLiar(tell)
        try:
            result = run(LOAD, liar.address, "-c", 2, "-P", depth, "-n", 400, "-w", 0, "-s", size, "--timeout",
                         timeout, "--service", service, "--engine", engine, "--json")
        finally:
            liar.close()
        self.assertEqual(result.returncode, expect, result.stderr)
        return check_load_report(json.loads(result.stdout))

    def test_an_honest_server_passes(self):
        report = self.measured(lambda r, n: [upper(r)], 0, service="upper")
        self.assertEqual(report["udp"]["lost"], 0)

    def test_echo_for_upper(self):
        for size in (5, 20, 64):
            report = self.measured(lambda r, n: [r], 4, service="upper", size=size, timeout="100ms")
            self.assertGreater(report["load"]["content_faults"]["untransformed"], 0)

    def test_a_byte_short_and_a_byte_long(self):
        for size in (10, 30, 64):
            report = self.measured(lambda r, n: [r[:-1]] if n == 50 else [r], 4, size=size, timeout="100ms")
            faults = report["load"]["content_faults"]
            # A tiny frame is as long as its datagram, so its cut body is what tells.
            self.assertEqual(faults["short"], 1, faults)
            report = self.measured(lambda r, n: [r + b"x"] if n == 50 else [r], 4, size=size, timeout="100ms")
            self.assertEqual(report["load"]["content_faults"]["long"], 1)

    def test_an_empty_reply_is_too_short_and_no_loss(self):
        for engine in ("uring", "epoll"):
            with self.subTest(engine=engine):
                report = self.measured(lambda r, n: [b""] if n % 80 == 0 else [r], 4, size=10, engine=engine,
                                       timeout="300ms")
                self.assertEqual(report["load"]["content_faults"]["short"], 5)
                self.assertEqual((report["udp"]["corrupt"], report["udp"]["unique"]), (5, 395))

    def test_a_flipped_bit_anywhere(self):
        for engine in ("uring", "epoll"):
            for at in (0, 7, 20, 35, 50):
                def flip(request):
                    broken = bytearray(request)
                    broken[at] ^= 1
                    return [bytes(broken)]
                report = self.measured(on_100th(flip, lambda r: [r]), 4, engine=engine, timeout="100ms")
                self.assertEqual(report["udp"]["corrupt"], 1)
                self.assertEqual(report["udp"]["lost"], 1)

    def test_two_replies_are_a_fault_of_the_server(self):
        report = self.measured(lambda r, n: [r, r] if n % 40 == 0 else [r], 4, depth=4)
        self.assertEqual(report["udp"]["duplicate"], 10)
        self.assertEqual(report["udp"]["lost"], 0)

    def test_loss_is_a_measurement(self):
        report = self.measured(lambda r, n: [] if n % 40 == 0 else [r], 0, timeout="100ms")
        self.assertEqual(report["udp"]["lost"], 10)
        self.assertEqual(report["accounting"]["timeout"], 10 + report["udp"]["late"])

    def test_swapped_replies_are_reordered_not_wrong(self):
        class Swap:
            held = None

            def __call__(self, request, number):
                if number % 50 == 49:
                    self.held = request
                    return []
                if self.held is not None:
                    held, self.held = self.held, None
                    return [request, held]
                return [request]
        liar = DatagramLiar(Swap())
        result = run(LOAD, liar.address, "-c", 1, "-P", 4, "-n", 400, "-w", 0, "--timeout", "300ms", "--service",
                     "echo", "--json")
        liar.close()
        self.assertEqual(result.returncode, 0, result.stderr)
        report = check_load_report(json.loads(result.stdout))
        self.assertEqual(report["udp"]["lost"], 0)
        self.assertEqual(report["udp"]["reordered"], 8)

    def test_a_reply_from_another_port_is_no_reply(self):
        report = self.measured(lambda r, n: [(r,)] if n == 50 else [r], 0)
        self.assertEqual(report["udp"]["lost"], 1)

    def test_a_stray_of_an_earlier_run_is_foreign(self):
        strays = []
        self.measured(lambda r, n: strays.append(r) or [r], 0)
        report = self.measured(lambda r, n: [strays[7], r] if n == 50 else [r], 0)
        self.assertEqual(report["udp"]["foreign"], 1)
        self.assertEqual(report["udp"]["lost"], 0)

    def test_a_late_reply_is_late_and_lost_it_is_not(self):
        held = []

        def tell(request, number):
            if number == 50:
                held.append((time.monotonic(), request))
                return []
            if held and time.monotonic() - held[0][0] > 0.6:
                return [request, held.pop()[1]]
            time.sleep(0.002)
            return [request]
        liar = DatagramLiar(tell)
        # One flow, or the held reply would go to another one's port.
        result = run(LOAD, liar.address, "-c", 1, "-P", 2, "-n", 600, "-w", 0, "--timeout", "250ms", "--service",
                     "echo", "--json")
        liar.close()
        self.assertEqual(result.returncode, 0, result.stderr)
        report = check_load_report(json.loads(result.stdout))
        # On a busy machine others may be late as well.
        self.assertGreaterEqual(report["udp"]["late"], 1)
        self.assertEqual((report["udp"]["lost"], report["accounting"]["timeout"]), (0, report["udp"]["late"]))


class BlockLiar:
    """Answers eight datagrams by one block, that tell(requests, number) makes."""

    def __init__(self, tell):
        self.tell = tell
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.address = "udp://127.0.0.1:%d" % self.socket.getsockname()[1]
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        number = 0
        while True:
            requests = []
            while len(requests) < 8:
                request, peer = self.socket.recvfrom(65536)
                if not request:
                    return
                requests.append(request)
            number += 1
            replies = self.tell(requests, number)
            size = struct.pack("H", len(replies[0]))
            self.socket.sendmsg(replies, [(socket.IPPROTO_UDP, 103, size)], 0, peer)  # UDP_SEGMENT

    def close(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.sendto(b"", self.socket.getsockname())
        self.thread.join(5)
        self.socket.close()


class Blocks(unittest.TestCase):
    """With offload each datagram of a block is judged for itself."""

    def measured(self, lie, expect):
        liar = BlockLiar(lambda requests, number: lie(requests) if number % 10 == 0 else requests)
        try:
            result = run(LOAD, liar.address, "-c", 1, "-P", 8, "-n", 400, "-w", 0, "--timeout", "100ms", "--service",
                         "echo", "--json")
        finally:
            liar.close()
        self.assertEqual(result.returncode, expect, result.stderr)
        report = check_load_report(json.loads(result.stdout))
        self.assertTrue(report["load"]["udp_offload"])
        return report

    def test_an_honest_server_passes(self):
        report = self.measured(lambda requests: requests, 0)
        self.assertEqual((report["udp"]["unique"], report["udp"]["lost"], report["udp"]["reordered"]), (400, 0, 0))

    def test_loss_is_a_measurement(self):
        report = self.measured(lambda requests: requests[:3] + requests[4:], 0)
        # The last eight requests wait for one another's answer, so of 400 not all are in whole blocks.
        self.assertIn(report["udp"]["lost"], range(4, 14))
        self.assertEqual(report["udp"]["unique"] + report["udp"]["lost"], 400)

    def test_two_replies_are_a_fault_of_the_server(self):
        report = self.measured(lambda requests: requests + requests[5:6], 4)
        self.assertEqual((report["udp"]["unique"], report["udp"]["duplicate"]), (400, 5))

    def test_reordering_is_counted(self):
        report = self.measured(lambda requests: requests[1:2] + requests[:1] + requests[2:], 0)
        self.assertEqual((report["udp"]["unique"], report["udp"]["reordered"]), (400, 5))

    def test_a_flipped_bit(self):
        def flip(requests):
            broken = bytearray(requests[6])
            broken[50] ^= 1
            return requests[:6] + [bytes(broken)] + requests[7:]
        report = self.measured(flip, 4)
        self.assertEqual(report["udp"]["corrupt"], report["load"]["content_faults"]["content"])
        self.assertGreaterEqual(report["udp"]["corrupt"], 4)

    def test_a_byte_short(self):
        report = self.measured(lambda requests: requests[:7] + [requests[7][:-1]], 4)
        self.assertGreaterEqual(report["load"]["content_faults"]["short"], 4)


if __name__ == "__main__":
    unittest.main(verbosity=2)
