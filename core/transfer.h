/* transfer - HTTP out: many requests at once on one event base. The only part that sees libcurl.
 * SPDX-License-Identifier: MIT
 *
 * HTTP/1.1 on kept connections, no redirects, the usual proxy variables (http_proxy, https_proxy,
 * all_proxy, no_proxy). Names are looked up by ours (resolve.h); behind a proxy by libcurl. libcurl
 * opens the connections (TLS included); what goes over them is our own HTTP/1.1. HTTP/2, proxies
 * and URLs with a user, dot segments or bytes that are no ASCII are libcurl's altogether.
 * The process must ignore SIGPIPE: TLS writes may raise it.
 *
 * Callbacks run from the event loop, never before transfer_start has returned and never inside
 * libcurl: from any of them any function here may be called, and Lua may run. Order: on_head once,
 * on_data any number, on_done once, as the last; or on_done alone with an error. */
#ifndef TRANSFER_H
#define TRANSFER_H

#include "buf.h"
#include "err.h"

#include <event2/event.h>

struct transfers; /* the connections, handles and limits of one event base */
struct transfer;  /* one request and its answer */

struct transfers_config {
    int connections_max;      /* kept or open in all; requests beyond wait     10000 */
    int connections_per_host; /* to one host; 0: no limit of its own */
    const char *ca_file;      /* NULL: $CURL_CA_BUNDLE or $SSL_CERT_FILE, else the system's */
    const char *user_agent;   /* "baton/VERSION" */
    const char *nameserver;   /* "address:port" to ask; NULL: those of /etc/resolv.conf */
};

/* The answer's head. Borrowed: gone when on_head returns. */
struct transfer_head {
    int status;          /* 200 */
    struct span headers; /* "Name: value\r\n" lines, as they came (1xx heads left out) */
};

struct transfer_handler {
    void (*on_head)(void *arg, const struct transfer_head *head);
    void (*on_data)(void *arg, const char *p, size_t n);
    /* err == NULL: the answer came whole. Codes: ERR_TIMEOUT (the message says which: connect,
     * first byte, stall, total), ERR_UNAVAILABLE (not resolved, refused, reset), ERR_BAD_RESPONSE
     * (no HTTP, cut short, over the ceiling). Messages name host and port, never more of the URL,
     * and no header but an answer's Content-Encoding that we cannot unpack. The transfer is gone
     * when it returns; inside it, cancel, pause and resume do nothing. */
    void (*on_done)(void *arg, const struct err *err);
};

struct transfer_request {
    const char *method; /* "POST" */
    const char *url;    /* http: or https: only */
    /* "name: value" lines, 'header_count' of them; no line breaks. Content-Length,
     * Transfer-Encoding and Connection are ours and left out. */
    const char *const *headers;
    size_t header_count;
    struct span body; /* copied by transfer_start unless body_owned */
    /* malloc'ed; when set, body.p points to it, and it is freed, also on failure */
    char *body_owned;
    int connect_ms;    /* until connected, name resolution and TLS included; 0: 10 s */
    int first_byte_ms; /* from the start until the first byte of the answer's body; 0: none */
    int stall_ms;      /* between bytes of the body afterwards; 0: none */
    int total_ms;      /* all of it; 0: none */
    size_t body_max;   /* ceiling of the (unpacked) answer; more is ERR_BAD_RESPONSE; 0: 64 MB */
    bool http2;        /* allow HTTP/2 */
    /* Connect to public addresses only (address.h): checked on the address that is connected to, so no second look-up
     * can change it. Behind a proxy every address of the name is checked before the proxy is asked, which looks it up
     * again. ERR_AUTH when it is refused. */
    bool public_only;
};

void transfers_config_default(struct transfers_config *c);
struct transfers *transfers_new(struct event_base *base, const struct transfers_config *c,
                                struct err *err);
/* Transfers that wait for a connection, to whatever host. */
int transfers_waiting(const struct transfers *all);
/* Cancels what runs (no callback) and closes all connections. Not from a callback of a transfer. A
 * name look-up under way lets go of its memory in the loop's next turn. NULL is fine. */
void transfers_free(struct transfers *all);
int transfers_running(const struct transfers *all);

/* Starts a request; copies what it needs of 'r' and of the handler. NULL with *err on failure:
 * ERR_BAD_REQUEST for a method, URL or header that cannot be sent, ERR_UNAVAILABLE for a name
 * without address. */
struct transfer *transfer_start(struct transfers *all, const struct transfer_request *r,
                                const struct transfer_handler *handler, void *arg, struct err *err);
/* No callback runs any more; the connection is closed at once unless the answer was whole. */
void transfer_cancel(struct transfer *t);
/* Back-pressure: no on_data while paused, and no more of the answer is read (a stall then counts
 * from resume). A broken time limit ends it also while paused; what was not shown is dropped then.
 * An answer that came whole waits for its resume without limit. */
void transfer_pause(struct transfer *t);
void transfer_resume(struct transfer *t);

#endif
