"""What the kernel says of TCP connections, and the congestion control that it uses for them."""
import json
import os
import tempfile
import unittest

from programs import LOAD, SERVE, run, serving
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
    def load(self, address, *options, expect=0):
        with tempfile.TemporaryDirectory() as folder:
            output = os.path.join(folder, "report.json")
            done = run(LOAD, address, "-w", "0s", "-q", "-o", output, *options)
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
        for said in self.both("cubic", "udp://127.0.0.1:1"):
            self.assertEqual((2, "--tcp-cc 'cubic': only TCP has a congestion control"), said)


if __name__ == "__main__":
    unittest.main()
