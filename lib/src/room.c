#include "room.h"

#include "platform/futex.h"
#include "platform/point.h"

void weir__room_init(struct weir__room *room, size_t limit) {
    room->limit = limit;
    atomic_init(&room->queued, 0);
    atomic_init(&room->waiters, 0);
    atomic_init(&room->moves, 0);
}

size_t weir__room_try(struct weir__room *room, size_t n) {
    if (room->limit == 0)
        return n;
    size_t queued = atomic_load_explicit(&room->queued, memory_order_seq_cst);
    size_t got;
    do {
        if (queued >= room->limit)
            return 0;
        got = room->limit - queued < n ? room->limit - queued : n;
    } while (!atomic_compare_exchange_weak_explicit(&room->queued, &queued, queued + got,
                                                    memory_order_seq_cst, memory_order_seq_cst));
    return got;
}

void weir__room_enter(struct weir__room *room) {
    atomic_fetch_add_explicit(&room->waiters, 1, memory_order_seq_cst);
    WEIR__POINT("room.enter");
}

void weir__room_leave(struct weir__room *room) {
    atomic_fetch_sub_explicit(&room->waiters, 1, memory_order_relaxed);
}

int weir__room_wait(struct weir__room *room, uint32_t expected, uint64_t deadline_ns) {
    return weir__futex_wait(&room->moves, expected, deadline_ns);
}

void weir__room_return(struct weir__room *room, size_t n) {
    if (room->limit == 0 || n == 0)
        return;
    atomic_fetch_sub_explicit(&room->queued, n, memory_order_seq_cst);
    WEIR__POINT("room.return");
    weir__room_tell(room, n);
}

void weir__room_tell(struct weir__room *room, size_t n) {
    if (atomic_load_explicit(&room->waiters, memory_order_seq_cst) == 0)
        return;
    atomic_fetch_add_explicit(&room->moves, 1, memory_order_release);
    while (n-- > 0)
        weir__futex_wake_one(&room->moves);
}

void weir__room_wake_all(struct weir__room *room) {
    atomic_fetch_add_explicit(&room->moves, 1, memory_order_release);
    weir__futex_wake_all(&room->moves);
}
