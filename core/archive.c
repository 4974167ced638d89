/* archive - the last good generations in a folder, so that they survive a restart of the engine.
 * SPDX-License-Identifier: MIT */
#include "archive.h"

#include "file.h"
#include "json.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    HASH = 64,
    FILES_MAX = 1000, /* looked at; more are not ours */
    RECORD_MAX = SOURCES_PACKED_MAX + 4096,
    CURRENT_MAX = 4096,
    AT_VERSION = 8 + 64 + 4, /* in a record */
    AT_MOMENT = AT_VERSION + 32,
    HEAD_READ = AT_MOMENT + 8
};

#define SUFFIX ".generation"

struct archive {
    int dir, lock; /* descriptors */
    char path[4096];
};

/* ---- the folder ---- */

static int make_folders(char *path, struct err *err)
{
    for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = 0;
        int result = mkdir(path, 0700);
        *slash = '/';
        if (result < 0 && errno != EEXIST)
            return err_set(err, ERR_UNAVAILABLE, "%s: cannot be made: %s", path, strerror(errno));
    }
    if (mkdir(path, 0700) < 0 && errno != EEXIST)
        return err_set(err, ERR_UNAVAILABLE, "%s: cannot be made: %s", path, strerror(errno));
    return 0;
}

/* What lies there is run, so nobody else may put it there. */
static int check_folder(const struct archive *a, struct err *err)
{
    struct stat st;

    if (fstat(a->dir, &st) < 0 || !S_ISDIR(st.st_mode))
        return err_set(err, ERR_UNAVAILABLE, "%s: is no folder", a->path);
    if (st.st_uid != geteuid())
        return err_set(err, ERR_UNAVAILABLE, "%s: belongs to somebody else", a->path);
    if (st.st_mode & 022)
        return err_set(err, ERR_UNAVAILABLE, "%s: others may write to it", a->path);
    return 0;
}

static int lock_folder(struct archive *a, struct err *err)
{
    a->lock = openat(a->dir, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (a->lock < 0)
        return err_set(err, ERR_UNAVAILABLE, "%s/lock: %s", a->path, strerror(errno));
    if (flock(a->lock, LOCK_EX | LOCK_NB) < 0)
        return err_set(err, ERR_UNAVAILABLE, "%s: another engine uses it", a->path);
    return 0;
}

struct archive *archive_open(const char *dir, struct err *err)
{
    struct archive *a = calloc(1, sizeof *a);

    if (!a) {
        err_set(err, ERR_OVERLOADED, "out of memory");
        return NULL;
    }
    a->dir = a->lock = -1;
    if (!*dir || snprintf(a->path, sizeof a->path, "%s", dir) >= (int)sizeof a->path) {
        err_set(err, ERR_BAD_REQUEST, "the state folder's path is empty or too long");
        goto fail;
    }
    if (make_folders(a->path, err) < 0)
        goto fail;
    if ((a->dir = open(a->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0) {
        err_set(err, ERR_UNAVAILABLE, "%s: %s", a->path, strerror(errno));
        goto fail;
    }
    if (check_folder(a, err) < 0 || lock_folder(a, err) < 0)
        goto fail;
    return a;
fail:
    archive_close(a);
    return NULL;
}

void archive_close(struct archive *a)
{
    if (!a)
        return;
    if (a->lock >= 0)
        close(a->lock);
    if (a->dir >= 0)
        close(a->dir);
    free(a);
}

/* ---- files, whole or not at all ---- */

static int write_file(struct archive *a, const char *name, struct span bytes, struct err *err)
{
    static const char fresh[] = "new";
    int fd = openat(a->dir, fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    bool good = fd >= 0 && file_write(fd, bytes) == 0 && fsync(fd) == 0;

    if (fd >= 0)
        good = close(fd) == 0 && good;
    if (good && renameat(a->dir, fresh, a->dir, name) == 0 && fsync(a->dir) == 0)
        return 0;
    err_set(err, ERR_UNAVAILABLE, "%s/%s: cannot be written: %s", a->path, name, strerror(errno));
    unlinkat(a->dir, fresh, 0);
    return -1;
}

/* Appends at most 'max' bytes of it. */
static int read_file(struct archive *a, const char *name, size_t max, struct buf *out,
                     struct err *err)
{
    int fd = openat(a->dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    ssize_t n = -1;

    while (fd >= 0 && out->len < max) {
        size_t want = max - out->len < 65536 ? max - out->len : 65536;
        char *room = buf_reserve(out, want);
        n = room ? read(fd, room, want) : -1;
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        out->len += (size_t)n;
    }
    if (fd >= 0)
        close(fd);
    return n >= 0 ? 0
                  : err_set(err, errno == ENOENT ? ERR_NOT_FOUND : ERR_UNAVAILABLE, "%s/%s: %s",
                            a->path, name, strerror(errno));
}

/* ---- the list ---- */

static bool is_hash(const char *text, size_t n)
{
    return strlen(text) >= n && strspn(text, "0123456789abcdef") >= n;
}

static void read_entry(struct archive *a, const char *name, struct archive_entry *e)
{
    struct buf head;
    struct err err;

    *e = (struct archive_entry){.usable = false};
    memcpy(e->hash, name, HASH);
    buf_init(&head, HEAD_READ);
    if (read_file(a, name, HEAD_READ, &head, &err) == 0 && head.len == HEAD_READ) {
        uint64_t at = 0;
        for (int i = 0; i < 8; i++)
            at |= (uint64_t)(unsigned char)head.data[AT_MOMENT + i] << (8 * i);
        e->at_us = (int64_t)at;
        e->usable = strncmp(head.data + AT_VERSION, BATON_VERSION, 32) == 0;
    }
    buf_deinit(&head);
}

static int newest_first(const void *a, const void *b)
{
    const struct archive_entry *x = a, *y = b;

    if (x->at_us != y->at_us)
        return x->at_us < y->at_us ? 1 : -1;
    return strcmp(x->hash, y->hash);
}

/* All that are there, sorted; free() it. */
static struct archive_entry *list_all(struct archive *a, size_t *n)
{
    struct archive_entry *all = calloc(FILES_MAX, sizeof *all);
    int fd = openat(a->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;

    *n = 0;
    for (struct dirent *e; all && dir && (e = readdir(dir)) && *n < FILES_MAX;)
        if (is_hash(e->d_name, HASH) && strcmp(e->d_name + HASH, SUFFIX) == 0)
            read_entry(a, e->d_name, &all[(*n)++]);
    if (dir)
        closedir(dir);
    else if (fd >= 0)
        close(fd);
    if (all)
        qsort(all, *n, sizeof *all, newest_first);
    return all;
}

size_t archive_list(struct archive *a, struct archive_entry out[ARCHIVE_KEPT])
{
    size_t n;
    struct archive_entry *all = list_all(a, &n);

    n = n < ARCHIVE_KEPT ? n : ARCHIVE_KEPT;
    if (n)
        memcpy(out, all, n * sizeof *out);
    free(all);
    return n;
}

static void name_of(const char *hash, char name[HASH + sizeof SUFFIX])
{
    memcpy(name, hash, HASH);
    memcpy(name + HASH, SUFFIX, sizeof SUFFIX);
}

/* The oldest go, but not the current one. */
static void drop_oldest(struct archive *a)
{
    struct archive_current current = {.hash = ""};
    char name[HASH + sizeof SUFFIX];
    struct err err;
    size_t n;
    struct archive_entry *all = list_all(a, &n);
    size_t left = n;

    archive_current(a, &current, &err);
    for (size_t i = n; i-- > 1 && left > ARCHIVE_KEPT;) {
        if (strcmp(all[i].hash, current.hash) == 0)
            continue;
        name_of(all[i].hash, name);
        unlinkat(a->dir, name, 0);
        left--;
    }
    free(all);
}

/* ---- in and out ---- */

int archive_put(struct archive *a, const struct sources *s, int64_t at_us, struct err *err)
{
    char name[HASH + sizeof SUFFIX];
    struct buf record;
    int result = -1;

    buf_init(&record, RECORD_MAX);
    name_of(s->hash, name);
    if (archived_pack(s, at_us, &record) < 0)
        err_set(err, ERR_OVERLOADED, "no memory to keep the generation");
    else
        result = write_file(a, name, buf_span(&record), err);
    buf_deinit(&record);
    if (result == 0)
        drop_oldest(a);
    return result;
}

/* "1a2b3c4d5e6f, 1a2b3cffffff" */
static int ambiguous(const struct archive_entry *all, size_t n, const char *prefix, struct err *err)
{
    char list[256] = "";
    size_t at = 0;

    for (size_t i = 0; i < n && at + 16 < sizeof list; i++)
        if (strncmp(all[i].hash, prefix, strlen(prefix)) == 0)
            at += (size_t)snprintf(list + at, sizeof list - at, "%s%.12s", at ? ", " : "",
                                   all[i].hash);
    return err_set(err, ERR_BAD_REQUEST, "%s could be several: %s", prefix, list);
}

int archive_find(struct archive *a, const char *prefix, char hash[65], struct err *err)
{
    size_t length = strlen(prefix), found = 0, n;

    if (length < ARCHIVE_PREFIX || length > HASH || !is_hash(prefix, length))
        return err_set(err, ERR_BAD_REQUEST,
                       "'%.80s' names no generation: it takes %d or more digits of a hash", prefix,
                       ARCHIVE_PREFIX);
    struct archive_entry *all = list_all(a, &n);
    for (size_t i = 0; i < n; i++)
        if (strncmp(all[i].hash, prefix, length) == 0) {
            memcpy(hash, all[i].hash, HASH + 1);
            found++;
        }
    int result = 0;
    if (found == 0)
        result = err_set(err, ERR_NOT_FOUND,
                         "no generation %s is kept; 'baton policies' lists them", prefix);
    else if (found > 1)
        result = ambiguous(all, n, prefix, err);
    free(all);
    return result;
}

int archive_get(struct archive *a, const char *prefix, struct archived *out, struct err *err)
{
    char hash[HASH + 1], name[HASH + sizeof SUFFIX];
    struct buf record;

    *out = (struct archived){0};
    if (archive_find(a, prefix, hash, err) < 0)
        return -1;
    name_of(hash, name);
    buf_init(&record, RECORD_MAX);
    int result = read_file(a, name, RECORD_MAX, &record, err);
    if (result == 0 && (result = archived_unpack(out, buf_span(&record), err)) < 0)
        err_prefix(err, "%.12s", hash);
    buf_deinit(&record);
    if (result == 0 && strcmp(out->sources.hash, hash) != 0) {
        archived_deinit(out);
        result = err_set(err, ERR_BAD_REQUEST, "%.12s: the file holds another generation", hash);
    }
    return result;
}

/* ---- which one serves ---- */

int archive_note_current(struct archive *a, const struct archive_current *c, struct err *err)
{
    char text[256];
    int n =
        snprintf(text, sizeof text, "{\"hash\":\"%.64s\",\"pinned\":%s,\"disk_hash\":\"%.64s\"}\n",
                 c->hash, c->pinned ? "true" : "false", c->disk_hash);

    return write_file(a, "current", (struct span){text, (size_t)n}, err);
}

/* A hash as a member's value; "" only where 'empty' allows it. */
static bool take_hash(struct span doc, const char *key, bool empty, char hash[65])
{
    struct span value = json_member(doc, key);

    if (!value.p || (value.n != HASH + 2 && !(empty && value.n == 2)) || value.p[0] != '"')
        return false;
    memcpy(hash, value.p + 1, value.n - 2);
    hash[value.n - 2] = 0;
    return is_hash(hash, value.n - 2);
}

int archive_current(struct archive *a, struct archive_current *out, struct err *err)
{
    struct buf text;

    *out = (struct archive_current){.pinned = false};
    buf_init(&text, CURRENT_MAX);
    int result = read_file(a, "current", CURRENT_MAX, &text, err);
    struct span doc = buf_span(&text);
    if (result == 0) {
        struct span pinned = {NULL, 0};
        bool good = json_check(doc, err) == 0 && take_hash(doc, "hash", false, out->hash) &&
                    take_hash(doc, "disk_hash", true, out->disk_hash);
        if (good)
            pinned = json_member(doc, "pinned");
        out->pinned = pinned.p && json_type(pinned) == JSON_TRUE;
        if (!good) {
            *out = (struct archive_current){.pinned = false};
            result = err_set(err, ERR_NOT_FOUND, "%s/current: is damaged", a->path);
        }
    }
    buf_deinit(&text);
    return result;
}
