/* worker_trace - a worker's side of the trace log: which file, and what is told of its troubles.
 * SPDX-License-Identifier: MIT */
#ifndef WORKER_TRACE_H
#define WORKER_TRACE_H

#include "log.h"
#include "trace_log.h"

struct worker_trace {
    struct trace_log *log;       /* NULL: no requests are traced */
    struct trace_log_stats seen; /* at the last tick */
    uint64_t before;             /* lines that the files before this one dropped */
    uint64_t told;               /* dropped lines that the log knows of */
    uint64_t line_told;          /* and that the trace log itself does */
    int64_t told_us;             /* when the log was told */
};

/* From now on lines go to that file (NULL: none); the same one goes on. One that cannot be opened is an error in the
 * log, and nothing is traced. */
void worker_trace_use(struct worker_trace *t, struct log *log, const char *path);
/* At each tick: the log hears of dropped lines, once a minute at most. */
void worker_trace_tick(struct worker_trace *t, struct log *log, int64_t now_us);
void worker_trace_end(struct worker_trace *t);

#endif
