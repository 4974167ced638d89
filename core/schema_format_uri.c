/* schema_format_uri - URIs (RFC 3986), IRIs (RFC 3987) and URI templates (RFC 6570).
 * SPDX-License-Identifier: MIT */
#include "schema_formats.h"
#include "schema_uri.h"

#include "json_bytes.h"

static bool is_unreserved(char c)
{
    return is_letter(c) || is_digit(c) || (c && strchr("-._~", c));
}

static unsigned code_of(const char *p, size_t n)
{
    unsigned code = (unsigned char)*p & (n == 2 ? 0x1Fu : n == 3 ? 0x0Fu : 0x07u);

    for (size_t i = 1; i < n; i++)
        code = code << 6 | ((unsigned char)p[i] & 0x3F);
    return code;
}

static bool is_private(unsigned c)
{
    return (c >= 0xE000 && c <= 0xF8FF) || (c >= 0xF0000 && c <= 0xFFFFD) || c >= 0x100000;
}

/* ucschar of RFC 3987 */
static bool is_wide(unsigned c)
{
    if (c < 0x10000)
        return (c >= 0xA0 && c <= 0xD7FF) || (c >= 0xF900 && c <= 0xFDCF) ||
               (c >= 0xFDF0 && c <= 0xFFEF);
    return c < 0xF0000 && (c & 0xFFFE) != 0xFFFE && !(c >= 0xE0000 && c < 0xE1000);
}

struct signs {
    const char *more;  /* besides the unreserved ones and percent signs */
    bool wide, secret; /* beyond ASCII; of private use, too */
};

static bool only(struct span s, struct signs allowed)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (c == '%') {
            if (i + 2 >= s.n || !is_hex_digit(s.p[i + 1]) || !is_hex_digit(s.p[i + 2]))
                return false;
            i += 2;
        } else if ((unsigned char)c >= 0x80) {
            size_t n = json_utf8_length(s.p + i, s.p + s.n);
            unsigned code = n ? code_of(s.p + i, n) : 0;
            if (!allowed.wide || !(is_wide(code) || (allowed.secret && is_private(code))))
                return false;
            i += n - 1;
        } else if (!is_unreserved(c) && !(c && strchr(allowed.more, c))) {
            return false;
        }
    }
    return true;
}

#define SUB "!$&'()*+,;="

static bool is_future(struct span s)
{
    size_t i = 1;

    while (i < s.n && is_hex_digit(s.p[i]))
        i++;
    if (s.n < 4 || (s.p[0] | 0x20) != 'v' || i == 1 || i + 1 >= s.n || s.p[i] != '.')
        return false;
    struct span rest = {s.p + i + 1, s.n - i - 1};
    return !memchr(rest.p, '%', rest.n) && only(rest, (struct signs){SUB ":", false, false});
}

static bool is_host(struct span s, bool wide, int64_t *steps)
{
    if (s.n && s.p[0] == '[') {
        if (s.p[s.n - 1] != ']')
            return false;
        struct span inside = {s.p + 1, s.n - 2};
        return format_ipv6(inside, steps) || is_future(inside);
    }
    return only(s, (struct signs){SUB, wide, false});
}

static bool is_authority(struct span s, bool wide, int64_t *steps)
{
    const char *at = s.n ? memchr(s.p, '@', s.n) : NULL;

    if (at) {
        if (!only((struct span){s.p, (size_t)(at - s.p)}, (struct signs){SUB ":", wide, false}))
            return false;
        s = (struct span){at + 1, s.n - (size_t)(at + 1 - s.p)};
    }
    size_t end = s.n;
    while (end > 0 && is_digit(s.p[end - 1]))
        end--;
    if (end > 0 && s.p[end - 1] == ':')
        s.n = end - 1;
    return is_host(s, wide, steps);
}

static bool is_reference(struct span s, bool wide, bool absolute, int64_t *steps)
{
    struct uri u = uri_split(s);
    struct signs path = {SUB ":@/", wide, false}, query = {SUB ":@/?", wide, wide};

    *steps -= 1 + (int64_t)s.n / 4;
    if (absolute && !u.scheme.p)
        return false;
    if (u.authority.p && !is_authority(u.authority, wide, steps))
        return false;
    if (!u.scheme.p && !u.authority.p) { /* its first segment holds no colon */
        const char *slash = u.path.n ? memchr(u.path.p, '/', u.path.n) : NULL;
        if (u.path.n && memchr(u.path.p, ':', slash ? (size_t)(slash - u.path.p) : u.path.n))
            return false;
    }
    return only(u.path, path) && only(u.query, query) &&
           only(u.fragment, (struct signs){SUB ":@/?", wide, false});
}

bool format_uri(struct span s, int64_t *steps)
{
    return is_reference(s, false, true, steps);
}

bool format_uri_reference(struct span s, int64_t *steps)
{
    return is_reference(s, false, false, steps);
}

bool format_iri(struct span s, int64_t *steps)
{
    return is_reference(s, true, true, steps);
}

bool format_iri_reference(struct span s, int64_t *steps)
{
    return is_reference(s, true, false, steps);
}

/* ---- templates ---- */

static bool take_percent(struct text *t)
{
    if (t->end - t->p < 3 || !is_hex_digit(t->p[1]) || !is_hex_digit(t->p[2]))
        return false;
    t->p += 3;
    return true;
}

static bool take_name(struct text *t)
{
    const char *from;

    do {
        for (from = t->p; t->p < t->end;) {
            if (is_letter(*t->p) || is_digit(*t->p) || *t->p == '_')
                t->p++;
            else if (*t->p != '%' || !take_percent(t))
                break;
        }
        if (t->p == from)
            return false;
    } while (text_take(t, '.'));
    return true;
}

static bool take_expression(struct text *t)
{
    t->p++;
    if (t->p < t->end && *t->p && strchr("+#./;?&=,!@|", *t->p))
        t->p++;
    do {
        if (!take_name(t))
            return false;
        if (text_take(t, ':')) {
            const char *from = t->p;
            while (text_digit(t))
                t->p++;
            if (t->p == from || *from == '0' || t->p - from > 4)
                return false;
        } else {
            text_take(t, '*');
        }
    } while (text_take(t, ','));
    return text_take(t, '}');
}

bool format_uri_template(struct span s, int64_t *steps)
{
    struct text t = text_of(s, steps);

    while (t.p < t.end) {
        unsigned char c = (unsigned char)*t.p;
        if (c == '{') {
            if (!take_expression(&t))
                return false;
        } else if (c == '%') {
            if (!take_percent(&t))
                return false;
        } else if (c >= 0x80) {
            size_t n = json_utf8_length(t.p, t.end);
            unsigned code = n ? code_of(t.p, n) : 0;
            if (!is_wide(code) && !is_private(code))
                return false;
            t.p += n;
        } else if (c <= ' ' || c == 127 || strchr("\"<>\\^`|}", c)) {
            return false;
        } else {
            t.p++;
        }
    }
    return true;
}
