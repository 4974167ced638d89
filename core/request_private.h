/* request_private - what the files of request share.
 * SPDX-License-Identifier: MIT
 *
 * request.c         from the exchange over the task to the answer
 * request_sink.c    the answer on its way to the client
 * request_trace.c   its line in the trace log
 * request_flight.c  what is in flight, and what is noted of a request when it has ended */
#ifndef REQUEST_PRIVATE_H
#define REQUEST_PRIVATE_H

#include "door.h"
#include "load.h"
#include "request.h"
#include "sink.h"
#include "task.h"

enum { ID_MAX = 128, KEEP_TYPE_MAX = 64, KEEP_PING_MAX = 256 };

/* Lives from the handler's call until its task has ended; the exchange may end before. */
struct request {
    struct sink sink; /* first */
    struct list node; /* struct worker.requests */
    struct worker *w;
    struct load *load;       /* whose task it is; NULL: it has none */
    struct http_exchange *x; /* NULL once it ended or the client left */
    struct task *task;
    struct ledger ledger;
    struct door_match door;
    char *body; /* until the task has taken it; NULL without */
    size_t body_len;
    uint64_t caller;     /* a hash of the key that the client sent; 0 where no keys are asked for */
    char id[ID_MAX + 1]; /* x-request-id */
    char method[16], path[128];
    bool debug, streaming;
    bool array;     /* the stream is one JSON array */
    int64_t events; /* how many the client has got, where its API numbers them or asks for commas */
    char keep_type[KEEP_TYPE_MAX]; /* of a stream that is kept alive; "": it is not */
    char ping[KEEP_PING_MAX];
    int64_t heard_us; /* when the client got the last bytes */
    int status;       /* 0: nothing was sent */
    size_t bytes;
    enum err_code code;
    int64_t started_us, first_us; /* first_us: the first byte of a streamed answer; 0: none yet */
    sink_room *on_room;
    void *room_arg;
};

/* request_sink.c: what the runtime sends an answer through. */
extern const struct sink request_sink;

/* request_flight.c: the line in the log, the metrics, what the canary is judged by. */
void request_note(struct request *r);

/* request_trace.c: where a trace log is kept, every step is noted from begin on, and the line is written by end. */
void request_trace_begin(struct request *r);
void request_trace_end(struct request *r);

#endif
