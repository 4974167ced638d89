/* failure - an error in the form that a client expects.
 * SPDX-License-Identifier: MIT
 *
 * Sources: OpenAI API reference, "Error codes" and "Streaming events" (error, response.failed); Anthropic API
 * reference, "Errors"; Google APIs, "Errors" (google.rpc.Status, RetryInfo); Ollama API reference, "Errors". */
#ifndef FAILURE_H
#define FAILURE_H

#include "sink.h"

#include <stdint.h>

enum failure_form {
    FORM_OPENAI,    /* {"error":{"message","type","param","code"}} */
    FORM_RESPONSES, /* the same; in a stream the events error and response.failed */
    FORM_ANTHROPIC, /* {"type":"error","error":{"type","message"},"request_id"} */
    FORM_GEMINI,    /* {"error":{"code","message","status","details"}} */
    FORM_OLLAMA,    /* {"error":"message"} */
};

/* The HTTP status that says it best. */
int failure_status(const struct sink_failure *f, enum failure_form form);

/* Appends the JSON object. id: the request's, for those that name it. */
void failure_write(struct buf *out, const struct sink_failure *f, enum failure_form form,
                   const char *id);

/* What the client has got of the stream that the error ends. */
struct failure_place {
    const char *id, *trace; /* the request's ids */
    int64_t events;         /* how many events */
    bool array;             /* it is one JSON array (Gemini without alt=sse) */
};

/* Appends the error as it stands inside a stream, with all that ends it. */
void failure_write_event(struct buf *out, const struct sink_failure *f, enum failure_form form,
                         const struct failure_place *place);

#endif
