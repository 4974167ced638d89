/* admission - a call's way past its model's breaker, and what is told of it afterwards.
 * SPDX-License-Identifier: MIT
 *
 * Between the binding and the seam: whether a model may be called (health.h), which key is used, and one report at
 * the end of each call, into health and metrics. A call that nobody reports ends as nobody's fault. */
#ifndef ADMISSION_H
#define ADMISSION_H

#include "generation.h"
#include "task.h"

enum { ADMISSION_LABEL = 64 };

struct admission {
    struct runtime *rt; /* NULL: nothing is open */
    bool known;         /* the model is one of the catalogue */
    struct health_ticket ticket;
    char policy[METRIC_LABEL_BYTES + 1];
    /* where its end is told; set by the caller once the call runs; NULL: nobody wants to know */
    struct story *story;
    int64_t begun_us; /* the rest is only for that */
    bool stream;
    int retry;
    char label[ADMISSION_LABEL];
};

/* How a call ended. */
struct admission_end {
    enum health_outcome outcome;
    const char *code;             /* "ok" or err_name, for the metrics */
    double wait;                  /* as in health_result */
    double latency, ttft;         /* seconds; below 0: not known */
    double input, cached, output; /* tokens; cached are a part of input */
    double cost;                  /* USD */
    bool told;                    /* tokens and cost are known, */
    bool estimated;               /* as an estimate */
    int status;                   /* of the provider's answer; 0: none */
};

/* The model's rates, 0: none. -1 when it is not to be called now, with the reason. 'ledger' may be NULL. */
int admission_begin(struct admission *a, struct runtime *rt, const struct provider *p,
                    const char *model, double requests_per_minute, double tokens_per_minute,
                    bool known, const struct ledger *ledger, struct health_refusal *refusal);

/* Would it be admitted now? */
bool admission_ready(struct runtime *rt, const struct provider *p, const char *model,
                     double requests_per_minute, double tokens_per_minute);

/* The provider has begun to answer. */
void admission_proved(struct admission *a);

/* Once; does nothing when it was called before, or nothing was begun. */
void admission_end(struct admission *a, const struct admission_end *end);

/* Nobody's fault, nothing is known: the call was given up. */
void admission_give_up(struct admission *a);

#endif
