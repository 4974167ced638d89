/* bind_measure - the module "measure": what a text shows, in numbers, for scripts/classify/features.lua.
 * SPDX-License-Identifier: MIT */
#include "feature.h"
#include "language.h"
#include "lua_bounded.h"
#include "lua_place.h"
#include "modules.h"
#include "tokens.h"

#include <lauxlib.h>
#include <stddef.h>

enum {
    STEPS_FEATURES = 12,
    STEPS_TOKENS = 6,
    /* for STEP_BYTES bytes of text */ STEPS_TABLE = 50000
};

/* Registry key. */
static const char languages_key = 0;

static struct span check_text(lua_State *L, int index, size_t steps, const char *what)
{
    struct span s;

    s.p = luaL_checklstring(L, index, &s.n);
    lua_bounded_charge(L, (s.n / STEP_BYTES + 1) * steps, what);
    return s;
}

/* Upvalue 1 of all functions. */
static const struct lexicon *lexicon_of(lua_State *L)
{
    return lua_touserdata(L, lua_upvalueindex(1));
}

static size_t estimate(const struct lexicon *l, struct span text, const struct token_family *family)
{
    struct token_counts counts;

    tokens_count(l, text, &counts);
    return tokens_estimate(family, &counts);
}

/* ---- features ---- */

static const struct {
    const char *name;
    size_t at;
} counts[] = {
    {"bytes", offsetof(struct features, bytes)},
    {"characters", offsetof(struct features, characters)},
    {"lines", offsetof(struct features, lines)},
    {"words", offsetof(struct features, words)},
    {"sentences", offsetof(struct features, sentences)},
    {"questions", offsetof(struct features, questions)},
    {"numbers", offsetof(struct features, numbers)},
    {"steps", offsetof(struct features, steps)},
    {"bullets", offsetof(struct features, bullets)},
    {"code_blocks", offsetof(struct features, blocks)},
    {"code_bytes", offsetof(struct features, block_bytes)},
    {"code_lines", offsetof(struct features, code_lines)},
    {"formulas", offsetof(struct features, formulas)},
    {"urls", offsetof(struct features, urls)},
    {"symbols", offsetof(struct features, symbols)},
    {"long_words", offsetof(struct features, long_words)},
    {"technical", offsetof(struct features, technical)},
    {"vague", offsetof(struct features, vague)},
    {"sequence", offsetof(struct features, sequence)},
    {"orders", offsetof(struct features, orders)},
    {"imperatives", offsetof(struct features, imperatives)},
    {"constraints", offsetof(struct features, constraints)},
    {"logic", offsetof(struct features, logic)},
};
enum { COUNTS = sizeof counts / sizeof *counts };

static void push_languages(lua_State *L, const struct features *f)
{
    lua_createtable(L, f->languages, 0);
    for (int i = 0; i < f->languages; i++) {
        luaL_Buffer name;
        char *to = luaL_buffinitsize(L, &name, f->language[i].n);
        for (size_t k = 0; k < f->language[i].n; k++) {
            char c = f->language[i].p[k];
            to[k] = c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
        }
        luaL_pushresultsize(&name, f->language[i].n);
        lua_rawseti(L, -2, i + 1);
    }
}

/* measure.features(text) -> { bytes, ... as above, tokens, rare, code_languages } */
static int l_features(lua_State *L)
{
    const struct lexicon *l = lexicon_of(L);
    struct span text = check_text(L, 1, STEPS_FEATURES, "classify.features");
    struct features f;

    features_read(l, text, &f);
    lua_createtable(L, 0, COUNTS + 3);
    for (size_t i = 0; i < COUNTS; i++) {
        lua_pushinteger(L, (lua_Integer) * (const size_t *)((const char *)&f + counts[i].at));
        lua_setfield(L, -2, counts[i].name);
    }
    lua_pushinteger(L, (lua_Integer)estimate(l, text, token_families));
    lua_setfield(L, -2, "tokens");
    lua_pushnumber(L, f.plain ? (lua_Number)f.rare / (lua_Number)f.plain : 0);
    lua_setfield(L, -2, "rare");
    push_languages(L, &f);
    lua_setfield(L, -2, "code_languages");
    return 1;
}

/* ---- tokens ---- */

/* measure.tokens(text, family = "o200k") -> about how many, verified? Raises for an unknown family. */
static int l_tokens(lua_State *L)
{
    struct span text = check_text(L, 1, STEPS_TOKENS, "classify.tokens");
    const char *name = luaL_optstring(L, 2, token_families[0].name);
    const struct token_family *family = tokens_family(name);

    if (!family)
        return lua_place_error(L, "classify.tokens: unknown family '%s'", name);
    lua_pushinteger(L, (lua_Integer)estimate(lexicon_of(L), text, family));
    lua_pushboolean(L, family->verified);
    return 2;
}

/* measure.families() -> { [name] = { factor, verified } } */
static int l_families(lua_State *L)
{
    lua_newtable(L);
    for (const struct token_family *f = token_families; f->name; f++) {
        lua_createtable(L, 0, 2);
        lua_pushnumber(L, (lua_Number)((int)((double)f->factor * 100 + 0.5)) / 100);
        lua_setfield(L, -2, "factor");
        lua_pushboolean(L, f->verified);
        lua_setfield(L, -2, "verified");
        lua_setfield(L, -2, f->name);
    }
    return 1;
}

/* ---- language ---- */

/* Made when the first script asks, and then kept. */
static const struct language_table *languages_of(lua_State *L)
{
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &languages_key) != LUA_TUSERDATA) {
        lua_bounded_charge(L, STEPS_TABLE, "classify.language");
        lua_pop(L, 1);
        language_init(lua_newuserdatauv(L, sizeof(struct language_table), 0));
        lua_pushvalue(L, -1);
        lua_rawsetp(L, LUA_REGISTRYINDEX, &languages_key);
    }
    const struct language_table *t = lua_touserdata(L, -1);
    lua_pop(L, 1);
    return t;
}

/* measure.language(text) -> code, confidence */
static int l_language(lua_State *L)
{
    struct span text;

    text.p = luaL_checklstring(L, 1, &text.n);
    size_t read = text.n < LANGUAGE_TEXT ? text.n : LANGUAGE_TEXT;
    lua_bounded_charge(L, (text.n + 32 * read) / STEP_BYTES + 1, "classify.language");
    struct language_guess guess = language_find(languages_of(L), text);
    lua_pushstring(L, guess.code);
    lua_pushnumber(L, (lua_Number)((int)((double)guess.confidence * 100 + 0.5)) / 100);
    return 2;
}

/* measure.languages() -> { "en", ... }: the codes that can be found. */
static int l_languages(lua_State *L)
{
    lua_newtable(L);
    for (int i = 0; language_code(i); i++) {
        lua_pushstring(L, language_code(i));
        lua_rawseti(L, -2, i + 1);
    }
    return 1;
}

int luaopen_baton_measure(lua_State *L)
{
    static const luaL_Reg functions[] = {{"features", l_features},   {"tokens", l_tokens},
                                         {"families", l_families},   {"language", l_language},
                                         {"languages", l_languages}, {NULL, NULL}};

    luaL_newlibtable(L, functions);
    lexicon_init(lua_newuserdatauv(L, sizeof(struct lexicon), 0));
    luaL_setfuncs(L, functions, 1);
    return 1;
}
