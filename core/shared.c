/* shared - the handle to everything that the processes of one engine share.
 * SPDX-License-Identifier: MIT */
#include "shared.h"

void shared_sizes_default(struct shared_sizes *sizes)
{
    *sizes = (struct shared_sizes){.kv_bytes = KV_BYTES};
}

static void find_parts(struct shared *s)
{
    s->kv = shm_part(&s->shm, SHM_KV, NULL);
}

static void format_parts(struct shared *s)
{
    size_t size;
    void *kv = shm_part(&s->shm, SHM_KV, &size);

    kv_format(kv, size);
}

int shared_new(struct shared *s, const struct shared_sizes *sizes, struct err *err)
{
    size_t parts[SHM_PARTS] = {[SHM_KV] = kv_size(sizes->kv_bytes)};

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
