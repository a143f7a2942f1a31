/* Java's rejection handlers, shutdownNow, hooks and the worker that dies. PARITY.md names each. */
#include <weir.h>

#include "test/occupied.h"

#define ROOM 2

/* An occupied worker and a full queue. */
struct full {
    struct occupied occupied;
    struct weir_future *oldest, *newest;
};

static void fill_with(struct full *full, struct weir_pool_options *options) {
    options->capacity = ROOM;
    occupied_make(&full->occupied, options);
    full->oldest = queue_echo(full->occupied.pool, NULL);
    full->newest = queue_echo(full->occupied.pool, NULL);
}

static void fill(struct full *full, void **state, enum weir_full_policy policy) {
    struct weir_pool_options options = occupied_options(state);

    options.full = policy;
    fill_with(full, &options);
}

static void empty(struct full *full, int oldest, int newest) {
    occupied_end(&full->occupied);
    assert_int_equal(get_and_unref(full->oldest), oldest);
    assert_int_equal(get_and_unref(full->newest), newest);
}

/* ---- The four handlers, and our fifth ---- */

static void abort_policy_refuses_and_the_future_may_be_submitted_again(void **state) {
    struct weir_future future;
    struct full full;

    fill(&full, state, WEIR_FULL_REJECT);
    weir_future_init(&future);
    struct weir_task *task = weir_future_task(&future, call_echo, NULL, 0);
    assert_int_equal(weir_pool_submit(full.occupied.pool, task), -EAGAIN);
    assert_int_equal(weir_future_state(&future), WEIR_FUTURE_PENDING);
    event_raise(&full.occupied.plug.release);
    assert_int_equal(weir_pool_await_idle(full.occupied.pool, WEIR_FOREVER), 0);
    assert_int_equal(weir_pool_submit(full.occupied.pool, task), 0);
    assert_int_equal(weir_future_get(&future, NULL, WEIR_FOREVER), 0);
    assert_int_equal(weir_future_fini(&future), 0);
    empty(&full, 0, 0);
}

static int call_self(void *arg, void **value) {
    pthread_t *thread = arg;

    (void)value;
    *thread = pthread_self();
    return 0;
}

static void caller_runs_policy_runs_the_call_before_submit_returns(void **state) {
    struct weir_future *future = NULL;
    pthread_t thread;
    struct full full;

    fill(&full, state, WEIR_FULL_CALLER_RUNS);
    assert_int_equal(weir_pool_async(full.occupied.pool, call_self, &thread, &future), 0);
    assert_int_equal(weir_future_state(future), WEIR_FUTURE_DONE);
    assert_true(pthread_equal(thread, pthread_self()));
    assert_int_equal(get_and_unref(future), 0);
    empty(&full, 0, 0);
}

/* Java throws the task away without a word, and get on its future never returns. */
static void caller_runs_policy_after_shutdown_runs_nothing_and_says_so(void **state) {
    struct weir_future future;
    struct counted counted;
    struct full full;

    fill(&full, state, WEIR_FULL_CALLER_RUNS);
    assert_int_equal(weir_pool_shutdown(full.occupied.pool, WEIR_DRAIN), 0);
    assert_int_equal(weir_pool_submit(full.occupied.pool, counted_init(&counted)), -ESHUTDOWN);
    assert_int_equal(number_of(&counted.runs) + number_of(&counted.drops), 0);
    weir_future_init(&future);
    assert_int_equal(
        weir_pool_submit(full.occupied.pool, weir_future_task(&future, call_echo, NULL, 0)),
        -ESHUTDOWN);
    assert_int_equal(weir_future_state(&future), WEIR_FUTURE_PENDING);
    assert_int_equal(weir_future_fini(&future), 0);
    empty(&full, 0, 0);
}

/* Java hangs in get of a future that a policy has thrown away. */
static void get_on_a_discarded_future_returns(void **state) {
    struct weir_future *future = NULL;
    struct counted counted;
    struct full full;

    fill(&full, state, WEIR_FULL_DISCARD);
    assert_int_equal(weir_pool_async(full.occupied.pool, call_echo, NULL, &future), 0);
    assert_int_equal(weir_future_get(future, NULL, WEIR_FOREVER), -ECANCELED);
    assert_int_equal(weir_future_state(future), WEIR_FUTURE_CANCELLED);
    weir_future_unref(future);
    assert_int_equal(weir_pool_submit(full.occupied.pool, counted_init(&counted)), 0);
    assert_int_equal(number_of(&counted.drops), 1);
    assert_int_equal(unit_stats(full.occupied.pool).discarded, 2);
    empty(&full, 0, 0);
    assert_int_equal(number_of(&counted.runs), 0);
}

static void get_on_the_discarded_oldest_future_returns(void **state) {
    struct full full;

    fill(&full, state, WEIR_FULL_DISCARD_OLDEST);
    struct weir_future *future = queue_echo(full.occupied.pool, NULL);
    assert_int_equal(weir_future_get(full.oldest, NULL, WEIR_FOREVER), -ECANCELED);
    assert_int_equal(weir_future_state(full.newest), WEIR_FUTURE_PENDING);
    assert_int_equal(unit_stats(full.occupied.pool).discarded, 1);
    assert_int_equal(unit_stats(full.occupied.pool).queued, ROOM);
    empty(&full, -ECANCELED, 0);
    assert_int_equal(get_and_unref(future), 0);
}

static void discard_oldest_policy_after_shutdown_discards_nothing(void **state) {
    struct counted counted;
    struct full full;

    fill(&full, state, WEIR_FULL_DISCARD_OLDEST);
    assert_int_equal(weir_pool_shutdown(full.occupied.pool, WEIR_DRAIN), 0);
    assert_int_equal(weir_pool_submit(full.occupied.pool, counted_init(&counted)), -ESHUTDOWN);
    assert_int_equal(number_of(&counted.runs) + number_of(&counted.drops), 0);
    empty(&full, 0, 0);
}

struct asked {
    enum weir_full_policy answer;
    unsigned times;
    unsigned refused;
    int error;
};

static enum weir_full_policy answer_full(void *arg, struct weir_pool *pool,
                                         struct weir_task *task) {
    struct asked *asked = arg;

    asked->times += pool != NULL && task != NULL;
    return asked->answer;
}

static void note_rejected(void *arg, struct weir_task *task, int error) {
    struct asked *asked = arg;

    asked->refused += task != NULL;
    asked->error = error;
}

static void handler_is_asked_each_time_and_its_answer_is_followed(void **state) {
    struct weir_pool_options options = occupied_options(state);
    struct asked asked = {.answer = WEIR_FULL_REJECT};
    struct counted refused, run, dropped, queued;
    struct full full;

    options.full = WEIR_FULL_HANDLER;
    options.hooks.arg = &asked;
    options.hooks.full = answer_full;
    options.hooks.rejected = note_rejected;
    fill_with(&full, &options);
    assert_int_equal(weir_pool_submit(full.occupied.pool, counted_init(&refused)), -EAGAIN);
    assert_int_equal(asked.error, -EAGAIN);
    asked.answer = WEIR_FULL_CALLER_RUNS;
    assert_int_equal(weir_pool_submit(full.occupied.pool, counted_init(&run)), 0);
    assert_int_equal(number_of(&run.runs), 1);
    asked.answer = WEIR_FULL_DISCARD;
    assert_int_equal(weir_pool_submit(full.occupied.pool, counted_init(&dropped)), 0);
    assert_int_equal(number_of(&dropped.drops), 1);
    assert_int_equal(asked.error, -ECANCELED);
    asked.answer = WEIR_FULL_DISCARD_OLDEST;
    assert_int_equal(weir_pool_submit(full.occupied.pool, counted_init(&queued)), 0);
    assert_int_equal(asked.times, 4);
    assert_int_equal(asked.refused, 3); /* refused, discarded, and the oldest */
    empty(&full, -ECANCELED, 0);
    assert_int_equal(number_of(&queued.runs), 1);
    assert_int_equal(number_of(&refused.runs) + number_of(&refused.drops), 0);
}

/* ---- shutdownNow ---- */

/* Java's list holds futures that nobody will ever complete. */
static void get_on_a_drained_future_returns(void **state) {
    struct weir_taken taken[4];
    struct full full;

    fill(&full, state, WEIR_FULL_REJECT);
    assert_int_equal(weir_pool_take_back(full.occupied.pool, taken, 4), 2);
    assert_int_equal(weir_future_get(full.oldest, NULL, WEIR_FOREVER), -ECANCELED);
    assert_int_equal(weir_future_get(full.newest, NULL, WEIR_FOREVER), -ECANCELED);
    assert_int_equal(weir_pool_shutdown(full.occupied.pool, WEIR_CANCEL_PENDING), 0);
    empty(&full, -ECANCELED, -ECANCELED);
}

static void get_on_a_future_dropped_by_shutdown_returns_while_a_task_runs(void **state) {
    struct full full;

    fill(&full, state, WEIR_FULL_REJECT);
    assert_int_equal(weir_pool_shutdown(full.occupied.pool, WEIR_CANCEL_PENDING), 0);
    assert_int_equal(weir_future_get(full.oldest, NULL, WEIR_FOREVER), -ECANCELED);
    assert_int_equal(weir_future_get(full.newest, NULL, WEIR_FOREVER), -ECANCELED);
    assert_int_equal(unit_stats(full.occupied.pool).active, 1);
    empty(&full, -ECANCELED, -ECANCELED);
}

static void take_back_names_the_queued_oldest_first_and_they_may_come_again(void **state) {
    struct weir_pool_options options = occupied_options(state);
    struct counted counted[3];
    struct weir_taken taken[8];
    struct plug plug = PLUG;
    struct occupied occupied;

    occupied_make(&occupied, &options);
    for (int i = 0; i < 3; i++)
        assert_int_equal(weir_pool_submit(occupied.pool, counted_init(&counted[i])), 0);
    assert_int_equal(weir_pool_execute(occupied.pool, plug_run, &plug), 0);
    assert_int_equal(weir_pool_take_back(occupied.pool, taken, 1), 1);
    assert_ptr_equal(taken[0].task, &counted[0].task);
    assert_int_equal(weir_pool_take_back(occupied.pool, taken, 8), 3);
    assert_ptr_equal(taken[0].task, &counted[1].task);
    assert_ptr_equal(taken[1].task, &counted[2].task);
    assert_true(taken[2].fn == plug_run);
    assert_ptr_equal(taken[2].arg, &plug);
    assert_int_equal(weir_pool_take_back(occupied.pool, taken, 8), 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(number_of(&counted[i].drops), 1);
    assert_int_equal(weir_pool_submit(occupied.pool, &counted[1].task), 0);
    occupied_end(&occupied);
    assert_int_equal(number_of(&counted[1].runs), 1);
    assert_int_equal(number_of(&counted[0].runs) + number_of(&counted[2].runs), 0);
    assert_int_equal(plug.begun.count, 0);
}

static void phase_goes_from_open_over_draining_or_cancelling_to_ended(void **state) {
    struct weir_pool_options options = occupied_options(state);
    struct occupied occupied;

    occupied_make(&occupied, &options);
    assert_int_equal(weir_pool_phase(occupied.pool), WEIR_POOL_OPEN);
    assert_int_equal(weir_pool_shutdown(occupied.pool, WEIR_DRAIN), 0);
    assert_int_equal(weir_pool_phase(occupied.pool), WEIR_POOL_DRAINING);
    assert_int_equal(weir_pool_shutdown(occupied.pool, WEIR_CANCEL_PENDING), 0);
    assert_int_equal(weir_pool_phase(occupied.pool), WEIR_POOL_CANCELLING);
    assert_int_equal(weir_pool_await(occupied.pool, WEIR_NOW), -EAGAIN);
    assert_int_equal(weir_pool_await(occupied.pool, weir_after(1000)), -ETIMEDOUT);
    event_raise(&occupied.plug.release);
    assert_int_equal(weir_pool_await(occupied.pool, WEIR_FOREVER), 0);
    assert_int_equal(weir_pool_phase(occupied.pool), WEIR_POOL_ENDED);
    assert_int_equal(weir_pool_free(occupied.pool), 0);
}

/* ---- Hooks ---- */

struct hooked {
    struct weir_pool *pool;
    const struct weir_task *task;
    _Atomic unsigned before, after, started, stopped, terminated;
    pthread_t thread_before, thread_task, thread_after;
    struct weir_task_info info;
    unsigned stopped_at_the_end;
};

static void before_task(void *arg, const struct weir_task_info *info) {
    struct hooked *hooked = arg;

    hooked->task = info->task;
    hooked->thread_before = pthread_self();
    add_one(&hooked->before);
}

static void after_task(void *arg, const struct weir_task_info *info) {
    struct hooked *hooked = arg;

    hooked->info = *info;
    hooked->thread_after = pthread_self();
    add_one(&hooked->after);
}

static int started(void *arg, uint32_t worker) {
    (void)worker;
    add_one(&((struct hooked *)arg)->started);
    return 0;
}

static void stopped(void *arg, uint32_t worker) {
    (void)worker;
    add_one(&((struct hooked *)arg)->stopped);
}

static void terminated(void *arg) {
    struct hooked *hooked = arg;

    hooked->stopped_at_the_end = number_of(&hooked->stopped);
    add_one(&hooked->terminated);
}

static struct weir_pool_options hook_options(void **state, struct hooked *hooked) {
    struct weir_pool_options options = occupied_options(state);

    memset(hooked, 0, sizeof *hooked);
    options.hooks = (struct weir_hooks){
        .arg = hooked,
        .thread_start = started,
        .thread_stop = stopped,
        .task_before = before_task,
        .task_after = after_task,
        .terminated = terminated,
    };
    return options;
}

struct failing {
    struct weir_task task;
    struct hooked *hooked;
    unsigned before_seen, after_seen;
    int status;
};

static int run_failing(struct weir_task *task) {
    struct failing *failing = (struct failing *)(void *)task;

    failing->hooked->thread_task = pthread_self();
    failing->before_seen = number_of(&failing->hooked->before);
    failing->after_seen = number_of(&failing->hooked->after);
    return failing->status;
}

static void before_and_after_frame_the_task_on_its_thread_with_its_failure(void **state) {
    struct hooked hooked;
    struct weir_pool_options options = hook_options(state, &hooked);
    struct failing failing = {.task = {.run = run_failing}, .hooked = &hooked, .status = -EIO};

    assert_int_equal(weir_pool_new(&hooked.pool, &options), 0);
    uint64_t start_ns = weir_now_ns();
    assert_int_equal(weir_pool_submit(hooked.pool, &failing.task), 0);
    assert_int_equal(weir_pool_await_idle(hooked.pool, WEIR_FOREVER), 0);
    uint64_t spent_ns = weir_now_ns() - start_ns;
    assert_int_equal(failing.before_seen, 1);
    assert_int_equal(failing.after_seen, 0);
    assert_int_equal(number_of(&hooked.after), 1);
    assert_ptr_equal(hooked.task, &failing.task);
    assert_true(pthread_equal(hooked.thread_before, hooked.thread_task));
    assert_true(pthread_equal(hooked.thread_after, hooked.thread_task));
    assert_false(pthread_equal(hooked.thread_task, pthread_self()));
    assert_ptr_equal(hooked.info.task, &failing.task);
    assert_int_equal(hooked.info.status, -EIO);
    assert_true(hooked.info.queued_ns > 0 && hooked.info.queued_ns <= spent_ns);
    assert_true(hooked.info.run_ns > 0 && hooked.info.run_ns <= spent_ns);
    assert_int_equal(unit_stats(hooked.pool).failed, 1);
    assert_int_equal(weir_pool_free(hooked.pool), 0);
}

static void terminated_is_told_once_after_the_last_thread(void **state) {
    struct hooked hooked;
    struct weir_pool_options options = hook_options(state, &hooked);

    options.threads = 3;
    assert_int_equal(weir_pool_new(&hooked.pool, &options), 0);
    assert_int_equal(weir_pool_shutdown(hooked.pool, WEIR_DRAIN), 0);
    assert_int_equal(weir_pool_shutdown(hooked.pool, WEIR_CANCEL_PENDING), 0);
    assert_int_equal(weir_pool_await(hooked.pool, WEIR_FOREVER), 0);
    assert_int_equal(weir_pool_free(hooked.pool), 0);
    assert_int_equal(number_of(&hooked.started), 3);
    assert_int_equal(number_of(&hooked.stopped), 3);
    assert_int_equal(number_of(&hooked.terminated), 1);
    assert_int_equal(hooked.stopped_at_the_end, 3);
}

/* ---- A task that ends its thread ---- */

static int call_exit(void *arg, void **value) {
    (void)arg;
    (void)value;
    pthread_exit(NULL);
}

static int run_exit(struct weir_task *task) {
    (void)task;
    pthread_exit(NULL);
}

/* Java replaces a worker that an exception has ended; Python's sys.exit ends only the call. */
static void task_that_ends_its_thread_fails_and_another_thread_goes_on(void **state) {
    struct hooked hooked;
    struct weir_pool_options options = hook_options(state, &hooked);
    struct weir_task task = WEIR_TASK_INIT(run_exit);
    struct weir_future *future = NULL;

    assert_int_equal(weir_pool_new(&hooked.pool, &options), 0);
    assert_int_equal(weir_pool_submit(hooked.pool, &task), 0);
    assert_int_equal(get_and_unref(queue_echo(hooked.pool, NULL)), 0); /* behind it */
    assert_int_equal(weir_pool_async(hooked.pool, call_exit, NULL, &future), 0);
    assert_int_equal(weir_future_get(future, NULL, WEIR_FOREVER), -EOWNERDEAD);
    assert_int_equal(weir_future_state(future), WEIR_FUTURE_FAILED);
    weir_future_unref(future);
    assert_int_equal(get_and_unref(queue_echo(hooked.pool, NULL)), 0);
    assert_int_equal(weir_pool_await_idle(hooked.pool, WEIR_FOREVER), 0);
    assert_int_equal(unit_stats(hooked.pool).lost, 2);
    assert_int_equal(unit_stats(hooked.pool).failed, 2);
    assert_int_equal(unit_stats(hooked.pool).workers, 1);
    assert_int_equal(number_of(&hooked.started), 3);
    assert_int_equal(number_of(&hooked.after), 4);
    assert_int_equal(weir_pool_free(hooked.pool), 0);
    assert_int_equal(number_of(&hooked.stopped), 3);
    assert_int_equal(number_of(&hooked.terminated), 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        EACH(abort_policy_refuses_and_the_future_may_be_submitted_again),
        EACH(caller_runs_policy_runs_the_call_before_submit_returns),
        EACH(caller_runs_policy_after_shutdown_runs_nothing_and_says_so),
        EACH(get_on_a_discarded_future_returns),
        EACH(get_on_the_discarded_oldest_future_returns),
        EACH(discard_oldest_policy_after_shutdown_discards_nothing),
        EACH(handler_is_asked_each_time_and_its_answer_is_followed),
        EACH(get_on_a_drained_future_returns),
        EACH(get_on_a_future_dropped_by_shutdown_returns_while_a_task_runs),
        EACH(take_back_names_the_queued_oldest_first_and_they_may_come_again),
        EACH(phase_goes_from_open_over_draining_or_cancelling_to_ended),
        EACH(before_and_after_frame_the_task_on_its_thread_with_its_failure),
        EACH(terminated_is_told_once_after_the_last_thread),
        EACH(task_that_ends_its_thread_fails_and_another_thread_goes_on),
    };
    return cmocka_run_group_tests_name("parity with Java: policies", tests, NULL, NULL);
}
