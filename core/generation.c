/* generation - one loaded set of scripts and policies: a Lua state, its limits, its tasks.
 * SPDX-License-Identifier: MIT */
#include "generation_parts.h"

#include "lua_err.h"
#include "lua_strict.h"
#include "lua_view.h"
#include "modules.h"
#include "sandbox.h"

#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    BURY_US = 200,   /* of one step of an end */
    BURY_STEP = 9,   /* the collector's step: 512 bytes' worth, some 10 us */
    BURY_CYCLES = 3, /* finalizers run after the first; what they held goes in the next */
    BURY_CLOSE = 1 + BURY_CYCLES
};

const char generation_self_key = 0, generation_chunks_key = 0, generation_loaded_key = 0;

struct generation *generation_of(lua_State *L)
{
    lua_rawgetp(L, LUA_REGISTRYINDEX, &generation_self_key);
    struct generation *g = lua_touserdata(L, -1);
    lua_pop(L, 1);
    return g;
}

enum { MODULE_NAME_MAX = 200 };

/* ---- require ---- */

/* The chunk on top of the stack: compiled, or the text of a file that nobody has needed yet, which was compiled before
 * and so is right. */
static bool is_chunk(lua_State *L, const char *file)
{
    struct span text;

    if (lua_type(L, -1) != LUA_TSTRING)
        return lua_isfunction(L, -1);
    text.p = lua_tolstring(L, -1, &text.n);
    if (sandbox_load(L, text, file) != LUA_OK)
        lua_error(L);
    lua_replace(L, -2);
    return true;
}

/* Pushes the chunk that makes module 'name': "codec.openai" is scripts/codec/openai.lua. 'ours': it is no user's. */
static bool push_chunk(lua_State *L, const char *name, bool *ours)
{
    static const char *const folders[] = {"scripts/", "policies/"};

    lua_rawgetp(L, LUA_REGISTRYINDEX, &generation_chunks_key);
    for (int i = 0; i < 2; i++) {
        luaL_gsub(L, name, ".", "/");
        const char *file = lua_pushfstring(L, "%s%s.lua", folders[i], lua_tostring(L, -1));
        lua_pushvalue(L, -1);
        lua_rawget(L, -4);
        if (is_chunk(L, file)) {
            lua_replace(L, -4);
            lua_pop(L, 2);
            *ours = i == 0;
            return true;
        }
        lua_pop(L, 3);
    }
    lua_pop(L, 1);
    return false;
}

/* Stack on return: the module. */
static void load_module(lua_State *L, const char *name)
{
    lua_CFunction open = modules_find(name);
    bool ours = true;

    if (open) {
        lua_pushcfunction(L, open);
        lua_call(L, 0, 1);
    } else if (push_chunk(L, name, &ours)) {
        lua_pushstring(L, name);
        lua_call(L, 1, 1);
        if (lua_isnil(L, -1))
            luaL_error(L, "module '%s' returns nothing: it must return its table", name);
    } else {
        const char *path = luaL_gsub(L, name, ".", "/");
        luaL_error(L,
                   "module '%s' not found: there is no scripts/%s.lua, no policies/%s.lua and no "
                   "built-in module of that name",
                   name, path, path);
    }
    char what[96];
    snprintf(what, sizeof what, "module '%.64s'", name);
    lua_view(L, what);
    if (ours &&
        !strchr(name, '.')) /* "codec.x" and the like: records, with members that may be missing */
        lua_strict(L, what);
}

/* __close of the mark below: a module that failed is not one that is being loaded. */
static int l_forget(lua_State *L)
{
    if (lua_isnil(L, 2))
        return 0;
    lua_rawgetp(L, LUA_REGISTRYINDEX, &generation_loaded_key);
    lua_pushnil(L);
    lua_setfield(L, -2, lua_tostring(L, lua_upvalueindex(1)));
    return 0;
}

/* Stack on return: the module, which is then in the table at 'loaded'. */
static void load_marked(lua_State *L, int loaded, const char *name)
{
    lua_pushboolean(L, 0); /* being loaded */
    lua_setfield(L, loaded, name);
    lua_newtable(L); /* closed when this ends, one way or the other */
    lua_createtable(L, 0, 1);
    lua_pushstring(L, name);
    lua_pushcclosure(L, l_forget, 1);
    lua_setfield(L, -2, "__close");
    lua_setmetatable(L, -2);
    lua_toclose(L, -1);
    load_module(L, name);
    lua_pushvalue(L, -1);
    lua_setfield(L, loaded, name);
    lua_closeslot(L, -2);
    lua_remove(L, -2);
}

void generation_require(lua_State *L, const char *name)
{
    luaL_checkstack(L, 12, NULL);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &generation_loaded_key);
    int type = lua_getfield(L, -1, name);
    if (type == LUA_TBOOLEAN)
        luaL_error(L, "module '%s' requires itself, directly or through others", name);
    if (type == LUA_TNIL) {
        lua_pop(L, 1);
        load_marked(L, lua_gettop(L), name);
    }
    lua_remove(L, -2);
}

int generation_l_require(lua_State *L)
{
    size_t n;
    const char *name = luaL_checklstring(L, 1, &n);

    luaL_argcheck(L, n <= MODULE_NAME_MAX, 1, "the name of a module is longer than 200 bytes");
    if (strcmp(name, "cjson") == 0) /* an instance of its own for each who asks */
        return luaopen_baton_cjson(L);
    generation_require(L, name);
    return 1;
}

/* ---- life and death ---- */

static void close_state(struct generation *g)
{
    lua_close(g->L);
    pool_deinit(&g->pool);
    if (g->on_close)
        g->on_close(g->on_close_arg);
    free(g->building);
    free(g);
}

struct generation *generation_ref(struct generation *g)
{
    g->refs++;
    return g;
}

void generation_unref(struct generation *g)
{
    if (!g || --g->refs > 0)
        return;
    generation_retire(g);
    if (g->rt->bury)
        g->rt->bury(g->rt, g);
    else
        close_state(g);
}

/* Takes away what holds most of the memory: modules, compiled files, threads. What finalizers need
 * (metatables, the way from a state to its generation) stays until the state is closed. */
static void let_go_of_all(lua_State *L)
{
    lua_settop(L, 0);
    lua_pushnil(L);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &generation_chunks_key);
    lua_pushnil(L);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &generation_loaded_key);
    for (lua_pushnil(L); lua_next(L, LUA_REGISTRYINDEX);) {
        lua_pop(L, 1);
        if (!lua_isinteger(L, -1) || lua_tointeger(L, -1) <= LUA_RIDX_LAST)
            continue;
        lua_pushvalue(L, -1);
        lua_pushnil(L);
        lua_rawset(L, LUA_REGISTRYINDEX); /* a field that exists: the walk goes on */
    }
    lua_gc(L, LUA_GCINC, 0, 0, BURY_STEP);
}

static int l_newest(lua_State *L)
{
    lua_newuserdatauv(L, 1, 0);
    return 1;
}

/* Before it sweeps in pieces, the collector frees in one go what is newer than the newest living
 * object. So there must always be a living one that is newer than all that is dead. */
static void begin_cycle(struct generation *g)
{
    lua_settop(g->L, 0);
    lua_pushcfunction(g->L, l_newest);
    lua_pcall(g->L, 0, 1, 0); /* without memory one step takes longer */
}

bool generation_bury_step(struct generation *g)
{
    struct effect *fx = g->rt->fx;
    int64_t stop = fx->mono_us(fx) + BURY_US;

    if (g->buried == BURY_CLOSE) {
        close_state(g);
        return false;
    }
    if (g->buried == 0) {
        let_go_of_all(g->L);
        begin_cycle(g);
        g->buried++;
    }
    while (g->buried < BURY_CLOSE && fx->mono_us(fx) < stop)
        if (lua_gc(g->L, LUA_GCSTEP, 0)) {
            begin_cycle(g);
            g->buried++;
        }
    return true;
}

/* ---- scripts that are no part of the sources ---- */

struct script {
    const char *name;
    struct span text;
};

static int l_add_script(lua_State *L)
{
    const struct script *script = lua_touserdata(L, 1);

    if (sandbox_load(L, script->text, script->name) != LUA_OK)
        return lua_error(L);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &generation_chunks_key);
    lua_insert(L, -2);
    lua_setfield(L, -2, script->name);
    return 0;
}

int generation_add_script(struct generation *g, const char *name, struct span text, struct err *err)
{
    struct script script = {name, text};

    lua_pushcfunction(g->L, l_add_script);
    lua_pushlightuserdata(g->L, &script);
    if (lua_pcall(g->L, 1, 0, 0) == LUA_OK)
        return 0;
    lua_err_read(g->L, -1, err);
    lua_pop(g->L, 1);
    return -1;
}

bool generation_push_script(lua_State *L, const char *name)
{
    lua_rawgetp(L, LUA_REGISTRYINDEX, &generation_chunks_key);
    lua_getfield(L, -1, name);
    lua_remove(L, -2);
    return lua_isfunction(L, -1);
}
