"""Reading a run and the statistics of its samples: shared by scripts/plot and scripts/report.

A run is a directory with run.json and samples.jsonl (results/README.md tells the format). The
arithmetic is that of weir-bench: the median over rounds, the exact sign-test interval, histograms
merged over rounds, and a quantile only where at least 100 samples lie beyond it.
"""

import gzip
import json
import math
import os
import re
import sys
import tempfile
import zlib

from workloads import AXES, FLOORS, KERNELS, METRICS, PATTERNS, WORKLOADS

CONFIDENCE = 0.95
LEAST_ROUNDS = 6  # fewer make no claim: no sign interval of 95 % exists
LEAST_BEYOND = 100  # samples that must lie beyond a quantile
LEAST_MARGIN = 0.02
SAME_MOST = 0.10  # on a machine so noisy that the margin is wider, nothing is called the same


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
        index = 0
        for gap, count in zip(stored["slots"][::2], stored["slots"][1::2]):
            index += gap
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


def place_of(sample):
    """What pairs samples: the round of a shard of a campaign."""
    return sample.get("campaign", ""), sample.get("shard", 0), sample["round"]


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
        for known in (PATTERNS, KERNELS):
            if axis in ("pattern", "kernel") and value in known:
                value = known.index(value)
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


def trimmed(words):
    """The same without the zeros after the point: ticks and settings, which are round numbers."""
    return re.sub(r"\.(\d*?)0+(?=\D|$)", lambda m: "." + m.group(1) if m.group(1) else "", words)


def axis_text(axis, value, cell):
    if axis in ("workers", "producers"):
        return f"{value} {axis[:-1] if value == 1 else axis}"
    if axis == "grain_ns":
        return "empty tasks" if value == 0 else f"tasks of {trimmed(duration(value))}"
    if axis == "batch":
        return "" if value == 1 else f"batches of {value}"
    if axis == "capacity":
        return "" if value == 0 else f"capacity {value}"
    if axis == "window":
        return f"window {value}"
    if axis == "arrivals":
        return {"poisson": "Poisson", "constant": "constant"}.get(value, value) + " arrivals"
    if axis == "service":
        return f"{value} service of {trimmed(duration(cell.get('service_ns', 0)))}"
    if axis == "service_ns":
        return ""
    if axis == "utilisation":
        return "" if cell.get("rate_per_s") else f"{value} % load"
    if axis in ("rate_per_s", "tasks_per_s"):
        return f"{value} tasks/s"
    if axis in WORDS:
        return WORDS[axis].format(trimmed(duration(value)) if axis.endswith("_ns") else value)
    if axis == "n":
        return "" if value == 0 else f"n = {value}"
    return str(value)


WORDS = {"notify": "told by {}", "gap_ns": "idle for {}", "efficiency": "{} % of the time",
         "queued": "{} tasks queued", "tasks": "{} tasks", "hogs": "{} hogs", "share": "{} % sleep",
         "sleep_ns": "for {}", "alloc": "allocator {}"}


def figure(value, shape):
    """A figure as the tables write it."""
    if value is None:
        return "–"
    if shape == "bytes":
        for factor, unit in ((2.0**30, "GiB"), (2.0**20, "MiB"), (2.0**10, "KiB")):
            if abs(value) >= factor:
                return f"{three(value / factor)} {unit}"
        return f"{three(value)} B"
    return {"duration": duration, "count": quantity, "percent": lambda v: f"{three(v)} %",
            "share": lambda v: f"{three(100 * v)} %", "ratio": lambda v: f"{three(v)}×"}[shape](value)


def erlang_response(servers, load, mean, q):
    """q-quantile of the response time of M/M/c: what no pool can be faster than."""
    offered, blocked = servers * load, 1.0
    for n in range(1, servers + 1):
        blocked = offered * blocked / (n + offered * blocked)
    waits = blocked / (1 - load * (1 - blocked))
    d = servers * (1 - load)

    def survival(t):
        both = ((1 + t) * math.exp(-t) if abs(d - 1) < 1e-9
                else (d * math.exp(-t) - math.exp(-d * t)) / (d - 1))
        return (1 - waits) * math.exp(-t) + waits * both

    low, high = 0.0, 1.0
    while survival(high) > 1 - q:
        high *= 2
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if survival(middle) > 1 - q else (low, middle)
    return high * mean


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
        if not self.samples:
            raise RunError(f"{os.path.join(directory, 'samples.jsonl')}: no samples")
        self._margin = None
        self._tails = {}
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
        path = samples_path(self.directory)
        opener = gzip.open if path.endswith(".gz") else open
        try:
            with opener(path, "rt", encoding="utf-8", errors="replace") as file:
                lines = file.read().split("\n")
        except (OSError, EOFError, zlib.error) as error:
            raise RunError(f"{path}: {getattr(error, 'strerror', None) or error}") from error
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
            series.rounds[place_of(sample)] = sample
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

    def aa_floor(self):
        """Worst distance from 1, as a log ratio, of a subject compared with itself."""
        pairs = {}
        for sample in self.aa:
            series = self.series.get((cell_key(sample["cell"]), label_of(sample)))
            first = series and series.rounds.get(place_of(sample))
            if first and sample["status"] == "ok":
                merit = self.merit(sample["cell"])
                x, y = merit(first), merit(sample)
                if x and y:
                    pairs.setdefault((series.label, cell_key(series.cell)), []).append(
                        math.log(x / y)
                    )
        return max((noise(logs) for logs in pairs.values()), default=0.0)

    def margin(self):
        """A log ratio; what lies within it is called the same: 2 %, or twice the A/A noise."""
        if self._margin is None:
            self._margin = max(math.log1p(LEAST_MARGIN), 2 * self.aa_floor())
        return self._margin

    def tail(self, cell):
        """The highest of p99, p90 and p50 that every good sample of the cell resolves."""
        key = cell_key(cell)
        if key not in self._tails:
            counts = [
                sample["hist"]["total"]["count"]
                for label in self.labels
                for sample in self.series.get((key, label), Series(cell, label)).rounds.values()
                if "total" in sample["hist"]
            ]
            least = Histogram()
            least.count = min(counts, default=0)
            self._tails[key] = next((q for q in (0.99, 0.9) if least.resolves(q)), 0.5)
        return self._tails[key]

    def merit(self, cell):
        """The figure that a comparison compares: a function of a sample, larger is better."""
        workload = cell["workload"]
        if workload == "latency":
            q = self.tail(cell)
            return lambda sample: inverse_quantile(sample, q)
        name, _, higher = METRICS.get(workload, ("tasks_per_s", "", True))
        if higher:
            return lambda sample: sample["values"].get(name)
        floor = FLOORS.get(workload, 0)
        return lambda sample: inverse(at_least(floor, sample["values"].get(name)))

    def merit_name(self, cell):
        workload = cell["workload"]
        if workload == "latency":
            return f"p{self.tail(cell) * 100:g} of the latency"
        words = METRICS.get(workload, ("", "tasks per second", True))[1]
        return f"{words}, from {FLOORS[workload]:g} % on" if workload in FLOORS else words


# ---- Comparing ------------------------------------------------------------------------------


def at_least(floor, value):
    return None if value is None else max(value, floor)


def inverse(value):
    return 1 / value if value and value > 0 else None


def inverse_quantile(sample, q):
    total = Histogram()
    if "total" in sample["hist"]:
        total.add(sample["hist"]["total"])
    return inverse(total.quantile(q))


def noise(logs):
    """How far from 1 the ratio of a subject to itself comes out after so many rounds: its median's
    distance, or its standard error if that is larger."""
    if len(logs) < 2:
        return 0.0
    middle = median(logs)
    spread = 1.4826 * median([abs(x - middle) for x in logs])
    return max(abs(middle), math.sqrt(math.pi / 2) * spread / math.sqrt(len(logs)))


def log_ratios(run, cell, a, b):
    """Paired log ratios of two configurations in the rounds that both have, by round."""
    x, y = run.measured(cell, a), run.measured(cell, b)
    if not x or not y:
        return {}
    merit = run.merit(cell)
    ratios = {}
    for place in sorted(x.rounds.keys() & y.rounds.keys()):
        over, under = merit(x.rounds[place]), merit(y.rounds[place])
        if over and under and over > 0 and under > 0:
            ratios[place] = math.log(over / under)
    return ratios


class Ratio:
    """Speed of a over speed of b: median over rounds, interval and verdict."""

    def __init__(self, logs, margin, cells=1):
        self.n = len(logs)
        self.cells = cells
        middle = median(logs)
        interval = sign_interval(logs)
        self.estimate = math.exp(middle)
        self.interval = interval and (math.exp(interval[0]), math.exp(interval[1]))
        self.verdict = verdict(middle, interval, margin)


def verdict(middle, interval, margin):
    """What an interval of log ratios allows one to say."""
    if not interval:
        return "UNRESOLVED"
    low, high = interval
    if low > 0 and middle > margin:
        return "FASTER"
    if high < 0 and middle < -margin:
        return "SLOWER"
    same = min(margin, math.log1p(SAME_MOST))
    if low >= -same and high <= same:
        return "SAME"
    return "UNRESOLVED"


def cell_ratio(run, cell, a, b):
    logs = list(log_ratios(run, cell, a, b).values())
    return Ratio(logs, run.margin()) if logs else None


def workload_ratio(run, workload, a, b):
    """Ratio over all cells of a workload that both have: per round the geometric mean over the
    cells, then the median over rounds. Only rounds with every such cell count."""
    by_cell = [logs for cell in run.cells_of(workload) if (logs := log_ratios(run, cell, a, b))]
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


def samples_path(directory):
    """The file of samples: as a run writes it, or compressed, as one keeps it."""
    plain = os.path.join(directory, "samples.jsonl")
    return plain + ".gz" if not os.path.exists(plain) and os.path.exists(plain + ".gz") else plain


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
    if os.path.basename(directory) in ("samples.jsonl", "samples.jsonl.gz"):
        directory = os.path.dirname(directory) or "."
    return directory.rstrip("/") or "/"
