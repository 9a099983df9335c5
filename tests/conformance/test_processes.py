"""Servers made of several processes: none outlives its parent, none keeps the
port, and what they did and used is in the parent's account."""
import json
import os
import resource
import signal
import socket
import unittest

from programs import PATIENCE_S, serving
from traffic import connect, held, models, read_exactly, read_to_end, stream, until

MODELS = models("stream", ("fork", "prefork"))


def children(server):
    with open("/proc/%d/task/%d/children" % (server.pid, server.pid)) as file:
        return [int(pid) for pid in file.read().split()]


def exists(pid):
    """It runs, or waits as a zombie for whoever inherited it."""
    try:
        with open("/proc/%d/stat" % pid) as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def talk(client):
    client.sendall(b"hi")
    return read_exactly(client, 2) == b"hi"


def ran_s(pid):
    try:
        with open("/proc/%d/schedstat" % pid, encoding="ascii") as file:
            return int(file.read().split()[0]) / 1e9
    except (FileNotFoundError, ProcessLookupError):
        return 0


def used_by_children_s():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


class Parent(unittest.TestCase):
    def test_a_killed_parent_frees_its_port(self):
        for model in MODELS:
            with self.subTest(model=model), stream(model) as server, connect(server) as client:
                self.assertTrue(talk(client))
                pids = children(server)
                self.assertTrue(pids)
                os.kill(server.pid, signal.SIGKILL)
                server.process.wait(PATIENCE_S)
                until(lambda: not any(exists(pid) for pid in pids), "the children are gone")
                try:
                    self.assertEqual(client.recv(1), b"")
                except ConnectionResetError:
                    pass
                with serving(model, "tcp://127.0.0.1:%d" % server.port) as again, connect(again) as other:
                    self.assertTrue(talk(other))

    def test_a_second_signal_ends_all(self):
        for model in MODELS:
            with self.subTest(model=model), stream(model, ends_with=128 + signal.SIGTERM) as server, \
                    connect(server) as client:
                self.assertTrue(talk(client))
                pids = children(server)
                os.kill(server.pid, signal.SIGTERM)

                def closed_to_others():
                    try:
                        with connect(server):
                            return False
                    except ConnectionError:
                        return True
                until(closed_to_others, "the first signal was taken")
                os.kill(server.pid, signal.SIGTERM)
                self.assertEqual(server.process.wait(PATIENCE_S), 128 + signal.SIGTERM)
                until(lambda: not any(exists(pid) for pid in pids), "the children are gone")

    def test_ctrl_c_is_one_stop_for_the_whole_group(self):
        """The terminal signals parent and children at once: clients still get their bytes."""
        for model in MODELS:
            with self.subTest(model=model), stream(model, "--service", "upper", start_new_session=True) as server, \
                    connect(server) as client:
                client.sendall(b"before")
                self.assertEqual(read_exactly(client, 6), b"BEFORE")
                os.killpg(server.pid, signal.SIGINT)
                client.sendall(b"after")
                self.assertEqual(read_to_end(client), b"AFTER")
                self.assertEqual(server.process.wait(PATIENCE_S), 0)


class Children(unittest.TestCase):
    def test_a_killed_child_takes_only_its_client(self):
        for model in models("stream", ("fork",)):
            with self.subTest(model=model), stream(model) as server, connect(server) as other:
                self.assertTrue(talk(other))
                before = set(children(server))
                with connect(server) as client:
                    self.assertTrue(talk(client))
                    (pid,) = set(children(server)) - before
                    os.kill(pid, signal.SIGKILL)
                    self.assertEqual(client.recv(1), b"")
                self.assertTrue(talk(other))
                until(lambda: set(children(server)) == before, "it was reaped")

    def test_prefork_replaces_those_that_die(self):
        for model in models("stream", ("prefork",)):
            with self.subTest(model=model), stream(model, "--workers", 2) as server:
                first = children(server)
                self.assertEqual(len(first), 2)
                for pid in first:
                    os.kill(pid, signal.SIGKILL)
                until(lambda: len(children(server)) == 2 and not set(children(server)) & set(first), "two others")
                with connect(server) as client:
                    self.assertTrue(talk(client))

    def test_there_are_as_many_as_asked_for(self):
        for model in models("stream", ("prefork",)):
            for words, count in (((), 4), (("--workers", 7), 7)):
                with self.subTest(model=model, count=count), stream(model, *words) as server:
                    self.assertIn(" workers=%d" % count, server.ready_line)
                    self.assertEqual(held(server)["children"], count)

    def test_one_client_each_and_the_next_one_waits(self):
        for model in models("stream", ("prefork", "pool")):
            with self.subTest(model=model), stream(model, "--workers", 2) as server, \
                    connect(server) as first, connect(server) as second, connect(server) as third:
                self.assertTrue(talk(first) and talk(second))
                third.sendall(b"hi")
                self.assertTrue(talk(first) and talk(second))
                third.setblocking(False)
                with self.assertRaises(BlockingIOError):
                    third.recv(2)
                third.settimeout(PATIENCE_S)
                first.close()
                self.assertEqual(read_exactly(third, 2), b"hi")


class Account(unittest.TestCase):
    def test_counters_are_those_of_all(self):
        for model in MODELS:
            reader, writer = os.pipe()
            with self.subTest(model=model):
                with stream(model, "--counters-fd", writer, pass_also=[writer]) as server:
                    os.close(writer)
                    for i in range(20):
                        with connect(server) as client:
                            client.sendall(b"x" * 100)
                            client.shutdown(socket.SHUT_WR)
                            self.assertEqual(read_to_end(client), b"x" * 100)
                with os.fdopen(reader) as file:
                    seen = json.load(file)
                self.assertEqual((seen["accepted"], seen["closed"], seen["refused"]), (20, 20, 0))
                self.assertEqual((seen["bytes_in"], seen["bytes_out"]), (2000, 2000))

    def test_what_children_used_is_the_parents(self):
        """At the end the server's account has what each of its processes ran, as far as that was seen."""
        for model in MODELS:
            with self.subTest(model=model):
                before_s = used_by_children_s()
                seen_s = {}
                with stream(model, "--work", "spin:50ms") as server:
                    for i in range(5):
                        with connect(server) as client:
                            self.assertTrue(talk(client))
                            for pid in children(server):
                                seen_s[pid] = max(ran_s(pid), seen_s.get(pid, 0))
                    self.assertGreater(sum(seen_s.values()), 0)
                    seen_s[server.pid] = ran_s(server.pid)
                # The kernel divides what ran into user and system by its ticks, and rounds.
                self.assertGreaterEqual(used_by_children_s() - before_s, 0.99 * sum(seen_s.values()))


if __name__ == "__main__":
    unittest.main(verbosity=2)
