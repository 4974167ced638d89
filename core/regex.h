/* regex - regular expressions on PCRE2 that cannot hang: every match has a budget of steps.
 * SPDX-License-Identifier: MIT
 *
 * Patterns whose cost on a text is known to be small (they do not repeat what repeats, or the text is short) run as
 * they are, compiled to machine code after some matches. So do others that are bound to the start of a short text, for
 * a moment; what is not done by then, and all that is left, runs with a callout before each item, which counts how far
 * the matcher walked: past the budget the answer is an error, never a wait. */
#ifndef REGEX_H
#define REGEX_H

#include "buf.h"
#include "err.h"

#include <stdint.h>

enum { REGEX_BYTES_MAX = 16 << 10 }; /* of a pattern */

enum regex_flavour {
    REGEX_ECMA, /* ECMA-262 with the flag u; \d \w \b know ASCII only */
    REGEX_PERL  /* PCRE2's own; \d \w \b know all letters and digits */
};
enum { REGEX_CASELESS = 1 }; /* flags */

struct regex;

/* NULL with *err (ERR_BAD_REQUEST: what is wrong and at which byte of the pattern). */
struct regex *regex_new(struct span pattern, enum regex_flavour flavour, int flags,
                        struct err *err);
void regex_free(struct regex *re); /* NULL is fine */

/* Is there a match anywhere? 1, 0, or -1: the steps are used up. The text must be UTF-8. Takes what it cost. */
int regex_match(struct regex *re, struct span text, int64_t *steps);
/* May this text become a match by what follows it? 1, 0, or -1 as above. A pattern that may begin anywhere always may:
 * then it is 1. */
int regex_begun(struct regex *re, struct span text, int64_t *steps);
/* As regex_match, from byte 'from' on; *found is the match's span, and groups[0..n) those of its groups (p NULL: not taken
 * part). */
int regex_find(struct regex *re, struct span text, size_t from, int64_t *steps, struct span *found,
               struct span *groups, int n);

/* ---- for regex.c and its tests: a pattern of ECMA-262 in the words of PCRE2 ---- */

struct regex_cost {
    bool nested;   /* repeats what repeats, or looks back */
    bool anchored; /* it can begin at the start of the text only */
    int degree; /* how many unbounded repeats stand behind each other, and 1 when it may begin anywhere */
    int bits; /* log2 of the ways through what is optional */
};

/* Appends PCRE2's spelling. -1 with *err. 'cost' is filled. */
int regex_translate(struct span pattern, struct buf *out, struct regex_cost *cost, struct err *err);

#endif
