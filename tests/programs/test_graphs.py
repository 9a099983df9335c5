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
    "server_cpu_ns_per_request", "flows_offered", "flows_served", "lost_ratio", "loss_where",
    "server_rcvbuf_bytes", "status",
    "offered_per_s", "achieved_per_s", "verdict",
}


def sample():
    with open(SAMPLE) as file:
        return json.load(file)


def styles():
    with open(os.path.join(ROOT, "bench/graphs/styles.json")) as file:
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
        self.roots = {}
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
                self.roots[name[:-4]] = root
                graphs[name[:-4]] = [text for text in map(str.strip, root.itertext()) if text]
                if shutil.which("rsvg-convert"):
                    with open(os.path.join(folder, name[:-4] + ".png"), "rb") as file:
                        self.assertEqual(file.read(8), b"\x89PNG\r\n\x1a\n")
        return graphs, done.stdout

    def test_a_search_is_a_curve_with_its_limit(self):
        row = dict(sample()[0], load="p99 < 1 ms", verdict="ok", slo_p99_ns=1000000)
        rows = [dict(row, cell="find", offered_per_s=rate, response_p99_ns=p99, outcome=outcome)
                for rate, p99, outcome in ((1000, 300000, "held"), (2000, 800000, "held"), (4000, 3000000, "broke"))]
        graphs, _ = self.draw(rows)
        self.assertEqual(list(graphs), ["offered"])
        text = " ".join(graphs["offered"])
        self.assertIn("crosses: it did not hold; dotted: what was asked of p99", text)
        self.assertIn("p99 < 1 ms", text)
        dotted = [e for e in self.roots["offered"].iter() if e.get("stroke-dasharray") == "2,4"]
        self.assertEqual(len(dotted), 1)

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

    def overloaded(self, difference=0):
        """Rows of three rates and two receive buffers."""
        causes = dict.fromkeys(("local_qdisc", "link_forward", "server", "link_back", "client_send", "unknown"), 0)
        row = next(row for row in sample() if row["transport"] == "udp" and row["status"] == "ok")
        return [dict(row, server="rcvbuf-%d" % size, server_rcvbuf_bytes=size, offered_per_s=rate,
                     cell="%s/rate=%d" % (row["cell"], rate), loss_where=dict(
                         causes, by="counters", sends=rate, arrived=4000, server_buffer=rate - 4100, client_buffer=100,
                         difference=difference))
                for size in (8192, 65536) for rate in (5000, 10000, 20000)]

    def test_overload_has_a_panel_a_buffer_and_an_area_a_cause(self):
        graphs, _ = self.draw(self.overloaded())
        words = graphs["overload"]
        for expected in ("receive buffer 8 KiB: holds 19 datagrams", "receive buffer 64 KiB: holds 157 datagrams",
                         "full buffer at the server", "full buffer at the client", "20,000"):
            self.assertIn(expected, words)
        areas = [mark for mark in self.marks("overload", "mark-area") if mark.get("d")]
        self.assertEqual(len(areas), 2 * 3, "answered and two causes, in two panels")
        self.assertTrue(any("832 bytes of a buffer" in word for word in words))

    def test_overload_says_what_can_be_trusted_and_names_the_causes_there_are(self):
        plain, _ = self.draw(self.overloaded())
        self.assertEqual(1, len({mark.get("d") for mark in self.points("overload")}))
        self.assertFalse(any("diamonds" in word for word in plain["overload"]))
        for absent in ("by the server", "on the way", "refused to the sender", "unknown"):
            self.assertNotIn(absent, plain["overload"])
        rows = [dict(row, verdict={5000: "generator_bound", 10000: "unstable"}.get(row["offered_per_s"], "ok"))
                for row in self.overloaded()]
        rows[0]["loss_where"].update(link_back=10, server_buffer=rows[0]["loss_where"]["server_buffer"] - 10)
        marked, _ = self.draw(rows)
        self.assertEqual(3, len({mark.get("d") for mark in self.points("overload")}))
        self.assertIn("diamonds: the load generator was the limit; triangles: the rate was not steady, or others used the CPUs",
                      marked["overload"])
        self.assertIn("on the way", marked["overload"])

    def points(self, graph):
        """Those in the panels: the legend has squares of its own."""
        return [mark for mark in self.marks(graph, "mark-symbol") if mark.get("aria-roledescription") == "point"]

    def test_sums_that_do_not_close_are_not_drawn(self):
        rows = self.overloaded()
        rows[0]["loss_where"]["difference"] = 3
        graphs, _ = self.draw(rows)
        self.assertIn("1 cell where the sums of datagrams do not close not drawn", graphs["overload"])
        graphs, _ = self.draw(self.overloaded(difference=3))
        self.assertNotIn("overload", graphs)

    def marks(self, graph, role):
        """Elements of one layer: name's classes hold role, such as mark-text."""
        return [path for group in self.roots[graph].iter("{http://www.w3.org/2000/svg}g")
                if role in group.get("class", "").split() for path in group]

    def colours_of(self, graph):
        """What is written beside the lines -> its colour."""
        return {mark.text: mark.get("fill").lower() for mark in self.marks(graph, "mark-text")
                if mark.text and mark.get("fill")}

    def many(self, value):
        """Twelve models of one transport in one panel, all but equal."""
        names = list(styles()["models"])[:12]
        return [dict(row, model=name, server=name, load="one", requests_per_s=value + i, response_p99_ns=1000 * value + i,
                     flows_served=row["flows_offered"])
                for i, name in enumerate(names)
                for row in sample() if row["model"] == "epoll" and row["transport"] == "tcp"], names

    def test_labels_never_touch_and_never_leave_the_axis(self):
        for value in (1, 123456):
            rows, names = self.many(value)
            self.draw(rows)
            for graph in ("throughput", "latency"):
                places = {mark.text: float(re.search(r"translate\([^,]*,([^)]*)\)", mark.get("transform")).group(1))
                          for mark in self.marks(graph, "mark-text") if mark.text in names}
                self.assertEqual(sorted(places), sorted(names))
                ys = sorted(places.values())
                self.assertTrue(all(b - a >= 17.9 for a, b in zip(ys, ys[1:])), ys)
                self.assertGreaterEqual(ys[0], -12)
                self.assertLessEqual(ys[-1], 372)

    def test_a_model_has_one_colour_everywhere(self):
        wanted = {name: style["color"].lower() for name, style in styles()["models"].items()}
        rows, names = self.many(1000)
        for some in (names, names[3:5], ["epoll"], ["epoll", "poll"]):
            self.draw([row for row in rows if row["model"] in some])
            for graph in ("throughput", "latency"):
                colours = self.colours_of(graph)
                self.assertEqual({name: colours[name] for name in some}, {name: wanted[name] for name in some})

    def test_all_panels_have_the_same_clients(self):
        rows = [row for row in sample() if row["transport"] == "tcp" or row["connections"] < 64]
        graphs, _ = self.draw(rows)
        for graph in ("throughput", "latency"):
            self.assertEqual(graphs[graph].count("64"), 4, graphs[graph])

    def test_what_the_generator_limited_is_marked_and_said(self):
        plain, _ = self.draw(sample())
        circles = [mark.get("d") for mark in self.marks("throughput", "mark-symbol")]
        rows = [dict(row, verdict={8: "generator_bound", 64: "unstable"}.get(row["connections"], row["verdict"]))
                for row in sample()]
        marked, _ = self.draw(rows)
        shapes = [mark.get("d") for mark in self.marks("throughput", "mark-symbol")]
        for graph in ("throughput", "latency"):
            for words in ("diamonds: the load generator was the limit", "triangles: the rate was not steady, or others used the CPUs"):
                self.assertTrue(any(words in word for word in marked[graph]), marked[graph])
                self.assertFalse(any(words in word for word in plain[graph]))
        self.assertEqual(len(set(circles)), 1)
        self.assertEqual(len(set(shapes)), 3)
        self.assertFalse(any("diamonds" in word for word in marked["cpu"]))

    def rated(self, *rates):
        return [dict(row, offered_per_s=rate, cell="%s/rate=%d" % (row["cell"], rate))
                for row in sample() if row["connections"] == 8 for rate in rates]

    def test_a_sweep_of_rates_has_a_graph_of_its_own(self):
        graphs, _ = self.draw(self.rated(1000, 5000))
        self.assertEqual(sorted(graphs), ["cpu", "offered"])
        self.assertIn("persistent (TCP echo)", graphs["offered"])
        self.assertIn("persistent (TCP echo, 5,000/s)", graphs["cpu"])

    def test_many_values_of_a_sweep_are_a_line_and_not_panels_of_bars(self):
        graphs, _ = self.draw(self.rated(750, 1500, 3000, 6000))
        self.assertEqual(sorted(graphs), ["cpu-sweep", "offered"])
        words = graphs["cpu-sweep"]
        self.assertIn("Server CPU per request against offered rate", words)
        panels = [word for word in words if re.search(r" \((TCP|UDP) ", word)]
        self.assertEqual(words.count("750"), len(panels), "each says where its axis begins")
        self.assertFalse(any("/s)" in word for word in words), words)
        self.assertIn("0 \u00b5s", words)
        for model in ("epoll", "iterative"):
            self.assertIn(model, words)

    def test_figures_are_rounded_once_as_in_the_table(self):
        for ns, text in ((4744.67, "4.74 \u00b5s"), (2125, "2.13 \u00b5s"), (9995, "10.0 \u00b5s"), (940.4, "940 ns"),
                         (999500, "1.00 ms")):
            graphs, _ = self.draw([dict(row, server_cpu_ns_per_request=ns) for row in sample()])
            self.assertIn(text, graphs["cpu"])

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
    def test_colour_and_dash_together_tell_all_models_apart(self):
        models = styles()["models"]
        every = list(models.values()) + styles()["others"]
        self.assertEqual(len({(style["color"], tuple(style["dash"])) for style in every}), len(every))
        self.assertTrue(all(re.fullmatch("#[0-9A-F]{6}", style["color"]) for style in every))

    def test_the_models_of_the_server_have_a_style_each(self):
        listed = json.loads(programs.run(programs.SERVE, "--list", "--json").stdout)
        self.assertEqual({row["name"] for row in listed}, set(styles()["models"]))

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
