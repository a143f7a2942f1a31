/* Every thread's stack of a process that hangs or was stopped by a crash. */
#ifndef STRESS_STACKS_H
#define STRESS_STACKS_H

#include <stdbool.h>
#include <stdio.h>
#include <sys/types.h>

#include "stress/verdict.h"

/*
 * Writes the stacks of all threads of pid: by gdb when it is there, else by asking each thread to
 * write its own to log_fd (SIGUSR2; not for a stopped process), else what the kernel knows.
 */
void stacks_write(FILE *out, pid_t pid, int log_fd, bool stopped);

/* What the threads do: looks several times. */
void stacks_scene(pid_t pid, struct scene *scene);

/* How many the process has now. */
unsigned stacks_threads(pid_t pid);

#endif
