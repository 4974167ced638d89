/* bandit_choose - from what is known of arms to a choice, and from a score to what is known.
 * SPDX-License-Identifier: MIT
 *
 * Thompson sampling with fractional rewards: a reward r counts as r wins and 1 - r losses (Agrawal and Goyal 2012), and
 * each new observation of a bucket makes all older ones weigh 'discount' of what they did (Raj and Kalyani 2017, "Taming
 * non-stationary bandits"), so that an arm that was not tried for long comes back to its prior. */
#include "bandit_private.h"

#include <math.h>
#include <string.h>

#define TIE 1e-9 /* upper bounds nearer than that are the same */

/* ---- what is known, copied out so that nobody waits while it is calculated ---- */

struct known {
    enum bandit_method method;
    int n;                  /* arms that may be chosen */
    int arm[BANDIT_ARMS];   /* of the spec's */
    int place[BANDIT_ARMS]; /* of the bandit's */
    double decay[BANDIT_ARMS];
    struct beta beta[BANDIT_ARMS];
    struct linucb linear[BANDIT_ARMS]; /* LinUCB only */
    uint64_t serial;
    uint32_t arm_serial[BANDIT_ARMS];
    int entry, cell;
};

double bandit_decay(const struct cell *c, int arm, double discount)
{
    return pow(discount, (double)(c->tick - c->arms[arm].tick));
}

static void copy_arm(struct bandits *b, const struct cell *c, const struct bandit_spec *spec,
                     struct known *k, int place)
{
    const struct arm_state *s = &c->arms[place];
    int i = k->n;

    k->place[i] = place;
    k->decay[i] = bandit_decay(c, place, spec->discount);
    k->beta[i] = (struct beta){spec->prior_a + k->decay[i] * s->wins,
                               spec->prior_b + k->decay[i] * s->losses};
    if (spec->method == BANDIT_LINUCB)
        k->linear[i] = *bandit_linear(b, c, place);
}

static int look(struct bandits *b, const struct bandit_spec *spec, const struct bandit_context *c,
                int64_t now, struct known *k, struct err *err)
{
    int places[BANDIT_ARMS], result = -1;

    bandit_lock(b);
    struct entry *e = bandit_entry(b, spec, now, err);
    struct cell *cell = e ? bandit_cell(b, e, c->bucket, err) : NULL;
    if (cell) {
        bandit_arms(b, e, spec, now, places);
        k->method = spec->method;
        k->serial = e->serial;
        k->entry = bandit_index(b, e);
        k->cell = bandit_cell_index(b, cell);
        k->n = 0;
        for (int i = 0; i < spec->arms; i++)
            if (c->among >> i & 1) {
                copy_arm(b, cell, spec, k, places[i]);
                k->arm_serial[k->n] = e->arms[places[i]].serial;
                k->arm[k->n++] = i;
            }
        result = 0;
    }
    bandit_unlock(b);
    return result;
}

/* ---- choosing ---- */

static void with_constant(const double *features, int n, double *x)
{
    x[0] = 1;
    memcpy(x + 1, features, (size_t)n * sizeof *x);
}

/* The arms with the highest upper bound share it. */
static void bound_shares(const struct known *k, const struct bandit_spec *spec, const double *x,
                         double *share)
{
    double bounds[BANDIT_ARMS], best = -HUGE_VAL;
    int ties = 0;

    for (int i = 0; i < k->n; i++) {
        struct linucb_estimate e;
        linucb_estimate(&k->linear[i], x, spec->features + 1, k->decay[i], spec->ridge, &e);
        bounds[i] = e.mean + spec->alpha * e.width;
        best = bounds[i] > best ? bounds[i] : best;
    }
    for (int i = 0; i < k->n; i++)
        ties += bounds[i] >= best - TIE;
    for (int i = 0; i < k->n; i++)
        share[i] = bounds[i] >= best - TIE ? 1.0 / ties : 0;
}

/* Draws from shares whose sum is 1; one of 0 is never drawn. */
static int draw(const double *share, int n, double u)
{
    int last = 0;

    for (int i = 0; i < n; i++) {
        if (share[i] <= 0)
            continue;
        last = i;
        if (u < share[i])
            return i;
        u -= share[i];
    }
    return last;
}

/* The choice is counted and remembered, unless the bandit was reset meanwhile. */
static uint64_t note(struct bandits *b, const struct known *k, int i,
                     const struct bandit_spec *spec, const struct bandit_context *c,
                     double probability, int64_t now)
{
    struct decision d = {.serial = k->serial,
                         .at = now,
                         .arm_serial = k->arm_serial[i],
                         .entry = (uint16_t)k->entry,
                         .cell = (uint16_t)k->cell,
                         .arm = (uint8_t)k->place[i],
                         .probability = probability,
                         .discount = spec->discount,
                         .worth = spec->worth};
    uint64_t id = 0;

    for (int f = 0; f < spec->features; f++)
        d.x[f] = (float)c->x[f];
    bandit_lock(b);
    const struct entry *e = &b->entries[k->entry];
    if (e->serial == k->serial && e->arms[d.arm].serial == d.arm_serial) {
        b->cells[k->cell].arms[d.arm].chosen++;
        bandit_note_change(b);
        if (c->trace.n)
            id = decision_add(b, &d, c->trace);
    }
    bandit_unlock(b);
    return id;
}

int bandit_choose(struct bandits *b, const struct bandit_spec *spec, const struct bandit_context *c,
                  uint64_t (*random)(void *arg), void *arg, int64_t now,
                  struct bandit_choice *choice, struct err *err)
{
    double share[BANDIT_ARMS], x[DIM];
    struct known k;

    if (look(b, spec, c, now, &k, err) < 0)
        return -1;
    with_constant(c->x, spec->features, x);
    if (spec->method == BANDIT_THOMPSON)
        thompson_shares(k.beta, k.n, share);
    else
        bound_shares(&k, spec, x, share);
    for (int i = 0; i < k.n; i++)
        share[i] = (1 - spec->explore) * share[i] + spec->explore / k.n;
    int i = draw(share, k.n, (double)(random(arg) >> 11) * 0x1p-53);
    choice->arm = k.arm[i];
    choice->probability = share[i];
    choice->decision = note(b, &k, i, spec, c, share[i], now);
    return 0;
}

/* ---- learning ---- */

double bandit_reward(double score, double cost, double worth)
{
    if (worth <= 0)
        return score;
    double spent = cost > 0 ? cost / worth : 0;
    return (score + 1 - (spent < 1 ? spent : 1)) / 2;
}

/* Before the arm is changed; a process that dies until end_change leaves it for the next owner of the lock. */
static void begin_change(struct bandits *b, const struct entry *e, const struct cell *c, int arm)
{
    b->undo.cell = (uint32_t)bandit_cell_index(b, c);
    b->undo.arm = (uint32_t)arm;
    b->undo.tick = c->tick;
    b->undo.state = c->arms[arm];
    if (e->method == BANDIT_LINUCB)
        b->undo.linear = *bandit_linear(b, c, arm);
    __atomic_store_n(&b->undo.valid, e->method == BANDIT_LINUCB ? 2 : 1, __ATOMIC_SEQ_CST);
}

static void end_change(struct bandits *b)
{
    __atomic_store_n(&b->undo.valid, 0, __ATOMIC_SEQ_CST);
}

void bandit_undo(struct bandits *b)
{
    const struct undo *u = &b->undo;

    if (!u->valid || u->cell >= BANDIT_CELLS || u->arm >= BANDIT_ARMS)
        return;
    struct cell *c = &b->cells[u->cell];
    c->tick = u->tick;
    c->arms[u->arm] = u->state;
    if (u->valid == 2)
        *bandit_linear(b, c, (int)u->arm) = u->linear;
    end_change(b);
}

void bandit_observe(struct bandits *b, const struct entry *e, struct cell *c, int arm,
                    const double *x, double discount, double score, double reward)
{
    struct arm_state *s = &c->arms[arm];

    begin_change(b, e, c, arm);
    c->tick++;
    double decay = bandit_decay(c, arm, discount);
    s->tick = c->tick;
    s->wins = s->wins * decay + reward;
    s->losses = s->losses * decay + 1 - reward;
    s->learned++;
    s->total += score;
    if (e->method == BANDIT_LINUCB)
        linucb_add(bandit_linear(b, c, arm), x, e->features + 1, decay, reward);
    end_change(b);
    bandit_note_change(b);
}

int bandit_learn(struct bandits *b, const struct bandit_spec *spec, const struct bandit_outcome *o,
                 int64_t now, struct err *err)
{
    int places[BANDIT_ARMS], result = -1;
    double x[DIM];

    with_constant(o->x, spec->features, x);
    bandit_lock(b);
    struct entry *e = bandit_entry(b, spec, now, err);
    struct cell *c = e ? bandit_cell(b, e, o->bucket, err) : NULL;
    if (c) {
        bandit_arms(b, e, spec, now, places);
        result = !e->frozen;
        if (result)
            bandit_observe(b, e, c, places[o->arm], x, spec->discount, o->score,
                           bandit_reward(o->score, o->cost, spec->worth));
        if (o->decision)
            decision_close(b, o->decision);
    }
    bandit_unlock(b);
    return result;
}

void bandit_break(struct bandits *b)
{
    struct cell *c = &b->cells[0];

    bandit_lock(b);
    begin_change(b, &b->entries[c->owner - 1], c, 0);
    c->tick += 7;
    c->arms[0].wins = -1;
    bandit_linear(b, c, 0)->b[0] = 1e9;
    memset(b->lists, 0, sizeof b->lists);
}
