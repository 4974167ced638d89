/* resolve - names to addresses without stopping the loop: evdns, a small cache, one look-up a name.
 * SPDX-License-Identifier: MIT
 *
 * Reads /etc/hosts and /etc/resolv.conf at the first look-up, once. An answer is used for a minute;
 * when a new look-up then fails, the old answer goes on for an hour. */
#ifndef RESOLVE_H
#define RESOLVE_H

#include "err.h"
#include "list.h"

#include <event2/event.h>

struct resolver;

/* 'addresses' as "192.0.2.1,[2001:db8::1]", gone when this returns; or NULL and why. Runs from the
 * loop. It must not call the resolver's functions. */
typedef void resolve_done(void *arg, const char *addresses, const struct err *err);

/* One who waits for a name; embedded by the caller. */
struct resolve_wait {
    struct list node; /* list_init it; then resolve_cancel is always safe */
    resolve_done *done;
    void *arg;
};

/* 'nameserver': "address:port" to ask instead of those of /etc/resolv.conf, or NULL. */
struct resolver *resolver_new(struct event_base *base, const char *nameserver, struct err *err);
/* Nobody may wait any more. A look-up that is under way is cancelled; what it holds is freed at
 * once or in the loop's next turn. NULL is fine. */
void resolver_free(struct resolver *r);

/* 1: known, *addresses is it, valid until the loop runs on. 0: 'w' waits, done will run.
 * -1 with *err: cannot be looked up. */
int resolve(struct resolver *r, const char *host, struct resolve_wait *w, const char **addresses,
            struct err *err);
void resolve_cancel(struct resolve_wait *w);

#endif
