/* health - which models and keys may be called now: breakers, cooldowns, rates, live latency.
 * SPDX-License-Identifier: MIT
 *
 * Two tables of sets (health_table.h); an entry stays in the set that its hash chooses, and each set has a lock of
 * its own, held for well below a microsecond. */
#include "health.h"

#include "health_table.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Timers may fire a little early: who has waited as long as he was told is let through. */
enum { EARLY_US = 20000 };

static int64_t us_of(double seconds)
{
    return (int64_t)(seconds * 1e6);
}

static double seconds_until(int64_t at, int64_t now)
{
    return at > now ? (double)(at - now) / 1e6 : 0;
}

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

void health_bounds_default(struct health_bounds *b)
{
    *b = (struct health_bounds){.failures = 5,
                                .error_rate = 0.5,
                                .min_calls = 20,
                                .window = 30,
                                .cooldown = 10,
                                .max_cooldown = 300,
                                .retry_share = 0.1,
                                .min_retries = 10};
}

void health_configure(struct health *h, const struct health_bounds *b)
{
    shm_lock(&h->lock);
    h->bounds = *b;
    shm_unlock(&h->lock);
}

/* ---- the window ---- */

static struct tally *tally_now(const struct health *h, struct model *m, int64_t now)
{
    int64_t turn = now / (us_of(h->bounds.window) / TALLIES + 1) + 1;
    struct tally *t = &m->window[turn % TALLIES];

    if (t->turn != turn)
        *t = (struct tally){.turn = turn};
    return t;
}

static void sum_window(const struct health *h, const struct model *m, int64_t now, double *calls,
                       double *failures)
{
    int64_t turn = now / (us_of(h->bounds.window) / TALLIES + 1) + 1;

    *calls = *failures = 0;
    for (int i = 0; i < TALLIES; i++)
        if (m->window[i].turn > turn - TALLIES && m->window[i].turn <= turn) {
            *calls += m->window[i].calls;
            *failures += m->window[i].failures;
        }
}

static uint32_t sum_retries(const struct health *h, const struct model *m, int64_t now)
{
    int64_t turn = now / (us_of(h->bounds.window) / TALLIES + 1) + 1;
    uint32_t retries = 0;

    for (int i = 0; i < TALLIES; i++)
        if (m->window[i].turn > turn - TALLIES && m->window[i].turn <= turn)
            retries += m->window[i].retries;
    return retries;
}

/* ---- the breaker ---- */

static void open_breaker(const struct health *h, struct model *m, int64_t now, double cooldown)
{
    m->cooldown = fmin(cooldown, h->bounds.max_cooldown);
    m->state = HEALTH_OPEN;
    m->open_until = now + us_of(m->cooldown);
    m->probe = 0;
}

static void close_breaker(struct model *m)
{
    m->state = HEALTH_CLOSED;
    m->failures = 0;
    m->probe = 0;
    m->cooldown = 0;
    memset(m->window, 0, sizeof m->window);
}

static bool should_open(const struct health *h, const struct model *m, int64_t now)
{
    double calls, failures;

    if (m->failures >= (uint32_t)h->bounds.failures)
        return true;
    sum_window(h, m, now, &calls, &failures);
    return calls >= h->bounds.min_calls && failures >= h->bounds.error_rate * calls;
}

static enum health_change count_failure(const struct health *h, struct model *m, bool probe,
                                        int64_t now)
{
    struct tally *t = tally_now(h, m, now);

    m->failures++;
    t->calls++;
    t->failures++;
    if (m->state == HEALTH_HALF_OPEN && probe) {
        open_breaker(h, m, now, m->cooldown * 2);
        return HEALTH_OPENED;
    }
    if (m->state != HEALTH_CLOSED || m->forced == FORCE_CLOSED || !should_open(h, m, now))
        return HEALTH_SAME;
    open_breaker(h, m, now, h->bounds.cooldown);
    return HEALTH_OPENED;
}

static enum health_change count_success(const struct health *h, struct model *m, bool probe,
                                        const struct health_result *r, int64_t now)
{
    tally_now(h, m, now)->calls++;
    if (r->latency >= 0)
        quantile_add(&m->latency, r->latency, now);
    if (r->ttft >= 0)
        quantile_add(&m->ttft, r->ttft, now);
    if (m->state == HEALTH_CLOSED)
        m->failures = 0;
    if (m->state != HEALTH_HALF_OPEN || !probe)
        return HEALTH_SAME;
    close_breaker(m);
    return HEALTH_HAS_CLOSED;
}

static bool probe_runs(const struct model *m, int64_t now)
{
    return m->probe && now < m->probe_until && process_lives(m->probe_pid);
}

/* ---- rates ---- */

/* Fills up what time has brought; a bucket holds a minute's worth. */
static void refill(struct bucket *b, double per_minute, int64_t now)
{
    if (per_minute <= 0)
        return;
    if (b->at_us == 0)
        b->left = per_minute;
    else
        b->left += (double)(now - b->at_us) * per_minute / 60e6;
    b->left = fmin(b->left, per_minute);
    b->at_us = now ? now : 1;
}

/* Seconds until 'wanted' is in it; 0: it is. */
static double wait_for_bucket(const struct bucket *b, double per_minute, double wanted)
{
    if (per_minute <= 0 || b->left >= wanted)
        return 0;
    return (wanted - b->left) * 60 / per_minute;
}

static double wait_for_rates(struct model *m, const struct health_ask *ask, int64_t now)
{
    refill(&m->requests, ask->requests_per_minute, now);
    refill(&m->tokens, ask->tokens_per_minute, now);
    m->tokens_per_minute = ask->tokens_per_minute;
    double one = fmin(1, ask->requests_per_minute); /* less than one a minute: never full enough */
    return fmax(
        wait_for_bucket(&m->requests, ask->requests_per_minute, one),
        wait_for_bucket(&m->tokens, ask->tokens_per_minute, fmin(1, ask->tokens_per_minute)));
}

/* ---- admission ---- */

static int refuse(struct health_refusal *r, enum health_why why, double seconds)
{
    *r = (struct health_refusal){why, seconds};
    return -1;
}

static int check_breaker(struct model *m, int64_t now, struct health_refusal *refusal)
{
    if (m->forced == FORCE_OPEN)
        return refuse(refusal, HEALTH_WHY_FORCED, 0);
    if (m->forced == FORCE_CLOSED)
        return 0;
    if (m->benched_until > now + EARLY_US &&
        (m->state != HEALTH_OPEN || m->benched_until >= m->open_until))
        return refuse(refusal, HEALTH_WHY_BENCHED, seconds_until(m->benched_until, now));
    if (m->state == HEALTH_OPEN && m->open_until > now)
        return refuse(refusal, HEALTH_WHY_OPEN, seconds_until(m->open_until, now));
    if (m->state == HEALTH_HALF_OPEN && probe_runs(m, now))
        return refuse(refusal, HEALTH_WHY_PROBE, fmin(1, seconds_until(m->probe_until, now)));
    return 0;
}

/* Of a model that passed check_breaker: takes what the call needs. */
static void take(struct health *h, struct model *m, const struct health_ask *ask, int64_t now,
                 struct health_ticket *ticket)
{
    if (ask->requests_per_minute > 0)
        m->requests.left -= 1;
    if (m->state == HEALTH_CLOSED || m->forced == FORCE_CLOSED)
        return;
    m->state = HEALTH_HALF_OPEN;
    m->probe = ticket->probe = next_number(h);
    m->probe_pid = (uint32_t)getpid();
    m->probe_until = now + us_of(HEALTH_PROBE_S);
}

static int admit_model(struct health *h, const struct health_ask *ask, int64_t now, bool looking,
                       struct health_ticket *ticket, struct health_refusal *refusal)
{
    bool rated = ask->requests_per_minute > 0 || ask->tokens_per_minute > 0;
    struct model_set *set = models_lock(h, ticket->hash);
    struct model *m = rated ? models_make(set, ticket->model, ticket->hash, now)
                            : models_find(set, ticket->model, ticket->hash);
    int result = 0;

    if (m) {
        m->used_us = now;
        result = check_breaker(m, now, refusal);
        double wait = result == 0 && rated ? wait_for_rates(m, ask, now) : 0;
        if (wait > 0)
            result = refuse(refusal, HEALTH_WHY_RATE, wait);
        if (result == 0 && !looking)
            take(h, m, ask, now, ticket);
    }
    models_unlock(set);
    return result;
}

static int64_t key_benched_until(struct health *h, uint64_t id, bool *refused)
{
    struct key_set *set = keys_lock(h, id);
    struct key *k = keys_find(set, id);
    int64_t until = k ? k->benched_until : 0;

    *refused = k && k->refused;
    keys_unlock(set);
    return until;
}

/* The first key that is not benched. */
static int choose_key(struct health *h, const struct health_ask *ask, int64_t now,
                      struct health_ticket *ticket, struct health_refusal *refusal)
{
    int64_t first = INT64_MAX;
    bool any = false;

    if (ask->key_count == 0)
        return 0;
    for (size_t i = 0; i < ask->key_count; i++) {
        bool refused = false;
        int64_t until = keys_known(h) ? key_benched_until(h, ask->keys[i], &refused) : 0;
        if (until <= now) {
            ticket->key = ask->keys[i];
            ticket->key_index = i;
            return 0;
        }
        any = any || refused;
        first = until < first ? until : first;
    }
    return refuse(refusal, any ? HEALTH_WHY_KEYS : HEALTH_WHY_QUOTA, seconds_until(first, now));
}

/* Keys first: what is taken of a model is taken last. */
int health_admit(struct health *h, const struct health_ask *ask, int64_t now_us,
                 struct health_ticket *ticket, struct health_refusal *refusal)
{
    struct health_ticket look;
    bool looking = !ticket;

    if (looking)
        ticket = &look;
    ticket->key = ticket->probe = 0;
    ticket->key_index = 0;
    ticket->hash = name_copy(ticket->model, ask->model);
    if (choose_key(h, ask, now_us, ticket, refusal) < 0)
        return -1;
    return admit_model(h, ask, now_us, looking, ticket, refusal);
}

int health_explain(const char *model, const struct health_refusal *r, struct err *err)
{
    static const struct {
        enum err_code code;
        const char *text;
    } whys[HEALTH_WHYS] = {
        [HEALTH_WHY_OPEN] = {ERR_UNAVAILABLE, "its circuit breaker is open after failures"},
        [HEALTH_WHY_PROBE] = {ERR_UNAVAILABLE,
                              "its circuit breaker is half open and tries one call"},
        [HEALTH_WHY_FORCED] = {ERR_UNAVAILABLE, "its circuit breaker was opened by an operator"},
        [HEALTH_WHY_BENCHED] = {ERR_RATE_LIMITED, "the provider asked to wait"},
        [HEALTH_WHY_RATE] = {ERR_RATE_LIMITED, "the configured rate is reached"},
        [HEALTH_WHY_QUOTA] = {ERR_RATE_LIMITED, "the provider's quota is used up"},
        [HEALTH_WHY_KEYS] = {ERR_AUTH, "the provider refused the engine's credentials"},
    };

    err_set(err, whys[r->why].code, "model '%s' is not called now: %s", model, whys[r->why].text);
    size_t n = strlen(err->message);
    if (r->seconds > 0)
        snprintf(err->message + n, sizeof err->message - n, ", %.1f s left", r->seconds);
    return -1;
}

/* ---- reports ---- */

static double bounded_wait(double wait)
{
    if (!(wait > 0))
        return HEALTH_BENCH_S;
    return fmin(wait, HEALTH_BENCH_MAX_S);
}

static void report_key(struct health *h, const struct health_ticket *ticket,
                       const struct health_result *r, int64_t now)
{
    bool bad = r->outcome == HEALTH_KEY_REFUSED || r->outcome == HEALTH_BENCH_KEY;

    if (!ticket->key || (!bad && (r->outcome != HEALTH_OK || !keys_known(h))))
        return;
    struct key_set *set = keys_lock(h, ticket->key);
    struct key *k = bad ? keys_make(h, set, ticket->key, now) : keys_find(set, ticket->key);
    if (k && r->outcome == HEALTH_OK && k->benched_until <= now) {
        k->bench = 0; /* it works again */
        k->refused = false;
    } else if (k && bad && k->benched_until <= now) { /* calls that were on their way count once */
        bool refused = r->outcome == HEALTH_KEY_REFUSED;
        k->bench = !refused       ? k->bench
                   : k->bench > 0 ? fmin(k->bench * 2, HEALTH_KEY_MAX_S)
                                  : HEALTH_KEY_S;
        k->refused = refused;
        k->benched_until = now + us_of(refused ? k->bench : bounded_wait(r->wait));
        if (!k->provider[0])
            snprintf(k->provider, sizeof k->provider, "%.*s", (int)strcspn(ticket->model, "/"),
                     ticket->model);
        k->index = (uint32_t)ticket->key_index + 1;
    }
    keys_unlock(set);
}

static enum health_change apply(const struct health *h, struct model *m,
                                const struct health_ticket *ticket, const struct health_result *r,
                                int64_t now)
{
    bool probe = ticket->probe && ticket->probe == m->probe;
    enum health_change change = HEALTH_SAME;

    if (m->tokens_per_minute > 0 && r->tokens > 0)
        m->tokens.left -= fmin(r->tokens, 1e9);
    if (r->outcome == HEALTH_OK)
        change = count_success(h, m, probe, r, now);
    else if (r->outcome == HEALTH_FAILED)
        change = count_failure(h, m, probe, now);
    else if (r->outcome == HEALTH_BENCH)
        m->benched_until = later(m->benched_until, now + us_of(bounded_wait(r->wait)));
    if (probe && m->state == HEALTH_HALF_OPEN)
        m->probe = 0; /* another one may try */
    return change;
}

enum health_change health_report(struct health *h, const struct health_ticket *ticket,
                                 const struct health_result *result, int64_t now_us)
{
    bool remember = result->outcome == HEALTH_OK || result->outcome == HEALTH_FAILED ||
                    result->outcome == HEALTH_BENCH;
    enum health_change change = HEALTH_SAME;

    report_key(h, ticket, result, now_us);
    struct model_set *set = models_lock(h, ticket->hash);
    struct model *m = remember ? models_make(set, ticket->model, ticket->hash, now_us)
                               : models_find(set, ticket->model, ticket->hash);
    if (m) {
        m->listed |= result->listed;
        change = apply(h, m, ticket, result, now_us);
    }
    models_unlock(set);
    return change;
}

enum health_change health_proved(struct health *h, struct health_ticket *ticket, int64_t now_us)
{
    static const struct health_result fine = {.outcome = HEALTH_OK, .latency = -1, .ttft = -1};
    enum health_change change = HEALTH_SAME;

    if (!ticket->probe)
        return change;
    struct model_set *set = models_lock(h, ticket->hash);
    struct model *m = models_find(set, ticket->model, ticket->hash);
    if (m && m->probe == ticket->probe)
        change = count_success(h, m, true, &fine, now_us); /* its report counts it once more */
    models_unlock(set);
    ticket->probe = 0;
    return change;
}

bool health_retry(struct health *h, const char *model, int64_t now_us)
{
    char name[HEALTH_NAME_MAX + 1];
    uint64_t hash = name_copy(name, model);
    struct model_set *set = models_lock(h, hash);
    struct model *m = models_make(set, name, hash, now_us);
    double calls = 0, failures;
    bool may = true; /* without a place there is no count */

    if (m) {
        sum_window(h, m, now_us, &calls, &failures);
        may =
            sum_retries(h, m, now_us) < fmax(h->bounds.min_retries, h->bounds.retry_share * calls);
        tally_now(h, m, now_us)->retries += may;
    }
    models_unlock(set);
    return may;
}

/* ---- looking ---- */

static struct health_quantiles read_quantiles(const struct quantile *q, int64_t now)
{
    static const double shares[] = {0.5, 0.95, 0.99};
    double out[3] = {-1, -1, -1};

    quantile_get(q, now, shares, out, 3);
    return (struct health_quantiles){out[0], out[1], out[2]};
}

static void view_of(const struct health *h, const struct model *m, int64_t now,
                    struct health_view *view)
{
    double failures;

    memcpy(view->model, m->name, sizeof view->model);
    view->state = m->state;
    if (m->state == HEALTH_OPEN && m->open_until <= now)
        view->state = HEALTH_HALF_OPEN;
    view->forced = m->forced;
    view->listed = m->listed;
    if (m->forced)
        view->state = m->forced == FORCE_OPEN ? HEALTH_OPEN : HEALTH_CLOSED;
    view->failures = (int)m->failures;
    sum_window(h, m, now, &view->calls, &failures);
    view->error_rate = view->calls > 0 ? failures / view->calls : 0;
    view->benched = m->benched_until > now;
    view->open_for =
        seconds_until(later(m->state == HEALTH_OPEN ? m->open_until : 0, m->benched_until), now);
    view->cooldown = m->cooldown > 0 ? m->cooldown : h->bounds.cooldown;
    view->latency = read_quantiles(&m->latency, now);
    view->ttft = read_quantiles(&m->ttft, now);
}

bool health_look(struct health *h, const char *model, int64_t now_us, struct health_view *view)
{
    static const struct health_quantiles unknown = {-1, -1, -1};
    uint64_t hash = name_copy(view->model, model);

    *view =
        (struct health_view){.cooldown = h->bounds.cooldown, .latency = unknown, .ttft = unknown};
    name_copy(view->model, model);
    struct model_set *set = models_lock(h, hash);
    struct model *m = models_find(set, view->model, hash);
    if (m)
        view_of(h, m, now_us, view);
    models_unlock(set);
    return m != NULL;
}

static void each_model(struct health *h, int64_t now,
                       void (*model)(void *arg, const struct health_view *view), void *arg)
{
    for (size_t i = 0; i < MODEL_SETS; i++)
        for (int way = 0; way < WAYS; way++) {
            struct health_view view = {0};
            struct model_set *set = models_lock(h, i);
            bool there = set->hashes[way] != 0;
            if (there)
                view_of(h, &set->items[way], now, &view);
            models_unlock(set);
            if (there)
                model(arg, &view);
        }
}

static void each_key(struct health *h, int64_t now,
                     void (*key)(void *arg, const struct health_key_view *view), void *arg)
{
    for (size_t i = 0; i < KEY_SETS; i++)
        for (int way = 0; way < WAYS; way++) {
            struct health_key_view view = {0};
            struct key_set *set = keys_lock(h, i);
            const struct key *k = &set->items[way];
            bool there = k->id != 0;
            memcpy(view.provider, k->provider, sizeof view.provider);
            view.index = (int)k->index;
            view.refused = k->refused;
            view.benched_for = seconds_until(k->benched_until, now);
            keys_unlock(set);
            if (there)
                key(arg, &view);
        }
}

void health_each(struct health *h, int64_t now_us,
                 void (*model)(void *arg, const struct health_view *view),
                 void (*key)(void *arg, const struct health_key_view *view), void *arg)
{
    if (model)
        each_model(h, now_us, model, arg);
    if (key)
        each_key(h, now_us, key, arg);
}

int health_force(struct health *h, const char *model, enum health_forced forced, int64_t now_us)
{
    char name[HEALTH_NAME_MAX + 1];
    uint64_t hash = name_copy(name, model);
    struct model_set *set = models_lock(h, hash);
    struct model *m = forced ? models_make(set, name, hash, now_us) : models_find(set, name, hash);

    if (m) {
        m->forced = forced;
        if (forced == FORCE_CLOSED) {
            close_breaker(m);
            m->benched_until = 0;
        }
    }
    models_unlock(set);
    return m || !forced ? 0 : -1;
}

const char *health_state_name(enum health_state state)
{
    static const char *const names[] = {"closed", "half_open", "open"};

    return names[state];
}

const char *health_why_name(enum health_why why)
{
    static const char *const names[HEALTH_WHYS] = {"open", "probe", "forced", "benched",
                                                   "rate", "quota", "keys"};

    return names[why];
}
