/* test_keywords - every term where it stands, none elsewhere, in time that only the text decides.
 * SPDX-License-Identifier: MIT */
#include "keywords.h"
#include "text_char.h"

#include "testhelp.h"

#include <stdlib.h>
#include <time.h>

struct found {
    struct buf text;
    struct span source;
    size_t n;
    size_t last;
};

static void on_hit(void *arg, const struct keyword_hit *h)
{
    struct found *f = arg;

    CHECK(h->from < h->to && h->to <= f->source.n && h->from >= f->last);
    f->last = h->to;
    f->n++;
    if (f->text.len < 1000)
        buf_printf(&f->text, "%u:%.*s;", h->term, (int)(h->to - h->from), f->source.p + h->from);
}

/* Terms are separated by '|'. */
static struct keywords *make(const char *terms, bool inside, struct err *err)
{
    struct span list[64];
    size_t n = 0;

    for (const char *p = terms;; p++) {
        size_t len = strcspn(p, "|");
        list[n++] = (struct span){p, len};
        p += len;
        if (!*p)
            break;
    }
    return keywords_new(list, n, inside, err);
}

static const struct {
    const char *terms, *text, *found;
    bool inside;
} cases[] = {
    {"he|she|his|hers", "ushers his", "1:she;2:his;", true},
    {"he|she|his|hers", "ushers his", "2:his;", false},
    {"credit card|card", "A Credit\r\n  CARD and a card.", "0:Credit\r\n  CARD;1:card;", false},
    {"new york|york|new york city", "New York City, New York, York",
     "2:New York City;0:New York;1:York;", false},
    {"a b|b c", "a b c", "0:a b;", false},
    {"c++|.net", "C++ and .NET; c+++", "0:C++;1:.NET;0:c++;", false},
    {"straße|ÉCOLE|Москва", "STRAẞE école МОСКВА москвай", "0:STRAẞE;1:école;2:МОСКВА;", false},
    {"東京|京", "私は東京に住む", "0:東京;", false},
    {"straße|maß", "STRASSE Strasse MASS masse", "0:STRASSE;0:Strasse;1:MASS;", false},
    {"strasse", "Straße STRAẞE", "0:Straße;0:STRAẞE;", false},
    {"istanbul|ışık", "İstanbul ISTANBUL i\xcc\x87stanbul IŞIK ışık",
     "0:İstanbul;0:ISTANBUL;0:i\xcc\x87stanbul;1:IŞIK;1:ışık;", false},
    {"οδός|σίσυφος", "ΟΔΟΣ οδός ΣΊΣΥΦΟΣ Σισυφος", "0:ΟΔΟΣ;0:οδός;1:ΣΊΣΥΦΟΣ;1:Σισυφος;", false},
    {"café|nước|й",
     "cafe\xcc\x81 CAFE\xcc\x81 cafe nu\xcc\x9bo\xcc\x9b\xcc\x81"
     "c и\xcc\x86",
     "0:cafe\xcc\x81;0:CAFE\xcc\x81;1:nu\xcc\x9bo\xcc\x9b\xcc\x81"
     "c;2:и\xcc\x86;",
     false},
    {"cafe\xcc\x81|cafe", "café cafe\xcc\x81s cafe", "0:café;1:cafe;", false},
    {"cafe", "cafe\xcc\x81 café cafe\xcc\x84 cafe", "0:cafe;",
     true}, /* no letter is parted from its mark */
    {"don't|e-mail", "DON’T don‘t e‑mail E‐Mail", "0:DON’T;0:don‘t;1:e‑mail;1:E‐Mail;", false},
    {"a b",
     "a\xc2\xa0"
     "b a\xe3\x80\x80\n b a\xe2\x80\xaf"
     "b ab",
     "0:a\xc2\xa0"
     "b;0:a\xe3\x80\x80\n b;0:a\xe2\x80\xaf"
     "b;",
     false},
    {"a\xc2\xa0"
     "b",
     "a b", "0:a b;", false},
    {"visa|fi", "ＶＩＳＡ ﬁ v\xc2\xadi\xe2\x80\x8bsa", "0:ＶＩＳＡ;1:ﬁ;0:v\xc2\xadi\xe2\x80\x8bsa;",
     false},
    {"결제|사과", "결제를 취소, 결제 미결제 사과", "0:결제;0:결제;1:사과;", false},
    {"ss", "ß sß", "0:ß;0:ß;", true},
    {"art", "smart art arts art_ art1 part-art", "0:art;0:art;", false},
    {"a", "a\xff\xe2\x82 a\xc0", "0:a;0:a;", false},
    {"\xff", "\xfe", "0:\xfe;", false}, /* broken bytes are one character */
    {"x|X|x ", " x X", "0:x;0:X;", false},
    {"aa", "aaaaa", "0:aa;0:aa;", true},
};

static void test_cases(void)
{
    struct err err;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct keywords *k = make(cases[i].terms, cases[i].inside, &err);
        struct found f = {.source = {cases[i].text, strlen(cases[i].text)}};
        buf_init(&f.text, 4096);
        CHECK(k != NULL);
        void *block = malloc(keywords_bytes(k)); /* as scripts have them */
        k = keywords_move(k, block);
        keywords_find(k, f.source, on_hit, &f);
        buf_add(&f.text, "", 1);
        CHECK_STR(f.text.data, cases[i].found);
        buf_deinit(&f.text);
        free(block);
    }
}

static void test_refused(void)
{
    struct err err;
    char large[KEYWORD_BYTES + 2];

    memset(large, 'x', sizeof large);
    large[KEYWORD_BYTES + 1] = 0;
    CHECK(!make("a||b", false, &err));
    CHECK_STR(err.message, "keyword 2 must have 1 to 256 bytes");
    CHECK(!make("a| |b", false, &err));
    CHECK(!make(large, false, &err));
    large[KEYWORD_BYTES] = 0;
    struct keywords *k = make(large, false, &err);
    CHECK(k && keywords_bytes(k) > 256);
    keywords_free(k);
    struct keywords *none = keywords_new(NULL, 0, false, &err);
    struct found f = {.source = SPAN("anything")};
    buf_init(&f.text, 10);
    CHECK(none);
    keywords_find(none, f.source, on_hit, &f);
    CHECK(f.n == 0);
    keywords_free(none);
}

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double seconds(const struct keywords *k, struct span text, size_t *hits)
{
    struct found f = {.source = text};
    double best = 1e9;

    for (int i = 0; i < 3; i++) {
        buf_init(&f.text, 0);
        f.n = f.last = 0;
        double start = now();
        keywords_find(k, text, on_hit, &f);
        double took = now() - start;
        best = took < best ? took : best;
    }
    *hits = f.n;
    return best;
}

/* Suffixes of one word in a text of that letter, the worst that terms can be. */
static void test_linear(bool inside)
{
    enum { N = 200, SIZE = 1 << 20 };
    static char a[SIZE];
    struct span terms[N];
    struct err err;
    size_t hits;

    memset(a, 'a', sizeof a);
    for (size_t i = 0; i < N; i++)
        terms[i] = (struct span){a, i + 1};
    struct keywords *k = keywords_new(terms, N, inside, &err);
    CHECK(k);
    CHECK(seconds(k, (struct span){a, SIZE}, &hits) < 0.5);
    CHECK(hits == (inside ? SIZE / N : 0));
    for (size_t i = 0; i < SIZE; i += N + 2)
        a[i] = i % 3 ? ' ' : 'b';
    CHECK(seconds(k, (struct span){a, SIZE}, &hits) < 0.5);
    keywords_free(k);
}

/* Every term of a large set is found, and nothing that only looks like one. */
static void test_many(void)
{
    enum { N = 10000 };
    static char names[N][16];
    struct span terms[N];
    struct err err;
    struct buf text;
    size_t hits;

    buf_init(&text, 1 << 20);
    for (int i = 0; i < N; i++) {
        terms[i].p = names[i];
        terms[i].n = (size_t)snprintf(names[i], sizeof *names, "term%da", i * 7919 % 100003);
        buf_printf(&text, "%sx %s ", names[i], names[i]);
    }
    struct keywords *k = keywords_new(terms, N, false, &err);
    CHECK(k);
    seconds(k, buf_span(&text), &hits);
    CHECK(hits == N);
    buf_deinit(&text);
    keywords_free(k);
}

static void test_chars(void)
{
    int n;

    CHECK(text_fold('A') == 'a' && text_fold(0xc9) == 0xe9 && text_fold(0x1e9e) == 0xdf);
    CHECK(text_fold(0x410) == 0x430 && text_fold(0x3a3) == 0x3c3 && text_fold(0x3c2) == 0x3c3);
    CHECK(text_is_word('_') && text_is_word(0xe9) && text_is_word(0x4e2d) && !text_is_word(0x2014));
    CHECK(!text_is_word(TEXT_BROKEN) && !text_is_word(0));
    CHECK(text_decode(SPAN("\xed\xa0\x80"), 0, &n) == TEXT_BROKEN && n == 1);
    CHECK(text_decode(SPAN("\xf0\x9f\x98\x80"), 0, &n) == 0x1f600 && n == 4);
    for (uint32_t c = 0; c < 0x30000; c++) {
        char bytes[4];
        if (c >= 0xd800 && c <= 0xdfff)
            continue;
        struct span s = {bytes, (size_t)text_encode(c, bytes)};
        if (text_decode(s, 0, &n) != c || (size_t)n != s.n ||
            text_fold(text_fold(c)) != text_fold(c))
            CHECK(c == 0xfffffff);
    }
}

int main(void)
{
    test_chars();
    test_cases();
    test_refused();
    test_linear(true);
    test_linear(false);
    test_many();
    return test_report("keywords");
}
