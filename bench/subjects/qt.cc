/*
 * Qt's QThreadPool: a QRunnable for each task, QtConcurrent::run for values. A task that makes a
 * thread start overtakes those that are queued, so the order is not promised. waitForDone ends the
 * threads as well, so the end is counted instead, and waitForDone closes. QFuture waits for ever or
 * not at all; one that waits for a call which has not started runs it itself.
 */
#include "bench/subject.h"

#include <QtConcurrent/QtConcurrentRun>
#include <QtCore/QFuture>
#include <QtCore/QRunnable>
#include <QtCore/QThread>
#include <QtCore/QThreadPool>
#include <cerrno>
#include <new>

#include "bench/subjects/shared/pending.h"

namespace {

struct pool {
    QThreadPool threads;
    struct pending *pending = nullptr;
};

using ticket = QFuture<void *>;

class task : public QRunnable {
  public:
    task(pool *own, weir_subject_fn fn, void *arg) : own_(own), fn_(fn), arg_(arg) {
    }
    void run() override {
        fn_(arg_);
        pending_end(own_->pending);
    }

  private:
    pool *own_;
    weir_subject_fn fn_;
    void *arg_;
};

int open_pool(const weir_subject_config *config, void **out) {
    if ((config->options != nullptr && config->options[0] != nullptr) || config->capacity != 0) {
        return -EINVAL;
    }
    auto *own = new (std::nothrow) pool;
    if (own == nullptr || (own->pending = pending_new()) == nullptr) {
        delete own;
        return -ENOMEM;
    }
    own->threads.setMaxThreadCount(config->workers != 0 ? int(config->workers)
                                                        : QThread::idealThreadCount());
    *out = own;
    return 0;
}

int submit(void *memory, weir_subject_fn fn, void *arg) {
    auto *own = static_cast<pool *>(memory);
    auto *runnable = new (std::nothrow) task(own, fn, arg);
    if (runnable == nullptr) {
        return -ENOMEM;
    }
    pending_begin(own->pending);
    own->threads.start(runnable); /* deletes it in the end */
    return 0;
}

int quiesce(void *memory) {
    pending_wait(static_cast<pool *>(memory)->pending);
    return 0;
}

int close_pool(void *memory) {
    auto *own = static_cast<pool *>(memory);
    own->threads.waitForDone();
    pending_free(own->pending);
    delete own;
    return 0;
}

int async(void *memory, weir_subject_call call, void *arg, void *memory_of_ticket) {
    auto *own = static_cast<pool *>(memory);
    pending_begin(own->pending);
    new (memory_of_ticket) ticket(QtConcurrent::run(&own->threads, [own, call, arg] {
        void *value = call(arg);
        pending_end(own->pending);
        return value;
    }));
    return 0;
}

int await(void *, void *memory, uint64_t deadline_ns, void **value) {
    auto *future = static_cast<ticket *>(memory);
    if (deadline_ns != WEIR_SUBJECT_FOREVER && !future->isFinished()) {
        return -ETIMEDOUT;
    }
    void *got = future->result();
    if (value != nullptr) {
        *value = got;
    }
    return 0;
}

int poll(void *, void *memory) {
    return static_cast<ticket *>(memory)->isFinished();
}

void release(void *, void *memory) {
    static_cast<ticket *>(memory)->~ticket();
}

struct weir_subject describe() {
    struct weir_subject subject {};
    subject.abi = WEIR_SUBJECT_ABI;
    subject.size = sizeof(struct weir_subject);
    subject.name = "qt";
    subject.version = qVersion();
    subject.notes =
        "QThreadPool, a QRunnable each; values by QtConcurrent::run; unbounded; threads "
        "on demand, idle ones end after 30 s; end: counted";
    subject.capabilities = WEIR_SUBJECT_FROM_TASK | WEIR_SUBJECT_NESTED | WEIR_SUBJECT_UNTIMED;
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
