"""What every datagram model must do, and whom it must not answer."""
import json
import os
import select
import signal
import socket
import struct
import unittest

from programs import PATIENCE_S, serving
from traffic import HOSTS, SERVICES, datagram, held, light, models, noise, peer, until

MODELS = models("datagram")
UNORDERED = ("fork", "threads")  # two datagrams of one client may be answered at once
SIZES = (0, 1, 19, 64, 1472, 9000, 65507)


UDP_SEGMENT = 103  # linux/udp.h


def drops(server):
    """Datagrams that the kernel dropped at the sockets of a server."""
    with open("/proc/net/udp6" if ":" in server.host else "/proc/net/udp") as file:
        rows = [line.split() for line in list(file)[1:]]
    return sum(int(row[-1]) for row in rows if int(row[1].rpartition(":")[2], 16) == server.port)


def freeze(server):
    """Returns when each of its threads stands still."""
    os.kill(server.pid, signal.SIGSTOP)
    os.waitid(os.P_PID, server.pid, os.WSTOPPED)


def send_in_segments(client, data, size):
    """One block that arrives as datagrams of so many bytes, the last shorter."""
    client.sendmsg([data], [(socket.IPPROTO_UDP, UDP_SEGMENT, struct.pack("H", size))])


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


    def test_datagrams_that_were_sent_as_one_block(self):
        """Blocks of segments: full ones, a short last one, one alone, and such
        as grow beyond what a block may hold when a prefix goes before each."""
        replies = {**SERVICES, "ok": lambda data: b"OK..." + data}
        for model in MODELS:
            for service, reply in replies.items():
                for host in HOSTS:
                    with self.subTest(model=model, service=service, host=host), \
                            datagram(model, "--service", service, host=host) as server, peer(server) as client:
                        for size, length in ((64, 64 * 64), (64, 64 * 63 + 1), (1, 64), (1400, 46 * 1400 + 17),
                                             (1023, 64 * 1023), (1390, 47 * 1390), (700, 700), (700, 699)):
                            data = noise(length, size)
                            send_in_segments(client, data, size)
                            wanted = [reply(data[at:at + size]) for at in range(0, length, size)]
                            got = [client.recv(70000) for _ in wanted]
                            if model in UNORDERED:
                                got.sort()
                                wanted.sort()
                            self.assertTrue(got == wanted, (size, length))


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
            freeze(a)
            forger.sendto(b"ping", (a.host, a.port))
            forger.close()
            reader, writer = os.pipe()
            with serving(other, "udp://%s:%d" % (host, port), "--counters-fd", writer,
                         pass_also=[writer]) as b:
                os.close(writer)
                os.kill(a.pid, signal.SIGCONT)
                until(lambda: drops(b) == 1, "A has answered, and B has not taken it")
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
                freeze(server)
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
                self.assertEqual(server.process.wait(PATIENCE_S), 0)

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


    def test_a_port_is_free_again_fifty_times(self):
        for model in MODELS:
            with self.subTest(model=model):
                with datagram(model) as server:
                    address = server.address
                for _ in range(light(50, 10)):
                    with serving(model, address) as server, peer(server) as client:
                        client.send(b"again")
                        self.assertEqual(client.recv(100), b"AGAIN")


class Counters(unittest.TestCase):
    def test_what_did_not_fit_into_the_socket_was_dropped_and_counted(self):
        count = 1000

        def flood(server):
            with peer(server) as client, peer(server) as other:
                freeze(server)
                for _ in range(count):
                    client.send(b"x" * 100)
                os.kill(server.pid, signal.SIGCONT)

                def served():  # with others' places in the way, it may be dropped
                    other.send(b"x" * 100)
                    return bool(select.select([other], [], [], 0.1)[0])

                until(served, "there is room again")

        for model in MODELS:
            few = ("--max-clients", 8) if model == "fork" else ()
            with self.subTest(model=model):
                seen = counters(model, "--rcvbuf", "16k", *few, talk=flood)
                self.assertGreater(seen["socket_drops"], count / 2)
                self.assertGreaterEqual(seen["reads"] + seen["socket_drops"], count + 1)
                self.assertEqual(seen["reads"], seen["writes"] + seen["send_errors"] + seen["datagrams_refused"])

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


class Children(unittest.TestCase):
    """The fork page: a flood of datagrams is no flood of processes."""

    @unittest.skipUnless("fork" in MODELS, "not chosen")
    def test_there_are_only_so_many_and_none_is_left(self):
        with datagram("fork", "--max-clients", 4, "--work", "sleep:20ms") as server, peer(server) as client:
            seen = 0
            for i in range(50):
                client.send(b"datagram %02d" % i)
            replies = []
            for _ in range(50):
                seen = max(seen, held(server)["children"])
                replies.append(client.recv(100))
            self.assertEqual(sorted(replies), [b"DATAGRAM %02d" % i for i in range(50)])
            self.assertIn(seen, (2, 3, 4))
            until(lambda: held(server)["children"] == 0, "all are reaped")

    @unittest.skipUnless("fork" in MODELS, "not chosen")
    def test_children_do_not_outlive_a_killed_parent(self):
        with datagram("fork", "--work", "sleep:1h") as server, peer(server) as client:
            for _ in range(3):
                client.send(b"x")
            until(lambda: held(server)["children"] == 3, "three at work")
            address = server.address
            with open("/proc/%d/task/%d/children" % (server.pid, server.pid)) as file:
                children = file.read().split()
            os.kill(server.pid, signal.SIGKILL)
            server.process.wait(PATIENCE_S)

            def gone(pid):
                try:
                    with open("/proc/%s/stat" % pid) as file:
                        return file.read().rpartition(")")[2].split()[0] in "ZX"
                except FileNotFoundError:
                    return True

            until(lambda: all(gone(pid) for pid in children), "the children died with it")
        with serving("iterative", address):  # and hold its port no longer
            pass


class Ring(unittest.TestCase):
    """The ring of the uring page, with too little of everything."""

    TINY = {
        "one buffer": ("--ring-buffers", 1),
        "few completions": ("--cq-entries", 8, "--ring-entries", 8),
        "few submissions": ("--ring-entries", 4, "--cq-entries", 8),
        "all of it": ("--ring-entries", 1, "--cq-entries", 2, "--ring-buffers", 1),
    }

    def test_every_datagram_is_answered_whatever_is_scarce(self):
        for model in {"uring"} & set(MODELS):
            for name, options in self.TINY.items():
                with self.subTest(scarce=name), datagram(model, *options) as server:
                    clients = [peer(server) for _ in range(100)]
                    for size in SIZES:
                        data = noise(size, size)
                        some = clients[:max(60000 // (size + 1), 1)]  # so many fit into the socket
                        for client in some:
                            client.send(data)
                        for client in some:
                            self.assertTrue(client.recv(70000) == data.upper(), size)
                    for client in clients:
                        client.close()

    def test_what_is_queued_at_the_stop_is_answered(self):
        for model in {"uring"} & set(MODELS):
            for name, options in self.TINY.items():
                with self.subTest(scarce=name), datagram(model, *options) as server, peer(server) as client:
                    freeze(server)
                    for i in range(100):
                        client.send(b"queued %d" % i)
                    os.kill(server.pid, signal.SIGTERM)
                    os.kill(server.pid, signal.SIGCONT)
                    self.assertEqual([client.recv(100) for _ in range(100)], [b"QUEUED %d" % i for i in range(100)])
                    self.assertEqual(server.process.wait(PATIENCE_S), 0)


if __name__ == "__main__":
    unittest.main(verbosity=2)
