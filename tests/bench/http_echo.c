/* http_echo - a server that sends back what it got: the cost of core/http alone.
 * SPDX-License-Identifier: MIT
 *
 * http_echo [ADDRESS]; ends on SIGTERM with its CPU time per request. */
#include "http.h"

#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>

static void on_request(struct http_exchange *x, void *arg)
{
    static const struct http_header type = {"Content-Type", "application/json"};
    struct span body = http_body(x);
    long *requests = arg;

    ++*requests;
    http_reply(x, 200, &type, 1, body.p, body.n);
}

static void on_signal(evutil_socket_t fd, short what, void *base)
{
    (void)fd, (void)what;
    event_base_loopbreak(base);
}

static double seconds(const struct timeval *t)
{
    return (double)t->tv_sec + (double)t->tv_usec / 1e6;
}

int main(int argc, char **argv)
{
    struct event_base *base = event_base_new();
    struct event *term = evsignal_new(base, SIGTERM, on_signal, base);
    struct http_limits limits;
    struct rusage used;
    struct err err;
    long requests = 0;

    http_limits_default(&limits);
    struct http *h = http_new(base, &limits, on_request, &requests, &err);
    if (!h || http_listen(h, argc > 1 ? argv[1] : "127.0.0.1:0", &err) < 0) {
        fprintf(stderr, "http_echo: %s\n", err.message);
        return 1;
    }
    event_add(term, NULL);
    printf("%s\n", http_address(h));
    fflush(stdout);
    event_base_dispatch(base);
    getrusage(RUSAGE_SELF, &used);
    printf("%ld requests, %.2f us of CPU each (%.2f user, %.2f system), %ld KiB\n", requests,
           (seconds(&used.ru_utime) + seconds(&used.ru_stime)) * 1e6 /
               (double)(requests ? requests : 1),
           seconds(&used.ru_utime) * 1e6 / (double)(requests ? requests : 1),
           seconds(&used.ru_stime) * 1e6 / (double)(requests ? requests : 1), used.ru_maxrss);
    http_free(h);
    event_free(term);
    event_base_free(base);
    return 0;
}
