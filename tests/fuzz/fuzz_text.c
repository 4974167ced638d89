/* fuzz_text - any bytes as terms and as a text: what is found lies in the text, in order.
 * SPDX-License-Identifier: MIT
 *
 * Input: terms, one a line, an empty line, the text. */
#include "keywords.h"
#include "phrases.h"
#include "pii.h"
#include "words.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { TERMS = 64 };

struct check {
    size_t n, last;
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void on_hit(void *arg, const struct keyword_hit *h)
{
    struct check *c = arg;

    if (h->from < c->last || h->from >= h->to || h->to > c->n)
        abort();
    c->last = h->to;
}

static void find_terms(const struct span *terms, size_t n, struct span text, bool inside)
{
    struct err err;
    struct keywords *k = keywords_new(terms, n, inside, &err);
    struct check c = {text.n, 0};

    if (!k)
        return;
    keywords_find(k, text, on_hit, &c);
    keywords_free(k);
}

static void find_data(struct span text)
{
    struct buf out;
    size_t last = 0;

    buf_init(&out, 64 << 20);
    if (pii_find(text, (1u << PII_KINDS) - 1, 0, &out) < 0)
        abort();
    const struct pii_finding *f = (const struct pii_finding *)(const void *)out.data;
    for (size_t i = 0; i < out.len / sizeof *f; i++) {
        if (f[i].from < last || f[i].from >= f[i].to || f[i].to > text.n || f[i].kind >= PII_KINDS)
            abort();
        last = f[i].from;
    }
    buf_deinit(&out);
}

/* Terms that are phrases; and what was said before is said again. */
static void find_phrases(const struct span *terms, size_t n, struct span text)
{
    enum { SLOTS = 1 << 16 };
    static uint64_t seen[SLOTS];
    struct err err;
    size_t runs;

    for (size_t i = 0; i < n; i++) {
        char *one = strndup(terms[i].p, terms[i].n);
        struct phrase phrase = {one, (int)(i % PHRASES_GROUPS)};
        struct phrases *p = malloc(phrases_size(1));
        struct phrases_seen found = {0};
        struct span rest = text;
        if (p && phrases_make(p, &phrase, 1, &err) == 0)
            while (phrases_look(p, &rest, 50, &found))
                ;
        if (found.groups & ~(UINT32_C(1) << phrase.group) || found.words > text.n)
            abort();
        free(p);
        free(one);
    }
    if (text.n < SLOTS / 2 && words_again(text, seen, SLOTS, &runs) > runs)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span terms[TERMS], text = {(const char *)data, size};
    size_t n = 0;

    while (text.n && text.p[0] != '\n' && n < TERMS) {
        const char *end = memchr(text.p, '\n', text.n);
        size_t len = end ? (size_t)(end - text.p) : text.n;
        terms[n++] = (struct span){text.p, len};
        text.p += len + (end != NULL);
        text.n -= len + (end != NULL);
    }
    find_terms(terms, n, text, false);
    find_terms(terms, n, text, true);
    find_phrases(terms, n, text);
    find_data((struct span){(const char *)data, size});
    return 0;
}
