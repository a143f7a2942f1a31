#!/usr/bin/env python3
"""Tests of scripts/ranking.py on runs whose order is known."""

import os
import sys
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import ranking
import samples

CELL = {"workload": "throughput", "workers": 2}
OTHER = {"workload": "throughput", "workers": 4}


class Run(samples.Run):
    """A run from figures: {label: {cell index: [a figure for each round]}}."""

    def __init__(self, figures, cells=(CELL,), caller_ran=None, name="tasks_per_s"):
        self.directory, self.meta, self.aa = "", {}, []
        self._margin, self._tails = 0.02, {}
        self.cells, self.series = {}, {}
        for label, by_cell in figures.items():
            for index, rounds in by_cell.items():
                for number, figure in enumerate(rounds):
                    values = {name: figure, "caller_ran_share": (caller_ran or {}).get(label, 0.0)}
                    subject, _, variant = label.partition(":")
                    self._file({"cell": cells[index], "subject": {"name": subject}, "status": "ok", "hist": {},
                                "config": {"variant": variant or "default"}, "round": number,
                                "values": values})
        self.labels = sorted({key[1] for key in self.series}, key=samples.label_order)


def order(run):
    places = ranking.rank(run, run.cells_of("throughput"))[1]
    return [(place.rank, place.label) for place in places]


STEADY = [100.0] * 8
NOISY = [70.0, 140.0, 80.0, 130.0, 90.0, 120.0, 75.0, 135.0]


class Ranking(unittest.TestCase):
    def test_faster_configurations_come_first(self):
        run = Run({"weir": {0: STEADY}, "slow": {0: [50.0] * 8}, "fast": {0: [200.0] * 8}})
        self.assertEqual(order(run), [(1, "fast"), (2, "weir"), (3, "slow")])

    def test_what_nothing_tells_apart_shares_a_rank(self):
        run = Run({"weir": {0: STEADY}, "alike": {0: NOISY}, "slow": {0: [10.0] * 8}})
        self.assertEqual(sorted(order(run)), [(1, "alike"), (1, "weir"), (3, "slow")])

    def test_too_few_rounds_rank_nobody_above_another(self):
        run = Run({"weir": {0: [100.0] * 5}, "slow": {0: [50.0] * 5}})
        self.assertEqual([rank for rank, _ in order(run)], [1, 1])

    def test_who_has_few_figures_where_others_have_many_is_not_ranked(self):
        run = Run({"weir": {0: STEADY}, "slow": {0: [50.0] * 8}, "rare": {0: [1.0] * 3}})
        _, places, unranked = ranking.rank(run, run.cells_of("throughput"))
        self.assertEqual([place.label for place in places], ["weir", "slow"])
        self.assertRegex(dict(unranked)["rare"], "^too few rounds")

    def test_who_lacks_a_cell_is_not_ranked_on_the_rest(self):
        both = {0: STEADY, 1: STEADY}
        run = Run({"weir": both, "a": both, "b": both, "half": {0: [900.0] * 8}}, (CELL, OTHER))
        cells, places, unranked = ranking.rank(run, run.cells_of("throughput"))
        self.assertEqual(len(cells), 2)
        self.assertNotIn("half", [place.label for place in places])
        self.assertRegex(dict(unranked)["half"], "^no figure in 1 of 2 cells")

    def test_a_cell_that_few_ran_does_not_count(self):
        run = Run({"weir": {0: STEADY, 1: STEADY}, "a": {0: STEADY}, "b": {0: STEADY}}, (CELL, OTHER))
        self.assertEqual(len(ranking.rank(run, run.cells_of("throughput"))[0]), 1)
        self.assertEqual(len(order(run)), 3)

    def test_work_of_the_submitting_thread_is_no_speed(self):
        run = Run({"weir": {0: STEADY}, "a": {0: STEADY}, "inline": {0: [900.0] * 8}},
                  caller_ran={"inline": 0.9, "a": 0.1})
        _, places, unranked = ranking.rank(run, run.cells_of("throughput"))
        self.assertEqual(sorted(place.label for place in places), ["a", "weir"])
        self.assertRegex(dict(unranked)["inline"], "ran up to 90 % of its tasks")

    def test_a_pool_that_costs_nothing_is_ranked_and_first(self):
        idle = {"workload": "sparse", "workers": 2, "tasks_per_s": 0}
        run = Run({"weir": {0: [0.0] * 8}, "alike": {0: [0.0, 0.009] * 4}, "busy": {0: [5.0] * 8}},
                  (idle,), name="cpu_percent")
        cells, places, unranked = ranking.rank(run, [idle])
        self.assertEqual(unranked, [])
        self.assertEqual([(place.rank, place.label) for place in places],
                         [(1, "alike"), (1, "weir"), (3, "busy")])
        self.assertAlmostEqual(places[2].speed()[0], 0.01 / 5)

    def test_each_way_of_waiting_has_a_ranking_of_its_own(self):
        cells = [{"workload": "wait", "pattern": p} for p in ("signal", "block")]
        run = Run({"weir": {0: STEADY, 1: STEADY}, "a": {0: STEADY}}, cells)
        titles = [title for title, _ in ranking.subjects_of_ranking(run, "wait")]
        self.assertEqual(titles, ["wait, block", "wait, signal"])


def main():
    suite = unittest.defaultTestLoader.loadTestsFromModule(sys.modules[__name__])
    result = unittest.TextTestRunner(verbosity=1).run(suite)
    failed = min(len(result.failures) + len(result.errors), result.testsRun)
    print(f"{result.testsRun - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
