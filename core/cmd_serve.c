/* cmd_serve - the command "baton serve": the gateway, until a signal ends it.
 * SPDX-License-Identifier: MIT */
#include "commands.h"
#include "listen.h"
#include "options.h"
#include "request.h"
#include "task.h"
#include "worker.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

enum { CUT_MS = 200 };

struct serving {
    struct worker w;
    struct event *on_term, *on_int, *tick;
    int64_t deadline_us; /* of draining; 0: not yet */
    const char *address; /* --listen, or NULL */
    const char *config;  /* --config, or NULL */
};

/* Every descriptor the system allows; each request in flight needs two. */
static void raise_descriptors(struct log *log)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    log_write(log, LOG_INFO, "limits",
              (struct log_field[]){log_int("descriptors", (int64_t)limit.rlim_cur),
                                   log_int("requests_in_flight", (int64_t)limit.rlim_cur / 2 - 50)},
              2);
}

static void stop_when_idle(struct serving *s)
{
    struct worker *w = &s->w;

    if (http_pending(w->http) == 0 || w->fx->mono_us(w->fx) > s->deadline_us)
        event_base_loopbreak(w->base);
}

/* Four times a second: the log goes out, and draining looks whether it is over. */
static void on_tick(evutil_socket_t fd, short what, void *arg)
{
    struct serving *s = arg;

    (void)fd;
    (void)what;
    log_flush(&s->w.log);
    if (s->deadline_us)
        stop_when_idle(s);
}

/* The first signal drains, the second one ends at once. */
static void on_signal(evutil_socket_t number, short what, void *arg)
{
    struct serving *s = arg;
    struct worker *w = &s->w;

    (void)number;
    (void)what;
    if (s->deadline_us) {
        event_base_loopbreak(w->base);
        return;
    }
    log_write(&w->log, LOG_INFO, "draining",
              (struct log_field[]){log_int("in_flight", http_pending(w->http))}, 1);
    s->deadline_us = w->fx->mono_us(w->fx) + (int64_t)w->config.drain_timeout_ms * 1000;
    http_drain(w->http);
    stop_when_idle(s);
}

/* Time is up: who still waits gets an honest answer, and a moment to read it. */
static void cut_off(struct worker *w)
{
    struct timeval moment = {.tv_usec = CUT_MS * 1000};
    struct err err;

    err_set(&err, ERR_OVERLOADED, "the engine is stopping");
    for (struct list *node; (node = list_first(&w->current->tasks));) {
        struct task *t = LIST_ENTRY(node, struct task, in_generation);
        while (t->parent)
            t = t->parent;
        task_cancel(t, &err);
    }
    event_base_loopexit(w->base, &moment);
    event_base_dispatch(w->base);
}

static int listen_all(struct serving *s, struct err *err)
{
    struct worker *w = &s->w;
    const struct config *c = &w->config;

    if (!(w->http = http_new(w->base, &c->http, request_handle, w, err)))
        return -1;
    if (c->certificate && http_use_tls(w->http, c->certificate, c->key, err) < 0) {
        struct err old = *err;
        err_set(err, old.code, "configuration: tls.%s", old.message);
        config_blame(s->config, err);
        return -1;
    }
    return http_listen(w->http, s->address ? s->address : c->listen, err);
}

static int arm(struct serving *s, struct err *err)
{
    struct timeval quarter = {.tv_usec = 250000};
    struct event_base *base = s->w.base;

    s->on_term = evsignal_new(base, SIGTERM, on_signal, s);
    s->on_int = evsignal_new(base, SIGINT, on_signal, s);
    s->tick = event_new(base, -1, EV_PERSIST, on_tick, s);
    if (!s->on_term || !s->on_int || !s->tick || event_add(s->on_term, NULL) < 0 ||
        event_add(s->on_int, NULL) < 0 || event_add(s->tick, &quarter) < 0)
        return err_set(err, ERR_INTERNAL, "out of memory for signals");
    return 0;
}

static void disarm(struct serving *s)
{
    struct event *events[] = {s->on_term, s->on_int, s->tick};

    for (int i = 0; i < 3; i++)
        if (events[i])
            event_free(events[i]);
}

static void announce(struct serving *s)
{
    struct worker *w = &s->w;

    if (w->sim)
        log_write(&w->log, LOG_WARN,
                  "no provider is configured: answers come from the built-in simulated models; set "
                  "OPENAI_API_KEY or write a baton.lua",
                  NULL, 0);
    printf("baton: listening on %s%s\n",
           strncmp(http_address(w->http), "unix:", 5) == 0 ? ""
           : w->config.certificate                         ? "https://"
                                                           : "http://",
           http_address(w->http));
    fflush(stdout);
}

static int serve(struct serving *s, struct err *err)
{
    if (listen_all(s, err) < 0 || arm(s, err) < 0)
        return -1;
    announce(s);
    event_base_dispatch(s->w.base);
    int cut = http_pending(s->w.http);
    if (cut > 0)
        cut_off(&s->w);
    log_write(&s->w.log, LOG_INFO, "stopped", (struct log_field[]){log_int("cut", cut)}, 1);
    return 0;
}

int cmd_serve(int argc, char **argv)
{
    struct worker_options o = {0};
    const char *address = NULL;
    double workers = 1;
    const struct option options[] = {
        {"--listen", 'l', "ADDR", OPTION_TEXT, &address,
         "HOST:PORT or unix:PATH; port 0 picks one [127.0.0.1:8080]"},
        {"--workers", 0, "N", OPTION_NUMBER, &workers,
         "processes that serve; only 1 in this version [1]"},
        {"--config", 'c', "FILE", OPTION_TEXT, &o.config,
         "configuration [baton.lua, if it is there]"},
        {"--policies", 0, "DIR", OPTION_TEXT, &o.policies,
         "your policies; they come before the shipped ones"},
        {0},
    };
    const struct command command = {
        "serve", "baton serve [options]",
        "The gateway: applications talk to it as to OpenAI (POST /v1/chat/completions, GET "
        "/v1/models).\n"
        "The model's name chooses a policy (\"cascade\", \"auto\") or one model "
        "(\"openai/gpt-4o-mini\").\n"
        "SIGTERM stops accepting, finishes what is in flight, and ends.",
        options};
    struct serving *s = calloc(1, sizeof *s);
    struct err err;
    int operands = options_read(&command, argc, argv, false, &err), result = 1;

    if (operands == 0 && workers != 1)
        operands = err_set(&err, ERR_BAD_REQUEST, "--workers: this version serves with 1");
    if (operands == 0 && address && listen_check(address, &err) < 0)
        operands = err_prefix(&err, "--listen");
    if (operands < 0 || operands > 0 || !s) {
        free(s);
        return operands == -2
                   ? 0
                   : command_usage("serve", operands > 0 ? "it takes no operands" : err.message);
    }
    if (worker_init(&s->w, &o, &err) == 0) {
        raise_descriptors(&s->w.log);
        s->address = address;
        s->config = o.config;
        result = serve(s, &err) < 0;
        http_free(s->w.http);
        disarm(s);
        worker_deinit(&s->w);
    }
    free(s);
    return result ? command_failed("serve", &err) : 0;
}
