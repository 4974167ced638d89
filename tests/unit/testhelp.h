/* testhelp - a few lines to count checks and say which one failed, with both values.
 * SPDX-License-Identifier: MIT */
#ifndef TESTHELP_H
#define TESTHELP_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int test_passed, test_failed, test_skipped;

static inline bool test_note(bool ok, const char *file, int line)
{
    if (ok)
        test_passed++;
    else
        test_failed++;
    if (!ok)
        fprintf(stderr, "FAIL %s:%d: ", file, line);
    return ok;
}

#define CHECK(cond)                                                                                \
    do {                                                                                           \
        if (!test_note((cond), __FILE__, __LINE__))                                                \
            fprintf(stderr, "%s\n", #cond);                                                        \
    } while (0)

#define CHECK_INT(a, b)                                                                            \
    do {                                                                                           \
        long long a_ = (long long)(a), b_ = (long long)(b);                                        \
        if (!test_note(a_ == b_, __FILE__, __LINE__))                                              \
            fprintf(stderr, "%s == %s: %lld, %lld\n", #a, #b, a_, b_);                             \
    } while (0)

#define CHECK_STR(a, b)                                                                            \
    do {                                                                                           \
        const char *a_ = (a), *b_ = (b);                                                           \
        if (!test_note(a_ && b_ && strcmp(a_, b_) == 0, __FILE__, __LINE__))                       \
            fprintf(stderr, "%s == %s: \"%s\", \"%s\"\n", #a, #b, a_ ? a_ : "(null)",              \
                    b_ ? b_ : "(null)");                                                           \
    } while (0)

/* The bytes p[0..n) are the C string b. */
#define CHECK_BYTES(p, n, b)                                                                       \
    do {                                                                                           \
        const char *p_ = (p), *b_ = (b);                                                           \
        size_t n_ = (n);                                                                           \
        if (!test_note(p_ && n_ == strlen(b_) && memcmp(p_, b_, n_) == 0, __FILE__, __LINE__))     \
            fprintf(stderr, "%s == %s: \"%.*s\", \"%s\"\n", #p, #b, (int)n_, p_ ? p_ : "", b_);    \
    } while (0)

#define SKIP(why)                                                                                  \
    do {                                                                                           \
        test_skipped++;                                                                            \
        fprintf(stderr, "skipped %s: %s\n", __FILE__, (why));                                      \
    } while (0)

/* The directory of the vectors, or the default beside the checkout. */
static inline const char *test_vectors(void)
{
    const char *dir = getenv("VECTORS");

    return dir && *dir ? dir : "../shared";
}

static inline int test_report(const char *name)
{
    printf("%s: %d passed, %d failed, %d skipped\n", name, test_passed, test_failed, test_skipped);
    return test_failed != 0;
}

#endif
