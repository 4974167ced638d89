/* http1_reply - one strict, incremental parser of an HTTP/1.1 answer (RFC 9112) over any bytes.
 * SPDX-License-Identifier: MIT
 *
 * No sockets, no memory of its own; the body's framing is http1's. Strict where two readers could
 * disagree about where an answer ends: lines end in CRLF, no folding, no space before a colon, one
 * length, or the single transfer coding "chunked", or all until the connection closes. Interim
 * answers (1xx) are skipped; 101 is refused, since we never ask for another protocol.
 *
 *     http1_reply_init -> http1_reply_head (again with more bytes) until HTTP1_DONE
 *                      -> http1_reply_body (again with more bytes) until HTTP1_DONE,
 *                         http1_reply_eof when the connection closed before */
#ifndef HTTP1_REPLY_H
#define HTTP1_REPLY_H

#include "http1.h"

struct http1_reply {
    /* what the head says, complete when http1_reply_head is done */
    int status;
    int minor;                /* HTTP/1.minor: 0 or 1 */
    struct http1_at headers;  /* all header lines, with their CRLFs, without the empty line */
    struct http1_at encoding; /* the value of Content-Encoding; n is 0 without one */
    bool keep_alive;          /* another answer may follow on this connection */
    bool no_body;             /* to HEAD, 204, 304: none follows, whatever the headers say */
    size_t head_len;          /* bytes of the head, interim answers and the empty line included */

    /* the parser's own */
    size_t head_max, at, seen;
    uint64_t length;
    bool length_seen, coding_seen, until_close, say_close, say_keep;
    struct http1 frame; /* the body, and what is wrong */
};

/* 'to_head': the request's method was HEAD. 'head_max': ceiling of the head in bytes. */
void http1_reply_init(struct http1_reply *p, bool to_head, size_t head_max);

/* 'data' is everything from the answer's first byte on, so n only grows from call to call. MORE,
 * DONE or ERROR. */
enum http1_result http1_reply_head(struct http1_reply *p, const char *data, size_t n);

/* The body, after the head: as http1_body. */
enum http1_result http1_reply_body(struct http1_reply *p, struct span *in, struct span *out);

/* The connection closed in order: DONE when that is the body's end, else ERROR. */
enum http1_result http1_reply_eof(struct http1_reply *p);

/* After an ERROR: what is wrong, without any byte of the answer. */
const char *http1_reply_why(const struct http1_reply *p);

#endif
