/* failure - an error in the form a client of OpenAI's API expects.
 * SPDX-License-Identifier: MIT */
#include "failure.h"

#include "json.h"

#include <string.h>

static const struct {
    int status;
    const char *type;
} kinds[ERR_CODES] = {
    [ERR_NONE] = {500, "server_error"},
    [ERR_TIMEOUT] = {504, "server_error"},
    [ERR_RATE_LIMITED] = {429, "rate_limit_exceeded"},
    [ERR_OVERLOADED] = {503, "server_error"},
    [ERR_UNAVAILABLE] = {502, "server_error"},
    [ERR_BAD_REQUEST] = {400, "invalid_request_error"},
    [ERR_CONTEXT_LENGTH] = {400, "invalid_request_error"},
    [ERR_CONTENT_FILTER] = {400, "invalid_request_error"},
    [ERR_AUTH] =
        {502, "server_error"}, /* the engine's own key; a client's is refused before any policy */
    [ERR_NOT_FOUND] = {404, "invalid_request_error"},
    [ERR_BAD_RESPONSE] = {502, "server_error"},
    [ERR_INVALID_OUTPUT] = {502, "server_error"},
    [ERR_BUDGET] = {500, "server_error"},
    [ERR_CANCELLED] = {500, "server_error"},
    [ERR_NO_CANDIDATE] = {503, "server_error"},
    [ERR_INTERNAL] = {500, "server_error"},
};

int failure_status(const struct sink_failure *f)
{
    bool clients_fault = f->err.code == ERR_BAD_REQUEST || f->err.code == ERR_CONTEXT_LENGTH ||
                         f->err.code == ERR_CONTENT_FILTER;

    if (clients_fault && f->status >= 400 && f->status < 500)
        return f->status; /* the provider's own: 400, 413, 422 */
    return kinds[f->err.code].status;
}

static void put_text(struct buf *out, const char *name, const char *text)
{
    buf_printf(out, "\"%s\":", name);
    if (*text)
        json_write_text(out, (struct span){text, strlen(text)});
    else
        buf_puts(out, "null");
}

void failure_write(struct buf *out, const struct sink_failure *f)
{
    buf_puts(out, "{\"error\":{");
    put_text(out, "message", f->err.message);
    buf_puts(out, ",");
    put_text(out, "type", f->type[0] ? f->type : kinds[f->err.code].type);
    buf_puts(out, ",");
    put_text(out, "param", f->param);
    buf_puts(out, ",");
    put_text(out, "code", f->provider_code[0] ? f->provider_code : err_name(f->err.code));
    buf_puts(out, "}}");
}
