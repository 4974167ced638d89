/* http_read - from the bytes of a connection to requests.
 * SPDX-License-Identifier: MIT */
#include "http_private.h"

#include <stdlib.h>
#include <string.h>

static const char *request_start(const struct conn *c)
{
    return c->in.data + c->in_at;
}

bool exchange_long_body(const struct http_exchange *x)
{
    return !x->p.chunked && x->body.max > 0;
}

static bool refuse(struct conn *c, int status, const char *why)
{
    reply_error(c, status, why);
    return false;
}

/* The first 'used' bytes and the body are a whole request. What follows them stays here. */
static void give_head(struct conn *c, size_t used)
{
    struct http_exchange *x = c->x;

    if (c->in_at == 0 && used == c->in.len) {
        x->head = buf_take(&c->in, &used);
        return;
    }
    x->head = malloc(used);
    if (!x->head)
        return;
    memcpy(x->head, request_start(c), used);
    c->in_at += used;
    if (conn_unread(c) == 0)
        conn_drop_input(c);
}

static bool hand_out(struct conn *c, size_t used)
{
    struct http_exchange *x = c->x;

    give_head(c, used);
    if (!x->head)
        return refuse(c, 503, "Out of memory.");
    x->body_in_head = (struct span){x->head + x->p.head_len, used - x->p.head_len};
    exchange_hold(x);
    c->state = CONN_HELD;
    c->h->pending++;
    http_due(c, DUE_NEVER);
    c->h->on_request(x, c->h->arg);
    return true;
}

/* Takes n bytes out of the input, behind the head. */
static void cut_behind_head(struct conn *c, size_t n)
{
    size_t at = c->in_at + c->x->p.head_len;

    memmove(c->in.data + at, c->in.data + at + n, c->in.len - at - n);
    c->in.len -= n;
}

/* Memory for a long body; what came with the head moves there, the rest is read into it. */
static bool begin_long_body(struct conn *c)
{
    struct http_exchange *x = c->x;
    size_t length = (size_t)x->p.length, came = conn_unread(c) - x->p.head_len;

    if (came > length)
        came = length;
    buf_init(&x->body, length);
    if (!buf_reserve(&x->body, length < BODY_FIRST ? length : BODY_FIRST) ||
        buf_add(&x->body, request_start(c) + x->p.head_len, came) < 0)
        return refuse(c, 503, "Out of memory.");
    cut_behind_head(c, came);
    return true;
}

static bool begin_body(struct conn *c)
{
    struct http_exchange *x = c->x;
    const struct http1 *p = &x->p;
    bool nothing_came = conn_unread(c) == p->head_len;

    c->state = CONN_BODY;
    if (p->chunked)
        buf_init(&x->body, c->limits.body_max);
    else if (p->length > KEEP_IN - (p->head_len < KEEP_IN ? p->head_len : KEEP_IN) &&
             p->length > 0 && !begin_long_body(c))
        return false;
    if (p->expect_continue && nothing_came && (p->chunked || p->length))
        reply_continue(c);
    return true;
}

static bool read_head(struct conn *c)
{
    struct http1 *p = &c->x->p;

    switch (http1_head(p, request_start(c), conn_unread(c))) {
    case HTTP1_DONE:
        return begin_body(c);
    case HTTP1_ERROR:
        return refuse(c, p->status, p->why);
    default:
        break;
    }
    if (http1_blank(p, conn_unread(c))) { /* old clients end a body with a CRLF too many */
        exchange_free(c->x);
        c->x = NULL;
        conn_drop_input(c);
        c->state = CONN_IDLE;
    }
    return false;
}

static bool read_chunks(struct conn *c)
{
    struct http_exchange *x = c->x;
    struct span in = {request_start(c) + x->p.head_len, conn_unread(c) - x->p.head_len}, piece;
    size_t came = in.n;
    enum http1_result r;

    while ((r = http1_body(&x->p, &in, &piece)) == HTTP1_DATA)
        if (buf_add_span(&x->body, piece) < 0)
            return refuse(c, 503, "Out of memory.");
    cut_behind_head(c, came - in.n);
    if (r == HTTP1_ERROR)
        return refuse(c, x->p.status, x->p.why);
    return r == HTTP1_DONE && hand_out(c, x->p.head_len);
}

static bool read_body(struct conn *c)
{
    struct http_exchange *x = c->x;

    if (x->p.chunked)
        return read_chunks(c);
    if (exchange_long_body(x))
        return x->body.len == x->p.length && hand_out(c, x->p.head_len);
    size_t whole = x->p.head_len + (size_t)x->p.length;
    return conn_unread(c) >= whole && hand_out(c, whole);
}

static bool begin(struct conn *c)
{
    if (conn_unread(c) == 0)
        return false;
    c->x = exchange_new(c);
    if (!c->x)
        return refuse(c, 503, "Out of memory.");
    c->state = CONN_HEAD;
    return true;
}

bool conn_step(struct conn *c)
{
    switch (c->state) {
    case CONN_IDLE:
        return begin(c);
    case CONN_HEAD:
        return read_head(c);
    case CONN_BODY:
        return read_body(c);
    default:
        return false;
    }
}
