/* sse - bytes in, events out, however the input is split: event streams (WHATWG HTML 9.2.6) and NDJSON.
 * SPDX-License-Identifier: MIT */
#ifndef SSE_H
#define SSE_H

#include "buf.h"
#include "err.h"

enum sse_framing { SSE_EVENTS, SSE_LINES /* NDJSON: each non-empty line is an event's data */ };

/* What one callback shows; the spans are gone when it returns. */
struct sse_event {
    struct span raw;   /* the whole block as it came, with comments and its blank line */
    struct span data;  /* the data lines joined by \n; p == NULL: a block without data (comments, ids) */
    struct span event; /* the event's name; "message" where none was given */
    struct span id;    /* the last event id seen in the stream; empty when none was */
};

/* Return false to stop: sse_feed then returns 0 at once and must not be fed again. */
typedef bool sse_handler(void *arg, const struct sse_event *event);

struct sse {
    enum sse_framing framing;
    sse_handler *on_event;
    void *arg;
    long retry_ms; /* the last valid retry field, -1 before any */
    struct buf raw, data, event, id; /* of the block that is being read; raw's ceiling bounds them all */
    /* the rest is the state between two bytes; helper fields as the implementation needs */
    struct buf line;
    int state;
    bool stopped;
};

/* 'event_max' bounds one block in bytes (comments included), so also one line. */
void sse_init(struct sse *s, enum sse_framing framing, size_t event_max, sse_handler *on_event, void *arg);
void sse_deinit(struct sse *s);

/* 0, or -1 with *err (ERR_BAD_RESPONSE naming the limit) when a block is too large or memory is out. */
int sse_feed(struct sse *s, const char *p, size_t n, struct err *err);

/* The input ended. An unfinished block is dispatched only when 'lenient' (some servers leave out the last
 * blank line); the standard drops it. NDJSON always dispatches a last line without its newline. */
int sse_end(struct sse *s, bool lenient, struct err *err);

#endif
