/* test_http - the server on loopback, with clients that behave, dawdle, leave and lie.
 * SPDX-License-Identifier: MIT */
#include "httphelp.h"

#include <signal.h>
#include <sys/resource.h>

#define HOST "Host: a\r\n"

struct app {
    struct server s;
    struct http_exchange *held[8];
    int holding, gone, rooms, requests;
    size_t flood_left; /* bytes /flood still has to send */
    bool ended;
};

static void on_gone(struct http_exchange *x, void *arg)
{
    struct app *a = arg;

    CHECK(*http_path(x) == '/');        /* still whole */
    http_reply(x, 200, NULL, 0, "", 0); /* too late, but harmless */
    a->gone++;
}

static void echo(struct http_exchange *x)
{
    struct span body = http_body(x);
    const struct http_header h[] = {{"Content-Type", "text/plain"}, {"X-Path", http_path(x)}};

    http_reply(x, 200, h, 2, body.p, body.n);
}

static void flood(struct http_exchange *x, void *arg)
{
    static const char piece[10000] = "xyz";
    struct app *a = arg;

    while (a->flood_left && !http_reply_blocked(x)) {
        http_reply_send(x, piece, sizeof piece);
        a->flood_left -= sizeof piece;
    }
    if (!a->flood_left) {
        a->ended = true;
        http_reply_end(x);
    }
}

static void on_room(struct http_exchange *x, void *arg)
{
    struct app *a = arg;

    CHECK(!http_reply_blocked(x));
    a->rooms++;
    flood(x, arg);
}

static void stream(struct http_exchange *x)
{
    const struct http_header h[] = {{"Content-Type", "text/event-stream"}};

    http_reply_start(x, 200, h, 1);
    http_reply_send(x, "one", 3);
    http_reply_send(x, "", 0);
    http_reply_send(x, "0123456789abcdef", 16);
}

static void hold(struct http_exchange *x, struct app *a)
{
    http_on_gone(x, on_gone, a);
    a->held[a->holding++ % 8] = x;
}

static void on_request(struct http_exchange *x, void *arg)
{
    struct app *a = arg;
    const char *path = http_path(x);

    a->requests++;
    if (strncmp(path, "/hold", 5) == 0) {
        hold(x, a);
    } else if (strcmp(path, "/stream") == 0) {
        stream(x);
        http_reply_end(x);
    } else if (strcmp(path, "/abort") == 0) {
        stream(x);
        http_reply_abort(x);
    } else if (strcmp(path, "/reset") == 0) {
        stream(x);
        http_reply_reset(x);
    } else if (strcmp(path, "/nothing") == 0) {
        http_reply_abort(x);
    } else if (strcmp(path, "/empty") == 0) {
        http_reply(x, 204, NULL, 0, "ignored", 7);
    } else if (strcmp(path, "/short") == 0) {
        const struct http_header h[] = {{"Content-Length", "100"}};
        http_reply_start(x, 200, h, 1);
        http_reply_send(x, "short", 5);
        http_reply_abort(x);
    } else if (strcmp(path, "/sized") == 0) {
        const struct http_header h[] = {{"Content-Length", "5"}};
        http_reply_start(x, 200, h, 1);
        http_reply_send(x, "sized-and-more", 14);
        http_reply_end(x);
    } else if (strcmp(path, "/inject") == 0) {
        const struct http_header h[] = {{"X-A", "b\r\nX-Evil: 1"},
                                        {"X\nY", "c"},
                                        {"X-Ok", "d"},
                                        {"Content-Length", "99"},
                                        {"Date", "never"}};
        http_reply(x, 200, h, 5, "", 0);
    } else if (strcmp(path, "/flood") == 0) {
        http_on_gone(x, on_gone, a);
        http_on_room(x, on_room, a);
        http_reply_start(x, 200, NULL, 0);
        flood(x, a);
    } else {
        echo(x);
    }
}

static struct http_limits usual(void)
{
    struct http_limits l;

    http_limits_default(&l);
    return l;
}

static void start(struct app *a, const struct http_limits *l)
{
    *a = (struct app){.holding = 0};
    server_start(&a->s, l, on_request, a);
}

static void stop(struct app *a)
{
    server_stop(&a->s);
}

/* ---- requests and answers ---- */

static void test_keep_alive(struct app *a)
{
    struct client c = dial(&a->s);

    put(&a->s, &c, "POST /one?q HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nhello");
    UNTIL(&a->s, has(&c, "hello"));
    CHECK(has(&c, "HTTP/1.1 200 OK\r\n"));
    CHECK(has(&c, "Content-Length: 5\r\n"));
    CHECK(has(&c, "X-Path: /one\r\n"));
    CHECK(has(&c, " GMT\r\n"));
    CHECK(!has(&c, "Connection:"));
    forget(&c);
    put(&a->s, &c, "\r\nPOST /two HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nagain");
    UNTIL(&a->s, has(&c, "again"));
    CHECK_INT(http_connections(a->s.http), 1);
    forget(&c);
    put(&a->s, &c,
        "GET /last HTTP/1.1\r\n" HOST "Connection: close\r\n\r\nGET /not HTTP/1.1\r\n\r\n");
    UNTIL(&a->s, ended(&c));
    CHECK(c.eof && has(&c, "Connection: close\r\n"));
    CHECK_INT(count(&c, "HTTP/1.1 "), 1);
    hang_up(&c);
    UNTIL(&a->s, http_connections(a->s.http) == 0);
}

static void test_accessors(struct app *a)
{
    struct client c = dial(&a->s);
    struct http_header h;
    size_t n;

    put(&a->s, &c,
        "POST /hold/a%20b?x=1&y HTTP/1.1\r\n" HOST "Accept: a\r\nContent-Length: 4\r\n"
        "X-Empty:\r\nACCEPT: b\r\naccept:c \r\n\r\nbody");
    UNTIL(&a->s, a->holding == 1);
    struct http_exchange *x = a->held[0];
    CHECK_STR(http_method(x), "POST");
    CHECK_STR(http_path(x), "/hold/a%20b");
    CHECK_STR(http_query(x), "x=1&y");
    CHECK_STR(http_header(x, "host"), "a");
    CHECK_STR(http_header(x, "x-empty"), "");
    CHECK_STR(http_header(x, "aCCept"), "a, b, c");
    CHECK(http_header(x, "accept") == http_header(x, "Accept"));
    CHECK(http_header(x, "accep") == NULL);
    CHECK(http_header_at(x, 5, &h) && strcmp(h.name, "accept") == 0 && strcmp(h.value, "c") == 0);
    CHECK(!http_header_at(x, 6, &h) && !http_header_at(x, -1, &h));
    CHECK(strncmp(http_peer(x), "127.0.0.1:", 10) == 0);
    CHECK_BYTES(http_body(x).p, http_body(x).n, "body");
    CHECK_INT(http_pending(a->s.http), 1);
    char *body = http_take_body(x, &n);
    CHECK_BYTES(body, n, "body");
    CHECK(http_body(x).p && http_body(x).n == 0);
    free(body);
    http_reply(x, 404, NULL, 0, "none", 4);
    CHECK_INT(http_pending(a->s.http), 0);
    UNTIL(&a->s, has(&c, "none"));
    CHECK(has(&c, "404 Not Found"));
    put(&a->s, &c, "GET http://x?hold HTTP/1.1\r\n" HOST "\r\n");
    UNTIL(&a->s, has(&c, "X-Path: /\r\n"));
    hang_up(&c);
}

static void test_pipelining(struct app *a)
{
    struct client c = dial(&a->s);

    put(&a->s, &c,
        "GET /hold1 HTTP/1.1\r\n" HOST "\r\nPOST /x HTTP/1.1\r\n" HOST
        "Content-Length: 3\r\n\r\nabcGET /hold2 HTTP/1.1\r\n" HOST "\r\n");
    UNTIL(&a->s, a->holding == 1);
    CHECK_INT(a->requests, 1); /* the others wait their turn */
    http_reply(a->held[0], 200, NULL, 0, "FIRST", 5);
    UNTIL(&a->s, a->holding == 2);
    CHECK_INT(a->requests, 3);
    http_reply(a->held[1], 200, NULL, 0, "THIRD", 5);
    UNTIL(&a->s, has(&c, "THIRD"));
    const char *first = memmem(c.got.data, c.got.len, "FIRST", 5);
    const char *second = memmem(c.got.data, c.got.len, "abc", 3);
    CHECK(first && second && first < second);
    CHECK_INT(count(&c, "HTTP/1.1 200"), 3);
    hang_up(&c);
}

static void test_many_pipelined(struct app *a)
{
    static const char one[] = "GET /p HTTP/1.1\r\n" HOST "\r\n";
    struct client c = dial(&a->s);

    for (int i = 0; i < 3000; i++)
        put(&a->s, &c, one);
    UNTIL(&a->s, (poll_client(&c), a->requests == 3000 && count(&c, "HTTP/1.1 200 OK") == 3000));
    hang_up(&c);
}

static void test_continue(struct app *a)
{
    struct client c = dial(&a->s);

    put(&a->s, &c, "POST / HTTP/1.1\r\n" HOST "Expect: 100-continue\r\nContent-Length: 3\r\n\r\n");
    UNTIL(&a->s, has(&c, "HTTP/1.1 100 Continue\r\n\r\n"));
    CHECK_INT(a->requests, 0);
    put(&a->s, &c, "abc");
    UNTIL(&a->s, has(&c, "abc"));
    forget(&c);
    put(&a->s, &c, "POST / HTTP/1.1\r\n" HOST "Expect: 100-continue\r\nContent-Length: 1\r\n\r\nz");
    UNTIL(&a->s, has(&c, "\r\n\r\nz"));
    CHECK(!has(&c, "100 Continue"));
    put(&a->s, &c, "POST / HTTP/1.1\r\n" HOST "Expect: wonders\r\nContent-Length: 1\r\n\r\n");
    UNTIL(&a->s, ended(&c));
    CHECK(has(&c, "HTTP/1.1 417 "));
    hang_up(&c);
}

static void test_bodies(struct app *a)
{
    enum { N = 300000 };
    static char big[N];
    struct client c = dial(&a->s);
    char head[128];

    put(&a->s, &c, "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
    put(&a->s, &c, "6;x=y\r\n world\r\n0\r\nT: u\r\n\r\nGET /next HTTP/1.1\r\n" HOST "\r\n");
    UNTIL(&a->s, has(&c, "X-Path: /next"));
    CHECK(has(&c, "hello world"));
    for (size_t size = 12000; size <= N; size += 144000) {
        forget(&c);
        for (size_t i = 0; i < size; i++)
            big[i] = (char)('a' + i % 23);
        snprintf(head, sizeof head, "PUT /b HTTP/1.1\r\n" HOST "Content-Length: %zu\r\n\r\n", size);
        put(&a->s, &c, head);
        put_n(&a->s, &c, big, size);
        put(&a->s, &c, "GET /next HTTP/1.1\r\n" HOST "\r\n");
        UNTIL(&a->s, has(&c, "X-Path: /next"));
        const char *body = memmem(c.got.data, c.got.len, "\r\n\r\n", 4);
        CHECK(body && memcmp(body + 4, big, size) == 0);
        CHECK(memcmp(body + 4 + size, "HTTP/1.1 200", 12) == 0);
    }
    forget(&c);
    put(&a->s, &c, "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n493e0\r\n");
    put_n(&a->s, &c, big, N);
    put(&a->s, &c, "\r\n0\r\n\r\n");
    UNTIL(&a->s, (poll_client(&c), c.got.len > N));
    UNTIL(&a->s, memcmp(c.got.data + c.got.len - N, big, N) == 0);
    hang_up(&c);
}

static void test_take_long_body(struct app *a)
{
    struct client c = dial(&a->s);
    static char big[50000];
    size_t n;

    memset(big, 'k', sizeof big);
    put(&a->s, &c, "PUT /hold HTTP/1.1\r\n" HOST "Content-Length: 50000\r\n\r\n");
    put_n(&a->s, &c, big, sizeof big);
    UNTIL(&a->s, a->holding == 1);
    char *body = http_take_body(a->held[0], &n);
    CHECK(n == sizeof big && memcmp(body, big, n) == 0);
    free(body);
    http_reply(a->held[0], 200, NULL, 0, "ok", 2);
    UNTIL(&a->s, has(&c, "\r\n\r\nok"));
    hang_up(&c);
}

static void test_versions(struct app *a)
{
    struct client c = dial(&a->s);

    put(&a->s, &c, "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    UNTIL(&a->s, has(&c, "Connection: keep-alive\r\n"));
    put(&a->s, &c, "GET /stream HTTP/1.0\r\n\r\n");
    UNTIL(&a->s, ended(&c));
    CHECK(c.eof && !has(&c, "chunked") && has(&c, "\r\n\r\none0123456789abcdef"));
    hang_up(&c);
    c = dial(&a->s);
    put(&a->s, &c, "GET /stream HTTP/1.1\r\n" HOST "\r\n");
    UNTIL(&a->s, has(&c, "\r\n\r\n3\r\none\r\n10\r\n0123456789abcdef\r\n0\r\n\r\n"));
    forget(&c);
    put(&a->s, &c,
        "HEAD /stream HTTP/1.1\r\n" HOST "\r\nHEAD /x HTTP/1.1\r\n" HOST
        "Content-Length: 3\r\n\r\nabcGET /empty HTTP/1.1\r\n" HOST "\r\n");
    UNTIL(&a->s, has(&c, "204 No Content"));
    CHECK(!has(&c, "one") && !has(&c, "abc") && !has(&c, "ignored"));
    CHECK(has(&c, "Content-Length: 3\r\n"));
    CHECK_INT(count(&c, "Content-Length"), 1);
    CHECK_INT(count(&c, "HTTP/1.1 2"), 3);
    hang_up(&c);
}

static void test_headers_out(struct app *a)
{
    struct client c = dial(&a->s);

    put(&a->s, &c, "GET /inject HTTP/1.1\r\n" HOST "\r\n");
    UNTIL(&a->s, has(&c, "\r\n\r\n"));
    CHECK(has(&c, "X-Ok: d\r\n") && has(&c, "Content-Length: 0\r\n"));
    CHECK(!has(&c, "Evil") && !has(&c, "Y: c") && !has(&c, "99") && !has(&c, "never"));
    forget(&c);
    put(&a->s, &c, "GET /sized HTTP/1.1\r\n" HOST "\r\nGET /on HTTP/1.1\r\n" HOST "\r\n");
    UNTIL(&a->s, has(&c, "X-Path: /on"));
    CHECK(has(&c, "Content-Length: 5\r\n\r\nsizedHTTP/1.1 200"));
    hang_up(&c);
}

/* ---- what http answers itself ---- */

static void expect_error(struct app *a, const char *request, const char *status, const char *why)
{
    struct client c = dial(&a->s);

    put(&a->s, &c, request);
    UNTIL(&a->s, ended(&c));
    CHECK(c.eof);
    CHECK(has(&c, status));
    CHECK(has(&c, why));
    CHECK(has(&c, "Connection: close\r\n") && has(&c, "application/json"));
    CHECK(has(&c, "\"type\":\"invalid_request_error\",\"param\":null,\"code\":null}}"));
    hang_up(&c);
}

static void test_errors(struct app *a)
{
    char line[400];

    expect_error(a, "GET / HTTP/1.1\r\n\r\n", " 400 Bad Request\r\n", "Host header is missing");
    expect_error(a, "GET / HTTP/3.0\r\n\r\n", " 505 ", "HTTP/1.1 and HTTP/1.0");
    expect_error(a, "GET / HTTP/1.1\r\n" HOST "Transfer-Encoding: gzip\r\n\r\n", " 501 ",
                 "chunked");
    expect_error(a, "PUT / HTTP/1.1\r\n" HOST "Content-Length: 1001\r\n\r\n", " 413 ",
                 "1000 bytes");
    expect_error(a, "PUT / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n3e9\r\n", " 413 ",
                 "1000 bytes");
    snprintf(line, sizeof line, "GET /%0*d HTTP/1.1\r\n" HOST "\r\n", 200, 0);
    expect_error(a, line, " 414 ", "longer than 100 bytes");
    snprintf(line, sizeof line, "GET / HTTP/1.1\r\n" HOST "A: %0*d\r\n\r\n", 300, 0);
    expect_error(a, line, " 431 ", "longer than 200 bytes");
    expect_error(a, "GET / HTTP/1.1\r\n" HOST "A:\r\nA:\r\nA:\r\n\r\n", " 431 ", "More than 3");
    CHECK_INT(a->requests, 0);
}

/* A client that sends a body nobody will read must still get to see the answer. */
static void test_lingering(struct app *a)
{
    static char big[1 << 20];
    struct client c = dial(&a->s);

    put(&a->s, &c, "PUT / HTTP/1.1\r\n" HOST "Content-Length: 1048576\r\n\r\n");
    put_n(&a->s, &c, big, sizeof big);
    UNTIL(&a->s, ended(&c));
    CHECK(c.eof && has(&c, " 413 "));
    hang_up(&c);
    UNTIL(&a->s, http_connections(a->s.http) == 0);
}

static void test_small_limits(void)
{
    struct http_limits l = usual();
    struct app a;

    l.line_max = 100;
    l.header_max = 200;
    l.header_count = 3;
    l.body_max = 1000;
    start(&a, &l);
    test_errors(&a);
    test_lingering(&a);
    stop(&a);
}

/* ---- clients that dawdle ---- */

static void expect_timeout(struct app *a, const char *request, const char *status)
{
    struct client c = dial(&a->s);

    put(&a->s, &c, request);
    UNTIL(&a->s, ended(&c));
    CHECK(c.eof);
    if (status)
        CHECK(has(&c, status));
    else
        CHECK_INT(c.got.len, 0);
    hang_up(&c);
}

static void test_timeouts(void)
{
    struct http_limits l = usual();
    struct app a;

    l.header_timeout_ms = l.body_timeout_ms = l.idle_timeout_ms = 20;
    start(&a, &l);
    expect_timeout(&a, "", NULL);
    expect_timeout(&a, "\r\n", NULL);
    expect_timeout(&a, "GET / HT", " 408 Request Timeout");
    expect_timeout(&a, "GET / HTTP/1.1\r\n" HOST "Content-Length: 9\r\n\r\nabc", " 408 ");
    expect_timeout(&a, "GET / HTTP/1.1\r\n" HOST "Content-Length: 99999\r\n\r\nabc", " 408 ");
    expect_timeout(&a, "GET / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n4\r\n",
                   " 408 ");
    CHECK_INT(a.requests, 0);
    expect_timeout(&a, "GET /x HTTP/1.1\r\n" HOST "\r\n", "X-Path: /x"); /* then idle */
    stop(&a);
}

/* The head's time runs from its first byte, however many trickle in. */
static void test_trickle(void)
{
    struct http_limits l = usual();
    struct app a;

    l.header_timeout_ms = 60;
    start(&a, &l);
    struct client c = dial(&a.s);
    put(&a.s, &c, "GET / HTTP/1.1\r\nA: ");
    int64_t end = now_ms() + PATIENCE_MS;
    while (!ended(&c) && now_ms() < end) {
        send(c.fd, "x", 1, MSG_NOSIGNAL);
        turn(&a.s);
    }
    CHECK(has(&c, " 408 "));
    hang_up(&c);
    stop(&a);
}

static void test_slow_reader(void)
{
    struct http_limits l = usual();
    struct app a;

    l.write_timeout_ms = 30;
    start(&a, &l);
    a.flood_left = 50 * 1000 * 1000;
    struct client c = dial(&a.s);
    put(&a.s, &c, "GET /flood HTTP/1.1\r\n" HOST "\r\n");
    UNTIL(&a.s, a.gone == 1); /* nobody reads */
    CHECK(!a.ended);
    CHECK_INT(http_connections(a.s.http), 0);
    hang_up(&c);
    stop(&a);
    CHECK_INT(a.gone, 1);
}

static void test_back_pressure(void)
{
    enum { TOTAL = 30 * 1000 * 1000 };
    struct http_limits l = usual();
    struct app a;

    l.out_high = 100000;
    start(&a, &l);
    a.flood_left = TOTAL;
    struct client c = dial(&a.s);
    put(&a.s, &c, "GET /flood HTTP/1.1\r\n" HOST "\r\n");
    size_t left;
    int64_t quiet = now_ms() + 50;
    do { /* until the kernel's buffers are full and nothing moves */
        left = a.flood_left;
        turn(&a.s);
        if (left != a.flood_left)
            quiet = now_ms() + 50;
    } while (now_ms() < quiet);
    CHECK(a.flood_left > 0 && !a.ended);
    int rooms = a.rooms;
    UNTIL(&a.s, has(&c, "\r\n0\r\n\r\n"));
    CHECK(a.ended && a.rooms > rooms);
    CHECK(c.got.len > TOTAL);
    hang_up(&c);
    stop(&a);
    CHECK_INT(a.gone, 0);
}

/* Answers that nobody reads stop the pipeline too. */
static void test_pipeline_back_pressure(void)
{
    enum { N = 150, SIZE = 200000 }; /* more than the kernel holds */
    static const char head[] = "PUT /e HTTP/1.1\r\n" HOST "Content-Length: 200000\r\n\r\n";
    static char all[N * (sizeof head - 1 + SIZE)];
    struct http_limits l = usual();
    struct app a;
    size_t sent = 0;

    for (size_t i = 0; i < N; i++)
        memcpy(all + i * (sizeof head - 1 + SIZE), head, sizeof head - 1);
    l.out_high = 1000;
    start(&a, &l);
    struct client c = dial(&a.s);
    int64_t quiet = now_ms() + 50;
    do {
        ssize_t n = send(c.fd, all + sent, sizeof all - sent, MSG_NOSIGNAL);
        sent += n > 0 ? (size_t)n : 0;
        quiet = n > 0 ? now_ms() + 50 : quiet;
        turn(&a.s);
    } while (now_ms() < quiet);
    CHECK(sent < sizeof all && a.requests < N);
    put_n(&a.s, &c, all + sent, sizeof all - sent); /* now the client reads as well */
    UNTIL(&a.s, (poll_client(&c), c.got.len > (size_t)N * SIZE && a.requests == N));
    UNTIL(&a.s, (poll_client(&c), count(&c, "HTTP/1.1 200 OK") == N));
    hang_up(&c);
    stop(&a);
}

/* ---- clients that leave, servers that break off ---- */

static void leave(struct app *a, const char *request, bool reset)
{
    struct client c = dial(&a->s);
    int before = a->gone, holding = a->holding;

    put(&a->s, &c, request);
    UNTIL(&a->s, a->holding == holding + 1);
    if (reset)
        setsockopt(c.fd, SOL_SOCKET, SO_LINGER, &(struct linger){1, 0}, sizeof(struct linger));
    hang_up(&c);
    UNTIL(&a->s, a->gone == before + 1);
    CHECK_INT(http_pending(a->s.http), 0);
    CHECK_INT(http_connections(a->s.http), 0);
    turn(&a->s);
    CHECK_INT(a->gone, before + 1);
}

static void test_leaving(struct app *a)
{
    static char flood[50000]; /* more than is kept, less than the kernel holds */
    struct client c;

    leave(a, "GET /hold HTTP/1.1\r\n" HOST "\r\n", false);
    leave(a, "GET /hold HTTP/1.1\r\n" HOST "\r\n", true);
    leave(a, "GET /hold HTTP/1.1\r\n" HOST "\r\nGET /x HTTP/1.1\r\n", false);
    /* so much behind the request that reading has paused: leaving is seen all the same */
    c = dial(&a->s);
    int holding = a->holding, gone = a->gone;
    put(&a->s, &c, "GET /hold HTTP/1.1\r\n" HOST "\r\n");
    UNTIL(&a->s, a->holding == holding + 1);
    memset(flood, 'x', sizeof flood);
    ssize_t sent = send(c.fd, flood, sizeof flood, MSG_NOSIGNAL);
    CHECK_INT(sent, sizeof flood);
    for (int i = 0; i < 50; i++)
        turn(&a->s);
    CHECK_INT(a->gone, gone);
    hang_up(&c);
    UNTIL(&a->s, a->gone == gone + 1);
    /* half a request */
    c = dial(&a->s);
    put(&a->s, &c, "GET /hold HTT");
    UNTIL(&a->s, http_connections(a->s.http) == 1);
    hang_up(&c);
    UNTIL(&a->s, http_connections(a->s.http) == 0);
}

/* A client that sends everything and ends its side gets an answer that is there at once. */
static void test_half_close(struct app *a)
{
    struct client c = dial(&a->s);

    put(&a->s, &c, "GET /now HTTP/1.1\r\n" HOST "\r\n");
    shutdown(c.fd, SHUT_WR);
    UNTIL(&a->s, ended(&c));
    CHECK(c.eof && has(&c, "X-Path: /now"));
    hang_up(&c);
    UNTIL(&a->s, http_connections(a->s.http) == 0);
}

static void test_breaking_off(struct app *a)
{
    struct client c = dial(&a->s);

    put(&a->s, &c, "GET /abort HTTP/1.1\r\n" HOST "\r\n");
    UNTIL(&a->s, ended(&c));
    CHECK(c.eof && has(&c, "0123456789abcdef\r\n") && !has(&c, "\r\n0\r\n"));
    hang_up(&c);
    c = dial(&a->s);
    put(&a->s, &c, "GET /abort HTTP/1.0\r\n\r\n"); /* an end would look complete */
    UNTIL(&a->s, ended(&c));
    CHECK(c.reset);
    hang_up(&c);
    c = dial(&a->s);
    put(&a->s, &c, "GET /reset HTTP/1.1\r\n" HOST "\r\n");
    UNTIL(&a->s, ended(&c));
    CHECK(c.reset && c.got.len == 0);
    hang_up(&c);
    c = dial(&a->s);
    put(&a->s, &c, "GET /short HTTP/1.1\r\n" HOST "\r\n");
    UNTIL(&a->s, ended(&c));
    CHECK(c.eof && has(&c, "Content-Length: 100\r\n\r\nshort"));
    hang_up(&c);
    c = dial(&a->s);
    put(&a->s, &c, "GET /nothing HTTP/1.1\r\n" HOST "\r\n");
    UNTIL(&a->s, ended(&c));
    CHECK(c.eof && c.got.len == 0);
    hang_up(&c);
    UNTIL(&a->s, http_connections(a->s.http) == 0);
}

/* ---- the server's own ends ---- */

static void test_drain(void)
{
    struct http_limits l = usual();
    struct app a;

    start(&a, &l);
    struct client idle = dial(&a.s), busy = dial(&a.s), half = dial(&a.s);
    put(&a.s, &idle, "GET /x HTTP/1.1\r\n" HOST "\r\n");
    put(&a.s, &busy, "GET /hold HTTP/1.1\r\n" HOST "\r\n");
    put(&a.s, &half, "GET /y HTTP/1.1\r\n");
    UNTIL(&a.s, a.holding == 1 && has(&idle, "/x") && http_connections(a.s.http) == 3);
    UNTIL(&a.s, (turn(&a.s), true));
    http_drain(a.s.http);
    UNTIL(&a.s, ended(&idle));
    CHECK_INT(http_connections(a.s.http), 2);
    put(&a.s, &half, HOST "\r\n");
    http_reply(a.held[0], 200, NULL, 0, "late", 4);
    UNTIL(&a.s, ended(&busy) && ended(&half));
    CHECK(has(&busy, "late") && has(&busy, "Connection: close"));
    CHECK(has(&half, "X-Path: /y") && has(&half, "Connection: close"));
    hang_up(&idle);
    hang_up(&busy);
    hang_up(&half);
    UNTIL(&a.s, http_connections(a.s.http) == 0);
    stop(&a);
}

static void test_free_pending(void)
{
    struct http_limits l = usual();
    struct app a;

    start(&a, &l);
    struct client c = dial(&a.s), d = dial(&a.s);
    put(&a.s, &c, "GET /hold HTTP/1.1\r\n" HOST "\r\n");
    put(&a.s, &d, "GET /hold HTTP/1.1\r\n" HOST "\r\n");
    UNTIL(&a.s, a.holding == 2);
    stop(&a);
    CHECK_INT(a.gone, 2);
    hang_up(&c);
    hang_up(&d);
    http_free(NULL);
}

static void test_connections_max(void)
{
    struct http_limits l = usual();
    struct app a;

    l.connections_max = 1;
    start(&a, &l);
    struct client c = dial(&a.s), d = dial(&a.s);
    put(&a.s, &d, "GET /d HTTP/1.1\r\n" HOST "\r\n");
    put(&a.s, &c, "GET /c HTTP/1.1\r\n" HOST "\r\n");
    UNTIL(&a.s, has(&c, "X-Path: /c"));
    for (int i = 0; i < 10; i++)
        turn(&a.s);
    CHECK(!has(&d, "/d"));
    CHECK_INT(http_connections(a.s.http), 1);
    hang_up(&c);
    UNTIL(&a.s, has(&d, "X-Path: /d"));
    hang_up(&d);
    stop(&a);
}

static void test_no_descriptors(void)
{
    struct http_limits l = usual();
    struct rlimit old, low;
    struct app a;

    start(&a, &l);
    struct client c = dial(&a.s);
    put(&a.s, &c, "GET /c HTTP/1.1\r\n" HOST "\r\n");
    getrlimit(RLIMIT_NOFILE, &old);
    low = old;
    low.rlim_cur = (rlim_t)c.fd + 1;
    setrlimit(RLIMIT_NOFILE, &low);
    for (int i = 0; i < 10; i++)
        turn(&a.s);
    CHECK_INT(http_connections(a.s.http), 0);
    setrlimit(RLIMIT_NOFILE, &old);
    UNTIL(&a.s, has(&c, "X-Path: /c"));
    hang_up(&c);
    stop(&a);
}

/* ---- addresses ---- */

static int dial_unix(const char *path)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    memcpy(a.sun_path, path, strlen(path) + 1);
    CHECK_INT(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    return fd;
}

static void test_unix(void)
{
    char dir[] = "/tmp/baton-http-XXXXXX", address[96], path[64];
    struct http_limits l = usual();
    struct err err;
    struct app a;

    CHECK(mkdtemp(dir) != NULL);
    snprintf(path, sizeof path, "%s/s", dir);
    snprintf(address, sizeof address, "unix:%s", path);
    start(&a, &l);
    /* a socket file that a dead process left */
    struct sockaddr_un old = {.sun_family = AF_UNIX};
    memcpy(old.sun_path, path, strlen(path) + 1);
    int stale = socket(AF_UNIX, SOCK_STREAM, 0);
    CHECK_INT(bind(stale, (struct sockaddr *)&old, sizeof old), 0);
    close(stale);
    CHECK_INT(http_listen(a.s.http, address, &err), 0);
    CHECK_STR(http_address(a.s.http), address);
    CHECK_INT(http_listen(a.s.http, address, &err), -1); /* alive: not taken away */
    struct client c = {.fd = dial_unix(path)};
    buf_init(&c.got, 1 << 20);
    put(&a.s, &c, "GET /hold HTTP/1.1\r\n" HOST "\r\n");
    UNTIL(&a.s, a.holding == 1);
    CHECK_STR(http_peer(a.held[0]), "unix");
    http_reply(a.held[0], 200, NULL, 0, "there", 5);
    UNTIL(&a.s, has(&c, "there"));
    hang_up(&c);
    stop(&a);
    CHECK(access(path, F_OK) < 0);
    CHECK_INT(rmdir(dir), 0);
}

static void test_addresses(void)
{
    static const char *const wrong[] = {
        "",       "localhost", "127.0.0.1:", "127.0.0.1:x",  "1:65536",
        "::1:80", "[::1]",     "unix:",      "127.0.0.1:-1", "256.1.1.1:0"};
    struct http_limits l = usual();
    struct err err;
    struct app a;
    char taken[32];

    start(&a, &l);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        CHECK_INT(http_listen(a.s.http, wrong[i], &err), -1);
    snprintf(taken, sizeof taken, "127.0.0.1:%d", a.s.port);
    CHECK_INT(http_listen(a.s.http, taken, &err), -1);
    CHECK(strstr(err.message, "Address already in use"));
    CHECK_INT(http_listen(a.s.http, ":0", &err), 0);
    CHECK(strstr(http_address(a.s.http), ":") != NULL);
    a.s.port = atoi(strrchr(http_address(a.s.http), ':') + 1);
    struct client c = dial(&a.s);
    put(&a.s, &c, "GET /hold HTTP/1.1\r\n" HOST "\r\n");
    UNTIL(&a.s, a.holding == 1);
    CHECK(strncmp(http_peer(a.held[0]), "127.0.0.1:", 10) == 0);
    hang_up(&c);
    if (http_listen(a.s.http, "[::1]:0", &err) == 0)
        CHECK(strncmp(http_address(a.s.http), "[::1]:", 6) == 0);
    stop(&a);
}

static void test_given_socket(void)
{
    struct http_limits l = usual();
    struct app a = {.holding = 0};
    struct sockaddr_in any = {.sin_family = AF_INET};
    struct err err;

    any.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(bind(fd, (struct sockaddr *)&any, sizeof any) == 0 && listen(fd, 8) == 0);
    server_base(&a.s);
    a.s.http = http_new(a.s.base, &l, on_request, &a, &err);
    CHECK_INT(http_listen_fd(a.s.http, fd, &err), 0);
    a.s.port = atoi(strrchr(http_address(a.s.http), ':') + 1);
    struct client c = dial(&a.s);
    put(&a.s, &c, "GET /f HTTP/1.1\r\n" HOST "\r\n");
    UNTIL(&a.s, has(&c, "X-Path: /f"));
    hang_up(&c);
    stop(&a);
    CHECK_INT(close(fd), 0); /* it was left to us */
}

static void with_server(void (*test)(struct app *a))
{
    struct http_limits l = usual();
    struct app a;

    start(&a, &l);
    test(&a);
    stop(&a);
    CHECK(a.s.http == NULL);
}

int main(void)
{
    with_server(test_keep_alive);
    with_server(test_accessors);
    with_server(test_pipelining);
    with_server(test_many_pipelined);
    with_server(test_continue);
    with_server(test_bodies);
    with_server(test_take_long_body);
    with_server(test_versions);
    with_server(test_headers_out);
    test_small_limits();
    test_timeouts();
    test_trickle();
    test_slow_reader();
    test_back_pressure();
    test_pipeline_back_pressure();
    with_server(test_leaving);
    with_server(test_half_close);
    with_server(test_breaking_off);
    test_drain();
    test_free_pending();
    test_connections_max();
    test_no_descriptors();
    test_unix();
    test_addresses();
    test_given_socket();
    return test_report("http");
}
