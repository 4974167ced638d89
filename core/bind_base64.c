/* bind_base64 - the module "base64": bytes as text and back, without a turn of Lua for each of them.
 * SPDX-License-Identifier: MIT */
#include "base64.h"
#include "lua_bounded.h"
#include "lua_buf.h"
#include "lua_err.h"
#include "modules.h"

#include <lauxlib.h>
#include <stdint.h>
#include <string.h>

enum { TEXT_MAX = 256 << 20, FLOATS_MAX = 1 << 20 };

static struct span check_text(lua_State *L, int index)
{
    struct span s;

    s.p = luaL_checklstring(L, index, &s.n);
    lua_bounded_charge(L, s.n / STEP_BYTES * 2 + 1, "base64"); /* a little more than a copy */
    return s;
}

__attribute__((format(printf, 2, 0))) static int fail(lua_State *L, const char *format, long long n)
{
    struct err err;

    err_set(&err, ERR_BAD_REQUEST, format, n);
    return lua_err_fail(L, &err);
}

static void push_encoded(lua_State *L, struct span bytes)
{
    struct buf *b = lua_buf_push(L, TEXT_MAX);
    size_t n = base64_length(bytes.n);
    char *to = buf_reserve(b, n);

    if (!to)
        luaL_error(L, "base64: the text is larger than %d bytes", TEXT_MAX);
    base64_encode(to, bytes);
    lua_pushlstring(L, to, n);
    buf_deinit(b);
}

/* base64.encode(bytes) -> text, with padding. */
static int l_encode(lua_State *L)
{
    push_encoded(L, check_text(L, 1));
    return 1;
}

/* The bytes of 'text' in a new buffer on the stack; NULL with nothing pushed when it is no base64. */
static struct buf *push_decoded(lua_State *L, struct span text)
{
    ptrdiff_t n = base64_size(text, NULL);

    if (n < 0)
        return NULL;
    struct buf *b = lua_buf_push(L, TEXT_MAX);
    if (!buf_reserve(b, (size_t)n + 1))
        luaL_error(L, "base64: the text is larger than %d bytes", TEXT_MAX);
    base64_decode(b->data, text);
    b->len = (size_t)n;
    return b;
}

/* base64.decode(text) -> bytes | nil, err. Both alphabets, with padding or without; nothing else. */
static int l_decode(lua_State *L)
{
    struct buf *b = push_decoded(L, check_text(L, 1));

    if (!b)
        return fail(L, "the text is no base64", 0);
    lua_pushlstring(L, b->data, b->len);
    buf_deinit(b);
    return 1;
}

/* ---- data: URLs ---- */

/* The URL's bytes with their percent signs undone, in a buffer on the stack; NULL: a sign is wrong. */
static struct buf *push_plain(lua_State *L, struct span data)
{
    struct buf *b = lua_buf_push(L, TEXT_MAX);

    if (!buf_reserve(b, data.n + 1))
        luaL_error(L, "base64: the URL is larger than %d bytes", TEXT_MAX);
    ptrdiff_t n = percent_decode(b->data, data);
    if (n < 0) {
        buf_deinit(b);
        return NULL;
    }
    b->len = (size_t)n;
    return b;
}

static int give(lua_State *L, const struct data_url *u, ptrdiff_t size)
{
    if (u->type.p)
        lua_pushlstring(L, u->type.p, u->type.n);
    else
        lua_pushliteral(L, "text/plain");
    lua_insert(L, -2);
    lua_pushinteger(L, (lua_Integer)size);
    return 3;
}

static int fail_size(lua_State *L, lua_Integer max)
{
    return fail(L, "the data URL holds more than %lld bytes", max);
}

/* Text that already is base64 as everybody writes it is handed on as it stands. */
static int give_base64(lua_State *L, const struct data_url *u, struct span text, lua_Integer max)
{
    bool usual = false;
    ptrdiff_t size = base64_size(text, &usual);

    if (size < 0)
        return fail(L, "the data URL's base64 is broken", 0);
    if (size > max)
        return fail_size(L, max);
    if (usual) {
        lua_pushlstring(L, text.p, text.n);
        return give(L, u, size);
    }
    struct buf *b = push_decoded(L, text);
    push_encoded(L, buf_span(b));
    buf_deinit(b);
    return give(L, u, size);
}

static int give_plain(lua_State *L, const struct data_url *u, struct span bytes, lua_Integer max)
{
    if (bytes.n > (size_t)max)
        return fail_size(L, max);
    push_encoded(L, bytes);
    return give(L, u, (ptrdiff_t)bytes.n);
}

/* base64.data_url(url, max_bytes) -> type ("image/png"), text (its data in base64, the usual alphabet with padding),
 * number of bytes | nil, err. */
static int l_data_url(lua_State *L)
{
    struct data_url u;
    struct span url = check_text(L, 1);
    lua_Integer max = luaL_checkinteger(L, 2);

    luaL_argcheck(L, max >= 0, 2, "must be a number of bytes");
    if (!data_url_read(&u, url))
        return fail(L, "not a data URL", 0);
    if (u.base64 && !memchr(u.data.p, '%', u.data.n))
        return give_base64(L, &u, u.data, max);
    if (u.data.n / 4 > (size_t)max) /* no byte takes more than four characters */
        return fail_size(L, max);
    struct buf *b = push_plain(L, u.data);
    if (!b)
        return fail(L, "the data URL has a wrong percent sign", 0);
    int n = (u.base64 ? give_base64 : give_plain)(L, &u, buf_span(b), max);
    buf_deinit(b);
    return n;
}

/* ---- vectors: float32, little endian ---- */

static float read_float(const char *p)
{
    const unsigned char *b = (const unsigned char *)p;
    uint32_t bits =
        (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
    float f;

    memcpy(&f, &bits, sizeof f);
    return f;
}

static void write_float(char *p, float f)
{
    uint32_t bits;

    memcpy(&bits, &f, sizeof bits);
    for (int i = 0; i < 4; i++)
        p[i] = (char)(bits >> 8 * i);
}

/* base64.floats(text) -> { number, ... } | nil, err: what an embedding of OpenAI's encoding_format "base64" holds. */
static int l_floats(lua_State *L)
{
    struct buf *b = push_decoded(L, check_text(L, 1));

    if (!b || b->len % 4 || b->len / 4 > FLOATS_MAX)
        return fail(L, "the text is no base64 of 4-byte numbers", 0);
    lua_bounded_charge(L, b->len / 4, "base64.floats");
    lua_createtable(L, (int)(b->len / 4), 0);
    for (size_t i = 0; i < b->len / 4; i++) {
        lua_pushnumber(L, (lua_Number)read_float(b->data + 4 * i));
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    buf_deinit(b);
    return 1;
}

/* base64.of_floats({ number, ... }) -> text. */
static int l_of_floats(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    size_t n = lua_rawlen(L, 1);
    luaL_argcheck(L, n <= FLOATS_MAX, 1, "too many numbers");
    lua_bounded_charge(L, n * 2, "base64.of_floats");
    struct buf *b = lua_buf_push(L, TEXT_MAX);
    if (!buf_reserve(b, n * 4 + 1))
        luaL_error(L, "base64: out of memory");
    for (size_t i = 0; i < n; i++) {
        lua_rawgeti(L, 1, (lua_Integer)i + 1);
        luaL_argcheck(L, lua_type(L, -1) == LUA_TNUMBER, 1, "must hold numbers only");
        write_float(b->data + 4 * i, (float)lua_tonumber(L, -1));
        lua_pop(L, 1);
    }
    b->len = n * 4;
    push_encoded(L, buf_span(b));
    buf_deinit(b);
    return 1;
}

int luaopen_baton_base64(lua_State *L)
{
    static const luaL_Reg functions[] = {{"encode", l_encode},       {"decode", l_decode},
                                         {"data_url", l_data_url},   {"floats", l_floats},
                                         {"of_floats", l_of_floats}, {NULL, NULL}};

    luaL_newlib(L, functions);
    return 1;
}
