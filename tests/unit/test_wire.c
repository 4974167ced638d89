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

static const struct wire wire = {
    .done = "[DONE]",
    .content = {"choices.*.delta.content", "choices.*.delta.tool_calls"},
    .finish = "choices.*.finish_reason",
    .usage = "usage",
    .payload = "choices",
    .error = "error",
};

static struct wire_seen inspect(const char *data, int want)
{
    struct wire_seen seen;
    struct err err = {.code = ERR_NONE};

    CHECK_INT(wire_inspect(&wire, (struct span){data, strlen(data)}, true, &seen, &err), want);
    if (want < 0)
        CHECK_INT(err.code, ERR_BAD_RESPONSE);
    return seen;
}

static void test_inspect(void)
{
    struct wire_seen seen = inspect("[DONE]", 0);

    CHECK(seen.done && !seen.content && !seen.finish && !seen.usage.p && !seen.error.p);
    seen = inspect("{\"choices\":[{\"delta\":{\"content\":\"a\"}}]}", 0);
    CHECK(!seen.done && seen.content && !seen.finish);
    seen = inspect("{\"choices\":[{\"delta\":{\"content\":\"\"}}]}", 0);
    CHECK(!seen.content);
    seen = inspect("{\"choices\":[{},{\"delta\":{\"tool_calls\":[{}]}}]}", 0);
    CHECK(seen.content);
    seen = inspect("{\"choices\":[{\"finish_reason\":\"stop\"}],\"usage\":{\"a\":1}}", 0);
    CHECK(seen.finish && !seen.content);
    CHECK_BYTES(seen.usage.p, seen.usage.n, "{\"a\":1}");
    seen = inspect("{\"choices\":[{\"finish_reason\":null}],\"usage\":null,\"error\":null}", 0);
    CHECK(!seen.finish && !seen.usage.p && !seen.error.p);
    seen = inspect("{\"error\":\"x\"}", 0);
    CHECK_BYTES(seen.error.p, seen.error.n, "\"x\"");
    seen = inspect("{\"choices\":[{\"delta\":{\"content\":\"error usage finish_reason\"}}]}", 0);
    CHECK(seen.content && !seen.error.p && !seen.usage.p && !seen.finish);
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
    test_find();
    test_inspect();
    test_strip();
    return test_report("wire");
}
