/* test_call - one call to a provider: when it counts as alive, complete, broken; back-pressure.
 * SPDX-License-Identifier: MIT */
#include "call.h"
#include "fakehelp.h"

#define JSON_HEAD     "Content-Type: application/json\r\nX-Request-Id:  r1 \r\n"
#define SSE_HEAD      "content-type: text/event-stream\r\n"
#define DELTA(fields) "data: {\"choices\":[{\"index\":0,\"delta\":{" fields "}}]}\n\n"
#define TEXT(text)    DELTA("\"content\":\"" text "\"")
#define FINISH        "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n"
#define NULLS         "data: {\"choices\":[{\"index\":0,\"delta\":null}]}\n\n"
#define USAGE         "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":7}}\n\n"
#define DONE          "data: [DONE]\n\n"

static struct wire wire = {
    .framing = SSE_EVENTS,
    .end_mark = "[DONE]",
    .content = {"choices.*.delta.content", "choices.*.delta.tool_calls"},
    .payload = "choices",
    .object = "choices.*.delta",
    .answer = {"choices.*.message"},
    .marks = {[WIRE_FINISH] = {.path = "choices.*.finish_reason"},
              [WIRE_USAGE] = {.path = "usage"},
              [WIRE_ERROR] = {.path = "error"}},
};

struct stage {
    struct fake fake;
    struct call call;
    struct fake_script *script;
    int changes;
};

static void on_change(struct call *c)
{
    ((struct stage *)c->arg)->changes++;
}

static void open_stage(struct stage *s)
{
    *s = (struct stage){.changes = 0};
    fake_init(&s->fake);
    s->script = fake_answer(&s->fake);
}

static void start(struct stage *s, bool stream, size_t answer_max)
{
    struct ask_call ask = {.method = "POST",
                           .url = "http://x/y",
                           .body = strdup("{}"),
                           .body_len = 2,
                           .answer_max = answer_max};
    struct err err;

    CHECK_INT(call_start(&s->call, &s->fake.effect, &ask, &wire, stream, 1, &err), 0);
    s->call.on_change = on_change;
    s->call.arg = s;
    CHECK(!call_settled(&s->call));
}

static void run(struct stage *s)
{
    while (fake_turn(&s->fake))
        ;
}

static void close_stage(struct stage *s)
{
    call_deinit(&s->call);
    call_deinit(&s->call);
    CHECK(list_empty(&s->fake.ops));
    fake_clear(&s->fake);
}

/* Takes all events: their data, joined by '|'. */
static const char *take(struct call *c)
{
    static char text[4096];
    struct span event, data;
    size_t n = 0;

    while (call_next(c, &event, &data) && n + data.n + 2 < sizeof text) {
        if (n)
            text[n++] = '|';
        memcpy(text + n, data.p, data.n);
        n += data.n;
    }
    text[n] = 0;
    return text;
}

static void test_whole(void)
{
    struct stage s;

    open_stage(&s);
    fake_head(s.script, 1000, 200, JSON_HEAD);
    fake_data(s.script, 2000, "{\"a\"");
    fake_data(s.script, 3000, ":1}");
    fake_done(s.script, 4000);
    start(&s, false, 100);
    for (int i = 0; i < 3; i++) {
        fake_turn(&s.fake);
        CHECK(!call_settled(&s.call));
    }
    run(&s);
    CHECK(call_settled(&s.call) && s.call.ended && !s.call.failed);
    CHECK_INT(s.call.status, 200);
    CHECK_BYTES(s.call.body.data, s.call.body.len, "{\"a\":1}");
    CHECK_INT(s.call.first_us, 2000);
    CHECK_INT(s.call.ended_us, 4000);
    struct span id = call_header(&s.call, "x-request-id");
    CHECK_BYTES(id.p, id.n, "r1");
    CHECK(call_header(&s.call, "content").p == NULL);
    CHECK(call_header(&s.call, "x").p == NULL);
    close_stage(&s);
    CHECK(call_header(&s.call, "x-request-id").p == NULL);
}

static void test_whole_too_large(void)
{
    struct stage s;

    open_stage(&s);
    fake_head(s.script, 0, 200, JSON_HEAD);
    fake_data(s.script, 0, "0123456789");
    fake_data(s.script, 0, "x");
    fake_done(s.script, 0);
    start(&s, false, 10);
    run(&s);
    CHECK(s.call.failed);
    CHECK_INT(s.call.err.code, ERR_BAD_RESPONSE);
    CHECK(strstr(s.call.err.message, "limit of 10 bytes") != NULL);
    CHECK(fake_request_at(&s.fake, 0)->cancelled);
    close_stage(&s);
}

static void test_whole_cut(void)
{
    struct stage s;

    open_stage(&s);
    fake_head(s.script, 0, 200, JSON_HEAD);
    fake_data(s.script, 0, "{");
    fake_fail(s.script, 5, ERR_UNAVAILABLE, "cut");
    start(&s, false, 10);
    run(&s);
    CHECK(s.call.failed && call_settled(&s.call));
    CHECK_STR(s.call.err.message, "cut");
    close_stage(&s);
}

/* The commit point: the first content, not the first event. */
static void test_commit(void)
{
    struct stage s;

    open_stage(&s);
    fake_head(s.script, 1000, 200, SSE_HEAD);
    fake_data(s.script, 2000, ": ping\n\n" DELTA("\"role\":\"assistant\",\"content\":\"\""));
    fake_data(s.script, 3000, "data: {\"choices\":[{\"delta\":{\"content\":null}}]}\n\n");
    fake_data(s.script, 4000, "data: {\"choices\":[{\"delta\":{\"content\":\"Hel");
    fake_data(s.script, 5000, "lo\"}}]}\n\n");
    fake_data(s.script, 6000, FINISH USAGE DONE);
    fake_done(s.script, 7000);
    start(&s, true, 100);
    for (int i = 0; i < 4; i++) {
        fake_turn(&s.fake);
        CHECK(!call_settled(&s.call));
    }
    fake_turn(&s.fake);
    CHECK(call_settled(&s.call) && s.call.committed && !s.call.ended);
    CHECK_INT(s.call.first_us, 5000);
    struct span event, data;
    CHECK(call_next(&s.call, &event, &data));
    CHECK_BYTES(event.p, event.n, "message");
    CHECK(strstr(take(&s.call), "Hello") != NULL);
    CHECK(!call_next(&s.call, &event, &data));
    run(&s);
    CHECK(s.call.ended && !s.call.failed && s.call.finished && s.call.done);
    CHECK_BYTES(s.call.usage[0].data, s.call.usage[0].len, "{\"prompt_tokens\":7}");
    CHECK(strstr(take(&s.call), "[DONE]") != NULL);
    close_stage(&s);
}

/* How a stream may end, and what that means. */
static void test_ends(void)
{
    static const struct {
        const char *text;
        enum err_code fails; /* in place of a good end */
        bool committed, ok;
        enum err_code code;
    } cases[] = {
        {TEXT("a") FINISH DONE, ERR_NONE, true, true, ERR_NONE},
        {TEXT("a") FINISH, ERR_NONE, true, true, ERR_NONE},
        {TEXT("a") DONE, ERR_NONE, true, true, ERR_NONE},
        {TEXT("a") FINISH DONE, ERR_UNAVAILABLE, true, true, ERR_NONE},
        {TEXT("a") FINISH, ERR_UNAVAILABLE, true, true, ERR_NONE},
        {TEXT("a"), ERR_NONE, true, false, ERR_BAD_RESPONSE},
        {TEXT("a"), ERR_UNAVAILABLE, true, false, ERR_UNAVAILABLE},
        {"", ERR_NONE, false, false, ERR_BAD_RESPONSE},
        {"", ERR_TIMEOUT, false, false, ERR_TIMEOUT},
        {DONE, ERR_NONE, false, false, ERR_BAD_RESPONSE},
        {FINISH DONE, ERR_NONE, false, true, ERR_NONE},
        {NULLS FINISH DONE, ERR_NONE, false, false, ERR_BAD_RESPONSE},
        {DELTA("\"content\":null") FINISH DONE, ERR_NONE, false, true, ERR_NONE},
        {NULLS TEXT("a") NULLS FINISH DONE, ERR_NONE, true, true, ERR_NONE},
        {": only\n\n: comments\n\n", ERR_NONE, false, false, ERR_BAD_RESPONSE},
        {TEXT("a") "data: {\"choi", ERR_NONE, true, false, ERR_BAD_RESPONSE},
        {TEXT("a") "data: nonsense\n\n", ERR_NONE, true, false, ERR_BAD_RESPONSE},
        {"data: nonsense\n\n" TEXT("a"), ERR_NONE, false, false, ERR_BAD_RESPONSE},
        {"data: {\"error\":{\"message\":\"no\"}}\n\n", ERR_NONE, false, false, ERR_UNAVAILABLE},
        {TEXT("a") "data: {\"error\":{\"message\":\"no\"}}\n\n", ERR_NONE, true, false,
         ERR_UNAVAILABLE},
        {TEXT("a") "event: error\ndata: {\"x\":1}\n\n", ERR_NONE, true, false, ERR_UNAVAILABLE},
        {TEXT("a") "data: {\"error\":null}\n\n" FINISH, ERR_NONE, true, true, ERR_NONE},
        {TEXT("a") FINISH DONE "data: {\"error\":1}\n\ndata: rubbish\n\n", ERR_NONE, true, true,
         ERR_NONE},
        {TEXT("a") FINISH "data: [DONE]", ERR_NONE, true, true, ERR_NONE},
        {"data: null\n\n" TEXT("a") FINISH, ERR_NONE, true, true, ERR_NONE},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (size_t size = 1; size < 2000; size += 37) { /* however it is cut */
            struct stage s;
            size_t n = strlen(cases[i].text);
            open_stage(&s);
            fake_head(s.script, 0, 200, SSE_HEAD);
            if (n / size > 200)
                size = n / 200 + 1;
            for (size_t at = 0; at < n; at += size)
                fake_add(s.script, 1000, ANSWER_DATA, cases[i].text + at,
                         n - at < size ? n - at : size);
            if (cases[i].fails)
                fake_fail(s.script, 1000, cases[i].fails, "the line broke");
            else
                fake_done(s.script, 1000);
            start(&s, true, 100);
            run(&s);
            bool good = s.call.ended && s.call.failed == !cases[i].ok &&
                        s.call.committed == cases[i].committed &&
                        (cases[i].ok || s.call.err.code == cases[i].code);
            CHECK(good);
            if (!good)
                fprintf(stderr,
                        "   in pieces of %zu: %s\n   ended %d, failed %d (%s), committed %d\n",
                        size, cases[i].text, s.call.ended, s.call.failed, s.call.err.message,
                        s.call.committed);
            close_stage(&s);
        }
    }
}

static void test_error_without_a_form_is_one(void)
{
    struct stage s;

    open_stage(&s);
    fake_head(s.script, 0, 200, SSE_HEAD);
    fake_data(s.script, 10, TEXT("a") FINISH "{\"not\":\"an error\"}\n\n{\n  \"error\": {\n");
    fake_data(s.script, 20, "    \"code\": 499\r\n  }\n}\n");
    fake_done(s.script, 30);
    start(&s, true, 1 << 20);
    run(&s);
    CHECK(s.call.failed);
    CHECK_INT(s.call.err.code, ERR_UNAVAILABLE);
    CHECK_BYTES(s.call.error_event.data, s.call.error_event.len,
                "{\n  \"error\": {\n    \"code\": 499\r\n  }\n}");
    close_stage(&s);
}

static void test_error_event_is_kept(void)
{
    struct stage s;

    open_stage(&s);
    fake_head(s.script, 0, 200, SSE_HEAD);
    fake_data(s.script, 0, TEXT("a") "data: {\"error\":{\"message\":\"no\"}}\n\n" TEXT("b"));
    fake_done(s.script, 0);
    start(&s, true, 100);
    run(&s);
    CHECK_BYTES(s.call.error_event.data, s.call.error_event.len,
                "{\"error\":{\"message\":\"no\"}}");
    CHECK(fake_request_at(&s.fake, 0)->cancelled);
    CHECK_STR(take(&s.call), "{\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"}}]}");
    close_stage(&s);
}

/* After the end mark the body's end usually follows at once; a connection that stays open is left. */
static void test_linger(void)
{
    struct stage s;

    open_stage(&s);
    fake_head(s.script, 0, 200, SSE_HEAD);
    fake_data(s.script, 1000, TEXT("a") FINISH DONE);
    fake_done(s.script, 2000);
    start(&s, true, 100);
    run(&s);
    CHECK_INT(s.call.ended_us, 2000);
    CHECK(!fake_request_at(&s.fake, 0)->cancelled);
    close_stage(&s);

    open_stage(&s);
    fake_head(s.script, 0, 200, SSE_HEAD);
    fake_data(s.script, 1000, TEXT("a") FINISH DONE);
    fake_done(s.script, 3600000000);
    start(&s, true, 100);
    run(&s);
    CHECK(s.call.ended && !s.call.failed);
    CHECK(s.call.ended_us < 200000);
    CHECK(fake_request_at(&s.fake, 0)->cancelled);
    close_stage(&s);

    open_stage(&s);
    fake_head(s.script, 0, 200, SSE_HEAD);
    fake_data(s.script, 1000, TEXT("a") FINISH DONE);
    start(&s, true, 100);
    fake_turn(&s.fake);
    s.fake.refuse = 1; /* no timer to be had */
    run(&s);
    CHECK(s.call.ended && !s.call.failed);
    close_stage(&s);
}

/* What is no stream, though one was asked for. */
static void test_not_a_stream(void)
{
    static const struct {
        int status;
        const char *head, *body;
        bool stream;
    } cases[] = {
        {200, JSON_HEAD, "{\"choices\":[]}", false},
        {200, "Content-Type: text/html\r\n", "<html>", false},
        {200, JSON_HEAD, TEXT("a") FINISH DONE, true},
        {200, "content-type: TEXT/HTML; charset=utf-8\r\n", ": hello\n\n" TEXT("a") FINISH, true},
        {200, "", TEXT("a") FINISH, true},
        {200, "content-type: text/plain\r\n", TEXT("a") FINISH, true},
        {429, SSE_HEAD, "{\"error\":{}}", false},
        {429, JSON_HEAD, "data: x\n\n", false},
        {204, SSE_HEAD, "", false},
        {500, "", "data: x\n\n", false},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct stage s;
        open_stage(&s);
        fake_head(s.script, 0, cases[i].status, cases[i].head);
        fake_data(s.script, 1, cases[i].body);
        fake_done(s.script, 2);
        start(&s, true, 1000);
        run(&s);
        CHECK(s.call.ended && !s.call.failed);
        CHECK_INT(s.call.stream, cases[i].stream);
        if (!cases[i].stream && *cases[i].body)
            CHECK_BYTES(s.call.body.data, s.call.body.len, cases[i].body);
        close_stage(&s);
    }
}

/* ---- back-pressure ---- */

static char *large_event(size_t n)
{
    char *text = malloc(n + 128);

    size_t at = (size_t)sprintf(text, "data: {\"choices\":[{\"delta\":{\"content\":\"");
    memset(text + at, 'x', n);
    strcpy(text + at + n, "\"}}]}\n\n");
    return text;
}

static void test_pause(void)
{
    struct stage s;
    char *large = large_event(100 << 10);
    struct span event, data;

    open_stage(&s);
    fake_head(s.script, 0, 200, SSE_HEAD);
    for (int i = 0; i < 20; i++)
        fake_data(s.script, i, large);
    fake_data(s.script, 30, FINISH DONE);
    fake_done(s.script, 30);
    start(&s, true, 100);
    run(&s);
    CHECK(s.call.paused && !s.call.ended);
    CHECK(s.call.queue.len - s.call.taken < CALL_QUEUE_HIGH + (1 << 20));
    CHECK_INT(fake_request_at(&s.fake, 0)->pauses, 1);
    int n = 0;
    for (;;) {
        run(&s);
        if (!call_next(&s.call, &event, &data))
            break;
        n++;
    }
    CHECK_INT(n, 22);
    CHECK(s.call.ended && !s.call.failed);
    CHECK(fake_request_at(&s.fake, 0)->pauses > 1);
    close_stage(&s);
    free(large);
}

/* A reader that is always behind: as much as it likes may pass in all. */
static void test_a_long_slow_stream(void)
{
    struct stage s;
    char *large = large_event(300 << 10);
    struct span event, data;
    int n = 0;

    open_stage(&s);
    fake_head(s.script, 0, 200, SSE_HEAD);
    for (int i = 0; i < 240; i++)
        fake_data(s.script, i, large);
    fake_data(s.script, 1000, FINISH DONE);
    fake_done(s.script, 1000);
    start(&s, true, 100);
    for (int i = 0; i < 3; i++)
        fake_turn(&s.fake); /* always one event behind */
    while (call_next(&s.call, &event, &data)) {
        n++;
        if (!s.call.paused)
            fake_turn(&s.fake);
    }
    run(&s);
    while (call_next(&s.call, &event, &data))
        n++;
    CHECK_INT(n, 242);
    CHECK(s.call.ended && !s.call.failed);
    close_stage(&s);
    free(large);
}

static void test_ceilings(void)
{
    struct stage s;
    char *large = large_event(CALL_EVENT_MAX + 1000);

    open_stage(&s);
    fake_head(s.script, 0, 200, SSE_HEAD);
    fake_data(s.script, 0, TEXT("a"));
    fake_data(s.script, 0, large);
    fake_done(s.script, 0);
    start(&s, true, 100);
    run(&s);
    CHECK(s.call.failed && s.call.err.code == ERR_BAD_RESPONSE);
    close_stage(&s);
    free(large);

    /* before the commit point nobody can take events: that is bounded, too */
    open_stage(&s);
    fake_head(s.script, 0, 200, SSE_HEAD);
    char *comment = malloc(1 << 20);
    memset(comment, 'x', (1 << 20) - 1);
    memcpy(comment, "data: 1", 7);
    memset(comment + 7, ' ', (1 << 20) - 10);
    memcpy(comment + (1 << 20) - 3, "\n\n", 3);
    for (int i = 0; i < 100; i++)
        fake_data(s.script, 0, comment);
    fake_done(s.script, 0);
    start(&s, true, 100);
    run(&s);
    CHECK(s.call.failed && s.call.err.code == ERR_BAD_RESPONSE);
    close_stage(&s);
    free(comment);
}

/* ---- forwarding ---- */

struct drain {
    struct sink sink; /* first */
    struct buf got;
    bool blocked;
    sink_room *on_room;
    void *arg;
};

static void drain_send(struct sink *sink, struct span bytes)
{
    buf_add_span(&((struct drain *)sink)->got, bytes);
}

static bool drain_blocked(const struct sink *sink)
{
    return ((const struct drain *)sink)->blocked;
}

static void drain_on_room(struct sink *sink, sink_room *f, void *arg)
{
    ((struct drain *)sink)->on_room = f;
    ((struct drain *)sink)->arg = arg;
}

static void open_drain(struct drain *d)
{
    *d = (struct drain){
        .sink = {.send = drain_send, .blocked = drain_blocked, .on_room = drain_on_room}};
    buf_init(&d->got, 64 << 20);
}

static void forward(struct stage *s, struct drain *d, bool strip)
{
    s->call.strip_usage = strip;
    call_forward(&s->call, &d->sink);
}

static void check_forwarded(const char *from, bool strip, const char *want)
{
    for (size_t size = 1; size < 1000; size += 61) {
        struct stage s;
        struct drain d;
        size_t n = strlen(from);
        open_stage(&s);
        open_drain(&d);
        if (n / size > 200)
            size = n / 200 + 1;
        fake_head(s.script, 0, 200, SSE_HEAD);
        for (size_t at = 0; at < n; at += size)
            fake_add(s.script, (int64_t)at, ANSWER_DATA, from + at, n - at < size ? n - at : size);
        fake_done(s.script, (int64_t)n);
        start(&s, true, 100);
        while (!call_settled(&s.call) && fake_turn(&s.fake))
            ;
        forward(&s, &d, strip);
        run(&s);
        CHECK(s.call.ended && !s.call.failed);
        CHECK_BYTES(d.got.data, d.got.len, want);
        close_stage(&s);
        buf_deinit(&d.got);
    }
}

static void test_forward(void)
{
    check_forwarded(": hi\n\n" TEXT("a") "id: 7\n\n" TEXT("b") FINISH USAGE DONE, false,
                    ": hi\n\n" TEXT("a") "id: 7\n\n" TEXT("b") FINISH USAGE);
    check_forwarded(TEXT("a") FINISH USAGE DONE, true, TEXT("a") FINISH);
    check_forwarded("event: x\ndata:{\"choices\":[{\"delta\":{\"content\":\"a\"}}],\"usage\":null}"
                    "\n\n" FINISH,
                    true,
                    "event: x\ndata: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n" FINISH);
    check_forwarded(
        "data: {\"usage\":{\"x\":1},\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n" FINISH DONE,
        true, "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n" FINISH);
    check_forwarded(TEXT("\\\"usage\\\"") FINISH DONE, true, TEXT("\\\"usage\\\"") FINISH);
}

/* A client that takes nothing holds the provider back; one that leaves ends all. */
static void test_forward_blocked(void)
{
    struct stage s;
    struct drain d;
    char *large = large_event(100 << 10);

    open_stage(&s);
    open_drain(&d);
    fake_head(s.script, 0, 200, SSE_HEAD);
    for (int i = 0; i < 20; i++)
        fake_data(s.script, i, large);
    fake_data(s.script, 20, FINISH DONE);
    fake_done(s.script, 20);
    start(&s, true, 100);
    d.blocked = true;
    forward(&s, &d, false);
    run(&s);
    CHECK(s.call.paused && !s.call.ended && d.on_room);
    CHECK_INT(d.got.len, 0);
    int changes = s.changes;
    for (int i = 0; i < 100 && d.on_room; i++) {
        sink_room *room = d.on_room;
        d.on_room = NULL;
        d.blocked = false;
        room(d.arg);
        d.blocked = true;
        run(&s);
    }
    CHECK(s.call.ended && !s.call.failed);
    CHECK_INT(d.got.len, 20 * strlen(large) + strlen(FINISH));
    CHECK(s.changes > changes);
    close_stage(&s);
    buf_deinit(&d.got);

    open_stage(&s);
    open_drain(&d);
    fake_head(s.script, 0, 200, SSE_HEAD);
    fake_data(s.script, 0, large);
    start(&s, true, 100);
    d.blocked = true;
    forward(&s, &d, false);
    run(&s);
    CHECK(d.on_room != NULL);
    call_deinit(&s.call);
    CHECK(d.on_room == NULL);
    CHECK(fake_request_at(&s.fake, 0)->cancelled);
    close_stage(&s);
    buf_deinit(&d.got);
    free(large);
}

static void test_refused(void)
{
    struct stage s;
    struct ask_call ask = {.method = "POST", .url = "x", .body = strdup("{}"), .body_len = 2};
    struct err err;

    open_stage(&s);
    s.fake.refuse = 1;
    CHECK_INT(call_start(&s.call, &s.fake.effect, &ask, &wire, true, 1, &err), -1);
    CHECK_STR(err.message, "the fake refuses");
    close_stage(&s);
    struct call empty = {.status = 0};
    call_deinit(&empty);
}

/* Stopped at every moment. */
static void open_stream(struct stage *s)
{
    open_stage(s);
    fake_head(s->script, 0, 200, SSE_HEAD);
}

/* What was scripted, as a stream that must keep to the bounds. */
static void run_bound(struct stage *s, const struct call_bounds *b)
{
    struct err err;

    start(s, true, 1 << 20);
    CHECK_INT(call_bound(&s->call, b, &err), 0);
    run(s);
}

static void test_rate(void)
{
    struct call_bounds slow = {.min_rate = 2, .window = 2};
    struct stage s;

    open_stream(&s); /* two tokens a second, then one */
    for (int i = 0; i < 8; i++)
        fake_data(s.script, i < 4 ? i * 500000 : i * 1000000 - 2000000, TEXT("word"));
    fake_data(s.script, 90000000, FINISH DONE);
    run_bound(&s, &slow);
    CHECK(s.call.failed);
    CHECK_INT(s.call.err.code, ERR_TIMEOUT);
    CHECK_INT(s.fake.now, 4000000);
    CHECK(fake_request_at(&s.fake, 0)->cancelled);
    close_stage(&s);

    open_stream(&s); /* the end mark stops the watch */
    fake_data(s.script, 0, TEXT("one"));
    fake_data(s.script, 1000, TEXT("a text of four tokens") FINISH);
    fake_data(s.script, 9000000, DONE);
    run_bound(&s, &slow);
    CHECK(s.call.ended && !s.call.failed);
    CHECK_INT(call_tokens(&s.call), 6);
    close_stage(&s);

    open_stream(&s); /* before the first content nothing is measured */
    fake_data(s.script, 50000000, TEXT("one") FINISH DONE);
    run_bound(&s, &slow);
    CHECK(s.call.ended && !s.call.failed);
    close_stage(&s);
}

static void test_limit_of_tokens(void)
{
    struct call_bounds few = {.window = 5, .max_tokens = 3, .max_cost = 0.01};
    struct stage s;

    open_stream(&s);
    for (int i = 0; i < 9; i++)
        fake_data(s.script, i * 1000, TEXT("word"));
    run_bound(&s, &few);
    CHECK(s.call.failed);
    CHECK_INT(s.call.err.code, ERR_BUDGET);
    CHECK(strstr(s.call.err.message, "0.01 USD"));
    CHECK_INT(s.fake.now, 3000);
    close_stage(&s);
}

static void test_first_content(void)
{
    struct call_bounds soon = {.first_content = 3};
    struct stage s;

    open_stream(&s);
    fake_data(s.script, 1000000, ": alive\n\n");
    fake_data(s.script, 2000000, DELTA("\"role\":\"assistant\""));
    fake_data(s.script, 9000000, TEXT("late"));
    run_bound(&s, &soon);
    CHECK(s.call.failed);
    CHECK_INT(s.call.err.code, ERR_TIMEOUT);
    CHECK_INT(s.fake.now, 3000000);
    close_stage(&s);

    open_stream(&s);
    fake_data(s.script, 2900000, TEXT("in time"));
    fake_data(s.script, 9000000, FINISH DONE);
    run_bound(&s, &soon);
    CHECK(s.call.ended && !s.call.failed);
    close_stage(&s);
}

static void test_cancel(void)
{
    for (int n = 0; n < 8; n++) {
        struct stage s;
        open_stage(&s);
        fake_head(s.script, 0, 200, SSE_HEAD);
        fake_data(s.script, 1, TEXT("a"));
        fake_data(s.script, 2, "data: {\"choi");
        fake_data(s.script, 3, "ces\":[]}\n\n" FINISH DONE);
        fake_done(s.script, 90000);
        start(&s, true, 100);
        for (int i = 0; i < n; i++)
            fake_turn(&s.fake);
        close_stage(&s);
    }
}

int main(void)
{
    wire_prepare(&wire);
    test_whole();
    test_whole_too_large();
    test_whole_cut();
    test_commit();
    test_ends();
    test_error_event_is_kept();
    test_error_without_a_form_is_one();
    test_linger();
    test_not_a_stream();
    test_pause();
    test_a_long_slow_stream();
    test_ceilings();
    test_forward();
    test_forward_blocked();
    test_refused();
    test_rate();
    test_limit_of_tokens();
    test_first_content();
    test_cancel();
    return test_report("call");
}
