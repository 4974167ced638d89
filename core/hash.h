/* hash - a keyed hash of bytes: nobody who does not know the key can make keys that collide.
 * SPDX-License-Identifier: MIT
 *
 * SipHash-1-3 (Aumasson, Bernstein). For hash tables whose keys come from outside. */
#ifndef HASH_H
#define HASH_H

#include "buf.h"

#include <stdint.h>

/* A key of random numbers. */
struct hash_key {
    uint64_t a, b;
};

void hash_key_init(struct hash_key *key);
uint64_t hash_bytes(const struct hash_key *key, struct span bytes);

#endif
