/* http_private - what the files of http share: the server, a connection, an exchange.
 * SPDX-License-Identifier: MIT
 *
 * http.c          the server: deadlines, the list of connections with work, the end
 * http_listen.c   listening sockets, accepting
 * http_conn.c     a connection: its events, writing, closing
 * http_read.c     from its bytes to requests
 * http_request.c  what a handler may ask about its request
 * http_reply.c    what a handler answers; our own answers to broken requests
 *
 * A connection is freed in one place, http.c's on_work, which no other code is inside of: whatever
 * a handler does to its exchange, the connection's memory is still there when the handler returns.
 */
#ifndef HTTP_PRIVATE_H
#define HTTP_PRIVATE_H

#include <event2/event_struct.h> /* before list.h: it uses the name LIST_ENTRY and gives it back */

#include "http.h"
#include "http1.h"
#include "list.h"
#include "tls.h"

#include <netinet/in.h>
#include <sys/un.h>

enum {
    READ_SIZE = 4096,         /* the least room to read into */
    READ_SIZE_CHUNKS = 16384, /* the same while a chunked body arrives */
    READ_SIZE_BODY = 65536,   /* the same straight into a long body */
    READS_MAX = 8,            /* reads of one connection before the others get their turn */
    KEEP_IN = 16384,          /* a request up to this size is read into one buffer, head and body */
    PIPELINE_MAX = 32768,     /* bytes behind a pending request; then reading pauses */
    BODY_FIRST = 256 * 1024,  /* memory for a long body before any of it has come */
    WRITE_DIRECT = 16384, /* a longer body is written from where it is, only the rest is copied */
    OUT_KEEP = 65536,     /* an emptied write buffer above this goes back */
    OUT_MAX = 1 << 30,    /* queued answer bytes, whatever out_high was agreed */
    DRAIN_MS =
        500, /* how long a draining server still reads idle connections: a request may be on its way */
    LINGER_MS = 2000,     /* how long a client may still send after the last answer */
    ACCEPTS_MAX = 64,     /* connections taken before the others get their turn */
    ACCEPT_PAUSE_MS = 100 /* after running out of descriptors */
};

/* Each kind has one length, so each list is in order and one timer serves them all. */
enum due_kind {
    DUE_IDLE,
    DUE_DRAIN,
    DUE_HEADER,
    DUE_BODY,
    DUE_WRITE,
    DUE_LINGER,
    DUE_KINDS,
    DUE_NEVER = DUE_KINDS
};

struct due {
    int ms; /* 0: never */
    struct list conns;
};

struct http {
    struct event_base *base;
    struct http_limits limits;
    struct http1_limits parse_limits;
    http_handler *on_request;
    void *arg;
    struct tls *tls;       /* NULL: plain */
    struct list listeners; /* struct listener */
    struct list conns;     /* struct conn, every one */
    struct list work;      /* struct conn: to be written, to be read on, or to be freed */
    struct event work_event;
    struct event timer; /* the soonest deadline, or sooner */
    struct event accept_again;
    int64_t timer_ms; /* when it fires; 0: not armed */
    struct due due[DUE_KINDS];
    int open, pending;
    bool draining, accept_paused;
    int64_t date_second;
    char date[40]; /* "Sun, 06 Nov 1994 08:49:37 GMT" of date_second */
    char address[sizeof(struct sockaddr_un) + 16];
};

enum conn_state {
    CONN_IDLE,   /* no byte of the next request has come */
    CONN_HEAD,   /* reading a head */
    CONN_BODY,   /* reading a body */
    CONN_HELD,   /* the handler has the exchange */
    CONN_LAST,   /* the last answer is being written */
    CONN_LINGER, /* it is written; what the client still sends is dropped */
    CONN_CLOSED  /* only waits to be freed */
};

union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

struct conn {
    struct http *h;
    struct http1_limits limits; /* as they were when it was opened */
    int fd;
    enum conn_state state;
    enum due_kind due_kind;
    bool stalled;     /* the socket takes no more: EV_WRITE is armed */
    bool paused;      /* not reading, only watching for the client's leaving */
    bool eof;         /* the client has ended its side */
    bool broken;      /* a write failed */
    bool tls_blocked; /* reading waits for a writable socket (TLS) */
    struct tls_conn *tls;
    struct list all, work, due;
    int64_t due_ms;
    struct event read, write;
    struct buf in;
    /* in 'in', the first byte of the request being read, or behind the one being held */
    size_t in_at;
    struct buf out;
    size_t out_at;           /* bytes of 'out' that are written */
    struct http_exchange *x; /* being read (HEAD, BODY) or held */
    char peer[56];           /* "127.0.0.1:40312", "[::1]:40312", "unix" */
};

struct joined;

struct http_exchange {
    struct conn *c;
    char *head;      /* owned once held: the head's bytes, perhaps the body's too */
    struct buf body; /* a body too long or too chopped to stay behind its head */
    struct span body_in_head;
    struct joined *joined; /* header values put together on demand, owned */
    http_handler *on_gone, *on_room;
    void *gone_arg, *room_arg;
    bool gone;     /* on_gone is running: nothing can be answered any more */
    bool started;  /* the head of the answer is queued */
    bool chunked;  /* the answer */
    bool bodiless; /* HEAD, 204, 304 */
    bool close;    /* the connection ends with this answer */
    bool sized;    /* the caller gave a Content-Length: 'left' bytes of it are to come */
    bool blocked;  /* more than out_high was queued since on_room last ran */
    uint64_t left;
    struct http1 p;
    struct http1_field fields[]; /* limits.header_count */
};

/* http.c */
const char *http_date(struct http *h);
void http_due(struct conn *c, enum due_kind kind);       /* unless it is that kind already */
void http_due_again(struct conn *c, enum due_kind kind); /* from now on, in any case */
void http_work(struct conn *c);                          /* on_work will look at it */

/* http_listen.c */
void http_listen_init(struct http *h);
void http_listen_resume(struct http *h); /* a connection has gone: there may be room again */
void http_listen_close(struct http *h);
void http_listen_sweep(struct http *h); /* takes every connection that already waits */

/* http_conn.c */
void conn_open(struct http *h, int fd, const union address *peer);
void conn_work(struct conn *c);
void conn_overdue(struct conn *c);
void conn_drain(struct conn *c);
void conn_close(struct conn *c, bool reset); /* at once; a held exchange ends with on_gone */
void conn_free(struct conn *c);
size_t conn_queued(const struct conn *c); /* bytes of answers that are not written */
size_t conn_unread(const struct conn *c); /* bytes of requests that are not looked at */
void conn_drop_input(struct conn *c);
void conn_put(struct conn *c, const void *p, size_t n); /* queue to be written */
/* The same, copying what must be copied. */
void conn_put_long(struct conn *c, const char *p, size_t n);
/* The answer is queued: the exchange goes, being read or held. */
void conn_end(struct conn *c, bool close);

/* http_read.c */
/* One step on with what was read: a head, a body, a request handed out. False: more bytes are
 * needed, or the state does not allow more. */
bool conn_step(struct conn *c);
bool exchange_long_body(const struct http_exchange *x); /* read straight into x->body */

/* http_request.c */
struct http_exchange *exchange_new(struct conn *c);
void exchange_free(struct http_exchange *x);
void exchange_hold(struct http_exchange *x); /* the head's bytes become C strings */

/* http_reply.c */
void reply_continue(struct conn *c);
/* Our own answer to a request that cannot be served; the connection ends with it. */
void reply_error(struct conn *c, int status, const char *message);

#endif
