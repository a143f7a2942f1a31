/*
 * An idle pool costs nothing: no context switch and no CPU time of its threads, whatever their
 * number. Seconds to look may be given as an argument; one is enough to see a thread that wakes up
 * to look around.
 */
#include "test/unit.h"

#include <dirent.h>
#include <time.h>

#define WORKERS 64u
#define NAME    "Name:\tquiet-"

static unsigned seconds = 1;

/* Sums of /proc/self/task/<each thread>/status, of the threads that bear the pool's name. */
struct switches {
    unsigned threads;
    unsigned sleeping; /* of those */
    unsigned long long voluntary, involuntary;
};

static void add_status(const char *thread, struct switches *sum) {
    char path[300], line[128];

    snprintf(path, sizeof path, "/proc/self/task/%s/status", thread);
    FILE *file = fopen(path, "re");
    if (!file)
        return;
    /* The first line is the name. A sanitizer has threads of its own, which are not weighed. */
    bool is_worker = fgets(line, sizeof line, file) && strncmp(line, NAME, strlen(NAME)) == 0;
    sum->threads += is_worker;
    while (is_worker && fgets(line, sizeof line, file)) {
        unsigned long long number;
        sum->sleeping += strncmp(line, "State:\tS", 8) == 0;
        if (sscanf(line, "voluntary_ctxt_switches: %llu", &number) == 1)
            sum->voluntary += number;
        if (sscanf(line, "nonvoluntary_ctxt_switches: %llu", &number) == 1)
            sum->involuntary += number;
    }
    fclose(file);
}

static struct switches look(void) {
    struct switches sum = {.threads = 0};
    DIR *folder = opendir("/proc/self/task");

    assert_non_null(folder);
    for (struct dirent *entry; (entry = readdir(folder));)
        if (entry->d_name[0] != '.')
            add_status(entry->d_name, &sum);
    closedir(folder);
    return sum;
}

/* All have gone to sleep, and their switches stand still for a moment. */
static struct switches settled(void) {
    struct switches before, after = look();

    do {
        before = after;
        nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
        after = look();
    } while (after.sleeping != WORKERS || after.voluntary != before.voluntary ||
             after.involuntary != before.involuntary);
    return after;
}

static void nothing(void *arg) {
    (void)arg;
}

static void idle_pool_of_64_workers_switches_no_context(void **state) {
    struct weir_pool_options options = unit_options();

    options.name = "quiet";
    struct weir_pool *pool = unit_pool(unit_scheduler(state), WORKERS, &options);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(weir_pool_execute(pool, nothing, NULL), 0);
    assert_int_equal(weir_pool_await_idle(pool, WEIR_FOREVER), 0);
    struct switches before = settled();
    /* The time is what is measured here, not a wait for something to happen. */
    nanosleep(&(struct timespec){.tv_sec = (time_t)seconds}, NULL);
    struct switches after = look();
    printf("%u workers, %u s: %llu context switches\n", after.threads, seconds,
           after.voluntary + after.involuntary - before.voluntary - before.involuntary);
    assert_int_equal(after.threads, WORKERS);
    assert_int_equal(after.voluntary, before.voluntary);
    assert_int_equal(after.involuntary, before.involuntary);
    assert_int_equal(weir_pool_free(pool), 0);
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        EACH(idle_pool_of_64_workers_switches_no_context),
    };
    if (argc > 1)
        seconds = (unsigned)strtoul(argv[1], NULL, 10);
    return cmocka_run_group_tests_name("quiet", tests, NULL, NULL);
}
