/* test_door - which API a path belongs to.
 * SPDX-License-Identifier: MIT */
#include "door.h"

#include "testhelp.h"

static void check_path(const char *method, const char *path, bool anthropic, const char *door,
                       const char *page)
{
    struct door_match m;

    door_find(method, path, anthropic, &m);
    CHECK_STR(m.door ? m.door : "-", door);
    CHECK_STR(m.page ? m.page : "-", page);
}

static void test_paths(void)
{
    static const char *const versions[] = {"/v1", ""};

    for (int i = 0; i < 2; i++) {
        char path[64];
        snprintf(path, sizeof path, "%s/chat/completions", versions[i]);
        check_path("POST", path, false, "openai", "-");
        snprintf(path, sizeof path, "%s/completions", versions[i]);
        check_path("POST", path, false, "completions", "-");
        snprintf(path, sizeof path, "%s/responses", versions[i]);
        check_path("POST", path, false, "responses", "-");
        snprintf(path, sizeof path, "%s/embeddings", versions[i]);
        check_path("POST", path, false, "embeddings", "embed");
        snprintf(path, sizeof path, "%s/messages", versions[i]);
        check_path("POST", path, false, "anthropic", "-");
        snprintf(path, sizeof path, "%s/messages/count_tokens", versions[i]);
        check_path("POST", path, false, "anthropic", "count_tokens");
        snprintf(path, sizeof path, "%s/models", versions[i]);
        check_path("GET", path, false, "openai", "models");
        check_path("HEAD", path, true, "anthropic", "models");
    }
    check_path("GET", "/v1beta/models", false, "gemini", "models");
    check_path("GET", "/v1beta/models/a", false, "gemini", "model");
    check_path("POST", "/api/chat", false, "ollama", "-");
    check_path("GET", "/api/tags", false, "ollama", "tags");
    check_path("POST", "/api/show", false, "ollama", "show");
    check_path("GET", "/api/version", false, "ollama", "version");
    check_path("GET", "/", false, "-", "-");
    check_path("GET", "/v1", false, "-", "-");
    check_path("GET", "/v2/models", false, "-", "-");
    check_path("POST", "/v1/chat/completions/", false, "-", "-");
    check_path("GET", "/v1/models/", false, "-", "-");
}

static void test_models(void)
{
    struct door_match m;

    door_find("GET", "/v1/models/sim%2Fmini", false, &m);
    CHECK_STR(m.model, "sim/mini");
    CHECK_STR(m.page, "model");
    door_find("POST", "/v1beta/models/gemini-2.5-pro:streamGenerateContent", false, &m);
    CHECK_STR(m.door, "gemini");
    CHECK(!m.page);
    CHECK_STR(m.model, "gemini-2.5-pro");
    CHECK_STR(m.action, "streamGenerateContent");
    CHECK_INT(m.form, FORM_GEMINI);
    door_find("POST", "/v1beta/models/ollama/llama3.2:3b:countTokens", false, &m);
    CHECK_STR(m.model, "ollama/llama3.2:3b");
    CHECK_STR(m.page, "countTokens");
    door_find("POST", "/v1beta/models/:generateContent", false,
              &m); /* no model: at best a name to look up */
    CHECK_STR(m.allowed, "GET");
}

/* What was asked for in another way is told which one is right, in the API's own form. */
static void test_methods(void)
{
    struct door_match m;

    door_find("GET", "/v1/messages", false, &m);
    CHECK_STR(m.allowed, "POST");
    CHECK_INT(m.form, FORM_ANTHROPIC);
    door_find("DELETE", "/v1/models/x", false, &m);
    CHECK_STR(m.allowed, "GET");
    door_find("GET", "/v1beta/nothing", false, &m);
    CHECK(!m.door);
    CHECK_INT(m.form, FORM_GEMINI);
    door_find("POST", "/v1/messages/batches", true, &m);
    CHECK(!m.door);
    CHECK_INT(m.form, FORM_ANTHROPIC);
}

int main(void)
{
    test_paths();
    test_models();
    test_methods();
    return test_report("door");
}
