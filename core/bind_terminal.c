/* bind_terminal - the module "terminal": text without a line's end, for what is shown while it
 * arrives, and how wide a line may be. SPDX-License-Identifier: MIT */
#include "generation.h"
#include "modules.h"

#include <lauxlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define WIDTH_UNKNOWN 80 /* columns of a terminal that does not say */

/* terminal.write(text): to standard output of a command; nothing in the server. */
static int l_write(lua_State *L)
{
    FILE *out = generation_of(L)->rt->print;
    size_t n;
    const char *text = luaL_checklstring(L, 1, &n);

    if (out) {
        fwrite(text, 1, n, out);
        fflush(out);
    }
    return 0;
}

/* terminal.width() -> columns | nil: nil where the output goes to no terminal. */
static int l_width(lua_State *L)
{
    FILE *out = generation_of(L)->rt->print;
    struct winsize size = {0};
    int fd = out ? fileno(out) : -1;

    if (fd < 0 || !isatty(fd)) {
        lua_pushnil(L);
        return 1;
    }
    bool known = ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
    lua_pushinteger(L, known ? size.ws_col : WIDTH_UNKNOWN);
    return 1;
}

int luaopen_baton_terminal(lua_State *L)
{
    static const luaL_Reg functions[] = {{"write", l_write}, {"width", l_width}, {NULL, NULL}};

    luaL_newlib(L, functions);
    return 1;
}
