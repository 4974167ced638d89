/* test_curve - the measures of a router, against cases worked out by hand.
 * SPDX-License-Identifier: MIT */
#include "curve.h"
#include "testhelp.h"

#include <math.h>

#define CHECK_NEAR(a, b)                                                                           \
    do {                                                                                           \
        double a_ = (a), b_ = (b);                                                                 \
        if (!test_note(fabs(a_ - b_) < 1e-9, __FILE__, __LINE__))                                  \
            fprintf(stderr, "%s == %s: %.12g, %.12g\n", #a, #b, a_, b_);                           \
    } while (0)

enum { N = 4 };

/* The weak model is right in rows 2 and 3 for 1 USD, the strong one in all for 3. */
static const double weak_quality[N] = {0, 0, 1, 1}, strong_quality[N] = {1, 1, 1, 1};
static const double weak_cost[N] = {1, 1, 1, 1}, strong_cost[N] = {3, 3, 3, 3};
static const unsigned char no[N] = {0}, yes[N] = {1, 1, 1, 1};
static const double even[N] = {1, 1, 1, 1};
static const struct curve_frame frame = {.weak = 0.5, .strong = 1, .least = 1, .most = 3};

static const struct curve_rows weak = {weak_quality, weak_cost, no};
static const struct curve_rows strong = {strong_quality, strong_cost, yes};

static size_t measure(const double *score, const double *weight, struct curve_point *points,
                      struct curve_measures *m)
{
    struct curve c = {.n = N, .score = score, .above = strong, .below = weak};
    size_t order[N];

    curve_sort(&c, order);
    CHECK_INT(curve_room(&c), N + 1);
    size_t n = curve_points(&c, weight, points);
    curve_measure(points, n, &frame, m);
    return n;
}

/* The rows that need it come first: PGR 0, 1/2, 1, 1, 1 at shares 0, 1/4, ... */
static void test_good_score(void)
{
    static const double score[N] = {4, 3, 2, 1};
    struct curve_point p[N + 1], at;
    struct curve_measures m;

    CHECK_INT(measure(score, even, p, &m), 5);
    CHECK(isinf(p[0].at));
    CHECK_NEAR(p[1].at, 4);
    CHECK_NEAR(p[1].share, 0.25);
    CHECK_NEAR(p[1].quality, 0.75);
    CHECK_NEAR(p[1].cost, 1.5);
    CHECK_NEAR(m.apgr, 0.75);
    CHECK_NEAR(m.cpt50, 0.25);
    CHECK_NEAR(m.cpt80, 0.4);
    CHECK_NEAR(m.aiq, 0.875); /* 1/2 to 1 over the first USD, 1 over the second */
    curve_at_share(p, 5, 0.375, &at);
    CHECK_NEAR(at.quality, 0.875);
    CHECK_NEAR(at.cost, 1.75);
    curve_at_share(p, 5, 1, &at);
    CHECK_NEAR(at.quality, 1);
}

/* The rows that do not come first: quality stays, then rises; the hull draws lots between the ends. */
static void test_bad_score(void)
{
    static const double score[N] = {1, 2, 3, 4};
    struct curve_point p[N + 1];
    struct curve_measures m;

    measure(score, even, p, &m);
    CHECK_NEAR(m.apgr, 0.25);
    CHECK_NEAR(m.cpt50, 0.75);
    CHECK_NEAR(m.cpt80, 0.9);
    CHECK_NEAR(m.aiq, 0.75);
}

/* One score for all: two points, a straight line. */
static void test_ties(void)
{
    static const double score[N] = {7, 7, 7, 7};
    struct curve_point p[N + 1];
    struct curve_measures m;

    CHECK_INT(measure(score, even, p, &m), 2);
    CHECK_NEAR(m.apgr, 0.5);
    CHECK_NEAR(m.cpt50, 0.5);
    CHECK_NEAR(m.cpt80, 0.8);
}

/* A row that counts three times is three rows; one of weight 0 makes no point. */
static void test_weights(void)
{
    static const double score[N] = {4, 3, 2, 1}, weight[N] = {0, 1, 0, 3}, none[N] = {0};
    struct curve_point p[N + 1];
    struct curve_measures m;

    CHECK_INT(measure(score, weight, p, &m), 3);
    CHECK_NEAR(p[0].quality, 0.75);
    CHECK_NEAR(p[1].share, 0.25);
    CHECK_NEAR(p[1].quality, 1);
    CHECK_INT(measure(score, none, p, &m), 0);
    CHECK(isnan(m.apgr) && isnan(m.cpt50) && isnan(m.aiq));
}

/* Settings that were tried, in any order; the ends that are missing are those that everybody has. */
static void test_tried(void)
{
    static const double half[N] = {1, 0, 1, 1}, cost[N] = {3, 1, 1, 1};
    static const unsigned char first[N] = {1, 0, 0, 0};
    const struct curve_rows rows[] = {strong, {half, cost, first}};
    static const double at[] = {0.1, 0.9};
    const struct curve c = {.n = N, .tried = rows, .at = at, .count = 2};
    struct curve_point p[2];
    struct curve_measures m;

    CHECK_INT(curve_points(&c, even, p), 2);
    CHECK_NEAR(p[0].at, 0.9);
    CHECK_NEAR(p[0].share, 0.25);
    CHECK_NEAR(p[1].share, 1);
    curve_measure(p, 2, &frame, &m);
    CHECK_NEAR(m.apgr, 0.25 * 0.5 / 2 + 0.75 * (0.5 + 1) / 2);
    CHECK_NEAR(m.cpt50, 0.25);
}

/* A router whose cheapest setting is dear gets there from nothing: 3/4 at 1.5 USD is 1/2 at 1. */
static void test_from_nothing(void)
{
    const struct curve_point p[] = {{0.25, 1.5, 0.75, 1}};
    struct curve_measures m;

    curve_measure(p, 1, &frame, &m);
    CHECK_NEAR(m.aiq, (0.5 * (0.5 + 0.75) / 2 + 1.5 * 0.75) / 2);
}

/* What cannot be said. */
static void test_undefined(void)
{
    const struct curve_frame same = {.weak = 0.5, .strong = 0.5, .least = 1, .most = 1};
    const struct curve_point p[] = {{0, 1, 0.5, 1}, {1, 1, 0.5, 0}};
    struct curve_measures m;

    CHECK(isnan(curve_pgr(&same, 0.7)));
    curve_measure(p, 2, &same, &m);
    CHECK(isnan(m.apgr) && isnan(m.cpt50) && isnan(m.cpt80) && isnan(m.aiq));
    CHECK_NEAR(curve_pgr(&frame, 0.75), 0.5);
}

/* A router that is never good enough has no CPT but the end that all have. */
static void test_never(void)
{
    const struct curve_point p[] = {{0, 1, 0.5, 1}, {0.5, 2, 0.5, 0}};
    struct curve_measures m;

    curve_measure(p, 2, &frame, &m);
    CHECK_NEAR(m.cpt50, 0.75);
    CHECK_NEAR(m.apgr, 0.25);
}

int main(void)
{
    test_good_score();
    test_bad_score();
    test_ties();
    test_weights();
    test_tried();
    test_from_nothing();
    test_undefined();
    test_never();
    return test_report("curve");
}
