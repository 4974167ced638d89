/* pii_id - account numbers and national ids, each by its own check digits.
 * SPDX-License-Identifier: MIT */
#include "pii_private.h"

#include <string.h>

/* ---- IBAN (ISO 13616) ---- */

/* Lengths by country, of SWIFT's registry. */
static const char iban_lengths[] = "AD24AE23AL28AT20AZ28BA20BE16BG22BH22BI27BR29BY28CH21CR22CY28CZ2"
                                   "4DE22DJ27DK18DO28EE20EG29ES24FI18FK18"
                                   "FO18FR27GB22GE22GI23GL18GR27GT28HR21HU28IE22IL23IQ23IS26IT27JO3"
                                   "0KW30KZ20LB28LC32LI21LT20LU20LV21LY25"
                                   "MC27MD24ME22MK19MN20MR27MT31MU30NI28NL18NO15OM23PK24PL28PS29PT2"
                                   "5QA29RO24RS22RU33SA24SC31SD18SE24SI19"
                                   "SK24SM27SO23ST25SV28TL23TN24TR26UA29VA22VG24XK20YE30";

static size_t iban_length(const char country[2])
{
    for (const char *p = iban_lengths; *p; p += 4)
        if (p[0] == country[0] && p[1] == country[1])
            return (size_t)((p[2] - '0') * 10 + p[3] - '0');
    return 0;
}

/* ISO 7064: letters are 10 to 35; digits are taken many at a time. */
static bool is_mod97(const char *iban, size_t n)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)iban[i + 4 < n ? i + 4 : i + 4 - n];
        sum = text_is_digit(c) ? sum * 10 + c - '0' : sum * 100 + c - 'A' + 10;
        if (sum >> 56)
            sum %= 97;
    }
    return sum % 97 == 1;
}

size_t pii_iban(struct pii_scan *s, size_t i)
{
    char iban[40];
    size_t n = 0, at = i, wanted = 0;

    if (!text_is_letter(pii_at(s, i)) || !text_is_letter(pii_at(s, i + 1)) ||
        !text_is_digit(pii_at(s, i + 2)) || !text_is_digit(pii_at(s, i + 3)))
        return i;
    for (; n < sizeof iban && (!wanted || n < wanted); at++) {
        unsigned char c = pii_at(s, at);
        if ((c == ' ' || c == '-') && n && n % 4 == 0 && text_is_alnum(pii_at(s, at + 1)))
            continue;
        if (!text_is_alnum(c))
            return i;
        iban[n++] = (char)(text_is_lower(c) ? c - 0x20 : c);
        if (n == 2 && !(wanted = iban_length(iban)))
            return i;
    }
    if (pii_is_word(pii_at(s, at)) || !is_mod97(iban, n))
        return i;
    return pii_note(s, PII_IBAN, 0.98f, NULL, i, at);
}

/* ---- digits only ---- */

static int weighted(const char *d, const char *weights)
{
    int sum = 0;

    for (int i = 0; weights[i]; i++) /* weights as characters: ':' is 10, ';' is 11 */
        sum += (d[i] - '0') * (weights[i] - '0');
    return sum;
}

static bool is_nhs(const char *d)
{
    int check = 11 - weighted(d, ":98765432") % 11;

    return (check == 11 ? 0 : check) == d[9] - '0';
}

static bool is_cpf(const char *d)
{
    int a = weighted(d, ":98765432") * 10 % 11 % 10, b = weighted(d, ";:98765432") * 10 % 11 % 10;

    return a == d[9] - '0' && b == d[10] - '0' && strncmp(d, "11111111111", 11) != 0;
}

static bool is_pesel(const char *d)
{
    int month = (d[2] - '0') * 10 + d[3] - '0', day = (d[4] - '0') * 10 + d[5] - '0';

    return (10 - weighted(d, "1379137913") % 10) % 10 == d[10] - '0' && month % 20 >= 1 &&
           month % 20 <= 12 && day >= 1 && day <= 31;
}

static bool is_china(const char *d)
{
    int month = (d[10] - '0') * 10 + d[11] - '0', day = (d[12] - '0') * 10 + d[13] - '0', sum = 0;
    static const int weights[] = {7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2};

    for (int i = 0; i < 17; i++)
        sum += (d[i] - '0') * weights[i];
    return (d[6] == '1' ? d[7] == '9' : d[6] == '2' && d[7] == '0') && month >= 1 && month <= 12 &&
           day >= 1 && day <= 31 && "10X98765432"[sum % 11] == d[17];
}

/* India's Aadhaar: Verhoeff's check digit. */
static bool is_aadhaar(const char *d)
{
    static const char multiply[10][11] = {"0123456789", "1234067895", "2340178956", "3401289567",
                                          "4012395678", "5987604321", "6598710432", "7659821043",
                                          "8765932104", "9876543210"};
    static const char permute[8][11] = {"0123456789", "1576283094", "5803796142", "8916043527",
                                        "9453126870", "4286573901", "2793806415", "7046913258"};
    int c = 0;

    for (int i = 0; i < 12; i++)
        c = multiply[c][permute[i % 8][d[11 - i] - '0'] - '0'] - '0';
    return c == 0 && d[0] >= '2';
}

static bool is_nir(const char *d) /* France, without Corsica's letters */
{
    long long v = 0;
    int month = (d[3] - '0') * 10 + d[4] - '0';

    for (int i = 0; i < 13; i++)
        v = v * 10 + d[i] - '0';
    return (d[0] == '1' || d[0] == '2') && month >= 1 && month <= 12 &&
           97 - v % 97 == (d[13] - '0') * 10 + d[14] - '0';
}

static bool is_sin(const char *d)
{
    return pii_luhn(d, 9) && d[0] != '0' && d[0] != '8';
}

static bool is_tfn(const char *d)
{
    return weighted(d, "14375869:") % 11 == 0;
}

/* Sweden: YYMMDD-NNNN. */
static bool is_sweden(const char *d)
{
    int month = (d[2] - '0') * 10 + d[3] - '0', day = (d[4] - '0') * 10 + d[5] - '0';

    return month >= 1 && month <= 12 && day >= 1 && day <= 31 && pii_luhn(d, 10);
}

static bool is_sweden_long(const char *d)
{
    return (memcmp(d, "19", 2) == 0 || memcmp(d, "20", 2) == 0) && is_sweden(d + 2);
}

static bool is_korea(const char *d)
{
    int month = (d[2] - '0') * 10 + d[3] - '0', day = (d[4] - '0') * 10 + d[5] - '0';

    return month >= 1 && month <= 12 && day >= 1 && day <= 31 && d[6] >= '1' && d[6] <= '8';
}

static bool is_routing(const char *d)
{
    int area = (d[0] - '0') * 10 + d[1] - '0';

    return weighted(d, "371371371") % 10 == 0 &&
           (area <= 12 ? area > 0
                       : (area >= 21 && area <= 32) || (area >= 61 && area <= 72) || area == 80);
}

/* 'shapes': groupings in which it is usually written, as pii_shape has them; alone, digits need a word before them.
 * A sum of one digit fits every tenth number, and three digits a group is how amounts are written, too. */
static const struct {
    enum pii_kind kind;
    const char *name;
    size_t n;
    uint32_t shapes[3];
    bool (*is)(const char *digits);
    float usual, alone; /* scores */
} ids[] = {
    {PII_NATIONAL_ID, "uk_nhs", 10, {0x334}, is_nhs, 0.35f, 0.25f},
    {PII_NATIONAL_ID, "br_cpf", 11, {0x3332}, is_cpf, 0.9f, 0.5f},
    {PII_NATIONAL_ID, "pl_pesel", 11, {0}, is_pesel, 0.6f, 0.35f},
    {PII_NATIONAL_ID, "cn_id", 18, {0}, is_china, 0.9f, 0.85f},
    {PII_NATIONAL_ID, "in_aadhaar", 12, {0x444}, is_aadhaar, 0.85f, 0.25f},
    {PII_NATIONAL_ID, "fr_nir", 15, {0x1222332, 0x122233, 0xd2}, is_nir, 0.9f, 0.7f},
    {PII_NATIONAL_ID, "ca_sin", 9, {0x333}, is_sin, 0.25f, 0.1f},
    {PII_NATIONAL_ID, "au_tfn", 9, {0x333}, is_tfn, 0.2f, 0.1f},
    {PII_NATIONAL_ID, "se_personnummer", 10, {0x64}, is_sweden, 0.7f, 0.2f},
    {PII_NATIONAL_ID, "se_personnummer", 12, {0x84}, is_sweden_long, 0.7f, 0.2f},
    {PII_NATIONAL_ID, "kr_rrn", 13, {0x67}, is_korea, 0.7f, 0.2f},
    {PII_BANK_ACCOUNT, "aba_routing", 9, {0x441}, is_routing, 0.5f, 0.2f},
};

/* "604-555-0129", as a phone is written in North America; every eleventh has the sum of another id. */
static bool is_american(const struct pii_scan *s, const char *digits, uint32_t shape, size_t from)
{
    return shape == 0x334 && digits[0] >= '2' && digits[3] >= '2' && pii_at(s, from + 3) != ' ';
}

size_t pii_digit_ids(struct pii_scan *s, const char *digits, size_t n, uint32_t shape, size_t from,
                     size_t to)
{
    size_t told = from;

    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
        const uint32_t *usually = ids[i].shapes;
        if (ids[i].n != n)
            continue;
        bool usual = shape && (shape == usually[0] || shape == usually[1] || shape == usually[2]);
        if ((shape && !usual) || !ids[i].is(digits))
            continue;
        bool about = pii_about(s, ids[i].kind == PII_BANK_ACCOUNT ? ABOUT_BANK : ABOUT_ID, from);
        float score = about ? 0.9f : usual ? ids[i].usual : ids[i].alone;
        if (!about && (pii_nearest(s, ABOUT_NOBODY, from, CONTEXT_BYTES) ||
                       is_american(s, digits, shape, from)))
            score /= 4;
        if (pii_note(s, ids[i].kind, score, ids[i].name, from, to) > from && about)
            told = to;
    }
    return told;
}

/* ---- with letters: patterns of 'A' letter, '9' digit, '*' either, others themselves ---- */

static bool is_dni(const char *id)
{
    if (text_is_letter((unsigned char)id[0]) && !strchr("XYZ", id[0]))
        return false;
    long v = id[0] == 'X' ? 0 : id[0] == 'Y' ? 1 : id[0] == 'Z' ? 2 : id[0] - '0';

    for (int i = 1; i < 8; i++)
        v = v * 10 + id[i] - '0';
    return "TRWAGMYFPDXBNJZSQVHLCKE"[v % 23] == id[8];
}

static bool is_nino(const char *id)
{
    return !strchr("DFIQUV", id[0]) && !strchr("DFIOQUV", id[1]) && id[8] >= 'A' && id[8] <= 'D';
}

static bool is_nric(const char *id)
{
    if (!strchr("STFG", id[0]))
        return false;
    int sum = weighted(id + 1, "2765432") + (id[0] == 'T' || id[0] == 'G' ? 4 : 0);

    return (id[0] == 'S' || id[0] == 'T' ? "JZIHGFEDCBA" : "XWUTRQPNMLK")[sum % 11] == id[8];
}

static bool is_codice(const char *id)
{
    static const int values[26] = {1,  0,  5, 7, 9, 13, 15, 17, 19, 21, 2,  4,  18,
                                   20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23};
    int sum = 0;

    for (int i = 0; i < 15; i++) {
        int v = text_is_digit((unsigned char)id[i]) ? id[i] - '0' : id[i] - 'A';
        sum += i % 2 ? v : values[v];
    }
    return 'A' + sum % 26 == id[15];
}

static bool is_hetu(const char *id)
{
    char digits[10] = {0};
    long v = 0;

    memcpy(digits, id, 6);
    memcpy(digits + 6, id + 7, 3);
    for (int i = 0; i < 9; i++)
        v = v * 10 + digits[i] - '0';
    return "0123456789ABCDEFHJKLMNPRSTUVWXY"[v % 31] == id[10] && strchr("+-ABCDEFUVWXY", id[6]);
}

static bool is_china_x(const char *id)
{
    return id[17] == 'X' && is_china(id);
}

static bool is_any(const char *id)
{
    (void)id;
    return true;
}

static const struct {
    enum pii_kind kind;
    enum pii_context about;
    const char *name, *pattern;
    bool (*is)(const char *id);
    float score, told; /* alone, and with a word before */
} lettered[] = {
    {PII_NATIONAL_ID, ABOUT_ID, "es_dni", "99999999A", is_dni, 0.8f, 0.95f},
    {PII_NATIONAL_ID, ABOUT_ID, "es_nie", "A9999999A", is_dni, 0.8f, 0.95f},
    {PII_NATIONAL_ID, ABOUT_ID, "uk_nino", "AA999999A", is_nino, 0.7f, 0.95f},
    {PII_NATIONAL_ID, ABOUT_ID, "sg_nric", "A9999999A", is_nric, 0.8f, 0.95f},
    {PII_NATIONAL_ID, ABOUT_ID, "it_codice_fiscale", "AAAAAA99A99A999A", is_codice, 0.95f, 0.98f},
    {PII_NATIONAL_ID, ABOUT_ID, "fi_hetu", "999999*999*", is_hetu, 0.7f, 0.95f},
    {PII_NATIONAL_ID, ABOUT_ID, "fi_hetu", "999999-999*", is_hetu, 0.8f, 0.95f},
    {PII_NATIONAL_ID, ABOUT_ID, "cn_id", "99999999999999999A", is_china_x, 0.9f, 0.95f},
    {PII_PASSPORT, ABOUT_PASSPORT, "us", "A99999999", is_any, 0.1f, 0.6f},
};

static bool fits(unsigned char c, char pattern)
{
    switch (pattern) {
    case 'A':
        return text_is_letter(c);
    case '9':
        return text_is_digit(c);
    case '*':
        return text_is_alnum(c);
    default:
        return c == (unsigned char)pattern;
    }
}

static size_t read_pattern(const struct pii_scan *s, size_t i, const char *pattern, char *id)
{
    size_t n = 0;

    for (; pattern[n]; n++, i++) {
        unsigned char gap = pii_at(s, i);
        bool changes = n && pattern[n] != pattern[n - 1];
        if ((gap == ' ' && n && (changes || n % 2 == 0)) ||
            (gap == '-' && n == 8 && pattern[n] == 'A'))
            i++; /* "AB 123456 C", "AB 12 34 56 C", "12345678-Z" */
        if (!fits(pii_at(s, i), pattern[n]))
            return 0;
        unsigned char c = pii_at(s, i);
        id[n] = (char)(text_is_lower(c) ? c - 0x20 : c);
    }
    id[n] = 0;
    return pii_is_word(pii_at(s, i)) ? 0 : i;
}

size_t pii_id(struct pii_scan *s, size_t i)
{
    char id[24];

    for (size_t k = 0; k < sizeof lettered / sizeof *lettered; k++) {
        if (!fits(pii_at(s, i), lettered[k].pattern[0]))
            continue;
        size_t end = read_pattern(s, i, lettered[k].pattern, id);
        if (!end || !lettered[k].is(id))
            continue;
        bool about = pii_about(s, lettered[k].about, i);
        size_t to = pii_note(s, lettered[k].kind, about ? lettered[k].told : lettered[k].score,
                             lettered[k].name, i, end);
        if (to > i)
            return to;
    }
    return i;
}
