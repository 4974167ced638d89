/* http1_private - what the parsers of heads, of requests and of replies, and of bodies share.
 * SPDX-License-Identifier: MIT */
#ifndef HTTP1_PRIVATE_H
#define HTTP1_PRIVATE_H

#include "http1.h"

enum state {
    AT_LINE, /* the head */
    AT_FIELDS,
    AT_SIZE_FIRST, /* chunked: no digit yet */
    AT_SIZE,
    AT_EXT_FIRST, /* behind the ';' */
    AT_EXT_NAME,
    AT_EXT_VALUE_FIRST, /* behind the '=' */
    AT_EXT_VALUE,
    AT_EXT_QUOTED,
    AT_EXT_ESCAPE,
    AT_EXT_QUOTED_END,
    AT_SIZE_LF,
    AT_DATA,
    AT_DATA_CR,
    AT_DATA_LF,
    AT_TRAILER_FIRST,
    AT_TRAILER_NAME,
    AT_TRAILER_VALUE,
    AT_TRAILER_LF,
    AT_LAST_LF,
    AT_LENGTH, /* not chunked */
    AT_END,
    AT_ERROR
};

enum { TOKEN = 1, VALUE = 2, TARGET = 4, HOST = 8 };

/* Which of the four sets a byte belongs to. VALUE: everything but control characters, and HTAB.
 * TARGET: visible ASCII. HOST: a reg-name of RFC 3986. */
extern const unsigned char http1_sets[256];

static inline bool http1_is(char c, int set)
{
    return http1_sets[(unsigned char)c] & set;
}

bool http1_same(struct span a, const char *text);   /* without case */
size_t http1_run(const char *s, size_t n, int set); /* how many bytes of the set */
struct span http1_trim(struct span s);              /* spaces and tabs off both ends */
/* The next element of a comma-separated list, perhaps empty; false behind the last one. */
bool http1_next(struct span *list, struct span *element);

/* Notes what is wrong; nothing more will be parsed. Always -1. */
int http1_fail(struct http1 *p, int status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
