"""How a connection and a server end when it is not the client or a signal that
says so: --one-request, --close-word, --exit-after; and what --verbose tells."""
import os
import signal
import socket
import struct
import unittest

from programs import PATIENCE_S, SERVE, run, serving
from traffic import (ON_STREAMS, connect, half_closed_exchange, light, models, noise, peer, read_exactly, read_to_end,
                     stream)

STREAMS = models("stream")
DATAGRAMS = models("datagram")
CONCURRENT = [model for model in STREAMS if model != "iterative"]


class OneRequest(unittest.TestCase):
    def test_what_comes_first_is_answered_and_then_fin(self):
        for model in STREAMS:
            for service in ("echo", "upper", "ok", "discard"):
                with self.subTest(model=model, service=service), \
                        stream(model, "--service", service, "--one-request") as server:
                    for i in range(5):
                        data = noise(1000, i)
                        with connect(server) as client:
                            client.sendall(data)
                            self.assertTrue(read_to_end(client) == ON_STREAMS[service](data))

    def test_what_comes_later_does_not_destroy_the_reply(self):
        for model in STREAMS:
            with self.subTest(model=model), stream(model, "--one-request") as server:
                for _ in range(light(50, 10)):
                    with connect(server) as client:
                        client.sendall(b"first")
                        self.assertEqual(read_exactly(client, 5), b"first")
                        for _ in range(20):
                            client.sendall(b"and more " * 100)
                        client.shutdown(socket.SHUT_WR)
                        self.assertEqual(read_to_end(client), b"")

    def test_a_fin_without_a_request(self):
        for model in STREAMS:
            with self.subTest(model=model), stream(model, "--one-request") as server, connect(server) as client:
                self.assertEqual(half_closed_exchange(client, b""), b"")

    def test_one_that_stays_does_not_hold_the_iterative_server(self):
        with stream("iterative", "--one-request", "--idle-timeout", "300ms") as server, \
                connect(server) as first, connect(server) as second:
            first.sendall(b"one")
            self.assertEqual(read_to_end(first), b"one")
            second.sendall(b"two")  # the first one has not closed
            self.assertEqual(read_to_end(second), b"two")


class CloseWord(unittest.TestCase):
    def closes(self, model, *pieces, service="echo", answered=None):
        """The connection ends after these pieces, all or so much answered."""
        data = b"".join(pieces)
        with self.subTest(model=model, pieces=pieces), \
                stream(model, "--close-word", "closeSocket", "--service", service) as server, \
                connect(server) as client:
            got = b""
            for i, piece in enumerate(pieces):
                client.sendall(piece)
                if i + 1 < len(pieces):
                    got += read_exactly(client, len(piece))
            self.assertEqual(got + read_to_end(client), ON_STREAMS[service](data) if answered is None else answered)

    def test_a_message_is_a_line_or_what_came_at_once(self):
        for model in STREAMS:
            self.closes(model, b"closeSocket")
            self.closes(model, b"closeSocket \r\n")
            self.closes(model, b"hello", b"closeSocket")
            self.closes(model, b"hello\n", b"close", b"Socket\n")
            self.closes(model, b"one\ntwo\ncloseSocket\nthree\n", answered=b"one\ntwo\ncloseSocket\n")

    def test_it_is_answered_as_the_service_does(self):
        for model in STREAMS:
            self.closes(model, b"closeSocket\n", service="upper")
            self.closes(model, b"closeSocket\n", service="ok")
            self.closes(model, b"closeSocket\n", service="discard")

    def test_other_messages_close_nothing(self):
        for model in STREAMS:
            with self.subTest(model=model), stream(model, "--close-word", "close") as server, \
                    connect(server) as client:
                for message in (b"closet\n", b" close\n", b"CLOSE\n", b"close the door\n", b"clos\n", b"enclose\n"):
                    client.sendall(message)
                    self.assertEqual(read_exactly(client, len(message)), message)
                self.assertEqual(half_closed_exchange(client, b"end"), b"end")

    def test_bad_words(self):
        for word in ("", "two\nlines", "space ", "x" * 65):
            with self.subTest(word=word):
                result = run(SERVE, "--model", "iterative", "--listen", "tcp://127.0.0.1:0", "--close-word", word)
                self.assertEqual((result.returncode, result.stdout), (2, ""))


class ExitAfter(unittest.TestCase):
    def test_so_many_clients(self):
        for model in STREAMS:
            with self.subTest(model=model), stream(model, "--exit-after", 3) as server:
                for i in range(3):
                    self.assertIsNone(server.process.poll())
                    with connect(server) as client:
                        self.assertEqual(half_closed_exchange(client, b"%d" % i), b"%d" % i)
                self.assertEqual(server.process.wait(PATIENCE_S), 0)

    def test_one_request_then_the_end(self):
        for model in STREAMS:
            with self.subTest(model=model), stream(model, "--exit-after", 1, "--one-request") as server, \
                    connect(server) as client:
                client.sendall(b"the only one")
                self.assertEqual(read_to_end(client), b"the only one")
                client.close()
                self.assertEqual(server.process.wait(PATIENCE_S), 0)

    def test_those_who_are_connected_get_every_byte(self):
        for model in CONCURRENT:
            with self.subTest(model=model), stream(model, "--exit-after", 1) as server, connect(server) as stays:
                stays.sendall(b"hi")
                self.assertEqual(read_exactly(stays, 2), b"hi")
                stays.sendall(b"and")
                connect(server).close()
                self.assertEqual(read_to_end(stays), b"and")
                stays.close()
                self.assertEqual(server.process.wait(PATIENCE_S), 0)

    def test_so_many_datagrams_and_not_one_more(self):
        for model in DATAGRAMS:
            with self.subTest(model=model), \
                    serving(model, "udp://127.0.0.1:0", "--exit-after", 5) as server, peer(server) as client:
                os.kill(server.pid, signal.SIGSTOP)  # all are there when it looks
                for _ in range(12):
                    client.send(b"a")
                os.kill(server.pid, signal.SIGCONT)
                for _ in range(5):
                    self.assertEqual(client.recv(100), b"A")
                self.assertEqual(server.process.wait(PATIENCE_S), 0)
                client.setblocking(False)
                with self.assertRaises((BlockingIOError, ConnectionRefusedError)):
                    client.recv(100)


class Words(unittest.TestCase):
    def test_datagrams_have_no_connection(self):
        for option in (["--one-request"], ["--close-word", "close"]):
            with self.subTest(option=option):
                result = run(SERVE, "--model", "iterative", "--listen", "udp://127.0.0.1:0", *option)
                self.assertEqual((result.returncode, result.stdout, result.stderr.count("\n")), (2, "", 1))
                self.assertIn("%s does not apply to datagrams" % option[0], result.stderr)

    def test_ok_wants_room_for_a_line(self):
        result = run(SERVE, "--model", "iterative", "--listen", "tcp://127.0.0.1:0", "--service", "ok", "--buffer", 8)
        self.assertEqual((result.returncode, result.stderr),
                         (2, "sockbench-serve: --buffer '8': service ok takes 9 bytes at least\n"))


class Verbose(unittest.TestCase):
    def test_streams(self):
        for model in STREAMS:
            with self.subTest(model=model), stream(model, "--verbose", "--service", "upper") as server:
                with connect(server) as client:
                    name = "client tcp://%s:%d on descriptor " % client.getsockname()
                    client.sendall(b'say "hi"\n\x01')
                    self.assertEqual(read_exactly(client, 10), b'SAY "HI"\n\x01')
                    client.shutdown(socket.SHUT_WR)
                    self.assertEqual(read_to_end(client), b"")
                _, err = server.stop()
                lines = [line.split(name, 1)[1].lstrip("0123456789") for line in err.splitlines() if name in line]
                self.assertEqual(lines, [" connected", ': received 10 bytes: "say \\"hi\\"\\n\\x01"',
                                         ': sent 10 bytes: "SAY \\"HI\\"\\n\\x01"', " left"])

    def test_those_who_reset_are_told_as_such(self):
        for model in STREAMS:
            with self.subTest(model=model), stream(model, "--verbose") as server:
                with connect(server) as client:
                    client.sendall(b"x")
                    self.assertEqual(read_exactly(client, 1), b"x")
                    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                with connect(server) as other:  # what came before it has been dealt with
                    other.sendall(b"y")
                    self.assertEqual(read_exactly(other, 1), b"y")
                _, err = server.stop()
                self.assertRegex(err, r"client on descriptor \d+ left \(after a reset\)\n")

    def test_datagrams(self):
        for model in DATAGRAMS:
            with self.subTest(model=model), \
                    serving(model, "udp://127.0.0.1:0", "--verbose") as server, peer(server) as client:
                client.send(b"x" * 100)
                self.assertEqual(client.recv(1000), b"X" * 100)
                name = "client udp://%s:%d: " % client.getsockname()
                _, err = server.stop()
                lines = [line.split(name, 1)[1] for line in err.splitlines() if name in line]
                self.assertEqual(lines, ['received 100 bytes: "%s"...' % ("x" * 60),
                                         'sent 100 bytes: "%s"...' % ("X" * 60)])

    def test_a_busy_server_is_not_drowned_by_it(self):
        with stream("epoll", "--verbose") as server, connect(server) as client:
            for _ in range(500):
                client.sendall(b"x")
                read_exactly(client, 1)
            _, err = server.stop()
        self.assertLess(len(err.splitlines()), 200)


if __name__ == "__main__":
    unittest.main(verbosity=2)
