/* pii_secret - keys, tokens and passwords: known forms, assignments, and what looks random.
 * SPDX-License-Identifier: MIT */
#include "pii_private.h"

#include "base64.h"
#include "digest.h"
#include "json.h"

#include <math.h>
#include <string.h>

enum {
    ANY = 4096,
    ARMOUR_MAX = 16384,
    KEY_LINE_MIN = 16, /* of a key in armour; shorter lines may be words */
    KEY_LINE_MAX = 80,
    JWT_PART = 8192,
    RANDOM_MIN = 20,
    RANDOM_LOOK = PII_RANDOM_LOOK
};

/* What a token's body consists of. */
enum body { HEX, LOWER, UPPER, ALNUM, WORD, DASHED, BASE64, DOTTED, BODIES };

_Static_assert((int)BODIES == (int)PII_BODIES, "a run of each");

struct form {
    const char *name, *prefix;
    enum body body;
    int least, most; /* bytes behind the prefix, as many as there are */
    float score;
};

/* As their issuers document them, or gitleaks and detect-secrets know them. A longer prefix first. */
static const struct form forms[] = {
    {"anthropic", "sk-ant-", DASHED, 20, ANY, 0.98f},
    {"openrouter", "sk-or-v1-", HEX, 32, ANY, 0.98f},
    {"openai", "sk-", DASHED, 20, ANY, 0.98f},
    {"stripe", "sk_live_", ALNUM, 16, ANY, 0.98f},
    {"stripe", "rk_live_", ALNUM, 16, ANY, 0.98f},
    {"stripe", "sk_test_", ALNUM, 16, ANY, 0.9f},
    {"stripe", "rk_test_", ALNUM, 16, ANY, 0.9f},
    {"stripe", "whsec_", ALNUM, 24, ANY, 0.9f},
    {"elevenlabs", "sk_", HEX, 48, 48, 0.9f},
    {"github", "ghp_", ALNUM, 36, ANY, 0.98f},
    {"github", "gho_", ALNUM, 36, ANY, 0.98f},
    {"github", "ghu_", ALNUM, 36, ANY, 0.98f},
    {"github", "ghs_", ALNUM, 36, ANY, 0.98f},
    {"github", "ghr_", ALNUM, 36, ANY, 0.98f},
    {"github", "github_pat_", WORD, 36, ANY, 0.98f},
    {"gitlab", "glpat-", DASHED, 20, 50, 0.98f},
    {"gitlab", "gldt-", DASHED, 20, 50, 0.98f},
    {"gitlab", "glft-", DASHED, 20, 50, 0.95f},
    {"gitlab", "glsoat-", DASHED, 20, 50, 0.98f},
    {"gitlab", "glrt-", DASHED, 20, 50, 0.98f},
    {"gitlab", "GR1348941", DASHED, 20, 50, 0.98f},
    {"gitlab", "glcbt-", DASHED, 20, 100, 0.95f},
    {"gitlab", "glimt-", DASHED, 25, 25, 0.95f},
    {"gitlab", "glptt-", DASHED, 40, 40, 0.98f},
    {"gitlab", "glagent-", DASHED, 50, 1024, 0.98f},
    {"gitlab", "gloas-", DASHED, 64, 64, 0.98f},
    {"aws", "AKIA", UPPER, 16, 16, 0.95f},
    {"aws", "ASIA", UPPER, 16, 16, 0.95f},
    {"aws", "ABIA", UPPER, 16, 16, 0.95f},
    {"aws", "ACCA", UPPER, 16, 16, 0.95f},
    {"aws", "AGPA", UPPER, 16, 16, 0.9f},
    {"aws", "AIDA", UPPER, 16, 16, 0.9f},
    {"aws", "AROA", UPPER, 16, 16, 0.9f},
    {"aws", "ANPA", UPPER, 16, 16, 0.9f},
    {"aws", "A3T", UPPER, 17, 17, 0.9f},
    {"slack", "xoxb-", DASHED, 10, ANY, 0.98f},
    {"slack", "xoxp-", DASHED, 10, ANY, 0.98f},
    {"slack", "xoxa-", DASHED, 10, ANY, 0.98f},
    {"slack", "xoxo-", DASHED, 10, ANY, 0.98f},
    {"slack", "xoxs-", DASHED, 10, ANY, 0.98f},
    {"slack", "xoxr-", DASHED, 10, ANY, 0.98f},
    {"slack", "xoxe-", DASHED, 10, ANY, 0.95f},
    {"slack", "xapp-", DASHED, 20, ANY, 0.95f},
    {"google", "AIza", DASHED, 35, 35, 0.98f},
    {"google", "ya29.", DASHED, 20, ANY, 0.95f},
    {"google", "GOCSPX-", DASHED, 28, 28, 0.98f},
    {"npm", "npm_", ALNUM, 36, 36, 0.98f},
    {"pypi", "pypi-AgEIcHlwaS5vcmc", DASHED, 70, ANY, 0.98f},
    {"pypi", "pypi-AgENdGVzdC5weXBpLm9yZw", DASHED, 70, ANY, 0.98f},
    {"huggingface", "hf_", ALNUM, 30, 40, 0.98f},
    {"huggingface", "api_org_", ALNUM, 30, 40, 0.9f},
    {"groq", "gsk_", ALNUM, 40, 60, 0.98f},
    {"xai", "xai-", ALNUM, 60, 100, 0.98f},
    {"perplexity", "pplx-", ALNUM, 40, 60, 0.95f},
    {"replicate", "r8_", ALNUM, 37, 37, 0.95f},
    {"nvidia", "nvapi-", DASHED, 40, ANY, 0.95f},
    {"fireworks", "fw_", ALNUM, 20, 40, 0.7f},
    {"tavily", "tvly-", DASHED, 20, ANY, 0.9f},
    {"digitalocean", "dop_v1_", HEX, 64, 64, 0.98f},
    {"digitalocean", "doo_v1_", HEX, 64, 64, 0.98f},
    {"shopify", "shpat_", HEX, 32, 32, 0.98f},
    {"shopify", "shpss_", HEX, 32, 32, 0.98f},
    {"square", "sq0atp-", DASHED, 22, 22, 0.95f},
    {"square", "sq0csp-", DASHED, 43, 43, 0.95f},
    {"square", "EAAA", DASHED, 60, 60, 0.8f},
    {"sendgrid", "SG.", DOTTED, 60, 70, 0.98f},
    {"twilio", "AC", LOWER, 32, 32, 0.9f},
    {"twilio", "SK", LOWER, 32, 32, 0.9f},
    {"artifactory", "AKC", ALNUM, 10, ANY, 0.6f},
    {"databricks", "dapi", HEX, 32, 32, 0.9f},
    {"postman", "PMAK-", DASHED, 59, 59, 0.95f},
    {"figma", "figd_", DASHED, 40, 50, 0.95f},
    {"newrelic", "NRAK-", ALNUM, 27, 27, 0.95f},
    {"linear", "lin_api_", ALNUM, 40, 40, 0.95f},
    {"atlassian", "ATATT3", BASE64, 180, 200, 0.95f},
    {"grafana", "glsa_", WORD, 41, 41, 0.95f},
    {"grafana", "glc_", BASE64, 32, ANY, 0.9f},
    {"rubygems", "rubygems_", HEX, 48, 48, 0.98f},
    {"mailgun", "key-", HEX, 32, 32, 0.8f},
    {"sentry", "sntrys_", BASE64, 60, ANY, 0.95f},
    {"age", "AGE-SECRET-KEY-1", UPPER, 58, 58, 0.98f},
};

static bool is_body(enum body body, unsigned char c)
{
    switch (body) {
    case HEX:
        return text_is_digit(c) || (c >= 'a' && c <= 'f');
    case LOWER:
        return text_is_digit(c) || text_is_lower(c);
    case UPPER:
        return text_is_digit(c) || text_is_upper(c);
    case ALNUM:
        return text_is_alnum(c);
    case WORD:
        return text_is_alnum(c) || c == '_';
    case DASHED:
        return text_is_alnum(c) || c == '_' || c == '-';
    case DOTTED:
        return text_is_alnum(c) || c == '_' || c == '-' || c == '.';
    case BASE64:
        return text_is_alnum(c) || c == '+' || c == '/' || c == '_' || c == '-' || c == '=';
    case BODIES:
        break;
    }
    return false;
}

static bool begins(const struct pii_scan *s, size_t i, const char *what)
{
    size_t n = strlen(what);

    return s->text.n - i >= n && memcmp(s->text.p + i, what, n) == 0;
}

/* Where the bytes of that body end, looking at 'most' + 1 of them. What was looked at once is remembered, so that many
 * beginnings in one run cost no more than one. */
static size_t body_end(struct pii_scan *s, size_t i, enum body body, size_t most)
{
    struct pii_run *run = &s->runs[body];

    if (i < run->from || i > run->to)
        *run = (struct pii_run){i, i};
    while (run->to - i <= most && is_body(body, pii_at(s, run->to)))
        run->to++;
    return run->to < i + most + 1 ? run->to : i + most + 1;
}

enum { FORMS = sizeof forms / sizeof *forms };

_Static_assert((int)FORMS <= (int)PII_FORMS_MAX, "each has its place");

void pii_secret_begin(struct pii_scan *s)
{
    for (size_t k = FORMS; k-- > 0;) {
        unsigned char first = (unsigned char)forms[k].prefix[0];
        s->next[k] = s->first[first];
        s->first[first] = (unsigned char)(k + 1);
    }
}

static size_t find_form(struct pii_scan *s, size_t i)
{
    for (size_t k = s->first[s->text.p[i] & 127]; k; k = s->next[k - 1]) {
        const struct form *f = &forms[k - 1];
        if (f->prefix[1] != (char)pii_at(s, i + 1) || !begins(s, i, f->prefix))
            continue;
        size_t from = i + strlen(f->prefix), end = body_end(s, from, f->body, (size_t)f->most),
               n = end - from;
        if (n < (size_t)f->least || (n > (size_t)f->most && f->most != ANY) ||
            (f->body < DASHED && pii_is_word(pii_at(s, end))))
            continue;
        bool own = strcmp(f->name, "openai") != 0 || memmem(s->text.p + from, n, "T3BlbkFJ", 8);
        return pii_note(s, PII_API_KEY, own ? f->score : 0.7f, own ? f->name : NULL, i, end);
    }
    return i;
}

/* ---- tokens of several parts ---- */

/* Is this base64 of a JSON object? */
static bool is_object(struct span text)
{
    char bytes[JWT_PART];
    struct err err;
    ptrdiff_t n = text.n < JWT_PART ? base64_size(text, NULL) : -1;

    if (n < 2)
        return false;
    base64_decode(bytes, text);
    struct span doc = {bytes, (size_t)n};
    return bytes[0] == '{' && json_check(doc, &err) == 0;
}

static size_t find_jwt(struct pii_scan *s, size_t i)
{
    size_t dot = body_end(s, i, DASHED, JWT_PART), from = dot + 1;

    if (pii_at(s, dot) != '.' || dot == s->no_token)
        return i;
    size_t end = dot;
    if (is_object((struct span){s->text.p + i, dot - i}))
        end = body_end(s, from, DASHED, JWT_PART);
    if (end == dot || !is_object((struct span){s->text.p + from, end - from})) {
        s->no_token = dot;
        return i;
    }
    if (pii_at(s, end) == '.')
        end = body_end(s, end + 1, DASHED, JWT_PART);
    return pii_note(s, PII_API_KEY, 0.95f, "jwt", i, end);
}

/* Discord: id.time.signature, of which the first begins with M, N or O. */
static size_t find_discord(struct pii_scan *s, size_t i)
{
    size_t a = body_end(s, i, DASHED, 30);

    if (pii_at(s, a) != '.' || a - i < 24 || a - i > 30)
        return i;
    size_t b = body_end(s, a + 1, DASHED, 7), c = body_end(s, b + 1, DASHED, 38);
    if (b - a != 7 || pii_at(s, b) != '.' || c - b - 1 < 27)
        return i;
    for (size_t n = 24; n <= 26 && n <= a - i; n++)
        if (strchr("MNO", s->text.p[a - n]))
            return pii_note(s, PII_API_KEY, 0.95f, "discord", i, c);
    return i;
}

static size_t find_telegram(struct pii_scan *s, size_t i)
{
    size_t n = 0;

    while (n < 11 && text_is_digit(pii_at(s, i + n)))
        n++;
    if (n < 8 || n > 10 || pii_at(s, i + n) != ':')
        return i;
    size_t end = body_end(s, i + n + 1, DASHED, 36);
    return end - i - n - 1 == 35 ? pii_note(s, PII_API_KEY, 0.95f, "telegram", i, end) : i;
}

static size_t find_mailchimp(struct pii_scan *s, size_t i)
{
    size_t end = body_end(s, i, LOWER, 33);

    if (end - i != 32 || !begins(s, end, "-us") || body_end(s, i, HEX, 33) != end)
        return i;
    size_t last = end + 3;
    while (last - end < 6 && text_is_digit(pii_at(s, last)))
        last++;
    return last > end + 3 && last < end + 6 && !pii_is_word(pii_at(s, last))
               ? pii_note(s, PII_API_KEY, 0.95f, "mailchimp", i, last)
               : i;
}

/* Artifactory's passwords: AP, a hexadecimal digit, and eight more with a small letter or a digit among them. */
static size_t find_artifactory(struct pii_scan *s, size_t i)
{
    unsigned char digit = pii_at(s, i + 2);
    size_t end = body_end(s, i + 3, ALNUM, 200);
    bool mixed = false;

    if (!text_is_digit(digit) && (digit < 'A' || digit > 'F'))
        return i;
    for (size_t k = i + 3; k < end; k++)
        mixed |= !text_is_upper((unsigned char)s->text.p[k]);
    return end - i - 3 >= 8 && mixed && !pii_is_word(pii_at(s, end))
               ? pii_note(s, PII_API_KEY, 0.6f, "artifactory", i, end)
               : i;
}

/* "//registry.npmjs.org/:_authToken=..." */
size_t pii_npmrc(struct pii_scan *s, size_t i)
{
    size_t from = i + 12;

    if (pii_before(s, i) != '/')
        return i;
    while (pii_at(s, from) == ' ' && from < i + 20)
        from++;
    size_t end = body_end(s, from, DASHED, 200);
    if (end - from != 36 && !begins(s, from, "npm_"))
        return i;
    return pii_note(s, PII_API_KEY, 0.95f, "npm", from, end);
}

/* ---- addresses of coins ---- */

/* The n digits of base 58 as 25 bytes; false: it is none, or more. */
static bool read_base58(const char *p, size_t n, unsigned char bytes[25])
{
    static const char alphabet[] = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
    uint32_t limbs[7] = {0}; /* the last is the lowest */

    for (size_t i = 0; i < n; i++) {
        const char *at = strchr(alphabet, p[i]);
        if (!at || !*at)
            return false;
        uint64_t carry = (uint64_t)(at - alphabet);
        for (int k = 6; k >= 0; k--) {
            carry += limbs[k] * UINT64_C(58);
            limbs[k] = (uint32_t)carry;
            carry >>= 32;
        }
        if (carry || limbs[0] > 255)
            return false;
    }
    bytes[0] = (unsigned char)limbs[0];
    for (int k = 0; k < 24; k++)
        bytes[1 + k] = (unsigned char)(limbs[1 + k / 4] >> (24 - k % 4 * 8));
    return true;
}

static unsigned hex_value(char c)
{
    return (unsigned)(c <= '9' ? c - '0' : c - 'a' + 10);
}

static void sha256(const unsigned char *p, size_t n, unsigned char out[32])
{
    char hex[DIGEST_HEX + 1];
    struct digest d;

    digest_init(&d);
    digest_add(&d, (struct span){(const char *)p, n});
    digest_end(&d, hex);
    for (int i = 0; i < 32; i++)
        out[i] = (unsigned char)(hex_value(hex[2 * i]) << 4 | hex_value(hex[2 * i + 1]));
}

/* Base58 with four bytes of a double SHA-256 at its end; the first byte says which kind of address. */
static bool is_base58check(const char *p, size_t n)
{
    unsigned char bytes[25], once[32], twice[32];

    if (!read_base58(p, n, bytes) || (bytes[0] != 0 && bytes[0] != 5))
        return false;
    sha256(bytes, 21, once);
    sha256(once, 32, twice);
    return memcmp(twice, bytes + 21, 4) == 0;
}

/* Bech32 and Bech32m (BIP 173, 350), for the prefix "bc". */
static bool is_bech32(const char *p, size_t n)
{
    static const char alphabet[] = "qpzry9x8gf2tvdw0s3jn54khce6mua7l";
    static const uint32_t generator[] = {0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd,
                                         0x2a1462b3};
    uint32_t sum = 1;
    const char prefix[] = {3, 3, 0, 2, 3};

    for (size_t i = 0; i < 5 + n - 3; i++) {
        const char *at = i < 5 ? NULL : strchr(alphabet, p[i - 2]);
        if (i >= 5 && (!at || !*at))
            return false;
        uint32_t top = sum >> 25;
        sum = (sum & 0x1ffffff) << 5 ^ (i < 5 ? (uint32_t)prefix[i] : (uint32_t)(at - alphabet));
        for (int k = 0; k < 5; k++)
            sum ^= top >> k & 1 ? generator[k] : 0;
    }
    return sum == 1 || sum == 0x2bc830a3;
}

static size_t find_coin(struct pii_scan *s, size_t i)
{
    const char *p = s->text.p + i;
    size_t end = body_end(s, i, ALNUM, 75), n = end - i;

    if (pii_at(s, end) == '_')
        return i;
    if (p[0] == '0' && n == 42 && p[1] == 'x' && body_end(s, i + 2, ALNUM, 40) == end) {
        for (size_t k = 2; k < n; k++)
            if (!text_is_hex((unsigned char)p[k]))
                return i;
        return pii_note(s, PII_CRYPTO_ADDRESS, 0.6f, "ethereum", i, end);
    }
    bool found = begins(s, i, "bc1")          ? n >= 42 && n <= 62 && is_bech32(p, n)
                 : p[0] == '1' || p[0] == '3' ? n >= 26 && n <= 35 && is_base58check(p, n)
                                              : false;
    return found ? pii_note(s, PII_CRYPTO_ADDRESS, 0.98f, "bitcoin", i, end) : i;
}

size_t pii_token(struct pii_scan *s, size_t i)
{
    unsigned char c = pii_at(s, i);
    size_t to = i;

    if (pii_is_word(pii_before(s, i)))
        return i;
    if (text_is_letter(c))
        to = find_form(s, i);
    if (to == i && c == 'e' && begins(s, i, "eyJ"))
        to = find_jwt(s, i);
    if (to == i && c == 'A' && pii_at(s, i + 1) == 'P')
        to = find_artifactory(s, i);
    if (to == i && text_is_digit(c))
        to = find_telegram(s, i);
    if (to == i && (text_is_digit(c) || (c >= 'a' && c <= 'f')))
        to = find_mailchimp(s, i);
    if (to == i && (c == 'b' || c == '1' || c == '3' || c == '0'))
        to = find_coin(s, i);
    if (to == i && text_is_upper(c))
        to = find_discord(s, i);
    return to;
}

/* ---- private keys ---- */

static bool is_base64(unsigned char c)
{
    return text_is_alnum(c) || c == '+' || c == '/' || c == '=';
}

static bool is_line_end(const struct pii_scan *s, size_t i)
{
    return pii_at(s, i) == '\n' || (pii_at(s, i) == '\\' && pii_at(s, i + 1) == 'n');
}

/* The last line of a cut key may be short; a word of the text behind it has no digit, nor a capital inside. */
static bool is_key_line(const struct pii_scan *s, size_t from, size_t to)
{
    if (to - from >= KEY_LINE_MIN)
        return true;
    for (size_t i = from; i < to; i++)
        if (text_is_digit(pii_at(s, i)) || (i > from && text_is_upper(pii_at(s, i))))
            return true;
    return false;
}

/* Where a key ends that is cut off before its "-----END": behind the last line of key. */
static size_t cut_key_end(const struct pii_scan *s, size_t i)
{
    size_t end = i, at = i;

    while (pii_at(s, at) == '-')
        at++;
    while (at - i < ARMOUR_MAX) {
        while (pii_at(s, at) == '\r')
            at++;
        if (!is_line_end(s, at))
            return end;
        at += pii_at(s, at) == '\\' ? 2 : 1;
        size_t line = at;
        while (is_base64(pii_at(s, at)) && at - line < KEY_LINE_MAX)
            at++;
        if (!is_key_line(s, line, at))
            return end;
        end = at;
    }
    return end;
}

size_t pii_armour(struct pii_scan *s, size_t i)
{
    size_t head = i + 11, n = s->text.n - head < 80 ? s->text.n - head : 80;
    const char *line = memchr(s->text.p + head, '\n', n);
    const char *key =
        memmem(s->text.p + head, line ? (size_t)(line - (s->text.p + head)) : n, "PRIVATE KEY", 11);

    if (!key)
        return i;
    if (s->key_end < head) {
        const char *end = memmem(s->text.p + head, s->text.n - head, "-----END ", 9);
        s->key_end = end ? (size_t)(end - s->text.p) : SIZE_MAX;
    }
    size_t end = (size_t)(key - s->text.p) + 11;
    if (s->key_end != SIZE_MAX && s->key_end - i <= ARMOUR_MAX) {
        end = s->key_end + 9;
        for (size_t k = 0;
             k < 48 && end < s->text.n && s->text.p[end] != '-' && s->text.p[end] != '\n'; k++)
            end++;
    } else {
        end = cut_key_end(s, end);
    }
    while (pii_at(s, end) == '-')
        end++;
    return pii_note(s, PII_PRIVATE_KEY, 0.99f, NULL, i, end);
}

/* ---- what looks random ---- */

/* Bits a byte of the text itself. The sum of n log n over the counts grows by a known step at each byte. */
static double entropy(struct pii_scan *s, const char *p, size_t n)
{
    unsigned char count[128] = {0};
    double sum = 0;

    if (s->gain[1] == 0)
        for (int c = 1; c < RANDOM_LOOK; c++)
            s->gain[c] = (float)((c + 1) * log2(c + 1) - c * log2(c));
    for (size_t i = 0; i < n; i++)
        sum += (double)s->gain[count[p[i] & 127]++];
    return log2((double)n) - sum / (double)n;
}

/* How much the bytes look like a secret: digits among letters of both cases, and few repetitions. */
static float random_look(struct pii_scan *s, const char *p, size_t n)
{
    bool upper = false, lower = false, digit = false, hex = true;
    int slashes = 0, dashes = 0;

    n = n > RANDOM_LOOK ? RANDOM_LOOK : n;
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)p[i];
        upper |= text_is_upper(c);
        lower |= text_is_lower(c);
        digit |= text_is_digit(c);
        hex &= text_is_hex(c) != 0;
        slashes += c == '/';
        dashes += c == '-' || c == '_';
    }
    if (!digit || !(upper || lower))
        return 0;
    if (hex && !(upper && lower))
        return n >= 32 && entropy(s, p, n) >= 3.0 ? 0.25f : 0;
    if (!upper || !lower || slashes > 2 || dashes > 3)
        return 0;
    double bits = entropy(s, p, n);
    return bits >= 4.3 && n >= 32 ? 0.6f : bits >= 3.8 ? 0.35f : 0;
}

/* Base64 of something that can be read, or whose first bytes tell that it is a public key or a picture. */
static bool is_encoded(const char *p, size_t n)
{
    static const char *const heads[] = {
        "AAAAB3NzaC", "AAAAC3NzaC", "AAAAE2Vj", "iVBORw0KGgo", "/9j/4", "R0lGOD", "JVBERi0",
        "UEsDB",      "H4sI",       "MIIB",     "MIIC",        "MIID",  "MIIE",   "MIIF"};
    char bytes[RANDOM_LOOK];
    size_t look = (n < RANDOM_LOOK ? n : RANDOM_LOOK) & ~(size_t)3;

    for (size_t k = 0; k < sizeof heads / sizeof *heads; k++)
        if (n >= strlen(heads[k]) && memcmp(p, heads[k], strlen(heads[k])) == 0)
            return true;
    ptrdiff_t size = base64_size((struct span){p, look}, NULL);
    if (size < 12)
        return false;
    base64_decode(bytes, (struct span){p, look});
    for (ptrdiff_t i = 0; i < size; i++)
        if (bytes[i] < ' ' && !text_is_blank((unsigned char)bytes[i]))
            return false;
    return true;
}

/* "sha384-", "base64,": what follows is a sum or a file. */
static bool is_told_harmless(const struct pii_scan *s, size_t i)
{
    const char *p = s->text.p + i;

    return pii_nearest(s, 1 << ABOUT_DIGEST, i, 16) ||
           (i >= 7 && memcmp(p - 7, "base64,", 7) == 0) ||
           (s->text.n - i > 3 && strncasecmp(p, "sha", 3) == 0 && text_is_digit(pii_at(s, i + 3)));
}

/* An '=' stands at the end of base64 only: before it is a name. */
static size_t random_end(const struct pii_scan *s, size_t i)
{
    size_t end = i;

    while (is_body(BASE64, pii_at(s, end)) && pii_at(s, end) != '=')
        end++;
    size_t padded = end;
    while (padded < end + 2 && pii_at(s, padded) == '=')
        padded++;
    return pii_is_word(pii_at(s, padded)) ? end : padded;
}

size_t pii_random(struct pii_scan *s, size_t i)
{
    if (i < s->looked)
        return i;
    size_t end = random_end(s, i);
    s->looked = end;
    if (end - i < RANDOM_MIN || pii_before(s, i) == '/' || pii_before(s, i) == '.')
        return i;
    float score = random_look(s, s->text.p + i, end - i);
    if (score > 0 && pii_about(s, ABOUT_SECRET, i))
        score = 0.85f;
    else if (score > 0 && (is_told_harmless(s, i) || is_encoded(s->text.p + i, end - i)))
        score = 0.1f;
    return pii_note(s, PII_SECRET, score, NULL, i, end);
}

/* ---- password = "..." ---- */

static bool is_placeholder(const char *p, size_t n)
{
    static const char *const words[] = {
        "example", "your",  "insert",      "placeholder", "changeme", "xxxx",
        "****",    "dummy", "fake",        "none",        "null",     "true",
        "false",   "todo",  "process.env", "os.environ",  "getenv"};
    char lower[65];

    n = n > 64 ? 64 : n;
    for (size_t i = 0; i < n; i++)
        lower[i] = text_lower(p[i]);
    lower[n] = 0;
    if (strpbrk(lower, "$<>{}%()"))
        return true;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strstr(lower, words[i]))
            return true;
    return false;
}

/* "key" alone names anything; "api_key" does not. */
static bool is_just_key(const struct pii_scan *s, size_t end)
{
    if (end < 3 || strncasecmp(s->text.p + end - 3, "key", 3) != 0)
        return false;
    unsigned char before = pii_before(s, end - 3);
    return !text_is_alnum(before) && before != '_' && before != '-';
}

size_t pii_assigned(struct pii_scan *s, size_t i)
{
    size_t name = s->seen[ABOUT_SECRET];

    if (!name || i - name > 3 || is_just_key(s, name))
        return i;
    size_t from = i + 1;
    for (int n = 0;
         n < 3 && (pii_at(s, from) == ' ' || pii_at(s, from) == '=' || pii_at(s, from) == '>'); n++)
        from++;
    char quote = (char)pii_at(s, from);
    bool quoted = quote == '"' || quote == '\'' || quote == '`';
    from += quoted;
    size_t end = from;
    while (end < s->text.n && end - from < 256 && pii_at(s, end) > ' ' &&
           !strchr("\"'`,;", pii_at(s, end)))
        end++;
    bool closed = !quoted || pii_at(s, end) == (unsigned char)quote;
    bool mixed = false, letters = true;
    for (size_t k = from; k < end; k++) {
        unsigned char c = pii_at(s, k);
        letters &= text_is_letter(c) || c >= 0x80;
        mixed |= text_is_digit(c) || (text_is_upper(c) && k > from);
    }
    if (!closed || end - from < 6 || is_placeholder(s->text.p + from, end - from) ||
        (!quoted && letters && !mixed))
        return i;
    size_t token = text_is_alnum(pii_at(s, from)) ? pii_token(s, from) : from;
    if (token > from)
        return token;
    pii_note(s, PII_PASSWORD, quoted || mixed ? 0.7f : 0.4f, "assigned", from, end);
    return i;
}
