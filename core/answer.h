/* answer - the way back to the client, as scripts see it.
 * SPDX-License-Identifier: MIT */
#ifndef ANSWER_H
#define ANSWER_H

#include "sink.h"

#include <lua.h>

/* Makes the metatable. Once a state. Raises. */
void answer_open(lua_State *L);

/* Pushes an answer on the sink, which outlives the task. */
void answer_push(lua_State *L, struct sink *sink);

/* The sink of the answer at 'index'; raises when it is none or has ended. Marks it as begun. */
struct sink *answer_sink(lua_State *L, int index);

#endif
