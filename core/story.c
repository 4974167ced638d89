/* story - what a request tried, decided and paid, step by step, for those who want to know.
 * SPDX-License-Identifier: MIT */
#include "story.h"

#include "effect.h"
#include "json.h"
#include "task.h"

#include <stdlib.h>
#include <string.h>

enum {
    ATTEMPTS_MAX = 128 << 10,
    PARAMS_MAX = 16 << 10,
    ROOM = 4096 /* of one attempt; its texts are short */
};

struct story *story_new(struct effect *fx)
{
    struct story *s = calloc(1, sizeof *s);

    if (!s)
        return NULL;
    s->fx = fx;
    s->started_us = fx->mono_us(fx);
    buf_init(&s->attempts, ATTEMPTS_MAX);
    buf_init(&s->params, PARAMS_MAX);
    buf_init(&s->overridden, PARAMS_MAX);
    return s;
}

void story_free(struct story *s)
{
    if (!s)
        return;
    buf_deinit(&s->attempts);
    buf_deinit(&s->params);
    buf_deinit(&s->overridden);
    free(s);
}

double story_ms(const struct story *s, int64_t us)
{
    return (double)(us - s->started_us) / 1000;
}

static void put_text(struct buf *b, const char *name, const char *text)
{
    if (!text || !*text)
        return;
    buf_printf(b, ",\"%s\":", name);
    json_write_text(b, (struct span){text, strlen(text)});
}

/* To three digits behind the point: microseconds. */
static void put_ms(struct buf *b, const char *name, double ms)
{
    if (ms >= 0)
        buf_printf(b, ",\"%s\":%.3f", name, ms);
}

static void put_tokens(struct buf *b, const struct story_attempt *a)
{
    if (a->input < 0 || a->output < 0)
        return;
    buf_printf(b, ",\"input_tokens\":%.0f,\"cached_tokens\":%.0f,\"output_tokens\":%.0f", a->input,
               a->cached > 0 ? a->cached : 0, a->output);
}

static void write_one(struct buf *b, const struct story *s, const struct story_attempt *a)
{
    buf_puts(b, b->len ? ",{\"model\":" : "{\"model\":");
    json_write_text(b, (struct span){a->model, strlen(a->model)});
    const char *slash = strchr(a->model, '/');
    if (slash) {
        buf_puts(b, ",\"provider\":");
        json_write_text(b, (struct span){a->model, (size_t)(slash - a->model)});
    }
    put_text(b, "outcome", a->outcome);
    put_text(b, "error", a->code);
    put_text(b, "refused", a->refused);
    if (a->status > 0)
        buf_printf(b, ",\"status\":%d", a->status);
    put_text(b, "label", a->label);
    if (a->retry > 0)
        buf_printf(b, ",\"retry\":%d", a->retry);
    if (a->stream)
        buf_puts(b, ",\"stream\":true");
    put_ms(b, "at_ms", story_ms(s, a->begun_us));
    put_ms(b, "ttft_ms", a->ttft * 1000);
    put_ms(b, "ms", a->latency * 1000);
    put_tokens(b, a);
    if (a->cost >= 0)
        buf_printf(b, ",\"cost_usd\":%.9g", a->cost);
    if (a->estimated)
        buf_puts(b, ",\"estimated\":true");
    buf_puts(b, "}");
}

void story_add(struct story *s, const struct story_attempt *a)
{
    if (s->attempts.len + ROOM > s->attempts.max)
        s->attempts_left_out++;
    else
        write_one(&s->attempts, s, a);
}

/* ---- the record ---- */

/* Of a note {"decide":{...},"at_ms":1.5}: an object with the time in it. */
static void write_decision(struct buf *out, struct span decision, struct span at, int before)
{
    buf_printf(out, "%s{\"at_ms\":%.*s", before ? "," : "", (int)at.n, at.p);
    if (json_type(decision) != JSON_OBJECT) {
        buf_puts(out, ",\"decision\":");
        buf_add_span(out, decision);
        buf_puts(out, "}");
    } else if (decision.n > 2) {
        buf_puts(out, ",");
        buf_add(out, decision.p + 1, decision.n - 1);
    } else {
        buf_puts(out, "}");
    }
}

/* How an answer began that made no sense stands in the log; it is a part of an answer, and these are never told here. */
static bool is_excerpt(struct span note)
{
    return json_type(note) == JSON_OBJECT && json_member(note, "bad_response").p;
}

static void write_notes(struct buf *out, struct span notes, const char *kind)
{
    struct json_iter it = {0};
    struct span none, entry;
    int n = 0;

    while (json_next(notes, &it, &none, &entry)) {
        struct span value = json_member(entry, kind), at = json_member(entry, "at_ms");
        if (!value.p || is_excerpt(value))
            continue;
        at = at.p ? at : SPAN("null");
        if (strcmp(kind, "decide") == 0)
            write_decision(out, value, at, n++);
        else
            buf_printf(out, "%s{\"at_ms\":%.*s,\"note\":%.*s}", n++ ? "," : "", (int)at.n, at.p,
                       (int)value.n, value.p);
    }
}

static void write_policy(struct buf *out, const struct ledger *l)
{
    size_t n = strcspn(l->policy, "@");

    if (!l->policy[0])
        return;
    buf_puts(out, ",\"policy\":");
    json_write_text(out, (struct span){l->policy, n});
    put_text(out, "generation", l->policy + n + (l->policy[n] == '@'));
}

void story_write(struct ledger *l, struct buf *out)
{
    struct story *s = l->story;

    if (!s)
        return;
    bool open = l->notes.len > 0 && buf_puts(&l->notes, "]") == 0;
    struct span notes = open ? buf_span(&l->notes) : SPAN("[]");
    write_policy(out, l);
    if (s->params.len)
        buf_printf(out, ",\"params\":%.*s", (int)s->params.len, s->params.data);
    if (s->overridden.len)
        buf_printf(out, ",\"overridden\":%.*s", (int)s->overridden.len, s->overridden.data);
    buf_puts(out, ",\"decisions\":[");
    write_notes(out, notes, "decide");
    buf_puts(out, "],\"notes\":[");
    write_notes(out, notes, "note");
    buf_printf(out, "],\"attempts\":[%.*s]", (int)s->attempts.len,
               s->attempts.data ? s->attempts.data : "");
    if (s->attempts_left_out || s->notes_left_out)
        buf_printf(out, ",\"left_out\":{\"attempts\":%d,\"notes\":%d}", s->attempts_left_out,
                   s->notes_left_out);
    put_text(out, "answered_by", l->model);
    buf_printf(out, ",\"calls\":%d,\"input_tokens\":%lld,\"output_tokens\":%lld", l->attempts,
               (long long)l->input_tokens, (long long)l->output_tokens);
    buf_printf(out, ",\"cost_usd\":%.9g", ledger_cost(l));
    if (l->simulated)
        buf_puts(out, ",\"simulated\":true");
    if (open)
        l->notes.len--;
}
