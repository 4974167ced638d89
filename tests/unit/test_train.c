/* test_train - a head of several labels learns what only words together tell, also in a small file; what the rows lack takes
 * no part; heads of two labels learn together, and what one row has is not learned.
 * SPDX-License-Identifier: MIT */
#include "testhelp.h"
#include "train.h"

#include <stdio.h>
#include <string.h>

enum { ROWS = 400, SMALL = 12000 };

static const char *const things[] = {"card", "transfer", "account"};
static const char *const states[] = {"lost", "late", "locked"};

/* Nine labels, each the thing and its state; other words are the same for all. */
static void write_rows(struct buf *out)
{
    static const char *const noise[] = {"please", "today", "again", "hello", "sorry", "now"};
    char line[200];

    buf_init(out, 1 << 20);
    CHECK_INT(buf_add(out, "text,label\n", 11), 0);
    for (int i = 0; i < ROWS; i++) {
        const char *thing = things[i % 3], *state = states[i / 3 % 3];
        int n = snprintf(line, sizeof line, "%s my %s is %s %s %d,%s_%s\n", noise[i % 5], thing,
                         state, noise[i / 7 % 6], i, thing, state);
        CHECK_INT(buf_add(out, line, (size_t)n), 0);
    }
}

static void read_rows(struct train_data *d)
{
    const struct train_columns columns = {.text = "text", .labels = {"label"}, .label_count = 1};
    struct buf csv;
    struct err err;

    write_rows(&csv);
    CHECK_INT(train_read(d, buf_span(&csv), &columns, &err), 0);
    CHECK_INT(d->n, ROWS);
    CHECK_INT(d->heads[0].shape.count, 9);
    buf_deinit(&csv);
}

static void train_with(const struct train_data *d, const bool *use, size_t bytes, struct buf *file)
{
    const struct train_options options = {.how = {12, 2, 5, false, 0},
                                          .bytes_max = bytes,
                                          .held_back = 0.2,
                                          .other_share = 0.2,
                                          .input_share = 0.1};
    struct err err;

    buf_init(file, LINEAR_FILE_MAX);
    CHECK_INT(train_model(d, use, &options, NULL, file, &err), 0);
    CHECK(file->len <= bytes);
}

static const char *said(const struct linear *m, const char *text)
{
    int n;
    const struct linear_head *head = linear_heads(m, &n);
    float scores[9], p[9];

    linear_scores(m, (struct span){text, strlen(text)}, NULL, scores);
    return head->labels[linear_labels(head, scores, p).best];
}

/* In words that no row has in this order. */
static void check_answers(const struct buf *file)
{
    char text[100], label[100];
    struct err err;
    struct linear *m = linear_read(buf_span(file), &err);

    CHECK(m != NULL);
    for (int i = 0; m && i < 9; i++) {
        snprintf(text, sizeof text, "%s: the %s", states[i / 3], things[i % 3]);
        snprintf(label, sizeof label, "%s_%s", things[i % 3], states[i / 3]);
        CHECK_STR(said(m, text), label);
    }
    linear_free(m);
}

static void test_several_labels(void)
{
    static struct train_data d;
    bool use[ROWS];
    struct buf file, small;

    read_rows(&d);
    for (int i = 0; i < ROWS; i++)
        use[i] = true;
    train_with(&d, use, 262144, &file);
    check_answers(&file);
    train_with(&d, use, SMALL, &small); /* the weights that matter least are left out */
    CHECK(small.len < file.len && file.len > SMALL + 1000);
    check_answers(&small);
    buf_deinit(&file);
    buf_deinit(&small);
    train_data_deinit(&d);
}

/* Labels of which no row is used are as good as ruled out, and take no part. */
static void test_labels_that_are_missing(void)
{
    static struct train_data d;
    bool use[ROWS];
    struct buf file;
    struct err err;

    read_rows(&d);
    for (int i = 0; i < ROWS; i++)
        use[i] = i % 3 != 2; /* no account */
    train_with(&d, use, 262144, &file);
    struct linear *m = linear_read(buf_span(&file), &err);
    CHECK(m != NULL);
    if (m) {
        CHECK_STR(said(m, "my card is late"), "card_late");
        CHECK_STR(said(m, "my transfer is locked"), "transfer_locked");
        CHECK(strncmp(said(m, "my account is locked"), "account", 7) != 0);
    }
    linear_free(m);
    buf_deinit(&file);
    train_data_deinit(&d);
}

/* ---- heads of two labels that learn together ---- */

/* A strong model fails at what is hard, a weak one at what is not easy, too. Every word that says so is in three rows
 * only. Half of the rows do not tell of the weak one; only these say "wet" or "dry". Every row has a word of its own. */
static void write_pairs(struct buf *out)
{
    static const char *const kinds[] = {"easy", "fair", "hard"};
    char line[200];

    buf_init(out, 1 << 20);
    CHECK_INT(buf_add(out, "text,weak,strong\n", 17), 0);
    for (int i = 0; i < ROWS; i++) {
        int kind = i % 3, word = i / 9, n;
        const char *weak = i / 3 % 2 ? "" : kind == 0 ? "1" : "0";
        const char *more = i / 3 % 2 == 0 ? "" : kind < 2 ? "wet" : "dry";
        n = snprintf(line, sizeof line, "own%c%c%c please %s%c%c now %s,%s,%d\n",
                     'a' + i / 400 % 26, 'a' + i / 20 % 20, 'a' + i % 20, kinds[kind],
                     'a' + word / 26, 'a' + word % 26, more, weak, kind < 2);
        CHECK_INT(buf_add(out, line, (size_t)n), 0);
    }
}

static void read_pairs(struct train_data *d)
{
    const struct train_columns columns = {
        .text = "text", .labels = {"weak", "strong"}, .label_count = 2};
    struct buf csv;
    struct err err;

    write_pairs(&csv);
    CHECK_INT(train_read(d, buf_span(&csv), &columns, &err), 0);
    CHECK_INT(d->head_count, 2);
    buf_deinit(&csv);
}

static void train_pairs(const struct train_data *d, int own, struct buf *file)
{
    const struct train_options options = {.how = {16 + own, 2, 0, true, own},
                                          .bytes_max = 262144,
                                          .held_back = 0.2,
                                          .other_share = 0.2,
                                          .input_share = 0.1,
                                          .c = 0.5};
    bool use[ROWS];
    struct err err;

    for (int i = 0; i < ROWS; i++)
        use[i] = true;
    buf_init(file, LINEAR_FILE_MAX);
    CHECK_INT(train_model(d, use, &options, NULL, file, &err), 0);
}

static float score_of(const struct linear *m, int head, const char *text)
{
    float scores[2] = {0};

    linear_scores(m, (struct span){text, strlen(text)}, NULL, scores);
    return scores[head];
}

static void test_heads_of_two_labels(void)
{
    static struct train_data d;
    struct buf file, again, alone;
    struct err err;

    read_pairs(&d);
    train_pairs(&d, LINEAR_OWN, &file);
    train_pairs(&d, LINEAR_OWN, &again);
    train_pairs(&d, 0, &alone);
    CHECK(file.len == again.len && memcmp(file.data, again.data, file.len) == 0);
    CHECK(file.len < alone.len); /* words of one row are left out */
    struct linear *m = linear_read(buf_span(&file), &err),
                  *one = linear_read(buf_span(&alone), &err);
    CHECK(m && one);
    if (m && one) {
        const char *easy = "please easyab now", *fair = "please fairab now",
                   *hard = "please hardab now";
        for (int head = 0; head < 2; head++)
            CHECK(score_of(m, head, easy) > score_of(m, head, hard));
        CHECK(score_of(m, 1, fair) > score_of(m, 1, hard));
        CHECK(score_of(m, 0, easy) > score_of(m, 0, fair));
        /* no row with "wet" or "dry" tells of the weak one: the other head does */
        CHECK(score_of(m, 0, "wet") > score_of(m, 0, "dry"));
        CHECK(score_of(one, 0, "wet") == score_of(one, 0, "dry"));
        CHECK(score_of(m, 0, "ownaaa") == score_of(m, 0, "ownxyz"));
        CHECK(score_of(one, 0, "ownaaa") != score_of(one, 0, "ownxyz"));
    }
    linear_free(m);
    linear_free(one);
    buf_deinit(&file);
    buf_deinit(&again);
    buf_deinit(&alone);
    train_data_deinit(&d);
}

int main(void)
{
    test_several_labels();
    test_labels_that_are_missing();
    test_heads_of_two_labels();
    return test_report("train");
}
