/* http1 - one strict, incremental HTTP/1.1 request parser (RFC 9112) over any bytes.
 * SPDX-License-Identifier: MIT */
#include "http1_private.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { BLANK_MAX = 8 }; /* empty lines before a request line: RFC 9112 2.2 asks for one */

const unsigned char http1_sets[256] = {
    /* clang-format off */
     0,  0,  0,  0,  0,  0,  0,  0,  0,  2,  0,  0,  0,  0,  0,  0, /* 00 */
     0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0, /* 10 */
     2, 15,  6,  7, 15, 15, 15, 15, 14, 14, 15, 15, 14, 15, 15,  6, /* 20 */
    15, 15, 15, 15, 15, 15, 15, 15, 15, 15,  6, 14,  6, 14,  6,  6, /* 30 */
     6, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, /* 40 */
    15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15,  6,  6,  6,  7, 15, /* 50 */
     7, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, /* 60 */
    15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15,  6,  7,  6, 15,  0, /* 70 */
     2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2, /* 80 */
     2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2, /* 90 */
     2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2, /* a0 */
     2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2, /* b0 */
     2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2, /* c0 */
     2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2, /* d0 */
     2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2, /* e0 */
     2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2, /* f0 */
    /* clang-format on */
};

size_t http1_run(const char *s, size_t n, int set)
{
    size_t i = 0;

    while (i < n && http1_is(s[i], set))
        i++;
    return i;
}

bool http1_same(struct span a, const char *text)
{
    return a.n == strlen(text) && strncasecmp(a.p, text, a.n) == 0;
}

struct span http1_trim(struct span s)
{
    while (s.n && (s.p[0] == ' ' || s.p[0] == '\t'))
        s.p++, s.n--;
    while (s.n && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
        s.n--;
    return s;
}

bool http1_next(struct span *list, struct span *element)
{
    if (!list->p)
        return false;

    const char *comma = memchr(list->p, ',', list->n);
    size_t n = comma ? (size_t)(comma - list->p) : list->n;
    *element = http1_trim((struct span){list->p, n});
    *list = comma ? (struct span){comma + 1, list->n - n - 1} : (struct span){NULL, 0};
    return true;
}

int http1_fail(struct http1 *p, int status, const char *format, ...)
{
    va_list args;

    p->status = status;
    p->state = AT_ERROR;
    va_start(args, format);
    vsnprintf(p->why, sizeof p->why, format, args);
    va_end(args);
    return -1;
}

void http1_init(struct http1 *p, const struct http1_limits *limits, struct http1_field *fields)
{
    *p = (struct http1){.limits = limits, .fields = fields, .state = AT_LINE};
}

bool http1_blank(const struct http1 *p, size_t n)
{
    return p->state == AT_LINE && p->at == n;
}

/* ---- the request line ---- */

/* uri-host [ ":" port ]; an empty host is the caller's business */
static bool host_valid(struct span s)
{
    size_t n;

    if (s.n && s.p[0] == '[') {
        n = 1 + strspn(s.p + 1, "0123456789abcdefABCDEF:.");
        if (n == 1 || n >= s.n || s.p[n++] != ']')
            return false;
    } else {
        n = http1_run(s.p, s.n, HOST);
    }
    if (n == s.n)
        return true;
    if (s.p[n++] != ':')
        return false;
    while (n < s.n && s.p[n] >= '0' && s.p[n] <= '9')
        n++;
    return n == s.n;
}

static struct http1_at at_of(const char *data, const char *s, size_t n)
{
    return (struct http1_at){(uint32_t)(s - data), (uint32_t)n};
}

static void split_path(struct http1 *p, const char *data, struct span t)
{
    const char *end =
        memchr(t.p, '#', t.n); /* a fragment does not belong here; nobody routes by it */

    if (end)
        t.n = (size_t)(end - t.p);
    const char *mark = memchr(t.p, '?', t.n);
    size_t n = mark ? (size_t)(mark - t.p) : t.n;
    p->path = at_of(data, t.p, n);
    p->query = at_of(data, t.p + n + (mark != NULL), t.n - n - (mark != NULL));
}

/* "http://host:port/path?query": the authority is checked and dropped, we are the only host here.
 */
static int absolute_target(struct http1 *p, const char *data, struct span t)
{
    size_t scheme = t.n > 7 && strncasecmp(t.p, "http://", 7) == 0    ? 7
                    : t.n > 8 && strncasecmp(t.p, "https://", 8) == 0 ? 8
                                                                      : 0;
    if (!scheme)
        return http1_fail(p, 400, "The request target is neither a path nor an http URL.");
    t.p += scheme;
    t.n -= scheme;

    size_t n = 0;
    while (n < t.n && t.p[n] != '/' && t.p[n] != '?' && t.p[n] != '#')
        n++;
    if (n == 0 || t.p[0] == ':' || !host_valid((struct span){t.p, n}))
        return http1_fail(p, 400, "The host in the request target is not valid.");
    split_path(p, data, (struct span){t.p + n, t.n - n});
    return 0;
}

static int target(struct http1 *p, const char *data, struct span method, struct span t)
{
    if (t.n == 0 || http1_run(t.p, t.n, TARGET) != t.n)
        return http1_fail(p, 400,
                          "The request target is empty or has characters that are not allowed.");
    if (span_is(method, "CONNECT"))
        return http1_fail(p, 501, "CONNECT is not implemented.");
    if (t.p[0] == '/')
        split_path(p, data, t);
    else if (span_is(t, "*") && span_is(method, "OPTIONS"))
        p->path = at_of(data, t.p, 1);
    else
        return absolute_target(p, data, t);
    return 0;
}

static int version(struct http1 *p, struct span s)
{
    if (s.n != 8 || memcmp(s.p, "HTTP/", 5) != 0 || s.p[5] < '0' || s.p[5] > '9' || s.p[6] != '.' ||
        s.p[7] < '0' || s.p[7] > '9')
        return http1_fail(p, 400, "The request line does not end in an HTTP version.");
    if (s.p[5] != '1' || s.p[7] > '1')
        return http1_fail(p, 505, "Only HTTP/1.1 and HTTP/1.0 are supported.");
    p->minor = s.p[7] - '0';
    return 0;
}

static int request_line(struct http1 *p, const char *data, struct span line)
{
    size_t n = http1_run(line.p, line.n, TOKEN);

    if (n == 0 || n == line.n || line.p[n] != ' ')
        return http1_fail(p, 400, "The request line does not begin with a method and a space.");
    struct span method = {line.p, n};
    struct span rest = {line.p + n + 1, line.n - n - 1};
    const char *space = memchr(rest.p, ' ', rest.n);
    if (!space)
        return http1_fail(p, 400, "The request line is not METHOD TARGET VERSION.");

    struct span t = {rest.p, (size_t)(space - rest.p)};
    p->method = at_of(data, method.p, method.n);
    if (version(p, (struct span){space + 1, rest.n - t.n - 1}) < 0)
        return -1;
    return target(p, data, method, t);
}

/* ---- the header fields that matter here ---- */

static int on_host(struct http1 *p, struct span value)
{
    if (p->host_seen)
        return http1_fail(p, 400, "More than one Host header.");
    if (!host_valid(value))
        return http1_fail(p, 400, "The Host header is not a valid host.");
    p->host_seen = true;
    return 0;
}

static int on_length(struct http1 *p, struct span value)
{
    if (p->length_seen)
        return http1_fail(p, 400, "More than one Content-Length header.");
    p->length_seen = true;
    if (value.n == 0)
        return http1_fail(p, 400, "Content-Length is not a number.");
    for (size_t i = 0; i < value.n; i++) {
        if (value.p[i] < '0' || value.p[i] > '9')
            return http1_fail(p, 400, "Content-Length is not a number.");
        /* once too long it stays so, and can no longer wrap around */
        if (!p->too_long)
            p->length = p->length * 10 + (uint64_t)(value.p[i] - '0');
        p->too_long = p->too_long || p->length > p->limits->body_max;
    }
    return 0;
}

static int on_coding(struct http1 *p, struct span value)
{
    struct span coding;

    p->coding_seen = true;
    while (http1_next(&value, &coding)) {
        p->coding_bad = p->coding_bad || coding.n == 0;
        p->chunked_last = http1_same(coding, "chunked");
        p->chunked_seen += p->chunked_last;
        p->codings++;
    }
    return 0;
}

static int on_connection(struct http1 *p, struct span value)
{
    struct span option;

    while (http1_next(&value, &option)) {
        p->say_close = p->say_close || http1_same(option, "close");
        p->say_keep = p->say_keep || http1_same(option, "keep-alive");
    }
    return 0;
}

static int on_expect(struct http1 *p, struct span value)
{
    p->expect_continue = http1_same(value, "100-continue");
    p->expect_other = p->expect_other || !p->expect_continue;
    return 0;
}

static const struct {
    struct span name;
    int (*take)(struct http1 *p, struct span value);
} known[] = {
    {{"Host", 4}, on_host},
    {{"Expect", 6}, on_expect},
    {{"Connection", 10}, on_connection},
    {{"Content-Length", 14}, on_length},
    {{"Transfer-Encoding", 17}, on_coding},
};

static int take_known(struct http1 *p, struct span name, struct span value)
{
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (name.n == known[i].name.n && strncasecmp(name.p, known[i].name.p, name.n) == 0)
            return known[i].take(p, value);
    return 0;
}

static int field_line(struct http1 *p, const char *data, struct span line)
{
    size_t n = http1_run(line.p, line.n, TOKEN);

    if (line.p[0] == ' ' || line.p[0] == '\t')
        return http1_fail(p, 400, "A header line begins with white space (obsolete folding).");
    if (n == 0 || n == line.n || line.p[n] != ':')
        return http1_fail(p, 400, "A header line is not a name, directly followed by a colon.");

    struct span name = {line.p, n};
    struct span value = http1_trim((struct span){line.p + n + 1, line.n - n - 1});
    if (http1_run(value.p, value.n, VALUE) != value.n)
        return http1_fail(p, 400, "A header value has a control character.");
    if (p->field_count >= p->limits->header_count)
        return http1_fail(p, 431, "More than %d header lines.", p->limits->header_count);
    p->fields[p->field_count++] = (struct http1_field){
        at_of(data, name.p, name.n),
        at_of(data, value.p, value.n),
    };
    return take_known(p, name, value);
}

/* ---- the end of the head: do the fields agree about where the body ends? (RFC 9112 6.1, 6.3) ----
 */

static int check_coding(struct http1 *p)
{
    if (p->length_seen)
        return http1_fail(p, 400, "Both Transfer-Encoding and Content-Length.");
    if (p->minor == 0)
        return http1_fail(p, 400, "Transfer-Encoding in an HTTP/1.0 request.");
    if (p->coding_bad)
        return http1_fail(p, 400, "Transfer-Encoding has an empty element.");
    if (p->chunked_seen > 1 || (p->chunked_seen == 1 && !p->chunked_last))
        return http1_fail(p, 400, "Transfer-Encoding must be chunked once, at the end.");
    if (p->codings != 1 || !p->chunked_seen)
        return http1_fail(p, 501, "The only transfer coding implemented is chunked.");
    p->chunked = true;
    return 0;
}

static int head_end(struct http1 *p)
{
    if (p->minor == 1 && !p->host_seen)
        return http1_fail(p, 400, "The Host header is missing.");
    if (p->coding_seen && check_coding(p) < 0)
        return -1;
    if (p->minor == 0)
        p->expect_continue = p->expect_other = false;
    if (p->expect_other)
        return http1_fail(p, 417, "The only expectation that can be met is 100-continue.");
    if (p->too_long)
        return http1_fail(p, 413, "The body is longer than %zu bytes.", p->limits->body_max);
    p->keep_alive = !p->say_close && (p->minor == 1 || p->say_keep);
    p->left = p->length;
    p->head_len = p->at;
    p->state = p->chunked ? AT_SIZE_FIRST : AT_LENGTH;
    return 0;
}

/* ---- the head, line by line ---- */

static int check_room(struct http1 *p, size_t line_len, size_t end)
{
    if (p->state == AT_LINE && line_len > p->limits->line_max + 1)
        return http1_fail(p, 414, "The request line is longer than %zu bytes.",
                          p->limits->line_max);
    if (p->state == AT_FIELDS && end - p->fields_at > p->limits->header_max)
        return http1_fail(p, 431, "The headers are longer than %zu bytes.", p->limits->header_max);
    return 0;
}

static int first_line(struct http1 *p, const char *data, struct span line)
{
    if (line.n == 0)
        return ++p->blank > BLANK_MAX ? http1_fail(p, 400, "Empty lines instead of a request.") : 0;
    p->state = AT_FIELDS;
    p->fields_at = p->at;
    return request_line(p, data, line);
}

/* One line: 'end' is its LF. */
static int take_line(struct http1 *p, const char *data, size_t end)
{
    struct span line = {data + p->at, end - p->at};

    if (check_room(p, line.n, end + 1) < 0)
        return -1;
    if (line.n == 0 || line.p[line.n - 1] != '\r')
        return http1_fail(p, 400, "A line ends in LF without CR.");
    line.n--;
    p->at = end + 1;
    if (p->state == AT_LINE)
        return first_line(p, data, line);
    return line.n ? field_line(p, data, line) : head_end(p);
}

enum http1_result http1_head(struct http1 *p, const char *data, size_t n)
{
    while (p->state <= AT_FIELDS) {
        /* what cannot be HTTP, such as a TLS hello, need not wait for its first LF */
        if (p->state == AT_LINE && p->at < n && data[p->at] != '\r' &&
            !http1_is(data[p->at], TOKEN))
            http1_fail(p, 400, "The request does not begin with a method.");
        else {
            const char *lf = p->at < n ? memchr(data + p->at, '\n', n - p->at) : NULL;
            if (lf)
                take_line(p, data, (size_t)(lf - data));
            else if (check_room(p, n - p->at, n) == 0)
                return HTTP1_MORE;
        }
    }
    return p->state == AT_ERROR ? HTTP1_ERROR : HTTP1_DONE;
}
