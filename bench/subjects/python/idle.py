"""wakeup, sparse, memory, lifecycle and metg of the Python subject, by the rules of the cells in C."""

import math
import os
import resource
import threading
import time

from instruments import KEY, Broken, Histogram, Ledger, Meter

SPIN_NS = 100_000
LEAST_GRAIN_NS, MOST_GRAIN_NS, AROUND = 50.0, 5e6, (1.0, 1 / 1.25, 1.25)


def sleep_until(moment, spin_ns=SPIN_NS):
    while (left := moment - time.monotonic_ns()) > 0:
        if left > spin_ns:
            time.sleep((left - spin_ns) / 1e9)
        else:
            os.sched_yield()


def mean(values):
    return sum(values) / len(values)


def run_wakeup(cell, description, work, open_pool, measure):
    """One task at a time, after a gap without any."""

    def epoch(n):
        ledger, starts, trips = Ledger(n, 0), [], []
        pool = open_pool(cell["workers"])
        started = [0]
        done = threading.Semaphore(0)

        def task(number):
            started[0] = time.monotonic_ns()
            ledger.run(number, number ^ KEY)
            done.release()

        meter = Meter()
        for number in range(n):
            sleep_until(time.monotonic_ns() + cell["gap_ns"])
            submitted = time.monotonic_ns()
            pool.submit(task, number)
            done.acquire()
            trips.append(time.monotonic_ns() - submitted)
            starts.append(started[0] - submitted)
        meter.stop()
        pool.shutdown(wait=True)
        ledger.check()
        return meter, starts, trips

    meter, n, epochs = measure(epoch, 8, description)
    starts = sorted(ns for each in epochs for ns in each[1])
    trips = [ns for each in epochs for ns in each[2]]
    values = {"start_p50_ns": starts[math.ceil(len(starts) / 2) - 1], "start_ns": mean(starts),
              "round_trip_ns": mean(trips), "csw_per_wakeup": meter.csw / n}
    return meter, n, values, {"start": Histogram(starts), "round_trip": Histogram(trips)}, "", []


def pool_usage():
    """CPU time and switches of the process without this thread."""
    own, all_ = resource.getrusage(resource.RUSAGE_THREAD), Meter()
    cpu = all_.cpu - time.thread_time_ns()
    return cpu, all_.csw - own.ru_nvcsw - own.ru_nivcsw


def run_sparse(cell, description, work, open_pool, measure):
    rate = cell["tasks_per_s"]
    counts = [int(rate * description[name] / 1e9) for name in ("warmup_ns", "measure_ns")]
    ledger = Ledger(sum(counts), 0)
    pool = open_pool(cell["workers"])
    submitted = 0

    def during(n, length):
        nonlocal submitted
        begun = time.monotonic_ns()
        for i in range(n):
            sleep_until(begun + int((i + 1) * 1e9 / rate), 0)
            pool.submit(ledger.run, submitted, submitted ^ KEY)
            submitted += 1
        sleep_until(begun + length, 0)

    during(counts[0], description["warmup_ns"])
    cpu, csw = pool_usage()
    meter = Meter()
    during(counts[1], description["measure_ns"])
    meter.stop()
    end_cpu, end_csw = pool_usage()
    meter.cpu, meter.csw = max(end_cpu - cpu, 0), max(end_csw - csw, 0)
    pool.shutdown(wait=True)
    ledger.check()
    values = {"cpu_percent": 100 * meter.cpu / meter.wall, "wakeups_per_s": meter.csw * 1e9 / meter.wall,
              "achieved_per_s": counts[1] * 1e9 / meter.wall}
    if counts[1]:
        values["cpu_ns_per_task"] = meter.cpu / counts[1]
    return meter, counts[1], values, {}, "", []


def resident_bytes():
    with open("/proc/self/smaps_rollup", encoding="ascii") as file:
        for line in file:
            if line.startswith("Rss:"):
                return int(line.split()[1]) * 1024
    return 0


def run_memory(cell, description, work, open_pool, measure):
    """Tasks queued behind workers that are held."""
    queued, workers = cell["queued"], cell["workers"]
    ledger = Ledger(queued, 0)
    none = resident_bytes()
    meter = Meter()
    pool = open_pool(workers)
    gate, held = threading.Event(), threading.Semaphore(0)

    def hold():
        held.release()
        gate.wait()

    for _ in range(workers):
        pool.submit(hold)
    for _ in range(workers):
        held.acquire()
    idle = resident_bytes()
    for number in range(queued):
        pool.submit(ledger.run, number, number ^ KEY)
    after = resident_bytes()
    gate.set()
    pool.shutdown(wait=True)
    ledger.check()
    meter.stop()
    values = {"idle_rss_bytes": idle - none, "bytes_per_task": (after - idle) / queued,
              "retained_rss_bytes": resident_bytes() - idle}
    return meter, queued, values, {}, "", []


def run_lifecycle(cell, description, work, open_pool, measure):
    tasks = cell["tasks"]

    def epoch(lives):
        spans = ([], [], [])
        meter = Meter()
        for _ in range(lives):
            ledger = Ledger(tasks, 0)
            begun = time.monotonic_ns()
            pool = open_pool(cell["workers"])
            opened = time.monotonic_ns()
            for number in range(tasks):
                pool.submit(ledger.run, number, number ^ KEY)
            closing = time.monotonic_ns()
            pool.shutdown(wait=True)
            closed = time.monotonic_ns()
            ledger.check()
            for kept, span in zip(spans, (opened - begun, closed - closing, closed - begun)):
                kept.append(span)
        return (meter.stop(), *spans)

    meter, lives, epochs = measure(epoch, 4, description)
    spans = [[ns for each in epochs for ns in each[i + 1]] for i in range(3)]
    values = {"create_ns": mean(spans[0]), "destroy_ns": mean(spans[1]), "life_ns": meter.wall / lives,
              "lives_per_s": lives * 1e9 / meter.wall}
    names = ("create", "destroy", "life")
    return meter, lives, values, {n: Histogram(s) for n, s in zip(names, spans)}, "", []


def run_metg(cell, description, work, open_pool, measure, submit_epoch, cpus):
    """The search of bench/workloads/metg.c; with the interpreter lock there is one server."""
    wanted = cell["efficiency"] / 100
    servers = min(cell["workers"], cpus)
    one = {"workers": cell["workers"], "producers": 1}
    total, done, task_ns = None, 0, 0.0

    def efficiency(grain):
        nonlocal total, done, task_ns
        each = max(task_ns, grain / servers)
        n = int(min(max(description["measure_ns"] / 16 / each, 2 * servers), 1 << 18))
        meter = submit_epoch(one, n, work.loops(grain))[0]
        task_ns = meter.wall / n
        done += n
        reached = grain * n / (servers * meter.wall)
        total = total.plus(meter) if total else meter
        return reached

    end = time.monotonic_ns() + description["warmup_ns"] + description["measure_ns"]
    efficiency(LEAST_GRAIN_NS)
    grain = LEAST_GRAIN_NS
    reached = efficiency(grain)
    while reached < wanted and grain < MOST_GRAIN_NS:
        grain *= 2
        reached = efficiency(grain)
    if reached < wanted:
        reason = f"efficiency never reached {wanted:.0%}; the last was {reached:.1%}"
        return total, done, {}, {}, reason, []
    total, done = None, 0
    overheads, crossing = [], grain / math.sqrt(2)
    while len(overheads) < 6 or time.monotonic_ns() < end:
        at = max(crossing * AROUND[len(overheads) % 3], LEAST_GRAIN_NS)
        reached = efficiency(at)
        if reached <= 0:
            raise Broken("hang: an epoch without progress")
        overheads.append(at * (1 - reached) / reached)
        crossing_of_median = sorted(overheads)[len(overheads) // 2] * wanted / (1 - wanted)
        crossing = max(min(max(crossing_of_median, crossing / 2), crossing * 2), LEAST_GRAIN_NS)
    values = {"metg_ns": crossing, "overhead_ns": sorted(overheads)[len(overheads) // 2]}
    return total, done, values, {}, "", []
