/* The scenarios that weir's subject brings: its parts alone, and what no other pool has. */
#include <stddef.h>

#include "stress/episode.h"
#include "stress/structures/structures.h"

const struct scenario *const *weir_stress_scenarios(void);

__attribute__((visibility("default"))) const struct scenario *const *weir_stress_scenarios(void) {
    static const struct scenario *const all[] = {
        &scenario_queue_history,
        &scenario_deque_history,
        &scenario_future_history,
        NULL,
    };
    return all;
}
