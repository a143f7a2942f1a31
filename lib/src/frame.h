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
    const struct weir__host *host;
    const struct weir__frame *outer;
};

void weir__frame_enter(struct weir__frame *frame, const struct weir__host *host,
                       const struct weir_task *task);
void weir__frame_leave(const struct weir__frame *frame);

/* Whether this thread is inside the task, or inside any task of the host. */
bool weir__frame_inside_task(const struct weir_task *task);
bool weir__frame_inside_host(const struct weir__host *host);

#endif
