"""Shapes of load: drawn sizes, source addresses, idle clients, many connections."""
import json
import socket
import threading
import unittest

from programs import LOAD, run, serving
from reports import check_load_report


def load_json(*argv, expect=0, **options):
    result = run(LOAD, *argv, "--json", **options)
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
                for engine in ("uring", "epoll"):
                    for size in ("uniform:20,1400", "exp:100"):
                        for depth in (1, 8):
                            with self.subTest(address=address, service=service, engine=engine, size=size, depth=depth):
                                report = load_json(server.address, "-c", 3, "-n", 600, "-w", "10ms", "-P", depth,
                                                   "-s", size, "--engine", engine, "--service", service,
                                                   "--timeout", "250ms")
                                self.assertEqual(report["accounting"]["ok"], 600)

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
            load_json(recorder.address, "-c", 6, "-n", 300, "-w", 0, "-s", "uniform:20,900", *words)
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


if __name__ == "__main__":
    unittest.main(verbosity=2)
