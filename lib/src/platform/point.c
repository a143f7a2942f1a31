#include "platform/point.h"

#ifdef WEIR_STRESS
_Atomic(weir__point_hook) weir__point;
#else
/* ISO C forbids an empty translation unit. */
typedef int weir__no_points;
#endif
