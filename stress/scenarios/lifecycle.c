/*
 * lifecycle: a pool may be closed at any moment after it was opened, with tasks or without; close
 * brings every accepted task to its end, and no thread of the pool outlives it.
 */
#include <dirent.h>
#include <poll.h>

#include "stress/episode.h"

#define POOLS   5
#define TASKS   6
#define PATIENT 200 /* looks, 5 ms apart, until a thread that has ended is gone from /proc */

static unsigned own_threads(void) {
    unsigned n = 0;
    DIR *folder = opendir("/proc/self/task");
    struct dirent *entry;
    while (folder != NULL && (entry = readdir(folder)) != NULL) {
        n += entry->d_name[0] != '.';
    }
    if (folder != NULL) {
        closedir(folder);
    }
    return n;
}

static void check_threads(struct episode *e, unsigned before) {
    if (episode_can(e, WEIR_SUBJECT_SHARED_THREADS)) {
        return; /* they are not the pool's alone, and may outlive it */
    }
    unsigned now = own_threads();
    for (unsigned look = 0; now > before && look < PATIENT; look++) {
        poll(NULL, 0, 5);
        now = own_threads();
    }
    if (now > before) {
        episode_fail(e, "thread leak", "%u threads before open, %u after close", before, now);
    }
}

static void run(struct episode *e) {
    unsigned before = own_threads(), tasks = 0;
    episode_plan(e, POOLS * TASKS);
    for (unsigned pool = 0; pool < POOLS; pool++) {
        unsigned n = (unsigned)episode_below(e, TASKS + 1);
        episode_open_again(e);
        if (episode_below(e, 3) == 0) {
            perturb_rest(200); /* workers have gone to sleep; else they are still being born */
        }
        episode_phase(e, "submit, and close at once");
        for (unsigned i = 0; i < n; i++) {
            (void)episode_submit(e, &e->tasks[pool * TASKS + i], task_plain);
        }
        if (episode_below(e, 3) == 0) {
            episode_quiesce(e);
        }
        episode_close(e);
        episode_check_all(e, false);
        check_threads(e, before);
        tasks += n;
    }
    episode_reach(e, 0, POOLS);
    episode_reach(e, 1, tasks);
}

const struct scenario scenario_lifecycle = {
    .name = "lifecycle",
    .invariant = "a pool may be closed at any moment: its tasks have ended then, its threads too",
    .needs = NEEDS_OWN_THREADS,
    .reach = {"pools", "tasks met by close"},
    .run = run,
};
