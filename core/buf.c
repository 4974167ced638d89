/* buf - growing bytes, born with a ceiling; and span, bytes that belong to somebody else.
 * SPDX-License-Identifier: MIT */
#include "buf.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_CAP = 256 };

bool span_is(struct span s, const char *text)
{
    return s.p && strlen(text) == s.n && memcmp(s.p, text, s.n) == 0;
}

void buf_init(struct buf *b, size_t max)
{
    *b = (struct buf){.max = max};
}

void buf_deinit(struct buf *b)
{
    free(b->data);
    buf_init(b, b->max);
}

void buf_wipe(struct buf *b)
{
    if (b->data)
        explicit_bzero(b->data, b->cap);
    buf_deinit(b);
}

char *buf_reserve(struct buf *b, size_t n)
{
    if (n > b->max - b->len)
        return NULL;
    if (n > b->cap - b->len || !b->data) {
        size_t cap = b->cap ? b->cap : FIRST_CAP;
        while (cap < b->len + n)
            cap *= 2;
        if (cap > b->max && b->max >= b->len + n)
            cap = b->max;
        char *data = realloc(b->data, cap ? cap : 1);
        if (!data)
            return NULL;
        b->data = data;
        b->cap = cap;
    }
    return b->data + b->len;
}

int buf_add(struct buf *b, const void *data, size_t n)
{
    if (n == 0)
        return 0;
    char *to = buf_reserve(b, n);
    if (!to)
        return -1;
    memcpy(to, data, n);
    b->len += n;
    return 0;
}

int buf_add_span(struct buf *b, struct span s)
{
    return buf_add(b, s.p, s.n);
}

int buf_puts(struct buf *b, const char *text)
{
    return buf_add(b, text, strlen(text));
}

int buf_printf(struct buf *b, const char *format, ...)
{
    size_t room = b->data ? b->cap - b->len : 0;
    va_list args, again;

    va_start(args, format);
    va_copy(again, args);
    int n = vsnprintf(room ? b->data + b->len : NULL, room, format, args);
    va_end(args);
    /* one byte more for the terminator that vsnprintf insists on; it is not counted in len */
    char *to = n < 0 ? NULL : buf_reserve(b, (size_t)n + 1);
    if (to) {
        if ((size_t)n >= room)
            vsnprintf(to, (size_t)n + 1, format, again);
        b->len += (size_t)n;
    }
    va_end(again);
    return to ? 0 : -1;
}

void buf_consume(struct buf *b, size_t n)
{
    assert(n <= b->len);
    b->len -= n;
    if (b->len)
        memmove(b->data, b->data + n, b->len);
}

struct span buf_span(const struct buf *b)
{
    return (struct span){b->data ? b->data : "", b->len};
}

char *buf_take(struct buf *b, size_t *len)
{
    char *data = b->data;

    *len = b->len;
    buf_init(b, b->max);
    return data;
}
