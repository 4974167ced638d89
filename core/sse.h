/* sse - bytes in, events out, however the input is split: event streams and NDJSON.
 * SPDX-License-Identifier: MIT
 *
 * Event streams as in WHATWG HTML 9.2.6. A block is handed on as soon as its blank line is there,
 * also when that line ends in a CR whose LF has not come yet; such a late LF opens the next block's
 * raw. So the raws of all blocks, one after the other, are the input byte for byte (but for an
 * unfinished block at the end). Text stays the bytes it came as: who reads it checks the UTF-8. */
#ifndef SSE_H
#define SSE_H

#include "buf.h"
#include "err.h"

enum sse_framing { SSE_EVENTS, SSE_LINES /* NDJSON: each non-empty line is an event's data */ };

/* What one callback shows; the spans are gone when it returns. */
struct sse_event {
    struct span raw;   /* the whole block as it came, with comments and its blank line */
    struct span data;  /* the data lines joined by \n; p == NULL: no data (comments, ids) */
    struct span event; /* the event's name; "message" where none was given */
    struct span id;    /* the last event id seen in the stream; empty when none was */
};

/* Return false to stop: sse_feed then returns 0 at once and must not be fed again.
 * The handler must not feed or free the stream it is called from. */
typedef bool sse_handler(void *arg, const struct sse_event *event);

struct sse {
    enum sse_framing framing;
    sse_handler *on_event;
    void *arg;
    long retry_ms;  /* the last valid retry field, -1 before any */
    struct buf raw; /* the beginning of a block that is not complete yet; bounded */
    size_t event_max;
    struct buf data; /* more than one data line, joined */
    struct buf id;
    bool line_open; /* the last line of raw has bytes but no end yet */
    bool cr;        /* the last byte was a CR that ended a line: an LF now belongs to it */
    bool begun;     /* the first block is behind us: no byte order mark any more */
    bool stopped;
};

/* 'event_max' bounds one block in bytes (comments included), so also one line. */
void sse_init(struct sse *s, enum sse_framing framing, size_t event_max, sse_handler *on_event,
              void *arg);
void sse_deinit(struct sse *s);

/* 0, or -1 with *err (ERR_BAD_RESPONSE naming the limit) when a block is too large or memory is
 * out; then it must not be fed again. */
int sse_feed(struct sse *s, const char *p, size_t n, struct err *err);

/* The input ended. An unfinished block is dispatched only when 'lenient' (some servers leave out
 * the last blank line); the standard drops it. NDJSON always dispatches a last line without its
 * newline. */
int sse_end(struct sse *s, bool lenient, struct err *err);

#endif
