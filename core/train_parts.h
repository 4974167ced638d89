/* train_parts - what the files of the training share.
 * SPDX-License-Identifier: MIT */
#ifndef TRAIN_PARTS_H
#define TRAIN_PARTS_H

#include "train.h"

/* Rows as liblinear takes them (train_vectors.c). */
struct feature_node;
struct vectors {
    const struct train_data *d;
    const bool *use;
    struct ngrams how;
    size_t rows;           /* marked by 'use' */
    unsigned char *counts; /* of each bucket */
    float *importance;
    uint32_t *place;         /* of each bucket among the weights: what is usual stands together */
    struct feature_node **x; /* of each row of 'd'; NULL where it is not used */
    struct feature_node *nodes;
    unsigned char unseen;
    int features;    /* buckets with a weight; the inputs and the bias follow */
    float *together; /* weights of heads of two labels, learned together; NULL: they are not */
    int together_count;
    struct linear_input inputs[LINEAR_INPUTS];
    double input_share;
};

/* Counts n-grams in the rows that 'use' marks, and makes vectors of these rows. NULL without memory.
 * 'input_share': what a standard deviation of an input counts; the text's n-grams together count 1. */
struct vectors *vectors_new(const struct train_data *d, const bool *use, const struct ngrams *how,
                            double input_share);
void vectors_free(struct vectors *v); /* NULL is fine */

/* Where the weights of one head's columns go. */
struct fitted {
    float **weights; /* of each column, each bucket */
    float *bias;     /* of each column */
    float *inputs;   /* of each column, each input */
};

/* Learns one head (train_fit.c). */
int vectors_fit(struct vectors *v, const struct train_head *head, double c,
                const struct fitted *out, struct err *err);

/* Weights through a narrow layer (train_narrow.c) for liblinear's rows, whose last feature is 1 and whose y are labels
 * from 0. It begins beside the caller, who only reads the rows until the end. NULL without memory. */
struct problem;
struct narrow;
struct narrow *narrow_start(const struct problem *rows, int labels);
/* Waits. The weights of each feature, each label, to be freed; NULL without memory. */
float *narrow_end(struct narrow *all);

/* Weights for several heads of two labels, which learn together (train_together.c). */
struct together {
    const struct feature_node *const *x; /* rows as liblinear takes them; the bias is left out */
    size_t n;                            /* rows */
    int features, heads;
    const int *label[LINEAR_HEADS]; /* of each head, each row: 0, 1; -1: it has none */
};
/* Of each feature, each head, and last the biases; to be freed. NULL without memory. */
float *train_together(const struct together *rows);

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
