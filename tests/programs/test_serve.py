"""sockbench-serve as a program: its words, exit codes, signals and output."""
import json
import os
import re
import socket
import subprocess
import unittest

from programs import SERVE, run, serving

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")
LOOPBACK = "tcp://127.0.0.1:0"
COUNTERS = ["accepted", "refused", "closed", "timed_out", "accept_pauses", "reads", "writes", "bytes_in", "bytes_out",
            "send_errors", "datagrams_refused", "socket_drops", "per_worker"]


class Words(unittest.TestCase):
    def refused(self, code, text, *argv):
        result = run(SERVE, *argv)
        self.assertEqual((result.returncode, result.stdout), (code, ""), argv)
        self.assertEqual(result.stderr, "sockbench-serve: %s\n" % text)

    def test_no_word_at_all(self):
        self.refused(2, "no --model (try --help, or --list)")

    def test_no_model(self):
        self.refused(2, "no --model: --list shows them", "--listen", LOOPBACK)

    def test_an_unknown_model_gets_the_nearest_name(self):
        self.refused(2, "unknown model 'epol' (did you mean 'epoll'?)", "--model", "epol")
        self.refused(2, "unknown model 'Epoll' (did you mean 'epoll'?)", "--model", "Epoll")
        self.refused(2, "unknown model 'thred' (did you mean 'threads'?)", "--model", "thred", "--listen", "udp://127.0.0.1:0")
        self.refused(2, "unknown model 'zzzzzzzzzz' (see --list)", "--model", "zzzzzzzzzz")

    def test_a_model_of_the_other_transport(self):
        self.refused(2, "model 'thread' serves streams, and udp://127.0.0.1:0 is for datagrams (see --list)",
                     "--model", "thread", "--listen", "udp://127.0.0.1:0")

    def test_an_unknown_service_gets_the_nearest_name(self):
        self.refused(2, "unknown service 'uper' (did you mean 'upper'?)",
                     "--model", "epoll", "--listen", LOOPBACK, "--service", "uper")

    def test_an_unknown_option_gets_the_nearest_name(self):
        self.refused(2, "unknown option '--modle' (did you mean '--model'?)", "--modle", "epoll")

    def test_bad_values(self):
        for text, *argv in (
                ("--workers '0': the least is 1", "--workers", 0),
                ("--work 'nap:1s': sleep:10ms or spin:20us", "--work", "nap:1s"),
                ("--work 'sleep:1': sleep:10ms or spin:20us", "--work", "sleep:1"),
                ("--nodelay 'yes': on or off", "--nodelay", "yes"),
                ("--cpus 'one': a list of CPUs such as 0,2-3", "--cpus", "one"),
                ("--idle-timeout '10': a duration such as 10s or 250ms", "--idle-timeout", 10),
                ("--json: only with --list", "--json"),
                ("unexpected word 'epoll' (see --help)", "epoll")):
            with self.subTest(argv=argv):
                self.refused(2, text, "--model", "epoll", "--listen", LOOPBACK, *argv)

        absent = run(SERVE, "--model", "epoll", "--cpus", "1023")
        self.assertRegex(absent.stderr, r"^sockbench-serve: --cpus '1023': only CPUs [\d,-]+ may be used here\n$")
        self.assertEqual(absent.returncode, 77)
        self.refused(2, "--ring-buffers: a power of two", "--model", "uring", "--ring-buffers", 3)

    def test_descriptors_that_nobody_opened(self):
        for option in ("--ready-fd", "--counters-fd"):
            self.refused(2, "%s '99': Bad file descriptor" % option,
                         "--model", "epoll", "--listen", LOOPBACK, option, 99)

    def test_descriptors_that_cannot_be_written_to(self):
        reader, writer = os.pipe()
        try:
            for option in ("--ready-fd", "--counters-fd"):
                result = run(SERVE, "--model", "epoll", "--listen", LOOPBACK, option, reader, pass_fds=[reader])
                self.assertEqual((result.returncode, result.stdout, result.stderr), (
                    2, "", "sockbench-serve: %s '%d': not open for writing\n" % (option, reader)))
        finally:
            os.close(reader)
            os.close(writer)

    def test_bad_addresses(self):
        for address in ("tcp://", "tcp://127.0.0.1", "127.0.0.1:1", "tcp://127.0.0.1:65536", "udp://224.0.0.1:7000"):
            with self.subTest(address=address):
                result = run(SERVE, "--model", "iterative", "--listen", address)
                self.assertEqual((result.returncode, result.stdout), (2, ""))
                self.assertEqual(result.stderr.count("\n"), 1)
                self.assertIn("--listen '%s'" % address, result.stderr)


class Needs(unittest.TestCase):
    """What cannot apply says so: every option with every model, on every kind of socket."""

    # A value of each option of --help, but for those that say where the words end: a descriptor that is not open is
    # found last of all words, so whoever complains of it has taken the others.
    VALUES = {
        "service": "echo", "one-request": None, "close-word": "x", "exit-after": 1, "workers": 1, "max-clients": 9,
        "backlog": 9, "buffer": 9000, "rcvbuf": 9000, "sndbuf": 9000, "nodelay": "off", "tcp-cc": "reno",
        "work": "spin:1us", "cpus": str(min(os.sched_getaffinity(0))), "steer": "cpu", "idle-timeout": "1s",
        "io-timeout": "1s", "counters-fd": 2, "trace": "/nowhere", "trace-records": 9, "ring-entries": 8,
        "cq-entries": 16, "ring-buffers": 2, "verbose": None}
    NO_WORDS_OF_A_SERVER = {"model", "listen", "ready-fd", "list", "json", "help", "version"}
    THE_END = "--ready-fd '99': Bad file descriptor"
    STREAMS = {"one-request", "close-word", "backlog", "buffer", "idle-timeout", "io-timeout"}
    TCP = {"nodelay", "tcp-cc"}
    DATAGRAMS = {"trace", "trace-records"}
    INET = {"rcvbuf", "steer"}
    RINGS = {"ring-entries", "cq-entries", "ring-buffers"}
    ADDRESSES = {"stream": (LOOPBACK, "unix:@sockbench-test"), "datagram": ("udp://[::1]:0", "unix-dgram:@sockbench-test")}

    def says(self, model, address, names):
        words = [word for name in names for word in ("--" + name, self.VALUES[name]) if word is not None]
        result = run(SERVE, "--model", model, "--listen", address, "--ready-fd", 99, *words)
        self.assertEqual((result.returncode, result.stdout, result.stderr.count("\n")), (2, "", 1), result)
        return result.stderr.strip().split(": ", 1)[1]

    def without_effect(self, row, address):
        """By name -> of what it is said."""
        model, kind = "model " + row["name"], row["transport"] + "s"
        names = dict.fromkeys(self.DATAGRAMS if kind == "streams" else self.STREAMS | self.TCP, kind)
        if address.startswith("unix"):
            names.update(dict.fromkeys((self.TCP - set(names)) | self.INET, "Unix sockets"))
        names.update((name, model) for takes, options in (
            ("takes_workers", {"workers"}), ("takes_steering", {"steer"}), ("takes_max_clients", {"max-clients"}),
            ("takes_ring_options", self.RINGS)) if not row[takes] for name in options)
        return names

    def test_every_option_is_here(self):
        told = set(re.findall(r"^ {2}(?:-\w, | {4})--([a-z-]+)", run(SERVE, "--help").stdout, re.MULTILINE))
        self.assertEqual(told, set(self.VALUES) | self.NO_WORDS_OF_A_SERVER)

    def test_what_is_without_effect_is_refused_and_the_rest_is_taken(self):
        rows = json.loads(run(SERVE, "--list", "--json").stdout)
        told = set()  # what is said of a kind of socket is said of it with any model
        for row in rows:
            for address in self.ADDRESSES[row["transport"]]:
                with self.subTest(model=row["name"], address=address):
                    if "know no segments" in self.says(row["name"], address, ()):
                        continue
                    refused = self.without_effect(row, address)
                    self.assertEqual(self.says(row["name"], address, set(self.VALUES) - set(refused)), self.THE_END)
                    here = {(row["transport"], name, of) for name, of in refused.items()}
                    for _, name, of in sorted(here - told):
                        self.assertRegex(self.says(row["name"], address, [name]),
                                         "^--%s does not apply to %s: ." % (name, of))
                    told |= here

    def test_a_default_that_is_typed_asks_for_nothing(self):
        words = ["--nodelay", "on", "--buffer", "65536", "--backlog", "4096", "--idle-timeout", "60s"]
        result = run(SERVE, "--model", "iterative", "--listen", "udp://127.0.0.1:0", "--ready-fd", 99, *words)
        self.assertIn(self.THE_END, result.stderr)

    def test_models_say_truly_what_they_take(self):
        rows = json.loads(run(SERVE, "--list", "--json").stdout)
        rings = {(row["name"], row["transport"]) for row in rows if row["takes_ring_options"]}
        self.assertEqual(rings, {("uring", "stream"), ("uring-multishot", "stream"), ("uring", "datagram")})
        limited = {row["name"] for row in rows if row["takes_max_clients"] and row["transport"] == "datagram"}
        self.assertEqual(limited, {"fork"})
        unlimited = {row["name"] for row in rows if not row["takes_max_clients"] and row["transport"] == "stream"}
        self.assertEqual(unlimited, {"iterative", "prefork"})

    def test_what_depends_on_another_word(self):
        for text, *words in (
                ("--one-request does not apply to service greeting: it reads no request",
                 "--service", "greeting", "--one-request"),
                ("--work does not apply to service greeting: it reads no request",
                 "--work", "spin:1us", "--service", "greeting"),
                ("--trace-records does not apply to a server without --trace: it notes nothing",
                 "--listen", "udp://127.0.0.1:0", "--trace-records", 9),
                ("service greeting does not apply to datagrams: they have no connection",
                 "--listen", "udp://127.0.0.1:0", "--service", "greeting")):
            result = run(SERVE, "--model", "iterative", *words)
            self.assertEqual((result.returncode, result.stderr), (2, "sockbench-serve: %s\n" % text))


class Machine(unittest.TestCase):
    def test_a_port_that_is_taken(self):
        with serving("epoll", LOOPBACK) as server:
            result = run(SERVE, "--model", "thread", "--listen", server.address)
            self.assertEqual((result.returncode, result.stdout), (1, ""))
            self.assertEqual(result.stderr,
                             "sockbench-serve: cannot bind %s: Address already in use\n" % server.address)

    @unittest.skipIf(os.geteuid() != 0, "needs root, to become nobody with a known limit")
    def test_a_privileged_port(self):
        with open("/proc/sys/net/ipv4/ip_unprivileged_port_start") as file:
            if int(file.read()) <= 80:
                self.skipTest("port 80 is for everybody here")

        def become_nobody():
            os.setgid(65534)
            os.setuid(65534)
        if run("/bin/test", "-x", SERVE, preexec_fn=become_nobody).returncode != 0:
            self.skipTest("nobody may not run the program where it is built")
        result = run(SERVE, "--model", "epoll", "--listen", "tcp://127.0.0.1:80", preexec_fn=become_nobody)
        self.assertEqual(result.returncode, 1)
        self.assertEqual(result.stderr, "sockbench-serve: cannot bind tcp://127.0.0.1:80: Permission denied\n")

    def test_strangers_are_warned_of(self):
        with serving("epoll", "tcp://0.0.0.0:0") as server:
            code, err = server.stop()
        lines = err.splitlines()
        self.assertEqual(lines[0], "sockbench-serve: warning: other machines can reach %s" % server.address)
        self.assertEqual(len(lines), 2 if os.geteuid() == 0 else 1)

    def test_loopback_needs_no_warning(self):
        for model, address in (("epoll", LOOPBACK), ("epoll", "tcp://[::1]:0"), ("epoll", "udp://localhost:0")):
            with self.subTest(address=address), serving(model, address) as server:
                self.assertEqual(server.stop(), (0, ""))


class Output(unittest.TestCase):
    def test_the_ready_line_is_all_there_is(self):
        for model, address in (("iterative", LOOPBACK), ("epoll", "udp://[::1]:0")):
            with serving(model, address) as server:
                self.assertRegex(server.ready_line, r"^ready (tcp://127\.0\.0\.1|udp://\[::1\]):[1-9]\d*$")
                server.process.send_signal(15)
                self.assertEqual(server.process.stdout.read(), "")

    def test_help_and_version(self):
        text = run(SERVE, "--help")
        self.assertEqual((text.returncode, text.stderr), (0, ""))
        self.assertTrue(text.stdout.startswith("Usage: sockbench-serve "))
        self.assertRegex(run(SERVE, "--version").stdout, r"^sockbench-serve \d+\.\d+\.\d+\n$")

    def test_the_list(self):
        rows = json.loads(run(SERVE, "--list", "--json").stdout)
        self.assertEqual({tuple(sorted(row)) for row in rows},
                         {("available", "name", "reason", "summary", "takes_max_clients", "takes_ring_options", "takes_steering",
                           "takes_workers", "transport")})
        self.assertEqual({row["transport"] for row in rows}, {"stream", "datagram"})
        for row in rows:
            self.assertEqual(row["available"], row["reason"] is None)
        table = run(SERVE, "--list").stdout.splitlines()
        self.assertEqual(len(table), 1 + len(rows))
        for line, row in zip(table[1:], rows):
            self.assertEqual(line.split()[:2], [row["name"], row["transport"]])

    def test_every_model_has_its_place_in_the_syllabus_and_in_the_table_of_costs(self):
        rows = json.loads(run(SERVE, "--list", "--json").stdout)
        kinds = {"stream": "tcp", "datagram": "udp"}
        with open(os.path.join(ROOT, "servers/README.md"), encoding="utf-8") as file:
            page = file.read()
        with open(os.path.join(ROOT, "bench/scenarios/costs.json"), encoding="utf-8") as file:
            measured = [(server["transport"], server["model"]) for server in json.load(file)["servers"]]
        self.assertEqual(measured, [(kinds[row["transport"]], row["name"]) for row in rows])
        places = [page.find("| `%s_%s.c` |" % (kinds[row["transport"]], row["name"].replace("-", "_"))) for row in rows]
        self.assertNotIn(-1, places)
        self.assertEqual(places, sorted(places), "the order of the lessons")

    def test_a_full_standard_output_is_told(self):
        for argv in (["--help"], ["--list"], ["--model", "epoll", "--listen", LOOPBACK]):
            with self.subTest(argv=argv), open("/dev/full", "w") as full:
                result = subprocess.run([SERVE, *argv], stdout=full, stderr=subprocess.PIPE, text=True, timeout=20)
                self.assertEqual(result.returncode, 1)
                self.assertRegex(result.stderr, "^sockbench-serve: cannot .* standard output.*: "
                                                "No space left on device\n$")

    def test_no_socket_takes_the_place_of_a_closed_standard_descriptor(self):
        def served(closed):
            return subprocess.run(["sh", "-c", 'exec "$0" --model epoll --listen %s ' % LOOPBACK + closed, SERVE],
                                  stderr=subprocess.PIPE, text=True, timeout=20)

        result = served(">&-")
        self.assertEqual(result.returncode, 1)
        self.assertRegex(result.stderr, "^sockbench-serve: cannot say on standard output that tcp://127.0.0.1:[0-9]+ "
                                        "is ready: Bad file descriptor\n$")
        # What is told of the clients must not be told to one of them.
        with serving("epoll", LOOPBACK, "--verbose", preexec_fn=lambda: os.close(2)) as server:
            with socket.create_connection((server.host, server.port)) as client:
                client.sendall(b"x")
                client.shutdown(socket.SHUT_WR)
                self.assertEqual(b"".join(iter(lambda: client.recv(100), b"")), b"x")

    def test_counters(self):
        reader, writer = os.pipe()
        with serving("epoll", LOOPBACK, "--counters-fd", writer, pass_also=[writer]) as server:
            os.close(writer)
            with socket.create_connection((server.host, server.port)) as client:
                client.sendall(b"x" * 1000)
                client.shutdown(socket.SHUT_WR)
                self.assertEqual(sum(len(part) for part in iter(lambda: client.recv(100), b"")), 1000)
        with os.fdopen(reader) as file:
            counters = json.load(file)
        self.assertEqual(list(counters), COUNTERS)
        self.assertEqual((counters["accepted"], counters["closed"], counters["refused"]), (1, 1, 0))
        self.assertEqual((counters["bytes_in"], counters["bytes_out"]), (1000, 1000))
        self.assertIsNone(counters["per_worker"])  # of a model with one loop

    def test_counters_of_workers(self):
        reader, writer = os.pipe()
        with serving("pool", LOOPBACK, "--workers", 3, "--counters-fd", writer, pass_also=[writer]) as server:
            os.close(writer)
            for _ in range(5):
                with socket.create_connection((server.host, server.port)) as client:
                    client.sendall(b"x")
                    self.assertEqual(client.recv(1), b"x")
        with os.fdopen(reader) as file:
            counters = json.load(file)
        workers = counters["per_worker"]
        self.assertEqual([set(w) for w in workers], [{"cpu", "connections", "reads", "writes"}] * 3)
        self.assertEqual([w["cpu"] for w in workers], [None] * 3)
        self.assertEqual(sum(w["connections"] for w in workers), 5)
        for what in ("reads", "writes"):
            self.assertEqual(sum(w[what] for w in workers), counters[what])

    def test_verbose_names_clients(self):
        with serving("thread", LOOPBACK, "--verbose") as server:
            with socket.create_connection((server.host, server.port)) as client:
                name = "tcp://%s:%d" % client.getsockname()
                client.sendall(b"x")
                client.recv(1)
            _, err = server.stop()
        self.assertIn("client %s on descriptor" % name, err)


class Unix(unittest.TestCase):
    def test_an_abstract_name(self):
        name = "sockbench-test-%d" % os.getpid()
        with serving("epoll", "unix:@" + name) as server:
            self.assertEqual(server.ready_line, "ready unix:@" + name)
            with socket.socket(socket.AF_UNIX) as client:
                client.settimeout(20)
                client.connect("\0" + name)
                client.sendall(b"local")
                self.assertEqual(client.recv(100), b"local")


class Work(unittest.TestCase):
    def test_it_is_waited_for(self):
        import time
        for work in ("sleep:50ms", "spin:50ms"):
            with self.subTest(work=work), serving("thread", LOOPBACK, "--work", work) as server, \
                    socket.create_connection((server.host, server.port), timeout=20) as client:
                begin = time.monotonic()
                client.sendall(b"x")
                client.recv(1)
                self.assertGreaterEqual(time.monotonic() - begin, 0.05)  # the delay asked for


if __name__ == "__main__":
    unittest.main(verbosity=2)
