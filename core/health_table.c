/* health_table - where health keeps its entries: sets of eight places, each set with a lock.
 * SPDX-License-Identifier: MIT
 *
 * The set is chosen by a hash, so a full set gives up its own least recently used entry and nothing is ever moved.
 * An entry holds numbers that are each bounded by themselves: what a dead owner has left half written is either
 * usable or forgotten as a whole. */
#include "health_table.h"

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <string.h>

static uint64_t mix(uint64_t h, uint64_t word)
{
    h = (h ^ word) * UINT64_C(0x9E3779B97F4A7C15);
    return h ^ h >> 29;
}

static uint64_t hash_bytes(uint64_t h, const char *p, size_t n)
{
    uint64_t word;

    for (; n >= 8; p += 8, n -= 8) {
        memcpy(&word, p, 8);
        h = mix(h, word);
    }
    word = n;
    memcpy(&word, p, n);
    return mix(h, word ^ (uint64_t)n << 56);
}

static uint64_t not_zero(uint64_t h)
{
    return h ? h : 1;
}

uint64_t name_copy(char out[HEALTH_NAME_MAX + 1], const char *name)
{
    size_t n = strnlen(name, HEALTH_NAME_MAX + 1);

    if (n > HEALTH_NAME_MAX)
        for (n = HEALTH_NAME_MAX; n > 0 && ((unsigned char)name[n] & 0xC0) == 0x80; n--)
            ;
    memcpy(out, name, n);
    out[n] = 0;
    return not_zero(hash_bytes(1, out, n));
}

uint64_t health_key_id(const struct health *h, const char *provider, size_t index, const char *key)
{
    uint64_t id = hash_bytes(h->salt, provider, strlen(provider));

    return not_zero(mix(hash_bytes(mix(id, index), key, strlen(key)), h->salt));
}

/* ---- models ---- */

static bool usable(const struct model *m)
{
    return memchr(m->name, 0, sizeof m->name) && m->state <= HEALTH_OPEN &&
           m->forced <= FORCE_CLOSED && m->cooldown >= 0 && m->cooldown <= 86400 &&
           isfinite(m->requests.left) && isfinite(m->tokens.left) && quantile_valid(&m->latency) &&
           quantile_valid(&m->ttft);
}

static void repair_models(struct model_set *set)
{
    char copy[HEALTH_NAME_MAX + 1];

    for (int i = 0; i < WAYS; i++)
        if (set->hashes[i] &&
            (!usable(&set->items[i]) || name_copy(copy, set->items[i].name) != set->hashes[i]))
            set->hashes[i] = 0;
}

struct model_set *models_lock(struct health *h, uint64_t hash)
{
    struct model_set *set = &h->models[hash % MODEL_SETS];

    if (shm_lock(&set->lock))
        repair_models(set);
    return set;
}

void models_unlock(struct model_set *set)
{
    shm_unlock(&set->lock);
}

struct model *models_find(struct model_set *set, const char *name, uint64_t hash)
{
    for (int i = 0; i < WAYS; i++)
        if (set->hashes[i] == hash && strcmp(set->items[i].name, name) == 0)
            return &set->items[i];
    return NULL;
}

/* A free place, or that of the least recently used one that nobody forced; -1: none. */
static int place_for_model(const struct model_set *set)
{
    int best = -1;

    for (int i = 0; i < WAYS; i++) {
        if (!set->hashes[i])
            return i;
        if (!set->items[i].forced && (best < 0 || set->items[i].used_us < set->items[best].used_us))
            best = i;
    }
    return best;
}

struct model *models_make(struct model_set *set, const char *name, uint64_t hash, int64_t now)
{
    struct model *m = models_find(set, name, hash);

    if (m) {
        m->used_us = now;
        return m;
    }
    int place = place_for_model(set);
    if (place < 0)
        return NULL;
    m = &set->items[place];
    set->hashes[place] = 0;
    memset(m, 0, sizeof *m);
    strncpy(m->name, name, HEALTH_NAME_MAX);
    m->used_us = m->latency.since_us = m->ttft.since_us = now;
    set->hashes[place] = hash;
    return m;
}

/* ---- keys ---- */

static void repair_keys(struct key_set *set)
{
    for (int i = 0; i < WAYS; i++) {
        struct key *k = &set->items[i];
        k->provider[sizeof k->provider - 1] = 0;
        if (!(k->bench >= 0 && k->bench <= HEALTH_KEY_MAX_S))
            *k = (struct key){0};
    }
}

struct key_set *keys_lock(struct health *h, uint64_t id)
{
    struct key_set *set = &h->keys[id % KEY_SETS];

    if (shm_lock(&set->lock))
        repair_keys(set);
    return set;
}

void keys_unlock(struct key_set *set)
{
    shm_unlock(&set->lock);
}

struct key *keys_find(struct key_set *set, uint64_t id)
{
    for (int i = 0; i < WAYS; i++)
        if (set->items[i].id == id)
            return &set->items[i];
    return NULL;
}

struct key *keys_make(struct health *h, struct key_set *set, uint64_t id, int64_t now)
{
    struct key *k = keys_find(set, id);

    if (!k) {
        k = &set->items[0];
        for (int i = 1; i < WAYS; i++)
            if (set->items[i].used_us < k->used_us)
                k = &set->items[i];
        *k = (struct key){.id = id};
        atomic_store_explicit(&h->has_keys, true, memory_order_relaxed);
    }
    k->used_us = now;
    return k;
}

bool keys_known(const struct health *h)
{
    return atomic_load_explicit(&h->has_keys, memory_order_relaxed);
}

/* ---- the rest ---- */

uint64_t next_number(struct health *h)
{
    return atomic_fetch_add_explicit(&h->numbers, 1, memory_order_relaxed) + 1;
}

bool process_lives(uint32_t pid)
{
    return kill((pid_t)pid, 0) == 0 || errno != ESRCH;
}

size_t health_size(void)
{
    return sizeof(struct health);
}

void health_format(void *part, uint64_t salt)
{
    struct health *h = part;

    h->salt = salt;
    shm_mutex_init(&h->lock);
    for (size_t i = 0; i < MODEL_SETS; i++)
        shm_mutex_init(&h->models[i].lock);
    for (size_t i = 0; i < KEY_SETS; i++)
        shm_mutex_init(&h->keys[i].lock);
    health_bounds_default(&h->bounds);
}
