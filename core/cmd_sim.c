/* cmd_sim - the command `baton sim`: the simulated providers until a signal ends them.
 * SPDX-License-Identifier: MIT */
#include "cmd_sim.h"

#include "commands.h"

#include "home.h"
#include "http.h"
#include "listen.h"
#include "options.h"
#include "sim.h"

#include <limits.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>

static const char about[] =
    "Simulated providers: models mini, base, pro, coder and math, which differ in price, speed "
    "and\n"
    "skill, in the formats of OpenAI (/v1/chat/completions, /v1/responses), Anthropic "
    "(/v1/messages),\n"
    "Gemini (/v1beta/models/M:generateContent) and Ollama (/api/chat).\n"
    "A fault is asked for behind the model's name (\"mini:429=2*3\": three times 429 with\n"
    "Retry-After 2) or by the header x-sim-fault:\n"
    "429=SECONDS quota 500 502 503 504 529 401 403 404 413 context blocked filter odd-finish "
    "reset\n"
    "no-answer slow-first-token=MS keep-alive=MS latency=MS drip=MS stall cut malformed "
    "error-event\n"
    "failed no-done no-finish whole-arguments no-arguments no-ids nulls[=optional]\n"
    "wrong-json[=shape] html[=STATUS] empty wrong-type[=TYPE] gzip crlf shred[=BYTES] truncated "
    "huge\n"
    "huge-event[=BYTES].\n"
    "A line of the script says what is answered to a turn: {\"user\": a text inside a message,\n"
    "\"turn\": answers behind it, \"result\": a text inside a tool's result, \"text\": the "
    "answer,\n"
    "\"calls\": [{\"name\", \"arguments\"}]}.\n"
    "A line of the log: time, method, path, headers (without secrets), body (body_base64 where it "
    "is\n"
    "not UTF-8), format, model, stream, answered, client_left.";

struct choice {
    struct sim_options sim;
    double seed;
};

/* 0, or the exit code to leave with at once. -1: go on. */
static int read_options(int argc, char **argv, struct choice *c)
{
    const struct option options[] = {
        {"--listen", 'l', "ADDR", OPTION_TEXT, &c->sim.listen,
         "HOST:PORT or unix:PATH [127.0.0.1:0]"},
        {"--log", 0, "FILE", OPTION_TEXT, &c->sim.log, "append a JSON line for each request"},
        {"--seed", 0, "N", OPTION_NUMBER, &c->seed, "what chance depends on [1]"},
        {"--answers", 0, "FILE", OPTION_TEXT, &c->sim.answers,
         "questions with known answers, JSONL"},
        {"--script", 0, "FILE", OPTION_TEXT, &c->sim.script, "answers to certain turns, JSONL"},
        {"--pace", 0, "F", OPTION_NUMBER, &c->sim.pace, "factor on every delay, 0: none [1]"},
        {0},
    };
    const struct command command = {"sim", "baton sim [options]", about, options};
    struct err err;

    sim_options_default(&c->sim);
    c->seed = 1;
    int operands = options_read(&command, argc, argv, false, &err);
    if (operands == -2)
        return 0;
    if (operands == 0 && !(c->sim.pace >= 0 && c->sim.pace <= 1000))
        operands = err_set(&err, ERR_BAD_REQUEST, "--pace wants a number from 0 to 1000");
    if (operands == 0 && !(c->seed == floor(c->seed) && fabs(c->seed) < 9e15))
        operands = err_set(&err, ERR_BAD_REQUEST, "--seed wants a whole number");
    if (operands > 0)
        err_set(&err, ERR_BAD_REQUEST, "'%s' is not expected here; 'baton sim --help' says more",
                argv[1]);
    if (operands == 0 && listen_check(c->sim.listen, &err) < 0)
        operands = err_prefix(&err, "--listen");
    if (operands != 0) {
        return command_usage("sim", err.message);
    }
    c->sim.seed = (int64_t)c->seed;
    return -1;
}

static void on_signal(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    event_base_loopbreak(arg);
}

static void allow_many_descriptors(void)
{
    struct rlimit r;

    if (getrlimit(RLIMIT_NOFILE, &r) == 0) {
        r.rlim_cur = r.rlim_max;
        setrlimit(RLIMIT_NOFILE, &r);
    }
}

static int serve(struct event_base *base, const struct sim_options *o)
{
    struct event *term = evsignal_new(base, SIGTERM, on_signal, base);
    struct event *interrupt = evsignal_new(base, SIGINT, on_signal, base);
    struct sim *sim = NULL;
    struct err err;
    char home[PATH_MAX];
    int code = 1;

    if (!term || !interrupt || event_add(term, NULL) < 0 || event_add(interrupt, NULL) < 0) {
        fprintf(stderr, "baton sim: cannot watch for signals\n");
        goto end;
    }
    if (home_find(home, sizeof home, &err) < 0 || !(sim = sim_new(base, home, o, &err))) {
        fprintf(stderr, "baton sim: %s\n", err.message);
        goto end;
    }
    printf("baton sim: listening on http://%s\n", sim_address(sim));
    fflush(stdout);
    code = event_base_dispatch(base) < 0;
end:
    sim_free(sim);
    if (term)
        event_free(term);
    if (interrupt)
        event_free(interrupt);
    return code;
}

int cmd_sim(int argc, char **argv)
{
    struct choice c;
    int code = read_options(argc, argv, &c);

    if (code >= 0)
        return code;
    allow_many_descriptors();
    signal(SIGPIPE, SIG_IGN);
    struct event_base *base = event_base_new();
    if (!base) {
        fprintf(stderr, "baton sim: no event loop\n");
        return 1;
    }
    code = serve(base, &c.sim);
    event_base_free(base);
    return code;
}
