#include "stress/limit.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <linux/capability.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* ---- Threads ----
 *
 * The limit counts the threads of a real user. A privileged process takes a user of its own, whom
 * nobody else's threads are counted for, and lays down for the while the two capabilities that
 * would exempt it. Credentials are a thread's, handed down to those that it starts: the bare
 * system calls leave the rest of the process alone.
 */

#define OWN_USERS 0x40000000u /* above the users that systems give out */

static struct {
    struct rlimit before;
    struct __user_cap_data_struct capabilities[2];
    uid_t user;
    bool own_user;
} kept;

static struct __user_cap_header_struct this_thread(void) {
    return (struct __user_cap_header_struct){.version = _LINUX_CAPABILITY_VERSION_3};
}

static bool take_own_user(void) {
    struct __user_cap_header_struct header = this_thread();
    struct __user_cap_data_struct less[2];
    if (syscall(SYS_capget, &header, kept.capabilities) != 0) {
        return false;
    }
    memcpy(less, kept.capabilities, sizeof(less));
    less[0].effective &= ~((1u << CAP_SYS_RESOURCE) | (1u << CAP_SYS_ADMIN));
    kept.user = getuid();
    if (syscall(SYS_setresuid, OWN_USERS + (unsigned)getpid(), -1, -1) != 0) {
        return false;
    }
    (void)syscall(SYS_capset, &header, less);
    return true;
}

static void give_up_own_user(void) {
    struct __user_cap_header_struct header = this_thread();
    (void)syscall(SYS_capset, &header, kept.capabilities);
    (void)syscall(SYS_setresuid, kept.user, -1, -1);
}

/* A folder of tasks has a link for each, and two of its own. */
static unsigned threads_of_user(void) {
    unsigned n = 0;
    DIR *folder = opendir("/proc");
    struct dirent *entry;
    while (folder != NULL && (entry = readdir(folder)) != NULL) {
        char path[sizeof("/proc//task") + sizeof(entry->d_name)];
        struct stat about;
        snprintf(path, sizeof(path), "/proc/%s/task", entry->d_name);
        if (isdigit((unsigned char)entry->d_name[0]) && stat(path, &about) == 0 &&
            about.st_uid == getuid()) {
            n += (unsigned)about.st_nlink - 2;
        }
    }
    if (folder != NULL) {
        closedir(folder);
    }
    return n;
}

static void *do_nothing(void *arg) {
    return arg;
}

/* Asked when no thread more is allowed. */
static bool is_held_back(void) {
    pthread_t thread;
    if (pthread_create(&thread, NULL, do_nothing, NULL) != 0) {
        return true;
    }
    pthread_join(thread, NULL);
    return false;
}

bool limit_threads(unsigned more) {
    if (getrlimit(RLIMIT_NPROC, &kept.before) != 0) {
        return false;
    }
    kept.own_user = take_own_user();
    struct rlimit now = kept.before;
    now.rlim_cur = (kept.own_user ? 1 : threads_of_user()) + more;
    if (setrlimit(RLIMIT_NPROC, &now) == 0 && (more != 0 || is_held_back())) {
        return true;
    }
    limit_threads_end();
    return false;
}

void limit_threads_end(void) {
    (void)setrlimit(RLIMIT_NPROC, &kept.before);
    if (kept.own_user) {
        give_up_own_user();
        kept.own_user = false;
    }
}

/* ---- CPU time ---- */

#define PERIOD_US "10000"
#define QUOTA_US  "3000"
#define GROUPS    "/sys/fs/cgroup"

static bool write_text(const char *folder, const char *file, const char *text) {
    char path[512];
    snprintf(path, sizeof(path), "%s/%s", folder, file);
    FILE *out = fopen(path, "we");
    if (out == NULL) {
        return false;
    }
    bool written = fputs(text, out) >= 0;
    return fclose(out) == 0 && written;
}

static bool is_listed(const char *list, const char *name) {
    size_t n = strlen(name);
    for (const char *at = list; (at = strstr(at, name)) != NULL; at += n) {
        if ((at == list || at[-1] == ',') && (at[n] == ',' || at[n] == '\0')) {
            return true;
        }
    }
    return false;
}

/* The group of this process: in the hierarchy of the controller cpu, or in the one of all. */
static bool find_own_group(char *group, size_t size, bool *unified) {
    char line[400], path[300] = "";
    FILE *in = fopen("/proc/self/cgroup", "re");
    *unified = true;
    while (in != NULL && fgets(line, sizeof(line), in) != NULL) {
        char *list = strchr(line, ':'), *own = list != NULL ? strchr(list + 1, ':') : NULL;
        if (own == NULL) {
            continue;
        }
        *own++ = '\0';
        own[strcspn(own, "\n")] = '\0';
        bool of_cpu = is_listed(list + 1, "cpu");
        if (of_cpu || (list[1] == '\0' && *unified)) {
            *unified = !of_cpu;
            snprintf(path, sizeof(path), "%s%s", of_cpu ? "/cpu" : "", own);
        }
    }
    if (in != NULL) {
        fclose(in);
    }
    snprintf(group, size, GROUPS "%s", path);
    return path[0] != '\0';
}

static bool set_quota(const char *group, bool unified) {
    if (unified) {
        return write_text(group, "cpu.max", QUOTA_US " " PERIOD_US);
    }
    return write_text(group, "cpu.cfs_period_us", PERIOD_US) &&
           write_text(group, "cpu.cfs_quota_us", QUOTA_US);
}

bool limit_quota_make(char *group, size_t size, char *why, size_t why_size) {
    char own[320];
    bool unified;
    group[0] = '\0';
    if (!find_own_group(own, sizeof(own), &unified)) {
        snprintf(why, why_size, "no control groups");
        return false;
    }
    if (unified) { /* refused when the group has members and is not the root */
        (void)write_text(own, "cgroup.subtree_control", "+cpu");
    }
    snprintf(group, size, "%s/weir-stress-%d", own, (int)getpid());
    if (mkdir(group, 0755) != 0) {
        snprintf(why, why_size, "no group can be made: %s", strerror(errno));
        group[0] = '\0';
        return false;
    }
    if (!set_quota(group, unified)) {
        snprintf(why, why_size, "a group cannot be given a quota: %s", strerror(errno));
        limit_quota_remove(group);
        group[0] = '\0';
        return false;
    }
    return true;
}

void limit_quota_remove(const char *group) {
    (void)rmdir(group);
}

static bool move_to(const char *group) {
    char self[16];
    snprintf(self, sizeof(self), "%d", (int)getpid());
    return write_text(group, "cgroup.procs", self);
}

bool limit_quota_enter(const char *group) {
    return move_to(group);
}

void limit_quota_leave(const char *group) {
    char home[512];
    snprintf(home, sizeof(home), "%s/..", group);
    (void)move_to(home);
}

uint64_t limit_quota_times(const char *group) {
    char path[512], line[80];
    unsigned long long times = 0;
    snprintf(path, sizeof(path), "%s/cpu.stat", group);
    FILE *in = fopen(path, "re");
    while (in != NULL && fgets(line, sizeof(line), in) != NULL) {
        if (strncmp(line, "nr_throttled ", 13) == 0) {
            times = strtoull(line + 13, NULL, 10);
        }
    }
    if (in != NULL) {
        fclose(in);
    }
    return times;
}
