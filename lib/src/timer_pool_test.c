/* Timers and their pool: no room, the thread, the end. */
#include <weir/timer.h>

#include <dirent.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test/fault.h"
#include "test/timers.h"

#define VALUE ((void *)&value_itself)
static int value_itself;

/* ---- A full pool ---- */

static void run_that_is_due_waits_for_room_whatever_the_policy(void **state) {
    for (unsigned policy = 0; policy <= WEIR_FULL_DISCARD_OLDEST; policy++) {
        struct weir_pool_options options;
        struct keeper keeper;
        struct weir_timer timer, cancelled;
        struct weir_future queued;
        void *value = NULL;

        weir_pool_options_init(&options);
        options.capacity = 1;
        options.full = (enum weir_full_policy)policy;
        struct weir_pool *pool = unit_pool(unit_scheduler(state), 1, &options);
        keep_worker(&keeper, pool);
        weir_future_init(&queued);
        assert_int_equal(weir_pool_submit(pool, weir_future_task(&queued, call_echo, VALUE, 0)), 0);
        weir_timer_init(&timer, call_echo, VALUE, 0);
        weir_timer_init(&cancelled, call_echo, VALUE, 0);
        assert_int_equal(weir_timer_once(&cancelled, pool, 1), 0);
        assert_int_equal(weir_timer_once(&timer, pool, 2), 0);
        uint64_t end_ns = weir_after(15 * MS); /* longer than one attempt */
        UNTIL(weir_now_ns() > end_ns);
        assert_int_equal(weir_timer_runs(&timer), 0); /* neither on the timers' thread */
        assert_int_equal(timer_state(&timer), WEIR_FUTURE_PENDING); /* nor discarded */
        assert_int_equal(weir_future_state(&queued), WEIR_FUTURE_PENDING);
        assert_int_equal(weir_timer_cancel(&cancelled), 0);
        timer_finish(&cancelled); /* does not wait for room */
        assert_int_equal(unit_stats(pool).rejected, 0);
        free_worker(&keeper);
        assert_int_equal(weir_future_get(weir_timer_future(&timer), &value, WEIR_FOREVER), 0);
        assert_ptr_equal(value, VALUE);
        assert_int_equal(weir_future_get(&queued, NULL, WEIR_FOREVER), 0);
        timer_finish(&timer);
        assert_int_equal(weir_future_fini(&queued), 0);
        assert_int_equal(weir_pool_free(pool), 0);
    }
}

/* ---- The thread ---- */

/* Threads of this process with that name; the tid of one of them. */
static int threads_named(const char *wanted, int *tid) {
    DIR *folder = opendir("/proc/self/task");
    struct dirent *entry;
    int n = 0;

    assert_non_null(folder);
    while ((entry = readdir(folder))) {
        char path[64], name[32] = "";
        snprintf(path, sizeof path, "/proc/self/task/%.20s/comm", entry->d_name);
        FILE *file = fopen(path, "r");
        if (!file)
            continue;
        if (fgets(name, sizeof name, file) && strcmp(strtok(name, "\n"), wanted) == 0) {
            n++;
            *tid = atoi(entry->d_name);
        }
        fclose(file);
    }
    closedir(folder);
    return n;
}

static unsigned long long status_of(int tid, const char *field, int base) {
    char path[64], line[128];
    unsigned long long value = 0;

    snprintf(path, sizeof path, "/proc/self/task/%d/status", tid);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    while (fgets(line, sizeof line, file))
        if (strncmp(line, field, strlen(field)) == 0)
            value = strtoull(line + strlen(field), NULL, base);
    fclose(file);
    return value;
}

static void one_quiet_thread_serves_all_timers_of_a_pool(void **state) {
    struct weir_pool_options options;
    struct series soon;
    struct weir_timer timers[10];
    int tid = 0;

    weir_pool_options_init(&options);
    options.name = "a-long-pool-name";
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 1, &options);
    assert_int_equal(threads_named("a-long-po-timer", &tid), 0); /* made when it is needed */
    for (int i = 0; i < 10; i++) {
        weir_timer_init(&timers[i], call_echo, NULL, WEIR_TIMER_ENDS_WITH_DRAIN);
        assert_int_equal(weir_timer_once(&timers[i], pool, weir_after(LATER)), 0);
    }
    series_init(&soon, 0);
    assert_int_equal(weir_timer_once(&soon.timer, pool, WEIR_NOW), 0);
    assert_int_equal(timer_get(&soon.timer), 0); /* the thread has named itself */
    timer_finish(&soon.timer);
    assert_int_equal(threads_named("a-long-po-timer", &tid), 1);
    unsigned long long blocked = status_of(tid, "SigBlk:", 16);
    assert_true(blocked >> (SIGTERM - 1) & 1);
    assert_true(blocked >> (SIGALRM - 1) & 1);

    unsigned long long before, after = 0;
    do { /* until it sleeps */
        before = after;
        unit_yield();
        after = status_of(tid, "voluntary_ctxt_switches:", 10);
    } while (before != after);
    uint64_t end_ns = weir_after(20 * MS);
    UNTIL(weir_now_ns() > end_ns);
    assert_in_range(status_of(tid, "voluntary_ctxt_switches:", 10), after, after + 1);
    assert_int_equal(weir_pool_free(pool), 0);
    assert_int_equal(threads_named("a-long-po-timer", &tid), 0);
    for (int i = 0; i < 10; i++)
        timer_finish(&timers[i]);
}

static void start_that_fails_has_done_nothing_and_may_be_tried_again(void **state) {
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 1, NULL);
    struct weir_timer timer;
    /* The timers of the pool, their heap, their thread: what has been made is kept. */
    const struct {
        unsigned nth;
        int error;
    } failures[] = {{1, -ENOMEM}, {2, -ENOMEM}, {2, -EAGAIN}, {1, -EAGAIN}};

    weir_timer_init(&timer, call_echo, VALUE, 0);
    for (size_t i = 0; i < sizeof failures / sizeof *failures; i++) {
        fault_fail_nth(failures[i].nth);
        assert_int_equal(weir_timer_once(&timer, pool, WEIR_NOW), failures[i].error);
        assert_true(fault_happened());
        assert_int_equal(timer_state(&timer), WEIR_FUTURE_PENDING);
    }
    fault_reset();
    assert_int_equal(weir_timer_once(&timer, pool, WEIR_NOW), 0);
    assert_int_equal(timer_get(&timer), 0);
    assert_int_equal(weir_timer_runs(&timer), 1);
    timer_finish(&timer);
    assert_int_equal(weir_pool_free(pool), 0);
}

static void run_for_which_no_thread_can_be_had_is_put_off(void **state) {
    struct thread_factory factory = {.failing = 1};
    struct weir_pool_options options = unit_options();
    struct weir_timer timer;

    options.on_demand = true;
    options.hooks.arg = &factory;
    options.hooks.thread_create = thread_factory_create;
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 1, &options);
    weir_timer_init(&timer, call_echo, VALUE, 0);
    assert_int_equal(weir_timer_once(&timer, pool, WEIR_NOW), 0);
    UNTIL(number_of(&factory.tries) >= 2); /* it is tried again */
    assert_int_equal(timer_state(&timer), WEIR_FUTURE_PENDING);
    atomic_store_explicit(&factory.failing, 0, memory_order_release);
    assert_int_equal(timer_get(&timer), 0);
    assert_int_equal(weir_timer_runs(&timer), 1);
    timer_finish(&timer);
    assert_int_equal(weir_pool_free(pool), 0);
}

struct starter {
    struct weir_pool *pool;
    struct event *go;
    struct weir_timer timer;
    int rc;
};

static void *start_main(void *arg) {
    struct starter *starter = arg;

    weir_timer_init(&starter->timer, call_echo, NULL, 0);
    event_await(starter->go, 1);
    starter->rc = weir_timer_once(&starter->timer, starter->pool, WEIR_NOW);
    return NULL;
}

static void first_timers_may_be_started_at_the_same_time(void **state) {
    for (int turn = 0; turn < 50; turn++) {
        struct weir_pool *pool = unit_pool(unit_scheduler(state), 1, NULL);
        struct event go = {0};
        struct starter starters[3];
        pthread_t threads[3];
        int tid;

        for (int i = 0; i < 3; i++) {
            starters[i] = (struct starter){.pool = pool, .go = &go};
            threads[i] = unit_thread(start_main, &starters[i]);
        }
        event_raise(&go);
        for (int i = 0; i < 3; i++) {
            unit_join(threads[i]);
            assert_int_equal(starters[i].rc, 0);
            assert_int_equal(timer_get(&starters[i].timer), 0);
            timer_finish(&starters[i].timer);
        }
        assert_int_equal(threads_named("weir-timer", &tid), 1);
        assert_int_equal(weir_pool_free(pool), 0);
    }
}

/* ---- Shutdown ---- */

static void drain_runs_what_outlasts_it_and_cancels_the_rest(void **state) {
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 1, NULL);
    struct weir_timer once, ending, late;
    struct series series, outlasting;
    uint64_t due_ns = unit_soon();

    weir_timer_init(&once, call_echo, VALUE, 0);
    weir_timer_init(&ending, call_echo, VALUE, WEIR_TIMER_ENDS_WITH_DRAIN);
    weir_timer_init(&late, call_echo, VALUE, 0);
    series_init(&series, 0);
    series_init(&outlasting, WEIR_TIMER_OUTLASTS_DRAIN);
    assert_int_equal(weir_timer_once(&once, pool, due_ns), 0);
    assert_int_equal(weir_timer_once(&ending, pool, due_ns), 0);
    assert_int_equal(weir_timer_at_fixed_rate(&series.timer, pool, due_ns, MS), 0);
    assert_int_equal(weir_timer_at_fixed_rate(&outlasting.timer, pool, due_ns, MS), 0);
    assert_int_equal(weir_pool_shutdown(pool, WEIR_DRAIN), 0);
    assert_int_equal(timer_state(&ending), WEIR_FUTURE_CANCELLED);
    assert_int_equal(timer_state(&series.timer), WEIR_FUTURE_CANCELLED);
    assert_int_equal(weir_timer_once(&late, pool, WEIR_NOW), -ESHUTDOWN);
    assert_int_equal(weir_pool_execute(pool, plug_run, NULL), -ESHUTDOWN);
    assert_int_equal(weir_pool_await(pool, weir_after(MS)), -ETIMEDOUT);
    assert_int_equal(timer_get(&once), 0);
    event_await(&outlasting.ran, 3);
    assert_int_equal(weir_pool_await(pool, weir_after(MS)), -ETIMEDOUT);
    assert_int_equal(weir_pool_shutdown(pool, WEIR_DRAIN), 0); /* again: no change */
    int rc = weir_timer_cancel(&outlasting.timer);
    assert_true(rc == 0 || rc == -EINPROGRESS);
    assert_int_equal(weir_pool_await(pool, WEIR_FOREVER), 0);
    assert_int_equal(timer_get(&outlasting.timer), -ECANCELED);
    assert_int_equal(weir_pool_free(pool), 0);
    timer_finish(&once);
    timer_finish(&ending);
    timer_finish(&late);
    timer_finish(&series.timer);
    timer_finish(&outlasting.timer);
}

static void free_waits_for_a_timer_that_outlasts(void **state) {
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 1, NULL);
    struct weir_timer timer;

    weir_timer_init(&timer, call_echo, VALUE, 0);
    assert_int_equal(weir_timer_once(&timer, pool, weir_after(3 * MS)), 0);
    assert_int_equal(weir_pool_free(pool), 0);
    assert_int_equal(timer_state(&timer), WEIR_FUTURE_DONE);
    timer_finish(&timer);
}

static void harsher_shutdowns_cancel_every_timer(void **state) {
    for (int how = 0; how < 4; how++) {
        struct weir_pool *pool = unit_pool(unit_scheduler(state), 1, NULL);
        struct series series[2];
        struct held held;
        struct weir_timer once;

        held_init(&held, WEIR_TIMER_OUTLASTS_DRAIN);
        assert_int_equal(weir_timer_at_fixed_rate(&held.timer, pool, WEIR_NOW, 1), 0);
        event_await(&held.plug.begun, 1);
        for (int i = 0; i < 2; i++) {
            series_init(&series[i], WEIR_TIMER_OUTLASTS_DRAIN);
            uint64_t first_ns = i ? WEIR_NOW : weir_after(LATER); /* queued, and waiting */
            assert_int_equal(weir_timer_at_fixed_rate(&series[i].timer, pool, first_ns, 1), 0);
        }
        UNTIL(unit_stats(pool).queued == 1);
        weir_timer_init(&once, call_echo, VALUE, 0);
        assert_int_equal(weir_timer_once(&once, pool, weir_after(LATER)), 0);
        if (how & 1)
            assert_int_equal(weir_pool_shutdown(pool, WEIR_DRAIN), 0);
        assert_int_equal(
            weir_pool_shutdown(pool, how & 2 ? WEIR_CANCEL_RUNNING : WEIR_CANCEL_PENDING), 0);
        assert_int_equal(timer_state(&once), WEIR_FUTURE_CANCELLED);
        for (int i = 0; i < 2; i++)
            assert_int_equal(timer_get(&series[i].timer), -ECANCELED);
        assert_int_equal(timer_state(&held.timer), WEIR_FUTURE_RUNNING);
        event_raise(&held.plug.release);
        assert_int_equal(timer_get(&held.timer), -ECANCELED);
        assert_int_equal(weir_timer_runs(&held.timer), 1);
        assert_int_equal(weir_pool_free(pool), 0);
        timer_finish(&once);
        timer_finish(&held.timer);
        for (int i = 0; i < 2; i++)
            timer_finish(&series[i].timer);
    }
}

static void running_series_ends_with_drain_after_its_run(void **state) {
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 1, NULL);
    struct held held;

    held_init(&held, 0);
    assert_int_equal(weir_timer_with_fixed_delay(&held.timer, pool, WEIR_NOW, 1), 0);
    event_await(&held.plug.begun, 1);
    assert_int_equal(weir_pool_shutdown(pool, WEIR_DRAIN), 0);
    event_raise(&held.plug.release);
    assert_int_equal(timer_get(&held.timer), -ECANCELED);
    assert_int_equal(weir_timer_runs(&held.timer), 1);
    assert_int_equal(weir_pool_free(pool), 0);
    timer_finish(&held.timer);
}

static void pool_that_was_never_started_drops_its_timers(void **state) {
    struct weir_pool_options options;
    struct weir_timer timers[2];

    weir_pool_options_init(&options);
    options.deferred_start = true;
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 1, &options);
    for (int i = 0; i < 2; i++) {
        weir_timer_init(&timers[i], call_echo, VALUE, 0);
        assert_int_equal(weir_timer_once(&timers[i], pool, i ? WEIR_NOW : weir_after(LATER)), 0);
    }
    UNTIL(unit_stats(pool).queued == 1);
    assert_int_equal(weir_pool_free(pool), 0);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(timer_state(&timers[i]), WEIR_FUTURE_CANCELLED);
        timer_finish(&timers[i]);
    }
}

/* ---- Fork ---- */

struct inherited {
    struct weir_pool *pool;
    struct weir_timer waiting, late;
    struct held running;
    bool respawns;
};

/* In the child; the number of what is wrong, or 0. */
static int use_inherited(struct inherited *inherited) {
    if (timer_get(&inherited->waiting) != -EOWNERDEAD)
        return 1;
    if (timer_get(&inherited->running.timer) != -EOWNERDEAD)
        return 2;
    if (weir_timer_cancel(&inherited->waiting) != -EALREADY)
        return 3;
    if (weir_timer_fini(&inherited->waiting) != 0)
        return 4;
    int rc = weir_timer_once(&inherited->late, inherited->pool, WEIR_NOW);
    if (rc != (inherited->respawns ? 0 : -EOWNERDEAD))
        return 5;
    if (inherited->respawns && timer_get(&inherited->late) != 0)
        return 6;
    if (weir_pool_free(inherited->pool) != 0)
        return 7;
    return weir_timer_fini(&inherited->late) == 0 ? 0 : 8;
}

static void expect_child_is_told(void **state, enum weir_fork_mode mode) {
    struct inherited inherited = {.respawns = mode == WEIR_FORK_RESPAWN};
    struct weir_pool_options options;
    int status = -1;

    weir_pool_options_init(&options);
    options.fork = mode;
    inherited.pool = unit_pool(unit_scheduler(state), 2, &options);
    held_init(&inherited.running, 0);
    weir_timer_init(&inherited.waiting, call_echo, NULL, 0);
    weir_timer_init(&inherited.late, call_echo, NULL, 0);
    assert_int_equal(weir_timer_once(&inherited.running.timer, inherited.pool, WEIR_NOW), 0);
    assert_int_equal(weir_timer_once(&inherited.waiting, inherited.pool, weir_after(LATER)), 0);
    event_await(&inherited.running.plug.begun, 1);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        unit_begin_child();
        _exit(use_inherited(&inherited));
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    event_raise(&inherited.running.plug.release);
    assert_int_equal(timer_get(&inherited.running.timer), 0);
    assert_int_equal(weir_timer_cancel(&inherited.waiting), 0);
    assert_int_equal(weir_pool_free(inherited.pool), 0);
    timer_finish(&inherited.waiting);
    timer_finish(&inherited.late);
    timer_finish(&inherited.running.timer);
}

static void child_of_fork_is_told_of_the_parent_s_timers(void **state) {
    unit_needs_whole_fork();
    expect_child_is_told(state, WEIR_FORK_ERROR);
}

static void child_of_fork_may_start_timers_on_a_respawned_pool(void **state) {
    unit_needs_threads_in_child();
    expect_child_is_told(state, WEIR_FORK_RESPAWN);
}

/* ---- Everything at once ---- */

#define ROUNDS 300
#define TIMERS 6

struct swarm {
    struct weir_timer *timers[TIMERS];
    struct event go;
};

static int run_briefly(void *arg, void **value) {
    *value = arg;
    return 0;
}

/* Cancels all of them, waits for each, and frees it: a later touch is a bug that a sanitizer
 * sees. */
static void *cancel_main(void *arg) {
    struct swarm *swarm = arg;

    event_await(&swarm->go, 1);
    for (int i = 0; i < TIMERS; i++)
        weir_timer_cancel(swarm->timers[i]);
    for (int i = 0; i < TIMERS; i++) {
        timer_get(swarm->timers[i]);
        if (weir_timer_fini(swarm->timers[i]) == 0)
            free(swarm->timers[i]);
    }
    return NULL;
}

static int start_some(struct weir_pool *pool, struct weir_timer *timer, int i) {
    uint64_t first_ns = weir_now_ns() + (uint64_t)i % 3 * 20000;

    weir_timer_init(timer, run_briefly, timer, i % 4 == 3 ? WEIR_TIMER_OUTLASTS_DRAIN : 0);
    switch (i % 3) {
    case 0:
        return weir_timer_once(timer, pool, first_ns);
    case 1:
        return weir_timer_at_fixed_rate(timer, pool, first_ns, 1 + 5000 * (uint64_t)(i % 2));
    default:
        return weir_timer_with_fixed_delay(timer, pool, first_ns, 1);
    }
}

static void run_swarm(struct weir_pool *pool, bool free_pool, enum weir_shutdown_mode mode) {
    struct swarm swarm = {.go = {0}};

    pthread_t thread = unit_thread(cancel_main, &swarm);
    for (int i = 0; i < TIMERS; i++) {
        swarm.timers[i] = malloc(sizeof *swarm.timers[i]);
        assert_int_equal(start_some(pool, swarm.timers[i], i), 0);
    }
    event_raise(&swarm.go);
    if (free_pool) {
        weir_pool_shutdown(pool, mode);
        assert_int_equal(weir_pool_free(pool), 0);
    }
    unit_join(thread);
}

static void timers_are_run_cancelled_and_freed_at_the_same_time(void **state) {
    struct weir_pool_options options;

    weir_pool_options_init(&options);
    options.capacity = 2; /* now and then full */
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 2, &options);
    for (int round = 0; round < ROUNDS; round++)
        run_swarm(pool, false, WEIR_DRAIN);
    assert_int_equal(weir_pool_free(pool), 0);
}

static void timers_are_cancelled_while_their_pool_is_freed(void **state) {
    for (unsigned round = 0; round < ROUNDS / 3; round++)
        run_swarm(unit_pool(unit_scheduler(state), 2, NULL), true,
                  (enum weir_shutdown_mode)(round % 3));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        EACH(run_that_is_due_waits_for_room_whatever_the_policy),
        ONCE(one_quiet_thread_serves_all_timers_of_a_pool),
        EACH(start_that_fails_has_done_nothing_and_may_be_tried_again),
        EACH(run_for_which_no_thread_can_be_had_is_put_off),
        EACH(first_timers_may_be_started_at_the_same_time),
        EACH(drain_runs_what_outlasts_it_and_cancels_the_rest),
        EACH(free_waits_for_a_timer_that_outlasts),
        EACH(harsher_shutdowns_cancel_every_timer),
        EACH(running_series_ends_with_drain_after_its_run),
        EACH(pool_that_was_never_started_drops_its_timers),
        EACH(child_of_fork_is_told_of_the_parent_s_timers),
        EACH(child_of_fork_may_start_timers_on_a_respawned_pool),
        EACH(timers_are_run_cancelled_and_freed_at_the_same_time),
        EACH(timers_are_cancelled_while_their_pool_is_freed),
    };
    return cmocka_run_group_tests_name("timer_pool", tests, NULL, NULL);
}
