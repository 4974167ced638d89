/* csv - the fields of comma-separated values (RFC 4180), one after the other.
 * SPDX-License-Identifier: MIT */
#include "csv.h"

#include <string.h>

static void skip(struct csv *c, size_t n)
{
    c->left.p += n;
    c->left.n -= n;
}

/* A line end at the front: its bytes, or 0. */
static size_t line_end(struct span s)
{
    if (s.n && *s.p == '\n')
        return 1;
    return s.n >= 2 && s.p[0] == '\r' && s.p[1] == '\n' ? 2 : 0;
}

void csv_begin(struct csv *c, struct span text)
{
    *c = (struct csv){.left = text, .row_end = true};
    if (text.n >= 3 && memcmp(text.p, "\xef\xbb\xbf", 3) == 0)
        skip(c, 3);
}

static int take_quoted(struct csv *c, struct buf *out)
{
    skip(c, 1);
    for (;;) {
        const char *quote = c->left.n ? memchr(c->left.p, '"', c->left.n) : NULL;
        if (!quote)
            return -1;
        size_t n = (size_t)(quote - c->left.p);
        for (size_t i = 0; i < n; i++)
            c->at += c->left.p[i] == '\n';
        if (buf_add(out, c->left.p, n) < 0)
            return -1;
        skip(c, n + 1);
        if (!c->left.n || *c->left.p != '"')
            return 0;
        if (buf_add(out, "\"", 1) < 0)
            return -1;
        skip(c, 1);
    }
}

static int take_plain(struct csv *c, struct buf *out)
{
    size_t n = 0;

    while (n < c->left.n && c->left.p[n] != ',' &&
           !line_end((struct span){c->left.p + n, c->left.n - n}))
        n++;
    int result = buf_add(out, c->left.p, n);
    skip(c, n);
    return result;
}

int csv_next(struct csv *c, struct buf *out)
{
    size_t n;

    out->len = 0;
    while (c->row_end && (n = line_end(c->left)) > 0) {
        skip(c, n);
        c->at++;
    }
    if (c->row_end && !c->left.n)
        return 0;
    c->line = c->at + 1;
    c->row_end = false;
    if ((c->left.n && *c->left.p == '"' ? take_quoted(c, out) : take_plain(c, out)) < 0)
        return -1;
    if (c->left.n && *c->left.p == ',') {
        skip(c, 1);
        return 1;
    }
    n = line_end(c->left);
    if (c->left.n && !n)
        return -1;
    skip(c, n);
    c->at += n > 0;
    c->row_end = true;
    return 1;
}
