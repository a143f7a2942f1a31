#include "platform/timerfd.h"

#include <errno.h>
#include <poll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <weir/base.h>

#define NS_PER_S UINT64_C(1000000000)

int weir__timerfd_new(void) {
    int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);

    return fd < 0 ? -errno : fd;
}

void weir__timerfd_arm(int fd, uint64_t deadline_ns) {
    struct itimerspec when = {.it_interval = {0, 0}};
    struct pollfd readable = {.fd = fd, .events = POLLIN};

    if (deadline_ns == WEIR_FOREVER)
        return;
    when.it_value.tv_sec = (time_t)(deadline_ns / NS_PER_S);
    when.it_value.tv_nsec = (long)(deadline_ns % NS_PER_S);
    if (deadline_ns == 0)
        when.it_value.tv_nsec = 1; /* zero would disarm it */
    timerfd_settime(fd, TFD_TIMER_ABSTIME, &when, NULL);
    while (deadline_ns <= weir_now_ns() && poll(&readable, 1, -1) < 0)
        ; /* a signal came first */
}

void weir__timerfd_close(int fd) {
    if (fd >= 0)
        close(fd);
}
