/* test_neighbours - the nearest examples, their file damaged and foreign, and what many of them cost.
 * SPDX-License-Identifier: MIT */
#include "neighbours.h"
#include "testhelp.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

static void add(struct neighbours *n, const char *text, const char *label)
{
    struct err err;

    CHECK_INT(neighbours_add(n, (struct span){text, strlen(text)},
                             (struct span){label, strlen(label)}, &err),
              0);
}

static struct neighbours *fruit(void)
{
    struct neighbours *n = neighbours_new();

    add(n, "a red round apple", "apple");
    add(n, "a green long pear", "pear");
    add(n, "the blue sky", "other");
    add(n, "an apple a day", "apple");
    return n;
}

static void check_fruit(const struct neighbours *n)
{
    struct neighbour found[8];

    CHECK_INT(neighbours_find(n, SPAN("Is an APPLE red?"), 8, found), 4);
    CHECK_STR(neighbours_label(n, found[0].example), "apple");
    CHECK(found[0].score > found[2].score && found[0].score < 1);
    CHECK_INT(neighbours_find(n, SPAN("the blue sky"), 1, found), 1);
    CHECK_INT(found[0].example, 2);
    CHECK(found[0].score > 0.999f);
    CHECK_INT(neighbours_find(n, SPAN(""), 8, found), 0);
    CHECK_INT(neighbours_find(n, SPAN("\xff\xfe 99999"), 8, found), 0);
}

static void test_nearest(void)
{
    struct neighbours *n = fruit();
    struct err err;
    int labels;

    CHECK_INT(neighbours_build(n, &err), 0);
    CHECK_INT(neighbours_count(n), 4);
    neighbours_labels(n, &labels);
    CHECK_INT(labels, 3);
    CHECK(neighbours_bytes(n) > 65536);
    check_fruit(n);
    neighbours_free(n);
    n = neighbours_new();
    CHECK_INT(neighbours_add(n, SPAN("x"), SPAN(""), &err), -1);
    CHECK_INT(neighbours_add(n, SPAN("x"), SPAN("a\0b"), &err), -1);
    CHECK_INT(neighbours_count(n), 0);
    neighbours_free(n);
    neighbours_free(NULL);
}

/* ---- the file ---- */

static void write_fruit(struct buf *out)
{
    struct neighbours *n = fruit();
    struct err err;

    buf_init(out, NEIGHBOURS_FILE_MAX);
    CHECK_INT(neighbours_write(n, out, &err), 0);
    neighbours_free(n);
}

static void refuse(struct span file, const char *why)
{
    struct err err = {0};
    struct neighbours *n = neighbours_read(file, &err);

    CHECK(n == NULL);
    CHECK(strstr(err.message, why) != NULL);
    neighbours_free(n);
}

static void test_file(void)
{
    struct buf file;
    struct err err;

    write_fruit(&file);
    struct neighbours *n = neighbours_read(buf_span(&file), &err);
    CHECK(n != NULL);
    if (n)
        check_fruit(n);
    neighbours_free(n);
    CHECK(neighbours_is_file(buf_span(&file)));
    refuse(SPAN(""), "no examples");
    refuse(SPAN("BATONLIN"), "no examples");
    refuse(SPAN("BATONNEI\2\0\0\0"), "version 2");
    for (size_t size = 12; size < file.len; size++)
        refuse((struct span){file.data, size}, "damaged");
    for (size_t i = 12; i < file.len; i++) {
        file.data[i] ^= 1;
        refuse(buf_span(&file), "damaged");
        file.data[i] ^= 1;
    }
    buf_deinit(&file);
}

static void test_too_much(void)
{
    struct neighbours *n = neighbours_new();
    static char text[NEIGHBOURS_TEXT * 2];
    struct buf file;
    struct err err;

    memset(text, 'a', sizeof text);
    for (int i = 0; i < 1100; i++)
        CHECK_INT(neighbours_add(n, (struct span){text, sizeof text}, SPAN("x"), &err), 0);
    CHECK_INT(neighbours_text(n, 0).n, NEIGHBOURS_TEXT);
    buf_init(&file, NEIGHBOURS_FILE_MAX);
    CHECK_INT(neighbours_write(n, &file, &err), -1);
    CHECK(strstr(err.message, "more than 4194304 bytes") != NULL);
    buf_deinit(&file);
    neighbours_free(n);
}

/* ---- many ---- */

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* 20,000 examples of the same few words are the worst: every n-gram has 20,000 entries. */
static void test_many(void)
{
    struct neighbours *n = neighbours_new();
    struct neighbour found[NEIGHBOURS_K];
    static char text[1 << 20];
    struct err err;

    for (int i = 0; i < 20000; i++)
        add(n, i % 2 ? "what is the weather like today" : "the weather of today, what is it like",
            i % 2 ? "a" : "b");
    CHECK_INT(neighbours_build(n, &err), 0);
    memset(text, 'w', sizeof text);
    for (size_t i = 0; i + 30 < sizeof text; i += 30)
        memcpy(text + i, "what is the weather of today ", 29);
    double start = now();
    CHECK_INT(neighbours_find(n, (struct span){text, sizeof text}, 1000, found), NEIGHBOURS_K);
    CHECK(now() - start < 1); /* some milliseconds, but for sanitizers and busy machines */
    CHECK(found[0].example < 2 && found[1].example == found[0].example + 2);
    neighbours_free(n);
}

int main(void)
{
    test_nearest();
    test_file();
    test_too_much();
    test_many();
    return test_report("neighbours");
}
