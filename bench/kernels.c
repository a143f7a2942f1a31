#include "bench/kernels.h"

#include <string.h>

#ifdef __clang__
#define SERIAL __attribute__((noinline))
#else
#define SERIAL __attribute__((noinline, noclone))
#endif

/* uts: a node of a subtree has eight children with probability 0.12, else none, so that a subtree
 * has 1 / (1 - 8 * 0.12) = 25 nodes on average and a heavy tail. */
#define UTS_PROBABILITY 0.12
#define UTS_ROUNDS      24u /* of the hash: what a node costs */
#define UTS_SEED        UINT64_C(0x77656972)

static const struct {
    const char *name;
    unsigned largest;
} kernels[] = {
    [KERNEL_FIB] = {"fib", 50},
    [KERNEL_NQUEENS] = {"nqueens", 18},
    [KERNEL_UTS] = {"uts", 1u << 20},
    [KERNEL_SKYNET] = {"skynet", 8},
};

enum kernel kernel_find(const char *name) {
    for (unsigned i = 0; i < KERNEL_UNKNOWN; i++) {
        if (strcmp(kernels[i].name, name) == 0) {
            return (enum kernel)i;
        }
    }
    return KERNEL_UNKNOWN;
}

unsigned kernel_largest(enum kernel kernel) {
    return kernel < KERNEL_UNKNOWN ? kernels[kernel].largest : 0;
}

/* ---- Shared leaves -------------------------------------------------------------------------- */

SERIAL uint64_t kernel_board_count(const struct kernel_board *board) {
    if (board->rows_left == 0) {
        return 1;
    }
    uint64_t solutions = 0;
    for (uint32_t left = kernel_board_free(board); left != 0; left &= left - 1) {
        struct kernel_board next = kernel_board_put(board, left & (0u - left));
        solutions += kernel_board_count(&next);
    }
    return solutions;
}

static uint64_t hash(uint64_t x) {
    for (unsigned i = 0; i < UTS_ROUNDS; i++) {
        x ^= x >> 32;
        x *= UINT64_C(0xd6e8feb86659fd93);
    }
    return x ^ (x >> 32);
}

static uint32_t trunk_fork(uint32_t trunk) {
    return trunk < KERNEL_UTS_CHILDREN ? trunk : KERNEL_UTS_CHILDREN;
}

SERIAL struct kernel_node kernel_node_root(unsigned n) {
    return (struct kernel_node){.state = UTS_SEED, .trunk = n, .children = trunk_fork(n)};
}

/* The subtrees hang on a trunk that forks evenly, so that no node has n children. */
SERIAL struct kernel_node kernel_node_child(const struct kernel_node *node, unsigned index) {
    struct kernel_node child = {.state = hash(node->state + index + 1)};
    if (node->trunk > 1) {
        child.trunk = node->trunk / node->children + (index < node->trunk % node->children);
        child.children = trunk_fork(child.trunk);
    }
    if (child.trunk <= 1) {
        child.trunk = 0;
        child.children =
            (double)(child.state >> 11) * 0x1p-53 < UTS_PROBABILITY ? KERNEL_UTS_CHILDREN : 0;
    }
    return child;
}

/* ---- Serial: the answer and what would be spawned ------------------------------------------- */

static SERIAL uint64_t fib(unsigned n) {
    return n < 2 ? n : fib(n - 1) + fib(n - 2);
}

static SERIAL uint64_t uts(struct kernel_node node) {
    uint64_t nodes = 1;
    for (unsigned i = 0; i < node.children; i++) {
        nodes += uts(kernel_node_child(&node, i));
    }
    return nodes;
}

static SERIAL uint64_t skynet(unsigned n, uint64_t first) {
    if (n == 0) {
        return first;
    }
    uint64_t sum = 0;
    uint64_t stride = kernel_skynet_stride(n);
    for (unsigned i = 0; i < KERNEL_SKYNET_CHILDREN; i++) {
        sum += skynet(n - 1, first + i * stride);
    }
    return sum;
}

static uint64_t fib_spawns(unsigned n) {
    uint64_t spawns = 0; /* of n = 1 and below */
    uint64_t before = 0;
    for (unsigned i = 2; i <= n; i++) {
        uint64_t next = spawns + before + 1;
        before = spawns;
        spawns = next;
    }
    return spawns;
}

static uint64_t queens_spawns(const struct kernel_board *board) {
    uint32_t left = kernel_board_free(board);
    if (kernel_board_is_leaf(board) || left == 0) {
        return 0;
    }
    uint64_t spawns = (uint64_t)__builtin_popcount(left) - 1;
    for (; left != 0; left &= left - 1) {
        struct kernel_board next = kernel_board_put(board, left & (0u - left));
        spawns += queens_spawns(&next);
    }
    return spawns;
}

static uint64_t uts_spawns(struct kernel_node node) {
    uint64_t spawns = node.children > 0 ? node.children - 1 : 0;
    for (unsigned i = 0; i < node.children; i++) {
        spawns += uts_spawns(kernel_node_child(&node, i));
    }
    return spawns;
}

static uint64_t skynet_spawns(unsigned n) {
    uint64_t inner = 0;
    for (unsigned height = 0; height < n; height++) {
        inner = inner * KERNEL_SKYNET_CHILDREN + 1;
    }
    return inner * (KERNEL_SKYNET_CHILDREN - 1);
}

SERIAL uint64_t kernel_run_baseline(enum kernel kernel, unsigned n) {
    struct kernel_board board;
    switch (kernel) {
    case KERNEL_FIB:
        return fib(n);
    case KERNEL_NQUEENS:
        board = kernel_board_empty(n);
        return kernel_board_count(&board);
    case KERNEL_UTS:
        return uts(kernel_node_root(n));
    case KERNEL_SKYNET:
        return skynet(n, 0);
    default:
        return 0;
    }
}

struct kernel_serial kernel_run_serial(enum kernel kernel, unsigned n) {
    struct kernel_serial serial = {.answer = kernel_run_baseline(kernel, n)};
    struct kernel_board board = kernel_board_empty(n > 31 ? 31 : n);
    serial.spawns = kernel == KERNEL_FIB       ? fib_spawns(n)
                    : kernel == KERNEL_NQUEENS ? queens_spawns(&board)
                    : kernel == KERNEL_UTS     ? uts_spawns(kernel_node_root(n))
                    : kernel == KERNEL_SKYNET  ? skynet_spawns(n)
                                               : 0;
    return serial;
}
