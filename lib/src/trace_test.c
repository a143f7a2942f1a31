#include "test/unit.h"

#include <fcntl.h>
#include <unistd.h>

#include "pool.h"
#include "test/fault.h"

#define TASKS 40

static void nothing(void *arg) {
    (void)arg;
}

/* ---- Reading what was written ---- */

/* Skips one JSON value (RFC 8259), or gives NULL. */
static const char *skip_value(const char *at);

static const char *skip_space(const char *at) {
    return at + strspn(at, " \t\r\n");
}

static const char *skip_string(const char *at) {
    if (*at != '"')
        return NULL;
    for (at++; *at != '"'; at++)
        if ((unsigned char)*at < ' ' || (*at == '\\' && *++at == '\0'))
            return NULL;
    return at + 1;
}

/* The members of an object, or the elements of an array. */
static const char *skip_members(const char *at, char end) {
    at = skip_space(at + 1);
    if (*at == end)
        return at + 1;
    for (;;) {
        if (end == '}') {
            at = skip_string(at);
            if (!at || *skip_space(at) != ':')
                return NULL;
            at = skip_space(at) + 1;
        }
        at = skip_value(at);
        if (!at)
            return NULL;
        at = skip_space(at);
        if (*at == end)
            return at + 1;
        if (*at != ',')
            return NULL;
        at = skip_space(at + 1);
    }
}

static const char *skip_value(const char *at) {
    char *end;

    at = skip_space(at);
    if (*at == '{' || *at == '[')
        return skip_members(at, *at == '{' ? '}' : ']');
    if (*at == '"')
        return skip_string(at);
    strtod(at, &end); /* the trace has no literals */
    return end > at ? end : NULL;
}

/* A trace: its text, cut into lines of one entry each. */
struct document {
    char *text;
    char **lines;
    size_t count;
};

static char *read_all(int fd) {
    size_t bytes = (size_t)lseek(fd, 0, SEEK_END), done = 0;
    char *all = malloc(bytes + 1);

    assert_non_null(all);
    while (done < bytes) {
        ssize_t n = pread(fd, all + done, bytes - done, (off_t)done);
        assert_true(n > 0);
        done += (size_t)n;
    }
    all[bytes] = '\0';
    return all;
}

/* events: how many write said there are. */
static struct document written(struct weir_pool *pool, ptrdiff_t *events) {
    char name[] = "/tmp/weir-trace-XXXXXX";
    struct document document = {.count = 0};
    int fd = mkstemp(name);

    assert_true(fd >= 0);
    unlink(name);
    *events = weir_trace_write(pool, fd);
    document.text = read_all(fd);
    close(fd);
    const char *end = skip_value(document.text);
    assert_non_null(end);
    assert_int_equal(*skip_space(end), '\0');
    document.lines = malloc((strlen(document.text) + 1) * sizeof *document.lines);
    assert_non_null(document.lines);
    for (char *line = strtok(document.text, "\n"); line; line = strtok(NULL, "\n"))
        document.lines[document.count++] = line;
    return document;
}

static void forget(struct document *document) {
    free(document->text);
    free(document->lines);
}

/* What follows "field": in the entry, or "". */
static const char *field_of(const char *line, const char *field) {
    char key[32];

    snprintf(key, sizeof key, "\"%s\":", field);
    const char *found = strstr(line, key);
    return found ? found + strlen(key) : "";
}

static bool is(const char *line, const char *field, const char *value) {
    char quoted[64];

    snprintf(quoted, sizeof quoted, "\"%s\"", value);
    return strncmp(field_of(line, field), quoted, strlen(quoted)) == 0;
}

static double number(const char *line, const char *field) {
    return strtod(field_of(line, field), NULL);
}

/* Entries with this phase and, unless NULL, this name. */
static size_t count_entries(const struct document *document, const char *phase, const char *name) {
    size_t count = 0;

    for (size_t i = 0; i < document->count; i++)
        count +=
            is(document->lines[i], "ph", phase) && (!name || is(document->lines[i], "name", name));
    return count;
}

/* ---- Tests ---- */

/* Runs some tasks one after another, from outside and from a worker, and waits for the end. */
static int submit_inside(void *arg, void **value) {
    *value = NULL;
    return weir_pool_execute(arg, nothing, NULL);
}

static void work(struct weir_pool *pool) {
    struct weir_future *future;

    for (int i = 0; i < TASKS - 2; i++)
        assert_int_equal(weir_pool_execute(pool, nothing, NULL), 0);
    assert_int_equal(weir_pool_async(pool, submit_inside, pool, &future), 0);
    assert_int_equal(weir_future_get(future, NULL, WEIR_FOREVER), 0);
    weir_future_unref(future);
    assert_int_equal(weir_pool_await_idle(pool, WEIR_FOREVER), 0);
}

static void every_task_has_its_slice_and_an_arrow_from_its_submission(void **state) {
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 2, NULL);
    ptrdiff_t events;
    size_t arrows = 0;

    assert_int_equal(weir_trace_start(pool, 0), 0);
    work(pool);
    assert_int_equal(weir_trace_stop(pool), 0);
    struct document root = written(pool, &events);
    assert_int_equal(count_entries(&root, "X", "submit"), TASKS);
    assert_int_equal(count_entries(&root, "X", "task"), TASKS);
    assert_int_equal(count_entries(&root, "s", NULL), TASKS);
    assert_int_equal(count_entries(&root, "f", NULL), TASKS);
    assert_int_equal(count_entries(&root, "M", "thread_name"), 2);
    assert_int_equal(count_entries(&root, "C", "queued tasks"), 2 * TASKS);
    for (size_t i = 0; i < root.count; i++) {
        if (!is(root.lines[i], "ph", "f"))
            continue;
        const char *id = field_of(root.lines[i], "id");
        for (size_t k = 0; k < root.count; k++)
            if (is(root.lines[k], "ph", "s") &&
                strncmp(field_of(root.lines[k], "id"), id, strcspn(id, ",}")) == 0) {
                assert_true(number(root.lines[k], "ts") <= number(root.lines[i], "ts"));
                arrows++;
            }
    }
    assert_int_equal(arrows, TASKS);
    assert_true((size_t)events < root.count); /* arrows and names are no events */
    forget(&root);
    assert_int_equal(weir_pool_free(pool), 0);
}

static void slices_of_a_worker_do_not_overlap_and_sleeps_are_among_them(void **state) {
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 1, NULL);
    ptrdiff_t events;
    double end = 0;

    UNTIL(unit_stats(pool).parks > 0);
    assert_int_equal(weir_trace_start(pool, 0), 0);
    for (int turn = 0; turn < 5; turn++) {
        uint64_t parks = unit_stats(pool).parks;
        assert_int_equal(weir_pool_execute(pool, nothing, NULL), 0);
        UNTIL(unit_stats(pool).parks > parks);
    }
    struct document root = written(pool, &events);
    assert_true(count_entries(&root, "X", "parked") >= 4); /* the last sleep has not ended */
    for (size_t i = 0; i < root.count; i++) {
        const char *line = root.lines[i];
        if (!is(line, "ph", "X") || (int)number(line, "tid") != 1)
            continue;
        assert_true(number(line, "ts") >= end - 0.0005);
        end = number(line, "ts") + number(line, "dur");
    }
    forget(&root);
    assert_int_equal(weir_pool_free(pool), 0);
}

static void full_ring_forgets_its_oldest_events(void **state) {
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 1, NULL);
    ptrdiff_t events;

    assert_int_equal(weir_trace_start(pool, 8), 0);
    work(pool);
    struct document root = written(pool, &events);
    assert_true(events <= 16); /* eight of the worker, eight of those outside */
    assert_true(events >= 14);
    forget(&root);
    assert_int_equal(weir_pool_free(pool), 0);
}

static void new_trace_forgets_the_one_before_and_may_be_larger(void **state) {
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 1, NULL);
    ptrdiff_t events;

    assert_int_equal(weir_trace_start(pool, 8), 0);
    work(pool);
    assert_int_equal(weir_trace_start(pool, 8), -EALREADY);
    assert_int_equal(weir_trace_stop(pool), 0);
    assert_int_equal(weir_trace_stop(pool), -EALREADY);
    work(pool); /* nobody looks */
    assert_int_equal(weir_trace_start(pool, 1024), 0);
    struct document root = written(pool, &events);
    assert_int_equal(events, 0);
    forget(&root);
    work(pool);
    root = written(pool, &events);
    assert_int_equal(count_entries(&root, "X", "task"), TASKS);
    forget(&root);
    assert_int_equal(weir_trace_stop(pool), 0);
    fault_fail_nth(1);
    assert_int_equal(weir_trace_start(pool, 8), 0); /* or smaller: that needs no memory */
    fault_reset();
    root = written(pool, &events);
    assert_int_equal(events, 0);
    forget(&root);
    assert_int_equal(weir_pool_free(pool), 0);
}

static void refused_submissions_are_shown_as_such(void **state) {
    struct weir_pool_options options;
    struct plug plug = PLUG;
    ptrdiff_t events;

    weir_pool_options_init(&options);
    options.capacity = 1;
    options.full = WEIR_FULL_REJECT;
    options.name = "a \"b\"";
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 1, &options);
    assert_int_equal(weir_trace_start(pool, 0), 0);
    assert_int_equal(weir_pool_execute(pool, plug_run, &plug), 0);
    event_await(&plug.begun, 1);
    assert_int_equal(weir_pool_execute(pool, nothing, NULL), 0);
    assert_int_equal(weir_pool_execute(pool, nothing, NULL), -EAGAIN);
    event_raise(&plug.release);
    assert_int_equal(weir_pool_await_idle(pool, WEIR_FOREVER), 0);
    struct document root = written(pool, &events);
    assert_int_equal(count_entries(&root, "X", "submit, refused"), 1);
    assert_int_equal(count_entries(&root, "X", "task"), 2);
    forget(&root);
    assert_int_equal(weir_pool_free(pool), 0);
}

static void failing_descriptor_is_reported(void **state) {
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 1, NULL);
    int full = open("/dev/full", O_WRONLY | O_CLOEXEC);

    assert_true(full >= 0);
    assert_int_equal(weir_trace_write(pool, full), -EINVAL); /* never started */
    assert_int_equal(weir_trace_start(pool, 0), 0);
    work(pool);
    assert_int_equal(weir_trace_write(pool, full), -ENOSPC);
    assert_int_equal(weir_trace_write(pool, -1), -EBADF);
    assert_int_equal(weir_trace_write(NULL, full), -EINVAL);
    assert_int_equal(weir_trace_start(NULL, 0), -EINVAL);
    assert_int_equal(weir_trace_stop(NULL), -EINVAL);
    assert_int_equal(weir_trace_start(pool, WEIR_TRACE_EVENTS_MOST + 1), -EINVAL);
    close(full);
    assert_int_equal(weir_pool_free(pool), 0);
}

static void without_memory_there_are_no_events_and_tasks_run(void **state) {
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 1, NULL);
    struct weir_task *task;
    struct counted counted;
    ptrdiff_t events;

    fault_fail_nth(1);
    assert_int_equal(weir_trace_start(pool, 0), -ENOMEM);
    fault_reset();
    assert_int_equal(weir_trace_start(pool, 0), 0);
    task = counted_init(&counted);
    fault_fail_nth(1); /* the worker's ring */
    assert_int_equal(weir_pool_submit(pool, task), 0);
    assert_int_equal(weir_pool_await_idle(pool, WEIR_FOREVER), 0);
    assert_true(fault_happened());
    assert_int_equal(number_of(&counted.runs), 1);
    struct document root = written(pool, &events);
    assert_true(count_entries(&root, "X", "submit") == 1);
    forget(&root);
    assert_int_equal(weir_pool_free(pool), 0);
}

struct reading {
    struct weir_pool *pool;
    _Atomic bool stop;
};

static void *submit_without_end(void *arg) {
    struct reading *reading = arg;

    while (!atomic_load_explicit(&reading->stop, memory_order_relaxed))
        weir_pool_execute(reading->pool, nothing, NULL);
    return NULL;
}

static void trace_may_be_written_while_it_grows(void **state) {
    struct weir_pool_options options;
    pthread_t threads[2];
    ptrdiff_t events;

    weir_pool_options_init(&options);
    options.capacity = 64;
    struct reading reading = {.pool = unit_pool(unit_scheduler(state), 2, &options)};
    assert_int_equal(weir_trace_start(reading.pool, 64), 0);
    for (int i = 0; i < 2; i++)
        threads[i] = unit_thread(submit_without_end, &reading);
    for (int i = 0; i < 20; i++) {
        struct document root = written(reading.pool, &events);
        assert_true(events <= 3 * 64);
        forget(&root);
    }
    atomic_store_explicit(&reading.stop, true, memory_order_relaxed);
    for (int i = 0; i < 2; i++)
        unit_join(threads[i]);
    assert_int_equal(weir_pool_free(reading.pool), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        EACH(every_task_has_its_slice_and_an_arrow_from_its_submission),
        EACH(slices_of_a_worker_do_not_overlap_and_sleeps_are_among_them),
        EACH(full_ring_forgets_its_oldest_events),
        EACH(new_trace_forgets_the_one_before_and_may_be_larger),
        EACH(refused_submissions_are_shown_as_such),
        EACH(failing_descriptor_is_reported),
        EACH(without_memory_there_are_no_events_and_tasks_run),
        EACH(trace_may_be_written_while_it_grows),
    };
    return cmocka_run_group_tests_name("trace", tests, NULL, NULL);
}
