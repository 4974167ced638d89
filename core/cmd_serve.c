/* cmd_serve - the command "baton serve": the gateway, until a signal ends it.
 * SPDX-License-Identifier: MIT */
#include "cmd_file.h"
#include "commands.h"
#include "listen.h"
#include "master.h"
#include "options.h"
#include "trace_log.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* What is wrong with the options, if anything. */
static int check(const struct master_options *o, double workers, struct err *err)
{
    if (o->listen && listen_check(o->listen, err) < 0)
        return err_prefix(err, "--listen");
    if (o->admin && strcmp(o->admin, "none") != 0 && listen_check(o->admin, err) < 0)
        return err_prefix(err, "--admin");
    if (o->trace_log && trace_log_check(o->trace_log, err) < 0)
        return err_prefix(err, "--trace-log");
    if (!isnan(workers) && (workers != (int)workers || workers < 1 || workers > WORKERS_MAX))
        return err_set(err, ERR_BAD_REQUEST, "--workers: a whole number from 1 to %d", WORKERS_MAX);
    return 0;
}

int cmd_serve(int argc, char **argv)
{
    struct master_options o = {.argv_all = argv - 1, /* argv[-1] is the program */
                               .policies = cmd_file_policies()};
    double workers = (double)NAN; /* not given */
    const struct option options[] = {
        {"--listen", 'l', "ADDR", OPTION_TEXT, &o.listen,
         "HOST:PORT or unix:PATH; port 0 picks one [127.0.0.1:8080]"},
        {"--admin", 0, "ADDR", OPTION_TEXT, &o.admin,
         "the same for the admin API, or \"none\" [127.0.0.1:8081; port 0 when --listen has it]"},
        {"--workers", 0, "N", OPTION_NUMBER, &workers, "processes that serve [one per core]"},
        {"--config", 'c', "FILE", OPTION_TEXT, &o.config,
         "configuration [baton.lua, if it is there]"},
        {"--policies", 0, "DIR", OPTION_TEXT, &o.policies,
         "your policies; they come before the shipped ones [BATON_POLICIES]"},
        {"--state", 0, "DIR", OPTION_TEXT, &o.state,
         "where generations and kept values survive a restart, or \"none\" [a folder for the "
         "address in ~/.local/state/baton; none for port 0]"},
        {"--trace-log", 0, "FILE", OPTION_TEXT, &o.trace_log,
         "append a JSON line for each request: what was decided, tried and paid"},
        {"--no-watch", 0, NULL, OPTION_FLAG, &o.no_watch,
         "load changed files on request only (baton reload, SIGHUP)"},
        {"--strict", 0, NULL, OPTION_FLAG, &o.strict,
         "end when the policies are broken at the start, even if an earlier generation is kept"},
        {0},
    };
    const struct command command = {
        "serve", "baton serve [options]",
        "The gateway: applications talk to it as to OpenAI (POST /v1/chat/completions, GET "
        "/v1/models).\n"
        "The model's name chooses a policy (\"cascade\", \"auto\") or one model "
        "(\"openai/gpt-4o-mini\").\n"
        "Changed policies and configuration are loaded while it serves.\n"
        "SIGTERM stops accepting, finishes what is in flight, and ends; SIGHUP reloads; SIGUSR2 "
        "hands over to a new binary.",
        options};
    struct err err;
    int operands = options_read(&command, argc, argv, false, &err);

    if (operands == -2)
        return 0;
    if (operands == 0 && check(&o, workers, &err) < 0)
        operands = -1;
    if (operands != 0)
        return command_usage("serve", operands > 0 ? "it takes no operands" : err.message);
    o.workers = isnan(workers) ? 0 : (int)workers;
    return master_run(&o, &err) < 0 ? command_failed("serve", &err) : 0;
}
