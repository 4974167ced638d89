/* json_write - texts and numbers as JSON.
 * SPDX-License-Identifier: MIT */
#include "json.h"

#include "json_bytes.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- strings ---- */

bool json_is_utf8(struct span text)
{
    const char *p = text.p, *end = p ? p + text.n : p;

    while (p < end) {
        p = json_text_end(p, end);
        if (p < end && (unsigned char)*p >= 0x80)
            return false;
        p += p < end;
    }
    return true;
}

/* Spells a byte that json_text_end stopped at: escaped, or U+FFFD for broken UTF-8. 'to' has room
 * for 6 bytes. */
static size_t spell_special(char *to, char c)
{
    static const char hex[] = "0123456789abcdef", from[] = "\"\\\n\t\r\b\f", into[] = "\"\\ntrbf";

    if ((unsigned char)c >= 0x80) {
        memcpy(to, "\xEF\xBF\xBD", 3);
        return 3;
    }
    for (size_t i = 0; i < sizeof into - 1; i++) {
        if (c == from[i]) {
            to[0] = '\\';
            to[1] = into[i];
            return 2;
        }
    }
    memcpy(to, (char[]){'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]}, 6);
    return 6;
}

int json_write_text(struct buf *out, struct span text)
{
    size_t before = out->len;
    const char *p = text.p ? text.p : "", *end = p + (text.p ? text.n : 0);

    if (json_put(out, '"') < 0)
        return -1;
    for (;;) {
        char special[6], *to;
        const char *after = json_text_end(p, end);
        size_t plain = (size_t)(after - p);
        size_t n = after < end ? spell_special(special, *after) : 0;
        to = json_room(out, plain + n);
        if (!to)
            break;
        if (plain)
            memcpy(to, p, plain);
        memcpy(to + plain, special, n);
        out->len += plain + n;
        p = after + (after < end);
        if (p == end && json_put(out, '"') < 0)
            break;
        if (p == end)
            return 0;
    }
    out->len = before;
    return -1;
}

/* ---- numbers ---- */

enum { NUMBER_MAX = 40 };

/* The digits of n end at 'end'; where they start. */
static char *put_digits(char *end, uint64_t n)
{
    do
        *--end = (char)('0' + n % 10);
    while (n /= 10);
    return end;
}

int json_write_int(struct buf *out, int64_t i)
{
    char text[NUMBER_MAX], *end = text + sizeof text;
    char *p = put_digits(end, i < 0 ? 0 - (uint64_t)i : (uint64_t)i);

    if (i < 0)
        *--p = '-';
    return buf_add(out, p, (size_t)(end - p));
}

/* Most numbers in practice are short: 0.7, 1.5, 100.0. When n/10^k divides to exactly d, then those
 * digits are its spelling, and the same that "%.15g" gives; ten times as fast. */
static int write_short(struct buf *out, double d)
{
    char text[NUMBER_MAX], *end = text + sizeof text, *p = end;
    double size = fabs(d), power = 1;

    if (!(size >= 1e-4 && size < 1e9)) /* below, "%.15g" has an exponent */
        return -1;
    for (int places = 0; places <= 12 && size * power < 1e15; places++, power *= 10) {
        double n = nearbyint(size * power);
        if (n / power != size)
            continue;
        uint64_t whole = (uint64_t)n / (uint64_t)power;
        p = put_digits(p, (uint64_t)n % (uint64_t)power);
        while (end - p < places)
            *--p = '0';
        *--p = '.';
        p = put_digits(p, whole);
        if (d < 0)
            *--p = '-';
        return buf_add(out, p, (size_t)(end - p));
    }
    return -1;
}

int json_write_double(struct buf *out, double d)
{
    char text[NUMBER_MAX];
    size_t before = out->len;

    if (!isfinite(d))
        return -1;
    if (write_short(out, d) == 0)
        return 0;
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, d);
        if (digits == 17 || strtod(text, NULL) == d)
            break;
    }
    if (buf_puts(out, text) < 0)
        return -1;
    if (!strpbrk(text, ".e") && buf_puts(out, ".0") < 0) {
        out->len = before;
        return -1;
    }
    return 0;
}
