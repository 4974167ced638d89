/* admin_metrics - what Prometheus reads: what all processes counted, and what is so right now.
 * SPDX-License-Identifier: MIT */
#include "admin_private.h"

#include <stdio.h>
#include <string.h>

static void sample(struct buf *out, enum metric family, const char *a, const char *b, double value)
{
    const char *labels[] = {a, b};

    metrics_write_sample(out, family, labels, value);
}

static void once(struct buf *out, enum metric family, const char *label, double value)
{
    metrics_write_head(out, family);
    sample(out, family, label, NULL, value);
}

/* ---- of workers ---- */

/* What a worker's slot says, one family after the other. */
static double of_slot(const struct worker_slot *s, enum metric family)
{
    switch (family) {
    case METRIC_IN_FLIGHT:
        return s->in_flight;
    case METRIC_CONNECTIONS:
        return s->connections;
    case METRIC_WORKER_MEMORY:
        return (double)s->resident;
    case METRIC_LUA_HEAP:
        return (double)s->heap;
    case METRIC_TASKS:
        return s->tasks;
    case METRIC_HEARTBEAT:
        return (double)(master_now() - s->beat_us) / 1e6;
    case METRIC_LOG_DROPPED:
        return (double)s->log_dropped;
    case METRIC_TRACE_DROPPED:
        return (double)s->trace_dropped;
    case METRIC_CACHE_BYTES:
        return (double)s->cache_bytes;
    case METRIC_CACHE_ENTRIES:
        return (double)s->cache_entries;
    case METRIC_CACHE_HITS:
        return (double)s->cache_hits;
    case METRIC_CACHE_MISSES:
        return (double)s->cache_misses;
    default:
        return 0;
    }
}

static void workers(const struct master *m, struct buf *out)
{
    static const enum metric families[] = {
        METRIC_IN_FLIGHT,   METRIC_CONNECTIONS,   METRIC_WORKER_MEMORY, METRIC_LUA_HEAP,
        METRIC_TASKS,       METRIC_HEARTBEAT,     METRIC_LOG_DROPPED,   METRIC_TRACE_DROPPED,
        METRIC_CACHE_BYTES, METRIC_CACHE_ENTRIES, METRIC_CACHE_HITS,    METRIC_CACHE_MISSES};
    int serving = 0;

    for (size_t f = 0; f < sizeof families / sizeof *families; f++) {
        metrics_write_head(out, families[f]);
        for (struct list *n = m->hands.next; n != &m->hands; n = n->next) {
            const struct hand *h = LIST_ENTRY(n, struct hand, node);
            char slot[16];
            if (h->slot < 0)
                continue;
            snprintf(slot, sizeof slot, "%d", h->slot);
            sample(out, families[f], slot, NULL, of_slot(&m->shared.slots[h->slot], families[f]));
        }
    }
    for (struct list *n = m->hands.next; n != &m->hands; n = n->next)
        serving += LIST_ENTRY(n, struct hand, node)->state == HAND_SERVING;
    once(out, METRIC_WORKERS, NULL, serving);
}

/* ---- of generations ---- */

static void generations(const struct master *m, struct buf *out)
{
    int counts[EDITION_KEPT + 1] = {0};

    metrics_write_head(out, METRIC_GENERATION_INFO);
    for (struct list *n = m->editions.next; n != &m->editions; n = n->next) {
        const struct edition *e = LIST_ENTRY(n, struct edition, node);
        char hash[13];
        counts[e->state]++;
        if (e->state == EDITION_KEPT || e->state == EDITION_NEW || e->state == EDITION_STAGED)
            continue;
        snprintf(hash, sizeof hash, "%.12s", e->hash);
        if (e->state != EDITION_DRAINING)
            sample(out, METRIC_GENERATION_INFO, hash, view_state(e->state),
                   view_in_flight(m, e->serial));
    }
    metrics_write_head(out, METRIC_GENERATIONS);
    for (int state = EDITION_STAGED; state <= EDITION_KEPT; state++)
        sample(out, METRIC_GENERATIONS, view_state((enum edition_state)state), NULL, counts[state]);
    metrics_write_head(out, METRIC_QUEUE);
    sample(out, METRIC_QUEUE, "changes", NULL, m->waiting);
    int calls = 0, questions = 0;
    int64_t bytes = 0, traces = 0;
    for (int i = 0; i < m->shared.n_slots; i++) {
        calls += m->shared.slots[i].calls_waiting;
        bytes += m->shared.slots[i].log_waiting;
        questions += m->shared.slots[i].questions;
        traces += m->shared.slots[i].trace_waiting;
    }
    sample(out, METRIC_QUEUE, "calls", NULL, calls);
    sample(out, METRIC_QUEUE, "questions", NULL, questions);
    sample(out, METRIC_QUEUE, "log_bytes", NULL, (double)bytes);
    sample(out, METRIC_QUEUE, "trace_log_bytes", NULL, (double)traces);
}

/* ---- of models: a family at a time, since Prometheus wants them together ---- */

struct page {
    struct buf *out;
    enum metric family;
};

static void summary(const struct page *p, const char *model, const struct health_quantiles *q)
{
    if (q->p50 < 0)
        return;
    sample(p->out, p->family, model, "0.5", q->p50);
    sample(p->out, p->family, model, "0.95", q->p95);
    sample(p->out, p->family, model, "0.99", q->p99);
}

static void of_model(void *arg, const struct health_view *v)
{
    const struct page *p = arg;

    if (!v->listed && v->forced == FORCE_NONE && v->latency.p50 < 0)
        return; /* a name that a client made up, and that never worked */
    if (p->family == METRIC_BREAKER_STATE)
        sample(p->out, p->family, v->model, NULL, v->state);
    else if (p->family == METRIC_BREAKER_OPEN_FOR)
        sample(p->out, p->family, v->model, NULL, v->open_for);
    else if (p->family == METRIC_MODEL_LATENCY)
        summary(p, v->model, &v->latency);
    else
        summary(p, v->model, &v->ttft);
}

static void of_key(void *arg, const struct health_key_view *v)
{
    const struct page *p = arg;
    char index[16];

    snprintf(index, sizeof index, "%d", v->index);
    sample(p->out, p->family, v->provider, index, v->benched_for);
}

static void models(const struct master *m, struct buf *out)
{
    static const enum metric families[] = {METRIC_BREAKER_STATE, METRIC_BREAKER_OPEN_FOR,
                                           METRIC_MODEL_LATENCY, METRIC_MODEL_LIVE_TTFT};
    struct page page = {.out = out};

    for (size_t i = 0; i < sizeof families / sizeof *families; i++) {
        page.family = families[i];
        metrics_write_head(out, page.family);
        health_each(m->shared.health, master_now(), of_model, NULL, &page);
    }
    page.family = METRIC_KEY_BENCHED;
    metrics_write_head(out, page.family);
    health_each(m->shared.health, master_now(), NULL, of_key, &page);
}

int metrics_page(struct master *m, struct buf *out)
{
    struct kv_stats kv;

    if (metrics_write(m->shared.metrics, out) < 0)
        return -1;
    once(out, METRIC_BUILD_INFO, BATON_VERSION, 1);
    once(out, METRIC_START_TIME, NULL, (double)m->started_us / 1e6);
    workers(m, out);
    generations(m, out);
    models(m, out);
    kv_stats(m->shared.kv, &kv);
    once(out, METRIC_KV_BYTES, NULL, (double)kv.bytes);
    once(out, METRIC_KV_ENTRIES, NULL, (double)kv.entries);
    return out->len < out->max - 256 ? 0 : -1;
}
