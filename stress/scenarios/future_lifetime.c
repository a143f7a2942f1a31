/*
 * future_lifetime: when release returns, the pool touches the ticket's memory no more.
 *
 * Tickets end in every way that the pool offers (await, poll, callback, wait for any or all,
 * cancel), often while the thread that made them end is still on its way out. The memory then is
 * freed (for AddressSanitizer and ThreadSanitizer), overwritten and looked at later, made
 * unreadable, or used at once for the next call.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "stress/episode.h"

#define ROUNDS 12
#define WINDOW 3
#define PAGE   4096
#define POISON 0x5c

enum memory { FREED, OVERWRITTEN, UNREADABLE, REUSED, MEMORIES };
enum ending { BY_AWAIT, BY_POLL, BY_CALLBACK, BY_ANY, BY_ALL, BY_CANCEL, ENDINGS };

struct user {
    struct episode *e;
    unsigned first;
    enum memory memory;
    uint64_t random;
    size_t bytes;
    unsigned char *old[ROUNDS * WINDOW]; /* OVERWRITTEN: looked at in the end */
    unsigned old_count;
    void *spare[WINDOW]; /* REUSED */
};

static void *obtain(struct user *u, unsigned slot) {
    if (u->memory == UNREADABLE) {
        void *page = mmap(NULL, (u->bytes + PAGE - 1) / PAGE * PAGE, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (page == MAP_FAILED) {
            episode_fail(u->e, "harness error", "mmap: %s", strerror(errno));
        }
        return page;
    }
    if (u->memory == REUSED && u->spare[slot] != NULL) {
        return u->spare[slot];
    }
    return episode_ticket(u->e);
}

static void dispose(struct user *u, unsigned slot, void *ticket) {
    switch (u->memory) {
    case UNREADABLE:
        episode_released(u->e, ticket, (u->bytes + PAGE - 1) / PAGE * PAGE);
        if (mprotect(ticket, (u->bytes + PAGE - 1) / PAGE * PAGE, PROT_NONE) != 0) {
            episode_fail(u->e, "harness error", "mprotect: %s", strerror(errno));
        }
        break;
    case OVERWRITTEN:
        memset(ticket, POISON, u->bytes);
        u->old[u->old_count++] = ticket;
        break;
    case REUSED:
        u->spare[slot] = ticket;
        break;
    default:
        free(ticket);
    }
}

/* ---- Endings ---- */

static void ended(struct user *u, int error, const char *call) {
    if (error < 0) {
        episode_fail(u->e, "wrong error", "%s gave %d (%s)", call, error, strerror(-error));
    }
}

static void on_done(void *arg) {
    gate_open(arg);
}

static void end_by_callback(struct user *u, void *ticket) {
    struct gate done;
    gate_init(&done);
    ended(u, u->e->subject->on_done(u->e->pool, ticket, on_done, &done), "on_done");
    gate_pass(&done);
    gate_fini(&done);
}

static void end_by_await(struct user *u, struct task *t) {
    void *value = NULL;
    int error = u->e->subject->await(u->e->pool, t->ticket, WEIR_SUBJECT_FOREVER, &value);
    ended(u, error, "await");
    episode_check_value(u->e, t, value);
}

static void end_by_poll(struct user *u, void *ticket) {
    while (u->e->subject->poll(u->e->pool, ticket) == 0) {
        sched_yield();
    }
}

static void end_one(struct user *u, struct task *t, enum ending ending) {
    const struct weir_subject *s = u->e->subject;
    if (ending == BY_POLL && s->poll != NULL) {
        end_by_poll(u, t->ticket);
    } else if (ending == BY_CALLBACK && s->on_done != NULL) {
        end_by_callback(u, t->ticket);
    } else if (ending == BY_ANY && s->wait_any != NULL) {
        ended(u, s->wait_any(u->e->pool, &t->ticket, 1, WEIR_SUBJECT_FOREVER), "wait_any");
    } else if (ending == BY_ALL && s->wait_all != NULL) {
        ended(u, s->wait_all(u->e->pool, &t->ticket, 1, WEIR_SUBJECT_FOREVER), "wait_all");
    } else if (ending == BY_CANCEL && s->cancel != NULL) {
        if (s->cancel(u->e->pool, t->ticket) != 0) {
            end_by_await(u, t);
        }
    } else {
        end_by_await(u, t);
    }
}

static void *use(void *arg) {
    struct user *u = arg;
    struct episode *e = u->e;
    episode_ready(e);
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct task *tasks = &e->tasks[u->first + round * WINDOW];
        for (unsigned i = 0; i < WINDOW; i++) {
            tasks[i].ticket = obtain(u, i);
            (void)episode_async(e, &tasks[i], task_call);
        }
        for (unsigned i = 0; i < WINDOW; i++) {
            void *ticket = tasks[i].ticket;
            end_one(u, &tasks[i], (enum ending)(stress_random(&u->random) % ENDINGS));
            e->subject->release(e->pool, ticket);
            tasks[i].ticket = NULL;
            dispose(u, i, ticket);
        }
    }
    return NULL;
}

static void look_at_old(struct user *u) {
    for (unsigned i = 0; i < u->old_count; i++) {
        for (size_t byte = 0; byte < u->bytes; byte++) {
            if (u->old[i][byte] != POISON) {
                episode_fail(u->e, "use after free",
                             "byte %zu of a ticket was written after release had returned", byte);
            }
        }
        free(u->old[i]);
    }
    for (unsigned i = 0; i < WINDOW; i++) {
        free(u->spare[i]);
    }
}

static void run(struct episode *e) {
    unsigned producers = e->spec->producers;
    struct user *crew = calloc(producers, sizeof(*crew));
    if (crew == NULL) {
        episode_fail(e, "harness error", "no memory");
    }
    episode_open(e, producers * ROUNDS * WINDOW);
    for (unsigned i = 0; i < producers; i++) {
        crew[i].e = e;
        crew[i].first = i * ROUNDS * WINDOW;
        crew[i].memory = (enum memory)episode_below(e, MEMORIES);
        crew[i].random = episode_seed(e, i);
        crew[i].bytes = e->subject->ticket_bytes;
    }
    episode_phase(e, "tickets come and go");
    episode_crew(e, producers, use, crew, sizeof(crew[0]));
    episode_join(e);
    episode_close(e);
    for (unsigned i = 0; i < producers; i++) {
        look_at_old(&crew[i]);
    }
    episode_check_all(e, true);
    free(crew);
    episode_reach(e, 0, producers * ROUNDS * WINDOW);
}

const struct scenario scenario_future_lifetime = {
    .name = "future_lifetime",
    .invariant = "when release returns, nobody touches the ticket's memory any more",
    .needs = NEEDS_ASYNC,
    .reach = {"tickets"},
    .run = run,
};
