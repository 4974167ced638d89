/* test_bandit - arms, buckets, feedback; seeded simulations; many processes, deaths, files.
 * SPDX-License-Identifier: MIT */
#include "bandit.h"
#include "digest.h"
#include "json.h"
#include "testhelp.h"

#include <math.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define NOW INT64_C(1000000)
#define DAY INT64_C(86400000000)

static struct bandits *open_bandits(void)
{
    void *p = mmap(NULL, bandit_size(), PROT_READ | PROT_WRITE,
                   MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (p == MAP_FAILED)
        abort();
    bandit_format(p);
    return p;
}

static void close_bandits(struct bandits *b)
{
    munmap(b, bandit_size());
}

/* ---- chance that is the same in every run: splitmix64 (Steele, Lea, Flood 2014) ---- */

static uint64_t next(void *state)
{
    uint64_t z = *(uint64_t *)state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static double uniform(uint64_t *state)
{
    return (double)(next(state) >> 11) * 0x1p-53;
}

/* ---- short ways ---- */

static struct span text(const char *s)
{
    return (struct span){s, strlen(s)};
}

static struct bandit_spec spec_of(const char *name, const char *const *arms)
{
    struct bandit_spec s = {
        .name = text(name), .discount = 1, .prior_a = 1, .prior_b = 1, .alpha = 0.5, .ridge = 1};

    for (; arms[s.arms]; s.arms++)
        s.arm[s.arms] = text(arms[s.arms]);
    return s;
}

static const char *const abc[] = {"a", "b", "c", NULL};

static struct bandit_context in(const char *bucket, const char *trace)
{
    return (struct bandit_context){
        .bucket = text(bucket), .among = UINT32_MAX, .trace = text(trace)};
}

static struct bandit_choice choose(struct bandits *b, const struct bandit_spec *s,
                                   const struct bandit_context *c, uint64_t *seed)
{
    struct bandit_choice choice = {.arm = -1};
    struct err err;

    if (bandit_choose(b, s, c, next, seed, NOW, &choice, &err) < 0)
        choice.arm = -(int)err.code;
    return choice;
}

static int learn(struct bandits *b, const struct bandit_spec *s, const char *bucket, int arm,
                 double score)
{
    struct bandit_outcome o = {.arm = arm, .bucket = text(bucket), .score = score};
    struct err err;

    return bandit_learn(b, s, &o, NOW, &err);
}

static int give(struct bandits *b, const char *trace, double score, struct bandit_feedback *f)
{
    struct err err;

    return bandit_feedback(b, text(trace), (struct span){0}, score, NOW, f, &err) < 0
               ? -(int)err.code
               : f->decisions;
}

/* A number of what bandit_look tells; -1 when there is none. */
static double seen(struct bandits *b, const char *path)
{
    struct buf out;
    struct err err;
    double d = -1;

    buf_init(&out, 8 << 20);
    CHECK_INT(bandit_look(b, (struct span){0}, NOW, &out), 0);
    CHECK_INT(json_check(buf_span(&out), &err), 0);
    struct span value = json_path(buf_span(&out), path);
    if (value.p && json_type(value) == JSON_NUMBER)
        json_double(value, &d);
    buf_deinit(&out);
    return d;
}

#define CHECK_NEAR(a, b, within)                                                                   \
    do {                                                                                           \
        double a_ = (a), b_ = (b);                                                                 \
        if (!test_note(fabs(a_ - b_) <= (within), __FILE__, __LINE__))                             \
            fprintf(stderr, "%s == %s: %g, %g\n", #a, #b, a_, b_);                                 \
    } while (0)

/* ---- the arithmetic ---- */

/* Gamma(a) for whole a: the sum of exponentials. */
static double draw_beta(int a, int b, uint64_t *seed)
{
    double x = 0, y = 0;

    for (int i = 0; i < a; i++)
        x -= log1p(-uniform(seed));
    for (int i = 0; i < b; i++)
        y -= log1p(-uniform(seed));
    return x / (x + y);
}

static void check_against_draws(const struct beta *arms, int n)
{
    enum { DRAWS = 40000 };
    double share[THOMPSON_ARMS], sum = 0;
    int wins[THOMPSON_ARMS] = {0};
    uint64_t seed = 7;

    for (int k = 0; k < DRAWS; k++) {
        double best = -1;
        int who = 0;
        for (int i = 0; i < n; i++) {
            double d = draw_beta((int)arms[i].a, (int)arms[i].b, &seed);
            if (d > best)
                who = i;
            best = d > best ? d : best;
        }
        wins[who]++;
    }
    thompson_shares(arms, n, share);
    for (int i = 0; i < n; i++) {
        CHECK_NEAR(share[i], (double)wins[i] / DRAWS, 0.012);
        sum += share[i];
    }
    CHECK_NEAR(sum, 1, 1e-12);
}

static void test_shares(void)
{
    double share[THOMPSON_ARMS];
    struct beta many[THOMPSON_ARMS];

    thompson_shares((struct beta[]){{3, 9}}, 1, share);
    CHECK_NEAR(share[0], 1, 1e-12);
    thompson_shares((struct beta[]){{2, 1}, {1, 1}}, 2, share);
    CHECK_NEAR(share[0], 2.0 / 3, 0.003);
    thompson_shares((struct beta[]){{1, 1000}, {1, 1}}, 2, share); /* its mean, 1 / 1001 */
    CHECK_NEAR(share[0], 0.001, 0.0005);
    thompson_shares((struct beta[]){{1e6, 1e6}, {1e6 + 3000, 1e6 - 3000}}, 2, share);
    CHECK_NEAR(share[1], 0.99865, 0.003); /* three standard deviations of the difference */
    thompson_shares((struct beta[]){{1e12, 1}, {1, 1e12}}, 2, share);
    CHECK_NEAR(share[0], 1, 1e-6);
    check_against_draws((struct beta[]){{2, 3}, {5, 5}, {1, 1}}, 3);
    check_against_draws((struct beta[]){{1, 9}, {20, 80}, {1, 4}, {3, 20}, {8, 40}}, 5);
    for (int i = 0; i < THOMPSON_ARMS; i++)
        many[i] = (struct beta){1 + i % 2, 3};
    thompson_shares(many, THOMPSON_ARMS, share);
    for (int i = 2; i < THOMPSON_ARMS; i++)
        CHECK_NEAR(share[i], share[i % 2], 1e-9);
    check_against_draws(many, 8);
}

/* Against the closed form of two features. */
static void test_linear(void)
{
    const double x1[] = {1, 2}, x2[] = {1, -1}, at[] = {1, 0.5};
    struct linucb m = {0};
    struct linucb_estimate e;

    linucb_estimate(&m, at, 2, 1, 2, &e);
    CHECK_NEAR(e.mean, 0, 0);
    CHECK_NEAR(e.width, sqrt(1.25 / 2), 1e-12);
    linucb_add(&m, x1, 2, 1, 0.5);
    linucb_add(&m, x2, 2, 0.9, 1);
    double a = 0.9 + 1 + 1, b = 1.8 - 1, c = 3.6 + 1 + 1, det = a * c - b * b;
    double r1 = 0.45 + 1, r2 = 0.9 - 1;
    linucb_estimate(&m, at, 2, 1, 1, &e);
    CHECK_NEAR(e.weights[0], (c * r1 - b * r2) / det, 1e-12);
    CHECK_NEAR(e.weights[1], (a * r2 - b * r1) / det, 1e-12);
    CHECK_NEAR(e.width, sqrt((c - 2 * 0.5 * b + 0.25 * a) / det), 1e-12);
    CHECK(linucb_is_sound(&m, 2));
    m.v[1] = 100; /* no sum of squares has that beside the others */
    CHECK(!linucb_is_sound(&m, 2));
    linucb_estimate(&m, at, 2, 1, 1, &e);
    CHECK(isfinite(e.mean) && isfinite(e.width));
    m.v[1] = (double)NAN;
    CHECK(!linucb_is_sound(&m, 2));
    linucb_estimate(&m, at, 2, 1, 1, &e);
    CHECK(isfinite(e.mean) && isfinite(e.width));
}

static void test_reward(void)
{
    CHECK_NEAR(bandit_reward(0.7, 5, 0), 0.7, 0);
    CHECK_NEAR(bandit_reward(1, 0, 0.1), 1, 0);
    CHECK_NEAR(bandit_reward(0, 7, 0.1), 0, 0);
    /* the order is that of score - cost / worth */
    CHECK(bandit_reward(0.8, 0.01, 0.1) > bandit_reward(0.85, 0.02, 0.1));
    CHECK(bandit_reward(0.8, 0.01, 1) < bandit_reward(0.85, 0.02, 1));
}

/* ---- seeded simulations ---- */

/* How often the arm 'best' is among the last 'last' of 'n' choices. */
static int simulate(struct bandits *b, const struct bandit_spec *s, const double *rates, int n,
                    int last, int best, uint64_t *seed)
{
    struct bandit_context c = in("", "");
    int hits = 0;

    for (int i = 0; i < n; i++) {
        int arm = choose(b, s, &c, seed).arm;
        hits += i >= n - last && arm == best;
        learn(b, s, "", arm, uniform(seed) < rates[arm] ? 1 : 0);
    }
    return hits;
}

static void test_thompson_finds_the_best_arm_and_follows_a_change(void)
{
    static const double before[] = {0.4, 0.5, 0.7}, after[] = {0.8, 0.5, 0.3};
    struct bandits *b = open_bandits();
    struct bandit_spec s = spec_of("forgetful", abc), slow = spec_of("faithful", abc);
    uint64_t seed = 1;

    s.discount = 0.99;
    CHECK(simulate(b, &s, before, 2000, 500, 2, &seed) > 400);
    CHECK(simulate(b, &s, after, 1000, 500, 0, &seed) > 400);
    CHECK(simulate(b, &slow, before, 20000, 500, 2, &seed) > 450);
    CHECK(simulate(b, &slow, after, 1000, 500, 0, &seed) < 100); /* it remembers too well */
    close_bandits(b);
}

/* Arm 0 is right above a third of x, arm 1 below. */
static int simulate_linear(struct bandits *b, const struct bandit_spec *s, int n, bool turned,
                           uint64_t *seed)
{
    int hits = 0;

    for (int i = 0; i < n; i++) {
        struct bandit_context c = in("", "");
        c.x[0] = uniform(seed);
        int arm = choose(b, s, &c, seed).arm, best = (c.x[0] < 1.0 / 3) != turned;
        struct bandit_outcome o = {.arm = arm, .bucket = SPAN("")};
        double mean = (arm == 0) == turned ? 0.9 - c.x[0] * 0.9 : 0.3 + c.x[0] * 0.9;
        struct err err;
        o.x[0] = c.x[0];
        o.score = fmin(1, fmax(0, mean + (uniform(seed) - 0.5) * 0.2));
        bandit_learn(b, s, &o, NOW, &err);
        hits += i >= n - 500 && arm == best;
    }
    return hits;
}

static void test_linucb_finds_the_best_arm_and_follows_a_change(void)
{
    struct bandits *b = open_bandits();
    struct bandit_spec s = spec_of("linear", (const char *const[]){"high", "low", NULL});
    uint64_t seed = 2;

    s.method = BANDIT_LINUCB;
    s.feature[s.features++] = SPAN("x");
    s.discount = 0.99;
    s.explore = 0.05;
    CHECK(simulate_linear(b, &s, 2000, false, &seed) > 450);
    CHECK(simulate_linear(b, &s, 1500, true, &seed) > 450);
    close_bandits(b);
}

static void test_buckets_are_told_apart(void)
{
    struct bandits *b = open_bandits();
    struct bandit_spec s = spec_of("buckets", abc);
    struct bandit_context code = in("code", ""), chat = in("chat", "");
    uint64_t seed = 3;
    int right = 0;

    for (int i = 0; i < 300; i++) {
        learn(b, &s, "code", i % 3, i % 3 == 0 ? 0.9 : 0.2);
        learn(b, &s, "chat", i % 3, i % 3 == 1 ? 0.9 : 0.2);
    }
    for (int i = 0; i < 100; i++)
        right += (choose(b, &s, &code, &seed).arm == 0) + (choose(b, &s, &chat, &seed).arm == 1);
    CHECK(right > 195);
    close_bandits(b);
}

/* The probability that is told is that of the choice. */
static void check_propensity(const struct bandit_spec *s, struct bandits *b, uint32_t among)
{
    enum { N = 20000 };
    struct bandit_context c = in("", "");
    double told[BANDIT_ARMS] = {0}, sum = 0;
    int chosen[BANDIT_ARMS] = {0};
    uint64_t seed = 4;

    c.among = among;
    for (int i = 0; i < N; i++) {
        struct bandit_choice choice = choose(b, s, &c, &seed);
        chosen[choice.arm]++;
        told[choice.arm] = choice.probability; /* nothing is learned meanwhile: always the same */
    }
    for (int i = 0; i < s->arms; i++) {
        CHECK_NEAR((double)chosen[i] / N, told[i], 0.012);
        CHECK(among >> i & 1 || !chosen[i]);
        sum += told[i];
    }
    CHECK_NEAR(sum, 1, 1e-9); /* each of them was chosen at least once */
}

static void test_propensities(void)
{
    struct bandits *b = open_bandits();
    struct bandit_spec s = spec_of("propensity", abc), l = spec_of("linear", abc);

    for (int i = 0; i < 12; i++)
        learn(b, &s, "", i % 3, i % 3 == 0 ? 0.7 : 0.4);
    check_propensity(&s, b, 7);
    check_propensity(&s, b, 5);
    s.explore = 0.3;
    check_propensity(&s, b, 7);
    l.method = BANDIT_LINUCB;
    check_propensity(&l, b, 7); /* nothing is known: all the same */
    learn(b, &l, "", 1, 0.9);
    l.explore = 0.3;
    check_propensity(&l, b, 7);
    CHECK_INT(choose(b, &s, &(struct bandit_context){.among = 2}, &(uint64_t){5}).arm, 1);
    close_bandits(b);
}

/* ---- limits ---- */

static void test_descriptions(void)
{
    static char long_name[100];
    struct bandit_spec s;
    struct err err;

    memset(long_name, 'x', sizeof long_name - 1);
#define REFUSED(change, why)                                                                       \
    do {                                                                                           \
        s = spec_of("fine", abc);                                                                  \
        CHECK_INT(bandit_check(&s, &err), 0);                                                      \
        change;                                                                                    \
        CHECK_INT(bandit_check(&s, &err), -1);                                                     \
        if (!test_note(strstr(err.message, why) != NULL, __FILE__, __LINE__))                      \
            fprintf(stderr, "\"%s\" is not in \"%s\"\n", why, err.message);                        \
    } while (0)
    REFUSED(s.name = SPAN(""), "name: a name has 1 to 64 bytes, not 0");
    REFUSED(s.name = text(long_name), "name: a name has 1 to 64 bytes, not 99");
    REFUSED(s.name = SPAN("a\0b"), "zero byte");
    REFUSED(s.arms = 0, "arms: there must be one");
    REFUSED(s.arm[1] = s.arm[0], "\"a\" is listed twice");
    REFUSED(s.arm[2] = text(long_name), "arms: a name has 1 to 96");
    REFUSED(s.discount = 0.4, "discount: must be a number from 0.5 to 1");
    REFUSED(s.discount = (double)NAN, "discount");
    REFUSED(s.explore = 1.1, "explore");
    REFUSED(s.prior_a = 0.5, "prior");
    REFUSED(s.alpha = -1, "alpha");
    REFUSED(s.ridge = 0, "ridge");
    REFUSED(s.worth = (double)INFINITY, "worth");
#undef REFUSED
}

static void test_room_for_bandits_and_buckets_has_an_end(void)
{
    struct bandits *b = open_bandits();
    char name[32];
    int learned = 0, full = 0;
    struct bandit_spec s = spec_of("many", abc);

    for (int i = 0; i < 300; i++) {
        snprintf(name, sizeof name, "bucket %d", i);
        learned += learn(b, &s, name, 0, 1) == 1;
    }
    CHECK_INT(learned, 300); /* those beyond are one bucket */
    CHECK_NEAR(seen(b, "bandits.0.buckets.255.learned"), 45, 0);
    CHECK_NEAR(seen(b, "bandits.0.buckets.256.learned"), -1, 0);
    for (int i = 0; i < 800; i++) {
        snprintf(name, sizeof name, "more %d", i / 200);
        s.name = text(name);
        char bucket[32];
        snprintf(bucket, sizeof bucket, "bucket %d", i);
        full += learn(b, &s, bucket, 0, 1) < 0;
    }
    CHECK_INT(full, 800 - (BANDIT_CELLS - BANDIT_BUCKETS));
    CHECK_INT(bandit_reset(b, text("many")), 1);
    CHECK_INT(learn(b, &s, "again", 0, 1), 1);
    for (int i = 0; i < BANDIT_BANDITS; i++) {
        snprintf(name, sizeof name, "name %d", i);
        s.name = text(name);
        full = learn(b, &s, "", 0, 1);
    }
    CHECK_INT(full, -1);
    close_bandits(b);
}

/* An arm that is new takes the place of one that is used no more, never of one that is. */
static void test_arms_come_and_go(void)
{
    struct bandits *b = open_bandits();
    struct bandit_spec s = spec_of("arms", abc);
    char names[40][16];

    CHECK_INT(learn(b, &s, "", 1, 1), 1);
    s = spec_of("arms", (const char *const[]){"c", "b", NULL}); /* in another order */
    CHECK_INT(learn(b, &s, "", 1, 1), 1);
    CHECK_NEAR(seen(b, "bandits.0.buckets.0.arms.1.learned"), 2, 0);
    for (int i = 0; i < 40; i++) {
        snprintf(names[i], sizeof names[i], "new %d", i);
        s.arm[0] = text(names[i]);
        CHECK_INT(learn(b, &s, "", 0, 1), 1);
    }
    CHECK_NEAR(seen(b, "bandits.0.buckets.0.arms.1.learned"), 2, 0);
    CHECK_NEAR(seen(b, "bandits.0.buckets.0.arms.31.learned"), 1, 0);
    CHECK_NEAR(seen(b, "bandits.0.buckets.0.arms.32.learned"), -1, 0);
    close_bandits(b);
}

/* Generations that describe it differently do not disturb each other, and there are three at most. */
static void test_versions_of_a_name(void)
{
    struct bandits *b = open_bandits();
    struct bandit_spec one = spec_of("v", abc), two = one;
    static const char *const features[] = {"x", "y", "z"};

    two.method = BANDIT_LINUCB;
    learn(b, &one, "", 0, 1);
    for (int i = 0; i < 3; i++) {
        two.features = 1;
        two.feature[0] = text(features[i]);
        learn(b, &two, "", 0, 1);
        learn(b, &one, "", 0, 1);
    }
    CHECK_INT(bandit_freeze(b, text("v"), true), 3);
    two.features = 0;
    CHECK_INT(learn(b, &two, "", 0, 1), 0); /* a new one is frozen, too */
    CHECK_INT(bandit_freeze(b, text("v"), false), 3);
    CHECK_INT(learn(b, &two, "", 0, 1), 1);
    CHECK_INT(bandit_reset(b, text("v")), 3);
    CHECK_INT(bandit_reset(b, text("v")), 0);
    close_bandits(b);
}

/* ---- feedback ---- */

static void test_feedback_finds_its_decisions(void)
{
    struct bandits *b = open_bandits();
    struct bandit_spec s = spec_of("asked", abc), other = spec_of("other", abc);
    struct bandit_context c = in("code", "trace-1");
    struct bandit_feedback f;
    struct err err;
    uint64_t seed = 6;

    s.worth = 0.1;
    struct bandit_choice first = choose(b, &s, &c, &seed);
    CHECK(first.decision != 0);
    CHECK_INT(choose(b, &s, &(struct bandit_context){.among = 7}, &seed).decision, 0);
    choose(b, &other, &c, &seed);
    bandit_spent(b, text("trace-1"), 0.05);
    CHECK_INT(give(b, "trace-2", 1, &f), -ERR_NOT_FOUND);
    CHECK_INT(bandit_feedback(b, text("trace-1"), text("asked"), 0.5, NOW, &f, &err), 0);
    CHECK_INT(f.decisions, 1);
    CHECK_INT(f.learned, 1);
    CHECK_STR(f.told[0].bandit, "asked");
    CHECK_STR(f.told[0].arm, abc[first.arm]);
    CHECK_STR(f.told[0].bucket, "code");
    CHECK_NEAR(f.told[0].probability, first.probability, 0);
    CHECK_NEAR(f.told[0].cost, 0.05, 0);
    CHECK_NEAR(f.told[0].reward, 0.5, 1e-12);  /* (0.5 + 1 - 0.5) / 2 */
    CHECK_INT(give(b, "trace-1", 0.5, &f), 2); /* the other's was open yet */
    CHECK_INT(f.learned, 1);
    CHECK(!f.repeated);
    CHECK_INT(give(b, "trace-1", 0.5, &f), 2);
    CHECK_INT(f.learned, 0);
    CHECK(f.repeated);
    CHECK_INT(give(b, "trace-1", 0.6, &f), -ERR_INVALID_OUTPUT);
    CHECK_NEAR(seen(b, "bandits.0.buckets.0.learned"), 1, 0);
    close_bandits(b);
}

static void test_feedback_comes_too_late(void)
{
    struct bandits *b = open_bandits();
    struct bandit_spec s = spec_of("late", abc);
    struct bandit_feedback f;
    struct bandit_context c = in("", "old");
    struct err err;
    uint64_t seed = 8;
    char trace[32];

    choose(b, &s, &c, &seed);
    CHECK_INT(bandit_feedback(b, text("old"), text("late"), 1, NOW + DAY, &f, &err), -1);
    CHECK_INT(err.code, ERR_NOT_FOUND);
    CHECK_INT(bandit_feedback(b, text("old"), text("late"), 1, NOW + DAY - 1, &f, &err), 0);
    for (int i = 0; i < BANDIT_DECISIONS; i++) { /* pushes it out, and the first of these not */
        snprintf(trace, sizeof trace, "t%d", i);
        c.trace = text(trace);
        choose(b, &s, &c, &seed);
    }
    CHECK_INT(give(b, "old", 1, &f), -ERR_NOT_FOUND);
    CHECK_INT(give(b, "t0", 1, &f), 1);
    CHECK_NEAR(seen(b, "bandits.0.waiting"), BANDIT_DECISIONS - 1, 0);
    bandit_reset(b, text("late"));
    CHECK_INT(give(b, "t1", 1, &f), -ERR_NOT_FOUND);
    close_bandits(b);
}

static void test_a_trace_waits_for_so_many_only(void)
{
    struct bandits *b = open_bandits();
    struct bandit_spec s = spec_of("many", abc);
    struct bandit_context c = in("", "one");
    struct bandit_feedback f;
    struct err err;
    uint64_t seed = 9;

    for (int i = 0; i < 5 * BANDIT_TOLD; i++)
        CHECK(choose(b, &s, &c, &seed).decision);
    CHECK_NEAR(seen(b, "bandits.0.waiting"), BANDIT_TOLD, 0);
    CHECK_INT(bandit_feedback(b, text("one"), (struct span){0}, 1, NOW, &f, &err), 0);
    CHECK_INT(f.decisions, BANDIT_TOLD);
    CHECK_NEAR(seen(b, "bandits.0.waiting"), 0, 0);
    close_bandits(b);
}

static void test_what_a_script_has_settled_awaits_nothing(void)
{
    struct bandits *b = open_bandits();
    struct bandit_spec s = spec_of("settled", abc);
    struct bandit_context c = in("", "t");
    struct bandit_feedback f;
    uint64_t seed = 9;
    struct err err;
    struct bandit_choice choice = choose(b, &s, &c, &seed);
    struct bandit_outcome o = {
        .arm = choice.arm, .bucket = SPAN(""), .score = 0, .decision = choice.decision};

    CHECK_INT(bandit_learn(b, &s, &o, NOW, &err), 1);
    CHECK_INT(give(b, "t", 1, &f), -ERR_NOT_FOUND);
    close_bandits(b);
}

static void test_frozen(void)
{
    struct bandits *b = open_bandits();
    struct bandit_spec s = spec_of("ice", abc);
    struct bandit_context c = in("", "t");
    struct bandit_feedback f;
    uint64_t seed = 10;

    CHECK_INT(bandit_freeze(b, text("ice"), true), 0);
    learn(b, &s, "", 0, 1);
    CHECK_INT(bandit_freeze(b, text("ice"), true), 1);
    CHECK_INT(learn(b, &s, "", 0, 1), 0);
    CHECK(choose(b, &s, &c, &seed).arm >= 0);
    CHECK_INT(give(b, "t", 1, &f), 1);
    CHECK_INT(f.learned, 0);
    CHECK(!f.repeated);
    CHECK_NEAR(seen(b, "bandits.0.buckets.0.learned"), 1, 0);
    CHECK_INT(bandit_reset(b, text("ice")), 1);
    CHECK_INT(learn(b, &s, "", 0, 1), 0); /* it is empty, and frozen yet */
    CHECK_INT(bandit_freeze(b, text("ice"), false), 1);
    CHECK_INT(learn(b, &s, "", 0, 1), 1);
    CHECK_NEAR(seen(b, "bandits.0.buckets.0.learned"), 1, 0);
    close_bandits(b);
}

/* ---- processes ---- */

static void test_no_update_is_lost(void)
{
    enum { PROCESSES = 4, EACH = 5000 };
    struct bandits *b = open_bandits();
    struct bandit_spec s = spec_of("shared", abc);

    for (int p = 0; p < PROCESSES; p++)
        if (fork() == 0) {
            uint64_t seed = (uint64_t)p;
            struct bandit_context c = in("", "");
            for (int i = 0; i < EACH; i++)
                learn(b, &s, "", choose(b, &s, &c, &seed).arm, 1);
            _exit(0);
        }
    for (int p = 0; p < PROCESSES; p++)
        wait(NULL);
    CHECK_NEAR(seen(b, "bandits.0.buckets.0.learned"), PROCESSES * EACH, 0);
    double sum = 0;
    for (int i = 0; i < 3; i++) {
        char path[64];
        snprintf(path, sizeof path, "bandits.0.buckets.0.arms.%d.learned", i);
        sum += seen(b, path);
    }
    CHECK_NEAR(sum, PROCESSES * EACH, 0);
    close_bandits(b);
}

static void test_a_death_in_an_update_is_undone(void)
{
    struct bandits *b = open_bandits();
    struct bandit_spec s = spec_of("dead", abc);
    struct bandit_context c = in("", "t");
    struct bandit_feedback f;
    uint64_t seed = 11;
    int status;

    s.method = BANDIT_LINUCB;
    learn(b, &s, "", 0, 1);
    choose(b, &s, &c, &seed);
    double weight = seen(b, "bandits.0.buckets.0.arms.0.weights.(constant)");
    pid_t child = fork();
    if (child == 0) {
        bandit_break(b);
        _exit(0);
    }
    waitpid(child, &status, 0);
    CHECK_NEAR(seen(b, "bandits.0.buckets.0.learned"), 1, 0);
    CHECK_NEAR(seen(b, "bandits.0.buckets.0.arms.0.weights.(constant)"), weight, 0);
    CHECK_INT(give(b, "t", 1, &f), 1); /* its lists were emptied, too */
    close_bandits(b);
}

/* ---- files ---- */

static void fill(struct bandits *b)
{
    struct bandit_spec s = spec_of("first", abc), l = spec_of("second", abc);

    s.discount = 0.9;
    for (int i = 0; i < 50; i++) {
        learn(b, &s, i % 2 ? "odd" : "even", i % 3, 0.3);
        l.method = BANDIT_LINUCB;
        l.features = 1;
        l.feature[0] = SPAN("x");
        struct bandit_outcome o = {.arm = i % 3, .bucket = SPAN(""), .x = {0.1}, .score = 0.6};
        struct err err;
        bandit_learn(b, &l, &o, NOW, &err);
    }
    bandit_freeze(b, text("second"), true);
}

static void looked_at(struct bandits *b, struct buf *out)
{
    buf_init(out, 1 << 20);
    bandit_look(b, (struct span){0}, NOW, out);
}

static void test_a_file_brings_all_back(void)
{
    struct bandits *b = open_bandits(), *again = open_bandits();
    struct buf saved, before, after;
    struct err err;

    fill(b);
    buf_init(&saved, 1 << 20);
    uint64_t changes = bandit_changes(b);
    CHECK_INT(bandit_save(b, &saved), 0);
    CHECK(bandit_changes(b) == changes);
    CHECK_INT(bandit_restore(again, buf_span(&saved), &err), 0);
    looked_at(b, &before);
    looked_at(again, &after);
    CHECK(before.len == after.len && memcmp(before.data, after.data, after.len) == 0);
    CHECK_NEAR(seen(again, "bandits.0.buckets.1.learned"), 25, 0);
    struct buf small;
    buf_init(&small, 100);
    CHECK_INT(bandit_save(b, &small), -1);
    CHECK_INT(small.len, 0);
    buf_deinit(&saved);
    buf_deinit(&before);
    buf_deinit(&after);
    buf_deinit(&small);
    close_bandits(b);
    close_bandits(again);
}

static void test_a_damaged_file_changes_nothing(void)
{
    struct bandits *b = open_bandits(), *again = open_bandits();
    struct buf saved;
    struct err err;
    int refused = 0, n = 0;

    fill(b);
    buf_init(&saved, 1 << 20);
    bandit_save(b, &saved);
    for (size_t i = 0; i < saved.len; i += 97, n++) {
        saved.data[i] ^= 0x20;
        refused += bandit_restore(again, buf_span(&saved), &err) < 0;
        saved.data[i] ^= 0x20;
        CHECK(bandit_restore(again, (struct span){saved.data, i}, &err) < 0);
    }
    CHECK_INT(refused, n);
    CHECK_NEAR(seen(again, "bandits.0.waiting"), -1, 0);
    buf_deinit(&saved);
    close_bandits(b);
    close_bandits(again);
}

int main(void)
{
    test_shares();
    test_linear();
    test_reward();
    test_thompson_finds_the_best_arm_and_follows_a_change();
    test_linucb_finds_the_best_arm_and_follows_a_change();
    test_buckets_are_told_apart();
    test_propensities();
    test_descriptions();
    test_room_for_bandits_and_buckets_has_an_end();
    test_arms_come_and_go();
    test_versions_of_a_name();
    test_feedback_finds_its_decisions();
    test_feedback_comes_too_late();
    test_a_trace_waits_for_so_many_only();
    test_what_a_script_has_settled_awaits_nothing();
    test_frozen();
    test_no_update_is_lost();
    test_a_death_in_an_update_is_undone();
    test_a_file_brings_all_back();
    test_a_damaged_file_changes_nothing();
    return test_report("test_bandit");
}
