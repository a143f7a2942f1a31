#include "bench/campaign/story.h"
#include "bench/campaign/axes.h"
#include "bench/campaign/util.h"

#include <stdlib.h>
#include <string.h>

#define GRID_THIN_ABOVE 16

/*
 * Ranks, in the order in which a shrinking budget gives things up (the highest first). In-process
 * pools on as many workers as CPUs come before everything; programs pay for their start-up with
 * rank, since one of their processes costs as much as ten of the others. Minor configurations
 * follow later still, but for nested waits, where they differ.
 *
 * A workload has its head, one cell or the few that differ in kind. Luxuries begin with the heads:
 * everybody's figure in every workload comes before anybody's second figure in one. A handful of
 * pools is told by curves before that, over loads and numbers of threads; a whole field is not.
 */
enum rank {
    RANK_CORE = 0,    /* throughput, workers = CPUs */
    RANK_SIGNAL = 1,  /* wait for a signal */
    RANK_FLOOR = 2,   /* the A/A pair */
    RANK_SCALING = 3, /* throughput, one worker and twice the CPUs */
    RANK_CONTENTION = 4,
    RANK_FUTURES = 5,  /* wait: block, nested */
    RANK_LATENCY = 6,  /* at 80 % */
    RANK_PROGRAM = 7,  /* programs: core and signal */
    RANK_PATTERNS = 8, /* the other ways to wait */
    RANK_LATENCY_LOW = 9,
    RANK_KERNELS = 9,                  /* forkjoin: fib and uts */
    RANK_QUIET = 9,                    /* wakeup after 1 ms; sparse; memory */
    RANK_GRID = 10,                    /* the rest of the grids */
    RANK_HEAD = PLAN_LUXURY,           /* the heads of the other workloads */
    RANK_PROGRAM_HEAD = PLAN_LUXURY,   /* programs: the heads of all */
    RANK_MINOR_HEAD = PLAN_LUXURY + 1, /* the same of a pool's minor configurations */
    RANK_CURVE = PLAN_LUXURY + 2,      /* in a whole field: latency over the load */
    RANK_MORE = PLAN_LUXURY + 3,       /* the other cells */
    RANK_PROGRAM_MORE = PLAN_LUXURY + 3,
    RANK_MINOR_MORE = PLAN_LUXURY + 4,
};

/* A pool lists the configurations that matter most first. */
#define MAIN_VARIANTS 3

/* More configurations than this are a field. */
#define HANDFUL 16

struct story {
    struct plan *plan;
    const struct subject_list *subjects;
    const struct choices *choices;
    const char *const *only;
    unsigned cpus;
};

size_t story_grid(unsigned cpus, unsigned grid[STORY_GRID_MAX]) {
    size_t n = 0;
    if (cpus > GRID_THIN_ABOVE) {
        grid[n++] = 1;
        grid[n++] = 4;
        if (cpus / 4 > 4) {
            grid[n++] = cpus / 4;
        }
    } else {
        for (unsigned workers = 1; workers < cpus; workers *= 2) {
            grid[n++] = workers;
        }
    }
    grid[n++] = cpus;
    grid[n++] = 2 * cpus;
    return n;
}

static bool wanted(const struct story *story, const char *workload) {
    for (size_t i = 0; story->only && story->only[i]; i++) {
        if (strcmp(story->only[i], workload) == 0) {
            return true;
        }
    }
    return story->only == NULL;
}

/* A minor configuration of a pool has the rank of the others where it matters. */
static unsigned minor_rank(const json_t *cell, unsigned rank, bool head) {
    const char *pattern = json_string_value(json_object_get(cell, "pattern"));
    bool nested = pattern && strcmp(pattern, "nested") == 0;
    return nested ? rank : head ? RANK_MINOR_HEAD : RANK_MINOR_MORE;
}

/* rank is that of in-process pools. */
static void add(struct story *story, json_t *cell, unsigned rank, bool head) {
    struct plan_cell *added = plan_add_cell(story->plan, cell);
    bool full = json_integer_value(json_object_get(cell, "workers")) == story->cpus;
    bool curve = !head && rank >= RANK_LATENCY_LOW && story->choices->n > HANDFUL;
    unsigned main_rank = !curve ? rank : rank == RANK_LATENCY_LOW ? RANK_CURVE : RANK_MORE;
    unsigned program = rank <= RANK_SIGNAL ? RANK_PROGRAM
                       : head              ? RANK_PROGRAM_HEAD
                                           : RANK_PROGRAM_MORE;
    for (size_t i = 0; i < story->choices->n; i++) {
        struct choice choice = story->choices->items[i];
        const struct subject *subject = &story->subjects->items[choice.subject];
        bool is_program = subject_is_program(subject);
        unsigned own = is_program ? program : main_rank;
        bool able = subject_supports(subject, choice.variant, cell);
        if (!able && !head) {
            continue; /* its words stand at the head */
        }
        if (choice.variant >= MAIN_VARIANTS) {
            own = minor_rank(cell, own, head);
        } else if (!is_program && subject_has_no_workers(subject) && !full && !head) {
            own = RANK_MORE; /* the same measurement again, as far as it is concerned */
        }
        plan_add_entry(added, choice.subject, choice.variant, own, false)->unable = !able;
    }
}

static json_t *throughput(unsigned workers) {
    return json_pack("{s:s,s:i,s:i,s:i,s:i,s:i}", "workload", "throughput", "workers", (int)workers,
                     "producers", 1, "grain_ns", 1000, "batch", 1, "capacity", 0);
}

static void tell_throughput(struct story *story) {
    unsigned grid[STORY_GRID_MAX];
    size_t n = story_grid(story->cpus, grid);
    for (size_t i = 0; i < n; i++) {
        bool full = grid[i] == story->cpus;
        bool edge = grid[i] == 1 || grid[i] == 2 * story->cpus;
        add(story, throughput(grid[i]), full ? RANK_CORE : edge ? RANK_SCALING : RANK_GRID, full);
        struct plan_cell *cell = &story->plan->cells[story->plan->n - 1];
        if (full && cell->n > 0 && !cell->entries[0].unable) {
            plan_add_entry(cell, cell->entries[0].subject, cell->entries[0].variant, RANK_FLOOR,
                           true);
        }
    }
}

static void tell_wait(struct story *story) {
    static const char *const patterns[] = {"signal", "block", "nested",   "all",
                                           "timed",  "poll",  "callback", "any"};
    for (size_t i = 0; i < sizeof patterns / sizeof patterns[0]; i++) {
        /* Of several outstanding results these two choose or gather; one would be "block". */
        bool several = strcmp(patterns[i], "any") == 0 || strcmp(patterns[i], "all") == 0;
        int window = several ? 16 : 1;
        json_t *cell = json_pack("{s:s,s:i,s:s,s:i}", "workload", "wait", "workers",
                                 (int)story->cpus, "pattern", patterns[i], "window", window);
        unsigned rank = i == 0 ? RANK_SIGNAL : i < 3 ? RANK_FUTURES : RANK_PATTERNS;
        add(story, cell, rank, i < 4);
    }
}

static void tell_contention(struct story *story) {
    unsigned grid[STORY_GRID_MAX];
    size_t n = 0;
    grid[n++] = 1;
    if (story->cpus > 4) {
        grid[n++] = story->cpus / 4;
    }
    if (story->cpus > 1) {
        grid[n++] = story->cpus;
    }
    grid[n++] = 2 * story->cpus;
    for (size_t p = 0; p < n; p++) {
        for (size_t w = 0; w < n; w++) {
            json_t *cell = json_pack("{s:s,s:i,s:i,s:i}", "workload", "contention", "workers",
                                     (int)grid[w], "producers", (int)grid[p], "capacity", 0);
            bool corner = grid[w] == story->cpus && (grid[p] == story->cpus || grid[p] == 1);
            add(story, cell, corner ? RANK_CONTENTION : RANK_GRID, corner);
        }
    }
}

static void tell_latency(struct story *story) {
    static const int loads[] = {70, 50, 90};
    /* The generator watches the clock, so it has a CPU to itself where there are two. */
    unsigned workers = story->cpus > 1 ? story->cpus - 1 : 1;
    for (size_t i = 0; i < sizeof loads / sizeof loads[0]; i++) {
        json_t *cell = json_pack("{s:s,s:i,s:s,s:s,s:i,s:i}", "workload", "latency", "workers",
                                 (int)workers, "arrivals", "poisson", "service", "exponential",
                                 "service_ns", 20000, "utilisation", loads[i]);
        add(story, cell, i == 0 ? RANK_LATENCY : RANK_LATENCY_LOW, i == 0);
    }
    /* Short tasks at 70 %: how many workers are best is another question there. */
    for (unsigned w = 0; w < 3; w++) {
        unsigned counts[] = {workers, story->cpus, 2 * story->cpus};
        if (w > 0 && counts[w] == counts[w - 1]) {
            continue;
        }
        json_t *cell = json_pack("{s:s,s:i,s:s,s:s,s:i,s:i}", "workload", "latency", "workers",
                                 (int)counts[w], "arrivals", "poisson", "service", "exponential",
                                 "service_ns", 2000, "utilisation", 70);
        add(story, cell, RANK_GRID, false);
    }
}

/* Of a workload whose cells are heads or luxuries. */
static void tell_one(struct story *story, json_t *cell, unsigned rank) {
    add(story, must(cell), rank, rank <= RANK_HEAD);
}

static void tell_wakeup(struct story *story) {
    static const int gaps_ns[] = {1000000, 100000, 10000000};
    for (size_t i = 0; i < sizeof gaps_ns / sizeof gaps_ns[0]; i++) {
        tell_one(story,
                 json_pack("{s:s,s:i,s:i}", "workload", "wakeup", "workers", (int)story->cpus,
                           "gap_ns", gaps_ns[i]),
                 i == 0 ? RANK_QUIET : RANK_MORE);
    }
}

static void tell_forkjoin(struct story *story) {
    static const char *const kernels[] = {"fib", "uts", "nqueens", "skynet"};
    for (size_t i = 0; i < sizeof kernels / sizeof kernels[0]; i++) {
        tell_one(story,
                 json_pack("{s:s,s:i,s:s,s:i}", "workload", "forkjoin", "workers", (int)story->cpus,
                           "kernel", kernels[i], "n", 0),
                 i < 2 ? RANK_KERNELS : RANK_MORE);
    }
}

/* The producer has a CPU to itself where there are two, as in an open loop. */
static void tell_metg(struct story *story) {
    static const int wanted_percent[] = {50, 95};
    unsigned workers = story->cpus > 1 ? story->cpus - 1 : 1;
    for (size_t i = 0; i < 2; i++) {
        tell_one(story,
                 json_pack("{s:s,s:i,s:i}", "workload", "metg", "workers", (int)workers,
                           "efficiency", wanted_percent[i]),
                 i == 0 ? RANK_HEAD : RANK_MORE);
    }
}

static void tell_sparse(struct story *story) {
    static const int rates[] = {0, 1000, 10, 100, 10000};
    for (size_t i = 0; i < sizeof rates / sizeof rates[0]; i++) {
        tell_one(story,
                 json_pack("{s:s,s:i,s:i}", "workload", "sparse", "workers", (int)story->cpus,
                           "tasks_per_s", rates[i]),
                 i < 2 ? RANK_QUIET : RANK_MORE);
    }
}

static void tell_memory(struct story *story) {
    static const char *const allocators[] = {NULL, "glibc", "jemalloc", "mimalloc"};
    for (size_t i = 0; i < sizeof allocators / sizeof allocators[0]; i++) {
        json_t *cell = must(json_pack("{s:s,s:i,s:i}", "workload", "memory", "workers",
                                      (int)story->cpus, "queued", 20000));
        if (allocators[i]) {
            json_object_set_new(cell, "alloc", must(json_string(allocators[i])));
        }
        tell_one(story, cell, i == 0 ? RANK_QUIET : RANK_MORE);
    }
}

static void tell_lifecycle(struct story *story) {
    static const int tasks[] = {0, 1, 10, 100};
    for (size_t i = 0; i < sizeof tasks / sizeof tasks[0]; i++) {
        tell_one(story,
                 json_pack("{s:s,s:i,s:i}", "workload", "lifecycle", "workers", (int)story->cpus,
                           "tasks", tasks[i]),
                 i == 0 ? RANK_GRID : RANK_MORE);
    }
}

static void tell_oversubscribe(struct story *story) {
    for (unsigned hogs = 0; hogs <= 1; hogs++) {
        for (unsigned factor = 1; factor <= 4; factor *= 2) {
            tell_one(story,
                     json_pack("{s:s,s:i,s:i}", "workload", "oversubscribe", "workers",
                               (int)(factor * story->cpus), "hogs", (int)(hogs * story->cpus)),
                     hogs == 0 && factor == 4 ? RANK_HEAD : RANK_MORE);
        }
    }
}

static void tell_blocking(struct story *story) {
    static const int shares[] = {0, 10, 50, 90};
    for (size_t i = 0; i < sizeof shares / sizeof shares[0]; i++) {
        tell_one(story,
                 json_pack("{s:s,s:i,s:i,s:i}", "workload", "blocking", "workers",
                           (int)(2 * story->cpus), "share", shares[i], "sleep_ns", 1000000),
                 shares[i] == 50 ? RANK_HEAD : RANK_MORE);
    }
}

void story_plan(struct plan *plan, const struct subject_list *subjects,
                const struct choices *choices, unsigned cpus, const char *const *only) {
    struct story story = {plan, subjects, choices, only, cpus};
    const struct {
        const char *workload;
        void (*tell)(struct story *);
    } chapters[] = {{"throughput", tell_throughput},
                    {"wait", tell_wait},
                    {"contention", tell_contention},
                    {"latency", tell_latency},
                    {"wakeup", tell_wakeup},
                    {"forkjoin", tell_forkjoin},
                    {"metg", tell_metg},
                    {"sparse", tell_sparse},
                    {"memory", tell_memory},
                    {"lifecycle", tell_lifecycle},
                    {"oversubscribe", tell_oversubscribe},
                    {"blocking", tell_blocking}};
    for (size_t i = 0; i < sizeof chapters / sizeof chapters[0]; i++) {
        if (wanted(&story, chapters[i].workload)) {
            chapters[i].tell(&story);
        }
    }
}
