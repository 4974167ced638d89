/* schema_run - one check while it runs: what schema_check*.c and schema_report.c share.
 * SPDX-License-Identifier: MIT */
#ifndef SCHEMA_RUN_H
#define SCHEMA_RUN_H

#include "schema_private.h"

struct schema_work {
    struct tape tape;
    struct buf room; /* a text with escapes, of the moment */
    uint64_t *hashes;
    uint32_t *slots;
    size_t cap_hashes, cap_slots;
    struct arena texts; /* of errors */
    struct schema_error found[SCHEMA_ERRORS_MAX];
};

struct scope { /* the resources that were entered */
    const struct scope *up;
    const struct schema_resource *resource;
};

/* Members or items that something has spoken of, by their order; bit by bit. */
struct seen {
    uint64_t *bits, few[2];
    uint32_t n;
};

enum run_failure { RUN_FINE, RUN_STEPS, RUN_DEPTH, RUN_MEMORY, RUN_PATTERN, RUN_NUMBER };

struct run {
    struct schema *s;
    struct schema_work *w;
    const struct tape *t;
    const struct scope *scope;
    int64_t steps;
    int depth;
    bool listing;   /* errors are noted */
    bool all;       /* and every one is wanted */
    bool beginning; /* the document may go on */
    enum run_failure failed;
    int n; /* errors so far */
    bool more;
};

/* Does the value at 'at' fit? 'seen' (NULL: nobody asks) gets what was spoken of. */
bool run_check(struct run *r, const struct schema_node *node, uint32_t at, struct seen *seen);

bool run_number(struct run *r, const struct schema_node *node, uint32_t at);
bool run_string(struct run *r, const struct schema_node *node, uint32_t at);
bool run_array(struct run *r, const struct schema_node *node, uint32_t at, struct seen *seen);
bool run_object(struct run *r, const struct schema_node *node, uint32_t at, struct seen *seen);

/* Of a beginning: may a member with the name that begins at its end follow in the object at 'at', an item in the array
 * behind whose last item is a comma? Is the cut text 'v' the beginning of one in the set? */
bool run_begun_member(struct run *r, const struct schema_node *node, uint32_t at);
bool run_begun_item(struct run *r, const struct schema_node *node, uint32_t at);
bool run_begun_text(struct run *r, const struct place *v, const struct value_set *set);

/* Always false: the check cannot go on. */
bool run_fail(struct run *r, enum run_failure why);

static inline void seen_mark(struct seen *s, uint32_t i)
{
    s->bits[i / 64] |= UINT64_C(1) << (i % 64);
}
static inline bool seen_has(const struct seen *s, uint32_t i)
{
    return s->bits[i / 64] >> (i % 64) & 1;
}

/* ---- errors; all of these return false ---- */

bool run_wrong(struct run *r, const struct schema_node *node, uint32_t at, const char *keyword,
               const char *format, ...) __attribute__((format(printf, 5, 6)));
bool run_wrong_type(struct run *r, const struct schema_node *node, uint32_t at);
bool run_wrong_value(struct run *r, const struct schema_node *node, uint32_t at,
                     const struct value_set *set);
/* None of the list fits: says what is wrong with the nearest. */
bool run_wrong_choice(struct run *r, const struct schema_node *node, uint32_t at,
                      const char *keyword, const struct schema_nodes *list);

#endif
