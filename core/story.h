/* story - what a request tried, decided and paid, step by step, for those who want to know.
 * SPDX-License-Identifier: MIT
 *
 * A request has one only when somebody asked for it: the trace log, "baton ask --explain". Without it nothing here
 * costs more than a look at a pointer. Texts of prompts, answers and keys are never part of it. */
#ifndef STORY_H
#define STORY_H

#include "buf.h"

#include <stdint.h>

struct effect;
struct ledger;

struct story {
    struct effect *fx;
    int64_t started_us;    /* monotonic */
    struct buf attempts;   /* JSON objects with commas between them */
    int attempts_left_out; /* found no room */
    int notes_left_out;    /* of trace.decide and trace.note, the same */
    struct buf params;     /* a JSON object: what the policy's run was given; empty: not known */
    struct buf overridden; /* a JSON array: names of those that the caller set */
    char asked[160];       /* the model that the client named */
    uint64_t session;      /* a hash of the session's key; 0: none */
};

/* How one call to a model ended, or why it was not made. Texts are borrowed; NULL or "": not known. Numbers below 0 are
 * not known, either. */
struct story_attempt {
    const char *model; /* "provider/model" */
    /* "ok", "error", "cancelled" (nobody wanted it any more), "refused" (not made) */
    const char *outcome;
    const char *code;    /* an error's */
    const char *refused; /* why it was not made, in a word */
    const char *label;   /* the script's name for it */
    int retry;           /* 0: the first try */
    int status;          /* of the provider's answer; 0: none */
    bool stream;
    bool estimated;               /* tokens and cost */
    int64_t begun_us;             /* monotonic */
    double ttft, latency;         /* seconds */
    double input, cached, output; /* tokens */
    double cost;                  /* USD */
};

/* NULL without memory: then nothing is told. */
struct story *story_new(struct effect *fx);
void story_free(struct story *s); /* NULL is fine */

/* Milliseconds since the beginning. */
double story_ms(const struct story *s, int64_t us);

/* Appends members of a JSON object, without braces: policy, generation, params, overridden, decisions, notes, attempts,
 * what found no room, and totals. For a ledger without a story: nothing. */
void story_write(struct ledger *l, struct buf *out);

/* One more; one that finds no room is counted. */
void story_add(struct story *s, const struct story_attempt *a);

#endif
