#include "bench/subjects/broken/tiny.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

struct ticket {
    bool ended;
    void *value;
    weir_subject_fn done;
    void *done_arg;
};

struct task {
    struct task *next;
    weir_subject_fn fn;
    weir_subject_call call; /* with a ticket, instead of fn */
    struct ticket *ticket;
    void *arg;
};

/* One lock for all of it; ended is broadcast at the end of each task. */
struct tiny {
    pthread_mutex_t lock;
    pthread_cond_t queued;
    pthread_cond_t ended;
    struct task *head;
    struct task **tail;
    uint64_t taken;
    uint64_t unfinished;
    size_t length;
    size_t capacity;
    bool closing;
    unsigned workers;
    pthread_t threads[];
};

static enum tiny_fate (*fate_of)(uint64_t n);

static void *call_or_run(struct task *task, void *arg) {
    if (task->ticket != NULL) {
        return task->call(arg);
    }
    task->fn(arg);
    return NULL;
}

static void *carry_out(struct task *task, enum tiny_fate fate) {
    static char nobodys;
    switch (fate) {
    case TINY_LOSE:
        return NULL;
    case TINY_REPEAT:
        call_or_run(task, task->arg);
        break;
    case TINY_SWAP:
        return call_or_run(task, &nobodys);
    case TINY_RUN:
    case TINY_FORGET:
        break;
    }
    return call_or_run(task, task->arg);
}

/* With the lock held; gives it up for the call that on_done asked for. */
static void end_task(struct tiny *tiny, struct ticket *ticket, void *value) {
    if (ticket != NULL) {
        weir_subject_fn done = ticket->done;
        void *done_arg = ticket->done_arg;
        ticket->value = value;
        ticket->ended = true;
        if (done != NULL) {
            pthread_mutex_unlock(&tiny->lock);
            done(done_arg);
            pthread_mutex_lock(&tiny->lock);
        }
    }
    tiny->unfinished--;
    pthread_cond_broadcast(&tiny->ended);
}

static void *work(void *arg) {
    struct tiny *tiny = arg;
    pthread_mutex_lock(&tiny->lock);
    for (;;) {
        while (tiny->head == NULL && !tiny->closing) {
            pthread_cond_wait(&tiny->queued, &tiny->lock);
        }
        struct task *task = tiny->head;
        if (task == NULL) {
            break;
        }
        tiny->head = task->next;
        tiny->tail = tiny->head == NULL ? &tiny->head : tiny->tail;
        tiny->length--;
        enum tiny_fate fate = fate_of == NULL ? TINY_RUN : fate_of(++tiny->taken);
        if (fate != TINY_FORGET) {
            pthread_mutex_unlock(&tiny->lock);
            void *value = carry_out(task, fate);
            pthread_mutex_lock(&tiny->lock);
            end_task(tiny, task->ticket, value);
        }
        free(task);
    }
    pthread_mutex_unlock(&tiny->lock);
    return NULL;
}

static int tiny_quiesce(void *pool) {
    struct tiny *tiny = pool;
    pthread_mutex_lock(&tiny->lock);
    while (tiny->unfinished > 0) {
        pthread_cond_wait(&tiny->ended, &tiny->lock);
    }
    pthread_mutex_unlock(&tiny->lock);
    return 0;
}

static int tiny_close(void *pool) {
    struct tiny *tiny = pool;
    pthread_mutex_lock(&tiny->lock);
    tiny->closing = true;
    pthread_cond_broadcast(&tiny->queued);
    pthread_mutex_unlock(&tiny->lock);
    for (unsigned i = 0; i < tiny->workers; i++) {
        pthread_join(tiny->threads[i], NULL);
    }
    pthread_cond_destroy(&tiny->queued);
    pthread_cond_destroy(&tiny->ended);
    pthread_mutex_destroy(&tiny->lock);
    free(tiny);
    return 0;
}

static int tiny_open(const struct weir_subject_config *config, void **pool) {
    if (config->options != NULL && config->options[0] != NULL) {
        return -EINVAL;
    }
    unsigned workers = config->workers != 0 ? config->workers : 2;
    struct tiny *tiny = calloc(1, sizeof(*tiny) + workers * sizeof(tiny->threads[0]));
    if (tiny == NULL) {
        return -ENOMEM;
    }
    pthread_mutex_init(&tiny->lock, NULL);
    pthread_cond_init(&tiny->queued, NULL);
    pthread_cond_init(&tiny->ended, NULL);
    tiny->tail = &tiny->head;
    tiny->capacity = config->capacity;
    for (; tiny->workers < workers; tiny->workers++) {
        int error = pthread_create(&tiny->threads[tiny->workers], NULL, work, tiny);
        if (error != 0) {
            tiny_close(tiny);
            return -error;
        }
    }
    *pool = tiny;
    return 0;
}

/* A bounded queue rejects. */
static int enqueue(struct tiny *tiny, struct task task) {
    struct task *own = malloc(sizeof(*own));
    if (own == NULL) {
        return -ENOMEM;
    }
    *own = task;
    own->next = NULL;
    pthread_mutex_lock(&tiny->lock);
    if (tiny->capacity != 0 && tiny->length >= tiny->capacity) {
        pthread_mutex_unlock(&tiny->lock);
        free(own);
        return -EAGAIN;
    }
    *tiny->tail = own;
    tiny->tail = &own->next;
    tiny->length++;
    tiny->unfinished++;
    pthread_cond_signal(&tiny->queued);
    pthread_mutex_unlock(&tiny->lock);
    return 0;
}

static int tiny_submit(void *pool, weir_subject_fn fn, void *arg) {
    return enqueue(pool, (struct task){.fn = fn, .arg = arg});
}

static int tiny_async(void *pool, weir_subject_call call, void *arg, void *ticket) {
    *(struct ticket *)ticket = (struct ticket){.ended = false};
    return enqueue(pool, (struct task){.call = call, .ticket = ticket, .arg = arg});
}

/* Waits until one of n tickets (all of them with every) has ended; its index, or -ETIMEDOUT. */
static int wait_some(struct tiny *tiny, void *const *tickets, size_t n, bool every,
                     uint64_t deadline_ns) {
    struct timespec until = {.tv_sec = (time_t)(deadline_ns / 1000000000u),
                             .tv_nsec = (long)(deadline_ns % 1000000000u)};
    int error = 0;
    int result = -ETIMEDOUT;
    pthread_mutex_lock(&tiny->lock);
    for (;;) {
        size_t ended = 0;
        size_t last = 0;
        for (size_t i = 0; i < n; i++) {
            if (((struct ticket *)tickets[i])->ended) {
                ended++;
                last = i;
            }
        }
        if (ended == n || (ended > 0 && !every)) {
            result = (int)last;
            break;
        }
        if (error == ETIMEDOUT) {
            break;
        }
        error = pthread_cond_clockwait(&tiny->ended, &tiny->lock, CLOCK_MONOTONIC, &until);
    }
    pthread_mutex_unlock(&tiny->lock);
    return result;
}

static int tiny_await(void *pool, void *ticket, uint64_t deadline_ns, void **value) {
    int result = wait_some(pool, &ticket, 1, true, deadline_ns);
    if (result == 0 && value != NULL) {
        *value = ((struct ticket *)ticket)->value;
    }
    return result;
}

static int tiny_poll(void *pool, void *ticket) {
    return wait_some(pool, &ticket, 1, true, WEIR_SUBJECT_NOW) == 0;
}

static void tiny_release(void *pool, void *ticket) {
    (void)pool;
    (void)ticket;
}

static int tiny_on_done(void *pool, void *ticket_memory, weir_subject_fn fn, void *arg) {
    struct tiny *tiny = pool;
    struct ticket *ticket = ticket_memory;
    pthread_mutex_lock(&tiny->lock);
    bool ended = ticket->ended;
    if (!ended) {
        ticket->done = fn;
        ticket->done_arg = arg;
    }
    pthread_mutex_unlock(&tiny->lock);
    if (ended) {
        fn(arg);
    }
    return 0;
}

static int tiny_wait_any(void *pool, void *const *tickets, size_t n, uint64_t deadline_ns) {
    return wait_some(pool, tickets, n, false, deadline_ns);
}

static int tiny_wait_all(void *pool, void *const *tickets, size_t n, uint64_t deadline_ns) {
    int result = wait_some(pool, tickets, n, true, deadline_ns);
    return result < 0 ? result : 0;
}

const struct weir_subject *tiny_subject(const char *name, enum tiny_fate (*fate)(uint64_t n)) {
    static struct weir_subject subject = {
        .abi = WEIR_SUBJECT_ABI,
        .size = sizeof(struct weir_subject),
        .version = "1",
        .notes = "the harness's own test pool: one mutex, one queue",
        .capabilities = WEIR_SUBJECT_FIFO | WEIR_SUBJECT_BOUNDED | WEIR_SUBJECT_FULL_REJECT |
                        WEIR_SUBJECT_FROM_TASK,
        .open = tiny_open,
        .submit = tiny_submit,
        .quiesce = tiny_quiesce,
        .close = tiny_close,
        .ticket_bytes = sizeof(struct ticket),
        .async = tiny_async,
        .await = tiny_await,
        .release = tiny_release,
        .poll = tiny_poll,
        .on_done = tiny_on_done,
        .wait_any = tiny_wait_any,
        .wait_all = tiny_wait_all,
    };
    subject.name = name;
    fate_of = fate;
    return &subject;
}
