/* test_config - what baton.lua may say: every field, every kind of mistake, the environment.
 * SPDX-License-Identifier: MIT */
#include "json.h"
#include "log.h"
#include "worldhelp.h"

static void clear_environment(void)
{
    static const char *const names[] = {"OPENAI_API_KEY",
                                        "OPENAI_BASE_URL",
                                        "GROQ_API_KEY",
                                        "MISTRAL_API_KEY",
                                        "DEEPSEEK_API_KEY",
                                        "OPENROUTER_API_KEY",
                                        "TOGETHER_API_KEY",
                                        "XAI_API_KEY",
                                        "OLLAMA_HOST",
                                        "VLLM_BASE_URL",
                                        "BATON_TEST_KEY",
                                        "OPENAI_ORG_ID",
                                        "ANTHROPIC_API_KEY",
                                        "ANTHROPIC_BASE_URL",
                                        "GEMINI_API_KEY",
                                        "GOOGLE_API_KEY",
                                        "GOOGLE_GEMINI_BASE_URL",
                                        "TOGETHERAI_API_KEY",
                                        "FIREWORKS_API_KEY",
                                        "CEREBRAS_API_KEY",
                                        "OPENAI_PROJECT_ID",
                                        "AZURE_OPENAI_API_KEY",
                                        "AZURE_API_KEY",
                                        "AZURE_OPENAI_ENDPOINT",
                                        "AZURE_OPENAI_API_VERSION"};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        unsetenv(names[i]);
}

static void check_fact(const struct config *c, const char *path, const char *want)
{
    struct span value = json_path((struct span){c->facts, strlen(c->facts)}, path);

    if (want)
        CHECK_BYTES(value.p, value.n, want);
    else
        CHECK(value.p == NULL);
}

static void test_defaults(void)
{
    struct config c;
    struct err err = {.message = ""};
    struct http_limits http;
    struct guard_limits task;

    http_limits_default(&http);
    guard_limits_default(&task);
    CHECK_INT(world_load_config(&c, "return {}", &err), 0);
    CHECK_STR(err.message, "");
    CHECK_STR(c.listen, "127.0.0.1:8080");
    CHECK_INT(c.log_level, LOG_INFO);
    CHECK_INT(c.key_count, 0);
    CHECK(!c.certificate && !c.key && !c.simulated);
    CHECK_INT(c.http.body_max, http.body_max);
    CHECK_INT(c.http.header_timeout_ms, http.header_timeout_ms);
    CHECK_INT(c.task.slice_ms, task.slice_ms);
    CHECK_INT(c.task.bytes, task.bytes);
    CHECK_INT(c.providers.n, 0);
    CHECK(c.canary.window_s == 300 && c.canary.min_requests == 50 && c.canary.latency == 1.5);
    check_fact(&c, "models", "{}");
    check_fact(&c, "default_model", NULL);
    config_deinit(&c);
    config_deinit(&c);
}

static const char everything[] =
    "return {\n"
    "   breaker = { failures = 2, window = 20, error_rate = 0.75, min_calls = 9, cooldown = 0.5,\n"
    "      max_cooldown = 7 },\n"
    "   canary = { window = 60, min_requests = 5, error_rate = 0.25, latency = 2.5, cost = 0,\n"
    "      promote_after = 0 },\n"
    "   listen = '0.0.0.0:9000', default_policy = 'direct', default_model = 'a/m', log = 'debug',\n"
    "   keys = { 'k1', 'k2' },\n"
    "   tls = { certificate = 'c.pem', key = 'k.pem' },\n"
    "   timeouts = { connect = 1, first_byte = 2, stall = 3, total = 4 },\n"
    "   limits = { body = 2048, header_bytes = 4096, headers = 10, request_line = 512,\n"
    "      connections = 7, waiting = 8, header_timeout = 1.5, body_timeout = 2.5, idle_timeout = "
    "3.5,\n"
    "      write_timeout = 4.5, answer = 5000, cpu_slice_ms = 50, cpu_total_ms = 500,\n"
    "      task_bytes = 2097152, heap_bytes = 33554432, drain_timeout = 5.5,\n"
    "      cache_bytes = 1000000 },\n"
    "   kv = { bytes = 2097152 },\n"
    "   providers = {\n"
    "      a = { base_url = 'https://a.example/v1//', key = 'secret-a', http2 = true,\n"
    "         timeouts = { total = 9 }, headers = { ['X-One'] = '1', ['x-two'] = 'b c' } },\n"
    "      ['b-2.x_'] = { base_url = 'http://127.0.0.1:1', codec = 'openai' },\n"
    "      many = { base_url = 'http://127.0.0.1:2', key = { 'secret-1', 'secret-2' } },\n"
    "   },\n"
    "   models = { ['a/m'] = { tier = 'fast', input = 0.15, cached_input = 0, output = 1e6,\n"
    "      context = 128000, max_output = 16384, capabilities = { 'tools' }, good_at = { 'code' "
    "},\n"
    "      where = 'local', requests_per_minute = 60, tokens_per_minute = 1000 }, ['a/with/slash'] "
    "= {} },\n"
    "   aliases = { cheap = 'a/m', best = { tier = 'expert' } },\n"
    "   policies = { cascade = { threshold = 0.7, ladder = { 'fast' } } },\n"
    "}";

static void test_everything(void)
{
    struct config c;
    struct err err = {.message = ""};

    CHECK_INT(world_load_config(&c, everything, &err), 0);
    CHECK_STR(err.message, "");
    if (err.message[0])
        return;
    CHECK_STR(c.listen, "0.0.0.0:9000");
    CHECK_INT(c.log_level, LOG_DEBUG);
    CHECK_INT(c.key_count, 2);
    CHECK_STR(c.keys[1], "k2");
    CHECK_STR(c.certificate, "c.pem");
    CHECK_STR(c.key, "k.pem");
    CHECK_INT(c.http.body_max, 2048);
    CHECK_INT(c.http.header_max, 4096);
    CHECK_INT(c.http.header_count, 10);
    CHECK_INT(c.http.line_max, 512);
    CHECK_INT(c.http.connections_max, 7);
    CHECK_INT(c.waiting_max, 8);
    CHECK_INT(c.http.header_timeout_ms, 1500);
    CHECK_INT(c.http.body_timeout_ms, 2500);
    CHECK_INT(c.http.idle_timeout_ms, 3500);
    CHECK_INT(c.http.write_timeout_ms, 4500);
    CHECK_INT(c.task.slice_ms, 50);
    CHECK_INT(c.task.total_ms, 500);
    CHECK_INT(c.task.bytes, 2097152);
    CHECK_INT(c.heap_max, 33554432);
    CHECK_INT(c.cache_bytes, 1000000);
    CHECK_INT(c.kv_bytes, 2097152);
    CHECK_INT(c.drain_timeout_ms, 5500);
    CHECK(c.canary.window_s == 60 && c.canary.min_requests == 5 && c.canary.error_rate == 0.25);
    CHECK(c.canary.latency == 2.5 && c.canary.cost == 0 && c.canary.promote_after_s == 0);
    CHECK(c.breaker.failures == 2 && c.breaker.min_calls == 9 && c.breaker.window == 20);
    CHECK(c.breaker.error_rate == 0.75);
    CHECK(c.breaker.cooldown == 0.5 && c.breaker.max_cooldown == 7);
    const struct provider *many = providers_find(&c.providers, "many");
    CHECK(many && many->key_count == 2 && strcmp(many->keys[1], "secret-2") == 0);
    check_fact(&c, "providers.many.keys", "2");
    check_fact(&c, "models.a/m.requests_per_minute", "60");
    const struct provider *a = providers_find(&c.providers, "a");
    const struct provider *b = providers_find(&c.providers, "b-2.x_");
    CHECK(a && b && !providers_find(&c.providers, "c"));
    CHECK_STR(a->base_url, "https://a.example/v1");
    CHECK_INT(a->key_count, 1);
    CHECK_STR(a->keys[0], "secret-a");
    CHECK_STR(a->codec, "openai");
    CHECK(a->http2 && !b->http2 && !a->simulated);
    CHECK_INT(a->header_count, 2);
    CHECK_STR(a->headers[0], "X-One: 1");
    CHECK_STR(a->headers[1], "x-two: b c");
    CHECK_INT(a->timeouts.connect_ms, 1000);
    CHECK_INT(a->timeouts.first_byte_ms, 2000);
    CHECK_INT(a->timeouts.stall_ms, 3000);
    CHECK_INT(a->timeouts.total_ms, 9000);
    CHECK_INT(b->timeouts.total_ms, 4000);
    CHECK_INT(a->answer_max, 5000);
    CHECK(b->key_count == 0);
    check_fact(&c, "default_policy", "\"direct\"");
    check_fact(&c, "default_model", "\"a/m\"");
    check_fact(&c, "models.a/m.cached_input", "0");
    check_fact(&c, "aliases.best.tier", "\"expert\"");
    check_fact(&c, "policies.cascade.ladder.0", "\"fast\"");
    check_fact(&c, "providers.a.codec", "\"openai\"");
    check_fact(&c, "providers.a.host", "\"a.example\"");
    check_fact(&c, "providers.a.path", "\"/v1\"");
    CHECK(strstr(c.facts, "secret") == NULL && strstr(c.facts, "k1") == NULL);
    config_deinit(&c);
}

/* A mistake is told with its place. */
static void check_wrong(const char *text, const char *want)
{
    struct config c;
    struct err err = {.message = ""};
    int result = world_load_config(&c, text, &err);

    CHECK_INT(result, -1);
    bool good = strstr(err.message, want) != NULL;
    CHECK(good);
    if (!good)
        fprintf(stderr, "   %s\n   gives: %s\n   not: %s\n", text, err.message, want);
    if (result == 0)
        config_deinit(&c);
}

static void test_unknown_fields(void)
{
    check_wrong("return { breaker = { failures = 0 } }",
                "breaker.failures: must be a number from 1 to");
    check_wrong("return { providers = { a = { base_url = 'http://x', key = { 'a', 5 } } } }",
                "providers.a.key.2: must be a string, not a number");
    check_wrong(
        "return { providers = { a = { base_url = 'http://x', key = { "
        "'1','2','3','4','5','6','7','8','9','10','11','12','13','14','15','16','17' } } } }",
        "providers.a.key: must hold at most 16 keys");
    check_wrong("return { models = { ['a/m'] = { requests_per_minute = 0 } } }",
                "models.a/m.requests_per_minute: must be a number from");
    check_wrong("return { lisen = 'x' }",
                "lisen: unknown field (known: admin, aliases, breaker, canary,");
    check_wrong("return { 1 }", "1: unknown field");
    check_wrong("return { [true] = 1 }", "true: unknown field");
    check_wrong("return { tls = { cert = 'x' } }",
                "tls.cert: unknown field (known: certificate, key)");
    check_wrong("return { limits = { boddy = 1 } }", "limits.boddy: unknown field");
    check_wrong("return { timeouts = { conect = 1 } }", "timeouts.conect: unknown field");
    check_wrong("return { providers = { a = { base_ur = 'x' } } }",
                "providers.a.base_ur: unknown field");
    check_wrong("return { providers = { a = { base_url = 'http://x', timeouts = { x = 1 } } } }",
                "providers.a.timeouts.x: unknown field");
    check_wrong("return { providers = { a = { base_url = 'http://x', simulated = true } } }",
                "providers.a.simulated: unknown field");
    check_wrong("return { providers = { a = { base_url = 'http://x' } }, models = { ['a/m'] = { "
                "price = 1 } } }",
                "models.a/m.price: unknown field");
}

static void test_wrong_values(void)
{
    static const struct {
        const char *field, *want;
    } cases[] = {
        {"listen = 1", "listen: must be a string"},
        {"listen = 'nowhere'", "listen: must be HOST:PORT"},
        {"log = 'loud'", "log: must be one of debug, info"},
        {"keys = 'k'", "keys: must be a table"},
        {"keys = { a = 'k' }", "keys: must be a list"},
        {"keys = { 1 }", "keys.1: must be a string"},
        {"keys = { 'a\\nb' }", "keys.1: must not hold line breaks"},
        {"keys = { '' }", "keys.1: must not be empty"},
        {"keys = { 'a', [3] = 'b' }", "keys.2: must be a string"},
        {"tls = { certificate = 'x' }", "tls: needs both"},
        {"tls = {}", "tls: needs both"},
        {"tls = true", "tls: must be a table"},
        {"limits = { body = '1' }", "limits.body: must be a number from 1024 to 1073741824 bytes"},
        {"limits = { body = 1 }", "limits.body: must be a number"},
        {"limits = { body = 5000.5 }", "limits.body: must be a whole number, not 5000.5"},
        {"workers = 2.5", "workers: must be a whole number, not 2.5"},
        {"limits = { body = 1e300 }", "limits.body: must be a number"},
        {"limits = { body = -1 }", "limits.body: must be a number"},
        {"limits = { body = 0/0 }", "limits.body: must be a number"},
        {"limits = { header_timeout = 0 }", "limits.header_timeout: must be a number"},
        {"limits = { cpu_slice_ms = 1 }", "limits.cpu_slice_ms: must be a number"},
        {"limits = { heap_bytes = math.huge }", "limits.heap_bytes: must be a number"},
        {"limits = { cache_bytes = 1 }", "limits.cache_bytes: must be a number"},
        {"kv = { bytes = 1000 }", "kv.bytes: must be a number"},
        {"kv = { size = 1 }", "kv.size"},
        {"timeouts = { total = 0/0 }", "timeouts.total: must be a number"},
        {"timeouts = { total = 100000 }",
         "timeouts.total: must be a number from 0.001 to 86400 seconds"},
        {"providers = { a = {} }", "providers.a.base_url: is missing"},
        {"providers = { a = 1 }", "providers.a: must be a table"},
        {"providers = { 'x' }", "providers: must have names"},
        {"providers = { ['a/b'] = { base_url = 'http://x' } }",
         "providers.a/b: a name has letters"},
        {"providers = { [''] = { base_url = 'http://x' } }", "a name has letters"},
        {"providers = { a = { base_url = 'x' } }", "providers.a.base_url: must be an http"},
        {"providers = { a = { base_url = 'ftp://x' } }", "must be an http"},
        {"providers = { a = { base_url = 'http://' } }", "must be an http"},
        {"providers = { a = { base_url = 'http://u:p@x' } }", "must be an http"},
        {"providers = { a = { base_url = 'http://x?q' } }", "must be an http"},
        {"providers = { a = { base_url = 'http://x y' } }", "must be an http"},
        {"providers = { a = { base_url = 'http://x\\n' } }", "must be an http"},
        {"providers = { a = { base_url = 'http://x', key = 'a\\r\\nb: c' } }",
         "key: must not hold line breaks"},
        {"providers = { a = { base_url = 'http://x', key = 'a\\0b' } }",
         "key: must not hold line breaks"},
        {"providers = { a = { base_url = 'http://x', key = 7 } }", "key: must be a string"},
        {"providers = { a = { base_url = 'http://x', http2 = 1 } }", "http2: must be a boolean"},
        {"providers = { a = { base_url = 'http://x', headers = { ['a b'] = '1' } } }",
         "is no name for a header"},
        {"providers = { a = { base_url = 'http://x', headers = { ['a:'] = '1' } } }",
         "is no name for a header"},
        {"providers = { a = { base_url = 'http://x', headers = { a = '1\\n2' } } }",
         "must not hold line breaks"},
        {"providers = { a = { base_url = 'http://x', headers = { 'a' } } }", "must have names"},
        {"models = { ['a/m'] = {} }", "models.a/m: there is no provider 'a'"},
        {"models = { m = {} }", "models.m: must be named \"provider/model\""},
        {"models = { ['a/m'] = { input = -1 } }", "models.a/m.input: must be a number"},
        {"models = { ['a/m'] = { input = 0/0 } }", "models.a/m.input: must be a number"},
        {"models = { ['a/m'] = { where = 'moon' } }", "where: must be one of local, cloud"},
        {"models = { ['a/m'] = { capabilities = 'tools' } }", "capabilities: must be a table"},
        {"models = { ['a/m'] = { capabilities = { 1 } } }", "capabilities.1: must be a string"},
        {"aliases = { a = 1 }", "aliases.a: must be the name of a model or a selector"},
        {"policies = { cascade = 1 }", "policies.cascade: must be a table"},
        {"policies = { cascade = { f = error } }", ":1: policies.cascade.f: "},
        {"policies = { cascade = { n = 0/0 } }", ":1: policies.cascade.n: "},
    };
    char text[512];

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        snprintf(text, sizeof text, "return { %s }", cases[i].field);
        check_wrong(text, cases[i].want);
    }
}

/* ... and with its line; nothing is guessed. */
static void test_lines(void)
{
    check_wrong("-- lisen\nreturn {\n   lisen = 'x' }", ":3: lisen: unknown field");
    check_wrong("return {\n   providers = {\n      a = {\n         base_url = 'http://x',\n"
                "         base_ur = 'x' } } }",
                ":5: providers.a.base_ur: unknown field");
    check_wrong("return {\n   providers = {\n      a = {} } }",
                ":3: providers.a.base_url: is missing");
    check_wrong("return {\n   keys = { 'a',\n      'b\\n' } }", ":3: keys.2: must not");
    check_wrong("return {\n   models = {\n      ['a/m'] = {} } }", ":3: models.a/m: there is no");
    check_wrong("return {\n   tls = {} }", ":2: tls: needs both");
    check_wrong("local a = {\n   base_ur = 'x' }\nreturn {\n   providers = { a = a } }",
                ":4: providers.a.base_ur: unknown field");
    check_wrong("local c = {\n   lisen = 'x' }\nreturn c", ": lisen: unknown field");
    check_wrong("local c = {\n   policies = { p = { f = error } } }\nreturn c", ": policies.p.f: ");
    check_wrong("return {\n   policies = { p = {\n   f = error } } }", ":3: policies.p.f: ");
}

/* Faults that scripts find get the same. */
static void test_blame(void)
{
    static const char text[] = "return {\n   policies = {\n      cascade = {\n treshold = 1 } } }";
    char path[] = "/tmp/baton_test_XXXXXX", want[128];
    int fd = mkstemp(path);
    struct err err;

    CHECK(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    close(fd);
    err_set(&err, ERR_INTERNAL, "configuration: policies.cascade.treshold: no such parameter");
    config_blame(path, &err);
    snprintf(want, sizeof want, "%s:4: policies.cascade.treshold: no such parameter", path);
    CHECK_STR(err.message, want);
    config_blame(path, &err); /* once */
    CHECK_STR(err.message, want);
    err_set(&err, ERR_INTERNAL, "configuration: default_policy: there is no policy 'x'");
    config_blame(path, &err);
    snprintf(want, sizeof want, "%s: default_policy: there is no policy 'x'", path);
    CHECK_STR(err.message, want);
    unlink(path);
    err_set(&err, ERR_INTERNAL, "configuration: default_policy: gone");
    config_blame("/no/such/file", &err);
    CHECK_STR(err.message, "/no/such/file: default_policy: gone");
    err_set(&err, ERR_INTERNAL, "configuration: default_policy: folder");
    config_blame("/tmp", &err);
    CHECK_STR(err.message, "/tmp: default_policy: folder");
}

static void test_the_file(void)
{
    struct config c;
    struct err err;

    check_wrong("return 7", "must return a table");
    check_wrong("", "must return a table");
    check_wrong("return {", ":1: ");
    check_wrong("error('mine')", "mine");
    check_wrong("error({ message = 'mine', code = 'auth' })", "mine");
    check_wrong("return io.open('/etc/passwd')", "unknown global 'io'");
    check_wrong("x = 1", "read-only");
    check_wrong("return require 'llm'", "unknown global 'require'");
    check_wrong("\033Lua", "attempt to load a binary chunk");
    check_wrong("local s = 'x' while true do s = s .. s end", "memory");
    check_wrong("local h = {} for i = 1, 33 do h['x-' .. i] = 'y' end\n"
                "return { providers = { a = { base_url = 'http://x', headers = h } } }",
                "providers.a.headers: must hold at most 32 fields");
    check_wrong("local t = {} t.t = t return { policies = { a = t } }",
                "cannot be handed to scripts");
    CHECK_INT(config_load(&c, world_home(), "/no/such/baton.lua", NULL, NULL, &err), -1);
    CHECK(strstr(err.message, "/no/such/baton.lua: No such file") != NULL);
    CHECK_INT(config_load(&c, world_home(), "/tmp", NULL, NULL, &err), -1);
    CHECK_INT(config_load(&c, "/no/such/home", NULL, NULL, NULL, &err), -1);
    CHECK(strstr(err.message, "/no/such/home/scripts/configure.lua") != NULL);
}

/* What an operator computes is fine. */
static void test_it_is_lua(void)
{
    struct config c;
    struct err err = {.message = ""};

    CHECK_INT(world_load_config(
                  &c,
                  "local models = {}\n"
                  "for _, n in ipairs { 'x', 'y' } do\n"
                  "   models['a/' .. n] = { input = #n, output = #n }\n"
                  "end\n"
                  "return { providers = { a = { base_url = 'http://a' } }, models = models }",
                  &err),
              0);
    CHECK_STR(err.message, "");
    check_fact(&c, "models.a/y.input", "1");
    config_deinit(&c);
}

static int notes;

static void count_note(const char *text)
{
    notes += strstr(text, "BATON_TEST_KEY is not set") != NULL;
}

static void test_env(void)
{
    static const char text[] = "return { keys = { env 'BATON_TEST_KEY' } }";
    char path[] = "/tmp/baton_test_XXXXXX";
    struct config c;
    struct err err;

    check_wrong(text, "the environment variable BATON_TEST_KEY is not set");
    check_wrong(text, "/tmp/baton_test_");
    check_wrong("return { keys = { env() } }", "string expected");
    setenv("BATON_TEST_KEY", "", 1);
    check_wrong(text, "the environment variable BATON_TEST_KEY is not set");
    CHECK_INT(world_load_config(&c, "return { keys = { env('BATON_TEST_KEY', 'other') } }", &err),
              0);
    CHECK_STR(c.keys[0], "other");
    config_deinit(&c);
    CHECK_INT(world_load_config(&c, "return { default_model = env('BATON_TEST_KEY', nil) }", &err),
              0);
    config_deinit(&c);
    setenv("BATON_TEST_KEY", "from outside", 1);
    CHECK_INT(world_load_config(&c, text, &err), 0);
    CHECK_STR(c.keys[0], "from outside");
    config_deinit(&c);
    unsetenv("BATON_TEST_KEY");
    int fd = mkstemp(path); /* baton check tells, and goes on */
    CHECK(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    close(fd);
    CHECK_INT(config_load(&c, world_home(), path, NULL, count_note, &err), 0);
    CHECK_INT(notes, 1);
    config_deinit(&c);
    unlink(path);
}

static void check_registered(const char *name, const char *value, const char *provider,
                             const char *url, const char *key)
{
    struct config c;
    struct err err;

    clear_environment();
    setenv(name, value, 1);
    CHECK_INT(world_load_config(&c, "return {}", &err), 0);
    CHECK_INT(c.providers.n, 1);
    const struct provider *p = providers_find(&c.providers, provider);
    CHECK(p != NULL);
    if (p) {
        CHECK_STR(p->base_url, url);
        CHECK(key ? p->key_count == 1 && strcmp(p->keys[0], key) == 0 : p->key_count == 0);
    }
    config_deinit(&c);
    CHECK_INT(world_load_config(&c, "return { providers = {} }", &err), 0);
    CHECK_INT(c.providers.n, 0);
    config_deinit(&c);
    clear_environment();
}

static void test_environment(void)
{
    struct config c;
    struct err err;

    check_registered("OPENAI_API_KEY", "sk-1", "openai", "https://api.openai.com/v1", "sk-1");
    check_registered("GROQ_API_KEY", "k", "groq", "https://api.groq.com/openai/v1", "k");
    check_registered("OLLAMA_HOST", "box", "ollama", "http://box:11434", NULL);
    check_registered("OLLAMA_HOST", "box:8000", "ollama", "http://box:8000", NULL);
    check_registered("OLLAMA_HOST", "0.0.0.0", "ollama", "http://127.0.0.1:11434", NULL);
    check_registered("OLLAMA_HOST", "https://box/", "ollama", "https://box", NULL);
    check_registered("OLLAMA_HOST", "http://box:1/v1/", "ollama", "http://box:1", NULL);
    check_registered("VLLM_BASE_URL", "http://box:8000/v1", "vllm", "http://box:8000/v1", NULL);
    check_registered("ANTHROPIC_API_KEY", "k", "anthropic", "https://api.anthropic.com/v1", "k");
    check_registered("GEMINI_API_KEY", "k", "gemini",
                     "https://generativelanguage.googleapis.com/v1beta", "k");
    check_registered("GOOGLE_API_KEY", "k", "gemini",
                     "https://generativelanguage.googleapis.com/v1beta", "k");
    check_registered("TOGETHERAI_API_KEY", "k", "together", "https://api.together.xyz/v1", "k");
    check_registered("CEREBRAS_API_KEY", "k", "cerebras", "https://api.cerebras.ai/v1", "k");
    check_registered("FIREWORKS_API_KEY", "k", "fireworks", "https://api.fireworks.ai/inference/v1",
                     "k");
    setenv("AZURE_API_KEY", "k", 1); /* without an address it is nobody's */
    setenv("AZURE_OPENAI_API_VERSION", "2025-01-01", 1);
    CHECK_INT(world_load_config(&c, "return {}", &err), 0);
    CHECK_INT(c.providers.n, 0);
    config_deinit(&c);
    setenv("AZURE_OPENAI_ENDPOINT", "https://x.openai.azure.com/", 1);
    CHECK_INT(world_load_config(&c, "return {}", &err), 0);
    CHECK_INT(c.providers.n, 1);
    CHECK_STR(providers_find(&c.providers, "azure")->base_url, "https://x.openai.azure.com/openai");
    check_fact(&c, "providers.azure.api_version", "\"2025-01-01\"");
    config_deinit(&c);
    setenv("AZURE_OPENAI_ENDPOINT", "https://x.openai.azure.com/openai/v1", 1);
    CHECK_INT(world_load_config(&c, "return {}", &err), 0);
    CHECK_STR(providers_find(&c.providers, "azure")->base_url,
              "https://x.openai.azure.com/openai/v1");
    config_deinit(&c);
    clear_environment();
    setenv("ANTHROPIC_API_KEY", "k", 1);
    setenv("ANTHROPIC_BASE_URL", "http://proxy", 1);
    setenv("GEMINI_API_KEY", "mine", 1);
    setenv("GOOGLE_API_KEY", "another", 1);
    setenv("GOOGLE_GEMINI_BASE_URL", "http://proxy/v1beta/", 1);
    CHECK_INT(world_load_config(&c, "return {}", &err), 0);
    CHECK_INT(c.providers.n, 2);
    CHECK_STR(providers_find(&c.providers, "anthropic")->base_url, "http://proxy/v1");
    CHECK_STR(providers_find(&c.providers, "anthropic")->codec, "anthropic");
    CHECK_STR(providers_find(&c.providers, "gemini")->base_url, "http://proxy/v1beta");
    CHECK_STR(providers_find(&c.providers, "gemini")->keys[0], "mine");
    config_deinit(&c);
    clear_environment();
    setenv("OPENAI_API_KEY", "sk-1", 1);
    setenv("OPENAI_BASE_URL", "http://proxy/v1", 1);
    setenv("OPENAI_ORG_ID", "org-1", 1);
    setenv("MISTRAL_API_KEY", "m", 1);
    CHECK_INT(world_load_config(&c, "return {}", &err), 0);
    CHECK_INT(c.providers.n, 2);
    CHECK_STR(providers_find(&c.providers, "openai")->base_url, "http://proxy/v1");
    CHECK_INT(providers_find(&c.providers, "openai")->header_count, 1);
    CHECK_STR(providers_find(&c.providers, "openai")->headers[0], "OpenAI-Organization: org-1");
    config_deinit(&c);
    clear_environment();
    setenv("OPENAI_BASE_URL", "http://proxy/v1", 1); /* without a key: nobody */
    CHECK_INT(world_load_config(&c, "return {}", &err), 0);
    CHECK_INT(c.providers.n, 0);
    config_deinit(&c);
    clear_environment();
}

static void test_simulated(void)
{
    struct config c;
    struct err err;

    CHECK_INT(config_load(&c, world_home(), "/dev/null", "http://127.0.0.1:9/v1", NULL, &err), -1);
    char path[] = "/tmp/baton_test_XXXXXX";
    int fd = mkstemp(path);
    CHECK(write(fd, "return {}", 9) == 9);
    close(fd);
    CHECK_INT(config_load(&c, world_home(), path, "http://127.0.0.1:9/v1", NULL, &err), 0);
    CHECK(c.simulated);
    CHECK_INT(c.providers.n, 1);
    CHECK(c.providers.items[0].simulated);
    CHECK_STR(c.providers.items[0].base_url, "http://127.0.0.1:9/v1");
    check_fact(&c, "providers.sim.simulated", "true");
    config_deinit(&c);
    unlink(path);
}

/* ---- from memory ---- */

static void check_text(const struct sources *s, const char *text, const char *want)
{
    struct config c;
    struct err err = {.message = ""};
    struct span span = {text, text ? strlen(text) : 0};
    int result = config_load_text(&c, s, "conf/baton.lua", span, NULL, &err);

    CHECK_INT(result, *want ? -1 : 0);
    CHECK(strncmp(err.message, want, strlen(want)) == 0);
    if (result == 0)
        config_deinit(&c);
}

static void test_from_text(void)
{
    static const char configure[] = "return function() error('its own configure.lua', 0) end";
    struct sources s, changed = {0};
    struct config c;
    struct err err = {.message = ""};
    struct span text = SPAN("return { listen = '127.0.0.1:1' }");

    CHECK_INT(sources_read(&s, world_home(), NULL, &err), 0);
    CHECK_INT(config_load_text(&c, &s, "x", text, NULL, &err), 0);
    CHECK_STR(c.listen, "127.0.0.1:1");
    config_deinit(&c);
    check_text(&s, NULL, "");
    check_text(&s, "return {}", "");
    check_text(&s, "return {\n   lisen = 'x' }", "conf/baton.lua:2: lisen: unknown field");
    check_text(&s, "return 1", "conf/baton.lua: must return a table: return { ... }");
    check_text(&s, "", "conf/baton.lua: must return a table: return { ... }");
    check_text(&s, "return {\n1 +}", "conf/baton.lua:2: unexpected symbol near '}'");
    check_text(&changed, "return {}", "conf/baton.lua: scripts/configure.lua: not found");
    struct source item = {.name = (char[]){"scripts/configure.lua"},
                          .text = (char *)configure,
                          .n = strlen(configure)};
    changed.items = &item;
    changed.n = 1;
    check_text(&changed, NULL, "its own configure.lua");

    err_set(&err, ERR_INTERNAL, "configuration: policies.x: there is none");
    config_blame_text("b.lua", SPAN("return {\n policies = { x = {} } }"), &err);
    CHECK_STR(err.message, "b.lua:2: policies.x: there is none");
    config_blame_text("b.lua", SPAN("return {}"), &err);
    CHECK_STR(err.message, "b.lua:2: policies.x: there is none");
    sources_deinit(&s);
}

int main(void)
{
    clear_environment();
    test_defaults();
    test_everything();
    test_unknown_fields();
    test_wrong_values();
    test_lines();
    test_blame();
    test_the_file();
    test_it_is_lua();
    test_env();
    test_environment();
    test_simulated();
    test_from_text();
    return test_report("config");
}
