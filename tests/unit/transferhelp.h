/* transferhelp - for tests of transfer: a server in this process that answers by script, well,
 * badly or not, over TLS if told; and a client that notes what it hears. SPDX-License-Identifier:
 * MIT */
#ifndef TRANSFERHELP_H
#define TRANSFERHELP_H

#include "testhelp.h"
#include "transfer.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <event2/listener.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <sys/socket.h>

/* ---- the server ---- */

enum then { KEEP, CLOSE, RESET };

struct reply {
    const char *bytes;
    size_t n; /* 0: strlen(bytes) */
    enum then then;
    size_t filler; /* so many more bytes of 'x' after it */
};

enum { REPLIES_MAX = 4, PEERS_MAX = 512 };

struct server {
    struct evconnlistener *listener;
    struct reply replies[REPLIES_MAX]; /* one a request; the last repeats */
    int reply_count;
    int connections, requests, closed; /* seen so far */
    unsigned port;
    SSL_CTX *tls;    /* set after server_start; freed by server_stop */
    bool early;      /* answers before the body is there */
    char last[4096]; /* the last request, head and body */
    struct bufferevent *newest, *peers[PEERS_MAX]; /* by the order they came in; NULL when closed */
};

static struct event_base *base; /* for both sides */

static inline void server_close(struct server *s, struct bufferevent *bev, enum then how)
{
    struct linger hard = {.l_onoff = 1};

    if (how == RESET)
        setsockopt(bufferevent_getfd(bev), SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    if (s->newest == bev)
        s->newest = NULL;
    for (int i = 0; i < s->connections; i++)
        if (s->peers[i] == bev)
            s->peers[i] = NULL;
    bufferevent_free(bev);
}

static inline void on_sent(struct bufferevent *bev, void *arg)
{
    server_close(arg, bev, CLOSE);
}

static inline void on_server_event(struct bufferevent *bev, short what, void *arg)
{
    struct server *s = arg;

    if (what & (BEV_EVENT_EOF | BEV_EVENT_ERROR)) {
        s->closed++;
        server_close(s, bev, CLOSE);
    }
}

static inline size_t request_size(struct evbuffer *in, bool early)
{
    struct evbuffer_ptr end = evbuffer_search(in, "\r\n\r\n", 4, NULL);
    char head[4096] = "";

    if (end.pos < 0)
        return 0;
    evbuffer_copyout(in, head,
                     (size_t)end.pos < sizeof head - 1 ? (size_t)end.pos : sizeof head - 1);
    const char *length = strstr(head, "Content-Length: ");
    if (early)
        return (size_t)end.pos + 4;
    return (size_t)end.pos + 4 + (length ? strtoul(length + 16, NULL, 10) : 0);
}

static inline void on_server_read(struct bufferevent *bev, void *arg);

static inline bool play(struct server *s, struct bufferevent *bev, const struct reply *r)
{
    static char filler[65536];
    struct evbuffer *out = bufferevent_get_output(bev);

    memset(filler, 'x', sizeof filler);
    evbuffer_add(out, r->bytes, r->n ? r->n : strlen(r->bytes));
    for (size_t left = r->filler; left; left -= left < sizeof filler ? left : sizeof filler)
        evbuffer_add_reference(out, filler, left < sizeof filler ? left : sizeof filler, NULL,
                               NULL);
    if (r->then == RESET || (r->then == CLOSE && !evbuffer_get_length(out))) {
        server_close(s, bev, r->then);
        return false;
    }
    if (r->then == CLOSE)
        bufferevent_setcb(bev, NULL, on_sent, on_server_event, s);
    return true;
}

static inline void on_server_read(struct bufferevent *bev, void *arg)
{
    struct server *s = arg;
    struct evbuffer *in = bufferevent_get_input(bev);
    size_t size;

    while ((size = request_size(in, s->early)) != 0 && evbuffer_get_length(in) >= size) {
        int which = s->requests < s->reply_count ? s->requests : s->reply_count - 1;
        memset(s->last, 0, sizeof s->last);
        evbuffer_copyout(in, s->last, size < sizeof s->last - 1 ? size : sizeof s->last - 1);
        evbuffer_drain(in, size);
        s->requests++;
        if (which >= 0 && !play(s, bev, &s->replies[which]))
            return;
    }
}

static inline void on_accept(struct evconnlistener *l, evutil_socket_t fd, struct sockaddr *sa,
                             int n, void *arg)
{
    struct server *s = arg;
    struct bufferevent *bev =
        s->tls ? bufferevent_openssl_socket_new(base, fd, SSL_new(s->tls),
                                                BUFFEREVENT_SSL_ACCEPTING, BEV_OPT_CLOSE_ON_FREE)
               : bufferevent_socket_new(base, fd, BEV_OPT_CLOSE_ON_FREE);

    (void)l, (void)sa, (void)n;
    s->peers[s->connections++] = bev;
    s->newest = bev;
    bufferevent_setcb(bev, on_server_read, NULL, on_server_event, s);
    bufferevent_enable(bev, EV_READ | EV_WRITE);
}

static inline void server_start(struct server *s)
{
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof sa;

    *s = (struct server){0};
    s->listener =
        evconnlistener_new_bind(base, on_accept, s, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_REUSEABLE, 1024,
                                (struct sockaddr *)&sa, sizeof sa);
    getsockname(evconnlistener_get_fd(s->listener), (struct sockaddr *)&sa, &n);
    s->port = ntohs(sa.sin_port);
}

static inline void script(struct server *s, struct reply r)
{
    s->replies[s->reply_count++] = r;
}

static inline void server_stop(struct server *s)
{
    evconnlistener_free(s->listener);
    for (int i = 0; i < s->connections; i++)
        if (s->peers[i])
            bufferevent_free(s->peers[i]);
    SSL_CTX_free(s->tls);
}

/* ---- the client ---- */

enum place { AT_NONE, AT_HEAD, AT_DATA };

struct probe {
    struct transfers *all;
    struct transfer *t;
    int heads, datas, dones, status;
    char headers[512];
    struct buf body;
    bool ok;
    struct err err;
    enum place cancel_at, pause_at;
    struct probe *next; /* started from inside on_done */
    const char *next_url;
};

static struct transfers *all;

static inline void start(struct probe *p, const char *url, struct transfer_request r);

static inline void stop_at(struct probe *p, enum place where)
{
    if (p->pause_at == where)
        transfer_pause(p->t);
    if (p->cancel_at == where)
        transfer_cancel(p->t);
}

static inline void on_head(void *arg, const struct transfer_head *head)
{
    struct probe *p = arg;

    p->heads++;
    p->status = head->status;
    snprintf(p->headers, sizeof p->headers, "%.*s", (int)head->headers.n, head->headers.p);
    stop_at(p, AT_HEAD);
}

static inline void on_data(void *arg, const char *bytes, size_t n)
{
    struct probe *p = arg;

    p->datas++;
    buf_add(&p->body, bytes, n);
    stop_at(p, AT_DATA);
}

static inline void on_done(void *arg, const struct err *err)
{
    struct probe *p = arg;

    p->dones++;
    p->ok = err == NULL;
    if (err)
        p->err = *err;
    transfer_cancel(p->t); /* does nothing any more */
    if (p->next)
        start(p->next, p->next_url, (struct transfer_request){0});
}

static const struct transfer_handler probe_handler = {on_head, on_data, on_done};

static inline void probe_init(struct probe *p)
{
    *p = (struct probe){0};
    buf_init(&p->body, 64 * 1024 * 1024);
}

static inline void probe_deinit(struct probe *p)
{
    buf_deinit(&p->body);
}

static inline void start(struct probe *p, const char *url, struct transfer_request r)
{
    struct err err;

    r.url = url;
    if (!r.method)
        r.method = "GET";
    p->t = transfer_start(all, &r, &probe_handler, p, &err);
    CHECK(p->t != NULL);
    CHECK_INT(p->heads + p->datas + p->dones, 0);
}

static inline void on_guard(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    *(bool *)arg = true;
}

/* Runs the loop until *n reaches 'to'; false when that took too long. */
static inline bool run_until(const int *n, int to)
{
    bool late = false;
    struct event *guard = evtimer_new(base, on_guard, &late);

    evtimer_add(guard, &(struct timeval){.tv_sec = 10});
    while (*n < to && !late)
        event_base_loop(base, EVLOOP_ONCE);
    event_free(guard);
    CHECK(!late);
    return !late;
}

static inline void spin(int turns)
{
    while (turns--)
        event_base_loop(base, EVLOOP_NONBLOCK);
}

static inline const char *url_of(const struct server *s, const char *path)
{
    static char url[4][256];
    static unsigned at;
    char *u = url[at++ % 4];

    snprintf(u, 256, "%s://127.0.0.1:%u%s", s->tls ? "https" : "http", s->port, path);
    return u;
}

static inline struct transfers *fresh_transfers(void)
{
    struct transfers_config c;
    struct err err;

    transfers_config_default(&c);
    struct transfers *made = transfers_new(base, &c, &err);
    CHECK(made != NULL);
    return made;
}

/* One request against one scripted reply. */
static inline void once(struct probe *p, struct reply reply, struct transfer_request r)
{
    struct server s;

    server_start(&s);
    script(&s, reply);
    probe_init(p);
    start(p, url_of(&s, "/v1?key=sk-secret"), r);
    run_until(&p->dones, 1);
    spin(3);
    CHECK_INT(p->dones, 1);
    CHECK_INT(transfers_running(all), 0);
    CHECK(p->ok || strstr(p->err.message, "secret") == NULL);
    CHECK(p->ok || strstr(p->err.message, "127.0.0.1") != NULL);
    server_stop(&s);
}

static inline void expect_body(struct reply reply, const char *body)
{
    struct probe p;

    once(&p, reply, (struct transfer_request){0});
    CHECK(p.ok);
    CHECK_INT(p.heads, 1);
    CHECK_INT(p.status, 200);
    CHECK_BYTES(buf_span(&p.body).p, p.body.len, body);
    probe_deinit(&p);
}

static inline void expect_error(struct reply reply, struct transfer_request r, enum err_code code,
                                const char *words)
{
    struct probe p;

    once(&p, reply, r);
    CHECK(!p.ok);
    CHECK_STR(err_name(p.err.code), err_name(code));
    if (p.err.code != code)
        fprintf(stderr, "  %s, after %s\n", p.err.message, reply.bytes);
    if (!strstr(p.err.message, words))
        CHECK_STR(p.err.message, words);
    probe_deinit(&p);
}

/* ---- small helps ---- */

#define OK_HEAD  "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
#define OK_HELLO OK_HEAD "Content-Length: 5\r\n\r\nhello"
#define CHUNKED  OK_HEAD "Transfer-Encoding: chunked\r\n\r\n"

static inline void get(struct server *s, const char *method, struct span body)
{
    struct probe p;

    probe_init(&p);
    start(&p, url_of(s, "/"), (struct transfer_request){.method = method, .body = body});
    run_until(&p.dones, 1);
    CHECK(p.ok);
    if (!p.ok)
        fprintf(stderr, "  %s\n", p.err.message);
    probe_deinit(&p);
}

static inline void begin(struct server *s, struct probe *p, const char *bytes)
{
    server_start(s);
    script(s, (struct reply){.bytes = bytes});
    probe_init(p);
}

static inline void on_nothing(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    ++*(int *)arg;
}

static inline void wait_ms(int ms)
{
    int over = 0;
    struct event *ev = evtimer_new(base, on_nothing, &over);

    evtimer_add(ev, &(struct timeval){.tv_usec = ms * 1000});
    run_until(&over, 1);
    event_free(ev);
}

#endif
