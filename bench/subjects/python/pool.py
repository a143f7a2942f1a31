#!/usr/bin/env python3
"""Python's concurrent.futures.ThreadPoolExecutor as a subject of weir-bench.

Reads one cell description (JSON) on standard input, runs that cell, and prints one record (JSON,
one line) on standard output. With --describe it prints what it can run instead. Exit codes: 0 a
record was printed; 2 the description cannot be used (one line on standard error says why).

The pool is used as its own documentation recommends: submit() from any thread, results through
its futures, and shutdown(wait=True) to run what is queued and join the threads. Every epoch gets
a pool of its own, whose threads have all been started before the clock is read.
"""

import array
import concurrent.futures as futures
import itertools
import json
import math
import os
import platform
import sys
import threading
import time

sys.dont_write_bytecode = True
import idle
import schedule
from instruments import KEY, Broken, Histogram, Ledger, Meter, Unsupported, Work, clock_cost_ns, spin

PATTERNS = ["block", "timed", "poll", "callback", "any", "all", "nested", "signal"]
DESCRIPTION = {
    "name": "python",
    "version": "CPython " + platform.python_version(),
    "notes": "ThreadPoolExecutor: unbounded; no spinning; one Python call and one future a task; "
    "the interpreter lock lets one thread run Python code at a time",
    "variants": [
        {
            "name": "default",
            "notes": "concurrent.futures.ThreadPoolExecutor",
            "full": "grows",
            "order": "fifo",
        }
    ],
    "workloads": [
        "throughput", "contention", "wait", "latency", "wakeup", "metg", "sparse", "memory", "lifecycle"
    ],
    "patterns": PATTERNS,
}

EPOCH_MAX = 1 << 20
LAG_ALLOWED_NS = 10_000
SWITCH_SPIN_NS = 100_000  # the generator sleeps until this close to an arrival, then yields
TIMED_WAIT_S = 3600.0  # deadline of the pattern "timed": finite, and never reached


# ---- The pool -------------------------------------------------------------------------------


def open_pool(workers):
    """A pool whose threads all run: one task for each, which end together."""
    pool = futures.ThreadPoolExecutor(max_workers=workers)
    everyone = threading.Barrier(workers + 1)
    for _ in range(workers):
        pool.submit(everyone.wait)
    everyone.wait()
    return pool


def check_result(value, number):
    if value != number:
        raise Broken(f"wrong argument: task {number} brought back {value!r}")


def measure(epoch, least, description):
    """Warms up with epoch(n) until one is long enough to tell the speed, then measures in four
    epochs or so; returns the sum of their meters, how many were done, and what each returned."""
    n = least
    while True:
        meter = epoch(n)[0]
        if meter.wall >= description["warmup_ns"] / 2:
            break
        n = min(n * 4, int(n * description["warmup_ns"] / meter.wall) + least)
    measure_ns = description["measure_ns"]
    total, done, results = None, 0, []
    seen_n, seen_ns = n, meter.wall
    while total is None or total.wall < 0.9 * measure_ns:
        left = min(measure_ns - (total.wall if total else 0), measure_ns / 4)
        n = max(int(seen_n * left / seen_ns), least)
        results.append(epoch(n))
        meter = results[-1][0]
        total = total.plus(meter) if total else meter
        done += n
        seen_n, seen_ns = done, total.wall
    return total, done, results


# ---- Throughput and contention --------------------------------------------------------------


def submit_epoch(cell, tasks, loops):
    """Runs `tasks` tasks from all producers; returns (meter, ledger, ns a submit by producer)."""
    producers = cell["producers"]
    shares = [tasks // producers + (p < tasks % producers) for p in range(producers)]
    firsts = list(itertools.accumulate(shares, initial=0))
    spent_ns = [0] * producers
    outside = set()
    ledger = Ledger(tasks, loops, outside)
    gate = threading.Barrier(producers + 1)
    pool = open_pool(cell["workers"])

    def produce(p):
        outside.add(threading.get_ident())
        gate.wait()
        start = time.monotonic_ns()
        submit, run = pool.submit, ledger.run
        for number in range(firsts[p], firsts[p + 1]):
            submit(run, number, number ^ KEY)
        spent_ns[p] = time.monotonic_ns() - start

    threads = [threading.Thread(target=produce, args=(p,)) for p in range(producers)]
    for thread in threads:
        thread.start()
    meter = Meter()
    gate.wait()
    for thread in threads:
        thread.join()
    pool.shutdown(wait=True)
    meter.stop()
    ledger.check()
    return meter, ledger, [ns / max(n, 1) for ns, n in zip(spent_ns, shares)]


def run_throughput(cell, description, work):
    if cell.get("batch", 1) > 1:
        raise Unsupported("no batch submission")
    if cell.get("capacity", 0) > 0:
        raise Unsupported("no bounded queue")
    loops = work.loops(cell.get("grain_ns", 0))
    meter, tasks, epochs = measure(
        lambda n: submit_epoch(cell, n, loops), max(4 * cell["producers"], 64), description
    )
    submit_ns = [sum(each) / len(epochs) for each in zip(*(epoch[2] for epoch in epochs))]
    caller_ran = sum(len(epoch[1].caller_ran) for epoch in epochs)
    values = {
        "tasks_per_s": tasks / (meter.wall / 1e9),
        "ns_per_task": meter.wall / tasks,
        "submit_ns": sum(submit_ns) / len(submit_ns),
        "cpu_ns_per_task": meter.cpu / tasks,
        "csw_per_task": meter.csw / tasks,
        "caller_ran_share": caller_ran / tasks,
    }
    if cell["workload"] == "contention":
        rates = [1 / max(ns, 1e-9) for ns in submit_ns]
        values["jain"] = sum(rates) ** 2 / (len(rates) * sum(r * r for r in rates))
        values["retries"] = 0
    return meter, tasks, values, {}, "", []


# ---- Waiting --------------------------------------------------------------------------------


class Waiter:
    """One pattern of waiting: issue(n) submits a task, step() waits, and gives how many have ended."""

    def __init__(self, pool, pattern, ledger):
        self.pool = pool
        self.ledger = ledger
        self.step = getattr(self, "wait_" + pattern)
        self.issue = getattr(self, "issue_" + pattern, self.issue_future)
        self.outstanding = []
        self.trips = []

    def call(self, number):
        return self.ledger.run(number, number ^ KEY)

    def issue_future(self, number):
        now = time.monotonic_ns()
        self.outstanding.append((number, now, self.pool.submit(self.call, number)))

    def settle(self, number, issued_ns, value, ended_ns=None):
        self.trips.append((ended_ns or time.monotonic_ns()) - issued_ns)
        check_result(value, number)
        return 1

    def wait_block(self):
        number, issued_ns, future = self.outstanding.pop(0)
        return self.settle(number, issued_ns, future.result())

    def wait_timed(self):
        number, issued_ns, future = self.outstanding.pop(0)
        try:
            return self.settle(number, issued_ns, future.result(timeout=TIMED_WAIT_S))
        except futures.TimeoutError:
            raise Broken(f"hang: task {number} did not end within {TIMED_WAIT_S} s") from None

    def wait_poll(self):
        number, issued_ns, future = self.outstanding.pop(0)
        while not future.done():
            os.sched_yield()
        return self.settle(number, issued_ns, future.result())

    def wait_all(self):
        batch, self.outstanding = self.outstanding, []
        futures.wait([entry[2] for entry in batch], return_when=futures.ALL_COMPLETED)
        now = time.monotonic_ns()
        return sum(self.settle(n, issued, f.result(), now) for n, issued, f in batch)

    def wait_any(self):
        done = futures.wait(
            [entry[2] for entry in self.outstanding], return_when=futures.FIRST_COMPLETED
        ).done
        now = time.monotonic_ns()
        ended = [entry for entry in self.outstanding if entry[2] in done]
        self.outstanding = [entry for entry in self.outstanding if entry[2] not in done]
        return sum(self.settle(n, issued, f.result(), now) for n, issued, f in ended)

    # The callback runs on the worker, or at once when the future has already ended.
    def issue_callback(self, number):
        ended = threading.Semaphore(0)
        now = time.monotonic_ns()
        future = self.pool.submit(self.call, number)
        self.outstanding.append((number, now, (future, ended)))
        future.add_done_callback(lambda _: ended.release())

    def wait_callback(self):
        number, issued_ns, (future, ended) = self.outstanding.pop(0)
        ended.acquire()
        return self.settle(number, issued_ns, future.result())

    # The harness's own semaphore, the same for every pool; the pool's future is not looked at.
    def issue_signal(self, number):
        ended = threading.Semaphore(0)
        now = time.monotonic_ns()

        def task():
            self.call(number)
            ended.release()

        self.outstanding.append((number, now, ended))
        self.pool.submit(task)

    def wait_signal(self):
        number, issued_ns, ended = self.outstanding.pop(0)
        ended.acquire()
        return self.settle(number, issued_ns, number)

    # A task that submits another to the same pool and blocks on its result.
    def issue_nested(self, number):
        now = time.monotonic_ns()
        self.outstanding.append((number, now, self.pool.submit(self.outer, number)))

    def outer(self, number):
        self.call(2 * number)
        return self.pool.submit(self.call, 2 * number + 1).result() // 2

    wait_nested = wait_block


def wait_epoch(cell, trips):
    """Takes `trips` round trips with `window` of them outstanding."""
    window = cell["window"]
    ledger = Ledger(2 * trips if cell["pattern"] == "nested" else trips, 0)
    pool = open_pool(cell["workers"])
    waiter = Waiter(pool, cell["pattern"], ledger)
    meter = Meter()
    issued = 0
    ended = 0
    while ended < trips:
        while issued < trips and len(waiter.outstanding) < window:
            waiter.issue(issued)
            issued += 1
        ended += waiter.step()
    meter.stop()
    pool.shutdown(wait=True)
    ledger.check()
    return meter, waiter.trips


def run_wait(cell, description, work):
    pattern, window, workers = cell["pattern"], cell["window"], cell["workers"]
    if pattern not in PATTERNS:
        raise Unsupported(f"no pattern '{pattern}'")
    if pattern == "nested" and window >= workers:
        raise Unsupported("nested waits would use up its workers (needs workers > window)")
    meter, trips, epochs = measure(
        lambda n: wait_epoch(cell, n), max(4 * window, 64), description
    )
    times_ns = [ns for epoch in epochs for ns in epoch[1]]
    values = {
        "round_trips_per_s": trips / (meter.wall / 1e9),
        "round_trip_ns": sum(times_ns) / len(times_ns),
        "cpu_ns_per_round_trip": meter.cpu / trips,
        "csw_per_round_trip": meter.csw / trips,
    }
    tasks = 2 * trips if pattern == "nested" else trips
    return meter, tasks, values, {"round_trip": Histogram(times_ns)}, "", []


# ---- Latency --------------------------------------------------------------------------------


def cpus():
    return len(os.sched_getaffinity(0))


def planned(cell, rate_per_s, first, tasks, seed):
    """Arrival times (ns from the start) and service times (ns), fixed by the seed alone. Two parts, the
    first of which warms up; each is exact by itself and has a stream of its own, as in
    bench/workloads/latency.c."""
    moments, lengths = [], []
    for n, own_seed in ((first, seed ^ 2), (tasks - first, seed)):
        draw = schedule.Random(own_seed)
        start = moments[-1] if moments else 0
        moments += [start + at for at in schedule.arrivals(cell["arrivals"], n, rate_per_s, draw)]
        lengths += schedule.services(cell["service"], n, cell["service_ns"], draw)
    return moments, lengths


def latency_epoch(cell, arrivals, loops, first):
    """Submits on schedule, whatever the pool does; gives times for each task. What the process uses
    counts from the first task that does."""
    tasks = len(arrivals)
    ledger = Ledger(tasks, 0)
    submitted, returned, started, ended = (array.array("q", bytes(8 * tasks)) for _ in range(4))
    pool = open_pool(cell["workers"])

    def task(number):
        started[number] = time.monotonic_ns()
        ledger.run(number, number ^ KEY)
        spin(loops[number])
        ended[number] = time.monotonic_ns()

    origin = time.monotonic_ns() + 1_000_000
    for number, arrival in enumerate(arrivals):
        if number == first:
            meter = Meter()
        intended = origin + arrival
        while (now := time.monotonic_ns()) < intended:
            if intended - now > SWITCH_SPIN_NS:
                time.sleep((intended - now - SWITCH_SPIN_NS) / 1e9)
            else:
                os.sched_yield()
        submitted[number] = now
        pool.submit(task, number)
        returned[number] = time.monotonic_ns()
    pool.shutdown(wait=True)
    meter.stop()
    ledger.check()
    return meter, origin, (submitted, returned, started, ended)


def run_latency(cell, description, work):
    if cell.get("arrivals", "poisson") not in ("poisson", "constant", "burst"):
        raise Unsupported(f"no {cell['arrivals']} arrivals in this program")
    if cell.get("service", "constant") not in ("constant", "exponential", "bimodal", "pareto"):
        raise Unsupported(f"no {cell['service']} service in this program")
    if cell.get("notify", "none") != "none":
        raise Unsupported("no notification in this program")
    capacity = min(cell["workers"], cpus())
    rate = cell.get("rate_per_s") or cell["utilisation"] / 100 * capacity * 1e9 / cell["service_ns"]
    seed = description["seed"]

    warm = math.ceil(rate * description["warmup_ns"] / 1e9)
    every = warm + math.ceil(rate * description["measure_ns"] / 1e9)
    tasks = min(every, EPOCH_MAX)
    first = min(warm, tasks // 2) if every > tasks else warm
    if tasks - first < 2:
        meter = Meter()
        meter.stop()
        return meter, 0, {}, {}, "fewer than two arrivals in the time given", []
    arrivals, services = planned(cell, rate, first, tasks, seed)
    meter, origin, times = latency_epoch(cell, arrivals, [work.loops(ns) for ns in services], first)
    begin = arrivals[first - 1] if first else 0
    schedule_values = {"schedule_ns": arrivals[-1] - begin, "schedule_work_ns": sum(services[first:])}
    submitted, returned, started, ended = (column[first:] for column in times)
    intended = [origin + at for at in arrivals[first:]]
    tasks -= first
    names = {
        "total": zip(intended, ended),
        "queue": zip(submitted, started),
        "service": zip(started, ended),
        "lag": zip(intended, submitted),
    }
    hist = {name: Histogram(b - a for a, b in pairs) for name, pairs in names.items()}
    values = {
        "offered_per_s": (tasks - 1) * 1e9 / (intended[-1] - intended[0]),
        "achieved_per_s": tasks / ((max(ended) - intended[0]) / 1e9),
        "utilisation": 100 * sum(b - a for a, b in zip(started, ended))
        / (max(ended) - intended[0]) / capacity,
        **schedule_values,
    }
    doubts = ["the generator shares its CPU with a worker"] if cell["workers"] >= cpus() else []
    reason = refusal(capacity, intended, submitted, returned, ended)
    if reason:
        hist = {"lag": hist["lag"]}
    return meter, tasks, values, hist, reason, doubts


def refusal(servers, intended, submitted, returned, ended):
    """Why percentiles of this run would mean nothing, or ""; as bench/workloads/latency.c."""
    n = len(intended)

    def backlog(at):
        return sum(end > intended[at] for end in ended[: at + 1])

    before, after = backlog(0), backlog(n - 1)
    if after - before > 4 * math.sqrt(2 * n) + 4 * servers:
        return f"UNSUSTAINED: the backlog grew from {before} to {after} tasks in {n} arrivals"
    free = [intended[0], *map(max, returned, intended[1:])]
    lags = sorted(max(b - a, 0) for a, b in zip(free, submitted))
    totals = sorted(b - a for a, b in zip(intended, ended))
    for q in (0.5, 0.9, 0.99):
        rank = math.ceil(q * n) - 1
        if lags[rank] > LAG_ALLOWED_NS and lags[rank] > totals[rank] / 10:
            return (
                f"generator lag: {lags[rank] / 1000:.0f} us at {q * 100:g} %, "
                f"where the total is {totals[rank] / 1000:.0f} us"
            )
    return ""


# ---- A cell ---------------------------------------------------------------------------------

def no_kernels(cell, description, work):
    raise Unsupported("no fork-join kernels: tasks that wait would use up the threads")


def elsewhere(run, **more):
    """A workload of idle.py, which opens pools and measures as this file does."""
    return lambda cell, description, work: run(cell, description, work, open_pool, measure, **more)


WORKLOADS = {
    "throughput": run_throughput,
    "contention": run_throughput,
    "wait": run_wait,
    "latency": run_latency,
    "wakeup": elsewhere(idle.run_wakeup),
    "forkjoin": no_kernels,
    "metg": lambda *given: elsewhere(idle.run_metg, submit_epoch=submit_epoch, cpus=cpus())(*given),
    "sparse": elsewhere(idle.run_sparse),
    "memory": elsewhere(idle.run_memory),
    "lifecycle": elsewhere(idle.run_lifecycle),
}
# What a cell must bring along, and the least value of each.
NEEDED = {
    "throughput": {"producers": 1},
    "contention": {"producers": 1},
    "wait": {"window": 1},
    "latency": {"service_ns": 1},
    "wakeup": {"gap_ns": 1},
    "forkjoin": {},
    "metg": {"efficiency": 1},
    "sparse": {"tasks_per_s": 0},
    "memory": {"queued": 1},
    "lifecycle": {"tasks": 0},
}


def run_cell(description):
    cell = description["cell"]
    record = {
        "schema": 1,
        "status": "ok",
        "reason": "",
        "subject": {key: DESCRIPTION[key] for key in ("name", "version", "notes")},
        "config": {
            "variant": "default",
            "workers": cell["workers"],
            "capacity": 0,
            "settings": DESCRIPTION["variants"][0]["notes"],
            "order": "fifo",
            "full": "grows",
        },
        "wall_ns": 0,
        "tasks": 0,
        "cpu_ns": 0,
        "csw": 0,
        "values": {},
        "hist": {},
        "machine": {"alloc": "pymalloc"},
        "validity": [],
    }
    work = Work()
    record["machine"].update(work_error=round(work.error, 6), clock_ns=clock_cost_ns())
    try:
        meter, tasks, values, hist, reason, doubts = WORKLOADS[cell["workload"]](cell, description, work)
    except Unsupported as reason:
        record.update(status="unsupported", reason=str(reason))
        return record
    except Broken as reason:
        record.update(status="failed", reason=str(reason))
        return record
    if reason:
        record.update(status="invalid", reason=reason)
    record["validity"] = doubts + [reason] if reason else doubts
    record.update(wall_ns=meter.wall, tasks=tasks, cpu_ns=meter.cpu, csw=meter.csw)
    record.update(values=values, hist={name: h.to_json() for name, h in hist.items()})
    return record


def read_description(text):
    """The description, or ValueError with what is wrong with it."""
    description = json.loads(text)
    if not isinstance(description, dict) or description.get("schema") != 1:
        raise ValueError('not a cell description of "schema" 1')
    for key in ("seed", "warmup_ns", "measure_ns"):
        if not isinstance(description.get(key), int) or description[key] < (key != "seed"):
            raise ValueError(f'"{key}" is not a positive integer')
    if description.get("options"):
        raise ValueError(f'unknown option "{description["options"][0]}": python has none')
    if description.get("variant", "default") != "default":
        raise ValueError(f'unknown variant "{description["variant"]}": python has "default"')
    cell = description.get("cell")
    if not isinstance(cell, dict) or cell.get("workload") not in WORKLOADS:
        raise ValueError(f'unknown workload; python has {", ".join(WORKLOADS)}')
    for key, least in {"workers": 1, **NEEDED[cell["workload"]]}.items():
        if not isinstance(cell.get(key), int) or cell[key] < least:
            raise ValueError(f'"cell.{key}" is not an integer of {least} or more')
    if cell["workload"] == "latency" and not (cell.get("utilisation") or cell.get("rate_per_s")):
        raise ValueError('"cell.utilisation" or "cell.rate_per_s" is needed')
    return description


def main():
    if sys.argv[1:] == ["--describe"]:
        print(json.dumps(DESCRIPTION))
        return 0
    if sys.argv[1:]:
        print(f"pool.py: unknown argument '{sys.argv[1]}'; try --describe", file=sys.stderr)
        return 2
    try:
        description = read_description(sys.stdin.read())
    except ValueError as error:
        print(f"pool.py: {error}", file=sys.stderr)
        return 2
    print(json.dumps(run_cell(description), separators=(",", ":")))
    return 0


if __name__ == "__main__":
    sys.exit(main())
