/* where - on which line of a configuration file a field stands.
 * SPDX-License-Identifier: MIT
 *
 * Reads the file as Lua's tokens, not as its grammar: brackets and blocks are counted, and only the
 * tables that lie on the path are looked into. */
#include "where.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

enum { DEPTH_MAX = 200 }; /* tables in tables, as in Lua */

/* Kinds of tokens; all other ones are a character of their own. */
enum { END = 0, NAME = 'n', NUMBER = '0', STRING = 's', EQUAL = 'e', STRANGE = '?' };

struct token {
    int kind;
    int line;
    struct span text; /* of a name, a number or a string; p is NULL when it has escapes */
};

struct reader {
    const char *p, *end;
    int line;
    struct token t; /* the current one */
};

/* ---- tokens ---- */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || is_digit(c) || c == '_';
}

static bool is_break(char c)
{
    return c == '\n' || c == '\r';
}

static bool sees(const struct reader *r, const char *text)
{
    size_t n = strlen(text);

    return (size_t)(r->end - r->p) >= n && memcmp(r->p, text, n) == 0;
}

/* One character, or one line break of two. */
static void step(struct reader *r)
{
    char c = *r->p++;

    if (!is_break(c))
        return;
    if (r->p < r->end && is_break(*r->p) && *r->p != c)
        r->p++;
    if (r->line < INT_MAX)
        r->line++;
}

/* At '[': the length of the opening of a long string, "[==[", or 0. */
static size_t long_opening(const struct reader *r)
{
    const char *p = r->p + 1;

    while (p < r->end && *p == '=')
        p++;
    return p < r->end && *p == '[' ? (size_t)(p + 1 - r->p) : 0;
}

/* Reads over a long string or comment, "[==[ ... ]==]", and gives what it holds. */
static struct span read_long(struct reader *r, size_t opening)
{
    r->p += opening;
    if (r->p < r->end && is_break(*r->p))
        step(r);
    const char *begin = r->p;
    for (; r->p < r->end; step(r)) {
        if (*r->p != ']')
            continue;
        const char *p = r->p + 1;
        while (p < r->end && *p == '=')
            p++;
        bool closes = p < r->end && *p == ']' && (size_t)(p + 1 - r->p) == opening;
        struct span text = {begin, (size_t)(r->p - begin)};
        r->p = closes ? p + 1 : p - 1; /* step() comes */
        if (closes)
            return text;
    }
    return (struct span){NULL, 0};
}

static struct span read_quoted(struct reader *r)
{
    char quote = *r->p++;
    const char *begin = r->p;
    bool escapes = false;

    while (r->p < r->end && *r->p != quote) {
        if (*r->p == '\\') {
            escapes = true;
            if (++r->p == r->end)
                break;
        }
        step(r);
    }
    struct span text = {escapes ? NULL : begin, (size_t)(r->p - begin)};
    if (r->p < r->end)
        r->p++;
    return text;
}

static void skip_blanks(struct reader *r)
{
    while (r->p < r->end) {
        if (sees(r, "--")) {
            r->p += 2;
            size_t opening = r->p < r->end && *r->p == '[' ? long_opening(r) : 0;
            if (opening)
                read_long(r, opening);
            else
                while (r->p < r->end && !is_break(*r->p))
                    r->p++;
        } else if (*r->p == ' ' || is_break(*r->p) || (*r->p >= '\t' && *r->p <= '\f')) {
            step(r);
        } else {
            return;
        }
    }
}

static void next(struct reader *r)
{
    skip_blanks(r);
    r->t = (struct token){.kind = END, .line = r->line};
    if (r->p == r->end)
        return;
    const char *begin = r->p;
    size_t opening = *begin == '[' ? long_opening(r) : 0;
    if (opening) {
        r->t.kind = STRING;
        r->t.text = read_long(r, opening);
    } else if (*begin == '"' || *begin == '\'') {
        r->t.kind = STRING;
        r->t.text = read_quoted(r);
    } else if (is_word(*begin)) {
        r->t.kind = is_digit(*begin) ? NUMBER : NAME;
        while (r->p < r->end && (is_word(*r->p) || (*r->p == '.' && r->t.kind == NUMBER)))
            r->p++;
        r->t.text = (struct span){begin, (size_t)(r->p - begin)};
    } else if (sees(r, "==")) {
        r->t.kind = EQUAL;
        r->p += 2;
    } else {
        r->t.kind = strchr("(){}[]=,;.", *begin) && *begin ? *begin : STRANGE;
        r->p++;
    }
}

static bool is(const struct reader *r, const char *word)
{
    return r->t.kind == NAME && span_is(r->t.text, word);
}

/* How much deeper the current token leads into brackets and blocks. */
static int nesting(const struct reader *r)
{
    static const char *const open[] = {"function", "do", "if", "repeat"};

    switch (r->t.kind) {
    case '(':
    case '[':
    case '{':
        return 1;
    case ')':
    case ']':
    case '}':
        return -1;
    default:
        for (size_t i = 0; i < sizeof open / sizeof *open; i++)
            if (is(r, open[i]))
                return 1;
        return is(r, "end") || is(r, "until") ? -1 : 0;
    }
}

/* ---- tables ---- */

/* What was found of a path: how many of its bytes, and the line of the last name in them. */
struct found {
    size_t n;
    int line;
};

static bool ends_value(const struct reader *r)
{
    return r->t.kind == ',' || r->t.kind == ';' || r->t.kind == '}';
}

static void skip_value(struct reader *r)
{
    for (int depth = 0; r->t.kind != END && (depth != 0 || !ends_value(r)); next(r))
        depth += nesting(r);
}

/* "[KEY] =". The key is unknown (p is NULL) when it is not a plain string or number. */
static struct span read_bracketed(struct reader *r)
{
    next(r);
    struct span key = r->t.text;
    bool plain = r->t.kind == STRING || r->t.kind == NUMBER;
    int depth = 1;
    for (int i = 0; r->t.kind != END; i++) {
        depth += nesting(r);
        if (depth == 0)
            break;
        plain = plain && i == 0;
        next(r);
    }
    next(r); /* the bracket */
    next(r); /* '=' */
    return plain ? key : (struct span){NULL, 0};
}

/* Reads up to the value. An item without a key is counted; its number is written to 'number'. */
static struct span read_key(struct reader *r, int *items, char number[16])
{
    if (r->t.kind == '[')
        return read_bracketed(r);
    struct reader ahead = *r;
    next(&ahead);
    if (r->t.kind == NAME && ahead.t.kind == '=') {
        struct span key = r->t.text;
        *r = ahead;
        next(r);
        return key;
    }
    int n = snprintf(number, 16, "%d", ++*items);
    return (struct span){number, (size_t)n};
}

/* How much of the path the key is, with the '.' or ':' that follows; 0 when it is another one. */
static size_t match(struct span key, const char *path)
{
    if (!key.p || strnlen(path, key.n + 1) <= key.n || memcmp(path, key.p, key.n) != 0)
        return 0;
    const char *rest = path + key.n;
    return *rest == '.' || (*rest == ':' && rest[1] == ' ') ? key.n + 1 : 0;
}

static struct found find_in_table(struct reader *r, const char *path, int depth);

/* The value of a key that is the path's first n bytes; 'line' is the key's. */
static struct found find_in_value(struct reader *r, const char *path, size_t n, int line, int depth)
{
    struct found key = {n, line};

    if (path[n - 1] != '.' || r->t.kind != '{' || depth == DEPTH_MAX)
        return key;
    struct found inner = find_in_table(r, path + n, depth + 1);
    next(r);
    if (!inner.line || !ends_value(r)) /* "{ ... } or other" */
        return key;
    return (struct found){n + inner.n, inner.line};
}

/* From '{' to its '}'. Names may hold dots, so that more than one key can begin the path: the one
 * that leads farther is meant. */
static struct found find_in_table(struct reader *r, const char *path, int depth)
{
    struct found best = {0, 0};
    size_t best_key = 0;
    int items = 0;

    next(r);
    while (r->t.kind != END && r->t.kind != '}') {
        char number[16];
        int line = r->t.line;
        size_t n = match(read_key(r, &items, number), path);
        if (n > 0) {
            struct found f = find_in_value(r, path, n, line, depth);
            if (n == best_key || f.n > best.n) { /* a key that comes again replaces its value */
                best = f;
                best_key = n;
            } else if (f.n == best.n) {
                best.line = 0; /* "a.b" and "b" in "a": who knows */
            }
        }
        skip_value(r);
        if (r->t.kind != '}')
            next(r);
    }
    return best;
}

/* At the chunk's own return: what it returns must be one table, written out. */
static int find_in_return(struct reader *r, const char *path)
{
    next(r);
    if (r->t.kind != '{')
        return 0;
    struct found f = find_in_table(r, path, 1);
    if (r->t.kind != '}')
        return 0;
    next(r);
    if (r->t.kind == ';')
        next(r);
    return r->t.kind == END ? f.line : 0;
}

/* Reads up to the chunk's own return. */
static bool find_return(struct reader *r)
{
    int depth = 0, function = -1; /* the depth at which the outermost function begins */

    for (next(r); r->t.kind != END; next(r)) {
        if (function < 0 && is(r, "return"))
            return depth == 0; /* or one of several */
        if (function < 0 && is(r, "function"))
            function = depth;
        depth += nesting(r);
        if (depth == function)
            function = -1;
    }
    return false;
}

int where_line(struct span text, const char *message)
{
    struct reader r = {.p = text.p, .end = text.p + text.n, .line = 1};

    return find_return(&r) ? find_in_return(&r, message) : 0;
}

int where_return(struct span text)
{
    struct reader r = {.p = text.p, .end = text.p + text.n, .line = 1};

    return find_return(&r) ? r.t.line : 0;
}
