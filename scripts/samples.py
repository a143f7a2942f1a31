"""Reading a run and the statistics of its samples: shared by scripts/plot and scripts/report.

A run is a directory with run.json and samples.jsonl (results/README.md tells the format). The
arithmetic is that of weir-bench: the median over rounds, the exact sign-test interval, histograms
merged over rounds, and a quantile only where at least 100 samples lie beyond it.
"""

import json
import math
import os
import sys
import tempfile

WORKLOADS = ("throughput", "contention", "wait", "latency")
PATTERNS = ("block", "timed", "poll", "callback", "any", "all", "nested", "signal")
# Axes of each workload in the order in which cells are listed.
AXES = {
    "throughput": ("grain_ns", "batch", "capacity", "producers", "workers"),
    "contention": ("capacity", "producers", "workers"),
    "wait": ("workers", "window", "pattern"),
    "latency": ("workers", "arrivals", "service", "service_ns", "utilisation", "rate_per_s"),
}
CONFIDENCE = 0.95
LEAST_ROUNDS = 6  # fewer make no claim: no sign interval of 95 % exists
LEAST_BEYOND = 100  # samples that must lie beyond a quantile
LEAST_MARGIN = 0.02


class RunError(Exception):
    """The run cannot be read; one line says why."""


# ---- Statistics -----------------------------------------------------------------------------


def median(values):
    ordered = sorted(values)
    middle = len(ordered) // 2
    if len(ordered) % 2:
        return ordered[middle]
    return (ordered[middle - 1] + ordered[middle]) / 2


def sign_rank(n):
    """The largest k such that (x_k, x_n+1-k) covers the median at CONFIDENCE; 0: there is none."""
    beyond = 0.0
    for k in range(n // 2 + 1):
        beyond += math.comb(n, k) / 2.0**n
        if 2 * beyond > 1 - CONFIDENCE:
            return k
    return 0


def sign_interval(values):
    """Exact distribution-free interval of the median, or None with too few values."""
    k = sign_rank(len(values))
    if len(values) < LEAST_ROUNDS or k == 0:
        return None
    ordered = sorted(values)
    return ordered[k - 1], ordered[-k]


class Histogram:
    """Log-linear histogram with the indices of bench/measure/histogram.h."""

    def __init__(self):
        self.slots = {}
        self.count = 0
        self.max = 0

    def add(self, stored):
        """Merges a histogram as stored in a sample."""
        for index, count in stored["slots"]:
            self.slots[index] = self.slots.get(index, 0) + count
        self.count += stored["count"]
        self.max = max(self.max, stored["max"])

    @staticmethod
    def high(index):
        """Highest value that falls into the slot: below 2048 exact, then 1024 slots an octave."""
        if index < 2048:
            return index
        shift = index // 1024 - 1
        return ((1024 + index % 1024 + 1) << shift) - 1

    def rank(self, q):
        exact = q * self.count
        return min(max(math.ceil(exact - exact * 1e-12 - 1e-9), 1), self.count)

    def resolves(self, q):
        return self.count > 0 and self.count - self.rank(q) >= LEAST_BEYOND

    def quantile(self, q):
        """Highest value equivalent to the q-quantile, or None where it is not resolved."""
        return self.quantiles([q])[0]

    def quantiles(self, qs):
        """Values for rising quantiles in one pass; None for those that are not resolved."""
        found = []
        slots = iter(sorted(self.slots.items()))
        seen, high = 0, 0
        for q in qs:
            if not self.resolves(q):
                found.append(None)
                continue
            rank = self.rank(q)
            while seen < rank:
                index, count = next(slots)
                seen += count
                high = min(self.high(index), self.max)
            found.append(high)
        return found


# ---- Samples --------------------------------------------------------------------------------


def label_of(sample):
    """"subject:variant", or the subject alone when the variant is "default"."""
    subject = sample["subject"].get("name", "?")
    variant = sample.get("config", {}).get("variant", "default")
    return subject if variant in ("", "default") else f"{subject}:{variant}"


def label_order(label):
    """weir first, and its default scheduler first of all; the rest by name."""
    subject, _, variant = label.partition(":")
    return (subject != "weir", subject, variant not in ("", "stealing"), variant)


def cell_key(cell):
    return json.dumps(cell, sort_keys=True, separators=(",", ":"))


def cell_order(cell):
    """A sort key: workload, then its axes in order; patterns in their documented order."""
    workload = cell.get("workload", "")
    rank = WORKLOADS.index(workload) if workload in WORKLOADS else len(WORKLOADS)
    values = []
    for axis in AXES.get(workload, ()):
        value = cell.get(axis, 0)
        if axis == "pattern" and value in PATTERNS:
            value = PATTERNS.index(value)
        values.append((isinstance(value, str), value))
    return rank, values, cell_key(cell)


def quantity(number, unit=""):
    """A number with three significant digits and the thousands in letters: 12.3k, 4.56M."""
    for factor, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(number) >= factor * 0.9995:
            return three(number / factor) + letter + unit
    return three(number) + unit


def three(number):
    if number == 0:
        return "0"
    digits = 2 - math.floor(math.log10(abs(number)) + 1e-12)
    return f"{round(number, digits):.{max(digits, 0)}f}"


def duration(ns):
    """Nanoseconds in the unit that suits them: 870 ns, 12.3 µs."""
    for factor, unit in ((1e9, "s"), (1e6, "ms"), (1e3, "µs")):
        if ns >= factor * 0.9995:
            return f"{three(ns / factor)} {unit}"
    return f"{three(ns)} ns"


def axis_text(axis, value, cell):
    if axis in ("workers", "producers"):
        return f"{value} {axis[:-1] if value == 1 else axis}"
    if axis == "grain_ns":
        return "empty tasks" if value == 0 else f"tasks of {duration(value)}"
    if axis == "batch":
        return "" if value == 1 else f"batches of {value}"
    if axis == "capacity":
        return "" if value == 0 else f"capacity {value}"
    if axis == "window":
        return f"window {value}"
    if axis == "arrivals":
        return {"poisson": "Poisson", "constant": "constant"}.get(value, value) + " arrivals"
    if axis == "service":
        return f"{value} service of {duration(cell.get('service_ns', 0))}"
    if axis == "service_ns":
        return ""
    if axis == "utilisation":
        return "" if cell.get("rate_per_s") else f"{value} % load"
    if axis == "rate_per_s":
        return f"{value} tasks/s"
    return str(value)


def phrase(cell, without=()):
    """The cell's settings in words, the axes in `without` left out."""
    axes = AXES.get(cell.get("workload"), ())
    parts = [axis_text(a, cell[a], cell) for a in axes if a in cell and a not in without]
    return ", ".join(part for part in parts if part)


class Series:
    """Every round of one configuration in one cell."""

    def __init__(self, cell, label):
        self.cell = cell
        self.label = label
        self.rounds = {}  # (campaign, shard, round) -> ok sample
        self.others = []  # samples with any other status
        self.merged = {}

    def values(self, name):
        """The value in each round that has it, by round."""
        found = {key: s["values"].get(name) for key, s in self.rounds.items()}
        return {key: value for key, value in found.items() if value is not None}

    def median(self, name):
        values = list(self.values(name).values())
        return median(values) if values else None

    def interval(self, name):
        return sign_interval(list(self.values(name).values()))

    def hist(self, name):
        """The histogram merged over all rounds; empty when there is none."""
        if name not in self.merged:
            merged = Histogram()
            for sample in self.rounds.values():
                if name in sample["hist"]:
                    merged.add(sample["hist"][name])
            self.merged[name] = merged
        return self.merged[name]


class Run:
    """run.json and the samples of a run, grouped by cell and configuration."""

    def __init__(self, directory):
        self.directory = directory
        self.meta = self._read_meta()
        self.skipped_lines = 0
        self.torn = False  # the last line was cut off: the campaign was killed while writing it
        self.samples = []
        self.aa = []  # second measurements of a subject paired with itself
        for sample in self._read_samples():
            (self.aa if sample.get("aa") else self.samples).append(sample)
        self.cells = {}  # cell key -> cell
        self.series = {}  # (cell key, label) -> Series
        for sample in self.samples:
            self._file(sample)
        self.labels = sorted({key[1] for key in self.series}, key=label_order)

    def _read_meta(self):
        path = os.path.join(self.directory, "run.json")
        try:
            with open(path, encoding="utf-8") as file:
                meta = json.load(file)
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            raise RunError(f"{path}: {error}") from error
        if not isinstance(meta, dict):
            raise RunError(f"{path}: not a JSON object")
        return meta

    def _read_samples(self):
        path = os.path.join(self.directory, "samples.jsonl")
        try:
            with open(path, encoding="utf-8", errors="replace") as file:
                lines = file.read().split("\n")
        except OSError as error:
            raise RunError(f"{path}: {error.strerror}") from error
        self.torn = lines[-1] != ""
        for line in lines:
            if not line.strip():
                continue
            try:
                sample = json.loads(line)
                if sample["schema"] != 1 or not isinstance(sample["cell"]["workload"], str):
                    raise ValueError("unknown schema")
                for field in ("values", "hist", "config", "subject"):
                    if not isinstance(sample.setdefault(field, {}), dict):
                        raise ValueError(field)
                sample["status"], sample["round"]
            except (ValueError, KeyError, TypeError):
                self.skipped_lines += 1
                continue
            yield sample
        if self.torn and self.skipped_lines:
            self.skipped_lines -= 1  # the torn line is told by its own name
        else:
            self.torn = False

    def _file(self, sample):
        cell = sample["cell"]
        key = cell_key(cell)
        label = label_of(sample)
        self.cells.setdefault(key, cell)
        series = self.series.setdefault((key, label), Series(cell, label))
        if sample["status"] == "ok":
            place = (sample.get("campaign", ""), sample.get("shard", 0), sample["round"])
            series.rounds[place] = sample
        else:
            series.others.append(sample)

    def cells_of(self, workload):
        found = [cell for cell in self.cells.values() if cell["workload"] == workload]
        return sorted(found, key=cell_order)

    def measured(self, cell, label):
        """The series if it has at least one good round, else None."""
        series = self.series.get((cell_key(cell), label))
        return series if series and series.rounds else None

    def labels_of(self, cells):
        return [x for x in self.labels if any(self.measured(cell, x) for cell in cells)]

    def baseline(self):
        """The configuration that the others are compared with: weir's default."""
        return self.labels[0] if self.labels else None

    def rounds(self):
        return len({place for series in self.series.values() for place in series.rounds})

    def margin(self):
        """Below this a difference is called the same: 2 %, or twice the noise of A against A."""
        floor = self.meta.get("machine", {}).get("aa_floor")
        return max(LEAST_MARGIN, 2 * floor) if isinstance(floor, (int, float)) else LEAST_MARGIN


# ---- Comparing ------------------------------------------------------------------------------


def round_value(sample):
    """The figure of merit of one round, larger is better; None where it has none."""
    workload = sample["cell"]["workload"]
    values = sample["values"]
    if workload in ("throughput", "contention"):
        return values.get("tasks_per_s")
    if workload == "wait":
        return values.get("round_trips_per_s")
    if workload == "latency" and "total" in sample["hist"]:
        total = Histogram()
        total.add(sample["hist"]["total"])
        p50 = total.quantile(0.5)
        return 1 / p50 if p50 else None
    return None


def log_ratios(a, b):
    """Paired log ratios of two series in the rounds that both have."""
    ratios = {}
    for place in a.rounds.keys() & b.rounds.keys():
        x, y = round_value(a.rounds[place]), round_value(b.rounds[place])
        if x and y and x > 0 and y > 0:
            ratios[place] = math.log(x / y)
    return ratios


class Ratio:
    """Speed of a over speed of b: median over rounds, interval and verdict."""

    def __init__(self, logs, margin, cells=1):
        self.n = len(logs)
        self.cells = cells
        self.estimate = math.exp(median(logs))
        interval = sign_interval(logs)
        self.interval = interval and (math.exp(interval[0]), math.exp(interval[1]))
        self.verdict = self._verdict(margin)

    def _verdict(self, margin):
        if not self.interval:
            return "UNRESOLVED"
        low, high = self.interval
        near, far = 1 / (1 + margin), 1 + margin
        if near <= low and high <= far:
            return "SAME"
        if low > 1:
            return "FASTER"
        if high < 1:
            return "SLOWER"
        return "UNRESOLVED"


def workload_ratio(run, workload, a, b):
    """Ratio over all cells of a workload that both have: per round the geometric mean over the
    cells, then the median over rounds. Only rounds with every such cell count."""
    by_cell = []
    for cell in run.cells_of(workload):
        x, y = run.measured(cell, a), run.measured(cell, b)
        logs = log_ratios(x, y) if x and y else {}
        if logs:
            by_cell.append(logs)
    if not by_cell:
        return None
    places = set.intersection(*(set(logs) for logs in by_cell))
    logs = [sum(cell[place] for cell in by_cell) / len(by_cell) for place in sorted(places)]
    return Ratio(logs, run.margin(), len(by_cell)) if logs else None


# ---- Files ----------------------------------------------------------------------------------


def write_whole(path, data):
    """Writes to a temporary name beside path, then renames: never half a file."""
    handle, temporary = tempfile.mkstemp(dir=os.path.dirname(path) or ".", prefix=".tmp-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(temporary, 0o666 & ~mask)
        os.rename(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def run_argument(program, does):
    """The run directory from the command line; prints help or an error and exits."""
    arguments = sys.argv[1:]
    usage = f"usage: {program} RUN\n\n{does}\nRUN is a directory with samples.jsonl, such as results/reference.\n"
    if arguments in (["-h"], ["--help"]):
        sys.stdout.write(usage)
        sys.exit(0)
    if len(arguments) != 1:
        sys.stderr.write(f"{program}: one run directory is needed; try --help\n")
        sys.exit(2)
    directory = arguments[0]
    if os.path.basename(directory) == "samples.jsonl":
        directory = os.path.dirname(directory) or "."
    return directory.rstrip("/") or "/"
