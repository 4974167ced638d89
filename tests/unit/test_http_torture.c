/* test_http_torture - 248 raw requests that other servers stumbled over, sent whole and in pieces.
 * SPDX-License-Identifier: MIT
 *
 * The server logs each request that it takes for one: what must not be seen must not be in that
 * log. */
#include "httphelp.h"

#include <openssl/evp.h>

enum { CASES_MAX = 1024, LINE_MAX_BYTES = 1 << 20 };

struct test_case {
    char id[96], expect[16], must_not_see[64];
    int requests, max_responses;
    char *raw;
    size_t n, sent;
    struct client c;
    char name[64]; /* as http_peer calls it */
    int parsed;
    bool saw_banned;
};

struct torture {
    struct server s;
    struct test_case *cases;
    int n;
};

/* ---- the vectors: one flat JSON object a line, no escapes in what is needed ---- */

static bool field(const char *line, const char *key, char *out, size_t size)
{
    char pattern[64];

    snprintf(pattern, sizeof pattern, "\"%s\": \"", key);
    const char *p = strstr(line, pattern);
    if (!p)
        return false;
    p += strlen(pattern);
    size_t n = strcspn(p, "\"");
    if (n >= size)
        return false;
    memcpy(out, p, n);
    out[n] = 0;
    return true;
}

static int number(const char *line, const char *key)
{
    char pattern[64];

    snprintf(pattern, sizeof pattern, "\"%s\": ", key);
    const char *p = strstr(line, pattern);
    return p ? atoi(p + strlen(pattern)) : -1;
}

static bool read_case(struct test_case *t, const char *line, char *scratch)
{
    if (!field(line, "raw_b64", scratch, LINE_MAX_BYTES) ||
        !field(line, "id", t->id, sizeof t->id) ||
        !field(line, "expect", t->expect, sizeof t->expect))
        return false;
    field(line, "must_not_see", t->must_not_see, sizeof t->must_not_see);
    t->requests = number(line, "requests");
    t->max_responses = number(line, "max_responses");
    size_t n = strlen(scratch);
    t->raw = malloc(n + 4);
    int decoded = EVP_DecodeBlock((unsigned char *)t->raw, (unsigned char *)scratch, (int)n);
    for (size_t i = n; i > 0 && scratch[i - 1] == '='; i--)
        decoded--;
    t->n = decoded > 0 ? (size_t)decoded : 0;
    return decoded > 0;
}

static int read_cases(struct test_case *cases, FILE *f)
{
    static char line[LINE_MAX_BYTES], scratch[LINE_MAX_BYTES];
    int n = 0;

    while (n < CASES_MAX && fgets(line, sizeof line, f)) {
        bool read = read_case(&cases[n], line, scratch);
        CHECK(read);
        n += read;
    }
    return n;
}

/* ---- the server that logs ---- */

static void on_request(struct http_exchange *x, void *arg)
{
    struct torture *t = arg;

    for (int i = 0; i < t->n; i++) {
        struct test_case *c = &t->cases[i];
        if (strcmp(c->name, http_peer(x)) != 0)
            continue;
        c->parsed++;
        if (*c->must_not_see && strstr(http_path(x), c->must_not_see))
            c->saw_banned = true;
    }
    http_reply(x, 200, NULL, 0, "", 0);
}

static void connect_case(struct torture *t, struct test_case *c)
{
    struct sockaddr_in a;
    socklen_t len = sizeof a;

    c->c = dial(&t->s);
    getsockname(c->c.fd, (struct sockaddr *)&a, &len);
    snprintf(c->name, sizeof c->name, "127.0.0.1:%d", ntohs(a.sin_port));
    c->sent = 0;
    c->parsed = 0;
    c->saw_banned = false;
}

/* One more piece of each, until all are sent and all connections have ended. */
static bool go_on(struct test_case *c, size_t pieces)
{
    size_t piece = c->n / pieces + 1, left = c->n - c->sent;

    poll_client(&c->c);
    if (left && !c->c.eof && !c->c.reset) {
        ssize_t n = send(c->c.fd, c->raw + c->sent, left < piece ? left : piece, MSG_NOSIGNAL);
        c->sent += n > 0 ? (size_t)n : 0;
    }
    return !c->c.eof && !c->c.reset;
}

/* ---- the answers ---- */

struct answers {
    int all, good, bad; /* final ones; 2xx; 4xx and 5xx */
};

/* Every answer here is a head and, when it is an error, Content-Length bytes. */
static struct answers read_answers(struct client *c)
{
    struct answers a = {0, 0, 0};
    size_t at = 0;

    while (at + 12 < c->got.len && memcmp(c->got.data + at, "HTTP/1.1 ", 9) == 0) {
        const char *p = c->got.data + at;
        const char *end = memmem(p, c->got.len - at, "\r\n\r\n", 4);
        CHECK(end != NULL);
        if (!end)
            break;
        const char *length = memmem(p, (size_t)(end - p), "Content-Length: ", 16);
        at += (size_t)(end - p) + 4 + (length ? strtoul(length + 16, NULL, 10) : 0);
        a.all += p[9] != '1';
        a.good += p[9] == '2';
        a.bad += p[9] == '4' || p[9] == '5';
    }
    return a;
}

static bool right(const struct test_case *c, struct answers a)
{
    bool few = c->max_responses < 0 || a.all <= c->max_responses;

    if (strcmp(c->expect, "reject") == 0)
        return few && c->parsed == 0 && a.good == 0 && a.bad <= 1;
    if (strcmp(c->expect, "accept") == 0)
        return c->parsed == c->requests && a.good == c->requests && a.bad == 0;
    if (strcmp(c->expect, "one-response") == 0)
        return few && c->parsed <= 1 && !c->saw_banned;
    if (strcmp(c->expect, "incomplete") == 0)
        return c->parsed == 0 && a.good == 0;
    return strcmp(c->expect, "either") == 0 && a.good == c->parsed && a.bad <= 1;
}

static void check_case(struct test_case *c)
{
    struct answers a = read_answers(&c->c);

    if (!right(c, a) || !(c->c.eof || c->c.reset))
        fprintf(stderr, "%s: expected %s; %d requests taken, %d answers, %d good, %d bad%s\n",
                c->id, c->expect, c->parsed, a.all, a.good, a.bad, c->c.eof ? "" : ", not ended");
    CHECK(right(c, a));
    CHECK(c->c.eof);
    hang_up(&c->c);
}

static void run(struct torture *t, size_t pieces)
{
    struct http_limits l;
    int64_t end = now_ms() + PATIENCE_MS;
    bool open = true;

    http_limits_default(&l);
    l.header_timeout_ms = l.body_timeout_ms = l.idle_timeout_ms = 1500;
    server_start(&t->s, &l, on_request, t);
    for (int i = 0; i < t->n; i++)
        connect_case(t, &t->cases[i]);
    while (open && now_ms() < end) {
        open = false;
        for (int i = 0; i < t->n; i++)
            open = go_on(&t->cases[i], pieces) || open;
        turn(&t->s);
    }
    for (int i = 0; i < t->n; i++)
        check_case(&t->cases[i]);
    UNTIL(&t->s, http_connections(t->s.http) == 0);
    server_stop(&t->s);
}

int main(void)
{
    char path[512];
    struct torture t = {.cases = calloc(CASES_MAX, sizeof *t.cases)};

    snprintf(path, sizeof path, "%s/http-torture/requests.jsonl", test_vectors());
    FILE *f = fopen(path, "r");
    if (!f) {
        SKIP("no http-torture/requests.jsonl");
    } else {
        t.n = read_cases(t.cases, f);
        fclose(f);
        CHECK(t.n > 200);
        run(&t, 1);
        run(&t, 40);
    }
    for (int i = 0; i < t.n; i++)
        free(t.cases[i].raw);
    free(t.cases);
    return test_report("http_torture");
}
