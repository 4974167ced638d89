/* linear - a trained linear model over n-grams: its file, and what it says of a text.
 * SPDX-License-Identifier: MIT
 *
 * One pass over the text (ngrams.h) gives the scores of all heads. A head is one question: which label, or what number.
 * A score is the weights of the text's n-grams added up, divided by the length of the text as a vector; what an n-gram
 * counts (rare ones more) is in the file, too, and n-grams that were never seen make a text longer and its scores
 * smaller. All weights are bytes, so all machines add up the same. Beside the text a model can have inputs: named
 * numbers, each with a weight for each column. An input counts in standard deviations from its mean, at most
 * LINEAR_FAR of them.
 *
 * Most n-grams stand in one text only. Where buckets have owners, the last bits of a hash tell whether an n-gram is its
 * bucket's owner, or one that was never seen as far as the model knows.
 *
 * The file, numbers little-endian: "BATONLIN", version (4), bytes of the file (4), check sum of all that follows (8:
 * SipHash under a key of zeros, against accidents, not against enemies); bits of a bucket (128 more: an n-gram counts once in a text,
 * however often it occurs; 64 more: buckets have owners), least, most of the n-grams, heads (a byte each), columns (2), what unseen n-grams count (1), inputs (1), entries (4); then
 *   each head    kind, labels (2), other (2; 65535: none), slope, offset, threshold, low, high (a float each), its name
 *                and the names of its labels, each with its length in a byte before it
 *   each input   mean, what to multiply with (floats), its name
 *   each column  scale, bias, a weight for each input (floats)
 *   each bucket  what its n-grams count; how many entries it has (16 times the last bits of its owner more)
 *   each entry   column (a byte; two where there are more than 256 columns), weight
 * Weights are multiples of their column's scale. Nothing follows. */
#ifndef LINEAR_H
#define LINEAR_H

#include "err.h"
#include "ngrams.h"

enum {
    LINEAR_FILE_MAX = 4 << 20, /* bytes */
    LINEAR_HEADS = 32,
    LINEAR_COLUMNS = 4096, /* of all heads */
    LINEAR_NAME = 100,     /* bytes of a head's or a label's name */
    LINEAR_INPUTS = 16,
    LINEAR_FAR = 4,         /* standard deviations */
    LINEAR_ENTRIES = 255,   /* of one bucket */
    LINEAR_ONCE = 128,      /* beside the bits in a file */
    LINEAR_OWNED = 64,      /* the same */
    LINEAR_OWN = 4,         /* bits that tell whose a bucket is */
    LINEAR_OWN_COLUMNS = 6, /* at most, where buckets have owners */
    LINEAR_COUNT = 16       /* what an n-gram counts is a multiple of 1/16 */
};

enum linear_kind {
    LINEAR_LABELS, /* one of several labels; a column for each, or one for the second of two */
    LINEAR_NUMBER  /* a number; one column */
};

struct linear_head {
    enum linear_kind kind;
    char name[LINEAR_NAME + 1];
    char **labels; /* owned */
    int count;     /* labels */
    int column;    /* its first */
    int columns;
    int other; /* the label that means "none of the others", or -1 */
    /* Scores to probabilities: those of the labels are exp(slope * score (+ offset for 'other')), made to add up to 1;
     * of two labels the second's is 1 / (1 + exp(-(slope * score + offset))). A number is slope * score + offset. */
    float slope, offset;
    float threshold; /* the best label counts when it is at least so probable */
    float low, high; /* a number is never outside */
};

/* A number beside the text: it counts as (x - mean) * scale. */
struct linear_input {
    char name[LINEAR_NAME + 1];
    float mean, scale;
};

struct linear;

/* 'file' may be anything. NULL with the reason in *err. */
struct linear *linear_read(struct span file, struct err *err);
void linear_free(struct linear *m); /* NULL is fine */

const struct linear_head *linear_heads(const struct linear *m, int *count);
const struct linear_input *linear_inputs(const struct linear *m, int *count);
int linear_columns(const struct linear *m); /* of all heads */

/* The scores of all heads, for linear_labels and linear_number. 'inputs' has a number for each input; NAN, and NULL for
 * all of them: as its mean. 'out' has room for linear_columns(). A text without a word is out of scope where a head has
 * a label for that, unless there are inputs. */
void linear_scores(const struct linear *m, struct span text, const float *inputs, float *out);
/* What an input with this value adds to a vector: 0 for NAN. */
float linear_input_value(const struct linear_input *input, float x);

struct linear_answer {
    int best;   /* the most probable label; with 'other' left out */
    float p;    /* its probability */
    bool known; /* it counts: 'other' is not the best, and p is not below the threshold */
};

/* The probabilities of the head's labels, which add up to 1. 'p' has room for all of them. */
struct linear_answer linear_labels(const struct linear_head *head, const float *scores, float *p);
float linear_number(const struct linear_head *head, const float *scores);

/* ---- making one (linear_write.c) ---- */

/* What a model file is made of. Where buckets have owners, 'each bucket' is each hash, of which only the owners count. */
struct linear_plan {
    struct ngrams how;
    const struct linear_head *heads;
    int head_count, columns;
    const unsigned char *counts; /* of each bucket, in 1/LINEAR_COUNT; 0: never seen */
    unsigned char unseen;        /* what the others count */
    const float *importance; /* of each bucket: the weights that matter least are left out first */
    const float *const *weights; /* of each column, each bucket */
    const float *bias;           /* of each column */
    const struct linear_input *inputs;
    int input_count;
    const float *input_weights; /* of each column, each input */
    size_t bytes_max;           /* of the file */
};

/* Appends the file. -1 with *err when it does not fit. */
int linear_write(const struct linear_plan *plan, struct buf *out, struct err *err);
/* The check sum of what follows it in a file. */
uint64_t linear_sum(struct span body);

#endif
