/* train_reading - a file of rows while it is read: the columns that are looked at, and the row at hand.
 * SPDX-License-Identifier: MIT */
#ifndef TRAIN_READING_H
#define TRAIN_READING_H

#include "train.h"

enum { FIELDS = 512 };

struct row {
    struct buf fields[FIELDS]; /* as many as 'names' */
    bool there[FIELDS];        /* and not null */
};

struct reading {
    struct train_data *d;
    const struct train_columns *c;
    const char *names[FIELDS]; /* the columns that are looked at; their place is their number */
    int count, text, group;    /* group: -1, or a column */
    bool known[FIELDS];        /* of JSONL: a row has it */
    struct row row;
    size_t room, line;
    size_t *starts; /* of each text in the store */
    struct err *err;
};

/* The rows of a file, one after the other to reading_put (train_columns.c). -1 with the error. */
int reading_csv(struct reading *r, struct span file);
int reading_jsonl(struct reading *r, struct span file);

/* Takes the row at hand over into the data (train_data.c). */
int reading_put(struct reading *r);
int reading_out_of_memory(struct reading *r); /* -1 */

#endif
