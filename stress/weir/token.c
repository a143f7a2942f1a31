/*
 * weir_token: cancelling reaches every descendant before it returns; a callback comes once or,
 * taken back in time, never; after fini nobody touches the token.
 *
 * A root, its children and theirs; threads cancel the root, cancel children, take callbacks back
 * and finish tokens at the same time. A token's memory is made unreadable after its fini.
 */
#include <errno.h>
#include <poll.h>
#include <sys/mman.h>

#include "stress/weir/work.h"

#define LEAVES 12
#define PAGE   4096

struct leaf {
    struct weir_token token;
    struct weir_token_callback callback;
};

struct shared {
    struct episode *e;
    struct weir_token root, middle;
    struct leaf *leaves[LEAVES];
    struct listener {
        struct weir_token *token;
        _Atomic(uint32_t) *calls;
    } listeners[LEAVES];
    _Atomic(uint32_t) calls[LEAVES];
    _Atomic(bool) root_cancelled;
};

struct member {
    struct shared *s;
    unsigned first, count; /* leaves that this thread ends; 0: it cancels the root */
    uint64_t random;
};

static struct weir_token *root; /* of the episode under way */

/* Uses the tree and its own token, as a callback may: fini waits for it. */
static void called(void *arg) {
    struct listener *listener = arg;
    _Atomic(uint32_t) *calls = listener->calls;
    (void)weir_token_fd(root);
    perturb_point("harness:token callback");
    perturb_rest(40);
    (void)weir_token_is_cancelled(listener->token);
    atomic_fetch_add_explicit(calls, 1, memory_order_relaxed);
}

static uint32_t calls_of(struct shared *s, unsigned i) {
    return atomic_load_explicit(&s->calls[i], memory_order_relaxed);
}

static void end_leaf(struct member *m, unsigned i) {
    struct shared *s = m->s;
    struct leaf *leaf = s->leaves[i];
    bool known = atomic_load_explicit(&s->root_cancelled, memory_order_acquire);
    if (known && !weir_token_is_cancelled(&leaf->token)) {
        episode_fail(s->e, "wrong value", "a leaf is not cancelled after its root was");
    }
    if (stress_random(&m->random) % 3 == 0) {
        int error = weir_token_cancel(&leaf->token);
        if (error != 0 && error != -EALREADY) {
            work_wrong(s->e, "weir_token_cancel", error);
        }
    }
    if (stress_random(&m->random) % 2 == 0) {
        int error = weir_token_off_cancel(&leaf->token, &leaf->callback);
        if (error != 0 && error != -EALREADY) {
            work_wrong(s->e, "weir_token_off_cancel", error);
        }
        if (calls_of(s, i) != (error == 0 ? 0 : 1)) {
            episode_fail(s->e, error == 0 ? "double callback" : "lost callback",
                         "off_cancel gave %d, and the callback was called %u times", error,
                         calls_of(s, i));
        }
    }
    work_expect(s->e, "weir_token_fini", weir_token_fini(&leaf->token), 0);
    episode_released(s->e, leaf, PAGE);
    (void)mprotect(leaf, PAGE, PROT_NONE);
}

static void *work(void *arg) {
    struct member *m = arg;
    struct shared *s = m->s;
    episode_ready(s->e);
    if (m->count == 0) {
        perturb_rest(60);
        work_expect(s->e, "weir_token_cancel", weir_token_cancel(&s->root), 0);
        atomic_store_explicit(&s->root_cancelled, true, memory_order_release);
        if (!weir_token_is_cancelled(&s->middle)) {
            episode_fail(s->e, "wrong value", "a child is not cancelled after its parent was");
        }
    }
    for (unsigned i = m->first; i < m->first + m->count; i++) {
        if (stress_random(&m->random) % 3 == 0) {
            perturb_rest(50);
        }
        end_leaf(m, i);
    }
    return NULL;
}

static void make_leaves(struct shared *s) {
    for (unsigned i = 0; i < LEAVES; i++) {
        void *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (page == MAP_FAILED) {
            episode_fail(s->e, "harness error", "mmap");
        }
        s->leaves[i] = page;
        weir_token_init(&s->leaves[i]->token, i % 2 == 0 ? &s->middle : &s->root, WEIR_FOREVER);
        s->listeners[i] = (struct listener){&s->leaves[i]->token, &s->calls[i]};
        s->leaves[i]->callback =
            (struct weir_token_callback){.fn = called, .arg = &s->listeners[i]};
        work_expect(s->e, "weir_token_on_cancel",
                    weir_token_on_cancel(&s->leaves[i]->token, &s->leaves[i]->callback), 0);
    }
}

static void run(struct episode *e) {
    unsigned enders = 3;
    struct member crew[4];
    struct shared *s = episode_memory(e, sizeof *s);
    s->e = e;
    episode_plan(e, 1);
    root = &s->root;
    weir_token_init(&s->root, NULL, WEIR_FOREVER);
    weir_token_init(&s->middle, &s->root, weir_after(UINT64_C(3600000000000)));
    make_leaves(s);
    int fd = weir_token_fd(&s->root);
    for (unsigned i = 0; i < enders; i++) {
        crew[i] = (struct member){s, i * LEAVES / enders, LEAVES / enders, episode_seed(e, i)};
    }
    crew[enders] = (struct member){s, 0, 0, episode_seed(e, enders)};
    episode_phase(e, "tokens cancelled and finished at once");
    episode_crew(e, enders + 1, work, crew, sizeof crew[0]);
    episode_join(e);
    struct pollfd look = {.fd = fd, .events = POLLIN};
    if (fd >= 0 && poll(&look, 1, 0) != 1) {
        episode_fail(e, "wrong value", "the descriptor of a cancelled token is not readable");
    }
    unsigned calls = 0;
    for (unsigned i = 0; i < LEAVES; i++) {
        calls += calls_of(s, i);
        if (calls_of(s, i) > 1) {
            episode_fail(e, "double callback", "a token's callback was called twice");
        }
    }
    work_expect(e, "weir_token_fini", weir_token_fini(&s->middle), 0);
    work_expect(e, "weir_token_fini", weir_token_fini(&s->root), 0);
    free(s);
    episode_reach(e, 0, calls);
    episode_reach(e, 1, LEAVES - calls);
}

const struct scenario scenario_weir_token = {
    .name = "weir_token",
    .invariant = "cancelling reaches every descendant; a callback comes once or, taken back, never",
    .reach = {"callbacks", "callbacks taken back or ended in time"},
    .run = run,
};
