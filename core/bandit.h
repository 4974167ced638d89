/* bandit - arms that scripts choose from by what they brought until now, in shared memory.
 * SPDX-License-Identifier: MIT
 *
 * A *bandit* has a name, a method, and a list of features; with another method or other features it is another bandit
 * of that name, so that two generations can serve side by side. Its *arms* are names. What was learned is kept for each arm
 * in each *bucket*, a name for a kind of context. Each choice gives the probability it was made with (its propensity).
 * A choice that is made under a trace is remembered, so that feedback for the trace finds it.
 *
 * All functions are atomic, whichever process calls them: one robust mutex guards the table, and an update that a
 * process's death cut in the middle is undone by the next one. Everything has a fixed size.
 *
 * Times are microseconds since 1970 and come from the caller. */
#ifndef BANDIT_H
#define BANDIT_H

#include "buf.h"
#include "err.h"
#include "linucb.h"
#include "thompson.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    BANDIT_NAME_MAX = 64,             /* bytes of a bandit's name */
    BANDIT_ARM_MAX = 96,              /* of an arm's */
    BANDIT_BUCKET_MAX = 64,           /* of a bucket's */
    BANDIT_FEATURE_MAX = 32,          /* of a feature's */
    BANDIT_BANDITS = 64,              /* on a machine */
    BANDIT_ARMS = THOMPSON_ARMS,      /* of a bandit */
    BANDIT_BUCKETS = 256,             /* of a bandit; what comes beyond is the bucket "(other)" */
    BANDIT_CELLS = 1024,              /* buckets of all bandits */
    BANDIT_FEATURES = LINUCB_DIM - 1, /* besides the constant 1 */
    BANDIT_DECISIONS = 65536,         /* that wait for feedback ... */
    BANDIT_DECISION_S = 86400,        /* ... for so many seconds */
    BANDIT_TRACE_MAX = 128,           /* bytes of a trace's id */
    BANDIT_TOLD = 16                  /* decisions of one trace */
};

#define BANDIT_OTHER         "(other)"
#define BANDIT_FEATURE_LIMIT 100.0 /* a feature's largest magnitude */

enum bandit_method { BANDIT_THOMPSON, BANDIT_LINUCB };

struct bandits;

/* A bandit as its script describes it. Borrowed. Lengths and numbers are checked by bandit_check. */
struct bandit_spec {
    struct span name;
    enum bandit_method method;
    int arms, features;
    struct span arm[BANDIT_ARMS], feature[BANDIT_FEATURES];
    double discount;         /* 0.5 to 1: what older observations weigh after each new one */
    double explore;          /* 0 to 1: the share that is spread evenly over the arms */
    double prior_a, prior_b; /* Thompson: 1 to 1000 */
    double alpha, ridge;     /* LinUCB: 0 to 100; above 0 to 1000 */
    double worth;            /* USD that a score of 1 is worth; 0: costs do not count */
};

/* Where it is used now. */
struct bandit_context {
    struct span bucket;        /* "" is one, too */
    double x[BANDIT_FEATURES]; /* in the spec's order */
    uint32_t among;            /* bit i: the spec's arm i may be chosen; not 0 */
    struct span trace;         /* "": no feedback is awaited */
};

struct bandit_choice {
    int arm;            /* of the spec's */
    double probability; /* with which it was chosen, of those that could be */
    uint64_t decision;  /* 0: not remembered */
};

/* What came of an arm. */
struct bandit_outcome {
    int arm; /* of the spec's */
    struct span bucket;
    double x[BANDIT_FEATURES];
    double score;      /* 0..1 */
    double cost;       /* USD */
    uint64_t decision; /* 0, or the one that needs no feedback any more */
};

/* Is it a bandit? ERR_BAD_REQUEST names the member and the limit. */
int bandit_check(const struct bandit_spec *spec, struct err *err);
/* What is learned of a score: itself, or with a worth the mean of it and of what is left of the worth after the cost, which
 * orders arms by score - cost / worth and stays in 0..1. */
double bandit_reward(double score, double cost, double worth);

size_t bandit_size(void);
/* Once, by the process that made the memory, which is zeroed. */
void bandit_format(void *part);

/* Chooses. 'random' gives 64 random bits. ERR_BUDGET: no room for another bandit or bucket. */
int bandit_choose(struct bandits *b, const struct bandit_spec *spec, const struct bandit_context *c,
                  uint64_t (*random)(void *arg), void *arg, int64_t now,
                  struct bandit_choice *choice, struct err *err);
/* Learns. 1; 0 when the bandit is frozen; -1 ERR_BUDGET as above. */
int bandit_learn(struct bandits *b, const struct bandit_spec *spec, const struct bandit_outcome *o,
                 int64_t now, struct err *err);

/* ---- feedback ---- */

struct bandit_told {
    char bandit[BANDIT_NAME_MAX + 1], arm[BANDIT_ARM_MAX + 1], bucket[BANDIT_BUCKET_MAX + 1];
    double probability, cost, reward;
    bool learned; /* false: frozen, or had this feedback already */
};

struct bandit_feedback {
    int decisions, learned;
    bool repeated; /* the same score had been given before: nothing was learned */
    struct bandit_told told[BANDIT_TOLD];
};

/* A score (0..1) for what was decided under the trace, by all bandits or the named one (name.p NULL: all). ERR_NOT_FOUND: no
 * such decision, or it is too old; ERR_INVALID_OUTPUT: it had another score already, and nothing was learned. */
int bandit_feedback(struct bandits *b, struct span trace, struct span name, double score,
                    int64_t now, struct bandit_feedback *f, struct err *err);
/* The choice came to nothing: no feedback is for it. */
void bandit_withdraw(struct bandits *b, uint64_t decision);
/* What the trace has cost; for its decisions that had no feedback yet. */
void bandit_spent(struct bandits *b, struct span trace, double usd);

/* ---- operators ---- */

/* Appends {"bandits":[...]}, all or those of that name: what is known of each arm in each bucket. -1 when 'out' is full. */
int bandit_look(struct bandits *b, struct span name, int64_t now, struct buf *out);
/* It chooses on and learns no more, or learns again. How many have that name. */
int bandit_freeze(struct bandits *b, struct span name, bool on);
/* Forgets all that was learned, and the decisions that wait; frozen ones stay frozen. How many had that name. */
int bandit_reset(struct bandits *b, struct span name);

/* ---- a file ---- */

/* Goes up with every change of what is saved. */
uint64_t bandit_changes(const struct bandits *b);
/* What was learned, as bytes for a file, with a checksum; decisions that wait are not in it. -1 when 'out' is full. */
int bandit_save(struct bandits *b, struct buf *out);
/* Puts it back into an empty table; all or nothing. -1 and *err when the bytes are none of bandit_save. */
int bandit_restore(struct bandits *b, struct span saved, struct err *err);

/* For tests: takes the lock and leaves an update of that bandit's first bucket half done, as a death would. */
void bandit_break(struct bandits *b);

#endif
