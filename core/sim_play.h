/* sim_play - plays one planned answer over time, and writes its line to the log.
 * SPDX-License-Identifier: MIT */
#ifndef SIM_PLAY_H
#define SIM_PLAY_H

#include "http.h"
#include "log.h"
#include "sim_log.h"

#include <event2/event.h>
#include <lua.h>

/* What every play needs; outlives them. */
struct sim_stage {
    struct event_base *base;
    lua_State *L; /* plain and trusted: it runs shipped scripts only, and none of a policy's */
    int server;   /* registry reference of what sim.new gave */
    struct sim_log *log; /* NULL: none is kept */
    struct log errors;   /* faults of the scripts */
};

/* Asks the scripts for a plan and carries it out; owns the exchange until its end. */
void sim_play(struct sim_stage *s, struct http_exchange *x);

#endif
