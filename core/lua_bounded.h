/* lua_bounded - the string and table libraries, with a bound on what runs inside C.
 * SPDX-License-Identifier: MIT
 *
 * The sandbox's instruction hook is blind inside C, so a pattern on hostile text, a sort with a
 * lying order function or a table.move over 2^40 elements would hold the worker for ever. These
 * libraries behave as the manual of Lua 5.4 says, and count steps:
 *
 *   one step    one attempt to match one character, one table element read or moved, one
 *               comparison, or STEP_BYTES bytes copied or scanned: some nanoseconds, about one
 *               instruction of Lua
 *   a call      may take at most its own ceiling (below) and raises past it
 *   all calls   are charged to the function given to lua_bounded_use(), which knows the budget
 *
 * Different from the standard libraries, on purpose: string.dump is absent. string.rep, string.gsub
 * and table.concat make at most STRING_MAX bytes; table.unpack gives at most UNPACK_MAX values.
 * table.sort is stable and goes the same way in every process (the standard one draws its pivots
 * from the clock); it sorts a snapshot, so an error in the order function leaves the table as it
 * was, and an order that makes no sense ends in some order instead of an error. As in the standard
 * libraries, an order function and a replacement function cannot yield: no llm.chat inside them. */
#ifndef LUA_BOUNDED_H
#define LUA_BOUNDED_H

#include <lua.h>
#include <stdbool.h>
#include <stddef.h>

enum {
    STEP_BYTES = 64,               /* bytes copied or scanned in one step */
    STRING_MAX = 64 * 1024 * 1024, /* bytes that rep, gsub or concat may make */
    UNPACK_MAX = 100000,           /* values that unpack may return */
    MATCH_STEPS = 1000000,         /* steps of one match, and besides */
    MATCH_STEPS_PER_BYTE = 16,     /* so many for each byte of the text */
    TABLE_STEPS = 20000000,        /* steps of one call of a table function */
    STRING_STEPS = TABLE_STEPS     /* steps of one call of any other string function */
};

/* Takes n steps from the budget of the running task. False: it is used up; the caller raises.
 * It must not raise itself; it may arm a hook, so that pcall cannot swallow the error. */
typedef bool steps_spend(lua_State *L, long n);

/* All calls in this state are charged to 'spend' from now on; NULL (the start): to nobody. May
 * raise on memory. */
void lua_bounded_use(lua_State *L, steps_spend *spend);

/* lua_CFunctions: push the library. The one for strings also becomes the metatable of strings. */
int luaopen_bounded_string(lua_State *L);
int luaopen_bounded_table(lua_State *L);

/* --- for the libraries, and for other C functions that can run long -----------------------------
 */

/* The steps of one call. They are charged in portions; steps_end() charges the rest. */
struct steps {
    lua_State *L;
    steps_spend *spend; /* NULL: nobody is charged */
    long left;          /* of the portion in hand; below 0: ask */
    long portion;       /* its size */
    long taken;         /* in the portions before */
    long limit;         /* the ceiling of this call */
};

/* Raises nothing. lua_bounded_steps() finds the spender in the registry. */
void lua_bounded_steps(lua_State *L, struct steps *s, long limit);
bool steps_ask(struct steps *s); /* the slow half of steps_take */
bool steps_end(struct steps *s); /* false: over budget */

/* Takes n >= 0 steps; false when the call or the task has none left. */
static inline bool steps_take(struct steps *s, long n)
{
    s->left -= n;
    return s->left >= 0 || steps_ask(s);
}

/* Raises "WHAT took too many steps (limit N)", or that the task's budget is used up. */
int lua_bounded_over(lua_State *L, const struct steps *s, const char *what);

/* Takes n steps at once for a call of WHAT, or raises. */
void lua_bounded_charge(lua_State *L, size_t n, const char *what);

/* Lets library[name], for each name, charge the strings and the values it returns: for what is linear in its result.
 * 'library' is on the top. */
void lua_bounded_wrap(lua_State *L, const char *const names[]);

#endif
