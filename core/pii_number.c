/* pii_number - cards, social security numbers, phones: what groups of digits can be.
 * SPDX-License-Identifier: MIT */
#include "pii_private.h"

#include <string.h>

enum { GROUPS = 8, DIGITS = 24, PARTS = 3 * GROUPS };

/* Digits as they stand, in groups. */
struct number {
    size_t from; /* with '+' or '(' */
    int n;       /* groups */
    int count[GROUPS];
    size_t end[GROUPS];  /* of each group in the text */
    size_t done[GROUPS]; /* digits up to its end */
    char before
        [GROUPS]; /* what separates it from the group before: ' ', '-', '.', '/', '(' or ')' */
    char digits[DIGITS + 1];
    bool plus;
};

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

/* Separators up to the next digit; 0 when none follows. A bracket outranks a blank. */
static char read_separator(const struct pii_scan *s, size_t *i)
{
    char kind = 0;
    int n = 0;

    for (; n < 4; n++) {
        char c = (char)pii_at(s, *i + (size_t)n);
        if (text_is_digit((unsigned char)c))
            break;
        if (!c || !strchr(" -./()", c) || (n && (c == '.' || c == '/')))
            return 0;
        if (!kind || kind == ' ' || c == '(' || c == ')')
            kind = c;
    }
    *i += (size_t)n;
    return n && n < 4 ? kind : 0;
}

static bool read_group(const struct pii_scan *s, struct number *m, size_t *i, char separator)
{
    int used = m->n ? (int)m->done[m->n - 1] : 0, count = 0;

    while (text_is_digit(pii_at(s, *i + (size_t)count)))
        if (used + ++count > DIGITS)
            return false;
    if (!count || m->n == GROUPS)
        return false;
    memcpy(m->digits + used, s->text.p + *i, (size_t)count);
    *i += (size_t)count;
    m->before[m->n] = separator;
    m->count[m->n] = count;
    m->end[m->n] = *i;
    m->done[m->n++] = (size_t)(used + count);
    return true;
}

/* Groups that end in a letter belong to something else. */
static void drop_words(const struct pii_scan *s, struct number *m)
{
    while (m->n && pii_is_word(pii_at(s, m->end[m->n - 1])) &&
           (pii_at(s, m->end[m->n - 1]) | 0x20) != 'x')
        m->n--;
}

static void read_number(const struct pii_scan *s, size_t i, struct number *m)
{
    char separator = 0;

    *m = (struct number){.from = i};
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
    if (text_is_digit(pii_at(s, i))) /* longer than anything that is looked for */
        m->n = m->n && m->end[m->n - 1] == i ? 0 : m->n;
    drop_words(s, m);
    m->digits[m->n ? m->done[m->n - 1] : 0] = 0;
}

/* Are the groups from the second to number n separated by one and the same of these? */
static bool is_even(const struct number *m, int n, const char *separators)
{
    for (int g = 1; g < n; g++)
        if (m->before[g] != m->before[1] || !strchr(separators, m->before[g]))
            return false;
    return true;
}

/* "3-2-4", of the first n groups. */
static void parts_of(const struct number *m, int n, char parts[PARTS])
{
    size_t used = 0;

    for (int g = 0; g < n && m->count[g] < 10; g++) {
        if (g)
            parts[used++] = '-';
        parts[used++] = (char)('0' + m->count[g]);
    }
    parts[n && m->count[0] >= 10 ? 0 : used] = 0;
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

static bool is_one_digit(const char *digits, size_t n)
{
    for (size_t i = 1; i < n; i++)
        if (digits[i] != digits[0])
            return false;
    return true;
}

static size_t find_card(struct pii_scan *s, const struct number *m)
{
    bool about = pii_about(s, ABOUT_CARD, m->from);

    for (int g = m->n; g > 0; g--) {
        int n = (int)m->done[g - 1];
        if (n < 12 || n > 19 || !is_even(m, g, " -") || (g > 1 && (m->count[0] < 4 || g > 5)))
            continue;
        const struct brand *brand = brand_of(m->digits, n);
        if ((!brand && (!about || n < 14)) || !pii_luhn(m->digits, (size_t)n) ||
            is_one_digit(m->digits, (size_t)n))
            continue;
        bool usual = brand && n > 13 && brand->prefix > 1;
        float score = !brand ? 0.7f : about ? 0.98f : g > 1 || usual ? 0.9f : n > 13 ? 0.8f : 0.4f;
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
           !is_one_digit(d, 9);
}

static bool is_itin(const char *d)
{
    int group = value(d, 3, 2);

    return d[0] == '9' && ((group >= 50 && group <= 65) || (group >= 70 && group <= 88) ||
                           (group >= 90 && group <= 92) || (group >= 94 && group <= 99));
}

static size_t find_ssn(struct pii_scan *s, const struct number *m)
{
    char parts[PARTS];
    int g = m->n < 3 ? m->n : 3;

    while (g && m->done[g - 1] > 9)
        g--;
    if (!g || m->done[g - 1] != 9 || !is_even(m, g, " -"))
        return m->from;
    parts_of(m, g, parts);
    bool usual = strcmp(parts, "3-2-4") == 0,
         halves = !strcmp(parts, "3-6") || !strcmp(parts, "5-4");
    if (!usual && g > 1 && !(halves && m->before[1] == '-'))
        return m->from;
    bool itin = is_itin(m->digits);
    if (!itin && !is_ssn(m->digits))
        return m->from;
    float score = pii_about(s, ABOUT_SSN, m->from) ? 0.95f : usual ? 0.85f : 0.2f;
    return pii_note(s, itin ? PII_US_ITIN : PII_US_SSN, score, NULL, m->from, m->end[g - 1]);
}

/* ---- phones ---- */

/* "415-555-0132": neither area nor exchange begins with 0 or 1. */
static bool is_nanp(const char *d)
{
    return d[0] >= '2' && d[3] >= '2';
}

/* Groups as phones have them: none of one digit ("10.0.19045"), two digits at the end only behind two or three
 * ("7702-1140-08"), not four of three digits ("100 200 300 400"). */
static bool is_grouped(const struct number *m, int n)
{
    int threes = 0;

    for (int g = 0; g < n; g++) {
        if (m->count[g] < 2)
            return false;
        threes += m->count[g] == 3;
    }
    return threes < 4 && m->count[n - 2] <= m->count[n - 1] + 1;
}

/* How much the first g groups look like a phone number, when nothing beside them says so. */
static float phone_look(const struct number *m, int g, bool bracket)
{
    char parts[PARTS];
    int n = (int)m->done[g - 1];
    const char *d = m->digits;

    parts_of(m, g, parts);
    if (m->plus)
        return n >= 8 ? 0.9f : 0.6f;
    if (strcmp(parts, "3-3-4") == 0 && is_nanp(d))
        return bracket ? 0.85f : 0.75f;
    if (strcmp(parts, "1-3-3-4") == 0 && d[0] == '1' && is_nanp(d + 1))
        return 0.8f;
    if (strcmp(parts, "3-2-4") == 0 && m->before[1] == '-')
        return 0.15f; /* a social security number, or a wrong one */
    if (bracket && n >= 9)
        return 0.7f;
    if (g > 2 && n >= 9 && n <= 14 && d[0] == '0' && m->count[g - 1] >= 2 && is_even(m, g, " -./"))
        return 0.6f;
    if (g == 2 && m->count[1] < 3)
        return 0; /* a house and its door */
    if (strcmp(parts, "3-4") == 0 && d[0] >= '2' && m->before[1] == '-')
        return 0.35f; /* North America's local numbers */
    if (g == 2 && n >= 10 && n <= 12 && d[0] == '0' && m->count[0] >= 3)
        return 0.45f;
    if (g > 2 && n >= 8 && n <= 13 && is_grouped(m, g) && is_even(m, g, " -."))
        return 0.4f;
    if (g == 1 && n == 11 && d[0] == '1' && d[1] >= '3')
        return 0.35f; /* China's mobiles */
    return n >= 7 && n <= 15 && (g > 1 || n >= 9) ? 0.15f : n >= 7 && n <= 12 ? 0.1f : 0;
}

static size_t read_extension(const struct pii_scan *s, size_t end)
{
    size_t i = end;

    while (pii_at(s, i) == ' ' && i < end + 2)
        i++;
    if ((pii_at(s, i) | 0x20) == 'x')
        i++;
    else if (s->text.n - i > 4 && strncasecmp(s->text.p + i, "ext", 3) == 0)
        i += pii_at(s, i + 3) == '.' ? 4 : 3;
    else
        return end;
    while (pii_at(s, i) == ' ' && i < end + 8)
        i++;
    size_t start = i;
    while (text_is_digit(pii_at(s, i)) && i < start + 6)
        i++;
    return i > start && !pii_is_word(pii_at(s, i)) ? i : end;
}

static int phone_groups(const struct number *m)
{
    int g = m->n;

    while (g && (m->done[g - 1] > 15 || (!m->plus && m->done[g - 1] > 14)))
        g--;
    /* what goes on in the same way is something longer */
    return g > 1 && g < m->n && m->before[g] == m->before[g - 1] && !m->plus ? 0 : g;
}

/* "my number is ..." without a word that says which number. */
static bool is_some_number(const struct pii_scan *s, size_t i)
{
    return pii_about(s, ABOUT_NUMBER, i) && !pii_about(s, ABOUT_CARD, i) &&
           !pii_about(s, ABOUT_BANK, i) && !pii_about(s, ABOUT_SSN, i) &&
           !pii_about(s, ABOUT_ID, i) && !pii_about(s, ABOUT_PASSPORT, i);
}

/* "781 1704 office", "... (fax)", "...-Mobile": the label stands behind the number. */
static bool is_labelled(const struct pii_scan *s, size_t end)
{
    static const char *const labels[] = {"office", "fax",       "mobile",   "cell",     "phone",
                                         "tel",    "telephone", "landline", "voicemail"};
    size_t i = end;

    while (i < end + 3 && pii_at(s, i) && strchr(" -,:;(/\\", pii_at(s, i)))
        i++;
    size_t from = i;
    while (text_is_letter(pii_at(s, i)) && i < from + 10)
        i++;
    if (i == from || pii_is_word(pii_at(s, i)))
        return false;
    for (size_t k = 0; k < sizeof labels / sizeof *labels; k++)
        if (strlen(labels[k]) == i - from &&
            strncasecmp(labels[k], s->text.p + from, i - from) == 0)
            return true;
    return false;
}

/* "... 89 144 233 377": a row of numbers goes on here in the same way. */
static bool is_inside(const struct pii_scan *s, const struct number *m, int g)
{
    char before = (char)pii_before(s, m->from);

    return g > 1 && m->from > 1 && before == m->before[1] &&
           text_is_digit((unsigned char)s->text.p[m->from - 2]);
}

static size_t find_phone(struct pii_scan *s, const struct number *m)
{
    bool about = pii_about(s, ABOUT_PHONE, m->from) || (m->n > 1 && is_some_number(s, m->from)),
         bracket = false;
    int g = phone_groups(m);

    if (!g || m->done[g - 1] < 7 || is_one_digit(m->digits, m->done[g - 1]))
        return m->from;
    for (int i = 1; i < g; i++) {
        bracket |= m->before[i] == ')' || m->before[i] == '(';
        if (m->before[i] == '/' && i > 1)
            return m->from;
    }
    float score = phone_look(m, g, bracket);
    about = about || is_labelled(s, m->end[g - 1]);
    if (!about && score < 0.5f && is_inside(s, m, g))
        return m->from;
    if (about && score > 0)
        score = score < 0.5f ? 0.6f : score + (1 - score) / 2;
    return pii_note(s, PII_PHONE, score, NULL, m->from, read_extension(s, m->end[g - 1]));
}

/* ---- accounts, by the words before them ---- */

static void find_account(struct pii_scan *s, const struct number *m)
{
    size_t n = m->done[0];

    if (m->plus || (m->n > 1 && m->before[1] != ' '))
        return;
    if (n >= 8 && n <= 17)
        pii_note(s, PII_BANK_ACCOUNT, pii_about(s, ABOUT_BANK, m->from) ? 0.6f : 0.05f, NULL,
                 m->from, m->end[0]);
    if (n == 9)
        pii_note(s, PII_PASSPORT, pii_about(s, ABOUT_PASSPORT, m->from) ? 0.6f : 0.05f, NULL,
                 m->from, m->end[0]);
}

static void find_ids(struct pii_scan *s, const struct number *m)
{
    for (int g = m->n < 6 ? m->n : 6; g > 0; g--) {
        char parts[PARTS];
        if (m->done[g - 1] > 18)
            continue;
        parts_of(m, g, parts);
        pii_digit_ids(s, m->digits, m->done[g - 1], parts, m->from, m->end[g - 1]);
    }
}

size_t pii_number(struct pii_scan *s, size_t i)
{
    struct number m;
    unsigned char before = pii_before(s, i);

    if (pii_is_word(before) ||
        (before == '.' && i > 1 && text_is_digit((unsigned char)s->text.p[i - 2])))
        return i;
    read_number(s, i, &m);
    if (!m.n || m.done[m.n - 1] < 7)
        return i;
    if (m.plus || pii_at(s, i) == '(')
        return find_phone(s, &m);
    size_t end = find_card(s, &m);
    if (end > i)
        return end;
    size_t had = s->out->len;
    find_ids(s, &m);
    find_account(s, &m);
    end = find_ssn(s, &m);
    if (end > i && s->out->len > had && m.n > 1)
        return end;
    if (end == i && m.n > 2 && m.done[m.n - 1] > 13 && is_even(&m, m.n, " -"))
        return m.end[m.n - 1]; /* a long number of another kind, or a wrong one; not parts of it */
    size_t phone = find_phone(s, &m);
    return phone > end ? phone : end;
}
