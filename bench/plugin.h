/*
 * Loading a pool under test, and looking hard at its table before anything calls through it.
 */
#ifndef WEIR_BENCH_PLUGIN_H
#define WEIR_BENCH_PLUGIN_H

#include <stdbool.h>
#include <stddef.h>

#include "bench/subject.h"

#define PLUGIN_ERROR_SIZE 512

/*
 * Plug-ins are loaded and checked by one thread.
 *
 * Opens the shared object and checks its table. 0, or a negative errno with one line in error
 * (PLUGIN_ERROR_SIZE bytes) that says what is wrong: -ENOENT no such file, -ENOEXEC not a shared
 * object that can be loaded, -ENOSYS no weir_subject in it, -EINVAL the table is not usable.
 *
 * The object stays loaded until the process ends: threads of the pool may still be leaving it.
 */
int plugin_load(const char *path, const struct weir_subject **out, char *error);

/*
 * The same check for a subject that is linked into the program; from names it in error. Operations
 * that are newer than the table (its size is smaller) come out as NULL.
 */
int plugin_check(const struct weir_subject *subject, const char *from,
                 const struct weir_subject **out, char *error);

/* True when the subject has the variant; every subject without a list has "default". */
bool plugin_has_variant(const struct weir_subject *subject, const char *name);

/* The capabilities of a variant: those of the subject without what the variant lacks. */
uint32_t plugin_capabilities(const struct weir_subject *subject, const char *variant);

/* The settings of a variant in words, or those of the subject where it has no variants. */
const char *plugin_settings(const struct weir_subject *subject, const char *variant);
/* In which order one producer's tasks start: "fifo" or "any". */
const char *plugin_order(uint32_t capabilities);
/* What a full queue does to who submits: it "grows", the submitter "waits", the pool "rejects" (the
 * harness then tries again, and counts it), or the "caller runs" tasks itself. */
const char *plugin_when_full(const struct weir_subject *subject, uint32_t capabilities,
                             size_t capacity);

#endif
