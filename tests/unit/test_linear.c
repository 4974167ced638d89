/* test_linear - n-grams of hostile text, model files that are right, damaged or foreign, what they say and how fast.
 * SPDX-License-Identifier: MIT */
#include "csv.h"
#include "linear.h"
#include "ngrams.h"
#include "testhelp.h"

#include <math.h>
#include <time.h>

enum { BITS = 12, BUCKETS = 1 << BITS };

static const struct ngrams how = {.bits = BITS, .least = 2, .most = 5};

/* ---- n-grams ---- */

static int collect_as(const struct ngrams *as, const char *text, size_t n, uint32_t *out, int room)
{
    struct ngrams_reader r;
    uint32_t found[NGRAMS_OUT];
    int sum = 0, got, words;

    ngrams_begin(&r, as, (struct span){text, n});
    while ((got = ngrams_next(&r, found, &words)) > 0)
        for (int i = 0; i < got; i++, sum++)
            if (sum < room)
                out[sum] = found[i];
    return sum;
}

static int collect(const char *text, size_t n, uint32_t *out, int room)
{
    return collect_as(&how, text, n, out, room);
}

static bool same(const char *a, const char *b)
{
    uint32_t x[500], y[500];
    int n = collect(a, strlen(a), x, 500), m = collect(b, strlen(b), y, 500);

    return n == m && memcmp(x, y, (size_t)n * sizeof *x) == 0;
}

static void test_ngrams(void)
{
    uint32_t out[500];

    CHECK(same("Hello World", "hello,  world."));
    CHECK(same("don't", "dont"));
    CHECK(same("don\xe2\x80\x99t", "dont"));
    CHECK(same("room 12", "room 97"));
    CHECK(same("\xc3\x89T\xc3\x89", "\xc3\xa9t\xc3\xa9"));               /* ÉTÉ */
    CHECK(same("\xce\xa3\xce\x91", "\xcf\x83\xce\xb1"));                 /* ΣΑ */
    CHECK(same("\xd0\x9c\xd0\x98\xd0\xa0", "\xd0\xbc\xd0\xb8\xd1\x80")); /* МИР */
    CHECK(!same("one two", "two one"));
    CHECK(!same("why", "why?"));
    CHECK_INT(collect("", 0, out, 500), 0);
    CHECK_INT(collect(" ., ;", 5, out, 500), 0);
    /* one word "ab": itself, a pair, pieces " a" "ab" "b " " ab" "ab " " ab ", the pair with the end */
    CHECK_INT(collect("ab", 2, out, 500), 2 + 6 + 1);
    for (int i = 0; i < 9; i++)
        CHECK(out[i] < BUCKETS);
}

/* The first of each hash, in the same order, and nothing else; words that bring nothing new do not end the text. */
static void test_once(void)
{
    static const char text[] = "one two one two one two three one two, three";
    const struct ngrams once = {.bits = BITS, .least = 2, .most = 5, .once = true};
    uint32_t all[500], first[500];
    int n = collect(text, strlen(text), all, 500), m = 0;

    for (int i = 0; i < n; i++) {
        int k = 0;
        while (k < m && all[k] != all[i])
            k++;
        if (k == m)
            all[m++] = all[i];
    }
    CHECK(m < n);
    CHECK_INT(collect_as(&once, text, strlen(text), first, 500), m);
    CHECK(memcmp(first, all, (size_t)m * sizeof *first) == 0);
}

/* Of a repeated word only itself and two pairs are words, the rest is pieces; then only the end is new. */
static void test_once_counts_words(void)
{
    const struct ngrams once = {.bits = NGRAMS_ONCE_BITS_MAX, .least = 2, .most = 5, .once = true};
    static struct ngrams_reader r;
    uint32_t out[NGRAMS_OUT];
    int words;

    ngrams_begin(&r, &once, (struct span){"ab ab ab", 8});
    CHECK_INT(ngrams_next(&r, out, &words), 8);
    CHECK_INT(words, 2);
    CHECK_INT(ngrams_next(&r, out, &words), 1); /* the pair "ab ab" */
    CHECK_INT(words, 1);
    CHECK_INT(ngrams_next(&r, out, &words),
              1); /* the third "ab" brings nothing: the pair with the end */
    CHECK_INT(words, 1);
    CHECK_INT(ngrams_next(&r, out, &words), 0);
    ngrams_begin(&r, &once, (struct span){"ab", 2}); /* the next text begins anew */
    CHECK_INT(ngrams_next(&r, out, &words), 8);
}

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* A megabyte of each byte, whole words and parts of characters: it ends, and soon. */
static void test_hostile(void)
{
    const size_t n = 1 << 20;
    char *text = malloc(n);
    double before = now();

    for (int c = 0; c < 256 && text; c++) {
        memset(text, c, n);
        CHECK(collect(text, n, NULL, 0) < 8 * NGRAMS_TEXT);
    }
    CHECK(now() - before < 20);
    for (size_t i = 0; i < n && text; i++)
        text[i] = (char)(i * i * 2654435761u >> 13);
    for (size_t k = 0; k < 300 && text; k++)
        collect(text + k, k, NULL, 0);
    free(text);
}

/* ---- a model ---- */

static float weights[8][BUCKETS], importance[BUCKETS];
static unsigned char counts[BUCKETS];

static void teach(int column, const char *text, float weight)
{
    uint32_t out[500];
    int n = collect(text, strlen(text), out, 500);

    for (int i = 0; i < n; i++) {
        weights[column][out[i]] += weight;
        counts[out[i]] = 32;
        importance[out[i]] = 1;
    }
}

static char no[] = "no", yes[] = "yes", apple[] = "apple", none[] = "none", pear[] = "pear";
static char *pair[] = {no, yes}, *three[] = {apple, none, pear};

static void make_as(const struct ngrams *as, struct buf *out, size_t bytes_max, int result)
{
    struct linear_head heads[] = {
        {LINEAR_LABELS, "good", pair, 2, 0, 1, -1, 1, 0, 0, 0, 0},
        {LINEAR_LABELS, "fruit", three, 3, 1, 3, 1, 8, 1, 0, 0, 0},
        {LINEAR_NUMBER, "gain", NULL, 0, 4, 1, -1, 1, 0.5f, 0, -1, 1},
    };
    const float *columns[] = {weights[0], weights[1], weights[2], weights[3], weights[4]};
    const float bias[5] = {0};
    const struct linear_input inputs[] = {{"hard", 10, 0.5f}, {"long", 0, 0}};
    const float input_weights[5][2] = {{0}, {0}, {0}, {0}, {0.1f, 5}};
    struct linear_plan plan = {.how = *as,
                               .heads = heads,
                               .head_count = 3,
                               .columns = 5,
                               .counts = counts,
                               .unseen = 40,
                               .importance = importance,
                               .weights = columns,
                               .bias = bias,
                               .inputs = inputs,
                               .input_count = 2,
                               .input_weights = *input_weights,
                               .bytes_max = bytes_max};
    struct err err;

    memset(weights, 0, sizeof weights);
    teach(0, "a good day", 1);
    teach(1, "red round apple", 1);
    teach(2, "nothing at all", 1);
    teach(3, "green long pear", 1);
    teach(4, "a good day", -1);
    buf_init(out, LINEAR_FILE_MAX);
    CHECK_INT(linear_write(&plan, out, &err), result);
}

static void make(struct buf *out, size_t bytes_max, int result)
{
    make_as(&how, out, bytes_max, result);
}

static const char *fruit(const struct linear *m, const char *text, float *p, bool *known)
{
    int n;
    const struct linear_head *heads = linear_heads(m, &n);
    float scores[8], all[3];

    linear_scores(m, (struct span){text, strlen(text)}, NULL, scores);
    struct linear_answer a = linear_labels(&heads[1], scores, all);
    CHECK(fabsf(all[0] + all[1] + all[2] - 1) < 1e-5f);
    *p = a.p;
    *known = a.known;
    return heads[1].labels[a.best];
}

static void test_answers(void)
{
    struct buf file;
    struct err err;
    float p, scores[8], two[2];
    bool known;
    int n;

    make(&file, LINEAR_FILE_MAX, 0);
    struct linear *m = linear_read(buf_span(&file), &err);
    CHECK(m != NULL);
    if (!m)
        return;
    const struct linear_head *heads = linear_heads(m, &n);
    CHECK_INT(n, 3);
    CHECK_INT(linear_columns(m), 5);
    CHECK_STR(heads[2].name, "gain");
    CHECK_STR(fruit(m, "a red apple", &p, &known), "apple");
    CHECK(known && p > 0.5f);
    CHECK_STR(fruit(m, "PEAR, green!", &p, &known), "pear");
    CHECK(known);
    fruit(m, "nothing at all", &p, &known);
    CHECK(!known && p < 0.5f);
    fruit(m, "zzz qqq", &p, &known); /* never seen: the offset of 'none' decides */
    CHECK(!known);
    linear_scores(m, SPAN("a good day"), NULL, scores);
    linear_labels(&heads[0], scores, two);
    CHECK(two[1] > 0.9f && fabsf(two[0] + two[1] - 1) < 1e-6f);
    CHECK(linear_number(&heads[2], scores) >= -1.0f);
    linear_scores(m, SPAN(""), NULL, scores);
    CHECK(scores[0] == 0);
    CHECK(linear_number(&heads[2], scores) == 0.5f);
    linear_free(m);
    buf_deinit(&file);
}

/* What column 4 adds up to, of an empty text with these inputs. */
static float with_inputs(const struct linear *m, float hard, float length)
{
    const float inputs[] = {hard, length};
    float scores[8];

    linear_scores(m, SPAN(""), inputs, scores);
    return scores[4];
}

static void test_inputs(void)
{
    struct buf file;
    struct err err;
    int n;

    make(&file, LINEAR_FILE_MAX, 0);
    struct linear *m = linear_read(buf_span(&file), &err);
    CHECK(m != NULL);
    if (!m)
        return;
    const struct linear_input *inputs = linear_inputs(m, &n);
    CHECK_INT(n, 2);
    CHECK_STR(inputs[0].name, "hard");
    CHECK(with_inputs(m, 10, 0) == 0);
    CHECK(fabsf(with_inputs(m, 14, 0) - 0.2f) < 1e-6f); /* two deviations */
    CHECK(fabsf(with_inputs(m, 8, 3) + 0.1f) < 1e-6f);  /* one without a spread counts nothing */
    CHECK(fabsf(with_inputs(m, 1e30f, 0) - 0.4f) < 1e-6f);
    CHECK(fabsf(with_inputs(m, -INFINITY, 0) + 0.4f) < 1e-6f);
    CHECK(with_inputs(m, NAN, INFINITY) == 0); /* infinity times no spread: as the mean */
    linear_free(m);
    buf_deinit(&file);
}

static void refuse(struct span file, const char *why)
{
    struct err err = {0};
    struct linear *m = linear_read(file, &err);

    CHECK(m == NULL);
    CHECK(strstr(err.message, why) != NULL);
    if (!strstr(err.message, why))
        fprintf(stderr, "  the message is: %s\n", err.message);
    linear_free(m);
}

/* Every byte is looked after: by the frame, or by the check sum. */
static void test_damage(void)
{
    struct buf file;
    char *copy;

    make(&file, LINEAR_FILE_MAX, 0);
    copy = malloc(file.len + 1);
    refuse(SPAN(""), "no model");
    refuse(SPAN("return { 1 }"), "no model");
    refuse((struct span){file.data, 20}, "damaged");
    refuse((struct span){file.data, file.len - 1}, "damaged");
    memcpy(copy, file.data, file.len);
    copy[file.len] = 0;
    refuse((struct span){copy, file.len + 1}, "damaged");
    for (size_t i = 0; i < file.len; i += i < 300 ? 1 : 997) {
        copy[i] ^= 64;
        refuse((struct span){copy, file.len}, i < 8 ? "no model" : i < 12 ? "version" : "damaged");
        copy[i] ^= 64;
    }
    free(copy);
    buf_deinit(&file);
}

static float good(const struct linear *m, const char *text)
{
    float scores[8];

    linear_scores(m, (struct span){text, strlen(text)}, NULL, scores);
    return scores[0];
}

/* The file says that an n-gram counts once; more bits than that is made for are refused. */
static void test_once_in_a_file(void)
{
    const struct ngrams once = {.bits = BITS, .least = 2, .most = 5, .once = true};
    struct buf file;
    struct err err;

    for (int i = 0; i < 2; i++) {
        make_as(i ? &once : &how, &file, LINEAR_FILE_MAX, 0);
        struct linear *m = linear_read(buf_span(&file), &err);
        CHECK(m != NULL);
        if (m) {
            CHECK(good(m, "good good good") != 0);
            CHECK((good(m, "good good good") == good(m, "good good good good good")) == (i == 1));
            linear_free(m);
        }
        if (i == 0)
            buf_deinit(&file);
    }
    CHECK_INT((unsigned char)file.data[24], BITS | LINEAR_ONCE);
    file.data[24] = (char)((NGRAMS_ONCE_BITS_MAX + 1) | LINEAR_ONCE);
    uint64_t sum = linear_sum((struct span){file.data + 24, file.len - 24});
    for (int i = 0; i < 8; i++)
        file.data[16 + i] = (char)(sum >> 8 * i & 255);
    refuse(buf_span(&file), "do not fit together");
    buf_deinit(&file);
}

/* ---- buckets with owners ---- */

enum { OWN_BITS = 8, OWN_HASHES = 1 << (OWN_BITS + LINEAR_OWN) };

static const struct ngrams owned = {
    .bits = OWN_BITS + LINEAR_OWN, .least = 2, .most = 0, .own = LINEAR_OWN};

static float own_weights[OWN_HASHES], own_importance[OWN_HASHES];
static unsigned char own_counts[OWN_HASHES];

/* The hash of a word's first n-gram. */
static uint32_t hash_of(const char *word)
{
    uint32_t out[8];

    CHECK(collect_as(&owned, word, strlen(word), out, 8) > 0);
    return out[0];
}

/* A word whose bucket is that of 'word', but not its last bits. */
static void find_guest(const char *word, char out[16])
{
    uint32_t own = hash_of(word), h;
    int i = 0;

    do
        snprintf(out, 16, "%c%c%c", 'a' + i / 676 % 26, 'a' + i / 26 % 26, 'a' + i % 26);
    while (i++ < 17576 && ((h = hash_of(out)) == own || h >> LINEAR_OWN != own >> LINEAR_OWN));
    CHECK(i < 17576);
}

static void make_owned(struct buf *out, int heads, int result)
{
    static char names[8][2] = {"a", "b", "c", "d", "e", "f", "g", "h"};
    struct linear_head all[8];
    const float *columns[8];
    const float bias[8] = {0};

    for (int i = 0; i < 8; i++) {
        all[i] = (struct linear_head){.kind = LINEAR_LABELS,
                                      .labels = pair,
                                      .count = 2,
                                      .column = i,
                                      .columns = 1,
                                      .other = -1,
                                      .slope = 1};
        memcpy(all[i].name, names[i], 2);
        columns[i] = own_weights;
    }
    struct linear_plan plan = {.how = owned,
                               .heads = all,
                               .head_count = heads,
                               .columns = heads,
                               .counts = own_counts,
                               .unseen = 40,
                               .importance = own_importance,
                               .weights = columns,
                               .bias = bias,
                               .bytes_max = LINEAR_FILE_MAX};
    struct err err;

    buf_init(out, LINEAR_FILE_MAX);
    CHECK_INT(linear_write(&plan, out, &err), 0);
    struct linear *m = linear_read(buf_span(out), &err);
    CHECK_INT(m != NULL, result);
    linear_free(m);
}

/* An n-gram that only shares its owner's bucket is one that was never seen: it adds nothing, and makes a text longer. */
static void test_owners(void)
{
    uint32_t h = hash_of("river");
    char guest[16], both[40];
    struct buf file;
    struct err err;

    find_guest("river", guest);
    own_weights[h] = 1;
    own_counts[h] = 32;
    own_importance[h] = 1;
    make_owned(&file, 2, true);
    CHECK_INT((unsigned char)file.data[24], OWN_BITS | LINEAR_OWNED);
    struct linear *m = linear_read(buf_span(&file), &err);
    if (m) {
        snprintf(both, sizeof both, "river %s", guest);
        CHECK(good(m, "river") > 0);
        CHECK(good(m, guest) == 0);
        CHECK(good(m, both) > 0 && good(m, both) < good(m, "river"));
    }
    linear_free(m);
    buf_deinit(&file);
    make_owned(&file, LINEAR_OWN_COLUMNS, true);
    buf_deinit(&file);
    make_owned(&file, LINEAR_OWN_COLUMNS + 1,
               false); /* there is no room for more beside the owner */
    buf_deinit(&file);
}

/* A smaller ceiling leaves weights out, the least important ones; none at all is an error. */
static void test_sizes(void)
{
    struct buf file, small;
    struct err err;

    make(&file, LINEAR_FILE_MAX, 0);
    make(&small, file.len - 40, 0);
    CHECK(small.len <= file.len - 40);
    struct linear *m = linear_read(buf_span(&small), &err);
    CHECK(m != NULL);
    linear_free(m);
    buf_deinit(&small);
    make(&small, 4096, -1);
    buf_deinit(&small);
    buf_deinit(&file);
}

/* A routing decision of 500 bytes: 10 us on a quiet machine. The check only finds what is many times too slow. */
static void measure_speed(const struct ngrams *as)
{
    const char *line =
        "Explain how the second law of thermodynamics limits the efficiency of any engine, and "
        "compute the Carnot limit between 300 K and 600 K. ";
    char text[501];
    struct buf file;
    struct err err;
    float scores[8];
    double best = 1;

    for (size_t i = 0; i < 500; i++)
        text[i] = line[i % strlen(line)];
    make_as(as, &file, LINEAR_FILE_MAX, 0);
    struct linear *m = linear_read(buf_span(&file), &err);
    for (int k = 0; k < 20 && m; k++) {
        double before = now();
        for (int i = 0; i < 1000; i++)
            linear_scores(m, (struct span){text, 500}, NULL, scores);
        best = fmin(best, (now() - before) / 1000);
    }
    printf("three heads, 500 bytes%s: %.1f us\n", as->once ? ", once" : "", best * 1e6);
    CHECK(best < 1e-3);
    linear_free(m);
    buf_deinit(&file);
}

static void test_speed(void)
{
    const struct ngrams once = {.bits = BITS, .least = 2, .most = 0, .once = true};

    measure_speed(&how);
    measure_speed(&once);
}

/* ---- csv ---- */

static void read_csv(const char *text, const char *want)
{
    struct csv c;
    struct buf field, all;
    int got;

    buf_init(&field, 1000);
    buf_init(&all, 1000);
    csv_begin(&c, (struct span){text, strlen(text)});
    while ((got = csv_next(&c, &field)) > 0) {
        buf_add_span(&all, buf_span(&field));
        buf_puts(&all, c.row_end ? ";" : "|");
    }
    if (got < 0)
        buf_printf(&all, "error %zu", c.line);
    CHECK_BYTES(all.data ? all.data : "", all.len, want);
    buf_deinit(&field);
    buf_deinit(&all);
}

static void test_csv(void)
{
    read_csv("", "");
    read_csv("a,b\n1,2\n", "a|b;1|2;");
    read_csv("\xef\xbb\xbf"
             "a\r\n\r\nb",
             "a;b;");
    read_csv("\"a,\"\"b\"\"\nc\",d\n", "a,\"b\"\nc|d;");
    read_csv(",\n,", "|;|;");
    read_csv("a\n\"b", "a;error 2");
    read_csv("\"a\"b", "error 1");
}

int main(void)
{
    test_ngrams();
    test_once();
    test_once_counts_words();
    test_hostile();
    test_answers();
    test_inputs();
    test_damage();
    test_once_in_a_file();
    test_owners();
    test_sizes();
    test_speed();
    test_csv();
    return test_report("linear");
}
