/* memfd - bytes handed from one process to another as a descriptor of sealed memory.
 * SPDX-License-Identifier: MIT */
#ifndef MEMFD_H
#define MEMFD_H

#include "buf.h"
#include "err.h"

/* A descriptor (close-on-exec) of memory with these bytes, sealed: nobody can change or cut it. -1
 * with *err set. */
int memfd_make(const char *name, struct span bytes, struct err *err);

/* Maps the bytes for reading; at most 'max', and only of memory that is sealed, so that what was
 * checked stays so. The descriptor stays the caller's. -1 with *err set. */
int memfd_map(int fd, size_t max, struct span *bytes, struct err *err);
void memfd_unmap(struct span bytes);

#endif
