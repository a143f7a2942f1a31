#include "stress/supervise.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "stress/episode.h"
#include "stress/fault.h"
#include "stress/limit.h"
#include "stress/names.h"
#include "stress/page.h"
#include "stress/report.h"
#include "stress/stacks.h"

#define BATCH_NS       UINT64_C(3000000000)
#define BATCH_EPISODES 2000
#define LOG_LIMIT      (256 * 1024)
#define NATIVE_LIMIT_S 10.0
#define SANITIZER_S    40.0
#define MOST_THREADS   1024 /* scenarios have some dozens, and other programs need theirs */

static volatile sig_atomic_t interrupted;

static void on_interrupt(int signal) {
    (void)signal;
    interrupted = 1;
}

uint64_t supervise_now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* ---- Children ------------------------------------------------------------------------------ */

/* Ours first, the user's after them: the last one counts. */
static void set_sanitizer_options(const char *name, const char *options) {
    char text[1024];
    const char *own = getenv(name);
    snprintf(text, sizeof(text), "%s%s%s", options, own != NULL ? ":" : "", own ? own : "");
    setenv(name, text, 1);
}

_Noreturn static void become_child(const struct run *run, const char *command) {
    char fd[16];
    snprintf(fd, sizeof(fd), "%d", run->board_fd);
    setpgid(0, 0); /* an interrupt from the terminal is the supervisor's to handle */
    dup2(run->log_fd, STDOUT_FILENO);
    dup2(run->log_fd, STDERR_FILENO);
    set_sanitizer_options("TSAN_OPTIONS", "halt_on_error=1:exitcode=66:atexit_sleep_ms=0:"
                                          "second_deadlock_stack=1:history_size=5");
    set_sanitizer_options("ASAN_OPTIONS", "exitcode=67:detect_leaks=1:allocator_may_return_null=1");
    set_sanitizer_options("LSAN_OPTIONS", "exitcode=67");
    set_sanitizer_options("UBSAN_OPTIONS", "print_stacktrace=1");
    if (run->fixed_addresses) {
        personality(ADDR_NO_RANDOMIZE);
    }
    const char *program = run->order->runner != NULL ? run->order->runner : "/proc/self/exe";
    execl(program, "weir-stress", command, fd, (char *)NULL);
    fprintf(stderr, "weir-stress: cannot start %s: %s\n", program, strerror(errno));
    _exit(CHILD_UNUSABLE);
}

static pid_t start_child(struct run *run, const char *command) {
    if (ftruncate(run->log_fd, 0) != 0 || lseek(run->log_fd, 0, SEEK_SET) != 0) {
        perror("weir-stress: log");
        return -1;
    }
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        become_child(run, command);
    }
    if (pid < 0) {
        perror("weir-stress: fork");
    }
    return pid;
}

static void end_child(pid_t pid) {
    int status;
    kill(pid, SIGKILL);
    waitpid(pid, &status, 0);
}

/* The child's output so far; the caller frees it. */
static char *read_log(const struct run *run) {
    char *text = calloc(1, LOG_LIMIT + 1);
    if (text != NULL && pread(run->log_fd, text, LOG_LIMIT, 0) < 0) {
        text[0] = '\0';
    }
    return text;
}

/* Runs a short command of a child to its end; false when it takes longer than limit_s. */
static bool run_short(struct run *run, const char *command, double limit_s, int *status) {
    pid_t pid = start_child(run, command);
    if (pid < 0) {
        return false;
    }
    uint64_t end_ns = supervise_now_ns() + (uint64_t)(limit_s * 1e9);
    while (waitpid(pid, status, WNOHANG) == 0) {
        if (supervise_now_ns() > end_ns) {
            end_child(pid);
            return false;
        }
        poll(NULL, 0, 5);
    }
    return true;
}

/* ---- Watching ------------------------------------------------------------------------------ */

/* Grows whenever something happens that is not a refused attempt. */
static uint64_t progress_of(struct board *board) {
    uint64_t sum = atomic_load_explicit(&board->beat, memory_order_relaxed) << 24;
    uint32_t planned = board->planned < BOARD_TASKS ? board->planned : BOARD_TASKS;
    for (uint32_t i = 0; i < planned; i++) {
        struct record *r = &board->records[i];
        sum += atomic_load_explicit(&r->accepted, memory_order_relaxed);
        sum += atomic_load_explicit(&r->started, memory_order_relaxed);
        sum += atomic_load_explicit(&r->ended, memory_order_relaxed);
        sum += atomic_load_explicit(&r->dropped, memory_order_relaxed);
    }
    for (const char *c = board->phase; *c != '\0'; c++) {
        sum = sum * 31 + (unsigned char)*c;
    }
    return sum;
}

/* Every thread's stack, then the child's end. */
static void look_and_end(struct run *run, pid_t pid, bool stopped) {
    stacks_write(run->found, pid, run->log_fd, stopped);
    end_child(pid);
}

/* Asks the child's witness thread, which may be unable to answer, for queue depth and events. */
static void ask_witness(struct run *run) {
    struct board *board = run->board;
    atomic_store_explicit(&board->look, 1, memory_order_release);
    syscall(SYS_futex, &board->look, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
    for (int i = 0; i < 50 && atomic_load_explicit(&board->looked, memory_order_acquire) == 0;
         i++) {
        poll(NULL, 0, 10);
    }
    char *log = read_log(run);
    if (log != NULL) {
        report_log(run->found, log);
    }
    free(log);
}

static void found_hang(struct run *run, pid_t pid) {
    struct scene scene;
    stacks_scene(pid, &scene);
    verdict_of_hang(run->board, &scene, run->hang_limit_s, &run->verdict);
    report_finding(run->found, run);
    fprintf(run->found, "\n");
    ask_witness(run);
    look_and_end(run, pid, false);
}

/* Threads that come without end would leave none for anybody on this machine. */
static void found_too_many(struct run *run, pid_t pid, unsigned threads) {
    struct verdict *v = &run->verdict;
    kill(pid, SIGSTOP);
    snprintf(v->word, sizeof(v->word), "thread leak");
    snprintf(v->detail, sizeof(v->detail), "%u threads in one process, and more to come", threads);
    report_finding(run->found, run);
    fprintf(run->found, "\n");
    look_and_end(run, pid, true);
}

static void found_at_end(struct run *run, pid_t pid, int status) {
    char *log = read_log(run);
    verdict_of_end(status, run->board, log != NULL ? log : "", &run->verdict);
    if (run->verdict.word[0] != '\0') {
        report_finding(run->found, run);
    }
    if (WIFSTOPPED(status)) {
        fprintf(run->found, "\n");
        look_and_end(run, pid, true);
    }
    if (run->verdict.word[0] != '\0' && log != NULL) {
        report_log(run->found, log);
    }
    free(log);
}

/* FAULT_STOP: stops the child for some milliseconds. False: it has ended, or crashed, meanwhile,
 * and status tells. */
static bool stop_a_while(struct run *run, pid_t pid, int *status) {
    static uint64_t random = 1;
    if (!run->board->inside || run->board->spec.fault != FAULT_STOP) {
        return true;
    }
    kill(pid, SIGSTOP);
    if (waitpid(pid, status, WUNTRACED) != pid || !WIFSTOPPED(*status) ||
        atomic_load_explicit(&run->board->crash_signal, memory_order_relaxed) != 0) {
        return false;
    }
    poll(NULL, 0, 1 + (int)(stress_random(&random) % 8));
    kill(pid, SIGCONT);
    atomic_fetch_add_explicit(&run->board->gusts[FAULT_STOP], 1, memory_order_relaxed);
    return true;
}

/* Until the child has ended, was stopped, or makes no progress. */
static void watch(struct run *run, pid_t pid) {
    uint64_t last = 0, since_ns = supervise_now_ns();
    int status;
    while (waitpid(pid, &status, WNOHANG | WUNTRACED) == 0) {
        uint64_t now_ns = supervise_now_ns(), progress = progress_of(run->board);
        unsigned threads = stacks_threads(pid);
        if (threads > MOST_THREADS) {
            found_too_many(run, pid, threads);
            return;
        }
        if (progress != last) {
            last = progress;
            since_ns = now_ns;
        } else if ((double)(now_ns - since_ns) > run->hang_limit_s * 1e9) {
            found_hang(run, pid);
            return;
        }
        if (interrupted || now_ns >= run->end_ns) {
            atomic_store_explicit(&run->board->stop, 1, memory_order_relaxed);
        }
        report_progress(run);
        if (!stop_a_while(run, pid, &status)) {
            break;
        }
        poll(NULL, 0, run->board->spec.fault == FAULT_STOP ? 1 : 10);
    }
    found_at_end(run, pid, status);
}

/* What was found goes to the terminal in one piece, and to the report. */
static void show_found(struct run *run) {
    char text[4096];
    size_t n;
    rewind(run->found);
    while ((n = fread(text, 1, sizeof(text), run->found)) > 0) {
        fwrite(text, 1, n, stdout);
    }
    fflush(stdout);
}

static int run_batch(struct run *run) {
    struct board *board = run->board;
    board->first = atomic_load_explicit(&board->beat, memory_order_relaxed);
    board->batch_episodes = BATCH_EPISODES;
    uint64_t now_ns = supervise_now_ns();
    board->batch_end_ns = run->end_ns < now_ns + BATCH_NS ? run->end_ns : now_ns + BATCH_NS;
    board->inside = false;
    snprintf(board->phase, sizeof(board->phase), "start");
    pid_t pid = start_child(run, "episodes");
    if (pid < 0) {
        return VERDICT_USAGE;
    }
    watch(run, pid);
    show_found(run);
    return (int)verdict_code(run->verdict.word);
}

/* ---- Before the first episode -------------------------------------------------------------- */

static int make_board(struct run *run) {
    run->board_fd = memfd_create("weir-stress-board", 0);
    run->log_fd = memfd_create("weir-stress-log", MFD_CLOEXEC);
    if (run->board_fd < 0 || run->log_fd < 0 ||
        ftruncate(run->board_fd, sizeof(struct board)) != 0) {
        perror("weir-stress: shared memory");
        return VERDICT_USAGE;
    }
    void *memory =
        mmap(NULL, sizeof(struct board), PROT_READ | PROT_WRITE, MAP_SHARED, run->board_fd, 0);
    if (memory == MAP_FAILED) {
        perror("weir-stress: shared memory");
        return VERDICT_USAGE;
    }
    run->board = memory;
    run->board->size = sizeof(struct board);
    run->board->settings = run->order->settings;
    return VERDICT_NOTHING;
}

/* A sanitizer that reports nothing proves nothing: it must see what is planted. */
static int prove_sanitizer(struct run *run) {
    int status = 0;
    struct verdict v;
    for (int attempt = 0; attempt < 2; attempt++) {
        bool ended = run_short(run, "planted", 60, &status);
        char *log = read_log(run);
        bool seen = ended && log != NULL && WIFEXITED(status) &&
                    (WEXITSTATUS(status) == CHILD_TSAN || WEXITSTATUS(status) == CHILD_ASAN) &&
                    verdict_of_report(log, &v) &&
                    (strcmp(v.word, "race") == 0 || strcmp(v.word, "use after free") == 0);
        bool none = ended && WIFEXITED(status) && WEXITSTATUS(status) == CHILD_OK &&
                    run->board->sanitizer == SANITIZER_NONE;
        bool no_map = log != NULL && verdict_tsan_unavailable(log);
        free(log);
        if (seen || none) {
            return VERDICT_NOTHING;
        }
        if (!no_map || run->fixed_addresses) {
            break;
        }
        run->fixed_addresses = true; /* as `setarch -R` does */
    }
    fprintf(stderr,
            "weir-stress: %s: it did not report a defect planted for it; nothing "
            "that it does not report would mean anything\n",
            run->board->sanitizer == SANITIZER_ADDRESS ? "ASAN-UNAVAILABLE" : "TSAN-UNAVAILABLE");
    return VERDICT_NO_SANITIZER;
}

static int describe(struct run *run) {
    int status = 0;
    bool ended = run_short(run, "describe", 60, &status);
    if (ended && WIFEXITED(status) && WEXITSTATUS(status) == CHILD_OK &&
        run->board->description.name[0] != '\0') {
        return VERDICT_NOTHING;
    }
    char *log = read_log(run);
    if (log != NULL && log[0] != '\0') {
        fputs(log, stderr);
    } else {
        fprintf(stderr, "weir-stress: %s: loading it %s\n", run->order->settings.subject,
                ended ? "ended the process" : "takes too long");
    }
    free(log);
    return VERDICT_USAGE;
}

static int find_scenario(const struct description *d, const char *name) {
    const char *names[BOARD_SCENARIOS];
    for (unsigned i = 0; i < d->scenario_count; i++) {
        names[i] = d->scenarios[i].name;
        if (strcmp(name, names[i]) == 0) {
            return (int)i;
        }
    }
    const char *nearest = names_nearest(name, names, d->scenario_count);
    fprintf(stderr, "weir-stress: --scenario=%s: no such scenario%s%s%s\n", name,
            nearest != NULL ? "; did you mean " : "; `weir-stress list` shows them",
            nearest != NULL ? nearest : "", nearest != NULL ? "?" : "");
    return -1;
}

/* Turns the names that were asked for into bits. */
static int choose_scenarios(struct settings *s, const struct description *d) {
    char wanted[sizeof(s->wanted)], *rest = NULL;
    snprintf(wanted, sizeof(wanted), "%s", s->wanted);
    s->scenarios = wanted[0] == '\0' ? UINT64_MAX : 0;
    for (char *name = strtok_r(wanted, ",", &rest); name != NULL;
         name = strtok_r(NULL, ",", &rest)) {
        int i = find_scenario(d, name);
        if (i < 0) {
            return VERDICT_USAGE;
        }
        s->scenarios |= UINT64_C(1) << i;
    }
    return VERDICT_NOTHING;
}

int supervise_open(struct run *run, const struct order *order) {
    memset(run, 0, sizeof(*run));
    run->order = order;
    run->found = tmpfile();
    if (run->found == NULL) {
        perror("weir-stress: a file for what is found");
        return VERDICT_HARNESS;
    }
    int code = make_board(run);
    if (code == VERDICT_NOTHING) {
        code = prove_sanitizer(run);
    }
    if (code == VERDICT_NOTHING) {
        code = describe(run);
    }
    if (code == VERDICT_NOTHING) {
        code = choose_scenarios(&run->board->settings, &run->board->description);
    }
    run->hang_limit_s = order->hang_limit_s > 0                   ? order->hang_limit_s
                        : run->board->sanitizer == SANITIZER_NONE ? NATIVE_LIMIT_S
                                                                  : SANITIZER_S;
    return code;
}

/* The group that the fault "quota" needs, where that fault may come. */
static int make_quota(struct board *board) {
    const char *fault = board->settings.fault;
    bool named = strcmp(fault, fault_rows[FAULT_QUOTA].name) == 0;
    if ((fault[0] == '\0' || named) &&
        !limit_quota_make(board->quota_group, sizeof(board->quota_group), board->quota_lacks,
                          sizeof(board->quota_lacks)) &&
        named) {
        fprintf(stderr, "weir-stress: --fault=%s: not allowed here: %s\n", fault,
                board->quota_lacks);
        return VERDICT_USAGE;
    }
    return VERDICT_NOTHING;
}

int supervise_run(struct run *run) {
    struct sigaction on = {.sa_handler = on_interrupt};
    sigaction(SIGINT, &on, NULL);
    sigaction(SIGTERM, &on, NULL);
    run->start_ns = supervise_now_ns();
    run->end_ns = run->start_ns + (uint64_t)(run->order->budget_s * 1e9);
    int code = make_quota(run->board);
    if (code != VERDICT_NOTHING) {
        return code;
    }
    while (code == VERDICT_NOTHING && !interrupted && supervise_now_ns() < run->end_ns) {
        code = run_batch(run);
    }
    double seconds = (double)(supervise_now_ns() - run->start_ns) / 1e9;
    if (!run->order->quiet) {
        report_coverage(stdout, run, seconds);
    }
    if (run->order->report != NULL && page_write(run->order->report, run, seconds) &&
        !run->order->quiet) {
        printf("report: %s/report.html\n", run->order->report);
    }
    if (code == VERDICT_NOTHING && interrupted) {
        return VERDICT_INTERRUPTED;
    }
    return code == VERDICT_NOTHING && !report_is_conclusive(run) ? VERDICT_INCONCLUSIVE : code;
}

void supervise_close(struct run *run) {
    if (run->board != NULL) {
        if (run->board->quota_group[0] != '\0') {
            limit_quota_remove(run->board->quota_group);
        }
        munmap(run->board, sizeof(struct board));
        close(run->board_fd);
        close(run->log_fd);
    }
    if (run->found != NULL) {
        fclose(run->found);
    }
}
