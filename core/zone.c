/* zone - what the clocks on the wall show in a time zone, from the system's tzdata.
 * SPDX-License-Identifier: MIT */
#include "zone.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    FILE_MAX = 64 << 10,
    CHANGES_MAX = 4000,
    TYPES_MAX = 256,
    HEAD = 44,
    DAY = 86400,
    OFFSET_MAX = 26 * 3600 /* RFC 8536, 3.2: more than 25 hours is no time zone */
};

#define FOLDER "/usr/share/zoneinfo/"

/* A day of the year on which the clocks are changed, in the form of POSIX's TZ. */
struct day {
    char kind; /* 'M' month, week, weekday; 'J' 1 to 365 without leap day; 'D' 0 to 365 */
    int month, week, day;
    int32_t second; /* after midnight, by the clock before */
};

/* The rule for all years after the last change of the list. */
struct rule {
    bool known, changes; /* is there one; does it have two times a year */
    int32_t normal, summer;
    struct day begin, end; /* of summer */
};

struct zone {
    size_t n;
    int32_t first; /* before the first change */
    struct rule rule;
    int64_t at[CHANGES_MAX];
    int32_t offset[CHANGES_MAX];
};

/* ---- days ---- */

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

static bool is_leap(int64_t year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

/* Days from 1970-01-01 to the first of January of that year. */
static int64_t year_day(int64_t year)
{
    int64_t y = year - 1;

    return 365 * (year - 1970) + (floor_div(y, 4) - floor_div(y, 100) + floor_div(y, 400)) -
           (1969 / 4 - 1969 / 100 + 1969 / 400);
}

static int64_t year_of(int64_t day)
{
    int64_t year = 1970 + floor_div(day, 366);

    while (year_day(year + 1) <= day)
        year++;
    while (year_day(year) > day)
        year--;
    return year;
}

/* The moment of the rule's change in that year, as if the clocks showed UTC. */
static int64_t change_in(const struct day *d, int64_t year)
{
    static const int before[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365};
    int64_t first = year_day(year);
    bool leap = is_leap(year);

    if (d->kind == 'J')
        return (first + d->day - 1 + (leap && d->day > 59)) * DAY + d->second;
    if (d->kind == 'D')
        return (first + d->day) * DAY + d->second;
    int64_t begin = first + before[d->month - 1] + (leap && d->month > 2);
    int64_t end = first + before[d->month] + (leap && d->month > 1);
    int64_t weekday = ((begin + 4) % 7 + 7) % 7; /* 1970-01-01 was a Thursday */
    int64_t day = begin + (d->day - weekday + 7) % 7 + 7 * (d->week - 1);
    while (day >= end)
        day -= 7;
    return day * DAY + d->second;
}

static int32_t rule_offset(const struct rule *r, int64_t at)
{
    if (!r->changes)
        return r->normal;
    int64_t year = year_of(floor_div(at + r->normal, DAY));
    int64_t begin = change_in(&r->begin, year) - r->normal;
    int64_t end = change_in(&r->end, year) - r->summer;
    bool summer = begin < end ? at >= begin && at < end : at >= begin || at < end;
    return summer ? r->summer : r->normal;
}

int32_t zone_offset(const struct zone *z, int64_t at)
{
    size_t low = 0, high = z->n;

    if (z->rule.known && (z->n == 0 || at >= z->at[z->n - 1]))
        return rule_offset(&z->rule, at);
    while (low < high) {
        size_t mid = (low + high) / 2;
        if (z->at[mid] <= at)
            low = mid + 1;
        else
            high = mid;
    }
    return low ? z->offset[low - 1] : z->first;
}

/* ---- when the clocks show something ---- */

/* The first moment in (from, to] at which the offset is that of 'to'. */
static int64_t change_between(const struct zone *z, int64_t from, int64_t to)
{
    int32_t offset = zone_offset(z, to);

    while (to - from > 1) {
        int64_t mid = from + (to - from) / 2;
        if (zone_offset(z, mid) == offset)
            to = mid;
        else
            from = mid;
    }
    return to;
}

/* The moment of a local time. */
static int64_t moment_of(const struct zone *z, int64_t local)
{
    int32_t before = zone_offset(z, local - DAY), after = zone_offset(z, local + DAY);
    int64_t first = local - (before > after ? before : after);
    int64_t second = local - (before > after ? after : before);

    if (first + zone_offset(z, first) == local)
        return first;
    if (second + zone_offset(z, second) == local)
        return second;
    return change_between(z, local - DAY, local + DAY);
}

int64_t zone_next(const struct zone *z, int64_t after, int second)
{
    int64_t day = floor_div(after + zone_offset(z, after), DAY) - 1, at;

    do
        at = moment_of(z, day++ * DAY + second);
    while (at <= after);
    return at;
}

/* ---- the rule at the end ---- */

static bool read_number(const char **p, int most, int *n)
{
    if (!isdigit((unsigned char)**p))
        return false;
    for (*n = 0; isdigit((unsigned char)**p); (*p)++)
        if ((*n = *n * 10 + (**p - '0')) > most)
            return false;
    return true;
}

/* [+-]h[h[h]][:mm[:ss]] */
static bool read_time(const char **p, int32_t *seconds)
{
    int sign = **p == '-' ? -1 : 1, h, m = 0, s = 0;

    if (**p == '-' || **p == '+')
        (*p)++;
    if (!read_number(p, 167, &h))
        return false;
    if (**p == ':' && (++*p, !read_number(p, 59, &m)))
        return false;
    if (**p == ':' && (++*p, !read_number(p, 59, &s)))
        return false;
    *seconds = sign * (h * 3600 + m * 60 + s);
    return true;
}

/* "CET" or "<+03>" */
static bool skip_name(const char **p)
{
    const char *start = *p;

    if (**p == '<') {
        while (**p && **p != '>')
            (*p)++;
        return *(*p)++ == '>';
    }
    while (isalpha((unsigned char)**p))
        (*p)++;
    return *p - start >= 3;
}

static bool read_day(const char **p, struct day *d)
{
    d->second = 2 * 3600;
    d->kind = **p == 'M' || **p == 'J' ? *(*p)++ : 'D';
    if (d->kind == 'M') {
        if (!read_number(p, 12, &d->month) || d->month < 1 || *(*p)++ != '.' ||
            !read_number(p, 5, &d->week) || d->week < 1 || *(*p)++ != '.' ||
            !read_number(p, 6, &d->day))
            return false;
    } else if (!read_number(p, 365, &d->day) || (d->kind == 'J' && d->day < 1)) {
        return false;
    }
    return **p != '/' || (++*p, read_time(p, &d->second));
}

/* "CET-1CEST,M3.5.0,M10.5.0/3"; nothing at all is fine. */
static bool read_rule(const char *p, struct rule *r)
{
    int32_t west;

    if (!*p)
        return true;
    if (!skip_name(&p) || !read_time(&p, &west) || west > OFFSET_MAX || west < -OFFSET_MAX)
        return false;
    r->known = true;
    r->normal = -west;
    if (!*p)
        return true;
    r->changes = true;
    r->summer = r->normal + 3600;
    if (!skip_name(&p))
        return false;
    if (*p != ',') {
        if (!read_time(&p, &west) || west > OFFSET_MAX || west < -OFFSET_MAX)
            return false;
        r->summer = -west;
    }
    return *p++ == ',' && read_day(&p, &r->begin) && *p++ == ',' && read_day(&p, &r->end) && !*p;
}

/* ---- the file ---- */

static uint64_t read_big(const char *p, int bytes)
{
    uint64_t n = 0;

    for (int i = 0; i < bytes; i++)
        n = n << 8 | (unsigned char)p[i];
    return n;
}

/* The counts of a header; the block of data after it has this size with times of so many bytes. */
struct head {
    size_t isut, isstd, leap, times, types, chars;
};

static bool read_head(struct span s, size_t at, struct head *h)
{
    if (s.n < at + HEAD || memcmp(s.p + at, "TZif", 4) != 0 || s.p[at + 4] < '2')
        return false;
    const char *p = s.p + at + 20;
    *h = (struct head){read_big(p, 4),      read_big(p + 4, 4),  read_big(p + 8, 4),
                       read_big(p + 12, 4), read_big(p + 16, 4), read_big(p + 20, 4)};
    return h->isut <= TYPES_MAX && h->isstd <= TYPES_MAX && h->leap <= CHANGES_MAX &&
           h->times <= CHANGES_MAX && h->types >= 1 && h->types <= TYPES_MAX &&
           h->chars <= FILE_MAX;
}

static size_t block_size(const struct head *h, size_t time)
{
    return h->times * (time + 1) + h->types * 6 + h->chars + h->leap * (time + 4) + h->isstd +
           h->isut;
}

static bool read_changes(struct zone *z, const char *p, const struct head *h)
{
    const char *kinds = p + h->times * 8, *types = kinds + h->times;

    z->n = h->times;
    z->first = (int32_t)read_big(types, 4);
    for (size_t i = 0; i < h->types; i++) {
        int32_t offset = (int32_t)read_big(types + i * 6, 4);
        if (offset > OFFSET_MAX || offset < -OFFSET_MAX)
            return false;
    }
    for (size_t i = 0; i < z->n; i++) {
        size_t kind = (unsigned char)kinds[i];
        z->at[i] = (int64_t)read_big(p + i * 8, 8);
        if (kind >= h->types || (i && z->at[i] <= z->at[i - 1]))
            return false;
        z->offset[i] = (int32_t)read_big(types + kind * 6, 4);
    }
    return true;
}

static bool read_file(struct zone *z, struct span s)
{
    struct head h;
    char rule[128];

    if (!read_head(s, 0, &h))
        return false;
    size_t at = HEAD + block_size(&h, 4);
    if (!read_head(s, at, &h))
        return false;
    at += HEAD;
    size_t end = at + block_size(&h, 8);
    if (end >= s.n || s.p[end] != '\n' || !read_changes(z, s.p + at, &h))
        return false;
    const char *line = s.p + end + 1, *stop = memchr(line, '\n', s.n - end - 1);
    if (!stop || stop - line >= (ptrdiff_t)sizeof rule || memchr(line, 0, (size_t)(stop - line)))
        return false;
    memcpy(rule, line, (size_t)(stop - line));
    rule[stop - line] = 0;
    return read_rule(rule, &z->rule);
}

struct zone *zone_parse(struct span file, struct err *err)
{
    struct zone *z = calloc(1, sizeof *z);

    if (z && read_file(z, file))
        return z;
    err_set(err, z ? ERR_BAD_REQUEST : ERR_OVERLOADED,
            z ? "not a file of tzdata" : "out of memory for a time zone");
    free(z);
    return NULL;
}

void zone_free(struct zone *z)
{
    free(z);
}

/* Letters, digits and "+-_", in parts between slashes: never a way out of the folder. */
static bool is_name(const char *name)
{
    for (const char *p = name; *p; p++)
        if (!isalnum((unsigned char)*p) && !strchr("+-_", *p) &&
            (*p != '/' || p == name || p[1] == '/' || !p[1]))
            return false;
    return *name && strlen(name) < 64;
}

struct zone *zone_open(const char *name, struct err *err)
{
    char path[128], text[FILE_MAX];

    if (!is_name(name)) {
        err_set(err, ERR_NOT_FOUND, "'%.64s' is no name of a time zone; one is \"Europe/Berlin\"",
                name);
        return NULL;
    }
    if (strcmp(name, "UTC") == 0) { /* also where tzdata is not installed */
        struct zone *z = calloc(1, sizeof *z);
        if (!z)
            err_set(err, ERR_OVERLOADED, "out of memory for a time zone");
        return z;
    }
    snprintf(path, sizeof path, FOLDER "%s", name);
    FILE *f = fopen(path, "re");
    size_t n = f ? fread(text, 1, sizeof text, f) : 0;
    int error = errno;
    if (f)
        fclose(f);
    if (!f || n == 0) {
        err_set(err, ERR_NOT_FOUND, "there is no time zone '%s' (%s: %s)", name, path,
                f ? "cannot be read" : strerror(error));
        return NULL;
    }
    struct zone *z = zone_parse((struct span){text, n}, err);
    if (!z)
        err_prefix(err, "%s", path);
    return z;
}
