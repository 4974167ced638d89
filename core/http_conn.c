/* http_conn - a connection: reading, handing requests out, writing, closing.
 * SPDX-License-Identifier: MIT */
#include "http_private.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

enum { WAIT = -1, GONE = -2 }; /* what the socket answers besides a number of bytes */

size_t conn_queued(const struct conn *c)
{
    return c->out.len - c->out_at;
}

size_t conn_unread(const struct conn *c)
{
    return c->in.len - c->in_at;
}

void conn_drop_input(struct conn *c)
{
    buf_deinit(&c->in);
    c->in_at = 0;
}

static void drop_output(struct conn *c)
{
    buf_deinit(&c->out);
    c->out_at = 0;
}

/* ---- the socket, with or without TLS ---- */

static ptrdiff_t socket_result(ptrdiff_t n)
{
    if (n >= 0)
        return n;
    return errno == EAGAIN || errno == EINTR ? WAIT : GONE;
}

static void want_write(struct conn *c, bool *why)
{
    *why = true;
    event_add(&c->write, NULL);
}

static ptrdiff_t read_tls(struct conn *c, char *to, size_t room)
{
    ptrdiff_t n = tls_read(c->tls, to, room);

    if (n == TLS_WANT_WRITE)
        want_write(c, &c->tls_blocked);
    return n == TLS_WANT_WRITE || n == TLS_WANT_READ ? WAIT : n == TLS_FAILED ? GONE : n;
}

static ptrdiff_t receive(struct conn *c, char *to, size_t room)
{
    return c->tls ? read_tls(c, to, room) : socket_result(recv(c->fd, to, room, 0));
}

static ptrdiff_t write_tls(struct conn *c, const char *from, size_t n)
{
    ptrdiff_t k = tls_write(c->tls, from, n);

    return k == TLS_WANT_WRITE || k == TLS_WANT_READ ? WAIT : k <= 0 ? GONE : k;
}

/* writev, but without SIGPIPE */
static ptrdiff_t send_parts(struct conn *c, struct iovec *parts, size_t n)
{
    const struct msghdr message = {.msg_iov = parts, .msg_iovlen = n};

    return socket_result(sendmsg(c->fd, &message, MSG_NOSIGNAL));
}

/* ---- writing ---- */

void conn_put(struct conn *c, const void *p, size_t n)
{
    if (c->out_at > OUT_KEEP && c->out_at > c->out.len / 2) {
        buf_consume(&c->out, c->out_at);
        c->out_at = 0;
    }
    if (!c->broken && buf_add(&c->out, p, n) < 0)
        c->broken = true; /* conn_work ends it: nobody may close under the caller's feet */
}

/* Sends what is queued and p behind it in one call; how much of p is gone. */
static size_t put_directly(struct conn *c, const char *p, size_t n)
{
    size_t queued = conn_queued(c);
    struct iovec parts[] = {
        {queued ? c->out.data + c->out_at : NULL, queued},
        {(void *)(uintptr_t)p, n},
    };
    ptrdiff_t sent = send_parts(c, parts, 2);

    if (sent == GONE)
        c->broken = true;
    if (sent < 0)
        return 0;
    c->out_at += (size_t)sent < queued ? (size_t)sent : queued;
    return (size_t)sent - ((size_t)sent < queued ? (size_t)sent : queued);
}

void conn_put_long(struct conn *c, const char *p, size_t n)
{
    size_t done = 0;

    if (n >= WRITE_DIRECT && !c->tls && !c->stalled && !c->broken)
        done = put_directly(c, p, n);
    conn_put(c, p + done, n - done);
}

static ptrdiff_t write_some(struct conn *c)
{
    struct iovec all = {c->out.data + c->out_at, conn_queued(c)};

    return c->tls ? write_tls(c, all.iov_base, all.iov_len) : send_parts(c, &all, 1);
}

static void written(struct conn *c)
{
    if (c->stalled)
        event_del(&c->write);
    c->stalled = false;
    if (c->state == CONN_HELD && c->out.cap <= OUT_KEEP)
        c->out.len = c->out_at = 0; /* a stream goes on */
    else
        drop_output(c);
}

static void write_out(struct conn *c)
{
    while (conn_queued(c) && !c->broken) {
        ptrdiff_t n = write_some(c);
        if (n == WAIT && !c->stalled)
            want_write(c, &c->stalled);
        if (n == WAIT)
            return;
        if (n == GONE)
            c->broken = true;
        else
            c->out_at += (size_t)n;
        if (c->stalled && !c->broken)
            http_due_again(c, DUE_WRITE);
    }
    if (!c->broken)
        written(c);
}

static void on_readable(evutil_socket_t fd, short what, void *arg);

/* While paused the client's leaving is still seen (EPOLLRDHUP), but its bytes stay in the kernel.
 */
static void pause_reading(struct conn *c, bool pause)
{
    short what = pause ? EV_CLOSED | EV_PERSIST : EV_READ | EV_PERSIST;

    if (c->paused == pause || c->eof)
        return;
    c->paused = pause;
    event_del(&c->read);
    event_assign(&c->read, c->h->base, c->fd, what, on_readable, c);
    event_add(&c->read, NULL);
    if (!pause && c->tls)
        event_active(&c->read, EV_READ,
                     1); /* OpenSSL may hold bytes that the socket no longer has */
}

/* ---- closing ---- */

void conn_close(struct conn *c, bool reset)
{
    struct http_exchange *x = c->x;
    bool held = c->state == CONN_HELD;

    if (c->state == CONN_CLOSED)
        return;
    c->state = CONN_CLOSED;
    if (reset)
        setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &(struct linger){1, 0}, sizeof(struct linger));
    event_del(&c->read);
    event_del(&c->write);
    tls_close(c->tls);
    close(c->fd);
    http_due(c, DUE_NEVER);
    conn_drop_input(c);
    drop_output(c);
    c->h->open--;
    c->h->pending -= held;
    if (held && x->on_gone) {
        x->gone = true;
        x->on_gone(x, x->gone_arg);
    }
    exchange_free(x);
    c->x = NULL;
    http_listen_resume(c->h);
    http_work(c);
}

void conn_free(struct conn *c)
{
    assert(c->state == CONN_CLOSED);
    list_remove(&c->all);
    list_remove(&c->work);
    free(c);
}

/* All is said. Closing now would throw away what the client has not read yet, if it still sends
 * (RFC 9112 9.6): so wait, a little, for its end. */
static void finish(struct conn *c)
{
    pause_reading(c, false);
    if (c->tls)
        tls_goodbye(c->tls);
    if (c->eof || shutdown(c->fd, SHUT_WR) < 0) {
        conn_close(c, false);
        return;
    }
    c->state = CONN_LINGER;
    http_due(c, DUE_LINGER);
}

void conn_end(struct conn *c, bool close)
{
    c->h->pending -= c->state == CONN_HELD;
    exchange_free(c->x);
    c->x = NULL;
    /* One that was promised more gets its moment while draining, too: its next request may be on its way. */
    c->state = close ? CONN_LAST : CONN_IDLE;
    if (c->state == CONN_LAST)
        conn_drop_input(c);
    http_work(c);
}

/* The client has ended its side. With a request pending that means nobody waits: a client that
 * aborts looks just like one that only will not send more, and the work may cost money. What is
 * already queued still goes out. */
static void left(struct conn *c)
{
    if (c->state == CONN_HELD || c->state == CONN_LINGER || !conn_queued(c)) {
        conn_close(c, false);
        return;
    }
    c->eof = true;
    event_del(&c->read);
    if (c->state != CONN_LAST)
        conn_end(c, true);
}

/* ---- how far to go on ---- */

/* A client that does not read its answers gets no more of them. */
static bool may_advance(const struct conn *c)
{
    return c->state <= CONN_BODY && !c->stalled && !c->broken &&
           conn_queued(c) <= c->h->limits.out_high;
}

static enum due_kind due_kind(const struct conn *c)
{
    if (c->state == CONN_LINGER)
        return DUE_LINGER;
    if (c->stalled || c->state == CONN_LAST)
        return DUE_WRITE;
    if (c->state == CONN_HELD)
        return DUE_NEVER;
    if (c->state == CONN_BODY)
        return DUE_BODY;
    if (c->state == CONN_HEAD || (c->tls && !tls_ready(c->tls)))
        return DUE_HEADER;
    return c->h->draining ? DUE_DRAIN : DUE_IDLE;
}

/* Requests as far as the bytes go, then the deadline and the appetite that fit the new state. */
static void advance(struct conn *c)
{
    while (may_advance(c) && conn_step(c))
        ;
    if (c->state == CONN_CLOSED)
        return;
    http_due(c, due_kind(c));
    pause_reading(c, c->state <= CONN_HELD && !may_advance(c) && conn_unread(c) >= PIPELINE_MAX);
}

/* ---- the events ---- */

/* After the last answer: read it away, so that closing does not become a reset. */
static bool read_away(struct conn *c)
{
    char away[16384];
    ptrdiff_t n = socket_result(recv(c->fd, away, sizeof away, 0));

    if (n == 0 || n == GONE)
        left(c);
    return n == sizeof away;
}

static struct buf *read_target(struct conn *c)
{
    if (c->state == CONN_BODY && exchange_long_body(c->x) && c->x->body.len < c->x->p.length)
        return &c->x->body;
    if (c->in_at) {
        buf_consume(&c->in, c->in_at);
        c->in_at = 0;
    }
    return &c->in;
}

static size_t read_size(const struct conn *c, const struct buf *b)
{
    const struct http1 *p = c->x ? &c->x->p : NULL;

    if (b != &c->in)
        return b->max - b->len < READ_SIZE_BODY ? b->max - b->len : READ_SIZE_BODY;
    if (c->state != CONN_BODY)
        return READ_SIZE;
    size_t whole = p->head_len + (size_t)p->length;
    return p->chunked ? READ_SIZE_CHUNKS : whole > b->len ? whole - b->len : READ_SIZE;
}

/* One read. True: there may be more. */
static bool read_more(struct conn *c)
{
    if (c->state >= CONN_LAST)
        return read_away(c);

    struct buf *b = read_target(c);
    char *to = buf_reserve(b, read_size(c, b));
    if (!to) {
        conn_close(c, true);
        return false;
    }
    size_t room = b->cap - b->len;
    ptrdiff_t n = receive(c, to, room);
    if (n == 0 || n == GONE)
        left(c);
    if (n <= 0)
        return false;
    b->len += (size_t)n;
    if (c->due_kind == DUE_BODY)
        http_due_again(c, DUE_BODY);
    advance(c);
    return (size_t)n == room || c->tls;
}

static bool reads(const struct conn *c)
{
    return c->state != CONN_CLOSED && !c->paused && !c->eof;
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    struct conn *c = arg;

    (void)fd;
    if (what & EV_CLOSED) {
        left(c);
        return;
    }
    int times = 0;
    while (reads(c) && times < READS_MAX && read_more(c))
        times++;
    if (!reads(c))
        return;
    if (c->tls && times == READS_MAX && c->state < CONN_LAST && tls_pending(c->tls))
        event_active(&c->read, EV_READ, 1);
    if (c->state == CONN_IDLE) {
        http_due(c, due_kind(c)); /* a handshake may be over */
        if (conn_unread(c) == 0)
            conn_drop_input(c);
    }
}

static void give_room(struct conn *c)
{
    struct http_exchange *x = c->x;

    if (c->state != CONN_HELD || !x->blocked || conn_queued(c) > c->h->limits.out_high / 2)
        return;
    x->blocked = false;
    if (x->on_room)
        x->on_room(x, x->room_arg);
}

/* Write, then what that makes possible. */
static void pump(struct conn *c)
{
    write_out(c);
    if (c->broken) {
        conn_close(c, true);
        return;
    }
    give_room(c);
    if (c->state == CONN_LAST && !conn_queued(c))
        finish(c);
    else
        advance(c);
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
    struct conn *c = arg;

    (void)fd, (void)what;
    if (c->tls_blocked) {
        c->tls_blocked = false;
        if (!c->stalled)
            event_del(&c->write);
        event_active(&c->read, EV_READ, 1);
    }
    pump(c);
}

void conn_work(struct conn *c)
{
    if (!c->stalled || c->broken)
        pump(c);
}

void conn_overdue(struct conn *c)
{
    char why[96];
    enum due_kind kind = c->due_kind;
    int ms = c->h->due[kind].ms;

    http_due(c, DUE_NEVER);
    if (kind == DUE_HEADER && c->state == CONN_HEAD) {
        snprintf(why, sizeof why, "The request's head was not complete within %d ms.", ms);
        reply_error(c, 408, why);
    } else if (kind == DUE_BODY) {
        snprintf(why, sizeof why, "No byte of the request's body came for %d ms.", ms);
        reply_error(c, 408, why);
    } else {
        conn_close(c, kind == DUE_WRITE);
    }
}

void conn_drain(struct conn *c)
{
    if (c->state == CONN_IDLE)
        http_due_again(c, DUE_DRAIN);
}

/* ---- birth ---- */

static void name_peer(struct conn *c, const union address *peer)
{
    char host[INET6_ADDRSTRLEN] = "?";

    if (peer->any.sa_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&peer->v6.sin6_addr)) {
        inet_ntop(AF_INET, peer->v6.sin6_addr.s6_addr + 12, host, sizeof host);
        snprintf(c->peer, sizeof c->peer, "%s:%d", host, ntohs(peer->v6.sin6_port));
    } else if (peer->any.sa_family == AF_INET6) {
        inet_ntop(AF_INET6, &peer->v6.sin6_addr, host, sizeof host);
        snprintf(c->peer, sizeof c->peer, "[%s]:%d", host, ntohs(peer->v6.sin6_port));
    } else if (peer->any.sa_family == AF_INET) {
        inet_ntop(AF_INET, &peer->v4.sin_addr, host, sizeof host);
        snprintf(c->peer, sizeof c->peer, "%s:%d", host, ntohs(peer->v4.sin_port));
    } else {
        snprintf(c->peer, sizeof c->peer, "unix");
    }
}

static void init(struct conn *c, struct http *h, int fd, const union address *peer)
{
    c->h = h;
    c->fd = fd;
    c->due_kind = DUE_NEVER;
    name_peer(c, peer);
    c->limits = h->parse_limits;
    buf_init(&c->in, c->limits.line_max + c->limits.header_max + KEEP_IN + PIPELINE_MAX +
                         2 * READ_SIZE_BODY);
    buf_init(&c->out, OUT_MAX);
    list_init(&c->all);
    list_init(&c->work);
    list_init(&c->due);
    event_assign(&c->read, h->base, fd, EV_READ | EV_PERSIST, on_readable, c);
    event_assign(&c->write, h->base, fd, EV_WRITE | EV_PERSIST, on_writable, c);
}

void conn_open(struct http *h, int fd, const union address *peer)
{
    struct conn *c = calloc(1, sizeof *c);

    if (!c || (h->tls && !(c->tls = tls_accept(h->tls, fd)))) {
        free(c);
        close(fd);
        return;
    }
    init(c, h, fd, peer);
    list_append(&h->conns, &c->all);
    h->open++;
    event_add(&c->read, NULL);
    http_due(c, due_kind(c));
}
