/* lua_buf - a growing buffer that Lua owns: nothing leaks when something raises.
 * SPDX-License-Identifier: MIT */
#include "lua_buf.h"

#include "lua_class.h"

static int l_free(lua_State *L)
{
    buf_deinit(lua_touserdata(L, 1));
    return 0;
}

struct buf *lua_buf_push(lua_State *L, size_t max)
{
    struct buf *b = lua_newuserdatauv(L, sizeof *b, 0);

    buf_init(b, max);
    lua_class_give(L, "baton.buffer", NULL, l_free);
    return b;
}
