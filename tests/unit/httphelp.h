/* httphelp - a server and its clients on one event base, for the tests of http.
 * SPDX-License-Identifier: MIT
 *
 * Clients are nonblocking sockets; whoever waits for one of them turns the server's loop. Nothing
 * here sleeps: the tick only keeps a turn from lasting for ever when something is broken. */
#ifndef HTTPHELP_H
#define HTTPHELP_H

#include "http.h"
#include "testhelp.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { PATIENCE_MS = 10000 }; /* far more than anything here takes */

struct server {
    struct event_base *base;
    struct event *tick;
    struct http *http;
    int port;
};

static inline int64_t now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static inline void on_tick(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what, (void)arg;
}

static inline void server_base(struct server *s)
{
    s->base = event_base_new();
    s->tick = event_new(s->base, -1, EV_PERSIST, on_tick, NULL);
    event_add(s->tick, &(struct timeval){0, 2000});
}

static inline void server_listen(struct server *s)
{
    struct err err = {.message = ""};

    CHECK_INT(http_listen(s->http, "127.0.0.1:0", &err), 0);
    CHECK_STR(err.message, "");
    s->port = atoi(strrchr(http_address(s->http), ':') + 1);
    CHECK(s->port > 0);
}

static inline void server_start(struct server *s, const struct http_limits *l,
                                http_handler *handler, void *arg)
{
    struct err err;

    server_base(s);
    s->http = http_new(s->base, l, handler, arg, &err);
    server_listen(s);
}

static inline void server_stop(struct server *s)
{
    http_free(s->http);
    event_free(s->tick);
    event_base_free(s->base);
    s->http = NULL;
}

static inline void turn(struct server *s)
{
    event_base_loop(s->base, EVLOOP_ONCE);
}

/* Turns the loop until cond holds. */
#define UNTIL(s, cond)                                                                             \
    do {                                                                                           \
        int64_t end_ = now_ms() + PATIENCE_MS;                                                     \
        while (!(cond) && now_ms() < end_)                                                         \
            turn(s);                                                                               \
        CHECK(cond);                                                                               \
    } while (0)

struct client {
    int fd;
    struct buf got;
    bool eof, reset;
};

static inline struct client dial(struct server *s)
{
    struct client c = {.fd = socket(AF_INET, SOCK_STREAM, 0)};
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)s->port)};
    const int on = 1;

    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    CHECK_INT(connect(c.fd, (struct sockaddr *)&a, sizeof a), 0);
    setsockopt(c.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    fcntl(c.fd, F_SETFL, O_NONBLOCK);
    buf_init(&c.got, 256 << 20);
    return c;
}

static inline void hang_up(struct client *c)
{
    close(c->fd);
    buf_deinit(&c->got);
}

/* What has arrived, without waiting. */
static inline void poll_client(struct client *c)
{
    while (!c->eof && !c->reset) {
        char *to = buf_reserve(&c->got, 65536);
        ssize_t n = recv(c->fd, to, 65536, 0);
        if (n > 0)
            c->got.len += (size_t)n;
        else if (n == 0)
            c->eof = true;
        else if (errno == EAGAIN)
            return;
        else
            c->reset = true;
    }
}

static inline void put_n(struct server *s, struct client *c, const char *p, size_t n)
{
    int64_t end = now_ms() + PATIENCE_MS;

    while (n && now_ms() < end) {
        ssize_t k = send(c->fd, p, n, MSG_NOSIGNAL);
        if (k < 0 && errno != EAGAIN)
            return;
        p += k > 0 ? k : 0;
        n -= k > 0 ? (size_t)k : 0;
        if (n) {
            turn(s);
            poll_client(c);
        }
    }
    CHECK(n == 0);
}

static inline void put(struct server *s, struct client *c, const char *text)
{
    put_n(s, c, text, strlen(text));
}

static inline bool has(struct client *c, const char *text)
{
    poll_client(c);
    return c->got.len && memmem(c->got.data, c->got.len, text, strlen(text)) != NULL;
}

static inline bool ended(struct client *c)
{
    poll_client(c);
    return c->eof || c->reset;
}

static inline void forget(struct client *c)
{
    c->got.len = 0;
}

static inline int count(const struct client *c, const char *text)
{
    const char *p = c->got.data, *end = p + c->got.len;
    int n = 0;

    while (p && (p = memmem(p, (size_t)(end - p), text, strlen(text)))) {
        n++;
        p += strlen(text);
    }
    return n;
}

#endif
