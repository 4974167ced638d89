/* test_failure - errors in the form that each door's clients read.
 * SPDX-License-Identifier: MIT */
#include "failure.h"

#include "json.h"
#include "testhelp.h"

static struct sink_failure failure(enum err_code code, const char *message)
{
    struct sink_failure f = {.retry_after = -1};

    err_set(&f.err, code, "%s", message);
    return f;
}

static void test_statuses(void)
{
    static const struct {
        enum err_code code;
        int from, status;
    } cases[] = {
        {ERR_TIMEOUT, 0, 504},          {ERR_RATE_LIMITED, 429, 429}, {ERR_OVERLOADED, 529, 503},
        {ERR_UNAVAILABLE, 500, 502},    {ERR_BAD_REQUEST, 0, 400},    {ERR_BAD_REQUEST, 422, 422},
        {ERR_BAD_REQUEST, 413, 413},    {ERR_BAD_REQUEST, 200, 400},  {ERR_BAD_REQUEST, 503, 400},
        {ERR_CONTEXT_LENGTH, 400, 400}, {ERR_CONTENT_FILTER, 0, 400}, {ERR_AUTH, 401, 502},
        {ERR_NOT_FOUND, 0, 404},        {ERR_BAD_RESPONSE, 200, 502}, {ERR_INVALID_OUTPUT, 0, 502},
        {ERR_BUDGET, 0, 500},           {ERR_NO_CANDIDATE, 0, 503},   {ERR_INTERNAL, 0, 500},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct sink_failure f = failure(cases[i].code, "m");
        f.status = cases[i].from;
        CHECK_INT(failure_status(&f, FORM_OPENAI), cases[i].status);
    }
    for (int i = 0; i < ERR_CODES; i++) {
        struct sink_failure f = failure((enum err_code)i, "m");
        CHECK(failure_status(&f, FORM_OPENAI) >= 400 && failure_status(&f, FORM_OPENAI) < 600);
    }
}

static void check_written(const struct sink_failure *f, const char *want)
{
    struct buf out;
    struct err err;

    buf_init(&out, 8192);
    failure_write(&out, f, FORM_OPENAI, "req_1");
    CHECK_BYTES(out.data, out.len, want);
    CHECK_INT(json_check(buf_span(&out), &err), 0);
    buf_deinit(&out);
}

static void test_bodies(void)
{
    struct sink_failure f = failure(ERR_BAD_REQUEST, "not \"so\"\n");

    snprintf(f.param, sizeof f.param, "messages[0]");
    check_written(
        &f, "{\"error\":{\"message\":\"not \\\"so\\\"\\n\",\"type\":\"invalid_request_error\","
            "\"param\":\"messages[0]\",\"code\":\"bad_request\"}}");
    f = failure(ERR_UNAVAILABLE, "m");
    snprintf(f.type, sizeof f.type, "their_type");
    snprintf(f.provider_code, sizeof f.provider_code, "their_code");
    check_written(&f, "{\"error\":{\"message\":\"m\",\"type\":\"their_type\",\"param\":null,"
                      "\"code\":\"their_code\"}}");
    f = failure(ERR_CONTENT_FILTER, "m");
    snprintf(f.provider_code, sizeof f.provider_code, "PROHIBITED_CONTENT"); /* Google's own word */
    check_written(&f, "{\"error\":{\"message\":\"m\",\"type\":\"invalid_request_error\","
                      "\"param\":null,\"code\":\"content_filter\"}}");
    f = failure(ERR_INTERNAL, "torn \xF0\x9F bytes");
    check_written(
        &f,
        "{\"error\":{\"message\":\"torn \xEF\xBF\xBD\xEF\xBF\xBD bytes\",\"type\":\"server_error\","
        "\"param\":null,\"code\":\"internal\"}}");
}

/* The same error at each door: whole, and inside a stream of which two events have gone out. */
static void test_forms(void)
{
    static const struct {
        enum failure_form form;
        bool array;
        const char *whole, *event;
    } cases[] = {
        {FORM_OPENAI, false,
         "{\"error\":{\"message\":\"slow\",\"type\":\"rate_limit_exceeded\",\"param\":null,"
         "\"code\":\"rate_limited\"}}",
         "data: "
         "{\"error\":{\"message\":\"slow\",\"type\":\"rate_limit_exceeded\",\"param\":null,"
         "\"code\":\"rate_limited\"}}\n\n"},
        {FORM_RESPONSES, false,
         "{\"error\":{\"message\":\"slow\",\"type\":\"rate_limit_exceeded\",\"param\":null,"
         "\"code\":\"rate_limited\"}}",
         "event: error\ndata: "
         "{\"type\":\"error\",\"sequence_number\":2,\"code\":\"rate_limited\",\"message\":\"slow\","
         "\"param\":null}\n\n"
         "event: response.failed\ndata: "
         "{\"type\":\"response.failed\",\"sequence_number\":3,\"response\":{\"id\":\"resp_t\","
         "\"object\":\"response\","
         "\"status\":\"failed\",\"error\":{\"code\":\"rate_limited\",\"message\":\"slow\"},"
         "\"incomplete_details\":null,\"output\":[],\"usage\":null}}\n\n"},
        {FORM_ANTHROPIC, false,
         "{\"type\":\"error\",\"error\":{\"type\":\"rate_limit_error\",\"message\":\"slow\"},"
         "\"request_id\":\"req_1\"}",
         "event: error\ndata: "
         "{\"type\":\"error\",\"error\":{\"type\":\"rate_limit_error\",\"message\":\"slow\"},"
         "\"request_id\":\"req_1\"}\n\n"},
        {FORM_GEMINI, false,
         "{\"error\":{\"code\":429,\"message\":\"slow\",\"status\":\"RESOURCE_EXHAUSTED\","
         "\"details\":[{\"@type\":"
         "\"type.googleapis.com/google.rpc.RetryInfo\",\"retryDelay\":\"1.5s\"}]}}",
         "data: "
         "{\"error\":{\"code\":429,\"message\":\"slow\",\"status\":\"RESOURCE_EXHAUSTED\","
         "\"details\":[{\"@type\":"
         "\"type.googleapis.com/google.rpc.RetryInfo\",\"retryDelay\":\"1.5s\"}]}}\n\n"},
        {FORM_GEMINI, true,
         "{\"error\":{\"code\":429,\"message\":\"slow\",\"status\":\"RESOURCE_EXHAUSTED\","
         "\"details\":[{\"@type\":"
         "\"type.googleapis.com/google.rpc.RetryInfo\",\"retryDelay\":\"1.5s\"}]}}",
         ",\r\n{\"error\":{\"code\":429,\"message\":\"slow\",\"status\":\"RESOURCE_EXHAUSTED\","
         "\"details\":[{\"@type\":"
         "\"type.googleapis.com/google.rpc.RetryInfo\",\"retryDelay\":\"1.5s\"}]}}]"},
        {FORM_OLLAMA, false, "{\"error\":\"slow\"}", "{\"error\":\"slow\"}\n"},
    };
    struct sink_failure f = failure(ERR_RATE_LIMITED, "slow");

    f.retry_after = 1.5;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct failure_place place = {"req_1", "t", 2, cases[i].array};
        struct buf out;
        buf_init(&out, 8192);
        failure_write(&out, &f, cases[i].form, "req_1");
        CHECK_BYTES(out.data, out.len, cases[i].whole);
        out.len = 0;
        failure_write_event(&out, &f, cases[i].form, &place);
        CHECK_BYTES(out.data, out.len, cases[i].event);
        buf_deinit(&out);
    }
}

static void test_words_of_anthropic(void)
{
    struct sink_failure f = failure(ERR_BAD_REQUEST, "m");
    struct buf out;

    snprintf(f.provider_code, sizeof f.provider_code, "thread_not_found");
    buf_init(&out, 8192);
    failure_write(&out, &f, FORM_ANTHROPIC, "r");
    CHECK_BYTES(
        out.data, out.len,
        "{\"type\":\"error\",\"error\":{\"type\":\"invalid_request_error\",\"message\":\"m\","
        "\"details\":{\"error_code\":\"thread_not_found\"}},\"request_id\":\"r\"}");
    f = failure(ERR_BAD_REQUEST, "m");
    f.status = 413;
    snprintf(f.type, sizeof f.type, "invalid_request_error"); /* OpenAI's word for it */
    out.len = 0;
    failure_write(&out, &f, FORM_ANTHROPIC, "r");
    CHECK_BYTES(out.data, out.len,
                "{\"type\":\"error\",\"error\":{\"type\":\"request_too_large\",\"message\":"
                "\"m\"},\"request_id\":\"r\"}");
    buf_deinit(&out);
}

/* Statuses that only one API has. */
static void test_status_of_form(void)
{
    struct sink_failure f = failure(ERR_OVERLOADED, "m");

    CHECK_INT(failure_status(&f, FORM_ANTHROPIC), 529);
    CHECK_INT(failure_status(&f, FORM_GEMINI), 503);
    f = failure(ERR_AUTH, "m");
    CHECK_INT(failure_status(&f, FORM_ANTHROPIC), 502);
    f.clients_key = true;
    CHECK_INT(failure_status(&f, FORM_ANTHROPIC), 401);
}

int main(void)
{
    test_forms();
    test_words_of_anthropic();
    test_status_of_form();
    test_statuses();
    test_bodies();
    return test_report("failure");
}
