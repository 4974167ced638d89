/* test_buf - the values everything stands on: bytes with a ceiling, errors, lists.
 * SPDX-License-Identifier: MIT */
#include "buf.h"

#include "err.h"
#include "list.h"
#include "testhelp.h"

#include <stdint.h>

static void test_spans(void)
{
    CHECK(span_is(SPAN("abc"), "abc"));
    CHECK(!span_is(SPAN("abc"), "ab"));
    CHECK(!span_is(SPAN("ab"), "abc"));
    CHECK(!span_is(SPAN("abd"), "abc"));
    CHECK(span_is(SPAN(""), ""));
    CHECK(!span_is((struct span){NULL, 0}, ""));
    CHECK(!span_is((struct span){"a\0b", 3}, "a"));
}

static void test_growing(void)
{
    struct buf b;

    buf_init(&b, 100000);
    CHECK(b.data == NULL && buf_span(&b).p && buf_span(&b).n == 0);
    for (int i = 0; i < 10000; i++)
        CHECK_INT(buf_add(&b, "0123456789", 10), 0);
    CHECK_INT(b.len, 100000);
    CHECK_INT(b.cap, 100000);
    CHECK_INT(buf_add(&b, "x", 1), -1);
    CHECK_INT(buf_puts(&b, "x"), -1);
    CHECK_INT(buf_puts(&b, ""), 0);
    CHECK_INT(buf_add(&b, NULL, 0), 0);
    CHECK(buf_reserve(&b, 1) == NULL);
    CHECK(buf_reserve(&b, 0) != NULL);
    CHECK_INT(b.len, 100000);
    CHECK(memcmp(b.data + 99990, "0123456789", 10) == 0);
    buf_consume(&b, 99995);
    CHECK_BYTES(b.data, b.len, "56789");
    buf_consume(&b, 0);
    buf_consume(&b, 5);
    CHECK_INT(b.len, 0);
    buf_consume(&b, 0);
    buf_deinit(&b);
    buf_deinit(&b);
    CHECK_INT(buf_puts(&b, "again"), 0); /* the ceiling stays */
    CHECK_INT(b.max, 100000);
    buf_deinit(&b);
}

static void test_ceilings(void)
{
    struct buf b;

    for (size_t max = 0; max < 600; max++) {
        buf_init(&b, max);
        size_t n = 0;
        while (buf_add(&b, "xyz", 3) == 0)
            n += 3;
        CHECK(n + 3 > max && n <= max && b.len == n && b.cap <= (max > 256 ? max : 256));
        CHECK(buf_reserve(&b, max - n) != NULL);
        CHECK(buf_reserve(&b, max - n + 1) == NULL);
        CHECK(buf_reserve(&b, SIZE_MAX) == NULL);
        buf_deinit(&b);
    }
}

static void test_printf(void)
{
    struct buf b;

    buf_init(&b, 20);
    CHECK_INT(buf_printf(&b, "%d-%s", 42, "abc"), 0);
    CHECK_BYTES(b.data, b.len, "42-abc");
    CHECK_INT(buf_printf(&b, "%s", ""), 0);
    CHECK_INT(buf_printf(&b, "%013d", 1), 0);
    CHECK_INT(b.len, 19);
    CHECK_INT(buf_printf(&b, "%s", "too much"), -1);
    CHECK_INT(b.len, 19);
    buf_deinit(&b);
}

static void test_take(void)
{
    struct buf b;
    size_t n = 7;

    buf_init(&b, 20);
    CHECK(buf_take(&b, &n) == NULL && n == 0);
    buf_puts(&b, "mine");
    char *p = buf_take(&b, &n);
    CHECK_BYTES(p, n, "mine");
    CHECK(b.data == NULL && b.len == 0 && b.max == 20);
    free(p);
}

/* ---- errors ---- */

static void test_codes(void)
{
    for (int i = ERR_NONE + 1; i < ERR_CODES; i++) {
        const char *name = err_name((enum err_code)i);
        CHECK(name && *name && strspn(name, "abcdefghijklmnopqrstuvwxyz_") == strlen(name));
        CHECK_INT(err_code_of(name), i);
    }
    CHECK_STR(err_name(ERR_NONE), "none");
    CHECK_STR(err_name(ERR_RATE_LIMITED), "rate_limited");
    CHECK_STR(err_name((enum err_code)99), "internal");
    CHECK_STR(err_name((enum err_code) - 1), "internal");
    CHECK_INT(err_code_of("none"), ERR_NONE);
    CHECK_INT(err_code_of(""), ERR_NONE);
    CHECK_INT(err_code_of("Timeout"), ERR_NONE);
}

static void test_messages(void)
{
    struct err err;

    CHECK_INT(err_set(&err, ERR_AUTH, "%s %d", "x", 7), -1);
    CHECK_INT(err.code, ERR_AUTH);
    CHECK_STR(err.message, "x 7");
    CHECK_INT(err_prefix(&err, "in %s", "a"), -1);
    CHECK_STR(err.message, "in a: x 7");
    CHECK_INT(err.code, ERR_AUTH);
}

/* Every cut falls on the border of a character. */
static void test_long_messages(void)
{
    static const char *const letters[] = {"x", "\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x98\x80"};
    char text[2000];
    struct err err;

    for (size_t width = 1; width <= 4; width++) {
        for (size_t start = 0; start < 5; start++) {
            memset(text, 'a', start);
            for (size_t at = start; at + width < sizeof text - 5; at += width)
                memcpy(text + at, letters[width - 1], width + 1);
            err_set(&err, ERR_INTERNAL, "%s", text);
            size_t n = strlen(err.message);
            CHECK(n < ERR_MESSAGE_MAX && n + 2 * width > ERR_MESSAGE_MAX);
            CHECK_INT((n - start) % width, 0);
            CHECK(strncmp(text, err.message, n) == 0);
            for (size_t i = 0; i < 8; i++) {
                err_prefix(&err, "%.*s", (int)i, "1234567890");
                n = strlen(err.message);
                CHECK(n < ERR_MESSAGE_MAX);
                CHECK(width == 1 || strcmp(err.message + n - width, letters[width - 1]) == 0);
            }
        }
    }
    err_set(&err, ERR_INTERNAL, "short");
    err_prefix(&err, "%s", text);
    CHECK_INT(strlen(err.message) <= ERR_MESSAGE_MAX - 1, 1);
}

/* ---- lists ---- */

struct item {
    int n;
    struct list node;
};

static void test_list(void)
{
    struct list head;
    struct item items[3] = {{.n = 0}, {.n = 1}, {.n = 2}};
    int n = 0;

    list_init(&head);
    CHECK(list_empty(&head) && list_first(&head) == NULL);
    for (int i = 0; i < 3; i++)
        list_append(&head, &items[i].node);
    for (struct list *p = head.next; p != &head; p = p->next)
        CHECK_INT(LIST_ENTRY(p, struct item, node)->n, n++);
    list_remove(&items[1].node);
    list_remove(&items[1].node);
    CHECK(LIST_ENTRY(list_first(&head), struct item, node)->n == 0);
    CHECK(items[0].node.next == &items[2].node && items[2].node.prev == &items[0].node);
    list_remove(&items[0].node);
    list_remove(&items[2].node);
    CHECK(list_empty(&head));
}

int main(void)
{
    test_spans();
    test_growing();
    test_ceilings();
    test_printf();
    test_take();
    test_codes();
    test_messages();
    test_long_messages();
    test_list();
    return test_report("buf");
}
