/* log - structured lines: one JSON object a line, on a descriptor.
 * SPDX-License-Identifier: MIT */
#include "log.h"

#include "json.h"

#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { WAITING_MAX = 1 << 20, FLUSH_AT = 32 << 10 };

static const char *const levels[] = {"debug", "info", "warn", "error", "none"};

struct log_field log_text(const char *name, const char *text)
{
    return (struct log_field){
        .name = name, .kind = FIELD_TEXT, .text = {text, text ? strlen(text) : 0}};
}

struct log_field log_int(const char *name, int64_t i)
{
    return (struct log_field){.name = name, .kind = FIELD_INT, .integer = i};
}

struct log_field log_number(const char *name, double d)
{
    return (struct log_field){.name = name, .kind = FIELD_NUMBER, .number = d};
}

struct log_field log_json(const char *name, struct span json)
{
    return (struct log_field){.name = name, .kind = FIELD_JSON, .text = json};
}

void log_init(struct log *log, int fd, enum log_level level)
{
    *log = (struct log){.fd = fd, .level = level, .second = -1};
    buf_init(&log->waiting, WAITING_MAX);
}

void log_deinit(struct log *log)
{
    log_flush(log);
    buf_deinit(&log->waiting);
}

/* May a write of up to PIPE_BUF bytes be made without waiting (pipe(7))? */
static bool writable(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLOUT};

    return poll(&p, 1, 0) == 1 && (p.revents & POLLOUT);
}

void log_flush(struct log *log)
{
    size_t at = 0;

    while (at < log->waiting.len && writable(log->fd)) {
        size_t room = log->waiting.len - at;
        ssize_t n = write(log->fd, log->waiting.data + at, room < PIPE_BUF ? room : PIPE_BUF);
        if (n <= 0)
            break; /* nobody reads: what does not fit any more is dropped and counted */
        at += (size_t)n;
    }
    buf_consume(&log->waiting, at);
}

int log_level_of(const char *name)
{
    for (int i = LOG_DEBUG; i <= LOG_NONE; i++)
        if (strcmp(levels[i], name) == 0)
            return i;
    return -1;
}

static void spell_second(int64_t second, char out[24])
{
    struct tm tm;
    time_t t = (time_t)second;

    gmtime_r(&t, &tm);
    strftime(out, 24, "%Y-%m-%dT%H:%M:%S", &tm);
}

void log_time(int64_t wall_us, char out[25])
{
    char second[24];

    spell_second(wall_us / 1000000, second);
    snprintf(out, 25, "%.19s.%03uZ", second, (unsigned)(wall_us / 1000 % 1000) % 1000);
}

static void put_field(struct buf *b, const struct log_field *f)
{
    buf_puts(b, ",");
    json_write_text(b, (struct span){f->name, strlen(f->name)});
    buf_puts(b, ":");
    switch (f->kind) {
    case FIELD_INT:
        json_write_int(b, f->integer);
        return;
    case FIELD_NUMBER:
        if (json_write_double(b, f->number) < 0)
            buf_puts(b, "null");
        return;
    case FIELD_JSON:
        buf_add_span(b, f->text);
        return;
    case FIELD_TEXT:
        if (f->text.p)
            json_write_text(b, f->text);
        else
            buf_puts(b, "null");
    }
}

void log_write(struct log *log, enum log_level level, const char *message,
               const struct log_field *fields, size_t n)
{
    struct timespec now;
    struct buf *b = &log->waiting;

    if (level < log->level)
        return;
    size_t before = b->len;
    clock_gettime(CLOCK_REALTIME, &now);
    if (now.tv_sec != log->second) {
        log->second = now.tv_sec;
        spell_second(log->second, log->stamp);
    }
    buf_printf(b, "{\"time\":\"%s.%03ldZ\",\"level\":\"%s\",\"message\":", log->stamp,
               now.tv_nsec / 1000000, levels[level]);
    json_write_text(b, (struct span){message, strlen(message)});
    for (size_t i = 0; i < n; i++)
        put_field(b, &fields[i]);
    if (log->dropped && before == 0) {
        buf_printf(b, ",\"lines_dropped_before\":%llu", (unsigned long long)log->dropped);
        log->dropped = 0;
    }
    if (buf_puts(b, "}\n") < 0 || b->len > WAITING_MAX - 16) {
        b->len = before; /* a line is written whole or not at all */
        log->dropped++;
    }
    if (level >= LOG_WARN || b->len >= FLUSH_AT)
        log_flush(log);
}
