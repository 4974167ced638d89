/* sandbox - which names a script sees.
 * SPDX-License-Identifier: MIT */
#include "sandbox.h"

#include "guard.h"
#include "lua_bounded.h"
#include "lua_pairs.h"
#include "lua_view.h"

#include <lauxlib.h>
#include <lualib.h>
#include <string.h>

/* Registry keys: the addresses count, not the values. */
static const char environment_key = 0, names_key = 0, identity_key = 0;

/* ---- pcall, xpcall: as in Lua, but the error of a limit is passed on ---- */

/* Lua bounds its C stack, but a pcall that has caught something is off it: such levels pile up until
 * memory ends, and each error then walks over all of them. */
enum { PROTECTIONS_MAX = 190 };

static void enter_protection(lua_State *L)
{
    struct guard *g = guard_of(L);

    if (g && ++g->protections > PROTECTIONS_MAX) {
        g->protections--;
        luaL_error(L, "pcall and xpcall are nested more than %d deep", PROTECTIONS_MAX);
    }
}

static int finish_pcall(lua_State *L, int status, lua_KContext extra)
{
    struct guard *g = guard_of(L);

    if (g)
        g->protections--;
    if (status == LUA_OK || status == LUA_YIELD)
        return lua_gettop(L) - (int)extra;
    if (status == LUA_ERRMEM || (g && guard_over(g)))
        return guard_rethrow(L, status);
    lua_pushboolean(L, 0);
    lua_insert(L, -2);
    return 2;
}

static int l_pcall(lua_State *L)
{
    luaL_checkany(L, 1);
    enter_protection(L);
    lua_pushboolean(L, 1);
    lua_insert(L, 1);
    int status = lua_pcallk(L, lua_gettop(L) - 2, LUA_MULTRET, 0, 0, finish_pcall);
    return finish_pcall(L, status, 0);
}

static int after_handler(lua_State *L, int status, lua_KContext ctx)
{
    (void)L, (void)status, (void)ctx;
    return 2;
}

/* Stack: function, handler, true, results... or ..., error. The handler runs after the stack was
 * unwound, as a plain call: it may wait, and it is under the same limits as everything else. */
static int finish_xpcall(lua_State *L, int status, lua_KContext extra)
{
    int n = finish_pcall(L, status, extra);

    if (status == LUA_OK || status == LUA_YIELD)
        return n;
    lua_pushvalue(L, 2);
    lua_insert(L, -2); /* ..., false, handler, error */
    lua_callk(L, 1, 1, 0, after_handler);
    return after_handler(L, LUA_OK, 0);
}

static int l_xpcall(lua_State *L)
{
    int n = lua_gettop(L);

    luaL_checktype(L, 2, LUA_TFUNCTION);
    enter_protection(L);
    lua_pushboolean(L, 1);
    lua_pushvalue(L, 1);
    lua_rotate(L, 3, 2); /* function, handler, true, function, arguments... */
    int status = lua_pcallk(L, n - 2, LUA_MULTRET, 0, 2, finish_xpcall);
    return finish_xpcall(L, status, 2);
}

/* ---- names that differ from Lua's ---- */

/* "table: 3": a number in order of first use instead of an address, which differs from run to run.
 */
static void push_identity(lua_State *L, int index)
{
    lua_rawgetp(L, LUA_REGISTRYINDEX, &identity_key);
    lua_pushvalue(L, index);
    if (lua_rawget(L, -2) == LUA_TNIL) {
        lua_pop(L, 1);
        lua_Integer n = 0;
        if (lua_rawgeti(L, -1, 0) == LUA_TNUMBER)
            n = lua_tointeger(L, -1);
        lua_pop(L, 1);
        lua_pushinteger(L, n + 1);
        lua_rawseti(L, -2, 0);
        lua_pushvalue(L, index);
        lua_pushinteger(L, n + 1);
        lua_rawset(L, -3);
        lua_pushinteger(L, n + 1);
    }
    lua_pushfstring(L, "%s: %I", luaL_typename(L, index), (LUAI_UACINT)lua_tointeger(L, -1));
    lua_replace(L, -3);
    lua_pop(L, 1);
}

void sandbox_push_text(lua_State *L, int index)
{
    int type = lua_type(L, index);
    bool addressed =
        type == LUA_TTABLE || type == LUA_TFUNCTION || type == LUA_TUSERDATA || type == LUA_TTHREAD;

    index = lua_absindex(L, index);
    if (!addressed || luaL_getmetafield(L, index, "__tostring") != LUA_TNIL)
        luaL_tolstring(L, index, NULL);
    else if (type == LUA_TUSERDATA && luaL_getmetafield(L, index, "__name") == LUA_TSTRING)
        return;
    else
        push_identity(L, index);
}

static int l_tostring(lua_State *L)
{
    luaL_checkany(L, 1);
    sandbox_push_text(L, 1);
    return 1;
}

/* string.format: what %s shows is made here, for the original (upvalue 1) would show addresses. */
static int l_format(lua_State *L)
{
    size_t n;
    const char *p = luaL_checklstring(L, 1, &n), *end = p + n;
    int top = lua_gettop(L), arg = 1;

    for (; p < end; p++) {
        if (*p != '%' || *++p == '%')
            continue;
        arg++;
        p += strspn(p, "-+ #0123456789.");
        luaL_argcheck(L, *p != 'p', 1, "%p is refused: an address differs from run to run");
        if (*p == 's' && arg <= top) {
            sandbox_push_text(L, arg);
            lua_replace(L, arg);
            lua_settop(L, top);
        }
    }
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    lua_call(L, top, LUA_MULTRET);
    return lua_gettop(L);
}

static int l_setmetatable(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    luaL_argexpected(L, lua_isnoneornil(L, 2) || lua_istable(L, 2), 2, "nil or table");
    if (luaL_getmetafield(L, 1, "__metatable") != LUA_TNIL)
        return luaL_error(L, "cannot change a protected metatable");
    if (lua_istable(L, 2)) {
        lua_pushliteral(L, "__gc");
        if (lua_rawget(L, 2) != LUA_TNIL)
            return luaL_error(L, "a metatable with __gc is refused: finalizers run outside of "
                                 "every limit");
    }
    lua_settop(L, 2);
    lua_setmetatable(L, 1);
    return 1;
}

static int l_refuse_unknown(lua_State *L)
{
    return luaL_error(L, "unknown global '%s'",
                      lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : luaL_typename(L, 2));
}

/* next, which sees through read-only views: whoever asks whether one is empty wants to know. */
static int l_next(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 2);
    if (lua_view_push_table(L, 1))
        lua_replace(L, 1);
    return lua_pairs_next(L);
}

/* ---- the list ---- */

/* Taken from Lua's base library as they are. */
static const char *const base_names[] = {
    "assert",       /* raises only */
    "error",        /* raises only */
    "getmetatable", /* respects __metatable, which all shared tables have */
    "ipairs",       /* in order by nature */
    "rawequal",     /* reads only */
    "rawlen",       /* reads only */
    "select",       /* stack only */
    "tonumber",     /* pure */
    "type",         /* pure */
    "_VERSION",     /* a constant */
    NULL
    /* Left out: collectgarbage (steers everybody's memory), dofile, load, loadfile (code from
     * outside the generation), rawget, rawset (around read-only views), print (the caller of the
     * runtime adds its own), warn; and the libraries io, os, debug, package, coroutine (a script's
     * own coroutine would take the yields that the runtime needs). */
};

/* Ours, in place of Lua's. */
static const luaL_Reg own_names[] = {
    {"pcall", l_pcall},   /* cannot swallow a limit */
    {"xpcall", l_xpcall}, /* the same; its handler may not run inside the failed frame */
    {"pairs", lua_pairs}, /* a stable order */
    {"next", l_next},     /* the same order */
    {"setmetatable", l_setmetatable}, /* refuses __gc */
    {"tostring", l_tostring},         /* shows no address */
    {NULL, NULL},
};

static void add_base(lua_State *L, int names)
{
    luaL_requiref(L, LUA_GNAME, luaopen_base, 0);
    for (const char *const *name = base_names; *name; name++) {
        lua_getfield(L, -1, *name);
        lua_setfield(L, names, *name);
    }
    lua_pop(L, 1);
    lua_pushvalue(L, names);
    luaL_setfuncs(L, own_names, 0);
    lua_pop(L, 1);
}

/* math without random: random numbers come from the seam, or a run could not be replayed. */
static void add_math(lua_State *L, int names)
{
    luaL_requiref(L, LUA_MATHLIBNAME, luaopen_math, 0);
    lua_pushnil(L);
    lua_setfield(L, -2, "random");
    lua_pushnil(L);
    lua_setfield(L, -2, "randomseed");
    lua_view(L, "math");
    lua_setfield(L, names, "math");
}

/* string and table with bounded functions; a string's methods are the same functions. */
static void add_bounded(lua_State *L, int names)
{
    luaL_requiref(L, LUA_STRLIBNAME, luaopen_string, 0); /* makes the metatable of strings */
    lua_pop(L, 1);
    lua_pushcfunction(L, luaopen_bounded_string);
    lua_call(L, 0, 1);
    lua_getfield(L, -1, "format");
    lua_pushcclosure(L, l_format, 1);
    lua_setfield(L, -2, "format");
    lua_pushliteral(L, "");
    lua_getmetatable(L, -1);
    lua_pushvalue(L, -3);
    lua_setfield(L, -2, "__index");
    lua_pushliteral(L, "string");
    lua_setfield(L, -2, "__metatable");
    lua_pop(L, 2);
    lua_view(L, "string");
    lua_setfield(L, names, "string");

    lua_pushcfunction(L, luaopen_bounded_table);
    lua_call(L, 0, 1);
    lua_view(L, "table");
    lua_setfield(L, names, "table");

    luaL_requiref(L, LUA_UTF8LIBNAME, luaopen_utf8, 0);
    lua_view(L, "utf8");
    lua_setfield(L, names, "utf8");
}

void sandbox_open(lua_State *L)
{
    luaL_checkstack(L, 16, NULL);
    lua_bounded_use(L, guard_steps);

    lua_newtable(L); /* identities of tables, for tostring */
    lua_createtable(L, 0, 1);
    lua_pushliteral(L, "k");
    lua_setfield(L, -2, "__mode");
    lua_setmetatable(L, -2);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &identity_key);

    lua_newtable(L); /* the names */
    int names = lua_gettop(L);
    lua_pushvalue(L, names);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &names_key);
    add_base(L, names);
    add_math(L, names);
    add_bounded(L, names);
    lua_pushvalue(L, names);
    lua_view(L, "the table of globals");
    lua_pushvalue(L, -1);
    lua_setfield(L, names, "_G");
    lua_rawsetp(L, LUA_REGISTRYINDEX, &environment_key);

    /* only now, since lua_view leaves tables with a metatable alone */
    lua_createtable(L, 0, 1);
    lua_pushcfunction(L, l_refuse_unknown);
    lua_setfield(L, -2, "__index");
    lua_setmetatable(L, names);
    lua_settop(L, names - 1);
}

void sandbox_add(lua_State *L, const char *name)
{
    lua_rawgetp(L, LUA_REGISTRYINDEX, &names_key);
    lua_insert(L, -2);
    lua_pushstring(L, name);
    lua_insert(L, -2);
    lua_rawset(L, -3);
    lua_pop(L, 1);
}

/* Without the mark that some editors put before UTF-8, as lua's own loader of files. */
static struct span without_mark(struct span text)
{
    bool marked = text.n >= 3 && memcmp(text.p, "\xEF\xBB\xBF", 3) == 0;

    return marked ? (struct span){text.p + 3, text.n - 3} : text;
}

int sandbox_load(lua_State *L, struct span text, const char *name)
{
    char chunk[256] = "@";

    text = without_mark(text);
    strncat(chunk, name, sizeof chunk - 2);
    int status = luaL_loadbufferx(L, text.p, text.n, chunk, "t");
    if (status != LUA_OK)
        return status;
    lua_rawgetp(L, LUA_REGISTRYINDEX, &environment_key);
    lua_setupvalue(L, -2, 1);
    return LUA_OK;
}
