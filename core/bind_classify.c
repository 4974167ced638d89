/* bind_classify - the module "scan": what scripts/classify.lua stands on, without a turn of Lua for each byte.
 * SPDX-License-Identifier: MIT */
#include "json.h"
#include "keywords.h"
#include "lua_bounded.h"
#include "lua_buf.h"
#include "lua_class.h"
#include "lua_err.h"
#include "lua_place.h"
#include "modules.h"
#include "pii.h"
#include "regex.h"

#include <lauxlib.h>
#include <string.h>

#define MATCHER "baton.keywords"
#define BUILT   "baton.keywords.built"
#define REGEX   "baton.regex"

enum {
    FINDINGS_MAX = 256 << 20, /* bytes of findings in C */
    STEPS_PII = 8,            /* for STEP_BYTES bytes of text: what it takes, beside a copy */
    STEPS_KEYWORDS = 8,
    GROUPS_MAX = 16, /* groups that are handed out */
    REGEX_STEPS = 1000000,
    REGEX_STEPS_PER_BYTE = 16
};

static struct span check_text(lua_State *L, int index, size_t steps, const char *what)
{
    struct span s;

    s.p = luaL_checklstring(L, index, &s.n);
    lua_bounded_charge(L, (s.n / STEP_BYTES + 1) * steps, what);
    return s;
}

static void set_place(lua_State *L, size_t from, size_t to)
{
    lua_pushinteger(L, (lua_Integer)from + 1);
    lua_setfield(L, -2, "from");
    lua_pushinteger(L, (lua_Integer)to);
    lua_setfield(L, -2, "to");
}

/* ---- personal data ---- */

static void push_finding(lua_State *L, const struct pii_finding *f)
{
    lua_createtable(L, 0, 5);
    lua_pushstring(L, pii_kind_name(f->kind));
    lua_setfield(L, -2, "kind");
    lua_pushnumber(L, (lua_Number)((int)((double)f->score * 100 + 0.5)) / 100);
    lua_setfield(L, -2, "score");
    if (f->name) {
        lua_pushstring(L, f->name);
        lua_setfield(L, -2, "name");
    }
    set_place(L, f->from, f->to);
}

/* scan.pii(text, kinds, score) -> { { kind, name?, score, from, to }, ... }. 'kinds': { "email", ... }; none: those
 * that are usually looked for. */
static uint32_t check_kinds(lua_State *L, int index)
{
    uint32_t kinds = 0;

    if (lua_isnoneornil(L, index))
        return PII_USUAL;
    luaL_checktype(L, index, LUA_TTABLE);
    for (lua_Integer i = 1; lua_geti(L, index, i) != LUA_TNIL; i++) {
        const char *name = lua_tostring(L, -1);
        int kind = name ? pii_kind_find(name) : -1;
        if (kind >= 0)
            kinds |= 1u << kind;
        else
            lua_place_error(L, "unknown kind '%s' of personal data",
                            name ? name : luaL_typename(L, -1));
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
    return kinds;
}

static int l_pii(lua_State *L)
{
    struct span text = check_text(L, 1, STEPS_PII, "classify.pii");
    uint32_t kinds = check_kinds(L, 2);
    float score = (float)luaL_checknumber(L, 3);
    struct buf *b = lua_buf_push(L, FINDINGS_MAX);

    if (pii_find(text, kinds, score, b) < 0)
        luaL_error(L, "classify.pii: not enough memory");
    size_t n = b->len / sizeof(struct pii_finding);
    const struct pii_finding *all = (const struct pii_finding *)(const void *)b->data;
    lua_bounded_charge(L, n * 8, "classify.pii");
    lua_createtable(L, (int)n, 0);
    for (size_t i = 0; i < n; i++) {
        push_finding(L, &all[i]);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    buf_deinit(b);
    return 1;
}

/* scan.kinds() -> { "email", ... }: all that pii knows. */
static int l_kinds(lua_State *L)
{
    lua_createtable(L, PII_KINDS, 0);
    for (int i = 0; i < PII_KINDS; i++) {
        lua_pushstring(L, pii_kind_name((enum pii_kind)i));
        lua_rawseti(L, -2, i + 1);
    }
    return 1;
}

/* ---- keywords ---- */

/* While it is built, and until it lies in a block of Lua's, where the limits of memory see it. */
struct built {
    struct keywords *k; /* owned */
};

static int l_free(lua_State *L)
{
    struct built *b = lua_touserdata(L, 1);

    keywords_free(b->k);
    b->k = NULL;
    return 0;
}

static struct built *push_built(lua_State *L)
{
    struct built *b = lua_newuserdatauv(L, sizeof *b, 0);

    b->k = NULL;
    lua_class_give(L, BUILT, NULL, l_free);
    return b;
}

static void collect_terms(lua_State *L, int index, struct span *terms, size_t n, size_t *bytes)
{
    for (size_t i = 0; i < n; i++) {
        if (lua_rawgeti(L, index, (lua_Integer)i + 1) != LUA_TSTRING)
            luaL_error(L, "keyword %d is no string", (int)i + 1);
        terms[i].p = lua_tolstring(L, -1, &terms[i].n); /* stays, since the list holds it */
        *bytes += terms[i].n;
        lua_pop(L, 1);
    }
}

/* scan.keywords(list, inside) -> matcher, same: for each term the number of the term that stands for it. */
static int l_keywords(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    size_t n = lua_rawlen(L, 1), bytes = 0;
    bool inside = lua_toboolean(L, 2);
    struct err err;

    if (n > KEYWORDS_MAX)
        lua_place_error(L, "classify.keywords: %d terms, more than %d", (int)n, KEYWORDS_MAX);
    struct built *built = push_built(L);
    struct buf *list = lua_buf_push(L, (n + 1) * sizeof(struct span));
    if (!buf_reserve(list, (n + 1) * sizeof(struct span)))
        luaL_error(L, "classify.keywords: not enough memory");
    struct span *terms = (struct span *)(void *)list->data;
    collect_terms(L, 1, terms, n, &bytes);
    lua_bounded_charge(L, bytes + n * 16, "classify.keywords");
    built->k = keywords_new(terms, n, inside, &err);
    buf_deinit(list);
    if (!built->k)
        return lua_place_error(L, "classify.keywords: %s", err.message);
    void *block = lua_newuserdatauv(L, keywords_bytes(built->k), 0);
    const struct keywords *k = keywords_move(built->k, block);
    built->k = NULL;
    luaL_setmetatable(L, MATCHER);
    lua_createtable(L, (int)n, 0);
    for (size_t i = 0; i < n; i++) {
        lua_pushinteger(L, (lua_Integer)keywords_same(k, i) + 1);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    return 2;
}

static void on_hit(void *arg, const struct keyword_hit *h)
{
    buf_add(arg, h, sizeof *h);
}

/* matcher:find(text) -> { number of the term, from, to, ... }: three numbers for each. */
static int l_find(lua_State *L)
{
    const struct keywords *k = luaL_checkudata(L, 1, MATCHER);
    struct span text = check_text(L, 2, STEPS_KEYWORDS, "classify.keywords");
    struct buf *b = lua_buf_push(L, FINDINGS_MAX);

    keywords_find(k, text, on_hit, b);
    size_t n = b->len / sizeof(struct keyword_hit);
    const struct keyword_hit *hits = (const struct keyword_hit *)(const void *)b->data;
    lua_bounded_charge(L, n * 4, "classify.keywords");
    lua_createtable(L, (int)n * 3, 0);
    for (size_t i = 0; i < n; i++) {
        lua_Integer at = 3 * (lua_Integer)i;
        lua_pushinteger(L, (lua_Integer)hits[i].term + 1);
        lua_rawseti(L, -2, at + 1);
        lua_pushinteger(L, (lua_Integer)hits[i].from + 1);
        lua_rawseti(L, -2, at + 2);
        lua_pushinteger(L, (lua_Integer)hits[i].to);
        lua_rawseti(L, -2, at + 3);
    }
    buf_deinit(b);
    return 1;
}

static void add_matcher(lua_State *L)
{
    static const luaL_Reg methods[] = {{"find", l_find}, {NULL, NULL}};

    lua_class_make(L, MATCHER, methods, NULL);
}

/* ---- regular expressions ---- */

struct pattern {
    struct regex *re; /* owned */
};

static int l_free_regex(lua_State *L)
{
    struct pattern *p = luaL_checkudata(L, 1, REGEX);

    regex_free(p->re);
    p->re = NULL;
    return 0;
}

/* scan.regex(pattern, caseless) -> regex. Raises what is wrong with the pattern. */
static int l_regex(lua_State *L)
{
    struct span pattern;
    struct err err;

    pattern.p = luaL_checklstring(L, 1, &pattern.n);
    lua_bounded_charge(L, 200 + pattern.n * 16, "classify.regex");
    struct pattern *p = lua_newuserdatauv(L, sizeof *p, 0);
    p->re = NULL;
    luaL_setmetatable(L, REGEX);
    p->re = regex_new(pattern, REGEX_PERL, lua_toboolean(L, 2) ? REGEX_CASELESS : 0, &err);
    return p->re ? 1 : lua_place_error(L, "classify.regex: %s", err.message);
}

static void set_groups(lua_State *L, const struct span *groups)
{
    int n = GROUPS_MAX;

    while (n && !groups[n - 1].p)
        n--;
    lua_createtable(L, n, 0);
    for (int i = 0; i < n; i++) {
        if (groups[i].p)
            lua_pushlstring(L, groups[i].p, groups[i].n);
        else
            lua_pushboolean(L, false);
        lua_rawseti(L, -2, i + 1);
    }
}

static int push_match(lua_State *L, struct span text, struct span found, const struct span *groups)
{
    set_groups(L, groups);
    lua_pushinteger(L, (lua_Integer)(found.p - text.p) + 1);
    lua_insert(L, -2);
    lua_pushinteger(L, (lua_Integer)(found.p - text.p + (ptrdiff_t)found.n));
    lua_insert(L, -2);
    return 3;
}

/* regex:find(text, from) -> from, to, { groups } | nil | nil, err. Groups that took no part are false. */
static int l_find_regex(lua_State *L)
{
    const struct pattern *p = luaL_checkudata(L, 1, REGEX);
    struct span text = check_text(L, 2, 1, "classify.regex"), found, groups[GROUPS_MAX];
    lua_Integer from = luaL_checkinteger(L, 3);
    int64_t allowed = REGEX_STEPS + REGEX_STEPS_PER_BYTE * (int64_t)text.n, steps = allowed;
    struct err err;

    luaL_argcheck(L, from >= 1 && from <= (lua_Integer)text.n + 1, 3, "out of the text");
    if (!json_is_utf8(text)) {
        err_set(&err, ERR_BAD_REQUEST, "the text is no UTF-8");
        return lua_err_fail(L, &err);
    }
    int rc = regex_find(p->re, text, (size_t)from - 1, &steps, &found, groups, GROUPS_MAX);
    int64_t used = allowed - (steps > 0 ? steps : 0);
    lua_bounded_charge(L, (size_t)(used > 0 ? used : 0), "classify.regex");
    if (rc < 0) {
        err_set(&err, ERR_BUDGET, "the regular expression took too many steps");
        return lua_err_fail(L, &err);
    }
    return rc ? push_match(L, text, found, groups) : 0;
}

static void add_regex(lua_State *L)
{
    static const luaL_Reg methods[] = {{"find", l_find_regex}, {NULL, NULL}};

    lua_class_make(L, REGEX, methods, l_free_regex);
}

int luaopen_baton_scan(lua_State *L)
{
    static const luaL_Reg functions[] = {{"pii", l_pii},
                                         {"kinds", l_kinds},
                                         {"keywords", l_keywords},
                                         {"regex", l_regex},
                                         {NULL, NULL}};

    add_matcher(L);
    add_regex(L);
    luaL_newlib(L, functions);
    return 1;
}
