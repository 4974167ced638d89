/* outcomes - recorded outcomes: what each of some models answered to each of some prompts.
 * SPDX-License-Identifier: MIT */
#include "outcomes.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void settle(struct outcomes *o, struct span *s)
{
    if (s->p) /* the store has nothing when all texts are empty */
        s->p = o->store.data ? o->store.data + ((uintptr_t)s->p - 1) : "";
}

/* A cost that was not recorded, from what the plan says. */
static void price(const struct outcomes_model *m, const struct outcomes_row *row, struct outcome *x)
{
    double tokens = (double)(row->prompt.n / OUTCOMES_CHARS);

    if (!x->tokens && x->answer.p)
        x->tokens = (int)((x->answer.n + OUTCOMES_CHARS - 1) / OUTCOMES_CHARS);
    if (!isnan(x->cost) || (isnan(m->per_call) && isnan(m->input) && isnan(m->output)))
        return;
    x->cost = (isnan(m->per_call) ? 0 : m->per_call) +
              (isnan(m->input) ? 0 : m->input * tokens / 1e6) +
              (isnan(m->output) ? 0 : m->output * x->tokens / 1e6);
}

static void sum_up(struct outcomes *o, struct outcomes_model *m, int k)
{
    m->count = 0;
    m->mean_score = m->mean_cost = m->mean_tokens = 0;
    for (size_t i = 0; i < o->n; i++) {
        const struct outcome *x = outcomes_at(o, i, k);
        m->answers |= x->answer.p != NULL;
        m->costs |= !isnan(x->cost);
        if (isnan(x->score))
            continue;
        m->count++;
        m->mean_score += (double)x->score;
        m->mean_cost += isnan(x->cost) ? 0 : x->cost;
        m->mean_tokens += (double)(o->rows[i].prompt.n / OUTCOMES_CHARS) + x->tokens;
    }
    double n = m->count ? (double)m->count : 1;
    m->mean_score /= n;
    m->mean_cost /= n;
    m->mean_tokens /= n;
}

static void sum_up_all(struct outcomes *o)
{
    for (int k = 0; k < o->count; k++)
        sum_up(o, &o->models[k], k);
}

void outcomes_settle(struct outcomes *o)
{
    for (size_t i = 0; i < o->n; i++) {
        settle(o, &o->rows[i].prompt);
        settle(o, &o->rows[i].reference);
        for (int k = 0; k < o->count; k++) {
            struct outcome *x = &o->all[i * (size_t)o->count + (size_t)k];
            settle(o, &x->answer);
            price(&o->models[k], &o->rows[i], x);
        }
    }
    sum_up_all(o);
}

size_t outcomes_require(struct outcomes *o, int a, int b)
{
    size_t kept = 0, n = o->n, width = (size_t)o->count;

    for (size_t i = 0; i < n; i++) {
        if (isnan(outcomes_at(o, i, a)->score) || isnan(outcomes_at(o, i, b)->score))
            continue;
        if (kept != i) {
            o->rows[kept] = o->rows[i];
            memcpy(&o->all[kept * width], &o->all[i * width], width * sizeof *o->all);
        }
        kept++;
    }
    o->n = kept;
    sum_up_all(o);
    return n - kept;
}

void outcomes_deinit(struct outcomes *o)
{
    for (int i = 0; i < o->count; i++)
        free(o->models[i].name);
    free(o->models);
    free(o->rows);
    free(o->all);
    buf_deinit(&o->store);
    *o = (struct outcomes){0};
}

int outcomes_find(const struct outcomes *o, struct span name)
{
    for (int i = 0; i < o->count; i++)
        if (span_is(name, o->models[i].name))
            return i;
    return -1;
}

struct span outcomes_answer(const struct outcomes *o, size_t row, int model, char *text)
{
    const struct outcome *x = outcomes_at(o, row, model);

    if (x->answer.p)
        return x->answer;
    int n = x->score >= 1 ? snprintf(text, 200, "The recorded answer, score %g.", (double)x->score)
                          : snprintf(text, 200, "The recorded answer of %.120s, score %g.",
                                     o->models[model].name, (double)x->score);
    return (struct span){text, (size_t)n};
}
