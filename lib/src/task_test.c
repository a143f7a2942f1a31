#include "task.h"

#include <sys/wait.h>
#include <unistd.h>

#include "test/fault.h"
#include "test/unit.h"

static void id_is_given_once_and_never_zero(void **state) {
    struct weir_task a = WEIR_TASK_INIT(NULL), b = WEIR_TASK_INIT(NULL);
    uint64_t id = weir_task_id(&a);

    (void)state;
    assert_true(id != 0);
    assert_true(weir_task_id(&a) == id);
    assert_true(weir_task_id(&b) != id);
    a = (struct weir_task)WEIR_TASK_INIT(NULL);
    assert_true(weir_task_id(&a) != id);
}

#define THREADS 4
#define TASKS   3000u

struct numbering {
    struct weir_task *shared;
    uint64_t ids[TASKS], of_shared[TASKS];
};

static void *number_tasks(void *arg) {
    struct numbering *numbering = arg;

    for (unsigned i = 0; i < TASKS; i++) {
        struct weir_task own = WEIR_TASK_INIT(NULL);
        numbering->ids[i] = weir_task_id(&own);
        numbering->of_shared[i] = weir_task_id(&numbering->shared[i]);
    }
    return NULL;
}

static int compare(const void *a, const void *b) {
    uint64_t x, y;

    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return (x > y) - (x < y);
}

static void ids_are_unique_over_threads_and_agreed_on_by_them(void **state) {
    struct numbering *all = calloc(THREADS, sizeof *all);
    struct weir_task *shared = calloc(TASKS, sizeof *shared);
    uint64_t *ids = calloc((THREADS + 1) * TASKS, sizeof *ids);
    pthread_t threads[THREADS];

    (void)state;
    assert_non_null(all);
    assert_non_null(shared);
    assert_non_null(ids);
    for (unsigned i = 0; i < THREADS; i++) {
        all[i].shared = shared;
        threads[i] = unit_thread(number_tasks, &all[i]);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        unit_join(threads[i]);
        memcpy(ids + i * TASKS, all[i].ids, sizeof all[i].ids);
        assert_memory_equal(all[i].of_shared, all[0].of_shared, sizeof all[0].of_shared);
    }
    memcpy(ids + THREADS * TASKS, all[0].of_shared, sizeof all[0].of_shared);
    qsort(ids, (THREADS + 1) * TASKS, sizeof *ids, compare);
    for (unsigned i = 1; i < (THREADS + 1) * TASKS; i++)
        assert_true(ids[i - 1] < ids[i]);
    free(ids);
    free(shared);
    free(all);
}

static void uuid_is_rfc_9562_version_8_text(void **state) {
    struct weir_task a = WEIR_TASK_INIT(NULL), b = WEIR_TASK_INIT(NULL);
    char text[WEIR_UUID_TEXT], again[WEIR_UUID_TEXT], other[WEIR_UUID_TEXT];

    (void)state;
    weir_task_uuid(&a, text);
    weir_task_uuid(&a, again);
    weir_task_uuid(&b, other);
    assert_string_equal(text, again);
    assert_string_not_equal(text, other);
    assert_memory_equal(text, other, 18); /* the process's part */
    assert_int_equal(strlen(text), 36);
    for (size_t i = 0; i < 36; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        assert_int_equal(dash, text[i] == '-');
        assert_true(dash || strchr("0123456789abcdef", text[i]));
    }
    assert_int_equal(text[14], '8');
    assert_non_null(strchr("89ab", text[19]));
    char id[32];
    snprintf(id, sizeof id, "%012llx", (unsigned long long)weir_task_id(&a));
    assert_string_equal(text + 24, id);
}

static void task_fits_a_cache_line(void **state) {
    (void)state;
    assert_true(sizeof(struct weir_task) <= 64);
    assert_true(sizeof(struct weir_future) <= 128);
}

static void plain_task_is_never_marked(void **state) {
    struct weir_task task = WEIR_TASK_INIT(NULL);

    (void)state;
    assert_true(weir__task_mark_queued(&task));
    assert_true(weir__task_mark_taken(&task));
    assert_int_equal(atomic_load_explicit(&task.weir__state, memory_order_relaxed), 0);
}

static void future_task_is_marked_once(void **state) {
    struct weir_task queued = {.flags = WEIR__TASK_FUTURE}, taken = {.flags = WEIR__TASK_FUTURE};

    (void)state;
    assert_true(weir__task_mark_queued(&queued));
    assert_false(weir__task_mark_queued(&queued));
    assert_false(weir__task_mark_taken(&queued));
    assert_true(weir__task_mark_taken(&taken));
    assert_false(weir__task_mark_queued(&taken));
}

/* In a child, since the process's part is chosen once. */
static void uuid_without_the_kernels_randomness_is_one_too(void **state) {
    struct weir_task task = WEIR_TASK_INIT(NULL);
    char text[WEIR_UUID_TEXT] = "";
    int status = 0;

    (void)state;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        fault_fail_nth(1);
        weir_task_uuid(&task, text);
        bool failed_once = fault_happened();
        bool whole = strlen(text) == WEIR_UUID_TEXT - 1 && text[14] == '8';
        bool chosen = strncmp(text, "00000000-0000", 13) != 0;
        _exit(failed_once && whole && chosen ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        ONCE(uuid_without_the_kernels_randomness_is_one_too), /* before any other uuid */
        ONCE(id_is_given_once_and_never_zero),
        ONCE(ids_are_unique_over_threads_and_agreed_on_by_them),
        ONCE(uuid_is_rfc_9562_version_8_text),
        ONCE(task_fits_a_cache_line),
        ONCE(plain_task_is_never_marked),
        ONCE(future_task_is_marked_once),
    };
    return cmocka_run_group_tests_name("task", tests, NULL, NULL);
}
