/* http1_reply - one strict, incremental parser of an HTTP/1.1 answer (RFC 9112) over any bytes.
 * SPDX-License-Identifier: MIT */
#include "http1_reply.h"

#include "http1_private.h"

#include <string.h>
#include <strings.h>

enum { LENGTH_DIGITS_MAX = 18, BAD = 502 };

/* The ceiling of the body is the caller's business: it counts what comes out unpacked. */
static const struct http1_limits limits = {
    .header_max = 16 * 1024, .header_count = 100, .body_max = SIZE_MAX};

void http1_reply_init(struct http1_reply *p, bool to_head, size_t head_max)
{
    *p = (struct http1_reply){.no_body = to_head, .head_max = head_max};
    http1_init(&p->frame, &limits, NULL);
    p->frame.any_trailer = true; /* nobody reads them: they cannot lie to anybody */
}

static int not_http(struct http1_reply *p)
{
    return http1_fail(&p->frame, BAD, "not HTTP/1.1");
}

/* ---- the status line ---- */

/* What is there of the first line may still become one. */
static bool begins_well(const char *s, size_t n)
{
    return memcmp(s, "HTTP/1.", n < 7 ? n : 7) == 0;
}

static int status_line(struct http1_reply *p, struct span s)
{
    if (s.n < 12 || !begins_well(s.p, s.n) || (s.p[7] != '0' && s.p[7] != '1') || s.p[8] != ' ' ||
        (s.n > 12 && s.p[12] != ' '))
        return not_http(p);
    for (size_t i = 9; i < 12; i++)
        if (s.p[i] < '0' || s.p[i] > '9')
            return not_http(p);
    if (http1_run(s.p, s.n, VALUE) != s.n)
        return http1_fail(&p->frame, BAD, "a control character in the status line");
    p->minor = s.p[7] - '0';
    p->status = (s.p[9] - '0') * 100 + (s.p[10] - '0') * 10 + (s.p[11] - '0');
    if (p->status < 100)
        return not_http(p);
    if (p->status == 101)
        return http1_fail(&p->frame, BAD, "not HTTP any more: it switches protocols");
    p->headers.at = (uint32_t)p->at;
    p->frame.state = AT_FIELDS;
    return 0;
}

/* ---- the header fields that matter here ---- */

/* The same length twice is a common slip and harms nobody. */
static int on_length(struct http1_reply *p, struct span value)
{
    uint64_t length = 0;

    if (value.n == 0 || value.n > LENGTH_DIGITS_MAX)
        return http1_fail(&p->frame, BAD, "Content-Length is not a usable number");
    for (size_t i = 0; i < value.n; i++) {
        if (value.p[i] < '0' || value.p[i] > '9')
            return http1_fail(&p->frame, BAD, "Content-Length is not a usable number");
        length = length * 10 + (uint64_t)(value.p[i] - '0');
    }
    if (p->length_seen && length != p->length)
        return http1_fail(&p->frame, BAD, "two different Content-Length headers");
    p->length_seen = true;
    p->length = length;
    return 0;
}

static int on_coding(struct http1_reply *p, struct span value)
{
    if (p->coding_seen || !http1_same(value, "chunked"))
        return http1_fail(&p->frame, BAD, "a transfer coding other than chunked");
    p->coding_seen = true;
    return 0;
}

static int on_connection(struct http1_reply *p, struct span value)
{
    struct span option;

    while (http1_next(&value, &option)) {
        p->say_close = p->say_close || http1_same(option, "close");
        p->say_keep = p->say_keep || http1_same(option, "keep-alive");
    }
    return 0;
}

static int on_encoding(struct http1_reply *p, const char *data, struct span value)
{
    if (p->encoding.n)
        return http1_fail(&p->frame, BAD, "more than one Content-Encoding header");
    p->encoding = (struct http1_at){(uint32_t)(value.p - data), (uint32_t)value.n};
    return 0;
}

static int take_known(struct http1_reply *p, const char *data, struct span name, struct span value)
{
    switch (name.n) {
    case 10:
        return http1_same(name, "Connection") ? on_connection(p, value) : 0;
    case 14:
        return http1_same(name, "Content-Length") ? on_length(p, value) : 0;
    case 16:
        return http1_same(name, "Content-Encoding") ? on_encoding(p, data, value) : 0;
    case 17:
        return http1_same(name, "Transfer-Encoding") ? on_coding(p, value) : 0;
    default:
        return 0;
    }
}

static int field_line(struct http1_reply *p, const char *data, struct span line)
{
    size_t n = http1_run(line.p, line.n, TOKEN);

    if (line.p[0] == ' ' || line.p[0] == '\t')
        return http1_fail(&p->frame, BAD, "a header line is folded");
    if (n == 0 || n == line.n || line.p[n] != ':')
        return http1_fail(&p->frame, BAD, "a header line is no name with a colon");
    struct span value = http1_trim((struct span){line.p + n + 1, line.n - n - 1});
    if (http1_run(value.p, value.n, VALUE) != value.n)
        return http1_fail(&p->frame, BAD, "a control character in a header");
    return take_known(p, data, (struct span){line.p, n}, value);
}

/* ---- the end of the head: where does the body end? (RFC 9112 6.3) ---- */

/* An interim answer: forget it, the next status line follows. */
static int next_answer(struct http1_reply *p)
{
    size_t at = p->at, seen = p->seen;
    bool to_head = p->no_body;

    http1_reply_init(p, to_head, p->head_max);
    p->at = at;
    p->seen = seen;
    return 0;
}

static int head_end(struct http1_reply *p, size_t line_at)
{
    if (p->coding_seen && (p->length_seen || p->minor == 0))
        return http1_fail(&p->frame, BAD, "a transfer coding where none may be");
    if (p->status < 200)
        return next_answer(p);
    p->no_body = p->no_body || p->status == 204 || p->status == 304;
    p->frame.chunked = p->coding_seen && !p->no_body;
    p->until_close = !p->no_body && !p->coding_seen && !p->length_seen;
    p->frame.left = p->no_body ? 0 : p->until_close ? UINT64_MAX : p->length;
    p->frame.state = p->frame.chunked ? AT_SIZE_FIRST : AT_LENGTH;
    p->keep_alive = !p->say_close && !p->until_close && (p->minor == 1 || p->say_keep);
    p->headers.n = (uint32_t)(line_at - p->headers.at);
    p->head_len = p->at;
    return 0;
}

/* ---- the head, line by line ---- */

/* One line: 'end' is its LF. */
static int take_line(struct http1_reply *p, const char *data, size_t end)
{
    size_t at = p->at;
    struct span line = {data + at, end - at};

    if (p->frame.state == AT_LINE && !begins_well(line.p, line.n))
        return not_http(p);
    if (line.n == 0 || line.p[line.n - 1] != '\r')
        return http1_fail(&p->frame, BAD, "a line ends in LF without CR");
    line.n--;
    p->at = end + 1;
    if (p->frame.state == AT_LINE)
        return status_line(p, line);
    return line.n ? field_line(p, data, line) : head_end(p, at);
}

enum http1_result http1_reply_head(struct http1_reply *p, const char *data, size_t n)
{
    while (p->frame.state <= AT_FIELDS) {
        size_t from = p->seen > p->at ? p->seen : p->at;
        const char *lf = from < n ? memchr(data + from, '\n', n - from) : NULL;
        size_t end = lf ? (size_t)(lf - data) + 1 : n;

        if (p->frame.state == AT_LINE && !begins_well(data + p->at, end - p->at)) {
            not_http(p);
        } else if (end > p->head_max) {
            http1_fail(&p->frame, BAD, "the head is larger than %zu bytes", p->head_max);
        } else if (lf) {
            take_line(p, data, end - 1);
        } else {
            p->seen = n;
            return HTTP1_MORE;
        }
    }
    return p->frame.state == AT_ERROR ? HTTP1_ERROR : HTTP1_DONE;
}

/* ---- the body ---- */

enum http1_result http1_reply_body(struct http1_reply *p, struct span *in, struct span *out)
{
    return http1_body(&p->frame, in, out);
}

enum http1_result http1_reply_eof(struct http1_reply *p)
{
    if (p->frame.state == AT_LENGTH && (p->until_close || p->frame.left == 0))
        p->frame.state = AT_END;
    if (p->frame.state < AT_END)
        http1_fail(&p->frame, BAD, "cut short");
    return p->frame.state == AT_END ? HTTP1_DONE : HTTP1_ERROR;
}

const char *http1_reply_why(const struct http1_reply *p)
{
    return p->frame.why;
}
