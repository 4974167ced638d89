/* fuzz_sse - a stream says the same whole, cut anywhere, and byte by byte.
 * SPDX-License-Identifier: MIT
 *
 * The first byte of the input chooses framing, leniency and limit, the second where to cut. */
#include "sse.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct trace {
    struct buf events, raw;
};

static void note(struct buf *out, struct span s)
{
    buf_printf(out, "%zu:", s.n);
    buf_add_span(out, s);
}

static bool on_event(void *arg, const struct sse_event *e)
{
    struct trace *t = arg;

    buf_add_span(&t->raw, e->raw);
    if (e->data.p) {
        note(&t->events, e->event);
        note(&t->events, e->data);
        note(&t->events, e->id);
    }
    return true;
}

struct outcome {
    struct trace trace;
    int result;
    long retry_ms;
};

/* Own memory for each piece, so that the sanitizer sees a step outside. */
static int feed(struct sse *s, const uint8_t *p, size_t n)
{
    char *piece = malloc(n ? n : 1);
    struct err err;

    memcpy(piece, p, n);
    int r = sse_feed(s, piece, n, &err);
    free(piece);
    return r;
}

static void play(struct outcome *o, uint8_t mode, const uint8_t *p, size_t n, size_t step)
{
    struct sse s;
    struct err err;
    bool lenient = mode & 2;

    buf_init(&o->trace.events, SIZE_MAX / 2);
    buf_init(&o->trace.raw, SIZE_MAX / 2);
    sse_init(&s, mode & 1 ? SSE_LINES : SSE_EVENTS, mode & 4 ? 64 : 1 << 20, on_event, &o->trace);
    o->result = 0;
    for (size_t at = 0; at < n && o->result == 0; at += step)
        o->result = feed(&s, p + at, n - at < step ? n - at : step);
    if (o->trace.raw.len > n || memcmp(buf_span(&o->trace.raw).p, p, o->trace.raw.len) != 0)
        abort();
    if (o->result == 0)
        o->result = sse_end(&s, lenient, &err);
    o->retry_ms = s.retry_ms;
    sse_deinit(&s);
}

static void compare(const struct outcome *a, const struct outcome *b)
{
    if (a->result != b->result || a->trace.events.len != b->trace.events.len)
        abort();
    if (memcmp(buf_span(&a->trace.events).p, buf_span(&b->trace.events).p, a->trace.events.len) !=
        0)
        abort();
    if (a->result == 0 && a->retry_ms != b->retry_ms)
        abort();
}

static void release(struct outcome *o)
{
    buf_deinit(&o->trace.events);
    buf_deinit(&o->trace.raw);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct outcome whole, cut, bytes;

    if (size < 3)
        return 0;
    const uint8_t *p = data + 2;
    size_t n = size - 2;
    play(&whole, data[0], p, n, n);
    play(&cut, data[0], p, n, 2u + data[1]);
    play(&bytes, data[0], p, n, 1);
    compare(&whole, &cut);
    compare(&whole, &bytes);
    release(&whole);
    release(&cut);
    release(&bytes);
    return 0;
}
