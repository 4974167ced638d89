/* file - bytes into a descriptor, and out of one.
 * SPDX-License-Identifier: MIT */
#ifndef FILE_H
#define FILE_H

#include "buf.h"

/* Writes all of it, however often that takes. -1 with errno. */
int file_write(int fd, struct span bytes);

/* Appends all that is left in it. -1 with errno: EFBIG when that is more than the buffer may hold, ENOMEM. */
int file_read(int fd, struct buf *out);

#endif
