/* transfer_exchange - one exchange in HTTP/1.1 of our own: the request's bytes out, the answer's
 * in. SPDX-License-Identifier: MIT
 *
 * The request is kept until the first byte of the answer where it may be sent again: a server may
 * close a kept connection at any time, and then it has not seen the request. */
#include "transfer_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
    JOIN_MAX = 16 * 1024, /* a smaller body goes out in one piece with the head */
    ENCODING_SHOWN = 24
};

/* ---- the request ---- */

static bool has_header(const struct transfer_request *r, const char *name)
{
    for (size_t i = 0; i < r->header_count; i++)
        if (header_is(r->headers[i], name))
            return true;
    return false;
}

static int put_host(struct buf *b, const struct url_parts *u)
{
    bool v6 = memchr(u->host.p, ':', u->host.n) != NULL;
    int bad = buf_puts(b, v6 ? "Host: [" : "Host: ");

    bad |= buf_add_span(b, u->host);
    bad |= v6 ? buf_puts(b, "]") : 0;
    bad |= u->port != (u->https ? 443 : 80) ? buf_printf(b, ":%u", u->port) : 0;
    return bad | buf_puts(b, "\r\n");
}

static int put_line(struct buf *b, const char *name, const char *value)
{
    return buf_puts(b, name) | buf_puts(b, value) | buf_puts(b, "\r\n");
}

static int put_target(struct buf *b, const struct transfer_request *r, const struct url_parts *u)
{
    int bad = buf_puts(b, r->method) | buf_puts(b, " ");

    bad |= u->target.n && *u->target.p == '/' ? 0 : buf_puts(b, "/");
    return bad | buf_add_span(b, u->target) | buf_puts(b, " HTTP/1.1\r\n");
}

static int put_length(struct buf *b, const struct transfer_request *r)
{
    bool means_body = strcmp(r->method, "POST") == 0 || strcmp(r->method, "PUT") == 0 ||
                      strcmp(r->method, "PATCH") == 0;

    return r->body.n || means_body ? buf_printf(b, "Content-Length: %zu\r\n", r->body.n) : 0;
}

static size_t size_at_most(const struct transfer_request *r, const struct url_parts *u,
                           const char *agent)
{
    size_t size = 160 + u->target.n + u->host.n + strlen(agent);

    for (size_t i = 0; i < r->header_count; i++)
        size += strlen(r->headers[i]) + 2;
    return size + (r->body.n <= JOIN_MAX ? r->body.n : 0);
}

static int write_down(struct transfer *t, const struct transfer_request *r,
                      const struct url_parts *u)
{
    struct buf *b = &t->request;
    const char *agent = t->all->user_agent;

    buf_init(b, size_at_most(r, u, agent));
    if (!buf_reserve(b, b->max))
        return -1;
    int bad = put_target(b, r, u);
    bad |= has_header(r, "Host") ? 0 : put_host(b, u);
    bad |= *agent && !has_header(r, "User-Agent") ? put_line(b, "User-Agent: ", agent) : 0;
    bad |= has_header(r, "Accept") ? 0 : buf_puts(b, "Accept: */*\r\n");
    for (size_t i = 0; i < r->header_count; i++)
        bad |= header_is_ours(r->headers[i]) ? 0 : put_line(b, r->headers[i], "");
    bad |= put_length(b, r) | buf_puts(b, "\r\n");
    return bad | (r->body.n <= JOIN_MAX ? buf_add_span(b, r->body) : 0);
}

/* A body that was not written behind the head stays as it is, or is copied. */
static int take_body(struct transfer *t, const struct transfer_request *r)
{
    if (r->body.n <= JOIN_MAX) {
        free(r->body_owned);
        return 0;
    }
    t->body = r->body_owned ? r->body_owned : malloc(r->body.n);
    t->body_len = r->body.n;
    if (t->body && !r->body_owned)
        memcpy(t->body, r->body.p, r->body.n);
    return t->body ? 0 : -1;
}

int exchange_prepare(struct transfer *t, const struct transfer_request *r,
                     const struct url_parts *u, struct err *err)
{
    int bad = headers_check(r, err);

    if (bad < 0) {
        free(r->body_owned);
        return -1;
    }
    bad = write_down(t, r, u);
    bad |= take_body(t, r);
    t->origin = origin_ref(t->all, u);
    t->head.max =
        HEAD_MAX + SCRATCH; /* the parser watches over the head; a body may be behind it */
    http1_reply_init(&t->reply, strcmp(r->method, "HEAD") == 0, HEAD_MAX);
    return bad || !t->origin ? err_set(err, ERR_INTERNAL, "out of memory") : 0;
}

/* Who waits for an answer for minutes should not hold what it has sent. */
static void forget_request(struct transfer *t)
{
    buf_wipe(&t->request); /* the key is in it */
    free(t->body);
    t->body = NULL;
}

/* ---- sending ---- */

static struct span to_send(const struct transfer *t)
{
    size_t head = t->request.len;

    if (t->sent < head)
        return (struct span){t->request.data + t->sent, head - t->sent};
    return (struct span){t->body + (t->sent - head), t->body_len - (t->sent - head)};
}

/* Whatever the server said before it closed is worth reading: a read that finds nothing ends it. */
static void sending_broke(struct transfer *t)
{
    t->send_broken = true;
    link_read_soon(t->link);
}

static void send_on(struct transfer *t)
{
    struct link *c = t->link;
    size_t size = t->request.len + t->body_len;

    while (!t->send_broken && t->sent < size) {
        ptrdiff_t n = link_send(c, to_send(t), t->sent < t->request.len && t->body_len);
        if (n == LINK_AGAIN) {
            link_want_write(c, true);
            return;
        }
        if (n > 0)
            t->sent += (size_t)n;
        else
            sending_broke(t);
    }
    link_want_write(c, false);
    t->sent_whole = !t->send_broken;
    if (t->sent_whole && !c->reused)
        forget_request(t);
}

void exchange_begin(struct transfer *t)
{
    t->connected = true;
    t->sent = 0;
    t->send_broken = t->sent_whole = false;
    send_on(t);
}

void exchange_writable(struct transfer *t)
{
    send_on(t);
}

/* ---- the answer ---- */

static void finish(struct transfer *t, bool keep)
{
    if (t->unpack && !unpack_whole(t->unpack)) {
        transfer_fail(t, ERR_BAD_RESPONSE, "the answer was cut short: its packed body has no end");
        return;
    }
    link_release(t->link, keep && t->reply.keep_alive);
    transfer_over(t, END_WHOLE);
}

static void refuse(struct transfer *t, enum refusal why)
{
    struct err err;

    t->refused = why;
    transfer_refused(t, &err);
    transfer_fail(t, err.code, "%s", err.message);
}

static void bad_answer(struct transfer *t)
{
    transfer_fail(t, ERR_BAD_RESPONSE, "bad answer: %s", http1_reply_why(&t->reply));
}

static int keep_unpacked(void *arg, const char *p, size_t n)
{
    struct transfer *t = arg;

    t->refused = transfer_keep(t, p, n);
    return t->refused ? -1 : 0;
}

static int take_piece(struct transfer *t, struct span piece)
{
    if (!t->unpack)
        t->refused = transfer_keep(t, piece.p, piece.n);
    else if (unpack_add(t->unpack, piece, keep_unpacked, t) < 0 && !t->refused) {
        transfer_fail(t, ERR_BAD_RESPONSE, "bad answer: its body is not packed as it says");
        return -1;
    }
    if (t->refused)
        refuse(t, t->refused);
    return t->refused ? -1 : 0;
}

static void take_answer(struct transfer *t, struct span in)
{
    size_t before = t->received;
    enum http1_result result;
    struct span piece;

    while ((result = http1_reply_body(&t->reply, &in, &piece)) == HTTP1_DATA)
        if (take_piece(t, piece) < 0)
            return;
    if (t->received > before)
        transfer_touched(t);
    if (result == HTTP1_ERROR)
        bad_answer(t);
    else if (result == HTTP1_DONE)
        finish(t, in.n == 0 && t->sent_whole);
}

/* An answer without a body may name any coding. */
static int begin_unpacking(struct transfer *t, struct span coding)
{
    bool plain = coding.n == 0 || (coding.n == 8 && strncasecmp(coding.p, "identity", 8) == 0);

    if (t->reply.no_body || plain)
        return 0;
    t->unpack = unpack_new(coding);
    if (t->unpack)
        return 0;
    transfer_fail(t, ERR_BAD_RESPONSE, "bad answer: cannot read the encoding %.*s",
                  coding.n < ENCODING_SHOWN ? (int)coding.n : ENCODING_SHOWN, coding.p);
    return -1;
}

static int take_head(struct transfer *t, const char *data)
{
    const struct http1_reply *p = &t->reply;

    if (buf_add(&t->head, data + p->headers.at, p->headers.n) < 0) {
        refuse(t, REFUSED_MEMORY);
        return -1;
    }
    t->status = p->status;
    t->head_whole = true;
    transfer_mark_ready(t);
    return begin_unpacking(t, (struct span){data + p->encoding.at, p->encoding.n});
}

/* Bytes of a head: most come whole; the others are put together in t->head. */
static void feed_head(struct transfer *t, struct span in)
{
    struct buf raw = t->head;

    if (raw.len && buf_add(&raw, in.p, in.n) < 0) {
        refuse(t, REFUSED_MEMORY);
        return;
    }
    struct span all = raw.len ? buf_span(&raw) : in;
    enum http1_result result = http1_reply_head(&t->reply, all.p, all.n);

    if (result == HTTP1_MORE) {
        t->head = raw;
        if (raw.len == 0 && buf_add(&t->head, in.p, in.n) < 0)
            refuse(t, REFUSED_MEMORY);
        return;
    }
    buf_init(&t->head, raw.max);
    if (result == HTTP1_ERROR)
        bad_answer(t);
    else if (take_head(t, all.p) == 0)
        take_answer(t, (struct span){all.p + t->reply.head_len, all.n - t->reply.head_len});
    buf_deinit(&raw);
}

/* ---- the connection ends ---- */

static void try_again(struct transfer *t)
{
    struct err err;

    t->fresh = true;
    link_close(t->link);
    transfer_reconnects(t);
    if (transfer_connect(t, false, &err) < 0)
        transfer_fail(t, err.code, "%s", err.message);
}

static void broke(struct transfer *t)
{
    int why = t->link->os_errno;

    transfer_fail(t, ERR_UNAVAILABLE, "the connection broke%s%s", why ? ": " : "",
                  why ? strerror(why) : "");
}

static void closed(struct transfer *t, bool in_order)
{
    if (!t->started && t->link->reused && !t->fresh)
        try_again(t);
    else if (!in_order)
        broke(t);
    else if (!t->started)
        transfer_fail(t, ERR_UNAVAILABLE, "the connection was closed without an answer");
    else if (t->head_whole && http1_reply_eof(&t->reply) == HTTP1_DONE)
        finish(t, false);
    else
        transfer_fail(t, ERR_BAD_RESPONSE, "the answer was cut short");
}

void exchange_readable(struct transfer *t)
{
    struct span in = {t->all->scratch, 0};
    ptrdiff_t n = link_receive(t->link, t->all->scratch, SCRATCH);

    if (n == LINK_AGAIN && !t->send_broken)
        return;
    if (n <= 0) {
        closed(t, n == LINK_EOF);
        return;
    }
    in.n = (size_t)n;
    t->started = true;
    if (t->head_whole)
        take_answer(t, in);
    else
        feed_head(t, in);
    if (t->sent_whole)
        forget_request(t);
}

void exchange_drop(struct transfer *t)
{
    if (!list_empty(&t->queue)) {
        list_remove(&t->queue);
        t->all->waiting--;
    }
    if (t->link)
        link_close(t->link);
}
