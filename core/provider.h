/* provider - where a provider is and how to speak to it: what the configuration says of it.
 * SPDX-License-Identifier: MIT
 *
 * Keys stay in C: no script ever sees one. */
#ifndef PROVIDER_H
#define PROVIDER_H

#include <stdbool.h>
#include <stddef.h>

enum { PROVIDER_KEYS = 16 }; /* at most, of one provider */

struct timeouts {
    int connect_ms, first_byte_ms, stall_ms, total_ms; /* 0: none */
};

struct provider {
    char *name;     /* "openai" */
    char *codec;    /* "openai": scripts/codec/openai.lua */
    char *base_url; /* "https://api.openai.com/v1", no slash at the end */
    char **keys;    /* 'key_count' of them; the first that is not benched is used */
    size_t key_count;
    char **headers; /* "name: value" lines added to every request, 'header_count' of them */
    size_t header_count;
    struct timeouts timeouts;
    size_t answer_max; /* bytes of an answer's body */
    bool http2;
    bool simulated; /* the built-in one: replies say so */
};

struct providers {
    struct provider *items;
    size_t n;
};

/* Appends an empty one; NULL without memory. */
struct provider *providers_add(struct providers *all);
const struct provider *providers_find(const struct providers *all, const char *name);
void providers_deinit(struct providers *all);

#endif
