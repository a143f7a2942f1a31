/*
 * Board: what the supervisor and the child that runs episodes share.
 *
 * One shared mapping, kept over all children of a run. The child writes where it is and what it
 * has covered; the supervisor reads it while the child lives, and after it died or hangs. Nothing
 * here orders the pool's threads: the records' counters are relaxed, so that ThreadSanitizer still
 * sees every missing edge of the pool under test.
 */
#ifndef STRESS_BOARD_H
#define STRESS_BOARD_H

#include <limits.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BOARD_TASKS     4096
#define BOARD_SCENARIOS 64
#define BOARD_REACH     4
#define BOARD_LIST      16
#define BOARD_NAME      64
#define BOARD_OPTIONS   8
#define BOARD_SITES     96
#define BOARD_FAULTS    16

/* What a run was asked for; written by the supervisor before the first child starts. */
struct settings {
    char subject[PATH_MAX];
    char options[BOARD_OPTIONS][BOARD_NAME * 2]; /* --set */
    unsigned option_count;
    char wanted[512];   /* --scenario: names with commas; empty: all */
    uint64_t scenarios; /* bit i: scenario i of the table; from wanted, once the table is known */
    char variant[BOARD_NAME];
    unsigned workers[BOARD_LIST], worker_count;
    size_t capacities[BOARD_LIST];
    unsigned capacity_count;
    unsigned producers[BOARD_LIST], producer_count;
    int perturb;            /* -1: drawn for each episode */
    char fault[BOARD_NAME]; /* empty: drawn for each episode */
    uint64_t seed;

    /* Replay: one episode, again and again, its seed as it stands. */
    bool replay;
    char full[BOARD_NAME];
};

/* One episode, complete: the same specification gives the same calls and the same delays. */
struct spec {
    uint32_t scenario; /* index into the table */
    unsigned workers, producers;
    size_t capacity;
    char variant[BOARD_NAME];
    char full[BOARD_NAME]; /* empty: the pool's default */
    int perturb;           /* level, 0 (none) to 3 */
    uint32_t fault;        /* enum fault */
    uint64_t seed;
};

/* What happened to one task. Counters, so that a second run is seen. */
struct record {
    _Atomic(uint32_t) accepted, refused, started, ended, dropped;
};

enum board_sanitizer { SANITIZER_NONE = 0, SANITIZER_THREAD = 1, SANITIZER_ADDRESS = 2 };

struct coverage {
    uint64_t episodes;
    uint64_t reach[BOARD_REACH]; /* how often the scenario reached what it attacks */
};

/* A scenario as the supervisor knows it: a subject may bring some of its own, and only the child
 * loads the subject. */
struct scenario_text {
    char name[BOARD_NAME];
    char invariant[BOARD_NAME * 2];
    char reach[BOARD_REACH][BOARD_NAME];
    char lacks[BOARD_NAME]; /* empty: the scenario applies */
};

/* What the child found in the subject's table. */
struct description {
    char name[BOARD_NAME];
    char version[BOARD_NAME];
    char notes[BOARD_NAME * 2];
    char variants[BOARD_LIST][BOARD_NAME];
    unsigned variant_count;
    struct scenario_text scenarios[BOARD_SCENARIOS];
    unsigned scenario_count;
};

/* A place in the subject whose call can be made to fail; found by the address behind the call. */
struct board_site {
    _Atomic(uintptr_t) where;
    _Atomic(uint64_t) offset; /* in its object */
    char call[32];
    _Atomic(uint64_t) visits, injected;
};

struct board {
    size_t size; /* sizeof(struct board): parent and child are built from the same source */
    struct settings settings;

    /* Supervisor to child. */
    uint64_t first;
    uint64_t batch_episodes;
    uint64_t batch_end_ns;
    char quota_group[PATH_MAX]; /* with a quota of CPU time; empty: there is none */
    char quota_lacks[BOARD_NAME * 2];
    _Atomic(uint32_t) stop;

    /* Child to supervisor: where it is. */
    uint32_t sanitizer;
    struct description description;
    _Atomic(uint64_t) beat; /* episodes begun */
    uint64_t index;         /* of the episode under way */
    uint64_t begun_ns;      /* when it began */
    struct spec spec;
    bool inside; /* an episode is under way */
    char phase[BOARD_NAME];
    _Atomic(uint32_t) crash_signal;
    _Atomic(uint32_t) look; /* set by the supervisor: the witness thread tells what it sees */
    _Atomic(uint32_t) looked;

    /* The first verdict; the child ends after it. */
    _Atomic(uint32_t) judged;
    char verdict[BOARD_NAME];
    char detail[256];

    /* Coverage, summed over all children. */
    struct coverage coverage[BOARD_SCENARIOS];
    uint64_t shapes[BOARD_LIST][BOARD_LIST][BOARD_LIST]; /* workers, capacity, producers */
    uint64_t tasks, refused, dropped;
    uint64_t steals, parks, wakes;
    bool counted; /* the subject has counters */
    uint64_t delays;
    uint64_t fault_episodes[BOARD_FAULTS];
    _Atomic(uint64_t) gusts[BOARD_FAULTS]; /* of a storm; stops of the process */
    struct board_site sites[BOARD_SITES];
    bool threads_unlimited; /* RLIMIT_NPROC was tried, and does not hold the child back */

    uint32_t planned; /* records in use by the episode under way */
    struct record records[BOARD_TASKS];
};

/* Exit codes of the hidden child commands; a sanitizer has its own. */
enum {
    CHILD_OK = 0,
    CHILD_JUDGED = 10,
    CHILD_UNUSABLE = 11, /* the subject cannot be opened or offers nothing to attack */
    CHILD_TSAN = 66,
    CHILD_ASAN = 67,
};

#endif
