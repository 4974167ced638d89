/* eval - policies on recorded outcomes: passes over the data, measures with intervals, what is told of them.
 * SPDX-License-Identifier: MIT */
#ifndef EVAL_H
#define EVAL_H

#include "curve.h"
#include "outcomes.h"
#include "worker.h"

enum { EVAL_POLICIES = 16, EVAL_GRID_MAX = 201 };

/* One policy with one setting, over all rows. */
struct eval_pass {
    double *quality, *cost, *score; /* of each row; score: that of trace.decide, NAN without */
    unsigned char *strong;          /* was the strong model asked? */
    int *model;                     /* whose answer was returned; -1: nobody's */
    double calls;                   /* of all rows together */
    long errors;                    /* rows without an answer: quality 0 */
    long missing;                   /* calls of a model that has no outcome in the row */
    long reworded;                  /* calls with another prompt than the recorded one */
    long unjudged;             /* answers that no recorded one says anything about: quality 0 */
    long scores;               /* rows that told a score; -1: some told different ones */
    char why[ERR_MESSAGE_MAX]; /* the first error; "" */
};

/* How policies are run. */
struct eval_setup {
    const struct outcomes *data;
    const char *config, *policies;
    /* JSON: the catalogue of the recorded models, as evaluate.catalogue gives it */
    struct span models;
    int weak, strong; /* models */
    uint64_t seed;
    bool feedback; /* each row's quality goes back to policies that learn */
    bool progress; /* on the terminal */
};

/* Runs 'policy' with the parameter 'param' (NULL: none) set to 'value'. -1 with *err when nothing can be run, as with a
 * wrong configuration. */
int eval_run(const struct eval_setup *s, const char *policy, const char *param, double value,
             struct eval_pass *out, struct err *err);
void eval_pass_deinit(struct eval_pass *p);
int eval_pass_init(struct eval_pass *p, size_t rows);
struct curve_rows eval_rows(const struct eval_pass *p);

/* Calls a function of scripts/evaluate.lua with texts; its result as JSON in 'out'. */
int eval_ask(struct worker *w, const char *function, const char *const *texts, struct buf *out,
             struct err *err);
/* A worker on recorded models. 'policy' and 'param' may be NULL. */
struct worker *eval_worker(const struct eval_setup *s, const char *policy, const char *param,
                           double value, struct err *err);
void eval_worker_free(struct worker *w);

/* A line of the result: a policy or a row to compare with. */
struct eval_line {
    char name[160];
    bool is_policy;
    struct eval_pass pass; /* as it is set; without rows for those to compare with */
    bool has_pass, has_curve;
    bool of_cost; /* the curve is over the cost only: the share means nothing */
    struct curve curve;
    struct eval_pass low, high; /* what the curve of a score is made of */
    struct eval_pass *tried;    /* of a curve of settings, curve.count of them */
    double *at;
    struct curve_rows *tried_rows;
    char param[80];              /* "" : nothing was varied */
    double value;                /* of it, as it is set */
    double found;                /* what --target-* found; NAN */
    struct curve_point found_at; /* there */
};

/* Values to try where no score tells all thresholds at once. */
struct eval_grid {
    double from, to;
    int steps;   /* at least 2 */
    bool ratios; /* even ratios from each value to the next, not even distances; from, to > 0 */
    bool given;  /* on the command line: no score is looked at */
};

/* A policy as it is set, and over the parameter 'sweep' (NULL: "threshold", where it has one). -1 with *err. */
int eval_policy(const struct eval_setup *s, const char *name, const char *sweep,
                const struct eval_grid *grid, struct eval_line *l, struct err *err);

/* Makes l->curve of a score of each row: l->low where it is at least the threshold, else l->high. -1 with *err. */
int eval_sort(struct eval_line *l, const double *score, size_t rows, struct err *err);

enum { EVAL_COMPARED = 8 }; /* at most */

/* always weak, always strong, random, prompt length, keywords, oracle (of these two models), the mix of all models,
 * which is RouterBench's zero router (lots are drawn between the best of them), and, with more than two models, the
 * oracle of all. How many lines, or -1 with *err. */
int eval_compare(const struct eval_setup *s, struct eval_line lines[EVAL_COMPARED],
                 struct err *err);
void eval_line_deinit(struct eval_line *l); /* safe on a zeroed one */

/* At least this quality for the least cost, or at most this cost (USD a row; without costs the share) for the best
 * quality. */
struct eval_target {
    double quality, cost; /* -INFINITY and INFINITY where they do not matter */
    bool by_quality, costs;
};
/* Looks for the setting on the line's curve, and runs it: l->found, l->found_at. NAN: none meets it. */
int eval_find(const struct eval_setup *s, const struct eval_target *t, struct eval_line *l,
              struct err *err);

/* The body of a request with one prompt, ended by NUL, into 'out', which is emptied first. -1: it is full. */
int eval_body(struct buf *out, const char *model, struct span prompt);

enum eval_figure {
    EVAL_QUALITY,
    EVAL_COST,
    EVAL_SHARE,
    EVAL_PGR,
    EVAL_APGR,
    EVAL_CPT50,
    EVAL_CPT80,
    EVAL_AIQ,
    EVAL_FIGURES
};

struct eval_estimate {
    double value, low, high; /* NAN: not defined */
};

struct eval_measured {
    struct eval_estimate figures[EVAL_FIGURES];
};

/* Measures all lines at once, under the same 'replicates' bootstrap samples of the groups (percentile intervals, 95 %). */
int eval_measure(const struct eval_setup *s, const struct eval_line *lines, int count,
                 int replicates, struct eval_measured *out, struct err *err);

/* The result as JSON. */
struct eval_result {
    const struct eval_setup *setup;
    const char *file;
    const struct eval_line *lines;
    const struct eval_measured *measured;
    int count, replicates;
    size_t left_out; /* rows without an outcome of the weak or the strong model */
    double target_quality, target_cost; /* NAN: none */
};
int eval_write(const struct eval_result *r, struct buf *out, struct err *err);

#endif
