#include "future.h"

#include <errno.h>

#include "frame.h"
#include "memory.h"
#include "platform/fork.h"
#include "platform/futex.h"
#include "platform/point.h"

enum {
    PHASE = 7,
    BOUND = 8,
    WAITERS = 16,
    CALLBACKS = 32,
    LOCKED = 64,
    NOTIFYING = 128,
};

/* Turns of a long spin that pause the CPU and do not give it up. */
#define SPIN_TURNS 64u

static struct weir_future *future_of(struct weir_task *task) {
    return (struct weir_future *)(void *)task;
}

static uint32_t load(struct weir_future *future) {
    return atomic_load_explicit(&future->weir__state, memory_order_acquire);
}

static bool is_terminal(uint32_t state) {
    return (state & PHASE) >= WEIR_FUTURE_DONE;
}

/* Locks the list unless the future is terminal, when there is nothing left to guard. */
static bool lock(struct weir_future *future) {
    uint32_t state = load(future);

    for (unsigned turn = 0;; turn++) {
        if (is_terminal(state))
            return false;
        if (state & LOCKED) {
            /* uncovered: another thread must hold it at this moment */
            weir__relax(turn);
            state = load(future);
        } else if (atomic_compare_exchange_weak_explicit(&future->weir__state, &state,
                                                         state | LOCKED, memory_order_acquire,
                                                         memory_order_acquire)) {
            return true;
        }
    }
}

static void unlock(struct weir_future *future, uint32_t set, uint32_t clear) {
    uint32_t state = atomic_load_explicit(&future->weir__state, memory_order_relaxed);

    while (!atomic_compare_exchange_weak_explicit(&future->weir__state, &state,
                                                  (state & ~(LOCKED | clear)) | set,
                                                  memory_order_release, memory_order_relaxed))
        ;
}

/* The list is built newest first. */
static struct weir_callback *in_order_of_adding(struct weir_callback *newest) {
    struct weir_callback *first = NULL;

    while (newest) {
        struct weir_callback *older = newest->weir__next;
        newest->weir__next = first;
        first = newest;
        newest = older;
    }
    return first;
}

/* The list is ours: since the future is terminal nobody adds to it or takes from it. */
static void notify(struct weir_future *future) {
    struct weir_callback *callback = in_order_of_adding(future->weir__callbacks);

    while (callback) {
        struct weir_callback *next = callback->weir__next;
        callback->fn(future, callback->arg);
        callback = next;
    }
    WEIR__POINT("future.notified");
    uint32_t before =
        atomic_fetch_and_explicit(&future->weir__state, ~(uint32_t)NOTIFYING, memory_order_release);
    if (before & WAITERS)
        weir__futex_wake_all(&future->weir__state);
}

/* Makes the future terminal. held: the caller holds the lock, which ends here. */
static void publish(struct weir_future *future, enum weir_future_state phase, bool held) {
    uint32_t state = atomic_load_explicit(&future->weir__state, memory_order_relaxed);
    uint32_t terminal;

    WEIR__POINT("future.publish");
    for (unsigned turn = 0;; turn++) {
        terminal = (state & ~(uint32_t)LOCKED) | (uint32_t)phase;
        if (state & CALLBACKS)
            terminal |= NOTIFYING;
        if (!held && (state & LOCKED)) {
            /* uncovered: another thread must hold it at this moment */
            weir__relax(turn);
            state = atomic_load_explicit(&future->weir__state, memory_order_relaxed);
        } else if (atomic_compare_exchange_weak_explicit(&future->weir__state, &state, terminal,
                                                         memory_order_acq_rel,
                                                         memory_order_relaxed)) {
            break;
        }
    }
    WEIR__POINT("future.published");
    if (state & WAITERS)
        weir__futex_wake_all(&future->weir__state);
    if (terminal & NOTIFYING)
        notify(future);
}

static void end_call(struct weir_future *future, enum weir_future_state phase, int error,
                     void *value) {
    bool library_owned = atomic_load_explicit(&future->weir__refs, memory_order_relaxed) > 0;

    future->weir__error = error;
    future->weir__value = value;
    weir__frame_end(&future->weir__task);
    publish(future, phase, false);
    if (library_owned)
        weir_future_unref(future);
}

void weir__future_end(struct weir_future *future, enum weir_future_state phase, int error,
                      void *value) {
    end_call(future, phase, error, value);
}

static int run_call(struct weir_task *task) {
    struct weir_future *future = future_of(task);
    void *value = NULL;

    int error = future->weir__call(future->weir__arg, &value);
    if (error < 0)
        end_call(future, WEIR_FUTURE_FAILED, error, NULL);
    else
        end_call(future, WEIR_FUTURE_DONE, 0, value);
    return error < 0 ? error : 0;
}

static void drop_call(struct weir_task *task, int error) {
    end_call(future_of(task), error == -ECANCELED ? WEIR_FUTURE_CANCELLED : WEIR_FUTURE_FAILED,
             error, NULL);
}

void weir_future_init(struct weir_future *future) {
    *future = (struct weir_future){.weir__task = {.run = NULL}};
}

struct weir_task *weir_future_task(struct weir_future *future, weir_call call, void *arg,
                                   uint32_t flags) {
    if (!future || !call)
        return NULL;
    future->weir__call = call;
    future->weir__arg = arg;
    future->weir__task.run = run_call;
    future->weir__task.drop = drop_call;
    /* Now, for a dependent that no pool will be given; a submission sets it anew. */
    future->weir__task.flags =
        flags | WEIR__TASK_FUTURE | WEIR__TASK_GENERATION(weir__fork_generation());
    if (lock(future))
        unlock(future, BOUND, 0);
    else /* cancelled or set before: no pool will queue it */
        atomic_store_explicit(&future->weir__task.weir__state, TASK_CLAIMED | TASK_CANCELLED,
                              memory_order_relaxed);
    return &future->weir__task;
}

/* Stands before a library-owned future, which may outlive the pool whose allocator it came from. */
struct owner {
    _Alignas(WEIR__LINE) struct weir_allocator allocator;
    size_t bytes;
};

struct weir_future *weir__future_new_within(const struct weir_allocator *from, size_t size,
                                            weir_call call, uint32_t refs) {
    size_t bytes = weir__whole_lines(sizeof(struct owner) + size);
    struct owner *owner = weir__alloc_lines(from, bytes);
    if (!owner)
        return NULL;
    owner->allocator = *from;
    owner->bytes = bytes;
    struct weir_future *future = (struct weir_future *)(void *)(owner + 1);
    weir_future_task(future, call, future, 0);
    atomic_store_explicit(&future->weir__refs, refs, memory_order_relaxed);
    return future;
}

struct weir_future *weir__future_new(const struct weir_allocator *from, weir_call call, void *arg) {
    struct weir_future *future = weir__future_new_within(from, sizeof *future, call, 2);

    if (future)
        future->weir__arg = arg;
    return future;
}

void weir__future_discard(struct weir_future *future) {
    struct owner *owner = (struct owner *)(void *)future - 1;
    struct weir_allocator allocator = owner->allocator;

    weir__free(&allocator, owner, owner->bytes);
}

static uint32_t flags_of_this_process(const struct weir_task *task) {
    return (task->flags & ~WEIR__TASK_GENERATION(UINT32_MAX)) |
           WEIR__TASK_GENERATION(weir__fork_generation());
}

void weir__future_set_host(struct weir_task *task, struct weir__host *host) {
    uint32_t flags = flags_of_this_process(task);

    if (future_of(task)->weir__host == host && task->flags == flags)
        return; /* submitted again, as a timer's is: waiters may be reading it */
    future_of(task)->weir__host = host;
    future_of(task)->weir__spin_ns = host->spin_ns;
    task->flags = flags;
}

int weir_future_set_token(struct weir_future *future, struct weir_token *token) {
    if (!future)
        return -EINVAL;
    if (weir__future_is_terminal(future))
        return -EALREADY;
    if (atomic_load_explicit(&future->weir__task.weir__state, memory_order_relaxed) != 0)
        return -EBUSY;
    future->weir__token = token;
    return 0;
}

bool weir__future_is_terminal(struct weir_future *future) {
    return is_terminal(load(future));
}

/* Submitted by a parent of this process: nobody will end it here. The generation was written before
 * the task was marked queued. */
bool weir__future_is_orphan(struct weir_future *future) {
    struct weir_task *task = &future->weir__task;

    if (!(atomic_load_explicit(&task->weir__state, memory_order_acquire) & TASK_QUEUED))
        return false;
    uint32_t own = WEIR__TASK_GENERATION(weir__fork_generation());
    return (task->flags & WEIR__TASK_GENERATION(UINT32_MAX)) != own && !is_terminal(load(future));
}

/* Without touching the pool, which may be on its way out unless this thread is inside one of its
 * tasks. */
static bool may_claim(const struct weir_future *future) {
    const struct weir__host *host = future->weir__host;

    if (weir__frame_inside_host(host))
        return host->wait != WEIR_WAIT_BLOCK;
    return future->weir__task.flags & WEIR_TASK_ANY_THREAD;
}

bool weir__future_is_claimable(struct weir_future *future) {
    /* Acquire pairs with the release that marked the task queued: host is set from then on. */
    return atomic_load_explicit(&future->weir__task.weir__state, memory_order_acquire) ==
               TASK_QUEUED &&
           may_claim(future);
}

bool weir__future_claim(struct weir_future *future) {
    struct weir_task *task = &future->weir__task;

    if (!weir__future_is_claimable(future))
        return false;
    enum weir__claim claim = weir__claim_queued(task, 0);
    if (claim == CLAIM_LOST)
        return false;
    /* From here to the end of the task the pool cannot go away. */
    struct weir__host *host = future->weir__host;
    host->calls->end_claimed(host, task, claim, weir__future_is_revoked(task));
    return true;
}

bool weir__future_run_here(struct weir_future *future) {
    struct weir__frame frame;

    future->weir__task.flags = flags_of_this_process(&future->weir__task);
    if (!weir__task_mark_taken(&future->weir__task))
        return false;
    weir__frame_enter(&frame, NULL, &future->weir__task);
    if (weir__future_is_revoked(&future->weir__task))
        drop_call(&future->weir__task, -ECANCELED);
    else
        run_call(&future->weir__task);
    weir__frame_leave(&frame);
    return true;
}

bool weir__future_end_here(struct weir_future *future, enum weir_future_state phase, int error) {
    future->weir__task.flags = flags_of_this_process(&future->weir__task);
    if (!weir__task_mark_taken(&future->weir__task))
        return false;
    end_call(future, phase, error, NULL);
    return true;
}

/* Sleeps until a bit or the phase changes as the test says. */
static int await_state(struct weir_future *future, bool (*reached)(uint32_t),
                       uint64_t deadline_ns) {
    int late = 0;

    for (uint32_t state = load(future); !reached(state);) {
        if (deadline_ns == WEIR_NOW)
            return -EAGAIN;
        if (late)
            return late;
        if (!(state & WAITERS) &&
            !atomic_compare_exchange_strong_explicit(&future->weir__state, &state, state | WAITERS,
                                                     memory_order_acquire, memory_order_acquire))
            continue;
        WEIR__POINT("future.wait");
        late = weir__futex_wait(&future->weir__state, state | WAITERS, deadline_ns);
        state = load(future);
    }
    return 0;
}

/* Looks for as long as the pool's options say. The future has a copy of them, written before it
 * was queued, since the pool may be gone by now. */
static void spin_until_terminal(struct weir_future *future, uint64_t deadline_ns) {
    uint32_t task = atomic_load_explicit(&future->weir__task.weir__state, memory_order_acquire);

    if (!(task & TASK_QUEUED) || future->weir__spin_ns == 0 || deadline_ns == WEIR_NOW)
        return;
    uint64_t end_ns = weir_after(future->weir__spin_ns);
    if (deadline_ns < end_ns)
        end_ns = deadline_ns;
    for (unsigned turn = 0; !is_terminal(load(future)) && weir_now_ns() < end_ns; turn++)
        weir__relax(turn % SPIN_TURNS);
}

struct weir__host *weir__waiting_host(enum weir_wait_policy policy) {
    struct weir__host *host = weir__frame_host();

    return host && host->wait == policy && host->calls->self(host) ? host : NULL;
}

static int await_as_spared(struct weir__host *host, struct weir_future *future,
                           uint64_t deadline_ns) {
    host->calls->block(host);
    int rc = await_state(future, is_terminal, deadline_ns);
    host->calls->unblock(host);
    return rc;
}

static int await_terminal(struct weir_future *future, uint64_t deadline_ns) {
    struct weir__host *host;

    if (weir__future_is_orphan(future))
        return -EOWNERDEAD;
    if (weir__frame_inside_task(&future->weir__task))
        return -EDEADLK;
    if (weir__future_claim(future) || deadline_ns == WEIR_NOW)
        return await_state(future, is_terminal, deadline_ns);
    spin_until_terminal(future, deadline_ns);
    if (weir__future_is_terminal(future))
        return 0;
    if (weir__waiting_host(WEIR_WAIT_HELP))
        return weir__wait_helping(future, deadline_ns);
    if ((host = weir__waiting_host(WEIR_WAIT_SPARE)))
        return await_as_spared(host, future, deadline_ns);
    return await_state(future, is_terminal, deadline_ns);
}

int weir_future_get(struct weir_future *future, void **value, uint64_t deadline_ns) {
    if (!future)
        return -EINVAL;
    if (!weir__future_is_terminal(future)) {
        int rc = await_terminal(future, deadline_ns);
        if (rc)
            return rc;
    }
    if (value && future->weir__error == 0)
        *value = future->weir__value;
    return future->weir__error;
}

enum weir_future_state weir_future_state(struct weir_future *future) {
    uint32_t state = load(future);

    if (is_terminal(state))
        return (enum weir_future_state)(state & PHASE);
    uint32_t task = atomic_load_explicit(&future->weir__task.weir__state, memory_order_acquire);
    if (task & TASK_CANCELLED)
        return WEIR_FUTURE_PENDING;
    if (!(task & (TASK_TAKEN | TASK_CLAIMED)))
        return WEIR_FUTURE_PENDING;
    /* The call may have ended since we looked. */
    state = load(future);
    return is_terminal(state) ? (enum weir_future_state)(state & PHASE) : WEIR_FUTURE_RUNNING;
}

static int settle_promise(struct weir_future *future, enum weir_future_state phase, int error,
                          void *value) {
    if (!lock(future))
        return -EALREADY;
    if (load(future) & BOUND) {
        unlock(future, 0, 0);
        return -EBUSY;
    }
    future->weir__error = error;
    future->weir__value = value;
    publish(future, phase, true);
    return 0;
}

int weir_future_set(struct weir_future *future, void *value) {
    return future ? settle_promise(future, WEIR_FUTURE_DONE, 0, value) : -EINVAL;
}

int weir_future_fail(struct weir_future *future, int error) {
    if (!future || error >= 0)
        return -EINVAL;
    return settle_promise(future, WEIR_FUTURE_FAILED, error, NULL);
}

/* The call is bound and somebody else has decided its fate, or decides it just now. */
static int cancel_too_late(struct weir_future *future, uint32_t task_state) {
    /* Two cancellers: the other one is about to make it terminal. */
    if (task_state & TASK_CANCELLED)
        await_state(future, is_terminal, WEIR_FOREVER);
    return weir__future_is_terminal(future) ? -EALREADY : -EINPROGRESS;
}

int weir_future_cancel(struct weir_future *future) {
    if (!future)
        return -EINVAL;
    if (weir__future_is_orphan(future))
        return -EOWNERDEAD;
    if (!(load(future) & BOUND))
        return settle_promise(future, WEIR_FUTURE_CANCELLED, -ECANCELED, NULL);

    struct weir_task *task = &future->weir__task;
    enum weir__claim claim = weir__claim_queued(task, TASK_CANCELLED);
    if (claim != CLAIM_LOST) {
        struct weir__host *host = future->weir__host;
        host->calls->end_claimed(host, task, claim, true);
        return 0;
    }
    uint32_t state = 0; /* never submitted, or still on its way in */
    if (!atomic_compare_exchange_strong_explicit(&task->weir__state, &state,
                                                 TASK_CLAIMED | TASK_CANCELLED,
                                                 memory_order_acq_rel, memory_order_acquire))
        return state == TASK_QUEUED ? weir_future_cancel(future) : cancel_too_late(future, state);
    task->drop(task, -ECANCELED);
    return 0;
}

int weir_future_on_done(struct weir_future *future, struct weir_callback *callback) {
    if (!future || !callback || !callback->fn)
        return -EINVAL;
    if (weir__future_is_orphan(future))
        return -EOWNERDEAD;
    if (!lock(future)) {
        callback->fn(future, callback->arg);
        return 0;
    }
    callback->weir__next = future->weir__callbacks;
    future->weir__callbacks = callback;
    unlock(future, CALLBACKS, 0);
    return 0;
}

bool weir__future_remove_callback(struct weir_future *future, struct weir_callback *callback) {
    if (!lock(future))
        return false;
    struct weir_callback **link = &future->weir__callbacks;
    while (*link != callback)
        link = &(*link)->weir__next;
    *link = callback->weir__next;
    unlock(future, 0, future->weir__callbacks ? 0 : CALLBACKS);
    return true;
}

void weir_future_ref(struct weir_future *future) {
    atomic_fetch_add_explicit(&future->weir__refs, 1, memory_order_relaxed);
}

void weir_future_unref(struct weir_future *future) {
    /* Release, so that every owner's use happens before the free; acquire by the one who frees. */
    if (atomic_fetch_sub_explicit(&future->weir__refs, 1, memory_order_acq_rel) == 1)
        weir__future_discard(future);
}

static bool is_quiet(uint32_t state) {
    return !(state & NOTIFYING);
}

int weir_future_fini(struct weir_future *future) {
    if (!future)
        return -EINVAL;
    if (weir__future_is_orphan(future))
        return 0;
    if (!weir__future_is_terminal(future)) {
        if (atomic_load_explicit(&future->weir__task.weir__state, memory_order_acquire) != 0)
            return weir__future_is_terminal(future) ? weir_future_fini(future) : -EBUSY;
        weir_future_cancel(future); /* never submitted: whoever hangs on it has its end */
    }
    return await_state(future, is_quiet, WEIR_FOREVER);
}
