/* admission - a call's way past its model's breaker, and what is told of it afterwards.
 * SPDX-License-Identifier: MIT */
#include "admission.h"

#include "story.h"

#include <string.h>

/* What the metrics call the model: names that clients made up and that never worked make no series. */
static const char *label_of(const struct admission *a, bool worked)
{
    return a->known || worked ? a->ticket.model : "(other)";
}

static void log_change(const struct admission *a, enum health_change change)
{
    struct log_field field = log_text("model", a->ticket.model);

    if (change == HEALTH_OPENED) {
        log_write(a->rt->log, LOG_WARN, "circuit breaker opened", &field, 1);
        metrics_add(a->rt->shared->metrics, METRIC_BREAKER_OPENED,
                    (const char *[]){label_of(a, false)}, 1);
    } else if (change == HEALTH_HAS_CLOSED) {
        log_write(a->rt->log, LOG_INFO, "circuit breaker closed", &field, 1);
    }
}

static void make_ask(struct health_ask *ask, uint64_t ids[PROVIDER_KEYS], struct runtime *rt,
                     const struct provider *p)
{
    for (size_t i = 0; i < p->key_count; i++)
        ids[i] = health_key_id(rt->shared->health, p->name, i, p->keys[i]);
    ask->keys = ids;
    ask->key_count = p->key_count;
}

int admission_begin(struct admission *a, struct runtime *rt, const struct provider *p,
                    const char *model, double requests_per_minute, double tokens_per_minute,
                    bool known, const struct ledger *ledger, struct health_refusal *refusal)
{
    struct health_ask ask = {model, NULL, 0, requests_per_minute, tokens_per_minute};
    uint64_t ids[PROVIDER_KEYS];

    make_ask(&ask, ids, rt, p);
    a->known = known;
    a->policy[0] = 0;
    a->story = NULL;
    if (ledger)
        strncat(a->policy, ledger->policy, strcspn(ledger->policy, "@"));
    if (rt->fx->admit(rt->fx, &ask, &a->ticket, refusal) == 0) {
        a->rt = rt;
        return 0;
    }
    metrics_add(rt->shared->metrics, METRIC_REFUSED,
                (const char *[]){label_of(a, false), health_why_name(refusal->why)}, 1);
    return -1;
}

bool admission_ready(struct runtime *rt, const struct provider *p, const char *model,
                     double requests_per_minute, double tokens_per_minute)
{
    struct health_ask ask = {model, NULL, 0, requests_per_minute, tokens_per_minute};
    struct health_refusal refusal;
    uint64_t ids[PROVIDER_KEYS];

    make_ask(&ask, ids, rt, p);
    return rt->fx->admit(rt->fx, &ask, NULL, &refusal) == 0;
}

void admission_proved(struct admission *a)
{
    if (a->rt && a->ticket.probe)
        log_change(a, a->rt->fx->proved(a->rt->fx, &a->ticket));
}

static void count_tokens(struct metrics *m, const struct admission *a, const char *model,
                         const char *kind, double n)
{
    if (n > 0)
        metrics_add(m, METRIC_TOKENS, (const char *[]){a->policy, model, kind}, n);
}

static void count(const struct admission *a, const struct admission_end *end)
{
    struct metrics *m = a->rt->shared->metrics;
    bool worked = end->outcome == HEALTH_OK;
    const char *model = label_of(a, worked), *labels[] = {a->policy, model, end->code};

    metrics_add(m, METRIC_MODEL_CALLS, labels, 1);
    count_tokens(m, a, model, "input", end->input);
    count_tokens(m, a, model, "cached", end->cached);
    count_tokens(m, a, model, "output", end->output);
    if (end->cost > 0)
        metrics_add(m, METRIC_COST, labels, end->cost);
    if (worked && end->latency >= 0)
        metrics_observe(m, METRIC_MODEL_SECONDS, labels + 1, end->latency);
    if (worked && end->ttft >= 0)
        metrics_observe(m, METRIC_MODEL_TTFT, labels + 1, end->ttft);
}

static const char *word_for(const struct admission_end *end)
{
    if (end->outcome == HEALTH_OK)
        return "ok";
    return strcmp(end->code, "cancelled") == 0 ? "cancelled" : "error";
}

static void tell(const struct admission *a, const struct admission_end *end)
{
    struct effect *fx = a->rt->fx;
    const char *word = word_for(end);
    struct story_attempt attempt = {
        .model = a->ticket.model,
        .outcome = word,
        .code = strcmp(word, "error") == 0 ? end->code : NULL,
        .label = a->label,
        .retry = a->retry,
        .status = end->status,
        .stream = a->stream,
        .estimated = end->estimated,
        .begun_us = a->begun_us,
        .ttft = end->ttft,
        .latency = end->latency >= 0 ? end->latency : (double)(fx->mono_us(fx) - a->begun_us) / 1e6,
        .input = end->told ? end->input : -1,
        .cached = end->cached,
        .output = end->output,
        .cost = end->told ? end->cost : -1,
    };

    story_add(a->story, &attempt);
}

void admission_end(struct admission *a, const struct admission_end *end)
{
    struct health_result result = {.outcome = end->outcome,
                                   .listed = a->known,
                                   .wait = end->wait,
                                   .latency = end->latency,
                                   .ttft = end->ttft,
                                   .tokens = end->input + end->output};

    if (!a->rt)
        return;
    if (result.outcome == HEALTH_BENCH_KEY && !a->ticket.key)
        result.outcome = HEALTH_BENCH;
    log_change(a, a->rt->fx->report(a->rt->fx, &a->ticket, &result));
    count(a, end);
    if (a->story)
        tell(a, end);
    a->rt = NULL;
}

void admission_give_up(struct admission *a)
{
    admission_end(a,
                  &(struct admission_end){
                      .outcome = HEALTH_NEUTRAL, .code = "cancelled", .latency = -1, .ttft = -1});
}
