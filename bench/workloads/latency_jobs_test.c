/*
 * Known answers: a first-come-first-served server of c workers, simulated without any overhead,
 * judged by the code that judges real pools.
 */
#include "bench/workloads/latency_jobs.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "bench/measure/arrivals.h"
#include "bench/analyse/erlang.h"

#define SERVERS_MAX 64u

static struct latency_jobs new_jobs(size_t n, size_t workers) {
    struct latency_jobs jobs = {
        .n = n, .stride = 1, .workers = workers, .servers = (double)workers};
    jobs.jobs = calloc(n, sizeof(jobs.jobs[0]));
    assert_non_null(jobs.jobs);
    assert_true(latency_jobs_init(&jobs));
    return jobs;
}

static void free_jobs(struct latency_jobs *jobs) {
    latency_jobs_fini(jobs);
    free(jobs->jobs);
}

/* Serves each job by the worker that is free first; none before start_ns. */
static void serve_all(struct latency_jobs *jobs, const uint64_t *at_ns, const uint64_t *service_ns,
                      uint64_t stall_from_ns, uint64_t stall_to_ns) {
    uint64_t free_ns[SERVERS_MAX] = {0};
    for (size_t i = 0; i < jobs->n; i++) {
        size_t first = 0;
        for (size_t s = 1; s < jobs->workers; s++) {
            first = free_ns[s] < free_ns[first] ? s : first;
        }
        uint64_t start_ns = free_ns[first] > at_ns[i] ? free_ns[first] : at_ns[i];
        if (start_ns >= stall_from_ns && start_ns < stall_to_ns) {
            start_ns = stall_to_ns;
        }
        free_ns[first] = start_ns + service_ns[i];
        jobs->jobs[i] = (struct latency_job){.intended_ns = at_ns[i],
                                             .submitted_ns = at_ns[i],
                                             .accepted_ns = at_ns[i],
                                             .started_ns = start_ns,
                                             .ended_ns = free_ns[first],
                                             .notified_ns = free_ns[first]};
    }
}

static void simulate(struct latency_jobs *jobs, enum arrivals arrivals, enum service service,
                     double rate_per_s, double mean_ns, uint64_t stall_from_ns,
                     uint64_t stall_to_ns) {
    uint64_t *at_ns = calloc(jobs->n, sizeof(at_ns[0]));
    uint64_t *service_ns = calloc(jobs->n, sizeof(service_ns[0]));
    struct rng rng;
    rng_seed(&rng, 4711);
    arrivals_schedule(at_ns, jobs->n, arrivals, rate_per_s, &rng);
    arrivals_services(service_ns, jobs->n, service, mean_ns, &rng);
    serve_all(jobs, at_ns, service_ns, stall_from_ns, stall_to_ns);
    free(at_ns);
    free(service_ns);
    assert_true(latency_jobs_fill(jobs));
}

static void assert_near(double value, double truth, double share, const char *what) {
    if (!(fabs(value - truth) <= share * truth)) {
        fail_msg("%s: %.4g, the truth is %.4g", what, value, truth);
    }
}

static void an_ideal_server_agrees_with_erlang_c(void **state) {
    (void)state;
    static const struct {
        size_t workers;
        double load;
    } cases[] = {{1, 0.5}, {1, 0.8}, {2, 0.7}, {4, 0.8}, {16, 0.9}};
    static const double quantiles[] = {0.5, 0.9, 0.99};
    const double mean_ns = 20000.0;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct latency_jobs jobs = new_jobs((size_t)1 << 20, cases[i].workers);
        double rate_per_s = cases[i].load * (double)cases[i].workers / mean_ns * 1e9;
        simulate(&jobs, ARRIVALS_POISSON, SERVICE_EXPONENTIAL, rate_per_s, mean_ns, 0, 0);
        for (size_t q = 0; q < 3; q++) {
            double truth_ns = erlang_response_quantile((unsigned)cases[i].workers, cases[i].load,
                                                       mean_ns, quantiles[q]);
            assert_near((double)histogram_quantile(jobs.parts[LATENCY_TOTAL], quantiles[q]),
                        truth_ns, 0.03, "quantile of M/M/c");
        }
        assert_near(jobs.utilisation, cases[i].load * 100.0, 0.02, "utilisation");
        /* Nobody waits while a worker is free, and nothing else takes time. */
        assert_int_equal(jobs.parts[LATENCY_WAKE]->max, 0);
        assert_int_equal(jobs.parts[LATENCY_SUBMIT]->max, 0);
        assert_near(latency_jobs_sum_of_parts(&jobs), 1.0, 0.01, "sum of the parts");
        free_jobs(&jobs);
    }
}

/*
 * 10000 arrivals a second, 10 us each, for ten seconds; nothing starts for 100 ms. The k-th
 * arrival of the stall waits 100 ms - k (100 us - 10 us). Of 100000 samples the 1000 longest end
 * at k = 1000, the 100 longest at k = 100.
 */
static void a_stall_is_paid_for_by_all_who_were_meant_to_arrive(void **state) {
    (void)state;
    struct latency_jobs jobs = new_jobs(100000, 1);
    simulate(&jobs, ARRIVALS_CONSTANT, SERVICE_CONSTANT, 10000.0, 10000.0, 5000000000u,
             5100000000u);
    const struct histogram *total = jobs.parts[LATENCY_TOTAL];
    assert_near((double)histogram_quantile(total, 0.99), 100e6 - 1000 * 90e3, 0.05, "p99");
    assert_near((double)histogram_quantile(total, 0.999), 100e6 - 100 * 90e3, 0.05, "p99.9");
    free_jobs(&jobs);
    /* A closed loop over the same server would have one long sample: its next task is not
     * submitted before the one that stalls has ended. */
}

/* A pool that starts each job 30 us late although its worker is free. */
static void waiting_beside_a_free_worker_is_wake_and_not_queue(void **state) {
    (void)state;
    struct latency_jobs jobs = new_jobs(1000, 2);
    for (size_t i = 0; i < jobs.n; i++) {
        uint64_t at_ns = (i + 1) * 1000000;
        jobs.jobs[i] = (struct latency_job){.intended_ns = at_ns,
                                            .submitted_ns = at_ns + 1000,
                                            .accepted_ns = at_ns + 3000,
                                            .started_ns = at_ns + 33000,
                                            .ended_ns = at_ns + 53000,
                                            .notified_ns = at_ns + 60000};
    }
    assert_true(latency_jobs_fill(&jobs));
    assert_int_equal(jobs.parts[LATENCY_SUBMIT]->max, 3000);
    assert_int_equal(jobs.parts[LATENCY_QUEUE]->max, 0);
    assert_int_equal(jobs.parts[LATENCY_WAKE]->max, 30000);
    assert_int_equal(jobs.parts[LATENCY_SERVICE]->max, 20000);
    assert_int_equal(jobs.parts[LATENCY_NOTIFY]->max, 7000);
    assert_int_equal(jobs.parts[LATENCY_TOTAL]->max, 60000);
    free_jobs(&jobs);
}

/* Two jobs at once, one worker: the second queues for the whole of the first, then 5 us are lost.
 */
static void waiting_is_split_where_the_last_worker_becomes_free(void **state) {
    (void)state;
    struct latency_jobs jobs = new_jobs(2, 1);
    jobs.jobs[0] = (struct latency_job){.intended_ns = 1000,
                                        .submitted_ns = 1000,
                                        .accepted_ns = 1000,
                                        .started_ns = 1000,
                                        .ended_ns = 21000,
                                        .notified_ns = 21000};
    jobs.jobs[1] = jobs.jobs[0];
    jobs.jobs[1].intended_ns++;
    jobs.jobs[1].started_ns = 26000;
    jobs.jobs[1].ended_ns = 46000;
    jobs.jobs[1].notified_ns = 46000;
    assert_true(latency_jobs_fill(&jobs));
    assert_int_equal(jobs.parts[LATENCY_QUEUE]->max, 20000);
    assert_int_equal(jobs.parts[LATENCY_WAKE]->max, 5000);
    free_jobs(&jobs);
}

static void judge(struct latency_jobs *jobs, char *invalid, char *doubt) {
    latency_jobs_judge(jobs, invalid, doubt, 256);
}

static void what_the_server_cannot_carry_is_unsustained(void **state) {
    (void)state;
    char invalid[256];
    char doubt[256];
    struct latency_jobs jobs = new_jobs(20000, 2);
    simulate(&jobs, ARRIVALS_POISSON, SERVICE_EXPONENTIAL, 1.1 * 2.0 / 20000.0 * 1e9, 20000.0, 0,
             0);
    judge(&jobs, invalid, doubt);
    assert_memory_equal(invalid, "UNSUSTAINED: ", 13);
    free_jobs(&jobs);
    jobs = new_jobs(20000, 2);
    simulate(&jobs, ARRIVALS_POISSON, SERVICE_EXPONENTIAL, 0.9 * 2.0 / 20000.0 * 1e9, 20000.0, 0,
             0);
    judge(&jobs, invalid, doubt);
    assert_string_equal(invalid, "");
    free_jobs(&jobs);
}

/* Generator overload: each submit is called 50 us after its moment, for no fault of the pool. */
static void a_generator_that_lags_is_named(void **state) {
    (void)state;
    char invalid[256];
    char doubt[256];
    struct latency_jobs jobs = new_jobs(5000, 1);
    for (size_t i = 0; i < jobs.n; i++) {
        uint64_t at_ns = (i + 1) * 1000000;
        jobs.jobs[i] = (struct latency_job){.intended_ns = at_ns,
                                            .submitted_ns = at_ns + 50000,
                                            .accepted_ns = at_ns + 51000,
                                            .started_ns = at_ns + 52000,
                                            .ended_ns = at_ns + 72000,
                                            .notified_ns = at_ns + 72000};
    }
    assert_true(latency_jobs_fill(&jobs));
    judge(&jobs, invalid, doubt);
    assert_memory_equal(invalid, "generator lag: ", 15);
    /* The same lateness, because the submit before took so long, is the pool's. */
    for (size_t i = 1; i < jobs.n; i++) {
        jobs.jobs[i - 1].accepted_ns = jobs.jobs[i].submitted_ns;
    }
    for (size_t part = 0; part < LATENCY_PARTS; part++) {
        histogram_reset(jobs.parts[part]);
    }
    assert_true(latency_jobs_fill(&jobs));
    judge(&jobs, invalid, doubt);
    assert_string_equal(invalid, "");
    free_jobs(&jobs);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_ideal_server_agrees_with_erlang_c),
        cmocka_unit_test(a_stall_is_paid_for_by_all_who_were_meant_to_arrive),
        cmocka_unit_test(waiting_beside_a_free_worker_is_wake_and_not_queue),
        cmocka_unit_test(waiting_is_split_where_the_last_worker_becomes_free),
        cmocka_unit_test(what_the_server_cannot_carry_is_unsustained),
        cmocka_unit_test(a_generator_that_lags_is_named),
    };
    return cmocka_run_group_tests_name("latency_jobs", tests, NULL, NULL);
}
