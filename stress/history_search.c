/*
 * The general checker: tries every order that the times allow. Which operations have been placed
 * and what state they led to is remembered, so that no such pair is tried twice.
 */
#include "stress/history.h"

#include <stdlib.h>
#include <string.h>

/* What is inside, oldest first; of a future its value, once it is set. */
struct state {
    uint8_t count;
    uint8_t values[HISTORY_WINDOW + 1];
};

struct seen {
    uint64_t placed;
    struct state state;
};

struct search {
    struct history_op ops[HISTORY_WINDOW];
    size_t n;
    size_t capacity;
    struct seen *table; /* open addressing; an entry with nothing placed is free */
    size_t slots, used;
    bool no_memory;
};

/* ---- Models ---- */

static bool take_at(struct state *s, size_t place, uint64_t value) {
    if (s->count == 0 || s->values[place] != value) {
        return false;
    }
    memmove(&s->values[place], &s->values[place + 1], (size_t)s->count - place - 1);
    s->values[--s->count] = 0; /* equal states have equal bytes */
    return true;
}

static bool step(const struct search *search, struct state *s, const struct history_op *op) {
    switch (op->kind) {
    case HISTORY_PUT:
        if (search->capacity != 0 && s->count >= search->capacity) {
            return false;
        }
        s->values[s->count++] = (uint8_t)op->value;
        return true;
    case HISTORY_GET:
        return take_at(s, 0, op->value);
    case HISTORY_POP:
        return take_at(s, s->count != 0 ? s->count - 1u : 0u, op->value);
    case HISTORY_EMPTY:
        return s->count == 0;
    case HISTORY_FULL:
        return search->capacity != 0 && s->count >= search->capacity;
    case HISTORY_SET:
        s->values[0] = (uint8_t)op->value;
        return s->count++ == 0;
    case HISTORY_SET_LATE:
        return s->count != 0;
    case HISTORY_READ:
        return s->count != 0 && s->values[0] == op->value;
    default: /* HISTORY_PENDING */
        return s->count == 0;
    }
}

/* ---- Memory ---- */

static uint64_t hash_of(uint64_t placed, const struct state *s) {
    uint64_t hash = placed * UINT64_C(0x9e3779b97f4a7c15);
    for (unsigned i = 0; i < s->count; i++) {
        hash = (hash ^ s->values[i]) * UINT64_C(0x100000001b3);
    }
    return hash ^ (hash >> 29);
}

static struct seen *slot_for(struct seen *table, size_t slots, uint64_t placed,
                             const struct state *s) {
    size_t i = (size_t)hash_of(placed, s) & (slots - 1);
    while (table[i].placed != 0 &&
           (table[i].placed != placed || memcmp(&table[i].state, s, sizeof(*s)) != 0)) {
        i = (i + 1) & (slots - 1);
    }
    return &table[i];
}

static void grow(struct search *search) {
    size_t slots = search->slots != 0 ? 2 * search->slots : 1024;
    struct seen *table = calloc(slots, sizeof(*table));
    if (table == NULL) {
        search->no_memory = true;
        return;
    }
    for (size_t i = 0; i < search->slots; i++) {
        if (search->table[i].placed != 0) {
            *slot_for(table, slots, search->table[i].placed, &search->table[i].state) =
                search->table[i];
        }
    }
    free(search->table);
    search->table = table;
    search->slots = slots;
}

/* True when the pair is new. */
static bool remember(struct search *search, uint64_t placed, const struct state *s) {
    if (2 * search->used >= search->slots) {
        grow(search);
    }
    if (search->no_memory) {
        return true;
    }
    struct seen *slot = slot_for(search->table, search->slots, placed, s);
    if (slot->placed != 0) {
        return false;
    }
    *slot = (struct seen){placed, *s};
    search->used++;
    return true;
}

/* ---- Search ---- */

/* When the first of the operations that are left ends: no other may begin after that. */
static uint64_t first_end(const struct search *search, uint64_t placed) {
    uint64_t end = UINT64_MAX;
    for (size_t i = 0; i < search->n; i++) {
        if ((placed >> i & 1) == 0 && search->ops[i].to < end) {
            end = search->ops[i].to;
        }
    }
    return end;
}

static bool explain(struct search *search, uint64_t placed, const struct state *s) {
    if (placed == (UINT64_C(1) << search->n) - 1) {
        return true;
    }
    uint64_t end = first_end(search, placed);
    for (size_t i = 0; i < search->n; i++) {
        struct state next = *s;
        uint64_t with = placed | UINT64_C(1) << i;
        if (with != placed && search->ops[i].from <= end && step(search, &next, &search->ops[i]) &&
            remember(search, with, &next) && explain(search, with, &next)) {
            return true;
        }
    }
    return false;
}

/* Values become small numbers, equal ones the same. */
static void number_values(struct search *search) {
    uint64_t known[HISTORY_WINDOW];
    size_t count = 0;
    for (size_t i = 0; i < search->n; i++) {
        size_t number = 0;
        while (number < count && known[number] != search->ops[i].value) {
            number++;
        }
        if (number == count) {
            known[count++] = search->ops[i].value;
        }
        search->ops[i].value = number + 1;
    }
}

bool history_linearizable(const struct history_op *ops, size_t n, size_t capacity) {
    struct search search = {.n = n, .capacity = capacity};
    struct state empty = {0};
    if (n > HISTORY_WINDOW) {
        return false;
    }
    memcpy(search.ops, ops, n * sizeof(*ops));
    number_values(&search);
    bool right = explain(&search, 0, &empty);
    free(search.table);
    return right;
}
