"""Full receive buffers, with no later datagram to carry the news: sent =
received + dropped, exactly, at either end, for every datagram model.

The socket that overflows is that of a process which is stopped meanwhile. Each
test lives in a network namespace of its own, whose kernel counts nobody else's
datagrams, and needs the privilege to make one.
"""
import ctypes
import fcntl
import json
import os
import signal
import socket
import struct
import subprocess
import tempfile
import time
import unittest

from programs import LOAD, serving, skip
from reports import check_load_report

CLONE_NEWNET, CLONE_NEWUSER = 0x40000000, 0x10000000
SIOCSIFFLAGS, IFF_UP = 0x8914, 1
MODELS = (("iterative",), ("epoll",), ("threads", "--workers", 2), ("reuseport", "--workers", 2), ("batch",), ("uring",))
PATIENCE_S = 60


def leave_the_host():
    """This process, and all that it starts, into a namespace with a loopback."""
    unshare = ctypes.CDLL(None, use_errno=True).unshare
    if unshare(CLONE_NEWNET) != 0 and unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0:
        skip("cannot make a network namespace: " + os.strerror(ctypes.get_errno()))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh14s", b"lo", IFF_UP, b""))


def kernel_udp():
    """What the kernel of this namespace counted, over either family."""
    with open("/proc/net/snmp", encoding="ascii") as file:
        names, values = [line.split()[1:] for line in file if line.startswith("Udp:")]
    counted = dict(zip(names, map(int, values)))
    with open("/proc/net/snmp6", encoding="ascii") as file:
        for line in file:
            name, value = line.split()
            if name.startswith("Udp6"):
                counted[name[4:]] += int(value)
    return counted


def until(condition, what):
    """Waits for something that others do, in bounded time."""
    end = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > end:
            raise AssertionError("not in %d s: %s" % (PATIENCE_S, what))
        time.sleep(0.002)


def is_stopped(pid):
    with open("/proc/%d/stat" % pid, encoding="ascii") as file:
        return file.read().rsplit(")", 1)[1].split()[0] == "T"


class Ends:
    """A server and a load in this namespace, and what each of them counted."""

    def __init__(self, case, sent):
        self.case, self.sent = case, sent
        self.before = kernel_udp()

    def since(self):
        return {name: value - self.before[name] for name, value in kernel_udp().items()}

    def all_sent(self):
        return self.since()["OutDatagrams"] >= self.sent

    def run(self, meanwhile, model, server_words, load_words, host="127.0.0.1"):
        """All at once to a server that is stopped, meanwhile(server pid, load
        pid), and on to the end of both."""
        reader, writer = os.pipe()
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "load.json")
            with serving(model[0], "udp://%s:0" % host, *model[1:], *server_words, "--counters-fd", writer,
                         pass_also=(writer,)) as server:
                os.kill(server.pid, signal.SIGSTOP)
                until(lambda: is_stopped(server.pid), "the server stopped")
                load = subprocess.Popen([LOAD, server.address, "-q", "-o", path, "-n", str(self.sent), "-c", "4",
                                         "-P", str(self.sent // 4), "-w", "0", "--timeout", "300ms", *load_words],
                                        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
                try:
                    meanwhile(server.pid, load.pid)
                    os.kill(server.pid, signal.SIGCONT)
                    _, err = load.communicate(timeout=PATIENCE_S)
                finally:
                    os.kill(server.pid, signal.SIGCONT)
                    if load.poll() is None:
                        load.kill()
                        load.communicate()
                # 4: so slow a machine that no reply came in time
                self.case.assertIn(load.returncode, (0, 4), err)
            os.close(writer)
            with os.fdopen(reader, encoding="ascii") as told:
                self.server = json.load(told)
            with open(path, encoding="utf-8") as file:
                report = check_load_report(json.load(file))
        self.udp, self.verdict = report["udp"], report["verdict"]
        self.client = self.udp["loss_where"]

    def assert_all_accounted_for(self):
        case, server, client, kernel = self.case, self.server, self.client, self.since()
        # Replies to a client that had left: it filters all out at its end,
        # until its sockets are gone.
        late = kernel["InErrors"] - kernel["RcvbufErrors"] + kernel["NoPorts"]
        case.assertEqual(client["sends"], self.sent)
        case.assertEqual(client["sends"], client["client_send"] + server["reads"] + server["socket_drops"])
        case.assertEqual(server["reads"], server["writes"] + server["send_errors"] + server["datagrams_refused"])
        case.assertEqual(server["writes"], client["arrived"] + client["client_buffer"] + late)
        case.assertGreaterEqual(late, self.udp["client_after_end"])
        # The kernel, which counts by itself, has seen the same and no other.
        case.assertEqual(kernel["OutDatagrams"], client["sends"] - client["client_send"] + server["writes"])
        case.assertEqual(kernel["InDatagrams"], server["reads"] + client["arrived"])
        case.assertEqual(kernel["RcvbufErrors"], server["socket_drops"] + client["client_buffer"])


class AtTheServer(unittest.TestCase):
    """The server stands still until everything was sent."""

    def overflow(self, model, *words, host="127.0.0.1"):
        ends = Ends(self, 2000)
        ends.run(lambda server, load: until(ends.all_sent, "all was sent"), model, ("--rcvbuf", "8k"), words, host)
        self.assertGreater(ends.server["socket_drops"], 1000)
        self.assertGreater(ends.client["arrived"], 0)
        return ends

    def test_sent_is_received_and_dropped(self):
        for model in MODELS:
            with self.subTest(model=model[0]):
                self.overflow(model, "--udp-offload", "off").assert_all_accounted_for()

    def test_by_the_other_engine_over_ipv6(self):
        self.overflow(("epoll",), "--udp-offload", "off", "--engine", "epoll",
                      host="[::1]").assert_all_accounted_for()

    def test_blocks_are_known_by_their_numbers(self):
        """The kernel drops a block of many and counts one."""
        ends = Ends(self, 4096)
        ends.run(lambda server, load: until(lambda: ends.since()["InErrors"] > 0, "a block was dropped"),
                 ("gso",), ("--rcvbuf", "8k"), ("--udp-offload", "on"))
        forward = ends.client["sends"] - ends.client["client_send"] - ends.server["reads"]
        back = ends.server["writes"] - ends.client["arrived"]
        self.assertEqual(ends.client["sends"], 4096)
        self.assertEqual(ends.server["reads"], ends.server["writes"])
        self.assertEqual(ends.udp["sent"] - ends.udp["unique"], forward + back)
        self.assertGreater(forward, ends.server["socket_drops"])
        self.assertGreater(ends.server["socket_drops"], 0)


class AtTheClient(unittest.TestCase):
    """The server has room for all, and the load stands still until every reply
    was sent."""

    def test_sent_is_received_and_dropped(self):
        for model in MODELS:
            with self.subTest(model=model[0]):
                ends = Ends(self, 400)  # as many as a default limit of buffers lets the server hold

                def meanwhile(server, load):
                    until(ends.all_sent, "all was sent")
                    os.kill(load, signal.SIGSTOP)
                    try:
                        until(lambda: is_stopped(load), "the load stopped")
                        os.kill(server, signal.SIGCONT)
                        until(lambda: ends.since()["OutDatagrams"] == 800, "all was answered")
                    finally:
                        os.kill(load, signal.SIGCONT)
                ends.run(meanwhile, model, ("--rcvbuf", "208k"), ("--udp-offload", "off", "--rcvbuf", "8k"))
                ends.assert_all_accounted_for()
                self.assertEqual(ends.server["socket_drops"], 0)
                self.assertGreater(ends.client["client_buffer"], 200)
                if ends.verdict["status"] != "invalid":  # no reply in time
                    self.assertEqual(ends.verdict["status"], "generator_bound")
                    self.assertIn("loss", ends.verdict["withdrawn"])
                self.assertGreater(ends.client["arrived"], 0)


if __name__ == "__main__":
    leave_the_host()
    unittest.main(verbosity=2)
