/* test_transfer - HTTP out against a server in this process that answers by script: well, badly, or
 * not. SPDX-License-Identifier: MIT */
#include "testhelp.h"
#include "transfer.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/dns.h>
#include <event2/dns_struct.h>
#include <event2/listener.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

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
    char last[4096];                               /* the last request, head and body */
    struct bufferevent *newest, *peers[PEERS_MAX]; /* by the order they came in; NULL when closed */
};

static struct event_base *base;

static void server_close(struct server *s, struct bufferevent *bev, enum then how)
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

static void on_sent(struct bufferevent *bev, void *arg)
{
    server_close(arg, bev, CLOSE);
}

static void on_server_event(struct bufferevent *bev, short what, void *arg)
{
    struct server *s = arg;

    if (what & (BEV_EVENT_EOF | BEV_EVENT_ERROR)) {
        s->closed++;
        server_close(s, bev, CLOSE);
    }
}

static size_t request_size(struct evbuffer *in)
{
    struct evbuffer_ptr end = evbuffer_search(in, "\r\n\r\n", 4, NULL);
    char head[4096] = "";

    if (end.pos < 0)
        return 0;
    evbuffer_copyout(in, head,
                     (size_t)end.pos < sizeof head - 1 ? (size_t)end.pos : sizeof head - 1);
    const char *length = strstr(head, "Content-Length: ");
    return (size_t)end.pos + 4 + (length ? strtoul(length + 16, NULL, 10) : 0);
}

static void on_server_read(struct bufferevent *bev, void *arg);

static bool play(struct server *s, struct bufferevent *bev, const struct reply *r)
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

static void on_server_read(struct bufferevent *bev, void *arg)
{
    struct server *s = arg;
    struct evbuffer *in = bufferevent_get_input(bev);
    size_t size;

    while ((size = request_size(in)) != 0 && evbuffer_get_length(in) >= size) {
        int which = s->requests < s->reply_count ? s->requests : s->reply_count - 1;
        memset(s->last, 0, sizeof s->last);
        evbuffer_copyout(in, s->last, size < sizeof s->last - 1 ? size : sizeof s->last - 1);
        evbuffer_drain(in, size);
        s->requests++;
        if (which >= 0 && !play(s, bev, &s->replies[which]))
            return;
    }
}

static void on_accept(struct evconnlistener *l, evutil_socket_t fd, struct sockaddr *sa, int n,
                      void *arg)
{
    struct server *s = arg;
    struct bufferevent *bev = bufferevent_socket_new(base, fd, BEV_OPT_CLOSE_ON_FREE);

    (void)l, (void)sa, (void)n;
    s->peers[s->connections++] = bev;
    s->newest = bev;
    bufferevent_setcb(bev, on_server_read, NULL, on_server_event, s);
    bufferevent_enable(bev, EV_READ | EV_WRITE);
}

static void server_start(struct server *s)
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

static void script(struct server *s, struct reply r)
{
    s->replies[s->reply_count++] = r;
}

static void server_stop(struct server *s)
{
    evconnlistener_free(s->listener);
    for (int i = 0; i < s->connections; i++)
        if (s->peers[i])
            bufferevent_free(s->peers[i]);
}

/* ---- the client ---- */

enum place { AT_NONE, AT_HEAD, AT_DATA };

struct probe {
    struct transfers *all;
    struct transfer *t;
    int heads, datas, dones, status;
    char type[64];
    struct buf body;
    bool ok;
    struct err err;
    enum place cancel_at, pause_at;
    struct probe *next; /* started from inside on_done */
    const char *next_url;
};

static struct transfers *all;

static void start(struct probe *p, const char *url, struct transfer_request r);

static void stop_at(struct probe *p, enum place where)
{
    if (p->pause_at == where)
        transfer_pause(p->t);
    if (p->cancel_at == where)
        transfer_cancel(p->t);
}

static void on_head(void *arg, const struct transfer_head *head)
{
    struct probe *p = arg;
    struct span type = transfer_header(head->headers, "content-TYPE");

    p->heads++;
    p->status = head->status;
    snprintf(p->type, sizeof p->type, "%.*s", (int)type.n, type.p ? type.p : "");
    stop_at(p, AT_HEAD);
}

static void on_data(void *arg, const char *bytes, size_t n)
{
    struct probe *p = arg;

    p->datas++;
    buf_add(&p->body, bytes, n);
    stop_at(p, AT_DATA);
}

static void on_done(void *arg, const struct err *err)
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

static void probe_init(struct probe *p)
{
    *p = (struct probe){0};
    buf_init(&p->body, 64 * 1024 * 1024);
}

static void probe_deinit(struct probe *p)
{
    buf_deinit(&p->body);
}

static void start(struct probe *p, const char *url, struct transfer_request r)
{
    struct err err;

    r.url = url;
    if (!r.method)
        r.method = "GET";
    p->t = transfer_start(all, &r, &probe_handler, p, &err);
    CHECK(p->t != NULL);
    CHECK_INT(p->heads + p->datas + p->dones, 0);
}

static void on_guard(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    *(bool *)arg = true;
}

/* Runs the loop until *n reaches 'to'; false when that took too long. */
static bool run_until(const int *n, int to)
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

static void spin(int turns)
{
    while (turns--)
        event_base_loop(base, EVLOOP_NONBLOCK);
}

static const char *url_of(const struct server *s, const char *path)
{
    static char url[4][256];
    static unsigned at;
    char *u = url[at++ % 4];

    snprintf(u, 256, "http://127.0.0.1:%u%s", s->port, path);
    return u;
}

static struct transfers *fresh_transfers(void)
{
    struct transfers_config c;
    struct err err;

    transfers_config_default(&c);
    struct transfers *made = transfers_new(base, &c, &err);
    CHECK(made != NULL);
    return made;
}

/* One request against one scripted reply. */
static void once(struct probe *p, struct reply reply, struct transfer_request r)
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

static void expect_body(struct reply reply, const char *body)
{
    struct probe p;

    once(&p, reply, (struct transfer_request){0});
    CHECK(p.ok);
    CHECK_INT(p.heads, 1);
    CHECK_INT(p.status, 200);
    CHECK_BYTES(buf_span(&p.body).p, p.body.len, body);
    probe_deinit(&p);
}

static void expect_error(struct reply reply, struct transfer_request r, enum err_code code,
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

/* ---- answers that come ---- */

#define OK_HEAD  "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
#define OK_HELLO OK_HEAD "Content-Length: 5\r\n\r\nhello"
#define CHUNKED  OK_HEAD "Transfer-Encoding: chunked\r\n\r\n"

static void test_answers(void)
{
    static const char packed[] = OK_HEAD "Content-Encoding: gzip\r\nContent-Length: 25\r\n\r\n"
                                         "\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\xcb\x48\xcd\xc9"
                                         "\xc9\x07\x00\x86\xa6\x10\x36\x05\x00\x00\x00";

    expect_body((struct reply){.bytes = OK_HELLO}, "hello");
    expect_body(
        (struct reply){.bytes = CHUNKED "2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\nTrailer: x\r\n\r\n"},
        "hello");
    expect_body((struct reply){.bytes = OK_HEAD "\r\nhello", .then = CLOSE}, "hello");
    expect_body((struct reply){.bytes = "HTTP/1.0 200 OK\r\n\r\nhello", .then = CLOSE}, "hello");
    expect_body(
        (struct reply){
            .bytes = "HTTP/1.1 100 Continue\r\nX: y\r\n\r\nHTTP/1.1 103 Hints\r\n\r\n" OK_HELLO},
        "hello");
    expect_body((struct reply){.bytes = OK_HEAD "Content-Length: 0\r\n\r\n"}, "");
    expect_body((struct reply){.bytes = packed, .n = sizeof packed - 1}, "hello");
}

static void test_head(void)
{
    struct span h = SPAN("Retry-After:  3 \r\nX-Empty:\r\nretry-after-ms: 5\r\n");
    struct probe p;

    CHECK_BYTES(transfer_header(h, "retry-after").p, transfer_header(h, "retry-after").n, "3");
    CHECK_BYTES(transfer_header(h, "RETRY-AFTER-MS").p, transfer_header(h, "RETRY-AFTER-MS").n,
                "5");
    CHECK(transfer_header(h, "x-empty").p != NULL);
    CHECK_INT(transfer_header(h, "x-empty").n, 0);
    CHECK(transfer_header(h, "retry").p == NULL);
    CHECK(transfer_header((struct span){0}, "retry").p == NULL);
    once(&p,
         (struct reply){
             .bytes = "HTTP/1.1 429 Slow\r\nContent-Type:  a/b \r\nContent-Length: 2\r\n\r\n{}"},
         (struct transfer_request){0});
    CHECK(p.ok);
    CHECK_INT(p.status, 429);
    CHECK_STR(p.type, "a/b");
    probe_deinit(&p);
}

static void test_request(void)
{
    const char *headers[] = {"Authorization: Bearer k", "Content-Type: application/json",
                             "X-Empty:"};
    struct transfer_request r = {.method = "POST", .headers = headers, .header_count = 3};
    struct server s;
    struct probe p;

    server_start(&s);
    script(&s, (struct reply){.bytes = OK_HELLO});
    probe_init(&p);
    r.body_owned = strdup("{\"a\":1}");
    r.body = (struct span){r.body_owned, 7};
    start(&p, url_of(&s, "/v1/chat?x=1#part"), r);
    run_until(&p.dones, 1);
    CHECK(p.ok);
    CHECK(strncmp(s.last, "POST /v1/chat?x=1 HTTP/1.1\r\n", 28) == 0);
    CHECK(strstr(s.last, "\r\nAuthorization: Bearer k\r\n") != NULL);
    CHECK(strstr(s.last, "\r\nContent-Type: application/json\r\n") != NULL);
    CHECK(strstr(s.last, "\r\nX-Empty:\r\n") != NULL);
    CHECK(strstr(s.last, "\r\nContent-Length: 7\r\n") != NULL);
    CHECK(strstr(s.last, "\r\nUser-Agent: baton/") != NULL);
    CHECK(strstr(s.last, "\r\n\r\n{\"a\":1}") != NULL);
    CHECK(strstr(s.last, "Expect") == NULL);
    CHECK(strstr(s.last, "Accept-Encoding") == NULL);
    probe_deinit(&p);
    server_stop(&s);
}

static void expect_method(const char *method, struct span body, const char *line, const char *has)
{
    struct server s;
    struct probe p;

    server_start(&s);
    script(&s,
           (struct reply){.bytes = strcmp(method, "HEAD") ? OK_HELLO
                                                          : OK_HEAD "Content-Length: 5\r\n\r\n"});
    probe_init(&p);
    start(&p, url_of(&s, "/x"), (struct transfer_request){.method = method, .body = body});
    run_until(&p.dones, 1);
    CHECK(p.ok);
    CHECK(strncmp(s.last, line, strlen(line)) == 0);
    CHECK(strstr(s.last, has) != NULL);
    CHECK(strstr(s.last, "Content-Type") == NULL);
    probe_deinit(&p);
    server_stop(&s);
}

static void test_methods(void)
{
    expect_method("GET", (struct span){0}, "GET /x HTTP/1.1\r\n", "Host: ");
    expect_method("HEAD", (struct span){0}, "HEAD /x HTTP/1.1\r\n", "Host: ");
    expect_method("POST", (struct span){0}, "POST /x HTTP/1.1\r\n", "Content-Length: 0\r\n");
    expect_method("DELETE", (struct span){0}, "DELETE /x HTTP/1.1\r\n", "Host: ");
    expect_method("PUT", SPAN("abc"), "PUT /x HTTP/1.1\r\n", "\r\n\r\nabc");
    expect_method("GET", SPAN("abc"), "GET /x HTTP/1.1\r\n", "\r\n\r\nabc");
}

static void expect_refused(struct transfer_request r)
{
    struct err err;

    CHECK(transfer_start(all, &r, &probe_handler, NULL, &err) == NULL);
    CHECK_INT(err.code, ERR_BAD_REQUEST);
    CHECK(strstr(err.message, "secret") == NULL);
}

static void test_refused(void)
{
    const char *urls[] = {"ftp://secret/",
                          "file:///etc/secret",
                          "secret",
                          "",
                          "http://",
                          "http://a b/",
                          "http://h:0/",
                          "http://h:99999/",
                          "http://u:secret@/",
                          "http://h\r\nsecret: 1/",
                          "http://[::1/",
                          "http://[secret]/",
                          "http://a\\b/",
                          "https://h:8x/"};
    const char *headers[] = {"A: b\r\nsecret: c", "secret", ": secret", "a b: secret",
                             "x\n: secret"};

    for (size_t i = 0; i < sizeof urls / sizeof *urls; i++)
        expect_refused((struct transfer_request){.method = "GET", .url = urls[i]});
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++)
        expect_refused((struct transfer_request){.method = "GET",
                                                 .url = "http://127.0.0.1/",
                                                 .headers = headers + i,
                                                 .header_count = 1});
    expect_refused((struct transfer_request){.method = "GET /secret",
                                             .url = "http://127.0.0.1/",
                                             .body_owned = strdup("x"),
                                             .body = {"x", 1}});
    CHECK_INT(transfers_running(all), 0);
}

/* ---- answers that do not come, or not whole ---- */

static void test_timeouts(void)
{
    struct reply silent = {.bytes = ""}, head = {.bytes = OK_HEAD "Content-Length: 5\r\n\r\n"};
    struct reply half = {.bytes = OK_HEAD "Content-Length: 5\r\n\r\nhe"};

    expect_error(silent, (struct transfer_request){.first_byte_ms = 30}, ERR_TIMEOUT, "first byte");
    expect_error(silent, (struct transfer_request){.first_byte_ms = 30}, ERR_TIMEOUT, "30 ms");
    expect_error(head, (struct transfer_request){.first_byte_ms = 30}, ERR_TIMEOUT, "first byte");
    expect_error(half, (struct transfer_request){.first_byte_ms = 5000, .stall_ms = 30},
                 ERR_TIMEOUT, "stall");
    expect_error(half, (struct transfer_request){.total_ms = 40, .stall_ms = 5000}, ERR_TIMEOUT,
                 "total");
    expect_error(silent, (struct transfer_request){.total_ms = 40, .first_byte_ms = 5000},
                 ERR_TIMEOUT, "total");
}

static void test_broken(void)
{
    const struct transfer_request plain = {0};
    static char wide[200 * 1024];

    expect_error((struct reply){.bytes = "", .then = RESET}, plain, ERR_UNAVAILABLE, "");
    expect_error((struct reply){.bytes = "", .then = CLOSE}, plain, ERR_UNAVAILABLE,
                 "without an answer");
    expect_error((struct reply){.bytes = OK_HEAD "Content-Length: 9\r\n\r\nhe", .then = CLOSE},
                 plain, ERR_BAD_RESPONSE, "cut short");
    expect_error((struct reply){.bytes = CHUNKED "5\r\nhe", .then = CLOSE}, plain, ERR_BAD_RESPONSE,
                 "cut");
    expect_error((struct reply){.bytes = CHUNKED "5\r\nhello\r\n", .then = CLOSE}, plain,
                 ERR_BAD_RESPONSE, "cut short");
    expect_error((struct reply){.bytes = CHUNKED "zz\r\nhello\r\n", .then = CLOSE}, plain,
                 ERR_BAD_RESPONSE, "");
    expect_error((struct reply){.bytes = "SSH-2.0-OpenSSH\r\n\r\n", .then = CLOSE}, plain,
                 ERR_BAD_RESPONSE, "not HTTP");
    expect_error((struct reply){.bytes = "HTTP/1.1 200 OK\r\nContent-Ty", .then = CLOSE}, plain,
                 ERR_BAD_RESPONSE, "");
    expect_error((struct reply){.bytes = "HTTP/1.1 101 Switch\r\n\r\nsecret", .then = CLOSE}, plain,
                 ERR_BAD_RESPONSE, "not HTTP");
    expect_error(
        (struct reply){.bytes = OK_HEAD "Content-Encoding: secret\r\nContent-Length: 1\r\n\r\nx"},
        plain, ERR_BAD_RESPONSE, "");
    expect_error((struct reply){.bytes = OK_HELLO}, (struct transfer_request){.body_max = 4},
                 ERR_BAD_RESPONSE, "larger than 4 bytes");
    memset(wide, 'h', sizeof wide - 1);
    memcpy(wide, "HTTP/1.1 200 OK\r\nX: ", 20);
    for (size_t i = 1000; i + 1000 < sizeof wide; i += 1000)
        memcpy(wide + i, "\r\nX: ", 5);
    expect_error((struct reply){.bytes = wide}, plain, ERR_BAD_RESPONSE, "head");
}

/* 16 MB of zeros in 16 KB: the ceiling counts what comes out. */
static void test_packed_bomb(void)
{
    static const char head[] =
        OK_HEAD "Content-Encoding: gzip\r\n\r\n\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03";
    static char bytes[sizeof head + 8192];
    /* a fixed Huffman block: one literal, then length-258 copies of distance 1, a pattern of 13
     * bits */
    size_t bit = 0, at = sizeof head - 1;
    unsigned char *out = (unsigned char *)bytes + at;

    memcpy(bytes, head, at);
    const char *first = "010"
                        "00110000"; /* last = 0, type 01 (low bit first), literal 0 */
    for (const char *p = first; *p; p++, bit++)
        out[bit / 8] = (unsigned char)(out[bit / 8] | (unsigned)(*p - '0') << bit % 8);
    while (bit + 13 < sizeof bytes * 8 - at * 8)
        for (const char *p = "1100010100000"; *p; p++, bit++)
            out[bit / 8] = (unsigned char)(out[bit / 8] | (unsigned)(*p - '0') << bit % 8);
    expect_error((struct reply){.bytes = bytes, .n = sizeof bytes},
                 (struct transfer_request){.body_max = 100 * 1000, .total_ms = 3000},
                 ERR_BAD_RESPONSE, "larger than 100000 bytes");
}

static void test_refused_connection(void)
{
    struct server s;
    struct probe p;

    server_start(&s);
    server_stop(&s);
    probe_init(&p);
    start(&p, url_of(&s, "/"), (struct transfer_request){0});
    run_until(&p.dones, 1);
    CHECK_INT(p.err.code, ERR_UNAVAILABLE);
    CHECK(strstr(p.err.message, "refused") != NULL);
    probe_deinit(&p);
}

/* A listener whose queue is full neither accepts nor refuses. */
static void test_connect_timeout(void)
{
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof sa;
    int fd = socket(AF_INET, SOCK_STREAM, 0), fill[4];
    char url[64];
    struct probe p;

    CHECK(fd >= 0 && bind(fd, (struct sockaddr *)&sa, n) == 0 && listen(fd, 0) == 0);
    getsockname(fd, (struct sockaddr *)&sa, &n);
    for (int i = 0; i < 4; i++) {
        fill[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        if (connect(fill[i], (struct sockaddr *)&sa, n) < 0)
            continue;
    }
    snprintf(url, sizeof url, "http://127.0.0.1:%u/", ntohs(sa.sin_port));
    probe_init(&p);
    start(&p, url, (struct transfer_request){.connect_ms = 40, .first_byte_ms = 5000});
    run_until(&p.dones, 1);
    CHECK_INT(p.err.code, ERR_TIMEOUT);
    CHECK(strstr(p.err.message, "connect timeout") != NULL);
    probe_deinit(&p);
    for (int i = 0; i < 4; i++)
        close(fill[i]);
    close(fd);
}

/* ---- connections ---- */

static void get(struct server *s, const char *method, struct span body)
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

static void test_keep_alive(void)
{
    struct server s;

    server_start(&s);
    script(&s, (struct reply){.bytes = OK_HELLO});
    for (int i = 0; i < 5; i++)
        get(&s, "POST", SPAN("x"));
    CHECK_INT(s.connections, 1);
    CHECK_INT(s.requests, 5);
    server_stop(&s);
}

/* The server closes its side between two requests, or just when the second one comes. */
static void test_reconnect(void)
{
    struct server s;

    server_start(&s);
    script(&s, (struct reply){.bytes = OK_HELLO});
    get(&s, "POST", SPAN("x"));
    server_close(&s, s.newest, CLOSE);
    spin(3);
    get(&s, "POST", SPAN("x"));
    CHECK_INT(s.connections, 2);
    server_stop(&s);

    server_start(&s);
    script(&s, (struct reply){.bytes = OK_HELLO});
    script(&s, (struct reply){.bytes = "", .then = CLOSE});
    script(&s, (struct reply){.bytes = OK_HELLO});
    get(&s, "POST", SPAN("x"));
    get(&s, "POST", SPAN("x"));
    CHECK_INT(s.connections, 2);
    CHECK_INT(s.requests, 3);
    server_stop(&s);
}

static void test_many(void)
{
    enum { MANY = 300 };
    static struct probe p[MANY];
    struct server s;
    int done = 0;

    server_start(&s);
    script(&s, (struct reply){.bytes = OK_HELLO});
    for (int i = 0; i < MANY; i++) {
        probe_init(&p[i]);
        start(&p[i], url_of(&s, "/"),
              (struct transfer_request){.method = "POST", .body = SPAN("x")});
    }
    CHECK_INT(transfers_running(all), MANY);
    for (int i = 0; i < MANY; i++) {
        run_until(&p[i].dones, 1);
        done += p[i].ok && p[i].body.len == 5;
        probe_deinit(&p[i]);
    }
    CHECK_INT(done, MANY);
    CHECK_INT(transfers_running(all), 0);
    server_stop(&s);
}

static void test_from_done(void)
{
    struct server s;
    struct probe a, b, c;

    server_start(&s);
    script(&s, (struct reply){.bytes = OK_HELLO});
    probe_init(&a);
    probe_init(&b);
    probe_init(&c);
    a.next = &b;
    b.next = &c;
    a.next_url = b.next_url = url_of(&s, "/again");
    start(&a, url_of(&s, "/"), (struct transfer_request){0});
    run_until(&c.dones, 1);
    CHECK(a.ok && b.ok && c.ok);
    CHECK_INT(s.connections, 1);
    probe_deinit(&a);
    probe_deinit(&b);
    probe_deinit(&c);
    server_stop(&s);
}

/* ---- cancel ---- */

/* Cancels when *n has reached 'to'; the server sees the connection close, the client hears no more.
 */
static void cancel_when(struct server *s, struct probe *p, const int *n, int to)
{
    start(p, url_of(s, "/"), (struct transfer_request){0});
    run_until(n, to);
    int told = p->heads + p->datas;
    transfer_cancel(p->t);
    CHECK_INT(transfers_running(all), 0);
    run_until(&s->closed, 1);
    spin(3);
    CHECK_INT(p->heads + p->datas, told);
    CHECK_INT(p->dones, 0);
    probe_deinit(p);
    server_stop(s);
}

static void begin(struct server *s, struct probe *p, const char *bytes)
{
    server_start(s);
    script(s, (struct reply){.bytes = bytes});
    probe_init(p);
}

static void cancel_inside(enum place where)
{
    struct server s;
    struct probe p;

    begin(&s, &p, OK_HEAD "Content-Length: 9\r\n\r\nhe");
    p.cancel_at = where;
    start(&p, url_of(&s, "/"), (struct transfer_request){0});
    run_until(&s.closed, 1);
    spin(3);
    CHECK_INT(p.heads, 1);
    CHECK_INT(p.datas, where == AT_DATA);
    CHECK_INT(p.dones, 0);
    CHECK_INT(transfers_running(all), 0);
    probe_deinit(&p);
    server_stop(&s);
}

static void test_cancel(void)
{
    struct server s;
    struct probe p;

    begin(&s, &p, "");
    start(&p, url_of(&s, "/"), (struct transfer_request){0});
    transfer_cancel(p.t); /* before the loop ran at all */
    spin(10);
    CHECK_INT(s.requests, 0);
    CHECK_INT(p.dones, 0);
    server_stop(&s);

    begin(&s, &p, "");
    cancel_when(&s, &p, &s.connections, 1);
    begin(&s, &p, "");
    cancel_when(&s, &p, &s.requests, 1);
    begin(&s, &p, OK_HEAD "Content-Length: 5\r\n\r\n");
    cancel_when(&s, &p, &p.heads, 1);
    begin(&s, &p, OK_HEAD "Content-Length: 5\r\n\r\nhe");
    cancel_when(&s, &p, &p.datas, 1);
    cancel_inside(AT_HEAD);
    cancel_inside(AT_DATA);
}

struct rivals {
    struct transfer *t[3];
    int won;
};

/* The first that answers takes the others down from inside its callback. */
static void on_rival_head(void *arg, const struct transfer_head *head)
{
    struct rivals *r = arg;

    (void)head;
    r->won++;
    for (int i = 0; i < 3; i++)
        transfer_cancel(r->t[i]);
}

static void on_rival_done(void *arg, const struct err *err)
{
    (void)arg, (void)err;
    CHECK(false);
}

static void test_cancel_others(void)
{
    const struct transfer_handler h = {.on_head = on_rival_head, .on_done = on_rival_done};
    struct rivals rivals = {0};
    struct server s;
    struct err err;

    server_start(&s);
    script(&s, (struct reply){.bytes = OK_HELLO});
    struct transfer_request r = {.method = "GET", .url = url_of(&s, "/")};
    for (int i = 0; i < 3; i++)
        rivals.t[i] = transfer_start(all, &r, &h, &rivals, &err);
    run_until(&rivals.won, 1);
    spin(10);
    CHECK_INT(rivals.won, 1);
    CHECK_INT(transfers_running(all), 0);
    server_stop(&s);
}

static void test_free_running(void)
{
    struct transfers *shared = all;
    struct server s;
    struct probe p[3];

    server_start(&s);
    all = fresh_transfers();
    for (int i = 0; i < 3; i++) {
        probe_init(&p[i]);
        start(&p[i], url_of(&s, "/"), (struct transfer_request){0});
    }
    run_until(&s.requests, 3);
    transfers_free(all);
    all = shared;
    run_until(&s.closed, 3);
    for (int i = 0; i < 3; i++)
        CHECK_INT(p[i].dones, 0);
    server_stop(&s);
}

/* ---- back-pressure ---- */

static void on_nothing(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    ++*(int *)arg;
}

static void wait_ms(int ms)
{
    int over = 0;
    struct event *ev = evtimer_new(base, on_nothing, &over);

    evtimer_add(ev, &(struct timeval){.tv_usec = ms * 1000});
    run_until(&over, 1);
    event_free(ev);
}

static void test_pause(void)
{
    enum { SIZE = 32 * 1024 * 1024 };
    struct server s;
    struct probe p;
    struct rusage before, after;

    server_start(&s);
    script(&s, (struct reply){.bytes = OK_HEAD "Content-Length: 33554432\r\n\r\n", .filler = SIZE});
    probe_init(&p);
    p.pause_at = AT_DATA;
    getrusage(RUSAGE_SELF, &before);
    start(&p, url_of(&s, "/"), (struct transfer_request){.stall_ms = 40, .body_max = SIZE});
    run_until(&p.datas, 1);
    wait_ms(120); /* longer than the stall limit: a pause is no stall */
    CHECK_INT(p.datas, 1);
    CHECK_INT(p.dones, 0);
    CHECK(p.body.len <= 64 * 1024);
    CHECK(s.newest && evbuffer_get_length(bufferevent_get_output(s.newest)) > SIZE / 2);
    getrusage(RUSAGE_SELF, &after);
    CHECK(after.ru_maxrss - before.ru_maxrss < 16 * 1024);
    transfer_resume(p.t);
    CHECK_INT(p.datas, 1);
    run_until(&p.datas, 2);
    wait_ms(20);
    CHECK_INT(p.datas, 2);
    p.pause_at = AT_NONE;
    transfer_resume(p.t);
    run_until(&p.dones, 1);
    CHECK(p.ok);
    CHECK_INT(p.body.len, SIZE);
    probe_deinit(&p);
    server_stop(&s);
}

/* Paused from the head on: the end waits, too; the pause before it began is one as well. */
static void test_pause_short(void)
{
    struct server s;
    struct probe p;

    begin(&s, &p, OK_HELLO);
    start(&p, url_of(&s, "/"), (struct transfer_request){.stall_ms = 30});
    transfer_pause(p.t);
    run_until(&p.heads, 1);
    wait_ms(60);
    CHECK_INT(p.datas, 0);
    CHECK_INT(p.dones, 0);
    transfer_resume(p.t);
    CHECK_INT(p.datas, 0);
    run_until(&p.dones, 1);
    CHECK(p.ok);
    CHECK_BYTES(p.body.data, p.body.len, "hello");
    probe_deinit(&p);

    server_stop(&s);
    begin(&s, &p, OK_HEAD "Content-Length: 9\r\n\r\nhe");
    p.pause_at = AT_DATA;
    start(&p, url_of(&s, "/"), (struct transfer_request){.stall_ms = 30});
    run_until(&p.datas, 1);
    transfer_resume(p.t); /* a stall counts from here */
    run_until(&p.dones, 1);
    CHECK_INT(p.err.code, ERR_TIMEOUT);
    probe_deinit(&p);

    server_stop(&s);
    begin(&s, &p, OK_HEAD "Content-Length: 9\r\n\r\nhe");
    start(&p, url_of(&s, "/"), (struct transfer_request){.total_ms = 50});
    transfer_pause(p.t);
    run_until(&p.dones, 1); /* the total limit holds for who never resumes */
    CHECK_INT(p.err.code, ERR_TIMEOUT);
    CHECK_INT(p.datas, 0);
    probe_deinit(&p);
    server_stop(&s);
}

/* ---- names and proxies ---- */

struct ticker {
    int ticks;
    int64_t last_us, worst_us;
};

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
    struct ticker *t = arg;
    struct timespec now;

    (void)fd, (void)what;
    clock_gettime(CLOCK_MONOTONIC, &now);
    int64_t us = (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
    if (t->last_us && us - t->last_us > t->worst_us)
        t->worst_us = us - t->last_us;
    t->last_us = us;
    t->ticks++;
}

static void test_no_such_name(void)
{
    struct transfers *shared = all;
    struct ticker ticker = {0};
    struct event *ev = event_new(base, -1, EV_PERSIST, on_tick, &ticker);
    struct probe p, q;

    all = fresh_transfers();
    event_add(ev, &(struct timeval){.tv_usec = 5000});
    probe_init(&p);
    probe_init(&q);
    start(&p, "http://does-not-exist.invalid/secret", (struct transfer_request){.connect_ms = 150});
    start(&q, "http://DOES-not-exist.invalid:81/secret",
          (struct transfer_request){.connect_ms = 5000});
    run_until(&p.dones, 1);
    CHECK(!p.ok && (p.err.code == ERR_TIMEOUT || p.err.code == ERR_UNAVAILABLE));
    CHECK(strstr(p.err.message, "does-not-exist.invalid:80") != NULL);
    CHECK(strstr(p.err.message, "secret") == NULL);
    CHECK(ticker.worst_us < 1000 * 1000);
    event_free(ev);
    transfers_free(all); /* with a look-up under way */
    CHECK_INT(p.dones, 1);
    spin(5);
    probe_deinit(&p);
    probe_deinit(&q);
    all = shared;
}

/* A name server that knows provider.test; others do not exist. */
static void on_question(struct evdns_server_request *q, void *arg)
{
    uint32_t loopback = htonl(INADDR_LOOPBACK);
    bool found = false;

    ++*(int *)arg;
    for (int i = 0; i < q->nquestions; i++) {
        const struct evdns_server_question *one = q->questions[i];
        found = found || evutil_ascii_strcasecmp(one->name, "provider.test") == 0;
        if (found && one->type == EVDNS_TYPE_A)
            evdns_server_request_add_a_reply(q, one->name, 1, &loopback, 60);
    }
    evdns_server_request_respond(q, found ? 0 : 3);
}

static struct evdns_server_port *start_names(char *address, size_t size, int *questions)
{
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof sa;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);

    CHECK(fd >= 0 && bind(fd, (struct sockaddr *)&sa, n) == 0);
    getsockname(fd, (struct sockaddr *)&sa, &n);
    snprintf(address, size, "127.0.0.1:%u", ntohs(sa.sin_port));
    return evdns_add_server_port_with_base(base, fd, 0, on_question, questions);
}

static void expect_named(const struct server *s, const char *host, enum err_code code)
{
    enum { MANY = 20 };
    static struct probe p[MANY];
    char url[128];

    snprintf(url, sizeof url, "http://%s:%u/", host, s->port);
    for (int i = 0; i < MANY; i++) {
        probe_init(&p[i]);
        start(&p[i], url, (struct transfer_request){.connect_ms = 5000});
    }
    for (int i = 0; i < MANY; i++) {
        run_until(&p[i].dones, 1);
        CHECK_INT(p[i].ok ? ERR_NONE : p[i].err.code, code);
        CHECK(p[i].ok || strstr(p[i].err.message, "cannot resolve") != NULL);
        probe_deinit(&p[i]);
    }
}

static void test_names(void)
{
    struct transfers *shared = all;
    struct transfers_config c;
    struct server s;
    struct err err;
    char address[64];
    int questions = 0;
    struct evdns_server_port *names = start_names(address, sizeof address, &questions);

    server_start(&s);
    script(&s, (struct reply){.bytes = OK_HELLO});
    transfers_config_default(&c);
    c.nameserver = address;
    all = transfers_new(base, &c, &err);
    expect_named(&s, "provider.test", ERR_NONE);
    int asked = questions;
    CHECK(asked >= 1 && asked <= 2); /* IPv4, and IPv6 where the machine has it */
    expect_named(&s, "Provider.test", ERR_NONE);
    CHECK_INT(questions, asked);
    expect_named(&s, "nobody.test", ERR_UNAVAILABLE);
    CHECK(strstr(s.last, "Host: Provider.test") || strstr(s.last, "Host: provider.test"));
    transfers_free(all);
    all = shared;
    evdns_close_server_port(names);
    spin(3);
    server_stop(&s);
}

static void test_localhost(void)
{
    struct server s;
    struct probe p;
    char url[64];

    begin(&s, &p, OK_HELLO);
    snprintf(url, sizeof url, "http://localhost:%u/", s.port);
    start(&p, url, (struct transfer_request){0});
    run_until(&p.dones, 1);
    CHECK(p.ok);
    probe_deinit(&p);
    server_stop(&s);
}

static void test_proxy(void)
{
    struct transfers *shared = all;
    struct server s;
    struct probe p;
    char proxy[64];

    begin(&s, &p, OK_HELLO);
    snprintf(proxy, sizeof proxy, "http://127.0.0.1:%u", s.port);
    setenv("http_proxy", proxy, 1);
    all = fresh_transfers();
    start(&p, "http://nowhere.invalid/v1?x=1", (struct transfer_request){0});
    run_until(&p.dones, 1);
    CHECK(p.ok);
    CHECK(strncmp(s.last, "GET http://nowhere.invalid/v1?x=1 HTTP/1.1\r\n", 44) == 0);
    unsetenv("http_proxy");
    transfers_free(all);
    probe_deinit(&p);
    server_stop(&s);

    begin(&s, &p, "HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n");
    snprintf(proxy, sizeof proxy, "http://127.0.0.1:%u", s.port);
    setenv("https_proxy", proxy, 1);
    all = fresh_transfers();
    start(&p, "https://nowhere.invalid/v1", (struct transfer_request){0});
    run_until(&p.dones, 1);
    CHECK_INT(p.err.code, ERR_UNAVAILABLE);
    CHECK(strstr(p.err.message, "proxy answered 403") != NULL);
    CHECK(strncmp(s.last, "CONNECT nowhere.invalid:443 HTTP/1.1\r\n", 38) == 0);
    unsetenv("https_proxy");
    transfers_free(all);
    all = shared;
    probe_deinit(&p);
    server_stop(&s);
}

static void test_no_tls(void)
{
    struct server s;
    struct probe p;
    char url[64];

    begin(&s, &p, OK_HELLO);
    snprintf(url, sizeof url, "https://127.0.0.1:%u/", s.port);
    start(&p, url, (struct transfer_request){.connect_ms = 60});
    run_until(&p.dones, 1); /* the server waits for a line, we for a handshake */
    CHECK(!p.ok);
    CHECK(strstr(p.err.message, "connect timeout") != NULL);
    probe_deinit(&p);
    server_stop(&s);
}

int main(void)
{
    static const char *const variables[] = {"http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy",
                                            "ALL_PROXY",  "no_proxy",    "NO_PROXY"};

    signal(SIGPIPE, SIG_IGN);
    for (size_t i = 0; i < sizeof variables / sizeof *variables; i++)
        unsetenv(variables[i]);
    base = event_base_new();
    all = fresh_transfers();
    test_answers();
    test_head();
    test_request();
    test_methods();
    test_refused();
    test_timeouts();
    test_broken();
    test_packed_bomb();
    test_refused_connection();
    test_connect_timeout();
    test_keep_alive();
    test_reconnect();
    test_many();
    test_from_done();
    test_cancel();
    test_cancel_others();
    test_free_running();
    test_pause();
    test_pause_short();
    test_no_such_name();
    test_names();
    test_localhost();
    test_proxy();
    test_no_tls();
    transfers_free(all);
    spin(3);
    event_base_free(base);
    libevent_global_shutdown();
    return test_report("transfer");
}
