#include "platform/timerfd.h"

#include <fcntl.h>
#include <poll.h>

#include "test/fault.h"
#include "test/unit.h"

static bool is_readable(int fd, int timeout_ms) {
    struct pollfd poller = {.fd = fd, .events = POLLIN};

    assert_in_range(poll(&poller, 1, timeout_ms), 0, 1);
    return poller.revents & POLLIN;
}

static void descriptor_is_readable_from_its_deadline_on(void **state) {
    int fd = weir__timerfd_new();

    (void)state;
    assert_true(fd >= 0);
    assert_false(is_readable(fd, 0));
    weir__timerfd_arm(fd, WEIR_FOREVER);
    assert_false(is_readable(fd, 1));
    uint64_t deadline_ns = weir_after(5000000);
    weir__timerfd_arm(fd, deadline_ns);
    assert_true(is_readable(fd, -1));
    assert_true(weir_now_ns() >= deadline_ns);
    weir__timerfd_close(fd);
}

static void deadline_in_the_past_is_readable_at_once_and_again(void **state) {
    const uint64_t deadlines[] = {WEIR_NOW, 1, weir_now_ns()};
    int fd = weir__timerfd_new();

    (void)state;
    for (size_t i = 0; i < 300; i++) {
        weir__timerfd_arm(fd, deadlines[i % 3]);
        assert_true(is_readable(fd, 0));
    }
    weir__timerfd_close(fd);
}

static void deadline_beyond_the_clock_is_never_reached(void **state) {
    int fd = weir__timerfd_new();

    (void)state;
    weir__timerfd_arm(fd, WEIR_FOREVER - 1);
    assert_false(is_readable(fd, 1));
    weir__timerfd_close(fd);
}

static void descriptor_is_closed_on_exec_and_by_close(void **state) {
    int fd = weir__timerfd_new();

    (void)state;
    assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
    weir__timerfd_close(fd);
    assert_int_equal(fcntl(fd, F_GETFD), -1);
    weir__timerfd_close(-EMFILE);
}

static void failure_to_make_one_is_told(void **state) {
    (void)state;
    fault_fail_nth(1);
    assert_int_equal(weir__timerfd_new(), -EMFILE);
    assert_true(fault_happened());
    fault_reset();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        ONCE(descriptor_is_readable_from_its_deadline_on),
        ONCE(deadline_in_the_past_is_readable_at_once_and_again),
        ONCE(deadline_beyond_the_clock_is_never_reached),
        ONCE(descriptor_is_closed_on_exec_and_by_close),
        ONCE(failure_to_make_one_is_told),
    };
    return cmocka_run_group_tests_name("timerfd", tests, NULL, NULL);
}
