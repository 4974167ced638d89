/* test_fetch_url - URLs that may be fetched, and those that only look as if.
 * SPDX-License-Identifier: MIT */
#include "fetch_url.h"

#include "testhelp.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

static struct span span(const char *text)
{
    return (struct span){text, strlen(text)};
}

static const char *const fine[][2] = {
    {"https://example.com", "https://example.com/"},
    {"HTTPS://Example.COM:443/A?b=C#d", "https://example.com/A?b=C"},
    {"http://example.com:8080/", "http://example.com:8080/"},
    {"http://example.com:00080/", "http://example.com/"},
    {"http://example.com./x", "http://example.com/x"},
    {"http://example.com?q", "http://example.com/?q"},
    {"http://example.com/a/./b/../c", "http://example.com/a/c"},
    {"http://example.com/../../x", "http://example.com/x"},
    {"http://example.com/a/%2e%2E/b", "http://example.com/b"},
    {"http://example.com/a/..", "http://example.com/"},
    {"http://example.com/a/b/.", "http://example.com/a/b/"},
    {"http://example.com/a?x=/../b", "http://example.com/a?x=/../b"},
    {"http://example.com/.well-known/...", "http://example.com/.well-known/..."},
    {"http://example.com//a//..//b", "http://example.com//a//b"},
    {"http://93.184.216.34/", "http://93.184.216.34/"},
    {"http://[2606:4700:0:0::1111]:81/", "http://[2606:4700::1111]:81/"},
    {"http://[::FFFF:127.0.0.1]/", "http://[::ffff:127.0.0.1]/"},
    {"http://xn--bcher-kva.example/b%C3%BCcher", "http://xn--bcher-kva.example/b%C3%BCcher"},
    {"http://a_b.example/", "http://a_b.example/"},
    {"http://127.0.0.1.example/", "http://127.0.0.1.example/"},
};

static const char *const wrong[] = {
    "",
    "/",
    "example.com",
    "//example.com",
    "ftp://example.com/",
    "file:///etc/passwd",
    "gopher://example.com/",
    "http:/example.com",
    "http:///x",
    "http://",
    "https://?",
    "http://:80/",
    "http://user@example.com/",
    "http://user:pw@example.com/",
    "http://@example.com/",
    "http://example.com@127.0.0.1/",
    "http://127.0.0.1@example.com/",
    "http://example.com\\@127.0.0.1/",
    "http://example.com:0/",
    "http://example.com:65536/",
    "http://example.com:/",
    "http://example.com:8a/",
    "http://example.com:-1/",
    "http://example.com:999999/",
    "http://exa mple.com/",
    "http://example.com/ x",
    "http://example.com/\r\nX: y",
    "http://example.com\n",
    "\thttp://example.com/",
    "http://exa%6dple.com/",
    "http://b\xC3\xBC.example/",
    "http://example.com/\xC3\xBC",
    "http://a..b/",
    "http://.a/",
    "http://./",
    "http://a,b/",
    "http://a;b/",
    "http://a$b/",
    /* addresses that hide */
    "http://127.1/",
    "http://2130706433/",
    "http://0x7f000001/",
    "http://0x7f.1/",
    "http://017700000001/",
    "http://0177.0.0.1/",
    "http://127.0.0.01/",
    "http://0/",
    "http://0x/",
    "http://1.2.3/",
    "http://256.1.1.1/",
    "http://1.2.3.4.5/",
    "http://example.0x7f/",
    "http://foo.127.1/",
    "http://[::]x/",
    "http://[::1/",
    "http://[]/",
    "http://[::1%25lo]/",
    "http://[127.0.0.1]/",
    "http://::1/",
    "http://[::1]:/",
    "http://[fe80::1%eth0]/",
};

static void test_reading(void)
{
    struct fetch_url u;
    char text[FETCH_URL_SIZE];
    struct err err;

    for (size_t i = 0; i < COUNT(fine); i++) {
        err.message[0] = 0;
        if (fetch_url_read(&u, span(fine[i][0]), &err) < 0) {
            CHECK_STR(fine[i][0], err.message);
            continue;
        }
        fetch_url_write(&u, text);
        CHECK_STR(text, fine[i][1]);
        CHECK_INT(fetch_url_read(&u, span(fine[i][1]), &err), 0); /* the same again */
        fetch_url_write(&u, text);
        CHECK_STR(text, fine[i][1]);
    }
    for (size_t i = 0; i < COUNT(wrong); i++)
        if (fetch_url_read(&u, span(wrong[i]), &err) == 0)
            CHECK_STR(wrong[i], "is refused");
        else
            CHECK(err.code == ERR_BAD_REQUEST && !strstr(err.message, "example"));
    CHECK(fetch_url_read(&u, (struct span){"http://a\0.b/", 12}, &err) < 0);
}

static void test_length(void)
{
    static char text[FETCH_URL_MAX + 2];
    char out[FETCH_URL_SIZE];
    struct fetch_url u;
    struct err err;

    memset(text, 'a', sizeof text);
    memcpy(text, "http://e/", 9);
    CHECK_INT(fetch_url_read(&u, (struct span){text, FETCH_URL_MAX}, &err), 0);
    fetch_url_write(&u, out);
    CHECK_INT(strlen(out), FETCH_URL_MAX);
    CHECK_INT(fetch_url_read(&u, (struct span){text, FETCH_URL_MAX + 1}, &err), -1);
    memcpy(text, "http://e?", 9); /* a '/' is put in */
    CHECK_INT(fetch_url_read(&u, (struct span){text, FETCH_URL_MAX}, &err), 0);
    memset(text, 'a', 300);
    memcpy(text, "http://", 7);
    CHECK_INT(fetch_url_read(&u, (struct span){text, 300}, &err), -1); /* a label of 293 */
}

static void expect_follow(const char *from, const char *location, const char *wanted)
{
    struct fetch_url u;
    char text[FETCH_URL_SIZE] = "refused";
    struct err err;

    CHECK_INT(fetch_url_read(&u, span(from), &err), 0);
    if (fetch_url_follow(&u, &u, span(location), &err) == 0)
        fetch_url_write(&u, text);
    CHECK_STR(text, wanted);
}

/* RFC 3986, 5.4, and what servers send. */
static void test_following(void)
{
    const char *base = "http://a.example:81/b/c/d;p?q";

    expect_follow(base, "http://g.example/x", "http://g.example/x");
    expect_follow(base, "https://g.example", "https://g.example/");
    expect_follow(base, "//g.example/x", "http://g.example/x");
    expect_follow(base, "/g", "http://a.example:81/g");
    expect_follow(base, "g", "http://a.example:81/b/c/g");
    expect_follow(base, "./g", "http://a.example:81/b/c/g");
    expect_follow(base, "g/", "http://a.example:81/b/c/g/");
    expect_follow(base, "?y", "http://a.example:81/b/c/d;p?y");
    expect_follow(base, "g?y#s", "http://a.example:81/b/c/g?y");
    expect_follow(base, "#s", base);
    expect_follow(base, "", base);
    expect_follow(base, "..", "http://a.example:81/b/");
    expect_follow(base, "../../../g", "http://a.example:81/g");
    expect_follow(base, " /g \t", "http://a.example:81/g");
    expect_follow(base, "/a b\xC3\xA4", "http://a.example:81/a%20b%C3%A4");
    expect_follow("https://a.example", "x", "https://a.example/x");
    expect_follow("https://a.example/x/y", "//b.example:444/", "https://b.example:444/");
    expect_follow("http://[2606:4700::1]/x", "y", "http://[2606:4700::1]/y");
    expect_follow(base, "ftp://g.example/", "refused");
    expect_follow(base, "javascript:alert(1)", "refused");
    expect_follow(base, "http:x", "refused");
    expect_follow(base, "//user@g.example/", "refused");
    expect_follow(base, "http://127.1/", "refused");
    expect_follow(base, "/a\tb", "refused");
    expect_follow(base, "/\\evil.example/", "refused");
    expect_follow(base, "//", "refused");
}

static void expect_rule(const char *url, const char *rule, bool wanted)
{
    struct fetch_url u;
    struct err err;

    CHECK_INT(fetch_url_read(&u, span(url), &err), 0);
    CHECK(fetch_url_is_rule(span(rule)));
    if (fetch_url_matches(&u, span(rule)) == wanted)
        test_passed++;
    else
        CHECK_STR(url, rule);
}

static void test_rules(void)
{
    static const char *const no_rules[] = {"",    "a b",   "http://a", "a/b", "a:b",
                                           "a:0", "a@b",   "[::1",     "*.",  "*.*",
                                           "*a",  "127.1", "a:99999"};

    expect_rule("https://api.example.com/x", "api.example.com", true);
    expect_rule("https://api.example.com/x", "API.Example.Com", true);
    expect_rule("http://api.example.com/x", "api.example.com", true);
    expect_rule("https://api.example.com:8443/x", "api.example.com", false);
    expect_rule("https://api.example.com:8443/x", "api.example.com:8443", true);
    expect_rule("https://api.example.com/x", "api.example.com:443", true);
    expect_rule("http://api.example.com/x", "api.example.com:443", false);
    expect_rule("https://api.example.com.evil.example/", "api.example.com", false);
    expect_rule("https://evilapi.example.com/", "api.example.com", false);
    expect_rule("https://api.example.com/", "*.example.com", true);
    expect_rule("https://a.b.example.com/", "*.example.com", true);
    expect_rule("https://example.com/", "*.example.com", false);
    expect_rule("https://evilexample.com/", "*.example.com", false);
    expect_rule("https://api.example.com:81/", "*.example.com:81", true);
    expect_rule("https://1.2.3.4/", "*.3.4.example", false);
    expect_rule("https://anything.example:9999/", "*", true);
    expect_rule("https://anything.example:9999/", "*:9999", true);
    expect_rule("https://anything.example/", "*:9999", false);
    expect_rule("http://[2606:4700::1]:81/", "[2606:4700:0::1]:81", true);
    expect_rule("http://[2606:4700::1]:81/", "[2606:4700::2]:81", false);
    expect_rule("http://127.0.0.1:81/", "127.0.0.1:81", true);
    for (size_t i = 0; i < COUNT(no_rules); i++)
        if (fetch_url_is_rule(span(no_rules[i])))
            CHECK_STR(no_rules[i], "is no rule");
}

int main(void)
{
    test_reading();
    test_length();
    test_following();
    test_rules();
    return test_report("test_fetch_url");
}
