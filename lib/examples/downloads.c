/*
 * Many downloads: tasks that mostly wait.
 *
 * A worker that waits for the network does no work, so each download says when it begins to block
 * and when it is back. Meanwhile a spare thread takes its place, and the pool keeps its two threads
 * for what needs a CPU. Results arrive in the order in which they are ready; a download that failed
 * is tried again. (The network is a sleep here, so that the program needs none.)
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>

#include <weir.h>

#define PAGES     60
#define THREADS   2
#define SPARES    14
#define PAGE_SIZE 20000u

struct page {
    unsigned number;
    unsigned tries;
    uint32_t checksum;
};

static _Atomic unsigned under_way, most_under_way;

/* Some milliseconds of waiting for somebody else. */
static void wait_for_network(unsigned number) {
    struct timespec wait = {.tv_nsec = 1000000L * (long)(5 + number % 10)};

    unsigned now = 1 + atomic_fetch_add_explicit(&under_way, 1, memory_order_relaxed);
    unsigned most = atomic_load_explicit(&most_under_way, memory_order_relaxed);
    while (now > most &&
           !atomic_compare_exchange_weak_explicit(&most_under_way, &most, now, memory_order_relaxed,
                                                  memory_order_relaxed))
        ;
    while (nanosleep(&wait, &wait) != 0 && errno == EINTR)
        ;
    atomic_fetch_sub_explicit(&under_way, 1, memory_order_relaxed);
}

/* Adler's checksum of a page whose bytes follow from its number. */
static uint32_t checksum_of(unsigned number) {
    uint32_t a = 1, b = 0;

    for (uint32_t i = 0; i < PAGE_SIZE; i++) {
        a = (a + (number * 31 + i) % 251) % 65521;
        b = (b + a) % 65521;
    }
    return b << 16 | a;
}

static int download(void *arg, void **value) {
    struct page *page = arg;

    page->tries++;
    weir_blocking_begin();
    wait_for_network(page->number);
    weir_blocking_end();
    if (page->number % 7 == 3 && page->tries == 1)
        return -ECONNRESET;
    page->checksum = checksum_of(page->number);
    *value = page;
    return 0;
}

/* Takes results until nothing is outstanding. Returns how many pages are good, or -1. */
static int collect(struct weir_completion *downloads, struct weir_pool *pool) {
    struct weir_future *future;
    void *user;
    int good = 0;

    while (weir_completion_next(downloads, &future, &user, WEIR_FOREVER) == 0) {
        struct page *page = user;
        int rc = weir_future_get(future, NULL, WEIR_NOW);
        weir_future_unref(future);
        if (rc == 0)
            good += page->checksum == checksum_of(page->number);
        else if (rc != -ECONNRESET ||
                 weir_completion_async(downloads, pool, download, page, page) != 0)
            return -1;
    }
    return good;
}

int main(void) {
    struct weir_pool_options options;
    struct weir_pool *pool;
    struct weir_completion *downloads;
    struct page pages[PAGES];

    weir_pool_options_init(&options);
    options.name = "download";
    options.threads = THREADS;
    options.max_spares = SPARES;
    if (weir_pool_new(&pool, &options) != 0 || weir_completion_new(&downloads) != 0)
        return 1;

    uint64_t begin_ns = weir_now_ns();
    for (unsigned i = 0; i < PAGES; i++) {
        pages[i] = (struct page){.number = i};
        if (weir_completion_async(downloads, pool, download, &pages[i], &pages[i]) != 0)
            return 1;
    }
    int good = collect(downloads, pool);
    uint64_t took_ns = weir_now_ns() - begin_ns;
    weir_completion_free(downloads);
    weir_pool_free(pool);

    unsigned most = atomic_load_explicit(&most_under_way, memory_order_relaxed);
    printf("downloads: %d pages in %.0f ms with up to %u under way\n", good, (double)took_ns / 1e6,
           most);
    if (good != PAGES || most <= THREADS || most > THREADS + SPARES) {
        fprintf(stderr, "downloads: expected %d pages, %d to %d under way\n", PAGES, THREADS + 1,
                THREADS + SPARES);
        return 1;
    }
    return 0;
}
