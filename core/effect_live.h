/* effect_live - the seam's live side: real clocks, real random numbers, real transfers, real files.
 * SPDX-License-Identifier: MIT */
#ifndef EFFECT_LIVE_H
#define EFFECT_LIVE_H

#include "cache.h"
#include "effect.h"
#include "shared.h"
#include "transfer.h"

/* Borrows all of them; they outlive the effect. */
struct effect *effect_live_new(struct event_base *base, struct transfers *transfers,
                               struct shared *shared, struct cache *cache, struct err *err);

#endif
