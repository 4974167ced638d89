/* schema_value - numbers without rounding; when two values are the same.
 * SPDX-License-Identifier: MIT */
#include "schema_value.h"

#include "json_bytes.h"

#include <stdlib.h>

/* ---- numbers ---- */

enum { DIVIDE_DIGITS_MAX = 100000 };
static const int64_t EXPONENT_MAX = INT64_C(1) << 60;

static int64_t exponent_of(const char *p, const char *end)
{
    int64_t e = 0;
    bool negative = p < end && *p == '-';

    for (p += p < end && (*p == '-' || *p == '+'); p < end && json_is_digit(*p); p++)
        if (e < EXPONENT_MAX / 16)
            e = e * 10 + (*p - '0');
    return negative ? -e : e;
}

struct decimal decimal_of(struct span number)
{
    struct decimal d = {.negative = number.n && *number.p == '-'};
    const char *end = number.p + number.n, *p = number.p + d.negative, *point = NULL;

    for (; p < end && (json_is_digit(*p) || *p == '.'); p++) {
        if (*p == '.') {
            point = p;
        } else if (*p != '0') {
            d.first = d.first ? d.first : p;
            d.last = p;
        }
    }
    if (!d.first)
        return (struct decimal){.negative = false};
    if (p < end && (*p == 'e' || *p == 'E'))
        d.exponent = exponent_of(p + 1, end);
    bool across = point && d.first < point && d.last > point;
    d.digits = d.last - d.first + 1 - across;
    /* the last digit's power: digits before the point count up, those behind it down */
    const char *units = point ? point : p;
    d.exponent += d.last < units ? units - d.last - 1 : units - d.last;
    return d;
}

static const char *next_digit(const char *p)
{
    return p[1] == '.' ? p + 2 : p + 1;
}

static int compare_size(const struct decimal *a, const struct decimal *b)
{
    int64_t high_a = a->digits + a->exponent, high_b = b->digits + b->exponent;
    const char *p = a->first, *q = b->first;

    if (high_a != high_b)
        return high_a < high_b ? -1 : 1;
    for (;;) {
        if (*p != *q)
            return *p < *q ? -1 : 1;
        if (p == a->last || q == b->last)
            return p != a->last ? 1 : q != b->last ? -1 : 0;
        p = next_digit(p);
        q = next_digit(q);
    }
}

static int sign(const struct decimal *d)
{
    return !d->first ? 0 : d->negative ? -1 : 1;
}

int decimal_compare(const struct decimal *a, const struct decimal *b)
{
    int sa = sign(a), sb = sign(b);

    if (sa != sb)
        return sa < sb ? -1 : 1;
    return sa == 0 ? 0 : sa * compare_size(a, b);
}

bool decimal_is_integer(const struct decimal *d)
{
    return d->exponent >= 0;
}

bool number_is_integer(struct span number)
{
    if (!memchr(number.p, '.', number.n) && !memchr(number.p, 'e', number.n) &&
        !memchr(number.p, 'E', number.n))
        return true;
    struct decimal d = decimal_of(number);
    return decimal_is_integer(&d);
}

/* At most 18 digits and zeros behind them: the number; else -1. */
static int64_t small(const struct decimal *d)
{
    int64_t n = 0;

    if (!d->first)
        return 0;
    if (d->digits > 18 || d->exponent < 0 || d->digits + d->exponent > 18)
        return -1;
    for (const char *p = d->first;; p = next_digit(p)) {
        n = n * 10 + (*p - '0');
        if (p == d->last)
            break;
    }
    for (int64_t e = d->exponent; e > 0; e--)
        n *= 10;
    return n;
}

int64_t decimal_count(const struct decimal *d)
{
    return d->negative ? -1 : small(d);
}

static uint64_t power_mod(uint64_t base, uint64_t e, uint64_t m)
{
    tape_wide b = base % m, r = 1 % m;

    for (; e; e >>= 1, b = b * b % m)
        if (e & 1)
            r = r * b % m;
    return (uint64_t)r;
}

/* Both without zeros at their ends. Divisors of up to 18 digits. */
static int divides_small(uint64_t m, const struct decimal *a, int64_t e)
{
    tape_wide r = 0;

    for (const char *p = a->first;; p = next_digit(p)) {
        r = (r * 10 + (unsigned)(*p - '0')) % m;
        if (p == a->last)
            break;
    }
    return r * power_mod(10, (uint64_t)e, m) % m == 0;
}

/* Digits, highest first, of the rest: rest = (rest * 10 + digit) mod b. 'rest' has room for one digit more than b. */
static void shift_in(char *rest, int64_t n, char digit, const char *divisor)
{
    memmove(rest, rest + 1, (size_t)n);
    rest[n] = digit;
    /* while rest >= divisor: rest -= divisor; at most nine times */
    while (rest[0] || memcmp(rest + 1, divisor, (size_t)n) >= 0) {
        int borrow = 0;
        for (int64_t i = n; i >= 0; i--) {
            int d = rest[i] - (i > 0 ? divisor[i - 1] : 0) - borrow;
            borrow = d < 0;
            rest[i] = (char)(d + (borrow ? 10 : 0));
        }
    }
}

static int divides_large(const struct decimal *b, const struct decimal *a, int64_t e)
{
    int64_t n = b->digits;

    if (n > 1000 || a->digits + e > DIVIDE_DIGITS_MAX || n * (a->digits + e) > 4000000)
        return -1;
    char *divisor = calloc(1, (size_t)(2 * n + 1));
    if (!divisor)
        return -1;
    char *rest = divisor + n, *to = divisor;
    for (const char *p = b->first;; p = next_digit(p)) {
        *to++ = (char)(*p - '0');
        if (p == b->last)
            break;
    }
    for (const char *p = a->first;; p = next_digit(p)) {
        shift_in(rest, n, (char)(*p - '0'), divisor);
        if (p == a->last)
            break;
    }
    for (; e > 0; e--)
        shift_in(rest, n, 0, divisor);
    bool zero = true;
    for (int64_t i = 0; i <= n; i++)
        zero = zero && rest[i] == 0;
    free(divisor);
    return zero;
}

int decimal_divides(const struct decimal *b, const struct decimal *a)
{
    if (!a->first)
        return 1;
    if (!b->first)
        return 0;
    int64_t e = a->exponent - b->exponent;
    if (e < 0) /* then a would need a zero at its end, which was taken off */
        return 0;
    if (b->digits > 18)
        return divides_large(b, a, e);
    struct decimal m = *b;
    m.exponent = 0;
    return divides_small((uint64_t)small(&m), a, e);
}

static uint8_t kind(const struct place *v)
{
    return v->type == TAPE_KEY ? JSON_STRING : v->type;
}

/* ---- hashes ---- */

static uint64_t hash_number(struct span number, uint64_t seed)
{
    struct decimal d = decimal_of(number);
    uint64_t h = seed ^ (uint64_t)d.exponent ^ (d.negative ? UINT64_C(1) << 63 : 0);

    if (!d.first)
        return tape_mix(seed, 11);
    for (const char *p = d.first;; p = next_digit(p)) {
        h = tape_mix(h, (uint64_t)*p);
        if (p == d.last)
            return tape_mix(h, 12);
    }
}

static uint64_t hash_text(const struct tape *t, const struct place *v, uint64_t seed)
{
    struct buf room;

    if (!v->escaped)
        return tape_hash(seed, (struct span){t->text + v->at, v->n});
    buf_init(&room, v->n + 2);
    struct span text = tape_text(t, v, &room);
    uint64_t h = tape_hash(seed, text.p ? text : SPAN(""));
    buf_deinit(&room);
    return h;
}

uint64_t value_hash(const struct tape *t, uint32_t at, uint64_t seed, int64_t *steps)
{
    const struct place *v = &t->places[at];
    uint64_t h = tape_mix(seed, kind(v));
    uint32_t key, value;

    if (--*steps < 0)
        return 0;
    switch (v->type) {
    case JSON_NUMBER:
        *steps -= v->n / 16;
        return hash_number((struct span){t->text + v->at, v->n}, seed);
    case JSON_STRING:
    case TAPE_KEY:
        *steps -= v->n / 64;
        return hash_text(t, v, seed);
    case JSON_ARRAY:
        for (uint32_t i = at + 1; i < v->next; i = t->places[i].next)
            h = tape_mix(h, value_hash(t, i, seed, steps));
        return h;
    case JSON_OBJECT:
        for (uint32_t i = at + 1; tape_next(t, &i, v->next, &key, &value);)
            h += tape_mix(hash_text(t, &t->places[key], seed), value_hash(t, value, seed, steps));
        return h;
    default:
        return h;
    }
}

/* ---- equality ---- */

static bool same_text(const struct tape *a, const struct place *v, const struct tape *b,
                      const struct place *w)
{
    struct buf room;

    if (!v->escaped)
        return tape_is(b, w, (struct span){a->text + v->at, v->n});
    buf_init(&room, v->n + 2);
    struct span text = tape_text(a, v, &room);
    bool same = text.p && tape_is(b, w, text);
    buf_deinit(&room);
    return same;
}

static bool same_array(const struct tape *a, uint32_t i, const struct tape *b, uint32_t j,
                       int64_t *steps)
{
    uint32_t end = a->places[i].next;

    if (a->places[i].n != b->places[j].n)
        return false;
    for (i++, j++; i < end; i = a->places[i].next, j = b->places[j].next)
        if (!value_same(a, i, b, j, steps))
            return false;
    return true;
}

/* The member's value in b, looked for from *hint on, since members mostly come in one order. 0: none. */
static uint32_t find_same(const struct tape *a, uint32_t key, const struct tape *b, uint32_t j,
                          uint32_t *hint, int64_t *steps)
{
    uint32_t end = b->places[j].next, k, value;

    for (int round = 0; round < 2; round++) {
        for (uint32_t i = round == 0 ? *hint : j + 1; tape_next(b, &i, end, &k, &value);) {
            if (--*steps < 0)
                return 0;
            if (same_text(a, &a->places[key], b, &b->places[k])) {
                *hint = i;
                return value;
            }
        }
    }
    return 0;
}

static bool same_object(const struct tape *a, uint32_t i, const struct tape *b, uint32_t j,
                        int64_t *steps)
{
    uint32_t end = a->places[i].next, key, value, hint = j + 1;

    if (a->places[i].n != b->places[j].n)
        return false;
    for (i++; tape_next(a, &i, end, &key, &value);) {
        uint32_t other = find_same(a, key, b, j, &hint, steps);
        if (!other || !value_same(a, value, b, other, steps))
            return false;
    }
    return true;
}

bool value_same(const struct tape *a, uint32_t i, const struct tape *b, uint32_t j, int64_t *steps)
{
    const struct place *v = &a->places[i], *w = &b->places[j];

    if (kind(v) != kind(w) || --*steps < 0)
        return false;
    *steps -= (v->type == JSON_STRING || v->type == JSON_NUMBER) ? v->n / 64 : 0;
    switch (kind(v)) {
    case JSON_NUMBER: {
        struct decimal x = decimal_of((struct span){a->text + v->at, v->n});
        struct decimal y = decimal_of((struct span){b->text + w->at, w->n});
        return decimal_compare(&x, &y) == 0;
    }
    case JSON_STRING:
        return same_text(a, v, b, w);
    case JSON_ARRAY:
        return same_array(a, i, b, j, steps);
    case JSON_OBJECT:
        return same_object(a, i, b, j, steps);
    default:
        return true;
    }
}
