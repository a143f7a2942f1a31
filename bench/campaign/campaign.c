#include "bench/campaign/campaign.h"
#include "bench/campaign/util.h"

#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "bench/analyse/samples.h"
#include "bench/campaign/latin.h"
#include "bench/campaign/record.h"
#include "bench/campaign/spawn.h"
#include "bench/measure/machine.h"
#include "bench/measure/rng.h"
#include "bench/measure/clock.h"

#define PROBE_MEASURE_NS (10 * NS_PER_MS)
#define GRACE_NS         (4 * NS_PER_S) /* between the cell's own deadline and being killed */
#define HANGS_BEFORE_OUT 2

/* A round that claims depend on may be finished a little late: one part in so many of the time. */
#define GRACE_PART 16

int campaign_signals(void) {
    sigset_t ending;
    sigemptyset(&ending);
    sigaddset(&ending, SIGINT);
    sigaddset(&ending, SIGTERM);
    if (sigprocmask(SIG_BLOCK, &ending, NULL) != 0) {
        return -1;
    }
    return signalfd(-1, &ending, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* A hang may not eat a small budget, and a slow machine may not look like a hang. */
static uint64_t cell_deadline(const struct campaign *campaign, uint64_t cost_ns) {
    uint64_t patience = campaign->budget_s ? campaign->budget_s * NS_PER_S / 12 : 10 * NS_PER_S;
    patience = patience < 3 * NS_PER_S ? 3 * NS_PER_S : patience;
    patience = patience > 10 * NS_PER_S ? 10 * NS_PER_S : patience;
    return patience + 3 * cost_ns;
}

/* What each cell should find as it was when the run began. */
static json_t *expectations(const struct campaign *campaign) {
    static const char *const texts[] = {"clocksource", "alloc"};
    json_t *expect = must(json_pack("{s:i}", "cpus", (int)campaign->cpus));
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        json_t *value = json_object_get(campaign->machine, texts[i]);
        if (value) {
            json_object_set(expect, texts[i], value);
        }
    }
    return expect;
}

static char *description(const struct campaign *campaign, const json_t *cell,
                         const struct plan_entry *entry, uint64_t seed, uint64_t warmup_ns,
                         uint64_t measure_ns, uint64_t deadline_ns) {
    const struct subject *subject = &campaign->subjects.items[entry->subject];
    json_t *json = must(
        json_pack("{s:i,s:s,s:s,s:O,s:O,s:I,s:I,s:I,s:I}", "schema", 1, "subject", subject->name,
                  "variant", subject_variant(subject, entry->variant), "cell", cell, "options",
                  campaign->options, "seed", (json_int_t)seed, "warmup_ns", (json_int_t)warmup_ns,
                  "measure_ns", (json_int_t)measure_ns, "deadline_ns", (json_int_t)deadline_ns));
    if (subject->plugin) {
        json_object_set_new(json, "plugin", must(json_string(subject->plugin)));
        json_object_set_new(json, "expect", expectations(campaign));
    }
    char *line = must(json_dumps(json, JSON_COMPACT));
    json_decref(json);
    char *whole = text("%s\n", line);
    free(line);
    return whole;
}

/* What is preloaded into the cell's process: the allocator that it asks for, and before it the
 * counter of allocations where they are counted. NULL: nothing. The caller frees it. */
static char *preloaded(const json_t *cell) {
    static const struct {
        const char *name, *object;
    } known[] = {
        {"glibc", "libc.so.6"}, {"jemalloc", "libjemalloc.so.2"}, {"mimalloc", "libmimalloc.so.2"}};
    const char *workload = json_string_value(json_object_get(cell, "workload"));
    const char *alloc = json_string_value(json_object_get(cell, "alloc"));
    char *counter =
        workload && strcmp(workload, "memory") == 0 ? beside_program("counting.so") : NULL;
    const char *library = NULL;
    for (size_t i = 0; alloc && i < sizeof known / sizeof known[0]; i++) {
        library = strcmp(alloc, known[i].name) == 0 ? known[i].object : library;
    }
    char *whole = counter || library ? text("LD_PRELOAD=%s%s%s", counter ? counter : "",
                                            counter && library ? ":" : "", library ? library : "")
                                     : NULL;
    free(counter);
    return whole;
}

/* The record, complete; NULL when interrupted. *wall_ns: of the process. */
static json_t *measure(struct campaign *campaign, const json_t *cell, struct plan_entry *entry,
                       uint64_t seed, uint64_t warmup_ns, uint64_t measure_ns, uint64_t *wall_ns) {
    const struct subject *subject = &campaign->subjects.items[entry->subject];
    const char *refusal = subject_refuses(subject, cell);
    if (refusal) {
        json_t *told = record_unsupported(subject->name, refusal);
        record_complete(told, subject->name, subject_variant(subject, entry->variant));
        *wall_ns = 0;
        return told;
    }
    uint64_t deadline_ns = cell_deadline(campaign, entry->cost_ns);
    char *input = description(campaign, cell, entry, seed, warmup_ns, measure_ns, deadline_ns);
    const char *argv[SUBJECT_ARGS_MAX + 3] = {NULL};
    size_t n = 0;
    char *preload = subject_is_program(subject) ? NULL : preloaded(cell);
    char *program = program_path();
    if (preload) {
        argv[n++] = "env";
        argv[n++] = preload;
    }
    for (size_t i = 0; subject->argv[i]; i++) {
        bool self = preload && strcmp(subject->argv[i], "/proc/self/exe") == 0; /* env, then */
        argv[n++] = self ? program : subject->argv[i];
    }
    struct spawn_result result;
    int error = spawn_run(argv, input, deadline_ns + GRACE_NS, campaign->cancel_fd, &result);
    json_t *record = record_of(&result, error, subject->name);
    if (record) {
        record_complete(record, subject->name, subject_variant(subject, entry->variant));
    }
    if (record && subject_has_changed(&campaign->subjects, entry->subject)) {
        record_doubt(record, "INVALID: binary changed: the plug-in is not the file that the run "
                             "began with");
    }
    *wall_ns = result.wall_ns;
    spawn_result_fini(&result);
    free(preload);
    free(program);
    free(input);
    return record;
}

/* Once is enough to know what a subject cannot do; and one that hangs here and there is out. */
static void give_up(struct campaign *campaign, struct plan_cell *cell, struct plan_entry *entry,
                    const char *status, const char *reason) {
    const char *accusation = record_accusation(status, reason);
    if (!accusation && strcmp(status, "unsupported") != 0) {
        return;
    }
    for (size_t j = 0; j < cell->n; j++) {
        if (cell->entries[j].subject == entry->subject &&
            cell->entries[j].variant == entry->variant) {
            cell->entries[j].given_up = true;
        }
    }
    if (!accusation) {
        return;
    }
    char *label = subject_label(&campaign->subjects.items[entry->subject], entry->variant);
    char *where = cell_phrase(cell->cell);
    progress_note(&campaign->progress, "%s: %s (%s)", label, reason, where);
    entry->hung = strcmp(accusation, "hang") == 0;
    size_t hangs = 0;
    for (int pass = 0; pass < 2; pass++) {
        for (size_t i = 0; i < campaign->plan.n; i++) {
            for (size_t j = 0; j < campaign->plan.cells[i].n; j++) {
                struct plan_entry *other = &campaign->plan.cells[i].entries[j];
                if (other->subject != entry->subject || other->variant != entry->variant) {
                    continue;
                }
                hangs += pass == 0 && other->hung;
                other->given_up = other->given_up || (pass == 1 && hangs >= HANGS_BEFORE_OUT);
            }
        }
    }
    if (hangs == HANGS_BEFORE_OUT) {
        progress_note(&campaign->progress, "%s: hung in %d cells, left out of the rest", label,
                      HANGS_BEFORE_OUT);
    }
    free(where);
    free(label);
}

static int keep(struct campaign *campaign, const json_t *record, const struct plan_cell *cell,
                const struct plan_entry *entry, size_t round, size_t position) {
    char host[256] = "";
    gethostname(host, sizeof host - 1);
    const struct sample_place place = {
        .campaign = campaign->store.name,
        .host = host,
        .sequence = ++campaign->sequence,
        .round = round,
        .position = position,
        .aa = entry->aa,
        .cell = cell->cell,
    };
    char *line = sample_line(record, &place);
    int error = store_append(&campaign->store, line);
    free(line);
    if (error != 0) {
        complain("%s", campaign->store.error);
    }
    return error;
}

static void probe(struct campaign *campaign, struct plan_cell *cell, struct plan_entry *entry,
                  int *error) {
    struct subject *subject = &campaign->subjects.items[entry->subject];
    uint64_t warmup_ns = plan_warmup(&campaign->plan, subject);
    uint64_t wall_ns;
    json_t *record = measure(campaign, cell->cell, entry, campaign->seed & INT32_MAX, warmup_ns,
                             PROBE_MEASURE_NS, &wall_ns);
    if (!record) {
        campaign->interrupted = true;
        return;
    }
    const char *status = json_string_value(json_object_get(record, "status"));
    const char *reason = json_string_value(json_object_get(record, "reason"));
    if (record_accusation(status, reason)) {
        /* The evidence is kept as the sample of the first round: there will be no other. */
        *error = keep(campaign, record, cell, entry, 0, 0);
        give_up(campaign, cell, entry, status, reason);
    } else if (strcmp(status, "ok") == 0 && wall_ns > warmup_ns + PROBE_MEASURE_NS) {
        subject->startup_ns = wall_ns - warmup_ns - PROBE_MEASURE_NS;
    }
    json_decref(record);
}

int campaign_probe(struct campaign *campaign) {
    int error = 0;
    bool *known = must_array(campaign->subjects.n, sizeof *known);
    for (size_t i = 0; i < campaign->plan.n; i++) {
        struct plan_cell *cell = &campaign->plan.cells[i];
        for (size_t j = 0; error == 0 && j < cell->n && !campaign->interrupted; j++) {
            struct plan_entry *entry = &cell->entries[j];
            if (plan_entry_runs(entry) && !entry->unable && !known[entry->subject]) {
                known[entry->subject] = true;
                probe(campaign, cell, entry, &error);
            }
        }
    }
    free(known);
    return error;
}

static bool is_done(const struct campaign *campaign, const struct plan_cell *cell,
                    const struct plan_entry *entry, size_t round, const struct run *done) {
    char *key = cell_key(cell->cell);
    char *label = subject_label(&campaign->subjects.items[entry->subject], entry->variant);
    const struct cell_group *group = done ? run_find(done, key) : NULL;
    const struct series *series = group ? group_find(group, label) : NULL;
    bool found = false;
    size_t n = series ? (entry->aa ? series->aa_n : series->n) : 0;
    for (size_t i = 0; i < n; i++) {
        const struct sample *sample = entry->aa ? series->aa[i] : series->samples[i];
        found = found || sample->round == (long long)round;
    }
    free(label);
    free(key);
    return found;
}

/* The first round in which an entry that runs has not been measured. */
static size_t first_open_round(const struct campaign *campaign, const struct plan_cell *cell,
                               const struct run *done) {
    size_t round = 0;
    for (;; round++) {
        for (size_t j = 0; j < cell->n; j++) {
            if (plan_entry_runs(&cell->entries[j]) &&
                !is_done(campaign, cell, &cell->entries[j], round, done)) {
                return round;
            }
        }
        if (plan_cell_entries(cell) == 0) {
            return SIZE_MAX;
        }
    }
}

void campaign_skip_done(struct campaign *campaign, const struct run *done) {
    for (size_t i = 0; i < done->n; i++) {
        const char *dash = strrchr(done->samples[i].id, '-');
        size_t sequence = dash ? strtoul(dash + 1, NULL, 10) : 0;
        campaign->sequence = sequence > campaign->sequence ? sequence : campaign->sequence;
        if (strcmp(done->samples[i].status, "failed") != 0 &&
            strcmp(done->samples[i].status, "unsupported") != 0) {
            continue;
        }
        for (size_t c = 0; c < campaign->plan.n; c++) {
            struct plan_cell *cell = &campaign->plan.cells[c];
            for (size_t j = 0; json_equal(cell->cell, done->samples[i].cell) && j < cell->n; j++) {
                struct plan_entry *entry = &cell->entries[j];
                char *label =
                    subject_label(&campaign->subjects.items[entry->subject], entry->variant);
                entry->given_up = entry->given_up || strcmp(label, done->samples[i].label) == 0;
                free(label);
            }
        }
    }
    size_t open = SIZE_MAX;
    for (size_t c = 0; c < campaign->plan.n; c++) {
        size_t round = first_open_round(campaign, &campaign->plan.cells[c], done);
        open = round < open ? round : open;
    }
    campaign->complete_rounds = open == SIZE_MAX ? 0 : open;
}

static void show(struct campaign *campaign, size_t round, const struct plan_cell *cell,
                 const struct plan_entry *entry, double share_of_rounds) {
    uint64_t now = clock_now_ns();
    double share = share_of_rounds;
    uint64_t left_ns;
    if (campaign->end_ns != UINT64_MAX) {
        uint64_t whole = campaign->end_ns - campaign->started_ns;
        left_ns = now < campaign->end_ns ? campaign->end_ns - now : 0;
        double by_time = whole ? 1 - (double)left_ns / (double)whole : 1;
        share = campaign->rounds && share_of_rounds > by_time ? share_of_rounds : by_time;
    } else {
        double rounds_left = (1 - share_of_rounds) * (double)campaign->rounds;
        left_ns = (uint64_t)(rounds_left * (double)plan_round_cost(&campaign->plan));
    }
    char *where = cell_phrase(cell->cell);
    char *label = subject_label(&campaign->subjects.items[entry->subject], entry->variant);
    char *what = text("%s %s", label, where);
    progress_show(&campaign->progress, share, left_ns, round + 1, what);
    json_t *told =
        must(json_pack("{s:s,s:f,s:I,s:I}", "what", what, "share", share, "left_s",
                       (json_int_t)(left_ns / NS_PER_S), "round", (json_int_t)round + 1));
    store_write_now(&campaign->store, told);
    json_decref(told);
    free(what);
    free(label);
    free(where);
}

/* One cell in one round: every subject once. */
static int measure_cell(struct campaign *campaign, size_t index, size_t round,
                        const struct run *done) {
    struct plan_cell *cell = &campaign->plan.cells[index];
    size_t *order = must_array(cell->n, sizeof *order);
    uint64_t cell_seed = rng_mix(campaign->seed, index);
    latin_row(cell_seed, cell->n, round, order);
    /* The same arrivals and the same choices for all subjects of a round; 2^53 is what every
     * program can read from JSON. */
    uint64_t seed = rng_mix(cell_seed, round) & ((UINT64_C(1) << 53) - 1);
    int error = 0;
    for (size_t position = 0; error == 0 && position < cell->n; position++) {
        struct plan_entry *entry = &cell->entries[order[position]];
        if (!plan_entry_runs(entry) || is_done(campaign, cell, entry, round, done)) {
            continue;
        }
        double share = campaign->rounds
                           ? ((double)round + (double)index / (double)campaign->plan.n) /
                                 (double)campaign->rounds
                           : 0;
        show(campaign, round, cell, entry, share);
        uint64_t wall_ns;
        json_t *record =
            measure(campaign, cell->cell, entry, seed,
                    plan_warmup(&campaign->plan, &campaign->subjects.items[entry->subject]),
                    plan_measure(&campaign->plan, cell->cell), &wall_ns);
        if (!record) {
            campaign->interrupted = true;
            break;
        }
        error = keep(campaign, record, cell, entry, round, position);
        give_up(campaign, cell, entry, json_string_value(json_object_get(record, "status")),
                json_string_value(json_object_get(record, "reason")));
        entry->cost_ns = round == 0 ? wall_ns : (3 * entry->cost_ns + wall_ns) / 4;
        json_decref(record);
    }
    free(order);
    return error;
}

/* After a round the estimates are real: what does not fit is given up now, not at the end. */
static void shed(struct campaign *campaign, size_t round) {
    if (campaign->end_ns == UINT64_MAX || round + 1 >= campaign->min_rounds) {
        return;
    }
    uint64_t now = clock_now_ns();
    uint64_t left_ns = now < campaign->end_ns ? campaign->end_ns - now : 0;
    size_t dropped = plan_shed(&campaign->plan, campaign->min_rounds - round - 1,
                               left_ns + (campaign->end_ns - campaign->started_ns) / GRACE_PART);
    if (dropped > 0) {
        progress_note(&campaign->progress,
                      "slower than planned: %zu of the less important measurements end after "
                      "%zu rounds",
                      dropped, round + 1);
    }
}

/* False when the cell would end after the deadline. */
static bool fits(const struct campaign *campaign, const struct plan_cell *cell, size_t round) {
    if (campaign->end_ns == UINT64_MAX) {
        return true;
    }
    uint64_t grace =
        round < campaign->min_rounds ? (campaign->end_ns - campaign->started_ns) / GRACE_PART : 0;
    return clock_now_ns() + plan_cell_cost(cell) <= campaign->end_ns + grace;
}

static int measure_rounds(struct campaign *campaign, const struct run *done) {
    int error = 0;
    for (size_t round = campaign->complete_rounds;
         campaign->rounds == 0 || round < campaign->rounds; round++) {
        size_t measured = 0;
        size_t skipped = 0;
        for (size_t i = 0; i < campaign->plan.n; i++) {
            struct plan_cell *cell = &campaign->plan.cells[i];
            if (plan_cell_entries(cell) == 0) {
                continue;
            }
            if (!fits(campaign, cell, round)) {
                skipped++;
                continue;
            }
            error = measure_cell(campaign, i, round, done);
            if (error != 0 || campaign->interrupted) {
                return error;
            }
            measured++;
        }
        if (measured == 0) {
            break;
        }
        campaign->complete_rounds = skipped == 0 ? round + 1 : campaign->complete_rounds;
        shed(campaign, round);
    }
    return error;
}

int campaign_measure(struct campaign *campaign) {
    struct run done;
    char *problem = NULL;
    bool resumed =
        campaign->sequence > 0 && run_load(&done, campaign->store.directory, &problem) == 0;
    free(problem);
    int error = measure_rounds(campaign, resumed ? &done : NULL);
    if (resumed) {
        run_free(&done);
    }
    progress_end(&campaign->progress);
    store_write_now(&campaign->store, NULL);
    return error;
}

char *campaign_time(void) {
    char now[32];
    time_t seconds = time(NULL);
    struct tm utc;
    strftime(now, sizeof now, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&seconds, &utc));
    return text("%s", now);
}

char *campaign_default_name(void) {
    char now[32];
    char host[256] = "";
    time_t seconds = time(NULL);
    struct tm utc;
    gethostname(host, sizeof host - 1);
    strftime(now, sizeof now, "%Y-%m-%dT%H%M%SZ", gmtime_r(&seconds, &utc));
    for (char *c = host; *c; c++) {
        *c = *c == '/' ? '_' : *c;
    }
    return text("%s-%s", now, host);
}

static json_t *machine_of(struct campaign *campaign, const struct run *done) {
    json_t *machine = must(json_deep_copy(campaign->machine));
    json_t *end = must(machine_state());
    double steal = machine_steal_share(campaign->machine_start, end);
    if (steal >= 0) {
        json_object_set_new(machine, "steal_share", must(json_real(steal)));
    }
    json_object_set(machine, "start", campaign->machine_start);
    json_object_set_new(machine, "end", end);
    size_t pairs = 0;
    double floor = done ? run_aa_floor(done, &pairs) : 0;
    if (pairs > 1) {
        json_object_set_new(machine, "aa_floor", must(json_real(expm1(floor))));
        json_object_set_new(machine, "aa_pairs", must(json_integer((json_int_t)pairs)));
    }
    return machine;
}

int campaign_write_meta(struct campaign *campaign, const char *state, const struct run *done) {
    json_t *meta = must(json_object());
    json_object_set_new(meta, "schema", json_integer(1));
    json_object_set_new(meta, "campaign", json_string(campaign->store.name));
    json_object_set_new(meta, "started", json_string(campaign->started));
    if (strcmp(state, "running") != 0) {
        char *finished = campaign_time();
        json_object_set_new(meta, "finished", json_string(finished));
        free(finished);
    }
    json_object_set_new(meta, "state", json_string(state));
    json_object_set(meta, "command", campaign->command);
    json_object_set(meta, "options", campaign->options);
    json_object_set_new(meta, "seed", json_integer((json_int_t)campaign->seed));
    json_object_set_new(meta, "budget_s", json_integer((json_int_t)campaign->budget_s));
    json_object_set_new(meta, "rounds", json_integer((json_int_t)campaign->complete_rounds));
    json_object_set_new(meta, "plan", plan_to_json(&campaign->plan, &campaign->subjects));
    json_object_set_new(meta, "machine", machine_of(campaign, done));
    int error = store_write_meta(&campaign->store, meta);
    json_decref(meta);
    if (error != 0) {
        complain("%s", campaign->store.error);
    }
    return error;
}

void campaign_free(struct campaign *campaign) {
    plan_free(&campaign->plan);
    subjects_free(&campaign->subjects);
    json_decref(campaign->options);
    json_decref(campaign->command);
    json_decref(campaign->machine);
    json_decref(campaign->machine_start);
    free(campaign->started);
    if (campaign->store.directory) {
        store_close(&campaign->store);
    }
    if (campaign->cancel_fd > 0) {
        close(campaign->cancel_fd);
    }
}
