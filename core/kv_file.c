/* kv_file - the entries of kv that persist, as bytes for a file, and back.
 * SPDX-License-Identifier: MIT
 *
 * A line "baton kv 1", then for each entry: length of the key (2 bytes), of the value (4), expiry (8), all with the
 * lowest byte first, the key, the value; then 64 hexadecimal digits, the SHA-256 of all before. */
#include "digest.h"
#include "json.h"
#include "kv.h"

#include <string.h>

#define MAGIC "baton kv 1\n"

enum { HEAD = 14, MAGIC_N = sizeof MAGIC - 1 };

static void put_int(unsigned char *to, uint64_t value, int bytes)
{
    for (int i = 0; i < bytes; i++)
        to[i] = (unsigned char)(value >> (8 * i));
}

static uint64_t take_int(const char *from, int bytes)
{
    uint64_t value = 0;

    for (int i = 0; i < bytes; i++)
        value |= (uint64_t)(unsigned char)from[i] << (8 * i);
    return value;
}

static void digest_of(struct span bytes, char hex[DIGEST_HEX + 1])
{
    struct digest d;

    digest_init(&d);
    digest_add(&d, bytes);
    digest_end(&d, hex);
}

/* ---- saving ---- */

struct saving {
    struct buf *out;
    bool failed;
};

static bool save_entry(void *arg, const struct kv_entry *e)
{
    struct saving *saving = arg;
    unsigned char head[HEAD];

    if (!e->keep.persist)
        return true;
    put_int(head, e->key.n, 2);
    put_int(head + 2, e->value.n, 4);
    put_int(head + 6, (uint64_t)e->keep.expires, 8);
    saving->failed = buf_add(saving->out, head, sizeof head) < 0 ||
                     buf_add_span(saving->out, e->key) < 0 ||
                     buf_add_span(saving->out, e->value) < 0;
    return !saving->failed;
}

int kv_save(struct kv *kv, struct buf *out)
{
    struct saving saving = {.out = out};
    size_t start = out->len;
    char hex[DIGEST_HEX + 1];

    if (buf_puts(out, MAGIC) < 0 || kv_each(kv, 0, save_entry, &saving) < 0 || saving.failed)
        goto fail;
    digest_of((struct span){out->data + start, out->len - start}, hex);
    if (buf_puts(out, hex) < 0)
        goto fail;
    return 0;
fail:
    out->len = start;
    return -1;
}

/* ---- restoring ---- */

/* The next entry of the body; false at its end, or where it makes no sense (then rest->p is NULL). */
static bool next_entry(struct span *rest, struct kv_entry *e)
{
    if (rest->n == 0)
        return false;
    if (rest->n < HEAD)
        goto fail;
    size_t key_n = (size_t)take_int(rest->p, 2), value_n = (size_t)take_int(rest->p + 2, 4);
    e->keep = (struct kv_keep){(int64_t)take_int(rest->p + 6, 8), true};
    if (key_n == 0 || key_n > KV_KEY_MAX || value_n == 0 || value_n > KV_VALUE_MAX ||
        key_n + value_n > rest->n - HEAD || e->keep.expires < 0)
        goto fail;
    e->key = (struct span){rest->p + HEAD, key_n};
    e->value = (struct span){e->key.p + key_n, value_n};
    *rest = (struct span){e->value.p + value_n, rest->n - HEAD - key_n - value_n};
    return true;
fail:
    *rest = (struct span){0};
    return false;
}

static int check(struct span saved, struct span *body, struct err *err)
{
    char hex[DIGEST_HEX + 1];
    struct kv_entry e;
    struct err why;

    if (saved.n < MAGIC_N + DIGEST_HEX || memcmp(saved.p, MAGIC, MAGIC_N) != 0)
        return err_set(err, ERR_BAD_REQUEST, "this is no saved kv of this version");
    digest_of((struct span){saved.p, saved.n - DIGEST_HEX}, hex);
    if (memcmp(saved.p + saved.n - DIGEST_HEX, hex, DIGEST_HEX) != 0)
        return err_set(err, ERR_BAD_REQUEST, "the checksum is wrong: the saved kv is damaged");
    *body = (struct span){saved.p + MAGIC_N, saved.n - MAGIC_N - DIGEST_HEX};
    struct span rest = *body;
    while (next_entry(&rest, &e))
        if (json_check(e.value, &why) < 0)
            return err_set(err, ERR_BAD_REQUEST, "a saved value is no JSON: %.200s", why.message);
    return rest.p ? 0 : err_set(err, ERR_BAD_REQUEST, "a saved entry is cut");
}

int kv_restore(struct kv *kv, struct span saved, int64_t now, size_t *lost, struct err *err)
{
    struct span body;
    struct kv_entry e;
    struct err full;
    size_t n = 0;

    if (check(saved, &body, err) < 0)
        return -1;
    while (next_entry(&body, &e))
        if ((!e.keep.expires || e.keep.expires > now) &&
            kv_set(kv, e.key, e.value, &e.keep, now, &full) < 0)
            n++;
    if (lost)
        *lost = n;
    return 0;
}
