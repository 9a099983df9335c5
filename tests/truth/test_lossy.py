"""Datagrams through a server that loses, repeats, delays and reorders them: the
report says of each flow what that server knows to be true."""
import bisect
import collections
import contextlib
import json
import os
import signal
import subprocess
import tempfile
import unittest

from programs import BIN, LOAD, SANITIZED, run
from reports import check_load_report

LOSSY = os.path.join(BIN, "../tests/lossy_server")
TIMEOUT_MS = 150
LATE_MS = 210
WINDOW_MS = 300
TRIES = 3
GMIN = 16


class Disturbed(Exception):
    """The machine, and not the server, decided what arrived when."""


class Truth:
    """What the server wrote down."""

    def __init__(self, path):
        self.received, self.sent, self.ages_ns = {}, {}, []
        self.strays, self.bare_drops, self.socket_drops = 0, 0, 0
        with open(path, encoding="ascii") as file:
            for line in file:
                what, flow, number, held_ns = line.split()
                if what == "received":
                    self.received.setdefault(int(flow), []).append(int(number))
                    self.ages_ns.append(int(held_ns))
                elif what == "sent":
                    self.sent.setdefault(int(flow), []).append((int(number), int(held_ns)))
                elif what == "stray":
                    self.strays += 1
                elif what == "dropped_bare":
                    self.bare_drops += 1
                else:
                    self.socket_drops = int(flow)


@contextlib.contextmanager
def lossy(**rules):
    """(address, truth after the with block in a list)."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "truth")
        words = ["%s=%s" % rule for rule in rules.items()]
        process = subprocess.Popen([LOSSY, *words, "truth=" + path], stdout=subprocess.PIPE, text=True)
        truths = []
        try:
            yield process.stdout.readline().strip(), truths
        finally:
            process.send_signal(signal.SIGTERM)
            code = process.wait(30)
            process.stdout.close()
        assert code == 0, "the lossy server ended with %d" % code
        truths.append(Truth(path))


def runs_of(numbers):
    """Lengths of the maximal runs of consecutive numbers."""
    lengths, last = [], None
    for number in numbers:
        if last is not None and number == last + 1:
            lengths[-1] += 1
        else:
            lengths.append(1)
        last = number
    return lengths


def bursts_of(lost):
    """(lengths of the bursts, losses alone)."""
    groups = []
    for number in lost:
        if groups and number - groups[-1][-1] - 1 < GMIN:
            groups[-1].append(number)
        else:
            groups.append([number])
    return [g[-1] - g[0] + 1 for g in groups if len(g) > 1], sum(len(g) == 1 for g in groups)


def order_of(arrivals):
    """Of first copies in order of arrival: reordering by RFC 4737, from its
    definitions; the first arrival with a greater number is found among the
    greatest so far."""
    greatest, extents, degrees, free, jumps = [], [], [], [0], []
    for i, number in enumerate(arrivals):
        expected = greatest[-1] + 1 if greatest else 0
        if number >= expected:
            if number > expected:
                jumps.append(number - expected)
            free[-1] += 1
        else:
            extents.append(i - bisect.bisect_right(greatest, number))
            n = 0
            while n < min(i, 32) and arrivals[i - 1 - n] > number:
                n += 1
            degrees.append(n)
            free.append(0)
        greatest.append(max(number, expected - 1))
    return extents, degrees, free if arrivals else [], jumps


def expected_of(sent, answers):
    """What must be said of a flow that sent so many and was answered so."""
    copies, first, late = {}, [], set()
    for number, held_ns in answers:
        copies[number] = copies.get(number, 0) + 1
        if copies[number] == 1:
            first.append(number)
            if TIMEOUT_MS * 0.75e6 < held_ns < TIMEOUT_MS * 1.25e6:
                raise Disturbed("an answer was held back for about the timeout")
            if held_ns > TIMEOUT_MS * 1e6:
                late.add(number)
    missing = [n for n in range(sent) if n not in copies or n in late]
    extents, degrees, free, jumps = order_of(first)
    runs, (bursts, alone) = runs_of(missing), bursts_of(missing)
    row = {
        "sent": sent, "unique": len(first), "lost": sent - len(first), "late": len(late),
        "duplicate": sum(copies.values()) - len(first), "ancient": 0,
        "loss_runs": len(runs), "longest_loss_run": max(runs, default=0), "loss_bursts": len(bursts),
        "reordered": len(extents), "extent_sum": sum(extents), "extent_max": max(extents, default=0),
        "n_reordering_max": max(degrees, default=0), "discontinuities": len(jumps), "passed_over": sum(jumps),
    }
    lengths = {
        ("copies",): [min(c, 7) for c in copies.values()],
        ("loss_patterns", "runs"): runs, ("loss_patterns", "bursts"): bursts,
        ("loss_patterns", "distances"): [b - a for a, b in zip(missing, missing[1:])],
        ("reordering", "extents"): extents, ("reordering", "n_reordering"): degrees,
        ("reordering", "free_runs"): free,
    }
    return row, lengths, alone


def bucket_of(length):
    return length if length < 64 else 1 << length.bit_length() - 1


def histogram_of(lengths):
    counts = {}
    for length in lengths:
        counts[bucket_of(length)] = counts.get(bucket_of(length), 0) + 1
    return counts


class Lossy(unittest.TestCase):
    def compare(self, report, truth):
        """Raises Disturbed where the kernel dropped, or took its time."""
        udp = report["udp"]
        if truth.socket_drops or udp["client_drops"]:
            raise Disturbed("the kernel dropped %d and %d" % (truth.socket_drops, udp["client_drops"]))
        stood_still_ns = max(truth.ages_ns) - min(truth.ages_ns)
        if stood_still_ns > TIMEOUT_MS * 0.25e6:
            raise Disturbed("the server stood still for %d ms" % (stood_still_ns / 1e6))
        totals, alone = {}, 0
        for row in udp["per_flow"]:
            flow = row["flow"]
            # The way there is loopback, and nothing was dropped on it.
            self.assertEqual(sorted(truth.received.get(flow, [])), list(range(row["sent"])))
            expected, lengths, alone_here = expected_of(row["sent"], truth.sent.get(flow, []))
            got = {key: row[key] for key in expected}
            if got != expected and got["late"] > expected["late"]:
                raise Disturbed("flow %d: %d late, not %d" % (flow, got["late"], expected["late"]))
            self.assertEqual(got, expected, "flow %d" % flow)
            alone += alone_here
            for path, values in lengths.items():
                totals.setdefault(path, []).extend(values)
        for path, values in totals.items():
            at = udp
            for key in path:
                at = at[key]
            self.assertEqual({r["from"]: r["count"] for r in at["histogram"]}, histogram_of(values), path)
            self.assertEqual((at["count"], at["max"]), (len(values), max(values, default=None)), path)
            if values:
                self.assertAlmostEqual(at["mean"], sum(values) / len(values), 6)
        self.assertEqual(udp["loss_patterns"]["alone"], alone)
        self.assertEqual(udp["foreign"], truth.strays)
        for key in ("corrupt", "ancient", "client_after_end"):
            self.assertEqual(udp[key], 0, key)
        for key in ("sent", "unique", "lost", "late", "duplicate", "reordered"):
            self.assertEqual(udp[key], sum(row[key] for row in udp["per_flow"]), key)
        self.assertEqual((udp["reordering"]["extents_beyond"], udp["reordering"]["gaps_forgotten"]), (0, 0))

    def measured(self, rules, words, runs=1):
        """The last report of `runs` against one server, and the truth."""
        with lossy(**rules) as (address, truths):
            for _ in range(runs):
                result = run(LOAD, address, "--service", "echo", "--timeout", "%dms" % TIMEOUT_MS, "--path", "link",
                             "--rcvbuf", "4M", "--json", *words)
                self.assertEqual(result.returncode, 0, result.stderr)
        return check_load_report(json.loads(result.stdout)), truths[0]

    def agrees(self, rules, words):
        for left in reversed(range(TRIES)):
            try:
                report, truth = self.measured(rules, [*words, "--per-flow"])
                self.compare(report, truth)
                return report["udp"]
            except Disturbed as reason:
                if left == 0:
                    self.skipTest("%d times disturbed, last: %s" % (TRIES, reason))
        return None

    def test_open_loop_report_is_truth_for_every_seed(self):
        shapes = [(1, 20000), (100, 20000), (10, 2000), (3, 500), (30, 10000), (1, 1000), (64, 5000), (2, 20000)]
        seen = collections.Counter()
        for seed in range(1, 4 if SANITIZED else 17):
            flows, rate = shapes[seed % len(shapes)]
            rate = min(rate, 2000) if SANITIZED else rate
            rules = {"seed": seed, "drop": seed * 37 % 200, "again": seed * 53 % 150, "hold": seed * 71 % 120,
                     "late": seed % 3 * 10, "late_ms": LATE_MS, "late_below": rate * WINDOW_MS // 2000 // flows}
            with self.subTest(seed=seed, flows=flows, rate=rate):
                udp = self.agrees(rules, ("-c", flows, "-t", min(flows, 1 + seed // 2 % 2), "-r", rate,
                                          "-d", "%dms" % WINDOW_MS, "-w", "20ms", "--seed", seed,
                                          "--engine", ("uring", "epoll")[seed % 2]))
                seen.update({key: udp[key] for key in ("lost", "late", "duplicate", "reordered")})
        self.assertEqual([key for key, count in seen.items() if count == 0], [])

    def test_closed_loop_report_is_truth(self):
        for seed, (flows, depth, words) in enumerate(
                ((20, 16, ()), (1, 64, ("--udp-offload", "off")), (100, 4, ()), (5, 16, ("-s", 24))), 17):
            if SANITIZED and seed > 18:
                break
            rules = {"seed": seed, "drop": 20, "again": 50, "hold": 50, "late": 10, "late_ms": LATE_MS,
                     "late_below": 2000 // flows // 4}
            with self.subTest(seed=seed, flows=flows, depth=depth):
                self.agrees(rules, ("-c", flows, "-P", depth, "-n", 2000, "-w", 0, "--seed", seed, *words))

    def test_equal_loss_and_duplication_do_not_cancel(self):
        udp = self.agrees({"seed": 5, "drop": 100, "again": 100}, ("-c", 2, "-r", 4000, "-d", "400ms", "-w", 0))
        self.assertGreater(udp["lost"], 0)
        self.assertGreater(udp["duplicate"], 0)

    def test_a_server_that_is_always_late_is_not_silent(self):
        """What comes after the timeout keeps the run from being given up."""
        with lossy(seed=1, late=1000, late_below=10000, late_ms=200) as (address, _):
            result = run(LOAD, address, "--service", "echo", "-c", 1, "-r", 100, "-d", "1600ms", "-w", 0, "--timeout",
                         "100ms", "--json")
        self.assertEqual(result.returncode, 4, result.stderr)
        report = check_load_report(json.loads(result.stdout))
        self.assertEqual((report["run"]["complete"], report["accounting"]["ok"]), (True, 0))
        self.assertGreater(report["udp"]["late"], 0)

    def test_strays_of_an_earlier_run_are_foreign(self):
        for left in reversed(range(TRIES)):
            report, truth = self.measured({"seed": 1, "stray": 50}, ("-c", 1, "-n", 500, "-w", 0), runs=2)
            if not truth.socket_drops and not report["udp"]["client_drops"]:
                break
        self.assertEqual(truth.strays, 10)
        self.assertEqual((report["udp"]["foreign"], report["udp"]["lost"], report["udp"]["duplicate"]), (10, 0, 0))

    def test_empty_datagrams_are_counted(self):
        report, truth = self.measured({"seed": 1, "drop": 100}, ("-c", 2, "-n", 60, "-w", 0, "-s", 0))
        udp = report["udp"]
        self.assertEqual(udp["loss_known_by"], "count")
        self.assertGreater(truth.bare_drops, 0)
        self.assertEqual((udp["sent"], udp["lost"]), (60, truth.bare_drops))
        for key in ("late", "reordered", "loss_patterns", "reordering", "jitter_rtt", "per_flow"):
            self.assertIsNone(udp[key], key)

    def test_the_largest_datagrams(self):
        udp = self.agrees({"seed": 2, "drop": 100, "again": 100, "hold": 100},
                          ("-c", 2, "-P", 2, "-n", 100, "-w", 0, "-s", 65507))
        self.assertGreater(udp["unique"], 0)


class Verdicts(unittest.TestCase):
    def ended(self, rules, *words):
        with lossy(seed=3, **rules) as (address, _):
            return run(LOAD, address, "--service", "echo", "--timeout", "100ms", "-c", 2, "-P", 4, "-n", 200, "-w", 0,
                       *words)

    def test_duplicates_are_a_measurement_behind_a_link_alone(self):
        direct = self.ended({"again": 100})
        self.assertEqual(direct.returncode, 4)
        self.assertIn("duplicate replies", direct.stderr)
        self.assertEqual(self.ended({"again": 100}, "--path", "link").returncode, 0)

    def test_loss_may_be_limited(self):
        self.assertEqual(self.ended({"drop": 100}).returncode, 0)
        self.assertEqual(self.ended({"drop": 100}, "--max-loss", "0.5").returncode, 0)
        limited = self.ended({"drop": 100}, "--max-loss", "0.01")
        self.assertEqual(limited.returncode, 4)
        self.assertIn("--max-loss 0.01", limited.stderr)
        self.assertEqual(self.ended({}, "--max-loss", "0").returncode, 0)

    def test_what_makes_no_sense_is_refused(self):
        for words, says in ((("tcp://127.0.0.1:1", "--max-loss", "0.1"), "--max-loss: streams lose nothing"),
                            (("tcp://127.0.0.1:1", "--per-flow"), "--per-flow: streams lose nothing"),
                            (("udp://127.0.0.1:1", "--per-flow", "-s", "10"), "carries no number"),
                            (("udp://127.0.0.1:1", "--one-way", "--max-loss", "0"), "without --server-trace"),
                            (("udp://127.0.0.1:1", "--max-loss", "2"), "the most is 1"),
                            (("udp://127.0.0.1:1", "--max-loss", "few"), "a ratio such as 0.01"),
                            (("udp://127.0.0.1:1", "--path", "tunnel"), "direct|link")):
            with self.subTest(words=words):
                result = run(LOAD, *words)
                self.assertEqual((result.returncode, result.stderr.count("\n")), (2, 1), result.stderr)
                self.assertIn(says, result.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
