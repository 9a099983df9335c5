"""HdrHistogram files, read by readers that others wrote."""
import json
import os
import shutil
import subprocess
import tempfile
import unittest

from programs import LOAD, run, serving
from reports import check_load_report

JS_READER = """
const hdr = require(process.argv[2]);
const report = JSON.parse(require('fs').readFileSync(0));
const h = hdr.decodeFromCompressedBase64(report.latency.response.hdr_v2_base64);
console.log(JSON.stringify({total: h.totalCount, p50: h.getValueAtPercentile(50), p99: h.getValueAtPercentile(99),
                            max: h.maxValue}));
"""


def measured(folder):
    hlog, hgrm = os.path.join(folder, "run.hlog"), os.path.join(folder, "run.hgrm")
    with serving("epoll", "tcp://127.0.0.1:0") as server:
        result = run(LOAD, server.address, "-c", 4, "-d", "600ms", "-w", "50ms", "-i", "200ms", "--json",
                     "--hlog", hlog, "--hgrm", hgrm)
    assert result.returncode == 0, result.stderr
    return check_load_report(json.loads(result.stdout)), hlog, hgrm


def quantile(histogram, q):
    return next(row["value_ns"] for row in histogram["quantiles"] if row["q"] == q)


class Interchange(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def test_the_log_has_a_line_an_interval(self):
        _, hlog, _ = measured(self.folder.name)
        with open(hlog, encoding="ascii") as file:
            lines = [line.strip() for line in file]
        self.assertIn("#[Histogram log format version 1.3]", lines)
        rows = [line.split(",") for line in lines if line.startswith("Tag=response,")]
        self.assertEqual([row[2] for row in rows], ["0.200"] * 3)
        self.assertTrue(all(row[4].startswith("HISTFA") for row in rows))

    def test_the_distribution_ends_with_everything(self):
        report, _, hgrm = measured(self.folder.name)
        with open(hgrm, encoding="ascii") as file:
            text = file.read()
        self.assertIn("Total count    = %12d]" % report["latency"]["response"]["count"], text)

    def test_hdr_histogram_js_reads_the_same_numbers(self):
        if not shutil.which("npm") or not shutil.which("node"):
            self.skipTest("node or npm is not installed")
        try:
            install = run("npm", "install", "--prefix", self.folder.name, "--no-audit", "--no-fund", "--silent",
                          "--fetch-retries=1", "hdr-histogram-js@3.0.0", timeout=120)
        except subprocess.TimeoutExpired:
            self.skipTest("hdr-histogram-js cannot be installed: npm had no answer for two minutes")
        if install.returncode != 0:
            self.skipTest("hdr-histogram-js cannot be installed: " + install.stderr.strip()[-200:])
        report, _, _ = measured(self.folder.name)
        package = os.path.join(self.folder.name, "node_modules/hdr-histogram-js")
        result = subprocess.run(["node", "-e", JS_READER, "-", package], input=json.dumps(report), text=True,
                                capture_output=True, timeout=60)
        self.assertEqual(result.returncode, 0, result.stderr)
        theirs = json.loads(result.stdout)
        ours = report["latency"]["response"]
        self.assertEqual(theirs["total"], ours["count"])
        for name, q in (("p50", 0.5), ("p99", 0.99)):  # ranks may differ by one between readers
            self.assertAlmostEqual(theirs[name] / quantile(ours, q), 1, delta=0.002)
        self.assertAlmostEqual(theirs["max"] / ours["max_ns"], 1, delta=0.001)

    def test_the_java_log_processor_reads_the_log(self):
        jar = "/usr/share/java/hdrhistogram.jar"
        if not shutil.which("java") or not os.path.exists(jar):
            self.skipTest("no java with HdrHistogram (Debian: libhdrhistogram-java)")
        report, hlog, _ = measured(self.folder.name)
        result = run("java", "-cp", jar, "org.HdrHistogram.HistogramLogProcessor", "-i", hlog, "-tag",
                     "response")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("Total count    = %12d" % report["latency"]["response"]["count"], result.stdout)


if __name__ == "__main__":
    unittest.main(verbosity=2)
