/* test_sources - one snapshot of all Lua files: which are read, in which order, under which hash.
 * SPDX-License-Identifier: MIT */
#include "sources.h"

#include "digest.h"
#include "testhelp.h"

#include <sys/stat.h>
#include <unistd.h>

static char root[64];

/* Writes a file below the root; folders must be there. */
static void put(const char *name, const char *text)
{
    char path[256];

    snprintf(path, sizeof path, "%s/%s", root, name);
    FILE *f = fopen(path, "w");
    CHECK(f != NULL);
    if (!f)
        return;
    fputs(text, f);
    fclose(f);
}

static void folder(const char *name)
{
    char path[256];

    snprintf(path, sizeof path, "%s/%s", root, name);
    CHECK_INT(mkdir(path, 0777), 0);
}

static void clean(void)
{
    char command[128];

    snprintf(command, sizeof command, "rm -rf %s", root);
    CHECK_INT(system(command), 0);
}

static void fresh(void)
{
    memcpy(root, "/tmp/baton_sources_XXXXXX", sizeof "/tmp/baton_sources_XXXXXX");
    CHECK(mkdtemp(root) != NULL);
    folder("scripts");
    folder("scripts/codec");
    folder("policies");
    folder("mine");
    put("scripts/b.lua", "b");
    put("scripts/a.lua", "aa");
    put("scripts/codec/c.lua", "");
    put("scripts/.hidden.lua", "x");
    put("scripts/a.lua~", "x");
    put("scripts/.lua", "x");
    put("scripts/notes.txt", "x");
    put("policies/p.lua", "shipped");
    put("policies/q.lua", "q");
    put("mine/p.lua", "mine");
}

static const char *path_of(const char *name)
{
    static char path[256];

    snprintf(path, sizeof path, "%s/%s", root, name);
    return path;
}

/* Files that are none of ours do not count, however many they are; too many of ours are told. */
static void test_files_of_others(void)
{
    struct sources s;
    struct err err;
    char name[64];

    fresh();
    for (int i = 0; i <= SOURCES_MAX; i++) {
        snprintf(name, sizeof name, "policies/%04d.csv", i);
        put(name, "x");
    }
    CHECK_INT(sources_read(&s, root, NULL, &err), 0);
    CHECK(sources_find(&s, "policies/p.lua") && sources_find(&s, "policies/q.lua"));
    sources_deinit(&s);
    for (int i = 0; i <= SOURCES_MAX; i++) {
        snprintf(name, sizeof name, "policies/%04d.lua", i);
        put(name, "x");
    }
    CHECK_INT(sources_read(&s, root, NULL, &err), -1);
    CHECK(strstr(err.message, "more than 2000 files") != NULL);
    clean();
}

static void check_names(const struct sources *s, const char *want)
{
    char got[512] = "";

    for (size_t i = 0; i < s->n; i++) {
        strcat(got, i ? " " : "");
        strcat(got, s->items[i].name);
    }
    CHECK_STR(got, want);
}

static void test_reading(void)
{
    struct sources s;
    struct err err;
    char hash[65];

    fresh();
    CHECK_INT(sources_read(&s, root, NULL, &err), 0);
    check_names(&s,
                "policies/p.lua policies/q.lua scripts/a.lua scripts/b.lua scripts/codec/c.lua");
    CHECK_INT(s.bytes, 11);
    const struct source *p = sources_find(&s, "policies/p.lua");
    CHECK(p && !sources_find(&s, "p.lua"));
    CHECK_BYTES(p->text, p->n, "shipped");
    CHECK_STR(p->path, "policies/p.lua");
    CHECK_INT(strlen(s.hash), 64);
    memcpy(hash, s.hash, sizeof hash);
    sources_deinit(&s);
    sources_deinit(&s);

    CHECK_INT(sources_read(&s, root, NULL, &err), 0);
    CHECK_STR(s.hash, hash);
    sources_deinit(&s);
    put("scripts/a.lua", "ab");
    CHECK_INT(sources_read(&s, root, NULL, &err), 0);
    CHECK(strcmp(s.hash, hash) != 0);
    sources_deinit(&s);
    clean();
}

static void test_own_policies(void)
{
    struct sources s;
    struct err err;

    fresh();
    CHECK_INT(sources_read(&s, root, path_of("mine"), &err), 0);
    check_names(&s,
                "policies/p.lua policies/q.lua scripts/a.lua scripts/b.lua scripts/codec/c.lua");
    const struct source *p = sources_find(&s, "policies/p.lua");
    CHECK_BYTES(p->text, p->n, "mine");
    CHECK_STR(p->path, path_of("mine/p.lua"));
    CHECK_INT(s.bytes, 8);
    put("mine/new.lua", "new");
    CHECK_INT(sources_add_policy(&s, path_of("mine/new.lua"), &err), 0);
    CHECK_INT(s.n, 6);
    CHECK_STR(s.items[0].name, "policies/new.lua");
    char before[65];
    memcpy(before, s.hash, sizeof before);
    put("mine/new.lua", "newer");
    CHECK_INT(sources_add_policy(&s, path_of("mine/new.lua"), &err), 0);
    CHECK_INT(s.n, 6);
    CHECK(strcmp(before, s.hash) != 0);
    CHECK_INT(s.bytes, 13);
    CHECK_INT(sources_add_policy(&s, path_of("mine/none.lua"), &err), -1);
    CHECK(strstr(err.message, "none.lua: No such file") != NULL);
    CHECK_INT(sources_add_policy(&s, path_of("mine"), &err), -1);
    CHECK(strstr(err.message, "not a regular file") != NULL);
    sources_deinit(&s);
    clean();
}

static void test_mistakes(void)
{
    struct sources s;
    struct err err;
    char *large = malloc(SOURCE_MAX + 2);

    fresh();
    CHECK_INT(sources_read(&s, "/no/such/home", NULL, &err), -1);
    CHECK(strstr(err.message, "/no/such/home/scripts: No such file") != NULL);
    CHECK_INT(sources_read(&s, root, "/no/such/policies", &err), -1);
    CHECK(strstr(err.message, "/no/such/policies: No such file") != NULL);
    memset(large, ' ', SOURCE_MAX + 1);
    large[SOURCE_MAX + 1] = 0;
    put("policies/large.lua", large);
    CHECK_INT(sources_read(&s, root, NULL, &err), -1);
    CHECK(strstr(err.message, "large.lua: larger than 1048576 bytes") != NULL);
    large[SOURCE_MAX] = 0;
    put("policies/large.lua", large);
    CHECK_INT(sources_read(&s, root, NULL, &err), 0);
    sources_deinit(&s);
    for (int i = 0; i < 33; i++) {
        char name[64];
        snprintf(name, sizeof name, "policies/large%d.lua", i);
        put(name, large);
    }
    CHECK_INT(sources_read(&s, root, NULL, &err), -1);
    CHECK(strstr(err.message, "larger than 33554432 bytes together") != NULL);
    free(large);
    clean();
}

/* A pipe, a folder and a dangling link that are called like files. */
static void test_no_files(void)
{
    struct sources s;
    struct err err;

    fresh();
    folder("policies/folder.lua");
    put("policies/folder.lua/x.lua", "x");
    CHECK_INT(sources_read(&s, root, NULL, &err), 0);
    CHECK(sources_find(&s, "policies/folder.lua/x.lua") != NULL);
    sources_deinit(&s);
    CHECK_INT(mkfifo(path_of("policies/fifo.lua"), 0666), 0);
    CHECK_INT(sources_read(&s, root, NULL, &err), -1);
    CHECK(strstr(err.message, "fifo.lua: not a regular file") != NULL);
    unlink(path_of("policies/fifo.lua"));
    CHECK_INT(symlink("/no/such/target", path_of("policies/link.lua")), 0);
    CHECK_INT(sources_read(&s, root, NULL, &err), -1);
    CHECK(strstr(err.message, "link.lua: No such file") != NULL);
    unlink(path_of("policies/link.lua"));
    char target[256];
    snprintf(target, sizeof target, "%s/scripts", root);
    CHECK_INT(symlink(target, path_of("scripts/loop")), 0);
    CHECK_INT(sources_read(&s, root, NULL, &err), 0); /* not for ever */
    sources_deinit(&s);
    clean();
}

static void test_many_files(void)
{
    struct sources s;
    struct err err;
    char name[64];

    fresh();
    for (int i = 0; i < SOURCES_MAX - 5; i++) {
        snprintf(name, sizeof name, "policies/n%d.lua", i);
        put(name, "x");
    }
    CHECK_INT(sources_read(&s, root, NULL, &err), 0);
    CHECK_INT(s.n, SOURCES_MAX);
    sources_deinit(&s);
    put("scripts/one_more.lua", "x");
    CHECK_INT(sources_read(&s, root, NULL, &err), -1);
    CHECK(strstr(err.message, "more than 2000 files") != NULL);
    clean();
}

/* ---- packed ---- */

static void check_refused(const char *data, size_t n)
{
    struct sources s;
    struct err err = {.code = ERR_NONE};

    CHECK_INT(sources_unpack(&s, (struct span){data, n}, &err), -1);
    CHECK_INT(err.code, ERR_BAD_REQUEST);
    CHECK(!s.items && s.n == 0);
}

/* Every cut and every changed byte is found out, but those of paths, which no hash covers. */
static void check_damage(const struct sources *s, struct buf *packed)
{
    struct sources other;
    struct err err;

    for (size_t n = 0; n < packed->len; n++)
        check_refused(packed->data, n);
    for (size_t i = 0; i < packed->len; i++) {
        packed->data[i] ^= 0x20;
        if (sources_unpack(&other, buf_span(packed), &err) == 0) {
            CHECK_STR(other.hash, s->hash);
            CHECK(other.n == s->n && strcmp(other.items[0].text, s->items[0].text) == 0);
            sources_deinit(&other);
        }
        packed->data[i] ^= 0x20;
    }
    buf_add(packed, "x", 1);
    check_refused(packed->data, packed->len);
    packed->len--;
}

static void check_equal(const struct sources *a, const struct sources *b)
{
    CHECK_INT(a->n, b->n);
    CHECK_INT(a->bytes, b->bytes);
    CHECK_STR(a->hash, b->hash);
    for (size_t i = 0; i < a->n && i < b->n; i++) {
        CHECK_STR(a->items[i].name, b->items[i].name);
        CHECK_STR(a->items[i].path, b->items[i].path);
        CHECK_BYTES(a->items[i].text, a->items[i].n, b->items[i].text);
    }
}

static void test_packing(void)
{
    struct sources s, other;
    struct buf packed;
    struct err err;

    fresh();
    CHECK_INT(sources_read(&s, root, path_of("mine"), &err), 0);
    buf_init(&packed, SOURCES_PACKED_MAX);
    CHECK_INT(sources_pack(&s, &packed), 0);
    CHECK_INT(sources_unpack(&other, buf_span(&packed), &err), 0);
    check_equal(&s, &other);
    sources_deinit(&other);
    check_damage(&s, &packed);
    buf_deinit(&packed);
    buf_init(&packed, 100);
    CHECK_INT(sources_pack(&s, &packed), -1);
    CHECK_INT(packed.len, 0);
    buf_deinit(&packed);
    sources_deinit(&s);
    clean();
}

static void test_handing_over(void)
{
    struct sources s, other;
    struct err err;

    fresh();
    CHECK_INT(sources_read(&s, root, NULL, &err), 0);
    int fd = sources_to_memfd(&s, &err);
    CHECK(fd >= 0);
    CHECK_INT(write(fd, "x", 1), -1); /* sealed */
    CHECK_INT(ftruncate(fd, 0), -1);
    for (int i = 0; i < 2; i++) { /* each worker reads the same descriptor */
        CHECK_INT(sources_from_memfd(&other, fd, &err), 0);
        check_equal(&s, &other);
        sources_deinit(&other);
    }
    close(fd);
    FILE *file = tmpfile(); /* something that could still change */
    CHECK_INT(sources_from_memfd(&other, fileno(file), &err), -1);
    CHECK(strstr(err.message, "no sealed memory") != NULL);
    fclose(file);
    CHECK_INT(sources_from_memfd(&other, -1, &err), -1);
    sources_deinit(&s);
    clean();
}

static void check_digest(const char *text, const char *want)
{
    struct digest d;
    char hex[DIGEST_HEX + 1];

    digest_init(&d);
    for (const char *p = text; *p; p++)
        digest_add(&d, (struct span){p, 1});
    digest_end(&d, hex);
    CHECK_STR(hex, want);
}

/* FIPS 180-4, examples. */
static void test_digest(void)
{
    check_digest("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    check_digest("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

int main(void)
{
    test_reading();
    test_files_of_others();
    test_own_policies();
    test_mistakes();
    test_no_files();
    test_many_files();
    test_packing();
    test_handing_over();
    test_digest();
    return test_report("sources");
}
