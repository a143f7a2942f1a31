/*
 * weir_hooks: every thread that starts stops, every task has one before and one after on the same
 * thread, and terminated comes once, after everything else.
 */
#include "stress/weir/work.h"

#define TASKS 40

static struct { _Atomic(uint32_t) starts, stops, before, after, terminated, bad; } seen;

static _Thread_local uint32_t inside; /* tasks that this thread is between before and after of */

static void add(_Atomic(uint32_t) *counter) {
    atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

static uint32_t get(_Atomic(uint32_t) *counter) {
    return atomic_load_explicit(counter, memory_order_relaxed);
}

static int last_words; /* plain memory: of the hook that is last, for whoever sees the pool ended */

/* Asks for the phase alone, which nobody is woken for. */
static void await_phase(struct episode *e, struct weir_pool *pool) {
    atomic_store_explicit(&e->shutting, true, memory_order_relaxed);
    work_expect(e, "weir_pool_shutdown", weir_pool_shutdown(pool, WEIR_DRAIN), 0);
    while (weir_pool_phase(pool) != WEIR_POOL_ENDED) {
        perturb_rest(10);
    }
    if (last_words != 1) {
        episode_fail(e, "lost result", "what terminated wrote is not seen in an ended pool");
    }
}

static int on_start(void *arg, uint32_t worker) {
    (void)arg, (void)worker;
    add(&seen.starts);
    return 0;
}

static void on_stop(void *arg, uint32_t worker) {
    (void)arg, (void)worker;
    add(&seen.stops);
    if (get(&seen.terminated) != 0 || inside != 0) {
        add(&seen.bad);
    }
}

static void on_before(void *arg, const struct weir_task_info *info) {
    (void)arg, (void)info;
    inside++;
    add(&seen.before);
}

static void on_after(void *arg, const struct weir_task_info *info) {
    (void)arg, (void)info;
    inside--;
    add(&seen.after);
    if (get(&seen.terminated) != 0) {
        add(&seen.bad);
    }
}

static void on_terminated(void *arg) {
    (void)arg;
    add(&seen.terminated);
    last_words = 1;
    if (get(&seen.starts) != get(&seen.stops)) {
        add(&seen.bad);
    }
}

static void run(struct episode *e) {
    struct weir_pool_options options;
    work_options(e, &options);
    options.hooks = (struct weir_hooks){.thread_start = on_start,
                                        .thread_stop = on_stop,
                                        .task_before = on_before,
                                        .task_after = on_after,
                                        .terminated = on_terminated};
    if (episode_below(e, 2) == 0) { /* threads come and go */
        options.threads = WEIR_NO_CORE;
        options.max_threads = e->spec->workers;
        options.keep_alive_ns = 50000;
    }
    atomic_store_explicit(&seen.starts, 0, memory_order_relaxed);
    atomic_store_explicit(&seen.stops, 0, memory_order_relaxed);
    atomic_store_explicit(&seen.before, 0, memory_order_relaxed);
    atomic_store_explicit(&seen.after, 0, memory_order_relaxed);
    atomic_store_explicit(&seen.terminated, 0, memory_order_relaxed);
    atomic_store_explicit(&seen.bad, 0, memory_order_relaxed);
    last_words = 0;
    episode_plan(e, TASKS);
    struct work *works = episode_memory(e, e->planned * sizeof *works);
    struct weir_pool *pool = work_pool(e, &options);
    episode_phase(e, "tasks under hooks");
    for (unsigned i = 0; i < TASKS; i++) {
        (void)work_insist(e, pool, &works[i], &e->tasks[i], 0);
        if (episode_below(e, 8) == 0) {
            perturb_rest(150);
        }
    }
    if (episode_below(e, 2) == 0) {
        await_phase(e, pool);
    }
    work_free(e, pool);
    episode_check_all(e, false);
    work_expect(e, "thread_stop, less thread_start",
                (long)get(&seen.stops) - (long)get(&seen.starts), 0);
    work_expect(e, "task_before", (long)get(&seen.before), TASKS);
    work_expect(e, "task_after", (long)get(&seen.after), TASKS);
    work_expect(e, "terminated", (long)get(&seen.terminated), 1);
    work_expect(e, "hooks out of order", (long)get(&seen.bad), 0);
    free(works);
    episode_reach(e, 0, get(&seen.starts));
}

const struct scenario scenario_weir_hooks = {
    .name = "weir_hooks",
    .invariant = "threads that start stop, tasks have one before and one after, terminated is last",
    .reach = {"threads"},
    .run = run,
};
