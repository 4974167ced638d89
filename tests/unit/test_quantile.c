/* test_quantile - quantiles of durations, and how old ones are forgotten.
 * SPDX-License-Identifier: MIT */
#include "quantile.h"

#include "testhelp.h"

#include <math.h>

static const double shares[] = {0.5, 0.95, 0.99};

static bool near(double value, double want)
{
    if (fabs(value - want) <= want * 0.13)
        return true;
    fprintf(stderr, "%g is not near %g\n", value, want);
    return false;
}

static void test_shape(void)
{
    struct quantile q = {0};
    double out[3] = {-1, -1, -1};

    CHECK(quantile_get(&q, 0, shares, out, 3) == 0);
    CHECK(out[0] == -1);
    for (int i = 1; i <= 1000; i++)
        quantile_add(&q, i / 100.0, 1000);
    CHECK(near(quantile_get(&q, 1000, shares, out, 3), 1000));
    CHECK(near(out[0], 5) && near(out[1], 9.5) && near(out[2], 9.9));
    struct quantile one = {0};
    quantile_add(&one, 0.02, 0);
    quantile_get(&one, 0, shares, out, 3);
    CHECK(near(out[0], 0.02) && near(out[2], 0.02));
}

static void test_odd_values(void)
{
    struct quantile q = {0};
    double out[3];

    quantile_add(&q, -1, 0);
    quantile_add(&q, (double)NAN, 0);
    quantile_add(&q, (double)INFINITY, 0);
    CHECK(quantile_get(&q, 0, shares, out, 3) == 0);
    quantile_add(&q, 0, 0);
    quantile_get(&q, 0, shares, out, 3);
    CHECK(out[2] > 0 && out[2] <= 0.0005);
    quantile_add(&q, 1e12, 0);
    quantile_get(&q, 0, shares, out, 3);
    CHECK(out[2] > 1000 && out[2] < 2000);
}

static void test_forgetting(void)
{
    struct quantile q = {0};
    double out[3];
    int64_t now = 0;

    for (int i = 0; i < 1000; i++)
        quantile_add(&q, 10, now);
    now += 60000000;
    CHECK(near(quantile_get(&q, now, shares, out, 3), 500));
    now += 9 * 60000000LL; /* ten half-lives: one is left of them */
    for (int i = 0; i < 100; i++)
        quantile_add(&q, 0.1, now);
    CHECK(near(quantile_get(&q, now, shares, out, 3), 101));
    CHECK(near(out[0], 0.1) && near(out[1], 0.1));
    now += 86400000000LL; /* a day without calls: nothing is known any more */
    CHECK(quantile_get(&q, now, shares, out, 3) == 0);
    quantile_add(&q, 3, now);
    CHECK(near(quantile_get(&q, now, shares, out, 3), 1));
    CHECK(near(out[0], 3));
    for (int i = 0; i < 100000; i++) /* a week of steady calls */
        quantile_add(&q, 1, now += 6000000);
    CHECK(near(quantile_get(&q, now, shares, out, 3), 14.9));
    CHECK(near(out[0], 1) && near(out[2], 1));
    CHECK(quantile_valid(&q));
    q.weights[7] = NAN;
    CHECK(!quantile_valid(&q));
}

int main(void)
{
    test_shape();
    test_odd_values();
    test_forgetting();
    return test_report("quantile");
}
