/*
 * nested_wait: a task that waits for tasks of its own never deadlocks, whatever the number of
 * workers, one included, and whatever lock it holds.
 *
 * Trees: each node submits its children and waits for them, deeper than there are workers. Under
 * a lock: roots that share a mutex each hold it while they wait for a child that does not need
 * it. A waiting worker that runs any other task it finds runs the next root, which wants the
 * mutex that its own stack holds.
 */
#include "stress/episode.h"

#define FAN   2
#define NODES 15 /* of a tree: four levels */
#define TREES 4
#define PAIRS 12

struct producer {
    struct episode *e;
    unsigned first;
};

/* ---- Trees ---- */

/* Node i of a tree has the children 2i + 1 and 2i + 2, as in a heap. */
static void *run_node(void *arg) {
    struct task *t = arg;
    struct episode *e = t->episode;
    task_begin(t);
    unsigned node = t->id % NODES;
    struct task *root = t - node;
    struct task *child[FAN];
    unsigned children = 0;
    for (unsigned i = 1; i <= FAN && FAN * node + i < NODES; i++) {
        struct task *c = &root[FAN * node + i];
        /* Full: this branch stays empty. */
        if (episode_try_async(e, c, run_node) == HANDED_ACCEPTED) {
            child[children++] = c;
        }
    }
    /* Newest first, then oldest first: both ends of a deque. */
    for (unsigned i = 0; i < children; i++) {
        (void)episode_await(e, child[t->id % 2 == 0 ? i : children - 1 - i]);
    }
    task_end(t);
    return t;
}

static void *grow(void *arg) {
    struct producer *p = arg;
    episode_ready(p->e);
    struct task *tasks = &p->e->tasks[p->first];
    for (unsigned i = 0; i < TREES; i++) {
        (void)episode_async(p->e, &tasks[i * NODES], run_node);
    }
    for (unsigned i = 0; i < TREES; i++) {
        (void)episode_await(p->e, &tasks[i * NODES]);
    }
    return NULL;
}

static void trees(struct episode *e) {
    unsigned producers = e->spec->producers;
    struct producer crew[EPISODE_CREW];
    episode_open(e, producers * TREES * NODES);
    for (unsigned i = 0; i < producers; i++) {
        crew[i] = (struct producer){e, i * TREES * NODES};
    }
    episode_phase(e, "trees of waits");
    episode_crew(e, producers, grow, crew, sizeof(crew[0]));
    episode_join(e);
    episode_close(e);
    episode_check_all(e, false);
    episode_reach(e, 0, producers * TREES);
}

/* ---- Under a lock ---- */

/* The child has the id after its parent. */
static void *run_locked(void *arg) {
    struct task *t = arg;
    pthread_mutex_t *lock = t->user;
    task_begin(t);
    pthread_mutex_lock(lock);
    if (episode_try_async(t->episode, t + 1, task_call) == HANDED_ACCEPTED) {
        (void)episode_await(t->episode, t + 1);
    }
    pthread_mutex_unlock(lock);
    task_end(t);
    return t;
}

static void *pair_up(void *arg) {
    struct producer *p = arg;
    episode_ready(p->e);
    struct task *tasks = &p->e->tasks[p->first];
    for (unsigned i = 0; i < PAIRS; i++) {
        (void)episode_async(p->e, &tasks[2 * i], run_locked);
    }
    for (unsigned i = 0; i < PAIRS; i++) {
        (void)episode_await(p->e, &tasks[2 * i]);
    }
    return NULL;
}

static void locked(struct episode *e) {
    unsigned producers = e->spec->producers;
    struct producer crew[EPISODE_CREW];
    pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    episode_open(e, producers * PAIRS * 2);
    for (unsigned i = 0; i < e->planned; i++) {
        e->tasks[i].user = &lock;
    }
    for (unsigned i = 0; i < producers; i++) {
        crew[i] = (struct producer){e, i * PAIRS * 2};
    }
    episode_phase(e, "waits under a lock");
    episode_crew(e, producers, pair_up, crew, sizeof(crew[0]));
    episode_join(e);
    episode_close(e);
    episode_check_all(e, false);
    pthread_mutex_destroy(&lock);
    episode_reach(e, 1, producers * PAIRS);
}

static void run(struct episode *e) {
    if (episode_can(e, WEIR_SUBJECT_NESTED_LOCKED) && episode_below(e, 3) == 0) {
        locked(e);
    } else {
        trees(e);
    }
}

const struct scenario scenario_nested_wait = {
    .name = "nested_wait",
    .invariant = "a task that waits for its own tasks never deadlocks, with one worker or many",
    .needs = NEEDS_ASYNC | NEEDS_NESTED | NEEDS_FROM_TASK,
    .reach = {"trees", "waits under a lock"},
    .run = run,
};
