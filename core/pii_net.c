/* pii_net - addresses of the net: e-mail, URL, IP, MAC.
 * SPDX-License-Identifier: MIT */
#include "pii_private.h"

#include "json.h"

#include <string.h>

enum { LOCAL_MAX = 64, DOMAIN_MAX = 253, URL_MAX = 2048, ADDRESS_MAX = 46 };
enum { UNSPACED = 0xe0 /* begins a character of Chinese, Japanese, Thai, ... */ };

/* ---- e-mail ---- */

static bool is_local(unsigned char c)
{
    return text_is_alnum(c) || c >= 0x80 || (c && strchr("._%+-'&~#=^`{|}!$*?/", c));
}

/* How much of a label is the domain's: "org" of "orgまで", where no blank stands before the next word. */
static size_t ascii_letters(const struct pii_scan *s, size_t label, size_t n)
{
    size_t ascii = 0;

    while (ascii < n && text_is_letter((unsigned char)s->text.p[label + ascii]))
        ascii++;
    return ascii >= 2 && ascii < n && (unsigned char)s->text.p[label + ascii] >= UNSPACED ? ascii
                                                                                          : n;
}

/* Where an address begins that ends in ASCII: behind the last character of "メールは". */
static size_t skip_unspaced(const struct pii_scan *s, size_t from, size_t to)
{
    for (size_t k = from; k < to; k++)
        if ((unsigned char)s->text.p[k] >= UNSPACED && (unsigned char)s->text.p[to - 1] < 0x80)
            from = k + ((unsigned char)s->text.p[k] >= 0xf0 ? 4 : 3);
    return from;
}

/* Where the domain that begins at i ends; i: it is none. The last label has no digits, unless it is an encoded one. */
static size_t domain_end(const struct pii_scan *s, size_t i)
{
    size_t end = i, label = i, at = i;
    int labels = 0;

    for (;; at++) {
        unsigned char c = pii_at(s, at);
        if ((text_is_alnum(c) || c >= 0x80 || c == '-') && at - i < DOMAIN_MAX)
            continue;
        size_t n = at - label;
        if (!n || s->text.p[label] == '-')
            break;
        while (n && s->text.p[label + n - 1] == '-')
            n--;
        bool encoded = n > 4 && memcmp(s->text.p + label, "xn--", 4) == 0, letters = true;
        size_t ascii = ascii_letters(s, label, n);
        for (size_t k = label; k < label + n; k++)
            letters &=
                text_is_letter((unsigned char)s->text.p[k]) || (unsigned char)s->text.p[k] >= 0x80;
        if (labels++ && n >= 2 && (letters || encoded))
            end = label + ascii;
        if (c != '.' || ascii < n)
            break;
        label = at + 1;
    }
    return end;
}

/* "icon@2x.png", "@types.d.ts": names of files; none of these is a top level domain. */
static bool is_file(const struct pii_scan *s, size_t end)
{
    static const char *const endings[] = {"png", "jpg", "jpeg", "gif", "svg",  "webp", "css",
                                          "js",  "ts",  "json", "xml", "html", "txt",  "pdf",
                                          "csv", "log", "tar",  "gz",  "exe",  "dll",  "jar"};
    size_t from = end;

    while (from && text_is_letter((unsigned char)s->text.p[from - 1]))
        from--;
    for (size_t k = 0; k < sizeof endings / sizeof *endings; k++)
        if (end - from == strlen(endings[k]) &&
            strncasecmp(s->text.p + from, endings[k], end - from) == 0)
            return true;
    return false;
}

size_t pii_email(struct pii_scan *s, size_t i)
{
    size_t from = i, end = domain_end(s, i + 1);

    if (end == i + 1 || is_file(s, end))
        return i;
    while (from && i - from < LOCAL_MAX && is_local((unsigned char)s->text.p[from - 1]))
        from--;
    from = skip_unspaced(s, from, i);
    while (from < i && !text_is_alnum((unsigned char)s->text.p[from]) &&
           (unsigned char)s->text.p[from] < 0x80 && s->text.p[from] != '_')
        from++;
    if (from == i || s->text.p[i - 1] == '.' || (s->label && s->label >= from && s->label < i))
        return i;
    if (from && s->text.p[from - 1] == ':' && s->label && i - s->label < 2 * LOCAL_MAX &&
        !memchr(s->text.p + s->label, ' ', i - s->label))
        return i; /* user:password@host */
    if (!json_is_utf8((struct span){s->text.p + from, end - from}))
        return i;
    return pii_note(s, PII_EMAIL, 0.95f, NULL, from, end);
}

/* ---- URL ---- */

static bool is_userinfo(unsigned char c)
{
    return c > ' ' && c < 0x7f && !strchr(":/?#[]@!$&'()*+,;=<>\"", c);
}

/* scheme://user:password@ */
static void find_password(struct pii_scan *s, size_t i)
{
    size_t at = i;

    while (is_userinfo(pii_at(s, at)) && at - i < 128)
        at++;
    if (pii_at(s, at) != ':')
        return;
    size_t from = ++at;
    while (is_userinfo(pii_at(s, at)) && at - from < 256)
        at++;
    if (at > from && pii_at(s, at) == '@')
        pii_note(s, PII_PASSWORD, 0.9f, "url", from, at);
}

size_t pii_url(struct pii_scan *s, size_t i)
{
    size_t from = i, end = i + 3;

    s->label = end;
    find_password(s, end);
    if (!(s->kinds >> PII_URL & 1) || i < s->url_end)
        return i;
    while (from && i - from < 16 && text_is_letter((unsigned char)s->text.p[from - 1]))
        from--;
    while (end < s->text.n && end - i < URL_MAX && pii_at(s, end) > ' ' &&
           !strchr("<>\"`'{}|\\^", pii_at(s, end)))
        end++;
    while (end > i + 3 && strchr(".,;:!?)]", s->text.p[end - 1]))
        end--;
    s->url_end = end;
    if (from < i && end > i + 3)
        pii_note(s, PII_URL, 0.8f, NULL, from, end);
    return i; /* what else it holds counts, too */
}

/* ---- IP ---- */

/* Four numbers up to 255; where they end, or i. */
static size_t ipv4_end(const struct pii_scan *s, size_t i)
{
    for (int part = 0; part < 4; part++) {
        int v = 0, n = 0;
        if (part && pii_at(s, i++) != '.')
            return 0;
        for (; n < 3 && text_is_digit(pii_at(s, i)); n++)
            v = v * 10 + pii_at(s, i++) - '0';
        if (!n || v > 255 || text_is_digit(pii_at(s, i)) ||
            (n > 1 && s->text.p[i - (size_t)n] == '0'))
            return 0;
    }
    return i;
}

struct ipv6 {
    int groups, digits;
    bool gap; /* "::" */
    size_t end;
};

/* Reads groups as far as they go; false: what stands there cannot be one. */
static bool read_ipv6(const struct pii_scan *s, size_t i, struct ipv6 *a)
{
    *a = (struct ipv6){0};
    for (size_t start = i; i - start <= ADDRESS_MAX;) {
        if (pii_at(s, i) == ':' && pii_at(s, i + 1) == ':') {
            if (a->gap || pii_at(s, i + 2) == ':')
                return false;
            a->gap = true;
            i += 2;
        } else if (a->groups || a->gap) {
            if (pii_at(s, i) == ':' && text_is_hex(pii_at(s, i + 1)) && i > start &&
                s->text.p[i - 1] != ':')
                i++;
            else if (!a->gap || s->text.p[i - 1] != ':')
                break;
        }
        a->end = i;
        size_t n = 0;
        size_t dotted = text_is_digit(pii_at(s, i)) ? ipv4_end(s, i) : 0;
        if (dotted) {
            a->groups += 2;
            a->digits++;
            a->end = dotted;
            break;
        }
        for (; n < 5 && text_is_hex(pii_at(s, i + n)); n++)
            a->digits += text_is_digit(pii_at(s, i + n));
        if (n == 5)
            return false;
        if (!n)
            break;
        i += n;
        a->groups++;
        a->end = i;
        if (pii_at(s, i) != ':')
            break;
    }
    return a->gap ? a->groups < 8 : a->groups == 8;
}

/* Nothing that goes on may stand behind an address; a full stop may end the sentence. */
static bool is_behind(const struct pii_scan *s, size_t end)
{
    unsigned char c = pii_at(s, end), next = pii_at(s, end + 1);

    return !pii_is_word(c) && !(c == ':' && (text_is_hex(next) || next == ':')) &&
           !(c == '.' && text_is_digit(next));
}

/* "/24" behind an address of so many bits. */
static size_t prefix_end(const struct pii_scan *s, size_t end, int bits)
{
    size_t i = end + 1;
    int v = 0;

    if (pii_at(s, end) != '/')
        return end;
    while (i < end + 4 && text_is_digit(pii_at(s, i)))
        v = v * 10 + pii_at(s, i++) - '0';
    return i > end + 1 && v <= bits && !pii_is_word(pii_at(s, i)) ? i : end;
}

/* Addresses that lead nowhere from outside (RFC 6890). */
static const char *reach_v4(const struct pii_scan *s, size_t i)
{
    int a = 0, b = 0;

    while (text_is_digit(pii_at(s, i)))
        a = a * 10 + pii_at(s, i++) - '0';
    for (i++; text_is_digit(pii_at(s, i)); i++)
        b = b * 10 + pii_at(s, i) - '0';
    bool here = a == 0 || a == 10 || a == 127 || a >= 224 || (a == 169 && b == 254) ||
                (a == 172 && b >= 16 && b <= 31) || (a == 192 && b == 168) ||
                (a == 100 && b >= 64 && b <= 127);
    return here ? "private" : "public";
}

static const char *reach_v6(const struct pii_scan *s, size_t i)
{
    static const char *const here[] = {"fe8", "fe9", "fea", "feb", "fc", "fd", "ff", "::"};

    for (size_t k = 0; k < sizeof here / sizeof *here; k++)
        if (s->text.n - i >= strlen(here[k]) &&
            strncasecmp(s->text.p + i, here[k], strlen(here[k])) == 0)
            return "private";
    return "public";
}

static size_t find_ipv6(struct pii_scan *s, size_t i)
{
    struct ipv6 a;
    unsigned char before = pii_before(s, i);

    if (pii_is_word(before) || before == ':' || (before == '.' && i > 1) || !read_ipv6(s, i, &a) ||
        !is_behind(s, a.end))
        return i;
    if (!a.groups &&
        (text_is_alnum(pii_at(s, a.end)) || (before && !strchr(" =\t\n[(\"'", before))))
        return i;
    if (a.groups && !a.digits && a.groups < 3)
        return i; /* words of programs */
    size_t end = a.end;
    if (pii_at(s, end) == '%') /* the interface */
        while (end - a.end < 17 && text_is_alnum(pii_at(s, end + 1)))
            end++;
    if (end > a.end)
        end++;
    return pii_note(s, PII_IP, a.groups > 1 ? 0.9f : 0.5f, reach_v6(s, i), i,
                    prefix_end(s, end, 128));
}

/* The word before i, behind one blank, slash or hyphen: 0 when there is none, or it ends a sentence or a label. */
static bool is_behind_word(const struct pii_scan *s, size_t i)
{
    unsigned char c = pii_before(s, i);

    if (c == '/' || c == '-' || c == '_' || c == ' ')
        return i > 1 && pii_is_word((unsigned char)s->text.p[i - 2]) &&
               !(c == ' ' && text_is_digit((unsigned char)s->text.p[i - 2]));
    return false;
}

static size_t longest_part(const struct pii_scan *s, size_t i, size_t end)
{
    size_t longest = 0;

    for (size_t from = i; i <= end; i++)
        if (i == end || s->text.p[i] == '.') {
            longest = i - from > longest ? i - from : longest;
            from = i + 1;
        }
    return longest;
}

/* Versions and numbers of paragraphs have four parts, too: small ones, behind a name. An address stands behind a word
 * that leads to one ("from", "host"), or has a port, a length of its net, or parts of three digits. */
static float ipv4_score(const struct pii_scan *s, size_t i, size_t end)
{
    unsigned char before = pii_before(s, i);
    bool net = pii_nearest(s, 1 << ABOUT_NET, i, 3) || before == '@' || before == '[' ||
               (i > 1 && before == '/' && s->text.p[i - 2] == '/'),
         led = net || prefix_end(s, end, 32) > end ||
               (pii_at(s, end) == ':' && text_is_digit(pii_at(s, end + 1)));
    size_t longest = longest_part(s, i, end);

    if (!net && pii_nearest(s, 1 << ABOUT_VERSION, i, led ? 3 : longest == 3 ? 16 : 40))
        return 0.2f;
    if (led || longest == 3)
        return 0.9f;
    return is_behind_word(s, i) ? 0.25f : 0.7f;
}

static size_t find_ipv4(struct pii_scan *s, size_t i)
{
    unsigned char before = pii_before(s, i);
    size_t end = ipv4_end(s, i);

    if (!end || pii_is_word(before) || pii_is_word(pii_at(s, end)))
        return i;
    if (before == '.' && i > 1 && text_is_digit((unsigned char)s->text.p[i - 2]))
        return i;
    if (pii_at(s, end) == '.' && text_is_digit(pii_at(s, end + 1)) && longest_part(s, i, end) < 3)
        return i; /* of five parts and more */
    return pii_note(s, PII_IP, ipv4_score(s, i, end), reach_v4(s, i), i, prefix_end(s, end, 32));
}

/* ---- MAC ---- */

static size_t mac_end(const struct pii_scan *s, size_t i, char separator, size_t group, int groups)
{
    for (int g = 0; g < groups; g++) {
        if (g && pii_at(s, i++) != (unsigned char)separator)
            return 0;
        for (size_t k = 0; k < group; k++)
            if (!text_is_hex(pii_at(s, i++)))
                return 0;
    }
    return pii_is_word(pii_at(s, i)) || pii_at(s, i) == (unsigned char)separator ? 0 : i;
}

static bool is_uniform(const struct pii_scan *s, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++)
        if (text_is_hex(pii_at(s, i)) && (pii_at(s, i) | 0x20) != (pii_at(s, from) | 0x20))
            return false;
    return true;
}

static size_t find_mac(struct pii_scan *s, size_t i)
{
    size_t end = 0;
    unsigned char before = pii_before(s, i);

    if (pii_is_word(before) || before == ':' || before == '-')
        return i;
    if (pii_at(s, i + 2) == ':' || pii_at(s, i + 2) == '-')
        end = mac_end(s, i, (char)pii_at(s, i + 2), 2, 6);
    else if (pii_at(s, i + 4) == '.')
        end = mac_end(s, i, '.', 4, 3);
    if (!end || is_uniform(s, i, end)) /* broadcast, none */
        return i;
    return pii_note(s, PII_MAC, 0.9f, NULL, i, end);
}

size_t pii_address(struct pii_scan *s, size_t i)
{
    size_t end = i;

    if (text_is_hex(pii_at(s, i)) && (end = find_mac(s, i)) > i)
        return end;
    if (text_is_digit(pii_at(s, i)) && (end = find_ipv4(s, i)) > i)
        return end;
    return find_ipv6(s, i);
}
