/* test_metrics - counting from several processes, a full table, and what Prometheus reads.
 * SPDX-License-Identifier: MIT */
#include "metrics.h"

#include "testhelp.h"

#include <math.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static struct metrics *fresh(size_t series)
{
    size_t size = metrics_size(series);
    void *part = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (part == MAP_FAILED)
        abort();
    metrics_format(part, size);
    return part;
}

static char *text_of(const struct metrics *m)
{
    struct buf out;
    size_t n;

    buf_init(&out, 64 << 20);
    CHECK_INT(metrics_write(m, &out), 0);
    buf_add(&out, "", 1);
    return buf_take(&out, &n);
}

static void check_has(const struct metrics *m, const char *want, bool has)
{
    char *text = text_of(m);

    if ((strstr(text, want) != NULL) != has)
        fprintf(stderr, "looked for: %s\n", want);
    CHECK((strstr(text, want) != NULL) == has);
    free(text);
}

static void test_counting(void)
{
    struct metrics *m = fresh(256);
    const char *cascade[] = {"cascade", "200"}, *other[] = {"cascade", "502"};
    const char *cost[] = {"cascade", "sim/mini"};

    metrics_add(m, METRIC_REQUESTS, cascade, 1);
    metrics_add(m, METRIC_REQUESTS, cascade, 1);
    metrics_add(m, METRIC_REQUESTS, other, 1);
    metrics_add(m, METRIC_COST, cost, 0.25);
    metrics_add(m, METRIC_COST, cost, 0.5);
    metrics_add(m, METRIC_COST, cost, -1);
    metrics_add(m, METRIC_COST, cost, (double)NAN);
    metrics_add(m, METRIC_COST, cost, (double)INFINITY);
    metrics_add(m, METRIC_TASK_FAILURES, NULL, 1);
    CHECK(metrics_value(m, METRIC_REQUESTS, cascade) == 2);
    CHECK(metrics_value(m, METRIC_REQUESTS, other) == 1);
    CHECK(metrics_value(m, METRIC_COST, cost) == 0.75);
    CHECK(metrics_value(m, METRIC_COST, cascade) == 0);
    metrics_add(m, METRIC_QUEUE, (const char *[]){"records"}, 7);
    metrics_add(m, METRIC_QUEUE, (const char *[]){"records"}, -4);
    CHECK(metrics_value(m, METRIC_QUEUE, (const char *[]){"records"}) == 3);
    check_has(
        m, "# HELP baton_requests_total Requests answered.\n# TYPE baton_requests_total counter\n",
        true);
    check_has(m, "\nbaton_requests_total{policy=\"cascade\",code=\"200\"} 2\n", true);
    check_has(m, "\nbaton_cost_usd_total{policy=\"cascade\",model=\"sim/mini\"} 0.75\n", true);
    check_has(m, "\nbaton_task_failures_total 1\n", true);
    check_has(m, "\nbaton_metrics_dropped_total 0\n", true);
    check_has(m, "=\"(other)\"", false);
    check_has(m, "baton_reloads_total", false); /* nothing happened yet: no head */
}

static void test_histogram(void)
{
    struct metrics *m = fresh(256);
    const char *labels[] = {"sim/mini"};

    metrics_observe(m, METRIC_MODEL_SECONDS, labels, 0);
    metrics_observe(m, METRIC_MODEL_SECONDS, labels, 0.005);
    metrics_observe(m, METRIC_MODEL_SECONDS, labels, 0.3);
    metrics_observe(m, METRIC_MODEL_SECONDS, labels, 1e9);
    metrics_observe(m, METRIC_MODEL_SECONDS, labels, -1);
    metrics_observe(m, METRIC_MODEL_SECONDS, labels, (double)NAN);
    CHECK(metrics_value(m, METRIC_MODEL_SECONDS, labels) == 4);
    check_has(m, "baton_model_seconds_bucket{model=\"sim/mini\",le=\"0.005\"} 2\n", true);
    check_has(m, "baton_model_seconds_bucket{model=\"sim/mini\",le=\"0.25\"} 2\n", true);
    check_has(m, "baton_model_seconds_bucket{model=\"sim/mini\",le=\"0.5\"} 3\n", true);
    check_has(m, "baton_model_seconds_bucket{model=\"sim/mini\",le=\"320\"} 3\n", true);
    check_has(m, "baton_model_seconds_bucket{model=\"sim/mini\",le=\"+Inf\"} 4\n", true);
    check_has(m, "baton_model_seconds_count{model=\"sim/mini\"} 4\n", true);
    check_has(m, "baton_model_seconds_sum{model=\"sim/mini\"} 1000000000.305", true);
}

static void test_labels(void)
{
    struct metrics *m = fresh(256);
    char text[400];

    metrics_add(m, METRIC_REQUESTS, (const char *[]){"a\"b\\c\nd", NULL}, 1);
    metrics_add(m, METRIC_REQUESTS, (const char *[]){"\xff\xc3(\xc3\xa4", "1"}, 1);
    check_has(m, "{policy=\"a\\\"b\\\\c\\nd\",code=\"\"} 1\n", true);
    check_has(m,
              "{policy=\"?"
              "?(\xc3\xa4\",code=\"1\"} 1\n",
              true);
    /* what is too long is cut between characters */
    memset(text, 'x', sizeof text);
    memcpy(text + METRIC_LABEL_BYTES - 1, "\xc3\xa4", 3);
    metrics_add(m, METRIC_REQUESTS, (const char *[]){text, "2"}, 1);
    check_has(m, "xxx\",code=\"2\"} 1\n", true);
    /* the border between two values matters */
    metrics_add(m, METRIC_REQUESTS, (const char *[]){"ab", "c"}, 1);
    metrics_add(m, METRIC_REQUESTS, (const char *[]){"a", "bc"}, 1);
    CHECK(metrics_value(m, METRIC_REQUESTS, (const char *[]){"ab", "c"}) == 1);
    /* the same values in another family are another series */
    CHECK(metrics_value(m, METRIC_REQUEST_ERRORS, (const char *[]){"ab", "c"}) == 0);
}

static void test_full(void)
{
    struct metrics *m = fresh(64);
    const char *other[] = {"(other)"}, *first[] = {"0"};
    int n = 5000;

    for (int i = 0; i < n; i++) {
        char name[16];
        snprintf(name, sizeof name, "%d", i);
        metrics_add(m, METRIC_RELOADS, (const char *[]){name}, 1);
    }
    metrics_add(m, METRIC_RELOADS, first, 1);
    metrics_observe(m, METRIC_REQUEST_SECONDS, (const char *[]){"p", "m"}, 1);
    CHECK(metrics_value(m, METRIC_RELOADS, first) == 2);
    double folded = metrics_value(m, METRIC_RELOADS, other);
    CHECK(folded > n - 600 && folded < n);
    CHECK(metrics_value(m, METRIC_DROPPED, NULL) == folded + 1);
    CHECK(metrics_value(m, METRIC_REQUEST_SECONDS, (const char *[]){"(other)", "(other)"}) == 1);
    check_has(m, "baton_reloads_total{result=\"(other)\"}", true);
}

/* Eight processes count the same and new series; one more is killed in the midst of it, again and again. */
static void count_all(struct metrics *m, int times)
{
    for (int i = 0; i < times; i++) {
        char name[16];
        snprintf(name, sizeof name, "%d", i % 500);
        metrics_add(m, METRIC_REQUESTS, (const char *[]){name, "200"}, 1);
        metrics_observe(m, METRIC_MODEL_SECONDS, (const char *[]){name}, 0.5);
        metrics_add(m, METRIC_COST, (const char *[]){"p", "m"}, 0.5);
    }
}

static void test_processes(void)
{
    enum { PROCESSES = 8, TIMES = 5000, KILLS = 50 };
    struct metrics *m = fresh(2048);
    pid_t pids[PROCESSES];

    for (int i = 0; i < PROCESSES; i++)
        if ((pids[i] = fork()) == 0) {
            count_all(m, TIMES);
            _exit(0);
        }
    for (int i = 0; i < KILLS; i++) {
        pid_t victim = fork();
        if (victim == 0)
            for (int k = 0;; k++) {
                char name[32];
                snprintf(name, sizeof name, "%d/%d", i, k % 20);
                metrics_add(m, METRIC_RELOADS, (const char *[]){name}, 1);
            }
        usleep(200);
        kill(victim, SIGKILL);
        waitpid(victim, NULL, 0);
    }
    for (int i = 0; i < PROCESSES; i++)
        waitpid(pids[i], NULL, 0);
    double requests = 0, observed = 0;
    for (int i = 0; i < 500; i++) {
        char name[16];
        snprintf(name, sizeof name, "%d", i);
        requests += metrics_value(m, METRIC_REQUESTS, (const char *[]){name, "200"});
        observed += metrics_value(m, METRIC_MODEL_SECONDS, (const char *[]){name});
    }
    CHECK_INT(requests, PROCESSES * TIMES);
    CHECK_INT(observed, PROCESSES * TIMES);
    CHECK(metrics_value(m, METRIC_COST, (const char *[]){"p", "m"}) == PROCESSES * TIMES * 0.5);
    CHECK(metrics_value(m, METRIC_DROPPED, NULL) == 0);
    free(text_of(m));
}

/* What 'promtool check metrics' says, of every family, with odd labels. */
static void test_promtool(void)
{
    struct metrics *m = fresh(1024);
    const char *labels[] = {"a \"b\"\\\n", "sim/mini:500", "\xff"};
    struct buf out;

    if (system("command -v promtool >/dev/null") != 0) {
        SKIP("promtool (package prometheus) is not installed");
        return;
    }
    buf_init(&out, 1 << 20);
    for (int i = 0; i < METRIC_BUILD_INFO; i++)
        if (i == METRIC_REQUEST_SECONDS || i == METRIC_FIRST_TOKEN || i == METRIC_MODEL_SECONDS ||
            i == METRIC_MODEL_TTFT)
            metrics_observe(m, (enum metric)i, labels, 1.5);
        else
            metrics_add(m, (enum metric)i, labels, 1.5);
    CHECK_INT(metrics_write(m, &out), 0);
    for (int i = METRIC_BUILD_INFO; i < METRIC_FAMILIES; i++) {
        metrics_write_head(&out, (enum metric)i);
        bool quantile = i == METRIC_MODEL_LATENCY || i == METRIC_MODEL_LIVE_TTFT;
        metrics_write_sample(&out, (enum metric)i,
                             quantile ? (const char *[]){"sim/mini", "0.95"} : labels, 2);
    }
    FILE *tool = popen("promtool check metrics", "w");
    fwrite(out.data, 1, out.len, tool);
    CHECK_INT(pclose(tool), 0);
    buf_deinit(&out);
}

static void test_bounded(void)
{
    struct metrics *m = fresh(64);
    struct buf out;

    metrics_add(m, METRIC_RELOADS, (const char *[]){"ok"}, 1);
    buf_init(&out, 100);
    CHECK_INT(metrics_write(m, &out), -1);
    buf_deinit(&out);
}

/* What an update costs, for whoever asks: BATON_TIMES=1. */
static void show_times(void)
{
    enum { N = 2000000 };
    struct metrics *m = fresh(METRICS_SERIES);
    const char *labels[] = {"cascade", "openai/gpt-4o-mini", "ok"};
    struct timespec a, b;

    if (!getenv("BATON_TIMES"))
        return;
    clock_gettime(CLOCK_MONOTONIC, &a);
    for (int i = 0; i < N; i++)
        metrics_add(m, METRIC_MODEL_CALLS, labels, 1);
    clock_gettime(CLOCK_MONOTONIC, &b);
    printf("metrics_add: %.1f ns\n",
           ((double)(b.tv_sec - a.tv_sec) * 1e9 + (double)(b.tv_nsec - a.tv_nsec)) / N);
    for (int i = 0; i < N; i++)
        metrics_observe(m, METRIC_MODEL_SECONDS, labels + 1, 0.7);
    clock_gettime(CLOCK_MONOTONIC, &a);
    printf("metrics_observe: %.1f ns\n",
           ((double)(a.tv_sec - b.tv_sec) * 1e9 + (double)(a.tv_nsec - b.tv_nsec)) / N);
}

int main(void)
{
    test_counting();
    test_histogram();
    test_labels();
    test_full();
    test_bounded();
    test_processes();
    test_promtool();
    show_times();
    return test_report("metrics");
}
