/* failure - an error in the form that a client expects.
 * SPDX-License-Identifier: MIT */
#include "failure.h"

#include "json.h"

#include <string.h>

static const struct {
    int status;
    const char *openai, *anthropic;
} kinds[ERR_CODES] = {
    [ERR_NONE] = {500, "server_error", "api_error"},
    [ERR_TIMEOUT] = {504, "server_error", "timeout_error"},
    [ERR_RATE_LIMITED] = {429, "rate_limit_exceeded", "rate_limit_error"},
    [ERR_OVERLOADED] = {503, "server_error", "overloaded_error"},
    [ERR_UNAVAILABLE] = {502, "server_error", "api_error"},
    [ERR_BAD_REQUEST] = {400, "invalid_request_error", "invalid_request_error"},
    [ERR_CONTEXT_LENGTH] = {400, "invalid_request_error", "invalid_request_error"},
    [ERR_CONTENT_FILTER] = {400, "invalid_request_error", "invalid_request_error"},
    [ERR_AUTH] = {502, "server_error",
                  "api_error"}, /* the engine's own key; a client's is refused before any policy */
    [ERR_NOT_FOUND] = {404, "invalid_request_error", "not_found_error"},
    [ERR_BAD_RESPONSE] = {502, "server_error", "api_error"},
    [ERR_INVALID_OUTPUT] = {502, "server_error", "api_error"},
    [ERR_BUDGET] = {500, "server_error", "api_error"},
    [ERR_CANCELLED] = {500, "server_error", "api_error"},
    [ERR_NO_CANDIDATE] = {503, "server_error", "overloaded_error"},
    [ERR_INTERNAL] = {500, "server_error", "api_error"},
};

enum { OVERLOADED = 529 /* Anthropic's own status for it */ };

static bool is_refusal(const struct sink_failure *f)
{
    return f->err.code == ERR_BAD_REQUEST || f->err.code == ERR_CONTEXT_LENGTH ||
           f->err.code == ERR_CONTENT_FILTER;
}

int failure_status(const struct sink_failure *f, enum failure_form form)
{
    if (f->clients_key)
        return 401;
    if (is_refusal(f) && f->status >= 400 && f->status < 500)
        return f->status; /* the provider's own: 400, 413, 422 */
    if (form == FORM_ANTHROPIC && f->err.code == ERR_OVERLOADED)
        return OVERLOADED;
    return kinds[f->err.code].status;
}

static void put_json(struct buf *out, const char *text)
{
    json_write_text(out, (struct span){text, strlen(text)});
}

static void put_text(struct buf *out, const char *name, const char *text)
{
    buf_printf(out, "\"%s\":", name);
    if (*text)
        put_json(out, text);
    else
        buf_puts(out, "null");
}

/* A word of Google's (INVALID_ARGUMENT, SAFETY) means nothing to a client of another API. */
static bool is_googles(const char *code)
{
    return code[strspn(code, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_")] == 0;
}

/* Clients look for one code, whatever the provider calls it. */
static const char *code_of(const struct sink_failure *f)
{
    if (f->err.code == ERR_CONTEXT_LENGTH)
        return "context_length_exceeded";
    return is_googles(f->provider_code) ? err_name(f->err.code) : f->provider_code;
}

static void write_openai(struct buf *out, const struct sink_failure *f)
{
    buf_puts(out, "{\"error\":{");
    put_text(out, "message", f->err.message);
    buf_puts(out, ",");
    put_text(out, "type", f->type[0] ? f->type : kinds[f->err.code].openai);
    buf_puts(out, ",");
    put_text(out, "param", f->param);
    buf_puts(out, ",");
    put_text(out, "code", code_of(f));
    buf_puts(out, "}}");
}

/* A provider's own word counts when it is one of this API. OpenAI's says invalid_request_error of a
 * model that is not there, too. */
static const char *anthropic_type(const struct sink_failure *f)
{
    static const char *const words[] = {
        "invalid_request_error", "authentication_error", "billing_error",    "permission_error",
        "not_found_error",       "request_too_large",    "rate_limit_error", "api_error",
        "timeout_error",         "overloaded_error"};
    int status = failure_status(f, FORM_ANTHROPIC);

    if (status == 413)
        return "request_too_large";
    for (size_t i = is_refusal(f) ? 0 : 1; i < sizeof words / sizeof *words; i++)
        if (strcmp(f->type, words[i]) == 0 && f->err.code != ERR_AUTH)
            return words[i];
    return status == 401 ? "authentication_error" : kinds[f->err.code].anthropic;
}

/* Clients whose conversation the server holds look for this code before they send all of it again. */
static bool is_about_thread(const struct sink_failure *f)
{
    return strncmp(f->provider_code, "thread_", 7) == 0;
}

static void write_anthropic(struct buf *out, const struct sink_failure *f, const char *id)
{
    buf_puts(out, "{\"type\":\"error\",\"error\":{");
    put_text(out, "type", anthropic_type(f));
    buf_puts(out, ",");
    put_text(out, "message", f->err.message);
    if (is_about_thread(f)) {
        buf_puts(out, ",\"details\":{");
        put_text(out, "error_code", f->provider_code);
        buf_puts(out, "}");
    }
    buf_puts(out, "},");
    put_text(out, "request_id", id);
    buf_puts(out, "}");
}

/* The name of google.rpc.Code that belongs to a status. */
static const char *rpc_name(int status)
{
    switch (status) {
    case 401:
        return "UNAUTHENTICATED";
    case 403:
        return "PERMISSION_DENIED";
    case 404:
        return "NOT_FOUND";
    case 429:
        return "RESOURCE_EXHAUSTED";
    case 500:
        return "INTERNAL";
    case 502:
    case 503:
        return "UNAVAILABLE";
    case 504:
        return "DEADLINE_EXCEEDED";
    default:
        return "INVALID_ARGUMENT";
    }
}

static void write_gemini(struct buf *out, const struct sink_failure *f)
{
    int status = failure_status(f, FORM_GEMINI);

    buf_printf(out, "{\"error\":{\"code\":%d,", status);
    put_text(out, "message", f->err.message);
    buf_printf(out, ",\"status\":\"%s\"", rpc_name(status));
    if (f->retry_after >= 0)
        buf_printf(out,
                   ",\"details\":[{\"@type\":\"type.googleapis.com/google.rpc.RetryInfo\","
                   "\"retryDelay\":\"%.3gs\"}]",
                   f->retry_after);
    buf_puts(out, "}}");
}

void failure_write(struct buf *out, const struct sink_failure *f, enum failure_form form,
                   const char *id)
{
    switch (form) {
    case FORM_OPENAI:
    case FORM_RESPONSES:
        write_openai(out, f);
        break;
    case FORM_ANTHROPIC:
        write_anthropic(out, f, id);
        break;
    case FORM_GEMINI:
        write_gemini(out, f);
        break;
    case FORM_OLLAMA:
        buf_puts(out, "{");
        put_text(out, "error", f->err.message);
        buf_puts(out, "}");
    }
}

/* ---- inside a stream ---- */

/* OpenAI's servers send both: "error", which its SDKs raise, and then "response.failed". */
static void write_responses_events(struct buf *out, const struct sink_failure *f,
                                   const struct failure_place *place)
{
    buf_puts(out, "event: error\ndata: {\"type\":\"error\",");
    buf_printf(out, "\"sequence_number\":%lld,", (long long)place->events);
    put_text(out, "code", code_of(f));
    buf_puts(out, ",");
    put_text(out, "message", f->err.message);
    buf_puts(out, ",");
    put_text(out, "param", f->param);
    buf_puts(out, "}\n\nevent: response.failed\ndata: {\"type\":\"response.failed\",");
    buf_printf(out,
               "\"sequence_number\":%lld,\"response\":{\"id\":\"resp_%s\",\"object\":\"response\","
               "\"status\":\"failed\",\"error\":{",
               (long long)place->events + 1, place->trace);
    put_text(out, "code", code_of(f));
    buf_puts(out, ",");
    put_text(out, "message", f->err.message);
    buf_puts(out, "},\"incomplete_details\":null,\"output\":[],\"usage\":null}}\n\n");
}

void failure_write_event(struct buf *out, const struct sink_failure *f, enum failure_form form,
                         const struct failure_place *place)
{
    if (form == FORM_RESPONSES) {
        write_responses_events(out, f, place);
        return;
    }
    if (form == FORM_ANTHROPIC)
        buf_puts(out, "event: error\n");
    if (place->array)
        buf_puts(out, place->events ? ",\r\n" : "[");
    else if (form != FORM_OLLAMA)
        buf_puts(out, "data: ");
    failure_write(out, f, form, place->id);
    if (place->array)
        buf_puts(out, "]");
    else
        buf_puts(out, form == FORM_OLLAMA ? "\n" : "\n\n");
}
