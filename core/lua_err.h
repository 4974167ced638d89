/* lua_err - errors as scripts see them: a table with code, message, retryable and what else is
 * known. SPDX-License-Identifier: MIT */
#ifndef LUA_ERR_H
#define LUA_ERR_H

#include "err.h"

#include <lua.h>
#include <stdbool.h>

/* Makes the metatable ('tostring(err)' is "code: message"). Once a state. Raises. */
void lua_err_open(lua_State *L);

/* Pushes { code =, message =, retryable = }. Raises on memory. */
void lua_err_push(lua_State *L, const struct err *err);

/* Makes the table on top of the stack (fields of an err that was written down) an error again. Raises on memory. */
void lua_err_adopt(lua_State *L);
/* Is the value at 'index' one? */
bool lua_err_is(lua_State *L, int index);

/* nil, err: what a function that scripts call returns on an expected failure. */
int lua_err_fail(lua_State *L, const struct err *err);

/* Reads the error value at 'index' (an err table, or what was raised) into *err, running no script.
 */
void lua_err_read(lua_State *L, int index, struct err *err);

/* Would the same call have a chance if it were made again? */
bool lua_err_retryable(enum err_code code);

/* lua_CFunction: the module "errors": errors.new{ code =, message =, ... } -> err (retryable is
 * filled in); errors.raise(message), see lua_place.h. */
int luaopen_baton_errors(lua_State *L);

#endif
