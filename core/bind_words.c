/* bind_words - the module "words": the words of a text, phrases in them, and whether they come again and again.
 * SPDX-License-Identifier: MIT */
#include "lua_bounded.h"
#include "lua_buf.h"
#include "lua_class.h"
#include "modules.h"
#include "phrases.h"
#include "words.h"

#include <lauxlib.h>

#define LOOKER "baton.phrases"

enum {
    STEPS_WORDS = 4, /* for STEP_BYTES bytes of text */
    STEPS_RUN = 2,   /* for one run of words */
    STEP_WORK = 16,  /* bytes compared with phrases in a step */
    LOOK_WORK = 64 << 10,
    SPACED_FEW = 4096,
    SLOTS_FEW = 1024
};

static struct span check_text(lua_State *L, int index, const char *what)
{
    struct span s;

    s.p = luaL_checklstring(L, index, &s.n);
    lua_bounded_charge(L, (s.n / STEP_BYTES + 1) * STEPS_WORDS, what);
    return s;
}

/* ---- spaced ---- */

/* words.spaced(text) -> " its words in lower case ", between single blanks; how many. A word: ASCII letters, digits,
 * bytes beyond ASCII, and apostrophes after its first. */
static int l_spaced(lua_State *L)
{
    struct span rest = check_text(L, 1, "text.spaced"), word;
    lua_Integer words = 0;
    luaL_Buffer out;
    char few[SPACED_FEW]; /* most texts: what Lua's buffers keep for more has to be collected */
    size_t room = rest.n + 2;
    char *begun = room <= sizeof few ? few : luaL_buffinitsize(L, &out, room), *to = begun;

    *to++ = ' ';
    for (; words_next(&rest, &word); words++) {
        for (size_t i = 0; i < word.n; i++)
            *to++ = words_lower(word.p[i]);
        *to++ = ' ';
    }
    if (words == 0)
        *to++ = ' ';
    if (begun == few)
        lua_pushlstring(L, few, (size_t)(to - few));
    else
        luaL_pushresultsize(&out, (size_t)(to - begun));
    lua_pushinteger(L, words);
    return 2;
}

/* ---- runs that come again ---- */

static size_t count_words(struct span text)
{
    struct span word;
    size_t n = 0;

    while (words_next(&text, &word))
        n++;
    return n;
}

/* words.again(text) -> 0..1: of the runs of five words that follow each other, the share that was there before; 0 for a
 * text of fewer than five. */
static int l_again(lua_State *L)
{
    struct span text = check_text(L, 1, "words.again");
    uint64_t few[SLOTS_FEW], *seen = few;
    size_t words = count_words(text), slots = SLOTS_FEW, runs;

    lua_bounded_charge(L, words * STEPS_RUN, "words.again");
    while (slots < 2 * words)
        slots *= 2;
    if (slots > SLOTS_FEW)
        seen = lua_newuserdatauv(L, slots * sizeof *seen, 0);
    size_t again = words_again(text, seen, slots, &runs);
    lua_pushnumber(L, runs ? (lua_Number)again / (lua_Number)runs : 0);
    return 1;
}

/* ---- phrases ---- */

/* Appends the phrases of the list on top of the stack. */
static void collect(lua_State *L, int group, struct buf *all)
{
    lua_Integer n = (lua_Integer)lua_rawlen(L, -1);

    for (lua_Integer i = 1; i <= n; i++) {
        if (lua_rawgeti(L, -1, i) != LUA_TSTRING)
            luaL_error(L, "words.phrases: phrase %d of group %d is no string", (int)i, group + 1);
        struct phrase one = {lua_tostring(L, -1), group}; /* stays, since the list holds it */
        if (buf_add(all, &one, sizeof one) < 0)
            luaL_error(L, "words.phrases: more than %d phrases", PHRASES_MAX);
        lua_pop(L, 1);
    }
}

/* words.phrases{ { "i think", "perhaps" }, { "confiden*" }, ... } -> looker: groups of phrases, at most 32, of words in
 * lower case with single blanks between them; the last word may end with '*': any word that begins so. */
static int l_phrases(lua_State *L)
{
    struct err err;

    luaL_checktype(L, 1, LUA_TTABLE);
    int groups = (int)lua_rawlen(L, 1);
    luaL_argcheck(L, groups <= PHRASES_GROUPS, 1, "more than 32 groups");
    struct buf *all = lua_buf_push(L, PHRASES_MAX * sizeof(struct phrase));
    for (int group = 0; group < groups; group++) {
        if (lua_rawgeti(L, 1, group + 1) != LUA_TTABLE)
            luaL_error(L, "words.phrases: group %d is no list", group + 1);
        collect(L, group, all);
        lua_pop(L, 1);
    }
    size_t n = all->len / sizeof(struct phrase);
    lua_bounded_charge(L, phrases_size(n) / STEP_BYTES, "words.phrases");
    struct phrases *p = lua_newuserdatauv(L, phrases_size(n), 0); /* the script's own memory */
    int made = phrases_make(p, (const struct phrase *)(const void *)all->data, n, &err);
    buf_deinit(all);
    if (made < 0)
        return luaL_error(L, "words.phrases: %s", err.message);
    luaL_setmetatable(L, LOOKER);
    return 1;
}

/* looker:look(text) -> groups, words, opening: a bit for each group of which the text holds a phrase (the first is 1),
 * how many words it has, and a number that stands for its first word that is no article (0: there is none). Curly
 * apostrophes count as plain ones. */
static int l_look(lua_State *L)
{
    const struct phrases *p = luaL_checkudata(L, 1, LOOKER);
    struct span rest = check_text(L, 2, "phrases:look");
    struct phrases_seen seen = {0};

    while (phrases_look(p, &rest, LOOK_WORK, &seen))
        lua_bounded_charge(L, LOOK_WORK / STEP_WORK, "phrases:look");
    lua_pushinteger(L, (lua_Integer)seen.groups);
    lua_pushinteger(L, (lua_Integer)seen.words);
    lua_pushinteger(L, (lua_Integer)seen.opening);
    return 3;
}

int luaopen_baton_words(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"spaced", l_spaced}, {"again", l_again}, {"phrases", l_phrases}, {NULL, NULL}};
    static const luaL_Reg methods[] = {{"look", l_look}, {NULL, NULL}};

    lua_class_make(L, LOOKER, methods, NULL);
    luaL_newlib(L, functions);
    return 1;
}
