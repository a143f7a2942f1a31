#include "bench/measure/work.h"

#include <math.h>
#include <stdlib.h>

#include "bench/measure/clock.h"

#define SAMPLES     15
#define SAMPLE_NS   20000u   /* long against the clock, short against a time slice */
#define RAMP_NS     1000000u /* an idle CPU's frequency needs about this to rise */
#define SHORT_STEPS 16u
#define LONG_STEPS  8192u

__attribute__((noinline)) void work_do(uint64_t steps) {
    uint64_t x = steps | 1;
    for (uint64_t i = 0; i < steps; i++) {
        x = x * UINT64_C(6364136223846793005) + i;
        __asm__ volatile("" : "+r"(x));
    }
}

static int compare_doubles(const void *a, const void *b) {
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Nanoseconds of one work_do(steps), the median of samples long enough for the clock. */
static double measure_ns(uint64_t steps, unsigned calls) {
    double ns[SAMPLES];
    for (int i = 0; i < SAMPLES; i++) {
        uint64_t start = clock_now_ns();
        for (unsigned call = 0; call < calls; call++) {
            work_do(steps);
        }
        ns[i] = (double)(clock_now_ns() - start) / calls;
    }
    qsort(ns, SAMPLES, sizeof(ns[0]), compare_doubles);
    return ns[SAMPLES / 2];
}

void work_calibrate(struct work *work) {
    uint64_t ramped = clock_now_ns() + RAMP_NS;
    while (clock_now_ns() < ramped) {
        work_do(LONG_STEPS);
    }
    double long_ns = measure_ns(LONG_STEPS, 4);
    double short_ns = measure_ns(SHORT_STEPS, 512);
    work->step_ns = (long_ns - short_ns) / (LONG_STEPS - SHORT_STEPS);
    if (!(work->step_ns > 0.0)) {
        work->step_ns = long_ns / LONG_STEPS; /* disturbed; work_error will tell */
    }
    work->call_ns = fmax(0.0, short_ns - SHORT_STEPS * work->step_ns);
}

uint64_t work_steps(const struct work *work, uint64_t ns) {
    double rest = (double)ns - work->call_ns;
    return rest <= 0.0 ? 0 : (uint64_t)(rest / work->step_ns + 0.5);
}

double work_error(const struct work *work, uint64_t ns) {
    if (ns == 0) {
        return 0.0;
    }
    unsigned calls = ns >= SAMPLE_NS ? 1 : (unsigned)(SAMPLE_NS / ns);
    double reading_ns = clock_cost_ns() / calls;
    double measured = measure_ns(work_steps(work, ns), calls) - reading_ns;
    return fabs(measured - (double)ns) / (double)ns;
}
