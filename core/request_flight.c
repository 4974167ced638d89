/* request_flight - what is in flight, and what is noted of a request when it has ended.
 * SPDX-License-Identifier: MIT */
#include "canary.h"
#include "json.h"
#include "metrics.h"
#include "request_private.h"

#include <stdio.h>
#include <string.h>

enum { LIST_ROOM = 2048, LEFT = 499 /* the client went away (as nginx has it) */ };

/* ---- when it has ended ---- */

static void write_log(struct request *r)
{
    struct effect *fx = r->w->fx;
    struct ledger *l = &r->ledger;
    struct log_field fields[17];
    size_t n = 0;

    fields[n++] = log_text("trace", l->id);
    fields[n++] = log_text("request_id", r->id);
    fields[n++] = log_text("method", r->method);
    fields[n++] = log_text("path", r->path);
    fields[n++] = log_int("status", r->status);
    fields[n++] = log_number("ms", (double)(fx->mono_us(fx) - r->started_us) / 1000);
    fields[n++] = log_int("bytes", (int64_t)r->bytes);
    if (r->streaming)
        fields[n++] = log_json("stream", SPAN("true"));
    if (l->policy[0])
        fields[n++] = log_text("policy", l->policy);
    if (l->model[0])
        fields[n++] = log_text("model", l->model);
    if (l->attempts) {
        fields[n++] = log_int("attempts", l->attempts);
        fields[n++] = log_number("cost_usd", ledger_cost(l));
        if (l->stopped)
            fields[n++] = log_int("stopped", l->stopped);
        fields[n++] = log_int("input_tokens", l->input_tokens);
        fields[n++] = log_int("output_tokens", l->output_tokens);
    }
    if (r->code)
        fields[n++] = log_text("error", err_name(r->code));
    if (l->notes.len && buf_puts(&l->notes, "]") == 0)
        fields[n++] = log_json("notes", buf_span(&l->notes));
    log_write(&r->w->log, LOG_INFO, "request", fields, n);
}

static double seconds_since(const struct request *r, int64_t us)
{
    return us ? (double)(us - r->started_us) / 1e6 : 0;
}

static void count(const struct request *r, double seconds)
{
    struct metrics *m = r->w->shared.metrics;
    const struct ledger *l = &r->ledger;
    char policy[sizeof l->policy], code[16];
    const char *names[] = {policy, l->model[0] ? l->model : "(none)"};

    snprintf(policy, sizeof policy, "%.*s", (int)strcspn(l->policy, "@"), l->policy);
    if (!policy[0])
        snprintf(policy, sizeof policy, "(none)");
    snprintf(code, sizeof code, "%d", r->status ? r->status : LEFT);
    metrics_add(m, METRIC_REQUESTS, (const char *[]){policy, code}, 1);
    if (r->code)
        metrics_add(m, METRIC_REQUEST_ERRORS, (const char *[]){policy, err_name(r->code)}, 1);
    if (l->model[0] && !r->code) {
        metrics_observe(m, METRIC_REQUEST_SECONDS, names, seconds);
        if (r->first_us)
            metrics_observe(m, METRIC_FIRST_TOKEN, names, seconds_since(r, r->first_us));
    }
    if (l->limit)
        metrics_add(m, METRIC_LIMIT_HITS, (const char *[]){policy, guard_limit_name(l->limit)}, 1);
}

/* What a client did wrong, or that it left, speaks for neither side. */
static void tell_canary(const struct request *r, double seconds)
{
    struct worker *w = r->w;
    bool ours = r->status >= 500 || (r->streaming && r->code && r->code != ERR_CANCELLED);

    if (!w->canary || !r->load || r->code == ERR_CANCELLED || r->status == 0)
        return;
    canary_note(w->shared.canary, (uint64_t)r->load->serial, !ours, seconds,
                ledger_cost(&r->ledger));
}

void request_note(struct request *r)
{
    double seconds = seconds_since(r, r->w->fx->mono_us(r->w->fx));

    write_log(r);
    if (r->ledger.decided)
        r->w->fx->bandit_spent(r->w->fx, (struct span){r->ledger.id, strlen(r->ledger.id)},
                               ledger_cost(&r->ledger));
    if (!r->door.door || r->door.page)
        return;
    count(r, seconds);
    tell_canary(r, seconds);
}

/* ---- while it runs ---- */

static void write_text(struct buf *out, const char *name, const char *text)
{
    buf_printf(out, ",\"%s\":", name);
    json_write_text(out, (struct span){text, strlen(text)});
}

static void write_one(const struct request *r, struct buf *out)
{
    struct effect *fx = r->w->fx;

    buf_printf(out, "{\"age_s\":%.3f", seconds_since(r, fx->mono_us(fx)));
    write_text(out, "id", r->ledger.id);
    write_text(out, "request_id", r->id);
    write_text(out, "path", r->path);
    write_text(out, "peer", r->x ? http_peer(r->x) : "");
    write_text(out, "policy", r->ledger.policy);
    if (r->load)
        write_text(out, "generation", r->load->g->hash);
    buf_printf(out, ",\"stream\":%s,\"attempts\":%d,\"bytes\":%zu}",
               r->streaming ? "true" : "false", r->ledger.attempts, r->bytes);
}

void request_list(const struct worker *w, struct buf *out)
{
    int total = 0, shown = 0;

    buf_puts(out, "\"items\":[");
    for (struct list *n = w->requests.next; n != &w->requests; n = n->next, total++) {
        if (out->len + LIST_ROOM > out->max)
            continue;
        buf_puts(out, shown++ ? "," : "");
        write_one(LIST_ENTRY(n, struct request, node), out);
    }
    buf_printf(out, "],\"total\":%d", total);
}

static struct request *find(struct worker *w, const char *id)
{
    for (struct list *n = w->requests.next; n != &w->requests; n = n->next) {
        struct request *r = LIST_ENTRY(n, struct request, node);
        if (r->task && (!id || strcmp(id, r->ledger.id) == 0 || strcmp(id, r->id) == 0))
            return r;
    }
    return NULL;
}

/* From the start each time: while one ends, others may run and end, too. */
static int cancel_matching(struct worker *w, const char *id, const char *why)
{
    struct request *r;
    struct err err;
    int n = 0;

    err_set(&err, ERR_OVERLOADED, "%s", why);
    for (; (r = find(w, id)); n++)
        task_cancel(r->task, &err);
    return n;
}

int request_cancel(struct worker *w, const char *id)
{
    return cancel_matching(w, id, "an operator cancelled this request");
}

void request_cancel_all(struct worker *w, const char *why)
{
    cancel_matching(w, NULL, why);
}
