"""What the generator says of itself: the null engine, and sockbench-selftest."""
import json
import os
import stat
import tempfile
import unittest

from programs import BENCH, LOAD, SELFTEST, run, serving
from reports import check_load_report, validator

# Datagrams are waited for as long as the timeout, whatever came.
SHORT = ["-n", "2000", "-w", "50ms", "--timeout", "1s"]


class NullEngine(unittest.TestCase):
    def load(self, address, *options):
        done = run(LOAD, address, "--engine", "null", *SHORT, "--json", *options)
        self.assertEqual(done.returncode, 0, done.stderr)
        return check_load_report(json.loads(done.stdout))

    def test_every_service_is_answered_rightly_and_nobody_listens_there(self):
        cases = (("tcp", "echo", "64"), ("tcp", "upper", "1"), ("tcp", "ok", "100k"), ("tcp", "greeting", "64"),
                 ("udp", "echo", "0"), ("udp", "upper", "65507"), ("udp", "ok", "64"))
        for scheme, service, size in cases:
            with self.subTest(scheme=scheme, service=service, size=size):
                report = self.load(scheme + "://127.0.0.1:9", "--service", service, "-s", size, "-c", "8")
                self.assertGreater(report["accounting"]["ok"], 0)
                self.assertEqual(sum(report["load"]["content_faults"].values()), 0)

    def test_requests_in_flight_and_a_schedule(self):
        report = self.load("tcp://127.0.0.1:9", "-P", "16")
        self.assertGreater(report["accounting"]["ok"], 0)
        report = self.load("udp://127.0.0.1:9", "-r", "5k", "--service", "ok")
        self.assertEqual(report["accounting"]["ok"], report["accounting"]["sent"])

    def test_it_never_looks_like_a_result(self):
        report = self.load("tcp://127.0.0.1:9")
        self.assertEqual(report["load"]["engine"], "null")
        self.assertIn("target is ignored", report["load"]["engine_note"])
        self.assertEqual(report["verdict"]["status"], "generator_bound")
        self.assertIn("no network: this is the generator's own cost", report["verdict"]["reasons"])

    def test_it_moves_no_blocks(self):
        done = run(LOAD, "udp://127.0.0.1:9", "--engine", "null", "--udp-offload", "on")
        self.assertEqual((done.returncode, done.stderr.count("\n")), (2, 1), done.stderr)
        self.assertIn("the null engine sends nothing", done.stderr)


class Selftest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.done = cls.selftest(cls.folder.name, "--quick", "--json")

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    @staticmethod
    def selftest(cache, *words):
        return run(SELFTEST, *words, env=dict(os.environ, XDG_CACHE_HOME=cache))

    def kept(self):
        folder = os.path.join(self.folder.name, "sockbench")
        return [os.path.join(folder, name) for name in os.listdir(folder)]

    def test_findings_follow_the_schema_and_make_sense(self):
        self.assertEqual((self.done.returncode, self.done.stderr), (0, ""))
        report = json.loads(self.done.stdout)
        errors = [e.message for e in validator("selftest").iter_errors(report)]
        self.assertEqual(errors, [])
        self.assertTrue(report["quick"])
        raw = report["raw_loop"]
        self.assertEqual(raw["absent"], {})
        for kind in ("tcp", "udp", "unix", "unix_dgram"):
            self.assertLessEqual(0 < raw[kind]["least_per_s"], raw[kind]["round_trips_per_s"])
            self.assertLessEqual(raw[kind]["median_per_s"], raw[kind]["round_trips_per_s"])
        # No network costs less than any network.
        self.assertLess(report["generator"]["verified_ns_per_request"], raw["tcp"]["ns_per_round_trip"])
        self.assertGreater(report["pacing"]["spinning"]["sends"], 0)

    def test_findings_are_kept_and_printed_the_next_time(self):
        self.assertEqual(len(self.kept()), 1)
        with open(self.kept()[0], encoding="utf-8") as file:
            self.assertEqual(json.load(file), json.loads(self.done.stdout))
        again = self.selftest(self.folder.name, "--quick", "--json")
        self.assertEqual(json.loads(again.stdout), json.loads(self.done.stdout))
        text = self.selftest(self.folder.name, "--quick").stdout
        self.assertIn("and kept", text)
        self.assertIn("the limit of this machine", text)

    def test_a_damaged_file_is_measured_anew(self):
        with tempfile.TemporaryDirectory() as folder:
            os.mkdir(os.path.join(folder, "sockbench"))
            path = os.path.join(folder, "sockbench", os.path.basename(self.kept()[0]))
            with open(path, "w", encoding="utf-8") as file:
                file.write('{"schema":')
            self.assertEqual(self.selftest(folder, "--quick").returncode, 0)
            with open(path, encoding="utf-8") as file:
                self.assertEqual(json.load(file)["schema"]["name"], "sockbench-selftest")

    def test_without_a_place_to_keep_them_findings_are_printed_all_the_same(self):
        bare = {key: value for key, value in os.environ.items() if key not in ("HOME", "XDG_CACHE_HOME")}
        done = run(SELFTEST, "--quick", env=bare)
        self.assertEqual((done.returncode, done.stderr.count("\n")), (0, 1), done.stderr)
        self.assertIn("neither XDG_CACHE_HOME nor HOME", done.stderr)

    def test_bad_words_and_full_disks(self):
        done = self.selftest(self.folder.name, "--quickly")
        self.assertEqual((done.returncode, done.stderr.count("\n")), (2, 1), done.stderr)
        done = self.selftest(self.folder.name, "now")
        self.assertEqual((done.returncode, done.stderr.count("\n")), (2, 1), done.stderr)
        done = self.selftest(self.folder.name, "--quick", "-o", "/no/such/folder/x.json")
        self.assertEqual((done.returncode, done.stderr.count("\n")), (1, 1), done.stderr)
        done = self.selftest(self.folder.name, "--quick", "-o", "/dev/full")
        self.assertEqual(done.returncode, 1)

    def test_sockbench_hands_on(self):
        done = run(BENCH, "selftest", "--version")
        self.assertEqual(done.returncode, 0)
        self.assertIn("sockbench-selftest", done.stdout)

    def load(self, *options, cache):
        with serving("epoll", "tcp://127.0.0.1:0") as server:
            done = run(LOAD, server.address, *SHORT, *options, env=dict(os.environ, XDG_CACHE_HOME=cache))
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def test_loads_quote_what_is_kept(self):
        report = check_load_report(json.loads(self.load("--json", cache=self.folder.name)))
        machine = report["evidence"]["machine"]
        raw = json.loads(self.done.stdout)
        self.assertIsNone(machine["reason"])
        self.assertEqual(machine["raw_round_trips_per_s"], raw["raw_loop"]["tcp"]["round_trips_per_s"])
        self.assertEqual(machine["measured_utc"], raw["measured_utc"])
        self.assertAlmostEqual(machine["of_limit_ratio"] * machine["raw_round_trips_per_s"],
                               report["throughput"]["requests_per_s"], delta=1)
        self.assertRegex(self.load(cache=self.folder.name),
                         r"\d\.\d\d of what one thread of this machine can do \(raw loop, TCP\)")

    def test_loads_say_why_nothing_is_quoted(self):
        with tempfile.TemporaryDirectory() as empty:
            report = check_load_report(json.loads(self.load("--json", cache=empty)))
            self.assertIsNone(report["evidence"]["machine"]["of_limit_ratio"])
            self.assertIn("sockbench selftest", report["evidence"]["machine"]["reason"])
        for options in (("-P", "4"), ("-s", "16k"), ("--reconnect-every", "1")):
            report = check_load_report(json.loads(self.load("--json", *options, cache=self.folder.name)))
            self.assertIsNone(report["evidence"]["machine"]["of_limit_ratio"], options)
            self.assertIn("raw loop", report["evidence"]["machine"]["reason"])


if __name__ == "__main__":
    unittest.main()
