/* effect_live - the seam's live side: real clocks, real random numbers, real transfers, real files.
 * SPDX-License-Identifier: MIT */
#ifndef EFFECT_LIVE_H
#define EFFECT_LIVE_H

#include "effect.h"
#include "transfer.h"

/* Borrows both; they outlive the effect. */
struct effect *effect_live_new(struct event_base *base, struct transfers *transfers,
                               struct err *err);

#endif
