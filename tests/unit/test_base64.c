/* test_base64 - bytes as text and back, and data: URLs.
 * SPDX-License-Identifier: MIT */
#include "base64.h"

#include "testhelp.h"

/* RFC 4648 section 10. */
static const char *const vectors[][2] = {
    {"", ""},
    {"f", "Zg=="},
    {"fo", "Zm8="},
    {"foo", "Zm9v"},
    {"foob", "Zm9vYg=="},
    {"fooba", "Zm9vYmE="},
    {"foobar", "Zm9vYmFy"},
};

static void test_vectors_of_the_rfc(void)
{
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
        const char *plain = vectors[i][0], *text = vectors[i][1];
        char out[64];
        bool usual = false;
        CHECK_INT(base64_length(strlen(plain)), strlen(text));
        base64_encode(out, (struct span){plain, strlen(plain)});
        CHECK_BYTES(out, strlen(text), text);
        CHECK_INT(base64_size((struct span){text, strlen(text)}, &usual), strlen(plain));
        CHECK(usual);
        base64_decode(out, (struct span){text, strlen(text)});
        CHECK_BYTES(out, strlen(plain), plain);
    }
}

static void test_every_length_and_byte(void)
{
    char bytes[300], text[420], back[300];

    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (char)(i * 167 + i / 256);
    for (size_t n = 0; n <= sizeof bytes; n++) {
        struct span out = {text, base64_length(n)};
        base64_encode(text, (struct span){bytes, n});
        CHECK_INT(base64_size(out, NULL), n);
        base64_decode(back, out);
        CHECK(memcmp(back, bytes, n) == 0);
        while (out.n && text[out.n - 1] == '=')
            out.n--;
        CHECK_INT(base64_size(out, NULL), n); /* the padding may be missing */
        base64_decode(text, out);             /* in place */
        CHECK(memcmp(text, bytes, n) == 0);
    }
}

static ptrdiff_t size_of(const char *text)
{
    return base64_size((struct span){text, strlen(text)}, NULL);
}

static void test_what_is_refused(void)
{
    static const char *const wrong[] = {
        "A",        "AAAAA", "Zg=",  "Zg===",    "Zh==",     "Zm9=",  "Zm9v\n", " Zm9v", "Zm 9v",
        "Zg==Zg==", "=",     "====", "Zm9v====", "\xC3\xA4", "Zm9v!", "+_++",   "A=AA",  "AA=A"};

    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        if (size_of(wrong[i]) != -1)
            CHECK_STR(wrong[i], "is refused");
    CHECK_INT(base64_size((struct span){"Zm9\0", 4}, NULL), -1);
}

static void test_the_alphabet_of_urls(void)
{
    bool usual = true;
    char out[4];

    CHECK_INT(base64_size(SPAN("-_-_"), &usual), 3);
    CHECK(!usual);
    base64_decode(out, SPAN("-_-_"));
    CHECK(memcmp(out, "\xFB\xFF\xBF", 3) == 0);
    CHECK_INT(base64_size(SPAN("Zg"), &usual), 1);
    CHECK(!usual);
    CHECK_INT(size_of("+/+/"), 3);
}

static void check_data_url(const char *url, const char *type, bool base64, const char *data)
{
    struct data_url u;

    if (!data_url_read(&u, (struct span){url, strlen(url)})) {
        CHECK_STR(url, "is a data URL");
        return;
    }
    if (type)
        CHECK_BYTES(u.type.p, u.type.n, type);
    else
        CHECK(!u.type.p);
    CHECK_INT(u.base64, base64);
    CHECK_BYTES(u.data.p, u.data.n, data);
}

static void test_data_urls(void)
{
    struct data_url u;

    check_data_url("data:image/png;base64,AAAA", "image/png", true, "AAAA");
    check_data_url("DATA:image/png;BASE64,AAAA", "image/png", true, "AAAA");
    check_data_url("data:,hello%20you", NULL, false, "hello%20you");
    check_data_url("data:;base64,AAAA", NULL, true, "AAAA");
    check_data_url("data:text/plain;charset=utf-8;base64,AA,A", "text/plain", true, "AA,A");
    check_data_url("data:text/plain;base64;x=y,abc", "text/plain", false, "abc");
    check_data_url("data:base64,abc", "base64", false, "abc");
    check_data_url("data:,", NULL, false, "");
    CHECK(!data_url_read(&u, SPAN("data:")));
    CHECK(!data_url_read(&u, SPAN("data:image/png;base64")));
    CHECK(!data_url_read(&u, SPAN("dat")));
    CHECK(!data_url_read(&u, SPAN("http://x/,")));
}

static void test_percent_signs(void)
{
    char out[32];

    CHECK_INT(percent_decode(out, SPAN("a%20b%C3%a4")), 5);
    CHECK(memcmp(out, "a b\xC3\xA4", 5) == 0);
    CHECK_INT(percent_decode(out, SPAN("%00")), 1);
    CHECK_INT(percent_decode(out, SPAN("+")), 1);
    CHECK_INT(percent_decode(out, SPAN("%")), -1);
    CHECK_INT(percent_decode(out, SPAN("%4")), -1);
    CHECK_INT(percent_decode(out, SPAN("%4g")), -1);
    CHECK_INT(percent_decode(out, SPAN("")), 0);
}

int main(void)
{
    test_vectors_of_the_rfc();
    test_every_length_and_byte();
    test_what_is_refused();
    test_the_alphabet_of_urls();
    test_data_urls();
    test_percent_signs();
    return test_report("test_base64");
}
