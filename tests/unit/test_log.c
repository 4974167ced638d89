/* test_log - structured lines: always one JSON object a line, whatever is in it.
 * SPDX-License-Identifier: MIT */
#include "log.h"

#include "json.h"
#include "testhelp.h"

#include <fcntl.h>
#include <math.h>
#include <sys/wait.h>
#include <unistd.h>

static char got[4 << 20];

/* What has been written to the pipe so far. */
static size_t drain(int fd)
{
    size_t n = 0;

    for (ssize_t more; n + 1 < sizeof got && (more = read(fd, got + n, sizeof got - 1 - n)) > 0;)
        n += (size_t)more;
    got[n] = 0;
    return n;
}

static int count_lines(void)
{
    int n = 0;

    for (char *p = got, *end; *p; p = end + 1) {
        struct err err;
        end = strchr(p, '\n');
        CHECK(end != NULL);
        if (!end)
            break;
        CHECK_INT(json_check((struct span){p, (size_t)(end - p)}, &err), 0);
        n++;
    }
    return n;
}

static void open_pipe(int fds[2])
{
    CHECK_INT(pipe2(fds, O_NONBLOCK | O_CLOEXEC), 0);
}

static void test_a_line(void)
{
    struct log log;
    int fds[2];

    open_pipe(fds);
    log_init(&log, fds[1], LOG_INFO);
    struct log_field fields[] = {
        log_text("text", "a\"b\n\xFF"),
        log_text("none", NULL),
        log_int("int", -7),
        log_number("number", 1.5),
        log_number("nan", (double)NAN),
        log_json("json", SPAN("[1]")),
        log_text("na\"me", ""),
    };
    log_write(&log, LOG_ERROR, "mess\tage", fields, sizeof fields / sizeof *fields);
    drain(fds[0]);
    CHECK_INT(count_lines(), 1);
    struct span line = {got, strlen(got) - 1};
    struct span time = json_member(line, "time");
    CHECK_INT(time.n, 26);
    CHECK(time.p && time.p[11] == 'T' && time.p[24] == 'Z');
    char *rest = strstr(got, ",\"level\"");
    CHECK_STR(rest,
              ",\"level\":\"error\",\"message\":\"mess\\tage\",\"text\":\"a\\\"b\\n\xEF\xBF\xBD\","
              "\"none\":null,\"int\":-7,\"number\":1.5,\"nan\":null,\"json\":[1],"
              "\"na\\\"me\":\"\"}\n");
    log_deinit(&log);
    close(fds[0]);
    close(fds[1]);
}

static void test_levels_and_flushing(void)
{
    struct log log;
    int fds[2];

    open_pipe(fds);
    log_init(&log, fds[1], LOG_INFO);
    log_write(&log, LOG_DEBUG, "dropped", NULL, 0);
    log_write(&log, LOG_INFO, "kept back", NULL, 0);
    CHECK_INT(drain(fds[0]), 0);
    log_flush(&log);
    CHECK(drain(fds[0]) > 0 && strstr(got, "kept back"));
    log_write(&log, LOG_INFO, "first", NULL, 0);
    log_write(&log, LOG_WARN, "second", NULL, 0);
    drain(fds[0]);
    CHECK_INT(count_lines(), 2);
    CHECK(strstr(got, "first") < strstr(got, "second"));
    log.level = LOG_NONE;
    log_write(&log, LOG_ERROR, "nothing", NULL, 0);
    log.level = LOG_INFO;
    log_write(&log, LOG_INFO, "at the end", NULL, 0);
    log_deinit(&log);
    CHECK(drain(fds[0]) > 0 && strstr(got, "at the end"));
    for (int i = LOG_DEBUG; i <= LOG_NONE; i++) {
        static const char *const names[] = {"debug", "info", "warn", "error", "none"};
        CHECK_INT(log_level_of(names[i]), i);
    }
    CHECK_INT(log_level_of("loud"), -1);
    CHECK_INT(log_level_of(""), -1);
    close(fds[0]);
    close(fds[1]);
}

/* Nobody reads: the engine goes on, and later lines say that some are missing. */
static void test_a_full_pipe(void)
{
    struct log log;
    int fds[2];
    char large[4001];

    open_pipe(fds);
    memset(large, 'x', sizeof large - 1);
    large[sizeof large - 1] = 0;
    log_init(&log, fds[1], LOG_INFO);
    for (int i = 0; i < 2000; i++) {
        struct log_field field = log_text("large", large);
        log_write(&log, i % 2 ? LOG_INFO : LOG_WARN, "line", &field, 1);
    }
    CHECK(log.waiting.len <= log.waiting.max);
    int lines = 0;
    for (int i = 0; i < 100; i++) {
        static char all[16 << 20];
        static size_t n;
        size_t more = drain(fds[0]);
        memcpy(all + n, got, more + 1);
        n += more;
        if (more == 0 && log.waiting.len == 0) {
            memcpy(got, all, n < sizeof got ? n + 1 : 0);
            lines = count_lines();
            break;
        }
        log_flush(&log);
    }
    CHECK(lines > 10 && lines < 2000);
    log_write(&log, LOG_WARN, "after", NULL, 0);
    drain(fds[0]);
    CHECK(strstr(got, "\"lines_dropped_before\":") != NULL);
    log_write(&log, LOG_WARN, "after", NULL, 0);
    drain(fds[0]);
    CHECK(strstr(got, "\"lines_dropped_before\":") == NULL);
    log_deinit(&log);
    close(fds[0]);
    close(fds[1]);
}

enum { WRITERS = 3, WRITTEN = 3000 };

static void write_lines(int fd)
{
    static char text[300];
    struct log log;

    memset(text, 'y', sizeof text - 1);
    log_init(&log, fd, LOG_INFO);
    for (int i = 0; i < WRITTEN; i++) {
        struct log_field field = log_text("text", text);
        log_write(&log, LOG_INFO, "line", &field, 1);
        while (i % 100 == 99 && log.waiting.len)
            log_flush(&log);
    }
    log_deinit(&log);
    _exit(0);
}

/* Workers have one log: their lines come whole, and nobody waits for what another one filled. */
static void test_several_processes(void)
{
    static char text[8 << 20];
    size_t n = 0;
    ssize_t more;
    int fds[2], lines = 0, torn = 0;

    CHECK_INT(pipe(fds), 0);
    for (int i = 0; i < WRITERS; i++)
        if (fork() == 0) {
            close(fds[0]);
            write_lines(fds[1]);
        }
    close(fds[1]);
    while (n < sizeof text - 1 && (more = read(fds[0], text + n, sizeof text - 1 - n)) > 0)
        n += (size_t)more;
    text[n] = 0;
    close(fds[0]);
    for (char *p = text, *end; (end = strchr(p, '\n')); p = end + 1) {
        struct err err;
        lines++;
        torn += json_check((struct span){p, (size_t)(end - p)}, &err) < 0;
    }
    CHECK_INT(lines, WRITERS * WRITTEN);
    CHECK_INT(torn, 0);
    for (int i = 0; i < WRITERS; i++)
        wait(NULL);
}

static void test_time(void)
{
    char text[25];

    log_time(0, text);
    CHECK_STR(text, "1970-01-01T00:00:00.000Z");
    log_time(999999, text);
    CHECK_STR(text, "1970-01-01T00:00:00.999Z");
    log_time(1782951600123456, text);
    CHECK_STR(text, "2026-07-02T00:20:00.123Z");
    log_time(253402300799999999, text);
    CHECK_STR(text, "9999-12-31T23:59:59.999Z");
}

int main(void)
{
    test_a_line();
    test_levels_and_flushing();
    test_a_full_pipe();
    test_several_processes();
    test_time();
    return test_report("log");
}
