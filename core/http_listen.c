/* http_listen - addresses, listening sockets, and taking connections off them.
 * SPDX-License-Identifier: MIT */
#include "http_private.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BACKLOG = 4096, HOST_MAX_BYTES = 256 };

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

/* ---- what was bound ---- */

static void note_address(struct http *h, int fd)
{
    struct sockaddr_storage s = {0};
    socklen_t len = sizeof s;
    char host[INET6_ADDRSTRLEN] = "?";

    getsockname(fd, (struct sockaddr *)&s, &len);
    if (s.ss_family == AF_UNIX) {
        snprintf(h->address, sizeof h->address, "unix:%.107s",
                 ((struct sockaddr_un *)&s)->sun_path);
    } else if (s.ss_family == AF_INET6) {
        struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&s;
        inet_ntop(AF_INET6, &v6->sin6_addr, host, sizeof host);
        snprintf(h->address, sizeof h->address, "[%s]:%d", host, ntohs(v6->sin6_port));
    } else {
        struct sockaddr_in *v4 = (struct sockaddr_in *)&s;
        inet_ntop(AF_INET, &v4->sin_addr, host, sizeof host);
        snprintf(h->address, sizeof h->address, "%s:%d", host, ntohs(v4->sin_port));
    }
}

const char *http_address(const struct http *h)
{
    return h->address;
}

/* ---- addresses ---- */

/* Binds and listens; the socket, or -1 with errno. */
static int open_socket(const struct sockaddr *address, socklen_t len)
{
    int fd = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    const int on = 1, off = 0;

    if (fd < 0)
        return -1;
    if (address->sa_family != AF_UNIX) {
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on); /* connections inherit it */
    }
    if (address->sa_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
    if (bind(fd, address, len) == 0 && listen(fd, BACKLOG) == 0)
        return fd;

    int error = errno;
    close(fd);
    errno = error;
    return -1;
}

static int listen_on(struct http *h, int fd, const char *path, struct err *err)
{
    if (watch(h, fd, true, path, err) < 0) {
        close(fd);
        return -1;
    }
    note_address(h, fd);
    return 0;
}

/* A socket file that a dead process left behind: nobody answers there. */
static bool is_stale(const struct sockaddr_un *address)
{
    struct stat st;
    int fd;

    if (lstat(address->sun_path, &st) < 0 || !S_ISSOCK(st.st_mode))
        return false;
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool stale = fd >= 0 && connect(fd, (const struct sockaddr *)address, sizeof *address) < 0 &&
                 errno == ECONNREFUSED;
    if (fd >= 0)
        close(fd);
    return stale;
}

static int listen_unix(struct http *h, const char *path, struct err *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    memcpy(address.sun_path, path, strlen(path));
    if (is_stale(&address))
        unlink(path);

    int fd = open_socket((struct sockaddr *)&address, sizeof address);
    if (fd < 0)
        return err_set(err, ERR_UNAVAILABLE, "cannot listen on unix:%s: %s", path, strerror(errno));
    return listen_on(h, fd, path, err);
}

/* "HOST:PORT" into its parts; "[::1]" without the brackets. */
static bool split(const char *address, char *host, size_t size, const char **port)
{
    const char *colon = strrchr(address, ':');
    size_t n = colon ? (size_t)(colon - address) : 0;
    char *end;

    if (!colon || colon[1] < '0' || colon[1] > '9' || strtoul(colon + 1, &end, 10) > 65535 || *end)
        return false;
    if (n >= 2 && address[0] == '[' && address[n - 1] == ']') {
        address++;
        n -= 2;
    } else if (memchr(address, ':', n)) {
        return false; /* an IPv6 address without brackets: which colon was meant? */
    }
    if (n >= size)
        return false;
    memcpy(host, address, n);
    host[n] = 0;
    *port = colon + 1;
    return true;
}

/* The first address of the name that can be bound; errno tells of the last one that could not. */
static int open_first(const char *host, const char *port, int family)
{
    const struct addrinfo hints = {
        .ai_family = family,
        .ai_socktype = SOCK_STREAM,
        .ai_flags = AI_PASSIVE | AI_NUMERICSERV,
    };
    struct addrinfo *all;
    int fd = -1;

    errno = EADDRNOTAVAIL;
    if (getaddrinfo(host, port, &hints, &all) != 0)
        return -1;
    for (struct addrinfo *a = all; a && fd < 0; a = a->ai_next)
        fd = open_socket(a->ai_addr, a->ai_addrlen);

    int error = errno;
    freeaddrinfo(all);
    errno = error;
    return fd;
}

/* Without a host, everything: IPv6 with IPv4 inside where there is IPv6. */
static int open_everywhere(const char *port)
{
    int fd = open_first(NULL, port, AF_INET6);

    return fd >= 0 || errno == EADDRINUSE ? fd : open_first(NULL, port, AF_INET);
}

int http_check_address(const char *address, struct err *err)
{
    const size_t path_max = sizeof((struct sockaddr_un *)0)->sun_path - 1;
    char host[HOST_MAX_BYTES];
    const char *port;

    if (strncmp(address, "unix:", 5) == 0) {
        size_t n = strlen(address + 5);
        return n > 0 && n <= path_max
                   ? 0
                   : err_set(err, ERR_BAD_REQUEST, "%s: the path must have 1 to %zu bytes", address,
                             path_max);
    }
    if (!split(address, host, sizeof host, &port))
        return err_set(err, ERR_BAD_REQUEST,
                       "'%s' is not HOST:PORT, [IPV6]:PORT, :PORT or unix:PATH", address);
    return 0;
}

int http_listen(struct http *h, const char *address, struct err *err)
{
    char host[HOST_MAX_BYTES];
    const char *port = NULL;

    if (http_check_address(address, err) < 0)
        return -1;
    if (strncmp(address, "unix:", 5) == 0)
        return listen_unix(h, address + 5, err);
    split(address, host, sizeof host, &port);
    int fd = *host ? open_first(host, port, AF_UNSPEC) : open_everywhere(port);
    if (fd < 0)
        return err_set(err, ERR_UNAVAILABLE, "cannot listen on %s: %s", address, strerror(errno));
    return listen_on(h, fd, NULL, err);
}

int http_listen_fd(struct http *h, int fd, struct err *err)
{
    const int on = 1;

    if (evutil_make_socket_nonblocking(fd) < 0)
        return err_set(err, ERR_BAD_REQUEST, "listening socket %d: %s", fd, strerror(errno));
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on); /* fails on a unix socket: fine */
    if (watch(h, fd, false, NULL, err) < 0)
        return -1;
    note_address(h, fd);
    return 0;
}
