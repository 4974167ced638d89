/* schema_formats - what the files of formats share: reading a text sign by sign.
 * SPDX-License-Identifier: MIT */
#ifndef SCHEMA_FORMATS_H
#define SCHEMA_FORMATS_H

#include "schema_private.h"

#include <string.h>

struct text {
    const char *p, *end;
};

static inline struct text text_of(struct span s, int64_t *steps)
{
    *steps -= 1 + (int64_t)s.n / 8;
    return (struct text){s.p, s.p + s.n};
}

static inline bool text_end(const struct text *t)
{
    return t->p == t->end;
}

static inline bool text_take(struct text *t, char c)
{
    bool there = t->p < t->end && *t->p == c;
    t->p += there;
    return there;
}

static inline bool text_is(const struct text *t, const char *next)
{
    size_t n = strlen(next);
    return (size_t)(t->end - t->p) >= n && memcmp(t->p, next, n) == 0;
}

static inline bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static inline bool is_letter(char c)
{
    return (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
}

static inline bool is_hex_digit(char c)
{
    return is_digit(c) || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
}

static inline bool text_digit(const struct text *t)
{
    return t->p < t->end && is_digit(*t->p);
}

schema_format_check format_ipv4, format_ipv6, format_hostname, format_idn_hostname, format_uri,
    format_uri_reference, format_iri, format_iri_reference, format_uri_template;

#endif
