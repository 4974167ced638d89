/* worldhelp - a whole generation on a fake effect, for tests that run Lua.
 * SPDX-License-Identifier: MIT */
#ifndef WORLDHELP_H
#define WORLDHELP_H

#include "config.h"
#include "effect_state.h"
#include "fakehelp.h"
#include "questions.h"
#include "task.h"

#include <fcntl.h>
#include <lauxlib.h>
#include <unistd.h>

enum { WORLD_CACHE = 16 << 20 };

struct world {
    struct fake fake;
    struct log log;
    struct shared shared;
    struct cache *cache;
    struct runtime rt;
    struct config config;
    struct sources sources;
    struct generation_plan plan; /* limits may be changed before world_load */
    struct generation *g;
    int null;
    int runs;
};

/* How a run ended. */
struct outcome {
    bool ended, failed;
    struct err err;
    char text[2048]; /* the first result, as text */
    struct ledger ledger;
};

/* The folder of scripts/ and policies/: the tests run in the repository. */
static inline const char *world_home(void)
{
    const char *dir = getenv("BATON_HOME");

    return dir && *dir ? dir : ".";
}

static inline const char *world_config(void)
{
    return "return { providers = { sim = { base_url = \"http://sim.test/v1\", key = \"sk-secret\" "
           "},\n"
           "      resp = { base_url = \"http://responses.test/v1\", codec = \"openai_responses\" } "
           "},\n"
           "   models = {\n"
           "      [\"sim/mini\"] = { tier = \"fast\", input = 1, cached_input = 0.5, output = 2,\n"
           "         capabilities = { \"tools\" } },\n"
           "      [\"sim/pro\"] = { tier = \"expert\", input = 10, output = 20 } },\n"
           "   aliases = { cheap = \"sim/mini\" },\n"
           "   http = { allow = { \"api.test\", \"*.many.test\", \"other.test:81\" } } }\n";
}

/* Loads a configuration from text, by way of a file. */
static inline int world_load_config(struct config *c, const char *text, struct err *err)
{
    char path[] = "/tmp/baton_test_XXXXXX";
    int fd = mkstemp(path);

    if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
        return err_set(err, ERR_INTERNAL, "cannot write %s", path);
    close(fd);
    int result = config_load(c, world_home(), path, NULL, NULL, err);
    unlink(path);
    return result;
}

/* What is remembered of models and keys is forgotten. */
static inline void world_forget(struct world *w)
{
    memset(w->shared.health, 0, health_size());
    health_format(w->shared.health, 1);
}

static inline void world_close(struct world *w)
{
    generation_unref(w->g);
    sources_deinit(&w->sources);
    config_deinit(&w->config);
    watchdog_deinit(&w->rt.dog);
    questions_free(w->fake.effect.questions);
    log_deinit(&w->log);
    fake_clear(&w->fake);
    shared_free(&w->shared);
    cache_free(w->cache);
    close(w->null);
}

/* Everything up to the generation, which the caller makes with world_load. */
static inline int world_open(struct world *w, const char *config, struct err *err)
{
    struct shared_sizes sizes;

    *w = (struct world){.null = open("/dev/null", O_WRONLY | O_CLOEXEC)};
    fake_init(&w->fake);
    log_init(&w->log, w->null, LOG_WARN);
    guard_limits_default(&w->plan.limits);
    w->rt.fx = &w->fake.effect;
    w->rt.shared = &w->shared;
    w->rt.log = &w->log;
    w->plan.heap_max = 256 << 20;
    shared_sizes_default(&sizes);
    if (watchdog_init(&w->rt.dog, err) < 0)
        return -1;
    if (shared_new(&w->shared, &sizes, err) < 0 || !(w->cache = cache_new(WORLD_CACHE, err)))
        return -1;
    effect_state_use(&w->fake.effect, &w->shared, w->cache);
    if (!(w->fake.effect.questions = questions_new(&w->fake.effect, &w->log, err)))
        return -1;
    if (world_load_config(&w->config, config ? config : world_config(), err) < 0 ||
        sources_read(&w->sources, world_home(), NULL, err) < 0) {
        world_close(w);
        return -1;
    }
    return 0;
}

static inline int world_load(struct world *w, struct err *err)
{
    w->plan.sources = &w->sources;
    w->plan.providers = &w->config.providers;
    w->plan.facts = (struct span){w->config.facts, strlen(w->config.facts)};
    w->g = generation_new(&w->rt, &w->plan, err);
    return w->g ? 0 : -1;
}

/* ---- running Lua as a task ---- */

static inline int world_after(lua_State *L, int status, lua_KContext ctx)
{
    (void)status, (void)ctx;
    return lua_gettop(L);
}

static inline int world_body(lua_State *L)
{
    generation_push_script(L, lua_touserdata(L, 1));
    lua_remove(L, 1);
    lua_callk(L, 0, LUA_MULTRET, 0, world_after);
    return world_after(L, LUA_OK, 0);
}

static inline void world_on_end(struct task *t, const struct err *err)
{
    struct outcome *o = t->arg;

    o->ended = true;
    o->failed = err != NULL;
    if (err)
        o->err = *err;
    else if (lua_isstring(t->L, 1))
        snprintf(o->text, sizeof o->text, "%s", lua_tostring(t->L, 1));
    else if (lua_gettop(t->L) > 0)
        snprintf(o->text, sizeof o->text, "(%s)", luaL_typename(t->L, 1));
}

/* Starts 'code' as a root task; NULL, with the outcome filled, when it does not compile or start.
 * The task may have ended when this returns. */
static inline struct task *world_start(struct world *w, const char *code, struct outcome *o)
{
    static char name[32];
    struct span text = {code, strlen(code)};

    *o = (struct outcome){.ended = true, .failed = true};
    buf_init(&o->ledger.notes, 64 << 10);
    snprintf(name, sizeof name, "case%d", ++w->runs);
    if (generation_add_script(w->g, name, text, &o->err) < 0)
        return NULL;
    struct task *t = task_new(w->g, NULL, &o->ledger, world_on_end, o, &o->err);
    if (!t)
        return NULL;
    *o = (struct outcome){.ledger = o->ledger};
    lua_pushcfunction(t->L, world_body);
    lua_pushlightuserdata(t->L, name);
    task_start(t, 1);
    return t;
}

/* Runs 'code' to its end. One that waits for ever is cancelled. */
static inline void world_run(struct world *w, const char *code, struct outcome *o)
{
    struct err stuck;
    struct task *t = world_start(w, code, o);

    while (!o->ended && fake_turn(&w->fake))
        ;
    if (!o->ended) {
        err_set(&stuck, ERR_TIMEOUT, "it waits for something that never comes");
        task_cancel(t, &stuck);
    }
    buf_deinit(&o->ledger.notes);
}

#endif
