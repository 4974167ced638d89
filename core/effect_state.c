/* effect_state - the part of the seam that reads and changes what outlives a request: kv, cache, bandits and health.
 * SPDX-License-Identifier: MIT */
#include "effect_state.h"

#include "questions.h"

static int state_kv_get(struct effect *e, struct span key, struct buf *out)
{
    return kv_get(e->shared->kv, key, e->wall_us(e), out);
}

static int state_kv_set(struct effect *e, struct span key, struct span value,
                        const struct kv_keep *keep, struct err *err)
{
    return kv_set(e->shared->kv, key, value, keep, e->wall_us(e), err);
}

static int state_kv_incr(struct effect *e, struct span key, struct kv_number by,
                         const struct kv_keep *keep, struct kv_number *sum, struct err *err)
{
    return kv_incr(e->shared->kv, key, by, keep, e->wall_us(e), sum, err);
}

static int state_kv_cas(struct effect *e, struct span key, struct span old, struct span value,
                        const struct kv_keep *keep, struct err *err)
{
    return kv_cas(e->shared->kv, key, old, value, keep, e->wall_us(e), err);
}

static bool state_kv_delete(struct effect *e, struct span key)
{
    return kv_delete(e->shared->kv, key, e->wall_us(e));
}

static bool state_cache_get(struct effect *e, struct span key, struct span *value)
{
    return cache_get(e->cache, key, e->mono_us(e), value);
}

static int state_cache_set(struct effect *e, struct span key, struct span value, int64_t ttl_us,
                           struct err *err)
{
    return cache_set(e->cache, key, value, e->mono_us(e) + ttl_us, err);
}

static bool state_cache_delete(struct effect *e, struct span key)
{
    return cache_delete(e->cache, key, e->mono_us(e));
}

static void state_cache_stats(struct effect *e, struct cache_stats *stats)
{
    cache_stats(e->cache, stats);
}

static uint64_t state_random(void *arg)
{
    struct effect *e = arg;

    return e->random(e);
}

static int state_bandit_choose(struct effect *e, const struct bandit_spec *spec,
                               const struct bandit_context *c, struct bandit_choice *choice,
                               struct err *err)
{
    return bandit_choose(e->shared->bandits, spec, c, state_random, e, e->wall_us(e), choice, err);
}

static int state_bandit_learn(struct effect *e, const struct bandit_spec *spec,
                              const struct bandit_outcome *o, struct err *err)
{
    return bandit_learn(e->shared->bandits, spec, o, e->wall_us(e), err);
}

static int state_bandit_feedback(struct effect *e, struct span trace, struct span name,
                                 double score, struct bandit_feedback *f, struct err *err)
{
    return bandit_feedback(e->shared->bandits, trace, name, score, e->wall_us(e), f, err);
}

static void state_bandit_withdraw(struct effect *e, uint64_t decision)
{
    bandit_withdraw(e->shared->bandits, decision);
}

static void state_bandit_spent(struct effect *e, struct span trace, double usd)
{
    bandit_spent(e->shared->bandits, trace, usd);
}

static int state_bandit_look(struct effect *e, struct span name, struct buf *out)
{
    return bandit_look(e->shared->bandits, name, e->wall_us(e), out);
}

static int state_bandit_freeze(struct effect *e, struct span name, bool on)
{
    return bandit_freeze(e->shared->bandits, name, on);
}

static int state_bandit_reset(struct effect *e, struct span name)
{
    return bandit_reset(e->shared->bandits, name);
}

static int state_admit(struct effect *e, const struct health_ask *ask, struct health_ticket *ticket,
                       struct health_refusal *refusal)
{
    return health_admit(e->shared->health, ask, e->mono_us(e), ticket, refusal);
}

static enum health_change state_report(struct effect *e, const struct health_ticket *ticket,
                                       const struct health_result *result)
{
    return health_report(e->shared->health, ticket, result, e->mono_us(e));
}

static enum health_change state_proved(struct effect *e, struct health_ticket *ticket)
{
    return health_proved(e->shared->health, ticket, e->mono_us(e));
}

static bool state_retry(struct effect *e, const char *model)
{
    return health_retry(e->shared->health, model, e->mono_us(e));
}

static bool state_health(struct effect *e, const char *model, struct health_view *view)
{
    return health_look(e->shared->health, model, e->mono_us(e), view);
}

static int state_ask_person(struct effect *e, struct question_wait *w,
                            const struct question_form *form, struct err *err)
{
    if (!e->questions)
        return err_set(err, ERR_UNAVAILABLE, "nobody can be asked here");
    return questions_ask(e->questions, w, form, err);
}

static void state_drop_question(struct effect *e, struct question_wait *w)
{
    (void)e;
    questions_drop(w);
}

void effect_state_use(struct effect *e, struct shared *shared, struct cache *cache)
{
    e->shared = shared;
    e->cache = cache;
    e->ask_person = state_ask_person;
    e->drop_question = state_drop_question;
    e->kv_get = state_kv_get;
    e->kv_set = state_kv_set;
    e->kv_incr = state_kv_incr;
    e->kv_cas = state_kv_cas;
    e->kv_delete = state_kv_delete;
    e->cache_get = state_cache_get;
    e->cache_set = state_cache_set;
    e->cache_delete = state_cache_delete;
    e->cache_stats = state_cache_stats;
    e->bandit_choose = state_bandit_choose;
    e->bandit_learn = state_bandit_learn;
    e->bandit_feedback = state_bandit_feedback;
    e->bandit_withdraw = state_bandit_withdraw;
    e->bandit_spent = state_bandit_spent;
    e->bandit_look = state_bandit_look;
    e->bandit_freeze = state_bandit_freeze;
    e->bandit_reset = state_bandit_reset;
    e->admit = state_admit;
    e->report = state_report;
    e->proved = state_proved;
    e->retry = state_retry;
    e->health = state_health;
}
