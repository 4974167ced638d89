/* cache - what one worker remembers: bytes by key, bounded, the least used goes first.
 * SPDX-License-Identifier: MIT */
#include "cache.h"

#include "hash.h"
#include "list.h"

#include <stdlib.h>
#include <string.h>

enum {
    MALLOC_BYTES = 16, /* that malloc adds to each block */
    BYTES_A_BUCKET = 512,
    BUCKETS_MIN = 64,
    BUCKETS_MAX = 1 << 20
};

struct entry {
    struct list used; /* in the order of use */
    struct entry *next;
    uint64_t hash;
    int64_t expires;
    uint32_t key_n, value_n;
    char bytes[]; /* the key, the value */
};

struct cache {
    struct hash_key hash;
    struct list used; /* the one that was used longest ago comes first */
    struct entry **buckets;
    size_t bucket_count; /* a power of two */
    struct cache_stats stats;
};

static size_t cost(size_t key_n, size_t value_n)
{
    return sizeof(struct entry) + key_n + value_n + MALLOC_BYTES;
}

static size_t buckets_for(size_t max)
{
    size_t n = BUCKETS_MIN;

    while (n < BUCKETS_MAX && n * BYTES_A_BUCKET < max)
        n *= 2;
    return n;
}

struct cache *cache_new(size_t max, struct err *err)
{
    struct cache *c = calloc(1, sizeof *c);

    if (!c)
        goto fail;
    list_init(&c->used);
    hash_key_init(&c->hash);
    c->stats.max = max;
    c->bucket_count = buckets_for(max);
    c->buckets = calloc(c->bucket_count, sizeof(struct entry *));
    if (c->buckets)
        return c;
fail:
    cache_free(c);
    err_set(err, ERR_OVERLOADED, "out of memory for a cache");
    return NULL;
}

static struct entry **bucket_of(struct cache *c, uint64_t hash)
{
    return &c->buckets[hash & (c->bucket_count - 1)];
}

/* The pointer that leads to the entry; where there is none, it leads to NULL. */
static struct entry **find(struct cache *c, struct span key, uint64_t hash)
{
    struct entry **e = bucket_of(c, hash);

    while (*e &&
           ((*e)->hash != hash || (*e)->key_n != key.n || memcmp((*e)->bytes, key.p, key.n) != 0))
        e = &(*e)->next;
    return e;
}

static void drop(struct cache *c, struct entry **at)
{
    struct entry *e = *at;

    *at = e->next;
    list_remove(&e->used);
    c->stats.entries--;
    c->stats.bytes -= cost(e->key_n, e->value_n);
    free(e);
}

void cache_free(struct cache *c)
{
    struct list *node;

    if (!c)
        return;
    while ((node = list_first(&c->used))) {
        list_remove(node);
        free(LIST_ENTRY(node, struct entry, used));
    }
    free(c->buckets);
    free(c);
}

bool cache_get(struct cache *c, struct span key, int64_t now, struct span *value)
{
    struct entry **at = find(c, key, hash_bytes(&c->hash, key)), *e = *at;

    if (e && e->expires <= now) {
        drop(c, at);
        e = NULL;
    }
    if (!e) {
        c->stats.misses++;
        return false;
    }
    c->stats.hits++;
    list_remove(&e->used);
    list_append(&c->used, &e->used);
    *value = (struct span){e->bytes + e->key_n, e->value_n};
    return true;
}

/* Drops those that were used longest ago until there are 'need' bytes. */
static void make_room(struct cache *c, size_t need)
{
    while (c->stats.bytes + need > c->stats.max) {
        struct entry *e = LIST_ENTRY(list_first(&c->used), struct entry, used);
        drop(c, find(c, (struct span){e->bytes, e->key_n}, e->hash));
        c->stats.evicted++;
    }
}

/* Without memory the chains just are longer. */
static void spread(struct cache *c, size_t bucket_count)
{
    struct entry **buckets = calloc(bucket_count, sizeof *buckets);

    if (!buckets)
        return;
    free(c->buckets);
    c->buckets = buckets;
    c->bucket_count = bucket_count;
    for (struct list *node = c->used.next; node != &c->used; node = node->next) {
        struct entry *e = LIST_ENTRY(node, struct entry, used);
        e->next = *bucket_of(c, e->hash);
        *bucket_of(c, e->hash) = e;
    }
}

void cache_resize(struct cache *c, size_t max)
{
    c->stats.max = max;
    make_room(c, 0);
    if (buckets_for(max) != c->bucket_count)
        spread(c, buckets_for(max));
}

int cache_set(struct cache *c, struct span key, struct span value, int64_t expires, struct err *err)
{
    size_t need = cost(key.n, value.n);
    uint64_t hash = hash_bytes(&c->hash, key);
    struct entry **old = find(c, key, hash), *e;

    if (*old)
        drop(c, old);
    if (need > c->stats.max / 8)
        return err_set(err, ERR_BUDGET, "%zu bytes are too many for a cache of %zu", need,
                       c->stats.max);
    if (!(e = malloc(sizeof *e + key.n + value.n)))
        return err_set(err, ERR_OVERLOADED, "out of memory for the cache");
    make_room(c, need);
    *e = (struct entry){
        .hash = hash, .expires = expires, .key_n = (uint32_t)key.n, .value_n = (uint32_t)value.n};
    memcpy(e->bytes, key.p, key.n);
    if (value.n)
        memcpy(e->bytes + key.n, value.p, value.n);
    list_append(&c->used, &e->used);
    e->next = *bucket_of(c, hash);
    *bucket_of(c, hash) = e;
    c->stats.entries++;
    c->stats.bytes += need;
    return 0;
}

bool cache_delete(struct cache *c, struct span key, int64_t now)
{
    struct entry **at = find(c, key, hash_bytes(&c->hash, key));

    if (!*at)
        return false;
    bool valid = (*at)->expires > now;
    drop(c, at);
    return valid;
}

void cache_stats(const struct cache *c, struct cache_stats *stats)
{
    *stats = c->stats;
}
