"""What the generator says of itself: the null engine, and sockbench-selftest."""
import json
import unittest

from programs import LOAD, run
from reports import check_load_report

SHORT = ["-d", "200ms", "-w", "50ms", "--timeout", "100ms"]


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


if __name__ == "__main__":
    unittest.main()
