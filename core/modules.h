/* modules - the built-in modules that scripts can require.
 * SPDX-License-Identifier: MIT */
#ifndef MODULES_H
#define MODULES_H

#include <lua.h>

/* The function that makes the module of that name, or NULL. */
lua_CFunction modules_find(const char *name);

/* Makes the metatables of all userdata and adds 'print' and 'arg' to the sandbox. Once a state.
 * Raises. */
void modules_open(lua_State *L);

/* One file each: */
int luaopen_baton_bandits(lua_State *L);   /* bind_bandit.c */
int luaopen_baton_base64(lua_State *L);    /* bind_base64.c */
int luaopen_baton_clock(lua_State *L);     /* bind_clock.c */
int luaopen_baton_kv(lua_State *L);        /* bind_kv.c */
int luaopen_baton_cache(lua_State *L);     /* bind_cache.c */
int luaopen_baton_random(lua_State *L);    /* bind_clock.c */
int luaopen_baton_scan(lua_State *L);      /* bind_classify.c */
int luaopen_baton_measure(lua_State *L);   /* bind_measure.c */
int luaopen_baton_log(lua_State *L);       /* bind_log.c */
int luaopen_baton_trace(lua_State *L);     /* bind_trace.c */
int luaopen_baton_fs(lua_State *L);        /* bind_fs.c */
int luaopen_baton_linear(lua_State *L);    /* bind_linear.c */
int luaopen_baton_nearest(lua_State *L);   /* bind_neighbours.c */
int luaopen_baton_tasks(lua_State *L);     /* bind_task.c */
int luaopen_baton_terminal(lua_State *L);  /* bind_terminal.c */
int luaopen_baton_timer(lua_State *L);     /* bind_timer.c */
int luaopen_baton_health(lua_State *L);    /* bind_health.c */
int luaopen_baton_http(lua_State *L);      /* bind_http.c */
int luaopen_baton_person(lua_State *L);    /* bind_human.c */
int luaopen_baton_provider(lua_State *L);  /* bind_provider.c */
int luaopen_baton_validator(lua_State *L); /* bind_schema.c */
int luaopen_baton_words(lua_State *L);     /* bind_words.c */

#endif
