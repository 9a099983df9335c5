"""sockbench run: cells, order, failures, ends, and the report.

Where the real generator would only be slow, a fake one stands beside a copy of
the bench: programs are found next to the one that runs.
"""
import functools
import hashlib
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


@functools.lru_cache(maxsize=None)
def validator():
    with open(os.path.join(SCHEMAS, "run.schema.json")) as file:
        run = json.load(file)
    with open(os.path.join(SCHEMAS, "load.schema.json")) as file:
        load = json.load(file)
    jsonschema.Draft202012Validator.check_schema(run)
    resolver = jsonschema.RefResolver.from_schema(run, store={"load.schema.json": load, load["$id"]: load})
    return jsonschema.Draft202012Validator(run, resolver=resolver)


def schema_errors(report):
    return ["%s: %s" % (list(e.path), e.message[:300]) for e in validator().iter_errors(report)]


def until(condition, what):
    """Waits for something that another process does."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError("%s s passed without: %s" % (PATIENCE_S, what))
        time.sleep(0.01)


def content(path):
    with open(path) as file:
        return file.read()


def is_alive(pid):
    """Runs, that is: not gone, and no zombie either."""
    try:
        with open("/proc/%d/stat" % pid) as file:
            return file.read().rsplit(")", 1)[1].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


def epoll(**more):
    return dict({"model": "epoll", "transport": "tcp"}, **more)


def command(name, *words):
    return {"name": name, "command": ["/usr/bin/python3", ECHO, "{host}", "{port}", *words]}


def load(**more):
    return dict({"name": "a", "duration": "300ms", "warmup": "50ms", "timeout": "2s"}, **more)


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
        shutil.copy(os.path.join(SUPPORT, "fake_load.py"), target)
        os.chmod(target, 0o755)
        with open(os.path.join(beside, "fake.json"), "w") as file:
            json.dump(plan, file)
        self.bench = os.path.join(beside, "sockbench")
        self.hanging = os.path.join(beside, "hanging")
        self.log = os.path.join(beside, "loads.log")

    def scenario(self, servers, loads, **more):
        path = os.path.join(self.folder, "mine.json")
        with open(path, "w") as file:
            json.dump(dict({"servers": servers, "loads": loads, "layout": "shared"}, **more), file)
        return path

    def run_bench(self, path, *words, code=0, **options):
        done = programs.run(self.bench, "run", path, "-o", self.out, *words, timeout=120, **options)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done

    def report(self):
        with open(os.path.join(self.out, "report.json")) as file:
            return json.load(file)

    def cells(self):
        return {cell["key"]: cell for cell in self.report()["cells"]}


class Whole(Case):
    """Real servers, the real generator."""

    def test_a_small_run_closes_in_every_number(self):
        path = self.scenario([epoll(), {"model": "iterative"}, {"model": "iterative", "transport": "udp"},
                              {"model": "iterative", "transport": "udp", "name": "queued", "options": {"backlog": 5}}],
                             [load(title="Stay"), load(name="again", **{"reconnect-every": 1})],
                             sweep={"connections": [1, 3]}, repetitions=2, title="Small", reading="Read this.")
        done = self.run_bench(path)
        report = self.report()
        self.assertEqual(schema_errors(report), [])
        self.assertTrue(report["run"]["complete"])
        self.assertIsNone(report["run"]["reason"])
        cells = self.cells()
        self.assertEqual(len(cells), 16)
        for key, cell in cells.items():
            if key.startswith("udp/") and ("/again/" in key or "/queued/" in key):
                self.assertEqual(cell["status"], "does_not_apply", key)
                if "/again/" not in key:
                    self.assertEqual(cell["reason"],
                                     "no --backlog for datagrams: they have no connection")
                continue
            self.assertEqual((cell["status"], cell["reason"]), ("ok", None), key)
            self.assertEqual(len(cell["repetitions"]), 2)
            self.assertEqual(cell["summary"]["requests_per_s"]["n"], 2)
            rates = [r["throughput"]["requests_per_s"] for r in cell["repetitions"]]
            self.assertAlmostEqual(cell["summary"]["requests_per_s"]["median"], sum(rates) / 2, places=3)
            self.assertEqual(cell["summary"]["requests_per_s"]["min"], min(rates))
            self.assertEqual([r["run"]["seed"] for r in cell["repetitions"]], [1, 2])
            self.check_server(cell)
        stuck = cells["tcp/iterative/echo/a/c=3/s=64"]
        self.assertEqual(stuck["summary"]["flows"], {"offered": 3, "served": 1})
        self.assertIn("1 of 3", done.stdout)
        self.assertIn("does not apply: no --backlog for datagrams: they have no connection\n", done.stdout)
        self.assertIn("iterative served 1 of 3; epoll served all.", re.sub(r"\s+", " ", done.stdout))
        self.assertIn("Read this.", done.stdout)
        self.assertIn("shared layout: server on CPU ", done.stdout)
        self.assertEqual(done.stderr, "")
        self.check_rows(cells)

    def check_server(self, cell):
        pids = {r["server"]["pid"] for r in cell["repetitions"]}
        self.assertEqual(len(pids), 2, "a fresh server each time")
        for repetition in cell["repetitions"]:
            server = repetition["server"]
            self.assertEqual(server["model"], cell["server"]["model"])
            self.assertGreater(server["cpu_ns_per_request"], 0)
            total = server["cpu_ns_per_request"] * repetition["generator"]["requests_total"]
            if server["cpu_user_ns"] is not None:
                self.assertAlmostEqual(server["cpu_user_ns"] + server["cpu_system_ns"], total, delta=total * 1e-6 + 2)
            # One CPU for both, so no more than the time there was.
            window = sum(repetition["window"][k] for k in ("warmup_ns", "length_ns", "drain_ns"))
            self.assertLess(total, window + 10e9)
            self.assertGreater(server["rss_peak_bytes"], server["pss_peak_bytes"] // 2)
            self.assertGreater(server["voluntary_context_switches"] + server["involuntary_context_switches"], 0)

    def check_rows(self, cells):
        with open(os.path.join(self.out, "rows.json")) as file:
            rows = json.load(file)
        self.assertEqual([row["cell"] for row in rows], list(cells))
        for row in rows:
            summary = cells[row["cell"]]["summary"]
            self.assertEqual(row["requests_per_s"], summary and summary["requests_per_s"]["median"])
            self.assertEqual(row["flows_served"], summary and summary["flows"]["served"])
            self.assertEqual(row["status"], cells[row["cell"]]["status"])
            self.assertIn("lost_ratio", row)

    def test_a_foreign_server_is_a_row_like_others(self):
        six = [dict(command("six"), family="ipv6")] if programs.IPV6 else []
        path = self.scenario([epoll(), command("python"), *six], [load(connections=4)])
        self.run_bench(path)
        self.assertEqual(schema_errors(self.report()), [])
        for key in ("tcp/python/echo/a/c=4/s=64", *(["tcp6/six/echo/a/c=4/s=64"] if six else [])):
            cell = self.cells()[key]
            self.assertEqual(cell["status"], "ok", cell["reason"])
            self.assertEqual(cell["summary"]["flows"], {"offered": 4, "served": 4})
            self.assertIsNone(cell["server"]["model"])
            self.assertGreater(cell["summary"]["server_cpu_ns_per_request"]["median"], 0)

    def test_a_server_that_dies_under_load_is_named(self):
        path = self.scenario([epoll(), command("mortal", "--die-after", "500")], [load(connections=4)])
        done = self.run_bench(path, code=4)
        self.assertEqual(schema_errors(self.report()), [])
        cells = self.cells()
        self.assertEqual(cells["tcp/epoll/echo/a/c=4/s=64"]["status"], "ok")
        mortal = cells["tcp/mortal/echo/a/c=4/s=64"]
        self.assertEqual(mortal["status"], "failed")
        self.assertEqual(mortal["reason"], "the server ended under load: exit code 3: no more of this")
        self.assertIsNone(mortal["summary"])
        self.assertIn("failed: tcp/mortal/echo/a/c=4/s=64: the server ended under load", done.stdout)


class Documentation(Case):
    def test_the_way_to_validate_works_as_it_is_written(self):
        self.run_bench(self.scenario([epoll()], [load()]))
        page = content(os.path.join(HERE, "../../results/README.md"))
        lines = re.search(r"(?m)^    import json, jsonschema.*\n(?:    .*\n)+", page).group(0)
        words = ["/usr/bin/python3", "-W", "ignore", "-c", re.sub(r"(?m)^    ", "", lines)]
        report = os.path.join(self.out, "report.json")
        root = os.path.join(HERE, "../..")
        done = programs.run(*words, report, cwd=root)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        broken = self.report()
        del broken["cells"][0]["repetitions"][0]["verdict"]
        with open(report, "w") as file:
            json.dump(broken, file)
        self.assertIn("'verdict' is a required property", programs.run(*words, report, cwd=root).stderr)


class Layout(Case):
    @unittest.skipIf(len(os.sched_getaffinity(0)) < 2, "needs two CPUs")
    def test_server_and_generator_run_where_the_layout_says(self):
        path = self.scenario([{"model": "thread"}], [load(duration="2s", connections=2)], layout="split")
        process = subprocess.Popen([self.bench, "run", path, "-o", self.out], stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.addCleanup(lambda: process.poll() is None and process.kill())
        seen = {}
        # The server has a thread for each client once the load is under way.
        until(lambda: self.look(process.pid, seen).get("sockbench-serve", ("", 0))[1] >= 3, "a load under way")
        self.look(process.pid, seen)
        out, err = process.communicate(timeout=PATIENCE_S)
        self.assertEqual(process.returncode, 0, err)
        layout = self.report()["layout"]
        self.assertTrue(layout["apart"])
        self.assertEqual(seen["sockbench-serve"][0], {layout["server_cpus"]})
        self.assertEqual(seen["sockbench-load"][0], {layout["generator_cpus"]})

    @unittest.skipIf(len(os.sched_getaffinity(0)) < 2, "needs two CPUs")
    def test_sharded_each_worker_serves_the_thread_on_its_cpu(self):
        cpus = sorted(os.sched_getaffinity(0))
        servers = [epoll(), {"model": "epoll-workers"}, {"model": "reuseport", "transport": "udp"}]
        all_of_them = {"name": "a", "requests": 2000, "warmup": "50ms", "timeout": "2s", "connections": 10 * len(cpus)}
        self.scenario(servers, [all_of_them], layout="sharded")
        done = self.run_bench(os.path.join(self.folder, "mine.json"))
        self.assertIn("(sharded layout: a worker and a thread of the generator on each of CPUs ", done.stdout)
        report = self.report()
        self.assertEqual(schema_errors(report), [])
        self.assertEqual(report["layout"]["name"], "sharded")
        self.assertFalse(report["layout"]["apart"])
        plain, stream, datagram = report["cells"]
        self.assertEqual((plain["status"], stream["status"], datagram["status"]), ("does_not_apply", "ok", "ok"))
        self.assertIn("dealt out among workers by CPU", plain["reason"])
        (measured,) = stream["repetitions"]
        self.assertEqual(measured["load"]["layout"], "sharded")
        self.assertEqual(measured["evidence"]["shared_cpus"], cpus)
        self.assertEqual((measured["server"]["workers"], measured["server"]["ready"]["steering"]), (len(cpus), "cpu"))
        self.assertEqual([(w["cpu"], w["connections"]) for w in measured["server"]["per_worker"]],
                         [(cpu, 10) for cpu in cpus])
        (measured,) = datagram["repetitions"]
        self.assertEqual([w["connections"] for w in measured["server"]["per_worker"]], [None] * len(cpus))
        # Nobody but the thread beside it sends to a worker: each got its share of the requests, and they are all.
        self.assertEqual(sum(w["reads"] for w in measured["server"]["per_worker"]),
                         measured["generator"]["requests_total"])

    def test_free_pins_neither_side(self):
        self.run_bench(self.scenario([{"model": "epoll-workers"}], [load()], layout="free"))
        report = self.report()
        self.assertEqual(schema_errors(report), [])
        self.assertEqual(report["layout"], {"name": "free", "server_cpus": None, "generator_cpus": None,
                                            "apart": False})
        (measured,) = report["cells"][0]["repetitions"]
        self.assertEqual(measured["load"]["layout"], "free")
        self.assertIsNone(measured["evidence"]["shared_cpus"])
        self.assertEqual({w["cpu"] for w in measured["server"]["per_worker"]}, {None})
        self.assertEqual({thread["cpu"] for thread in measured["generator"]["threads"]}, {None})

    def look(self, bench, seen):
        """Fills seen with {program: (CPU lists of its threads, how many)}."""
        for child in content("/proc/%d/task/%d/children" % (bench, bench)).split():
            try:
                name = os.path.basename(content("/proc/%s/cmdline" % child).split("\0")[0])
                states = [content("/proc/%s/task/%s/status" % (child, task))
                          for task in os.listdir("/proc/%s/task" % child)]
            except (FileNotFoundError, ProcessLookupError):
                continue
            lists = {re.search(r"Cpus_allowed_list:\s*(\S+)", state).group(1) for state in states}
            seen[name] = (lists, len(states))
        return seen


class Order(Case):
    def plan(self, seed):
        path = self.scenario([epoll(), {"model": "thread"}], [load()], sweep={"connections": [1, 2, 3, 4]},
                             repetitions=3, seed=seed)
        done = programs.run(self.bench, "run", "--plan", path)
        self.assertEqual(done.returncode, 0, done.stderr)
        return path, done.stdout.split()

    def test_trials_run_in_the_order_that_the_seed_gives(self):
        self.fake()
        path, planned = self.plan(5)
        self.run_bench(path)
        trials = self.report()["trials"]
        self.assertEqual([t["cell"] for t in trials], planned)
        self.assertEqual([t["repetition"] for t in trials], [0] * 8 + [1] * 8 + [2] * 8)
        self.assertEqual(planned, self.plan(5)[1])
        self.assertNotEqual(planned, self.plan(6)[1])
        self.assertNotEqual(planned[:8], planned[8:16])
        self.assertEqual(sorted(planned[:8]), sorted(planned[8:16]))

    def test_only_runs_what_it_names(self):
        self.fake()
        path, _ = self.plan(5)
        self.run_bench(path, "--only", "tcp/thread/echo/a/c=3/s=64")
        self.assertEqual(list(self.cells()), ["tcp/thread/echo/a/c=3/s=64"])
        self.assertEqual(len(self.report()["trials"]), 3)

    def test_the_load_gets_what_the_scenario_says(self):
        self.fake()
        path = self.scenario([epoll(service="upper")], [load(size=100, **{"no-verify": True, "pipeline": 2})],
                             sweep={"connections": [7]}, seed=40, layout={"server": "0", "generator": "0"})
        self.run_bench(path)
        with open(self.log) as file:
            words = json.loads(file.readline())
        given = " ".join(words[1:])
        for part in ("--service upper", "--seed 40", "--cpus 0", "--size 100", "--no-verify", "--pipeline 2",
                     "--connections 7", "--duration 300ms", "--quiet"):
            self.assertIn(part, given)
        self.assertNotIn("--no-verify on", given)
        self.assertEqual(self.report()["layout"]["name"], "explicit")


class Failures(Case):
    def test_a_server_that_does_not_start_is_marked_and_the_rest_go_on(self):
        self.fake()
        path = self.scenario(
            [command("dead", "--exit", "7", "--words", "one\ntwo\nthe cellar is flooded\n"), epoll(),
             {"name": "absent", "command": ["/nowhere/at/all", "{port}"]},
             command("deaf", "--deaf", "--words", "what?")], [load()])
        done = self.run_bench(path, code=4)
        reasons = {cell["server"]["name"]: (cell["status"], cell["reason"]) for cell in self.report()["cells"]}
        self.assertEqual(reasons["epoll"], ("ok", None))
        self.assertEqual(reasons["dead"], ("failed", "the server ended before it was ready: exit code 7: "
                                                     "one two the cellar is flooded"))
        self.assertEqual(reasons["absent"], ("failed", "cannot start /nowhere/at/all: No such file or directory"))
        self.assertEqual(reasons["deaf"], ("failed", "the server was not ready within 3 s: what?"))
        for name in ("dead", "absent", "deaf"):
            self.assertIn("failed: tcp/%s/echo/a/c=64/s=64: %s" % (name, reasons[name][1]), done.stdout)

    def test_when_nothing_could_start_it_is_1(self):
        self.fake()
        self.run_bench(self.scenario([command("dead", "--exit", "7")], [load()]), code=1)
        self.assertEqual(self.report()["cells"][0]["status"], "failed")

    def test_an_invalid_measurement_is_kept_and_not_counted(self):
        self.fake(by_connections={"3": {"exit": 4, "verdict": "invalid", "reasons": ["12 replies were wrong"],
                                        "stderr": "sockbench-load: 12 replies were wrong\n"}})
        path = self.scenario([epoll()], [load()], sweep={"connections": [2, 3]}, repetitions=2)
        self.run_bench(path, code=4)
        cells = self.cells()
        self.assertEqual(cells["tcp/epoll/echo/a/c=2/s=64"]["status"], "ok")
        bad = cells["tcp/epoll/echo/a/c=3/s=64"]
        self.assertEqual(bad["status"], "failed")
        self.assertIn("exit code 4", bad["reason"])
        self.assertIn("12 replies were wrong", bad["reason"])
        self.assertEqual(len(bad["repetitions"]), 2)
        self.assertIsNone(bad["summary"])

    def test_what_is_not_possible_here_is_skipped_once(self):
        self.fake(by_connections={"3": {"exit": 77, "report": False, "stderr": "sockbench-load: too few ports\n"}})
        path = self.scenario([epoll()], [load()], sweep={"connections": [2, 3]}, repetitions=3)
        done = self.run_bench(path)
        skipped = self.cells()["tcp/epoll/echo/a/c=3/s=64"]
        self.assertEqual(skipped["status"], "skipped")
        self.assertIn("too few ports", skipped["reason"])
        self.assertEqual(len([t for t in self.report()["trials"] if t["cell"] == skipped["key"]]), 1)
        self.assertIn("skipped: tcp/epoll/echo/a/c=3/s=64", done.stdout)

    def test_a_server_that_says_77_is_skipped(self):
        self.fake()
        path = self.scenario([command("refused", "--exit", "77", "--words", "no rings here"), epoll()], [load()])
        self.run_bench(path)
        refused = self.cells()["tcp/refused/echo/a/c=64/s=64"]
        self.assertEqual(refused["status"], "skipped")
        self.assertIn("no rings here", refused["reason"])

    def test_a_load_without_a_report_has_failed(self):
        self.fake(report=False)
        self.run_bench(self.scenario([epoll()], [load()]), code=1)
        self.assertEqual(self.report()["cells"][0]["reason"], "the load left no report")

    def test_a_server_that_talks_without_end_holds_nobody(self):
        self.fake()
        self.run_bench(self.scenario([command("chatter", "--chatter", str(256 << 10))], [load()]))

    def test_the_split_layout_needs_two_cpus(self):
        self.fake()
        path = self.scenario([epoll()], [load()], layout="split")
        one = min(os.sched_getaffinity(0))
        self.check_impossible(path, "needs two CPUs", preexec_fn=lambda: os.sched_setaffinity(0, [one]))

    def test_a_cpu_that_is_not_there_is_told_before_anything_runs(self):
        self.fake()
        layout = {"server": "0", "generator": str(max(os.sched_getaffinity(0)) + 1)}
        self.check_impossible(self.scenario([epoll()], [load()], layout=layout), "names a CPU that")

    def check_impossible(self, path, why, **options):
        done = self.run_bench(path, code=77, **options)
        self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
        self.assertIn(why, done.stderr)
        self.assertEqual(done.stdout, "")
        self.assertFalse(os.path.exists(self.log) or os.path.exists(self.out))

    def test_when_every_server_is_refused_it_is_77(self):
        self.fake()
        self.run_bench(self.scenario([command("refused", "--exit", "77")], [load()]), code=77)
        self.assertEqual(self.report()["cells"][0]["status"], "skipped")


class Usage(Case):
    """Known amounts, in threads and children that are gone when one looks."""

    def measured(self, *words):
        self.fake()
        self.run_bench(self.scenario([command("busy", *words)], [load()]))
        report = self.report()
        server = report["cells"][0]["repetitions"][0]["server"]
        return server, report["trials"][0]["server_cpu_source"]

    def test_cpu_of_a_thread_that_is_gone(self):
        server, source = self.measured("--burn-thread", "0.3")
        seconds = server["cpu_ns_per_request"] * 1000 / 1e9
        self.assertGreaterEqual(seconds, 0.3)
        self.assertLess(seconds, 0.45)
        self.assertEqual(source, "process_clocks")

    def test_cpu_of_a_child_that_is_gone(self):
        server, source = self.measured("--burn-child", "0.3")
        seconds = server["cpu_ns_per_request"] * 1000 / 1e9
        self.assertGreaterEqual(seconds, 0.27)  # known in ticks of 10 ms, user and system
        self.assertLess(seconds, 0.45)
        self.assertEqual(source, "process_clocks+gone_children")

    def test_memory_that_is_held(self):
        server, _ = self.measured("--hold", str(64 << 20))
        self.assertGreaterEqual(server["pss_peak_bytes"], 64 << 20)
        self.assertGreaterEqual(server["rss_peak_bytes"], 64 << 20)
        self.assertLess(server["pss_peak_bytes"], 160 << 20)


class Ends(Case):
    def pids_of(self, *names):
        paths = [os.path.join(self.folder, name) for name in names]
        until(lambda: all(os.path.exists(p) for p in paths), "all processes started")
        return [int(content(p)) for p in paths]

    def start(self, path):
        process = subprocess.Popen([self.bench, "run", path, "-o", self.out], stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.addCleanup(lambda: process.poll() is None and process.kill())
        return process

    def test_nothing_outlives_a_bench_that_is_killed(self):
        self.fake(hang_at=1)
        process = self.start(self.scenario([command("family", "--leave", self.folder)], [load()]))
        until(lambda: os.path.exists(self.hanging), "a load that runs")
        pids = self.pids_of("server", "child", "session")
        session = pids[-1]
        pids.append(int(content(self.hanging)))
        self.assertTrue(all(is_alive(pid) for pid in pids))
        self.addCleanup(lambda: is_alive(session) and os.kill(session, signal.SIGKILL))
        process.kill()
        process.communicate(timeout=PATIENCE_S)
        until(lambda: not any(is_alive(pid) for pid in pids), "server, its children and the load are gone")

    def test_nothing_is_left_behind_after_a_run(self):
        self.fake()
        self.run_bench(self.scenario([command("family", "--leave", self.folder)], [load()]))
        for pid in self.pids_of("server", "child", "session"):
            self.assertFalse(is_alive(pid))

    def test_an_interrupt_keeps_what_was_measured(self):
        for number, code in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
            with self.subTest(signal=number):
                self.setUp()
                self.fake(hang_at=3)
                path = self.scenario([epoll()], [load()], sweep={"connections": [1, 2, 3, 4]})
                process = self.start(path)
                until(lambda: os.path.exists(self.hanging), "a load that hangs")
                process.send_signal(number)
                out, err = process.communicate(timeout=PATIENCE_S)
                self.assertEqual(process.returncode, code, err)
                report = self.report()
                self.assertFalse(report["run"]["complete"])
                self.assertEqual(report["run"]["reason"], "interrupted (%s)" % number.name)
                self.assertEqual(schema_errors({**report, "cells": []}), [])
                self.assertEqual([t["status"] for t in report["trials"]], ["ok", "ok", "interrupted"])
                self.assertEqual(sorted(c["status"] for c in report["cells"]), ["not_run", "not_run", "ok", "ok"])
                self.assertIn("Interrupted", out)
                hung = int(content(self.hanging))
                self.assertFalse(is_alive(hung))


class Sentences(Case):
    """What is said under the table, from numbers that are known."""

    def said(self, servers, turns=None, **plan):
        """turns: server -> what the fake load says of it."""
        path = self.scenario(servers, [load(connections=8)])
        order = programs.run(programs.BENCH, "run", "--plan", path).stdout.split()
        if turns:
            plan["by_turn"] = [turns[key.split("/")[1]] for key in order]
        self.fake(**plan)
        return re.sub(r"\s+", " ", self.run_bench(path).stdout)

    def test_those_left_out_are_not_compared_with(self):
        out = self.said([command(name) for name in "abc"],
                        {"a": {"served": 1, "requests_per_s": 900.0}, "b": {"requests_per_s": 1000.0},
                         "c": {"requests_per_s": 3000.0}})
        self.assertIn("a served 1 of 8; b and c served all. Of those that served all, c answered most, "
                      "3,000 requests/s, 3.0 times as many as b.", out)

    def test_nor_when_only_their_cpu_can_be_compared(self):
        """The one with the most CPU serves one client alone, and is no end of the range."""
        limited = {"verdict": "generator_bound"}
        out = self.said([command("idle"), command("busy", "--burn-thread", "0.2"),
                         command("alone", "--burn-thread", "0.5")],
                        {"idle": limited, "busy": limited, "alone": dict(limited, served=1)})
        self.assertIn("alone served 1 of 8; idle and busy served all. Of those that served all, idle used least CPU "
                      "per request on the server's side, ", out)
        self.assertRegex(out, r"; busy used most, \d+ us\.")

    def test_unequal_workers_are_said(self):
        budgets = [{"model": "epoll-workers", "name": name, "options": {"workers": n}}
                   for name, n in (("one", 1), ("two", 2))]
        out = self.said(budgets, {"one": {"requests_per_s": 1000.0}, "two": {"requests_per_s": 3000.0}})
        self.assertIn("two (2 workers) answered most, 3,000 requests/s, 3.0 times as many as one (1 worker).", out)

    def test_unequal_workers_are_said_without_a_difference_too(self):
        budgets = [{"model": "epoll-workers", "name": name, "options": {"workers": n}}
                   for name, n in (("one", 1), ("two", 2))]
        self.assertIn("no difference that one run each can show, with unequal numbers of workers.", self.said(budgets))

    def test_a_percentile_that_is_not_known_is_explained(self):
        out = self.said([epoll()], quantiles=[0.5])
        self.assertIn("- under p99: not known, fewer than ten samples lie beyond it", out)


class OpenLoop(Case):
    def words(self):
        with open(self.log) as file:
            return [" ".join(json.loads(line)[1:]) for line in file]

    def test_a_swept_rate_is_a_column_and_a_field(self):
        self.fake()
        path = self.scenario([epoll()], [load(arrival="constant")], sweep={"rate": [500, "20k"]})
        out = self.run_bench(path).stdout
        self.assertRegex(out, r"(?m)^a: TCP echo, 64 B, open loop$")
        self.assertRegex(out, r"(?m)^  clients     offered  server ")
        self.assertRegex(out, r"(?m)^       64      20,000  epoll ")
        self.assertEqual(list(self.cells()), ["tcp/epoll/echo/a/c=64/s=64/rate=500",
                                              "tcp/epoll/echo/a/c=64/s=64/rate=20k"])
        with open(os.path.join(self.out, "rows.json")) as file:
            rows = json.load(file)
        self.assertEqual([row["offered_per_s"] for row in rows], [500, 20000])
        self.assertEqual([row["achieved_per_s"] for row in rows], [1000, 1000])
        self.assertTrue(all("--pacing block" in words for words in self.words()))

    def test_one_rate_stands_in_the_heading(self):
        self.fake()
        path = self.scenario([epoll()], [load(rate="20k", pacing="spin")])
        self.assertIn("a: TCP echo, 64 B, open loop, 20,000/s\n", self.run_bench(path).stdout)
        # Server and generator share a CPU: the bench has the last word.
        self.assertGreater(self.words()[0].index("--pacing block"), self.words()[0].index("--pacing spin"))

    @unittest.skipIf(len(os.sched_getaffinity(0)) < 2, "needs two CPUs")
    def test_apart_the_scenario_says_how_to_wait(self):
        self.fake()
        self.run_bench(self.scenario([epoll()], [load(rate=500)], layout="split"))
        self.assertNotIn("--pacing", self.words()[0])

    def test_a_closed_loop_is_left_alone(self):
        self.fake()
        out = self.run_bench(self.scenario([epoll()], [load()])).stdout
        self.assertNotIn("--pacing", self.words()[0])
        self.assertNotIn("open loop", out)

    def test_a_real_open_loop(self):
        path = self.scenario([epoll()], [load(connections=4, duration="500ms")], sweep={"rate": [200, 400]})
        self.run_bench(path)
        self.assertEqual(schema_errors(self.report()), [])
        for cell in self.cells().values():
            (repetition,) = cell["repetitions"]
            self.assertEqual(repetition["load"]["model"], "open")
            self.assertEqual(repetition["load"]["arrival"]["pacing"], "block")
            self.assertEqual(cell["summary"]["offered_per_s"]["median"], repetition["load"]["offered_per_s"])


class Files(Case):
    def test_an_earlier_report_is_never_destroyed(self):
        self.fake()
        path = self.scenario([epoll()], [load()])
        os.mkdir(self.out)
        kept = os.path.join(self.out, "report.json")
        with open(kept, "w") as file:
            file.write("precious")
        done = self.run_bench(path, code=2)
        self.assertIn("is there already", done.stderr)
        self.assertEqual(content(kept), "precious")
        self.assertEqual(os.listdir(self.out), ["report.json"])

    def test_without_a_name_each_run_has_a_folder_of_its_own(self):
        self.fake()
        path = self.scenario([epoll()], [load()])
        seen = {}
        for _ in range(3):
            done = programs.run(self.bench, "run", path, cwd=self.folder)
            self.assertEqual(done.returncode, 0, done.stderr)
            name = re.search(r"^Report: (results/runs/mine-\d{8}-\d{6}(-\d+)?/report.json)$", done.stdout, re.M).group(1)
            self.assertNotIn(name, seen)
            with open(os.path.join(self.folder, name), "rb") as file:
                seen[name] = hashlib.sha256(file.read()).hexdigest()
        for name, digest in seen.items():
            with open(os.path.join(self.folder, name), "rb") as file:
                self.assertEqual(hashlib.sha256(file.read()).hexdigest(), digest)
            self.assertEqual(sorted(os.listdir(os.path.dirname(os.path.join(self.folder, name)))),
                             ["report.json", "rows.json"])

    def test_a_folder_that_cannot_be_made_is_told(self):
        self.fake()
        path = self.scenario([epoll()], [load()])
        for wanted in (os.path.join(path, "below"), path, "/proc", "/dev/full"):
            done = programs.run(self.bench, "run", path, "-o", wanted)
            self.assertEqual(done.returncode, 2, wanted)
            self.assertIn("cannot write into the folder", done.stderr)
            self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
        with open(os.path.join(self.folder, "results"), "w"):
            done = programs.run(self.bench, "run", path, cwd=self.folder)
        self.assertEqual((done.returncode, done.stderr),
                         (1, "sockbench: cannot write into the folder results/runs: Not a directory (-o names another)\n"))
        self.assertFalse(os.path.exists(self.log), "nothing was run")
        self.assertTrue(content(path).startswith("{"))

    def test_a_full_stdout_is_not_a_success(self):
        self.fake()
        path = self.scenario([epoll()], [load()])
        with open("/dev/full", "w") as full:
            done = subprocess.run([self.bench, "run", path, "-o", self.out], stdout=full, stderr=subprocess.PIPE,
                                  timeout=120, text=True, stdin=subprocess.DEVNULL)
        self.assertEqual(done.returncode, 1)
        self.assertIn("cannot write to stdout: No space left on device", done.stderr)
        self.assertTrue(self.report()["run"]["complete"])


if __name__ == "__main__":
    unittest.main()
