"""What every datagram model must do, and whom it must not answer."""
import json
import os
import select
import signal
import socket
import unittest

from programs import serving
from traffic import HOSTS, SERVICES, datagram, light, models, noise, peer

MODELS = models("datagram")
UNORDERED = ("fork", "threads")  # two datagrams of one client may be answered at once
SIZES = (0, 1, 19, 64, 1472, 9000, 65507)


def counters(model, *options, talk):
    """What the server counted while `talk` spoke to it."""
    reader, writer = os.pipe()
    with datagram(model, "--counters-fd", writer, *options, pass_also=[writer]) as server:
        os.close(writer)
        talk(server)
    with os.fdopen(reader) as file:
        return json.load(file)


class Content(unittest.TestCase):
    def test_datagrams_of_every_size(self):
        for model in MODELS:
            for service, transform in SERVICES.items():
                for host in HOSTS:
                    with self.subTest(model=model, service=service, host=host), \
                            datagram(model, "--service", service, host=host) as server, peer(server) as client:
                        for size in SIZES:
                            data = noise(size, size + 1)
                            client.send(data)
                            self.assertTrue(client.recv(70000) == transform(data), size)

    def test_the_default_service_is_upper(self):
        for model in MODELS:
            with self.subTest(model=model), datagram(model) as server, peer(server) as client:
                client.send(b"Loud, please.")
                self.assertEqual(client.recv(100), b"LOUD, PLEASE.")

    def test_each_client_gets_its_own(self):
        for model in MODELS:
            with self.subTest(model=model), datagram(model) as server:
                clients = [peer(server) for _ in range(32)]
                for turn in range(light(50, 10)):
                    for i, client in enumerate(clients):
                        client.send(b"turn %d of %d" % (turn, i))
                    for i, client in enumerate(clients):
                        self.assertEqual(client.recv(100), b"TURN %d OF %d" % (turn, i))
                for client in clients:
                    client.close()

    def test_the_same_datagram_again_is_answered_again(self):
        """The guard against loops must not mistake a client for a server."""
        for model in MODELS:
            for service in SERVICES:
                with self.subTest(model=model, service=service), \
                        datagram(model, "--service", service) as server, peer(server) as client:
                    for _ in range(100):
                        client.send(b"12345")
                        self.assertEqual(client.recv(100), b"12345")


class Refusal(unittest.TestCase):
    def silent(self, client, server, probe):
        """The server answers `probe` after it kept silent on what `client` sent."""
        probe.send(b"after")
        self.assertEqual(probe.recv(100), b"AFTER")
        client.setblocking(False)
        with self.assertRaises(BlockingIOError):
            client.recv(100)

    @unittest.skipIf(os.geteuid() != 0, "ports below 1024 are for root")
    def test_a_privileged_port_gets_no_answer(self):
        for model in MODELS:
            with self.subTest(model=model), datagram(model) as server, peer(server) as probe, \
                    socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
                for port in range(1023, 600, -1):
                    try:
                        client.bind(("127.0.0.1", port))
                        break
                    except OSError:
                        continue
                client.sendto(b"chargen", (server.host, server.port))
                self.silent(client, server, probe)

    def test_its_own_port_on_another_address_gets_no_answer(self):
        for model in MODELS:
            with self.subTest(model=model), datagram(model) as server, peer(server) as probe, \
                    socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
                client.bind(("127.0.0.2", server.port))
                client.sendto(b"twin", (server.host, server.port))
                self.silent(client, server, probe)

    def test_two_servers_do_not_answer_each_other(self):
        """A forged datagram makes A answer B, and B answers replies of A never."""
        for model in MODELS:
            for other in MODELS:
                for host in HOSTS:
                    with self.subTest(a=model, b=other, host=host):
                        self.bounce(model, other, host)

    def bounce(self, model, other, host):
        family = socket.AF_INET if host[0] != "[" else socket.AF_INET6
        with datagram(model, host=host) as a:
            forger = socket.socket(family, socket.SOCK_DGRAM)
            forger.bind((a.host, 0))
            port = forger.getsockname()[1]
            os.kill(a.pid, signal.SIGSTOP)
            forger.sendto(b"ping", (a.host, a.port))
            forger.close()
            reader, writer = os.pipe()
            with serving(other, "udp://%s:%d" % (host, port), "--counters-fd", writer,
                         pass_also=[writer]) as b:
                os.close(writer)
                os.kill(a.pid, signal.SIGCONT)
                # A has answered when it answers us; then B has seen that.
                for server in (a, b):
                    with peer(server) as probe:
                        probe.send(b"seen?")
                        self.assertEqual(probe.recv(100), b"SEEN?")
            with os.fdopen(reader) as file:
                seen = json.load(file)
        self.assertEqual(seen["writes"], 1)  # to the probe alone
        self.assertEqual(seen["socket_drops"], 1)  # A's reply


class Stop(unittest.TestCase):
    def test_what_is_queued_is_answered(self):
        count = 100
        for model in MODELS:
            with self.subTest(model=model), datagram(model) as server, peer(server) as client:
                os.kill(server.pid, signal.SIGSTOP)
                for i in range(count):
                    client.send(b"queued %d" % i)
                os.kill(server.pid, signal.SIGTERM)
                os.kill(server.pid, signal.SIGCONT)
                replies = [client.recv(100) for _ in range(count)]
                wanted = [b"QUEUED %d" % i for i in range(count)]
                if model in UNORDERED:
                    replies.sort()
                    wanted.sort()
                self.assertEqual(replies, wanted)
                self.assertEqual(server.process.wait(5), 0)

    def test_a_sender_that_goes_on_does_not_hold_it(self):
        for model in MODELS:
            with self.subTest(model=model), datagram(model) as server, peer(server) as client:
                os.kill(server.pid, signal.SIGTERM)
                client.setblocking(False)
                gone = False
                while not gone:
                    try:
                        for _ in range(16):
                            client.send(b"and another")
                    except (BlockingIOError, ConnectionRefusedError):
                        pass
                    select.select([client], [], [], 0.001)
                    gone = server.process.poll() is not None
                self.assertEqual(server.process.returncode, 0)


class Counters(unittest.TestCase):
    def test_they_count_datagrams(self):
        def talk(server):
            with peer(server) as client:
                for size in (0, 1, 1000):
                    client.send(b"z" * size)
                    self.assertEqual(client.recv(2000), b"Z" * size)

        for model in MODELS:
            with self.subTest(model=model):
                seen = counters(model, talk=talk)
                self.assertEqual((seen["reads"], seen["writes"]), (3, 3))
                self.assertEqual((seen["bytes_in"], seen["bytes_out"]), (1001, 1001))
                self.assertEqual((seen["datagrams_refused"], seen["send_errors"], seen["socket_drops"]), (0, 0, 0))


if __name__ == "__main__":
    unittest.main(verbosity=2)
