/* sse - bytes in, events out, however the input is split: event streams and NDJSON.
 * SPDX-License-Identifier: MIT
 *
 * Two steps. The scanner finds where a block ends; it is the only one that knows about splits, and
 * needs two bits of state for it. The reader then takes one whole block, in the caller's bytes
 * where it lies there in one piece, else collected in 'raw', and looks at its fields. */
#include "sse.h"

#include <assert.h>
#include <limits.h>
#include <stdint.h>
#include <string.h>

enum { RAW_KEEP = 16 * 1024 }; /* a larger buffer is given back after its block */

void sse_init(struct sse *s, enum sse_framing framing, size_t event_max, sse_handler *on_event,
              void *arg)
{
    *s = (struct sse){.framing = framing, .on_event = on_event, .arg = arg, .retry_ms = -1};
    s->event_max = event_max < SIZE_MAX / 2 ? event_max : SIZE_MAX / 2;
    buf_init(&s->raw, s->event_max + 2); /* the LFs that are not counted */
    buf_init(&s->data, event_max);
    buf_init(&s->id, event_max);
}

void sse_deinit(struct sse *s)
{
    buf_deinit(&s->raw);
    buf_deinit(&s->data);
    buf_deinit(&s->id);
}

static int too_large(const struct sse *s, struct err *err)
{
    return err_set(err, ERR_BAD_RESPONSE, "a stream event is larger than %zu bytes", s->event_max);
}

static int no_memory(struct err *err)
{
    return err_set(err, ERR_BAD_RESPONSE, "out of memory for a stream event");
}

/* ---- the reader: the fields of one block ---- */

struct block {
    struct span data, event;
    int data_lines;
};

static int add_data(struct sse *s, struct block *b, struct span value)
{
    if (++b->data_lines == 1) {
        b->data = value;
        return 0;
    }
    if (b->data_lines == 2) {
        s->data.len = 0;
        if (buf_add_span(&s->data, b->data) < 0)
            return -1;
    }
    if (buf_add(&s->data, "\n", 1) < 0 || buf_add_span(&s->data, value) < 0)
        return -1;
    b->data = buf_span(&s->data);
    return 0;
}

static int set_id(struct sse *s, struct span value)
{
    if (memchr(value.p, 0, value.n))
        return 0;
    s->id.len = 0;
    return buf_add_span(&s->id, value);
}

static void set_retry(struct sse *s, struct span value)
{
    long ms = 0;

    for (size_t i = 0; i < value.n; i++) {
        int digit = value.p[i] - '0';
        if (digit < 0 || digit > 9)
            return;
        ms = ms > (LONG_MAX - 9) / 10 ? LONG_MAX : ms * 10 + digit;
    }
    if (value.n)
        s->retry_ms = ms;
}

static int read_line(struct sse *s, struct block *b, const char *p, size_t n)
{
    const char *colon = memchr(p, ':', n);
    struct span name = {p, colon ? (size_t)(colon - p) : n};
    struct span value = {p + n, 0};

    if (colon) {
        value = (struct span){colon + 1, n - name.n - 1};
        if (value.n && *value.p == ' ')
            value = (struct span){value.p + 1, value.n - 1};
    }
    if (span_is(name, "data"))
        return add_data(s, b, value);
    if (span_is(name, "event"))
        b->event = value;
    else if (span_is(name, "id"))
        return set_id(s, value);
    else if (span_is(name, "retry"))
        set_retry(s, value);
    return 0;
}

/* The first LF or CR in [p, end), or end. 'cr' remembers the next CR (NULL at first): a text
 * without any is not searched again for each line, and an LF is only looked for in front of it. */
static const char *line_end(const char *p, const char *end, const char **cr)
{
    if (!*cr || *cr < p)
        *cr = memchr(p, '\r', (size_t)(end - p));
    if (!*cr)
        *cr = end;
    const char *lf = memchr(p, '\n', (size_t)(*cr - p));
    return lf ? lf : *cr;
}

static struct span without_mark(struct sse *s, struct span raw)
{
    if (!s->begun && raw.n >= 3 && memcmp(raw.p, "\xEF\xBB\xBF", 3) == 0)
        return (struct span){raw.p + 3, raw.n - 3};
    return raw;
}

/* The lines of a block that have an end. A CR and its LF are read as two ends, an empty line
 * between them: empty lines inside a block mean nothing here. */
static int read_block(struct sse *s, struct block *b, struct span raw)
{
    struct span text = without_mark(s, raw);
    const char *end = text.p + text.n, *cr = NULL, *stop;

    for (const char *p = text.p; (stop = line_end(p, end, &cr)) < end; p = stop + 1)
        if (stop > p && *p != ':' && read_line(s, b, p, (size_t)(stop - p)) < 0)
            return -1;
    return 0;
}

static void show(struct sse *s, const struct block *b, struct span raw)
{
    struct sse_event e = {.raw = raw, .data = b->data, .event = b->event, .id = buf_span(&s->id)};

    if (!e.event.n)
        e.event = SPAN("message");
    s->begun = true;
    if (!s->on_event(s->arg, &e))
        s->stopped = true;
    if (s->data.cap > RAW_KEEP)
        buf_deinit(&s->data);
}

static int take_events(struct sse *s, struct span raw, struct err *err)
{
    struct block b = {0};

    if (read_block(s, &b, raw) < 0)
        return no_memory(err);
    show(s, &b, raw);
    return 0;
}

static int take_line(struct sse *s, struct span raw)
{
    struct span line = without_mark(s, raw);

    if (line.n && line.p[line.n - 1] == '\n')
        line.n--;
    if (line.n && line.p[line.n - 1] == '\r')
        line.n--;
    show(s, &(struct block){.data = line.n ? line : (struct span){0}}, raw);
    return 0;
}

/* ---- the scanner: where a block ends ---- */

/* One past the end of the block that begins or goes on at p; NULL when it does not end in [p, end),
 * which is not empty. */
static const char *scan_events(struct sse *s, const char *p, const char *end, const char **cr)
{
    if (s->cr && *p == '\n')
        p++;
    s->cr = false;
    while (p < end) {
        const char *stop = line_end(p, end, cr);
        if (stop == end) {
            s->line_open = true;
            break;
        }
        bool blank = stop == p && !s->line_open;
        s->line_open = false;
        p = stop + 1;
        if (*stop == '\r') {
            s->cr = p == end;
            if (p < end && *p == '\n')
                p++;
        }
        if (blank)
            return p;
    }
    return NULL;
}

static const char *scan_line(const char *p, const char *end)
{
    const char *lf = memchr(p, '\n', (size_t)(end - p));

    return lf ? lf + 1 : NULL;
}

/* Is a block of raw and p[0..n) too large? An LF that belongs to a CR does not count at either end:
 * in which block it stands depends on how the input was cut, and the limit must not. */
static bool over(const struct sse *s, const char *p, size_t n)
{
    size_t size = s->raw.len + n;

    if (size > s->raw.max)
        return true;
    if (size > 1 && (s->raw.len ? *s->raw.data : *p) == '\n')
        size--;
    char before = n > 1 ? p[n - 2] : s->raw.len ? s->raw.data[s->raw.len - 1] : 0;
    if (p[n - 1] == '\n' && before == '\r')
        size--;
    return size > s->event_max;
}

static int collect(struct sse *s, const char *p, size_t n, struct err *err)
{
    if (over(s, p, n))
        return too_large(s, err);
    return buf_add(&s->raw, p, n) < 0 ? no_memory(err) : 0;
}

static int take(struct sse *s, struct span raw, struct err *err)
{
    return s->framing == SSE_LINES ? take_line(s, raw) : take_events(s, raw, err);
}

/* The block ends with p[0..n): in one piece there, or its beginning waits in raw. */
static int take_ending(struct sse *s, const char *p, size_t n, struct err *err)
{
    if (!s->raw.len)
        return over(s, p, n) ? too_large(s, err) : take(s, (struct span){p, n}, err);
    if (collect(s, p, n, err) < 0 || take(s, buf_span(&s->raw), err) < 0)
        return -1;
    s->raw.len = 0;
    if (s->raw.cap > RAW_KEEP)
        buf_deinit(&s->raw);
    return 0;
}

int sse_feed(struct sse *s, const char *p, size_t n, struct err *err)
{
    if (n == 0)
        return 0;
    const char *end = p + n, *cr = NULL;

    assert(!s->stopped);
    while (p < end && !s->stopped) {
        const char *next =
            s->framing == SSE_LINES ? scan_line(p, end) : scan_events(s, p, end, &cr);
        if (!next)
            return collect(s, p, (size_t)(end - p), err);
        if (take_ending(s, p, (size_t)(next - p), err) < 0)
            return -1;
        p = next;
    }
    return 0;
}

int sse_end(struct sse *s, bool lenient, struct err *err)
{
    struct span rest = buf_span(&s->raw);
    struct block unfinished = {0};

    if (!rest.n || s->stopped)
        return 0;
    if (s->framing == SSE_LINES)
        return take(s, rest, err);
    s->cr = false; /* an LF from here is a line of its own */
    if (lenient)   /* ends the last line where it has no end, then the block */
        return sse_feed(s, "\n\n", s->line_open ? 2 : 1, err);
    /* The block is dropped, but a retry in it counted when its line was complete. */
    return read_block(s, &unfinished, rest) < 0 ? no_memory(err) : 0;
}
