/* http_listen - listening sockets of a server, and taking connections off them.
 * SPDX-License-Identifier: MIT */
#include "http_private.h"
#include "listen.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct listener {
    struct http *h;
    int fd;
    bool owned;   /* we opened it, so we close it */
    char *remove; /* the path of a unix socket of ours, owned */
    struct list node;
    struct event readable;
};

/* ---- accepting ---- */

static bool full(const struct http *h)
{
    return h->limits.connections_max > 0 && h->open >= h->limits.connections_max;
}

static void pause_all(struct http *h)
{
    h->accept_paused = true;
    for (struct list *n = h->listeners.next; n != &h->listeners; n = n->next)
        event_del(&LIST_ENTRY(n, struct listener, node)->readable);
}

void http_listen_resume(struct http *h)
{
    if (!h->accept_paused || full(h))
        return;
    h->accept_paused = false;
    event_del(&h->accept_again);
    for (struct list *n = h->listeners.next; n != &h->listeners; n = n->next)
        event_add(&LIST_ENTRY(n, struct listener, node)->readable, NULL);
}

static void on_accept_again(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    http_listen_resume(arg);
}

/* The connections wait in the backlog: until one of ours ends, or a moment has passed. */
static void out_of_descriptors(struct http *h)
{
    struct timeval wait = {0, ACCEPT_PAUSE_MS * 1000};

    pause_all(h);
    event_add(&h->accept_again, &wait);
}

/* The client gave up before we came: not our trouble, the next one may be fine. */
static bool accept_goes_on(int error)
{
    return error == ECONNABORTED || error == EINTR || error == EPROTO;
}

static void on_acceptable(evutil_socket_t fd, short what, void *arg)
{
    struct listener *l = arg;
    struct http *h = l->h;

    (void)what;
    for (int i = 0; i < ACCEPTS_MAX; i++) {
        union address peer = {.any.sa_family = AF_UNIX};
        socklen_t len = sizeof peer;

        if (full(h)) {
            pause_all(h);
            return;
        }
        int conn = accept4(fd, &peer.any, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (conn >= 0) {
            conn_open(h, conn, &peer);
        } else if (!accept_goes_on(errno)) {
            if (errno != EAGAIN)
                out_of_descriptors(h);
            return;
        }
    }
}

static int watch(struct http *h, int fd, bool owned, const char *path, struct err *err)
{
    struct listener *l = calloc(1, sizeof *l);

    if (!l || (path && !(l->remove = strdup(path)))) {
        free(l);
        return err_set(err, ERR_INTERNAL, "out of memory");
    }
    l->h = h;
    l->fd = fd;
    l->owned = owned;
    event_assign(&l->readable, h->base, fd, EV_READ | EV_PERSIST, on_acceptable, l);
    list_append(&h->listeners, &l->node);
    if (!h->accept_paused)
        event_add(&l->readable, NULL);
    return 0;
}

void http_listen_sweep(struct http *h)
{
    for (struct list *n = h->listeners.next; n != &h->listeners; n = n->next)
        for (int i = 0; i < LISTEN_BACKLOG / ACCEPTS_MAX; i++)
            on_acceptable(LIST_ENTRY(n, struct listener, node)->fd, EV_READ,
                          LIST_ENTRY(n, struct listener, node));
}

void http_listen_init(struct http *h)
{
    evtimer_assign(&h->accept_again, h->base, on_accept_again, h);
}

static void listener_free(struct listener *l)
{
    event_del(&l->readable);
    list_remove(&l->node);
    if (l->owned)
        close(l->fd);
    if (l->remove)
        unlink(l->remove);
    free(l->remove);
    free(l);
}

void http_listen_close(struct http *h)
{
    while (!list_empty(&h->listeners))
        listener_free(LIST_ENTRY(h->listeners.next, struct listener, node));
    event_del(&h->accept_again);
}

const char *http_address(const struct http *h)
{
    return h->address;
}

int http_listen(struct http *h, const char *address, struct err *err)
{
    int fd = listen_open(address, false, err);

    if (fd < 0)
        return -1;
    listen_name(fd, h->address, sizeof h->address);
    const char *path = strncmp(h->address, "unix:", 5) == 0 ? h->address + 5 : NULL;
    if (watch(h, fd, true, path, err) == 0)
        return 0;
    close(fd);
    return -1;
}

int http_listen_fd(struct http *h, int fd, struct err *err)
{
    const int on = 1;

    if (evutil_make_socket_nonblocking(fd) < 0)
        return err_set(err, ERR_BAD_REQUEST, "listening socket %d: %s", fd, strerror(errno));
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on); /* fails on a unix socket: fine */
    if (watch(h, fd, false, NULL, err) < 0)
        return -1;
    listen_name(fd, h->address, sizeof h->address);
    return 0;
}
