/* http1_body - where a request's body ends: by its length, or chunk by chunk.
 * SPDX-License-Identifier: MIT */
#include "http1_private.h"

enum {
    SIZE_DIGITS_MAX = 16, /* hexadecimal digits of a chunk size */
    EXTENSIONS_MAX =
        4096, /* bytes of all chunk extensions of one body; nobody has a use for them */
};

/* ---- chunked bodies, byte by byte between the chunks ---- */

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int chunk_begins(struct http1 *p)
{
    if (p->left > p->limits->body_max - p->body_len)
        return http1_fail(p, 413, "The body is longer than %zu bytes.", p->limits->body_max);
    p->extra = p->left ? p->extra : 0; /* from here on it counts the trailers */
    return p->left ? AT_DATA : AT_TRAILER_FIRST;
}

static int size_byte(struct http1 *p, char c)
{
    int digit = hex_digit(c);

    if (digit >= 0) {
        if (++p->digits > SIZE_DIGITS_MAX)
            return http1_fail(p, 400, "A chunk size of more than %d digits.", SIZE_DIGITS_MAX);
        p->left = p->left << 4 | (uint64_t)digit;
        return AT_SIZE;
    }
    if (p->state == AT_SIZE && c == '\r')
        return AT_SIZE_LF;
    if (p->state == AT_SIZE && c == ';')
        return AT_EXT_FIRST;
    return http1_fail(p, 400, "A chunk size is not a hexadecimal number.");
}

/* Where a name or a value of an extension may end. */
static int ext_end(struct http1 *p, char c)
{
    if (c == '\r')
        return AT_SIZE_LF;
    if (c == ';')
        return AT_EXT_FIRST;
    return http1_fail(p, 400, "A chunk extension is malformed.");
}

/* *( ";" name [ "=" ( token / quoted-string ) ] ), blanks only behind the ';' */
static int ext_byte(struct http1 *p, char c)
{
    if (++p->extra > EXTENSIONS_MAX)
        return http1_fail(p, 400, "Chunk extensions of more than %d bytes.", EXTENSIONS_MAX);
    switch (p->state) {
    case AT_EXT_FIRST:
        if (c == ' ' || c == '\t')
            return AT_EXT_FIRST;
        return http1_is(c, TOKEN) ? AT_EXT_NAME
                                  : http1_fail(p, 400, "A chunk extension has no name.");
    case AT_EXT_NAME:
        if (http1_is(c, TOKEN))
            return AT_EXT_NAME;
        return c == '=' ? AT_EXT_VALUE_FIRST : ext_end(p, c);
    case AT_EXT_VALUE_FIRST:
        if (c == '"')
            return AT_EXT_QUOTED;
        return http1_is(c, TOKEN) ? AT_EXT_VALUE
                                  : http1_fail(p, 400, "A chunk extension has no value.");
    case AT_EXT_VALUE:
        return http1_is(c, TOKEN) ? AT_EXT_VALUE : ext_end(p, c);
    case AT_EXT_QUOTED:
        if (c == '"')
            return AT_EXT_QUOTED_END;
        if (c == '\\')
            return AT_EXT_ESCAPE;
        break;
    case AT_EXT_ESCAPE:
        break;
    default:
        return ext_end(p, c);
    }
    return http1_is(c, VALUE) ? AT_EXT_QUOTED
                              : http1_fail(p, 400, "A chunk extension is malformed.");
}

/* Fields that would change how this message is framed or routed (RFC 9110 6.5.1). */
static int trailer_named(struct http1 *p)
{
    static const char *const banned[] = {"transfer-encoding", "content-length", "host", "trailer",
                                         "connection"};
    struct span name = {p->trailer, (size_t)p->trailer_n};

    for (size_t i = 0; !p->any_trailer && i < sizeof banned / sizeof *banned; i++)
        if (http1_same(name, banned[i]))
            return http1_fail(p, 400, "A %s field in the trailers.", banned[i]);
    return AT_TRAILER_VALUE;
}

static int trailer_name_byte(struct http1 *p, char c)
{
    if (c == ':' && p->trailer_n > 0)
        return trailer_named(p);
    if (!http1_is(c, TOKEN))
        return http1_fail(p, 400, "A trailer line is not a name, directly followed by a colon.");
    /* a longer name is none of the banned ones: the last place only marks that it is longer */
    if (p->trailer_n < (int)sizeof p->trailer)
        p->trailer[p->trailer_n++] = c;
    return AT_TRAILER_NAME;
}

static int trailer_byte(struct http1 *p, char c)
{
    if (++p->extra > p->limits->header_max)
        return http1_fail(p, 431, "The trailers are longer than %zu bytes.", p->limits->header_max);
    if (p->state == AT_TRAILER_FIRST) {
        if (c == '\r')
            return AT_LAST_LF;
        if (++p->trailers > p->limits->header_count)
            return http1_fail(p, 431, "More than %d trailer lines.", p->limits->header_count);
        p->trailer_n = 0;
    }
    if (p->state != AT_TRAILER_VALUE)
        return trailer_name_byte(p, c);
    if (c == '\r')
        return AT_TRAILER_LF;
    return http1_is(c, VALUE) ? AT_TRAILER_VALUE
                              : http1_fail(p, 400, "A trailer has a control character.");
}

static int line_feed(struct http1 *p, char c)
{
    if (c != '\n')
        return http1_fail(p, 400, "A CR without LF in a chunked body.");
    switch (p->state) {
    case AT_SIZE_LF:
        return chunk_begins(p);
    case AT_DATA_LF:
        p->digits = 0;
        return AT_SIZE_FIRST;
    case AT_TRAILER_LF:
        return AT_TRAILER_FIRST;
    default:
        return AT_END;
    }
}

/* The state after this byte, or -1. */
static int framing_byte(struct http1 *p, char c)
{
    switch (p->state) {
    case AT_SIZE_FIRST:
    case AT_SIZE:
        return size_byte(p, c);
    case AT_DATA_CR:
        return c == '\r' ? AT_DATA_LF : http1_fail(p, 400, "A chunk is longer than its size.");
    case AT_TRAILER_FIRST:
    case AT_TRAILER_NAME:
    case AT_TRAILER_VALUE:
        return trailer_byte(p, c);
    case AT_SIZE_LF:
    case AT_DATA_LF:
    case AT_TRAILER_LF:
    case AT_LAST_LF:
        return line_feed(p, c);
    default:
        return ext_byte(p, c);
    }
}

static void skip(struct span *s, size_t n)
{
    s->p += n;
    s->n -= n;
}

static enum http1_result piece(struct http1 *p, struct span *in, struct span *out)
{
    size_t n = in->n < p->left ? in->n : (size_t)p->left;

    *out = (struct span){in->p, n};
    skip(in, n);
    p->left -= n;
    p->body_len += n;
    if (p->left == 0)
        p->state = p->chunked ? AT_DATA_CR : AT_END;
    return HTTP1_DATA;
}

enum http1_result http1_body(struct http1 *p, struct span *in, struct span *out)
{
    if (p->state == AT_LENGTH && p->left == 0)
        p->state = AT_END;
    while (p->state < AT_END && in->n) {
        if (p->state == AT_DATA || p->state == AT_LENGTH)
            return piece(p, in, out);
        int next = framing_byte(p, in->p[0]);
        if (next >= 0)
            p->state = next;
        skip(in, 1);
    }
    return p->state == AT_END ? HTTP1_DONE : p->state == AT_ERROR ? HTTP1_ERROR : HTTP1_MORE;
}
