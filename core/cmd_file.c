/* cmd_file - the files that are named on a command line: read whole, written whole or not at all.
 * SPDX-License-Identifier: MIT */
#include "cmd_file.h"

#include "file.h"

#include <errno.h>
#include <fcntl.h>
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

int cmd_file_write(const char *path, struct span bytes, struct err *err)
{
    char fresh[4200];
    const char *slash = strrchr(path, '/');
    int folder = slash ? (int)(slash - path) + 1 : 0;

    snprintf(fresh, sizeof fresh, "%.*s.%s.XXXXXX", folder, path, path + folder);
    int fd = mkostemp(fresh, O_CLOEXEC);
    if (fd < 0)
        return err_set(err, ERR_UNAVAILABLE, "%s: %s", path, strerror(errno));
    bool good = fchmod(fd, 0644) == 0 && file_write(fd, bytes) == 0 && fsync(fd) == 0;
    good = close(fd) == 0 && good && rename(fresh, path) == 0;
    if (good)
        return 0;
    err_set(err, ERR_UNAVAILABLE, "%s: %s", path, strerror(errno));
    unlink(fresh);
    return -1;
}
