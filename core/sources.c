/* sources - one snapshot of all Lua files and trained models, read once: what a generation is built from.
 * SPDX-License-Identifier: MIT */
#include "sources.h"

#include "digest.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { DEPTH_MAX = 4 };

static bool ends_in(const char *name, const char *end)
{
    size_t n = strlen(name), m = strlen(end);

    return n > m && strcmp(name + n - m, end) == 0;
}

bool sources_is_model(const char *name)
{
    return ends_in(name, ".model");
}

size_t sources_max(const char *name)
{
    return sources_is_model(name) ? SOURCE_MODEL_MAX : SOURCE_MAX;
}

static int read_text(const char *path, char **text, size_t *n, struct err *err)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    size_t at = 0;

    *text = NULL;
    if (fd < 0)
        return err_set(err, ERR_NOT_FOUND, "%s: %s", path, strerror(errno));
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
        err_set(err, ERR_BAD_REQUEST, "%s: not a regular file", path);
        goto fail;
    }
    if ((size_t)st.st_size > sources_max(path)) {
        err_set(err, ERR_BUDGET, "%s: larger than %zu bytes", path, sources_max(path));
        goto fail;
    }
    *n = (size_t)st.st_size;
    if (!(*text = malloc(*n + 1))) {
        err_set(err, ERR_OVERLOADED, "out of memory");
        goto fail;
    }
    while (at < *n) {
        ssize_t got = read(fd, *text + at, *n - at);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0) {
            err_set(err, ERR_UNAVAILABLE, "%s: %s", path, got ? strerror(errno) : "cut while read");
            goto fail;
        }
        at += (size_t)got;
    }
    (*text)[*n] = 0;
    close(fd);
    return 0;
fail:
    free(*text);
    *text = NULL;
    close(fd);
    return -1;
}

/* Adds a file, or takes the place of the one of the same name. Takes 'text' over. */
static int put(struct sources *s, const char *name, const char *path, char *text, size_t n,
               struct err *err)
{
    struct source *item = (struct source *)sources_find(s, name);

    if (item) {
        s->bytes -= item->n;
        free(item->path);
        free(item->text);
    } else {
        struct source *items = realloc(s->items, (s->n + 1) * sizeof *items);
        if (!items || s->n == SOURCES_MAX) {
            s->items = items ? items : s->items;
            free(text);
            return err_set(err, ERR_BUDGET, "%s: more than %d files", path, SOURCES_MAX);
        }
        s->items = items;
        item = &items[s->n++];
        item->name = strdup(name);
    }
    item->path = strdup(path);
    item->text = text;
    item->n = n;
    s->bytes += n;
    if (!item->name || !item->path)
        return err_set(err, ERR_OVERLOADED, "out of memory");
    if (s->bytes > SOURCES_BYTES_MAX)
        return err_set(err, ERR_BUDGET, "%s: the Lua files are larger than %d bytes together", path,
                       SOURCES_BYTES_MAX);
    return 0;
}

static int read_dir(struct sources *s, const char *dir, const char *name, int depth,
                    struct err *err);

static int read_entry(struct sources *s, const char *dir, const char *name, const char *entry,
                      int depth, struct err *err)
{
    char path[4096], full[512];
    struct stat st;
    size_t size = 0;
    char *text;

    if (snprintf(path, sizeof path, "%s/%s", dir, entry) >= (int)sizeof path ||
        snprintf(full, sizeof full, "%s/%s", name, entry) >= (int)sizeof full)
        return err_set(err, ERR_BUDGET, "%s/%s: the path is too long", dir, entry);
    if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
        return depth < DEPTH_MAX ? read_dir(s, path, full, depth + 1, err) : 0;
    if ((!ends_in(entry, ".lua") && !sources_is_model(entry)) || strcmp(entry, "baton.lua") == 0)
        return 0; /* a configuration may lie beside the policies it is for */
    if (read_text(path, &text, &size, err) < 0)
        return -1;
    return put(s, full, s->shipped ? full : path, text, size, err);
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Could it be one of ours, or a folder with some? */
static bool may_count(const struct dirent *e)
{
    bool folder = e->d_type == DT_DIR || e->d_type == DT_LNK || e->d_type == DT_UNKNOWN;

    return e->d_name[0] != '.' &&
           (folder || ends_in(e->d_name, ".lua") || sources_is_model(e->d_name));
}

/* Entries are taken in the order of their names, so that errors and hashes do not depend on the
 * disk. */
static int read_dir(struct sources *s, const char *dir, const char *name, int depth,
                    struct err *err)
{
    char *entries[SOURCES_MAX];
    size_t n = 0;
    DIR *d = opendir(dir);
    int result = 0;

    if (!d)
        return err_set(err, ERR_NOT_FOUND, "%s: %s", dir, strerror(errno));
    for (struct dirent *e; result == 0 && (e = readdir(d));) {
        if (!may_count(e))
            continue;
        if (n == SOURCES_MAX)
            result = err_set(err, ERR_BUDGET, "%s: more than %d files", dir, SOURCES_MAX);
        else if (!(entries[n] = strdup(e->d_name)))
            result = err_set(err, ERR_OVERLOADED, "out of memory");
        else
            n++;
    }
    closedir(d);
    qsort(entries, n, sizeof *entries, by_text);
    for (size_t i = 0; i < n; i++) {
        if (result == 0)
            result = read_entry(s, dir, name, entries[i], depth, err);
        free(entries[i]);
    }
    return result;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct source *)a)->name, ((const struct source *)b)->name);
}

void sources_hash(struct sources *s)
{
    struct digest d;
    char head[600];

    digest_init(&d);
    for (size_t i = 0; i < s->n; i++) {
        int n = snprintf(head, sizeof head, "%s %zu\n", s->items[i].name, s->items[i].n);
        digest_add(&d, (struct span){head, (size_t)n});
        digest_add(&d, (struct span){s->items[i].text, s->items[i].n});
    }
    digest_end(&d, s->hash);
}

int sources_read(struct sources *s, const char *home, const char *policies, struct err *err)
{
    char dir[4096];

    *s = (struct sources){.shipped = true};
    snprintf(dir, sizeof dir, "%s/scripts", home);
    if (read_dir(s, dir, "scripts", 0, err) < 0)
        goto fail;
    snprintf(dir, sizeof dir, "%s/policies", home);
    if (read_dir(s, dir, "policies", 0, err) < 0)
        goto fail;
    s->shipped = false;
    if (policies && read_dir(s, policies, "policies", 0, err) < 0)
        goto fail;
    qsort(s->items, s->n, sizeof *s->items, by_name);
    sources_hash(s);
    return 0;
fail:
    sources_deinit(s);
    return -1;
}

static int add_model(struct sources *s, int folder, const char *path, const char *entry,
                     struct err *err)
{
    char full[4400], name[512], *text;
    size_t n = 0;

    snprintf(full, sizeof full, "%.*s%s", folder, path, entry);
    snprintf(name, sizeof name, "policies/%s", entry);
    if (read_text(full, &text, &n, err) < 0)
        return -1;
    return put(s, name, full, text, n, err);
}

static int add_models(struct sources *s, const char *path, struct err *err)
{
    const char *slash = strrchr(path, '/');
    int folder = slash ? (int)(slash - path) + 1 : 0, result = 0;
    char dir[4096];

    snprintf(dir, sizeof dir, "%.*s", folder ? folder : 1, folder ? path : ".");
    DIR *d = opendir(dir);
    for (struct dirent *e; d && result == 0 && (e = readdir(d));)
        if (e->d_name[0] != '.' && sources_is_model(e->d_name))
            result = add_model(s, folder, path, e->d_name, err);
    if (d)
        closedir(d);
    return result;
}

int sources_add_policy(struct sources *s, const char *path, struct err *err)
{
    const char *slash = strrchr(path, '/');
    char name[512], *text;
    size_t n = 0;

    if (read_text(path, &text, &n, err) < 0)
        return -1;
    snprintf(name, sizeof name, "policies/%s", slash ? slash + 1 : path);
    if (put(s, name, path, text, n, err) < 0 || add_models(s, path, err) < 0)
        return -1;
    qsort(s->items, s->n, sizeof *s->items, by_name);
    sources_hash(s);
    return 0;
}

void sources_deinit(struct sources *s)
{
    for (size_t i = 0; i < s->n; i++) {
        free(s->items[i].name);
        free(s->items[i].path);
        free(s->items[i].text);
    }
    free(s->items);
    *s = (struct sources){0};
}

const struct source *sources_find(const struct sources *s, const char *name)
{
    for (size_t i = 0; i < s->n; i++)
        if (strcmp(s->items[i].name, name) == 0)
            return &s->items[i];
    return NULL;
}
