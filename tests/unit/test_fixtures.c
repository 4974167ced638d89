/* test_fixtures - recorded answers of real providers, through core/call.c and the codec that reads them.
 * SPDX-License-Identifier: MIT
 *
 * Every recording below VECTORS/provider-fixtures is played whole, byte by byte and cut at every
 * place; fixture_cases.lua judges what the codec made of it: the text, tool calls, usage and reason
 * to stop that the provider's own client library reported. */
#include "call.h"
#include "json.h"
#include "lua_json.h"
#include "stream.h"
#include "worldhelp.h"

#define CASES "tests/unit/fixture_cases.lua"

enum { FILE_MAX = 4 << 20, TEXT_MAX = 512 };

enum { CUT_BYTES = 4 << 20 }; /* so many bytes are played for the cuts of one stream */

struct recording {
    char name[TEXT_MAX], codec[32], as[16]; /* "stream", "whole", "embeddings", "error" */
    int status, choices;
    struct buf headers, body,
        expected; /* expected: what the client library reported; may be empty */
};

static struct world world;
static char folder[512];

/* ---- an effect that does what it is told at once ---- */

static int64_t still(struct effect *e)
{
    (void)e;
    return 0;
}

static int take_ask(struct effect *e, struct op *op, const struct ask *ask, struct err *err)
{
    (void)err;
    if (ask->kind == ASK_CALL)
        free(ask->call.body);
    op->effect = e;
    return 0;
}

static void drop_ask(struct effect *e, struct op *op)
{
    (void)e;
    op->effect = NULL;
}

static void no_pause(struct effect *e, struct op *op, bool on)
{
    (void)e, (void)op, (void)on;
}

static struct effect told = {
    .name = "told", .mono_us = still, .start = take_ask, .cancel = drop_ask, .pause = no_pause};

static void tell(struct call *c, enum answer_kind kind, struct span bytes, int status)
{
    struct answer a = {.kind = kind, .status = status};

    if (!c->op.effect)
        return;
    if (kind == ANSWER_HEAD)
        a.headers = bytes;
    else
        a.data = bytes;
    if (kind == ANSWER_DONE)
        c->op.effect = NULL;
    c->op.on_answer(&c->op, &a);
}

/* Plays the recording: the first piece ends at 'first', the others are 'step' bytes. */
static void play(struct call *c, const struct recording *r, const struct wire *wire, size_t first,
                 size_t step)
{
    struct ask_call ask = {.method = "POST", .url = "http://x/y", .answer_max = FILE_MAX};
    struct err err;
    struct span none = {NULL, 0};

    CHECK_INT(call_start(c, &told, &ask, wire, strcmp(r->as, "stream") == 0, r->choices, &err), 0);
    tell(c, ANSWER_HEAD, buf_span(&r->headers), r->status);
    for (size_t at = 0, next = first ? first : step; at < r->body.len; at = next, next += step) {
        size_t end = next < r->body.len && next > at ? next : r->body.len;
        tell(c, ANSWER_DATA, (struct span){r->body.data + at, end - at}, 0);
        if (end == r->body.len)
            break;
    }
    tell(c, ANSWER_DONE, none, 0);
}

static uint64_t mix(uint64_t h, struct span s)
{
    uint64_t word;
    size_t at = 0;

    for (h = (h ^ s.n) * 0x100000001b3u; at + 8 <= s.n; at += 8) {
        memcpy(&word, s.p + at, 8);
        h = (h ^ word) * 0x9e3779b97f4a7c15u;
        h ^= h >> 29;
    }
    for (; at < s.n; at++)
        h = (h ^ (unsigned char)s.p[at]) * 0x100000001b3u;
    return h;
}

/* All that a codec is shown, and how it ended, as one number. */
static uint64_t digest(struct call *c)
{
    struct span event, data;
    uint64_t h = 7;

    while (call_next(c, &event, &data))
        h = mix(mix(h, event), data);
    h = mix(mix(h, buf_span(&c->usage[0])), buf_span(&c->usage[1]));
    h = mix(h, buf_span(&c->error_event));
    return h * 64 +
           (uint64_t)(c->ended + 2 * c->failed + 4 * c->committed + 8 * c->finished + 16 * c->done +
                      32 * c->stream) +
           (c->failed ? (uint64_t)c->err.code << 32 : 0);
}

static uint64_t digest_of(const struct recording *r, const struct wire *wire, size_t first,
                          size_t step)
{
    struct call c;

    play(&c, r, wire, first, step);
    uint64_t h = digest(&c);
    call_deinit(&c);
    return h;
}

/* ---- what a codec makes of it ---- */

struct judged {
    const struct recording *recording;
    struct call *call;       /* whose events have not been taken yet */
    const struct wire *wire; /* filled by the question for it */
    char text[TEXT_MAX * 8]; /* what is wrong; empty: nothing */
    bool ended;
};

static void set_text(lua_State *L, const char *name, struct span text)
{
    if (!text.p)
        return;
    lua_pushlstring(L, text.p, text.n);
    lua_setfield(L, -2, name);
}

static void set_flag(lua_State *L, const char *name, bool flag)
{
    lua_pushboolean(L, flag);
    lua_setfield(L, -2, name);
}

/* The events as a flat list: name, data, name, data. */
static void push_events(lua_State *L, struct call *c)
{
    struct span event, data;

    lua_newtable(L);
    for (lua_Integer n = 0; call_next(c, &event, &data);) {
        lua_pushlstring(L, event.p, event.n);
        lua_rawseti(L, -2, ++n);
        lua_pushlstring(L, data.p, data.n);
        lua_rawseti(L, -2, ++n);
    }
}

static void push_played(lua_State *L, const struct recording *r, struct call *c)
{
    lua_newtable(L);
    lua_pushinteger(L, r->status);
    lua_setfield(L, -2, "status");
    lua_pushstring(L, r->as);
    lua_setfield(L, -2, "as");
    set_text(L, "headers", buf_span(&r->headers));
    set_text(L, "expected", buf_span(&r->expected));
    set_text(L, "body", c->stream ? (struct span){NULL, 0} : buf_span(&r->body));
    set_text(L, "usage", buf_span(&c->usage[0]));
    set_text(L, "usage_b", buf_span(&c->usage[1]));
    set_text(L, "error_event", buf_span(&c->error_event));
    set_flag(L, "failed", c->failed);
    if (c->failed) {
        lua_pushstring(L, err_name(c->err.code));
        lua_setfield(L, -2, "code");
    }
    if (c->stream) {
        push_events(L, c);
        lua_setfield(L, -2, "events");
    }
}

/* The task's body: the file of cases, with the codec's name and what was played (or nothing: then it
 * answers with the codec's wire). */
static int judge_body(lua_State *L)
{
    struct judged *j = lua_touserdata(L, 1);

    generation_push_script(L, "fixture_cases");
    lua_pushstring(L, j->recording->codec);
    if (j->call)
        push_played(L, j->recording, j->call);
    lua_callk(L, j->call ? 2 : 1, 1, 0, world_after);
    return 1;
}

static void on_judged(struct task *t, const struct err *err)
{
    struct judged *j = t->arg;

    j->ended = true;
    if (err)
        snprintf(j->text, sizeof j->text, "%s", err->message);
    else if (j->call)
        snprintf(j->text, sizeof j->text, "%s", luaL_tolstring(t->L, -1, NULL));
    else
        j->wire = wire_check(t->L, -1);
}

static void ask_lua(struct judged *j)
{
    struct ledger ledger = {.id = "fixtures"};
    struct err err;

    buf_init(&ledger.notes, 64 << 10);
    struct task *t = task_new(world.g, NULL, &ledger, on_judged, j, &err);
    lua_pushcfunction(t->L, judge_body);
    lua_pushlightuserdata(t->L, j);
    task_start(t, 1);
    while (!j->ended && fake_turn(&world.fake))
        ;
    CHECK(j->ended);
    buf_deinit(&ledger.notes);
}

/* ---- one recording ---- */

static void test_cuts(const struct recording *r, const struct wire *wire, uint64_t whole)
{
    size_t n = r->body.len, step = CUT_BYTES / (n ? n : 1);
    int differ = 0;

    if (step > n)
        step = n;
    differ += digest_of(r, wire, 0, 1) != whole;
    for (size_t first = 1; first < step; first++) /* every place is the end of a piece once */
        differ += digest_of(r, wire, first, step) != whole;
    CHECK_INT(differ, 0);
    if (differ)
        fprintf(stderr, "   %s: read differently when it is cut\n", r->name);
}

static void test_recording(const struct recording *r)
{
    struct judged j = {.recording = r};
    struct call c;

    ask_lua(&j);
    if (!j.wire) {
        SKIP(j.text);
        return;
    }
    bool stream = strcmp(r->as, "stream") == 0;
    uint64_t whole = digest_of(r, j.wire, r->body.len, r->body.len);
    if (stream)
        test_cuts(r, j.wire, whole);
    play(&c, r, j.wire, r->body.len, r->body.len);
    struct judged verdict = {.recording = r, .call = &c};
    ask_lua(&verdict);
    call_deinit(&c);
    CHECK_STR(verdict.text, "");
    if (verdict.text[0])
        fprintf(stderr, "   %s by codec.%s\n", r->name, r->codec);
}

static void free_recording(struct recording *r)
{
    buf_deinit(&r->headers);
    buf_deinit(&r->body);
    buf_deinit(&r->expected);
}

static void new_recording(struct recording *r)
{
    *r = (struct recording){.status = 200, .choices = 1};
    buf_init(&r->headers, 64 << 10);
    buf_init(&r->body, FILE_MAX);
    buf_init(&r->expected, FILE_MAX);
}

static bool read_beside(const char *name, struct buf *out)
{
    char path[1024];
    struct err err;

    snprintf(path, sizeof path, "%s/%s", folder, name);
    return fake_read_file(NULL, path, out, &err) == 0;
}

/* ---- index.json: whole exchanges ---- */

/* Which codec asks for such an answer, and how it takes it. NULL: none does. */
static const char *exchange_codec(const char *provider, const char *endpoint, const char **as)
{
    static const struct {
        const char *provider, *endpoint, *codec, *as;
    } table[] = {
        {"anthropic", "messages", "anthropic", NULL},
        {"gemini", "generate", "gemini", NULL},
        {"gemini", "stream_generate", "gemini", NULL},
        {"gemini", "embed", "gemini", "embeddings"},
        {"ollama", "api_chat", "ollama", NULL},
        {"azure", "chat", "azure", NULL},
        {"azure", "embeddings", "azure", "embeddings"},
        {"", "chat", "openai", NULL},
        {"openai", "embeddings", "openai", "embeddings"},
        {"", "responses", "openai_responses", NULL},
    };

    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if ((!table[i].provider[0] || strcmp(table[i].provider, provider) == 0) &&
            strcmp(table[i].endpoint, endpoint) == 0) {
            *as = table[i].as;
            return table[i].codec;
        }
    return NULL;
}

static void add_headers(struct span headers, struct buf *out)
{
    struct json_iter it = {0};
    struct span key, value;

    while (json_next(headers, &it, &key, &value)) {
        json_text(key, out);
        buf_puts(out, ": ");
        json_text(value, out);
        buf_puts(out, "\r\n");
    }
}

/* How many answers the request asked for. */
static int choices_of(struct span entry)
{
    char name[TEXT_MAX];
    struct buf request;

    buf_init(&request, FILE_MAX);
    json_member_text(entry, "request", name, sizeof name);
    int n = read_beside(name, &request) ? (int)json_member_int(buf_span(&request), "n", 1) : 1;
    buf_deinit(&request);
    return n;
}

/* False: no codec asks for such an answer. */
static bool read_exchange(struct span entry, struct recording *r)
{
    char provider[32], endpoint[32], transport[16], file[TEXT_MAX], expected[TEXT_MAX + 16];
    const char *as = NULL;

    json_member_text(entry, "id", r->name, sizeof r->name);
    json_member_text(entry, "provider", provider, sizeof provider);
    json_member_text(entry, "endpoint", endpoint, sizeof endpoint);
    json_member_text(entry, "transport", transport, sizeof transport);
    json_member_text(entry, "response", file, sizeof file);
    const char *codec = exchange_codec(provider, endpoint, &as);
    if (!codec)
        return false;
    r->status = (int)json_member_int(entry, "status", 0);
    r->choices = choices_of(entry);
    bool stream = strcmp(transport, "json") != 0;
    if (!stream && r->status == 200 && strcmp(endpoint, "stream_generate") == 0)
        return false; /* an array: the engine always asks for events */
    snprintf(r->codec, sizeof r->codec, "%s", codec);
    snprintf(r->as, sizeof r->as, "%s",
             r->status != 200 ? "error"
             : as             ? as
             : stream         ? "stream"
                              : "whole");
    add_headers(json_member(entry, "headers"), &r->headers);
    snprintf(expected, sizeof expected, "%s.expected.json", r->name);
    read_beside(expected, &r->expected);
    return read_beside(file, &r->body);
}

static void test_exchanges(struct span index)
{
    struct json_iter it = {0};
    struct span key, entry;
    int nobodys = 0;

    while (json_next(index, &it, &key, &entry)) {
        struct recording r;
        new_recording(&r);
        if (read_exchange(entry, &r))
            test_recording(&r);
        else
            nobodys++;
        free_recording(&r);
    }
    /* moderations, models, token counts, OpenAI's and Ollama's older paths, Gemini's arrays: the
     * engine asks for none of them */
    CHECK_INT(nobodys, 15);
}

/* ---- index-verbatim.json: files of other projects' tests ---- */

/* The codec of the format in which the first event, or the whole answer, is written. */
static const char *format_codec(const char *file, struct span doc)
{
    if (strncmp(file, "firebase-gemini/", 16) == 0 || json_member(doc, "candidates").p)
        return "gemini";
    if (json_is_text(json_member(doc, "object"), "response") || json_member(doc, "response").p)
        return "openai_responses";
    if (json_is_text(json_member(doc, "type"), "message") ||
        json_is_text(json_member(doc, "type"), "message_start"))
        return "anthropic";
    if (json_is_text(json_member(doc, "object"), "text_completion"))
        return NULL;
    if (json_is_text(json_member(doc, "object"), "list"))
        return "openai";
    return json_member(doc, "choices").p ? "openai" : NULL;
}

/* Puts the framing around payloads that stand one a line. */
static void frame(const char *codec, struct span lines, struct buf *out)
{
    bool named = strcmp(codec, "anthropic") == 0 || strcmp(codec, "openai_responses") == 0;
    char type[128];

    for (size_t at = 0; at < lines.n;) {
        const char *eol = memchr(lines.p + at, '\n', lines.n - at);
        struct span line = {lines.p + at, eol ? (size_t)(eol - lines.p) - at : lines.n - at};
        at += line.n + 1;
        if (!line.n)
            continue;
        json_member_text(line, "type", type, sizeof type);
        if (named)
            buf_printf(out, "event: %s\n", type);
        buf_puts(out, "data: ");
        buf_add_span(out, line);
        buf_puts(out, "\n\n");
    }
    if (strcmp(codec, "openai") == 0)
        buf_puts(out, "data: [DONE]\n\n");
}

static struct span first_event(struct span text)
{
    const char *brace = text.p ? memchr(text.p, '{', text.n) : NULL;
    const char *eol = brace ? memchr(brace, '\n', text.n - (size_t)(brace - text.p)) : NULL;
    const char *end = text.p + text.n;

    return (struct span){brace, brace ? (size_t)((eol ? eol : end) - brace) : 0};
}

static bool read_verbatim(struct span entry, struct recording *r)
{
    char format[32];
    struct buf lines;

    json_member_text(entry, "file", r->name, sizeof r->name);
    json_member_text(entry, "format", format, sizeof format);
    bool stream = strncmp(format, "sse", 3) == 0, framed = strcmp(format, "sse-data-lines") != 0;
    buf_init(&lines, FILE_MAX);
    if (!read_beside(r->name, framed ? &r->body : &lines))
        return false;
    struct span text = buf_span(framed ? &r->body : &lines);
    const char *codec = format_codec(r->name, stream ? first_event(text) : text);
    if (codec && !framed)
        frame(codec, text, &r->body);
    buf_deinit(&lines);
    if (!codec)
        return false;
    buf_puts(&r->headers,
             stream ? "content-type: text/event-stream\r\n" : "content-type: application/json\r\n");
    r->status = (int)json_member_int(stream ? (struct span){"{}", 2} : json_member(text, "error"),
                                     "code", 200);
    snprintf(r->codec, sizeof r->codec, "%s", codec);
    snprintf(r->as, sizeof r->as, "%s",
             stream                         ? "stream"
             : r->status != 200             ? "error"
             : strstr(r->name, "embedding") ? "embeddings"
                                            : "whole");
    return true;
}

static void test_verbatim(struct span index)
{
    struct json_iter it = {0};
    struct span key, entry;
    int nobodys = 0;

    while (json_next(index, &it, &key, &entry)) {
        struct recording r;
        new_recording(&r);
        if (read_verbatim(entry, &r))
            test_recording(&r);
        else
            nobodys++;
        free_recording(&r);
    }
    CHECK_INT(nobodys, 6); /* Cohere's own format, OpenAI's older completions */
}

/* ---- tables of what was reported in public ---- */

static void test_errors(struct span table)
{
    struct json_iter it = {0};
    struct span key, entry;

    while (json_next(table, &it, &key, &entry)) {
        struct recording r;
        char provider[32];
        new_recording(&r);
        json_member_text(entry, "id", r.name, sizeof r.name);
        json_member_text(entry, "provider", provider, sizeof provider);
        r.status = (int)json_member_int(entry, "status", 0);
        add_headers(json_member(entry, "headers"), &r.headers);
        struct span body = json_member(entry, "body");
        bool stream = r.status == 200;
        if (stream)
            buf_printf(&r.body, "data: %.*s\n\n", (int)body.n, body.p);
        else if (json_type(body) == JSON_NULL)
            buf_puts(&r.body, "<html><body>524</body></html>");
        else
            buf_add_span(&r.body, body);
        snprintf(r.codec, sizeof r.codec, "%s", strcmp(provider, "any") == 0 ? "openai" : provider);
        snprintf(r.as, sizeof r.as, "%s", stream ? "stream" : "error");
        test_recording(&r);
        free_recording(&r);
    }
}

static bool holds(struct buf *text, const char *part)
{
    return text->len && memmem(text->data, text->len, part, strlen(part));
}

/* Deviations of streams of OpenAI's format: the events that were seen, then a good end. */
static void test_quirks(struct span table)
{
    static const char end[] = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"z\"},"
                              "\"finish_reason\":\"stop\"}]}\n\n";
    struct json_iter it = {0};
    struct span key, entry;

    while (json_next(table, &it, &key, &entry)) {
        struct json_iter data = {0};
        struct span event;
        struct recording r;
        new_recording(&r);
        json_member_text(entry, "id", r.name, sizeof r.name);
        while (json_next(json_member(entry, "data"), &data, &key, &event)) {
            buf_puts(&r.body, "data: ");
            json_text(event, &r.body);
            buf_puts(&r.body, "\n\n");
        }
        struct span raw = json_member(entry, "raw");
        if (raw.p)
            json_text(raw, &r.body);
        if (!holds(&r.body, "<html>") && !holds(&r.body, "finish_reason\":\""))
            buf_puts(&r.body, end);
        if (!holds(&r.body, "<html>"))
            buf_puts(&r.body, "data: [DONE]\n\n");
        buf_puts(&r.headers, "content-type: text/event-stream\r\n");
        snprintf(r.codec, sizeof r.codec, "openai");
        snprintf(r.as, sizeof r.as, "stream");
        test_recording(&r);
        free_recording(&r);
    }
}

/* ---- */

static void with_file(const char *name, void (*test)(struct span))
{
    struct buf text;
    struct err err;

    buf_init(&text, FILE_MAX);
    CHECK(read_beside(name, &text) && json_check(buf_span(&text), &err) == 0);
    test(buf_span(&text));
    buf_deinit(&text);
}

static bool load_cases(void)
{
    struct buf text;
    struct err err;
    char path[1024];

    buf_init(&text, FILE_MAX);
    snprintf(path, sizeof path, "%s/" CASES, world_home());
    bool ok = fake_read_file(NULL, path, &text, &err) == 0 &&
              generation_add_script(world.g, "fixture_cases", buf_span(&text), &err) == 0;
    CHECK_STR(ok ? "" : err.message, "");
    buf_deinit(&text);
    return ok;
}

int main(void)
{
    struct err err;

    snprintf(folder, sizeof folder, "%s/provider-fixtures", test_vectors());
    if (access(folder, R_OK) < 0) {
        SKIP("provider-fixtures is not below VECTORS");
        return test_report("test_fixtures");
    }
    CHECK_INT(world_open(&world, NULL, &err), 0);
    CHECK_INT(world_load(&world, &err), 0);
    if (load_cases()) {
        with_file("index.json", test_exchanges);
        with_file("index-verbatim.json", test_verbatim);
        with_file("reported-errors.json", test_errors);
        with_file("stream-quirks.json", test_quirks);
    }
    world_close(&world);
    return test_report("test_fixtures");
}
