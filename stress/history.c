#include "stress/history.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool history_init(struct history *h, size_t room) {
    h->ops = malloc((room != 0 ? room : 1) * sizeof(*h->ops));
    h->count = 0;
    h->room = h->ops != NULL ? room : 0;
    if (h->ops != NULL) {
        memset(h->ops, 0, room * sizeof(*h->ops)); /* no page fault while recording */
    }
    return h->ops != NULL;
}

void history_fini(struct history *h) {
    free(h->ops);
    h->ops = NULL;
}

struct history_op *history_merge(const struct history *logs, size_t n, size_t *count) {
    size_t sum = 0;
    for (size_t i = 0; i < n; i++) {
        sum += logs[i].count;
    }
    struct history_op *all = malloc((sum != 0 ? sum : 1) * sizeof(*all));
    *count = 0;
    for (size_t i = 0; i < n && all != NULL; i++) {
        memcpy(all + *count, logs[i].ops, logs[i].count * sizeof(*all));
        *count += logs[i].count;
    }
    return all;
}

__attribute__((format(printf, 2, 3))) static bool wrong(char why[HISTORY_WHY], const char *format,
                                                        ...) {
    va_list args;
    va_start(args, format);
    vsnprintf(why, HISTORY_WHY, format, args);
    va_end(args);
    return false;
}

/* ---- Sorting ---- */

struct entry {
    uint64_t key;
    size_t index;
};

/* Least digit first, so equal keys keep their order; digits that all keys share cost one look. */
static void sort(struct entry *entries, struct entry *spare, size_t n) {
    for (unsigned shift = 0; shift < 64; shift += 8) {
        size_t count[256] = {0}, sum = 0;
        for (size_t i = 0; i < n; i++) {
            count[entries[i].key >> shift & 255]++;
        }
        if (n == 0 || count[entries[0].key >> shift & 255] == n) {
            continue;
        }
        for (unsigned digit = 0; digit < 256; digit++) {
            size_t here = count[digit];
            count[digit] = sum;
            sum += here;
        }
        for (size_t i = 0; i < n; i++) {
            spare[count[entries[i].key >> shift & 255]++] = entries[i];
        }
        memcpy(entries, spare, n * sizeof(*entries));
    }
}

/* ---- FIFO ---- */

/* One value's way. Without a GET it is inside for ever. */
struct item {
    uint64_t value;
    uint64_t put_from, put_to, get_from, get_to;
    bool got;
};

struct fifo {
    struct item *items;
    size_t count;
    struct entry *by, *spare, *other;
};

static bool fifo_init(struct fifo *f, size_t n) {
    n = n != 0 ? n : 1;
    f->items = malloc(n * sizeof(*f->items));
    f->by = malloc(n * sizeof(*f->by));
    f->spare = malloc(n * sizeof(*f->spare));
    f->other = malloc(n * sizeof(*f->other));
    f->count = 0;
    return f->items != NULL && f->by != NULL && f->spare != NULL && f->other != NULL;
}

static void fifo_fini(struct fifo *f) {
    free(f->items);
    free(f->by);
    free(f->spare);
    free(f->other);
}

/* The operations of one value: one PUT, at most one GET, which does not end before the PUT began.
 */
static bool add_item(struct fifo *f, const struct history_op *ops, const struct entry *group,
                     size_t n, char *why) {
    const struct history_op *put = NULL, *get = NULL;
    unsigned long long value = ops[group[0].index].value;
    for (size_t i = 0; i < n; i++) {
        const struct history_op *op = &ops[group[i].index];
        const struct history_op **place = op->kind == HISTORY_PUT ? &put : &get;
        if (*place != NULL) {
            return wrong(why, "value %llu %s twice", value,
                         op->kind == HISTORY_PUT ? "went in" : "came out");
        }
        *place = op;
    }
    if (put == NULL) {
        return wrong(why, "value %llu came out, and never went in", value);
    }
    if (get != NULL && get->to < put->from) {
        return wrong(why, "value %llu came out before it went in", value);
    }
    f->items[f->count++] = (struct item){.value = value,
                                         .put_from = put->from,
                                         .put_to = put->to,
                                         .get_from = get != NULL ? get->from : UINT64_MAX,
                                         .get_to = get != NULL ? get->to : UINT64_MAX,
                                         .got = get != NULL};
    return true;
}

static bool make_items(struct fifo *f, const struct history_op *ops, size_t n, char *why) {
    size_t m = 0;
    for (size_t i = 0; i < n; i++) {
        if (ops[i].kind == HISTORY_PUT || ops[i].kind == HISTORY_GET) {
            f->by[m++] = (struct entry){ops[i].value, i};
        }
    }
    sort(f->by, f->spare, m);
    for (size_t i = 0, end; i < m; i = end) {
        for (end = i + 1; end < m && f->by[end].key == f->by[i].key;) {
            end++;
        }
        if (!add_item(f, ops, f->by + i, end - i, why)) {
            return false;
        }
    }
    return true;
}

/* No value may come out before one that had gone in before it went in begins to come out. In the
 * order in which values begin to go in, those that had gone in before are a growing set; the one
 * of them that begins to come out last decides. */
static bool check_order(struct fifo *f, char *why) {
    const struct item *last = NULL;
    for (size_t i = 0; i < f->count; i++) {
        f->by[i] = (struct entry){f->items[i].put_from, i};
        f->other[i] = (struct entry){f->items[i].put_to, i};
    }
    sort(f->by, f->spare, f->count);
    sort(f->other, f->spare, f->count);
    for (size_t i = 0, in = 0; i < f->count; i++) {
        const struct item *b = &f->items[f->by[i].index];
        for (; in < f->count && f->other[in].key < b->put_from; in++) {
            const struct item *a = &f->items[f->other[in].index];
            last = last == NULL || a->get_from > last->get_from ? a : last;
        }
        if (b->got && last != NULL && last->get_from > b->get_to) {
            return wrong(why, "value %llu went in before value %llu, and came out after it%s",
                         (unsigned long long)last->value, (unsigned long long)b->value,
                         last->got ? "" : " or not at all");
        }
    }
    return true;
}

/* Merges the times at which something is certainly inside; leaves them in other, as start and
 * end. */
static size_t merge_inside(struct fifo *f) {
    size_t n = 0, merged = 0;
    for (size_t i = 0; i < f->count; i++) {
        if (f->items[i].put_to < f->items[i].get_from) {
            f->by[n++] = (struct entry){f->items[i].put_to, i};
        }
    }
    sort(f->by, f->spare, n);
    for (size_t i = 0; i < n; i++) {
        uint64_t end = f->items[f->by[i].index].get_from;
        if (merged != 0 && f->by[i].key < (uint64_t)f->other[merged - 1].index) {
            struct entry *whole = &f->other[merged - 1];
            whole->index = end > whole->index ? (size_t)end : whole->index;
        } else {
            f->other[merged++] = (struct entry){f->by[i].key, (size_t)end};
        }
    }
    return merged;
}

/* A get may find nothing only if at some moment of it nothing was certainly inside. */
static bool check_empty(struct fifo *f, const struct history_op *ops, size_t n, char *why) {
    size_t merged = merge_inside(f);
    for (size_t i = 0; i < n; i++) {
        size_t low = 0, high = merged;
        if (ops[i].kind != HISTORY_EMPTY) {
            continue;
        }
        while (low < high) { /* the last whole that starts before the look */
            size_t middle = (low + high) / 2;
            if (f->other[middle].key < ops[i].from) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        if (low != 0 && ops[i].to < (uint64_t)f->other[low - 1].index) {
            return wrong(why, "a look found nothing, though something was inside all the time");
        }
    }
    return true;
}

bool history_check_fifo(const struct history_op *ops, size_t n, char why[HISTORY_WHY]) {
    _Static_assert(sizeof(size_t) == sizeof(uint64_t), "an index also holds a time");
    struct fifo f;
    bool right = fifo_init(&f, n) ? make_items(&f, ops, n, why) && check_order(&f, why) &&
                                        check_empty(&f, ops, n, why)
                                  : wrong(why, "no memory to check");
    fifo_fini(&f);
    return right;
}

/* ---- Futures ---- */

/* Between the latest begin of what comes before the value and the earliest end of what comes after
 * it there must be a moment at which it was set. */
struct settled {
    const struct history_op *set;
    uint64_t earliest, latest;
    bool seen;
};

static bool look_at(struct settled *s, const struct history_op *op, char *why) {
    unsigned long long key = op->key;
    if (op->kind == HISTORY_SET && s->set != NULL) {
        return wrong(why, "future %llu was set twice", key);
    }
    if (op->kind == HISTORY_SET) {
        s->set = op;
    }
    if (op->kind == HISTORY_SET || op->kind == HISTORY_PENDING) {
        s->earliest = op->from > s->earliest ? op->from : s->earliest;
    }
    if (op->kind != HISTORY_PENDING) {
        s->latest = op->to < s->latest ? op->to : s->latest;
        s->seen = true;
    }
    return true;
}

static bool check_future(const struct history_op *ops, const struct entry *group, size_t n,
                         char *why) {
    struct settled s = {.latest = UINT64_MAX};
    unsigned long long key = ops[group[0].index].key;
    for (size_t i = 0; i < n; i++) {
        if (!look_at(&s, &ops[group[i].index], why)) {
            return false;
        }
    }
    if (s.seen && s.set == NULL) {
        return wrong(why, "future %llu has a value that nobody set", key);
    }
    for (size_t i = 0; i < n; i++) {
        const struct history_op *op = &ops[group[i].index];
        if (op->kind == HISTORY_READ && op->value != s.set->value) {
            return wrong(why, "future %llu was set to %llu and read as %llu", key,
                         (unsigned long long)s.set->value, (unsigned long long)op->value);
        }
    }
    return s.earliest <= s.latest ||
           wrong(why, "future %llu was seen unset after it was seen set, or read before its set",
                 key);
}

bool history_check_futures(const struct history_op *ops, size_t n, char why[HISTORY_WHY]) {
    struct entry *by = malloc((n != 0 ? n : 1) * sizeof(*by));
    struct entry *spare = malloc((n != 0 ? n : 1) * sizeof(*spare));
    bool right = by != NULL && spare != NULL;
    if (!right) {
        wrong(why, "no memory to check");
    }
    for (size_t i = 0; right && i < n; i++) {
        by[i] = (struct entry){ops[i].key, i};
    }
    if (right) {
        sort(by, spare, n);
    }
    for (size_t i = 0, end; right && i < n; i = end) {
        for (end = i + 1; end < n && by[end].key == by[i].key;) {
            end++;
        }
        right = check_future(ops, by + i, end - i, why);
    }
    free(by);
    free(spare);
    return right;
}
