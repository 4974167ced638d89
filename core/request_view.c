/* request_view - a client's request as scripts see it: bytes that are decoded only where somebody
 * looks. SPDX-License-Identifier: MIT */
#include "request_view.h"

#include "generation.h"
#include "json.h"
#include "lua_buf.h"
#include "lua_json.h"
#include "lua_pairs.h"

#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>

#define METATABLE "baton.request"

enum { EDITS_MAX = 128, BODY_MAX = 256 << 20, MEMBERS_MAX = 32 };
/* User values: members as decoded; members as assigned (&gone: taken out); the body, a string, or the function that
 * makes it; the request in the client's own format and what is known of it, nil when this is it. */
enum { READ = 1, SET, BODY, NATIVE, ABOUT, USER_VALUES = ABOUT };

static const char gone = 0;

struct member {
    struct span key, value; /* the key with its quotes */
};

struct request_view {
    struct member
        members[MEMBERS_MAX]; /* of the body, found in one pass when the first is asked for */
    int count;                /* -1: not yet; MEMBERS_MAX + 1: too many, look them up one by one */
    struct span body;         /* of the string; p NULL: not made yet */
};

static void set_body(lua_State *L, struct request_view *v, int view, int index)
{
    v->body.p = lua_tolstring(L, index, &v->body.n);
    lua_pushvalue(L, index);
    lua_setiuservalue(L, view, BODY);
}

/* The body that view_of is given: checked, unless a view has it. */
static void check_text(lua_State *L, int index)
{
    struct span text;
    struct err err;

    text.p = lua_tolstring(L, index, &text.n);
    if (json_check(text, &err) < 0)
        luaL_error(L, "provider.view: %s", err.message);
    luaL_argcheck(L, json_type(text) == JSON_OBJECT, 1, "not a JSON object");
}

/* Runs the function that makes the body: -> text | nil, err, which is raised. When it looks at the view itself, the body
 * may be there already: that one stays, for members point into it. */
static void make_body(lua_State *L, struct request_view *v, int view)
{
    lua_getiuservalue(L, view, BODY);
    lua_call(L, 0, 2);
    if (lua_isnil(L, -2))
        lua_error(L);
    lua_pop(L, 1);
    luaL_checktype(L, -1, LUA_TSTRING);
    check_text(L, lua_gettop(L));
    if (!v->body.p)
        set_body(L, v, view, lua_gettop(L));
    lua_pop(L, 1);
}

static struct request_view *check(lua_State *L, int index)
{
    struct request_view *v = luaL_checkudata(L, index, METATABLE);

    if (!v->body.p)
        make_body(L, v, lua_absindex(L, index));
    return v;
}

bool request_view_is(lua_State *L, int index)
{
    return luaL_testudata(L, index, METATABLE) != NULL;
}

static struct request_view *push_empty(lua_State *L)
{
    struct request_view *v = lua_newuserdatauv(L, sizeof *v, USER_VALUES);

    v->body = (struct span){NULL, 0};
    v->count = -1;
    luaL_setmetatable(L, METATABLE);
    return v;
}

void request_view_push(lua_State *L, int index)
{
    index = lua_absindex(L, index);
    struct request_view *v = push_empty(L);
    set_body(L, v, lua_gettop(L), index);
}

int request_view_new(lua_State *L)
{
    int type = lua_type(L, 1);

    lua_settop(L, 3);
    if (type == LUA_TUSERDATA) {
        luaL_checkudata(L, 1, METATABLE);
        if (lua_isnil(L, 2)) { /* it stays the client's own request; now more is known of it */
            lua_setiuservalue(L, 1, ABOUT);
            lua_settop(L, 1);
            return 1;
        }
        lua_getiuservalue(L, 1, BODY);
        lua_replace(L, 1);
    } else if (type == LUA_TSTRING) {
        check_text(L, 1);
    } else {
        luaL_checktype(L, 1, LUA_TFUNCTION);
    }
    struct request_view *v = push_empty(L);
    if (lua_isstring(L, 1)) {
        set_body(L, v, 4, 1);
    } else {
        lua_pushvalue(L, 1);
        lua_setiuservalue(L, 4, BODY);
    }
    for (int slot = NATIVE; slot <= ABOUT; slot++) {
        lua_pushvalue(L, slot - NATIVE + 2);
        lua_setiuservalue(L, 4, slot);
    }
    return 1;
}

int request_view_native(lua_State *L)
{
    luaL_checkudata(L, 1, METATABLE);
    lua_getiuservalue(L, 1, NATIVE);
    lua_getiuservalue(L, 1, ABOUT);
    return 2;
}

static void find_members(struct request_view *v)
{
    struct json_iter it = {0};
    struct member m;

    v->count = 0;
    while (v->count <= MEMBERS_MAX && json_next(v->body, &it, &m.key, &m.value)) {
        if (v->count < MEMBERS_MAX)
            v->members[v->count] = m;
        v->count++;
    }
}

/* The value of the body's last member of that name; p NULL without one. */
static struct span member_of(struct request_view *v, const char *name)
{
    if (v->count < 0)
        find_members(v);
    if (v->count > MEMBERS_MAX)
        return json_member(v->body, name);
    for (int i = v->count - 1; i >= 0; i--)
        if (json_is_text(v->members[i].key, name))
            return v->members[i].value;
    return (struct span){NULL, 0};
}

/* Pushes the table in a user value, made when it is missing. */
static void push_table(lua_State *L, int index, int slot)
{
    if (lua_getiuservalue(L, index, slot) == LUA_TTABLE)
        return;
    lua_pop(L, 1);
    lua_newtable(L);
    lua_pushvalue(L, -1);
    lua_setiuservalue(L, index, slot);
}

/* Pushes what a user value's table has under the key at 'key'; LUA_TNONE and nothing when there is
 * no table. */
static int peek(lua_State *L, int index, int slot, int key)
{
    if (lua_getiuservalue(L, index, slot) != LUA_TTABLE) {
        lua_pop(L, 1);
        return LUA_TNONE;
    }
    lua_pushvalue(L, key);
    int type = lua_rawget(L, -2);
    lua_remove(L, -2);
    return type;
}

/* ---- the text of the last user message ---- */

/* A message's content: a string, or an array of parts of which those of type text count. */
static void add_content(struct span content, struct buf *out)
{
    struct json_iter it = {0};
    struct span key, part;

    if (!content.p)
        return;
    if (json_type(content) == JSON_STRING)
        json_text(content, out);
    if (json_type(content) != JSON_ARRAY)
        return;
    while (json_next(content, &it, &key, &part)) {
        struct span text = json_member(part, "text");
        if (!text.p || json_type(text) != JSON_STRING)
            continue;
        if (out->len)
            buf_puts(out, "\n");
        json_text(text, out);
    }
}

/* The content of the last message whose role is "user"; p NULL without one. */
static struct span last_user_content(struct span messages)
{
    struct json_iter it = {0};
    struct span key, message, last = {NULL, 0};

    if (messages.p && json_type(messages) == JSON_ARRAY)
        while (json_next(messages, &it, &key, &message))
            if (json_is_text(json_member(message, "role"), "user"))
                last = message;
    return last.p ? json_member(last, "content") : last;
}

/* The content's text. Most often it is one string without escapes, which needs no copy. */
static void push_content(lua_State *L, struct span content)
{
    if (content.p && json_type(content) == JSON_STRING && !memchr(content.p, '\\', content.n)) {
        lua_pushlstring(L, content.p + 1, content.n - 2);
        return;
    }
    struct buf *text = lua_buf_push(L, BODY_MAX);
    add_content(content, text);
    struct span found = buf_span(text);
    lua_pushlstring(L, found.p, found.n);
    buf_deinit(text);
}

/* req.text of messages that a script has looked at: as they are now. */
static int push_text_of_table(lua_State *L)
{
    struct err err;
    struct buf *json = lua_buf_push(L, BODY_MAX);

    lua_insert(L, -2);
    if (lua_json_encode(L, -1, json, &err) < 0) {
        buf_deinit(json);
        return luaL_error(L, "req.text: messages %s", err.message);
    }
    push_content(L, last_user_content(buf_span(json)));
    buf_deinit(json);
    return 1;
}

/* req.text: of the messages as they are now, changes included. */
static int push_text(lua_State *L, struct request_view *v)
{
    lua_pushliteral(L, "messages");
    int key = lua_gettop(L), type = peek(L, 1, SET, key);
    bool assigned = type != LUA_TNONE && type != LUA_TNIL;

    if (!assigned)
        type = peek(L, 1, READ, key);
    if (type == LUA_TTABLE)
        return push_text_of_table(L);
    if (assigned) /* taken out, or no list any more */
        lua_pushliteral(L, "");
    else
        push_content(L, last_user_content(member_of(v, "messages")));
    return 1;
}

/* req.context: what the client says beside its request (scripts/caller.lua). */
static int push_context(lua_State *L)
{
    generation_require(L, "caller");
    lua_getfield(L, -1, "context");
    lua_pushvalue(L, 1);
    lua_call(L, 1, 1);
    return 1;
}

/* ---- members ---- */

/* Members are looked up by C strings. */
static bool has_zero(lua_State *L, int index)
{
    return strlen(lua_tostring(L, index)) != lua_rawlen(L, index);
}

static int l_index(lua_State *L)
{
    struct request_view *v = check(L, 1);
    const char *key = luaL_checkstring(L, 2);

    if (has_zero(L, 2))
        return 0;
    lua_pushvalue(L, 2);
    if (lua_rawget(L, lua_upvalueindex(1)) != LUA_TNIL)
        return 1; /* a method */
    lua_settop(L, 2);
    int type = peek(L, 1, SET, 2);
    if (type == LUA_TLIGHTUSERDATA && lua_touserdata(L, -1) == &gone)
        return 0;
    if (type != LUA_TNIL && type != LUA_TNONE)
        return 1;
    if (strcmp(key, "text") == 0)
        return push_text(L, v);
    if (strcmp(key, "context") == 0)
        return push_context(L);
    lua_settop(L, 2);
    type = peek(L, 1, READ, 2);
    if (type != LUA_TNIL && type != LUA_TNONE)
        return 1;
    struct span value = member_of(v, key);
    if (!value.p)
        return 0;
    lua_json_push(L, value);
    push_table(L, 1, READ);
    lua_pushvalue(L, 2);
    lua_pushvalue(L, -3);
    lua_rawset(L, -3);
    lua_pop(L, 1);
    return 1;
}

static int l_newindex(lua_State *L)
{
    check(L, 1);
    luaL_checkstring(L, 2);
    luaL_argcheck(L, !has_zero(L, 2), 2, "the name of a member with a zero byte");
    lua_settop(L, 3);
    push_table(L, 1, SET);
    lua_pushvalue(L, 2);
    if (lua_isnil(L, 3))
        lua_pushlightuserdata(L, (void *)&gone);
    else
        lua_pushvalue(L, 3);
    lua_rawset(L, -3);
    return 0;
}

/* ---- the body with changes ---- */

/* Edits under construction. Keys point into Lua strings that the view's tables hold; values are
 * offsets into the scratch buffer until it has stopped growing. */
struct edits {
    struct json_edit list[EDITS_MAX];
    size_t start[EDITS_MAX];
    size_t n;
    struct buf *scratch;
};

/* One more edit: the value on top of the stack, or &gone. */
static int add_edit(lua_State *L, struct edits *e, const char *key, struct err *err)
{
    size_t at = e->scratch->len, i = 0;

    while (i < e->n && strcmp(e->list[i].key, key) != 0)
        i++; /* a later edit of the same member counts */
    if (i == EDITS_MAX)
        return err_set(err, ERR_BUDGET, "more than %d changed members", EDITS_MAX);
    e->list[i] = (struct json_edit){.key = key};
    e->start[i] = at;
    if (i == e->n)
        e->n++;
    if (lua_touserdata(L, -1) == &gone)
        return 0;
    if (lua_json_encode(L, -1, e->scratch, err) < 0)
        return err_prefix(err, "%s", key);
    e->list[i].value = (struct span){"", e->scratch->len - at};
    return 0;
}

/* Tables that were read and have changed since. */
static int add_changed(lua_State *L, struct request_view *v, int index, struct edits *e,
                       struct err *err)
{
    if (lua_getiuservalue(L, index, READ) != LUA_TTABLE)
        return 0;
    for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) {
        const char *key = lua_tostring(L, -2);
        if (lua_istable(L, -1) && !lua_json_same(L, -1, member_of(v, key)) &&
            add_edit(L, e, key, err) < 0)
            return -1;
    }
    return 0;
}

/* All members of the table on top of the stack, in a stable order. */
static int add_all(lua_State *L, struct edits *e, struct err *err)
{
    int table = lua_gettop(L);

    lua_pairs_keys(L, table);
    lua_Integer n = (lua_Integer)lua_rawlen(L, -1);
    for (lua_Integer i = 1; i <= n; i++) {
        lua_rawgeti(L, table + 1, i);
        if (lua_type(L, -1) != LUA_TSTRING || has_zero(L, -1))
            return err_set(err, ERR_BAD_REQUEST, "the name of a member must be a string");
        const char *key = lua_tostring(L, -1);
        lua_pushvalue(L, -1);
        lua_rawget(L, table);
        if (add_edit(L, e, key, err) < 0)
            return -1;
        lua_pop(L, 2);
    }
    return 0;
}

/* The members named in the sequence at 'removed' go. */
static int add_removed(lua_State *L, int removed, struct edits *e, struct err *err)
{
    lua_Integer n = (lua_Integer)lua_rawlen(L, removed);

    for (lua_Integer i = 1; i <= n; i++) {
        if (lua_rawgeti(L, removed, i) != LUA_TSTRING)
            return err_set(err, ERR_BAD_REQUEST, "the name of a member must be a string");
        const char *key = lua_tostring(L, -1); /* the sequence keeps it */
        lua_pushlightuserdata(L, (void *)&gone);
        if (add_edit(L, e, key, err) < 0)
            return -1;
        lua_pop(L, 2);
    }
    return 0;
}

int request_view_compose(lua_State *L, int index, int edits, int removed, struct buf *out,
                         struct err *err)
{
    struct request_view *v = check(L, index);
    struct edits e = {.n = 0};
    int top = lua_gettop(L), result = -1;

    index = lua_absindex(L, index);
    luaL_checkstack(L, 16, NULL);
    e.scratch = lua_buf_push(L, BODY_MAX);
    if (add_changed(L, v, index, &e, err) < 0)
        goto out;
    if (lua_getiuservalue(L, index, SET) == LUA_TTABLE && add_all(L, &e, err) < 0)
        goto out;
    if (edits) {
        lua_pushvalue(L, edits);
        if (add_all(L, &e, err) < 0)
            goto out;
    }
    if (removed && add_removed(L, removed, &e, err) < 0)
        goto out;
    for (size_t i = 0; i < e.n; i++)
        if (e.list[i].value.p)
            e.list[i].value.p = e.scratch->data + e.start[i];
    result = json_splice(v->body, e.list, e.n, out);
    if (result < 0)
        err_set(err, ERR_BUDGET, "the request's body is larger than %zu bytes", out->max);
out:
    buf_deinit(e.scratch);
    lua_settop(L, top);
    return result;
}

/* Appends the keys of the table on top of the stack to the sequence at 'list'. */
static void add_names(lua_State *L, int list)
{
    for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) {
        lua_pushvalue(L, -2);
        lua_rawseti(L, list, (lua_Integer)lua_rawlen(L, list) + 1);
    }
}

int request_view_changes(lua_State *L)
{
    struct request_view *v = luaL_checkudata(L, 1, METATABLE);

    lua_settop(L, 1);
    lua_newtable(L);
    if (lua_getiuservalue(L, 1, SET) == LUA_TTABLE)
        add_names(L, 2);
    lua_settop(L, 2);
    if (!v->body.p || lua_getiuservalue(L, 1, READ) != LUA_TTABLE) {
        lua_settop(L, 2);
        return 1;
    }
    for (lua_pushnil(L); lua_next(L, 3); lua_pop(L, 1))
        if (lua_istable(L, -1) && !lua_json_same(L, -1, member_of(v, lua_tostring(L, -2)))) {
            lua_pushvalue(L, -2);
            lua_rawseti(L, 2, (lua_Integer)lua_rawlen(L, 2) + 1);
        }
    lua_settop(L, 2);
    return 1;
}

/* ---- methods ---- */

/* req:with({ name = value, ... }, { "gone", ... }?) -> a copy with members changed and others taken
 * out; json.null stands for null. The request itself stays as it is. */
static int l_with(lua_State *L)
{
    struct err err;

    check(L, 1);
    luaL_checktype(L, 2, LUA_TTABLE);
    lua_settop(L, 3);
    if (!lua_isnil(L, 3))
        luaL_checktype(L, 3, LUA_TTABLE);
    struct buf *body = lua_buf_push(L, BODY_MAX);
    if (request_view_compose(L, 1, 2, lua_isnil(L, 3) ? 0 : 3, body, &err) < 0)
        return luaL_error(L, "req:with: %s", err.message);
    struct span text = buf_span(body);
    lua_pushlstring(L, text.p, text.n);
    buf_deinit(body);
    request_view_push(L, -1);
    lua_getiuservalue(L, 1, ABOUT); /* it was translated; the client's own bytes do not say this */
    lua_setiuservalue(L, -2, ABOUT);
    return 1;
}

/* req:json() -> the body as JSON text, changes included. */
static int l_json(lua_State *L)
{
    struct err err;

    check(L, 1);
    lua_settop(L, 1);
    struct buf *body = lua_buf_push(L, BODY_MAX);
    if (request_view_compose(L, 1, 0, 0, body, &err) < 0)
        return luaL_error(L, "req:json: %s", err.message);
    struct span text = buf_span(body);
    lua_pushlstring(L, text.p, text.n);
    buf_deinit(body);
    return 1;
}

/* req:list_problem(name, member) -> nil when the body's member 'name' is an array of objects that
 * each have a text 'member'; otherwise "missing", "type", "empty", or "element" or "member" and the
 * position (from 0) of the first such element. Looks at the client's bytes, without decoding them.
 */
static int l_list_problem(lua_State *L)
{
    struct request_view *v = check(L, 1);
    struct span list = member_of(v, luaL_checkstring(L, 2)), key, element;
    const char *member = luaL_checkstring(L, 3), *problem = NULL;
    struct json_iter it = {0};
    lua_Integer position = 0;

    if (!list.p)
        problem = "missing";
    else if (json_type(list) != JSON_ARRAY)
        problem = "type";
    for (; !problem && json_next(list, &it, &key, &element); position++) {
        struct span text = json_member(element, member);
        if (json_type(element) != JSON_OBJECT)
            problem = "element";
        else if (!text.p || json_type(text) != JSON_STRING)
            problem = "member";
        if (problem) {
            lua_pushstring(L, problem);
            lua_pushinteger(L, position);
            return 2;
        }
    }
    if (!problem && position == 0)
        problem = "empty";
    lua_pushstring(L, problem);
    return 1;
}

/* Has a script looked at the member, or changed it? */
static int is_touched(lua_State *L, int view, const char *name)
{
    int slots[] = {READ, SET}, touched = 0;

    lua_pushstring(L, name);
    int key = lua_gettop(L);
    for (int i = 0; i < 2 && !touched; i++) {
        touched = peek(L, view, slots[i], key) > LUA_TNIL;
        lua_settop(L, key);
    }
    lua_pop(L, 1);
    return touched;
}

/* req:is_plain() -> true when the content of each message is one text, so that there are no pictures,
 * sounds and files; false when not, and when messages were looked at, which may have changed since.
 * Looks at the client's bytes, without decoding them.
 */
static int l_is_plain(lua_State *L)
{
    struct request_view *v = check(L, 1);
    struct span list, key, message;
    struct json_iter it = {0};
    int plain = !is_touched(L, 1, "messages");

    if (plain) {
        list = member_of(v, "messages");
        while (plain && list.p && json_type(list) == JSON_ARRAY &&
               json_next(list, &it, &key, &message)) {
            struct span content = json_member(message, "content");
            plain = !content.p || json_type(content) != JSON_ARRAY;
        }
    }
    lua_pushboolean(L, plain);
    return 1;
}

void request_view_open(lua_State *L)
{
    static const luaL_Reg methods[] = {{"with", l_with},
                                       {"json", l_json},
                                       {"list_problem", l_list_problem},
                                       {"is_plain", l_is_plain},
                                       {NULL, NULL}};

    luaL_newmetatable(L, METATABLE);
    luaL_newlib(L, methods);
    lua_pushcclosure(L, l_index, 1);
    lua_setfield(L, -2, "__index");
    lua_pushcfunction(L, l_newindex);
    lua_setfield(L, -2, "__newindex");
    lua_pushliteral(L, "request");
    lua_setfield(L, -2, "__metatable");
    lua_pop(L, 1);
}
