/* bind_model - what 'baton train' made, as scripts hold it: found by its name.
 * SPDX-License-Identifier: MIT */
#ifndef BIND_MODEL_H
#define BIND_MODEL_H

#include <lauxlib.h>

/* Takes the value on top of the stack: it is what stands in the file ("policies/intents.model") for those of a kind. 'key'
 * is the kind's own place in the registry. */
void model_keep(lua_State *L, const void *key, const char *file);

/* Pushes what was kept of policies/NAME.model, else of scripts/NAME.model; NAME may end so itself. Returns 1. Raises
 * 'missing', in which %s is the name with its end, when there is none. */
int model_find(lua_State *L, const void *key, const char *name, const char *missing);

#endif
