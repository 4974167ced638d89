/* transfer_link - connections that libcurl opens and we use: kept, reused, limited.
 * SPDX-License-Identifier: MIT
 *
 * libcurl finds the address, connects and does TLS (CURLOPT_CONNECT_ONLY). A plain connection then
 * leaves it: the socket is ours and the handle goes back. A TLS connection stays in its handle and
 * multi handle. curl_easy_send and curl_easy_recv look the connection up in the multi's list, so no
 * shard has many; each keeps the certificates of all authorities (800 KB), so none has few. */
#include "transfer_parts.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    SHARD_LINKS = 256,
    IDLE_MS = 118 * 1000,     /* libcurl's own choice, too */
    RECEIVE_BUFFER_MIN = 1024 /* libcurl's; it never reads through it */
};

/* ---- origins ---- */

static bool is_origin(const struct origin *o, const struct url_parts *u)
{
    return o->port == u->port && o->https == u->https && o->public_only == u->public_only &&
           strlen(o->host) == u->host.n && strncasecmp(o->host, u->host.p, u->host.n) == 0;
}

static struct origin *origin_new(struct transfers *all, const struct url_parts *u)
{
    struct origin *o = calloc(1, sizeof *o + u->host.n + 1);

    if (!o)
        return NULL;
    memcpy(o->host, u->host.p, u->host.n);
    o->https = u->https;
    o->public_only = u->public_only;
    o->port = u->port;
    list_init(&o->idle);
    list_init(&o->waiting);
    list_append(&all->origins, &o->node);
    return o;
}

struct origin *origin_ref(struct transfers *all, const struct url_parts *u)
{
    struct origin *o = NULL;

    for (struct list *l = all->origins.next; l != &all->origins && !o; l = l->next)
        if (is_origin(LIST_ENTRY(l, struct origin, node), u))
            o = LIST_ENTRY(l, struct origin, node);
    if (!o)
        o = origin_new(all, u);
    if (o)
        o->users++;
    return o;
}

void origin_unref(struct origin *o)
{
    if (--o->users)
        return;
    list_remove(&o->node);
    free(o);
}

/* ---- bytes ---- */

static ptrdiff_t failed(struct link *c)
{
    if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)
        return LINK_AGAIN;
    c->os_errno = errno;
    return LINK_BROKEN;
}

/* As much as there is: TLS may hold more than the socket shows, so it is asked until it has none.
 */
static ptrdiff_t receive_tls(struct link *c, char *to, size_t size)
{
    size_t n = 0, got = 0;
    CURLcode code = CURLE_OK;

    while (got < size && (code = curl_easy_recv(c->easy, to + got, size - got, &n)) == CURLE_OK &&
           n)
        got += n;
    if (got && code != CURLE_AGAIN)
        link_read_soon(c);
    if (got)
        return (ptrdiff_t)got;
    return code == CURLE_AGAIN ? LINK_AGAIN : code == CURLE_OK ? LINK_EOF : LINK_BROKEN;
}

ptrdiff_t link_receive(struct link *c, char *to, size_t size)
{
    if (!c->own_fd)
        return receive_tls(c, to, size);
    ssize_t n = recv(c->fd, to, size, 0);
    return n >= 0 ? n : failed(c);
}

ptrdiff_t link_send(struct link *c, struct span s, bool more)
{
    size_t n = 0;

    if (!c->own_fd) {
        CURLcode code = curl_easy_send(c->easy, s.p, s.n, &n);
        return code == CURLE_OK ? (ptrdiff_t)n : code == CURLE_AGAIN ? LINK_AGAIN : LINK_BROKEN;
    }
    ssize_t sent = send(c->fd, s.p, s.n, MSG_NOSIGNAL | (more ? MSG_MORE : 0));
    return sent >= 0 ? sent : failed(c);
}

void link_want_write(struct link *c, bool want)
{
    if (want)
        event_add(&c->writable, NULL);
    else if (event_pending(&c->writable, EV_WRITE, NULL))
        event_del(&c->writable);
}

void link_hold(struct link *c, bool hold)
{
    if (c->fd < 0)
        return;
    if (hold) {
        event_del(&c->readable);
        return;
    }
    event_add(&c->readable, NULL);
    if (!c->own_fd)
        link_read_soon(c);
}

void link_read_soon(struct link *c)
{
    event_active(&c->readable, EV_READ, 0);
}

/* A kept connection has nothing to say but its end; TLS may have a word of its own. */
static void idle_readable(struct link *c)
{
    char byte;

    if (link_receive(c, &byte, 1) != LINK_AGAIN)
        link_close(c);
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    struct link *c = arg;
    struct transfers *all = c->all;

    (void)fd, (void)what;
    if (c->t)
        exchange_readable(c->t);
    else
        idle_readable(c);
    transfers_drain(all);
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
    struct link *c = arg;
    struct transfers *all = c->all;

    (void)fd, (void)what;
    exchange_writable(c->t);
    transfers_drain(all);
}

/* ---- closing, keeping ---- */

static void leave_libcurl(struct link *c, bool broken)
{
    if (!c->easy)
        return;
    curl_multi_remove_handle(c->multi->handle, c->easy);
    curl_give_handle(c->all, c->easy, broken);
    c->multi->count--;
    c->easy = NULL;
    free(c->resolved.data);
    c->resolved.data = NULL;
}

static void wake_waiters(struct transfers *all)
{
    if (all->waiting)
        event_active(&all->kick, EV_TIMEOUT, 0);
}

void link_close(struct link *c)
{
    struct transfers *all = c->all;

    if (c->fd >= 0) {
        event_del(&c->readable);
        event_del(&c->writable);
    }
    leave_libcurl(c, true);
    if (c->own_fd)
        close(c->fd);
    if (c->t)
        c->t->link = NULL;
    list_remove(&c->idle);
    list_remove(&c->age);
    c->origin->links--;
    all->link_count--;
    origin_unref(c->origin);
    free(c);
    wake_waiters(all);
}

static void arm_idle_timer(struct transfers *all, int64_t ms)
{
    struct timeval after = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};

    event_add(&all->idle_timer, &after);
}

void link_release(struct link *c, bool keep)
{
    struct transfers *all = c->all;

    if (!keep) {
        link_close(c);
        return;
    }
    c->t->link = NULL;
    c->t = NULL;
    c->idle_ms = transfer_now_ms();
    list_append(c->origin->idle.next, &c->idle); /* before the first */
    list_append(&all->idle_links, &c->age);
    if (!event_pending(&all->idle_timer, EV_TIMEOUT, NULL))
        arm_idle_timer(all, IDLE_MS);
    wake_waiters(all);
}

static void on_idle_timer(evutil_socket_t fd, short what, void *arg)
{
    struct transfers *all = arg;
    struct list *node;
    int64_t now = transfer_now_ms();

    (void)fd, (void)what;
    while ((node = list_first(&all->idle_links)) != NULL) {
        struct link *c = LIST_ENTRY(node, struct link, age);
        if (now - c->idle_ms < IDLE_MS) {
            arm_idle_timer(all, c->idle_ms + IDLE_MS - now);
            return;
        }
        link_close(c);
    }
}

bool link_reuse(struct transfer *t)
{
    struct list *node = list_first(&t->origin->idle);

    if (!node)
        return false;
    struct link *c = LIST_ENTRY(node, struct link, idle);
    list_remove(&c->idle);
    list_remove(&c->age);
    c->reused = true;
    c->t = t;
    t->link = c;
    return true;
}

/* ---- limits: who waits for a connection ---- */

static bool origin_full(const struct transfers *all, const struct origin *o)
{
    return all->links_per_origin && o->links >= all->links_per_origin;
}

/* A kept connection can give way to a new one. */
static bool has_room(const struct transfers *all, const struct origin *o)
{
    if (origin_full(all, o))
        return !list_empty(&o->idle);
    return all->link_count < all->links_max || !list_empty(&all->idle_links);
}

/* Where all are taken, the one that was idle for longest gives way. */
bool link_room(struct transfer *t)
{
    struct transfers *all = t->all;

    if (!has_room(all, t->origin))
        return false;
    if (origin_full(all, t->origin))
        link_close(LIST_ENTRY(t->origin->idle.prev, struct link, idle));
    else if (all->link_count >= all->links_max)
        link_close(LIST_ENTRY(list_first(&all->idle_links), struct link, age));
    return true;
}

void link_wait(struct transfer *t)
{
    list_append(&t->origin->waiting, &t->queue);
    t->all->waiting++;
}

/* The origin goes to the end, so that one with many does not starve the others. */
static struct transfer *next_in_turn(struct transfers *all)
{
    for (struct list *l = all->origins.next; l != &all->origins; l = l->next) {
        struct origin *o = LIST_ENTRY(l, struct origin, node);
        if (list_empty(&o->waiting) || !has_room(all, o))
            continue;
        struct transfer *t = LIST_ENTRY(list_first(&o->waiting), struct transfer, queue);
        list_remove(&t->queue);
        all->waiting--;
        list_remove(&o->node);
        list_append(&all->origins, &o->node);
        return t;
    }
    return NULL;
}

void links_serve(struct transfers *all)
{
    struct transfer *t;
    struct err err;

    while (all->waiting && (t = next_in_turn(all)) != NULL)
        if (transfer_connect(t, true, &err) < 0)
            transfer_fail(t, err.code, "%s", err.message);
}

/* ---- opening ---- */

/* The socket of a plain connection outlives the handle that opened it. */
static int on_close_socket(void *arg, curl_socket_t fd)
{
    struct link *c = arg;

    return c->own_fd && c->fd == fd ? 0 : close(fd);
}

static int take_over(struct link *c)
{
    curl_socket_t fd = CURL_SOCKET_BAD;

    if (curl_easy_getinfo(c->easy, CURLINFO_ACTIVESOCKET, &fd) || fd == CURL_SOCKET_BAD)
        return -1;
    c->fd = fd;
    c->own_fd = !c->origin->https;
    if (c->own_fd)
        leave_libcurl(c, false);
    event_assign(&c->readable, c->all->base, fd, EV_READ | EV_PERSIST, on_readable, c);
    event_assign(&c->writable, c->all->base, fd, EV_WRITE | EV_PERSIST, on_writable, c);
    return event_add(&c->readable, NULL);
}

static void on_opened(void *arg, CURLcode result)
{
    struct link *c = arg;
    struct transfer *t = c->t;
    long code = 0;

    if (result == CURLE_OK && take_over(c) == 0) {
        exchange_begin(t);
        return;
    }
    t->result = result ? result : CURLE_COULDNT_CONNECT;
    t->barred = c->barred;
    if (!t->curl_text)
        t->curl_text = strdup(c->curl_text);
    if (c->easy && curl_easy_getinfo(c->easy, CURLINFO_OS_ERRNO, &code) == CURLE_OK)
        t->os_errno = (int)code;
    transfer_over(t, END_CURL);
}

static struct multi *multi_for(struct transfers *all, bool https, struct err *err)
{
    if (!https)
        return &all->opening;
    for (struct multi *m = all->shards; m; m = m->next)
        if (m->count < SHARD_LINKS)
            return m;
    struct multi *m = malloc(sizeof *m);
    if (!m || multi_open(m, all, on_opened, err) < 0) {
        free(m);
        err_set(err, ERR_INTERNAL, "out of memory");
        return NULL;
    }
    m->next = all->shards;
    all->shards = m;
    return m;
}

#define SET(option, value) (code = code ? code : curl_easy_setopt(e, option, value))

static CURLcode set_up(struct link *c)
{
    const struct origin *o = c->origin;
    bool v6 = strchr(o->host, ':') != NULL;
    CURL *e = c->easy;
    char url[320];

    CURLcode code = curl_set_connection(e, c->all, false);
    snprintf(url, sizeof url, v6 ? "%s://[%s]:%u/" : "%s://%s:%u/", o->https ? "https" : "http",
             o->host, o->port);
    SET(CURLOPT_URL, url);
    SET(CURLOPT_PRIVATE, c);
    SET(CURLOPT_ERRORBUFFER, c->curl_text);
    SET(CURLOPT_PROXY, "");
    SET(CURLOPT_CONNECT_ONLY, 1L);
    SET(CURLOPT_FRESH_CONNECT, 1L);
    SET(CURLOPT_BUFFERSIZE, (long)RECEIVE_BUFFER_MIN);
    SET(CURLOPT_CLOSESOCKETFUNCTION, on_close_socket);
    SET(CURLOPT_CLOSESOCKETDATA, c);
    if (o->public_only)
        code = code ? code : guard_set(e, &c->barred);
    return code;
}

static int begin_opening(struct link *c, const char *addresses, struct err *err)
{
    const struct origin *o = c->origin;

    if (!c->easy || set_up(c) ||
        (addresses && curl_hand_over(c->easy, &c->resolved, o->host, o->port, addresses) < 0))
        return err_set(err, ERR_INTERNAL, "out of memory");
    return multi_add(c->multi, c->easy, err);
}

int link_open(struct transfer *t, const char *addresses, struct err *err)
{
    struct transfers *all = t->all;
    struct multi *m = multi_for(all, t->origin->https, err);
    struct link *c = m ? calloc(1, sizeof *c) : NULL;

    if (!c)
        return m ? err_set(err, ERR_INTERNAL, "out of memory") : -1;
    *c = (struct link){.all = all, .origin = t->origin, .t = t, .multi = m, .fd = -1};
    list_init(&c->idle);
    list_init(&c->age);
    c->easy = curl_take_handle(all);
    m->count += c->easy != NULL;
    t->origin->users++;
    t->origin->links++;
    all->link_count++;
    t->link = c;
    if (begin_opening(c, addresses, err) == 0)
        return 0;
    link_close(c);
    return -1;
}

/* ---- all of them ---- */

int links_open(struct transfers *all, const struct transfers_config *c, struct err *err)
{
    evtimer_assign(&all->idle_timer, all->base, on_idle_timer, all);
    all->links_max = c->connections_max > 0 ? c->connections_max : INT32_MAX;
    all->links_per_origin = c->connections_per_host;
    all->scratch = malloc(SCRATCH);
    if (!all->scratch)
        return err_set(err, ERR_INTERNAL, "out of memory");
    return multi_open(&all->opening, all, on_opened, err);
}

void links_close(struct transfers *all)
{
    struct list *node;

    while ((node = list_first(&all->idle_links)) != NULL)
        link_close(LIST_ENTRY(node, struct link, age));
    multi_close(&all->opening);
    while (all->shards) {
        struct multi *m = all->shards;
        all->shards = m->next;
        multi_close(m);
        free(m);
    }
    if (event_initialized(&all->idle_timer))
        event_del(&all->idle_timer);
    free(all->scratch);
}
