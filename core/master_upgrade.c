/* master_upgrade - a new binary takes over the sockets, the shared memory and the process id.
 * SPDX-License-Identifier: MIT
 *
 * SIGUSR2: the binary at the path this one was started from is tried with the files on disk. When it can load them,
 * this process executes it. It finds what it inherits in a variable of the environment, starts workers of its own
 * on the same sockets, and when they serve tells the old ones to drain. The sockets are open all the time. */
#include "json.h"
#include "master_private.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define VARIABLE "BATON_INHERIT"

enum { TEXT_MAX = 64 << 10 };

/* ---- the old binary ---- */

/* Until the new one has its own handlers, a signal would end it. */
void upgrade_hold_signals(bool on)
{
    static const int numbers[] = {SIGTERM, SIGINT, SIGHUP, SIGUSR2, SIGCHLD};
    sigset_t set;

    sigemptyset(&set);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        sigaddset(&set, numbers[i]);
    sigprocmask(on ? SIG_BLOCK : SIG_UNBLOCK, &set, NULL);
}

static void inherit(int fd, bool on)
{
    if (fd >= 0)
        fcntl(fd, F_SETFD, on ? 0 : FD_CLOEXEC);
}

static void inherit_all(const struct master *m, const struct edition *e, bool on)
{
    for (int i = 0; i < m->n_sockets; i++)
        inherit(m->sockets[i], on);
    inherit(m->admin_fd, on);
    inherit(m->shared.shm.fd, on);
    inherit(e->sources_fd, on);
    inherit(e->config_fd, on);
    for (struct list *n = m->hands.next; n != &m->hands; n = n->next)
        inherit(LIST_ENTRY(n, struct hand, node)->channel, on);
}

static int describe(const struct master *m, const struct edition *e, struct buf *out)
{
    buf_printf(out,
               "{\"shared\":%d,\"admin\":%d,\"sources\":%d,\"config\":%d,\"one_socket\":%d,"
               "\"serials\":%lld,",
               m->shared.shm.fd, m->admin_fd, e->sources_fd, e->config_fd, m->one_socket,
               (long long)m->serials);
    buf_puts(out, "\"sockets\":[");
    for (int i = 0; i < m->n_sockets; i++)
        buf_printf(out, "%s%d", i ? "," : "", m->sockets[i]);
    buf_puts(out, "],\"workers\":[");
    bool first = true;
    for (struct list *n = m->hands.next; n != &m->hands; n = n->next) {
        const struct hand *h = LIST_ENTRY(n, struct hand, node);
        if (h->socket < 0)
            continue;
        buf_printf(out, "%s{\"pid\":%d,\"channel\":%d,\"slot\":%d,\"draining\":%d}",
                   first ? "" : ",", h->pid, h->channel, h->slot, h->state == HAND_DRAINING);
        first = false;
    }
    return buf_puts(out, "]}") < 0 || buf_add(out, "", 1) < 0 ? -1 : 0;
}

void upgrade(struct master *m, struct change *c)
{
    struct edition *e = c->edition;
    struct buf text;
    struct err err;

    buf_init(&text, TEXT_MAX);
    state_save(m, true);
    if (describe(m, e, &text) == 0 && setenv(VARIABLE, text.data, 1) == 0) {
        log_write(&m->log, LOG_INFO, "a new binary takes over",
                  (struct log_field[]){log_text("binary", m->exe)}, 1);
        log_flush(&m->log);
        inherit_all(m, e, true);
        upgrade_hold_signals(true);
        archive_close(m->archive); /* its lock is taken anew */
        m->archive = NULL;
        execv(m->exe, m->o.argv_all);
        inherit_all(m, e, false);
        upgrade_hold_signals(false);
    }
    err_set(&err, ERR_INTERNAL, "%s cannot be executed: %s", m->exe, strerror(errno));
    unsetenv(VARIABLE);
    buf_deinit(&text);
    change_failed(m, c, &err);
    if (!m->archive && m->state_dir[0])
        m->archive = archive_open(m->state_dir, &err);
}

/* ---- the new binary ---- */

static int adopt_sockets(struct master *m, struct span doc, struct err *err)
{
    struct span list = json_member(doc, "sockets"), key, value;
    struct json_iter it = {0};
    int64_t fd;

    m->sockets = calloc(WORKERS_MAX, sizeof *m->sockets);
    if (!m->sockets || !list.p)
        return err_set(err, ERR_INTERNAL, "what was inherited makes no sense");
    while (m->n_inherited < WORKERS_MAX && json_next(list, &it, &key, &value))
        if (json_int(value, &fd) == 0) {
            inherit((int)fd, false);
            m->sockets[m->n_inherited++] = (int)fd;
        }
    m->one_socket = (int)json_member_int(doc, "one_socket", -1) == 1;
    if (m->n_inherited)
        listen_name(m->sockets[0], m->address, sizeof m->address);
    return m->n_inherited ? 0 : err_set(err, ERR_INTERNAL, "no socket was inherited");
}

static void adopt_workers(struct master *m, struct span doc)
{
    struct span list = json_member(doc, "workers"), key, value;
    struct json_iter it = {0};

    while (list.p && json_next(list, &it, &key, &value)) {
        int channel = (int)json_member_int(value, "channel", -1);
        inherit(channel, false);
        crew_adopt(m, (int)json_member_int(value, "pid", -1), channel,
                   (int)json_member_int(value, "slot", -1),
                   (int)json_member_int(value, "draining", -1) == 1);
    }
}

/* Another version may lay the memory out otherwise: then it begins with an empty one. */
static void adopt_shared(struct master *m, struct span doc)
{
    struct err err;
    int fd = (int)json_member_int(doc, "shared", -1);

    inherit(fd, false);
    if (shared_attach(&m->shared, fd, &err) < 0)
        log_write(&m->log, LOG_WARN, "counters, breakers and kv begin anew",
                  (struct log_field[]){log_text("why", err.message)}, 1);
}

int upgrade_adopt(struct master *m, struct err *err)
{
    const char *given = getenv(VARIABLE);

    if (!given)
        return 0;
    char *text = strdup(given);
    if (!text)
        return err_set(err, ERR_OVERLOADED, "out of memory");
    unsetenv(VARIABLE);
    struct span doc = {text, strlen(text)};
    int result = json_check(doc, err) < 0 ? -1 : adopt_sockets(m, doc, err);
    if (result == 0) {
        m->upgraded = true;
        m->admin_fd = (int)json_member_int(doc, "admin", -1);
        m->inherited_sources = (int)json_member_int(doc, "sources", -1);
        m->inherited_config = (int)json_member_int(doc, "config", -1);
        inherit(m->admin_fd, false);
        inherit(m->inherited_sources, false);
        inherit(m->inherited_config, false);
        if ((int)json_member_int(doc, "serials", -1) > 0) /* old workers tell of theirs */
            m->serials = (int)json_member_int(doc, "serials", -1);
        adopt_shared(m, doc);
        adopt_workers(m, doc);
    }
    free(text);
    return result;
}

void upgrade_dismiss_old(struct master *m)
{
    for (struct list *n = m->hands.next; n != &m->hands; n = n->next) {
        struct hand *h = LIST_ENTRY(n, struct hand, node);
        if (!h->old || h->state == HAND_DRAINING)
            continue;
        h->state = HAND_DRAINING;
        crew_send(h, NULL, "{\"do\":\"leave\"}");
    }
}
