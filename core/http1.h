/* http1 - one strict, incremental HTTP/1.1 request parser (RFC 9112) over any bytes.
 * SPDX-License-Identifier: MIT
 *
 * No sockets, no events, no memory of its own. The caller keeps the bytes of the head; everything
 * found in it is an offset, so the buffer may move between two calls. However the bytes are cut
 * into calls, the result is the same. Strict where two readers could disagree about where a request
 * ends: lines end in CRLF and in nothing else, no folding, no space before a colon, one
 * Content-Length or the single transfer coding "chunked", never both.
 *
 *     http1_init -> http1_head (again with more bytes) until HTTP1_DONE
 *                -> http1_body (again with more bytes) until HTTP1_DONE; then the next request
 * begins */
#ifndef HTTP1_H
#define HTTP1_H

#include "buf.h"

#include <stdint.h>

struct http1_limits {
    size_t line_max;   /* bytes of the request line                 -> 414 */
    size_t header_max; /* bytes of all header lines; of all trailers -> 431 */
    int header_count;  /* header lines; trailer lines               -> 431 */
    size_t body_max;   /* bytes of the decoded body                 -> 413 */
};

struct http1_at {
    uint32_t at, n; /* n bytes, counted from the first byte that was given to http1_head */
};

struct http1_field {
    struct http1_at name, value; /* the value without white space around it */
};

enum http1_result {
    HTTP1_MORE, /* give more bytes */
    HTTP1_DATA, /* a piece of the body */
    HTTP1_DONE, /* the head, or the body, is complete */
    HTTP1_ERROR /* 'status' and 'why' say what is wrong; stays so */
};

enum { HTTP1_WHY_MAX = 112 };

struct http1 {
    /* what the head says, complete when http1_head is done */
    struct http1_at method;     /* may be read after an error too: n is 0 when it was not reached */
    struct http1_at path;       /* n is 0 where an absolute target has none: "/" */
    struct http1_at query;      /* behind the '?' */
    struct http1_field *fields; /* the caller's array of limits.header_count */
    int field_count;
    int minor;            /* HTTP/1.minor: 0 or 1 */
    bool keep_alive;      /* the connection may serve another request after this one */
    bool chunked;         /* else the body has 'length' bytes */
    bool expect_continue; /* the client waits for 100 (Continue) before it sends the body */
    uint64_t length;
    /* bytes of the head, with empty lines before it and the empty line behind it */
    size_t head_len;

    int status;              /* after HTTP1_ERROR: 400, 413, 414, 417, 431, 501, 505 */
    char why[HTTP1_WHY_MAX]; /* one sentence that names the rule or the limit */

    bool any_trailer; /* set after http1_init: every trailer is dropped, none is refused */

    /* the parser's own */
    const struct http1_limits *limits;
    size_t at, fields_at;
    uint64_t left, body_len;
    size_t extra;
    int state, blank, chunked_seen, codings, digits, trailers, trailer_n;
    bool host_seen, length_seen, coding_seen, coding_bad, chunked_last;
    bool say_close, say_keep, expect_other, too_long;
    char trailer[20];
};

/* Borrows both; 'fields' must have room for limits->header_count. */
void http1_init(struct http1 *p, const struct http1_limits *limits, struct http1_field *fields);

/* 'data' is everything from the first byte of the request on, so n only grows from call to call.
 * MORE, DONE or ERROR. */
enum http1_result http1_head(struct http1 *p, const char *data, size_t n);

/* Of the n bytes given to http1_head, all were empty lines before a request: they may be dropped.
 */
bool http1_blank(const struct http1 *p, size_t n);

/* The body, after the head: takes bytes off the front of *in. DATA: *out is the next decoded piece,
 * inside what *in was. DONE: *in stands at what follows the request. MORE: *in is empty. Trailers
 * are checked and dropped. */
enum http1_result http1_body(struct http1 *p, struct span *in, struct span *out);

#endif
