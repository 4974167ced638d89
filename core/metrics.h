/* metrics - counters, gauges and histograms of all processes of one engine.
 * SPDX-License-Identifier: MIT
 *
 * They live in shared memory (SHM_METRICS): what is counted survives the worker that counted it. Counting takes
 * no lock; only the first use of a series (a family with its label values) does. There is room for a fixed
 * number of series. What does not fit is counted in the family's series with "(other)" as its labels, and in
 * baton_metrics_dropped_total.
 *
 * A process that dies while it counts leaves at most its own last number out. */
#ifndef METRICS_H
#define METRICS_H

#include "buf.h"

#include <stdint.h>

enum {
    METRIC_LABELS_MAX = 3,
    METRIC_LABEL_BYTES = 127, /* of a label's value; the rest is cut */
    METRICS_SERIES = 8192     /* the usual room */
};

/* Families, with their labels in the order in which values are passed. */
enum metric {
    METRIC_REQUESTS,        /* counter: policy, code (HTTP status) */
    METRIC_REQUEST_ERRORS,  /* counter: policy, error (err_name) */
    METRIC_REQUEST_SECONDS, /* histogram: policy, model ("provider/model" of the answer) */
    METRIC_FIRST_TOKEN,     /* histogram: policy, model */
    METRIC_MODEL_CALLS,     /* counter: policy, model, outcome ("ok" or err_name) */
    METRIC_MODEL_SECONDS,   /* histogram: model */
    METRIC_MODEL_TTFT,      /* histogram: model */
    METRIC_TOKENS,          /* counter: policy, model, kind ("input", "cached", "output") */
    METRIC_COST,            /* counter: policy, model */
    METRIC_REFUSED, /* counter: model, state ("open", "benched", "rate", "key"): calls not made */
    METRIC_BREAKER_OPENED,  /* counter: model */
    METRIC_LIMIT_HITS,      /* counter: policy, limit */
    METRIC_TASK_FAILURES,   /* counter: background tasks that ended in an error */
    METRIC_RELOADS,         /* counter: result ("ok", "failed", "unchanged") */
    METRIC_WORKER_RESTARTS, /* counter: reason */
    METRIC_BANDIT_CHOICES,  /* counter: bandit, arm */
    METRIC_BANDIT_LEARNED,  /* counter: bandit, arm */
    METRIC_BANDIT_REWARD,   /* counter: bandit, arm; sum of what was learned */
    METRIC_FEEDBACK, /* counter: result ("learned", "frozen", "repeated", "conflict", "unknown") */
    METRIC_DROPPED,  /* counter: updates whose series found no room */

    /* Known at the moment of a look only: written with metrics_write_sample. */
    METRIC_BUILD_INFO,       /* gauge: version */
    METRIC_START_TIME,       /* gauge: seconds since 1970 */
    METRIC_WORKERS,          /* gauge: workers that serve */
    METRIC_IN_FLIGHT,        /* gauge: worker; requests */
    METRIC_CONNECTIONS,      /* gauge: worker; of clients */
    METRIC_WORKER_MEMORY,    /* gauge: worker; resident bytes */
    METRIC_LUA_HEAP,         /* gauge: worker; bytes of all its generations */
    METRIC_TASKS,            /* gauge: worker; coroutines alive */
    METRIC_HEARTBEAT,        /* gauge: worker; seconds since the last one */
    METRIC_LOG_DROPPED,      /* counter: worker; lines */
    METRIC_TRACE_DROPPED,    /* counter: worker; lines of the trace log */
    METRIC_QUEUE,            /* gauge: queue; entries that wait in it */
    METRIC_GENERATIONS,      /* gauge: state */
    METRIC_GENERATION_INFO,  /* gauge: hash, state; requests in flight */
    METRIC_BREAKER_STATE,    /* gauge: model; 0 closed, 1 half open, 2 open */
    METRIC_BREAKER_OPEN_FOR, /* gauge: model; seconds until it may be called again */
    METRIC_MODEL_LATENCY,    /* summary: model, quantile; seconds, of the last minutes */
    METRIC_MODEL_LIVE_TTFT,  /* summary: model, quantile */
    METRIC_KEY_BENCHED,      /* gauge: provider, key (its number); seconds left */
    METRIC_KV_BYTES,         /* gauge */
    METRIC_KV_ENTRIES,       /* gauge */
    METRIC_CACHE_BYTES,      /* gauge: worker */
    METRIC_CACHE_ENTRIES,    /* gauge: worker */
    METRIC_CACHE_HITS,       /* counter: worker */
    METRIC_CACHE_MISSES,     /* counter: worker */
    METRIC_FAMILIES
};

struct metrics;

/* Bytes for that many series. */
size_t metrics_size(size_t series);
/* Once, by the process that made the memory, which is zeroed. */
void metrics_format(void *part, size_t size);

/* Count. 'labels' are as many values as the family has labels (NULL pointers are ""); NULL for a family
 * without. Counters take no negative numbers. Not finite ones are ignored. */
void metrics_add(struct metrics *m, enum metric family, const char *const labels[], double by);
void metrics_observe(struct metrics *m, enum metric family, const char *const labels[],
                     double seconds);

/* The value of a counter or gauge, the count of a histogram; 0 for one that was never touched. */
double metrics_value(const struct metrics *m, enum metric family, const char *const labels[]);

/* Everything that was counted, as Prometheus reads it (text exposition 0.0.4). -1 when 'out' is full. */
int metrics_write(const struct metrics *m, struct buf *out);

/* For what is known only now: the head of a family once, then its samples. */
int metrics_write_head(struct buf *out, enum metric family);
int metrics_write_sample(struct buf *out, enum metric family, const char *const labels[],
                         double value);

#endif
