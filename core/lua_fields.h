/* lua_fields - is a table of options what it should be? One question, asked for every selector and every call.
 * SPDX-License-Identifier: MIT */
#ifndef LUA_FIELDS_H
#define LUA_FIELDS_H

#include <lua.h>

/* lua_CFunction: the module "fields": fields.fit(t, { name = "string", ... }) -> has t, a table or a view, no other
 * fields, and are they of the types named, or false? What is wrong with a table that does not fit is for the caller
 * to say. */
int luaopen_baton_fields(lua_State *L);

#endif
