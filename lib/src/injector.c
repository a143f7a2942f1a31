#include "injector.h"

#include <errno.h>

#include "platform/point.h"
#include "task.h"

/* Most tasks that one visit moves to a deque. */
#define BATCH_MOST ((size_t)32)

void weir__injector_init(struct weir__injector *injector, uint32_t bands) {
    *injector = (struct weir__injector){.bands_count = bands};
    pthread_mutex_init(&injector->mutex, NULL);
    atomic_init(&injector->count, 0);
    atomic_init(&injector->accepted, 0);
    atomic_init(&injector->closed, false);
}

void weir__injector_destroy(struct weir__injector *injector) {
    pthread_mutex_destroy(&injector->mutex);
}

/* Under the mutex there is one writer, so load and store make a decrement. Release: who sees the
 * lower count sees the deque that the tasks went to. */
static void remove_count(struct weir__injector *injector, size_t n) {
    size_t count = atomic_load_explicit(&injector->count, memory_order_relaxed);
    atomic_store_explicit(&injector->count, count - n, memory_order_release);
}

static void publish_count(struct weir__injector *injector, size_t added) {
    size_t count = atomic_load_explicit(&injector->count, memory_order_relaxed);
    atomic_store_explicit(&injector->count, count + added, memory_order_seq_cst);
}

static struct weir__injector_band *band_of(struct weir__injector *injector,
                                           const struct weir_task *task) {
    return &injector->bands[weir__task_band(task)];
}

static void link_last(struct weir__injector_band *band, struct weir_task *task) {
    task->weir__next = NULL;
    task->weir__prev = band->tail;
    if (band->tail)
        band->tail->weir__next = task;
    else
        band->head = task;
    band->tail = task;
}

static void link_first(struct weir__injector_band *band, struct weir_task *task) {
    task->weir__prev = NULL;
    task->weir__next = band->head;
    if (band->head)
        band->head->weir__prev = task;
    else
        band->tail = task;
    band->head = task;
}

static void unlink_task(struct weir__injector_band *band, struct weir_task *task) {
    if (task->weir__prev)
        task->weir__prev->weir__next = task->weir__next;
    else
        band->head = task->weir__next;
    if (task->weir__next)
        task->weir__next->weir__prev = task->weir__prev;
    else
        band->tail = task->weir__prev;
}

/* Appends without showing the new count yet. False: the task was cancelled before. */
static bool append(struct weir__injector *injector, struct weir_task *task) {
    struct weir__injector_band *band = band_of(injector, task);

    weir__task_set_place(task, (uintptr_t)injector);
    if (!weir__task_mark_queued(task))
        return false;
    uint64_t accepted = atomic_load_explicit(&injector->accepted, memory_order_relaxed);
    atomic_store_explicit(&injector->accepted, accepted + 1, memory_order_release);
    link_last(band, task);
    return !weir__age_is_due(&band->age, band->appended++) || weir__age_stamp(&band->age, task);
}

int weir__injector_append_locked(struct weir__injector *injector, struct weir_task *task) {
    if (atomic_load_explicit(&injector->closed, memory_order_relaxed))
        return -ESHUTDOWN;
    if (!append(injector, task))
        return -ECANCELED;
    publish_count(injector, 1);
    return 0;
}

ptrdiff_t weir__injector_push(struct weir__injector *injector, struct weir_task *const *tasks,
                              size_t n) {
    size_t added = 0;

    WEIR__POINT("injector.push");
    pthread_mutex_lock(&injector->mutex);
    bool closed = atomic_load_explicit(&injector->closed, memory_order_relaxed);
    if (!closed) {
        for (size_t i = 0; i < n; i++)
            added += append(injector, tasks[i]);
        publish_count(injector, added);
    }
    pthread_mutex_unlock(&injector->mutex);
    WEIR__POINT("injector.pushed");
    return closed ? -ESHUTDOWN : (ptrdiff_t)added;
}

/* Takes the band's oldest task off its list, still counted, with its place as it was: whoever comes
 * for it waits for the mutex. */
static struct weir_task *unlink_to_move(struct weir__injector_band *band) {
    struct weir_task *task = band->head;

    if (task) {
        unlink_task(band, task);
        weir__age_pass(&band->passed_ns,
                       atomic_load_explicit(&task->weir__queued_ns, memory_order_relaxed));
    }
    return task;
}

static struct weir_task *unlink_first(struct weir__injector_band *band) {
    struct weir_task *task = unlink_to_move(band);

    if (task)
        weir__task_set_place(task, WEIR__PLACE_NONE);
    return task;
}

struct weir_task *weir__injector_pop_locked(struct weir__injector *injector, bool rarest) {
    struct weir_task *task = NULL;
    uint32_t last = injector->bands_count - 1;

    for (uint32_t i = 0; !task && i <= last; i++)
        task = unlink_first(&injector->bands[rarest ? last - i : i]);
    if (task)
        remove_count(injector, 1);
    return task;
}

struct weir_task *weir__injector_pop(struct weir__injector *injector, bool rarest) {
    if (weir__injector_count(injector) == 0)
        return NULL;
    pthread_mutex_lock(&injector->mutex);
    struct weir_task *task = weir__injector_pop_locked(injector, rarest);
    pthread_mutex_unlock(&injector->mutex);
    WEIR__POINT("injector.popped");
    return task;
}

/* Newest first, since the owner pops its newest first. A task changes its place while the mutex
 * is held, so that a claimer who comes for it finds it here or there. Returns how many it moved. */
static size_t move_to_deque(struct weir__injector *injector, struct weir__deque *deque,
                            struct weir_task **tasks, size_t n) {
    size_t moved = 0;

    while (n > 0) {
        struct weir_task *task = tasks[--n];
        if (weir__deque_has_room(deque)) {
            weir__deque_push(deque, task);
            moved++;
        } else {
            link_first(band_of(injector, task), task);
        }
    }
    return moved;
}

struct weir_task *weir__injector_pop_batch(struct weir__injector *injector, uint32_t number,
                                           struct weir__deque *deque, size_t more) {
    struct weir__injector_band *band = &injector->bands[number];
    struct weir_task *moved[BATCH_MOST];
    size_t n = 0;

    if (weir__injector_count(injector) == 0)
        return NULL;
    pthread_mutex_lock(&injector->mutex);
    struct weir_task *first = unlink_first(band);
    while (n < more && n < BATCH_MOST && (moved[n] = unlink_to_move(band)))
        n++;
    /* Counted until it lies in the deque: a task between the two would be visible to nobody, and
     * a worker that saw none could leave a pool that shuts down. */
    n = move_to_deque(injector, deque, moved, n);
    if (first)
        remove_count(injector, n + 1);
    pthread_mutex_unlock(&injector->mutex);
    WEIR__POINT("injector.popped");
    return first;
}

void weir__injector_put_back(struct weir__injector *injector, struct weir_task *task) {
    pthread_mutex_lock(&injector->mutex);
    link_first(band_of(injector, task), task);
    weir__task_set_place(task, (uintptr_t)injector);
    publish_count(injector, 1);
    pthread_mutex_unlock(&injector->mutex);
}

struct weir_task *weir__injector_harvest(struct weir__injector *injector, struct weir_task *rest) {
    for (uint32_t i = injector->bands_count; i-- > 0;) {
        struct weir__injector_band *band = &injector->bands[i];
        if (!band->tail)
            continue;
        band->tail->weir__next = rest;
        rest = band->head;
        band->head = band->tail = NULL;
    }
    atomic_store_explicit(&injector->count, 0, memory_order_relaxed);
    atomic_store_explicit(&injector->accepted, 0, memory_order_relaxed);
    return rest;
}

bool weir__injector_remove(struct weir__injector *injector, struct weir_task *task) {
    pthread_mutex_lock(&injector->mutex);
    bool here =
        atomic_load_explicit(&task->weir__place, memory_order_relaxed) == (uintptr_t)injector;
    if (here) {
        unlink_task(band_of(injector, task), task);
        weir__task_set_place(task, WEIR__PLACE_NONE);
        remove_count(injector, 1);
    }
    pthread_mutex_unlock(&injector->mutex);
    return here;
}

void weir__injector_close(struct weir__injector *injector) {
    pthread_mutex_lock(&injector->mutex);
    atomic_store_explicit(&injector->closed, true, memory_order_seq_cst);
    pthread_mutex_unlock(&injector->mutex);
}

void weir__injector_ran_dry(struct weir__injector *injector) {
    for (uint32_t i = 0; i < injector->bands_count; i++)
        weir__age_expect(&injector->bands[i].age);
}

uint64_t weir__injector_oldest_ns(struct weir__injector *injector) {
    uint64_t oldest_ns = 0;

    if (weir__injector_count(injector) == 0)
        return 0;
    pthread_mutex_lock(&injector->mutex);
    for (uint32_t i = 0; i < injector->bands_count; i++) {
        struct weir__injector_band *band = &injector->bands[i];
        if (!band->head)
            continue;
        uint64_t stamp_ns =
            atomic_load_explicit(&band->head->weir__queued_ns, memory_order_relaxed);
        if (stamp_ns == 0)
            stamp_ns = atomic_load_explicit(&band->passed_ns, memory_order_relaxed);
        uint64_t age_ns = stamp_ns ? weir__age_since(stamp_ns) : 0;
        oldest_ns = age_ns > oldest_ns ? age_ns : oldest_ns;
    }
    pthread_mutex_unlock(&injector->mutex);
    return oldest_ns;
}
