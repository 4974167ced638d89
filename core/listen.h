/* listen - listening sockets: from an address to a descriptor and back.
 * SPDX-License-Identifier: MIT */
#ifndef LISTEN_H
#define LISTEN_H

#include "err.h"

#include <stdbool.h>
#include <stddef.h>

enum { LISTEN_BACKLOG = 4096, LISTEN_ADDRESS_MAX = 128 };

/* Is this "HOST:PORT", "[::1]:PORT", ":PORT" or "unix:PATH"? -1 with what is wrong. */
int listen_check(const char *address, struct err *err);

/* A nonblocking socket that listens at the address; port 0 takes a free one. A stale unix socket file is removed.
 * 'shared': others may listen at the same port and get a share of the connections (SO_REUSEPORT); not for unix
 * sockets. -1 with *err. */
int listen_open(const char *address, bool shared, struct err *err);

/* What it is bound to: "127.0.0.1:8080", "[::1]:8080" or "unix:PATH". */
void listen_name(int fd, char *out, size_t size);

#endif
