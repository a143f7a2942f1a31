#include "bench/measure/machine.h"

#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

static void fewer_cpus_in_the_mask_are_fewer_usable_cpus(void **state) {
    (void)state;
    cpu_set_t before;
    cpu_set_t one;
    assert_int_equal(sched_getaffinity(0, sizeof(before), &before), 0);
    unsigned cpus = machine_cpus();
    assert_in_range(cpus, 1, CPU_COUNT(&before));
    CPU_ZERO(&one);
    for (size_t cpu = 0; cpu < CPU_SETSIZE && CPU_COUNT(&one) == 0; cpu++) {
        if (CPU_ISSET(cpu, &before)) {
            CPU_SET(cpu, &one);
        }
    }
    assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
    assert_int_equal(machine_cpus(), 1);
    assert_int_equal(sched_setaffinity(0, sizeof(before), &before), 0);
    assert_int_equal(machine_cpus(), cpus);
}

static void the_description_names_what_figures_depend_on(void **state) {
    (void)state;
    json_t *machine = machine_describe();
    assert_non_null(machine);
    const char *const texts[] = {"kernel", "arch", "compiler", "alloc", "affinity"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        const char *text = json_string_value(json_object_get(machine, texts[i]));
        assert_non_null(text);
        assert_int_not_equal(text[0], '\0');
    }
    assert_true(json_integer_value(json_object_get(machine, "mem_bytes")) > 1 << 20);
    assert_true(json_integer_value(json_object_get(machine, "usable_cpus")) >= 1);
    assert_string_equal(json_string_value(json_object_get(machine, "alloc")), "glibc");
    json_decref(machine);
}

static void steal_is_the_share_between_two_states(void **state) {
    (void)state;
    json_t *start = json_pack("{s:i, s:i}", "cpu_ticks", 1000, "steal_ticks", 10);
    json_t *end = json_pack("{s:i, s:i}", "cpu_ticks", 2000, "steal_ticks", 60);
    assert_true(machine_steal_share(start, end) == 0.05);
    assert_true(machine_steal_share(end, end) < 0.0);
    json_decref(start);
    json_decref(end);
    json_t *now = machine_state();
    assert_true(json_integer_value(json_object_get(now, "cpu_ticks")) > 0);
    assert_int_equal(json_array_size(json_object_get(now, "load")), 3);
    json_decref(now);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fewer_cpus_in_the_mask_are_fewer_usable_cpus),
        cmocka_unit_test(the_description_names_what_figures_depend_on),
        cmocka_unit_test(steal_is_the_share_between_two_states),
    };
    return cmocka_run_group_tests_name("machine", tests, NULL, NULL);
}
