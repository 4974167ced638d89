/* pii_number - cards, social security numbers, accounts: what groups of digits can be.
 * SPDX-License-Identifier: MIT */
#include "pii_private.h"

#include <string.h>

bool pii_is_one_digit(const char *digits, size_t n)
{
    for (size_t i = 1; i < n; i++)
        if (digits[i] != digits[0])
            return false;
    return true;
}

bool pii_luhn(const char *digits, size_t n)
{
    int sum = 0;

    for (size_t i = 0; i < n; i++) {
        int d = digits[n - 1 - i] - '0';
        if (i % 2)
            d = d * 2 > 9 ? d * 2 - 9 : d * 2;
        sum += d;
    }
    return sum % 10 == 0;
}

/* ---- reading ---- */

static bool is_separator(char c)
{
    return c == ' ' || c == '-' || c == '.' || c == '/' || c == '(' || c == ')';
}

/* Separators up to the next digit; 0 when none follows. A bracket outranks a blank. */
static char read_separator(const struct pii_scan *s, size_t *i)
{
    char kind = 0;
    int n = 0;

    if (text_is_digit(pii_at(s, *i + 1)) && is_separator((char)pii_at(s, *i))) /* mostly one */
        return s->text.p[(*i)++];
    for (; n < 4; n++) {
        char c = (char)pii_at(s, *i + (size_t)n);
        if (text_is_digit((unsigned char)c))
            break;
        if (!is_separator(c) || (n && (c == '.' || c == '/')))
            return 0;
        if (!kind || kind == ' ' || c == '(' || c == ')')
            kind = c;
    }
    if (n > 1 && pii_at(s, *i + (size_t)n - 1) == '-' && pii_at(s, *i + (size_t)n - 2) == ' ')
        return 0; /* "12 -3": a sign */
    *i += (size_t)n;
    return n && n < 4 ? kind : 0;
}

/* Nothing that is looked for has two groups of one digit in a row, but behind the "(0)" of a phone number. */
static bool is_list(const struct pii_digits *m, int count)
{
    if (count != 1 || !m->n || m->count[m->n - 1] != 1)
        return false;
    return m->n > 2 || m->digits[m->done[m->n - 1] - 1] != '0';
}

static bool read_group(const struct pii_scan *s, struct pii_digits *m, size_t *i, char separator)
{
    int used = m->n ? (int)m->done[m->n - 1] : 0, count = 0;
    size_t left = *i < s->text.n ? s->text.n - *i : 0;
    const char *p = s->text.p + *i;

    for (; (size_t)count < left && text_is_digit((unsigned char)p[count]); count++) {
        if (used + count == PII_DIGITS)
            return false;
        m->digits[used + count] = p[count];
    }
    if (!count || m->n == PII_GROUPS || is_list(m, count))
        return false;
    *i += (size_t)count;
    m->before[m->n] = separator;
    m->count[m->n] = count;
    m->end[m->n] = *i;
    m->shape[m->n] = (m->n ? m->shape[m->n - 1] << 4 : 0) | (count < 16 ? (uint32_t)count : 0);
    if (m->even == m->n && (m->n < 2 || separator == m->before[1]))
        m->even++;
    m->done[m->n++] = (size_t)(used + count);
    return true;
}

/* Groups that end in a letter belong to something else. */
static void drop_words(const struct pii_scan *s, struct pii_digits *m)
{
    while (m->n && pii_is_word(pii_at(s, m->end[m->n - 1])) && pii_at(s, m->end[m->n - 1]) < 0x80 &&
           (pii_at(s, m->end[m->n - 1]) | 0x20) != 'x')
        m->n--;
}

static void read_number(const struct pii_scan *s, size_t i, struct pii_digits *m)
{
    char separator = 0;

    m->from = i;
    m->n = m->even = 0;
    m->plus = pii_at(s, i) == '+';
    if (m->plus || pii_at(s, i) == '(')
        i++;
    if (m->plus && pii_at(s, i) == '(')
        i++;
    while (read_group(s, m, &i, separator)) {
        separator = read_separator(s, &i);
        if (!separator)
            break;
    }
    if (text_is_digit(pii_at(s, i)) && m->n && m->end[m->n - 1] == i)
        m->n = 0; /* longer than anything that is looked for */
    drop_words(s, m);
    m->digits[m->n ? m->done[m->n - 1] : 0] = 0;
}

static int value(const char *digits, int from, int n)
{
    int v = 0;

    for (int i = from; i < from + n; i++)
        v = v * 10 + digits[i] - '0';
    return v;
}

/* ---- cards ---- */

struct brand {
    const char *name;
    int first, last, prefix; /* of so many digits */
    int least, most;         /* digits */
};

/* Issuers' ranges as ISO/IEC 7812 registrations are published; narrow ones first. */
static const struct brand brands[] = {
    {"visa", 4, 4, 1, 13, 13},
    {"visa", 4, 4, 1, 16, 16},
    {"visa", 4, 4, 1, 19, 19},
    {"mastercard", 51, 55, 2, 16, 16},
    {"mastercard", 2221, 2720, 4, 16, 16},
    {"amex", 34, 34, 2, 15, 15},
    {"amex", 37, 37, 2, 15, 15},
    {"discover", 6011, 6011, 4, 16, 19},
    {"discover", 644, 659, 3, 16, 19},
    {"jcb", 3528, 3589, 4, 16, 19},
    {"jcb", 2131, 2131, 4, 15, 15},
    {"jcb", 1800, 1800, 4, 15, 15},
    {"diners", 300, 305, 3, 14, 19},
    {"diners", 309, 309, 3, 14, 19},
    {"diners", 36, 36, 2, 14, 19},
    {"diners", 38, 39, 2, 14, 19},
    {"mir", 2200, 2204, 4, 16, 19},
    {"uatp", 1, 1, 1, 15, 15},
    {"unionpay", 62, 62, 2, 16, 19},
    {"maestro", 50, 50, 2, 12, 19},
    {"maestro", 56, 58, 2, 12, 19},
    {"maestro", 6, 6, 1, 12, 19},
};

static const struct brand *brand_of(const char *digits, int n)
{
    for (size_t i = 0; i < sizeof brands / sizeof *brands; i++) {
        int prefix = value(digits, 0, brands[i].prefix);
        if (n >= brands[i].least && n <= brands[i].most && prefix >= brands[i].first &&
            prefix <= brands[i].last)
            return &brands[i];
    }
    return NULL;
}

static size_t find_card(struct pii_scan *s, const struct pii_digits *m)
{
    bool about = pii_about(s, ABOUT_CARD, m->from);

    for (int g = m->count[0] < 4 ? 1 : m->n < 5 ? m->n : 5; g > 0; g--) {
        int n = (int)m->done[g - 1];
        if (n < 12 || n > 19 || !pii_is_even(m, g, ' ', '-', ' '))
            continue;
        const struct brand *brand = brand_of(m->digits, n);
        if ((!brand && (!about || n < 14)) || !pii_luhn(m->digits, (size_t)n) ||
            pii_is_one_digit(m->digits, (size_t)n))
            continue;
        bool usual = brand && n > 13 && brand->prefix > 1;
        bool nobody = g == 1 && pii_nearest(s, ABOUT_NOBODY, m->from, 24);
        float score = !brand             ? 0.7f
                      : about            ? 0.98f
                      : nobody || n < 14 ? 0.25f
                      : g > 1 || usual   ? 0.9f
                                         : 0.8f;
        return pii_note(s, PII_CREDIT_CARD, score, brand ? brand->name : NULL, m->from,
                        m->end[g - 1]);
    }
    return m->from;
}

/* ---- United States: social security and taxpayer numbers ---- */

static bool is_ssn(const char *d)
{
    static const char *const published[] = {"078051120", "219099999", "123456789", "987654320"};
    int area = value(d, 0, 3);

    for (size_t i = 0; i < sizeof published / sizeof *published; i++)
        if (memcmp(d, published[i], 9) == 0)
            return false;
    return area && area != 666 && area < 900 && value(d, 3, 2) && value(d, 5, 4) &&
           !pii_is_one_digit(d, 9);
}

static bool is_itin(const char *d)
{
    int group = value(d, 3, 2);

    return d[0] == '9' && ((group >= 50 && group <= 65) || (group >= 70 && group <= 88) ||
                           (group >= 90 && group <= 92) || (group >= 94 && group <= 99));
}

static size_t find_ssn(struct pii_scan *s, const struct pii_digits *m)
{
    int g = m->n < 3 ? m->n : 3;

    while (g && m->done[g - 1] > 9)
        g--;
    if (!g || m->done[g - 1] != 9 || !pii_is_even(m, g, ' ', '-', ' '))
        return m->from;
    uint32_t shape = m->shape[g - 1];
    bool usual = shape == 0x324, halves = shape == 0x36 || shape == 0x54;
    if (!usual && g > 1 && !(halves && m->before[1] == '-'))
        return m->from;
    bool itin = is_itin(m->digits);
    if (!itin && !is_ssn(m->digits))
        return m->from;
    bool nobody = pii_nearest(s, ABOUT_NOBODY, m->from, 24);
    float score = pii_about(s, ABOUT_SSN, m->from) ? 0.95f : usual && !nobody ? 0.85f : 0.2f;
    return pii_note(s, itin ? PII_US_ITIN : PII_US_SSN, score, NULL, m->from, m->end[g - 1]);
}

/* ---- accounts, by the words before them ---- */

/* "12000000": a count, not a number of something. */
static bool is_round(const struct pii_digits *m)
{
    return m->done[0] > 4 && memcmp(m->digits + m->done[0] - 4, "0000", 4) == 0;
}

static void find_account(struct pii_scan *s, const struct pii_digits *m)
{
    size_t n = m->done[0];

    if (m->plus || (m->n > 1 && m->before[1] != ' ') || is_round(m))
        return;
    bool nobody = pii_nearest(s, ABOUT_NOBODY, m->from, CONTEXT_BYTES);
    if (n >= 8 && n <= 17)
        pii_note(s, PII_BANK_ACCOUNT, pii_about(s, ABOUT_BANK, m->from) && !nobody ? 0.6f : 0.05f,
                 NULL, m->from, m->end[0]);
    if (n == 9)
        pii_note(s, PII_PASSPORT, pii_about(s, ABOUT_PASSPORT, m->from) && !nobody ? 0.6f : 0.05f,
                 NULL, m->from, m->end[0]);
}

/* The end of an id that a word before it tells of; m->from: there is none, or only by its look. */
static size_t find_ids(struct pii_scan *s, const struct pii_digits *m)
{
    size_t end = m->from;

    for (int g = m->n; g > 0 && m->done[g - 1] > 8 && end == m->from; g--)
        if (m->done[g - 1] <= 18)
            end = pii_digit_ids(s, m->digits, m->done[g - 1], g > 1 ? m->shape[g - 1] : 0, m->from,
                                m->end[g - 1]);
    return end;
}

size_t pii_number(struct pii_scan *s, size_t i)
{
    struct pii_digits m;
    unsigned char before = pii_before(s, i);

    if ((pii_is_word(before) && before < 0x80) ||
        (before == '.' && i > 1 && text_is_digit((unsigned char)s->text.p[i - 2])))
        return i;
    read_number(s, i, &m);
    if (!m.n || m.done[m.n - 1] < 7)
        return i;
    if (m.plus || pii_at(s, i) == '(')
        return pii_phone(s, &m);
    size_t end = find_card(s, &m);
    if (end > i)
        return end;
    size_t had = s->out->len, told = find_ids(s, &m);
    if (told > i)
        return told;
    find_account(s, &m);
    end = find_ssn(s, &m);
    if (end > i && s->out->len > had && m.n > 1)
        return end;
    if (end == i && m.n > 2 && m.done[m.n - 1] > 13 && pii_is_even(&m, m.n, ' ', '-', ' '))
        return m.end[m.n - 1]; /* a long number of another kind, or a wrong one; not parts of it */
    size_t phone = pii_phone(s, &m);
    return phone > end ? phone : end;
}
