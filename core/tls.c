/* tls - the listening side of TLS 1.2 and 1.3 on nonblocking sockets (OpenSSL).
 * SPDX-License-Identifier: MIT */
#include "tls.h"

#include <errno.h>
#include <limits.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

struct tls {
    int refs; /* its owner's and one of each connection: they use 'socket' to their end */
    SSL_CTX *ctx;
    BIO_METHOD *socket;
};

struct tls_conn {
    struct tls *t;
    SSL *ssl;
};

/* ---- the socket as OpenSSL sees it: its own BIO writes without MSG_NOSIGNAL ---- */

static int socket_of(BIO *b)
{
    return (int)(intptr_t)BIO_get_data(b);
}

static bool again(void)
{
    return errno == EAGAIN || errno == EINTR;
}

static int on_write(BIO *b, const char *from, int n)
{
    ssize_t k = send(socket_of(b), from, (size_t)n, MSG_NOSIGNAL);

    BIO_clear_retry_flags(b);
    if (k < 0 && again())
        BIO_set_retry_write(b);
    return (int)k;
}

static int on_read(BIO *b, char *to, int n)
{
    ssize_t k = recv(socket_of(b), to, (size_t)n, 0);

    BIO_clear_retry_flags(b);
    if (k < 0 && again())
        BIO_set_retry_read(b);
    return (int)k;
}

static long on_ctrl(BIO *b, int command, long number, void *pointer)
{
    (void)b, (void)number, (void)pointer;
    return command == BIO_CTRL_FLUSH;
}

/* Nobody looks for it by its type, and OpenSSL has only some hundred numbers for types. */
static BIO_METHOD *socket_method(void)
{
    BIO_METHOD *m = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "socket");

    if (!m)
        return NULL;
    BIO_meth_set_write(m, on_write);
    BIO_meth_set_read(m, on_read);
    BIO_meth_set_ctrl(m, on_ctrl);
    return m;
}

/* ---- the context ---- */

/* HTTP/1.1 is all we speak; a client that offers only others goes on without ALPN, as before ALPN.
 */
static int on_alpn(SSL *ssl, const unsigned char **out, unsigned char *n, const unsigned char *in,
                   unsigned in_n, void *arg)
{
    static const unsigned char ours[] = "\x08http/1.1";
    unsigned char *chosen;

    (void)ssl, (void)arg;
    if (SSL_select_next_proto(&chosen, n, ours, sizeof ours - 1, in, in_n) !=
        OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_NOACK;
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

static int fail(struct err *err, const char *what, const char *file)
{
    unsigned long code = ERR_get_error();
    const char *reason = !code                    ? "out of memory"
                         : ERR_SYSTEM_ERROR(code) ? strerror(ERR_GET_REASON(code))
                                                  : ERR_reason_error_string(code);

    ERR_clear_error();
    return err_set(err, ERR_BAD_REQUEST, "%s: %s: %s", what, file, reason ? reason : "not usable");
}

static int load(struct tls *t, const char *certificate, const char *key, struct err *err)
{
    if (SSL_CTX_use_certificate_chain_file(t->ctx, certificate) != 1)
        return fail(err, "certificate", certificate);
    if (SSL_CTX_use_PrivateKey_file(t->ctx, key, SSL_FILETYPE_PEM) != 1)
        return fail(err, "key", key);
    if (SSL_CTX_check_private_key(t->ctx) == 1)
        return 0;
    ERR_clear_error(); /* it looks by the kind of the key, and says "no certificate" */
    return err_set(err, ERR_BAD_REQUEST, "key: %s: does not belong to the certificate", key);
}

/* The default asks at the terminal, which a server has not. */
static int on_password(char *to, int size, int writing, void *arg)
{
    (void)to, (void)size, (void)writing, (void)arg;
    return 0;
}

static void set_up(SSL_CTX *ctx)
{
    SSL_CTX_set_default_passwd_cb(ctx, on_password);
    SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                 SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
    /* an idle connection gives its buffers back; resumption works by tickets, without a cache */
    SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                              SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_alpn_select_cb(ctx, on_alpn, NULL);
}

struct tls *tls_new(const char *certificate, const char *key, struct err *err)
{
    struct tls *t = calloc(1, sizeof *t);

    ERR_clear_error();
    if (t)
        t->refs = 1;
    if (!t || !(t->ctx = SSL_CTX_new(TLS_server_method())) || !(t->socket = socket_method())) {
        fail(err, "TLS", "OpenSSL");
        goto failed;
    }
    set_up(t->ctx);
    if (load(t, certificate, key, err) < 0)
        goto failed;
    return t;
failed:
    tls_free(t);
    return NULL;
}

void tls_free(struct tls *t)
{
    if (!t || --t->refs > 0)
        return;
    SSL_CTX_free(t->ctx);
    BIO_meth_free(t->socket);
    free(t);
}

/* ---- one connection ---- */

struct tls_conn *tls_accept(struct tls *t, int fd)
{
    struct tls_conn *c = calloc(1, sizeof *c);
    BIO *bio = BIO_new(t->socket);

    if (!c || !bio || !(c->ssl = SSL_new(t->ctx))) {
        BIO_free(bio);
        free(c);
        return NULL;
    }
    BIO_set_data(bio, (void *)(intptr_t)fd);
    BIO_set_init(bio, 1);
    SSL_set_bio(c->ssl, bio, bio);
    SSL_set_accept_state(c->ssl);
    c->t = t;
    t->refs++;
    return c;
}

void tls_close(struct tls_conn *c)
{
    if (!c)
        return;
    SSL_free(c->ssl);
    tls_free(c->t);
    free(c);
}

static ptrdiff_t result(struct tls_conn *c, int n)
{
    if (n > 0)
        return n;
    switch (SSL_get_error(c->ssl, n)) {
    case SSL_ERROR_WANT_READ:
        return TLS_WANT_READ;
    case SSL_ERROR_WANT_WRITE:
        return TLS_WANT_WRITE;
    case SSL_ERROR_ZERO_RETURN:
        return TLS_EOF;
    default:
        return TLS_FAILED;
    }
}

static int fit(size_t n)
{
    return n < INT_MAX ? (int)n : INT_MAX;
}

ptrdiff_t tls_read(struct tls_conn *c, char *to, size_t n)
{
    ERR_clear_error(); /* another connection's error would be taken for ours */
    return result(c, SSL_read(c->ssl, to, fit(n)));
}

ptrdiff_t tls_write(struct tls_conn *c, const char *from, size_t n)
{
    ERR_clear_error();
    return result(c, SSL_write(c->ssl, from, fit(n)));
}

bool tls_ready(const struct tls_conn *c)
{
    return SSL_is_init_finished(c->ssl);
}

bool tls_pending(const struct tls_conn *c)
{
    return SSL_pending(c->ssl) > 0;
}

void tls_goodbye(struct tls_conn *c)
{
    ERR_clear_error();
    if (tls_ready(c))
        SSL_shutdown(c->ssl);
    ERR_clear_error();
}
