/*
 * The field: who is measured when the user names nobody. All is every configuration that is there;
 * main is weir and the five rivals that tell most about it on this machine.
 */
#ifndef WEIR_CAMPAIGN_FIELD_H
#define WEIR_CAMPAIGN_FIELD_H

#include "bench/campaign/story.h"

#define FIELD_RIVALS 5

/* All variants of all subjects that are there. The caller frees items. */
struct choices field_all(const struct subject_list *subjects);
/* weir's variants and the first FIELD_RIVALS of an order of preference that are there. */
struct choices field_main(const struct subject_list *subjects);

#endif
