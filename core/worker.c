/* worker - one loop and everything that hangs from it.
 * SPDX-License-Identifier: MIT */
#include "worker.h"

#include "effect_live.h"
#include "home.h"
#include "sources.h"
#include "task.h"

#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The simulator runs on the same loop and speaks real HTTP over loopback. */
static int start_sim(struct worker *w, const struct worker_options *o, struct err *err)
{
    struct sim_options options;
    char url[256];

    sim_options_default(&options);
    if (!(w->sim = sim_new(w->base, w->home, &options, err)))
        return err_prefix(err, "the built-in simulator");
    snprintf(url, sizeof url, "http://%s/v1", sim_address(w->sim));
    config_deinit(&w->config);
    return config_load(&w->config, w->home, o->config, url, err);
}

static int load_config(struct worker *w, const struct worker_options *o, struct err *err)
{
    if (config_load(&w->config, w->home, o->config, NULL, err) < 0)
        return -1;
    if (w->config.providers.n == 0 && start_sim(w, o, err) < 0)
        return -1;
    w->log.level = (enum log_level)w->config.log_level;
    return 0;
}

static int load_generation(struct worker *w, const struct worker_options *o, struct err *err)
{
    struct sources sources;
    struct generation_plan plan = {.sources = &sources,
                                   .providers = &w->config.providers,
                                   .facts = {w->config.facts, strlen(w->config.facts)},
                                   .limits = w->config.task,
                                   .heap_max = w->config.heap_max};

    if (o->workflow)
        plan.limits = (struct guard_limits){
            .slice_ms = 10000, .bytes = (int64_t)w->config.heap_max, .steps = 2000 * 1000 * 1000};
    if (sources_read(&sources, w->home, o->policies, err) < 0)
        return -1;
    w->current = generation_new(&w->rt, &plan, err);
    sources_deinit(&sources);
    if (!w->current)
        config_blame(o->config, err);
    return w->current ? 0 : -1;
}

static void set_runtime(struct worker *w, const struct worker_options *o)
{
    w->rt.fx = w->fx;
    w->rt.shared = &w->shared;
    w->rt.log = &w->log;
    w->rt.print = o->print;
    w->rt.allow_read = o->allow_read;
    w->rt.allow_write = o->allow_write;
    w->rt.args = o->args;
}

/* With the change list, adding and removing interest in one turn of the loop costs one system call
 * or none. */
static int make_base(struct worker *w, struct err *err)
{
    struct event_config *c = event_config_new();

    if (c && event_config_set_flag(c, EVENT_BASE_FLAG_EPOLL_USE_CHANGELIST) == 0)
        w->base = event_base_new_with_config(c);
    if (c)
        event_config_free(c);
    return w->base ? 0 : err_set(err, ERR_INTERNAL, "cannot make an event loop");
}

int worker_init(struct worker *w, const struct worker_options *o, struct err *err)
{
    struct transfers_config transfers;
    struct shared_sizes sizes;

    memset(w, 0, sizeof *w);
    log_init(&w->log, STDERR_FILENO, LOG_INFO);
    if (make_base(w, err) < 0)
        goto fail;
    if (home_find(w->home, sizeof w->home, err) < 0 || load_config(w, o, err) < 0)
        goto fail;
    transfers_config_default(&transfers);
    shared_sizes_default(&sizes);
    if (shared_new(&w->shared, &sizes, err) < 0 || !(w->cache = cache_new(CACHE_BYTES, err)) ||
        !(w->transfers = transfers_new(w->base, &transfers, err)) ||
        !(w->fx = effect_live_new(w->base, w->transfers, &w->shared, w->cache, err)))
        goto fail;
    if (watchdog_init(&w->rt.dog, err) < 0)
        goto fail;
    w->watched = true;
    set_runtime(w, o);
    if (load_generation(w, o, err) < 0)
        goto fail;
    return 0;
fail:
    worker_deinit(w);
    return -1;
}

void worker_deinit(struct worker *w)
{
    generation_unref(w->current);
    if (w->watched)
        watchdog_deinit(&w->rt.dog);
    if (w->fx)
        w->fx->free(w->fx);
    transfers_free(w->transfers);
    cache_free(w->cache);
    shared_free(&w->shared);
    sim_free(w->sim);
    config_deinit(&w->config);
    if (w->base)
        event_base_free(w->base);
    log_deinit(&w->log);
    memset(w, 0, sizeof *w);
}

/* ---- one task, to its end ---- */

struct running_job {
    const struct worker_job *job;
    struct event_base *base;
    struct err *err;
    int result;
    bool over;
};

static int after_job(lua_State *L, int status, lua_KContext ctx)
{
    (void)L;
    (void)status;
    (void)ctx;
    return 0;
}

/* The task's body. Argument: the job, as light userdata. */
static int l_job(lua_State *L)
{
    const struct worker_job *job = lua_touserdata(L, 1);
    int n = 0;

    if (job->script) {
        generation_push_script(L, job->script);
    } else {
        generation_require(L, job->module);
        lua_getfield(L, -1, job->function);
    }
    for (; job->texts && job->texts[n]; n++) {
        luaL_checkstack(L, 4, NULL);
        lua_pushstring(L, job->texts[n]);
    }
    lua_callk(L, n, 0, 0, after_job);
    return 0;
}

static void on_job_end(struct task *t, const struct err *err)
{
    struct running_job *r = t->arg;

    r->over = true;
    if (err) {
        *r->err = *err;
        r->result = -1;
    }
    event_base_loopbreak(r->base);
}

int worker_run(struct worker *w, const struct worker_job *job, struct err *err)
{
    struct running_job r = {.job = job, .base = w->base, .err = err};
    struct task *t = task_new(w->current, NULL, job->ledger, on_job_end, &r, err);

    if (!t)
        return -1;
    lua_pushcfunction(t->L, l_job);
    lua_pushlightuserdata(t->L, (void *)job);
    task_start(t, 1);
    while (!r.over && event_base_loop(w->base, EVLOOP_ONCE) == 0)
        ;
    return r.over ? r.result : err_set(err, ERR_INTERNAL, "the script waits for nothing");
}
