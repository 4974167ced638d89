/* test_kv - the shared store: values, ends, room, many processes, deaths at every instruction, files.
 * SPDX-License-Identifier: MIT */
#include "digest.h"
#include "hash.h"
#include "kv.h"
#include "shared.h"
#include "testhelp.h"

#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

enum { NOW = 1000000, SMALL = 32 << 10 };

static const struct kv_keep for_ever = {0};

static void *map_shared(size_t size)
{
    void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (p == MAP_FAILED)
        abort();
    return p;
}

static struct kv *open_kv(size_t bytes)
{
    size_t size = kv_size(bytes);
    struct kv *kv = map_shared(size);

    kv_format(kv, size);
    return kv;
}

static void close_kv(struct kv *kv, size_t bytes)
{
    munmap(kv, kv_size(bytes));
}

static struct span text(const char *s)
{
    return (struct span){s, strlen(s)};
}

static int set_until(struct kv *kv, const char *key, const char *value, int64_t expires)
{
    struct kv_keep keep = {.expires = expires};
    struct err err;

    return kv_set(kv, text(key), text(value), &keep, NOW, &err);
}

static int set(struct kv *kv, const char *key, const char *value)
{
    return set_until(kv, key, value, 0);
}

/* The value as a C string, "" when there is none; until the next call. */
static const char *get_at(struct kv *kv, const char *key, int64_t now)
{
    static char value[KV_VALUE_MAX + 1];
    struct buf b;

    buf_init(&b, KV_VALUE_MAX);
    if (kv_get(kv, text(key), now, &b) != 1)
        b.len = 0;
    if (b.len)
        memcpy(value, b.data, b.len);
    value[b.len] = 0;
    buf_deinit(&b);
    return value;
}

static const char *get(struct kv *kv, const char *key)
{
    return get_at(kv, key, NOW);
}

static struct kv_number whole(int64_t i)
{
    return (struct kv_number){.whole = true, .i = i};
}

/* ---- values ---- */

static void test_hash(void)
{
    /* of an own calculation with another program; what counts is that all bytes and both halves of the key matter */
    struct hash_key a = {1, 2}, b = {1, 3};
    uint64_t h = hash_bytes(&a, SPAN("0123456789"));

    CHECK(h == hash_bytes(&a, SPAN("0123456789")));
    CHECK(h != hash_bytes(&b, SPAN("0123456789")));
    CHECK(h != hash_bytes(&a, SPAN("0123456788")));
    CHECK(h != hash_bytes(&a, SPAN("1123456789")));
    CHECK(hash_bytes(&a, SPAN("")) != hash_bytes(&a, (struct span){"\0", 1}));
}

static void test_values(void)
{
    static const char *const values[] = {"1",
                                         "-0",
                                         "0",
                                         "9223372036854775807",
                                         "9223372036854775808",
                                         "1.0",
                                         "0.1",
                                         "1e3",
                                         "1E3",
                                         "123456789012345678901234567890",
                                         "null",
                                         "\"\"",
                                         "[]",
                                         "{\"a\":[1,2,{\"b\":null}]}",
                                         "1e999"};
    struct kv *kv = open_kv(KV_BYTES_MIN);
    char long_key[KV_KEY_MAX + 1] = "";

    CHECK_STR(get(kv, "none"), "");
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        CHECK_INT(set(kv, "key", values[i]), 0);
        CHECK_STR(get(kv, "key"), values[i]);
    }
    memset(long_key, 'k', KV_KEY_MAX);
    CHECK_INT(set(kv, long_key, "7"), 0);
    CHECK_STR(get(kv, long_key), "7");
    CHECK(kv_delete(kv, text("key"), NOW));
    CHECK(!kv_delete(kv, text("key"), NOW));
    CHECK_STR(get(kv, "key"), "");
    CHECK_STR(get(kv, long_key), "7");
    CHECK(kv_is_whole(kv));
    close_kv(kv, KV_BYTES_MIN);
}

/* Every length around the borders of blocks, and the largest. */
static void test_lengths(void)
{
    struct kv *kv = open_kv(KV_BYTES_MIN);
    static char value[KV_VALUE_MAX + 1];
    struct kv_stats stats;

    for (size_t n = 2; n <= KV_VALUE_MAX; n = n < 600             ? n + 1
                                              : n == KV_VALUE_MAX ? n + 1
                                                                  : KV_VALUE_MAX) {
        for (size_t i = 0; i < n; i++)
            value[i] = (char)('a' + (i * 7 + n) % 26);
        value[0] = value[n - 1] = '"';
        value[n] = 0;
        CHECK_INT(set(kv, "key", value), 0);
        CHECK_STR(get(kv, "key"), value);
    }
    CHECK(kv_is_whole(kv));
    kv_delete(kv, text("key"), NOW);
    kv_stats(kv, &stats);
    CHECK_INT(stats.entries, 0);
    CHECK_INT(stats.bytes, 0);
    close_kv(kv, KV_BYTES_MIN);
}

static void test_out_full(void)
{
    struct kv *kv = open_kv(KV_BYTES_MIN);
    struct buf b;

    buf_init(&b, 4);
    set(kv, "key", "\"longer\"");
    CHECK_INT(kv_get(kv, SPAN("key"), NOW, &b), -1);
    CHECK_INT(b.len, 0);
    buf_deinit(&b);
    close_kv(kv, KV_BYTES_MIN);
}

static void test_ends(void)
{
    struct kv *kv = open_kv(KV_BYTES_MIN);
    struct kv_stats stats;

    set_until(kv, "a", "1", NOW + 10);
    CHECK_STR(get_at(kv, "a", NOW + 9), "1");
    CHECK_STR(get_at(kv, "a", NOW + 10), "");
    kv_stats(kv, &stats);
    CHECK_INT(stats.entries, 0);
    set_until(kv, "a", "1", NOW + 10);
    set(kv, "a", "2"); /* a set without an end takes the end away */
    CHECK_STR(get_at(kv, "a", NOW + 10), "2");
    set_until(kv, "a", "1", NOW + 10);
    CHECK(!kv_delete(kv, SPAN("a"), NOW + 10));
    CHECK(kv_is_whole(kv));
    close_kv(kv, KV_BYTES_MIN);
}

static void test_incr(void)
{
    struct kv *kv = open_kv(KV_BYTES_MIN);
    struct kv_keep keep = {.expires = NOW + 10, .persist = true}, later = {.expires = NOW + 99};
    struct kv_number sum;
    struct err err;

    CHECK_INT(kv_incr(kv, SPAN("n"), whole(5), &keep, NOW, &sum, &err), 0);
    CHECK(sum.whole && sum.i == 5);
    CHECK_INT(kv_incr(kv, SPAN("n"), whole(-7), &later, NOW, &sum, &err), 0);
    CHECK(sum.whole && sum.i == -2);
    CHECK_STR(get_at(kv, "n", NOW + 9), "-2");
    CHECK_STR(get_at(kv, "n", NOW + 10), ""); /* the first one's end */
    set(kv, "n", "9007199254740993");         /* no double */
    CHECK_INT(kv_incr(kv, SPAN("n"), whole(2), &for_ever, NOW, &sum, &err), 0);
    CHECK_STR(get(kv, "n"), "9007199254740995");
    set(kv, "n", "9223372036854775807");
    CHECK_INT(kv_incr(kv, SPAN("n"), whole(1), &for_ever, NOW, &sum, &err), -1);
    CHECK_INT(err.code, ERR_BAD_REQUEST);
    CHECK_STR(get(kv, "n"), "9223372036854775807");
    set(kv, "n", "1");
    CHECK_INT(kv_incr(kv, SPAN("n"), (struct kv_number){.d = 0.5}, &for_ever, NOW, &sum, &err), 0);
    CHECK(!sum.whole && sum.d == 1.5);
    CHECK_INT(kv_incr(kv, SPAN("n"), whole(1), &for_ever, NOW, &sum, &err), 0);
    CHECK_STR(get(kv, "n"), "2.5");
    set(kv, "n", "1e308");
    CHECK_INT(kv_incr(kv, SPAN("n"), (struct kv_number){.d = 1.7e308}, &for_ever, NOW, &sum, &err),
              -1);
    CHECK_STR(get(kv, "n"), "1e308");
    set(kv, "n", "\"text\"");
    CHECK_INT(kv_incr(kv, SPAN("n"), whole(1), &for_ever, NOW, &sum, &err), -1);
    CHECK_INT(err.code, ERR_BAD_REQUEST);
    CHECK_STR(get(kv, "n"), "\"text\"");
    CHECK(kv_is_whole(kv));
    close_kv(kv, KV_BYTES_MIN);
}

static int cas(struct kv *kv, const char *old, const char *value)
{
    struct span none = {0};
    struct err err;

    return kv_cas(kv, SPAN("key"), old ? text(old) : none, value ? text(value) : none, &for_ever,
                  NOW, &err);
}

static void test_cas(void)
{
    struct kv *kv = open_kv(KV_BYTES_MIN);

    CHECK_INT(cas(kv, "1", "2"), 0);
    CHECK_INT(cas(kv, "1", NULL), 0);
    CHECK_INT(cas(kv, NULL, NULL), 1);
    CHECK_INT(cas(kv, NULL, "[1]"), 1);
    CHECK_INT(cas(kv, NULL, "2"), 0);
    CHECK_INT(cas(kv, "[2]", "2"), 0);
    CHECK_INT(cas(kv, "[1]", "2"), 1);
    CHECK_INT(cas(kv, "2.0", "3"), 0);
    CHECK_INT(cas(kv, "2", "2.5"), 1);
    CHECK_INT(cas(kv, "2.5", "\"x\""), 1);
    CHECK_STR(get(kv, "key"), "\"x\"");
    CHECK_INT(cas(kv, "\"x\"", NULL), 1);
    CHECK_STR(get(kv, "key"), "");
    set(kv, "key", "123456789012345678901");
    CHECK_INT(cas(kv, "12345678901234567890", "1"), 0); /* its beginning */
    CHECK_INT(cas(kv, "1234567890123456789012", "1"), 0);
    CHECK_INT(cas(kv, "123456789012345678901", "1"), 1);
    close_kv(kv, KV_BYTES_MIN);
}

/* ---- room ---- */

static void test_full(void)
{
    struct kv *kv = open_kv(KV_BYTES_MIN);
    static char value[4000];
    struct kv_stats stats;
    struct err err;
    char key[32];
    int n = 0, i;

    memset(value, 'x', sizeof value - 1);
    value[0] = value[sizeof value - 2] = '"';
    for (;; n++) {
        struct kv_keep keep = {.expires = n % 2 ? NOW + 10 : 0};
        snprintf(key, sizeof key, "key%d", n);
        if (kv_set(kv, text(key), text(value), &keep, NOW, &err) < 0)
            break;
    }
    CHECK_INT(err.code, ERR_BUDGET);
    CHECK(n > KV_BYTES_MIN / (int)sizeof value * 3 / 4);
    kv_stats(kv, &stats);
    CHECK_INT(stats.refused, 1);
    CHECK_INT(stats.entries, n);
    CHECK(stats.bytes < stats.room && stats.room < KV_BYTES_MIN);
    for (i = 0; i < n; i++) { /* the same size goes, what is there stays */
        value[1] = (char)('a' + i % 26);
        snprintf(key, sizeof key, "key%d", i);
        struct kv_keep keep = {.expires = i % 2 ? NOW + 10 : 0};
        CHECK_INT(kv_set(kv, text(key), text(value), &keep, NOW, &err), 0);
    }
    CHECK_INT(set(kv, "more", value), -1);
    CHECK(kv_is_whole(kv));
    /* half of them expire, and their room is found */
    CHECK_INT(kv_set(kv, SPAN("more"), text(value), &for_ever, NOW + 10, &err), 0);
    CHECK_STR(get(kv, "more"), value);
    CHECK_STR(get(kv, "key1"), "");
    CHECK_INT(strlen(get(kv, "key2")), strlen(value));
    kv_stats(kv, &stats);
    CHECK_INT(stats.entries, (n + 1) / 2 + 1);
    CHECK(kv_is_whole(kv));
    close_kv(kv, KV_BYTES_MIN);
}

/* Anything, in any order, against a table in plain memory. */
static void test_model(void)
{
    enum { KEYS = 40, TURNS = 60000 };
    struct kv *kv = open_kv(KV_BYTES_MIN / 4);
    static char model[KEYS][5000];
    char key[32], value[5000];
    unsigned seed = 1;
    int refused = 0;

    for (int turn = 0; turn < TURNS; turn++) {
        seed = seed * 1103515245u + 12345u;
        unsigned k = seed >> 16 & 31, what = seed >> 21 & 7, n = seed % 4900 + 3;
        snprintf(key, sizeof key, "k%u", k);
        if (what == 0) {
            CHECK(kv_delete(kv, text(key), NOW) == (model[k][0] != 0));
            model[k][0] = 0;
        } else if (what < 4) {
            memset(value, 'a' + (int)(seed >> 8 & 15), n);
            value[0] = value[n - 1] = '"';
            value[n] = 0;
            if (set(kv, key, value) == 0)
                memcpy(model[k], value, n + 1);
            else
                refused++;
        } else if (strcmp(get(kv, key), model[k]) != 0) {
            CHECK_STR(get(kv, key), model[k]);
            break;
        }
    }
    CHECK(kv_is_whole(kv));
    CHECK(refused < TURNS / 4);
    close_kv(kv, KV_BYTES_MIN / 4);
}

/* ---- many processes ---- */

static pid_t start(void (*fn)(struct kv *, int), struct kv *kv, int i)
{
    pid_t pid = fork();

    if (pid == 0) {
        fn(kv, i);
        _exit(0);
    }
    return pid;
}

enum { PROCESSES = 8, ADDS = 20000 };

static void add_many(struct kv *kv, int i)
{
    struct kv_number sum;
    struct err err;
    char own[16];

    snprintf(own, sizeof own, "own%d", i);
    for (int n = 0; n < ADDS; n++) {
        kv_incr(kv, SPAN("all"), whole(1), &for_ever, NOW, &sum, &err);
        kv_incr(kv, text(own), whole(2), &for_ever, NOW, &sum, &err);
    }
}

static void test_processes(void)
{
    struct kv *kv = open_kv(KV_BYTES);
    pid_t pids[PROCESSES];
    char want[32];
    int status;

    for (int i = 0; i < PROCESSES; i++)
        pids[i] = start(add_many, kv, i);
    for (int i = 0; i < PROCESSES; i++) {
        waitpid(pids[i], &status, 0);
        CHECK_INT(status, 0);
    }
    snprintf(want, sizeof want, "%d", PROCESSES * ADDS);
    CHECK_STR(get(kv, "all"), want);
    snprintf(want, sizeof want, "%d", 2 * ADDS);
    CHECK_STR(get(kv, "own0"), want);
    CHECK_STR(get(kv, "own7"), want);
    CHECK(kv_is_whole(kv));
    close_kv(kv, KV_BYTES);
}

/* ---- deaths ---- */

struct tally {
    _Atomic int64_t begun, done;
};

static struct tally *tally;

/* The text tells its own length: half of one value and half of another do not pass. */
static void make_value(char *to, unsigned seed)
{
    unsigned n = 20 + seed % 3000;

    snprintf(to, 16, "\"%04u", n);
    memset(to + 5, 'a' + (int)(seed % 26), n - 5);
    to[n - 1] = '"';
    to[n] = 0;
}

static bool is_value(const char *value)
{
    unsigned n = (unsigned)atoi(value + 1);

    if (n != strlen(value) || value[n - 1] != '"')
        return false;
    for (unsigned i = 5; i < n - 1; i++)
        if (value[i] != value[5])
            return false;
    return true;
}

static void hammer(struct kv *kv, int i)
{
    static char value[4096];
    unsigned seed = (unsigned)getpid() + (unsigned)i;
    struct kv_number sum;
    struct err err;
    char key[16];

    for (;;) {
        seed = seed * 1103515245u + 12345u;
        snprintf(key, sizeof key, "k%u", seed >> 16 & 31);
        make_value(value, seed >> 8);
        atomic_fetch_add(&tally->begun, 1);
        kv_incr(kv, SPAN("count"), whole(1), &for_ever, NOW, &sum, &err);
        atomic_fetch_add(&tally->done, 1);
        if (seed >> 24 & 3)
            set(kv, key, value);
        else
            kv_delete(kv, text(key), NOW);
    }
}

static void kill_after(struct kv *kv, int64_t turns)
{
    enum { CHILDREN = 3 };
    pid_t pids[CHILDREN];
    int64_t until = tally->done + turns;

    for (int i = 0; i < CHILDREN; i++)
        pids[i] = start(hammer, kv, i);
    while (tally->done < until)
        sched_yield();
    for (int i = 0; i < CHILDREN; i++)
        kill(pids[i], SIGKILL);
    for (int i = 0; i < CHILDREN; i++)
        waitpid(pids[i], NULL, 0);
}

/* Processes are killed wherever they are; nothing is half, nothing is lost. */
static void test_kills(void)
{
    enum { ROUNDS = 200 };
    struct kv *kv = open_kv(KV_BYTES_MIN / 2);
    struct kv_stats stats;
    char key[16];

    tally = map_shared(sizeof *tally);
    for (int round = 0; round < ROUNDS && test_failed == 0; round++) {
        kill_after(kv, 1 + round * 37 % 400);
        int64_t count = atoll(get(kv, "count"));
        CHECK(count >= tally->done && count <= tally->begun);
        for (int k = 0; k < 32; k++) {
            snprintf(key, sizeof key, "k%d", k);
            const char *value = get(kv, key);
            CHECK(!*value || is_value(value));
        }
        CHECK(kv_is_whole(kv));
    }
    kv_stats(kv, &stats);
    CHECK(stats.repairs > 0); /* otherwise nobody was killed in the middle */
    munmap(tally, sizeof *tally);
    close_kv(kv, KV_BYTES_MIN / 2);
}

/* One process makes changes, instruction by instruction; after each one the memory is looked at as if it had died
 * there. */

enum { NEIGHBOURS = 150 };

static char long_old[400], long_new[700];

static void change(struct kv *kv, int which)
{
    struct kv_number sum;
    struct err err;

    if (which == 0)
        set(kv, "key", long_new);
    else if (which == 1)
        kv_delete(kv, SPAN("key"), NOW);
    else if (which == 2)
        kv_incr(kv, SPAN("n"), whole(1), &for_ever, NOW, &sum, &err);
    else if (which == 3)
        kv_incr(kv, SPAN("n"), (struct kv_number){.d = 0.5}, &for_ever, NOW, &sum, &err);
    else
        set(kv, "third", long_new);
}

static bool one_of(const char *value, const char *a, const char *b)
{
    return strcmp(value, a) == 0 || strcmp(value, b) == 0;
}

/* Others, so that every bucket has some. */
static bool has_neighbours(struct kv *kv)
{
    char key[16];

    for (int i = 0; i < NEIGHBOURS; i++) {
        snprintf(key, sizeof key, "n%d", i);
        if (strcmp(get(kv, key), "7") != 0)
            return false;
    }
    return true;
}

static void set_neighbours(struct kv *kv)
{
    char key[16];

    for (int i = 0; i < NEIGHBOURS; i++) {
        snprintf(key, sizeof key, "n%d", i);
        set(kv, key, "7");
    }
}

/* Is a copy that somebody died on usable, with the old value or the new one and the others as they were? */
static bool survives(struct kv *copy, int which)
{
    bool n_changes = which == 2 || which == 3;

    kv_repair(copy);
    if (!kv_is_whole(copy) || !has_neighbours(copy))
        return false;
    return one_of(get(copy, "key"), long_old,
                  which == 0   ? long_new
                  : which == 1 ? ""
                               : long_old) &&
           one_of(get(copy, "n"), "41",
                  which == 2  ? "42"
                  : n_changes ? "41.5"
                              : "41") &&
           one_of(get(copy, "third"), "", which == 4 ? long_new : "") &&
           strcmp(get(copy, "other"), long_old) == 0 && set(copy, "after", long_new) == 0 &&
           strcmp(get(copy, "after"), long_new) == 0 && kv_is_whole(copy);
}

static pid_t start_stepped(struct kv *kv, int which)
{
    pid_t pid = fork();
    int status;

    if (pid == 0) {
        if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0)
            _exit(1);
        raise(SIGSTOP);
        change(kv, which);
        _exit(0);
    }
    waitpid(pid, &status, 0);
    return WIFSTOPPED(status) ? pid : -1;
}

static bool step(pid_t pid)
{
    int status;

    return ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL) == 0 && waitpid(pid, &status, 0) == pid &&
           WIFSTOPPED(status);
}

static void test_every_step(int which)
{
    struct kv *kv = open_kv(SMALL), *copy = map_shared(SMALL), *before = map_shared(SMALL);
    int looked = 0;

    set_neighbours(kv); /* behind what is changed, in its bucket */
    CHECK(set(kv, "key", long_old) == 0 && set(kv, "other", long_old) == 0 &&
          set(kv, "n", "41") == 0);
    set(kv, "x", long_new);
    kv_delete(kv, SPAN("x"), NOW); /* a free list */
    pid_t pid = start_stepped(kv, which);
    if (pid < 0) {
        SKIP("this system does not let a process step another one");
        return;
    }
    while (step(pid)) {
        if (memcmp(kv, before, SMALL) == 0)
            continue;
        memcpy(before, kv, SMALL);
        memcpy(copy, kv, SMALL);
        looked++;
        bool fine = survives(copy, which);
        CHECK(fine);
        if (!fine)
            break;
    }
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    CHECK(looked > 5);
    close_kv(kv, SMALL);
    munmap(copy, SMALL);
    munmap(before, SMALL);
}

/* Can the checks above fail at all? */
static void test_damage_is_seen(void)
{
    struct kv *kv = open_kv(SMALL);
    int seen = 0;

    for (int i = 0; i < 20; i++) {
        char key[16];
        snprintf(key, sizeof key, "k%d", i);
        set(kv, key, long_old);
    }
    CHECK(kv_is_whole(kv));
    for (size_t at = 512; at + 4 <= SMALL; at += 4) { /* whatever stands there: no crash */
        struct kv *copy = map_shared(SMALL);
        memcpy(copy, kv, SMALL);
        uint32_t *word = (uint32_t *)((char *)copy + at);
        *word ^= 0x55;
        seen += !kv_is_whole(copy);
        kv_repair(copy);
        CHECK(kv_is_whole(copy));
        munmap(copy, SMALL);
    }
    CHECK(seen > 20);
    close_kv(kv, SMALL);
}

/* ---- files ---- */

static void test_save(void)
{
    struct kv *kv = open_kv(KV_BYTES_MIN), *other = open_kv(KV_BYTES_MIN);
    struct kv_keep keep = {.persist = true}, soon = {.expires = NOW + 10, .persist = true};
    struct kv_number sum;
    struct err err;
    struct buf b;

    CHECK_INT(kv_changes(kv), 0);
    set(kv, "not", "1");
    CHECK_INT(kv_changes(kv), 0);
    kv_set(kv, SPAN("a"), SPAN("{\"x\":[1.50]}"), &keep, NOW, &err);
    kv_set(kv, SPAN("soon"), SPAN("\"y\""), &soon, NOW, &err);
    kv_incr(kv, SPAN("n"), whole(41), &keep, NOW, &sum, &err);
    kv_incr(kv, SPAN("n"), whole(1), &for_ever, NOW, &sum, &err);
    CHECK_INT(kv_changes(kv), 4);
    kv_set(kv, SPAN("b"), SPAN("1"), &keep, NOW, &err);
    kv_delete(kv, SPAN("b"), NOW);
    CHECK_INT(kv_changes(kv), 6);
    kv_delete(kv, SPAN("not"), NOW);
    CHECK_INT(kv_changes(kv), 6);
    set(kv, "not", "1");

    buf_init(&b, 1 << 20);
    CHECK_INT(kv_save(kv, &b), 0);
    size_t lost = 9;
    CHECK_INT(kv_restore(other, buf_span(&b), NOW, &lost, &err), 0);
    CHECK_INT(lost, 0);
    CHECK_STR(get(other, "a"), "{\"x\":[1.50]}");
    CHECK_STR(get(other, "n"), "42");
    CHECK_STR(get(other, "soon"), "\"y\"");
    CHECK_STR(get_at(other, "soon", NOW + 10), "");
    CHECK_STR(get(other, "not"), "");
    CHECK_STR(get(other, "b"), "");
    kv_format(memset(other, 0, KV_BYTES_MIN), KV_BYTES_MIN);
    CHECK_INT(kv_restore(other, buf_span(&b), NOW + 10, NULL, &err), 0);
    CHECK_STR(get(other, "soon"), "");
    CHECK_STR(get(other, "n"), "42");

    for (size_t i = 0; i < b.len; i++) { /* any wrong bit, any cut, and something more */
        b.data[i] ^= 1;
        CHECK_INT(kv_restore(other, buf_span(&b), NOW, NULL, &err), -1);
        b.data[i] ^= 1;
        CHECK_INT(kv_restore(other, (struct span){b.data, i}, NOW, NULL, &err), -1);
    }
    buf_puts(&b, "x");
    CHECK_INT(kv_restore(other, buf_span(&b), NOW, NULL, &err), -1);

    b.len = 0;
    b.max = 40;
    CHECK_INT(kv_save(kv, &b), -1);
    CHECK_INT(b.len, 0);
    buf_deinit(&b);
    close_kv(kv, KV_BYTES_MIN);
    close_kv(other, KV_BYTES_MIN);
}

/* Bytes with a right checksum that say something wrong. */
static void test_forged(void)
{
    const struct span bodies[] = {
        SPAN("x"), /* cut */
        SPAN("\0\0\1\0\0\0\0\0\0\0\0\0\0\0"
             "1"), /* no key */
        SPAN("\1\0\0\0\0\0\0\0\0\0\0\0\0\0"
             "k"), /* no value */
        SPAN("\1\0\2\0\0\0\0\0\0\0\0\0\0\0"
             "k1"), /* longer than what is there */
        SPAN("\1\0\1\0\0\0\0\0\0\0\0\0\0\0"
             "kx"), /* no JSON */
        SPAN("\1\0\1\0\0\0\0\0\0\0\0\0\0\200"
             "k1"), /* ends before 1970 */
        SPAN("\1\0\1\0\0\0\0\0\0\0\0\0\0\0"
             "k1"
             "\1\0\1\0\0\0\0\0\0\0\0\0\0\0"
             "k"), /* the second is cut */
        SPAN("\1\1\1\0\0\0\0\0\0\0\0\0\0\0"
             "k1"), /* a key of 257 bytes */
        SPAN("\1\0\377\377\377\377\0\0\0\0\0\0\0\0"
             "k1"),
    };
    struct kv *kv = open_kv(KV_BYTES_MIN);
    struct kv_stats stats;
    struct err err;
    struct buf b;

    buf_init(&b, 1 << 20);
    for (size_t i = 0; i <= sizeof bodies / sizeof *bodies; i++) {
        struct digest d;
        char hex[DIGEST_HEX + 1];
        bool good = i == sizeof bodies / sizeof *bodies;
        b.len = 0;
        buf_puts(&b, "baton kv 1\n");
        buf_add_span(&b, good ? SPAN("\1\0\1\0\0\0\0\0\0\0\0\0\0\0"
                                     "k1")
                              : bodies[i]);
        digest_init(&d);
        digest_add(&d, buf_span(&b));
        digest_end(&d, hex);
        buf_puts(&b, hex);
        CHECK_INT(kv_restore(kv, buf_span(&b), NOW, NULL, &err), good ? 0 : -1);
        kv_stats(kv, &stats);
        CHECK_INT(stats.entries, good);
    }
    buf_deinit(&b);
    close_kv(kv, KV_BYTES_MIN);
}

/* What a larger store has saved. */
static void test_lost(void)
{
    struct kv *kv = open_kv(KV_BYTES_MIN), *less = open_kv(SMALL);
    struct kv_keep keep = {.persist = true};
    struct err err;
    struct buf b;
    char key[16];
    size_t lost = 0;

    for (int i = 0; i < 100; i++) {
        snprintf(key, sizeof key, "k%d", i);
        kv_set(kv, text(key), text(long_new), &keep, NOW, &err);
    }
    buf_init(&b, 1 << 20);
    kv_save(kv, &b);
    CHECK_INT(kv_restore(less, buf_span(&b), NOW, &lost, &err), 0);
    CHECK(lost > 50 && lost < 90);
    buf_deinit(&b);
    close_kv(kv, KV_BYTES_MIN);
    close_kv(less, SMALL);
}

/* The same store by another handle, as a worker has it. */
static void test_attached(void)
{
    struct shared_sizes sizes;
    struct shared a, b;
    struct err err;

    shared_sizes_default(&sizes);
    CHECK_INT(shared_new(&a, &sizes, &err), 0);
    CHECK_INT(shared_attach(&b, dup(a.shm.fd), &err), 0);
    CHECK(a.kv != b.kv);
    set(a.kv, "key", "[1]");
    CHECK_STR(get(b.kv, "key"), "[1]");
    shared_free(&a);
    CHECK_STR(get(b.kv, "key"), "[1]");
    shared_free(&b);
    shared_free(&b);
}

int main(void)
{
    make_value(long_old, 300 - 20);
    make_value(long_new, 600 - 20);
    test_hash();
    test_values();
    test_lengths();
    test_out_full();
    test_ends();
    test_incr();
    test_cas();
    test_full();
    test_model();
    test_processes();
    test_kills();
    for (int which = 0; which < 5; which++)
        test_every_step(which);
    test_damage_is_seen();
    test_save();
    test_forged();
    test_lost();
    test_attached();
    return test_report("kv");
}
