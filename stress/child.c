#include "stress/child.h"

#include <execinfo.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "bench/plugin.h"
#include "stress/episode.h"
#include "stress/fault.h"
#include "stress/plan.h"
#include "stress/witness.h"
#include "stress/wrap.h"

#ifndef __has_feature
#define __has_feature(x) 0
#endif
#if defined(__SANITIZE_THREAD__) || __has_feature(thread_sanitizer)
#define SANITIZER SANITIZER_THREAD
#elif defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
#define SANITIZER SANITIZER_ADDRESS
#define FINDS_LEAKS
int __lsan_do_recoverable_leak_check(void);
#else
#define SANITIZER SANITIZER_NONE
#endif

static struct board *board;

static struct board *map_board(int fd) {
    void *memory = mmap(NULL, sizeof(struct board), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (memory == MAP_FAILED || ((struct board *)memory)->size != sizeof(struct board)) {
        fprintf(stderr, "weir-stress: the board is not one of this build's\n");
        return NULL;
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* nobody is left to watch over this process */
    prctl(PR_SET_TIMERSLACK, 1);      /* delays of microseconds, on every thread that follows */
    return memory;
}

/* ---- Crashes ------------------------------------------------------------------------------- */

static void write_own_stack(void) {
    void *frames[64];
    int n = backtrace(frames, 64);
    backtrace_symbols_fd(frames, n, STDERR_FILENO);
    (void)!write(STDERR_FILENO, "\n", 1);
}

/* A hang where there is no debugger: each thread writes its own stack. */
static void on_look(int signal) {
    (void)signal;
    write_own_stack();
}

/* Leaves the scene as it is: the supervisor looks at every thread's stack while this process is
 * stopped. Sanitizers have handlers of their own. */
static void on_crash(int signal, siginfo_t *info, void *context) {
    (void)context;
    uint32_t none = 0;
    if (atomic_compare_exchange_strong_explicit(&board->crash_signal, &none, (uint32_t)signal,
                                                memory_order_relaxed, memory_order_relaxed) &&
        signal == SIGSEGV && episode_was_released(info->si_addr) &&
        atomic_exchange_explicit(&board->judged, 1, memory_order_relaxed) == 0) {
        static const char verdict[] = "use after free";
        static const char detail[] = "a ticket was touched after release had returned";
        memcpy(board->verdict, verdict, sizeof(verdict));
        memcpy(board->detail, detail, sizeof(detail));
    }
    write_own_stack(); /* all there will be where there is no debugger */
    raise(SIGSTOP);
}

static void install_handlers(void) {
    static const int crashes[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT};
    void *warm[1];
    (void)backtrace(warm, 1); /* loads the unwinder now, not in the handler */
    struct sigaction look = {.sa_handler = on_look};
    sigaction(SIGUSR2, &look, NULL);
    struct sigaction crash = {.sa_sigaction = on_crash, .sa_flags = SA_SIGINFO};
    for (size_t i = 0; i < sizeof(crashes) / sizeof(crashes[0]) && SANITIZER == 0; i++) {
        sigaction(crashes[i], &crash, NULL);
    }
}

/* ---- Episodes ------------------------------------------------------------------------------ */

static unsigned list_index(const void *list, unsigned count, size_t item, const void *value) {
    for (unsigned i = 0; i < count; i++) {
        if (memcmp((const char *)list + i * item, value, item) == 0) {
            return i;
        }
    }
    return 0;
}

static void count_shape(const struct spec *spec) {
    const struct settings *s = &board->settings;
    unsigned w = list_index(s->workers, s->worker_count, sizeof(s->workers[0]), &spec->workers);
    unsigned c =
        list_index(s->capacities, s->capacity_count, sizeof(s->capacities[0]), &spec->capacity);
    unsigned p =
        list_index(s->producers, s->producer_count, sizeof(s->producers[0]), &spec->producers);
    board->shapes[w][c][p]++;
}

/* ThreadSanitizer calls a handler wherever the signal finds the thread, inside its own free as well
 * (when glibc gives back a thread's storage in pthread_join), and then waits for itself. */
static enum fault fault_here(enum fault fault) {
    return SANITIZER == SANITIZER_THREAD && fault == FAULT_SIGNALS ? FAULT_NONE : fault;
}

static void run_episode(const struct plan *plan, uint64_t index) {
    board->index = index;
    plan_episode(plan, index, &board->spec);
    static struct episode e; /* static: the witness may look at it at any time */
    e = (struct episode){
        .board = board,
        .spec = &board->spec,
        .subject = plan->subject,
        .capabilities = plan_capabilities(plan, board->spec.variant),
        .random = board->spec.seed,
    };
    const struct scenario *scenario = scenario_at(board->spec.scenario);
    board->planned = 0;
    board->begun_ns = episode_after_ns(0);
    board->inside = true;
    atomic_fetch_add_explicit(&board->beat, 1, memory_order_relaxed);
    uint64_t delays = perturb_delays();
    perturb_begin(board->spec.seed, board->spec.perturb);
    fault_begin(board, fault_here((enum fault)board->spec.fault), board->spec.seed);
    scenario->run(&e);
    fault_end();
    episode_end(&e);
#ifdef FINDS_LEAKS
    if (__lsan_do_recoverable_leak_check() != 0) {
        episode_fail(&e, "leak", "memory of the pool is unreachable and not freed");
    }
#endif
    board->inside = false;
    board->coverage[board->spec.scenario].episodes++;
    count_shape(&board->spec);
    board->delays += perturb_delays() - delays;
}

static bool batch_over(uint64_t done) {
    return atomic_load_explicit(&board->stop, memory_order_relaxed) != 0 ||
           done >= board->batch_episodes || episode_after_ns(0) >= board->batch_end_ns;
}

/* Static: the table stays reachable until the process ends. */
static const struct weir_subject *subject;

static bool wrapped_fault(int site, const char *call, const void *where) {
    return fault_at((enum fault_site)site, call, where);
}

static int load_subject(int board_fd) {
    static char why[PLUGIN_ERROR_SIZE];
    board = map_board(board_fd);
    if (board == NULL) {
        return CHILD_UNUSABLE;
    }
    board->sanitizer = SANITIZER;
    if (plugin_load(board->settings.subject, &subject, why) != 0) {
        fprintf(stderr, "weir-stress: %s\n", why);
        return CHILD_UNUSABLE;
    }
    static const struct wrap_hooks hooks = {perturb_point, wrapped_fault, fault_clock_offset,
                                            perturb_atomic};
    if (wrap_connect(board->settings.subject, &hooks)) {
        fault_connect(board);
    }
    void *symbol = wrap_symbol(board->settings.subject, SCENARIOS_OF_SUBJECT);
    const struct scenario *const *(*own)(void);
    memcpy(&own, &symbol, sizeof(own)); /* ISO C has no cast from data to function */
    if (own != NULL && !scenarios_add(own())) {
        fprintf(stderr, "weir-stress: %s brings too many scenarios\n", subject->name);
        return CHILD_UNUSABLE;
    }
    return CHILD_OK;
}

/* Of the one configuration that was asked for, or of the subject. */
static uint32_t wanted_capabilities(void) {
    const struct weir_subject_variant *v = subject->variants;
    for (; v != NULL && v->name != NULL; v++) {
        if (strcmp(v->name, board->settings.variant) == 0) {
            return subject->capabilities & ~v->lacks;
        }
    }
    return subject->capabilities;
}

static void describe_scenario(const struct scenario *s, struct scenario_text *text) {
    const char *lacks = scenario_lacks(s, subject, wanted_capabilities());
    snprintf(text->name, sizeof(text->name), "%s", s->name);
    snprintf(text->invariant, sizeof(text->invariant), "%s", s->invariant);
    snprintf(text->lacks, sizeof(text->lacks), "%s", lacks != NULL ? lacks : "");
    for (unsigned i = 0; i < BOARD_REACH && s->reach[i] != NULL; i++) {
        snprintf(text->reach[i], sizeof(text->reach[i]), "%s", s->reach[i]);
    }
}

int child_describe(int board_fd) {
    if (load_subject(board_fd) != CHILD_OK) {
        return CHILD_UNUSABLE;
    }
    struct description *d = &board->description;
    snprintf(d->name, sizeof(d->name), "%s", subject->name);
    snprintf(d->version, sizeof(d->version), "%s", subject->version);
    snprintf(d->notes, sizeof(d->notes), "%s", subject->notes);
    const struct weir_subject_variant *v = subject->variants;
    for (; v != NULL && v->name != NULL && d->variant_count < BOARD_LIST; v++) {
        snprintf(d->variants[d->variant_count++], BOARD_NAME, "%s", v->name);
    }
    d->scenario_count = scenario_count();
    for (unsigned i = 0; i < d->scenario_count; i++) {
        describe_scenario(scenario_at(i), &d->scenarios[i]);
    }
    return CHILD_OK;
}

int child_episodes(int board_fd) {
    if (load_subject(board_fd) != CHILD_OK) {
        return CHILD_UNUSABLE;
    }
    struct plan plan;
    if (plan_make(&plan, &board->settings, subject) != 0) {
        fprintf(stderr, "weir-stress: no scenario of this run applies to %s\n", subject->name);
        return CHILD_UNUSABLE;
    }
    install_handlers();
    if (!witness_start(board)) {
        fprintf(stderr, "weir-stress: no thread for the witness\n");
        return CHILD_UNUSABLE;
    }
    if (subject->perturb != NULL) {
        subject->perturb(perturb_point);
    }
    for (uint64_t done = 0; !batch_over(done); done++) {
        run_episode(&plan, board->first + done);
    }
    return CHILD_OK;
}

/* ---- Planted defects ----------------------------------------------------------------------- */

static volatile int planted_value;
static volatile char *volatile planted_memory; /* compilers must not see through it */

static void *write_planted(void *arg) {
    for (int i = 0; i < 1000; i++) {
        planted_value += *(int *)arg;
    }
    return NULL;
}

static void plant_race(void) {
    pthread_t threads[2];
    int one = 1;
    pthread_create(&threads[0], NULL, write_planted, &one);
    pthread_create(&threads[1], NULL, write_planted, &one);
    pthread_join(threads[0], NULL);
    pthread_join(threads[1], NULL);
}

static void plant_use_after_free(void) {
    planted_memory = malloc(16);
    if (planted_memory != NULL) {
        planted_memory[0] = 1;
        free((void *)planted_memory);
        planted_value = planted_memory[0];
    }
}

int child_planted(int board_fd) {
    board = map_board(board_fd);
    if (board == NULL) {
        return CHILD_UNUSABLE;
    }
    board->sanitizer = SANITIZER;
    if (SANITIZER == SANITIZER_THREAD) {
        plant_race();
    } else if (SANITIZER == SANITIZER_ADDRESS) {
        plant_use_after_free();
    }
    return CHILD_OK;
}
