/*
 * The rings as JSON in the Trace Event Format, which names the fields. Times are microseconds since
 * the trace was started.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "pool.h"

#define OUT_BYTES   8192
#define ENTRY_BYTES 512

/* Text on its way to a descriptor. */
struct out {
    int fd;
    int error; /* of the first write that failed */
    size_t length;
    char text[OUT_BYTES];
};

static void flush(struct out *out) {
    size_t done = 0;

    while (done < out->length && !out->error) {
        ssize_t n = write(out->fd, out->text + done, out->length - done);
        if (n >= 0)
            done += (size_t)n;
        else if (errno != EINTR)
            out->error = -errno;
    }
    out->length = 0;
}

__attribute__((format(printf, 2, 3))) static void put(struct out *out, const char *format, ...) {
    va_list args;

    if (OUT_BYTES - out->length < ENTRY_BYTES)
        flush(out);
    va_start(args, format);
    int n = vsnprintf(out->text + out->length, ENTRY_BYTES, format, args);
    va_end(args);
    out->length += (size_t)n < ENTRY_BYTES ? (size_t)n : ENTRY_BYTES - 1;
}

/* One event as it was at one moment. */
struct copy {
    uint64_t start_ns, span_ns, flow;
    enum weir__event_kind kind;
    uint32_t who;
    int64_t status;
};

/* False: it is being written, or was while we read. */
static bool copy_event(struct weir__event *event, struct copy *copy) {
    uint64_t turn = atomic_load_explicit(&event->turn, memory_order_acquire);

    if (turn == 0)
        return false; /* uncovered: it must be being written at this moment */
    copy->start_ns = atomic_load_explicit(&event->start_ns, memory_order_acquire);
    copy->span_ns = atomic_load_explicit(&event->span_ns, memory_order_acquire);
    copy->flow = atomic_load_explicit(&event->flow, memory_order_acquire);
    uint64_t kind_who = atomic_load_explicit(&event->kind_who, memory_order_acquire);
    copy->kind = (enum weir__event_kind)(kind_who >> 32);
    copy->who = (uint32_t)kind_who;
    copy->status = atomic_load_explicit(&event->status, memory_order_acquire);
    return atomic_load_explicit(&event->turn, memory_order_relaxed) == turn;
}

/* Where and when: the fields that all entries begin with. */
static void put_head(struct out *out, const char *phase, const char *name, int pid, uint64_t tid,
                     uint64_t at_ns) {
    put(out, ",\n{\"ph\":\"%s\",\"name\":\"%s\",\"pid\":%d,\"tid\":%llu,\"ts\":%llu.%03llu", phase,
        name, pid, (unsigned long long)tid, (unsigned long long)(at_ns / 1000),
        (unsigned long long)(at_ns % 1000));
}

static void put_span(struct out *out, const char *name, int pid, uint64_t tid, uint64_t at_ns,
                     uint64_t span_ns) {
    put_head(out, "X", name, pid, tid, at_ns);
    put(out, ",\"dur\":%llu.%03llu", (unsigned long long)(span_ns / 1000),
        (unsigned long long)(span_ns % 1000));
}

static void put_flow(struct out *out, const char *phase, int pid, uint64_t tid, uint64_t at_ns,
                     uint64_t flow) {
    put_head(out, phase, "queued", pid, tid, at_ns);
    put(out, ",\"cat\":\"task\",\"id\":\"0x%llx\"%s}", (unsigned long long)flow,
        *phase == 'f' ? ",\"bp\":\"e\"" : "");
}

static void put_event(struct out *out, const struct copy *event, int pid, uint64_t tid,
                      uint64_t origin_ns) {
    uint64_t at_ns = event->start_ns - origin_ns;

    switch (event->kind) {
    case EVENT_SUBMIT:
        put_span(out, event->status < 0 ? "submit, refused" : "submit", pid, tid, at_ns,
                 event->span_ns);
        put(out, ",\"args\":{\"status\":%lld}}", (long long)event->status);
        if (event->status >= 0)
            put_flow(out, "s", pid, tid, at_ns, event->flow);
        break;
    case EVENT_TASK:
        put_span(out, "task", pid, tid, at_ns, event->span_ns);
        put(out, ",\"args\":{\"status\":%lld}}", (long long)event->status);
        if (event->flow)
            put_flow(out, "f", pid, tid, at_ns, event->flow);
        break;
    case EVENT_PARK:
        put_span(out, "parked", pid, tid, at_ns, event->span_ns);
        put(out, "}");
        break;
    case EVENT_STEAL:
        put_head(out, "i", "steal", pid, tid, at_ns);
        put(out, ",\"s\":\"t\"}");
        break;
    case EVENT_DEPTH:
        put_head(out, "C", "queued tasks", pid, 0, at_ns);
        put(out, ",\"args\":{\"queued\":%llu}}", (unsigned long long)event->span_ns);
        break;
    }
}

/* What the ring holds of this trace, oldest first. worker_row: the row of its only writer, or 0. */
static size_t put_ring(struct out *out, struct weir_pool *pool, struct weir__event_ring *ring,
                       int pid, uint64_t worker_row) {
    uint64_t origin_ns = atomic_load_explicit(&pool->trace.start_ns, memory_order_relaxed);
    uint64_t end = ring ? atomic_load_explicit(&ring->next, memory_order_acquire) : 0;
    uint64_t first = ring && end > ring->capacity ? end - ring->capacity : 0;
    size_t count = 0;
    struct copy event;

    for (uint64_t i = first; i < end && !out->error; i++) {
        if (!copy_event(&ring->events[i % ring->capacity], &event) || event.start_ns < origin_ns)
            continue;
        put_event(out, &event, pid, worker_row ? worker_row : event.who, origin_ns);
        count++;
    }
    return count;
}

static void put_name(struct out *out, const char *what, int pid, uint64_t tid, const char *name,
                     const char *suffix) {
    put(out, "%s{\"ph\":\"M\",\"name\":\"%s\",\"pid\":%d,\"tid\":%llu,\"args\":{\"name\":\"",
        tid ? ",\n" : "", what, pid, (unsigned long long)tid);
    for (; *name; name++) /* quotes, and what is no text, would break the JSON */
        put(out, "%c", *name == '"' || *name == '\\' || (unsigned char)*name < ' ' ? '_' : *name);
    put(out, "%s\"}}", suffix);
}

ptrdiff_t weir_trace_write(struct weir_pool *pool, int fd) {
    struct out out = {.fd = fd};
    int pid = (int)getpid();
    size_t count = 0;

    if (!pool || !atomic_load_explicit(&pool->trace.outside, memory_order_acquire))
        return -EINVAL;
    uint32_t workers = weir__roster_count(&pool->sizing.roster);
    put(&out, "{\"displayTimeUnit\":\"ns\",\"traceEvents\":[\n");
    put_name(&out, "process_name", pid, 0, pool->name, "");
    for (uint32_t i = 0; i < workers; i++) {
        struct weir__worker *worker = weir__roster_at(&pool->sizing.roster, i);
        char number[16];
        snprintf(number, sizeof number, "-%u", (unsigned)i);
        put_name(&out, "thread_name", pid, i + 1, pool->name, number);
        count += put_ring(&out, pool, atomic_load_explicit(&worker->events, memory_order_acquire),
                          pid, i + 1);
    }
    count += put_ring(&out, pool, atomic_load_explicit(&pool->trace.outside, memory_order_acquire),
                      pid, 0);
    put(&out, "\n]}\n");
    flush(&out);
    return out.error ? out.error : (ptrdiff_t)count;
}
