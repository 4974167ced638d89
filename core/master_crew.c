/* master_crew - the worker processes: starting them, listening to them, replacing them.
 * SPDX-License-Identifier: MIT */
#include "json.h"
#include "master_private.h"

#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { YOUNG_US = 1000000, PAUSE_US = 2000000, RESPAWN_MS = 100, RESPAWN_MAX_MS = 5000 };

/* ---- talking ---- */

int crew_send(struct hand *h, const int *fds, const char *format, ...)
{
    char text[4096];
    va_list args;

    va_start(args, format);
    int n = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return crew_send_text(h, fds,
                          (struct span){n < (int)sizeof text ? text : NULL, n < 0 ? 0 : (size_t)n});
}

int crew_send_text(struct hand *h, const int *fds, struct span text)
{
    struct err err;

    if (!text.p)
        err_set(&err, ERR_INTERNAL, "it is too long");
    else if (channel_send(h->channel, text, fds, &err) == 0)
        return 0;
    /* Else it has ended, and what that means is told when it is reaped. */
    if (err.code != ERR_UNAVAILABLE)
        log_write(&h->m->log, LOG_WARN, "a worker takes no message",
                  (struct log_field[]){log_int("worker", h->pid), log_text("error", err.message)},
                  2);
    return -1;
}

void crew_load(struct hand *h, const struct edition *e)
{
    const int fds[CHANNEL_FDS_MAX] = {e->sources_fd, e->config_fd};
    struct buf name;

    buf_init(&name, 2048);
    json_write_text(&name, (struct span){e->config_name, strlen(e->config_name)});
    crew_send(h, fds, "{\"do\":\"load\",\"serial\":%lld,\"config\":%.*s}", (long long)e->serial,
              (int)name.len, name.data);
    buf_deinit(&name);
}

/* Its end is seen later, and it is replaced. */
static void end_stuck(struct hand *h)
{
    h->stuck = true;
    kill(h->pid, SIGKILL);
}

static void route_one(struct hand *h)
{
    struct master *m = h->m;

    int sent = crew_send(h, NULL, "{\"do\":\"route\",\"base\":%lld,\"canary\":%lld,\"share\":%.9f}",
                         (long long)m->serving->serial,
                         (long long)(m->canary ? m->canary->serial : 0), m->share);
    if (sent <
        0) /* it has not looked at its messages for long: it must not go on with an old generation */
        end_stuck(h);
}

/* Does the worker have all that is served now? */
static bool complete(const struct hand *h)
{
    const struct master *m = h->m;

    return m->serving && crew_has(h, m->serving->serial) &&
           (!m->canary || crew_has(h, m->canary->serial));
}

void crew_route(struct master *m)
{
    for (struct list *n = m->hands.next; n != &m->hands; n = n->next) {
        struct hand *h = LIST_ENTRY(n, struct hand, node);
        if (crew_takes_part(h) && complete(h))
            route_one(h);
    }
}

void crew_forget(struct master *m, int64_t serial)
{
    for (struct list *n = m->hands.next; n != &m->hands; n = n->next) {
        struct hand *h = LIST_ENTRY(n, struct hand, node);
        if (crew_takes_part(h))
            crew_send(h, NULL, "{\"do\":\"forget\",\"serial\":%lld}", (long long)serial);
    }
}

/* Those that only start begin to serve first: connections wait at their sockets. */
void crew_stop(struct master *m)
{
    for (struct list *n = m->hands.next; n != &m->hands; n = n->next) {
        struct hand *h = LIST_ENTRY(n, struct hand, node);
        if (h->state == HAND_STARTING && m->serving)
            continue;
        crew_send(h, NULL, "{\"do\":\"stop\"}");
        h->state = HAND_DRAINING;
    }
}

void crew_cut(struct master *m)
{
    for (struct list *n = m->hands.next; n != &m->hands; n = n->next)
        crew_send(LIST_ENTRY(n, struct hand, node), NULL, "{\"do\":\"cut\"}");
}

bool crew_takes_part(const struct hand *h)
{
    return h->socket >= 0 && !h->old && h->state != HAND_DRAINING;
}

bool crew_has(const struct hand *h, int64_t serial)
{
    for (size_t i = 0; i < sizeof h->loaded / sizeof *h->loaded; i++)
        if (h->loaded[i] == serial)
            return true;
    return false;
}

bool crew_ready(const struct master *m, int64_t serial)
{
    int n = 0;

    for (struct list *node = m->hands.next; node != &m->hands; node = node->next) {
        const struct hand *h = LIST_ENTRY(node, struct hand, node);
        if (!crew_takes_part(h))
            continue;
        if (!crew_has(h, serial))
            return false;
        n++;
    }
    return n > 0;
}

static void swap_serial(struct hand *h, int64_t old, int64_t new)
{
    for (size_t i = 0; i < sizeof h->loaded / sizeof *h->loaded; i++)
        if (h->loaded[i] == old) {
            h->loaded[i] = new;
            return;
        }
}

/* ---- listening ---- */

static void on_loaded(struct hand *h, struct span m)
{
    int64_t serial = json_member_int(m, "serial", 0);

    swap_serial(h, 0, serial);
    if (h->state == HAND_STARTING && h->socket >= 0 && complete(h))
        route_one(h);
    change_loaded(h, serial, json_member(m, "policies"));
}

static void on_refused(struct hand *h, struct span m)
{
    char code[32], message[ERR_MESSAGE_MAX];
    struct err err;

    json_member_text(m, "code", code, sizeof code);
    json_member_text(m, "error", message, sizeof message);
    err_set(&err, err_code_of(code), "%s", message);
    change_refused(h, json_member_int(m, "serial", 0), &err);
}

static void on_ready(struct hand *h)
{
    h->state = HAND_SERVING;
    if (h->m->stopping)
        crew_stop(h->m);
    else
        master_hand_ready(h->m);
}

static void take_message(struct hand *h, struct span m)
{
    struct err err;

    if (json_check(m, &err) < 0)
        return;
    struct span is = json_member(m, "is");
    if (json_is_text(is, "loaded")) {
        on_loaded(h, m);
    } else if (json_is_text(is, "refused")) {
        on_refused(h, m);
    } else if (json_is_text(is, "ready")) {
        on_ready(h);
    } else if (json_is_text(is, "freed")) {
        swap_serial(h, json_member_int(m, "serial", 0), 0);
        edition_freed(h->m, json_member_int(m, "serial", 0));
    } else if (json_is_text(is, "draining")) {
        h->state = HAND_DRAINING; /* somebody asked it to leave: its place is free */
        master_fill_places(h->m);
    } else if (json_is_text(is, "answer")) {
        admin_take_answer(h, m);
    }
}

static void on_message(evutil_socket_t fd, short what, void *arg)
{
    struct hand *h = arg;
    struct channel_message m;

    (void)what;
    channel_message_init(&m);
    int got = channel_receive(fd, &m);
    if (got < 0)
        event_del(h->readable); /* it ends: SIGCHLD tells the rest */
    else if (got > 0)
        take_message(h, buf_span(&m.text));
    channel_message_deinit(&m);
}

static void clear_slot(struct hand *h)
{
    if (h->slot >= 0)
        memset((void *)&h->m->shared.slots[h->slot], 0, sizeof *h->m->shared.slots);
}

static void hand_free(struct hand *h)
{
    clear_slot(h); /* what it told of itself is over */
    if (h->readable)
        event_free(h->readable);
    close(h->channel);
    free(h);
}

/* ---- starting ---- */

static bool slot_taken(const struct master *m, int slot)
{
    for (struct list *n = m->hands.next; n != &m->hands; n = n->next)
        if (LIST_ENTRY(n, struct hand, node)->slot == slot)
            return true;
    return false;
}

static int free_slot(const struct master *m)
{
    for (int i = 0; i < m->shared.n_slots; i++)
        if (!slot_taken(m, i))
            return i;
    return -1;
}

/* fork and exec; the child gets exactly these descriptors besides the standard ones. */
static pid_t spawn(const char *exe, char *const argv[], const int *fds, size_t n, struct err *err)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none;
    pid_t pid = -1;

    sigemptyset(&none);
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
    for (size_t i = 0; i < n; i++)
        if (fds[i] >= 0) /* on itself: stays open over exec */
            posix_spawn_file_actions_adddup2(&actions, fds[i], fds[i]);
    int error = posix_spawn(&pid, exe, &actions, &attributes, argv, environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    if (error == 0)
        return pid;
    err_set(err, ERR_INTERNAL, "cannot start %s: %s", exe, strerror(error));
    return -1;
}

static pid_t spawn_worker(const struct hand *h, const char *exe, int its_end, struct err *err)
{
    const struct master *m = h->m;
    int socket = h->socket < 0 ? -1 : m->sockets[h->socket];
    /* A trial changes nothing that others see; and it may be of a version that has another layout. */
    int shared = h->socket < 0 ? -1 : m->shared.shm.fd;
    const int fds[] = {its_end, shared, socket};
    char numbers[4][16];
    const char *argv[] = {"baton",    "worker",   "--channel", numbers[0], "--shared",
                          numbers[1], "--listen", numbers[2],  "--slot",   numbers[3],
                          NULL,       NULL,       NULL};

    snprintf(numbers[0], sizeof numbers[0], "%d", its_end);
    snprintf(numbers[1], sizeof numbers[1], "%d", shared);
    snprintf(numbers[2], sizeof numbers[2], "%d", socket);
    snprintf(numbers[3], sizeof numbers[3], "%d", h->slot);
    if (m->o.trace_log) {
        argv[10] = "--trace-log";
        argv[11] = m->o.trace_log;
    }
    return spawn(exe, (char *const *)argv, fds, 3, err); /* it does not change them */
}

static struct hand *hand_new(struct master *m, int socket, const char *exe, struct err *err)
{
    struct hand *h = calloc(1, sizeof *h);
    int ends[2];

    if (!h)
        err_set(err, ERR_OVERLOADED, "out of memory for a worker");
    if (!h || channel_pair(ends, err) < 0) {
        free(h);
        return NULL;
    }
    h->m = m;
    h->socket = socket;
    h->slot = socket < 0 ? -1 : free_slot(m);
    h->born_us = master_now();
    h->channel = ends[0];
    list_init(&h->node);
    clear_slot(h);
    h->pid = spawn_worker(h, exe, ends[1], err);
    close(ends[1]);
    h->readable = event_new(m->base, h->channel, EV_READ | EV_PERSIST, on_message, h);
    bool heard = h->readable && event_add(h->readable, NULL) == 0;
    if (h->pid >= 0 && !heard)
        err_set(err, ERR_OVERLOADED, "out of memory for a worker's events");
    if (h->pid < 0 || !heard) {
        crew_end(h);
        return NULL;
    }
    list_append(&m->hands, &h->node);
    return h;
}

void crew_adopt(struct master *m, pid_t pid, int channel, int slot, bool draining)
{
    struct hand *h = calloc(1, sizeof *h);

    if (!h)
        return;
    *h = (struct hand){.m = m,
                       .old = true,
                       .pid = pid,
                       .channel = channel,
                       .slot = m->shared.shm.base ? slot : -1, /* in the memory that it has */
                       .state = draining ? HAND_DRAINING : HAND_SERVING,
                       .born_us = master_now()};
    h->readable = event_new(m->base, channel, EV_READ | EV_PERSIST, on_message, h);
    if (h->readable)
        event_add(h->readable, NULL);
    list_append(&m->hands, &h->node);
}

int crew_start(struct master *m, int socket, struct err *err)
{
    struct hand *h = hand_new(m, socket, "/proc/self/exe", err);
    struct list *first = list_first(&m->changes);
    struct change *c = first ? LIST_ENTRY(first, struct change, node) : NULL;

    if (!h)
        return -1;
    if (m->serving)
        crew_load(h, m->serving);
    if (m->canary)
        crew_load(h, m->canary);
    if (c && c->distributing)
        crew_load(h, c->edition);
    return 0;
}

struct hand *crew_start_trial(struct master *m, const char *exe, struct err *err)
{
    return hand_new(m, -1, exe, err);
}

/* ---- ending ---- */

void crew_end(struct hand *h)
{
    if (h->pid > 0) {
        kill(h->pid, SIGKILL);
        waitpid(h->pid, NULL, 0);
    }
    list_remove(&h->node);
    hand_free(h);
}

/* Workers of the binary before this one finish what they have: they leave when nobody is at the other end. */
void crew_end_all(struct master *m)
{
    while (!list_empty(&m->hands)) {
        struct hand *h = LIST_ENTRY(m->hands.next, struct hand, node);
        if (h->old)
            h->pid = 0;
        crew_end(h);
    }
}

static void describe(int status, char *out, size_t size)
{
    if (WIFSIGNALED(status))
        snprintf(out, size, "signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
    else
        snprintf(out, size, "exit status %d", WEXITSTATUS(status));
}

static bool young(const struct hand *h)
{
    return master_now() - h->born_us < YOUNG_US;
}

/* It did what it had and ended by itself. A status of 0 may be seen before the message that it drains. */
static bool ended_well(const struct hand *h, int status)
{
    return status == 0 && (h->state == HAND_DRAINING || !young(h));
}

/* A worker ended that should not have. */
static void lost(struct master *m, const struct hand *h, int status, const char *how)
{
    log_write(&m->log, LOG_ERROR, "a worker died; the requests it held are lost",
              (struct log_field[]){log_int("worker", h->pid), log_text("how", how)}, 2);
    const char *labels[] = {h->stuck ? "stuck" : WIFSIGNALED(status) ? "signal" : "exit"};
    metrics_add(m->shared.metrics, METRIC_WORKER_RESTARTS, labels, 1);
    m->failures = young(h) ? m->failures + 1 : 0;
}

static void buried(struct master *m, struct hand *h, int status)
{
    char how[96];

    describe(status, how, sizeof how);
    list_remove(&h->node);
    if (h->socket >= 0 && !m->stopping && !ended_well(h, status))
        lost(m, h, status, how);
    admin_hand_lost(h);
    change_hand_lost(h, how);
    for (size_t i = 0; i < sizeof h->loaded / sizeof *h->loaded; i++)
        if (h->loaded[i])
            edition_freed(m, h->loaded[i]);
    hand_free(h);
    master_fill_places(m);
}

void crew_reap(struct master *m)
{
    struct list *n = m->hands.next;

    while (n != &m->hands) {
        struct hand *h = LIST_ENTRY(n, struct hand, node);
        int status;

        n = n->next;
        if (waitpid(h->pid, &status, WNOHANG) == h->pid) {
            buried(m, h, status);
            n = m->hands.next; /* others may have come or gone */
        }
    }
}

int crew_respawn_ms(const struct master *m)
{
    int ms = RESPAWN_MS;

    for (int i = 1; i < m->failures && ms < RESPAWN_MAX_MS; i++)
        ms *= 2;
    return m->failures == 0 ? 0 : ms;
}

/* Since when has it been silent? */
static int64_t last_sign(const struct hand *h)
{
    const struct master *m = h->m;
    int64_t beat = m->shared.slots[h->slot].beat_us;
    int64_t from = h->born_us > m->watching_us ? h->born_us : m->watching_us;

    return beat > from ? beat : from;
}

/* When this process was not running (stopped by a signal, its machine asleep), the others were not either. */
static void note_pause(struct master *m, int64_t now)
{
    if (now - m->watched_us > PAUSE_US)
        m->watching_us = now;
    m->watched_us = now;
}

/* Every place has a worker that serves and was not born just now. */
static void calm_down(struct master *m)
{
    int serving = 0;

    for (struct list *n = m->hands.next; n != &m->hands; n = n->next) {
        const struct hand *h = LIST_ENTRY(n, struct hand, node);
        serving += h->state == HAND_SERVING && !h->old && !young(h);
    }
    if (serving >= m->n_sockets)
        m->failures = 0;
}

/* Nobody is left to hear: what does not turn its loop is ended, and replaced when its end is seen. */
void crew_watch(struct master *m)
{
    int64_t now = master_now(), limit = (int64_t)m->config.watchdog_ms * 1000;

    note_pause(m, now);
    calm_down(m);
    for (struct list *n = m->hands.next; n != &m->hands; n = n->next) {
        struct hand *h = LIST_ENTRY(n, struct hand, node);
        if (h->slot < 0 || h->stuck || now - last_sign(h) < limit)
            continue;
        log_write(&m->log, LOG_ERROR, "a worker does not answer and is ended",
                  (struct log_field[]){log_int("worker", h->pid),
                                       log_int("silent_ms", (now - last_sign(h)) / 1000)},
                  2);
        end_stuck(h);
    }
}
