/* memfd - bytes handed from one process to another as a descriptor of sealed memory.
 * SPDX-License-Identifier: MIT */
#include "memfd.h"

#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SEALS = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL };
enum { SEAL_TRIES = 100, SEAL_PAUSE_US = 2000 };

/* The kernel refuses a seal against writing (EBUSY) while it still holds a page for a moment itself. */
static int seal(int fd)
{
    for (int i = 0; i < SEAL_TRIES; i++) {
        if (fcntl(fd, F_ADD_SEALS, SEALS) == 0)
            return 0;
        if (errno != EBUSY)
            return -1;
        usleep(SEAL_PAUSE_US);
    }
    return -1;
}

int memfd_make(const char *name, struct span bytes, struct err *err)
{
    int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);

    if (fd >= 0 && file_write(fd, bytes) == 0 && seal(fd) == 0)
        return fd;
    err_set(err, ERR_OVERLOADED, "cannot put %zu bytes into shared memory: %s", bytes.n,
            strerror(errno));
    if (fd >= 0)
        close(fd);
    return -1;
}

int memfd_map(int fd, size_t max, struct span *bytes, struct err *err)
{
    struct stat st;
    int seals = fcntl(fd, F_GET_SEALS);

    *bytes = SPAN("");
    if (seals < 0 || (seals & SEALS) != SEALS || fstat(fd, &st) < 0)
        return err_set(err, ERR_INTERNAL, "descriptor %d is no sealed memory", fd);
    if ((size_t)st.st_size > max)
        return err_set(err, ERR_BUDGET, "%lld bytes were handed over, more than %zu",
                       (long long)st.st_size, max);
    if (st.st_size == 0)
        return 0;
    void *p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (p == MAP_FAILED)
        return err_set(err, ERR_OVERLOADED, "cannot map %lld bytes: %s", (long long)st.st_size,
                       strerror(errno));
    *bytes = (struct span){p, (size_t)st.st_size};
    return 0;
}

void memfd_unmap(struct span bytes)
{
    if (bytes.n > 0)
        munmap((void *)bytes.p, bytes.n);
}
