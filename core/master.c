/* master - birth, signals, the end.
 * SPDX-License-Identifier: MIT */
#include "master.h"

#include "home.h"
#include "master_private.h"

#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { CUT_US = 1000000, FEW_REQUESTS = 100 };

static int64_t clock_us(clockid_t clock)
{
    struct timespec t;

    clock_gettime(clock, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

int64_t master_now(void)
{
    return clock_us(CLOCK_MONOTONIC);
}

int64_t master_wall(void)
{
    return clock_us(CLOCK_REALTIME);
}

/* ---- opening: what is decided once ---- */

static int count_workers(const struct master *m)
{
    int n = m->o.workers ? m->o.workers : m->config.workers;

    if (n == 0)
        n = (int)sysconf(_SC_NPROCESSORS_ONLN);
    return n < 1 ? 1 : n > WORKERS_MAX ? WORKERS_MAX : n;
}

/* Two engines at one port would share its connections without a word: the first socket must be the only one. */
static int check_free(const char *address, struct err *err)
{
    int fd = listen_open(address, false, err);

    if (fd < 0)
        return -1;
    close(fd);
    return 0;
}

static int open_sockets(struct master *m, int n, struct err *err)
{
    const char *address = m->o.listen ? m->o.listen : m->config.listen;

    m->one_socket = strncmp(address, "unix:", 5) == 0;
    if (!(m->sockets = calloc((size_t)n, sizeof *m->sockets)))
        return err_set(err, ERR_OVERLOADED, "out of memory");
    if (!m->one_socket && check_free(address, err) < 0)
        return -1;
    for (int i = 0; i < n; i++) {
        m->sockets[i] = i > 0 && m->one_socket
                            ? m->sockets[0]
                            : listen_open(i == 0 ? address : m->address, !m->one_socket, err);
        if (m->sockets[i] < 0)
            return -1;
        m->n_sockets++;
        if (i == 0) /* port 0 has become a number */
            listen_name(m->sockets[0], m->address, sizeof m->address);
    }
    return 0;
}

/* Every descriptor the system allows; each request in flight needs two. Workers inherit it. */
static void raise_descriptors(struct master *m)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    int64_t descriptors = (int64_t)limit.rlim_cur, requests = descriptors / 2 - 50;
    bool few = requests < FEW_REQUESTS;
    log_write(&m->log, few ? LOG_WARN : LOG_INFO, "limits",
              (struct log_field[]){
                  log_int("workers", m->n_sockets), log_int("descriptors", descriptors),
                  log_int("requests_in_flight_per_worker", requests > 0 ? requests : 0),
                  log_text("advice", "few file descriptors: raise them (LimitNOFILE, ulimit -n)")},
              few ? 4 : 3);
}

static int open_shared(struct master *m, struct err *err)
{
    struct shared_sizes sizes;

    shared_sizes_default(&sizes);
    sizes.kv_bytes = m->config.kv_bytes;
    if (m->shared.shm.base)
        return 0;
    m->values_due = true;
    return shared_new(&m->shared, &sizes, err);
}

int master_open(struct master *m, struct err *err)
{
    if (m->n_sockets)
        return 0;
    m->n_sockets = m->n_inherited;
    if (!m->n_inherited && open_sockets(m, count_workers(m), err) < 0)
        return -1;
    raise_descriptors(m);
    if (open_shared(m, err) < 0 || state_open(m, err) < 0 || admin_open(m, err) < 0)
        return -1;
    for (int i = 0; i < m->n_sockets; i++)
        if (crew_start(m, i, err) < 0)
            return -1;
    return 0;
}

/* ---- workers come and go ---- */

static bool manned(const struct master *m, int socket)
{
    for (struct list *n = m->hands.next; n != &m->hands; n = n->next) {
        const struct hand *h = LIST_ENTRY(n, struct hand, node);
        /* When the engine ends, one that drains can still take what waits. */
        if (h->socket == socket && (h->state != HAND_DRAINING || m->stopping) && !h->old)
            return true;
    }
    return false;
}

static void fill(struct master *m)
{
    struct err err;

    for (int i = 0; i < m->n_sockets; i++) {
        if (manned(m, i) || crew_start(m, i, &err) == 0)
            continue;
        log_write(&m->log, LOG_ERROR, "a worker cannot be started",
                  (struct log_field[]){log_text("error", err.message)}, 1);
        m->failures++;
        master_fill_places(m); /* later */
        return;
    }
}

static void on_respawn(evutil_socket_t fd, short what, void *arg)
{
    struct master *m = arg;

    (void)fd;
    (void)what;
    if (!m->stopping)
        fill(m);
}

void master_fill_places(struct master *m)
{
    int ms = crew_respawn_ms(m);
    struct timeval wait = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};

    if (m->stopping && list_empty(&m->hands))
        event_base_loopbreak(m->base);
    else if (!m->stopping && !evtimer_pending(m->respawn, NULL))
        evtimer_add(m->respawn, &wait);
}

static bool all_serve(const struct master *m)
{
    for (struct list *n = m->hands.next; n != &m->hands; n = n->next) {
        const struct hand *h = LIST_ENTRY(n, struct hand, node);
        if (h->socket >= 0 && !h->old && h->state == HAND_STARTING)
            return false;
    }
    return true;
}

/* From other machines? */
static bool is_reachable(const struct master *m)
{
    return !m->one_socket && strncmp(m->address, "127.", 4) != 0 &&
           strncmp(m->address, "[::1]:", 6) != 0;
}

static void announce(struct master *m)
{
    const char *scheme = m->one_socket ? "" : m->config.certificate ? "https://" : "http://";

    m->announced = true;
    if (m->config.providers.n == 0)
        log_write(&m->log, LOG_WARN,
                  "no provider is configured: answers come from the built-in simulated models; set "
                  "OPENAI_API_KEY or write a baton.lua",
                  NULL, 0);
    if (m->config.key_count == 0 && is_reachable(m))
        log_write(&m->log, LOG_WARN,
                  "the gateway is open to all who reach it: no keys are set; set keys in the "
                  "configuration, or listen on 127.0.0.1",
                  (struct log_field[]){log_text("listen", m->address)}, 1);
    log_write(&m->log, LOG_INFO, "catalogue",
              (struct log_field[]){log_text("file", m->config.catalogue.file),
                                   log_text("dated", m->config.catalogue.dated)},
              2);
    if (m->upgraded) /* whoever read standard output knows it already */
        return;
    if (m->admin)
        printf("baton: admin API on %s%s\n",
               strncmp(http_address(m->admin), "unix:", 5) == 0 ? "" : "http://",
               http_address(m->admin));
    printf("baton: listening on %s%s\n", scheme, m->address);
    fflush(stdout);
}

void master_hand_ready(struct master *m)
{
    if (!all_serve(m))
        return;
    if (!m->announced)
        announce(m);
    upgrade_dismiss_old(m);
}

/* ---- signals ---- */

/* The file of a unix socket goes first: another engine may make it anew while this one drains. */
static void close_sockets(struct master *m)
{
    if (m->n_sockets && m->one_socket)
        unlink(m->address + strlen("unix:"));
    for (int i = 0; i < m->n_sockets; i++)
        if (i == 0 || !m->one_socket)
            close(m->sockets[i]);
    m->n_sockets = 0;
}

static void stop(struct master *m)
{
    int in_flight = 0;

    crew_reap(m);
    for (int i = 0; i < m->shared.n_slots; i++)
        in_flight += m->shared.slots[i].in_flight;
    log_write(&m->log, LOG_INFO, "draining", (struct log_field[]){log_int("in_flight", in_flight)},
              1);
    log_flush(&m->log);
    m->stopping = true;
    m->deadline_us = master_now() + (int64_t)m->config.drain_timeout_ms * 1000;
    watch_free(m->watch);
    m->watch = NULL;
    change_drop_all(m);
    if (m->serving)
        fill(m); /* somebody must take what waits at the socket of one that died just now */
    crew_stop(m);
    close_sockets(m);
    master_fill_places(m);
}

/* Who still waits gets an honest error and a moment to read it; then workers are ended. */
static void cut(struct master *m)
{
    m->cut = true;
    m->deadline_us = master_now() + CUT_US;
    crew_cut(m);
}

static void on_stop(evutil_socket_t number, short what, void *arg)
{
    struct master *m = arg;

    (void)number;
    (void)what;
    if (!m->stopping)
        stop(m);
    else
        cut(m);
}

static void on_reload(evutil_socket_t number, short what, void *arg)
{
    (void)number;
    (void)what;
    change_add(arg, CHANGE_DISK, EDITION_SERVING, "SIGHUP");
}

static void on_upgrade(evutil_socket_t number, short what, void *arg)
{
    (void)number;
    (void)what;
    change_add(arg, CHANGE_UPGRADE, EDITION_SERVING, "SIGUSR2");
}

static void on_child(evutil_socket_t number, short what, void *arg)
{
    (void)number;
    (void)what;
    crew_reap(arg);
}

static void on_files(void *arg)
{
    struct master *m = arg;

    m->files_changed = m->config.watch;
    change_files(m);
}

static void check_deadline(struct master *m)
{
    if (master_now() < m->deadline_us)
        return;
    if (!m->cut)
        cut(m);
    else
        event_base_loopbreak(m->base);
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
    struct master *m = arg;

    (void)fd;
    (void)what;
    log_flush(&m->log);
    state_save(m, false);
    crew_reap(m); /* should a signal have been lost while a new binary took over */
    if (m->stopping) {
        check_deadline(m);
        return;
    }
    crew_watch(m);
    share_tick(m);
    change_files(m);
}

static int arm(struct master *m, struct err *err)
{
    struct timeval half = {.tv_usec = 500000};
    const struct {
        int number;
        event_callback_fn act;
    } signals[] = {{SIGTERM, on_stop},
                   {SIGINT, on_stop},
                   {SIGHUP, on_reload},
                   {SIGUSR2, on_upgrade},
                   {SIGCHLD, on_child}};

    for (int i = 0; i < MASTER_SIGNALS; i++) {
        m->signals[i] = evsignal_new(m->base, signals[i].number, signals[i].act, m);
        if (!m->signals[i] || event_add(m->signals[i], NULL) < 0)
            return err_set(err, ERR_INTERNAL, "cannot wait for signals");
    }
    upgrade_hold_signals(false);
    m->tick = event_new(m->base, -1, EV_PERSIST, on_tick, m);
    m->respawn = evtimer_new(m->base, on_respawn, m);
    if (!m->tick || !m->respawn || event_add(m->tick, &half) < 0)
        return err_set(err, ERR_INTERNAL, "out of memory for timers");
    return 0;
}

/* ---- the start ---- */

/* From before they are read the first time, so that no change is missed. */
static void watch_files(struct master *m)
{
    char scripts[4200], policies[4200];
    const char *paths[4] = {scripts, policies};
    struct err err;
    int n = 2;

    if (m->o.no_watch)
        return;
    snprintf(scripts, sizeof scripts, "%s/scripts", m->home);
    snprintf(policies, sizeof policies, "%s/policies", m->home);
    if (m->o.policies)
        paths[n++] = m->o.policies;
    paths[n++] = m->o.config ? m->o.config : "baton.lua";
    if (!(m->watch = watch_new(m->base, paths, (size_t)n, on_files, m, &err)))
        log_write(&m->log, LOG_WARN, "files are not watched: reload by SIGHUP or 'baton reload'",
                  (struct log_field[]){log_text("error", err.message)}, 1);
}

/* What an operator chose does not work any more: then the files. If they do not either: the last good ones. */
static struct change *start_otherwise(struct master *m, const struct change *c,
                                      const struct err *err)
{
    if (!c->opened || c->kind != CHANGE_DISK)
        return NULL;
    if (!c->pinned)
        return state_fallback(m, err);
    struct change *next = change_add(m, CHANGE_DISK, EDITION_SERVING, "start with the files");
    if (next)
        next->files_only = true;
    return next;
}

/* The first generation serves; or the kept one does; or this is the end. */
static void on_started(struct change *c, const struct edition *e, bool unchanged,
                       const struct err *err)
{
    struct master *m = c->m;

    (void)e;
    (void)unchanged;
    if (!err || m->stopping) { /* on_tick looks whether files have changed meanwhile */
        m->files_changed |= m->upgraded && m->watch && m->config.watch;
        return;
    }
    struct change *next = start_otherwise(m, c, err);
    if (next) {
        next->done = on_started;
        return;
    }
    if (!m->start_error.code)
        m->start_error = *err;
    event_base_loopbreak(m->base);
}

static bool is_this_program(const char *path)
{
    struct stat a, b;

    return stat(path, &a) == 0 && stat("/proc/self/exe", &b) == 0 && a.st_dev == b.st_dev &&
           a.st_ino == b.st_ino;
}

/* The path by which this program was started, links not resolved: a deployment may turn one to a new version. */
static bool where_from(const char *name, char *out, size_t size)
{
    char folder[2048];
    ssize_t n = -1;

    if (name && *name == '/')
        n = snprintf(out, size, "%s", name);
    else if (name && strchr(name, '/') && getcwd(folder, sizeof folder))
        n = snprintf(out, size, "%s/%s", folder, name);
    if (n > 0 && n < (ssize_t)size && is_this_program(out))
        return true;
    n = readlink("/proc/self/exe", out, size - 1);
    out[n < 0 ? 0 : n] = 0;
    return n > 0;
}

static int init(struct master *m, const struct master_options *o, struct err *err)
{
    m->o = *o;
    m->admin_fd = m->inherited_sources = m->inherited_config = -1;
    m->started_us = master_wall();
    m->shared.shm.fd = -1;
    list_init(&m->hands);
    list_init(&m->editions);
    list_init(&m->changes);
    list_init(&m->queries);
    log_init(&m->log, STDERR_FILENO, LOG_INFO);
    if (!where_from(m->o.argv_all[0], m->exe, sizeof m->exe))
        return err_set(err, ERR_INTERNAL, "cannot find this program's file");
    if (!(m->base = event_base_new()))
        return err_set(err, ERR_INTERNAL, "cannot make an event loop");
    return home_find(m->home, sizeof m->home, err);
}

static void end(struct master *m)
{
    change_drop_all(m);
    crew_end_all(m);
    if (m->shared.shm.base)
        state_save(m, true);
    edition_free_all(m);
    admin_close(m);
    watch_free(m->watch);
    for (int i = 0; i < MASTER_SIGNALS; i++)
        if (m->signals[i])
            event_free(m->signals[i]);
    if (m->tick)
        event_free(m->tick);
    if (m->respawn)
        event_free(m->respawn);
    close_sockets(m);
    archive_close(m->archive);
    shared_free(&m->shared);
    config_deinit(&m->config);
    free(m->sockets);
    if (m->base)
        event_base_free(m->base);
    log_deinit(&m->log);
}

static int run(struct master *m, struct err *err)
{
    struct change *first;

    if (arm(m, err) < 0 || upgrade_adopt(m, err) < 0)
        return -1;
    watch_files(m);
    if (!(first = change_add(m, CHANGE_DISK, EDITION_SERVING, "start")))
        return err_set(err, ERR_OVERLOADED, "out of memory");
    first->done = on_started;
    event_base_dispatch(m->base);
    if (!m->start_error.code) {
        log_write(&m->log, LOG_INFO, "stopped", NULL, 0);
        return 0;
    }
    *err = m->start_error;
    return -1;
}

int master_run(const struct master_options *o, struct err *err)
{
    struct master *m = calloc(1, sizeof *m);
    int result = -1;

    if (!m)
        return err_set(err, ERR_OVERLOADED, "out of memory");
    if (init(m, o, err) == 0)
        result = run(m, err);
    end(m);
    free(m);
    return result;
}
