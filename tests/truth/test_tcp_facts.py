"""What the kernel says of TCP connections, and the congestion control that it uses for them."""
import ctypes
import fcntl
import json
import os
import select
import shutil
import struct
import subprocess
import tempfile
import threading
import time
import unittest

from programs import LOAD, SERVE, patient, run, serving
from reports import check_load_report
from test_liars import StreamLiar

KNOWN = ("reno", "cubic", "bbr", "vegas", "westwood", "htcp", "illinois", "scalable", "yeah", "hybla", "nv")


def available(kind="available"):
    with open("/proc/sys/net/ipv4/tcp_%s_congestion_control" % kind) as file:
        return file.read().split()


def default():
    with open("/proc/sys/net/ipv4/tcp_congestion_control") as file:
        return file.read().strip()


class Loads(unittest.TestCase):
    def load(self, address, *options, expect=0, within=()):
        with tempfile.TemporaryDirectory() as folder:
            output = os.path.join(folder, "report.json")
            done = run(*within, LOAD, *patient([address, "-w", "0s", "-q", "-o", output, *options]))
            self.assertEqual(expect, done.returncode, done.stderr)
            with open(output) as file:
                return check_load_report(json.load(file))


class Facts(Loads):
    def test_every_connection_is_asked(self):
        with serving("epoll", "tcp://127.0.0.1:0") as server:
            for options, connections in (((), 3), (("--reconnect-every", 1), 60)):
                for engine in ("epoll", "uring"):
                    with self.subTest(options=options, engine=engine):
                        done = run(LOAD, server.address, "-n", 1, "-w", "0s", "-c", 1, "--engine", engine)
                        if done.returncode == 77:
                            self.skipTest(done.stderr.strip())
                        tcp = self.load(server.address, "-c", 3, "-n", 60, "--engine", engine, *options)["tcp"]
                        self.assertEqual(connections, tcp["connections"])
                        self.assertGreaterEqual(tcp["segments_sent"], 60)
                        self.assertEqual(default(), tcp["congestion_control"])
                        self.assertGreater(tcp["rtt_mean_ns"], 0)
                        self.assertEqual(0, tcp["order_violations"])

    def test_other_transports_have_none(self):
        with serving("iterative", "udp://127.0.0.1:0") as server:
            self.assertIsNone(self.load(server.address, "-c", 1, "-n", 10)["tcp"])
        with tempfile.TemporaryDirectory() as folder, serving("epoll", "unix:%s/socket" % folder) as server:
            self.assertIsNone(self.load(server.address, "-c", 1, "-n", 10)["tcp"])

    def test_replies_out_of_order_are_counted_and_fail_the_run(self):
        held = []

        def swap(request, number):
            if number != 3:
                held.append(request)
                return request if number < 3 else held.pop() + held.pop()
            held[:] = [request]
            return b""

        liar = StreamLiar(64, swap)
        self.addCleanup(liar.close)
        report = self.load(liar.address, "-c", 1, "-n", 10, "-P", 2, "--timeout", "500ms", expect=4)
        self.assertGreater(report["tcp"]["order_violations"], 0)
        self.assertEqual(report["load"]["content_faults"]["sequence"], report["tcp"]["order_violations"])


class Congestion(Loads):
    def test_it_is_pinned_on_both_ends_and_told(self):
        for name in available("allowed"):
            with self.subTest(name=name), serving("epoll", "tcp://127.0.0.1:0", "--tcp-cc", name) as server:
                self.assertIn(" tcp_cc=" + name, server.ready_line)
                report = self.load(server.address, "-c", 2, "-n", 20, "--tcp-cc", name)
                self.assertEqual((name, name), (report["tcp"]["congestion_control"], report["config"]["tcp_cc"]))

    def both(self, name, address="tcp://127.0.0.1:1"):
        for argv in ((SERVE, "--model", "epoll" if address[0] == "t" else "iterative", "--listen", address),
                     (LOAD, address)):
            done = run(*argv, "--tcp-cc", name)
            yield done.returncode, done.stderr.strip().split(": ", 1)[1]

    def test_what_does_not_exist_is_a_bad_word(self):
        for name in ("nonsense", "a-name-that-is-longer-than-any"):
            for said in self.both(name):
                self.assertEqual((2, "--tcp-cc '%s': no such congestion control (available: %s)" % (
                    name, " ".join(available()))), said)

    def test_what_this_kernel_has_not_is_not_possible(self):
        missing = [name for name in KNOWN if name not in available()]
        if not missing:
            self.skipTest("this kernel has all of them")
        for code, told in self.both(missing[-1]):
            if code == 0 or missing[-1] in available():
                self.skipTest("the kernel has loaded %s meanwhile" % missing[-1])
            self.assertEqual((77, "--tcp-cc '%s': not in this kernel (available: %s)" % (
                missing[-1], " ".join(available()))), (code, told))

    def test_datagrams_have_none(self):
        server, load = self.both("cubic", "udp://127.0.0.1:1")
        self.assertEqual((2, "--tcp-cc does not apply to datagrams: they have no connection"), server)
        self.assertEqual((2, "--tcp-cc 'cubic': only TCP has a congestion control"), load)


class Room:
    """A network namespace with one end of a link, whose packets the test moves."""

    def __init__(self, address):
        self.process = subprocess.Popen(["unshare", "--net", "cat"], stdin=subprocess.PIPE)
        self.enter = ["nsenter", "--net=/proc/%d/ns/net" % self.process.pid]
        self.fd = -1
        maker = threading.Thread(target=self.make, args=(address,))
        maker.start()  # a thread is in a namespace by itself
        maker.join()

    def make(self, address):
        here = os.stat("/proc/self/ns/net").st_ino
        while os.stat("/proc/%d/ns/net" % self.process.pid).st_ino == here and self.process.poll() is None:
            time.sleep(0.001)
        with open("/proc/%d/ns/net" % self.process.pid) as space:
            if ctypes.CDLL(None, use_errno=True).setns(space.fileno(), 0x40000000) < 0:
                return
        try:
            fd = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC | os.O_NONBLOCK)
            fcntl.ioctl(fd, 0x400454ca, struct.pack("16sH22x", b"wire", 0x1001))  # TUNSETIFF, IFF_TUN | IFF_NO_PI
        except OSError:
            return
        for line in ("link set lo up", "addr add %s/24 dev wire" % address, "link set dev wire txqueuelen 5000 up"):
            if subprocess.run(["ip", *line.split()], stderr=subprocess.DEVNULL).returncode != 0:
                return
        self.fd = fd

    def close(self):
        if self.fd >= 0:
            os.close(self.fd)
        self.process.stdin.close()
        self.process.wait()


class Link(threading.Thread):
    """Moves packets between two rooms; of TCP segments with data it drops every 25th of those that go there, and lets
    every 10th that comes back be overtaken by the one that follows it."""

    def __init__(self, near, far):
        super().__init__(daemon=True)
        self.near, self.far = near, far
        self.there, self.back = 0, 0
        self.dropped, self.overtaken = 0, 0
        self.held = None
        self.next_back = {}  # by ports: behind the furthest data that came back
        self.ended, self.end = os.pipe()

    @staticmethod
    def segment(packet):
        """((ports), sequence, bytes of data), or None."""
        if packet[0] >> 4 != 4 or packet[9] != 6:
            return None
        head = 4 * (packet[0] & 15)
        ports, sequence = packet[head:head + 4], int.from_bytes(packet[head + 4:head + 8], "big")
        length = int.from_bytes(packet[2:4], "big") - head - 4 * (packet[head + 12] >> 4)
        return (ports, sequence, length) if length > 0 else None

    def release(self):
        if self.held:
            os.write(self.near, self.held[0])
            self.held = None

    def go_there(self, packet):
        data = self.segment(packet)
        self.there += bool(data)
        if data and self.there % 25 == 0:
            self.dropped += 1
        else:
            os.write(self.far, packet)

    def is_new(self, ports, sequence, length):
        """Nothing sent again: that is out of order for nobody."""
        new = (sequence - self.next_back.get(ports, sequence)) % (1 << 32) < 1 << 31
        if new:
            self.next_back[ports] = (sequence + length) % (1 << 32)
        return new

    def come_back(self, packet):
        data = self.segment(packet)
        if data and not self.is_new(*data):
            self.release()
            os.write(self.near, packet)
            return
        self.back += bool(data)
        if self.held and data:
            ports, sequence, length = self.held[1]
            os.write(self.near, packet)
            self.overtaken += data[0] == ports and data[1] == (sequence + length) % (1 << 32)
            self.release()
        elif data and self.back % 10 == 0:
            self.held = (packet, data)
        else:
            self.release()
            os.write(self.near, packet)

    def run(self):
        while True:
            ready, _, _ = select.select([self.near, self.far, self.ended], [], [], 0.02)
            if self.ended in ready:
                return
            if self.near in ready:
                self.go_there(os.read(self.near, 65536))
            if self.far in ready:
                self.come_back(os.read(self.far, 65536))
            if not ready:
                self.release()

    def stop(self):
        os.write(self.end, b"x")
        self.join()
        os.close(self.end)
        os.close(self.ended)


class Lossy(Loads):
    def rooms(self):
        found = []
        if not all(map(shutil.which, ("unshare", "nsenter", "ip"))):
            self.skipTest("unshare, nsenter and ip are wanted (scripts/setup --tests)")
        for address in ("10.77.0.1", "10.77.0.2"):
            room = Room(address)
            self.addCleanup(room.close)
            if room.fd < 0:
                self.skipTest("no network namespace with a TUN device can be made here")
            found.append(room)
        return found

    def test_what_the_path_lost_and_put_out_of_order_is_told_and_the_streams_are_whole(self):
        near, far = self.rooms()
        link = Link(near.fd, far.fd)
        link.start()
        self.addCleanup(link.stop)
        reader, writer = os.pipe()
        self.addCleanup(os.close, reader)
        server = subprocess.Popen([*far.enter, SERVE, "--model", "epoll", "--listen", "tcp://10.77.0.2:7000",
                                   "--ready-fd", str(writer)], pass_fds=[writer], stdout=subprocess.DEVNULL,
                                  stderr=subprocess.DEVNULL)
        os.close(writer)
        try:
            self.assertEqual(b"\n", os.read(reader, 1))
            # 1,000 bytes: replies to several requests do not fit one segment.
            report = self.load("tcp://10.77.0.2:7000", "-c", 2, "-P", 16, "-s", 1000, "-n", 1500, "--timeout", "10s",
                               "--allow-remote", within=near.enter)
        finally:
            server.terminate()
            server.wait()
        tcp = report["tcp"]
        self.assertEqual(1500, report["accounting"]["ok"])
        self.assertEqual(0, tcp["order_violations"])
        self.assertGreater(link.dropped, 10)
        self.assertGreater(link.overtaken, 0)
        self.assertGreaterEqual(tcp["retransmitted"], link.dropped)
        self.assertGreaterEqual(tcp["out_of_order_packets"], link.overtaken)


if __name__ == "__main__":
    unittest.main()
