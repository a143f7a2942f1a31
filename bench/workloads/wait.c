/*
 * wait: round trips from a submission to its result, by each way of waiting that a pool offers.
 *
 * One thread outside the pool keeps a window of results outstanding. A pattern is a way to wait:
 * block, timed, poll, callback, any, all and nested use the pool's own futures; signal is plain
 * submit and a semaphore of the harness, the same for every pool.
 */
#include "bench/workloads/workload.h"

#include <errno.h>
#include <sched.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>

#include "bench/measure/clock.h"
#include "bench/measure/histogram.h"
#include "bench/measure/usage.h"
#include "bench/workloads/epochs.h"

#define FAR_NS (UINT64_C(3600) * 1000000000u) /* finite, and never reached */

/* The argument of one task, in its slot of the ledger. */
struct operation {
    struct ledger_slot slot;
    uint64_t begun_ns;
    sem_t done;         /* callback and signal */
    void *child_ticket; /* nested: the child's argument is the next slot */
    int child_error;
};
_Static_assert(sizeof(struct operation) <= LEDGER_STRIDE, "an operation fits its slot");

struct waiting;

struct pattern {
    const char *name;
    /* What the subject lacks, or NULL. */
    const char *(*lacks)(const struct cell_run *run);
    /* Does n round trips; false: the record says why not. */
    bool (*turn)(struct waiting *w, uint64_t n);
    /* For patterns that wait for the oldest: starts one, and waits until it has ended. */
    int (*begin)(struct waiting *w, struct operation *op, void *ticket);
    int (*finish)(struct waiting *w, struct operation *op, void *ticket);
    unsigned tasks; /* a round trip */
};

/* Tasks get nothing but their argument, so this is the process's one. */
static struct waiting {
    struct cell_run *run;
    const struct pattern *pattern;
    size_t window;
    size_t ticket_stride;
    char *tickets; /* window, then as many for children */
    void **live;   /* any, all: tickets outstanding, and their operations beside them */
    struct operation **live_ops;
    struct histogram *round_trip;
    bool measured;
    uint32_t stride; /* each so many-th round trip is timed; 1: all */
    double clock_ns; /* of a reading */
    uint64_t far_ns; /* a moment that is never reached */
} waiting;

/* Beyond this share of a round trip, its two readings of the clock are not for every one. */
#define PROBE_ALLOWED  0.02
#define SAMPLED_STRIDE 64u

/* The beginning of a round trip; 0 for one that is not timed. */
static uint64_t begin_time(const struct operation *op) {
    return op->slot.index / waiting.pattern->tasks % waiting.stride == 0 ? clock_now_ns() : 0;
}

static void record_time(struct waiting *w, const struct operation *op) {
    if (w->measured && op->begun_ns != 0) {
        histogram_record(w->round_trip, clock_now_ns() - op->begun_ns);
    }
}

static void *value_of(const void *arg) {
    return (void *)~(uintptr_t)arg;
}

static void *answer(void *arg) {
    if (!ledger_begin(&waiting.run->ledger, arg)) {
        return NULL;
    }
    ledger_end(arg);
    return value_of(arg);
}

static void post(void *arg) {
    struct operation *op = arg;
    sem_post(&op->done);
}

static void answer_and_post(void *arg) {
    if (ledger_begin(&waiting.run->ledger, arg)) {
        ledger_end(arg);
        post(arg);
    }
}

/* nested: submits the next slot's task and waits for it, inside the pool. */
static void *ask_child(void *arg) {
    const struct weir_subject *subject = waiting.run->subject;
    void *pool = waiting.run->pool;
    if (!ledger_begin(&waiting.run->ledger, arg)) {
        return NULL;
    }
    struct operation *op = arg;
    void *child = (char *)arg + LEDGER_STRIDE;
    void *value = NULL;
    int error = subject->async(pool, answer, child, op->child_ticket);
    if (error == 0) {
        error = subject->await(pool, op->child_ticket, WEIR_SUBJECT_FOREVER, &value);
        subject->release(pool, op->child_ticket);
        error = error == 0 && value != value_of(child) ? -EBADMSG : error;
    }
    op->child_error = error;
    ledger_end(&op->slot);
    return value_of(arg);
}

/* Takes the value of an ended ticket and lets go of it. */
static int collect(struct waiting *w, struct operation *op, void *ticket, uint64_t deadline_ns) {
    void *value = NULL;
    const struct weir_subject *subject = w->run->subject;
    int error = subject->await(w->run->pool, ticket, deadline_ns, &value);
    record_time(w, op);
    if (error != 0) {
        return error;
    }
    subject->release(w->run->pool, ticket);
    if (op->child_error != 0) {
        return op->child_error;
    }
    return value == value_of(op) ? 0 : -EBADMSG;
}

static int begin_async(struct waiting *w, struct operation *op, void *ticket) {
    op->begun_ns = begin_time(op);
    return w->run->subject->async(w->run->pool, answer, op, ticket);
}

static int begin_nested(struct waiting *w, struct operation *op, void *ticket) {
    op->child_ticket = (char *)ticket + w->window * w->ticket_stride;
    op->begun_ns = begin_time(op);
    return w->run->subject->async(w->run->pool, ask_child, op, ticket);
}

static int begin_callback(struct waiting *w, struct operation *op, void *ticket) {
    int error = begin_async(w, op, ticket);
    return error != 0 ? error : w->run->subject->on_done(w->run->pool, ticket, post, op);
}

static int begin_signal(struct waiting *w, struct operation *op, void *ticket) {
    (void)ticket;
    op->begun_ns = begin_time(op);
    return cell_run_submit(w->run, answer_and_post, op);
}

static int finish_block(struct waiting *w, struct operation *op, void *ticket) {
    return collect(w, op, ticket, WEIR_SUBJECT_FOREVER);
}

static int finish_timed(struct waiting *w, struct operation *op, void *ticket) {
    return collect(w, op, ticket, w->far_ns);
}

static int finish_poll(struct waiting *w, struct operation *op, void *ticket) {
    while (!w->run->subject->poll(w->run->pool, ticket)) {
        sched_yield();
    }
    return collect(w, op, ticket, WEIR_SUBJECT_NOW);
}

static void wait_posted(struct operation *op) {
    while (sem_wait(&op->done) != 0) {
        /* a signal came between */
    }
}

static int finish_callback(struct waiting *w, struct operation *op, void *ticket) {
    wait_posted(op);
    return collect(w, op, ticket, WEIR_SUBJECT_NOW);
}

static int finish_signal(struct waiting *w, struct operation *op, void *ticket) {
    (void)ticket;
    wait_posted(op);
    record_time(w, op);
    return 0;
}

static struct operation *operation_at(struct waiting *w, uint64_t index) {
    return ledger_argument(&w->run->ledger, (size_t)(index * w->pattern->tasks));
}

static bool went_well(struct waiting *w, int error) {
    if (error == -EBADMSG) {
        cell_record_end(w->run->record, CELL_FAILED,
                        "wrong argument: a future brought the value of another call");
    } else if (error != 0) {
        cell_record_end(w->run->record, CELL_INVALID, "%s: %s", w->pattern->name, strerror(-error));
    }
    return error == 0;
}

/* Waits for the oldest, then starts another in its place. */
static bool turn_ring(struct waiting *w, uint64_t n) {
    size_t window = n < w->window ? (size_t)n : w->window;
    for (uint64_t i = 0; i < n + window; i++) {
        void *ticket = w->tickets + i % window * w->ticket_stride;
        if (i >= window &&
            !went_well(w, w->pattern->finish(w, operation_at(w, i - window), ticket))) {
            return false;
        }
        if (i < n && !went_well(w, w->pattern->begin(w, operation_at(w, i), ticket))) {
            return false;
        }
    }
    return true;
}

/* Waits for whichever ends first, then starts another in its place. */
static bool turn_any(struct waiting *w, uint64_t n) {
    size_t live = 0;
    uint64_t begun = 0;
    for (; live < w->window && begun < n; live++) {
        w->live[live] = w->tickets + live * w->ticket_stride;
        w->live_ops[live] = operation_at(w, begun++);
        if (!went_well(w, begin_async(w, w->live_ops[live], w->live[live]))) {
            return false;
        }
    }
    while (live > 0) {
        int ended = w->run->subject->wait_any(w->run->pool, w->live, live, WEIR_SUBJECT_FOREVER);
        if (ended < 0 || (size_t)ended >= live) {
            return went_well(w, ended < 0 ? ended : -ERANGE);
        }
        if (!went_well(w, collect(w, w->live_ops[ended], w->live[ended], WEIR_SUBJECT_NOW))) {
            return false;
        }
        if (begun == n) {
            live--;
            w->live[ended] = w->live[live];
            w->live_ops[ended] = w->live_ops[live];
            continue;
        }
        w->live_ops[ended] = operation_at(w, begun++);
        if (!went_well(w, begin_async(w, w->live_ops[ended], w->live[ended]))) {
            return false;
        }
    }
    return true;
}

/* Starts a whole window and waits for all of it. */
static bool turn_all(struct waiting *w, uint64_t n) {
    for (uint64_t begun = 0; begun < n;) {
        size_t live = 0;
        for (; live < w->window && begun < n; live++) {
            w->live[live] = w->tickets + live * w->ticket_stride;
            w->live_ops[live] = operation_at(w, begun++);
            if (!went_well(w, begin_async(w, w->live_ops[live], w->live[live]))) {
                return false;
            }
        }
        if (!went_well(
                w, w->run->subject->wait_all(w->run->pool, w->live, live, WEIR_SUBJECT_FOREVER))) {
            return false;
        }
        for (size_t i = 0; i < live; i++) {
            if (!went_well(w, collect(w, w->live_ops[i], w->live[i], WEIR_SUBJECT_NOW))) {
                return false;
            }
        }
    }
    return true;
}

static const char *lacks_futures(const struct cell_run *run) {
    return run->subject->async == NULL ? "no futures" : NULL;
}

static const char *lacks_deadlines(const struct cell_run *run) {
    return run->capabilities & WEIR_SUBJECT_UNTIMED ? "no waiting with a deadline" : NULL;
}

static const char *lacks_poll(const struct cell_run *run) {
    return run->subject->poll == NULL ? "no poll" : NULL;
}

static const char *lacks_callback(const struct cell_run *run) {
    return run->subject->on_done == NULL ? "no on_done" : NULL;
}

static const char *lacks_any(const struct cell_run *run) {
    return run->subject->wait_any == NULL ? "no wait_any" : NULL;
}

static const char *lacks_all(const struct cell_run *run) {
    return run->subject->wait_all == NULL ? "no wait_all" : NULL;
}

static const char *lacks_nested(const struct cell_run *run) {
    uint32_t capabilities = run->capabilities;
    if (!(capabilities & WEIR_SUBJECT_FROM_TASK)) {
        return "no submission from inside a task";
    }
    bool spare = cell_axis_number(run, "workers") > cell_axis_number(run, "window");
    return (capabilities & WEIR_SUBJECT_NESTED) || spare
               ? NULL
               : "nested waits would use up its workers (needs workers > window)";
}

static const char *lacks_nothing(const struct cell_run *run) {
    (void)run;
    return NULL;
}

static const struct pattern patterns[] = {
    {"block", lacks_futures, turn_ring, begin_async, finish_block, 1},
    {"timed", lacks_deadlines, turn_ring, begin_async, finish_timed, 1},
    {"poll", lacks_poll, turn_ring, begin_async, finish_poll, 1},
    {"callback", lacks_callback, turn_ring, begin_callback, finish_callback, 1},
    {"any", lacks_any, turn_any, NULL, NULL, 1},
    {"all", lacks_all, turn_all, NULL, NULL, 1},
    {"nested", lacks_nested, turn_ring, begin_nested, finish_block, 2},
    {"signal", lacks_nothing, turn_ring, begin_signal, finish_signal, 1},
};

static const char *const pattern_names[] = {"block", "timed",  "poll",   "callback", "any",
                                            "all",   "nested", "signal", NULL};

static const struct pattern *find_pattern(const char *name) {
    const struct pattern *pattern = patterns;
    while (strcmp(pattern->name, name) != 0) {
        pattern++; /* the axis has been checked */
    }
    return pattern;
}

static bool run_epoch(void *state, struct epoch *epoch, bool measured) {
    struct waiting *w = state;
    ledger_reset(&w->run->ledger, (size_t)(epoch->n * w->pattern->tasks));
    for (uint64_t i = 0; i < epoch->n; i++) {
        sem_init(&operation_at(w, i)->done, 0, 0);
    }
    w->measured = measured;
    cell_run_phase(w->run, w->pattern->name);
    struct usage before = usage_now();
    uint64_t begun_ns = clock_now_ns();
    bool well = w->pattern->turn(w, epoch->n);
    epoch->wall_ns = clock_now_ns() - begun_ns;
    if (!measured && epoch->n >= SAMPLED_STRIDE) {
        double trip_ns = (double)epoch->wall_ns / (double)epoch->n;
        w->stride = 2.0 * w->clock_ns > PROBE_ALLOWED * trip_ns ? SAMPLED_STRIDE : 1;
    }
    struct usage used = usage_since(before);
    epoch->cpu_ns = used.cpu_ns;
    epoch->csw = used.csw;
    if (!well) {
        return false;
    }
    cell_run_phase(w->run, "quiesce");
    int error = w->run->subject->quiesce(w->run->pool);
    if (error != 0) {
        cell_record_end(w->run->record, CELL_INVALID, "quiesce: %s", strerror(-error));
        return false;
    }
    return cell_run_check(w->run);
}

static bool prepare(struct cell_run *run) {
    struct waiting *w = &waiting;
    size_t bytes = run->subject->ticket_bytes;
    w->run = run;
    w->window = (size_t)cell_axis_number(run, "window");
    w->ticket_stride = (bytes + 63) / 64 * 64;
    size_t all = w->ticket_stride == 0 ? 64 : w->window * 2 * w->ticket_stride;
    w->tickets = aligned_alloc(64, all);
    w->live = calloc(w->window, sizeof(w->live[0]));
    w->live_ops = calloc(w->window, sizeof(w->live_ops[0]));
    w->round_trip = histogram_new();
    w->stride = 1;
    w->clock_ns = clock_cost_ns();
    w->far_ns = clock_now_ns() + FAR_NS;
    if (w->tickets == NULL || w->live == NULL || w->live_ops == NULL || w->round_trip == NULL) {
        cell_record_end(run->record, CELL_INVALID, "no memory for a window of %zu", w->window);
        return false;
    }
    memset(w->tickets, 0, all);
    return cell_run_ledger(run, epochs_capacity(run, 1) * w->pattern->tasks);
}

static void report(const struct epoch *total) {
    struct cell_record *record = waiting.run->record;
    double trips = (double)total->n;
    record->tasks = total->n * waiting.pattern->tasks;
    cell_record_value(record, "round_trips_per_s", trips * 1e9 / (double)total->wall_ns);
    cell_record_value(record, "round_trip_ns", histogram_mean(waiting.round_trip));
    cell_record_value(record, "cpu_ns_per_round_trip", (double)total->cpu_ns / trips);
    cell_record_value(record, "csw_per_round_trip", (double)total->csw / trips);
    cell_record_value(record, "retries", (double)waiting.run->retries);
    cell_record_histogram(record, "round_trip", waiting.round_trip);
    waiting.run->readings = 2.0 / waiting.stride / waiting.pattern->tasks;
    if (waiting.stride > 1) {
        cell_record_doubt(record, "sampled: every %uth round trip is timed", waiting.stride);
    }
    if (total->n < 100) {
        cell_record_doubt(record, "few round trips: %llu in the time given",
                          (unsigned long long)total->n);
    }
}

static void measure_epochs(void *arg) {
    struct cell_run *run = arg;
    struct epochs epochs = {.least = 1,
                            .capacity = run->ledger.capacity / waiting.pattern->tasks,
                            .run = run_epoch,
                            .state = &waiting};
    struct epoch total;
    if (epochs_measure(run, &epochs, &total)) {
        report(&total);
    }
}

static void measure(struct cell_run *run) {
    memset(&waiting, 0, sizeof(waiting));
    waiting.pattern = find_pattern(cell_axis_word(run, "pattern"));
    bool own_futures = strcmp(waiting.pattern->name, "signal") != 0;
    const char *lacking = own_futures ? lacks_futures(run) : NULL;
    lacking = lacking != NULL ? lacking : waiting.pattern->lacks(run);
    if (lacking != NULL) {
        cell_record_end(run->record, CELL_UNSUPPORTED, "%s", lacking);
        return;
    }
    if (!cell_run_open(run) || !prepare(run)) {
        return;
    }
    cell_run_inside(run, measure_epochs, run);
}

static const struct cell_axis axes[] = {
    {.name = "workers", .least = 1, .most = 4096, .standard = 1},
    {.name = "pattern", .choices = pattern_names},
    {.name = "window", .least = 1, .most = 65536, .standard = 1},
    {.name = NULL},
};

const struct cell_workload cell_wait = {.name = "wait", .axes = axes, .run = measure};
