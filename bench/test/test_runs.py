#!/usr/bin/env python3
"""Runs that are killed, spoilt, starved of disk, or joined: what is good is kept, what is not is named."""

import filecmp
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.join(HERE, "..", "..")
BUILT = os.path.join(TOP, "build", "debug")
BENCH = os.path.join(BUILT, "weir-bench")
POOL = os.path.join(BUILT, "subjects", "broken", "correct.so")
REPORT = os.path.join(TOP, "scripts", "report")
CELL = ("-w", "throughput", "--workers", "1,2", "--grain-ns", "1000", "--measure-ms", "20",
        "--warmup-ms", "2")


def bench(*words, **how):
    return subprocess.run([BENCH, *words], capture_output=True, text=True, check=False, **how)


def lines_of(run):
    with open(os.path.join(run, "samples.jsonl"), encoding="utf-8") as file:
        return file.read().split("\n")


def wait_for(condition, seconds=30):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise AssertionError("waited in vain")
        time.sleep(0.005)


def small_group():
    """A control group that may use a fifth of a CPU, of either version; None: not allowed here."""
    for root, limits in (("/sys/fs/cgroup/cpu", {"cpu.cfs_period_us": "50000", "cpu.cfs_quota_us": "10000"}),
                         ("/sys/fs/cgroup", {"cpu.max": "10000 50000"})):
        group = os.path.join(root, f"weir-test-{os.getpid()}")
        try:
            os.mkdir(group)
        except OSError:
            continue
        try:
            for name, text in limits.items():
                with open(os.path.join(group, name), "w", encoding="ascii") as file:
                    file.write(text)
            return group
        except OSError:
            os.rmdir(group)
    return None


class InFolder(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def path(self, name):
        return os.path.join(self.folder, name)

    def begin(self, *words, out="run", pool=POOL, rounds=8):
        """A run in the background, once its first sample is written."""
        run = self.path(out)
        process = subprocess.Popen(
            [BENCH, "run", *CELL, "-s", pool, "-q", "--rounds", str(rounds), "--out", run, *words],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.addCleanup(process.stderr.close)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        wait_for(lambda: os.path.exists(os.path.join(run, "samples.jsonl")) and len(lines_of(run)) > 1)
        return process, run

    def whole(self, out, rounds=3):
        run = bench("run", *CELL, "-s", POOL, "-q", "--rounds", str(rounds), "--seed", "7",
                    "--out", self.path(out))
        self.assertEqual(run.returncode, 0, run.stderr)
        return self.path(out)


class Killed(InFolder):
    def test_kill_9_loses_at_most_the_cell_in_flight_and_resume_goes_on(self):
        process, run = self.begin()
        wait_for(lambda: len(lines_of(run)) > 4)
        process.kill()
        process.wait()
        lines = lines_of(run)
        good = [json.loads(line) for line in lines[:-1]]
        self.assertGreaterEqual(len(good), 4)
        again = bench("run", "--resume", run, "-q", "--rounds", "8")
        self.assertEqual(again.returncode, 0, again.stderr)
        after = [json.loads(line) for line in lines_of(run)[:-1]]
        self.assertEqual(after[:len(good)], good)
        places = [(s["cell"]["workers"], s["round"], s["subject"]["name"]) for s in after]
        self.assertEqual(len(set(places)), 8 * 2)  # nothing is missing,
        self.assertEqual(len(places), len(set(places)))  # and nothing was measured twice
        ids = [s["id"] for s in after]
        self.assertEqual(len(set(ids)), len(ids))

    def test_a_torn_last_line_is_cut_off_and_told(self):
        run = self.whole("run")
        with open(os.path.join(run, "samples.jsonl"), "a", encoding="utf-8") as file:
            file.write('{"schema":1,"id":"x')
        told = bench("export", run)
        self.assertEqual((told.returncode, told.stderr.count("\n")), (0, 1))
        self.assertIn("torn", told.stderr)

    def test_a_foreign_line_gets_its_number(self):
        run = self.whole("run")
        with open(os.path.join(run, "samples.jsonl"), "a", encoding="utf-8") as file:
            file.write("hello\n")
        told = bench("export", run)
        self.assertEqual((told.returncode, told.stderr.count("\n")), (66, 1))
        self.assertIn("line 7 is not a sample", told.stderr)

    def test_a_folder_that_cannot_be_written_is_one_line(self):
        told = bench("run", *CELL, "-s", POOL, "-q", "--rounds", "1", "--out", "/proc/run")
        self.assertEqual((told.returncode, told.stderr.count("\n")), (74, 1))
        self.assertIn("cannot make the run directory /proc/run", told.stderr)

    def test_a_full_disk_is_named_and_keeps_what_is_good(self):
        disk = self.path("disk")
        os.mkdir(disk)
        mount = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=32k", "none", disk],
                               capture_output=True, check=False)
        if mount.returncode:
            self.skipTest("no right to mount a small disk")
        self.addCleanup(subprocess.run, ["umount", disk], check=False)
        run = os.path.join(disk, "run")
        told = bench("run", *CELL, "-s", POOL, "-q", "--rounds", "40", "--out", run)
        self.assertEqual(told.returncode, 74)
        self.assertIn("No space left on device", told.stderr)
        good = [json.loads(line) for line in lines_of(run)[:-1]]
        self.assertGreater(len(good), 2)


class Watched(InFolder):
    def test_top_shows_the_cell_in_flight_and_the_last_samples(self):
        process, run = self.begin(rounds=40)
        told = bench("top", "--once", run)
        process.kill()
        process.wait()
        self.assertEqual(told.returncode, 0, told.stderr)
        self.assertRegex(told.stdout, r"running, \d+ samples")
        self.assertRegex(told.stdout, r"now +round \d+, +\d+ %, \d+:\d\d left: correct throughput")
        self.assertRegex(told.stdout, r"correct, throughput: .* \d")

    def test_top_ends_with_the_run_and_names_what_is_missing(self):
        told = bench("top", self.whole("run"))
        self.assertEqual(told.returncode, 0)
        self.assertIn("complete, 6 samples", told.stdout)
        self.assertNotIn("now ", told.stdout)
        self.assertEqual(bench("top", self.path("nothing")).returncode, 66)


class Spread(InFolder):
    def shards(self, *words):
        run = bench("run", "--list-shards", *words)
        self.assertEqual(run.returncode, 0, run.stderr)
        return run.stdout.split()

    def test_shards_are_the_cells_and_each_runs_by_its_name(self):
        shards = self.shards("-w", "throughput", "--workers", "1,2", "-s", POOL)
        self.assertEqual(len(shards), 2)
        run = bench("run", "--run-shard", shards[1], "-s", POOL, "--rounds", "2", "--measure-ms",
                    "5", "-q", "--out", self.path("part"))
        self.assertEqual(run.returncode, 0, run.stderr)
        cells = [json.loads(line)["cell"] for line in lines_of(self.path("part"))[:-1]]
        self.assertEqual([cell["workers"] for cell in cells], [2, 2])

    def test_a_shard_that_is_none_gets_one_line(self):
        for shard in ("speed/workers:2", "wait/grain_ns:2", "wait/workers", "wait/workers:0"):
            run = bench("run", "--run-shard", shard, "-s", POOL)
            self.assertEqual((run.returncode, run.stderr.count("\n")), (64, 1), shard)

    @unittest.skipUnless(shutil.which("parallel"), "no GNU parallel (Debian package parallel)")
    def test_a_campaign_over_local_workers_gives_one_run_and_goes_on_where_it_was(self):
        out = self.path("spread")
        line = [os.path.join(TOP, "scripts", "campaign"), "spread", out, "--jobs", "2", "-w",
                "throughput", "--workers", "1,2", "--", "-s", POOL, "--rounds", "2",
                "--measure-ms", "5"]
        for _ in range(2):
            run = subprocess.run(line, capture_output=True, text=True, check=False,
                                 env={**os.environ, "WEIR_BENCH": BENCH})
            self.assertEqual(run.returncode, 0, run.stderr)
            samples = [json.loads(s) for s in lines_of(os.path.join(out, "all"))[:-1]]
            self.assertEqual(len(samples), 4)  # the second time nothing is measured again
        self.assertTrue(os.path.exists(os.path.join(out, "all", "report.html")))


class Spoilt(InFolder):
    def doubts(self, run):
        return [" ".join(json.loads(line)["validity"]) for line in lines_of(run)[:-1]]

    def test_a_plug_in_swapped_between_rounds_is_named(self):
        pool = self.path("pool.so")
        shutil.copy(POOL, pool)
        process, run = self.begin(pool=pool)
        other = self.path("other.so")
        shutil.copy(POOL, other)
        with open(other, "ab") as file:
            file.write(b"\0")  # still a plug-in, and another file
        os.replace(other, pool)
        self.assertEqual(process.wait(60), 0)
        samples = [json.loads(line) for line in lines_of(run)[:-1]]
        self.assertEqual(samples[0]["status"], "ok")
        self.assertEqual(samples[-1]["status"], "invalid")
        self.assertIn("binary changed", samples[-1]["reason"])

    def test_a_plug_in_built_again_with_the_same_content_is_not(self):
        pool = self.path("pool.so")
        shutil.copy(POOL, pool)
        process, run = self.begin(pool=pool, rounds=4)
        other = self.path("other.so")
        shutil.copy(POOL, other)
        os.replace(other, pool)
        self.assertEqual(process.wait(60), 0)
        self.assertFalse(any("binary changed" in doubt for doubt in self.doubts(run)))

    @unittest.skipUnless(len(os.sched_getaffinity(0)) > 1, "one CPU: nothing to cut")
    def test_cpus_that_are_taken_away_in_the_middle_are_named(self):
        process, run = self.begin()
        os.sched_setaffinity(process.pid, {min(os.sched_getaffinity(0))})
        self.assertEqual(process.wait(60), 0)
        doubts = self.doubts(run)
        self.assertNotIn("INVALID: CPUs", doubts[0])
        self.assertIn("INVALID: CPUs", doubts[-1])

    def test_a_quota_that_comes_in_the_middle_is_named(self):
        group = small_group()
        if group is None:
            self.skipTest("no control group can be made here")
        self.addCleanup(os.rmdir, group)
        process, run = self.begin()
        with open(os.path.join(group, "cgroup.procs"), "w", encoding="ascii") as file:
            file.write(str(process.pid))
        self.assertEqual(process.wait(60), 0)
        doubts = self.doubts(run)
        self.assertNotIn("NOISY: throttled", doubts[0])
        self.assertIn("NOISY: throttled", doubts[-1])
        if len(os.sched_getaffinity(0)) > 1:
            self.assertIn("INVALID: CPUs", doubts[-1])

    def test_an_allocator_that_comes_in_from_outside_is_named_by_its_name(self):
        run = bench("run", "-w", "memory", "--queued", "1000", "--alloc", "glibc", "-s", POOL, "-q",
                    "--rounds", "1", "--measure-ms", "5", "--out", self.path("run"))
        self.assertEqual(run.returncode, 0, run.stderr)
        (sample,) = [json.loads(line) for line in lines_of(self.path("run"))[:-1]]
        self.assertEqual((sample["status"], sample["machine"]["alloc"]), ("ok", "glibc"))
        self.assertGreaterEqual(sample["values"]["allocations_per_task"], 0.9)


class Joined(InFolder):
    def test_merging_in_any_order_gives_the_same_bytes_and_the_same_report(self):
        one, two = self.whole("one"), self.whole("two", 2)
        reports = []
        for name, order in (("ab", (one, two)), ("ba", (two, one))):
            out = os.path.join(self.path(name), "both")
            os.makedirs(self.path(name))
            merged = bench("merge", "--out", out, *order)
            self.assertEqual(merged.returncode, 0, merged.stderr)
            made = subprocess.run([sys.executable, REPORT, out], capture_output=True, text=True,
                                  check=False)
            self.assertEqual(made.returncode, 0, made.stderr)
            reports.append(out)
        for file in ("samples.jsonl", "run.json", "report.html"):
            paths = [os.path.join(out, file) for out in reports]
            self.assertTrue(filecmp.cmp(*paths, shallow=False), file)


def main():
    signal.signal(signal.SIGINT, signal.default_int_handler)
    suite = unittest.defaultTestLoader.loadTestsFromModule(sys.modules[__name__])
    result = unittest.TextTestRunner(verbosity=1).run(suite)
    for test, why in result.skipped:
        print(f"skipped: {test}: {why}")
    failed = len(result.failures) + len(result.errors)
    print(f"{result.testsRun - failed - len(result.skipped)} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
