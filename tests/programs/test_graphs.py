"""Graphs: what a run's rows become, and what happens where they cannot be drawn."""
import json
import os
import re
import shutil
import tempfile
import unittest
import xml.etree.ElementTree as ElementTree

import programs

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "../.."))
SAMPLE = os.path.join(os.path.dirname(__file__), "data/rows-sample.json")
FIELDS = {
    "cell", "server", "model", "transport", "service", "load", "connections", "size_bytes", "layout",
    "requests_per_s", "requests_per_s_lo", "requests_per_s_hi", "response_p50_ns", "response_p99_ns",
    "server_cpu_ns_per_request", "flows_offered", "flows_served", "lost_ratio", "status",
}


def sample():
    with open(SAMPLE) as file:
        return json.load(file)


class Tree:
    """A copy of the scripts and specs, to break at will."""

    def __init__(self, case):
        self.root = tempfile.mkdtemp()
        case.addCleanup(shutil.rmtree, self.root)
        os.makedirs(os.path.join(self.root, "scripts"))
        os.makedirs(os.path.join(self.root, "bench"))
        for name in ("graphs", "graph-bundles"):
            shutil.copy(os.path.join(ROOT, "scripts", name), os.path.join(self.root, "scripts"))
        shutil.copytree(os.path.join(ROOT, "bench/graphs"), os.path.join(self.root, "bench/graphs"))
        self.path = os.path.join(self.root, "path")
        os.mkdir(self.path)
        for name in ("sh", "dirname", "mkdir", "grep", "sha512sum", "timeout", "tail", "rm", "mktemp"):
            os.symlink(shutil.which(name), os.path.join(self.path, name))
        self.run = os.path.join(self.root, "run")
        os.mkdir(self.run)
        shutil.copy(SAMPLE, os.path.join(self.run, "rows.json"))

    def program(self, name, body):
        path = os.path.join(self.path, name)
        with open(path, "w") as file:
            file.write("#!/bin/sh\n%s\n" % body)
        os.chmod(path, 0o755)

    def draw(self):
        return programs.run(os.path.join(self.root, "scripts/graphs"), self.run, env={"PATH": self.path})


class CannotBeDrawn(unittest.TestCase):
    def assert_skipped(self, done, why):
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(len(done.stdout.splitlines()), 1, done.stdout)
        self.assertTrue(done.stdout.startswith("Graphs: skipped, "), done.stdout)
        self.assertIn(why, done.stdout)

    def test_without_node(self):
        self.assert_skipped(Tree(self).draw(), "node is absent")

    def test_without_npm(self):
        tree = Tree(self)
        tree.program("node", "exit 9")
        self.assert_skipped(tree.draw(), "npm is absent")

    def test_without_network(self):
        tree = Tree(self)
        tree.program("node", "exit 9")
        tree.program("npm", "echo 'npm error code ENOTFOUND' >&2; exit 1")
        self.assert_skipped(tree.draw(), "npm could not fetch vega@6.4.0: npm error code ENOTFOUND")

    def test_other_bytes_than_named_are_not_used(self):
        tree = Tree(self)
        tree.program("node", "exit 9")
        tree.program("npm", "for n in vega-6.4.0 vega-lite-6.4.3 vega-embed-7.3.0; do echo x >$n.tgz; done")
        self.assert_skipped(tree.draw(), "is not what bundles.sha512 names")
        left = os.listdir(os.path.join(tree.root, "build/graphs"))
        self.assertEqual(left, ["wanted.sha512"])

    def test_no_rows_is_usage(self):
        tree = Tree(self)
        os.unlink(os.path.join(tree.run, "rows.json"))
        done = tree.draw()
        self.assertEqual((done.returncode, len(done.stderr.splitlines())), (2, 1))


def why_not():
    if not shutil.which("node"):
        return "node is absent"
    done = programs.run(os.path.join(ROOT, "scripts/graph-bundles"), timeout=400)
    return done.stderr.strip() if done.returncode == 77 else None


class Drawn(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        reason = why_not()
        if reason:
            raise unittest.SkipTest(reason)

    def draw(self, rows, report=None):
        """name -> all text of the graph, and what was printed."""
        run = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, run)
        for name, content in (("rows.json", rows), ("report.json", report)):
            if content is not None:
                with open(os.path.join(run, name), "w") as file:
                    json.dump(content, file)
        done = programs.run(os.path.join(ROOT, "scripts/graphs"), run)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        graphs = {}
        folder = os.path.join(run, "graphs")
        for name in sorted(os.listdir(folder)):
            if name.endswith(".svg"):
                root = ElementTree.parse(os.path.join(folder, name)).getroot()
                self.assertEqual(root.get("role"), "img")
                self.assertTrue(root.get("aria-label"))
                with open(os.path.join(folder, name)) as file:
                    self.assertNotRegex(file.read(), r"NaN|undefined|Infinity")
                graphs[name[:-4]] = [text for text in map(str.strip, root.itertext()) if text]
                if shutil.which("rsvg-convert"):
                    with open(os.path.join(folder, name[:-4] + ".png"), "rb") as file:
                        self.assertEqual(file.read(8), b"\x89PNG\r\n\x1a\n")
        return graphs, done.stdout

    def test_sample_has_the_fields_of_a_run(self):
        for row in sample():
            self.assertEqual(set(row), FIELDS)

    def test_a_sweep_of_clients_gives_every_graph(self):
        graphs, said = self.draw(sample())
        self.assertEqual(sorted(graphs), ["cpu", "latency", "throughput"])
        self.assertIn("(cpu latency throughput)", said)
        for name, words in graphs.items():
            for panel in ("persistent (TCP echo)", "persistent (UDP upper)"):
                self.assertIn(panel, words, name)
        self.assertIn("Server CPU per request, 64 clients", graphs["cpu"])
        self.assertIn("iterative: 1 of 64 served", graphs["throughput"])
        self.assertIn("iterative: 1 of 64 served", graphs["latency"])
        self.assertIn("5.20 \u00b5s, 1 of 64 served", graphs["cpu"])
        self.assertIn("100 ms", graphs["latency"])

    def test_failed_cells_are_said_and_not_drawn(self):
        graphs, _ = self.draw(sample())
        for words in graphs.values():
            self.assertNotIn("nobody", words)
            self.assertIn("hollow: not every client was served; 1 failed cell not drawn", words)

    def test_the_report_gives_titles_and_how_it_was_measured(self):
        report = {
            "run": {"seed": 7}, "scenario": {"repetitions": 5},
            "layout": {"name": "split", "server_cpus": "0", "generator_cpus": "1"},
            "cells": [{"load": {"name": "persistent", "title": "clients that stay"}}],
        }
        graphs, _ = self.draw(sample(), report)
        self.assertIn("clients that stay (TCP echo)", graphs["throughput"])
        self.assertIn("split layout: server on CPU 0, load on CPU 1, 64 bytes a message, "
                      "medians of 5, bands from least to greatest, seed 7", graphs["throughput"])

    def test_one_number_of_clients_gives_bars_only(self):
        graphs, _ = self.draw([row for row in sample() if row["connections"] == 64])
        self.assertEqual(sorted(graphs), ["cpu"])

    def test_nothing_measured_gives_no_graph_and_says_so(self):
        rows = [dict(row, status="failed") for row in sample()]
        graphs, said = self.draw(rows)
        self.assertEqual(graphs, {})
        self.assertEqual(said, "Graphs: none, the run has nothing to draw\n")

    def test_numbers_that_are_missing_are_left_out(self):
        rows = [dict(row, server_cpu_ns_per_request=None, requests_per_s_lo=None) for row in sample()]
        graphs, _ = self.draw(rows)
        self.assertEqual(sorted(graphs), ["latency", "throughput"])

    def test_points_that_are_missing_are_said(self):
        rows = [dict(row, response_p99_ns=None) if row["connections"] == 8 else row for row in sample()]
        graphs, _ = self.draw(rows)
        note = "12 cells with too few requests for this figure not drawn"
        self.assertTrue(any(note in word for word in graphs["latency"]))
        self.assertFalse(any(note in word for word in graphs["throughput"]))

    def test_sizes_are_an_axis_of_their_own_and_never_one_line(self):
        rows = [dict(row, size_bytes=size, cell=row["cell"].replace("s=64", "s=%d" % size))
                for row in sample() for size in (64, 4096)]
        graphs, _ = self.draw(rows)
        self.assertEqual(sorted(graphs), ["cpu", "latency", "size", "throughput"])
        for name in ("cpu", "latency", "throughput"):
            self.assertIn("persistent (TCP echo, 4096 B)", graphs[name])
        self.assertIn("persistent (TCP echo, 8 clients)", graphs["size"])

    def test_other_swept_options_are_panels(self):
        rows = [dict(row, cell=row["cell"] + "/pipeline=%d" % depth) for row in sample() for depth in (1, 16)]
        graphs, _ = self.draw(rows)
        self.assertIn("persistent (TCP echo, pipeline=16)", graphs["throughput"])

    def test_two_servers_of_one_model_keep_their_own_names(self):
        rows = [dict(row, server=name) for row in sample() if row["model"] == "epoll" for name in ("small", "large")]
        graphs, _ = self.draw(rows)
        self.assertIn("small", graphs["throughput"])
        self.assertIn("large", graphs["throughput"])
        self.assertNotIn("epoll", graphs["throughput"])

    def test_names_cannot_break_out_of_the_picture(self):
        rows = [dict(row, load='<script>"&') for row in sample()]
        graphs, _ = self.draw(rows)
        self.assertTrue(any("<script>" in word for word in graphs["throughput"]))

    def test_malformed_rows_are_one_line_and_no_success(self):
        with tempfile.TemporaryDirectory() as run:
            with open(os.path.join(run, "rows.json"), "w") as file:
                file.write("[{")
            done = programs.run(os.path.join(ROOT, "scripts/graphs"), run)
            self.assertNotEqual(done.returncode, 0)
            self.assertRegex(done.stderr, r"^graphs: .*rows\.json: .*\n$")


class Specs(unittest.TestCase):
    def test_colours_and_dashes_tell_five_lines_apart(self):
        with open(os.path.join(ROOT, "bench/graphs/theme.json")) as file:
            colours = json.load(file)["range"]["category"]
        self.assertEqual(len(colours), len(set(colours)))
        self.assertTrue(all(re.fullmatch("#[0-9A-F]{6}", colour) for colour in colours))

    def test_every_spec_is_whole(self):
        folder = os.path.join(ROOT, "bench/graphs")
        specs = [name for name in os.listdir(folder) if name.endswith(".vl.json")]
        self.assertGreaterEqual(len(specs), 3)
        for name in specs:
            with open(os.path.join(folder, name)) as file:
                spec = json.load(file)
            self.assertTrue(spec["description"], name)
            self.assertLessEqual(set(spec["usermeta"]["needs"]), FIELDS, name)


if __name__ == "__main__":
    unittest.main()
