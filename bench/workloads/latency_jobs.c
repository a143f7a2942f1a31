#include "bench/workloads/latency_jobs.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/*
 * When the figures are refused. The generator must not be what is measured: its own lag is how late
 * it submits, not counting the time that the submit before took, for that is the pool's. If at the
 * median, 90 % or 99 % its own lag exceeds both 10 µs and a tenth of the total latency at the same
 * quantile, the cell is INVALID; beyond 99 % it is a doubt. And the pool must keep up: a queue fed
 * exactly at its capacity grows within n arrivals by chance by about sqrt(2 n), so growth beyond
 * four times that means that the load is not sustained, and there is no latency to speak of.
 */
#define LAG_ALLOWED_NS 10000u

const char *const latency_part_names[LATENCY_PARTS] = {
    "total", "submit", "queue", "wake", "service", "notify", "lag", "own_lag",
};

bool latency_jobs_init(struct latency_jobs *jobs) {
    bool made = true;
    for (size_t i = 0; i < LATENCY_PARTS; i++) {
        jobs->parts[i] = histogram_new();
        made = made && jobs->parts[i] != NULL;
    }
    return made;
}

void latency_jobs_fini(struct latency_jobs *jobs) {
    for (size_t i = 0; i < LATENCY_PARTS; i++) {
        histogram_free(jobs->parts[i]);
        jobs->parts[i] = NULL;
    }
}

static uint64_t span(uint64_t from_ns, uint64_t to_ns) {
    return to_ns > from_ns ? to_ns - from_ns : 0;
}

static uint64_t least(uint64_t a, uint64_t b) {
    return a < b ? a : b;
}

/* ---- When every worker was at work ---------------------------------------------------------- */

/* A start (+1) or an end (-1) of a job; full_ns: for how long every worker had been at work. */
struct event {
    uint64_t at_ns;
    int64_t change;
    uint64_t full_ns;
    bool full; /* from here on */
};

/* Ends first: a worker that goes from one job to the next at one instant is not two. */
static int in_time(const void *a, const void *b) {
    const struct event *x = a;
    const struct event *y = b;
    return x->at_ns != y->at_ns ? (x->at_ns > y->at_ns) - (x->at_ns < y->at_ns)
                                : (x->change > y->change) - (x->change < y->change);
}

static struct event *make_events(const struct latency_jobs *jobs) {
    struct event *events = malloc(2 * jobs->n * sizeof(events[0]));
    if (events == NULL) {
        return NULL;
    }
    for (size_t i = 0; i < jobs->n; i++) {
        events[2 * i] = (struct event){.at_ns = jobs->jobs[i].started_ns, .change = 1};
        events[2 * i + 1] = (struct event){.at_ns = jobs->jobs[i].ended_ns, .change = -1};
    }
    qsort(events, 2 * jobs->n, sizeof(events[0]), in_time);
    size_t busy = 0;
    uint64_t full_ns = 0;
    for (size_t i = 0; i < 2 * jobs->n; i++) {
        full_ns += i > 0 && events[i - 1].full ? events[i].at_ns - events[i - 1].at_ns : 0;
        busy = events[i].change > 0 ? busy + 1 : busy - (busy > 0);
        events[i].full_ns = full_ns;
        events[i].full = busy >= jobs->workers;
    }
    return events;
}

/* How long every worker has been at work, up to a moment. */
static uint64_t full_until(const struct event *events, size_t n, uint64_t moment_ns) {
    size_t low = 0;
    size_t high = n; /* the first event after the moment lies in [low, high] */
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (events[middle].at_ns <= moment_ns) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    if (low == 0) {
        return 0;
    }
    const struct event *last = &events[low - 1];
    return last->full_ns + (last->full ? moment_ns - last->at_ns : 0);
}

/* ---- Filling -------------------------------------------------------------------------------- */

static void fill_one(struct latency_jobs *jobs, size_t i, const struct event *events) {
    const struct latency_job *job = &jobs->jobs[i];
    uint64_t handed_ns = least(job->accepted_ns, job->started_ns);
    uint64_t waited_ns = span(handed_ns, job->started_ns);
    uint64_t queued_ns = waited_ns;
    if (events != NULL && waited_ns > 0) {
        queued_ns = full_until(events, 2 * jobs->n, job->started_ns) -
                    full_until(events, 2 * jobs->n, handed_ns);
    }
    uint64_t free_ns = i > 0 ? jobs->jobs[i - 1].accepted_ns : 0;
    free_ns = free_ns > job->intended_ns ? free_ns : job->intended_ns;
    const uint64_t values[LATENCY_PARTS] = {
        [LATENCY_TOTAL] = span(job->intended_ns, job->notified_ns),
        [LATENCY_SUBMIT] = span(job->intended_ns, handed_ns),
        [LATENCY_QUEUE] = queued_ns,
        [LATENCY_WAKE] = waited_ns - queued_ns,
        [LATENCY_SERVICE] = span(job->started_ns, job->ended_ns),
        [LATENCY_NOTIFY] = span(job->ended_ns, job->notified_ns),
        [LATENCY_LAG] = span(job->intended_ns, job->submitted_ns),
        [LATENCY_OWN_LAG] = span(free_ns, job->submitted_ns),
    };
    for (size_t part = 0; part < LATENCY_PARTS; part++) {
        histogram_record(jobs->parts[part], values[part]);
    }
}

static bool is_timed(const struct latency_jobs *jobs, size_t i) {
    return i % jobs->stride == 0;
}

bool latency_jobs_fill(struct latency_jobs *jobs) {
    bool split = jobs->stride == 1;
    struct event *events = split ? make_events(jobs) : NULL;
    if (split && events == NULL) {
        return false;
    }
    uint64_t begin_ns = jobs->jobs[jobs->first].intended_ns;
    uint64_t last_ns = jobs->jobs[jobs->n - 1].intended_ns;
    uint64_t end_ns = last_ns;
    size_t counted = jobs->n - jobs->first;
    jobs->busy_ns = 0.0;
    for (size_t i = jobs->first; i < jobs->n; i++) {
        if (is_timed(jobs, i)) {
            const struct latency_job *job = &jobs->jobs[i];
            fill_one(jobs, i, events);
            end_ns = job->ended_ns > end_ns ? job->ended_ns : end_ns;
            jobs->busy_ns += (double)span(job->started_ns, job->ended_ns) * (double)jobs->stride;
        }
    }
    free(events);
    jobs->wall_ns = (double)(end_ns - begin_ns);
    /* n arrivals end n - 1 gaps. */
    double gaps_ns = (double)(last_ns - begin_ns) * (double)counted / (double)(counted - 1);
    jobs->offered_per_s = (double)counted * 1e9 / gaps_ns;
    jobs->utilisation = jobs->busy_ns / gaps_ns / jobs->servers * 100.0;
    return true;
}

double latency_jobs_sum_of_parts(const struct latency_jobs *jobs) {
    double sum = 0.0;
    for (size_t part = LATENCY_SUBMIT; part <= LATENCY_NOTIFY; part++) {
        sum += histogram_mean(jobs->parts[part]);
    }
    return sum / histogram_mean(jobs->parts[LATENCY_TOTAL]);
}

/* ---- Judging -------------------------------------------------------------------------------- */

/* Jobs that were meant to have arrived and had not ended when job index was meant to arrive. */
static size_t backlog_at(const struct latency_jobs *jobs, size_t index) {
    uint64_t moment_ns = jobs->jobs[index].intended_ns;
    size_t backlog = 0;
    for (size_t i = 0; i <= index; i += jobs->stride) {
        backlog += jobs->jobs[i].ended_ns > moment_ns;
    }
    return backlog * jobs->stride;
}

static bool judge_backlog(const struct latency_jobs *jobs, char *invalid, size_t size) {
    size_t counted = jobs->n - jobs->first;
    size_t before = backlog_at(jobs, jobs->first);
    size_t after = backlog_at(jobs, jobs->n - 1);
    double by_chance = 4.0 * sqrt(2.0 * (double)counted * (double)jobs->stride) +
                       4.0 * jobs->servers * (double)jobs->stride;
    if (after <= before || (double)(after - before) <= by_chance) {
        return true;
    }
    snprintf(invalid, size, "UNSUSTAINED: the backlog grew from %zu to %zu tasks in %zu arrivals",
             before, after, counted);
    return false;
}

void latency_jobs_judge(const struct latency_jobs *jobs, char *invalid, char *doubt, size_t size) {
    static const double quantiles[] = {0.5, 0.9, 0.99, 0.999, 0.9999, 0.99999};
    invalid[0] = '\0';
    doubt[0] = '\0';
    if (!judge_backlog(jobs, invalid, size)) {
        return;
    }
    for (size_t i = 0; i < sizeof(quantiles) / sizeof(quantiles[0]); i++) {
        double q = quantiles[i];
        uint64_t lag_ns = histogram_quantile(jobs->parts[LATENCY_OWN_LAG], q);
        uint64_t total_ns = histogram_quantile(jobs->parts[LATENCY_TOTAL], q);
        if (lag_ns <= LAG_ALLOWED_NS || lag_ns <= total_ns / 10) {
            continue;
        }
        if (q <= 0.99) {
            snprintf(invalid, size, "generator lag: %.0f us at %g %%, where the total is %.0f us",
                     (double)lag_ns / 1e3, q * 100.0, (double)total_ns / 1e3);
            return;
        }
        if (histogram_resolves(jobs->parts[LATENCY_OWN_LAG], q)) {
            snprintf(doubt, size, "NOISY: generator lag %.0f us at %g %% (total %.0f us)",
                     (double)lag_ns / 1e3, q * 100.0, (double)total_ns / 1e3);
            return;
        }
    }
}
