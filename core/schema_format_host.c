/* schema_format_host - host names (RFC 1123) and those of all scripts (IDNA 2008: RFC 5890 to 5893).
 * SPDX-License-Identifier: MIT
 *
 * Which characters a label may hold follows from their categories (RFC 5892), which PCRE2 knows; whether a label is in
 * normal form is not looked at. */
#include "schema_formats.h"

#include "json_bytes.h"

#include <strings.h>

enum { LABEL_MAX = 63, NAME_MAX_BYTES = 253, CODES_MAX = 255 };

struct label {
    unsigned codes[CODES_MAX];
    int n;
};

/* ---- punycode, RFC 3492 ---- */

static int digit_of(char c)
{
    if (is_digit(c))
        return c - '0' + 26;
    return is_letter(c) ? (c | 0x20) - 'a' : -1;
}

static unsigned adapt(unsigned delta, unsigned points, bool first)
{
    unsigned k = 0;

    delta = first ? delta / 700 : delta / 2;
    delta += delta / points;
    for (; delta > 455; k += 36)
        delta /= 35;
    return k + 36 * delta / (delta + 38);
}

static bool insert(struct label *l, unsigned at, unsigned code)
{
    if (l->n == CODES_MAX || code > 0x10FFFF)
        return false;
    memmove(l->codes + at + 1, l->codes + at, ((size_t)l->n - at) * sizeof *l->codes);
    l->codes[at] = code;
    l->n++;
    return true;
}

/* One number of variable length, added to *i. */
static bool take_delta(struct text *t, unsigned bias, unsigned *i)
{
    unsigned w = 1;

    for (unsigned k = 36;; k += 36) {
        int digit = t->p < t->end ? digit_of(*t->p++) : -1;
        if (digit < 0 || (unsigned)digit > (0x7FFFFFFF - *i) / w)
            return false;
        *i += (unsigned)digit * w;
        unsigned threshold = k <= bias ? 1 : k >= bias + 26 ? 26 : k - bias;
        if ((unsigned)digit < threshold)
            return true;
        if (w > 0x7FFFFFFF / (36 - threshold))
            return false;
        w *= 36 - threshold;
    }
}

static bool decode(struct span s, struct label *l)
{
    size_t basic = s.n;
    unsigned code = 128, i = 0, bias = 72;

    l->n = 0;
    while (basic > 0 && s.p[basic - 1] != '-')
        basic--;
    for (size_t k = 0; k + 1 < basic; k++)
        l->codes[l->n++] = (unsigned char)s.p[k];
    struct text t = {s.p + basic, s.p + s.n};
    if (t.p == t.end)
        return false;
    for (bool first = true; t.p < t.end; first = false) {
        unsigned before = i, points = (unsigned)l->n + 1;
        if (!take_delta(&t, bias, &i))
            return false;
        bias = adapt(i - before, points, first);
        code += i / points;
        i %= points;
        if (!insert(l, i++, code))
            return false;
    }
    return true;
}

static size_t put_delta(char *to, size_t n, size_t size, unsigned q, unsigned bias)
{
    static const char digits[] = "abcdefghijklmnopqrstuvwxyz0123456789";

    for (unsigned k = 36;; k += 36) {
        unsigned threshold = k <= bias ? 1 : k >= bias + 26 ? 26 : k - bias;
        unsigned digit = q < threshold ? q : threshold + (q - threshold) % (36 - threshold);
        if (n < size)
            to[n++] = digits[digit];
        if (q < threshold)
            return n;
        q = (q - threshold) / (36 - threshold);
    }
}

/* Its spelling behind "xn--" (RFC 3492, 6.3), at most 'size' bytes; how many it takes. */
static size_t encode(const struct label *l, char *to, size_t size)
{
    unsigned code = 128, delta = 0, bias = 72;
    size_t n = 0;
    int done = 0;

    for (int i = 0; i < l->n; i++)
        if (l->codes[i] < 0x80 && ++done && n < size)
            to[n++] = (char)l->codes[i];
    int basic = done;
    if (basic && n < size)
        to[n++] = '-';
    for (; done < l->n; code++, delta++) {
        unsigned next = 0x110000;
        for (int i = 0; i < l->n; i++)
            if (l->codes[i] >= code && l->codes[i] < next)
                next = l->codes[i];
        delta += (next - code) * ((unsigned)done + 1);
        code = next;
        for (int i = 0; i < l->n; i++) {
            delta += l->codes[i] < code;
            if (l->codes[i] != code)
                continue;
            n = put_delta(to, n, size, delta, bias);
            bias = adapt(delta, (unsigned)done + 1, done == basic);
            delta = 0;
            done++;
        }
    }
    return n;
}

/* ---- what a label may hold ---- */

static size_t put(char *to, unsigned c)
{
    if (c < 0x80) {
        to[0] = (char)c;
        return 1;
    }
    size_t n = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (size_t i = n - 1; i > 0; i--, c >>= 6)
        to[i] = (char)(0x80 | (c & 0x3F));
    to[0] = (char)(c | (0xF00u >> n & 0xFF));
    return n;
}

/* Does the text of these characters match the pattern? */
static bool fits(const unsigned *codes, int n, const char *pattern, int64_t *steps)
{
    char text[4 * CODES_MAX];
    size_t size = 0;
    struct err err;

    for (int i = 0; i < n; i++)
        size += put(text + size, codes[i]);
    struct regex *re = regex_new((struct span){pattern, strlen(pattern)}, REGEX_PERL, 0, &err);
    bool match = re && regex_match(re, (struct span){text, size}, steps) > 0;
    regex_free(re);
    return match;
}

static bool any(const struct label *l, const char *pattern, int64_t *steps)
{
    return fits(l->codes, l->n, pattern, steps);
}

/* Joiners stand behind a virama; the zero-width non-joiner also between letters that join (RFC 5892, A.1). */
static bool joiner_fits(const struct label *l, int i, int64_t *steps)
{
    static const char virama[] = "[\\x{94d}\\x{9cd}\\x{a4d}\\x{acd}\\x{b4d}\\x{bcd}\\x{c4d}\\x{ccd}"
                                 "\\x{d3b}\\x{d3c}\\x{d4d}\\x{dca}"
                                 "\\x{e3a}\\x{eba}\\x{f84}\\x{1039}\\x{103a}\\x{1714}\\x{1734}\\x{"
                                 "17d2}\\x{1a60}\\x{1b44}\\x{1baa}"
                                 "\\x{1bab}\\x{1bf2}\\x{1bf3}\\x{2d7f}\\x{a806}\\x{a8c4}\\x{a953}"
                                 "\\x{a9c0}\\x{aaf6}\\x{abed}]";

    if (i > 0 && fits(&l->codes[i - 1], 1, virama, steps))
        return true;
    return l->codes[i] == 0x200C && i > 0 && i + 1 < l->n &&
           fits(&l->codes[i - 1], 1, "\\p{Arabic}|\\p{Syriac}|\\p{Mongolian}", steps) &&
           fits(&l->codes[i + 1], 1, "\\p{Arabic}|\\p{Syriac}|\\p{Mongolian}", steps);
}

/* Characters that are fine only in company: RFC 5892, appendix A. */
static bool company_fits(const struct label *l, int i, int64_t *steps)
{
    unsigned before = i > 0 ? l->codes[i - 1] : 0, after = i + 1 < l->n ? l->codes[i + 1] : 0;

    switch (l->codes[i]) {
    case 0xB7: /* between two l */
        return before == 'l' && after == 'l';
    case 0x375:
        return after && fits(&after, 1, "\\p{Greek}", steps);
    case 0x5F3:
    case 0x5F4:
        return before && fits(&before, 1, "\\p{Hebrew}", steps);
    case 0x30FB:
        return any(l, "[\\p{sc:Hiragana}\\p{sc:Katakana}\\p{sc:Han}]", steps);
    case 0x200C:
    case 0x200D:
        return joiner_fits(l, i, steps);
    default:
        return true;
    }
}

#define LEFTWARD "[\\p{Hebrew}\\p{Arabic}\\p{Syriac}\\p{Thaana}\\p{Nko}]"

/* RFC 5893: a label with letters from right to left begins with one, and its digits are of one kind. */
static bool direction_fits(const struct label *l, int64_t *steps)
{
    if (!any(l, LEFTWARD, steps))
        return true;
    return !any(l, "[\\p{Latin}\\p{Greek}\\p{Cyrillic}\\p{Han}]", steps) &&
           fits(l->codes, 1, LEFTWARD, steps) &&
           !(any(l, "[0-9]", steps) && any(l, "[\\x{660}-\\x{669}]", steps));
}

static bool is_label_of_all(const struct label *l, int64_t *steps)
{
    static const char allowed[] = "^(?!\\p{M})(?!-)(?!.{2}--)"
                                  "(?:(?![\\x{640}\\x{7fa}\\x{302e}\\x{302f}\\x{3031}-\\x{3035}\\x{"
                                  "303b}\\x{1100}-\\x{11ff}\\x{a960}-\\x{a97c}"
                                  "\\x{d7b0}-\\x{d7fb}\\x{ff00}-\\x{ffef}\\x{2100}-\\x{214d}\\x{"
                                  "fb00}-\\x{fb4f}\\x{fb50}-\\x{fdff}])"
                                  "[-\\p{Ll}\\p{Lo}\\p{Lm}\\p{Mn}\\p{Mc}\\p{Nd}\\x{b7}\\x{375}\\x{"
                                  "5f3}\\x{5f4}\\x{6fd}\\x{6fe}\\x{f0b}"
                                  "\\x{3007}\\x{30fb}\\x{200c}\\x{200d}])*(?<!-)\\z";

    if (l->n == 0 || !any(l, allowed, steps))
        return false;
    for (int i = 0; i < l->n; i++)
        if (l->codes[i] >= 0x80 && !company_fits(l, i, steps))
            return false;
    /* Arabic digits of two kinds do not mix */
    return !(any(l, "[\\x{660}-\\x{669}]", steps) && any(l, "[\\x{6f0}-\\x{6f9}]", steps)) &&
           direction_fits(l, steps);
}

/* ---- names ---- */

static bool is_ascii_label(struct span s, int64_t *steps)
{
    struct label l;
    char wire[LABEL_MAX];

    if (s.n == 0 || s.n > LABEL_MAX || s.p[0] == '-' || s.p[s.n - 1] == '-')
        return false;
    for (size_t i = 0; i < s.n; i++)
        if (!is_letter(s.p[i]) && !is_digit(s.p[i]) && s.p[i] != '-')
            return false;
    if (s.n < 4 || s.p[2] != '-' || s.p[3] != '-')
        return true;
    if ((s.p[0] | 0x20) != 'x' || (s.p[1] | 0x20) != 'n' || s.n < 5)
        return false; /* kept for other encodings */
    if (!decode((struct span){s.p + 4, s.n - 4}, &l) || !is_label_of_all(&l, steps))
        return false;
    size_t n = encode(&l, wire, sizeof wire); /* there is one right spelling */
    return n == s.n - 4 && strncasecmp(wire, s.p + 4, n) == 0;
}

/* Code points of UTF-8, letters of ASCII made small. */
static bool read_label(struct span s, struct label *l)
{
    l->n = 0;
    for (size_t i = 0, n; i < s.n; i += n) {
        unsigned char c = (unsigned char)s.p[i];
        n = c < 0x80 ? 1 : json_utf8_length(s.p + i, s.p + s.n);
        if (n == 0 || l->n == LABEL_MAX)
            return false;
        unsigned code = n == 1 ? c : c & (0x7Fu >> n);
        for (size_t k = 1; k < n; k++)
            code = code << 6 | ((unsigned char)s.p[i + k] & 0x3F);
        l->codes[l->n++] = code >= 'A' && code <= 'Z' ? code | 0x20 : code;
    }
    return true;
}

/* The bytes it takes on the wire; 0: it is none. */
static size_t any_label(struct span s, int64_t *steps)
{
    struct label l;
    char wire[LABEL_MAX];

    for (size_t i = 0; i < s.n; i++) {
        if ((unsigned char)s.p[i] < 0x80)
            continue;
        size_t n =
            read_label(s, &l) && is_label_of_all(&l, steps) ? encode(&l, wire, sizeof wire) : 0;
        return n && n + 4 <= LABEL_MAX ? n + 4 : 0;
    }
    return is_ascii_label(s, steps) ? s.n : 0;
}

/* In a name with labels from right to left no label begins with a digit. */
static bool is_leftward(struct span s, int64_t *steps)
{
    struct label l;
    return read_label(s, &l) && any(&l, LEFTWARD, steps);
}

/* The length of the dot at p: IDNA knows four of them (RFC 3490, 3.1). */
static size_t dot(const char *p, const char *end, bool wide)
{
    if (*p == '.')
        return 1;
    if (!wide || end - p < 3)
        return 0;
    return memcmp(p, "\u3002", 3) == 0 || memcmp(p, "\uff0e", 3) == 0 || memcmp(p, "\uff61", 3) == 0
               ? 3
               : 0;
}

static bool is_name(struct span s, bool wide, int64_t *steps)
{
    struct text t = text_of(s, steps);
    const char *from = t.p;
    size_t size = 0;
    bool leftward = false, digit = false;

    if (s.n == 0 || s.n > (wide ? 4 : 1) * (size_t)NAME_MAX_BYTES)
        return false;
    for (;;) {
        size_t n = t.p < t.end ? dot(t.p, t.end, wide) : 0;
        if (t.p < t.end && n == 0) {
            t.p++;
            continue;
        }
        struct span label = {from, (size_t)(t.p - from)};
        size_t took = wide ? any_label(label, steps) : is_ascii_label(label, steps) ? label.n : 0;
        size += took + (size > 0);
        if (took == 0 || size > NAME_MAX_BYTES)
            return false;
        leftward = leftward || (wide && is_leftward(label, steps));
        digit = digit || is_digit(*label.p);
        if (t.p == t.end)
            return !(leftward && digit);
        from = t.p += n;
    }
}

bool format_hostname(struct span s, int64_t *steps)
{
    return is_name(s, false, steps);
}

bool format_idn_hostname(struct span s, int64_t *steps)
{
    return is_name(s, true, steps);
}
