/* schema_value - values of tapes: exact numbers, equality, hashes.
 * SPDX-License-Identifier: MIT
 *
 * Numbers are decimals of any length and exponent, compared digit by digit: 1, 1.0 and 10e-1 are one number. */
#ifndef SCHEMA_VALUE_H
#define SCHEMA_VALUE_H

#include "schema_tape.h"

/* digits * 10^exponent. 'first' and 'last' are its first and last digit that is no zero; a point may lie between. */
struct decimal {
    const char *first, *last; /* NULL: zero */
    int64_t digits, exponent;
    bool negative;
};

struct decimal decimal_of(struct span number);
int decimal_compare(const struct decimal *a, const struct decimal *b); /* <0, 0, >0 */
bool decimal_is_integer(const struct decimal *d);
/* Is 'a' a multiple of 'b' (above zero)? -1: that would take too long. */
int decimal_divides(const struct decimal *b, const struct decimal *a);
/* The number when it is an integer that fits; else -1. */
int64_t decimal_count(const struct decimal *d);

/* An integer, judged by the spelling: true for most without looking closer. */
bool number_is_integer(struct span number);

/* Of numbers with the same value, of objects in any order: the same hash. Takes steps; below zero it is worthless. */
uint64_t value_hash(const struct tape *t, uint32_t at, uint64_t seed, int64_t *steps);
bool value_same(const struct tape *a, uint32_t i, const struct tape *b, uint32_t j, int64_t *steps);

#endif
