"""The man pages say what --help says: every option, in both directions."""
import os
import re
import shutil
import subprocess
import tempfile
import unittest

import programs

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "../.."))
PAGES = (
    ("servers/man/sockbench-serve.1", [[programs.SERVE]]),
    ("loadgen/man/sockbench-load.1", [[programs.LOAD]]),
    ("loadgen/man/sockbench-talk.1", [[os.path.join(programs.BIN, "sockbench-talk")]]),
    ("loadgen/man/sockbench-selftest.1", [[programs.SELFTEST]]),
    ("bench/man/sockbench.1", [[programs.BENCH], [programs.BENCH, "run"], [programs.BENCH, "list"]]),
    ("bench/man/sockbench-find.1", [[programs.BENCH, "find"]]),
)
# A row of --help: "  -c, --connections N   help", "      --engine uring|epoll   help".
ROW = re.compile(r"^ {2}(?:-(\w), |    )--([a-z][a-z-]*)(?: (\S+))?(?:  |\s*$)", re.MULTILINE)


def helped(argv):
    """name -> (letter, argument), as --help prints it."""
    done = programs.run(*argv, "--help")
    assert done.returncode == 0, done
    return {name: (letter, argument) for letter, name, argument in ROW.findall(done.stdout)}


def plain(line):
    """A line of the page without its macros, fonts and escapes."""
    line = re.sub(r"\\f[A-Z]", "", line).replace("\\-", "-")
    line = re.sub(r"^\.B[RI]? ", "", line)
    return line.replace('", "', ", ").replace('" "', " ").replace('"', "").strip()


def written(page):
    """name -> (letter, argument), as the page's OPTIONS say it."""
    with open(os.path.join(ROOT, page)) as file:
        text = file.read()
    options = {}
    for tag in re.findall(r"^\.TP\n(.*)$", text, re.MULTILINE):
        match = re.fullmatch(r"(?:-(\w) ?, ?)?--([a-z][a-z-]*)(?: +(\S+))?", re.sub(r" +", " ", plain(tag)).replace(" ,", ","))
        if match:
            letter, name, argument = match.groups()
            options[name] = (letter or "", argument or "")
    return options


class ManPages(unittest.TestCase):
    def test_every_option_stands_in_both(self):
        for page, programs_of_page in PAGES:
            with self.subTest(page=page):
                told = {}
                for argv in programs_of_page:
                    told.update(helped(argv))
                self.assertGreaterEqual(len(told), 2, "no options in --help")
                self.assertEqual(written(page), told)

    def test_exit_codes_of_help_stand_in_the_page(self):
        for page, programs_of_page in PAGES:
            with self.subTest(page=page):
                told = "\n".join(programs.run(*argv, "--help").stdout for argv in programs_of_page)
                codes = re.findall(r"Exit codes: (?:.+\n)+", told)
                self.assertTrue(codes, "no exit codes in --help")
                with open(os.path.join(ROOT, page)) as file:
                    section = file.read().split(".SH EXIT STATUS", 1)[1].split(".SH", 1)[0]
                for code in re.findall(r"(?:: |, |\n)(\d+) ", "".join(codes)):
                    self.assertRegex(section, r"\n\.B %s\n" % code)

    @unittest.skipUnless(shutil.which("man"), "man is absent")
    def test_pages_are_sound_roff(self):
        for page, _ in PAGES:
            done = subprocess.run(["man", "--warnings", "-l", os.path.join(ROOT, page)], capture_output=True,
                                  text=True, env=dict(os.environ, LC_ALL="C.UTF-8", MANPAGER="cat"))
            self.assertEqual((done.returncode, done.stderr), (0, ""), page)
            self.assertIn("EXIT STATUS", done.stdout)

    def test_page_and_option_are_found_by_the_reader_of_this_test(self):
        with tempfile.NamedTemporaryFile("w", suffix=".1") as file:
            file.write('.TP\n.BR \\-c ", " \\-\\-connections " " \\fIN\\fR\nx\n.TP\n.B \\-\\-list\nx\n.TP\n.B 77\nx\n')
            file.flush()
            self.assertEqual(written(file.name), {"connections": ("c", "N"), "list": ("", "")})


if __name__ == "__main__":
    unittest.main()
