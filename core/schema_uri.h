/* schema_uri - URI references of schemas: splitting and resolving (RFC 3986, 5.2), percent signs.
 * SPDX-License-Identifier: MIT */
#ifndef SCHEMA_URI_H
#define SCHEMA_URI_H

#include "buf.h"

#include <stdbool.h>

/* The parts of a reference; p is NULL for one that is absent. The path may be empty. */
struct uri {
    struct span scheme, authority, path, query, fragment;
};

struct uri uri_split(struct span text);
/* Appends what 'ref' means in a document at 'base', without its fragment. -1: no memory. */
int uri_resolve(struct span base, struct span ref, struct buf *out);
/* Appends the text with its percent signs undone; wrong ones stay. -1: no memory. */
int uri_decode(struct span text, struct buf *out);

#endif
