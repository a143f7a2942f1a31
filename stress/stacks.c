#include "stress/stacks.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "stress/fault.h"

#define MAX_THREADS 256
#define LOOKS       6
#define SHOWN       16 /* of a process with more than MAX_THREADS */
#define DEBUGGER_S  40

static unsigned threads_of(pid_t pid, pid_t tids[MAX_THREADS]) {
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
    DIR *folder = opendir(path);
    unsigned n = 0;
    struct dirent *entry;
    while (folder != NULL && n < MAX_THREADS && (entry = readdir(folder)) != NULL) {
        int tid = atoi(entry->d_name);
        if (tid > 0) {
            tids[n++] = tid;
        }
    }
    if (folder != NULL) {
        closedir(folder);
    }
    return n;
}

/* Reads a small file of /proc about one thread; false when it is not there. */
static bool read_about(pid_t pid, pid_t tid, const char *name, char *text, size_t size) {
    char path[96];
    snprintf(path, sizeof(path), "/proc/%d/task/%d/%s", (int)pid, (int)tid, name);
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        return false;
    }
    size_t n = fread(text, 1, size - 1, file);
    text[n] = '\0';
    fclose(file);
    return n != 0;
}

/* ---- A debugger ---- */

static bool by_debugger(FILE *out, pid_t pid) {
    char id[16];
    snprintf(id, sizeof(id), "%d", (int)pid);
    fflush(out);
    pid_t gdb = fork();
    if (gdb == 0) {
        dup2(fileno(out), STDOUT_FILENO);
        int null = open("/dev/null", O_RDWR);
        if (null >= 0) {
            dup2(null, STDERR_FILENO);
            dup2(null, STDIN_FILENO);
        }
        alarm(DEBUGGER_S); /* it outlives exec, and its signal ends the debugger */
        execlp("gdb", "gdb", "--batch", "--nx", "-iex", "set debuginfod enabled off", "-ex",
               "set pagination off", "-ex", "set print frame-arguments scalars", "-p", id, "-ex",
               "thread apply all bt 24", (char *)NULL);
        _exit(127);
    }
    int status = 0;
    if (gdb < 0 || waitpid(gdb, &status, 0) < 0) {
        return false;
    }
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* ---- The threads themselves ---- */

static bool blocks_signal(pid_t pid, pid_t tid, int signal) {
    char text[4096];
    if (!read_about(pid, tid, "status", text, sizeof(text))) {
        return true;
    }
    const char *mask = strstr(text, "SigBlk:");
    return mask == NULL || (strtoull(mask + 7, NULL, 16) >> (signal - 1) & 1) != 0;
}

static void copy_from(FILE *out, int fd, off_t from) {
    char text[4096];
    ssize_t n;
    while ((n = pread(fd, text, sizeof(text), from)) > 0) {
        fwrite(text, 1, (size_t)n, out);
        from += n;
    }
}

static void by_signal(FILE *out, pid_t pid, pid_t tid, int log_fd) {
    off_t before = lseek(log_fd, 0, SEEK_END);
    if (blocks_signal(pid, tid, SIGUSR2) || syscall(SYS_tgkill, pid, tid, SIGUSR2) != 0) {
        return;
    }
    for (int i = 0; i < 20 && lseek(log_fd, 0, SEEK_END) == before; i++) {
        poll(NULL, 0, 10); /* until it has begun to write; a thread may be unable to */
    }
    poll(NULL, 0, 10);
    copy_from(out, log_fd, before);
}

/* ---- The kernel ---- */

static void by_kernel(FILE *out, pid_t pid, pid_t tid) {
    static const char *const about[] = {"comm", "wchan", "syscall", "stack"};
    char text[4096];
    for (size_t i = 0; i < sizeof(about) / sizeof(about[0]); i++) {
        if (read_about(pid, tid, about[i], text, sizeof(text))) {
            text[strcspn(text, "\n")] = '\0';
            fprintf(out, "  %s: %s\n", about[i], text);
        }
    }
}

unsigned stacks_threads(pid_t pid) {
    char path[64];
    struct stat about;
    snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
    return stat(path, &about) == 0 ? (unsigned)about.st_nlink - 2 : 0;
}

void stacks_write(FILE *out, pid_t pid, int log_fd, bool stopped) {
    bool many = stacks_threads(pid) > MAX_THREADS; /* a debugger would take minutes */
    if (!many && by_debugger(out, pid)) {
        return;
    }
    pid_t tids[MAX_THREADS];
    unsigned n = threads_of(pid, tids);
    n = many ? SHOWN : n;
    for (unsigned i = 0; i < n; i++) {
        fprintf(out, "Thread %u (%d):\n", i + 1, (int)tids[i]);
        by_kernel(out, pid, tids[i]);
        if (!stopped) {
            by_signal(out, pid, tids[i], log_fd);
        }
    }
}

/* A thread that sleeps for a mutex of glibc's waits for its word to leave 2. */
static bool sleeps_at_mutex(pid_t pid, pid_t tid) {
    char text[256];
    unsigned long call, word, operation, value;
    return read_about(pid, tid, "syscall", text, sizeof(text)) &&
           sscanf(text, "%lu %lx %lx %lx", &call, &word, &operation, &value) == 4 &&
           call == SYS_futex && operation == (FUTEX_WAIT | FUTEX_PRIVATE_FLAG) && value == 2;
}

/* The harness's own storm never sleeps long, and does not count. */
static bool sleeps(pid_t pid, pid_t tid) {
    char text[1024];
    const char *state = NULL;
    if (read_about(pid, tid, "comm", text, sizeof(text)) &&
        strncmp(text, FAULT_THREAD, strlen(FAULT_THREAD)) == 0) {
        return true;
    }
    if (read_about(pid, tid, "stat", text, sizeof(text))) {
        state = strrchr(text, ')'); /* the name may hold anything, also ')' */
    }
    return state != NULL && (state[2] == 'S' || state[2] == 'D');
}

void stacks_scene(pid_t pid, struct scene *scene) {
    scene->asleep = true;
    for (int look = 0; look < LOOKS; look++) {
        pid_t tids[MAX_THREADS];
        scene->threads = threads_of(pid, tids);
        scene->at_mutex = 0;
        for (unsigned i = 0; i < scene->threads; i++) {
            scene->asleep &= sleeps(pid, tids[i]);
            scene->at_mutex += sleeps_at_mutex(pid, tids[i]);
        }
        poll(NULL, 0, 7);
    }
}
