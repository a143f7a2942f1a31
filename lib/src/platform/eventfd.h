/*
 * Eventfd: a file descriptor that is readable while it is raised, for poll, epoll and io_uring.
 *
 * Raising and clearing never block: the descriptor is non-blocking, and its count stays at 1
 * because the callers raise it only when it is clear and clear it only when it is raised.
 */
#ifndef WEIR__EVENTFD_H
#define WEIR__EVENTFD_H

/* A descriptor that is closed on exec, clear. A negative errno: none could be made. */
int weir__eventfd_new(void);

/* Makes it readable. */
void weir__eventfd_raise(int fd);

/* Makes it unreadable. */
void weir__eventfd_clear(int fd);

/* Ends it. A negative fd is allowed, and nothing. */
void weir__eventfd_close(int fd);

#endif
