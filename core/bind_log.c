/* bind_log - the module "log": structured lines from scripts.
 * SPDX-License-Identifier: MIT */
#include "lua_buf.h"
#include "lua_json.h"
#include "modules.h"
#include "task.h"

#include <lauxlib.h>

enum { FIELDS_MAX = 16 << 10, MESSAGE_MAX = 2000 };

static int write_line(lua_State *L, enum log_level level)
{
    struct generation *g = generation_of(L);
    struct guard *guard = guard_of(L);
    struct ledger *ledger = guard && guard != &g->loading ? task_of(L)->ledger : NULL;
    size_t n;
    const char *message = luaL_checklstring(L, 1, &n);
    struct log_field fields[2];
    size_t count = 0;
    struct err err;

    if (level < g->rt->log->level)
        return 0;
    luaL_argcheck(L, n <= MESSAGE_MAX, 1, "the message is longer than 2000 bytes");
    if (ledger && ledger->id[0])
        fields[count++] = log_text("trace", ledger->id);
    if (!lua_isnoneornil(L, 2)) {
        luaL_checktype(L, 2, LUA_TTABLE);
        struct buf *b = lua_buf_push(L, FIELDS_MAX);
        if (lua_json_encode(L, 2, b, &err) < 0)
            return luaL_error(L, "log: the fields cannot be written: %s", err.message);
        fields[count++] = log_json("fields", buf_span(b));
        log_write(g->rt->log, level, message, fields, count);
        buf_deinit(b);
        return 0;
    }
    log_write(g->rt->log, level, message, fields, count);
    return 0;
}

/* log.debug|info|warn|error(message, fields?): one JSON line on standard error. 'fields' is a table
 * of what JSON can hold; together at most 16 KiB. */
static int l_debug(lua_State *L)
{
    return write_line(L, LOG_DEBUG);
}

static int l_info(lua_State *L)
{
    return write_line(L, LOG_INFO);
}

static int l_warn(lua_State *L)
{
    return write_line(L, LOG_WARN);
}

static int l_error(lua_State *L)
{
    return write_line(L, LOG_ERROR);
}

int luaopen_baton_log(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"debug", l_debug}, {"info", l_info}, {"warn", l_warn}, {"error", l_error}, {NULL, NULL}};

    luaL_newlib(L, functions);
    return 1;
}
