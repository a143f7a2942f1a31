#include "frame.h"

#include "future.h"
#include "test/unit.h"

static void frames_nest_and_are_left_in_turn(void **state) {
    struct weir__host hosts[3] = {{0}};
    struct weir_future futures[3] = {{.weir__value = NULL}};
    struct weir__frame outer, inner;

    (void)state;
    assert_false(weir__frame_inside_task(&futures[0].weir__task));
    assert_false(weir__frame_inside_host(&hosts[0]));
    assert_false(weir__frame_inside_any());
    weir__frame_enter(&outer, &hosts[0], &futures[0].weir__task);
    weir__frame_enter(&inner, &hosts[1], &futures[1].weir__task);
    assert_true(weir__frame_inside_task(&futures[0].weir__task));
    assert_true(weir__frame_inside_task(&futures[1].weir__task));
    assert_false(weir__frame_inside_task(&futures[2].weir__task));
    assert_true(weir__frame_inside_host(&hosts[0]));
    assert_true(weir__frame_inside_any());
    assert_true(weir__frame_inside_host(&hosts[1]));
    assert_false(weir__frame_inside_host(&hosts[2]));
    weir__frame_leave(&inner);
    assert_false(weir__frame_inside_task(&futures[1].weir__task));
    assert_false(weir__frame_inside_host(&hosts[1]));
    assert_true(weir__frame_inside_task(&futures[0].weir__task));
    weir__frame_leave(&outer);
    assert_false(weir__frame_inside_task(&futures[0].weir__task));
    assert_false(weir__frame_inside_any());
}

static struct weir_future seen_from_elsewhere;

static void *look(void *arg) {
    *(bool *)arg = weir__frame_inside_task(&seen_from_elsewhere.weir__task);
    return NULL;
}

static void frames_belong_to_their_thread(void **state) {
    struct weir__host host = {0};
    struct weir__frame frame;
    bool inside = true;

    (void)state;
    weir__frame_enter(&frame, &host, &seen_from_elsewhere.weir__task);
    unit_join(unit_thread(look, &inside));
    assert_false(inside);
    weir__frame_leave(&frame);
}

static void task_is_cancelled_with_its_host(void **state) {
    struct weir__host hosts[2] = {{0}};
    struct weir__frame outer, inner;

    (void)state;
    assert_false(weir_cancelled());
    weir__frame_enter(&outer, &hosts[0], NULL);
    assert_false(weir_cancelled());
    atomic_store_explicit(&hosts[0].cancelled, 1, memory_order_release);
    assert_true(weir_cancelled());
    weir__frame_enter(&inner, &hosts[1], NULL); /* of another pool, which goes on */
    assert_false(weir_cancelled());
    weir__frame_leave(&inner);
    weir__frame_enter(&inner, NULL, NULL); /* of no pool */
    assert_false(weir_cancelled());
    weir__frame_leave(&inner);
    assert_true(weir_cancelled());
    weir__frame_leave(&outer);
    assert_false(weir_cancelled());
}

static void task_is_cancelled_with_its_token_until_its_call_ends(void **state) {
    struct weir__host host = {0};
    struct weir_token token;
    struct weir_future futures[2] = {{.weir__token = &token}};
    struct weir__frame outer, inner;

    (void)state;
    weir_token_init(&token, NULL, WEIR_FOREVER);
    weir__frame_end(&futures[0].weir__task); /* in no frame: nothing */
    weir__frame_enter(&outer, &host, &futures[0].weir__task);
    assert_false(weir_cancelled());
    assert_int_equal(weir_token_cancel(&token), 0);
    assert_true(weir_cancelled());
    weir__frame_end(&futures[1].weir__task); /* another's end */
    assert_true(weir_cancelled());
    weir__frame_enter(&inner, &host, &futures[1].weir__task);
    assert_false(weir_cancelled());
    weir__frame_leave(&inner);
    weir__frame_end(&futures[0].weir__task);
    assert_false(weir_cancelled());
    weir__frame_leave(&outer);
    assert_int_equal(weir_token_fini(&token), 0);
}

static void scopes_are_those_of_the_frames_around(void **state) {
    struct weir__host host = {0};
    struct weir__frame outer, inner;
    int scopes[2] = {0};

    (void)state;
    weir__frame_set_scope(&scopes[0]); /* in no frame: nothing */
    assert_false(weir__frame_inside_scope(&scopes[0]));
    weir__frame_enter(&outer, &host, NULL);
    weir__frame_set_scope(&scopes[0]);
    weir__frame_enter(&inner, &host, NULL);
    assert_true(weir__frame_inside_scope(&scopes[0]));
    assert_false(weir__frame_inside_scope(&scopes[1]));
    weir__frame_set_scope(&scopes[1]);
    assert_true(weir__frame_inside_scope(&scopes[1]));
    weir__frame_leave(&inner);
    assert_false(weir__frame_inside_scope(&scopes[1]));
    weir__frame_leave(&outer);
    assert_false(weir__frame_inside_scope(&scopes[0]));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        ONCE(frames_nest_and_are_left_in_turn),
        ONCE(frames_belong_to_their_thread),
        ONCE(task_is_cancelled_with_its_host),
        ONCE(task_is_cancelled_with_its_token_until_its_call_ends),
        ONCE(scopes_are_those_of_the_frames_around),
    };
    return cmocka_run_group_tests_name("frame", tests, NULL, NULL);
}
