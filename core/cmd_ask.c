/* cmd_ask - the command "baton ask": one question through a policy, to the terminal.
 * SPDX-License-Identifier: MIT */
#include "cmd_file.h"
#include "cmd_person.h"
#include "commands.h"
#include "options.h"
#include "story.h"
#include "task.h"
#include "worker.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PROMPT_MAX = 1 << 20, NOTES_MAX = 64 << 10 };

/* The words of the command line, or standard input for "-". */
static int read_prompt(int n, char **words, struct buf *prompt, struct err *err)
{
    bool fits = true;

    if (n == 1 && strcmp(words[0], "-") == 0) {
        if (cmd_file_read(words[0], prompt, err) < 0)
            return -1;
    } else {
        for (int i = 0; fits && i < n; i++)
            fits = buf_puts(prompt, i ? " " : "") == 0 && buf_puts(prompt, words[i]) == 0;
    }
    if (fits && buf_add(prompt, "", 1) == 0)
        return 0;
    return err_set(err, ERR_BUDGET, "the prompt is not smaller than %d bytes", PROMPT_MAX);
}

/* What is asked of whom. 'kind' says what the target must be: "policy" or "model". */
struct asked {
    const char *kind, *target, *prompt;
    struct option_list params;  /* "NAME=VALUE" */
    struct option_list answers; /* of a person */
    bool explain;
};

static int ask(const struct worker_options *o, const struct asked *q, struct err *err)
{
    struct worker *w = calloc(1, sizeof *w);
    struct ledger ledger = {.cost = 0};
    const char *texts[16 + 4] = {q->kind, q->target, q->prompt};
    const struct worker_job job = {
        .module = "ask", .function = "main", .texts = texts, .ledger = &ledger};
    struct cmd_person *person = NULL;
    int result = -1;

    for (int i = 0; i < q->params.n; i++)
        texts[3 + i] = q->params.values[i];
    if (!w)
        return err_set(err, ERR_OVERLOADED, "out of memory");
    if (worker_init(w, o, err) == 0) {
        result = worker_load_files(w, err);
        w->log.level = w->log.level < LOG_WARN ? LOG_WARN : w->log.level;
        if (w->sim)
            fprintf(stderr, "baton ask: no provider is configured: a simulated model answers\n");
        buf_init(&ledger.notes, NOTES_MAX);
        if (q->explain)
            ledger.story = story_new(w->fx);
        if (result == 0 && (person = cmd_person_new(w, &q->answers, err)))
            result = worker_run(w, &job, err);
        else
            result = -1;
        cmd_person_free(person);
        buf_deinit(&ledger.notes);
        story_free(ledger.story);
        worker_deinit(w);
    }
    free(w);
    return result;
}

int cmd_ask(int argc, char **argv)
{
    struct worker_options o = {.print = stdout, .workflow = true, .policies = cmd_file_policies()};
    const char *policy = NULL, *model = NULL;
    struct asked q = {.explain = false};
    const struct option options[] = {
        {"--policy", 'p', "POLICY", OPTION_TEXT, &policy,
         "the policy [auto: the configuration's default]"},
        {"--model", 'm', "MODEL", OPTION_TEXT, &model,
         "one model instead: \"provider/model\" or an alias"},
        {"--param", 0, "NAME=VALUE", OPTION_LIST, &q.params,
         "a parameter that the policy has opened to callers (may be repeated)"},
        {"--answer", 0, "TEXT", OPTION_LIST, &q.answers,
         "the answer to the next question that a policy asks a person (may be repeated) [the "
         "terminal]"},
        {"--explain", 0, NULL, OPTION_FLAG, &q.explain,
         "show how the answer came about: parameters, decisions, every call"},
        {"--config", 'c', "FILE", OPTION_TEXT, &o.config,
         "configuration [baton.lua, if it is there]"},
        {"--policies", 0, "DIR", OPTION_TEXT, &o.policies,
         "your policies; they come before the shipped ones [BATON_POLICIES]"},
        {0},
    };
    const struct command command = {
        "ask", "baton ask [options] PROMPT...",
        "Asks one question through a policy, shows the answer while it arrives, and ends with one "
        "line:\n"
        "policy, model, tokens, cost and time. \"-\" reads the prompt from standard input.",
        options};
    struct err err;
    struct buf prompt;
    int operands = options_read(&command, argc, argv, false, &err);

    if (operands == -2)
        return 0;
    if (operands < 1 || (policy && model))
        return command_usage("ask", operands < 0    ? err.message
                                    : operands == 0 ? "what is the question?"
                                                    : "--policy and --model exclude each other");
    for (int i = 0; i < q.params.n; i++)
        if (!strchr(q.params.values[i], '=')) {
            err_set(&err, ERR_BAD_REQUEST, "--param %s: must be NAME=VALUE", q.params.values[i]);
            return command_usage("ask", err.message);
        }
    buf_init(&prompt, PROMPT_MAX);
    int result = read_prompt(operands, argv + 1, &prompt, &err);
    q.kind = model ? "model" : "policy";
    q.target = model ? model : policy ? policy : "auto";
    q.prompt = prompt.data;
    bool empty = result == 0 && !q.prompt[strspn(q.prompt, " \t\r\n")];
    if (result == 0 && !empty)
        result = ask(&o, &q, &err);
    buf_deinit(&prompt);
    if (empty)
        return command_usage("ask", "the question is empty");
    if (result == 0)
        return 0;
    cmd_file_name_own(o.policies, &err);
    return command_failed("ask", &err);
}
