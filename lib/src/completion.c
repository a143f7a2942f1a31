/*
 * Completion queue.
 *
 * An entry is the callback that hangs on one future. Under the queue's mutex it is in one of three
 * places: in the list of outstanding ones, in the list of those that are ready, or, when it has
 * been taken or the queue freed, in no list. Its callback moves it from the first to the second.
 *
 * Sleep. A taker looks at the ready list and sleeps on a condition under the mutex that guards the
 * list, so no entry can come between its look and its sleep. Each entry that becomes ready wakes
 * one taker. Taking the last outstanding one wakes all: they are to return -ENOENT (mutant
 * completion_last_wakes_nobody: several takers at the end of a run hang).
 *
 * The descriptor is raised when the ready list becomes non-empty, cleared when it becomes empty,
 * both under the mutex: so it is never readable in vain nor silent with something to take (mutant
 * completion_clears_outside: cleared after the mutex was let go, a raise between is lost).
 *
 * Lifetime. The queue's memory has one reference for its user and one for every callback that has
 * not returned. A callback lets go of its reference after its unlock, as its last step; so the
 * taker that it wakes may free the queue while it is still inside the mutex (mutant
 * completion_freed_under_callback: weir_completion_free frees at once). After the free callbacks
 * find closed, and only give back their entry. Entries are not taken back from futures at the free:
 * a future may be on its way out then, with only its owner knowing.
 *
 * Helping. A worker under WEIR_WAIT_HELP sleeps where its pool's work wakes it, with a word on its
 * stack that says whether it is to look here again. It is linked under the mutex, and set and woken
 * under it; it takes itself out before it leaves, even when a task that it runs ends its thread
 * (or it would be woken through a stack that is gone).
 *
 * Claiming. Before a taker sleeps it looks for an outstanding call that it may run itself. The
 * entry that it has chosen is marked claimed_by_taker, and stays out of the ready list until the
 * attempt is over, even if the future ends meanwhile; or another taker could take it, and the owner
 * free the future, during the attempt (mutant completion_claim_without_mark).
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

#include <weir/completion.h>
#include <weir/pool.h>

#include "frame.h"
#include "future.h"
#include "platform/condition.h"
#include "platform/eventfd.h"
#include "platform/fork.h"
#include "platform/point.h"

struct entry {
    struct weir_callback callback;
    struct weir_completion *completion;
    struct weir_future *future;
    void *user;
    struct entry *next, *prev; /* prev: among the outstanding only */
    bool owns_future;          /* until it is taken: of weir_completion_async */
    bool any_thread;
    bool claimed_by_taker;
    bool ended; /* while it was claimed_by_taker */
};

/* A worker that runs other tasks of its pool while it waits (WEIR_WAIT_HELP). It sleeps where its
 * pool's work wakes it, not on the condition; so it is linked here, and woken under the mutex,
 * which it needs to leave. called is read under locks of the pool, that a waker takes inside of
 * ours. */
struct helper {
    struct weir_completion *completion;
    struct weir__host *host;
    struct weir__worker *worker;
    _Atomic bool called;
    struct helper *next;
};

struct weir_completion {
    pthread_mutex_t mutex;
    struct weir__condition changed;
    struct helper *helpers;
    struct entry outstanding; /* the head of a ring, oldest first */
    struct entry *ready, **ready_last;
    size_t pending;
    size_t any_thread; /* outstanding calls that any thread may run */
    int fd;
    bool closed;
    uint32_t generation; /* of the process that it was made in */
    _Atomic size_t refs;
};

/* ---- Lists; the caller holds the mutex ---- */

static void wake_helpers(struct weir_completion *completion) {
    for (struct helper *helper = completion->helpers; helper; helper = helper->next) {
        atomic_store_explicit(&helper->called, true, memory_order_release);
        helper->host->calls->wake_helper(helper->worker);
    }
}

static void link_outstanding(struct weir_completion *completion, struct entry *entry) {
    struct entry *head = &completion->outstanding;

    entry->next = head;
    entry->prev = head->prev;
    head->prev->next = entry;
    head->prev = entry;
    completion->any_thread += entry->any_thread;
    completion->pending++;
}

static void move_to_ready(struct weir_completion *completion, struct entry *entry) {
    entry->prev->next = entry->next;
    entry->next->prev = entry->prev;
    completion->any_thread -= entry->any_thread;
    entry->next = NULL;
    if (!completion->ready && completion->fd >= 0)
        weir__eventfd_raise(completion->fd);
    *completion->ready_last = entry;
    completion->ready_last = &entry->next;
    weir__condition_signal(&completion->changed);
    wake_helpers(completion);
}

static struct entry *take_ready(struct weir_completion *completion) {
    struct entry *entry = completion->ready;

    completion->ready = entry->next;
    if (!completion->ready) {
        completion->ready_last = &completion->ready;
        if (completion->fd >= 0)
            weir__eventfd_clear(completion->fd);
    }
    if (--completion->pending == 0) {
        weir__condition_broadcast(&completion->changed);
        wake_helpers(completion);
    }
    return entry;
}

/* ---- References ---- */

static void unref(struct weir_completion *completion) {
    /* Release: all use happens before the free; acquire by the one who frees. */
    if (atomic_fetch_sub_explicit(&completion->refs, 1, memory_order_acq_rel) != 1)
        return;
    pthread_mutex_destroy(&completion->mutex);
    free(completion);
}

static void free_entry(struct entry *entry) {
    if (entry->owns_future)
        weir_future_unref(entry->future);
    free(entry);
}

/* ---- Adding, and what happens at the end of a future ---- */

static void ended(struct weir_future *future, void *arg) {
    struct entry *entry = arg;
    struct weir_completion *completion = entry->completion;

    (void)future;
    WEIR__POINT("completion.ended");
    pthread_mutex_lock(&completion->mutex);
    bool closed = completion->closed;
    if (entry->claimed_by_taker)
        entry->ended = true;
    else if (!closed)
        move_to_ready(completion, entry);
    pthread_mutex_unlock(&completion->mutex);
    WEIR__POINT("completion.unlocked");
    if (closed)
        free_entry(entry);
    unref(completion);
}

/* Whether a thread outside the pool may run the call. The flags of one that was not submitted yet
 * may just be written; then it may. */
static bool may_be_any_threads(struct weir_future *future) {
    uint32_t state = atomic_load_explicit(&future->weir__task.weir__state, memory_order_acquire);

    if (state == 0)
        return future->weir__call != NULL;
    return state == TASK_QUEUED && (future->weir__task.flags & WEIR_TASK_ANY_THREAD);
}

/* The entry may be taken, and the future gone, before this returns. */
static void add(struct weir_completion *completion, struct entry *entry, struct weir_future *future,
                bool owns_future, void *user) {
    *entry = (struct entry){
        .callback = {.fn = ended, .arg = entry},
        .completion = completion,
        .future = future,
        .user = user,
        .owns_future = owns_future,
        .any_thread = may_be_any_threads(future),
    };
    atomic_fetch_add_explicit(&completion->refs, 1, memory_order_relaxed);
    pthread_mutex_lock(&completion->mutex);
    link_outstanding(completion, entry);
    pthread_mutex_unlock(&completion->mutex);
    weir_future_on_done(future, &entry->callback);
}

/* A child of fork has inherited it, perhaps with the mutex held by a thread of the parent. */
static bool is_orphan(const struct weir_completion *completion) {
    return completion->generation != weir__fork_generation();
}

int weir_completion_new(struct weir_completion **out) {
    if (!out)
        return -EINVAL;
    struct weir_completion *completion = malloc(sizeof *completion);
    if (!completion)
        return -ENOMEM;
    *completion = (struct weir_completion){.fd = -1, .generation = weir__fork_generation()};
    pthread_mutex_init(&completion->mutex, NULL);
    completion->outstanding.next = completion->outstanding.prev = &completion->outstanding;
    completion->ready_last = &completion->ready;
    atomic_init(&completion->refs, 1);
    *out = completion;
    return 0;
}

int weir_completion_add(struct weir_completion *completion, struct weir_future *future,
                        void *user) {
    if (!completion || !future)
        return -EINVAL;
    if (is_orphan(completion))
        return -EOWNERDEAD;
    struct entry *entry = malloc(sizeof *entry);
    if (!entry)
        return -ENOMEM;
    add(completion, entry, future, false, user);
    return 0;
}

int weir_completion_async(struct weir_completion *completion, struct weir_pool *pool,
                          weir_call call, void *arg, void *user) {
    struct weir_future *future;

    if (!completion)
        return -EINVAL;
    if (is_orphan(completion))
        return -EOWNERDEAD;
    /* First, since what has been submitted cannot be called back. */
    struct entry *entry = malloc(sizeof *entry);
    if (!entry)
        return -ENOMEM;
    int rc = weir_pool_async(pool, call, arg, &future);
    if (rc) {
        free(entry);
        return rc;
    }
    add(completion, entry, future, true, user);
    return 0;
}

/* ---- Taking ---- */

/* The oldest call that this thread may run instead of waiting, or NULL; *own tells that all of the
 * outstanding ones are calls that it is inside of. */
static struct entry *find_claimable(struct weir_completion *completion, bool *own) {
    bool inside = weir__frame_inside_any();

    *own = inside && completion->pending > 0;
    if (!inside && completion->any_thread == 0)
        return NULL;
    for (struct entry *entry = completion->outstanding.next; entry != &completion->outstanding;
         entry = entry->next) {
        if (!entry->claimed_by_taker && weir__future_is_claimable(entry->future))
            return entry;
        *own = *own && weir__frame_inside_task(&entry->future->weir__task);
    }
    return NULL;
}

/* The attempt is over, also when the call has ended the thread. Takes the mutex. */
static void end_claim(void *arg) {
    struct entry *entry = arg;
    struct weir_completion *completion = entry->completion;

    pthread_mutex_lock(&completion->mutex);
    entry->claimed_by_taker = false;
    if (entry->ended)
        move_to_ready(completion, entry);
}

static void end_claim_and_unlock(void *arg) {
    struct weir_completion *completion = ((struct entry *)arg)->completion;

    end_claim(arg);
    pthread_mutex_unlock(&completion->mutex);
}

/* With the mutex held, but not during the call. */
static void claim(struct weir_completion *completion, struct entry *entry) {
    entry->claimed_by_taker = true;
    pthread_mutex_unlock(&completion->mutex);
    WEIR__POINT("completion.claim");
    pthread_cleanup_push(end_claim_and_unlock, entry);
    weir__future_claim(entry->future);
    pthread_cleanup_pop(0);
    end_claim(entry);
}

/* Before its first sleep a worker of a pool with WEIR_WAIT_SPARE lets another thread take its
 * place; without the mutex, since that may create one. */
static bool call_spare(struct weir_completion *completion, struct weir__host **spared) {
    struct weir__host *host = *spared ? NULL : weir__waiting_host(WEIR_WAIT_SPARE);

    if (!host)
        return false;
    pthread_mutex_unlock(&completion->mutex);
    host->calls->block(host);
    pthread_mutex_lock(&completion->mutex);
    *spared = host;
    return true;
}

static bool is_called(void *arg) {
    return atomic_load_explicit(&((struct helper *)arg)->called, memory_order_acquire);
}

/* Also when a task that it ran meanwhile ends its thread. */
static void leave_helpers(void *arg) {
    struct helper *helper = arg, **link = &helper->completion->helpers;

    pthread_mutex_lock(&helper->completion->mutex);
    while (*link != helper)
        link = &(*link)->next;
    *link = helper->next;
    pthread_mutex_unlock(&helper->completion->mutex);
}

/* Runs other tasks until something is ready or nothing is outstanding: 0 or -ETIMEDOUT. */
static int help_meanwhile(struct weir_completion *completion, struct weir__host *host,
                          uint64_t deadline_ns) {
    struct helper helper = {completion, host, host->calls->self(host), false, completion->helpers};
    int rc;

    /* leave_helpers takes it out again. */
    /* cppcheck-suppress autoVariables */
    completion->helpers = &helper;
    pthread_mutex_unlock(&completion->mutex);
    pthread_cleanup_push(leave_helpers, &helper);
    rc = host->calls->help(helper.worker, is_called, &helper, deadline_ns);
    pthread_cleanup_pop(1);
    pthread_mutex_lock(&completion->mutex);
    return rc;
}

/* Returns 0 with something ready. *spared: whose thread takes the place of this one. */
static int await_ready(struct weir_completion *completion, struct weir__host **spared,
                       uint64_t deadline_ns) {
    int late = 0;

    while (!completion->ready) {
        bool own = false;
        if (completion->pending == 0)
            return -ENOENT;
        if (deadline_ns == WEIR_NOW)
            return -EAGAIN;
        if (late)
            return late;
        struct entry *entry = find_claimable(completion, &own);
        if (entry) {
            claim(completion, entry);
            continue;
        }
        if (own)
            return -EDEADLK;
        struct weir__host *helped = weir__waiting_host(WEIR_WAIT_HELP);
        if (helped) {
            late = help_meanwhile(completion, helped, deadline_ns);
            continue;
        }
        if (call_spare(completion, spared))
            continue;
        late = weir__condition_wait(&completion->changed, &completion->mutex, deadline_ns);
    }
    return 0;
}

/* A chain of 1 to n entries, which are the caller's alone; returns how many, or an error. */
static ptrdiff_t take(struct weir_completion *completion, struct entry **chain, size_t n,
                      uint64_t deadline_ns) {
    struct weir__host *spared = NULL;
    size_t taken = 0;

    *chain = NULL;
    if (is_orphan(completion))
        return -EOWNERDEAD;
    pthread_mutex_lock(&completion->mutex);
    int rc = await_ready(completion, &spared, deadline_ns);
    for (; rc == 0 && taken < n && completion->ready; taken++) {
        *chain = take_ready(completion);
        chain = &(*chain)->next;
    }
    pthread_mutex_unlock(&completion->mutex);
    if (spared)
        spared->calls->unblock(spared);
    *chain = NULL;
    return rc ? rc : (ptrdiff_t)taken;
}

int weir_completion_next(struct weir_completion *completion, struct weir_future **future,
                         void **user, uint64_t deadline_ns) {
    struct entry *entry;

    if (!completion)
        return -EINVAL;
    ptrdiff_t rc = take(completion, &entry, 1, deadline_ns);
    if (rc < 0)
        return (int)rc;
    if (user)
        *user = entry->user;
    if (future) {
        *future = entry->future;
        entry->owns_future = false;
    }
    free_entry(entry);
    return 0;
}

ptrdiff_t weir_completion_next_batch(struct weir_completion *completion,
                                     struct weir_completed *completed, size_t n,
                                     uint64_t deadline_ns) {
    struct entry *entry;

    if (!completion || (!completed && n) || n > PTRDIFF_MAX)
        return -EINVAL;
    if (n == 0)
        return 0;
    ptrdiff_t taken = take(completion, &entry, n, deadline_ns);
    while (entry) {
        struct entry *next = entry->next;
        *completed++ = (struct weir_completed){entry->future, entry->user};
        free(entry);
        entry = next;
    }
    return taken;
}

/* ---- The rest ---- */

int weir_completion_fd(struct weir_completion *completion) {
    if (!completion)
        return -EINVAL;
    if (is_orphan(completion))
        return -EOWNERDEAD;
    pthread_mutex_lock(&completion->mutex);
    int fd = completion->fd;
    if (fd < 0 && (fd = weir__eventfd_new()) >= 0) {
        completion->fd = fd;
        if (completion->ready)
            weir__eventfd_raise(fd);
    }
    pthread_mutex_unlock(&completion->mutex);
    return fd;
}

size_t weir_completion_pending(struct weir_completion *completion) {
    if (!completion || is_orphan(completion))
        return 0;
    pthread_mutex_lock(&completion->mutex);
    size_t pending = completion->pending;
    pthread_mutex_unlock(&completion->mutex);
    return pending;
}

void weir_completion_free(struct weir_completion *completion) {
    if (!completion)
        return;
    if (is_orphan(completion)) { /* its lists may be anything; the memory goes with the process */
        weir__eventfd_close(completion->fd);
        return;
    }
    pthread_mutex_lock(&completion->mutex);
    completion->closed = true;
    struct entry *entry = completion->ready;
    weir__eventfd_close(completion->fd);
    pthread_mutex_unlock(&completion->mutex);
    while (entry) {
        struct entry *next = entry->next;
        free_entry(entry);
        entry = next;
    }
    unref(completion);
}
