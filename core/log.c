/* log - structured lines: one JSON object a line, on a descriptor.
 * SPDX-License-Identifier: MIT */
#include "log.h"

#include "json.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { WAITING_MAX = 1 << 20, FLUSH_AT = 32 << 10, LAST_MS = 500, TRIES_MAX = 100 };

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

/* A pipe is shared with other processes: between the question whether it has room and the write one
 * of them may fill it. Opened anew it is nonblocking for us alone. */
static int own_end(int fd)
{
    char path[32];
    struct stat st;

    if (fstat(fd, &st) < 0 || !S_ISFIFO(st.st_mode))
        return 0;
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
    return fd > 0 ? fd : 0;
}

void log_init(struct log *log, int fd, enum log_level level)
{
    *log = (struct log){.fd = fd, .own = own_end(fd), .level = level, .second = -1};
    buf_init(&log->waiting, WAITING_MAX);
}

/* May a write of up to PIPE_BUF bytes be made without waiting (pipe(7)), now or within so long? */
static bool writable(int fd, int ms)
{
    struct pollfd p = {.fd = fd, .events = POLLOUT};

    return poll(&p, 1, ms) == 1 && (p.revents & POLLOUT);
}

/* Whole lines, as many as one write takes without others' bytes between them; of a longer line a part. */
static size_t piece(const char *p, size_t n)
{
    if (n <= PIPE_BUF)
        return n;
    const char *end = memrchr(p, '\n', PIPE_BUF);
    return end ? (size_t)(end - p) + 1 : PIPE_BUF;
}

static void flush_within(struct log *log, int ms)
{
    int fd = log->own ? log->own : log->fd;
    size_t at = 0;
    int tries = 0;

    while (at < log->waiting.len && writable(fd, ms)) {
        const char *from = log->waiting.data + at;
        ssize_t n = write(fd, from, piece(from, log->waiting.len - at));
        if (n < 0 && errno == EAGAIN && tries++ < TRIES_MAX)
            continue; /* another process was faster */
        if (n <= 0)
            break; /* nobody reads: what does not fit any more is dropped and counted */
        at += (size_t)n;
    }
    buf_consume(&log->waiting, at);
}

void log_flush(struct log *log)
{
    flush_within(log, 0);
}

void log_deinit(struct log *log)
{
    flush_within(log, LAST_MS); /* a reader that only is slow gets all of it */
    if (log->own)
        close(log->own);
    log->own = 0;
    buf_deinit(&log->waiting);
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

static int put_value(struct buf *b, const struct log_field *f)
{
    switch (f->kind) {
    case FIELD_INT:
        return json_write_int(b, f->integer);
    case FIELD_NUMBER:
        return json_write_double(b, f->number) == 0 ? 0 : buf_puts(b, "null");
    case FIELD_JSON:
        return buf_add_span(b, f->text);
    case FIELD_TEXT:
        break;
    }
    return f->text.p ? json_write_text(b, f->text) : buf_puts(b, "null");
}

static int put_field(struct buf *b, const struct log_field *f)
{
    if (buf_puts(b, ",") < 0 || json_write_text(b, (struct span){f->name, strlen(f->name)}) < 0 ||
        buf_puts(b, ":") < 0)
        return -1;
    return put_value(b, f);
}

/* The whole line, or -1 with a part of it. */
static int put_line(struct log *log, enum log_level level, const char *message,
                    const struct log_field *fields, size_t n)
{
    struct timespec now;
    struct buf *b = &log->waiting;

    clock_gettime(CLOCK_REALTIME, &now);
    if (now.tv_sec != log->second) {
        log->second = now.tv_sec;
        spell_second(log->second, log->stamp);
    }
    int ms = (int)(now.tv_nsec / 1000000);
    const char digits[] = {(char)('0' + ms / 100), (char)('0' + ms / 10 % 10),
                           (char)('0' + ms % 10), 0};
    if (buf_puts(b, "{\"time\":\"") < 0 || buf_puts(b, log->stamp) < 0 || buf_puts(b, ".") < 0 ||
        buf_puts(b, digits) < 0 || buf_puts(b, "Z\",\"level\":\"") < 0 ||
        buf_puts(b, levels[level]) < 0 || buf_puts(b, "\",\"message\":") < 0 ||
        json_write_text(b, (struct span){message, strlen(message)}) < 0)
        return -1;
    for (size_t i = 0; i < n; i++)
        if (put_field(b, &fields[i]) < 0)
            return -1;
    if (log->dropped &&
        buf_printf(b, ",\"lines_dropped_before\":%llu", (unsigned long long)log->dropped) < 0)
        return -1;
    return buf_puts(b, "}\n");
}

void log_write(struct log *log, enum log_level level, const char *message,
               const struct log_field *fields, size_t n)
{
    struct buf *b = &log->waiting;
    size_t before = b->len;

    if (level < log->level)
        return;
    if (put_line(log, level, message, fields, n) < 0) {
        b->len = before; /* a line is written whole or not at all */
        log->dropped++, log->lost++;
    } else {
        log->dropped = 0; /* the line told of them */
    }
    if (level >= LOG_WARN || b->len >= FLUSH_AT)
        log_flush(log);
}
