/* tls - the listening side of TLS 1.2 and 1.3 on nonblocking sockets (OpenSSL).
 * SPDX-License-Identifier: MIT */
#ifndef TLS_H
#define TLS_H

#include "err.h"

#include <stdbool.h>
#include <stddef.h>

struct tls;      /* certificate chain, key, what is allowed */
struct tls_conn; /* one connection; the handshake happens inside the first reads */

/* PEM files: the certificate with its chain, and its key. */
struct tls *tls_new(const char *certificate, const char *key, struct err *err);
/* Takes no new connections; those that are open go on. NULL is fine. */
void tls_free(struct tls *t);

/* 'fd' stays the caller's and must outlive the connection. NULL when memory is out. */
struct tls_conn *tls_accept(struct tls *t, int fd);
void tls_close(struct tls_conn *c); /* frees; sends nothing; NULL is fine */

/* What reading and writing return besides a number of bytes. */
enum {
    TLS_EOF = 0,         /* the peer ended, in order or not */
    TLS_WANT_READ = -1,  /* try again when the socket is readable */
    TLS_WANT_WRITE = -2, /* try again when it is writable */
    TLS_FAILED = -3      /* close the socket */
};
ptrdiff_t tls_read(struct tls_conn *c, char *to, size_t n);
/* May write less than n. After a WANT the same bytes must come first, though not at the same place.
 */
ptrdiff_t tls_write(struct tls_conn *c, const char *from, size_t n);

bool tls_ready(const struct tls_conn *c);   /* is the handshake done? */
bool tls_pending(const struct tls_conn *c); /* bytes that reading gives without a readable socket */
void tls_goodbye(struct tls_conn *c);       /* the last words (close_notify), as far as they fit */

#endif
