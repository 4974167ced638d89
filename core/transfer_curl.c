/* transfer_curl - requests that libcurl carries whole (HTTP/2, proxies), its easy handles, its
 * errors in our words. SPDX-License-Identifier: MIT */
#include "transfer_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    RECEIVE_BUFFER = 8 * 1024, /* held by every waiting transfer */
    UPLOAD_BUFFER =
        16 * 1024,         /* TLS copies the request through it; libcurl's own choice is 64 KB */
    DNS_KEPT_S = 24 * 3600 /* addresses we handed over; our resolver renews them long before */
};

static void on_curl_done(void *arg, CURLcode result)
{
    struct transfer *t = arg;
    long code = 0;

    t->result = result;
    if (curl_easy_getinfo(t->easy, CURLINFO_OS_ERRNO, &code) == CURLE_OK)
        t->os_errno = (int)code;
    if (curl_easy_getinfo(t->easy, CURLINFO_HTTP_CONNECTCODE, &code) == CURLE_OK)
        t->connect_code = (int)code;
    transfer_over(t, END_CURL);
}

/* ---- the callbacks of one transfer: they only store ---- */

static int on_connected(void *arg, char *peer, char *own, int peer_port, int own_port)
{
    struct transfer *t = arg;

    (void)peer, (void)own, (void)peer_port, (void)own_port;
    t->connected = true;
    return CURL_PREREQFUNC_OK;
}

static int status_of(const char *line, size_t n)
{
    const char *space = memchr(line, ' ', n);
    int status = 0;

    for (const char *p = space ? space + 1 : line + n; p < line + n && *p >= '0' && *p <= '9'; p++)
        status = status < 1000 ? status * 10 + (*p - '0') : status;
    return status;
}

/* One line of a head. An interim answer (1xx) starts over; what follows the body is left out. */
static size_t on_header(char *line, size_t one, size_t n, void *arg)
{
    struct transfer *t = arg;

    (void)one;
    if (t->head_whole)
        return n;
    if (n >= 5 && memcmp(line, "HTTP/", 5) == 0) {
        t->head.len = 0;
        t->status = status_of(line, n);
        return n;
    }
    if (n <= 2 && (*line == '\r' || *line == '\n')) {
        t->head_whole = t->status >= 200;
        if (t->head_whole)
            transfer_mark_ready(t);
        return n;
    }
    if (buf_add(&t->head, line, n) == 0)
        return n;
    t->refused = REFUSED_HEAD;
    return 0;
}

static size_t on_body(char *p, size_t one, size_t n, void *arg)
{
    struct transfer *t = arg;

    (void)one;
    if (!t->head_whole) { /* after a 101 nobody asked for */
        t->refused = REFUSED_NO_HEAD;
        return 0;
    }
    t->refused = transfer_keep(t, p, n);
    if (t->refused)
        return 0;
    transfer_touched(t);
    return n;
}

/* ---- easy handles ---- */

CURL *curl_take_handle(struct transfers *all)
{
    return all->idle_count ? all->idle[--all->idle_count] : curl_easy_init();
}

void curl_give_handle(struct transfers *all, CURL *easy, bool failed)
{
    if (failed || all->idle_count == HANDLES_KEPT) {
        curl_easy_cleanup(easy);
        return;
    }
    curl_easy_reset(easy);
    all->idle[all->idle_count++] = easy;
}

/* The first failure of many settings; every one of them can only be out of memory or a wrong URL.
 */
#define SET(option, value) (code = code ? code : curl_easy_setopt(e, option, value))

static CURLcode set_method(CURL *e, const struct transfer_request *r)
{
    CURLcode code = CURLE_OK;
    bool get = strcmp(r->method, "GET") == 0, head = strcmp(r->method, "HEAD") == 0;
    bool post = strcmp(r->method, "POST") == 0;

    if (head && !r->body.n)
        return SET(CURLOPT_NOBODY, 1L);
    if (r->body.n || post) {
        SET(CURLOPT_POST, 1L);
        SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)r->body.n);
        SET(CURLOPT_POSTFIELDS, r->body.n ? r->body.p : "");
    }
    if (!post && !(get && !r->body.n))
        SET(CURLOPT_CUSTOMREQUEST, r->method);
    return code;
}

CURLcode curl_set_connection(CURL *e, const struct transfers *all, bool http2)
{
    CURLcode code = CURLE_OK;

    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_TCP_NODELAY, 1L);
    SET(CURLOPT_TCP_KEEPALIVE, 1L);
    SET(CURLOPT_QUICK_EXIT, 1L);
    SET(CURLOPT_SHARE, all->share);
    SET(CURLOPT_DNS_CACHE_TIMEOUT, (long)DNS_KEPT_S);
    SET(CURLOPT_BUFFERSIZE, (long)RECEIVE_BUFFER);
    SET(CURLOPT_UPLOAD_BUFFERSIZE, (long)UPLOAD_BUFFER);
    SET(CURLOPT_PROTOCOLS_STR, "http,https");
    SET(CURLOPT_FOLLOWLOCATION, 0L);
    SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    SET(CURLOPT_HTTP_VERSION, (long)(http2 ? CURL_HTTP_VERSION_2TLS : CURL_HTTP_VERSION_1_1));
    if (http2)
        SET(CURLOPT_PIPEWAIT, 1L);
    if (all->ca_file)
        SET(CURLOPT_CAINFO, all->ca_file);
    /* With a directory beside the file libcurl would read the file anew for every connection, and
     * keep 800 KB of it in each. */
    if (all->ca_file || curl_version_info(CURLVERSION_NOW)->cainfo)
        SET(CURLOPT_CAPATH, NULL);
    return code;
}

static CURLcode set_callbacks(CURL *e, struct transfer *t)
{
    CURLcode code = CURLE_OK;

    SET(CURLOPT_PRIVATE, t);
    SET(CURLOPT_ERRORBUFFER, t->curl_text);
    SET(CURLOPT_PREREQFUNCTION, on_connected);
    SET(CURLOPT_PREREQDATA, t);
    SET(CURLOPT_HEADERFUNCTION, on_header);
    SET(CURLOPT_HEADERDATA, t);
    SET(CURLOPT_WRITEFUNCTION, on_body);
    SET(CURLOPT_WRITEDATA, t);
    SET(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    return code;
}

int curl_prepare(struct transfer *t, const struct transfer_request *r, struct err *err)
{
    CURLcode code = CURLE_OK;
    CURL *e = t->easy = curl_take_handle(t->all);

    t->curl_text = calloc(1, CURL_ERROR_SIZE);
    if (!e || !t->curl_text)
        return err_set(err, ERR_INTERNAL, "out of memory");
    t->headers = headers_for_curl(r, err);
    if (!t->headers)
        return -1;
    SET(CURLOPT_URL, r->url);
    SET(CURLOPT_HTTPHEADER, t->headers);
    SET(CURLOPT_USERAGENT, t->all->user_agent);
    SET(CURLOPT_ACCEPT_ENCODING, ""); /* unpack what comes packed though nobody asked */
    code = code ? code : set_method(e, r);
    code = code ? code : curl_set_connection(e, t->all, r->http2);
    code = code ? code : set_callbacks(e, t);
    if (t->public_only) /* a connection that is there may lead anywhere */
        SET(CURLOPT_FRESH_CONNECT, 1L);
    if (t->public_only && !t->proxied) /* else the socket leads to the proxy */
        code = code ? code : guard_set(e, &t->barred);
    if (code)
        return err_set(err, ERR_INTERNAL, "cannot prepare a request: %s", curl_easy_strerror(code));
    return 0;
}

/* "+": an entry that may age, so that names nobody uses any more do not stay for ever. */
int curl_hand_over(CURL *e, struct curl_slist *to, const char *host, unsigned port,
                   const char *addresses)
{
    size_t size = strlen(host) + strlen(addresses) + 16;

    to->data = malloc(size);
    if (!to->data)
        return -1;
    snprintf(to->data, size, "+%s:%u:%s", host, port, addresses);
    return curl_easy_setopt(e, CURLOPT_RESOLVE, to) ? -1 : 0;
}

int curl_run(struct transfer *t, const char *addresses, struct err *err)
{
    if (addresses && curl_hand_over(t->easy, &t->resolved, t->host, t->port, addresses) < 0)
        return err_set(err, ERR_INTERNAL, "out of memory");
    if (multi_add(&t->all->multi, t->easy, err) < 0)
        return -1;
    t->added = true;
    return 0;
}

void curl_drop(struct transfer *t)
{
    if (!t->easy)
        return;
    if (t->added) {
        /* An HTTP/2 stream that is given up is reset by the next bytes sent on its connection, and
         * when it was the only one nothing more is sent (libcurl since 7.88): then the connection
         * is closed. One that others use, or one whose answer is complete, stays open. */
        curl_easy_setopt(t->easy, CURLOPT_FORBID_REUSE, 1L);
        curl_multi_remove_handle(t->all->multi.handle, t->easy);
    }
    t->added = false;
    /* Never used again: after HTTP/2 a handle keeps its receive buffer over curl_easy_reset, and
     * then refuses CURLOPT_BUFFERSIZE (libcurl 7.88). */
    curl_give_handle(t->all, t->easy, true);
    t->easy = NULL;
}

void curl_hold(struct transfer *t, bool hold)
{
    if (!t->added || t->curl_paused == hold)
        return;
    t->curl_paused = hold;
    CURLcode code = curl_easy_pause(t->easy, hold ? CURLPAUSE_RECV : CURLPAUSE_CONT);
    if (code) {
        t->result = code;
        transfer_over(t, END_CURL);
    }
}

/* ---- the multi handle ---- */

static char *copy(const char *text)
{
    return text && *text ? strdup(text) : NULL;
}

static int set_multi(struct transfers *all, const struct transfers_config *c)
{
    CURLM *m = all->multi.handle;
    int bad = 0;

    /* left alone it keeps four per running request, and a lull closes all others */
    bad |= curl_multi_setopt(m, CURLMOPT_MAXCONNECTS, (long)c->connections_max);
    bad |= curl_multi_setopt(m, CURLMOPT_MAX_TOTAL_CONNECTIONS, (long)c->connections_max);
    bad |= curl_multi_setopt(m, CURLMOPT_MAX_HOST_CONNECTIONS, (long)c->connections_per_host);
    return bad ? -1 : 0;
}

static const char *ca_of(const struct transfers_config *c)
{
    const char *bundle = getenv("CURL_CA_BUNDLE"), *file = getenv("SSL_CERT_FILE");

    return c->ca_file ? c->ca_file : bundle && *bundle ? bundle : file;
}

int curl_open(struct transfers *all, const struct transfers_config *c, struct err *err)
{
    if (curl_global_init(CURL_GLOBAL_DEFAULT))
        return err_set(err, ERR_INTERNAL, "cannot start libcurl");
    all->share = curl_share_init();
    all->ca_file = copy(ca_of(c));
    all->user_agent = strdup(c->user_agent ? c->user_agent : "");
    if (multi_open(&all->multi, all, on_curl_done, err) < 0)
        return -1;
    if (!all->share || !all->user_agent || set_multi(all, c) < 0 ||
        curl_share_setopt(all->share, CURLSHOPT_SHARE, CURL_LOCK_DATA_SSL_SESSION))
        return err_set(err, ERR_INTERNAL, "cannot set libcurl up");
    return 0;
}

void curl_close(struct transfers *all)
{
    while (all->idle_count)
        curl_easy_cleanup(all->idle[--all->idle_count]);
    multi_close(&all->multi);
    curl_share_cleanup(all->share);
    free(all->ca_file);
    free(all->user_agent);
    curl_global_cleanup();
}

/* ---- errors ---- */

static void explain_connect(const struct transfer *t, struct err *err)
{
    if (t->connect_code >= 300)
        err_set(err, ERR_UNAVAILABLE, "the proxy answered %d", t->connect_code);
    else if (t->os_errno)
        err_set(err, ERR_UNAVAILABLE, "cannot connect: %s", strerror(t->os_errno));
    else
        err_set(err, ERR_UNAVAILABLE, "cannot connect");
}

/* A wrong chunk is the same code to libcurl as a broken connection; only its words tell. */
static void explain_broken(const struct transfer *t, struct err *err)
{
    if (t->connect_code >= 300)
        explain_connect(t, err);
    else if (t->curl_text && strstr(t->curl_text, "chunked-encoding"))
        err_set(err, ERR_BAD_RESPONSE, "bad answer: wrong chunk");
    else
        err_set(err, ERR_UNAVAILABLE, "the connection broke%s%s", t->os_errno ? ": " : "",
                t->os_errno ? strerror(t->os_errno) : "");
}

/* What the fixed text leaves open: which side is wrong, and why. OpenSSL's reasons ("certificate has expired", "wrong
 * version number": no TLS there) hold nothing of the URL; libcurl puts them behind these words. */
static void explain_tls(const struct transfer *t, struct err *err)
{
    static const char *const before[] = {"SSL certificate problem: ", "SSL routines::"};
    const char *text = curl_easy_strerror(t->result);

    for (size_t i = 0; i < sizeof before / sizeof *before; i++) {
        const char *found = t->curl_text ? strstr(t->curl_text, before[i]) : NULL;
        if (found) {
            err_set(err, ERR_UNAVAILABLE, "%s: %s", text, found + strlen(before[i]));
            return;
        }
    }
    err_set(err, ERR_UNAVAILABLE, "%s", text);
}

/* libcurl's own message for a handle may hold the URL; the fixed text for its code does not. */
void curl_explain(const struct transfer *t, struct err *err)
{
    const char *text = curl_easy_strerror(t->result);

    if (t->barred) {
        guard_refuse(err);
        return;
    }
    switch (t->result) {
    case CURLE_WRITE_ERROR:
        transfer_refused(t, err);
        return;
    case CURLE_COULDNT_CONNECT:
        explain_connect(t, err);
        return;
    case CURLE_GOT_NOTHING:
        err_set(err, ERR_UNAVAILABLE, "the connection was closed without an answer");
        return;
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
        explain_broken(t, err);
        return;
    case CURLE_HTTP2_STREAM: /* the provider has reset it */
        if (!t->head_whole) {
            err_set(err, ERR_UNAVAILABLE, "the stream was reset without an answer");
            return;
        }
        /* fall through */
    case CURLE_PARTIAL_FILE:
        err_set(err, ERR_BAD_RESPONSE, "the answer was cut short");
        return;
    case CURLE_UNSUPPORTED_PROTOCOL: /* what libcurl makes of HTTP/0.9 */
    case CURLE_WEIRD_SERVER_REPLY:
        err_set(err, ERR_BAD_RESPONSE, "the answer is not HTTP");
        return;
    case CURLE_BAD_CONTENT_ENCODING:
        err_set(err, ERR_BAD_RESPONSE, "bad answer: %s", text);
        return;
    case CURLE_URL_MALFORMAT:
        err_set(err, ERR_BAD_REQUEST, "not a usable URL");
        return;
    case CURLE_OPERATION_TIMEDOUT:
        err_set(err, ERR_TIMEOUT, "%s", text);
        return;
    case CURLE_OUT_OF_MEMORY:
        err_set(err, ERR_INTERNAL, "out of memory");
        return;
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
        explain_tls(t, err);
        return;
    default:
        err_set(err, ERR_UNAVAILABLE, "%s", text);
    }
}
