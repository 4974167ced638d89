/* pii_phone - which groups of digits are phone numbers: by their look, and by the words beside them.
 * SPDX-License-Identifier: MIT */
#include "pii_private.h"

#include <string.h>

/* "415-555-0132": neither area nor exchange begins with 0 or 1. */
static bool is_nanp(const char *d)
{
    return d[0] >= '2' && d[3] >= '2';
}

/* Groups as phones have them: none of one digit ("10.0.19045"), two digits at the end only behind two or three
 * ("7702-1140-08"), not four of three digits ("100 200 300 400"). */
static bool is_grouped(const struct pii_digits *m, int n)
{
    int threes = 0;

    for (int g = 0; g < n; g++) {
        if (m->count[g] < 2)
            return false;
        threes += m->count[g] == 3;
    }
    return threes < 4 && m->count[n - 2] <= m->count[n - 1] + 1;
}

/* Threes behind one to three digits, not from 0: how amounts are written. */
static bool is_amount(const struct pii_digits *m, int g)
{
    if (m->digits[0] == '0' || m->count[0] > 3 || g < 2 || !pii_is_even(m, g, ' ', '.', ' '))
        return false;
    for (int k = 1; k < g; k++)
        if (m->count[k] != 3)
            return false;
    return true;
}

/* "+12.5 +3.25": a digit alone behind the country and the area belongs to a fraction, unless brackets are beside it. */
static bool is_signed(const struct pii_digits *m, int g)
{
    for (int k = 1; k < g; k++)
        if (m->count[k] == 1 && (k > 1 || m->before[k] == '.') && m->before[k] != '(' &&
            m->before[k] != ')')
            return true;
    return false;
}

/* "05 12 23 31 44 49": pairs are a phone number when there are five, as in France. */
static bool is_drawn(const struct pii_digits *m, int g)
{
    for (int k = 0; k < g; k++)
        if (m->count[k] != 2)
            return false;
    return g != 5;
}

/* "1800 555 019": what the called one pays for. */
static bool is_free(const struct pii_digits *m, int g)
{
    return g > 2 && m->count[0] == 4 &&
           (memcmp(m->digits, "1800", 4) == 0 || memcmp(m->digits, "1300", 4) == 0) &&
           m->count[1] == 3 && m->count[2] >= 3;
}

/* How much the first g groups look like a phone number, when nothing beside them says so. Below 0.3: not enough. */
static float phone_look(const struct pii_digits *m, int g, bool bracket)
{
    int n = (int)m->done[g - 1];
    const char *d = m->digits;
    uint32_t shape = m->shape[g - 1];

    if (m->plus)
        return is_signed(m, g) ? 0 : n >= 8 ? 0.9f : 0.6f;
    if (shape == 0x334 && is_nanp(d))
        return bracket ? 0.85f : 0.75f;
    if (shape == 0x1334 && d[0] == '1' && is_nanp(d + 1))
        return 0.8f;
    if (shape == 0x324 && m->before[1] == '-')
        return 0.15f; /* a social security number, or a wrong one */
    if (bracket && n >= 9)
        return 0.7f;
    if (g > 2 && n >= 9 && n <= 14 && d[0] == '0' && m->count[g - 1] >= 2 && !is_drawn(m, g) &&
        (pii_is_even(m, g, ' ', '-', '.') || pii_is_even(m, g, '/', '/', '/')))
        return 0.6f;
    if (shape == 0x3222 || is_free(m, g))
        return 0.45f;
    if (g == 2 && m->count[1] < 3)
        return 0; /* a house and its door */
    if (g == 2 && n >= 10 && n <= 12 && d[0] == '0' && m->count[0] >= 3)
        return 0.45f;
    if (g > 2 && n >= 8 && n <= 13 && is_grouped(m, g) && !is_amount(m, g) &&
        pii_is_even(m, g, ' ', '-', '.'))
        return 0.25f;
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

static int phone_groups(const struct pii_digits *m)
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

/* "781 1704 office", "... (fax)", "...-Mobile": the label stands behind the number. 'alone': it must not go on, as in
 * "1 200 300 fax machines". */
static bool is_labelled(const struct pii_scan *s, size_t end, bool alone)
{
    static const char *const labels[] = {"office", "fax",       "mobile",   "cell",     "phone",
                                         "tel",    "telephone", "landline", "voicemail"};
    size_t i = end;

    while (i < end + 3 && pii_at(s, i) && strchr(" -,:;(/\\", pii_at(s, i)))
        i++;
    size_t from = i;
    while (text_is_letter(pii_at(s, i)) && i < from + 10)
        i++;
    bool goes_on = pii_at(s, i) == ' ' && text_is_lower(pii_at(s, i + 1));
    if (i == from || pii_is_word(pii_at(s, i)) || (alone && goes_on))
        return false;
    for (size_t k = 0; k < sizeof labels / sizeof *labels; k++)
        if (strlen(labels[k]) == i - from &&
            strncasecmp(labels[k], s->text.p + from, i - from) == 0)
            return true;
    return false;
}

/* "... 89 144 233 377": a row of numbers goes on here in the same way. */
static bool is_inside(const struct pii_scan *s, const struct pii_digits *m, int g)
{
    char before = (char)pii_before(s, m->from);

    return g > 1 && m->from > 1 && before == m->before[1] &&
           text_is_digit((unsigned char)s->text.p[m->from - 2]);
}

/* "12000000", "1 200 000", "1234567": a count, or no number at all. */
static bool is_count(const struct pii_digits *m, int g)
{
    size_t n = m->done[g - 1];

    if (m->digits[0] == '0' || m->plus)
        return false;
    if (g > 1)
        return is_amount(m, g) && memcmp(m->digits + n - 3, "000", 3) == 0;
    return memcmp(m->digits + n - 4, "0000", 4) == 0 ||
           memmem("0123456789", 10, m->digits, n) != NULL;
}

/* Do only names and words such as "me at" stand between 'from' and the number? "The fax machines sold: 1 200 300." */
static bool is_led(const struct pii_scan *s, size_t from, size_t to)
{
    static const char fillers[] = " is s was are at on in me us him her them my our your its the a "
                                  "to no nr num number numbers under via or and "
                                  "back up now please by now line office home work main direct new "
                                  "ext cell mobile for es ist lautet war unter "
                                  "auf an mich uns oder und al en la el mi au est le de du sur il "
                                  "al e di numero du ao em op naar mig meg pa till toll "
                                  "free registered ";
    size_t i = from;

    while (i < to) {
        size_t end = i;
        while (end < to && text_is_letter((unsigned char)s->text.p[end]))
            end++;
        bool word = end > i && text_is_lower((unsigned char)s->text.p[i]);
        char wanted[16] = " ";
        if (word && end - i > sizeof wanted - 3)
            return false;
        if (word) {
            memcpy(wanted + 1, s->text.p + i, end - i);
            memcpy(wanted + 1 + (end - i), " ", 2);
            if (!strstr(fillers, wanted) && (unsigned char)s->text.p[end] < 0x80)
                return false;
        }
        i = end > i ? end : i + 1;
        while (end > from && i < to &&
               (unsigned char)s->text.p[i] >= 0x80) /* words that are not ASCII: not known */
            i++;
    }
    return true;
}

/* Is a word before it that tells of phones, and none behind that one that tells of something else? A number that has not
 * the look of a phone must follow that word. */
static bool is_told(const struct pii_scan *s, const struct pii_digits *m, int g, float look)
{
    bool phone = pii_about(s, ABOUT_PHONE, m->from);

    if (pii_nearest(s, ABOUT_NOBODY, m->from, CONTEXT_BYTES) || is_count(m, g))
        return false;
    if (!phone && !(m->n > 1 && is_some_number(s, m->from)))
        return false;
    return look >= 0.3f || (m->digits[0] == '0' && m->done[g - 1] >= 9) ||
           is_led(s, s->seen[phone ? ABOUT_PHONE : ABOUT_NUMBER], m->from);
}

/* Is it the number of an order, a version, ...? What looks like a phone is one unless it follows that word closely, in
 * the same part of the sentence. */
static bool is_nobodys(const struct pii_scan *s, size_t i, float look)
{
    if (look < 0.45f)
        return pii_nearest(s, ABOUT_NOBODY, i, CONTEXT_BYTES);
    if (!pii_nearest(s, ABOUT_NOBODY, i, 24))
        return false;
    for (size_t k = s->seen[s->nearest]; k < i; k++)
        if (s->text.p[k] == ',' || s->text.p[k] == ';' || s->text.p[k] == '\n')
            return false;
    return true;
}

size_t pii_phone(struct pii_scan *s, const struct pii_digits *m)
{
    bool bracket = false;
    int g = phone_groups(m);

    if (!g || m->done[g - 1] < 7 || pii_is_one_digit(m->digits, m->done[g - 1]))
        return m->from;
    for (int i = 1; i < g; i++) {
        bracket |= m->before[i] == ')' || m->before[i] == '(';
        if (m->before[i] == '/' && i > 1)
            return m->from;
    }
    float score = phone_look(m, g, bracket);
    bool labelled = is_labelled(s, m->end[g - 1], is_amount(m, g)),
         about = labelled || is_told(s, m, g, score);
    if (!about && score < 0.5f && is_inside(s, m, g))
        return m->from;
    if (about && score > 0)
        score = score < 0.5f ? 0.6f : score + (1 - score) / 2;
    else if (!m->plus && is_nobodys(s, m->from, score))
        score /= 4;
    return pii_note(s, PII_PHONE, score, NULL, m->from, read_extension(s, m->end[g - 1]));
}
