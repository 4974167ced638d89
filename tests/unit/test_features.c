/* test_features - what is counted in a text, on any bytes, in linear time.
 * SPDX-License-Identifier: MIT */
#include "feature.h"
#include "json.h"
#include "language.h"
#include "tokens.h"

#include "testhelp.h"

#include <stddef.h>
#include <time.h>

static struct lexicon words;

static struct features read_text(const char *text)
{
    struct features f;

    features_read(&words, (struct span){text, strlen(text)}, &f);
    return f;
}

#define FIELD(name) offsetof(struct features, name)

static const struct {
    const char *text;
    size_t field, count;
} cases[] = {
    {"", FIELD(words), 0},
    {"", FIELD(lines), 0},
    {"", FIELD(sentences), 0},
    {" \n\t ", FIELD(words), 0},
    {" \n\t ", FIELD(sentences), 0},
    {"a\nb\n", FIELD(lines), 2},
    {"a\nb", FIELD(lines), 2},
    {"It's a well-known \xe2\x80\x9c"
     "caf\xc3\xa9\xe2\x80\x9d.",
     FIELD(words), 5},
    {"na\xc3\xafve caf\xc3\xa9", FIELD(characters), 10},
    {"don\xe2\x80\x99t stop", FIELD(words), 2},
    {"\xe4\xbd\xa0\xe5\xa5\xbd\xe4\xb8\x96\xe7\x95\x8c", FIELD(words),
     4}, /* Chinese: each character */
    {"\xe0\xb8\xaa\xe0\xb8\xa7\xe0\xb8\xb1\xe0\xb8\xaa\xe0\xb8\x94", FIELD(words), 2}, /* Thai: 5 */
    {"Hi. I paid 1.5, see a.b for more! Why?", FIELD(sentences), 3},
    {"One. Two", FIELD(sentences), 2},
    {"A heading\n\nand a text", FIELD(sentences), 2},
    {"\xe4\xbd\xa0\xe5\xa5\xbd\xe3\x80\x82\xe5\x90\x97\xef\xbc\x9f\xe5\xa5\xbd", FIELD(sentences),
     3},
    {"What?? \"Why?\" and how? a?b ?", FIELD(questions), 4},
    {"\xe4\xbd\xa0\xe5\x90\x97\xef\xbc\x9f", FIELD(questions), 1},
    {"1,250.5 and 12 and 3rd x2", FIELD(numbers), 2},
    {"1. a\n2) b\n (3) c\nStep 4: d\n5.5 e\n1999. f\n6 g", FIELD(steps), 4},
    {"- a\n* b\n\xe2\x80\xa2 c\n-d\n**e**", FIELD(bullets), 3},
    {"```c\nint x;\n```\nand ```y```\n~~~\nz", FIELD(blocks), 3},
    {"```c\nint x;\n```", FIELD(block_bytes), 9},
    {"```\nfirst, must analyse?\n```", FIELD(constraints), 0}, /* code is not prose */
    {"```\na b\n```", FIELD(words), 2},
    {"int f() {\n  x = 1;\n}\nSo it is.", FIELD(code_lines), 3},
    {"2x + 3 = 11", FIELD(formulas), 1},
    {"$x^2$ and a costs $5 but b $7", FIELD(formulas), 1},
    {"\\(a\\) and \\[b\\]", FIELD(formulas), 2},
    {"What is 17 * 23? And 5 / 2?", FIELD(formulas), 2},
    {"a \xc3\x97 b \xe2\x89\xa4 c", FIELD(formulas), 1},
    {"either/or, 12/05/2024, a-b, x < y", FIELD(formulas), 1},
    {"https://a.b/c?d=e. www.x.org, ://no and a:b", FIELD(urls), 2},
    {"see https://a.b/must/first?", FIELD(constraints), 0},
    {"cities stopped making the happiest quickly", FIELD(rare), 0},
    {"the zymurgist obfuscates", FIELD(rare), 2},
    {"Explain. Please write, then show me", FIELD(imperatives), 3},
    {"The test results show a plan", FIELD(imperatives), 0},
    {"Can you list them? Could you please name one", FIELD(imperatives), 2},
    {"1. compare x\n- choose y", FIELD(imperatives), 2},
    {"At most five, no more than ten, without x; you MUST", FIELD(constraints), 4},
    {"if and only if", FIELD(logic), 4}, /* if, if; only if; and the whole */
    {"it. depends", FIELD(vague), 0},    /* no phrase across sentences */
    {"well, it depends", FIELD(vague), 1},
    {"the eigenvalue of a MATRIX", FIELD(technical), 2},
    {"internationalisation", FIELD(long_words), 1},
    {"step by step", FIELD(sequence), 3}, /* step, step, and the phrase */
    {"a = b [c]", FIELD(symbols), 3},
    {"请分析这个问题，比较两种方法，并总结", FIELD(imperatives), 3},
    {"数据分析的方法", FIELD(imperatives), 0},
    {"首先算法，然后", FIELD(sequence), 2},
    {"Beweise zuerst Schritt für Schritt", FIELD(sequence), 4}, /* three words and the phrase */
};

static void test_counts(void)
{
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct features f = read_text(cases[i].text);
        size_t got = *(const size_t *)(const void *)((const char *)&f + cases[i].field);
        if (!test_note(got == cases[i].count, __FILE__, __LINE__))
            fprintf(stderr, "\"%s\" (field %zu): %zu, not %zu\n", cases[i].text,
                    cases[i].field / sizeof(size_t), got, cases[i].count);
    }
}

static void test_languages(void)
{
    struct features f =
        read_text("```Python\nx\n```\n```c++ title=\"a\"\ny\n```\n```python\n```\n```one two`");

    CHECK_INT(f.languages, 2);
    CHECK_BYTES(f.language[0].p, f.language[0].n, "Python");
    CHECK_BYTES(f.language[1].p, f.language[1].n, "c++");
}

/* No two words of the lists share a hash: each is found, as what its list says. */
static void test_lexicon(void)
{
    CHECK(words.used > 1500 && words.used < LEXICON_SLOTS / 2);
    for (const struct lexicon_list *list = lexicon_lists; list->words; list++) {
        if (strchr(list->words, ';'))
            continue;
        for (const char *p = list->words; *p;) {
            uint32_t hash = LEXICON_START;
            for (; *p && *p != ' '; p++)
                hash = lexicon_add(hash, (unsigned char)*p);
            CHECK((lexicon_find(&words, hash) & list->kinds) == list->kinds);
            p += *p == ' ';
        }
    }
}

/* ---- any bytes, any size ---- */

static double seconds(struct span text)
{
    struct timespec a, b;
    struct features f;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &a);
    features_read(&words, text, &f);
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &b);
    CHECK(f.words <= text.n && f.sentences <= text.n && f.characters <= text.n &&
          f.rare <= f.plain && f.imperatives <= f.orders);
    return (double)(b.tv_sec - a.tv_sec) + (double)(b.tv_nsec - a.tv_nsec) / 1e9;
}

/* Eight times the text takes about eight times the time, whatever is repeated. */
static void test_linear(void)
{
    static const char *const parts[] = {
        "a",
        " ",
        "\n",
        "1",
        ".",
        "?",
        "$",
        "$a",
        "$=",
        "`",
        "```",
        "```\n",
        "~~~",
        "~~~x",
        "://",
        "a://",
        "www.",
        "www.,",
        "(",
        "\\(",
        "- ",
        "1. ",
        "Step 1",
        "=",
        "a=",
        "a = ",
        "if ",
        "at ",
        "and ",
        "if and only ",
        "must ",
        "\xff",
        "\xc3",
        "\xc3\xa9",
        "\xe4\xbd\xa0",
        "\xf0\x9f\x98\x80",
        "\0",
        "'",
        "a'",
        "_",
        " \n",
        "\t",
        "\r\n",
        ";\n",
        ": ",
        "1,",
        "1.1",
        "zq",
        "eds",
    };
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

static struct language_table languages;

/* What else is told of a text. */
static void check_others(struct span text)
{
    struct token_counts counts;
    struct language_guess guess = language_find(&languages, text);

    tokens_count(&words, text, &counts);
    CHECK(tokens_estimate(token_families, &counts) <= 2 * text.n + 1);
    CHECK(strlen(guess.code) >= 2 && guess.confidence >= 0 && guess.confidence <= 1);
}

/* Strings that break programs, each of them. */
static void test_naughty(void)
{
    char path[512], part[65536];
    struct buf b, text;
    struct json_iter it = {0};
    struct span key, value;
    int n = 0;

    snprintf(path, sizeof path, "%s/naughty-strings/blns.json", test_vectors());
    FILE *file = fopen(path, "rb");
    if (!file) {
        SKIP("no naughty-strings/blns.json");
        return;
    }
    buf_init(&b, 1 << 20);
    for (size_t got; (got = fread(part, 1, sizeof part, file)) > 0;)
        buf_add(&b, part, got);
    fclose(file);
    buf_init(&text, 1 << 20);
    for (; json_next(buf_span(&b), &it, &key, &value); n++) {
        text.len = 0;
        json_text(value, &text);
        CHECK(seconds(buf_span(&text)) < 0.1);
        check_others(buf_span(&text));
    }
    CHECK(n > 400);
    buf_deinit(&text);
    buf_deinit(&b);
}

int main(void)
{
    lexicon_init(&words);
    language_init(&languages);
    test_counts();
    test_languages();
    test_lexicon();
    test_linear();
    test_naughty();
    return test_report("features");
}
