/* door - the paths that clients ask at, and the API that each belongs to.
 * SPDX-License-Identifier: MIT */
#include "door.h"

#include "http.h"

#include <stdio.h>
#include <string.h>

enum version { ANY, V1BETA };

static const struct route {
    const char *method,
        *path; /* without the version; "*" at the end stands for a model, ":" for model and action */
    enum version version;
    const char *door, *page;
} routes[] = {
    {"POST", "/chat/completions", ANY, "openai", NULL},
    {"POST", "/completions", ANY, "completions", NULL},
    {"POST", "/responses", ANY, "responses", NULL},
    {"POST", "/embeddings", ANY, "embeddings", "embed"},
    {"POST", "/feedback", ANY, "feedback", "give"},
    {"POST", "/messages", ANY, "anthropic", NULL},
    {"POST", "/messages/count_tokens", ANY, "anthropic", "count_tokens"},
    {"GET", "/models", V1BETA, "gemini", "models"},
    {"GET", "/models/*", V1BETA, "gemini", "model"},
    {"GET", "/models", ANY, "openai", "models"},
    {"GET", "/models/*", ANY, "openai", "model"},
    {"POST", "/models/:", ANY, "gemini", NULL},
    {"POST", "/api/chat", ANY, "ollama", NULL},
    {"POST", "/api/generate", ANY, "ollama", NULL},
    {"POST", "/api/embed", ANY, "ollama", "embed"},
    {"POST", "/api/embeddings", ANY, "ollama", "embeddings"},
    {"GET", "/api/tags", ANY, "ollama", "tags"},
    {"GET", "/api/ps", ANY, "ollama", "ps"},
    {"POST", "/api/show", ANY, "ollama", "show"},
    {"GET", "/api/version", ANY, "ollama", "version"},
};

static enum failure_form form_of(const char *door)
{
    static const struct {
        const char *door;
        enum failure_form form;
    } forms[] = {{"responses", FORM_RESPONSES},
                 {"anthropic", FORM_ANTHROPIC},
                 {"gemini", FORM_GEMINI},
                 {"ollama", FORM_OLLAMA}};

    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++)
        if (strcmp(door, forms[i].door) == 0)
            return forms[i].form;
    return FORM_OPENAI;
}

/* "gemini-2.0:generateContent": what follows the last colon is the action. */
static bool take_model_and_action(const char *rest, struct door_match *m)
{
    const char *colon = strrchr(rest, ':');
    char model[DOOR_MODEL_MAX];

    if (!colon || colon == rest || (size_t)(colon - rest) >= sizeof model)
        return false;
    snprintf(model, sizeof model, "%.*s", (int)(colon - rest), rest);
    http_decode_percent(model, m->model, sizeof m->model);
    snprintf(m->action, sizeof m->action, "%s", colon + 1);
    return true;
}

static bool fits(const struct route *route, const char *path, bool beta, struct door_match *m)
{
    size_t n = strcspn(route->path, "*:");

    if (route->version == V1BETA && !beta)
        return false;
    if (!route->path[n])
        return strcmp(path, route->path) == 0;
    if (strncmp(path, route->path, n) != 0 || !path[n])
        return false;
    if (route->path[n] == ':')
        return take_model_and_action(path + n, m);
    http_decode_percent(path + n, m->model, sizeof m->model);
    return true;
}

/* The path without its version. */
static const char *without_version(const char *path, bool *beta)
{
    static const char *const versions[] = {"/v1/", "/v1beta/", "/v1alpha/"};

    *beta = false;
    for (size_t i = 0; i < sizeof versions / sizeof *versions; i++) {
        size_t n = strlen(versions[i]);
        if (strncmp(path, versions[i], n) != 0)
            continue;
        *beta = i > 0;
        return path + n - 1;
    }
    return path;
}

/* The actions of Gemini that are no request for a policy are pages of their own name. */
static const char *page_of(const struct route *route, const struct door_match *m)
{
    if (m->action[0] && strcmp(m->action, "generateContent") != 0 &&
        strcmp(m->action, "streamGenerateContent") != 0)
        return m->action;
    return route->page;
}

static bool is_method(const char *asked, const char *right)
{
    return strcmp(asked, right) == 0 || (strcmp(asked, "HEAD") == 0 && strcmp(right, "GET") == 0);
}

void door_find(const char *method, const char *path, bool anthropic, struct door_match *match)
{
    bool beta;
    const char *rest = without_version(path, &beta);

    *match = (struct door_match){.form = beta        ? FORM_GEMINI
                                         : anthropic ? FORM_ANTHROPIC
                                                     : FORM_OPENAI};
    for (size_t i = 0; i < sizeof routes / sizeof *routes; i++) {
        const struct route *route = &routes[i];
        if (!fits(route, rest, beta, match))
            continue;
        match->door = anthropic && strncmp(rest, "/models", 7) == 0 ? "anthropic" : route->door;
        match->page = page_of(route, match);
        match->allowed = route->method;
        match->form = form_of(match->door);
        if (is_method(method, route->method))
            return;
    }
}
