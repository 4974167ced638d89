/* test_tokens - pieces are counted by what they are, on any bytes, in linear time. How near the estimates come to a
 * published tokenizer, tests/e2e/test_tokens.py says.
 * SPDX-License-Identifier: MIT */
#include "tokens.h"

#include "testhelp.h"

#include <time.h>

static struct lexicon words;

static const struct {
    const char *text;
    enum token_kind kind;
    size_t count;
} cases[] = {
    {"The houses were painted", TOKEN_USUAL, 4},
    {"zq zqx zqxy", TOKEN_SHORT, 3},
    {"schooner brindle", TOKEN_WORD, 2},
    {"schooner", TOKEN_LETTER, 3},
    {"constellation embarrassment", TOKEN_ENDING, 2},
    {"HTTPServerName", TOKEN_CAPITALS, 1},
    {"HTTPServerName", TOKEN_CAPITAL, 4},
    {"getName parse_args", TOKEN_USUAL, 2}, /* get, name */
    {"(word _word .word", TOKEN_LEAD, 3},
    {"1 12 123 1234", TOKEN_DIGITS, 5},
    {"a , b ;", TOKEN_SIGN, 2},
    {"a := b ==== c", TOKEN_SIGNS, 2},
    {"a ==== b", TOKEN_MORE, 2},
    {"a\n\n  \nb\nc ", TOKEN_LINES, 2},
    {"a    b\n    c 5", TOKEN_BLANKS, 3},
    {"na\xc3\xafve caf\xc3\xa9", TOKEN_ACCENTED, 2},
    {"na\xc3\xafve caf\xc3\xa9", TOKEN_ACCENT, 9},
    {"\xd0\xb4\xd0\xbe\xd0\xbc", TOKEN_CYRILLIC, 1},
    {"\xd0\xb4\xd0\xbe\xd0\xbc", TOKEN_CYRILLIC_LETTER, 3},
    {"\xe4\xb8\xad\xe6\x96\x87", TOKEN_HAN_USUAL, 2},
    {"\xe9\xbe\x98", TOKEN_HAN, 1},
    {"\xe3\x81\xb2\xe3\x82\x89", TOKEN_HIRAGANA, 2},
    {"\xe3\x82\xab\xe3\x82\xbf", TOKEN_KATAKANA, 2},
    {"\xe3\x80\x82", TOKEN_WIDE_SIGN, 1},
    {"\xf0\x9f\x98\x80", TOKEN_OTHER, 4},
    {"\xff\xfe", TOKEN_OTHER, 2},
};

static void test_pieces(void)
{
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct token_counts counts;
        tokens_count(&words, (struct span){cases[i].text, strlen(cases[i].text)}, &counts);
        if (!test_note(counts.n[cases[i].kind] == cases[i].count, __FILE__, __LINE__))
            fprintf(stderr, "\"%s\" (kind %d): %zu, not %zu\n", cases[i].text, (int)cases[i].kind,
                    counts.n[cases[i].kind], cases[i].count);
    }
}

static void test_families(void)
{
    struct token_counts none = {{0}}, one = {{0}};

    one.n[TOKEN_USUAL] = 100;
    for (const struct token_family *f = token_families; f->name; f++) {
        CHECK(tokens_family(f->name) == f);
        CHECK_INT(tokens_estimate(f, &none), 0);
        size_t n = tokens_estimate(f, &one);
        CHECK(n > 80 && n < 130);
        for (int i = 0; i < TOKEN_KINDS; i++)
            CHECK(f->weights[i] >= 0);
    }
    CHECK(tokens_family("p50k") == NULL);
    for (size_t i = 1; i < TOKENS_USUAL; i++)
        CHECK(tokens_usual[i - 1] < tokens_usual[i]);
}

static double seconds(struct span text)
{
    struct timespec a, b;
    struct token_counts counts;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &a);
    tokens_count(&words, text, &counts);
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &b);
    CHECK(tokens_estimate(token_families, &counts) <= 2 * text.n + 1);
    return (double)(b.tv_sec - a.tv_sec) + (double)(b.tv_nsec - a.tv_nsec) / 1e9;
}

/* Eight times the text takes about eight times the time, whatever is repeated. */
static void test_linear(void)
{
    static const char *const parts[] = {
        "a",    "A",        "aB",        " ",        "\n",           " \n",
        "1",    "(",        "(a",        "'",        "\0",           "\xff",
        "\xc3", "\xc3\xa9", "a\xc3\xa9", "\xd0\xb4", "\xe4\xb8\xad", "\xf0\x9f\x98\x80",
        "tion", "\xe2\x80"};
    enum { SMALL = 128 << 10, LARGE = 8 * SMALL };
    char *text = malloc(LARGE);

    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        size_t n = strlen(parts[i]) ? strlen(parts[i]) : 1;
        for (size_t k = 0; k < LARGE; k++)
            text[k] = parts[i][k % n];
        double small = seconds((struct span){text, SMALL}),
               large = seconds((struct span){text, LARGE});
        if (!test_note(large < 24 * small + 0.02 && large < 1.0, __FILE__, __LINE__))
            fprintf(stderr, "\"%s\": %.4f s, %.4f s\n", parts[i], small, large);
    }
    free(text);
}

int main(void)
{
    lexicon_init(&words);
    test_pieces();
    test_families();
    test_linear();
    return test_report("tokens");
}
