/* commands - the commands of the binary. argv[0] is the command's name; the exit code is returned:
 * 0, 1 failed, 2 usage. SPDX-License-Identifier: MIT */
#ifndef COMMANDS_H
#define COMMANDS_H

#include "buf.h"
#include "err.h"

struct admin_target;

int cmd_serve(int argc, char **argv);
int cmd_worker(int argc, char **argv);
int cmd_run(int argc, char **argv);
int cmd_ask(int argc, char **argv);
int cmd_check(int argc, char **argv);
int cmd_models(int argc, char **argv);
int cmd_train(int argc, char **argv);
int cmd_eval(int argc, char **argv);
int cmd_reload(int argc, char **argv);   /* cmd_admin.c */
int cmd_policies(int argc, char **argv); /* cmd_admin.c */
int cmd_use(int argc, char **argv);      /* cmd_admin.c */
int cmd_bandits(int argc, char **argv);
int cmd_questions(int argc, char **argv);
int cmd_answer(int argc, char **argv); /* cmd_questions.c */

/* For a command that shows what a running engine says at a path of its admin API: the answer as it is (json), or
 * printed. Returns the exit code. cmd_admin.c */
int command_show(const char *name, const struct admin_target *target, const char *path, bool json,
                 void (*print)(struct span answer));
/* "baton ask: message" on standard error; returns 1. */
int command_failed(const char *name, const struct err *err);
/* A wrong command line: the message and a hint; returns 2. */
int command_usage(const char *name, const char *message);

#endif
