/* test_outcomes - recorded outcomes out of CSV and JSONL, and what is wrong with them, with file, line and column.
 * SPDX-License-Identifier: MIT */
#include "gunzip.h"
#include "outcomes.h"
#include "testhelp.h"

#include <math.h>
#include <zlib.h>

#define PLAN                                                                                       \
    "{\"prompt\":\"prompt\",\"group\":\"g\",\"reference\":\"right\",\"where\":[],\"models\":["     \
    "{\"name\":\"oracle/"                                                                          \
    "a\",\"score\":\"s:a\",\"cost\":\"c:a\",\"answer\":\"t:a\",\"latency\":\"l:a\"},"              \
    "{\"name\":\"oracle/"                                                                          \
    "b\",\"score\":\"s:b\",\"per_call\":0.5,\"input\":1000000,\"output\":2000000,\"chars\":\"n:"   \
    "b\"}]}"

#define HEAD "prompt,g,right,s:a,c:a,t:a,l:a,s:b,n:b,more\n"

static struct span text(const char *s)
{
    return (struct span){s, strlen(s)};
}

static const struct outcome *at(const struct outcomes *o, size_t row, int model)
{
    return outcomes_at(o, row, model);
}

static void test_csv(void)
{
    struct outcomes o;
    struct err err;
    const char *csv = HEAD "\"one, \"\"two\"\"\nthree\",x,4,1,0.25,4,1.5,true,8,\n"
                           "12345678,y,,0,,,,,,\n"
                           "p,x,,null,nan,,,0.5,,z\n";

    CHECK_INT(outcomes_read(&o, text(csv), "f.csv", false, text(PLAN), &err), 0);
    CHECK_INT(o.n, 3);
    CHECK_INT(o.count, 2);
    CHECK_INT(o.groups, 2);
    CHECK_INT(o.rows[0].group, o.rows[2].group);
    CHECK_INT(o.rows[2].line, 5);
    CHECK_BYTES(o.rows[0].prompt.p, o.rows[0].prompt.n, "one, \"two\"\nthree");
    CHECK_BYTES(o.rows[0].reference.p, o.rows[0].reference.n, "4");
    CHECK(at(&o, 0, 0)->score == 1 && at(&o, 0, 0)->cost == 0.25 && at(&o, 0, 0)->latency == 1.5F);
    CHECK_BYTES(at(&o, 0, 0)->answer.p, at(&o, 0, 0)->answer.n, "4");
    CHECK_INT(at(&o, 0, 0)->tokens, 1);
    CHECK(at(&o, 0, 1)->score == 1 && !at(&o, 0, 1)->answer.p);
    CHECK(at(&o, 0, 1)->cost == 0.5 + 4 + 2 * 2); /* a call, 16 / 4 tokens in, 8 / 4 out */
    CHECK(at(&o, 1, 0)->score == 0 && isnan(at(&o, 1, 0)->cost) && isnan(at(&o, 1, 1)->score));
    CHECK(isnan(at(&o, 2, 0)->score) && at(&o, 2, 1)->score == 0.5F);
    CHECK_INT(o.models[0].count, 2);
    CHECK(o.models[0].mean_score == 0.5 && o.models[0].mean_cost == 0.125);
    CHECK(o.models[0].answers && !o.models[1].answers && o.models[1].costs);
    CHECK_INT(outcomes_find(&o, SPAN("oracle/b")), 1);
    CHECK_INT(outcomes_find(&o, SPAN("b")), -1);
    CHECK_INT(outcomes_require(&o, 0, 1), 2);
    CHECK_INT(o.n, 1);
    CHECK(o.models[0].mean_score == 1);
    outcomes_deinit(&o);
}

/* More rows than there is room for at first. */
static void test_no_models(void)
{
    struct outcomes o;
    struct err err;
    struct buf csv;

    buf_init(&csv, 1 << 20);
    buf_puts(&csv, "prompt\n");
    for (int i = 0; i < 600; i++)
        buf_printf(&csv, "prompt %d\n", i);
    CHECK_INT(outcomes_read(&o, buf_span(&csv), "f.csv", false,
                            text("{\"prompt\":\"prompt\",\"models\":[]}"), &err),
              -1);
    CHECK_STR(err.message, "f.csv: no model is asked for");
    buf_deinit(&csv);
}

static void test_long_name(void)
{
    struct outcomes o;
    struct err err;
    char plan[1024];

    for (int n = 400; n <= 401; n++) {
        snprintf(plan, sizeof plan,
                 "{\"prompt\":\"prompt\",\"models\":[{\"name\":\"%0*d\",\"score\":\"s:a\"}]}", n,
                 0);
        int result =
            outcomes_read(&o, text("{\"prompt\":\"p\",\"s:a\":1}"), "f", true, text(plan), &err);
        CHECK_INT(result, n == 400 ? 0 : -1);
        if (result == 0)
            outcomes_deinit(&o);
    }
    CHECK(strstr(err.message, "longer than 400 bytes"));
}

static void test_empty_texts(void)
{
    struct outcomes o;
    struct err err;

    CHECK_INT(outcomes_read(&o, text("{\"prompt\":\"\",\"g\":1}"), "f", true, text(PLAN), &err), 0);
    CHECK_INT(o.n, 1);
    CHECK(o.rows[0].prompt.p && !o.rows[0].reference.p);
    CHECK_BYTES(o.rows[0].prompt.p, o.rows[0].prompt.n, "");
    outcomes_deinit(&o);
}

static void test_jsonl(void)
{
    struct outcomes o;
    struct err err;
    const char *lines =
        "{\"prompt\":\"a\\u0000b\",\"s:a\":1,\"s:b\":false,\"g\":1,\"right\":\"r\"}\n\n"
        "{\"s:b\":\"0.25\",\"prompt\":\"c\",\"s:a\":null}";

    CHECK_INT(outcomes_read(&o, text(lines), "f", true, text(PLAN), &err), 0);
    CHECK_INT(o.n, 2);
    CHECK_INT(o.rows[0].prompt.n, 3);
    CHECK(at(&o, 0, 1)->score == 0 && at(&o, 1, 1)->score == 0.25F && isnan(at(&o, 1, 0)->score));
    CHECK_INT(o.rows[1].line, 3);
    outcomes_deinit(&o);
}

static void test_where(void)
{
    struct outcomes o;
    struct err err;
    const char *plan = "{\"prompt\":\"prompt\",\"where\":[\"fold=1\",\"fold=x=y\"],\"models\":["
                       "{\"name\":\"m\",\"score\":\"s\"}]}";

    CHECK_INT(outcomes_read(&o, text("fold,prompt,s\n1,a,1\n2,b,0\nx=y,c,1\n"), "f", false,
                            text(plan), &err),
              0);
    CHECK_INT(o.n, 2);
    CHECK_INT(o.groups, 2);
    CHECK_BYTES(o.rows[1].prompt.p, o.rows[1].prompt.n, "c");
    outcomes_deinit(&o);
    CHECK_INT(outcomes_read(&o, text("fold,prompt,s\n2,b,0\n"), "f", false, text(plan), &err), -1);
    CHECK_STR(err.message, "f: there are no rows as --where wants them");
}

static void refused(const char *file, bool jsonl, const char *message)
{
    struct outcomes o;
    struct err err;

    CHECK_INT(outcomes_read(&o, text(file), "f.csv", jsonl, text(PLAN), &err), -1);
    if (!strstr(err.message, message))
        CHECK_STR(err.message, message);
}

static void test_refused(void)
{
    refused("", false, "f.csv: line 1: it must name the columns");
    refused("prompt,s:a\n", false, "f.csv: line 1: there is no column 'g'");
    refused(HEAD, false, "f.csv: there are no rows");
    refused(HEAD "p,x\n", false, "f.csv: line 2: 2 fields, but 10 columns");
    refused(HEAD "p,x,,1,,,,1,,\nq,x,,yes,,,,1,,\n", false,
            "f.csv: line 3, column 's:a': no number: 'yes'");
    refused(HEAD "p,x,,1,-2,,,1,,\n", false,
            "f.csv: line 2, column 'c:a': must not be negative: '-2'");
    refused(HEAD "p,x,,inf,,,,1,,\n", false, "f.csv: line 2, column 's:a': no number: 'inf'");
    refused(HEAD "p,x,,1e400,,,,1,,\n", false, "no number: '1e400'");
    refused(HEAD "\"p,x\n", false, "f.csv: line 2: a quote does not end");
    refused("{\"prompt\":\n", true, "f.csv: line 1: ");
    refused("{\"s:a\":1}\n[]", true, "f.csv: line 1: there is no 'prompt'");
    refused("[1]", true, "f.csv: line 1: no JSON object");
    refused("{\"prompt\":\"p\",\"s:a\":{\"x\":1}}", true,
            "line 1, column 's:a': no number: '{\"x\":1}'");
}

static void test_columns(void)
{
    struct buf out;
    struct err err;

    buf_init(&out, 1 << 16);
    CHECK_INT(outcomes_columns(SPAN("a,\"b \"\"c\"\"\"\n1,2\n"), "f", false, &out, &err), 0);
    CHECK_BYTES(out.data, out.len, "[\"a\",\"b \\\"c\\\"\"]");
    out.len = 0;
    CHECK_INT(outcomes_columns(SPAN("\n{\"a\":1,\"b\":{}}\n"), "f", true, &out, &err), 0);
    CHECK_BYTES(out.data, out.len, "[\"a\",\"b\"]");
    CHECK_INT(outcomes_columns(SPAN("3\n"), "f", true, &out, &err), -1);
    CHECK_STR(err.message, "f: line 1: no JSON object");
    CHECK_INT(outcomes_columns(SPAN(""), "f", false, &out, &err), -1);
    buf_deinit(&out);
}

/* Where only a score was recorded: who is right says the same, who is not something of its own. */
static void test_answer(void)
{
    struct outcomes o;
    struct err err;
    char a[200], b[200];
    const char *csv = HEAD "p,x,,1,,,,1,,\np,x,,0,,,,0,,\np,x,,0,,said,,0,,\n";

    CHECK_INT(outcomes_read(&o, text(csv), "f", false, text(PLAN), &err), 0);
    struct span x = outcomes_answer(&o, 0, 0, a), y = outcomes_answer(&o, 0, 1, b);
    CHECK(x.n == y.n && memcmp(x.p, y.p, x.n) == 0);
    x = outcomes_answer(&o, 1, 0, a);
    y = outcomes_answer(&o, 1, 1, b);
    CHECK(x.n != y.n || memcmp(x.p, y.p, x.n) != 0);
    x = outcomes_answer(&o, 2, 0, a);
    CHECK_BYTES(x.p, x.n, "said");
    outcomes_deinit(&o);
}

/* Many groups: the table of their numbers grows. */
static void test_groups(void)
{
    struct outcomes o;
    struct err err;
    struct buf csv;

    buf_init(&csv, 1 << 20);
    buf_puts(&csv, HEAD);
    for (int i = 0; i < 9000; i++)
        buf_printf(&csv, "p,%d,,1,,,,1,,\n", i % 4500);
    CHECK_INT(outcomes_read(&o, buf_span(&csv), "f", false, text(PLAN), &err), 0);
    CHECK_INT(o.groups, 4500);
    bool same = true;
    for (size_t i = 0; i < 4500; i++)
        same = same && o.rows[i].group == i && o.rows[i + 4500].group == i;
    CHECK(same);
    outcomes_deinit(&o);
    buf_deinit(&csv);
}

static size_t pack(const char *s, char *out, size_t room)
{
    z_stream z = {.next_in = (z_const Bytef *)s, .avail_in = (uInt)strlen(s)};

    CHECK_INT(deflateInit2(&z, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    z.next_out = (Bytef *)out;
    z.avail_out = (uInt)room;
    CHECK_INT(deflate(&z, Z_FINISH), Z_STREAM_END);
    size_t n = room - z.avail_out;
    deflateEnd(&z);
    return n;
}

static void test_gunzip(void)
{
    char packed[600];
    struct buf out;
    struct err err;
    size_t n = pack("a,b\n", packed, 300), m = pack("1,2\n", packed + n, 300);

    buf_init(&out, 1 << 20);
    CHECK(gunzip_is((struct span){packed, n}) && !gunzip_is(SPAN("a,b")) && !gunzip_is(SPAN("")));
    CHECK_INT(gunzip((struct span){packed, n + m}, &out, &err), 0);
    CHECK_BYTES(out.data, out.len, "a,b\n1,2\n");
    for (size_t cut = 2; cut < n; cut++)
        CHECK_INT(gunzip((struct span){packed, cut}, &out, &err), -1);
    packed[n / 2] ^= 0x55;
    CHECK_INT(gunzip((struct span){packed, n}, &out, &err), -1);
    buf_deinit(&out);
    buf_init(&out, 1000);
    n = pack("a,b\n", packed, 300);
    CHECK_INT(gunzip((struct span){packed, n}, &out, &err), -1); /* no room for one piece */
    CHECK_STR(err.message, "unpacked it is larger than 1000 bytes");
    buf_deinit(&out);
}

int main(void)
{
    test_csv();
    test_no_models();
    test_long_name();
    test_empty_texts();
    test_jsonl();
    test_where();
    test_refused();
    test_columns();
    test_answer();
    test_groups();
    test_gunzip();
    return test_report("outcomes");
}
