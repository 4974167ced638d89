/* fuzz_outcomes - recorded outcomes, packed or not, are refused, or every text and number of them is one.
 * SPDX-License-Identifier: MIT */
#include "gunzip.h"
#include "outcomes.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define PLAN                                                                                       \
    "{\"prompt\":\"prompt\",%s\"models\":["                                                        \
    "{\"name\":\"a\",\"score\":\"s:a\",\"cost\":\"c:a\",\"answer\":\"t:a\",\"chars\":\"n:a\"},"    \
    "{\"name\":\"b\",\"score\":\"s:b\",\"latency\":\"l:b\",\"input\":1}]}"

static void touch(struct span s)
{
    static volatile char sum;

    for (size_t i = 0; i < s.n; i++)
        sum = (char)(sum + s.p[i]);
}

static void check(struct outcomes *o)
{
    char made[200];

    for (size_t i = 0; i < o->n; i++) {
        touch(o->rows[i].prompt);
        touch(o->rows[i].reference);
        if (o->rows[i].group >= o->groups)
            abort();
        for (int k = 0; k < o->count; k++) {
            const struct outcome *x = outcomes_at(o, i, k);
            if (isinf(x->score) || isinf(x->cost) || x->cost < 0 || x->latency < 0 || x->tokens < 0)
                abort();
            touch(outcomes_answer(o, i, k, made));
        }
    }
    size_t n = o->n;
    if (outcomes_require(o, 0, 1) + o->n != n)
        abort();
}

static void read(struct span file, bool jsonl, const char *more)
{
    struct outcomes o;
    struct err err;
    struct buf plan;

    buf_init(&plan, 4096);
    buf_printf(&plan, PLAN, more);
    if (outcomes_read(&o, file, "f", jsonl, buf_span(&plan), &err) == 0) {
        check(&o);
        outcomes_deinit(&o);
    }
    buf_deinit(&plan);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span file = {(const char *)data, size};
    struct buf out;
    struct err err;

    buf_init(&out, 1 << 20);
    if (gunzip_is(file)) {
        gunzip(file, &out, &err);
        file = buf_span(&out);
    }
    for (int jsonl = 0; jsonl < 2; jsonl++) {
        struct buf names;
        buf_init(&names, 1 << 20);
        outcomes_columns(file, "f", jsonl, &names, &err);
        buf_deinit(&names);
        read(file, jsonl, "");
        read(file, jsonl, "\"group\":\"g\",\"reference\":\"r\",\"where\":[\"w=1\",\"w=\"],");
    }
    buf_deinit(&out);
    return 0;
}
