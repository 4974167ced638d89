/* train - linear models from examples, by liblinear: weights, calibration, what to expect of them.
 * SPDX-License-Identifier: MIT
 *
 * Heads with several labels are trained by the method of Crammer and Singer and, added to it, through a
 * narrow layer (train_narrow.c), those with two by logistic regression, numbers by support vector regression. A share of the rows is held back: a first model, trained without them, says
 * how scores become probabilities, where "none of these" begins, and which C is best for two labels and numbers. Then
 * the model that is written is trained with all rows. Nothing depends on the clock or on chance: the same data give
 * the same bytes. */
#ifndef TRAIN_H
#define TRAIN_H

#include "linear.h"

#include <stdbool.h>
#include <stdio.h>

/* Rows with something odd. */
struct train_note {
    size_t rows, line; /* how many; the line of the first */
};

struct train_head {
    struct linear_head shape;  /* name, kind, labels, other */
    struct train_note missing; /* rows without it: other heads learn from them */
    int *label;                /* of each row; -1: it has none. NULL for numbers */
    float *number;             /* of each row; NAN: it has none. NULL for labels */
};

struct train_data {
    size_t n; /* rows */
    struct span *texts;
    uint64_t *keys; /* a hash of each text's letters: what is the same question has the same one */
    bool *test;     /* rows that are never learned from */
    const char *input_names[LINEAR_INPUTS];
    float *inputs; /* of each row, each input; NAN: it has none. NULL without inputs */
    int input_count;
    struct train_head heads[LINEAR_HEADS];
    int head_count;
    struct buf store;                   /* where the texts are */
    struct train_note no_text, no_utf8; /* passed over; taken as they are */
};

/* How a file is read. Names are borrowed. */
struct train_columns {
    const char *text;
    const char *labels[LINEAR_HEADS], *numbers[LINEAR_HEADS]; /* names of columns */
    int label_count, number_count;
    const char *inputs[LINEAR_INPUTS]; /* names of columns */
    int input_count;
    const char *group;                /* rows with the same value are never divided, or NULL */
    const char *other;                /* the label, or NULL */
    const char *where[16], *test[16]; /* "COLUMN=VALUE" */
    int where_count, test_count;
    bool jsonl; /* else CSV with a header line */
};

/* Rows of a file that was read whole. -1 with *err, which names the line. */
int train_read(struct train_data *d, struct span file, const struct train_columns *c,
               struct err *err);
void train_data_deinit(struct train_data *d);

struct train_options {
    struct ngrams how;
    size_t bytes_max;   /* of the file */
    double held_back;   /* share of the rows, 0.05 to 0.5 */
    double other_share; /* of the requests in use that are out of scope, as expected */
    double input_share; /* what a standard deviation of an input counts beside the text's 1 */
    double c;           /* of liblinear; 0: 1, or the best of some */
    uint64_t seed;      /* which rows are held back */
    FILE *progress;     /* NULL: none */
};

/* What the model says of rows that it was not trained with. */
struct train_verdict {
    int *best; /* of each row: the label, 'other' where it is out of scope; -1: not judged */
    float *p;  /* its probability; for numbers the number */
};

/* Trains with the rows that 'use' marks and appends the file to 'out'. 'verdicts' (one a head, with room for all rows;
 * NULL: not wanted) get what is said of the rows held back, each by a calibration that did not see it. */
int train_model(const struct train_data *d, const bool *use, const struct train_options *o,
                struct train_verdict *verdicts, struct buf *out, struct err *err);
/* What a finished model says of the rows that 'use' marks. */
int train_judge(const struct train_data *d, const bool *use, const struct linear *m,
                struct train_verdict *verdicts, struct err *err);

/* Prints accuracy, confusions and calibration of each head (train_report.c). */
void train_report(const struct train_data *d, const struct train_verdict *verdicts, FILE *out);

#endif
