/* err - an error value: a code of the field, a readable message.
 * SPDX-License-Identifier: MIT
 *
 * A function that can fail takes 'struct err *err' last, returns -1 or NULL, and has filled it
 * then. The value owns nothing: copy it, keep it on the stack, drop it. */
#ifndef ERR_H
#define ERR_H

enum { ERR_MESSAGE_MAX = 512 };

/* The codes scripts see in err.code; the name of each is its lower-case spelling. */
enum err_code {
    ERR_NONE,
    ERR_TIMEOUT,        /* a time limit passed */
    ERR_RATE_LIMITED,   /* 429: come back later */
    ERR_OVERLOADED,     /* 503, 529, or our own queue is full */
    ERR_UNAVAILABLE,    /* cannot be reached, broke off, 5xx */
    ERR_BAD_REQUEST,    /* the caller's fault: 400-class */
    ERR_CONTEXT_LENGTH, /* the prompt does not fit the model */
    ERR_CONTENT_FILTER, /* the provider refused for content */
    ERR_AUTH,           /* 401, 402, 403 */
    ERR_NOT_FOUND,      /* no such model, policy, path, file */
    ERR_BAD_RESPONSE,   /* the provider's answer makes no sense, or was cut */
    ERR_INVALID_OUTPUT, /* the answer does not fit the asked schema */
    ERR_BUDGET,         /* a limit of the sandbox or of money */
    ERR_CANCELLED,      /* nobody wants the answer any more */
    ERR_NO_CANDIDATE,   /* no model fits the selector */
    ERR_INTERNAL,       /* a fault of a script or of the engine */
    ERR_CODES           /* how many there are */
};

struct err {
    enum err_code code;
    char message[ERR_MESSAGE_MAX];
};

/* Fills *err; cuts an over-long message on a character border. Always returns -1. */
int err_set(struct err *err, enum err_code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Puts "text: " before the message, to say where it happened. Always returns -1. */
int err_prefix(struct err *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* "rate_limited" for ERR_RATE_LIMITED; "none" for ERR_NONE. */
const char *err_name(enum err_code code);

/* The code of that name, or ERR_NONE. */
enum err_code err_code_of(const char *name);

#endif
