/* options - command-line options from one table a command; --help is made from the same table.
 * SPDX-License-Identifier: MIT */
#ifndef OPTIONS_H
#define OPTIONS_H

#include "err.h"

#include <stdbool.h>

enum option_kind {
    OPTION_FLAG,   /* bool:  --verbose */
    OPTION_TEXT,   /* const char *: --log FILE */
    OPTION_NUMBER, /* double: --seed N */
    OPTION_LIST    /* struct option_list: may be given several times */
};

enum { OPTION_LIST_MAX = 16 };

struct option_list {
    const char *values[OPTION_LIST_MAX];
    int n;
};

struct option {
    const char *name;     /* "--log" */
    char letter;          /* 'l' for -l, or 0 */
    const char *argument; /* "FILE"; NULL for a flag */
    enum option_kind kind;
    void *target;     /* bool *, const char **, double *, struct option_list * */
    const char *help; /* one line, ends with the default in brackets where there is one */
};

struct command {
    const char *name;             /* "serve" */
    const char *usage;            /* "baton serve [options]" */
    const char *about;            /* a paragraph */
    const struct option *options; /* ends with {0} */
};

/* Reads argv[1..] (argv[0] is the command's name): "--name value", "--name=value", "-c value";
 * options and operands may be mixed unless 'stop_at_operand'; "--" ends the options. Operands are
 * moved to the front of argv+1 and their number is returned. -1 with *err (ERR_BAD_REQUEST) on a
 * wrong option; -2 when --help was asked for and has been printed. */
int options_read(const struct command *c, int argc, char **argv, bool stop_at_operand,
                 struct err *err);

void options_help(const struct command *c);

#endif
