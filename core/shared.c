/* shared - the handle to everything that the processes of one engine share.
 * SPDX-License-Identifier: MIT */
#include "shared.h"

#include <stdlib.h>
#include <sys/random.h>

void shared_sizes_default(struct shared_sizes *sizes)
{
    *sizes = (struct shared_sizes){.kv_bytes = KV_BYTES, .series = METRICS_SERIES};
}

enum { SLOTS = 128 }; /* two generations of 64 workers, when a new binary takes over */

static void find_parts(struct shared *s)
{
    s->slots = shm_part(&s->shm, SHM_WORKERS, NULL);
    s->n_slots = SLOTS;
    s->kv = shm_part(&s->shm, SHM_KV, NULL);
    s->metrics = shm_part(&s->shm, SHM_METRICS, NULL);
    s->health = shm_part(&s->shm, SHM_HEALTH, NULL);
    s->claims = shm_part(&s->shm, SHM_CLAIMS, NULL);
    s->canary = shm_part(&s->shm, SHM_CANARY, NULL);
    s->bandits = shm_part(&s->shm, SHM_BANDITS, NULL);
}

static void format_parts(struct shared *s)
{
    size_t size;
    void *kv = shm_part(&s->shm, SHM_KV, &size);
    uint64_t salt;

    kv_format(kv, size);
    void *canary = shm_part(&s->shm, SHM_CANARY, &size);
    canary_format(canary, size);
    void *metrics = shm_part(&s->shm, SHM_METRICS, &size);
    metrics_format(metrics, size);
    if (getrandom(&salt, sizeof salt, 0) != (ssize_t)sizeof salt)
        abort(); /* cannot happen for up to 256 bytes (getrandom(2)) */
    health_format(shm_part(&s->shm, SHM_HEALTH, NULL), salt);
    claims_format(shm_part(&s->shm, SHM_CLAIMS, NULL));
    bandit_format(shm_part(&s->shm, SHM_BANDITS, NULL));
}

int shared_new(struct shared *s, const struct shared_sizes *sizes, struct err *err)
{
    size_t parts[SHM_PARTS] = {[SHM_WORKERS] = SLOTS * sizeof(struct worker_slot),
                               [SHM_KV] = kv_size(sizes->kv_bytes),
                               [SHM_METRICS] = metrics_size(sizes->series),
                               [SHM_HEALTH] = health_size(),
                               [SHM_CLAIMS] = claims_size(),
                               [SHM_CANARY] = canary_size(),
                               [SHM_BANDITS] = bandit_size()};

    *s = (struct shared){.shm = {.fd = -1}};
    if (shm_new(&s->shm, parts, err) < 0)
        return -1;
    format_parts(s);
    find_parts(s);
    return 0;
}

int shared_attach(struct shared *s, int fd, struct err *err)
{
    *s = (struct shared){.shm = {.fd = -1}};
    if (shm_attach(&s->shm, fd, err) < 0)
        return -1;
    find_parts(s);
    return 0;
}

void shared_free(struct shared *s)
{
    if (s->shm.base)
        shm_free(&s->shm);
    *s = (struct shared){.shm = {.fd = -1}};
}
