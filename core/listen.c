/* listen - listening sockets: from an address to a descriptor and back.
 * SPDX-License-Identifier: MIT */
#include "listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* Binds and listens; the socket, or -1 with errno. */
static int open_socket(const struct sockaddr *address, socklen_t len, bool shared)
{
    int fd = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    const int on = 1, off = 0;

    if (fd < 0)
        return -1;
    if (address->sa_family != AF_UNIX) {
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on); /* connections inherit it */
    }
    if (shared)
        setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
    if (address->sa_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
    if (bind(fd, address, len) == 0 && listen(fd, LISTEN_BACKLOG) == 0)
        return fd;

    int error = errno;
    close(fd);
    errno = error;
    return -1;
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

static int open_unix(const char *path, struct err *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    memcpy(address.sun_path, path, strlen(path));
    if (is_stale(&address))
        unlink(path);

    int fd = open_socket((struct sockaddr *)&address, sizeof address, false);
    if (fd < 0)
        return err_set(err, ERR_UNAVAILABLE, "cannot listen on unix:%s: %s", path, strerror(errno));
    return fd;
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

/* The first address of the name that can be bound; errno tells of the last one that could not, or 'why' that the
 * name means none. */
static int open_first(const char *host, const char *port, int family, bool shared, const char **why)
{
    const struct addrinfo hints = {
        .ai_family = family,
        .ai_socktype = SOCK_STREAM,
        .ai_flags = AI_PASSIVE | AI_NUMERICSERV,
    };
    struct addrinfo *all;
    int fd = -1;

    errno = EADDRNOTAVAIL;
    int problem = getaddrinfo(host, port, &hints, &all);
    if (problem) {
        *why = problem == EAI_SYSTEM ? NULL : gai_strerror(problem);
        return -1;
    }
    for (struct addrinfo *a = all; a && fd < 0; a = a->ai_next)
        fd = open_socket(a->ai_addr, a->ai_addrlen, shared);

    int error = errno;
    freeaddrinfo(all);
    errno = error;
    return fd;
}

/* Without a host, everything: IPv6 with IPv4 inside where there is IPv6. */
static int open_everywhere(const char *port, bool shared, const char **why)
{
    int fd = open_first(NULL, port, AF_INET6, shared, why);

    return fd >= 0 || errno == EADDRINUSE ? fd : open_first(NULL, port, AF_INET, shared, why);
}

int listen_check(const char *address, struct err *err)
{
    const size_t path_max = sizeof((struct sockaddr_un *)0)->sun_path - 1;
    char host[256];
    const char *port;

    if (strncmp(address, "unix:", 5) == 0) {
        if (address[5] && strlen(address + 5) <= path_max)
            return 0;
        return err_set(err, ERR_BAD_REQUEST, "%s: the path must have 1 to %zu bytes", address,
                       path_max);
    }
    if (split(address, host, sizeof host, &port))
        return 0;
    return err_set(err, ERR_BAD_REQUEST, "'%s' is not HOST:PORT, [IPV6]:PORT, :PORT or unix:PATH",
                   address);
}

int listen_open(const char *address, bool shared, struct err *err)
{
    char host[256];
    const char *port, *why = NULL;

    if (listen_check(address, err) < 0)
        return -1;
    if (strncmp(address, "unix:", 5) == 0)
        return open_unix(address + 5, err);
    split(address, host, sizeof host, &port);
    int fd = *host ? open_first(host, port, AF_UNSPEC, shared, &why)
                   : open_everywhere(port, shared, &why);
    if (fd < 0)
        return err_set(err, ERR_UNAVAILABLE, "cannot listen on %s: %s", address,
                       why ? why : strerror(errno));
    return fd;
}

void listen_name(int fd, char *out, size_t size)
{
    struct sockaddr_storage s = {0};
    socklen_t len = sizeof s;
    char host[INET6_ADDRSTRLEN] = "?";

    getsockname(fd, (struct sockaddr *)&s, &len);
    if (s.ss_family == AF_UNIX) {
        snprintf(out, size, "unix:%.107s", ((struct sockaddr_un *)&s)->sun_path);
    } else if (s.ss_family == AF_INET6) {
        struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&s;
        inet_ntop(AF_INET6, &v6->sin6_addr, host, sizeof host);
        snprintf(out, size, "[%s]:%d", host, ntohs(v6->sin6_port));
    } else {
        struct sockaddr_in *v4 = (struct sockaddr_in *)&s;
        inet_ntop(AF_INET, &v4->sin_addr, host, sizeof host);
        snprintf(out, size, "%s:%d", host, ntohs(v4->sin_port));
    }
}
