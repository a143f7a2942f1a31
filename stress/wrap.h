/*
 * Wrapped calls of a subject that is built from source: `-Wl,--wrap` leads its locks, condition
 * variables, threads, memory and system calls to wrappers.c, where a delay may come before and
 * after the real call, and the call may be made to fail.
 */
#ifndef STRESS_WRAP_H
#define STRESS_WRAP_H

#include <stdbool.h>
#include <stdint.h>

/* What the harness gives to the wrappers. */
struct wrap_hooks {
    void (*point)(const char *name);
    bool (*fault)(int site, const char *call, const void *where); /* fault_at of fault.h */
    int64_t (*clock_offset)(void);
    void (*atomic)(const char *name); /* as point, for what comes a thousand times as often */
};

/* Inside the subject: those that were given, or NULL. Set before the pool's first thread. */
extern const struct wrap_hooks *wrap_hooks_now;

/* Where a wrapped subject takes them; exported by wrappers.c inside the subject. */
#define WRAP_CONNECT "weir_stress_wrap_connect"

/* A symbol that a loaded subject exports, or NULL. */
void *wrap_symbol(const char *subject_path, const char *name);

/* Gives the hooks to a loaded subject that was built with the wrappers. False: it was not. */
bool wrap_connect(const char *subject_path, const struct wrap_hooks *hooks);

#endif
