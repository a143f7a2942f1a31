/*
 * Wrapped pthread calls of a subject that is built from source: `-Wl,--wrap` leads its locks and
 * condition variables here, where a delay may come before and after the real call.
 */
#ifndef STRESS_WRAP_H
#define STRESS_WRAP_H

/* Where a wrapped subject finds the hook; exported by wrap.c inside the subject. */
#define WRAP_CONNECT "weir_stress_wrap_connect"

/* A symbol that a loaded subject exports, or NULL. */
void *wrap_symbol(const char *subject_path, const char *name);

/* Gives the hook to a loaded subject that was built with the wrappers; else does nothing. */
void wrap_connect(const char *subject_path, void (*hook)(const char *point));

#endif
