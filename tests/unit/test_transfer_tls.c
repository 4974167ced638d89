/* test_transfer_tls - HTTP out over TLS, against a server with a certificate made for the test.
 * SPDX-License-Identifier: MIT */
#include "transferhelp.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <unistd.h>

enum { LARGE = 3 * 1024 * 1024 };

struct identity {
    char path[32];
    EVP_PKEY *key;
    X509 *certificate;
};

static int handshakes, resumed, asked_http1;

/* ---- the certificate ---- */

static void add_name(X509 *x, const char *alternative)
{
    X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, alternative);

    CHECK(e && X509_add_ext(x, e, -1) == 1);
    X509_EXTENSION_free(e);
}

/* A certificate for 127.0.0.1 that signs itself. */
static void make_identity(struct identity *id)
{
    X509 *x = id->certificate = X509_new();

    id->key = EVP_EC_gen("P-256");
    X509_set_version(x, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
    X509_gmtime_adj(X509_getm_notBefore(x), -60);
    X509_gmtime_adj(X509_getm_notAfter(x), 3600);
    X509_set_pubkey(x, id->key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC,
                               (const unsigned char *)"test", -1, -1, 0);
    X509_set_issuer_name(x, X509_get_subject_name(x));
    add_name(x, "IP:127.0.0.1");
    CHECK(X509_sign(x, id->key, EVP_sha256()) > 0);

    memcpy(id->path, "/tmp/baton-ca-XXXXXX", 21);
    int fd = mkstemp(id->path);
    FILE *f = fd >= 0 ? fdopen(fd, "w") : NULL;
    CHECK(f && PEM_write_X509(f, x) == 1);
    if (f)
        fclose(f);
}

static void drop_identity(struct identity *id)
{
    unlink(id->path);
    EVP_PKEY_free(id->key);
    X509_free(id->certificate);
}

/* ---- the server's TLS ---- */

static int on_alpn(SSL *ssl, const unsigned char **out, unsigned char *n, const unsigned char *in,
                   unsigned in_n, void *arg)
{
    (void)ssl, (void)arg;
    asked_http1 += in_n == 9 && memcmp(in, "\x08http/1.1", 9) == 0;
    *out = in + 1;
    *n = *in;
    return SSL_TLSEXT_ERR_OK;
}

static void on_info(const SSL *ssl, int where, int ret)
{
    (void)ret;
    if (!(where & SSL_CB_HANDSHAKE_DONE))
        return;
    handshakes++;
    resumed += SSL_session_reused(ssl);
}

static void tls_start(struct server *s, const struct identity *id, const char *bytes)
{
    server_start(s);
    s->tls = SSL_CTX_new(TLS_server_method());
    CHECK(SSL_CTX_use_certificate(s->tls, id->certificate) == 1);
    CHECK(SSL_CTX_use_PrivateKey(s->tls, id->key) == 1);
    SSL_CTX_set_alpn_select_cb(s->tls, on_alpn, NULL);
    SSL_CTX_set_info_callback(s->tls, on_info);
    script(s, (struct reply){.bytes = bytes});
}

static struct transfers *trusting(const char *ca_file)
{
    struct transfers_config c;
    struct err err;

    transfers_config_default(&c);
    c.ca_file = ca_file;
    return transfers_new(base, &c, &err);
}

/* ---- who is believed ---- */

static void expect_untrusted(const char *url)
{
    struct probe p;

    probe_init(&p);
    start(&p, url, (struct transfer_request){0});
    run_until(&p.dones, 1);
    CHECK(!p.ok);
    CHECK_INT(p.err.code, ERR_UNAVAILABLE);
    CHECK(strstr(p.err.message, "certificate") != NULL);
    CHECK(strstr(p.err.message, "secret") == NULL);
    probe_deinit(&p);
}

static void test_trust(const struct identity *id)
{
    struct identity other;
    struct server s;
    char url[64];

    tls_start(&s, id, OK_HELLO);
    all = trusting(id->path);
    snprintf(url, sizeof url, "https://localhost:%u/secret", s.port); /* the wrong name */
    expect_untrusted(url);
    get(&s, "GET", (struct span){0});
    CHECK_INT(s.requests, 1);
    transfers_free(all);

    make_identity(&other);
    all = trusting(other.path); /* another authority */
    expect_untrusted(url_of(&s, "/secret"));
    transfers_free(all);
    drop_identity(&other);
    all = trusting(NULL); /* the system's */
    expect_untrusted(url_of(&s, "/secret"));
    transfers_free(all);
    CHECK_INT(s.requests, 1);
    server_stop(&s);
}

/* ---- connections ---- */

static void test_keep_alive(const struct identity *id)
{
    struct server s;

    handshakes = resumed = asked_http1 = 0;
    tls_start(&s, id, OK_HELLO);
    all = trusting(id->path);
    for (int i = 0; i < 5; i++)
        get(&s, "POST", SPAN("x"));
    CHECK_INT(s.connections, 1);
    CHECK_INT(s.requests, 5);
    CHECK_INT(handshakes, 1);
    CHECK_INT(asked_http1, 1);
    wait_ms(20); /* a lull is no reason to leave */
    get(&s, "POST", SPAN("x"));
    CHECK_INT(s.connections, 1);

    /* the server closes while idle; the next connection resumes the session */
    server_close(&s, s.newest, CLOSE);
    wait_ms(5);
    get(&s, "POST", SPAN("x"));
    CHECK_INT(s.connections, 2);
    CHECK_INT(resumed, 1);
    transfers_free(all);
    server_stop(&s);
}

static void test_reconnect(const struct identity *id)
{
    struct server s;

    tls_start(&s, id, OK_HELLO);
    script(&s, (struct reply){.bytes = "", .then = CLOSE});
    script(&s, (struct reply){.bytes = OK_HELLO});
    all = trusting(id->path);
    get(&s, "POST", SPAN("x"));
    get(&s, "POST", SPAN("x"));
    CHECK_INT(s.connections, 2);
    CHECK_INT(s.requests, 3);
    transfers_free(all);
    server_stop(&s);
}

/* More than one shard, and all of them used again. */
static void test_many(const struct identity *id)
{
    enum { MANY = 300 };
    static struct probe p[MANY];
    struct server s;

    tls_start(&s, id, OK_HELLO);
    all = trusting(id->path);
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < MANY; i++) {
            probe_init(&p[i]);
            start(&p[i], url_of(&s, "/"), (struct transfer_request){0});
        }
        for (int i = 0; i < MANY; i++) {
            run_until(&p[i].dones, 1);
            CHECK(p[i].ok && p[i].body.len == 5);
            probe_deinit(&p[i]);
        }
    }
    CHECK_INT(s.connections, MANY);
    CHECK_INT(s.requests, 2 * MANY);
    transfers_free(all);
    server_stop(&s);
}

/* ---- bodies ---- */

static void test_large(const struct identity *id)
{
    char *large = calloc(1, LARGE);
    struct server s;
    struct probe p;

    memset(large, 'x', LARGE);
    tls_start(&s, id, "");
    s.replies[0] =
        (struct reply){.bytes = OK_HEAD "Content-Length: 3145728\r\n\r\n", .filler = LARGE};
    all = trusting(id->path);
    for (int i = 0; i < 2; i++) {
        probe_init(&p);
        start(&p, url_of(&s, "/"),
              (struct transfer_request){.method = "POST", .body = {large, LARGE}});
        run_until(&p.dones, 1);
        CHECK(p.ok);
        CHECK_INT(p.body.len, LARGE);
        CHECK(p.body.len == LARGE && memcmp(p.body.data, large, LARGE) == 0);
        probe_deinit(&p);
    }
    CHECK_INT(s.connections, 1);
    CHECK_INT(s.requests, 2);
    transfers_free(all);
    server_stop(&s);
    free(large);
}

static void test_pause(const struct identity *id)
{
    struct server s;
    struct probe p;

    tls_start(&s, id, "");
    s.replies[0] =
        (struct reply){.bytes = OK_HEAD "Content-Length: 3145728\r\n\r\n", .filler = LARGE};
    all = trusting(id->path);
    probe_init(&p);
    p.pause_at = AT_DATA;
    start(&p, url_of(&s, "/"), (struct transfer_request){.stall_ms = 40});
    for (int i = 1; i <= 5; i++) {
        run_until(&p.datas, i);
        wait_ms(i == 1 ? 80 : 5); /* a pause is no stall */
        CHECK_INT(p.datas, i);
        CHECK(p.body.len <= (size_t)i * 64 * 1024);
        transfer_resume(p.t);
    }
    p.pause_at = AT_NONE;
    run_until(&p.dones, 1);
    CHECK(p.ok);
    CHECK_INT(p.body.len, LARGE);
    probe_deinit(&p);
    transfers_free(all);
    server_stop(&s);
}

/* ---- ends ---- */

static void expect_tls_error(const struct identity *id, struct reply reply,
                             struct transfer_request r, const char *words)
{
    struct server s;
    struct probe p;

    tls_start(&s, id, "");
    s.replies[0] = reply;
    all = trusting(id->path);
    probe_init(&p);
    start(&p, url_of(&s, "/secret"), r);
    run_until(&p.dones, 1);
    CHECK(!p.ok);
    if (!strstr(p.err.message, words))
        CHECK_STR(p.err.message, words);
    CHECK(strstr(p.err.message, "secret") == NULL);
    probe_deinit(&p);
    transfers_free(all);
    server_stop(&s);
}

static void test_errors(const struct identity *id)
{
    const struct transfer_request plain = {0};

    expect_tls_error(id, (struct reply){.bytes = ""},
                     (struct transfer_request){.first_byte_ms = 60}, "first byte timeout");
    expect_tls_error(id, (struct reply){.bytes = OK_HEAD "Content-Length: 5\r\n\r\nhe"},
                     (struct transfer_request){.stall_ms = 40}, "stall timeout");
    expect_tls_error(id, (struct reply){.bytes = "SSH-2.0\r\n"}, plain, "not HTTP");
    expect_tls_error(id, (struct reply){.bytes = OK_HELLO},
                     (struct transfer_request){.body_max = 4}, "larger than 4 bytes");
    expect_tls_error(id, (struct reply){.bytes = "", .then = RESET}, plain, "");
}

static void test_cancel(const struct identity *id)
{
    struct server s;
    struct probe p;

    for (int started = 0; started < 2; started++) {
        tls_start(&s, id, OK_HEAD "Content-Length: 5\r\n\r\nhe");
        all = trusting(id->path);
        probe_init(&p);
        start(&p, url_of(&s, "/"), (struct transfer_request){0});
        run_until(started ? &p.datas : &s.connections, 1);
        transfer_cancel(p.t);
        CHECK_INT(transfers_running(all), 0);
        run_until(&s.closed, 1);
        CHECK_INT(p.dones, 0);
        probe_deinit(&p);
        transfers_free(all);
        server_stop(&s);
    }
}

int main(void)
{
    struct identity id;

    signal(SIGPIPE, SIG_IGN);
    unsetenv("https_proxy");
    unsetenv("HTTPS_PROXY");
    unsetenv("all_proxy");
    unsetenv("ALL_PROXY");
    base = event_base_new();
    make_identity(&id);
    test_trust(&id);
    test_keep_alive(&id);
    test_reconnect(&id);
    test_many(&id);
    test_large(&id);
    test_pause(&id);
    test_errors(&id);
    test_cancel(&id);
    drop_identity(&id);
    spin(3);
    event_base_free(base);
    libevent_global_shutdown();
    return test_report("transfer_tls");
}
