/* transfer_url - what a request says, checked before libcurl sees it: method, URL, headers.
 * SPDX-License-Identifier: MIT
 *
 * libcurl parses the URL itself; what we read here only names the host in messages and look-ups. */
#include "transfer_parts.h"

#include <ctype.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { HOST_MAX = 253 };

static int bad_url(struct err *err, const char *why)
{
    return err_set(err, ERR_BAD_REQUEST, "not a usable URL: %s", why);
}

static bool host_byte(unsigned char c)
{
    return isalnum(c) || c == '.' || c == '-' || c == '_' || c >= 0x80;
}

/* ":8080" or nothing, up to the end. */
static int read_port(struct span s, struct url_parts *u, struct err *err)
{
    unsigned port = 0;

    if (s.n == 0)
        return 0;
    for (size_t i = 1; i < s.n; i++) {
        if (s.p[i] < '0' || s.p[i] > '9' || port > 65535)
            return bad_url(err, "bad port");
        port = port * 10 + (unsigned)(s.p[i] - '0');
    }
    if (s.p[0] != ':' || port < 1 || port > 65535)
        return bad_url(err, "bad port");
    u->port = port;
    return 0;
}

static int read_host(struct span s, struct url_parts *u, struct err *err)
{
    const char *stop;

    if (s.n && *s.p == '[') {
        stop = memchr(s.p, ']', s.n);
        if (!stop || stop == s.p + 1)
            return bad_url(err, "bad IPv6 address");
        u->host = (struct span){s.p + 1, (size_t)(stop - s.p) - 1};
        for (size_t i = 0; i < u->host.n; i++)
            if (!isxdigit((unsigned char)u->host.p[i]) && !strchr(":.", u->host.p[i]))
                return bad_url(err, "bad IPv6 address");
        stop++;
    } else {
        stop = memchr(s.p, ':', s.n);
        if (!stop)
            stop = s.p + s.n;
        u->host = (struct span){s.p, (size_t)(stop - s.p)};
        for (size_t i = 0; i < u->host.n; i++)
            if (!host_byte((unsigned char)u->host.p[i]))
                return bad_url(err, "bad host name");
    }
    if (u->host.n == 0 || u->host.n > HOST_MAX)
        return bad_url(err, "no host name, or one too long");
    return read_port((struct span){stop, (size_t)(s.p + s.n - stop)}, u, err);
}

/* Dot segments are libcurl's to take out; "/.well-known" goes there too, which does no harm. */
static bool special(const char *url, struct span target)
{
    for (const char *p = url; *p; p++)
        if ((unsigned char)*p >= 0x80)
            return true;
    for (size_t i = 0; i + 1 < target.n && target.p[i] != '?'; i++)
        if (target.p[i] == '/' && target.p[i + 1] == '.')
            return true;
    return false;
}

int url_split(const char *url, struct url_parts *u, struct err *err)
{
    const char *at;

    *u = (struct url_parts){0};
    for (const char *p = url; *p; p++)
        if ((unsigned char)*p <= ' ' || *p == 0x7F)
            return bad_url(err, "white space or control characters");
    u->https = strncasecmp(url, "https://", 8) == 0;
    if (!u->https && strncasecmp(url, "http://", 7) != 0)
        return bad_url(err, "neither http: nor https:");
    u->port = u->https ? 443 : 80;

    struct span authority = {url + (u->https ? 8 : 7), 0};
    authority.n = strcspn(authority.p, "/?#");
    u->target.p = authority.p + authority.n;
    u->target.n = strcspn(u->target.p, "#");
    u->special = special(url, u->target) || memchr(authority.p, '@', authority.n);
    while ((at = memchr(authority.p, '@', authority.n)) != NULL) {
        authority.n -= (size_t)(at + 1 - authority.p);
        authority.p = at + 1;
    }
    return read_host(authority, u, err);
}

static bool ends_with(const char *text, const char *tail)
{
    size_t n = strlen(text), m = strlen(tail);

    return n >= m && strcasecmp(text + n - m, tail) == 0;
}

bool url_needs_lookup(const char *host)
{
    const char *label = strrchr(host, '.');

    if (strchr(host, ':') || strcasecmp(host, "localhost") == 0 || ends_with(host, ".localhost"))
        return false;
    /* "127.1" and "0x7f.1" are addresses too; libcurl knows. Names that are no ASCII it converts.
     */
    if (isdigit((unsigned char)(label ? label[1] : *host)))
        return false;
    for (const char *p = host; *p; p++)
        if ((unsigned char)*p >= 0x80)
            return false;
    return true;
}

static bool is_set(const char *variable)
{
    const char *value = getenv(variable);

    return value && *value;
}

bool url_may_be_proxied(bool https)
{
    if (is_set("all_proxy") || is_set("ALL_PROXY"))
        return true;
    /* HTTP_PROXY in capitals is a request header's variable in CGI: libcurl leaves it alone, so do
     * we */
    return https ? is_set("https_proxy") || is_set("HTTPS_PROXY") : is_set("http_proxy");
}

/* ---- headers ---- */

/* libcurl would add these of its own; a name alone with a colon keeps it from that. We do not ask
 * for a packed answer, and an answer comes without an interim one. */
static const char *const not_sent[] = {"Expect:", "Accept-Encoding:"};
enum { NOT_SENT = sizeof not_sent / sizeof *not_sent };

static size_t name_length(const char *line)
{
    size_t n = 0;

    while (line[n] && line[n] != ':' && !strchr(" \t\r\n;", line[n]))
        n++;
    return line[n] == ':' ? n : 0;
}

static int check_header(const char *line, struct err *err)
{
    size_t n = name_length(line);

    if (n == 0)
        return err_set(err, ERR_BAD_REQUEST, "a request header is not of the form \"name: value\"");
    if (strpbrk(line, "\r\n"))
        return err_set(err, ERR_BAD_REQUEST, "line break in request header %.*s",
                       (int)(n < 64 ? n : 64), line);
    return 0;
}

int headers_check(const struct transfer_request *r, struct err *err)
{
    for (size_t i = 0; i < r->header_count; i++)
        if (check_header(r->headers[i], err) < 0)
            return -1;
    return 0;
}

bool header_is(const char *line, const char *name)
{
    size_t n = strlen(name);

    return strncasecmp(line, name, n) == 0 && line[n] == ':';
}

bool header_is_ours(const char *line)
{
    return header_is(line, "Content-Length") || header_is(line, "Transfer-Encoding") ||
           header_is(line, "Connection");
}

static bool without_value(const char *line, size_t name)
{
    return line[name + 1 + strspn(line + name + 1, " \t")] == 0;
}

static struct curl_slist *put(struct curl_slist *node, char **text, const char *line,
                              bool empty_value)
{
    size_t n = empty_value ? name_length(line) : strlen(line);

    memcpy(*text, line, n);
    if (empty_value) /* "Name;" is libcurl's way to send one without a value */
        (*text)[n++] = ';';
    (*text)[n] = 0;
    *node = (struct curl_slist){.data = *text, .next = node + 1};
    *text += n + 1;
    return node + 1;
}

struct curl_slist *headers_for_curl(const struct transfer_request *r, struct err *err)
{
    bool typed = false;
    size_t size = sizeof "Content-Type:", count = NOT_SENT;

    if (headers_check(r, err) < 0)
        return NULL;
    for (size_t i = 0; i < r->header_count; i++) {
        typed = typed || header_is(r->headers[i], "Content-Type");
        count += !header_is_ours(r->headers[i]);
        size += strlen(r->headers[i]) + 2;
    }
    for (size_t i = 0; i < NOT_SENT; i++)
        size += strlen(not_sent[i]) + 1;

    count += !typed;
    struct curl_slist *first = malloc(count * sizeof *first + size), *node = first;
    if (!first) {
        err_set(err, ERR_INTERNAL, "out of memory");
        return NULL;
    }
    char *text = (char *)(first + count);
    for (size_t i = 0; i < NOT_SENT; i++)
        node = put(node, &text, not_sent[i], false);
    if (!typed)
        node = put(node, &text, "Content-Type:", false);
    for (size_t i = 0; i < r->header_count; i++)
        if (!header_is_ours(r->headers[i]))
            node = put(node, &text, r->headers[i],
                       without_value(r->headers[i], name_length(r->headers[i])));
    first[count - 1].next = NULL;
    return first;
}
