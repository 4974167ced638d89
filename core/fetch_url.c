/* fetch_url - the URLs that scripts may fetch: read strictly, followed, compared with what is allowed.
 * SPDX-License-Identifier: MIT */
#include "fetch_url.h"

#include "address.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static int bad(struct err *err, const char *why)
{
    return err_set(err, ERR_BAD_REQUEST, "not a URL that can be fetched: %s", why);
}

static unsigned port_of(bool https)
{
    return https ? 443 : 80;
}

/* ---- hosts ---- */

/* Would some parser take the name for an address? Its last label is a number then, as in WHATWG's URL standard. */
static bool ends_in_number(const char *host)
{
    const char *label = strrchr(host, '.');

    label = label ? label + 1 : host;
    if (label[strspn(label, "0123456789")] == 0)
        return true;
    return label[0] == '0' && label[1] == 'x' &&
           label[2 + strspn(label + 2, "0123456789abcdef")] == 0;
}

static bool labels_are_fine(const char *host)
{
    size_t n;

    for (const char *p = host;; p += n + 1) {
        n = strcspn(p, ".");
        if (n == 0 || n > 63)
            return false;
        if (!p[n])
            return true;
    }
}

static int read_name(struct fetch_url *u, struct span s, struct err *err)
{
    struct address a;

    if (s.n > 1 && s.p[s.n - 1] == '.') /* "example.com." is the same host */
        s.n--;
    if (s.n == 0 || s.n > FETCH_HOST_MAX)
        return bad(err, "no host, or one too long");
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (!(c < 0x80 && isalnum(c)) && (!c || !strchr("-_.", c)))
            return bad(err, "a host has letters, digits, '-', '_' and '.'");
        u->host[i] = (char)tolower(c);
    }
    u->host[s.n] = 0;
    if (!labels_are_fine(u->host))
        return bad(err, "a host has an empty part, or one too long");
    u->literal = ends_in_number(u->host);
    if (u->literal && !address_read(&a, u->host))
        return bad(err, "an address must be written in full");
    return 0;
}

/* Without its brackets. Written anew: one address, one spelling. */
static int read_v6(struct fetch_url *u, struct span s, struct err *err)
{
    struct address a;

    if (s.n == 0 || s.n >= INET6_ADDRSTRLEN)
        return bad(err, "bad IPv6 address");
    memcpy(u->host, s.p, s.n);
    u->host[s.n] = 0;
    if (strlen(u->host) != s.n || !address_read(&a, u->host) || !a.v6)
        return bad(err, "bad IPv6 address");
    inet_ntop(AF_INET6, a.bytes, u->host, sizeof u->host);
    u->literal = u->v6 = true;
    return 0;
}

/* ":8080" or nothing. */
static int read_port(unsigned *port, struct span s)
{
    unsigned n = 0;

    if (s.n == 0)
        return 0;
    if (*s.p != ':' || s.n < 2 || s.n > 6)
        return -1;
    for (size_t i = 1; i < s.n; i++) {
        if (s.p[i] < '0' || s.p[i] > '9')
            return -1;
        n = n * 10 + (unsigned)(s.p[i] - '0');
    }
    *port = n;
    return n >= 1 && n <= 65535 ? 0 : -1;
}

/* "host", "host:port", "[v6]:port" -> the host without brackets, and what follows it. */
static bool split_port(struct span s, struct span *host, struct span *port, bool *v6)
{
    const char *stop;

    *v6 = s.n && *s.p == '[';
    stop = s.n ? memchr(s.p, *v6 ? ']' : ':', s.n) : NULL;
    if (*v6 && !stop)
        return false;
    host->p = s.p + *v6;
    host->n = stop ? (size_t)(stop - host->p) : s.n;
    port->p = stop ? stop + *v6 : s.p + s.n;
    port->n = (size_t)(s.p + s.n - port->p);
    return true;
}

static int read_authority(struct fetch_url *u, struct span s, struct err *err)
{
    struct span host, port;
    bool v6;

    if (s.n && memchr(s.p, '@', s.n))
        return bad(err, "it names a user");
    if (!split_port(s, &host, &port, &v6))
        return bad(err, "bad IPv6 address");
    u->port = port_of(u->https);
    if (read_port(&u->port, port) < 0)
        return bad(err, "bad port");
    return v6 ? read_v6(u, host, err) : read_name(u, host, err);
}

/* ---- paths ---- */

/* "." or "..", also in the spelling of those who want to hide one: how many dots. */
static int dots(const char *segment, size_t n)
{
    int count = 0;

    for (size_t i = 0; i < n; count++) {
        if (segment[i] == '.')
            i++;
        else if (n - i >= 3 && strncasecmp(segment + i, "%2e", 3) == 0)
            i += 3;
        else
            return 0;
    }
    return count <= 2 ? count : 0;
}

/* Takes dot segments out of the path, in place; the query stays. */
static void remove_dots(char *target)
{
    char *to = target, *query = target + strcspn(target, "?");
    const char *p = target;

    while (p < query) { /* at a '/' */
        size_t n = strcspn(p + 1, "/?");
        int count = dots(p + 1, n);
        bool last = p + 1 + n >= query;
        if (count == 2)
            while (to > target && *--to != '/')
                ;
        if (count == 0) {
            memmove(to, p, n + 1);
            to += n + 1;
        } else if (last) {
            *to++ = '/';
        }
        p += n + 1;
    }
    memmove(to, query, strlen(query) + 1);
}

static int read_target(struct fetch_url *u, struct span s, struct err *err)
{
    bool bare = s.n == 0 || *s.p != '/'; /* "https://host?query" */

    if (s.n + bare > FETCH_URL_MAX)
        return bad(err, "it is too long");
    u->target[0] = '/';
    memcpy(u->target + bare, s.p, s.n);
    u->target[s.n + bare] = 0;
    remove_dots(u->target);
    return 0;
}

/* ---- whole URLs ---- */

static bool begins(struct span s, const char *word)
{
    return s.n >= strlen(word) && strncasecmp(s.p, word, strlen(word)) == 0;
}

static size_t until(struct span s, const char *stops)
{
    size_t n = 0;

    while (n < s.n && !strchr(stops, s.p[n]))
        n++;
    return n;
}

int fetch_url_read(struct fetch_url *u, struct span text, struct err *err)
{
    u->literal = u->v6 = false;
    if (text.n > FETCH_URL_MAX)
        return bad(err, "it is too long");
    for (size_t i = 0; i < text.n; i++)
        if (text.p[i] <= ' ' || text.p[i] >= 0x7F || text.p[i] == '\\')
            return bad(err, "white space, a backslash, or a byte that is not ASCII");
    u->https = begins(text, "https://");
    if (!u->https && !begins(text, "http://"))
        return bad(err, "neither http: nor https:");
    text.p += u->https ? 8 : 7;
    text.n -= u->https ? 8 : 7;
    text.n = until(text, "#");
    struct span authority = {text.p, until(text, "/?")};
    if (read_authority(u, authority, err) < 0)
        return -1;
    return read_target(u, (struct span){text.p + authority.n, text.n - authority.n}, err);
}

void fetch_url_write(const struct fetch_url *u, char *to)
{
    const char *scheme = u->https ? "https" : "http", *open = u->v6 ? "[" : "",
               *close = u->v6 ? "]" : "";

    if (u->port == port_of(u->https))
        snprintf(to, FETCH_URL_SIZE, "%s://%s%s%s%s", scheme, open, u->host, close, u->target);
    else
        snprintf(to, FETCH_URL_SIZE, "%s://%s%s%s:%u%s", scheme, open, u->host, close, u->port,
                 u->target);
}

/* ---- redirects ---- */

/* "https:" and the like: what comes before the first of ":/?#" is a scheme. */
static bool has_scheme(struct span s)
{
    size_t n = until(s, ":/?#");

    return n > 0 && n < s.n && s.p[n] == ':';
}

/* The location with what servers should have encoded; -1: too long. */
static int encode(struct buf *out, struct span location)
{
    int failed = 0;

    for (size_t i = 0; i < location.n && !failed; i++) {
        unsigned char c = (unsigned char)location.p[i];
        if (c == ' ' || c >= 0x80)
            failed = buf_printf(out, "%%%02X", c);
        else
            failed = buf_add(out, &c, 1);
    }
    return failed;
}

static int absolute(struct buf *out, const struct fetch_url *from, struct span s)
{
    char base[FETCH_URL_SIZE];
    size_t keep, origin;

    if (has_scheme(s))
        return encode(out, s);
    fetch_url_write(from, base);
    origin = strlen(base) - strlen(from->target);
    if (s.n >= 2 && s.p[0] == '/' && s.p[1] == '/')
        keep = from->https ? 6 : 5; /* "https:" */
    else if (s.n && *s.p == '/')
        keep = origin;
    else if (s.n == 0 || *s.p == '#')
        keep = strlen(base);
    else {
        keep = origin + strcspn(base + origin, "?");
        while (*s.p != '?' && base[keep - 1] != '/')
            keep--;
    }
    return buf_add(out, base, keep) | encode(out, s);
}

static struct span trimmed(struct span s)
{
    while (s.n && strchr(" \t", *s.p))
        s = (struct span){s.p + 1, s.n - 1};
    while (s.n && strchr(" \t", s.p[s.n - 1]))
        s.n--;
    return s;
}

int fetch_url_follow(struct fetch_url *to, const struct fetch_url *from, struct span location,
                     struct err *err)
{
    struct buf text;
    int result;

    buf_init(&text, FETCH_URL_SIZE);
    if (absolute(&text, from, trimmed(location)) < 0)
        result = bad(err, "it is too long");
    else
        result = fetch_url_read(to, buf_span(&text), err);
    buf_deinit(&text);
    return result;
}

/* ---- what is allowed ---- */

bool fetch_url_same_origin(const struct fetch_url *a, const struct fetch_url *b)
{
    return a->https == b->https && a->port == b->port && strcmp(a->host, b->host) == 0;
}

static bool host_matches(const struct fetch_url *u, struct span rule, bool v6)
{
    size_t n = strlen(u->host);
    struct address a, b;
    char text[INET6_ADDRSTRLEN];

    if (v6) {
        if (!u->v6 || rule.n >= sizeof text)
            return false;
        memcpy(text, rule.p, rule.n);
        text[rule.n] = 0;
        return address_read(&a, text) && address_read(&b, u->host) &&
               memcmp(a.bytes, b.bytes, sizeof a.bytes) == 0;
    }
    if (span_is(rule, "*"))
        return true;
    if (begins(rule, "*.")) /* at least a byte for the star */
        return !u->literal && n >= rule.n &&
               strncasecmp(u->host + n - (rule.n - 1), rule.p + 1, rule.n - 1) == 0;
    return n == rule.n && strncasecmp(u->host, rule.p, n) == 0;
}

bool fetch_url_matches(const struct fetch_url *u, struct span rule)
{
    struct span host, port;
    unsigned wanted = port_of(u->https);
    bool v6;

    if (span_is(rule, "*")) /* any host on any port */
        return true;
    if (!split_port(rule, &host, &port, &v6) || read_port(&wanted, port) < 0)
        return false;
    return wanted == u->port && host_matches(u, host, v6);
}

bool fetch_url_is_rule(struct span rule)
{
    struct fetch_url u = {.https = true};
    struct span host, port;
    unsigned number;
    struct err err;
    bool v6;

    if (span_is(rule, "*"))
        return true;
    if (!split_port(rule, &host, &port, &v6) || read_port(&number, port) < 0)
        return false;
    if (v6)
        return read_v6(&u, host, &err) == 0;
    if (span_is(host, "*"))
        return true;
    if (begins(host, "*."))
        host = (struct span){host.p + 2, host.n - 2};
    return read_name(&u, host, &err) == 0;
}
