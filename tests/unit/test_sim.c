/* test_sim - the simulator: its scripts in a plain state, and some faults over loopback.
 * SPDX-License-Identifier: MIT */
#include "guard.h"
#include "home.h"
#include "json.h"
#include "lua_json.h"
#include "sim.h"
#include "sim_hash.h"
#include "testhelp.h"

#include <arpa/inet.h>
#include <errno.h>
#include <lauxlib.h>
#include <lualib.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static const char *home(void)
{
    const char *dir = getenv("BATON_HOME");

    return dir && *dir ? dir : ".";
}

/* ---- tests/lua/test_sim*.lua ---- */

static void preload(lua_State *L)
{
    luaL_openlibs(L);
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
    lua_pushcfunction(L, luaopen_baton_json);
    lua_setfield(L, -2, "json");
    lua_pushcfunction(L, luaopen_sim_hash);
    lua_setfield(L, -2, "hash");
    lua_getglobal(L, "package");
    lua_pushfstring(L, "%s/scripts/?.lua;%s/scripts/?/init.lua;%s/tests/lua/?.lua", home(), home(),
                    home());
    lua_setfield(L, -2, "path");
    lua_settop(L, 0);
}

static void test_scripts(const char *name)
{
    lua_State *L = luaL_newstate();
    guard_bind(L, NULL);
    char file[1024];

    preload(L);
    snprintf(file, sizeof file, "%s/tests/lua/%s.lua", home(), name);
    bool ok = luaL_loadfile(L, file) == LUA_OK;
    if (ok) {
        lua_pushstring(L, home());
        ok = lua_pcall(L, 1, 2, 0) == LUA_OK;
    }
    CHECK(ok);
    if (ok) {
        test_passed += (int)lua_tointeger(L, -2);
        test_failed += (int)lua_tointeger(L, -1);
    } else {
        fprintf(stderr, "%s\n", lua_tostring(L, -1));
    }
    lua_close(L);
}

/* ---- over loopback: client and simulator share one thread and one loop ---- */

struct stage {
    struct event_base *base;
    struct sim *sim;
    char log[64];
};

static void open_stage(struct stage *s)
{
    struct sim_options o;
    struct err err = {0};

    memcpy(s->log, "/tmp/test_sim_XXXXXX", sizeof "/tmp/test_sim_XXXXXX");
    int fd = mkstemp(s->log);
    CHECK(fd >= 0);
    close(fd);
    sim_options_default(&o);
    o.log = s->log;
    o.pace = 0;
    s->base = event_base_new();
    s->sim = sim_new(s->base, home(), &o, &err);
    CHECK_STR(err.message, "");
}

static void close_stage(struct stage *s)
{
    sim_free(s->sim);
    event_base_free(s->base);
    unlink(s->log);
}

static int dial(struct stage *s)
{
    struct sockaddr_in a = {.sin_family = AF_INET};
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    a.sin_port = htons((uint16_t)atoi(strrchr(sim_address(s->sim), ':') + 1));
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    CHECK_INT(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
    return fd;
}

static void post(int fd, const char *model, const char *more)
{
    char body[512], head[512];

    snprintf(body, sizeof body,
             "{\"model\":\"%s\",\"messages\":[{\"role\":\"user\",\"content\":\"Tell me about "
             "rivers.\"}]%s}",
             model, more);
    snprintf(head, sizeof head,
             "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer sk-secret\r\n"
             "Connection: close\r\nContent-Length: %zu\r\n\r\n",
             strlen(body));
    CHECK(send(fd, head, strlen(head), MSG_NOSIGNAL) == (ssize_t)strlen(head));
    CHECK(send(fd, body, strlen(body), MSG_NOSIGNAL) == (ssize_t)strlen(body));
}

static int64_t now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

struct got {
    struct buf bytes;
    size_t total;
    int error; /* errno of the end; 0: closed in order; -1: silence */
};

/* Runs the loop and reads until the connection ends, or nothing comes for 'patience' milliseconds.
 */
static void receive(struct stage *s, int fd, struct got *got, int patience)
{
    static char chunk[65536];
    int64_t last = now_ms();

    *got = (struct got){.error = -1};
    buf_init(&got->bytes, 1 << 20);
    while (now_ms() - last < patience) {
        event_base_loop(s->base, EVLOOP_NONBLOCK);
        ssize_t n = recv(fd, chunk, sizeof chunk, MSG_DONTWAIT);
        if (n > 0) {
            last = now_ms();
            got->total += (size_t)n;
            buf_add(&got->bytes, chunk, (size_t)n);
        } else if (n == 0 || errno != EAGAIN) {
            got->error = n == 0 ? 0 : errno;
            break;
        }
    }
    buf_add(&got->bytes, "", 1);
    close(fd);
}

static bool says(const struct got *got, const char *text)
{
    return got->bytes.data && strstr(got->bytes.data, text) != NULL;
}

static void ask(struct stage *s, const char *model, const char *more, struct got *got, int patience)
{
    int fd = dial(s);

    post(fd, model, more);
    receive(s, fd, got, patience);
}

/* The last line of the log, after the loop has had time to notice who left. */
static void last_line(struct stage *s, struct buf *line)
{
    for (int64_t end = now_ms() + 50; now_ms() < end;)
        event_base_loop(s->base, EVLOOP_NONBLOCK);
    buf_init(line, 1 << 20);
    FILE *f = fopen(s->log, "r");
    char text[65536];
    while (f && fgets(text, sizeof text, f)) {
        buf_deinit(line);
        buf_puts(line, text);
    }
    if (f)
        fclose(f);
    buf_puts(line, "");
}

static void check_log(struct stage *s, const char *path, const char *want)
{
    struct buf line;

    last_line(s, &line);
    struct span value = json_path(buf_span(&line), path);
    CHECK_BYTES(value.p, value.n, want);
    struct err err;
    CHECK_INT(json_check(buf_span(&line), &err), 0);
    CHECK(line.data && !memmem(line.data, line.len, "sk-secret", 9));
    buf_deinit(&line);
}

static const char stream[] = ",\"stream\":true";

static void test_good_answers(struct stage *s)
{
    struct got got;

    ask(s, "mini", "", &got, 2000);
    CHECK(says(&got, "HTTP/1.1 200") && says(&got, "\"finish_reason\":\"stop\""));
    CHECK_INT(got.error, 0);
    buf_deinit(&got.bytes);
    check_log(s, "answered.status", "200");
    check_log(s, "client_left", "false");
    ask(s, "mini", stream, &got, 2000);
    CHECK(says(&got, "data: [DONE]") && says(&got, "0\r\n\r\n"));
    buf_deinit(&got.bytes);
    check_log(s, "stream", "true");
    check_log(s, "answered.finish_reason", "\"stop\"");
}

static void test_refusals(struct stage *s)
{
    struct got got;

    ask(s, "mini:429=7", stream, &got, 2000);
    CHECK(says(&got, "HTTP/1.1 429") && says(&got, "retry-after: 7"));
    buf_deinit(&got.bytes);
    check_log(s, "answered.fault", "\"429=7\"");
    ask(s, "mini:reset", "", &got, 2000);
    CHECK_INT(got.error, ECONNRESET);
    CHECK_INT(got.total, 0);
    buf_deinit(&got.bytes);
    check_log(s, "answered.status", "null");
}

static void test_broken_ends(struct stage *s)
{
    struct got got;

    ask(s, "mini:cut", stream, &got, 2000);
    CHECK(says(&got, "\"content\":") && !says(&got, "[DONE]") && !says(&got, "\r\n0\r\n\r\n"));
    CHECK(got.error >= 0);
    buf_deinit(&got.bytes);
    ask(s, "mini:cut", "", &got, 2000);
    CHECK(says(&got, "HTTP/1.1 200") && !says(&got, "\"usage\""));
    CHECK(got.error >= 0);
    buf_deinit(&got.bytes);
    ask(s, "mini:truncated", "", &got, 2000);
    CHECK(says(&got, "\"usage\"") && got.error >= 0);
    CHECK(!says(&got, "chunked"));
    buf_deinit(&got.bytes);
}

static void post_bytes(struct stage *s, const char *body, size_t n)
{
    struct got got;
    char head[128];
    int fd = dial(s);

    snprintf(head, sizeof head,
             "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
             "Content-Length: %zu\r\n\r\n",
             n);
    CHECK(send(fd, head, strlen(head), MSG_NOSIGNAL) == (ssize_t)strlen(head));
    CHECK(send(fd, body, n, MSG_NOSIGNAL) == (ssize_t)n);
    receive(s, fd, &got, 2000);
    CHECK(says(&got, "HTTP/1.1 400"));
    buf_deinit(&got.bytes);
}

/* The log keeps every body exactly, also one that is no text. */
static void test_bodies_in_the_log(struct stage *s)
{
    static const char bytes[] = "\xff\xfe\x00\xef";
    static const char *const want[] = {"\"/w==\"", "\"//4=\"", "\"//4A\"", "\"//4A7w==\""};
    struct buf line;

    for (size_t n = 1; n <= 4; n++) {
        post_bytes(s, bytes, n);
        check_log(s, "body_base64", want[n - 1]);
    }
    last_line(s, &line);
    CHECK(json_path(buf_span(&line), "body").p == NULL);
    buf_deinit(&line);
    post_bytes(s, "\xc3\xa9\0", 3);
    check_log(s, "body", "\"\xc3\xa9\\u0000\"");
}

static void test_silence(struct stage *s)
{
    static const char *const models[] = {"mini:no-answer", "mini:stall",
                                         "mini:slow-first-token=60000"};
    struct got got;

    for (size_t i = 0; i < 3; i++) {
        ask(s, models[i], stream, &got, 100);
        CHECK_INT(got.error, -1);
        CHECK(i == 0 ? got.total == 0 : got.total > 0);
        buf_deinit(&got.bytes);
        check_log(s, "client_left", "true");
    }
}

static void test_a_huge_answer(struct stage *s)
{
    struct got got;

    ask(s, "mini:huge", stream, &got, 5000);
    CHECK(got.total > 64 * 1024 * 1024);
    CHECK_INT(got.error, 0);
    buf_deinit(&got.bytes);
}

/* Many wait, some leave, and the end comes while the others still wait. */
static void test_many_waiting(struct stage *s)
{
    enum { MANY = 300 };
    int fds[MANY];

    for (int i = 0; i < MANY; i++) {
        fds[i] = dial(s);
        post(fds[i], i % 2 ? "mini:stall" : "mini:no-answer", stream);
        event_base_loop(s->base, EVLOOP_NONBLOCK);
    }
    for (int i = 0; i < MANY / 2; i++)
        close(fds[i]);
    check_log(s, "client_left", "true");
    close_stage(s);
    for (int i = MANY / 2; i < MANY; i++)
        close(fds[i]);
}

static void test_bad_answers_file(void)
{
    struct event_base *base = event_base_new();
    struct sim_options o;
    struct err err;

    sim_options_default(&o);
    o.answers = "/no/such/answers";
    CHECK(sim_new(base, home(), &o, &err) == NULL);
    CHECK(strstr(err.message, "/no/such/answers") != NULL);
    o.answers = NULL;
    o.log = "/no/such/dir/log";
    CHECK(sim_new(base, home(), &o, &err) == NULL);
    CHECK(strstr(err.message, "/no/such/dir/log") != NULL);
    event_base_free(base);
}

static void test_home(void)
{
    char dir[1024], small[4];
    struct err err;
    const char *before = getenv("BATON_HOME");
    char kept[1024];

    snprintf(kept, sizeof kept, "%s", home());
    setenv("BATON_HOME", kept, 1);
    CHECK_INT(home_find(dir, sizeof dir, &err), 0);
    CHECK_STR(dir, kept);
    setenv("BATON_HOME", "/no/such/place", 1);
    CHECK_INT(home_find(dir, sizeof dir, &err), -1);
    CHECK(strstr(err.message, "/no/such/place") != NULL);
    setenv("BATON_HOME", "./././.", 1);
    CHECK_INT(home_find(small, sizeof small, &err), -1);
    if (before)
        setenv("BATON_HOME", kept, 1);
    else
        unsetenv("BATON_HOME");
}

int main(void)
{
    struct stage s;

    signal(SIGPIPE, SIG_IGN);
    test_scripts("test_sim");
    test_scripts("test_sim_formats");
    test_scripts("test_sim_strict");
    test_scripts("test_sim_faults");
    test_scripts("test_sim_opinion");
    test_home();
    test_bad_answers_file();
    open_stage(&s);
    if (s.sim) {
        test_good_answers(&s);
        test_refusals(&s);
        test_broken_ends(&s);
        test_bodies_in_the_log(&s);
        test_silence(&s);
        test_a_huge_answer(&s);
        test_many_waiting(&s); /* closes the stage */
    }
    return test_report("sim");
}
