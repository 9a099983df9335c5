"""The labs: every page is typed, word for word, into terminals as a reader
would do it, and must show what it says.

A block ```console NAME is what happens in the terminal of that name: after
`NAME$ ` a command, after `> ` a line for sockbench-talk, ^C and ^D as keys, and
everything else is what is to be seen, in this order; other lines may come
between. Durations and the ports that the system chooses may differ. A block
that begins with `# FILE` is a file to be saved.
"""
import os
import pty
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import unittest

import programs
from programs import SANITIZED

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.abspath(os.path.join(HERE, "../.."))
LABS = os.path.join(ROOT, "servers/labs")
PAGES = sorted(name for name in os.listdir(LABS) if re.match(r"\d\d-", name))
OWN_NETWORK = os.environ.get("SOCKBENCH_OWN_NETWORK") == "yes"
PATIENCE_S = 60 if SANITIZED else 30
BLOCK = re.compile(r"^```(\w+)(?: (\w+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# The pages' ports; the example in a message of the programs is none.
PORT = re.compile(r"(?<!\(\[::1\]:)\b(?:7000|8888|9999|12000|23456|50007)\b")
# In the pages 40312 stands for whatever port the system chose.
WILD = re.compile(r"(?P<trip> +\(\d[\d.]* (?:ns|us|ms|s)\))|(?P<time>\d[\d.]* (?:ns|us|ms|s)\b)|(?P<number>\b40312\b|"
                  r"(?<=descriptor )\d+)")
BY = {"trip": r" +\([\d.]+ (?:ns|us|ms|s)\)", "time": r"[\d.]+ (?:ns|us|ms|s)", "number": r"\d+"}


def blocks(page):
    """(language, name, lines) of each block."""
    with open(os.path.join(LABS, page)) as file:
        return [(kind, name, text.splitlines()) for kind, name, text in BLOCK.findall(file.read())]


def pattern_of(line):
    """The expression for a line that is to be seen, from its beginning to its end."""
    text, at = "", 0
    for wild in WILD.finditer(line):
        text += re.escape(line[at:wild.start()]) + BY[wild.lastgroup]
        at = wild.end()
    return r"(?:^|\n)(?:> )*" + text + re.escape(line[at:]) + r" *(?=\n)"


class Terminal:
    """A shell at a terminal of its own."""

    def __init__(self, name, folder):
        self.name = name
        self.raw = b""
        self.found = 0  # up to here the text has been accounted for
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            path = os.path.abspath(programs.BIN) + ":" + os.environ["PATH"]
            os.chdir(folder)
            os.execve(shutil.which("bash"), ["bash", "--noprofile", "--norc", "--noediting", "-i"],
                      dict(os.environ, PATH=path, PS1=name + "$ ", TERM="xterm", HISTFILE="/dev/null",
                           BASH_SILENCE_DEPRECATION_WARNING="1"))

    @property
    def text(self):
        text = self.raw.decode(errors="replace").replace("\r\n", "\n")
        text = re.sub(r"\r+\x1b\[[JK]", "\n", text)
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\r", "", text)

    def read(self, wanted):
        if not select.select([self.fd], [], [], PATIENCE_S)[0]:
            raise AssertionError("%s: no %r in:\n%s" % (self.name, wanted, self.text))
        try:
            part = os.read(self.fd, 65536)
        except OSError:
            part = b""
        if not part:
            raise AssertionError("%s: gone before %r; was seen:\n%s" % (self.name, wanted, self.text))
        self.raw += part

    def see(self, pattern):
        """Waits for it behind what was found before."""
        while True:
            match = re.compile(pattern).search(self.text, max(self.found - 1, 0))
            if match:
                self.found = match.end()
                return
            self.read(pattern)

    def see_at_the_end(self, prompt):
        """Waits until the prompt is the last that stands there."""
        while not (len(self.text) > self.found and self.text.endswith(prompt)):
            self.read(prompt)

    def type(self, text):
        """Types, and takes as found what stood there before."""
        self.found = len(self.text)
        os.write(self.fd, text.encode())

    def command(self, line):
        self.see_at_the_end(self.name + "$ ")
        self.type(line + "\n")

    def close(self):
        """Ends the shell and what still runs in it. True when nothing did."""
        tidy = self.text.endswith(self.name + "$ ")
        session = children_of(self.pid)
        for pid in [*session, self.pid]:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        os.waitpid(self.pid, 0)
        os.close(self.fd)
        return tidy


def children_of(pid):
    """Every process below pid."""
    with open("/proc/%d/task/%d/children" % (pid, pid)) as file:
        children = [int(word) for word in file.read().split()]
    return [below for child in children for below in [*children_of(child), child]]


class Page:
    """A page at work."""

    def __init__(self, page, folder, ports):
        self.blocks = blocks(page)
        self.folder = folder
        self.ports = ports
        self.terminals = {}

    def line(self, text):
        """The page's line with the ports that are free here."""
        return PORT.sub(lambda match: self.ports.get(match.group(), match.group()), text)

    def run(self):
        try:
            for kind, name, lines in self.blocks:
                if kind == "console":
                    for line in lines:
                        self.step(name, self.line(line))
                elif lines and lines[0].startswith("# "):
                    with open(os.path.join(self.folder, lines[0][2:]), "w") as file:
                        file.write("\n".join(map(self.line, lines)) + "\n")
            for terminal in self.terminals.values():
                terminal.see_at_the_end(terminal.name + "$ ")
        finally:
            tidy = [terminal.close() for terminal in self.terminals.values()]
        return all(tidy)

    def step(self, name, line):
        terminal = self.terminals.get(name)
        if line.startswith(name + "$ "):
            if not terminal:
                terminal = self.terminals[name] = Terminal(name, self.folder)
            terminal.command(line[len(name) + 2:])
        elif line in ("^C", "^D"):
            if line == "^D":
                terminal.see_at_the_end("> ")
            terminal.type("\x03" if line == "^C" else "\x04")
        elif line.startswith("> "):
            terminal.see_at_the_end("> ")
            terminal.type(line[2:] + "\n")
        elif line:
            terminal.see(pattern_of(line))


def ports_of(page):
    """Where the page's own ports cannot be used, free ones instead of them."""
    if OWN_NETWORK:
        return {}
    with open(os.path.join(LABS, page)) as file:
        wanted = sorted(set(PORT.findall(file.read())))
    probes = [socket.create_server(("127.0.0.1", 0)) for _ in wanted]
    ports = {port: str(probe.getsockname()[1]) for port, probe in zip(wanted, probes)}
    for probe in probes:
        probe.close()
    return ports


class Labs(unittest.TestCase):
    def check(self, page):
        with open(os.path.join(LABS, page)) as file:
            text = file.read()
        if "http-alt" in text and not OWN_NETWORK:
            self.skipTest("the name http-alt stands for one port, which may be taken here")
        if "http-alt" in text and not knows_http_alt():
            self.skipTest("no http-alt in /etc/services here")
        if "[::1]" in text and not os.path.exists("/proc/net/if_inet6"):
            self.skipTest("no IPv6 here")
        with tempfile.TemporaryDirectory() as folder:
            self.assertTrue(Page(page, folder, ports_of(page)).run(), "the page leaves something running")


def knows_http_alt():
    try:
        with open("/etc/services") as file:
            return "http-alt" in file.read()
    except OSError:
        return False


def add(page):
    name = "test_" + page[3:-3].replace("-", "_")
    setattr(Labs, name, lambda self: self.check(page))


for _page in PAGES:
    add(_page)


class Index(unittest.TestCase):
    """servers/labs/README.md and the table of README.md name every page."""

    def test_every_page_is_named(self):
        with open(os.path.join(LABS, "README.md")) as file:
            index = file.read()
        self.assertEqual(re.findall(r"\]\((\d\d-[\w-]+\.md)\)", index), PAGES)

    def test_the_table_of_the_front_page_has_commands_of_the_pages(self):
        with open(os.path.join(ROOT, "README.md")) as file:
            section = file.read().split("## The course's labs", 1)[1].split("\n## ", 1)[0]
        rows = re.findall(r"^\| \[.*?\]\(servers/labs/([\w-]+\.md)\) \| `(.*?)` \|$", section, re.MULTILINE)
        self.assertEqual([page for page, _ in rows], PAGES)
        for page, command in rows:
            with self.subTest(page=page):
                typed = [line.split("$ ", 1)[1] for kind, _, lines in blocks(page) if kind == "console"
                         for line in lines if re.match(r"\w+\$ ", line)]
                self.assertIn(command, typed)

    def test_every_page_has_its_parts(self):
        for page in PAGES:
            with self.subTest(page=page), open(os.path.join(LABS, page)) as file:
                self.assertEqual(re.findall(r"^## (.*)$", file.read(), re.MULTILINE), ["Do", "Why", "Questions"])


def enter_own_network():
    """Begins again in a private network, where every port of the pages is free;
    where that is not allowed, goes on with other ports."""
    inside = "ip link set lo up && exec \"$0\" -B \"$@\""
    probe = ["unshare", "-Urn", "sh", "-c", "ip link set lo up"]
    try:
        allowed = subprocess.run(probe, capture_output=True, timeout=PATIENCE_S).returncode == 0
    except OSError:
        allowed = False
    if allowed:
        os.environ["SOCKBENCH_OWN_NETWORK"] = "yes"
        os.execvp("unshare", ["unshare", "-Urn", "sh", "-c", inside, sys.executable, *sys.argv])
    print("no private network here: other ports than the pages' are used")


if __name__ == "__main__":
    if not shutil.which("bash"):
        programs.skip("no bash, which the pages are typed into")
    if "SOCKBENCH_OWN_NETWORK" not in os.environ:
        enter_own_network()
    unittest.main(verbosity=2)
