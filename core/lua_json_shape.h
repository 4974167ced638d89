/* lua_json_shape - the metatables of JSON values: arrays, objects that know their order, exact
 * numbers. SPDX-License-Identifier: MIT
 *
 * For the lua_json_*.c files only. A shape is the metatable of decoded objects with the same keys
 * in the same order: the keys stand at 1..n. Marks are found by the address of a static, so no
 * script can forge one, and __metatable keeps scripts from getting at them. */
#ifndef LUA_JSON_SHAPE_H
#define LUA_JSON_SHAPE_H

#include "buf.h"

#include <lua.h>
#include <stdbool.h>
#include <stdint.h>

enum mark { MARK_NONE, MARK_ARRAY, MARK_OBJECT };

/* What the table at 'index' is marked as; its shape is pushed when that is MARK_OBJECT. Needs two
 * free slots. */
enum mark shape_mark(lua_State *L, int index);

/* Like shape_mark, pushes nothing; *foreign: it has a metatable that is none of ours. */
enum mark shape_peek(lua_State *L, int index, bool *foreign);

/* Sets the array metatable on the table at 'index'; or the shape without keys. Both raise on
 * memory. */
void shape_set_array(lua_State *L, int index);
void shape_set_empty(lua_State *L, int index);

/* Pushes the weak table from hashes of keys to shapes. Raises on memory. */
void shape_push_cache(lua_State *L);

/* Pushes a table to be filled with keys. Raises on memory. */
void shape_push_new(lua_State *L, int keys);

/* A table holds how many keys, of any type? */
lua_Integer shape_count(lua_State *L, int index);

/* ---- numbers ---- */

/* What a number of a document becomes in Lua. */
struct number {
    enum { NUMBER_INTEGER, NUMBER_FLOAT, NUMBER_EXACT } kind;
    int64_t integer;
    double number;
};

struct number number_of(struct span token);

/* Pushes a json.number of these digits, which must be a number of JSON. Raises on memory. */
void exact_push(lua_State *L, struct span digits);

/* The digits of the json.number at 'index'; p is NULL when it is none. */
struct span exact_digits(lua_State *L, int index);

#endif
