/* sink - where an answer goes: what the runtime knows of the client.
 * SPDX-License-Identifier: MIT
 *
 * The server's side (request.c) and tests implement it. */
#ifndef SINK_H
#define SINK_H

#include "buf.h"
#include "err.h"

#include <stdbool.h>

enum { SINK_FIELDS_MAX = 16 };

struct sink_field {
    const char *name, *value;
};

struct sink_head {
    int status;
    const char *content_type;
    struct sink_field fields[SINK_FIELDS_MAX]; /* more header lines */
    size_t n;
};

/* What went wrong, with all that a door can tell. Empty strings: not known. */
struct sink_failure {
    struct err err;
    int status;         /* the provider's, 0 without */
    double retry_after; /* seconds, -1 without */
    bool retryable;
    bool clients_key; /* the client's own key is missing or wrong */
    char type[64];    /* the provider's own words, as it sent them */
    char param[128];
    char provider_code[64];
};

typedef void sink_room(void *arg);

/* Borrowed data everywhere. reply, or start, send ..., end: the answer's end comes once. */
struct sink {
    void (*reply)(struct sink *s, const struct sink_head *head, struct span body);
    void (*start)(struct sink *s, const struct sink_head *head);
    void (*send)(struct sink *s, struct span bytes);
    void (*end)(struct sink *s);
    bool (*blocked)(const struct sink *s);                    /* send no more until there is room */
    void (*on_room)(struct sink *s, sink_room *f, void *arg); /* f runs once; NULL takes it back */
    /* The error in the door's own form: as a whole answer, or inside a stream that has begun (which
     * it ends). */
    void (*fail)(struct sink *s, const struct sink_failure *failure);
    /* From now on a client that hears nothing for a while gets 'ping', a part of a stream that says nothing; before the
     * answer has begun it then begins, with status 200. */
    void (*keep_alive)(struct sink *s, const char *content_type, struct span ping);
};

#endif
