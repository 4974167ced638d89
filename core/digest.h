/* digest - SHA-256 of bytes, as hexadecimal text.
 * SPDX-License-Identifier: MIT */
#ifndef DIGEST_H
#define DIGEST_H

#include "buf.h"

enum { DIGEST_HEX = 64 };

struct digest {
    void *context;
};

void digest_init(struct digest *d);
void digest_add(struct digest *d, struct span bytes);
/* The end: writes 64 digits and a terminator, and frees what init took. */
void digest_end(struct digest *d, char hex[DIGEST_HEX + 1]);

#endif
