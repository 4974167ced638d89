/* metrics - counters, gauges and histograms of all processes of one engine.
 * SPDX-License-Identifier: MIT
 *
 * An index (open addressing, offsets of records) and an arena of records that only grows. A record is written
 * before the arena's length grows over it, and that before the index shows it, so whoever dies in between
 * leaves nothing that must be repaired. */
#include "metrics.h"

#include "json_bytes.h"
#include "shm.h"

#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

enum { RECORD_ROOM = 320 }; /* bytes that a series takes on average, at most */

enum kind { COUNTER, GAUGE, HISTOGRAM, SUMMARY };

struct family {
    const char *name, *help;
    enum kind kind;
    const char *labels[METRIC_LABELS_MAX];
};

static const struct family families[METRIC_FAMILIES] = {
    [METRIC_REQUESTS] = {"baton_requests_total", "Requests answered.", COUNTER, {"policy", "code"}},
    [METRIC_REQUEST_ERRORS] = {"baton_request_errors_total",
                               "Requests that ended in an error.",
                               COUNTER,
                               {"policy", "error"}},
    [METRIC_REQUEST_SECONDS] = {"baton_request_seconds",
                                "Time from a request to the end of its answer.",
                                HISTOGRAM,
                                {"policy", "model"}},
    [METRIC_FIRST_TOKEN] = {"baton_time_to_first_token_seconds",
                            "Time from a request to the first content of its answer.",
                            HISTOGRAM,
                            {"policy", "model"}},
    [METRIC_MODEL_CALLS] = {"baton_model_calls_total",
                            "Calls to models.",
                            COUNTER,
                            {"policy", "model", "outcome"}},
    [METRIC_MODEL_SECONDS] = {"baton_model_seconds",
                              "Time of successful calls to a model.",
                              HISTOGRAM,
                              {"model"}},
    [METRIC_MODEL_TTFT] = {"baton_model_ttft_seconds",
                           "Time to the first content of successful calls to a model.",
                           HISTOGRAM,
                           {"model"}},
    [METRIC_TOKENS] = {"baton_tokens_total", "Tokens used.", COUNTER, {"policy", "model", "kind"}},
    [METRIC_COST] = {"baton_cost_usd_total",
                     "Cost by the catalogue's prices.",
                     COUNTER,
                     {"policy", "model"}},
    [METRIC_REFUSED] = {"baton_model_refused_total",
                        "Calls not made since the model or its keys are not to be called now.",
                        COUNTER,
                        {"model", "state"}},
    [METRIC_BREAKER_OPENED] = {"baton_breaker_opened_total",
                               "How often a model's circuit breaker opened.",
                               COUNTER,
                               {"model"}},
    [METRIC_LIMIT_HITS] = {"baton_limit_hits_total",
                           "Tasks ended by a limit of the sandbox.",
                           COUNTER,
                           {"policy", "limit"}},
    [METRIC_TASK_FAILURES] = {"baton_task_failures_total",
                              "Background tasks that ended in an error.",
                              COUNTER,
                              {NULL}},
    [METRIC_RELOADS] = {"baton_reloads_total",
                        "Loads of scripts and policies.",
                        COUNTER,
                        {"result"}},
    [METRIC_WORKER_RESTARTS] = {"baton_worker_restarts_total",
                                "Workers that were replaced.",
                                COUNTER,
                                {"reason"}},
    [METRIC_BANDIT_CHOICES] = {"baton_bandit_choices_total",
                               "Choices of an arm.",
                               COUNTER,
                               {"bandit", "arm"}},
    [METRIC_BANDIT_LEARNED] = {"baton_bandit_learned_total",
                               "Observations of an arm.",
                               COUNTER,
                               {"bandit", "arm"}},
    [METRIC_BANDIT_REWARD] = {"baton_bandit_reward_total",
                              "Sum of the rewards (0 to 1) of an arm.",
                              COUNTER,
                              {"bandit", "arm"}},
    [METRIC_FEEDBACK] = {"baton_feedback_total",
                         "Scores that came for traces, by what became of them.",
                         COUNTER,
                         {"result"}},
    [METRIC_DROPPED] = {"baton_metrics_dropped_total",
                        "Updates whose series found no room and were counted as \"(other)\".",
                        COUNTER,
                        {NULL}},
    [METRIC_BUILD_INFO] = {"baton_build_info", "The engine's version.", GAUGE, {"version"}},
    [METRIC_START_TIME] = {"baton_start_time_seconds",
                           "When the engine was started, since 1970.",
                           GAUGE,
                           {NULL}},
    [METRIC_WORKERS] = {"baton_workers", "Workers that serve.", GAUGE, {NULL}},
    [METRIC_IN_FLIGHT] = {"baton_requests_in_flight", "Requests under way.", GAUGE, {"worker"}},
    [METRIC_CONNECTIONS] = {"baton_connections", "Connections of clients.", GAUGE, {"worker"}},
    [METRIC_WORKER_MEMORY] = {"baton_worker_memory_bytes",
                              "Resident memory of a worker.",
                              GAUGE,
                              {"worker"}},
    [METRIC_LUA_HEAP] = {"baton_worker_lua_bytes",
                         "Memory of a worker's Lua states.",
                         GAUGE,
                         {"worker"}},
    [METRIC_TASKS] = {"baton_tasks", "Coroutines alive.", GAUGE, {"worker"}},
    [METRIC_HEARTBEAT] = {"baton_worker_heartbeat_age_seconds",
                          "Time since a worker's last sign of life.",
                          GAUGE,
                          {"worker"}},
    [METRIC_LOG_DROPPED] = {"baton_log_dropped_total",
                            "Log lines that could not be written.",
                            COUNTER,
                            {"worker"}},
    [METRIC_TRACE_DROPPED] = {"baton_trace_log_dropped_total",
                              "Lines of the trace log that could not be written.",
                              COUNTER,
                              {"worker"}},
    [METRIC_QUEUE] = {"baton_queue_entries",
                      "What waits in a queue: changes of generations, calls for a connection, "
                      "bytes of the logs.",
                      GAUGE,
                      {"queue"}},
    [METRIC_GENERATIONS] = {"baton_generations", "Generations of policies.", GAUGE, {"state"}},
    [METRIC_GENERATION_INFO] = {"baton_generation_requests",
                                "Requests in flight of a generation.",
                                GAUGE,
                                {"hash", "state"}},
    [METRIC_BREAKER_STATE] = {"baton_breaker_state",
                              "A model's circuit breaker: 0 closed, 1 half open, 2 open.",
                              GAUGE,
                              {"model"}},
    [METRIC_BREAKER_OPEN_FOR] = {"baton_breaker_open_seconds",
                                 "Time until a model may be called again.",
                                 GAUGE,
                                 {"model"}},
    [METRIC_MODEL_LATENCY] = {"baton_model_live_latency_seconds",
                              "Quantiles of a model's time to answer in the last minutes.",
                              SUMMARY,
                              {"model", "quantile"}},
    [METRIC_MODEL_LIVE_TTFT] = {"baton_model_live_ttft_seconds",
                                "Quantiles of a model's time to first content in the last minutes.",
                                SUMMARY,
                                {"model", "quantile"}},
    [METRIC_KEY_BENCHED] = {"baton_key_benched_seconds",
                            "Time until a provider's key is used again.",
                            GAUGE,
                            {"provider", "key"}},
    [METRIC_KV_BYTES] = {"baton_kv_bytes", "Bytes of kv in use.", GAUGE, {NULL}},
    [METRIC_KV_ENTRIES] = {"baton_kv_entries", "Entries of kv.", GAUGE, {NULL}},
    [METRIC_CACHE_BYTES] = {"baton_cache_bytes", "Bytes of the cache in use.", GAUGE, {"worker"}},
    [METRIC_CACHE_ENTRIES] = {"baton_cache_entries", "Entries of the cache.", GAUGE, {"worker"}},
    [METRIC_CACHE_HITS] = {"baton_cache_hits_total",
                           "Values found in the cache.",
                           COUNTER,
                           {"worker"}},
    [METRIC_CACHE_MISSES] = {"baton_cache_misses_total",
                             "Values not found in the cache.",
                             COUNTER,
                             {"worker"}},
};

/* Upper bounds of the buckets, seconds; one more for the rest. */
static const double bounds[] = {0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1,
                                2.5,   5,    10,    20,   40,  80,   160, 320};
enum { BUCKETS = sizeof bounds / sizeof *bounds + 1 };

/* A series: then its labels (each with its terminator), then its values. */
struct record {
    uint64_t hash;
    uint32_t size; /* of all of it, a multiple of 8 */
    uint16_t family, labels_n;
    char labels[];
};

struct metrics {
    pthread_mutex_t lock;             /* of insertion */
    uint32_t count;                   /* records in the index; a quarter of it stays free */
    _Atomic bool full;                /* nothing more is inserted */
    uint32_t slots;                   /* of the index, a power of two */
    uint32_t arena, arena_size;       /* where it begins, from this struct; its bytes */
    _Atomic uint32_t used;            /* bytes of the arena */
    uint32_t others[METRIC_FAMILIES]; /* offsets of the series for what has no room */
    _Atomic uint32_t index[];         /* offsets of records from this struct; 0: free */
};

static uint32_t slots_for(size_t series)
{
    uint32_t n = 64;

    while (n < series * 2 && n < (1u << 24))
        n *= 2;
    return n;
}

static size_t index_end(uint32_t slots)
{
    return (sizeof(struct metrics) + slots * sizeof(uint32_t) + 63) / 64 * 64;
}

size_t metrics_size(size_t series)
{
    return index_end(slots_for(series)) + (series + METRIC_FAMILIES) * RECORD_ROOM;
}

/* ---- records ---- */

static int label_count(enum metric family)
{
    int n = 0;

    while (n < METRIC_LABELS_MAX && families[family].labels[n])
        n++;
    return n;
}

static size_t value_count(enum metric family)
{
    return families[family].kind == HISTOGRAM ? BUCKETS + 1 : 1;
}

/* A series that is looked for: its labels, one after the other. */
struct key {
    enum metric family;
    uint64_t hash;
    size_t n;
    char text[METRIC_LABELS_MAX * (METRIC_LABEL_BYTES + 1) + 8];
};

static uint64_t mix(uint64_t h, uint64_t word)
{
    h = (h ^ word) * UINT64_C(0x9E3779B97F4A7C15);
    return h ^ h >> 32;
}

static uint64_t hash_of(enum metric family, const char *text, size_t n)
{
    uint64_t h = mix(0, (uint64_t)family + 1), word;

    for (; n >= 8; text += 8, n -= 8) {
        memcpy(&word, text, 8);
        h = mix(h, word);
    }
    word = 0;
    memcpy(&word, text, n);
    return mix(h, word);
}

/* How much of a long value is kept: no character is cut in two. */
static size_t cut(const char *text, size_t n)
{
    if (n <= METRIC_LABEL_BYTES)
        return n;
    for (n = METRIC_LABEL_BYTES; n > 0 && ((unsigned char)text[n] & 0xC0) == 0x80; n--)
        ;
    return n;
}

static void make_key(struct key *k, enum metric family, const char *const labels[])
{
    int count = label_count(family);

    k->family = family;
    k->n = 0;
    for (int i = 0; i < count; i++) {
        const char *text = labels && labels[i] ? labels[i] : "";
        size_t n = cut(text, strnlen(text, METRIC_LABEL_BYTES + 1));
        memcpy(k->text + k->n, text, n);
        k->n += n;
        k->text[k->n++] = 0;
    }
    k->hash = hash_of(family, k->text, k->n);
}

static struct record *record_at(const struct metrics *m, uint32_t offset)
{
    return (struct record *)((char *)m + offset);
}

static _Atomic uint64_t *values_of(struct record *r)
{
    return (_Atomic uint64_t *)((char *)r + (sizeof *r + r->labels_n + 7) / 8 * 8);
}

/* The record, or NULL and the free slot where the index would show it. */
static struct record *find(const struct metrics *m, const struct key *k, uint32_t *slot)
{
    uint32_t mask = m->slots - 1;

    for (uint32_t i = (uint32_t)k->hash & mask;; i = (i + 1) & mask) {
        uint32_t offset = atomic_load_explicit(&m->index[i], memory_order_acquire);
        *slot = i;
        if (!offset)
            return NULL;
        struct record *r = record_at(m, offset);
        if (r->hash == k->hash && r->family == k->family && r->labels_n == k->n &&
            memcmp(r->labels, k->text, k->n) == 0)
            return r;
    }
}

/* Under the lock. NULL without room. */
static struct record *append(struct metrics *m, const struct key *k)
{
    uint32_t used = atomic_load_explicit(&m->used, memory_order_relaxed);
    size_t size = (sizeof(struct record) + k->n + 7) / 8 * 8 + 8 * value_count(k->family);

    if (size > m->arena_size - used)
        return NULL;
    struct record *r = record_at(m, m->arena + used);
    memset(r, 0, size);
    r->hash = k->hash;
    r->size = (uint32_t)size;
    r->family = (uint16_t)k->family;
    r->labels_n = (uint16_t)k->n;
    memcpy(r->labels, k->text, k->n);
    atomic_store_explicit(&m->used, used + (uint32_t)size, memory_order_release);
    return r;
}

static struct record *insert(struct metrics *m, const struct key *k)
{
    uint32_t slot;

    shm_lock(&m->lock); /* a dead owner leaves nothing to repair: see above */
    struct record *r = find(m, k, &slot);
    if (!r && m->count < m->slots / 4 * 3 && (r = append(m, k))) {
        m->count++;
        atomic_store_explicit(&m->index[slot], (uint32_t)((char *)r - (char *)m),
                              memory_order_release);
    }
    if (!r)
        atomic_store_explicit(&m->full, true, memory_order_relaxed);
    shm_unlock(&m->lock);
    return r;
}

/* ---- values ---- */

static uint64_t bits_of(double d)
{
    uint64_t bits;

    memcpy(&bits, &d, sizeof bits);
    return bits;
}

static double double_of(uint64_t bits)
{
    double d;

    memcpy(&d, &bits, sizeof d);
    return d;
}

static void add_double(_Atomic uint64_t *value, double by)
{
    uint64_t old = atomic_load_explicit(value, memory_order_relaxed);

    while (!atomic_compare_exchange_weak_explicit(value, &old, bits_of(double_of(old) + by),
                                                  memory_order_relaxed, memory_order_relaxed))
        ;
}

static void count_dropped(struct metrics *m)
{
    add_double(values_of(record_at(m, m->others[METRIC_DROPPED])), 1);
}

static _Atomic uint64_t *series(struct metrics *m, enum metric family, const char *const labels[])
{
    struct key k;
    uint32_t slot;

    make_key(&k, family, labels);
    struct record *r = find(m, &k, &slot);
    if (!r && !atomic_load_explicit(&m->full, memory_order_relaxed))
        r = insert(m, &k);
    if (!r) {
        count_dropped(m);
        r = record_at(m, m->others[family]);
    }
    return values_of(r);
}

void metrics_add(struct metrics *m, enum metric family, const char *const labels[], double by)
{
    if (isfinite(by) && (by >= 0 || families[family].kind == GAUGE))
        add_double(series(m, family, labels), by);
}

/* A histogram's values: a number for each bucket, then the sum. */
void metrics_observe(struct metrics *m, enum metric family, const char *const labels[],
                     double seconds)
{
    int bucket = 0;

    if (!isfinite(seconds) || seconds < 0)
        return;
    while (bucket < BUCKETS - 1 && seconds > bounds[bucket])
        bucket++;
    _Atomic uint64_t *values = series(m, family, labels);
    atomic_fetch_add_explicit(&values[bucket], 1, memory_order_relaxed);
    add_double(&values[BUCKETS], seconds);
}

static double value_of(enum metric family, const _Atomic uint64_t *values)
{
    uint64_t n = 0;

    if (families[family].kind != HISTOGRAM)
        return double_of(atomic_load_explicit(values, memory_order_relaxed));
    for (int i = 0; i < BUCKETS; i++)
        n += atomic_load_explicit(&values[i], memory_order_relaxed);
    return (double)n;
}

double metrics_value(const struct metrics *m, enum metric family, const char *const labels[])
{
    struct key k;
    uint32_t slot;

    make_key(&k, family, labels);
    struct record *r = find(m, &k, &slot);
    return r ? value_of(family, values_of(r)) : 0;
}

void metrics_format(void *part, size_t size)
{
    static const char *const other[METRIC_LABELS_MAX] = {"(other)", "(other)", "(other)"};
    struct metrics *m = part;
    uint32_t slots = 64;

    while (index_end(slots * 2) + (size_t)slots * RECORD_ROOM <= size)
        slots *= 2;
    shm_mutex_init(&m->lock);
    m->slots = slots;
    m->arena = (uint32_t)index_end(slots);
    m->arena_size = (uint32_t)(size - m->arena);
    for (int i = 0; i < METRIC_FAMILIES; i++) {
        struct key k;
        make_key(&k, (enum metric)i, other);
        m->others[i] = (uint32_t)((char *)insert(m, &k) - (char *)m);
    }
}

/* ---- writing ---- */

static const char *escape_of(char c, size_t length)
{
    if (length == 0)
        return "?"; /* no UTF-8: the reader would refuse all of it */
    return c == '\\' ? "\\\\" : c == '"' ? "\\\"" : c == '\n' ? "\\n" : NULL;
}

static int write_escaped(struct buf *out, const char *text)
{
    for (const char *p = text, *end = text + strlen(text); p < end;) {
        size_t length = (unsigned char)*p < 0x80 ? 1 : json_utf8_length(p, end);
        const char *instead = escape_of(*p, length);
        length = length ? length : 1;
        if ((instead ? buf_puts(out, instead) : buf_add(out, p, length)) < 0)
            return -1;
        p += length;
    }
    return 0;
}

/* name{label="value",...,le="..."} without the value */
static int write_name(struct buf *out, enum metric family, const char *suffix, const char *labels,
                      const char *le)
{
    const struct family *f = &families[family];
    int count = label_count(family);
    const char *before = "{";

    if (buf_puts(out, f->name) < 0 || buf_puts(out, suffix) < 0)
        return -1;
    for (int i = 0; i < count; i++, labels += strlen(labels) + 1, before = ",")
        if (buf_printf(out, "%s%s=\"", before, f->labels[i]) < 0 ||
            write_escaped(out, labels) < 0 || buf_puts(out, "\"") < 0)
            return -1;
    if (le && buf_printf(out, "%sle=\"%s\"", before, le) < 0)
        return -1;
    return count || le ? buf_puts(out, "}") : 0;
}

static int write_histogram(struct buf *out, enum metric family, const char *labels,
                           const _Atomic uint64_t *values)
{
    uint64_t n = 0;

    for (int i = 0; i < BUCKETS; i++) {
        char le[32] = "+Inf";
        if (i < BUCKETS - 1)
            snprintf(le, sizeof le, "%g", bounds[i]);
        n += atomic_load_explicit(&values[i], memory_order_relaxed);
        if (write_name(out, family, "_bucket", labels, le) < 0 ||
            buf_printf(out, " %llu\n", (unsigned long long)n) < 0)
            return -1;
    }
    double sum = double_of(atomic_load_explicit(&values[BUCKETS], memory_order_relaxed));
    if (write_name(out, family, "_sum", labels, NULL) < 0 || buf_printf(out, " %.15g\n", sum) < 0 ||
        write_name(out, family, "_count", labels, NULL) < 0)
        return -1;
    return buf_printf(out, " %llu\n", (unsigned long long)n);
}

static int write_value(struct buf *out, enum metric family, const char *labels, double value)
{
    if (write_name(out, family, "", labels, NULL) < 0)
        return -1;
    return buf_printf(out, " %.15g\n", value);
}

static int write_record(const struct metrics *m, struct buf *out, uint32_t offset, bool *head)
{
    struct record *r = record_at(m, offset);
    enum metric family = (enum metric)r->family;
    bool always = label_count(family) == 0 && family < METRIC_BUILD_INFO;

    if (!always && offset == m->others[family] && value_of(family, values_of(r)) == 0)
        return 0; /* nothing was folded into it */
    if (!*head && metrics_write_head(out, family) < 0)
        return -1;
    *head = true;
    if (families[family].kind == HISTOGRAM)
        return write_histogram(out, family, r->labels, values_of(r));
    return write_value(out, family, r->labels, value_of(family, values_of(r)));
}

int metrics_write(const struct metrics *m, struct buf *out)
{
    uint32_t used = atomic_load_explicit(&m->used, memory_order_acquire);

    for (int family = 0; family < METRIC_FAMILIES; family++) {
        bool head = false;
        for (uint32_t at = 0; at < used; at += record_at(m, m->arena + at)->size)
            if (record_at(m, m->arena + at)->family == family &&
                write_record(m, out, m->arena + at, &head) < 0)
                return -1;
    }
    return 0;
}

int metrics_write_head(struct buf *out, enum metric family)
{
    static const char *const kinds[] = {"counter", "gauge", "histogram", "summary"};
    const struct family *f = &families[family];

    return buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", f->name, f->help, f->name,
                      kinds[f->kind]);
}

int metrics_write_sample(struct buf *out, enum metric family, const char *const labels[],
                         double value)
{
    struct key k;

    make_key(&k, family, labels);
    return write_value(out, family, k.text, value);
}
