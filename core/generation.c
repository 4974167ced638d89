/* generation - one loaded set of scripts and policies: a Lua state, its limits, its tasks.
 * SPDX-License-Identifier: MIT */
#include "generation.h"

#include "lua_err.h"
#include "lua_json.h"
#include "lua_view.h"
#include "modules.h"
#include "sandbox.h"

#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Registry keys: the addresses count, not the values. */
static const char self_key = 0, chunks_key = 0, loaded_key = 0;

struct generation *generation_of(lua_State *L)
{
    lua_rawgetp(L, LUA_REGISTRYINDEX, &self_key);
    struct generation *g = lua_touserdata(L, -1);
    lua_pop(L, 1);
    return g;
}

/* ---- require ---- */

/* Pushes the chunk that makes module 'name': "codec.openai" is scripts/codec/openai.lua. */
static bool push_chunk(lua_State *L, const char *name)
{
    static const char *const folders[] = {"scripts/", "policies/"};

    lua_rawgetp(L, LUA_REGISTRYINDEX, &chunks_key);
    for (int i = 0; i < 2; i++) {
        luaL_gsub(L, name, ".", "/");
        lua_pushfstring(L, "%s%s.lua", folders[i], lua_tostring(L, -1));
        if (lua_rawget(L, -3) == LUA_TFUNCTION) {
            lua_replace(L, -3);
            lua_pop(L, 1);
            return true;
        }
        lua_pop(L, 2);
    }
    lua_pop(L, 1);
    return false;
}

/* Stack on return: the module. */
static void load_module(lua_State *L, const char *name)
{
    lua_CFunction open = modules_find(name);

    if (open) {
        lua_pushcfunction(L, open);
        lua_call(L, 0, 1);
    } else if (push_chunk(L, name)) {
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
}

/* __close of the mark below: a module that failed is not one that is being loaded. */
static int l_forget(lua_State *L)
{
    if (lua_isnil(L, 2))
        return 0;
    lua_rawgetp(L, LUA_REGISTRYINDEX, &loaded_key);
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
    lua_rawgetp(L, LUA_REGISTRYINDEX, &loaded_key);
    int type = lua_getfield(L, -1, name);
    if (type == LUA_TBOOLEAN)
        luaL_error(L, "module '%s' requires itself, directly or through others", name);
    if (type == LUA_TNIL) {
        lua_pop(L, 1);
        load_marked(L, lua_gettop(L), name);
    }
    lua_remove(L, -2);
}

static int l_require(lua_State *L)
{
    const char *name = luaL_checkstring(L, 1);

    if (strcmp(name, "cjson") == 0) /* an instance of its own for each who asks */
        return luaopen_baton_cjson(L);
    generation_require(L, name);
    return 1;
}

/* ---- loading ---- */

/* What l_load needs; it runs protected and takes no other way to it than a light userdata. */
struct loading {
    const struct sources *sources;
    struct span facts;
    const char *policy; /* the file being loaded: policy.define is a tail call, so its errors know
                           no place */
};

static void compile(lua_State *L, const struct source *s)
{
    if (sandbox_load(L, (struct span){s->text, s->n}, s->name) != LUA_OK)
        lua_error(L);
    lua_setfield(L, -2, s->name);
}

/* "policies/NAME.lua" and nothing deeper; a leading underscore marks a helper. */
static bool is_policy(const char *name)
{
    return strncmp(name, "policies/", 9) == 0 && !strchr(name + 9, '/') && name[9] != '_';
}

static void load_policy(lua_State *L, int policies, const char *name)
{
    lua_rawgetp(L, LUA_REGISTRYINDEX, &chunks_key);
    lua_getfield(L, -1, name);
    lua_call(L, 0, 1);
    if (!lua_istable(L, -1) || lua_getfield(L, -1, "run") != LUA_TFUNCTION)
        luaL_error(L,
                   "%s: a policy file must return policy.define{ name =, run = function(req, p) "
                   "... end }",
                   name);
    lua_pop(L, 1);
    if (lua_getfield(L, -1, "name") != LUA_TSTRING)
        luaL_error(L, "%s: the policy has no name", name);
    if (lua_getfield(L, policies, lua_tostring(L, -1)) != LUA_TNIL)
        luaL_error(L, "%s: another file already defines a policy called '%s'", name,
                   lua_tostring(L, -2));
    lua_pop(L, 1);
    lua_insert(L, -2);
    lua_rawset(L, policies);
    lua_pop(L, 1);
}

static void load_policies(lua_State *L, struct loading *loading)
{
    const struct sources *sources = loading->sources;

    lua_rawgetp(L, LUA_REGISTRYINDEX, &loaded_key);
    lua_newtable(L);
    int policies = lua_gettop(L);
    for (size_t i = 0; i < sources->n; i++)
        if (is_policy(sources->items[i].name)) {
            loading->policy = sources->items[i].name;
            load_policy(L, policies, loading->policy);
        }
    loading->policy = NULL;
    lua_view(L, "the table of policies");
    lua_setfield(L, -2, "policies");
    lua_pop(L, 1);
}

static int l_load(lua_State *L)
{
    struct loading *loading = lua_touserdata(L, 1);

    lua_newtable(L);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &loaded_key);
    lua_err_open(L);
    sandbox_open(L);
    lua_pushcfunction(L, l_require);
    sandbox_add(L, "require");
    modules_open(L);

    lua_newtable(L);
    for (size_t i = 0; i < loading->sources->n; i++)
        compile(L, &loading->sources->items[i]);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &chunks_key);

    lua_rawgetp(L, LUA_REGISTRYINDEX, &loaded_key);
    lua_json_push(L, loading->facts);
    lua_view(L, "the configuration");
    lua_setfield(L, -2, "config");
    load_policies(L, loading);
    generation_require(L, "serve");
    return 0;
}

/* While files are loaded the operator is told: a message that begins with the name of a file
 * outside of the product gets that file's path instead. Clients only ever see names. */
static void name_file(const struct sources *sources, const char *policy, struct err *err)
{
    if (policy && strncmp(err->message, "policies/", 9) != 0 &&
        strncmp(err->message, "scripts/", 8) != 0 &&
        strncmp(err->message, "configuration: ", 15) != 0)
        err_prefix(err, "%s", policy);
    for (size_t i = 0; i < sources->n; i++) {
        const struct source *s = &sources->items[i];
        size_t n = strlen(s->name);
        if (strncmp(err->message, s->name, n) == 0 && err->message[n] == ':' &&
            strcmp(s->name, s->path) != 0) {
            struct err old = *err;
            err_set(err, old.code, "%s%s", s->path, old.message + n);
            return;
        }
    }
}

static int load(struct generation *g, const struct sources *sources, struct span facts,
                struct err *err)
{
    struct loading loading = {sources, facts, NULL};
    struct guard *before = guard_enter(&g->rt->dog, &g->loading, g->L);

    lua_pushcfunction(g->L, l_load);
    lua_pushlightuserdata(g->L, &loading);
    int status = lua_pcall(g->L, 1, 0, 0);
    guard_leave(&g->rt->dog, before);
    lua_sethook(g->L, NULL, 0, 0);
    if (status == LUA_OK && !guard_over(&g->loading))
        return 0;
    if (status == LUA_ERRMEM)
        return err_set(err, ERR_BUDGET, "loading the scripts takes more than %zu bytes",
                       g->rt->heap_max);
    lua_err_read(g->L, -1, err);
    name_file(sources, loading.policy, err);
    return -1;
}

/* Where Lua would end the process: an error outside of every protected call, which is our own
 * fault. */
static int on_panic(lua_State *L)
{
    struct err err;

    lua_err_read(L, -1, &err);
    fprintf(stderr, "baton: unprotected error: %s\n", err.message);
    return 0; /* lua then calls abort() */
}

struct generation *generation_new(struct runtime *rt, const struct sources *sources,
                                  const struct providers *providers, struct span facts,
                                  struct err *err)
{
    struct generation *g = calloc(1, sizeof *g);

    if (!g) {
        err_set(err, ERR_OVERLOADED, "out of memory for a generation");
        return NULL;
    }
    g->refs = 1;
    g->rt = rt;
    g->providers = providers;
    g->heap = (struct heap){.live_max = rt->heap_max, .dog = &rt->dog};
    g->loading.limits = (struct guard_limits){
        .slice_ms = 10000, .bytes = (int64_t)rt->heap_max, .steps = INT64_MAX / 2};
    list_init(&g->tasks);
    list_init(&g->ready);
    memcpy(g->hash, sources->hash, GENERATION_HASH);
    g->L = lua_newstate(heap_alloc, &g->heap);
    if (!g->L) {
        err_set(err, ERR_OVERLOADED, "out of memory for a Lua state");
        free(g);
        return NULL;
    }
    lua_atpanic(g->L, on_panic);
    guard_bind(g->L, &g->loading);
    lua_pushlightuserdata(g->L, g);
    lua_rawsetp(g->L, LUA_REGISTRYINDEX, &self_key); /* a fresh state: 64 MiB and more are left */
    if (load(g, sources, facts, err) < 0) {
        generation_unref(g);
        return NULL;
    }
    return g;
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
    lua_close(g->L);
    free(g);
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
    lua_rawgetp(L, LUA_REGISTRYINDEX, &chunks_key);
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
    lua_rawgetp(L, LUA_REGISTRYINDEX, &chunks_key);
    lua_getfield(L, -1, name);
    lua_remove(L, -2);
    return lua_isfunction(L, -1);
}
