/* regex - PCRE2, with a budget.
 * SPDX-License-Identifier: MIT */
#include "regex.h"

#include <stdlib.h>
#include <string.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

enum {
    JIT_AFTER = 8,       /* matches: machine code takes time to make */
    CHEAP_BITS = 15,     /* log2 of the steps of a match that nobody counts */
    HEAP_KIB = 16 << 10, /* of one match */
    MATCHES_MAX = 2000000,
    MOMENT = 2000,      /* matches of one that may be dear */
    MOMENT_BYTES = 256, /* on a text of so many bytes */
    MOMENT_STEPS = 50,
    NEST_MAX = 100
};

struct regex {
    pcre2_code *fast;    /* without callouts */
    pcre2_code *counted; /* with them; made when it is needed */
    pcre2_match_data *data;
    pcre2_match_context *plain, *moment, *counting;
    struct regex_cost cost;
    char *pattern; /* PCRE2's spelling */
    size_t size;
    uint32_t options;
    unsigned uses;
    bool jit;
};

static pcre2_code *compile(struct regex *re, uint32_t more, struct err *err)
{
    pcre2_compile_context *ctx = pcre2_compile_context_create(NULL);
    int code = 0;
    PCRE2_SIZE at = 0;
    PCRE2_UCHAR why[200];

    if (!ctx) {
        err_set(err, ERR_BUDGET, "no memory for a pattern");
        return NULL;
    }
    pcre2_set_parens_nest_limit(ctx, NEST_MAX);
    pcre2_code *made =
        pcre2_compile((PCRE2_SPTR)re->pattern, re->size, re->options | more, &code, &at, ctx);
    pcre2_compile_context_free(ctx);
    if (!made) {
        pcre2_get_error_message(code, why, sizeof why);
        err_set(err, ERR_BAD_REQUEST, "%s", (const char *)why);
    }
    return made;
}

static int spell(struct regex *re, struct span pattern, enum regex_flavour flavour, struct err *err)
{
    struct buf b;
    size_t n;

    buf_init(&b, 40 * REGEX_BYTES_MAX);
    if (flavour == REGEX_ECMA) {
        if (regex_translate(pattern, &b, &re->cost, err) < 0) {
            buf_deinit(&b);
            return -1;
        }
        re->options |= PCRE2_DOLLAR_ENDONLY | PCRE2_MATCH_UNSET_BACKREF;
    } else {
        re->cost.nested = true; /* nobody looked */
        re->options |= PCRE2_UCP;
        if (buf_add_span(&b, pattern) < 0) {
            buf_deinit(&b);
            return err_set(err, ERR_BUDGET, "no memory for a pattern");
        }
    }
    if (buf_add(&b, "", 1) < 0) {
        buf_deinit(&b);
        return err_set(err, ERR_BUDGET, "no memory for a pattern");
    }
    re->pattern = buf_take(&b, &n);
    re->size = n - 1;
    return 0;
}

struct regex *regex_new(struct span pattern, enum regex_flavour flavour, int flags, struct err *err)
{
    if (pattern.n > REGEX_BYTES_MAX) {
        err_set(err, ERR_BAD_REQUEST, "a pattern of more than %d bytes", REGEX_BYTES_MAX);
        return NULL;
    }
    struct regex *re = calloc(1, sizeof *re);
    if (!re) {
        err_set(err, ERR_BUDGET, "no memory for a pattern");
        return NULL;
    }
    re->options = PCRE2_UTF | PCRE2_NO_UTF_CHECK | PCRE2_NEVER_BACKSLASH_C |
                  (flags & REGEX_CASELESS ? PCRE2_CASELESS : 0);
    if (spell(re, pattern, flavour, err) < 0)
        goto fail;
    if (flavour == REGEX_PERL)
        re->options &= ~(uint32_t)PCRE2_NO_UTF_CHECK; /* the pattern is anybody's */
    re->fast = compile(re, 0, err);
    if (!re->fast)
        goto fail;
    re->data = pcre2_match_data_create_from_pattern(re->fast, NULL);
    re->plain = pcre2_match_context_create(NULL);
    re->moment = pcre2_match_context_create(NULL);
    re->counting = pcre2_match_context_create(NULL);
    if (!re->data || !re->plain || !re->moment || !re->counting) {
        err_set(err, ERR_BUDGET, "no memory for a pattern");
        goto fail;
    }
    pcre2_set_match_limit(re->plain, MATCHES_MAX);
    pcre2_set_heap_limit(re->plain, HEAP_KIB);
    pcre2_set_match_limit(re->moment, MOMENT);
    pcre2_set_heap_limit(re->moment, HEAP_KIB);
    pcre2_set_match_limit(re->counting, UINT32_MAX);
    pcre2_set_heap_limit(re->counting, HEAP_KIB);
    return re;
fail:
    regex_free(re);
    return NULL;
}

void regex_free(struct regex *re)
{
    if (!re)
        return;
    pcre2_code_free(re->fast);
    pcre2_code_free(re->counted);
    pcre2_match_data_free(re->data);
    pcre2_match_context_free(re->plain);
    pcre2_match_context_free(re->moment);
    pcre2_match_context_free(re->counting);
    free(re->pattern);
    free(re);
}

/* ---- matching ---- */

/* degree * log2(n) + bits says how many steps the worst text of that size takes. */
static bool is_cheap(const struct regex *re, size_t n)
{
    int log = 0;

    if (re->cost.nested)
        return false;
    while (log < 32 && (size_t)1 << log < n + 1)
        log++;
    int bits = re->cost.degree * log + re->cost.bits;
    return re->cost.degree <= 1 ? re->cost.bits <= 8 : bits <= CHEAP_BITS;
}

struct walk {
    int64_t left;
    PCRE2_SIZE at;
};

static int on_item(pcre2_callout_block *block, void *arg)
{
    struct walk *w = arg;
    PCRE2_SIZE now = block->current_position;

    w->left -= 1 + (int64_t)((now > w->at ? now - w->at : w->at - now) / 8);
    w->at = now;
    return w->left < 0 ? PCRE2_ERROR_CALLOUT : 0;
}

static int match_counted(struct regex *re, struct span text, size_t from, uint32_t options,
                         int64_t *steps)
{
    struct walk w = {*steps, from};
    struct err err;

    if (!re->counted)
        re->counted = compile(re, PCRE2_AUTO_CALLOUT, &err);
    if (!re->counted || pcre2_set_callout(re->counting, on_item, &w) < 0)
        return PCRE2_ERROR_NOMEMORY;
    int rc = pcre2_match(re->counted, (PCRE2_SPTR)text.p, text.n, from,
                         PCRE2_NO_UTF_CHECK | options, re->data, re->counting);
    *steps = w.left;
    return rc;
}

static int match_fast(struct regex *re, struct span text, size_t from, pcre2_match_context *limits)
{
    if (++re->uses == JIT_AFTER)
        re->jit = pcre2_jit_compile(re->fast, PCRE2_JIT_COMPLETE) == 0;
    if (re->jit) {
        int rc = pcre2_jit_match(re->fast, (PCRE2_SPTR)text.p, text.n, from, PCRE2_NO_UTF_CHECK,
                                 re->data, limits);
        if (rc != PCRE2_ERROR_JIT_STACKLIMIT)
            return rc;
    }
    return pcre2_match(re->fast, (PCRE2_SPTR)text.p, text.n, from,
                       PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT, re->data, limits);
}

static int match_any(struct regex *re, struct span text, size_t from, int64_t *steps)
{
    if (is_cheap(re, text.n)) {
        *steps -= 4 + (int64_t)(text.n / 16);
        return match_fast(re, text, from, re->plain);
    }
    if (re->cost.anchored && text.n <= MOMENT_BYTES) {
        *steps -= MOMENT_STEPS;
        int rc = match_fast(re, text, from, re->moment);
        if (rc >= 0 || rc == PCRE2_ERROR_NOMATCH)
            return rc;
        *steps -= MOMENT;
    }
    return match_counted(re, text, from, 0, steps);
}

static int match(struct regex *re, struct span text, size_t from, int64_t *steps)
{
    if (*steps < 0)
        return -1;
    int rc = match_any(re, text, from, steps);
    if (rc >= 0)
        return 1;
    return rc == PCRE2_ERROR_NOMATCH ? 0 : -1;
}

int regex_match(struct regex *re, struct span text, int64_t *steps)
{
    return match(re, text.p ? text : SPAN(""), 0, steps);
}

/* With PCRE2_PARTIAL_HARD a matcher that wants to look behind the end says so, whatever else it found: what does not
 * match then, does not by any end. */
int regex_begun(struct regex *re, struct span text, int64_t *steps)
{
    if (*steps < 0)
        return -1;
    if (!re->cost.anchored || text.n == 0)
        return 1;
    int rc = match_counted(re, text, 0, PCRE2_PARTIAL_HARD, steps);
    if (rc >= 0 || rc == PCRE2_ERROR_PARTIAL)
        return 1;
    return rc == PCRE2_ERROR_NOMATCH ? 0 : -1;
}

int regex_find(struct regex *re, struct span text, size_t from, int64_t *steps, struct span *found,
               struct span *groups, int n)
{
    int rc = match(re, text.p ? text : SPAN(""), from, steps);

    if (rc <= 0)
        return rc;
    const PCRE2_SIZE *at = pcre2_get_ovector_pointer(re->data);
    uint32_t pairs = pcre2_get_ovector_count(re->data);
    *found = (struct span){text.p + at[0], at[1] > at[0] ? at[1] - at[0] : 0};
    for (int i = 0; i < n; i++) {
        const PCRE2_SIZE *g = at + 2 * (i + 1);
        bool there = (uint32_t)(i + 1) < pairs && g[0] != PCRE2_UNSET && g[1] >= g[0];
        groups[i] = there ? (struct span){text.p + g[0], g[1] - g[0]} : (struct span){NULL, 0};
    }
    return 1;
}
