/* cmd_worker - the command "baton worker": one of the master's processes that serve. Internal.
 * SPDX-License-Identifier: MIT
 *
 * The master tells it what to load and what of that to serve, over the channel (core/channel.h):
 *   {"do":"load","serial":7,"config":"baton.lua"} with the sources' and the configuration's descriptors
 *   {"do":"route","base":7,"canary":8,"share":0.05}   {"do":"forget","serial":7}
 *   {"do":"requests","query":1}   {"do":"cancel","query":2,"id":"..."}
 *   {"do":"questions","query":3}   {"do":"answer","query":4,"id":"q_...","text":"...","by":"..."}
 *   {"do":"expire","query":5,"id":"q_..."}
 *   {"do":"leave"}: another worker takes the place   {"do":"stop"}: the engine ends   {"do":"cut"}: at once
 * and it tells the master:
 *   {"is":"loaded","serial":7,"policies":["..."]}   {"is":"refused","serial":7,"code":"...","error":"..."}
 *   {"is":"ready"} after the first route   {"is":"freed","serial":6}   {"is":"draining"}
 *   {"is":"answer","query":1,...} */
#include "commands.h"

#include "channel.h"
#include "json.h"
#include "load.h"
#include "memfd.h"
#include "options.h"
#include "request.h"
#include "task.h"
#include "worker_memory.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    TICK_US = 250000,
    BUILD_US = 200,  /* of building in one turn of the loop: requests wait for some turns */
    CUT_US = 300000, /* for the last words to go out */
    TRIAL_NICE = 19  /* it has time; who serves beside it has not */
};

struct serving {
    struct worker w; /* first: on_freed gets it */
    int channel, socket, slot_number;
    struct worker_slot *slot; /* NULL in a trial */
    struct event *readable, *build, *tick, *term;
    int ticks;
    struct worker_memory memory;
    bool draining, is_cut;
    int64_t deadline_us;
};

static void tell(struct serving *s, const struct buf *text)
{
    struct err err;

    if (channel_send(s->channel, buf_span(text), NULL, &err) < 0 && err.code != ERR_UNAVAILABLE)
        log_write(&s->w.log, LOG_ERROR, "the master takes no message",
                  (struct log_field[]){log_text("error", err.message)}, 1);
}

static void say(struct serving *s, const char *what)
{
    struct buf text;

    buf_init(&text, 64);
    buf_printf(&text, "{\"is\":\"%s\"}", what);
    tell(s, &text);
    buf_deinit(&text);
}

/* ---- loading ---- */

static void refuse(struct serving *s, int64_t serial, const struct err *err)
{
    struct buf text;

    buf_init(&text, CHANNEL_TEXT_MAX);
    buf_printf(&text,
               "{\"is\":\"refused\",\"serial\":%lld,\"code\":\"%s\",\"error\":", (long long)serial,
               err_name(err->code));
    json_write_text(&text, (struct span){err->message, strlen(err->message)});
    buf_puts(&text, "}");
    tell(s, &text);
    buf_deinit(&text);
}

/* The names of its policies, as serve.lua lists them: JSON. */
static int l_names(lua_State *L)
{
    struct buf *out = lua_touserdata(L, 1);
    struct span names;

    generation_require(L, "serve");
    lua_getfield(L, -1, "names");
    lua_call(L, 0, 1);
    names.p = lua_tolstring(L, -1, &names.n);
    buf_add_span(out, names);
    return 0;
}

static void say_loaded(struct serving *s, struct load *l)
{
    struct buf text;

    buf_init(&text, CHANNEL_TEXT_MAX);
    buf_printf(&text, "{\"is\":\"loaded\",\"serial\":%lld,\"policies\":", (long long)l->serial);
    lua_pushcfunction(l->g->L, l_names);
    lua_pushlightuserdata(l->g->L, &text);
    if (lua_pcall(l->g->L, 1, 0, 0) != LUA_OK) {
        lua_pop(l->g->L, 1);
        buf_puts(&text, "[]");
    }
    buf_puts(&text, "}");
    tell(s, &text);
    buf_deinit(&text);
}

static struct load *unbuilt(struct worker *w)
{
    for (struct list *n = w->loads.next; n != &w->loads; n = n->next)
        if (LIST_ENTRY(n, struct load, node)->state == LOAD_BUILDING)
            return LIST_ENTRY(n, struct load, node);
    return NULL;
}

/* A little of it in each turn of the loop, so that requests go on meanwhile. */
static void on_build(evutil_socket_t fd, short what, void *arg)
{
    struct serving *s = arg;
    struct worker *w = &s->w;
    struct load *l = unbuilt(w);
    int64_t stop = w->fx->mono_us(w->fx) + BUILD_US;
    struct err err;
    int more = 1;

    (void)fd;
    (void)what;
    if (!l)
        return;
    int64_t serial = l->serial;
    while (more > 0 && w->fx->mono_us(w->fx) < stop)
        more = load_step(l, &err);
    if (more < 0)
        refuse(s, serial, &err);
    else if (more == 0)
        say_loaded(s, l);
    if (unbuilt(w))
        worker_continue(w, s->build);
}

static int load(struct serving *s, struct span m, struct channel_message *with, struct err *err)
{
    struct sources sources;
    struct span text = {NULL, 0};
    char name[2048]; /* as it is written, six bytes for each that cannot be shown */

    json_member_text(m, "config", name, sizeof name);
    /* A process that has no descriptor left gets the message without them. */
    if (with->fds[0] < 0 || (name[0] && with->fds[1] < 0))
        return err_set(err, ERR_OVERLOADED, "the worker has no descriptors left for the files");
    if (load_count(&s->w) >= SLOT_LOADS)
        return err_set(err, ERR_OVERLOADED,
                       "%d generations are still in use by requests; wait for them, or end them",
                       SLOT_LOADS);
    if (sources_from_memfd(&sources, with->fds[0], err) < 0)
        return -1;
    if (with->fds[1] >= 0 && memfd_map(with->fds[1], CONFIG_MAX, &text, err) < 0) {
        sources_deinit(&sources);
        return -1;
    }
    struct load *l = load_begin(&s->w, json_member_int(m, "serial", 0), &sources, name, text, err);
    if (text.p)
        memfd_unmap(text);
    return l ? 0 : -1;
}

static void on_load(struct serving *s, struct span m, struct channel_message *with)
{
    struct err err;

    if (load(s, m, with, &err) < 0)
        refuse(s, json_member_int(m, "serial", 0), &err);
    else
        event_active(s->build, EV_TIMEOUT, 1);
}

static void on_freed(struct worker *w, int64_t serial)
{
    struct buf text;

    buf_init(&text, 256);
    buf_printf(&text, "{\"is\":\"freed\",\"serial\":%lld}", (long long)serial);
    tell((struct serving *)w, &text);
    buf_deinit(&text);
}

/* ---- serving ---- */

static int open_door(struct serving *s, struct err *err)
{
    struct worker *w = &s->w;
    const struct config *c = &w->front->config;

    if (!(w->http = http_new(w->base, &c->http, request_handle, w, err)))
        return -1;
    if (c->certificate && http_use_tls(w->http, c->certificate, c->key, err) < 0)
        return -1;
    return http_listen_fd(w->http, s->socket, err);
}

/* New connections are held to the new configuration; a certificate that cannot be read leaves the old one. */
static void renew_door(struct worker *w)
{
    const struct config *c = &w->front->config;
    struct err err;

    http_set_limits(w->http, &c->http);
    if (c->certificate && http_use_tls(w->http, c->certificate, c->key, &err) < 0)
        log_write(&w->log, LOG_ERROR, "the certificate cannot be used; the old one goes on",
                  (struct log_field[]){log_text("error", err.message)}, 1);
}

static void retire_unused(struct worker *w, struct load *l)
{
    if (l && l != w->front && l != w->canary)
        load_retire(l);
}

/* What is older than what is served will not be served again under its number; what is newer may be about to. */
static void retire_older(struct worker *w)
{
    int64_t newest =
        w->canary && w->canary->serial > w->front->serial ? w->canary->serial : w->front->serial;

    for (struct list *n = w->loads.next; n != &w->loads;) {
        struct load *l = LIST_ENTRY(n, struct load, node);
        n = n->next;
        if (l->serial < newest && l->state == LOAD_READY)
            retire_unused(w, l);
    }
}

static void end_at_once(struct serving *s, const struct err *err)
{
    log_write(&s->w.log, LOG_ERROR, "a worker cannot serve",
              (struct log_field[]){log_text("error", err->message)}, 1);
    event_base_loopbreak(s->w.base);
}

static void on_route(struct serving *s, struct span m)
{
    struct worker *w = &s->w;
    struct load *front = load_find(w, json_member_int(m, "base", 0)),
                *canary = load_find(w, json_member_int(m, "canary", 0)), *old = w->front,
                *old_canary = w->canary;
    struct err err;

    if (!front || front->state != LOAD_READY)
        return; /* it is told again when that is loaded */
    w->front = front;
    w->canary = canary && canary->state == LOAD_READY ? canary : NULL;
    w->share = 0;
    json_double(json_member(m, "share"), &w->share);
    w->log.level = (enum log_level)front->config.log_level;
    cache_resize(w->cache, front->config.cache_bytes);
    questions_configure(w->questions, &front->config.human);
    worker_trace_use(&w->trace, &w->log, w->o.trace_log ? w->o.trace_log : front->config.trace_log);
    if (front != old)
        generation_start_timers(front->g);
    retire_older(w);
    retire_unused(w, old_canary); /* rolled back, it is newer */
    if (w->http) {
        if (front != old)
            renew_door(w);
    } else if (open_door(s, &err) < 0) {
        end_at_once(s, &err);
    } else {
        say(s, "ready");
    }
}

static void on_forget(struct worker *w, int64_t serial)
{
    struct load *l = load_find(w, serial);

    if (l)
        retire_unused(w, l);
}

/* ---- what is in flight ---- */

static void on_requests(struct serving *s, int64_t query)
{
    struct buf text;

    buf_init(&text, CHANNEL_TEXT_MAX);
    buf_printf(&text, "{\"is\":\"answer\",\"query\":%lld,", (long long)query);
    request_list(&s->w, &text);
    buf_puts(&text, "}");
    tell(s, &text);
    buf_deinit(&text);
}

static void on_cancel(struct serving *s, struct span m)
{
    char id[160];
    struct buf text;

    json_member_text(m, "id", id, sizeof id);
    buf_init(&text, 256);
    buf_printf(&text, "{\"is\":\"answer\",\"query\":%lld,\"cancelled\":%d}",
               (long long)json_member_int(m, "query", 0), request_cancel(&s->w, id));
    tell(s, &text);
    buf_deinit(&text);
}

/* ---- questions to people ---- */

static void on_questions(struct serving *s, int64_t query)
{
    struct buf text;

    buf_init(&text, CHANNEL_TEXT_MAX);
    buf_printf(&text, "{\"is\":\"answer\",\"query\":%lld,", (long long)query);
    questions_list(s->w.questions, &text);
    buf_puts(&text, "}");
    tell(s, &text);
    buf_deinit(&text);
}

static void say_done(struct serving *s, int64_t query, int done, const struct err *refused)
{
    struct buf text;

    buf_init(&text, 8 << 10);
    buf_printf(&text, "{\"is\":\"answer\",\"query\":%lld,\"done\":%d", (long long)query, done);
    if (refused) {
        buf_puts(&text, ",\"refused\":");
        json_write_text(&text, (struct span){refused->message, strlen(refused->message)});
    }
    buf_puts(&text, "}");
    tell(s, &text);
    buf_deinit(&text);
}

static void on_person(struct serving *s, struct span m)
{
    char id[QUESTION_ID_MAX], by[256];
    struct span given = json_member(m, "text");
    struct buf text;
    struct err err;
    int done = 0;

    json_member_text(m, "id", id, sizeof id);
    json_member_text(m, "by", by, sizeof by);
    buf_init(&text, CHANNEL_TEXT_MAX);
    if (given.p && json_text(given, &text) == 0)
        done = questions_answer(s->w.questions, id,
                                (struct span){text.data ? text.data : "", text.len},
                                (struct span){by, strlen(by)}, &err);
    say_done(s, json_member_int(m, "query", 0), done, done < 0 ? &err : NULL);
    buf_deinit(&text);
}

static void on_expire(struct serving *s, struct span m)
{
    char id[QUESTION_ID_MAX];

    json_member_text(m, "id", id, sizeof id);
    say_done(s, json_member_int(m, "query", 0), questions_expire(s->w.questions, id), NULL);
}

/* ---- the end ---- */

/* False: there is nothing to finish. */
static bool begin_to_drain(struct serving *s)
{
    struct worker *w = &s->w;

    if (!w->http) {
        event_base_loopbreak(w->base);
        return false;
    }
    if (!s->draining) {
        generation_retire(w->front->g); /* its timers; requests go on */
        s->deadline_us = w->fx->mono_us(w->fx) + (int64_t)w->front->config.drain_timeout_ms * 1000;
    }
    s->draining = true;
    return true;
}

/* What waits at the socket is left to the worker that takes this one's place. */
static void leave(struct serving *s)
{
    if (!s->draining && begin_to_drain(s))
        http_leave(s->w.http);
}

/* Nobody comes after us: what waits at the socket is taken, then it is closed. */
static void stop(struct serving *s)
{
    bool left = s->draining;
    struct err err;

    if (!begin_to_drain(s) || s->socket < 0)
        return;
    if (!left || http_listen_fd(s->w.http, s->socket, &err) == 0)
        http_drain(s->w.http);
    close(s->socket);
    s->socket = -1;
}

/* Time is up: who still waits gets an honest answer, and a moment to read it. */
static void cut(struct serving *s)
{
    struct worker *w = &s->w;
    int cut = w->http ? http_pending(w->http) : 0;

    s->is_cut = true;
    stop(s);
    questions_end(w->questions, "the engine is stopping");
    request_cancel_all(w, "the engine is stopping");
    if (cut)
        log_write(&w->log, LOG_WARN, "requests were cut off when the engine stopped",
                  (struct log_field[]){log_int("requests", cut)}, 1);
    s->deadline_us = w->fx->mono_us(w->fx) + CUT_US;
}

static void on_term(evutil_socket_t number, short what, void *arg)
{
    struct serving *s = arg;

    (void)number;
    (void)what;
    say(s, "draining");
    leave(s);
}

static void look_for_the_end(struct serving *s)
{
    struct worker *w = &s->w;

    if (w->http && http_connections(w->http) == 0)
        event_base_loopbreak(w->base);
    else if (w->fx->mono_us(w->fx) < s->deadline_us)
        return;
    else if (!s->is_cut && !list_empty(&w->requests))
        cut(s);
    else
        event_base_loopbreak(w->base);
}

/* ---- the beat ---- */

static int64_t resident(void)
{
    long pages = 0;
    FILE *f = fopen("/proc/self/statm", "re");

    if (f) {
        if (fscanf(f, "%*s %ld", &pages) != 1)
            pages = 0;
        fclose(f);
    }
    return (int64_t)pages * sysconf(_SC_PAGESIZE);
}

static void write_loads(struct serving *s)
{
    int i = 0;
    int64_t heap = 0;
    int tasks = 0;

    for (struct list *n = s->w.loads.next; n != &s->w.loads && i < SLOT_LOADS; n = n->next, i++) {
        const struct load *l = LIST_ENTRY(n, struct load, node);
        int alive = l->g ? load_tasks(l) : 0;
        s->slot->loads[i].serial = l->serial;
        s->slot->loads[i].in_flight = alive;
        heap += l->g ? (int64_t)l->g->heap.live : 0;
        tasks += alive;
    }
    for (; i < SLOT_LOADS; i++)
        s->slot->loads[i].serial = 0;
    s->slot->heap = heap;
    s->slot->tasks = tasks;
}

static void write_cache(struct serving *s)
{
    struct cache_stats cache;

    cache_stats(s->w.cache, &cache);
    s->slot->cache_bytes = (int64_t)cache.bytes;
    s->slot->cache_entries = (int64_t)cache.entries;
    s->slot->cache_hits = (int64_t)cache.hits;
    s->slot->cache_misses = (int64_t)cache.misses;
}

static void write_slot(struct serving *s)
{
    struct worker *w = &s->w;
    s->slot->in_flight = w->http ? http_pending(w->http) : 0;
    s->slot->connections = w->http ? http_connections(w->http) : 0;
    s->slot->calls_waiting = transfers_waiting(w->transfers);
    s->slot->log_waiting = (int64_t)w->log.waiting.len;
    s->slot->log_dropped = (int64_t)w->log.lost;
    s->slot->questions = questions_count(w->questions);
    s->slot->trace_waiting = (int64_t)w->trace.seen.waiting;
    s->slot->trace_dropped = (int64_t)(w->trace.before + w->trace.seen.dropped);
    write_loads(s);
    if (s->ticks++ % 4 == 1) {
        s->slot->resident = resident();
        write_cache(s);
    }
    s->slot->beat_us = w->fx->mono_us(w->fx);
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
    struct serving *s = arg;

    (void)fd;
    (void)what;
    log_flush(&s->w.log);
    if (s->w.front)
        request_keep_alive(&s->w);
    worker_memory_tick(&s->memory, &s->w);
    worker_trace_tick(&s->w.trace, &s->w.log, s->w.fx->mono_us(s->w.fx));
    if (s->slot)
        write_slot(s);
    if (s->draining)
        look_for_the_end(s);
}

/* ---- messages ---- */

static void take(struct serving *s, struct channel_message *message)
{
    struct span m = buf_span(&message->text), what = json_member(m, "do");

    if (json_is_text(what, "load"))
        on_load(s, m, message);
    else if (json_is_text(what, "route"))
        on_route(s, m);
    else if (json_is_text(what, "forget"))
        on_forget(&s->w, json_member_int(m, "serial", 0));
    else if (json_is_text(what, "requests"))
        on_requests(s, json_member_int(m, "query", 0));
    else if (json_is_text(what, "cancel"))
        on_cancel(s, m);
    else if (json_is_text(what, "questions"))
        on_questions(s, json_member_int(m, "query", 0));
    else if (json_is_text(what, "answer"))
        on_person(s, m);
    else if (json_is_text(what, "expire"))
        on_expire(s, m);
    else if (json_is_text(what, "leave"))
        leave(s);
    else if (json_is_text(what, "stop"))
        stop(s);
    else if (json_is_text(what, "cut"))
        cut(s);
}

/* Without its master a worker finishes what it has, and goes. */
static void on_message(evutil_socket_t fd, short what, void *arg)
{
    struct serving *s = arg;
    struct channel_message m;
    struct err err;

    (void)what;
    channel_message_init(&m);
    int got = channel_receive(fd, &m);
    if (got < 0) {
        event_del(s->readable);
        stop(s);
    } else if (got > 0 && json_check(buf_span(&m.text), &err) == 0) {
        take(s, &m);
    }
    channel_message_deinit(&m);
}

static int arm(struct serving *s, struct err *err)
{
    struct timeval quarter = {.tv_usec = TICK_US};
    struct event_base *base = s->w.base;

    s->readable = event_new(base, s->channel, EV_READ | EV_PERSIST, on_message, s);
    if (s->readable)
        event_priority_set(s->readable, WORKER_FIRST);
    s->build = event_new(base, -1, 0, on_build, s);
    s->tick = event_new(base, -1, EV_PERSIST, on_tick, s);
    s->term = evsignal_new(base, SIGTERM, on_term, s);
    if (!s->readable || !s->build || !s->tick || !s->term || event_add(s->readable, NULL) < 0 ||
        event_add(s->tick, &quarter) < 0 || event_add(s->term, NULL) < 0)
        return err_set(err, ERR_INTERNAL, "out of memory for events");
    return 0;
}

static void disarm(struct serving *s)
{
    struct event *events[] = {s->readable, s->build, s->tick, s->term};

    for (int i = 0; i < 4; i++)
        if (events[i])
            event_free(events[i]);
}

static int serve(struct serving *s, const struct worker_options *o, struct err *err)
{
    int result = -1;

    if (worker_init(&s->w, o, err) < 0)
        return -1;
    s->w.on_freed = on_freed;
    if (s->slot_number >= 0 && s->slot_number < s->w.shared.n_slots)
        s->slot = &s->w.shared.slots[s->slot_number];
    if (arm(s, err) == 0) {
        on_tick(-1, 0, s);
        event_base_dispatch(s->w.base);
        result = 0;
    }
    http_free(s->w.http);
    disarm(s);
    worker_deinit(&s->w);
    return result;
}

/* They must not reach programs that this one may start one day. */
static int inherited(double number)
{
    int fd = (int)number;

    if (fd >= 0)
        fcntl(fd, F_SETFD, FD_CLOEXEC);
    return fd;
}

/* What a terminal or somebody else sends to the whole group: the master decides. */
static void ignore_signals(void)
{
    signal(SIGINT, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    signal(SIGUSR2, SIG_IGN);
}

int cmd_worker(int argc, char **argv)
{
    struct worker_options o = {0};
    double channel = -1, shared = -1, socket = -1, slot = -1;
    const struct option options[] = {
        {"--channel", 0, "FD", OPTION_NUMBER, &channel, "to the master"},
        {"--shared", 0, "FD", OPTION_NUMBER, &shared, "memory of all processes; -1: its own"},
        {"--listen", 0, "FD", OPTION_NUMBER, &socket, "where clients come in; -1: a trial"},
        {"--slot", 0, "N", OPTION_NUMBER, &slot, "its place in the shared memory"},
        {"--trace-log", 0, "FILE", OPTION_TEXT, &o.trace_log, "a line for each request"},
        {0},
    };
    const struct command command = {
        "worker", "baton worker (started by baton serve)",
        "One of the processes that \"baton serve\" starts. Not for people.", options};
    struct serving *s = calloc(1, sizeof *s);
    struct err err;
    int operands = options_read(&command, argc, argv, false, &err), result = 2;

    if (s && operands == 0 && channel >= 3 && (shared >= 3 || socket < 0)) {
        ignore_signals();
        s->channel = inherited(channel);
        s->socket = inherited(socket);
        s->slot_number = (int)slot;
        o.shared_fd = shared < 0 ? 0 : inherited(shared);
        o.trial = s->socket < 0;
        o.serves = true;
        if (o.trial)
            nice(TRIAL_NICE);
        result = serve(s, &o, &err) < 0 ? command_failed("worker", &err) : 0;
    } else if (operands != -2) {
        result = command_usage("worker", "it is started by \"baton serve\"");
    } else {
        result = 0;
    }
    free(s);
    return result;
}
