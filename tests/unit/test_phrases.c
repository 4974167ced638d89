/* test_phrases - the words of a text, phrases in them, and runs that come again.
 * SPDX-License-Identifier: MIT */
#include "phrases.h"
#include "words.h"

#include "testhelp.h"

static struct span text_of(const char *s)
{
    return (struct span){s, strlen(s)};
}

/* ---- words ---- */

static void check_words(const char *text, const char *want)
{
    struct span rest = text_of(text), word;
    char all[200] = "", folded[64];

    while (words_next(&rest, &word)) {
        size_t n = words_fold(word, folded, sizeof folded);
        snprintf(all + strlen(all), sizeof all - strlen(all), "%.*s|", (int)n, folded);
    }
    CHECK_STR(all, want);
}

static void test_words(void)
{
    check_words("", "");
    check_words(" .,;' '' ", "");
    check_words("It's the DOGS' bone, 'tis said.", "it's|the|dogs|bone|tis|said|");
    check_words("a1-b2_c3", "a1|b2|c3|");
    check_words("don\xE2\x80\x99t", "don't|");
    check_words("\xC3\xA9t\xC3\xA9 \xFF", "\xC3\xA9t\xC3\xA9|\xFF|");
    struct span word = {"abcdef", 6};
    char to[4];
    CHECK_INT(words_fold(word, to, sizeof to), 4);
    CHECK(words_hash(text_of("Word")) == words_hash(text_of("wORD")));
    CHECK(words_hash(text_of("word")) != words_hash(text_of("words")));
}

/* ---- runs ---- */

static double share(const char *text)
{
    static uint64_t seen[4096];
    size_t runs, again = words_again(text_of(text), seen, 4096, &runs);

    return runs ? (double)again / (double)runs : -1;
}

static void test_again(void)
{
    char many[2000] = "";

    CHECK(share("") == -1);
    CHECK(share("one two three four") == -1);
    CHECK(share("one two three four five") == 0);
    CHECK(share("one two three four five ONE Two, three: four five") == 1.0 / 6);
    for (int i = 0; i < 100; i++)
        strcat(many, "ha! ");
    CHECK(share(many) == 95.0 / 96);
    many[0] = 0;
    for (int i = 0; i < 100; i++)
        snprintf(many + strlen(many), 20, "w%d ", i);
    CHECK(share(many) == 0);
}

/* ---- phrases ---- */

static const struct phrase some[] = {
    {"i don't know", 0}, {"i'm not sure", 0}, {"perhaps", 1}, {"i think", 1},
    {"conf*", 2},        {"as far as*", 3},   {"a", 4},       {"\xC3\xA9t\xC3\xA9", 5},
};

/* In memory of its own; NULL with *err. */
static struct phrases *made(const struct phrase *all, size_t n, struct err *err)
{
    struct phrases *p = malloc(phrases_size(n));

    if (p && phrases_make(p, all, n, err) == 0)
        return p;
    free(p);
    return NULL;
}

static uint32_t look(const char *text)
{
    static struct phrases *p;
    struct err err;

    if (!p)
        p = made(some, sizeof some / sizeof *some, &err);
    if (!text) {
        free(p);
        p = NULL;
        return 0;
    }
    struct phrases_seen seen = {0};
    struct span rest = text_of(text);
    CHECK(!phrases_look(p, &rest, SIZE_MAX, &seen));
    return seen.groups;
}

static void test_phrases(void)
{
    CHECK_INT(look(""), 0);
    CHECK_INT(look("Nothing of that."), 0);
    CHECK_INT(look("Well,\nI DON'T -- know"), 1);
    CHECK_INT(look("I don\xE2\x80\x99t know"), 1);
    CHECK_INT(look("I\xE2\x80\x99m not sure"), 1);
    CHECK_INT(look("I don't \xE2\x80\x99 know"), 1);
    CHECK_INT(look("\xE2\x80\x99\xE2\x80\x99perhaps\xE2\x80\x99\xE2\x80\x99"), 2);
    CHECK_INT(look("\xE2\x80\x99i\xE2\x80\x99 think\xE2\x80\x99"), 2);
    CHECK_INT(look("\xE2\x80\x99"), 0);
    CHECK_INT(look("i don't"), 0);
    CHECK_INT(look("i don't knowingly"), 0);
    CHECK_INT(look("mi don't know"), 0);
    CHECK_INT(look("Perhaps I think so; my confidence: 85%"), 2 | 4);
    CHECK_INT(look("conf"), 4);
    CHECK_INT(look("unconfirmed con"), 0);
    CHECK_INT(look("as far as"), 8);
    CHECK_INT(look("As far asked"), 8);
    CHECK_INT(look("as far"), 0);
    CHECK_INT(look("such A thing"), 16);
    CHECK_INT(look("such A'"), 16);
    CHECK_INT(look("an aa"), 0);
    CHECK_INT(look("l'\xC3\xA9t\xC3\xA9, \xC3\xA9t\xC3\xA9"), 32);
    look(NULL);
}

static struct phrases_seen look_at(const struct phrases *p, const char *text)
{
    struct phrases_seen seen = {0};
    struct span rest = text_of(text);

    CHECK(!phrases_look(p, &rest, SIZE_MAX, &seen));
    return seen;
}

static void test_the_rest(void)
{
    struct err err;
    struct phrases *p = made(NULL, 0, &err);

    struct phrases_seen seen = look_at(p, "The 'cat' sat.");
    CHECK_INT(seen.words, 3);
    CHECK(seen.opening == look_at(p, "a CAT's meow").opening);
    CHECK(seen.opening == look_at(p, "\xE2\x80\x99 \xE2\x80\x99 cat\xE2\x80\x99").opening);
    CHECK(seen.opening != look_at(p, "the dog").opening);
    CHECK(look_at(p, "the an a").opening == 0);
    free(p);
    free(NULL);
}

/* Bit by bit it sees the same, and what it compares is bounded. */
static void test_work(void)
{
    const struct phrase all[] = {{"a a a a a b", 0}, {"a a a a a c", 0}, {"a*b", 1}, {"ab*", 1}};
    struct err err;
    struct phrases *p = made(all, 2, &err);
    char text[2001] = "", end[] = " a a a a a c";
    int turns = 0;

    CHECK(!made(all + 2, 1, &err));
    for (int i = 0; i < 990; i++)
        strcat(text, "a ");
    strcpy(text + 1980, end);
    struct phrases_seen seen = {0};
    struct span rest = text_of(text);
    for (; phrases_look(p, &rest, 100, &seen); turns++)
        CHECK(seen.words <= (size_t)(turns + 1) * 2);
    CHECK(turns > 400);
    CHECK(seen.groups == 1 && seen.words == 996);
    free(p);
}

static void test_refused(void)
{
    static const char *const bad[] = {"",      " ",     "*",      "a*",  "two  blanks",
                                      " lead", "tail ", "Upper",  "a-b", "dogs'",
                                      "x *",   "a* b",  "star**", "a\tb"};
    struct err err;
    struct phrase long_one = {"", 0}, far = {"fine", PHRASES_GROUPS};
    char text[PHRASE_BYTES + 2];

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct phrase one = {bad[i], 0};
        if (made(&one, 1, &err))
            fprintf(stderr, "taken: '%s'\n", bad[i]);
        CHECK(!made(&one, 1, &err) && err.code == ERR_BAD_REQUEST);
    }
    memset(text, 'x', sizeof text);
    text[PHRASE_BYTES + 1] = 0;
    long_one.text = text;
    CHECK(!made(&long_one, 1, &err));
    CHECK(!made(&far, 1, &err));
    CHECK(!made(&far, PHRASES_MAX + 1, &err) && err.code == ERR_BUDGET);
}

int main(void)
{
    test_words();
    test_again();
    test_phrases();
    test_the_rest();
    test_work();
    test_refused();
    return test_report("phrases");
}
