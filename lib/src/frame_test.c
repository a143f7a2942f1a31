#include "frame.h"

#include "future.h"
#include "test/unit.h"

static void frames_nest_and_are_left_in_turn(void **state) {
    struct weir__host hosts[3] = {{0}};
    struct weir_task tasks[3] = {{0}};
    struct weir__frame outer, inner;

    (void)state;
    assert_false(weir__frame_inside_task(&tasks[0]));
    assert_false(weir__frame_inside_host(&hosts[0]));
    weir__frame_enter(&outer, &hosts[0], &tasks[0]);
    weir__frame_enter(&inner, &hosts[1], &tasks[1]);
    assert_true(weir__frame_inside_task(&tasks[0]));
    assert_true(weir__frame_inside_task(&tasks[1]));
    assert_false(weir__frame_inside_task(&tasks[2]));
    assert_true(weir__frame_inside_host(&hosts[0]));
    assert_true(weir__frame_inside_host(&hosts[1]));
    assert_false(weir__frame_inside_host(&hosts[2]));
    weir__frame_leave(&inner);
    assert_false(weir__frame_inside_task(&tasks[1]));
    assert_false(weir__frame_inside_host(&hosts[1]));
    assert_true(weir__frame_inside_task(&tasks[0]));
    weir__frame_leave(&outer);
    assert_false(weir__frame_inside_task(&tasks[0]));
}

static struct weir_task seen_from_elsewhere;

static void *look(void *arg) {
    *(bool *)arg = weir__frame_inside_task(&seen_from_elsewhere);
    return NULL;
}

static void frames_belong_to_their_thread(void **state) {
    struct weir__host host = {0};
    struct weir__frame frame;
    bool inside = true;

    (void)state;
    weir__frame_enter(&frame, &host, &seen_from_elsewhere);
    unit_join(unit_thread(look, &inside));
    assert_false(inside);
    weir__frame_leave(&frame);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        ONCE(frames_nest_and_are_left_in_turn),
        ONCE(frames_belong_to_their_thread),
    };
    return cmocka_run_group_tests_name("frame", tests, NULL, NULL);
}
