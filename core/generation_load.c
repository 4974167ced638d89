/* generation_load - a generation is built: one short, protected step after the other.
 * SPDX-License-Identifier: MIT */
#include "generation_parts.h"

#include "bind_linear.h"
#include "bind_neighbours.h"
#include "lua_err.h"
#include "lua_json.h"
#include "lua_place.h"
#include "lua_view.h"
#include "modules.h"
#include "sandbox.h"
#include "where.h"

#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The address sanitizer knows the ends of blocks only where each is malloc's own. */
#if defined(__has_feature)
#define SANITIZED __has_feature(address_sanitizer)
#elif defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#else
#define SANITIZED 0
#endif

enum {
    LOADING_MS = 5000,  /* CPU, of all steps together */
    COLLECTOR_STEP = 10 /* 1 KiB allocated, then some 50 us of collecting: Lua's own 8 KiB stop the
                           loop for longer */
};

/* The module that lists what is left to do when everything is there. */
#define LAST_MODULE "loading"
#define CODECS      "policies/codec/"

struct stage;

struct building {
    struct generation_plan plan;
    const struct stage *stage;
    size_t at;                 /* in the stage */
    const struct source *file; /* the one being loaded: an error may not know its place */
};

/* Registry keys: policies by name, and their files' paths, while they are loaded. */
static const char policies_key = 0, paths_key = 0;

/* ---- the stages: each runs again and again until it returns false ---- */

static bool open_state(lua_State *L, struct building *b)
{
    (void)b;
    lua_newtable(L);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &generation_loaded_key);
    lua_newtable(L);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &generation_chunks_key);
    lua_newtable(L);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &policies_key);
    lua_newtable(L);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &paths_key);
    lua_err_open(L);
    sandbox_open(L);
    lua_pushcfunction(L, generation_l_require);
    sandbox_add(L, "require");
    modules_open(L);
    return false;
}

static bool add_facts(lua_State *L, struct building *b)
{
    lua_rawgetp(L, LUA_REGISTRYINDEX, &generation_loaded_key);
    lua_json_push(L, b->plan.facts);
    lua_view(L, "the configuration");
    lua_setfield(L, -2, "config");
    return false;
}

static bool compile(lua_State *L, struct building *b)
{
    const struct sources *sources = b->plan.sources;

    if (b->at == sources->n)
        return false;
    const struct source *s = &sources->items[b->at++];
    b->file = s;
    if (sources_is_model(s->name)) {
        const struct span file = {s->text, s->n};
        if (!neighbours_add_model(L, s->name, file))
            linear_add_model(L, s->name, file);
        b->file = NULL;
        return true;
    }
    lua_rawgetp(L, LUA_REGISTRYINDEX, &generation_chunks_key);
    if (sandbox_load(L, (struct span){s->text, s->n}, s->name) != LUA_OK)
        lua_error(L);
    lua_setfield(L, -2, s->name);
    b->file = NULL;
    return true;
}

/* "policies/NAME.lua" and nothing deeper; a leading underscore marks a helper. */
static bool is_policy(const char *name)
{
    return strncmp(name, "policies/", 9) == 0 && !strchr(name + 9, '/') && name[9] != '_' &&
           !sources_is_model(name);
}

/* Stack: policies. */
static void load_policy(lua_State *L, const struct source *s)
{
    int policies = lua_gettop(L);

    lua_rawgetp(L, LUA_REGISTRYINDEX, &generation_chunks_key);
    lua_getfield(L, -1, s->name);
    lua_call(L, 0, 1);
    if (!lua_istable(L, -1) || lua_getfield(L, -1, "run") != LUA_TFUNCTION)
        lua_place_error(L,
                        "a policy file must return policy.define{ name =, run = function(req, p) "
                        "... end }; the name of a configuration ends in baton.lua");
    lua_pop(L, 1);
    if (lua_getfield(L, -1, "name") != LUA_TSTRING)
        lua_place_error(L, "the policy has no name");
    const char *called = lua_tostring(L, -1);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &paths_key);
    if (lua_getfield(L, -1, called) != LUA_TNIL)
        lua_place_error(L, "%s already defines a policy called '%s'", lua_tostring(L, -1), called);
    lua_pushstring(L, s->path);
    lua_setfield(L, -3, called);
    lua_pop(L, 2);
    lua_insert(L, -2);
    lua_rawset(L, policies);
}

static bool run_policy(lua_State *L, struct building *b)
{
    const struct sources *sources = b->plan.sources;

    while (b->at < sources->n && !is_policy(sources->items[b->at].name))
        b->at++;
    if (b->at == sources->n)
        return false;
    b->file = &sources->items[b->at++];
    lua_rawgetp(L, LUA_REGISTRYINDEX, &policies_key);
    load_policy(L, b->file);
    b->file = NULL;
    return true;
}

static bool add_policies(lua_State *L, struct building *b)
{
    (void)b;
    lua_rawgetp(L, LUA_REGISTRYINDEX, &generation_loaded_key);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &policies_key);
    lua_view(L, "the table of policies");
    lua_setfield(L, -2, "policies");
    lua_pushnil(L);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &policies_key);
    lua_pushnil(L);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &paths_key);
    return false;
}

static bool require_serve(lua_State *L, struct building *b)
{
    (void)b;
    generation_require(L, "serve");
    return false;
}

/* "policies/codec/mine.lua": a wire format of the user's own. */
static bool is_codec(const char *name)
{
    size_t n = strlen(name), head = strlen(CODECS);

    return n > head + 4 && strncmp(name, CODECS, head) == 0 && strcmp(name + n - 4, ".lua") == 0 &&
           !strchr(name + head, '/');
}

/* Each is checked, whether a provider of the configuration speaks it or not. */
static bool adopt_codec(lua_State *L, struct building *b)
{
    const struct sources *sources = b->plan.sources;

    while (b->at < sources->n && !is_codec(sources->items[b->at].name))
        b->at++;
    if (b->at == sources->n)
        return false;
    b->file = &sources->items[b->at++];
    const char *name = b->file->name + strlen(CODECS);
    generation_require(L, "adopt");
    lua_pushlstring(L, name, strlen(name) - 4);
    lua_call(L, 1, 0);
    b->file = NULL;
    return true;
}

/* One function of the list; the list is dropped after the last. */
static bool run_last(lua_State *L, struct building *b)
{
    generation_require(L, LAST_MODULE);
    if (lua_geti(L, -1, (lua_Integer)++b->at) != LUA_TNIL) {
        lua_call(L, 0, 0);
        return true;
    }
    lua_rawgetp(L, LUA_REGISTRYINDEX, &generation_loaded_key);
    lua_pushnil(L);
    lua_setfield(L, -2, LAST_MODULE);
    return false;
}

/* "scripts/codec/openai.lua" is the module "codec.openai". */
static bool is_loaded(lua_State *L, const char *name)
{
    const char *bare = strchr(name, '/') + 1;

    lua_rawgetp(L, LUA_REGISTRYINDEX, &generation_loaded_key);
    lua_pushlstring(L, bare, strlen(bare) - strlen(".lua"));
    luaL_gsub(L, lua_tostring(L, -1), "/", ".");
    bool loaded = lua_rawget(L, -3) == LUA_TTABLE;
    lua_pop(L, 3);
    return loaded;
}

/* The collector walks over all that lives again and again while requests are served. A file's code has done its work
 * when the file was run; one that was not needed stays as its text, one string. */
static bool pack(lua_State *L, struct building *b)
{
    const struct sources *sources = b->plan.sources;

    if (b->at == sources->n)
        return false;
    const struct source *s = &sources->items[b->at++];
    if (sources_is_model(s->name))
        return true;
    lua_rawgetp(L, LUA_REGISTRYINDEX, &generation_chunks_key);
    if (is_loaded(L, s->name))
        lua_pushnil(L);
    else
        lua_pushlstring(L, s->text, s->n);
    lua_setfield(L, -2, s->name);
    return true;
}

struct stage {
    bool (*run)(lua_State *L, struct building *b);
};

static const struct stage stages[] = {
    {open_state},    {add_facts},   {compile},  {run_policy}, {add_policies},
    {require_serve}, {adopt_codec}, {run_last}, {pack},       {NULL},
};

/* ---- one step ---- */

static int l_step(lua_State *L)
{
    struct building *b = lua_touserdata(L, 1);

    if (!b->stage->run(L, b)) {
        b->stage++;
        b->at = 0;
    }
    return 0;
}

/* While files are loaded the operator is told: a message that begins with the name of a file
 * outside of the product gets that file's path instead. Clients only ever see names. */
static void name_file(const struct sources *sources, const struct source *file, struct err *err)
{
    if (file && strncmp(err->message, "policies/", 9) != 0 &&
        strncmp(err->message, "scripts/", 8) != 0 &&
        strncmp(err->message, "configuration: ", 15) != 0)
        err_prefix(err, "%s", file->name);
    for (size_t i = 0; i < sources->n; i++) {
        const struct source *s = &sources->items[i];
        size_t n = strlen(s->name);
        if (strncmp(err->message, s->name, n) == 0 && err->message[n] == ':' &&
            strcmp(s->name, s->path) != 0) {
            struct err old = *err;
            err_set(err, old.code, "%s%s", s->path, old.message + n);
            return;
        }
    }
}

bool generation_push_return(lua_State *L, const struct generation *g)
{
    const struct source *file = g->building ? g->building->file : NULL;
    int line = file ? where_return((struct span){file->text, file->n}) : 0;

    if (line)
        lua_pushfstring(L, "%s:%d: ", file->name, line);
    return line != 0;
}

static void built(struct generation *g)
{
    free(g->building);
    g->building = NULL;
}

static int refused(struct generation *g, int status, struct err *err)
{
    struct building *b = g->building;

    if (status == LUA_ERRMEM) {
        err_set(err, ERR_BUDGET, "loading the scripts takes more than %zu bytes", b->plan.heap_max);
        name_file(b->plan.sources, b->file, err);
    } else if (status == LUA_OK) { /* it swallowed the limit's error somehow */
        char words[96];
        guard_describe(&g->loading, guard_over(&g->loading), words, sizeof words);
        err_set(err, ERR_BUDGET, "over the limit of %s", words);
    } else {
        lua_err_read(g->L, -1, err);
        name_file(b->plan.sources, b->file, err);
    }
    return -1;
}

int generation_step(struct generation *g, struct err *err)
{
    struct building *b = g->building;
    struct guard *before = guard_enter(&g->rt->dog, &g->loading, g->L);

    lua_settop(g->L, 0);
    lua_pushcfunction(g->L, l_step);
    lua_pushlightuserdata(g->L, b);
    int status = lua_pcall(g->L, 1, 0, 0);
    guard_leave(&g->rt->dog, before);
    lua_sethook(g->L, NULL, 0, 0);
    if (status != LUA_OK || guard_over(&g->loading))
        return refused(g, status, err);
    if (b->stage->run)
        return 1;
    built(g);
    return 0;
}

/* ---- begin ---- */

/* Where Lua would end the process: an error outside of every protected call, which is our own
 * fault. */
static int on_panic(lua_State *L)
{
    struct err err;

    lua_err_read(L, -1, &err);
    fprintf(stderr, "baton: unprotected error: %s\n", err.message);
    return 0; /* lua then calls abort() */
}

/* What chunks may take beyond a heap's blocks: a quarter, and a little for small heaps, where each size has a chunk
 * that is half empty. */
enum { POOL_SLACK = 4 << 20 };

static void set_up(struct generation *g, struct runtime *rt, const struct generation_plan *plan)
{
    g->refs = 1;
    g->rt = rt;
    g->providers = plan->providers;
    g->limits = plan->limits;
    g->heap = (struct heap){.live_max = plan->heap_max, .dog = &rt->dog};
    g->loading.limits = (struct guard_limits){.slice_ms = LOADING_MS,
                                              .total_ms = LOADING_MS,
                                              .bytes = (int64_t)plan->heap_max,
                                              .steps = INT64_MAX / 2};
    list_init(&g->tasks);
    list_init(&g->ready);
    list_init(&g->timers);
    list_init(&g->in_grave);
    memcpy(g->hash, plan->sources->hash, GENERATION_HASH);
}

struct generation *generation_begin(struct runtime *rt, const struct generation_plan *plan,
                                    struct err *err)
{
    struct generation *g = calloc(1, sizeof *g);
    struct building *b = calloc(1, sizeof *b);

    if (!g || !b)
        goto fail;
    set_up(g, rt, plan);
    *b = (struct building){.plan = *plan, .stage = stages};
    pool_init(&g->pool, plan->heap_max + plan->heap_max / 4 + POOL_SLACK);
    g->heap.pool = SANITIZED ? NULL : &g->pool;
    if (!(g->L = lua_newstate(heap_alloc, &g->heap))) {
        pool_deinit(&g->pool);
        goto fail;
    }
    g->building = b;
    lua_atpanic(g->L, on_panic);
    guard_bind(g->L, &g->loading);
    lua_gc(g->L, LUA_GCINC, 0, 0, COLLECTOR_STEP);
    lua_pushlightuserdata(g->L, g);
    lua_rawsetp(g->L, LUA_REGISTRYINDEX, &generation_self_key); /* 64 MiB and more are left */
    return g;
fail:
    free(b);
    free(g);
    err_set(err, ERR_OVERLOADED, "out of memory for a generation");
    return NULL;
}

struct generation *generation_new(struct runtime *rt, const struct generation_plan *plan,
                                  struct err *err)
{
    struct generation *g = generation_begin(rt, plan, err);
    int more = g ? 1 : 0;

    while (more > 0)
        more = generation_step(g, err);
    if (more == 0)
        return g;
    generation_unref(g);
    return NULL;
}
