/* bench_classify - how long the classifiers take: a prompt of 500 bytes, and a text of 100 KB.
 * SPDX-License-Identifier: MIT
 *
 * bench_classify MODEL, a file of 'baton train'. Lines "WHAT LEAST MEDIAN" in microseconds of CPU, of many turns; nothing
 * here decides a test. */
#include "feature.h"
#include "keywords.h"
#include "language.h"
#include "linear.h"
#include "pii.h"
#include "tokens.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { TURNS = 41, PROMPT = 500, TEXT = 100 << 10, TERMS = 10000, MODEL_MAX = 4 << 20 };

/* Prose with a list, a formula and a name, as people write to a model. */
static const char sample[] = "I keep the accounts of a small sailing club and would like to "
                             "understand our costs better. Last year we spent 12,480 "
                             "euros on repairs, mostly for two older boats, and 3,150 euros on "
                             "insurance. First explain which of these costs "
                             "probably depend on how often the boats are used, then estimate what "
                             "happens if the number of members grows by 15%:\n"
                             "1. with the same boats,\n2. with one boat more (about 9,000 euros).\n"
                             "Please use cost = a + b * hours, keep it under 200 words, and write "
                             "to anna.berg@example.org or call 030 5550 1234. ";

struct bench {
    struct lexicon words;
    struct language_table languages;
    struct linear *model;
    float *scores;
    struct keywords *keywords;
    struct span prompt, text;
    size_t sum; /* of results, so that nothing is left out */
};

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static void run_features(struct bench *b)
{
    struct features f;

    features_read(&b->words, b->prompt, &f);
    b->sum += f.words;
}

static void run_linear(struct bench *b)
{
    linear_scores(b->model, b->prompt, NULL, b->scores);
    b->sum += b->scores[0] > 0;
}

static void run_decision(struct bench *b)
{
    run_features(b);
    run_linear(b);
}

static void run_tokens(struct bench *b)
{
    struct token_counts counts;

    tokens_count(&b->words, b->prompt, &counts);
    b->sum += tokens_estimate(token_families, &counts);
}

static void run_language(struct bench *b)
{
    b->sum += language_find(&b->languages, b->prompt).code[0];
}

static void run_pii(struct bench *b)
{
    struct buf out;

    buf_init(&out, 16 << 20);
    b->sum += (size_t)pii_find(b->text, PII_USUAL, 0.3f, &out) + out.len;
    buf_deinit(&out);
}

static void on_hit(void *arg, const struct keyword_hit *h)
{
    *(size_t *)arg += h->to - h->from;
}

static void run_keywords(struct bench *b)
{
    keywords_find(b->keywords, b->text, on_hit, &b->sum);
}

static void run_scan(struct bench *b)
{
    run_pii(b);
    run_keywords(b);
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static void measure(struct bench *b, const char *what, void (*run)(struct bench *), int times)
{
    double turns[TURNS];

    for (int i = 0; i < TURNS; i++) {
        double start = now();
        for (int k = 0; k < times; k++)
            run(b);
        turns[i] = (now() - start) / times;
    }
    qsort(turns, TURNS, sizeof *turns, compare);
    printf("%s %.2f %.2f\n", what, turns[0], turns[TURNS / 2]);
}

static struct span repeat(const char *what, size_t n)
{
    char *p = malloc(n);
    size_t size = strlen(what);

    for (size_t i = 0; i < n; i++)
        p[i] = what[i % size];
    return (struct span){p, n};
}

/* Texts of one kind, which a search for personal data has most to do with. */
static void measure_dense(struct bench *b)
{
    static const char *const dense[][2] = {{"pii-digits", "1 12 123 1234 12345 "},
                                           {"pii-separators", "123-45-6789 12/3 (4) 1.2 "},
                                           {"pii-base64", "QmF0b24/+0aGUgb3Jj "},
                                           {"pii-emails", "ada.l@example.org "}};

    for (size_t i = 0; i < sizeof dense / sizeof *dense; i++) {
        b->text = repeat(dense[i][1], TEXT);
        measure(b, dense[i][0], run_pii, 2);
        free((char *)b->text.p);
    }
}

/* Made-up terms of one and two words; some of them are in the text. */
static struct keywords *make_keywords(struct err *err)
{
    static char names[TERMS][32];
    static struct span terms[TERMS];

    for (int i = 0; i < TERMS; i++) {
        int n = snprintf(names[i], sizeof names[i], i % 3 ? "%c%co%dt" : "insurance %c%c%d",
                         'a' + i % 26, 'a' + i / 26 % 26, i);
        terms[i] = (struct span){names[i], (size_t)n};
    }
    terms[0] = SPAN("sailing club");
    terms[1] = SPAN("euros");
    return keywords_new(terms, TERMS, false, err);
}

static struct linear *read_model(const char *path, struct err *err)
{
    static char file[MODEL_MAX];
    FILE *f = fopen(path, "rb");

    if (!f) {
        err_set(err, ERR_NOT_FOUND, "%s: cannot be read", path);
        return NULL;
    }
    size_t n = fread(file, 1, sizeof file, f);
    fclose(f);
    return linear_read((struct span){file, n}, err);
}

int main(int argc, char **argv)
{
    static struct bench b;
    struct err err;

    b.model = read_model(argc > 1 ? argv[1] : "", &err);
    b.keywords = b.model ? make_keywords(&err) : NULL;
    if (!b.keywords) {
        fprintf(stderr, "bench_classify: %s\n", err.message);
        return 1;
    }
    lexicon_init(&b.words);
    language_init(&b.languages);
    b.scores = calloc((size_t)linear_columns(b.model), sizeof *b.scores);
    b.prompt = repeat(sample, PROMPT);
    b.text = repeat(sample, TEXT);
    measure(&b, "features", run_features, 500);
    measure(&b, "ngrams+linear", run_linear, 500);
    measure(&b, "decision", run_decision, 500);
    measure(&b, "tokens", run_tokens, 500);
    measure(&b, "language", run_language, 500);
    measure(&b, "pii", run_pii, 2);
    measure(&b, "keywords", run_keywords, 2);
    measure(&b, "pii+keywords", run_scan, 2);
    free((char *)b.prompt.p);
    free((char *)b.text.p);
    measure_dense(&b);
    free(b.scores);
    linear_free(b.model);
    keywords_free(b.keywords);
    return b.sum == 0;
}
