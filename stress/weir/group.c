/*
 * weir_group: a group's result follows from its members' ends, and when fini returns no member
 * runs and nobody touches the group any more.
 *
 * Members succeed, fail, add members, and end early when they are cancelled; another thread may
 * cancel the group. Its memory is made unreadable after fini.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "stress/weir/work.h"

#define MEMBERS 24
#define PAGE    4096

enum kind { SUCCEEDS, FAILS, ADDS, LASTS, KINDS };

struct shared {
    struct episode *e;
    struct weir_group *group;
    _Atomic(uint32_t) succeeded, failed, begun, ended;
    bool cancels;
};

struct member {
    struct shared *shared;
    enum kind kind;
    _Atomic(uint32_t) runs;
};

static int run_inner(void *arg, void **value) {
    struct shared *s = arg;
    *value = s;
    return 0;
}

static int run_member(void *arg, void **value) {
    struct member *m = arg;
    struct shared *s = m->shared;
    int answer = 0;
    atomic_fetch_add_explicit(&s->begun, 1, memory_order_relaxed);
    if (atomic_fetch_add_explicit(&m->runs, 1, memory_order_relaxed) != 0) {
        episode_fail(s->e, "double run", "a member of a group ran twice");
    }
    perturb_point("harness:member");
    if (m->kind == ADDS) {
        int error = weir_group_async(s->group, run_inner, s, NULL);
        if (error != 0 && error != -ECANCELED && error != -EAGAIN) {
            work_wrong(s->e, "weir_group_async from a member", error);
        }
    }
    for (unsigned i = 0; m->kind == LASTS && i < 20 && !weir_cancelled(); i++) {
        perturb_rest(30);
    }
    answer = m->kind == FAILS ? -EIO : 0;
    atomic_fetch_add_explicit(answer == 0 ? &s->succeeded : &s->failed, 1, memory_order_relaxed);
    *value = m;
    atomic_fetch_add_explicit(&s->ended, 1, memory_order_relaxed);
    return answer;
}

static void *cancel(void *arg) {
    struct shared *s = arg;
    episode_ready(s->e);
    if (s->cancels) {
        perturb_rest(200);
        int error = weir_group_cancel(s->group);
        if (error != 0 && error != -EALREADY) {
            work_wrong(s->e, "weir_group_cancel", error);
        }
    }
    return NULL;
}

static void judge(struct shared *s, enum weir_group_policy policy, int result, unsigned added) {
    uint32_t failed = atomic_load_explicit(&s->failed, memory_order_relaxed);
    uint32_t succeeded = atomic_load_explicit(&s->succeeded, memory_order_relaxed);
    bool right = result == 0            ? policy == WEIR_GROUP_ANY ? succeeded != 0 : failed == 0
                 : result == -EIO       ? failed != 0
                 : result == -ECANCELED ? s->cancels
                                        : policy == WEIR_GROUP_ANY && added == 0;
    if (!right) {
        episode_fail(s->e, "wrong value",
                     "a group with policy %d gave %d: %u members succeeded, %u failed%s",
                     (int)policy, result, succeeded, failed, s->cancels ? ", cancelled" : "");
    }
}

static void run(struct episode *e) {
    struct weir_pool_options options;
    struct member members[MEMBERS];
    void *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED) {
        episode_fail(e, "harness error", "mmap");
    }
    enum weir_group_policy policy = (enum weir_group_policy)episode_below(e, 3);
    struct shared s = {.e = e, .group = page, .cancels = episode_below(e, 3) == 0};
    unsigned added = 0;
    work_options(e, &options);
    episode_plan(e, 1);
    struct weir_pool *pool = work_pool(e, &options);
    work_expect(e, "weir_group_init", weir_group_init(s.group, pool, policy, NULL), 0);
    episode_phase(e, "members of a group");
    episode_crew(e, 1, cancel, &s, 0);
    for (unsigned i = 0; i < MEMBERS; i++) {
        members[i] = (struct member){.shared = &s, .kind = (enum kind)episode_below(e, KINDS)};
        int error = weir_group_async(s.group, run_member, &members[i], NULL);
        added += error == 0;
        if (error != 0 && error != -ECANCELED && error != -EAGAIN) {
            work_wrong(e, "weir_group_async", error);
        }
    }
    void *value = NULL;
    int result = weir_group_wait(s.group, &value, WEIR_FOREVER);
    episode_join(e);
    episode_phase(e, "the end of a group");
    work_expect(e, "weir_group_fini", weir_group_fini(s.group), 0);
    if (atomic_load_explicit(&s.begun, memory_order_relaxed) !=
        atomic_load_explicit(&s.ended, memory_order_relaxed)) {
        episode_fail(e, "early completion", "fini returned while a member ran");
    }
    episode_released(e, page, PAGE);
    (void)mprotect(page, PAGE, PROT_NONE);
    judge(&s, policy, result, added);
    work_free(e, pool);
    episode_reach(e, s.cancels, added);
}

const struct scenario scenario_weir_group = {
    .name = "weir_group",
    .invariant = "a group's result follows from its members; after fini nobody runs or touches it",
    .reach = {"members", "members of cancelled groups"},
    .run = run,
};
