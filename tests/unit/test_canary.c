/* test_canary - two generations compared, on a fake clock: when one is rolled back, and when promoted.
 * SPDX-License-Identifier: MIT */
#include "canary.h"

#include "testhelp.h"

#include <pthread.h>

enum { BASE = 7, NEW = 8 };
#define SECOND 1000000

struct world {
    struct canary *c;
    struct canary_bounds bounds;
    int64_t now;
    enum canary_verdict verdict;
    char why[CANARY_WHY];
};

static void begin(struct world *w)
{
    *w = (struct world){.c = calloc(1, canary_size()), .now = 5 * SECOND};
    CHECK(w->c != NULL);
    canary_format(w->c, canary_size());
    canary_bounds_default(&w->bounds);
    canary_start(w->c, BASE, NEW, w->now);
}

static void end(struct world *w)
{
    free(w->c);
}

static void note(struct world *w, uint64_t serial, int n, int errors, double seconds, double cost)
{
    for (int i = 0; i < n; i++)
        canary_note(w->c, serial, i >= errors, seconds, cost);
}

/* One second goes by, and the master looks. */
static enum canary_verdict tick(struct world *w)
{
    w->now += SECOND;
    return w->verdict = canary_judge(w->c, &w->bounds, w->now, w->why);
}

static void test_equal_ones_are_promoted(void)
{
    struct world w;
    int seconds = 0;

    begin(&w);
    while (seconds < 2000 && tick(&w) == CANARY_GO_ON) {
        CHECK_STR(w.why, "");
        note(&w, BASE, 19, 1, 0.5, 0.001);
        note(&w, NEW, 1, 0, 0.5, 0.001);
        seconds++;
    }
    CHECK_INT(w.verdict, CANARY_PROMOTE);
    CHECK_INT(seconds, 599);
    CHECK_STR(w.why, "599 requests in 600 s within the bounds");
    end(&w);
}

static void test_never_by_itself(void)
{
    struct world w;

    begin(&w);
    w.bounds.promote_after_s = 0;
    for (int i = 0; i < 2000; i++) {
        note(&w, NEW, 10, 0, 0.1, 0);
        CHECK_INT(tick(&w), CANARY_GO_ON);
    }
    end(&w);
    begin(&w);
    note(&w, NEW, 49, 0, 0.1, 0);
    for (int i = 0; i < 2000; i++) /* too few requests prove nothing */
        CHECK_INT(tick(&w), CANARY_GO_ON);
    end(&w);
}

static void test_errors(void)
{
    struct world w;

    begin(&w);
    note(&w, BASE, 100, 10, 0.1, 0);
    note(&w, NEW, 49, 49, 0.1, 0);
    CHECK_INT(tick(&w), CANARY_GO_ON); /* not enough of them */
    note(&w, NEW, 1, 0, 0.1, 0);
    CHECK_INT(tick(&w), CANARY_ROLL_BACK);
    CHECK_STR(w.why, "49 of 50 requests failed (98.0 %); the base fails 10.0 %, allowed is 5.0 % "
                     "more");
    end(&w);
    begin(&w); /* at the bound: not beyond it */
    note(&w, BASE, 1000, 0, 0.1, 0);
    note(&w, NEW, 100, 5, 0.1, 0);
    CHECK_INT(tick(&w), CANARY_GO_ON);
    note(&w, NEW, 1, 1, 0.1, 0);
    CHECK_INT(tick(&w), CANARY_ROLL_BACK);
    end(&w);
    begin(&w); /* all of a policy's requests fail, and nobody else sends any */
    note(&w, NEW, 50, 50, 0.1, 0);
    CHECK_INT(tick(&w), CANARY_ROLL_BACK);
    end(&w);
}

static void test_latency(void)
{
    struct world w;

    begin(&w);
    note(&w, BASE, 94, 0, 0.1, 0);
    note(&w, BASE, 6, 0, 2.0, 0); /* p95 is 2 s */
    note(&w, NEW, 100, 0, 2.5, 0);
    CHECK_INT(tick(&w), CANARY_GO_ON);
    struct canary_view v;
    canary_look(w.c, CANARY_BASE, &v);
    CHECK(v.p95_s > 1.8 && v.p95_s < 2.2);
    canary_look(w.c, CANARY_NEW, &v);
    CHECK(v.p95_s > 2.3 && v.p95_s < 2.75);
    note(&w, NEW, 100, 0, 3.4, 0);
    CHECK_INT(tick(&w), CANARY_ROLL_BACK);
    CHECK(strstr(w.why, "95th percentile") != NULL);
    w.bounds.latency = 0;
    CHECK_INT(tick(&w), CANARY_GO_ON);
    end(&w);
    begin(&w); /* a base that is hardly asked is no measure */
    note(&w, BASE, 49, 0, 0.01, 0);
    note(&w, NEW, 100, 0, 10, 1);
    CHECK_INT(tick(&w), CANARY_GO_ON);
    note(&w, BASE, 1, 0, 0.01, 0);
    CHECK_INT(tick(&w), CANARY_ROLL_BACK);
    end(&w);
}

static void test_cost(void)
{
    struct world w;
    struct canary_view v;

    begin(&w);
    note(&w, BASE, 100, 0, 0.1, 0.002);
    note(&w, NEW, 100, 0, 0.1, 0.0029);
    CHECK_INT(tick(&w), CANARY_GO_ON);
    canary_look(w.c, CANARY_NEW, &v);
    CHECK(v.cost > 0.00289 && v.cost < 0.00291);
    CHECK_INT(v.requests, 100);
    note(&w, NEW, 100, 0, 0.1, 0.0033);
    CHECK_INT(tick(&w), CANARY_ROLL_BACK);
    CHECK_STR(w.why, "a request costs 0.0031 USD; in the base 0.002 USD, allowed is 1.5 times as "
                     "much");
    end(&w);
    begin(&w); /* both are free */
    note(&w, BASE, 100, 0, 0.1, 0);
    note(&w, NEW, 100, 0, 0.1, 0);
    CHECK_INT(tick(&w), CANARY_GO_ON);
    note(&w, NEW, 1, 0, -1, -1); /* nonsense is no sum */
    note(&w, NEW, 1, 0, 1e300, 1e300);
    CHECK_INT(tick(&w), CANARY_GO_ON);
    end(&w);
}

/* What happened before the window no longer counts. */
static void test_the_window_slides(void)
{
    struct world w;
    struct canary_view v;

    begin(&w);
    w.bounds.window_s = 60;
    w.bounds.promote_after_s = 0;
    note(&w, BASE, 100, 50, 0.1, 0); /* a bad hour of everybody hides nothing later */
    note(&w, NEW, 100, 50, 0.1, 0);
    CHECK_INT(tick(&w), CANARY_GO_ON);
    for (int i = 0; i < 65; i++) {
        note(&w, BASE, 10, 0, 0.1, 0);
        note(&w, NEW, 10, 0, 0.1, 0);
        CHECK_INT(tick(&w), CANARY_GO_ON);
    }
    canary_look(w.c, CANARY_BASE, &v);
    CHECK_INT(v.errors, 0);
    CHECK(v.requests >= 590 && v.requests <= 630);
    CHECK(v.for_s > 65.9 && v.for_s < 66.1);
    note(&w, NEW, 40, 40, 0.1, 0);
    CHECK_INT(tick(&w), CANARY_ROLL_BACK);
    end(&w);
    begin(&w); /* a long one, looked at each second: what is kept still reaches back */
    w.bounds.window_s = 3600;
    w.bounds.promote_after_s = 0;
    for (int i = 0; i < 7200; i++) {
        note(&w, BASE, 1, 0, 0.1, 0);
        CHECK_INT(tick(&w), CANARY_GO_ON);
    }
    canary_look(w.c, CANARY_BASE, &v);
    CHECK(v.requests >= 3600 && v.requests <= 3600 * 66 / 62);
    end(&w);
}

/* Requests of another generation that still runs, and of an earlier canary, are nobody's. */
static void test_serials(void)
{
    struct world w;
    struct canary_view v;

    begin(&w);
    note(&w, 6, 100, 100, 0.1, 0);
    note(&w, 0, 100, 100, 0.1, 0);
    note(&w, NEW, 100, 100, 0.1, 0);
    CHECK_INT(tick(&w), CANARY_ROLL_BACK);
    canary_stop(w.c);
    CHECK_INT(tick(&w), CANARY_GO_ON);
    note(&w, NEW, 100, 100, 0.1, 0);
    canary_start(w.c, BASE, NEW + 1, w.now);
    note(&w, NEW, 100, 100, 0.1, 0);
    note(&w, NEW + 1, 60, 0, 0.1, 0);
    CHECK_INT(tick(&w), CANARY_GO_ON);
    canary_look(w.c, CANARY_NEW, &v);
    CHECK_INT(v.requests, 60);
    CHECK_INT(v.errors, 0);
    end(&w);
}

/* ---- who ---- */

static void test_picking(void)
{
    int in = 0, moved = 0, both = 0;
    char key[32];

    for (int i = 0; i < 20000; i++) {
        struct span k = {key, (size_t)snprintf(key, sizeof key, "user-%d", i)};
        bool few = canary_pick(k, 3, 0.05), more = canary_pick(k, 3, 0.5);
        CHECK(!few || more);
        CHECK(few == canary_pick(k, 3, 0.05));
        in += few;
        bool other = canary_pick(k, 4, 0.05); /* another canary asks others */
        moved += few != other;
        both += few && other;
        CHECK(canary_pick(k, 3, 1) && !canary_pick(k, 3, 0));
    }
    CHECK(in > 850 && in < 1150);
    CHECK(moved > 1500 && both < 100);
    CHECK(canary_pick(SPAN(""), 1, 1) && !canary_pick((struct span){NULL, 0}, 1, 0));
}

/* ---- many at once ---- */

enum { THREADS = 8, EACH = 20000 };

static void *add_many(void *arg)
{
    for (int i = 0; i < EACH; i++)
        canary_note(arg, i % 2 ? BASE : NEW, i % 4 != 0, 0.001 * (i % 1000), 0.000001);
    return NULL;
}

static void test_many_at_once(void)
{
    pthread_t threads[THREADS];
    struct canary_view v;
    struct world w;

    begin(&w);
    for (int i = 0; i < THREADS; i++)
        CHECK_INT(pthread_create(&threads[i], NULL, add_many, w.c), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    CHECK_INT(tick(&w), CANARY_ROLL_BACK);
    canary_look(w.c, CANARY_NEW, &v);
    CHECK_INT(v.requests, THREADS * EACH / 2);
    CHECK_INT(v.errors, THREADS * EACH / 4);
    canary_look(w.c, CANARY_BASE, &v);
    CHECK_INT(v.requests, THREADS * EACH / 2);
    CHECK_INT(v.errors, 0);
    CHECK(v.cost > 0.00000099 && v.cost < 0.00000101);
    end(&w);
}

int main(void)
{
    test_equal_ones_are_promoted();
    test_never_by_itself();
    test_errors();
    test_latency();
    test_cost();
    test_the_window_slides();
    test_serials();
    test_picking();
    test_many_at_once();
    return test_report("canary");
}
