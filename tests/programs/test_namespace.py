"""sockbench run: datagrams in a network namespace to themselves, and where each
of them died."""
import ctypes
import json
import os
import shutil
import subprocess
import tempfile
import time
import unittest

import programs
from reports import check_load_report

CLONE_NEWNET, CLONE_NEWUSER = 0x40000000, 0x10000000
PR_CAPBSET_DROP, CAP_SYS_ADMIN = 24, 21
CAUSES = ("client_send", "local_qdisc", "link_forward", "server_buffer", "server", "link_back", "client_buffer", "unknown")
FOREIGN = """import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
s.bind(("127.0.0.1", int(sys.argv[1])))
while True:
    data, peer = s.recvfrom(65536)
    s.sendto(data.upper(), peer)
"""
libc = ctypes.CDLL(None, use_errno=True)


def allows(act):
    """Whether a child could do it."""
    return subprocess.run(["true"], preexec_fn=lambda: os._exit(0 if act() else 1), check=False).returncode == 0


def with_privilege():
    return libc.unshare(CLONE_NEWNET) == 0


def without_privilege():
    drop_privilege()
    return libc.unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0


def drop_privilege():
    """Before exec: root without the right to make namespaces."""
    libc.prctl(PR_CAPBSET_DROP, CAP_SYS_ADMIN, 0, 0, 0)


def forbid_namespaces():
    """Before exec: a user namespace that may hold no network namespaces. Its
    maker is root there, so that the CPUs and files stay what they were."""
    uid, gid = os.getuid(), os.getgid()
    if libc.unshare(CLONE_NEWUSER) != 0:
        return False
    for path, text in (("uid_map", "%d %d 1" % (uid, uid)), ("setgroups", "deny"), ("gid_map", "%d %d 1" % (gid, gid))):
        with open("/proc/self/" + path, "w", encoding="ascii") as file:
            file.write(text)
    with open("/proc/sys/user/max_net_namespaces", "w", encoding="ascii") as file:
        file.write("0")
    return True


def small(model, **more):
    """A server whose buffer overflows."""
    return dict({"model": model, "transport": "udp", "options": {"rcvbuf": "8k"}}, **more)


FLOOD = {"name": "flood", "rate": "20k", "arrival": "burst:100", "connections": 4, "duration": "250ms", "warmup": "50ms",
         "timeout": "200ms"}
BLOCKS = {"name": "blocks", "transport": "udp", "pipeline": 64, "connections": 4, "duration": "250ms", "warmup": "50ms",
          "timeout": "200ms", "udp-offload": "on"}


class Case(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder)
        self.out = os.path.join(self.folder, "out")

    def scenario(self, servers, loads, **more):
        path = os.path.join(self.folder, "mine.json")
        with open(path, "w", encoding="utf-8") as file:
            json.dump(dict({"servers": servers, "loads": loads, "layout": "shared"}, **more), file)
        return path

    def measure(self, servers, loads, *words, code=0, more=None, **options):
        """[(key, the load's report)], and what the run said."""
        shutil.rmtree(self.out, ignore_errors=True)
        path = self.scenario(servers, loads, **(more or {}))
        done = programs.run(programs.BENCH, "run", path, "-o", self.out, *words, timeout=120, **options)
        self.assertIn(done.returncode, code if isinstance(code, tuple) else (code,), done.stdout + done.stderr)
        with open(os.path.join(self.out, "report.json"), encoding="utf-8") as file:
            cells = json.load(file)["cells"]
        return [(cell["key"], check_load_report(report)) for cell in cells for report in cell["repetitions"]], done

    def search(self, address, *namespace, **options):
        """One rate that holds, tried twice: what find said, and its report."""
        shutil.rmtree(self.out, ignore_errors=True)
        words = ["--namespace", *namespace] if namespace else []
        done = programs.run(programs.BENCH, "find", "--slo", "p50<10s", "--model", "epoll", "--listen", address, "-c", 2,
                            "--from", 200, "--to", 200, "--confirm", 1, "-d", "150ms", "-w", "20ms", "--timeout", "500ms",
                            "--layout", "shared", "-o", self.out, *words, timeout=60, **options)
        with open(os.path.join(self.out, "report.json"), encoding="utf-8") as file:
            return done, json.load(file)

    def assert_closed(self, report):
        where = report["udp"]["loss_where"]
        self.assertEqual(where["sends"] - where["arrived"], sum(where[cause] or 0 for cause in CAUSES), where)
        return where


class Private(Case):
    def setUp(self):
        super().setUp()
        if not allows(with_privilege) and not allows(without_privilege):
            self.skipTest("this machine allows no network namespace")

    def test_every_datagram_of_every_model_is_accounted_for(self):
        servers = [small(model) for model in ("iterative", "fork", "threads", "epoll", "batch", "uring")]
        servers += [small("reuseport", options={"rcvbuf": "8k", "workers": 2}), small("epoll", family="ipv6"),
                    {"name": "foreign", "transport": "udp", "command": ["/usr/bin/python3", "-c", FOREIGN, "{port}"]}]
        reports, done = self.measure(servers, [FLOOD])
        self.assertEqual(len(reports), len(servers))
        lost = 0
        for key, report in reports:
            with self.subTest(cell=key):
                self.assertEqual(report["environment"]["namespace"], {"kind": "private", "reason": None})
                where = self.assert_closed(report)
                self.assertEqual((where["by"], where["difference"], where["unknown"]), ("counters", 0, 0))
                self.assertEqual(where["server_buffer"] + where["client_buffer"] + where["server"],
                                 where["sends"] - where["arrived"] - where["client_send"] - where["local_qdisc"])
                self.assertEqual(where["client_buffer"], report["udp"]["client_drops"])
                lost += where["server_buffer"]
        self.assertGreater(lost, 0)
        self.assertIn("Datagrams, in a network namespace to themselves: ", done.stdout)
        self.assertIn(" at the server's sockets", done.stdout)

    def test_what_the_device_drops_after_a_good_send_is_found(self):
        """A queue of the loopback that is too slow: send(2) succeeds, and the
        datagram is gone."""
        if not shutil.which("tc"):
            self.skipTest("tc is absent")
        slow = "tc qdisc add dev lo root tbf rate 4mbit burst 4k limit 8k || exit 9; exec /usr/bin/python3 -c '%s' $0" % FOREIGN
        server = {"name": "foreign", "transport": "udp", "command": ["/bin/sh", "-c", slow, "{port}"]}
        path = self.scenario([server], [FLOOD])
        done = programs.run(programs.BENCH, "run", path, "-o", self.out, timeout=120)
        if "exit code 9" in done.stderr:
            self.skipTest("this kernel has no token bucket: " + done.stderr.strip())
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        with open(os.path.join(self.out, "report.json"), encoding="utf-8") as file:
            where = self.assert_closed(json.load(file)["cells"][0]["repetitions"][0])
        self.assertEqual((where["by"], where["difference"], where["unknown"]), ("counters", 0, 0))
        self.assertGreater(where["local_qdisc"], 0)

    def test_blocks_are_known_by_their_numbers(self):
        reports, _ = self.measure([small("gso"), small("batch")], [BLOCKS])
        for key, report in reports:
            with self.subTest(cell=key):
                where = self.assert_closed(report)
                self.assertEqual((where["by"], where["difference"]), ("sequence", 0))

    def test_what_is_only_received_ends_at_the_server(self):
        slow = small("epoll", service="discard", options={"rcvbuf": "8k", "work": "spin:100us"})
        reports, _ = self.measure([slow], [dict(FLOOD, **{"one-way": True})])
        where, server = self.assert_closed(reports[0][1]), reports[0][1]["server"]
        self.assertEqual((where["server"], where["client_buffer"], where["difference"]), (0, 0, 0))
        self.assertEqual(where["arrived"], where["sends"] - where["server_buffer"])
        # What it never got costs it nothing.
        self.assertLess(where["arrived"], where["sends"] / 2)
        if server["cpu_user_ns"] is not None:  # null: so busy a machine that it had not one tick
            each_ns = (server["cpu_user_ns"] + server["cpu_system_ns"]) / where["arrived"]
            self.assertAlmostEqual(each_ns, server["cpu_ns_per_request"], delta=each_ns * 0.01)

    def test_answers_to_a_client_that_has_left_are_the_servers(self):
        """The buffer holds for longer than the client listens."""
        slow = {"rcvbuf": "208k", "work": "sleep:1ms"}
        impatient = dict(FLOOD, rate="4k", warmup=0, timeout="50ms")
        servers = [small(model, options=slow) for model in ("iterative", "batch")]
        for engine in ("uring", "epoll"):
            # 4: so slow a machine that no reply came in time
            reports, _ = self.measure(servers, [dict(impatient, engine=engine)], code=(0, 4))
            self.assertEqual(len(reports), 2)
            for key, report in reports:
                with self.subTest(engine=engine, cell=key):
                    where = self.assert_closed(report)
                    self.assertEqual((where["by"], where["difference"]), ("counters", 0))
                    self.assertGreater(where["server"], 100)

    def test_streams_stay_on_the_host_unless_asked(self):
        server = {"model": "epoll", "transport": "tcp"}
        quick = dict(FLOOD, rate=1000, arrival="constant", timeout="2s")
        reports, done = self.measure([server], [quick])
        self.assertEqual(reports[0][1]["environment"]["namespace"]["kind"], "host")
        self.assertNotIn("Datagrams", done.stdout)
        reports, _ = self.measure([server], [quick], "--namespace", "private")
        self.assertEqual(reports[0][1]["environment"]["namespace"]["kind"], "private")

    def test_a_search_lives_where_a_run_does(self):
        for address, words, kind in (("udp://127.0.0.1:0", (), "private"), ("udp://127.0.0.1:0", ("host",), "host"),
                                     ("tcp://127.0.0.1:0", ("private",), "private")):
            with self.subTest(address=address, words=words):
                done, report = self.search(address, *words)
                self.assertIn(done.returncode, (0, 4), done.stdout + done.stderr)  # 4: a busy machine
                self.assertTrue(report["curve"])
                self.assertEqual(report["config"]["namespace"], words[0] if words else "auto")
                for step in report["curve"]:
                    space = step["report"]["environment"]["namespace"]
                    self.assertEqual(space, {"kind": kind, "reason": None if kind == "private" else "asked for"})
                place = "in a network namespace to themselves: " if kind == "private" else "on the host (asked for): "
                self.assertEqual("Datagrams, " + place + "of " in done.stdout, address.startswith("udp"), done.stdout)
                if address.startswith("udp") and kind == "private":
                    self.assertEqual({self.assert_closed(step["report"])["difference"] for step in report["curve"]}, {0})

    def test_without_privilege_and_a_bench_that_is_killed(self):
        """In a user namespace the kernel forgets who is to die with whom."""
        if not allows(without_privilege):
            self.skipTest("this machine allows no user namespace")
        reports, _ = self.measure([small("epoll")], [FLOOD], preexec_fn=drop_privilege)
        self.assertEqual(reports[0][1]["environment"]["namespace"]["kind"], "private")
        self.assertEqual(self.assert_closed(reports[0][1])["difference"], 0)
        path = self.scenario([small("epoll")], [dict(FLOOD, duration="60s")])
        process = subprocess.Popen([programs.BENCH, "run", path, "-o", os.path.join(self.folder, "killed")],
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, preexec_fn=drop_privilege)
        try:
            until(lambda: {"sockbench-serve", "sockbench-load"} <= set(children_of(process.pid).values()), "both run")
            left = children_of(process.pid)
        finally:
            process.kill()
            process.wait()
        until(lambda: not any(is_alive(pid) for pid in left), "both are gone")


class Host(Case):
    def test_on_the_host_the_rest_is_unknown(self):
        reports, done = self.measure([small("epoll")], [FLOOD], "--namespace", "host")
        report = reports[0][1]
        self.assertEqual(report["environment"]["namespace"], {"kind": "host", "reason": "asked for"})
        where = self.assert_closed(report)
        self.assertEqual((where["by"], where["difference"], where["local_qdisc"]), ("sockets", None, None))
        self.assertIn("Datagrams, on the host (asked for): ", done.stdout)

    def test_what_nobody_counted_is_not_lost(self):
        sink = FOREIGN.replace("s.sendto(data.upper(), peer)", "pass")
        server = {"name": "sink", "transport": "udp", "service": "discard",
                  "command": ["/usr/bin/python3", "-c", sink, "{port}"]}
        reports, done = self.measure([server], [dict(FLOOD, **{"one-way": True})], "--namespace", "host")
        where = reports[0][1]["udp"]["loss_where"]
        self.assertEqual((where["by"], where["arrived"], where["unknown"]), ("sockets", None, None))
        self.assertIn("nobody knows how many arrived", done.stdout)
        self.assertNotIn("were lost", done.stdout)

    def test_a_machine_that_refuses_is_told_why(self):
        if not allows(forbid_namespaces):
            self.skipTest("this machine allows no user namespace in which to forbid others")
        reports, _ = self.measure([small("epoll")], [FLOOD], preexec_fn=forbid_namespaces)
        space = reports[0][1]["environment"]["namespace"]
        self.assertEqual(space, {"kind": "host", "reason": "cannot make one: the limit on namespaces is reached "
                                                                   "(user.max_net_namespaces)"})
        _, done = self.measure([small("epoll")], [FLOOD], code=77, more={"namespace": "private"},
                               preexec_fn=forbid_namespaces)
        self.assertIn("skipped: no private network namespace: the limit on namespaces is reached", done.stderr)
        done, report = self.search("udp://127.0.0.1:0", "private", preexec_fn=forbid_namespaces)
        self.assertEqual((done.returncode, report["curve"]), (77, []))
        self.assertRegex(done.stderr, r"^sockbench: epoll: no private network namespace: the limit on namespaces is "
                                      r"reached \(user\.max_net_namespaces\)\n$")

    def test_a_server_that_answers_twice_is_told_once(self):
        twice = FOREIGN + "    s.sendto(data.upper(), peer)\n"
        server = {"name": "twice", "transport": "udp", "command": ["/usr/bin/python3", "-c", twice, "{port}"]}
        load = {"name": "few", "connections": 1, "requests": 200, "warmup": "0s", "timeout": "200ms"}
        _, done = self.measure([server], [load], code=4)
        told = [line for line in done.stderr.splitlines() if line.startswith("sockbench: ")]
        self.assertEqual(1, len(told), done.stderr)
        self.assertEqual(1, told[0].count("duplicate replies"), told[0])

    def test_a_load_alone_knows_its_own_end(self):
        with programs.serving("epoll", "udp://127.0.0.1:0") as server:
            done = programs.run(programs.LOAD, server.address, "-n", 100, "-w", 0, "--json")
        report = check_load_report(json.loads(done.stdout))
        where = report["udp"]["loss_where"]
        self.assertIsNone(report["environment"]["namespace"])
        self.assertEqual((where["sends"], where["arrived"], where["client_send"], where["client_buffer"]), (100, 100, 0, 0))
        self.assertEqual({where[key] for key in ("by", "server_buffer", "server", "unknown", "difference")}, {None})

    def test_bad_words(self):
        path = self.scenario([small("epoll")], [FLOOD], namespace="mine")
        done = programs.run(programs.BENCH, "run", path)
        self.assertEqual(done.returncode, 2)
        self.assertRegex(done.stderr, r"^\S*mine\.json:1:\d+: namespace must be auto, private or host\n$")
        for words in (("run", path, "--namespace", "mine"), ("find", "--namespace", "mine"),
                      ("find", "--slo", "p50<1s", "--namespace", "private", "udp://127.0.0.1:9")):
            done = programs.run(programs.BENCH, *words)
            self.assertEqual((done.returncode, len(done.stderr.splitlines())), (2, 1))
            self.assertIn("--namespace", done.stderr)


def until(condition, what):
    end = time.monotonic() + 60
    while not condition():
        if time.monotonic() > end:
            raise AssertionError("not in 60 s: " + what)
        time.sleep(0.01)


def is_alive(pid):
    try:
        with open("/proc/%d/stat" % pid, encoding="ascii") as file:
            return file.read().rsplit(")", 1)[1].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


def children_of(pid):
    """pid -> name."""
    found = {}
    with open("/proc/%d/task/%d/children" % (pid, pid), encoding="ascii") as file:
        for child in map(int, file.read().split()):
            with open("/proc/%d/comm" % child, encoding="ascii") as comm:
                found[child] = comm.read().strip()
    return found


if __name__ == "__main__":
    unittest.main(verbosity=2)
