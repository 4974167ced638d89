/* wire - what must be seen in a provider's events without decoding them: data from its codec.
 * SPDX-License-Identifier: MIT
 *
 * A path is a member's place like "choices.*.delta.content", '*' standing for any element of an
 * array. It is found when the value there is neither null, false, "", [] nor {}. */
#ifndef WIRE_H
#define WIRE_H

#include "buf.h"
#include "sse.h"

#include <stdint.h>

enum { WIRE_PATHS = 12, WIRE_PATH_MAX = 80, WIRE_USAGES = 2, WIRE_ALTERNATIVES = 3 };

typedef char wire_path[WIRE_PATH_MAX]; /* empty: none */

/* What is looked for in each event: a path, or PATH=VALUE|VALUE, which finds a text that is one of these. Prepared by
 * wire_prepare: how many containers deep the path ends, and its last name. levels 0: there is none. */
struct wire_mark {
    wire_path path;
    int levels;
    struct {
        unsigned char at, n,
            values; /* values: where the alternatives begin; 0: any value will do */
    } name;
};

enum {
    WIRE_DONE,
    WIRE_FINISH,
    WIRE_USAGE,
    WIRE_ERROR = WIRE_USAGE + WIRE_USAGES,
    WIRE_MARKS = WIRE_ERROR + WIRE_ALTERNATIVES
};

struct wire {
    enum sse_framing framing;
    wire_path end_mark;            /* data that is no JSON and ends a stream: "[DONE]" */
    wire_path content[WIRE_PATHS]; /* the provider has proved alive */
    wire_path payload; /* an event without this member (or with it empty) is about usage only */
    wire_path object;  /* null here, and a stream that finishes without content is no answer */
    wire_path answer[WIRE_ALTERNATIVES]; /* one of them a whole answer must have */
    struct wire_mark marks
        [WIRE_MARKS]; /* by what they mean: WIRE_DONE: the event ends the stream; WIRE_FINISH: the
                                             answer is complete; WIRE_USAGE: what it took ("." is all of the event that
                                             finishes); WIRE_ERROR: the provider failed */
};

/* Call it when the paths are set, before anything else. */
void wire_prepare(struct wire *w);

/* The first value that the path finds; p NULL without one. */
struct span wire_find(struct span doc, const char *path);

struct wire_seen {
    bool done, content, finish, error, null; /* content, null: only if asked for */
    struct span usage[WIRE_USAGES];          /* into the data */
};

/* How many bytes of content an event's data has, without quotes, 0: none. Of several choices the first. */
size_t wire_content_bytes(const struct wire *w, struct span data);

/* Which answers (choices) the event says are finished: a bit for each index. */
uint64_t wire_finishes(const struct wire *w, struct span data);

/* Looks at one event's data. -1 with *err when it is neither JSON nor the end mark. */
int wire_inspect(const struct wire *w, struct span data, bool want_content, struct wire_seen *seen,
                 struct err *err);

/* Appends what a client that asked for no usage may see of the event: the raw block, the block
 * without its usage member, or nothing. */
int wire_strip_usage(const struct wire *w, struct span raw, struct span data, struct buf *out);

#endif
