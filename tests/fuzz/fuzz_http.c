/* fuzz_http - the request parser must say the same however its input is cut.
 * SPDX-License-Identifier: MIT
 *
 * The first byte chooses the cuts, the rest is what a client sends: requests, one after the other.
 */
#include "http1.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { FIELDS = 16, BODY_MAX = 1024 };

static const struct http1_limits limits = {
    .line_max = 256, .header_max = 1024, .header_count = FIELDS, .body_max = BODY_MAX};

struct result {
    int status;
    size_t requests, body_len, used; /* of complete requests */
    uint64_t hash;                   /* of everything that was found */
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void hash(struct result *r, const void *data, size_t n)
{
    const unsigned char *p = data;

    for (size_t i = 0; i < n; i++)
        r->hash = (r->hash ^ p[i]) * 1099511628211U;
}

static void hash_at(struct result *r, const char *s, size_t n, struct http1_at at)
{
    if ((size_t)at.at + at.n > n)
        abort();
    hash(r, &at, sizeof at);
    hash(r, s + at.at, at.n);
}

static void hash_head(struct result *r, const struct http1 *p, const char *s)
{
    if (p->field_count > FIELDS || (p->chunked && p->length))
        abort();
    hash_at(r, s, p->head_len, p->method);
    hash_at(r, s, p->head_len, p->path);
    hash_at(r, s, p->head_len, p->query);
    for (int i = 0; i < p->field_count; i++) {
        hash_at(r, s, p->head_len, p->fields[i].name);
        hash_at(r, s, p->head_len, p->fields[i].value);
    }
    hash(r, &p->keep_alive, sizeof p->keep_alive);
    hash(r, &p->expect_continue, sizeof p->expect_continue);
    hash(r, &p->length, sizeof p->length);
}

/* The bytes in a block of their own, so that reading behind them is seen. */
static char *piece_of(const char *s, size_t n)
{
    char *copy = malloc(n ? n : 1);

    if (!copy)
        abort();
    if (n)
        memcpy(copy, s, n);
    return copy;
}

/* One request from s; how many bytes it has, or 0 when there is none (any more). */
static size_t one(struct result *r, const char *s, size_t n, size_t step)
{
    struct http1_field fields[FIELDS];
    struct http1 p;
    size_t at = 0;
    enum http1_result result = HTTP1_MORE;

    http1_init(&p, &limits, fields);
    for (size_t got = 0; got < n && result == HTTP1_MORE;) {
        got = n - got < step ? n : got + step;
        char *copy = piece_of(s, got);
        result = http1_head(&p, copy, got);
        if (result == HTTP1_DONE && !at) {
            hash_head(r, &p, copy);
            at = p.head_len;
        }
        if (result == HTTP1_DONE) {
            struct span in = {copy + at, got - at}, piece;
            while ((result = http1_body(&p, &in, &piece)) == HTTP1_DATA) {
                hash(r, piece.p, piece.n);
                r->body_len += piece.n;
            }
            at = got - in.n;
        }
        free(copy);
    }
    if (result == HTTP1_ERROR) {
        if (p.status < 400 || p.status > 505 || !*p.why)
            abort();
        r->status = p.status;
        hash(r, p.why, strlen(p.why));
    }
    if (p.body_len > BODY_MAX)
        abort();
    return result == HTTP1_DONE ? at : 0;
}

static struct result all(const char *s, size_t n, size_t step)
{
    struct result r = {.hash = 1469598103934665603U};
    size_t used;

    while (n && (used = one(&r, s, n, step))) {
        r.requests++;
        r.used += used;
        s += used;
        n -= used;
    }
    return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1 || size > 8192)
        return 0;

    const char *s = (const char *)data + 1;
    struct result whole = all(s, size - 1, size);
    struct result cut = all(s, size - 1, 1U + data[0] % 37U);

    if (whole.status != cut.status || whole.requests != cut.requests || whole.used != cut.used ||
        whole.body_len != cut.body_len || whole.hash != cut.hash)
        abort();
    return 0;
}
