/* regex_ecma - a pattern of ECMA-262 in the words of PCRE2, and what it may cost.
 * SPDX-License-Identifier: MIT
 *
 * One pass. What PCRE2 reads otherwise is spelled anew: classes of characters and white space, '.', escapes of code
 * points, named groups (they get numbers), empty classes, brackets and braces that mean themselves. What ECMA-262
 * does not know (\A, \Z, possessive repeats, inline flags) is refused, as other validators do. Escapes of signs that
 * need none are taken. */
#include "regex.h"

#include "json_bytes.h"

#include <stdio.h>
#include <string.h>

enum { GROUPS_MAX = 500, DEPTH_MAX = 100, REPEAT_MAX = 65535 };

#define SPACES                                                                                     \
    "\\t\\n\\x0b\\f\\r \\x{a0}\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}\\x{202f}\\x{205f}"    \
    "\\x{3000}\\x{feff}"
#define NO_SPACES                                                                                  \
    "\\x00-\\x08\\x0e-\\x1f!-\\x{9f}\\x{a1}-\\x{167f}\\x{1681}-\\x{1fff}\\x{200b}-\\x{2027}"       \
    "\\x{202a}-\\x{202e}\\x{2030}-\\x{205e}\\x{2060}-\\x{2fff}\\x{3001}-\\x{fefe}"                 \
    "\\x{ff00}-\\x{10ffff}"

struct group {
    bool varies; /* something in it can be matched in more than one way */
    size_t start;
};

struct translator {
    struct span in;
    size_t at;
    struct buf *out;
    struct regex_cost *cost;
    struct err *err;
    struct span names[GROUPS_MAX]; /* of all groups that have one, in order of numbers */
    int groups;                    /* in the whole pattern */
    struct group open[DEPTH_MAX + 1];
    int depth;
    bool item;        /* something stands before that can be repeated */
    bool item_varies; /* and it varies by itself */
    bool item_group;  /* it is a group */
    bool anchored, top_choice;
};

static int fail(struct translator *t, const char *why)
{
    return err_set(t->err, ERR_BAD_REQUEST, "byte %zu: %s", t->at + 1, why);
}

static int put(struct translator *t, const char *text)
{
    if (buf_puts(t->out, text) < 0)
        return err_set(t->err, ERR_BUDGET, "the pattern is too large");
    return 0;
}

static int put_code(struct translator *t, unsigned code)
{
    char text[16];

    if (code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF))
        return fail(t, "no character has that code");
    snprintf(text, sizeof text, "\\x{%x}", code);
    return put(t, text);
}

static char peek(const struct translator *t, size_t ahead)
{
    return t->at + ahead < t->in.n ? t->in.p[t->at + ahead] : 0;
}

static bool starts(const struct translator *t, const char *text)
{
    size_t n = strlen(text);
    return t->in.n - t->at >= n && memcmp(t->in.p + t->at, text, n) == 0;
}

/* ---- groups, counted before ---- */

static int note_group(struct translator *t, size_t at)
{
    struct span name = {NULL, 0};

    if (t->groups == GROUPS_MAX)
        return fail(t, "too many groups");
    if (t->in.n - at > 2 && t->in.p[at + 1] == '?') {
        if (t->in.p[at + 2] != '<' || at + 3 >= t->in.n || strchr("=!", t->in.p[at + 3]))
            return 0; /* it has no number */
        const char *from = t->in.p + at + 3;
        const char *to = memchr(from, '>', t->in.n - at - 3);
        if (!to || to == from)
            return fail(t, "a group's name without its end");
        name = (struct span){from, (size_t)(to - from)};
        for (int i = 0; i < t->groups; i++)
            if (t->names[i].n == name.n && t->names[i].p && !memcmp(t->names[i].p, from, name.n))
                return fail(t, "two groups of one name");
    }
    t->names[t->groups++] = name;
    return 0;
}

static int count_groups(struct translator *t)
{
    bool in_class = false;

    for (size_t i = 0; i < t->in.n; i++) {
        switch (t->in.p[i]) {
        case '\\':
            i++;
            break;
        case '[':
            in_class = true;
            break;
        case ']':
            in_class = false;
            break;
        case '(':
            t->at = i;
            if (!in_class && note_group(t, i) < 0)
                return -1;
            break;
        default:
            break;
        }
    }
    t->at = 0;
    return 0;
}

/* ---- escapes ---- */

static int hex_value(char c)
{
    if (json_is_digit(c))
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* n digits at 'at'; -1: they are not there. */
static int read_hex(const struct translator *t, size_t at, int n)
{
    int code = 0;

    for (int i = 0; i < n; i++) {
        int digit = at + (size_t)i < t->in.n ? hex_value(t->in.p[at + (size_t)i]) : -1;
        if (digit < 0)
            return -1;
        code = code * 16 + digit;
    }
    return code;
}

/* \u{...} */
static int braced_code(struct translator *t)
{
    unsigned code = 0;
    size_t i = t->at + 3;

    for (; i < t->in.n && t->in.p[i] != '}'; i++) {
        int digit = hex_value(t->in.p[i]);
        if (digit < 0 || code > 0x10FFFF)
            return fail(t, "no code point");
        code = code * 16 + (unsigned)digit;
    }
    if (i == t->in.n || i == t->at + 3)
        return fail(t, "no code point");
    if (put_code(t, code) < 0)
        return -1;
    t->at = i + 1;
    return 0;
}

static int unicode_escape(struct translator *t)
{
    if (peek(t, 2) == '{')
        return braced_code(t);
    int code = read_hex(t, t->at + 2, 4);
    if (code < 0)
        return fail(t, "\\u needs four digits");
    size_t used = 6;
    if (code >= 0xD800 && code <= 0xDBFF && peek(t, 6) == '\\' && peek(t, 7) == 'u') {
        int low = read_hex(t, t->at + 8, 4);
        if (low >= 0xDC00 && low <= 0xDFFF) {
            code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
            used = 12;
        }
    }
    if (put_code(t, (unsigned)code) < 0)
        return -1;
    t->at += used;
    return 0;
}

/* Long names of general categories, which PCRE2 knows only in short; and those that Perl's users write. */
static const char *const categories[][2] = {
    {"Letter", "L"},
    {"Cased_Letter", "L&"},
    {"LC", "L&"},
    {"Uppercase_Letter", "Lu"},
    {"Lowercase_Letter", "Ll"},
    {"Titlecase_Letter", "Lt"},
    {"Modifier_Letter", "Lm"},
    {"Other_Letter", "Lo"},
    {"Mark", "M"},
    {"Combining_Mark", "M"},
    {"Nonspacing_Mark", "Mn"},
    {"Spacing_Mark", "Mc"},
    {"Enclosing_Mark", "Me"},
    {"Number", "N"},
    {"Decimal_Number", "Nd"},
    {"digit", "Nd"},
    {"Letter_Number", "Nl"},
    {"Other_Number", "No"},
    {"Punctuation", "P"},
    {"punct", "P"},
    {"Connector_Punctuation", "Pc"},
    {"Dash_Punctuation", "Pd"},
    {"Open_Punctuation", "Ps"},
    {"Close_Punctuation", "Pe"},
    {"Initial_Punctuation", "Pi"},
    {"Final_Punctuation", "Pf"},
    {"Other_Punctuation", "Po"},
    {"Symbol", "S"},
    {"Math_Symbol", "Sm"},
    {"Currency_Symbol", "Sc"},
    {"Modifier_Symbol", "Sk"},
    {"Other_Symbol", "So"},
    {"Separator", "Z"},
    {"Space_Separator", "Zs"},
    {"Line_Separator", "Zl"},
    {"Paragraph_Separator", "Zp"},
    {"Other", "C"},
    {"Control", "Cc"},
    {"cntrl", "Cc"},
    {"Format", "Cf"},
    {"Surrogate", "Cs"},
    {"Private_Use", "Co"},
    {"Unassigned", "Cn"},
};

/* \p{...} and \P{...} */
static int property(struct translator *t)
{
    size_t from = t->at + 3, to = from;
    struct span name;

    if (peek(t, 2) != '{')
        return fail(t, "\\p needs a name in braces");
    while (to < t->in.n &&
           (json_is_digit(t->in.p[to]) || t->in.p[to] == '_' || t->in.p[to] == '=' ||
            ((t->in.p[to] | 0x20) >= 'a' && (t->in.p[to] | 0x20) <= 'z')))
        to++;
    if (to == t->in.n || t->in.p[to] != '}' || to == from)
        return fail(t, "\\p needs a name in braces");
    name = (struct span){t->in.p + from, to - from};
    const char *is = memchr(name.p, '=', name.n);
    struct span key = {name.p, is ? (size_t)(is - name.p) : 0};
    if (is && (span_is(key, "gc") || span_is(key, "General_Category")))
        name = (struct span){is + 1, (size_t)(name.p + name.n - is - 1)};
    else if (is && span_is(key, "Script"))
        is = "sc";
    else if (is && span_is(key, "Script_Extensions"))
        is = "scx";
    if (buf_add(t->out, t->in.p + t->at, 3) < 0)
        return put(t, "x");
    t->at = to + 1;
    for (size_t i = 0; i < sizeof categories / sizeof *categories; i++)
        if (span_is(name, categories[i][0]))
            return put(t, categories[i][1]) < 0 ? -1 : put(t, "}");
    if (is && (is[0] == 's')) {
        if (put(t, is) < 0 || put(t, ":") < 0)
            return -1;
        name = (struct span){key.p + key.n + 1, name.n - key.n - 1};
    }
    return buf_add_span(t->out, name) < 0 ? put(t, "x") : put(t, "}");
}

/* Escapes that mean one character, in a class and outside. 1: it was none of them. */
static int character_escape(struct translator *t)
{
    static const char same[] = "tnvfr";
    char c = peek(t, 1);

    if (c == 'u')
        return unicode_escape(t);
    if (c == 'x') {
        int code = read_hex(t, t->at + 2, 2);
        if (code < 0)
            return fail(t, "\\x needs two digits");
        t->at += 4;
        return put_code(t, (unsigned)code);
    }
    if (c == 'c') {
        char letter = peek(t, 2);
        if ((letter | 0x20) < 'a' || (letter | 0x20) > 'z')
            return fail(t, "\\c needs a letter");
        t->at += 3;
        return put_code(t, (unsigned)letter & 31);
    }
    if (c == '0') {
        if (json_is_digit(peek(t, 2)))
            return fail(t, "\\0 with a digit behind it");
        t->at += 2;
        return put_code(t, 0);
    }
    if (c && strchr(same, c)) {
        t->at += 2;
        return c == 'v' ? put_code(t, 11) : buf_add(t->out, t->in.p + t->at - 2, 2);
    }
    if ((unsigned char)c >= 0x80) { /* it means itself */
        t->at++;
        size_t n = json_utf8_length(t->in.p + t->at, t->in.p + t->in.n);
        if (n == 0)
            return fail(t, "invalid UTF-8");
        t->at += n;
        return buf_add(t->out, t->in.p + t->at - n, n);
    }
    if (c > ' ' && !json_is_digit(c) && !((c | 0x20) >= 'a' && (c | 0x20) <= 'z')) {
        t->at += 2;
        return buf_add(t->out, t->in.p + t->at - 2, 2);
    }
    return 1;
}

/* \1, \k<name> */
static int back_reference(struct translator *t)
{
    int number = 0;
    char text[24];

    if (peek(t, 1) == 'k') {
        const char *from = t->in.p + t->at + 3;
        const char *to = peek(t, 2) == '<' ? memchr(from, '>', t->in.n - t->at - 3) : NULL;
        if (!to)
            return fail(t, "\\k needs the name of a group");
        for (int i = 0; i < t->groups && !number; i++)
            if (t->names[i].n == (size_t)(to - from) && t->names[i].p &&
                !memcmp(t->names[i].p, from, t->names[i].n))
                number = i + 1;
        t->at = (size_t)(to - t->in.p) + 1;
    } else {
        for (t->at++; json_is_digit(peek(t, 0)) && number <= GROUPS_MAX; t->at++)
            number = number * 10 + (peek(t, 0) - '0');
    }
    if (number == 0 || number > t->groups)
        return fail(t, "it refers to a group that is not there");
    t->cost->nested = true;
    snprintf(text, sizeof text, "\\g{%d}", number);
    return put(t, text);
}

static int escape(struct translator *t)
{
    char c = peek(t, 1);

    switch (c) {
    case 0:
        return fail(t, "a backslash at the end");
    case 'd':
    case 'D':
    case 'w':
    case 'W':
    case 'b':
    case 'B':
        t->at += 2;
        t->item = c != 'b' && c != 'B';
        return buf_add(t->out, t->in.p + t->at - 2, 2);
    case 's':
    case 'S':
        t->at += 2;
        return put(t, c == 's' ? "[" SPACES "]" : "[^" SPACES "]");
    case 'p':
    case 'P':
        return property(t);
    default:
        break;
    }
    if (c == 'k' || (c >= '1' && c <= '9'))
        return back_reference(t);
    int rc = character_escape(t);
    return rc > 0 ? fail(t, "an escape that ECMA-262 does not know") : rc;
}

/* ---- classes ---- */

static int class_escape(struct translator *t)
{
    char c = peek(t, 1);
    bool set = c && strchr("dDwWsSpP", c);

    if (c == 0)
        return fail(t, "a backslash at the end");
    if (c == 'b') {
        t->at += 2;
        return put_code(t, 8);
    }
    if (!set) {
        int rc = character_escape(t);
        return rc > 0 ? fail(t, "an escape that ECMA-262 does not know") : rc;
    }
    if (c == 's' || c == 'S') {
        t->at += 2;
        if (put(t, c == 's' ? SPACES : NO_SPACES) < 0)
            return -1;
    } else if (c == 'p' || c == 'P') {
        if (property(t) < 0)
            return -1;
    } else {
        t->at += 2;
        if (buf_add(t->out, t->in.p + t->at - 2, 2) < 0)
            return put(t, "x");
    }
    if (peek(t, 0) == '-' && peek(t, 1) != ']') { /* no range begins with a set */
        t->at++;
        return put(t, "\\-");
    }
    return 0;
}

static int class(struct translator *t)
{
    size_t start = t->at;
    bool not = peek(t, 1) == '^';

    t->at += 1 + not ;
    if (peek(t, 0) == ']') {
        t->at++;
        return put(t, not ? "(?s:.)" : "(?!)");
    }
    if (put(t, not ? "[^" : "[") < 0)
        return -1;
    while (t->at < t->in.n && t->in.p[t->at] != ']') {
        char c = t->in.p[t->at];
        if (c == '\\') {
            if (class_escape(t) < 0)
                return -1;
        } else if (c == '[') {
            t->at++;
            if (put(t, "\\[") < 0)
                return -1;
        } else {
            t->at++;
            if (buf_add(t->out, &c, 1) < 0)
                return put(t, "x");
        }
    }
    if (t->at == t->in.n) {
        t->at = start;
        return fail(t, "a class without its end");
    }
    t->at++;
    return put(t, "]");
}

/* ---- groups ---- */

static int open_group(struct translator *t)
{
    static const char *const kinds[] = {"(?:", "(?=", "(?!", "(?<=", "(?<!"};
    const char *spelled = "(";
    size_t n = 1;

    if (t->depth == DEPTH_MAX)
        return fail(t, "too many groups inside each other");
    if (peek(t, 1) == '?') {
        spelled = NULL;
        for (size_t i = 0; i < sizeof kinds / sizeof *kinds && !spelled; i++)
            if (starts(t, kinds[i]))
                spelled = kinds[i];
        n = spelled ? strlen(spelled) : 0;
        if (!spelled && peek(t, 2) == '<') {
            const char *to = memchr(t->in.p + t->at, '>', t->in.n - t->at);
            n = to ? (size_t)(to - t->in.p) + 1 - t->at : 0;
            spelled = "(";
        }
        if (!spelled || n == 0)
            return fail(t, "a group that ECMA-262 does not know");
    }
    t->open[++t->depth] = (struct group){.start = t->at};
    t->at += n;
    t->item = false;
    return put(t, spelled);
}

static int close_group(struct translator *t)
{
    if (t->depth == 0)
        return fail(t, "a bracket that was not opened");
    struct group *g = &t->open[t->depth--];
    t->item = t->item_group = true;
    t->item_varies = g->varies;
    t->open[t->depth].varies |= g->varies;
    t->at++;
    return put(t, ")");
}

/* ---- repeats ---- */

/* {n}, {n,}, {n,m} at t->at: its length, or 0. */
static size_t bounds(struct translator *t, int64_t *min, int64_t *max)
{
    size_t i = 1;
    int64_t value[2] = {-1, -1};
    int n = 0;

    for (;; i++) {
        char c = peek(t, i);
        if (json_is_digit(c)) {
            value[n] = value[n] < 0 ? 0 : value[n];
            if (value[n] < 1000000)
                value[n] = value[n] * 10 + (c - '0');
        } else if (c == ',' && n == 0) {
            n = 1;
        } else if (c == '}') {
            break;
        } else {
            return 0;
        }
    }
    if (value[0] < 0)
        return 0;
    *min = value[0];
    *max = n == 0 ? value[0] : value[1] < 0 ? INT64_MAX : value[1];
    return i + 1;
}

static int log2_of(int64_t n)
{
    int log = 0;

    while (log < 62 && (INT64_C(1) << log) < n)
        log++;
    return log;
}

static void weigh(struct translator *t, int64_t min, int64_t max)
{
    if (max > 1 && t->item_varies)
        t->cost->nested = true;
    if (min == max && max != INT64_MAX) {
        t->cost->bits += t->item_group ? log2_of(max) : 0;
        return;
    }
    if (max > 8)
        t->cost->degree++;
    else
        t->cost->bits += log2_of(max - min + 1);
    t->open[t->depth].varies = true;
}

static int repeat(struct translator *t)
{
    int64_t min = peek(t, 0) == '+', max = peek(t, 0) == '?' ? 1 : INT64_MAX;
    size_t n = peek(t, 0) == '{' ? bounds(t, &min, &max) : 1;

    if (n == 0) { /* a brace that means itself */
        t->at++;
        t->item = true;
        t->item_group = t->item_varies = false;
        return put(t, "\\{");
    }
    if (!t->item)
        return fail(t, "nothing to repeat");
    if (min > max)
        return fail(t, "the bounds of a repeat are out of order");
    if (min > REPEAT_MAX || (max > REPEAT_MAX && max != INT64_MAX))
        return fail(t, "a repeat of more than 65535");
    weigh(t, min, max);
    n += peek(t, n) == '?';
    if (buf_add(t->out, t->in.p + t->at, n) < 0)
        return put(t, "x");
    t->at += n;
    t->item = false;
    return 0;
}

/* ---- the whole ---- */

static int choice(struct translator *t)
{
    t->top_choice |= t->depth == 0;
    t->open[t->depth].varies = true;
    t->cost->bits++;
    t->item = false;
    t->at++;
    return put(t, "|");
}

static int plain(struct translator *t)
{
    const char *p = t->in.p + t->at;
    size_t n = (unsigned char)*p < 0x80 ? 1 : json_utf8_length(p, t->in.p + t->in.n);

    if (n == 0)
        return fail(t, "invalid UTF-8");
    t->at += n;
    if (*p == ']' || *p == '}' || *p == '#')
        return put(t, *p == ']' ? "\\]" : *p == '}' ? "\\}" : "\\#");
    if (*p == 0)
        return put(t, "\\x00");
    return buf_add(t->out, p, n) < 0 ? put(t, "x") : 0;
}

static int one(struct translator *t)
{
    char c = t->in.p[t->at];

    switch (c) {
    case '(':
        return open_group(t);
    case ')':
        return close_group(t);
    case '|':
        return choice(t);
    case '*':
    case '+':
    case '?':
    case '{':
        return repeat(t);
    default:
        break;
    }
    t->item = c != '^' && c != '$';
    t->item_group = t->item_varies = false;
    if (c == '^')
        t->anchored |= t->at == 0;
    switch (c) {
    case '\\':
        return escape(t);
    case '[':
        return class(t);
    case '.':
        t->at++;
        return put(t, "[^\\n\\r\\x{2028}\\x{2029}]");
    default:
        return plain(t);
    }
}

int regex_translate(struct span pattern, struct buf *out, struct regex_cost *cost, struct err *err)
{
    struct translator t = {.in = pattern, .out = out, .cost = cost, .err = err};

    *cost = (struct regex_cost){0};
    if (count_groups(&t) < 0)
        return -1;
    while (t.at < t.in.n)
        if (one(&t) < 0)
            return -1;
    if (t.depth) {
        t.at = t.open[t.depth].start;
        return fail(&t, "a group without its end");
    }
    cost->anchored = t.anchored && !t.top_choice;
    cost->degree += !cost->anchored;
    return 0;
}
