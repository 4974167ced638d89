/* shm - memory that all processes of one engine share.
 * SPDX-License-Identifier: MIT */
#include "shm.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { PAGE = 4096, PATIENCE_S = 4 };

#define MAGIC UINT64_C(0x4241544f4e53484d) /* "BATONSHM" */

/* At the start of the memory. */
struct header {
    uint64_t magic;
    uint64_t size;
    char version[32]; /* of the engine: another one may lay its parts out differently */
    struct {
        uint64_t offset, size;
    } parts[SHM_PARTS];
};

static size_t round_up(size_t n)
{
    return (n + PAGE - 1) / PAGE * PAGE;
}

static int map(struct shm *s, struct err *err)
{
    void *p = mmap(NULL, s->size, PROT_READ | PROT_WRITE, MAP_SHARED, s->fd, 0);

    if (p == MAP_FAILED)
        return err_set(err, ERR_OVERLOADED, "cannot map %zu bytes of shared memory: %s", s->size,
                       strerror(errno));
    s->base = p;
    return 0;
}

static void write_header(struct shm *s, const size_t sizes[SHM_PARTS])
{
    struct header *h = (struct header *)s->base;
    size_t at = round_up(sizeof *h);

    h->magic = MAGIC;
    h->size = s->size;
    strncpy(h->version, BATON_VERSION, sizeof h->version - 1);
    for (int i = 0; i < SHM_PARTS; i++) {
        h->parts[i].offset = at;
        h->parts[i].size = sizes[i];
        at += round_up(sizes[i]);
    }
}

int shm_new(struct shm *s, const size_t sizes[SHM_PARTS], struct err *err)
{
    s->base = NULL;
    s->size = round_up(sizeof(struct header));
    for (int i = 0; i < SHM_PARTS; i++)
        s->size += round_up(sizes[i]);
    s->fd = memfd_create("baton", MFD_CLOEXEC);
    if (s->fd < 0 || ftruncate(s->fd, (off_t)s->size) < 0) {
        err_set(err, ERR_OVERLOADED, "cannot make %zu bytes of shared memory: %s", s->size,
                strerror(errno));
        shm_free(s);
        return -1;
    }
    if (map(s, err) < 0) {
        shm_free(s);
        return -1;
    }
    write_header(s, sizes);
    return 0;
}

static bool is_ours(const struct shm *s)
{
    const struct header *h = (const struct header *)s->base;

    return h->magic == MAGIC && h->size == s->size &&
           strncmp(h->version, BATON_VERSION, sizeof h->version) == 0;
}

int shm_attach(struct shm *s, int fd, struct err *err)
{
    struct stat st;

    *s = (struct shm){.fd = fd};
    if (fstat(fd, &st) < 0 || st.st_size < (off_t)sizeof(struct header)) {
        shm_free(s);
        return err_set(err, ERR_INTERNAL, "descriptor %d is no shared memory of an engine", fd);
    }
    s->size = (size_t)st.st_size;
    if (map(s, err) < 0) {
        shm_free(s);
        return -1;
    }
    if (!is_ours(s)) {
        shm_free(s);
        return err_set(err, ERR_INTERNAL, "the shared memory is of another version");
    }
    return 0;
}

void shm_free(struct shm *s)
{
    if (s->base)
        munmap(s->base, s->size);
    if (s->fd >= 0)
        close(s->fd);
    *s = (struct shm){.fd = -1};
}

void *shm_part(const struct shm *s, enum shm_part part, size_t *size)
{
    const struct header *h = (const struct header *)s->base;

    if (size)
        *size = h->parts[part].size;
    return s->base + h->parts[part].offset;
}

void shm_mutex_init(pthread_mutex_t *m)
{
    pthread_mutexattr_t how;

    pthread_mutexattr_init(&how);
    pthread_mutexattr_setpshared(&how, PTHREAD_PROCESS_SHARED);
    pthread_mutexattr_setrobust(&how, PTHREAD_MUTEX_ROBUST);
    pthread_mutex_init(m, &how);
    pthread_mutexattr_destroy(&how);
}

/* Who holds it; the kernel reads it there, too, when a process dies (set_robust_list(2)). */
static pid_t owner_of(const pthread_mutex_t *m)
{
    return __atomic_load_n(&m->__data.__lock, __ATOMIC_RELAXED) & FUTEX_TID_MASK;
}

/* Nobody holds it for longer than some milliseconds, unless he was stopped; then he is ended, since the master waits,
 * too, and nobody could replace him. In pieces: a pause of the whole machine takes one of them. */
static int lock_patiently(pthread_mutex_t *m)
{
    for (int i = 1;; i++) {
        struct timespec until;
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_sec++;
        int result = pthread_mutex_clocklock(m, CLOCK_MONOTONIC, &until);
        if (result != ETIMEDOUT)
            return result;
        pid_t owner = owner_of(m);
        if (i >= PATIENCE_S && owner > 0 && owner != getpid() && owner != getppid())
            kill(owner, SIGKILL);
    }
}

bool shm_lock(pthread_mutex_t *m)
{
    int result = pthread_mutex_trylock(m);

    if (result == EBUSY)
        result = lock_patiently(m);

    if (result == EOWNERDEAD) {
        pthread_mutex_consistent(m);
        return true;
    }
    if (result != 0)
        abort(); /* not recoverable only if somebody unlocked without repairing: our own fault */
    return false;
}

void shm_unlock(pthread_mutex_t *m)
{
    pthread_mutex_unlock(m);
}
