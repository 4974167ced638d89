/* request - one client's request: from the exchange over its task to the answer, and the line in
 * the log. SPDX-License-Identifier: MIT */
#ifndef REQUEST_H
#define REQUEST_H

#include "worker.h"

/* An http_handler; arg is the struct worker. Checks the key, finds the route, starts a task. */
void request_handle(struct http_exchange *x, void *arg);

#endif
