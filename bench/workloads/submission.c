#include "bench/workloads/submission.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "bench/measure/clock.h"
#include "bench/measure/usage.h"
#include "bench/workloads/epochs.h"

/* What one producer does and has found out; no line of it is shared with another. */
struct producer {
    _Alignas(64) pthread_t thread;
    size_t first; /* its tasks of this epoch */
    size_t n;
    uint64_t begun_ns;
    uint64_t ended_ns;
    uint64_t retries;
    int error;
};

/* The pool calls run_task with nothing but an argument, so the engine is the process's one. */
static struct engine {
    struct cell_run *run;
    const struct submission *how;
    uint64_t steps;   /* of work in a task */
    bool bounded;     /* a full queue is no error: try again */
    void **arguments; /* for batches alone */
    struct producer *producers;
    pthread_barrier_t barrier; /* producers and the measuring thread, before and after an epoch */
    atomic_uint submitting;    /* producers that have not ended; the last one quiesces */
    bool stop;
    int quiesce_error;
    uint64_t quiet_ns;
    struct usage used_before;
    struct usage used;
    /* Sums over measured epochs. */
    uint64_t submitting_ns;
    uint64_t retries;
    uint64_t caller_ran;
    double jain;
    unsigned epochs;
} engine;

static void run_task(void *arg) {
    if (!ledger_begin(&engine.run->ledger, arg)) {
        return;
    }
    if (engine.steps != 0) {
        work_do(engine.steps);
    }
    ledger_end(arg);
}

/* Hands over up to n tasks from index on; how many were taken, or a negative errno. */
static int hand_over(size_t index, size_t n) {
    struct cell_run *run = engine.run;
    int result;
    if (engine.how->batch == 1) {
        result = run->subject->submit(run->pool, run_task, ledger_argument(&run->ledger, index));
        return result == 0 ? 1 : result;
    }
    result = run->subject->submit_batch(run->pool, run_task, &engine.arguments[index], n);
    if (result > (int)n) {
        return -ERANGE;
    }
    return result;
}

static void submit_all(struct producer *producer) {
    size_t batch = engine.how->batch;
    size_t end = producer->first + producer->n;
    for (size_t i = producer->first; i < end;) {
        int taken = hand_over(i, end - i < batch ? end - i : batch);
        if (taken > 0) {
            i += (size_t)taken;
        } else if (taken == -EAGAIN && engine.bounded) {
            producer->retries++;
            sched_yield();
        } else {
            producer->error = taken == 0 ? -EPROTO : taken;
            return;
        }
    }
}

static void produce_epochs(void *arg) {
    struct producer *producer = arg;
    struct cell_run *run = engine.run;
    for (;;) {
        pthread_barrier_wait(&engine.barrier);
        if (engine.stop) {
            return;
        }
        producer->begun_ns = clock_now_ns();
        submit_all(producer);
        producer->ended_ns = clock_now_ns();
        if (atomic_fetch_sub_explicit(&engine.submitting, 1, memory_order_acq_rel) == 1) {
            cell_run_phase(run, "quiesce");
            engine.quiesce_error = run->subject->quiesce(run->pool);
            engine.quiet_ns = clock_now_ns();
            engine.used = usage_since(engine.used_before);
        }
        pthread_barrier_wait(&engine.barrier);
    }
}

static void *produce(void *arg) {
    ledger_thread_submits();
    cell_run_inside(engine.run, produce_epochs, arg);
    return NULL;
}

/* Jain's index of the producers' rates: 1 when all are equal, 1/n when one has it all. */
static double jain_index(void) {
    double sum = 0.0;
    double squares = 0.0;
    for (unsigned i = 0; i < engine.how->producers; i++) {
        const struct producer *p = &engine.producers[i];
        double rate = (double)p->n / (double)(p->ended_ns - p->begun_ns + 1);
        sum += rate;
        squares += rate * rate;
    }
    return sum * sum / (squares * engine.how->producers);
}

static void gather(struct epoch *epoch) {
    for (unsigned i = 0; i < engine.how->producers; i++) {
        const struct producer *p = &engine.producers[i];
        engine.submitting_ns += p->ended_ns - p->begun_ns;
        engine.retries += p->retries;
    }
    engine.caller_ran += ledger_caller_ran(&engine.run->ledger);
    engine.jain += jain_index() * (double)epoch->n;
    engine.epochs++;
}

/* The figures of the epoch that has ended, or why there are none. */
static bool conclude(struct epoch *epoch, bool measured) {
    struct cell_run *run = engine.run;
    uint64_t first_ns = UINT64_MAX;
    for (unsigned i = 0; i < engine.how->producers; i++) {
        const struct producer *p = &engine.producers[i];
        if (p->error != 0) {
            cell_record_end(run->record, CELL_INVALID, "submit: %s", strerror(-p->error));
            return false;
        }
        first_ns = p->begun_ns < first_ns ? p->begun_ns : first_ns;
    }
    if (engine.quiesce_error != 0) {
        cell_record_end(run->record, CELL_INVALID, "quiesce: %s", strerror(-engine.quiesce_error));
        return false;
    }
    epoch->wall_ns = engine.quiet_ns - first_ns;
    epoch->cpu_ns = engine.used.cpu_ns;
    epoch->csw = engine.used.csw;
    if (!cell_run_check(run)) {
        return false;
    }
    if (measured) {
        gather(epoch);
    }
    return true;
}

static bool run_epoch(void *state, struct epoch *epoch, bool measured) {
    (void)state;
    unsigned producers = engine.how->producers;
    ledger_reset(&engine.run->ledger, epoch->n);
    for (unsigned i = 0; i < producers; i++) {
        struct producer *p = &engine.producers[i];
        p->first = epoch->n / producers * i;
        p->n = epoch->n / producers;
        p->retries = 0;
    }
    atomic_store_explicit(&engine.submitting, producers, memory_order_relaxed);
    cell_run_phase(engine.run, "submit");
    engine.used_before = usage_now();
    pthread_barrier_wait(&engine.barrier);
    pthread_barrier_wait(&engine.barrier);
    return conclude(epoch, measured);
}

static void report(const struct epoch *total) {
    struct cell_record *record = engine.run->record;
    double tasks = (double)total->n;
    cell_record_value(record, "tasks_per_s", tasks * 1e9 / (double)total->wall_ns);
    cell_record_value(record, "ns_per_task", (double)total->wall_ns / tasks);
    /* A producer does nothing but submit, so its whole time is the cost, waits for room included;
     * timing single calls would add to it and miss most interruptions. */
    cell_record_value(record, "submit_ns", (double)engine.submitting_ns / tasks);
    cell_record_value(record, "cpu_ns_per_task", (double)total->cpu_ns / tasks);
    cell_record_value(record, "csw_per_task", (double)total->csw / tasks);
    cell_record_value(record, "caller_ran_share", (double)engine.caller_ran / tasks);
    cell_record_value(record, "retries", (double)engine.retries);
    cell_record_value(record, "epochs", engine.epochs);
    if (engine.how->compare_shares) {
        cell_record_value(record, "jain", engine.jain / tasks);
    }
    if (total->n < 100) {
        cell_record_doubt(record, "few tasks: %llu in the time given",
                          (unsigned long long)total->n);
    }
}

/* Starts producers one by one; how many there are now. */
static unsigned start_producers(void) {
    unsigned started = 0;
    for (; started < engine.how->producers; started++) {
        struct producer *p = &engine.producers[started];
        if (pthread_create(&p->thread, NULL, produce, p) != 0) {
            break;
        }
    }
    return started;
}

static void measure_with_producers(void) {
    struct cell_run *run = engine.run;
    unsigned producers = engine.how->producers;
    unsigned started = start_producers();
    if (started < producers) {
        /* Those that did start wait at a barrier that would never open: leave them there. */
        cell_record_end(run->record, CELL_INVALID, "only %u of %u producers could be started",
                        started, producers);
        return;
    }
    struct epochs epochs = {.least = (uint64_t)producers * engine.how->batch, .run = run_epoch};
    epochs.capacity = run->ledger.capacity / epochs.least * epochs.least;
    struct epoch total;
    if (epochs_measure(run, &epochs, &total)) {
        report(&total);
    }
    engine.stop = true;
    pthread_barrier_wait(&engine.barrier);
    for (unsigned i = 0; i < producers; i++) {
        pthread_join(engine.producers[i].thread, NULL);
    }
    pthread_barrier_destroy(&engine.barrier);
}

static bool prepare(struct cell_run *run, const struct submission *how) {
    memset(&engine, 0, sizeof(engine));
    engine.run = run;
    engine.how = how;
    engine.bounded =
        cell_axis_number(run, "capacity") != 0 || (run->capabilities & WEIR_SUBJECT_REJECTS) != 0;
    if (!cell_run_ledger(run, epochs_capacity(run, (uint64_t)how->producers * how->batch))) {
        return false;
    }
    size_t tasks = run->ledger.capacity;
    engine.arguments = malloc((how->batch > 1 ? tasks : 1) * sizeof(engine.arguments[0]));
    engine.producers = aligned_alloc(64, how->producers * sizeof(engine.producers[0]));
    if (engine.arguments == NULL || engine.producers == NULL ||
        pthread_barrier_init(&engine.barrier, NULL, how->producers + 1) != 0) {
        cell_record_end(run->record, CELL_INVALID, "no memory for %zu tasks", tasks);
        return false;
    }
    for (size_t i = 0; how->batch > 1 && i < tasks; i++) {
        engine.arguments[i] = ledger_argument(&run->ledger, i);
    }
    memset(engine.producers, 0, how->producers * sizeof(engine.producers[0]));
    if (how->grain_ns > 0) {
        cell_run_calibrate(run, how->grain_ns);
        engine.steps = work_steps(&run->work, how->grain_ns);
    }
    return true;
}

void submission_measure(struct cell_run *run, const struct submission *how) {
    if (how->batch > 1 && run->subject->submit_batch == NULL) {
        cell_record_end(run->record, CELL_UNSUPPORTED, "no submit_batch");
        return;
    }
    if (how->producers > 1 && run->subject->inside != NULL) {
        cell_record_end(run->record, CELL_UNSUPPORTED, "takes tasks from one of its own threads");
        return;
    }
    if (cell_run_open(run) && prepare(run, how)) {
        measure_with_producers();
    }
    /* Nothing is freed before the pool is closed, for a pool whose quiesce lies; the process ends
     * soon after. */
}
