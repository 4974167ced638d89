/* shm - memory that all processes of one engine share.
 * SPDX-License-Identifier: MIT
 *
 * Made by the master before it starts workers, handed to them as a descriptor, of a fixed size from birth.
 * It consists of parts; each part belongs to one module, which formats it in place and finds its way in it by
 * offsets (every process sees it at another address). Whatever a process that dies leaves behind must be
 * usable: counters are atomic, everything else is behind a shm_mutex, whose next owner is told to repair. */
#ifndef SHM_H
#define SHM_H

#include "err.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

enum shm_part {
    SHM_WORKERS, /* a slot per worker: heartbeat, what it holds */
    SHM_METRICS, /* counters and histograms */
    SHM_HEALTH,  /* breakers, cooldowns, rates, latency quantiles per model */
    SHM_CANARY,  /* what the base and the canary generation did lately */
    SHM_CLAIMS,  /* which timer's turn was taken by a worker */
    SHM_KV,      /* the scripts' shared state */
    SHM_BANDITS, /* arms and what they brought */
    SHM_PARTS
};

struct shm {
    int fd;     /* -1: none */
    char *base; /* NULL: none */
    size_t size;
};

/* Zeroed memory with parts of these sizes (bytes). The descriptor is close-on-exec. */
int shm_new(struct shm *s, const size_t sizes[SHM_PARTS], struct err *err);
/* Maps what another process made; takes the descriptor over, also on failure. -1 when it is none of ours or of
 * another layout. */
int shm_attach(struct shm *s, int fd, struct err *err);
/* Unmaps and closes; the memory lives as long as some process has it. */
void shm_free(struct shm *s);

/* The part, aligned to a page, and its size (may be NULL). */
void *shm_part(const struct shm *s, enum shm_part part, size_t *size);

/* A mutex in shared memory that survives its owner's death. */
void shm_mutex_init(pthread_mutex_t *m);
/* True: a process died while it held it, so what it guards must be repaired before it is used. A worker that was stopped
 * while it held it is ended after some seconds. */
bool shm_lock(pthread_mutex_t *m);
void shm_unlock(pthread_mutex_t *m);

#endif
