#include <weir/queue.h>

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

#include "platform/condition.h"
#include "platform/point.h"

/* An unbounded queue starts with this many slots and doubles. */
#define SLOTS_FIRST ((size_t)64)

struct weir_queue {
    pthread_mutex_t mutex;
    struct weir__condition not_empty;
    struct weir__condition not_full;
    void **slots;
    size_t slots_count; /* a power of two */
    size_t head;        /* absolute position of the oldest item; slot = position mod count */
    size_t size;
    size_t capacity; /* 0: no bound */
    bool closed;
};

static size_t power_of_two_from(size_t n) {
    size_t power = 1;

    while (power < n)
        power *= 2;
    return power;
}

int weir_queue_new(struct weir_queue **out, size_t capacity) {
    if (!out || capacity > SIZE_MAX / (4 * sizeof(void *)))
        return -EINVAL;
    struct weir_queue *queue = calloc(1, sizeof *queue);
    if (!queue)
        return -ENOMEM;
    queue->slots_count = power_of_two_from(capacity ? capacity : SLOTS_FIRST);
    queue->slots = malloc(queue->slots_count * sizeof *queue->slots);
    if (!queue->slots) {
        free(queue);
        return -ENOMEM;
    }
    queue->capacity = capacity;
    pthread_mutex_init(&queue->mutex, NULL);
    *out = queue;
    return 0;
}

void weir_queue_free(struct weir_queue *queue) {
    if (!queue)
        return;
    pthread_mutex_destroy(&queue->mutex);
    free(queue->slots);
    free(queue);
}

static void **slot_at(struct weir_queue *queue, size_t position) {
    return &queue->slots[position & (queue->slots_count - 1)];
}

static int grow(struct weir_queue *queue) {
    size_t count = queue->slots_count * 2;
    void **slots = malloc(count * sizeof *slots);

    if (!slots)
        return -ENOMEM;
    for (size_t i = 0; i < queue->size; i++)
        slots[i] = *slot_at(queue, queue->head + i);
    free(queue->slots);
    queue->slots = slots;
    queue->slots_count = count;
    queue->head = 0;
    return 0;
}

/* Waits, with the mutex held, until there is room. */
static int await_room(struct weir_queue *queue, uint64_t deadline_ns) {
    for (int late = 0;;) {
        if (queue->closed)
            return -EPIPE;
        if (queue->capacity == 0)
            return queue->size == queue->slots_count ? grow(queue) : 0;
        if (queue->size < queue->capacity)
            return 0;
        if (deadline_ns == WEIR_NOW)
            return -EAGAIN;
        if (late)
            return late;
        late = weir__condition_wait(&queue->not_full, &queue->mutex, deadline_ns);
    }
}

/* Waits, with the mutex held, until there is an item. */
static int await_item(struct weir_queue *queue, uint64_t deadline_ns) {
    for (int late = 0; queue->size == 0;) {
        if (queue->closed)
            return -EPIPE;
        if (deadline_ns == WEIR_NOW)
            return -EAGAIN;
        if (late)
            return late;
        late = weir__condition_wait(&queue->not_empty, &queue->mutex, deadline_ns);
    }
    return 0;
}

static int put_one(struct weir_queue *queue, void *item, uint64_t deadline_ns) {
    if (!item)
        return -EINVAL;
    int rc = await_room(queue, deadline_ns);
    if (rc)
        return rc;
    *slot_at(queue, queue->head + queue->size++) = item;
    /* One signal an item: signalling only when the queue was empty would leave a second getter
     * asleep beside a second item. */
    weir__condition_signal(&queue->not_empty);
    return 0;
}

static void *get_one(struct weir_queue *queue) {
    void *item = *slot_at(queue, queue->head++);

    queue->size--;
    weir__condition_signal(&queue->not_full);
    return item;
}

int weir_queue_put(struct weir_queue *queue, void *item, uint64_t deadline_ns) {
    if (!queue)
        return -EINVAL;
    WEIR__POINT("queue.put");
    pthread_mutex_lock(&queue->mutex);
    int rc = put_one(queue, item, deadline_ns);
    pthread_mutex_unlock(&queue->mutex);
    return rc;
}

ptrdiff_t weir_queue_put_batch(struct weir_queue *queue, void *const *items, size_t n,
                               uint64_t deadline_ns) {
    size_t done = 0;
    int rc = 0;

    if (!queue || (!items && n) || n > PTRDIFF_MAX)
        return -EINVAL;
    pthread_mutex_lock(&queue->mutex);
    while (done < n && (rc = put_one(queue, items[done], deadline_ns)) == 0)
        done++;
    pthread_mutex_unlock(&queue->mutex);
    return done || !rc ? (ptrdiff_t)done : rc;
}

int weir_queue_get(struct weir_queue *queue, void **item, uint64_t deadline_ns) {
    if (!queue || !item)
        return -EINVAL;
    WEIR__POINT("queue.get");
    pthread_mutex_lock(&queue->mutex);
    int rc = await_item(queue, deadline_ns);
    if (rc == 0)
        *item = get_one(queue);
    pthread_mutex_unlock(&queue->mutex);
    return rc;
}

ptrdiff_t weir_queue_get_batch(struct weir_queue *queue, void **items, size_t n,
                               uint64_t deadline_ns) {
    size_t done = 0;

    if (!queue || (!items && n) || n > PTRDIFF_MAX)
        return -EINVAL;
    if (n == 0)
        return 0;
    pthread_mutex_lock(&queue->mutex);
    int rc = await_item(queue, deadline_ns);
    while (rc == 0 && done < n && queue->size > 0)
        items[done++] = get_one(queue);
    pthread_mutex_unlock(&queue->mutex);
    return rc ? rc : (ptrdiff_t)done;
}

size_t weir_queue_size(struct weir_queue *queue) {
    if (!queue)
        return 0;
    pthread_mutex_lock(&queue->mutex);
    size_t size = queue->size;
    pthread_mutex_unlock(&queue->mutex);
    return size;
}

void weir_queue_close(struct weir_queue *queue) {
    if (!queue)
        return;
    pthread_mutex_lock(&queue->mutex);
    queue->closed = true;
    weir__condition_broadcast(&queue->not_empty);
    weir__condition_broadcast(&queue->not_full);
    pthread_mutex_unlock(&queue->mutex);
}
