/* bind_linear - models made by 'baton train', as scripts hold them.
 * SPDX-License-Identifier: MIT */
#ifndef BIND_LINEAR_H
#define BIND_LINEAR_H

#include "buf.h"

#include <lua.h>

/* Keeps the model in this file ("policies/intents.model") for linear.model("intents"). Raises with the file's name and
 * the reason when it is none. */
void linear_add_model(lua_State *L, const char *file, struct span bytes);

#endif
