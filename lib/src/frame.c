#include "frame.h"

#include <stddef.h>

#include "future.h"
#include "token.h"

static _Thread_local struct weir__frame *innermost __attribute__((tls_model("initial-exec")));

void weir__frame_enter(struct weir__frame *frame, struct weir__host *host,
                       const struct weir_task *task) {
    frame->task = task;
    frame->host = host;
    frame->outer = innermost;
    frame->token = task ? ((const struct weir_future *)(const void *)task)->weir__token : NULL;
    frame->scope = NULL;
    innermost = frame;
}

void weir__frame_leave(const struct weir__frame *frame) {
    innermost = (struct weir__frame *)frame->outer;
}

void weir__frame_end(const struct weir_task *task) {
    if (innermost && innermost->task == task)
        innermost->token = NULL;
}

void weir__frame_set_scope(const void *scope) {
    if (innermost)
        innermost->scope = scope;
}

bool weir__frame_inside_scope(const void *scope) {
    for (const struct weir__frame *frame = innermost; frame; frame = frame->outer)
        if (frame->scope == scope)
            return true;
    return false;
}

struct weir__host *weir__frame_host(void) {
    return innermost ? innermost->host : NULL;
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

/* Here, since only this file knows the frame. Relaxed while the answer is no; a yes is read again
 * with acquire. */
bool weir_cancelled(void) {
    const struct weir__frame *frame = innermost;

    if (!frame)
        return false;
    const struct weir_token *token = frame->token;
    if (token && atomic_load_explicit(&token->weir__state, memory_order_relaxed) != 0 &&
        weir_token_is_cancelled(token))
        return true;
    return frame->host &&
           atomic_load_explicit(&frame->host->cancelled, memory_order_relaxed) != 0 &&
           atomic_load_explicit(&frame->host->cancelled, memory_order_acquire) != 0;
}

struct weir_token *weir__frame_token(void) {
    return innermost ? (struct weir_token *)innermost->token : NULL;
}

bool weir__frame_inside_any(void) {
    return innermost != NULL;
}
