/* err - an error value: a code of the field, a readable message.
 * SPDX-License-Identifier: MIT */
#include "err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *const names[ERR_CODES] = {
    [ERR_NONE] = "none",
    [ERR_TIMEOUT] = "timeout",
    [ERR_RATE_LIMITED] = "rate_limited",
    [ERR_OVERLOADED] = "overloaded",
    [ERR_UNAVAILABLE] = "unavailable",
    [ERR_BAD_REQUEST] = "bad_request",
    [ERR_CONTEXT_LENGTH] = "context_length",
    [ERR_CONTENT_FILTER] = "content_filter",
    [ERR_AUTH] = "auth",
    [ERR_NOT_FOUND] = "not_found",
    [ERR_BAD_RESPONSE] = "bad_response",
    [ERR_INVALID_OUTPUT] = "invalid_output",
    [ERR_BUDGET] = "budget",
    [ERR_CANCELLED] = "cancelled",
    [ERR_NO_CANDIDATE] = "no_candidate",
    [ERR_INTERNAL] = "internal",
};

/* vsnprintf may cut inside a UTF-8 character: drop the torn bytes at the end. */
static void mend_tail(char *s, size_t size)
{
    size_t n = strlen(s);

    if (n + 1 < size)
        return;
    while (n > 0 && ((unsigned char)s[n - 1] & 0xC0) == 0x80)
        n--;
    if (n > 0 && (unsigned char)s[n - 1] >= 0xC0)
        n--;
    s[n] = 0;
}

int err_set(struct err *err, enum err_code code, const char *format, ...)
{
    va_list args;

    err->code = code;
    va_start(args, format);
    vsnprintf(err->message, sizeof err->message, format, args);
    va_end(args);
    mend_tail(err->message, sizeof err->message);
    return -1;
}

int err_prefix(struct err *err, const char *format, ...)
{
    char old[ERR_MESSAGE_MAX];
    va_list args;

    memcpy(old, err->message, sizeof old);
    va_start(args, format);
    vsnprintf(err->message, sizeof err->message, format, args);
    va_end(args);

    size_t n = strlen(err->message);
    snprintf(err->message + n, sizeof err->message - n, ": %s", old);
    mend_tail(err->message, sizeof err->message);
    return -1;
}

const char *err_name(enum err_code code)
{
    return (unsigned)code < ERR_CODES ? names[code] : "internal";
}

enum err_code err_code_of(const char *name)
{
    for (int i = 1; i < ERR_CODES; i++)
        if (strcmp(names[i], name) == 0)
            return (enum err_code)i;
    return ERR_NONE;
}
