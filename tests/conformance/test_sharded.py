"""Several workers, each on a CPU of its own: who is pinned where, and who is steered to whom."""
import contextlib
import json
import os
import signal
import socket
import struct
import tempfile
import unittest

from programs import LOAD, SERVE, patient, run
from reports import read_load_report
from traffic import connect, datagram, light, models, peer, read_exactly, stream, until

CPUS = sorted(os.sched_getaffinity(0))
TWO = "%d,%d" % (CPUS[0], CPUS[-1])
# By the registry: whether what it says is so is tested here.
STEERED = {transport: tuple(row["name"] for row in json.loads(run(SERVE, "--list", "--json").stdout)
                            if row["transport"] == transport and row["takes_steering"])
           for transport in ("stream", "datagram")}
HARD = struct.pack("ii", 1, 0)  # a reset at the end: no port waits


@contextlib.contextmanager
def on_cpu(cpu):
    """This thread sends from there, and over loopback what it sends arrives there."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {cpu})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextlib.contextmanager
def counted(start, model, *options, **popen):
    """The server, and a dict that holds its counters after the with block."""
    reader, writer = os.pipe()
    counters = {}
    with os.fdopen(reader) as file:
        with start(model, "--counters-fd", writer, *options, pass_also=[writer], **popen) as server:
            os.close(writer)
            yield server, counters
        counters.update(json.load(file))


def affinities(server):
    """The CPUs of each thread of the server and of its children, as sets."""
    with open("/proc/%d/task/%d/children" % (server.pid, server.pid)) as file:
        pids = [server.pid, *map(int, file.read().split())]
    return [os.sched_getaffinity(int(task)) for pid in pids for task in os.listdir("/proc/%d/task" % pid)]


def talk(server):
    client = connect(server)
    client.sendall(b"hello")
    return client, read_exactly(client, 5) == b"hello"


@unittest.skipIf(len(CPUS) < 2, "two CPUs are needed, and one may be used here")
class Steering(unittest.TestCase):
    def test_every_connection_reaches_the_worker_of_its_cpu(self):
        count = light(500, 100)
        for model in models("stream", STEERED["stream"]):
            for host in ("127.0.0.1", "[::1]"):
                with self.subTest(model=model, host=host), \
                        counted(stream, model, "--steer", "cpu", "--cpus", TWO, host=host) as (server, counters):
                    self.assertIn(" workers=2 steering=cpu", server.ready_line)
                    for cpu, share in ((CPUS[0], count // 5), (CPUS[-1], count * 3 // 5), (CPUS[0], count // 5)):
                        with on_cpu(cpu):
                            for _ in range(share):
                                client, answered = talk(server)
                                self.assertTrue(answered)
                                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, HARD)
                                client.close()
                workers = counters["per_worker"]
                self.assertEqual([w["connections"] for w in workers], [count * 2 // 5, count * 3 // 5])
                self.assertEqual([w["cpu"] for w in workers], [CPUS[0], CPUS[-1]])
                self.assertEqual(sum(w["connections"] for w in workers), counters["accepted"])

    def test_every_datagram_reaches_the_worker_of_its_cpu(self):
        count = light(500, 100)
        for model in models("datagram", STEERED["datagram"]):
            with self.subTest(model=model), \
                    counted(datagram, model, "--steer", "cpu", "--cpus", TWO) as (server, counters):
                self.assertIn(" workers=2 steering=cpu", server.ready_line)
                with peer(server) as client:  # one flow from two CPUs: nothing else decides
                    for cpu, share in ((CPUS[0], count // 5), (CPUS[-1], count * 4 // 5)):
                        with on_cpu(cpu):
                            for _ in range(share):
                                client.send(b"hello")
                                self.assertEqual(client.recv(100), b"HELLO")
            self.assertEqual([w["reads"] for w in counters["per_worker"]], [count // 5, count * 4 // 5])
            self.assertEqual([w["writes"] for w in counters["per_worker"]], [count // 5, count * 4 // 5])

    def test_the_limit_of_clients_is_one_for_all_workers(self):
        for model in models("stream", STEERED["stream"]):
            with self.subTest(model=model), stream(model, "--steer", "cpu", "--cpus", TWO, "--max-clients", 4) as server:
                with on_cpu(CPUS[0]):  # all at one worker, the other has none
                    served = [talk(server) for _ in range(4)]
                self.assertTrue(all(answered for _, answered in served))
                for cpu in (CPUS[0], CPUS[-1]):
                    with on_cpu(cpu), connect(server) as refused:
                        self.assertEqual(refused.recv(1), b"")
                served.pop()[0].close()

                def room_again():
                    try:
                        client, answered = talk(server)
                    except ConnectionError:
                        return False
                    client.close()
                    return answered
                with on_cpu(CPUS[-1]):
                    until(room_again, "a place is free for the other worker")
                for client, _ in served:
                    client.close()

    def test_one_worker_takes_what_comes_from_anywhere(self):
        with counted(stream, "epoll-workers", "--steer", "cpu", "--cpus", CPUS[-1]) as (server, counters):
            self.assertIn(" workers=1 steering=cpu", server.ready_line)
            for cpu in (CPUS[0], CPUS[-1]):
                with on_cpu(cpu):
                    client, answered = talk(server)
                    self.assertTrue(answered)
                    client.close()
        self.assertEqual([w["connections"] for w in counters["per_worker"]], [2])


class Words(unittest.TestCase):
    def test_those_with_a_socket_for_each_worker_take_it(self):
        self.assertLessEqual({"epoll-workers", "uring-multishot"}, set(STEERED["stream"]))
        self.assertLessEqual({"reuseport", "batch", "gso", "uring"}, set(STEERED["datagram"]))

    def refused(self, says, *words):
        result = run(SERVE, *words, "--steer", "cpu")
        self.assertEqual(result.returncode, 2, result)
        self.assertEqual(result.stderr.count("\n"), 1, result.stderr)
        self.assertIn(says, result.stderr)

    def test_models_with_one_socket_refuse(self):
        for model in models("stream"):
            if model not in STEERED["stream"]:
                self.refused("model %s: it has one socket for all its clients" % model, "-m", model)
        for model in models("datagram"):
            if model not in STEERED["datagram"]:
                self.refused("model %s: it has one socket" % model, "-m", model, "-l", "udp://127.0.0.1:0")

    def test_what_cannot_be_steered_is_refused(self):
        for model in models("datagram", ("batch",)):
            self.refused("Unix sockets: they cannot share an address", "-m", model, "-l", "unix-dgram:@sockbench-none")
        self.refused("%d workers want a CPU each, and there are 1" % 2, "-m", "epoll-workers", "--workers", "2",
                     "--cpus", CPUS[0])


class Layouts(unittest.TestCase):
    """What the load says of where both sides run: it is told, and does not ask."""

    def load(self, server, *words):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "report.json")
            result = run(LOAD, *patient([server.address, "-n", 200, "-w", "0s", "-o", path, *words]))
            self.assertEqual(result.returncode, 0, result.stderr)
            return read_load_report(path), result.stdout

    def test_the_layout_is_named(self):
        first, last = CPUS[0], CPUS[-1]
        cases = [("free", None, "the server's CPUs are not known (--server-cpus)", ("--cpus", first)),
                 ("free", None, "the generator is not pinned (--cpus)", ("--server-cpus", first)),
                 ("shared", [first], "server and generator share CPU %d" % first,
                  ("--cpus", first, "--server-cpus", first))]
        if first != last:
            cases += [("split", [], "server on CPU %d, generator on CPU %d" % (first, last),
                       ("--cpus", last, "--server-cpus", first)),
                      ("shared", [last], "server and generator share CPU %d" % last,
                       ("--cpus", last, "--server-cpus", TWO)),
                      ("sharded", [first, last], "server and generator share CPU %d, %d" % (first, last),
                       ("--cpus", TWO, "--server-cpus", TWO, "-t", 2))]
        with stream("epoll") as server:
            for layout, shared, words, options in cases:
                with self.subTest(layout=layout, options=options):
                    report, text = self.load(server, "-c", 4, *options)
                    self.assertEqual(report["load"]["layout"], layout)
                    self.assertEqual(report["evidence"]["shared_cpus"], shared)
                    self.assertIn("layout      %s: %s\n" % (layout, words), text)

    def test_an_open_loop_does_not_spin_on_a_cpu_of_the_server(self):
        with stream("epoll") as server:
            options = ["-c", 2, "-r", "10k", "--cpus", CPUS[0]]
            report, _ = self.load(server, *options, "--server-cpus", CPUS[0])
            self.assertEqual(report["load"]["arrival"]["pacing"], "block")
            if len(CPUS) > 1:
                report, _ = self.load(server, *options, "--server-cpus", CPUS[-1])
                self.assertEqual(report["load"]["arrival"]["pacing"], "spin")
            refused = run(LOAD, server.address, *options, "--server-cpus", CPUS[0], "--pacing", "spin")
            self.assertEqual((refused.returncode, refused.stderr.split(": ", 1)[1]),
                             (2, "--pacing spin: it would take CPU %d from the server (--server-cpus)\n" % CPUS[0]))

    def test_a_thread_and_a_worker_make_a_pair(self):
        """The generator's threads open 64 connections each, and each worker serves those of its own CPU alone."""
        if len(CPUS) < 2:
            self.skipTest("two CPUs are needed, and one may be used here")
        for model in models("stream", STEERED["stream"]):
            for engine in ("uring", "epoll"):
                with self.subTest(model=model, engine=engine), \
                        counted(stream, model, "--steer", "cpu", "--cpus", TWO) as (server, counters):
                    report, _ = self.load(server, "-c", 128, "-t", 2, "--cpus", TWO, "--server-cpus", TWO, "-n", 2000,
                                          "--engine", engine)
                    self.assertEqual(report["load"]["layout"], "sharded")
                self.assertEqual([w["connections"] for w in counters["per_worker"]], [64, 64])
                count = light(4000, 400)
                with self.subTest(model=model, engine=engine, each="one request"), \
                        counted(stream, model, "--steer", "cpu", "--cpus", TWO) as (server, counters):
                    self.load(server, "-c", 16, "-t", 2, "--cpus", TWO, "--server-cpus", TWO, "-n", count,
                              "--reconnect-every", 1, "--engine", engine)
                self.assertEqual([w["connections"] for w in counters["per_worker"]], [count // 2, count // 2])
        for model in models("datagram", STEERED["datagram"]):
            with self.subTest(model=model), \
                    counted(datagram, model, "--steer", "cpu", "--cpus", TWO) as (server, counters):
                report, _ = self.load(server, "-c", 8, "-t", 2, "--cpus", TWO, "--server-cpus", TWO, "-n", 2000)
            # Both threads send half of them, but for those that the kernel dropped.
            self.assertEqual(sum(w["reads"] for w in counters["per_worker"]), counters["reads"])
            self.assertEqual([w["reads"] for w in counters["per_worker"]], [1000, 1000], report["udp"])


@unittest.skipIf(len(CPUS) < 2, "two CPUs are needed, and one may be used here")
class Pinning(unittest.TestCase):
    def test_each_worker_has_its_cpu(self):
        expected = [{CPUS[0]}, {CPUS[-1]}]
        for transport, start in (("stream", stream), ("datagram", datagram)):
            rows = json.loads(run(SERVE, "--list", "--json").stdout)
            taking = [r["name"] for r in rows if r["transport"] == transport and r["takes_workers"]]
            for model in models(transport, taking):
                with self.subTest(model=model, transport=transport), \
                        counted(start, model, "--workers", 2, "--cpus", TWO) as (server, counters):
                    def pinned():
                        # A pool's and a prefork's main thread belongs to no worker.
                        return sorted(map(sorted, (a for a in affinities(server) if len(a) == 1))) == \
                            sorted(map(sorted, expected))
                    until(pinned, "%s of %s" % (affinities(server), model))
                self.assertEqual([w["cpu"] for w in counters["per_worker"]], [CPUS[0], CPUS[-1]])

    def test_a_child_that_died_is_replaced_on_its_cpu(self):
        for model in models("stream", ("prefork",)):
            with stream(model, "--workers", 2, "--cpus", TWO) as server:
                def children():
                    with open("/proc/%d/task/%d/children" % (server.pid, server.pid)) as file:
                        return {int(pid): os.sched_getaffinity(int(pid)) for pid in file.read().split()}

                def each_has_its_cpu():
                    return sorted(map(sorted, children().values())) == [[CPUS[0]], [CPUS[-1]]]
                until(each_has_its_cpu, "both have their CPU")
                victim = next(pid for pid, cpus in children().items() if cpus == {CPUS[0]})
                os.kill(victim, signal.SIGKILL)
                until(lambda: victim not in children() and each_has_its_cpu(), "its place is taken")


if __name__ == "__main__":
    unittest.main(verbosity=2)
