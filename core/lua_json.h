/* lua_json - Lua values to JSON and back, without loss, keys in a stable order.
 * SPDX-License-Identifier: MIT
 *
 * Decoding:
 *   object   a table whose metatable remembers the order of its keys (one shared metatable a shape,
 *            kept weakly; protected). Keys added later come after, sorted.
 *   array    a table with the array metatable, so [] stays [].
 *   integer  a Lua integer where 64 bits hold it; -0 is the float -0.0.
 *   number   a float, where 17 digits tell it all; otherwise (a larger integer, more digits,
 *            1e999) a json.number, a userdata that keeps the digits: tostring() gives them,
 *            arithmetic and comparison work on the nearest float, encoding writes the digits back.
 *   null     lightuserdata NULL, the same value as cjson.null.
 *
 * Encoding: a table is an array when it has the array metatable or is a non-empty sequence 1..n
 * without other keys; {} is an object. Keys of objects must be strings. NaN, infinities, functions,
 * cycles, a depth past JSON_DEPTH_MAX and strings of invalid UTF-8 are refused with the path to the
 * place ("messages[2].content: ..."). */
#ifndef LUA_JSON_H
#define LUA_JSON_H

#include "buf.h"
#include "err.h"

#include <lua.h>
#include <stdbool.h>

enum { LUA_JSON_TEXT_MAX = 64 * 1024 * 1024 }; /* bytes that json.encode may make */

/* Pushes the decoded value. Raises "invalid JSON: line 1, column 2: ..." on bad input, and on
 * memory. */
void lua_json_push(lua_State *L, struct span doc);

/* As lua_json_push, but returns -1 with *err and nothing pushed on bad input. */
int lua_json_decode(lua_State *L, struct span doc, struct err *err);

/* Appends the value at 'index' to 'out'. -1, with nothing appended and *err filled: code
 * ERR_BAD_REQUEST when it cannot be written, ERR_BUDGET when out is full. Runs no Lua code (no
 * metamethods). May raise only on memory. */
int lua_json_encode(lua_State *L, int index, struct buf *out, struct err *err);

/* Does the value at 'index' still say what 'doc' says, in every member, order of array elements and
 * number (1 and 1.0 differ), whatever the spelling? Used to find out whether a script has changed
 * what it read. Cheaper than encoding; runs no Lua code. Allocates only for tables whose keys are
 * not in the document's order; raises on memory. An object with a key twice is never the same
 * (false costs a re-encoding, which writes the key once). */
bool lua_json_same(lua_State *L, int index, struct span doc);

/* Pushes the keys that the decoded object at 'index' has of its document, in their order, as a
 * sequence of strings; keys that were added later are not among them. False, and nothing pushed,
 * when it is no decoded object. Raises on memory. */
bool lua_json_push_keys(lua_State *L, int index);

/* Is the table at 'index' marked as an array or an object of JSON? Pushes nothing. */
bool lua_json_is_decoded(lua_State *L, int index);

/* lua_CFunction: the module "json" for require:
 *   json.decode(text) -> value | nil, err
 *   json.encode(value) -> text                raises on what JSON cannot hold
 *   json.array(t?) -> t marked as an array    raises for a table that has another metatable
 *   json.object(t?) -> t marked as an object  likewise
 *   json.is_array(v) -> boolean               is it one for json.encode?
 *   json.null
 *   json.number(digits) -> exact number
 *   json.find(text, path) -> JSON text of a member | nil | nil, err
 *   json.same(value, text) -> does the value still say what the JSON text says (see lua_json_same)?
 * An exact number is equal (==) only to another one, since Lua asks no metamethod for userdata and
 * number; 'n + 0 == 1.5' compares. */
int luaopen_baton_json(lua_State *L);

#endif
