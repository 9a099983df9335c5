"""The pitfalls of io_uring, each provoked: rings and queues too small for what
is asked of them, stalled peers on a shared buffer, refusal by the system."""
import ctypes
import os
import socket
import struct
import threading
import unittest

from programs import PATIENCE_S, SERVE, run, skip
from traffic import (allowed, connect, exchange_all, half_closed_exchange, held, light, models, noise, read_exactly,
                     stream, stuff, unavailable, until)

MODELS = models("stream", ("uring", "uring-multishot"))
if not MODELS:
    skip("; ".join("%s: %s" % reason for reason in unavailable().items()) or "neither was chosen")

TINY = {
    "one small buffer": ("--ring-buffers", 1, "--buffer", 256),
    "one buffer": ("--ring-buffers", 1),
    "few completions": ("--cq-entries", 8, "--ring-entries", 8),
    "few submissions": ("--ring-entries", 4, "--cq-entries", 8),
    "all of it": ("--ring-entries", 1, "--cq-entries", 2, "--ring-buffers", 1, "--buffer", 100),
}

SCARCE = [(model, name, options) for model in MODELS for name, options in TINY.items()]


class Starved(unittest.TestCase):
    def test_every_client_is_served_whatever_is_scarce(self):
        for model, name, options in SCARCE:
            with self.subTest(model=model, scarce=name), stream(model, *options) as server:
                clients = [connect(server) for _ in range(allowed(light(1000, 200)))]
                for turn in range(3):
                    messages = [noise(300 + i % 50, i + turn) for i in range(len(clients))]
                    self.assertTrue(exchange_all(clients, messages) == messages)
                for client in clients:
                    client.close()
                until(lambda: held(server)["descriptors"] < 20, "all are closed")

    def test_a_hog_and_a_victim_both_finish(self):
        bulk = noise(light(16 << 20, 1 << 20), 7)
        for model, name, options in SCARCE:
            with self.subTest(model=model, scarce=name), stream(model, *options) as server, \
                    connect(server) as hog, connect(server) as victim:
                got = []
                thread = threading.Thread(target=lambda: got.append(half_closed_exchange(hog, bulk)))
                thread.start()
                for i in range(100):
                    data = noise(200, i)
                    victim.sendall(data)
                    self.assertEqual(read_exactly(victim, 200), data)
                thread.join()
                self.assertTrue(got[0] == bulk)

    def test_stalled_peers_hold_no_buffer_of_the_others(self):
        for model, name, options in SCARCE:
            with self.subTest(model=model, scarce=name), stream(model, "--sndbuf", "8k", *options) as server:
                # With buffers of 100 bytes each of them takes long: a few show the same.
                stalled = [connect(server, rcvbuf=4096) for _ in range(5 if name == "all of it" else 20)]
                sent = stuff(stalled)
                with connect(server) as client:
                    data = noise(light(1 << 20, 1 << 17))
                    self.assertTrue(half_closed_exchange(client, data) == data)
                for client, count in zip(stalled, sent):  # and then all of theirs
                    client.settimeout(PATIENCE_S)
                    self.assertTrue(read_exactly(client, count) == b"s" * count)
                    client.close()

    def test_churn_meets_no_stale_completion(self):
        """Descriptors and slots are reused while old operations come in."""
        for model, name, options in SCARCE:
            with self.subTest(model=model, scarce=name), stream(model, *options) as server:
                for i in range(light(1000, 200)):
                    first, second = connect(server), connect(server)
                    first.sendall(noise(3000, i))
                    first.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    first.close()
                    data = noise(1000, i + 1)
                    second.sendall(data)
                    self.assertTrue(read_exactly(second, 1000) == data)
                    second.close()
                until(lambda: held(server)["descriptors"] < 20, "all are closed")


class Workers(unittest.TestCase):
    def test_several_rings_serve_one_port(self):
        for model in models("stream", ("uring-multishot",)):
            with stream(model, "--workers", 4, "--service", "upper") as server:
                self.assertIn(" workers=4 ", server.ready_line)
                self.assertGreaterEqual(held(server)["threads"], 4)  # a sanitizer may add its own
                clients = [connect(server) for _ in range(64)]
                messages = [noise(2000, i) for i in range(64)]
                replies = exchange_all(clients, messages)
                self.assertTrue(replies == [message.upper() for message in messages])
                for client in clients:
                    client.close()


class Grants(unittest.TestCase):
    def test_the_ready_line_names_them(self):
        for model in MODELS:
            with self.subTest(model=model), stream(model) as server:
                words = dict(word.split("=", 1) for word in server.ready_line.split()[2:])
                words.pop("workers", None)
                self.assertLessEqual({"buffers", "ring"}, set(words))
                self.assertLessEqual(set(words), {"buffers", "receive", "ring"})


class Refused(unittest.TestCase):
    """As under a container's seccomp filter: io_uring_setup gives EPERM."""

    @staticmethod
    def forbid():
        io_uring_setup, load, jump, ret = 425, 0x20, 0x15, 0x06
        allow, refuse = 0x7fff0000, 0x00050000 | 1  # EPERM
        program = b"".join(struct.pack("HBBI", *row) for row in (
            (load, 0, 0, 0), (jump, 0, 1, io_uring_setup), (ret, 0, 0, refuse), (ret, 0, 0, allow)))
        buffer = ctypes.create_string_buffer(program)
        fprog = struct.pack("HxxxxxxP", 4, ctypes.addressof(buffer))
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.prctl(38, 1, 0, 0, 0) or libc.prctl(22, 2, fprog, 0, 0):
            os._exit(99)

    def test_it_is_exit_77_with_the_cause_and_never_another_model(self):
        wanted = [(model, "tcp://127.0.0.1:0") for model in MODELS] + [("uring", "udp://127.0.0.1:0")]
        for model, address in wanted:
            result = run(SERVE, "--model", model, "--listen", address, preexec_fn=self.forbid)
            self.assertEqual(result.returncode, 77)
            self.assertEqual(result.stdout, "")
            self.assertIn("io_uring is refused: Operation not permitted", result.stderr)
            self.assertIn("io_uring_disabled", result.stderr)
            self.assertEqual(result.stderr.count("\n"), 1)

    def test_the_list_says_so(self):
        result = run(SERVE, "--list", preexec_fn=self.forbid)
        self.assertEqual(result.returncode, 0)
        self.assertIn("no: io_uring is refused", result.stdout)


if __name__ == "__main__":
    unittest.main(verbosity=2)
