/* test_sse - the same events from the same bytes, in whatever pieces they come.
 * SPDX-License-Identifier: MIT */
#include "json.h"
#include "sse.h"
#include "testhelp.h"

#include <time.h>

enum { EVENT_MAX = 64 * 1024, TRACE_MAX = 4 * 1024 * 1024 };

/* What a stream said, as text: one JSON line an event, so that bytes which are no UTF-8 compare as
 * the U+FFFD a reader would make of them. */
struct trace {
    struct buf events, raw;
    int blocks, with_data, stop_after;
};

static void add_event(struct buf *out, struct span event, struct span data, struct span id)
{
    json_write_text(out, event);
    buf_puts(out, " ");
    json_write_text(out, data);
    buf_puts(out, " ");
    json_write_text(out, id);
    buf_puts(out, "\n");
}

static bool on_event(void *arg, const struct sse_event *e)
{
    struct trace *t = arg;

    t->blocks++;
    buf_add_span(&t->raw, e->raw);
    if (e->data.p) {
        t->with_data++;
        add_event(&t->events, e->event, e->data, e->id);
    }
    return t->blocks != t->stop_after;
}

static void trace_init(struct trace *t)
{
    *t = (struct trace){0};
    buf_init(&t->events, TRACE_MAX);
    buf_init(&t->raw, TRACE_MAX);
}

static void trace_deinit(struct trace *t)
{
    buf_deinit(&t->events);
    buf_deinit(&t->raw);
}

/* ---- own cases: pieces are separated by '|' in 'cut', fed as they are ---- */

struct play {
    enum sse_framing framing;
    bool lenient;
    size_t max;
};

static int feed_pieces(struct sse *s, const char *text, struct err *err)
{
    for (;;) {
        size_t n = strcspn(text, "|");
        if (sse_feed(s, text, n, err) < 0)
            return -1;
        if (!text[n])
            return 0;
        text += n + 1;
    }
}

static int play(const struct play *how, const char *text, struct trace *t, long *retry,
                struct err *err)
{
    struct sse s;

    trace_init(t);
    sse_init(&s, how->framing, how->max ? how->max : EVENT_MAX, on_event, t);
    int r = feed_pieces(&s, text, err);
    if (r == 0)
        r = sse_end(&s, how->lenient, err);
    if (retry)
        *retry = s.retry_ms;
    sse_deinit(&s);
    return r;
}

#define EXPECT(how, text, expected)                                                                \
    do {                                                                                           \
        struct trace t_;                                                                           \
        struct err err_;                                                                           \
        CHECK_INT(play(&(how), (text), &t_, NULL, &err_), 0);                                      \
        CHECK_BYTES(buf_span(&t_.events).p, t_.events.len, (expected));                            \
        trace_deinit(&t_);                                                                         \
    } while (0)

static void test_fields(void)
{
    const struct play how = {0};

    EXPECT(how, "data: a\n\n", "\"message\" \"a\" \"\"\n");
    EXPECT(how, "data:a\ndata\ndata:  b\n\n", "\"message\" \"a\\n\\n b\" \"\"\n");
    EXPECT(how, "event: x\ndata\n\n", "\"x\" \"\" \"\"\n");
    EXPECT(how, "event: x\n\ndata: a\n\n", "\"message\" \"a\" \"\"\n");
    EXPECT(how, "event: x\nevent:\ndata: a\n\n", "\"message\" \"a\" \"\"\n");
    EXPECT(how, "id: 7\ndata: a\n\ndata: b\n\nid\ndata: c\n\n",
           "\"message\" \"a\" \"7\"\n\"message\" \"b\" \"7\"\n\"message\" \"c\" \"\"\n");
    EXPECT(how, "Data: a\ndatax: b\n data: c\n: data: d\ndata: e\n\n", "\"message\" \"e\" \"\"\n");
    EXPECT(how, "data: [DONE]", "");
    EXPECT(how, "", "");
    EXPECT(how, "{\"error\":\"no stream at all\"}", "");
}

static void test_line_ends(void)
{
    const struct play how = {0};
    const char *one = "\"message\" \"a\" \"\"\n", *two = "\"message\" \"a\\nb\" \"\"\n";

    EXPECT(how, "data: a\r\r", one);
    EXPECT(how, "data: a\r\n\r\n", one);
    EXPECT(how, "data: a\r|\n\r|\n", one);
    EXPECT(how, "data: a\n\r\n", one);
    EXPECT(how, "data: a\r\rdata: b\n\r", "\"message\" \"a\" \"\"\n\"message\" \"b\" \"\"\n");
    EXPECT(how, "data: a\r|\ndata: b\r|\n\r|\n", two);
    EXPECT(how, "data: a\r|data: b\r|\r", two);
    EXPECT(how, "da|ta: a|\nda|ta|:| b\n|\n", two);
    EXPECT(how,
           "\xEF\xBB|\xBF"
           "data: a\n\n\xEF\xBB\xBF"
           "data: b\n\n",
           one);
}

/* A blank line that ends in CR is enough: nobody waits for an LF that may never come. */
static void test_prompt(void)
{
    struct trace t;
    struct sse s;
    struct err err;

    trace_init(&t);
    sse_init(&s, SSE_EVENTS, EVENT_MAX, on_event, &t);
    CHECK_INT(sse_feed(&s, "data: a\r\n\r", 10, &err), 0);
    CHECK_INT(t.with_data, 1);
    CHECK_BYTES(t.raw.data, t.raw.len, "data: a\r\n\r");
    CHECK_INT(sse_feed(&s, "\ndata: b\n\n", 10, &err), 0);
    CHECK_INT(t.with_data, 2);
    CHECK_INT(t.blocks, 2);
    CHECK_BYTES(t.raw.data, t.raw.len, "data: a\r\n\r\ndata: b\n\n");
    sse_deinit(&s);
    trace_deinit(&t);
}

static void test_end(void)
{
    const struct play lenient = {.lenient = true}, strict = {0};
    const char *one = "\"message\" \"a\" \"\"\n";

    EXPECT(lenient, "data: a", one);
    EXPECT(lenient, "data: a\n", one);
    EXPECT(lenient, "data: a\r", one);
    EXPECT(lenient, "data: a\r\n", one);
    EXPECT(lenient, "data: a\r|\n", one);
    EXPECT(lenient, "data: a\n\n", one);
    EXPECT(lenient, "data: a\r\n\r|\n", one);
    EXPECT(lenient, ": nothing", "");
    EXPECT(strict, "data: a\n\ndata: b\n", one);
}

static long retry_of(const char *text)
{
    const struct play how = {0};
    struct trace t;
    struct err err;
    long retry = 0;

    CHECK_INT(play(&how, text, &t, &retry, &err), 0);
    trace_deinit(&t);
    return retry;
}

static void test_retry(void)
{
    CHECK_INT(retry_of("data: a\n\n"), -1);
    CHECK_INT(retry_of("retry: 0100\n\n"), 100);
    CHECK_INT(retry_of("retry: 5\nretry: x\nretry:\nretry: -1\nretry: 1.5\n\n"), 5);
    CHECK_INT(retry_of("retry: 9\n"), 9);
    CHECK_INT(retry_of("retry: 9"), -1);
    CHECK(retry_of("retry: 99999999999999999999999999999999\n\n") > 1000000000);
}

static void test_comments(void)
{
    const struct play how = {0};
    struct trace t;
    struct err err;

    CHECK_INT(play(&how, ": ping\n\n\n: x\ndata: a\n\n", &t, NULL, &err), 0);
    CHECK_INT(t.blocks, 3);
    CHECK_INT(t.with_data, 1);
    CHECK_BYTES(t.raw.data, t.raw.len, ": ping\n\n\n: x\ndata: a\n\n");
    trace_deinit(&t);
}

static void test_lines(void)
{
    const struct play how = {.framing = SSE_LINES}, small = {.framing = SSE_LINES, .max = 8};
    const char *three =
        "\"message\" \"{}\" \"\"\n\"message\" \"data: 1\" \"\"\n\"message\" \"2\" \"\"\n";
    struct trace t;
    struct err err;

    EXPECT(how, "{}\ndata: 1\r\n\n\r\n2", three);
    EXPECT(how, "{|}|\n|data|: 1\r|\n\n|\r\n2", three);
    EXPECT(how, "\xEF\xBB\xBF{}\n\ndata: 1\n2\n", three);
    EXPECT(how, "a\rb\n", "\"message\" \"a\\rb\" \"\"\n");
    CHECK_INT(play(&small, "1234567\n123|45678\n", &t, NULL, &err), -1);
    CHECK_INT(t.with_data, 1);
    trace_deinit(&t);
}

static void test_stop(void)
{
    struct trace t;
    struct sse s;
    struct err err;

    trace_init(&t);
    t.stop_after = 2;
    sse_init(&s, SSE_EVENTS, EVENT_MAX, on_event, &t);
    CHECK_INT(sse_feed(&s, "data: a\n\ndata: b\n\ndata: c\n\n", 27, &err), 0);
    CHECK_INT(t.blocks, 2);
    CHECK_INT(sse_end(&s, true, &err), 0);
    CHECK_INT(t.blocks, 2);
    sse_deinit(&s);
    trace_deinit(&t);
}

/* ---- limits ---- */

static int feed_repeated(const char *piece, size_t times, size_t max, struct trace *t, size_t *held)
{
    struct sse s;
    struct err err;
    int r = 0;

    trace_init(t);
    t->raw.max = 0;
    sse_init(&s, SSE_EVENTS, max, on_event, t);
    for (size_t i = 0; i < times && r == 0; i++)
        r = sse_feed(&s, piece, strlen(piece), &err);
    *held = s.raw.cap + s.data.cap + s.id.cap;
    if (r < 0) {
        CHECK_INT(err.code, ERR_BAD_RESPONSE);
        CHECK(strstr(err.message, "65536") != NULL);
    }
    sse_deinit(&s);
    return r;
}

static void test_limits(void)
{
    struct trace t;
    size_t held;

    CHECK_INT(feed_repeated("0123456789", 1000000, EVENT_MAX, &t, &held), -1);
    CHECK(held <= EVENT_MAX);
    trace_deinit(&t);
    CHECK_INT(feed_repeated("data: 0123\n", 1000000, EVENT_MAX, &t, &held), -1);
    CHECK(held <= EVENT_MAX);
    trace_deinit(&t);
    CHECK_INT(feed_repeated(": ping\n", 1000000, EVENT_MAX, &t, &held), -1);
    trace_deinit(&t);
    CHECK_INT(feed_repeated(": ping\n\n", 1000000, EVENT_MAX, &t, &held), 0);
    CHECK_INT(t.blocks, 1000000);
    CHECK(held <= 1024);
    trace_deinit(&t);
}

static void test_limit_exact(void)
{
    const struct play fits = {.max = 9}, tight = {.max = 8};
    const char *cuts[] = {"data: a\n\n", "data|: a\n|\n", "data: a\n|\n"};
    struct trace t;
    struct err err;

    for (size_t i = 0; i < sizeof cuts / sizeof *cuts; i++) {
        CHECK_INT(play(&fits, cuts[i], &t, NULL, &err), 0);
        trace_deinit(&t);
        CHECK_INT(play(&tight, cuts[i], &t, NULL, &err), -1);
        CHECK_INT(t.blocks, 0);
        trace_deinit(&t);
    }
}

/* Ten megabytes at once: time must grow with the bytes, whatever the line ends are. */
static void test_linear(void)
{
    const char *units[] = {"data: x\r\r", "data: x\n\n", "data: x\r\n\r\n", "\r", "x\r"};
    enum { SIZE = 10 * 1000 * 1000 };
    char *text = malloc(SIZE + 1);

    for (size_t i = 0; text && i < sizeof units / sizeof *units; i++) {
        size_t n = strlen(units[i]), size = SIZE / n * n;
        struct trace t;
        struct sse s;
        struct err err;
        for (size_t at = 0; at < size; at += n)
            memcpy(text + at, units[i], n);
        text[size] = '\n';
        trace_init(&t);
        t.raw.max = t.events.max = 0;
        sse_init(&s, SSE_EVENTS, 2 * SIZE, on_event, &t);
        clock_t start = clock();
        CHECK_INT(sse_feed(&s, text, size + 1, &err), 0);
        CHECK(clock() - start < 5 * CLOCKS_PER_SEC);
        sse_deinit(&s);
        trace_deinit(&t);
    }
    free(text);
}

/* ---- the public vectors ---- */

struct bytes {
    struct buf whole;
    size_t cuts[64], cut_count;
};

static int base64_digit(char c)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = c ? strchr(digits, c) : NULL;

    return at ? (int)(at - digits) : -1;
}

static void add_base64(struct buf *out, struct span text)
{
    unsigned bits = 0;
    int have = 0;

    for (size_t i = 0; i < text.n; i++) {
        int d = base64_digit(text.p[i]);
        if (d < 0)
            continue;
        bits = bits << 6 | (unsigned)d;
        have += 6;
        if (have >= 8) {
            have -= 8;
            char byte = (char)(bits >> have & 0xFF);
            buf_add(out, &byte, 1);
        }
    }
}

static void expected_events(struct span list, struct buf *out)
{
    struct json_iter it = {0};
    struct span key, item;
    struct buf event, data, id;

    buf_init(&event, EVENT_MAX);
    buf_init(&data, EVENT_MAX);
    buf_init(&id, EVENT_MAX);
    while (json_next(list, &it, &key, &item)) {
        event.len = data.len = id.len = 0;
        json_text(json_member(item, "event"), &event);
        json_text(json_member(item, "data"), &data);
        json_text(json_member(item, "last_event_id"), &id);
        add_event(out, buf_span(&event), buf_span(&data), buf_span(&id));
    }
    buf_deinit(&event);
    buf_deinit(&data);
    buf_deinit(&id);
}

/* Feeds the bytes cut at the places given; true when events, raw and retry are as they should be.
 */
static bool run_cut(const struct bytes *in, const size_t *cuts, size_t n, struct span expected,
                    long retry)
{
    struct trace t;
    struct sse s;
    struct err err;
    size_t at = 0;
    bool ok = true;

    trace_init(&t);
    sse_init(&s, SSE_EVENTS, EVENT_MAX, on_event, &t);
    for (size_t i = 0; i <= n; i++) {
        size_t to = i < n ? cuts[i] : in->whole.len;
        char *piece = malloc(to - at + 1); /* its own memory: the sanitizer sees a read past it */
        memcpy(piece, in->whole.data + at, to - at);
        ok = ok && sse_feed(&s, piece, to - at, &err) == 0;
        free(piece);
        at = to;
    }
    ok = ok && sse_end(&s, false, &err) == 0 && s.retry_ms == retry;
    ok = ok && t.events.len == expected.n &&
         memcmp(buf_span(&t.events).p, expected.p, expected.n) == 0;
    ok = ok && t.raw.len <= in->whole.len &&
         memcmp(buf_span(&t.raw).p, in->whole.data, t.raw.len) == 0;
    sse_deinit(&s);
    trace_deinit(&t);
    return ok;
}

static void check_ways(const struct bytes *in, struct span expected, long retry, struct span name)
{
    size_t *each = calloc(in->whole.len + 1, sizeof *each);
    bool whole, bytes, chunks, halves = true;

    for (size_t i = 0; i < in->whole.len; i++)
        each[i] = i + 1;
    whole = run_cut(in, NULL, 0, expected, retry);
    bytes = run_cut(in, each, in->whole.len, expected, retry);
    chunks = run_cut(in, in->cuts, in->cut_count, expected, retry);
    for (size_t i = 0; i <= in->whole.len && halves; i++)
        halves = run_cut(in, &i, 1, expected, retry);
    free(each);
    CHECK(whole);
    CHECK(bytes);
    CHECK(chunks);
    CHECK(halves);
    if (!whole || !bytes || !chunks || !halves)
        fprintf(stderr, "  in vector %.*s\n", (int)name.n, name.p);
}

static void check_vector(struct span vector)
{
    struct bytes in = {0};
    struct buf expected;
    struct json_iter it = {0};
    struct span key, chunk, chunks = json_member(vector, "chunks_b64");
    int64_t retry = -1;

    buf_init(&in.whole, EVENT_MAX);
    buf_init(&expected, TRACE_MAX);
    while (chunks.p && json_next(chunks, &it, &key, &chunk)) {
        add_base64(&in.whole, chunk);
        if (in.cut_count < 64)
            in.cuts[in.cut_count++] = in.whole.len;
    }
    in.whole.len = 0;
    add_base64(&in.whole, json_member(vector, "input_b64"));
    expected_events(json_member(vector, "events"), &expected);
    json_int(json_member(vector, "retry"), &retry);
    check_ways(&in, buf_span(&expected), (long)retry, json_member(vector, "name"));
    buf_deinit(&in.whole);
    buf_deinit(&expected);
}

static bool read_whole(const char *path, struct buf *out)
{
    FILE *f = fopen(path, "rb");
    char *to;

    if (!f)
        return false;
    while ((to = buf_reserve(out, 65536)) != NULL) {
        size_t n = fread(to, 1, 65536, f);
        out->len += n;
        if (!n)
            break;
    }
    fclose(f);
    return true;
}

static void test_vectors_file(void)
{
    char path[1024];
    struct buf text;
    struct json_iter it = {0};
    struct span key, vector;
    int count = 0;

    snprintf(path, sizeof path, "%s/sse-vectors/vectors.json", test_vectors());
    buf_init(&text, 16 * 1024 * 1024);
    if (!read_whole(path, &text)) {
        SKIP("no sse-vectors");
        return;
    }
    for (struct span all = json_member(buf_span(&text), "vectors");
         json_next(all, &it, &key, &vector); count++)
        check_vector(vector);
    CHECK(count >= 69);
    buf_deinit(&text);
}

int main(void)
{
    test_fields();
    test_line_ends();
    test_prompt();
    test_end();
    test_retry();
    test_comments();
    test_lines();
    test_stop();
    test_limits();
    test_limit_exact();
    test_linear();
    test_vectors_file();
    return test_report("sse");
}
