#include "platform/eventfd.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

int weir__eventfd_new(void) {
    int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

    return fd < 0 ? -errno : fd;
}

/* Neither can fail on a descriptor that is ours, but for a count that is full (raise) or zero
 * (clear): it is as wanted then. */
void weir__eventfd_raise(int fd) {
    eventfd_write(fd, 1);
}

void weir__eventfd_clear(int fd) {
    eventfd_t count;

    eventfd_read(fd, &count);
}

void weir__eventfd_close(int fd) {
    if (fd >= 0)
        close(fd);
}
