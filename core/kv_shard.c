/* kv_shard - one shard of kv: a hash table of entries in an array of blocks of one size.
 * SPDX-License-Identifier: MIT */
#include "kv_shard.h"

#include <string.h>

enum {
    BLOCK = SHARD_BLOCK,
    SWEEP_US = 100 * 1000,
    RESERVE = 520 /* blocks that only replacements take: the largest entry and a little */
};

/* The others. */
struct more {
    uint32_t next;
    char bytes[BLOCK - 4];
};

_Static_assert(sizeof(struct head) == BLOCK && sizeof(struct more) == BLOCK, "blocks of one size");

static size_t round_up(size_t n, size_t to)
{
    return (n + to - 1) / to * to;
}

/* ---- the places in a shard ---- */

uint32_t *shard_buckets(struct shard *s)
{
    return (uint32_t *)((char *)s + s->buckets_at);
}

static unsigned char *marks_of(struct shard *s)
{
    return (unsigned char *)s + s->marks_at;
}

struct head *shard_head(struct shard *s, uint32_t block)
{
    return (struct head *)((char *)s + s->blocks_at + (size_t)block * BLOCK);
}

static struct more *more_at(struct shard *s, uint32_t block)
{
    return (struct more *)shard_head(s, block);
}

static uint32_t *bucket_of(struct shard *s, uint64_t hash)
{
    return &shard_buckets(s)[hash & (s->buckets - 1)];
}

static uint32_t blocks_for(size_t bytes)
{
    size_t first = sizeof((struct head *)0)->bytes, other = sizeof((struct more *)0)->bytes;

    return bytes <= first ? 1 : (uint32_t)(1 + (bytes - first + other - 1) / other);
}

static uint32_t blocks_of(const struct head *h)
{
    return blocks_for((size_t)h->key_n + h->value_n);
}

/* A word that other processes must see whole, and only after everything before it. */
static void publish(uint32_t *word, uint32_t value)
{
    __atomic_store_n(word, value, __ATOMIC_RELEASE);
}

/* ---- bytes in a chain of blocks ---- */

struct place {
    struct shard *s;
    uint32_t block;
    size_t at; /* in the block */
};

static struct place bytes_of(struct shard *s, uint32_t entry)
{
    return (struct place){s, entry, offsetof(struct head, bytes)};
}

/* The next bytes, at most 'want', and as many as lie in one piece. */
static char *piece(struct place *p, size_t want, size_t *n)
{
    if (p->at == BLOCK) {
        p->block = more_at(p->s, p->block)->next;
        p->at = offsetof(struct more, bytes);
    }
    char *at = (char *)more_at(p->s, p->block) + p->at;
    *n = want < BLOCK - p->at ? want : BLOCK - p->at;
    p->at += *n;
    return at;
}

static void put_bytes(struct place *p, struct span from)
{
    for (size_t n; from.n > 0; from.p += n, from.n -= n) {
        char *to = piece(p, from.n, &n);
        memcpy(to, from.p, n);
    }
}

static void take_bytes(struct place *p, char *to, size_t left)
{
    for (size_t n; left > 0; to += n, left -= n) {
        const char *from = piece(p, left, &n);
        memcpy(to, from, n);
    }
}

static bool are_bytes(struct place *p, struct span s)
{
    for (size_t n; s.n > 0; s.p += n, s.n -= n) {
        const char *here = piece(p, s.n, &n);
        if (memcmp(here, s.p, n) != 0)
            return false;
    }
    return true;
}

/* ---- blocks ---- */

static uint32_t take_block(struct shard *s)
{
    uint32_t block = s->free;

    if (block)
        s->free = more_at(s, block)->next;
    else
        block = s->fresh++;
    s->used++;
    return block;
}

static uint32_t take_blocks(struct shard *s, uint32_t n)
{
    uint32_t first = take_block(s), last = first;

    while (--n > 0) {
        uint32_t block = take_block(s);
        more_at(s, last)->next = block;
        last = block;
    }
    more_at(s, last)->next = 0;
    return first;
}

static void give_blocks(struct shard *s, uint32_t block)
{
    while (block) {
        uint32_t next = more_at(s, block)->next;
        more_at(s, block)->next = s->free;
        s->free = block;
        s->used--;
        block = next;
    }
}

static uint32_t room_left(const struct shard *s)
{
    return s->blocks - 1 - s->used;
}

/* ---- entries ---- */

/* Takes it out of its bucket; the word that leads to it is at 'link'. */
void shard_drop(struct shard *s, uint32_t *link)
{
    uint32_t entry = *link;

    publish(link, shard_head(s, entry)->link);
    s->entries--;
    give_blocks(s, entry);
}

bool shard_expired(const struct head *h, int64_t now)
{
    return h->expires && h->expires <= now;
}

/* The word that leads to the entry, or NULL. One that has expired goes. */
uint32_t *shard_find(struct shard *s, uint64_t hash, struct span key, int64_t now)
{
    uint32_t *link = bucket_of(s, hash);

    for (; *link; link = &shard_head(s, *link)->link) {
        struct head *h = shard_head(s, *link);
        struct place at = bytes_of(s, *link);
        if (h->hash != hash || h->key_n != key.n || !are_bytes(&at, key))
            continue;
        if (!shard_expired(h, now))
            return link;
        shard_drop(s, link);
        return NULL;
    }
    return NULL;
}

/* Drops what has expired, if anything can have; not again at once, since it looks at every entry. */
static void sweep(struct shard *s, int64_t now)
{
    int64_t soonest = 0;

    if (!s->soonest || s->soonest > now || (now >= s->swept && now - s->swept < SWEEP_US))
        return;
    s->swept = now;
    for (uint32_t i = 0; i < s->buckets; i++)
        for (uint32_t *link = &shard_buckets(s)[i]; *link;) {
            struct head *h = shard_head(s, *link);
            if (shard_expired(h, now)) {
                shard_drop(s, link);
                continue;
            }
            if (h->expires && (!soonest || h->expires < soonest))
                soonest = h->expires;
            link = &h->link;
        }
    s->soonest = soonest;
}

/* May n blocks take the place of 'old'? In the end the reserve is untouched, or no more is used than before. */
static bool fits(const struct shard *s, uint32_t n, uint32_t old)
{
    return n <= room_left(s) && (n <= old || n - old + s->reserve <= room_left(s));
}

static void fill(struct shard *s, uint32_t block, const struct entry *e)
{
    struct head *h = shard_head(s, block);
    struct place at = bytes_of(s, block);

    h->value_n = (uint32_t)e->value.n;
    h->key_n = (uint16_t)e->key.n;
    h->kind = (uint8_t)e->kind;
    h->persist = e->keep.persist;
    h->hash = e->hash;
    h->expires = e->keep.expires;
    h->bits = e->bits;
    put_bytes(&at, e->key);
    put_bytes(&at, e->value);
}

/* Makes the entry, or puts it in the place of the one that 'link' leads to. */
int shard_put(struct shard *s, uint32_t *link, const struct entry *e, int64_t now, struct err *err)
{
    uint32_t n = blocks_for(e->key.n + e->value.n), old = link ? *link : 0;
    uint32_t given = old ? blocks_of(shard_head(s, old)) : 0;

    if (!fits(s, n, given)) {
        sweep(s, now); /* the words that lead to entries may change */
        link = old ? shard_find(s, e->hash, e->key, now) : NULL;
        if (!fits(s, n, given)) {
            s->refused++;
            return err_set(err, ERR_BUDGET, "kv is full: no room for %zu bytes",
                           e->key.n + e->value.n);
        }
    }
    uint32_t block = take_blocks(s, n);
    fill(s, block, e);
    if (e->keep.expires && (!s->soonest || e->keep.expires < s->soonest))
        s->soonest = e->keep.expires;
    uint32_t *word = link ? link : bucket_of(s, e->hash);
    shard_head(s, block)->link = link ? shard_head(s, old)->link : *word;
    publish(word, block);
    if (link)
        give_blocks(s, old);
    else
        s->entries++;
    return 0;
}

/* ---- repair ---- */

static bool marked(struct shard *s, uint32_t block)
{
    return marks_of(s)[block / 8] >> (block % 8) & 1;
}

/* Marks the blocks of an entry; false, and none of them, when it is none. */
static bool mark_entry(struct shard *s, uint32_t bucket, uint32_t entry)
{
    if (entry == 0 || entry >= s->fresh || marked(s, entry))
        return false;
    const struct head *h = shard_head(s, entry);
    if ((h->hash & (s->buckets - 1)) != bucket || h->key_n == 0 || h->key_n > KV_KEY_MAX ||
        h->value_n > KV_VALUE_MAX)
        return false;
    uint32_t n = blocks_of(h), block = entry, i = 0;
    for (; i < n && block && block < s->fresh && !marked(s, block); i++) {
        marks_of(s)[block / 8] |= (unsigned char)(1 << block % 8);
        block = more_at(s, block)->next;
    }
    if (i == n && block == 0)
        return true;
    for (block = entry; i > 0; i--) {
        marks_of(s)[block / 8] &= (unsigned char)~(1 << block % 8);
        block = more_at(s, block)->next;
    }
    return false;
}

/* Marks every block that an entry has and counts; a chain that makes no sense is cut there. */
static void mark_all(struct shard *s)
{
    memset(marks_of(s), 0, (size_t)s->blocks / 8 + 1);
    s->used = s->entries = 0;
    for (uint32_t i = 0; i < s->buckets; i++) {
        uint32_t *link = &shard_buckets(s)[i];
        for (; *link; link = &shard_head(s, *link)->link) {
            if (!mark_entry(s, i, *link)) {
                publish(link, 0);
                break;
            }
            s->used += blocks_of(shard_head(s, *link));
            s->entries++;
        }
    }
}

/* Entries were put in and taken out by one word each, so they are whole; what is only counted or listed is made again. A
 * repair that is killed itself is begun again by the next owner. */
void shard_repair(struct shard *s)
{
    if (s->fresh == 0 || s->fresh > s->blocks)
        s->fresh = s->blocks;
    mark_all(s);
    s->free = 0;
    for (uint32_t block = s->fresh - 1; block > 0; block--)
        if (!marked(s, block)) {
            more_at(s, block)->next = s->free;
            s->free = block;
        }
    s->soonest = 1; /* unknown: the next sweep looks */
    s->repairs++;
}

/* ---- the rest ---- */

void shard_format(struct shard *s, size_t size)
{
    size_t blocks = size / BLOCK, buckets = 16;

    while (buckets * 4 < blocks)
        buckets *= 2;
    shm_mutex_init(&s->lock);
    s->buckets = (uint32_t)buckets;
    s->buckets_at = round_up(sizeof *s, 64);
    s->marks_at = s->buckets_at + buckets * sizeof(uint32_t);
    s->blocks_at = round_up(s->marks_at + blocks / 8 + 1, BLOCK);
    s->blocks = (uint32_t)((size - s->blocks_at) / BLOCK);
    s->reserve = s->blocks / 8 < RESERVE ? s->blocks / 8 : RESERVE;
    s->fresh = 1;
}

void shard_read(struct shard *s, uint32_t entry, char *key, char *value)
{
    const struct head *h = shard_head(s, entry);
    struct place at = bytes_of(s, entry);

    take_bytes(&at, key, h->key_n);
    if (value)
        take_bytes(&at, value, h->value_n);
}

bool shard_is_text(struct shard *s, uint32_t entry, struct span value)
{
    const struct head *h = shard_head(s, entry);
    struct place at = bytes_of(s, entry);
    char key[KV_KEY_MAX];

    if (h->kind != TEXT || h->value_n != value.n)
        return false;
    take_bytes(&at, key, h->key_n);
    return are_bytes(&at, value);
}

size_t shard_bytes_used(const struct shard *s)
{
    return (size_t)s->used * BLOCK;
}

size_t shard_bytes(const struct shard *s)
{
    return (size_t)(s->blocks - 1) * BLOCK;
}

bool shard_is_whole(struct shard *s)
{
    uint32_t used = s->used, entries = s->entries, listed = 0;

    mark_all(s); /* counts anew */
    if (s->used != used || s->entries != entries)
        return false;
    for (uint32_t block = s->free; block; block = more_at(s, block)->next) {
        if (block >= s->fresh || marked(s, block) || ++listed > s->blocks)
            return false;
        marks_of(s)[block / 8] |= (unsigned char)(1 << block % 8);
    }
    return used + listed == s->fresh - 1;
}
