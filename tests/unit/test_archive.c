/* test_archive - generations on disk: kept, found by a prefix, refused when damaged.
 * SPDX-License-Identifier: MIT */
#include "archive.h"

#include "testhelp.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char root[64], folder[128];

static void fresh(void)
{
    snprintf(root, sizeof root, "/tmp/baton_archive_XXXXXX");
    CHECK(mkdtemp(root) != NULL);
    snprintf(folder, sizeof folder, "%s/state/baton", root);
}

static void clean(void)
{
    char command[128];

    snprintf(command, sizeof command, "rm -rf %s", root);
    CHECK_INT(system(command), 0);
}

static const char *path_of(const char *name)
{
    static char path[512];

    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static const char *file_of(const struct sources *s)
{
    static char name[128];

    snprintf(name, sizeof name, "%s.generation", s->hash);
    return path_of(name);
}

/* A snapshot of one small policy. */
struct small {
    struct source item;
    struct sources s;
    char text[64];
};

static const struct sources *make(struct small *m, int number)
{
    static char name[] = "policies/p.lua", path[] = "mine/p.lua";

    m->item = (struct source){.name = name, .path = path};
    m->item.n = (size_t)snprintf(m->text, sizeof m->text, "return %d", number);
    m->item.text = m->text;
    m->s = (struct sources){.items = &m->item, .n = 1, .bytes = m->item.n};
    sources_hash(&m->s);
    return &m->s;
}

static void put(struct archive *a, int number)
{
    struct small m;
    struct err err = {.message = ""};

    CHECK_INT(archive_put(a, make(&m, number), number, &err), 0);
    CHECK_STR(err.message, "");
}

static bool there(struct archive *a, int number)
{
    struct archived d;
    struct small m;
    struct err err;

    if (archive_get(a, make(&m, number)->hash, &d, &err) < 0)
        return false;
    CHECK_INT(d.at_us, number);
    CHECK_STR(d.sources.hash, m.s.hash);
    CHECK_STR(d.sources.items[0].text, m.text);
    CHECK_STR(d.sources.items[0].path, "mine/p.lua");
    archived_deinit(&d);
    return true;
}

static struct archive *reopen(struct archive *a)
{
    struct err err = {.message = ""};

    archive_close(a);
    a = archive_open(folder, &err);
    CHECK(a != NULL);
    CHECK_STR(err.message, "");
    return a;
}

static void check_mode(const char *path, unsigned mode)
{
    struct stat st;

    CHECK_INT(stat(path, &st), 0);
    CHECK_INT(st.st_mode & 07777, mode);
}

static void test_keeping(void)
{
    struct archive *a = reopen(NULL);
    struct small m;

    put(a, 1);
    put(a, 2);
    check_mode(folder, 0700);
    check_mode(file_of(make(&m, 1)), 0600);
    a = reopen(a); /* a restart */
    CHECK(there(a, 1) && there(a, 2) && !there(a, 3));
    archive_close(a);
}

static void test_the_oldest_go(void)
{
    struct archive *a = reopen(NULL);
    struct archive_entry list[ARCHIVE_KEPT];
    struct archive_current current = {.pinned = true};
    struct small m;
    struct err err;

    memcpy(current.hash, make(&m, 100)->hash, 65);
    put(a, 100);
    CHECK_INT(archive_note_current(a, &current, &err), 0);
    for (int i = 101; i < 130; i++)
        put(a, i);
    CHECK_INT(archive_list(a, list), ARCHIVE_KEPT);
    CHECK(there(a, 100)); /* it serves */
    CHECK(!there(a, 101) && !there(a, 114) && there(a, 115) && there(a, 129));
    CHECK_INT(list[0].at_us, 129);
    CHECK_INT(list[ARCHIVE_KEPT - 1].at_us, 100);
    for (int i = 0; i < ARCHIVE_KEPT; i++)
        CHECK(list[i].usable);
    archive_close(a);
}

static void test_prefixes(void)
{
    struct archive *a = reopen(NULL);
    struct small m;
    char hash[65], prefix[65], twin[1024];
    struct err err;

    put(a, 1);
    make(&m, 1);
    for (int n = ARCHIVE_PREFIX; n <= 64; n++) {
        snprintf(prefix, sizeof prefix, "%.*s", n, m.s.hash);
        CHECK_INT(archive_find(a, prefix, hash, &err), 0);
        CHECK_STR(hash, m.s.hash);
    }
    snprintf(prefix, sizeof prefix, "%.5s", m.s.hash);
    CHECK_INT(archive_find(a, prefix, hash, &err), -1);
    CHECK(strstr(err.message, "it takes 6 or more digits of a hash") != NULL);
    CHECK_INT(archive_find(a, "../../etc/passwd", hash, &err), -1);
    CHECK_INT(err.code, ERR_BAD_REQUEST);
    CHECK_INT(archive_find(a, "", hash, &err), -1);
    CHECK_INT(archive_find(a, "00000000000000", hash, &err), -1);
    CHECK_INT(err.code, ERR_NOT_FOUND);
    snprintf(twin, sizeof twin, "cp %s %s/%.8sffff%.52s.generation", file_of(&m.s), folder,
             m.s.hash, m.s.hash);
    CHECK_INT(system(twin), 0);
    snprintf(prefix, sizeof prefix, "%.8s", m.s.hash);
    CHECK_INT(archive_find(a, prefix, hash, &err), -1);
    CHECK_INT(err.code, ERR_BAD_REQUEST);
    CHECK(strstr(err.message, "could be several: ") && strstr(err.message, "ffff"));
    snprintf(prefix, sizeof prefix, "%.8sffff", m.s.hash); /* a file under a wrong name */
    struct archived d;
    CHECK_INT(archive_get(a, prefix, &d, &err), -1);
    CHECK(strstr(err.message, "the file holds another generation") != NULL);
    archive_close(a);
}

static void test_current(void)
{
    struct archive *a = reopen(NULL);
    struct archive_current c = {.pinned = true}, got;
    struct small m;
    struct err err;

    CHECK_INT(archive_current(a, &got, &err), -1);
    CHECK_INT(err.code, ERR_NOT_FOUND);
    memcpy(c.hash, make(&m, 1)->hash, 65);
    CHECK_INT(archive_note_current(a, &c, &err), 0);
    check_mode(path_of("current"), 0600);
    a = reopen(a);
    CHECK_INT(archive_current(a, &got, &err), 0);
    CHECK_STR(got.hash, c.hash);
    CHECK_STR(got.disk_hash, "");
    CHECK(got.pinned);
    memcpy(c.disk_hash, make(&m, 2)->hash, 65);
    c.pinned = false;
    CHECK_INT(archive_note_current(a, &c, &err), 0);
    CHECK_INT(archive_current(a, &got, &err), 0);
    CHECK_STR(got.disk_hash, c.disk_hash);
    CHECK(!got.pinned);
    static const char *const wrong[] = {
        "",  "{", "{}", "{\"hash\":\"x\",\"disk_hash\":\"\"}", "{\"hash\":1,\"disk_hash\":\"\"}",
        "[]"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        FILE *f = fopen(path_of("current"), "w");
        fputs(wrong[i], f);
        fclose(f);
        CHECK_INT(archive_current(a, &got, &err), -1);
        CHECK_INT(err.code, ERR_NOT_FOUND);
        CHECK_STR(got.hash, "");
    }
    archive_close(a);
}

/* ---- what is not right ---- */

static void test_damage(void)
{
    struct archived d;
    struct buf record;
    struct small m;
    struct err err;

    buf_init(&record, 1 << 20);
    CHECK_INT(archived_pack(make(&m, 1), 5, &record), 0);
    CHECK_INT(archived_unpack(&d, buf_span(&record), &err), 0);
    archived_deinit(&d);
    for (size_t i = 0; i < record.len; i++) {
        record.data[i] ^= 1;
        CHECK_INT(archived_unpack(&d, buf_span(&record), &err), -1);
        record.data[i] ^= 1;
        CHECK_INT(archived_unpack(&d, (struct span){record.data, i}, &err), -1);
    }
    buf_deinit(&record);

    struct archive *a = reopen(NULL);
    put(a, 1);
    CHECK_INT(truncate(file_of(&m.s), 50), 0);
    CHECK_INT(archive_get(a, m.s.hash, &d, &err), -1);
    CHECK(strstr(err.message, "the stored generation is damaged") != NULL);
    struct archive_entry list[ARCHIVE_KEPT];
    CHECK_INT(archive_list(a, list), 1);
    CHECK(!list[0].usable);
    archive_close(a);
}

/* Changes the version in a record, with a checksum that fits: sources_hash makes no use of it. */
static void test_another_version(void)
{
    struct archive *a = reopen(NULL);
    struct archive_entry list[ARCHIVE_KEPT];
    struct archived d;
    struct small m;
    struct err err;
    char command[1024];

    put(a, 1);
    make(&m, 1);
    snprintf(command, sizeof command,
             "python3 -c 'import hashlib,sys; p=\"%s\"; b=open(p,\"rb\").read(); "
             "r=b[72:76]+b\"9.9.9\".ljust(32,b\"\\0\")+b[108:]; "
             "open(p,\"wb\").write(b[:8]+hashlib.sha256(r).hexdigest().encode()+r)'",
             file_of(&m.s));
    CHECK_INT(system(command), 0);
    CHECK_INT(archive_get(a, m.s.hash, &d, &err), -1);
    CHECK(strstr(err.message, "was made by version 9.9.9 of the engine, this is") != NULL);
    CHECK_INT(archive_list(a, list), 1);
    CHECK(!list[0].usable);
    archive_close(a);
}

static void test_one_process_at_a_time(void)
{
    struct archive *a = reopen(NULL);
    struct err err;

    CHECK(archive_open(folder, &err) == NULL);
    CHECK(strstr(err.message, "another engine uses it") != NULL);
    archive_close(a);
    archive_close(NULL);
    pid_t child = fork();
    if (child == 0) { /* one that dies leaves no lock */
        struct archive *held = archive_open(folder, &err);
        _exit(held ? 0 : 1);
    }
    int status;
    waitpid(child, &status, 0);
    CHECK_INT(status, 0);
    archive_close(reopen(NULL));
}

static void test_folders(void)
{
    struct err err;

    CHECK(archive_open("", &err) == NULL);
    archive_close(reopen(NULL));
    CHECK_INT(chmod(folder, 0770), 0);
    CHECK(archive_open(folder, &err) == NULL);
    CHECK(strstr(err.message, "others may write to it") != NULL);
    CHECK_INT(chmod(folder, 0700), 0);
    close(open(path_of("file"), O_CREAT | O_WRONLY, 0600));
    CHECK(archive_open(path_of("file"), &err) == NULL);
    CHECK(archive_open(path_of("file/below"), &err) == NULL);
    CHECK_INT(symlink("/etc/passwd", path_of("new")), 0); /* not followed */
    struct archive *a = reopen(NULL);
    struct small m;
    CHECK_INT(archive_put(a, make(&m, 1), 1, &err), -1);
    CHECK(strstr(err.message, "cannot be written") != NULL);
    CHECK_INT(archive_put(a, make(&m, 1), 1, &err), 0); /* it is gone */
    archive_close(a);
}

int main(void)
{
    static void (*const tests[])(void) = {
        test_keeping,         test_the_oldest_go,         test_prefixes, test_current, test_damage,
        test_another_version, test_one_process_at_a_time, test_folders,
    };

    for (size_t i = 0; i < sizeof tests / sizeof *tests; i++) {
        fresh();
        tests[i]();
        clean();
    }
    return test_report("archive");
}
