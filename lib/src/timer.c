/*
 * Timer: a heap of due times, a thread that sleeps until the first, and the pool that runs them.
 *
 * *A timer is its future*, and the future's task is what is submitted for each run; so claiming,
 * cancelling and waiting are those of any future, and claim.h's words decide every race:
 *
 *     0                   waits in the heap, or is in the thread's hand, on its way to the pool
 *     QUEUED ...          as any task, until its call ends
 *     back to 0           a series, when the next run is put into the heap
 *     + STOPPED           cancelled while it ran: by compare-exchange with TAKEN or CLAIMED set and
 *                         CANCELLED not
 *
 * The way back to 0 is a compare-exchange too, and fails when STOPPED is there: so either the
 * canceller's bit comes first and the run ends the series, or the canceller finds 0 (or the next
 * run) and cancels that. Two separate words would let both look past each other, and a cancelled
 * series go on (wrong: the way back as a store).
 *
 * *One lock*, of the pool's timers, guards the heap and the list. The way back and the putting into
 * the heap are one critical section, and so are a refused submission and the putting back: whoever
 * cancels a waiting timer, by compare-exchange from 0, takes it out of the heap under the lock
 * afterwards, and nobody puts it in again, since under the lock its word is not 0 (wrong: put back
 * without looking at the word).
 *
 * *The end* of a timer: off the heap and the list, then the future becomes terminal, then the
 * pool's timers are left. Whoever finds a timer in the heap or the list under the lock may count
 * itself into holds, and finds the memory valid until it counts itself out; fini waits for that.
 * Nobody can count in once the future is terminal (mutant timer_not_held).
 *
 * *The pool's end.* In a shutdown all timers are cancelled that do not outlast it; those that do
 * hold the pool open, and the last of them lets go of it. live counts timers until they have left;
 * freeing the pool waits for zero, and lowering it under the lock is a timer's last touch.
 */
#include <weir/timer.h>

#include <errno.h>

#include "claim.h"
#include "future.h"
#include "heap.h"
#include "memory.h"
#include "platform/fork.h"
#include "platform/futex.h"
#include "platform/lock.h"
#include "platform/point.h"
#include "platform/thread.h"
#include "pool.h"

enum kind { ONCE, FIXED_RATE, FIXED_DELAY };

#define TIMER_FLAGS                                                                                \
    ((uint32_t)(WEIR_TIMER_OUTLASTS_DRAIN | WEIR_TIMER_ENDS_WITH_DRAIN | WEIR_TIMER_SKIPS_MISSED))

/* How long the thread waits for room in a full pool before it looks at its timers again. */
#define ROOM_SLICE_NS UINT64_C(10000000)

/* All timers of a pool. */
struct weir__timers {
    struct weir__attachment attachment;
    struct weir_pool *pool;
    pthread_t thread;
    bool has_thread;

    _Atomic uint32_t lock; /* guards what follows */
    struct weir__heap heap;
    /* The timers whose end has not begun: those that know of no shutdown, those that outlast it,
     * and those that were cancelled by it. */
    struct weir_timer *all, *kept, *told;
    size_t outlasting; /* how many of them outlast a drain */
    int refusal;       /* what start says: 0 while the pool is open */
    bool cancelling;   /* nothing outlasts any more */
    bool holds_pool;
    bool freed;             /* somebody waits for live to be 0 */
    bool over;              /* the thread ends */
    bool sleeps;            /* the thread */
    _Atomic uint32_t moves; /* changes when the thread is to look again */
    _Atomic uint32_t live;  /* timers that have not left */
};

static struct weir_timer *timer_of(struct weir_task *task) {
    return (struct weir_timer *)(void *)task;
}

static _Atomic uint32_t *word_of(struct weir_timer *timer) {
    return &timer->weir__future.weir__task.weir__state;
}

static uint64_t saturating_add(uint64_t a, uint64_t b) {
    return b > WEIR_FOREVER - a ? WEIR_FOREVER : a + b;
}

/* Started by a parent of this process: what ran it does not exist here. */
static bool is_orphan(const struct weir_timer *timer) {
    return timer->weir__timers && timer->weir__generation != weir__fork_generation();
}

/* ---- Holding a timer's memory ---- */

/* With the lock held. */
static void hold(struct weir_timer *timer) {
    atomic_fetch_add_explicit(&timer->weir__holds, 1, memory_order_relaxed);
}

/* The last touch. Release: what the holder did happens before fini's return. */
static void let_go(struct weir_timer *timer) {
    if (atomic_fetch_sub_explicit(&timer->weir__holds, 1, memory_order_release) == 1)
        weir__futex_wake_all(&timer->weir__holds); /* the address alone */
}

/* ---- Heap and list; the caller holds the lock ---- */

static void wake_thread(struct weir__timers *timers) {
    atomic_fetch_add_explicit(&timers->moves, 1, memory_order_relaxed);
    if (timers->sleeps)
        weir__futex_wake_one(&timers->moves);
}

static void put(struct weir__timers *timers, struct weir_timer *timer, uint64_t key) {
    weir__heap_put(&timers->heap, &timer->weir__node, key);
    if (weir__heap_first(&timers->heap) == &timer->weir__node)
        wake_thread(timers);
}

static struct weir_timer *first_of(struct weir__timers *timers) {
    struct weir__heap_node *node = weir__heap_first(&timers->heap);

    return node ? (struct weir_timer *)(void *)((char *)node -
                                                offsetof(struct weir_timer, weir__node))
                : NULL;
}

static void link_timer(struct weir_timer **list, struct weir_timer *timer) {
    timer->weir__next = *list;
    timer->weir__link = list;
    if (timer->weir__next)
        timer->weir__next->weir__link = &timer->weir__next;
    *list = timer;
}

static void unlink_timer(struct weir_timer *timer) {
    *timer->weir__link = timer->weir__next;
    if (timer->weir__next)
        timer->weir__next->weir__link = timer->weir__link;
}

static bool outlasts(const struct weir_timer *timer) {
    if (timer->weir__kind == ONCE)
        return !(timer->weir__flags & WEIR_TIMER_ENDS_WITH_DRAIN);
    return timer->weir__flags & WEIR_TIMER_OUTLASTS_DRAIN;
}

/* ---- The end of a timer ---- */

static void leave(struct weir__timers *timers, bool release_pool) {
    if (release_pool)
        weir__pool_release(timers->pool);
    WEIR__POINT("timer.leave");
    weir__lock(&timers->lock);
    atomic_fetch_sub_explicit(&timers->live, 1, memory_order_relaxed);
    bool freed = timers->freed;
    weir__unlock(&timers->lock);
    if (freed) /* uncovered: the pool must be freed while this thread is on its way */
        weir__futex_wake_all(&timers->live); /* the address alone */
}

static void end(struct weir_timer *timer, enum weir_future_state phase, int error, void *value) {
    struct weir__timers *timers = is_orphan(timer) ? NULL : timer->weir__timers;
    bool release_pool = false;

    if (timers) {
        weir__lock(&timers->lock);
        weir__heap_remove(&timers->heap, &timer->weir__node);
        unlink_timer(timer);
        if (outlasts(timer) && --timers->outlasting == 0 && timers->holds_pool) {
            timers->holds_pool = false;
            release_pool = true;
        }
        weir__unlock(&timers->lock);
    }
    WEIR__POINT("timer.end");
    weir__future_end(&timer->weir__future, phase, error, value);
    if (timers)
        leave(timers, release_pool);
}

static void drop_timer(struct weir_task *task, int error) {
    end(timer_of(task), error == -ECANCELED ? WEIR_FUTURE_CANCELLED : WEIR_FUTURE_FAILED, error,
        NULL);
}

/* An orphan that waited will never be due: whoever asks for it first ends it. */
static void end_orphan(struct weir_timer *timer) {
    uint32_t waits = 0;

    if (is_orphan(timer) && atomic_compare_exchange_strong_explicit(
                                word_of(timer), &waits, TASK_CLAIMED | TASK_CANCELLED,
                                memory_order_acq_rel, memory_order_relaxed))
        end(timer, WEIR_FUTURE_FAILED, -EOWNERDEAD, NULL);
}

/* ---- Runs ---- */

static uint64_t next_due(const struct weir_timer *timer) {
    uint64_t now_ns = weir_now_ns(), interval_ns = timer->weir__interval_ns;
    uint64_t due_ns = atomic_load_explicit(&timer->weir__due_ns, memory_order_relaxed);

    if (timer->weir__kind == FIXED_DELAY)
        return saturating_add(now_ns, interval_ns);
    if ((timer->weir__flags & WEIR_TIMER_SKIPS_MISSED) && due_ns < now_ns)
        due_ns += (now_ns - due_ns) / interval_ns * interval_ns;
    return saturating_add(due_ns, interval_ns);
}

/* A series goes on: back into the heap. False: it does not. */
static bool rearm(struct weir_timer *timer) {
    struct weir__timers *timers = timer->weir__timers;
    uint64_t due_ns = next_due(timer);

    weir__lock(&timers->lock);
    bool again = timers->refusal == 0 || (outlasts(timer) && !timers->cancelling);
    uint32_t state = atomic_load_explicit(word_of(timer), memory_order_relaxed);
    /* Release: a canceller who finds 0 may end and free the timer after this run. */
    while (again && (again = !(state & TASK_STOPPED)) &&
           !atomic_compare_exchange_weak_explicit(word_of(timer), &state, 0, memory_order_acq_rel,
                                                  memory_order_relaxed))
        ;
    if (again) {
        atomic_store_explicit(&timer->weir__due_ns, due_ns, memory_order_relaxed);
        put(timers, timer, due_ns);
    }
    weir__unlock(&timers->lock);
    return again;
}

static int run_timer(struct weir_task *task) {
    struct weir_timer *timer = timer_of(task);
    void *value = NULL;

    int error = timer->weir__future.weir__call(timer->weir__future.weir__arg, &value);
    atomic_fetch_add_explicit(&timer->weir__runs, 1, memory_order_relaxed);
    if (error < 0) {
        end(timer, WEIR_FUTURE_FAILED, error, NULL);
        return error;
    }
    if (timer->weir__kind == ONCE)
        end(timer, WEIR_FUTURE_DONE, 0, value);
    else if (!rearm(timer))
        end(timer, WEIR_FUTURE_CANCELLED, -ECANCELED, NULL);
    return 0;
}

/* ---- The thread ---- */

/* With the lock held; another thread may have cancelled the timer since it left the heap. */
static void put_back(struct weir__timers *timers, struct weir_timer *timer, uint64_t key) {
    if (atomic_load_explicit(word_of(timer), memory_order_relaxed) == 0)
        put(timers, timer, key);
}

/* Hands the first timer to the pool; without the lock meanwhile. */
static void submit_first(struct weir__timers *timers, struct weir_timer *timer) {
    weir__heap_remove(&timers->heap, &timer->weir__node);
    hold(timer);
    weir__unlock(&timers->lock);
    WEIR__POINT("timer.submit");
    int rc = weir__pool_submit_held(timers->pool, &timer->weir__future.weir__task,
                                    weir_after(ROOM_SLICE_NS));
    weir__lock(&timers->lock);
    if (rc == -ETIMEDOUT)
        put_back(timers, timer, timer->weir__node.weir__key);
    else if (rc == -EAGAIN) /* no thread to be had; time may help */
        put_back(timers, timer, weir_after(ROOM_SLICE_NS));
    weir__unlock(&timers->lock);
    if (rc == -ESHUTDOWN) /* the pool has closed since: nobody else would end it */
        /* uncovered: it must close while the timer is on its way */
        weir_future_cancel(&timer->weir__future);
    let_go(timer);
    weir__lock(&timers->lock);
}

/* With the lock held, but while it sleeps. */
static void sleep_until(struct weir__timers *timers, uint64_t deadline_ns) {
    uint32_t moves = atomic_load_explicit(&timers->moves, memory_order_relaxed);

    timers->sleeps = true;
    weir__unlock(&timers->lock);
    weir__futex_wait(&timers->moves, moves, deadline_ns);
    weir__lock(&timers->lock);
    timers->sleeps = false;
}

static void *timers_main(void *arg) {
    struct weir__timers *timers = arg;

    weir__thread_name_text(timers->pool->name, "-timer");
    weir__lock(&timers->lock);
    while (!timers->over) {
        struct weir_timer *timer = first_of(timers);
        if (!timer)
            sleep_until(timers, WEIR_FOREVER);
        else if (timer->weir__node.weir__key > weir_now_ns())
            sleep_until(timers, timer->weir__node.weir__key);
        else
            submit_first(timers, timer);
    }
    weir__unlock(&timers->lock);
    return NULL;
}

/* ---- With the pool ---- */

/* Cancels what does not outlast the shutdown; without the lock around each. Another thread may do
 * the same, or escalate, at the same time. */
static void cancel_some(struct weir__timers *timers) {
    struct weir_timer *timer;

    while ((timer = timers->all) || (timers->cancelling && (timer = timers->kept))) {
        bool stays = outlasts(timer) && !timers->cancelling;
        unlink_timer(timer);
        link_timer(stays ? &timers->kept : &timers->told, timer);
        if (stays)
            continue;
        hold(timer);
        weir__unlock(&timers->lock);
        weir_future_cancel(&timer->weir__future); /* one that runs ends by itself: see rearm */
        let_go(timer);
        weir__lock(&timers->lock);
    }
}

static bool closing(struct weir__attachment *attachment, enum weir__pool_mode mode) {
    struct weir__timers *timers = (struct weir__timers *)(void *)attachment;
    struct weir_pool *pool = timers->pool;

    pthread_mutex_lock(&pool->lifecycle);
    bool started = pool->started;
    pthread_mutex_unlock(&pool->lifecycle);
    bool cancelling = mode != POOL_DRAINING || !started; /* nobody would run what outlasts */

    weir__lock(&timers->lock);
    timers->refusal = mode == POOL_BROKEN ? -EOWNERDEAD : -ESHUTDOWN;
    timers->cancelling |= cancelling;
    cancel_some(timers);
    bool holds = !timers->cancelling && timers->outlasting > 0 && !timers->holds_pool;
    timers->holds_pool |= holds;
    weir__unlock(&timers->lock);
    return holds;
}

static void destroy(struct weir__attachment *attachment) {
    struct weir__timers *timers = (struct weir__timers *)(void *)attachment;
    uint32_t live;

    weir__lock(&timers->lock);
    timers->freed = true;
    while ((live = atomic_load_explicit(&timers->live, memory_order_relaxed)) > 0) {
        /* uncovered: a timer that has ended must not have left yet */
        weir__unlock(&timers->lock);
        weir__futex_wait(&timers->live, live, WEIR_FOREVER);
        weir__lock(&timers->lock);
    }
    timers->over = true;
    wake_thread(timers);
    weir__unlock(&timers->lock);
    if (timers->has_thread)
        pthread_join(timers->thread, NULL);
    weir__heap_free(&timers->heap);
    weir__free(weir__pool_allocator(timers->pool), timers, sizeof *timers);
}

/* In a child of fork. Nobody held the lock for it: what it guards may be half done, the heap's
 * memory included, and is forgotten. */
static void orphaned(struct weir__attachment *attachment) {
    struct weir__timers *timers = (struct weir__timers *)(void *)attachment;

    *timers = (struct weir__timers){.attachment = timers->attachment,
                                    .pool = timers->pool,
                                    .heap = {.allocator = timers->heap.allocator},
                                    .refusal = timers->refusal,
                                    .cancelling = timers->cancelling};
}

/* The first that were attached: two threads may both have made some. */
static struct weir__timers *find_timers(struct weir_pool *pool) {
    struct weir__attachment *found = NULL;

    pthread_mutex_lock(&pool->lifecycle);
    for (struct weir__attachment *each = pool->attachments; each; each = each->next)
        if (each->closing == closing)
            found = each;
    pthread_mutex_unlock(&pool->lifecycle);
    return (struct weir__timers *)(void *)found;
}

static int make_timers(struct weir_pool *pool) {
    const struct weir_allocator *allocator = weir__pool_allocator(pool);
    struct weir__timers *timers = weir__alloc(allocator, sizeof *timers);

    if (!timers)
        return -ENOMEM;
    *timers = (struct weir__timers){.pool = pool, .heap = {.allocator = allocator}};
    timers->attachment.closing = closing;
    timers->attachment.orphaned = orphaned;
    timers->attachment.destroy = destroy;
    int rc = weir__pool_attach(pool, &timers->attachment);
    if (rc)
        weir__free(allocator, timers, sizeof *timers);
    return rc;
}

/* ---- Starting ---- */

/* With the lock held: what could fail. */
static int prepare(struct weir__timers *timers) {
    size_t timers_in_all = atomic_load_explicit(&timers->live, memory_order_relaxed) + (size_t)1;

    if (timers->refusal)
        return timers->refusal;
    int rc = weir__heap_reserve(&timers->heap, timers_in_all);
    if (rc == 0 && !timers->has_thread) {
        rc = weir__thread_start(&timers->thread, 0, timers_main, timers);
        if (rc)
            return -EAGAIN;
        timers->has_thread = true;
    }
    return rc;
}

static int start_on(struct weir__timers *timers, struct weir_timer *timer, uint64_t first_ns) {
    weir__lock(&timers->lock);
    int rc = prepare(timers);
    if (rc == 0) {
        timer->weir__timers = timers;
        timer->weir__generation = weir__fork_generation();
        atomic_fetch_add_explicit(&timers->live, 1, memory_order_relaxed);
        timers->outlasting += outlasts(timer);
        link_timer(&timers->all, timer);
        put(timers, timer, first_ns);
    }
    weir__unlock(&timers->lock);
    return rc;
}

static int start(struct weir_timer *timer, struct weir_pool *pool, enum kind kind,
                 uint64_t first_ns, uint64_t interval_ns) {
    if (!timer || !pool || !timer->weir__future.weir__call || (kind != ONCE && interval_ns == 0))
        return -EINVAL;
    if (timer->weir__timers || weir__future_is_terminal(&timer->weir__future))
        return -EALREADY; /* its task may be in the hands of other threads: not looked at */
    if (weir__task_band(&timer->weir__future.weir__task) >= pool->bands)
        return -EINVAL;
    int rc = weir__pool_check(pool);
    if (rc)
        return rc;
    struct weir__timers *timers = find_timers(pool);
    if (!timers) {
        rc = make_timers(pool);
        if (rc)
            return rc;
        timers = find_timers(pool);
    }
    timer->weir__kind = kind;
    timer->weir__interval_ns = interval_ns;
    atomic_store_explicit(&timer->weir__due_ns, first_ns, memory_order_relaxed);
    return start_on(timers, timer, first_ns);
}

/* ---- The interface ---- */

void weir_timer_init(struct weir_timer *timer, weir_call call, void *arg, uint32_t flags) {
    *timer = (struct weir_timer){.weir__flags = flags & TIMER_FLAGS};
    atomic_store_explicit(&timer->weir__due_ns, WEIR_FOREVER, memory_order_relaxed);
    weir_future_init(&timer->weir__future);
    if (!weir_future_task(&timer->weir__future, call, arg, flags & ~TIMER_FLAGS))
        return; /* no call: start says so */
    timer->weir__future.weir__task.run = run_timer;
    timer->weir__future.weir__task.drop = drop_timer;
}

int weir_timer_once(struct weir_timer *timer, struct weir_pool *pool, uint64_t first_ns) {
    return start(timer, pool, ONCE, first_ns, 0);
}

int weir_timer_at_fixed_rate(struct weir_timer *timer, struct weir_pool *pool, uint64_t first_ns,
                             uint64_t period_ns) {
    return start(timer, pool, FIXED_RATE, first_ns, period_ns);
}

int weir_timer_with_fixed_delay(struct weir_timer *timer, struct weir_pool *pool, uint64_t first_ns,
                                uint64_t delay_ns) {
    return start(timer, pool, FIXED_DELAY, first_ns, delay_ns);
}

int weir_timer_cancel(struct weir_timer *timer) {
    if (!timer)
        return -EINVAL;
    end_orphan(timer);
    /* uncovered: a second turn takes a run that ends between two steps of the first */
    for (;;) {
        int rc = weir_future_cancel(&timer->weir__future);
        if (rc != -EINPROGRESS)
            return rc;
        /* It runs, or ran a moment ago: stop it unless it waits again by now. */
        uint32_t state = atomic_load_explicit(word_of(timer), memory_order_acquire);
        if ((state & (TASK_TAKEN | TASK_CLAIMED)) && !(state & TASK_CANCELLED) &&
            atomic_compare_exchange_strong_explicit(word_of(timer), &state, state | TASK_STOPPED,
                                                    memory_order_acq_rel, memory_order_relaxed))
            return -EINPROGRESS;
    }
}

struct weir_future *weir_timer_future(struct weir_timer *timer) {
    if (!timer)
        return NULL;
    end_orphan(timer);
    return &timer->weir__future;
}

uint64_t weir_timer_due(struct weir_timer *timer) {
    return timer ? atomic_load_explicit(&timer->weir__due_ns, memory_order_relaxed) : WEIR_FOREVER;
}

uint64_t weir_timer_runs(struct weir_timer *timer) {
    return timer ? atomic_load_explicit(&timer->weir__runs, memory_order_relaxed) : 0;
}

int weir_timer_fini(struct weir_timer *timer) {
    uint32_t holds;

    if (!timer)
        return -EINVAL;
    end_orphan(timer);
    if (is_orphan(timer))
        return weir_future_fini(&timer->weir__future);
    if (timer->weir__timers && !weir__future_is_terminal(&timer->weir__future))
        return -EBUSY;
    weir_future_fini(&timer->weir__future);
    while ((holds = atomic_load_explicit(&timer->weir__holds, memory_order_acquire)) > 0)
        weir__futex_wait(&timer->weir__holds, holds, WEIR_FOREVER);
    return 0;
}
