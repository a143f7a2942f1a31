/*
 * The recursion of bench/kernels.h for pools in C++. Join brings the idiom: Join::children(n, f)
 * computes f(0) … f(n-1), all but the last as tasks of the pool and the last itself, waits for the
 * tasks, and gives the sum.
 */
#ifndef WEIR_SUBJECTS_FORK_JOIN_HH
#define WEIR_SUBJECTS_FORK_JOIN_HH

#include <cerrno>
#include <cstdint>

#include "bench/kernels.h"

namespace fork_join {

template <class Join> uint64_t fib(unsigned n) {
    return n < 2 ? n : Join::children(2, [n](unsigned i) { return fib<Join>(n - 1 - i); });
}

template <class Join> uint64_t nqueens(const kernel_board &board) {
    if (kernel_board_is_leaf(&board)) {
        return kernel_board_count(&board);
    }
    uint32_t bits[KERNEL_CHILDREN_MAX];
    unsigned n = 0;
    for (uint32_t left = kernel_board_free(&board); left != 0; left &= left - 1) {
        bits[n++] = left & (0u - left);
    }
    return Join::children(n, [&board, &bits](unsigned i) {
        return nqueens<Join>(kernel_board_put(&board, bits[i]));
    });
}

template <class Join> uint64_t uts(const kernel_node &node) {
    return 1 + Join::children(node.children, [&node](unsigned i) {
               return uts<Join>(kernel_node_child(&node, i));
           });
}

template <class Join> uint64_t skynet(unsigned n, uint64_t first) {
    if (n == 0) {
        return first;
    }
    uint64_t stride = kernel_skynet_stride(n);
    return Join::children(KERNEL_SKYNET_CHILDREN, [n, first, stride](unsigned i) {
        return skynet<Join>(n - 1, first + i * stride);
    });
}

/* On a thread of the pool. 0, or -ENOTSUP. */
template <class Join> int run(const char *name, unsigned n, uint64_t *result) {
    switch (kernel_find(name)) {
    case KERNEL_FIB:
        *result = fib<Join>(n);
        return 0;
    case KERNEL_NQUEENS:
        *result = nqueens<Join>(kernel_board_empty(n));
        return 0;
    case KERNEL_UTS:
        *result = uts<Join>(kernel_node_root(n));
        return 0;
    case KERNEL_SKYNET:
        *result = skynet<Join>(n, 0);
        return 0;
    default:
        return -ENOTSUP;
    }
}

} // namespace fork_join

#endif
