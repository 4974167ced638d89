/* failure - an error in the form a client of OpenAI's API expects.
 * SPDX-License-Identifier: MIT
 *
 * Source: OpenAI API reference, "Error codes": { "error": { "message", "type", "param", "code" } }.
 */
#ifndef FAILURE_H
#define FAILURE_H

#include "sink.h"

/* The HTTP status that says it best. */
int failure_status(const struct sink_failure *f);

/* Appends the JSON object. */
void failure_write(struct buf *out, const struct sink_failure *f);

#endif
