/* kv - the scripts' state that all workers share: values by key, in shared memory.
 * SPDX-License-Identifier: MIT
 *
 * A value is the text of one JSON value. Each function is atomic, whichever process calls it: the store consists of
 * shards, each behind a mutex. What a process changes appears by one store of one word, so that a process which is
 * killed in the middle leaves the old value or the new one; the next one to come rebuilds the list of free blocks.
 *
 * Times are microseconds since 1970 and come from the caller. An expired entry is as good as absent; it gives its
 * room up when its shard would be full (at most a tenth of a second later). */
#ifndef KV_H
#define KV_H

#include "buf.h"
#include "err.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    KV_KEY_MAX = 256,         /* bytes, at least 1 */
    KV_VALUE_MAX = 64 * 1024, /* bytes of JSON */
    KV_BYTES = 16 << 20,      /* of the whole store, when nothing else is said */
    KV_BYTES_MIN = 1 << 20
};

struct kv;

/* How long an entry is kept. */
struct kv_keep {
    int64_t expires; /* 0: never */
    bool persist;    /* it belongs into kv_save */
};

/* A number: exact as long as only whole ones take part. */
struct kv_number {
    bool whole;
    int64_t i; /* whole */
    double d;  /* otherwise; finite */
};

/* Bytes of shared memory for a store of about 'bytes', keys and keeping included. */
size_t kv_size(size_t bytes);
/* Makes an empty store of zeroed memory of that size. Once, before anybody uses it. */
void kv_format(void *part, size_t size);

/* Appends the value. 1; 0 when there is none; -1 when 'out' is full. */
int kv_get(struct kv *kv, struct span key, int64_t now, struct buf *out);
/* Makes or replaces. ERR_BUDGET when the key's shard is full: a part of the room is kept so that existing entries can
 * be replaced by values of the same size. 'value' must be valid JSON. */
int kv_set(struct kv *kv, struct span key, struct span value, const struct kv_keep *keep,
           int64_t now, struct err *err);
/* Adds 'by' to the number at 'key' and tells the sum; an absent one counts as 0 and is kept as 'keep' says, one that is
 * there stays as it was kept. ERR_BAD_REQUEST when the value is no number, or the sum does not fit. */
int kv_incr(struct kv *kv, struct span key, struct kv_number by, const struct kv_keep *keep,
            int64_t now, struct kv_number *sum, struct err *err);
/* Sets (value.p NULL: deletes) if the value is, byte by byte, 'old' (p NULL: if there is none). 1: done; 0: it is
 * another one. */
int kv_cas(struct kv *kv, struct span key, struct span old, struct span value,
           const struct kv_keep *keep, int64_t now, struct err *err);
/* Was there one? */
bool kv_delete(struct kv *kv, struct span key, int64_t now);

struct kv_entry {
    struct span key, value;
    struct kv_keep keep;
};

/* Calls 'fn' for every entry that has not expired, until it returns false. Entries are copies; the lock is held shard by
 * shard, so 'fn' must not use the store. -1 without memory. */
int kv_each(struct kv *kv, int64_t now, bool (*fn)(void *arg, const struct kv_entry *e), void *arg);

/* Goes up with every change of an entry that persists: write kv_save down when it is another number than last time. */
uint64_t kv_changes(const struct kv *kv);

struct kv_stats {
    uint64_t entries;     /* expired ones that still take room included */
    uint64_t bytes, room; /* taken, of so many */
    uint64_t refused;     /* writes that found no room */
    uint64_t repairs;     /* shards that a process had left behind when it died */
};
void kv_stats(struct kv *kv, struct kv_stats *stats);

/* The entries that persist, as bytes for a file: strict, with a checksum. -1 when 'out' is full. */
int kv_save(struct kv *kv, struct buf *out);
/* Puts saved entries back that have not expired; all or none: the bytes are checked first. Those that find no room are
 * counted in *lost (may be NULL). -1 and *err when the bytes are none of kv_save. */
int kv_restore(struct kv *kv, struct span saved, int64_t now, size_t *lost, struct err *err);

/* Is every shard whole: chains, free list, counts? For tests. */
bool kv_is_whole(struct kv *kv);
/* What the next owner of a shard's lock does after a death, for all shards; nobody may use the store meanwhile. For tests
 * on copies of the memory. */
void kv_repair(struct kv *kv);

#endif
