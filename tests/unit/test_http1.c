/* test_http1 - the request parser: every rule, each request fed whole, bytewise, and cut
 * everywhere. SPDX-License-Identifier: MIT */
#include "http1.h"
#include "testhelp.h"

enum { FIELDS = 8, BODY = 64 };

static const struct http1_limits limits = {
    .line_max = 64, .header_max = 200, .header_count = FIELDS, .body_max = BODY};

struct outcome {
    int status; /* 0: accepted */
    bool more;  /* not complete */
    size_t used;
    char body[BODY + 1];
    size_t body_len;
    char path[80], query[80];
    bool keep_alive, expect;
    int fields;
};

static void take(struct outcome *o, struct span piece)
{
    CHECK(o->body_len + piece.n <= BODY);
    if (o->body_len + piece.n > BODY)
        return;
    memcpy(o->body + o->body_len, piece.p, piece.n);
    o->body_len += piece.n;
}

static void note_head(struct outcome *o, const struct http1 *p, const char *data)
{
    snprintf(o->path, sizeof o->path, "%.*s", (int)p->path.n, data + p->path.at);
    snprintf(o->query, sizeof o->query, "%.*s", (int)p->query.n, data + p->query.at);
    o->keep_alive = p->keep_alive;
    o->expect = p->expect_continue;
    o->fields = p->field_count;
}

/* Feeds s in pieces: 'first' bytes, then steps of 'step'. */
static struct outcome feed(const char *s, size_t n, size_t first, size_t step)
{
    struct http1_field fields[FIELDS];
    struct http1 p;
    struct outcome o = {.more = true};
    size_t body_at = 0;

    http1_init(&p, &limits, fields);
    for (size_t got = first;; got = got + step < n ? got + step : n) {
        enum http1_result r = http1_head(&p, s, got);
        if (r == HTTP1_DONE) {
            if (!body_at)
                note_head(&o, &p, s);
            body_at = body_at ? body_at : p.head_len;
            struct span in = {s + body_at, got - body_at}, piece;
            while ((r = http1_body(&p, &in, &piece)) == HTTP1_DATA)
                take(&o, piece);
            body_at = got - in.n;
        }
        o.used = body_at;
        o.more = r == HTTP1_MORE;
        o.status = r == HTTP1_ERROR ? p.status : 0;
        if (r == HTTP1_ERROR)
            CHECK(*p.why);
        if (got == n || r == HTTP1_ERROR || r == HTTP1_DONE)
            return o;
    }
}

static bool alike(const struct outcome *a, const struct outcome *b)
{
    return a->status == b->status && a->more == b->more && a->used == b->used &&
           a->body_len == b->body_len && memcmp(a->body, b->body, a->body_len) == 0 &&
           strcmp(a->path, b->path) == 0 && strcmp(a->query, b->query) == 0 &&
           a->keep_alive == b->keep_alive && a->expect == b->expect && a->fields == b->fields;
}

static struct outcome parse_n(const char *s, size_t n)
{
    struct outcome whole = feed(s, n, n, 1);
    struct outcome bytes = feed(s, n, 0, 1);

    /* an error ends a run where it is seen: how much was used then does not matter */
    if (whole.status)
        whole.used = bytes.used = 0;
    CHECK(alike(&whole, &bytes));
    for (size_t cut = 1; cut < n; cut++) {
        struct outcome two = feed(s, n, cut, n);
        if (whole.status)
            two.used = 0;
        if (!alike(&whole, &two))
            fprintf(stderr, "cut at %zu: %s\n", cut, s);
        CHECK(alike(&whole, &two));
    }
    return whole;
}

static struct outcome parse(const char *s)
{
    return parse_n(s, strlen(s));
}

#define HOST    "Host: a\r\n"
#define GET     "GET / HTTP/1.1\r\n" HOST
#define CHUNKED "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"

static void refused(int status, const char *s)
{
    struct outcome o = parse(s);

    if (o.status != status)
        fprintf(stderr, "in: %s\n", s);
    CHECK_INT(o.status, status);
}

static void accepted(const char *s, const char *body)
{
    struct outcome o = parse(s);

    if (o.status || o.more)
        fprintf(stderr, "in: %s\n", s);
    CHECK_INT(o.status, 0);
    CHECK(!o.more);
    CHECK_BYTES(o.body, o.body_len, body);
}

static void waits(const char *s)
{
    struct outcome o = parse(s);

    CHECK_INT(o.status, 0);
    CHECK(o.more);
}

static void test_request_line(void)
{
    accepted(GET "\r\n", "");
    accepted("\r\n\r\n" GET "\r\n", "");
    accepted("GET /x HTTP/1.0\r\n\r\n", "");
    accepted("!#$%&'*+-.^_`|~09 / HTTP/1.1\r\n" HOST "\r\n", "");
    accepted("OPTIONS * HTTP/1.1\r\n" HOST "\r\n", "");
    refused(400, "\n" GET "\r\n");
    refused(400, "\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n");
    refused(400, "GET  / HTTP/1.1\r\n" HOST "\r\n");
    refused(400, " GET / HTTP/1.1\r\n" HOST "\r\n");
    refused(400, "GET / HTTP/1.1 \r\n" HOST "\r\n");
    refused(400, "GET /\r\n\r\n");
    refused(400, "GET\r\n\r\n");
    refused(400, "GET / HTTP/1.1\n" HOST "\r\n");
    refused(400, "GET / HTTP/1.1\r\r\n" HOST "\r\n");
    refused(400, "G(T / HTTP/1.1\r\n" HOST "\r\n");
    refused(400, "GET /a b HTTP/1.1\r\n" HOST "\r\n");
    refused(400, "GET /\x01 HTTP/1.1\r\n" HOST "\r\n");
    refused(400, "GET /\xc3\xa4 HTTP/1.1\r\n" HOST "\r\n");
    refused(400, "GET / http/1.1\r\n" HOST "\r\n");
    refused(400, "GET / FTP/1.1\r\n" HOST "\r\n");
    refused(400, "GET / HTTP/1.10\r\n" HOST "\r\n");
    refused(505, "GET / HTTP/2.0\r\n\r\n");
    refused(505, "GET / HTTP/1.2\r\n" HOST "\r\n");
    refused(505, "GET / HTTP/0.9\r\n\r\n");
    refused(400, "\x16\x03\x01");
    waits("GET / HTT");
    waits("\r\n");
}

static void test_targets(void)
{
    struct outcome o = parse("GET /a/b?c=d?e#f HTTP/1.1\r\n" HOST "\r\n");
    CHECK_STR(o.path, "/a/b");
    CHECK_STR(o.query, "c=d?e");
    o = parse("GET http://h.example:80/p?q HTTP/1.1\r\n" HOST "\r\n");
    CHECK_STR(o.path, "/p");
    CHECK_STR(o.query, "q");
    o = parse("GET HTTPS://h?q HTTP/1.1\r\n" HOST "\r\n");
    CHECK_STR(o.path, "");
    CHECK_STR(o.query, "q");
    accepted("GET http://[::1]:1 HTTP/1.1\r\n" HOST "\r\n", "");
    refused(400, "GET a:443 HTTP/1.1\r\n" HOST "\r\n");
    refused(400, "GET http:// HTTP/1.1\r\n" HOST "\r\n");
    refused(400, "GET http://:80/ HTTP/1.1\r\n" HOST "\r\n");
    refused(400, "GET http://u:p@h/ HTTP/1.1\r\n" HOST "\r\n");
    refused(400, "GET ftp://h/ HTTP/1.1\r\n" HOST "\r\n");
    refused(400, "GET * HTTP/1.1\r\n" HOST "\r\n");
    refused(400, "OPTIONS ** HTTP/1.1\r\n" HOST "\r\n");
    refused(501, "CONNECT a:1 HTTP/1.1\r\n" HOST "\r\n");
}

static void test_fields(void)
{
    accepted(GET "A:\r\nB: \t x y \t\r\nC:\xff\r\n\r\n", "");
    refused(400, GET "A : b\r\n\r\n");
    refused(400, GET "A\t: b\r\n\r\n");
    refused(400, GET ": b\r\n\r\n");
    refused(400, GET "A\r\n\r\n");
    refused(400, GET "A: b\r\n c\r\n\r\n");
    refused(400, GET " A: b\r\n\r\n");
    refused(400, GET "A: b\n\r\n");
    refused(400, GET "A: b\rC: d\r\n\r\n");
    refused(400, GET "A: \x7f\r\n\r\n");
    refused(400, GET "A: b\r\n\n");
    refused(400, GET "\xc3\xa4: b\r\n\r\n");
    struct outcome nul = parse_n("GET / HTTP/1.1\r\nHost: a\0b\r\n\r\n", 29);
    CHECK_INT(nul.status, 400);
    waits(GET "A: b\r\n\r");
}

static void test_host(void)
{
    refused(400, "GET / HTTP/1.1\r\n\r\n");
    refused(400, GET HOST "\r\n");
    refused(400, "GET / HTTP/1.0\r\n" HOST HOST "\r\n");
    refused(400, "GET / HTTP/1.1\r\nHost: a b\r\n\r\n");
    refused(400, "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n");
    refused(400, "GET / HTTP/1.1\r\nHost: a:b\r\n\r\n");
    refused(400, "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n");
    refused(400, "GET / HTTP/1.1\r\nHost: [::1\r\n\r\n");
    refused(400, "GET / HTTP/1.1\r\nHost: [::1]x\r\n\r\n");
    accepted("GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", "");
    accepted("GET / HTTP/1.1\r\nHost:\r\n\r\n", "");
    accepted("GET / HTTP/1.1\r\nhOST: 0.0.0.0=5000\r\n\r\n", "");
}

static void test_length(void)
{
    accepted(GET "Content-Length: 3\r\n\r\nabc", "abc");
    accepted(GET "Content-Length: 003\r\n\r\nabc", "abc");
    accepted(GET "Content-Length: 0\r\n\r\n", "");
    waits(GET "Content-Length: 3\r\n\r\nab");
    refused(400, GET "Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc");
    refused(400, GET "Content-Length: 3, 3\r\n\r\nabc");
    refused(400, GET "Content-Length:\r\n\r\n");
    refused(400, GET "Content-Length: +3\r\n\r\nabc");
    refused(400, GET "Content-Length: -3\r\n\r\nabc");
    refused(400, GET "Content-Length: 0x3\r\n\r\nabc");
    refused(400, GET "Content-Length: 3 0\r\n\r\nabc");
    refused(413, GET "Content-Length: 65\r\n\r\n");
    refused(413, GET "Content-Length: 18446744073709551619\r\n\r\nabc");
    refused(400, GET "Content-Length: 18446744073709551619x\r\n\r\nabc");
}

static void test_coding(void)
{
    refused(400, GET "Transfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n");
    refused(400, GET "Content-Length: 1\r\nTransfer-Encoding: pigeons\r\n\r\n");
    refused(400, GET "Transfer-Encoding: chunked, chunked\r\n\r\n");
    refused(400, GET "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n");
    refused(400, GET "Transfer-Encoding: chunked, gzip\r\n\r\n");
    refused(400, GET "Transfer-Encoding:\r\n\r\n");
    refused(400, GET "Transfer-Encoding: ,chunked\r\n\r\n");
    refused(501, GET "Transfer-Encoding: gzip, chunked\r\n\r\n");
    refused(501, GET "Transfer-Encoding: identity\r\n\r\n");
    refused(501, GET "Transfer-Encoding: \"chunked\"\r\n\r\n");
    refused(501, GET "Transfer-Encoding: chunked;a=b\r\n\r\n");
    refused(400, "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
    accepted(GET "transfer-encoding: \t CHUNKED \r\n\r\n0\r\n\r\n", "");
}

static void test_chunks(void)
{
    accepted(CHUNKED "3\r\nabc\r\nA\r\n0123456789\r\n000\r\n\r\n", "abc0123456789");
    accepted(CHUNKED "1;a;b=c; d=\"e\\\";\"\r\nx\r\n0;z\r\nT: u\r\nV:\r\n\r\n", "x");
    waits(CHUNKED "0\r\n");
    waits(CHUNKED);
    refused(400, CHUNKED "g\r\n");
    refused(400, CHUNKED "\r\n");
    refused(400, CHUNKED "-1\r\n");
    refused(400, CHUNKED "0x1\r\n");
    refused(400, CHUNKED " 1\r\n");
    refused(400, CHUNKED "1 \r\nx\r\n0\r\n\r\n");
    refused(400, CHUNKED "1\nx\r\n0\r\n\r\n");
    refused(400, CHUNKED "1\r\nxy\r\n0\r\n\r\n");
    refused(400, CHUNKED "1\r\nx\n0\r\n\r\n");
    refused(400, CHUNKED "1\r\nx\rx0\r\n\r\n");
    refused(400, CHUNKED "1;\r\nx\r\n0\r\n\r\n");
    refused(400, CHUNKED "1;a=\r\nx\r\n0\r\n\r\n");
    refused(400, CHUNKED "1;a\n\r\nx\r\n0\r\n\r\n");
    refused(400, CHUNKED "1;a=\"\r\nx\r\n0\r\n\r\n");
    refused(400, CHUNKED "1;a=\"b\"c\r\nx\r\n0\r\n\r\n");
    refused(400, CHUNKED "00000000000000001\r\nx\r\n0\r\n\r\n");
    refused(413, CHUNKED "41\r\n");
    refused(413, CHUNKED "3f\r\n"
                         "012345678901234567890123456789012345678901234567890123456789012"
                         "\r\n2\r\n");
    refused(413, CHUNKED "ffffffffffffffff\r\n");
}

static void test_trailers(void)
{
    accepted(CHUNKED "0\r\nA: b\r\n\r\n", "");
    accepted(CHUNKED "0\r\nTransfer-Encodings: b\r\nContent-Lengthy-and-longer: 1\r\n\r\n", "");
    refused(400, CHUNKED "0\r\nContent-Length: 1\r\n\r\n");
    refused(400, CHUNKED "0\r\ntransfer-ENCODING: chunked\r\n\r\n");
    refused(400, CHUNKED "0\r\nHost: b\r\n\r\n");
    refused(400, CHUNKED "0\r\nA : b\r\n\r\n");
    refused(400, CHUNKED "0\r\n: b\r\n\r\n");
    refused(400, CHUNKED "0\r\nA: b\r\n c\r\n\r\n");
    refused(400, CHUNKED "0\r\nA: \x01\r\n\r\n");
    refused(400, CHUNKED "0\r\nA: b\n\r\n");
    refused(400, CHUNKED "0\r\n\rx");
    refused(431, CHUNKED "0\r\nA:\r\nA:\r\nA:\r\nA:\r\nA:\r\nA:\r\nA:\r\nA:\r\nA:\r\n\r\n");
}

static void test_limits(void)
{
    char s[512];
    int pad = 64 - (int)strlen("GET / HTTP/1.1");

    snprintf(s, sizeof s, "GET /%0*d HTTP/1.1\r\n" HOST "\r\n", pad, 0);
    accepted(s, "");
    snprintf(s, sizeof s, "GET /%0*d HTTP/1.1\r\n" HOST "\r\n", pad + 1, 0);
    refused(414, s);
    snprintf(s, sizeof s, "GET /%0*d", 90, 0);
    refused(414, s);
    pad = 200 - (int)strlen(HOST "A: \r\n\r\n");
    snprintf(s, sizeof s, GET "A: %0*d\r\n\r\n", pad, 0);
    accepted(s, "");
    snprintf(s, sizeof s, GET "A: %0*d\r\n\r\n", pad + 1, 0);
    refused(431, s);
    snprintf(s, sizeof s, GET "A: %0*d", 300, 0);
    refused(431, s);
    refused(431, GET "A:\r\nA:\r\nA:\r\nA:\r\nA:\r\nA:\r\nA:\r\nA:\r\nA:\r\n\r\n");
    snprintf(s, sizeof s, CHUNKED "1;a=%0*d\r\n", 300, 0);
    waits(s);
}

static void test_connection(void)
{
    CHECK(parse(GET "\r\n").keep_alive);
    CHECK(!parse(GET "Connection: foo , CLOSE\r\n\r\n").keep_alive);
    CHECK(!parse(GET "Connection: keep-alive\r\nConnection: close\r\n\r\n").keep_alive);
    CHECK(parse(GET "Connection: closed\r\n\r\n").keep_alive);
    CHECK(!parse("GET / HTTP/1.0\r\n\r\n").keep_alive);
    CHECK(parse("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n").keep_alive);
}

static void test_expect(void)
{
    CHECK(parse(GET "Expect: 100-Continue\r\n\r\n").expect);
    refused(417, GET "Expect: 200-ok\r\n\r\n");
    refused(417, GET "Expect: 100-continue\r\nExpect: tea\r\n\r\n");
    accepted("GET / HTTP/1.0\r\nExpect: tea\r\n\r\n", "");
}

static void test_pipelined(void)
{
    const char *two = GET "Content-Length: 2\r\n\r\nab" GET "\r\n";
    struct outcome o = parse(two);

    CHECK_BYTES(o.body, o.body_len, "ab");
    CHECK_STR(two + o.used, GET "\r\n");
    two = CHUNKED "1\r\nx\r\n0\r\n\r\nNEXT";
    o = parse(two);
    CHECK_BYTES(o.body, o.body_len, "x");
    CHECK_STR(two + o.used, "NEXT");
}

static void test_spans(void)
{
    static const char s[] = "\r\nPUT /p HTTP/1.1\r\nHost:a\r\nX-Y: \t v w \r\n\r\n";
    struct http1_field fields[FIELDS];
    struct http1 p;

    http1_init(&p, &limits, fields);
    CHECK_INT(http1_head(&p, s, 2), HTTP1_MORE);
    CHECK(http1_blank(&p, 2));
    CHECK_INT(http1_head(&p, s, 3), HTTP1_MORE);
    CHECK(!http1_blank(&p, 3));
    CHECK_INT(http1_head(&p, s, sizeof s - 1), HTTP1_DONE);
    CHECK_INT(p.head_len, sizeof s - 1);
    CHECK_BYTES(s + p.method.at, p.method.n, "PUT");
    CHECK_BYTES(s + p.path.at, p.path.n, "/p");
    CHECK_INT(p.field_count, 2);
    CHECK_BYTES(s + fields[1].name.at, fields[1].name.n, "X-Y");
    CHECK_BYTES(s + fields[1].value.at, fields[1].value.n, "v w");
}

int main(void)
{
    test_request_line();
    test_targets();
    test_fields();
    test_host();
    test_length();
    test_coding();
    test_chunks();
    test_trailers();
    test_limits();
    test_connection();
    test_expect();
    test_pipelined();
    test_spans();
    return test_report("http1");
}
