/* stream - a call to a provider, as scripts hold it: ask it for its events, or let them flow to the
 * client. SPDX-License-Identifier: MIT */
#ifndef STREAM_H
#define STREAM_H

#include "wire.h"

#include <lua.h>

/* bind_wire.c: provider.wire, the wire at that index (raises when it is none), its metatable. */
int wire_new(lua_State *L);
const struct wire *wire_check(lua_State *L, int index);
void wire_open(lua_State *L);

/* Makes the metatables of calls and wires. Once a state. Raises. */
void stream_open(lua_State *L);

#endif
