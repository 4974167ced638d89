/* worker_trace - a worker's side of the trace log: which file, and what is told of its troubles.
 * SPDX-License-Identifier: MIT */
#include "worker_trace.h"

#include <string.h>

enum { TELL_US = 60 * 1000000 };

/* Takes the log out of use, and gives it back. */
static struct trace_log *taken(struct worker_trace *t)
{
    struct trace_log *log = t->log;

    if (!log)
        return NULL;
    trace_log_stats(log, &t->seen);
    t->before += t->seen.dropped;
    t->seen = (struct trace_log_stats){0};
    t->line_told = 0;
    t->log = NULL;
    return log;
}

void worker_trace_use(struct worker_trace *t, struct log *log, const char *path)
{
    struct err err;

    if (t->log && path && strcmp(path, trace_log_path(t->log)) == 0)
        return;
    trace_log_leave(taken(t)); /* requests go on meanwhile: nobody waits for its disk */
    if (path && !(t->log = trace_log_new(path, &err)))
        log_write(log, LOG_ERROR, "the trace log cannot be opened; requests are not traced",
                  (struct log_field[]){log_text("error", err.message)}, 1);
}

static void tell(struct worker_trace *t, struct log *log, uint64_t dropped)
{
    const char *why = t->seen.error ? strerror(t->seen.error) : "the disk is too slow";
    struct log_field fields[] = {log_text("file", trace_log_path(t->log)), log_text("reason", why),
                                 log_int("lines", (int64_t)(dropped - t->told))};

    log_write(log, LOG_WARN, "lines of the trace log were dropped", fields, 3);
}

void worker_trace_tick(struct worker_trace *t, struct log *log, int64_t now_us)
{
    if (!t->log)
        return;
    trace_log_stats(t->log, &t->seen);
    uint64_t dropped = t->before + t->seen.dropped;
    if (dropped == t->told || (t->told_us && now_us - t->told_us < TELL_US))
        return;
    tell(t, log, dropped);
    t->told = dropped;
    t->told_us = now_us;
}

void worker_trace_end(struct worker_trace *t)
{
    trace_log_free(taken(t));
}
