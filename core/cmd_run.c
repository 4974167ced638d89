/* cmd_run - the command "baton run": a workflow script, in the same sandbox and on the same runtime
 * as a policy. SPDX-License-Identifier: MIT */
#include "cmd_file.h"
#include "cmd_person.h"
#include "commands.h"
#include "fetch_url.h"
#include "load.h"
#include "options.h"
#include "task.h"
#include "worker.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SCRIPT_MAX = 1 << 20, NOTES_MAX = 64 << 10 };

/* Without a first line for the system ("#!/usr/bin/env -S baton run"); its end stays, so that lines
 * keep their numbers. */
static struct span lua_text(struct span text)
{
    const char *end =
        text.n >= 2 && memcmp(text.p, "#!", 2) == 0 ? memchr(text.p, '\n', text.n) : text.p;

    return end ? (struct span){end, text.n - (size_t)(end - text.p)} : SPAN("");
}

static int add_script(struct worker *w, const char *path, const char *name, struct err *err)
{
    struct buf text;
    int result;

    buf_init(&text, SCRIPT_MAX);
    result = w->fx->read_file(w->fx, path, &text, err);
    if (result == 0)
        result = generation_add_script(w->front->g, name, lua_text(buf_span(&text)), err);
    buf_deinit(&text);
    return result;
}

static int run_script(struct worker *w, const struct worker_job *job,
                      const struct option_list *answers, struct err *err)
{
    struct cmd_person *person = cmd_person_new(w, answers, err);
    int result = person ? worker_run(w, job, err) : -1;

    cmd_person_free(person);
    return result;
}

static int run(const struct worker_options *o, const char *script,
               const struct option_list *answers, struct err *err)
{
    struct worker *w = calloc(1, sizeof *w);
    char name[PATH_MAX + 2];
    struct ledger ledger = {.script = name};
    const struct worker_job job = {.script = name, .ledger = &ledger};
    int result = -1;

    if (!w)
        return err_set(err, ERR_OVERLOADED, "out of memory");
    /* one's own folder "scripts" is not the product's: not a module, not skipped in errors */
    snprintf(name, sizeof name, "%s%s", strncmp(script, "scripts/", 8) == 0 ? "./" : "", script);
    if (worker_init(w, o, err) == 0) {
        buf_init(&ledger.notes, NOTES_MAX);
        if (worker_load_files(w, err) == 0 && add_script(w, script, name, err) == 0)
            result = run_script(w, &job, answers, err);
        buf_deinit(&ledger.notes);
        worker_deinit(w);
    }
    free(w);
    return result;
}

/* A folder that is not there allows nothing: the script would only find out that it may not. */
static int check_folders(const char *option, const struct option_list *folders, struct err *err)
{
    for (int i = 0; i < folders->n; i++)
        if (access(folders->values[i], F_OK) < 0)
            return err_set(err, ERR_NOT_FOUND, "%s %s: %s", option, folders->values[i],
                           strerror(errno));
    return 0;
}

static int check_hosts(const struct option_list *hosts, struct err *err)
{
    for (int i = 0; i < hosts->n; i++)
        if (!fetch_url_is_rule((struct span){hosts->values[i], strlen(hosts->values[i])}))
            return err_set(err, ERR_BAD_REQUEST, "--allow-net %s: not HOST, *.HOST or HOST:PORT",
                           hosts->values[i]);
    return 0;
}

/* The list with NULL at its end. */
static const char *const *ended(const struct option_list *list,
                                const char *out[OPTION_LIST_MAX + 1])
{
    for (int i = 0; i < list->n; i++)
        out[i] = list->values[i];
    out[list->n] = NULL;
    return out;
}

int cmd_run(int argc, char **argv)
{
    const char *readable_all[OPTION_LIST_MAX + 1], *writable_all[OPTION_LIST_MAX + 1],
        *hosts_all[OPTION_LIST_MAX + 1];
    struct worker_options o = {.print = stdout, .workflow = true, .policies = cmd_file_policies()};
    struct option_list readable = {.n = 0}, writable = {.n = 0}, hosts = {.n = 0},
                       answers = {.n = 0};
    const struct option options[] = {
        {"--allow-read", 0, "DIR", OPTION_LIST, &readable,
         "let fs.read open files below DIR (may be repeated)"},
        {"--allow-write", 0, "DIR", OPTION_LIST, &writable,
         "let fs.write and fs.append write below DIR"},
        {"--allow-net", 0, "HOST", OPTION_LIST, &hosts,
         "let http.fetch ask HOST: a name, *.name or name:port"},
        {"--answer", 0, "TEXT", OPTION_LIST, &answers,
         "the answer to the next human.ask (may be repeated) [the terminal]"},
        {"--config", 'c', "FILE", OPTION_TEXT, &o.config,
         "configuration [baton.lua, if it is there]"},
        {"--policies", 0, "DIR", OPTION_TEXT, &o.policies,
         "your policies; they come before the shipped ones [BATON_POLICIES]"},
        {0},
    };
    const struct command command = {
        "run", "baton run [options] SCRIPT [ARGS...]",
        "Runs a workflow script. It sees its arguments in 'arg', "
        "prints with print(), and has the sandbox of a\n"
        "policy: no files and no hosts, unless they are allowed. Options stand "
        "before the script. The modules are\n"
        "described in scripts/README.md.",
        options};
    struct err err;
    int operands = options_read(&command, argc, argv, true, &err);

    if (operands == -2)
        return 0;
    if (operands < 1)
        return command_usage("run", operands < 0 ? err.message : "which script?");
    if (check_folders("--allow-read", &readable, &err) < 0 ||
        check_folders("--allow-write", &writable, &err) < 0 || check_hosts(&hosts, &err) < 0)
        return command_failed("run", &err);
    argv[1 + operands] = NULL;
    o.allow_read = ended(&readable, readable_all);
    o.allow_write = ended(&writable, writable_all);
    o.allow_net = ended(&hosts, hosts_all);
    o.args = (const char *const *)argv + 1;
    if (run(&o, argv[1], &answers, &err) == 0)
        return 0;
    cmd_file_name_own(o.policies, &err);
    return command_failed("run", &err);
}
