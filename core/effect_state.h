/* effect_state - the part of the seam that reads and changes what outlives a request: kv, cache, bandits and health.
 * SPDX-License-Identifier: MIT
 *
 * The same for the live effect and for those of tests. */
#ifndef EFFECT_STATE_H
#define EFFECT_STATE_H

#include "cache.h"
#include "effect.h"
#include "shared.h"

/* Fills in the functions kv_*, cache_*, bandit_*, admit, report, proved and health; they use e's clocks. Borrows both, which outlive the effect. */
void effect_state_use(struct effect *e, struct shared *shared, struct cache *cache);

#endif
