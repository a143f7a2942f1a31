#include "stress/fault.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "stress/limit.h"
#include "stress/perturb.h"

const struct fault_row fault_rows[FAULTS] = {
    [FAULT_NONE] = {"none", "nothing", "-", "-"},
    [FAULT_SIGNALS] = {"signals", "a storm of signals whose handler does nothing",
                       "calls that are slower", "EINTR as a result, a lost wake-up, a crash"},
    [FAULT_SPURIOUS] = {"spurious", "waits of the pool return without a reason", "another look",
                        "a start, an end or a result without its cause"},
    [FAULT_ONE_CPU] = {"one-cpu", "all threads are confined to one CPU for a while",
                       "less parallelism", "a hang, a task that starves"},
    [FAULT_SHUFFLE] = {"shuffle", "threads change CPU and priority at random", "another order",
                       "a broken promise of any kind"},
    [FAULT_STOP] = {"stop", "the process is stopped for milliseconds, and goes on", "late ends",
                    "a hang; time-outs before their deadline"},
    [FAULT_CLOCK] = {"clock", "CLOCK_REALTIME jumps by hours, both ways", "nothing",
                     "a time-out early or late, a hang"},
    [FAULT_QUOTA] = {"quota", "a control group with 3 ms of CPU time in every 10 ms", "late ends",
                     "a hang, a loss, a task that starves"},
};

enum fault fault_find(const char *name) {
    enum fault fault = FAULT_NONE;
    while (fault < FAULTS && strcmp(fault_rows[fault].name, name) != 0) {
        fault++;
    }
    return fault;
}

/* Written before the episode's threads start. */
static struct board *board;
static enum fault current;
static bool connected;

/* ---- Call sites ---- */

static struct {
    _Atomic(int64_t) left; /* calls until the one that fails; negative: none */
    _Atomic(uint32_t) kind;
    _Atomic(bool) fired;
} armed = {.left = -1};

static _Atomic(int64_t) clock_offset;
static _Atomic(uint32_t) wait_draw;

void fault_arm(enum fault_site site, uint32_t n) {
    atomic_store_explicit(&armed.kind, (uint32_t)site, memory_order_relaxed);
    atomic_store_explicit(&armed.fired, false, memory_order_relaxed);
    atomic_store_explicit(&armed.left, n, memory_order_relaxed);
}

bool fault_disarm(void) {
    atomic_store_explicit(&armed.left, -1, memory_order_relaxed);
    return atomic_load_explicit(&armed.fired, memory_order_relaxed);
}

void fault_connect(struct board *on) {
    connected = true;
    for (unsigned i = 0; i < BOARD_SITES; i++) { /* addresses differ from child to child */
        atomic_store_explicit(&on->sites[i].where, 0, memory_order_relaxed);
    }
}

bool fault_is_connected(void) {
    return connected;
}

/* The site is this place's, by this call or another thread's; first: by this call. */
static bool claim_site(struct board_site *s, const void *where, bool *first) {
    uintptr_t none = 0;
    *first = atomic_compare_exchange_strong_explicit(&s->where, &none, (uintptr_t)where,
                                                     memory_order_relaxed, memory_order_relaxed);
    return *first || none == (uintptr_t)where;
}

/* A place that this process meets for the first time: an earlier child's entry, or a new one. */
static struct board_site *enter_site(const char *call, const void *where) {
    Dl_info info;
    uint64_t offset = dladdr(where, &info) != 0
                          ? (uint64_t)((const char *)where - (const char *)info.dli_fbase)
                          : 0;
    for (unsigned i = 0; i < BOARD_SITES; i++) {
        struct board_site *s = &board->sites[i];
        uint64_t known = atomic_load_explicit(&s->offset, memory_order_relaxed);
        bool first;
        if ((known == offset || known == 0) && claim_site(s, where, &first)) {
            if (first && known == 0) {
                snprintf(s->call, sizeof(s->call), "%s", call);
                atomic_store_explicit(&s->offset, offset, memory_order_relaxed);
            }
            return s;
        }
    }
    return NULL;
}

/* Places are few: found again by their address. */
static struct board_site *site_of(const char *call, const void *where) {
    for (unsigned i = 0; i < BOARD_SITES; i++) {
        struct board_site *s = &board->sites[i];
        if (atomic_load_explicit(&s->where, memory_order_relaxed) == (uintptr_t)where) {
            return s;
        }
    }
    return enter_site(call, where);
}

static bool decide(enum fault_site site) {
    if (site == SITE_WAIT) {
        uint32_t n = atomic_fetch_add_explicit(&wait_draw, 1, memory_order_relaxed);
        return current == FAULT_SPURIOUS && stress_mix(n) % 4 == 0;
    }
    if (atomic_load_explicit(&armed.left, memory_order_relaxed) < 0 ||
        atomic_load_explicit(&armed.kind, memory_order_relaxed) != (uint32_t)site ||
        atomic_fetch_sub_explicit(&armed.left, 1, memory_order_relaxed) != 0) {
        return false;
    }
    atomic_store_explicit(&armed.fired, true, memory_order_relaxed);
    return true;
}

bool fault_at(enum fault_site site, const char *call, const void *where) {
    if (board == NULL) {
        return false;
    }
    bool fails = decide(site);
    struct board_site *s = site_of(call, where);
    if (s != NULL) {
        atomic_fetch_add_explicit(&s->visits, 1, memory_order_relaxed);
        atomic_fetch_add_explicit(&s->injected, fails, memory_order_relaxed);
    }
    return fails;
}

int64_t fault_clock_offset(void) {
    return atomic_load_explicit(&clock_offset, memory_order_relaxed);
}

/* ---- Storms ---- */

#define MAX_THREADS 128

static struct {
    pthread_t thread;
    bool running;
    _Atomic(bool) over;
    uint64_t random;
    cpu_set_t all;
} storm;

static void on_storm(int signal) {
    (void)signal;
}

static unsigned own_threads(pid_t tids[MAX_THREADS]) {
    unsigned n = 0;
    DIR *folder = opendir("/proc/self/task");
    struct dirent *entry;
    while (folder != NULL && n < MAX_THREADS && (entry = readdir(folder)) != NULL) {
        int tid = atoi(entry->d_name);
        if (tid > 0 && tid != (int)syscall(SYS_gettid)) {
            tids[n++] = tid;
        }
    }
    if (folder != NULL) {
        closedir(folder);
    }
    return n;
}

static uint64_t draw(uint64_t bound) {
    return stress_random(&storm.random) % bound;
}

static void one_cpu(cpu_set_t *set) {
    int n = CPU_COUNT(&storm.all), wanted = (int)draw((uint64_t)n);
    CPU_ZERO(set);
    for (size_t cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (CPU_ISSET(cpu, &storm.all) && wanted-- == 0) {
            CPU_SET(cpu, set);
            return;
        }
    }
}

/* One gust. Threads come and go: an error is a thread that has ended. */
static void blow(void) {
    pid_t tids[MAX_THREADS];
    unsigned n = own_threads(tids);
    cpu_set_t one;
    one_cpu(&one);
    bool narrow = draw(2) == 0;
    for (unsigned i = 0; i < n; i++) {
        switch (current) {
        case FAULT_SIGNALS:
            (void)syscall(SYS_tgkill, getpid(), tids[i], SIGUSR1);
            break;
        case FAULT_ONE_CPU:
            (void)sched_setaffinity(tids[i], sizeof(one), narrow ? &one : &storm.all);
            break;
        case FAULT_SHUFFLE:
            if (draw(2) == 0) {
                one_cpu(&one);
                (void)sched_setaffinity(tids[i], sizeof(one), &one);
            }
            (void)setpriority(PRIO_PROCESS, (id_t)tids[i], (int)draw(2) * 10);
            break;
        default:
            atomic_store_explicit(&clock_offset, ((int64_t)draw(5) - 2) * 3600,
                                  memory_order_relaxed);
            return;
        }
    }
}

static void *rage(void *arg) {
    (void)arg;
    pthread_setname_np(pthread_self(), FAULT_THREAD);
    while (!atomic_load_explicit(&storm.over, memory_order_relaxed)) {
        blow();
        struct timespec span = {.tv_nsec = (long)(50000 + draw(1000000))};
        (void)nanosleep(&span, NULL);
        atomic_fetch_add_explicit(&board->gusts[current], 1, memory_order_relaxed);
    }
    return NULL;
}

static struct {
    bool entered;
    uint64_t times; /* before */
} quota;

static void enter_quota(void) {
    quota.times = limit_quota_times(board->quota_group);
    quota.entered = board->quota_group[0] != '\0' && limit_quota_enter(board->quota_group);
    if (!quota.entered) { /* an episode in fair weather */
        current = FAULT_NONE;
    }
}

static void leave_quota(void) {
    if (quota.entered) {
        quota.entered = false;
        limit_quota_leave(board->quota_group);
        atomic_fetch_add_explicit(&board->gusts[FAULT_QUOTA],
                                  limit_quota_times(board->quota_group) - quota.times,
                                  memory_order_relaxed);
    }
}

static bool has_storm(enum fault fault) {
    return fault == FAULT_SIGNALS || fault == FAULT_ONE_CPU || fault == FAULT_SHUFFLE ||
           fault == FAULT_CLOCK;
}

void fault_begin(struct board *on, enum fault fault, uint64_t seed) {
    board = on;
    current = fault;
    storm.random = stress_mix(seed ^ UINT64_C(0x73746f726d));
    atomic_store_explicit(&wait_draw, (uint32_t)seed, memory_order_relaxed);
    if (fault == FAULT_QUOTA) {
        enter_quota();
    }
    board->fault_episodes[current]++;
    if (!has_storm(fault)) {
        return;
    }
    struct sigaction quiet = {.sa_handler = on_storm};
    sigaction(SIGUSR1, &quiet, NULL);
    sched_getaffinity(0, sizeof(storm.all), &storm.all);
    atomic_store_explicit(&storm.over, false, memory_order_relaxed);
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    storm.running = pthread_create(&storm.thread, NULL, rage, NULL) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

void fault_end(void) {
    (void)fault_disarm();
    leave_quota();
    if (storm.running) {
        atomic_store_explicit(&storm.over, true, memory_order_relaxed);
        pthread_join(storm.thread, NULL);
        storm.running = false;
        /* The threads of the episode are gone; this one and the witness stay. */
        sched_setaffinity(0, sizeof(storm.all), &storm.all);
        setpriority(PRIO_PROCESS, 0, 0);
        atomic_store_explicit(&clock_offset, 0, memory_order_relaxed);
    }
    current = FAULT_NONE;
}
