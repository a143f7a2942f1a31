#include "bench/measure/noise.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "bench/measure/cgroup.h"
#include "bench/measure/clock.h"

#define PERIOD_NS 10000000u

/* Below these nothing is said: the counters count in ticks of 10 ms, and no machine is ever quite
 * still. */
#define OTHER_CPUS_LEAST  0.15
#define OTHER_S_LEAST     0.03
#define STOLEN_CPUS_LEAST 0.02
#define GAP_S_LEAST       0.05
#define CLOCK_NS_MOST     250.0

struct counters {
    double busy_s;
    double stolen_s;
    double throttled_s;
    double own_s;
};

struct noise {
    pthread_t thread;
    atomic_bool stop;
    uint64_t started_ns;
    struct counters before;
    double gap_s;
    double gap_wait_s;
};

/* Of the one witness of this process. */
static _Atomic uint64_t witness_cpu_ns;
static _Atomic uint64_t witness_csw;

static struct counters counters_now(void) {
    struct counters now = {0};
    struct rusage children;
    FILE *file = fopen("/proc/stat", "re");
    double user, nice, system, idle, wait, irq, softirq, steal;
    double tick = (double)sysconf(_SC_CLK_TCK);
    if (file != NULL && fscanf(file, "cpu %lf %lf %lf %lf %lf %lf %lf %lf", &user, &nice, &system,
                               &idle, &wait, &irq, &softirq, &steal) == 8) {
        now.busy_s = (user + nice + system + irq + softirq) / tick;
        now.stolen_s = steal / tick;
    }
    if (file != NULL) {
        fclose(file);
    }
    now.throttled_s = cgroup_throttled_s();
    getrusage(RUSAGE_CHILDREN, &children);
    now.own_s = (double)usage_now().cpu_ns / 1e9 + (double)children.ru_utime.tv_sec +
                (double)children.ru_utime.tv_usec / 1e6 + (double)children.ru_stime.tv_sec;
    return now;
}

/* How long the calling thread has waited for a CPU so far. */
static double waited_s(void) {
    char path[64];
    unsigned long long ran = 0;
    unsigned long long waited = 0;
    snprintf(path, sizeof(path), "/proc/self/task/%ld/schedstat", syscall(SYS_gettid));
    FILE *file = fopen(path, "re");
    if (file != NULL) {
        if (fscanf(file, "%llu %llu", &ran, &waited) != 2) {
            waited = 0;
        }
        fclose(file);
    }
    return (double)waited / 1e9;
}

static void tell_usage(void) {
    struct rusage used;
    struct timespec cpu;
    getrusage(RUSAGE_THREAD, &used);
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &cpu);
    atomic_store_explicit(&witness_cpu_ns,
                          (uint64_t)cpu.tv_sec * UINT64_C(1000000000) + (uint64_t)cpu.tv_nsec,
                          memory_order_relaxed);
    atomic_store_explicit(&witness_csw, (uint64_t)used.ru_nvcsw + (uint64_t)used.ru_nivcsw,
                          memory_order_relaxed);
}

static void *witness(void *arg) {
    struct noise *noise = arg;
    double waited = waited_s();
    while (!atomic_load_explicit(&noise->stop, memory_order_relaxed)) {
        const struct timespec period = {.tv_nsec = PERIOD_NS};
        uint64_t asleep_ns = clock_now_ns();
        nanosleep(&period, NULL);
        double late_s = ((double)(clock_now_ns() - asleep_ns) - PERIOD_NS) / 1e9;
        if (late_s > noise->gap_s && late_s > GAP_S_LEAST / 2.0) {
            double now_waited = waited_s();
            noise->gap_s = late_s;
            noise->gap_wait_s = now_waited - waited;
            waited = now_waited;
        }
        tell_usage();
    }
    return NULL;
}

struct noise *noise_start(void) {
    struct noise *noise = calloc(1, sizeof(*noise));
    if (noise == NULL) {
        return NULL;
    }
    noise->before = counters_now();
    noise->started_ns = clock_now_ns();
    if (pthread_create(&noise->thread, NULL, witness, noise) != 0) {
        free(noise);
        return NULL;
    }
    return noise;
}

void noise_stop(struct noise *noise, struct noise_seen *seen) {
    *seen = (struct noise_seen){0};
    if (noise == NULL) {
        return;
    }
    atomic_store_explicit(&noise->stop, true, memory_order_relaxed);
    pthread_join(noise->thread, NULL);
    struct counters now = counters_now();
    seen->wall_s = (double)(clock_now_ns() - noise->started_ns) / 1e9;
    double busy_s = now.busy_s - noise->before.busy_s;
    double own_s = now.own_s - noise->before.own_s;
    if (seen->wall_s > 0.0) {
        seen->other_cpus = busy_s > own_s ? (busy_s - own_s) / seen->wall_s : 0.0;
        seen->stolen_cpus = (now.stolen_s - noise->before.stolen_s) / seen->wall_s;
    }
    seen->throttled_s = now.throttled_s - noise->before.throttled_s;
    seen->gap_s = noise->gap_s;
    seen->gap_wait_s = noise->gap_wait_s;
    free(noise);
}

struct usage noise_witness_usage(void) {
    return (struct usage){
        .cpu_ns = atomic_load_explicit(&witness_cpu_ns, memory_order_relaxed),
        .csw = atomic_load_explicit(&witness_csw, memory_order_relaxed),
    };
}

/* ---- Judging -------------------------------------------------------------------------------- */

void noise_judge(const struct noise_seen *seen, bool own_hogs,
                 void (*doubt)(void *arg, const char *text), void *arg) {
    char text[256];
    bool others = seen->other_cpus >= OTHER_CPUS_LEAST &&
                  seen->other_cpus * seen->wall_s >= OTHER_S_LEAST && !own_hogs;
    if (others) {
        snprintf(text, sizeof(text), "NOISY: other load: other processes used %.2f CPUs",
                 seen->other_cpus);
        doubt(arg, text);
    }
    if (seen->stolen_cpus >= STOLEN_CPUS_LEAST) {
        snprintf(text, sizeof(text), "NOISY: steal: the hypervisor took %.2f CPUs",
                 seen->stolen_cpus);
        doubt(arg, text);
    }
    if (seen->throttled_s > 0.0) {
        snprintf(text, sizeof(text),
                 "NOISY: throttled: a CPU quota held it back for %.0f ms; raise the quota",
                 seen->throttled_s * 1e3);
        doubt(arg, text);
    }
    /* A thread that waits for a CPU is late by the load; one that does not was stopped. */
    if (seen->gap_s >= GAP_S_LEAST && seen->gap_wait_s < seen->gap_s / 2.0 &&
        seen->throttled_s < seen->gap_s / 2.0) {
        snprintf(text, sizeof(text),
                 "NOISY: stopped: the process stood still for %.0f ms (a signal, a debugger, or a "
                 "paused machine)",
                 seen->gap_s * 1e3);
        doubt(arg, text);
    }
}

static bool differ(const char *expected, const char *now) {
    return expected != NULL && now != NULL && expected[0] != '\0' && strcmp(expected, now) != 0;
}

void noise_judge_setting(const struct noise_setting *expected, const struct noise_setting *now,
                         void (*doubt)(void *arg, const char *text), void *arg) {
    char text[256];
    if (expected->cpus != 0 && now->cpus != expected->cpus) {
        snprintf(text, sizeof(text),
                 "INVALID: CPUs: affinity or quota now allow %u, %u when the run began", now->cpus,
                 expected->cpus);
        doubt(arg, text);
    }
    if (differ(expected->clocksource, now->clocksource)) {
        snprintf(text, sizeof(text), "INVALID: clock source: %s, it was %s when the run began",
                 now->clocksource, expected->clocksource);
        doubt(arg, text);
    }
    if (now->clock_ns > CLOCK_NS_MOST) {
        snprintf(text, sizeof(text),
                 "NOISY: clock source: a reading of %s costs %.0f ns; tsc costs about 25",
                 now->clocksource != NULL ? now->clocksource : "it", now->clock_ns);
        doubt(arg, text);
    }
    if (differ(expected->allocator, now->allocator)) {
        snprintf(text, sizeof(text), "INVALID: wrong allocator: %s, it was %s when the run began",
                 now->allocator, expected->allocator);
        doubt(arg, text);
    }
    if (now->flags != NULL && (strstr(now->flags, "-O0") != NULL)) {
        doubt(arg, "NOISY: debug build: weir-bench was compiled with -O0");
    }
}

/* The next line of text that a compiler leaves in debug information: "GNU C11 … -g -O2 …". */
static const char *find_producer(const char *at, const char *end, size_t *length) {
    while (at < end) {
        const char *found = memmem(at, (size_t)(end - at), "GNU C", 5);
        if (found == NULL) {
            return NULL;
        }
        *length = strnlen(found, (size_t)(end - found));
        if (memmem(found, *length, " -m", 3) != NULL) {
            return found;
        }
        at = found + 5;
    }
    return NULL;
}

bool noise_is_unoptimised(const char *path) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat status;
    bool found = false;
    if (fd < 0 || fstat(fd, &status) != 0 || status.st_size == 0) {
        if (fd >= 0) {
            close(fd);
        }
        return false;
    }
    size_t size = (size_t)status.st_size;
    char *bytes = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
    close(fd);
    if (bytes == MAP_FAILED) {
        return false;
    }
    size_t length = 0;
    for (const char *at = bytes; (at = find_producer(at, bytes + size, &length)) != NULL;
         at += length) {
        const char *level = memmem(at, length, " -O", 3);
        found = found || level == NULL || level[3] == '0';
    }
    munmap(bytes, size);
    return found;
}
