/*
 * fork_outside: a process that forks while its pool works, and whose child leaves at once, harms
 * nothing: the pool of the parent goes on.
 *
 * Not under ThreadSanitizer, where a forked child cannot live.
 */
#include <errno.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "stress/episode.h"

#define TASKS 24
#define FORKS 3

struct member {
    struct episode *e;
    unsigned first;
    bool forks;
};

/* The child allocates, as most do before they exec. */
static void fork_once(struct episode *e) {
    int status = 0;
    pid_t pid = fork();
    if (pid == 0) {
        char *volatile memory = malloc(64);
        free(memory);
        _exit(0);
    }
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR) {
        continue;
    }
    if (pid < 0 || !WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        episode_fail(e, "crash", "a forked child that only allocates ended with status %d", status);
    }
}

static void *work(void *arg) {
    struct member *m = arg;
    episode_ready(m->e);
    for (unsigned i = 0; m->forks && i < FORKS; i++) {
        perturb_rest(150);
        fork_once(m->e);
    }
    for (unsigned i = 0; !m->forks && i < TASKS; i++) {
        (void)episode_submit(m->e, &m->e->tasks[m->first + i], task_plain);
    }
    return NULL;
}

static void run(struct episode *e) {
    unsigned producers = e->spec->producers;
    struct member crew[EPISODE_CREW];
    episode_open(e, producers * TASKS);
    for (unsigned i = 0; i <= producers; i++) {
        crew[i] = (struct member){e, i * TASKS, i == producers};
    }
    episode_phase(e, "fork while the pool works");
    episode_crew(e, producers + 1, work, crew, sizeof(crew[0]));
    episode_join(e);
    episode_phase(e, "quiesce after forks");
    episode_settle(e);
    episode_close(e);
    episode_reach(e, 0, FORKS);
}

const struct scenario scenario_fork_outside = {
    .name = "fork_outside",
    .invariant = "a fork whose child leaves at once harms nothing in the parent",
    .needs = NEEDS_FORK,
    .reach = {"forks"},
    .run = run,
};
