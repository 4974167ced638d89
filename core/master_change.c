/* master_change - from files to what is served: read, try, hand out, publish; or say why not.
 * SPDX-License-Identifier: MIT */
#include "json.h"
#include "master_private.h"
#include "memfd.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- editions ---- */

static struct edition *edition_new(struct master *m)
{
    struct edition *e = calloc(1, sizeof *e);

    if (!e)
        return NULL;
    e->serial = ++m->serials;
    e->sources_fd = e->config_fd = -1;
    e->node.next = m->editions.next; /* newest first */
    e->node.prev = &m->editions;
    m->editions.next->prev = &e->node;
    m->editions.next = &e->node;
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

static void edition_free(struct edition *e)
{
    list_remove(&e->node);
    if (e->sources_fd >= 0)
        close(e->sources_fd);
    if (e->config_fd >= 0)
        close(e->config_fd);
    free(e);
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
static void tidy(struct master *m)
{
    int kept = 0;

    for (struct list *n = m->editions.next; n != &m->editions;) {
        struct edition *e = LIST_ENTRY(n, struct edition, node);
        bool known = false;
        n = n->next;
        for (struct list *o = m->editions.next; o != &e->node; o = o->next)
            known |= strcmp(LIST_ENTRY(o, struct edition, node)->hash, e->hash) == 0;
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
    tidy(m);
}

void edition_retire(struct master *m, struct edition *e, const char *note)
{
    if (!e)
        return;
    e->state = EDITION_DRAINING;
    snprintf(e->note, sizeof e->note, "%s", note);
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

static int read_disk(struct master *m, struct edition *e, struct err *err)
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

static bool same_bytes(int a, int b)
{
    struct span x = {NULL, 0}, y = {NULL, 0};
    struct err err;

    if (a < 0 || b < 0)
        return a == b;
    bool same = memfd_map(a, CONFIG_MAX, &x, &err) == 0 &&
                memfd_map(b, CONFIG_MAX, &y, &err) == 0 && x.n == y.n && memcmp(x.p, y.p, x.n) == 0;
    if (x.p)
        memfd_unmap(x);
    if (y.p)
        memfd_unmap(y);
    return same;
}

static bool same_edition(const struct edition *a, const struct edition *b)
{
    return b && strcmp(a->hash, b->hash) == 0 && same_bytes(a->config_fd, b->config_fd);
}

/* An earlier generation, by the beginning of its hash, with today's configuration. */
static int read_kept(struct master *m, struct edition *e, const char *prefix, struct err *err)
{
    struct archived kept;

    if (m->serving) {
        e->config_fd = m->serving->config_fd < 0 ? -1 : dup(m->serving->config_fd);
        memcpy(e->config_name, m->serving->config_name, sizeof e->config_name);
    } else if (keep_config(m, e, err) < 0) {
        return -1;
    }
    for (struct list *n = m->editions.next; n != &m->editions; n = n->next) {
        struct edition *old = LIST_ENTRY(n, struct edition, node);
        if (old == e || old->sources_fd < 0 || strncmp(old->hash, prefix, strlen(prefix)) != 0)
            continue;
        memcpy(e->hash, old->hash, sizeof e->hash);
        e->sources_fd = dup(old->sources_fd);
        return 0;
    }
    if (!m->archive)
        return err_set(err, ERR_NOT_FOUND, "no generation is kept whose hash begins with '%s'",
                       prefix);
    if (archive_get(m->archive, prefix, &kept, err) < 0)
        return -1;
    memcpy(e->hash, kept.sources.hash, sizeof e->hash);
    e->sources_fd = sources_to_memfd(&kept.sources, err);
    archived_deinit(&kept);
    return e->sources_fd < 0 ? -1 : 0;
}

/* ---- the configuration ---- */

static int load_config(const struct edition *e, struct config *c, struct err *err)
{
    struct span text = {NULL, 0};
    struct sources s;

    if (sources_from_memfd(&s, e->sources_fd, err) < 0)
        return -1;
    int result = e->config_fd < 0 ? 0 : memfd_map(e->config_fd, CONFIG_MAX, &text, err);
    if (result == 0)
        result = config_load_text(c, &s, e->config_name, text, NULL, err);
    if (text.p)
        memfd_unmap(text);
    sources_deinit(&s);
    return result;
}

static bool same_text(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

static int refuse_fixed(const struct edition *e, const char *field, struct err *err)
{
    return err_set(err, ERR_BAD_REQUEST,
                   "%s: %s cannot change while the engine runs; restart it for that",
                   e->config_name, field);
}

/* What was decided when the sockets and the shared memory were made. */
static int check_fixed(const struct master *m, const struct edition *e, const struct config *c,
                       struct err *err)
{
    const struct config *old = &m->config;

    if (!m->o.listen && !same_text(c->listen, old->listen))
        return refuse_fixed(e, "listen", err);
    if (!m->o.admin && !same_text(c->admin_listen, old->admin_listen))
        return refuse_fixed(e, "admin.listen", err);
    if (!m->o.workers && c->workers != old->workers)
        return refuse_fixed(e, "workers", err);
    if (!m->o.state && !same_text(c->state, old->state))
        return refuse_fixed(e, "state", err);
    if (c->kv_bytes != old->kv_bytes)
        return refuse_fixed(e, "kv.bytes", err);
    if (!c->certificate != !old->certificate)
        return refuse_fixed(e, "tls (on or off)", err);
    return 0;
}

/* ---- the end of a change ---- */

static void log_outcome(struct master *m, const struct change *c, bool unchanged,
                        const struct err *err)
{
    const char *result[] = {err ? "failed" : unchanged ? "unchanged" : "ok"};
    struct log_field fields[4];
    size_t n = 0;

    if (m->shared.shm.base) /* the first change may fail before there is any */
        metrics_add(m->shared.metrics, METRIC_RELOADS, result, 1);
    fields[n++] = log_text("why", c->why);
    if (c->edition)
        fields[n++] = log_text("generation", c->edition->hash);
    if (err)
        fields[n++] = log_text("error", err->message);
    log_write(&m->log, err ? LOG_ERROR : LOG_INFO,
              err         ? "what was loaded is not used; what served goes on"
              : unchanged ? "nothing has changed"
                          : "a generation was loaded",
              fields, n);
    log_flush(&m->log);
}

static void begin(struct master *m);

/* The one end of every change. What it holds of an edition that came to nothing goes with it. */
static void finish(struct master *m, struct change *c, bool unchanged, const struct err *err)
{
    struct edition *e = c->edition;

    log_outcome(m, c, unchanged, err);
    if (err) {
        m->last_error = *err;
        m->last_error_us = master_wall();
    }
    if (c->trial)
        crew_end(c->trial);
    if (c->timeout)
        event_free(c->timeout);
    if (c->distributing && err && e)
        crew_forget(m, e->serial);
    if (c->done)
        c->done(c, unchanged ? m->serving : e, unchanged, err);
    if (c->configured)
        config_deinit(&c->config);
    if (e && e->state == EDITION_NEW)
        edition_free(e);
    tidy(m);
    list_remove(&c->node);
    m->waiting--;
    free(c);
    begin(m);
}

void change_failed(struct master *m, struct change *c, const struct err *err)
{
    struct err copy = *err; /* it may be part of what ends here */

    finish(m, c, false, &copy);
}

/* ---- publishing ---- */

static void use_config(struct master *m, struct change *c)
{
    if (!c->configured)
        return;
    config_deinit(&m->config);
    m->config = c->config;
    c->configured = false;
    m->log.level = (enum log_level)m->config.log_level;
}

static void keep(struct master *m, const struct edition *e)
{
    struct sources s;
    struct err err;

    if (!m->archive)
        return;
    int result = sources_from_memfd(&s, e->sources_fd, &err);
    if (result == 0) {
        result = archive_put(m->archive, &s, e->loaded_us, &err);
        sources_deinit(&s);
    }
    if (result < 0)
        log_write(&m->log, LOG_WARN, "a generation cannot be kept on disk",
                  (struct log_field[]){log_text("error", err.message)}, 1);
}

/* What a restart begins with: the files, unless an operator went back and they are still the same. */
static void note_current(struct master *m, const struct change *c)
{
    struct archive_current now = {.pinned = c->kind == CHANGE_USE && !c->fallback};
    struct err err;

    if (!m->archive)
        return;
    memcpy(now.hash, m->serving->hash, sizeof now.hash);
    memcpy(now.disk_hash, m->disk_hash, sizeof now.disk_hash);
    if (archive_note_current(m->archive, &now, &err) < 0)
        log_write(&m->log, LOG_WARN, "what is served cannot be noted on disk",
                  (struct log_field[]){log_text("error", err.message)}, 1);
}

static void publish_base(struct master *m, struct change *c, struct edition *e)
{
    struct edition *old = m->serving, *canary = m->canary;

    e->state = EDITION_SERVING;
    e->note[0] = 0;
    m->serving = e;
    m->canary = NULL;
    m->share = 0;
    use_config(m, c);
    health_configure(m->shared.health, &m->config.breaker);
    crew_route(m);
    if (canary != e)
        edition_retire(m, canary, "ended as canary: another generation took the base's place");
    if (old != e)
        edition_retire(m, old, "");
    note_current(m, c);
}

static void publish_canary(struct master *m, const struct change *c, struct edition *e)
{
    struct edition *old = m->canary;

    e->state = EDITION_CANARY;
    m->canary = e;
    m->share = c->share;
    share_begin(m, c->promote_after);
    crew_route(m);
    if (old != e)
        edition_retire(m, old, "ended as canary: another one took its place");
}

static void publish(struct master *m, struct change *c)
{
    struct edition *e = c->edition;

    e->loaded_us = master_wall();
    keep(m, e);
    if (c->goal == EDITION_CANARY)
        publish_canary(m, c, e);
    else
        publish_base(m, c, e);
    finish(m, c, false, NULL);
}

/* ---- on the way ---- */

static struct change *current(struct master *m)
{
    struct list *first = list_first(&m->changes);

    return first ? LIST_ENTRY(first, struct change, node) : NULL;
}

static void distribute(struct master *m, struct change *c)
{
    c->distributing = c->opened = true;
    for (struct list *n = m->hands.next; n != &m->hands; n = n->next) {
        struct hand *h = LIST_ENTRY(n, struct hand, node);
        if (h->socket >= 0 && h->state != HAND_DRAINING)
            crew_load(h, c->edition);
    }
}

static void on_timeout(evutil_socket_t fd, short what, void *arg)
{
    struct change *c = arg;
    struct err err;

    (void)fd;
    (void)what;
    err_set(&err, ERR_TIMEOUT, "%s took longer than %d s",
            c->distributing ? "loading it in the workers" : "trying it", TRY_MS / 1000);
    change_failed(c->m, c, &err);
}

static int arm(struct change *c, struct err *err)
{
    struct timeval limit = {.tv_sec = TRY_MS / 1000};

    c->timeout = evtimer_new(c->m->base, on_timeout, c);
    if (!c->timeout || evtimer_add(c->timeout, &limit) < 0)
        return err_set(err, ERR_OVERLOADED, "out of memory for a timer");
    return 0;
}

void change_go_on(struct master *m)
{
    struct change *c = current(m);

    if (c && c->distributing && crew_ready(m, c->edition->serial))
        publish(m, c);
}

void change_loaded(struct hand *h, int64_t serial, struct span policies)
{
    struct master *m = h->m;
    struct change *c = current(m);

    if (!c || !c->edition || c->edition->serial != serial)
        return;
    if (policies.p && policies.n < sizeof c->edition->policies)
        snprintf(c->edition->policies, sizeof c->edition->policies, "%.*s", (int)policies.n,
                 policies.p);
    if (h != c->trial) {
        change_go_on(m);
        return;
    }
    crew_end(h);
    c->trial = NULL;
    if (c->kind == CHANGE_UPGRADE) {
        upgrade(m, c);
    } else if (c->goal == EDITION_STAGED) {
        c->edition->state = EDITION_STAGED;
        c->edition->loaded_us = master_wall();
        keep(m, c->edition);
        finish(m, c, false, NULL);
    } else {
        distribute(m, c);
    }
}

void change_refused(struct hand *h, int64_t serial, const struct err *err)
{
    struct master *m = h->m;
    struct change *c = current(m);

    if (c && c->edition && c->edition->serial == serial) {
        change_failed(m, c, err);
        return;
    }
    log_write(&m->log, LOG_ERROR, "a worker cannot load what is served, and is replaced",
              (struct log_field[]){log_int("worker", h->pid), log_text("error", err->message)}, 2);
    kill(h->pid, SIGKILL);
}

void change_hand_lost(const struct hand *h)
{
    struct master *m = h->m;
    struct change *c = current(m);
    struct err err;

    if (c && c->trial == h) {
        c->trial = NULL;
        err_set(&err, ERR_INTERNAL, "the process that tried it died; its log says more");
        change_failed(m, c, &err);
        return;
    }
    change_go_on(m); /* one less to wait for */
}

/* ---- the beginning ---- */

/* The user's files cannot be read at the start. The configuration is checked with what is shipped; then it is seen
 * whether an earlier generation is kept. */
static int read_shipped(struct master *m, struct change *c, struct err *err)
{
    struct edition *e = c->edition;
    struct sources s;

    c->broken = *err;
    if (e->sources_fd >= 0 || !m->o.policies || sources_read(&s, m->home, NULL, err) < 0)
        return -1;
    e->sources_fd = sources_to_memfd(&s, err);
    sources_deinit(&s);
    return e->sources_fd < 0 ? -1 : keep_config(m, e, err);
}

static int read_edition(struct master *m, struct change *c, struct err *err)
{
    struct edition *e = c->edition = edition_new(m);

    if (!e)
        return err_set(err, ERR_OVERLOADED, "out of memory");
    if (c->kind == CHANGE_USE)
        return read_kept(m, e, c->hash, err);
    if (read_disk(m, e, err) < 0 && (m->serving || read_shipped(m, c, err) < 0))
        return -1;
    memcpy(m->disk_hash, e->hash, sizeof m->disk_hash);
    return 0;
}

static int configure(struct master *m, struct change *c, struct err *err)
{
    if (load_config(c->edition, &c->config, err) < 0)
        return -1;
    c->configured = true;
    return m->configured ? check_fixed(m, c->edition, &c->config, err) : 0;
}

static int try_it(struct master *m, struct change *c, struct err *err)
{
    const char *exe = c->kind == CHANGE_UPGRADE ? m->exe : "/proc/self/exe";

    if (!(c->trial = crew_start_trial(m, exe, err)))
        return -1;
    crew_load(c->trial, c->edition);
    return arm(c, err);
}

/* What is there already needs no loading: an end to the canary, or its promotion. */
static bool at_once(struct master *m, struct change *c)
{
    struct edition *e = c->edition;

    if (c->kind == CHANGE_UPGRADE || !m->serving)
        return false;
    bool as_canary = m->canary && same_edition(e, m->canary);
    if (as_canary && c->goal == EDITION_SERVING && !c->unasked) {
        edition_free(e);
        c->edition = m->canary;
        publish(m, c);
        return true;
    }
    if (!as_canary && !same_edition(e, m->serving))
        return false;
    if (!as_canary && m->canary && c->goal == EDITION_SERVING && !c->unasked)
        share_stop(m, "ended by the operator");
    finish(m, c, true, NULL);
    return true;
}

/* At the start: the files, or what an operator chose instead of them. */
static int prefer_pinned(struct master *m, struct edition *e, struct err *err)
{
    struct archived kept;
    char hash[65];

    if (!state_pinned(m, e->hash, hash) || archive_get(m->archive, hash, &kept, err) < 0)
        return 0;
    close(e->sources_fd);
    memcpy(e->hash, hash, sizeof e->hash);
    e->sources_fd = sources_to_memfd(&kept.sources, err);
    archived_deinit(&kept);
    return e->sources_fd < 0 ? -1 : 0;
}

/* The start: nobody is hurt by trying it in the workers at once. */
static void begin_first(struct master *m, struct change *c)
{
    struct err err;

    use_config(m, c);
    m->configured = true;
    if (arm(c, &err) < 0 || master_open(m, &err) < 0 || prefer_pinned(m, c->edition, &err) < 0) {
        change_failed(m, c, &err);
        return;
    }
    if (!c->broken.code) {
        distribute(m, c);
        return;
    }
    c->opened = true;
    err = c->broken;
    change_failed(m, c, &err);
}

static void begin_one(struct master *m, struct change *c)
{
    struct err err;

    if (read_edition(m, c, &err) < 0 || configure(m, c, &err) < 0) {
        change_failed(m, c, &err);
        return;
    }
    if (at_once(m, c))
        return;
    if (!m->serving && c->kind != CHANGE_UPGRADE)
        begin_first(m, c);
    else if (try_it(m, c, &err) < 0)
        change_failed(m, c, &err);
}

/* Not from inside of what the last one did. */
static void on_begin(evutil_socket_t fd, short what, void *arg)
{
    struct master *m = arg;
    struct change *c = current(m);

    (void)fd;
    (void)what;
    if (c && !c->edition && !m->stopping)
        begin_one(m, c);
}

static void begin(struct master *m)
{
    struct timeval now = {0, 0};

    if (!list_empty(&m->changes))
        event_base_once(m->base, -1, EV_TIMEOUT, on_begin, m, &now);
}

struct change *change_add(struct master *m, enum change_kind kind, enum edition_state goal,
                          const char *why)
{
    struct change *c = m->waiting < CHANGES_MAX ? calloc(1, sizeof *c) : NULL;

    if (!c)
        return NULL;
    c->m = m;
    c->kind = kind;
    c->goal = goal;
    c->why = why;
    list_append(&m->changes, &c->node);
    m->waiting++;
    begin(m);
    return c;
}

void change_drop_all(struct master *m)
{
    struct change *c;

    while ((c = current(m))) {
        struct err err;
        err_set(&err, ERR_OVERLOADED, "the engine is stopping");
        list_remove(&c->node);
        if (c->done)
            c->done(c, NULL, false, &err);
        if (c->timeout)
            event_free(c->timeout);
        if (c->configured)
            config_deinit(&c->config);
        free(c);
    }
    while (!list_empty(&m->editions))
        edition_free(LIST_ENTRY(m->editions.next, struct edition, node));
}
