#include "stress/perturb.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <time.h>

/* Time that one thread may lose to delays in one episode; past it the delays thin out. */
#define BUDGET_NS UINT64_C(1000000)

/* Of one episode; written by perturb_begin only, while nobody else runs. */
static struct {
    uint64_t seed;
    uint64_t episode;
    int level;
    uint32_t hot; /* points whose name hashes to this are delayed longer and more often */
    enum strategy { SCATTER, SCATTER_TOO, STARVE, RANK, STUTTER, ADAPT, STRATEGIES } strategy;
    uint32_t atomics; /* one atomic operation in so many becomes a point */
} plan;

/* How often points of a name were reached, in this process: for adapt. */
#define BUCKETS 256u
static _Atomic(uint32_t) reached[BUCKETS];

/* Relaxed on purpose: an ordinal, never an order. */
static _Atomic(uint32_t) threads_seen;
static _Atomic(uint64_t) delay_count;

/* The points that each thread passed last, for the report of a hang. Relaxed: the one who reads is
 * a thread that took no part. */
#define TRAILS 64u
#define STEPS  8u

struct trail {
    _Atomic(const char *) points[STEPS];
    _Atomic(uint64_t) ticks[STEPS];
    _Atomic(uint32_t) next;
};

static struct trail trails[TRAILS]; /* by the order in which threads came */

static _Thread_local struct {
    uint64_t episode;
    uint64_t random;
    uint64_t spent_ns;
    uint32_t ordinal;
    uint32_t points;       /* passed in this episode */
    uint32_t until_atomic; /* atomic operations until the next one that becomes a point */
    struct trail *trail;
} self;

/* Of some clock that all CPUs share and that costs little to read. */
static uint64_t ticks(void) {
#if defined(__x86_64__)
    return __builtin_ia32_rdtsc();
#elif defined(__aarch64__)
    uint64_t value;
    __asm__ volatile("mrs %0, cntvct_el0" : "=r"(value));
    return value;
#else
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
#endif
}

static void leave_trail(const char *point) {
    struct trail *t = self.trail;
    uint32_t step = atomic_load_explicit(&t->next, memory_order_relaxed);
    atomic_store_explicit(&t->points[step % STEPS], point, memory_order_relaxed);
    atomic_store_explicit(&t->ticks[step % STEPS], ticks(), memory_order_relaxed);
    atomic_store_explicit(&t->next, step + 1, memory_order_relaxed);
}

/* The newest step that is older than before; false when there is none. */
static bool newest_step(uint64_t before, unsigned *trail, unsigned *step, uint64_t *when) {
    *when = 0;
    for (unsigned i = 0; i < TRAILS * STEPS; i++) {
        uint64_t t =
            atomic_load_explicit(&trails[i / STEPS].ticks[i % STEPS], memory_order_relaxed);
        if (t < before && t > *when) {
            *when = t;
            *trail = i / STEPS;
            *step = i % STEPS;
        }
    }
    return *when != 0;
}

void perturb_write_trail(int fd, unsigned most) {
    uint64_t now = ticks(), before = UINT64_MAX, when;
    unsigned trail, step;
    for (; most > 0 && newest_step(before, &trail, &step, &when); most--) {
        before = when;
        const char *point = atomic_load_explicit(&trails[trail].points[step], memory_order_relaxed);
        dprintf(fd, "  %12llu ticks ago: thread %u at %s\n", (unsigned long long)(now - when),
                trail, point != NULL ? point : "?");
    }
}

uint64_t stress_mix(uint64_t value) {
    value += UINT64_C(0x9e3779b97f4a7c15);
    value = (value ^ (value >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    value = (value ^ (value >> 27)) * UINT64_C(0x94d049bb133111eb);
    return value ^ (value >> 31);
}

uint64_t stress_random(uint64_t *state) {
    uint64_t value = stress_mix(*state);
    *state += UINT64_C(0x9e3779b97f4a7c15);
    return value;
}

static uint32_t hash_name(const char *name) {
    uint32_t hash = 2166136261u;
    for (; *name != '\0'; name++) {
        hash = (hash ^ (uint32_t)(unsigned char)*name) * 16777619u;
    }
    return hash ^ (hash >> 15);
}

void perturb_begin(uint64_t seed, int level) {
    plan.seed = seed;
    plan.episode++;
    plan.level = level;
    plan.strategy = (enum strategy)(stress_mix(seed ^ UINT64_C(0x737472)) % STRATEGIES);
    plan.atomics = 16u << (stress_mix(seed ^ UINT64_C(0x61746f6d)) % 5);
    plan.hot = (uint32_t)(stress_mix(seed ^ UINT64_C(0x686f74)) & 7u);
    atomic_store_explicit(&threads_seen, 0, memory_order_relaxed);
    for (unsigned i = 0; i < TRAILS * STEPS; i++) {
        atomic_store_explicit(&trails[i / STEPS].ticks[i % STEPS], 0, memory_order_relaxed);
    }
}

/* Pools block signals in their threads, some of them all signals: then a crash ends the process
 * before its handler can show where. */
static void unblock_crashes(void) {
    static const int crashes[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT};
    sigset_t set;
    sigemptyset(&set);
    for (size_t i = 0; i < sizeof(crashes) / sizeof(crashes[0]); i++) {
        sigaddset(&set, crashes[i]);
    }
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

static void enter_episode(void) {
    uint32_t ordinal = atomic_fetch_add_explicit(&threads_seen, 1, memory_order_relaxed);
    self.episode = plan.episode;
    self.random = stress_mix(plan.seed ^ ((uint64_t)ordinal << 32));
    self.spent_ns = 0;
    self.ordinal = ordinal;
    self.points = 0;
    self.until_atomic = 0;
    self.trail = &trails[ordinal % TRAILS];
    unblock_crashes();
}

static void pause_for(uint64_t turns) {
    for (uint64_t i = 0; i < turns; i++) {
#if defined(__x86_64__) || defined(__i386__)
        __builtin_ia32_pause();
#else
        __asm__ volatile("" ::: "memory");
#endif
    }
}

static void sleep_ns(uint64_t ns) {
    struct timespec span = {.tv_sec = (time_t)(ns / 1000000000u),
                            .tv_nsec = (long)(ns % 1000000000u)};
    self.spent_ns += ns;
    (void)nanosleep(&span, NULL); /* cut short by a signal: a shorter delay */
}

/* Most delays are short enough to shift one step past another; a few outlast a time slice. */
static void delay(uint64_t random, bool hot) {
    unsigned kind = (unsigned)(random & 15u);
    uint64_t amount = (random >> 4) & 0xffffu;
    atomic_fetch_add_explicit(&delay_count, 1, memory_order_relaxed);
    if (kind < 5) {
        pause_for(amount & 511u);
    } else if (kind < 9) {
        sched_yield();
    } else if (kind < 15) {
        sleep_ns(1000 + amount % (hot ? 150000 : 20000));
    } else {
        sleep_ns(10000 + amount * (hot ? 16 : 2));
    }
}

/* One point in `rarity` is delayed: at level 1 one in 64, 2 one in 16, 3 one in 4. */
static uint64_t rarity_of_level(void) {
    return UINT64_C(256) >> (2 * plan.level);
}

static void scatter(uint64_t random, uint32_t hash) {
    uint64_t rarity = rarity_of_level();
    bool hot = (hash & 7u) == plan.hot;
    if (hot && rarity > 1) {
        rarity /= 4;
    }
    if (rarity <= 1 || random % rarity == 0) {
        delay(random >> 16, hot);
    }
}

/* Whether something that is drawn anew for each interval of points falls on this thread now. */
static bool is_drawn(uint32_t interval, uint64_t salt, uint64_t one_in) {
    uint64_t turn = self.points / interval;
    return stress_mix(plan.seed ^ salt ^ ((uint64_t)self.ordinal << 40) ^ turn) % one_in == 0;
}

static void starve(uint64_t random) {
    if (is_drawn(48, UINT64_C(0x5741), 5) && random % 3 == 0) {
        atomic_fetch_add_explicit(&delay_count, 1, memory_order_relaxed);
        sleep_ns(50000 + (random >> 16) % (UINT64_C(150000) << plan.level));
    }
}

static void rank(uint64_t random) {
    bool low = is_drawn(32, UINT64_C(0x10), 3), lowest = low && is_drawn(32, UINT64_C(0x11), 2);
    uint64_t rarity = (lowest ? 1 : low ? 4 : 64) * rarity_of_level() / 4;
    if (rarity <= 1 || random % rarity == 0) {
        delay(random >> 16, lowest);
    }
}

static void stutter(uint64_t random) {
    if (random % rarity_of_level() == 0) {
        atomic_fetch_add_explicit(&delay_count, 1, memory_order_relaxed);
        for (uint64_t turns = 1 + (random >> 16) % 8; turns > 0; turns--) {
            sched_yield();
            pause_for((random >> 24) % 200);
        }
    }
}

static void adapt(uint64_t random, uint32_t hash) {
    uint32_t times = atomic_fetch_add_explicit(&reached[hash % BUCKETS], 1, memory_order_relaxed);
    uint64_t rarity = times < 256 ? 2 : times < 4096 ? 8 : times < 65536 ? 64 : 512;
    if (random % (rarity * rarity_of_level() / 4 + 1) == 0) {
        delay(random >> 16, rarity <= 8);
    }
}

/* A thread that has spent its budget goes on at a 16th of the delays. */
static bool is_spent(uint64_t random) {
    return self.spent_ns > BUDGET_NS && (random >> 8) % 16 != 0;
}

void perturb_point(const char *name) {
    if (self.episode != plan.episode) {
        enter_episode();
    }
    if (self.trail == NULL) {
        return; /* no episode has begun: a plug-in is being loaded, and locks as it is */
    }
    leave_trail(name);
    self.points++;
    if (plan.level == 0) {
        return;
    }
    uint64_t random = stress_random(&self.random);
    if (is_spent(random)) {
        return;
    }
    switch (plan.strategy) {
    case STARVE:
        starve(random);
        break;
    case RANK:
        rank(random);
        break;
    case STUTTER:
        stutter(random);
        break;
    case ADAPT:
        adapt(random, hash_name(name));
        break;
    default:
        scatter(random, hash_name(name));
    }
}

void perturb_atomic(const char *name) {
    if (plan.level == 0 || self.until_atomic-- != 0) {
        return;
    }
    perturb_point(name);
    self.until_atomic = (uint32_t)(self.random >> 32) % plan.atomics;
}

void perturb_rest(unsigned max_us) {
    if (self.episode != plan.episode) {
        enter_episode();
    }
    uint64_t random = stress_random(&self.random);
    if (max_us == 0 || (random & 3u) == 0) {
        return;
    }
    sleep_ns(1000 * ((random >> 8) % max_us));
}

uint64_t perturb_delays(void) {
    return atomic_load_explicit(&delay_count, memory_order_relaxed);
}
