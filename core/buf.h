/* buf - growing bytes, born with a ceiling; and span, bytes that belong to somebody else.
 * SPDX-License-Identifier: MIT */
#ifndef BUF_H
#define BUF_H

#include <stdbool.h>
#include <stddef.h>

/* Borrowed bytes. p is NULL where there is nothing, which is not the same as n == 0. */
struct span {
    const char *p;
    size_t n;
};

#define SPAN(literal) ((struct span){(literal), sizeof(literal) - 1})

bool span_is(struct span s, const char *text); /* the same bytes as the C string */

struct buf {
    char *data; /* owned; NULL while empty; not terminated */
    size_t len; /* bytes in use */
    size_t cap; /* bytes allocated */
    size_t max; /* never more than this */
};

void buf_init(struct buf *b, size_t max);
void buf_deinit(struct buf *b); /* frees; the ceiling stays, so the buffer may be used again */
void buf_wipe(struct buf *b);   /* the same, and overwrites: it may have held a secret */

/* Room for n more bytes at the end; NULL when that would pass the ceiling or memory is out.
 * Write there, then add to len. */
char *buf_reserve(struct buf *b, size_t n);

/* Append. 0, or -1 with nothing appended when the ceiling or memory does not allow it. */
int buf_add(struct buf *b, const void *data, size_t n);
int buf_add_span(struct buf *b, struct span s);
int buf_puts(struct buf *b, const char *text);
int buf_printf(struct buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));

void buf_consume(struct buf *b, size_t n); /* drops the first n bytes, n <= len */
struct span buf_span(const struct buf *b);

/* Hands the bytes over (free() them) and leaves the buffer empty. NULL when it was empty. */
char *buf_take(struct buf *b, size_t *len);

#endif
