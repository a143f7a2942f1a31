/* The record of a cell: filled in while it runs, printed once as one line of JSON. */
#ifndef WEIR_BENCH_CELL_RECORD_H
#define WEIR_BENCH_CELL_RECORD_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "bench/measure/histogram.h"
#include "bench/subject.h"

enum cell_status {
    CELL_OK,
    CELL_UNSUPPORTED, /* the pool does not offer it */
    CELL_INVALID,     /* it ran, and the figures mean nothing */
    CELL_FAILED,      /* the pool broke a promise */
};

struct cell_record {
    enum cell_status status;
    char reason[512];
    const struct weir_subject *subject; /* may be NULL */
    json_t *config;
    json_t *values;
    json_t *hist;
    json_t *machine;
    json_t *validity;
    uint64_t wall_ns;
    uint64_t tasks;
    uint64_t cpu_ns;
    uint64_t csw;
};

/* false: no memory. */
bool cell_record_init(struct cell_record *record, const struct weir_subject *subject);
void cell_record_fini(struct cell_record *record);

/* Sets status and reason; the first one stays, except that FAILED replaces any other. */
void cell_record_end(struct cell_record *record, enum cell_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Adds a doubt about the figures; one that begins with INVALID ends the record so. */
void cell_record_doubt(struct cell_record *record, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Figures that are not finite are left out. */
void cell_record_value(struct cell_record *record, const char *name, double value);
void cell_record_histogram(struct cell_record *record, const char *name,
                           const struct histogram *histogram);

/* Writes the line to a file descriptor: 0 or a negative errno. */
int cell_record_print(const struct cell_record *record, int fd);

#endif
