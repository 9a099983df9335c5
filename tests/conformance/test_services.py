"""Every service in every model over every family, against a second
implementation in Python."""
import socket
import tempfile
import threading
import unittest

from programs import PATIENCE_S, SANITIZED, SERVE, run, serving
from traffic import (NEED_INET, ON_DATAGRAMS, ON_STREAMS, addresses, connect, half_closed_exchange, light, models, noise,
                     peer, read_exactly, read_to_end, resident_bytes, stream, stuff)

STREAMS = models("stream")
DATAGRAMS = models("datagram")


class Walk(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def test_streams(self):
        messages = (b"", b"x", b"two\nlines\n", b"\n" * 300, noise(5000, 2), noise(100003, 3))
        for model in STREAMS:
            for address in addresses("stream", model, self.folder):
                for service, reference in ON_STREAMS.items():
                    with serving(model, address, "--service", service) as server:
                        for data in messages:
                            with self.subTest(model=model, service=service, address=address, size=len(data)), \
                                    connect(server) as client:
                                if service == "greeting":
                                    self.assertEqual(read_to_end(client), reference(b""))
                                else:
                                    self.assertTrue(half_closed_exchange(client, data) == reference(data))

    def test_datagrams(self):
        for model in DATAGRAMS:
            for address in addresses("datagram", model, self.folder):
                for service, reference in ON_DATAGRAMS.items():
                    with self.subTest(model=model, service=service, address=address), \
                            serving(model, address, "--service", service) as server, peer(server) as client:
                        for size in (0, 1, 64, 1472, 9000, 65502):
                            data = noise(size, size)
                            client.send(data)
                            self.assertTrue(client.recv(70000) == reference(data), size)

    def test_what_needs_the_internet_says_so(self):
        for transport, names in (("unix", STREAMS), ("unix-dgram", DATAGRAMS)):
            for model in names:
                if model not in NEED_INET:
                    continue
                with self.subTest(model=model):
                    result = run(SERVE, "--model", model, "--listen", "%s:%s/none" % (transport, self.folder))
                    self.assertEqual((result.returncode, result.stdout), (2, ""))
                    self.assertEqual(result.stderr.count("\n"), 1)
                    self.assertIn("does not apply", result.stderr)


class Ok(unittest.TestCase):
    def test_lines_that_come_in_pieces(self):
        pieces = (b"he", b"llo\nwor", b"ld", b"\n", b"\n\n", b"end")
        for model in STREAMS:
            with self.subTest(model=model), stream(model, "--service", "ok") as server, connect(server) as client:
                sent = b""
                got = b""
                for piece in pieces:
                    sent += piece
                    client.sendall(piece)
                    got += read_exactly(client, len(ON_STREAMS["ok"](sent)) - len(got))
                    self.assertEqual(got, ON_STREAMS["ok"](sent))

    def test_the_smallest_buffer(self):
        data = noise(3000, 6).replace(b"a", b"\n")
        for model in STREAMS:
            with self.subTest(model=model), stream(model, "--service", "ok", "--buffer", 9) as server, \
                    connect(server) as client:
                self.assertTrue(half_closed_exchange(client, data) == ON_STREAMS["ok"](data))

    def test_six_times_as_much_to_a_slow_reader(self):
        data = b"\n" * light(400000, 100000)
        for model in STREAMS:
            with self.subTest(model=model), stream(model, "--service", "ok", "--sndbuf", "16k") as server, \
                    connect(server, rcvbuf=4096) as client:
                sender = threading.Thread(target=lambda: (client.sendall(data), client.shutdown(socket.SHUT_WR)))
                sender.start()
                got = read_to_end(client)
                sender.join()
                self.assertTrue(got == b"OK...\n" * len(data))

    @unittest.skipIf(SANITIZED, "memory figures mean nothing under sanitizers")
    def test_peers_that_never_read_hold_little(self):
        count = 50
        for model in models("stream", ("poll", "epoll", "epoll-et", "uring", "uring-multishot")):
            with self.subTest(model=model), \
                    stream(model, "--service", "ok", "--rcvbuf", "64k", "--sndbuf", "64k") as server:
                before = resident_bytes(server)
                stuck = [connect(server, rcvbuf=65536, sndbuf=65536) for _ in range(count)]
                stuff(stuck, b"\n" * (8 << 20))
                self.assertLess(resident_bytes(server) - before, count * (1 << 20) + (8 << 20))
                for client in stuck:
                    client.close()


class Greeting(unittest.TestCase):
    def test_clients_that_talk_get_it_whole(self):
        """Closing over what they sent would be a reset, and destroy it."""
        for model in STREAMS:
            with self.subTest(model=model), stream(model, "--service", "greeting") as server:
                for _ in range(light(50, 10)):
                    with connect(server) as client:
                        client.sendall(b"hello? " * 1000)
                        client.shutdown(socket.SHUT_WR)
                        self.assertEqual(read_to_end(client), b"Thank you for connecting")

    def test_who_stays_is_closed_in_the_end(self):
        for model in STREAMS:
            with self.subTest(model=model), \
                    stream(model, "--service", "greeting", "--idle-timeout", "200ms") as server, \
                    connect(server) as client:
                self.assertEqual(read_to_end(client), b"Thank you for connecting")
                with self.assertRaises(ConnectionError):
                    while True:  # until the server has closed, and resets
                        client.sendall(b"still here")
                        threading.Event().wait(0.02)

    def test_not_on_datagrams(self):
        result = run(SERVE, "--model", "iterative", "--listen", "udp://127.0.0.1:0", "--service", "greeting")
        self.assertEqual((result.returncode, result.stderr.count("\n")), (2, 1))


class Discard(unittest.TestCase):
    def test_a_stream_is_counted(self):
        data = noise(light(8 << 20, 1 << 20), 8)
        for model in STREAMS:
            with self.subTest(model=model), stream(model, "--service", "discard") as server, \
                    connect(server) as client:
                self.assertEqual(half_closed_exchange(client, data), b"%d\n" % len(data))

    def test_datagrams_get_no_answer(self):
        for model in DATAGRAMS:
            with self.subTest(model=model), \
                    serving(model, "udp://127.0.0.1:0", "--service", "discard", "--exit-after", 20) as server, \
                    peer(server) as client:
                for _ in range(20):
                    client.send(b"into the void")
                self.assertEqual(server.process.wait(PATIENCE_S), 0)  # it had them all
                client.setblocking(False)
                with self.assertRaises((BlockingIOError, ConnectionRefusedError)):
                    client.recv(100)


if __name__ == "__main__":
    unittest.main(verbosity=2)
