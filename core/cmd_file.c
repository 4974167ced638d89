/* cmd_file - the files that are named on a command line: read whole, written whole or not at all.
 * SPDX-License-Identifier: MIT */
#include "cmd_file.h"

#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int cmd_file_read(const char *path, struct buf *out, struct err *err)
{
    bool typed = strcmp(path, "-") == 0;
    int fd = typed ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC), result = 0;

    if (fd < 0)
        return err_set(err, ERR_NOT_FOUND, "%s: %s", path, strerror(errno));
    if (file_read(fd, out) < 0)
        result = errno == EFBIG
                     ? err_set(err, ERR_BUDGET, "%s: larger than %zu bytes", path, out->max)
                     : err_set(err, ERR_UNAVAILABLE, "%s: %s", path, strerror(errno));
    if (!typed)
        close(fd);
    return result;
}

/* What is no file of bytes on a disk (a device, a pipe) is written to, never replaced: renaming over /dev/full would
 * leave a file there. */
static int write_through(const char *path, struct span bytes)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    bool good = fd >= 0 && file_write(fd, bytes) == 0;

    return fd >= 0 && close(fd) == 0 && good ? 0 : -1;
}

static int replace(const char *path, struct span bytes)
{
    char fresh[PATH_MAX + 16];
    const char *slash = strrchr(path, '/');
    int folder = slash ? (int)(slash - path) + 1 : 0;

    snprintf(fresh, sizeof fresh, "%.*s.%s.XXXXXX", folder, path, path + folder);
    int fd = mkostemp(fresh, O_CLOEXEC);
    if (fd < 0)
        return -1;
    bool good = fchmod(fd, 0644) == 0 && file_write(fd, bytes) == 0 && fsync(fd) == 0;
    good = close(fd) == 0 && good && rename(fresh, path) == 0;
    if (!good) {
        int why = errno;
        unlink(fresh);
        errno = why;
    }
    return good ? 0 : -1;
}

int cmd_file_write(const char *path, struct span bytes, struct err *err)
{
    char real[PATH_MAX]; /* a link stays one: what it leads to is replaced */
    struct stat st;
    bool there = stat(path, &st) == 0;
    const char *target = there && realpath(path, real) ? real : path;

    if ((there && !S_ISREG(st.st_mode) ? write_through(path, bytes) : replace(target, bytes)) == 0)
        return 0;
    return err_set(err, ERR_UNAVAILABLE, "%s: %s", path, strerror(errno));
}

const char *cmd_file_policies(void)
{
    const char *folder = getenv("BATON_POLICIES");

    return folder && *folder ? folder : NULL;
}

int cmd_file_may_write(const char *path, struct err *err)
{
    char folder[PATH_MAX];
    struct stat st;
    const char *slash = strrchr(path, '/');

    snprintf(folder, sizeof folder, "%.*s", slash ? (int)(slash - path) + 1 : 1,
             slash ? path : ".");
    if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
        return err_set(err, ERR_UNAVAILABLE, "%s: %s", path, strerror(EISDIR));
    if (stat(path, &st) == 0 && !S_ISREG(st.st_mode) ? access(path, W_OK) == 0
                                                     : access(folder, W_OK | X_OK) == 0)
        return 0;
    return err_set(err, ERR_UNAVAILABLE, "%s: %s", path, strerror(errno));
}

void cmd_file_name_own(const char *policies, struct err *err)
{
    static const char shipped[] = "policies/";
    const char *name = err->message + sizeof shipped - 1;
    char path[PATH_MAX];

    if (!policies || strncmp(err->message, shipped, sizeof shipped - 1) != 0)
        return;
    size_t n = strlen(policies);
    snprintf(path, sizeof path, "%s%s%.*s", policies, n && policies[n - 1] == '/' ? "" : "/",
             (int)strcspn(name, ":"), name);
    if (access(path, F_OK) < 0)
        return;
    struct err old = *err;
    err_set(err, old.code, "%s%s", path, old.message + (name - err->message) + strcspn(name, ":"));
}
