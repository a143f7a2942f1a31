/*
 * A run on disk: a directory with run.json and samples.jsonl.
 *
 * samples.jsonl only grows, by one write() a line: whatever kills the program, the file holds
 * whole lines and at most one torn one at its end, which the next opening cuts off. run.json is
 * replaced as a whole by renaming.
 */
#ifndef WEIR_CAMPAIGN_STORE_H
#define WEIR_CAMPAIGN_STORE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

struct store {
    char *directory;
    char *name; /* last part of the directory */
    char *samples_path;
    int fd;
    char *error; /* one line about the last failure, or NULL */
};

/* Makes the directory, parents included. -EEXIST when it already holds a run. All functions
 * return 0 or a negative errno with store->error set; store_close is due in either case. */
int store_create(struct store *store, const char *directory);
/* Opens a run to go on with it. */
int store_reopen(struct store *store, const char *directory);
int store_append(struct store *store, const char *line); /* line without its newline */
/* Copies a file into a folder of the run, under name and suffix. *error as below. */
int store_keep_file(const struct store *store, const char *folder, const char *name,
                    const char *suffix, const char *from, char **error);
int store_write_meta(struct store *store, const json_t *meta);
/* now.json: what is being measured, for `top`; NULL removes it. Failing is no failure: the samples
 * do not depend on it. */
void store_write_now(const struct store *store, const json_t *now);
void store_close(struct store *store);

/* Writes text to path as a whole, by a temporary name beside it. *error as above. */
int store_replace_file(const char *path, const char *content, char **error);

#endif
