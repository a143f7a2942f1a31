/*
 * Frame: one task that the current thread is inside of. Frames of nested runs (a claimed task
 * runs inside the task that waits for it) form a chain on the stack, so that a thread that is
 * about to wait can tell whether it would wait for itself.
 */
#ifndef WEIR__FRAME_H
#define WEIR__FRAME_H

#include <stdbool.h>

#include <weir/task.h>

struct weir__host;

struct weir__frame {
    const struct weir_task *task; /* of a future, else NULL; compared, never followed */
    struct weir__host *host;
    const struct weir__frame *outer;
    const struct weir_token *token; /* what weir_cancelled looks at; NULL: none, or no more */
    const void *scope;              /* what waits for the frame's end; compared, never followed */
};

void weir__frame_enter(struct weir__frame *frame, struct weir__host *host,
                       const struct weir_task *task);
void weir__frame_leave(const struct weir__frame *frame);

/* The call of this future's task has ended: from here on the token, whose owner may only wait for
 * the future, is not looked at. Nothing when the innermost frame is not the task's. */
void weir__frame_end(const struct weir_task *task);

/* Something that waits until the innermost frame has been left, and whether this thread would wait
 * for itself there. */
void weir__frame_set_scope(const void *scope);
bool weir__frame_inside_scope(const void *scope);

/* The host of the innermost task that this thread is inside of, or NULL. */
struct weir__host *weir__frame_host(void);

/* Whether this thread is inside the task, or inside any task of the host. */
bool weir__frame_inside_task(const struct weir_task *task);
bool weir__frame_inside_host(const struct weir__host *host);

/* The token that weir_cancelled looks at here, or NULL: for helpers of the task. */
struct weir_token *weir__frame_token(void);

/* Whether this thread is inside any task at all. */
bool weir__frame_inside_any(void);

#endif
