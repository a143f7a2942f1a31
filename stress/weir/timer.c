/*
 * weir_timer: a timer runs when it is due and not before, its runs never overlap, a cancelled one
 * runs no more, and every timer ends, whatever the pool is doing.
 *
 * Timers of all kinds, the pool's first started by two threads at the same time, run beside tasks;
 * some are cancelled by another thread, the others when they
 * have run a few times. Their memory is made unreadable after fini.
 */
#include <errno.h>
#include <sys/mman.h>

#include "stress/weir/work.h"

#define TIMERS   10
#define STARTERS 2
#define RUNS     3
#define PAGE     4096

enum kind { ONCE, RATE, DELAY, KINDS };

struct alarm_clock {
    struct episode *e;
    struct weir_timer *timer;
    enum kind kind;
    uint64_t delay_ns, interval_ns;
    uint64_t due_ns; /* of the first run */
    _Atomic(uint32_t) runs, inside;
    uint64_t count;      /* plain: each run sees what the one before wrote */
    _Atomic(bool) ended; /* the future was seen terminal */
};

struct member {
    struct episode *e;
    struct weir_pool *pool;
    unsigned first; /* starters: of theirs */
    struct alarm_clock *clocks;
};

static int ring(void *arg, void **value) {
    struct alarm_clock *c = arg;
    if (atomic_fetch_add_explicit(&c->inside, 1, memory_order_relaxed) != 0) {
        episode_fail(c->e, "double run", "two runs of a timer at the same time");
    }
    if (weir_now_ns() < c->due_ns) {
        episode_fail(c->e, "early time-out", "a timer ran before it was due");
    }
    if (atomic_load_explicit(&c->ended, memory_order_relaxed)) {
        episode_fail(c->e, "early completion", "a timer ran after its future was terminal");
    }
    perturb_point("harness:timer");
    uint32_t before = atomic_fetch_add_explicit(&c->runs, 1, memory_order_relaxed);
    if (c->count != before) {
        episode_fail(c->e, "lost result", "a run does not see what the run before it wrote");
    }
    c->count++;
    *value = c;
    atomic_fetch_sub_explicit(&c->inside, 1, memory_order_relaxed);
    return c->kind != ONCE && before + 1 == RUNS ? -EIO : 0; /* an error ends a series */
}

static void *cancel(void *arg) {
    struct member *m = arg;
    episode_ready(m->e);
    for (unsigned i = 0; i < TIMERS; i += 2) {
        perturb_rest(150);
        int error = weir_timer_cancel(m->clocks[i].timer);
        if (error != 0 && error != -EINPROGRESS && error != -EALREADY) {
            work_wrong(m->e, "weir_timer_cancel", error);
        }
    }
    return NULL;
}

static void start(struct episode *e, struct weir_pool *pool, struct alarm_clock *c) {
    c->due_ns = weir_after(c->delay_ns);
    int error = c->kind == ONCE ? weir_timer_once(c->timer, pool, c->due_ns)
                : c->kind == RATE
                    ? weir_timer_at_fixed_rate(c->timer, pool, c->due_ns, c->interval_ns)
                    : weir_timer_with_fixed_delay(c->timer, pool, c->due_ns, c->interval_ns);
    work_expect(e, "starting a timer", error, 0);
}

static void *start_some(void *arg) {
    struct member *m = arg;
    episode_ready(m->e);
    for (unsigned i = m->first; i < TIMERS; i += STARTERS) {
        start(m->e, m->pool, &m->clocks[i]);
    }
    return NULL;
}

static void make(struct episode *e, struct alarm_clock *c) {
    *c = (struct alarm_clock){.e = e,
                              .kind = (enum kind)episode_below(e, KINDS),
                              .delay_ns = episode_below(e, 400000),
                              .interval_ns = 20000 + episode_below(e, 200000)};
    c->timer = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (c->timer == MAP_FAILED) {
        episode_fail(e, "harness error", "mmap");
    }
    weir_timer_init(c->timer, ring, c, 0);
}

static void check(struct episode *e, struct alarm_clock *c, bool cancelled) {
    int error = weir_future_get(weir_timer_future(c->timer), NULL, WEIR_FOREVER);
    atomic_store_explicit(&c->ended, true, memory_order_relaxed);
    uint32_t runs = atomic_load_explicit(&c->runs, memory_order_relaxed);
    int expected = c->kind == ONCE ? 0 : -EIO;
    bool whole = runs == (c->kind == ONCE ? 1 : RUNS);
    if (error != expected && !(cancelled && error == -ECANCELED)) {
        work_wrong(e, "get of a timer's future", error);
    }
    if (error == expected && !whole) {
        episode_fail(e, "lost task", "a timer ended after %u runs", runs);
    }
    if (weir_timer_runs(c->timer) != runs) {
        episode_fail(e, "wrong value", "%u runs, and the timer says %llu", runs,
                     (unsigned long long)weir_timer_runs(c->timer));
    }
    work_expect(e, "weir_timer_fini", weir_timer_fini(c->timer), 0);
    episode_released(e, c->timer, PAGE);
    (void)mprotect(c->timer, PAGE, PROT_NONE);
    episode_reach(e, cancelled, runs);
}

static void run(struct episode *e) {
    struct weir_pool_options options;
    struct alarm_clock clocks[TIMERS];
    struct member canceller = {.e = e, .clocks = clocks}, starters[STARTERS];
    work_options(e, &options);
    episode_plan(e, 8);
    struct work *works = episode_memory(e, e->planned * sizeof *works);
    struct weir_pool *pool = work_pool(e, &options);
    episode_phase(e, "timers beside tasks");
    for (unsigned i = 0; i < TIMERS; i++) {
        make(e, &clocks[i]);
    }
    for (unsigned i = 0; i < STARTERS; i++) {
        starters[i] = (struct member){e, pool, i, clocks};
    }
    episode_crew(e, STARTERS, start_some, starters, sizeof starters[0]);
    episode_join(e);
    episode_crew(e, 1, cancel, &canceller, sizeof canceller);
    for (unsigned i = 0; i < e->planned; i++) {
        (void)work_insist(e, pool, &works[i], &e->tasks[i], 0);
    }
    episode_join(e);
    episode_phase(e, "every timer ends");
    for (unsigned i = 0; i < TIMERS; i++) {
        check(e, &clocks[i], i % 2 == 0);
    }
    work_free(e, pool);
    episode_check_all(e, false);
    free(works);
}

const struct scenario scenario_weir_timer = {
    .name = "weir_timer",
    .invariant = "a timer runs when due, its runs never overlap, a cancelled one runs no more",
    .reach = {"runs", "runs of timers that were cancelled"},
    .run = run,
};
