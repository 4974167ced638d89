/* bind_terminal - the module "terminal": text without a line's end, for what is shown while it
 * arrives. SPDX-License-Identifier: MIT */
#include "generation.h"
#include "modules.h"

#include <lauxlib.h>

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

int luaopen_baton_terminal(lua_State *L)
{
    static const luaL_Reg functions[] = {{"write", l_write}, {NULL, NULL}};

    luaL_newlib(L, functions);
    return 1;
}
