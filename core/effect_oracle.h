/* effect_oracle - the seam where providers are recordings: a call to a model is answered with what it really answered.
 * SPDX-License-Identifier: MIT
 *
 * Nothing leaves the process. Time is virtual: it stands while scripts compute and jumps to what is due next. One row
 * is asked about at a time. */
#ifndef EFFECT_ORACLE_H
#define EFFECT_ORACLE_H

#include "effect.h"
#include "outcomes.h"

#include <event2/event.h>

/* Where the recorded models are said to be: "PROVIDER" and "/chat/completions" follow. */
#define EFFECT_ORACLE_URL "http://recorded.invalid/"

/* What was asked for in the row. */
struct oracle_calls {
    int calls, missing; /* of models; of models that the data do not have for the row */
    int reworded; /* calls with another prompt than the recorded one, which got the recorded answer */
    double cost;                /* USD, as recorded */
    bool unpriced;              /* the cost of some call is not known */
    int asked[OUTCOMES_MODELS]; /* how often each was */
};

/* Takes 'under' over, reads files as it does and uses its state; on failure it is the caller's. 'data' is borrowed.
 * 'seed': of what scripts draw. */
struct effect *effect_oracle_new(struct event_base *base, struct effect *under,
                                 const struct outcomes *data, uint64_t seed, struct err *err);
/* From now on it is about this row; counts begin anew. */
void effect_oracle_row(struct effect *e, size_t row);
const struct oracle_calls *effect_oracle_calls(const struct effect *e);

#endif
