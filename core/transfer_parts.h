/* transfer_parts - what the files of transfer share.
 * SPDX-License-Identifier: MIT
 *
 * transfer.c       lives, callbacks, deadlines
 * transfer_url.c   what a request says, checked
 * transfer_exchange.c one exchange in HTTP/1.1 of our own, on a
 * transfer_link.c  connection that libcurl opened: kept, reused, limited
 * transfer_unpack.c  bodies that come packed
 * transfer_guard.c   public addresses only
 * transfer_curl.c  requests that libcurl carries whole: HTTP/2, proxies
 * transfer_multi.c   libcurl's multi handles on the event base */
#ifndef TRANSFER_PARTS_H
#define TRANSFER_PARTS_H

#include <event2/event_struct.h> /* first: it would trip over our LIST_ENTRY */

#include "http1_reply.h"
#include "list.h"
#include "resolve.h"
#include "transfer.h"

#include <curl/curl.h>
#include <stdint.h>

enum {
    HANDLES_KEPT = 256,    /* idle easy handles, about 6 KB each */
    HEAD_MAX = 128 * 1024, /* ceiling of an answer's head */
    BODY_MAX_DEFAULT = 64 * 1024 * 1024,
    SPARE_MAX = 64 * 1024, /* a larger receive buffer is given back */
    SCRATCH = 64 * 1024    /* what one turn of the loop reads from one connection at most */
};

/* How a transfer ended. */
enum end {
    END_NONE,   /* not yet */
    END_WHOLE,  /* the answer came */
    END_FAILED, /* t->why_code, t->why */
    END_CURL,   /* libcurl said so: t->result */
    END_CONNECT,
    END_FIRST_BYTE,
    END_STALL,
    END_TOTAL
};

/* Why a callback of ours made libcurl stop; it then only reports a write error. */
enum refusal { REFUSED_NOT, REFUSED_NO_HEAD, REFUSED_HEAD, REFUSED_BODY, REFUSED_MEMORY };

/* 'arg' is the handle's CURLOPT_PRIVATE; outside libcurl. transfers_drain follows. */
typedef void multi_done(void *arg, CURLcode result);

struct multi {
    struct transfers *all;
    CURLM *handle; /* NULL: not open */
    multi_done *done;
    struct event timer; /* libcurl's one timer */
    int count;          /* connections of ours that live in it */
    struct multi *next;
};

struct transfers {
    struct event_base *base;
    struct multi multi; /* requests that libcurl carries */
    CURLSH *share;      /* TLS sessions */
    struct resolver *resolver;
    struct event kick; /* from the loop: serve who waits for a connection, deliver what is ready */
    struct list running, ready;
    int count;

    struct multi opening; /* plain connections, until they are open */
    struct multi *shards; /* TLS connections, some in each */
    struct list origins;
    struct list idle_links; /* the one that is idle for longest first */
    struct event idle_timer;
    int link_count, links_max, links_per_origin; /* links_per_origin 0: no limit */
    int waiting;                                 /* for a connection, in all origins */
    char *scratch;                               /* SCRATCH bytes */
    CURL *idle[HANDLES_KEPT];
    size_t idle_count;
    struct buf spare; /* the receive buffer in turn: whoever waits holds none */
    char *ca_file, *user_agent;
};

/* Where connections go to. Exists while a connection or a transfer points at it. */
struct origin {
    struct list node;    /* in all->origins */
    struct list idle;    /* connections, the last used first */
    struct list waiting; /* transfers; the first gets the next connection */
    int users, links;
    bool https,
        public_only; /* a connection that was opened without the guard is not used behind it */
    unsigned port;
    char host[]; /* without brackets */
};

struct link {
    struct transfers *all;
    struct origin *origin;
    struct transfer *t;    /* whose turn it is; NULL: idle */
    struct list idle, age; /* in origin->idle and all->idle_links while idle */
    CURL *easy;            /* while opening; with TLS always */
    struct multi *multi;   /* where easy is */
    struct curl_slist resolved;
    evutil_socket_t fd; /* -1: opening */
    bool own_fd;        /* plain: libcurl has let go of it */
    bool reused, barred;
    int os_errno;
    int64_t idle_ms;                 /* since when */
    char curl_text[CURL_ERROR_SIZE]; /* while opening: what libcurl says of TLS */
    struct event readable, writable;
};

struct transfer {
    struct transfers *all;
    struct list node, ready; /* in all->running; in all->ready while there is something to tell */
    struct transfer_handler handler;
    void *arg;

    /* carried by us */
    struct origin *origin; /* NULL: libcurl carries it */
    struct link *link;
    struct list queue;  /* in origin->waiting */
    struct buf request; /* the head, and a small body behind it; kept while it may be sent again */
    size_t body_len, sent; /* of t->body; of both */
    struct http1_reply reply;
    struct unpack *unpack;
    bool fresh;   /* a kept connection failed: take a new one */
    bool started; /* a byte of the answer came */
    bool sent_whole, send_broken;

    /* carried by libcurl */
    CURL *easy;                 /* NULL when given back */
    struct curl_slist *headers; /* one block of memory, nodes and text */
    struct curl_slist resolved; /* data is malloc'ed: "+host:port:addresses" */
    char *curl_text;            /* libcurl's words: may hold the URL, so never shown */

    char *body;
    struct resolve_wait wait;

    struct buf head, in; /* received, not shown yet */
    size_t received, body_max;
    int status;
    enum refusal refused;
    enum end end;
    CURLcode result;
    int os_errno, connect_code;
    enum err_code why_code;
    char *why; /* NULL: out of memory */

    struct event timer;
    int64_t start_ms, connect_from_ms, last_byte_ms, armed_ms;
    int connect_ms, first_byte_ms, stall_ms, total_ms;

    bool added;     /* the multi has it */
    bool connected; /* TLS included */
    bool head_whole, head_shown;
    bool hold;        /* the consumer paused */
    bool curl_paused; /* and libcurl was told */
    bool telling;     /* a callback runs: free later */
    bool dead;        /* no callback any more */
    bool public_only, proxied;
    bool barred; /* an address was refused */

    unsigned port;
    char host[]; /* without brackets */
};

/* ---- transfer.c ---- */

void transfer_mark_ready(struct transfer *t);
/* It is over: gives the connection or handle back, on_done will run from the next drain. */
void transfer_over(struct transfer *t, enum end end);
void transfer_fail(struct transfer *t, enum err_code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Finds a connection and begins on it, waits for a free one, or opens one. 'turn': it has waited.
 */
int transfer_connect(struct transfer *t, bool turn, struct err *err);
/* A new connection is needed: the time for it begins now. */
void transfer_reconnects(struct transfer *t);
/* Bytes of the (unpacked) body. */
enum refusal transfer_keep(struct transfer *t, const char *p, size_t n);
void transfer_refused(const struct transfer *t, struct err *err);
void transfers_drain(struct transfers *all);
int64_t transfer_now_ms(void);
/* Bytes of the body came: the deadlines move. */
void transfer_touched(struct transfer *t);

/* ---- transfer_url.c ---- */

struct url_parts {
    bool https, public_only; /* public_only: as in struct transfer_request */
    struct span host;        /* without brackets */
    unsigned port;
    struct span target; /* path and query, without a fragment; may be empty or begin with '?' */
    bool special;       /* user:password@, dot segments, bytes that are no ASCII: libcurl's */
};

/* ERR_BAD_REQUEST for everything that is no plain http(s) URL; never shows the URL. */
int url_split(const char *url, struct url_parts *u, struct err *err);
/* Does the name need a look-up of ours? Not literals and localhost, which libcurl answers itself.
 */
bool url_needs_lookup(const char *host);
/* An environment's proxy may stand between: then libcurl resolves what it needs. */
bool url_may_be_proxied(bool https);
/* ERR_BAD_REQUEST unless every one is "name: value" in one line. */
int headers_check(const struct transfer_request *r, struct err *err);
bool header_is(const char *line, const char *name);
/* How a message ends and how a connection goes on is not the caller's to say. */
bool header_is_ours(const char *line);
/* The request's headers and ours as one block of libcurl's list: free() the first. */
struct curl_slist *headers_for_curl(const struct transfer_request *r, struct err *err);

/* ---- transfer_exchange.c ---- */

/* Writes the request down; takes r->body_owned over, also on failure. */
int exchange_prepare(struct transfer *t, const struct transfer_request *r,
                     const struct url_parts *u, struct err *err);
/* t->link is there, new or kept: sends. */
void exchange_begin(struct transfer *t);
void exchange_readable(struct transfer *t);
void exchange_writable(struct transfer *t);
/* Leaves the queue; closes the connection if it still has one. */
void exchange_drop(struct transfer *t);

/* ---- transfer_link.c ---- */

int links_open(struct transfers *all, const struct transfers_config *c, struct err *err);
void links_close(struct transfers *all);
/* Connections came free: gives them to those who wait. */
void links_serve(struct transfers *all);

struct origin *origin_ref(struct transfers *all, const struct url_parts *u);
void origin_unref(struct origin *o);

/* Gives t a kept connection; or says whether a new one may be opened; or lets it wait its turn. */
bool link_reuse(struct transfer *t);
bool link_room(struct transfer *t);
void link_wait(struct transfer *t);
/* Opens one; exchange_begin follows from the loop, or the end. */
int link_open(struct transfer *t, const char *addresses, struct err *err);

enum { LINK_EOF = 0, LINK_AGAIN = -1, LINK_BROKEN = -2 }; /* instead of a number of bytes */
ptrdiff_t link_receive(struct link *c, char *to, size_t n);
ptrdiff_t link_send(struct link *c, struct span s, bool more);
void link_want_write(struct link *c, bool want);
void link_hold(struct link *c, bool hold);
void link_read_soon(struct link *c); /* as if it were readable */
/* The exchange is over. 'keep': another may follow. */
void link_release(struct link *c, bool keep);
void link_close(struct link *c);

/* ---- transfer_guard.c ---- */

/* May t connect? 'addresses' as looked up, NULL for a literal. A first look with a clear answer. */
int guard_check(const struct transfer *t, const char *addresses, struct err *err);
/* libcurl asks before it opens a socket: the last word. 'barred' is set when it is refused. */
CURLcode guard_set(CURL *easy, bool *barred);
int guard_refuse(struct err *err);

/* ---- transfer_unpack.c ---- */

struct unpack;
typedef int unpack_take(void *arg, const char *p, size_t n); /* < 0: stop */

/* NULL: not a coding we know, or out of memory. */
struct unpack *unpack_new(struct span coding);
void unpack_free(struct unpack *u); /* NULL is fine */
/* 0; -1: not of this coding, or 'take' said stop. */
int unpack_add(struct unpack *u, struct span in, unpack_take *take, void *arg);
bool unpack_whole(const struct unpack *u);

/* ---- transfer_multi.c ---- */

int multi_open(struct multi *m, struct transfers *all, multi_done *done, struct err *err);
int multi_add(struct multi *m, CURL *easy, struct err *err);
void multi_close(struct multi *m);

/* ---- transfer_curl.c ---- */

int curl_open(struct transfers *all, const struct transfers_config *c, struct err *err);
void curl_close(struct transfers *all);
CURL *curl_take_handle(struct transfers *all);
/* A handle that failed is not used again: it would show its old errno for the next failure. */
void curl_give_handle(struct transfers *all, CURL *easy, bool failed);
CURLcode curl_set_connection(CURL *e, const struct transfers *all, bool http2);
/* Tells libcurl the addresses; to->data is malloc'ed and must live while it connects. */
int curl_hand_over(CURL *e, struct curl_slist *to, const char *host, unsigned port,
                   const char *addresses);
int curl_prepare(struct transfer *t, const struct transfer_request *r, struct err *err);
int curl_run(struct transfer *t, const char *addresses, struct err *err);
/* Takes the handle out: closes the connection unless the answer was whole. */
void curl_drop(struct transfer *t);
void curl_hold(struct transfer *t, bool hold);
/* What t->result means, in words that hold no secret. */
void curl_explain(const struct transfer *t, struct err *err);

#endif
