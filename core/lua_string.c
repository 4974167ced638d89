/* lua_string - the string library: patterns that count their steps, results with a ceiling.
 * SPDX-License-Identifier: MIT */
#include "lua_bounded.h"
#include "lua_match.h"

#include <lauxlib.h>
#include <lualib.h>
#include <string.h>

static struct span check_span(lua_State *L, int arg)
{
    struct span s;

    s.p = luaL_checklstring(L, arg, &s.n);
    return s;
}

/* A position as scripts give it (1 is the first, -1 the last) as an offset; past the end: n + 1. */
static size_t opt_offset(lua_State *L, int arg, size_t n)
{
    lua_Integer i = luaL_optinteger(L, arg, 1);

    if (i < 0)
        i = i < -(lua_Integer)n ? 1 : (lua_Integer)n + i + 1;
    if (i == 0)
        i = 1;
    return (size_t)i > n + 1 ? n + 1 : (size_t)i - 1;
}

/* --- matching -----------------------------------------------------------------------------------
 */

static long match_limit(size_t n)
{
    return MATCH_STEPS + MATCH_STEPS_PER_BYTE * (long)n;
}

static void match_open(lua_State *L, struct match *m, struct span text, struct span pattern,
                       bool anchors)
{
    match_init(m, text, pattern, anchors);
    lua_bounded_steps(L, &m->steps, match_limit(text.n));
}

/* Says what is wrong with a pattern, or that it took too long. */
static void match_raise(lua_State *L, const struct match *m)
{
    const struct steps *s = &m->steps;

    if (m->error != MATCH_OVER)
        luaL_error(L, m->error, m->error_index);
    if (s->taken > s->limit)
        luaL_error(L, "%s (limit %I); the pattern or the text is hostile", MATCH_OVER,
                   (LUAI_UACINT)s->limit);
    lua_bounded_over(L, s, "pattern matching");
}

/* match_next, but what stops it is raised. */
static const char *next_or_raise(lua_State *L, struct match *m, const char **at, const char *last)
{
    const char *e = match_next(m, at, last);

    if (m->error)
        match_raise(L, m);
    return e;
}

static void match_settle(lua_State *L, struct match *m)
{
    if (!steps_end(&m->steps))
        lua_bounded_over(L, &m->steps, "pattern matching");
}

/* Pushes capture i (from 0) of the match [s, e); without captures, number 0 is all of it. */
static void push_capture(lua_State *L, const struct match *m, int i, const char *s, const char *e)
{
    if (i >= m->captures) {
        if (i != 0)
            luaL_error(L, "invalid capture index %%%d", i + 1);
        lua_pushlstring(L, s, (size_t)(e - s));
    } else if (m->capture[i].len == MATCH_POSITION) {
        lua_pushinteger(L, m->capture[i].start - m->text + 1);
    } else {
        if (m->capture[i].len == MATCH_OPEN)
            luaL_error(L, "unfinished capture");
        lua_pushlstring(L, m->capture[i].start, (size_t)m->capture[i].len);
    }
}

/* Pushes all captures, or with 'whole' the match when there are none; returns how many. */
static int push_captures(lua_State *L, const struct match *m, const char *s, const char *e,
                         bool whole)
{
    int n = m->captures == 0 && whole ? 1 : m->captures;

    luaL_checkstack(L, n, "too many captures");
    for (int i = 0; i < n; i++)
        push_capture(L, m, i, s, e);
    return n;
}

static int find_plain(lua_State *L, struct span text, struct span what, size_t from)
{
    const char *found =
        what.n == 0 ? text.p + from : memmem(text.p + from, text.n - from, what.p, what.n);
    size_t looked = (found ? (size_t)(found - text.p) : text.n) - from + what.n;

    if (looked > STEP_BYTES)
        lua_bounded_charge(L, looked / STEP_BYTES, "string.find");
    if (!found) {
        luaL_pushfail(L);
        return 1;
    }
    lua_pushinteger(L, found - text.p + 1);
    lua_pushinteger(L, found - text.p + (lua_Integer)what.n);
    return 2;
}

static int find_or_match(lua_State *L, bool find)
{
    struct span text = check_span(L, 1), pattern = check_span(L, 2);
    size_t from = opt_offset(L, 3, text.n);
    struct match m;

    if (from > text.n) {
        luaL_pushfail(L);
        return 1;
    }
    if (find && (lua_toboolean(L, 4) || match_is_plain(pattern)))
        return find_plain(L, text, pattern, from);
    match_open(L, &m, text, pattern, true);
    const char *s = text.p + from;
    const char *e = next_or_raise(L, &m, &s, NULL);
    match_settle(L, &m);
    if (!e) {
        luaL_pushfail(L);
        return 1;
    }
    if (!find)
        return push_captures(L, &m, s, e, true);
    lua_pushinteger(L, s - text.p + 1);
    lua_pushinteger(L, e - text.p);
    return push_captures(L, &m, s, e, false) + 2;
}

/* string.find(s, pattern, init?, plain?) -> first, last, captures… | nil */
static int l_find(lua_State *L)
{
    return find_or_match(L, true);
}

/* string.match(s, pattern, init?) -> captures… | nil */
static int l_match(lua_State *L)
{
    return find_or_match(L, false);
}

/* Where a gmatch goes on; offsets into the text, which the closure holds. */
struct walk {
    size_t from;
    size_t last; /* end of the last match */
    bool any;    /* was there one? */
};

static int l_gmatch_next(lua_State *L)
{
    struct span text, pattern;
    struct walk *w = lua_touserdata(L, lua_upvalueindex(3));
    struct match m;

    text.p = lua_tolstring(L, lua_upvalueindex(1), &text.n);
    pattern.p = lua_tolstring(L, lua_upvalueindex(2), &pattern.n);
    if (w->from > text.n)
        return 0;
    match_open(L, &m, text, pattern, false);
    const char *s = text.p + w->from;
    const char *e = next_or_raise(L, &m, &s, w->any ? text.p + w->last : NULL);
    match_settle(L, &m);
    if (!e) {
        w->from = text.n + 1;
        return 0;
    }
    w->from = w->last = (size_t)(e - text.p);
    w->any = true;
    return push_captures(L, &m, s, e, true);
}

/* string.gmatch(s, pattern, init?) -> iterator */
static int l_gmatch(lua_State *L)
{
    struct span text = check_span(L, 1);

    check_span(L, 2);
    size_t from = opt_offset(L, 3, text.n);
    lua_settop(L, 2);
    struct walk *w = lua_newuserdatauv(L, sizeof(*w), 0);
    *w = (struct walk){.from = from};
    lua_pushcclosure(L, l_gmatch_next, 3);
    return 1;
}

/* --- replacing ----------------------------------------------------------------------------------
 */

/* What is made is bounded too: text and replacement multiply. */
struct output {
    luaL_Buffer buffer;
    struct steps *steps;
};

static void output_check(lua_State *L, struct output *out, size_t more)
{
    if (more > STRING_MAX || luaL_bufflen(&out->buffer) > STRING_MAX - more)
        luaL_error(L, "resulting string too large (limit %d bytes)", STRING_MAX);
    if (!steps_take(out->steps, (long)(more / STEP_BYTES)))
        lua_bounded_over(L, out->steps, "string.gsub");
}

static void output_add(lua_State *L, struct output *out, const char *p, size_t n)
{
    output_check(L, out, n);
    luaL_addlstring(&out->buffer, p, n);
}

/* Adds the value on the top of the stack, a string or a number, and pops it. */
static void output_add_value(lua_State *L, struct output *out)
{
    if (lua_type(L, -1) == LUA_TSTRING)
        output_check(L, out, lua_rawlen(L, -1));
    luaL_addvalue(&out->buffer);
}

/* A replacement string: '%0' the match, '%1' to '%9' captures, '%%' a percent sign. */
static void add_template(lua_State *L, struct output *out, const struct match *m, const char *s,
                         const char *e)
{
    size_t n;
    const char *t = lua_tolstring(L, 3, &n), *end = t + n, *percent;

    while ((percent = memchr(t, '%', (size_t)(end - t))) != NULL) {
        char c = percent[1]; /* strings end with a '\0' */

        output_add(L, out, t, (size_t)(percent - t));
        if (!steps_take(out->steps, 1))
            lua_bounded_over(L, out->steps, "string.gsub");
        t = percent + 2;
        if (c == '%') {
            output_add(L, out, "%", 1);
        } else if (c == '0') {
            output_add(L, out, s, (size_t)(e - s));
        } else if (c >= '1' && c <= '9') {
            push_capture(L, m, c - '1', s, e);
            output_add_value(L, out);
        } else {
            luaL_error(L, "invalid use of '%c' in replacement string", '%');
        }
    }
    output_add(L, out, t, (size_t)(end - t));
}

/* Adds what replaces the match [s, e). False: it stays as it is, and nothing was added. */
static bool add_replacement(lua_State *L, struct output *out, const struct match *m, const char *s,
                            const char *e)
{
    switch (lua_type(L, 3)) {
    case LUA_TFUNCTION:
        lua_pushvalue(L, 3);
        lua_call(L, push_captures(L, m, s, e, true), 1);
        break;
    case LUA_TTABLE:
        push_capture(L, m, 0, s, e);
        lua_gettable(L, 3);
        break;
    default:
        add_template(L, out, m, s, e);
        return true;
    }
    if (!lua_toboolean(L, -1)) {
        lua_pop(L, 1);
        return false;
    }
    if (!lua_isstring(L, -1))
        luaL_error(L, "invalid replacement value (a %s)", luaL_typename(L, -1));
    output_add_value(L, out);
    return true;
}

/* string.gsub(s, pattern, string | table | function, n?) -> string, replacements */
static int l_gsub(lua_State *L)
{
    struct span text = check_span(L, 1), pattern = check_span(L, 2);
    int type = lua_type(L, 3);
    lua_Integer most = luaL_optinteger(L, 4, (lua_Integer)text.n + 1), count = 0;
    const char *end = text.p + text.n, *at = text.p, *done = text.p, *last = NULL;
    struct match m;
    struct output out = {.steps = &m.steps};
    bool changed = false;

    luaL_argexpected(L,
                     type == LUA_TNUMBER || type == LUA_TSTRING || type == LUA_TFUNCTION ||
                         type == LUA_TTABLE,
                     3, "string/function/table");
    match_open(L, &m, text, pattern, true);
    luaL_buffinit(L, &out.buffer);
    while (count < most) {
        const char *e = next_or_raise(L, &m, &at, last);
        if (!e)
            break;
        count++;
        output_add(L, &out, done, (size_t)(at - done));
        if (add_replacement(L, &out, &m, at, e))
            changed = true;
        else
            output_add(L, &out, at, (size_t)(e - at));
        done = at = last = e;
        if (m.anchored)
            break;
    }
    if (changed) {
        output_add(L, &out, done, (size_t)(end - done));
        luaL_pushresult(&out.buffer);
    } else {
        lua_pushvalue(L, 1);
    }
    match_settle(L, &m);
    lua_pushinteger(L, count);
    return 2;
}

/* --- making -------------------------------------------------------------------------------------
 */

/* Fills p[0..n) with its first 'unit' bytes again and again, in ever larger pieces. */
static void fill(char *p, size_t unit, size_t n)
{
    for (size_t have = unit; have < n;) {
        size_t more = have < n - have ? have : n - have;
        memcpy(p + have, p, more);
        have += more;
    }
}

/* string.rep(s, n, separator?) -> string of at most STRING_MAX bytes */
static int l_rep(lua_State *L)
{
    struct span s = check_span(L, 1), sep = {.p = "", .n = 0};
    lua_Integer n = luaL_checkinteger(L, 2);
    luaL_Buffer b;

    if (!lua_isnoneornil(L, 3))
        sep = check_span(L, 3);
    size_t unit = s.n + sep.n;
    if (n <= 0 || unit == 0) {
        lua_pushliteral(L, "");
        return 1;
    }
    if (unit > STRING_MAX || (lua_Unsigned)n > (STRING_MAX + sep.n) / unit)
        return luaL_error(L, "resulting string too large (limit %d bytes)", STRING_MAX);
    size_t total = unit * (size_t)n - sep.n;
    lua_bounded_charge(L, total / STEP_BYTES + 1, "string.rep");
    char *p = luaL_buffinitsize(L, &b, total);
    memcpy(p, s.p, s.n);
    if (n > 1) {
        memcpy(p + s.n, sep.p, sep.n);
        fill(p, unit, total);
    }
    luaL_pushresultsize(&b, total);
    return 1;
}

static const luaL_Reg functions[] = {
    {"find", l_find}, {"match", l_match}, {"gmatch", l_gmatch},
    {"gsub", l_gsub}, {"rep", l_rep},     {NULL, NULL},
};

/* Linear in what they return, which an allocation bounds. */
static const char *const linear[] = {"byte",    "char", "format", "lower", "pack",
                                     "reverse", "sub",  "unpack", "upper", NULL};

/* 'len' and 'packsize' cost nothing; 'dump' would give bytecode away. The metatable of strings that
 * the standard library makes finds its methods in this same table. */
int luaopen_bounded_string(lua_State *L)
{
    luaopen_string(L);
    luaL_setfuncs(L, functions, 0);
    lua_pushnil(L);
    lua_setfield(L, -2, "dump");
    lua_bounded_wrap(L, linear);
    return 1;
}
