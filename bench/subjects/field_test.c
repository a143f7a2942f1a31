/*
 * Every plug-in that has been built, each configuration in a process of its own, with one worker: a
 * task runs once, tasks start in the order that the table promises, those that a task submits run
 * as well, and nothing is queued when all is quiet. Cells test the rest (test_field.py).
 */
#include "bench/plugin.h"

#include <errno.h>
#include <glob.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#define PLUGINS  "build/release/subjects/*.so"
#define TASKS    2000
#define CHILDREN 100
#define LIMIT_S  30

static const struct weir_subject *subject;
static uint32_t capabilities;
static void *pool;
static _Atomic unsigned runs[TASKS + CHILDREN];
static unsigned started[TASKS]; /* numbers in the order of starting; one worker writes */
static _Atomic unsigned started_n;
static char words[256]; /* what is wrong */

static void blame(const char *what) {
    if (words[0] == '\0') {
        snprintf(words, sizeof(words), "%s", what);
    }
}

static void submit(weir_subject_fn fn, unsigned number) {
    int error = subject->submit(pool, fn, &runs[number]);
    while (error == -EAGAIN && (capabilities & WEIR_SUBJECT_REJECTS)) {
        sched_yield();
        error = subject->submit(pool, fn, &runs[number]);
    }
    if (error != 0) {
        blame("submit");
    }
}

static void count(void *arg) {
    _Atomic unsigned *own = arg;
    atomic_fetch_add_explicit(own, 1, memory_order_relaxed);
}

static void run_task(void *arg) {
    unsigned number = (unsigned)((_Atomic unsigned *)arg - runs);
    count(arg);
    started[atomic_fetch_add_explicit(&started_n, 1, memory_order_relaxed) % TASKS] = number;
    if (number < CHILDREN && (capabilities & WEIR_SUBJECT_FROM_TASK) &&
        !(capabilities & WEIR_SUBJECT_REJECTS)) { /* there the one worker would refuse for ever */
        submit(count, TASKS + number);
    }
}

static void use(void *arg) {
    (void)arg;
    for (unsigned i = 0; i < TASKS; i++) {
        submit(run_task, i);
    }
    if (subject->quiesce(pool) != 0) {
        blame("quiesce");
    }
}

static void judge(void) {
    unsigned children =
        (capabilities & WEIR_SUBJECT_FROM_TASK) && !(capabilities & WEIR_SUBJECT_REJECTS) ? CHILDREN
                                                                                          : 0;
    for (unsigned i = 0; i < TASKS + children; i++) {
        unsigned n = atomic_load_explicit(&runs[i], memory_order_relaxed);
        if (n != 1) {
            blame(n == 0 ? "lost task" : "double run");
        }
    }
    for (unsigned i = 1; i < TASKS && (capabilities & WEIR_SUBJECT_FIFO); i++) {
        if (started[i] < started[i - 1]) {
            blame("FIFO is promised, and a later task started first");
        }
    }
}

/* 0, or what is wrong on standard error and 1. */
static int try_variant(const char *path, const char *variant) {
    char error[PLUGIN_ERROR_SIZE];
    alarm(LIMIT_S);
    if (plugin_load(path, &subject, error) != 0) {
        fprintf(stderr, "%s\n", error);
        return 1;
    }
    capabilities = plugin_capabilities(subject, variant);
    struct weir_subject_config config = {
        .size = sizeof(config), .workers = 1, .config = subject->variants == NULL ? NULL : variant};
    if (subject->open(&config, &pool) != 0) {
        blame("open");
    } else {
        if (subject->inside != NULL) {
            subject->inside(pool, use, NULL);
        } else {
            use(NULL);
        }
        if (subject->queued != NULL && subject->queued(pool) != 0) {
            blame("tasks are queued when all is quiet");
        }
        if (subject->close(pool) != 0) {
            blame("close");
        }
        judge();
    }
    if (words[0] != '\0') {
        fprintf(stderr, "%s:%s: %s\n", subject->name, variant, words);
    }
    return words[0] != '\0';
}

/* The n-th variant's name in *variant, from a process that loads the plug-in to ask. */
static bool variant_name(const char *path, unsigned n, char *variant, size_t size) {
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    pid_t child = fork();
    if (child == 0) {
        char error[PLUGIN_ERROR_SIZE];
        const struct weir_subject *asked = NULL;
        const char *name = "";
        if (plugin_load(path, &asked, error) == 0) {
            const struct weir_subject_variant *v = asked->variants;
            for (unsigned i = 0; v != NULL && v->name != NULL && i < n; i++) {
                v++;
            }
            name = v != NULL ? (v->name != NULL ? v->name : "") : (n == 0 ? "default" : "");
        }
        _exit(write(fds[1], name, strlen(name)) == (ssize_t)strlen(name) ? 0 : 1);
    }
    close(fds[1]);
    ssize_t length = read(fds[0], variant, size - 1);
    close(fds[0]);
    waitpid(child, NULL, 0);
    variant[length > 0 ? length : 0] = '\0';
    return length > 0;
}

static void every_built_pool_keeps_what_its_table_promises(void **state) {
    (void)state;
    glob_t found;
    assert_int_equal(glob(PLUGINS, 0, NULL, &found), 0);
    unsigned bad = 0;
    for (size_t i = 0; i < found.gl_pathc; i++) {
        char variant[64];
        for (unsigned n = 0; variant_name(found.gl_pathv[i], n, variant, sizeof(variant)); n++) {
            int status;
            fflush(NULL);
            pid_t child = fork();
            if (child == 0) {
                _exit(try_variant(found.gl_pathv[i], variant));
            }
            waitpid(child, &status, 0);
            if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
                print_message("%s:%s: %s\n", found.gl_pathv[i], variant,
                              WIFEXITED(status) ? "broken" : "crashed or hung");
                bad++;
            }
        }
    }
    globfree(&found);
    assert_int_equal(bad, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_built_pool_keeps_what_its_table_promises),
    };
    return cmocka_run_group_tests_name("field", tests, NULL, NULL);
}
