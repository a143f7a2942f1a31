#include "bench/campaign/spawn.h"
#include "bench/campaign/util.h"
#include "bench/measure/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

enum { READ_END, WRITE_END };

/* The parent's side of a running child; a closed descriptor is -1. */
struct child {
    pid_t pid;
    int in;
    int out;
    int err;
    int child_fd; /* signalfd for SIGCHLD: the end of the process, whoever holds its pipes */
    const char *input;
    size_t input_left;
    size_t error_length;
    sigset_t saved_mask;
    struct sigaction saved_pipe;
};

static void close_fd(int *fd) {
    if (*fd >= 0) {
        close(*fd);
        *fd = -1;
    }
}

/* Runs between fork and exec: nothing but async-signal-safe calls. */
static _Noreturn void become(const char *const argv[], int in, int out, int err, int status,
                             const sigset_t *mask, pid_t parent) {
    struct sigaction standard = {.sa_handler = SIG_DFL};
    sigaction(SIGPIPE, &standard, NULL);
    sigaction(SIGINT, &standard, NULL);
    sigaction(SIGTERM, &standard, NULL);
    sigprocmask(SIG_SETMASK, mask, NULL);
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() == parent && dup2(in, STDIN_FILENO) >= 0 && dup2(out, STDOUT_FILENO) >= 0 &&
        dup2(err, STDERR_FILENO) >= 0) {
        execvp(argv[0], (char *const *)(uintptr_t)argv);
    }
    int error = errno;
    ssize_t told = write(status, &error, sizeof error);
    _exit(told == (ssize_t)sizeof error ? 127 : 126);
}

/* 0 once exec has succeeded in the child, else its negative errno. */
static int exec_status(int status_fd) {
    int error = 0;
    ssize_t n;
    do {
        n = read(status_fd, &error, sizeof error);
    } while (n < 0 && errno == EINTR);
    return n == (ssize_t)sizeof error ? -error : 0;
}

static int pipes_open(int pipes[4][2]) {
    for (int i = 0; i < 4; i++) {
        if (pipe2(pipes[i], O_CLOEXEC) != 0) {
            return -errno;
        }
    }
    return 0;
}

static int start(struct child *child, const char *const argv[]) {
    int pipes[4][2] = {{-1, -1}, {-1, -1}, {-1, -1}, {-1, -1}};
    int error = pipes_open(pipes);
    if (error == 0) {
        pid_t parent = getpid();
        child->pid = fork();
        if (child->pid == 0) {
            sigset_t mask;
            sigemptyset(&mask);
            become(argv, pipes[0][READ_END], pipes[1][WRITE_END], pipes[2][WRITE_END],
                   pipes[3][WRITE_END], &mask, parent);
        }
        error = child->pid < 0 ? -errno : 0;
    }
    close_fd(&pipes[3][WRITE_END]);
    if (error == 0) {
        error = exec_status(pipes[3][READ_END]);
        if (error != 0) {
            waitpid(child->pid, NULL, 0);
        }
    }
    close_fd(&pipes[3][READ_END]);
    close_fd(&pipes[0][READ_END]);
    close_fd(&pipes[1][WRITE_END]);
    close_fd(&pipes[2][WRITE_END]);
    child->in = pipes[0][WRITE_END];
    child->out = pipes[1][READ_END];
    child->err = pipes[2][READ_END];
    if (error != 0) {
        close_fd(&child->in);
        close_fd(&child->out);
        close_fd(&child->err);
        return error;
    }
    setpgid(child->pid, child->pid); /* the child does so too; whoever comes first */
    fcntl(child->in, F_SETFL, O_NONBLOCK);
    fcntl(child->out, F_SETFL, O_NONBLOCK);
    fcntl(child->err, F_SETFL, O_NONBLOCK);
    return 0;
}

static void feed(struct child *child) {
    ssize_t n = write(child->in, child->input, child->input_left);
    if (n > 0) {
        child->input += n;
        child->input_left -= (size_t)n;
    }
    /* A child that closes its stdin early is no failure by itself: its record decides. */
    if (child->input_left == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
        close_fd(&child->in);
    }
}

/* False once the child has said more than a record can be. */
static bool read_output(struct child *child, struct spawn_result *result) {
    char chunk[65536];
    ssize_t n = read(child->out, chunk, sizeof chunk);
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
        close_fd(&child->out);
        return true;
    }
    if (n < 0) {
        return true;
    }
    if (result->length + (size_t)n > SPAWN_OUTPUT_MAX) {
        return false;
    }
    result->output = must_grow(result->output, result->length + (size_t)n + 1, 1);
    memcpy(result->output + result->length, chunk, (size_t)n);
    result->length += (size_t)n;
    result->output[result->length] = '\0';
    return true;
}

static void read_error(struct child *child, struct spawn_result *result) {
    char chunk[4096];
    ssize_t n = read(child->err, chunk, sizeof chunk);
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
        close_fd(&child->err);
        return;
    }
    size_t room = SPAWN_ERROR_MAX - child->error_length;
    size_t kept = n < 0 ? 0 : (size_t)n < room ? (size_t)n : room;
    memcpy(result->error + child->error_length, chunk, kept);
    child->error_length += kept;
    result->error[child->error_length] = '\0';
}

static bool has_ended(struct child *child, struct spawn_result *result) {
    int status;
    pid_t reaped;
    struct signalfd_siginfo info;
    while (read(child->child_fd, &info, sizeof info) > 0) {
    }
    do {
        reaped = waitpid(child->pid, &status, WNOHANG);
    } while (reaped < 0 && errno == EINTR);
    if (reaped != child->pid) {
        return false;
    }
    result->outcome = WIFEXITED(status) ? SPAWN_EXITED : SPAWN_SIGNALLED;
    result->code = WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status);
    return true;
}

static void kill_group(struct child *child) {
    kill(-child->pid, SIGKILL);
}

/* The child is a zombie or about to be one; nothing that it wrote before may be lost. */
static void drain(struct child *child, struct spawn_result *result) {
    struct pollfd fd = {.fd = child->out, .events = POLLIN};
    while (child->out >= 0 && poll(&fd, 1, 0) > 0 && read_output(child, result)) {
    }
    fd.fd = child->err;
    while (child->err >= 0 && poll(&fd, 1, 0) > 0) {
        read_error(child, result);
    }
}

static void stop(struct child *child, struct spawn_result *result, enum spawn_outcome why) {
    kill_group(child);
    while (waitpid(child->pid, NULL, 0) < 0 && errno == EINTR) {
    }
    drain(child, result);
    result->outcome = why;
    result->code = SIGKILL;
}

static void watch(struct child *child, uint64_t deadline_ns, int cancel_fd,
                  struct spawn_result *result) {
    for (;;) {
        struct pollfd fds[5] = {
            {.fd = child->in, .events = POLLOUT},      {.fd = child->out, .events = POLLIN},
            {.fd = child->err, .events = POLLIN},      {.fd = cancel_fd, .events = POLLIN},
            {.fd = child->child_fd, .events = POLLIN},
        };
        uint64_t now = clock_now_ns();
        if (now >= deadline_ns) {
            stop(child, result, SPAWN_TIMED_OUT);
            return;
        }
        uint64_t left_ms = (deadline_ns - now) / NS_PER_MS + 1;
        int ready = poll(fds, 5, left_ms > 60000 ? 60000 : (int)left_ms);
        if (ready <= 0) {
            continue; /* the clock at the top of the loop decides */
        }
        if (fds[0].revents) {
            feed(child);
        }
        if (fds[1].revents && !read_output(child, result)) {
            stop(child, result, SPAWN_TOO_LOUD);
            return;
        }
        if (fds[2].revents) {
            read_error(child, result);
        }
        if (fds[3].revents) {
            stop(child, result, SPAWN_CANCELLED);
            return;
        }
        if (fds[4].revents && has_ended(child, result)) {
            kill_group(child); /* what it left behind would disturb the next cell */
            drain(child, result);
            return;
        }
    }
}

/* SIGCHLD must be blocked before fork, or the end of a short child goes unnoticed. */
static int watch_children(struct child *child) {
    sigset_t ended;
    sigemptyset(&ended);
    sigaddset(&ended, SIGCHLD);
    sigprocmask(SIG_BLOCK, &ended, &child->saved_mask);
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    sigaction(SIGPIPE, &ignore, &child->saved_pipe);
    child->child_fd = signalfd(-1, &ended, SFD_CLOEXEC | SFD_NONBLOCK);
    return child->child_fd < 0 ? -errno : 0;
}

static void unwatch_children(struct child *child) {
    close_fd(&child->child_fd);
    sigaction(SIGPIPE, &child->saved_pipe, NULL);
    sigprocmask(SIG_SETMASK, &child->saved_mask, NULL);
}

int spawn_run(const char *const argv[], const char *input, uint64_t timeout_ns, int cancel_fd,
              struct spawn_result *result) {
    struct child child = {.in = -1, .out = -1, .err = -1, .child_fd = -1};
    memset(result, 0, sizeof *result);
    result->output = must(calloc(1, 1));
    child.input = input;
    child.input_left = strlen(input);
    uint64_t started_ns = clock_now_ns();
    int error = watch_children(&child);
    if (error == 0) {
        error = start(&child, argv);
    }
    if (error == 0) {
        watch(&child, started_ns + timeout_ns, cancel_fd, result);
    } else {
        snprintf(result->error, sizeof result->error, "cannot start %s: %s", argv[0],
                 strerror(-error));
    }
    close_fd(&child.in);
    close_fd(&child.out);
    close_fd(&child.err);
    unwatch_children(&child);
    result->wall_ns = clock_now_ns() - started_ns;
    return error;
}

void spawn_result_fini(struct spawn_result *result) {
    free(result->output);
    result->output = NULL;
}
