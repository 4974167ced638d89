/* trace_log - records of requests, a line each, into a file that may be slow or full.
 * SPDX-License-Identifier: MIT
 *
 * Lines are handed to a thread of their own, which appends them with whole-line writes: several processes may have the
 * same file. Nobody waits for the disk: when 4 MiB are waiting, or a write fails, lines are dropped and counted. A file
 * that was moved away or deleted is opened anew, so that it can be rotated without a signal. */
#ifndef TRACE_LOG_H
#define TRACE_LOG_H

#include "buf.h"
#include "err.h"

#include <stdint.h>

struct trace_log;

struct trace_log_stats {
    uint64_t written, dropped; /* lines */
    uint64_t waiting;          /* bytes */
    int error;                 /* errno of the last write or open, 0 when it went well */
};

/* Can it be opened for appending, or be made? Neither is done. */
int trace_log_check(const char *path, struct err *err);

/* Opens the file, which is made for its owner and group when it is not there, and starts the thread. NULL with *err. */
struct trace_log *trace_log_new(const char *path, struct err *err);
/* Writes what waits, for at most half a second. NULL is fine. */
void trace_log_free(struct trace_log *t);
/* The same without waiting: its thread writes the rest, and ends, when the disk lets it. */
void trace_log_leave(struct trace_log *t);
const char *trace_log_path(const struct trace_log *t);

/* Copies a line, which ends in a line feed. False: there was no room, and it is counted. */
bool trace_log_add(struct trace_log *t, struct span line);

void trace_log_stats(struct trace_log *t, struct trace_log_stats *stats);

#endif
