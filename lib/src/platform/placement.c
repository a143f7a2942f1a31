#include "platform/placement.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SET_BYTES (WEIR__CPUS_MOST / CHAR_BIT)

/* The kernel's number; its header is not needed for this one constant. */
#define PREFERRED_NODE 1

/* A set of cpu_set_t's layout, large enough for any kernel's mask. */
struct large_set {
    unsigned long words[WEIR__CPUS_MOST / (CHAR_BIT * sizeof(unsigned long))];
};

static cpu_set_t *as_set(struct large_set *set) {
    return (cpu_set_t *)(void *)set;
}

bool weir__placement_allows(int cpu) {
    struct large_set set = {{0}};

    if (cpu < 0 || cpu >= WEIR__CPUS_MOST)
        return false;
    return sched_getaffinity(0, sizeof set, as_set(&set)) == 0 &&
           CPU_ISSET_S((size_t)cpu, sizeof set, as_set(&set));
}

void weir__placement_pin(int cpu) {
    struct large_set set = {{0}};

    CPU_SET_S((size_t)cpu, sizeof set, as_set(&set));
    sched_setaffinity(0, sizeof set, as_set(&set));
}

/* "0-3,8,10-11" */
static bool parse_list(const char *list, cpu_set_t *cpus, size_t bytes) {
    bool any = false;

    CPU_ZERO_S(bytes, cpus);
    while (*list >= '0' && *list <= '9') {
        char *end;
        unsigned long first = strtoul(list, &end, 10), last = first;
        if (*end == '-')
            last = strtoul(end + 1, &end, 10);
        for (unsigned long cpu = first; cpu <= last && cpu < bytes * CHAR_BIT; cpu++) {
            CPU_SET_S(cpu, bytes, cpus);
            any = true;
        }
        list = *end == ',' ? end + 1 : end;
    }
    return any;
}

bool weir__placement_node(const char *root, int node, cpu_set_t *cpus, size_t bytes) {
    char path[PATH_MAX], list[4096];

    if (node < 0 || snprintf(path, sizeof path, "%ssys/devices/system/node/node%d/cpulist", root,
                             node) >= (int)sizeof path)
        return false;
    FILE *file = fopen(path, "re");
    if (!file)
        return false;
    bool read = fgets(list, sizeof list, file) != NULL;
    fclose(file);
    return read && parse_list(list, cpus, bytes);
}

void weir__placement_bind_node(int node) {
    struct large_set set;
    unsigned long nodes[16] = {0};
    size_t bits = CHAR_BIT * sizeof *nodes;

    if (weir__placement_node("/", node, as_set(&set), SET_BYTES))
        sched_setaffinity(0, SET_BYTES, as_set(&set));
    if ((size_t)node < bits * (sizeof nodes / sizeof *nodes)) {
        nodes[(size_t)node / bits] = 1UL << ((size_t)node % bits);
        syscall(SYS_set_mempolicy, PREFERRED_NODE, nodes, bits * (sizeof nodes / sizeof *nodes));
    }
}
