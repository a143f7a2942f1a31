#!/usr/bin/env python3
"""Tests of scripts/pack: what is small is still the same run."""

import gzip
import importlib.machinery
import importlib.util
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import samples
from test_scripts import stored

LOADER = importlib.machinery.SourceFileLoader("pack", os.path.join(HERE, "pack"))
tool = importlib.util.module_from_spec(importlib.util.spec_from_loader("pack", LOADER))
LOADER.exec_module(tool)

BENCH = os.path.join(HERE, "..", "build", "debug", "weir-bench")
LATENCY = {"workload": "latency", "workers": 1, "arrivals": "poisson", "service": "constant",
           "service_ns": 20000, "utilisation": 50}
WAIT = {"workload": "wait", "workers": 1, "pattern": "block", "window": 1}


def line(cell, label, turn):
    draw = random.Random(f"{cell} {label} {turn}")
    values = [int(draw.lognormvariate(10, 2)) for _ in range(1500)]
    names = ("total", "queue", "lag") if cell is LATENCY else ("round_trip",)
    return {"schema": 1, "id": f"t-{label}{turn}{cell['workload']}", "campaign": "t", "shard": 0,
            "round": turn, "position": 0, "cell": cell, "subject": {"name": label},
            "config": {"variant": "default"}, "host": "h", "status": "ok", "reason": "", "wall_ns": 1,
            "tasks": 1, "cpu_ns": 1, "csw": 1, "machine": {}, "validity": [],
            "values": {"round_trips_per_s": draw.random()}, "hist": {name: stored(values) for name in names}}


class Pack(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder)
        self.run_at, self.out = (os.path.join(self.folder, name) for name in ("run", "out"))
        os.mkdir(self.run_at)
        lines = [line(cell, label, turn) for turn in range(7) for cell in (LATENCY, WAIT)
                 for label in ("weir", "glib")]
        with open(os.path.join(self.run_at, "samples.jsonl"), "w", encoding="utf-8") as file:
            file.write("".join(json.dumps(sample) + "\n" for sample in lines))
        entries = [{"subject": "weir", "dropped": False}, {"subject": "glib", "dropped": True}]
        with open(os.path.join(self.run_at, "run.json"), "w", encoding="utf-8") as file:
            json.dump({"schema": 1, "state": "complete", "plan": [
                {"cell": WAIT, "entries": entries}, {"cell": LATENCY, "entries": entries[1:]}]}, file)

    def pack(self, *options, out=None):
        run = subprocess.run([sys.executable, os.path.join(HERE, "pack"), self.run_at, out or self.out, *options],
                             capture_output=True, text=True, check=False)
        return run.returncode, run.stdout + run.stderr

    def packed(self):
        with open(os.path.join(self.out, "run.json"), encoding="utf-8") as file:
            return json.load(file)

    def series(self, directory, cell=WAIT):
        run = samples.Run(directory)
        return {label: run.measured(cell, label) for label in run.labels}

    def after(self, steps):
        """OUT holds the run after so many steps."""
        lines = [json.loads(text) for text in tool.read_lines(self.run_at)]
        for _, step in tool.STEPS[:steps]:
            step(lines)
        os.mkdir(self.out)
        tool.write(self.out, {"schema": 1}, tool.compressed(json.dumps(sample) for sample in lines))

    def test_without_need_every_sample_is_kept_as_it_is(self):
        code, text = self.pack()
        self.assertEqual(code, 0, text)
        with open(os.path.join(self.run_at, "samples.jsonl"), "rb") as plain:
            with gzip.open(os.path.join(self.out, "samples.jsonl.gz")) as small:
                self.assertEqual(small.read(), plain.read())
        self.assertNotIn("packed", self.packed())
        self.assertTrue(os.path.exists(os.path.join(self.out, "report.html")))
        self.assertFalse(os.path.exists(os.path.join(self.out, "plots")))

    def test_the_plan_keeps_what_was_measured(self):
        self.pack()
        self.assertEqual(self.packed()["plan"], [{"cell": WAIT, "entries": [{"subject": "weir", "dropped": False}]}])

    def test_merging_over_rounds_changes_no_figure(self):
        self.after(2)
        before, after = self.series(self.run_at), self.series(self.out)
        for label in before:
            self.assertEqual(after[label].hist("round_trip").slots, before[label].hist("round_trip").slots)
            self.assertEqual(after[label].hist("round_trip").max, before[label].hist("round_trip").max)
            self.assertEqual(after[label].median("round_trips_per_s"), before[label].median("round_trips_per_s"))
        latency = self.series(self.out, LATENCY)["weir"].rounds.values()
        self.assertEqual([sorted(sample["hist"]) for sample in latency], [["lag", "total"]] + [["total"]] * 6)

    def test_coarser_histograms_are_right_to_one_part_in_128(self):
        self.after(3)
        for cell, name in ((LATENCY, "total"), (WAIT, "round_trip")):
            before, after = self.series(self.run_at, cell)["weir"], self.series(self.out, cell)["weir"]
            old, new = before.hist(name), after.hist(name)
            self.assertLess(len(new.slots), len(old.slots) / 2)
            self.assertEqual((new.count, new.max), (old.count, old.max))
            for q in (0.01, 0.1, 0.5, 0.9, 0.98):
                self.assertGreaterEqual(new.quantile(q), old.quantile(q))
                self.assertLessEqual(new.quantile(q), old.quantile(q) * (1 + 1 / 127) + 1)

    @unittest.skipUnless(os.path.exists(BENCH), "weir-bench is not built")
    def test_weir_bench_reads_the_smallest_form(self):
        self.after(3)
        run = subprocess.run([BENCH, "export", "-f", "csv", self.out], capture_output=True, text=True, check=False)
        self.assertEqual((run.returncode, run.stderr), (0, ""))
        columns = run.stdout.splitlines()[0].split(",")
        rows = [dict(zip(columns, row.split(","))) for row in run.stdout.splitlines()[1:]]
        self.assertEqual(len(rows), 28)
        self.assertTrue(all(row["total_p50_ns"] for row in rows if row["workload"] == "latency"))

    def test_steps_are_taken_until_it_fits_and_are_named(self):
        lines = tool.read_lines(self.run_at)
        whole, meta = len(tool.compressed(lines)), {}
        self.assertEqual(len(tool.shrink(lines, meta, whole)), whole)
        self.assertEqual(meta, {})
        self.assertLess(len(tool.shrink(lines, meta, whole - 1)), whole)
        self.assertEqual(meta["packed"], [tool.STEPS[0][0]])
        limit = len(tool.shrink(lines, {}, 0)) + 2 * tool.MARGIN
        code, text = self.pack("--limit", str(limit))
        self.assertEqual(code, 0, text)
        self.assertEqual(len(self.packed()["packed"]), 3)
        self.assertRegex(text, "1 part in 128; report.html is left out")
        self.assertLessEqual(tool.size_of(self.out), limit)

    def test_what_cannot_be_small_enough_leaves_the_old_one_alone(self):
        self.pack()
        before = sorted(os.listdir(self.out))
        code, text = self.pack("--limit", "2000")
        self.assertEqual(code, 1, text)
        self.assertRegex(text, "bytes at the least, and the limit is 2000")
        self.assertEqual(sorted(os.listdir(self.out)), before)
        self.assertEqual(sorted(os.listdir(self.folder)), ["out", "run"])

    def test_a_folder_that_is_no_run_is_not_replaced(self):
        os.mkdir(self.out)
        self.assertEqual(self.pack()[0], 64)
        self.assertEqual(self.pack("--limit", "many")[0], 64)
        shutil.rmtree(self.run_at)
        os.rmdir(self.out)
        self.assertEqual(self.pack()[0], 66)


def main():
    suite = unittest.defaultTestLoader.loadTestsFromModule(sys.modules[__name__])
    result = unittest.TextTestRunner(verbosity=1).run(suite)
    failed = min(len(result.failures) + len(result.errors), result.testsRun)
    print(f"{result.testsRun - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
