#include "heap.h"

#include "test/fault.h"
#include "test/unit.h"

#define MANY 2000

static const struct weir_allocator libc_allocator;

static uint64_t draw(uint64_t *random) {
    *random ^= *random << 13;
    *random ^= *random >> 7;
    *random ^= *random << 17;
    return *random;
}

static struct weir__heap_node *take_first(struct weir__heap *heap) {
    struct weir__heap_node *first = weir__heap_first(heap);

    weir__heap_remove(heap, first);
    return first;
}

static void nodes_come_out_by_key_and_equal_ones_in_order(void **state) {
    struct weir__heap heap = {.allocator = &libc_allocator};
    struct weir__heap_node *nodes = calloc(MANY, sizeof *nodes);
    uint64_t random = 1, key = 0, order = 0;

    (void)state;
    assert_non_null(nodes);
    assert_null(weir__heap_first(&heap));
    assert_int_equal(weir__heap_reserve(&heap, MANY), 0);
    for (int i = 0; i < MANY; i++)
        weir__heap_put(&heap, &nodes[i], draw(&random) % 50);
    for (int i = 0; i < MANY; i++) {
        struct weir__heap_node *node = take_first(&heap);
        assert_true(node->weir__key >= key);
        assert_true(node->weir__key > key || i == 0 || node->weir__order > order);
        key = node->weir__key;
        order = node->weir__order;
        assert_int_equal(node->weir__index, 0);
    }
    assert_null(weir__heap_first(&heap));
    weir__heap_free(&heap);
    free(nodes);
}

static void any_node_can_be_removed(void **state) {
    struct weir__heap heap = {.allocator = &libc_allocator};
    struct weir__heap_node *nodes = calloc(MANY, sizeof *nodes);
    uint64_t random = 7, key = 0;
    size_t left = MANY;

    (void)state;
    assert_non_null(nodes);
    for (size_t i = 0; i < MANY; i++) {
        assert_int_equal(weir__heap_reserve(&heap, i + 1), 0); /* grows with nodes in it */
        weir__heap_put(&heap, &nodes[i], draw(&random));
    }
    for (int i = 0; i < MANY; i++) {
        struct weir__heap_node *node = &nodes[draw(&random) % MANY];
        left -= node->weir__index != 0;
        weir__heap_remove(&heap, node); /* twice is nothing */
        assert_int_equal(node->weir__index, 0);
        assert_int_equal(heap.count, left);
    }
    for (; left > 0; left--) {
        struct weir__heap_node *node = take_first(&heap);
        assert_true(node->weir__key >= key);
        key = node->weir__key;
    }
    assert_null(weir__heap_first(&heap));
    weir__heap_free(&heap);
    free(nodes);
}

static void heap_without_memory_keeps_what_it_has(void **state) {
    struct weir__heap heap = {.allocator = &libc_allocator};
    struct weir__heap_node nodes[16] = {{0}};
    long before = fault_blocks();

    (void)state;
    fault_fail_nth(1);
    assert_int_equal(weir__heap_reserve(&heap, 1), -ENOMEM);
    fault_reset();
    assert_int_equal(weir__heap_reserve(&heap, 16), 0);
    for (int i = 0; i < 16; i++)
        weir__heap_put(&heap, &nodes[i], (uint64_t)(100 - i));
    fault_fail_nth(1);
    assert_int_equal(weir__heap_reserve(&heap, 17), -ENOMEM);
    fault_reset();
    assert_int_equal(weir__heap_reserve(&heap, SIZE_MAX), -ENOMEM);
    assert_ptr_equal(weir__heap_first(&heap), &nodes[15]);
    weir__heap_free(&heap);
    assert_int_equal(fault_blocks(), before);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        ONCE(nodes_come_out_by_key_and_equal_ones_in_order),
        ONCE(any_node_can_be_removed),
        ONCE(heap_without_memory_keeps_what_it_has),
    };
    return cmocka_run_group_tests_name("heap", tests, NULL, NULL);
}
