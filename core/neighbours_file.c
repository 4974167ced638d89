/* neighbours_file - labelled examples as a file.
 * SPDX-License-Identifier: MIT */
#include "hash.h"
#include "neighbours.h"

#include <string.h>

enum { VERSION = 1, HEAD = 24, COUNTS = 6 };

static uint64_t sum_of(struct span body)
{
    return hash_bytes(&(struct hash_key){0, 0}, body);
}

static uint64_t number_at(const char *p, int bytes)
{
    uint64_t n = 0;

    for (int i = 0; i < bytes; i++)
        n |= (uint64_t)(unsigned char)p[i] << 8 * i;
    return n;
}

static int put_number(struct buf *out, uint64_t n, int bytes)
{
    char p[8];

    for (int i = 0; i < bytes; i++)
        p[i] = (char)(n >> 8 * i & 255);
    return buf_add(out, p, (size_t)bytes);
}

/* The next n bytes; p is NULL where there are fewer. */
static struct span take(struct span *in, size_t n)
{
    struct span got = {in->p, n};

    if (!in->p || in->n < n) {
        *in = (struct span){NULL, 0};
        return (struct span){NULL, 0};
    }
    in->p += n;
    in->n -= n;
    return got;
}

static size_t take_number(struct span *in, int bytes)
{
    struct span got = take(in, (size_t)bytes);

    return got.p ? (size_t)number_at(got.p, bytes) : 0;
}

/* ---- reading ---- */

bool neighbours_is_file(struct span file)
{
    return file.n >= 8 && memcmp(file.p, "BATONNEI", 8) == 0;
}

static int check_frame(struct span file, struct err *err)
{
    if (!neighbours_is_file(file))
        return err_set(err, ERR_BAD_REQUEST, "these are no examples written by 'baton train'");
    if (file.n >= 12 && number_at(file.p + 8, 4) != VERSION)
        return err_set(err, ERR_BAD_REQUEST,
                       "examples of version %d, but this engine reads version %d: train them anew",
                       (int)number_at(file.p + 8, 4), VERSION);
    if (file.n < HEAD + COUNTS || number_at(file.p + 12, 4) != file.n)
        return err_set(err, ERR_BAD_REQUEST, "the examples are damaged: the file has %zu bytes",
                       file.n);
    if (sum_of((struct span){file.p + HEAD, file.n - HEAD}) != number_at(file.p + 16, 8))
        return err_set(err, ERR_BAD_REQUEST, "the examples are damaged: their check sum is wrong");
    return 0;
}

static int take_all(struct neighbours *n, struct span in, struct err *err)
{
    struct span names[NEIGHBOURS_LABELS];
    size_t labels = take_number(&in, 2), examples = take_number(&in, 4);

    for (size_t i = 0; i < labels && i < NEIGHBOURS_LABELS; i++)
        names[i] = take(&in, take_number(&in, 1));
    if (labels > NEIGHBOURS_LABELS || !in.p)
        return -1;
    for (size_t i = 0; i < examples; i++) {
        size_t label = take_number(&in, 2);
        struct span text = take(&in, take_number(&in, 2));
        if (!text.p || label >= labels || text.n > NEIGHBOURS_TEXT ||
            neighbours_add(n, text, names[label], err) < 0)
            return -1;
    }
    return in.n || examples == 0 ? -1 : 0;
}

struct neighbours *neighbours_read(struct span file, struct err *err)
{
    if (file.n > NEIGHBOURS_FILE_MAX) {
        err_set(err, ERR_BUDGET, "the examples take more than %d bytes", NEIGHBOURS_FILE_MAX);
        return NULL;
    }
    if (check_frame(file, err) < 0)
        return NULL;
    struct neighbours *n = neighbours_new();
    if (n && take_all(n, (struct span){file.p + HEAD, file.n - HEAD}, err) == 0)
        return neighbours_build(n, err) == 0 ? n : (neighbours_free(n), NULL);
    neighbours_free(n);
    err_set(err, ERR_BAD_REQUEST, "the examples are damaged: the parts do not fit together");
    return NULL;
}

/* ---- writing ---- */

static int put_all(const struct neighbours *n, struct buf *out)
{
    int labels, result = 0;
    const char *const *names = neighbours_labels(n, &labels);

    result |=
        put_number(out, (uint64_t)labels, 2) | put_number(out, (uint64_t)neighbours_count(n), 4);
    for (int i = 0; i < labels; i++)
        result |= put_number(out, strlen(names[i]), 1) | buf_add(out, names[i], strlen(names[i]));
    for (int i = 0; i < neighbours_count(n); i++) {
        struct span text = neighbours_text(n, i);
        result |= put_number(out, (uint64_t)neighbours_label_number(n, i), 2);
        result |= put_number(out, text.n, 2) | buf_add_span(out, text);
    }
    return result;
}

int neighbours_write(const struct neighbours *n, struct buf *out, struct err *err)
{
    size_t start = out->len;
    int result = buf_add(out, "BATONNEI", 8) | put_number(out, VERSION, 4);

    result |= put_number(out, 0, 4) | put_number(out, 0, 8); /* known in the end */
    result |= put_all(n, out);
    size_t size = out->len - start;
    if (result < 0 || size > NEIGHBOURS_FILE_MAX)
        return err_set(err, ERR_BUDGET, "the examples take more than %d bytes",
                       NEIGHBOURS_FILE_MAX);
    char *file = out->data + start;
    uint64_t sum = sum_of((struct span){file + HEAD, size - HEAD});
    for (int i = 0; i < 4; i++)
        file[12 + i] = (char)(size >> 8 * i & 255);
    for (int i = 0; i < 8; i++)
        file[16 + i] = (char)(sum >> 8 * i & 255);
    return 0;
}
