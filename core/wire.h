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

enum { WIRE_PATHS = 8, WIRE_PATH_MAX = 64 };

typedef char wire_path[WIRE_PATH_MAX]; /* empty: none */

/* Where a path ends: how many containers deep, and its last name. levels 0: not worked out. */
struct wire_end {
    int levels;
    struct {
        unsigned char at, n;
    } name;
};

enum { WIRE_FINISH, WIRE_USAGE, WIRE_ERROR, WIRE_ENDS };

struct wire {
    enum sse_framing framing;
    wire_path done;                /* data that ends a stream: "[DONE]" */
    wire_path content[WIRE_PATHS]; /* the provider has proved alive */
    wire_path finish;              /* the answer is complete */
    wire_path usage;               /* a direct member of the event */
    wire_path payload; /* an event without this member (or with it empty) is about usage only */
    wire_path error;   /* the provider failed */
    wire_path answer;  /* what a whole answer must have */
    struct wire_end ends[WIRE_ENDS]; /* wire_prepare works them out */
};

/* Call it when the paths are set: an event is then looked at once, while it is checked. Without it
 * everything works, more slowly. */
void wire_prepare(struct wire *w);

/* The first value that the path finds; p NULL without one. */
struct span wire_find(struct span doc, const char *path);

struct wire_seen {
    bool done, content, finish;
    struct span usage, error; /* into the data */
};

/* Which answers (choices) the event says are finished: a bit for each index. */
uint64_t wire_finishes(const struct wire *w, struct span data);

/* Looks at one event's data. -1 with *err when it is neither JSON nor the end mark. */
int wire_inspect(const struct wire *w, struct span data, bool want_content, struct wire_seen *seen,
                 struct err *err);

/* Appends what a client that asked for no usage may see of the event: the raw block, the block
 * without its usage member, or nothing. */
int wire_strip_usage(const struct wire *w, struct span raw, struct span data, struct buf *out);

#endif
