#include "platform/thread.h"

#include <signal.h>

#include "test/fault.h"
#include "test/unit.h"

struct look {
    const char *prefix;
    unsigned index;
    char name[WEIR__THREAD_NAME];
    sigset_t mask;
};

static void *look_main(void *arg) {
    struct look *look = arg;

    if (look->prefix)
        weir__thread_name(look->prefix, look->index);
    pthread_getname_np(pthread_self(), look->name, sizeof look->name);
    pthread_sigmask(SIG_SETMASK, NULL, &look->mask);
    return NULL;
}

static void start_and_join(struct look *look) {
    pthread_t thread;

    assert_int_equal(weir__thread_start(&thread, 0, look_main, look), 0);
    unit_join(thread);
}

static void
thread_starts_with_signals_blocked_but_its_own_and_the_creator_keeps_its_mask(void **state) {
    struct look look = {.prefix = NULL};
    sigset_t before, after;
    const int signals[] = {SIGINT, SIGTERM, SIGUSR1, SIGALRM, SIGCHLD, SIGPIPE};

    (void)state;
    sigemptyset(&before);
    sigaddset(&before, SIGUSR2);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    start_and_join(&look);
    pthread_sigmask(SIG_SETMASK, NULL, &after);
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
        assert_int_equal(sigismember(&look.mask, signals[i]), 1);
        assert_int_equal(sigismember(&after, signals[i]), 0);
    }
    assert_int_equal(sigismember(&look.mask, SIGSEGV), 0); /* or no handler could say where */
    assert_int_equal(sigismember(&look.mask, SIGSEGV), 0); /* what it raises itself is not */
    assert_int_equal(sigismember(&after, SIGUSR2), 1);
    sigemptyset(&before);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static void failed_start_keeps_the_mask_too(void **state) {
    pthread_t thread;
    sigset_t after;

    (void)state;
    fault_fail_nth(1);
    assert_int_equal(weir__thread_start(&thread, 0, look_main, NULL), -EAGAIN);
    fault_reset();
    pthread_sigmask(SIG_SETMASK, NULL, &after);
    assert_int_equal(sigismember(&after, SIGINT), 0);
}

static void name_keeps_the_whole_number_within_the_limit(void **state) {
    struct look looks[] = {{.prefix = "weir", .index = 0},
                           {.prefix = "a-rather-long-name", .index = 4095},
                           {.prefix = "a-rather-long-name", .index = UINT32_MAX},
                           {.prefix = "", .index = 7}};
    const char *names[] = {"weir-0", "a-rather-l-4095", "a-ra-4294967295", "-7"};

    (void)state;
    for (size_t i = 0; i < sizeof looks / sizeof *looks; i++) {
        start_and_join(&looks[i]);
        assert_string_equal(looks[i].name, names[i]);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        ONCE(thread_starts_with_signals_blocked_but_its_own_and_the_creator_keeps_its_mask),
        ONCE(failed_start_keeps_the_mask_too),
        ONCE(name_keeps_the_whole_number_within_the_limit),
    };
    return cmocka_run_group_tests_name("thread", tests, NULL, NULL);
}
