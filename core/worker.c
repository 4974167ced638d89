/* worker - one loop and everything that hangs from it.
 * SPDX-License-Identifier: MIT */
#include "worker.h"

#include "effect_live.h"
#include "home.h"
#include "load.h"
#include "lua_json.h"
#include "sources.h"
#include "task.h"

#include <lauxlib.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TRIM_BYTES = 16 << 20, CHORE_PAUSE_US = 2000 };

/* ---- generations that nobody uses any more are closed a little at a time ---- */

/* malloc keeps what was freed for later; of a large generation the system gets it back. */
static void give_back(struct worker *w)
{
    if (w->buried > TRIM_BYTES)
        malloc_trim(0);
    w->buried = 0;
}

static bool is_busy(const struct worker *w)
{
    for (const struct list *n = w->loads.next; n != &w->loads; n = n->next) {
        const struct load *l = LIST_ENTRY(n, struct load, node);
        if (l->g && !list_empty(&l->g->tasks))
            return true;
    }
    return false;
}

void worker_continue(struct worker *w, struct event *e)
{
    if (is_busy(w))
        event_add(e, &(struct timeval){0, CHORE_PAUSE_US});
    else
        event_active(e, EV_TIMEOUT, 1);
}

static void on_undertake(evutil_socket_t fd, short what, void *arg)
{
    struct worker *w = arg;
    struct list *first = list_first(&w->graves);

    (void)fd;
    (void)what;
    if (!first)
        return;
    struct generation *g = LIST_ENTRY(first, struct generation, in_grave);
    list_remove(first); /* the last step frees it */
    if (generation_bury_step(g))
        list_append(&w->graves, first);
    if (!list_empty(&w->graves))
        worker_continue(w, w->undertaker);
    else
        give_back(w);
}

static void bury(struct runtime *rt, struct generation *g)
{
    struct worker *w = (struct worker *)((char *)rt - offsetof(struct worker, rt));

    w->buried += g->heap.live;
    list_append(&w->graves, &g->in_grave);
    event_active(w->undertaker, EV_TIMEOUT, 1);
}

static void bury_all(struct worker *w)
{
    struct list *first;

    while ((first = list_first(&w->graves))) {
        struct generation *g = LIST_ENTRY(first, struct generation, in_grave);
        list_remove(first);
        while (generation_bury_step(g))
            ;
    }
}

/* ---- birth and end ---- */

static void set_runtime(struct worker *w, const struct worker_options *o)
{
    w->rt.fx = w->fx;
    w->rt.shared = &w->shared;
    w->rt.log = &w->log;
    w->rt.print = o->print;
    w->rt.allow_read = o->allow_read;
    w->rt.allow_net = o->allow_net;
    w->rt.allow_write = o->allow_write;
    w->rt.args = o->args;
    w->rt.bury = bury;
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
    if (w->base && event_base_priority_init(w->base, WORKER_PRIORITIES) == 0)
        return 0;
    return err_set(err, ERR_INTERNAL, "cannot make an event loop");
}

static int make_shared(struct worker *w, struct err *err)
{
    struct shared_sizes sizes;

    shared_sizes_default(&sizes);
    if (w->o.shared_fd)
        return shared_attach(&w->shared, w->o.shared_fd, err);
    return shared_new(&w->shared, &sizes, err);
}

int worker_init(struct worker *w, const struct worker_options *o, struct err *err)
{
    struct transfers_config transfers;

    memset(w, 0, sizeof *w);
    w->o = *o;
    list_init(&w->loads);
    list_init(&w->graves);
    list_init(&w->requests);
    log_init(&w->log, STDERR_FILENO, LOG_INFO);
    transfers_config_default(&transfers);
    if (make_base(w, err) < 0 || home_find(w->home, sizeof w->home, err) < 0 ||
        make_shared(w, err) < 0)
        goto fail;
    if (!(w->undertaker = event_new(w->base, -1, 0, on_undertake, w))) {
        err_set(err, ERR_OVERLOADED, "out of memory");
        goto fail;
    }
    if (!(w->cache = cache_new(CACHE_BYTES, err)) ||
        !(w->transfers = transfers_new(w->base, &transfers, err)) ||
        !(w->fx = effect_live_new(w->base, w->transfers, &w->shared, w->cache, err)))
        goto fail;
    if (!(w->questions = questions_new(w->fx, &w->log, err)))
        goto fail;
    w->fx->questions = w->questions;
    if (watchdog_init(&w->rt.dog, err) < 0)
        goto fail;
    w->watched = true;
    set_runtime(w, o);
    return 0;
fail:
    worker_deinit(w);
    return -1;
}

int worker_load_files(struct worker *w, struct err *err)
{
    const char *path = w->o.bare ? NULL : config_path(w->o.config);
    struct sources sources;
    struct buf text;
    int more = -1;

    buf_init(&text, CONFIG_MAX);
    if ((!path || config_read(path, &text, err) == 0) &&
        sources_read(&sources, w->home, w->o.policies, err) == 0) {
        struct span given = {path ? text.data ? text.data : "" : NULL, text.len};
        w->front = load_begin(w, 1, &sources, path, given, err);
        while (w->front && (more = load_step(w->front, err)) > 0)
            ;
    }
    buf_deinit(&text);
    if (more < 0) {
        w->front = NULL;
        return -1;
    }
    w->log.level = (enum log_level)w->front->config.log_level;
    cache_resize(w->cache, w->front->config.cache_bytes);
    health_configure(w->shared.health, &w->front->config.breaker);
    return 0;
}

static void drop_loads(struct worker *w)
{
    for (struct list *n = w->loads.next; n != &w->loads;) {
        struct load *l = LIST_ENTRY(n, struct load, node);
        n = n->next;
        load_retire(l);
    }
    bury_all(w);
}

void worker_deinit(struct worker *w)
{
    w->on_freed = NULL;
    if (w->undertaker)
        drop_loads(w);
    if (w->undertaker)
        event_free(w->undertaker);
    if (w->watched)
        watchdog_deinit(&w->rt.dog);
    questions_free(w->questions);
    if (w->fx)
        w->fx->free(w->fx);
    worker_trace_end(&w->trace);
    transfers_free(w->transfers);
    cache_free(w->cache);
    shared_free(&w->shared);
    sim_free(w->sim);
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
    const struct worker_job *job = (const struct worker_job *)ctx;
    struct err err;

    (void)status;
    if (job->result && lua_json_encode(L, -1, job->result, &err) < 0)
        return luaL_error(L, "%s", err.message);
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
    lua_callk(L, n, 1, (lua_KContext)job, after_job);
    return after_job(L, LUA_OK, (lua_KContext)job);
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
    struct task *t = task_new(w->front->g, NULL, job->ledger, on_job_end, &r, err);

    if (!t)
        return -1;
    lua_pushcfunction(t->L, l_job);
    lua_pushlightuserdata(t->L, (void *)job);
    task_start(t, 1);
    while (!r.over && event_base_loop(w->base, EVLOOP_ONCE) == 0)
        ;
    return r.over ? r.result : err_set(err, ERR_INTERNAL, "the script waits for nothing");
}
