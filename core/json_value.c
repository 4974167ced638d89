/* json_value - what a string or a number of a document says.
 * SPDX-License-Identifier: MIT */
#include "json.h"

#include "json_bytes.h"

#include <errno.h>
#include <stdlib.h>

/* ---- strings ---- */

/* A string's text as a row of pieces: stretches of the source, and characters made from escapes. */
struct pieces {
    const char *p, *end;
    char made[4];
};

static struct pieces pieces_of(struct span string)
{
    bool whole = string.n >= 2;
    const char *p = whole ? string.p + 1 : string.p;
    return (struct pieces){.p = p, .end = whole ? string.p + string.n - 1 : p};
}

static unsigned hex4(const char *p)
{
    unsigned code = 0;

    for (int i = 0; i < 4; i++) {
        unsigned c = (unsigned char)p[i];
        code = code << 4 | ((c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10) & 15);
    }
    return code;
}

/* The code point of the \u escape at s->p, whose pair is read with it. */
static unsigned take_unicode(struct pieces *s)
{
    unsigned high = hex4(s->p + 2);

    s->p += 6;
    if (high < 0xD800 || high > 0xDFFF)
        return high;
    if (high < 0xDC00 && s->end - s->p >= 6 && s->p[0] == '\\' && s->p[1] == 'u') {
        unsigned low = hex4(s->p + 2);
        if (low >= 0xDC00 && low <= 0xDFFF) {
            s->p += 6;
            return 0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00);
        }
    }
    return 0xFFFD; /* only in a text that was never checked */
}

static size_t put_utf8(char *to, unsigned code)
{
    if (code < 0x80) {
        to[0] = (char)code;
        return 1;
    }
    if (code < 0x800) {
        to[0] = (char)(0xC0 | code >> 6);
        to[1] = (char)(0x80 | (code & 0x3F));
        return 2;
    }
    if (code < 0x10000) {
        to[0] = (char)(0xE0 | code >> 12);
        to[1] = (char)(0x80 | (code >> 6 & 0x3F));
        to[2] = (char)(0x80 | (code & 0x3F));
        return 3;
    }
    to[0] = (char)(0xF0 | code >> 18);
    to[1] = (char)(0x80 | (code >> 12 & 0x3F));
    to[2] = (char)(0x80 | (code >> 6 & 0x3F));
    to[3] = (char)(0x80 | (code & 0x3F));
    return 4;
}

static struct span take_escape(struct pieces *s)
{
    static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";

    if (s->end - s->p >= 6 && s->p[1] == 'u') {
        size_t n = put_utf8(s->made, take_unicode(s));
        return (struct span){s->made, n};
    }
    char c = s->end - s->p > 1 ? s->p[1] : '\\';
    const char *known = c ? strchr(from, c) : NULL;
    s->made[0] = known ? to[known - from] : c;
    s->p += s->end - s->p > 1 ? 2 : 1;
    return (struct span){s->made, 1};
}

static bool next_piece(struct pieces *s, struct span *piece)
{
    if (s->p == s->end)
        return false;
    if (*s->p == '\\') {
        *piece = take_escape(s);
        return true;
    }
    const char *slash = memchr(s->p, '\\', (size_t)(s->end - s->p));
    const char *end = slash ? slash : s->end;
    *piece = (struct span){s->p, (size_t)(end - s->p)};
    s->p = end;
    return true;
}

static bool is_string(struct span value)
{
    return value.p && value.n >= 2 && value.p[0] == '"';
}

int json_text(struct span value, struct buf *out)
{
    size_t before = out->len;
    struct span piece;

    if (!is_string(value))
        return -1;
    struct pieces s = pieces_of(value);
    while (next_piece(&s, &piece)) {
        if (buf_add_span(out, piece) < 0) {
            out->len = before;
            return -1;
        }
    }
    return 0;
}

size_t json_unescape(struct span value, char *to)
{
    struct pieces s = pieces_of(value);
    struct span piece;
    char *at = to;

    while (next_piece(&s, &piece)) {
        memcpy(at, piece.p, piece.n);
        at += piece.n;
    }
    return (size_t)(at - to);
}

static bool same_pieces(struct span value, struct span text)
{
    struct pieces s = pieces_of(value);
    struct span piece;

    while (next_piece(&s, &piece)) {
        if (piece.n > text.n || memcmp(piece.p, text.p, piece.n) != 0)
            return false;
        text.p += piece.n;
        text.n -= piece.n;
    }
    return text.n == 0;
}

bool json_text_is(struct span value, struct span text)
{
    if (!is_string(value) || value.n - 2 < text.n)
        return false; /* an escape is never shorter than what it stands for */
    if (text.n && value.p[1] != text.p[0] && value.p[1] != '\\')
        return false;
    if (!memchr(value.p + 1, '\\', value.n - 2))
        return value.n - 2 == text.n && memcmp(value.p + 1, text.p, text.n) == 0;
    return same_pieces(value, text);
}

bool json_is_text(struct span value, const char *text)
{
    return json_text_is(value, (struct span){text, strlen(text)});
}

/* ---- numbers ---- */

int json_int(struct span value, int64_t *out)
{
    bool negative = value.p && value.n && value.p[0] == '-';
    size_t i = negative;
    uint64_t n = 0, limit = (uint64_t)INT64_MAX + negative;

    if (!value.p || i == value.n)
        return -1;
    for (; i < value.n; i++) {
        uint64_t digit = (uint64_t)(unsigned char)value.p[i] - '0';
        if (digit > 9 || n > (limit - digit) / 10)
            return -1;
        n = n * 10 + digit;
    }
    *out = (int64_t)(negative ? 0 - n : n);
    return 0;
}

/* A decimal number: mantissa * 10^exponent. */
struct decimal {
    bool negative;
    uint64_t mantissa; /* at most 17 digits, without zeros at its end */
    int64_t exponent;
};

enum { DIGITS_MAX = 17, EXPONENT_MAX = 100 * 1000 * 1000 };

static const char *read_digits(const char *p, const char *end, struct decimal *d, bool *too_long)
{
    int digits = 0;
    int64_t zeros = 0, behind_point = 0;
    bool point = false;

    for (; p < end && (json_is_digit(*p) || (*p == '.' && !point)); p++) {
        if (*p == '.') {
            point = true;
            continue;
        }
        behind_point += point;
        if (*p == '0') {
            zeros += digits > 0;
            continue;
        }
        if (digits + zeros >= DIGITS_MAX) {
            *too_long = true;
            return p;
        }
        digits += (int)zeros + 1;
        for (; zeros; zeros--)
            d->mantissa *= 10;
        d->mantissa = d->mantissa * 10 + (uint64_t)(*p - '0');
    }
    d->exponent = zeros - behind_point;
    return p;
}

static void read_exponent(const char *p, const char *end, struct decimal *d)
{
    int64_t e = 0;
    bool negative = p < end && *p == '-';

    for (p += p < end && (*p == '-' || *p == '+'); p < end && json_is_digit(*p); p++)
        if (e < EXPONENT_MAX)
            e = e * 10 + (*p - '0');
    d->exponent += negative ? -e : e;
}

/* Both factors are exact doubles within these bounds, so one operation rounds once, as it must. */
static bool small_double(const struct decimal *d, double *out)
{
    static const double power[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                   1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                   1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

    if (d->mantissa > UINT64_C(1) << 53 || d->exponent < -22 || d->exponent > 22)
        return false;
    *out = d->exponent < 0 ? (double)d->mantissa / power[-d->exponent]
                           : (double)d->mantissa * power[d->exponent];
    return true;
}

/* "123e-45": no decimal point in this spelling, so no locale can spoil it. */
static double large_double(const struct decimal *d)
{
    char text[64], *p = text + sizeof text - 1;
    uint64_t m = d->mantissa, e = (uint64_t)(d->exponent < 0 ? -d->exponent : d->exponent);

    for (*p = 0; e; e /= 10)
        *--p = (char)('0' + e % 10);
    *--p = d->exponent < 0 ? '-' : '0'; /* "e0" when it is 0, "e012" when it is 12 */
    *--p = 'e';
    for (; m; m /= 10)
        *--p = (char)('0' + m % 10);
    return strtod(p, NULL);
}

int json_double(struct span value, double *out)
{
    struct decimal d = {.negative = value.p && value.n && value.p[0] == '-'};
    bool too_long = false;

    if (!value.p)
        return -1;
    const char *end = value.p + value.n;
    const char *p = read_digits(value.p + d.negative, end, &d, &too_long);
    if (too_long)
        return -1;
    if (p < end && (*p == 'e' || *p == 'E'))
        read_exponent(p + 1, end, &d);
    if (d.mantissa == 0) {
        *out = 0;
    } else if (!small_double(&d, out)) {
        if (d.exponent < -400 || d.exponent > 400)
            return -1;
        errno = 0;
        *out = large_double(&d);
        if (errno == ERANGE)
            return -1;
    }
    if (d.negative)
        *out = -*out;
    return 0;
}
