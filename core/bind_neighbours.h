/* bind_neighbours - the module "nearest": labelled examples by their words, and vectors by their direction.
 * SPDX-License-Identifier: MIT */
#ifndef BIND_NEIGHBOURS_H
#define BIND_NEIGHBOURS_H

#include "buf.h"

#include <lua.h>
#include <stdbool.h>

/* Keeps the examples in this file ("policies/faq.model") for nearest.model("faq"). False: the file is of another kind.
 * Raises with the file's name and the reason when it is damaged. */
bool neighbours_add_model(lua_State *L, const char *file, struct span bytes);

#endif
