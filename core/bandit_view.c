/* bandit_view - what operators see of bandits, as JSON.
 * SPDX-License-Identifier: MIT */
#include "bandit_private.h"

#include "json.h"

#include <string.h>

/* Copied out of the table, since JSON takes longer than the others should wait. */
struct copy {
    struct entry entry;
    struct cell cell;
    struct cell_linear linear;
    int waiting;
};

static void text(struct buf *out, const char *before, const char *value)
{
    buf_puts(out, before);
    json_write_text(out, span_of(value));
}

static void number(struct buf *out, const char *before, double value)
{
    buf_printf(out, "%s%.6g", before, value);
}

/* Of all arms now, for Thompson: how often each would be chosen if all were asked for. */
static void thompson_now(const struct copy *c, double *share)
{
    const struct entry *e = &c->entry;
    struct beta beta[BANDIT_ARMS];
    int place[BANDIT_ARMS] = {0}, n = 0;
    double shares[BANDIT_ARMS] = {0};

    for (int i = 0; i < BANDIT_ARMS; i++)
        if (e->arms[i].hash) {
            double decay = bandit_decay(&c->cell, i, e->discount);
            beta[n] = (struct beta){e->prior_a + decay * c->cell.arms[i].wins,
                                    e->prior_b + decay * c->cell.arms[i].losses};
            place[n++] = i;
        }
    if (n)
        thompson_shares(beta, n, shares);
    for (int i = 0; i < n; i++)
        share[place[i]] = (1 - e->explore) * shares[i] + e->explore / n;
}

static void weights(const struct copy *c, int arm, double decay, struct buf *out)
{
    const struct entry *e = &c->entry;
    double x[DIM] = {1};
    struct linucb_estimate estimate;

    linucb_estimate(&c->linear.arms[arm], x, e->features + 1, decay, e->ridge, &estimate);
    number(out, ",\"weights\":{\"(constant)\":", estimate.weights[0]);
    for (int f = 0; f < e->features; f++) {
        text(out, ",", e->feature[f]);
        number(out, ":", estimate.weights[f + 1]);
    }
    buf_puts(out, "}");
}

static void one_arm(const struct copy *c, int arm, const double *share, struct buf *out)
{
    const struct entry *e = &c->entry;
    const struct arm_state *s = &c->cell.arms[arm];
    double decay = bandit_decay(&c->cell, arm, e->discount);
    double weight = decay * (s->wins + s->losses);

    text(out, "{\"arm\":", e->arms[arm].name);
    buf_printf(out, ",\"chosen\":%llu,\"learned\":%llu", (unsigned long long)s->chosen,
               (unsigned long long)s->learned);
    if (s->learned)
        number(out, ",\"score\":", s->total / (double)s->learned);
    number(out, ",\"weight\":", weight);
    if (e->method == BANDIT_THOMPSON) {
        double a = e->prior_a + decay * s->wins, b = e->prior_b + decay * s->losses;
        number(out, ",\"mean\":", a / (a + b));
        number(out, ",\"probability\":", share[arm]);
    } else {
        weights(c, arm, decay, out);
    }
    buf_puts(out, "}");
}

static void one_cell(const struct copy *c, struct buf *out)
{
    double share[BANDIT_ARMS] = {0};
    int n = 0;

    text(out, "{\"bucket\":", c->cell.bucket);
    buf_printf(out, ",\"learned\":%llu,\"arms\":[", (unsigned long long)c->cell.tick);
    if (c->entry.method == BANDIT_THOMPSON)
        thompson_now(c, share);
    for (int i = 0; i < BANDIT_ARMS; i++)
        if (c->entry.arms[i].hash) {
            buf_puts(out, n++ ? "," : "");
            one_arm(c, i, share, out);
        }
    buf_puts(out, "]}");
}

static void head(const struct copy *c, struct buf *out)
{
    const struct entry *e = &c->entry;

    text(out, "{\"name\":", e->name);
    buf_printf(out, ",\"method\":\"%s\",\"state\":\"%s\",\"waiting\":%d",
               e->method == BANDIT_THOMPSON ? "thompson" : "linucb",
               e->frozen ? "frozen" : "learning", c->waiting);
    number(out, ",\"discount\":", e->discount);
    number(out, ",\"explore\":", e->explore);
    number(out, ",\"worth_usd\":", e->worth);
    if (e->method == BANDIT_LINUCB) {
        number(out, ",\"alpha\":", e->alpha);
        buf_puts(out, ",\"features\":[");
        for (int f = 0; f < e->features; f++)
            text(out, f ? "," : "", e->feature[f]);
        buf_puts(out, "]");
    }
    buf_puts(out, ",\"buckets\":[");
}

static bool copy_entry(struct bandits *b, int i, struct span name, struct copy *c)
{
    bandit_lock(b);
    const struct entry *e = &b->entries[i];
    bool wanted = e->hash && (!name.p || span_is(name, e->name));
    if (wanted)
        c->entry = *e;
    bandit_unlock(b);
    return wanted;
}

static bool copy_cell(struct bandits *b, int i, int entry, struct copy *c)
{
    const struct entry *e = &b->entries[entry];

    if (!bandit_owns(b, e, i)) /* a glance; the look is under the lock */
        return false;
    bandit_lock(b);
    bool wanted = bandit_owns(b, e, i) && e->serial == c->entry.serial;
    if (wanted)
        c->cell = b->cells[i];
    if (wanted && c->entry.method == BANDIT_LINUCB)
        c->linear = b->linear[i];
    bandit_unlock(b);
    return wanted;
}

int bandit_look(struct bandits *b, struct span name, int64_t now, struct buf *out)
{
    struct copy c;
    int n = 0, waiting[BANDIT_BANDITS] = {0};

    bandit_lock(b);
    decision_count(b, now, waiting);
    bandit_unlock(b);
    buf_puts(out, "{\"bandits\":[");
    for (int i = 0; i < BANDIT_BANDITS; i++) {
        int cells = 0;
        if (!copy_entry(b, i, name, &c))
            continue;
        c.waiting = waiting[i];
        buf_puts(out, n++ ? "," : "");
        head(&c, out);
        for (int j = 0; j < BANDIT_CELLS; j++)
            if (copy_cell(b, j, i, &c)) {
                buf_puts(out, cells++ ? "," : "");
                one_cell(&c, out);
            }
        buf_puts(out, "]}");
    }
    return buf_puts(out, "]}");
}
