/* archive_record - one generation as the bytes of a file.
 * SPDX-License-Identifier: MIT
 *
 * "BATONGEN", the SHA-256 of all that follows (64 digits), then, numbers little-endian: form (4),
 * version of the engine (32, filled with zeros), moment (8), length of the snapshot (4), then that.
 * The configuration is no part of it: it holds keys. */
#include "archive.h"
#include "digest.h"

#include <stdlib.h>
#include <string.h>

enum { MAGIC = 8, SUM = 64, FORM = 1, VERSION = 32, HEAD = MAGIC + SUM + 4 + VERSION + 8 + 4 };

static const char magic[MAGIC + 1] = "BATONGEN";

static void put_number(char **to, size_t bytes, uint64_t n)
{
    for (size_t i = 0; i < bytes; i++)
        *(*to)++ = (char)(n >> (8 * i) & 255);
}

static uint64_t take_number(const char **from, size_t bytes)
{
    uint64_t n = 0;

    for (size_t i = 0; i < bytes; i++)
        n |= (uint64_t)(unsigned char)*(*from)++ << (8 * i);
    return n;
}

static void sum_up(struct span record, char sum[DIGEST_HEX + 1])
{
    struct digest d;

    digest_init(&d);
    digest_add(&d, (struct span){record.p + MAGIC + SUM, record.n - MAGIC - SUM});
    digest_end(&d, sum);
}

static int put_head(struct buf *out, int64_t at_us)
{
    char head[HEAD] = {0}, *to = head + MAGIC + SUM;

    memcpy(head, magic, MAGIC);
    put_number(&to, 4, FORM);
    strncpy(to, BATON_VERSION, VERSION - 1);
    to += VERSION;
    put_number(&to, 8, (uint64_t)at_us);
    return buf_add(out, head, HEAD); /* the snapshot's length and the sum come when it is there */
}

int archived_pack(const struct sources *s, int64_t at_us, struct buf *out)
{
    size_t start = out->len;
    char sum[DIGEST_HEX + 1];

    if (put_head(out, at_us) < 0 || sources_pack(s, out) < 0)
        goto fail;
    char *to = out->data + start + HEAD - 4;
    put_number(&to, 4, out->len - start - HEAD);
    sum_up((struct span){out->data + start, out->len - start}, sum);
    memcpy(out->data + start + MAGIC, sum, SUM);
    return 0;
fail:
    out->len = start;
    return -1;
}

static int damaged(struct err *err)
{
    return err_set(err, ERR_BAD_REQUEST, "the stored generation is damaged");
}

/* A text, then only zeros. */
static bool is_padded(const char *version)
{
    size_t n = strnlen(version, VERSION);

    while (n < VERSION && !version[n])
        n++;
    return n == VERSION && !version[VERSION - 1];
}

int archived_unpack(struct archived *out, struct span bytes, struct err *err)
{
    char sum[DIGEST_HEX + 1];

    *out = (struct archived){0};
    if (bytes.n < HEAD || memcmp(bytes.p, magic, MAGIC) != 0)
        return damaged(err);
    sum_up(bytes, sum);
    const char *p = bytes.p + MAGIC + SUM;
    if (memcmp(bytes.p + MAGIC, sum, SUM) != 0 || take_number(&p, 4) != FORM || !is_padded(p))
        return damaged(err);
    memcpy(out->version, p, VERSION);
    p += VERSION;
    out->at_us = (int64_t)take_number(&p, 8);
    size_t sources = (size_t)take_number(&p, 4);
    if (sources > SOURCES_PACKED_MAX || bytes.n - HEAD != sources)
        return damaged(err);
    if (strcmp(out->version, BATON_VERSION) != 0)
        return err_set(err, ERR_BAD_REQUEST,
                       "the stored generation was made by version %s of the engine, this is %s",
                       out->version, BATON_VERSION);
    return sources_unpack(&out->sources, (struct span){p, sources}, err);
}

void archived_deinit(struct archived *d)
{
    sources_deinit(&d->sources);
    *d = (struct archived){0};
}
