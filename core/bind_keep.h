/* bind_keep - what kv and cache ask of their arguments: keys, options, values.
 * SPDX-License-Identifier: MIT */
#ifndef BIND_KEEP_H
#define BIND_KEEP_H

#include "buf.h"
#include "err.h"

#include <lua.h>
#include <stdbool.h>
#include <stdint.h>

/* Raises where a file is being loaded: what is read there would differ from process to process, and what is written
 * would count for generations that never serve. 'module' names who refuses. */
void keep_check_running(lua_State *L, const char *module);

/* The string at 'index' of 1 to 'max' bytes. Raises otherwise. */
struct span keep_key(lua_State *L, int index, size_t max);

struct keep_options {
    int64_t ttl_us; /* 0: none given */
    bool persist;
};
/* The table at 'index', or nothing: { ttl = seconds up to 'ttl_max', persist = boolean }; persist only when it may.
 * Raises on anything else. */
struct keep_options keep_options(lua_State *L, int index, double ttl_max, bool may_persist);

/* Pushes a buffer with the value at 'index' as JSON, at most 'max' bytes; NULL with ERR_BUDGET when it is larger. Raises
 * when JSON cannot hold it. buf_deinit it soon (lua_buf.h). */
struct buf *keep_encode(lua_State *L, int index, size_t max, struct err *err);

#endif
