/* json_bytes - what JSON's reader and writer share: stepping over bytes, many at a time.
 * SPDX-License-Identifier: MIT */
#ifndef JSON_BYTES_H
#define JSON_BYTES_H

#include "buf.h"

#include <stdint.h>
#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

/* buf_reserve, without a call while there is room. */
static inline char *json_room(struct buf *out, size_t n)
{
    return n <= out->cap - out->len && out->data ? out->data + out->len : buf_reserve(out, n);
}

static inline int json_put(struct buf *out, char c)
{
    char *to = json_room(out, 1);

    if (!to)
        return -1;
    *to = c;
    out->len++;
    return 0;
}

#define EACH_BYTE(b) (UINT64_C(0x0101010101010101) * (b))

static inline bool json_is_space(char c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static inline const char *json_skip_space(const char *p, const char *end)
{
    while (p < end && json_is_space(*p))
        p++;
    return p;
}

static inline bool json_is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* A byte that stands for itself inside a string: ASCII, neither control, quote nor backslash. */
static inline bool json_is_plain(char c)
{
    return (unsigned char)c >= 0x20 && (unsigned char)c < 0x80 && c != '"' && c != '\\';
}

/* The first byte that is not plain, or 'end'. */
static inline const char *json_plain_end(const char *p, const char *end)
{
#ifdef __SSE2__
    for (; end - p >= 16; p += 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)p);
        __m128i stop = _mm_cmplt_epi8(v, _mm_set1_epi8(0x20)); /* signed: 0x80 and above are less */
        stop = _mm_or_si128(stop, _mm_cmpeq_epi8(v, _mm_set1_epi8('"')));
        stop = _mm_or_si128(stop, _mm_cmpeq_epi8(v, _mm_set1_epi8('\\')));
        int mask = _mm_movemask_epi8(stop);
        if (mask)
            return p + __builtin_ctz((unsigned)mask);
    }
#endif
    for (; end - p >= 8; p += 8) {
        uint64_t w;
        memcpy(&w, p, sizeof w);
        /* A byte's top bit ends up set when it is >= 0x80, < 0x20, a quote or a backslash. Borrows
         * disturb only bytes above the first such one, so the lowest set bit is always true. */
        uint64_t stop = w | (w - EACH_BYTE(0x20)) | ((w ^ EACH_BYTE('"')) - EACH_BYTE(1)) |
                        ((w ^ EACH_BYTE('\\')) - EACH_BYTE(1));
        stop &= EACH_BYTE(0x80);
        if (!stop)
            continue;
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
        return p + __builtin_ctzll(stop) / 8;
#else
        break;
#endif
    }
    while (p < end && json_is_plain(*p))
        p++;
    return p;
}

static inline bool json_is_tail(char c)
{
    return ((unsigned char)c & 0xC0) == 0x80;
}

/* How many bytes (2 to 4) the UTF-8 character at p takes, whose first byte is not ASCII; 0 when it
 * is cut, over-long, a surrogate or beyond U+10FFFF (the table of Unicode 3.9, D92). */
static inline size_t json_utf8_length(const char *p, const char *end)
{
    unsigned char a = (unsigned char)p[0], b = end - p > 1 ? (unsigned char)p[1] : 0;

    if (!json_is_tail((char)b) || a < 0xC2 || a > 0xF4)
        return 0;
    if (a < 0xE0)
        return 2;
    if (a < 0xF0) {
        bool fits = a == 0xE0 ? b >= 0xA0 : a == 0xED ? b < 0xA0 : true;
        return fits && end - p > 2 && json_is_tail(p[2]) ? 3 : 0;
    }
    bool fits = a == 0xF0 ? b >= 0x90 : a == 0xF4 ? b < 0x90 : true;
    return fits && end - p > 3 && json_is_tail(p[2]) && json_is_tail(p[3]) ? 4 : 0;
}

/* The first byte from p on that cannot stand for itself in a string: a quote, a backslash, a
 * control character or broken UTF-8; or 'end'. */
static inline const char *json_text_end(const char *p, const char *end)
{
    for (;;) {
        const char *start = p = json_plain_end(p, end);
        while (p < end && (unsigned char)*p >= 0x80) {
            size_t n = json_utf8_length(p, end);
            if (n == 0)
                return p;
            p += n;
        }
        if (p == start)
            return p;
    }
}

#endif
