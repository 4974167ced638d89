/* test_tls - the server behind TLS, with a certificate made for the test.
 * SPDX-License-Identifier: MIT */
#include "httphelp.h"

#include <malloc.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <sys/stat.h>

#define HOST "Host: a\r\n"

struct files {
    char dir[32], certificate[64], key[64], other_key[64];
};

struct app {
    struct server s;
    struct http_exchange *held;
    int gone;
};

/* ---- the certificate ---- */

static void write_key(const char *path, EVP_PKEY *key)
{
    FILE *f = fopen(path, "w");

    CHECK(f && PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL) == 1);
    if (f)
        fclose(f);
}

static void write_certificate(const char *path, EVP_PKEY *key)
{
    X509 *x = X509_new();
    FILE *f = fopen(path, "w");

    ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
    X509_gmtime_adj(X509_getm_notBefore(x), 0);
    X509_gmtime_adj(X509_getm_notAfter(x), 3600);
    X509_set_pubkey(x, key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC,
                               (const unsigned char *)"localhost", -1, -1, 0);
    X509_set_issuer_name(x, X509_get_subject_name(x));
    CHECK(X509_sign(x, key, EVP_sha256()) > 0);
    CHECK(f && PEM_write_X509(f, x) == 1);
    if (f)
        fclose(f);
    X509_free(x);
}

static void make_files(struct files *f)
{
    EVP_PKEY *key = EVP_EC_gen("P-256"), *other = EVP_EC_gen("P-256");

    memcpy(f->dir, "/tmp/baton-tls-XXXXXX", 22);
    CHECK(mkdtemp(f->dir) != NULL);
    snprintf(f->certificate, sizeof f->certificate, "%s/cert.pem", f->dir);
    snprintf(f->key, sizeof f->key, "%s/key.pem", f->dir);
    snprintf(f->other_key, sizeof f->other_key, "%s/other.pem", f->dir);
    write_key(f->key, key);
    write_key(f->other_key, other);
    write_certificate(f->certificate, key);
    EVP_PKEY_free(key);
    EVP_PKEY_free(other);
}

static void remove_files(const struct files *f)
{
    unlink(f->certificate);
    unlink(f->key);
    unlink(f->other_key);
    CHECK_INT(rmdir(f->dir), 0);
}

/* ---- a client ---- */

struct tls_client {
    struct client c;
    SSL_CTX *ctx;
    SSL *ssl;
    bool closed; /* close_notify came */
};

static struct tls_client dial_tls(struct server *s, int max_version)
{
    struct tls_client t = {.c = dial(s), .ctx = SSL_CTX_new(TLS_client_method())};
    static const unsigned char alpn[] = "\x02h2\x08http/1.1";

    SSL_CTX_set_max_proto_version(t.ctx, max_version);
    SSL_CTX_set_mode(t.ctx, SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_ENABLE_PARTIAL_WRITE);
    t.ssl = SSL_new(t.ctx);
    SSL_set_alpn_protos(t.ssl, alpn, sizeof alpn - 1);
    SSL_set_fd(t.ssl, t.c.fd);
    SSL_set_connect_state(t.ssl);
    return t;
}

static void hang_up_tls(struct tls_client *t)
{
    SSL_free(t->ssl);
    SSL_CTX_free(t->ctx);
    hang_up(&t->c);
}

static void poll_tls(struct tls_client *t)
{
    int n;

    while (!t->c.eof && (n = SSL_read(t->ssl, buf_reserve(&t->c.got, 65536), 65536)) != 0) {
        if (n < 0) {
            int why = SSL_get_error(t->ssl, n);
            t->c.eof = why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE;
            return;
        }
        t->c.got.len += (size_t)n;
    }
    t->closed = t->closed || (SSL_get_shutdown(t->ssl) & SSL_RECEIVED_SHUTDOWN);
    t->c.eof = true;
}

static void put_tls(struct server *s, struct tls_client *t, const char *p, size_t n)
{
    int64_t end = now_ms() + PATIENCE_MS;

    while (n && now_ms() < end && !t->c.eof) {
        int k = SSL_write(t->ssl, p, (int)n);
        p += k > 0 ? k : 0;
        n -= k > 0 ? (size_t)k : 0;
        if (n) {
            turn(s);
            poll_tls(t);
        }
    }
}

static bool has_tls(struct tls_client *t, const char *text)
{
    poll_tls(t);
    return t->c.got.len && memmem(t->c.got.data, t->c.got.len, text, strlen(text));
}

/* ---- the server ---- */

static void on_gone(struct http_exchange *x, void *arg)
{
    struct app *a = arg;

    (void)x;
    a->gone++;
}

static void on_request(struct http_exchange *x, void *arg)
{
    struct app *a = arg;

    if (strcmp(http_path(x), "/hold") == 0) {
        http_on_gone(x, on_gone, a);
        a->held = x;
        return;
    }
    struct span body = http_body(x);
    http_reply(x, 200, NULL, 0, body.p, body.n);
}

static void start(struct app *a, const struct files *f, const struct http_limits *l)
{
    struct err err = {.message = ""};

    *a = (struct app){.gone = 0};
    server_base(&a->s);
    a->s.http = http_new(a->s.base, l, on_request, a, &err);
    CHECK_INT(http_use_tls(a->s.http, f->certificate, f->key, &err), 0);
    CHECK_STR(err.message, "");
    server_listen(&a->s);
}

/* ---- tests ---- */

static void test_echo(struct app *a, int version, const char *name)
{
    enum { N = 1000000 };
    static char big[N];
    struct tls_client t = dial_tls(&a->s, version);
    static const char small[] = "POST / HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nhello";
    static const char large[] = "POST / HTTP/1.1\r\n" HOST "Content-Length: 1000000\r\n\r\n";
    const unsigned char *protocol;
    unsigned n;

    put_tls(&a->s, &t, small, strlen(small));
    UNTIL(&a->s, has_tls(&t, "\r\n\r\nhello"));
    CHECK_STR(SSL_get_version(t.ssl), name);
    SSL_get0_alpn_selected(t.ssl, &protocol, &n);
    CHECK_BYTES((const char *)protocol, n, "http/1.1");
    t.c.got.len = 0;
    for (int i = 0; i < N; i++)
        big[i] = (char)('a' + i % 23);
    put_tls(&a->s, &t, large, strlen(large));
    put_tls(&a->s, &t, big, N);
    UNTIL(&a->s, (poll_tls(&t), t.c.got.len > N));
    UNTIL(&a->s, memcmp(t.c.got.data + t.c.got.len - N, big, N) == 0);
    t.c.got.len = 0;
    static const char last[] = "GET / HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n";
    put_tls(&a->s, &t, last, strlen(last));
    UNTIL(&a->s, (poll_tls(&t), t.c.eof));
    CHECK(t.closed && has_tls(&t, "Connection: close"));
    hang_up_tls(&t);
    UNTIL(&a->s, http_connections(a->s.http) == 0);
}

/* A reload brings a certificate: what is open goes on with the old one. */
static void test_renewal(struct app *a, const struct files *f)
{
    static const char hello[] = "POST / HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nhello";
    struct tls_client old = dial_tls(&a->s, 0), fresh;
    struct err err;

    put_tls(&a->s, &old, hello, strlen(hello));
    UNTIL(&a->s, has_tls(&old, "\r\n\r\nhello"));
    for (int i = 0; i < 200; i++) /* more often than OpenSSL has types of BIOs */
        CHECK_INT(http_use_tls(a->s.http, f->certificate, f->key, &err), 0);
    old.c.got.len = 0;
    put_tls(&a->s, &old, hello, strlen(hello));
    UNTIL(&a->s, has_tls(&old, "\r\n\r\nhello"));
    fresh = dial_tls(&a->s, 0);
    put_tls(&a->s, &fresh, hello, strlen(hello));
    UNTIL(&a->s, has_tls(&fresh, "\r\n\r\nhello"));
    hang_up_tls(&old);
    hang_up_tls(&fresh);
    UNTIL(&a->s, http_connections(a->s.http) == 0);
}

static void test_leaving(struct app *a)
{
    struct tls_client t = dial_tls(&a->s, 0);
    static const char hold[] = "GET /hold HTTP/1.1\r\n" HOST "\r\n";

    put_tls(&a->s, &t, hold, strlen(hold));
    UNTIL(&a->s, (poll_tls(&t), a->held != NULL));
    hang_up_tls(&t);
    UNTIL(&a->s, a->gone == 1);
    UNTIL(&a->s, http_connections(a->s.http) == 0);
}

static void test_strangers(struct app *a)
{
    struct client plain = dial(&a->s);

    put(&a->s, &plain, "GET / HTTP/1.1\r\n" HOST "\r\n");
    UNTIL(&a->s, ended(&plain));
    CHECK(!has(&plain, "200"));
    hang_up(&plain);
    struct tls_client old = dial_tls(&a->s, TLS1_1_VERSION);
    put_tls(&a->s, &old, "x", 1);
    CHECK(old.c.eof);
    hang_up_tls(&old);
    UNTIL(&a->s, http_connections(a->s.http) == 0);
}

static void test_silent_handshake(const struct files *f)
{
    struct http_limits l;
    struct app a;

    http_limits_default(&l);
    l.header_timeout_ms = 20;
    start(&a, f, &l);
    struct client c = dial(&a.s);
    put(&a.s, &c, "\x16\x03\x01");
    UNTIL(&a.s, ended(&c));
    CHECK_INT(c.got.len, 0);
    hang_up(&c);
    server_stop(&a.s);
}

static void test_wrong_files(const struct files *f)
{
    struct event_base *base = event_base_new();
    struct http_limits l;
    struct err err;

    http_limits_default(&l);
    struct http *h = http_new(base, &l, on_request, NULL, &err);
    CHECK_INT(http_use_tls(h, "/nonexistent.pem", f->key, &err), -1);
    CHECK(strstr(err.message, "/nonexistent.pem"));
    CHECK_INT(http_use_tls(h, f->certificate, f->certificate, &err), -1);
    CHECK(strstr(err.message, f->certificate));
    CHECK_INT(http_use_tls(h, f->certificate, f->other_key, &err), -1);
    http_free(h);
    event_base_free(base);
}

int main(void)
{
    struct http_limits l;
    struct files f;
    struct app a;

    mallopt(M_PERTURB, 0x55); /* what OpenSSL uses after it was freed shows */
    http_limits_default(&l);
    make_files(&f);
    start(&a, &f, &l);
    test_echo(&a, TLS1_3_VERSION, "TLSv1.3");
    test_echo(&a, TLS1_2_VERSION, "TLSv1.2");
    test_renewal(&a, &f);
    test_leaving(&a);
    test_strangers(&a);
    server_stop(&a.s);
    test_silent_handshake(&f);
    test_wrong_files(&f);
    remove_files(&f);
    return test_report("tls");
}
