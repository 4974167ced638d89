/* test_where - the line of a field: found where it is written out, never guessed.
 * SPDX-License-Identifier: MIT */
#include "where.h"

#include "testhelp.h"

static const struct {
    const char *text, *path;
    int line;
} cases[] = {
    /* keys in all their forms */
    {"return {\n listen = 1,\n log = 2,\n}", "log", 3},
    {"return {\n ['log'] = 1 }", "log", 2},
    {"return {\n [\"log\"] = 1 }", "log", 2},
    {"return {\n [ [[log]] ] = 1 }", "log", 2},
    {"return {\n [ [==[\nlog]==] ] = 1 }", "log", 2},
    {"return {\n [\n'log'\n] = 1 }", "log", 2},
    {"return { a = {\n b = {\n c = 1 } } }", "a.b.c", 3},
    {"return { a = {\n b = {\n c = 1 } } }", "a.b", 2},
    {"return{a={b={\nc=1}}};", "a.b.c", 2},
    {"return { a = 1;\n b = 2; }", "b", 2},
    {"return { models = {\n ['a/m.1'] = {\n price = 1 } } }", "models.a/m.1.price", 3},
    {"return { h = {\n ['a:'] = 1 } }", "h.a:", 2},
    {"return { h = {\n ['a b'] = 1 } }", "h.a b", 2},
    {"return { h = {\n [''] = 1 } }", "h.", 2},
    {"return { h = {\n ['\\x61'] = 1 } }", "h.a", 1},
    /* items by count */
    {"return { keys = {\n 'a',\n 'b' } }", "keys.2", 3},
    {"return { keys = {\n 'a', x = 1,\n 'b' } }", "keys.2", 3},
    {"return { keys = {\n env 'A',\n f { 1, 2 },\n (g), a.b == c,\n -1 } }", "keys.5", 5},
    {"return { keys = {\n 'a',\n [3] = 'b' } }", "keys.3", 3},
    {"return { keys = {\n f() } }", "keys.2", 1},
    {"return {\n { a = 1,\n { b = 2 } } }", "1.1.b", 3},
    /* line breaks, comments and strings hold no keys */
    {"\r\n\r\nreturn {\r\n log = 1 }", "log", 4},
    {"\n\r\rreturn { log = 1 }", "log", 3},
    {"return { -- log = 1\n log = 2 }", "log", 2},
    {"return { --[[ log = 1,\n ]] log = 2 }", "log", 2},
    {"return { --[==[ log = 1, ]]\n ]=]\n ]==] log = 2 }", "log", 3},
    {"return { --[=x log = 1\n log = 2 }", "log", 2},
    {"return { a = 'log = 1,',\n log = 2 }", "log", 2},
    {"return { a = \"} log = \\\" 1\\\n,\",\n log = 2 }", "log", 3},
    {"return { a = '\\z\n  ',\n log = 2 }", "log", 3},
    {"return { a = [[\n log = 1 }\n]], b = [=[ ]] ]=],\n log = 2 }", "log", 4},
    {"-- return { log = 1 }\nreturn {\n log = 1 }", "log", 3},
    {"local s = 'return { log = 1 }'\nreturn {\n log = 1 }", "log", 3},
    {"return { 'log',\n log = 1 }", "log", 2},
    {"return { a = log == 1,\n log == 2,\n log = 3 }", "log", 3},
    {"return { x = { log = 1 },\n f { log = 1 },\n log = 1 }", "log", 3},
    {"return { f = function() local log = 1, 2 return { log = 1 } end,\n log = 1 }", "log", 2},
    {"return { f = function() if a then log = 1 end for i = 1, 2 do log = 2 end\n"
     "repeat log = 1 until log == 3, 4 end,\n log = 1 }",
     "log", 3},
    /* the same name in other places */
    {"return { total = 1,\n a = { total = 2 },\n b = {\n total = 3 } }", "b.total", 4},
    {"return { a = { b = { a = 1 } },\n b = {\n a = { b = 2 } } }", "b.a.b", 3},
    {"return { aa = 1,\n a = 2 }", "a", 2},
    {"return { a = 1,\n a = 2 }", "a", 2},
    {"return { a = { x = 1 },\n a = f() }", "a.x", 2},
    {"return { m = {\n ['p/x'] = {},\n ['p/x.1'] = {} } }", "m.p/x.1.y", 3},
    {"return { m = {\n ['p/x.1'] = {},\n ['p/x'] = {} } }", "m.p/x.1.y", 2},
    {"return {\n p = {\n a = { b = 1 },\n ['a.b'] = 1 } }", "p.a.b", 2},
    /* made by code: the last name that is written out */
    {"local p = {\n a = 1 }\nreturn {\n p = p }", "p.a", 4},
    {"return {\n p = f {\n a = 1 } }", "p.a", 2},
    {"return {\n p = {\n a = 1 } or q }", "p.a", 2},
    {"return {\n p = ({\n a = 1 }) }", "p.a", 2},
    {"return {\n p = {\n a = 1 }.q }", "p.a", 2},
    {"return {\n p = {\n [k] = 1, ['a' .. k] = 2 } }", "p.a", 2},
    {"return {\n p = { [f { a = 1 }] = 2 } }", "p.a", 2},
    {"return { providers = {\n a = {} } }", "providers.a.base_url", 2},
    /* no line at all */
    {"return {}", "a", 0},
    {"return { b = 1 }", "a", 0},
    {"return { [k] = 1 }", "a", 0},
    {"local t = { a = 1 } return t", "a", 0},
    {"local t = { a = 1 } t.a = 2 return t", "a", 0},
    {"return f { a = 1 }", "a", 0},
    {"return setmetatable({ a = 1 }, {})", "a", 0},
    {"return ({ a = 1 })", "a", 0},
    {"return { a = 1 }, 2", "a", 0},
    {"return { a = 1 } or {}", "a", 0},
    {"if x then return { a = 1 } end return { a = 1 }", "a", 0},
    {"do return { a = 1 } end", "a", 0},
    {"function f() return { a = 1 } end\nreturn {\n a = 2 }", "a", 3},
    {"local f = function() if x then return {} end end\nreturn { a = 2 }", "a", 2},
    {"", "a", 0},
    {"return", "a", 0},
    {"return {", "a", 0},
    {"return { a", "a", 0},
    {"return { a =", "a", 0},
    {"return { a = {", "a.b", 0},
    {"return { [", "a", 0},
    {"return { ['a", "a", 0},
    {"return { a = 'x\\", "a", 0},
    {"return { [=[", "a", 0},
    {"--[[", "a", 0},
    {"--", "a", 0},
    {"))) return { a = 1 }", "a", 0},
};

static void test_cases(void)
{
    char message[64];

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct span text = {cases[i].text, strlen(cases[i].text)};
        snprintf(message, sizeof message, "%s: is wrong", cases[i].path);
        int line = where_line(text, message);
        CHECK_INT(line, cases[i].line);
        if (line != cases[i].line)
            fprintf(stderr, "   %s in\n%s\n", cases[i].path, cases[i].text);
    }
}

/* What is no path names no line. */
static void test_messages(void)
{
    struct span text = SPAN("return { a = { b = 1 }, out = 2 }");

    CHECK_INT(where_line(text, ""), 0);
    CHECK_INT(where_line(text, "a"), 0);
    CHECK_INT(where_line(text, "a:1: failed"), 0);
    CHECK_INT(where_line(text, "out of memory"), 0);
    CHECK_INT(where_line(text, "a.b: is wrong: c"), 1);
}

static void test_return(void)
{
    CHECK_INT(where_return(SPAN("return 1")), 1);
    CHECK_INT(where_return(SPAN("local p = f\n\nreturn p.define {\n a = 1 }")), 3);
    CHECK_INT(where_return(SPAN("local f = function()\n return 1 end\nreturn f()")), 3);
    CHECK_INT(where_return(SPAN("-- return\nlocal s = 'return'\nreturn")), 3);
    CHECK_INT(where_return(SPAN("if x then return 1 end\nreturn 2")), 0);
    CHECK_INT(where_return(SPAN("local x = 1")), 0);
    CHECK_INT(where_return(SPAN("")), 0);
}

/* Prefixes of a text, and long runs of what opens something. */
static void test_hostile(void)
{
    static const char *const runs[] = {"{",  "[",  "(",         "[=",      "]=",   "--[==[", "\"",
                                       "\\", "a=", "function ", "return ", "{a={", "a={",    "'",
                                       "}",  ",",  "end ",      "[[",      "\r\n", "--",     "]",
                                       "=",  "..", "0x",        "\xff",    "[a]=", "[[a]]="};
    enum { N = 200000 };
    char *text = malloc(N + 16);

    CHECK(text != NULL);
    for (size_t i = 0; text && i < sizeof runs / sizeof *runs; i++) {
        size_t n = strlen(runs[i]), used = (size_t)sprintf(text, "return {a={");
        while (used + n < N) {
            memcpy(text + used, runs[i], n);
            used += n;
        }
        CHECK(where_line((struct span){text, used}, "a.a.a: is wrong") >= 0);
        CHECK(where_line((struct span){text + 11, used - 11}, "a.a.a: is wrong") >= 0);
    }
    free(text);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (size_t n = 0; n < strlen(cases[i].text); n++)
            CHECK(where_line((struct span){cases[i].text, n}, "a.b: is wrong") >= 0);
    CHECK_INT(where_line((struct span){"return\0{ a = 1 }", 16}, "a: is wrong"), 0);
}

int main(void)
{
    test_cases();
    test_messages();
    test_return();
    test_hostile();
    return test_report("where");
}
