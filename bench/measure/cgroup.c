#include "bench/measure/cgroup.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE_SIZE 4096
#define PATH_SIZE (LINE_SIZE + 64)

enum version { VERSION_1, VERSION_2 };

static const char *const mounts[] = {"/sys/fs/cgroup/cpu", "/sys/fs/cgroup"};

double cgroup_parse_limit(const char *text) {
    char *rest;
    double quota = strtod(text, &rest);
    double period = strtod(rest, NULL);
    return rest != text && quota > 0.0 && period > 0.0 ? quota / period : 0.0;
}

static bool is_cpu_among(const char *controllers) {
    for (const char *at = controllers; (at = strstr(at, "cpu")) != NULL; at += 3) {
        if ((at == controllers || at[-1] == ',') && (at[3] == ',' || at[3] == '\0')) {
            return true;
        }
    }
    return false;
}

/* The path of this process's group below the mount; empty for the root, or when there is none. */
static void own_group(enum version version, char group[LINE_SIZE]) {
    FILE *file = fopen("/proc/self/cgroup", "re");
    char line[LINE_SIZE];
    group[0] = '\0';
    while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        char *controllers = strchr(line, ':');
        char *path = controllers != NULL ? strchr(controllers + 1, ':') : NULL;
        if (path == NULL) {
            continue;
        }
        *path++ = '\0';
        controllers++;
        if (version == VERSION_2 ? controllers[0] == '\0' : is_cpu_among(controllers)) {
            snprintf(group, LINE_SIZE, "%s", strcmp(path, "/") == 0 ? "" : path);
            break;
        }
    }
    if (file != NULL) {
        fclose(file);
    }
}

/* Opens a file of the group. */
static FILE *open_of(enum version version, const char *group, const char *name) {
    char path[PATH_SIZE];
    snprintf(path, sizeof(path), "%s%s/%s", mounts[version], group, name);
    return fopen(path, "re");
}

/* The text of a one-line file; empty when there is none. */
static void read_text(enum version version, const char *group, const char *name, char text[64]) {
    FILE *file = open_of(version, group, name);
    if (file == NULL || fgets(text, 64, file) == NULL) {
        text[0] = '\0';
    }
    if (file != NULL) {
        fclose(file);
    }
    text[strcspn(text, "\n")] = '\0';
}

static double limit_of(enum version version, const char *group) {
    char text[64];
    char period[64];
    char both[130];
    if (version == VERSION_2) {
        read_text(version, group, "cpu.max", text);
        return cgroup_parse_limit(text);
    }
    read_text(version, group, "cpu.cfs_quota_us", text);
    read_text(version, group, "cpu.cfs_period_us", period);
    snprintf(both, sizeof(both), "%s %s", text, period);
    return cgroup_parse_limit(both);
}

static double throttled_s_of(enum version version, const char *group) {
    const char *wanted = version == VERSION_2 ? "throttled_usec" : "throttled_time";
    double unit_s = version == VERSION_2 ? 1e-6 : 1e-9;
    FILE *file = open_of(version, group, "cpu.stat");
    char key[64];
    double value;
    double found_s = 0.0;
    while (file != NULL && fscanf(file, "%63s %lf", key, &value) == 2) {
        if (strcmp(key, wanted) == 0) {
            found_s = value * unit_s;
        }
    }
    if (file != NULL) {
        fclose(file);
    }
    return found_s;
}

/* Calls visit for each group from the process's own to the root. */
static void each_group(void (*visit)(enum version version, const char *group, double *result),
                       double *result) {
    for (enum version version = VERSION_1; version <= VERSION_2; version++) {
        char group[LINE_SIZE];
        own_group(version, group);
        for (;;) {
            visit(version, group, result);
            char *slash = strrchr(group, '/');
            if (slash == NULL) {
                break;
            }
            *slash = '\0';
        }
    }
}

static void tighten(enum version version, const char *group, double *cpus) {
    double limit = limit_of(version, group);
    if (limit > 0.0 && (*cpus == 0.0 || limit < *cpus)) {
        *cpus = limit;
    }
}

double cgroup_limit_cpus(void) {
    double cpus = 0.0;
    each_group(tighten, &cpus);
    return cpus;
}

static void add_throttled(enum version version, const char *group, double *sum_s) {
    *sum_s += throttled_s_of(version, group);
}

double cgroup_throttled_s(void) {
    double sum_s = 0.0;
    each_group(add_throttled, &sum_s);
    return sum_s;
}
