/* test_json - the JSON reader, finder, editor and writer, and the public parsing cases.
 * SPDX-License-Identifier: MIT */
#include "testhelp.h"

#include "json.h"

#include <math.h>

static struct span span(const char *text)
{
    return (struct span){text, strlen(text)};
}

/* The check runs on an exact heap copy, so that a sanitizer sees any read past the end. */
static bool accepts_bytes(const char *p, size_t n)
{
    char *copy = malloc(n ? n : 1);
    struct err err;

    memcpy(copy, p, n);
    bool ok = json_check((struct span){copy, n}, &err) == 0;
    free(copy);
    return ok;
}

static bool accepts(const char *text)
{
    return accepts_bytes(text, strlen(text));
}

static const char *fault(const char *text)
{
    static struct err err;

    return json_check(span(text), &err) < 0 ? err.message : "";
}

/* ---- the strict reader ---- */

static void test_accepts(void)
{
    static const char *const good[] = {
        "0",
        "-0",
        "7",
        "-19",
        "1.5",
        "1e5",
        "1E+5",
        "1e-5",
        "0.0e0",
        "-0.1E09",
        "123456789012345678901234567890",
        "1e999",
        "true",
        "false",
        "null",
        "\"\"",
        "\"a\"",
        "[]",
        "{}",
        " \t\r\n[ ] ",
        "[1,2]",
        "[[],{}]",
        "{\"\":1}",
        "{\"a\":{\"b\":[null]}}",
        "{\"a\":1,\"a\":2}",
        "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"",
        "\"\\u0000\\u001f\\uABcd\"",
        "\"\\ud83d\\uDE00\"",
        "\"\x7f\"",
        "\"\xC2\x80\"",
        "\"\xE0\xA0\x80\"",
        "\"\xED\x9F\xBF\"",
        "\"\xEE\x80\x80\"",
        "\"\xEF\xBF\xBF\"",
        "\"\xF0\x90\x80\x80\"",
        "\"\xF4\x8F\xBF\xBF\"",
        "\"12345678\xE2\x82\xACxyz45678\"",
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        CHECK(accepts(good[i]));
        if (!accepts(good[i]))
            fprintf(stderr, "  for %s\n", good[i]);
    }
}

static void test_refuses(void)
{
    static const char *const bad[] = {
        "",
        " ",
        "[",
        "]",
        "{",
        "}",
        "[1",
        "[1,",
        "[1,]",
        "[,1]",
        "[1 2]",
        "[1,,2]",
        "[}",
        "{]",
        "{\"a\"",
        "{\"a\":",
        "{\"a\":1",
        "{\"a\":1,",
        "{\"a\":1,}",
        "{a:1}",
        "{'a':1}",
        "{1:1}",
        "{\"a\" 1}",
        "{\"a\":1 \"b\":2}",
        "{,}",
        "{\"a\":,}",
        "[1]]",
        "[1]x",
        "1 2",
        "[] []",
        "tru",
        "True",
        "nul",
        "nullx",
        "truefalse",
        "undefined",
        "NaN",
        "Infinity",
        "-Infinity",
        "+1",
        "-",
        "--1",
        "01",
        "-01",
        "1.",
        ".5",
        "1.e5",
        "1e",
        "1e+",
        "1E-",
        "0x10",
        "1_000",
        "1,5",
        "\xEF\xBC\x91",
        "1a",
        "2@",
        "\"",
        "\"a",
        "\"\\",
        "\"\\\"",
        "\"\\x41\"",
        "\"\\'\"",
        "\"\\u\"",
        "\"\\u12\"",
        "\"\\u12g4\"",
        "\"\\U0041\"",
        "\"a\nb\"",
        "\"a\tb\"",
        "\"\x01\"",
        "'a'",
        "\"\\ud800\"",
        "\"\\udc00\"",
        "\"\\ud800x\"",
        "\"\\ud800\\n\"",
        "\"\\ud800\\ud800\"",
        "\"\\uDFFF\\uD800\"",
        "\"\\ud800\\u0041\"",
        "\"\\ud83d\\ude0\"",
        "\"\x80\"",
        "\"\xBF\"",
        "\"\xC0\x80\"",
        "\"\xC1\xBF\"",
        "\"\xC2\"",
        "\"\xC2x\"",
        "\"\xE0\x9F\xBF\"",
        "\"\xE2\x82\"",
        "\"\xED\xA0\x80\"",
        "\"\xED\xBF\xBF\"",
        "\"\xF0\x8F\xBF\xBF\"",
        "\"\xF0\x9F\x98\"",
        "\"\xF4\x90\x80\x80\"",
        "\"\xF5\x80\x80\x80\"",
        "\"\xFF\"",
        "\"\xFE\"",
        "\xEF\xBB\xBF{}",
        "[\xC2\xA0]",
        "[\xE2\x81\xA0]",
        "[1]//x",
        "[/**/1]",
        "#",
        "*",
        "[\f]",
        "[\v1]",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        CHECK(!accepts(bad[i]));
        if (accepts(bad[i]))
            fprintf(stderr, "  for %s\n", bad[i]);
    }
    CHECK(!accepts_bytes("[\0]", 3));
    CHECK(!accepts_bytes("1\0", 2));
    CHECK(!accepts_bytes("\"a\0b\"", 5));
    CHECK(json_check((struct span){NULL, 0}, &(struct err){0}) < 0);
}

/* Every byte in every place of a word of eight: the fast path and the slow one agree. */
static void test_string_bytes(void)
{
    char text[20];

    for (int length = 1; length <= 16; length++) {
        for (int at = 0; at < length; at++) {
            for (int byte = 0; byte < 256; byte++) {
                memset(text, 'x', sizeof text);
                text[0] = text[length + 1] = '"';
                text[at + 1] = (char)byte;
                bool good = byte >= 0x20 && byte < 0x80 && byte != '"' && byte != '\\';
                if (accepts_bytes(text, (size_t)length + 2) != good) {
                    CHECK_INT(byte, at);
                    return;
                }
            }
        }
    }
    CHECK(true);
}

static void test_depth(void)
{
    char text[2 * JSON_DEPTH_MAX + 4];

    for (int n = JSON_DEPTH_MAX; n <= JSON_DEPTH_MAX + 1; n++) {
        memset(text, '[', (size_t)n);
        memset(text + n, ']', (size_t)n);
        CHECK_INT(accepts_bytes(text, 2 * (size_t)n), n == JSON_DEPTH_MAX);
    }
    char *deep = malloc(100000);
    memset(deep, '[', 100000);
    CHECK(!accepts_bytes(deep, 100000));
    free(deep);
}

static void test_faults(void)
{
    CHECK_STR(fault("[1,\n  nul]"), "line 2, column 3: expected a value");
    CHECK_STR(fault("{\"a\" 1}"), "line 1, column 6: expected ':' after the key");
    CHECK_STR(fault("[1"), "line 1, column 3: the text ends too early");
    CHECK_STR(fault("[1 2]"), "line 1, column 4: expected ',' or ']'");
    CHECK_STR(fault("\"\\ud800\""), "line 1, column 2: half of a surrogate pair");
    CHECK_STR(fault("\"\x80\""), "line 1, column 2: invalid UTF-8");
    CHECK_STR(fault("[01]"), "line 1, column 2: not a number of JSON");
    CHECK_STR(fault("1 2"), "line 1, column 3: more after the end of the value");

    struct json_reader r;
    json_reader_init(&r, SPAN("[x"));
    CHECK_INT(json_read(&r), JSON_T_OPEN_ARRAY);
    CHECK_INT(json_read(&r), JSON_T_ERROR);
    CHECK_INT(json_read(&r), JSON_T_ERROR);
    CHECK_INT(r.err.code, ERR_BAD_REQUEST);
}

static void test_tokens(void)
{
    static const enum json_token want[] = {JSON_T_OPEN_OBJECT, JSON_T_KEY,   JSON_T_OPEN_ARRAY,
                                           JSON_T_VALUE,       JSON_T_VALUE, JSON_T_CLOSE_ARRAY,
                                           JSON_T_KEY,         JSON_T_VALUE, JSON_T_CLOSE_OBJECT,
                                           JSON_T_END,         JSON_T_END};
    struct json_reader r;

    json_reader_init(&r, SPAN(" {\"a\": [1, \"x\\n\"], \"b\": null} "));
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        CHECK_INT(json_read(&r), want[i]);
        if (i == 4)
            CHECK(r.escaped && r.type == JSON_STRING && span_is(r.token, "\"x\\n\""));
    }
}

/* ---- finding ---- */

static const char DOC[] =
    " { \"model\" : \"gpt\" , \"messages\":[{\"role\":\"user\",\"content\":\"a \\\"{[ b\"},"
    " {\"content\":null}], \"str\\u0065am\" : true,\"n\":-12,\"big\":1e3, \"model\":\"x\\\\\" } ";

static void test_find(void)
{
    struct span doc = SPAN(DOC);

    CHECK(accepts(DOC));
    CHECK(span_is(json_member(doc, "model"), "\"x\\\\\"")); /* the last one */
    CHECK(span_is(json_member(doc, "stream"), "true"));
    CHECK(span_is(json_member(doc, "n"), "-12"));
    CHECK(span_is(json_member(doc, "big"), "1e3"));
    CHECK(!json_member(doc, "none").p);
    CHECK(!json_member(doc, "").p);
    CHECK(!json_member(SPAN("[1]"), "0").p);
    CHECK(!json_member(SPAN("\"model\""), "model").p);
    CHECK(!json_member((struct span){NULL, 0}, "a").p);
    CHECK(span_is(json_member(SPAN("{\"\":5}"), ""), "5"));
    CHECK(span_is(json_member(SPAN("{\"a\\\\\":5}"), "a\\"), "5"));
    CHECK(!json_member(SPAN("{\"a\\n\":5}"), "a\\n").p); /* compared after unescaping */

    CHECK(span_is(json_path(doc, "messages.0.content"), "\"a \\\"{[ b\""));
    CHECK(span_is(json_path(doc, "messages.1.content"), "null"));
    CHECK(span_is(json_path(doc, "messages.1"), "{\"content\":null}"));
    CHECK(!json_path(doc, "messages.2").p);
    CHECK(!json_path(doc, "messages.x").p);
    CHECK(!json_path(doc, "messages.-1").p);
    CHECK(!json_path(doc, "messages.99999999999999999999999999").p);
    CHECK(!json_path(doc, "n.a").p);
    CHECK(span_is(json_path(SPAN("{\"0\":{\"1\":2}}"), "0.1"), "2"));
}

static void test_walk(void)
{
    struct json_iter it = {0};
    struct span key, value;

    CHECK(json_next(SPAN(" [ 1 , [2,\"]\"] ] "), &it, &key, &value));
    CHECK(!key.p && span_is(value, "1"));
    CHECK(json_next(SPAN(" [ 1 , [2,\"]\"] ] "), &it, &key, &value));
    CHECK(!key.p && span_is(value, "[2,\"]\"]"));
    CHECK(!json_next(SPAN(" [ 1 , [2,\"]\"] ] "), &it, &key, &value));
    CHECK(!json_next(SPAN("[]"), &(struct json_iter){0}, &key, &value));
    CHECK(!json_next(SPAN("{ }"), &(struct json_iter){0}, &key, &value));
    CHECK(!json_next(SPAN("7"), &(struct json_iter){0}, &key, &value));
    CHECK(json_next(SPAN("{\"k\" : {} }"), &(struct json_iter){0}, &key, &value));
    CHECK(span_is(key, "\"k\"") && span_is(value, "{}"));
}

/* On bytes that were never checked the answers mean nothing, but they come, and from inside. */
static void test_unchecked(void)
{
    static const char *const odd[] = {"{",
                                      "[",
                                      "{\"",
                                      "{\"a",
                                      "{\"a\"",
                                      "{\"a\":",
                                      "{\"a\":\"",
                                      "[\"\\",
                                      "[1 2 3",
                                      "{\"a\"1}",
                                      "[}]}",
                                      "]",
                                      "{\"a\":1\"b\":2",
                                      ":",
                                      "[:",
                                      "{\"a\":]",
                                      "\"\\",
                                      "\"\\u12",
                                      "\"\\ud800",
                                      "{\"\\u\":1}",
                                      "[,,,]",
                                      "{,}",
                                      "{\"model\":1 x\"y\":2}"};
    struct json_edit edits[] = {{"a", SPAN("2")}, {"model", {NULL, 0}}, {"y", SPAN("3")}};

    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
        size_t n = strlen(odd[i]), rounds = 0;
        char *copy = malloc(n), text[64];
        memcpy(copy, odd[i], n);
        struct span doc = {copy, n}, key, value;
        struct json_iter it = {0};
        struct buf out;
        while (json_next(doc, &it, &key, &value) && rounds++ < 100)
            CHECK(value.p >= copy && value.p + value.n <= copy + n);
        CHECK(rounds < 100);
        json_path(doc, "a.0.b");
        buf_init(&out, 1000);
        json_splice(doc, edits, 3, &out);
        json_text(doc, &out);
        json_unescape(doc, text);
        json_is_text(doc, "a");
        buf_deinit(&out);
        free(copy);
    }
}

/* ---- strings and numbers ---- */

static void check_text(const char *value, const char *want, size_t n)
{
    struct buf out;
    char room[100];

    buf_init(&out, 100);
    CHECK_INT(json_text(span(value), &out), 0);
    CHECK(out.len == n && (n == 0 || memcmp(out.data, want, n) == 0));
    CHECK_INT(json_unescape(span(value), room), n);
    CHECK(memcmp(room, want, n) == 0);
    CHECK(json_text_is(span(value), (struct span){want, n}));
    CHECK(!json_text_is(span(value), SPAN("something else")));
    buf_deinit(&out);
}

static void test_text(void)
{
    check_text("\"\"", "", 0);
    check_text("\"plain\"", "plain", 5);
    check_text("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\/\b\f\n\r\t", 8);
    check_text("\"a\\u0000b\"", "a\0b", 3);
    check_text("\"\\u00e9\\u20AC\\ud83d\\ude00!\"", "\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80!", 10);
    check_text("\"\\uD800\"", "\xEF\xBF\xBD", 3); /* never checked; still valid UTF-8 comes out */
    check_text("\"\\uDC00\\uD800x\"", "\xEF\xBF\xBD\xEF\xBF\xBDx", 7);
    CHECK(json_is_text(SPAN("\"str\\u0065am\""), "stream"));
    CHECK(!json_is_text(SPAN("\"stream\""), "strea"));
    CHECK(!json_is_text(SPAN("\"stre\""), "stream"));
    CHECK(!json_is_text(SPAN("stream"), "stream"));
    CHECK(!json_is_text(SPAN("1"), ""));

    struct buf small;
    buf_init(&small, 3);
    CHECK_INT(json_text(SPAN("\"\\u0061\\u0062\\u0063\""), &small), 0);
    CHECK_INT(json_text(SPAN("\"d\""), &small), -1);
    CHECK_INT(json_text(SPAN("12"), &small), -1);
    CHECK_BYTES(small.data, small.len, "abc");
    buf_deinit(&small);
}

static int64_t int_of(const char *text)
{
    int64_t i = 0;
    return json_int(span(text), &i) < 0 ? 4711 : i;
}

static double double_of(const char *text)
{
    double d = 0;
    return json_double(span(text), &d) < 0 ? 4711 : d;
}

static void test_numbers(void)
{
    CHECK_INT(int_of("0"), 0);
    CHECK_INT(int_of("-0"), 0);
    CHECK_INT(int_of("9223372036854775807"), INT64_MAX);
    CHECK_INT(int_of("-9223372036854775808"), INT64_MIN);
    CHECK_INT(int_of("9223372036854775808"), 4711);
    CHECK_INT(int_of("-9223372036854775809"), 4711);
    CHECK_INT(int_of("99999999999999999999"), 4711);
    CHECK_INT(int_of("1.0"), 4711);
    CHECK_INT(int_of("1e3"), 4711);
    CHECK_INT(int_of("-"), 4711);
    CHECK_INT(int_of("\"1\""), 4711);
    CHECK_INT(int_of(""), 4711);

    CHECK(double_of("0.1") == 0.1);
    CHECK(double_of("-2.5e-3") == -2.5e-3);
    CHECK(double_of("1e22") == 1e22);
    CHECK(double_of("1.7976931348623157e308") == 1.7976931348623157e308);
    CHECK(double_of("5e-324") == 4711); /* below what 17 digits can tell */
    CHECK(double_of("2.2250738585072014e-308") == 2.2250738585072014e-308);
    CHECK(double_of("0.30000000000000004") == 0.30000000000000004);
    CHECK(double_of("123456789012345678") == 4711);
    CHECK(double_of("1000000000000000000000000") == 1e24);
    CHECK(
        double_of("0.00000000000000000000000000000000000000000000000000000000000000000000000001") ==
        1e-74);
    CHECK(double_of("100000000000000000000000000000000000000000000000000.0") == 1e50);
    CHECK(double_of("1e400") == 4711);
    CHECK(double_of("1e-400") == 4711);
    CHECK(double_of("1e99999999999999999999999999") == 4711);
    CHECK(double_of("0e99999999999999999999999999") == 0);
    CHECK(signbit(double_of("-0")) && signbit(double_of("-0.0")) && double_of("-0") == 0);
}

/* ---- splicing ---- */

static void check_splice(const char *doc, const struct json_edit *edits, size_t n, const char *want)
{
    struct buf out;

    buf_init(&out, 1000);
    CHECK_INT(json_splice(span(doc), edits, n, &out), 0);
    CHECK_BYTES(out.data, out.len, want);
    CHECK(accepts_bytes(out.data, out.len));
    buf_deinit(&out);
}

static void test_splice(void)
{
    struct json_edit set = {"b", SPAN("[9]")}, drop = {"b", {NULL, 0}},
                     both[] = {{"a", SPAN("7")}, {"z", SPAN("\"q\"")}};
    struct json_edit twice[] = {{"n", SPAN("1")}, {"n", SPAN("2")}},
                     undone[] = {{"n", SPAN("1")}, {"n", {NULL, 0}}};

    check_splice("{\"a\":1,\"b\":2,\"c\":3.10}", &set, 1, "{\"a\":1,\"b\":[9],\"c\":3.10}");
    check_splice(" {\n  \"a\" : 1,\n  \"\\u0062\" : 2\n} ", &set, 1,
                 " {\n  \"a\" : 1,\n  \"\\u0062\" : [9]\n} ");
    check_splice("{}", &set, 1, "{\"b\":[9]}");
    check_splice("{ }", &set, 1, "{\"b\":[9] }");
    check_splice("{\n  \"a\": 1\n}", &set, 1, "{\n  \"a\": 1,\"b\":[9]\n}");
    check_splice("{\"a\":1,\"b\":2,\"c\":3}", &drop, 1, "{\"a\":1,\"c\":3}");
    check_splice("{\"b\":2,\"c\":3}", &drop, 1, "{\"c\":3}");
    check_splice("{\"a\":1 , \"b\":2}", &drop, 1, "{\"a\":1 }");
    check_splice("{\n \"a\":1,\n \"b\":2\n}", &drop, 1, "{\n \"a\":1\n}");
    check_splice("{\"b\":2}", &drop, 1, "{}");
    check_splice("{\"a\":1}", &drop, 1, "{\"a\":1}");
    check_splice("{\"b\":1,\"a\":0,\"b\":2,\"b\":{}}", &set, 1, "{\"a\":0,\"b\":[9]}");
    check_splice("{\"b\":1,\"a\":0,\"b\":2}", &drop, 1, "{\"a\":0}");
    check_splice("{\"a\":1,\"a\":2}", NULL, 0, "{\"a\":1,\"a\":2}");
    check_splice("{\"a\":{\"b\":1}}", &set, 1, "{\"a\":{\"b\":1},\"b\":[9]}");
    check_splice("{\"a\":1}", both, 2, "{\"a\":7,\"z\":\"q\"}");
    check_splice("{}", twice, 2, "{\"n\":2}");
    check_splice("{\"n\":0}", twice, 2, "{\"n\":2}");
    check_splice("{}", undone, 2, "{}");
    check_splice("{\"n\":0}", undone, 2, "{}");
    check_splice("{}", &(struct json_edit){"q\"\n", SPAN("1")}, 1, "{\"q\\\"\\n\":1}");

    struct buf out;
    buf_init(&out, 10);
    buf_puts(&out, "x");
    CHECK_INT(json_splice(SPAN("[1]"), &set, 1, &out), -1);
    CHECK_INT(json_splice(SPAN("{\"a\":1,\"b\":2}"), &set, 1, &out), -1); /* full */
    CHECK_BYTES(out.data, out.len, "x");
    buf_deinit(&out);
}

/* ---- writing ---- */

static void check_written(const char *text, size_t n, const char *want)
{
    struct buf out;

    buf_init(&out, 200);
    CHECK_INT(json_write_text(&out, (struct span){text, n}), 0);
    CHECK_BYTES(out.data, out.len, want);
    CHECK(accepts_bytes(out.data, out.len));
    buf_deinit(&out);
}

static void test_write_text(void)
{
    struct buf out;

    check_written(NULL, 0, "\"\"");
    check_written("plain / text \x7f", 14, "\"plain / text \x7f\"");
    check_written("\"\\\b\f\n\r\t", 7, "\"\\\"\\\\\\b\\f\\n\\r\\t\"");
    check_written("\0\x1f", 2, "\"\\u0000\\u001f\"");
    check_written("\xE2\x82\xAC\xF0\x9F\x98\x80", 7, "\"\xE2\x82\xAC\xF0\x9F\x98\x80\"");
    check_written("a\xFFz\xE2\x82", 5, "\"a\xEF\xBF\xBDz\xEF\xBF\xBD\xEF\xBF\xBD\"");
    check_written("\xED\xA0\x80", 3, "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\"");
    for (size_t max = 0; max < 9; max++) { /* "a\nbcd" takes 8 bytes */
        buf_init(&out, max);
        CHECK_INT(json_write_text(&out, SPAN("a\nbcd")), max < 8 ? -1 : 0);
        CHECK_INT(out.len, max < 8 ? 0 : 8);
        buf_deinit(&out);
    }
    CHECK(json_is_utf8(SPAN("a\"\n\xC3\xA9")) && json_is_utf8((struct span){NULL, 0}));
    CHECK(!json_is_utf8(SPAN("abc\xC3")) && !json_is_utf8(SPAN("12345678\xED\xA0\x80")));
}

static void check_double(double d, const char *want)
{
    struct buf out;
    char text[64];

    buf_init(&out, 63);
    CHECK_INT(json_write_double(&out, d), 0);
    snprintf(text, sizeof text, "%.*s", (int)out.len, out.data);
    if (want)
        CHECK_STR(text, want);
    CHECK(accepts(text) && strtod(text, NULL) == d && strpbrk(text, ".e"));
    buf_deinit(&out);
}

static void test_write_numbers(void)
{
    struct buf out;

    check_double(0.0, "0.0");
    check_double(-0.0, "-0.0");
    check_double(1, "1.0");
    check_double(-100, "-100.0");
    check_double(0.1, "0.1");
    check_double(0.7, "0.7");
    check_double(-2.05, "-2.05");
    check_double(0.001, "0.001");
    check_double(0.000001, "1e-06");
    check_double(123456789.123456, "123456789.123456");
    check_double(0.1 + 0.2, "0.30000000000000004");
    check_double(1.0 / 3, "0.3333333333333333");
    check_double(1e15, "1e+15");
    check_double(999999999.9999999, NULL);
    check_double(1e22, "1e+22");
    check_double(5e-324, NULL);
    check_double(1.7976931348623157e308, "1.7976931348623157e+308");
    uint64_t seed = 88172645463325252u;
    for (int i = 0; i < 20000; i++) {
        double d;
        seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
        memcpy(&d, &seed, sizeof d);
        if (i % 2)
            d = (double)(seed % 1000000000) / 1000.0;
        if (isfinite(d))
            check_double(d, NULL);
    }
    buf_init(&out, 64);
    CHECK_INT(json_write_double(&out, (double)NAN), -1);
    CHECK_INT(json_write_double(&out, -(double)INFINITY), -1);
    CHECK_INT(json_write_int(&out, INT64_MIN), 0);
    CHECK_INT(json_write_int(&out, 0), 0);
    CHECK_INT(json_write_int(&out, INT64_MAX), 0);
    CHECK_BYTES(out.data, out.len, "-922337203685477580809223372036854775807");
    buf_deinit(&out);
}

/* ---- the public parsing cases ---- */

static size_t base64_decode(const char *text, size_t n, char *to)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t made = 0;
    unsigned bits = 0, count = 0;

    for (size_t i = 0; i < n && text[i] != '='; i++) {
        bits = bits << 6 | (unsigned)(strchr(digits, text[i]) - digits);
        count += 6;
        if (count >= 8) {
            count -= 8;
            to[made++] = (char)(bits >> count);
            bits &= (1u << count) - 1;
        }
    }
    return made;
}

/* The bytes of a case, to be freed. */
static char *case_bytes(struct span line, size_t *n)
{
    struct span b64 = json_member(line, "b64"), repeat = json_member(line, "repeat");
    struct buf out, text;
    int64_t count = 0;

    if (b64.p) {
        char *bytes = malloc(b64.n + 1);
        *n = base64_decode(b64.p + 1, b64.n - 2, bytes);
        return bytes;
    }
    buf_init(&out, 10000000);
    buf_init(&text, 1000);
    json_text(json_member(repeat, "text"), &text);
    json_int(json_member(repeat, "count"), &count);
    while (count-- > 0)
        buf_add_span(&out, buf_span(&text));
    json_text(json_member(repeat, "suffix"), &out);
    buf_deinit(&text);
    return buf_take(&out, n);
}

static void check_case(struct span line)
{
    struct span name = json_member(line, "name"), expect = json_member(line, "expect");
    int64_t length = -1;
    size_t n;
    char *bytes = case_bytes(line, &n);
    bool accepted = accepts_bytes(bytes, n), good = true;

    json_int(json_member(line, "len"), &length);
    if (json_is_text(expect, "accept"))
        good = accepted;
    else if (json_is_text(expect, "reject"))
        good = !accepted;
    CHECK_INT(length, n);
    CHECK(good);
    if (!good)
        fprintf(stderr, "  in case %.*s\n", (int)name.n, name.p);
    free(bytes);
}

static void test_public_cases(void)
{
    char path[1000], *line = NULL;
    size_t size = 0;
    ssize_t n;
    struct err err;

    snprintf(path, sizeof path, "%s/json-parsing/cases.jsonl", test_vectors());
    FILE *f = fopen(path, "r");
    if (!f) {
        SKIP("no json-parsing/cases.jsonl among the vectors");
        return;
    }
    while ((n = getline(&line, &size, f)) > 0) {
        struct span doc = {line, (size_t)n};
        CHECK_INT(json_check(doc, &err), 0);
        check_case(doc);
    }
    free(line);
    fclose(f);
}

static void test_members_as_values(void)
{
    struct span doc =
        SPAN("{\"n\":7,\"r\":1.5,\"s\":\"a\\u00e9\",\"l\":[],\"long\":\"0123456789\"}");
    char text[8];

    CHECK_INT(json_member_int(doc, "n", 3), 7);
    CHECK_INT(json_member_int(doc, "r", 3), 3);
    CHECK_INT(json_member_int(doc, "s", 3), 3);
    CHECK_INT(json_member_int(doc, "none", -1), -1);
    json_member_text(doc, "s", text, sizeof text);
    CHECK_STR(text, "");
    char room[16];
    json_member_text(doc, "s", room, sizeof room);
    CHECK_STR(room, "a\xc3\xa9");
    json_member_text(doc, "long", text, sizeof text);
    CHECK_STR(text, "");
    json_member_text(doc, "l", room, sizeof room);
    CHECK_STR(room, "");
    json_member_text(doc, "none", room, sizeof room);
    CHECK_STR(room, "");
}

int main(void)
{
    test_accepts();
    test_refuses();
    test_string_bytes();
    test_depth();
    test_faults();
    test_tokens();
    test_find();
    test_walk();
    test_unchecked();
    test_text();
    test_numbers();
    test_splice();
    test_write_text();
    test_write_numbers();
    test_public_cases();
    test_members_as_values();
    return test_report("json");
}
