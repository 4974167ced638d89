/* load - one generation with its configuration, as a worker has it.
 * SPDX-License-Identifier: MIT */
#include "load.h"

#include "task.h"
#include "tls.h"
#include "trace_log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Stands for the simulator in a trial, which calls nothing. */
#define NO_SIMULATOR "http://127.0.0.1:9/v1"

static void load_free(struct load *l)
{
    struct worker *w = l->w;
    int64_t serial = l->serial;

    list_remove(&l->node);
    sources_deinit(&l->sources);
    buf_deinit(&l->config_text);
    config_deinit(&l->config);
    free(l);
    if (w->on_freed)
        w->on_freed(w, serial);
}

static void on_close(void *arg)
{
    load_free(arg);
}

/* The simulator runs on the same loop and speaks real HTTP over loopback. */
static int start_sim(struct worker *w, struct err *err)
{
    struct sim_options options;

    if (w->sim)
        return 0;
    sim_options_default(&options);
    if (!(w->sim = sim_new(w->base, w->home, &options, err)))
        return err_prefix(err, "the built-in simulator");
    return 0;
}

static int configure(struct load *l, struct err *err)
{
    struct worker *w = l->w;
    struct span text = {NULL, 0};
    char url[256] = NO_SIMULATOR;

    if (l->config_name[0]) {
        text = buf_span(&l->config_text);
        text.p = text.p ? text.p : "";
    }
    if (w->o.recorded.p)
        return config_load_recorded(&l->config, &l->sources, l->config_name, text, w->o.recorded,
                                    err);
    if (config_load_text(&l->config, &l->sources, l->config_name, text, NULL, err) < 0)
        return -1;
    if (l->config.providers.n > 0)
        return 0;
    if (!w->o.trial) {
        if (start_sim(w, err) < 0)
            return -1;
        snprintf(url, sizeof url, "http://%s/v1", sim_address(w->sim));
    }
    config_deinit(&l->config);
    return config_load_text(&l->config, &l->sources, l->config_name, text, url, err);
}

int load_check_files(const struct config *c, bool traces, struct err *err)
{
    if (c->certificate) {
        struct tls *t = tls_new(c->certificate, c->key, err);
        if (!t) {
            struct err old = *err;
            return err_set(err, old.code, "configuration: tls.%s", old.message);
        }
        tls_free(t);
    }
    if (traces && c->trace_log && trace_log_check(c->trace_log, err) < 0)
        return err_prefix(err, "configuration: trace_log");
    return 0;
}

/* Better refused now than found out by the first client. */
static int check_files(const struct load *l, struct err *err)
{
    bool traces = l->w->o.serves && !l->w->o.trace_log; /* into the configured file */

    if (load_check_files(&l->config, traces, err) == 0)
        return 0;
    config_blame_text(l->config_name, buf_span(&l->config_text), err);
    return -1;
}

static int build(struct load *l, struct err *err)
{
    struct worker *w = l->w;
    const struct config *c = &l->config;
    struct generation_plan plan = {.sources = &l->sources,
                                   .providers = &c->providers,
                                   .facts = {c->facts, strlen(c->facts)},
                                   .limits = c->task,
                                   .heap_max = c->heap_max};

    if (w->o.workflow)
        plan.limits = (struct guard_limits){
            .slice_ms = 10000, .bytes = (int64_t)c->heap_max, .steps = 2000 * 1000 * 1000};
    if (!(l->g = generation_begin(&w->rt, &plan, err)))
        return -1;
    l->g->serial = (uint64_t)l->serial;
    l->g->on_close = on_close;
    l->g->on_close_arg = l;
    return 0;
}

struct load *load_begin(struct worker *w, int64_t serial, struct sources *sources, const char *name,
                        struct span text, struct err *err)
{
    struct load *l = calloc(1, sizeof *l);

    if (!l) {
        sources_deinit(sources);
        err_set(err, ERR_OVERLOADED, "out of memory");
        return NULL;
    }
    l->w = w;
    l->serial = serial;
    l->sources = *sources;
    *sources = (struct sources){0};
    list_append(&w->loads, &l->node);
    snprintf(l->config_name, sizeof l->config_name, "%s", text.p ? name : "");
    buf_init(&l->config_text, text.n + 1);
    if (buf_add_span(&l->config_text, text) < 0) {
        err_set(err, ERR_OVERLOADED, "out of memory");
        goto fail;
    }
    if (configure(l, err) < 0 || check_files(l, err) < 0 || build(l, err) < 0)
        goto fail;
    return l;
fail:
    load_free(l);
    return NULL;
}

int load_step(struct load *l, struct err *err)
{
    int more = generation_step(l->g, err);

    if (more > 0)
        return 1;
    if (more < 0) {
        if (l->config_name[0])
            config_blame_text(l->config_name, buf_span(&l->config_text), err);
        l->state = LOAD_RETIRED;
        generation_unref(l->g);
        return -1;
    }
    l->state = LOAD_READY;
    sources_deinit(&l->sources);
    buf_deinit(&l->config_text);
    return 0;
}

void load_retire(struct load *l)
{
    if (l->state == LOAD_RETIRED)
        return;
    if (l->state == LOAD_READY) {
        generation_retire(l->g);
        questions_limit(l->w->questions, (uint64_t)l->serial, l->config.human_pin_us);
    }
    l->state = LOAD_RETIRED;
    generation_unref(l->g);
}

struct load *load_find(struct worker *w, int64_t serial)
{
    for (struct list *n = w->loads.next; n != &w->loads; n = n->next)
        if (LIST_ENTRY(n, struct load, node)->serial == serial)
            return LIST_ENTRY(n, struct load, node);
    return NULL;
}

int load_count(const struct worker *w)
{
    int count = 0;

    for (const struct list *n = w->loads.next; n != &w->loads; n = n->next)
        count++;
    return count;
}

int load_tasks(const struct load *l)
{
    int count = 0;

    for (const struct list *n = l->g->tasks.next; n != &l->g->tasks; n = n->next)
        count++;
    return count;
}
