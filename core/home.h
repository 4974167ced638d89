/* home - where the Lua files and examples are: beside the build, or installed.
 * SPDX-License-Identifier: MIT */
#ifndef HOME_H
#define HOME_H

#include "err.h"

#include <stddef.h>

/* Writes the directory that holds scripts/, policies/ and examples/ to 'dir': BATON_HOME when it is
 * set; else the parent of the binary's directory or the one above, when scripts/ is there (a build tree); else
 * share/baton beside the binary's directory, else below the prefix the binary was built for.
 * ERR_NOT_FOUND names the places. */
int home_find(char *dir, size_t size, struct err *err);

#endif
