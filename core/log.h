/* log - structured lines: one JSON object a line, on a descriptor.
 * SPDX-License-Identifier: MIT
 *
 * {"time":"2026-11-21T23:47:54.123Z","level":"info","message":"...", fields...}. Lines of level
 * info are gathered and written by log_flush or when 32 KiB are waiting; warnings and errors go out
 * at once. Several processes may write to one pipe or file: lines of up to 4096 bytes come whole. Nothing waits for a
 * reader of a pipe; what finds no room is dropped and counted. */
#ifndef LOG_H
#define LOG_H

#include "buf.h"

#include <stdbool.h>
#include <stdint.h>

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR, LOG_NONE };

struct log {
    int fd;               /* borrowed */
    int own;              /* the same pipe, opened anew; 0: it is none */
    enum log_level level; /* lines below are dropped */
    struct buf waiting;
    uint64_t dropped; /* lines that did not fit since the last one that did */
    uint64_t lost;    /* the same, since the start */
    int64_t second;   /* the second that 'stamp' spells */
    char stamp[24];   /* "2026-11-21T23:47:54" */
};

/* One field of a line: a text, an integer, a number, or JSON bytes as they are. */
struct log_field {
    const char *name;
    enum { FIELD_TEXT, FIELD_INT, FIELD_NUMBER, FIELD_JSON } kind;
    struct span text;
    int64_t integer;
    double number;
};

struct log_field log_text(const char *name, const char *text); /* NULL is written as null */
struct log_field log_int(const char *name, int64_t i);
struct log_field log_number(const char *name, double d);
struct log_field log_json(const char *name, struct span json);

void log_init(struct log *log, int fd, enum log_level level);
void log_deinit(struct log *log); /* flushes */
void log_write(struct log *log, enum log_level level, const char *message,
               const struct log_field *fields, size_t n);
void log_flush(struct log *log);

/* "info" -> LOG_INFO; -1 for another word. */
int log_level_of(const char *name);

/* "2026-11-21T23:47:54.123Z", 24 characters and the terminator. */
void log_time(int64_t wall_us, char out[25]);

#endif
