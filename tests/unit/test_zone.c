/* test_zone - what the clocks show, against libc, and days on which they are changed.
 * SPDX-License-Identifier: MIT */
#include "testhelp.h"
#include "zone.h"

#include <stdlib.h>
#include <time.h>

enum { HOUR = 3600, DAY = 86400 };

static bool use(const char *name)
{
    setenv("TZ", name, 1);
    tzset();
    return true;
}

/* Every offset is the one that libc knows, from 1900 to 2200. */
static void test_offsets(void)
{
    static const char *const names[] = {
        "UTC",           "Europe/Berlin",       "America/New_York",   "America/St_Johns",
        "Asia/Kolkata",  "Australia/Lord_Howe", "Pacific/Auckland",   "Africa/Casablanca",
        "Europe/Dublin", "America/Sao_Paulo",   "Antarctica/Troll",   "Asia/Kathmandu",
        "Pacific/Apia",  "America/Santiago",    "Pacific/Kiritimati", "Asia/Tehran",
    };

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct err err;
        struct zone *z = zone_open(names[i], &err);
        int wrong = 0;
        CHECK(z != NULL);
        use(names[i]);
        for (int64_t at = -70LL * 365 * DAY; z && at < 230LL * 365 * DAY; at += 6 * HOUR + 1) {
            time_t t = (time_t)at;
            struct tm tm;
            localtime_r(&t, &tm);
            wrong += tm.tm_gmtoff != zone_offset(z, at);
        }
        CHECK_INT(wrong, 0);
        if (wrong)
            fprintf(stderr, "   %s\n", names[i]);
        zone_free(z);
    }
}

/* "2026-03-29T01:00:00" as a moment, read as UTC. */
static int64_t utc(const char *text)
{
    struct tm tm = {.tm_isdst = 0};

    sscanf(text, "%d-%d-%dT%d:%d:%d", &tm.tm_year, &tm.tm_mon, &tm.tm_mday, &tm.tm_hour, &tm.tm_min,
           &tm.tm_sec);
    tm.tm_year -= 1900;
    tm.tm_mon -= 1;
    return timegm(&tm);
}

static void test_next(void)
{
    static const struct {
        const char *zone, *after;
        int second;
        const char *want;
    } cases[] = {
        {"UTC", "2026-11-22T02:59:59", 3 * HOUR, "2026-11-22T03:00:00"},
        {"UTC", "2026-11-22T03:00:00", 3 * HOUR, "2026-11-23T03:00:00"},
        {"UTC", "2026-12-31T23:00:00", 0, "2027-01-01T00:00:00"},
        {"UTC", "1969-12-31T12:00:00", 0, "1970-01-01T00:00:00"},
        {"Europe/Berlin", "2026-01-10T00:00:00", 3 * HOUR, "2026-01-10T02:00:00"},
        {"Europe/Berlin", "2026-07-10T00:00:00", 3 * HOUR, "2026-07-10T01:00:00"},
        /* the clocks go from 2:00 to 3:00: half past two never comes */
        {"Europe/Berlin", "2026-03-28T12:00:00", 2 * HOUR + 1800, "2026-03-29T01:00:00"},
        {"Europe/Berlin", "2026-03-29T01:00:00", 2 * HOUR + 1800, "2026-03-30T00:30:00"},
        {"Europe/Berlin", "2026-03-28T12:00:00", 3 * HOUR, "2026-03-29T01:00:00"},
        {"Europe/Berlin", "2026-03-28T12:00:00", 2 * HOUR, "2026-03-29T01:00:00"},
        /* from 3:00 to 2:00: half past two comes twice, and is meant once */
        {"Europe/Berlin", "2026-10-24T12:00:00", 2 * HOUR + 1800, "2026-10-25T00:30:00"},
        {"Europe/Berlin", "2026-10-25T00:30:00", 2 * HOUR + 1800, "2026-10-26T01:30:00"},
        {"Europe/Berlin", "2026-10-25T00:45:00", 2 * HOUR + 1800, "2026-10-26T01:30:00"},
        {"Europe/Berlin", "2060-07-10T00:00:00", 3 * HOUR, "2060-07-10T01:00:00"},
        {"America/New_York", "2026-03-08T00:00:00", 2 * HOUR + 1800, "2026-03-08T07:00:00"},
        {"America/New_York", "2026-11-01T00:00:00", 1 * HOUR + 1800, "2026-11-01T05:30:00"},
        {"Asia/Kolkata", "2026-11-22T00:00:00", 3 * HOUR, "2026-11-22T21:30:00"},
        /* half an hour of summer time; a day that never was */
        {"Australia/Lord_Howe", "2026-10-03T00:00:00", 2 * HOUR + 600, "2026-10-03T15:30:00"},
        {"Pacific/Apia", "2011-12-29T12:00:00", 12 * HOUR, "2011-12-29T22:00:00"},
        {"Pacific/Apia", "2011-12-29T22:00:00", 12 * HOUR, "2011-12-30T10:00:00"},
        {"Pacific/Apia", "2011-12-30T10:00:00", 12 * HOUR, "2011-12-30T22:00:00"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct err err;
        struct zone *z = zone_open(cases[i].zone, &err);
        CHECK(z != NULL);
        int64_t got = z ? zone_next(z, utc(cases[i].after), cases[i].second) : 0;
        CHECK_INT(got - utc(cases[i].want), 0);
        if (got != utc(cases[i].want))
            fprintf(stderr, "   case %zu: %s after %s\n", i, cases[i].zone, cases[i].after);
        zone_free(z);
    }
}

/* Once a day, whatever the clocks do. */
static void test_every_day(void)
{
    static const char *const names[] = {"Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe",
                                        "America/Santiago", "Africa/Casablanca"};
    struct err err;

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        for (int second = 0; second < DAY; second += 1800) {
            struct zone *z = zone_open(names[i], &err);
            int64_t at = utc("2020-01-01T00:00:00"), end = utc("2030-01-01T00:00:00");
            int n = 0;
            for (; at < end; n++) {
                int64_t next = zone_next(z, at, second);
                CHECK(next > at && next - at <= DAY + 2 * HOUR);
                at = next;
            }
            CHECK(n == 3653 || n == 3654);
            zone_free(z);
        }
}

static void test_names(void)
{
    static const char *const bad[] = {
        "",     "Europe/Atlantis", "../etc/passwd",   "/etc/passwd", "Europe/",
        "a//b", "Europe",          "Europe/Berlin\n", ".",           "tzdata.zi",
        "x.y",  "Europe/../UTC"};
    struct err err;

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct zone *z = zone_open(bad[i], &err);
        CHECK(z == NULL);
        CHECK(err.code == ERR_NOT_FOUND || err.code == ERR_BAD_REQUEST);
        zone_free(z);
    }
    zone_open("Europe/Atlantis", &err);
    CHECK(strstr(err.message, "there is no time zone 'Europe/Atlantis'") != NULL);
}

/* Cut and changed files are refused or read; nothing else happens. */
static void test_broken(void)
{
    char text[8192];
    FILE *f = fopen("/usr/share/zoneinfo/Europe/Berlin", "re");
    size_t n = f ? fread(text, 1, sizeof text, f) : 0;
    struct err err;

    if (f)
        fclose(f);
    CHECK(n > 500);
    for (size_t cut = 0; cut < n; cut++) {
        char *copy = malloc(cut ? cut : 1); /* its end is known to the sanitizer */
        memcpy(copy, text, cut);
        struct zone *z = zone_parse((struct span){copy, cut}, &err);
        CHECK(z == NULL);
        zone_free(z);
        free(copy);
    }
    srand(7);
    for (int i = 0; i < 20000; i++) {
        char *copy = malloc(n);
        memcpy(copy, text, n);
        for (int k = 0; k < 3; k++)
            copy[(size_t)rand() % (i % 2 ? n : 100)] = (char)rand();
        struct zone *z = zone_parse((struct span){copy, n}, &err);
        if (z)
            CHECK(zone_next(z, 1800000000, 3 * HOUR) > 1800000000);
        zone_free(z);
        free(copy);
    }
}

int main(void)
{
    test_offsets();
    test_next();
    test_every_day();
    test_names();
    test_broken();
    return test_report("zone");
}
