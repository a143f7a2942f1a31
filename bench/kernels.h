/*
 * Fork-join kernels: what every subject computes, and the serial parts that all of them share.
 *
 * A subject writes the recursion of each kernel in its own idiom (struct weir_subject.kernel), so
 * that inlined spawns stay inlined; what is not recursion is here, linked into every subject. The
 * rule of spawning is the same for all: of the k children of a node, k - 1 are spawned and the
 * parent runs the last itself, then joins. The answers are known, and checked.
 *
 *   fib      fib(n) = fib(n-1) + fib(n-2), down to n < 2: nothing but spawns
 *   nqueens  solutions of n queens on n rows; the last KERNEL_QUEENS_LEAF rows are serial
 *   uts      nodes of an unbalanced random tree: n subtrees of 25 nodes on average, most of 1,
 *            few of thousands; each node costs about 50 ns
 *   skynet   10^n leaves, ten children a node, each leaf answers its own number; the sum
 */
#ifndef WEIR_BENCH_KERNELS_H
#define WEIR_BENCH_KERNELS_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum kernel {
    KERNEL_FIB,
    KERNEL_NQUEENS,
    KERNEL_UTS,
    KERNEL_SKYNET,
    KERNEL_UNKNOWN,
};

/* No node of any kernel has more children. */
#define KERNEL_CHILDREN_MAX 32

enum kernel kernel_find(const char *name);   /* KERNEL_UNKNOWN for any other name */
unsigned kernel_largest(enum kernel kernel); /* n beyond this is refused */

/* What the whole kernel takes without any pool: answer, and spawns by the rule above. Never
 * inlined into a caller. */
struct kernel_serial {
    uint64_t answer;
    uint64_t spawns;
};
struct kernel_serial kernel_run_serial(enum kernel kernel, unsigned n);
/* The answer alone, as fast as one thread finds it: the baseline of speed-up. */
uint64_t kernel_run_baseline(enum kernel kernel, unsigned n);

/* ---- nqueens -------------------------------------------------------------------------------- */

#define KERNEL_QUEENS_LEAF 7u /* rows left that are counted serially: some microseconds */

struct kernel_board {
    uint32_t rows_left;
    uint32_t all; /* a bit a column */
    uint32_t columns;
    uint32_t rising;
    uint32_t falling;
};

static inline struct kernel_board kernel_board_empty(unsigned n) {
    struct kernel_board board = {n, (uint32_t)((UINT64_C(1) << n) - 1), 0, 0, 0};
    return board;
}

static inline bool kernel_board_is_leaf(const struct kernel_board *board) {
    return board->rows_left <= KERNEL_QUEENS_LEAF;
}

/* Columns where the next row's queen may stand: a child for each bit. */
static inline uint32_t kernel_board_free(const struct kernel_board *board) {
    return board->all & ~(board->columns | board->rising | board->falling);
}

static inline struct kernel_board kernel_board_put(const struct kernel_board *board, uint32_t bit) {
    struct kernel_board next = {board->rows_left - 1, board->all, board->columns | bit,
                                (board->rising | bit) << 1, (board->falling | bit) >> 1};
    return next;
}

/* Solutions from here on, serially: the shared leaf. */
uint64_t kernel_board_count(const struct kernel_board *board);

/* ---- uts ------------------------------------------------------------------------------------ */

#define KERNEL_UTS_CHILDREN 8u /* at most */

struct kernel_node {
    uint64_t state;
    uint32_t trunk; /* subtrees that hang below; 0: a node of a subtree */
    uint32_t children;
};

struct kernel_node kernel_node_root(unsigned n);
struct kernel_node kernel_node_child(const struct kernel_node *node, unsigned index);

/* ---- skynet --------------------------------------------------------------------------------- */

#define KERNEL_SKYNET_CHILDREN 10u

/* Leaves below one child of a node of height n: 10^(n-1). */
static inline uint64_t kernel_skynet_stride(unsigned n) {
    uint64_t stride = 1;
    while (n-- > 1) {
        stride *= KERNEL_SKYNET_CHILDREN;
    }
    return stride;
}

#ifdef __cplusplus
}
#endif
#endif
