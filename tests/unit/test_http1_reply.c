/* test_http1_reply - the parser of answers: every rule, each answer fed whole, bytewise, and cut
 * everywhere. SPDX-License-Identifier: MIT */
#include "http1_reply.h"
#include "testhelp.h"

enum { HEAD = 200, BODY = 64 };

struct outcome {
    enum http1_result result; /* MORE: not complete, and the connection is open */
    int status, minor;
    bool keep_alive;
    size_t used, body_len;
    char body[BODY], headers[HEAD + 1], encoding[32], why[128];
};

static void take(struct outcome *o, struct span piece)
{
    CHECK(o->body_len + piece.n <= BODY);
    if (o->body_len + piece.n > BODY)
        return;
    memcpy(o->body + o->body_len, piece.p, piece.n);
    o->body_len += piece.n;
}

static void note_head(struct outcome *o, const struct http1_reply *p, const char *s)
{
    o->status = p->status;
    o->minor = p->minor;
    o->keep_alive = p->keep_alive;
    snprintf(o->headers, sizeof o->headers, "%.*s", (int)p->headers.n, s + p->headers.at);
    snprintf(o->encoding, sizeof o->encoding, "%.*s", (int)p->encoding.n, s + p->encoding.at);
}

static enum http1_result feed_body(struct outcome *o, struct http1_reply *p, const char *s,
                                   size_t n)
{
    struct span in = {s + o->used, n - o->used}, piece;
    enum http1_result r;

    while ((r = http1_reply_body(p, &in, &piece)) == HTTP1_DATA)
        take(o, piece);
    o->used = n - in.n;
    return r;
}

/* Feeds s in pieces: 'first' bytes, then steps of 'step'; then the connection closes if 'close'. */
static struct outcome feed(struct span s, bool to_head, size_t first, size_t step, bool close)
{
    struct http1_reply p;
    struct outcome o = {.result = HTTP1_MORE};

    http1_reply_init(&p, to_head, HEAD);
    for (size_t got = first;; got = got + step < s.n ? got + step : s.n) {
        if (!o.used) {
            o.result = http1_reply_head(&p, s.p, got);
            if (o.result == HTTP1_DONE) {
                note_head(&o, &p, s.p);
                o.used = p.head_len;
            }
        }
        if (o.used)
            o.result = feed_body(&o, &p, s.p, got);
        if (o.result != HTTP1_MORE || got == s.n)
            break;
    }
    if (close && o.result == HTTP1_MORE)
        o.result = o.used ? http1_reply_eof(&p) : HTTP1_ERROR;
    if (o.result == HTTP1_ERROR)
        snprintf(o.why, sizeof o.why, "%s", http1_reply_why(&p));
    return o;
}

static bool same(const struct outcome *a, const struct outcome *b)
{
    return a->result == b->result && a->status == b->status && a->body_len == b->body_len &&
           a->keep_alive == b->keep_alive && memcmp(a->body, b->body, a->body_len) == 0 &&
           strcmp(a->headers, b->headers) == 0 && strcmp(a->encoding, b->encoding) == 0 &&
           strcmp(a->why, b->why) == 0 && (a->result == HTTP1_ERROR || a->used == b->used);
}

static struct outcome read_any(const char *text, size_t n, bool to_head, bool close)
{
    struct span s = {text, n};
    struct outcome whole = feed(s, to_head, n, n ? n : 1, close);
    struct outcome bytes = feed(s, to_head, 0, 1, close);

    CHECK(same(&whole, &bytes));
    for (size_t cut = 0; cut < n; cut++) {
        struct outcome o = feed(s, to_head, cut, n, close);
        if (!same(&whole, &o))
            fprintf(stderr, "  cut at %zu: %s\n", cut, text);
        CHECK(same(&whole, &o));
    }
    return whole;
}

static struct outcome answer(const char *text)
{
    return read_any(text, strlen(text), false, false);
}

static void good(const char *text, int status, const char *body)
{
    struct outcome o = answer(text);

    if (o.result != HTTP1_DONE)
        fprintf(stderr, "  %s after %s\n", o.why, text);
    CHECK_INT(o.result, HTTP1_DONE);
    CHECK_INT(o.status, status);
    CHECK_BYTES(o.body, o.body_len, body);
    CHECK_INT(o.used, strlen(text));
}

static void bad(const char *text, const char *words)
{
    struct outcome o = answer(text);

    CHECK_INT(o.result, HTTP1_ERROR);
    if (!strstr(o.why, words))
        CHECK_STR(o.why, words);
}

#define OK "HTTP/1.1 200 OK\r\n"

static void test_heads(void)
{
    good(OK "Content-Length: 2\r\n\r\nhi", 200, "hi");
    good("HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", 200, "");
    good("HTTP/1.1 529 \r\nContent-Length: 0\r\n\r\n", 529, "");
    good("HTTP/1.0 404 Not \xc3\xa4 found\r\ncontent-length:1\r\n\r\nx", 404, "x");
    good(OK "content-LENGTH:  2 \t\r\nX:\r\n\r\nhi", 200, "hi");

    struct outcome o = answer(OK "A: b\r\nContent-Encoding:  gzip \r\nContent-Length: 0\r\n\r\n");
    CHECK_STR(o.headers, "A: b\r\nContent-Encoding:  gzip \r\nContent-Length: 0\r\n");
    CHECK_STR(o.encoding, "gzip");
    o = answer("HTTP/1.1 204 None\r\n\r\n");
    CHECK_STR(o.headers, "");
    CHECK_INT(o.result, HTTP1_DONE);
}

static void test_bad_heads(void)
{
    bad("SSH-2.0-OpenSSH\r\n", "not HTTP");
    bad("<html>", "not HTTP");
    bad("\r\n" OK, "not HTTP");
    bad("HTTP/2 200\r\n\r\n", "not HTTP");
    bad("HTTP/1.2 200 OK\r\n\r\n", "not HTTP");
    bad("HTTP/1.1 20 OK\r\n\r\n", "not HTTP");
    bad("HTTP/1.1 2000 OK\r\n\r\n", "not HTTP");
    bad("HTTP/1.1 020 OK\r\n\r\n", "not HTTP");
    bad("HTTP/1.1  200 OK\r\n\r\n", "not HTTP");
    bad("HTTP/1.1 200 O\rK\r\n\r\n", "control");
    bad("HTTP/1.1 101 Switch\r\nUpgrade: x\r\n\r\n", "switches protocols");
    bad("HTTP/1.1 200 OK\nA: b\r\n\r\n", "LF without CR");
    bad(OK "A: b\nC: d\r\n\r\n", "LF without CR");
    bad(OK "A: b\r\n folded\r\n\r\n", "folded");
    bad(OK "A: b\r\n\tfolded\r\n\r\n", "folded");
    bad(OK "no colon\r\n\r\n", "colon");
    bad(OK "A : b\r\n\r\n", "colon");
    bad(OK ": b\r\n\r\n", "colon");
    bad(OK "A: b\rc\r\n\r\n", "control");
    bad(OK "A: b\x01\r\n\r\n", "control");
    CHECK_INT(read_any(OK "A: \0\r\n\r\n", sizeof OK "A: \0\r\n\r\n" - 1, false, false).result,
              HTTP1_ERROR);
}

static void test_head_size(void)
{
    char text[HEAD + 64];
    int n = snprintf(text, sizeof text, OK "Content-Length: 0\r\nX: ");

    memset(text + n, 'x', sizeof text - (size_t)n);
    memcpy(text + HEAD - 4, "\r\n\r\n", 5);
    good(text, 200, "");
    memcpy(text + HEAD - 4, "xxxxx", 5);
    memcpy(text + HEAD - 3, "\r\n\r\n", 5);
    bad(text, "the head is larger than 200 bytes");
    memset(text + HEAD - 3, 'x', 20);
    text[sizeof text - 1] = 0;
    bad(text, "the head is larger than 200 bytes");
}

static void test_interim(void)
{
    good("HTTP/1.1 100 Continue\r\n\r\n" OK "Content-Length: 2\r\n\r\nhi", 200, "hi");
    good("HTTP/1.1 103 Hints\r\nLink: x\r\nConnection: close\r\n\r\nHTTP/1.1 102 P\r\n\r\n" OK
         "Content-Length: 0\r\n\r\n",
         200, "");
    struct outcome o = answer("HTTP/1.1 103 H\r\nLink: x\r\nContent-Encoding: x\r\n\r\n" OK
                              "Content-Length: 0\r\n\r\n");
    CHECK_STR(o.headers, "Content-Length: 0\r\n");
    CHECK_STR(o.encoding, "");
    CHECK(o.keep_alive);
    char many[HEAD * 2] = "";
    for (int i = 0; i < 14; i++)
        strcat(many, "HTTP/1.1 100 C\r\n\r\n");
    bad(many, "the head is larger");
}

static void test_lengths(void)
{
    good(OK "Content-Length: 2\r\nContent-Length: 2\r\n\r\nhi", 200, "hi");
    bad(OK "Content-Length: 2\r\nContent-Length: 3\r\n\r\nhi", "two different");
    bad(OK "Content-Length: 2, 2\r\n\r\nhi", "Content-Length");
    bad(OK "Content-Length: -1\r\n\r\n", "Content-Length");
    bad(OK "Content-Length: +1\r\n\r\n", "Content-Length");
    bad(OK "Content-Length: 0x1\r\n\r\n", "Content-Length");
    bad(OK "Content-Length:\r\n\r\n", "Content-Length");
    bad(OK "Content-Length: 99999999999999999999\r\n\r\n", "Content-Length");
    bad(OK "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n", "transfer coding");
    bad("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "transfer coding");
    bad(OK "Transfer-Encoding: gzip\r\n\r\n", "transfer coding");
    bad(OK "Transfer-Encoding: gzip, chunked\r\n\r\n", "transfer coding");
    bad(OK "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", "transfer coding");
    bad(OK "Content-Encoding: gzip\r\nContent-Encoding: br\r\n\r\n", "Content-Encoding");
}

#define CHUNKED OK "Transfer-Encoding: chunked\r\n\r\n"

static void test_chunks(void)
{
    good(CHUNKED "0\r\n\r\n", 200, "");
    good(CHUNKED "2\r\nhe\r\n03;a=b;c=\"d\\\"\"\r\nllo\r\n000\r\n\r\n", 200, "hello");
    good(CHUNKED "A\r\n0123456789\r\n0\r\nTrailer: x\r\nContent-Length: 7\r\n\r\n", 200,
         "0123456789");
    good(OK "Transfer-Encoding: CHUNKED\r\n\r\n1\r\nx\r\n0\r\n\r\n", 200, "x");
    bad(CHUNKED "zz\r\nhello\r\n", "chunk size");
    bad(CHUNKED "\r\n", "chunk size");
    bad(CHUNKED "-1\r\n", "chunk size");
    bad(CHUNKED "00000000000000001\r\n", "digits");
    bad(CHUNKED "2\nhe\r\n", "chunk size");
    bad(CHUNKED "2\r\nhello\r\n", "longer than its size");
    bad(CHUNKED "0\r\nno colon\r\n\r\n", "trailer");
    bad(CHUNKED "0\r\n folded: x\r\n\r\n", "trailer");
    CHECK_INT(answer(CHUNKED "2\r\nhe\r\n0\r\n").result, HTTP1_MORE);
}

static void expect_end(const char *text, bool to_head, enum http1_result result, const char *body)
{
    struct outcome o = read_any(text, strlen(text), to_head, true);

    CHECK_INT(o.result, result);
    CHECK_BYTES(o.body, o.body_len, body);
    CHECK(result == HTTP1_DONE || strstr(o.why, "cut short") || !o.status);
}

static void test_end(void)
{
    expect_end(OK "\r\nhello", false, HTTP1_DONE, "hello");
    expect_end("HTTP/1.0 200 OK\r\n\r\n", false, HTTP1_DONE, "");
    expect_end(OK "Content-Length: 9\r\n\r\nhello", false, HTTP1_ERROR, "hello");
    expect_end(CHUNKED "5\r\nhel", false, HTTP1_ERROR, "hel");
    expect_end(CHUNKED "5\r\nhello\r\n", false, HTTP1_ERROR, "hello");
    expect_end(OK "A: b\r\n", false, HTTP1_ERROR, "");
    CHECK_INT(answer(OK "\r\nhello").result, HTTP1_MORE);

    /* no body, whatever the headers say */
    CHECK_INT(read_any(OK "Content-Length: 5\r\n\r\n", 38, true, false).result, HTTP1_DONE);
    CHECK_INT(read_any(CHUNKED, sizeof CHUNKED - 1, true, false).result, HTTP1_DONE);
    good("HTTP/1.1 204 N\r\nContent-Length: 5\r\n\r\n", 204, "");
    good("HTTP/1.1 304 N\r\nTransfer-Encoding: chunked\r\n\r\n", 304, "");
    CHECK_INT(read_any("HTTP/1.1 100 C\r\n\r\n" OK "\r\n", 37, true, false).result, HTTP1_DONE);

    /* what follows is not taken */
    const char *two = OK "Content-Length: 2\r\n\r\nhi" OK;
    CHECK_INT(answer(two).used, 40);
}

static void test_keep_alive(void)
{
    static const struct {
        const char *text;
        bool keep;
    } cases[] = {
        {OK "Content-Length: 0\r\n\r\n", true},
        {OK "Content-Length: 0\r\nConnection: close\r\n\r\n", false},
        {OK "Content-Length: 0\r\nConnection: x, CLOSE\r\n\r\n", false},
        {OK "Content-Length: 0\r\nConnection: keep-alive\r\nConnection: close\r\n\r\n", false},
        {"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", false},
        {"HTTP/1.0 200 OK\r\nContent-Length: 0\r\nConnection: Keep-Alive\r\n\r\n", true},
        {OK "\r\n", false},
        {CHUNKED "0\r\n\r\n", true},
        {"HTTP/1.1 204 N\r\n\r\n", true},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        CHECK_INT(answer(cases[i].text).keep_alive, cases[i].keep);
}

int main(void)
{
    test_heads();
    test_bad_heads();
    test_head_size();
    test_interim();
    test_lengths();
    test_chunks();
    test_end();
    test_keep_alive();
    return test_report("http1_reply");
}
