/*
 * The one convenience that is lent to pools which do not tell when they are idle: a count of tasks
 * and a semaphore. It is the same for every subject that needs it, and a subject that uses it says
 * "end: counted" in its notes.
 *
 * A single counter would cost a task two cache lines that all threads fight for, several times what
 * a fast pool spends on it. So every thread counts in a line of its own, and only the one who waits
 * adds them up; a task pays two atomic additions that nobody else wants, about 5 ns each.
 */
#ifndef WEIR_SUBJECTS_PENDING_H
#define WEIR_SUBJECTS_PENDING_H

#ifdef __cplusplus
extern "C" {
#endif

struct pending;

struct pending *pending_new(void); /* NULL: no memory */
/* Only when no thread of the pool can be inside pending_end any more. */
void pending_free(struct pending *pending);
/* Instead, where threads outlive their pool: one may still be on its way out of pending_end, so the
 * memory, with nothing pending, is kept for the next pending_new. */
void pending_retire(struct pending *pending);

/* Before a task is handed over; one that is then refused ends at once. */
void pending_begin(struct pending *pending);
/* The last act of a task. */
void pending_end(struct pending *pending);
/* Returns when every task that had begun before the call has ended. */
void pending_wait(struct pending *pending);

#ifdef __cplusplus
}
#endif
#endif
