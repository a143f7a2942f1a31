/* The scenarios that weir's subject brings: its parts alone, and what no other pool has. */
#include <stddef.h>

#include "stress/episode.h"
#include "stress/structures/structures.h"
#include "stress/weir/work.h"

const struct scenario *const *weir_stress_scenarios(void);

__attribute__((visibility("default"))) const struct scenario *const *weir_stress_scenarios(void) {
    static const struct scenario *const all[] = {
        &scenario_queue_history,       &scenario_deque_history,   &scenario_future_history,
        &scenario_weir_resize,         &scenario_weir_full,       &scenario_weir_pause,
        &scenario_weir_take_back,      &scenario_weir_bands,      &scenario_weir_group,
        &scenario_weir_token,          &scenario_weir_then,       &scenario_weir_completion,
        &scenario_weir_fork,           &scenario_weir_thread_end, &scenario_weir_blocking,
        &scenario_weir_cancel_running, &scenario_weir_parallel,   &scenario_weir_hooks,
        &scenario_weir_timer,          &scenario_ring_history,    NULL,
    };
    return all;
}
