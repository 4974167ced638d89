/* effect_live - the seam's live side: real clocks, real random numbers, real transfers, real files.
 * SPDX-License-Identifier: MIT */
#include "effect_live.h"

#include "effect_state.h"
#include "file.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

struct live {
    struct effect effect;
    struct event_base *base;
    struct transfers *transfers;
    uint64_t pool[32]; /* random numbers fetched ahead: one system call for 32 */
    int left;
};

/* What runs behind one op. */
struct running {
    struct op *op;
    struct event *timer;       /* ASK_SLEEP */
    struct transfer *transfer; /* ASK_CALL */
};

static int64_t micros(clockid_t clock)
{
    struct timespec t;

    clock_gettime(clock, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static int64_t live_wall(struct effect *e)
{
    (void)e;
    return micros(CLOCK_REALTIME);
}

static int64_t live_mono(struct effect *e)
{
    (void)e;
    return micros(CLOCK_MONOTONIC);
}

static uint64_t live_random(struct effect *e)
{
    struct live *live = (struct live *)e;

    if (live->left == 0) {
        if (getrandom(live->pool, sizeof live->pool, 0) != (ssize_t)sizeof live->pool)
            abort(); /* cannot happen for up to 256 bytes (getrandom(2)) */
        live->left = sizeof live->pool / sizeof *live->pool;
    }
    return live->pool[--live->left];
}

static int fail_file(struct err *err, const char *path)
{
    return err_set(err, errno == ENOENT ? ERR_NOT_FOUND : ERR_UNAVAILABLE, "%s: %s", path,
                   strerror(errno));
}

static int live_read_file(struct effect *e, const char *path, struct buf *out, struct err *err)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), result = 0;

    (void)e;
    if (fd < 0)
        return fail_file(err, path);
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
        result = err_set(err, ERR_BAD_REQUEST, "%s: not a regular file", path);
    else if (file_read(fd, out) < 0)
        result = errno == EFBIG ? err_set(err, ERR_BUDGET, "%s: larger than the limit of %zu bytes",
                                          path, out->max)
                                : fail_file(err, path);
    close(fd);
    return result;
}

static int live_write_file(struct effect *e, const char *path, struct span data, bool append,
                           struct err *err)
{
    int flags = O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;
    int fd = open(path, flags | (append ? O_APPEND : O_TRUNC), 0666);
    size_t at = 0;

    (void)e;
    if (fd < 0)
        return fail_file(err, path);
    while (at < data.n) {
        ssize_t n = write(fd, data.p + at, data.n - at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            fail_file(err, path);
            close(fd);
            return -1;
        }
        at += (size_t)n;
    }
    return close(fd) < 0 ? fail_file(err, path) : 0;
}

static void forget(struct running *r)
{
    if (r->timer)
        event_free(r->timer);
    r->op->live = NULL;
    r->op->effect = NULL;
    free(r);
}

/* The end of an op: nothing of it is left when the handler runs, which may free or reuse it. */
static void finish(struct running *r, const struct answer *a)
{
    struct op *op = r->op;

    r->transfer = NULL;
    forget(r);
    op->on_answer(op, a);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    finish(arg, &(struct answer){.kind = ANSWER_DONE});
}

static void on_head(void *arg, const struct transfer_head *head)
{
    struct running *r = arg;
    struct answer a = {.kind = ANSWER_HEAD, .status = head->status, .headers = head->headers};

    r->op->on_answer(r->op, &a);
}

static void on_data(void *arg, const char *p, size_t n)
{
    struct running *r = arg;

    r->op->on_answer(r->op, &(struct answer){.kind = ANSWER_DATA, .data = {p, n}});
}

static void on_done(void *arg, const struct err *err)
{
    finish(arg, &(struct answer){.kind = err ? ANSWER_FAIL : ANSWER_DONE, .err = err});
}

static int start_sleep(struct live *live, struct running *r, int64_t us, struct err *err)
{
    struct timeval tv = {.tv_sec = us / 1000000, .tv_usec = us % 1000000};

    r->timer = evtimer_new(live->base, on_timer, r);
    if (!r->timer || evtimer_add(r->timer, &tv) < 0)
        return err_set(err, ERR_OVERLOADED, "out of memory for a timer");
    return 0;
}

static int start_call(struct live *live, struct running *r, const struct ask_call *c,
                      struct err *err)
{
    static const struct transfer_handler handler = {on_head, on_data, on_done};
    struct transfer_request request = {
        .method = c->method,
        .url = c->url,
        .headers = c->headers,
        .header_count = c->header_count,
        .body = {c->body, c->body_len},
        .body_owned = c->body,
        .connect_ms = c->connect_ms,
        .first_byte_ms = c->first_byte_ms,
        .stall_ms = c->stall_ms,
        .total_ms = c->total_ms,
        .body_max = c->answer_max,
        .http2 = c->http2,
        .public_only = c->public_only,
    };

    r->transfer = transfer_start(live->transfers, &request, &handler, r, err);
    return r->transfer ? 0 : -1;
}

static int live_start(struct effect *e, struct op *op, const struct ask *ask, struct err *err)
{
    struct live *live = (struct live *)e;
    struct running *r = calloc(1, sizeof *r);
    int result;

    assert(!op->effect);
    if (!r) {
        if (ask->kind == ASK_CALL)
            free(ask->call.body);
        return err_set(err, ERR_OVERLOADED, "out of memory");
    }
    r->op = op;
    if (ask->kind == ASK_SLEEP)
        result = start_sleep(live, r, ask->sleep_us, err);
    else
        result = start_call(live, r, &ask->call, err);
    if (result < 0) {
        forget(r);
        return -1;
    }
    op->live = r;
    op->effect = e;
    return 0;
}

static void live_cancel(struct effect *e, struct op *op)
{
    struct running *r = op->live;

    (void)e;
    if (!r)
        return;
    if (r->transfer)
        transfer_cancel(r->transfer);
    forget(r);
}

static void live_pause(struct effect *e, struct op *op, bool on)
{
    struct running *r = op->live;

    (void)e;
    if (!r || !r->transfer)
        return;
    if (on)
        transfer_pause(r->transfer);
    else
        transfer_resume(r->transfer);
}

static void live_free(struct effect *e)
{
    free(e);
}

struct effect *effect_live_new(struct event_base *base, struct transfers *transfers,
                               struct shared *shared, struct cache *cache, struct err *err)
{
    struct live *live = calloc(1, sizeof *live);

    if (!live) {
        err_set(err, ERR_OVERLOADED, "out of memory");
        return NULL;
    }
    live->base = base;
    live->transfers = transfers;
    live->effect = (struct effect){
        .name = "live",
        .wall_us = live_wall,
        .mono_us = live_mono,
        .random = live_random,
        .read_file = live_read_file,
        .write_file = live_write_file,
        .start = live_start,
        .cancel = live_cancel,
        .pause = live_pause,
        .free = live_free,
    };
    effect_state_use(&live->effect, shared, cache);
    return &live->effect;
}
