/* text_same - what counts as the same when words are looked for: capitals, marks, and other ways to write them.
 * SPDX-License-Identifier: MIT */
#include "text_same.h"

#include "text_char.h"

#include <string.h>

enum { DOT = 0x307, MARKS_MAX = 8 /* on one character */ };

/* The letters that a mark stands on, and what both are together. Made of the canonical decompositions of Unicode 14:
 * Latin, Greek and Cyrillic small letters. */
static const struct composing {
    uint32_t mark;
    const char *letters, *together;
} composings[] = {
    {0x300, "aeiouünеиēōwâăêôơưy", "àèìòùǜǹѐѝḕṑẁầằềồờừỳ"},
    {0x301, "aeiouyclnrszügåæø¨αεηιουωϊϋгкçēïkmõōpũwâăêôơư",
     "áéíóúýćĺńŕśźǘǵǻǽǿ΅άέήίόύώΐΰѓќḉḗḯḱḿṍṓṕṹẃấắếốớứ"},
    {0x302, "aeioucghjswyzạẹọ", "âêîôûĉĝĥĵŝŵŷẑậệộ"},
    {0x303, "anoiuvâăeêôơưy", "ãñõĩũṽẫẵẽễỗỡữỹ"},
    {0x304, "aeiouüäȧæǫöõȯyиуgḷṛ", "āēīōūǖǟǡǣǭȫȭȱȳӣӯḡḹṝ"},
    {0x306, "aegiouижаеуȩạ", "ăĕğĭŏŭйӂӑӗўḝặ"},
    {DOT, "cegzaobdfhmnprsśšṣtwxyi", "ċėġżȧȯḃḋḟḣṁṅṗṙṡṥṧṩṫẇẋẏi"},
    {0x308, "aeiouyιυіеаәжзиоөэучыhõūwxt", "äëïöüÿϊϋїёӓӛӝӟӥӧӫӭӱӵӹḧṏṻẅẍẗ"},
    {0x309, "aâăeêioôơuưy", "ảẩẳẻểỉỏổởủửỷ"},
    {0x30a, "auwy", "åůẘẙ"},
    {0x30b, "ouу", "őűӳ"},
    {0x30c, "cdelnrstzaiouüjgkʒh", "čďěľňřšťžǎǐǒǔǚǰǧǩǯȟ"},
    {0x30f, "aeioruѵ", "ȁȅȉȍȑȕѷ"},
    {0x311, "aeioru", "ȃȇȋȏȓȗ"},
    {0x31b, "ou", "ơư"},
    {0x323, "bdhklmnrstvwzaeioơuưy", "ḅḍḥḳḷṃṇṛṣṭṿẉẓạẹịọợụựỵ"},
    {0x324, "u", "ṳ"},
    {0x325, "a", "ḁ"},
    {0x326, "st", "șț"},
    {0x327, "cgklnrstedh", "çģķļņŗşţȩḑḩ"},
    {0x328, "aeiuo", "ąęįųǫ"},
    {0x32d, "delntu", "ḓḙḽṋṱṷ"},
    {0x32e, "h", "ḫ"},
    {0x330, "eiu", "ḛḭṵ"},
    {0x331, "bdklnrtzh", "ḇḏḵḻṉṟṯẕẖ"},
};

/* A folded character that is written as others; those that are nothing are in is_nothing(). */
static const struct writing {
    uint32_t c;
    uint32_t to[TEXT_SAME_MAX];
} writings[] = {
    {0x00df, {'s', 's'}},      /* ß */
    {0x0131, {'i'}},           /* ı */
    {0x0130, {'i'}},           /* İ */
    {0x0149, {'\'', 'n'}},     /* ŉ */
    {0x0390, {0x3ca}},         /* ΐ */
    {0x03ac, {0x3b1}},         /* ά */
    {0x03ad, {0x3b5}},         /* έ */
    {0x03ae, {0x3b7}},         /* ή */
    {0x03af, {0x3b9}},         /* ί */
    {0x03b0, {0x3cb}},         /* ΰ */
    {0x03cc, {0x3bf}},         /* ό */
    {0x03cd, {0x3c5}},         /* ύ */
    {0x03ce, {0x3c9}},         /* ώ */
    {0x0587, {0x565, 0x582}},  /* և */
    {0x2010, {'-'}},           /* hyphens */
    {0x2011, {'-'}},           /* that do not break */
    {0x2018, {'\''}},          /* apostrophes */
    {0x2019, {'\''}},          /* the usual one */
    {0x02bc, {'\''}},          /* as a letter */
    {0xfb00, {'f', 'f'}},      /* ligatures */
    {0xfb01, {'f', 'i'}},      /* fi */
    {0xfb02, {'f', 'l'}},      /* fl */
    {0xfb03, {'f', 'f', 'i'}}, /* ffi */
    {0xfb04, {'f', 'f', 'l'}}, /* ffl */
    {0xfb05, {'s', 't'}},      /* long st */
    {0xfb06, {'s', 't'}},      /* st */
};

static bool is_white(uint32_t c)
{
    return c == 0x85 || c == 0xa0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200a) || c == 0x2028 ||
           c == 0x2029 || c == 0x202f || c == 0x205f || c == 0x3000;
}

static bool is_nothing(uint32_t c)
{
    return c == 0xad || (c >= 0x200b && c <= 0x200f) || c == 0x2060 || c == 0xfeff ||
           (c >= 0xfe00 && c <= 0xfe0f);
}

/* A character and the mark behind it in one, or 0. */
static uint32_t compose(uint32_t c, uint32_t mark)
{
    for (size_t i = 0; i < sizeof composings / sizeof *composings; i++) {
        if (composings[i].mark != mark)
            continue;
        struct span from = {composings[i].letters, strlen(composings[i].letters)};
        struct span to = {composings[i].together, strlen(composings[i].together)};
        int a, b;
        for (size_t x = 0, y = 0; x < from.n; x += (size_t)a, y += (size_t)b) {
            uint32_t letter = text_decode(from, x, &a), both = text_decode(to, y, &b);
            if (letter == c)
                return both;
        }
        return 0;
    }
    return 0;
}

/* Takes the marks that make one character with 'c'. */
static uint32_t take_marks(struct span s, size_t at, uint32_t c, int *bytes)
{
    for (int i = 0; i < MARKS_MAX && at + (size_t)*bytes < s.n; i++) {
        int n;
        if (!text_may_mark(s.p[at + (size_t)*bytes]))
            break;
        uint32_t both = compose(c, text_decode(s, at + (size_t)*bytes, &n));
        if (!both)
            break;
        c = both;
        *bytes += n;
    }
    return c;
}

static int write_as(uint32_t c, uint32_t to[TEXT_SAME_MAX])
{
    if (is_nothing(c))
        return 0;
    to[0] = is_white(c) ? ' ' : c;
    if (c >= 0xff01 && c <= 0xff5e)
        to[0] = text_fold(c - 0xff01 + '!');
    for (size_t i = 0; i < sizeof writings / sizeof *writings; i++) {
        if (writings[i].c != c)
            continue;
        int n = 0;
        for (; n < TEXT_SAME_MAX && writings[i].to[n]; n++)
            to[n] = writings[i].to[n];
        return n;
    }
    return 1;
}

int text_same(struct span s, size_t at, uint32_t to[TEXT_SAME_MAX], int *bytes, uint32_t *first)
{
    *first = text_decode(s, at, bytes);
    uint32_t c = take_marks(s, at, text_fold(*first), bytes);
    if (c >= 0x80 && !(c >= 0x3001 && c < 0xfb00)) /* what the tables know */
        return write_as(c, to);
    to[0] = text_is_blank((unsigned char)c) && c < 0x80 ? ' ' : c;
    return 1;
}
