/* A pool in forty lines, with a bug: see stress/README.md. */
#ifndef TUTORIAL_POOL_H
#define TUTORIAL_POOL_H

struct pool;

struct pool *pool_open(unsigned threads);
void pool_submit(struct pool *pool, void (*fn)(void *arg), void *arg);
void pool_wait(struct pool *pool); /* until every task has ended */
void pool_close(struct pool *pool);

#endif
