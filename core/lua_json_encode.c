/* lua_json_encode - Lua values to JSON bytes, keys in the document's order, then sorted.
 * SPDX-License-Identifier: MIT
 *
 * Runs no Lua code. What a garbage collection in between could free is on the Lua stack. */
#include "lua_json.h"

#include "guard.h"
#include "json.h"
#include "json_bytes.h"
#include "lua_json_shape.h"
#include "lua_view.h"

#include <stdio.h>
#include <string.h>

enum { PATH_MAX_SHOWN = 200, STEPS_PER_TABLE = 20 };

/* One step of the way from the root to the value being written. */
struct step {
    const struct step *up;
    struct span key; /* p NULL: an element */
    lua_Integer index;
    int depth; /* how many containers it is in */
};

struct writer {
    lua_State *L;
    struct buf *out;
    struct err *err;
};

static int write_value(struct writer *w, int index, const struct step *at);

/* ---- failing ---- */

static bool is_name(struct span key)
{
    for (size_t i = 0; i < key.n; i++) {
        char c = key.p[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
        if (!letter && !(i && c >= '0' && c <= '9'))
            return false;
    }
    return key.n > 0;
}

static void write_path(struct buf *to, const struct step *at)
{
    if (!at->up)
        return;
    write_path(to, at->up);
    if (to->len >= PATH_MAX_SHOWN)
        return;
    if (!at->key.p) {
        buf_printf(to, "[%lld]", (long long)at->index);
    } else if (is_name(at->key)) {
        buf_puts(to, to->len ? "." : "");
        buf_add_span(to, at->key);
    } else {
        buf_puts(to, "[");
        json_write_text(to, at->key);
        buf_puts(to, "]");
    }
}

/* Fills *err with "messages[2].content: what"; a long way is cut. */
static int refuse(struct writer *w, const struct step *at, const char *what)
{
    struct buf path;

    buf_init(&path, (size_t)PATH_MAX_SHOWN * 8);
    write_path(&path, at);
    int n = path.len < PATH_MAX_SHOWN ? (int)path.len : PATH_MAX_SHOWN;
    while (n > 0 && n < (int)path.len && ((unsigned char)path.data[n] & 0xC0) == 0x80)
        n--;
    err_set(w->err, ERR_BAD_REQUEST, "%.*s%s%s%s", n, path.data ? path.data : "",
            n < (int)path.len ? "..." : "", path.len ? ": " : "", what);
    buf_deinit(&path);
    return -1;
}

/* For the results of buf_* and json_write_*. */
static int full(struct writer *w)
{
    return err_set(w->err, ERR_BUDGET, "more than %zu bytes of JSON", w->out->max);
}

static int put(struct writer *w, char c)
{
    return json_put(w->out, c) < 0 ? full(w) : 0;
}

static int put_word(struct writer *w, const char *text)
{
    return buf_puts(w->out, text) < 0 ? full(w) : 0;
}

/* ---- scalars ---- */

static struct span text_at(lua_State *L, int index)
{
    struct span text;

    text.p = lua_tolstring(L, index, &text.n);
    return text;
}

static int write_string(struct writer *w, int index, const struct step *at)
{
    struct span text = text_at(w->L, index);

    if (!json_is_utf8(text))
        return refuse(w, at, "a string of invalid UTF-8");
    return json_write_text(w->out, text) < 0 ? full(w) : 0;
}

static int write_number(struct writer *w, int index, const struct step *at)
{
    lua_Number d = lua_tonumber(w->L, index);

    if (lua_isinteger(w->L, index))
        return json_write_int(w->out, lua_tointeger(w->L, index)) < 0 ? full(w) : 0;
    if (d - d != 0)
        return refuse(w, at, d != d ? "not a number (NaN)" : "an infinite number");
    return json_write_double(w->out, d) < 0 ? full(w) : 0;
}

static int write_userdata(struct writer *w, int index, const struct step *at)
{
    struct span digits = exact_digits(w->L, index);

    if (!digits.p)
        return refuse(w, at, "a userdata");
    return buf_add_span(w->out, digits) < 0 ? full(w) : 0;
}

static int write_other(struct writer *w, int index, const struct step *at)
{
    char what[64];

    snprintf(what, sizeof what, "a value of type %s", lua_typename(w->L, lua_type(w->L, index)));
    return refuse(w, at, what);
}

/* ---- arrays ---- */

static int write_array(struct writer *w, int table, lua_Integer n, const struct step *at)
{
    struct step here = {.up = at, .depth = at->depth + 1};

    if (put(w, '[') < 0)
        return -1;
    for (here.index = 1; here.index <= n; here.index++) {
        lua_rawgeti(w->L, table, here.index);
        if (here.index > 1 && put(w, ',') < 0)
            return -1;
        if (write_value(w, lua_gettop(w->L), &here) < 0)
            return -1;
        lua_pop(w->L, 1);
    }
    return put(w, ']');
}

/* ---- objects ---- */

static int compare(struct span a, struct span b)
{
    int order = memcmp(a.p, b.p, a.n < b.n ? a.n : b.n);
    return order ? order : (a.n > b.n) - (a.n < b.n);
}

/* Sorts the n strings in the slots from 'first' on by their bytes (shell sort: in place, no
 * memory). */
static void sort_slots(lua_State *L, int first, int n)
{
    for (int gap = n < 12 ? 1 : n / 2; gap > 0; gap = gap == 2 ? 1 : gap * 5 / 11) {
        for (int i = gap; i < n; i++) {
            struct span moving = text_at(L, first + i);
            int to = i;
            lua_pushvalue(L, first + i);
            while (to >= gap && compare(moving, text_at(L, first + to - gap)) < 0) {
                lua_copy(L, first + to - gap, first + to);
                to -= gap;
            }
            lua_replace(L, first + to);
        }
    }
}

/* Pushes each key of the table that is not in the set (a slot, or 0). Their number, or -1. */
static int push_keys(struct writer *w, int table, int set, const struct step *at)
{
    lua_State *L = w->L;
    int n = 0;

    for (lua_pushnil(L); lua_next(L, table);) {
        lua_pop(L, 1);
        if (lua_type(L, -1) != LUA_TSTRING)
            return refuse(w, at, "keys that are neither all strings nor exactly 1..n");
        if (set) {
            lua_pushvalue(L, -1);
            bool known = lua_rawget(L, set) != LUA_TNIL;
            lua_pop(L, 1);
            if (known)
                continue;
        }
        if (!lua_checkstack(L, 8))
            return refuse(w, at, "too many keys");
        lua_pushvalue(L, -1); /* one stays, one goes on to lua_next */
        n++;
    }
    return n;
}

/* Writes the member whose key is in the slot given; none when its value is nil. */
static int write_member(struct writer *w, int table, int key, bool *first, const struct step *at)
{
    lua_State *L = w->L;
    struct step here = {.up = at, .key = text_at(L, key), .depth = at->depth + 1};

    lua_pushvalue(L, key);
    if (lua_rawget(L, table) != LUA_TNIL) {
        if (!*first && put(w, ',') < 0)
            return -1;
        *first = false;
        if (write_string(w, key, &here) < 0 || put(w, ':') < 0 ||
            write_value(w, lua_gettop(L), &here) < 0)
            return -1;
    }
    lua_pop(L, 1);
    return 0;
}

/* Writes the members the shape names; how many that were, or -1. */
static lua_Integer write_known(struct writer *w, int table, int shape, bool *first,
                               const struct step *at)
{
    lua_Integer n = 0, keys = (lua_Integer)lua_rawlen(w->L, shape);

    for (lua_Integer i = 1; i <= keys; i++) {
        size_t before = w->out->len;
        lua_rawgeti(w->L, shape, i);
        if (write_member(w, table, lua_gettop(w->L), first, at) < 0)
            return -1;
        n += w->out->len > before;
        lua_pop(w->L, 1);
    }
    return n;
}

/* Pushes a set of the keys of the shape. */
static void push_set(lua_State *L, int shape)
{
    lua_Integer keys = (lua_Integer)lua_rawlen(L, shape);

    lua_createtable(L, 0, (int)keys);
    for (lua_Integer i = 1; i <= keys; i++) {
        lua_rawgeti(L, shape, i);
        lua_pushboolean(L, 1);
        lua_rawset(L, -3);
    }
}

/* 'shape' is a slot, or 0. */
static int write_object(struct writer *w, int table, int shape, const struct step *at)
{
    lua_State *L = w->L;
    int top = lua_gettop(L), set = 0;
    bool first = true, more = true;

    if (put(w, '{') < 0)
        return -1;
    if (shape) {
        lua_Integer known = write_known(w, table, shape, &first, at);
        if (known < 0)
            return -1;
        more = shape_count(L, table) != known;
    }
    if (shape && more) {
        push_set(L, shape);
        set = lua_gettop(L);
    }
    if (more) {
        int keys = lua_gettop(L) + 1, n = push_keys(w, table, set, at);
        if (n < 0)
            return -1;
        sort_slots(L, keys, n);
        for (int i = 0; i < n; i++)
            if (write_member(w, table, keys + i, &first, at) < 0)
                return -1;
    }
    lua_settop(L, top);
    return put(w, '}');
}

/* ---- any value ---- */

static int write_table(struct writer *w, int table, const struct step *at)
{
    lua_State *L = w->L;
    lua_Integer n = (lua_Integer)lua_rawlen(L, table);

    if (at->depth >= JSON_DEPTH_MAX)
        return refuse(w, at, "more than 512 levels (does a table hold itself?)");
    if (!lua_checkstack(L, 16))
        return refuse(w, at, "too many values at once");
    if (!guard_steps(L,
                     STEPS_PER_TABLE + n)) /* few tables that hold each other are much to write */
        return err_set(w->err, ERR_BUDGET, "the value takes too many steps to write");
    enum mark mark = shape_mark(L, table);
    if (mark == MARK_OBJECT) {
        int result = write_object(w, table, lua_gettop(L), at);
        if (result == 0)
            lua_pop(L, 1); /* the shape */
        return result;
    }
    bool whole = (mark == MARK_ARRAY || n > 0) && shape_count(L, table) == n;
    if (whole)
        return write_array(w, table, n, at);
    if (mark == MARK_ARRAY)
        return refuse(w, at, "an array with a hole or with other keys");
    return write_object(w, table, 0, at);
}

static int write_table_or_view(struct writer *w, int index, const struct step *at)
{
    if (!lua_checkstack(w->L, 4) || !lua_view_push_table(w->L, index))
        return write_table(w, index, at);
    int result = write_table(w, lua_gettop(w->L), at);
    if (result == 0)
        lua_pop(w->L, 1);
    return result;
}

static int write_value(struct writer *w, int index, const struct step *at)
{
    switch (lua_type(w->L, index)) {
    case LUA_TTABLE:
        return write_table_or_view(w, index, at);
    case LUA_TSTRING:
        return write_string(w, index, at);
    case LUA_TNUMBER:
        return write_number(w, index, at);
    case LUA_TBOOLEAN:
        return put_word(w, lua_toboolean(w->L, index) ? "true" : "false");
    case LUA_TLIGHTUSERDATA:
        return lua_touserdata(w->L, index) ? write_other(w, index, at) : put_word(w, "null");
    case LUA_TUSERDATA:
        return write_userdata(w, index, at);
    default:
        return write_other(w, index, at);
    }
}

int lua_json_encode(lua_State *L, int index, struct buf *out, struct err *err)
{
    struct writer w = {.L = L, .out = out, .err = err};
    struct step root = {.up = NULL};
    size_t before = out->len;
    int top = lua_gettop(L);

    index = lua_absindex(L, index);
    if (!lua_checkstack(L, 16))
        return err_set(err, ERR_BUDGET, "the Lua stack is full");
    int result = write_value(&w, index, &root);
    lua_settop(L, top);
    if (result < 0)
        out->len = before;
    return result;
}
