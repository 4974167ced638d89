/* master_state - what survives a restart of the engine: generations, the scripts' persistent values, what
 * bandits have learned.
 * SPDX-License-Identifier: MIT */
#include "master_private.h"

#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SAVED_MAX = 1 << 30, BANDITS_SAVE_US = 5 * 1000 * 1000 };

static const char values_trouble[] =
    "persistent values of before cannot be used; the file is now called values.damaged";
static const char bandits_trouble[] =
    "what bandits have learned cannot be used; the file is now called bandits.damaged";

/* ---- where ---- */

/* One folder an engine: the address tells them apart. False: it has no fixed one. */
static bool default_folder(const struct master *m, char *out, size_t size)
{
    const char *asked = m->o.listen ? m->o.listen : m->config.listen, *home = getenv("HOME"),
               *base = getenv("XDG_STATE_HOME"), *colon = strrchr(asked, ':');
    char address[LISTEN_ADDRESS_MAX];

    if (colon && strcmp(colon, ":0") == 0)
        return false;
    snprintf(address, sizeof address, "%s", asked);
    for (char *p = address; *p; p++)
        if (*p == '/' || *p == ':' || *p == '[' || *p == ']')
            *p = '_';
    int n = base && *base   ? snprintf(out, size, "%s/baton/%s", base, address)
            : home && *home ? snprintf(out, size, "%s/.local/state/baton/%s", home, address)
                            : snprintf(out, size, "/var/lib/baton/%s", address);
    return n < (int)size;
}

/* ---- values ---- */

static void path_of(const struct master *m, const char *name, const char *suffix, char *out,
                    size_t size)
{
    snprintf(out, size, "%s/%s%s", m->state_dir, name, suffix);
}

static void warn(struct master *m, const char *what, const char *why)
{
    log_write(&m->log, LOG_WARN, what, (struct log_field[]){log_text("error", why)}, 1);
}

static int write_file(const char *path, struct span bytes)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);

    if (fd < 0)
        return -1;
    int result = file_write(fd, bytes) == 0 && fsync(fd) == 0 ? 0 : -1;
    return close(fd) < 0 ? -1 : result;
}

/* Puts the bytes in the place of the file; what is in the way, or NULL. */
static const char *replace(struct master *m, const char *name, struct span bytes)
{
    char path[PATH_ROOM], fresh[PATH_ROOM];

    path_of(m, name, "", path, sizeof path);
    path_of(m, name, ".new", fresh, sizeof fresh);
    return write_file(fresh, bytes) < 0 || rename(fresh, path) < 0 ? strerror(errno) : NULL;
}

/* It is tried again and again, and told once. */
static void note_trouble(struct master *m, const char *what, const char *trouble, bool *told)
{
    if (trouble && !*told)
        warn(m, what, trouble);
    *told = trouble != NULL;
}

static void save_values(struct master *m)
{
    uint64_t changes = kv_changes(m->shared.kv);
    struct buf out;

    if (changes == m->kv_saved)
        return;
    buf_init(&out, SAVED_MAX);
    const char *trouble =
        kv_save(m->shared.kv, &out) < 0 ? "out of memory" : replace(m, "values", buf_span(&out));
    if (!trouble)
        m->kv_saved = changes;
    note_trouble(m, "persistent values cannot be kept", trouble, &m->kv_trouble);
    buf_deinit(&out);
}

/* Each request may change them, so they are not written each time. */
static void save_bandits(struct master *m, bool at_once)
{
    uint64_t changes = bandit_changes(m->shared.bandits);
    int64_t now = master_now();
    struct buf out;

    if (changes == m->bandits_saved || (!at_once && now - m->bandits_saved_us < BANDITS_SAVE_US))
        return;
    m->bandits_saved_us = now;
    buf_init(&out, SAVED_MAX);
    const char *trouble = bandit_save(m->shared.bandits, &out) < 0
                              ? "out of memory"
                              : replace(m, "bandits", buf_span(&out));
    if (!trouble)
        m->bandits_saved = changes;
    note_trouble(m, "what bandits have learned cannot be kept", trouble, &m->bandits_trouble);
    buf_deinit(&out);
}

void state_save(struct master *m, bool at_once)
{
    if (!m->archive)
        return;
    save_values(m);
    save_bandits(m, at_once);
}

static void put_aside(struct master *m, const char *name, const char *what, const char *why)
{
    char path[PATH_ROOM], aside[PATH_ROOM];

    path_of(m, name, "", path, sizeof path);
    path_of(m, name, ".damaged", aside, sizeof aside);
    rename(path, aside);
    warn(m, what, why);
}

/* False: there is no such file, or it cannot be read, and that is told as 'what'. */
static bool read_saved(struct master *m, const char *name, const char *what, struct buf *saved)
{
    char path[PATH_ROOM];

    path_of(m, name, "", path, sizeof path);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT)
        return false;
    buf_init(saved, SAVED_MAX);
    int result = fd < 0 ? -1 : file_read(fd, saved), why = errno;
    if (fd >= 0)
        close(fd);
    if (result == 0)
        return true;
    buf_deinit(saved);
    put_aside(m, name, what, strerror(why));
    return false;
}

static void restore_values(struct master *m)
{
    struct buf saved;
    struct err err;
    size_t lost = 0;

    if (!read_saved(m, "values", values_trouble, &saved))
        return;
    if (kv_restore(m->shared.kv, buf_span(&saved), master_wall(), &lost, &err) < 0)
        put_aside(m, "values", values_trouble, err.message);
    else if (lost)
        warn(m, "not all persistent values of before find room", "kv.bytes is smaller than it was");
    buf_deinit(&saved);
    m->kv_saved = kv_changes(m->shared.kv);
}

static void restore_bandits(struct master *m)
{
    struct buf saved;
    struct err err;

    if (!read_saved(m, "bandits", bandits_trouble, &saved))
        return;
    if (bandit_restore(m->shared.bandits, buf_span(&saved), &err) < 0)
        put_aside(m, "bandits", bandits_trouble, err.message);
    buf_deinit(&saved);
    m->bandits_saved = bandit_changes(m->shared.bandits);
}

/* ---- generations ---- */

static void list_kept(struct master *m)
{
    struct archive_entry kept[ARCHIVE_KEPT];
    size_t n = archive_list(m->archive, kept);

    for (size_t i = n; i-- > 0;)
        if (kept[i].usable)
            edition_add_kept(m, kept[i].hash, kept[i].at_us);
}

int state_open(struct master *m, struct err *err)
{
    const char *given = m->o.state ? m->o.state : m->config.state;

    if (given && strcmp(given, "none") == 0)
        return 0;
    if (given)
        snprintf(m->state_dir, sizeof m->state_dir, "%s", given);
    else if (!default_folder(m, m->state_dir, sizeof m->state_dir))
        return 0;
    if (!(m->archive = archive_open(m->state_dir, err))) {
        if (given && !m->upgraded) /* what serves already goes on */
            return err_prefix(err, "the state folder");
        warn(m, "nothing is kept for a restart; --state DIR names a folder for that", err->message);
        return 0;
    }
    list_kept(m);
    if (m->values_due) {
        restore_values(m);
        restore_bandits(m);
    }
    return 0;
}

/* An operator went back to an earlier generation, and the files are still those he turned away from. */
bool state_pinned(struct master *m, const char *disk_hash, char hash[65])
{
    struct archive_current now;
    struct err err;

    if (!m->archive || archive_current(m->archive, &now, &err) < 0 || !now.pinned ||
        strcmp(now.disk_hash, disk_hash) != 0 || strcmp(now.hash, disk_hash) == 0)
        return false;
    memcpy(hash, now.hash, 65);
    log_write(
        &m->log, LOG_WARN,
        "an operator chose an earlier generation ('baton use'); it serves until the files change",
        (struct log_field[]){log_text("generation", hash)}, 1);
    return true;
}

/* The files are broken: the last good generation serves, and that is said loudly. */
struct change *state_fallback(struct master *m, const struct err *why)
{
    struct archive_current now;
    struct err err;

    if (!m->archive || m->o.strict || archive_current(m->archive, &now, &err) < 0)
        return NULL;
    struct change *c =
        change_add(m, CHANGE_USE, EDITION_SERVING, "start with the last good generation");
    if (!c)
        return NULL;
    c->fallback = true;
    memcpy(c->hash, now.hash, sizeof c->hash);
    log_write(
        &m->log, LOG_ERROR,
        "THE FILES ON DISK ARE BROKEN: the last good generation serves instead of them",
        (struct log_field[]){log_text("generation", now.hash), log_text("error", why->message)}, 2);
    return c;
}
