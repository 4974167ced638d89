/* threads - Lua threads of a generation, used again and again: a new one costs four times as much.
 * SPDX-License-Identifier: MIT */
#ifndef THREADS_H
#define THREADS_H

#include "generation.h"

/* A thread with an empty stack, anchored in the registry. -1 without memory. */
int threads_take(struct generation *g, lua_State **L, int *ref);

/* Gives it back. One that failed or was stopped in the middle is closed (its __close handlers run)
 * and dropped. */
void threads_give(struct generation *g, lua_State *L, int ref, bool clean);

/* Forgets one that went over a limit: nothing of it runs any more. Lua leaves hooks off in a thread
 * that died inside of one, so its __close handlers would have no limit. */
void threads_drop(struct generation *g, lua_State *L, int ref);

#endif
