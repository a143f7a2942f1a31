#include "platform/cpu.h"

#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MASK_CPUS_FIRST ((size_t)1024)
#define MASK_CPUS_MOST  ((size_t)1 << 20)

unsigned weir__cpu_affinity(void) {
    /* The kernel refuses a mask smaller than its own with EINVAL, so grow until it fits. */
    for (size_t cpus = MASK_CPUS_FIRST; cpus <= MASK_CPUS_MOST; cpus *= 2) {
        cpu_set_t *mask = CPU_ALLOC(cpus);
        if (!mask)
            return 1; /* uncovered: allocated inside the C library, which no test makes fail */
        int rc = sched_getaffinity(0, CPU_ALLOC_SIZE(cpus), mask);
        int error = errno;
        int count = rc == 0 ? CPU_COUNT_S(CPU_ALLOC_SIZE(cpus), mask) : 0;
        CPU_FREE(mask);
        if (rc == 0)
            return count > 0 ? (unsigned)count : 1;
        /* uncovered: takes a kernel for more CPUs than this one, or a sandbox that forbids it */
        if (error != EINVAL)
            return 1;
    }
    return 1; /* uncovered: the same */
}

static bool read_line(const char *path, char *line, size_t bytes) {
    FILE *file = fopen(path, "re");
    if (!file)
        return false;
    bool ok = fgets(line, (int)bytes, file) != NULL;
    fclose(file);
    return ok;
}

static uint32_t whole_cpus(long long quota_us, long long period_us) {
    if (quota_us <= 0 || period_us <= 0)
        return WEIR__NO_QUOTA;
    long long cpus = quota_us / period_us + (quota_us % period_us != 0);
    return cpus >= WEIR__NO_QUOTA ? WEIR__NO_QUOTA : (uint32_t)cpus;
}

/* Version 2: "max 100000" or "150000 100000". */
static uint32_t quota_v2(const char *folder) {
    char path[PATH_MAX], line[128];
    long long quota_us, period_us;

    if (snprintf(path, sizeof path, "%s/cpu.max", folder) >= (int)sizeof path)
        return WEIR__NO_QUOTA;
    if (!read_line(path, line, sizeof line))
        return WEIR__NO_QUOTA;
    if (sscanf(line, "%lld %lld", &quota_us, &period_us) != 2)
        return WEIR__NO_QUOTA;
    return whole_cpus(quota_us, period_us);
}

/* Version 1: two files; a quota of -1 means none. */
static uint32_t quota_v1(const char *folder) {
    char path[PATH_MAX], line[128];

    if (snprintf(path, sizeof path, "%s/cpu.cfs_quota_us", folder) >= (int)sizeof path ||
        !read_line(path, line, sizeof line))
        return WEIR__NO_QUOTA;
    long long quota_us = atoll(line);
    if (snprintf(path, sizeof path, "%s/cpu.cfs_period_us", folder) >= (int)sizeof path ||
        !read_line(path, line, sizeof line))
        return WEIR__NO_QUOTA;
    return whole_cpus(quota_us, atoll(line));
}

static uint32_t lower(uint32_t a, uint32_t b) {
    return a < b ? a : b;
}

/* The lowest quota from the process's own group up to the mount point: a parent's limit binds
 * all below it. In a container the path may not exist below the mount; the climb passes it by. */
static uint32_t climb(const char *mount, const char *group, uint32_t (*quota)(const char *)) {
    char folder[PATH_MAX];
    uint32_t lowest = WEIR__NO_QUOTA;
    int length = snprintf(folder, sizeof folder, "%s%s", mount, group);

    if (length < 0 || length >= (int)sizeof folder)
        return lowest;
    size_t mount_length = strlen(mount);
    for (;;) {
        lowest = lower(lowest, quota(folder));
        char *slash = strrchr(folder, '/');
        if (!slash || (size_t)(slash - folder) < mount_length)
            return lowest;
        *slash = '\0';
    }
}

static bool lists_cpu(const char *controllers, size_t length) {
    while (length > 0) {
        size_t word = 0;
        while (word < length && controllers[word] != ',')
            word++;
        if (word == 3 && memcmp(controllers, "cpu", 3) == 0)
            return true;
        if (word == length)
            return false;
        controllers += word + 1;
        length -= word + 1;
    }
    return false;
}

/* One line of /proc/self/cgroup is "hierarchy:controllers:group"; version 2 has hierarchy 0 and
 * no controllers. */
static uint32_t quota_of_line(const char *root, char *line) {
    char mount[PATH_MAX];
    char *controllers = strchr(line, ':');
    char *group = controllers ? strchr(controllers + 1, ':') : NULL;

    if (!group)
        return WEIR__NO_QUOTA;
    controllers++;
    size_t length = (size_t)(group - controllers);
    group++;
    group[strcspn(group, "\n")] = '\0';
    if (strcmp(group, "/") == 0)
        group = "";

    if (length > 0) {
        if (!lists_cpu(controllers, length))
            return WEIR__NO_QUOTA;
        uint32_t lowest = WEIR__NO_QUOTA;
        static const char *const folders[] = {"cpu", "cpu,cpuacct"};
        for (size_t i = 0; i < sizeof folders / sizeof *folders; i++)
            if (snprintf(mount, sizeof mount, "%ssys/fs/cgroup/%s", root, folders[i]) <
                (int)sizeof mount)
                lowest = lower(lowest, climb(mount, group, quota_v1));
        return lowest;
    }
    if (snprintf(mount, sizeof mount, "%ssys/fs/cgroup", root) >= (int)sizeof mount)
        return WEIR__NO_QUOTA; /* uncovered: root was short enough for proc/self/cgroup */
    return climb(mount, group, quota_v2);
}

uint32_t weir__cpu_quota(const char *root) {
    char path[PATH_MAX], line[PATH_MAX];
    uint32_t lowest = WEIR__NO_QUOTA;

    if (snprintf(path, sizeof path, "%sproc/self/cgroup", root) >= (int)sizeof path)
        return lowest;
    FILE *file = fopen(path, "re");
    if (!file)
        return lowest;
    while (fgets(line, sizeof line, file))
        lowest = lower(lowest, quota_of_line(root, line));
    fclose(file);
    return lowest;
}
