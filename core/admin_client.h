/* admin_client - the other end of the admin API: one question to a running engine, and its answer.
 * SPDX-License-Identifier: MIT */
#ifndef ADMIN_CLIENT_H
#define ADMIN_CLIENT_H

#include "buf.h"
#include "err.h"

enum {
    ADMIN_ANSWER_BYTES = 16 << 20,
    ADMIN_ANSWER_S = 300 /* a load of many files on a busy machine may take a while */
};

struct admin_target {
    const char *address; /* "HOST:PORT" or "unix:PATH"; NULL: BATON_ADMIN, else 127.0.0.1:8081 */
    const char *token;   /* NULL: BATON_ADMIN_TOKEN, else none */
};

/* Sends a request and waits. Appends the body of a 200 to 'out', which is JSON then. Otherwise -1:
 * *err is what the engine said, or why it could not be asked. */
int admin_ask(const struct admin_target *target, const char *method, const char *path,
              struct span body, struct buf *out, struct err *err);

/* ---- options of the commands ---- */

/* "5%" or "0.05" -> 0.05. More than nothing, less than all. */
int admin_share(const char *text, double *share, struct err *err);
/* "90s", "10m", "1.5h", "600" (seconds) -> seconds, more than 0, at most 30 days. */
int admin_duration(const char *text, double *seconds, struct err *err);

/* The two options that say which engine is meant; t: a struct admin_target. With options.h. */
#define ADMIN_OPTIONS(t)                                                                           \
    {"--admin",                                                                                    \
     0,                                                                                            \
     "ADDR",                                                                                       \
     OPTION_TEXT,                                                                                  \
     &(t).address,                                                                                 \
     "HOST:PORT or unix:PATH of the engine's admin API [BATON_ADMIN, else 127.0.0.1:8081]"},       \
    {                                                                                              \
        "--token", 0, "TOKEN", OPTION_TEXT, &(t).token,                                            \
            "what the engine asks for [BATON_ADMIN_TOKEN]"                                         \
    }

/* "12s", "5m", "3h", "2d": as short as it can be said. 'out' has 16 bytes. */
void admin_age(double seconds, char *out);

/* ---- texts and numbers out of an answer, by their path ("canary.hash") ---- */

/* "" for what is no text; at most size - 1 bytes. */
void admin_text_at(struct span doc, const char *path, char *out, size_t size);
/* 0 for what is no number. */
double admin_number_at(struct span doc, const char *path);

#endif
