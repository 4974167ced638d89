/* kv_shard - one shard of kv: a hash table of entries in an array of blocks of one size.
 * SPDX-License-Identifier: MIT
 *
 * An entry is a chain of blocks: the first one has the head, then come the bytes of key and value. Block 0 is never
 * used: 0 ends a chain. An entry is reached by one word ("link"), in its bucket or in the entry before it; it is made
 * whole before that word is written, and taken apart after. So whoever dies, each entry is there or is not. All
 * functions but the first need the shard's lock. */
#ifndef KV_SHARD_H
#define KV_SHARD_H

#include "err.h"
#include "kv.h"
#include "shm.h"

enum { SHARD_BLOCK = 128 };

enum kind { TEXT, WHOLE, FLOAT };

/* The first block of an entry. */
struct head {
    uint32_t next; /* block of this entry */
    uint32_t link; /* entry of this bucket */
    uint32_t value_n;
    uint16_t key_n;
    uint8_t kind; /* a number has no bytes of value, only 'bits' */
    uint8_t persist;
    uint64_t hash;
    int64_t expires;
    uint64_t bits;
    char bytes[SHARD_BLOCK - 40];
};

struct shard {
    pthread_mutex_t lock;
    uint32_t buckets; /* a power of two */
    uint32_t blocks;
    uint32_t reserve;
    uint32_t fresh; /* blocks from here on were never used */
    uint32_t free;  /* list of blocks that were given back */
    uint32_t used, entries;
    int64_t soonest; /* no entry expires before this; 0: none does */
    int64_t swept;
    uint64_t refused, repairs;
    uint64_t buckets_at, marks_at, blocks_at; /* offsets from here */
};

/* What is to be written. */
struct entry {
    struct span key;
    uint64_t hash;
    enum kind kind;
    uint64_t bits;
    struct span value; /* TEXT */
    struct kv_keep keep;
};

/* Makes an empty shard of zeroed memory. */
void shard_format(struct shard *s, size_t size);

struct head *shard_head(struct shard *s, uint32_t entry);
/* The word that leads to the entry, or NULL. One that has expired goes. */
uint32_t *shard_find(struct shard *s, uint64_t hash, struct span key, int64_t now);
bool shard_expired(const struct head *h, int64_t now);
/* Makes the entry, or puts it in the place of the one that 'link' (of shard_find) leads to. ERR_BUDGET when there is no
 * room even when the expired ones are gone. */
int shard_put(struct shard *s, uint32_t *link, const struct entry *e, int64_t now, struct err *err);
/* Takes it out. */
void shard_drop(struct shard *s, uint32_t *link);

/* Copies key and value (value: NULL, only the key), which have head->key_n and head->value_n bytes. */
void shard_read(struct shard *s, uint32_t entry, char *key, char *value);
bool shard_is_text(struct shard *s, uint32_t entry, struct span value);
uint32_t *shard_buckets(struct shard *s);
size_t shard_bytes_used(const struct shard *s);
size_t shard_bytes(const struct shard *s); /* that entries can take */

/* After its owner's death: what is only counted or listed is made again. A repair that is killed itself is begun again by
 * the next owner. */
void shard_repair(struct shard *s);
/* Do chains, free list and counts agree? For tests. */
bool shard_is_whole(struct shard *s);

#endif
