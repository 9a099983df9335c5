"""sockbench-load as its user meets it: words, exit codes, reports, signals."""
import contextlib
import json
import os
import re
import resource
import signal
import socket
import stat
import subprocess
import tempfile
import threading
import time
import unittest

from programs import LOAD, PATIENCE_S, SANITIZED, patient, run, serving, side_by_side
from reports import check_load_report, read_load_report

SHORT = ["-d", "300ms", "-w", "50ms"]


def load(*argv, **options):
    return run(LOAD, *argv, **options)


def load_json(*argv, expect=0, **options):
    result = load(*(patient(argv) if "-n" in argv else argv), "--json", **options)
    assert result.returncode == expect, (result.returncode, result.stderr)
    return check_load_report(json.loads(result.stdout))


TCP, UDP, UNIX, UNIX_DGRAM = "tcp://127.0.0.1:9 ", "udp://127.0.0.1:9 ", "unix:@nobody ", "unix-dgram:@nobody "
# The loads for which an option would mean nothing.
VAIN = {
    "reconnect-every": (UDP + "--reconnect-every 1", TCP + "--service greeting --reconnect-every 2",
                        TCP + "-r 1k --reconnect-every 1"),
    "pipeline": (TCP + "-r 1k -P 2", TCP + "-P 2 --reconnect-every 1", TCP + "-P 2 --service greeting"),
    "arrival": (TCP + "--arrival constant", UDP + "--rate 0 --arrival constant"),
    "max-inflight": (TCP + "--max-inflight 9", UDP + "-r 1k --one-way --max-inflight 9"),
    "pacing": (TCP + "--pacing spin",),
    "size": (TCP + "--service greeting -s 65",),
    "udp-offload": (TCP + "--udp-offload on", UNIX_DGRAM + "--udp-offload on", UDP + "-r 1k --udp-offload on"),
    "path": (TCP + "--path link", UNIX + "--path link", UDP + "--engine null --path link"),
    "max-loss": (TCP + "--max-loss 0.1", UDP + "--one-way --max-loss 0.1"),
    "per-flow": (TCP + "--per-flow", UDP + "--one-way --per-flow", UDP + "--per-flow -s 19"),
    "one-way": (TCP + "--one-way",),
    "server-trace": (TCP + "--server-trace /dev/null", UDP + "--engine null --server-trace /dev/null"),
    "source": (UNIX + "--source 127.0.0.2", TCP + "--engine null --source 127.0.0.2"),
    "idle-clients": (UDP + "--idle-clients 1:1s", TCP + "--service greeting --idle-clients 1:1s",
                     TCP + "--engine null --idle-clients 1:1s"),
    "unconnected": (TCP + "--unconnected", UNIX_DGRAM + "--unconnected", UDP + "--engine null --unconnected"),
    "nodelay": (UDP + "--nodelay off", UNIX + "--nodelay off", TCP + "--engine null --nodelay off"),
    "tcp-cc": (UDP + "--tcp-cc reno", UNIX + "--tcp-cc reno", TCP + "--engine null --tcp-cc reno"),
    "rcvbuf": (UNIX + "--rcvbuf 64k", TCP + "--engine null --rcvbuf 64k"),
    "sndbuf": (TCP + "--engine null --sndbuf 64k",),
    "remote-max-connections": (TCP + "--remote-max-connections 9",),
    "remote-max-rate": (UDP + "--remote-max-rate 9",),
    "remote-max-bits": (UNIX + "--remote-max-bits 9",),
    "no-verify": (UDP + "--one-way --no-verify",),
    "hlog": (UDP + "--one-way --hlog x",),
    "hgrm": (UDP + "--one-way --hgrm x",),
}
EVERYWHERE = {"connections", "threads", "duration", "requests", "rate", "rate-per-conn", "warmup", "service", "engine",
              "timeout", "connect-rate", "cpus", "server-cpus", "seed", "interval", "allow-remote", "label", "json",
              "json-stream", "output", "quiet", "help", "version"}


class Words(unittest.TestCase):
    def refused(self, code, *argv, says):
        result = load(*argv)
        self.assertEqual(result.returncode, code, result.stderr)
        self.assertEqual(result.stdout, "")
        self.assertEqual(result.stderr.count("\n"), 1, result.stderr)
        self.assertIn(says, result.stderr)

    def test_bad_words_are_one_line_and_2(self):
        address = "tcp://127.0.0.1:7000"
        self.refused(2, says="which server?")
        self.refused(2, address, address, says="one too many")
        self.refused(2, "127.0.0.1:7000", says="not an address")
        self.refused(2, "tcp://127.0.0.1:0", says="port is 0")
        self.refused(2, address, "--conections", "8", says="did you mean '--connections'?")
        self.refused(2, address, "-c", "0", says="--connections '0': the least is 1")
        self.refused(2, address, "-d", "10", says="a duration such as")
        self.refused(2, address, "--udp-offload", "on", says="blocks are for UDP")
        self.refused(2, "unix-dgram:@nobody", "--udp-offload", "on", says="blocks are for UDP")
        self.refused(2, "udp://127.0.0.1:9", "--udp-offload", "on", "-r", "10", says="open loop")
        self.refused(2, address, "-s", "0", says="no empty requests")
        self.refused(2, "udp://127.0.0.1:7000", "-s", "65508", says="65507")
        self.refused(2, "udp://127.0.0.1:7000", "--reconnect-every", "1", says="no connections")
        self.refused(2, address, "-d", "1s", "-n", "5", says="one of the two")
        self.refused(2, address, "-t", "9", "-c", "8", says="more than the 8 connections")
        self.refused(2, address, "--service", "shout", says="echo|upper")
        self.refused(2, address, "--service", "discard", says="(echo, upper, ok and greeting answer)")
        self.refused(2, address, "--label", "x", says="key=value")
        self.refused(2, address, "--label", "a=1,=2", says="key=value")
        self.refused(2, address, "--cpus", "x", says="a list of CPUs")
        self.refused(2, address, "-o", "/no/such/folder/x.json", says="No such file or directory")

    def test_nobody_but_this_machine_is_loaded(self):
        self.refused(2, "tcp://192.0.2.1:7000", says="only loopback")
        self.refused(2, "udp://224.0.0.1:7000", says="multicast")
        self.refused(2, "udp://255.255.255.255:7000", says="broadcast")

    def test_help_and_version(self):
        for word in ("--help", "-h"):
            result = load(word)
            self.assertEqual((result.returncode, result.stderr), (0, ""))
            self.assertIn("--connections N", result.stdout)
        self.assertIn("sockbench-load", load("--version").stdout)

    def test_a_full_stdout_is_a_failure(self):
        with open("/dev/full", "w") as full:
            result = subprocess.run([LOAD, "--help"], stdout=full, stderr=subprocess.PIPE)
        self.assertEqual(result.returncode, 1)

    def test_nobody_listens(self):
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))  # bound, not listening: the port stays ours
            port = s.getsockname()[1]
            self.refused(1, "tcp://127.0.0.1:%d" % port, "-d", "100ms", says="connection refused")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.bind(("127.0.0.1", 0))
            free = s.getsockname()[1]
        self.refused(1, "udp://127.0.0.1:%d" % free, "-d", "1s", says="connection refused")
        with tempfile.TemporaryDirectory() as folder:
            self.refused(1, "unix:%s/none" % folder, "-d", "1s", says="no socket of this name")
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
                s.bind(folder + "/datagrams")
                self.refused(1, "unix:%s/datagrams" % folder, "-d", "1s", says="wrong type for socket")
            with socket.socket(socket.AF_UNIX) as s:
                s.bind(folder + "/stream")
                self.refused(1, "unix-dgram:%s/stream" % folder, "-d", "1s", says="wrong type for socket")

    def test_limits_are_foreseen(self):
        def few():
            resource.setrlimit(resource.RLIMIT_NOFILE, (100, 100))
        result = load("tcp://127.0.0.1:9", "-c", "200", preexec_fn=few)
        self.assertEqual(result.returncode, 77)
        self.assertIn("200 connections need", result.stderr)
        self.assertIn("100 are allowed", result.stderr)

    def test_cpus_that_are_not_there(self):
        self.refused(77, "tcp://127.0.0.1:9", "--cpus", "900", says="only CPUs")
        self.refused(77, "tcp://127.0.0.1:9", "--server-cpus", "900",
                     says="--server-cpus '900': this machine has CPUs ")

    def test_an_option_that_would_change_nothing_is_refused(self):
        for option, loads in VAIN.items():
            for words in loads:
                with self.subTest(option=option, words=words):
                    self.refused(2, *words.split(), says="--%s" % option)

    def test_every_option_is_known_to_the_test_before(self):
        told = set(re.findall(r"^  (?:-\w,|   ) --([a-z-]+)", load("--help").stdout, re.MULTILINE))
        self.assertEqual(set(VAIN) | EVERYWHERE, told)
        self.assertEqual(set(VAIN) & EVERYWHERE, set())

    def test_a_default_may_be_typed_where_it_means_nothing(self):
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))  # bound, not listening
            words = ("--arrival poisson --pacing auto --path direct --max-loss 1 --nodelay on --udp-offload off "
                     "--remote-max-rate 10k")
            self.refused(1, "tcp://127.0.0.1:%d" % s.getsockname()[1], *words.split(), says="connection refused")


class Runs(unittest.TestCase):
    def test_both_engines_both_transports_every_frame(self):
        for address, model in (("tcp://127.0.0.1:0", "epoll"), ("udp://127.0.0.1:0", "epoll"),
                               ("tcp://[::1]:0", "thread"), ("udp://[::1]:0", "iterative")):
            with serving(model, address) as server:
                def check(what):
                    _, engine, size, flows, depth = what
                    report = load_json(server.address, "-c", flows, "-n", 500, "-w", "20ms", "-P", depth, "-s", size,
                                       "--engine", engine, "--timeout", "1s")
                    self.assertEqual(report["accounting"]["ok"], 500)
                    self.assertEqual(report["load"]["engine"], engine)
                    self.assertEqual(report["load"]["frame"], "none" if size < 20 else "tiny" if size < 40 else "full")
                    self.assertEqual(report["load"]["flows"]["served"], flows)

                # They mostly wait for what may still come.
                side_by_side(self, [(address, engine, size, 5, 3) for engine in ("uring", "epoll")
                                    for size in (1, 19, 20, 39, 40, 64, 1400)], check, at_once=7)
                # Two of the largest fit any receive buffer; more would be lost at times.
                side_by_side(self, [(address, engine, 60000, 2, 1) for engine in ("uring", "epoll")], check, at_once=1)

    def test_empty_datagrams(self):
        with serving("iterative", "udp://127.0.0.1:0") as server:
            report = load_json(server.address, "-c", 3, "-n", 300, "-w", 0, "-s", 0)
            self.assertEqual(report["accounting"]["ok"], 300)
            self.assertEqual(report["udp"]["loss_known_by"], "count")
            self.assertIn("empty datagram", report["load"]["engine_note"])

    def test_a_lone_connection_waits_in_recv_and_still_ends_on_time(self):
        for address in ("tcp://127.0.0.1:0", "udp://127.0.0.1:0", "unix:@lone-%d" % os.getpid()):
            with self.subTest(address=address), serving("iterative", address, "--service", "upper") as server:
                lone = [server.address, "--engine", "epoll", "--service", "upper", "-c", "1", "-w", "50ms",
                        "--timeout", "200ms"]
                self.assertEqual(load_json(*lone, "-n", "2000")["accounting"]["ok"], 2000)
                report = load_json(*lone, "-d", "300ms")
                self.assertGreater(report["accounting"]["ok"], 0)
                self.assertEqual(report["window"]["length_ns"], 300000000)

    def test_requests_larger_than_the_socket_takes_arrive_whole_and_in_order(self):
        with serving("epoll", "tcp://127.0.0.1:0", "--service", "upper") as server:
            for engine in ("epoll", "uring"):
                for more in (["-P", "8"], ["-r", "2k"], ["-P", "3", "-s", "uniform:40,300k"]):
                    with self.subTest(engine=engine, more=more):
                        report = load_json(server.address, "--engine", engine, "--service", "upper", "-s", "200k", "-c",
                                           "4", "-n", "60", "-w", "0", "--sndbuf", "4k", "--timeout", "20s", *more)
                        self.assertEqual(report["accounting"]["ok"], 60)

    def test_udp_in_blocks_is_right_and_recorded(self):
        """Blocks or not: every datagram is answered, whoever serves."""
        def check(what):
            host, model, service = what
            with serving(model, "udp://%s:0" % host, "--service", service) as server:
                # No more in flight than a socket holds, or some are lost.
                for size, flows, depth in ((64, 3, 32), (19, 3, 8), (1400, 3, 20), (20000, 1, 3), (1, 3, 64)):
                    report = load_json(server.address, "-c", flows, "-n", 3000, "-w", "20ms", "-P", depth, "-s", size,
                                       "--service", service, "--udp-offload", "on", "--timeout", "1s")
                    self.assertEqual(report["accounting"]["ok"], 3000, size)
                    self.assertEqual(report["udp"]["duplicate"], 0, size)
                    self.assertTrue(report["load"]["udp_offload"])
                    self.assertIsNone(report["load"]["udp_offload_note"])
                    self.assertEqual(report["load"]["engine"], "epoll")

        side_by_side(self, [(host, *of) for host in ("127.0.0.1", "[::1]")
                            for of in (("gso", "upper"), ("gso", "ok"), ("iterative", "echo"))], check, at_once=6)

    def test_why_udp_is_not_sent_in_blocks(self):
        with serving("epoll", "udp://127.0.0.1:0") as server:
            for words, why in ((("-P", 7), "fewer than 8"), (("-P", 8, "--udp-offload", "off"), "--udp-offload off"),
                               (("-r", "1k"), "open loop"), (("-P", 8, "--engine", "uring"), "one by one"),
                               (("-P", 8, "-s", 40000), "no two datagrams")):
                report = load_json(server.address, "-c", 2, "-n", 20, "-w", 0, "--timeout", "250ms", *words)
                self.assertFalse(report["load"]["udp_offload"])
                self.assertIn(why, report["load"]["udp_offload_note"])
            report = load_json(server.address, "-c", 2, "-n", 20, "-w", 0, "-P", 2, "--udp-offload", "on")
            self.assertTrue(report["load"]["udp_offload"])

    def test_counts_do_not_depend_on_threads_or_engine(self):
        keys = ("scheduled", "sent", "ok", "error", "timeout", "unfinished")
        seen = set()
        with serving("epoll", "tcp://127.0.0.1:0") as server:
            for engine in ("uring", "epoll"):
                for threads in (1, 2, 3):
                    report = load_json(server.address, "-c", 7, "-n", 1003, "-t", threads, "--engine", engine,
                                       "-w", "20ms", "--reconnect-every", 10)
                    seen.add(tuple(report["accounting"][k] for k in keys))
        self.assertEqual(seen, {(1003, 1003, 1003, 0, 0, 0)})

    def test_one_request_a_connection_has_connect_latencies(self):
        with serving("iterative", "tcp://127.0.0.1:0") as server:
            for engine in ("uring", "epoll"):
                report = load_json(server.address, "-c", 4, "-n", 400, "-w", 0, "--reconnect-every", 1,
                                   "--engine", engine)
                self.assertEqual(report["load"]["flows"]["served"], 4)
                self.assertEqual(report["accounting"]["ok"], 400)
                # The first four were made before the window.
                self.assertEqual(report["latency"]["connect"]["count"], 396)
                self.assertEqual(report["load"]["connections_opened"], 400)

    def test_an_iterative_server_serves_one_of_many_and_that_is_a_measurement(self):
        with serving("iterative", "tcp://127.0.0.1:0") as server:
            report = load_json(server.address, "-c", 8, *SHORT)
            self.assertEqual(report["load"]["flows"], {"offered": 8, "connected": 8, "served": 1, "unserved": 7})
            self.assertIn(report["verdict"]["status"], ("ok", "unstable", "generator_bound"))
            text = load(server.address, "-c", 8, *SHORT)
            self.assertIn("1 of 8 served", text.stdout)

    def test_the_window_is_its_actual_length_and_intervals_add_up(self):
        with serving("epoll", "tcp://127.0.0.1:0") as server:
            report = load_json(server.address, "-c", 4, "-t", 2, "-d", "500ms", "-w", "50ms", "-i", "100ms")
            self.assertEqual(report["window"]["length_ns"], 500_000_000)
            self.assertEqual(len(report["intervals"]), 5)
            done = sum(row["completed"] for row in report["intervals"])
            self.assertEqual(round(report["throughput"]["requests_per_s"] / 2), done)
            self.assertIsNotNone(report["throughput"]["interval_median_per_s"])

    def test_text_is_made_for_people(self):
        with serving("epoll", "tcp://127.0.0.1:0") as server:
            full = load(server.address, "-c", 4, *SHORT)
            self.assertEqual((full.returncode, full.stderr), (0, ""))
            self.assertIn("every byte of every reply checked", full.stdout)
            self.assertIn("verdict", full.stdout)
            brief = load(server.address, "-c", 4, "-q", *SHORT)
            self.assertEqual(brief.stdout.count("\n"), 2)
            unverified = load(server.address, "-c", 4, "--no-verify", *SHORT)
            self.assertIn("not checked", unverified.stdout)
            short = load(server.address, "-c", 4, "-s", 19, *SHORT)
            self.assertIn("below 20 bytes a request has no number", short.stdout)

    def test_labels_seed_and_words_are_kept(self):
        with serving("epoll", "tcp://127.0.0.1:0") as server:
            report = load_json(server.address, "-n", 100, "-w", 0, "--label", "who=me", "--label", "when=now", "--seed", 9)
            self.assertEqual(report["run"]["labels"], {"who": "me", "when": "now"})
            self.assertEqual(report["run"]["seed"], 9)
            self.assertEqual(report["run"]["argv"][1], server.address)
            self.assertEqual(report["config"]["requests"], 100)


class Files(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.path = os.path.join(self.folder.name, "report.json")
        self.addCleanup(self.folder.cleanup)

    def test_a_report_is_written_whole_and_alone(self):
        with serving("epoll", "tcp://127.0.0.1:0") as server:
            for umask in (0o027, 0o077):  # the second one finds a file that has its mode
                result = load(server.address, "-n", 50, "-w", 0, "-o", self.path, umask=umask)
                self.assertEqual(result.returncode, 0)
                read_load_report(self.path)
                self.assertEqual(stat.S_IMODE(os.stat(self.path).st_mode), 0o640)
        self.assertEqual(os.listdir(self.folder.name), ["report.json"])

    def test_a_report_that_cannot_be_written_leaves_the_earlier_one(self):
        with serving("epoll", "tcp://127.0.0.1:0") as server:
            self.assertEqual(load(server.address, "-n", 50, "-w", 0, "-o", self.path).returncode, 0)
            with open(self.path, "rb") as file:
                before = file.read()

            def small_files():
                resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
            result = load(server.address, "-n", 50, "-w", 0, "-q", "-o", self.path, preexec_fn=small_files)
            self.assertEqual(result.returncode, 1)
            self.assertIn("cannot write", result.stderr)
        with open(self.path, "rb") as file:
            self.assertEqual(file.read(), before)
        self.assertEqual(os.listdir(self.folder.name), ["report.json"])


    def test_a_link_stays_a_link_and_what_is_no_file_is_not_replaced(self):
        target = os.path.join(self.folder.name, "target.json")
        os.symlink("target.json", self.path)
        with serving("epoll", "tcp://127.0.0.1:0") as server:
            self.assertEqual(load(server.address, "-n", 50, "-w", 0, "-o", self.path).returncode, 0)
            self.assertTrue(os.path.islink(self.path))
            read_load_report(target)
            self.assertEqual(load(server.address, "-n", 50, "-o", self.folder.name).returncode, 2)
            self.assertEqual(load(server.address, "-n", 50, "-o", "").returncode, 2)
            self.assertEqual(load(server.address, "-n", 50, "-o", "-").returncode, 2)
            full = os.path.join(self.folder.name, "full")
            try:  # a /dev/full of our own
                os.mknod(full, 0o666 | stat.S_IFCHR, os.makedev(1, 7))
            except PermissionError as error:
                self.skipTest("no device can be made: %s" % error)
            result = load(server.address, "-n", 50, "-w", 0, "-q", "-o", full)
            self.assertEqual(result.returncode, 1, result.stderr)
            self.assertIn("No space left", result.stderr)
            self.assertTrue(stat.S_ISCHR(os.stat(full).st_mode))


class Faults(unittest.TestCase):
    @contextlib.contextmanager
    def under_way(self, *argv):
        """A load that has had its first replies."""
        words = [LOAD, *map(str, argv), "-w", "0", "--json-stream", "-i", "100ms"]
        with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            limit = threading.Timer(PATIENCE_S, process.kill)
            limit.start()
            try:
                for line in process.stdout:
                    if json.loads(line).get("completed", 0) > 0:
                        break
                yield process
            finally:
                limit.cancel()
                process.kill()

    def ended(self, process, code):
        """(the report, what was said on stderr)."""
        last = process.stdout.readlines()[-1]
        err = process.stderr.read()
        self.assertEqual(process.wait(), code, err)
        return check_load_report(json.loads(last)["report"]), err

    def killed_under(self, model, address, *words):
        """(how long it took to end, the report, what was said)."""
        with serving(model, address) as server, self.under_way(server.address, "-d", "60s", *words) as process:
            os.kill(server.pid, signal.SIGKILL)
            begin = time.monotonic()
            report, err = self.ended(process, 4)
            took_s = time.monotonic() - begin
        self.assertEqual(err.count("\n"), 1, err)
        self.assertFalse(report["run"]["complete"])
        self.assertGreater(report["accounting"]["ok"], 0)
        self.assertEqual(report["verdict"]["status"], "invalid")
        return took_s, report, err

    def ends_in_time(self, *words):
        took_s = []
        while len(took_s) < 3:  # a busy machine may hold one of three up
            took, report, err = self.killed_under(*words)
            took_s.append(took)
            if took < (4 if SANITIZED else 2):
                return report, err
        self.fail("%s s" % took_s)

    def test_a_killed_server_is_4_within_2_seconds_and_counts_are_kept(self):
        for engine in ("uring", "epoll"):
            # 64: that many failures at once are more than an engine tells in one go.
            with self.subTest(engine=engine):
                _, err = self.ends_in_time("epoll", "tcp://127.0.0.1:0", "-c", 64, "--engine", engine)
                self.assertRegex(err, "refused|reset|closed")

    def test_a_killed_server_on_datagrams_is_4_too(self):
        for words in (("--engine", "uring", "-r", 1000), ("--engine", "epoll", "-r", 1000),
                      ("--engine", "epoll", "-P", 4), ("-P", 16, "--udp-offload", "on")):
            with self.subTest(words=words):
                report, _ = self.ends_in_time("epoll", "udp://127.0.0.1:0", "-c", 3, "--timeout", "300ms", *words)
                reasons = " ".join(report["verdict"]["reasons"])
                self.assertIn("nobody listens there", reasons)
                self.assertNotIn("connection", reasons)

    def test_a_killed_server_on_unix_datagrams_is_4_too(self):
        address = "unix-dgram:@sockbench-killed-%d" % os.getpid()
        for engine in ("uring", "epoll"):
            with self.subTest(engine=engine):
                report, _ = self.ends_in_time("epoll", address, "-c", 4, "--engine", engine)
                self.assertIn("nobody listens there", " ".join(report["verdict"]["reasons"]))

    def test_unix_datagrams_that_find_the_servers_queue_full_are_refused(self):
        # It holds ten or so; who waited in the ring for room would send an empty one.
        address = "unix-dgram:@sockbench-full-%d" % os.getpid()
        for engine in ("uring", "epoll"):
            with self.subTest(engine=engine), serving("epoll", address):
                report = load_json(address, "-c", 32, "-d", "300ms", "-w", 0, "--engine", engine)
                accounting = report["accounting"]
                self.assertEqual(accounting["error"], accounting["errors"]["would_block"])
                self.assertEqual((accounting["timeout"], report["udp"]["corrupt"], report["udp"]["lost"]), (0, 0, 0))

    def test_a_stopped_server_is_noticed(self):
        with serving("epoll", "tcp://127.0.0.1:0") as server, \
                self.under_way(server.address, "-c", 8, "-d", "60s", "--timeout", "300ms") as process:
            os.kill(server.pid, signal.SIGSTOP)
            try:
                report, _ = self.ended(process, 4)
            finally:
                os.kill(server.pid, signal.SIGCONT)
            self.assertIn("no reply", report["run"]["reason"])
            self.assertGreater(report["accounting"]["timeout"], 0)

    def test_a_signal_keeps_the_report(self):
        for number, code in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
            with self.subTest(signal=number), serving("epoll", "tcp://127.0.0.1:0") as server, \
                    self.under_way(server.address, "-c", 8, "-d", "60s") as process:
                process.send_signal(number)
                report, _ = self.ended(process, code)
                self.assertFalse(report["run"]["complete"])
                self.assertEqual(report["run"]["reason"], "interrupted")
                self.assertGreater(report["accounting"]["ok"], 0)

    def test_a_signal_in_the_warm_up_leaves_nothing_measured(self):
        with socket.create_server(("127.0.0.1", 0)) as server:
            address = "tcp://127.0.0.1:%d" % server.getsockname()[1]
            process = subprocess.Popen([LOAD, address, "-c", "1", "-w", "60s", "--timeout", "100ms"],
                                       stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            with server.accept()[0] as client:
                client.recv(1)  # the warm-up has begun
                process.send_signal(signal.SIGINT)
                out, err = process.communicate(timeout=30)
        self.assertEqual(process.returncode, 130, err)
        self.assertEqual(out.splitlines()[1],
                         "nothing was measured: the run ended before its window began -- 0 of 1 served")
        for figure in ("0 requests/s", "p50 -", "of the window", "no request was answered", "every byte"):
            self.assertNotIn(figure, out)

    def test_a_signal_while_it_connects_keeps_a_report_too(self):
        with socket.create_server(("127.0.0.1", 0)) as server:
            address = "tcp://127.0.0.1:%d" % server.getsockname()[1]
            process = subprocess.Popen([LOAD, address, "-c", "60", "--connect-rate", "2", "--json"],
                                       stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            self.addCleanup(process.kill)
            server.accept()[0].close()  # it has begun, and goes on for half a minute
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=15)
        self.assertEqual((process.returncode, err.count("\n")), (130, 1), err)
        self.assertEqual(check_load_report(json.loads(out))["run"]["reason"], "interrupted")

    def test_refused_connections_are_named(self):
        with serving("thread", "tcp://127.0.0.1:0", "--max-clients", 4) as server:
            result = load(server.address, "-c", 8, *SHORT)
            self.assertEqual(result.returncode, 4, result.stdout)
            self.assertIn("closed", result.stdout)

    def test_ports_that_run_out_are_named(self):
        # A private network, where the ports are few and nobody else's.
        probe = run("unshare", "-Urn", "true")
        if probe.returncode != 0:
            self.skipTest("no private network namespace: " + probe.stderr.strip())
        script = """
            ip link set lo up &&
            echo 40000 40049 >/proc/sys/net/ipv4/ip_local_port_range &&
            exec "$1" tcp://127.0.0.1:7000 -c 60 -d 100ms"""
        result = run("unshare", "-Urn", "sh", "-c", script, "sh", LOAD)
        self.assertEqual(result.returncode, 77, result.stderr)
        self.assertIn("60 connections from one address need as many ports, 50 are there", result.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
