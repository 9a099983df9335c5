"""sockbench-talk in pipes and at a terminal: what it sends, shows, explains and
ends with."""
import codecs
import contextlib
import os
import pty
import re
import select
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import unittest

import programs
from programs import BENCH, SANITIZED, serving

TALK = os.path.join(programs.BIN, "sockbench-talk")
LONG_S = 60 if SANITIZED else 20
HARD = struct.pack("ii", 1, 0)  # SO_LINGER that makes close() send a reset
ESCAPE = "\033"


def talk(*argv, typed="", timeout=LONG_S, **options):
    """The client to its end, with `typed` as its standard input."""
    return subprocess.run([TALK, *map(str, argv)], input=typed, capture_output=True, text=True, timeout=timeout,
                          **options)


class Running:
    """A client whose input stays open, with pipes that are read as they fill."""

    def __init__(self, *argv):
        self.process = subprocess.Popen([TALK, *map(str, argv)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE)
        self.seen = {self.process.stdout: "", self.process.stderr: ""}

    def type(self, text):
        self.process.stdin.write(text.encode())
        self.process.stdin.flush()

    def until(self, pattern, errors=False):
        """Reads until the pattern shows on standard output or error: the match."""
        stream = self.process.stderr if errors else self.process.stdout
        while True:
            match = re.search(pattern, self.seen[stream])
            if match:
                return match
            if not select.select([stream], [], [], LONG_S)[0]:
                raise AssertionError("no %r in %r" % (pattern, self.seen[stream]))
            part = os.read(stream.fileno(), 65536).decode()
            if not part:
                raise AssertionError("ended before %r: %r" % (pattern, list(self.seen.values())))
            self.seen[stream] += part

    def address(self):
        """Where one that listens waits."""
        return self.until(r"waiting at (\S+)\n", errors=True).group(1)

    def end(self):
        """Ends its input: (exit code, all output, all errors)."""
        out, err = self.process.communicate(timeout=LONG_S)
        return (self.process.returncode, self.seen[self.process.stdout] + out.decode(),
                self.seen[self.process.stderr] + err.decode())


@contextlib.contextmanager
def running(*argv):
    client = Running(*argv)
    try:
        yield client
    finally:
        if client.process.poll() is None:
            client.process.kill()
        for stream in (client.process.stdin, client.process.stdout, client.process.stderr):
            if not stream.closed:
                try:
                    stream.close()
                except BrokenPipeError:
                    pass
        client.process.wait()


@contextlib.contextmanager
def peer(serve, kind=socket.SOCK_STREAM):
    """A server for one client, written in the test: serve(socket) in a thread
    (the connection of a stream, the socket of datagrams). Gives the address."""
    failed = []
    with socket.socket(socket.AF_INET, kind) as listening:
        listening.bind(("127.0.0.1", 0))
        listening.settimeout(LONG_S)

        def run():
            try:
                if kind == socket.SOCK_DGRAM:
                    serve(listening)
                    return
                with listening.accept()[0] as client:
                    client.settimeout(LONG_S)
                    serve(client)
            except Exception as error:  # told by the test's own thread
                failed.append(error)

        if kind == socket.SOCK_STREAM:
            listening.listen(5)
        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield "%s://127.0.0.1:%d" % ("tcp" if kind == socket.SOCK_STREAM else "udp", listening.getsockname()[1])
        finally:
            thread.join()
    if failed:
        raise failed[0]


def read_to_end(client):
    return b"".join(iter(lambda: client.recv(65536), b""))


def free_port(kind):
    """A port that nobody has: it was ours a moment ago."""
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Pipes(unittest.TestCase):
    def answered(self, done, out):
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, out, ""))

    def test_one_line_and_end(self):
        for scheme, model, reply in (("tcp", "epoll", "hello\n"), ("udp", "epoll", "HELLO\n")):
            with self.subTest(scheme=scheme), serving(model, scheme + "://127.0.0.1:0") as server:
                self.answered(talk(server.address, "--once", typed="hello\nnot sent\n"), reply)

    def test_many_lines_come_back_in_order(self):
        for scheme, count in (("tcp", 20000), ("udp", 2000)):  # the first: more than one read of the pipe
            text = "".join("line %d\n" % i for i in range(count))
            with self.subTest(scheme=scheme), serving("epoll", scheme + "://127.0.0.1:0") as server:
                self.answered(talk(server.address, typed=text), text if scheme == "tcp" else text.upper())

    def test_a_last_line_without_newline_is_a_line(self):
        for scheme, reply in (("tcp", "one\ntwo\n"), ("udp", "ONE\nTWO\n")):
            with self.subTest(scheme=scheme), serving("epoll", scheme + "://127.0.0.1:0") as server:
                self.answered(talk(server.address, typed="one\ntwo"), reply)

    def test_no_newline_is_sent_when_told_so(self):
        received = []

        def serve(client):
            received.append(client.recv(100))
            client.sendall(b"taken")
            received.append(read_to_end(client))

        with peer(serve) as address:
            self.answered(talk(address, "--no-newline", typed="word\n"), "taken")
        self.assertEqual(received, [b"word", b""])

    def test_an_empty_line_is_an_empty_datagram(self):
        with serving("iterative", "udp://127.0.0.1:0") as server:
            self.answered(talk(server.address, typed="\nafter\n"), "\nAFTER\n")

    def test_a_line_larger_than_all_buffers_comes_back(self):
        text = "x" * 8000000 + "\n"
        with serving("iterative", "tcp://127.0.0.1:0", "--sndbuf", "16k") as server:
            self.assertTrue(talk(server.address, typed=text).stdout == text)

    def test_the_close_word_ends_it(self):
        with serving("epoll", "tcp://127.0.0.1:0") as server, running(server.address, "--close-word", "close") as client:
            client.type("disclose\nclosed\n")
            client.until("closed\n")
            client.type("close  \nnot sent\n")
            self.assertEqual(client.end(), (0, "disclose\nclosed\nclose  \n", ""))

    def test_a_server_that_stays_after_one_answer_is_left(self):
        stop = threading.Event()

        def keep(connection):
            connection.recv(100)
            connection.sendall(b"here\n")
            stop.wait(LONG_S)

        with peer(keep) as address:
            done = talk(address, "--once", "--timeout", "100ms", typed="hello\n")
            stop.set()
        self.assertEqual((done.returncode, done.stdout), (0, "here\n"))
        self.assertIn("keeps the connection; leaving", done.stderr)

    def test_end_of_input_is_a_half_close_and_the_rest_is_shown(self):
        def serve(client):
            data = read_to_end(client)  # ends by the FIN alone
            client.sendall(b"%d bytes\n" % len(data))
            client.sendall(b"y" * 1000000)

        with peer(serve) as address:
            done = talk(address, "--chat", typed="abc\ndef\n")
        self.answered(done, "8 bytes\n" + "y" * 1000000)

    def test_a_greeting_shows_before_anything_is_typed(self):
        def serve(client):
            client.sendall(b"Thank you for connecting")
            self.assertEqual(read_to_end(client), b"")

        with peer(serve) as address, running(address) as client:
            client.until("Thank you for connecting")
            self.assertEqual(client.end(), (0, "Thank you for connecting", ""))

    def test_no_colours_or_prompts_in_pipes(self):
        with serving("epoll", "tcp://127.0.0.1:0") as server:
            done = talk(server.address, typed="plain\n")
            self.answered(done, "plain\n")
        self.assertNotIn(ESCAPE, done.stdout + done.stderr)

    def test_what_the_server_writes_goes_through_unchanged(self):
        noise = bytes(range(256)) * 4

        def serve(client):
            client.sendall(noise)

        with peer(serve) as address:
            done = subprocess.run([TALK, address], stdin=subprocess.DEVNULL, capture_output=True, timeout=LONG_S)
        self.assertEqual((done.returncode, done.stdout), (0, noise))

    def test_a_full_standard_output_is_told(self):
        with serving("epoll", "tcp://127.0.0.1:0") as server, open("/dev/full", "w") as full:
            done = subprocess.run([TALK, server.address], input="x\n", stdout=full, stderr=subprocess.PIPE, text=True,
                                  timeout=LONG_S)
            told = subprocess.run([TALK, "--help"], stdout=full, stderr=subprocess.PIPE, text=True, timeout=LONG_S)
        for each in (done, told):
            self.assertEqual(each.returncode, 1)
            self.assertRegex(each.stderr, r"^sockbench-talk: cannot write to standard output(: No space left on device)?\n$")

    def test_the_socket_does_not_take_the_place_of_a_closed_standard_input(self):
        with serving("epoll", "tcp://127.0.0.1:0") as server:
            done = subprocess.run(["sh", "-c", 'exec "$0" "$1" <&-', TALK, server.address], capture_output=True,
                                  text=True, timeout=LONG_S)
        self.assertEqual((done.returncode, done.stdout, done.stderr),
                         (1, "", "sockbench-talk: cannot read standard input: Bad file descriptor\n"))

    def test_a_nul_is_not_the_end_of_the_close_word(self):
        with serving("epoll", "tcp://127.0.0.1:0") as server:
            self.answered(talk(server.address, "--close-word", "close", typed="close\0\nclose \nnot sent\n"),
                          "close\0\nclose \n")

    def test_the_bench_hands_on_to_it(self):
        with serving("epoll", "tcp://127.0.0.1:0") as server:
            done = subprocess.run([BENCH, "talk", server.address, "--once"], input="hello\n", capture_output=True,
                                  text=True, timeout=LONG_S)
        self.answered(done, "hello\n")

    def test_unix_sockets(self):
        with tempfile.TemporaryDirectory() as folder:
            for address in ("unix:" + folder + "/stream", "unix:@sockbench-talk-%d" % os.getpid()):
                with self.subTest(address=address), serving("epoll", address):
                    self.answered(talk(address, typed="a\nb\n"), "a\nb\n")
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
                server.bind(folder + "/datagrams")
                with running("unix-dgram:" + folder + "/datagrams") as client:
                    client.type("hello\n")
                    data, name = server.recvfrom(100)
                    server.sendto(data.upper(), name)
                    client.until("HELLO\n")
                    self.assertEqual(client.end()[0], 0)


class Datagrams(unittest.TestCase):
    def test_unconnected_takes_answers_from_anybody_and_names_them(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
            other.bind(("127.0.0.1", 0))

            def serve(server):
                _, client = server.recvfrom(100)
                other.sendto(b"from elsewhere", client)

            with peer(serve, socket.SOCK_DGRAM) as address:
                done = talk(address, "--unconnected", typed="hello\n")
            self.assertEqual((done.returncode, done.stdout),
                             (0, "[udp://127.0.0.1:%d] from elsewhere\n" % other.getsockname()[1]))

    def test_connected_hears_the_server_alone(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
            def serve(server):
                data, client = server.recvfrom(100)
                other.sendto(b"from elsewhere", client)
                server.sendto(data, client)

            with peer(serve, socket.SOCK_DGRAM) as address:
                done = talk(address, typed="hello\n")
            self.assertEqual((done.returncode, done.stdout), (0, "hello\n"))

    def test_a_lost_one_is_explained_and_the_next_sent(self):
        def serve(server):
            self.assertEqual(server.recv(100), b"lost")
            data, client = server.recvfrom(100)
            server.sendto(data, client)

        for options in ([], ["--unconnected"]):
            with self.subTest(options=options), peer(serve, socket.SOCK_DGRAM) as address:
                done = talk(address, "--timeout", "200ms", *options, typed="lost\nfound\n")
                self.assertEqual(done.returncode, 1)
                self.assertRegex(done.stdout, r"^(\[%s\] )?found\n$" % address)
                self.assertEqual(done.stderr.count("\n"), 1)
                self.assertIn("no reply within 200 ms: the datagram or its reply was lost, or nobody serves", done.stderr)

    def test_broadcast_is_refused_unless_asked_and_ours(self):
        for argv, why in ((["udp://198.51.100.255:9", "--broadcast"], "not the broadcast address of a network"),
                          (["udp://127.0.0.1:9", "--broadcast"], "not the broadcast address of a network"),
                          (["udp://255.255.255.255:9", "--broadcast"], "broadcast to everybody"),
                          (["udp://239.1.2.3:9"], "multicast"), (["udp://[ff02::1]:9"], "multicast")):
            with self.subTest(argv=argv):
                done = talk(*argv, typed="hello\n")
                self.assertEqual((done.returncode, done.stdout, done.stderr.count("\n")), (2, "", 1))
                self.assertIn(why, done.stderr)

    def test_broadcast_reaches_those_on_our_own_network(self):
        script = """
            ip link set lo up && ip link add d0 type veth peer name d1 && ip addr add 10.9.0.1/24 brd 10.9.0.255 dev d0 &&
            ip link set d0 up && ip link set d1 up || exit 77
            exec "$0" -B "$1" inside-own-network"""
        done = subprocess.run(["unshare", "-Urn", "sh", "-c", script, sys.executable, __file__], capture_output=True,
                              text=True, timeout=60 + LONG_S)
        if done.returncode == 77 or "unshare" in done.stderr:
            self.skipTest("no private network here: %s" % done.stderr.strip())
        self.assertEqual(done.returncode, 0, done.stderr)


def inside_own_network():
    """In a private network with 10.9.0.255 as its broadcast address."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("0.0.0.0", 0))
        server.settimeout(LONG_S)
        address = "udp://10.9.0.255:%d" % server.getsockname()[1]
        with running(address, "--broadcast") as client:
            client.type("anybody?\n")
            data, name = server.recvfrom(100)
            server.sendto(b"here", name)
            client.until(r"^\[udp://10\.9\.0\.1:\d+\] here\n")
            assert client.end()[0] == 0 and data == b"anybody?"
        done = talk(address, typed="x\n")
        assert done.returncode == 1 and "wants --broadcast" in done.stderr, done


class TwoPeople(unittest.TestCase):
    def test_they_write_to_each_other(self):
        for scheme in ("tcp", "udp"):
            with self.subTest(scheme=scheme), running("--listen", scheme + "://127.0.0.1:0") as one:
                address = one.address()
                with running("--chat", address) as other:
                    other.type("are you there?\n")
                    one.until(r"are you there\?\n")
                    one.type("yes\nwho else\n")
                    other.until("yes\n(.*\n)*who else\n|yes\n.*who else\n")
                    other.type("fine\n")
                    one.until("fine\n")
                    code, _, err = other.end()
                    self.assertEqual((code, err), (0, ""))
                self.assertEqual(one.end()[0], 0)

    def test_the_end_of_one_is_seen_by_the_other(self):
        with running("--listen", "tcp://127.0.0.1:0") as one, running("--chat", one.address()) as other:
            one.until("has called", errors=True)
            one.type("last words\n")
            one.process.stdin.close()
            other.until("last words\n")
            self.assertEqual(other.process.wait(LONG_S), 0)  # its own input is still open
            self.assertEqual(one.process.wait(LONG_S), 0)

    def test_what_is_typed_before_anybody_wrote_is_kept(self):
        with running("--listen", "udp://127.0.0.1:0") as one:
            address = one.address()
            one.type("early\n")
            one.until("nobody has written yet", errors=True)
            with running("--chat", address) as other:
                other.type("hello\n")
                other.until("early\n")
                self.assertEqual((other.end()[0], one.end()[0]), (0, 0))

    def test_a_second_caller_is_refused(self):
        with running("--listen", "tcp://127.0.0.1:0") as one:
            address = one.address()
            with running("--chat", address):
                one.until("has called", errors=True)
                done = talk(address, typed="me too\n")
                self.assertEqual(done.returncode, 1)
                self.assertIn("Connection refused", done.stderr)

    def test_socket_files_do_not_stay(self):
        with tempfile.TemporaryDirectory() as folder:
            for scheme in ("unix", "unix-dgram"):
                with self.subTest(scheme=scheme), running("--listen", "%s:%s/chat" % (scheme, folder)) as one:
                    one.address()
                    self.assertEqual(os.listdir(folder), ["chat"])
                    one.process.send_signal(signal.SIGINT)
                    self.assertEqual(one.process.wait(LONG_S), 130)
                    self.assertEqual(os.listdir(folder), [])


class Refusals(unittest.TestCase):
    def one_line(self, done, code, *why):
        self.assertEqual((done.returncode, done.stdout, done.stderr.count("\n")), (code, "", 1), done.stderr)
        for words in why:
            self.assertIn(words, done.stderr)

    def test_connection_refused_is_explained(self):
        self.one_line(talk("tcp://127.0.0.1:%d" % free_port(socket.SOCK_STREAM), typed="x\n"), 1,
                      "Connection refused (no server listens there")
        self.one_line(talk("udp://127.0.0.1:%d" % free_port(socket.SOCK_DGRAM), typed="x\n"), 1,
                      "Connection refused (the host answered that nobody has that port)")
        port = free_port(socket.SOCK_STREAM)
        self.one_line(talk("tcp://localhost:%d" % port, typed="x\n"), 1,
                      "cannot connect to tcp://localhost:%d, which is tcp://127.0.0.1:%d: " % (port, port))
        self.one_line(talk("udp://127.0.0.1:9", typed="x" * 65508), 1, "a datagram of UDP holds 65,507 bytes at most")
        with tempfile.TemporaryDirectory() as folder:
            path = folder + "/left"
            self.one_line(talk("unix:" + path), 1, "No such file", "start the server first")
            with socket.socket(socket.AF_UNIX) as gone:
                gone.bind(path)
            self.one_line(talk("unix:" + path), 1, "Connection refused (the file is there")

    def test_unconnected_is_not_told_of_a_refusal(self):
        """The host's answer is for a connected socket; here silence is all."""
        self.one_line(talk("udp://127.0.0.1:%d" % free_port(socket.SOCK_DGRAM), "--unconnected", "--timeout", "100ms",
                           typed="x\n"), 1, "no reply within 100 ms")

    def test_bad_words(self):
        for argv in ([], ["a", "b"], ["tcp://127.0.0.1"], ["tcp://127.0.0.1:99999"], ["http://127.0.0.1:80"],
                     ["tcp://127.0.0.1:0"], ["tcp://127.0.0.1:7", "--unconnected"], ["tcp://127.0.0.1:7", "--broadcast"],
                     ["udp://127.0.0.1:7", "--no-newline"], ["udp://127.0.0.1:0", "--listen", "--unconnected"],
                     ["tcp://127.0.0.1:7", "--timeout", "0"], ["tcp://127.0.0.1:7", "--timeout", "soon"],
                     ["tcp://127.0.0.1:7", "--shout"], ["tcp://127.0.0.1:7", "--close-word"],
                     ["tcp://127.0.0.1:7", "--close-word", ""], ["tcp://127.0.0.1:7", "--close-word", "bye "]):
            with self.subTest(argv=argv):
                self.one_line(talk(*argv), 2, "sockbench-talk: ")

    def test_an_address_in_use(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            self.one_line(talk("--listen", "tcp://127.0.0.1:%d" % taken.getsockname()[1]), 1, "another program has")

    def test_a_reset_is_explained(self):
        def serve(client):
            client.recv(100)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, HARD)

        with peer(serve) as address:
            self.one_line(talk(address, typed="hello\n"), 1, "Connection reset by peer", "SO_LINGER 0")

    def test_a_server_that_closes_without_an_answer(self):
        def serve(client):
            client.recv(100)
            client.shutdown(socket.SHUT_WR)
            read_to_end(client)

        with peer(serve) as address:
            self.one_line(talk(address, typed="hello\n"), 1, "closed without an answer")

    def test_a_server_that_closes_before_all_is_sent(self):
        def serve(client):
            client.recv(100)
            client.sendall(b"one is enough\n")
            client.shutdown(socket.SHUT_WR)
            client.settimeout(LONG_S)
            while client.recv(100):
                pass

        # The second line may have left before the FIN came.
        with peer(serve) as address:
            done = talk(address, typed="first\nsecond\nthird\n")
            self.assertEqual((done.returncode, done.stdout), (1, "one is enough\n"))
            self.assertRegex(done.stderr, "closed (before everything was sent|without an answer)")

    def test_a_busy_server_is_remarked_on_and_waited_for(self):
        with serving("iterative", "tcp://127.0.0.1:0") as server, \
                running(server.address, "--timeout", "100ms") as first:
            first.type("first\n")
            first.until("first\n")
            with running(server.address, "--timeout", "100ms") as second:
                second.type("second\n")
                second.until("no reply within 100 ms: the connection stands", errors=True)
                second.type("third\n")  # is not held back any more
                self.assertEqual(first.end()[0], 0)
                second.until("second\nthird\n")
                self.assertEqual(second.end()[0], 0)

    def test_a_connect_that_hangs_is_remarked_on(self):
        for family, name in ((socket.AF_INET, ("127.0.0.1", 0)), (socket.AF_UNIX, "\0sockbench-full-%d" % os.getpid())):
            with self.subTest(family=family), socket.socket(family) as server, contextlib.ExitStack() as stack:
                server.bind(name)
                server.listen(0)
                at = server.getsockname()
                address = "tcp://%s:%d" % at if family == socket.AF_INET else "unix:@" + at[1:].decode()
                waiting = stack.enter_context(socket.socket(family))
                waiting.connect(at)  # a queue of 0 holds one
                client = stack.enter_context(running(address, "--timeout", "100ms"))
                client.until("not connected to .* within 100 ms: .*backlog", errors=True)
                server.accept()[0].close()
                client.until("connected after", errors=True)
                connection = server.accept()[0]
                stack.callback(connection.close)
                client.type("hello\n")
                self.assertEqual(connection.recv(100), b"hello\n")
                client.process.send_signal(signal.SIGTERM)
                self.assertEqual(client.process.wait(LONG_S), 128 + signal.SIGTERM)

    def test_ctrl_c_ends_a_connect_that_hangs(self):
        with socket.socket() as server, socket.socket() as waiting:
            server.bind(("127.0.0.1", 0))
            server.listen(0)
            waiting.connect(server.getsockname())
            with running("tcp://127.0.0.1:%d" % server.getsockname()[1], "--timeout", "50ms") as client:
                client.until("not connected", errors=True)
                client.process.send_signal(signal.SIGINT)
                self.assertEqual(client.process.wait(LONG_S), 130)


class Terminal:
    """A client at a terminal of its own."""

    def __init__(self, *argv, program=TALK, **more):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execve(program, [program, *argv], {**os.environ, "TERM": "xterm", **more})
        self.decoder = codecs.getincrementaldecoder("utf-8")()
        self.seen = ""
        self.code = None

    def type(self, text):
        os.write(self.fd, text.encode())

    def until(self, pattern):
        """Reads until the pattern shows after what was found before: the match."""
        while True:
            match = re.search(pattern, self.seen)
            if match:
                self.seen = self.seen[match.end():]
                return match
            self.more(pattern)

    def more(self, wanted, may_end=False):
        """Reads what has come; false when the client has let go of it."""
        if not select.select([self.fd], [], [], LONG_S)[0]:
            raise AssertionError("no %r on the screen: %r" % (wanted, self.seen))
        try:
            part = os.read(self.fd, 65536)
        except OSError:  # EIO: the other end is gone
            part = b""
        if not part and not may_end:
            raise AssertionError("ended before %r: %r" % (wanted, self.seen))
        self.seen += self.decoder.decode(part)
        return len(part) > 0

    def end(self):
        """Its exit code, once it has ended."""
        while self.more("the end", may_end=True):
            pass
        _, status = os.waitpid(self.pid, 0)
        self.code = os.waitstatus_to_exitcode(status)
        return self.code


@contextlib.contextmanager
def at_terminal(*argv, **more):
    """more: variables of its environment."""
    terminal = Terminal(*argv, **more)
    try:
        yield terminal
    finally:
        if terminal.code is None:
            os.kill(terminal.pid, signal.SIGKILL)
            os.waitpid(terminal.pid, 0)
        os.close(terminal.fd)


def has_libedit():
    """The build found the library that edits lines."""
    done = subprocess.run(["ldd", TALK], capture_output=True, text=True, timeout=LONG_S)
    return "libedit" in done.stdout


class Screen(unittest.TestCase):
    TRIP = r" +\([\d.]+ (ns|us|ms|s)\)\r\n"

    def test_prompt_reply_round_trip_and_ctrl_d(self):
        with serving("epoll", "udp://127.0.0.1:0") as server, at_terminal(server.address) as screen:
            screen.until("> ")
            screen.type("hello\r")
            screen.until("HELLO" + self.TRIP)
            screen.until("> ")
            screen.type("again\r")
            screen.until("AGAIN" + self.TRIP)
            screen.until("> ")
            screen.type("\x04")
            self.assertEqual(screen.end(), 0)

    def test_an_overdue_reply_is_not_shown_as_the_next_lines(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
            server.bind(("127.0.0.1", 0))
            server.settimeout(LONG_S)
            with at_terminal("udp://127.0.0.1:%d" % server.getsockname()[1], "--timeout", "300ms") as screen:
                screen.until("> ")
                screen.type("one\r")
                screen.until("no reply within 300 ms")
                screen.type("two\r")
                self.assertEqual(server.recv(100), b"one")
                _, client = server.recvfrom(100)
                server.sendto(b"ONE", client)
                screen.until(r"ONE +\(perhaps to an earlier line: one is overdue\)\r\n")
                server.sendto(b"TWO", client)
                screen.until(r"TWO +\(late\)\r\n")
                screen.type("three\r")
                server.sendto(server.recv(100).upper(), client)
                screen.until("THREE" + self.TRIP)
                screen.type("\x04")
                screen.end()

    @unittest.skipUnless(has_libedit(), "built without libedit: no history")
    def test_letters_that_are_not_ascii_are_typed_like_others(self):
        for locale in ("C", "C.UTF-8"):
            with self.subTest(locale=locale), serving("epoll", "tcp://127.0.0.1:0") as server, \
                    at_terminal(server.address, LC_ALL=locale) as screen:
                screen.until("> ")
                screen.type("café €\r")
                screen.until("(?m)^.*café €" + self.TRIP)
                screen.type("\x04")
                self.assertEqual(screen.end(), 0)

    @unittest.skipUnless(has_libedit(), "built without libedit: the kernel ends a line at 4,095 bytes")
    def test_a_line_longer_than_the_screen_is_typed_like_others(self):
        parts = ["x" * 999 + mark for mark in "ABCDEFGHIJ"]  # the terminal holds 4 KiB for who reads slowly
        with serving("epoll", "tcp://127.0.0.1:0") as server, at_terminal(server.address) as screen:
            screen.until("> ")
            for part in parts:
                screen.type(part)
                screen.until(part[-1])
            screen.type("\r")
            screen.until("".join(parts))  # as it was typed, it is wrapped
            screen.type("\x04")
            self.assertEqual(screen.end(), 0)

    @unittest.skipUnless(has_libedit(), "built without libedit: no history")
    def test_the_last_line_comes_back_by_arrow(self):
        with serving("epoll", "tcp://127.0.0.1:0") as server, at_terminal(server.address) as screen:
            screen.until("> ")
            screen.type("remember\r")
            screen.until("remember" + self.TRIP)
            screen.until("> ")
            screen.type("\x1b[A")
            screen.until("remember")
            screen.type("!\r")
            screen.until("remember!" + self.TRIP)
            screen.type("\x04")
            self.assertEqual(screen.end(), 0)

    def test_a_greeting_shows_above_the_prompt(self):
        def serve(client):
            client.sendall(b"welcome\n")
            self.assertEqual(client.recv(100), b"thanks\n")
            client.sendall(b"bye\n")

        with peer(serve) as address, at_terminal(address) as screen:
            screen.until("welcome\r\n")
            screen.until("> ")
            screen.type("thanks\r")
            screen.until("bye" + self.TRIP)
            screen.until("has closed the connection")
            self.assertEqual(screen.end(), 0)

    def test_a_reset_is_explained(self):
        go = threading.Event()

        def serve(client):
            go.wait(LONG_S)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, HARD)

        with peer(serve) as address, at_terminal(address) as screen:
            screen.until("> ")
            go.set()
            screen.until(r"Connection reset by peer \(the other side closed with bytes unread or with SO_LINGER 0")
            self.assertEqual(screen.end(), 1)

    def test_the_server_cannot_drive_the_terminal(self):
        def serve(client):
            client.sendall(b"\x1b]0;title\x07\xc2\x9b31m caf\xc3\xa9\n")
            read_to_end(client)

        with peer(serve) as address, at_terminal(address) as screen:
            screen.until(r"\?]0;title\?\?\?31m café\r\n")
            screen.type("\x04")
            self.assertEqual(screen.end(), 0)

    def test_nor_when_what_is_sent_comes_from_a_pipe(self):
        def serve(client):
            client.sendall(b"\x1b]0;title\x07\n")
            read_to_end(client)

        ours, theirs = pty.openpty()
        try:
            with peer(serve) as address:
                done = subprocess.run([TALK, address], stdin=subprocess.DEVNULL, stdout=theirs, timeout=LONG_S)
            self.assertEqual((done.returncode, os.read(ours, 100)), (0, b"?]0;title?\r\n"))
        finally:
            os.close(ours)
            os.close(theirs)

    def test_signals_of_the_keyboard_leave_the_terminal_as_it_was(self):
        with serving("epoll", "tcp://127.0.0.1:0") as server:
            before = pty.openpty()
            pristine = termios.tcgetattr(before[1])
            for fd in before:
                os.close(fd)
            for key, code in (("\x03", 130), ("\x1c", 131)):
                with self.subTest(key=key), at_terminal(server.address) as screen:
                    screen.until("> ")
                    screen.type(key)
                    # The master sees the settings of the terminal it belongs to.
                    self.assertEqual(screen.end(), code)
                    self.assertEqual(termios.tcgetattr(screen.fd)[:4], pristine[:4])

    @unittest.skipUnless(has_libedit(), "built without libedit: what is being typed is the kernel's")
    def test_what_is_being_typed_survives_a_stop(self):
        with serving("epoll", "tcp://127.0.0.1:0") as server, \
                at_terminal("-i", program="/bin/sh", PS1="$ ", ENV="", LC_ALL="C.UTF-8") as screen:
            screen.until(r"\$ ")
            screen.type("%s %s\n" % (TALK, server.address))
            screen.until("(?m)^> ")
            screen.type("ha")
            screen.until("ha")
            screen.type("\x1a")
            screen.until("(?s)Stopped.*\\$ ")
            screen.type("fg\n")
            screen.until("> ha")
            screen.type("lf\r")
            screen.until("(?m)^.*half" + self.TRIP)
            screen.type("\x04")
            screen.until(r"\$ ")
            screen.type("exit 7\n")
            self.assertEqual(screen.end(), 7)

    def test_one_line_and_no_prompt_for_a_second(self):
        with serving("iterative", "tcp://127.0.0.1:0", "--one-request") as server, \
                at_terminal(server.address, "--once") as screen:
            screen.until("> ")
            screen.type("one\r")
            screen.until("(?m)^.*one" + self.TRIP)
            self.assertEqual((screen.end(), screen.seen), (0, ""))

    def test_lines_typed_ahead_are_sent_in_turn(self):
        with serving("epoll", "tcp://127.0.0.1:0") as server, at_terminal(server.address) as screen:
            screen.until("> ")
            screen.type("one\rtwo\rthree\r")
            for word in ("one", "two", "three"):
                screen.until("(?m)^.*" + word + self.TRIP)
            screen.type("\x04")
            self.assertEqual(screen.end(), 0)


if __name__ == "__main__":
    if sys.argv[1:] == ["inside-own-network"]:
        inside_own_network()
    else:
        unittest.main(verbosity=2)
