/* admin_views - what the admin API shows, as JSON.
 * SPDX-License-Identifier: MIT */
#include "admin_private.h"

#include "json.h"

#include <string.h>

static void text(struct buf *out, const char *name, const char *value)
{
    buf_printf(out, ",\"%s\":", name);
    json_write_text(out, (struct span){value, strlen(value)});
}

static void number(struct buf *out, const char *name, double value)
{
    buf_printf(out, ",\"%s\":", name);
    json_write_double(out, value);
}

/* ---- generations ---- */

const char *view_state(enum edition_state state)
{
    static const char *const names[] = {"new", "staged", "serving", "canary", "draining", "kept"};

    return names[state];
}

int view_in_flight(const struct master *m, int64_t serial)
{
    int n = 0;

    for (int i = 0; i < m->shared.n_slots; i++)
        for (int k = 0; k < SLOT_LOADS; k++)
            if (serial && m->shared.slots[i].loads[k].serial == serial)
                n += m->shared.slots[i].loads[k].in_flight;
    return n;
}

static void one_edition(const struct master *m, const struct edition *e, struct buf *out)
{
    char time[25];
    double age = (double)(master_wall() - e->loaded_us) / 1e6;

    log_time(e->loaded_us, time);
    buf_printf(out, "{\"hash\":\"%s\"", e->hash);
    text(out, "state", view_state(e->state));
    text(out, "loaded_at", time);
    number(out, "age_s", age > 0 ? age : 0);
    buf_printf(out, ",\"requests_in_flight\":%d,\"policies\":%s", view_in_flight(m, e->serial),
               e->policies);
    text(out, "note", e->note);
    buf_puts(out, "}");
}

static void one_side(const struct master *m, enum canary_role role, struct buf *out)
{
    struct canary_view v;

    canary_look(m->shared.canary, role, &v);
    buf_printf(out, "{\"requests\":%llu,\"errors\":%llu", (unsigned long long)v.requests,
               (unsigned long long)v.errors);
    number(out, "error_rate", v.error_rate);
    number(out, "p95_s", v.p95_s);
    number(out, "cost_usd_per_request", v.cost);
    buf_puts(out, "}");
}

static void canary(const struct master *m, struct buf *out)
{
    struct canary_view v;

    if (!m->canary) {
        buf_puts(out, "null");
        return;
    }
    canary_look(m->shared.canary, CANARY_NEW, &v);
    buf_printf(out, "{\"hash\":\"%s\"", m->canary->hash);
    number(out, "share", m->share);
    number(out, "for_s", v.for_s);
    number(out, "promote_after_s", m->bounds.promote_after_s);
    buf_puts(out, ",\"base\":");
    one_side(m, CANARY_BASE, out);
    buf_puts(out, ",\"canary\":");
    one_side(m, CANARY_NEW, out);
    buf_puts(out, "}");
}

static void last_error(const struct master *m, struct buf *out)
{
    char time[25];

    if (!m->last_error.code) {
        buf_puts(out, "null");
        return;
    }
    log_time(m->last_error_us, time);
    buf_printf(out, "{\"time\":\"%s\"", time);
    text(out, "code", err_name(m->last_error.code));
    text(out, "message", m->last_error.message);
    buf_puts(out, "}");
}

void view_policies(struct master *m, struct buf *out)
{
    int n = 0;

    buf_puts(out, "{\"generations\":[");
    for (struct list *node = m->editions.next; node != &m->editions; node = node->next) {
        const struct edition *e = LIST_ENTRY(node, struct edition, node);
        if (e->state == EDITION_NEW)
            continue;
        buf_puts(out, n++ ? "," : "");
        one_edition(m, e, out);
    }
    buf_puts(out, "],\"canary\":");
    canary(m, out);
    buf_puts(out, ",\"last_error\":");
    last_error(m, out);
    buf_puts(out, "}\n");
}

/* ---- workers ---- */

static void one_worker(const struct master *m, const struct hand *h, struct buf *out)
{
    static const char *const states[] = {"starting", "serving", "draining"};
    const struct worker_slot *slot = &m->shared.slots[h->slot];

    buf_printf(out, "{\"pid\":%d,\"slot\":%d,\"state\":\"%s\"", h->pid, h->slot, states[h->state]);
    number(out, "age_s", (double)(master_now() - h->born_us) / 1e6);
    number(out, "beat_s", (double)(master_now() - slot->beat_us) / 1e6);
    buf_printf(out,
               ",\"requests_in_flight\":%d,\"connections\":%d,\"tasks\":%d,\"resident_bytes\":%lld,"
               "\"lua_bytes\":%lld}",
               slot->in_flight, slot->connections, slot->tasks, (long long)slot->resident,
               (long long)slot->heap);
}

void view_workers(struct master *m, struct buf *out)
{
    int n = 0;

    buf_puts(out, "{\"workers\":[");
    for (struct list *node = m->hands.next; node != &m->hands; node = node->next) {
        const struct hand *h = LIST_ENTRY(node, struct hand, node);
        if (h->slot < 0)
            continue;
        buf_puts(out, n++ ? "," : "");
        one_worker(m, h, out);
    }
    buf_puts(out, "]}\n");
}

/* ---- breakers ---- */

static void quantiles(struct buf *out, const char *name, const struct health_quantiles *q)
{
    if (q->p50 < 0)
        return;
    buf_printf(out, ",\"%s\":{\"p50\":%.6g,\"p95\":%.6g,\"p99\":%.6g}", name, q->p50, q->p95,
               q->p99);
}

static void one_breaker(void *arg, const struct health_view *v)
{
    static const char *const forced[] = {"none", "open", "closed"};
    struct buf *out = arg;

    buf_puts(out, out->data[out->len - 1] == '[' ? "{\"model\":" : ",{\"model\":");
    json_write_text(out, (struct span){v->model, strlen(v->model)});
    text(out, "state", health_state_name(v->state));
    text(out, "forced", forced[v->forced]);
    buf_printf(out, ",\"failures\":%d,\"benched\":%s", v->failures, v->benched ? "true" : "false");
    number(out, "calls", v->calls);
    number(out, "error_rate", v->error_rate);
    number(out, "open_for_s", v->open_for);
    number(out, "cooldown_s", v->cooldown);
    quantiles(out, "latency_s", &v->latency);
    quantiles(out, "ttft_s", &v->ttft);
    buf_puts(out, "}");
}

static void one_key(void *arg, const struct health_key_view *v)
{
    struct buf *out = arg;

    buf_puts(out, out->data[out->len - 1] == '[' ? "{\"provider\":" : ",{\"provider\":");
    json_write_text(out, (struct span){v->provider, strlen(v->provider)});
    buf_printf(out, ",\"key\":%d,\"refused\":%s", v->index, v->refused ? "true" : "false");
    number(out, "benched_for_s", v->benched_for);
    buf_puts(out, "}");
}

void view_breakers(struct master *m, struct buf *out)
{
    buf_puts(out, "{\"breakers\":[");
    health_each(m->shared.health, master_now(), one_breaker, NULL, out);
    buf_puts(out, "],\"keys\":[");
    health_each(m->shared.health, master_now(), NULL, one_key, out);
    buf_puts(out, "]}\n");
}
