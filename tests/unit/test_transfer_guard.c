/* test_transfer_guard - requests that may only reach public addresses, against names that lead inside.
 * SPDX-License-Identifier: MIT */
#include "transfer_parts.h"

#include "transferhelp.h"

#include <event2/dns.h>
#include <event2/dns_struct.h>

static const char hello[] = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

/* A name server for which every name is this machine. */
static void on_question(struct evdns_server_request *q, void *arg)
{
    uint32_t loopback = htonl(INADDR_LOOPBACK);

    ++*(int *)arg;
    for (int i = 0; i < q->nquestions; i++)
        if (q->questions[i]->type == EVDNS_TYPE_A)
            evdns_server_request_add_a_reply(q, q->questions[i]->name, 1, &loopback, 0);
    evdns_server_request_respond(q, 0);
}

static struct evdns_server_port *start_names(char *address, size_t size, int *questions)
{
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof sa;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);

    CHECK(fd >= 0 && bind(fd, (struct sockaddr *)&sa, n) == 0);
    getsockname(fd, (struct sockaddr *)&sa, &n);
    snprintf(address, size, "127.0.0.1:%u", ntohs(sa.sin_port));
    return evdns_add_server_port_with_base(base, fd, 0, on_question, questions);
}

static bool fetch(const char *url, bool public_only, struct err *err)
{
    struct transfer_request r = {
        .method = "GET", .url = url, .connect_ms = 5000, .public_only = public_only};
    struct probe p;

    probe_init(&p);
    p.t = transfer_start(all, &r, &probe_handler, &p, err);
    if (!p.t)
        return false;
    run_until(&p.dones, 1);
    *err = p.err;
    probe_deinit(&p);
    return p.ok;
}

static void expect_refused(const char *url)
{
    struct err err = {.code = ERR_NONE};

    CHECK(!fetch(url, true, &err));
    CHECK_INT(err.code, ERR_AUTH);
    CHECK(strstr(err.message, "not public") != NULL);
}

static const char *at(const char *format, unsigned port)
{
    static char url[128];

    snprintf(url, sizeof url, format, port);
    return url;
}

static void test_literals(void)
{
    static const char *const urls[] = {
        "http://127.0.0.1:%u/",
        "http://127.1:%u/",
        "http://2130706433:%u/",
        "http://0x7f.1:%u/",
        "http://0177.0.0.1:%u/",
        "http://0:%u/",
        "http://localhost:%u/",
        "http://a.localhost:%u/",
        "http://[::1]:%u/",
        "http://[::]:%u/",
        "http://[::ffff:127.0.0.1]:%u/",
        "http://0.0.0.0:%u/",
        "https://127.0.0.1:%u/",
        "http://127.0.0.1:%u/./x",
        "http://u@127.0.0.1:%u/",
    };
    struct server s;
    struct err err;

    server_start(&s);
    script(&s, (struct reply){.bytes = hello});
    for (size_t i = 0; i < sizeof urls / sizeof *urls; i++)
        expect_refused(at(urls[i], s.port));
    CHECK_INT(s.connections, 0);
    CHECK(fetch(at(urls[0], s.port), false, &err));
    server_stop(&s);
}

/* A name that leads inside, however often it is asked; and a connection that a provider's call has left open. */
static void test_names(void)
{
    struct transfers *shared = all;
    struct transfers_config c;
    struct server s;
    struct err err;
    char address[64];
    int questions = 0;
    struct evdns_server_port *names = start_names(address, sizeof address, &questions);

    server_start(&s);
    script(&s, (struct reply){.bytes = hello});
    transfers_config_default(&c);
    c.nameserver = address;
    all = transfers_new(base, &c, &err);
    expect_refused(at("http://rebind.example:%u/", s.port));
    int asked = questions;
    CHECK(asked >= 1 && asked <= 2); /* one look-up: nothing to change between check and use */
    expect_refused(at("http://rebind.example:%u/x", s.port));
    CHECK_INT(s.connections, 0);
    CHECK(fetch(at("http://rebind.example:%u/", s.port), false, &err));
    CHECK_INT(s.requests, 1);
    expect_refused(at("http://rebind.example:%u/", s.port));
    CHECK_INT(s.requests, 1);
    transfers_free(all);
    all = shared;
    evdns_close_server_port(names);
    spin(3);
    server_stop(&s);
}

/* The last word alone, as libcurl asks it. */
static void test_sockets(void)
{
    struct server s;
    bool barred = false;
    CURL *e = curl_easy_init();

    server_start(&s);
    CHECK(guard_set(e, &barred) == CURLE_OK);
    curl_easy_setopt(e, CURLOPT_URL, at("http://127.0.0.1:%u/", s.port));
    curl_easy_setopt(e, CURLOPT_CONNECT_ONLY, 1L);
    CHECK_INT(curl_easy_perform(e), CURLE_COULDNT_CONNECT);
    CHECK(barred);
    spin(3);
    CHECK_INT(s.connections, 0);
    curl_easy_cleanup(e);
    server_stop(&s);
}

static bool check(const char *host, const char *addresses, bool proxied)
{
    struct transfer *t = calloc(1, sizeof *t + 64);
    struct err err;

    memcpy(t->host, host, strlen(host) + 1);
    t->proxied = proxied;
    bool fine = guard_check(t, addresses, &err) == 0;
    free(t);
    return fine;
}

static void test_lists(void)
{
    CHECK(check("x", "1.1.1.1", false));
    CHECK(check("x", "[2606:4700::1]", true));
    CHECK(!check("x", "10.0.0.1", false));
    CHECK(!check("x", "[::1],127.0.0.1", false));
    CHECK(check("x", "127.0.0.1,1.1.1.1", false)); /* the first is refused when it is its turn */
    CHECK(!check("x", "127.0.0.1,1.1.1.1", true)); /* who knows which one the proxy takes */
    CHECK(!check("x", "1.1.1.1,[fe80::1]", true));
    CHECK(!check("x", "", false));
    CHECK(!check("x", "rubbish", true));
    CHECK(!check("localhost", NULL, true));
    CHECK(!check("127.0.0.1", NULL, true));
    CHECK(!check("127.1", NULL, false));
    CHECK(check("1.1.1.1", NULL, true));
    CHECK(check("2606:4700::1", NULL, false));
}

/* Behind a proxy the address of the proxy may be any; what it is asked for may not. */
static void test_proxy(void)
{
    struct transfers *shared = all;
    struct server s;
    struct err err;

    server_start(&s);
    script(&s, (struct reply){.bytes = hello});
    setenv("http_proxy", at("http://127.0.0.1:%u", s.port), 1);
    all = fresh_transfers();
    CHECK(fetch("http://1.1.1.1/x", true, &err));
    CHECK(strncmp(s.last, "GET http://1.1.1.1/x ", 21) == 0);
    expect_refused("http://169.254.169.254/latest");
    expect_refused("http://localhost/");
    expect_refused("http://127.1/");
    CHECK_INT(s.requests, 1);
    transfers_free(all);
    all = shared;
    unsetenv("http_proxy");
    server_stop(&s);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    base = event_base_new();
    all = fresh_transfers();
    test_lists();
    test_sockets();
    test_literals();
    test_names();
    test_proxy();
    transfers_free(all);
    spin(3);
    event_base_free(base);
    libevent_global_shutdown();
    return test_report("test_transfer_guard");
}
