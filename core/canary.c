/* canary - a new generation gets a share of the requests and is compared with the one before.
 * SPDX-License-Identifier: MIT */
#include "canary.h"

#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

enum {
    ROLES = 2,
    FIRST_MS = 1,     /* shorter latencies count as this */
    PER_DOUBLING = 8, /* bins of latency: each 9 % wider than the one before */
    BINS = 20 * PER_DOUBLING,
    SEEN = 64 /* looks that are kept: the window is as many pieces, less one */
};

/* Answers that no model was asked for differ by chance. */
#define NOISE_S 0.01

/* What went through so far; only ever grows, and wraps. */
struct sums {
    _Atomic uint64_t requests, errors;
    _Atomic uint64_t cost_nano; /* USD / 10^9 */
    _Atomic uint32_t latency[BINS];
};

/* The sums at one moment. */
struct seen {
    int64_t at_us; /* 0: none yet */
    struct {
        uint64_t requests, errors, cost_nano;
        uint32_t latency[BINS];
    } roles[ROLES];
};

struct canary {
    /* workers add here */
    _Atomic uint64_t serials[ROLES]; /* 0: nothing is compared */
    struct sums sums[ROLES];
    /* the master's own, kept here so that it survives a master that replaces itself */
    int64_t started_us;
    uint64_t newest; /* the look's number; it stands at newest % SEEN */
    struct seen first, seen[SEEN];
    struct canary_view views[ROLES];
};

void canary_bounds_default(struct canary_bounds *b)
{
    *b = (struct canary_bounds){.window_s = 300,
                                .min_requests = 50,
                                .error_rate = 0.05,
                                .latency = 1.5,
                                .cost = 1.5,
                                .promote_after_s = 600};
}

size_t canary_size(void)
{
    return sizeof(struct canary);
}

void canary_format(void *part, size_t size)
{
    (void)part; /* all zero is what it begins with */
    (void)size;
}

/* ---- counting ---- */

static int bin_of(double seconds)
{
    double ms = seconds * 1e3 / FIRST_MS;

    if (!(ms > 1))
        return 0;
    double bin = log2(ms) * PER_DOUBLING;
    return bin < BINS - 1 ? (int)bin : BINS - 1;
}

/* The bin's middle, as proportions go. */
static double seconds_of(int bin)
{
    return exp2((bin + 0.5) / PER_DOUBLING) * FIRST_MS / 1e3;
}

static void add(struct sums *s, bool ok, double seconds, double cost)
{
    atomic_fetch_add_explicit(&s->latency[bin_of(seconds)], 1, memory_order_relaxed);
    if (cost > 0 && cost < 1e6)
        atomic_fetch_add_explicit(&s->cost_nano, (uint64_t)(cost * 1e9), memory_order_relaxed);
    if (!ok)
        atomic_fetch_add_explicit(&s->errors, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&s->requests, 1, memory_order_relaxed);
}

void canary_note(struct canary *c, uint64_t serial, bool ok, double seconds, double cost)
{
    for (int role = 0; role < ROLES; role++)
        if (serial && atomic_load_explicit(&c->serials[role], memory_order_relaxed) == serial)
            add(&c->sums[role], ok, seconds, cost);
}

/* ---- who ---- */

/* FNV-1a, then the finish of splitmix64: near keys must not fall near each other. */
static uint64_t mix(struct span key, uint64_t salt)
{
    uint64_t h = UINT64_C(14695981039346656037) ^ salt;

    for (size_t i = 0; i < key.n; i++)
        h = (h ^ (unsigned char)key.p[i]) * UINT64_C(1099511628211);
    h = (h ^ (h >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    h = (h ^ (h >> 27)) * UINT64_C(0x94d049bb133111eb);
    return h ^ (h >> 31);
}

bool canary_pick(struct span key, uint64_t salt, double share)
{
    return (double)(mix(key, salt) >> 11) * 0x1p-53 < share;
}

/* ---- looking ---- */

static void see(const struct canary *c, int64_t now_us, struct seen *out)
{
    out->at_us = now_us;
    for (int role = 0; role < ROLES; role++) {
        const struct sums *s = &c->sums[role];
        out->roles[role].requests = atomic_load_explicit(&s->requests, memory_order_relaxed);
        out->roles[role].errors = atomic_load_explicit(&s->errors, memory_order_relaxed);
        out->roles[role].cost_nano = atomic_load_explicit(&s->cost_nano, memory_order_relaxed);
        for (int i = 0; i < BINS; i++)
            out->roles[role].latency[i] =
                atomic_load_explicit(&s->latency[i], memory_order_relaxed);
    }
}

void canary_start(struct canary *c, uint64_t base, uint64_t new_one, int64_t now_us)
{
    canary_stop(c);
    c->started_us = now_us;
    c->newest = 0;
    memset(c->views, 0, sizeof c->views);
    see(c, now_us, &c->first);
    c->seen[0] = c->first;
    atomic_store(&c->serials[CANARY_BASE], base);
    atomic_store(&c->serials[CANARY_NEW], new_one);
}

void canary_stop(struct canary *c)
{
    atomic_store(&c->serials[CANARY_BASE], 0);
    atomic_store(&c->serials[CANARY_NEW], 0);
}

/* The look that the window begins with: the newest that is at least a window old, else the first
 * that is kept. */
static const struct seen *window_start(const struct canary *c, int64_t from_us)
{
    const struct seen *start = &c->seen[c->newest % SEEN];
    uint64_t oldest = c->newest >= SEEN ? c->newest - SEEN + 1 : 0;

    for (uint64_t i = c->newest;; i--) {
        start = &c->seen[i % SEEN];
        if (start->at_us <= from_us || i == oldest)
            return start;
    }
}

/* Kept looks lie so far apart that the window fits into them. */
static void keep(struct canary *c, const struct seen *now, int64_t window_us)
{
    if (now->at_us - c->seen[c->newest % SEEN].at_us >= window_us / (SEEN - 2))
        c->seen[++c->newest % SEEN] = *now;
}

static double p95(const uint32_t from[BINS], const uint32_t to[BINS])
{
    uint64_t all = 0, seen = 0;

    for (int i = 0; i < BINS; i++)
        all += to[i] - from[i];
    for (int i = 0; all && i < BINS; i++)
        if ((seen += to[i] - from[i]) * 100 >= all * 95)
            return seconds_of(i);
    return 0;
}

static void view(struct canary *c, int role, const struct seen *from, const struct seen *to)
{
    struct canary_view *v = &c->views[role];

    v->requests = to->roles[role].requests - from->roles[role].requests;
    v->errors = to->roles[role].errors - from->roles[role].errors;
    double n = v->requests ? (double)v->requests : 1;
    v->error_rate = (double)v->errors / n;
    v->cost = (double)(to->roles[role].cost_nano - from->roles[role].cost_nano) / 1e9 / n;
    v->p95_s = p95(from->roles[role].latency, to->roles[role].latency);
    v->for_s = (double)(to->at_us - c->started_us) / 1e6;
}

void canary_look(const struct canary *c, enum canary_role role, struct canary_view *out)
{
    *out = c->views[role];
}

/* ---- judging ---- */

static bool is_worse(const struct canary *c, const struct canary_bounds *b, char why[CANARY_WHY])
{
    const struct canary_view *base = &c->views[CANARY_BASE], *own = &c->views[CANARY_NEW];

    if ((double)own->requests < b->min_requests)
        return false;
    if (own->error_rate > base->error_rate + b->error_rate) {
        snprintf(why, CANARY_WHY,
                 "%llu of %llu requests failed (%.1f %%); the base fails %.1f %%, allowed is %.1f "
                 "%% more",
                 (unsigned long long)own->errors, (unsigned long long)own->requests,
                 own->error_rate * 100, base->error_rate * 100, b->error_rate * 100);
        return true;
    }
    if ((double)base->requests < b->min_requests)
        return false;
    if (b->latency > 0 && own->p95_s > base->p95_s * b->latency + NOISE_S) {
        snprintf(why, CANARY_WHY,
                 "the 95th percentile of latency is %.3g s; that of the base is %.3g s, allowed is "
                 "%.3g times as much",
                 own->p95_s, base->p95_s, b->latency);
        return true;
    }
    if (b->cost > 0 && own->cost > base->cost * b->cost) {
        snprintf(why, CANARY_WHY,
                 "a request costs %.3g USD; in the base %.3g USD, allowed is %.3g times as much",
                 own->cost, base->cost, b->cost);
        return true;
    }
    return false;
}

/* Has it lived long enough and answered enough in all? */
static bool is_proved(const struct canary *c, const struct canary_bounds *b, const struct seen *now,
                      char why[CANARY_WHY])
{
    uint64_t n = now->roles[CANARY_NEW].requests - c->first.roles[CANARY_NEW].requests;
    double lived = (double)(now->at_us - c->started_us) / 1e6;

    if (b->promote_after_s <= 0 || lived < b->promote_after_s || (double)n < b->min_requests)
        return false;
    snprintf(why, CANARY_WHY, "%llu requests in %.0f s within the bounds", (unsigned long long)n,
             lived);
    return true;
}

enum canary_verdict canary_judge(struct canary *c, const struct canary_bounds *b, int64_t now_us,
                                 char why[CANARY_WHY])
{
    int64_t window_us = (int64_t)(b->window_s * 1e6);
    struct seen now;

    why[0] = 0;
    if (!atomic_load(&c->serials[CANARY_NEW]))
        return CANARY_GO_ON;
    see(c, now_us, &now);
    const struct seen *from = window_start(c, now_us - window_us);
    view(c, CANARY_BASE, from, &now);
    view(c, CANARY_NEW, from, &now);
    keep(c, &now, window_us);
    if (is_worse(c, b, why))
        return CANARY_ROLL_BACK;
    return is_proved(c, b, &now, why) ? CANARY_PROMOTE : CANARY_GO_ON;
}
