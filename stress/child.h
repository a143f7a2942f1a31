/*
 * Child: runs episodes in a process of its own, so that a pool that crashes or hangs takes
 * nothing else with it. The hidden commands of weir-stress.
 */
#ifndef STRESS_CHILD_H
#define STRESS_CHILD_H

/* Each maps the board at this descriptor, and returns the process's exit code. */

/* Loads the subject and writes its description. */
int child_describe(int board_fd);

/* Runs the batch that the board asks for. */
int child_episodes(int board_fd);

/* Commits on purpose what the sanitizer of this build must report: a data race or a use after
 * free. Returns CHILD_OK when it did not. */
int child_planted(int board_fd);

#endif
