/* admin_ask - questions that the workers answer: which requests are in flight; end this one.
 * SPDX-License-Identifier: MIT */
#include "admin_private.h"

#include "json.h"

#include <stdlib.h>
#include <string.h>

enum { WAIT_MS = 2000 };

/* A question under way; each worker answers it once. */
struct query {
    struct list node;
    struct master *m;
    int64_t id;
    struct http_exchange *x; /* NULL: nobody waits any more */
    pid_t asked[2 * WORKERS_MAX];
    int waiting;
    bool listing;
    struct buf items;
    int64_t total, cancelled;
    struct event *timeout;
};

static void query_free(struct query *q)
{
    list_remove(&q->node);
    if (q->timeout)
        event_free(q->timeout);
    buf_deinit(&q->items);
    free(q);
}

static void answer_list(const struct query *q)
{
    struct buf out;

    buf_init(&out, ADMIN_ANSWER_MAX);
    buf_printf(&out, "{\"total\":%lld,\"silent_workers\":%d,\"requests\":[", (long long)q->total,
               q->waiting);
    buf_add_span(&out, buf_span(&q->items));
    buf_puts(&out, "]}\n");
    admin_reply(q->x, 200, buf_span(&out));
    buf_deinit(&out);
}

static void finish(struct query *q)
{
    struct err err;
    struct buf out;

    if (q->x && q->listing) {
        answer_list(q);
    } else if (q->x && q->cancelled == 0) {
        err_set(&err, ERR_NOT_FOUND, "no request with this id is in flight");
        admin_fail(q->x, 404, &err);
    } else if (q->x) {
        buf_init(&out, 64);
        buf_printf(&out, "{\"cancelled\":%lld}\n", (long long)q->cancelled);
        admin_reply(q->x, 200, buf_span(&out));
        buf_deinit(&out);
    }
    query_free(q);
}

static void on_timeout(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    finish(arg); /* with what came until now */
}

static void on_gone(struct http_exchange *x, void *arg)
{
    (void)x;
    ((struct query *)arg)->x = NULL;
}

static struct query *query_new(struct master *m, struct http_exchange *x)
{
    struct timeval limit = {.tv_sec = WAIT_MS / 1000};
    struct query *q = calloc(1, sizeof *q);
    struct err err;

    if (q) {
        list_init(&q->node);
        buf_init(&q->items, ADMIN_ANSWER_MAX - 1024);
        q->timeout = evtimer_new(m->base, on_timeout, q);
    }
    if (!q || !q->timeout || evtimer_add(q->timeout, &limit) < 0) {
        if (q)
            query_free(q);
        err_set(&err, ERR_OVERLOADED, "out of memory");
        admin_fail(x, 503, &err);
        return NULL;
    }
    q->m = m;
    q->id = ++m->queries_asked;
    q->x = x;
    http_on_gone(x, on_gone, q);
    list_append(&m->queries, &q->node);
    return q;
}

/* 'format' takes the question's number and 'text', which is JSON. */
static void ask_all(struct query *q, const char *format, const char *text)
{
    for (struct list *n = q->m->hands.next; n != &q->m->hands; n = n->next) {
        struct hand *h = LIST_ENTRY(n, struct hand, node);
        if (h->socket >= 0 && q->waiting < 2 * WORKERS_MAX &&
            crew_send(h, NULL, format, (long long)q->id, text) == 0)
            q->asked[q->waiting++] = h->pid;
    }
    if (q->waiting == 0)
        finish(q);
}

void ask_requests(struct master *m, struct http_exchange *x)
{
    struct query *q = query_new(m, x);

    if (!q)
        return;
    q->listing = true;
    ask_all(q, "{\"do\":\"requests\",\"query\":%lld%s}", "");
}

void ask_cancel(struct master *m, struct http_exchange *x, const char *id)
{
    struct query *q = query_new(m, x);
    struct buf text;

    if (!q)
        return;
    buf_init(&text, 512);
    if (buf_puts(&text, ",\"id\":") == 0 &&
        json_write_text(&text, (struct span){id, strlen(id)}) == 0 && buf_add(&text, "", 1) == 0)
        ask_all(q, "{\"do\":\"cancel\",\"query\":%lld%s}", text.data);
    else
        finish(q); /* no id is that long */
    buf_deinit(&text);
}

/* ---- answers ---- */

static bool forget(struct query *q, pid_t pid)
{
    for (int i = 0; i < q->waiting; i++)
        if (q->asked[i] == pid) {
            q->asked[i] = q->asked[--q->waiting];
            return true;
        }
    return false;
}

void admin_take_answer(struct hand *h, struct span message)
{
    struct span items = json_member(message, "items");
    int64_t id = json_member_int(message, "query", 0);

    for (struct list *n = h->m->queries.next; n != &h->m->queries; n = n->next) {
        struct query *q = LIST_ENTRY(n, struct query, node);
        if (q->id != id || !forget(q, h->pid))
            continue;
        q->total += json_member_int(message, "total", 0);
        q->cancelled += json_member_int(message, "cancelled", 0);
        if (items.p && items.n > 2) {
            buf_puts(&q->items, q->items.len ? "," : "");
            buf_add(&q->items, items.p + 1, items.n - 2);
        }
        if (q->waiting == 0)
            finish(q);
        return;
    }
}

void admin_hand_lost(const struct hand *h)
{
    for (struct list *n = h->m->queries.next; n != &h->m->queries;) {
        struct query *q = LIST_ENTRY(n, struct query, node);
        n = n->next;
        if (forget(q, h->pid) && q->waiting == 0)
            finish(q);
    }
}

void ask_drop_all(struct master *m)
{
    while (!list_empty(&m->queries))
        finish(LIST_ENTRY(m->queries.next, struct query, node));
}
