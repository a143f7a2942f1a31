#include "platform/placement.h"

#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include "test/unit.h"

static int first_allowed(void) {
    for (int cpu = 0; cpu < WEIR__CPUS_MOST; cpu++)
        if (weir__placement_allows(cpu))
            return cpu;
    return -1;
}

static int last_allowed(void) {
    for (int cpu = WEIR__CPUS_MOST; cpu-- > 0;)
        if (weir__placement_allows(cpu))
            return cpu;
    return -1;
}

static void only_cpus_of_the_mask_are_allowed(void **state) {
    cpu_set_t set;

    (void)state;
    assert_false(weir__placement_allows(-1));
    assert_false(weir__placement_allows(WEIR__CPUS_MOST));
    assert_false(weir__placement_allows(INT_MAX));
    assert_int_equal(sched_getaffinity(0, sizeof set, &set), 0);
    for (int cpu = 0; cpu < 64; cpu++)
        assert_int_equal(weir__placement_allows(cpu), CPU_ISSET((size_t)cpu, &set) != 0);
}

/* ---- Nodes, as a tree of files tells them ---- */

struct tree {
    char root[64];
};

static void write_list(struct tree *tree, int node, const char *list) {
    static const char *const parts[] = {"sys", "sys/devices", "sys/devices/system",
                                        "sys/devices/system/node"};
    char path[256];

    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        snprintf(path, sizeof path, "%s%s", tree->root, parts[i]);
        mkdir(path, 0700);
    }
    snprintf(path, sizeof path, "%ssys/devices/system/node/node%d", tree->root, node);
    mkdir(path, 0700);
    strncat(path, "/cpulist", sizeof path - strlen(path) - 1);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(list, file);
    fclose(file);
}

static void make_tree(struct tree *tree) {
    strcpy(tree->root, "/tmp/weir-placement-XXXXXX");
    assert_non_null(mkdtemp(tree->root));
    strcat(tree->root, "/");
}

static void remove_tree(struct tree *tree, int nodes) {
    char path[256];

    for (int node = 0; node < nodes; node++) {
        snprintf(path, sizeof path, "%ssys/devices/system/node/node%d/cpulist", tree->root, node);
        unlink(path);
        *strrchr(path, '/') = '\0';
        rmdir(path);
    }
    static const char *const parts[] = {"sys/devices/system/node", "sys/devices/system",
                                        "sys/devices", "sys", ""};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        snprintf(path, sizeof path, "%s%s", tree->root, parts[i]);
        rmdir(path);
    }
}

static void list_of_a_node_is_read_in_all_its_forms(void **state) {
    static const struct {
        const char *list;
        bool exists;
        int count;
        int in[3], out;
    } cases[] = {
        {"0-3\n", true, 4, {0, 2, 3}, 4},
        {"5\n", true, 1, {5, 5, 5}, 4},
        {"0-1,8,10-11\n", true, 5, {1, 8, 11}, 9},
        {"3,1", true, 2, {1, 3, 3}, 2},
        {"4094-9999\n", true, 2, {4094, 4095, 4095}, 0},
        {"\n", false, 0, {0}, 0},
        {"", false, 0, {0}, 0},
        {"nonsense\n", false, 0, {0}, 0},
    };
    union {
        cpu_set_t set;
        char bytes[WEIR__CPUS_MOST / CHAR_BIT];
    } cpus;
    const int n = sizeof cases / sizeof *cases;
    struct tree tree;

    (void)state;
    make_tree(&tree);
    for (int node = 0; node < n; node++) {
        write_list(&tree, node, cases[node].list);
        assert_int_equal(weir__placement_node(tree.root, node, &cpus.set, sizeof cpus),
                         cases[node].exists);
        if (!cases[node].exists)
            continue;
        assert_int_equal(CPU_COUNT_S(sizeof cpus, &cpus.set), cases[node].count);
        for (int i = 0; i < 3; i++)
            assert_true(CPU_ISSET_S((size_t)cases[node].in[i], sizeof cpus, &cpus.set));
        assert_false(CPU_ISSET_S((size_t)cases[node].out, sizeof cpus, &cpus.set));
    }
    assert_false(weir__placement_node(tree.root, n, &cpus.set, sizeof cpus));
    assert_false(weir__placement_node(tree.root, -1, &cpus.set, sizeof cpus));
    remove_tree(&tree, n);
}

static void root_too_long_for_a_path_has_no_nodes(void **state) {
    char root[PATH_MAX + 1];
    cpu_set_t set;

    (void)state;
    memset(root, 'x', sizeof root);
    root[PATH_MAX] = '\0';
    assert_false(weir__placement_node(root, 0, &set, sizeof set));
}

/* ---- Threads of a pool ---- */

struct where {
    cpu_set_t set;
    int rc;
};

static int call_where(void *arg, void **value) {
    struct where *where = arg;

    (void)value;
    where->rc = sched_getaffinity(0, sizeof where->set, &where->set);
    return 0;
}

static void ask_where(struct weir_pool *pool, struct where *where) {
    struct weir_future *future = NULL;

    assert_int_equal(weir_pool_async(pool, call_where, where, &future), 0);
    assert_int_equal(weir_future_get(future, NULL, WEIR_FOREVER), 0);
    assert_int_equal(where->rc, 0);
    weir_future_unref(future);
}

/* Tasks that are all begun before one of them ends: each runs on a worker of its own. */
#define WORKERS 3
struct meeting {
    struct where where;
    struct event *here;
};

static int call_meet(void *arg, void **value) {
    struct meeting *meeting = arg;

    call_where(&meeting->where, value);
    event_raise(meeting->here);
    event_await(meeting->here, WORKERS);
    return 0;
}

static void ask_each_worker(struct weir_pool *pool, struct meeting meetings[WORKERS]) {
    struct weir_future *futures[WORKERS];
    struct event here = {0};

    for (int i = 0; i < WORKERS; i++) {
        meetings[i].here = &here;
        assert_int_equal(weir_pool_async(pool, call_meet, &meetings[i], &futures[i]), 0);
    }
    for (int i = 0; i < WORKERS; i++) {
        assert_int_equal(weir_future_get(futures[i], NULL, WEIR_FOREVER), 0);
        assert_int_equal(meetings[i].where.rc, 0);
        weir_future_unref(futures[i]);
    }
}

/* Which task runs on which worker is not told: the workers 0, 1 and 2 of two CPUs' list make two on
 * the first and one on the second. */
static void worker_runs_on_its_cpu_alone_and_the_caller_where_it_did(void **state) {
    const int first = last_allowed(), second = first_allowed();
    int cpus[2] = {first, second}, on_first = 0, on_second = 0;
    struct weir_pool_options options = unit_options();
    struct meeting meetings[WORKERS];
    cpu_set_t before, after;

    assert_int_equal(sched_getaffinity(0, sizeof before, &before), 0);
    options.cpus = cpus;
    options.cpus_count = 2;
    options.max_threads = WORKERS;
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 1, &options);
    cpus[0] = cpus[1] = -1; /* they were copied */
    ask_each_worker(pool, meetings);
    unit_free(pool);
    for (int i = 0; i < WORKERS; i++) {
        assert_int_equal(CPU_COUNT(&meetings[i].where.set), 1);
        on_first += CPU_ISSET((size_t)first, &meetings[i].where.set) != 0;
        on_second += CPU_ISSET((size_t)second, &meetings[i].where.set) != 0;
    }
    assert_int_equal(on_first, first == second ? WORKERS : 2);
    assert_int_equal(on_second, first == second ? WORKERS : 1);
    assert_int_equal(sched_getaffinity(0, sizeof after, &after), 0);
    assert_true(CPU_EQUAL(&before, &after));
}

static void cpu_that_is_not_there_is_refused(void **state) {
    static const int bad[] = {-1, WEIR__CPUS_MOST - 1, INT_MAX};
    struct weir_pool_options options = unit_options();
    struct weir_pool *pool = NULL;
    int cpus[2] = {first_allowed(), 0};

    options.scheduler = unit_scheduler(state);
    options.threads = 1;
    options.cpus = cpus;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        options.cpus_count = 2;
        cpus[1] = bad[i];
        assert_int_equal(weir_pool_new(&pool, &options), -EINVAL);
    }
    options.cpus_count = 0;
    assert_int_equal(weir_pool_new(&pool, &options), -EINVAL);
    options.cpus = NULL;
    options.cpus_count = 1;
    assert_int_equal(weir_pool_new(&pool, &options), -EINVAL);
    assert_null(pool);
}

static void node_that_is_not_there_is_refused(void **state) {
    struct weir_pool_options options = unit_options();
    struct weir_pool *pool = NULL;

    options.scheduler = unit_scheduler(state);
    options.threads = 1;
    options.numa_node = -2;
    assert_int_equal(weir_pool_new(&pool, &options), -EINVAL);
    options.numa_node = 1000000;
    assert_int_equal(weir_pool_new(&pool, &options), -EINVAL);
    assert_null(pool);
}

static void worker_of_a_node_runs_on_its_cpus(void **state) {
    union {
        cpu_set_t set;
        char bytes[WEIR__CPUS_MOST / CHAR_BIT];
    } cpus;
    struct weir_pool_options options = unit_options();
    struct where where;

    if (!weir__placement_node("/", 0, &cpus.set, sizeof cpus)) {
        print_message("skipped: the kernel tells of no nodes\n");
        skip();
    }
    options.numa_node = 0;
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 1, &options);
    ask_where(pool, &where);
    for (size_t cpu = 0; cpu < CPU_SETSIZE; cpu++)
        if (CPU_ISSET(cpu, &where.set))
            assert_true(CPU_ISSET_S(cpu, sizeof cpus, &cpus.set));
    unit_free(pool);
}

static void *bind_to_nowhere(void *arg) {
    cpu_set_t before, after;
    bool *same = arg;

    sched_getaffinity(0, sizeof before, &before);
    weir__placement_bind_node(1000000);
    sched_getaffinity(0, sizeof after, &after);
    *same = CPU_EQUAL(&before, &after);
    return NULL;
}

static void binding_to_a_node_that_has_gone_leaves_the_thread_where_it_is(void **state) {
    bool same = false;

    (void)state;
    unit_join(unit_thread(bind_to_nowhere, &same));
    assert_true(same);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        ONCE(only_cpus_of_the_mask_are_allowed),
        ONCE(list_of_a_node_is_read_in_all_its_forms),
        ONCE(root_too_long_for_a_path_has_no_nodes),
        EACH(worker_runs_on_its_cpu_alone_and_the_caller_where_it_did),
        EACH(cpu_that_is_not_there_is_refused),
        EACH(node_that_is_not_there_is_refused),
        EACH(worker_of_a_node_runs_on_its_cpus),
        ONCE(binding_to_a_node_that_has_gone_leaves_the_thread_where_it_is),
    };
    return cmocka_run_group_tests_name("placement", tests, NULL, NULL);
}
