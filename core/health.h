/* health - which models and keys may be called now: breakers, cooldowns, rates, live latency.
 * SPDX-License-Identifier: MIT
 *
 * One truth for all processes of an engine, in shared memory (SHM_HEALTH). Who wants to call a model asks first
 * (health_admit), and tells afterwards, exactly once, how it went (health_report). Who was at fault is decided by
 * the caller; this is the mechanism:
 *
 *   closed     calls pass. Enough failures in a row, or too high a share of the calls in the window, open it.
 *   open       calls are refused until the cooldown has passed.
 *   half open  one call of the whole machine is let through, the probe. Its success closes the breaker, its
 *              failure opens it for twice as long. A probe whose process died, or that takes longer than
 *              HEALTH_PROBE_S, makes room for another.
 *
 * Besides, a model or a key may be benched for a time; the longer of two waits counts. A provider's keys are tried
 * in their order; one that is benched is passed over. Models have token buckets for requests and tokens a minute,
 * full at first.
 *
 * Places are limited (HEALTH_MODELS, HEALTH_KEYS): who was used least recently makes room. An entry is made only by
 * what must be remembered, so names that never worked take no place. */
#ifndef HEALTH_H
#define HEALTH_H

#include "err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    HEALTH_MODELS = 1024,
    HEALTH_KEYS = 512,
    HEALTH_NAME_MAX = 191, /* bytes of a model's name; the rest is cut */
    HEALTH_PROBE_S = 60,
    HEALTH_BENCH_S = 5, /* where a provider did not say how long */
    HEALTH_BENCH_MAX_S = 3600,
    HEALTH_KEY_S = 60, /* of a key that was refused; doubled each time */
    HEALTH_KEY_MAX_S = 900
};

struct health;

/* When a breaker opens and for how long. */
struct health_bounds {
    int failures;                  /* in a row */
    double error_rate;             /* or so large a share (0..1) ... */
    int min_calls;                 /* ... of at least so many calls ... */
    double window;                 /* ... in so many seconds */
    double cooldown, max_cooldown; /* seconds: at first, at most */
    double retry_share; /* retries are at most so large a share of the window's calls ... */
    int min_retries;    /* ... and always so many */
};

enum health_state { HEALTH_CLOSED, HEALTH_HALF_OPEN, HEALTH_OPEN };
enum health_forced { FORCE_NONE, FORCE_OPEN, FORCE_CLOSED };

/* What becomes of an admitted call. */
enum health_outcome {
    HEALTH_NEUTRAL, /* nobody's fault, or nobody knows */
    HEALTH_OK,
    HEALTH_FAILED,      /* the model's fault */
    HEALTH_BENCH,       /* the model is to be left alone for a time */
    HEALTH_BENCH_KEY,   /* the key is (a quota of its own) */
    HEALTH_KEY_REFUSED, /* the key is not accepted */
    HEALTH_OUTCOMES
};

/* Who wants to be called. Borrowed. */
struct health_ask {
    const char *model;    /* "provider/model" */
    const uint64_t *keys; /* health_key_id of the provider's keys; NULL: it has none */
    size_t key_count;
    double requests_per_minute, tokens_per_minute; /* 0: no limit */
};

/* An admitted call. Plain data, kept by the caller until its report. */
struct health_ticket {
    char model[HEALTH_NAME_MAX + 1];
    uint64_t hash;
    uint64_t key;     /* 0: none */
    size_t key_index; /* which of the keys to use */
    uint64_t probe;   /* not 0: this is the half-open breaker's only call */
};

enum health_why {
    HEALTH_WHY_OPEN,    /* the breaker */
    HEALTH_WHY_PROBE,   /* it is half open, and its probe is under way */
    HEALTH_WHY_FORCED,  /* open by an operator's word; 'seconds' is 0 */
    HEALTH_WHY_BENCHED, /* the provider asked to wait */
    HEALTH_WHY_RATE,    /* our own limit */
    HEALTH_WHY_QUOTA,   /* all keys are benched */
    HEALTH_WHY_KEYS,    /* all keys are benched, one at least since it was refused */
    HEALTH_WHYS
};

struct health_refusal {
    enum health_why why;
    double seconds; /* until it is worth asking again */
};

struct health_result {
    enum health_outcome outcome;
    double wait;          /* HEALTH_BENCH, HEALTH_BENCH_KEY: seconds; <= 0: HEALTH_BENCH_S */
    double latency, ttft; /* seconds; below 0: not known. Kept of successes only */
    double tokens;        /* input and output, whatever the outcome */
    bool listed;          /* the model is one of the catalogue: no client made its name up */
};

enum health_change { HEALTH_SAME, HEALTH_OPENED, HEALTH_HAS_CLOSED };

/* p50, p95, p99 in seconds; below 0: nothing is known. */
struct health_quantiles {
    double p50, p95, p99;
};

/* What is known of a model. */
struct health_view {
    char model[HEALTH_NAME_MAX + 1];
    enum health_state
        state; /* what a call would find: open no longer when the cooldown has passed */
    enum health_forced forced;
    bool listed;       /* as health_result has it */
    int failures;      /* in a row */
    double calls;      /* in the window; neutral ones are not counted */
    double error_rate; /* of them; 0 without calls */
    double open_for;   /* seconds until it may be called, by its breaker or as it is benched */
    bool benched;      /* the provider asked to wait */
    double cooldown;   /* seconds the breaker was opened for, or would be next */
    struct health_quantiles latency, ttft;
};

struct health_key_view {
    char provider[64];
    int index;          /* of the provider's keys, from 1 */
    bool refused;       /* not accepted; else its quota is used up */
    double benched_for; /* seconds, 0: in use */
};

size_t health_size(void);
/* Once, by the process that made the memory, which is zeroed. 'salt' is random. */
void health_format(void *part, uint64_t salt);

void health_bounds_default(struct health_bounds *b);
/* What holds from now on, for all processes. */
void health_configure(struct health *h, const struct health_bounds *b);

/* Identifies a key without being one: it cannot be traced back to it. Never 0. */
uint64_t health_key_id(const struct health *h, const char *provider, size_t index, const char *key);

/* May it be called now? 0 with *ticket filled, or -1 with *refusal filled. With ticket NULL it only looks: nothing
 * is taken from a bucket and no probe begins. Times are microseconds of a clock that all processes share and that
 * never goes back. */
int health_admit(struct health *h, const struct health_ask *ask, int64_t now_us,
                 struct health_ticket *ticket, struct health_refusal *refusal);
/* Says in words why 'model' is not called: code unavailable, rate_limited or auth. Always returns -1. */
int health_explain(const char *model, const struct health_refusal *refusal, struct err *err);

/* How the call went: once for each ticket. */
enum health_change health_report(struct health *h, const struct health_ticket *ticket,
                                 const struct health_result *result, int64_t now_us);
/* The probe's provider has begun to answer: others need not wait for the end. Its ticket is no probe any more. */
enum health_change health_proved(struct health *h, struct health_ticket *ticket, int64_t now_us);

/* May a call that failed be made again? Counts it as one more retry when it may: so an outage does not multiply the
 * calls. */
bool health_retry(struct health *h, const char *model, int64_t now_us);

/* False when nothing is known of that model; the view is then that of a healthy one. */
bool health_look(struct health *h, const char *model, int64_t now_us, struct health_view *view);
/* All that is known, in no order. The functions are called without a lock held; NULL: not wanted. */
void health_each(struct health *h, int64_t now_us,
                 void (*model)(void *arg, const struct health_view *view),
                 void (*key)(void *arg, const struct health_key_view *view), void *arg);

/* An operator's word: open (no call passes), closed (breaker and benches are passed over), none (as it finds). It
 * stays until the next one, and nobody takes its place. -1 when there is no place left beside others that are
 * forced. */
int health_force(struct health *h, const char *model, enum health_forced forced, int64_t now_us);

const char *health_state_name(enum health_state state); /* "closed", "half_open", "open" */
const char *health_why_name(enum health_why why);       /* "open", "probe", "forced", ... */

#endif
