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
    else if (c->goal != EDITION_SERVING && !unchanged)
        fields[n++] = log_text("as", c->goal == EDITION_CANARY ? "canary" : "staged");
    log_write(&m->log, err ? LOG_ERROR : LOG_INFO,
              err && !m->serving ? "the start failed"
              : err              ? "what was loaded is not used; what served goes on"
              : unchanged        ? "nothing has changed"
                                 : "a generation was loaded",
              fields, n);
    log_flush(&m->log);
}

/* What operators are shown until the files are well again. A mistyped hash is no refused load. */
static void note_error(struct master *m, const struct change *c, const struct err *err)
{
    bool mistyped = c->kind == CHANGE_USE && c->edition && !c->edition->hash[0];

    if (!err && c->kind == CHANGE_DISK)
        m->last_error.code = ERR_NONE;
    if (!err || mistyped)
        return;
    m->last_error = *err;
    m->last_error_us = master_wall();
}

static void begin(struct master *m);

/* The one end of every change. What it holds of an edition that came to nothing goes with it. */
static void finish(struct master *m, struct change *c, bool unchanged, const struct err *err)
{
    struct edition *e = c->edition;

    log_outcome(m, c, unchanged, err);
    note_error(m, c, err);
    if (c->trial)
        crew_end(c->trial);
    if (c->timeout)
        event_free(c->timeout);
    if (c->distributing && err && e)
        crew_forget(m, e->serial);
    if (c->done)
        c->done(c, e, unchanged, err);
    if (c->configured)
        config_deinit(&c->config);
    if (e && e->state == EDITION_NEW)
        edition_free(e);
    edition_tidy(m);
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
static void note_current(struct master *m)
{
    struct archive_current now = {.pinned = m->pinned};
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
    snprintf(e->note, sizeof e->note, "%s",
             c->fallback ? "the files on disk were broken at the start" : "");
    m->serving = e;
    m->canary = NULL;
    m->share = 0;
    use_config(m, c);
    health_configure(m->shared.health, &m->config.breaker);
    crew_route(m);
    if (canary)
        canary_stop(m->shared.canary);
    if (canary != e)
        edition_retire(m, canary, "ended as canary: another generation took the base's place");
    if (old != e)
        edition_retire(m, old, "");
    m->pinned = !c->fallback && strcmp(e->hash, m->disk_hash) != 0;
    note_current(m);
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
    m->pinned |= strcmp(e->hash, m->disk_hash) == 0; /* the files are not the base's any more */
    note_current(m);
}

static void publish(struct master *m, struct change *c)
{
    struct edition *e = c->edition;

    edition_to_front(m, e);
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
        if (crew_takes_part(h))
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

/* Something happened that the change under way may have waited for. */
static void go_on(struct master *m)
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
        go_on(m);
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
    const struct edition *e = edition_of(m, serial);
    if (!e || (e != m->serving && e != m->canary)) /* another worker's refusal has ended it */
        return;
    log_write(&m->log, LOG_ERROR, "a worker cannot load what is served, and is replaced",
              (struct log_field[]){log_int("worker", h->pid), log_text("error", err->message)}, 2);
    kill(h->pid, SIGKILL);
}

void change_hand_lost(const struct hand *h, const char *how)
{
    struct master *m = h->m;
    struct change *c = current(m);
    struct err err;

    if (c && c->trial == h) {
        c->trial = NULL;
        err_set(&err, ERR_INTERNAL, "the process that tried it died (%s); the log may say more",
                how);
        change_failed(m, c, &err);
        return;
    }
    go_on(m); /* one less to wait for */
}

/* ---- the beginning ---- */

/* The user's files cannot be read at the start. The configuration is checked with what is shipped; then it is seen
 * whether an earlier generation is kept. */
static int read_shipped(struct master *m, struct change *c, struct err *err)
{
    c->broken = *err;
    if (c->edition->sources_fd >= 0 || !m->o.policies)
        return -1;
    return edition_read_shipped(m, c->edition, err);
}

static int read_edition(struct master *m, struct change *c, struct err *err)
{
    struct edition *e = c->edition = edition_new(m);

    if (!e)
        return err_set(err, ERR_OVERLOADED, "out of memory");
    if (c->kind == CHANGE_USE)
        return edition_read_kept(m, e, c->hash, err);
    if (edition_read_disk(m, e, err) < 0 && (m->serving || read_shipped(m, c, err) < 0))
        return -1;
    c->same_files = strcmp(m->disk_hash, e->hash) == 0;
    memcpy(m->disk_hash, e->hash, sizeof m->disk_hash);
    if (c->unasked && c->same_files && m->pinned)
        edition_take_sources(e, m->serving); /* what changed is the configuration, if anything */
    return 0;
}

static int configure(struct master *m, struct change *c, struct err *err)
{
    if (edition_configure(m, c->edition, &c->config, err) < 0)
        return -1;
    c->configured = true;
    if (c->kind == CHANGE_DISK) {
        c->same_files = c->same_files && strcmp(m->disk_stamp, c->edition->stamp) == 0;
        memcpy(m->disk_stamp, c->edition->stamp, sizeof m->disk_stamp);
    }
    return 0;
}

static int try_it(struct master *m, struct change *c, struct err *err)
{
    const char *exe = c->kind == CHANGE_UPGRADE ? m->exe : "/proc/self/exe";

    if (!(c->trial = crew_start_trial(m, exe, err)))
        return -1;
    crew_load(c->trial, c->edition);
    return arm(c, err);
}

/* What is wanted is there already. */
static void settle(struct master *m, struct change *c, struct edition *there)
{
    edition_free(c->edition);
    c->edition = there;
    finish(m, c, true, NULL);
}

/* What is there already needs no loading. */
static bool at_once(struct master *m, struct change *c)
{
    struct edition *e = c->edition;

    if (c->kind == CHANGE_UPGRADE || !m->serving)
        return false;
    if (c->unasked && c->same_files && m->pinned) {
        settle(m, c, m->serving); /* somebody only touched the files that were turned away from */
        return true;
    }
    if (edition_same(e, m->serving)) {
        if (m->canary && c->goal == EDITION_SERVING && !c->unasked)
            share_stop(m, "ended by the operator");
        settle(m, c, m->serving);
        return true;
    }
    if (!m->canary || !edition_same(e, m->canary) || (c->goal == EDITION_SERVING && !c->unasked))
        return false;
    settle(m, c, m->canary);
    return true;
}

/* Another share for the canary, or all of it. */
static bool is_about_canary(struct master *m, const struct change *c)
{
    struct err err;

    if (c->kind != CHANGE_USE || !m->canary)
        return false;
    return c->promote || (edition_find(m, c->hash, &err) &&
                          strncmp(m->canary->hash, c->hash, strlen(c->hash)) == 0 &&
                          strcmp(m->canary->hash, m->serving->hash) != 0);
}

static void begin_canary(struct master *m, struct change *c)
{
    struct err err;

    c->edition = m->canary;
    if (c->goal == EDITION_CANARY) {
        m->share = c->share;
        if (c->promote_after > 0)
            m->bounds.promote_after_s = c->promote_after;
        crew_route(m);
        finish(m, c, false, NULL);
    } else if (configure(m, c, &err) < 0) {
        change_failed(m, c, &err);
    } else {
        publish(m, c);
    }
}

/* At the start: the files, or what an operator chose instead of them. What cannot be read any more is passed over. */
static void prefer_pinned(struct master *m, struct change *c)
{
    char hash[65];
    struct err err;

    if (!c->files_only && state_pinned(m, c->edition->hash, hash) &&
        edition_take_archived(m, c->edition, hash, &err) == 0)
        c->pinned = true;
}

/* The start: nobody is hurt by trying it in the workers at once. */
static void begin_first(struct master *m, struct change *c)
{
    struct err err;

    use_config(m, c);
    m->configured = true;
    if (arm(c, &err) < 0 || master_open(m, &err) < 0) {
        change_failed(m, c, &err);
        return;
    }
    if (!c->broken.code) {
        prefer_pinned(m, c);
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

    if (c->kind == CHANGE_UPGRADE && m->canary) {
        err_set(
            &err, ERR_BAD_REQUEST,
            "a canary is under way, and the new binary would serve the files on disk to all; end "
            "it first ('baton use %.12s')",
            m->serving->hash);
        change_failed(m, c, &err);
        return;
    }
    if (is_about_canary(m, c)) {
        begin_canary(m, c);
        return;
    }
    if (c->promote) { /* it has ended meanwhile */
        err_set(&err, ERR_NOT_FOUND, "there is no canary any more");
        change_failed(m, c, &err);
        return;
    }
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
    struct change *c = m->waiting < CHANGES_MAX && !m->stopping ? calloc(1, sizeof *c) : NULL;

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

/* Will the files be read anyway? */
static bool is_planned(const struct master *m)
{
    for (struct list *n = m->changes.next; n != &m->changes; n = n->next) {
        const struct change *c = LIST_ENTRY(n, struct change, node);
        if (c->kind == CHANGE_DISK && c->goal == EDITION_SERVING && !c->edition)
            return true;
    }
    return false;
}

void change_files(struct master *m)
{
    if (!m->files_changed || !m->serving || m->stopping)
        return;
    struct change *c =
        is_planned(m) ? NULL : change_add(m, CHANGE_DISK, EDITION_SERVING, "files changed");
    if (c)
        c->unasked = true;
    m->files_changed = !c && !is_planned(m); /* the line is full: later */
}

void change_drop_all(struct master *m)
{
    struct change *c;

    while ((c = current(m))) {
        struct err err;
        err_set(&err, ERR_OVERLOADED, "the engine is stopping");
        list_remove(&c->node);
        m->waiting--;
        if (c->done)
            c->done(c, NULL, false, &err);
        if (c->trial)
            crew_end(c->trial);
        if (c->timeout)
            event_free(c->timeout);
        if (c->configured)
            config_deinit(&c->config);
        free(c);
    }
}
