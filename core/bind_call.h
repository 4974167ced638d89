/* bind_call - a call to a provider as scripts hold it.
 * SPDX-License-Identifier: MIT */
#ifndef BIND_CALL_H
#define BIND_CALL_H

#include "admission.h"
#include "bind_line.h"
#include "call.h"
#include "task.h"

#include <lua.h>

#define BOX "baton.call" /* the name of the metatable */

/* Of an answer that made no sense: bytes that are looked at, and bytes that are shown, so that a key is found whole. */
enum { LOOKED_AT = 512, EXCERPT = 200 };

/* A call and who waits for it. */
struct box {
    struct call call;
    struct pending pending; /* the call, on the task that made it or inherited it */
    struct pending wait;    /* on the task that waits, while one does */
    struct task *waiter;
    struct ledger *ledger; /* of the request that made it: no other may use it */
    const struct provider *provider;
    struct admission admission;
    struct line_prices prices;
    size_t sent;     /* bytes of the request's body */
    struct buf body; /* of the request, until it is sent */
    struct buf head; /* header lines, each with a terminator; wiped: they hold the key */
};

/* Waits until the call has changed, then goes on with k; box_end_wait when it need not wait any more. */
int box_wait(lua_State *L, struct box *box, lua_KFunction k);
void box_end_wait(struct box *box);

/* A pending's abort: the request is over, or nobody wants the call's result. */
void box_abort(struct pending *p);

/* nil, err: the call was closed. */
int box_closed(lua_State *L);

/* The transport names host and port. Clients are told the provider's name: where it is, is not their business. */
void box_name_provider(const struct provider *p, struct err *err);

/* What a provider says is wrong may quote the key: nobody else is told. Puts [key] in its place; -> how many bytes are
 * left. */
size_t box_hide_keys(const struct provider *p, char *text, size_t n);

#endif
