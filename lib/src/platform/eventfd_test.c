#include "platform/eventfd.h"

#include <fcntl.h>
#include <poll.h>

#include "test/fault.h"
#include "test/unit.h"

static bool is_readable(int fd) {
    struct pollfd poller = {.fd = fd, .events = POLLIN};

    assert_in_range(poll(&poller, 1, 0), 0, 1);
    return poller.revents & POLLIN;
}

static void descriptor_is_readable_exactly_while_raised(void **state) {
    int fd = weir__eventfd_new();

    (void)state;
    assert_true(fd >= 0);
    assert_false(is_readable(fd));
    for (int i = 0; i < 3; i++) {
        weir__eventfd_raise(fd);
        assert_true(is_readable(fd));
        weir__eventfd_clear(fd);
        assert_false(is_readable(fd));
    }
    weir__eventfd_clear(fd); /* does not block */
    weir__eventfd_close(fd);
}

static void descriptor_is_closed_on_exec_and_by_close(void **state) {
    int fd = weir__eventfd_new();

    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
    weir__eventfd_close(fd);
    assert_int_equal(fcntl(fd, F_GETFD), -1);
    weir__eventfd_close(-EMFILE);
}

static void failure_to_make_one_is_told(void **state) {
    (void)state;
    fault_fail_nth(1);
    assert_int_equal(weir__eventfd_new(), -EMFILE);
    assert_true(fault_happened());
    fault_reset();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        ONCE(descriptor_is_readable_exactly_while_raised),
        ONCE(descriptor_is_closed_on_exec_and_by_close),
        ONCE(failure_to_make_one_is_told),
    };
    return cmocka_run_group_tests_name("eventfd", tests, NULL, NULL);
}
