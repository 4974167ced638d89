/* test_eval_measure - the intervals hold what they promise, and rows of one group count as one.
 * SPDX-License-Identifier: MIT */
#include "eval.h"
#include "testhelp.h"

#include <math.h>

enum { ROWS = 200, TRIALS = 120, REPLICATES = 200, MODELS = 2 };

#define RIGHT 0.7 /* how often the policy is right */

static uint64_t dice = 5;

static double toss(void)
{
    uint64_t z = dice += 0x9e3779b97f4a7c15u;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (double)((z ^ (z >> 31)) >> 11) * 0x1p-53;
}

struct sample {
    struct outcomes data;
    struct outcomes_row rows[ROWS];
    struct outcomes_model models[MODELS];
    struct outcome all[ROWS * MODELS];
    struct eval_setup setup;
    struct eval_line line;
};

/* Each group is a question asked 'copies' times, with the same outcome. */
static void draw(struct sample *s, uint32_t copies)
{
    s->data = (struct outcomes){.n = ROWS,
                                .count = MODELS,
                                .groups = ROWS / copies,
                                .rows = s->rows,
                                .models = s->models,
                                .all = s->all};
    for (size_t i = 0; i < ROWS; i++) {
        bool first = i % copies == 0;
        s->rows[i].group = (uint32_t)i / copies;
        s->line.pass.quality[i] = first ? toss() < RIGHT : s->line.pass.quality[i - 1];
        s->all[i * MODELS] =
            (struct outcome){.score = first ? toss() < 0.5 : s->all[(i - 1) * MODELS].score};
        s->all[i * MODELS + 1] = (struct outcome){.score = 1, .cost = 2};
        s->line.pass.cost[i] = 1;
    }
    s->setup = (struct eval_setup){.data = &s->data, .weak = 0, .strong = 1, .seed = dice};
}

static struct eval_estimate quality(struct sample *s)
{
    struct eval_measured out;
    struct err err;

    CHECK_INT(eval_measure(&s->setup, &s->line, 1, REPLICATES, &out, &err), 0);
    CHECK(out.figures[EVAL_COST].value == 1 && out.figures[EVAL_COST].low == 1);
    CHECK(isnan(out.figures[EVAL_APGR].value) && isnan(out.figures[EVAL_APGR].low));
    return out.figures[EVAL_QUALITY];
}

/* 95 % of the intervals hold the truth; of 120 at least 106 do, but by a chance of one in a thousand. */
static void test_coverage(struct sample *s, uint32_t copies, double *width)
{
    int held = 0;

    *width = 0;
    for (int i = 0; i < TRIALS; i++) {
        draw(s, copies);
        struct eval_estimate e = quality(s);
        held += e.low <= RIGHT && RIGHT <= e.high;
        *width += (e.high - e.low) / TRIALS;
        CHECK(e.low <= e.value && e.value <= e.high);
    }
    CHECK(held >= 106);
    CHECK(held < TRIALS || copies > 1); /* nor are they so wide that all do */
}

static void test_seed(struct sample *s)
{
    draw(s, 1);
    struct eval_estimate a = quality(s), b = quality(s);
    CHECK(a.low == b.low && a.high == b.high);
    s->setup.seed++;
    struct eval_measured out;
    struct err err;
    CHECK_INT(eval_measure(&s->setup, &s->line, 1, 0, &out, &err),
              0); /* no samples, no intervals */
    CHECK(out.figures[EVAL_QUALITY].value == a.value && isnan(out.figures[EVAL_QUALITY].low));
}

int main(void)
{
    struct sample *s = calloc(1, sizeof *s);
    double alone, grouped;

    CHECK(s && eval_pass_init(&s->line.pass, ROWS) == 0);
    s->line.has_pass = true;
    test_coverage(s, 1, &alone);
    test_coverage(s, 4, &grouped);
    CHECK(grouped > 1.7 * alone &&
          grouped < 2.3 * alone); /* a quarter of the questions: twice as wide */
    test_seed(s);
    eval_pass_deinit(&s->line.pass);
    free(s);
    return test_report("eval_measure");
}
