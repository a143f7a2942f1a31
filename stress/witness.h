/*
 * Witness: a thread of the child that takes no part. It sleeps until the supervisor, who has seen
 * no progress, asks; then it writes to the log what only the process itself knows: how much the
 * pool says is queued, and which synchronisation points the threads passed last.
 */
#ifndef STRESS_WITNESS_H
#define STRESS_WITNESS_H

#include <stdbool.h>

#include "stress/board.h"

/* Once a child. False: no thread. */
bool witness_start(struct board *board);

#endif
