/*
 * The pools that can be measured: plug-ins beside weir-bench, programs under bench/subjects, and
 * those that the user names. Each is asked what it is in a process of its own, so that one that
 * crashes when it is loaded harms nothing.
 */
#ifndef WEIR_CAMPAIGN_SUBJECTS_H
#define WEIR_CAMPAIGN_SUBJECTS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SUBJECT_ARGS_MAX 6

/* A file is another when its place, length or time is, and its content as well. */
struct file_identity {
    bool known;
    uint64_t inode, size, mtime_ns;
    uint64_t digest;
};

struct subject {
    char *name;
    char *path;                       /* as the user gave it; NULL for a known one */
    char *plugin;                     /* path of the shared object; NULL for a program */
    char *argv[SUBJECT_ARGS_MAX + 1]; /* of the program that measures a cell */
    json_t *description;              /* NULL: absent */
    char *absent;                     /* why, when it is */
    const char *package;              /* that would bring it, or NULL */
    uint64_t startup_ns;              /* what a process costs beyond its measurement */
    struct file_identity identity;    /* of the plug-in, when the run began */
};

struct subject_list {
    size_t n;
    struct subject *items;
};

/* Finds all known subjects, absent ones included. cancel_fd as in spawn.h. */
void subjects_find(struct subject_list *list, int cancel_fd);
/* Adds a plug-in ("./my.so") or a program of the user; NULL, or one line that says what is wrong
 * (the caller frees it). */
char *subjects_add(struct subject_list *list, const char *path, int cancel_fd);
/* The same for all that the plan of an earlier run names and that are not there. */
char *subjects_add_planned(struct subject_list *list, const json_t *plan, int cancel_fd);
void subjects_free(struct subject_list *list);

size_t subject_variants(const struct subject *subject);
const char *subject_variant(const struct subject *subject, size_t i);
/* What a program need not be asked, since its description rules it out; NULL: it is asked. */
const char *subject_refuses(const struct subject *subject, const json_t *cell);
/* False when its own description rules the workload, or the pattern of a wait, out. */
bool subject_supports(const struct subject *subject, size_t variant, const json_t *cell);
/* True when the plug-in is not the file any more that it was when it was found. */
bool subject_has_changed(struct subject_list *list, size_t subject);
bool subject_is_program(const struct subject *subject);
/* No pool: the number of workers has no meaning. */
bool subject_has_no_workers(const struct subject *subject);
/* "weir:stealing", or "glib" for a default variant. The caller frees it. */
char *subject_label(const struct subject *subject, size_t variant);

/*
 * Resolves "name" or "name:variant". variant is SIZE_MAX when none was given. NULL, or one line
 * with the nearest valid name.
 */
char *subjects_resolve(const struct subject_list *list, const char *what, size_t *subject,
                       size_t *variant);

/* The hidden command `describe PLUGIN`: prints the description of a plug-in as JSON. */
int describe_main(int argc, char **argv);

#endif
