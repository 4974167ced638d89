/* master - the process that keeps the others: sockets, workers, generations, the admin API.
 * SPDX-License-Identifier: MIT
 *
 * It serves no request itself and runs no policy. It reads the files, hands the same bytes to every worker, and
 * replaces workers that die or stop beating. */
#ifndef MASTER_H
#define MASTER_H

#include "err.h"

#include <stdbool.h>

enum { WORKERS_MAX = 64 };

struct master_options {
    const char *config;   /* file; NULL: baton.lua if it is there */
    const char *policies; /* folder with policies of the user; NULL: none */
    const char *listen;   /* NULL: the configuration's */
    const char *admin;    /* the same for the admin API; "none": no admin API */
    /* folder where generations and persistent values are kept; NULL: the default */
    const char *state;
    const char *trace_log; /* file; NULL: the configuration's */
    int workers;           /* 0: the configuration's, else one per core */
    bool no_watch;         /* files are loaded on request only */
    bool strict; /* broken policies at the start end it, even when an earlier generation is kept */
    char **argv_all; /* the whole command line, to execute a new binary with */
};

/* Runs until a signal ends it. -1 with *err when it could not start. */
int master_run(const struct master_options *o, struct err *err);

#endif
