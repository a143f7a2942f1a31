#include "bench/plugin.h"

#include <dlfcn.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "bench/subjects/broken/tiny.h"

static struct weir_subject table;
static const struct weir_subject *out;
static char error[PLUGIN_ERROR_SIZE];

static int set_up(void **state) {
    (void)state;
    table = *tiny_subject("tiny", NULL);
    out = NULL;
    memset(error, 0, sizeof(error));
    return 0;
}

/* Checks the table, which must be refused with these words on one line. */
static void assert_refused(const char *words) {
    assert_int_equal(plugin_check(&table, "my.so", &out, error), -EINVAL);
    assert_null(out);
    assert_memory_equal(error, "my.so: ", 7);
    assert_non_null(strstr(error, words));
    assert_null(strchr(error, '\n'));
}

static void a_complete_table_is_accepted(void **state) {
    (void)state;
    assert_int_equal(plugin_check(&table, "my.so", &out, error), 0);
    assert_memory_equal(out, &table, sizeof(table));
}

static void a_missing_file_is_named(void **state) {
    (void)state;
    assert_int_equal(plugin_load("no/such/pool.so", &out, error), -ENOENT);
    assert_string_equal(error, "no/such/pool.so: No such file or directory");
}

static void a_file_that_is_no_shared_object_is_refused(void **state) {
    (void)state;
    assert_int_equal(plugin_load("Makefile", &out, error), -ENOEXEC);
    assert_non_null(strstr(error, "Makefile: cannot be loaded"));
    assert_null(strchr(error, '\n'));
}

static void a_shared_object_without_the_function_is_refused(void **state) {
    (void)state;
    Dl_info libc;
    void *address = dlsym(RTLD_DEFAULT, "malloc");
    assert_int_not_equal(dladdr(address, &libc), 0);
    assert_int_equal(plugin_load(libc.dli_fname, &out, error), -ENOSYS);
    assert_non_null(strstr(error, "no function weir_subject"));
}

static void a_plugin_is_loaded(void **state) {
    (void)state;
    const char *path = "build/debug/subjects/broken/correct.so";
    assert_int_equal(plugin_load(path, &out, error), 0);
    assert_string_equal(out->name, "correct");
}

static void another_abi_is_refused(void **state) {
    (void)state;
    table.abi = 2;
    assert_refused("version 2 of the subject ABI, this program speaks 1");
}

static void a_null_table_is_refused(void **state) {
    (void)state;
    assert_int_equal(plugin_check(NULL, "my.so", &out, error), -EINVAL);
}

static void each_required_operation_is_required(void **state) {
    (void)state;
    table.open = NULL;
    assert_refused("required operation open is NULL");
    set_up(state);
    table.submit = NULL;
    assert_refused("required operation submit is NULL");
    set_up(state);
    table.quiesce = NULL;
    assert_refused("required operation quiesce is NULL");
    set_up(state);
    table.close = NULL;
    assert_refused("required operation close is NULL");
    set_up(state);
    table.name = "";
    assert_refused("no name");
    set_up(state);
    table.notes = NULL;
    assert_refused("notes");
}

static void futures_come_whole_or_not_at_all(void **state) {
    (void)state;
    table.release = NULL;
    assert_refused("come together");
    set_up(state);
    table.ticket_bytes = 0;
    assert_refused("ticket_bytes");
    set_up(state);
    table.async = NULL;
    table.await = NULL;
    table.release = NULL;
    assert_refused("need async");
}

static void operations_newer_than_the_table_are_absent(void **state) {
    (void)state;
    table.size = offsetof(struct weir_subject, async);
    assert_int_equal(plugin_check(&table, "my.so", &out, error), 0);
    assert_non_null(out->submit);
    assert_null(out->async);
    assert_null(out->wait_all);
    out = NULL;
    table.size = offsetof(struct weir_subject, submit);
    assert_refused("size is too small");
}

static void variants_are_found_and_take_capabilities_away(void **state) {
    (void)state;
    static const struct weir_subject_variant variants[] = {
        {"first", "", 0}, {"second", "", WEIR_SUBJECT_FIFO}, {NULL, NULL, 0}};
    assert_true(plugin_has_variant(&table, "default"));
    assert_false(plugin_has_variant(&table, "first"));
    table.variants = variants;
    table.capabilities = WEIR_SUBJECT_FIFO | WEIR_SUBJECT_BOUNDED;
    assert_false(plugin_has_variant(&table, "default"));
    assert_true(plugin_has_variant(&table, "second"));
    assert_int_equal(plugin_capabilities(&table, "first"), table.capabilities);
    assert_int_equal(plugin_capabilities(&table, "second"), WEIR_SUBJECT_BOUNDED);
}

static void a_pool_that_rejects_is_told_from_one_that_waits(void **state) {
    (void)state;
    uint32_t fifo = WEIR_SUBJECT_FIFO;
    uint32_t both = WEIR_SUBJECT_FULL_REJECT | WEIR_SUBJECT_FULL_BLOCK;
    assert_string_equal(plugin_when_full(&table, fifo, 0), "grows");
    assert_string_equal(plugin_when_full(&table, both, 0), "grows");
    assert_string_equal(plugin_when_full(&table, both, 8), "waits");
    assert_string_equal(plugin_when_full(&table, WEIR_SUBJECT_FULL_REJECT, 8), "rejects");
    assert_string_equal(plugin_when_full(&table, WEIR_SUBJECT_FULL_CALLER, 8), "caller runs");
    assert_string_equal(plugin_when_full(&table, WEIR_SUBJECT_REJECTS, 0), "rejects");
    assert_string_equal(plugin_when_full(&table, WEIR_SUBJECT_ONE_THREAD_A_TASK, 0), "waits");
    assert_string_equal(plugin_order(fifo), "fifo");
    assert_string_equal(plugin_order(both), "any");
}

#define TEST(name) cmocka_unit_test_setup(name, set_up)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_pool_that_rejects_is_told_from_one_that_waits),
        TEST(a_complete_table_is_accepted),
        TEST(a_missing_file_is_named),
        TEST(a_file_that_is_no_shared_object_is_refused),
        TEST(a_shared_object_without_the_function_is_refused),
        TEST(a_plugin_is_loaded),
        TEST(another_abi_is_refused),
        TEST(a_null_table_is_refused),
        TEST(each_required_operation_is_required),
        TEST(futures_come_whole_or_not_at_all),
        TEST(operations_newer_than_the_table_are_absent),
        TEST(variants_are_found_and_take_capabilities_away),
    };
    return cmocka_run_group_tests_name("plugin", tests, NULL, NULL);
}
