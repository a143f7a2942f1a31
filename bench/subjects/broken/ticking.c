/* Correct, but it does not rest: a thread of its own uses 100 us of CPU time in each 100 ms, a
 * thousandth of a CPU. */
#include "bench/subjects/broken/tiny.h"

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#define PERIOD_NS 100000000
#define BUSY_NS   100000

static pthread_t ticker;
static atomic_bool stop;
static struct weir_subject table;
static const struct weir_subject *tiny;

static int64_t cpu_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void *tick(void *arg) {
    (void)arg;
    while (!atomic_load_explicit(&stop, memory_order_relaxed)) {
        const struct timespec period = {.tv_nsec = PERIOD_NS};
        int64_t end_ns = cpu_ns() + BUSY_NS;
        while (cpu_ns() < end_ns) {
        }
        nanosleep(&period, NULL);
    }
    return NULL;
}

static int open_ticking(const struct weir_subject_config *config, void **pool) {
    int error = tiny->open(config, pool);
    if (error == 0) {
        atomic_store_explicit(&stop, false, memory_order_relaxed);
        error = -pthread_create(&ticker, NULL, tick, NULL);
    }
    return error;
}

static int close_ticking(void *pool) {
    atomic_store_explicit(&stop, true, memory_order_relaxed);
    pthread_join(ticker, NULL);
    return tiny->close(pool);
}

const struct weir_subject *weir_subject(void) {
    tiny = tiny_subject("ticking", NULL);
    table = *tiny;
    table.open = open_ticking;
    table.close = close_ticking;
    return &table;
}
