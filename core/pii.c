/* pii - personal data and secrets in a text: what, where, how sure.
 * SPDX-License-Identifier: MIT */
#include "pii.h"

#include "pii_private.h"

#include <stdlib.h>
#include <string.h>

static const char *const names[PII_KINDS] = {
    [PII_EMAIL] = "email",
    [PII_PHONE] = "phone",
    [PII_CREDIT_CARD] = "credit_card",
    [PII_IBAN] = "iban",
    [PII_US_SSN] = "us_ssn",
    [PII_US_ITIN] = "us_itin",
    [PII_NATIONAL_ID] = "national_id",
    [PII_BANK_ACCOUNT] = "bank_account",
    [PII_PASSPORT] = "passport",
    [PII_IP] = "ip",
    [PII_MAC] = "mac",
    [PII_DATE_OF_BIRTH] = "date_of_birth",
    [PII_DATE] = "date",
    [PII_URL] = "url",
    [PII_CRYPTO_ADDRESS] = "crypto_address",
    [PII_API_KEY] = "api_key",
    [PII_PRIVATE_KEY] = "private_key",
    [PII_PASSWORD] = "password",
    [PII_SECRET] = "secret",
};

const char *pii_kind_name(enum pii_kind kind)
{
    return names[kind];
}

int pii_kind_find(const char *name)
{
    for (int i = 0; i < PII_KINDS; i++)
        if (strcmp(names[i], name) == 0)
            return i;
    return -1;
}

size_t pii_note(struct pii_scan *s, enum pii_kind kind, float score, const char *name, size_t from,
                size_t to)
{
    struct pii_finding f = {kind, score, name, from, to};

    if (score < s->score || score <= 0)
        return from;
    if ((s->kinds >> kind & 1) && buf_add(s->out, &f, sizeof f) < 0)
        s->full = true;
    return to;
}

/* ---- words that say what the number behind them is ---- */

static const struct {
    const char *word;
    enum pii_context about;
} about[] = {
    {"card", ABOUT_CARD},
    {"cards", ABOUT_CARD},
    {"cc", ABOUT_CARD},
    {"visa", ABOUT_CARD},
    {"mastercard", ABOUT_CARD},
    {"amex", ABOUT_CARD},
    {"maestro", ABOUT_CARD},
    {"creditcard", ABOUT_CARD},
    {"phone", ABOUT_PHONE},
    {"phones", ABOUT_PHONE},
    {"telephone", ABOUT_PHONE},
    {"tel", ABOUT_PHONE},
    {"mobile", ABOUT_PHONE},
    {"cell", ABOUT_PHONE},
    {"cellphone", ABOUT_PHONE},
    {"fax", ABOUT_PHONE},
    {"call", ABOUT_PHONE},
    {"called", ABOUT_PHONE},
    {"calling", ABOUT_PHONE},
    {"dial", ABOUT_PHONE},
    {"ring", ABOUT_PHONE},
    {"sms", ABOUT_PHONE},
    {"text", ABOUT_PHONE},
    {"whatsapp", ABOUT_PHONE},
    {"desk", ABOUT_PHONE},
    {"answering", ABOUT_PHONE},
    {"voicemail", ABOUT_PHONE},
    {"messages", ABOUT_PHONE},
    {"message", ABOUT_PHONE},
    {"reach", ABOUT_NUMBER},
    {"number", ABOUT_NUMBER},
    {"landline", ABOUT_PHONE},
    {"telefon", ABOUT_PHONE},
    {"handy", ABOUT_PHONE},
    {"teléfono", ABOUT_PHONE},
    {"telefono", ABOUT_PHONE},
    {"móvil", ABOUT_PHONE},
    {"téléphone", ABOUT_PHONE},
    {"portable", ABOUT_PHONE},
    {"hotline", ABOUT_PHONE},
    {"contact", ABOUT_PHONE},
    {"ssn", ABOUT_SSN},
    {"ssns", ABOUT_SSN},
    {"social", ABOUT_SSN},
    {"itin", ABOUT_SSN},
    {"taxpayer", ABOUT_SSN},
    {"account", ABOUT_BANK},
    {"acct", ABOUT_BANK},
    {"bank", ABOUT_BANK},
    {"routing", ABOUT_BANK},
    {"aba", ABOUT_BANK},
    {"konto", ABOUT_BANK},
    {"passport", ABOUT_PASSPORT},
    {"travel", ABOUT_PASSPORT},
    {"license", ABOUT_ID},
    {"licence", ABOUT_ID},
    {"nhs", ABOUT_ID},
    {"nino", ABOUT_ID},
    {"insurance", ABOUT_ID},
    {"dni", ABOUT_ID},
    {"nie", ABOUT_ID},
    {"nif", ABOUT_ID},
    {"cpf", ABOUT_ID},
    {"aadhaar", ABOUT_ID},
    {"pesel", ABOUT_ID},
    {"nir", ABOUT_ID},
    {"sin", ABOUT_ID},
    {"tfn", ABOUT_ID},
    {"nric", ABOUT_ID},
    {"fin", ABOUT_ID},
    {"identity", ABOUT_ID},
    {"citizen", ABOUT_ID},
    {"national", ABOUT_ID},
    {"personnummer", ABOUT_ID},
    {"fiscale", ABOUT_ID},
    {"hetu", ABOUT_ID},
    {"born", ABOUT_BIRTH},
    {"birth", ABOUT_BIRTH},
    {"birthday", ABOUT_BIRTH},
    {"birthdate", ABOUT_BIRTH},
    {"dob", ABOUT_BIRTH},
    {"geboren", ABOUT_BIRTH},
    {"geburtsdatum", ABOUT_BIRTH},
    {"nacimiento", ABOUT_BIRTH},
    {"nacido", ABOUT_BIRTH},
    {"naissance", ABOUT_BIRTH},
    {"né", ABOUT_BIRTH},
    {"née", ABOUT_BIRTH},
    {"nascita", ABOUT_BIRTH},
    {"password", ABOUT_SECRET},
    {"passwd", ABOUT_SECRET},
    {"pwd", ABOUT_SECRET},
    {"passphrase", ABOUT_SECRET},
    {"secret", ABOUT_SECRET},
    {"token", ABOUT_SECRET},
    {"apikey", ABOUT_SECRET},
    {"key", ABOUT_SECRET},
    {"credential", ABOUT_SECRET},
    {"credentials", ABOUT_SECRET},
    {"authtoken", ABOUT_SECRET},
    {"accesskey", ABOUT_SECRET},
    {"version", ABOUT_VERSION},
    {"v", ABOUT_VERSION},
    {"release", ABOUT_VERSION},
    {"wallet", ABOUT_CRYPTO},
    {"bitcoin", ABOUT_CRYPTO},
    {"btc", ABOUT_CRYPTO},
    {"eth", ABOUT_CRYPTO},
};

enum { SLOTS = 512, WORD_MAX = 14, TOKEN_MIN = 12 /* no token is shorter */ };

struct vocabulary {
    unsigned char slots[SLOTS]; /* an index of 'about' + 1 */
};

static unsigned hash(const char *p, size_t n)
{
    unsigned h = 2166136261u;

    for (size_t i = 0; i < n; i++)
        h = (h ^ (unsigned char)text_lower(p[i])) * 16777619u;
    return (h ^ h >> 15) % SLOTS;
}

static void fill(struct vocabulary *v)
{
    _Static_assert(sizeof about / sizeof *about < 255, "an index fits a byte");
    memset(v, 0, sizeof *v);
    for (size_t i = 0; i < sizeof about / sizeof *about; i++) {
        unsigned at = hash(about[i].word, strlen(about[i].word));
        while (v->slots[at])
            at = (at + 1) % SLOTS;
        v->slots[at] = (unsigned char)(i + 1);
    }
}

static void hear(struct pii_scan *s, const struct vocabulary *v, size_t from, size_t to)
{
    size_t n = to - from;

    if (n > WORD_MAX)
        return;
    for (unsigned at = hash(s->text.p + from, n); v->slots[at]; at = (at + 1) % SLOTS) {
        const char *word = about[v->slots[at] - 1].word;
        if (strncasecmp(word, s->text.p + from, n) == 0 && !word[n])
            s->seen[about[v->slots[at] - 1].about] = to;
    }
}

/* ---- the pass ---- */

static size_t word_end(const struct pii_scan *s, size_t i)
{
    while (i < s->text.n &&
           (text_is_letter((unsigned char)s->text.p[i]) || (unsigned char)s->text.p[i] >= 0x80))
        i++;
    return i;
}

/* Could a number, an id or an address begin with this word? */
static size_t try_word(struct pii_scan *s, size_t i, size_t end)
{
    bool alone = end - i < TOKEN_MIN && (text_is_blank(pii_at(s, end)) || pii_at(s, end) == ',');
    size_t to = alone ? i : pii_token(s, i);

    if (alone) /* a word of a sentence, as most are */
        return end - i >= 3 && end - i <= 9 && text_is_digit(pii_at(s, end + 1)) ? pii_date(s, i)
                                                                                 : i;
    if (to == i && end - i <= 6 && text_is_digit(pii_at(s, end)))
        if ((to = pii_iban(s, i)) == i)
            to = pii_id(s, i);
    if (to == i && end - i <= 4 && text_is_hex(pii_at(s, i)))
        to = pii_address(s, i);
    if (to == i && end - i >= 3 && end - i <= 9 && memchr("jfmasondJFMASOND", pii_at(s, i), 16))
        to = pii_date(s, i);
    if (to == i)
        to = pii_random(s, i);
    return to;
}

static size_t at_letter(struct pii_scan *s, const struct vocabulary *v, size_t i)
{
    size_t end = word_end(s, i);

    if (!pii_is_word(pii_before(s, i)) && pii_at(s, i) < 0x80) {
        size_t to = try_word(s, i, end);
        if (to > i)
            return to;
    }
    hear(s, v, i, end);
    return end;
}

static size_t at_digit(struct pii_scan *s, size_t i)
{
    static size_t (*const readers[])(struct pii_scan *, size_t) = {
        pii_token, pii_address, pii_date, pii_id, pii_number, pii_random,
    };
    size_t end = i;

    if (!pii_is_word(pii_before(s, i)) || pii_before(s, i) >= 0x80)
        for (size_t k = 0; k < sizeof readers / sizeof *readers; k++)
            if ((end = readers[k](s, i)) > i)
                return end;
    while (text_is_digit(pii_at(s, end)))
        end++;
    return end;
}

static bool stands(const struct pii_scan *s, size_t i, const char *what)
{
    size_t n = strlen(what);

    return s->text.n - i >= n && memcmp(s->text.p + i, what, n) == 0;
}

static size_t at_sign(struct pii_scan *s, size_t i)
{
    switch (s->text.p[i]) {
    case '@':
        return pii_email(s, i);
    case '+':
    case '(':
        return text_is_digit(pii_at(s, i + 1)) || pii_at(s, i + 1) == '(' ? pii_number(s, i) : i;
    case ':':
        if (stands(s, i, "://"))
            return pii_url(s, i);
        if (pii_at(s, i + 1) == ':') {
            size_t end = pii_address(s, i);
            return end > i ? end : i + 1 + (pii_at(s, i + 2) == ':');
        }
        return pii_assigned(s, i);
    case '=':
        return pii_assigned(s, i);
    case '-':
        return stands(s, i, "-----BEGIN ") ? pii_armour(s, i) : i;
    case '/':
        return stands(s, i, "//") ? pii_token(s, i) : i;
    default:
        return i;
    }
}

static void scan(struct pii_scan *s)
{
    struct vocabulary v;

    fill(&v);
    for (size_t i = 0; i < s->text.n && !s->full;) {
        unsigned char c = (unsigned char)s->text.p[i];
        size_t end = i;
        if (c == ' ')
            ;
        else if (text_is_letter(c) || c >= 0x80)
            end = at_letter(s, &v, i);
        else if (text_is_digit(c))
            end = at_digit(s, i);
        else
            end = at_sign(s, i);
        i = end > i ? end : i + 1;
    }
}

static int compare(const void *a, const void *b)
{
    const struct pii_finding *x = a, *y = b;

    if (x->from != y->from)
        return x->from < y->from ? -1 : 1;
    if (x->score != y->score)
        return x->score > y->score ? -1 : 1;
    return x->kind < y->kind ? -1 : x->kind > y->kind;
}

int pii_find(struct span text, uint32_t kinds, float score, struct buf *out)
{
    struct pii_scan s = {.text = text, .kinds = kinds, .score = score, .out = out};
    size_t start = out->len;

    scan(&s);
    if (out->len > start)
        qsort(out->data + start, (out->len - start) / sizeof(struct pii_finding),
              sizeof(struct pii_finding), compare);
    return s.full ? -1 : 0;
}
