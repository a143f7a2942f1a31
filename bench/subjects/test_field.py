#!/usr/bin/env python3
"""A short cell for each thing that each built pool says it can do, in every configuration.

A cell checks that every task ran exactly once with its own argument, and brings back right values;
here it only has to say so. What a pool does not offer must come out as unsupported. Figures of such
short cells mean nothing and are not looked at.
"""

import concurrent.futures
import json
import os
import subprocess
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.join(HERE, "..", "..")
BENCH = os.path.join(TOP, "build", "release", "weir-bench")
PATTERNS = ("block", "timed", "poll", "callback", "any", "all", "nested", "signal")
KERNELS = {"fib": 12, "nqueens": 8, "uts": 8, "skynet": 2}


def listed():
    done = subprocess.run([BENCH, "list", "--json"], capture_output=True, text=True, check=True)
    return [s for s in json.loads(done.stdout)["subjects"] if s["available"]]


def is_program(subject):
    return not os.path.exists(plugin(subject["name"]))


def plugin(name):
    return os.path.join(TOP, "build", "release", "subjects", name + ".so")


def record(name, variant, cell):
    """The record of one cell of a plug-in, or what it printed instead."""
    description = {"schema": 1, "subject": name, "variant": variant, "plugin": plugin(name),
                   "cell": cell, "options": [], "seed": 7, "warmup_ns": 1_000_000,
                   "measure_ns": 4_000_000, "deadline_ns": 20_000_000_000}
    done = subprocess.run([BENCH, "cell"], input=json.dumps(description), capture_output=True,
                          text=True, timeout=60, check=False)
    try:
        return json.loads(done.stdout)
    except ValueError:
        return {"status": f"exit {done.returncode}", "reason": done.stderr, "values": {}}


def offered(subject, variant):
    """(cell, statuses that are right) for what the configuration says it can do, and cannot."""
    can = subject["capabilities"]
    inside = variant["full"] == "caller runs"  # takes tasks from one thread
    two = {"workers": 2, "producers": 1 if inside else 2}
    yield {"workload": "throughput", "grain_ns": 500, **two}, ("ok",)
    yield {"workload": "contention", **two}, ("ok",)
    yield ({"workload": "throughput", "batch": 8, **two},
           ("ok",) if "submit-batch" in can else ("unsupported",))
    yield ({"workload": "throughput", "capacity": 4, **two},
           ("ok",) if "bounded" in can else ("unsupported",))
    for pattern in PATTERNS:
        window = 1 if pattern == "nested" else 2
        yield ({"workload": "wait", "pattern": pattern, "workers": 2, "window": window},
               ("ok",) if pattern in variant["patterns"] else ("unsupported",))
    # A generator on a busy machine is late, and a cell that short is then refused.
    yield {"workload": "latency", "workers": 1, "rate_per_s": 2000, "service_ns": 1000}, ("ok", "invalid")
    yield {"workload": "wakeup", "workers": 2, "gap_ns": 100_000}, ("ok",)
    yield {"workload": "sparse", "workers": 2, "tasks_per_s": 1000}, ("ok",)
    yield {"workload": "lifecycle", "workers": 2, "tasks": 10}, ("ok",)
    yield {"workload": "blocking", "workers": 4, "share": 10, "sleep_ns": 10_000}, ("ok",)
    yield ({"workload": "memory", "workers": 2, "queued": 500},
           ("unsupported",) if "one-thread-a-task" in can or variant["full"] == "rejects"
           else ("ok", "invalid") if variant["full"] != "grows" else ("ok",))
    for kernel, n in KERNELS.items():
        yield ({"workload": "forkjoin", "kernel": kernel, "n": n, "workers": 2},
               ("ok", "unsupported") if "fork-join" in can else ("unsupported",))


class Field(unittest.TestCase):
    def test_every_capability_of_every_plug_in_holds_in_a_short_cell(self):
        wanted = [(subject["name"], variant["name"], cell, statuses)
                  for subject in listed() if not is_program(subject)
                  for variant in subject["variants"] for cell, statuses in offered(subject, variant)]
        self.assertTrue(wanted)
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            records = list(pool.map(lambda each: record(*each[:3]), wanted))
        for (name, variant, cell, statuses), got in zip(wanted, records):
            with self.subTest(f"{name}:{variant} {cell}"):
                self.assertIn(got["status"], statuses, got["reason"])
                if got["status"] == "ok" and cell["workload"] != "sparse":
                    self.assertGreater(got["tasks"], 0)

    def test_a_pool_that_refuses_is_shown_as_such(self):
        for subject in listed():
            for variant in subject["variants"]:
                if is_program(subject) or variant["full"] != "rejects":
                    continue
                with self.subTest(f"{subject['name']}:{variant['name']}"):
                    got = record(subject["name"], variant["name"],
                                 {"workload": "contention", "workers": 1, "producers": 2})
                    self.assertEqual(got["config"]["full"], "rejects")
                    self.assertGreater(got["values"]["retries"], 0)
                    self.assertTrue(any(mark.startswith("refused ") for mark in got["validity"]))

    def test_what_the_caller_runs_is_shown_as_such(self):
        for subject in listed():
            for variant in subject["variants"]:
                if is_program(subject) or variant["full"] != "caller runs":
                    continue
                with self.subTest(f"{subject['name']}:{variant['name']}"):
                    got = record(subject["name"], variant["name"],
                                 {"workload": "contention", "workers": 1, "producers": 1})
                    share = got["values"]["caller_ran_share"]
                    marked = any("ran on the thread that submits" in mark for mark in got["validity"])
                    self.assertEqual(marked, share >= 0.005)

    def test_what_a_program_lacks_is_told_and_not_tried(self):
        cells = (("oversubscribe", "--hogs", "0"), ("blocking", "--share", "10"), ("memory", "--alloc", "glibc"))
        for subject in filter(is_program, listed()):
            own = "its memory comes from its run-time"
            for workload, axis, value in cells:
                reason = own if workload in subject["workloads"] else "its program does not have this workload"
                with self.subTest(subject=subject["name"], workload=workload):
                    self.assertEqual(self.statuses(subject["name"], "-w", workload, axis, value), {("unsupported", reason)})

    def test_every_program_offers_the_load_of_the_plug_ins(self):
        programs = [subject["name"] for subject in filter(is_program, listed())]
        for arrivals, service in (("poisson", "exponential"), ("burst", "pareto"), ("constant", "bimodal")):
            with tempfile.TemporaryDirectory() as folder:
                out = os.path.join(folder, "run")
                chosen = [word for name in ["handmade", *programs] for word in ("-s", name)]
                done = subprocess.run(
                    [BENCH, "run", "-q", "-w", "latency", "--workers", "1", "--arrivals", arrivals, "--service", service,
                     "--rate", "4000", "--service-ns", "20000", "--rounds", "1", "--measure-ms", "50", "--out",
                     out, *chosen], capture_output=True, text=True, timeout=120, check=False)
                self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
                with open(os.path.join(out, "samples.jsonl"), encoding="utf-8") as file:
                    samples = [json.loads(line) for line in file]
            loads = {sample["subject"]["name"]: sample["values"] for sample in samples}
            self.assertEqual(set(loads), {"handmade", *programs})
            right = loads["handmade"]
            for name, load in loads.items():
                with self.subTest(name, arrivals=arrivals, service=service):
                    for value in ("schedule_ns", "schedule_work_ns"):  # logarithms may differ in their last bit
                        self.assertAlmostEqual(load[value], right[value], delta=4)

    def test_the_tables_of_a_story_name_what_a_pool_lacks(self):
        lines = self.statuses("handmade", "-w", "forkjoin")
        self.assertEqual(lines, {("unsupported", "no fork-join kernels")})

    def statuses(self, *options):
        """What the samples of a run say of their subject: status and reason."""
        with tempfile.TemporaryDirectory() as folder:
            out = os.path.join(folder, "run")
            done = subprocess.run([BENCH, "run", "-q", "--rounds", "1", "--measure-ms", "2", "--out", out, "-s",
                                   *options], capture_output=True, text=True, timeout=60, check=False)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            with open(os.path.join(out, "samples.jsonl"), encoding="utf-8") as file:
                return {(sample["status"], sample["reason"]) for sample in map(json.loads, file)}

    def test_every_configuration_of_every_program_keeps_its_promises(self):
        for subject in listed():
            if not is_program(subject):
                continue
            for variant in subject["variants"][1:]:  # the first is tested in all its parts elsewhere
                what = f"{subject['name']}:{variant['name']}"
                with self.subTest(what):
                    out = os.path.join(self.folder, what.replace(":", "-"))
                    done = subprocess.run(
                        [BENCH, "run", "-q", "-w", "wait", "--pattern", "signal", "--workers", "2",
                         "--rounds", "1", "--measure-ms", "5", "--warmup-ms", "5", "-s", what,
                         "--out", out, "--json"],
                        capture_output=True, text=True, timeout=60, check=False)
                    self.assertEqual(done.returncode, 0, done.stderr)
                    with open(os.path.join(out, "samples.jsonl"), encoding="utf-8") as lines:
                        self.assertEqual([json.loads(line)["status"] for line in lines], ["ok"])

    @classmethod
    def setUpClass(cls):
        import tempfile
        cls.kept = tempfile.TemporaryDirectory()
        cls.folder = cls.kept.name

    @classmethod
    def tearDownClass(cls):
        cls.kept.cleanup()


def main():
    suite = unittest.defaultTestLoader.loadTestsFromModule(sys.modules[__name__])
    result = unittest.TextTestRunner(verbosity=1).run(suite)
    failed = min(len(result.failures) + len(result.errors), result.testsRun)
    print(f"{result.testsRun - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
