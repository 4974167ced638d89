/* test_cache - the bounded map: values, age, what goes first, how much it takes.
 * SPDX-License-Identifier: MIT */
#include "cache.h"
#include "testhelp.h"

enum { NOW = 1000, LATER = 2000 };

static struct span text(const char *s)
{
    return (struct span){s, strlen(s)};
}

static int set_until(struct cache *c, const char *key, const char *value, int64_t expires)
{
    struct err err;

    return cache_set(c, text(key), text(value), expires, &err);
}

static int set(struct cache *c, const char *key, const char *value)
{
    return set_until(c, key, value, LATER);
}

/* The value, "" when there is none; until the next call. */
static const char *get_at(struct cache *c, const char *key, int64_t now)
{
    static char copy[4096];
    struct span value = {0};

    if (!cache_get(c, text(key), now, &value))
        return "";
    snprintf(copy, sizeof copy, "%.*s", (int)value.n, value.p);
    return copy;
}

static const char *get(struct cache *c, const char *key)
{
    return get_at(c, key, NOW);
}

static struct cache_stats stats_of(const struct cache *c)
{
    struct cache_stats s;

    cache_stats(c, &s);
    return s;
}

static struct cache *open_cache(size_t max)
{
    struct err err;
    struct cache *c = cache_new(max, &err);

    if (!c)
        abort();
    return c;
}

static void test_values(void)
{
    struct cache *c = open_cache(1 << 20);

    CHECK_STR(get(c, "a"), "");
    CHECK_INT(set(c, "a", "one"), 0);
    CHECK_INT(set(c, "ab", "two"), 0);
    CHECK_STR(get(c, "a"), "one");
    CHECK_STR(get(c, "ab"), "two");
    CHECK_INT(set(c, "a", "a longer one"), 0);
    CHECK_STR(get(c, "a"), "a longer one");
    CHECK_INT(stats_of(c).entries, 2);
    CHECK(cache_delete(c, text("a"), NOW));
    CHECK(!cache_delete(c, text("a"), NOW));
    CHECK_STR(get(c, "a"), "");
    CHECK_STR(get(c, "ab"), "two");
    CHECK_INT(stats_of(c).hits, 4);
    CHECK_INT(stats_of(c).misses, 2);
    CHECK(cache_delete(c, text("ab"), NOW));
    CHECK_INT(stats_of(c).entries, 0);
    CHECK_INT(stats_of(c).bytes, 0);
    cache_free(c);
    cache_free(NULL);
}

static void test_age(void)
{
    struct cache *c = open_cache(1 << 20);

    set_until(c, "a", "1", NOW + 1);
    CHECK_STR(get_at(c, "a", NOW), "1");
    CHECK_STR(get_at(c, "a", NOW + 1), "");
    CHECK_INT(stats_of(c).entries, 0);
    set_until(c, "a", "1", NOW);
    CHECK(!cache_delete(c, text("a"), NOW));
    CHECK_INT(stats_of(c).bytes, 0);
    cache_free(c);
}

/* What was used longest ago goes first, by looking as by setting. */
static void test_order(void)
{
    struct cache *c = open_cache(10 * 1000);
    char value[900], key[8];
    size_t one;

    memset(value, 'x', sizeof value - 1);
    value[sizeof value - 1] = 0;
    set(c, "k0", value);
    one = stats_of(c).bytes;
    CHECK(one > 900 && one < 1000);
    for (int i = 1; i < 10; i++) {
        snprintf(key, sizeof key, "k%d", i);
        set(c, key, value);
    }
    CHECK_INT(stats_of(c).entries, 10);
    CHECK_STR(get(c, "k0"), value);
    set(c, "k1", value);
    set(c, "n0", value); /* k2 goes */
    set(c, "n1", value); /* k3 goes */
    CHECK_STR(get(c, "k2"), "");
    CHECK_STR(get(c, "k3"), "");
    CHECK_STR(get(c, "k0"), value);
    CHECK_STR(get(c, "k1"), value);
    CHECK_STR(get(c, "k4"), value);
    CHECK_INT(stats_of(c).evicted, 2);
    CHECK_INT(stats_of(c).bytes, 10 * one);
    cache_free(c);
}

static void test_bounds(void)
{
    struct cache *c = open_cache(8000);
    static char value[4000];
    struct err err;
    char key[32];

    memset(value, 'x', sizeof value);
    set(c, "a", "old");
    CHECK_INT(cache_set(c, SPAN("a"), (struct span){value, 1000}, LATER, &err), -1);
    CHECK_INT(err.code, ERR_BUDGET);
    CHECK_STR(get(c, "a"), ""); /* not the old one */
    for (int i = 0; i < 100000; i++) {
        snprintf(key, sizeof key, "key%d", i * 7919 % 5000);
        if (cache_set(c, text(key), (struct span){value, (size_t)i % 800}, LATER, &err) < 0)
            CHECK_STR(err.message, "");
        if (stats_of(c).bytes > 8000) {
            CHECK_INT(stats_of(c).bytes, 8000);
            break;
        }
    }
    CHECK(stats_of(c).entries > 5);
    cache_free(c);
}

static void test_resize(void)
{
    struct cache *c = open_cache(1 << 20);
    char key[16];

    for (int i = 0; i < 5000; i++) {
        snprintf(key, sizeof key, "%d", i);
        set(c, key, key);
    }
    CHECK_INT(stats_of(c).entries, 5000);
    cache_resize(c, 8 << 20);
    for (int i = 0; i < 5000; i++) {
        snprintf(key, sizeof key, "%d", i);
        CHECK_STR(get(c, key), key);
    }
    cache_resize(c, 10000);
    CHECK(stats_of(c).bytes <= 10000 && stats_of(c).entries > 50);
    CHECK_STR(get(c, "4999"), "4999"); /* the last that was used */
    CHECK_STR(get(c, "0"), "");
    cache_resize(c, 0);
    CHECK_INT(stats_of(c).bytes, 0);
    CHECK_INT(set(c, "a", "1"), -1);
    cache_free(c);
}

/* Against a table that forgets nothing: what is there is right. */
static void test_model(void)
{
    enum { KEYS = 500 };
    struct cache *c = open_cache(20000);
    static int model[KEYS];
    unsigned seed = 7;
    int hits = 0, wrong = 0;
    char key[16], value[32];

    for (int i = 0; i < 200000; i++) {
        seed = seed * 1103515245u + 12345u;
        int k = (int)(seed >> 16) % KEYS;
        snprintf(key, sizeof key, "%d", k);
        snprintf(value, sizeof value, "%d", i);
        if (seed >> 8 & 1) {
            set(c, key, value);
            model[k] = i;
        } else if ((seed >> 9 & 15) == 0) {
            cache_delete(c, text(key), NOW);
            model[k] = -1;
        } else {
            const char *found = get(c, key);
            hits += *found != 0;
            wrong += *found && atoi(found) != model[k];
        }
    }
    CHECK_INT(wrong, 0);
    CHECK(hits > 20000);
    cache_free(c);
}

int main(void)
{
    test_values();
    test_age();
    test_order();
    test_bounds();
    test_resize();
    test_model();
    return test_report("cache");
}
