/* test_trace_log - lines into a file that may be slow, full, moved away or shared.
 * SPDX-License-Identifier: MIT */
#include "trace_log.h"

#include "testhelp.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static char folder[] = "/tmp/baton-trace-XXXXXX";

static const char *in_folder(const char *name)
{
    static char path[128];

    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* What is in the file, terminated; free it. */
static char *contents(const char *path)
{
    size_t room = 32 << 20, n = 0;
    char *text = malloc(room);
    FILE *f = fopen(path, "re");

    if (f) {
        n = fread(text, 1, room - 1, f);
        fclose(f);
    }
    text[n] = 0;
    return text;
}

static void wait_for(struct trace_log *t, uint64_t lines)
{
    struct trace_log_stats stats = {0};
    struct timespec moment = {.tv_nsec = 2000000};

    for (double end = now() + 10; now() < end;) {
        trace_log_stats(t, &stats);
        if (stats.written + stats.dropped >= lines)
            return;
        nanosleep(&moment, NULL);
    }
    CHECK_INT(stats.written + stats.dropped, lines);
}

static void test_lines_come_in_order(void)
{
    struct err err;
    struct trace_log *t = trace_log_new(in_folder("a"), &err);
    struct stat st;
    char line[32];

    CHECK(t != NULL);
    for (int i = 0; i < 1000; i++) {
        snprintf(line, sizeof line, "{\"n\":%d}\n", i);
        CHECK(trace_log_add(t, (struct span){line, strlen(line)}));
    }
    trace_log_free(t);
    char *text = contents(in_folder("a")), *p = text;
    for (int i = 0; i < 1000; i++) {
        snprintf(line, sizeof line, "{\"n\":%d}\n", i);
        if (strncmp(p, line, strlen(line)) != 0)
            break;
        p += strlen(line);
    }
    CHECK(p > text && *p == 0);
    free(text);
    CHECK_INT(stat(in_folder("a"), &st), 0);
    CHECK_INT(st.st_mode & 0007, 0);
    /* it goes on where it was */
    t = trace_log_new(in_folder("a"), &err);
    CHECK(trace_log_add(t, SPAN("last\n")));
    trace_log_free(t);
    text = contents(in_folder("a"));
    CHECK(strstr(text, "{\"n\":999}\nlast\n") != NULL);
    free(text);
}

static void test_a_file_that_cannot_be(void)
{
    struct err err;

    CHECK(trace_log_new(in_folder("no/such/file"), &err) == NULL);
    CHECK(strstr(err.message, "no/such/file: ") != NULL);
    CHECK_INT(trace_log_check(in_folder("no/such/file"), &err), -1);
    CHECK_INT(trace_log_check(folder, &err), -1);
    CHECK_INT(trace_log_check("", &err), -1);
    CHECK_INT(trace_log_check(in_folder("new"), &err), 0);
    CHECK(access(in_folder("new"), F_OK) < 0); /* only looked */
    CHECK_INT(trace_log_check(in_folder("a"), &err), 0);
}

static void test_rotation(void)
{
    struct err err;
    char moved[128];
    struct trace_log *t = trace_log_new(in_folder("r"), &err);

    snprintf(moved, sizeof moved, "%s", in_folder("r.1"));
    trace_log_add(t, SPAN("one\n"));
    wait_for(t, 1);
    CHECK_INT(rename(in_folder("r"), moved), 0);
    trace_log_add(t, SPAN("two\n"));
    wait_for(t, 2);
    CHECK_INT(unlink(in_folder("r")), 0);
    trace_log_add(t, SPAN("three\n"));
    trace_log_free(t);
    char *text = contents(moved);
    CHECK_STR(text, "one\n");
    free(text);
    text = contents(in_folder("r"));
    CHECK_STR(text, "three\n");
    free(text);
}

static void test_a_full_disk(void)
{
    struct err err;
    struct trace_log_stats stats;
    struct trace_log *t = trace_log_new("/dev/full", &err);

    CHECK(t != NULL);
    if (!t)
        return;
    for (int i = 0; i < 10; i++)
        CHECK(trace_log_add(t, SPAN("line\n"))); /* nobody who adds hears of it */
    wait_for(t, 10);
    trace_log_stats(t, &stats);
    CHECK_INT(stats.dropped, 10);
    CHECK_INT(stats.written, 0);
    CHECK_INT(stats.error, ENOSPC);
    trace_log_free(t);
}

/* A pipe that nobody empties stands for a disk that hangs. */
static void test_a_disk_that_hangs(void)
{
    struct err err;
    struct trace_log_stats stats;
    static char line[64 << 10];
    int refused = 0;

    CHECK_INT(mkfifo(in_folder("p"), 0600), 0);
    int reader = open(in_folder("p"), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    struct trace_log *t = trace_log_new(in_folder("p"), &err);
    CHECK(t != NULL);
    memset(line, 'x', sizeof line - 1);
    line[sizeof line - 1] = '\n';
    double begun = now();
    for (int i = 0; i < 500; i++)
        refused += !trace_log_add(t, (struct span){line, sizeof line});
    CHECK(now() - begun < 2); /* nobody waits: a copy is all */
    trace_log_stats(t, &stats);
    CHECK(refused > 300 && refused < 450); /* two times 4 MiB wait at most */
    CHECK_INT(stats.dropped, refused);
    CHECK(stats.waiting <= 4 << 20);
    close(reader); /* the write fails now, and the thread can end */
    wait_for(t, 500);
    trace_log_free(t);
}

/* Whoever changes the file does not wait for a disk that hangs; the thread ends, and closes it, when it can. */
static void test_a_log_is_left_while_its_disk_hangs(void)
{
    struct err err;
    static char line[64 << 10];
    char first;
    ssize_t n;

    CHECK_INT(mkfifo(in_folder("q"), 0600), 0);
    int reader = open(in_folder("q"), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    struct trace_log *t = trace_log_new(in_folder("q"), &err);
    CHECK(t != NULL);
    memset(line, 'x', sizeof line - 1);
    line[sizeof line - 1] = '\n';
    for (int i = 0; i < 4; i++)
        trace_log_add(t, (struct span){line, sizeof line});
    double begun = now();
    while (read(reader, &first, 1) != 1 && now() - begun < 10) /* it has begun to write */
        usleep(1000);
    begun = now();
    trace_log_leave(t);
    CHECK(now() - begun < 0.25);
    size_t got = 1;
    while ((n = read(reader, line, sizeof line)) != 0 && now() - begun < 10)
        got += n > 0 ? (size_t)n : 0;
    CHECK_INT(n, 0); /* closed, */
    CHECK_INT(got, 4 * sizeof line);
    close(reader);
    trace_log_leave(NULL);
    CHECK((t = trace_log_new(in_folder("left"), &err)) != NULL);
    trace_log_leave(t); /* idle: all the same */
}

static void test_pieces_of_lines_are_closed(void)
{
    struct err err;
    struct trace_log *t = trace_log_new(in_folder("t"), &err);

    trace_log_add(t, SPAN("half"));
    wait_for(t, 1);
    trace_log_add(t, SPAN("whole\n"));
    trace_log_free(t);
    char *text = contents(in_folder("t"));
    CHECK_STR(text, "half\nwhole\n");
    free(text);
}

/* Lines of several processes never stand inside of one another. */
static void test_several_processes(void)
{
    enum { PROCESSES = 4, LINES = 400, LONG = 20000 };
    static char line[LONG + 2];

    for (int k = 0; k < PROCESSES; k++)
        if (fork() == 0) {
            struct err err;
            struct trace_log *t = trace_log_new(in_folder("s"), &err);
            struct timespec moment = {.tv_nsec = 100000};
            memset(line, 'a' + k, LONG);
            for (int i = 0; i < LINES; i++) {
                size_t n = (size_t)(1 + i * 7919 % LONG);
                line[n] = '\n';
                while (t && !trace_log_add(t, (struct span){line, n + 1}))
                    nanosleep(&moment, NULL);
                line[n] = (char)('a' + k);
                if (i % 50 == 0)
                    nanosleep(&moment, NULL);
            }
            wait_for(t, LINES);
            trace_log_free(t);
            _exit(t ? 0 : 1);
        }
    for (int k = 0; k < PROCESSES; k++) {
        int status;
        wait(&status);
        CHECK_INT(status, 0);
    }
    char *text = contents(in_folder("s"));
    int lines = 0;
    for (char *p = text, *end; *p; p = end + 1, lines++) {
        end = strchr(p, '\n');
        CHECK(end != NULL);
        if (!end)
            break;
        char one[2] = {*p, 0};
        CHECK_INT(strspn(p, one), end - p);
    }
    CHECK_INT(lines, PROCESSES * LINES);
    free(text);
}

static void clean_up(void)
{
    static const char *const names[] = {"a", "r", "r.1", "p", "t", "s"};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        unlink(in_folder(names[i]));
    rmdir(folder);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    if (!mkdtemp(folder))
        return 1;
    test_lines_come_in_order();
    test_a_file_that_cannot_be();
    test_rotation();
    test_a_full_disk();
    test_a_disk_that_hangs();
    test_a_log_is_left_while_its_disk_hangs();
    test_pieces_of_lines_are_closed();
    test_several_processes();
    clean_up();
    return test_report("trace_log");
}
