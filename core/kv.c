/* kv - the scripts' state that all workers share: values by key, in shared memory.
 * SPDX-License-Identifier: MIT */
#include "kv.h"

#include "hash.h"
#include "json.h"
#include "kv_shard.h"

#include <assert.h>
#include <math.h>
#include <stdatomic.h>
#include <string.h>

enum {
    SHARD_BYTES = 4 << 20, /* or more, when there are SHARDS_MAX; small ones fill unevenly */
    SHARDS_MAX = 64,
    NUMBER_MAX = 32
};

struct kv {
    struct hash_key hash;
    uint64_t shards; /* a power of two */
    uint64_t shard_size, first_at;
    _Atomic uint64_t changes;
};

/* ---- shards and their locks ---- */

static size_t round_up(size_t n, size_t to)
{
    return (n + to - 1) / to * to;
}

static struct shard *shard_at(const struct kv *kv, uint64_t i)
{
    return (struct shard *)((char *)(uintptr_t)kv + kv->first_at + i * kv->shard_size);
}

static void note_change(struct kv *kv)
{
    atomic_fetch_add(&kv->changes, 1);
}

static void lock(struct kv *kv, struct shard *s)
{
    if (!shm_lock(&s->lock))
        return;
    shard_repair(s);
    note_change(kv); /* what the dead one had changed, perhaps */
}

static struct shard *lock_for(struct kv *kv, struct span key, uint64_t *hash)
{
    assert(key.n > 0 && key.n <= KV_KEY_MAX);
    *hash = hash_bytes(&kv->hash, key);
    struct shard *s = shard_at(kv, *hash >> 32 & (kv->shards - 1));
    lock(kv, s);
    return s;
}

/* ---- making ---- */

static uint64_t shards_for(size_t bytes)
{
    uint64_t n = 1;

    while (n < SHARDS_MAX && n * 2 * SHARD_BYTES <= bytes)
        n *= 2;
    return n;
}

size_t kv_size(size_t bytes)
{
    return round_up(bytes, 4096);
}

void kv_format(void *part, size_t size)
{
    struct kv *kv = part;

    assert(size >= 16 * 1024);
    hash_key_init(&kv->hash);
    kv->first_at = round_up(sizeof *kv, SHARD_BLOCK);
    kv->shards = shards_for(size);
    kv->shard_size = (size - kv->first_at) / kv->shards / SHARD_BLOCK * SHARD_BLOCK;
    for (uint64_t i = 0; i < kv->shards; i++)
        shard_format(shard_at(kv, i), kv->shard_size);
}

/* ---- values ---- */

static struct kv_number number_of(const struct head *h)
{
    struct kv_number n = {.whole = h->kind == WHOLE};

    if (n.whole)
        n.i = (int64_t)h->bits;
    else
        memcpy(&n.d, &h->bits, sizeof n.d);
    return n;
}

static void set_number(struct entry *e, struct kv_number n)
{
    e->kind = n.whole ? WHOLE : FLOAT;
    e->value = (struct span){0};
    if (n.whole)
        e->bits = (uint64_t)n.i;
    else
        memcpy(&e->bits, &n.d, sizeof e->bits);
}

static int write_number(struct buf *out, struct kv_number n)
{
    return n.whole ? json_write_int(out, n.i) : json_write_double(out, n.d);
}

/* A number that is spelled as we would spell it is kept as one: then adding to it is one store. */
static void set_value(struct entry *e, struct span value)
{
    struct kv_number n = {0};
    char room[NUMBER_MAX];
    struct buf b = {.data = NULL};

    e->kind = TEXT;
    e->value = value;
    if (value.n >= sizeof room || json_type(value) != JSON_NUMBER)
        return;
    n.whole = json_int(value, &n.i) == 0;
    if (!n.whole && json_double(value, &n.d) < 0)
        return;
    buf_init(&b, sizeof room);
    if (write_number(&b, n) == 0 && b.len == value.n && memcmp(b.data, value.p, value.n) == 0)
        set_number(e, n);
    buf_deinit(&b);
}

/* Appends the value's text. */
static int read_value(struct shard *s, uint32_t entry, struct buf *out)
{
    const struct head *h = shard_head(s, entry);
    char key[KV_KEY_MAX];

    if (h->kind != TEXT)
        return write_number(out, number_of(h));
    char *to = buf_reserve(out, h->value_n);
    if (!to && h->value_n)
        return -1;
    shard_read(s, entry, key, to);
    out->len += h->value_n;
    return 0;
}

/* Is it the value whose entry would be 'e'? */
static bool is_value(struct shard *s, uint32_t entry, const struct entry *e)
{
    const struct head *h = shard_head(s, entry);

    if (e->kind == TEXT)
        return shard_is_text(s, entry, e->value);
    return h->kind == e->kind && h->bits == e->bits;
}

/* ---- what the header promises ---- */

int kv_get(struct kv *kv, struct span key, int64_t now, struct buf *out)
{
    uint64_t hash;
    struct shard *s = lock_for(kv, key, &hash);
    uint32_t *link = shard_find(s, hash, key, now);
    int result = !link ? 0 : read_value(s, *link, out) < 0 ? -1 : 1;

    shm_unlock(&s->lock);
    return result;
}

/* With the shard locked: puts, and notes the change if the old one or the new one persists. */
static int put_noted(struct kv *kv, struct shard *s, uint32_t *link, const struct entry *e,
                     int64_t now, struct err *err)
{
    bool persist = e->keep.persist || (link && shard_head(s, *link)->persist);

    if (shard_put(s, link, e, now, err) < 0)
        return -1;
    if (persist)
        note_change(kv);
    return 0;
}

static void drop_noted(struct kv *kv, struct shard *s, uint32_t *link)
{
    bool persist = shard_head(s, *link)->persist;

    shard_drop(s, link);
    if (persist)
        note_change(kv);
}

int kv_set(struct kv *kv, struct span key, struct span value, const struct kv_keep *keep,
           int64_t now, struct err *err)
{
    struct entry e = {.key = key, .keep = *keep};

    assert(value.n <= KV_VALUE_MAX);
    set_value(&e, value);
    struct shard *s = lock_for(kv, key, &e.hash);
    int result = put_noted(kv, s, shard_find(s, e.hash, key, now), &e, now, err);
    shm_unlock(&s->lock);
    return result;
}

static double as_double(struct kv_number n)
{
    return n.whole ? (double)n.i : n.d;
}

static int add(struct kv_number a, struct kv_number b, struct kv_number *sum, struct err *err)
{
    *sum = (struct kv_number){.whole = a.whole && b.whole};
    if (sum->whole && __builtin_add_overflow(a.i, b.i, &sum->i))
        return err_set(err, ERR_BAD_REQUEST, "the sum does not fit in 64 bits");
    if (sum->whole)
        return 0;
    sum->d = as_double(a) + as_double(b);
    return isfinite(sum->d) ? 0 : err_set(err, ERR_BAD_REQUEST, "the sum is too large");
}

static int incr(struct kv *kv, struct shard *s, struct entry *e, struct kv_number by, int64_t now,
                struct kv_number *sum, struct err *err)
{
    uint32_t *link = shard_find(s, e->hash, e->key, now);
    struct head *h = link ? shard_head(s, *link) : NULL;

    if (h && h->kind == TEXT)
        return err_set(err, ERR_BAD_REQUEST, "the value is not a number that can be added to");
    if (add(h ? number_of(h) : (struct kv_number){.whole = true}, by, sum, err) < 0)
        return -1;
    set_number(e, *sum);
    if (h)
        e->keep = (struct kv_keep){h->expires, h->persist};
    if (!h || h->kind != e->kind)
        return put_noted(kv, s, link, e, now, err);
    __atomic_store_n(&h->bits, e->bits, __ATOMIC_RELEASE);
    if (h->persist)
        note_change(kv);
    return 0;
}

int kv_incr(struct kv *kv, struct span key, struct kv_number by, const struct kv_keep *keep,
            int64_t now, struct kv_number *sum, struct err *err)
{
    struct entry e = {.key = key, .keep = *keep};
    struct shard *s = lock_for(kv, key, &e.hash);
    int result = incr(kv, s, &e, by, now, sum, err);

    shm_unlock(&s->lock);
    return result;
}

int kv_cas(struct kv *kv, struct span key, struct span old, struct span value,
           const struct kv_keep *keep, int64_t now, struct err *err)
{
    struct entry was = {.key = key}, e = {.key = key, .keep = *keep};
    int result = 1;

    assert(value.n <= KV_VALUE_MAX);
    if (old.p)
        set_value(&was, old);
    if (value.p)
        set_value(&e, value);
    struct shard *s = lock_for(kv, key, &e.hash);
    uint32_t *link = shard_find(s, e.hash, key, now);
    bool same = link ? old.p && is_value(s, *link, &was) : !old.p;
    if (!same)
        result = 0;
    else if (value.p)
        result = put_noted(kv, s, link, &e, now, err) < 0 ? -1 : 1;
    else if (link)
        drop_noted(kv, s, link);
    shm_unlock(&s->lock);
    return result;
}

bool kv_delete(struct kv *kv, struct span key, int64_t now)
{
    uint64_t hash;
    struct shard *s = lock_for(kv, key, &hash);
    uint32_t *link = shard_find(s, hash, key, now);

    if (link)
        drop_noted(kv, s, link);
    shm_unlock(&s->lock);
    return link != NULL;
}

/* ---- all entries ---- */

struct walk {
    int64_t now;
    bool (*fn)(void *arg, const struct kv_entry *e);
    void *arg;
    struct buf value;
};

/* 1: go on; 0: enough; -1: no memory. */
static int walk_entry(struct walk *w, struct shard *s, uint32_t entry)
{
    const struct head *h = shard_head(s, entry);
    char key[KV_KEY_MAX];

    if (shard_expired(h, w->now))
        return 1;
    w->value.len = 0;
    if (read_value(s, entry, &w->value) < 0)
        return -1;
    shard_read(s, entry, key, NULL);
    struct kv_entry e = {{key, h->key_n}, buf_span(&w->value), {h->expires, h->persist}};
    return w->fn(w->arg, &e);
}

static int walk_shard(struct walk *w, struct shard *s)
{
    int result = 1;

    for (uint32_t i = 0; i < s->buckets; i++)
        for (uint32_t entry = shard_buckets(s)[i]; entry && result == 1;
             entry = shard_head(s, entry)->link)
            result = walk_entry(w, s, entry);
    return result;
}

int kv_each(struct kv *kv, int64_t now, bool (*fn)(void *arg, const struct kv_entry *e), void *arg)
{
    struct walk w = {.now = now, .fn = fn, .arg = arg};
    int result = 1;

    buf_init(&w.value, KV_VALUE_MAX);
    for (uint64_t i = 0; i < kv->shards && result == 1; i++) {
        struct shard *s = shard_at(kv, i);
        lock(kv, s);
        result = walk_shard(&w, s);
        shm_unlock(&s->lock);
    }
    buf_deinit(&w.value);
    return result < 0 ? -1 : 0;
}

uint64_t kv_changes(const struct kv *kv)
{
    return atomic_load(&((struct kv *)(uintptr_t)kv)->changes);
}

void kv_stats(struct kv *kv, struct kv_stats *stats)
{
    *stats = (struct kv_stats){0};
    for (uint64_t i = 0; i < kv->shards; i++) {
        struct shard *s = shard_at(kv, i);
        lock(kv, s);
        stats->entries += s->entries;
        stats->bytes += shard_bytes_used(s);
        stats->room += shard_bytes(s);
        stats->refused += s->refused;
        stats->repairs += s->repairs;
        shm_unlock(&s->lock);
    }
}

/* ---- for tests ---- */

bool kv_is_whole(struct kv *kv)
{
    bool whole = true;

    for (uint64_t i = 0; i < kv->shards; i++) {
        struct shard *s = shard_at(kv, i);
        lock(kv, s);
        whole = shard_is_whole(s) && whole;
        shm_unlock(&s->lock);
    }
    return whole;
}

void kv_repair(struct kv *kv)
{
    for (uint64_t i = 0; i < kv->shards; i++)
        shm_mutex_init(&shard_at(kv, i)->lock);
    for (uint64_t i = 0; i < kv->shards; i++)
        shard_repair(shard_at(kv, i));
}
