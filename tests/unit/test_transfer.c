/* test_transfer - HTTP out against a server in this process that answers by script: well, badly, or
 * not. SPDX-License-Identifier: MIT */
#include "transferhelp.h"

#include <event2/dns.h>
#include <event2/dns_struct.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>

/* ---- answers that come ---- */

static void test_answers(void)
{
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
}

/* ---- packed answers ---- */

/* 'window' as zlib means it: 31 gzip, 15 zlib, -15 bare. The answer lacks its last 'less' bytes. */
static struct reply packed(const char *coding, int window, size_t less)
{
    static char bytes[512];
    int head = snprintf(bytes, sizeof bytes, OK_HEAD "Content-Encoding: %s\r\n\r\n", coding);
    z_stream z = {.next_in = (Bytef *)(uintptr_t) "hello", .avail_in = 5};

    CHECK(deflateInit2(&z, 9, Z_DEFLATED, window, 8, Z_DEFAULT_STRATEGY) == Z_OK);
    z.next_out = (Bytef *)bytes + head;
    z.avail_out = (uInt)(sizeof bytes - (size_t)head);
    CHECK(deflate(&z, Z_FINISH) == Z_STREAM_END);
    size_t n = (size_t)head + z.total_out - less;
    deflateEnd(&z);
    return (struct reply){.bytes = bytes, .n = n, .then = CLOSE};
}

static void test_packed(void)
{
    const struct transfer_request plain = {0};

    expect_body(packed("gzip", 31, 0), "hello");
    expect_body(packed("X-GZip", 31, 0), "hello");
    expect_body(packed("deflate", 15, 0), "hello");
    expect_body(packed("deflate", -15, 0), "hello");
    expect_body((struct reply){.bytes = OK_HEAD
                               "Content-Encoding: identity\r\nContent-Length: 2\r\n\r\nhi"},
                "hi");
    expect_body(
        (struct reply){.bytes = OK_HEAD "Content-Encoding: gzip\r\nContent-Length: 0\r\n\r\n"}, "");
    expect_error(packed("gzip", 31, 2), plain, ERR_BAD_RESPONSE, "cut short");
    expect_error(packed("gzip", -15, 0), plain, ERR_BAD_RESPONSE, "not packed as it says");
    expect_error(packed("gzip, br", 31, 0), plain, ERR_BAD_RESPONSE, "encoding gzip, br");
}

static void test_head(void)
{
    struct probe p;

    once(&p,
         (struct reply){
             .bytes = "HTTP/1.1 429 Slow\r\nContent-Type:  a/b \r\nContent-Length: 2\r\n\r\n{}"},
         (struct transfer_request){0});
    CHECK(p.ok);
    CHECK_INT(p.status, 429);
    CHECK(strstr(p.headers, "Content-Type:  a/b") != NULL);
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

/* How a message ends is not the caller's to say. */
static void test_framing_headers(void)
{
    const char *headers[] = {"content-length: 999", "Transfer-Encoding: chunked",
                             "CONNECTION: close", "Accept: x/y", "Host: elsewhere"};
    struct transfer_request r = {
        .method = "POST", .headers = headers, .header_count = 5, .body = SPAN("abc")};
    struct server s;
    struct probe p;

    server_start(&s);
    script(&s, (struct reply){.bytes = OK_HELLO});
    probe_init(&p);
    start(&p, url_of(&s, "?q"), r);
    run_until(&p.dones, 1);
    char wanted[512];
    snprintf(wanted, sizeof wanted,
             "POST /?q HTTP/1.1\r\nUser-Agent: baton/%s\r\nAccept: x/y\r\n"
             "Host: elsewhere\r\nContent-Length: 3\r\n\r\nabc",
             BATON_VERSION);
    CHECK_STR(s.last, wanted);
    probe_deinit(&p);
    server_stop(&s);
}

/* Larger than what goes out with the head; and answered before it is there. */
static void test_large_body(void)
{
    enum { LARGE = 8 * 1024 * 1024 };
    struct server s;
    char *large = calloc(1, LARGE);

    memset(large, 'x', LARGE);
    server_start(&s);
    script(&s, (struct reply){.bytes = OK_HELLO});
    for (int i = 0; i < 2; i++)
        get(&s, "POST", (struct span){large, LARGE});
    CHECK_INT(s.connections, 1);
    CHECK_INT(s.requests, 2);
    s.early = true;
    get(&s, "POST", (struct span){large, LARGE});
    s.early = false;
    get(&s, "GET", (struct span){0});
    CHECK_INT(s.connections, 2);
    free(large);
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
        (struct reply){.bytes = OK_HEAD "Content-Encoding: br\r\nContent-Length: 1\r\n\r\nx"},
        plain, ERR_BAD_RESPONSE, "encoding br");
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

/* Two bytes too many: the next request must not take them for its answer. */
static void test_leftover(void)
{
    struct server s;

    server_start(&s);
    script(&s, (struct reply){.bytes = OK_HELLO "xx"});
    get(&s, "GET", (struct span){0});
    get(&s, "GET", (struct span){0});
    CHECK_INT(s.connections, 2);
    server_stop(&s);

    server_start(&s);
    script(&s, (struct reply){.bytes = OK_HEAD "Connection: close\r\nContent-Length: 0\r\n\r\n"});
    get(&s, "GET", (struct span){0});
    get(&s, "GET", (struct span){0});
    CHECK_INT(s.connections, 2);
    CHECK_INT(s.closed, 1);
    server_stop(&s);
}

/* A kept connection that breaks in the answer is no reason to ask again; nor is a new one. */
static void test_no_retry(void)
{
    struct server s;
    struct probe p;

    server_start(&s);
    script(&s, (struct reply){.bytes = OK_HELLO});
    script(&s, (struct reply){.bytes = "HTTP/1.1 2", .then = CLOSE});
    get(&s, "POST", SPAN("x"));
    probe_init(&p);
    start(&p, url_of(&s, "/"), (struct transfer_request){.method = "POST", .body = SPAN("x")});
    run_until(&p.dones, 1);
    CHECK(!p.ok);
    CHECK_INT(s.requests, 2);
    probe_deinit(&p);
    server_stop(&s);

    server_start(&s);
    script(&s, (struct reply){.bytes = OK_HELLO});
    script(&s, (struct reply){.bytes = "", .then = RESET});
    script(&s, (struct reply){.bytes = "", .then = RESET});
    get(&s, "POST", SPAN("x"));
    probe_init(&p);
    start(&p, url_of(&s, "/"), (struct transfer_request){.method = "POST", .body = SPAN("x")});
    run_until(&p.dones, 1);
    CHECK_INT(p.err.code, ERR_UNAVAILABLE);
    CHECK_INT(s.requests, 3); /* again once, on a new one */
    probe_deinit(&p);
    server_stop(&s);
}

/* Many requests to two servers, few connections: all come, in turn. */
static void test_limits(int in_all, int per_host, int expected)
{
    enum { MANY = 40 };
    static struct probe p[MANY];
    struct transfers *shared = all;
    struct transfers_config c;
    struct server s[2];
    struct err err;

    transfers_config_default(&c);
    c.connections_max = in_all;
    c.connections_per_host = per_host;
    all = transfers_new(base, &c, &err);
    for (int i = 0; i < 2; i++) {
        server_start(&s[i]);
        script(&s[i], (struct reply){.bytes = OK_HELLO});
    }
    for (int i = 0; i < MANY; i++) {
        probe_init(&p[i]);
        start(&p[i], url_of(&s[i / 5 % 2], "/"), (struct transfer_request){.connect_ms = 5000});
    }
    transfer_cancel(p[MANY - 1].t); /* while it waits */
    for (int i = 0; i < MANY - 1; i++) {
        run_until(&p[i].dones, 1);
        CHECK(p[i].ok);
        probe_deinit(&p[i]);
    }
    CHECK_INT(s[0].requests + s[1].requests, MANY - 1);
    CHECK(s[0].connections + s[1].connections - s[0].closed - s[1].closed <= expected);
    transfers_free(all);
    all = shared;
    server_stop(&s[0]);
    server_stop(&s[1]);
}

/* The request that must be sent again waits behind another; then a kept connection stands where its
 * new one must be. */
static void test_retry_at_limit(void)
{
    struct transfers *shared = all;
    struct transfers_config c;
    struct server s;
    struct probe p, q;
    struct err err;

    transfers_config_default(&c);
    c.connections_per_host = 1;
    all = transfers_new(base, &c, &err);
    server_start(&s);
    script(&s, (struct reply){.bytes = OK_HELLO});
    script(&s, (struct reply){.bytes = "", .then = CLOSE});
    script(&s, (struct reply){.bytes = OK_HELLO});
    get(&s, "GET", (struct span){0});
    probe_init(&p);
    probe_init(&q);
    start(&p, url_of(&s, "/"), (struct transfer_request){0});
    start(&q, url_of(&s, "/"), (struct transfer_request){0});
    run_until(&p.dones, 1);
    CHECK(p.ok && q.ok);
    CHECK_INT(s.connections, 3);
    CHECK_INT(s.requests, 4);
    probe_deinit(&p);
    probe_deinit(&q);
    transfers_free(all);
    all = shared;
    server_stop(&s);
}

/* Who waits for a connection has a time limit, too. */
static void test_wait_limit(void)
{
    struct transfers *shared = all;
    struct transfers_config c;
    struct server s;
    struct probe p, q;
    struct err err;

    transfers_config_default(&c);
    c.connections_per_host = 1;
    all = transfers_new(base, &c, &err);
    begin(&s, &p, "");
    probe_init(&q);
    start(&p, url_of(&s, "/"), (struct transfer_request){0});
    start(&q, url_of(&s, "/"), (struct transfer_request){.connect_ms = 40});
    run_until(&q.dones, 1);
    CHECK(strstr(q.err.message, "connect timeout") != NULL);
    CHECK_INT(p.dones, 0);
    transfers_free(all);
    all = shared;
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

/* What only libcurl can: a user in the URL, dot segments. */
static void test_special_urls(void)
{
    const char *headers[] = {"A: b", "Content-Length: 999", "Connection: close"};
    struct server s;
    struct probe p;
    char url[64];

    begin(&s, &p, OK_HELLO);
    snprintf(url, sizeof url, "http://user:pw@127.0.0.1:%u/a/../b", s.port);
    start(&p, url,
          (struct transfer_request){
              .method = "POST", .body = SPAN("x"), .headers = headers, .header_count = 3});
    run_until(&p.dones, 1);
    CHECK(p.ok);
    CHECK(strncmp(s.last, "POST /b HTTP/1.1\r\n", 18) == 0);
    CHECK(strstr(s.last, "\r\nAuthorization: Basic ") != NULL);
    CHECK(strstr(s.last, "\r\nA: b\r\n") != NULL);
    CHECK(strstr(s.last, "\r\nContent-Length: 1\r\n") != NULL);
    CHECK(strstr(s.last, "999") == NULL && strstr(s.last, "Connection") == NULL);
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
    test_packed();
    test_head();
    test_request();
    test_framing_headers();
    test_large_body();
    test_methods();
    test_refused();
    test_timeouts();
    test_broken();
    test_packed_bomb();
    test_refused_connection();
    test_connect_timeout();
    test_keep_alive();
    test_reconnect();
    test_leftover();
    test_no_retry();
    test_limits(3, 0, 3);
    test_limits(0, 2, 4);
    test_limits(1, 1, 1);
    test_retry_at_limit();
    test_wait_limit();
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
    test_special_urls();
    test_no_tls();
    transfers_free(all);
    spin(3);
    event_base_free(base);
    libevent_global_shutdown();
    return test_report("transfer");
}
