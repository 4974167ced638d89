/* bind_fs - the module "fs": files, where the command line has allowed a folder.
 * SPDX-License-Identifier: MIT */
#include "lua_buf.h"
#include "lua_err.h"
#include "modules.h"
#include "task.h"

#include <lauxlib.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FILE_MAX = 16 << 20 };

static bool inside(const char *path, const char *folder)
{
    size_t n = strlen(folder);

    while (n > 1 && folder[n - 1] == '/')
        n--;
    return strncmp(path, folder, n) == 0 && (path[n] == '/' || path[n] == 0 || n == 1);
}

/* The real path of a file that is still to be made: that of its folder, and its name. */
static int real_of_new(const char *path, char *real)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    char folder[PATH_MAX], real_folder[PATH_MAX];
    size_t n = slash ? (size_t)(slash - path) : 0;

    if (n >= sizeof folder || !*name || strcmp(name, "..") == 0)
        return -1;
    snprintf(folder, sizeof folder, "%.*s", (int)n, path);
    if (!realpath(!slash ? "." : n ? folder : "/", real_folder))
        return -1;
    return snprintf(real, PATH_MAX, "%s/%s", real_folder, name) < PATH_MAX ? 0 : -1;
}

/* The real path of the nearest folder above 'path' that there is. */
static int real_above(const char *path, char *real)
{
    char folder[PATH_MAX], *slash;

    if (snprintf(folder, sizeof folder, "%s", path) >= (int)sizeof folder)
        return -1;
    while ((slash = strrchr(folder, '/')) && slash != folder) {
        *slash = 0;
        if (realpath(folder, real))
            return 0;
    }
    return realpath(slash ? "/" : ".", real) ? 0 : -1;
}

/* Is 'path', with links followed, in one of the folders? For a file to be made its folder counts.
 * On success the real path is in 'real'. Outside of the folders nobody learns what is there. */
static int allowed(const char *path, const char *const *folders, const char *option, char *real,
                   struct err *err)
{
    char folder[PATH_MAX];
    bool there = realpath(path, real) || real_of_new(path, real) == 0;
    bool known = there || real_above(path, real) == 0;

    for (; known && folders && *folders; folders++)
        if (realpath(*folders, folder) && inside(real, folder))
            return there ? 0 : err_set(err, ERR_NOT_FOUND, "%s: no such file or folder", path);
    return err_set(err, ERR_AUTH, "%s: not allowed; run with %s DIR to allow a folder", path,
                   option);
}

/* A zero byte would end the name for the system, not for Lua. */
static const char *check_path(lua_State *L)
{
    size_t n;
    const char *path = luaL_checklstring(L, 1, &n);

    luaL_argcheck(L, strlen(path) == n, 1, "a path has no zero bytes");
    return path;
}

/* fs.read(path) -> text | nil, err. At most 16 MiB. Needs --allow-read. */
static int l_read(lua_State *L)
{
    struct runtime *rt = generation_of(L)->rt;
    const char *path = check_path(L);
    char real[PATH_MAX];
    struct err err;

    if (allowed(path, rt->allow_read, "--allow-read", real, &err) < 0)
        return lua_err_fail(L, &err);
    struct buf *b = lua_buf_push(L, FILE_MAX);
    if (rt->fx->read_file(rt->fx, real, b, &err) < 0) {
        buf_deinit(b);
        return lua_err_fail(L, &err);
    }
    lua_pushlstring(L, b->data ? b->data : "", b->len);
    buf_deinit(b);
    return 1;
}

static int write_file(lua_State *L, bool append)
{
    struct runtime *rt = generation_of(L)->rt;
    const char *path = check_path(L);
    struct span text;
    char real[PATH_MAX];
    struct err err;

    text.p = luaL_checklstring(L, 2, &text.n);
    if (allowed(path, rt->allow_write, "--allow-write", real, &err) < 0 ||
        rt->fx->write_file(rt->fx, real, text, append, &err) < 0)
        return lua_err_fail(L, &err);
    lua_pushboolean(L, 1);
    return 1;
}

/* fs.write(path, text) -> true | nil, err. Replaces the file. Needs --allow-write. */
static int l_write(lua_State *L)
{
    return write_file(L, false);
}

/* fs.append(path, text) -> true | nil, err. Needs --allow-write. */
static int l_append(lua_State *L)
{
    return write_file(L, true);
}

int luaopen_baton_fs(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"read", l_read}, {"write", l_write}, {"append", l_append}, {NULL, NULL}};

    luaL_newlib(L, functions);
    return 1;
}
