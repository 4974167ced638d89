/* master_edition - generations with their configuration: read, kept, tidied away.
 * SPDX-License-Identifier: MIT */
#include "digest.h"
#include "master_private.h"
#include "memfd.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- editions ---- */

void edition_to_front(struct master *m, struct edition *e)
{
    list_remove(&e->node);
    e->node.next = m->editions.next;
    e->node.prev = &m->editions;
    m->editions.next->prev = &e->node;
    m->editions.next = &e->node;
}

struct edition *edition_new(struct master *m)
{
    struct edition *e = calloc(1, sizeof *e);

    if (!e)
        return NULL;
    e->serial = ++m->serials;
    e->sources_fd = e->config_fd = -1;
    list_init(&e->node);
    edition_to_front(m, e);
    snprintf(e->policies, sizeof e->policies, "[]");
    return e;
}

void edition_add_kept(struct master *m, const char *hash, int64_t at_us)
{
    struct edition *e = edition_new(m);

    if (!e)
        return;
    snprintf(e->hash, sizeof e->hash, "%s", hash);
    e->loaded_us = at_us;
    e->state = EDITION_KEPT;
}

void edition_free(struct edition *e)
{
    list_remove(&e->node);
    if (e->sources_fd >= 0)
        close(e->sources_fd);
    if (e->config_fd >= 0)
        close(e->config_fd);
    free(e);
}

void edition_free_all(struct master *m)
{
    while (!list_empty(&m->editions))
        edition_free(LIST_ENTRY(m->editions.next, struct edition, node));
}

struct edition *edition_of(struct master *m, int64_t serial)
{
    for (struct list *n = m->editions.next; n != &m->editions; n = n->next)
        if (LIST_ENTRY(n, struct edition, node)->serial == serial)
            return LIST_ENTRY(n, struct edition, node);
    return NULL;
}

static bool idle(const struct edition *e)
{
    return e->state == EDITION_KEPT || e->state == EDITION_STAGED;
}

/* One record for each hash that is not in use, and not too many of them: the oldest go. */
void edition_tidy(struct master *m)
{
    int kept = 0;

    for (struct list *n = m->editions.next; n != &m->editions;) {
        struct edition *e = LIST_ENTRY(n, struct edition, node);
        bool known = false;
        n = n->next;
        for (struct list *o = m->editions.next; o != &e->node; o = o->next) {
            const struct edition *newer = LIST_ENTRY(o, struct edition, node);
            known |= newer->state != EDITION_NEW && strcmp(newer->hash, e->hash) == 0;
        }
        if (idle(e) && (known || ++kept > EDITIONS_KEPT))
            edition_free(e);
    }
}

void edition_freed(struct master *m, int64_t serial)
{
    struct edition *e = edition_of(m, serial);

    if (!e || e->state != EDITION_DRAINING)
        return;
    for (struct list *n = m->hands.next; n != &m->hands; n = n->next)
        if (crew_has(LIST_ENTRY(n, struct hand, node), serial))
            return;
    e->state = EDITION_KEPT;
    edition_tidy(m);
}

void edition_retire(struct master *m, struct edition *e, const char *note)
{
    if (!e)
        return;
    e->state = EDITION_DRAINING;
    snprintf(e->note, sizeof e->note, "%s", note);
    crew_forget(m, e->serial);   /* a worker that is just loading it, too */
    edition_freed(m, e->serial); /* perhaps nobody has it */
}

/* ---- reading ---- */

static int keep_config(struct master *m, struct edition *e, struct err *err)
{
    const char *path = config_path(m->o.config);
    struct buf text;
    int result = 0;

    if (!path)
        return 0;
    snprintf(e->config_name, sizeof e->config_name, "%s", path);
    buf_init(&text, CONFIG_MAX);
    if ((result = config_read(path, &text, err)) == 0) {
        e->config_fd = memfd_make("baton.lua", buf_span(&text), err);
        result = e->config_fd < 0 ? -1 : 0;
    }
    buf_deinit(&text);
    return result;
}

/* What the binary before this one read and tried with this one. */
static int read_inherited(struct master *m, struct edition *e, struct err *err)
{
    const char *path = config_path(m->o.config);
    struct sources s;

    e->sources_fd = m->inherited_sources;
    e->config_fd = m->inherited_config;
    m->inherited_sources = m->inherited_config = -1;
    if (e->config_fd >= 0)
        snprintf(e->config_name, sizeof e->config_name, "%s", path ? path : "baton.lua");
    if (sources_from_memfd(&s, e->sources_fd, err) < 0)
        return -1;
    memcpy(e->hash, s.hash, sizeof e->hash);
    sources_deinit(&s);
    return 0;
}

int edition_read_disk(struct master *m, struct edition *e, struct err *err)
{
    struct sources s;

    if (m->inherited_sources >= 0)
        return read_inherited(m, e, err);
    if (sources_read(&s, m->home, m->o.policies, err) < 0)
        return -1;
    snprintf(e->hash, sizeof e->hash, "%s", s.hash);
    e->sources_fd = sources_to_memfd(&s, err);
    sources_deinit(&s);
    return e->sources_fd < 0 ? -1 : keep_config(m, e, err);
}

int edition_read_shipped(struct master *m, struct edition *e, struct err *err)
{
    struct sources s;

    if (sources_read(&s, m->home, NULL, err) < 0)
        return -1;
    e->sources_fd = sources_to_memfd(&s, err);
    sources_deinit(&s);
    return e->sources_fd < 0 ? -1 : keep_config(m, e, err);
}

struct edition *edition_find(struct master *m, const char *prefix, struct err *err)
{
    struct edition *found = NULL;

    for (struct list *n = m->editions.next; n != &m->editions; n = n->next) {
        struct edition *e = LIST_ENTRY(n, struct edition, node);
        if (e->state == EDITION_NEW || strncmp(e->hash, prefix, strlen(prefix)) != 0)
            continue;
        if (found && strcmp(found->hash, e->hash) != 0) {
            err_set(err, ERR_BAD_REQUEST, "'%s' could be several: %s and %s; give more digits",
                    prefix, e->hash, found->hash);
            return NULL;
        }
        found = found ? found : e;
    }
    if (!found)
        err_set(err, ERR_NOT_FOUND, "no generation is kept whose hash begins with '%s'", prefix);
    return found;
}

/* Not for workers that are started meanwhile. */
static int copy_fd(int fd)
{
    return fcntl(fd, F_DUPFD_CLOEXEC, 3);
}

void edition_take_sources(struct edition *e, const struct edition *from)
{
    if (e->sources_fd >= 0)
        close(e->sources_fd);
    e->sources_fd = copy_fd(from->sources_fd);
    memcpy(e->hash, from->hash, sizeof e->hash);
}

int edition_take_archived(struct master *m, struct edition *e, const char *hash, struct err *err)
{
    struct archived kept;

    if (!m->archive)
        return err_set(err, ERR_NOT_FOUND, "no generation is kept whose hash begins with '%s'",
                       hash);
    if (archive_get(m->archive, hash, &kept, err) < 0)
        return -1;
    if (e->sources_fd >= 0)
        close(e->sources_fd);
    memcpy(e->hash, kept.sources.hash, sizeof e->hash);
    e->sources_fd = sources_to_memfd(&kept.sources, err);
    archived_deinit(&kept);
    return e->sources_fd < 0 ? -1 : 0;
}

static void take_config(struct edition *e, const struct edition *from)
{
    e->config_fd = from->config_fd < 0 ? -1 : copy_fd(from->config_fd);
    memcpy(e->config_name, from->config_name, sizeof e->config_name);
}

int edition_read_kept(struct master *m, struct edition *e, const char *prefix, struct err *err)
{
    const struct edition *old = edition_find(m, prefix, err);

    if (!old && err->code != ERR_NOT_FOUND)
        return -1;
    if (old && old->state == EDITION_STAGED)
        take_config(e, old);
    else if (m->serving)
        take_config(e, m->serving);
    else if (keep_config(m, e, err) < 0)
        return -1;
    if (!old || old->sources_fd < 0)
        return edition_take_archived(m, e, old ? old->hash : prefix, err);
    edition_take_sources(e, old);
    return 0;
}

bool edition_same(const struct edition *a, const struct edition *b)
{
    return b && strcmp(a->hash, b->hash) == 0 && strcmp(a->stamp, b->stamp) == 0;
}

/* ---- the configuration ---- */

static bool same_text(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

/* What was decided when the sockets and the shared memory were made: the first such field that is another now. */
static const char *fixed_field(const struct master *m, const struct config *c)
{
    const struct config *old = &m->config;

    if (!m->o.listen && !same_text(c->listen, old->listen))
        return "listen";
    if (!m->o.admin && !same_text(c->admin_listen, old->admin_listen))
        return "admin.listen";
    if (!m->o.workers && c->workers != old->workers)
        return "workers";
    if (!m->o.state && !same_text(c->state, old->state))
        return "state";
    if (c->kv_bytes != old->kv_bytes)
        return "kv.bytes";
    return !c->certificate != !old->certificate ? "tls" : NULL;
}

static void add_file(struct digest *d, const char *path)
{
    char piece[4096];
    size_t n;
    FILE *f = path ? fopen(path, "re") : NULL;

    digest_add(d, path ? SPAN("file") : SPAN("none"));
    while (f && (n = fread(piece, 1, sizeof piece, f)) > 0)
        digest_add(d, (struct span){piece, n});
    if (f)
        fclose(f);
}

/* A renewed certificate or catalogue is another configuration, though no letter of the file has changed. */
static void write_stamp(struct edition *e, struct span text, const struct config *c)
{
    struct digest d;

    digest_init(&d);
    digest_add(&d, text.p ? SPAN("text") : SPAN("none"));
    digest_add(&d, text);
    add_file(&d, c->certificate);
    add_file(&d, c->key);
    add_file(&d, c->catalogue.path);
    digest_end(&d, e->stamp);
}

int edition_configure(struct master *m, struct edition *e, struct config *c, struct err *err)
{
    struct span text = {NULL, 0};
    const char *field;
    struct sources s;

    if (sources_from_memfd(&s, e->sources_fd, err) < 0)
        return -1;
    /* One that has a name and no descriptor (there was none left) must not pass for none. */
    int result = e->config_name[0] ? memfd_map(e->config_fd, CONFIG_MAX, &text, err) : 0;
    if (result == 0)
        result = config_load_text(c, &s, e->config_name, text, NULL, err);
    sources_deinit(&s);
    if (result == 0) {
        write_stamp(e, text, c);
        if (m->configured && (field = fixed_field(m, c))) {
            result = err_set(err, ERR_BAD_REQUEST,
                             "configuration: %s: cannot change while the engine runs; restart it "
                             "for that",
                             field);
            config_blame_text(e->config_name, text, err);
            config_deinit(c);
        }
    }
    if (text.p)
        memfd_unmap(text);
    return result;
}
