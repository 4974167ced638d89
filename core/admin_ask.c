/* admin_ask - what only the workers know: which requests are in flight, which questions are open; end or answer one.
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
    const char *list;             /* the list's name; NULL: something is done to one of them */
    const char *done_name, *none; /* what a success is called; what is said when there is none */
    struct buf items;
    int64_t total, done;
    struct err refused; /* code 0: by nobody */
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
    buf_printf(&out, "{\"total\":%lld,\"silent_workers\":%d,\"%s\":[", (long long)q->total,
               q->waiting, q->list);
    buf_add_span(&out, buf_span(&q->items));
    buf_puts(&out, "]}\n");
    admin_reply(q->x, 200, buf_span(&out));
    buf_deinit(&out);
}

static void answer_done(const struct query *q)
{
    struct err err;
    struct buf out;

    if (q->done > 0) {
        buf_init(&out, 64);
        buf_printf(&out, "{\"%s\":%lld}\n", q->done_name, (long long)q->done);
        admin_reply(q->x, 200, buf_span(&out));
        buf_deinit(&out);
    } else if (q->refused.code) {
        admin_fail(q->x, 400, &q->refused);
    } else {
        err_set(&err, ERR_NOT_FOUND, "%s", q->none);
        admin_fail(q->x, 404, &err);
    }
}

static void finish(struct query *q)
{
    if (q->x && q->list)
        answer_list(q);
    else if (q->x)
        answer_done(q);
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

/* 'more' is members of a JSON object, with a comma in front. */
static void ask_all(struct query *q, const char *what, struct span more)
{
    struct buf text;

    buf_init(&text, CHANNEL_TEXT_MAX);
    buf_printf(&text, "{\"do\":\"%s\",\"query\":%lld", what, (long long)q->id);
    buf_add_span(&text, more);
    bool fits = buf_puts(&text, "}") == 0;
    for (struct list *n = q->m->hands.next; fits && n != &q->m->hands; n = n->next) {
        struct hand *h = LIST_ENTRY(n, struct hand, node);
        if (h->socket >= 0 && q->waiting < 2 * WORKERS_MAX &&
            crew_send_text(h, NULL, buf_span(&text)) == 0)
            q->asked[q->waiting++] = h->pid;
    }
    buf_deinit(&text);
    if (q->waiting == 0)
        finish(q);
}

static void add_text(struct buf *b, const char *name, struct span text)
{
    buf_printf(b, ",\"%s\":", name);
    json_write_text(b, text);
}

static void ask_list(struct master *m, struct http_exchange *x, const char *what)
{
    struct query *q = query_new(m, x);

    if (!q)
        return;
    q->list = what;
    ask_all(q, what, SPAN(""));
}

void ask_requests(struct master *m, struct http_exchange *x)
{
    ask_list(m, x, "requests");
}

void ask_questions(struct master *m, struct http_exchange *x)
{
    ask_list(m, x, "questions");
}

/* Does 'what' to the one with this id; 'more' as in ask_all. */
static void ask_one(struct master *m, struct http_exchange *x, const char *what, const char *id,
                    struct span more, const char *done_name, const char *none)
{
    struct query *q = query_new(m, x);
    struct buf text;

    if (!q)
        return;
    q->done_name = done_name;
    q->none = none;
    buf_init(&text, CHANNEL_TEXT_MAX);
    add_text(&text, "id", (struct span){id, strlen(id)});
    buf_add_span(&text, more);
    ask_all(q, what, buf_span(&text));
    buf_deinit(&text);
}

void ask_cancel(struct master *m, struct http_exchange *x, const char *id)
{
    ask_one(m, x, "cancel", id, SPAN(""), "cancelled", "no request with this id is in flight");
}

static const char no_question[] = "no question with this id is open";

void ask_answer(struct master *m, struct http_exchange *x, const char *id, struct span text,
                struct span by)
{
    struct buf more;

    buf_init(&more, CHANNEL_TEXT_MAX);
    add_text(&more, "text", text);
    add_text(&more, "by", by);
    ask_one(m, x, "answer", id, buf_span(&more), "answered", no_question);
    buf_deinit(&more);
}

void ask_expire(struct master *m, struct http_exchange *x, const char *id)
{
    ask_one(m, x, "expire", id, SPAN(""), "expired", no_question);
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

/* Of those that answer a question at most one has it. */
static void take_done(struct query *q, struct span message)
{
    char why[ERR_MESSAGE_MAX];
    int64_t done = json_member_int(message, "done", 0);

    q->done += done > 0 ? done : 0;
    json_member_text(message, "refused", why, sizeof why);
    if (why[0])
        err_set(&q->refused, ERR_BAD_REQUEST, "%s", why);
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
        q->done += json_member_int(message, "cancelled", 0);
        take_done(q, message);
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
