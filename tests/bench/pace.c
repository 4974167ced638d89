/* pace - so many requests a second, due at fixed times whether the last ones were answered or not.
 * SPDX-License-Identifier: MIT
 *
 * pace PORT BODY_FILE REQUESTS_A_SECOND SECONDS CONNECTIONS
 * A line for each request, when all is over: when it was due (ms since the start), how long it took from then on
 * (us; so time in which the client waited for a free connection counts), its status (0: no answer). */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

enum { CONNECTIONS_MAX = 512, ANSWER_MAX = 1 << 16, PATIENCE_S = 30 };

struct connection {
    int fd;
    long request; /* -1: idle */
    size_t n;
    char answer[ANSWER_MAX];
};

struct outcome {
    int64_t us;
    int status;
};

struct pace {
    uint16_t port;
    char *request;
    size_t request_n;
    double rate;
    long total, sent, ended;
    int n;
    unsigned next; /* the connections take turns: each belongs to one worker */
    int64_t start;
    struct outcome *outcomes;
    struct connection *connections;
};

static int64_t now_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static int64_t due_us(const struct pace *p, long request)
{
    return p->start + (int64_t)((double)request * 1e6 / p->rate);
}

static int open_connection(uint16_t port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};
    int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;

    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&a, sizeof a) < 0) {
        close(fd);
        return -1;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return fd;
}

static void end_request(struct pace *p, struct connection *c, int status)
{
    p->outcomes[c->request] = (struct outcome){now_us() - due_us(p, c->request), status};
    p->ended++;
    c->request = -1;
    c->n = 0;
}

static void renew(struct pace *p, struct connection *c)
{
    if (c->request >= 0)
        end_request(p, c, 0);
    if (c->fd >= 0)
        close(c->fd);
    c->fd = open_connection(p->port);
}

static void send_request(struct pace *p, struct connection *c)
{
    c->request = p->sent++;
    if (c->fd < 0)
        c->fd = open_connection(p->port);
    if (c->fd < 0 || send(c->fd, p->request, p->request_n, MSG_NOSIGNAL) != (ssize_t)p->request_n)
        renew(p, c);
}

/* Its status, once the answer is there as its Content-Length says; else 0. */
static int whole(const struct connection *c)
{
    const char *head_end = memmem(c->answer, c->n, "\r\n\r\n", 4);
    const char *length = head_end ? memmem(c->answer, c->n, "ontent-Length: ", 15) : NULL;

    if (!length || length > head_end)
        return 0;
    size_t wanted = (size_t)(head_end + 4 - c->answer) + strtoul(length + 15, NULL, 10);
    return c->n >= wanted ? atoi(c->answer + 9) : 0;
}

static void read_answer(struct pace *p, struct connection *c)
{
    ssize_t n = recv(c->fd, c->answer + c->n, ANSWER_MAX - 1 - c->n, 0);

    if (n <= 0) {
        renew(p, c);
        return;
    }
    c->n += (size_t)n;
    c->answer[c->n] = 0;
    int status = c->request >= 0 ? whole(c) : 0;
    if (status)
        end_request(p, c, status);
}

static void send_due(struct pace *p)
{
    for (int i = 0; i < p->n && p->sent < p->total && due_us(p, p->sent) <= now_us(); i++) {
        struct connection *c = &p->connections[p->next++ % (unsigned)p->n];
        if (c->request < 0)
            send_request(p, c);
    }
}

static void wait_for_something(struct pace *p, struct pollfd *fds)
{
    int64_t us = p->sent < p->total ? due_us(p, p->sent) - now_us() : 100000;
    bool idle = false;

    for (int i = 0; i < p->n; i++) {
        fds[i] = (struct pollfd){.fd = p->connections[i].fd, .events = POLLIN};
        idle |= p->connections[i].request < 0;
    }
    if (!idle || us > 100000)
        us = 100000;
    if (us < 0)
        us = 0;
    struct timespec t = {us / 1000000, us % 1000000 * 1000};
    if (ppoll(fds, (nfds_t)p->n, &t, NULL) > 0)
        for (int i = 0; i < p->n; i++)
            if (fds[i].revents)
                read_answer(p, &p->connections[i]);
}

static void run(struct pace *p)
{
    struct pollfd fds[CONNECTIONS_MAX];
    int64_t end = due_us(p, p->total) + PATIENCE_S * 1000000LL;

    while (p->ended < p->total && now_us() < end) {
        send_due(p);
        wait_for_something(p, fds);
    }
    for (long i = 0; i < p->total; i++)
        printf("%lld %lld %d\n", (long long)(due_us(p, i) - p->start) / 1000,
               (long long)p->outcomes[i].us, p->outcomes[i].status);
}

/* The head and the body, as one piece of bytes. */
static int read_request(struct pace *p, const char *path)
{
    static const char head[] = "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n"
                               "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n";
    FILE *f = fopen(path, "rb");
    char *body = malloc(ANSWER_MAX);
    size_t n = f && body ? fread(body, 1, ANSWER_MAX, f) : 0;

    if (f)
        fclose(f);
    if (n > 0 && (p->request = malloc(n + sizeof head + 32))) {
        p->request_n = (size_t)sprintf(p->request, head, n);
        memcpy(p->request + p->request_n, body, n);
        p->request_n += n;
    }
    free(body);
    return p->request ? 0 : -1;
}

int main(int argc, char **argv)
{
    struct pace p = {0};

    if (argc != 6 || read_request(&p, argv[2]) < 0)
        return 2;
    p.port = (uint16_t)atoi(argv[1]);
    p.rate = atof(argv[3]);
    p.total = (long)(p.rate * atof(argv[4]));
    p.n = atoi(argv[5]);
    if (p.rate <= 0 || p.total <= 0 || p.n < 1 || p.n > CONNECTIONS_MAX)
        return 2;
    p.outcomes = calloc((size_t)p.total, sizeof *p.outcomes);
    p.connections = calloc((size_t)p.n, sizeof *p.connections);
    if (!p.outcomes || !p.connections)
        return 1;
    for (int i = 0; i < p.n; i++)
        p.connections[i] = (struct connection){.fd = open_connection(p.port), .request = -1};
    prctl(PR_SET_TIMERSLACK, 1000UL);
    p.start = now_us();
    run(&p);
    return 0;
}
