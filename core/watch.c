/* watch - says when files below some paths have changed, once for many changes.
 * SPDX-License-Identifier: MIT
 *
 * inotify watches folders, not paths. So for each path every folder on the way is watched for the
 * one name that leads on, links included, and what is found at the end for all names. After each
 * change all of that is looked up anew, before 'changed' runs: what comes later is seen later. */
#include "watch.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
    FOLDERS_DEEP = 5, /* below a path; one more than what sources reads */
    LINKS_DEEP = 8,   /* links to links */
    INTERESTS_MAX = 4096,
    ON_THE_WAY = IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE_SELF |
                 IN_MOVE_SELF | IN_ONLYDIR | IN_MASK_ADD,
    AT_THE_END = ON_THE_WAY | IN_CLOSE_WRITE | IN_MODIFY | IN_ATTRIB
};

/* A change of this name in this folder matters. */
struct interest {
    int wd;
    char *name; /* NULL: any but hidden ones */
};

struct interests {
    struct interest *items;
    size_t n;
};

struct watch {
    int fd;
    struct event *readable, *settled;
    char **paths; /* absolute */
    size_t path_count;
    struct interests interests;
    bool pending;
    int64_t first_us; /* of the changes that are gathered */
    bool full;        /* no more could be watched */
    void (*changed)(void *arg);
    void *arg;
};

static int64_t now_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * (int64_t)1000000 + t.tv_nsec / 1000;
}

/* ---- what matters ---- */

static void forget(struct interests *all)
{
    for (size_t i = 0; i < all->n; i++)
        free(all->items[i].name);
    free(all->items);
    *all = (struct interests){0};
}

static bool is_known(const struct interests *all, int wd, const char *name)
{
    for (size_t i = 0; i < all->n; i++) {
        const char *known = all->items[i].name;
        if (all->items[i].wd == wd && (known && name ? strcmp(known, name) == 0 : known == name))
            return true;
    }
    return false;
}

static bool add_interest(struct interests *all, int wd, const char *name)
{
    if (is_known(all, wd, name))
        return true;
    struct interest *items =
        all->n < INTERESTS_MAX ? realloc(all->items, (all->n + 1) * sizeof *items) : NULL;
    if (!items)
        return false;
    all->items = items;
    char *copy = name ? strdup(name) : NULL;
    if (name && !copy)
        return false;
    items[all->n++] = (struct interest){wd, copy};
    return true;
}

/* A folder that is not there, or not ours to see, is no error: the way to it is watched. False when
 * it is none. */
static bool look_at(struct watch *w, const char *folder, const char *name, uint32_t mask)
{
    int wd = inotify_add_watch(w->fd, folder, mask);

    if (wd < 0 && errno == ENOSPC)
        w->full = true;
    if (wd >= 0 && !add_interest(&w->interests, wd, name))
        w->full = true;
    return wd >= 0 && !w->full;
}

/* ---- the way to a path, and what is below it ---- */

static void add_path(struct watch *w, const char *path, int deep, int links);

static bool is_hidden(const char *name)
{
    size_t n = strlen(name);

    return name[0] == '.' || (n > 0 && name[n - 1] == '~');
}

static void add_tree(struct watch *w, const char *folder, int deep, int links)
{
    char path[PATH_MAX];
    struct stat st;

    if (deep > FOLDERS_DEEP || !look_at(w, folder, NULL, AT_THE_END))
        return;
    DIR *d = opendir(folder);
    for (struct dirent *e; d && !w->full && (e = readdir(d));) {
        if (is_hidden(e->d_name) || e->d_type == DT_REG ||
            snprintf(path, sizeof path, "%s/%s", folder, e->d_name) >= (int)sizeof path ||
            lstat(path, &st) < 0)
            continue;
        if (S_ISDIR(st.st_mode))
            add_tree(w, path, deep + 1, links);
        else if (S_ISLNK(st.st_mode))
            add_path(w, path, deep + 1, links);
    }
    if (d)
        closedir(d);
}

/* Where the link 'path' leads, with the rest of the way behind it. */
static void add_link(struct watch *w, const char *path, const char *rest, int deep, int links)
{
    char target[PATH_MAX], next[2 * PATH_MAX + 2];
    ssize_t n = readlink(path, target, sizeof target - 1);
    const char *slash = strrchr(path, '/');

    if (n <= 0 || links >= LINKS_DEEP)
        return;
    target[n] = 0;
    int head = target[0] == '/' ? 0 : (int)(slash - path);
    snprintf(next, sizeof next, "%.*s%s%s%s", head, path, head ? "/" : "", target, rest);
    if (strlen(next) < PATH_MAX)
        add_path(w, next, deep, links + 1);
}

/* One step of the way: the name from 'slash' on, which ends at 'end'. False: the way ends here. */
static bool add_step(struct watch *w, char *path, char *slash, char *end, int deep, int links)
{
    char folder[PATH_MAX], after = *end;
    struct stat st;

    *end = 0;
    snprintf(folder, sizeof folder, "%.*s", slash == path ? 1 : (int)(slash - path), path);
    bool last = after == 0, there = lstat(path, &st) == 0;
    if (strcmp(slash + 1, ".") != 0 && strcmp(slash + 1, "..") != 0)
        look_at(w, folder, slash + 1, last ? AT_THE_END : ON_THE_WAY);
    *end = after;
    if (!there)
        return false;
    if (S_ISLNK(st.st_mode)) {
        char link[PATH_MAX];
        snprintf(link, sizeof link, "%.*s", (int)(end - path), path);
        add_link(w, link, end, deep, links);
        return false;
    }
    if (last && S_ISDIR(st.st_mode))
        add_tree(w, path, deep, links);
    return !last && S_ISDIR(st.st_mode);
}

static void add_path(struct watch *w, const char *text, int deep, int links)
{
    char path[PATH_MAX];
    bool on = deep <= FOLDERS_DEEP;

    snprintf(path, sizeof path, "%s", text);
    for (char *slash = path; on && slash;) {
        while (slash[1] == '/')
            slash++;
        char *end = slash + 1 + strcspn(slash + 1, "/");
        if (end == slash + 1)
            return;
        on = !w->full && add_step(w, path, slash, end, deep, links);
        slash = *end ? end : NULL;
    }
}

static void look_up(struct watch *w)
{
    struct interests old = w->interests;

    w->interests = (struct interests){0};
    w->full = false;
    for (size_t i = 0; i < w->path_count; i++)
        add_path(w, w->paths[i], 0, 0);
    for (size_t i = 0; i < old.n; i++) {
        bool kept = false;
        for (size_t j = 0; j < w->interests.n && !kept; j++)
            kept = w->interests.items[j].wd == old.items[i].wd;
        if (!kept)
            inotify_rm_watch(w->fd, old.items[i].wd); /* fails where the folder is gone: fine */
    }
    forget(&old);
}

/* ---- events ---- */

static bool matters(const struct watch *w, const struct inotify_event *e)
{
    const char *name = e->len ? e->name : "";

    if (e->mask & IN_Q_OVERFLOW)
        return true;
    if (e->mask & IN_IGNORED)
        return false;
    for (size_t i = 0; i < w->interests.n; i++) {
        const struct interest *in = &w->interests.items[i];
        if (in->wd != e->wd)
            continue;
        if (in->name ? strcmp(in->name, name) == 0 || !*name : !*name || !is_hidden(name))
            return true;
    }
    return false;
}

/* Reads all there is; true when something of it matters. */
static bool drain(struct watch *w)
{
    _Alignas(struct inotify_event) char events[65536];
    bool found = false;
    ssize_t n;

    while ((n = read(w->fd, events, sizeof events)) > 0)
        for (char *p = events; p < events + n;) {
            const struct inotify_event *e = (const struct inotify_event *)(void *)p;
            found = matters(w, e) || found;
            p += sizeof *e + e->len;
        }
    return found;
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    struct watch *w = arg;

    (void)fd;
    (void)what;
    if (!drain(w))
        return;
    int64_t now = now_us();
    if (!w->pending)
        w->first_us = now;
    w->pending = true;
    int64_t left = w->first_us + WATCH_LONGEST_MS * INT64_C(1000) - now;
    int64_t wait = WATCH_SETTLE_MS * INT64_C(1000);
    wait = left < wait ? left : wait;
    wait = wait < 0 ? 0 : wait;
    const struct timeval in = {.tv_sec = 0, .tv_usec = (suseconds_t)wait};
    event_add(w->settled, &in);
}

static void on_settled(evutil_socket_t fd, short what, void *arg)
{
    struct watch *w = arg;

    (void)fd;
    (void)what;
    w->pending = false;
    drain(w);
    look_up(w);
    w->changed(w->arg);
}

/* ---- life ---- */

static int take_path(struct watch *w, const char *path, struct err *err)
{
    char here[PATH_MAX] = "", full[2 * PATH_MAX + 2];

    if (path[0] != '/' && !getcwd(here, sizeof here))
        return err_set(err, ERR_UNAVAILABLE, "the working directory is gone: %s", strerror(errno));
    if (strlen(here) + strlen(path) >= PATH_MAX - 1)
        return err_set(err, ERR_BAD_REQUEST, "the path is too long: %.80s...", path);
    snprintf(full, sizeof full, "%s%s%s", here, here[0] ? "/" : "", path);
    if (!(w->paths[w->path_count] = strdup(full)))
        return err_set(err, ERR_OVERLOADED, "out of memory");
    w->path_count++;
    return 0;
}

static int open_watch(struct watch *w, struct event_base *base, struct err *err)
{
    w->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (w->fd < 0)
        return err_set(err, ERR_OVERLOADED, "cannot watch files: %s", strerror(errno));
    look_up(w);
    if (w->full)
        return err_set(err, ERR_OVERLOADED,
                       "cannot watch so many folders (%zu; see fs.inotify.max_user_watches)",
                       w->interests.n);
    w->readable = event_new(base, w->fd, EV_READ | EV_PERSIST, on_readable, w);
    w->settled = event_new(base, -1, 0, on_settled, w);
    if (!w->readable || !w->settled || event_add(w->readable, NULL) < 0)
        return err_set(err, ERR_OVERLOADED, "cannot watch files: out of memory");
    return 0;
}

struct watch *watch_new(struct event_base *base, const char *const *paths, size_t n,
                        void (*changed)(void *arg), void *arg, struct err *err)
{
    struct watch *w = calloc(1, sizeof *w);

    if (!w || !(w->paths = calloc(n + 1, sizeof *w->paths))) {
        free(w);
        err_set(err, ERR_OVERLOADED, "out of memory");
        return NULL;
    }
    w->fd = -1;
    w->changed = changed;
    w->arg = arg;
    for (size_t i = 0; i < n; i++)
        if (take_path(w, paths[i], err) < 0)
            goto fail;
    if (open_watch(w, base, err) == 0)
        return w;
fail:
    watch_free(w);
    return NULL;
}

void watch_free(struct watch *w)
{
    if (!w)
        return;
    if (w->readable)
        event_free(w->readable);
    if (w->settled)
        event_free(w->settled);
    if (w->fd >= 0)
        close(w->fd);
    for (size_t i = 0; i < w->path_count; i++)
        free(w->paths[i]);
    free(w->paths);
    forget(&w->interests);
    free(w);
}
