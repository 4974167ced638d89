/* transfer_parts - what transfer.c (lives, callbacks, deadlines) and transfer_curl.c (libcurl)
 * share. SPDX-License-Identifier: MIT */
#ifndef TRANSFER_PARTS_H
#define TRANSFER_PARTS_H

#include <event2/event_struct.h> /* first: it would trip over our LIST_ENTRY */

#include "list.h"
#include "resolve.h"
#include "transfer.h"

#include <curl/curl.h>
#include <stdint.h>

enum {
    HANDLES_KEPT = 256,    /* idle easy handles, about 6 KB each */
    HEAD_MAX = 128 * 1024, /* ceiling of an answer's head */
    BODY_MAX_DEFAULT = 64 * 1024 * 1024,
    SPARE_MAX = 64 * 1024 /* a larger receive buffer is given back */
};

/* How a transfer ended. */
enum end {
    END_NONE, /* not yet */
    END_CURL, /* libcurl said so: t->result */
    END_CONNECT,
    END_FIRST_BYTE,
    END_STALL,
    END_TOTAL,
    END_NAME /* not resolved */
};

/* Why a callback of ours made libcurl stop; it then only reports a write error. */
enum refusal { REFUSED_NOT, REFUSED_NO_HEAD, REFUSED_HEAD, REFUSED_BODY, REFUSED_MEMORY };

struct transfers {
    struct event_base *base;
    CURLM *multi;
    CURLSH *share; /* TLS sessions */
    struct resolver *resolver;
    struct event timer; /* libcurl's one timer */
    struct event kick;  /* deliver from the loop what is ready */
    struct list running, ready;
    int count;
    CURL *idle[HANDLES_KEPT];
    size_t idle_count;
    struct buf spare; /* the receive buffer in turn: whoever waits holds none */
    char *ca_file, *user_agent;
};

struct transfer {
    struct transfers *all;
    struct list node, ready; /* in all->running; in all->ready while there is something to tell */
    struct transfer_handler handler;
    void *arg;

    CURL *easy;                 /* NULL when given back */
    struct curl_slist *headers; /* one block of memory, nodes and text */
    struct curl_slist resolved; /* data is malloc'ed: "+host:port:addresses" */
    char *body;
    struct resolve_wait wait;

    struct buf head, in; /* received, not shown yet */
    size_t received, body_max;
    int status;
    enum refusal refused;
    enum end end;
    CURLcode result;
    int os_errno, connect_code;
    char *why_no_name;
    char curl_text[CURL_ERROR_SIZE]; /* libcurl's words: may hold the URL, so never shown */

    struct event timer;
    int64_t start_ms, last_byte_ms, armed_ms;
    int connect_ms, first_byte_ms, stall_ms, total_ms;

    bool added;     /* the multi has it */
    bool connected; /* TLS included */
    bool head_whole, head_shown;
    bool hold;        /* the consumer paused */
    bool curl_paused; /* and libcurl was told */
    bool telling;     /* a callback runs: free later */
    bool dead;        /* no callback any more */

    unsigned port;
    char host[]; /* without brackets */
};

/* ---- transfer.c ---- */

void transfer_mark_ready(struct transfer *t);
/* It is over: gives the handle back, on_done will run from the next drain. */
void transfer_over(struct transfer *t, enum end end);
void transfers_drain(struct transfers *all);
int64_t transfer_now_ms(void);
/* Bytes of the body came: the deadlines move. */
void transfer_touched(struct transfer *t);

/* ---- transfer_url.c ---- */

struct url_parts {
    bool https;
    struct span host; /* without brackets */
    unsigned port;
};

/* ERR_BAD_REQUEST for everything that is no plain http(s) URL; never shows the URL. */
int url_split(const char *url, struct url_parts *u, struct err *err);
/* Does the name need a look-up of ours? Not literals and localhost, which libcurl answers itself.
 */
bool url_needs_lookup(const char *host);
/* An environment's proxy may stand between: then libcurl resolves what it needs. */
bool url_may_be_proxied(bool https);
/* The request's headers and ours as one block of libcurl's list: free() the first. */
struct curl_slist *headers_for_curl(const struct transfer_request *r, struct err *err);

/* ---- transfer_curl.c ---- */

int curl_open(struct transfers *all, const struct transfers_config *c, struct err *err);
void curl_close(struct transfers *all);
int curl_prepare(struct transfer *t, const struct transfer_request *r, struct err *err);
int curl_run(struct transfer *t, const char *addresses, struct err *err);
/* Takes the handle out: closes the connection unless the answer was whole. */
void curl_drop(struct transfer *t);
void curl_hold(struct transfer *t, bool hold);
/* What t->result means, in words that hold no secret. */
void curl_explain(const struct transfer *t, struct err *err);

#endif
