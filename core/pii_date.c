/* pii_date - dates, and which of them are somebody's birthday.
 * SPDX-License-Identifier: MIT */
#include "pii_private.h"

#include <string.h>

static int read_digits(const struct pii_scan *s, size_t *i, int most)
{
    int v = 0, n = 0;

    while (n < most && text_is_digit(pii_at(s, *i)))
        v = v * 10 + pii_at(s, (*i)++) - '0', n++;
    return n && !text_is_digit(pii_at(s, *i)) ? v + n * 10000
                                              : -1; /* the value and how it was written */
}

static bool is_name(const struct pii_scan *s, size_t i, size_t n, const char *name)
{
    return strlen(name) == n && strncasecmp(s->text.p + i, name, n) == 0;
}

static int english_month(const struct pii_scan *s, size_t i, size_t n)
{
    static const char *const months[] = {"january",   "february", "march",    "april",
                                         "may",       "june",     "july",     "august",
                                         "september", "october",  "november", "december"};

    for (int m = 0; m < 12; m++) {
        if ((pii_at(s, i + 2) | 0x20) != months[m][2])
            continue;
        size_t all = strlen(months[m]);
        if ((n == all || n == 3 || (n == 4 && m == 8)) && n <= all &&
            strncasecmp(s->text.p + i, months[m], n) == 0)
            return m + 1;
    }
    return 0;
}

/* German, French, Spanish, Italian, Portuguese, Dutch. */
static int other_month(const struct pii_scan *s, size_t i, size_t n)
{
    static const char *const months[12][7] = {
        {"januar", "janvier", "enero", "gennaio", "janeiro", "januari", "jänner"},
        {"februar", "février", "febrero", "febbraio", "fevereiro", "februari"},
        {"märz", "mars", "marzo", "março", "maart"},
        {"avril", "abril", "aprile"},
        {"mai", "mayo", "maggio", "maio", "mei"},
        {"juni", "juin", "junio", "giugno", "junho"},
        {"juli", "juillet", "julio", "luglio", "julho"},
        {"août", "agosto", "augustus"},
        {"septembre", "septiembre", "settembre", "setembro"},
        {"oktober", "octobre", "octubre", "ottobre", "outubro"},
        {"novembre", "noviembre", "novembro"},
        {"dezember", "décembre", "diciembre", "dicembre", "dezembro"},
    };

    for (int m = 0; m < 12; m++)
        for (int k = 0; k < 7 && months[m][k]; k++)
            if (((unsigned char)months[m][k][0] | 0x20) == (pii_at(s, i) | 0x20) &&
                is_name(s, i, n, months[m][k]))
                return m + 1;
    return 0;
}

/* 1 to 12 for the name of a month, or the first three letters of an English one; 0: none. */
static int read_month(const struct pii_scan *s, size_t *i)
{
    size_t n = 0;

    while ((text_is_letter(pii_at(s, *i + n)) || pii_at(s, *i + n) >= 0x80) && n < 12)
        n++;
    if (n < 3)
        return 0;
    int month = english_month(s, *i, n);
    if (!month)
        month = other_month(s, *i, n);
    if (month)
        *i += n;
    return month;
}

static bool is_year(int v)
{
    return v / 10000 == 2 || (v / 10000 == 4 && v % 10000 >= 1800 && v % 10000 <= 2199);
}

static bool is_day(int v)
{
    return v >= 0 && v / 10000 <= 2 && v % 10000 >= 1 && v % 10000 <= 31;
}

/* "T09:15:30.500-07:00" behind a date. */
static size_t time_end(const struct pii_scan *s, size_t i)
{
    size_t at = i;

    if ((pii_at(s, at) != 'T' && pii_at(s, at) != ' ') || !text_is_digit(pii_at(s, at + 1)) ||
        !text_is_digit(pii_at(s, at + 2)) || pii_at(s, at + 3) != ':')
        return i;
    for (at++; at - i < 34; at++) {
        unsigned char c = pii_at(s, at), next = pii_at(s, at + 1);
        if (!(text_is_digit(c) || c == 'Z' || (c && strchr(":.+-", c) && text_is_digit(next))))
            break;
    }
    return at;
}

/* 2024-06-05, 5-20-2021, 21/05/21, 5-MAY-2021 */
static size_t numeric(const struct pii_scan *s, size_t i)
{
    int part[3];
    bool month = false;
    char separator = 0;

    for (int n = 0; n < 3; n++) {
        if (n) {
            char c = (char)pii_at(s, i);
            if ((c != '-' && c != '/' && c != '.') || (separator && c != separator))
                return 0;
            separator = c;
            i++;
        }
        if (n == 1 && text_is_letter(pii_at(s, i))) {
            int m = read_month(s, &i);
            month = m != 0;
            part[n] = m ? m + 10000 : -1;
        } else {
            part[n] = read_digits(s, &i, 4);
        }
        if (part[n] < 0)
            return 0;
    }
    int a = part[0] % 10000, b = part[1] % 10000;
    bool year_first =
        part[0] / 10000 == 4 && is_year(part[0]) && b >= 1 && b <= 12 && is_day(part[2]);
    bool year_last = is_day(part[0]) && is_day(part[1]) && (a <= 12 || b <= 12) &&
                     is_year(part[2]) && part[2] / 10000 > 1 &&
                     !(separator == '.' && part[2] / 10000 == 2 && !month);
    return year_first || year_last ? time_end(s, i) : 0;
}

/* The sign of a year, a month or a day: Chinese and Japanese, or Korean; a blank may follow. */
static bool read_unit(const struct pii_scan *s, size_t *i, const char *sign, const char *korean)
{
    if (s->text.n - *i < 3 ||
        (memcmp(s->text.p + *i, sign, 3) != 0 && memcmp(s->text.p + *i, korean, 3) != 0))
        return false;
    *i += 3;
    if (pii_at(s, *i) == ' ' && text_is_digit(pii_at(s, *i + 1)))
        ++*i;
    return true;
}

/* 1985年3月12日, 1985년 3월 12일 */
static size_t counted(const struct pii_scan *s, size_t i)
{
    int year = read_digits(s, &i, 4);
    if (year / 10000 != 4 || !is_year(year) || !read_unit(s, &i, "年", "년"))
        return 0;
    int month = read_digits(s, &i, 2);
    if (!is_day(month) || month % 10000 > 12 || !read_unit(s, &i, "月", "월"))
        return 0;
    int day = read_digits(s, &i, 2);
    return is_day(day) && read_unit(s, &i, "日", "일") ? i : 0;
}

static void skip_ordinal(const struct pii_scan *s, size_t *i)
{
    static const char ends[][3] = {"st", "nd", "rd", "th", "er"};

    for (size_t k = 0; k < sizeof ends / sizeof *ends; k++)
        if (s->text.n - *i > 2 && memcmp(s->text.p + *i, ends[k], 2) == 0 &&
            !pii_is_word(pii_at(s, *i + 2))) {
            *i += 2;
            return;
        }
}

static void skip_blanks(const struct pii_scan *s, size_t *i)
{
    for (int n = 0; n < 3 && (pii_at(s, *i) == ' ' || pii_at(s, *i) == ',' || pii_at(s, *i) == '.');
         n++)
        ++*i;
}

/* "of ", "de ", "di " */
static void skip_of(const struct pii_scan *s, size_t *i)
{
    static const char words[][4] = {"of ", "de ", "di "};

    for (size_t k = 0; k < sizeof words / sizeof *words; k++)
        if (s->text.n - *i > 3 && memcmp(s->text.p + *i, words[k], 3) == 0) {
            *i += 3;
            return;
        }
}

/* May 5, 1990; 5 May 1990; 5th of May, 1990; 5. Mai 1990; 5 de mayo de 1990 */
static size_t spelled(const struct pii_scan *s, size_t i)
{
    bool month_first = text_is_letter(pii_at(s, i));

    if (month_first && !read_month(s, &i))
        return 0;
    skip_blanks(s, &i);
    if (!is_day(read_digits(s, &i, 2)))
        return 0;
    skip_ordinal(s, &i);
    skip_blanks(s, &i);
    if (!month_first) {
        skip_of(s, &i);
        if (!read_month(s, &i))
            return 0;
        skip_blanks(s, &i);
        skip_of(s, &i);
    }
    int year = read_digits(s, &i, 4);
    return year / 10000 == 4 && is_year(year) ? i : 0;
}

size_t pii_date(struct pii_scan *s, size_t i)
{
    unsigned char before = pii_before(s, i);

    if (pii_is_word(before) || ((before == '/' || before == '-' || before == '.') && i > 1 &&
                                text_is_digit((unsigned char)s->text.p[i - 2])))
        return i;
    size_t end = text_is_digit(pii_at(s, i)) ? numeric(s, i) : 0;
    if (end && pii_at(s, end) == '-' &&
        text_is_digit(pii_at(s, end + 1))) { /* from one to another */
        size_t last = numeric(s, end + 1);
        end = last ? last : end;
    }
    if (!end)
        end = spelled(s, i);
    if (!end)
        end = counted(s, i);
    if (!end || (pii_is_word(pii_at(s, end)) && pii_at(s, end) < 0x80) ||
        (strchr("-/", pii_at(s, end)) && pii_at(s, end) && text_is_digit(pii_at(s, end + 1))))
        return i;
    bool birth = pii_about(s, ABOUT_BIRTH, i);
    s->seen[ABOUT_BIRTH] = 0; /* the next date is of something else */
    if (birth)
        return pii_note(s, PII_DATE_OF_BIRTH, 0.9f, NULL, i, end);
    pii_note(s, PII_DATE, 0.7f, NULL, i, end);
    return end; /* no phone either */
}
