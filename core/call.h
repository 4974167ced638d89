/* call - one request to a provider: its answer whole, or as a stream of inspected events.
 * SPDX-License-Identifier: MIT
 *
 * A call is *settled* when it is known what it became: an answer that is here whole, a stream whose
 * provider has proved alive (the commit point: its first content) or has ended, or a failure. Until
 * then a stream keeps its events back. */
#ifndef CALL_H
#define CALL_H

#include "effect.h"
#include "sink.h"
#include "sse.h"
#include "wire.h"

#include <stdint.h>

enum { CALL_EVENT_MAX = 8 << 20, CALL_QUEUE_HIGH = 256 << 10 };

/* What a stream must keep to. 0: no bound. Tokens are estimated from the length of what is said. */
struct call_bounds {
    double min_rate;      /* tokens a second, at least, from the first content on ... */
    double window;        /* ... in every window of so many seconds */
    double max_tokens;    /* it is ended where it says more */
    double max_cost;      /* USD, for the error's words: what max_tokens stands for */
    double first_content; /* seconds from the start; what is no content does not count */
};

struct call;
typedef void call_change(struct call *c); /* settled, a new event, room, or the end */

struct call {
    struct op op;
    struct effect *fx;
    const struct wire *wire; /* borrowed */
    bool asked;              /* for a stream */
    bool stream;             /* it is one */
    bool strip_usage;        /* while forwarding: we asked for the usage, the client did not */
    int choices;             /* how many answers the request asks for (n) */
    uint64_t finishes;       /* which of them have finished, a bit each */
    int status;
    struct buf headers; /* "Name: value\r\n" lines */
    struct buf body;    /* of an answer that is no stream */
    struct sse reader;
    bool reading;                   /* the reader is in use */
    struct buf queue;               /* events not yet taken: a struct record and its bytes each */
    struct buf out;                 /* events on their way to the sink */
    size_t taken;                   /* bytes of the queue already taken */
    struct buf usage[WIRE_USAGES];  /* JSON of the last one seen at each path */
    struct buf error_event;         /* JSON of an error the provider sent inside the stream */
    struct buf odd;                 /* the beginning of an event that made no sense */
    bool committed, finished, done; /* first content, finish reason, end mark were seen */
    size_t events; /* of the stream that say something, from the first content on */
    struct call_bounds bounds;
    double tokens;      /* about so many were said; counted where the bounds need it */
    double paced;       /* of them when the last window of the rate ended */
    bool held;          /* the client took nothing for a while in this window */
    struct op pace;     /* the end of the window; before the first content: of the patience */
    bool nulls;         /* null was where an object belongs (wire.object) */
    bool ended, failed; /* no more comes; err says why if it failed */
    bool complete;      /* set by call_deinit: it had ended well and every event was taken */
    struct err err;
    int64_t started_us, first_us, ended_us; /* monotonic; 0: not yet */
    struct op linger; /* after the end mark: a moment for the connection to become reusable */
    bool paused;
    struct sink *sink; /* where events go by themselves; NULL: call_next takes them */
    call_change *on_change;
    void *arg;
};

/* Starts. 'c' is zeroed by it; ask->body is taken over, also on failure. */
int call_start(struct call *c, struct effect *fx, const struct ask_call *ask,
               const struct wire *wire, bool stream, int choices, struct err *err);
/* Stops what runs and frees. Safe on a zeroed struct and twice. */
void call_deinit(struct call *c);

bool call_settled(const struct call *c);

/* What the answer must keep to from now on: a stream that does not fails, with the code timeout (min_rate,
 * first_content) or budget (max_tokens). Right after call_start; -1 when there is no timer. */
int call_bound(struct call *c, const struct call_bounds *bounds, struct err *err);

/* How many tokens the stream has said so far, about. */
size_t call_tokens(const struct call *c);

/* Takes the next event; false when none is here (yet). The spans live until the next call. */
bool call_next(struct call *c, struct span *event, struct span *data);

/* From now on events go to the sink as they come, until the end (on_change tells). */
void call_forward(struct call *c, struct sink *sink);
void call_stop_forwarding(struct call *c); /* the sink is not touched any more */

/* The value of the answer's header; p NULL without. */
struct span call_header(const struct call *c, const char *name);

#endif
