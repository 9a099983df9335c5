"""The scripts: what they promise without installing anything."""
import os
import shutil
import stat
import tempfile
import unittest

import programs

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "../.."))


class FakeApt:
    """A PATH on which dpkg-query knows some packages and apt-get only writes
    down what it was asked."""

    def __init__(self, installed, apt_code=0, node=True, without=None):
        self.folder = tempfile.mkdtemp()
        self.asked = os.path.join(self.folder, "asked")
        known = "".join("%s installed\n" % name for name in installed)
        self.program("dpkg-query", "cat <<'END'\n%sEND\nexit 1" % known)
        refuse = "case \"$*\" in *'%s'*) exit 100 ;; esac\n" % without if without else ""
        self.program("apt-get", 'echo "$@" >>%s\n%sexit %d' % (self.asked, refuse, apt_code))
        self.program("id", "echo 0")
        for name in ("sh", "dirname", "awk", "grep", "mkdir", "tail", "env", "cat"):
            os.symlink(shutil.which(name), os.path.join(self.folder, name))
        if node:
            self.program("node", "exit 0")
            self.program("npm", "exit 0")

    def program(self, name, body):
        path = os.path.join(self.folder, name)
        with open(path, "w") as file:
            file.write("#!/bin/sh\n%s\n" % body)
        os.chmod(path, os.stat(path).st_mode | stat.S_IXUSR)

    def setup(self, *words):
        """Runs a copy of setup, so that no log lands in this tree."""
        scripts = os.path.join(self.folder, "tree/scripts")
        os.makedirs(scripts, exist_ok=True)
        shutil.copy(os.path.join(ROOT, "scripts/setup"), scripts)
        return programs.run("/bin/sh", os.path.join(scripts, "setup"), *words, env={"PATH": self.folder})

    def asked_for(self):
        if not os.path.exists(self.asked):
            return []
        with open(self.asked) as file:
            return file.read().splitlines()

    def close(self):
        shutil.rmtree(self.folder)


BUILD = ["build-essential", "cmake", "ninja-build", "pkg-config", "liburing-dev", "libjansson-dev", "zlib1g-dev", "libedit-dev"]
GRAPHS = ["librsvg2-bin", "fonts-liberation"]


class Setup(unittest.TestCase):
    def fake(self, *args, **options):
        fake = FakeApt(*args, **options)
        self.addCleanup(fake.close)
        return fake

    def test_nothing_missing_means_no_word_and_no_apt(self):
        fake = self.fake(BUILD + GRAPHS)
        done = fake.setup()
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""))
        self.assertEqual(fake.asked_for(), [])

    def test_only_what_is_missing_is_installed(self):
        fake = self.fake([name for name in BUILD if name != "cmake"] + GRAPHS)
        self.assertEqual(fake.setup().returncode, 0)
        installs = [line for line in fake.asked_for() if " install " in line]
        self.assertEqual(len(installs), 1)
        self.assertTrue(installs[0].endswith("--no-install-recommends cmake"), installs)

    def test_tests_want_criterion_and_ordinary_use_does_not(self):
        self.assertIn("libcriterion-dev", self.with_tests_asked())

    def with_tests_asked(self):
        fake = self.fake(BUILD + GRAPHS)
        self.assertEqual(fake.setup("--tests").returncode, 0)
        return " ".join(fake.asked_for())

    def test_node_is_asked_for_only_where_it_is_absent(self):
        fake = self.fake(BUILD + GRAPHS, node=False)
        self.assertEqual(fake.setup().returncode, 0)
        self.assertRegex(" ".join(fake.asked_for()), r"install .* nodejs npm")

    def test_graph_packages_that_cannot_be_had_do_not_stop_it(self):
        fake = self.fake(BUILD, apt_code=100)
        done = fake.setup()
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("graphs will be skipped", done.stderr)

    def test_an_extra_that_cannot_be_had_takes_no_other_with_it(self):
        fake = self.fake(BUILD + GRAPHS + ["libcriterion-dev", "python3", "python3-jsonschema"], without="sockperf")
        done = fake.setup("--tests")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual([line for line in done.stderr.splitlines() if line.startswith("setup:")],
                         ["setup: could not install sockperf: what wants it will be skipped"])
        alone = [line.split()[-1] for line in fake.asked_for() if " install " in line][1:]
        self.assertIn("shellcheck", alone)

    def test_needed_packages_that_cannot_be_had_fail_it(self):
        done = self.fake(BUILD + GRAPHS, without="libcriterion-dev").setup("--tests")
        self.assertEqual(done.returncode, 1)

    def test_build_packages_that_cannot_be_had_fail_it(self):
        fake = self.fake(GRAPHS, apt_code=100)
        done = fake.setup()
        self.assertEqual(done.returncode, 1)
        self.assertIn("could not install build-essential", done.stderr)

    def test_elsewhere_than_debian_it_says_so_in_one_line(self):
        fake = self.fake([])
        os.unlink(os.path.join(fake.folder, "apt-get"))
        done = fake.setup()
        self.assertEqual((done.returncode, len(done.stderr.splitlines())), (77, 1))

    def test_without_root_and_sudo_it_names_the_packages(self):
        fake = self.fake(GRAPHS)
        fake.program("id", "echo 1000")
        done = fake.setup()
        self.assertEqual(done.returncode, 77)
        self.assertIn("by hand: build-essential cmake", done.stderr)

    def test_unknown_word_is_usage(self):
        self.assertEqual(self.fake(BUILD).setup("--everything").returncode, 2)


class Summary(unittest.TestCase):
    def summary(self, cases):
        with tempfile.NamedTemporaryFile("w", suffix=".xml") as file:
            file.write("<testsuite>%s</testsuite>" % cases)
            file.flush()
            return programs.run("/usr/bin/python3", "-B", os.path.join(ROOT, "scripts/test-summary"), file.name)

    GOOD = '<testcase name="a" status="run"/>'
    BAD = '<testcase name="b" status="fail"><failure message="x"/></testcase>'
    SKIPPED = ('<testcase name="c" status="notrun"><skipped message="SKIP_RETURN_CODE=77"/>'
               "<system-out>one line\nskipped: no ring here\n</system-out></testcase>")
    PART = ('<testcase name="e" status="run"><system-out>'
            "test_x (__main__.X.test_x)\ntest_y (__main__.X.test_y) ... skipped 'one CPU only'\n</system-out></testcase>")
    LOST = '<testcase name="d" status="notrun"/>'

    def test_counts_and_reasons(self):
        done = self.summary(self.GOOD + self.SKIPPED)
        self.assertEqual(done.returncode, 0)
        self.assertEqual(done.stdout, "skipped c: no ring here\n1 passed, 0 failed, 1 skipped\n")

    def test_parts_left_out_of_a_passing_file_are_named(self):
        done = self.summary(self.PART)
        self.assertEqual(done.stdout, "left out of e test_y: one CPU only\n1 passed, 0 failed, 0 skipped\n")

    def test_a_failure_fails_it(self):
        done = self.summary(self.GOOD + self.BAD)
        self.assertEqual(done.returncode, 1)
        self.assertTrue(done.stdout.endswith("1 passed, 1 failed, 0 skipped\n"))

    def test_a_test_that_never_ran_is_a_failure(self):
        self.assertEqual(self.summary(self.LOST).returncode, 1)

    def test_a_test_without_its_program_is_a_failure(self):
        done = self.summary('<testcase name="f" status="notrun"><skipped message="Unable to find executable"/></testcase>')
        self.assertEqual((done.returncode, done.stdout), (1, "0 passed, 1 failed, 0 skipped\n"))

    def test_no_test_at_all_is_a_failure(self):
        self.assertEqual(self.summary("").returncode, 1)


class Configure(unittest.TestCase):
    def test_where_criterion_is_absent_the_tests_are_left_out(self):
        with tempfile.TemporaryDirectory() as folder:
            known = os.path.join(folder, "pkgconfig")
            os.mkdir(known)
            for name in ("liburing", "jansson", "zlib"):
                where = programs.run("pkg-config", "--variable=pcfiledir", name).stdout.strip()
                shutil.copy(os.path.join(where, name + ".pc"), known)
            done = programs.run("cmake", "-S", ROOT, "-B", os.path.join(folder, "build"),
                                env={**os.environ, "PKG_CONFIG_LIBDIR": known, "PKG_CONFIG_PATH": ""})
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn("The tests are left out: criterion is absent", done.stdout)


class Install(unittest.TestCase):
    def test_programs_pages_and_scenarios_arrive_and_work(self):
        with tempfile.TemporaryDirectory() as prefix:
            done = programs.run("cmake", "--install", os.path.dirname(os.path.abspath(programs.BIN)), "--prefix", prefix)
            self.assertEqual(done.returncode, 0, done.stderr)
            found = {os.path.relpath(os.path.join(folder, name), prefix)
                     for folder, _, names in os.walk(prefix) for name in names}
            for program in ("sockbench", "sockbench-serve", "sockbench-load", "sockbench-talk", "sockbench-selftest"):
                self.assertIn("bin/" + program, found)
                self.assertIn("share/man/man1/%s.1" % program, found)
                self.assertTrue(os.access(os.path.join(prefix, "bin", program), os.X_OK))
            for source, target in (("bench/scenarios", "scenarios"), ("results/schema", "schema")):
                names = [name for name in os.listdir(os.path.join(ROOT, source)) if name.endswith(".json")]
                self.assertGreaterEqual(len(names), 2)
                for name in names:
                    self.assertIn("share/sockbench/%s/%s" % (target, name), found)
            bench = os.path.join(prefix, "bin/sockbench")
            listed = programs.run(bench, "list", cwd=prefix)
            self.assertEqual(listed.returncode, 0, listed.stderr)
            self.assertIn("quickstart", listed.stdout)
            handed_on = programs.run(bench, "load", "--version", cwd=prefix)
            self.assertEqual(handed_on.returncode, 0, handed_on.stderr)


class Costs(unittest.TestCase):
    def test_what_is_no_run_is_told_in_a_line(self):
        with tempfile.TemporaryDirectory() as folder:
            result = programs.run(os.path.join(ROOT, "scripts/costs"), folder)
            self.assertEqual((result.returncode, result.stderr),
                             (2, "costs: cannot read %s/rows.json: No such file or directory\n" % folder))
            for name, text in (("rows.json", "[]"), ("report.json", '{"cells": []}')):
                with open(os.path.join(folder, name), "w") as file:
                    file.write(text)
            result = programs.run(os.path.join(ROOT, "scripts/costs"), folder)
            self.assertEqual(result.returncode, 2)
            self.assertRegex(result.stderr, r"\Acosts: .* does not hold a run in which something was measured\n\Z")


class Repository(unittest.TestCase):
    @unittest.skipUnless(shutil.which("shellcheck"), "shellcheck is absent")
    def test_shell_scripts_are_sound(self):
        paths = [os.path.join(ROOT, "scripts", name) for name in sorted(os.listdir(os.path.join(ROOT, "scripts")))]
        paths.append(os.path.join(ROOT, ".ci/run"))
        shells = []
        for path in paths:
            if os.path.isfile(path):
                with open(path, encoding="utf-8") as file:
                    if file.readline().strip() == "#!/bin/sh":
                        shells.append(path)
        self.assertGreaterEqual(len(shells), 6)
        done = programs.run("shellcheck", *shells)
        self.assertEqual(done.returncode, 0, done.stdout)

    def test_format(self):
        done = programs.run(os.path.join(ROOT, "scripts/check-format"))
        if done.returncode == 77:
            self.skipTest(done.stdout.strip())
        self.assertEqual(done.returncode, 0, done.stdout)

    def test_format_check_sees_a_difference(self):
        with tempfile.TemporaryDirectory() as root:
            for folder in ("scripts", "servers", "loadgen", "bench", "tests"):
                os.mkdir(os.path.join(root, folder))
            for name in ("scripts/check-format", ".clang-format"):
                shutil.copy(os.path.join(ROOT, name), os.path.join(root, name))
            with open(os.path.join(root, "servers/a.c"), "w") as file:
                file.write("int   a;\n")
            check = os.path.join(root, "scripts/check-format")
            done = programs.run(check)
            if done.returncode == 77:
                self.skipTest(done.stdout.strip())
            self.assertEqual(done.returncode, 1)
            self.assertIn("servers/a.c", done.stdout)
            self.assertEqual(programs.run(check, "--fix").returncode, 0)
            self.assertEqual(programs.run(check).returncode, 0)

    def test_unknown_words_are_usage(self):
        for script in ("quickstart", "test", "check-format"):
            with self.subTest(script=script):
                done = programs.run(os.path.join(ROOT, "scripts", script), "--nonsense")
                self.assertEqual((done.returncode, len(done.stderr.splitlines())), (2, 1))


if __name__ == "__main__":
    unittest.main()
