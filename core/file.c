/* file - bytes into a descriptor, and out of one.
 * SPDX-License-Identifier: MIT */
#include "file.h"

#include <errno.h>
#include <unistd.h>

enum { PIECE = 65536 };

int file_write(int fd, struct span bytes)
{
    while (bytes.n > 0) {
        ssize_t n = write(fd, bytes.p, bytes.n);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return -1;
        bytes.p += n;
        bytes.n -= (size_t)n;
    }
    return 0;
}

/* -1 with errno. */
static ssize_t read_some(int fd, char *to, size_t n)
{
    ssize_t got;

    do
        got = read(fd, to, n);
    while (got < 0 && errno == EINTR);
    return got;
}

int file_read(int fd, struct buf *out)
{
    ssize_t n;
    char more = 0; /* is there any beyond the ceiling? */

    do {
        size_t left = out->max - out->len, room = left < PIECE ? left : PIECE;
        char *to = room ? buf_reserve(out, room) : &more;
        if (!to) {
            errno = ENOMEM;
            return -1;
        }
        n = read_some(fd, to, room ? room : 1);
        if (n > 0 && !room) {
            errno = EFBIG;
            return -1;
        }
        out->len += n > 0 ? (size_t)n : 0;
    } while (n > 0);
    return n < 0 ? -1 : 0;
}
