/* test_health - breakers, benches, keys, rates: what is refused, and when it is let through again.
 * SPDX-License-Identifier: MIT */
#include "health.h"

#include "testhelp.h"

#include <math.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int64_t now = 1000000000; /* microseconds: the test's clock */

static void pass(double seconds)
{
    now += (int64_t)(seconds * 1e6);
}

static struct health *fresh(void)
{
    void *part =
        mmap(NULL, health_size(), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (part == MAP_FAILED)
        abort();
    health_format(part, 42);
    return part;
}

static struct health_refusal refusal;

/* 0: admitted, with the ticket; else 1 + why. */
static int ask(struct health *h, const char *model, struct health_ticket *t)
{
    struct health_ask a = {.model = model};

    return health_admit(h, &a, now, t, &refusal) == 0 ? 0 : 1 + (int)refusal.why;
}

static enum health_change tell(struct health *h, const struct health_ticket *t,
                               enum health_outcome outcome, double wait)
{
    struct health_result r = {.outcome = outcome, .wait = wait, .latency = 1, .ttft = 0.5};

    return health_report(h, t, &r, now);
}

/* One call from its admission to its report. */
static enum health_change call(struct health *h, const char *model, enum health_outcome outcome)
{
    struct health_ticket t;

    CHECK_INT(ask(h, model, &t), 0);
    return tell(h, &t, outcome, 0);
}

static struct health_view look(struct health *h, const char *model)
{
    struct health_view view;

    health_look(h, model, now, &view);
    return view;
}

static bool near(double value, double want)
{
    if (fabs(value - want) <= 0.001 + want * 0.13)
        return true;
    fprintf(stderr, "%g is not near %g\n", value, want);
    return false;
}

static void test_failures_in_a_row(void)
{
    struct health *h = fresh();
    struct health_ticket t, other;

    CHECK_INT(look(h, "a/m").state, HEALTH_CLOSED);
    CHECK(look(h, "a/m").latency.p50 < 0);
    for (int i = 0; i < 4; i++)
        CHECK_INT(call(h, "a/m", HEALTH_FAILED), HEALTH_SAME);
    call(h, "a/m", HEALTH_OK);
    for (int i = 0; i < 4; i++)
        CHECK_INT(call(h, "a/m", HEALTH_FAILED), HEALTH_SAME);
    CHECK_INT(look(h, "a/m").failures, 4);
    CHECK_INT(call(h, "a/m", HEALTH_FAILED), HEALTH_OPENED);
    CHECK_INT(look(h, "a/m").state, HEALTH_OPEN);
    CHECK(near(look(h, "a/m").open_for, 10));
    CHECK_INT(ask(h, "a/m", &t), 1 + HEALTH_WHY_OPEN);
    CHECK(near(refusal.seconds, 10));
    CHECK_INT(ask(h, "a/other", &t), 0);
    pass(9.9);
    CHECK_INT(ask(h, "a/m", &t), 1 + HEALTH_WHY_OPEN);
    pass(0.2);
    CHECK_INT(look(h, "a/m").state, HEALTH_HALF_OPEN);
    CHECK_INT(ask(h, "a/m", NULL), 0); /* a look takes nothing */
    CHECK_INT(ask(h, "a/m", &t), 0);
    CHECK(t.probe != 0);
    CHECK_INT(ask(h, "a/m", &other), 1 + HEALTH_WHY_PROBE);
    CHECK_INT(ask(h, "a/m", NULL), 1 + HEALTH_WHY_PROBE);
    CHECK_INT(tell(h, &t, HEALTH_OK, 0), HEALTH_HAS_CLOSED);
    CHECK_INT(look(h, "a/m").state, HEALTH_CLOSED);
    CHECK_INT(look(h, "a/m").failures, 0);
    CHECK_INT(ask(h, "a/m", &other), 0);
    CHECK(other.probe == 0);
}

static void test_cooldown_doubles(void)
{
    struct health *h = fresh();
    struct health_ticket t;
    double cooldown = 10;

    for (int i = 0; i < 5; i++)
        call(h, "a/m", HEALTH_FAILED);
    for (int i = 0; i < 8; i++) {
        CHECK(near(look(h, "a/m").cooldown, cooldown));
        CHECK(near(look(h, "a/m").open_for, cooldown));
        pass(cooldown + 0.01);
        CHECK_INT(call(h, "a/m", HEALTH_FAILED), HEALTH_OPENED);
        cooldown = fmin(cooldown * 2, 300);
    }
    CHECK(near(look(h, "a/m").open_for, 300));
    pass(301);
    CHECK_INT(call(h, "a/m", HEALTH_OK), HEALTH_HAS_CLOSED);
    for (int i = 0; i < 5; i++)
        call(h, "a/m", HEALTH_FAILED);
    CHECK(near(look(h, "a/m").open_for, 10)); /* it begins anew */
    CHECK_INT(ask(h, "a/m", &t), 1 + HEALTH_WHY_OPEN);
}

static void test_error_rate(void)
{
    struct health *h = fresh();

    for (int i = 0; i < 9; i++) {
        CHECK_INT(call(h, "a/m", HEALTH_FAILED), HEALTH_SAME);
        call(h, "a/m", HEALTH_OK);
        call(h, "a/m", HEALTH_NEUTRAL);
        pass(1);
    }
    CHECK(near(look(h, "a/m").calls, 18));
    CHECK(look(h, "a/m").error_rate == 0.5);
    call(h, "a/m", HEALTH_OK);
    CHECK_INT(call(h, "a/m", HEALTH_FAILED), HEALTH_OPENED); /* ten of twenty */
    /* the same, so slow that the window never holds twenty */
    for (int i = 0; i < 100; i++) {
        CHECK_INT(call(h, "a/slow", i % 2 ? HEALTH_OK : HEALTH_FAILED), HEALTH_SAME);
        pass(2);
    }
    pass(31);
    CHECK(look(h, "a/slow").calls == 0);
}

/* Nobody's fault: no count, whatever the number; and the probe is free again. */
static void test_neutral(void)
{
    struct health *h = fresh();
    struct health_ticket t;
    struct health_view view;

    for (int i = 0; i < 100; i++)
        CHECK_INT(call(h, "a/m", HEALTH_NEUTRAL), HEALTH_SAME);
    CHECK(!health_look(h, "a/m", now, &view)); /* it takes no place either */
    CHECK_INT(view.state, HEALTH_CLOSED);
    for (int i = 0; i < 5; i++) {
        call(h, "a/m", HEALTH_FAILED);
        if (i < 4)
            call(h, "a/m", HEALTH_NEUTRAL); /* between failures it changes nothing */
    }
    CHECK_INT(look(h, "a/m").state, HEALTH_OPEN);
    pass(11);
    call(h, "a/m", HEALTH_NEUTRAL);
    CHECK_INT(look(h, "a/m").state, HEALTH_HALF_OPEN);
    CHECK_INT(ask(h, "a/m", &t), 0);
    CHECK(t.probe != 0);
}

/* What was admitted before the breaker opened has no say any more. */
static void test_late_reports(void)
{
    struct health *h = fresh();
    struct health_ticket old[12], t;

    for (int i = 0; i < 12; i++)
        CHECK_INT(ask(h, "a/m", &old[i]), 0);
    for (int i = 0; i < 5; i++)
        tell(h, &old[i], HEALTH_FAILED, 0);
    CHECK_INT(look(h, "a/m").state, HEALTH_OPEN);
    pass(5);
    CHECK_INT(tell(h, &old[5], HEALTH_FAILED, 0), HEALTH_SAME);
    CHECK_INT(tell(h, &old[6], HEALTH_OK, 0), HEALTH_SAME);
    CHECK(near(look(h, "a/m").open_for, 5));
    pass(6);
    CHECK_INT(ask(h, "a/m", &t), 0);
    CHECK_INT(tell(h, &old[7], HEALTH_OK, 0), HEALTH_SAME);
    CHECK_INT(tell(h, &old[8], HEALTH_FAILED, 0), HEALTH_SAME);
    CHECK_INT(tell(h, &old[9], HEALTH_NEUTRAL, 0), HEALTH_SAME);
    CHECK_INT(ask(h, "a/m", &old[0]), 1 + HEALTH_WHY_PROBE); /* still the probe's turn */
    CHECK_INT(tell(h, &t, HEALTH_OK, 0), HEALTH_HAS_CLOSED);
}

static void test_probe_is_lost(void)
{
    struct health *h = fresh();
    struct health_ticket t, next;

    for (int i = 0; i < 5; i++)
        call(h, "a/m", HEALTH_FAILED);
    pass(11);
    CHECK_INT(ask(h, "a/m", &t), 0);
    pass(HEALTH_PROBE_S + 1); /* too long */
    CHECK_INT(ask(h, "a/m", &next), 0);
    CHECK_INT(tell(h, &t, HEALTH_FAILED, 0), HEALTH_SAME); /* another probes now */
    CHECK_INT(tell(h, &next, HEALTH_FAILED, 0), HEALTH_OPENED);
    pass(21);
    pid_t child = fork(); /* the probe of a worker that dies */
    if (child == 0)
        _exit(ask(h, "a/m", &t));
    int status;
    waitpid(child, &status, 0);
    CHECK_INT(status, 0);
    CHECK_INT(ask(h, "a/m", &t), 0);
    CHECK(t.probe != 0);
    /* a stream has begun: the others need not wait for its end */
    CHECK_INT(health_proved(h, &t, now), HEALTH_HAS_CLOSED);
    CHECK_INT(ask(h, "a/m", &next), 0);
    CHECK_INT(tell(h, &t, HEALTH_FAILED, 0), HEALTH_SAME);
    CHECK_INT(look(h, "a/m").failures, 1);
    CHECK(look(h, "a/m").calls == 1);
}

static void test_bench(void)
{
    struct health *h = fresh();
    struct health_ticket t, u;

    CHECK_INT(ask(h, "a/m", &t), 0);
    CHECK_INT(ask(h, "a/m", &u), 0);
    tell(h, &t, HEALTH_BENCH, 30);
    tell(h, &u, HEALTH_BENCH, 2); /* the longer one counts */
    CHECK_INT(ask(h, "a/m", &t), 1 + HEALTH_WHY_BENCHED);
    CHECK(near(refusal.seconds, 30));
    CHECK_INT(look(h, "a/m").state, HEALTH_CLOSED);
    CHECK(look(h, "a/m").benched && near(look(h, "a/m").open_for, 30));
    CHECK(look(h, "a/m").calls == 0);
    pass(30.1);
    CHECK_INT(ask(h, "a/m", &t), 0);
    tell(h, &t, HEALTH_BENCH, 0);
    CHECK_INT(ask(h, "a/m", &u), 1 + HEALTH_WHY_BENCHED);
    CHECK(near(refusal.seconds, HEALTH_BENCH_S));
    tell(h, &t, HEALTH_BENCH, 1e12);
    CHECK_INT(ask(h, "a/m", &u), 1 + HEALTH_WHY_BENCHED);
    CHECK(near(refusal.seconds, HEALTH_BENCH_MAX_S));
    tell(h, &t, HEALTH_BENCH, (double)NAN);
    /* bench and breaker: the longer wait is told */
    for (int i = 0; i < 5; i++)
        tell(h, &t, HEALTH_FAILED, 0);
    CHECK_INT(ask(h, "a/m", &u), 1 + HEALTH_WHY_BENCHED);
    CHECK(near(look(h, "a/m").open_for, HEALTH_BENCH_MAX_S));
    pass(HEALTH_BENCH_MAX_S + 1);
    CHECK_INT(ask(h, "a/m", &u), 0);
    CHECK(u.probe != 0);
    tell(h, &u, HEALTH_BENCH, 3); /* a probe that is told to wait has proved nothing */
    pass(3.1);
    CHECK_INT(ask(h, "a/m", &u), 0);
    CHECK(u.probe != 0);
}

static int ask_keys(struct health *h, const uint64_t keys[], size_t n, struct health_ticket *t)
{
    struct health_ask a = {.model = "a/m", .keys = keys, .key_count = n};

    return health_admit(h, &a, now, t, &refusal) == 0 ? 0 : 1 + (int)refusal.why;
}

static void test_keys(void)
{
    struct health *h = fresh();
    struct health_ticket t, u;
    uint64_t keys[] = {health_key_id(h, "a", 0, "sk-1"), health_key_id(h, "a", 1, "sk-2")};

    CHECK(keys[0] != keys[1]);
    CHECK(keys[0] == health_key_id(h, "a", 0, "sk-1"));
    CHECK(keys[0] != health_key_id(h, "a", 0, "sk-2"));
    CHECK(keys[0] != health_key_id(h, "b", 0, "sk-1"));
    CHECK_INT(ask_keys(h, keys, 2, &t), 0);
    CHECK_INT(t.key_index, 0);
    CHECK_INT(ask_keys(h, keys, 2, &u), 0);
    tell(h, &t, HEALTH_KEY_REFUSED, 0);
    tell(h, &u, HEALTH_KEY_REFUSED, 0); /* was on its way: no doubling */
    CHECK_INT(ask_keys(h, keys, 2, &t), 0);
    CHECK_INT(t.key_index, 1);
    CHECK_INT(ask_keys(h, keys, 1, &u), 1 + HEALTH_WHY_KEYS);
    CHECK(near(refusal.seconds, HEALTH_KEY_S));
    tell(h, &t, HEALTH_BENCH_KEY, 20);
    CHECK_INT(ask_keys(h, keys, 2, &t), 1 + HEALTH_WHY_KEYS);
    CHECK(near(refusal.seconds, 20));
    CHECK_INT(ask_keys(h, keys + 1, 1, &u), 1 + HEALTH_WHY_QUOTA);
    CHECK_INT(look(h, "a/m").failures, 0); /* the model is not to blame */
    uint64_t changed = health_key_id(h, "a", 0, "sk-new");
    CHECK_INT(ask_keys(h, &changed, 1, &u), 0);
    pass(21);
    CHECK_INT(ask_keys(h, keys, 2, &t), 0);
    CHECK_INT(t.key_index, 1);
    double bench = HEALTH_KEY_S;
    for (int i = 0; i < 6; i++) { /* 60, 120, ... 900 */
        pass(bench + 1);
        CHECK_INT(ask_keys(h, keys, 1, &t), 0);
        tell(h, &t, HEALTH_KEY_REFUSED, 0);
        CHECK_INT(ask_keys(h, keys, 1, &u), 1 + HEALTH_WHY_KEYS);
        bench = fmin(bench * 2, HEALTH_KEY_MAX_S);
        CHECK(near(refusal.seconds, bench));
    }
    pass(bench + 1);
    CHECK_INT(ask_keys(h, keys, 1, &t), 0);
    tell(h, &t, HEALTH_OK, 0);
    CHECK_INT(ask_keys(h, keys, 1, &t), 0);
    tell(h, &t, HEALTH_KEY_REFUSED, 0);
    CHECK_INT(ask_keys(h, keys, 1, &t), 1 + HEALTH_WHY_KEYS);
    CHECK(near(refusal.seconds, HEALTH_KEY_S)); /* it had worked: from the beginning */
}

static int ask_rate(struct health *h, double requests, double tokens, struct health_ticket *t)
{
    struct health_ask a = {
        .model = "a/m", .requests_per_minute = requests, .tokens_per_minute = tokens};

    return health_admit(h, &a, now, t, &refusal) == 0 ? 0 : 1 + (int)refusal.why;
}

static void test_rates(void)
{
    struct health *h = fresh();
    struct health_ticket t;

    for (int i = 0; i < 6; i++) {
        CHECK_INT(ask_rate(h, 6, 0, NULL), 0);
        CHECK_INT(ask_rate(h, 6, 0, &t), 0);
        tell(h, &t, HEALTH_OK, 0);
    }
    CHECK_INT(ask_rate(h, 6, 0, &t), 1 + HEALTH_WHY_RATE);
    CHECK(near(refusal.seconds, 10));
    pass(10.01);
    CHECK_INT(ask_rate(h, 6, 0, &t), 0);
    CHECK_INT(ask_rate(h, 6, 0, &t), 1 + HEALTH_WHY_RATE);
    pass(3600);
    for (int i = 0; i < 6; i++) /* never more than a minute's worth */
        CHECK_INT(ask_rate(h, 6, 0, &t), 0);
    CHECK_INT(ask_rate(h, 6, 0, &t), 1 + HEALTH_WHY_RATE);
    pass(3600);
    /* tokens are known afterwards: what was too much is waited for */
    CHECK_INT(ask_rate(h, 0, 600, &t), 0);
    struct health_result r = {.outcome = HEALTH_OK, .latency = 1, .ttft = -1, .tokens = 1200};
    health_report(h, &t, &r, now);
    CHECK_INT(ask_rate(h, 0, 600, &t), 1 + HEALTH_WHY_RATE);
    CHECK(near(refusal.seconds, 60));
    pass(61);
    CHECK_INT(ask_rate(h, 0, 600, &t), 0);
    /* less than one a minute is possible */
    CHECK_INT(ask_rate(h, 0.5, 0, &t), 0);
    CHECK_INT(ask_rate(h, 0.5, 0, &t), 1 + HEALTH_WHY_RATE);
    pass(121);
    CHECK_INT(ask_rate(h, 0.5, 0, &t), 0);
}

static int retries(struct health *h, const char *model, int tries)
{
    int n = 0;

    while (tries--)
        n += health_retry(h, model, now);
    return n;
}

static void test_retries(void)
{
    struct health *h = fresh();

    CHECK_INT(retries(h, "a/b", 50), 10); /* of a model that nobody called */
    CHECK_INT(retries(h, "a/c", 50), 10); /* each has its own */
    pass(40);
    for (int i = 0; i < 500; i++)
        call(h, "a/b", i % 3 ? HEALTH_OK : HEALTH_NEUTRAL);
    CHECK_INT(retries(h, "a/b", 500), 34); /* a tenth of those that say something */
    pass(15);
    CHECK_INT(retries(h, "a/b", 500), 0);
    pass(20);
    CHECK_INT(retries(h, "a/b", 500), 10); /* another window */
    struct health_bounds none = {.failures = 5,
                                 .error_rate = 1,
                                 .min_calls = 9,
                                 .window = 30,
                                 .cooldown = 1,
                                 .max_cooldown = 1};
    health_configure(h, &none);
    CHECK_INT(retries(h, "a/d", 5), 0);
    munmap(h, health_size());
}

static void test_forced(void)
{
    struct health *h = fresh();
    struct health_ticket t;

    CHECK_INT(health_force(h, "a/m", FORCE_OPEN, now), 0);
    CHECK_INT(ask(h, "a/m", &t), 1 + HEALTH_WHY_FORCED);
    CHECK_INT(look(h, "a/m").state, HEALTH_OPEN);
    CHECK_INT(look(h, "a/m").forced, FORCE_OPEN);
    pass(86400);
    CHECK_INT(ask(h, "a/m", &t), 1 + HEALTH_WHY_FORCED);
    CHECK_INT(health_force(h, "a/m", FORCE_CLOSED, now), 0);
    for (int i = 0; i < 30; i++)
        CHECK_INT(call(h, "a/m", i % 3 ? HEALTH_FAILED : HEALTH_BENCH), HEALTH_SAME);
    CHECK_INT(look(h, "a/m").state, HEALTH_CLOSED);
    CHECK_INT(health_force(h, "a/m", FORCE_NONE, now), 0);
    CHECK_INT(ask(h, "a/m", &t), 1 + HEALTH_WHY_BENCHED);
    CHECK_INT(health_force(h, "never/heard", FORCE_NONE, now), 0);
    struct health_view view;
    CHECK(!health_look(h, "never/heard", now, &view));
}

static int seen_models, seen_keys, seen_open;

static void on_model(void *arg, const struct health_view *view)
{
    (void)arg;
    seen_models++;
    seen_open += view->state == HEALTH_OPEN;
}

static void on_key(void *arg, const struct health_key_view *view)
{
    (void)arg;
    seen_keys++;
    CHECK_STR(view->provider, "a");
    CHECK_INT(view->index, 1);
    CHECK(view->refused && near(view->benched_for, HEALTH_KEY_S - 20));
}

static void test_places(void)
{
    struct health *h = fresh();
    struct health_ticket t;
    uint64_t key = health_key_id(h, "a", 0, "x");

    CHECK_INT(health_force(h, "kept/one", FORCE_OPEN, now), 0);
    CHECK_INT(ask_keys(h, &key, 1, &t), 0);
    tell(h, &t, HEALTH_KEY_REFUSED, 0);
    for (int i = 0; i < 20000; i++) {
        char name[32];
        snprintf(name, sizeof name, "flood/%d", i);
        pass(0.001);
        call(h, name, HEALTH_FAILED);
        if (i % 50 == 0)
            call(h, "busy/one", HEALTH_OK);
    }
    CHECK_INT(look(h, "kept/one").forced, FORCE_OPEN);
    CHECK(look(h, "busy/one").calls > 0);
    health_each(h, now, on_model, on_key, NULL);
    CHECK(seen_models > HEALTH_MODELS / 2 && seen_models <= HEALTH_MODELS);
    CHECK_INT(seen_keys, 1);
    CHECK_INT(seen_open, 1);
    char longest[400];
    memset(longest, 'n', sizeof longest - 1);
    longest[sizeof longest - 1] = 0;
    call(h, longest, HEALTH_FAILED);
    CHECK_INT(look(h, longest).failures, 1);
}

static void test_words(void)
{
    struct err err;

    health_explain("a/m", &(struct health_refusal){HEALTH_WHY_OPEN, 8.24}, &err);
    CHECK_INT(err.code, ERR_UNAVAILABLE);
    CHECK_STR(
        err.message,
        "model 'a/m' is not called now: its circuit breaker is open after failures, 8.2 s left");
    health_explain("a/m", &(struct health_refusal){HEALTH_WHY_FORCED, 0}, &err);
    CHECK_STR(err.message,
              "model 'a/m' is not called now: its circuit breaker was opened by an operator");
    health_explain("a/m", &(struct health_refusal){HEALTH_WHY_RATE, 1}, &err);
    CHECK_INT(err.code, ERR_RATE_LIMITED);
    health_explain("a/m", &(struct health_refusal){HEALTH_WHY_KEYS, 1}, &err);
    CHECK_INT(err.code, ERR_AUTH);
    CHECK_STR(health_state_name(HEALTH_HALF_OPEN), "half_open");
    for (int i = 0; i < HEALTH_WHYS; i++)
        CHECK(health_why_name((enum health_why)i) != NULL);
}

/* Of many processes that ask a half-open breaker at once, one gets through. */
static void test_one_probe(void)
{
    struct health *h = fresh();
    int *admitted =
        mmap(NULL, sizeof *admitted, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pid_t pids[8];

    for (int i = 0; i < 5; i++)
        call(h, "a/m", HEALTH_FAILED);
    pass(11);
    for (int i = 0; i < 8; i++)
        if ((pids[i] = fork()) == 0) {
            struct health_ticket t;
            for (int k = 0; k < 2000; k++)
                if (ask(h, "a/m", &t) == 0)
                    __atomic_fetch_add(admitted, 1, __ATOMIC_SEQ_CST);
            raise(SIGSTOP); /* it lives on, and so does its probe */
            _exit(0);
        }
    for (int i = 0; i < 8; i++)
        waitpid(pids[i], NULL, WUNTRACED);
    CHECK_INT(*admitted, 1);
    for (int i = 0; i < 8; i++) {
        kill(pids[i], SIGKILL);
        waitpid(pids[i], NULL, 0);
    }
}

/* Killed at any point, a process leaves a table that the others can use. */
static void test_killed(void)
{
    struct health *h = fresh();
    uint64_t key = health_key_id(h, "a", 0, "x");

    for (int i = 0; i < 200; i++) {
        pid_t child = fork();
        if (child == 0)
            for (int64_t k = 0;; k++) {
                struct health_ticket t;
                char name[32];
                snprintf(name, sizeof name, "m/%d", (int)(k % 3000));
                struct health_ask a = {
                    .model = name, .keys = &key, .key_count = 1, .requests_per_minute = 1e9};
                if (health_admit(h, &a, now + k * 1000, &t, &refusal) == 0)
                    tell(h, &t, (enum health_outcome)(k % HEALTH_OUTCOMES), 0.001);
            }
        usleep(300);
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
        struct health_ticket t;
        for (int k = 0; k < 64; k++) {
            char name[32];
            snprintf(name, sizeof name, "m/%d", i * 64 + k);
            if (ask(h, name, &t) == 0)
                tell(h, &t, HEALTH_OK, 0);
            struct health_view view = look(h, name);
            CHECK(view.calls >= 0 && view.error_rate >= 0 && view.error_rate <= 1);
        }
    }
}

/* What a call costs, for whoever asks: BATON_TIMES=1. */
static void show_times(void)
{
    enum { N = 1000000 };
    struct health *h = fresh();
    uint64_t keys[] = {health_key_id(h, "openai", 0, "sk-1"), health_key_id(h, "openai", 1, "sk")};
    struct health_ask a = {.model = "openai/gpt-4o-mini", .keys = keys, .key_count = 2};
    struct health_result r = {.outcome = HEALTH_OK, .latency = 1, .ttft = 0.5, .tokens = 100};
    struct health_ticket t;
    struct timespec from, to;

    if (!getenv("BATON_TIMES"))
        return;
    clock_gettime(CLOCK_MONOTONIC, &from);
    for (int i = 0; i < N; i++) {
        health_admit(h, &a, now += 10, &t, &refusal);
        health_report(h, &t, &r, now += 10);
    }
    clock_gettime(CLOCK_MONOTONIC, &to);
    printf("health_admit and health_report: %.1f ns\n",
           ((double)(to.tv_sec - from.tv_sec) * 1e9 + (double)(to.tv_nsec - from.tv_nsec)) / N);
}

int main(void)
{
    test_failures_in_a_row();
    test_cooldown_doubles();
    test_error_rate();
    test_neutral();
    test_late_reports();
    test_probe_is_lost();
    test_bench();
    test_keys();
    test_rates();
    test_retries();
    test_forced();
    test_places();
    test_words();
    test_one_probe();
    test_killed();
    show_times();
    return test_report("health");
}
