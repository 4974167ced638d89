/* request_trace - a request's line in the trace log.
 * SPDX-License-Identifier: MIT */
#include "json.h"
#include "request_private.h"
#include "story.h"

#include <stdio.h>
#include <string.h>

enum { RECORD_VERSION = 1, LINE_BYTES = 1 << 20 };

void request_trace_begin(struct request *r)
{
    if (r->w->trace.log && r->door.door)
        r->ledger.story = story_new(r->w->fx);
}

static void put_text(struct buf *out, const char *name, const char *text)
{
    if (!*text)
        return;
    buf_printf(out, ",\"%s\":", name);
    json_write_text(out, (struct span){text, strlen(text)});
}

/* What became of it, in a word. */
static const char *outcome(const struct request *r)
{
    if (r->code == ERR_CANCELLED && !r->x && r->status == 0)
        return "left";
    if (!r->code)
        return "ok";
    return r->streaming ? r->code == ERR_CANCELLED ? "left" : "broken" : "error";
}

static void put_head(struct buf *out, const struct request *r, int64_t now_us)
{
    const struct story *s = r->ledger.story;
    struct effect *fx = r->w->fx;
    char time[25];

    log_time(fx->wall_us(fx) - (now_us - r->started_us), time);
    buf_printf(out, "{\"v\":%d,\"time\":\"%s\",\"trace\":\"%s\"", RECORD_VERSION, time,
               r->ledger.id);
    put_text(out, "request_id", r->id);
    put_text(out, "path", r->path);
    put_text(out, "door", r->door.door);
    put_text(out, "model", s->asked);
    if (s->session)
        buf_printf(out, ",\"session\":\"%016llx\"", (unsigned long long)s->session);
    buf_printf(out, ",\"stream\":%s", r->streaming ? "true" : "false");
}

static void put_end(struct buf *out, struct request *r, int64_t now_us)
{
    struct worker_trace *t = &r->w->trace;
    struct trace_log_stats stats;

    put_text(out, "outcome", outcome(r));
    if (r->status)
        buf_printf(out, ",\"status\":%d", r->status);
    if (r->code)
        put_text(out, "error", err_name(r->code));
    if (r->ledger.limit)
        put_text(out, "limit", guard_limit_name(r->ledger.limit));
    if (r->first_us)
        buf_printf(out, ",\"first_ms\":%.3f", (double)(r->first_us - r->started_us) / 1000);
    buf_printf(out, ",\"ms\":%.3f,\"bytes\":%zu", (double)(now_us - r->started_us) / 1000,
               r->bytes);
    trace_log_stats(t->log, &stats);
    if (stats.dropped > t->line_told)
        buf_printf(out, ",\"lines_dropped_before\":%llu",
                   (unsigned long long)(stats.dropped - t->line_told));
    if (buf_puts(out, "}\n") == 0)
        t->line_told = stats.dropped;
}

void request_trace_end(struct request *r)
{
    struct story *s = r->ledger.story;
    struct effect *fx = r->w->fx;
    struct buf line;

    if (!s)
        return;
    if (r->w->trace.log && (!r->door.page || r->ledger.attempts)) {
        int64_t now_us = fx->mono_us(fx);
        buf_init(&line, LINE_BYTES);
        put_head(&line, r, now_us);
        story_write(&r->ledger, &line);
        put_end(&line, r, now_us);
        trace_log_add(r->w->trace.log, buf_span(&line));
        buf_deinit(&line);
    }
    story_free(s);
    r->ledger.story = NULL;
}
