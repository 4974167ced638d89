/* modules - the built-in modules that scripts can require.
 * SPDX-License-Identifier: MIT */
#include "modules.h"

#include "answer.h"
#include "generation.h"
#include "lua_err.h"
#include "lua_fields.h"
#include "lua_json.h"
#include "lua_view.h"
#include "request_view.h"
#include "sandbox.h"
#include "stream.h"

#include <lauxlib.h>
#include <string.h>

/* clang-format off */
static const luaL_Reg modules[] = {
    {"bandits", luaopen_baton_bandits},
    {"base64", luaopen_baton_base64},
    {"cache", luaopen_baton_cache},
    {"clock", luaopen_baton_clock},
    {"errors", luaopen_baton_errors},
    {"fields", luaopen_baton_fields},
    {"fs", luaopen_baton_fs},
    {"health", luaopen_baton_health},
    {"http", luaopen_baton_http},
    {"json", luaopen_baton_json},
    {"kv", luaopen_baton_kv},
    {"linear", luaopen_baton_linear},
    {"log", luaopen_baton_log},
    {"measure", luaopen_baton_measure},
    {"nearest", luaopen_baton_nearest},
    {"person", luaopen_baton_person},
    {"provider", luaopen_baton_provider},
    {"random", luaopen_baton_random},
    {"readonly", luaopen_baton_readonly},
    {"scan", luaopen_baton_scan},
    {"tasks", luaopen_baton_tasks},
    {"terminal", luaopen_baton_terminal},
    {"timer", luaopen_baton_timer},
    {"trace", luaopen_baton_trace},
    {"validator", luaopen_baton_validator},
    {"words", luaopen_baton_words},
    {"writable", luaopen_baton_writable},
    {NULL, NULL},
};
/* clang-format on */

lua_CFunction modules_find(const char *name)
{
    for (const luaL_Reg *m = modules; m->name; m++)
        if (strcmp(m->name, name) == 0)
            return m->func;
    return NULL;
}

/* print(...): to the terminal for a command-line script, into the log for a policy. */
static int l_print(lua_State *L)
{
    struct runtime *rt = generation_of(L)->rt;
    luaL_Buffer line;
    int n = lua_gettop(L);

    luaL_buffinit(L, &line);
    for (int i = 1; i <= n; i++) {
        if (i > 1)
            luaL_addchar(&line, '\t');
        sandbox_push_text(L, i);
        luaL_addvalue(&line);
    }
    luaL_pushresult(&line);
    size_t size;
    const char *text = lua_tolstring(L, -1, &size);
    if (rt->print) {
        fwrite(text, 1, size, rt->print);
        fputc('\n', rt->print);
        fflush(rt->print);
    } else {
        log_write(rt->log, LOG_INFO, text, NULL, 0);
    }
    return 0;
}

static void add_args(lua_State *L, const char *const *args)
{
    lua_newtable(L);
    for (int i = 0; args[i]; i++) {
        lua_pushstring(L, args[i]);
        lua_rawseti(L, -2, i); /* arg[0] is the script, as in lua */
    }
    sandbox_add(L, "arg");
}

void modules_open(lua_State *L)
{
    struct runtime *rt = generation_of(L)->rt;

    request_view_open(L);
    stream_open(L);
    answer_open(L);
    lua_pushcfunction(L, l_print);
    sandbox_add(L, "print");
    if (rt->args)
        add_args(L, rt->args);
}
