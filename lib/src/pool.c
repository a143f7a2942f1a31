#include "pool.h"

#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <string.h>

#include "frame.h"
#include "memory.h"
#include "platform/cpu.h"
#include "platform/placement.h"
#include "platform/point.h"

#define KEEP_ALIVE_NS UINT64_C(60000000000)
#define MAX_SPARES    256u

/* ---- Options ---- */

void weir_pool_options_init(struct weir_pool_options *options) {
    *options = (struct weir_pool_options){
        .size = sizeof *options,
        .name = "weir",
        .max_spares = MAX_SPARES,
        .keep_alive_ns = KEEP_ALIVE_NS,
        .numa_node = -1,
    };
}

unsigned weir_default_threads(void) {
    unsigned cpus = weir__cpu_affinity();
    uint32_t quota = weir__cpu_quota("/");

    return quota < cpus ? quota : cpus;
}

/* Fills in what 0 stands for. */
static int fill_sizes(struct weir_pool_options *options) {
    if (options->threads == WEIR_NO_CORE)
        options->threads = 0;
    else if (options->threads == 0)
        options->threads = weir_default_threads();
    if (options->max_threads == 0)
        options->max_threads = options->threads;
    if (options->max_threads == 0 || options->max_threads > WEIR_MAX_THREADS ||
        options->max_threads < options->threads || options->max_spares > WEIR_MAX_THREADS)
        return -EINVAL;
    return 0;
}

static int check_cpus(const struct weir_pool_options *options) {
    if (!options->cpus)
        return options->cpus_count ? -EINVAL : 0;
    if (options->cpus_count == 0)
        return -EINVAL;
    for (size_t i = 0; i < options->cpus_count; i++)
        if (!weir__placement_allows(options->cpus[i]))
            return -EINVAL;
    return 0;
}

static bool node_exists(int node) {
    union {
        cpu_set_t set;
        char bytes[WEIR__CPUS_MOST / CHAR_BIT];
    } cpus;

    return weir__placement_node("/", node, &cpus.set, sizeof cpus);
}

static int check(struct weir_pool_options *options) {
    if (options->scheduler > WEIR_RING || options->full > WEIR_FULL_HANDLER ||
        options->wait > WEIR_WAIT_SPARE || options->growth > WEIR_GROW_WHEN_FULL ||
        options->fork > WEIR_FORK_RESPAWN || options->bands > WEIR_MAX_BANDS)
        return -EINVAL;
    if (options->full == WEIR_FULL_HANDLER && !options->hooks.full)
        return -EINVAL;
    if (!options->allocator.alloc != !options->allocator.free)
        return -EINVAL;
    if (options->numa_node < -1 || (options->numa_node >= 0 && !node_exists(options->numa_node)))
        return -EINVAL;
    if (options->bands == 0)
        options->bands = 1;
    if (!options->name)
        options->name = "weir";
    int rc = fill_sizes(options);
    return rc ? rc : check_cpus(options);
}

int weir_pool_get_options(struct weir_pool *pool, struct weir_pool_options *options) {
    if (!pool || !options)
        return -EINVAL;
    pthread_mutex_lock(&pool->lifecycle);
    *options = pool->options;
    pthread_mutex_unlock(&pool->lifecycle);
    if (options->threads == 0)
        options->threads = WEIR_NO_CORE;
    return 0;
}

/* ---- Making and freeing ---- */

/* In the order in which others take them: a worker under LOCKED leaves with the injector's. */
static void hold_locks(struct weir__fork_guard *guard) {
    struct weir_pool *pool =
        (struct weir_pool *)(void *)((char *)guard - offsetof(struct weir_pool, guard));

    pthread_mutex_lock(&pool->injector.mutex);
    pthread_mutex_lock(&pool->lifecycle);
    pthread_mutex_lock(&pool->idle.mutex);
}

static void release_locks(struct weir__fork_guard *guard) {
    struct weir_pool *pool =
        (struct weir_pool *)(void *)((char *)guard - offsetof(struct weir_pool, guard));

    pthread_mutex_unlock(&pool->idle.mutex);
    pthread_mutex_unlock(&pool->lifecycle);
    pthread_mutex_unlock(&pool->injector.mutex);
}

static void init_pool(struct weir_pool *pool, const struct weir_pool_options *options) {
    pool->host.calls = &weir__pool_host_calls;
    pool->host.wait = options->wait;
    pool->host.spin_ns =
        options->idle_spin_ns < UINT32_MAX ? (uint32_t)options->idle_spin_ns : UINT32_MAX;
    pool->host.allocator = options->allocator;
    pool->scheduler = options->scheduler == WEIR_LOCKED ? &weir__locked
                      : options->scheduler == WEIR_RING ? &weir__ringed
                                                        : &weir__stealing;
    pool->full = options->full;
    pool->bands = options->bands;
    pool->idle_spin_ns = options->idle_spin_ns;
    pool->hooks = options->hooks;
    atomic_init(&pool->timing,
                pool->hooks.task_before || pool->hooks.task_after ? TIMING_HOOKS : 0);
    pool->stack_bytes = options->stack_bytes;
    strncpy(pool->name, options->name, sizeof pool->name - 1);
    pool->options = *options;
    pool->options.name = pool->name;

    struct weir__sizing *sizing = &pool->sizing;
    sizing->growth = options->growth;
    sizing->max_spares = options->max_spares;
    atomic_init(&sizing->core, options->threads);
    atomic_init(&sizing->keep_alive_ns, options->keep_alive_ns);
    atomic_init(&sizing->core_timeout, options->core_timeout);
    weir__roster_init(&sizing->roster, options->scheduler == WEIR_STEALING ? options->bands : 0,
                      &pool->host.allocator);

    weir__injector_init(&pool->injector, options->bands);
    weir__idle_init(&pool->idle);
    pool->quiescence.accepted = weir__pool_accepted;
    pool->quiescence.ended = weir__pool_ended;
    pthread_mutex_init(&pool->lifecycle, NULL);
    atomic_init(&pool->generation, weir__fork_generation());
    pool->guard.hold = hold_locks;
    pool->guard.release = release_locks;
}

static int copy_cpus(struct weir_pool *pool) {
    size_t bytes = pool->options.cpus_count * sizeof *pool->cpus;

    if (bytes == 0)
        return 0;
    pool->cpus = weir__alloc(&pool->host.allocator, bytes);
    if (!pool->cpus)
        return -ENOMEM;
    memcpy(pool->cpus, pool->options.cpus, bytes);
    pool->options.cpus = pool->cpus;
    return 0;
}

void weir__pool_destroy(struct weir_pool *pool) {
    struct weir_allocator allocator = pool->host.allocator;

    while (pool->attachments) {
        struct weir__attachment *attachment = pool->attachments;
        pool->attachments = attachment->next;
        attachment->destroy(attachment);
    }
    pool->scheduler->destroy(pool);
    weir__trace_destroy(pool);
    weir__roster_destroy(&pool->sizing.roster);
    pthread_mutex_destroy(&pool->lifecycle);
    weir__idle_destroy(&pool->idle);
    weir__injector_destroy(&pool->injector);
    if (pool->cpus)
        weir__free(&allocator, pool->cpus, pool->options.cpus_count * sizeof *pool->cpus);
    weir__free(&allocator, pool, weir__whole_lines(sizeof *pool));
}

int weir_pool_new(struct weir_pool **out, const struct weir_pool_options *given) {
    struct weir_pool_options options;

    weir_pool_options_init(&options);
    if (!out || (given && given->size != sizeof options))
        return -EINVAL;
    if (given)
        options = *given;
    int rc = check(&options);
    if (rc)
        return rc;
    struct weir_pool *pool = weir__alloc_lines(&options.allocator, weir__whole_lines(sizeof *pool));
    if (!pool)
        return -ENOMEM;
    init_pool(pool, &options);
    rc = pool->scheduler->init(pool, &options);
    if (rc == 0)
        rc = copy_cpus(pool);
    if (rc == 0)
        rc = weir__fork_enlist(&pool->guard);
    if (rc == 0 && !options.deferred_start && (rc = weir_pool_start(pool)) != 0)
        weir__fork_dismiss(&pool->guard);
    if (rc) {
        weir__pool_destroy(pool);
        return rc;
    }
    *out = pool;
    return 0;
}

/* ---- Start ---- */

static void open_gate(struct weir_pool *pool, enum weir__gate gate) {
    atomic_store_explicit(&pool->gate, gate, memory_order_release);
    weir__futex_wake_all(&pool->gate);
}

/* Counts and creates one core thread, which waits at the gate. With the mutex held. */
static int create_core_thread(struct weir_pool *pool, struct weir__worker **created) {
    struct weir__worker *worker = weir__roster_occupy(&pool->sizing.roster, pool);

    if (!worker)
        return -ENOMEM;
    worker->first = NULL;
    worker->hired = true;
    weir__idle_hire(&pool->idle, UINT16_MAX, false);
    atomic_fetch_add_explicit(&pool->live, 1, memory_order_relaxed);
    int rc = weir__worker_create(worker);
    if (rc) {
        atomic_fetch_sub_explicit(&pool->live, 1, memory_order_relaxed);
        weir__idle_dismiss(&pool->idle, true);
        weir__roster_vacate(&pool->sizing.roster, worker);
        return rc;
    }
    worker->next_vacant = *created;
    *created = worker;
    return 0;
}

/* Those that could be created go home from the gate. With the mutex held. */
static void undo_core_threads(struct weir_pool *pool, struct weir__worker *created) {
    while (created) {
        struct weir__worker *worker = created;
        created = worker->next_vacant;
        pthread_join(worker->thread, NULL);
        weir__idle_dismiss(&pool->idle, true);
        weir__roster_vacate(&pool->sizing.roster, worker);
        atomic_fetch_sub_explicit(&pool->live, 1, memory_order_relaxed);
    }
}

/* All threads or none: those that could be created wait at the gate until it is known. */
int weir__pool_create_threads(struct weir_pool *pool) {
    uint32_t core = pool->options.on_demand ? 0 : pool->options.threads;
    struct weir__worker *created = NULL;
    int rc = 0;

    atomic_store_explicit(&pool->gate, GATE_SHUT, memory_order_relaxed);
    for (uint32_t i = 0; i < core && rc == 0; i++)
        rc = create_core_thread(pool, &created);
    if (rc == 0) {
        atomic_store_explicit(&pool->sizing.largest, core, memory_order_relaxed);
        atomic_store_explicit(&pool->sizing.max, pool->options.max_threads, memory_order_relaxed);
        pool->started = true;
    }
    open_gate(pool, rc == 0 ? GATE_GO : GATE_ABORT);
    if (rc)
        undo_core_threads(pool, created);
    return rc;
}

int weir_pool_start(struct weir_pool *pool) {
    int rc = weir__pool_check(pool);

    if (rc)
        return rc;
    pthread_mutex_lock(&pool->lifecycle);
    if (weir__pool_mode(pool) != POOL_OPEN)
        rc = -ESHUTDOWN;
    else if (pool->started)
        rc = -EALREADY;
    else
        rc = weir__pool_create_threads(pool);
    pthread_mutex_unlock(&pool->lifecycle);
    /* Tasks that came before the start, and nobody to take them. */
    if (rc == 0 && pool->scheduler->queued(pool) > 0)
        pool->scheduler->summon(pool);
    return rc;
}

int weir_pool_prestart(struct weir_pool *pool) {
    int started = 0, rc = weir__pool_check(pool);

    if (rc)
        return rc;
    if (weir__pool_mode(pool) != POOL_OPEN)
        return -ESHUTDOWN;
    /* As many as are missing now: those that leave at once again are not made up for. */
    uint32_t core = atomic_load_explicit(&pool->sizing.core, memory_order_relaxed);
    uint32_t living = weir__idle_counts(&pool->idle).living;
    for (; living + (uint32_t)started < core; started++)
        if ((rc = weir__sizing_grow(pool, NULL, false)) != 0)
            break;
    return started || rc != -EAGAIN ? started : rc;
}

void weir__pool_prepare_thread(struct weir_pool *pool, uint32_t index) {
    weir__thread_name(pool->name, index);
    if (pool->cpus)
        weir__placement_pin(pool->cpus[index % pool->options.cpus_count]);
    else if (pool->options.numa_node >= 0)
        weir__placement_bind_node(pool->options.numa_node);
}

/* ---- Sizes ---- */

int weir_pool_resize(struct weir_pool *pool, uint32_t threads, uint32_t max_threads) {
    struct weir_pool_options sizes = {.threads = threads, .max_threads = max_threads};

    int rc = pool ? fill_sizes(&sizes) : -EINVAL;
    if (rc || (rc = weir__pool_check(pool)) != 0)
        return rc;
    pthread_mutex_lock(&pool->lifecycle);
    pool->options.threads = sizes.threads;
    pool->options.max_threads = sizes.max_threads;
    atomic_store_explicit(&pool->sizing.core, sizes.threads, memory_order_relaxed);
    if (pool->started)
        atomic_store_explicit(&pool->sizing.max, sizes.max_threads, memory_order_seq_cst);
    pthread_mutex_unlock(&pool->lifecycle);
    weir__sizing_check_surplus(pool);
    pool->scheduler->look_up(pool); /* those idle above the core begin to count their time */
    if (pool->scheduler->queued(pool) > 0)
        pool->scheduler->summon(pool);
    return 0;
}

int weir_pool_set_keep_alive(struct weir_pool *pool, uint64_t keep_alive_ns, bool core_timeout) {
    int rc = weir__pool_check(pool);

    if (rc)
        return rc;
    pthread_mutex_lock(&pool->lifecycle);
    pool->options.keep_alive_ns = keep_alive_ns;
    pool->options.core_timeout = core_timeout;
    atomic_store_explicit(&pool->sizing.keep_alive_ns, keep_alive_ns, memory_order_relaxed);
    atomic_store_explicit(&pool->sizing.core_timeout, core_timeout, memory_order_relaxed);
    pthread_mutex_unlock(&pool->lifecycle);
    pool->scheduler->look_up(pool);
    return 0;
}

size_t weir_pool_size(struct weir_pool *pool) {
    if (!pool)
        return 0;
    pthread_mutex_lock(&pool->lifecycle);
    size_t size = pool->started ? weir__idle_counts(&pool->idle).living : pool->options.threads;
    pthread_mutex_unlock(&pool->lifecycle);
    return size;
}

/* ---- Pause ---- */

int weir_pool_pause(struct weir_pool *pool) {
    int rc = weir__pool_check(pool);

    if (rc)
        return rc;
    pthread_mutex_lock(&pool->lifecycle);
    bool open = weir__pool_mode(pool) == POOL_OPEN;
    if (open)
        atomic_fetch_or_explicit(&pool->sizing.attention, ATTENTION_PAUSED, memory_order_relaxed);
    pthread_mutex_unlock(&pool->lifecycle);
    return open ? 0 : -ESHUTDOWN;
}

int weir_pool_resume(struct weir_pool *pool) {
    int rc = weir__pool_check(pool);

    if (rc)
        return rc;
    /* seq_cst: workers look again after look_up, and must see it. */
    uint32_t before = atomic_fetch_and_explicit(&pool->sizing.attention,
                                                ~(uint32_t)ATTENTION_PAUSED, memory_order_seq_cst);
    if (!(before & ATTENTION_PAUSED))
        return 0;
    pool->scheduler->look_up(pool);
    if (pool->scheduler->queued(pool) > 0)
        pool->scheduler->summon(pool);
    return 0;
}

void weir_blocking_begin(void) {
    struct weir__worker *worker = weir__worker_current();

    if (worker)
        weir__sizing_block(worker);
}

void weir_blocking_end(void) {
    struct weir__worker *worker = weir__worker_current();

    if (worker)
        weir__sizing_unblock(worker);
}
