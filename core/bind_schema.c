/* bind_schema - the module "validator": compiled schemas for scripts; scripts/schema.lua stands on it.
 * SPDX-License-Identifier: MIT
 *
 * What is compiled is kept by its content, so a policy may compile where it needs a schema, for every request. */
#include "digest.h"
#include "json_extract.h"
#include "lua_bounded.h"
#include "lua_buf.h"
#include "lua_class.h"
#include "lua_err.h"
#include "lua_json.h"
#include "modules.h"
#include "schema.h"

#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>

enum {
    KEPT_MAX = 64,          /* compiled schemas that are kept for the next who compiles the same */
    BYTES_MAX = 64 << 20,   /* of all that live in one state */
    VALUE_MAX = 64 << 20,   /* of a decoded value as JSON */
    REMOTES_MAX = 256,      /* schemas in the table of remotes */
    STEPS_PER_BYTE_LOG = 2, /* compiling: a step for each 4 bytes */
};

#define VALIDATOR "baton.validator"
#define STATE     "baton.validators"

/* One a Lua state; the table of what is kept is its user value. */
struct validators {
    struct schema_work *work;
    size_t bytes;
    int kept;
};

struct validator {
    struct schema *schema; /* owned */
    struct validators *all;
    size_t bytes;
};

/* ---- one of all for a state ---- */

static int l_free_state(lua_State *L)
{
    struct validators *all = lua_touserdata(L, 1);

    schema_work_free(all->work);
    all->work = NULL;
    return 0;
}

/* Pushes it. */
static struct validators *push_state(lua_State *L)
{
    if (lua_getfield(L, LUA_REGISTRYINDEX, STATE) == LUA_TUSERDATA)
        return lua_touserdata(L, -1);
    lua_pop(L, 1);
    struct validators *all = lua_newuserdatauv(L, sizeof *all, 1);
    *all = (struct validators){.work = NULL};
    lua_createtable(L, 0, 1);
    lua_pushcfunction(L, l_free_state);
    lua_setfield(L, -2, "__gc");
    lua_setmetatable(L, -2);
    lua_newtable(L);
    lua_setiuservalue(L, -2, 1);
    all->work = schema_work_new();
    if (!all->work)
        luaL_error(L, "not enough memory");
    lua_pushvalue(L, -1);
    lua_setfield(L, LUA_REGISTRYINDEX, STATE);
    return all;
}

static void forget(lua_State *L, int state, struct validators *all)
{
    lua_newtable(L);
    lua_setiuservalue(L, state, 1);
    all->kept = 0;
}

/* ---- compiling ---- */

struct asked {
    struct span text;
    struct schema_options options;
    struct schema_remote *remotes;
    char key[DIGEST_HEX + 1];
};

/* A string as it is, any other value as JSON; the string is left on the stack. */
static struct span push_text(lua_State *L, int index, const char *what)
{
    struct span text;
    struct err err;

    if (lua_type(L, index) == LUA_TSTRING) {
        lua_pushvalue(L, index);
    } else {
        luaL_argexpected(L, lua_istable(L, index) || lua_isboolean(L, index), index,
                         "table, boolean or string");
        struct buf *b = lua_buf_push(L, SCHEMA_BYTES_MAX);
        if (lua_json_encode(L, index, b, &err) < 0)
            luaL_error(L, "validator.compile: %s: %s", what, err.message);
        lua_pushlstring(L, b->data ? b->data : "", b->len);
        buf_deinit(b);
        lua_remove(L, -2);
    }
    text.p = lua_tolstring(L, -1, &text.n);
    return text;
}

static void add_remote(lua_State *L, struct asked *a, int value)
{
    struct schema_remote *r = &a->remotes[a->options.n_remotes];

    if (a->options.n_remotes == REMOTES_MAX)
        luaL_error(L, "validator.compile: more than %d remotes", REMOTES_MAX);
    if (lua_type(L, value - 1) != LUA_TSTRING)
        luaL_error(L, "validator.compile: remotes: the keys must be URIs");
    r->uri.p = lua_tolstring(L, value - 1, &r->uri.n);
    r->text = push_text(L, value, r->uri.p);
    a->options.n_remotes++;
}

/* The table of remotes, in the order of its URIs, so that the same table has the same key. The texts are kept by a table
 * on the stack. */
static int by_uri(const void *a, const void *b)
{
    const struct schema_remote *x = a, *y = b;
    size_t n = x->uri.n < y->uri.n ? x->uri.n : y->uri.n;
    int order = memcmp(x->uri.p, y->uri.p, n);
    return order ? order : (x->uri.n > y->uri.n) - (x->uri.n < y->uri.n);
}

static void read_remotes(lua_State *L, struct asked *a, int table)
{
    a->remotes = lua_newuserdatauv(L, REMOTES_MAX * sizeof *a->remotes, 0);
    lua_newtable(L);
    int texts = lua_gettop(L);
    lua_pushnil(L);
    while (lua_next(L, table)) {
        add_remote(L, a, lua_gettop(L));
        lua_rawseti(L, texts, (lua_Integer)a->options.n_remotes);
        lua_pop(L, 1);
    }
    qsort(a->remotes, a->options.n_remotes, sizeof *a->remotes, by_uri);
    a->options.remotes = a->remotes;
}

static void check_names(lua_State *L, int table)
{
    static const char known[] = " draft formats remotes ";

    lua_pushnil(L);
    while (lua_next(L, table)) {
        lua_pop(L, 1);
        const char *name = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "";
        const char *found = *name ? strstr(known, name) : NULL;
        if (!found || found[-1] != ' ' || found[strlen(name)] != ' ')
            luaL_error(L, "validator.compile: unknown option '%s' (known:%s)", name, known);
    }
}

/* draft and formats, as text or nil. */
static int option(lua_State *L, int table, const char *name, const char *const values[])
{
    const char *text = lua_getfield(L, table, name) == LUA_TNIL ? values[0] : lua_tostring(L, -1);

    for (int i = 0; text && values[i]; i++)
        if (strcmp(text, values[i]) == 0)
            return i;
    return luaL_error(L, "validator.compile: option '%s' must be \"%s\" or \"%s\"", name, values[0],
                      values[1]);
}

static void read_options(lua_State *L, struct asked *a, int table)
{
    static const char *const drafts[] = {"2020-12", "7", NULL};
    static const char *const formats[] = {"annotate", "assert", NULL};

    luaL_checktype(L, table, LUA_TTABLE);
    check_names(L, table);
    a->options.draft = (enum schema_draft)option(L, table, "draft", drafts);
    a->options.formats = option(L, table, "formats", formats) == 1;
    if (lua_getfield(L, table, "remotes") != LUA_TNIL) {
        luaL_checktype(L, -1, LUA_TTABLE);
        read_remotes(L, a, lua_gettop(L));
    }
}

static void make_key(struct asked *a)
{
    struct digest d;
    char head[64];
    int n = snprintf(head, sizeof head, "%d %d %zu ", (int)a->options.draft, a->options.formats,
                     a->text.n);

    digest_init(&d);
    digest_add(&d, (struct span){head, (size_t)n});
    digest_add(&d, a->text);
    for (size_t i = 0; i < a->options.n_remotes; i++) {
        n = snprintf(head, sizeof head, " %zu %zu ", a->remotes[i].uri.n, a->remotes[i].text.n);
        digest_add(&d, (struct span){head, (size_t)n});
        digest_add(&d, a->remotes[i].uri);
        digest_add(&d, a->remotes[i].text);
    }
    digest_end(&d, a->key);
}

static int compile(lua_State *L, struct validators *all, int state, const struct asked *a)
{
    struct err err;

    if (all->bytes > BYTES_MAX) {
        forget(L, state, all);
        lua_gc(L, LUA_GCCOLLECT);
    }
    if (all->bytes > BYTES_MAX) {
        err_set(&err, ERR_BUDGET, "compiled schemas take more than %d MB", BYTES_MAX >> 20);
        return lua_err_fail(L, &err);
    }
    struct validator *v = lua_newuserdatauv(L, sizeof *v, 0);
    *v = (struct validator){.all = all};
    luaL_setmetatable(L, VALIDATOR);
    v->schema = schema_new(a->text, &a->options, &err);
    if (!v->schema)
        return lua_err_fail(L, &err);
    v->bytes = schema_bytes(v->schema);
    all->bytes += v->bytes;
    if (all->kept == KEPT_MAX)
        forget(L, state, all);
    lua_getiuservalue(L, state, 1);
    lua_pushvalue(L, -2);
    lua_setfield(L, -2, a->key);
    all->kept++;
    lua_pop(L, 1);
    return 1;
}

/* validator.compile(schema, opts?) -> validator | nil, err. A schema is a table, true or false, or its JSON text. opts:
 * draft = "2020-12" (without one in $schema) or "7", formats = "annotate" or "assert", remotes = { [URI] = schema }.
 * err.code is "bad_request" with the place, the keyword and the reason, "budget" for what is too large. The same schema
 * is compiled once. */
static int l_compile(lua_State *L)
{
    struct asked a = {.options = {.draft = SCHEMA_2020_12}};

    lua_settop(L, 2);
    struct validators *all = push_state(L);
    a.text = push_text(L, 1, "the schema");
    if (!lua_isnil(L, 2))
        read_options(L, &a, 2);
    lua_bounded_charge(L, a.text.n / STEP_BYTES * 4 + 1, "validator.compile");
    make_key(&a);
    lua_getiuservalue(L, 3, 1);
    if (lua_getfield(L, -1, a.key) == LUA_TUSERDATA)
        return 1;
    lua_bounded_charge(L, a.text.n >> STEPS_PER_BYTE_LOG, "validator.compile");
    return compile(L, all, 3, &a);
}

static int l_free(lua_State *L)
{
    struct validator *v = luaL_checkudata(L, 1, VALIDATOR);

    schema_free(v->schema);
    v->schema = NULL;
    v->all->bytes -= v->bytes;
    v->bytes = 0;
    return 0;
}

/* ---- checking ---- */

static void set_span(lua_State *L, const char *name, struct span text)
{
    lua_pushlstring(L, text.p, text.n);
    lua_setfield(L, -2, name);
}

/* "/a/b: must be a string"; the place is left out where it is the whole. */
static void first_message(const struct schema_report *r, struct err *err)
{
    const struct schema_error *e = &r->found[0];
    size_t n = e->instance.n < 150 ? e->instance.n : 150;

    err_set(err, ERR_INVALID_OUTPUT, "%.*s%s%.*s", (int)n, e->instance.p, n ? ": " : "",
            (int)(e->message.n < 300 ? e->message.n : 300), e->message.p);
}

static int give_errors(lua_State *L, const struct schema_report *r)
{
    struct err err;

    first_message(r, &err);
    lua_pushnil(L);
    lua_err_push(L, &err);
    for (int i = 0; i < r->n; i++) {
        lua_createtable(L, 0, 4);
        set_span(L, "instance", r->found[i].instance);
        set_span(L, "schema", r->found[i].schema);
        set_span(L, "message", r->found[i].message);
        lua_pushstring(L, r->found[i].keyword);
        lua_setfield(L, -2, "keyword");
        lua_rawseti(L, -2, i + 1);
    }
    lua_pushboolean(L, r->more);
    lua_setfield(L, -2, "more");
    return 2;
}

static int check(lua_State *L, struct span doc, struct schema_report *r)
{
    struct validator *v = luaL_checkudata(L, 1, VALIDATOR);
    struct err err;

    lua_bounded_charge(L, doc.n / STEP_BYTES + 1, "validator:check");
    enum schema_verdict verdict = schema_check(v->schema, doc, v->all->work, r, &err);
    lua_bounded_charge(L, (size_t)r->steps, "validator:check");
    if (verdict == SCHEMA_VALID)
        return lua_pushboolean(L, 1), 1;
    return verdict == SCHEMA_FAILED ? lua_err_fail(L, &err) : give_errors(L, r);
}

static struct schema_report read_how(lua_State *L, int index)
{
    struct schema_report r = {.all = false};

    if (lua_isnoneornil(L, index))
        return r;
    luaL_checktype(L, index, LUA_TTABLE);
    lua_getfield(L, index, "all");
    r.all = lua_toboolean(L, -1);
    lua_pop(L, 1);
    return r;
}

/* validator:check(value, { all = true }?) -> true | nil, errors. */
static int l_check(lua_State *L)
{
    struct schema_report r = read_how(L, 3);
    struct err err;

    luaL_checkudata(L, 1, VALIDATOR);
    luaL_checkany(L, 2);
    struct buf *b = lua_buf_push(L, VALUE_MAX);
    if (lua_json_encode(L, 2, b, &err) < 0)
        return lua_err_fail(L, &err);
    int n = check(L, buf_span(b), &r);
    buf_deinit(b);
    return n;
}

static struct span check_bytes(lua_State *L)
{
    struct span doc;

    doc.p = luaL_checklstring(L, 2, &doc.n);
    return doc;
}

/* validator:check_json(bytes, { all = true }?) -> true | nil, errors. Without decoding. */
static int l_check_json(lua_State *L)
{
    struct schema_report r = read_how(L, 3);
    return check(L, check_bytes(L), &r);
}

/* validator:check_beginning(bytes) -> true | nil, errors: can it still become a document that fits? */
static int l_check_beginning(lua_State *L)
{
    struct schema_report r = {.beginning = true};
    return check(L, check_bytes(L), &r);
}

/* validator.find_json(text) -> list of JSON texts, the likeliest first | nil, err. See core/json_extract.h. */
static int l_find_json(lua_State *L)
{
    struct json_found found;
    struct span text;
    struct err err;

    text.p = luaL_checklstring(L, 1, &text.n);
    lua_bounded_charge(L, text.n / 4 + 1, "validator.find_json");
    if (json_extract(text, &found, &err) < 0)
        return lua_err_fail(L, &err);
    lua_createtable(L, found.n, 0);
    for (int i = 0; i < found.n; i++) {
        lua_pushlstring(L, found.at[i].p, found.at[i].n);
        lua_rawseti(L, -2, i + 1);
    }
    return 1;
}

int luaopen_baton_validator(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"compile", l_compile}, {"find_json", l_find_json}, {NULL, NULL}};
    static const luaL_Reg methods[] = {{"check", l_check},
                                       {"check_json", l_check_json},
                                       {"check_beginning", l_check_beginning},
                                       {NULL, NULL}};

    lua_class_make(L, VALIDATOR, methods, l_free);
    luaL_newlib(L, functions);
    return 1;
}
