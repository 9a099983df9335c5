"""The floors: who includes whom, and what a program is linked with."""
import os
import re
import shutil
import subprocess
import tempfile
import unittest

import programs

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "../.."))
CHECK = os.path.join(ROOT, "scripts/check-layers")


class Layers(unittest.TestCase):
    def check(self, root):
        return programs.run("/usr/bin/python3", "-B", CHECK, root)

    def test_this_tree_keeps_its_floors(self):
        done = self.check(ROOT)
        self.assertEqual((done.returncode, done.stdout), (0, ""))

    def test_each_forbidden_arrow_is_named(self):
        forbidden = [
            ("servers/wire/a.c", '"servers/cli/b.h"'),
            ("servers/cli/a.c", '"servers/wire/b.h"'),
            ("servers/a.c", '"loadgen/b.h"'),
            ("servers/tcp_a.c", '"bench/b.h"'),
            ("loadgen/measure/a.c", '"servers/wire/b.h"'),
            ("loadgen/a.c", '"servers/server.h"'),
            ("loadgen/a.c", '"servers/options.h"'),
            ("loadgen/a.c", '"bench/b.h"'),
            ("bench/a.c", '"loadgen/b.h"'),
            ("bench/a.c", '"servers/server.h"'),
            ("servers/a.c", '"server.h"'),
            ("servers/a.c", "<jansson.h>"),
            ("loadgen/measure/hist.c", "<jansson.h>"),
            ("servers/wire/a.c", "<liburing.h>"),
            ("bench/a.c", "<liburing.h>"),
            ("loadgen/run.c", "<zlib.h>"),
            ("loadgen/run.c", "<mpi.h>"),
            ("bench/a.c", "<criterion/criterion.h>"),
        ]
        for path, target in forbidden:
            with self.subTest(path=path, target=target), tempfile.TemporaryDirectory() as root:
                for name in ("servers/cli/b.h", "servers/wire/b.h", "servers/server.h", "servers/options.h",
                             "loadgen/b.h", "loadgen/options.h", "bench/b.h"):
                    os.makedirs(os.path.dirname(os.path.join(root, name)), exist_ok=True)
                    open(os.path.join(root, name), "w").close()
                os.makedirs(os.path.dirname(os.path.join(root, path)), exist_ok=True)
                with open(os.path.join(root, path), "w") as file:
                    file.write("#include <stdio.h>\n#include %s\n" % target)
                done = self.check(root)
                self.assertEqual(done.returncode, 1, done.stdout)
                self.assertRegex(done.stdout, r"^%s:2: " % re.escape(path))
                self.assertEqual(len(done.stdout.splitlines()), 1, done.stdout)

    def test_two_files_with_zlib_are_one_too_many(self):
        with tempfile.TemporaryDirectory() as root:
            os.makedirs(os.path.join(root, "loadgen/measure"))
            for name in ("a.c", "b.c"):
                with open(os.path.join(root, "loadgen/measure", name), "w") as file:
                    file.write("#include <zlib.h>\n")
            done = self.check(root)
            self.assertEqual(done.returncode, 1)
            self.assertIn("loadgen/measure/a.c, loadgen/measure/b.c", done.stdout)

    def test_an_empty_tree_is_not_a_pass(self):
        with tempfile.TemporaryDirectory() as root:
            self.assertEqual(self.check(root).returncode, 1)


@unittest.skipUnless(shutil.which("readelf"), "readelf is absent")
class Linking(unittest.TestCase):
    def needed(self, program):
        out = subprocess.run(["readelf", "-d", program], capture_output=True, text=True, check=True).stdout
        return " ".join(re.findall(r"\(NEEDED\).*\[(.*?)\]", out))

    def test_server_links_no_jansson(self):
        self.assertNotIn("jansson", self.needed(programs.SERVE))

    def test_bench_links_no_ring(self):
        self.assertNotIn("uring", self.needed(programs.BENCH))


if __name__ == "__main__":
    unittest.main()
