/* weir: a thread pool. This header brings all of it. */
#ifndef WEIR_H
#define WEIR_H

#define WEIR_VERSION_MAJOR 0
#define WEIR_VERSION_MINOR 1
#define WEIR_VERSION_PATCH 0
#define WEIR_VERSION       "0.1.0"

#include <weir/base.h>
#include <weir/completion.h>
#include <weir/future.h>
#include <weir/group.h>
#include <weir/parallel.h>
#include <weir/pool.h>
#include <weir/queue.h>
#include <weir/stats.h>
#include <weir/task.h>
#include <weir/timer.h>
#include <weir/token.h>
#include <weir/trace.h>

#endif
