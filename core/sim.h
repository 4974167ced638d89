/* sim - simulated providers as real HTTP servers on loopback, with faults on request.
 * SPDX-License-Identifier: MIT
 *
 * scripts/sim/init.lua decides what is answered (a plan: status, headers, timed pieces, how it
 * ends); sim.c plays the plan. Same seed and same request: same answer. */
#ifndef SIM_H
#define SIM_H

#include "err.h"

#include <event2/event.h>
#include <stdint.h>

struct sim;

struct sim_options {
    const char *listen;  /* "127.0.0.1:0" */
    const char *log;     /* a JSON line a request is appended there; NULL: none */
    const char *answers; /* JSONL of questions with known answers; NULL: the shipped one */
    const char *script;  /* JSONL of turns that a test has written; NULL: none */
    int64_t seed;        /* 1 */
    double pace;         /* factor on every delay; 0: no delays but those a fault asks for */
};

void sim_options_default(struct sim_options *o);
/* 'home' is the directory that holds scripts/. */
struct sim *sim_new(struct event_base *base, const char *home, const struct sim_options *o,
                    struct err *err);
const char *sim_address(const struct sim *s); /* "127.0.0.1:40123" */
void sim_free(struct sim *s);

#endif
