/* The bits of a token's state, which weir_cancelled reads. The protocol is told in token.c. */
#ifndef WEIR__TOKEN_H
#define WEIR__TOKEN_H

#include <weir/token.h>

enum {
    TOKEN_CANCELLED = 1,
    TOKEN_TIMED = 2, /* a deadline is in force */
};

#endif
