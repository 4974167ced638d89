/* cmd_person - the person who is asked by a command: the answers of its command line, then whoever sits at the terminal.
 * SPDX-License-Identifier: MIT */
#ifndef CMD_PERSON_H
#define CMD_PERSON_H

#include "options.h"
#include "worker.h"

/* From now on questions of the worker's scripts go there: the next of 'answers', in the order of the questions; else, when
 * standard input and standard error are a terminal, to who reads it; else nobody can be asked. 'answers' is borrowed.
 * NULL with *err. */
struct cmd_person *cmd_person_new(struct worker *w, const struct option_list *answers,
                                  struct err *err);
void cmd_person_free(struct cmd_person *p); /* before the worker ends; NULL is fine */

#endif
