/* lua_json_decode - JSON bytes to Lua values.
 * SPDX-License-Identifier: MIT
 *
 * No recursion: open containers are frames in a C array, their contents wait on the Lua stack until
 * the container closes and its table can be made in the right size. One that grows past WAITING_MAX
 * values gets its table at once. All memory is Lua's, so an error may be raised anywhere. */
#include "lua_json.h"

#include "json.h"
#include "lua_json_shape.h"

#include <lauxlib.h>
#include <string.h>

enum { WAITING_MAX = 64, SMALL_TEXT = 512 };

/* The slots of a container: an array has [slot] its table or nil, then elements; an object [slot]
 * its table or nil, [slot+1] its shape or nil, then key, value, key, value. */
struct frame {
    int slot;
    bool made;     /* the table exists */
    lua_Integer n; /* elements, or keys of the shape once it is made */
    uint64_t hash; /* of an object's keys */
};

struct decoder {
    lua_State *L;
    struct json_reader in;
    int cache;   /* slot of the shapes */
    int scratch; /* slot of the userdata for unescaping, or nil */
    char *room;
    size_t room_size;
    struct frame *top; /* NULL outside of containers */
    struct frame frames[JSON_DEPTH_MAX];
    char small[SMALL_TEXT];
};

static uint64_t hash_key(uint64_t hash, struct span key)
{
    for (; key.n >= 8; key.p += 8, key.n -= 8) {
        uint64_t w;
        memcpy(&w, key.p, sizeof w);
        hash = (hash ^ w) * UINT64_C(0x9E3779B97F4A7C15);
        hash ^= hash >> 32;
    }
    for (; key.n; key.p++, key.n--)
        hash = (hash ^ (unsigned char)*key.p) * UINT64_C(0x9E3779B97F4A7C15);
    return hash ^ hash >> 29;
}

/* ---- scalars ---- */

static char *room_for(struct decoder *d, size_t n)
{
    if (n > d->room_size) {
        size_t size = n < 2 * d->room_size ? 2 * d->room_size : n;
        d->room = lua_newuserdatauv(d->L, size, 0);
        d->room_size = size;
        lua_replace(d->L, d->scratch);
    }
    return d->room;
}

static void push_text(struct decoder *d)
{
    struct span token = d->in.token;

    if (!d->in.escaped) {
        lua_pushlstring(d->L, token.p + 1, token.n - 2);
        return;
    }
    char *text = room_for(d, token.n);
    lua_pushlstring(d->L, text, json_unescape(token, text));
}

static void push_number(lua_State *L, struct span token)
{
    struct number n = number_of(token);

    if (n.kind == NUMBER_INTEGER)
        lua_pushinteger(L, n.integer);
    else if (n.kind == NUMBER_FLOAT)
        lua_pushnumber(L, n.number);
    else
        exact_push(L, token);
}

static void push_scalar(struct decoder *d)
{
    switch (d->in.type) {
    case JSON_STRING:
        push_text(d);
        break;
    case JSON_NUMBER:
        push_number(d->L, d->in.token);
        break;
    case JSON_TRUE:
    case JSON_FALSE:
        lua_pushboolean(d->L, d->in.type == JSON_TRUE);
        break;
    default:
        lua_pushlightuserdata(d->L, NULL);
        break;
    }
}

/* ---- objects ---- */

/* Stack: key, value. Moves them into the object; a key of its own is noted in the shape. */
static void put_member(lua_State *L, struct frame *f)
{
    lua_pushvalue(L, -2);
    if (lua_rawget(L, f->slot) == LUA_TNIL) {
        lua_pushvalue(L, -3);
        lua_rawseti(L, f->slot + 1, ++f->n);
    }
    lua_pop(L, 1);
    lua_rawset(L, f->slot);
}

/* Makes the object's table and a shape of its own from what waits on the stack. */
static void make_object(lua_State *L, struct frame *f, int size)
{
    int top = lua_gettop(L);

    lua_createtable(L, 0, size);
    lua_replace(L, f->slot);
    shape_push_new(L, size);
    lua_replace(L, f->slot + 1);
    f->made = true;
    for (int at = f->slot + 2; at < top; at += 2) {
        lua_pushvalue(L, at);
        lua_pushvalue(L, at + 1);
        put_member(L, f);
    }
    lua_settop(L, f->slot + 1);
}

/* Pushes the known shape for the n keys that wait on the stack; false and nothing when there is
 * none. */
static bool push_known(struct decoder *d, const struct frame *f, int n)
{
    lua_State *L = d->L;

    if (lua_rawgeti(L, d->cache, (lua_Integer)f->hash) == LUA_TNIL ||
        lua_rawlen(L, -1) != (lua_Unsigned)n) {
        lua_pop(L, 1);
        return false;
    }
    for (int i = 0; i < n; i++) {
        lua_rawgeti(L, -1, i + 1);
        bool same = lua_rawequal(L, -1, f->slot + 2 + 2 * i);
        lua_pop(L, 1);
        if (!same) {
            lua_pop(L, 1);
            return false;
        }
    }
    return true;
}

static void close_object(struct decoder *d, struct frame *f)
{
    lua_State *L = d->L;
    int n = (lua_gettop(L) - f->slot - 1) / 2;

    if (!f->made && push_known(d, f, n)) {
        /* the keys of a shape differ, so it does not matter that the last one comes first here */
        lua_replace(L, f->slot + 1);
        lua_createtable(L, 0, n);
        lua_replace(L, f->slot);
        while (n-- > 0)
            lua_rawset(L, f->slot);
    } else if (!f->made) {
        make_object(L, f, n);
        if (f->n == n) { /* no key twice: others may share it */
            lua_pushvalue(L, -1);
            lua_rawseti(L, d->cache, (lua_Integer)f->hash);
        }
    }
    lua_setmetatable(L, f->slot);
}

/* ---- arrays ---- */

static void make_array(lua_State *L, struct frame *f, int size)
{
    lua_Integer n = lua_gettop(L) - f->slot;

    lua_createtable(L, size, 0);
    lua_replace(L, f->slot);
    shape_set_array(L, f->slot);
    f->n = n;
    f->made = true;
    for (; n > 0; n--)
        lua_rawseti(L, f->slot, n);
}

/* ---- containers ---- */

static void open_container(struct decoder *d, bool object)
{
    luaL_checkstack(d->L, WAITING_MAX + 16, "JSON is too deep");
    d->top = &d->frames[d->in.depth - 1];
    *d->top = (struct frame){.slot = lua_gettop(d->L) + 1};
    lua_pushnil(d->L);
    if (object)
        lua_pushnil(d->L);
}

static void close_container(struct decoder *d, bool object)
{
    struct frame *f = d->top;

    if (object)
        close_object(d, f);
    else if (!f->made)
        make_array(d->L, f, lua_gettop(d->L) - f->slot);
    lua_settop(d->L, f->slot);
    d->top = d->in.depth ? &d->frames[d->in.depth - 1] : NULL;
}

static bool holds_key(const struct decoder *d)
{
    int level = d->in.depth - 1;
    return (d->in.stack[level / 8] >> (level % 8)) & 1;
}

/* A value is complete, on top of the stack: gives it to the container it is in. */
static void give(struct decoder *d)
{
    struct frame *f = d->top;
    lua_State *L = d->L;

    if (!f)
        return;
    bool object = holds_key(d);
    if (f->made && object)
        put_member(L, f);
    else if (f->made)
        lua_rawseti(L, f->slot, ++f->n);
    else if (lua_gettop(L) - f->slot > WAITING_MAX && object)
        make_object(L, f, WAITING_MAX);
    else if (lua_gettop(L) - f->slot > WAITING_MAX)
        make_array(L, f, 2 * WAITING_MAX);
}

static void take_key(struct decoder *d)
{
    d->top->hash = hash_key(d->top->hash, d->in.token);
    push_text(d);
}

/* Leaves the value on the stack; false on bad input, with what was read still there. */
static bool decode(struct decoder *d)
{
    for (;;) {
        switch (json_read(&d->in)) {
        case JSON_T_END:
            return true;
        case JSON_T_ERROR:
            return false;
        case JSON_T_VALUE:
            push_scalar(d);
            give(d);
            break;
        case JSON_T_KEY:
            take_key(d);
            break;
        case JSON_T_OPEN_ARRAY:
            open_container(d, false);
            break;
        case JSON_T_OPEN_OBJECT:
            open_container(d, true);
            break;
        case JSON_T_CLOSE_ARRAY:
            close_container(d, false);
            give(d);
            break;
        case JSON_T_CLOSE_OBJECT:
            close_container(d, true);
            give(d);
            break;
        }
    }
}

int lua_json_decode(lua_State *L, struct span doc, struct err *err)
{
    struct decoder d; /* not cleared: frames are filled when they are used */
    int base = lua_gettop(L);

    luaL_checkstack(L, 16, NULL);
    d.L = L;
    d.room = d.small;
    d.room_size = sizeof d.small;
    d.top = NULL;
    json_reader_init(&d.in, doc);
    shape_push_cache(L);
    d.cache = base + 1;
    lua_pushnil(L);
    d.scratch = base + 2;
    if (!decode(&d)) {
        lua_settop(L, base);
        *err = d.in.err;
        return -1;
    }
    lua_replace(L, base + 1);
    lua_settop(L, base + 1);
    return 0;
}

void lua_json_push(lua_State *L, struct span doc)
{
    struct err err;

    if (lua_json_decode(L, doc, &err) < 0)
        luaL_error(L, "invalid JSON: %s", err.message);
}
