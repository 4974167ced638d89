/* test_lua - runs tests/lua/test_*.lua inside the engine's sandbox, on a fake effect.
 * SPDX-License-Identifier: MIT
 *
 * Each file has a generation of its own; each of its cases is a task. "test_lua NAME..." runs only
 * the files of those names. */
#include "answer.h"
#include "sandbox.h"
#include "story.h"
#include "worldhelp.h"

#include <dirent.h>

enum { CASES_MAX = 256, FILES_MAX = 256, COMPILE_MAX = 1 << 20 };

/* What a client got: the sink behind t.client(). */
struct client {
    struct sink sink; /* first */
    struct list node;
    int status;
    char type[64];
    struct buf body;
    bool started, ended;
    struct sink_failure failure;
};

struct runner {
    struct world world;
    const char *file;
    char names[CASES_MAX][80]; /* of the cases */
    int cases;
    struct list clients;
};

static const char runner_key = 0, cases_key = 0;

static struct runner *runner_of(lua_State *L)
{
    lua_rawgetp(L, LUA_REGISTRYINDEX, &runner_key);
    struct runner *r = lua_touserdata(L, -1);
    lua_pop(L, 1);
    return r;
}

/* ---- harness: what tests/lua/test.lua stands on ---- */

/* harness.case(name, f) */
static int h_case(lua_State *L)
{
    struct runner *r = runner_of(L);
    const char *name = luaL_checkstring(L, 1);

    luaL_checktype(L, 2, LUA_TFUNCTION);
    luaL_argcheck(L, r->cases < CASES_MAX, 1, "too many cases in one file");
    snprintf(r->names[r->cases++], sizeof r->names[0], "%s", name);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &cases_key);
    lua_pushvalue(L, 2);
    lua_rawseti(L, -2, r->cases);
    return 0;
}

/* harness.check(ok, message): for the caller of the function that calls it. */
static int h_check(lua_State *L)
{
    if (lua_toboolean(L, 1)) {
        test_passed++;
        return 0;
    }
    test_failed++;
    luaL_where(L, 2);
    fprintf(stderr, "FAIL %s%s\n", lua_tostring(L, -1), luaL_optstring(L, 2, ""));
    return 0;
}

static int h_skip(lua_State *L)
{
    SKIP(luaL_checkstring(L, 1));
    return 0;
}

/* harness.compile(path, require, print?) -> function: a file of the repository with a require, and
 * a print, of its own. */
static int h_compile(lua_State *L)
{
    struct runner *r = runner_of(L);
    const char *path = luaL_checkstring(L, 1);
    char full[4096];
    struct err err;
    struct buf text;

    luaL_checktype(L, 2, LUA_TFUNCTION);
    lua_settop(L, 3);
    snprintf(full, sizeof full, "%s/%s", world_home(), path);
    buf_init(&text, COMPILE_MAX);
    int status = fake_read_file(&r->world.fake.effect, full, &text, &err);
    if (status == 0)
        status = sandbox_load(L, buf_span(&text), path);
    else
        lua_pushstring(L, err.message);
    buf_deinit(&text);
    if (status != LUA_OK)
        return lua_error(L);
    lua_createtable(L, 0, 2); /* globals: these over those of the sandbox */
    lua_pushvalue(L, 2);
    lua_setfield(L, -2, "require");
    lua_pushvalue(L, 3);
    lua_setfield(L, -2, "print");
    lua_createtable(L, 0, 2);
    lua_getupvalue(L, 4, 1);
    lua_pushvalue(L, -1);
    lua_setfield(L, -3, "__newindex");
    lua_setfield(L, -2, "__index");
    lua_setmetatable(L, -2);
    lua_setupvalue(L, 4, 1);
    return 1;
}

/* ---- harness: providers ---- */

static const char *text_of(lua_State *L, const char *name, size_t *n)
{
    lua_getfield(L, -1, name);
    const char *text = lua_tolstring(L, -1, n);
    lua_pop(L, 1); /* the step keeps it */
    return text;
}

/* The step on top of the stack. */
static void read_step(lua_State *L, struct fake_script *s, int64_t at)
{
    size_t n = 0;
    const char *text;

    lua_getfield(L, -1, "head");
    int status = (int)lua_tointeger(L, -1);
    lua_pop(L, 1);
    if (status) {
        text = text_of(L, "headers", &n);
        fake_head(s, at, status, text ? text : "");
    } else if ((text = text_of(L, "data", &n))) {
        fake_add(s, at, ANSWER_DATA, text, n);
    } else if ((text = text_of(L, "fail", &n))) {
        const char *message = text_of(L, "message", &n);
        fake_fail(s, at, err_code_of(text), message ? message : text);
    } else {
        fake_done(s, at);
    }
}

/* harness.answer(steps) */
static int h_answer(lua_State *L)
{
    struct fake_script *s = fake_answer(&runner_of(L)->world.fake);
    int64_t at = 0;

    luaL_checktype(L, 1, LUA_TTABLE);
    luaL_argcheck(L, luaL_len(L, 1) < FAKE_STEPS, 1, "too many steps");
    for (lua_Integer i = 1; lua_geti(L, 1, i) == LUA_TTABLE; i++) {
        if (lua_getfield(L, -1, "at") == LUA_TNUMBER)
            at = (int64_t)(lua_tonumber(L, -1) * 1e6);
        lua_pop(L, 1);
        read_step(L, s, at);
        lua_pop(L, 1);
    }
    return 0;
}

static void set_text(lua_State *L, const char *name, struct span text)
{
    lua_pushlstring(L, text.p ? text.p : "", text.n);
    lua_setfield(L, -2, name);
}

static void set_seconds(lua_State *L, const char *name, double seconds)
{
    lua_pushnumber(L, seconds);
    lua_setfield(L, -2, name);
}

static void push_request(lua_State *L, const struct fake_request *r)
{
    lua_newtable(L);
    lua_pushstring(L, r->method);
    lua_setfield(L, -2, "method");
    lua_pushstring(L, r->url);
    lua_setfield(L, -2, "url");
    set_text(L, "headers", buf_span(&r->headers));
    set_text(L, "body", buf_span(&r->body));
    set_seconds(L, "at", (double)r->at_us / 1e6);
    set_seconds(L, "connect", r->connect_ms / 1e3);
    set_seconds(L, "first_byte", r->first_byte_ms / 1e3);
    set_seconds(L, "stall", r->stall_ms / 1e3);
    set_seconds(L, "total", r->total_ms / 1e3);
    lua_pushinteger(L, r->pauses);
    lua_setfield(L, -2, "pauses");
    lua_pushboolean(L, r->cancelled);
    lua_setfield(L, -2, "cancelled");
    lua_pushboolean(L, r->public_only);
    lua_setfield(L, -2, "public_only");
    lua_pushboolean(L, r->ended);
    lua_setfield(L, -2, "ended");
}

/* harness.requests() */
static int h_requests(lua_State *L)
{
    struct fake *f = &runner_of(L)->world.fake;
    int n = 0;

    lua_newtable(L);
    for (struct list *node = f->requests.next; node != &f->requests; node = node->next) {
        push_request(L, LIST_ENTRY(node, struct fake_request, node));
        lua_rawseti(L, -2, ++n);
    }
    return 1;
}

/* harness.forget() */
static int h_forget(lua_State *L)
{
    world_forget(&runner_of(L)->world);
    return 0;
}

/* harness.force(model, "open" | "closed" | "none") */
static int h_force(lua_State *L)
{
    static const char *const words[] = {"none", "open", "closed", NULL};
    struct effect *fx = &runner_of(L)->world.fake.effect;
    enum health_forced forced = (enum health_forced)luaL_checkoption(L, 2, NULL, words);

    health_force(fx->shared->health, luaL_checkstring(L, 1), forced, fx->mono_us(fx));
    return 0;
}

/* harness.metric(family, labels...) -> its value */
static int h_metric(lua_State *L)
{
    const struct metrics *m = runner_of(L)->world.shared.metrics;
    enum metric family = (enum metric)luaL_checkinteger(L, 1);
    const char *labels[METRIC_LABELS_MAX] = {luaL_optstring(L, 2, NULL), luaL_optstring(L, 3, NULL),
                                             luaL_optstring(L, 4, NULL)};

    lua_pushnumber(L, metrics_value(m, family, labels));
    return 1;
}

static int h_collect(lua_State *L)
{
    lua_gc(L, LUA_GCCOLLECT);
    return 0;
}

/* ---- harness: a client ---- */

static void client_start(struct sink *s, const struct sink_head *head)
{
    struct client *c = (struct client *)s;

    c->started = true;
    c->status = head->status;
    snprintf(c->type, sizeof c->type, "%s", head->content_type);
}

static void client_send(struct sink *s, struct span bytes)
{
    buf_add_span(&((struct client *)s)->body, bytes);
}

static void client_end(struct sink *s)
{
    ((struct client *)s)->ended = true;
}

static void client_reply(struct sink *s, const struct sink_head *head, struct span body)
{
    client_start(s, head);
    client_send(s, body);
    client_end(s);
}

static bool client_blocked(const struct sink *s)
{
    (void)s;
    return false;
}

static void client_on_room(struct sink *s, sink_room *f, void *arg)
{
    (void)s, (void)f, (void)arg;
}

static void client_keep_alive(struct sink *s, const char *content_type, struct span ping)
{
    (void)s;
    (void)content_type;
    (void)ping;
}

static void client_fail(struct sink *s, const struct sink_failure *failure)
{
    struct client *c = (struct client *)s;

    c->failure = *failure;
    c->ended = true;
}

/* Says what the client in upvalue 1 got. */
static int l_got(lua_State *L)
{
    struct client *c = lua_touserdata(L, lua_upvalueindex(1));

    lua_newtable(L);
    lua_pushinteger(L, c->status);
    lua_setfield(L, -2, "status");
    lua_pushstring(L, c->type);
    lua_setfield(L, -2, "type");
    set_text(L, "body", buf_span(&c->body));
    lua_pushboolean(L, c->ended);
    lua_setfield(L, -2, "ended");
    if (c->failure.err.code) {
        lua_pushstring(L, c->failure.err.message);
        lua_setfield(L, -2, "failure");
        lua_pushstring(L, err_name(c->failure.err.code));
        lua_setfield(L, -2, "code");
    }
    return 1;
}

/* harness.client() -> answer, got */
static int h_client(lua_State *L)
{
    struct client *c = calloc(1, sizeof *c);

    c->sink = (struct sink){
        .reply = client_reply,
        .start = client_start,
        .send = client_send,
        .end = client_end,
        .blocked = client_blocked,
        .on_room = client_on_room,
        .fail = client_fail,
        .keep_alive = client_keep_alive,
    };
    buf_init(&c->body, 1 << 28);
    list_append(&runner_of(L)->clients, &c->node);
    answer_push(L, &c->sink);
    lua_pushlightuserdata(L, c);
    lua_pushcclosure(L, l_got, 1);
    return 2;
}

static void free_clients(struct runner *r)
{
    struct list *node;

    while ((node = list_first(&r->clients))) {
        struct client *c = LIST_ENTRY(node, struct client, node);
        list_remove(node);
        buf_deinit(&c->body);
        free(c);
    }
}

/* Everything of this case is noted from now on (story.h). */
static int h_follow(lua_State *L)
{
    struct ledger *ledger = task_of(L)->ledger;

    if (!ledger->story)
        ledger->story = story_new(generation_of(L)->rt->fx);
    return 0;
}

static struct questions *questions_of(lua_State *L)
{
    return runner_of(L)->world.fake.effect.questions;
}

/* harness.questions() -> what operators see, as JSON */
static int h_questions(lua_State *L)
{
    struct buf out;

    buf_init(&out, 1 << 20);
    buf_puts(&out, "{");
    questions_list(questions_of(L), &out);
    buf_puts(&out, "}");
    lua_pushlstring(L, out.data, out.len);
    buf_deinit(&out);
    return 1;
}

/* harness.answer_question(id, text, by) -> 1, 0 or message */
static int h_answer_question(lua_State *L)
{
    struct span text, by;
    struct err err;

    text.p = luaL_checklstring(L, 2, &text.n);
    by.p = luaL_optlstring(L, 3, "", &by.n);
    int done = questions_answer(questions_of(L), luaL_checkstring(L, 1), text, by, &err);
    if (done < 0)
        lua_pushstring(L, err.message);
    else
        lua_pushinteger(L, done);
    return 1;
}

static void stop_questions(struct world *w)
{
    struct err err;

    questions_end(w->fake.effect.questions, "the engine is stopping");
    questions_free(w->fake.effect.questions);
    w->fake.effect.questions = questions_new(&w->fake.effect, &w->log, &err);
}

/* harness.end_questions(how, id, seconds or number, url): see test.lua */
static int h_end_questions(lua_State *L)
{
    struct questions *q = questions_of(L);
    const char *how = luaL_checkstring(L, 1);
    char header[] = "x-key: hook-secret";
    char *headers[] = {header};

    if (strcmp(how, "expire") == 0) {
        lua_pushboolean(L, questions_expire(q, luaL_checkstring(L, 2)));
        return 1;
    }
    if (strcmp(how, "limit") == 0)
        questions_limit(q, generation_of(L)->serial, (int64_t)(luaL_checknumber(L, 2) * 1e6));
    else if (strcmp(how, "open") == 0)
        questions_configure(q, &(struct questions_config){(int)luaL_checkinteger(L, 2),
                                                          luaL_optstring(L, 3, NULL), headers, 1});
    else
        stop_questions(&runner_of(L)->world);
    return 0;
}

static const luaL_Reg harness[] = {
    {"case", h_case},
    {"check", h_check},
    {"skip", h_skip},
    {"compile", h_compile},
    {"answer", h_answer},
    {"requests", h_requests},
    {"forget", h_forget},
    {"force", h_force},
    {"metric", h_metric},
    {"collect", h_collect},
    {"client", h_client},
    {"follow", h_follow},
    {"questions", h_questions},
    {"answer_question", h_answer_question},
    {"end_questions", h_end_questions},
    {NULL, NULL},
};

static int l_open_harness(lua_State *L)
{
    lua_pushvalue(L, 1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &runner_key);
    lua_newtable(L);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &cases_key);
    luaL_newlib(L, harness);
    if (access(test_vectors(), R_OK | X_OK) == 0) {
        lua_pushstring(L, test_vectors());
        lua_setfield(L, -2, "vectors");
    }
    sandbox_add(L, "harness");
    return 0;
}

/* ---- running ---- */

static void fail(const struct runner *r, const char *name, const char *why)
{
    test_failed++;
    fprintf(stderr, "FAIL %s, %s: %s\n", r->file, name, why);
}

/* The task's body: the file (argument 0), or one of its cases. */
static int l_body(lua_State *L)
{
    lua_Integer n = lua_tointeger(L, 1);

    lua_settop(L, 0);
    if (n == 0) {
        generation_push_script(L, runner_of(L)->file);
    } else {
        lua_rawgetp(L, LUA_REGISTRYINDEX, &cases_key);
        lua_rawgeti(L, -1, n);
        lua_remove(L, 1);
    }
    lua_callk(L, 0, 0, 0, world_after);
    return 0;
}

static int l_collect(lua_State *L)
{
    lua_gc(L, LUA_GCCOLLECT);
    lua_gc(L, LUA_GCCOLLECT);
    return 0;
}

/* Everything that a case has opened must have ended with it. */
static void check_leftovers(struct runner *r, const char *name)
{
    struct world *w = &r->world;

    if (!list_empty(&w->g->tasks))
        fail(r, name, "a task is left open");
    if (!list_empty(&w->fake.ops))
        fail(r, name, "a timer or a call is left open");
    if (!list_empty(&w->fake.scripts))
        fail(r, name, "an answer was scripted that nobody asked for");
    lua_pushcfunction(w->g->L, l_collect);
    if (lua_pcall(w->g->L, 0, 0, 0) != LUA_OK) {
        fail(r, name, lua_tostring(w->g->L, -1));
        lua_pop(w->g->L, 1);
    }
    free_clients(r);
    fake_clear(&w->fake);
    world_forget(w);
    w->fake.now = 0;
    w->fake.seed = 0;
}

static void run_body(struct runner *r, int n, const char *name)
{
    struct world *w = &r->world;
    struct outcome o = {.ended = false};
    struct err err;

    buf_init(&o.ledger.notes, 64 << 10);
    snprintf(o.ledger.id, sizeof o.ledger.id, "trace%d", n);
    struct task *t = task_new(w->g, NULL, &o.ledger, world_on_end, &o, &err);
    if (!t) {
        fail(r, name, err.message);
        return;
    }
    lua_pushcfunction(t->L, l_body);
    lua_pushinteger(t->L, n);
    task_start(t, 1);
    while (!o.ended && fake_turn(&w->fake))
        ;
    if (!o.ended) {
        err_set(&err, ERR_TIMEOUT, "it waits for something that never comes");
        task_cancel(t, &err);
    }
    if (o.failed)
        fail(r, name, o.err.message);
    else
        test_passed++;
    buf_deinit(&o.ledger.notes);
    story_free(o.ledger.story);
    check_leftovers(r, name);
}

static int add_file(struct runner *r, const char *path, const char *name, struct err *err)
{
    char full[4096];
    struct buf text;

    snprintf(full, sizeof full, "%s/%s", world_home(), path);
    buf_init(&text, COMPILE_MAX);
    int result = fake_read_file(&r->world.fake.effect, full, &text, err);
    if (result == 0)
        result = generation_add_script(r->world.g, name, buf_span(&text), err);
    buf_deinit(&text);
    return result;
}

static int open_harness(struct runner *r, struct err *err)
{
    lua_State *L = r->world.g->L;

    lua_pushcfunction(L, l_open_harness);
    lua_pushlightuserdata(L, r);
    if (lua_pcall(L, 1, 0, 0) == LUA_OK)
        return 0;
    err_set(err, ERR_INTERNAL, "%s", lua_tostring(L, -1));
    lua_pop(L, 1);
    return -1;
}

static void run_file(struct runner *r, const char *file)
{
    const char *folders[] = {test_vectors(), world_home(), NULL};
    struct err err;

    r->file = file;
    r->cases = 0;
    list_init(&r->clients);
    if (world_open(&r->world, NULL, &err) < 0) {
        fail(r, "configuration", err.message);
        return;
    }
    r->world.rt.allow_read = folders;
    r->world.rt.print = stderr;
    r->world.plan.limits = (struct guard_limits){
        .slice_ms = 60000, .bytes = 512 << 20, .steps = 4000 * 1000 * (int64_t)1000};
    r->world.plan.heap_max = 1 << 30;
    if (world_load(&r->world, &err) < 0 || open_harness(r, &err) < 0 ||
        add_file(r, "tests/lua/test.lua", "scripts/test.lua", &err) < 0 ||
        add_file(r, file, file, &err) < 0) {
        fail(r, "loading", err.message);
    } else {
        run_body(r, 0, "the file itself");
        for (int i = 1; i <= r->cases; i++)
            run_body(r, i, r->names[i - 1]);
    }
    world_close(&r->world);
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool wanted(const char *name, int argc, char **argv)
{
    size_t n = strlen(name);

    if (n < 10 || strncmp(name, "test_", 5) != 0 || strcmp(name + n - 4, ".lua") != 0)
        return false;
    if (strncmp(name, "test_sim", 8) == 0) /* tests/unit/test_sim.c runs it */
        return false;
    for (int i = 1; i < argc; i++)
        if (strlen(argv[i]) == n - 9 && strncmp(name + 5, argv[i], n - 9) == 0)
            return true;
    return argc < 2;
}

int main(int argc, char **argv)
{
    static struct runner r;
    char dir[4096], *files[FILES_MAX];
    size_t n = 0;

    snprintf(dir, sizeof dir, "%s/tests/lua", world_home());
    DIR *d = opendir(dir);
    CHECK(d != NULL);
    for (struct dirent *e; d && (e = readdir(d));) {
        char path[300];
        if (n == FILES_MAX || !wanted(e->d_name, argc, argv))
            continue;
        snprintf(path, sizeof path, "tests/lua/%s", e->d_name);
        files[n++] = strdup(path);
    }
    if (d)
        closedir(d);
    qsort(files, n, sizeof *files, by_text);
    CHECK(n > 0);
    for (size_t i = 0; i < n; i++) {
        run_file(&r, files[i]);
        free(files[i]);
    }
    return test_report("lua");
}
