/* sim - simulated providers as real HTTP servers on loopback, with faults on request.
 * SPDX-License-Identifier: MIT */
#include "sim.h"

#include "guard.h"
#include "lua_json.h"
#include "sim_hash.h"
#include "sim_play.h"

#include <lauxlib.h>
#include <lualib.h>
#include <stdlib.h>
#include <unistd.h>

struct sim {
    struct sim_stage stage;
    struct http *http;
};

void sim_options_default(struct sim_options *o)
{
    *o = (struct sim_options){.listen = "127.0.0.1:0", .seed = 1, .pace = 1};
}

static void on_request(struct http_exchange *x, void *arg)
{
    struct sim *s = arg;

    sim_play(&s->stage, x);
}

/* sim, home, options -> loads the scripts; stage.server is set. */
static int l_open(lua_State *L)
{
    struct sim *s = lua_touserdata(L, 1);
    const char *home = lua_touserdata(L, 2);
    const struct sim_options *o = lua_touserdata(L, 3);

    luaL_openlibs(L);
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
    lua_pushcfunction(L, luaopen_baton_json);
    lua_setfield(L, -2, "json");
    lua_pushcfunction(L, luaopen_sim_hash);
    lua_setfield(L, -2, "hash");
    lua_getglobal(L, "package");
    lua_pushfstring(L, "%s/scripts/?.lua;%s/scripts/?/init.lua", home, home);
    lua_setfield(L, -2, "path");
    lua_pushliteral(L, "");
    lua_setfield(L, -2, "cpath");
    lua_getglobal(L, "require");
    lua_pushliteral(L, "sim");
    lua_call(L, 1, 1);
    lua_getfield(L, -1, "new");
    lua_createtable(L, 0, 4);
    lua_pushinteger(L, (lua_Integer)o->seed);
    lua_setfield(L, -2, "seed");
    lua_pushnumber(L, o->pace);
    lua_setfield(L, -2, "pace");
    if (o->answers)
        lua_pushstring(L, o->answers);
    else
        lua_pushfstring(L, "%s/examples/workload.jsonl", home);
    lua_setfield(L, -2, "answers");
    lua_pushstring(L, o->script); /* nil for NULL */
    lua_setfield(L, -2, "script");
    lua_call(L, 1, 1);
    s->stage.server = luaL_ref(L, LUA_REGISTRYINDEX);
    return 0;
}

static int open_scripts(struct sim *s, const char *home, const struct sim_options *o,
                        struct err *err)
{
    lua_State *L = s->stage.L = luaL_newstate();

    if (!L)
        return err_set(err, ERR_INTERNAL, "out of memory");
    guard_bind(L, NULL); /* our own scripts: no limits */
    lua_pushcfunction(L, l_open);
    lua_pushlightuserdata(L, s);
    lua_pushlightuserdata(L, (void *)home);
    lua_pushlightuserdata(L, (void *)o);
    if (lua_pcall(L, 3, 0, 0) == LUA_OK)
        return 0;
    const char *why = lua_tostring(L, -1);
    return err_set(err, ERR_BAD_REQUEST, "%s",
                   why ? why : "the simulator's scripts cannot be loaded");
}

struct sim *sim_new(struct event_base *base, const char *home, const struct sim_options *o,
                    struct err *err)
{
    struct sim *s = calloc(1, sizeof *s);
    struct http_limits limits;

    if (!s) {
        err_set(err, ERR_INTERNAL, "out of memory");
        return NULL;
    }
    s->stage.base = base;
    log_init(&s->stage.errors, STDERR_FILENO, LOG_INFO);
    if (open_scripts(s, home, o, err) < 0)
        goto fail;
    if (o->log && !(s->stage.log = sim_log_open(o->log, err)))
        goto fail;
    http_limits_default(&limits);
    s->http = http_new(base, &limits, on_request, s, err);
    if (!s->http || http_listen(s->http, o->listen, err) < 0)
        goto fail;
    return s;
fail:
    sim_free(s);
    return NULL;
}

const char *sim_address(const struct sim *s)
{
    return http_address(s->http);
}

void sim_free(struct sim *s)
{
    if (!s)
        return;
    http_free(s->http);
    sim_log_close(s->stage.log);
    if (s->stage.L)
        lua_close(s->stage.L);
    log_deinit(&s->stage.errors);
    free(s);
}
