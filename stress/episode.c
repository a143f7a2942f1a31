#include "stress/episode.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

/* The one under way; written while no pool is open. */
static _Atomic(struct episode *) current;

/* How many runs of tasks this thread is inside of. */
static _Thread_local unsigned task_depth;

static uint32_t get(_Atomic(uint32_t) *counter) {
    return atomic_load_explicit(counter, memory_order_relaxed);
}

static struct record *record_of(const struct task *t) {
    return &t->episode->board->records[t->id];
}

/* ---- Verdicts ------------------------------------------------------------------------------ */

void episode_fail(struct episode *e, const char *verdict, const char *format, ...) {
    struct board *board = e->board;
    if (atomic_exchange_explicit(&board->judged, 1, memory_order_relaxed) != 0) {
        for (;;) {
            pause(); /* another thread judges and ends the process */
        }
    }
    snprintf(board->verdict, sizeof(board->verdict), "%s", verdict);
    va_list args;
    va_start(args, format);
    vsnprintf(board->detail, sizeof(board->detail), format, args);
    va_end(args);
    _exit(CHILD_JUDGED);
}

void episode_phase(struct episode *e, const char *phase) {
    snprintf(e->board->phase, sizeof(e->board->phase), "%s", phase);
}

struct episode *episode_current(bool *usable) {
    struct episode *e = atomic_load_explicit(&current, memory_order_relaxed);
    *usable = e != NULL && atomic_load_explicit(&e->usable, memory_order_relaxed);
    return e;
}

void episode_reach(struct episode *e, unsigned kind, uint64_t times) {
    e->board->coverage[e->spec->scenario].reach[kind] += times;
}

/* ---- Choices ------------------------------------------------------------------------------- */

uint64_t episode_below(struct episode *e, uint64_t bound) {
    return stress_random(&e->random) % bound;
}

uint64_t episode_seed(struct episode *e, unsigned thread) {
    return stress_mix(e->spec->seed ^ (UINT64_C(0x7468) << 40) ^ thread);
}

bool episode_can(const struct episode *e, uint32_t capabilities) {
    return (e->capabilities & capabilities) == capabilities;
}

uint64_t episode_after_ns(uint64_t ns) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec + ns;
}

/* ---- Released memory ----------------------------------------------------------------------- */

/* Filled under a lock of its own by whoever releases; read by the handler of a fault. */
static struct {
    pthread_mutex_t lock;
    _Atomic(unsigned) count;
    struct {
        char *start;
        size_t bytes;
    } ranges[BOARD_TASKS];
} released = {.lock = PTHREAD_MUTEX_INITIALIZER};

void episode_released(struct episode *e, void *memory, size_t bytes) {
    pthread_mutex_lock(&released.lock);
    unsigned n = atomic_load_explicit(&released.count, memory_order_relaxed);
    if (n == BOARD_TASKS) {
        episode_fail(e, "harness error", "more than %u pieces of released memory", n);
    }
    released.ranges[n].start = memory;
    released.ranges[n].bytes = bytes;
    atomic_store_explicit(&released.count, n + 1, memory_order_relaxed);
    pthread_mutex_unlock(&released.lock);
}

bool episode_was_released(const void *address) {
    unsigned n = atomic_load_explicit(&released.count, memory_order_relaxed);
    for (unsigned i = 0; i < n; i++) {
        const char *start = released.ranges[i].start;
        if ((const char *)address >= start &&
            (const char *)address < start + released.ranges[i].bytes) {
            return true;
        }
    }
    return false;
}

static void unmap_released(void) {
    unsigned n = atomic_load_explicit(&released.count, memory_order_relaxed);
    for (unsigned i = 0; i < n; i++) {
        munmap(released.ranges[i].start, released.ranges[i].bytes);
    }
    atomic_store_explicit(&released.count, 0, memory_order_relaxed);
}

/* ---- The pool ------------------------------------------------------------------------------ */

void episode_dropped(void *arg) {
    struct task *t = arg;
    if (atomic_fetch_add_explicit(&record_of(t)->dropped, 1, memory_order_relaxed) != 0) {
        episode_fail(t->episode, "double drop", "task %u was reported as dropped twice", t->id);
    }
    if (get(&record_of(t)->started) != 0) {
        episode_fail(t->episode, "run and dropped", "task %u ran, and then was dropped", t->id);
    }
}

void *episode_memory(struct episode *e, size_t bytes) {
    void *memory = calloc(1, bytes != 0 ? bytes : 1);
    if (memory == NULL) {
        episode_fail(e, "harness error", "no memory");
    }
    return memory;
}

static void count_tasks(struct episode *e) {
    for (uint32_t i = 0; i < e->planned; i++) {
        struct record *r = &e->board->records[i];
        e->board->tasks += get(&r->started);
        e->board->refused += get(&r->refused);
        e->board->dropped += get(&r->dropped);
    }
    free(e->tasks);
    e->tasks = NULL;
}

void episode_plan(struct episode *e, uint32_t n) {
    assert(n <= BOARD_TASKS);
    count_tasks(e); /* of an earlier plan */
    e->tasks = episode_memory(e, n * sizeof(*e->tasks));
    for (uint32_t i = 0; i < n; i++) {
        struct record *r = &e->board->records[i];
        atomic_store_explicit(&r->accepted, 0, memory_order_relaxed);
        atomic_store_explicit(&r->refused, 0, memory_order_relaxed);
        atomic_store_explicit(&r->started, 0, memory_order_relaxed);
        atomic_store_explicit(&r->ended, 0, memory_order_relaxed);
        atomic_store_explicit(&r->dropped, 0, memory_order_relaxed);
        e->tasks[i].episode = e;
        e->tasks[i].id = i;
    }
    e->planned = n;
    e->board->planned = n;
    atomic_store_explicit(&current, e, memory_order_relaxed);
}

static int open_pool(struct episode *e) {
    const struct settings *s = &e->board->settings;
    const char *options[BOARD_OPTIONS + 1] = {NULL};
    for (unsigned i = 0; i < s->option_count; i++) {
        options[i] = s->options[i];
    }
    struct weir_subject_config config = {
        .size = sizeof(config),
        .workers = e->spec->workers,
        .capacity = e->spec->capacity,
        .full = e->spec->full[0] != '\0' ? e->spec->full : NULL,
        .config = e->spec->variant[0] != '\0' ? e->spec->variant : NULL,
        .options = s->option_count != 0 ? options : NULL,
        .dropped = episode_can(e, WEIR_SUBJECT_DROPS) ? episode_dropped : NULL,
    };
    return e->subject->open(&config, &e->pool);
}

int episode_try_open(struct episode *e) {
    episode_phase(e, "open");
    int error = open_pool(e);
    e->closed = error != 0;
    atomic_store_explicit(&e->usable, error == 0, memory_order_relaxed);
    return error;
}

void episode_open_again(struct episode *e) {
    int error = episode_try_open(e);
    if (error == -EOPNOTSUPP) { /* a pool of the process that cannot be had in this shape now */
        e->board->inside = false;
        _exit(CHILD_OK);
    }
    if (error != 0) {
        episode_fail(e, "open failed", "open gave %d (%s)", error, strerror(-error));
    }
}

void episode_open(struct episode *e, uint32_t n) {
    episode_plan(e, n);
    episode_open_again(e);
}

void episode_open_another(struct episode *e, struct episode *other) {
    *other = *e;
    int error = open_pool(other);
    if (error != 0) {
        episode_fail(e, "open failed", "open of a second pool gave %d (%s)", error,
                     strerror(-error));
    }
}

void episode_close_another(struct episode *other) {
    int error = other->subject->close(other->pool);
    if (error != 0) {
        episode_fail(other, "close failed", "close of a second pool gave %d (%s)", error,
                     strerror(-error));
    }
}

static void count_work(struct episode *e) {
    struct weir_subject_counters c = {0};
    if (e->subject->counters != NULL && e->subject->counters(e->pool, &c) == 0) {
        e->board->counted = true;
        e->board->steals += c.steals;
        e->board->parks += c.parks;
        e->board->wakes += c.wakes;
    }
}

void episode_close(struct episode *e) {
    count_work(e);
    atomic_store_explicit(&e->usable, false, memory_order_relaxed);
    episode_phase(e, "close");
    int error = e->subject->close(e->pool);
    e->closed = true;
    if (error != 0) {
        episode_fail(e, "close failed", "close gave %d (%s)", error, strerror(-error));
    }
}

void episode_end(struct episode *e) {
    count_tasks(e);
    e->planned = 0; /* whatever still comes has a wrong argument; the board keeps its number */
    unmap_released();
}

/* ---- Submitting ---------------------------------------------------------------------------- */

/* A refusal is right only where the configuration allows it. */
static enum handed judge_refusal(struct episode *e, const struct task *t, const char *call,
                                 int error) {
    bool shutting = atomic_load_explicit(&e->shutting, memory_order_relaxed);
    if (error == -ESHUTDOWN && shutting) {
        return HANDED_REFUSED_SHUTDOWN;
    }
    bool blocks = strcmp(e->spec->full, "block") == 0 && task_depth == 0;
    bool bounded = e->spec->capacity != 0 || episode_can(e, WEIR_SUBJECT_REJECTS);
    if (error == -EAGAIN && bounded && !blocks) {
        return HANDED_REFUSED_FULL;
    }
    episode_fail(e, "wrong error", "%s of task %u gave %d (%s)", call, t->id, error,
                 strerror(-error));
}

void task_prepare(struct task *t) {
    t->in = stress_mix(t->id ^ t->episode->spec->seed);
    t->out = 0;
    perturb_point("harness:submit");
}

/* The counter is published with release so that a thread that sees it may count on the
 * acceptance; it orders nothing of the run. */
static void note_accepted(struct task *t) {
    atomic_fetch_add_explicit(&record_of(t)->accepted, 1, memory_order_release);
}

static void note_refused(struct task *t) {
    atomic_fetch_add_explicit(&record_of(t)->refused, 1, memory_order_relaxed);
}

void episode_note(struct task *t, bool accepted) {
    accepted ? note_accepted(t) : note_refused(t);
}

enum handed episode_try(struct episode *e, struct task *t, weir_subject_fn fn) {
    task_prepare(t);
    int error = e->subject->submit(e->pool, fn, t);
    if (error == 0) {
        note_accepted(t);
        return HANDED_ACCEPTED;
    }
    note_refused(t);
    return judge_refusal(e, t, "submit", error);
}

enum handed episode_submit(struct episode *e, struct task *t, weir_subject_fn fn) {
    assert(task_depth == 0);
    enum handed handed = episode_try(e, t, fn);
    while (handed == HANDED_REFUSED_FULL) {
        sched_yield();
        handed = episode_try(e, t, fn);
    }
    return handed;
}

unsigned episode_try_batch(struct episode *e, struct task *const *tasks, unsigned n,
                           weir_subject_fn fn) {
    void *args[EPISODE_BATCH];
    assert(n <= EPISODE_BATCH);
    if (e->subject->submit_batch == NULL || n == 0) {
        return 0;
    }
    for (unsigned i = 0; i < n; i++) {
        task_prepare(tasks[i]);
        args[i] = tasks[i];
    }
    int taken = e->subject->submit_batch(e->pool, fn, args, n);
    if (taken > (int)n) {
        episode_fail(e, "wrong error", "submit_batch of %u tasks gave %d", n, taken);
    }
    for (unsigned i = 0; i < n; i++) {
        (int)i < taken ? note_accepted(tasks[i]) : note_refused(tasks[i]);
    }
    if (taken < 0) {
        (void)judge_refusal(e, tasks[0], "submit_batch", taken);
    }
    return taken > 0 ? (unsigned)taken : 0;
}

void *episode_ticket(struct episode *e) {
    size_t bytes = (e->subject->ticket_bytes + 63u) & ~(size_t)63;
    void *ticket = aligned_alloc(64, bytes != 0 ? bytes : 64);
    if (ticket == NULL) {
        episode_fail(e, "harness error", "no memory for a ticket");
    }
    memset(ticket, 0xa5, bytes);
    return ticket;
}

enum handed episode_try_async(struct episode *e, struct task *t, weir_subject_call call) {
    task_prepare(t);
    t->is_call = true;
    bool own = t->ticket == NULL;
    if (own) {
        t->ticket = episode_ticket(e);
    }
    int error = e->subject->async(e->pool, call, t, t->ticket);
    if (error == 0) {
        note_accepted(t);
        return HANDED_ACCEPTED;
    }
    note_refused(t);
    if (own) {
        free(t->ticket);
        t->ticket = NULL;
    }
    return judge_refusal(e, t, "async", error);
}

enum handed episode_async(struct episode *e, struct task *t, weir_subject_call call) {
    assert(task_depth == 0);
    enum handed handed = episode_try_async(e, t, call);
    while (handed == HANDED_REFUSED_FULL) {
        sched_yield();
        handed = episode_try_async(e, t, call);
    }
    return handed;
}

void episode_check_value(struct episode *e, const struct task *t, const void *value) {
    if (value != t) {
        episode_fail(e, "wrong value", "await of task %u gave another call's value", t->id);
    }
    if (get(&record_of(t)->ended) == 0) {
        episode_fail(e, "early completion", "await of task %u returned before its call ended",
                     t->id);
    }
    if (t->out != task_result(t)) {
        episode_fail(e, "lost result", "what task %u wrote was not seen after await", t->id);
    }
}

int episode_await(struct episode *e, struct task *t) {
    void *value = NULL;
    perturb_point("harness:await");
    int error = e->subject->await(e->pool, t->ticket, WEIR_SUBJECT_FOREVER, &value);
    if (error == 0) {
        episode_check_value(e, t, value);
    } else if (error != -ECANCELED) {
        episode_fail(e, "wrong error", "await of task %u gave %d (%s)", t->id, error,
                     strerror(-error));
    } else if (get(&record_of(t)->started) != 0) {
        episode_fail(e, "run and cancelled", "await of task %u gave -ECANCELED, but it ran", t->id);
    }
    e->subject->release(e->pool, t->ticket);
    free(t->ticket);
    t->ticket = NULL;
    return error;
}

/* ---- Inside a task ------------------------------------------------------------------------- */

uint64_t task_result(const struct task *t) {
    return stress_mix(t->in ^ UINT64_C(0x6f7574));
}

/* An argument that is no task of this episode must not be looked into. */
static void check_argument(const struct task *t) {
    struct episode *e = atomic_load_explicit(&current, memory_order_relaxed);
    size_t offset = (size_t)((const char *)t - (const char *)e->tasks);
    if (offset % sizeof(*t) != 0 || offset / sizeof(*t) >= e->planned) {
        episode_fail(e, "wrong argument", "a task was started with an argument that nobody gave");
    }
}

void task_begin(struct task *t) {
    perturb_point("harness:begin");
    check_argument(t);
    struct episode *e = t->episode;
    if (atomic_fetch_add_explicit(&record_of(t)->started, 1, memory_order_relaxed) != 0) {
        episode_fail(e, "double run", "task %u was started a second time", t->id);
    }
    if (t->in != stress_mix(t->id ^ e->spec->seed)) {
        episode_fail(e, "wrong argument", "task %u does not see what was written before submit",
                     t->id);
    }
    if (get(&record_of(t)->dropped) != 0) {
        episode_fail(e, "run and dropped", "task %u was dropped, and then ran", t->id);
    }
    task_depth++;
}

bool task_is_nested(void) {
    return task_depth > 1;
}

void task_end(struct task *t) {
    t->out = task_result(t);
    task_depth--;
    perturb_point("harness:end");
    atomic_fetch_add_explicit(&record_of(t)->ended, 1, memory_order_relaxed);
}

void task_plain(void *task) {
    task_begin(task);
    task_end(task);
}

void *task_call(void *task) {
    task_begin(task);
    task_end(task);
    return task;
}

/* ---- Checking ------------------------------------------------------------------------------ */

static void check_task(struct episode *e, const struct task *t, bool may_drop) {
    struct record *r = record_of(t);
    uint32_t started = get(&r->started), dropped = get(&r->dropped);
    if (get(&r->accepted) == 0) {
        if (started != 0) {
            episode_fail(e, "ran after refusal", "task %u was refused, but ran", t->id);
        }
        if (dropped != 0) {
            episode_fail(e, "dropped after refusal", "task %u was refused, but reported as dropped",
                         t->id);
        }
        return;
    }
    if (dropped != 0 && !may_drop) {
        episode_fail(e, "lost task", "task %u was accepted and dropped, though nothing allows it",
                     t->id);
    }
    if (started > 1 || started + dropped > 1) {
        episode_fail(e, started > 1 ? "double run" : "run and dropped",
                     "task %u: started %u times, dropped %u times", t->id, started, dropped);
    }
    bool silent_drop = may_drop && (t->is_call || !episode_can(e, WEIR_SUBJECT_DROPS));
    if (started + dropped == 0 && !silent_drop) {
        episode_fail(e, "lost task", "task %u was accepted, and neither run nor dropped%s", t->id,
                     e->closed ? " when close returned" : "");
    }
    if (started != get(&r->ended)) {
        episode_fail(e, "early close", "task %u still ran when close returned", t->id);
    }
    if (started == 1 && t->out != task_result(t)) {
        episode_fail(e, "lost result", "what task %u wrote is not seen after its end", t->id);
    }
}

void episode_check_all(struct episode *e, bool may_drop) {
    for (uint32_t i = 0; i < e->planned; i++) {
        check_task(e, &e->tasks[i], may_drop);
    }
}

static _Noreturn void not_idle(struct episode *e, uint32_t pending, uint32_t noted) {
    episode_phase(e, "close, after quiesce returned too early");
    atomic_store_explicit(&e->shutting, true, memory_order_relaxed); /* for tasks that submit */
    e->subject->close(e->pool);
    e->closed = true;
    episode_check_all(e, false); /* a task that close does not bring either was lost */
    episode_fail(e, "early idle",
                 "quiesce returned while %u of %u tasks accepted before the call had not ended",
                 pending, noted);
}

void episode_quiesce(struct episode *e) {
    perturb_point("harness:quiesce");
    int error = e->subject->quiesce(e->pool);
    if (error != 0) {
        episode_fail(e, "wrong error", "quiesce gave %d (%s)", error, strerror(-error));
    }
}

void episode_settle(struct episode *e) {
    uint32_t noted = 0, pending = 0;
    for (uint32_t i = 0; i < e->planned; i++) {
        struct record *r = &e->board->records[i];
        e->tasks[i].noted = atomic_load_explicit(&r->accepted, memory_order_acquire) != 0;
        noted += e->tasks[i].noted;
    }
    episode_quiesce(e);
    for (uint32_t i = 0; i < e->planned; i++) {
        pending += e->tasks[i].noted && get(&e->board->records[i].ended) == 0;
    }
    if (pending != 0) {
        not_idle(e, pending, noted);
    }
    for (uint32_t i = 0; i < e->planned; i++) {
        if (e->tasks[i].noted) {
            check_task(e, &e->tasks[i], false);
        }
    }
}

/* ---- Threads and events -------------------------------------------------------------------- */

void episode_crew(struct episode *e, unsigned n, void *(*fn)(void *), void *args, size_t arg_size) {
    assert(n <= EPISODE_CREW * 2);
    if (pthread_barrier_init(&e->start, NULL, n) != 0) {
        episode_fail(e, "harness error", "no barrier");
    }
    for (unsigned i = 0; i < n; i++) {
        int error = pthread_create(&e->crew[i], NULL, fn, (char *)args + i * arg_size);
        if (error != 0) {
            episode_fail(e, "harness error", "pthread_create: %s", strerror(error));
        }
    }
    e->crew_size = n;
}

void episode_ready(struct episode *e) {
    pthread_barrier_wait(&e->start);
}

void episode_join(struct episode *e) {
    for (unsigned i = 0; i < e->crew_size; i++) {
        pthread_join(e->crew[i], NULL);
    }
    episode_joined(e);
}

void episode_joined(struct episode *e) {
    e->crew_size = 0;
    pthread_barrier_destroy(&e->start);
}
