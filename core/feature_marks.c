/* feature_marks - where a numbered step begins, and which stops end no sentence.
 * SPDX-License-Identifier: MIT */
#include "feature_marks.h"

#include "text_char.h"

#include <string.h>
#include <strings.h>

enum { STEP_DIGITS = 3, TITLE_MAX = 4 };

static unsigned char byte(struct span s, size_t i)
{
    return i < s.n ? (unsigned char)s.p[i] : 0;
}

static bool stands(struct span s, size_t i, const char *what)
{
    size_t n = strlen(what);

    return i <= s.n && s.n - i >= n && memcmp(s.p + i, what, n) == 0;
}

/* ---- steps ---- */

/* Behind digits, ASCII or full-width, or 0. */
static size_t digits_end(struct span s, size_t i)
{
    size_t from = i;

    for (int n = 0; n < STEP_DIGITS; n++) {
        if (text_is_digit(byte(s, i)))
            i++;
        else if (stands(s, i, "\xef\xbc") && byte(s, i + 2) >= 0x90 && byte(s, i + 2) <= 0x99)
            i += 3;
        else
            break;
    }
    return i > from ? i : 0;
}

/* "1.", "(1)", "1)" before a blank; "1、", "１．" before anything. */
static size_t numbered(struct span s, size_t at)
{
    size_t i = digits_end(s, at + (byte(s, at) == '('));

    if (!i)
        return 0;
    if ((byte(s, i) == '.' || byte(s, i) == ')') && (i + 1 >= s.n || text_is_blank(byte(s, i + 1))))
        return i + 1;
    return stands(s, i, "、") || stands(s, i, "．") || stands(s, i, "）") ? i + 3 : 0;
}

/* "Step 2" in some languages: behind the number. */
static size_t named(struct span s, size_t at)
{
    static const char *const words[] = {"step ",  "schritt ", "étape ", "Étape ", "paso ",
                                        "passo ", "stap ",    "шаг ",   "Шаг ",   "步骤"};

    for (size_t k = 0; k < sizeof words / sizeof *words; k++) {
        size_t n = strlen(words[k]);
        if (s.n - at > n && strncasecmp(s.p + at, words[k], n) == 0)
            return digits_end(s, at + n);
    }
    return 0;
}

/* "第一步", "第12步" */
static size_t counted(struct span s, size_t at)
{
    if (!stands(s, at, "第"))
        return 0;
    for (size_t i = at + 3; i < s.n && i <= at + 12; i += text_is_digit(byte(s, i)) ? 1 : 3)
        if (stands(s, i, "步"))
            return i + 3;
    return 0;
}

size_t mark_step(struct span s, size_t at)
{
    unsigned char c = byte(s, at);
    size_t end = 0;

    if (c == '(' || c == 0xef || text_is_digit(c))
        return numbered(s, at);
    if (c == 0xe2) /* ① to ⑳ */
        return byte(s, at + 1) == 0x91 && byte(s, at + 2) >= 0xa0 && byte(s, at + 2) <= 0xb3
                   ? at + 3
                   : 0;
    if ((c >= 0x80 && c != ' ') || memchr("sSpP", c, 4))
        end = named(s, at);
    return end || c < 0x80 ? end : counted(s, at);
}

/* ---- stops ---- */

static bool is_title(struct span s, size_t from, size_t n)
{
    static const char *const titles[] = {"dr", "mr", "mrs", "ms", "prof", "st", "vs"};

    for (size_t k = 0; k < sizeof titles / sizeof *titles; k++)
        if (strlen(titles[k]) == n && strncasecmp(s.p + from, titles[k], n) == 0)
            return true;
    return false;
}

/* The letter after the blanks behind the stop, or 0: another sign, or another line. */
static unsigned char letter_behind(struct span s, size_t stop)
{
    size_t i = stop + 1;

    while (byte(s, i) == ' ')
        i++;
    return i > stop + 1 && text_is_letter(byte(s, i)) ? byte(s, i) : 0;
}

bool mark_abbreviation(struct span s, size_t at)
{
    size_t from = at;
    unsigned char next = letter_behind(s, at);

    if (!next)
        return false;
    while (from && at - from <= TITLE_MAX && text_is_letter(byte(s, from - 1)))
        from--;
    unsigned char before = from ? byte(s, from - 1) : ' ';
    size_t n = at - from;

    if (n == 1 && before == '.' && from > 1) /* "p.m.", "U.S."; "e.g.", "i.e." */
        return text_is_lower(next) || strncasecmp(s.p + from - 2, "e.g", 3) == 0 ||
               strncasecmp(s.p + from - 2, "i.e", 3) == 0;
    if (n == 1 && text_is_blank(before)) /* an initial; "I" ends sentences */
        return text_is_upper(byte(s, from)) && byte(s, from) != 'I' && text_is_upper(next);
    if (n == 3 && strncasecmp(s.p + from, "etc", 3) == 0)
        return text_is_lower(next);
    return !text_is_alnum(before) && before < 0x80 && is_title(s, from, n);
}
