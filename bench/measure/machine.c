#include "bench/measure/machine.h"

#include <dlfcn.h>
#include <math.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "bench/measure/cgroup.h"

/* Made by the build: BUILD_FLAGS and BUILD_COMMIT. */
#ifndef BUILD_FLAGS
#define BUILD_FLAGS ""
#endif
#ifndef BUILD_COMMIT
#define BUILD_COMMIT ""
#endif

#define LINE_SIZE 4096

/* First line of a file without its newline; false when there is none. */
static bool read_line(const char *path, char line[LINE_SIZE]) {
    FILE *file = fopen(path, "re");
    bool read = file != NULL && fgets(line, LINE_SIZE, file) != NULL;
    if (file != NULL) {
        fclose(file);
    }
    if (read) {
        line[strcspn(line, "\n")] = '\0';
    }
    return read;
}

/* The text after "key" and a colon, an equals sign or blanks, of the first line in path that begins
 * with key. */
static bool read_field(const char *path, const char *key, char line[LINE_SIZE]) {
    FILE *file = fopen(path, "re");
    bool found = false;
    while (file != NULL && !found && fgets(line, LINE_SIZE, file) != NULL) {
        size_t length = strlen(key);
        if (strncmp(line, key, length) == 0 && strchr(":= \t", line[length]) != NULL) {
            const char *value = line + length + strspn(line + length, ":= \t\"");
            memmove(line, value, strlen(value) + 1);
            line[strcspn(line, "\"\n")] = '\0';
            found = true;
        }
    }
    if (file != NULL) {
        fclose(file);
    }
    return found;
}

static void set_text(json_t *object, const char *name, const char *text) {
    if (text != NULL && text[0] != '\0') {
        json_t *value = json_string(text); /* NULL for what is not UTF-8: left out */
        json_object_set_new(object, name, value);
    }
}

static void set_line(json_t *object, const char *name, const char *path) {
    char line[LINE_SIZE];
    if (read_line(path, line)) {
        set_text(object, name, line);
    }
}

/* CPUs in the affinity mask; text becomes a list such as "0-3,8". */
static unsigned affinity(char text[LINE_SIZE]) {
    cpu_set_t set;
    text[0] = '\0';
    if (sched_getaffinity(0, sizeof(set), &set) != 0) {
        return (unsigned)sysconf(_SC_NPROCESSORS_ONLN); /* more CPUs than a cpu_set_t holds */
    }
    size_t length = 0;
    for (size_t first = 0; first < CPU_SETSIZE; first++) {
        size_t last = first;
        if (!CPU_ISSET(first, &set)) {
            continue;
        }
        while (last + 1 < CPU_SETSIZE && CPU_ISSET(last + 1, &set)) {
            last++;
        }
        const char *comma = length > 0 ? "," : "";
        int n = last > first
                    ? snprintf(text + length, LINE_SIZE - length, "%s%zu-%zu", comma, first, last)
                    : snprintf(text + length, LINE_SIZE - length, "%s%zu", comma, first);
        length += (size_t)n;
        first = last;
    }
    return (unsigned)CPU_COUNT(&set);
}

unsigned machine_cpus(void) {
    char text[LINE_SIZE];
    unsigned allowed = affinity(text);
    double quota = cgroup_limit_cpus();
    if (quota > 0.0 && ceil(quota) < (double)allowed) {
        allowed = (unsigned)ceil(quota);
    }
    return allowed > 0 ? allowed : 1;
}

/* malloc as it is called in the end: bench/preload/counting.c only passes it on. */
static void *real_malloc(void) {
    void *(*next)(void);
    void *address = dlsym(RTLD_DEFAULT, "weir_counting_next_malloc");
    memcpy(&next, &address, sizeof(next));
    return address != NULL ? next() : dlsym(RTLD_DEFAULT, "malloc");
}

/* True when malloc comes from the object that has the named function: loaded is not yet in use. */
static bool malloc_is_beside(const char *name) {
    Dl_info allocator;
    Dl_info other;
    void *malloc_address = real_malloc();
    void *address = dlsym(RTLD_DEFAULT, name);
    return address != NULL && malloc_address != NULL && dladdr(malloc_address, &allocator) != 0 &&
           dladdr(address, &other) != 0 && allocator.dli_fbase == other.dli_fbase;
}

const char *machine_allocator(void) {
    if (dlsym(RTLD_DEFAULT, "__tsan_init") != NULL || dlsym(RTLD_DEFAULT, "__asan_init") != NULL) {
        return "sanitizer";
    }
    if (malloc_is_beside("mallctl")) {
        return "jemalloc";
    }
    if (malloc_is_beside("mi_version")) {
        return "mimalloc";
    }
    return malloc_is_beside("gnu_get_libc_version") ? "glibc" : "other";
}

#define CLOCKSOURCE "/sys/devices/system/clocksource/clocksource0/current_clocksource"

const char *machine_clocksource(void) {
    static char name[LINE_SIZE];
    return read_line(CLOCKSOURCE, name) ? name : "";
}

const char *machine_flags(void) {
    return BUILD_FLAGS;
}

static void describe_kernel(json_t *machine) {
    struct utsname names;
    if (uname(&names) == 0) {
        char kernel[sizeof(names.sysname) + sizeof(names.release) + 2];
        snprintf(kernel, sizeof(kernel), "%s %s", names.sysname, names.release);
        set_text(machine, "kernel", kernel);
        set_text(machine, "arch", names.machine);
        set_text(machine, "host", names.nodename);
    }
    set_line(machine, "clocksource", CLOCKSOURCE);
    char line[LINE_SIZE];
    if (read_field("/etc/os-release", "PRETTY_NAME", line) ||
        read_line("/etc/debian_version", line)) {
        set_text(machine, "system", line);
    }
}

static void describe_cpus(json_t *machine) {
    char line[LINE_SIZE];
    if (read_field("/proc/cpuinfo", "model name", line) ||
        read_line("/proc/device-tree/model", line)) {
        set_text(machine, "cpu", line);
    }
    unsigned allowed = affinity(line);
    double quota = cgroup_limit_cpus();
    json_object_set_new(machine, "cpus", json_integer(sysconf(_SC_NPROCESSORS_ONLN)));
    json_object_set_new(machine, "affinity_cpus", json_integer((json_int_t)allowed));
    set_text(machine, "affinity", line);
    json_object_set_new(machine, "usable_cpus", json_integer((json_int_t)machine_cpus()));
    json_object_set_new(machine, "quota_cpus", quota > 0.0 ? json_real(quota) : json_null());
    set_line(machine, "governor", "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor");
    set_line(machine, "smt", "/sys/devices/system/cpu/smt/control");
    if (read_field("/proc/cpuinfo", "flags", line)) {
        bool hypervisor = strstr(line, " hypervisor") != NULL;
        json_object_set_new(machine, "virtualised", json_boolean(hypervisor));
    }
}

static void describe_build(json_t *machine) {
#if defined(__clang__)
    set_text(machine, "compiler", "clang " __clang_version__);
#else
    set_text(machine, "compiler", "gcc " __VERSION__);
#endif
    set_text(machine, "flags", BUILD_FLAGS);
    set_text(machine, "commit", BUILD_COMMIT);
    set_text(machine, "alloc", machine_allocator());
}

json_t *machine_describe(void) {
    json_t *machine = json_object();
    if (machine == NULL) {
        return NULL;
    }
    describe_cpus(machine);
    describe_kernel(machine);
    describe_build(machine);
    char line[LINE_SIZE];
    if (read_field("/proc/meminfo", "MemTotal", line)) {
        json_int_t kib = strtoll(line, NULL, 10);
        json_object_set_new(machine, "mem_bytes", json_integer(kib * 1024));
    }
    return machine;
}

/* /proc/stat's first line: all CPU time so far and the part that was stolen, in ticks. */
static void state_of_cpus(json_t *state) {
    char line[LINE_SIZE];
    if (!read_field("/proc/stat", "cpu", line)) {
        return;
    }
    json_int_t all = 0;
    json_int_t stolen = 0;
    char *at = line;
    for (int column = 0; column < 8; column++) { /* user ... steal; guests are within user */
        json_int_t ticks = strtoll(at, &at, 10);
        all += ticks;
        stolen = column == 7 ? ticks : 0;
    }
    json_object_set_new(state, "cpu_ticks", json_integer(all));
    json_object_set_new(state, "steal_ticks", json_integer(stolen));
}

json_t *machine_state(void) {
    json_t *state = json_object();
    if (state == NULL) {
        return NULL;
    }
    double load[3];
    if (getloadavg(load, 3) == 3) {
        json_object_set_new(state, "load", json_pack("[f, f, f]", load[0], load[1], load[2]));
    }
    char line[LINE_SIZE];
    if (read_field("/proc/meminfo", "MemAvailable", line)) {
        json_int_t kib = strtoll(line, NULL, 10);
        json_object_set_new(state, "mem_available_bytes", json_integer(kib * 1024));
    }
    state_of_cpus(state);
    set_line(state, "pressure_cpu", "/proc/pressure/cpu");
    set_line(state, "pressure_memory", "/proc/pressure/memory");
    set_line(state, "pressure_io", "/proc/pressure/io");
    set_line(state, "khz_cpu0", "/sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq");
    return state;
}

double machine_steal_share(const json_t *start, const json_t *end) {
    json_int_t all = json_integer_value(json_object_get(end, "cpu_ticks")) -
                     json_integer_value(json_object_get(start, "cpu_ticks"));
    json_int_t stolen = json_integer_value(json_object_get(end, "steal_ticks")) -
                        json_integer_value(json_object_get(start, "steal_ticks"));
    return all > 0 && stolen >= 0 ? (double)stolen / (double)all : -1.0;
}
