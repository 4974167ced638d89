/* pii - personal data and secrets in a text: what, where, how sure.
 * SPDX-License-Identifier: MIT */
#include "pii.h"

#include "pii_plain.h"
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

/* ---- the pass ---- */

enum { TOKEN_MIN = 11 }; /* no token is shorter */

static bool is_of_token(unsigned char c)
{
    return text_is_alnum(c) || c == '_' || (c >= '+' && c <= '/' && c != ',') || c == ':' ||
           c == '=';
}

/* Do as many bytes follow as a token has, of those that tokens consist of? Each byte is looked at once. */
static bool is_long(struct pii_scan *s, size_t i)
{
    if (i < s->run.from || i > s->run.to)
        s->run = (struct pii_run){i, i};
    while (s->run.to - i < TOKEN_MIN && is_of_token(pii_at(s, s->run.to)))
        s->run.to++;
    return s->run.to - i >= TOKEN_MIN;
}

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
    bool token = !alone && is_long(s, i);
    size_t to = token ? pii_token(s, i) : i;

    if (alone && end - i == 2 && text_is_digit(pii_at(s, end + 1))) /* "AB 123456 C" */
        return pii_id(s, i);
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
    if (to == i && token)
        to = pii_random(s, i);
    return to;
}

static size_t at_letter(struct pii_scan *s, size_t i)
{
    size_t end = word_end(s, i);

    if (!pii_is_word(pii_before(s, i)) && pii_at(s, i) < 0x80) {
        size_t to = try_word(s, i, end);
        if (to > i)
            return to;
    }
    pii_hear(s, i, end);
    return end;
}

/* Which of the readers could find something is seen from how many digits stand there and what follows them. */
static size_t at_digit(struct pii_scan *s, size_t i)
{
    size_t digits = i, end;

    while (text_is_digit(pii_at(s, digits)))
        digits++;
    size_t n = digits - i;
    unsigned char next = pii_at(s, digits);
    bool joined = pii_is_word(next) || next == ':',
         parted = next == '.' || next == ':' || next == '-';

    if (pii_is_word(pii_before(s, i)) && pii_before(s, i) < 0x80)
        return digits;
    bool token = n >= TOKEN_MIN || (joined && is_long(s, i));

    if (token && (end = pii_token(s, i)) > i)
        return end;
    if ((parted || joined) && n <= 5 && (end = pii_address(s, i)) > i)
        return end;
    if (n <= 4 && next && (end = pii_date(s, i)) > i)
        return end;
    if ((n == 6 || n == 8 || n == 17) && next && (end = pii_id(s, i)) > i)
        return end;
    if ((end = pii_number(s, i)) > i)
        return end;
    if ((token || ((next == '+' || next == '/' || next == '-' || next == '=') && is_long(s, i))) &&
        (end = pii_random(s, i)) > i)
        return end;
    return digits;
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
        if (pii_at(s, i + 1) == '_' && stands(s, i, ":_authToken="))
            return pii_npmrc(s, i);
        if (pii_at(s, i + 1) == '/' && pii_at(s, i + 2) == '/')
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
    default:
        return i;
    }
}

static void scan(struct pii_scan *s)
{
    pii_words_begin(s);
    pii_secret_begin(s);
    for (size_t i = 0; i < s->text.n && !s->full;) {
        unsigned char c = (unsigned char)s->text.p[i];
        size_t end = i;
        if (c == ' ')
            ;
        else if (text_is_letter(c) || c >= 0x80)
            end = at_letter(s, i);
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

/* From bytes of the plain text to those of the text itself. */
static void set_places(struct buf *out, size_t start, const struct pii_plain *plain)
{
    struct pii_finding *f = (struct pii_finding *)(void *)(out->data + start);
    size_t n = (out->len - start) / sizeof *f;

    for (size_t i = 0; plain->steps.len && i < n; i++) {
        f[i].from = pii_plain_source(plain, f[i].from);
        f[i].to = pii_plain_source(plain, f[i].to);
    }
}

int pii_find(struct span text, uint32_t kinds, float score, struct buf *out)
{
    struct pii_scan s = {.kinds = kinds, .score = score, .out = out};
    struct pii_plain plain;
    size_t start = out->len;

    s.full = pii_plain_make(&plain, text) < 0;
    s.text = plain.text;
    scan(&s);
    if (out->len > start) {
        set_places(out, start, &plain);
        qsort(out->data + start, (out->len - start) / sizeof(struct pii_finding),
              sizeof(struct pii_finding), compare);
    }
    pii_plain_deinit(&plain);
    return s.full ? -1 : 0;
}
