/* effect_state - the part of the seam that reads and changes what outlives a request: kv, cache and health.
 * SPDX-License-Identifier: MIT */
#include "effect_state.h"

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

static bool state_health(struct effect *e, const char *model, struct health_view *view)
{
    return health_look(e->shared->health, model, e->mono_us(e), view);
}

void effect_state_use(struct effect *e, struct shared *shared, struct cache *cache)
{
    e->shared = shared;
    e->cache = cache;
    e->kv_get = state_kv_get;
    e->kv_set = state_kv_set;
    e->kv_incr = state_kv_incr;
    e->kv_cas = state_kv_cas;
    e->kv_delete = state_kv_delete;
    e->cache_get = state_cache_get;
    e->cache_set = state_cache_set;
    e->cache_delete = state_cache_delete;
    e->cache_stats = state_cache_stats;
    e->admit = state_admit;
    e->report = state_report;
    e->proved = state_proved;
    e->health = state_health;
}
