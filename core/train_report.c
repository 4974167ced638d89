/* train_report - how often a model is right on rows it did not learn from, where it errs, and whether its
 * probabilities can be believed. SPDX-License-Identifier: MIT */
#include "train.h"

#include <math.h>
#include <stdlib.h>

enum { BINS = 10, CONFUSIONS = 8 };

struct bin {
    size_t n, right;
    double p;
};

struct confusion {
    int truth, said;
    size_t n;
};

struct summary {
    size_t n, right;             /* rows with a label of the head, all */
    size_t others, others_right; /* of them: 'other' */
    struct bin bins[BINS];
    struct confusion *pairs;
    size_t pair_count;
};

static int by_pair(const void *a, const void *b)
{
    const struct confusion *x = a, *y = b;

    return x->truth != y->truth ? x->truth - y->truth : x->said - y->said;
}

static int by_number(const void *a, const void *b)
{
    const struct confusion *x = a, *y = b;

    return x->n != y->n ? (x->n < y->n ? 1 : -1) : by_pair(a, b);
}

/* Equal pairs become one. */
static void join(struct summary *s)
{
    size_t n = 0;

    qsort(s->pairs, s->pair_count, sizeof *s->pairs, by_pair);
    for (size_t i = 0; i < s->pair_count; i++)
        if (n && by_pair(&s->pairs[n - 1], &s->pairs[i]) == 0)
            s->pairs[n - 1].n++;
        else
            s->pairs[n++] = s->pairs[i];
    s->pair_count = n;
    qsort(s->pairs, n, sizeof *s->pairs, by_number);
}

static void add(struct summary *s, const struct linear_head *h, int truth, int said, double p)
{
    struct bin *bin = &s->bins[p >= 1 ? BINS - 1 : p <= 0 ? 0 : (int)(p * BINS)];
    bool right = truth == said;

    s->n++;
    s->right += right;
    s->others += truth == h->other;
    s->others_right += right && truth == h->other;
    if (said != h->other) { /* how sure it is of a label, where it gives one */
        bin->n++;
        bin->right += right;
        bin->p += p;
    }
    if (!right)
        s->pairs[s->pair_count++] = (struct confusion){truth, said, 1};
}

static void print_accuracy(const struct summary *s, const struct linear_head *h, FILE *out)
{
    size_t in = s->n - s->others, in_right = s->right - s->others_right;

    fprintf(out, "%s: %d labels, right %.2f%% of %zu rows", h->name, h->count,
            100.0 * (double)s->right / (double)s->n, s->n);
    if (s->others && in)
        fprintf(out, "; in scope %.2f%% of %zu, out of scope found %.1f%% of %zu",
                100.0 * (double)in_right / (double)in, in,
                100.0 * (double)s->others_right / (double)s->others, s->others);
    fputc('\n', out);
}

static void print_calibration(const struct summary *s, FILE *out)
{
    double off = 0, n = 0;

    fprintf(out, "  said:  ");
    for (int i = 0; i < BINS; i++)
        if (s->bins[i].n)
            fprintf(out, " %5.1f%%", 100 * s->bins[i].p / (double)s->bins[i].n);
    fprintf(out, "\n  right: ");
    for (int i = 0; i < BINS; i++)
        if (s->bins[i].n) {
            fprintf(out, " %5.1f%%", 100.0 * (double)s->bins[i].right / (double)s->bins[i].n);
            off += fabs(s->bins[i].p - (double)s->bins[i].right);
            n += (double)s->bins[i].n;
        }
    fprintf(out, "\n  mean difference (expected calibration error): %.3f\n", n > 0 ? off / n : 0);
}

static void print_confusions(const struct summary *s, const struct linear_head *h, FILE *out)
{
    for (size_t i = 0; i < s->pair_count && i < CONFUSIONS; i++)
        fprintf(out, "  %4zu x %s taken for %s\n", s->pairs[i].n, h->labels[s->pairs[i].truth],
                h->labels[s->pairs[i].said]);
}

static void report_labels(const struct train_data *d, const struct train_head *t,
                          const struct train_verdict *v, FILE *out)
{
    struct summary s = {.pairs = calloc(d->n + 1, sizeof *s.pairs)};

    for (size_t i = 0; s.pairs && i < d->n; i++)
        if (v->best[i] >= 0 && t->label[i] >= 0)
            add(&s, &t->shape, t->label[i], v->best[i], (double)v->p[i]);
    if (s.n) {
        join(&s);
        print_accuracy(&s, &t->shape, out);
        print_calibration(&s, out);
        print_confusions(&s, &t->shape, out);
    }
    free(s.pairs);
}

static void report_number(const struct train_data *d, const struct train_head *t,
                          const struct train_verdict *v, FILE *out)
{
    double n = 0, y = 0, yy = 0, off = 0;

    for (size_t i = 0; i < d->n; i++)
        if (v->best[i] >= 0 && !isnan(t->number[i])) {
            double x = (double)t->number[i], e = (double)v->p[i] - x;
            n++;
            y += x;
            yy += x * x;
            off += e * e;
        }
    double spread = n > 0 ? yy / n - y / n * (y / n) : 0;
    if (n > 0)
        fprintf(out,
                "%s: a number, off by %.4g (root mean square) on %.0f rows; %.1f%% of its spread "
                "explained\n",
                t->shape.name, sqrt(off / n), n, spread > 0 ? 100 * (1 - off / n / spread) : 0);
}

void train_report(const struct train_data *d, const struct train_verdict *verdicts, FILE *out)
{
    for (int i = 0; i < d->head_count; i++)
        if (d->heads[i].label)
            report_labels(d, &d->heads[i], &verdicts[i], out);
        else
            report_number(d, &d->heads[i], &verdicts[i], out);
}
