/*
 * Limit: what the kernel can be told to withhold: threads beyond a number (RLIMIT_NPROC), and CPU
 * time (a control group with a quota). Neither is allowed everywhere; who asks is told.
 */
#ifndef STRESS_LIMIT_H
#define STRESS_LIMIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The calling thread, and what it starts from now on, can start `more` threads, all together and
 * not counting those that have ended; where other programs run as the same user without
 * privileges, about so many. Until limit_threads_end, on the same thread. False: the kernel does
 * not hold this process back, and nothing has changed. */
bool limit_threads(unsigned more);
void limit_threads_end(void);

/* Makes a group in the one that this process is in, its members together allowed 3 ms of CPU time
 * in every 10 ms. False: why tells what stands against it. */
bool limit_quota_make(char *group, size_t size, char *why, size_t why_size);
/* Its members have ended or left. */
void limit_quota_remove(const char *group);

/* This process joins the group, or goes back to the one in which it was made. */
bool limit_quota_enter(const char *group);
void limit_quota_leave(const char *group);
/* How often the group was held back so far. */
uint64_t limit_quota_times(const char *group);

#endif
