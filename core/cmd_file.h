/* cmd_file - the files that are named on a command line: read whole, written whole or not at all.
 * SPDX-License-Identifier: MIT */
#ifndef CMD_FILE_H
#define CMD_FILE_H

#include "buf.h"
#include "err.h"

/* Appends all of a file, or of standard input where the path is "-". -1 with *err: also where it is larger than 'out'
 * may become. */
int cmd_file_read(const char *path, struct buf *out, struct err *err);

/* What was there before stays until the new one is on the disk; somebody may be watching the folder. A link stays a
 * link; a device or a pipe (/dev/stdout) is written to as it is. */
int cmd_file_write(const char *path, struct span bytes, struct err *err);

/* The folder of the user's policies where no option says it: BATON_POLICIES; NULL: none. */
const char *cmd_file_policies(void);

/* Would cmd_file_write find its folder, and may it write there? For those who work long before they write. */
int cmd_file_may_write(const char *path, struct err *err);

/* A message that begins with "policies/x.lua" of the folder 'policies' (NULL: none) gets the file's path instead: who
 * types a command knows it by that. */
void cmd_file_name_own(const char *policies, struct err *err);

#endif
