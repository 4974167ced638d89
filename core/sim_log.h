/* sim_log - the simulator's log: one JSON line a request, written when it has ended.
 * SPDX-License-Identifier: MIT
 *
 * {"time","model","stream","method","path","headers","body","answered","client_left"}; headers
 * without those that hold secrets, the body as its exact text; "body_base64" instead where it is
 * not UTF-8. */
#ifndef SIM_LOG_H
#define SIM_LOG_H

#include "http.h"

struct sim_log;

/* Appends to the file; made when it is not there. NULL with *err. */
struct sim_log *sim_log_open(const char *path, struct err *err);
void sim_log_close(struct sim_log *log); /* NULL is fine */

/* 'fields' is the JSON object of what the scripts say (model, stream, answered); its members are
 * taken over. The request is read from the exchange, so before its end. */
void sim_log_write(struct sim_log *log, struct http_exchange *x, struct span fields,
                   bool client_left);

#endif
