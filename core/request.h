/* request - one client's request: from the exchange over its task to the answer, and the line in
 * the log. SPDX-License-Identifier: MIT */
#ifndef REQUEST_H
#define REQUEST_H

#include "worker.h"

/* An http_handler; arg is the struct worker. Checks the key, finds the route, starts a task. */
void request_handle(struct http_exchange *x, void *arg);

/* Appends members of a JSON object: "total":2,"items":[{...}], the oldest first, as many as fit. */
void request_list(const struct worker *w, struct buf *out);
/* Ends those with this id, the trace's or x-request-id, with an honest error; how many there were. */
int request_cancel(struct worker *w, const char *id);
void request_cancel_all(struct worker *w, const char *why);

/* Call it a few times a second: clients that wait for a stream and have heard nothing for a while get a sign of life. */
void request_keep_alive(struct worker *w);

#endif
