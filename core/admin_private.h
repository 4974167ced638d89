/* admin_private - what the files of the admin API share.
 * SPDX-License-Identifier: MIT
 *
 * admin.c          who may ask, routes, what changes something
 * admin_views.c    what it shows, as JSON
 * admin_metrics.c  what Prometheus reads
 * admin_bandits.c  what bandits have learned: shown, frozen, reset
 * admin_ask.c      questions that the workers answer */
#ifndef ADMIN_PRIVATE_H
#define ADMIN_PRIVATE_H

#include "master_private.h"

enum { ADMIN_ANSWER_MAX = 8 << 20 };

/* One answer of the API; err NULL: 200 with this body. */
void admin_reply(struct http_exchange *x, int status, struct span json);
void admin_fail(struct http_exchange *x, int status, const struct err *err);
/* The body: an object or nothing, with no members but these (the third may be NULL). False: it is answered. */
bool admin_read_body(struct http_exchange *x, const char *const known[3], struct span *doc);

/* admin_views.c */
void view_policies(struct master *m, struct buf *out);
void view_breakers(struct master *m, struct buf *out);
void view_workers(struct master *m, struct buf *out);
int view_in_flight(const struct master *m, int64_t serial); /* tasks in that load, of all workers */
const char *view_state(enum edition_state state);

/* admin_metrics.c */
int metrics_page(struct master *m, struct buf *out);

/* admin_bandits.c; each answers */
void bandits_show(struct master *m, struct http_exchange *x, const char *name); /* NULL: all */
void bandits_freeze(struct master *m, struct http_exchange *x);
void bandits_reset(struct master *m, struct http_exchange *x, const char *name);

/* admin_ask.c */
void ask_requests(struct master *m, struct http_exchange *x);
void ask_cancel(struct master *m, struct http_exchange *x, const char *id);
void ask_questions(struct master *m, struct http_exchange *x);
void ask_answer(struct master *m, struct http_exchange *x, const char *id, struct span text,
                struct span by);
void ask_expire(struct master *m, struct http_exchange *x, const char *id);
void ask_drop_all(struct master *m);

#endif
