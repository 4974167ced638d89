/* health_table - where health keeps its entries: sets of eight places, each set with a lock.
 * SPDX-License-Identifier: MIT */
#ifndef HEALTH_TABLE_H
#define HEALTH_TABLE_H

#include "health.h"
#include "quantile.h"
#include "shm.h"

#include <stdatomic.h>

enum { WAYS = 8, MODEL_SETS = HEALTH_MODELS / WAYS, KEY_SETS = HEALTH_KEYS / WAYS, TALLIES = 10 };

/* A part of the window. */
struct tally {
    int64_t turn; /* which one; another: it is old */
    uint32_t calls, failures, retries;
};

struct bucket {
    double left;
    int64_t at_us; /* when it was filled up; 0: never, it is full */
};

struct model {
    char name[HEALTH_NAME_MAX + 1];
    int64_t used_us;
    enum health_state state;
    enum health_forced forced;
    bool listed;
    uint32_t failures; /* in a row */
    uint32_t probe_pid;
    uint64_t probe; /* the ticket that probes; 0: none */
    int64_t probe_until;
    int64_t open_until, benched_until;
    double cooldown; /* seconds; 0: not opened since it last closed */
    double tokens_per_minute;
    struct bucket requests, tokens;
    struct tally window[TALLIES];
    struct quantile latency, ttft;
};

struct key {
    uint64_t id; /* 0: free */
    char provider[64];
    uint32_t index;
    bool refused;
    double bench; /* seconds it was benched for when it was last refused; 0: it works */
    int64_t benched_until, used_us;
};

struct model_set {
    pthread_mutex_t lock;
    uint64_t hashes[WAYS]; /* 0: free */
    struct model items[WAYS];
};

struct key_set {
    pthread_mutex_t lock;
    struct key items[WAYS];
};

struct health {
    pthread_mutex_t lock; /* of bounds, while they are written */
    uint64_t salt;
    struct health_bounds bounds;
    _Atomic uint64_t numbers; /* of probes */
    _Atomic bool has_keys;    /* some key was benched once */
    struct model_set models[MODEL_SETS];
    struct key_set keys[KEY_SETS];
};

/* Copies as much of a name as fits, between characters; its hash, never 0. */
uint64_t name_copy(char out[HEALTH_NAME_MAX + 1], const char *name);

/* The set of that hash, locked, and repaired if its last owner died. */
struct model_set *models_lock(struct health *h, uint64_t hash);
void models_unlock(struct model_set *set);
struct model *models_find(struct model_set *set, const char *name, uint64_t hash);
/* Finds or makes; NULL when all places belong to forced ones. */
struct model *models_make(struct model_set *set, const char *name, uint64_t hash, int64_t now);

struct key_set *keys_lock(struct health *h, uint64_t id);
void keys_unlock(struct key_set *set);
struct key *keys_find(struct key_set *set, uint64_t id);
struct key *keys_make(struct health *h, struct key_set *set, uint64_t id, int64_t now);
bool keys_known(const struct health *h); /* is any key worth a look? */

uint64_t next_number(struct health *h); /* never 0, never the same */
bool process_lives(uint32_t pid);

#endif
