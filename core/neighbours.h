/* neighbours - labelled examples, and which of them are nearest to a text by their words.
 * SPDX-License-Identifier: MIT
 *
 * An example is a vector of n-grams (ngrams.h: words, pairs, pieces of words), each counted by how rare it is among
 * the examples (TF-IDF, tf as 1 + log of the times; Salton and Buckley 1988), of length 1. Nearness is the cosine, 0 to
 * 1; n-grams that no example has make a text longer and so less near to all. An inverted index finds the nearest ones:
 * the rare n-grams first, and no more than NEIGHBOURS_STEPS entries, whatever the text and the examples are.
 *
 * The file holds the examples; the index is made when it is read. Numbers little-endian: "BATONNEI", version (4), bytes
 * of the file (4), check sum of all that follows (8: as linear.h's); labels (2), examples (4); the names of the labels,
 * each with its length in a byte before it; of each example its label (2), its length (2) and its text. */
#ifndef NEIGHBOURS_H
#define NEIGHBOURS_H

#include "err.h"
#include "ngrams.h"

enum {
    NEIGHBOURS_FILE_MAX = 4 << 20, /* bytes */
    NEIGHBOURS_MAX = 60000,        /* examples */
    NEIGHBOURS_LABELS = 4096,
    NEIGHBOURS_NAME = 100,      /* bytes of a label */
    NEIGHBOURS_TEXT = 4096,     /* bytes of an example that are kept */
    NEIGHBOURS_K = 100,         /* that are found at once */
    NEIGHBOURS_STEPS = 1 << 20, /* entries of the index that are looked at for one text */
};

struct neighbours;

struct neighbour {
    int example; /* from 0, in the order they were added */
    float score; /* the cosine, above 0 */
};

struct neighbours *neighbours_new(void);    /* NULL without memory */
void neighbours_free(struct neighbours *n); /* NULL is fine */

/* Adds an example; of a text longer than NEIGHBOURS_TEXT its beginning. Copies both. -1 with *err. */
int neighbours_add(struct neighbours *n, struct span text, struct span label, struct err *err);
/* Makes the index: once, when all examples are there. -1 with *err. */
int neighbours_build(struct neighbours *n, struct err *err);

int neighbours_count(const struct neighbours *n); /* examples */
struct span neighbours_text(const struct neighbours *n, int example);
const char *neighbours_label(const struct neighbours *n, int example);
size_t neighbours_bytes(const struct neighbours *n); /* of memory */

/* The nearest 'k' (at most NEIGHBOURS_K) examples, nearest first; of equal ones the first. Their number, 0 where no
 * n-gram is known; -1 without memory. */
int neighbours_find(const struct neighbours *n, struct span text, int k, struct neighbour *out);

/* ---- its file (neighbours_file.c) ---- */

/* Is that the beginning of such a file? */
bool neighbours_is_file(struct span file);
/* 'file' may be anything. Ready for neighbours_find; NULL with the reason in *err. */
struct neighbours *neighbours_read(struct span file, struct err *err);
/* Appends the file. -1 with *err when it does not fit. */
int neighbours_write(const struct neighbours *n, struct buf *out, struct err *err);

/* The labels, in the order in which they were first seen. */
const char *const *neighbours_labels(const struct neighbours *n, int *count);
int neighbours_label_number(const struct neighbours *n, int example);

#endif
