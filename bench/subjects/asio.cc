/*
 * Boost.Asio's thread_pool: post for tasks, post with use_future for values. It has no call that
 * waits for its tasks and leaves the pool usable.
 */
#include "bench/subject.h"

#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_future.hpp>
#include <boost/version.hpp>
#include <cerrno>
#include <chrono>
#include <future>
#include <new>
#include <thread>

#include "bench/subjects/shared/pending.h"

namespace {

struct pool {
    explicit pool(unsigned workers) : threads(workers) {
    }

    boost::asio::thread_pool threads;
    struct pending *pending = nullptr;
};

using ticket = std::future<void *>;

int open_pool(const weir_subject_config *config, void **out) try {
    if ((config->options != nullptr && config->options[0] != nullptr) || config->capacity != 0) {
        return -EINVAL;
    }
    auto *own =
        new pool(config->workers != 0 ? config->workers : std::thread::hardware_concurrency());
    own->pending = pending_new();
    if (own->pending == nullptr) {
        delete own;
        return -ENOMEM;
    }
    *out = own;
    return 0;
} catch (const std::bad_alloc &) {
    return -ENOMEM;
} catch (const std::exception &) {
    return -EAGAIN; /* no thread */
}

int submit(void *memory, weir_subject_fn fn, void *arg) {
    auto *own = static_cast<pool *>(memory);
    pending_begin(own->pending);
    boost::asio::post(own->threads, [own, fn, arg] {
        fn(arg);
        pending_end(own->pending);
    });
    return 0;
}

int quiesce(void *memory) {
    pending_wait(static_cast<pool *>(memory)->pending);
    return 0;
}

int close_pool(void *memory) {
    auto *own = static_cast<pool *>(memory);
    own->threads.join();
    pending_free(own->pending);
    delete own;
    return 0;
}

int async(void *memory, weir_subject_call call, void *arg, void *memory_of_ticket) {
    auto *own = static_cast<pool *>(memory);
    pending_begin(own->pending);
    new (memory_of_ticket)
        ticket(boost::asio::post(own->threads, boost::asio::use_future([own, call, arg] {
                                     void *value = call(arg);
                                     pending_end(own->pending);
                                     return value;
                                 })));
    return 0;
}

/* The value is taken once, so it is put back for whoever asks again. */
int await(void *, void *memory, uint64_t deadline_ns, void **value) {
    auto *future = static_cast<ticket *>(memory);
    if (deadline_ns != WEIR_SUBJECT_FOREVER) {
        auto deadline =
            std::chrono::steady_clock::time_point(std::chrono::nanoseconds(deadline_ns));
        if (future->wait_until(deadline) != std::future_status::ready) {
            return -ETIMEDOUT;
        }
    }
    void *got = future->get();
    if (value != nullptr) {
        *value = got;
    }
    std::promise<void *> again;
    again.set_value(got);
    *future = again.get_future();
    return 0;
}

int poll(void *, void *memory) {
    auto *future = static_cast<ticket *>(memory);
    return future->wait_for(std::chrono::seconds(0)) == std::future_status::ready;
}

void release(void *, void *memory) {
    static_cast<ticket *>(memory)->~ticket();
}

struct weir_subject describe() {
    struct weir_subject subject {};
    subject.abi = WEIR_SUBJECT_ABI;
    subject.size = sizeof(struct weir_subject);
    subject.name = "asio";
    subject.version = BOOST_LIB_VERSION;
    subject.notes =
        "Boost.Asio thread_pool, post; values by use_future; unbounded; no spinning; end: counted";
    subject.capabilities = WEIR_SUBJECT_FIFO | WEIR_SUBJECT_FROM_TASK;
    subject.open = open_pool;
    subject.submit = submit;
    subject.quiesce = quiesce;
    subject.close = close_pool;
    subject.ticket_bytes = sizeof(ticket);
    subject.async = async;
    subject.await = await;
    subject.release = release;
    subject.poll = poll;
    return subject;
}

} // namespace

const struct weir_subject *weir_subject(void) {
    static const struct weir_subject subject = describe();
    return &subject;
}
