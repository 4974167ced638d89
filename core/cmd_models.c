/* cmd_models - the command "baton models": the catalogue, and price lists of others made into one.
 * SPDX-License-Identifier: MIT */
#include "cmd_file.h"
#include "commands.h"
#include "options.h"
#include "task.h"
#include "transfer.h"
#include "worker.h"

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { NOTES_MAX = 64 << 10, LIST_MAX = 16 << 20, FILTERS_MAX = 32 };

/* Runs MODULE.main with these texts. An import runs 'bare', without the configuration, which may name
 * the very file that is being made. */
static int run(const struct worker_options *o, const char *module, const char *const *texts,
               struct err *err)
{
    struct worker *w = calloc(1, sizeof *w);
    struct ledger ledger = {.cost = 0};
    const struct worker_job job = {
        .module = module, .function = "main", .texts = texts, .ledger = &ledger};
    int result = -1;

    if (!w)
        return err_set(err, ERR_OVERLOADED, "out of memory");
    if (worker_init(w, o, err) == 0) {
        buf_init(&ledger.notes, NOTES_MAX);
        if (worker_load_files(w, err) == 0)
            result = worker_run(w, &job, err);
        buf_deinit(&ledger.notes);
        worker_deinit(w);
    }
    free(w);
    return result;
}

/* ---- baton models import ---- */

struct download {
    struct event_base *base;
    struct buf *body;
    struct err err;
    int status;
    bool too_large;
};

static void on_head(void *arg, const struct transfer_head *head)
{
    struct download *d = arg;

    d->status = head->status;
}

static void on_data(void *arg, const char *p, size_t n)
{
    struct download *d = arg;

    d->too_large |= buf_add(d->body, p, n) < 0;
}

static void on_done(void *arg, const struct err *err)
{
    struct download *d = arg;

    if (err)
        d->err = *err;
    event_base_loopbreak(d->base);
}

static int judge(const struct download *d, struct err *err)
{
    if (d->err.code) {
        *err = d->err;
        return -1;
    }
    if (d->too_large)
        return err_set(err, ERR_BAD_RESPONSE, "the answer is larger than %d bytes", LIST_MAX);
    if (d->status >= 300 && d->status < 400)
        return err_set(err, ERR_BAD_RESPONSE,
                       "the server answers %d: it has moved; give its new address", d->status);
    if (d->status != 200)
        return err_set(err, ERR_BAD_RESPONSE, "the server answers %d", d->status);
    return 0;
}

/* One GET, followed nowhere else: the address is the user's. */
static int download(const char *url, struct buf *body, struct err *err)
{
    static const struct transfer_handler handler = {on_head, on_data, on_done};
    const struct transfer_request request = {.method = "GET",
                                             .url = url,
                                             .first_byte_ms = 30000,
                                             .stall_ms = 30000,
                                             .total_ms = 120000,
                                             .body_max = LIST_MAX};
    struct download d = {.base = event_base_new(), .body = body};
    struct transfers_config config;
    int result = -1;

    if (!d.base)
        return err_set(err, ERR_OVERLOADED, "out of memory");
    transfers_config_default(&config);
    struct transfers *all = transfers_new(d.base, &config, err);
    if (all && transfer_start(all, &request, &handler, &d, err)) {
        event_base_dispatch(d.base);
        result = judge(&d, err);
    }
    transfers_free(all);
    event_base_loop(d.base, EVLOOP_NONBLOCK); /* see transfers_free */
    event_base_free(d.base);
    return result;
}

static bool is_url(const char *source)
{
    return strncmp(source, "http://", 7) == 0 || strncmp(source, "https://", 8) == 0;
}

static void today(char out[16])
{
    time_t now = time(NULL);
    struct tm tm;

    gmtime_r(&now, &tm);
    strftime(out, 16, "%Y-%m-%d", &tm);
}

/* 'text' (ends in a zero byte) as a catalogue of ours: what was done in the first line of 'out', then the file. */
static int convert(const char *source, const char *path, const char *least, struct buf *text,
                   FILE *out, struct err *err)
{
    const struct worker_options o = {.print = out, .workflow = true, .bare = true, .trial = true};
    char day[16];
    struct buf old;
    struct err ignored;

    today(day);
    buf_init(&old, LIST_MAX);
    if (cmd_file_read(path, &old, &ignored) < 0)
        old.len = 0;
    int result = buf_add(&old, "", 1) < 0 ? err_set(err, ERR_OVERLOADED, "out of memory") : 0;
    if (result == 0)
        result = run(&o, "importing",
                     (const char *const[]){text->data, source, day, least, old.data, NULL}, err);
    buf_deinit(&old);
    return result;
}

static int import(const char *source, const char *path, const char *least, struct err *err)
{
    struct buf text;
    char *made = NULL;
    size_t n = 0;

    buf_init(&text, LIST_MAX + 1);
    int result = is_url(source) ? download(source, &text, err) : cmd_file_read(source, &text, err);
    FILE *out = result == 0 ? open_memstream(&made, &n) : NULL;
    if (result == 0 && (!out || buf_add(&text, "", 1) < 0))
        result = err_set(err, ERR_OVERLOADED, "out of memory");
    if (result == 0 && (result = convert(source, path, least, &text, out, err)) < 0)
        err_prefix(err, "%s", source);
    if (out)
        fclose(out);
    buf_deinit(&text);
    char *file = result == 0 ? strchr(made, '\n') : NULL;
    if (file && (result = cmd_file_write(
                     path, (struct span){file + 1, n - (size_t)(file + 1 - made)}, err)) == 0)
        printf("%.*s, in %s\n", (int)(file - made), made, path);
    free(made);
    return result;
}

static int cmd_import(int argc, char **argv)
{
    const char *path = "prices.json", *least = "";
    const struct option options[] = {
        {"--output", 'o', "FILE", OPTION_TEXT, &path, "the catalogue to write [prices.json]"},
        {"--at-least", 0, "N", OPTION_TEXT, &least,
         "models that there must be [10, and half of the old file's]"},
        {0},
    };
    const struct command command = {
        "models import", "baton models import [options] FILE|URL",
        "Makes a catalogue of LiteLLM's price file or OpenRouter's list of models. Name it in the "
        "configuration,\n"
        "catalogue = \"prices.json\"; 'baton reload' takes a new one. What is wrong is refused as "
        "a "
        "whole, and the\n"
        "old file stays.",
        options};
    struct err err;
    int operands = options_read(&command, argc, argv, false, &err);

    if (operands == -2)
        return 0;
    if (operands != 1)
        return command_usage("models import",
                             operands < 0 ? err.message : "which file, or which URL? (one)");
    if (import(argv[1], path, least, &err) == 0)
        return 0;
    return command_failed("models import", &err);
}

/* ---- baton models ---- */

struct filters {
    const char *provider, *tier, *needs, *max_price, *where;
    bool json, all;
};

static int list(const struct worker_options *o, const struct filters *f, char **words, int n,
                struct err *err)
{
    const char *texts[8 + FILTERS_MAX] = {f->json ? "json" : "",
                                          f->all ? "all" : "",
                                          f->provider,
                                          f->tier,
                                          f->needs,
                                          f->max_price,
                                          f->where};

    for (int i = 0; i < n; i++)
        texts[7 + i] = words[i];
    return run(o, "listing", texts, err);
}

static const char *wrong_filter(const struct filters *f, int operands)
{
    char *end;

    if (operands > FILTERS_MAX)
        return "too many filters";
    if (*f->where && strcmp(f->where, "local") != 0 && strcmp(f->where, "cloud") != 0)
        return "--where is local or cloud";
    if (*f->max_price && (strtod(f->max_price, &end) < 0 || *end))
        return "--max-price is a number of USD";
    return NULL;
}

int cmd_models(int argc, char **argv)
{
    struct worker_options o = {.print = stdout, .workflow = true, .trial = true};
    struct filters f = {"", "", "", "", "", false, false};
    const struct option options[] = {
        {"--provider", 0, "NAME", OPTION_TEXT, &f.provider, "of this provider"},
        {"--tier", 0, "TIER", OPTION_TEXT, &f.tier, "fast, standard, expert or specialist"},
        {"--needs", 0, "LIST", OPTION_TEXT, &f.needs, "with these capabilities: tools,vision"},
        {"--max-price", 0, "USD", OPTION_TEXT, &f.max_price,
         "of at most so much per million tokens of output"},
        {"--where", 0, "WHERE", OPTION_TEXT, &f.where, "local or cloud"},
        {"--all", 0, NULL, OPTION_FLAG, &f.all, "of providers that are not configured, too"},
        {"--json", 0, NULL, OPTION_FLAG, &f.json, "as JSON, with all that is known of each"},
        {"--config", 'c', "FILE", OPTION_TEXT, &o.config,
         "configuration [baton.lua, if it is there]"},
        {0},
    };
    const struct command command = {
        "models",
        "baton models [options] [FILTER...]\n       baton models import [options] FILE|URL",
        "Lists the catalogue: prices in USD per million tokens, windows, capabilities, cheapest "
        "first. Each FILTER\n"
        "must be part of a model's name, tier or capabilities. 'import' makes a catalogue of "
        "LiteLLM's price file or\n"
        "OpenRouter's list of models (its options: --output, -o; --at-least).",
        options};
    struct err err;

    if (argc > 1 && strcmp(argv[1], "import") == 0)
        return cmd_import(argc - 1, argv + 1);
    int operands = options_read(&command, argc, argv, false, &err);
    if (operands == -2)
        return 0;
    const char *wrong = operands < 0 ? err.message : wrong_filter(&f, operands);
    if (wrong)
        return command_usage("models", wrong);
    return list(&o, &f, argv + 1, operands, &err) < 0 ? command_failed("models", &err) : 0;
}
