"""Scenarios that are wrong: one line file:line:col: reason, exit 2, nothing
started; and the ones that come with the program, which are right."""
import os
import re
import tempfile
import unittest

import programs

SCENARIOS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../bench/scenarios")

SERVERS = '"servers": [{"model": "epoll", "transport": "tcp"}]'
LOADS = '"loads": [{"name": "a", "duration": "1s"}]'


def server(members, before=""):
    return '{%s"servers": [{%s}], %s}' % (before, members, LOADS)


def load(members):
    return '{%s, "loads": [{"name": "a", %s}]}' % (SERVERS, members)


def top(members):
    return "{%s, %s, %s}" % (SERVERS, LOADS, members)


# (text, place or None where the parser decides, a part of the reason)
BAD = [
    # not JSON
    ("", None, ""),
    ("   \n\n", None, ""),
    ("{", None, ""),
    ("}", None, ""),
    ("[", None, ""),
    ("{]", None, ""),
    ("nul", None, ""),
    ("\x00", None, ""),
    ("{\"title\": \"\x01\"}", None, "control character"),
    ("{'title': 'x'}", None, ""),
    ('{"title": "x",}', None, ""),
    ('{"title": "x"} x', None, "end of file expected"),
    ('{"title" "x"}', None, "':' expected"),
    ('{"seed": 01}', None, ""),
    ('{"seed": 1e999999}', None, ""),
    ('{"seed": 99999999999999999999999}', None, ""),
    ('{"seed": NaN}', None, ""),
    ('{"title": "\\ud800"}', None, ""),
    ('{"title": "\\u0000"}', None, ""),
    (b'{"title": "\xff\xfe"}', None, ""),
    ('{"title": "x", "title": "y"}', None, "duplicate"),
    ('{"servers": [{"model": "epoll", "model": "thread"}]}', None, "duplicate"),
    ("[" * 5000, None, ""),
    ("// a comment\n{}", None, ""),
    # JSON of the wrong shape
    ("[]", "1:1", "a scenario is an object"),
    ('\n\n  "text"', "3:8", "'{' expected"),
    ("17", "1:2", "'{' expected"),
    ("{}", "1:1", "no servers"),
    ("{%s}" % SERVERS, "1:1", "no loads"),
    ("{%s}" % LOADS, "1:1", "no servers"),
    ('{"servers": [], %s}' % LOADS, "1:13", "servers is empty"),
    ('{"servers": {}, %s}' % LOADS, "1:13", "servers must be a list"),
    ('{"servers": [1], %s}' % LOADS, "1:14", "a server is an object"),
    ("{%s, \"loads\": []}" % SERVERS, None, "loads is empty"),
    ("{%s, \"loads\": [\n \"a\"]}" % SERVERS, "2:2", "a load is an object"),
    ('{"servers": [%s], %s}' % (",".join(['{"model":"epoll"}'] * 65), LOADS), "1:13", "more than 64"),
    # the top
    (top('"sevrers": 1'), None, "did you mean 'servers'?"),
    (top('\n"tilte": "x"'), "2:1", "did you mean 'title'?"),
    (top('"zzz": 1'), None, "unknown key 'zzz'"),
    (top('"title": 1'), None, "title must be a text"),
    (top('"title": "%s"' % ("x" * 2001)), None, "title is too long"),
    (top('"seed": "1"'), None, "seed must be a number"),
    (top('"seed": -1'), None, "seed must be a number"),
    (top('"seed": 1.5'), None, "seed must be a number"),
    (top('"repetitions": 0'), None, "from 1 to 1000"),
    (top('"repetitions": 1001'), None, "from 1 to 1000"),
    (top('"repetitions": true'), None, "from 1 to 1000"),
    (top('"layout": "slpit"'), None, "layout must be"),
    (top('"layout": 3'), None, "layout must be"),
    (server('"model": "gso", "transport": "udp", "options": {"workers": 2}', before='"layout": "sharded", '), None,
     "'workers' is decided by the sharded layout"),
    (server('"model": "epoll-workers", "options": {"steer": "none"}', before='"layout": "sharded", '), None,
     "'steer' is decided by the sharded layout"),
    (top('"layout": "sharded", "sweep": {"threads": [1, 2]}'), None, "'threads' is decided by the sharded layout"),
    (top('"layout": {"server": "0"}'), None, "generator must be a list of CPUs"),
    (top('"layout": {"server": "0", "generator": "x"}'), None, "generator must be a list of CPUs"),
    (top('"layout": {"server": 0, "generator": "1"}'), None, "server must be a text"),
    (top('"layout": {"server": "0", "generatr": "1"}'), None, "did you mean 'generator'?"),
    # servers
    (server(""), "1:14", "a model or a command"),
    (server('"model": "epol"'), "1:24", "did you mean 'epoll'?"),
    (server('"model": "qqqqqqqq"'), "1:24", "no model 'qqqqqqqq'"),
    (server('"model": "thread", "transport": "udp"'), "1:24", "no model 'thread' on udp"),
    (server('"model": 1'), "1:24", "model must be a text"),
    (server('"model": "epoll", "transport": "sctp"'), None, "transport must be tcp or udp"),
    (server('"model": "epoll", "service": "eco"'), None, "no service 'eco'"),
    (server('"model": "epoll", "family": "ipx"'), None, "family must be ipv4 or ipv6"),
    (server('"model": "epoll", "name": "a/b"'), None, "a name is"),
    (server('"model": "epoll", "name": ""'), None, "a name is"),
    (server('"model": "epoll", "name": "%s"' % ("x" * 41)), None, "a name is"),
    (server('"model": "epoll", "colour": "red"'), "1:33", "unknown key 'colour'"),
    (server('"model": "epoll", "options": []'), None, "options must be an object"),
    (server('"model": "epoll", "options": {"wrok": "sleep:1ms"}'), None, "did you mean 'work'?"),
    (server('"model": "epoll", "options": {\n "work": "sleep"}'), "2:10", "work"),
    (server('"model": "epoll", "options": {"backlog": -1}'), None, "backlog"),
    (server('"model": "epoll", "options": {"backlog": [1]}'), None, "must be a text, a number"),
    (server('"model": "epoll", "options": {"nodelay": "maybe"}'), None, "on or off"),
    (server('"model": "epoll", "options": {"listen": "tcp://127.0.0.1:1"}'), None, "decided by the bench"),
    (server('"model": "epoll", "options": {"cpus": "0"}'), None, "decided by the bench"),
    (server('"model": "epoll", "command": ["x", "{port}"]'), "1:14", "a model or a command"),
    (server('"command": ["x", "{port}"]'), "1:14", "a command needs a name"),
    (server('"name": "x", "command": []'), None, "command is empty"),
    (server('"name": "x", "command": "x {port}"'), None, "command must be a list"),
    (server('"name": "x", "command": ["x", 1, "{port}"]'), None, "a list of texts"),
    (server('"name": "x", "command": ["x"]'), None, "no {port} and no {address}"),
    (server('"name": "x", "command": ["x", "{port}"], "options": {}'), None, "a command takes no options"),
    ('{"servers": [{"model": "epoll"},\n  {"model": "epoll"}], %s}' % LOADS, "2:3", "a second server 'epoll'"),
    # loads
    ('{%s, "loads": [\n{"duration": "1s"}]}' % SERVERS, "2:1", "a load needs a name"),
    ('{%s, "loads": [{"name": "a"},\n{"name": "a"}]}' % SERVERS, "2:1", "a second load 'a'"),
    (load('"conections": 8'), None, "did you mean 'connections'?"),
    (load('"connections": 0'), None, "the least is 1"),
    (load('"connections": "many"'), None, "a count such as"),
    (load('"connections": null'), None, "must be a text, a number"),
    (load('"duration": 2'), None, "a duration such as"),
    (load('"duration": "2 s"'), None, "a duration such as"),
    (load('\n  "size": "64q"'), "2:11", "a size such as"),
    (load('"cpus": "1"'), None, "decided by the bench"),
    (load('"server-cpus": "1"'), None, "'server-cpus' is decided by the bench"),
    (load('"output": "x"'), None, "decided by the bench"),
    (load('"json-stream": true'), None, "decided by the bench"),
    (load('"transport": "tpc"'), None, "transport must be tcp or udp"),
    (load('"server_options": {"mdoel": "x"}'), None, "unknown key 'mdoel'"),
    (load('"duration": "1s", "requests": 100'), None, "a duration or a number of requests"),
    # sweeps
    (top('"sweep": [1]'), None, "sweep must be an object"),
    (top('"sweep": {"connections": 1}'), None, "connections must be a list"),
    (top('"sweep": {"connections": []}'), None, "connections is empty"),
    (top('"sweep": {"connections": [1, 0]}'), None, "the least is 1"),
    (top('"sweep": {"connections": [1, 1]}'), None, "twice"),
    (top('"sweep": {"sizes": [1]}'), None, "did you mean 'size'?"),
    (top('"sweep": {"seed": [1]}'), None, "decided by the bench"),
    (top('"sweep": {"size": [%s], "connections": [%s], "timeout": [%s]}' %
         (",".join(str(i) for i in range(20, 84)), ",".join(str(i) for i in range(1, 65)),
          ",".join('"%ds"' % i for i in range(1, 5)))), None, "cells are too many"),
]


class Malformed(unittest.TestCase):
    def check(self, text, place, reason):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "bad.json")
            with open(path, "wb") as file:
                file.write(text if isinstance(text, bytes) else text.encode())
            done = programs.run(programs.BENCH, "run", path, "-o", os.path.join(folder, "out"))
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertEqual(done.stdout, "")
            lines = done.stderr.splitlines()
            self.assertEqual(len(lines), 1, done.stderr)
            match = re.match(re.escape(path) + r":(\d+):(\d+): (.+)", lines[0])
            self.assertTrue(match, lines[0])
            if place:
                self.assertEqual("%s:%s" % match.groups()[:2], place, lines[0])
            self.assertIn(reason, match.group(3))
            self.assertFalse(os.path.exists(os.path.join(folder, "out")))

    def test_each_is_one_line_with_its_place(self):
        self.assertGreaterEqual(len(BAD), 90)
        for text, place, reason in BAD:
            with self.subTest(text=text[:100]):
                self.check(text, place, reason)

    def test_what_is_no_file_is_told_without_a_place(self):
        with tempfile.TemporaryDirectory() as folder:
            huge = os.path.join(folder, "huge.json")
            with open(huge, "w") as file:
                file.write(" " * (1024 * 1024 + 1))
            for path, why in ((os.path.join(folder, "none.json"), "No such file"),
                              (folder, "Is a directory"), (huge, "File too large")):
                done = programs.run(programs.BENCH, "run", path)
                self.assertEqual(done.returncode, 2)
                self.assertTrue(done.stderr.startswith(path + ": "), done.stderr)
                self.assertIn(why, done.stderr)

    def test_a_flipped_byte_never_crashes(self):
        """Each byte of a good scenario in turn replaced: 0 or 2, never a signal."""
        with open(os.path.join(SCENARIOS, "smoke.json"), "rb") as file:
            good = file.read()
        step = 29 if programs.SANITIZED else 7
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "bent.json")
            for at in range(0, len(good), step):
                for byte in (b'"', b"}", b"\xff"):
                    with open(path, "wb") as file:
                        file.write(good[:at] + byte + good[at + 1:])
                    done = programs.run(programs.BENCH, "run", "--plan", path)
                    self.assertIn(done.returncode, (0, 2), "byte %d: %s" % (at, done.stderr))
                    if done.returncode == 2:
                        self.assertRegex(done.stderr, r"^%s:\d+:\d+: .+\n$" % re.escape(path))


class Good(unittest.TestCase):
    def test_those_that_come_along_are_well_formed(self):
        names = [n for n in os.listdir(SCENARIOS) if n.endswith(".json")]
        self.assertIn("quickstart.json", names)
        self.assertIn("smoke.json", names)
        self.assertIn("open-loop.json", names)
        for name in names:
            done = programs.run(programs.BENCH, "run", "--plan", os.path.join(SCENARIOS, name))
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertGreater(len(done.stdout.splitlines()), 0)

    def test_they_are_found_by_name(self):
        by_name = programs.run(programs.BENCH, "run", "--plan", "smoke")
        by_path = programs.run(programs.BENCH, "run", "--plan", os.path.join(SCENARIOS, "smoke.json"))
        self.assertEqual(by_name.returncode, 0, by_name.stderr)
        self.assertEqual(by_name.stdout, by_path.stdout)

    def test_list_shows_scenarios_and_models(self):
        done = programs.run(programs.BENCH, "list")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stdout, r"(?m)^  quickstart +Quickstart: .*\(about \d+ s\)$")
        self.assertRegex(done.stdout, r"(?m)^  iterative +stream ")
        self.assertRegex(done.stdout, r"(?m)^  epoll +datagram ")


class Words(unittest.TestCase):
    def check(self, code, *words):
        done = programs.run(programs.BENCH, *words)
        self.assertEqual(done.returncode, code, done.stderr)
        return done

    def test_bad_words_are_named_in_one_line(self):
        for words, said in (((), "no command"), (("lst",), "did you mean 'list'?"), (("--frob",), "unknown command"),
                            (("run",), "no scenario"), (("run", "a", "b"), "more than one scenario"),
                            (("run", "quickstrat"), "no scenario 'quickstrat' (did you mean 'quickstart'?)"),
                            (("run", "qqqqqqqqqqqq"), "`sockbench list` shows"),
                            (("run", "a", "--olny", "x"), "did you mean '--only'?"),
                            (("run", "smoke", "--only", "nothing/*"), "no cell has this key"),
                            (("list", "x"), "takes no words")):
            with self.subTest(words=words):
                done = self.check(2, *words)
                self.assertIn(said, done.stderr)
                self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)

    def test_help_of_each_command(self):
        for words in (("--help",), ("run", "--help"), ("list", "-h"), ("serve", "--help"), ("load", "--help")):
            self.assertTrue(self.check(0, *words).stdout.startswith("Usage: sockbench"), words)
        self.assertRegex(self.check(0, "--version").stdout, r"^sockbench \d+\.\d+\.\d+")

    def test_a_full_disk_is_told(self):
        for words in (("--help",), ("run", "--help"), ("list",), ("run", "smoke", "--plan")):
            with open("/dev/full", "w") as full:
                code = programs.subprocess.run([programs.BENCH, *words], stdout=full,
                                               stderr=programs.subprocess.DEVNULL, timeout=60).returncode
            self.assertNotEqual(code, 0, words)


if __name__ == "__main__":
    unittest.main()
