/* lua_place - which line of a policy an error of the library is about.
 * SPDX-License-Identifier: MIT */
#include "lua_place.h"

#include "task.h"

#include <lauxlib.h>
#include <string.h>

enum { LEVELS_MAX = 100 }; /* of the library, on top of what called it */

static bool is_library(const lua_Debug *ar)
{
    return strncmp(ar->source, "@scripts/", 9) == 0;
}

/* The innermost line of 'thread', which runs or waits. */
static bool push_line(lua_State *L, lua_State *thread)
{
    lua_Debug ar;

    for (int level = 0; level < LEVELS_MAX && lua_getstack(thread, level, &ar); level++)
        if (lua_getinfo(thread, "Sl", &ar) && ar.currentline > 0 && !is_library(&ar)) {
            lua_pushfstring(L, "%s:%d: ", ar.short_src, ar.currentline);
            return true;
        }
    return false;
}

/* The function 'run' of the policy that the request has come to. */
static bool push_policy(lua_State *L, const struct ledger *l)
{
    int top = lua_gettop(L);
    lua_Debug ar;

    if (!l->policy[0])
        return false;
    generation_require(L, "policies");
    lua_pushlstring(L, l->policy, strcspn(l->policy, "@"));
    if (lua_gettable(L, -2) == LUA_TTABLE && lua_getfield(L, -1, "run") == LUA_TFUNCTION &&
        lua_getinfo(L, ">S", &ar) && ar.linedefined > 0 && !is_library(&ar)) {
        lua_settop(L, top);
        lua_pushfstring(L, "%s: in run (line %d): ", ar.short_src, ar.linedefined);
        return true;
    }
    lua_settop(L, top);
    return false;
}

static void push_place(lua_State *L)
{
    struct generation *g = generation_of(L);
    bool loading = g && guard_of(L) == &g->loading;
    const struct task *t = !g || loading ? NULL : task_of(L);

    luaL_checkstack(L, 12, NULL);
    if (push_line(L, L) || (loading && generation_push_return(L, g)))
        return;
    for (const struct task *up = t ? t->parent : NULL; up; up = up->parent)
        if (push_line(L, up->L))
            return;
    if (t && t->ledger && push_policy(L, t->ledger))
        return;
    if (t && t->ledger && t->ledger->script)
        lua_pushfstring(L, "%s: ", t->ledger->script);
    else
        lua_pushliteral(L, "");
}

int lua_place_error(lua_State *L, const char *format, ...)
{
    va_list args;

    luaL_checkstack(L, 4, NULL);
    push_place(L);
    va_start(args, format);
    lua_pushvfstring(L, format, args);
    va_end(args);
    lua_concat(L, 2);
    return lua_error(L);
}
