/* test_admin_client - how shares and times are written on the command line, and ages on the screen.
 * SPDX-License-Identifier: MIT */
#include "admin_client.h"

#include "testhelp.h"

static void check_share(const char *text, double want)
{
    double got = -1;
    struct err err = {.message = ""};
    int result = admin_share(text, &got, &err);

    CHECK_INT(result, want > 0 ? 0 : -1);
    if (want > 0)
        CHECK(got > want * 0.999999 && got < want * 1.000001);
    else
        CHECK(strstr(err.message, "write 5% or 0.05") != NULL);
}

static void test_shares(void)
{
    check_share("5%", 0.05);
    check_share("0.05", 0.05);
    check_share("0.5%", 0.005);
    check_share("99.9%", 0.999);
    check_share("1e-3", 0.001);
    static const char *const wrong[] = {"",      "5",   "0",     "0%",   "100%",    "1", "-5%",
                                        "5 %",   "5%%", "nan",   "inf",  "5%x",     "x", "%",
                                        "0.05x", " 5%", "1e999", "nan%", "0x1p-4%%"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        check_share(wrong[i], 0);
}

static void check_duration(const char *text, double want)
{
    double got = -1;
    struct err err = {.message = ""};
    int result = admin_duration(text, &got, &err);

    CHECK_INT(result, want > 0 ? 0 : -1);
    if (want > 0)
        CHECK(got > want - 1e-9 && got < want + 1e-9);
    else
        CHECK(strstr(err.message, "is no time") != NULL);
}

static void test_durations(void)
{
    check_duration("90", 90);
    check_duration("90s", 90);
    check_duration("10m", 600);
    check_duration("1.5h", 5400);
    check_duration("30d", 2592000);
    static const char *const wrong[] = {"",  "0",   "0s",  "-1m", "10 m", "10min",
                                        "m", "31d", "nan", "inf", "1e99", "1m30s"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        check_duration(wrong[i], 0);
}

static void test_ages(void)
{
    static const struct {
        double seconds;
        const char *want;
    } cases[] = {{0, "0s"},       {0.4, "0s"},    {59, "59s"},  {119, "119s"},
                 {120, "2m"},     {7199, "120m"}, {7200, "2h"}, {172800, "2d"},
                 {1e9, "11574d"}, {-1, "-"},      {1e300, "-"}};
    char out[16];

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        admin_age(cases[i].seconds, out);
        CHECK_STR(out, cases[i].want);
    }
}

static void test_addresses(void)
{
    static const struct {
        const char *address, *token, *want;
    } cases[] = {
        {"nonsense", NULL, "cannot reach the engine at nonsense (--admin): must be HOST:PORT"},
        {":8081", NULL, "must be HOST:PORT or unix:PATH"},
        {"127.0.0.1:", NULL, "must be HOST:PORT or unix:PATH"},
        {"unix:/no/such/socket", NULL, "unix:/no/such/socket (--admin): No such file"},
        {"127.0.0.1:1", NULL, "127.0.0.1:1 (--admin): Connection refused"},
        {"[::1]:nonsense", NULL, "(--admin): "},
        {"127.0.0.1:1\r\nx: y", NULL, "must be one line each"},
        {"127.0.0.1:1", "a\nb: c", "must be one line each"},
    };
    struct buf out;
    struct err err;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct admin_target target = {cases[i].address, cases[i].token};
        err.message[0] = 0;
        buf_init(&out, 1000);
        CHECK_INT(admin_ask(&target, "GET", "/x", (struct span){NULL, 0}, &out, &err), -1);
        bool good = strstr(err.message, cases[i].want) != NULL;
        CHECK(good);
        if (!good)
            fprintf(stderr, "   %s\n   is not: %s\n", err.message, cases[i].want);
        buf_deinit(&out);
    }
}

int main(void)
{
    test_shares();
    test_durations();
    test_ages();
    test_addresses();
    return test_report("admin_client");
}
