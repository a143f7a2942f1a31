#include "frame.h"

#include <stddef.h>

static _Thread_local const struct weir__frame *innermost;

void weir__frame_enter(struct weir__frame *frame, const struct weir__host *host,
                       const struct weir_task *task) {
    frame->task = task;
    frame->host = host;
    frame->outer = innermost;
    innermost = frame;
}

void weir__frame_leave(const struct weir__frame *frame) {
    innermost = frame->outer;
}

bool weir__frame_inside_task(const struct weir_task *task) {
    for (const struct weir__frame *frame = innermost; frame; frame = frame->outer)
        if (frame->task == task)
            return true;
    return false;
}

bool weir__frame_inside_host(const struct weir__host *host) {
    for (const struct weir__frame *frame = innermost; frame; frame = frame->outer)
        if (frame->host == host)
            return true;
    return false;
}
