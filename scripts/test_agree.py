#!/usr/bin/env python3
"""Tests of scripts/agree on pairs of runs whose order is known."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
CELLS = ({"workload": "throughput", "workers": 1}, {"workload": "throughput", "workers": 2})
# Rounds around 1: disjoint where figures are 2 apart, overlapping where they are 0.05 apart.
SHARED = (0.90, 1.10, 0.95, 1.05, 0.97, 1.03, 0.99, 1.01)


def line(label, cell, turn, figure):
    return {"schema": 1, "id": f"t-{turn}", "campaign": "t", "shard": 0, "round": turn, "position": 0,
            "cell": cell, "subject": {"name": label}, "config": {"variant": "default"}, "status": "ok",
            "reason": "", "values": {"tasks_per_s": figure}, "hist": {}, "validity": []}


class Agree(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.directory)

    def write(self, name, figures, cells=CELLS[:1], rounds=8, unpaired=()):
        """figures: {label: figure, or one for each cell}; `unpaired` turn their rounds round."""
        path = os.path.join(self.directory, name)
        os.mkdir(path)
        with open(os.path.join(path, "samples.jsonl"), "w", encoding="utf-8") as file:
            for index, cell in enumerate(cells):
                for turn in range(rounds):
                    for label, figure in figures.items():
                        if isinstance(figure, tuple) and figure[index] is None:
                            continue
                        base = figure[index] if isinstance(figure, tuple) else figure
                        scatter = SHARED[-1 - turn] if label in unpaired else SHARED[turn]
                        file.write(json.dumps(line(label, cell, turn, base * scatter)) + "\n")
        return path

    def agree(self, *arguments):
        run = subprocess.run([sys.executable, os.path.join(HERE, "agree"), *arguments],
                             capture_output=True, text=True, check=False)
        return run.returncode, run.stdout + run.stderr

    def test_the_same_order_in_both_runs_agrees(self):
        a = self.write("a", {"weir": 100, "slow": 50, "fast": 200})
        b = self.write("b", {"weir": 300, "slow": 100, "fast": 900})
        code, text = self.agree(a, b)
        self.assertEqual(code, 0, text)
        self.assertIn("of 3 pairs apart in both runs 3 agree, of 3 decided in both 3", text)

    def test_a_pair_that_is_turned_round_is_named(self):
        a = self.write("a", {"weir": 100, "slow": 50, "fast": 200})
        b = self.write("b", {"weir": 50, "slow": 100, "fast": 200})
        code, text = self.agree(a, b)
        self.assertEqual(code, 1, text)
        self.assertIn("of 3 pairs apart in both runs 2 agree", text)
        self.assertRegex(text, "throughput: apart and decided, but turned round: weir over slow is 2.000x")

    def test_overlapping_intervals_may_be_turned_round_unless_the_pairs_decide(self):
        a = self.write("a", {"weir": 105, "near": 100})
        b = self.write("b", {"weir": 100, "near": 105})
        code, text = self.agree(a, b)
        self.assertEqual(code, 1, text)
        self.assertRegex(text, "throughput: decided, but turned round")
        self.assertIn("of 0 pairs apart", text)

    def test_what_neither_intervals_nor_pairs_tell_apart_is_no_contradiction(self):
        a = self.write("a", {"weir": 103, "near": 100, "slow": 10}, unpaired=("near",))
        b = self.write("b", {"weir": 100, "near": 103, "slow": 10}, unpaired=("near",))
        code, text = self.agree(a, b)
        self.assertEqual(code, 0, text)
        self.assertIn("of 2 pairs apart in both runs 2 agree, of 2 decided in both 2", text)

    def test_a_pair_that_one_run_leaves_open_is_counted_as_such(self):
        a = self.write("a", {"weir": 100, "near": 100.5})
        b = self.write("b", {"weir": 100, "near": 110})
        code, text = self.agree(a, b)
        self.assertEqual(code, 2, text)
        self.assertRegex(text, r"throughput +2 +- +- +1\n")

    def test_five_rounds_tell_nothing_apart(self):
        a = self.write("a", {"weir": 100, "slow": 50}, rounds=5)
        b = self.write("b", {"weir": 50, "slow": 100}, rounds=5)
        code, text = self.agree(a, b)
        self.assertEqual(code, 2, text)
        self.assertIn("nothing is told apart in both runs", text)

    def test_cells_are_looked_at_one_by_one_where_a_ranking_has_several(self):
        a = self.write("a", {"weir": (100, 100), "other": (10, 90)}, CELLS)
        b = self.write("b", {"weir": (100, 90), "other": (10, 100)}, CELLS)
        code, text = self.agree(a, b)
        self.assertEqual(code, 1, text)
        self.assertRegex(text, "throughput: 2 workers: decided, but turned round")
        self.assertNotIn("throughput: 1 worker:", text)
        self.assertRegex(self.agree(a, b, "--all")[1], "throughput: 1 worker +2 +1/1 +1/1")

    def test_only_what_both_runs_measured_is_compared(self):
        a = self.write("a", {"weir": 100, "slow": 50, "gone": 1})
        b = self.write("b", {"weir": 100, "slow": 50, "new": 900})
        code, text = self.agree(a, b)
        self.assertEqual(code, 0, text)
        self.assertIn("of 1 pairs apart in both runs 1 agree", text)

    def test_bad_calls_have_their_own_exit_codes(self):
        a = self.write("a", {"weir": 100, "slow": 50})
        self.assertEqual(self.agree(a)[0], 64)
        self.assertEqual(self.agree(a, "--al", "x")[0], 64)
        code, text = self.agree(a, os.path.join(self.directory, "none"))
        self.assertEqual(code, 66)
        self.assertEqual(len(text.splitlines()), 1)


def main():
    suite = unittest.defaultTestLoader.loadTestsFromModule(sys.modules[__name__])
    result = unittest.TextTestRunner(verbosity=1).run(suite)
    failed = min(len(result.failures) + len(result.errors), result.testsRun)
    print(f"{result.testsRun - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
