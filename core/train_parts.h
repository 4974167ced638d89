/* train_parts - what the files of the training share.
 * SPDX-License-Identifier: MIT */
#ifndef TRAIN_PARTS_H
#define TRAIN_PARTS_H

#include "train.h"

/* Rows as liblinear takes them (train_fit.c). */
struct vectors;

/* Counts n-grams in the rows that 'use' marks, and makes vectors of these rows. NULL without memory.
 * 'input_share': what a standard deviation of an input counts; the text's n-grams together count 1. */
struct vectors *vectors_new(const struct train_data *d, const bool *use, const struct ngrams *how,
                            double input_share);
void vectors_free(struct vectors *v); /* NULL is fine */
const unsigned char *vectors_counts(const struct vectors *v);
unsigned char vectors_unseen(const struct vectors *v);
const float *vectors_importance(const struct vectors *v);
const struct linear_input *vectors_inputs(const struct vectors *v);

/* Where the weights of one head's columns go. */
struct fitted {
    float **weights; /* of each column, each bucket */
    float *bias;     /* of each column */
    float *inputs;   /* of each column, each input */
};

/* Learns one head. */
int vectors_fit(struct vectors *v, const struct train_head *head, double c,
                const struct fitted *out, struct err *err);

/* Weights through a narrow layer (train_narrow.c) for liblinear's rows, whose last feature is 1 and whose y are labels
 * from 0. It begins beside the caller, who only reads the rows until the end. NULL without memory. */
struct problem;
struct narrow;
struct narrow *narrow_start(const struct problem *rows, int labels);
/* Waits. The weights of each feature, each label, to be freed; NULL without memory. */
float *narrow_end(struct narrow *all);

/* Fits slope, offset and bounds of a head to the scores of rows (train_calibrate.c): 'scores' has 'stride' of them a
 * row, of the rows where 'use' is 'want'. 'loss' gets the mean error that is left. */
struct calibration_rows {
    const struct train_data *d;
    const float *scores;
    size_t stride;
    const unsigned char *part; /* of each row */
    unsigned parts;            /* a bit for each part that counts */
};
int calibrate(struct linear_head *head, const struct train_head *truth,
              const struct calibration_rows *rows, double other_share, double *loss);

#endif
