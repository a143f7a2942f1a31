/*
 * weir_fork: a child of fork that uses the pool of its parent is told so, or has an empty pool with
 * threads of its own; it never hangs, whatever the parent's threads did at the moment. The parent's
 * pool goes on.
 *
 * Not under ThreadSanitizer, where a forked child cannot live.
 */
#include <errno.h>
#include <sys/wait.h>
#include <unistd.h>

#include "stress/weir/work.h"

#define TASKS 24
#define FORKS 3
#define LIMIT 20 /* seconds of a child */

struct member {
    struct episode *e;
    struct weir_pool *pool;
    struct work *works;
    unsigned first;
    bool forks, respawns;
};

static int return_seven(void *arg, void **value) {
    (void)arg;
    *value = (void *)(uintptr_t)7;
    return 0;
}

static void nothing(void *arg) {
    (void)arg;
}

/* Exit status of the child: 0 is right, else the step that was wrong. */
static int live_on(struct weir_pool *pool, bool respawns) {
    struct weir_future *future = NULL;
    void *value = NULL;
    if (!respawns) {
        if (weir_pool_execute(pool, nothing, NULL) != -EOWNERDEAD) {
            return 1;
        }
        if (weir_pool_await_idle(pool, WEIR_FOREVER) != -EOWNERDEAD) {
            return 2;
        }
        return weir_pool_free(pool) == 0 ? 0 : 3;
    }
    if (weir_pool_async(pool, return_seven, NULL, &future) != 0) {
        return 4;
    }
    if (weir_future_get(future, &value, WEIR_FOREVER) != 0 || value != (void *)(uintptr_t)7) {
        return 5;
    }
    weir_future_unref(future);
    return weir_pool_free(pool) == 0 ? 0 : 6;
}

static void fork_once(struct member *m) {
    int status = 0;
    pid_t pid = fork();
    if (pid == 0) {
        work_in_child = true;
        alarm(LIMIT);
        _exit(live_on(m->pool, m->respawns));
    }
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR) {
        continue;
    }
    if (pid < 0 || WIFSIGNALED(status)) {
        episode_fail(m->e, status == SIGALRM ? "hang" : "crash",
                     "a forked child that uses its parent's pool was ended by signal %d",
                     WTERMSIG(status));
    }
    if (WEXITSTATUS(status) != 0) {
        episode_fail(m->e, "wrong error", "step %d of a forked child with %s", WEXITSTATUS(status),
                     m->respawns ? "a pool that respawns" : "its parent's pool");
    }
}

static void *work(void *arg) {
    struct member *m = arg;
    episode_ready(m->e);
    for (unsigned i = 0; m->forks && i < FORKS; i++) {
        perturb_rest(150);
        fork_once(m);
    }
    for (unsigned i = 0; !m->forks && i < TASKS; i++) {
        unsigned task = m->first + i;
        (void)work_insist(m->e, m->pool, &m->works[task], &m->e->tasks[task], 0);
    }
    return NULL;
}

static void run(struct episode *e) {
    unsigned producers = e->spec->producers;
    struct member crew[EPISODE_CREW];
    struct weir_pool_options options;
    work_options(e, &options);
    options.fork = episode_below(e, 2) == 0 ? WEIR_FORK_ERROR : WEIR_FORK_RESPAWN;
    episode_plan(e, producers * TASKS);
    struct work *works = episode_memory(e, e->planned * sizeof *works);
    struct weir_pool *pool = work_pool(e, &options);
    for (unsigned i = 0; i <= producers; i++) {
        crew[i] = (struct member){e,         pool,           works,
                                  i * TASKS, i == producers, options.fork == WEIR_FORK_RESPAWN};
    }
    episode_phase(e, "fork while the pool works");
    episode_crew(e, producers + 1, work, crew, sizeof crew[0]);
    episode_join(e);
    work_free(e, pool);
    episode_check_all(e, false);
    free(works);
    episode_reach(e, options.fork == WEIR_FORK_RESPAWN, FORKS);
}

const struct scenario scenario_weir_fork = {
    .name = "weir_fork",
    .invariant = "a forked child is told, or has a pool of its own; the parent's pool goes on",
    .needs = NEEDS_FORK,
    .reach = {"children that are told", "children with threads of their own"},
    .run = run,
};
