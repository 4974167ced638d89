/* hash - a keyed hash of bytes: nobody who does not know the key can make keys that collide.
 * SPDX-License-Identifier: MIT */
#include "hash.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

void hash_key_init(struct hash_key *key)
{
    if (getrandom(key, sizeof *key, 0) != (ssize_t)sizeof *key)
        abort(); /* cannot happen for up to 256 bytes (getrandom(2)) */
}

static uint64_t turn(uint64_t x, int n)
{
    return x << n | x >> (64 - n);
}

static void mix(uint64_t v[4])
{
    v[0] += v[1];
    v[2] += v[3];
    v[1] = turn(v[1], 13) ^ v[0];
    v[3] = turn(v[3], 16) ^ v[2];
    v[0] = turn(v[0], 32) + v[3];
    v[2] += v[1];
    v[3] = turn(v[3], 21) ^ v[0];
    v[1] = turn(v[1], 17) ^ v[2];
    v[2] = turn(v[2], 32);
}

/* Up to eight bytes, the first one lowest. */
static uint64_t word(const char *p, size_t n)
{
    uint64_t w = 0;

    for (size_t i = 0; i < n; i++)
        w |= (uint64_t)(unsigned char)p[i] << (8 * i);
    return w;
}

static void take(uint64_t v[4], uint64_t w)
{
    v[3] ^= w;
    mix(v);
    v[0] ^= w;
}

uint64_t hash_bytes(const struct hash_key *key, struct span bytes)
{
    uint64_t v[4] = {key->a ^ 0x736f6d6570736575, key->b ^ 0x646f72616e646f6d,
                     key->a ^ 0x6c7967656e657261, key->b ^ 0x7465646279746573};
    size_t whole = bytes.n & ~(size_t)7;

    for (size_t at = 0; at < whole; at += 8)
        take(v, word(bytes.p + at, 8));
    take(v, (uint64_t)bytes.n << 56 | word(bytes.p + whole, bytes.n - whole));
    v[2] ^= 0xff;
    mix(v);
    mix(v);
    mix(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}
