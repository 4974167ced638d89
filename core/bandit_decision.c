/* bandit_decision - choices that wait for feedback: the last ones, found by their trace.
 * SPDX-License-Identifier: MIT
 *
 * A ring of decisions, and lists of those whose traces begin alike. A decision is written whole before its id is. */
#include "bandit_private.h"

#include <math.h>
#include <string.h>

/* ---- ring and lists ---- */

/* Behind the last one that was ever used: memory is taken from the system as it is touched. */
static struct decision *end_of(struct bandits *b)
{
    return b->decisions + (b->decided + 2 < BANDIT_DECISIONS ? b->decided + 2 : BANDIT_DECISIONS);
}

static uint32_t *list_of(struct bandits *b, const struct decision *d)
{
    return &b->lists[d->trace[0] % BANDIT_DECISIONS];
}

static void link_decision(struct bandits *b, struct decision *d)
{
    uint32_t *list = list_of(b, d);

    d->next = *list;
    *list = (uint32_t)(d - b->decisions) + 1;
}

static void unlink_decision(struct bandits *b, struct decision *d)
{
    uint32_t place = (uint32_t)(d - b->decisions) + 1;

    for (uint32_t *at = list_of(b, d); *at; at = &b->decisions[*at - 1].next)
        if (*at == place) {
            *at = d->next;
            break;
        }
    d->id = 0;
}

static void identify(const struct bandits *b, struct span trace, uint64_t id[2])
{
    id[0] = hash_bytes(&b->key, trace);
    id[1] = hash_bytes(&b->key2, trace);
}

/* A trace has no more than BANDIT_TOLD: its oldest goes. So no list gets long, whatever a script does. */
static void make_room(struct bandits *b, const uint64_t trace[2])
{
    int n = 0;

    for (uint32_t at = b->lists[trace[0] % BANDIT_DECISIONS]; at;) {
        struct decision *d = &b->decisions[at - 1];
        at = d->next;
        if (d->trace[0] == trace[0] && d->trace[1] == trace[1] && ++n >= BANDIT_TOLD)
            unlink_decision(b, d);
    }
}

uint64_t decision_add(struct bandits *b, const struct decision *made, struct span trace)
{
    uint64_t id = b->decided + 1;
    struct decision *d = &b->decisions[id % BANDIT_DECISIONS];

    if (d->id)
        unlink_decision(b, d);
    *d = *made;
    identify(b, trace, d->trace);
    make_room(b, d->trace);
    link_decision(b, d);
    b->decided = id;
    __atomic_store_n(&d->id, id, __ATOMIC_RELEASE);
    return id;
}

void decision_close(struct bandits *b, uint64_t id)
{
    struct decision *d = &b->decisions[id % BANDIT_DECISIONS];

    if (d->id == id)
        unlink_decision(b, d);
}

/* After its owner's death the lists are made again. */
void decision_repair(struct bandits *b)
{
    memset(b->lists, 0, sizeof b->lists);
    for (struct decision *d = b->decisions; d < end_of(b); d++)
        if (d->id)
            link_decision(b, d);
}

/* Does its arm still exist, and is it young enough? */
static bool is_alive(const struct bandits *b, const struct decision *d, int64_t now)
{
    const struct entry *e = &b->entries[d->entry];

    return e->hash && e->serial == d->serial && e->arms[d->arm].serial == d->arm_serial &&
           now - d->at < BANDIT_DECISION_S * INT64_C(1000000);
}

void decision_count(struct bandits *b, int64_t now, int *waiting)
{
    for (const struct decision *d = b->decisions; d < end_of(b); d++)
        if (d->id && !d->answered && is_alive(b, d, now))
            waiting[d->entry]++;
}

/* The trace's decisions of that bandit (p NULL: all), the newest first. */
static int find(struct bandits *b, struct span trace, struct span name, int64_t now,
                struct decision **found)
{
    uint64_t id[2];
    int n = 0;

    identify(b, trace, id);
    for (uint32_t at = b->lists[id[0] % BANDIT_DECISIONS]; at && n < BANDIT_TOLD;) {
        struct decision *d = &b->decisions[at - 1];
        at = d->next;
        if (d->trace[0] == id[0] && d->trace[1] == id[1] && is_alive(b, d, now) &&
            (!name.p || span_is(name, b->entries[d->entry].name)))
            found[n++] = d;
    }
    return n;
}

/* ---- feedback ---- */

static void learn(struct bandits *b, struct decision *d, double score, struct bandit_told *told)
{
    struct entry *e = &b->entries[d->entry];
    double x[DIM] = {1};

    for (int f = 0; f < e->features; f++)
        x[f + 1] = (double)d->x[f];
    told->reward = bandit_reward(score, d->cost, d->worth);
    told->learned = !d->answered && !e->frozen;
    if (told->learned)
        bandit_observe(b, e, &b->cells[d->cell], d->arm, x, d->discount, score, told->reward);
    d->score = score;
    d->answered = true;
}

static void tell(const struct bandits *b, const struct decision *d, struct bandit_told *told)
{
    const struct entry *e = &b->entries[d->entry];

    memcpy(told->bandit, e->name, sizeof told->bandit);
    memcpy(told->arm, e->arms[d->arm].name, sizeof told->arm);
    memcpy(told->bucket, b->cells[d->cell].bucket, sizeof told->bucket);
    told->probability = d->probability;
    told->cost = d->cost;
}

static int answer(struct bandits *b, struct decision **found, int n, double score,
                  struct bandit_feedback *f, struct err *err)
{
    *f = (struct bandit_feedback){.decisions = n, .repeated = true};
    for (int i = 0; i < n; i++) {
        if (found[i]->answered && found[i]->score != score)
            return err_set(err, ERR_INVALID_OUTPUT, "this trace has the score %g already",
                           found[i]->score);
        f->repeated &= found[i]->answered;
    }
    for (int i = 0; i < n; i++) {
        tell(b, found[i], &f->told[i]);
        learn(b, found[i], score, &f->told[i]);
        f->learned += f->told[i].learned;
    }
    return 0;
}

int bandit_feedback(struct bandits *b, struct span trace, struct span name, double score,
                    int64_t now, struct bandit_feedback *f, struct err *err)
{
    struct decision *found[BANDIT_TOLD];

    bandit_lock(b);
    int n = find(b, trace, name, now, found);
    int result = n ? answer(b, found, n, score, f, err)
                   : err_set(err, ERR_NOT_FOUND,
                             "nothing that awaits feedback was decided under this trace, or it is "
                             "too long ago");
    bandit_unlock(b);
    return result;
}

void bandit_withdraw(struct bandits *b, uint64_t decision)
{
    bandit_lock(b);
    decision_close(b, decision);
    bandit_unlock(b);
}

void bandit_spent(struct bandits *b, struct span trace, double usd)
{
    struct decision *found[BANDIT_TOLD];

    bandit_lock(b);
    int n = find(b, trace, (struct span){0}, INT64_MIN / 2, found);
    for (int i = 0; i < n; i++)
        if (!found[i]->answered)
            found[i]->cost = usd;
    bandit_unlock(b);
}
