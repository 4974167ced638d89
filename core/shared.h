/* shared - the handle to everything that the processes of one engine share.
 * SPDX-License-Identifier: MIT
 *
 * The master makes it before it starts workers (shared_new) and hands them the descriptor, from which each makes its
 * own handle (shared_attach). A command of one process makes one for itself. */
#ifndef SHARED_H
#define SHARED_H

#include "bandit.h"
#include "canary.h"
#include "claims.h"
#include "health.h"
#include "kv.h"
#include "metrics.h"
#include "shm.h"
#include "slots.h"

/* How much room each part gets; fixed for the life of the engine. */
struct shared_sizes {
    size_t kv_bytes; /* the scripts' shared state, all of it */
    size_t series;   /* of metrics */
};

struct shared {
    struct shm shm;
    struct worker_slot *slots;
    int n_slots;
    struct kv *kv;
    struct metrics *metrics;
    struct health *health;
    struct claims *claims;
    struct canary *canary;
    struct bandits *bandits;
};

void shared_sizes_default(struct shared_sizes *sizes);

/* Makes and formats all parts. Memory is taken from the system only as it is used. */
int shared_new(struct shared *s, const struct shared_sizes *sizes, struct err *err);
/* The same memory in another process; takes the descriptor over, also on failure. */
int shared_attach(struct shared *s, int fd, struct err *err);
/* This process's handle ends; zeroed memory is fine. */
void shared_free(struct shared *s);

#endif
