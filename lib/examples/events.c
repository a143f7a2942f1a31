/*
 * An event loop over a pool: one thread, epoll, and work that is too long for it.
 *
 * Requests come through a pipe. The loop hands each to the pool and goes on; the completion queue's
 * descriptor tells when answers are there. A token's descriptor tells the loop to end: when the
 * last answer is out, or at the token's deadline. No callback runs on a foreign thread, so the loop
 * needs no lock.
 */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <weir.h>

#define REQUESTS    500u
#define DEADLINE_NS UINT64_C(20000000000)

struct server {
    struct weir_pool *pool;
    struct weir_completion *answers;
    struct weir_token quit;
    int requests_fd;
    unsigned received, answered;
    uint64_t sum;
};

/* The client: numbers, one after the other. */
static void *send_requests(void *arg) {
    const int *fd = arg;

    for (uint32_t i = 1; i <= REQUESTS; i++)
        if (write(*fd, &i, sizeof i) != (ssize_t)sizeof i)
            break;
    close(*fd);
    return NULL;
}

/* How many steps until the number is 1: halve it when it is even, else triple it and add one. */
static int count_steps(void *arg, void **value) {
    uint64_t number = (uintptr_t)arg;
    uintptr_t steps = 0;

    for (; number > 1; steps++)
        number = number % 2 ? 3 * number + 1 : number / 2;
    *value = (void *)steps;
    return 0;
}

static int watch(int epoll_fd, int fd) {
    struct epoll_event event = {.events = EPOLLIN, .data = {.fd = fd}};

    return epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event);
}

/* The pipe is readable. False: something went wrong. */
static bool take_requests(struct server *server, int epoll_fd) {
    uint32_t numbers[64];
    ssize_t bytes = read(server->requests_fd, numbers, sizeof numbers);

    if (bytes == 0) /* the client is done */
        return epoll_ctl(epoll_fd, EPOLL_CTL_DEL, server->requests_fd, NULL) == 0;
    if (bytes < 0 || (size_t)bytes % sizeof *numbers != 0)
        return false;
    for (size_t i = 0; i < (size_t)bytes / sizeof *numbers; i++) {
        void *number = (void *)(uintptr_t)numbers[i];
        if (weir_completion_async(server->answers, server->pool, count_steps, number, number) != 0)
            return false;
        server->received++;
    }
    return true;
}

/* The completion queue is readable. */
static void send_answers(struct server *server) {
    struct weir_completed ready[16];
    ptrdiff_t n = weir_completion_next_batch(server->answers, ready, 16, WEIR_NOW);

    for (ptrdiff_t i = 0; i < n; i++) {
        void *steps = NULL;
        if (weir_future_get(ready[i].future, &steps, WEIR_NOW) == 0)
            server->sum += (uintptr_t)steps;
        weir_future_unref(ready[i].future);
        if (++server->answered == REQUESTS)
            weir_token_cancel(&server->quit);
    }
}

/* Until the token is cancelled, or past its deadline. */
static bool serve(struct server *server) {
    int quit_fd = weir_token_fd(&server->quit), answers_fd = weir_completion_fd(server->answers);
    int epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    bool ok = epoll_fd >= 0 && quit_fd >= 0 && answers_fd >= 0 && watch(epoll_fd, quit_fd) == 0 &&
              watch(epoll_fd, answers_fd) == 0 && watch(epoll_fd, server->requests_fd) == 0;

    while (ok && !weir_token_is_cancelled(&server->quit)) {
        struct epoll_event event;
        if (epoll_wait(epoll_fd, &event, 1, -1) < 1)
            continue; /* a signal */
        if (event.data.fd == server->requests_fd)
            ok = take_requests(server, epoll_fd);
        else if (event.data.fd == answers_fd)
            send_answers(server);
    }
    close(epoll_fd);
    return ok;
}

static uint64_t expected_sum(void) {
    uint64_t sum = 0;

    for (uintptr_t i = 1; i <= REQUESTS; i++) {
        void *steps;
        count_steps((void *)i, &steps);
        sum += (uintptr_t)steps;
    }
    return sum;
}

int main(void) {
    struct server server = {.pool = NULL};
    pthread_t client;
    int ends[2];

    if (pipe(ends) != 0 || weir_pool_new(&server.pool, NULL) != 0 ||
        weir_completion_new(&server.answers) != 0)
        return 1;
    server.requests_fd = ends[0];
    weir_token_init(&server.quit, NULL, weir_after(DEADLINE_NS));
    if (pthread_create(&client, NULL, send_requests, &ends[1]) != 0)
        return 1;
    bool ok = serve(&server);
    close(ends[0]);
    pthread_join(client, NULL);
    weir_completion_free(server.answers);
    weir_pool_free(server.pool);
    weir_token_fini(&server.quit);

    printf("events: %u requests, %u answers, %ju steps\n", server.received, server.answered,
           (uintmax_t)server.sum);
    if (!ok || server.answered != REQUESTS || server.sum != expected_sum()) {
        fprintf(stderr, "events: expected %u answers, %ju steps\n", REQUESTS,
                (uintmax_t)expected_sum());
        return 1;
    }
    return 0;
}
