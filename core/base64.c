/* base64 - bytes as text and back (RFC 4648), and the data: URLs that carry it (RFC 2397).
 * SPDX-License-Identifier: MIT */
#include "base64.h"

#include <stdint.h>
#include <string.h>
#include <strings.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* The value of a character, and two bits more: */
enum { NO = 0x80, SAFE = 0x40, VALUE = 0x3F }; /* SAFE: of the alphabet for URLs only */

/* clang-format off */
#define NO4  NO, NO, NO, NO
#define NO16 NO4, NO4, NO4, NO4

static const uint8_t values[256] = {
    NO16, NO16,
    NO4, NO4, NO, NO, NO, 62, NO, SAFE | 62, NO, 63,                       /* + - / */
    52, 53, 54, 55, 56, 57, 58, 59, 60, 61, NO, NO, NO4,                   /* 0 */
    NO, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14,                  /* A */
    15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, NO, NO, NO, NO, SAFE | 63, /* P, _ */
    NO, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40,        /* a */
    41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, NO, NO, NO, NO, NO,        /* p */
    NO16, NO16, NO16, NO16, NO16, NO16, NO16, NO16,
};
/* clang-format on */

static unsigned value(char c)
{
    return values[(unsigned char)c];
}

size_t base64_length(size_t n)
{
    return (n + 2) / 3 * 4;
}

void base64_encode(char *to, struct span bytes)
{
    const unsigned char *p = (const unsigned char *)bytes.p;
    size_t n = bytes.n;

    for (; n >= 3; n -= 3, p += 3, to += 4) {
        unsigned three = (unsigned)p[0] << 16 | (unsigned)p[1] << 8 | p[2];
        to[0] = alphabet[three >> 18];
        to[1] = alphabet[three >> 12 & 63];
        to[2] = alphabet[three >> 6 & 63];
        to[3] = alphabet[three & 63];
    }
    if (n == 0)
        return;
    unsigned rest = (unsigned)p[0] << 16 | (n == 2 ? (unsigned)p[1] << 8 : 0);
    to[0] = alphabet[rest >> 18];
    to[1] = alphabet[rest >> 12 & 63];
    to[2] = n == 2 ? alphabet[rest >> 6 & 63] : '=';
    to[3] = '=';
}

static struct span without_padding(struct span text)
{
    if (text.n % 4 != 0 || text.n == 0 || text.p[text.n - 1] != '=')
        return text;
    text.n -= text.p[text.n - 2] == '=' ? 2 : 1;
    return text;
}

ptrdiff_t base64_size(struct span text, bool *usual)
{
    struct span s = without_padding(text);
    size_t whole = s.n / 4, rest = s.n % 4;
    unsigned seen = 0;

    for (size_t i = 0; i < s.n; i++)
        seen |= value(s.p[i]);
    if ((seen & NO) || rest == 1)
        return -1;
    if ((seen & SAFE) && (memchr(s.p, '+', s.n) || memchr(s.p, '/', s.n)))
        return -1;
    if (rest && (value(s.p[s.n - 1]) & (rest == 2 ? 15u : 3u)))
        return -1;
    if (usual)
        *usual = !(seen & SAFE) && text.n % 4 == 0;
    return (ptrdiff_t)(whole * 3 + (rest ? rest - 1 : 0));
}

void base64_decode(char *to, struct span text)
{
    struct span s = without_padding(text);
    const char *p = s.p, *end = p + s.n / 4 * 4;

    for (; p < end; p += 4, to += 3) {
        unsigned three = (value(p[0]) & VALUE) << 18 | (value(p[1]) & VALUE) << 12 |
                         (value(p[2]) & VALUE) << 6 | (value(p[3]) & VALUE);
        to[0] = (char)(three >> 16);
        to[1] = (char)(three >> 8);
        to[2] = (char)three;
    }
    if (s.n % 4 == 0)
        return;
    unsigned rest = (value(p[0]) & VALUE) << 18 | (value(p[1]) & VALUE) << 12 |
                    (s.n % 4 == 3 ? (value(p[2]) & VALUE) << 6 : 0);
    to[0] = (char)(rest >> 16);
    if (s.n % 4 == 3)
        to[1] = (char)(rest >> 8);
}

/* ---- data: URLs ---- */

static bool is_word(struct span s, const char *word)
{
    return s.n == strlen(word) && strncasecmp(s.p, word, s.n) == 0;
}

bool data_url_read(struct data_url *u, struct span url)
{
    const char *comma, *p = url.p + 5;

    *u = (struct data_url){.base64 = false};
    if (url.n < 6 || strncasecmp(url.p, "data:", 5) != 0)
        return false;
    comma = memchr(p, ',', url.n - 5);
    if (!comma)
        return false;
    for (bool first = true;; first = false) {
        const char *stop = memchr(p, ';', (size_t)(comma - p));
        struct span part = {p, (size_t)((stop ? stop : comma) - p)};
        if (first && part.n)
            u->type = part;
        if (!stop) { /* "base64" counts as the last one only */
            u->base64 = !first && is_word(part, "base64");
            break;
        }
        p = stop + 1;
    }
    u->data = (struct span){comma + 1, url.n - (size_t)(comma + 1 - url.p)};
    return true;
}

static int hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

ptrdiff_t percent_decode(char *to, struct span text)
{
    const char *p = text.p, *end = p + text.n;
    char *start = to;

    while (p < end) {
        if (*p != '%') {
            *to++ = *p++;
            continue;
        }
        if (end - p < 3 || hex(p[1]) < 0 || hex(p[2]) < 0)
            return -1;
        *to++ = (char)(hex(p[1]) << 4 | hex(p[2]));
        p += 3;
    }
    return to - start;
}
