/*
 * oneTBB. The default enqueues functions into an arena, as its documentation does from a thread
 * that does not wait; "group" enqueues tasks of a task_group and waits with that. No place is kept
 * for outside threads; workers are the process's. Fork-join is a task_group at each node.
 */
#include "bench/subject.h"

#include <cerrno>
#include <cstring>
#include <memory>
#include <new>
#include <tbb/global_control.h>
#include <tbb/info.h>
#include <tbb/task_arena.h>
#include <tbb/task_group.h>
#include <tbb/version.h>

#include "bench/subjects/shared/fork_join.hh"
#include "bench/subjects/shared/pending.h"

namespace {

struct pool {
    /* The limit is the process's, and the least of all pools holds: it must not be the arena's. */
    pool(int workers, bool by_group)
        : control(tbb::global_control::max_allowed_parallelism, 1024), arena(workers, 0),
          grouped(by_group) {
        arena.initialize();
    }

    tbb::global_control control;
    tbb::task_arena arena;
    tbb::task_group group;
    bool grouped;
    struct pending *pending = nullptr;
};

struct join {
    template <class F> static uint64_t children(unsigned n, const F &compute) {
        if (n == 0) {
            return 0;
        }
        uint64_t answers[KERNEL_CHILDREN_MAX];
        tbb::task_group group;
        for (unsigned i = 0; i + 1 < n; i++) {
            group.run([&answers, &compute, i] { answers[i] = compute(i); });
        }
        uint64_t sum = compute(n - 1);
        group.wait();
        for (unsigned i = 0; i + 1 < n; i++) {
            sum += answers[i];
        }
        return sum;
    }
};

int open_pool(const weir_subject_config *config, void **out) try {
    if ((config->options != nullptr && config->options[0] != nullptr) || config->capacity != 0) {
        return -EINVAL;
    }
    bool grouped = config->config != nullptr && std::strcmp(config->config, "group") == 0;
    int workers = config->workers != 0 ? int(config->workers) : tbb::info::default_concurrency();
    auto made = std::make_unique<pool>(workers, grouped);
    made->pending = pending_new();
    if (made->pending == nullptr) {
        return -ENOMEM;
    }
    *out = made.release();
    return 0;
} catch (const std::bad_alloc &) {
    return -ENOMEM;
}

int submit(void *memory, weir_subject_fn fn, void *arg) {
    auto *own = static_cast<pool *>(memory);
    if (own->grouped) {
        own->arena.enqueue(own->group.defer([fn, arg] { fn(arg); }));
        return 0;
    }
    pending_begin(own->pending);
    own->arena.enqueue([own, fn, arg] {
        fn(arg);
        pending_end(own->pending);
    });
    return 0;
}

int quiesce(void *memory) {
    auto *own = static_cast<pool *>(memory);
    if (own->grouped) {
        own->arena.execute([own] { own->group.wait(); });
    } else {
        pending_wait(own->pending);
    }
    return 0;
}

int close_pool(void *memory) {
    auto *own = static_cast<pool *>(memory);
    quiesce(own);
    pending_retire(own->pending);
    delete own;
    return 0;
}

int kernel(void *memory, const char *name, unsigned n, uint64_t *result) {
    return static_cast<pool *>(memory)->arena.execute(
        [=] { return fork_join::run<join>(name, n, result); });
}

const weir_subject_variant variants[] = {
    {"default", "task_arena::enqueue; end: counted", 0},
    {"group",
     "task_arena::enqueue of a task_group's tasks; the group's wait takes part in the work", 0},
    {nullptr, nullptr, 0},
};

struct weir_subject describe() {
    struct weir_subject subject {};
    subject.abi = WEIR_SUBJECT_ABI;
    subject.size = sizeof(struct weir_subject);
    subject.name = "tbb";
    subject.version = TBB_VERSION_STRING;
    subject.notes =
        "task_arena of the workers alone; unbounded; spins before it sleeps; no futures";
    subject.capabilities = WEIR_SUBJECT_FROM_TASK | WEIR_SUBJECT_SHARED_THREADS;
    subject.variants = variants;
    subject.open = open_pool;
    subject.submit = submit;
    subject.quiesce = quiesce;
    subject.close = close_pool;
    subject.kernel = kernel;
    return subject;
}

} // namespace

const struct weir_subject *weir_subject(void) {
    static const struct weir_subject subject = describe();
    return &subject;
}
