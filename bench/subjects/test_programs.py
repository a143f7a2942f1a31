#!/usr/bin/env python3
"""Tests of the subjects that are programs: what they print, and that they see a broken promise."""

import json
import os
import shutil
import subprocess
import sys
import unittest

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "python"), os.path.join(HERE, "..", "..", "scripts")]
import instruments
import pool
import samples

BUILT = os.path.join(HERE, "..", "..", "build", "release", "subjects")
FLAGS = "@" + os.path.join(HERE, "java", "java.args")
PROGRAMS = {"python": [sys.executable, os.path.join(HERE, "python", "pool.py")]}
if shutil.which("java") and os.path.exists(os.path.join(BUILT, "java", "Pool.class")):
    PROGRAMS["java"] = ["java", FLAGS, "-cp", os.path.join(BUILT, "java"), "Pool"]
for name, path in (("go", "go/pool"), ("rayon", "rust/rayon"), ("tokio", "rust/tokio"),
                   ("rust-threadpool", "rust/threadpool")):
    if os.path.exists(os.path.join(BUILT, path)):
        PROGRAMS[name] = [os.path.join(BUILT, path)]
DESCRIBED = {}  # by name, once asked


def describe(cell, **changes):
    return {"schema": 1, "subject": "x", "variant": "default", "cell": cell, "options": [],
            "seed": 7, "warmup_ns": 4_000_000, "measure_ns": 20_000_000,
            "deadline_ns": 20_000_000_000, **changes}


def run(name, text, *arguments):
    return subprocess.run(PROGRAMS[name] + list(arguments), input=text, capture_output=True,
                          text=True, timeout=60, check=False)


def described(name):
    if name not in DESCRIBED:
        DESCRIBED[name] = json.loads(run(name, "", "--describe").stdout)
    return DESCRIBED[name]


class Programs(unittest.TestCase):
    def record(self, name, cell, **changes):
        done = run(name, json.dumps(describe(cell, **changes)))
        self.assertEqual((done.returncode, done.stdout.count("\n")), (0, 1), done.stderr)
        record = json.loads(done.stdout)
        self.assertEqual(record["schema"], 1)
        return record

    def test_describe_names_workloads_patterns_and_what_the_queue_does(self):
        for name in PROGRAMS:
            with self.subTest(name):
                self.assertEqual(described(name)["name"], name)
                self.assertLessEqual({"throughput", "contention", "wait", "latency"},
                                     set(described(name)["workloads"]))
                self.assertLessEqual(set(described(name)["patterns"]), set(samples.PATTERNS))
                self.assertIn("signal", described(name)["patterns"])
                for variant in described(name)["variants"]:
                    self.assertIn(variant["full"], ("grows", "waits", "rejects", "caller runs"))
                    self.assertIn(variant["order"], ("fifo", "any"))
                    self.assertTrue(variant["notes"])

    def test_throughput_and_contention_agree_with_their_own_counts(self):
        for name in PROGRAMS:
            for workload in ("throughput", "contention"):
                with self.subTest(name + " " + workload):
                    record = self.record(name, {"workload": workload, "workers": 2, "producers": 2,
                                                "grain_ns": 0, "batch": 1, "capacity": 0})
                    self.assertEqual(record["status"], "ok", record["reason"])
                    rate = record["tasks"] * 1e9 / record["wall_ns"]
                    self.assertAlmostEqual(record["values"]["tasks_per_s"] / rate, 1, places=6)
                    self.assertEqual("jain" in record["values"], workload == "contention")

    def test_every_pattern_gives_a_histogram_of_its_round_trips(self):
        for name in PROGRAMS:
            for pattern in described(name)["patterns"]:
                with self.subTest(name + " " + pattern):
                    record = self.record(name, {"workload": "wait", "workers": 4,
                                                "pattern": pattern, "window": 1})
                    self.assertEqual(record["status"], "ok", record["reason"])
                    stored = record["hist"]["round_trip"]
                    tasks = 2 if pattern == "nested" else 1
                    self.assertEqual(stored["count"] * tasks, record["tasks"])
                    self.assertEqual(sum(stored["slots"][1::2]), stored["count"])
                    last = sum(stored["slots"][::2])
                    self.assertLessEqual(stored["max"], samples.Histogram.high(last))
                    self.assertGreater(stored["max"], samples.Histogram.high(last - 1))

    def test_what_a_pool_lacks_is_unsupported_and_not_filled_in(self):
        for name in PROGRAMS:
            for pattern in set(samples.PATTERNS) - set(described(name)["patterns"]):
                with self.subTest(name + " " + pattern):
                    record = self.record(name, {"workload": "wait", "workers": 2,
                                                "pattern": pattern, "window": 1})
                    self.assertEqual(record["status"], "unsupported")
            with self.subTest(name + " batch"):
                record = self.record(name, {"workload": "throughput", "workers": 2, "producers": 1,
                                            "grain_ns": 0, "batch": 4})
                self.assertEqual(record["status"], "unsupported")

    def test_nested_waits_that_would_deadlock_are_unsupported(self):
        for name in PROGRAMS:
            with self.subTest(name):
                record = self.record(name, {"workload": "wait", "workers": 2, "pattern": "nested",
                                            "window": 2})
                self.assertEqual(record["status"], "unsupported")

    def test_latency_is_measured_or_refused_with_a_reason(self):
        for name in PROGRAMS:
            for service_ns, rate, wanted in ((1000, 200, ("ok", "invalid")),
                                             (1_000_000, 20_000, ("invalid",))):
                with self.subTest(name):
                    record = self.record(name, {"workload": "latency", "workers": 1,
                                                "arrivals": "poisson", "service": "constant",
                                                "service_ns": service_ns, "rate_per_s": rate})
                    self.assertIn(record["status"], wanted)
                    self.assertEqual("total" in record["hist"], record["status"] == "ok")
                    if rate == 20_000:
                        self.assertRegex(record["reason"], "^(UNSUSTAINED|generator lag)")

    def test_further_workloads_give_the_figures_that_the_tables_show(self):
        cells = {"wakeup": ({"gap_ns": 100_000}, "start_p50_ns"), "metg": ({"efficiency": 10}, "metg_ns"),
                 "sparse": ({"tasks_per_s": 1000}, "cpu_percent"),
                 "memory": ({"queued": 1000}, "bytes_per_task"), "lifecycle": ({"tasks": 10}, "life_ns")}
        for name in PROGRAMS:
            waits = described(name)["variants"][0]["full"] == "waits"
            for workload, (axes, figure) in cells.items():
                with self.subTest(name + " " + workload):
                    record = self.record(name, {"workload": workload, "workers": 2, **axes},
                                         warmup_ns=1_000_000, measure_ns=5_000_000)
                    if workload == "memory" and waits:
                        self.assertEqual(record["status"], "unsupported")
                    elif workload != "metg" or record["status"] != "invalid":  # on a busy machine
                        self.assertEqual(record["status"], "ok", record["reason"])
                        self.assertIn(figure, record["values"])

    def test_kernels_are_those_of_the_shared_header(self):
        # As bench/kernels.c counts them.
        spawns = {"fib": (12, 232), "nqueens": (9, 55), "uts": (8, 21), "skynet": (2, 99)}
        for name, variant in (("go", "goroutine"), ("java", "forkjoin"), ("rayon", "default")):
            for kernel, (n, known) in spawns.items():
                if name not in PROGRAMS:
                    continue
                with self.subTest(name + " " + kernel):
                    record = self.record(name, {"workload": "forkjoin", "kernel": kernel, "n": n,
                                                "workers": 2}, variant=variant,
                                         warmup_ns=1_000_000, measure_ns=2_000_000)
                    self.assertEqual(record["status"], "ok", record["reason"])
                    self.assertEqual(record["values"]["spawns"], known)

    def test_bad_input_is_one_line_and_exit_2(self):
        cell = {"workload": "throughput", "workers": 2, "producers": 1}
        bad = ["", "{", "[]", "{}", json.dumps(describe({"workload": "nothing"})),
               json.dumps(describe(cell, options=["a=b"])),
               json.dumps(describe(cell, variant="nothing")),
               json.dumps(describe(dict(cell, workers=0)))]
        for name in PROGRAMS:
            for text in bad:
                with self.subTest(name + " " + text[:60]):
                    done = run(name, text)
                    self.assertEqual((done.returncode, done.stdout), (2, ""))
                    self.assertEqual(done.stderr.count("\n"), 1, done.stderr)


class Promises(unittest.TestCase):
    """The ledger, against pools whose fault is known."""

    def accusation(self, runs):
        ledger = instruments.Ledger(3, 0)
        for number, check in runs:
            ledger.run(number, check ^ instruments.KEY)
        try:
            ledger.check()
        except instruments.Broken as reason:
            return str(reason)
        return ""

    def test_a_correct_pool_is_not_accused(self):
        self.assertEqual(self.accusation([(2, 2), (0, 0), (1, 1)]), "")

    def test_each_fault_is_called_by_its_name(self):
        self.assertRegex(self.accusation([(0, 0), (1, 1)]), "^lost task: 1 of 3")
        self.assertRegex(self.accusation([(0, 0), (1, 1), (2, 2), (1, 1)]), "^double run: 1 of 3")
        self.assertRegex(self.accusation([(0, 0), (1, 2), (2, 2)]), "^wrong argument")

    def test_a_pool_that_runs_a_task_twice_fails_its_cell(self):
        honest = pool.futures.ThreadPoolExecutor

        class Twice(honest):
            def submit(self, fn, *arguments):
                if arguments and arguments[0] == 5:
                    super().submit(fn, *arguments)
                return super().submit(fn, *arguments)

        pool.futures.ThreadPoolExecutor = Twice
        try:
            record = pool.run_cell(describe({"workload": "throughput", "workers": 1,
                                             "producers": 1, "grain_ns": 0}))
        finally:
            pool.futures.ThreadPoolExecutor = honest
        self.assertEqual(record["status"], "failed")
        self.assertRegex(record["reason"], "^double run")


def main():
    suite = unittest.defaultTestLoader.loadTestsFromModule(sys.modules[__name__])
    result = unittest.TextTestRunner(verbosity=1).run(suite)
    failed = min(len(result.failures) + len(result.errors), result.testsRun)
    print(f"{result.testsRun - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
