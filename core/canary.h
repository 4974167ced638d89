/* canary - a new generation gets a share of the requests and is compared with the one before.
 * SPDX-License-Identifier: MIT
 *
 * Workers only count up, with atomic additions, in memory that all processes share: nothing can be
 * left half done by one that dies. The master looks once a second, keeps what it saw, and compares
 * the two over the last 'window' seconds. No clock of its own: times are microseconds that never go
 * back, of one clock for all calls. */
#ifndef CANARY_H
#define CANARY_H

#include "buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CANARY_WHY = 256 };

/* What the new one may do worse, and when it has shown enough. */
struct canary_bounds {
    double window_s;        /* of both, compared                       300 */
    double min_requests;    /* of each in the window, before it counts  50 */
    double error_rate;      /* so much more than the base               0.05 */
    double latency;         /* times the base's 95th percentile (+ 10 ms) 1.5; 0: not looked at */
    double cost;            /* times the base's mean per request        1.5; 0: not looked at */
    double promote_after_s; /* without a fault                          600; 0: never by itself */
};

enum canary_role { CANARY_BASE, CANARY_NEW };
enum canary_verdict { CANARY_GO_ON, CANARY_ROLL_BACK, CANARY_PROMOTE };

struct canary;

void canary_bounds_default(struct canary_bounds *b);

/* The part of the shared memory: its size in bytes; made ready once, by the master, in memory that
 * is all zero. */
size_t canary_size(void);
void canary_format(void *part, size_t size);

/* A new comparison of the generations with these serial numbers (not 0). Master only, as is
 * canary_stop, after which nothing is counted. */
void canary_start(struct canary *c, uint64_t base, uint64_t new_one, int64_t now_us);
void canary_stop(struct canary *c);

/* A request of that generation has ended: was it answered, how long did it take, what did it cost
 * (USD). Of a generation that is not compared nothing is counted. Workers; any number at once. */
void canary_note(struct canary *c, uint64_t serial, bool ok, double seconds, double cost);

/* Shall the request with this key (an API key, a user, a session) go to the new one? The same
 * answer for the same key and salt; who is in with a small share is in with a larger one. */
bool canary_pick(struct span key, uint64_t salt, double share);

/* Looks: once a second, by the master. 'why' says it for the operator; empty for CANARY_GO_ON. */
enum canary_verdict canary_judge(struct canary *c, const struct canary_bounds *b, int64_t now_us,
                                 char why[CANARY_WHY]);

/* What canary_judge saw last of one of the two, over the window. */
struct canary_view {
    uint64_t requests, errors;
    double error_rate;
    double p95_s; /* seconds; 0 without requests */
    double cost;  /* USD per request, mean */
    double for_s; /* since canary_start */
};
void canary_look(const struct canary *c, enum canary_role role, struct canary_view *out);

#endif
