#include <weir/token.h>

#include <fcntl.h>
#include <poll.h>

#include "platform/lock.h"
#include "test/fault.h"
#include "test/unit.h"

#define LATER UINT64_C(3600000000000) /* an hour: never in a test */

static bool is_readable(int fd, int timeout_ms) {
    struct pollfd poller = {.fd = fd, .events = POLLIN};

    assert_in_range(poll(&poller, 1, timeout_ms), 0, 1);
    return poller.revents & POLLIN;
}

/* ---- State ---- */

static void token_is_cancelled_once(void **state) {
    struct weir_token token;

    (void)state;
    weir_token_init(&token, NULL, WEIR_FOREVER);
    assert_false(weir_token_is_cancelled(&token));
    assert_true(weir_token_deadline(&token) == WEIR_FOREVER);
    assert_int_equal(weir_token_cancel(&token), 0);
    assert_true(weir_token_is_cancelled(&token));
    assert_int_equal(weir_token_cancel(&token), -EALREADY);
    assert_int_equal(weir_token_fini(&token), 0);
}

static void null_is_refused(void **state) {
    struct weir_token token;
    struct weir_token_callback callback = {.fn = NULL};

    (void)state;
    weir_token_init(&token, NULL, WEIR_FOREVER);
    assert_false(weir_token_is_cancelled(NULL));
    assert_true(weir_token_deadline(NULL) == WEIR_FOREVER);
    assert_int_equal(weir_token_cancel(NULL), -EINVAL);
    assert_int_equal(weir_token_fd(NULL), -EINVAL);
    assert_int_equal(weir_token_fini(NULL), -EINVAL);
    assert_int_equal(weir_token_on_cancel(NULL, &callback), -EINVAL);
    assert_int_equal(weir_token_on_cancel(&token, NULL), -EINVAL);
    assert_int_equal(weir_token_on_cancel(&token, &callback), -EINVAL); /* without fn */
    assert_int_equal(weir_token_off_cancel(NULL, &callback), -EINVAL);
    assert_int_equal(weir_token_off_cancel(&token, NULL), -EINVAL);
    assert_int_equal(weir_future_set_token(NULL, &token), -EINVAL);
    assert_int_equal(weir_token_fini(&token), 0);
}

static void deadline_cancels_without_anybody_s_help(void **state) {
    struct weir_token past, soon, later;

    (void)state;
    weir_token_init(&past, NULL, WEIR_NOW);
    weir_token_init(&later, NULL, weir_after(LATER));
    uint64_t deadline_ns = weir_after(2000000);
    weir_token_init(&soon, NULL, deadline_ns);
    assert_true(weir_token_is_cancelled(&past));
    assert_false(weir_token_is_cancelled(&later));
    assert_true(weir_token_deadline(&soon) == deadline_ns);
    UNTIL(weir_token_is_cancelled(&soon));
    assert_true(weir_now_ns() >= deadline_ns);
    assert_int_equal(weir_token_cancel(&soon), 0); /* for its callbacks, had it any */
    assert_int_equal(weir_token_fini(&past), 0);
    assert_int_equal(weir_token_fini(&soon), 0);
    assert_int_equal(weir_token_fini(&later), 0);
}

static void earlier_deadline_of_the_ancestors_is_in_force(void **state) {
    struct weir_token root, child, grandchild;
    uint64_t now_ns = weir_now_ns();

    (void)state;
    weir_token_init(&root, NULL, now_ns + LATER);
    weir_token_init(&child, &root, WEIR_FOREVER);
    weir_token_init(&grandchild, &child, now_ns + 2 * LATER);
    assert_true(weir_token_deadline(&grandchild) == now_ns + LATER);
    assert_int_equal(weir_token_fini(&grandchild), 0);
    weir_token_init(&grandchild, &child, now_ns);
    assert_true(weir_token_is_cancelled(&grandchild));
    assert_false(weir_token_is_cancelled(&child));
    assert_int_equal(weir_token_fini(&grandchild), 0);
    assert_int_equal(weir_token_fini(&child), 0);
    assert_int_equal(weir_token_fini(&root), 0);
}

static void cancelling_reaches_descendants_and_nobody_else(void **state) {
    struct weir_token root, children[3], grandchildren[3], late;

    (void)state;
    weir_token_init(&root, NULL, WEIR_FOREVER);
    for (int i = 0; i < 3; i++)
        weir_token_init(&children[i], &root, WEIR_FOREVER);
    for (int i = 0; i < 3; i++)
        weir_token_init(&grandchildren[i], &children[1], WEIR_FOREVER);
    assert_int_equal(weir_token_cancel(&children[1]), 0);
    assert_false(weir_token_is_cancelled(&root));
    assert_false(weir_token_is_cancelled(&children[0]));
    assert_false(weir_token_is_cancelled(&children[2]));
    for (int i = 0; i < 3; i++)
        assert_true(weir_token_is_cancelled(&grandchildren[i]));
    assert_int_equal(weir_token_cancel(&grandchildren[2]), -EALREADY);
    assert_int_equal(weir_token_cancel(&root), 0); /* past what is cancelled already */
    assert_true(weir_token_is_cancelled(&children[0]));
    assert_true(weir_token_is_cancelled(&children[2]));
    weir_token_init(&late, &root, WEIR_FOREVER);
    assert_true(weir_token_is_cancelled(&late)); /* born so */
    assert_int_equal(weir_token_cancel(&late), -EALREADY);

    assert_int_equal(weir_token_fini(&root), -EBUSY);
    assert_int_equal(weir_token_fini(&late), 0);
    assert_int_equal(weir_token_fini(&children[1]), -EBUSY);
    for (int i = 0; i < 3; i++)
        assert_int_equal(weir_token_fini(&grandchildren[(i + 1) % 3]), 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(weir_token_fini(&children[i]), 0);
    assert_int_equal(weir_token_fini(&root), 0);
}

/* ---- The descriptor ---- */

static void descriptor_is_made_once_and_is_readable_once_cancelled(void **state) {
    struct weir_token root, child;

    (void)state;
    weir_token_init(&root, NULL, WEIR_FOREVER);
    weir_token_init(&child, &root, weir_after(LATER));
    int fd = weir_token_fd(&child), root_fd = weir_token_fd(&root);
    assert_true(fd >= 0 && root_fd >= 0 && fd != root_fd);
    assert_int_equal(weir_token_fd(&child), fd);
    assert_false(is_readable(fd, 0));
    assert_int_equal(weir_token_cancel(&root), 0);
    assert_true(is_readable(fd, 0));
    assert_true(is_readable(fd, 0)); /* and stays so */
    assert_true(is_readable(root_fd, 0));
    assert_int_equal(weir_token_fini(&child), 0);
    assert_int_equal(fcntl(fd, F_GETFD), -1); /* closed */
    assert_int_equal(weir_token_fini(&root), 0);
}

static void descriptor_of_a_token_that_is_cancelled_already_is_readable(void **state) {
    struct weir_token cancelled, past;

    (void)state;
    weir_token_init(&cancelled, NULL, weir_after(LATER));
    weir_token_init(&past, NULL, WEIR_NOW);
    assert_int_equal(weir_token_cancel(&cancelled), 0);
    assert_true(is_readable(weir_token_fd(&cancelled), 0));
    assert_true(is_readable(weir_token_fd(&past), 0));
    assert_int_equal(weir_token_fini(&cancelled), 0);
    assert_int_equal(weir_token_fini(&past), 0);
}

static void descriptor_is_readable_past_the_deadline(void **state) {
    struct weir_token parent, child;
    uint64_t deadline_ns = weir_after(3000000);

    (void)state;
    weir_token_init(&parent, NULL, deadline_ns);
    weir_token_init(&child, &parent, WEIR_FOREVER);
    assert_true(is_readable(weir_token_fd(&child), -1));
    assert_true(weir_now_ns() >= deadline_ns);
    assert_true(weir_token_is_cancelled(&child));
    assert_int_equal(weir_token_fini(&child), 0);
    assert_int_equal(weir_token_fini(&parent), 0);
}

static void descriptor_that_cannot_be_made_is_told_and_may_be_asked_for_again(void **state) {
    struct weir_token token;

    (void)state;
    weir_token_init(&token, NULL, WEIR_FOREVER);
    fault_fail_nth(1);
    assert_int_equal(weir_token_fd(&token), -EMFILE);
    fault_reset();
    assert_int_equal(weir_token_cancel(&token), 0);
    assert_true(is_readable(weir_token_fd(&token), 0));
    assert_int_equal(weir_token_fini(&token), 0);
}

/* ---- Callbacks ---- */

struct log {
    unsigned n;
    char text[16];
};

struct note {
    struct weir_token_callback callback;
    struct log *log;
    char letter;
};

static void write_letter(void *arg) {
    struct note *note = arg;

    note->log->text[note->log->n++] = note->letter;
}

static void note_on(struct weir_token *token, struct note *note, struct log *log, char letter) {
    *note = (struct note){.log = log, .letter = letter};
    note->callback.fn = write_letter;
    note->callback.arg = note;
    assert_int_equal(weir_token_on_cancel(token, &note->callback), 0);
}

static void callbacks_run_once_in_order_parents_first(void **state) {
    struct weir_token root, child;
    struct note notes[5];
    struct log log = {.n = 0};

    (void)state;
    weir_token_init(&root, NULL, WEIR_FOREVER);
    weir_token_init(&child, &root, WEIR_FOREVER);
    note_on(&child, &notes[0], &log, 'c');
    note_on(&child, &notes[1], &log, 'd');
    note_on(&root, &notes[2], &log, 'a');
    note_on(&root, &notes[3], &log, 'b');
    assert_int_equal(weir_token_cancel(&root), 0);
    assert_string_equal(log.text, "abcd");
    assert_int_equal(weir_token_cancel(&child), -EALREADY);
    note_on(&child, &notes[4], &log, 'e'); /* at once */
    assert_string_equal(log.text, "abcde");
    assert_int_equal(weir_token_fini(&child), 0);
    assert_int_equal(weir_token_fini(&root), 0);
}

static void callback_that_is_taken_back_or_whose_token_ends_is_not_called(void **state) {
    struct weir_token root, child;
    struct note notes[4];
    struct log log = {.n = 0};

    (void)state;
    weir_token_init(&root, NULL, WEIR_FOREVER);
    weir_token_init(&child, &root, WEIR_FOREVER);
    for (int i = 0; i < 3; i++)
        note_on(&root, &notes[i], &log, (char)('a' + i));
    note_on(&child, &notes[3], &log, 'x');
    assert_int_equal(weir_token_fini(&child), 0);
    assert_int_equal(weir_token_off_cancel(&root, &notes[1].callback), 0);
    assert_int_equal(weir_token_off_cancel(&root, &notes[2].callback), 0);
    note_on(&root, &notes[2], &log, 'z');
    assert_int_equal(weir_token_cancel(&root), 0);
    assert_string_equal(log.text, "az");
    assert_int_equal(weir_token_off_cancel(&root, &notes[0].callback), -EALREADY);
    assert_int_equal(weir_token_fini(&root), 0);
}

static void callback_of_a_token_past_its_deadline_runs_at_once_or_with_cancel(void **state) {
    struct weir_token past, soon;
    struct note notes[2];
    struct log log = {.n = 0};

    (void)state;
    weir_token_init(&past, NULL, WEIR_NOW);
    note_on(&past, &notes[0], &log, 'a');
    assert_string_equal(log.text, "a");
    weir_token_init(&soon, NULL, weir_after(1000000));
    note_on(&soon, &notes[1], &log, 'b');
    UNTIL(weir_token_is_cancelled(&soon));
    assert_int_equal(weir_token_cancel(&soon), 0);
    assert_string_equal(log.text, "ab");
    assert_int_equal(weir_token_fini(&past), 0);
    assert_int_equal(weir_token_fini(&soon), 0);
}

struct inside {
    struct weir_token *root, *child, *other;
    struct weir_token_callback *self, *later;
    int off_self, off_later, fini_child, fini_root, fini_other, cancel;
};

static void use_the_token(void *arg) {
    struct inside *inside = arg;

    inside->off_self = weir_token_off_cancel(inside->child, inside->self);
    inside->off_later = weir_token_off_cancel(inside->child, inside->later);
    inside->fini_child = weir_token_fini(inside->child);
    inside->fini_root = weir_token_fini(inside->root);
    inside->cancel = weir_token_cancel(inside->root);
    inside->fini_other = weir_token_fini(inside->other);
}

static void callback_may_use_its_token_but_not_finish_it(void **state) {
    struct weir_token root, child, other;
    struct weir_token_callback callbacks[2];
    struct note note;
    struct log log = {.n = 0};
    struct inside inside = {.root = &root, .child = &child, .other = &other};

    (void)state;
    weir_token_init(&root, NULL, WEIR_FOREVER);
    weir_token_init(&other, &root, WEIR_FOREVER);
    weir_token_init(&child, &root, WEIR_FOREVER);
    for (int i = 0; i < 2; i++)
        callbacks[i] = (struct weir_token_callback){.fn = use_the_token, .arg = &inside};
    inside.self = &callbacks[0];
    inside.later = &callbacks[1];
    weir_token_on_cancel(&child, inside.self);
    weir_token_on_cancel(&child, inside.later);
    note_on(&other, &note, &log, 'o'); /* pending when its token ends */
    assert_int_equal(weir_token_cancel(&root), 0);
    assert_int_equal(inside.off_self, -EALREADY);
    assert_int_equal(inside.off_later, 0);
    assert_int_equal(inside.fini_child, -EDEADLK);
    assert_int_equal(inside.fini_root, -EBUSY);
    assert_int_equal(inside.cancel, -EALREADY);
    assert_int_equal(inside.fini_other, 0);
    assert_string_equal(log.text, "");
    assert_int_equal(weir_token_fini(&child), 0);
    weir_token_on_cancel(&root, inside.self); /* at once, in a token without children */
    assert_int_equal(inside.fini_root, -EDEADLK);
    assert_int_equal(weir_token_fini(&root), 0);
}

static void *cancel_main(void *token) {
    weir_token_cancel(token);
    return NULL;
}

struct taker {
    struct weir_token *token;
    struct weir_token_callback *callback; /* NULL: finish the token */
    struct event begun;
    _Atomic bool returned;
    int rc;
};

static void *take_back_main(void *arg) {
    struct taker *taker = arg;

    event_raise(&taker->begun);
    taker->rc = taker->callback ? weir_token_off_cancel(taker->token, taker->callback)
                                : weir_token_fini(taker->token);
    atomic_store_explicit(&taker->returned, true, memory_order_release);
    return NULL;
}

static void hold_until_released(void *plug) {
    plug_run(plug);
}

static uint32_t waiters_of(struct weir_token *token) {
    uint32_t waiters;

    weir__lock(&token->weir__lock);
    waiters = token->weir__waiters;
    weir__unlock(&token->weir__lock);
    return waiters;
}

/* fini_ends_it: by weir_token_fini instead of weir_token_off_cancel. */
static void take_back_while_it_runs(bool of_a_child, bool fini_ends_it) {
    struct weir_token root, child, *token = &root;
    struct plug plug = PLUG;
    struct weir_token_callback callback = {.fn = hold_until_released, .arg = &plug};

    weir_token_init(&root, NULL, WEIR_FOREVER);
    if (of_a_child) {
        weir_token_init(&child, &root, WEIR_FOREVER);
        token = &child;
    }
    weir_token_on_cancel(token, &callback);
    struct taker taker = {.token = token, .callback = fini_ends_it ? NULL : &callback};
    pthread_t canceller = unit_thread(cancel_main, &root);
    event_await(&plug.begun, 1);
    pthread_t thread = unit_thread(take_back_main, &taker);
    UNTIL(waiters_of(&root) == 1);
    assert_false(atomic_load_explicit(&taker.returned, memory_order_acquire));
    event_raise(&plug.release);
    unit_join(thread);
    assert_int_equal(taker.rc, fini_ends_it ? 0 : -EALREADY);
    unit_join(canceller);
    if (!fini_ends_it)
        assert_int_equal(weir_token_fini(token), 0);
    if (of_a_child)
        assert_int_equal(weir_token_fini(&root), 0);
}

static void taking_back_and_finishing_wait_for_a_callback_that_runs(void **state) {
    (void)state;
    for (int i = 0; i < 4; i++)
        take_back_while_it_runs(i & 1, i & 2);
}

/* ---- Everything at once ---- */

#define ROUNDS   400
#define CHILDREN 6

struct race {
    struct weir_token *root;
    struct event go;
    _Atomic unsigned wrong; /* called after it was taken back, or not called at all, or twice */
};

static void count_call(void *arg) {
    add_one((_Atomic unsigned *)arg);
}

static bool is_wrong(int off, unsigned calls) {
    return off == 0 ? calls != 0 : calls != 1;
}

/* Children on the heap come and go while the root is cancelled: a touch after fini is a bug that
 * a sanitizer sees. */
static void one_family(struct race *race, int turn) {
    struct weir_token *child = malloc(sizeof *child);
    struct weir_token *grandchild = malloc(sizeof *grandchild);
    struct weir_token_callback *callback = malloc(sizeof *callback);
    _Atomic unsigned calls = 0;

    *callback = (struct weir_token_callback){.fn = count_call, .arg = (void *)&calls};
    weir_token_init(child, race->root, WEIR_FOREVER);
    weir_token_init(grandchild, child, WEIR_FOREVER);
    weir_token_on_cancel(grandchild, callback);
    if (turn % 3 == 0)
        weir_token_cancel(child);
    if (turn % 2)
        UNTIL(weir_token_is_cancelled(grandchild));
    if (turn % 4 < 2) {
        int off = weir_token_off_cancel(grandchild, callback);
        if (is_wrong(off, number_of(&calls)))
            add_one(&race->wrong);
    }
    weir_token_fini(grandchild);
    weir_token_fini(child);
    if (number_of(&calls) > 1)
        add_one(&race->wrong);
    free(callback);
    free(grandchild);
    free(child);
}

static void *children_main(void *arg) {
    struct race *race = arg;

    event_await(&race->go, 1);
    for (int i = 0; i < CHILDREN; i++)
        one_family(race, i);
    return NULL;
}

static void *root_main(void *arg) {
    struct race *race = arg;

    event_await(&race->go, 1);
    weir_token_cancel(race->root);
    return NULL;
}

static void tokens_may_end_while_their_parent_is_cancelled(void **state) {
    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        struct race race = {.root = malloc(sizeof *race.root)};
        weir_token_init(race.root, NULL, WEIR_FOREVER);
        pthread_t threads[4] = {unit_thread(children_main, &race),
                                unit_thread(children_main, &race), unit_thread(root_main, &race),
                                unit_thread(root_main, &race)};
        event_raise(&race.go);
        for (int i = 0; i < 4; i++)
            unit_join(threads[i]);
        assert_int_equal(weir_token_fini(race.root), 0);
        free(race.root);
        assert_int_equal(number_of(&race.wrong), 0);
    }
}

struct ending {
    struct weir_token *root, child;
    struct event begun, cancelled;
};

static void raise_begun(void *arg) {
    event_raise(arg);
}

static void *cancel_child_main(void *arg) {
    struct ending *ending = arg;

    weir_token_cancel(&ending->child);
    event_raise(&ending->cancelled);
    return NULL;
}

/* The canceller of a child comes back to the root's lock after the callback. */
static void root_may_be_freed_once_its_fini_returns(void **state) {
    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        struct ending *ending = calloc(1, sizeof *ending);
        struct weir_token_callback callback = {.fn = raise_begun, .arg = &ending->begun};
        ending->root = malloc(sizeof *ending->root);
        weir_token_init(ending->root, NULL, WEIR_FOREVER);
        weir_token_init(&ending->child, ending->root, WEIR_FOREVER);
        weir_token_on_cancel(&ending->child, &callback);
        pthread_t thread = unit_thread(cancel_child_main, ending);
        event_await(&ending->begun, 1);
        assert_int_equal(weir_token_fini(&ending->child), 0);
        assert_int_equal(weir_token_fini(ending->root), 0);
        memset(ending->root, 0xA5, sizeof *ending->root);
        free(ending->root);
        unit_join(thread);
        free(ending);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        ONCE(token_is_cancelled_once),
        ONCE(null_is_refused),
        ONCE(deadline_cancels_without_anybody_s_help),
        ONCE(earlier_deadline_of_the_ancestors_is_in_force),
        ONCE(cancelling_reaches_descendants_and_nobody_else),
        ONCE(descriptor_is_made_once_and_is_readable_once_cancelled),
        ONCE(descriptor_of_a_token_that_is_cancelled_already_is_readable),
        ONCE(descriptor_is_readable_past_the_deadline),
        ONCE(descriptor_that_cannot_be_made_is_told_and_may_be_asked_for_again),
        ONCE(callbacks_run_once_in_order_parents_first),
        ONCE(callback_that_is_taken_back_or_whose_token_ends_is_not_called),
        ONCE(callback_of_a_token_past_its_deadline_runs_at_once_or_with_cancel),
        ONCE(callback_may_use_its_token_but_not_finish_it),
        ONCE(taking_back_and_finishing_wait_for_a_callback_that_runs),
        ONCE(tokens_may_end_while_their_parent_is_cancelled),
        ONCE(root_may_be_freed_once_its_fini_returns),
    };
    return cmocka_run_group_tests_name("token", tests, NULL, NULL);
}
