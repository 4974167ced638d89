/* stream - a call to a provider, as scripts hold it: ask it for its events, or let them flow to the
 * client. SPDX-License-Identifier: MIT */
#ifndef STREAM_H
#define STREAM_H

#include <lua.h>

/* Makes the metatables of calls and wires. Once a state. Raises. */
void stream_open(lua_State *L);

#endif
