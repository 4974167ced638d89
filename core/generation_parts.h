/* generation_parts - what the files of a generation share.
 * SPDX-License-Identifier: MIT */
#ifndef GENERATION_PARTS_H
#define GENERATION_PARTS_H

#include "generation.h"

/* Registry keys: the addresses count, not the values. The generation; compiled files by name;
 * modules by name. */
extern const char generation_self_key, generation_chunks_key, generation_loaded_key;

/* lua_CFunction: require(name). */
int generation_l_require(lua_State *L);

#endif
