/* where - on which line of a configuration file a field stands, and where a file returns.
 * SPDX-License-Identifier: MIT */
#ifndef WHERE_H
#define WHERE_H

#include "buf.h"

/* 'text' is a Lua file that ends in "return { ... }", 'message' what is wrong with the table:
 * "providers.openai.base_ur: unknown field". The line of the path's last name that is written out
 * there ("providers" where its table comes from a variable or a function), counted from 1; 0 when
 * nothing of the path is, or when it could be one of two lines. Any bytes are fine; the work is
 * linear in them. */
int where_line(struct span text, const char *message);

/* The line of the file's own "return", which ends it; 0 when there is none, or may be several. */
int where_return(struct span text);

#endif
