/*
 * Where the samples of a run lie: samples.jsonl, as a run writes it, or samples.jsonl.gz, as one
 * keeps it. The plain file comes first when both are there.
 */
#ifndef WEIR_ANALYSE_SAMPLES_FILE_H
#define WEIR_ANALYSE_SAMPLES_FILE_H

#include <stdbool.h>
#include <stdio.h>

/* Whether the directory holds either. */
bool samples_file_exists(const char *directory);

/* Opens it for reading; *path, which the caller frees, names the file, also when it cannot be
 * opened: then NULL with errno. */
FILE *samples_file_open(const char *directory, char **path);

#endif
