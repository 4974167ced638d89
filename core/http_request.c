/* http_request - what a handler may ask about its request.
 * SPDX-License-Identifier: MIT */
#include "http_private.h"

#include <assert.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* The values of one name, put together; kept until the exchange ends. */
struct joined {
    struct joined *next;
    int first; /* the index of the first of them */
    char text[];
};

/* ---- birth and end ---- */

struct http_exchange *exchange_new(struct conn *c)
{
    const struct http1_limits *l = &c->limits;
    struct http_exchange *x = malloc(sizeof *x + (size_t)l->header_count * sizeof *x->fields);

    if (!x)
        return NULL;
    *x = (struct http_exchange){.c = c};
    http1_init(&x->p, l, x->fields);
    return x;
}

void exchange_free(struct http_exchange *x)
{
    if (!x)
        return;
    while (x->joined) {
        struct joined *next = x->joined->next;
        free(x->joined);
        x->joined = next;
    }
    buf_deinit(&x->body);
    free(x->head);
    free(x);
}

static void terminate(struct http_exchange *x, struct http1_at s)
{
    x->head[s.at + s.n] = 0;
}

/* Behind each of these stands a space, a colon or a CR that nobody needs any more. */
void exchange_hold(struct http_exchange *x)
{
    terminate(x, x->p.method);
    terminate(x, x->p.path);
    terminate(x, x->p.query);
    for (int i = 0; i < x->p.field_count; i++) {
        terminate(x, x->fields[i].name);
        terminate(x, x->fields[i].value);
    }
}

/* ---- the head ---- */

static const char *text(const struct http_exchange *x, struct http1_at s)
{
    return x->head + s.at;
}

const char *http_method(const struct http_exchange *x)
{
    return text(x, x->p.method);
}

const char *http_path(const struct http_exchange *x)
{
    return x->p.path.n ? text(x, x->p.path) : "/";
}

const char *http_query(const struct http_exchange *x)
{
    return text(x, x->p.query);
}

static bool is_named(const struct http_exchange *x, int i, const char *name, size_t n)
{
    return x->fields[i].name.n == n && strncasecmp(text(x, x->fields[i].name), name, n) == 0;
}

static int find(const struct http_exchange *x, int from, const char *name, size_t n)
{
    while (from < x->p.field_count && !is_named(x, from, name, n))
        from++;
    return from;
}

static char *add_value(const struct http_exchange *x, int i, char *to)
{
    memcpy(to, text(x, x->fields[i].value), x->fields[i].value.n);
    return to + x->fields[i].value.n;
}

static struct joined *join(const struct http_exchange *x, int first, const char *name, size_t n)
{
    struct joined *j;
    size_t size = sizeof *j + 1;

    for (int i = first; i < x->p.field_count; i = find(x, i + 1, name, n))
        size += x->fields[i].value.n + 2;
    if (!(j = malloc(size)))
        return NULL;
    j->first = first;
    char *to = add_value(x, first, j->text);
    for (int i = find(x, first + 1, name, n); i < x->p.field_count; i = find(x, i + 1, name, n)) {
        memcpy(to, ", ", 2);
        to = add_value(x, i, to + 2);
    }
    *to = 0;
    return j;
}

const char *http_header(const struct http_exchange *x, const char *name)
{
    size_t n = strlen(name);
    int first = find(x, 0, name, n);

    if (first == x->p.field_count)
        return NULL;
    if (find(x, first + 1, name, n) == x->p.field_count)
        return text(x, x->fields[first].value);
    for (struct joined *j = x->joined; j; j = j->next)
        if (j->first == first)
            return j->text;

    struct joined *j = join(x, first, name, n);
    if (!j)
        return NULL;
    /* only what was made for the asker is kept: the request itself stays as it is */
    struct http_exchange *owner = x->c->x;
    j->next = owner->joined;
    owner->joined = j;
    return j->text;
}

bool http_header_at(const struct http_exchange *x, int i, struct http_header *out)
{
    if (i < 0 || i >= x->p.field_count)
        return false;
    *out = (struct http_header){text(x, x->fields[i].name), text(x, x->fields[i].value)};
    return true;
}

const char *http_peer(const struct http_exchange *x)
{
    return x->c->peer;
}

/* ---- the body ---- */

void http_decode_percent(const char *in, char *out, size_t size)
{
    size_t n = 0;

    for (; *in && n + 1 < size; in++) {
        char hex[3] = {0};
        if (*in == '%' && isxdigit((unsigned char)in[1]) && isxdigit((unsigned char)in[2])) {
            memcpy(hex, in + 1, 2);
            out[n++] = (char)strtol(hex, NULL, 16);
            in += 2;
        } else {
            out[n++] = *in;
        }
    }
    out[n] = 0;
}

struct span http_body(const struct http_exchange *x)
{
    return x->body.data
               ? buf_span(&x->body)
               : (struct span){x->body_in_head.p ? x->body_in_head.p : "", x->body_in_head.n};
}

char *http_take_body(struct http_exchange *x, size_t *n)
{
    struct span s = http_body(x);
    char *taken;

    if (x->body.data)
        return buf_take(&x->body, n);
    if ((taken = malloc(s.n + 1)))
        memcpy(taken, s.p, s.n);
    *n = taken ? s.n : 0;
    x->body_in_head.n = 0;
    return taken;
}

void http_on_gone(struct http_exchange *x, http_handler *on_gone, void *arg)
{
    x->on_gone = on_gone;
    x->gone_arg = arg;
}
