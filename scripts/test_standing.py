#!/usr/bin/env python3
"""Tests of scripts/standing, and that bench/PEERS.md shows what its run says."""

import os
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(HERE)
sys.path.insert(0, HERE)
from test_agree import CELLS, Agree

FIELD = "results/reference/field"


class Standing(unittest.TestCase):
    write = Agree.write

    def setUp(self):
        self.directory = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.directory)

    def standing(self, *arguments):
        run = subprocess.run([sys.executable, os.path.join(HERE, "standing"), *arguments],
                             capture_output=True, text=True, check=False, cwd=TOP)
        return run.returncode, run.stdout, run.stderr

    def test_every_configuration_has_a_line_and_every_ranking_a_column(self):
        run = self.write("run", {"weir": (100, 100), "fast": (200, 200), "near": (100, 100), "half": (900, None)}, CELLS)
        code, text, _ = self.standing(run)
        self.assertEqual(code, 0)
        lines = text.splitlines()
        self.assertIn("4 configurations, 8 rounds; rank and speed against weir", lines[0])
        self.assertEqual(lines[2], "| configuration | throughput |")
        self.assertEqual(lines[4:], ["| weir | 2 (1.00×) |", "| fast | 1 (2.00×) |", "| half | out |", "| near | 2 (1.00×) |"])

    def test_it_replaces_what_stands_between_its_lines_and_nothing_else(self):
        run = self.write("run", {"weir": 100, "slow": 50})
        page = os.path.join(self.directory, "page.md")
        with open(page, "w", encoding="utf-8") as file:
            file.write(f"before\n<!-- standing {run} -->\nold\n<!-- end of standing -->\nafter\n")
        for _ in range(2):
            self.assertEqual(self.standing(run, "--into", page)[0], 0)
        with open(page, encoding="utf-8") as file:
            text = file.read()
        self.assertTrue(text.startswith("before\n") and text.endswith("<!-- end of standing -->\nafter\n"))
        self.assertIn("| slow | 2 (0.500×) |\n", text)
        self.assertNotIn("old", text)

    def test_bad_calls_have_their_own_exit_codes(self):
        run = self.write("run", {"weir": 100, "slow": 50})
        page = os.path.join(self.directory, "page.md")
        self.assertEqual(self.standing()[0], 64)
        self.assertEqual(self.standing(page)[0], 66)
        self.assertEqual(self.standing(run, "--into", page)[0], 66)
        with open(page, "w", encoding="utf-8") as file:
            file.write("no lines\n")
        self.assertEqual(self.standing(run, "--into", page)[0], 65)

    @unittest.skipUnless(os.path.isdir(os.path.join(TOP, FIELD)), f"{FIELD} is not there")
    def test_the_page_of_the_peers_shows_its_run(self):
        with open(os.path.join(TOP, "bench", "PEERS.md"), encoding="utf-8") as file:
            shown = file.read().partition(f"<!-- standing {FIELD} -->\n\n")[2].partition("\n<!-- end")[0]
        self.assertEqual(self.standing(FIELD)[1], shown)


def main():
    suite = unittest.defaultTestLoader.loadTestsFromTestCase(Standing)
    result = unittest.TextTestRunner(verbosity=1).run(suite)
    failed = min(len(result.failures) + len(result.errors), result.testsRun)
    print(f"{result.testsRun - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
