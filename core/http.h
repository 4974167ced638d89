/* http - the server side of HTTP/1.1 (RFC 9110, 9112) on libevent's events.
 * SPDX-License-Identifier: MIT
 *
 * One struct http serves any number of listening sockets on one event base. For each request that
 * was read whole and found correct the handler is called once with an exchange, in the order of
 * their arrival on the connection (pipelined requests wait their turn: the next one is handed out
 * when the one before is answered). Requests that break a rule or a limit are answered by http
 * itself.
 *
 * An exchange ends exactly once: by http_reply, http_reply_end, http_reply_abort, or because the
 * client went away (then on_gone is called, once, and the exchange is gone when it returns). After
 * the end the pointer is dead. Reading stays armed while a request is pending, so a client's
 * leaving is seen at once.
 *
 * A client that only ends its own side (half-close) has left, too: on the wire it looks like an
 * abort, and what it asked for may cost money. Answers that are queued by then still go out.
 *
 * The handlers run from the event loop and may do everything here but http_free. */
#ifndef HTTP_H
#define HTTP_H

#include "buf.h"
#include "err.h"

#include <event2/event.h>
#include <stdint.h>

struct http;          /* a server: its listeners, connections, limits */
struct http_exchange; /* one request and its answer */

/* A timeout of 0 means never. */
struct http_limits {
    size_t line_max;       /* bytes of the request line        8 KiB  -> 414 */
    size_t header_max;     /* bytes of all header lines        64 KiB -> 431 */
    int header_count;      /* header lines                     100    -> 431 */
    size_t body_max;       /* bytes of a decoded body          32 MiB -> 413 */
    int header_timeout_ms; /* first byte to end of headers     10 s   -> 408 */
    int body_timeout_ms;   /* without a new byte of the body   30 s   -> 408 */
    int idle_timeout_ms;   /* kept alive without a request     75 s   -> close */
    int write_timeout_ms;  /* a reader that takes no byte      60 s   -> close */
    size_t out_high;       /* queued reply bytes: then http_reply_blocked     256 KiB */
    int connections_max;   /* open at once; beyond, accepting waits           0: no limit */
};

void http_limits_default(struct http_limits *l);

struct http_header {
    const char *name, *value;
};

typedef void http_handler(struct http_exchange *x, void *arg);

/* Copies 'limits'. */
struct http *http_new(struct event_base *base, const struct http_limits *limits,
                      http_handler *on_request, void *arg, struct err *err);

/* From now on these limits hold: sizes and counts for new connections, times for all. */
void http_set_limits(struct http *h, const struct http_limits *limits);

/* Answers from here on are encrypted: certificate chain and key, PEM files. Before http_listen, or again later
 * for new connections: then a failure leaves what was. */
int http_use_tls(struct http *h, const char *certificate, const char *key, struct err *err);

/* "HOST:PORT", "[::1]:PORT", ":PORT" or "unix:PATH"; port 0 takes a free one. Several calls are
 * fine. SO_REUSEADDR, backlog 4096, TCP_NODELAY, close-on-exec. */
int http_listen(struct http *h, const char *address, struct err *err);
/* The same on a socket that already listens; http does not close it. */
int http_listen_fd(struct http *h, int fd, struct err *err);
/* What the last http_listen bound: "127.0.0.1:8080" or "unix:PATH". */
const char *http_address(const struct http *h);

/* Takes what waits at the sockets and stops accepting; connections are closed after their current answer, idle ones after half a second, in which a
 * request that is on its way is still answered. It is over when no connection is left. */
void http_drain(struct http *h);
/* The same, but connections that wait at the sockets are left to another process that listens there, too. */
void http_leave(struct http *h);
/* Exchanges that were handed out and have not ended. */
int http_pending(const struct http *h);
/* Open connections. */
int http_connections(const struct http *h);
/* Closes everything. Pending exchanges end with on_gone. NULL is fine. */
void http_free(struct http *h);

/* ---- the request; borrowed, valid until the exchange ends ---- */

const char *http_method(const struct http_exchange *x); /* "POST" */
const char *http_path(const struct http_exchange *x); /* "/v1/models", as sent, without the query */
/* "a%2Fb" -> "a/b", for a part of a path; a broken escape stays as it is. What does not fit is cut. */
void http_decode_percent(const char *in, char *out, size_t size);
const char *http_query(const struct http_exchange *x); /* behind the '?', or "" */
/* The header's value, names without case; several of one name joined by ", ". NULL where there is
 * none. */
const char *http_header(const struct http_exchange *x, const char *name);
/* Header lines one by one, in order: i from 0 until false. */
bool http_header_at(const struct http_exchange *x, int i, struct http_header *out);
struct span http_body(const struct http_exchange *x); /* chunked coding removed; p never NULL */
const char *http_peer(const struct http_exchange *x); /* "127.0.0.1:40312", "unix" */
/* Hands the body's bytes over to the caller (free() them); http_body is empty from then on. */
char *http_take_body(struct http_exchange *x, size_t *n);

/* Called once if the client leaves, the write times out, or http_free runs before the end. The
 * request may still be asked about; answering does nothing. */
void http_on_gone(struct http_exchange *x, http_handler *on_gone, void *arg);

/* ---- the answer ---- */

/* The whole answer at once; the end of the exchange. Content-Length, Date and Connection are added;
 * of the caller's own only "Connection: close" counts, as a wish. Nothing is sent before control
 * returns to the loop, but long bodies, which are not copied as far as the socket takes them.
 * Header names and values with CR, LF or NUL are dropped, never sent. */
void http_reply(struct http_exchange *x, int status, const struct http_header *headers, size_t n,
                const char *body, size_t body_len);

/* A streamed answer: start (head), send (any number), end. chunked for HTTP/1.1, until close
 * for 1.0; or, with a Content-Length among the headers, that many bytes: more are not sent, and
 * when fewer came the end closes the connection. Bytes are merged and written when control returns
 * to the loop. */
void http_reply_start(struct http_exchange *x, int status, const struct http_header *headers,
                      size_t n);
void http_reply_send(struct http_exchange *x, const char *p, size_t n);
void http_reply_end(struct http_exchange *x);
/* Is more than out_high queued? Then send nothing until on_room runs (once each time). */
bool http_reply_blocked(const struct http_exchange *x);
void http_on_room(struct http_exchange *x, http_handler *on_room, void *arg);
/* The answer cannot be completed: close without the last chunk (or by RST, where the end of the
 * connection would end the body), so that the client sees the cut. Fine before the start. The end
 * of the exchange. */
void http_reply_abort(struct http_exchange *x);
/* As abort, but by RST and without sending what is queued (used by the simulator). */
void http_reply_reset(struct http_exchange *x);

#endif
