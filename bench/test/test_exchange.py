#!/usr/bin/env python3
"""Runs leave in the formats of other tools and come back from them, as those tools see it."""

import csv
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.join(HERE, "..", "..")
BENCH = os.path.join(TOP, "build", "debug", "weir-bench")
REFERENCE = os.path.join(TOP, "results", "reference")
GOOGLE = "/usr/share/benchmark/compare.py"
# https://go.googlesource.com/proposal/+/master/design/14313-benchmark-format.md
GO_LINE = re.compile(r"Benchmark[^a-z\s]\S*\s+[1-9]\d*(\s+[-+.\deE]+\s+[^\s\d]\S*)+")
GO_CONFIGURATION = re.compile(r"[a-z][^A-Z\s:]*: \S.*")


def bench(*words):
    return subprocess.run([BENCH, *words], capture_output=True, text=True, check=False)


class InFolder(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder)

    def path(self, name, content=None):
        path = os.path.join(self.folder, name)
        if content is not None:
            with open(path, "w", encoding="utf-8") as file:
                file.write(content if isinstance(content, str) else json.dumps(content))
        return path


class Export(InFolder):
    def export(self, name):
        run = bench("export", "--format", name, REFERENCE)
        self.assertEqual((run.returncode, run.stderr), (0, ""))
        return run.stdout

    def test_csv_has_a_row_a_sample_and_keeps_every_value(self):
        text = self.export("csv")
        rows = list(csv.DictReader(io.StringIO(text, newline="")))
        first = next(row for row in rows if row["workload"] == "throughput")
        self.assertGreater(len(rows), 500)
        self.assertEqual(len({row["id"] for row in rows}), len(rows))
        self.assertTrue(all(None not in row and None not in row.values() for row in rows))
        self.assertAlmostEqual(float(first["tasks_per_s"]) * float(first["ns_per_task"]) / 1e9, 1)
        self.assertEqual(first["cell.grain_ns"], "1000")
        tails = [row for row in rows if row["total_count"] and int(row["total_count"]) < 1000]
        self.assertTrue(all(row["total_p99.9_ns"] == "" for row in tails))

    @unittest.skipUnless(os.path.exists(GOOGLE), "no compare.py (Debian package libbenchmark-tools)")
    def test_google_benchmarks_own_comparison_reads_the_export(self):
        path = self.path("run.json", self.export("google"))
        run = subprocess.run(["/usr/bin/python3", GOOGLE, "--no-color", "benchmarks", path, path],
                             capture_output=True, text=True, check=False)
        if "No module named" in run.stderr:
            self.skipTest("compare.py wants python3-scipy and python3-numpy")
        self.assertEqual(run.returncode, 0, run.stderr)
        self.assertIn("throughput/grain_ns:1000", run.stdout)
        self.assertIn("+0.0000", run.stdout)

    def test_go_lines_follow_the_format(self):
        lines = self.export("go").rstrip("\n").split("\n")
        for line in lines[:4]:
            self.assertRegex(line, GO_CONFIGURATION)
        self.assertGreater(len(lines), 500)
        for line in lines[4:]:
            self.assertIsNotNone(GO_LINE.fullmatch(line), line)

    def test_every_histogram_becomes_a_file(self):
        out = self.path("hgrm")
        run = bench("export", "--format=hgrm", "--out", out, REFERENCE)
        self.assertEqual((run.returncode, run.stderr), (0, ""))
        names = os.listdir(out)
        self.assertTrue(any("wait" in n and "round_trip" in n for n in names))
        with open(os.path.join(out, names[0]), encoding="utf-8") as file:
            self.assertIn("1/(1-Percentile)", file.readline())

    def test_wrong_words_get_the_nearest_right_one(self):
        run = bench("export", "--format", "cvs", REFERENCE)
        self.assertEqual((run.returncode, run.stderr.count("\n")), (64, 1))
        self.assertIn("'csv'", run.stderr)
        self.assertEqual(bench("export", "no/run").returncode, 66)
        self.assertEqual(bench("export", "--format", "hgrm", REFERENCE).returncode, 64)
        full = bench("export", "--out", "/dev/full", REFERENCE)
        self.assertEqual((full.returncode, full.stderr.count("\n")), (74, 1))


def google(times, unit="ns"):
    return {"benchmarks": [
        {"name": "b/1", "run_name": "b/1", "run_type": "iteration", "repetition_index": i,
         "iterations": 1, "real_time": t, "cpu_time": t, "time_unit": unit}
        for i, t in enumerate(times)
    ] + [{"name": "b/1_mean", "run_name": "b/1", "run_type": "aggregate", "real_time": 1e9,
          "cpu_time": 1, "time_unit": unit}]}


def jmh(scores, unit):
    half = len(scores) // 2
    return [{"benchmark": "p.C.m", "mode": "avgt", "params": {"size": "10"},
             "primaryMetric": {"score": 1, "scoreUnit": unit,
                               "rawData": [scores[:half], scores[half:]]}}]


class Import(InFolder):
    def compare(self, a, b, code):
        run = bench("compare", "--json", self.path("a.json", a), self.path("b.json", b))
        self.assertEqual(run.returncode, code, run.stderr + run.stdout[:400])
        return json.loads(run.stdout)["cells"]

    def test_google_benchmark_repetitions_are_samples_and_aggregates_are_not(self):
        slow = [100 + i for i in range(12)]
        fast = [0.05 + i / 2000 for i in range(12)]  # in microseconds
        (cell,) = self.compare(google(slow), google(fast, "us"), 1)
        self.assertEqual((cell["verdict"], cell["rounds"]), ("SLOWER", 12))
        self.assertAlmostEqual(cell["ratio"], 0.5, places=2)

    def test_jmh_scores_are_times_whatever_their_unit(self):
        (cell,) = self.compare(jmh([50.0] * 12, "ns/op"), jmh([10.0] * 12, "ops/us"), 0)
        self.assertEqual(cell["verdict"], "FASTER")
        self.assertAlmostEqual(cell["ratio"], 2.0)
        self.assertEqual(cell["cell"]["benchmark"], "p.C.m size=10")

    def test_a_hyperfine_command_alone_is_compared_with_the_other(self):
        one = {"results": [{"command": "old", "times": [2.0 + i / 1e3 for i in range(10)]}]}
        two = {"results": [{"command": "new", "times": [1.0 + i / 1e3 for i in range(10)]}]}
        (cell,) = self.compare(one, two, 1)
        self.assertAlmostEqual(cell["ratio"], 0.5, places=2)

    @unittest.skipUnless(shutil.which("hyperfine"), "no hyperfine (Debian package hyperfine)")
    def test_what_hyperfine_writes_is_read(self):
        path = self.path("h.json")
        subprocess.run(["hyperfine", "-N", "-r", "7", "true", "--export-json", path],
                       capture_output=True, check=True)
        with open(path, encoding="utf-8") as file:
            text = file.read()
        (cell,) = self.compare(text, text, 0)
        self.assertEqual((cell["verdict"], cell["rounds"]), ("SAME", 7))

    def test_an_export_comes_back_as_what_it_was(self):
        text = bench("export", "-f", "google", REFERENCE).stdout
        cells = self.compare(text, text, 2)  # some cells have too few rounds
        self.assertGreater(len(cells), 100)
        self.assertEqual({cell["verdict"] for cell in cells if cell["rounds"] >= 6}, {"SAME"})

    def test_other_json_and_no_json_get_one_line(self):
        for content, words in (({"x": 1}, "not the JSON of"), ("{", "line 1"),
                               ({"results": []}, "no times"),
                               (google([1], "parsec"), "known time_unit")):
            run = bench("compare", self.path("a.json", content), self.path("b.json", google([1])))
            self.assertEqual((run.returncode, run.stderr.count("\n")), (66, 1), run.stderr)
            self.assertIn(words, run.stderr)


def main():
    suite = unittest.defaultTestLoader.loadTestsFromModule(sys.modules[__name__])
    result = unittest.TextTestRunner(verbosity=1).run(suite)
    for test, why in result.skipped:
        print(f"skipped: {test.id().split('.')[-1]}: {why}")
    failed = len(result.failures) + len(result.errors)
    print(f"{result.testsRun - failed - len(result.skipped)} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
