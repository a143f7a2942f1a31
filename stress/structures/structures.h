/* Scenarios against weir's parts, one each, apart from the pool around them. */
#ifndef STRESS_STRUCTURES_H
#define STRESS_STRUCTURES_H

#include "stress/episode.h"

extern const struct scenario scenario_queue_history, scenario_deque_history,
    scenario_future_history, scenario_ring_history;

#endif
