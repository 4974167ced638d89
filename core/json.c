/* json - the strict reader: one token after the other, no tree, no memory.
 * SPDX-License-Identifier: MIT */
#include "json.h"

#include "json_bytes.h"

/* What may come next. The bit stack of the reader says in what kind of container. */
enum state {
    WANT_VALUE,   /* at the start, after a colon, after a comma of an array */
    WANT_ELEMENT, /* after '[': a value or ']' */
    WANT_MEMBER,  /* after '{': a key or '}' */
    WANT_KEY,     /* after a comma of an object */
    WANT_MORE,    /* after a value: a comma, a closing bracket, or the end of the text */
    FAILED
};

void json_reader_init(struct json_reader *r, struct span doc)
{
    /* field by field: the error text alone is half a kilobyte, too much to clear each time */
    r->doc = doc.p ? doc : SPAN("");
    r->at = 0;
    r->token = (struct span){NULL, 0};
    r->type = JSON_NULL;
    r->escaped = false;
    r->depth = 0;
    r->state = WANT_VALUE;
    r->err.code = ERR_NONE;
    r->err.message[0] = 0;
}

static const char *doc_end(const struct json_reader *r)
{
    return r->doc.p + r->doc.n;
}

/* ---- failing ---- */

static enum json_token fail(struct json_reader *r, const char *at, const char *why)
{
    const char *line_start = r->doc.p;
    size_t line = 1;

    for (const char *p = r->doc.p; p < at; p++) {
        if (*p == '\n') {
            line++;
            line_start = p + 1;
        }
    }
    err_set(&r->err, ERR_BAD_REQUEST, "line %zu, column %zu: %s", line,
            (size_t)(at - line_start) + 1, why);
    r->at = (size_t)(at - r->doc.p);
    r->state = FAILED;
    return JSON_T_ERROR;
}

static enum json_token fail_at_end(struct json_reader *r)
{
    return fail(r, doc_end(r), "the text ends too early");
}

/* ---- containers ---- */

static bool in_object(const struct json_reader *r)
{
    int level = r->depth - 1;
    return (r->stack[level / 8] >> (level % 8)) & 1;
}

static enum json_token open_container(struct json_reader *r, const char *p)
{
    bool object = *p == '{';
    int level = r->depth;

    if (level == JSON_DEPTH_MAX)
        return fail(r, p, "too many levels of arrays and objects");
    unsigned char bit = (unsigned char)(1u << (level % 8));
    if (object)
        r->stack[level / 8] |= bit;
    else
        r->stack[level / 8] &= (unsigned char)~bit;
    r->depth++;
    r->at = (size_t)(p + 1 - r->doc.p);
    r->state = object ? WANT_MEMBER : WANT_ELEMENT;
    return object ? JSON_T_OPEN_OBJECT : JSON_T_OPEN_ARRAY;
}

static enum json_token close_container(struct json_reader *r, const char *p)
{
    bool object = in_object(r);

    if (*p != (object ? '}' : ']'))
        return fail(r, p, object ? "expected ',' or '}'" : "expected ',' or ']'");
    r->depth--;
    r->at = (size_t)(p + 1 - r->doc.p);
    r->state = WANT_MORE;
    return object ? JSON_T_CLOSE_OBJECT : JSON_T_CLOSE_ARRAY;
}

/* ---- strings ---- */

static bool is_hex(char c)
{
    return json_is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static bool is_unicode_escape(const char *p, const char *end)
{
    return end - p >= 6 && p[0] == '\\' && p[1] == 'u' && is_hex(p[2]) && is_hex(p[3]) &&
           is_hex(p[4]) && is_hex(p[5]);
}

/* The escape is \uDxxx with the third digit in the range given: DC00 to DFFF, or D800 to DBFF. */
static bool is_surrogate(const char *p, bool low)
{
    if (p[2] != 'd' && p[2] != 'D')
        return false;
    bool upper_half = p[3] > '9' ? (p[3] | 0x20) >= 'c' : false;
    return low ? upper_half : !upper_half && p[3] >= '8';
}

/* The end of the escape at p; NULL with *why set when it is none. */
static const char *escape_end(const char *p, const char *end, const char **why)
{
    *why = "an escape that JSON does not know";
    if (end - p < 2)
        return NULL;
    if (p[1] != 'u')
        return p[1] && strchr("\"\\/bfnrt", p[1]) ? p + 2 : NULL;
    if (!is_unicode_escape(p, end))
        return NULL;
    *why = "half of a surrogate pair";
    if (is_surrogate(p, true))
        return NULL;
    if (!is_surrogate(p, false))
        return p + 6;
    return is_unicode_escape(p + 6, end) && is_surrogate(p + 6, true) ? p + 12 : NULL;
}

/* Checks the string whose opening quote is at p, sets the token. The byte after it, or NULL. */
static const char *read_string(struct json_reader *r, const char *p)
{
    const char *end = doc_end(r), *start = p++, *why;

    r->escaped = false;
    while ((p = json_text_end(p, end)) < end && *p != '"') {
        const char *next = NULL;
        if (*p == '\\') {
            r->escaped = true;
            next = escape_end(p, end, &why);
        } else {
            why = (unsigned char)*p < 0x20 ? "a control character in a string" : "invalid UTF-8";
        }
        if (!next) {
            fail(r, p, why);
            return NULL;
        }
        p = next;
    }
    if (p == end) {
        fail(r, end, "a string without its end");
        return NULL;
    }
    p++;
    r->token = (struct span){start, (size_t)(p - start)};
    return p;
}

static enum json_token read_key(struct json_reader *r, const char *p)
{
    if (*p != '"')
        return fail(r, p, "expected a key in double quotes");
    p = read_string(r, p);
    if (!p)
        return JSON_T_ERROR;
    p = json_skip_space(p, doc_end(r));
    if (p == doc_end(r))
        return fail_at_end(r);
    if (*p != ':')
        return fail(r, p, "expected ':' after the key");
    r->at = (size_t)(p + 1 - r->doc.p);
    r->state = WANT_VALUE;
    return JSON_T_KEY;
}

/* ---- values ---- */

static const char *digits_end(const char *p, const char *end)
{
    while (p < end && json_is_digit(*p))
        p++;
    return p;
}

/* The end of the number at p, or NULL. */
static const char *number_end(const char *p, const char *end)
{
    if (*p == '-')
        p++;
    const char *q = digits_end(p, end);
    if (q == p || (*p == '0' && q - p > 1))
        return NULL;
    if (q < end && *q == '.') {
        p = q + 1;
        q = digits_end(p, end);
        if (q == p)
            return NULL;
    }
    if (q < end && (*q == 'e' || *q == 'E')) {
        p = q + 1;
        if (p < end && (*p == '+' || *p == '-'))
            p++;
        q = digits_end(p, end);
        if (q == p)
            return NULL;
    }
    return q;
}

static const char *word_end(const char *p, const char *end, const char *word)
{
    size_t n = strlen(word);
    return (size_t)(end - p) >= n && memcmp(p, word, n) == 0 ? p + n : NULL;
}

static enum json_token accept(struct json_reader *r, const char *p, const char *after,
                              enum json_type type)
{
    if (!after)
        return fail(r, p, type == JSON_NUMBER ? "not a number of JSON" : "expected a value");
    r->token = (struct span){p, (size_t)(after - p)};
    r->type = type;
    r->escaped = false;
    r->at = (size_t)(after - r->doc.p);
    r->state = WANT_MORE;
    return JSON_T_VALUE;
}

static enum json_token accept_string(struct json_reader *r, const char *p)
{
    p = read_string(r, p);
    if (!p)
        return JSON_T_ERROR;
    r->type = JSON_STRING;
    r->at = (size_t)(p - r->doc.p);
    r->state = WANT_MORE;
    return JSON_T_VALUE;
}

static enum json_token read_value(struct json_reader *r, const char *p)
{
    const char *end = doc_end(r);

    switch (*p) {
    case '"':
        return accept_string(r, p);
    case '{':
    case '[':
        return open_container(r, p);
    case 't':
        return accept(r, p, word_end(p, end, "true"), JSON_TRUE);
    case 'f':
        return accept(r, p, word_end(p, end, "false"), JSON_FALSE);
    case 'n':
        return accept(r, p, word_end(p, end, "null"), JSON_NULL);
    case '-':
        return accept(r, p, number_end(p, end), JSON_NUMBER);
    default:
        if (json_is_digit(*p))
            return accept(r, p, number_end(p, end), JSON_NUMBER);
        return fail(r, p, "expected a value");
    }
}

/* ---- the reader ---- */

enum json_token json_read(struct json_reader *r)
{
    const char *end = doc_end(r), *p = json_skip_space(r->doc.p + r->at, end);

    if (r->state == WANT_MORE) {
        if (r->depth == 0)
            return p == end ? JSON_T_END : fail(r, p, "more after the end of the value");
        if (p == end)
            return fail_at_end(r);
        if (*p != ',')
            return close_container(r, p);
        r->state = in_object(r) ? WANT_KEY : WANT_VALUE;
        p = json_skip_space(p + 1, end);
    }
    if (r->state == FAILED)
        return JSON_T_ERROR;
    if (p == end)
        return fail_at_end(r);
    if (r->state == WANT_KEY || (r->state == WANT_MEMBER && *p != '}'))
        return read_key(r, p);
    if (r->state == WANT_MEMBER || (r->state == WANT_ELEMENT && *p == ']'))
        return close_container(r, p);
    return read_value(r, p);
}

int json_check(struct span doc, struct err *err)
{
    struct json_reader r;

    json_reader_init(&r, doc);
    for (;;) {
        switch (json_read(&r)) {
        case JSON_T_END:
            return 0;
        case JSON_T_ERROR:
            *err = r.err;
            return -1;
        default:
            break;
        }
    }
}
