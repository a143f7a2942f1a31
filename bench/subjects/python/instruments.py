"""What the Python subject measures with: clock, histogram, calibrated work, exactly-once ledger."""

import array
import itertools
import resource
import threading
import time

KEY = 0x5EED5EED  # argument of a task: its number, and its number mixed with this


class Unsupported(Exception):
    """The pool has no such capability; says which."""


class Broken(Exception):
    """A promise was broken: "lost task", "double run", "wrong argument" or "hang"."""


# ---- Instruments ----------------------------------------------------------------------------


class Histogram:
    """Log-linear, three significant digits: the indices of bench/measure/histogram.h."""

    def __init__(self, values=()):
        self.slots = {}
        self.count = 0
        self.min = 0
        self.max = 0
        for value in values:
            self.record(value)

    @staticmethod
    def index(value):
        """Below 2048 the value itself; above, 1024 equal steps to each power of two."""
        shift = max(value.bit_length() - 11, 0)
        return shift * 1024 + (value >> shift)

    def record(self, value):
        value = min(max(value, 0), (1 << 52) - 1)
        index = self.index(value)
        self.slots[index] = self.slots.get(index, 0) + 1
        self.min = value if self.count == 0 else min(self.min, value)
        self.max = max(self.max, value)
        self.count += 1

    def to_json(self):
        slots, last = [], 0
        for index in sorted(self.slots):
            slots += [index - last, self.slots[index]]
            last = index
        return {
            "unit": "ns",
            "digits": 3,
            "count": self.count,
            "min": self.min,
            "max": self.max,
            "slots": slots,
        }


class Meter:
    """Wall time, CPU time of the process and its context switches since the start."""

    def __init__(self):
        self.cpu = time.process_time_ns()
        self.csw = self.switches()
        self.wall = time.monotonic_ns()

    @staticmethod
    def switches():
        usage = resource.getrusage(resource.RUSAGE_SELF)
        return usage.ru_nvcsw + usage.ru_nivcsw

    def stop(self):
        self.wall = time.monotonic_ns() - self.wall
        self.cpu = time.process_time_ns() - self.cpu
        self.csw = self.switches() - self.csw
        return self

    def plus(self, other):
        """Adds a part measured later."""
        self.wall += other.wall
        self.cpu += other.cpu
        self.csw += other.csw
        return self


def spin(loops):
    for _ in itertools.repeat(None, loops):
        pass


class Work:
    """A loop calibrated against the clock; error is the worst relative miss seen afterwards."""

    def __init__(self):
        probe = 20_000
        best = min(self._time(probe) for _ in range(15))
        self.loops_per_ns = probe / best
        wanted = 200_000
        misses = sorted(self._time(self.loops(wanted)) / wanted - 1 for _ in range(15))
        self.error = abs(misses[len(misses) // 2])

    @staticmethod
    def _time(loops):
        start = time.monotonic_ns()
        spin(loops)
        return max(time.monotonic_ns() - start, 1)

    def loops(self, ns):
        return round(ns * self.loops_per_ns)


def clock_cost_ns():
    start = time.monotonic_ns()
    for _ in range(10_000):
        time.monotonic_ns()
    return (time.monotonic_ns() - start) / 10_000


class Ledger:
    """A slot for each task: every run counts up its own and checks its arguments."""

    def __init__(self, tasks, loops, outside=()):
        self.slots = array.array("I", bytes(4 * tasks))
        self.loops = loops
        self.outside = outside  # threads that submit: a task on one of them ran in its caller
        self.wrong = []
        self.caller_ran = []

    def run(self, number, check):
        if check != number ^ KEY:
            self.wrong.append(number)
            return None
        if threading.get_ident() in self.outside:
            self.caller_ran.append(number)
        self.slots[number] += 1
        if self.loops:
            spin(self.loops)
        return number

    def check(self):
        if self.wrong:
            raise Broken(f"wrong argument: {len(self.wrong)} tasks")
        lost = self.slots.count(0)
        if lost:
            raise Broken(f"lost task: {lost} of {len(self.slots)} never ran")
        twice = len(self.slots) - self.slots.count(1)
        if twice:
            raise Broken(f"double run: {twice} of {len(self.slots)} ran more than once")
