"""sockbench find: what it finds, what it refuses, what it leaves behind.

Where the real generator would only be slow, a fake one decides: it holds up to
a rate, and says what a real one would say beyond.
"""
import functools
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
import unittest
import warnings

import programs

warnings.simplefilter("ignore", DeprecationWarning)
import jsonschema  # noqa: E402  (Debian's, beside /usr/bin/python3)

HERE = os.path.dirname(os.path.abspath(__file__))
SUPPORT = os.path.join(HERE, "../support")
SCHEMAS = os.path.join(HERE, "../../results/schema")
ECHO = os.path.join(SUPPORT, "echo_server.py")
PATIENCE_S = 60  # for what must happen; only a failure waits so long
SMALL = ("-c", 4, "--step-duration", "100ms", "--warmup", "20ms")


@functools.lru_cache(maxsize=None)
def validator(load):
    schemas = {}
    for name in ("find", "load"):
        with open(os.path.join(SCHEMAS, name + ".schema.json")) as file:
            schemas[name + ".schema.json"] = json.load(file)
    schema = schemas["find.schema.json"]
    jsonschema.Draft202012Validator.check_schema(schema)
    if not load:
        schemas["load.schema.json"] = {"type": "object"}
    resolver = jsonschema.RefResolver.from_schema(schema, store=schemas)
    return jsonschema.Draft202012Validator(schema, resolver=resolver)


def schema_errors(report, load=True):
    """load: the steps hold real load reports."""
    return ["%s: %s" % (list(e.path), e.message[:300]) for e in validator(load).iter_errors(report)]


class Case(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder)
        self.out = os.path.join(self.folder, "out")
        self.bench = programs.BENCH

    def fake(self, **plan):
        """From here on the generator is the fake one."""
        beside = os.path.join(self.folder, "bin")
        os.mkdir(beside)
        for program in (programs.BENCH, programs.SERVE):
            shutil.copy(program, beside)
        target = os.path.join(beside, "sockbench-load")
        shutil.copy(os.path.join(SUPPORT, "fake_open_load.py"), target)
        os.chmod(target, 0o755)
        with open(os.path.join(beside, "fake.json"), "w") as file:
            json.dump(plan, file)
        self.bench = os.path.join(beside, "sockbench")
        self.hanging = os.path.join(beside, "hanging")
        self.log = os.path.join(beside, "loads.log")

    def find(self, *words, code=0, **options):
        done = programs.run(self.bench, "find", *words, "-o", self.out, timeout=200, **options)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done

    def searched(self, *words, code=0):
        """With the fake load: (report, what was printed), the report valid."""
        done = self.find("--slo", "p99<1ms", "--model", "epoll", "--step-duration", "2s", *words, code=code)
        report = self.report()
        self.assertEqual(schema_errors(report, load=False), [])
        return report, re.sub(r"\s+", " ", done.stdout)

    def report(self):
        with open(os.path.join(self.out, "report.json")) as file:
            return json.load(file)

    def checked(self, load=False):
        report = self.report()
        self.assertEqual(schema_errors(report, load=load), [])
        return report

    def loads(self):
        with open(self.log) as file:
            return [json.loads(line) for line in file]


class Answers(Case):
    """A load that is known."""

    def check_curve(self, report):
        curve = report["curve"]
        self.assertEqual([s["rate_per_s"] for s in curve], sorted(s["rate_per_s"] for s in curve))
        self.assertEqual(sorted(s["step"] for s in curve), list(range(1, len(curve) + 1)))
        self.assertEqual(report["result"]["steps"], len(curve))

    def test_a_knee_is_found_measured_again_and_said(self):
        self.fake(capacity=50000)
        report, out = self.searched()
        result = report["result"]
        self.check_curve(report)
        self.assertEqual((result["status"], result["bound"]), ("found", None))
        self.assertLessEqual(result["holds_per_s"], 50000)
        self.assertGreater(result["beyond_per_s"], 50000)
        self.assertLessEqual(result["beyond_per_s"], 1.05 * result["holds_per_s"])
        self.assertEqual(result["remeasured"], {"tried": 3, "held": 3})
        again = [s for s in report["curve"] if s["phase"] == "confirm"]
        self.assertEqual([s["rate_per_s"] for s in again], [result["holds_per_s"]] * 3)
        self.assertEqual({s["outcome"] for s in report["curve"] if s["rate_per_s"] <= 50000}, {"held"})
        beyond = [s for s in report["curve"] if s["rate_per_s"] > 50000]
        self.assertEqual({(s["outcome"], s["broken_clause"], s["reason"]) for s in beyond},
                         {("broke", "p99 < 1 ms", "p99 was 2.40 ms")})
        self.assertTrue(report["run"]["complete"])
        sentence = "epoll holds {:,.0f}/s with p99 < 1 ms (re-measured 3 of 3); at {:,.0f}/s p99 was 2.40 ms".format(
            result["holds_per_s"], result["beyond_per_s"])
        self.assertEqual(result["sentence"], sentence)
        self.assertTrue(out.endswith(sentence + " "), out)
        self.assertIn("From 1,000/s to 1,000,000/s in at most 40 steps", out)

    def test_each_step_has_a_server_and_a_seed_of_its_own(self):
        self.fake(capacity=3000)
        report, _ = self.searched("--seed", 7, "--to", "8k", "--precision", "0.2", "-s", "uniform:64,128")
        words = self.loads()
        self.assertEqual(len(words), len(report["curve"]))
        self.assertEqual(len({w[0] for w in words}), len(words), "a port for each: they cannot be one server")
        self.assertEqual([w[w.index("--seed") + 1] for w in words], [str(7 + i) for i in range(len(words))])
        for w in words:
            for pair in (["--connections", "64"], ["--size", "uniform:64,128"], ["--arrival", "poisson"], ["--duration", "2000000000ns"]):
                at = w.index(pair[0])
                self.assertEqual(w[at:at + 2], pair)

    def test_the_rows_have_one_point_a_rate(self):
        self.fake(capacity=3000)
        report, _ = self.searched("--to", "8k")
        with open(os.path.join(self.out, "rows.json")) as file:
            rows = json.load(file)
        self.assertEqual([r["offered_per_s"] for r in rows], sorted({s["rate_per_s"] for s in report["curve"]}))
        for row in rows:
            self.assertEqual(row["slo_p99_ns"], 1e6)
            self.assertEqual(row["outcome"], "held" if row["offered_per_s"] <= 3000 else "broke")

    def test_where_the_generator_is_the_limit_it_is_a_lower_bound(self):
        self.fake(capacity=1e9, generator=50000)
        report, out = self.searched("--from", "16k")
        result = report["result"]
        self.assertEqual((result["status"], result["bound"]), ("lower_bound", "generator"))
        self.assertLessEqual(result["holds_per_s"], 50000)
        self.assertRegex(out, r"epoll holds at least [\d,]+/s with p99 < 1 ms \(re-measured 3 of 3\); at [\d,]+/s the "
                              r"generator was the limit: sends were late $")
        self.assertEqual({s["outcome"] for s in report["curve"] if s["rate_per_s"] > 50000}, {"generator_limited"})

    def test_all_that_was_asked_for_held(self):
        self.fake(capacity=1e9)
        report, out = self.searched("--to", "5k")
        self.assertEqual((report["result"]["status"], report["result"]["bound"]), ("lower_bound", "to"))
        self.assertEqual(report["result"]["holds_per_s"], 5000)
        self.assertIn("epoll holds at least 5,000/s", out)
        self.assertIn("more was not asked for (--to)", out)

    def test_not_even_the_lowest_is_4(self):
        self.fake(capacity=10)
        report, out = self.searched(code=4)
        self.assertEqual(report["result"]["status"], "not_found")
        self.assertIsNone(report["result"]["holds_per_s"])
        self.assertIn("epoll does not even hold 1,000/s with p99 < 1 ms: p99 was 2.40 ms", out)

    def test_a_generator_that_is_late_at_once_is_4(self):
        self.fake(capacity=1e9, generator=10)
        report, out = self.searched(code=4)
        self.assertEqual((report["result"]["status"], report["result"]["bound"]), ("inconclusive", "generator"))
        self.assertIn("Nothing follows about epoll: at 1,000/s the generator was the limit", out)

    def test_steps_are_bounded(self):
        self.fake(capacity=1e9)
        report, out = self.searched("--max-steps", 6)
        self.assertEqual(len(report["curve"]), 6)
        self.assertEqual((report["result"]["status"], report["result"]["bound"]), ("lower_bound", "max_steps"))
        self.assertIn("--max-steps ended the search", out)

    def test_an_invalid_measurement_does_not_hold(self):
        self.fake(capacity=1e9, invalid=3000)
        report, out = self.searched("--to", "10k")
        self.assertEqual(report["result"]["status"], "found")
        self.assertLessEqual(report["result"]["holds_per_s"], 3000)
        self.assertIn("wrong bytes", out)

    def test_a_server_that_dies_of_a_rate_is_told_from_one_that_never_ran(self):
        self.fake(capacity=1e9)
        mortal = "/usr/bin/python3 %s {host} {port} --words 'no more of this' --exit 3" % ECHO
        done = programs.run(self.bench, "find", "--slo", "p99<1ms", "--command", mortal, "-o", self.out)
        self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
        self.assertIn("the server ended before it was ready: exit code 3: no more of this", done.stderr)
        self.assertEqual(len(done.stderr.splitlines()), 1)
        report = self.report()
        self.assertEqual(schema_errors(report), [])
        self.assertFalse(report["run"]["complete"])
        self.assertIn("no more of this", report["run"]["reason"])
        self.assertEqual(report["curve"], [])

    def test_an_interrupt_keeps_what_was_measured(self):
        for number, code in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
            with self.subTest(signal=number):
                self.setUp()
                self.fake(capacity=1e9, hang_at=3)
                process = subprocess.Popen([self.bench, "find", "--slo", "p99<1ms", "--model", "epoll", "-o", self.out],
                                           stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                           text=True)
                self.addCleanup(lambda p=process: p.poll() is None and p.kill())
                deadline = time.monotonic() + PATIENCE_S
                while not os.path.exists(self.hanging):
                    self.assertLess(time.monotonic(), deadline, "no load hangs")
                    time.sleep(0.01)
                process.send_signal(number)
                out, err = process.communicate(timeout=PATIENCE_S)
                self.assertEqual(process.returncode, code, err)
                report = self.report()
                self.assertEqual(schema_errors(report, load=False), [])
                self.assertEqual(len(report["curve"]), 2)
                self.assertEqual(report["result"]["status"], "interrupted")
                self.assertEqual((report["run"]["complete"], report["run"]["reason"]),
                                 (False, "interrupted (%s)" % number.name))
                self.assertIn("Interrupted", out)


class Real(Case):
    """Real servers, the real generator."""

    def checked(self, load=True):
        return super().checked(load)

    def test_a_server_that_sleeps_has_a_capacity_that_is_known(self):
        """10 ms a datagram, one at a time: not quite 100 a second."""
        for attempt in range(3):
            self.out = os.path.join(self.folder, "out%d" % attempt)
            programs.run(self.bench, "find", "--slo", "p50<200ms", "--model", "iterative", "--listen",
                         "udp://127.0.0.1:0", "--server-options", "--work sleep:10ms", "--arrival", "constant", "-c",
                         2, "--from", 55, "--to", 200, "--confirm", 1, "--step-duration", "600ms", "--warmup",
                         "100ms", "--precision", "20%", "--timeout", "300ms", "-o", self.out)
            result = self.checked()["result"]
            if 55 <= (result["holds_per_s"] or 0) <= 100:
                return
            self.assertLessEqual(result["holds_per_s"] or 0, 100, result["sentence"])
        if result["bound"] == "generator":
            self.skipTest("others used the CPUs: " + result["sentence"])
        self.fail(result["sentence"])

    @unittest.skipIf(programs.SANITIZED, "a capacity in CPU time is that of a release build")
    def test_a_server_that_computes_has_a_capacity_that_is_known(self):
        """200 us of a CPU a datagram: 5,000 a second, where it has that CPU."""
        had = []
        for attempt in range(3):
            self.out = os.path.join(self.folder, "out%d" % attempt)
            programs.run(self.bench, "find", "--slo", "p99<200ms", "--model", "iterative", "--listen",
                         "udp://127.0.0.1:0", "--server-options", "--work spin:200us", "-c", 4, "--from", 3500, "--to",
                         12000, "--confirm", 1, "--step-duration", "600ms", "--warmup", "200ms", "--precision", "20%",
                         "--timeout", "300ms", "-o", self.out)
            report = self.checked()
            result = report["result"]
            if 3500 <= (result["holds_per_s"] or 0) <= 5000:
                return
            self.assertLessEqual(result["holds_per_s"] or 0, 5000, result["sentence"])
            had.append(min(self.cpu_share(s["report"]) for s in report["curve"] if s["outcome"] != "held"))
        if min(had) < 0.95:
            self.skipTest("others used the CPUs: the server had %.2f of one" % min(had))
        self.fail(result["sentence"])

    def cpu_share(self, report):
        """Of one CPU, while the load ran."""
        server = report["server"]
        if not report["generator"]["requests_total"]:
            return 0  # and nothing is known of a request's share
        used = server["cpu_ns_per_request"] * report["generator"]["requests_total"]
        return used / (report["window"]["warmup_ns"] + report["window"]["length_ns"])

    def test_words_that_the_load_does_not_take_are_2(self):
        done = self.find("--slo", "p50<1s", "--model", "epoll", "-s", "0", *SMALL, "--from", 500, code=2)
        self.assertIn("a stream carries no empty requests", done.stderr)
        self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)

    def test_nobody_there_is_1(self):
        done = self.find("--slo", "p50<1s", "tcp://127.0.0.1:1", *SMALL, code=1)
        self.assertIn("connection refused", done.stderr)
        self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
        self.assertEqual(self.checked()["curve"], [])


class Targets(Case):
    """Whose servers it can ask; how fast they are is not the question here, so the fake generator says it."""

    def test_a_server_that_runs_already_is_left_running(self):
        self.fake(capacity=1e9)
        with programs.serving("epoll", "tcp://127.0.0.1:0") as server:
            done = self.find("--slo", "p50<1s,errors<0.1", server.address, "--from", 500, "--to", 500, "--confirm", 1,
                             *SMALL)
            report = self.checked()
            self.assertIsNone(server.process.poll())
        self.assertEqual((report["server"]["address"], report["server"]["model"]), (server.address, None))
        self.assertEqual(report["layout"], {"name": "free", "server_cpus": None, "generator_cpus": None, "apart": None})
        self.assertIn("%s holds at least 500/s with p50 < 1 s and errors < 0.1" % server.address, done.stdout)
        self.assertEqual([words[0] for words in self.loads()], [server.address] * 2)

    def test_a_command_is_a_server_like_others(self):
        self.fake(capacity=1e9)
        words = "/usr/bin/python3 '%s' {host} {port}" % ECHO
        host, family = ("[::1]", "ipv6") if programs.IPV6 else ("127.0.0.1", "ipv4")
        self.find("--slo", "p50<1s", "--command", words, "--listen", "tcp://%s:0" % host, "--from", 300, "--to", 600,
                  "--confirm", 1, *SMALL)
        report = self.checked()
        self.assertEqual(report["server"]["command"], ["/usr/bin/python3", ECHO, "{host}", "{port}"])
        self.assertEqual((report["server"]["name"], report["server"]["family"]), ("python3", family))
        self.assertEqual(report["result"]["holds_per_s"], 600)
        self.assertEqual({words[0].rpartition(":")[0] for words in self.loads()}, {"tcp://" + host})


class Words(Case):
    def refused(self, *words, says, code=2):
        done = programs.run(self.bench, "find", *words, "-o", self.out)
        self.assertEqual(done.returncode, code, done.stderr)
        self.assertEqual((len(done.stderr.splitlines()), done.stdout), (1, ""), done.stderr)
        self.assertIn(says, done.stderr)
        self.assertFalse(os.path.exists(self.out), "nothing was run")

    def test_bad_words_are_told_in_one_line(self):
        model = ("--slo", "p99<1ms", "--model", "epoll")
        for words, says in (
                (("--model", "epoll"), "--slo"),
                (("--slo", "p99<1ms"), "which server?"),
                (("--slo", "p99", "--model", "epoll"), "--slo 'p99': 'p99' is no clause"),
                (("--slo", "p99>1ms", "--model", "epoll"), "is no clause"),
                (("--slo", "p99<fast", "--model", "epoll"), "'fast' is not a limit for p99"),
                (("--slo", "p99<1ms,", "--model", "epoll"), "is no clause"),
                (("--slo", "p77<1ms", "--model", "epoll"), "unknown quantity 'p77': one of p50"),
                (("--slo", "p9<1ms", "--model", "epoll"), "unknown quantity 'p9' (did you mean 'p9"),
                (("--slo", "loss<0.1", "--model", "epoll"), "loss is for datagrams"),
                (("--slo", "loss<3", "--model", "epoll"), "a ratio"),
                (("--slo", "p99.9<1ms", "--model", "epoll"), "2000 requests a step, and its percentile wants 12000"),
                (("--slo", "p99<1ms", "--model", "epol"), "no such model on tcp (did you mean 'epoll'?)"),
                (model + ("tcp://127.0.0.1:7000",), "one of the three"),
                (model + ("--command", "x {port}"), "one of the three"),
                (("--slo", "p99<1ms", "--command", "x"), "no {port} and no {address}"),
                (("--slo", "p99<1ms", "--command", "x '{port}"), "a quote is not closed"),
                (("--slo", "p99<1ms", "--command", "x {port}", "--server-options", "--workers 2"), "only a --model"),
                (("--slo", "p99<1ms", "tcp:/nowhere"), "cannot load 'tcp:/nowhere'"),
                (("--slo", "p99<1ms", "tcp://127.0.0.1:1", "tcp://127.0.0.1:2"), "one too many"),
                (model + ("--listen", "tcp://127.0.0.1:7000"), "port 0"),
                (model + ("--listen", "unix:/x"), "port 0"),
                (model + ("--from", "2k", "--to", "1k"), "upwards"),
                (model + ("--precision", "2"), "--precision"),
                (model + ("--max-steps", "3"), "--max-steps 3"),
                (model + ("--service", "discard"), "--service"),
                (model + ("--arrival", "never"), "poisson"),
                (model + ("--size", "uniform:9,5"), "--size"),
                (model + ("--layout", "split", "--cpus", "0"), "given already"),
                (model + ("--layout", "round"), "--layout"),
                (model + ("--server-options", "workers 2"), "'workers' is not of the form"),
                (model + ("--server-options", "--wrokers 2"), "did you mean 'workers'"),
                (model + ("--server-options", "--workers"), "wants a value"),
                (model + ("--server-options", "--cpus 0"), "is decided by the search"),
                (model + ("--load-options", "--rate 5"), "is decided by the search"),
                (model + ("--load-options", "--engine warp"), "--engine")):
            with self.subTest(words=words):
                self.refused(*words, says=says)

    def test_a_cpu_that_is_not_there_is_77(self):
        absent = str(max(os.sched_getaffinity(0)) + 1)
        self.refused("--slo", "p99<1ms", "--model", "epoll", "--cpus", absent, code=77, says="(allowed: ")

    def test_an_earlier_report_is_never_destroyed(self):
        os.mkdir(self.out)
        kept = os.path.join(self.out, "report.json")
        with open(kept, "w") as file:
            file.write("precious")
        done = self.find("--slo", "p50<1s", "--model", "epoll", code=2)
        self.assertIn("is there already", done.stderr)
        with open(kept) as file:
            self.assertEqual(file.read(), "precious")
        self.assertEqual(os.listdir(self.out), ["report.json"])

    def test_a_full_stdout_is_not_a_success(self):
        self.fake(capacity=1e9)
        with open("/dev/full", "w") as full:
            done = subprocess.run([self.bench, "find", "--slo", "p99<1ms", "--model", "epoll", "--to", "1k", "-o",
                                   self.out], stdout=full, stderr=subprocess.PIPE, timeout=60, text=True,
                                  stdin=subprocess.DEVNULL)
        self.assertEqual(done.returncode, 1)
        self.assertIn("cannot write to stdout: No space left on device", done.stderr)
        self.assertTrue(self.report()["run"]["complete"])


if __name__ == "__main__":
    unittest.main()
