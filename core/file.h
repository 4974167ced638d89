/* file - bytes into a descriptor.
 * SPDX-License-Identifier: MIT */
#ifndef FILE_H
#define FILE_H

#include "buf.h"

/* Writes all of it, however often that takes. -1 with errno. */
int file_write(int fd, struct span bytes);

#endif
