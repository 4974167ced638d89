/* schema_tape - a JSON document as a row of places: what stands where; nothing is copied or decoded.
 * SPDX-License-Identifier: MIT
 *
 * One pass of json's reader makes it. Values stand in the order of the text; a container's children follow it, a key is
 * followed by its value. Of members with one name only the last counts: the others are TAPE_GONE. */
#ifndef SCHEMA_TAPE_H
#define SCHEMA_TAPE_H

#include "buf.h"
#include "err.h"
#include "json.h"

#include <stdint.h>

enum { TAPE_KEY = JSON_OBJECT + 1, TAPE_GONE }; /* besides enum json_type */
enum { TAPE_PLACES_MAX = 4 << 20 };             /* values and keys of one document */

struct place {
    uint32_t at;   /* where the text begins: strings and keys behind their quote */
    uint32_t n;    /* bytes of that text; of a container how many children */
    uint32_t next; /* the place behind the value with all that is in it; of a key its number */
    uint8_t type;  /* enum json_type, TAPE_KEY, TAPE_GONE */
    bool escaped;  /* a string or key with a backslash */
    bool open;     /* it was cut: more may follow (only when the document may be a beginning) */
};

/* ---- names: a table from texts to numbers ---- */

#define NAME_NONE UINT32_MAX

struct name_slot {
    const char *p; /* borrowed; NULL: free */
    uint32_t n, hash, number;
};

struct names {
    struct name_slot *slots;
    uint32_t mask, count;
    uint64_t seed; /* secret, so nobody can make keys that collide */
};

void names_init(struct names *t, uint64_t seed);
void names_deinit(struct names *t);
/* The number of that text, or NAME_NONE. */
uint32_t names_find(const struct names *t, struct span text);
/* Gives the text that number when it has none yet; *number is the one it has. -1: no memory. The bytes must stay. */
int names_add(struct names *t, struct span text, uint32_t *number);

/* ---- hashing; seeded ---- */

__extension__ typedef unsigned __int128 tape_wide;

static inline uint64_t tape_mix(uint64_t a, uint64_t b)
{
    tape_wide r =
        (tape_wide)(a ^ UINT64_C(0x9E3779B97F4A7C15)) * (b ^ UINT64_C(0xD1B54A32D192ED03));
    return (uint64_t)r ^ (uint64_t)(r >> 64);
}

static inline uint64_t tape_word(const char *p, size_t n)
{
    uint64_t w = 0;
    uint32_t a, b;

    if (n >= 8) {
        __builtin_memcpy(&w, p, 8);
    } else if (n >= 4) {
        __builtin_memcpy(&a, p, 4);
        __builtin_memcpy(&b, p + n - 4, 4);
        w = (uint64_t)a << 32 | b;
    } else if (n) {
        w = (uint64_t)(unsigned char)p[0] << 16 | (uint64_t)(unsigned char)p[n / 2] << 8 |
            (unsigned char)p[n - 1];
    }
    return w;
}

static inline uint64_t tape_hash(uint64_t seed, struct span text)
{
    uint64_t h = seed ^ text.n;
    const char *p = text.p;
    size_t n = text.n;

    for (; n > 8; p += 8, n -= 8)
        h = tape_mix(h ^ tape_word(p, 8), seed);
    return tape_mix(h ^ tape_word(p, n), seed + text.n);
}

/* ---- the tape ---- */

struct tape {
    const char *text; /* the document's bytes; borrowed */
    size_t size;
    struct place *places;
    uint32_t n, cap;
    struct buf scratch; /* for texts with escapes */
    /* of a beginning, where it ends: */
    uint32_t key,
        key_in; /* behind the last place: a key that is cut (open), or whole and without a value yet; the object
                             that it begins a member of. key is 0: there is none */
    uint32_t comma_in; /* the array where an item must follow, + 1; 0: none must */
};

void tape_init(struct tape *t);
void tape_deinit(struct tape *t);
/* Reads a document; the tape is used again. Keys that stand in 'names' (NULL: none) get their number; others one from
 * 2^31 on, a hash. 'beginning': the text may be cut anywhere; what is not complete is marked as open, and a scalar
 * that may go on is left out. -1: no JSON (ERR_BAD_REQUEST), too much (ERR_BUDGET). */
int tape_read(struct tape *t, struct span doc, const struct names *names, bool beginning,
              struct err *err);

/* The text of a string or key, unescaped; 'room' is used when there are escapes. p is NULL: no memory. */
struct span tape_text(const struct tape *t, const struct place *v, struct buf *room);
/* A value's bytes as they stand. */
struct span tape_raw(const struct tape *t, uint32_t at);
/* Is the string or key this text? */
bool tape_is(const struct tape *t, const struct place *v, struct span text);
/* The value's place of the member 'name' of the object at 'at'; 0 when there is none. */
uint32_t tape_member(const struct tape *t, uint32_t at, const char *name);

/* for (uint32_t i = at + 1, end = t->places[at].next; tape_next(t, &i, end, &key, &value);) walks an object's members. */
static inline bool tape_next(const struct tape *t, uint32_t *i, uint32_t end, uint32_t *key,
                             uint32_t *value)
{
    while (*i < end) {
        uint32_t k = *i;
        *i = t->places[k + 1].next;
        if (t->places[k].type == TAPE_GONE)
            continue;
        *key = k;
        *value = k + 1;
        return true;
    }
    return false;
}

#endif
