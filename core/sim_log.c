/* sim_log - the simulator's log: one JSON line a request, written when it has ended.
 * SPDX-License-Identifier: MIT */
#include "sim_log.h"

#include "json.h"
#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

enum { LINE_MAX_BYTES = 256 * 1024 * 1024 }; /* a body of 32 MB can grow six times by escaping */

struct sim_log {
    int fd;
};

static const char *const secret[] = {
    "authorization", "proxy-authorization", "x-api-key", "api-key", "x-goog-api-key",
    "cookie",        "set-cookie",
};

static bool is_secret(const char *name)
{
    for (size_t i = 0; i < sizeof secret / sizeof *secret; i++) {
        if (strcasecmp(name, secret[i]) == 0)
            return true;
    }
    return false;
}

struct sim_log *sim_log_open(const char *path, struct err *err)
{
    struct sim_log *log = calloc(1, sizeof *log);

    if (!log) {
        err_set(err, ERR_INTERNAL, "out of memory");
        return NULL;
    }
    log->fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (log->fd < 0) {
        err_set(err, ERR_NOT_FOUND, "cannot write the log %s: %s", path, strerror(errno));
        free(log);
        return NULL;
    }
    return log;
}

void sim_log_close(struct sim_log *log)
{
    if (!log)
        return;
    close(log->fd);
    free(log);
}

static struct span text(const char *s)
{
    return (struct span){s, strlen(s)};
}

static void add_text(struct buf *b, const char *before, struct span value)
{
    buf_puts(b, before);
    json_write_text(b, value);
}

static void add_time(struct buf *b)
{
    struct timespec now;
    char stamp[25];

    clock_gettime(CLOCK_REALTIME, &now);
    log_time((int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000, stamp);
    add_text(b, "{\"time\":", text(stamp));
}

/* Did a header line before line 'i' have this name? Then it has been written with all its values.
 */
static bool seen_before(struct http_exchange *x, int i, const char *name)
{
    struct http_header h;

    for (int k = 0; k < i && http_header_at(x, k, &h); k++) {
        if (strcasecmp(h.name, name) == 0)
            return true;
    }
    return false;
}

static void add_lower(struct buf *b, const char *name)
{
    char lower[256];
    size_t n = 0;

    for (; n < sizeof lower && name[n]; n++)
        lower[n] = (char)(name[n] >= 'A' && name[n] <= 'Z' ? name[n] + 32 : name[n]);
    json_write_text(b, (struct span){lower, n});
}

static void add_headers(struct buf *b, struct http_exchange *x)
{
    struct http_header h;
    const char *comma = "";

    buf_puts(b, ",\"headers\":{");
    for (int i = 0; http_header_at(x, i, &h); i++) {
        if (is_secret(h.name) || seen_before(x, i, h.name))
            continue;
        buf_puts(b, comma);
        add_lower(b, h.name);
        add_text(b, ":", text(http_header(x, h.name)));
        comma = ",";
    }
    buf_puts(b, "}");
}

static void add_base64(struct buf *b, struct span bytes)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    for (size_t i = 0; i < bytes.n; i += 3) {
        size_t left = bytes.n - i;
        unsigned a = (unsigned char)bytes.p[i];
        unsigned m = left > 1 ? (unsigned char)bytes.p[i + 1] : 0;
        unsigned z = left > 2 ? (unsigned char)bytes.p[i + 2] : 0;
        const char four[] = {digits[a >> 2], digits[(a & 3) << 4 | m >> 4],
                             left > 1 ? digits[(m & 15) << 2 | z >> 6] : '=',
                             left > 2 ? digits[z & 63] : '='};
        buf_add(b, four, sizeof four);
    }
}

/* JSON holds text only: other bytes would come out changed. */
static void add_body(struct buf *b, struct span body)
{
    if (json_is_utf8(body)) {
        add_text(b, ",\"body\":", body);
        return;
    }
    buf_puts(b, ",\"body_base64\":\"");
    add_base64(b, body);
    buf_puts(b, "\"");
}

/* The members of the object 'fields', behind what is there. */
static void add_fields(struct buf *b, struct span fields)
{
    struct json_iter it = {0};
    struct span key, value;

    while (json_next(fields, &it, &key, &value)) {
        buf_puts(b, ",");
        buf_add_span(b, key);
        buf_puts(b, ":");
        buf_add_span(b, value);
    }
}

static void write_all(int fd, const char *p, size_t n)
{
    while (n) {
        ssize_t wrote = write(fd, p, n);
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote <= 0)
            return; /* a full disk must not end the simulation */
        p += wrote;
        n -= (size_t)wrote;
    }
}

void sim_log_write(struct sim_log *log, struct http_exchange *x, struct span fields,
                   bool client_left)
{
    struct buf b;

    buf_init(&b, LINE_MAX_BYTES);
    add_time(&b);
    add_text(&b, ",\"method\":", text(http_method(x)));
    add_text(&b, ",\"path\":", text(http_path(x)));
    add_headers(&b, x);
    add_body(&b, http_body(x));
    add_fields(&b, fields);
    buf_puts(&b, client_left ? ",\"client_left\":true}\n" : ",\"client_left\":false}\n");
    write_all(log->fd, b.data, b.len); /* one write a line: several simulators may share a file */
    buf_deinit(&b);
}
