/*
 * One child process with three pipes, a time limit and no way to outlive its parent.
 */
#ifndef WEIR_CAMPAIGN_SPAWN_H
#define WEIR_CAMPAIGN_SPAWN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SPAWN_OUTPUT_MAX ((size_t)32 << 20) /* a record with four full histograms is 3 MB */
#define SPAWN_ERROR_MAX  ((size_t)4096)     /* of stderr we keep the beginning */

enum spawn_outcome {
    SPAWN_EXITED,    /* code is the exit status */
    SPAWN_SIGNALLED, /* code is the signal */
    SPAWN_TIMED_OUT, /* killed after timeout_ns */
    SPAWN_CANCELLED, /* killed because cancel_fd became readable */
    SPAWN_TOO_LOUD,  /* killed after SPAWN_OUTPUT_MAX bytes of output */
};

struct spawn_result {
    enum spawn_outcome outcome;
    int code;
    char *output; /* stdout, with a NUL after its length bytes */
    size_t length;
    char error[SPAWN_ERROR_MAX + 1]; /* stderr's beginning, with a NUL */
    uint64_t wall_ns;
};

/*
 * Runs argv (argv[0] is looked up in PATH) with input on its stdin, and returns once it has been
 * reaped. Everything that is still in its process group is killed. cancel_fd may be -1; it is
 * watched, never read. Returns 0, or a negative errno when the program could not be started; then
 * only error holds something to print. The caller ends with spawn_result_fini in both cases.
 */
int spawn_run(const char *const argv[], const char *input, uint64_t timeout_ns, int cancel_fd,
              struct spawn_result *result);
void spawn_result_fini(struct spawn_result *result);

#endif
