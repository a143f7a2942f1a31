/*
 * Group: members, and who waits for them, under one small lock.
 *
 * *A member* is a library-owned future with a few words behind it. Its task's run and drop are
 * ours: they note the outcome, make the future terminal as the future's own would, and leave.
 * pending counts members from before their submission until they have left.
 *
 * *Noting* comes before the future is terminal, leaving after all of its callbacks. So what decides
 * the group is known before anybody sees the member's end, and nobody believes all to have ended
 * while a callback still runs. Leaving is one critical section, and its unlock the last touch of
 * the group: whoever sees pending at zero under the lock, or was told so by a waiter's promise, may
 * free the group (wrong: lower pending in note; or wake the waiters before the unlock).
 *
 * *A waiter* hangs a promise on the group, on its own stack, and gets that future as any other, so
 * that every wait policy of the pool holds here too. Whoever reaches what it waits for takes it off
 * the list under the lock and sets the promise without it. A waiter whose deadline has passed and
 * that is no longer listed waits for that set, which is on its way.
 *
 * *Cancelling.* The group's token is cancelled by the group, its parent, or the member that
 * decides; a callback of the token then cancels what is listed as queued. A member is listed after
 * its submission, when it can be cancelled like any future, and unless it has ended by then. Who
 * lists looks at the token afterwards; who cancels sets the token before it empties the list; both
 * lists change under the lock, so one of the two sees the other. A listed member has not ended, so
 * the pool's reference to it is still there, and the canceller may take one of its own.
 */
#include <weir/group.h>

#include <errno.h>
#include <pthread.h>
#include <stddef.h>

#include "frame.h"
#include "future.h"
#include "platform/lock.h"
#include "platform/point.h"
#include "pool.h"

struct weir__member {
    struct weir_future future;
    struct weir_group *group;
    void *arg;
    struct weir__member *next, **link; /* link NULL: in no list */
    bool ended;
};

struct weir__group_waiter {
    struct weir_future reached; /* a promise */
    struct weir_group *group;
    bool for_all; /* the decision is not enough */
    struct weir__group_waiter *next, **link;
};

/* ---- Lists; the caller holds the lock ---- */

static void list_member(struct weir__member **list, struct weir__member *member) {
    member->next = *list;
    member->link = list;
    if (member->next)
        member->next->link = &member->next;
    *list = member;
}

static void unlist_member(struct weir__member *member) {
    if (!member->link)
        return;
    *member->link = member->next;
    if (member->next)
        member->next->link = member->link;
    member->link = NULL;
}

static void list_waiter(struct weir__group_waiter **list, struct weir__group_waiter *waiter) {
    waiter->next = *list;
    waiter->link = list;
    if (waiter->next)
        waiter->next->link = &waiter->next;
    *list = waiter;
}

static void unlist_waiter(struct weir__group_waiter *waiter) {
    *waiter->link = waiter->next;
    if (waiter->next)
        waiter->next->link = waiter->link;
    waiter->link = NULL;
}

static bool is_reached(const struct weir_group *group, bool for_all) {
    return group->weir__pending == 0 || (group->weir__decided && !for_all);
}

/* Moves the waiters that have what they wait for to a list of the caller. */
static struct weir__group_waiter *take_reached(struct weir_group *group) {
    struct weir__group_waiter *reached = NULL, *waiter = group->weir__waiters;

    while (waiter) {
        struct weir__group_waiter *next = waiter->next;
        if (is_reached(group, waiter->for_all)) {
            unlist_waiter(waiter);
            waiter->next = reached;
            reached = waiter;
        }
        waiter = next;
    }
    return reached;
}

/* Without the lock. A waiter's stack is gone once its promise is set. */
static void tell(struct weir__group_waiter *waiters) {
    while (waiters) {
        struct weir__group_waiter *next = waiters->next;
        weir_future_set(&waiters->reached, NULL);
        waiters = next;
    }
}

/* ---- Members ---- */

/* Keeps what decides the group. The caller holds the lock. True: this does. */
static bool keep(struct weir_group *group, int error, void *value) {
    if (group->weir__decided)
        return false;
    if (error == -ECANCELED)
        group->weir__cancelled = true;
    else if (error && !group->weir__error)
        group->weir__error = error;
    if (group->weir__policy == WEIR_GROUP_ANY && !error)
        group->weir__value = value;
    else if (group->weir__policy != WEIR_GROUP_FIRST_ERROR || !error || error == -ECANCELED)
        return false;
    return group->weir__decided = true;
}

static void note(struct weir__member *member, int error, void *value) {
    struct weir_group *group = member->group;
    struct weir__group_waiter *reached = NULL;

    weir__lock(&group->weir__lock);
    unlist_member(member);
    member->ended = true;
    bool decides = keep(group, error, value);
    if (decides)
        reached = take_reached(group);
    weir__unlock(&group->weir__lock);
    tell(reached);
    if (decides)
        weir_token_cancel(&group->weir__token);
}

static void leave(struct weir_group *group) {
    struct weir__group_waiter *reached = NULL;

    WEIR__POINT("group.leave");
    weir__lock(&group->weir__lock);
    if (--group->weir__pending == 0)
        reached = take_reached(group);
    weir__unlock(&group->weir__lock);
    WEIR__POINT("group.left");
    tell(reached);
}

static int run_member(struct weir_task *task) {
    struct weir__member *member = (struct weir__member *)(void *)task;
    struct weir_group *group = member->group;
    void *value = NULL;

    weir__frame_set_scope(group);
    int error = member->future.weir__call(member->arg, &value);
    if (error >= 0)
        error = 0;
    else
        value = NULL;
    note(member, error, value);
    weir__future_end(&member->future, error ? WEIR_FUTURE_FAILED : WEIR_FUTURE_DONE, error, value);
    leave(group);
    return error;
}

static void drop_member(struct weir_task *task, int error) {
    struct weir__member *member = (struct weir__member *)(void *)task;
    struct weir_group *group = member->group;

    weir__frame_set_scope(group);
    note(member, error, NULL);
    weir__future_end(&member->future,
                     error == -ECANCELED ? WEIR_FUTURE_CANCELLED : WEIR_FUTURE_FAILED, error, NULL);
    leave(group);
}

static struct weir__member *new_member(struct weir_group *group, weir_call call, void *arg) {
    struct weir__member *member = (struct weir__member *)(void *)weir__future_new_within(
        weir__pool_allocator(group->weir__pool), sizeof *member, call,
        2); /* the caller's reference and the pool's */

    if (!member)
        return NULL;
    member->group = group;
    member->arg = arg;
    member->link = NULL;
    member->ended = false;
    member->future.weir__task.run = run_member;
    member->future.weir__task.drop = drop_member;
    member->future.weir__token = &group->weir__token;
    return member;
}

/* Takes one member off a list with a reference, and puts it into another if there is one. */
static struct weir__member *next_of(struct weir_group *group, struct weir__member **from,
                                    struct weir__member **to) {
    weir__lock(&group->weir__lock);
    struct weir__member *member = *from;
    if (member) {
        unlist_member(member);
        if (to)
            list_member(to, member);
        weir_future_ref(&member->future);
    }
    weir__unlock(&group->weir__lock);
    return member;
}

/* The token's callback. */
static void cancel_members(void *arg) {
    struct weir_group *group = arg;
    struct weir__member *member;

    WEIR__POINT("group.cancel");
    while ((member = next_of(group, &group->weir__queued, NULL)) ||
           (member = next_of(group, &group->weir__tried, NULL))) {
        weir_future_cancel(&member->future);
        weir_future_unref(&member->future);
    }
}

/* ---- Waiting ---- */

static bool is_over(struct weir_group *group, bool for_all) {
    weir__lock(&group->weir__lock);
    bool reached = is_reached(group, for_all);
    weir__unlock(&group->weir__lock);
    return reached;
}

static void unref_member(void *member) {
    weir_future_unref(&((struct weir__member *)member)->future);
}

/* On a worker: runs here what nobody has begun. */
static void claim_members(struct weir_group *group, bool for_all, uint64_t deadline_ns) {
    struct weir__member *member;

    if (!weir__frame_inside_host(&group->weir__pool->host))
        return;
    while (!is_over(group, for_all) && weir_now_ns() < deadline_ns &&
           (member = next_of(group, &group->weir__queued, &group->weir__tried))) {
        pthread_cleanup_push(unref_member, member); /* the call may end this thread */
        weir__future_claim(&member->future);
        pthread_cleanup_pop(1);
    }
}

/* Takes the waiter back, or waits for the set that is on its way: then it was reached after all. */
static bool take_back(struct weir__group_waiter *waiter) {
    struct weir_group *group = waiter->group;

    weir__lock(&group->weir__lock);
    bool listed = waiter->link != NULL;
    if (listed)
        unlist_waiter(waiter);
    weir__unlock(&group->weir__lock);
    if (!listed)
        /* uncovered: it must be reached between the deadline and this lock */
        weir_future_get(&waiter->reached, NULL, WEIR_FOREVER);
    return !listed;
}

/* A task that the waiter ran meanwhile ends its thread, and the stack goes with it. */
static void abandon(void *arg) {
    struct weir__group_waiter *waiter = arg;

    take_back(waiter);
    weir_future_fini(&waiter->reached);
}

/* Sleeps, or helps, until it is over. */
static int await_promise(struct weir_group *group, bool for_all, uint64_t deadline_ns) {
    struct weir__group_waiter waiter = {.group = group, .for_all = for_all};
    int rc;

    weir_future_init(&waiter.reached);
    weir__lock(&group->weir__lock);
    bool reached = is_reached(group, for_all);
    if (!reached && deadline_ns != WEIR_NOW)
        list_waiter(&group->weir__waiters, &waiter);
    weir__unlock(&group->weir__lock);
    if (reached || deadline_ns == WEIR_NOW)
        return reached ? 0 : -EAGAIN;
    pthread_cleanup_push(abandon, &waiter);
    rc = weir_future_get(&waiter.reached, NULL, deadline_ns);
    pthread_cleanup_pop(0);
    if (rc && take_back(&waiter))
        rc = 0; /* uncovered: it must be reached between the deadline and the lock */
    weir_future_fini(&waiter.reached);
    return rc;
}

static int await(struct weir_group *group, bool for_all, uint64_t deadline_ns) {
    if (group->weir__generation != weir__fork_generation())
        return -EOWNERDEAD;
    if (weir__frame_inside_scope(group))
        return -EDEADLK;
    claim_members(group, for_all, deadline_ns);
    return await_promise(group, for_all, deadline_ns);
}

/* ---- The interface ---- */

int weir_group_init(struct weir_group *group, struct weir_pool *pool, enum weir_group_policy policy,
                    struct weir_token *parent) {
    if (!group || !pool || policy > WEIR_GROUP_FIRST_ERROR)
        return -EINVAL;
    *group = (struct weir_group){
        .weir__pool = pool,
        .weir__policy = policy,
        .weir__generation = weir__fork_generation(),
    };
    group->weir__on_cancel.fn = cancel_members;
    group->weir__on_cancel.arg = group;
    weir_token_init(&group->weir__token, parent, WEIR_FOREVER);
    weir_token_on_cancel(&group->weir__token, &group->weir__on_cancel);
    return 0;
}

/* Counts a member that is on its way. */
static int expect_member(struct weir_group *group) {
    if (weir_token_is_cancelled(&group->weir__token))
        return -ECANCELED;
    weir__lock(&group->weir__lock);
    bool decided = group->weir__decided;
    if (!decided)
        group->weir__pending++;
    weir__unlock(&group->weir__lock);
    return decided ? -ECANCELED : 0;
}

/* The pool has it: from here on it may have ended, and can be cancelled. */
static void list_submitted(struct weir_group *group, struct weir__member *member) {
    weir__lock(&group->weir__lock);
    if (!member->ended)
        list_member(&group->weir__queued, member);
    weir__unlock(&group->weir__lock);
    WEIR__POINT("group.listed");
    if (weir_token_is_cancelled(&group->weir__token))
        weir_future_cancel(&member->future);
}

int weir_group_async(struct weir_group *group, weir_call call, void *arg,
                     struct weir_future **future) {
    if (!group || !call)
        return -EINVAL;
    if (group->weir__generation != weir__fork_generation())
        return -EOWNERDEAD;
    struct weir__member *member = new_member(group, call, arg);
    if (!member)
        return -ENOMEM;
    int rc = expect_member(group);
    if (rc == 0 && (rc = weir_pool_submit(group->weir__pool, &member->future.weir__task)) != 0)
        leave(group);
    if (rc) {
        weir__future_discard(&member->future);
        return rc;
    }
    list_submitted(group, member);
    if (future)
        *future = &member->future;
    else
        weir_future_unref(&member->future);
    return 0;
}

static int result_of(struct weir_group *group, void **value) {
    weir__lock(&group->weir__lock);
    int rc = group->weir__error;
    if (group->weir__policy == WEIR_GROUP_ANY && group->weir__decided) {
        rc = 0;
        if (value)
            *value = group->weir__value;
    } else if (rc == 0 && group->weir__cancelled) {
        rc = -ECANCELED;
    } else if (rc == 0 && group->weir__policy == WEIR_GROUP_ANY) {
        rc = -EINVAL; /* all have succeeded and none was first: there was none */
    }
    weir__unlock(&group->weir__lock);
    return rc;
}

int weir_group_wait(struct weir_group *group, void **value, uint64_t deadline_ns) {
    if (!group)
        return -EINVAL;
    int rc = await(group, false, deadline_ns);
    return rc ? rc : result_of(group, value);
}

int weir_group_cancel(struct weir_group *group) {
    if (!group)
        return -EINVAL;
    if (group->weir__generation != weir__fork_generation())
        return -EOWNERDEAD;
    return weir_token_cancel(&group->weir__token);
}

struct weir_token *weir_group_token(struct weir_group *group) {
    return group ? &group->weir__token : NULL;
}

size_t weir_group_pending(struct weir_group *group) {
    if (!group)
        return 0;
    weir__lock(&group->weir__lock);
    size_t pending = group->weir__pending;
    weir__unlock(&group->weir__lock);
    return pending;
}

int weir_group_fini(struct weir_group *group) {
    if (!group)
        return -EINVAL;
    if (group->weir__generation != weir__fork_generation())
        return 0; /* the members' threads are in the parent */
    int rc = await(group, true, WEIR_FOREVER);
    return rc ? rc : weir_token_fini(&group->weir__token);
}
