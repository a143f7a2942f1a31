#!/usr/bin/env python3
"""Tests of scripts/samples.py, scripts/plot and scripts/report, on samples made up here."""

import copy
import json
import math
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
import samples

HERE = os.path.dirname(os.path.abspath(__file__))
CONFIGURATIONS = (("weir", "stealing", 100), ("glib", "default", 300), ("java", "fixed", 200))


def index_of(value):
    shift = max(value.bit_length() - 11, 0)
    return shift * 1024 + (value >> shift)


def stored(values):
    """A histogram as a record holds it."""
    slots = {}
    for value in values:
        slots[index_of(value)] = slots.get(index_of(value), 0) + 1
    flat, last = [], 0
    for index in sorted(slots):
        flat += [index - last, slots[index]]
        last = index
    return {"unit": "ns", "digits": 3, "count": len(values), "min": min(values),
            "max": max(values), "slots": flat}


def cells():
    for workers in (1, 2, 4):
        yield {"workload": "throughput", "workers": workers, "producers": 1, "grain_ns": 0,
               "batch": 1, "capacity": 0}
        yield {"workload": "contention", "workers": workers, "producers": 2, "capacity": 0}
    for pattern in ("block", "signal"):
        yield {"workload": "wait", "workers": 2, "pattern": pattern, "window": 1}
    yield {"workload": "latency", "workers": 2, "arrivals": "poisson", "service": "constant",
           "service_ns": 20000, "utilisation": 50}


def sample(cell, name, variant, cost_ns, turn):
    """One line; cost_ns is what its figures follow from."""
    ns = cost_ns * (1 + 0.01 * turn)
    line = {"schema": 1, "id": f"t-{turn}", "campaign": "t", "shard": 0, "round": turn,
            "position": 0, "cell": cell, "subject": {"name": name, "version": "1", "notes": ""},
            "config": {"variant": variant}, "host": "h", "status": "ok", "reason": "",
            "wall_ns": 1, "tasks": 1, "cpu_ns": 1, "csw": 1, "machine": {}, "validity": [],
            "hist": {}, "values": {"tasks_per_s": 1e9 / ns, "ns_per_task": ns}}
    trips = [int(ns * 10) + i for i in range(400)]
    if cell["workload"] == "wait":
        line["values"] = {"round_trips_per_s": 1e8 / ns}
        line["hist"] = {"round_trip": stored(trips)}
    if cell["workload"] == "latency":
        line["values"] = {"achieved_per_s": 1}
        line["hist"] = {"total": stored(trips), "lag": stored([5] * 400)}
    return line


def lines(rounds=7, configurations=CONFIGURATIONS, keep=lambda cell: True):
    return [sample(cell, name, variant, cost, turn) for turn in range(rounds)
            for cell in cells() if keep(cell) for name, variant, cost in configurations]


class InRun(unittest.TestCase):
    """A directory that ends with the test."""

    def setUp(self):
        self.directory = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.directory)

    def write(self, made, tail="", meta=None):
        text = "".join(json.dumps(line) + "\n" for line in made) + tail
        with open(os.path.join(self.directory, "samples.jsonl"), "w", encoding="utf-8") as file:
            file.write(text)
        with open(os.path.join(self.directory, "run.json"), "w", encoding="utf-8") as file:
            json.dump(meta or {"schema": 1, "campaign": "t", "state": "complete"}, file)

    def tool(self, name, **environment):
        return subprocess.run([sys.executable, os.path.join(HERE, name), self.directory],
                              capture_output=True, text=True, check=False,
                              env={**os.environ, **environment})

    def report(self):
        run = self.tool("report")
        self.assertEqual(run.returncode, 0, run.stderr)
        with open(os.path.join(self.directory, "report.html"), encoding="utf-8") as file:
            return file.read()


class Statistics(unittest.TestCase):
    def test_interval_is_the_shortest_that_covers_95_percent(self):
        for n in range(1, 60):
            tail = lambda k: sum(math.comb(n, i) for i in range(k)) / 2**n
            k = samples.sign_rank(n)
            if k:
                self.assertLessEqual(2 * tail(k), 0.05)
            self.assertGreater(2 * tail(k + 1), 0.05)
        self.assertEqual([samples.sign_rank(n) for n in (5, 6, 8, 9, 12, 20)], [0, 1, 1, 2, 3, 6])

    def test_five_rounds_make_no_claim_and_six_do(self):
        self.assertIsNone(samples.sign_interval([1, 2, 3, 4, 5]))
        self.assertEqual(samples.sign_interval([3, 1, 2, 6, 5, 4]), (1, 6))
        self.assertEqual(samples.sign_interval(list(range(9))), (1, 7))

    def test_verdict_needs_the_interval_and_the_margin(self):
        margin = math.log1p(0.02)
        self.assertEqual(samples.verdict(0.5, (0.4, 0.6), margin), "FASTER")
        self.assertEqual(samples.verdict(-0.5, (-0.6, -0.4), margin), "SLOWER")
        self.assertEqual(samples.verdict(0.0, (-0.01, 0.01), margin), "SAME")
        self.assertEqual(samples.verdict(0.01, (0.005, 0.03), margin), "UNRESOLVED")
        self.assertEqual(samples.verdict(0.5, (-0.1, 0.6), margin), "UNRESOLVED")
        self.assertEqual(samples.verdict(0.5, None, margin), "UNRESOLVED")
        self.assertEqual(samples.verdict(0.0, (-0.2, 0.2), 0.4), "UNRESOLVED")


class Histograms(unittest.TestCase):
    def test_quantile_is_the_highest_equivalent_value(self):
        h = samples.Histogram()
        h.add(stored(list(range(1, 1001))))
        self.assertEqual(h.quantile(0.5), 500)
        self.assertEqual(h.quantile(0.9), 900)
        large = samples.Histogram()
        large.add(stored([1_000_000] * 500 + [2_000_000] * 500))
        self.assertEqual(large.quantile(0.5), 1_000_447)
        self.assertLess(large.quantile(0.5) / 1_000_000 - 1, 0.001)

    def test_quantile_needs_100_samples_beyond(self):
        h = samples.Histogram()
        h.add(stored(list(range(1000))))
        self.assertIsNotNone(h.quantile(0.9))
        self.assertIsNone(h.quantile(0.901))
        self.assertIsNone(samples.Histogram().quantile(0.5))

    def test_merging_equals_recording_into_one(self):
        parts, whole = samples.Histogram(), samples.Histogram()
        parts.add(stored([5, 70_000, 3_000_000]))
        parts.add(stored([9, 70_001]))
        whole.add(stored([5, 70_000, 3_000_000, 9, 70_001]))
        self.assertEqual((parts.slots, parts.count, parts.max),
                         (whole.slots, whole.count, whole.max))

    def test_index_and_high_agree_at_every_edge(self):
        for value in [0, 2047, 2048, 2049, 4095, 4096, 123_456_789, (1 << 52) - 1]:
            high = samples.Histogram.high(index_of(value))
            self.assertGreaterEqual(high, value)
            self.assertEqual(index_of(high), index_of(value))
            self.assertEqual(index_of(high + 1), index_of(value) + 1)


class Reading(InRun):
    def test_a_torn_last_line_is_left_out_and_told(self):
        made = lines()
        self.write(made, tail=json.dumps(made[0])[:80])
        run = samples.Run(self.directory)
        self.assertTrue(run.torn)
        self.assertEqual((len(run.samples), run.skipped_lines), (len(made), 0))
        self.assertIn("cut off", self.report())

    def test_second_measurements_of_a_pair_with_itself_are_kept_apart(self):
        made = lines()
        twins = [dict(copy.deepcopy(x), aa=1) for x in made if x["subject"]["name"] == "weir"]
        for twin in twins:
            twin["values"] = {k: v / 1.1 for k, v in twin["values"].items()}
        self.write(made + twins)
        run = samples.Run(self.directory)
        self.assertEqual(len(run.samples), len(made))
        self.assertAlmostEqual(run.aa_floor(), math.log(1.1), places=6)

    def test_rounds_pair_by_campaign_and_round(self):
        made = lines(rounds=6)
        other = copy.deepcopy(made)
        for line in other:
            line["campaign"] = "u"
        self.write(made + other)
        run = samples.Run(self.directory)
        ratio = samples.workload_ratio(run, "throughput", "weir:stealing", "glib")
        self.assertEqual((ratio.n, ratio.cells, ratio.verdict), (12, 3, "FASTER"))
        self.assertAlmostEqual(ratio.estimate, 3.0, places=9)

    def test_a_missing_run_is_an_error_of_one_line(self):
        run = self.tool("report")
        self.assertEqual(run.returncode, 1)
        self.assertEqual(run.stderr.count("\n"), 1)
        self.assertIn("samples.jsonl", run.stderr)


class Report(InRun):
    def test_figures_are_inline_and_nothing_is_fetched(self):
        self.write(lines())
        page = self.report()
        if shutil.which("gnuplot"):
            self.assertEqual(page.count("<svg"), 5)
            self.assertEqual(page.count("<title id="), 5)
        urls = re.findall(r'(?:\b(\w[\w:-]*)\s*=\s*["\']|url\(["\']?|@import\s+["\']?)https?://', page)
        self.assertEqual([a for a in urls if not a.startswith("xmlns")], [])
        self.assertEqual(page.count("<script"), 1)  # inline: sorts tables
        self.assertNotIn("<script ", page)
        self.assertIn("3.00×", page)
        ids = re.findall(r'\bid=["\']([^"\']+)', page)
        self.assertEqual(len(set(ids)), len(ids))

    def test_figures_are_drawn_again_where_only_their_pictures_are_there(self):
        self.write(lines())
        whole = self.report()
        plots = os.path.join(self.directory, "plots")
        for name in os.listdir(plots):
            if name.endswith(".svg"):
                os.remove(os.path.join(plots, name))
        self.assertEqual(whole, self.report())

    def test_compressed_samples_give_the_same_report(self):
        self.write(lines())
        plain = self.report()
        subprocess.run(["gzip", os.path.join(self.directory, "samples.jsonl")], check=True)
        self.assertEqual(plain, self.report())

    def test_the_same_samples_give_the_same_bytes(self):
        self.write(lines())
        first = self.report()
        shutil.rmtree(os.path.join(self.directory, "plots"), ignore_errors=True)
        self.assertEqual(first, self.report())

    def test_a_missing_workload_is_said_and_has_no_figure(self):
        self.write(lines(keep=lambda cell: cell["workload"] != "latency"))
        self.assertIn("Not part of this run", self.report())
        self.assertFalse(os.path.exists(os.path.join(self.directory, "plots", "latency.svg")))

    def test_one_configuration_and_few_rounds_still_make_a_report(self):
        self.write(lines(rounds=2, configurations=CONFIGURATIONS[:1]))
        page = self.report()
        self.assertIn("make no claim", page)
        self.assertIn("Nothing to compare", page)

    def test_failures_come_with_their_reason_and_without_figures(self):
        made = lines()
        for line in made:
            if line["subject"]["name"] == "java":
                line.update(status="failed", reason="lost task: <3> of 9", values={}, hist={})
        self.write(made)
        page = self.report()
        self.assertIn("lost task: &lt;3&gt; of 9", page)
        self.assertNotIn("<3>", page)

    def test_what_a_pool_lacks_stands_in_the_table_in_its_words(self):
        made = lines()
        for line in made:
            if line["cell"].get("pattern") == "block" and line["subject"]["name"] == "glib":
                line.update(status="unsupported", reason="no futures", values={}, hist={})
        self.write(made)
        self.assertIn('<th scope="row">glib</th><td class="n"><span class="soft">no futures</span></td>', self.report())

    def test_without_gnuplot_the_report_has_its_tables(self):
        self.write(lines())
        tools = os.path.join(self.directory, "bin")
        os.mkdir(tools)
        run = self.tool("plot", PATH=tools)
        self.assertEqual((run.returncode, run.stdout.count("\n")), (0, 1))
        self.assertIn("gnuplot-nox", run.stdout)
        self.assertFalse(os.path.exists(os.path.join(self.directory, "plots")))
        run = self.tool("report", PATH=tools)
        self.assertEqual(run.returncode, 0, run.stderr)


BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
# Presses the head of the second column of the first table twice, and tells what stands first.
PRESS = """<script>
{
  const table = document.querySelector("table"), head = table.tHead.rows[0].cells[2];
  const first = () => table.tBodies[0].rows[0].cells[0].textContent;
  head.querySelector("button").click();
  const up = first();
  head.querySelector("button").click();
  document.title = ["sorted", up, first(), head.getAttribute("aria-sort")].join("|");
}
</script></body>"""


@unittest.skipUnless(BROWSER, "no browser (Debian package chromium)")
class InBrowser(InRun):
    def open(self, page):
        """The page as the browser holds it after its scripts, and what it asked the network for."""
        path = os.path.join(self.directory, "page.html")
        log = os.path.join(self.directory, "net.json")
        with open(path, "w", encoding="utf-8") as file:
            file.write(page)
        run = subprocess.run(
            [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
             "--no-first-run", "--disable-background-networking", "--disable-component-update",
             f"--user-data-dir={self.directory}/profile", f"--log-net-log={log}",
             "--virtual-time-budget=2000", "--dump-dom", f"file://{path}"],
            capture_output=True, text=True, check=False, timeout=120)
        self.assertEqual(run.returncode, 0, run.stderr[-400:])
        with open(log, encoding="utf-8", errors="replace") as file:
            asked = re.findall(r'"url":"(https?://[^"]+)"', file.read())
        # The browser's own update and sign-in traffic is not the page's.
        return run.stdout, [url for url in asked if not re.search(r"google|gstatic|chrome", url)]

    def test_figures_are_there_tables_sort_and_no_request_leaves(self):
        self.write(lines())
        page = self.report()
        whole, asked = self.open(page.replace("</body>", PRESS))
        self.assertEqual(asked, [])
        if shutil.which("gnuplot"):
            self.assertGreaterEqual(whole.count("<svg"), 5)
        self.assertIn("<button", whole)
        title = re.search(r"<title>(sorted[^<]*)</title>", whole)
        self.assertIsNotNone(title, "the script did not run")
        self.assertEqual(title.group(1), "sorted|weir:stealing|glib|descending")

    def test_a_request_would_be_seen(self):
        self.write(lines(rounds=1, configurations=CONFIGURATIONS[:1]))
        page = self.report().replace("</body>", '<img src="http://192.0.2.1/x.png"></body>')
        self.assertEqual(self.open(page)[1][:1], ["http://192.0.2.1/x.png"])


class Workloads(unittest.TestCase):
    def test_the_floor_is_that_of_an_m_m_1_queue(self):
        for load in (0.1, 0.5, 0.9):
            exact = -math.log(0.01) / (1 - load)  # exponential of rate 1 - load
            self.assertAlmostEqual(samples.erlang_response(1, load, 1, 0.99) / exact, 1, 9)

    def test_workloads_and_axes_are_those_of_weir_bench(self):
        bench = os.path.join(HERE, "..", "build", "debug", "weir-bench")
        if not os.path.exists(bench):
            self.skipTest("weir-bench is not built")
        told = json.loads(subprocess.run([bench, "list", "--json"], capture_output=True, check=True,
                                         text=True).stdout)
        theirs = {w["name"]: [axis["name"] for axis in w["axes"]] for w in told["workloads"]}
        self.assertEqual({w: list(axes) for w, axes in samples.AXES.items()}, theirs)


def main():
    suite = unittest.defaultTestLoader.loadTestsFromModule(sys.modules[__name__])
    result = unittest.TextTestRunner(verbosity=1).run(suite)
    for test, why in result.skipped:
        print(f"skipped: {test}: {why}")
    failed = len({str(test) for test, _ in result.failures + result.errors})
    print(f"{result.testsRun - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
