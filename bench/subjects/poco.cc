/*
 * POCO's ThreadPool has no queue: start takes an idle thread or throws. That is the default here.
 * "queue" is what its documentation builds for work that arrives faster: a NotificationQueue that
 * runnables on all threads of the pool take their work from.
 */
#include "bench/subject.h"

#include <Poco/AutoPtr.h>
#include <Poco/Environment.h>
#include <Poco/Exception.h>
#include <Poco/NotificationQueue.h>
#include <Poco/Runnable.h>
#include <Poco/ThreadPool.h>
#include <Poco/Version.h>
#include <cerrno>
#include <cstring>
#include <new>
#include <string>

#include "bench/subjects/shared/pending.h"

namespace {

/* An ended queue is told by a notification without a function. */
struct work : Poco::Notification {
    work(weir_subject_fn fn_, void *arg_) : fn(fn_), arg(arg_) {
    }
    weir_subject_fn fn;
    void *arg;
};

struct pool : Poco::Runnable {
    pool(int workers, bool by_queue) : threads(workers, workers), queued(by_queue) {
    }
    void run() override {
        for (;;) {
            Poco::AutoPtr<Poco::Notification> next(queue.waitDequeueNotification());
            auto *own = static_cast<work *>(next.get());
            if (own == nullptr || own->fn == nullptr) {
                return;
            }
            own->fn(own->arg);
            pending_end(pending);
        }
    }

    Poco::ThreadPool threads;
    bool queued;
    struct pending *pending = nullptr;
    Poco::NotificationQueue queue;
};

struct task : Poco::Runnable {
    task(pool *own_, weir_subject_fn fn_, void *arg_) : own(own_), fn(fn_), arg(arg_) {
    }
    void run() override {
        struct pending *pending = own->pending;
        fn(arg);
        delete this; /* the pool keeps no hold of it while it runs */
        pending_end(pending);
    }
    pool *own;
    weir_subject_fn fn;
    void *arg;
};

int submit(void *memory, weir_subject_fn fn, void *arg) {
    auto *own = static_cast<pool *>(memory);
    pending_begin(own->pending);
    if (own->queued) {
        own->queue.enqueueNotification(new work(fn, arg));
        return 0;
    }
    auto *started = new task(own, fn, arg);
    try {
        own->threads.start(*started);
    } catch (const Poco::NoThreadAvailableException &) {
        delete started;
        pending_end(own->pending);
        return -EAGAIN;
    }
    return 0;
}

int quiesce(void *memory) {
    pending_wait(static_cast<pool *>(memory)->pending);
    return 0;
}

int close_pool(void *memory) {
    auto *own = static_cast<pool *>(memory);
    for (int i = 0; own->queued && i < own->threads.capacity(); i++) {
        own->queue.enqueueNotification(new work(nullptr, nullptr));
    }
    own->threads.joinAll();
    own->threads.stopAll();
    pending_free(own->pending);
    delete own;
    return 0;
}

int open_pool(const weir_subject_config *config, void **out) {
    if ((config->options != nullptr && config->options[0] != nullptr) || config->capacity != 0) {
        return -EINVAL;
    }
    bool queued = config->config != nullptr && std::strcmp(config->config, "queue") == 0;
    unsigned workers = config->workers != 0 ? config->workers : Poco::Environment::processorCount();
    auto *own = new pool(int(workers), queued);
    own->pending = pending_new();
    for (unsigned i = 0; queued && i < workers; i++) {
        own->threads.start(*own);
    }
    *out = own;
    return own->pending != nullptr ? 0 : -ENOMEM;
}

const weir_subject_variant variants[] = {
    {"default", "ThreadPool::start: refuses when no thread is idle, the producer tries again", 0},
    {"queue", "NotificationQueue, unbounded; its workers fill the pool", WEIR_SUBJECT_REJECTS},
    {nullptr, nullptr, 0},
};

struct weir_subject describe() {
    static const std::string version = std::to_string(POCO_VERSION >> 24) + "." +
                                       std::to_string((POCO_VERSION >> 16) & 255) + "." +
                                       std::to_string((POCO_VERSION >> 8) & 255);
    struct weir_subject subject {};
    subject.abi = WEIR_SUBJECT_ABI;
    subject.size = sizeof(struct weir_subject);
    subject.name = "poco";
    subject.version = version.c_str();
    subject.notes = "no spinning; a heap object each; no futures; end: counted";
    subject.capabilities = WEIR_SUBJECT_FIFO | WEIR_SUBJECT_FROM_TASK | WEIR_SUBJECT_REJECTS;
    subject.variants = variants;
    subject.open = open_pool;
    subject.submit = submit;
    subject.quiesce = quiesce;
    subject.close = close_pool;
    return subject;
}

} // namespace

const struct weir_subject *weir_subject(void) {
    static const struct weir_subject subject = describe();
    return &subject;
}
