/* bind_task - what the files of the module "task" share.
 * SPDX-License-Identifier: MIT */
#ifndef BIND_TASK_H
#define BIND_TASK_H

#include <lua.h>
#include <stdint.h>

#define SLEEP_MAX 86400.0 /* seconds */

/* Raises where a task cannot wait, or not have a child of its own. */
void check_can_wait(lua_State *L);
void check_can_group(lua_State *L);

/* Microseconds of the seconds at 'index'; raises when they are out of range. */
int64_t check_seconds(lua_State *L, int index);

/* bind_spawn.c */
int task_spawn(lua_State *L);
int task_first(lua_State *L);
void spawn_open(lua_State *L); /* makes the metatable of handles */

#endif
