#include "bench/kernels.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static void answers_are_the_known_ones(void **state) {
    (void)state;
    assert_int_equal(kernel_run_baseline(KERNEL_FIB, 20), 6765);
    assert_int_equal(kernel_run_baseline(KERNEL_NQUEENS, 8), 92);
    assert_int_equal(kernel_run_baseline(KERNEL_NQUEENS, 10), 724);
    assert_int_equal(kernel_run_baseline(KERNEL_SKYNET, 4), 9999 * 10000 / 2);
}

/* With k children of which k - 1 are spawned, a tree of n nodes has leaves - 1 spawns. */
static void spawns_are_the_leaves_but_one(void **state) {
    (void)state;
    assert_int_equal(kernel_run_serial(KERNEL_FIB, 20).spawns, 10946 - 1);
    assert_int_equal(kernel_run_serial(KERNEL_SKYNET, 3).spawns, 1000 - 1);
}

/* Inner nodes of a subtree have eight children, so of n nodes 1/8 of all but the roots are inner:
 * leaves = roots + 7 * inner. */
static void uts_is_a_tree_of_the_size_it_claims(void **state) {
    (void)state;
    enum { ROOTS = 4096 };
    struct kernel_serial serial = kernel_run_serial(KERNEL_UTS, ROOTS);
    uint64_t trunk = (ROOTS - 1) / 7; /* forks of eight over 8^4 subtrees */
    uint64_t inner = (serial.answer - trunk - ROOTS) / 8;
    assert_int_equal(serial.spawns, ROOTS - 1 + 7 * inner);
    double nodes_a_subtree = (double)(serial.answer - trunk) / ROOTS;
    assert_true(nodes_a_subtree > 20.0 && nodes_a_subtree < 30.0);
}

static void every_trunk_reaches_all_its_subtrees(void **state) {
    (void)state;
    for (unsigned n = 1; n < 100; n++) {
        uint64_t subtrees = 0;
        struct kernel_node stack[4096];
        unsigned depth = 0;
        stack[depth++] = kernel_node_root(n);
        while (depth > 0) {
            struct kernel_node node = stack[--depth];
            for (unsigned i = 0; node.trunk > 0 && i < node.children; i++) {
                struct kernel_node child = kernel_node_child(&node, i);
                subtrees += child.trunk == 0;
                if (child.trunk > 0) {
                    stack[depth++] = child;
                }
            }
        }
        assert_int_equal(subtrees, n);
    }
}

static void names_are_found_and_others_are_not(void **state) {
    (void)state;
    assert_int_equal(kernel_find("uts"), KERNEL_UTS);
    assert_int_equal(kernel_find("fibonacci"), KERNEL_UNKNOWN);
    assert_int_equal(kernel_largest(KERNEL_UNKNOWN), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_are_the_known_ones),
        cmocka_unit_test(spawns_are_the_leaves_but_one),
        cmocka_unit_test(uts_is_a_tree_of_the_size_it_claims),
        cmocka_unit_test(every_trunk_reaches_all_its_subtrees),
        cmocka_unit_test(names_are_found_and_others_are_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
