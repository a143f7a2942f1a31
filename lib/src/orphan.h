/*
 * Orphan: a pool that a child of fork has inherited. Its memory is there, its threads are not.
 *
 * What its locks guard is whole, since they were held during the fork (platform/fork.h). What lies
 * in deques and rings is what a thief could have seen at that moment. Tasks that ran then run in
 * the parent, and will never end here: a wait for such a future, known by the generation in its
 * task's flags, is -EOWNERDEAD.
 */
#ifndef WEIR__ORPHAN_H
#define WEIR__ORPHAN_H

#include <stdbool.h>

#include "platform/fork.h"

struct weir_pool;

/* Out of line: 0 after the pool was given threads of this process, as its options ask, else the
 * error that the caller returns. */
int weir__orphan_adopt(struct weir_pool *pool);

/* Drops what is queued in an orphan that is about to be freed. */
void weir__orphan_drop(struct weir_pool *pool);

#endif
