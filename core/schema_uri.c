/* schema_uri - what a reference means where it stands.
 * SPDX-License-Identifier: MIT */
#include "schema_uri.h"

#include <string.h>

static bool is_alpha(char c)
{
    return (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
}

static bool is_scheme_sign(char c)
{
    return is_alpha(c) || (c >= '0' && c <= '9') || c == '+' || c == '-' || c == '.';
}

static struct span until(struct span *rest, const char *stops)
{
    size_t n = 0;

    while (n < rest->n && !(rest->p[n] && strchr(stops, rest->p[n])))
        n++;
    struct span part = {rest->p, n};
    rest->p += n;
    rest->n -= n;
    return part;
}

static void drop(struct span *rest, size_t n)
{
    rest->p += n;
    rest->n -= n;
}

struct uri uri_split(struct span text)
{
    struct uri u = {{NULL, 0}, {NULL, 0}, {NULL, 0}, {NULL, 0}, {NULL, 0}};
    struct span rest = text.p ? text : SPAN("");
    size_t n = 0;

    while (n < rest.n && is_scheme_sign(rest.p[n]))
        n++;
    if (n > 0 && n < rest.n && rest.p[n] == ':' && is_alpha(rest.p[0])) {
        u.scheme = (struct span){rest.p, n};
        drop(&rest, n + 1);
    }
    if (rest.n >= 2 && rest.p[0] == '/' && rest.p[1] == '/') {
        drop(&rest, 2);
        u.authority = until(&rest, "/?#");
    }
    u.path = until(&rest, "?#");
    if (rest.n && rest.p[0] == '?') {
        drop(&rest, 1);
        u.query = until(&rest, "#");
    }
    if (rest.n) {
        drop(&rest, 1);
        u.fragment = rest;
    }
    return u;
}

/* RFC 3986, 5.2.4, on what was appended to 'out' from 'start' on. */
static void remove_dots(struct buf *out, size_t start)
{
    char *p = out->data + start, *to = p, *end = out->data + out->len;

    if (out->len == start)
        return;
    while (p < end) {
        char *slash = memchr(p + 1, '/', (size_t)(end - p - 1));
        char *next = slash ? slash : end;
        size_t n = (size_t)(next - p);
        bool one = n == 2 && p[0] == '/' && p[1] == '.';
        bool two = n == 3 && p[0] == '/' && p[1] == '.' && p[2] == '.';
        if (two)
            while (to > out->data + start && *--to != '/')
                continue;
        if (!one && !two) {
            memmove(to, p, n);
            to += n;
        } else if (next == end) {
            *to++ = '/';
        }
        p = next;
    }
    out->len = (size_t)(to - out->data);
}

static int add_part(struct buf *out, const char *before, struct span part, const char *after)
{
    if (!part.p)
        return 0;
    return buf_puts(out, before) < 0 || buf_add_span(out, part) < 0 || buf_puts(out, after) < 0 ? -1
                                                                                                : 0;
}

/* The path of a relative reference, put behind the base's last slash. */
static int add_merged(struct buf *out, const struct uri *base, struct span path)
{
    size_t n = base->path.n;

    if (n == 0 && base->authority.p)
        return buf_puts(out, "/") < 0 || buf_add_span(out, path) < 0 ? -1 : 0;
    while (n > 0 && base->path.p[n - 1] != '/')
        n--;
    return buf_add(out, base->path.p, n) < 0 || buf_add_span(out, path) < 0 ? -1 : 0;
}

int uri_resolve(struct span base_text, struct span ref, struct buf *out)
{
    struct uri base = uri_split(base_text), r = uri_split(ref);
    bool own = r.scheme.p != NULL, host = own || r.authority.p;
    bool same_path = !host && r.path.n == 0;

    if (add_part(out, "", own ? r.scheme : base.scheme, ":") < 0 ||
        add_part(out, "//", host ? r.authority : base.authority, "") < 0)
        return -1;
    size_t start = out->len;
    bool absolute = r.path.n && r.path.p[0] == '/';
    int rc = same_path          ? buf_add_span(out, base.path)
             : host || absolute ? buf_add_span(out, r.path)
                                : add_merged(out, &base, r.path);
    if (rc < 0)
        return -1;
    if (out->len > start && out->data[start] == '/' && !same_path)
        remove_dots(out, start);
    return add_part(out, "?", same_path && !r.query.p ? base.query : r.query, "");
}

static int hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int uri_decode(struct span text, struct buf *out)
{
    for (size_t i = 0; i < text.n; i++) {
        char c = text.p[i];
        if (c == '%' && i + 2 < text.n && hex(text.p[i + 1]) >= 0 && hex(text.p[i + 2]) >= 0) {
            c = (char)(hex(text.p[i + 1]) << 4 | hex(text.p[i + 2]));
            i += 2;
        }
        if (buf_add(out, &c, 1) < 0)
            return -1;
    }
    return 0;
}
