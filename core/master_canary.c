/* master_canary - a share of the requests for another generation, and what becomes of it.
 * SPDX-License-Identifier: MIT */
#include "master_private.h"

#include <stdio.h>
#include <string.h>

void share_begin(struct master *m, double promote_after_s)
{
    m->bounds = m->config.canary;
    if (promote_after_s > 0)
        m->bounds.promote_after_s = promote_after_s;
    canary_start(m->shared.canary, (uint64_t)m->serving->serial, (uint64_t)m->canary->serial,
                 master_now());
}

static void log_end(struct master *m, enum log_level level, const char *what, const char *why)
{
    log_write(&m->log, level, what,
              (struct log_field[]){log_text("generation", m->canary->hash), log_text("why", why)},
              2);
    log_flush(&m->log);
}

void share_stop(struct master *m, const char *why)
{
    struct edition *e = m->canary;

    log_end(m, LOG_WARN, "the canary has ended; all requests go to the base again", why);
    canary_stop(m->shared.canary);
    m->canary = NULL;
    m->share = 0;
    crew_route(m);
    edition_retire(m, e, why);
}

/* It has shown what was asked of it: it becomes the base. */
static void promote(struct master *m, const char *why)
{
    struct change *c = change_add(m, CHANGE_USE, EDITION_SERVING, "canary promoted");

    if (!c)
        return;
    log_end(m, LOG_INFO, "the canary is promoted", why);
    c->promote = true;
}

void share_tick(struct master *m)
{
    char why[CANARY_WHY];

    if (!m->canary || !list_empty(&m->changes))
        return;
    switch (canary_judge(m->shared.canary, &m->bounds, master_now(), why)) {
    case CANARY_ROLL_BACK:
        share_stop(m, why);
        break;
    case CANARY_PROMOTE:
        promote(m, why);
        break;
    case CANARY_GO_ON:
        break;
    }
}
