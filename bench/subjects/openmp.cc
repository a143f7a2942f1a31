/*
 * OpenMP tasks, with the run-time library of the compiler: built once by gcc (libgomp) and once by
 * clang (libomp). A task belongs to a parallel region, so a thread must be inside of one to submit;
 * from anywhere else a task is run at once by whoever submits it, as the standard says. `inside`
 * makes the calling thread the first of a region of workers + 1, and `omp taskwait` waits for its
 * tasks, helping. Both libraries also run a task at once when many are queued.
 */
#include "bench/subject.h"

#include <atomic>
#include <cerrno>
#include <cstring>
#include <new>
#include <omp.h>

#include "bench/subjects/shared/fork_join.hh"

#ifdef __clang__
#define LIBRARY "libomp"
#define IDLE    "spins 200 ms before it sleeps"
#else
#define LIBRARY "gomp"
#define IDLE    "spins before it sleeps"
#endif

namespace {

struct pool {
    int workers;
    std::atomic<bool> occupied{false};
};

struct join {
    template <class F> static uint64_t children(unsigned n, const F &compute) {
        if (n == 0) {
            return 0;
        }
        uint64_t answers[KERNEL_CHILDREN_MAX];
        for (unsigned i = 0; i + 1 < n; i++) {
#pragma omp task default(none) firstprivate(i) shared(answers, compute)
            answers[i] = compute(i);
        }
        uint64_t sum = compute(n - 1);
#pragma omp taskwait
        for (unsigned i = 0; i + 1 < n; i++) {
            sum += answers[i];
        }
        return sum;
    }
};

int open_pool(const weir_subject_config *config, void **out) {
    if ((config->options != nullptr && config->options[0] != nullptr) || config->capacity != 0) {
        return -EINVAL;
    }
#ifdef __clang__
    if (config->config != nullptr && std::strcmp(config->config, "yields") == 0) {
        kmp_set_blocktime(0);
    }
#endif
    omp_set_dynamic(0);
    auto *own = new (std::nothrow) pool;
    if (own == nullptr) {
        return -ENOMEM;
    }
    own->workers = config->workers != 0 ? int(config->workers) : omp_get_num_procs();
    *out = own;
    return 0;
}

int submit(void *, weir_subject_fn fn, void *arg) {
#pragma omp task default(none) firstprivate(fn, arg)
    fn(arg);
    return 0;
}

int quiesce(void *) {
#pragma omp taskwait
    return 0;
}

int close_pool(void *memory) {
    delete static_cast<pool *>(memory);
    return 0;
}

int inside(void *memory, void (*body)(void *arg), void *arg) {
    auto *own = static_cast<pool *>(memory);
    if (own->occupied.exchange(true, std::memory_order_acquire)) {
        return -EBUSY;
    }
#pragma omp parallel num_threads(own->workers + 1) default(none) shared(body, arg)
#pragma omp master
    body(arg);
    own->occupied.store(false, std::memory_order_release);
    return 0;
}

/* The calling thread is one of the workers. */
int kernel(void *memory, const char *name, unsigned n, uint64_t *result) {
    int workers = static_cast<pool *>(memory)->workers;
    int error = 0;
#pragma omp parallel num_threads(workers) default(none) shared(name, n, result, error)
#pragma omp master
    error = fork_join::run<join>(name, n, result);
    return error;
}

const weir_subject_variant variants[] = {
    {"default", "a task a call, from the first thread of a parallel region; " IDLE, 0},
#ifdef __clang__
    {"yields", "the same with KMP_BLOCKTIME=0: sleeps at once", 0},
#endif
    {nullptr, nullptr, 0},
};

struct weir_subject describe() {
    struct weir_subject subject {};
    subject.abi = WEIR_SUBJECT_ABI;
    subject.size = sizeof(struct weir_subject);
    subject.name = LIBRARY;
    subject.version = __VERSION__;
    subject.notes =
        "omp task and taskwait in a region of workers + 1; runs tasks at once when many "
        "are queued or when submitted from elsewhere; no futures";
    subject.capabilities = WEIR_SUBJECT_FROM_TASK;
    subject.variants = variants;
    subject.open = open_pool;
    subject.submit = submit;
    subject.quiesce = quiesce;
    subject.close = close_pool;
    subject.kernel = kernel;
    subject.inside = inside;
    return subject;
}

} // namespace

const struct weir_subject *weir_subject(void) {
    static const struct weir_subject subject = describe();
    return &subject;
}
