/* home - where the Lua files and examples are: beside the build, or installed.
 * SPDX-License-Identifier: MIT */
#include "home.h"

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifndef BATON_PREFIX
#define BATON_PREFIX "/usr/local"
#endif

static bool there(const char *dir, const char *file)
{
    char path[PATH_MAX + 64];

    snprintf(path, sizeof path, "%s/%s", dir, file);
    return access(path, R_OK) == 0;
}

static bool is_home(const char *dir)
{
    return there(dir, "scripts/policy.lua") || there(dir, "scripts/sim/init.lua");
}

static int give(char *dir, size_t size, const char *found, struct err *err)
{
    if (strlen(found) >= size)
        return err_set(err, ERR_NOT_FOUND, "the path of the scripts is too long: %s", found);
    memcpy(dir, found, strlen(found) + 1);
    return 0;
}

/* Cuts the last part off a path; "" for "/x". */
static void cut_last(char *path)
{
    char *slash = strrchr(path, '/');

    if (slash)
        *slash = 0;
}

/* The folder of the running binary: "/opt/baton/bin" of "/opt/baton/bin/baton". */
static void binary_folder(char *out, size_t size)
{
    ssize_t n = readlink("/proc/self/exe", out, size - 1);

    out[n > 0 ? n : 0] = 0;
    cut_last(out);
}

int home_find(char *dir, size_t size, struct err *err)
{
    const char *given = getenv("BATON_HOME");
    char parent[PATH_MAX], share[PATH_MAX + 16];

    if (given && *given) {
        if (!is_home(given))
            return err_set(err, ERR_NOT_FOUND, "BATON_HOME is %s, but there is no scripts/ in it",
                           given);
        return give(dir, size, given, err);
    }
    binary_folder(parent, sizeof parent);
    cut_last(parent);
    if (is_home(parent)) /* build/baton */
        return give(dir, size, parent, err);
    snprintf(share, sizeof share, "%s/share/baton", parent);
    cut_last(parent);
    if (is_home(parent)) /* build/debug/baton */
        return give(dir, size, parent, err);
    if (is_home(share))
        return give(dir, size, share, err);
    if (is_home(BATON_PREFIX "/share/baton"))
        return give(dir, size, BATON_PREFIX "/share/baton", err);
    return err_set(err, ERR_NOT_FOUND,
                   "cannot find Baton's scripts in %s, %s or %s; set BATON_HOME to the directory "
                   "that holds scripts/",
                   parent, share, BATON_PREFIX "/share/baton");
}
