/* glance - what an answer in the form of Chat Completions says, when it is one text and nothing else.
 * SPDX-License-Identifier: MIT
 *
 * Most answers are that, and who only reads the text need not decode the rest. */
#ifndef GLANCE_H
#define GLANCE_H

#include "buf.h"

/* The content (a JSON string without escapes, with its quotes) of a body that was checked to be JSON: of its only choice,
 * which ended with "stop" and has nothing besides but role, index, and what is null, "", [] or {}. p NULL: there is
 * more to it. */
struct span glance_text(struct span body);

#endif
