/* bandit_private - what the files of bandit share.
 * SPDX-License-Identifier: MIT
 *
 * bandit.c            bandits, arms, buckets; the lock and what a death leaves
 * bandit_choose.c     from what is known to a choice, and from a score to what is known
 * bandit_decision.c   choices that wait for feedback
 * bandit_view.c       what operators see
 * bandit_file.c       what survives a restart
 *
 * All functions need the lock, which bandit_lock takes. */
#ifndef BANDIT_PRIVATE_H
#define BANDIT_PRIVATE_H

#include "bandit.h"
#include "hash.h"
#include "shm.h"

enum { DIM = LINUCB_DIM };

/* What is known of an arm in a bucket. 'wins' and 'losses' weigh as they did at the bucket's update 'tick'. */
struct arm_state {
    uint64_t chosen, learned, tick;
    double total; /* of scores as they were learned, without discount */
    double wins, losses;
};

/* A bucket of a bandit. */
struct cell {
    uint16_t owner; /* the bandit's place + 1; 0: free */
    uint64_t tick;  /* updates so far */
    char bucket[BANDIT_BUCKET_MAX + 1];
    struct arm_state arms[BANDIT_ARMS];
};

struct cell_linear {
    struct linucb arms[BANDIT_ARMS];
};

struct arm_name {
    uint64_t hash; /* 0: free */
    uint32_t serial;
    int64_t used;
    char name[BANDIT_ARM_MAX + 1];
};

struct entry {
    uint64_t hash;   /* of name, method and features; 0: free */
    uint64_t serial; /* another one after each reset */
    int64_t used;
    bool frozen;
    enum bandit_method method;
    int features;
    char name[BANDIT_NAME_MAX + 1];
    char feature[BANDIT_FEATURES][BANDIT_FEATURE_MAX + 1];
    double discount, explore, prior_a, prior_b, alpha, ridge, worth; /* as last used */
    struct arm_name arms[BANDIT_ARMS];
};

struct decision {
    uint64_t trace[2], id; /* id 0: none */
    uint64_t serial;       /* of the bandit */
    int64_t at;
    uint32_t next; /* in its list: place + 1 */
    uint32_t arm_serial;
    uint16_t entry, cell;
    uint8_t arm;
    bool answered;
    float x[BANDIT_FEATURES];
    double probability, discount, worth, cost, score;
};

/* The arm under change as it was before. */
struct undo {
    uint32_t valid;
    uint32_t cell, arm;
    uint64_t tick;
    struct arm_state state;
    struct linucb linear;
};

struct bandits {
    pthread_mutex_t lock;
    struct hash_key key, key2;
    uint64_t serials, decided; /* given so far */
    uint64_t changes;
    struct undo undo;
    struct entry entries[BANDIT_BANDITS];
    uint64_t cell_hash[BANDIT_CELLS]; /* of owner and name; 0: free */
    struct cell cells[BANDIT_CELLS];
    struct cell_linear linear[BANDIT_CELLS]; /* touched for LinUCB only */
    uint32_t lists[BANDIT_DECISIONS];        /* place + 1 of the newest decision */
    struct decision decisions[BANDIT_DECISIONS];
};

/* bandit.c */
void bandit_lock(struct bandits *b);
void bandit_unlock(struct bandits *b);
void bandit_note_change(struct bandits *b);
struct entry *bandit_entry(struct bandits *b, const struct bandit_spec *spec, int64_t now,
                           struct err *err);
struct cell *bandit_cell(struct bandits *b, const struct entry *e, struct span bucket,
                         struct err *err);
/* The places of the spec's arms; those that have none get one, of an arm that was unused for longest. */
void bandit_arms(struct bandits *b, struct entry *e, const struct bandit_spec *spec, int64_t now,
                 int *places);
struct linucb *bandit_linear(struct bandits *b, const struct cell *c, int arm);
int bandit_index(const struct bandits *b, const struct entry *e);
int bandit_cell_index(const struct bandits *b, const struct cell *c);
static inline struct span span_of(const char *text)
{
    return (struct span){text, __builtin_strlen(text)};
}

/* Is that cell a bucket of this bandit's? Looks at cells that are in use only: memory is taken from the system as it is
 * touched. */
static inline bool bandit_owns(const struct bandits *b, const struct entry *e, int cell)
{
    return b->cell_hash[cell] && b->cells[cell].owner == e - b->entries + 1;
}

/* bandit_choose.c: an observation of that arm; x with its leading 1, of LinUCB only. */
void bandit_observe(struct bandits *b, const struct entry *e, struct cell *c, int arm,
                    const double *x, double discount, double score, double reward);
double bandit_decay(const struct cell *c, int arm, double discount);
void bandit_undo(struct bandits *b);

/* bandit_decision.c */
uint64_t decision_add(struct bandits *b, const struct decision *d, struct span trace);
void decision_close(struct bandits *b, uint64_t id);
void decision_repair(struct bandits *b);
void decision_count(struct bandits *b, int64_t now, int *waiting); /* by the bandits' places */

#endif
