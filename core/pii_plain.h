/* pii_plain - a text with typographic signs as ASCII has them, and where each byte stood.
 * SPDX-License-Identifier: MIT
 *
 * "4111 1111" with a no-break blank, a number with typographic hyphens or in full-width digits, an address in typographic
 * quotes: people paste such text. The searches read ASCII signs; what they find is told in bytes of the text itself. */
#ifndef PII_PLAIN_H
#define PII_PLAIN_H

#include "buf.h"

struct pii_plain {
    struct span text; /* plain: the text itself where nothing had to be changed */
    struct buf bytes; /* owned: of the plain text, and ... */
    struct buf steps; /* ... struct pii_step behind each change, in order */
};

/* From plain byte 'plain' on, bytes stand 'source' - 'plain' further on in the text. */
struct pii_step {
    size_t plain, source;
};

/* Linear in the text. -1: no memory. */
int pii_plain_make(struct pii_plain *p, struct span text);
void pii_plain_deinit(struct pii_plain *p);
/* Where plain byte i stands in the text. */
size_t pii_plain_source(const struct pii_plain *p, size_t i);

#endif
