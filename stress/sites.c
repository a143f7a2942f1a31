#include "stress/sites.h"

#include <ctype.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

/* A command of binutils on the subject, its errors dropped; NULL when it cannot be started. */
static FILE *ask_about(const struct run *run, const char *command, uint64_t address) {
    char line[PATH_MAX + 128], at[24] = "";
    const char *subject = run->order->settings.subject;
    if (strchr(subject, '\'') != NULL) {
        return NULL;
    }
    if (address != 0) {
        snprintf(at, sizeof(at), " 0x%llx", (unsigned long long)address);
    }
    snprintf(line, sizeof(line), "%s '%s'%s 2>/dev/null", command, subject, at);
    return popen(line, "r");
}

/* The function that an offset into the subject lies in, the outermost where some are inlined; "?"
 * without binutils. */
static void name_place(const struct run *run, uint64_t offset, char *name, size_t size) {
    char function[128], place[PATH_MAX + 32];
    snprintf(name, size, "?");
    FILE *pipe = ask_about(run, "addr2line -f -i -e", offset - 1);
    while (pipe != NULL && fgets(function, sizeof(function), pipe) != NULL &&
           fgets(place, sizeof(place), pipe) != NULL) {
        snprintf(name, size, "%.*s", (int)strcspn(function, "\n"), function);
    }
    if (pipe != NULL) {
        pclose(pipe);
    }
}

static unsigned print_visited(FILE *out, const struct run *run) {
    unsigned n = 0;
    for (unsigned i = 0; i < BOARD_SITES; i++) {
        const struct board_site *s = &run->board->sites[i];
        uint64_t visits = atomic_load_explicit(&s->visits, memory_order_relaxed);
        char place[48];
        if (visits == 0) {
            continue;
        }
        name_place(run, atomic_load_explicit(&s->offset, memory_order_relaxed), place,
                   sizeof(place));
        fprintf(out, "%s %s in %s %llu/%llu", n++ == 0 ? "  sites (made to fail/visited):" : ",",
                s->call, place,
                (unsigned long long)atomic_load_explicit(&s->injected, memory_order_relaxed),
                (unsigned long long)visits);
    }
    fprintf(out, "%s", n != 0 ? "\n" : "");
    return n;
}

/* ---- Places that were not visited ----
 *
 * Found in the disassembly: calls of a wrapper that asks whether to fail. Whether a system call is
 * a futex's, and which clock is read, machine code does not show: these are not among them. */

static bool may_fail(const char *call) {
    static const char *const calls[] = {"malloc",
                                        "calloc",
                                        "realloc",
                                        "aligned_alloc",
                                        "pthread_create",
                                        "pthread_cond_wait",
                                        "pthread_cond_timedwait",
                                        "sem_wait"};
    for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
        if (strcmp(call, calls[i]) == 0) {
            return true;
        }
    }
    return false;
}

static bool was_visited(const struct board *board, uint64_t offset) {
    for (unsigned i = 0; i < BOARD_SITES; i++) {
        const struct board_site *s = &board->sites[i];
        if (atomic_load_explicit(&s->visits, memory_order_relaxed) != 0 &&
            atomic_load_explicit(&s->offset, memory_order_relaxed) == offset) {
            return true;
        }
    }
    return false;
}

struct reading {
    char function[64];
    char call[32]; /* of the line before; empty: it was no call that may fail */
    unsigned places, unvisited;
};

/* What stands between "<" and the next of the ends. */
static void copy_name(char *to, size_t size, const char *line, const char *ends) {
    const char *from = strchr(line, '<');
    snprintf(to, size, "%.*s", from != NULL ? (int)strcspn(from + 1, ends) : 0,
             from != NULL ? from + 1 : "");
}

static void read_line(FILE *out, const struct run *run, struct reading *r, const char *line) {
    char *end, name[64];
    uint64_t address = strtoull(line, &end, 16);
    if (end == line) {
        return;
    }
    if (*end == ' ') { /* 0000000000001234 <function>: */
        copy_name(r->function, sizeof(r->function), line, ">");
        return;
    }
    if (r->call[0] != '\0') { /* this instruction is the one that the call returns to */
        r->places++;
        if (!was_visited(run->board, address)) {
            fprintf(out, "%s %s in %s", r->unvisited++ == 0 ? "  sites not visited:" : ",", r->call,
                    r->function);
        }
        r->call[0] = '\0';
    }
    copy_name(name, sizeof(name), line, ">+@");
    if (strncmp(r->function, "__wrap_", 7) == 0) {
        return; /* a wrapper's own, which the compiler made of malloc and memset */
    }
    bool calls = strstr(line, "call") != NULL || strstr(line, "\tbl\t") != NULL;
    if (calls && strncmp(name, "__wrap_", 7) == 0 && may_fail(name + 7)) {
        snprintf(r->call, sizeof(r->call), "%.31s", name + 7);
    }
}

static void print_unvisited(FILE *out, const struct run *run) {
    char line[512];
    struct reading r = {.places = 0};
    FILE *pipe = ask_about(run, "objdump -d --no-show-raw-insn", 0);
    while (pipe != NULL && fgets(line, sizeof(line), pipe) != NULL) {
        if (line[0] == ' ' || isxdigit((unsigned char)line[0])) {
            read_line(out, run, &r, line);
        }
    }
    if (r.unvisited != 0) {
        fprintf(out, "; %u of %u\n", r.unvisited, r.places);
    } else if (r.places != 0) {
        fprintf(out, "  sites not visited: none of %u\n", r.places);
    }
    if (pipe != NULL) {
        pclose(pipe);
    }
}

void sites_print(FILE *out, const struct run *run) {
    if (print_visited(out, run) != 0) {
        print_unvisited(out, run);
    }
}
