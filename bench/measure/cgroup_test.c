/*
 * A CPU quota is read, and one that holds a process back is named. The quota is real: the test
 * makes a group with one, where it may.
 */
#include "bench/measure/cgroup.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "bench/measure/clock.h"
#include "bench/measure/noise.h"

static void quotas_are_read_in_cpus(void **state) {
    (void)state;
    assert_true(cgroup_parse_limit("max 100000") == 0.0);
    assert_true(cgroup_parse_limit("150000 100000") == 1.5);
    assert_true(cgroup_parse_limit("-1 100000") == 0.0);
    assert_true(cgroup_parse_limit("200000 100000") == 2.0);
    assert_true(cgroup_parse_limit("") == 0.0);
    assert_true(cgroup_parse_limit("100000") == 0.0);
}

/* ---- A real quota ---- */

static bool write_file(const char *folder, const char *name, const char *text) {
    char path[160];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *file = fopen(path, "we");
    if (file == NULL) {
        return false;
    }
    bool written = fputs(text, file) >= 0;
    return fclose(file) == 0 && written;
}

/* A group that may use a fifth of a CPU, of either version. */
static bool make_group(char group[96]) {
    snprintf(group, 96, "/sys/fs/cgroup/cpu/weir-test-%d", (int)getpid());
    if (mkdir(group, 0755) == 0) {
        if (write_file(group, "cpu.cfs_period_us", "50000") &&
            write_file(group, "cpu.cfs_quota_us", "10000")) {
            return true;
        }
        rmdir(group);
    }
    write_file("/sys/fs/cgroup", "cgroup.subtree_control", "+cpu");
    snprintf(group, 96, "/sys/fs/cgroup/weir-test-%d", (int)getpid());
    if (mkdir(group, 0755) != 0) {
        return false;
    }
    if (write_file(group, "cpu.max", "10000 50000")) {
        return true;
    }
    rmdir(group);
    return false;
}

static void look_for_throttled(void *found, const char *text) {
    *(bool *)found = *(bool *)found || strstr(text, "NOISY: throttled: ") != NULL;
}

/* In a child: 0 when all of it is as it should be, else what was not. */
static int compute_under_quota(const char *group) {
    double before_s = cgroup_throttled_s();
    bool named = false;
    char self[16];

    snprintf(self, sizeof(self), "%d", (int)getpid());
    if (!write_file(group, "cgroup.procs", self)) {
        return 1;
    }
    if (cgroup_limit_cpus() != 0.2) {
        return 2;
    }
    struct noise *noise = noise_start();
    struct noise_seen seen;
    for (uint64_t end_ns = clock_now_ns() + 400000000u; clock_now_ns() < end_ns;) {
    }
    noise_stop(noise, &seen);
    noise_judge(&seen, true, look_for_throttled, &named);
    if (!named) {
        return 3;
    }
    return cgroup_throttled_s() - before_s > 0.1 ? 0 : 4;
}

static void a_quota_that_holds_a_process_back_is_named(void **state) {
    (void)state;
    char group[96];
    int status = -1;
    if (!make_group(group)) {
        puts("skipped: a real CPU quota: no control group can be made here");
        skip();
    }
    pid_t child = fork();
    if (child == 0) {
        _exit(compute_under_quota(group));
    }
    waitpid(child, &status, 0);
    rmdir(group);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quotas_are_read_in_cpus),
        cmocka_unit_test(a_quota_that_holds_a_process_back_is_named),
    };
    return cmocka_run_group_tests_name("cgroup", tests, NULL, NULL);
}
