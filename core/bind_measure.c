/* bind_measure - the module "measure": what a text shows, in numbers, for scripts/features.lua.
 * SPDX-License-Identifier: MIT */
#include "feature.h"
#include "lua_bounded.h"
#include "modules.h"

#include <lauxlib.h>
#include <stddef.h>

enum { STEPS_FEATURES = 8 }; /* for STEP_BYTES bytes of text */

static struct span check_text(lua_State *L, int index, size_t steps, const char *what)
{
    struct span s;

    s.p = luaL_checklstring(L, index, &s.n);
    lua_bounded_charge(L, (s.n / STEP_BYTES + 1) * steps, what);
    return s;
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

/* measure.features(text) -> { bytes, ... as above, rare, code_languages }. Upvalue 1 is the lexicon. */
static int l_features(lua_State *L)
{
    const struct lexicon *l = lua_touserdata(L, lua_upvalueindex(1));
    struct span text = check_text(L, 1, STEPS_FEATURES, "classify.features");
    struct features f;

    features_read(l, text, &f);
    lua_createtable(L, 0, COUNTS + 4);
    for (size_t i = 0; i < COUNTS; i++) {
        lua_pushinteger(L, (lua_Integer) * (const size_t *)((const char *)&f + counts[i].at));
        lua_setfield(L, -2, counts[i].name);
    }
    lua_pushnumber(L, f.plain ? (lua_Number)f.rare / (lua_Number)f.plain : 0);
    lua_setfield(L, -2, "rare");
    push_languages(L, &f);
    lua_setfield(L, -2, "code_languages");
    return 1;
}

int luaopen_baton_measure(lua_State *L)
{
    lua_createtable(L, 0, 4);
    lexicon_init(lua_newuserdatauv(L, sizeof(struct lexicon), 0));
    lua_pushcclosure(L, l_features, 1);
    lua_setfield(L, -2, "features");
    return 1;
}
