#include "platform/cpu.h"

#include <limits.h>
#include <sched.h>
#include <sys/stat.h>
#include <unistd.h>

#include "test/unit.h"

/* A tree of files as the kernel would show it. Made below build/, where tests run. */
struct tree {
    char root[64];
    char made[32][256]; /* in order of making, for removal backwards */
    size_t count;
};

static void grow_tree(struct tree *tree) {
    *tree = (struct tree){.root = "build/cgroup-XXXXXX"};
    assert_non_null(mkdtemp(tree->root));
    strcat(tree->root, "/");
}

static void note(struct tree *tree, const char *path) {
    assert_true(tree->count < 32);
    snprintf(tree->made[tree->count++], sizeof tree->made[0], "%s", path);
}

static void plant(struct tree *tree, const char *name, const char *text) {
    char path[256];

    snprintf(path, sizeof path, "%s%s", tree->root, name);
    for (char *slash = path + strlen(tree->root); (slash = strchr(slash, '/')); slash++) {
        *slash = '\0';
        if (mkdir(path, 0700) == 0)
            note(tree, path);
        *slash = '/';
    }
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
    note(tree, path);
}

static void fell(struct tree *tree) {
    while (tree->count > 0)
        assert_int_equal(remove(tree->made[--tree->count]), 0);
    assert_int_equal(rmdir(tree->root), 0);
}

static void expect(struct tree *tree, uint32_t cpus) {
    assert_int_equal(weir__cpu_quota(tree->root), cpus);
    fell(tree);
}

static void no_groups_no_quota(void **state) {
    struct tree tree;

    (void)state;
    grow_tree(&tree);
    expect(&tree, WEIR__NO_QUOTA);
}

static void version_2_quota_is_rounded_up(void **state) {
    const struct {
        const char *text;
        uint32_t cpus;
    } cases[] = {
        {"150000 100000\n", 2},
        {"100000 100000\n", 1},
        {"1000 100000\n", 1},
        {"max 100000\n", WEIR__NO_QUOTA},
        {"400000 100000\n", 4},
        {"", WEIR__NO_QUOTA},
        {"nonsense\n", WEIR__NO_QUOTA},
        {"100000\n", WEIR__NO_QUOTA},
        {"0 100000\n", WEIR__NO_QUOTA},
        {"100000 0\n", WEIR__NO_QUOTA},
        {"-1 -1\n", WEIR__NO_QUOTA},
        {"9223372036854775807 1\n", WEIR__NO_QUOTA},
        {"9223372036854775807 9223372036854775807\n", 1},
    };
    struct tree tree;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        grow_tree(&tree);
        plant(&tree, "proc/self/cgroup", "0::/app\n");
        plant(&tree, "sys/fs/cgroup/app/cpu.max", cases[i].text);
        expect(&tree, cases[i].cpus);
    }
}

static void parents_quota_binds_when_it_is_lower(void **state) {
    struct tree tree;

    (void)state;
    grow_tree(&tree);
    plant(&tree, "proc/self/cgroup", "0::/a/b/c\n");
    plant(&tree, "sys/fs/cgroup/a/cpu.max", "200000 100000\n");
    plant(&tree, "sys/fs/cgroup/a/b/cpu.max", "max 100000\n");
    plant(&tree, "sys/fs/cgroup/a/b/c/cpu.max", "800000 100000\n");
    expect(&tree, 2);
    grow_tree(&tree);
    plant(&tree, "proc/self/cgroup", "0::/a/b\n");
    plant(&tree, "sys/fs/cgroup/a/cpu.max", "900000 100000\n");
    plant(&tree, "sys/fs/cgroup/a/b/cpu.max", "300000 100000\n");
    expect(&tree, 3);
}

/* In a container the group's path is the host's, and the mount shows the group itself. */
static void path_from_outside_the_container_falls_back_to_the_mount(void **state) {
    struct tree tree;

    (void)state;
    grow_tree(&tree);
    plant(&tree, "proc/self/cgroup", "0::/host/only/path\n");
    plant(&tree, "sys/fs/cgroup/cpu.max", "500000 100000\n");
    expect(&tree, 5);
    grow_tree(&tree);
    plant(&tree, "proc/self/cgroup", "0::/\n");
    plant(&tree, "sys/fs/cgroup/cpu.max", "600000 100000\n");
    expect(&tree, 6);
}

static void climb_stops_at_the_mount(void **state) {
    struct tree tree;

    (void)state;
    grow_tree(&tree);
    plant(&tree, "proc/self/cgroup", "0::/a\n");
    plant(&tree, "sys/fs/cgroup/a/cpu.max", "max 100000\n");
    plant(&tree, "sys/fs/cpu.max", "100000 100000\n"); /* no group at all */
    expect(&tree, WEIR__NO_QUOTA);
}

static void version_1_quota_of_the_cpu_controller_counts(void **state) {
    struct tree tree;

    (void)state;
    grow_tree(&tree);
    plant(&tree, "proc/self/cgroup", "12:memory:/app\n4:cpu,cpuacct:/app\n1:cpuset:/app\n");
    plant(&tree, "sys/fs/cgroup/cpu,cpuacct/app/cpu.cfs_quota_us", "250000\n");
    plant(&tree, "sys/fs/cgroup/cpu,cpuacct/app/cpu.cfs_period_us", "100000\n");
    plant(&tree, "sys/fs/cgroup/cpuset/app/cpu.cfs_quota_us", "100000\n");
    plant(&tree, "sys/fs/cgroup/cpuset/app/cpu.cfs_period_us", "100000\n");
    expect(&tree, 3);
}

static void version_1_without_quota_or_with_a_parents(void **state) {
    struct tree tree;

    (void)state;
    grow_tree(&tree);
    plant(&tree, "proc/self/cgroup", "3:cpuacct,cpu:/a/b\n");
    plant(&tree, "sys/fs/cgroup/cpu/a/b/cpu.cfs_quota_us", "-1\n");
    plant(&tree, "sys/fs/cgroup/cpu/a/b/cpu.cfs_period_us", "100000\n");
    assert_int_equal(weir__cpu_quota(tree.root), WEIR__NO_QUOTA);
    plant(&tree, "sys/fs/cgroup/cpu/a/cpu.cfs_quota_us", "400000\n");
    assert_int_equal(weir__cpu_quota(tree.root), WEIR__NO_QUOTA); /* half of a quota is none */
    plant(&tree, "sys/fs/cgroup/cpu/a/cpu.cfs_period_us", "100000\n");
    expect(&tree, 4);
}

static void both_versions_side_by_side_the_lower_counts(void **state) {
    struct tree tree;

    (void)state;
    grow_tree(&tree);
    plant(&tree, "proc/self/cgroup", "2:cpu:/x\n0::/x\nno line of this file\n");
    plant(&tree, "sys/fs/cgroup/cpu/x/cpu.cfs_quota_us", "700000\n");
    plant(&tree, "sys/fs/cgroup/cpu/x/cpu.cfs_period_us", "100000\n");
    plant(&tree, "sys/fs/cgroup/x/cpu.max", "300000 100000\n");
    expect(&tree, 3);
}

/* A group whose path has so many bytes; no such folder could be made. */
static void expect_no_quota_below(const char *before, size_t bytes) {
    static char line[2 * PATH_MAX];
    struct tree tree;

    size_t length = (size_t)snprintf(line, sizeof line, "%s/", before);
    memset(line + length, 'x', bytes);
    line[length + bytes] = '\0';
    grow_tree(&tree);
    plant(&tree, "proc/self/cgroup", line);
    expect(&tree, WEIR__NO_QUOTA);
}

static void paths_too_long_for_the_kernel_are_passed_by(void **state) {
    static char root[2 * PATH_MAX];

    (void)state;
    memset(root, 'x', sizeof root - 1);
    assert_int_equal(weir__cpu_quota(root), WEIR__NO_QUOTA);
    /* Around the length at which the mount, the group and the file's name together do not fit. */
    for (size_t bytes = PATH_MAX - 100; bytes < PATH_MAX - 8; bytes++) {
        expect_no_quota_below("0::", bytes);
        expect_no_quota_below("3:cpu:", bytes);
    }
}

static void lines_that_are_no_groups_are_passed_by(void **state) {
    struct tree tree;

    (void)state;
    grow_tree(&tree);
    plant(&tree, "proc/self/cgroup",
          "\n0\n1:\n0:\n:::\n5:cp:/\n6:cpuset,cpuacct:/\n7:cpu\n8:a,:/\n");
    plant(&tree, "sys/fs/cgroup/cpu/cpu.cfs_quota_us", "100000\n");
    plant(&tree, "sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
    expect(&tree, WEIR__NO_QUOTA);
}

static void affinity_counts_the_mask(void **state) {
    cpu_set_t before, one;

    (void)state;
    assert_int_equal(sched_getaffinity(0, sizeof before, &before), 0);
    assert_int_equal(weir__cpu_affinity(), CPU_COUNT(&before));
    CPU_ZERO(&one);
    for (size_t cpu = 0; CPU_COUNT(&one) == 0; cpu++)
        if (CPU_ISSET(cpu, &before))
            CPU_SET(cpu, &one);
    assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0);
    assert_int_equal(weir__cpu_affinity(), 1);
    assert_int_equal(weir_default_threads(), 1);
    assert_int_equal(sched_setaffinity(0, sizeof before, &before), 0);
    assert_in_range(weir_default_threads(), 1, CPU_COUNT(&before));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        ONCE(no_groups_no_quota),
        ONCE(version_2_quota_is_rounded_up),
        ONCE(parents_quota_binds_when_it_is_lower),
        ONCE(path_from_outside_the_container_falls_back_to_the_mount),
        ONCE(climb_stops_at_the_mount),
        ONCE(version_1_quota_of_the_cpu_controller_counts),
        ONCE(version_1_without_quota_or_with_a_parents),
        ONCE(both_versions_side_by_side_the_lower_counts),
        ONCE(paths_too_long_for_the_kernel_are_passed_by),
        ONCE(lines_that_are_no_groups_are_passed_by),
        ONCE(affinity_counts_the_mask),
    };
    return cmocka_run_group_tests_name("cpu", tests, NULL, NULL);
}
