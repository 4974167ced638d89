/* resolve - names to addresses without stopping the loop: evdns, a small cache, one look-up a name.
 * SPDX-License-Identifier: MIT */
#include "resolve.h"

#include <assert.h>
#include <event2/dns.h>
#include <event2/util.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>

enum {
    NAMES_MAX = 128,
    ADDRESSES_MAX = 8 * (INET6_ADDRSTRLEN + 3),
    FRESH_MS = 60 * 1000,
    STALE_MS = 3600 * 1000
};

struct name {
    struct list node; /* in resolver.names, the last used first */
    struct resolver *resolver;
    struct list waiters;
    struct evdns_getaddrinfo_request *request; /* owned by evdns */
    bool looking;
    int error;        /* the last look-up's, EVUTIL_EAI_*, 0: none */
    int64_t known_ms; /* when addresses were looked up */
    char *addresses;  /* NULL: not known */
    char host[];
};

struct resolver {
    struct event_base *base;
    char *nameserver;       /* or NULL */
    struct evdns_base *dns; /* made by the first look-up: most workers of a test need none */
    struct list names;
    int count;
    bool closing;
};

static int64_t now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void name_free(struct name *n)
{
    list_remove(&n->node);
    n->resolver->count--;
    free(n->addresses);
    free(n);
}

/* The last look-up of a resolver that was freed takes it along. */
static void closed(struct resolver *r)
{
    if (r->count)
        return;
    if (r->dns)
        evdns_base_free(r->dns, 0);
    free(r->nameserver);
    free(r);
}

/* ---- answers ---- */

static size_t append_address(char *to, size_t size, const struct sockaddr *sa)
{
    char text[INET6_ADDRSTRLEN];
    bool v6 = sa->sa_family == AF_INET6;
    const void *address =
        v6 ? (const void *)&((const struct sockaddr_in6 *)(const void *)sa)->sin6_addr
           : (const void *)&((const struct sockaddr_in *)(const void *)sa)->sin_addr;

    if ((!v6 && sa->sa_family != AF_INET) ||
        !evutil_inet_ntop(sa->sa_family, address, text, sizeof text))
        return 0;
    int n = snprintf(to, size, v6 ? "[%s]," : "%s,", text);
    return n > 0 && (size_t)n < size ? (size_t)n : 0;
}

/* malloc'ed "1.2.3.4,[::1]", or NULL when there is none. */
static char *addresses_text(const struct evutil_addrinfo *list)
{
    char text[ADDRESSES_MAX];
    size_t n = 0;

    for (const struct evutil_addrinfo *a = list; a; a = a->ai_next)
        n += append_address(text + n, sizeof text - n, a->ai_addr);
    return n ? strndup(text, n - 1) : NULL;
}

static bool known(const struct name *n, int64_t age_max)
{
    return n->addresses && now_ms() - n->known_ms < age_max;
}

static void answer(struct name *n)
{
    struct list *node;
    struct err err;
    bool ok = n->addresses != NULL;

    if (!ok)
        err_set(&err, ERR_UNAVAILABLE, "cannot resolve the name: %s",
                evutil_gai_strerror(n->error));
    while ((node = list_first(&n->waiters)) != NULL) {
        struct resolve_wait *w = LIST_ENTRY(node, struct resolve_wait, node);
        list_remove(node);
        w->done(w->arg, n->addresses, ok ? NULL : &err);
    }
}

static void note_answer(struct name *n, int error, const struct evutil_addrinfo *list)
{
    char *text = error ? NULL : addresses_text(list);

    n->error = error ? error : EVUTIL_EAI_NODATA;
    if (!text && known(n, STALE_MS))
        return;
    free(n->addresses);
    n->addresses = text;
    n->known_ms = now_ms();
}

static void on_addresses(int error, struct evutil_addrinfo *list, void *arg)
{
    struct name *n = arg;
    struct resolver *r = n->resolver;

    n->looking = false;
    n->request = NULL;
    if (r->closing) {
        name_free(n);
        closed(r);
    } else {
        note_answer(n, error, list);
        answer(n);
    }
    if (list)
        evutil_freeaddrinfo(list);
}

/* ---- look-ups ---- */

static int open_dns(struct resolver *r, struct err *err)
{
    if (r->dns)
        return 0;
    r->dns = evdns_base_new(r->base, EVDNS_BASE_DISABLE_WHEN_INACTIVE);
    if (!r->dns)
        return err_set(err, ERR_INTERNAL, "cannot start the name resolver");
    if (!r->nameserver)
        evdns_base_resolv_conf_parse(r->dns, DNS_OPTIONS_ALL, "/etc/resolv.conf");
    else if (evdns_base_nameserver_ip_add(r->dns, r->nameserver) == 0)
        evdns_base_load_hosts(r->dns, "/etc/hosts");
    else
        return err_set(err, ERR_BAD_REQUEST, "not a usable name server: %s", r->nameserver);
    evdns_base_set_option(r->dns, "timeout:", "2");
    evdns_base_set_option(r->dns, "attempts:", "3");
    /* An IPv6 question that nobody answers must not hold up the IPv4 answer for the usual three
     * seconds. */
    evdns_base_set_option(r->dns, "getaddrinfo-allow-skew:", "0.2");
    /* Some servers answer in their own spelling; evdns would throw such answers away. */
    evdns_base_set_option(r->dns, "randomize-case:", "0");
    return 0;
}

static int look_up(struct resolver *r, struct name *n, struct err *err)
{
    const struct evutil_addrinfo hints = {
        .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = EVUTIL_AI_ADDRCONFIG};

    if (open_dns(r, err) < 0)
        return -1;
    n->looking = true;
    struct evdns_getaddrinfo_request *q =
        evdns_getaddrinfo(r->dns, n->host, NULL, &hints, on_addresses, n);
    if (n->looking) /* else it answered on the spot */
        n->request = q;
    return 0;
}

static bool idle(const struct name *n)
{
    return !n->looking && list_empty(&n->waiters);
}

static bool make_room(struct resolver *r)
{
    for (struct list *l = r->names.prev; r->count >= NAMES_MAX && l != &r->names; l = l->prev) {
        struct name *n = LIST_ENTRY(l, struct name, node);
        if (idle(n)) {
            name_free(n);
            return true;
        }
    }
    return r->count < NAMES_MAX;
}

static struct name *find(struct resolver *r, const char *host)
{
    for (struct list *l = r->names.next; l != &r->names; l = l->next) {
        struct name *n = LIST_ENTRY(l, struct name, node);
        if (strcasecmp(n->host, host) == 0)
            return n;
    }
    return NULL;
}

static struct name *add(struct resolver *r, const char *host, struct err *err)
{
    size_t size = strlen(host) + 1;

    if (!make_room(r)) {
        err_set(err, ERR_OVERLOADED, "too many names are being looked up");
        return NULL;
    }
    struct name *n = calloc(1, sizeof *n + size);
    if (!n) {
        err_set(err, ERR_INTERNAL, "out of memory");
        return NULL;
    }
    memcpy(n->host, host, size);
    n->resolver = r;
    list_init(&n->node);
    list_init(&n->waiters);
    r->count++;
    return n;
}

int resolve(struct resolver *r, const char *host, struct resolve_wait *w, const char **addresses,
            struct err *err)
{
    struct name *n = find(r, host);

    if (!n)
        n = add(r, host, err);
    if (!n)
        return -1;
    list_remove(&n->node);
    list_append(r->names.next, &n->node); /* before the first: the last used first */
    if (!known(n, FRESH_MS) && !n->looking && look_up(r, n, err) < 0)
        return -1;
    if (n->looking) {
        list_append(&n->waiters, &w->node);
        return 0;
    }
    *addresses = n->addresses;
    if (n->addresses)
        return 1;
    return err_set(err, ERR_UNAVAILABLE, "cannot resolve the name: %s",
                   evutil_gai_strerror(n->error));
}

void resolve_cancel(struct resolve_wait *w)
{
    list_remove(&w->node);
}

struct resolver *resolver_new(struct event_base *base, const char *nameserver, struct err *err)
{
    struct resolver *r = calloc(1, sizeof *r);

    if (r && nameserver)
        r->nameserver = strdup(nameserver);
    if (!r || (nameserver && !r->nameserver)) {
        free(r);
        err_set(err, ERR_INTERNAL, "out of memory");
        return NULL;
    }
    r->base = base;
    list_init(&r->names);
    return r;
}

void resolver_free(struct resolver *r)
{
    if (!r)
        return;
    r->closing = true;
    r->count++; /* keeps r until the walk is over: a cancel may call back on the spot */
    for (struct list *l = r->names.next, *next; l != &r->names; l = next) {
        struct name *n = LIST_ENTRY(l, struct name, node);
        next = l->next;
        assert(list_empty(&n->waiters));
        if (n->request)
            evdns_getaddrinfo_cancel(n->request);
        else
            name_free(n);
    }
    r->count--;
    closed(r);
}
