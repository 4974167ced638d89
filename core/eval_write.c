/* eval_write - the result of an evaluation as JSON.
 * SPDX-License-Identifier: MIT */
#include "eval.h"
#include "json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { CURVE_MAX = 200 }; /* points of a curve that are told */

static void put_text(struct buf *b, const char *key, const char *text)
{
    buf_printf(b, "\"%s\":", key);
    json_write_text(b, (struct span){text, strlen(text)});
}

static void put_number(struct buf *b, double d)
{
    if (isfinite(d))
        json_write_double(b, d);
    else
        buf_puts(b, "null");
}

static void put_member(struct buf *b, const char *key, double d)
{
    buf_printf(b, ",\"%s\":", key);
    put_number(b, d);
}

static void put_estimate(struct buf *b, const char *key, const struct eval_estimate *e)
{
    buf_printf(b, ",\"%s\":{\"value\":", key);
    put_number(b, e->value);
    put_member(b, "low", e->low);
    put_member(b, "high", e->high);
    buf_puts(b, "}");
}

static void put_models(struct buf *b, const struct outcomes *o)
{
    buf_puts(b, ",\"models\":[");
    for (int k = 0; k < o->count; k++) {
        const struct outcomes_model *m = &o->models[k];
        buf_puts(b, k ? ",{" : "{");
        put_text(b, "name", m->name);
        buf_printf(b, ",\"rows\":%zu", m->count);
        put_member(b, "quality", m->count ? m->mean_score : (double)NAN);
        put_member(b, "cost", m->costs ? m->mean_cost : (double)NAN);
        buf_printf(b, ",\"answers\":%s}", m->answers ? "true" : "false");
    }
    buf_puts(b, "]");
}

static void put_data(struct buf *b, const struct eval_result *r)
{
    const struct outcomes *o = r->setup->data;

    buf_puts(b, "\"data\":{");
    put_text(b, "file", r->file);
    buf_printf(b, ",\"rows\":%zu,\"left_out\":%zu,\"groups\":%u,", o->n, r->left_out, o->groups);
    put_text(b, "weak", o->models[r->setup->weak].name);
    buf_puts(b, ",");
    put_text(b, "strong", o->models[r->setup->strong].name);
    put_models(b, o);
    buf_puts(b, "}");
}

static void put_point(struct buf *b, const struct curve_point *p)
{
    buf_puts(b, "{\"at\":");
    put_number(b, p->at);
    put_member(b, "share", p->share);
    put_member(b, "cost", p->cost);
    put_member(b, "quality", p->quality);
    buf_puts(b, "}");
}

static int put_curve(struct buf *b, const struct curve *c)
{
    struct curve_point *points = calloc(curve_room(c), sizeof *points);
    double *weight = calloc(c->n, sizeof *weight);

    if (!points || !weight) {
        free(points);
        free(weight);
        return -1;
    }
    for (size_t i = 0; i < c->n; i++)
        weight[i] = 1;
    size_t n = curve_points(c, weight, points), step = n / CURVE_MAX + 1;
    buf_puts(b, ",\"curve\":[");
    for (size_t i = 0; i < n; i += step) {
        if (i)
            buf_puts(b, ",");
        put_point(b, &points[i]);
    }
    if (n > 1 && (n - 1) % step) {
        buf_puts(b, ",");
        put_point(b, &points[n - 1]);
    }
    free(points);
    free(weight);
    return buf_puts(b, "]");
}

static void put_pass(struct buf *b, const struct eval_pass *p, size_t rows)
{
    put_member(b, "calls", p->calls / (double)rows);
    buf_printf(b, ",\"errors\":%ld,\"missing\":%ld,\"reworded\":%ld,\"unjudged\":%ld", p->errors,
               p->missing, p->reworded, p->unjudged);
    if (p->why[0]) {
        buf_puts(b, ",");
        put_text(b, "error", p->why);
    }
}

static int put_line(struct buf *b, const struct eval_result *r, int i)
{
    static const char *const names[EVAL_FIGURES] = {"quality", "cost",  "strong_share", "pgr",
                                                    "apgr",    "cpt50", "cpt80",        "aiq"};
    const struct eval_line *l = &r->lines[i];

    buf_puts(b, i ? ",{" : "{");
    put_text(b, "name", l->name);
    buf_printf(b, ",\"policy\":%s", l->is_policy ? "true" : "false");
    for (int k = 0; k < EVAL_FIGURES; k++)
        put_estimate(b, names[k], &r->measured[i].figures[k]);
    if (l->is_policy)
        put_pass(b, &l->pass, r->setup->data->n);
    if (l->param[0]) {
        buf_puts(b, ",\"sweep\":{");
        put_text(b, "param", l->param);
        put_member(b, "value", l->value);
        buf_printf(b, ",\"exact\":%s}", l->curve.order ? "true" : "false");
    }
    if (!isnan(l->found)) {
        buf_puts(b, ",\"found\":{");
        put_text(b, "param", l->param);
        put_member(b, "value", l->found);
        put_member(b, "quality", l->found_at.quality);
        put_member(b, "cost", l->found_at.cost);
        put_member(b, "share", l->found_at.share);
        buf_puts(b, "}");
    }
    if (l->has_curve && put_curve(b, &l->curve) < 0)
        return -1;
    return buf_puts(b, "}");
}

int eval_write(const struct eval_result *r, struct buf *out, struct err *err)
{
    int result = 0;

    buf_puts(out, "{");
    put_data(out, r);
    buf_printf(out, ",\"bootstrap\":{\"replicates\":%d,\"seed\":%llu,\"level\":0.95}",
               r->replicates, (unsigned long long)r->setup->seed);
    put_member(out, "target_quality", r->target_quality);
    put_member(out, "target_cost", r->target_cost);
    buf_puts(out, ",\"lines\":[");
    for (int i = 0; i < r->count && result == 0; i++)
        result = put_line(out, r, i);
    if (result < 0 || buf_puts(out, "]}") < 0)
        return err_set(err, ERR_BUDGET, "the result is larger than %zu bytes", out->max);
    return 0;
}
