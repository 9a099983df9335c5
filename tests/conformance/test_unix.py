"""Unix sockets: whose the file is, and clients that cannot or do not listen."""
import json
import os
import signal
import socket
import stat
import tempfile
import threading
import unittest

from programs import PATIENCE_S, SERVE, run, serving
from traffic import NEED_INET, connect, models, peer, read_exactly, until

STREAMS = [model for model in models("stream") if model not in NEED_INET]
DATAGRAMS = [model for model in models("datagram") if model not in NEED_INET]
KINDS = (("unix", socket.SOCK_STREAM, STREAMS), ("unix-dgram", socket.SOCK_DGRAM, DATAGRAMS))


def answers(server):
    if server.address.startswith("unix-dgram"):
        with peer(server) as client:
            client.send(b"hi")
            return client.recv(10) == b"HI"
    with connect(server) as client:
        client.sendall(b"hi")
        return read_exactly(client, 2) == b"hi"


class Files(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = folder.name + "/socket"

    def refused(self, kind, model, why):
        address = "%s:%s" % (kind, self.path)
        result = run(SERVE, "--model", model, "--listen", address)
        self.assertEqual((result.returncode, result.stdout), (1, ""))
        self.assertEqual(result.stderr, "sockbench-serve: cannot bind %s: %s\n" % (address, why))

    def nobody_listens(self, kind):
        """A ring is taken apart after its process has ended."""
        type_ = socket.SOCK_STREAM if kind == "unix" else socket.SOCK_DGRAM
        with socket.socket(socket.AF_UNIX, type_) as probe:
            try:
                probe.connect(self.path)
                return False
            except ConnectionRefusedError:
                return True

    def test_it_is_there_while_the_server_is(self):
        for kind, _, names in KINDS:
            for model in names:
                with self.subTest(kind=kind, model=model):
                    with serving(model, "%s:%s" % (kind, self.path)) as server:
                        self.assertTrue(stat.S_ISSOCK(os.stat(self.path).st_mode))
                        self.assertEqual(server.address, "%s:%s" % (kind, self.path))
                        self.assertTrue(answers(server))
                    self.assertFalse(os.path.lexists(self.path))

    def test_it_goes_with_a_server_that_a_second_signal_ends(self):
        with serving("iterative", "unix:%s" % self.path, "--work", "spin:60s", ends_with=143) as server:
            with connect(server) as client:
                client.sendall(b"hi")
                os.kill(server.pid, signal.SIGTERM)
                until(lambda: self.nobody_listens("unix"), "the first signal is handled")
                os.kill(server.pid, signal.SIGTERM)
                server.process.wait(PATIENCE_S)
        self.assertFalse(os.path.lexists(self.path))

    def test_a_stale_one_is_replaced(self):
        for kind, _, names in KINDS:
            for model in names:
                with self.subTest(kind=kind, model=model):
                    with serving(model, "%s:%s" % (kind, self.path)) as server:
                        os.kill(server.pid, signal.SIGKILL)
                        server.process.wait(PATIENCE_S)
                    until(lambda kind=kind: self.nobody_listens(kind), "the kernel has closed it")
                    self.assertTrue(os.path.exists(self.path))
                    with serving(model, "%s:%s" % (kind, self.path)) as server:
                        self.assertTrue(answers(server))
                    self.assertFalse(os.path.lexists(self.path))

    def test_a_live_one_is_never_stolen(self):
        for kind, _, names in KINDS:
            with self.subTest(kind=kind), serving(names[0], "%s:%s" % (kind, self.path)) as server:
                inode = os.stat(self.path).st_ino
                for other, _, others in KINDS:  # nor by a socket of the other type
                    self.refused(other, others[0], "Address already in use")
                self.assertEqual(os.stat(self.path).st_ino, inode)
                self.assertTrue(answers(server))

    def test_a_live_one_with_a_full_backlog_is_not_stolen(self):
        with socket.socket(socket.AF_UNIX) as busy, socket.socket(socket.AF_UNIX) as waiting:
            busy.bind(self.path)
            busy.listen(0)
            waiting.connect(self.path)
            self.refused("unix", "iterative", "Address already in use")

    def test_another_kind_of_file_is_never_removed(self):
        with open(self.path, "w") as file:
            file.write("precious")
        for kind, _, names in KINDS:
            self.refused(kind, names[0], "File exists")
        with open(self.path) as file:
            self.assertEqual(file.read(), "precious")

    def test_a_link_is_never_followed_or_removed(self):
        os.symlink(self.path + "-elsewhere", self.path)
        for kind, _, names in KINDS:
            self.refused(kind, names[0], "File exists")
        self.assertTrue(os.path.islink(self.path))

    def test_only_its_own_is_removed(self):
        for kind, type_, names in KINDS:
            with self.subTest(kind=kind):
                with serving(names[0], "%s:%s" % (kind, self.path)):
                    os.unlink(self.path)
                    heir = socket.socket(socket.AF_UNIX, type_)
                    heir.bind(self.path)
                self.assertTrue(os.path.exists(self.path))
                heir.close()
                os.unlink(self.path)

    def test_of_many_that_start_at_once_on_a_stale_one_one_serves(self):
        for kind, type_, names in KINDS:
            with self.subTest(kind=kind):
                with socket.socket(socket.AF_UNIX, type_) as dead:
                    dead.bind(self.path)
                results = []

                def start(kind=kind, model=names[0], results=results):
                    try:
                        with serving(model, "%s:%s" % (kind, self.path)) as server:
                            started.wait(PATIENCE_S)
                            results.append(answers(server))
                    except AssertionError as error:
                        started.wait(PATIENCE_S)
                        results.append(str(error))

                started = threading.Barrier(8)
                threads = [threading.Thread(target=start) for _ in range(8)]
                for thread in threads:
                    thread.start()
                for thread in threads:
                    thread.join()
                self.assertEqual(results.count(True), 1, results)
                self.assertEqual(sum("Address already in use" in str(result) for result in results), 7, results)

    def test_the_umask_says_who_may_connect(self):
        for kind, _, names in KINDS:
            with serving(names[0], "%s:%s" % (kind, self.path), preexec_fn=lambda: os.umask(0o077)):
                self.assertEqual(stat.S_IMODE(os.stat(self.path).st_mode), 0o700)

    def test_a_folder_that_is_not_there(self):
        self.path = os.path.dirname(self.path) + "/none/socket"
        self.refused("unix", STREAMS[0], "No such file or directory")


class Datagrams(unittest.TestCase):
    def counted(self, model, talk):
        reader, writer = os.pipe()
        with serving(model, "unix-dgram:@sockbench-mute-%d" % os.getpid(), "--counters-fd", writer,
                     pass_also=[writer]) as server:
            os.close(writer)
            talk(server)
        with os.fdopen(reader) as file:
            return json.load(file)

    def test_a_client_that_never_reads_does_not_block_others(self):
        count = 2000
        repeated = []  # several threads may judge the same client at once, and one reply be lost by it

        def ask(other, request):
            for last in (False, False, True):
                other.send(request)
                try:
                    return other.recv(100)
                except TimeoutError:
                    repeated.append(request)
                    if last:
                        raise

        def talk(server):
            with peer(server) as mute, peer(server) as other:
                other.settimeout(10)
                for i in range(count):
                    mute.send(b"never read")
                    if i % 100 == 0:
                        self.assertEqual(ask(other, b"%d" % i), b"%d" % i)

        for model in DATAGRAMS:
            with self.subTest(model=model):
                repeated.clear()
                seen = self.counted(model, talk)
                self.assertLessEqual(len(repeated), 2)
                self.assertEqual(seen["reads"], count + count // 100 + len(repeated))
                self.assertGreater(seen["send_errors"], 0)
                self.assertEqual(seen["writes"] + seen["send_errors"], seen["reads"])

    def test_a_client_without_a_name_is_counted(self):
        def talk(server):
            with peer(server) as other, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as nameless:
                nameless.connect("\0" + server.host[1:])
                for size in (0, 1, 100):
                    nameless.send(b"x" * size)
                    other.send(b"here")
                    self.assertEqual(other.recv(100), b"HERE")

        for model in DATAGRAMS:
            with self.subTest(model=model):
                seen = self.counted(model, talk)
                self.assertEqual((seen["reads"], seen["datagrams_refused"], seen["writes"]), (6, 3, 3))

    def test_one_that_is_too_long_is_not_answered_in_part(self):
        def talk(server):
            with peer(server) as client:
                client.send(b"x" * 70000)
                client.send(b"x" * 60000)
                self.assertEqual(client.recv(100000), b"X" * 60000)

        for model in DATAGRAMS:
            with self.subTest(model=model):
                seen = self.counted(model, talk)
                self.assertEqual((seen["reads"], seen["datagrams_refused"], seen["writes"]), (2, 1, 1))


if __name__ == "__main__":
    unittest.main(verbosity=2)
