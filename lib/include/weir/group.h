/*
 * Group: calls that end together. Whoever opens a group closes it, and no call of it outlives that:
 * what the calls use may lie on the stack around it.
 *
 * A group is caller-owned (weir_group_init ... weir_group_fini, in any memory). Any thread may add
 * members, members included. Each has a future, and the group a token: weir_cancelled() inside a
 * member tells it to end early.
 *
 * Ordering: the end of a member, its future's callbacks included, happens before every return of
 * weir_group_wait and weir_group_fini that it made possible.
 *
 * A child of fork gets -EOWNERDEAD from a group of its parent, and may fini it at once.
 *
 * After the ideas of structured concurrency (nurseries of Trio, Java's StructuredTaskScope) and of
 * Java's invokeAll and invokeAny.
 */
#ifndef WEIR_GROUP_H
#define WEIR_GROUP_H

#include <stdbool.h>

#include <weir/base.h>
#include <weir/future.h>
#include <weir/token.h>

WEIR__BEGIN

struct weir_pool;

enum weir_group_policy {
    WEIR_GROUP_ALL = 0,         /* every member ends in its own way */
    WEIR_GROUP_ANY = 1,         /* the first success decides, and cancels the rest */
    WEIR_GROUP_FIRST_ERROR = 2, /* the first failure decides, and cancels the rest */
};

struct weir__member;
struct weir__group_waiter;

/* Opaque but for its size. */
struct weir_group {
    struct weir_pool *weir__pool;
    struct weir_token weir__token;
    struct weir_token_callback weir__on_cancel;
    WEIR__ATOMIC(uint32_t) weir__lock;
    enum weir_group_policy weir__policy;
    size_t weir__pending;
    int32_t weir__error;
    bool weir__decided, weir__cancelled;
    void *weir__value;
    struct weir__member *weir__queued, *weir__tried;
    struct weir__group_waiter *weir__waiters;
    uint32_t weir__generation;
};

/*
 * Makes an empty group whose members run on pool, which must outlive it. parent NULL: only the
 * group itself cancels its members; else also parent, and its deadline: a timed group is one with
 * such a parent. -EINVAL: group or pool is NULL, or no such policy. Never blocks.
 */
WEIR_API int weir_group_init(struct weir_group *group, struct weir_pool *pool,
                             enum weir_group_policy policy, struct weir_token *parent);

/*
 * Adds a member: call(arg, &value) will run on the pool. *future is a library-owned future for it,
 * which the caller ends with weir_future_unref, before or after the group; future NULL: none is
 * wanted. The member may have ended by the return. Blocks, and fails, as weir_pool_async; besides
 * -ECANCELED: the group is cancelled or decided. Any thread, but not once weir_group_fini began,
 * unless from a member.
 */
WEIR_API int weir_group_async(struct weir_group *group, weir_call call, void *arg,
                              struct weir_future **future);

/*
 * Waits until the group is decided or no member is left that could end, and tells the result:
 *
 *   ALL          0: all succeeded; else the error of the first that failed
 *   ANY          0, with *value from the first that succeeded, while others may still run; else
 *                the error of the first that failed; -EINVAL: there never was a member
 *   FIRST_ERROR  the error of the first that failed, while others may still run; 0: all succeeded
 *
 * A member that was cancelled, or returned -ECANCELED, is no failure; the result is -ECANCELED when
 * there was one and nothing else decides. -ETIMEDOUT (-EAGAIN with WEIR_NOW): no result yet, and
 * nothing is cancelled by that; -EDEADLK: the caller is inside a member, or one of their callbacks.
 * value may be NULL; it is written by ANY alone, with 0. Any thread, as often as wanted.
 *
 * On a worker of the pool it runs queued members here, newest first, as weir_future_get claims a
 * call; none is begun after the deadline.
 */
WEIR_API int weir_group_wait(struct weir_group *group, void **value, uint64_t deadline_ns);

/* Cancels the group: members that are queued will not run, those that run see weir_cancelled, none
 * can be added. Does not wait for members. Drop functions and callbacks of queued members' futures
 * run on this thread. -EALREADY: cancelled or decided before, or its parent is. Any thread, members
 * included. -EINVAL: NULL. */
WEIR_API int weir_group_cancel(struct weir_group *group);

/* The token of the group's members: parent for tokens of what they start. The group's own: it may
 * be cancelled (weir_group_cancel) but not finished. NULL for NULL. */
WEIR_API struct weir_token *weir_group_token(struct weir_group *group);

/* Members that have not ended just now. */
WEIR_API size_t weir_group_pending(struct weir_group *group);

/*
 * Ends the use of a group: waits, as weir_group_wait does, until all its members have ended. It
 * cancels nothing: whoever does not want to wait for them calls weir_group_cancel first. Every
 * token that has the group's for a parent is finished before. Afterwards no thread touches the
 * group's memory. -EDEADLK: the caller is inside a member; -EBUSY: a token is left; -EINVAL: NULL.
 * The group goes on then.
 */
WEIR_API int weir_group_fini(struct weir_group *group);

WEIR__END

#endif
