/* test_file - bytes into a descriptor and out of one: all of them, or why not.
 * SPDX-License-Identifier: MIT */
#include "file.h"

#include "testhelp.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LONG = 200000 };

static char text[LONG];

/* Reads what was written into a file of its own, with that ceiling; errno of a failure, 0: none. */
static int through_file(size_t n, size_t max, struct buf *out)
{
    char path[] = "/tmp/baton_test_XXXXXX";
    int fd = mkstemp(path);

    CHECK_INT(file_write(fd, (struct span){text, n}), 0);
    CHECK_INT(lseek(fd, 0, SEEK_SET), 0);
    buf_init(out, max);
    int result = file_read(fd, out) < 0 ? errno : 0;
    close(fd);
    unlink(path);
    return result;
}

static void test_ceiling(void)
{
    static const size_t sizes[] = {0, 1, 4095, 65535, 65536, 65537, LONG};
    struct buf out;

    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        size_t n = sizes[i];
        CHECK_INT(through_file(n, n, &out), 0);
        CHECK(out.len == n && (n == 0 || memcmp(out.data, text, n) == 0));
        buf_deinit(&out);
        CHECK_INT(through_file(n, n + 1, &out), 0);
        CHECK_INT(out.len, n);
        buf_deinit(&out);
        if (n > 0)
            CHECK_INT(through_file(n, n - 1, &out), EFBIG);
        buf_deinit(&out);
    }
}

/* What stands in the buffer stays in front; a pipe gives what it has until its end. */
static void test_pipe(void)
{
    struct buf out;
    int ends[2];

    CHECK_INT(pipe(ends), 0);
    CHECK_INT(file_write(ends[1], SPAN("lo there")), 0);
    close(ends[1]);
    buf_init(&out, 11);
    buf_puts(&out, "hel");
    CHECK_INT(file_read(ends[0], &out), 0);
    CHECK_BYTES(out.data, out.len, "hello there");
    buf_deinit(&out);
    close(ends[0]);
}

static void test_failures(void)
{
    struct buf out;
    int fd = open("/tmp", O_RDONLY);

    buf_init(&out, 10);
    CHECK(file_read(fd, &out) < 0 && errno == EISDIR);
    CHECK(file_write(fd, SPAN("x")) < 0 && errno == EBADF);
    CHECK_INT(file_write(fd, SPAN("")), 0);
    close(fd);
    fd = open("/dev/full", O_WRONLY);
    CHECK(file_write(fd, SPAN("x")) < 0 && errno == ENOSPC);
    close(fd);
    buf_deinit(&out);
}

int main(void)
{
    for (size_t i = 0; i < LONG; i++)
        text[i] = (char)(i * 31 + i / 256);
    test_ceiling();
    test_pipe();
    test_failures();
    return test_report("file");
}
