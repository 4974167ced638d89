/* gunzip - a file's bytes, unpacked when they are gzip's (RFC 1952).
 * SPDX-License-Identifier: MIT */
#ifndef GUNZIP_H
#define GUNZIP_H

#include "buf.h"
#include "err.h"

bool gunzip_is(struct span file); /* does it begin so? */
/* Appends what was packed, of several members in a row all. -1 with *err when it is broken, cut, or 'out' is full. */
int gunzip(struct span file, struct buf *out, struct err *err);

#endif
