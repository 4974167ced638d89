/* claims - which turn of a timer was taken, so that one worker of the machine runs it.
 * SPDX-License-Identifier: MIT
 *
 * A timer is known by an id that is the same in all workers; its turns count up. Every worker wakes for every turn and
 * tries to take it: the first one gets it, so a worker that died is missed by nobody. A turn is not given out while
 * the one before still runs in a process that lives. */
#ifndef CLAIMS_H
#define CLAIMS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum {
    CLAIMS_MAX = 4096
}; /* timers known at once; beyond, the one unused for the longest time is forgotten */

enum claim {
    CLAIM_MINE,  /* run it, then claims_end */
    CLAIM_TAKEN, /* another one has, or had, this turn */
    CLAIM_BUSY   /* the turn before still runs */
};

struct claims;

size_t claims_size(void);
/* Makes an empty table of zeroed memory of that size. Once, before anybody uses it. */
void claims_format(void *part);

/* When the timer began, the same answer for all: 'now' (microseconds that never go back) for who asks first. */
int64_t claims_base(struct claims *c, uint64_t id, int64_t now);
/* Takes a turn (1, 2, ...: only later ones than the last that was taken) for the process 'pid'. */
enum claim claims_take(struct claims *c, uint64_t id, uint64_t turn, pid_t pid, int64_t now);
/* The turn has been run. */
void claims_end(struct claims *c, uint64_t id, pid_t pid);

#endif
