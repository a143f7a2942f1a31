/*
 * Simulated campaigns: how often the verdicts and the gate are wrong where nothing has changed, and
 * how often they find what has. The noise of a measurement is log-normal, with one in ten rounds
 * disturbed by five times as much; seeds are fixed, so the figures are the same every time.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "bench/analyse/gate.h"
#include "bench/measure/rng.h"

#define CELLS     8
#define ROUNDS    24
#define NOISE     0.007 /* of one measurement, as a log */
#define DISTURBED 5.0

static double normal(struct rng *rng) {
    return sqrt(-2.0 * log(rng_unit(rng))) * cos(2.0 * M_PI * rng_unit(rng));
}

static double measurement(struct rng *rng, double noise) {
    return noise * normal(rng) * (rng_below(rng, 10) == 0 ? DISTURBED : 1.0);
}

/* Log ratios of rounds in which A is better by effect. */
static void draw(struct rng *rng, double effect, double noise, double *ratios, size_t n) {
    for (size_t i = 0; i < n; i++) {
        ratios[i] = effect + measurement(rng, noise) - measurement(rng, noise);
    }
}

static double margin_of(struct rng *rng, size_t n) {
    double aa[ROUNDS];
    draw(rng, 0.0, NOISE, aa, n);
    return verdict_margin(verdict_aa_floor(aa, n));
}

/* ---- Verdicts ---- */

static void a_against_a_differs_in_one_to_five_of_a_hundred(void **state) {
    (void)state;
    struct rng rng;
    rng_seed(&rng, 1);
    for (size_t n = 6; n <= 24; n += 6) {
        const unsigned trials = 20000;
        unsigned excluded = 0;
        unsigned called = 0;
        for (unsigned t = 0; t < trials; t++) {
            double ratios[ROUNDS];
            draw(&rng, 0.0, NOISE, ratios, n);
            struct estimate e = sign_estimate(ratios, n, SIGN_CONFIDENCE);
            enum verdict verdict = verdict_of(&e, margin_of(&rng, n));
            excluded += e.low > 0 || e.high < 0;
            called += verdict == VERDICT_FASTER || verdict == VERDICT_SLOWER;
        }
        double share = (double)excluded / trials;
        if (share < 0.01 || share > 0.05) {
            fail_msg("of A/A intervals of %zu rounds %.2f %% exclude 1", n, 100 * share);
        }
        assert_true((double)called / trials <= share);
    }
}

static void holm_keeps_families_of_a_against_a_below_five_of_a_hundred(void **state) {
    (void)state;
    struct rng rng;
    rng_seed(&rng, 2);
    const unsigned families = 5000;
    unsigned wrong = 0;
    for (unsigned f = 0; f < families; f++) {
        double p[2 * CELLS];
        unsigned low = 0;
        for (size_t c = 0; c < CELLS; c++) {
            double ratios[ROUNDS];
            draw(&rng, 0.0, NOISE, ratios, ROUNDS);
            p[c] = sign_estimate(ratios, ROUNDS, SIGN_CONFIDENCE).p;
        }
        sign_holm(p, CELLS, p + CELLS);
        for (size_t c = 0; c < CELLS; c++) {
            low += p[CELLS + c] <= 0.05;
        }
        wrong += low > 0;
    }
    assert_true((double)wrong / families <= 0.05);
    assert_true(wrong > 0); /* it is no test that never says anything */
}

/* Half as much noise again as elsewhere: a verdict on one cell needs less than a gate. */
static void a_verdict_finds_three_percent_in_95_of_a_hundred_within_24_rounds(void **state) {
    (void)state;
    struct rng rng;
    rng_seed(&rng, 5);
    const unsigned trials = 2000;
    unsigned found = 0;
    for (unsigned t = 0; t < trials; t++) {
        double ratios[ROUNDS];
        draw(&rng, -log1p(0.03), 1.5 * NOISE, ratios, ROUNDS);
        struct estimate e = sign_estimate(ratios, ROUNDS, SIGN_CONFIDENCE);
        found += verdict_of(&e, margin_of(&rng, ROUNDS)) == VERDICT_SLOWER;
    }
    print_message("a slow-down of 3 %% was found by %u of %u simulated verdicts\n", found, trials);
    assert_true(found * 100 >= trials * 95);
}

/* ---- The gate ---- */

struct outcome {
    bool slower;
    size_t rounds;
};

/* A whole gate: of its cells the first has the effect. */
static struct outcome run_gate(struct rng *rng, double effect) {
    double ratios[CELLS][ROUNDS];
    struct gate_cell cells[CELLS];
    struct outcome outcome = {.slower = false};
    for (size_t c = 0; c < CELLS; c++) {
        draw(rng, c == 0 ? effect : 0.0, NOISE, ratios[c], ROUNDS);
        cells[c] = (struct gate_cell){.log_ratios = ratios[c], .verdict = VERDICT_UNRESOLVED};
    }
    for (size_t look = 0; look < GATE_LOOKS; look++) {
        outcome.rounds = gate_rounds[look];
        for (size_t c = 0; c < CELLS; c++) {
            cells[c].n = gate_rounds[look];
        }
        if (gate_look(cells, CELLS, look, margin_of(rng, outcome.rounds))) {
            break;
        }
    }
    for (size_t c = 0; c < CELLS; c++) {
        outcome.slower = outcome.slower || cells[c].verdict == VERDICT_SLOWER;
    }
    return outcome;
}

static void the_gate_raises_fewer_than_one_false_alarm_in_two_hundred(void **state) {
    (void)state;
    struct rng rng;
    rng_seed(&rng, 3);
    const unsigned runs = 4000;
    unsigned alarms = 0;
    for (unsigned r = 0; r < runs; r++) {
        alarms += run_gate(&rng, 0.0).slower;
    }
    print_message("%u false alarms in %u simulated gates of %d cells\n", alarms, runs, CELLS);
    assert_true(alarms * 200 < runs);
}

static void the_gate_finds_three_percent_in_95_of_a_hundred_within_24_rounds(void **state) {
    (void)state;
    struct rng rng;
    rng_seed(&rng, 4);
    const unsigned runs = 2000;
    unsigned found = 0;
    for (unsigned r = 0; r < runs; r++) {
        struct outcome outcome = run_gate(&rng, -log1p(0.03));
        found += outcome.slower;
        assert_true(outcome.rounds <= 24);
    }
    print_message("a slow-down of 3 %% was found in %u of %u simulated gates\n", found, runs);
    assert_true(found * 100 >= runs * 95);
}

/* Without the looks' share of the error, three looks would be three chances. */
static void a_decision_stays_and_an_undecided_cell_is_looked_at_again(void **state) {
    (void)state;
    double ratios[2][24];
    for (size_t i = 0; i < 24; i++) {
        ratios[0][i] = -0.10 - 0.001 * (double)i;             /* plainly slower */
        ratios[1][i] = i < 18 ? (i % 2 ? 0.05 : -0.05) : 0.0; /* settles late */
    }
    struct gate_cell cells[2] = {{.log_ratios = ratios[0], .n = 18, .verdict = VERDICT_UNRESOLVED},
                                 {.log_ratios = ratios[1], .n = 18, .verdict = VERDICT_UNRESOLVED}};
    double margin = log1p(0.02);
    assert_false(gate_look(cells, 2, 1, margin));
    assert_int_equal(cells[0].verdict, VERDICT_SLOWER);
    assert_int_equal(cells[1].verdict, VERDICT_UNRESOLVED);
    for (size_t i = 0; i < 24; i++) {
        ratios[0][i] = 0.0; /* whatever comes later */
    }
    cells[0].n = cells[1].n = 24;
    gate_look(cells, 2, 2, margin);
    assert_int_equal(cells[0].verdict, VERDICT_SLOWER);
}

static void the_first_look_decides_a_large_difference(void **state) {
    (void)state;
    double ratios[12];
    for (size_t i = 0; i < 12; i++) {
        ratios[i] = -0.2 - 0.001 * (double)i;
    }
    struct gate_cell cell = {.log_ratios = ratios, .n = 11, .verdict = VERDICT_UNRESOLVED};
    assert_false(gate_look(&cell, 1, 0, log1p(0.02))); /* 2 / 2^11 is not yet rare enough */
    cell.n = 12;
    assert_true(gate_look(&cell, 1, 0, log1p(0.02)));
    assert_int_equal(cell.verdict, VERDICT_SLOWER);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_against_a_differs_in_one_to_five_of_a_hundred),
        cmocka_unit_test(holm_keeps_families_of_a_against_a_below_five_of_a_hundred),
        cmocka_unit_test(a_verdict_finds_three_percent_in_95_of_a_hundred_within_24_rounds),
        cmocka_unit_test(the_gate_raises_fewer_than_one_false_alarm_in_two_hundred),
        cmocka_unit_test(the_gate_finds_three_percent_in_95_of_a_hundred_within_24_rounds),
        cmocka_unit_test(a_decision_stays_and_an_undecided_cell_is_looked_at_again),
        cmocka_unit_test(the_first_look_decides_a_large_difference),
    };
    return cmocka_run_group_tests_name("gate", tests, NULL, NULL);
}
