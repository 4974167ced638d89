/* test_wire - what is seen in a provider's events without decoding them.
 * SPDX-License-Identifier: MIT */
#include "wire.h"

#include "testhelp.h"

static void check_find(const char *doc, const char *path, const char *want)
{
    struct span found = wire_find((struct span){doc, strlen(doc)}, path);

    if (want)
        CHECK_BYTES(found.p, found.n, want);
    else
        CHECK(found.p == NULL);
}

static void test_find(void)
{
    check_find("{\"a\":1}", "a", "1");
    check_find("{\"a\":{\"b\":[1]}}", "a.b", "[1]");
    check_find("{\"a\":[{\"b\":null},{\"b\":\"x\"}]}", "a.*.b", "\"x\"");
    check_find("{\"a\":[{\"b\":null},{\"c\":\"x\"}]}", "a.*.b", NULL);
    check_find("{\"a\":[[1],[2]]}", "a.*.*", "1");
    check_find("[{\"a\":2}]", "*.a", "2");
    check_find("{\"a\":{\"b\":1}}", "a.*", NULL);
    check_find("{\"a\":1}", "a.b", NULL);
    check_find("{\"a\":1}", "b", NULL);
    check_find("7", "a", NULL);
    check_find("null", "a", NULL);
    check_find("{\"\\u0061\":1}", "a", "1");
    check_find("{\"a\":1,\"a\":2}", "a", "2");
    static const char *const nothing[] = {"null", "false", "\"\"", "[]", "{}", "[ ]", "{ }"};
    static const char *const something[] = {"true", "0", "-1", "\" \"", "[null]", "{\"x\":null}"};
    char doc[64];
    for (size_t i = 0; i < sizeof nothing / sizeof *nothing; i++) {
        snprintf(doc, sizeof doc, "{\"a\":%s}", nothing[i]);
        check_find(doc, "a", NULL);
    }
    for (size_t i = 0; i < sizeof something / sizeof *something; i++) {
        snprintf(doc, sizeof doc, "{\"a\":%s}", something[i]);
        check_find(doc, "a", something[i]);
    }
}

static struct wire wire = {
    .end_mark = "[DONE]",
    .content = {"choices.*.delta.content", "choices.*.delta.tool_calls"},
    .marks = {[WIRE_FINISH] = {.path = "choices.*.finish_reason"},
              [WIRE_USAGE] = {.path = "usage"},
              [WIRE_ERROR] = {.path = "error"}},
    .payload = "choices",
};

/* The one pass sees what a search for each path finds. */
static struct wire_seen inspect(const char *text, int want)
{
    struct span data = {text, strlen(text)};
    struct wire_seen seen;
    struct err err = {.code = ERR_NONE};

    CHECK_INT(wire_inspect(&wire, data, true, &seen, &err), want);
    if (want < 0) {
        CHECK_INT(err.code, ERR_BAD_RESPONSE);
    } else if (!seen.done) {
        CHECK(seen.finish == (wire_find(data, "choices.*.finish_reason").p != NULL));
        CHECK(seen.error == (wire_find(data, "error").p != NULL));
        CHECK(seen.usage[0].p == wire_find(data, "usage").p);
    }
    return seen;
}

static void test_ends(void)
{
    struct wire w = wire;
    struct wire_seen seen;
    struct err err;

    inspect("{\"choices\":[{\"finish_reason\":null},{\"finish_reason\":\"stop\"}]}", 0);
    inspect("{\"choices\":[{\"x\":{\"finish_reason\":\"stop\"}}],\"finish_reason\":\"stop\"}", 0);
    inspect("{\"other\":[{\"finish_reason\":\"stop\"}],\"a\":{\"usage\":1,\"error\":2}}", 0);
    inspect("{\"usage\":{\"a\":1},\"usage\":null}", 0);
    inspect("{\"usage\":null,\"usage\":{\"a\":1}}", 0);
    inspect("{\"usage\":{\"a\":1},\"usage\":{}}", 0);
    inspect("{\"choices\":[{\"finish_reason\":\"stop\"}],\"choices\":[]}", 0);
    inspect("{\"error\":false}", 0);
    inspect("{\"error\":\"\"}", 0);
    inspect("{\"error\":[]}", 0);
    inspect("{\"error\":[[]]}", 0);
    inspect("[{\"error\":1}]", 0);
    inspect("\"error\"", 0);
    inspect("[\"usage\",\"error\"]", 0);
    /* a name in another spelling is the same name */
    CHECK_INT(wire_inspect(&w, SPAN("{\"\\u0065rror\":7}"), false, &seen, &err), 0);
    CHECK(seen.error);
    strcpy(w.marks[WIRE_ERROR].path, "errors.*");
    strcpy(w.marks[WIRE_USAGE].path, "");
    wire_prepare(&w);
    CHECK_INT(wire_inspect(&w, SPAN("{\"errors\":[null,7],\"usage\":1}"), false, &seen, &err), 0);
    CHECK(seen.error && !seen.usage[0].p);
    CHECK_INT(wire_inspect(&w, SPAN("{\"errors\":[null],\"error\":1}"), false, &seen, &err), 0);
    CHECK(!seen.error);
}

/* null is looked for at one place, and only until there is content. */
static void test_null(void)
{
    struct wire w = wire;
    struct wire_seen seen;
    struct err err;
    static const struct {
        const char *data;
        bool null;
    } cases[] = {
        {"{\"choices\":[{\"delta\":null}]}", true},
        {"{\"choices\":[{\"delta\":{}},{\"delta\":null}]}", true},
        {"{\"choices\":[{\"delta\":{\"content\":null}}]}", false},
        {"{\"choices\":[{\"delta\":{\"content\":\"a\"}},{\"delta\":null}]}", false},
        {"{\"choices\":[{}],\"delta\":null}", false},
        {"{\"choices\":null}", false},
    };

    strcpy(w.object, "choices.*.delta");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct span data = {cases[i].data, strlen(cases[i].data)};
        CHECK_INT(wire_inspect(&w, data, true, &seen, &err), 0);
        CHECK(seen.null == cases[i].null);
        CHECK_INT(wire_inspect(&w, data, false, &seen, &err), 0);
        CHECK(!seen.null);
    }
}

/* Events that say what they are in a member, and usage in two places: Anthropic's. */
static void test_values(void)
{
    struct wire w = {.marks = {[WIRE_DONE] = {.path = "type=message_stop|gone"},
                               [WIRE_FINISH] = {.path = "delta.stop_reason"},
                               [WIRE_USAGE] = {.path = "message.usage"},
                               [WIRE_USAGE + 1] = {.path = "usage"},
                               [WIRE_ERROR] = {.path = "error"},
                               [WIRE_ERROR + 1] = {.path = "type=error"}}};
    struct wire_seen seen;
    struct err err;

    wire_prepare(&w);
    CHECK_INT(wire_inspect(&w, SPAN("{\"type\":\"message_stop\"}"), false, &seen, &err), 0);
    CHECK(seen.done && !seen.finish && !seen.error);
    CHECK_INT(wire_inspect(&w, SPAN("{\"type\":\"gone\"}"), false, &seen, &err), 0);
    CHECK(seen.done);
    CHECK_INT(wire_inspect(&w, SPAN("{\"type\":\"message\"}"), false, &seen, &err), 0);
    CHECK(!seen.done && !seen.error);
    CHECK_INT(wire_inspect(&w, SPAN("{\"type\":[\"gone\"],\"x\":{\"type\":\"gone\"}}"), false,
                           &seen, &err),
              0);
    CHECK(!seen.done);
    CHECK_INT(wire_inspect(&w, SPAN("{\"type\":\"error\"}"), false, &seen, &err), 0);
    CHECK(seen.error);
    CHECK_INT(wire_inspect(&w, SPAN("{\"message\":{\"usage\":{\"a\":1}}}"), false, &seen, &err), 0);
    CHECK_BYTES(seen.usage[0].p, seen.usage[0].n, "{\"a\":1}");
    CHECK(!seen.usage[1].p);
    CHECK_INT(wire_inspect(&w, SPAN("{\"delta\":{\"stop_reason\":\"x\"},\"usage\":{\"b\":2}}"),
                           false, &seen, &err),
              0);
    CHECK_BYTES(seen.usage[1].p, seen.usage[1].n, "{\"b\":2}");
    CHECK(!seen.usage[0].p && seen.finish);
}

/* "." is all of the event that finishes: Ollama's. */
static void test_event_as_usage(void)
{
    struct wire w = {.marks = {[WIRE_FINISH] = {.path = "done"}, [WIRE_USAGE] = {.path = "."}}};
    struct wire_seen seen;
    struct err err;

    wire_prepare(&w);
    CHECK_INT(wire_inspect(&w, SPAN("{\"done\":false,\"n\":1}"), false, &seen, &err), 0);
    CHECK(!seen.finish && !seen.usage[0].p);
    CHECK_INT(wire_inspect(&w, SPAN("{\"done\":true,\"n\":1}"), false, &seen, &err), 0);
    CHECK_BYTES(seen.usage[0].p, seen.usage[0].n, "{\"done\":true,\"n\":1}");
}

static void test_inspect(void)
{
    struct wire_seen seen = inspect("[DONE]", 0);

    CHECK(seen.done && !seen.content && !seen.finish && !seen.usage[0].p && !seen.error);
    seen = inspect("{\"choices\":[{\"delta\":{\"content\":\"a\"}}]}", 0);
    CHECK(!seen.done && seen.content && !seen.finish);
    seen = inspect("{\"choices\":[{\"delta\":{\"content\":\"\"}}]}", 0);
    CHECK(!seen.content);
    seen = inspect("{\"choices\":[{},{\"delta\":{\"tool_calls\":[{}]}}]}", 0);
    CHECK(seen.content);
    seen = inspect("{\"choices\":[{\"finish_reason\":\"stop\"}],\"usage\":{\"a\":1}}", 0);
    CHECK(seen.finish && !seen.content);
    CHECK_BYTES(seen.usage[0].p, seen.usage[0].n, "{\"a\":1}");
    seen = inspect("{\"choices\":[{\"finish_reason\":null}],\"usage\":null,\"error\":null}", 0);
    CHECK(!seen.finish && !seen.usage[0].p && !seen.error);
    seen = inspect("{\"error\":\"x\"}", 0);
    CHECK(seen.error);
    seen = inspect("{\"choices\":[{\"delta\":{\"content\":\"error usage finish_reason\"}}]}", 0);
    CHECK(seen.content && !seen.error && !seen.usage[0].p && !seen.finish);
    inspect("null", 0);
    inspect("[]", 0);
    inspect("7", 0);
    inspect("", -1);
    inspect("{", -1);
    inspect("[DONE] ", -1);
    inspect("{} {}", -1);
    struct err err;
    CHECK_INT(wire_inspect(&wire, SPAN("{\"choices\":[{\"delta\":{\"content\":\"a\"}}]}"), false,
                           &seen, &err),
              0);
    CHECK(!seen.content); /* nobody wanted to know */
}

static unsigned next(unsigned *seed, unsigned below)
{
    *seed = *seed * 1103515245u + 12345u;
    return (*seed >> 16) % below;
}

static void add_random(struct buf *out, unsigned *seed, int depth)
{
    static const char *const names[] = {"usage", "error", "choices", "finish_reason", "delta"};
    static const char *const scalars[] = {"null", "false", "\"\"", "\"usage\"", "7", "{}", "[]"};
    unsigned kind = depth == 0 ? 9 : next(seed, depth > 4 ? 7 : 14), n = next(seed, 4);

    if (kind < 7) {
        buf_puts(out, scalars[kind]);
        return;
    }
    buf_puts(out, kind < 9 ? "[" : "{");
    for (unsigned i = 0; i < n; i++) {
        buf_puts(out, i ? "," : "");
        if (kind >= 9)
            buf_printf(out, "\"%s\":", names[next(seed, 5)]);
        add_random(out, seed, depth + 1);
    }
    buf_puts(out, kind < 9 ? "]" : "}");
}

static void test_random(void)
{
    unsigned seed = 7;
    int found = 0;

    for (int i = 0; i < 5000; i++) {
        struct buf doc;
        buf_init(&doc, 1 << 20);
        add_random(&doc, &seed, 0);
        buf_add(&doc, "", 1);
        struct wire_seen seen = inspect(doc.data, 0);
        found += seen.finish || seen.usage[0].p || seen.error;
        buf_deinit(&doc);
    }
    CHECK(found > 500);
}

static void check_strip(const char *data, const char *want)
{
    char raw[512];
    struct buf out;

    snprintf(raw, sizeof raw, "id: 1\ndata: %s\n\n", data);
    buf_init(&out, 1024);
    CHECK_INT(wire_strip_usage(&wire, (struct span){raw, strlen(raw)},
                               (struct span){data, strlen(data)}, &out),
              0);
    CHECK_BYTES(out.data ? out.data : "", out.len, want);
    buf_deinit(&out);
}

static void test_strip(void)
{
    check_strip("{\"choices\":[1]}", "id: 1\ndata: {\"choices\":[1]}\n\n");
    check_strip("{\"choices\":[1],\"usage\":null}", "id: 1\ndata: {\"choices\":[1]}\n\n");
    check_strip("{\"usage\":{\"a\":1},\"choices\":[1]}", "id: 1\ndata: {\"choices\":[1]}\n\n");
    check_strip("{\"choices\":[],\"usage\":{\"a\":1}}", "");
    check_strip("{\"usage\":{\"a\":1}}", "");
    check_strip("{\"choices\":[],\"usage\":null}", "id: 1\ndata: {\"choices\":[]}\n\n");
    check_strip("{\"choices\":[\"usage\"]}", "id: 1\ndata: {\"choices\":[\"usage\"]}\n\n");
    check_strip("[DONE]", "id: 1\ndata: [DONE]\n\n");
    check_strip("[\"usage\"]", "id: 1\ndata: [\"usage\"]\n\n");
    struct buf small;
    buf_init(&small, 4);
    CHECK_INT(wire_strip_usage(&wire, SPAN("data: x\n\n"), SPAN("x"), &small), -1);
    CHECK_INT(small.len, 0);
    buf_deinit(&small);
}

int main(void)
{
    wire_prepare(&wire);
    test_find();
    test_inspect();
    test_ends();
    test_null();
    test_values();
    test_event_as_usage();
    test_random();
    test_strip();
    return test_report("wire");
}
