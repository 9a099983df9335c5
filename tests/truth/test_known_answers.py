"""The generator against servers whose answer is known beforehand."""
import json
import os
import signal
import subprocess
import time
import unittest

from programs import LOAD, SANITIZED, patient, run, serving
from reports import check_load_report


def load_json(*argv, expect=(0,)):
    result = run(LOAD, *patient(argv), "--json")
    assert result.returncode in expect, (result.returncode, result.stderr)
    return check_load_report(json.loads(result.stdout))


def quantile(histogram, q):
    return next(row["value_ns"] for row in histogram["quantiles"] if row["q"] == q)


class Stall(unittest.TestCase):
    """A server stopped for a second: who sees it?"""

    def stalled(self, *argv):
        with serving("epoll", "tcp://127.0.0.1:0") as server:
            process = subprocess.Popen([LOAD, server.address, "-c", "16", "-d", "4s", "-w", "0", "--timeout", "4s",
                                        "--json-stream", "-i", "500ms", *argv], stdout=subprocess.PIPE, text=True)
            with process:
                for line in process.stdout:
                    if json.loads(line).get("completed", 0) > 0:
                        break  # in the middle of the run
                os.kill(server.pid, signal.SIGSTOP)
                time.sleep(1)  # the stall
                os.kill(server.pid, signal.SIGCONT)
                last = process.stdout.readlines()[-1]
            self.assertEqual(process.returncode, 0)
            return check_load_report(json.loads(last)["report"])

    def test_an_open_loop_shows_it_in_the_tail(self):
        report = self.stalled("-r", "5k")
        self.assertEqual(report["load"]["model"], "open")
        self.assertGreaterEqual(quantile(report["latency"]["response"], 0.99), 800_000_000)
        self.assertGreaterEqual(report["latency"]["response"]["max_ns"], 950_000_000)
        self.assertEqual(report["accounting"]["skipped"], 0)

    def test_a_closed_loop_hides_it(self):
        report = self.stalled()
        self.assertEqual(report["load"]["model"], "closed")
        self.assertLess(quantile(report["latency"]["response"], 0.99), 200_000_000)
        self.assertGreaterEqual(report["latency"]["response"]["max_ns"], 950_000_000)


def waited_s(server):
    """How long its threads were ready to run while somebody else had the CPU."""
    total_ns = 0
    for task in os.listdir("/proc/%d/task" % server.pid):
        with open("/proc/%d/task/%s/schedstat" % (server.pid, task), encoding="ascii") as file:
            total_ns += int(file.read().split()[1])
    return total_ns / 1e9


class Delay(unittest.TestCase):
    def test_a_server_that_sleeps_5_ms_reads_5_ms(self):
        contended = []
        for _ in range(3):
            # A pool keeps its threads, so that they can be asked at the end.
            with serving("pool", "tcp://127.0.0.1:0", "--work", "sleep:5ms") as server:
                report = load_json(server.address, "-c", 4, "-r", 50, "-d", "2s", "-w", "100ms")
                waits_s = waited_s(server) + sum(t["waited_ns"] or 0 for t in report["generator"]["threads"]) / 1e9
            p50 = quantile(report["latency"]["service"], 0.5)
            self.assertGreaterEqual(p50, 5_000_000)
            if p50 <= (6_500_000 if SANITIZED else 5_500_000):
                return
            # Of a hundred requests half are late, so they waited for so long together if it was for a CPU.
            contended.append(waits_s > 0.02 or (report["evidence"]["steal_ratio"] or 0) > 0.01)
        if any(contended):
            self.skipTest("others used the CPUs: both ends waited for one, or the hypervisor took it")
        self.fail("p50 is %d ns" % p50)

    def test_200_us_of_spinning_work_read_as_a_capacity_of_5000(self):
        if SANITIZED:
            self.skipTest("a sanitizer's own cost is not known")

        contended = []

        def rate(*work):
            with serving("iterative", "udp://127.0.0.1:0", *work) as server:
                report = load_json(server.address, "-c", 4, "-d", "1s", "-w", "100ms", "--timeout", "300ms")
                contended.append(waited_s(server) > 0.03 or (report["evidence"]["steal_ratio"] or 0) > 0.01)
            return report["throughput"]["requests_per_s"]

        for _ in range(3):
            own_s = 1 / rate()  # what a request costs without the work
            capacity = 1 / (200e-6 + own_s)
            found = rate("--work", "spin:200us")
            self.assertLessEqual(found, 5000 * 1.01)
            if found >= 0.95 * capacity:
                return
        if any(contended):
            self.skipTest("others used the CPUs: the server waited for one, or the hypervisor took it")
        self.fail("%d requests/s, not %d" % (found, capacity))


class Schedule(unittest.TestCase):
    def test_the_schedule_depends_on_the_seed_alone(self):
        seen = set()
        with serving("epoll", "tcp://127.0.0.1:0") as server:
            for engine in ("uring", "epoll"):
                for threads in (1, 2, 3):
                    report = load_json(server.address, "-c", 7, "-t", threads, "--engine", engine, "-r", "2k", "-d",
                                       "500ms", "-w", "100ms", "--seed", 5)
                    seen.add((report["accounting"]["scheduled"], report["accounting"]["ok"]))
        self.assertEqual(len(seen), 1, seen)
        scheduled, answered = seen.pop()
        self.assertEqual(scheduled, answered)
        self.assertAlmostEqual(scheduled, 1000, delta=4 * 1000 ** 0.5)

    def test_constant_and_burst_schedules_hold_exactly_what_they_say(self):
        with serving("iterative", "udp://127.0.0.1:0") as server:
            for how in ("constant", "burst:10"):
                report = load_json(server.address, "-c", 5, "-r", "1k", "-d", "500ms", "-w", 0, "--arrival", how,
                                   "--timeout", "300ms")
                self.assertEqual(report["accounting"]["scheduled"], 500)
                self.assertIsNone(report["load"]["arrival"]["kolmogorov_smirnov"])

    def test_generated_gaps_pass_their_test(self):
        with serving("epoll", "tcp://127.0.0.1:0") as server:
            report = load_json(server.address, "-c", 4, "-r", "1k", "-d", "200ms", "-w", 0)
        self.assertTrue(report["load"]["arrival"]["kolmogorov_smirnov"]["passed"])

    def test_more_than_the_server_can_do_is_server_bound(self):
        with serving("iterative", "udp://127.0.0.1:0", "--work", "sleep:5ms") as server:
            report = load_json(server.address, "-c", 4, "-r", "1k", "-d", "1s", "-w", 0, "--timeout", "300ms")
        # On a busy machine there may be worse to say besides.
        self.assertIn(report["verdict"]["status"], ("server_bound", "unstable", "generator_bound"))
        self.assertTrue(any("were answered in time" in reason for reason in report["verdict"]["reasons"]),
                        report["verdict"])
        self.assertLess(report["load"]["achieved_per_s"], 0.5 * report["load"]["offered_per_s"])

    def test_what_does_not_fit_is_skipped_and_counted(self):
        with serving("iterative", "udp://127.0.0.1:0", "--work", "sleep:5ms") as server:
            report = load_json(server.address, "-c", 4, "-r", "2k", "-d", "500ms", "-w", 0, "--timeout", "300ms",
                               "--max-inflight", 10)
        self.assertGreater(report["accounting"]["skipped"], 0)
        self.assertAlmostEqual(report["accounting"]["scheduled"], 1000, delta=130)

    def test_words_that_do_not_go_together(self):
        for words, says in ((("-r", "1k", "-P", "2"), "--pipeline"), (("-r", "1k", "--reconnect-every", "1"), "stay"),
                            (("-r", "1k", "--rate-per-conn", "5"), "one of the two"),
                            (("-r", "1k", "--arrival", "never"), "poisson")):
            result = run(LOAD, "tcp://127.0.0.1:9", *words)
            self.assertEqual(result.returncode, 2, result.stderr)
            self.assertIn(says, result.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
