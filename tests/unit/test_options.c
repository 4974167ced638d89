/* test_options - the command line: every spelling of an option, and what is none.
 * SPDX-License-Identifier: MIT */
#include "options.h"

#include "testhelp.h"

#include <unistd.h>

static bool flag;
static const char *text;
static double number;
static struct option_list list;

static const struct option options[] = {
    {"--flag", 'f', NULL, OPTION_FLAG, &flag, "a flag"},
    {"--text", 't', "FILE", OPTION_TEXT, &text, "a text"},
    {"--number", 0, "N", OPTION_NUMBER, &number, "a number [7]"},
    {"--list", 'l', "X", OPTION_LIST, &list, "several"},
    {0},
};
static const struct command command = {"do", "baton do [options] X", "Does it.", options};

/* The words of 'line' as argv; returns what options_read does. argv is kept for the caller. */
static char words[64][64];
static char *argv[65];

static int run(const char *line, bool stop, struct err *err)
{
    int argc = 0;

    flag = false;
    text = NULL;
    number = 7;
    list.n = 0;
    err->message[0] = 0;
    for (const char *p = line; *p && argc < 64; argc++) {
        size_t n = strcspn(p, " ");
        memcpy(words[argc], p, n);
        words[argc][n] = 0;
        argv[argc] = words[argc];
        p += n + (p[n] == ' ');
    }
    argv[argc] = NULL;
    return options_read(&command, argc, argv, stop, err);
}

static void check_operands(const char *line, bool stop, const char *want)
{
    struct err err;
    char got[256] = "";
    int n = run(line, stop, &err);

    CHECK_STR(err.message, "");
    for (int i = 1; i <= n; i++) {
        strcat(got, i > 1 ? " " : "");
        strcat(got, argv[i]);
    }
    CHECK_STR(got, want);
}

static void test_spellings(void)
{
    check_operands("do", false, "");
    check_operands("do --flag a --text x b --number 2.5 c", false, "a b c");
    CHECK(flag);
    CHECK_STR(text, "x");
    CHECK(number > 2.4 && number < 2.6);
    check_operands("do -f -t x --text=y --number=1e3 --list 1 -l 2 --list=3", false, "");
    CHECK(flag && number > 999 && number < 1001);
    CHECK_STR(text, "y");
    CHECK_INT(list.n, 3);
    CHECK_STR(list.values[0], "1");
    CHECK_STR(list.values[2], "3");
    check_operands("do --text= a", false, "a");
    CHECK_STR(text, "");
    check_operands("do --text --flag a", false, "a");
    CHECK_STR(text, "--flag");
    CHECK(!flag);
    check_operands("do --text=a=b", false, "");
    CHECK_STR(text, "a=b");
    check_operands("do - --number -1", false, "-");
    CHECK(number < -0.9);
}

static void test_operands(void)
{
    check_operands("do a -- --flag b -t", false, "a --flag b -t");
    CHECK(!flag);
    check_operands("do --", false, "");
    check_operands("do -- --", false, "--");
    check_operands("do --flag script --flag --help -- x", true, "script --flag --help -- x");
    check_operands("do -- script --flag", true, "script --flag");
    check_operands("do --text x script", true, "script");
}

static void check_wrong(const char *line, const char *want)
{
    struct err err;

    CHECK_INT(run(line, false, &err), -1);
    CHECK_INT(err.code, ERR_BAD_REQUEST);
    bool good = strstr(err.message, want) != NULL;
    CHECK(good);
    if (!good)
        fprintf(stderr, "   %s: %s\n", line, err.message);
}

static void test_mistakes(void)
{
    check_wrong("do --flagg", "unknown option '--flagg'");
    check_wrong("do --fla", "unknown option");
    check_wrong("do -x", "unknown option '-x'");
    check_wrong("do -ft", "unknown option '-ft'");
    check_wrong("do -flag", "unknown option");
    check_wrong("do --flag=1", "--flag takes no value");
    check_wrong("do --text", "--text needs a value: --text FILE");
    check_wrong("do -t", "--text needs a value");
    check_wrong("do --number x", "--number: 'x' is not a number");
    check_wrong("do --number=", "is not a number");
    check_wrong("do --number 1x", "is not a number");
    check_wrong("do --number nan", "is not a number");
    check_wrong("do --number -inf", "is not a number");
    check_wrong("do --number 1e999", "is not a number");
    check_wrong("do --=x", "unknown option");
    check_wrong(
        "do -l 1 -l 2 -l 3 -l 4 -l 5 -l 6 -l 7 -l 8 -l 9 -l 10 -l 11 -l 12 -l 13 -l 14 -l 15 "
        "-l 16 -l 17",
        "more than 16 times");
}

/* What options_help prints, by way of a file. */
static void test_help(void)
{
    char path[] = "/tmp/baton_test_XXXXXX", got[2000] = "";
    struct err err;
    int out = dup(1), fd = mkstemp(path);

    fflush(stdout);
    dup2(fd, 1);
    int result = run("do a --help --nonsense", false, &err), short_one = run("do -h", false, &err);
    fflush(stdout);
    dup2(out, 1);
    ssize_t n = pread(fd, got, sizeof got - 1, 0);
    close(fd);
    close(out);
    unlink(path);
    CHECK_INT(result, -2);
    CHECK_INT(short_one, -2);
    CHECK(n > 0);
    CHECK(strstr(got, "usage: baton do [options] X\n\nDoes it.\n\noptions:\n") == got);
    CHECK(strstr(got, "-t, --text FILE ") != NULL);
    CHECK(strstr(got, "    --number N ") != NULL);
    CHECK(strstr(got, "-h, --help") != NULL);
}

int main(void)
{
    test_spellings();
    test_operands();
    test_mistakes();
    test_help();
    return test_report("options");
}
