"""System calls that fail as they may: interrupted, refused for the moment, cut
short. Whatever happens, clients get their bytes.

strace puts the faults in; where it may not trace, this is skipped."""
import contextlib
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import unittest

from programs import LOAD, SANITIZED, run, skip
from traffic import connect, exchange_all, models, noise, peer, read_exactly, serving, side_by_side, stream

STREAMS = models("stream")
DATAGRAMS = models("datagram")
# Those that wait in one place for many clients: a socket may refuse for the moment at any time.
# (Edge-triggered ones wait for an edge then, which a fault that is none never brings.)
WAITING = [model for model in STREAMS if model in ("select", "poll", "epoll")]
RECEIVING = "read,recvfrom,recvmsg,recvmmsg"
SENDING = "write,sendto,sendmsg,sendmmsg"
RING_ERRORS = ("EINTR", "EAGAIN", "EBUSY")  # a signal, no memory for a request, completions to be read first
WAITS = "poll,ppoll,select,pselect6,epoll_wait,epoll_pwait,accept,accept4,io_uring_enter"


@contextlib.contextmanager
def tampered(server, *faults, calls=None):
    """The server's system calls fail as told, in a with block and until it has ended: the path of a log of them.
    Without faults, `calls` are only written down. (A tracer that left early would leave a call half tampered with behind.)"""
    with tempfile.TemporaryDirectory() as folder:
        log = os.path.join(folder, "calls")
        calls = calls or ",".join(fault.split(":")[0] for fault in faults)
        pids = [server.pid, *children(server.pid)]
        strace = subprocess.Popen(["strace", "-f", "-o", log, "-e", "trace=" + calls] +
                                  [word for pid in pids for word in ("-p", str(pid))] +
                                  [word for fault in faults for word in ("-e", "inject=" + fault)],
                                  stderr=subprocess.PIPE, text=True)
        try:
            for _ in pids:
                line = strace.stderr.readline()
                if "attached" not in line:
                    raise AssertionError("strace: " + line.strip())
            yield log
            os.kill(server.pid, signal.SIGTERM)
            strace.communicate(timeout=20)
        finally:
            strace.kill()
            strace.wait()


def children(pid):
    with open("/proc/%d/task/%d/children" % (pid, pid)) as file:
        return [int(word) for word in file.read().split()]


def may_trace():
    if not shutil.which("strace"):
        return "strace is not installed"
    # It traces its own child wherever ptrace is allowed at all.
    result = subprocess.run(["strace", "-o", "/dev/null", "true"], capture_output=True, text=True, timeout=30)
    return result.stderr.strip() if result.returncode != 0 else None


def injected(log):
    with open(log) as file:
        return file.read().count("(INJECTED)")


class Streams(unittest.TestCase):
    def exchange(self, server, clients=4, rounds=8):
        everyone = [connect(server) for _ in range(clients)]
        for turn in range(rounds):
            for i, client in enumerate(everyone):
                client.sendall(noise(3000, turn * clients + i))
            for i, client in enumerate(everyone):
                self.assertTrue(read_exactly(client, 3000) == noise(3000, turn * clients + i))
        for client in everyone:
            client.close()

    def survive(self, names, *faults):
        def check(model):
            with stream(model) as server, tampered(server, *faults) as log:
                self.exchange(server, clients=1 if model == "iterative" else 4)
                self.assertGreater(injected(log), 0)

        side_by_side(self, names, check)

    def test_interrupted_calls_are_made_again(self):
        names = [model for model in STREAMS if not model.startswith("uring")]
        self.survive(names, RECEIVING + ":error=EINTR:when=1+4", SENDING + ":error=EINTR:when=2+4",
                     WAITS + ":error=EINTR:when=3+4")

    def test_rings_that_are_not_entered_go_on(self):
        for error in RING_ERRORS:
            self.survive([model for model in STREAMS if model.startswith("uring")],
                         "io_uring_enter:error=%s:when=2+3" % error)

    def test_storms_of_not_now_are_waited_out(self):
        self.survive(WAITING, RECEIVING + ":error=EAGAIN:when=1+3", SENDING + ":error=EAGAIN:when=1+3")

    def test_resets_in_mid_send_hurt_nobody_else(self):
        hard = struct.pack("ii", 1, 0)

        def check(model):
            with stream(model, "--sndbuf", "8k") as server:
                for i in range(20):
                    with connect(server, rcvbuf=4096) as rude:
                        rude.setblocking(False)
                        with contextlib.suppress(BlockingIOError):
                            for _ in range(50):
                                rude.send(noise(4096, i))
                        rude.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, hard)
                self.exchange(server, clients=1)

        side_by_side(self, STREAMS, check)


class Scarcity(unittest.TestCase):
    def test_what_a_ring_is_asked_for_grows_with_its_clients_and_not_with_their_square(self):
        """All wait for one small buffer: whoever asks for it while it is away only asks again."""
        count = 300

        def check(model):
            with stream(model, "--ring-buffers", 1, "--buffer", 256) as server:
                everyone = [connect(server) for _ in range(count)]
                messages = [noise(300, i) for i in range(count)]
                with tampered(server, calls="io_uring_enter") as log:
                    self.assertTrue(exchange_all(everyone, messages) == messages)
                    with open(log) as file:
                        asked = sum(int(word) for word in re.findall(r"io_uring_enter\(\d+, (\d+),", file.read()))
                self.assertGreater(asked, count)
                self.assertLess(asked, 20 * count)
                for client in everyone:
                    client.close()

        side_by_side(self, [model for model in STREAMS if model.startswith("uring")], check)


class Load(unittest.TestCase):
    def test_its_ring_sends_everything_in_order_when_it_is_not_entered(self):
        """Requests in flight of one connection, and a socket that takes them in pieces."""
        def check(error):
            with stream("epoll", "--rcvbuf", "8k") as server:
                done = run("strace", "-f", "-o", "/dev/null", "-e", "trace=io_uring_enter", "-e",
                           "inject=io_uring_enter:error=%s:when=2+2" % error, LOAD, server.address, "--engine",
                           "uring", "-c", 8, "-P", 4, "-s", "20k", "--sndbuf", "16k", "-n", 1000, "-w", 0)
                if done.returncode == 77:
                    raise unittest.SkipTest(done.stderr.strip())
                self.assertEqual(done.returncode, 0, done.stderr)

        side_by_side(self, RING_ERRORS, check)


class Datagrams(unittest.TestCase):
    def survive(self, names, *faults):
        def check(model):
            with serving(model, "udp://127.0.0.1:0") as server, peer(server) as client, \
                    tampered(server, *faults) as log:
                for i in range(30):
                    client.send(b"datagram %d" % i)
                    self.assertEqual(client.recv(100), b"DATAGRAM %d" % i)
                self.assertGreater(injected(log), 0)

        side_by_side(self, names, check)

    def test_interrupted_calls_are_made_again(self):
        """Sends are left alone: they do not wait, and so are not interrupted."""
        self.survive(DATAGRAMS, RECEIVING + ":error=EINTR:when=1+4", WAITS + ":error=EINTR:when=3+4")

    def test_rings_that_are_not_entered_go_on(self):
        for error in RING_ERRORS:
            self.survive([model for model in DATAGRAMS if model == "uring"],
                         "io_uring_enter:error=%s:when=2+3" % error)


if __name__ == "__main__":
    REASON = "the leak checker cannot run under strace" if SANITIZED else may_trace()
    if REASON:
        skip(REASON)
    unittest.main(verbosity=2)
