"""What happens when descriptors, clients or patience run out, and that nothing
is left behind by those who came and went."""
import contextlib
import resource
import select
import socket
import struct
import time
import unittest

from programs import PATIENCE_S, SANITIZED
from traffic import (DESCRIPTORS, allowed, becomes, connect, cpu_s, crowd, held, light, models, noise, read_exactly,
                     read_to_end, settled, side_by_side, stream, stuff, until)

MODELS = models("stream")
# The others leave those above in the backlog.
REFUSING = [model for model in MODELS if model not in ("iterative", "prefork")]


@contextlib.contextmanager
def every(*options):
    """A client of each model, to wait for all of them at once: {model: client}."""
    with contextlib.ExitStack() as stack:
        servers = {model: stack.enter_context(stream(model, *options)) for model in MODELS}
        yield {model: stack.enter_context(connect(server)) for model, server in servers.items()}


# Loops of their own, with descriptors of their own: by default as many as CPUs.
LOOPS = ("epoll-workers", "uring-multishot")


def loops(model, count):
    return ("--workers", count) if model in LOOPS else ()


def few_descriptors():
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))


def answered(client):
    client.sendall(b"hi")
    return read_exactly(client, 2) == b"hi"


def is_closed(client):
    """True when the server closed it, false when it is served."""
    try:
        client.sendall(b"hi")
        return read_exactly(client, 2) != b"hi"
    except ConnectionError:
        return True


class MaxClients(unittest.TestCase):
    def test_those_above_are_refused_and_the_others_served(self):
        for model in REFUSING:
            with self.subTest(model=model), stream(model, "--max-clients", 20, *crowd(model, 20)) as server:
                served = [connect(server) for _ in range(20)]
                for client in served:
                    self.assertTrue(answered(client))
                above = [connect(server) for _ in range(30)]
                self.assertEqual([is_closed(client) for client in above], [True] * 30)
                for client in served:
                    self.assertTrue(answered(client))
                served.pop().close()

                def room_again():
                    with connect(server) as client:
                        return not is_closed(client)

                until(room_again, "a place is free again")
                for client in served + above:
                    client.close()

    def test_the_default_of_the_model(self):
        for model, most in (("fork", 500), ("thread", 1000), ("select", 1000)):
            if model not in MODELS:
                continue
            with self.subTest(model=model), stream(model) as server:
                if allowed(most + 50) < most + 50:
                    self.skipTest("no more than %d descriptors are allowed" % DESCRIPTORS)
                clients = [connect(server) for _ in range(most + 50)]
                self.assertEqual([is_closed(client) for client in clients], [False] * most + [True] * 50)
                for client in clients:
                    client.close()

    def test_select_refuses_descriptors_that_fit_into_no_set(self):
        for model in models("stream", ("select",)):
            if allowed(1200) < 1200:
                self.skipTest("no more than %d descriptors are allowed" % DESCRIPTORS)
            with stream(model, "--max-clients", 5000) as server:
                clients = [connect(server) for _ in range(1200)]
                closed = [is_closed(client) for client in clients]
                served = closed.index(True)
                self.assertIn(served, range(1000, 1024))
                self.assertEqual(closed, [False] * served + [True] * (1200 - served))
                for client in clients[:served]:
                    self.assertTrue(answered(client))
                for client in clients:
                    client.close()


class Descriptors(unittest.TestCase):
    def served_of_200(self, server):
        clients = [connect(server) for _ in range(200)]
        served = sum(not is_closed(client) for client in clients)
        for client in clients:
            client.close()
        return served

    def test_the_default_limit_leaves_a_reserve(self):
        for model in REFUSING:
            with self.subTest(model=model), \
                    stream(model, *crowd(model, 32), *loops(model, 1), preexec_fn=few_descriptors) as server:
                self.assertEqual(self.served_of_200(server), 32)

    def test_and_more_for_more_loops(self):
        for model in models("stream", LOOPS):
            with self.subTest(model=model), stream(model, "--workers", 8, preexec_fn=few_descriptors) as server:
                self.assertEqual(self.served_of_200(server), 32 - 7 * 3)
                self.assertNotIn("cannot accept", server.stop()[1])

    def test_running_out_is_survived_without_spinning(self):
        def check(model):
            with stream(model, "--max-clients", 1000, *crowd(model, 64), *loops(model, 2),
                        preexec_fn=few_descriptors) as server:
                # The first has its place before the others come: loops of several workers race for it.
                clients = [connect(server)]
                self.assertTrue(answered(clients[0]))
                clients += [connect(server) for _ in range(199)]
                before_s, begin = cpu_s(server), time.monotonic()
                select.select([], [], [], 1.0)  # the time over which CPU is taken
                used = (cpu_s(server) - before_s) / (time.monotonic() - begin)
                self.assertTrue(answered(clients[0]))
                if not SANITIZED:
                    self.assertLess(used, 0.05)
                # Those served, and so many of the waiting that each loop of several gets to its own.
                for client in clients[1:190]:
                    client.close()
                self.assertTrue(answered(clients[190]))
                for client in clients:
                    client.close()

        side_by_side(self, REFUSING, check)


class Timeouts(unittest.TestCase):
    def test_the_silent_are_closed(self):
        def check(model):
            with stream(model, "--idle-timeout", "300ms") as server, connect(server) as client:
                self.assertTrue(answered(client))
                self.assertEqual(read_to_end(client), b"")

        side_by_side(self, MODELS, check)

    def test_iterative_serves_the_next_after_a_silent_one(self):
        with stream("iterative", "--idle-timeout", "200ms") as server, connect(server), connect(server) as second:
            self.assertTrue(answered(second))

    def test_those_that_take_nothing_are_closed(self):
        def check(model):
            with stream(model, "--io-timeout", "300ms", "--sndbuf", "16k") as server, \
                    connect(server, rcvbuf=4096) as client:
                stuff([client])
                poller = select.poll()
                poller.register(client, select.POLLERR | select.POLLHUP)
                self.assertTrue(poller.poll(1000 * PATIENCE_S), "still connected")
                with connect(server) as other:
                    self.assertTrue(answered(other))

        side_by_side(self, MODELS, check)

    def test_those_that_speak_stay(self):
        with every("--idle-timeout", "1s") as clients:
            for _ in range(25):
                for model, client in clients.items():
                    with self.subTest(model=model):
                        self.assertTrue(answered(client))
                select.select([], [], [], 0.1)

    def test_zero_means_never(self):
        with every("--idle-timeout", 0, "--io-timeout", 0) as clients:
            select.select([], [], [], 1.2)
            for model, client in clients.items():
                with self.subTest(model=model):
                    self.assertTrue(answered(client))


class Leftovers(unittest.TestCase):
    def test_short_connections_leave_nothing(self):
        count = light(20000, 2000)
        # Resets leave no TIME_WAIT: there are not ports enough for all models.
        hard = struct.pack("ii", 1, 0)
        for model in MODELS:
            with self.subTest(model=model), stream(model, "--backlog", 128) as server:
                with connect(server) as client:  # before and after: one is served
                    self.assertTrue(answered(client))
                    before = settled(lambda: held(server))
                for i in range(count):
                    client = connect(server)
                    if i % 4 == 0:
                        self.assertTrue(answered(client))
                    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, hard)
                    client.close()
                with connect(server) as client:
                    data = noise(1000)
                    client.sendall(data)
                    self.assertEqual(read_exactly(client, 1000), data)
                    becomes(before, lambda: held(server))


if __name__ == "__main__":
    unittest.main(verbosity=2)
