/* fuzz_schema - any bytes as a schema, and any bytes against it.
 * SPDX-License-Identifier: MIT
 *
 * The input is a schema and a document, with a zero byte between; the first byte chooses the options. Whatever comes,
 * it ends, and the ways to ask agree: a document that fits has no errors, one that does not has at least one, and
 * no beginning of one that fits is impossible. */
#include "json.h"
#include "schema.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static void insist(bool cond)
{
    if (!cond)
        abort();
}

static void pointers_lead_somewhere(const struct schema_report *report)
{
    for (int i = 0; i < report->n; i++) {
        const struct schema_error *e = &report->found[i];
        insist(e->keyword && e->message.n && (!e->instance.n || e->instance.p[0] == '/'));
    }
}

static void check(struct schema *s, struct span doc, struct schema_work *w, bool beginnings)
{
    struct schema_report first = {.all = false}, all = {.all = true}, begun = {.beginning = true};
    struct err err;
    enum schema_verdict one = schema_check(s, doc, w, &first, &err);

    insist(one != SCHEMA_INVALID || first.n == 1);
    pointers_lead_somewhere(&first);
    enum schema_verdict many = schema_check(s, doc, w, &all, &err);
    insist(many == one || many == SCHEMA_FAILED || one == SCHEMA_FAILED);
    insist(many != SCHEMA_INVALID || all.n >= 1);
    insist(many != SCHEMA_FAILED || err.message[0]);
    pointers_lead_somewhere(&all);
    for (size_t n = 0; beginnings && one == SCHEMA_VALID && n <= doc.n; n += 1 + doc.n / 40)
        insist(schema_check(s, (struct span){doc.p, n}, w, &begun, &err) != SCHEMA_INVALID);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    static struct schema_work *w;
    static const struct schema_remote remotes[] = {
        {{"http://x/y", 10},
         {"{\"$defs\":{\"a\":{\"type\":\"integer\"}},\"$dynamicAnchor\":\"d\"}", 53}}};
    struct err err;

    if (!w)
        w = schema_work_new();
    if (size < 2)
        return 0;
    struct schema_options options = {.draft = data[0] & 1 ? SCHEMA_7 : SCHEMA_2020_12,
                                     .formats = data[0] & 2,
                                     .remotes = remotes,
                                     .n_remotes = 1};
    const char *text = (const char *)data + 1;
    const char *zero = memchr(text, 0, size - 1);
    struct span schema = {text, zero ? (size_t)(zero - text) : size - 1};
    struct span doc = zero ? (struct span){zero + 1, size - 2 - schema.n} : schema;
    struct schema *s = schema_new(schema, &options, &err);
    insist(s || err.message[0]);
    if (s)
        check(s, doc, w, json_check(doc, &err) == 0);
    schema_free(s);
    return 0;
}
