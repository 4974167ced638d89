/* csv - the fields of comma-separated values (RFC 4180), one after the other.
 * SPDX-License-Identifier: MIT */
#ifndef CSV_H
#define CSV_H

#include "buf.h"

struct csv {
    struct span left;
    size_t line;  /* of the field that was read last, from 1 */
    bool row_end; /* it was the last of its row */
    size_t at;    /* lines behind us */
};

void csv_begin(struct csv *c, struct span text); /* a byte order mark is skipped */

/* The next field's text into 'out', which is emptied first. 1; 0 at the end of the text; -1 when a quote is not closed
 * or something follows a closed one ('line' says where), or 'out' is full. Lines without any field between them are
 * skipped. */
int csv_next(struct csv *c, struct buf *out);

#endif
