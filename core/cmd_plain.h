/* cmd_plain - text of a script, a model or a client on a terminal: what would steer it is not sent there.
 * SPDX-License-Identifier: MIT */
#ifndef CMD_PLAIN_H
#define CMD_PLAIN_H

#include "buf.h"

#include <stdio.h>

/* Writes the text with '?' in place of control characters (C0 but '\n', DEL, C1), of those that turn the direction of
 * writing (they can make a text look like another one), and of bytes that are no UTF-8: some terminals take a lone 0x9b
 * for the beginning of a command. */
void cmd_plain(FILE *out, struct span text);

/* The same in place, for a text in a line of others: '\n' is one of them. */
void cmd_plain_line(char *text);

#endif
