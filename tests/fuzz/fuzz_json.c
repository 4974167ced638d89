/* fuzz_json - any bytes through the JSON reader, finder, editor and the way into Lua and back.
 * SPDX-License-Identifier: MIT */
#include "guard.h"
#include "json.h"
#include "lua_json.h"

#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static void insist(bool cond)
{
    if (!cond)
        abort();
}

static bool accepted(struct span doc)
{
    struct err err;
    return json_check(doc, &err) == 0;
}

/* Goes through all of it with the functions that trust their input. Spans stay inside. */
static void walk(struct span doc, int depth)
{
    struct json_iter it = {0};
    struct span key, value;
    struct buf out;
    int64_t i;
    double d;

    while (depth < 20 && json_next(doc, &it, &key, &value)) {
        insist(value.n > 0 && value.p >= doc.p && value.p + value.n <= doc.p + doc.n);
        insist(!key.p || (key.p > doc.p && key.p + key.n <= value.p));
        walk(value, depth + 1);
    }
    buf_init(&out, doc.n);
    if (json_text(doc, &out) == 0) {
        insist(json_text_is(doc, buf_span(&out)));
        char *copy = malloc(doc.n);
        insist(json_unescape(doc, copy) == out.len);
        free(copy);
    }
    json_int(doc, &i);
    json_double(doc, &d);
    buf_deinit(&out);
}

static void edit(struct span doc, bool good)
{
    const struct json_edit edits[] = {
        {"a", SPAN("[1]")}, {"model", SPAN("\"m\"")}, {"b", {NULL, 0}}, {"a", SPAN("{\"x\":2}")}};
    struct buf out;

    json_path(doc, "messages.0.content");
    json_member(doc, "a");
    buf_init(&out, doc.n + 100);
    if (json_splice(doc, edits, 4, &out) == 0 && good) {
        struct span made = buf_span(&out);
        insist(accepted(made));
        insist(span_is(json_member(made, "a"), "{\"x\":2}"));
        insist(span_is(json_member(made, "model"), "\"m\""));
        insist(!json_member(made, "b").p);
    } else {
        insist(!good || json_type(doc) != JSON_OBJECT);
    }
    buf_deinit(&out);
}

/* Decoded and encoded, it says the same, and doing it again changes no byte. */
static void into_lua(lua_State *L, struct span doc, bool good)
{
    struct buf once, twice;
    struct err err;

    buf_init(&once, 6 * doc.n + 100);
    buf_init(&twice, 6 * doc.n + 100);
    insist((lua_json_decode(L, doc, &err) == 0) == good);
    if (good) {
        insist(lua_json_encode(L, 1, &once, &err) == 0);
        insist(accepted(buf_span(&once)));
        insist(lua_json_same(L, 1, buf_span(&once)));
        lua_json_same(L, 1, doc); /* false when a key comes twice */
        insist(lua_json_decode(L, buf_span(&once), &err) == 0);
        insist(lua_json_same(L, 1, buf_span(&once)) && lua_json_same(L, 2, buf_span(&once)));
        insist(lua_json_encode(L, 2, &twice, &err) == 0);
        insist(once.len == twice.len && memcmp(once.data, twice.data, once.len) == 0);
    } else {
        lua_pushinteger(L, 1);
        lua_json_same(L, 1, doc);
    }
    lua_settop(L, 0);
    buf_deinit(&once);
    buf_deinit(&twice);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    static lua_State *L;
    struct span doc = {(const char *)data, size};
    struct buf out;
    bool good = accepted(doc);

    if (!L)
        L = luaL_newstate();
    guard_bind(L, NULL);
    walk(doc, 0);
    edit(doc, good);
    into_lua(L, doc, good);

    buf_init(&out, 6 * size + 2); /* any bytes can be written as a string */
    insist(json_write_text(&out, doc) == 0 && accepted(buf_span(&out)));
    insist(json_is_utf8(buf_span(&out)));
    if (json_is_utf8(doc))
        insist(json_text_is(buf_span(&out), doc));
    buf_deinit(&out);
    return 0;
}
