/* schema_format - the formats of dates, numbers and addresses.
 * SPDX-License-Identifier: MIT
 *
 * Every check reads its text once, from left to right. 'struct text' is what is left of it. */
#include "schema_formats.h"

#include <string.h>

/* ---- RFC 3339 ---- */

static bool take_number(struct text *t, int digits, int *to)
{
    *to = 0;
    for (int i = 0; i < digits; i++) {
        if (!text_digit(t))
            return false;
        *to = *to * 10 + (*t->p++ - '0');
    }
    return true;
}

static bool take_date(struct text *t)
{
    static const int days[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int y, m, d;

    if (!take_number(t, 4, &y) || !text_take(t, '-') || !take_number(t, 2, &m) ||
        !text_take(t, '-') || !take_number(t, 2, &d))
        return false;
    if (m < 1 || m > 12 || d < 1 || d > days[m - 1])
        return false;
    bool leap = (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
    return m != 2 || d < 29 || leap;
}

/* A leap second stands at 23:59:60 of Greenwich. */
static bool take_time(struct text *t)
{
    int h, m, s, zone_h = 0, zone_m = 0, sign = 1;

    if (!take_number(t, 2, &h) || !text_take(t, ':') || !take_number(t, 2, &m) ||
        !text_take(t, ':') || !take_number(t, 2, &s) || h > 23 || m > 59 || s > 60)
        return false;
    if (text_take(t, '.')) {
        if (!text_digit(t))
            return false;
        while (text_digit(t))
            t->p++;
    }
    if (!text_take(t, 'Z') && !text_take(t, 'z')) {
        if (text_take(t, '-'))
            sign = -1;
        else if (!text_take(t, '+'))
            return false;
        if (!take_number(t, 2, &zone_h) || !text_take(t, ':') || !take_number(t, 2, &zone_m) ||
            zone_h > 23 || zone_m > 59)
            return false;
    }
    int utc = (h * 60 + m - sign * (zone_h * 60 + zone_m) + 2 * 1440) % 1440;
    return s < 60 || utc == 1439;
}

static bool is_date(struct span s, int64_t *steps)
{
    struct text t = text_of(s, steps);
    return take_date(&t) && text_end(&t);
}

static bool is_time(struct span s, int64_t *steps)
{
    struct text t = text_of(s, steps);
    return take_time(&t) && text_end(&t);
}

static bool is_date_time(struct span s, int64_t *steps)
{
    struct text t = text_of(s, steps);
    return take_date(&t) && (text_take(&t, 'T') || text_take(&t, 't')) && take_time(&t) &&
           text_end(&t);
}

/* Digits and one of the units, each later in the row than the one before, none between left out: RFC 3339, A. */
static int take_units(struct text *t, const char *units)
{
    int found = 0;
    const char *next = units;

    while (text_digit(t)) {
        while (text_digit(t))
            t->p++;
        const char *unit = t->p < t->end ? strchr(next, *t->p) : NULL;
        if (!unit || !*t->p || (found && unit != next))
            return -1;
        next = unit + 1;
        t->p++;
        found++;
    }
    return found;
}

static bool is_duration(struct span s, int64_t *steps)
{
    struct text t = text_of(s, steps);

    if (!text_take(&t, 'P'))
        return false;
    if (s.n > 2 && s.p[s.n - 1] == 'W')
        return take_units(&t, "W") == 1 && text_end(&t);
    int days = take_units(&t, "YMD");
    if (days < 0 || (!text_take(&t, 'T') && days == 0))
        return false;
    if (t.p > s.p && t.p[-1] == 'T')
        return take_units(&t, "HMS") > 0 && text_end(&t);
    return text_end(&t);
}

/* ---- addresses ---- */

bool format_ipv4(struct span s, int64_t *steps)
{
    struct text t = text_of(s, steps);

    for (int part = 0; part < 4; part++) {
        if ((part && !text_take(&t, '.')) || !text_digit(&t))
            return false;
        const char *from = t.p;
        int value = 0;
        while (text_digit(&t) && t.p - from < 4)
            value = value * 10 + (*t.p++ - '0');
        if (value > 255 || (*from == '0' && t.p - from > 1))
            return false;
    }
    return text_end(&t);
}

static int take_hex(struct text *t)
{
    int n = 0;

    while (n < 5 && t->p < t->end && is_hex_digit(*t->p)) {
        t->p++;
        n++;
    }
    return n;
}

bool format_ipv6(struct span s, int64_t *steps)
{
    struct text t = text_of(s, steps);
    int groups = 0;
    bool gap = false;

    if (text_is(&t, "::")) {
        t.p += 2;
        gap = true;
    }
    while (t.p < t.end) {
        const char *from = t.p;
        int n = take_hex(&t);
        if (t.p < t.end && *t.p == '.') {
            struct span rest = {from, (size_t)(t.end - from)};
            groups += 2;
            return format_ipv4(rest, steps) && (gap ? groups <= 7 : groups == 8);
        }
        if (n < 1 || n > 4)
            return false;
        groups++;
        if (text_end(&t))
            break;
        if (text_is(&t, "::")) {
            if (gap)
                return false;
            gap = true;
            t.p += 2;
        } else if (!text_take(&t, ':') || text_end(&t)) {
            return false;
        }
    }
    return gap ? groups <= 7 : groups == 8;
}

static bool is_uuid(struct span s, int64_t *steps)
{
    *steps -= 1;
    if (s.n != 36)
        return false;
    for (size_t i = 0; i < 36; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        if (dash ? s.p[i] != '-' : !is_hex_digit(s.p[i]))
            return false;
    }
    return true;
}

/* ---- e-mail: RFC 5321, 4.1.2; RFC 6531 ---- */

static bool is_atom_sign(char c, bool wide)
{
    if ((unsigned char)c >= 0x80)
        return wide;
    return is_letter(c) || is_digit(c) || (c && strchr("!#$%&'*+-/=?^_`{|}~", c));
}

static bool take_quoted(struct text *t, bool wide)
{
    t->p++;
    while (t->p < t->end && *t->p != '"') {
        unsigned char c = (unsigned char)*t->p++;
        if (c == '\\' && t->p < t->end)
            c = (unsigned char)*t->p++;
        if (c < 32 || c == 127 || (c >= 0x80 && !wide))
            return false;
    }
    return text_take(t, '"');
}

static bool take_local(struct text *t, bool wide)
{
    const char *from = t->p;

    if (text_is(t, "\""))
        return take_quoted(t, wide);
    do {
        const char *atom = t->p;
        while (t->p < t->end && is_atom_sign(*t->p, wide))
            t->p++;
        if (t->p == atom)
            return false;
    } while (text_take(t, '.'));
    return t->p - from <= 64 || wide;
}

static bool is_literal(struct span s, int64_t *steps)
{
    if (s.n > 5 && memcmp(s.p, "IPv6:", 5) == 0)
        return format_ipv6((struct span){s.p + 5, s.n - 5}, steps);
    return format_ipv4(s, steps);
}

static bool is_mailbox(struct span s, bool wide, int64_t *steps)
{
    struct text t = text_of(s, steps);

    if (!take_local(&t, wide) || !text_take(&t, '@'))
        return false;
    struct span host = {t.p, (size_t)(t.end - t.p)};
    if (host.n > 2 && host.p[0] == '[' && host.p[host.n - 1] == ']')
        return is_literal((struct span){host.p + 1, host.n - 2}, steps);
    return wide ? format_idn_hostname(host, steps) : format_hostname(host, steps);
}

static bool is_email(struct span s, int64_t *steps)
{
    return is_mailbox(s, false, steps);
}

static bool is_idn_email(struct span s, int64_t *steps)
{
    return is_mailbox(s, true, steps);
}

/* ---- pointers, patterns ---- */

static bool is_pointer(struct span s, int64_t *steps)
{
    struct text t = text_of(s, steps);

    if (t.p < t.end && *t.p != '/')
        return false;
    for (; t.p < t.end; t.p++)
        if (*t.p == '~' && (t.p + 1 == t.end || (t.p[1] != '0' && t.p[1] != '1')))
            return false;
    return true;
}

static bool is_relative_pointer(struct span s, int64_t *steps)
{
    struct text t = text_of(s, steps);
    const char *from = t.p;

    while (text_digit(&t))
        t.p++;
    if (t.p == from || (*from == '0' && t.p - from > 1))
        return false;
    if (text_is(&t, "#"))
        return t.p + 1 == t.end;
    return is_pointer((struct span){t.p, (size_t)(t.end - t.p)}, steps);
}

static bool is_regex(struct span s, int64_t *steps)
{
    struct err err;

    *steps -= 100 + (int64_t)s.n;
    struct regex *re = regex_new(s, REGEX_ECMA, 0, &err);
    regex_free(re);
    return re != NULL;
}

schema_format_check *schema_format(struct span name)
{
    static const struct {
        const char *name;
        schema_format_check *check;
    } formats[] = {{"date", is_date},
                   {"time", is_time},
                   {"date-time", is_date_time},
                   {"duration", is_duration},
                   {"email", is_email},
                   {"idn-email", is_idn_email},
                   {"hostname", format_hostname},
                   {"idn-hostname", format_idn_hostname},
                   {"ipv4", format_ipv4},
                   {"ipv6", format_ipv6},
                   {"uuid", is_uuid},
                   {"uri", format_uri},
                   {"uri-reference", format_uri_reference},
                   {"iri", format_iri},
                   {"iri-reference", format_iri_reference},
                   {"uri-template", format_uri_template},
                   {"json-pointer", is_pointer},
                   {"relative-json-pointer", is_relative_pointer},
                   {"regex", is_regex}};

    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
        if (span_is(name, formats[i].name))
            return formats[i].check;
    return NULL;
}
