/* Gate: holds tasks until it opens, and tells how many are inside. */
#ifndef STRESS_GATE_H
#define STRESS_GATE_H

#include <pthread.h>
#include <stdbool.h>

/* For scenarios that a subject brings. */
#pragma GCC visibility push(default)

struct gate {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool open;
    unsigned inside;
};

void gate_init(struct gate *g);
void gate_fini(struct gate *g);
void gate_pass(struct gate *g); /* waits until it is open */
void gate_open(struct gate *g);
void gate_await_inside(struct gate *g, unsigned n); /* until n have reached it */

#pragma GCC visibility pop

#endif
