"""The workloads as plots and report see them: axes, the figure that is compared, and the columns of
their tables. The same as bench/campaign/axes.c tells weir-bench."""

PATTERNS = ("block", "timed", "poll", "callback", "any", "all", "nested", "signal")
KERNELS = ("fib", "nqueens", "uts", "skynet")

# Axes of each workload in the order in which cells are listed.
AXES = {
    "throughput": ("grain_ns", "batch", "capacity", "producers", "workers", "alloc"),
    "contention": ("capacity", "producers", "workers", "alloc"),
    "wait": ("workers", "window", "pattern", "alloc"),
    "latency": ("workers", "arrivals", "service", "service_ns", "utilisation", "rate_per_s", "notify",
                "alloc"),
    "wakeup": ("workers", "gap_ns", "alloc"),
    "forkjoin": ("kernel", "n", "workers", "alloc"),
    "metg": ("workers", "efficiency", "alloc"),
    "sparse": ("workers", "tasks_per_s", "alloc"),
    "memory": ("workers", "queued", "alloc"),
    "lifecycle": ("tasks", "workers", "alloc"),
    "oversubscribe": ("hogs", "workers", "alloc"),
    "blocking": ("share", "sleep_ns", "workers", "alloc"),
}
WORKLOADS = tuple(AXES)

# The least that is told from nothing: a smaller figure is compared as this, so that a pool which
# costs nothing at all has a ratio too.
FLOORS = {"sparse": 0.01}  # % of a CPU

# What a comparison compares: a value, in words, and whether more of it is better. latency compares
# a quantile of its histogram instead: see samples.Run.merit.
METRICS = {
    "throughput": ("tasks_per_s", "tasks per second", True),
    "contention": ("tasks_per_s", "tasks per second", True),
    "wait": ("round_trips_per_s", "round trips per second", True),
    "wakeup": ("start_p50_ns", "time to the start, at the median", False),
    "forkjoin": ("kernel_ns", "time of the kernel", False),
    "metg": ("metg_ns", "METG", False),
    "sparse": ("cpu_percent", "CPU time", False),
    "memory": ("bytes_per_task", "resident bytes a task", False),
    "lifecycle": ("life_ns", "time of a life", False),
    "oversubscribe": ("tasks_per_s", "tasks per second", True),
    "blocking": ("completion_ns", "time of 100 tasks", False),
}

# Columns of the tables of the workloads that the report shows by one rule: head, name, quantile of
# a histogram (0: a value, with its interval), and how a figure is written.
COLUMNS = {
    "wakeup": (("start p50", "start_p50_ns", 0, "duration"), ("start p99", "start", 0.99, "duration"),
               ("round trip p50", "round_trip", 0.5, "duration"),
               ("round trip p99", "round_trip", 0.99, "duration"),
               ("switches each", "csw_per_wakeup", 0, "count")),
    "forkjoin": (("Tp", "kernel_ns", 0, "duration"), ("Ts", "serial_ns", 0, "duration"),
                 ("T1/Ts", "overhead", 0, "ratio"), ("Ts/Tp", "speedup", 0, "ratio"),
                 ("a spawn", "ns_per_spawn", 0, "duration")),
    "metg": (("METG", "metg_ns", 0, "duration"), ("overhead a task", "overhead_ns", 0, "duration")),
    "sparse": (("CPU", "cpu_percent", 0, "percent"), ("wake-ups/s", "wakeups_per_s", 0, "count"),
               ("CPU a task", "cpu_ns_per_task", 0, "duration")),
    "memory": (("RSS a task", "bytes_per_task", 0, "bytes"),
               ("in use a task", "live_bytes_per_task", 0, "bytes"),
               ("calls a task", "allocations_per_task", 0, "count"),
               ("jemalloc a task", "jemalloc_bytes_per_task", 0, "bytes"),
               ("idle pool", "idle_rss_bytes", 0, "bytes")),
    "lifecycle": (("a life", "life_ns", 0, "duration"), ("create p50", "create", 0.5, "duration"),
                  ("destroy p50", "destroy", 0.5, "duration")),
    "oversubscribe": (("tasks/s", "tasks_per_s", 0, "count"), ("kept", "kept", 0, "share"),
                      ("p50", "response", 0.5, "duration"), ("p99", "response", 0.99, "duration"),
                      ("p99.9", "response", 0.999, "duration")),
    "blocking": (("100 tasks", "completion_ns", 0, "duration"),
                 ("over ideal", "over_ideal", 0, "ratio"),
                 ("over fixed", "over_fixed", 0, "ratio"),
                 ("CPU a task", "cpu_ns_per_task", 0, "duration")),
}

TITLES = {
    "throughput": "Throughput", "contention": "Contention", "latency": "Latency", "wait": "Waiting",
    "wakeup": "Waking an idle pool", "forkjoin": "Fork and join",
    "metg": "The smallest task worth submitting", "sparse": "Cost of next to nothing",
    "memory": "Memory", "lifecycle": "Opening and closing", "oversubscribe": "More threads than CPUs",
    "blocking": "Tasks that sleep",
}

ABOUT = {
    "wakeup": "One task at a time, each after a gap without any: how long the pool takes to start it.",
    "forkjoin": "Recursive kernels in each pool's own idiom. Ts: the same without a pool, pinned to one "
                "CPU; T1: with one worker; Tp: with all. A spawn costs (T1 − Ts) / spawns.",
    "metg": "The smallest task with which the wanted share of the workers' time is still work.",
    "sparse": "CPU time of the pool's threads while tasks trickle in; the submitting thread is not in it.",
    "memory": "What a queued task takes, by the kernel's, the allocator's and a counter's view, and what "
              "an idle pool takes.",
    "lifecycle": "Open, a few empty tasks, close. Beside `thread`: from how many tasks on a pool pays.",
    "oversubscribe": "A closed loop of tasks of 20 µs. Hogs are processes that compute all the time; kept "
                     "is the share of the CPUs that became work.",
    "blocking": "Of a bag of tasks a share sleeps. Over ideal: against a pool that never leaves a CPU idle; "
                "over fixed: against one of so many workers that wait themselves.",
}
