/* file - bytes into a descriptor.
 * SPDX-License-Identifier: MIT */
#include "file.h"

#include <errno.h>
#include <unistd.h>

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
