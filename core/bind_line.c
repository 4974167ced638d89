/* bind_line - a line to a model: what is the same in each of its calls, checked once.
 * SPDX-License-Identifier: MIT */
#include "bind_line.h"

#include "generation.h"
#include "lua_buf.h"
#include "lua_class.h"
#include "lua_err.h"
#include "stream.h"

#include <lauxlib.h>
#include <math.h>
#include <string.h>

#define LINE       "baton.line"
#define NUMBER_MAX 1e12

/* Under construction: the texts, each with a terminator, and where each begins. */
struct draft {
    struct buf *text;
    size_t url, method, model, key_name, key_prefix, fields[LINE_FIELDS_MAX], field_count;
};

/* ---- reading what is asked for; the table is at 1 ---- */

static const char *text_field(lua_State *L, const char *name, const char *otherwise)
{
    if (lua_getfield(L, 1, name) == LUA_TNIL) {
        lua_pop(L, 1);
        return otherwise;
    }
    if (lua_type(L, -1) != LUA_TSTRING)
        luaL_error(L, "provider.line: %s must be a string", name);
    const char *text = lua_tostring(L, -1);
    lua_pop(L, 1); /* the table keeps it */
    return text;
}

/* A number above 0; 0 for anything else. */
static double number_field(lua_State *L, const char *name)
{
    lua_getfield(L, 1, name);
    double d = lua_tonumber(L, -1);
    lua_pop(L, 1);
    return d > 0 ? d : 0;
}

static bool flag_field(lua_State *L, const char *name)
{
    lua_getfield(L, 1, name);
    bool flag = lua_toboolean(L, -1);
    lua_pop(L, 1);
    return flag;
}

static void put(lua_State *L, struct draft *d, const char *text)
{
    if (buf_puts(d->text, text) < 0)
        luaL_error(L, "provider.line: the texts are larger than %d bytes", LINE_BYTES_MAX);
}

static void end_text(lua_State *L, struct draft *d)
{
    if (buf_add(d->text, "", 1) < 0)
        luaL_error(L, "provider.line: the texts are larger than %d bytes", LINE_BYTES_MAX);
}

static size_t add_text(lua_State *L, struct draft *d, const char *text)
{
    size_t at = d->text->len;

    put(L, d, text);
    end_text(L, d);
    return at;
}

/* Header text; a line break in it would be another field. */
static const char *plain(lua_State *L, const char *text)
{
    if (strpbrk(text, "\r\n"))
        luaL_error(L, "provider.line: a header with a line break");
    return text;
}

static void begin_field(lua_State *L, struct draft *d)
{
    if (d->field_count == LINE_FIELDS_MAX)
        luaL_error(L, "provider.line: more than %d header fields", LINE_FIELDS_MAX);
    d->fields[d->field_count++] = d->text->len;
}

static void add_fields(lua_State *L, struct draft *d, const struct provider *p)
{
    begin_field(L, d);
    add_text(L, d, "content-type: application/json");
    for (size_t i = 0; i < p->header_count; i++) {
        begin_field(L, d);
        add_text(L, d, p->headers[i]);
    }
    if (lua_getfield(L, 1, "headers") == LUA_TTABLE)
        for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) {
            if (lua_type(L, -2) != LUA_TSTRING || lua_type(L, -1) != LUA_TSTRING)
                luaL_error(L, "provider.line: headers must be names and texts");
            begin_field(L, d);
            put(L, d, plain(L, lua_tostring(L, -2)));
            put(L, d, ": ");
            add_text(L, d, plain(L, lua_tostring(L, -1)));
        }
    lua_pop(L, 1);
}

/* -1: the path leads elsewhere, or the URL is too long. */
static int add_url(lua_State *L, struct draft *d, const struct provider *p, struct err *err)
{
    const char *path = text_field(L, "path", "");

    if (*path && *path != '/') /* "host" .. ".evil" would send the key elsewhere */
        return err_set(err, ERR_BAD_REQUEST, "provider.line: path must begin with '/'");
    if (strlen(p->base_url) + strlen(path) >= LINE_URL_MAX)
        return err_set(err, ERR_BAD_REQUEST, "the provider's URL is longer than 2000 bytes");
    d->url = d->text->len;
    put(L, d, p->base_url);
    add_text(L, d, path);
    return 0;
}

static void add_key(lua_State *L, struct draft *d)
{
    d->key_name = add_text(L, d, plain(L, text_field(L, "auth_header", "authorization")));
    d->key_prefix = add_text(L, d, plain(L, text_field(L, "auth_prefix", "")));
}

/* ---- the line ---- */

static struct line *push_line(lua_State *L, const struct draft *d, const struct provider *p,
                              const struct wire *wire)
{
    struct line *line = lua_newuserdatauv(L, sizeof *line + d->text->len, 1);
    char *text = (char *)(line + 1);

    memcpy(text, d->text->data, d->text->len);
    *line = (struct line){
        .provider = p,
        .wire = wire,
        .url = text + d->url,
        .method = text + d->method,
        .model = text + d->model,
        .key_name = text + d->key_name,
        .key_prefix = text + d->key_prefix,
        .field_count = d->field_count,
        .known = flag_field(L, "known"),
        .stream = flag_field(L, "stream"),
        .requests_per_minute = number_field(L, "requests_per_minute"),
        .tokens_per_minute = number_field(L, "tokens_per_minute"),
        .prices = {number_field(L, "input_price"), number_field(L, "output_price"),
                   (size_t)fmin(number_field(L, "context"), NUMBER_MAX)},
    };
    for (size_t i = 0; i < d->field_count; i++)
        line->fields[i] = text + d->fields[i];
    luaL_setmetatable(L, LINE);
    lua_getfield(L, 1, "wire");
    lua_setiuservalue(L, -2, 1);
    return line;
}

/* provider.line{ provider =, path =, wire =, stream = (are events wanted?), method = "POST", headers = (fields of every
 * call), auth_header = "authorization", auth_prefix = "" (before the key), model = "provider/model" (for its health;
 * without it none is kept), known = is it in the catalogue?, requests_per_minute =, tokens_per_minute =, input_price =,
 * output_price = (USD per million tokens), context = (tokens): what a call that is stopped has cost is estimated from
 * them } -> line | nil, err (a path that leads elsewhere). Raises on anything else that is wrong. */
int line_new(lua_State *L)
{
    struct draft d = {0};
    struct err err;

    luaL_checktype(L, 1, LUA_TTABLE);
    luaL_argcheck(L, !lua_getmetatable(L, 1), 1, "a plain table is needed, without metatable");
    lua_settop(L, 1);
    const char *name = text_field(L, "provider", "");
    const struct provider *p = providers_find(generation_of(L)->providers, name);
    if (!p)
        return luaL_error(L, "provider.line: there is no provider '%s'", name);
    lua_getfield(L, 1, "wire");
    const struct wire *wire = wire_check(L, 2);
    d.text = lua_buf_push(L, LINE_BYTES_MAX);
    if (add_url(L, &d, p, &err) < 0)
        return lua_err_fail(L, &err);
    d.method = add_text(L, &d, text_field(L, "method", "POST"));
    d.model = add_text(L, &d, text_field(L, "model", ""));
    add_key(L, &d);
    add_fields(L, &d, p);
    push_line(L, &d, p, wire);
    buf_deinit(d.text);
    return 1;
}

const struct line *line_check(lua_State *L, int index)
{
    return luaL_checkudata(L, index, LINE);
}

void line_open(lua_State *L, lua_CFunction call)
{
    const luaL_Reg methods[] = {{"call", call}, {NULL, NULL}};

    lua_class_make(L, LINE, methods, NULL);
}
