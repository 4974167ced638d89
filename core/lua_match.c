/* lua_match - Lua's patterns over bytes: a backtracking matcher that counts its steps.
 * SPDX-License-Identifier: MIT */
#include "lua_match.h"

#include <ctype.h>
#include <string.h>

enum { SET_BYTES = 8 }; /* bytes of a [set] looked at in one step */

const char MATCH_OVER[] = "pattern matching took too many steps";

/* One item of a pattern that matches one character, with the repetition that may follow it. */
struct item {
    const char *p, *end; /* the character, '.', '%x' or '[set]' */
    long cost;           /* steps of one attempt */
    char repeat;         /* '*', '+', '-', '?', or 0 */
};

static const char *match_here(struct match *m, const char *s, const char *p);

static const char *fail(struct match *m, const char *error)
{
    m->error = error;
    return NULL;
}

static inline bool step(struct match *m, long n)
{
    if (steps_take(&m->steps, n))
        return true;
    m->error = MATCH_OVER;
    return false;
}

/* --- one character ------------------------------------------------------------------------------
 */

/* Where the item at p ends; NULL on a malformed one. */
static const char *item_end(struct match *m, const char *p)
{
    char first = *p++;

    if (first == '%')
        return p < m->pend ? p + 1 : fail(m, "malformed pattern (ends with '%%')");
    if (first != '[')
        return p;
    const char *start = p;
    if (p < m->pend && *p == '^')
        p++;
    do { /* a ']' in the first place is a member */
        if (p == m->pend)
            return fail(m, "malformed pattern (missing ']')");
        if (*p++ == '%' && p < m->pend)
            p++;
    } while (p == m->pend || *p != ']');
    return step(m, (p - start) / SET_BYTES) ? p + 1 : NULL;
}

/* Is c of the class that the letter after '%' names? A capital letter means its complement. */
static bool in_class(unsigned char c, unsigned char letter)
{
    bool in;

    switch (letter | 0x20) { /* which is tolower() for letters, and makes none of the others one */
    case 'a':
        in = isalpha(c);
        break;
    case 'c':
        in = iscntrl(c);
        break;
    case 'd':
        in = isdigit(c);
        break;
    case 'g':
        in = isgraph(c);
        break;
    case 'l':
        in = islower(c);
        break;
    case 'p':
        in = ispunct(c);
        break;
    case 's':
        in = isspace(c);
        break;
    case 'u':
        in = isupper(c);
        break;
    case 'w':
        in = isalnum(c);
        break;
    case 'x':
        in = isxdigit(c);
        break;
    case 'z': /* not in the manual since 5.2, still in every Lua */
        in = c == 0;
        break;
    default:
        return letter == c;
    }
    return in == ((letter & 0x20) != 0);
}

/* Is c in the set that begins at p ('[') and whose ']' is at 'last'? */
static bool in_set(unsigned char c, const char *p, const char *last)
{
    bool yes = true;

    if (*++p == '^') {
        yes = false;
        p++;
    }
    for (; p < last; p++) {
        if (*p == '%') {
            if (in_class(c, (unsigned char)*++p))
                return yes;
        } else if (p[1] == '-' && p + 2 < last) {
            if ((unsigned char)p[0] <= c && c <= (unsigned char)p[2])
                return yes;
            p += 2;
        } else if ((unsigned char)*p == c) {
            return yes;
        }
    }
    return !yes;
}

static inline bool item_is(const struct item *it, unsigned char c)
{
    switch (*it->p) {
    case '.':
        return true;
    case '%':
        return in_class(c, (unsigned char)it->p[1]);
    case '[':
        return in_set(c, it->p, it->end - 1);
    default:
        return (unsigned char)*it->p == c;
    }
}

/* Does the item match the character at s? Takes the step for it. */
static inline bool one(struct match *m, const struct item *it, const char *s)
{
    return step(m, it->cost) && s < m->end && item_is(it, (unsigned char)*s);
}

/* --- repetitions --------------------------------------------------------------------------------
 */

/* Where the pattern goes on after an item with a repetition. */
static inline const char *item_next(const struct item *it)
{
    return it->end + 1;
}

/* As many as there are, then fewer, down to 'least': '*' and '+'. Those before 'to' are known. */
static const char *repeat_most(struct match *m, const char *least, const char *to,
                               const struct item *it)
{
    while (one(m, it, to))
        to++;
    for (; !m->error; to--) {
        const char *e = match_here(m, to, item_next(it));
        if (e || to == least)
            return e;
    }
    return NULL;
}

/* As few as will do: '-'. */
static const char *repeat_least(struct match *m, const char *s, const struct item *it)
{
    do {
        const char *e = match_here(m, s, item_next(it));
        if (e || m->error)
            return e;
    } while (one(m, it, s++));
    return NULL;
}

/* --- captures -----------------------------------------------------------------------------------
 */

static const char *capture_open(struct match *m, const char *s, const char *p)
{
    bool position = p < m->pend && *p == ')';

    if (m->captures >= MATCH_CAPTURES)
        return fail(m, "too many captures");
    m->capture[m->captures].start = s;
    m->capture[m->captures].len = position ? MATCH_POSITION : MATCH_OPEN;
    m->captures++;
    const char *e = match_here(m, s, position ? p + 1 : p);
    if (!e)
        m->captures--;
    return e;
}

static const char *capture_close(struct match *m, const char *s, const char *p)
{
    int i = m->captures - 1;

    while (i >= 0 && m->capture[i].len != MATCH_OPEN)
        i--;
    if (i < 0)
        return fail(m, "invalid pattern capture");
    m->capture[i].len = s - m->capture[i].start;
    const char *e = match_here(m, s, p);
    if (!e)
        m->capture[i].len = MATCH_OPEN;
    return e;
}

/* '%1' to '%9': the text of a capture once more. */
static const char *capture_again(struct match *m, const char *s, char digit)
{
    int i = digit - '1';

    m->error_index = i + 1;
    if (i < 0 || i >= m->captures || m->capture[i].len == MATCH_OPEN)
        return fail(m, "invalid capture index %%%d");
    ptrdiff_t len = m->capture[i].len;
    if (len == MATCH_POSITION || len > m->end - s || !step(m, len / STEP_BYTES) ||
        memcmp(m->capture[i].start, s, (size_t)len) != 0)
        return NULL;
    return s + len;
}

/* --- the two items that look at more than one character ------------------------------------------
 */

/* '%bxy': from an x to the y that balances it. */
static const char *balanced(struct match *m, const char *s, const char *xy)
{
    long open = 1;

    if (m->pend - xy < 2)
        return fail(m, "malformed pattern (missing arguments to '%%b')");
    if (s >= m->end || *s != xy[0])
        return NULL;
    while (++s < m->end && step(m, 1)) {
        if (*s == xy[1]) {
            if (--open == 0)
                return s + 1;
        } else if (*s == xy[0]) {
            open++;
        }
    }
    return NULL;
}

/* '%f[set]': does the set begin to hold here? The text has a '\0' before and behind it. */
static bool frontier(struct match *m, const char *s, const char *set, const char *set_end)
{
    unsigned char before = s == m->text ? 0 : (unsigned char)s[-1];
    unsigned char here = s == m->end ? 0 : (unsigned char)*s;

    return step(m, 1 + (set_end - set) / SET_BYTES) && !in_set(before, set, set_end - 1) &&
           in_set(here, set, set_end - 1);
}

/* Items that begin with '%' and match no single character: false when this is none of them.
 * *s is where the match goes on, or NULL; *p behind the item. */
static bool special(struct match *m, const char **s, const char **p)
{
    const char *at = *p + 2;
    char letter = (*p)[1];

    if (letter == 'b') {
        *s = balanced(m, *s, at);
        *p = at + 2;
    } else if (letter == 'f') {
        const char *end = NULL;
        if (at < m->pend && *at == '[')
            end = item_end(m, at);
        else
            fail(m, "missing '[' after '%%f' in pattern");
        if (!end || !frontier(m, *s, at, end))
            *s = NULL;
        *p = end;
    } else if (isdigit((unsigned char)letter)) {
        *s = capture_again(m, *s, letter);
        *p = at;
    } else {
        return false;
    }
    return true;
}

/* --- the pattern --------------------------------------------------------------------------------
 */

static inline bool is_repeat(char c)
{
    return c == '*' || c == '+' || c == '-' || c == '?';
}

static bool read_item(struct match *m, struct item *it, const char *p)
{
    it->p = p;
    it->end = item_end(m, p);
    if (!it->end)
        return false;
    it->cost = 1 + (it->end - p) / SET_BYTES;
    it->repeat = it->end < m->pend && is_repeat(*it->end) ? *it->end : 0;
    return true;
}

/* Matches pattern p at s, without counting the depth. */
static const char *match_items(struct match *m, const char *s, const char *p)
{
    while (p < m->pend) {
        if (*p == '(')
            return capture_open(m, s, p + 1);
        if (*p == ')')
            return capture_close(m, s, p + 1);
        if (*p == '$' && p + 1 == m->pend)
            return s == m->end ? s : NULL;
        if (*p == '%' && p + 1 < m->pend && special(m, &s, &p)) {
            if (!s || !step(m, 1))
                return NULL;
            continue;
        }
        struct item it;
        if (!read_item(m, &it, p))
            return NULL;
        if (!one(m, &it, s)) {
            if (m->error || !it.repeat || it.repeat == '+')
                return NULL;
            p = item_next(&it); /* none of it, which takes no recursion */
        } else if (it.repeat == '?') {
            const char *e = match_here(m, s + 1, item_next(&it));
            if (e || m->error)
                return e;
            p = item_next(&it);
        } else if (it.repeat) {
            return it.repeat == '-' ? repeat_least(m, s, &it)
                                    : repeat_most(m, s + (it.repeat == '+'), s + 1, &it);
        } else {
            s++;
            p = it.end;
        }
    }
    return s;
}

static const char *match_here(struct match *m, const char *s, const char *p)
{
    if (m->depth >= MATCH_DEPTH)
        return fail(m, "pattern too complex");
    if (p == m->pend)
        return s;
    m->depth++;
    const char *e = step(m, 1) ? match_items(m, s, p) : NULL;
    m->depth--;
    return e;
}

void match_init(struct match *m, struct span text, struct span pattern, bool anchors)
{
    m->text = text.p;
    m->end = text.p + text.n;
    m->anchored = anchors && pattern.n > 0 && *pattern.p == '^';
    m->pattern = pattern.p + m->anchored;
    m->pend = pattern.p + pattern.n;
    m->error = NULL;
    m->depth = m->captures = 0;
}

/* The letter that each match must start with, or -1: lets memchr() do most of the search. */
static int first_letter(const struct match *m)
{
    const char *p = m->pattern;

    if (m->anchored || p == m->pend || (p + 1 < m->pend && is_repeat(p[1]) && p[1] != '+'))
        return -1;
    if (*p == '(' || *p == '[' || *p == '.' || *p == '%' || *p == '$' || *p == ')')
        return -1;
    return (unsigned char)*p;
}

const char *match_next(struct match *m, const char **at, const char *last)
{
    const char *s = *at;
    int letter = first_letter(m);

    for (;; s++) {
        if (letter >= 0) {
            const char *found = memchr(s, letter, (size_t)(m->end - s));
            if (!step(m, ((found ? found : m->end) - s) / STEP_BYTES) || !found)
                return NULL;
            s = found;
        }
        m->captures = 0;
        const char *e = match_here(m, s, m->pattern);
        if (e && e != last) {
            *at = s;
            return e;
        }
        if (m->error || m->anchored || s >= m->end)
            return NULL;
    }
}

bool match_is_plain(struct span pattern)
{
    for (const char *p = pattern.p, *end = p + pattern.n; p < end; p++) {
        p += strcspn(p, "^$*+?.([%-"); /* stops at a '\0', which may be inside */
        if (p < end && *p)
            return false;
    }
    return true;
}
