/* test_log - each line of the log is one JSON object, whatever is written and whoever reads.
 * SPDX-License-Identifier: MIT */
#include "json.h"
#include "log.h"
#include "testhelp.h"

#include <fcntl.h>
#include <unistd.h>

enum { PIPE_SIZE = 4096, LINES = 4000, LARGE = 3 << 20 };

static int make_pipe(int fds[2])
{
    if (pipe2(fds, O_CLOEXEC) < 0 || fcntl(fds[1], F_SETPIPE_SZ, PIPE_SIZE) < 0)
        return -1;
    return fcntl(fds[0], F_SETFL, O_NONBLOCK);
}

static void drain(int fd, struct buf *out)
{
    char piece[8192];

    for (ssize_t n; (n = read(fd, piece, sizeof piece)) > 0;)
        buf_add(out, piece, (size_t)n);
}

/* Counts the lines, and those that they say were left out; every one must be an object. */
static int count_lines(const struct buf *out, int *dropped)
{
    const char *p = out->data, *end = p + out->len;
    struct err err;
    int lines = 0;

    for (; p && p < end; lines++) {
        const char *eol = memchr(p, '\n', (size_t)(end - p));
        CHECK(eol != NULL);
        if (!eol)
            return lines;
        struct span line = {p, (size_t)(eol - p)};
        bool good = json_check(line, &err) == 0 && json_type(line) == JSON_OBJECT;
        int64_t n = 0;
        struct span said = good ? json_member(line, "lines_dropped_before") : (struct span){0};
        if (said.p && json_int(said, &n) == 0)
            *dropped += (int)n;
        CHECK(good);
        if (!good)
            fprintf(stderr, "   %.*s\n", (int)(line.n < 200 ? line.n : 200), line.p);
        p = eol + 1;
    }
    return lines;
}

static char *large_text(char c)
{
    char *text = malloc(LARGE + 1);

    memset(text, c, LARGE);
    text[LARGE] = 0;
    return text;
}

/* A line that does not fit is left out, with all of its parts. */
static void test_large(void)
{
    const char kinds[] = {'x', '\n', '\1', '"', '\xff'};
    struct buf out;
    struct log log;
    int fds[2], dropped = 0;

    buf_init(&out, 1 << 26);
    CHECK_INT(make_pipe(fds), 0);
    log_init(&log, fds[1], LOG_INFO);
    for (size_t i = 0; i < sizeof kinds; i++) {
        char *text = large_text(kinds[i]);
        struct log_field fields[] = {log_text("a", text), log_int("b", 1)};
        log_write(&log, LOG_WARN, text, NULL, 0);
        log_write(&log, LOG_WARN, "field", fields, 2);
        log_write(&log, LOG_WARN, "name", (struct log_field[]){log_text(text, "x")}, 1);
        free(text);
    }
    log_write(&log, LOG_WARN, "after", NULL, 0);
    log_flush(&log);
    drain(fds[0], &out);
    CHECK_INT(count_lines(&out, &dropped), 1);
    CHECK_INT(dropped, 15);
    close(fds[0]);
    log_deinit(&log);
    close(fds[1]);
    buf_deinit(&out);
}

/* Nobody reads: writing goes on, and what was kept comes out whole afterwards. */
static void test_blocked(void)
{
    char *text = large_text('y');
    struct buf out;
    struct log log;
    int fds[2], kept, dropped = 0;

    buf_init(&out, 1 << 26);
    CHECK_INT(make_pipe(fds), 0);
    log_init(&log, fds[1], LOG_INFO);
    for (int i = 0; i < LINES;
         i++) /* of many lengths, so that the last piece of one is cut anywhere */
        log_write(&log, i % 2 ? LOG_WARN : LOG_INFO, text + LARGE - i % 1999,
                  (struct log_field[]){log_int("i", i), log_text("z", text + LARGE - i % 77)}, 2);
    while (log.waiting.len) {
        log_flush(&log);
        drain(fds[0], &out);
    }
    log_write(&log, LOG_WARN, "after", NULL, 0);
    drain(fds[0], &out);
    kept = count_lines(&out, &dropped);
    CHECK(kept > 500 && kept < LINES);
    CHECK_INT(kept + dropped, LINES + 1);
    log_deinit(&log);
    close(fds[0]);
    close(fds[1]);
    buf_deinit(&out);
    free(text);
}

int main(void)
{
    test_large();
    test_blocked();
    return test_report("log");
}
