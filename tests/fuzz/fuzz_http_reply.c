/* fuzz_http_reply - the parser of answers must say the same however its input is cut.
 * SPDX-License-Identifier: MIT
 *
 * The first byte chooses the cuts and whether the request was a HEAD; the rest is what a server
 * sends: answers, one after the other, then it closes. */
#include "http1_reply.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { HEAD_MAX = 1024 };

struct result {
    size_t answers, body_len, used;
    bool error;
    uint64_t hash; /* of everything that was found */
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

static void hash_head(struct result *r, const struct http1_reply *p, const char *s)
{
    if (p->head_len > HEAD_MAX || p->status < 200 || p->status > 999)
        abort();
    hash_at(r, s, p->head_len, p->headers);
    hash_at(r, s, p->head_len, p->encoding);
    hash(r, &p->status, sizeof p->status);
    hash(r, &p->keep_alive, sizeof p->keep_alive);
    hash(r, &p->no_body, sizeof p->no_body);
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

static enum http1_result body(struct result *r, struct http1_reply *p, struct span in, size_t *used)
{
    const char *from = in.p;
    enum http1_result result;
    struct span piece;

    while ((result = http1_reply_body(p, &in, &piece)) == HTTP1_DATA) {
        hash(r, piece.p, piece.n);
        r->body_len += piece.n;
    }
    *used += (size_t)(in.p - from);
    return result;
}

/* One answer from s; how many bytes it has, or 0 when there is none (any more). */
static size_t one(struct result *r, const char *s, size_t n, size_t step, bool to_head)
{
    enum http1_result result = HTTP1_MORE;
    struct http1_reply p;
    size_t at = 0;

    http1_reply_init(&p, to_head, HEAD_MAX);
    for (size_t got = 0; got < n && result == HTTP1_MORE;) {
        got = n - got < step ? n : got + step;
        char *copy = piece_of(s, got);
        if (!at && (result = http1_reply_head(&p, copy, got)) == HTTP1_DONE) {
            hash_head(r, &p, copy);
            at = p.head_len;
        }
        if (at)
            result = body(r, &p, (struct span){copy + at, got - at}, &at);
        free(copy);
    }
    if (result == HTTP1_MORE && at)
        result = http1_reply_eof(&p);
    if (result == HTTP1_ERROR && !*http1_reply_why(&p))
        abort();
    if (result == HTTP1_ERROR)
        hash(r, http1_reply_why(&p), strlen(http1_reply_why(&p)));
    r->error = result == HTTP1_ERROR;
    return result == HTTP1_DONE ? at : 0;
}

static struct result all(const char *s, size_t n, size_t step, bool to_head)
{
    struct result r = {.hash = 1469598103934665603U};
    size_t used;

    while (n && (used = one(&r, s, n, step, to_head))) {
        r.answers++;
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
    struct result whole = all(s, size - 1, size, data[0] & 0x80);
    struct result cut = all(s, size - 1, 1U + data[0] % 37U, data[0] & 0x80);

    if (whole.error != cut.error || whole.answers != cut.answers || whole.used != cut.used ||
        whole.body_len != cut.body_len || whole.hash != cut.hash)
        abort();
    return 0;
}
