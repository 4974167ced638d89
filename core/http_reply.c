/* http_reply - what a handler answers, and our own answers to requests that cannot be served.
 * SPDX-License-Identifier: MIT */
#include "http_private.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { HEAD_GUESS = 384 }; /* bytes of a usual head, to reserve memory once */

enum framing { FRAME_NONE, FRAME_LENGTH, FRAME_CHUNKED };

struct head {
    int status;
    int minor; /* of the request */
    bool close;
    enum framing framing;
    uint64_t length;
    const struct http_header *headers;
    size_t n;
};

static const struct {
    short status;
    const char *text;
} reasons[] = {
    {200, "OK"},
    {201, "Created"},
    {202, "Accepted"},
    {204, "No Content"},
    {301, "Moved Permanently"},
    {302, "Found"},
    {303, "See Other"},
    {304, "Not Modified"},
    {307, "Temporary Redirect"},
    {308, "Permanent Redirect"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {402, "Payment Required"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {406, "Not Acceptable"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {410, "Gone"},
    {411, "Length Required"},
    {412, "Precondition Failed"},
    {413, "Content Too Large"},
    {414, "URI Too Long"},
    {415, "Unsupported Media Type"},
    {417, "Expectation Failed"},
    {422, "Unprocessable Content"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {502, "Bad Gateway"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
    {505, "HTTP Version Not Supported"},
    {529, "Site Is Overloaded"},
};

static const char *reason(int status)
{
    for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++)
        if (reasons[i].status == status)
            return reasons[i].text;
    return "Unknown";
}

/* ---- the head ---- */

static void put(struct conn *c, const char *text)
{
    conn_put(c, text, strlen(text));
}

static void put_number(struct conn *c, uint64_t i, unsigned base)
{
    char digits[24];
    size_t at = sizeof digits;

    do
        digits[--at] = "0123456789abcdef"[i % base];
    while (i /= base);
    conn_put(c, digits + at, sizeof digits - at);
}

static bool is(const struct http_header *h, const char *name)
{
    return strcasecmp(h->name, name) == 0;
}

/* Date and how the message ends are said by us, once. */
static bool is_ours(const struct http_header *h)
{
    static const char *const ours[] = {"Connection", "Content-Length", "Date", "Keep-Alive",
                                       "Transfer-Encoding"};

    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
        if (is(h, ours[i]))
            return true;
    return false;
}

/* A C string cannot hold NUL, which leaves what would begin a new line, or end the name. */
static bool is_clean(const struct http_header *h)
{
    return h->name && h->value && *h->name && !strpbrk(h->name, "\r\n: \t") &&
           !strpbrk(h->value, "\r\n");
}

static void put_headers(struct conn *c, const struct http_header *headers, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!is_clean(&headers[i]) || is_ours(&headers[i]))
            continue;
        put(c, headers[i].name);
        conn_put(c, ": ", 2);
        put(c, headers[i].value);
        conn_put(c, "\r\n", 2);
    }
}

static void put_head(struct conn *c, const struct head *h)
{
    put(c, "HTTP/1.1 ");
    put_number(c, (uint64_t)h->status, 10);
    put(c, " ");
    put(c, reason(h->status));
    put(c, "\r\nDate: ");
    put(c, http_date(c->h));
    put(c, "\r\n");
    put_headers(c, h->headers, h->n);
    if (h->framing == FRAME_LENGTH) {
        put(c, "Content-Length: ");
        put_number(c, h->length, 10);
        put(c, "\r\n");
    } else if (h->framing == FRAME_CHUNKED) {
        put(c, "Transfer-Encoding: chunked\r\n");
    }
    if (h->close)
        put(c, "Connection: close\r\n");
    else if (h->minor == 0)
        put(c, "Connection: keep-alive\r\n");
    put(c, "\r\n");
}

static bool says_close(const struct http_header *headers, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (is_clean(&headers[i]) && is(&headers[i], "Connection") &&
            strcasecmp(headers[i].value, "close") == 0)
            return true;
    return false;
}

/* What every answer to a request begins with. */
static struct head begin(struct http_exchange *x, int status, const struct http_header *headers,
                         size_t n)
{
    assert(!x->started);
    x->started = true;
    if (status < 200 || status > 999)
        status = 500;
    x->bodiless = status == 204 || status == 304 || strcmp(http_method(x), "HEAD") == 0;
    x->close = !x->p.keep_alive || x->c->h->draining || says_close(headers, n);
    return (struct head){.status = status, .minor = x->p.minor, .headers = headers, .n = n};
}

/* ---- whole answers ---- */

void http_reply(struct http_exchange *x, int status, const struct http_header *headers, size_t n,
                const char *body, size_t body_len)
{
    struct conn *c = x->c;

    if (x->gone)
        return;
    struct head h = begin(x, status, headers, n);
    h.framing = h.status == 204 || h.status == 304 ? FRAME_NONE : FRAME_LENGTH;
    h.length = body_len;
    h.close = x->close;
    buf_reserve(&c->out, HEAD_GUESS + (body_len < WRITE_DIRECT && !x->bodiless ? body_len : 0));
    put_head(c, &h);
    if (!x->bodiless)
        conn_put_long(c, body, body_len);
    conn_end(c, x->close);
}

/* ---- streams ---- */

static bool given_length(const struct http_header *headers, size_t n, uint64_t *length)
{
    char *end;

    for (size_t i = 0; i < n; i++)
        if (is_clean(&headers[i]) && is(&headers[i], "Content-Length") &&
            headers[i].value[0] >= '0' && headers[i].value[0] <= '9') {
            *length = strtoull(headers[i].value, &end, 10);
            return *end == 0;
        }
    return false;
}

void http_reply_start(struct http_exchange *x, int status, const struct http_header *headers,
                      size_t n)
{
    if (x->gone)
        return;
    struct head h = begin(x, status, headers, n);
    bool empty = h.status == 204 || h.status == 304;
    x->sized = !empty && given_length(headers, n, &h.length);
    x->chunked = !empty && !x->sized && x->p.minor > 0;
    x->left = h.length;
    h.framing = x->sized ? FRAME_LENGTH : x->chunked ? FRAME_CHUNKED : FRAME_NONE;
    /* HTTP/1.0 has no chunks: only the end of the connection can end such a body */
    x->close = h.close = x->close || (!empty && !x->sized && !x->chunked);
    put_head(x->c, &h);
    http_work(x->c);
}

void http_reply_send(struct http_exchange *x, const char *p, size_t n)
{
    struct conn *c = x->c;

    if (x->gone)
        return;
    assert(x->started);
    if (x->sized && n > x->left)
        n = (size_t)x->left;
    if (n == 0 || x->bodiless) /* an empty chunk would be the last one */
        return;
    x->left -= x->sized ? n : 0;
    if (x->chunked) {
        put_number(c, n, 16);
        conn_put(c, "\r\n", 2);
    }
    conn_put_long(c, p, n);
    if (x->chunked)
        conn_put(c, "\r\n", 2);
    x->blocked = x->blocked || http_reply_blocked(x);
    http_work(c);
}

void http_reply_end(struct http_exchange *x)
{
    if (x->gone)
        return;
    assert(x->started);
    if (x->chunked && !x->bodiless)
        put(x->c, "0\r\n\r\n");
    conn_end(x->c, x->close || (x->sized && x->left && !x->bodiless));
}

bool http_reply_blocked(const struct http_exchange *x)
{
    return conn_queued(x->c) > x->c->h->limits.out_high;
}

void http_on_room(struct http_exchange *x, http_handler *on_room, void *arg)
{
    x->on_room = on_room;
    x->room_arg = arg;
}

void http_reply_abort(struct http_exchange *x)
{
    if (x->gone)
        return;
    /* where the body ends with the connection, an orderly end would look complete */
    if (x->started && !x->chunked && !x->sized && !x->bodiless)
        http_reply_reset(x);
    else
        conn_end(x->c, true);
}

void http_reply_reset(struct http_exchange *x)
{
    struct conn *c = x->c;

    if (x->gone)
        return;
    conn_end(c, true);
    conn_close(c, true);
}

/* ---- our own answers ---- */

void reply_continue(struct conn *c)
{
    put(c, "HTTP/1.1 100 Continue\r\n\r\n");
    http_work(c);
}

static bool asked_head(const struct conn *c)
{
    const struct http1_at *m = c->x ? &c->x->p.method : NULL;

    return m && m->n == 4 && memcmp(c->in.data + c->in_at + m->at, "HEAD", 4) == 0;
}

void reply_error(struct conn *c, int status, const char *message)
{
    static const struct http_header headers[] = {{"Content-Type", "application/json"}};
    char body[320];
    int n =
        snprintf(body, sizeof body,
                 "{\"error\":{\"message\":\"%s\",\"type\":\"%s\",\"param\":null,\"code\":null}}",
                 message, status == 503 ? "server_error" : "invalid_request_error");
    const struct head h = {
        .status = status,
        .minor = 1,
        .close = true,
        .framing = FRAME_LENGTH,
        .length = (uint64_t)n,
        .headers = headers,
        .n = 1,
    };

    assert(n > 0 && n < (int)sizeof body);
    put_head(c, &h);
    if (!asked_head(c))
        conn_put(c, body, (size_t)n);
    conn_end(c, true);
}
