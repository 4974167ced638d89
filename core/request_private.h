/* request_private - what the files of request share.
 * SPDX-License-Identifier: MIT
 *
 * request.c         from the exchange over the task to the answer
 * request_flight.c  what is in flight, and what is noted of a request when it has ended */
#ifndef REQUEST_PRIVATE_H
#define REQUEST_PRIVATE_H

#include "load.h"
#include "request.h"
#include "sink.h"
#include "task.h"

enum { ID_MAX = 128 };

/* Lives from the handler's call until its task has ended; the exchange may end before. */
struct request {
    struct sink sink; /* first */
    struct list node; /* struct worker.requests */
    struct worker *w;
    struct load *load;       /* whose task it is; NULL: it has none */
    struct http_exchange *x; /* NULL once it ended or the client left */
    struct task *task;
    struct ledger ledger;
    const char *door; /* "openai"; NULL: the list of models */
    char *body;       /* until the task has taken it */
    size_t body_len;
    char id[ID_MAX + 1]; /* x-request-id */
    char method[16], path[128];
    char model_id[256]; /* GET /v1/models/ID */
    bool debug, streaming;
    int status; /* 0: nothing was sent */
    size_t bytes;
    enum err_code code;
    int64_t started_us, first_us; /* first_us: the first byte of a streamed answer; 0: none yet */
    sink_room *on_room;
    void *room_arg;
};

/* request_flight.c: the line in the log, the metrics, what the canary is judged by. */
void request_note(struct request *r);

#endif
