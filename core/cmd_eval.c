/* cmd_eval - the command "baton eval": policies on recorded outcomes.
 * SPDX-License-Identifier: MIT */
#include "cmd_file.h"
#include "commands.h"
#include "eval.h"
#include "gunzip.h"
#include "json.h"
#include "load.h"
#include "options.h"
#include "task.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    DATA_MAX = 512 << 20, /* bytes of the file, packed and unpacked */
    TEXT_MAX = 64 << 20,  /* of what is handed between C and scripts */
    DESCRIPTION_MAX = 1 << 20,
    REPLICATES_MAX = 100000,
    LINES = EVAL_COMPARED + EVAL_POLICIES
};

struct given {
    const char *data, *description, *config, *folder, *weak, *strong, *sweep, *grid, *svg, *html;
    struct option_list policies, where;
    double replicates, seed, target_quality, target_cost;
    bool json, feedback;
};

struct job {
    const struct given *given;
    struct eval_setup setup;
    struct outcomes data;
    struct eval_grid grid;
    struct buf file, described,
        models; /* the data; what the description says; the catalogue (JSON) */
    struct eval_line lines[LINES];
    struct eval_measured measured[LINES];
    int count;
    size_t left_out;
};

/* ---- files ---- */

static int write_file(const char *path, struct span text, struct err *err)
{
    FILE *f = fopen(path, "we");
    bool good = f && fwrite(text.p, 1, text.n, f) == text.n;

    good = f && fclose(f) == 0 && good;
    return good ? 0 : err_set(err, ERR_UNAVAILABLE, "%s: %s", path, strerror(errno));
}

static int read_data(struct job *j, struct err *err)
{
    struct buf packed;
    int result = cmd_file_read(j->given->data, &j->file, err);

    if (result < 0 || !gunzip_is(buf_span(&j->file)))
        return result;
    packed = j->file;
    buf_init(&j->file, DATA_MAX);
    result = gunzip(buf_span(&packed), &j->file, err);
    buf_deinit(&packed);
    return result == 0 ? 0 : err_prefix(err, "%s", j->given->data);
}

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);

    return n >= m && strcmp(text + n - m, end) == 0;
}

static bool is_jsonl(const struct job *j)
{
    const char *name = j->given->data;

    return ends_with(name, ".jsonl") || ends_with(name, ".jsonl.gz") ||
           ends_with(name, ".ndjson") || (j->file.len && *j->file.data == '{');
}

/* ---- the data ---- */

/* What the description file returns, as JSON; "null" without one. */
static int describe(struct job *j, struct worker *w, struct err *err)
{
    const char *path = j->given->description;
    struct ledger ledger = {.script = path};
    const struct worker_job job = {.script = path, .ledger = &ledger, .result = &j->described};
    struct buf text;

    if (!path)
        return buf_puts(&j->described, "null") < 0 ? -1 : buf_add(&j->described, "", 1);
    buf_init(&text, DESCRIPTION_MAX);
    int result = cmd_file_read(path, &text, err);
    if (result == 0)
        result = generation_add_script(w->front->g, path, buf_span(&text), err);
    buf_deinit(&text);
    buf_init(&ledger.notes, 1 << 16);
    if (result == 0)
        result = worker_run(w, &job, err);
    buf_deinit(&ledger.notes);
    if (result < 0)
        return -1;
    return buf_add(&j->described, "", 1) < 0 ? err_set(err, ERR_OVERLOADED, "out of memory") : 0;
}

static void write_where(const struct given *g, struct buf *out)
{
    buf_puts(out, "[");
    for (int i = 0; i < g->where.n; i++) {
        buf_puts(out, i ? "," : "");
        json_write_text(out, (struct span){g->where.values[i], strlen(g->where.values[i])});
    }
    buf_puts(out, "]");
    buf_add(out, "", 1);
}

static int load_rows(struct job *j, struct worker *w, struct err *err)
{
    struct buf columns, where, plan;
    const bool jsonl = is_jsonl(j);

    buf_init(&columns, TEXT_MAX);
    buf_init(&where, TEXT_MAX);
    buf_init(&plan, TEXT_MAX);
    write_where(j->given, &where);
    int result = outcomes_columns(buf_span(&j->file), j->given->data, jsonl, &columns, err);
    if (result == 0 && buf_add(&columns, "", 1) == 0) {
        const char *texts[] = {j->described.data, columns.data, where.data, NULL};
        result = eval_ask(w, "plan", texts, &plan, err);
    }
    if (result == 0)
        result = outcomes_read(&j->data, buf_span(&j->file), j->given->data, jsonl, buf_span(&plan),
                               err);
    buf_deinit(&columns);
    buf_deinit(&where);
    buf_deinit(&plan);
    buf_deinit(&j->file);
    return result;
}

static void write_stats(const struct outcomes *o, struct buf *out)
{
    buf_puts(out, "[");
    for (int k = 0; k < o->count; k++) {
        const struct outcomes_model *m = &o->models[k];
        buf_puts(out, k ? ",{\"name\":" : "{\"name\":");
        json_write_text(out, (struct span){m->name, strlen(m->name)});
        buf_puts(out, ",\"score\":");
        json_write_double(out, m->mean_score);
        buf_puts(out, ",\"cost\":");
        json_write_double(out, m->mean_cost);
        buf_puts(out, ",\"tokens\":");
        json_write_double(out, m->mean_tokens);
        buf_puts(out, "}");
    }
    buf_puts(out, "]");
    buf_add(out, "", 1);
}

static int model_named(const struct outcomes *o, struct span doc, const char *which)
{
    char name[512];

    json_member_text(doc, which, name, sizeof name);
    return outcomes_find(o, (struct span){name, strlen(name)});
}

static int choose_models(struct job *j, struct worker *w, struct err *err)
{
    const struct given *g = j->given;
    struct buf stats, catalogue;

    buf_init(&stats, TEXT_MAX);
    buf_init(&catalogue, TEXT_MAX);
    write_stats(&j->data, &stats);
    const char *texts[] = {j->described.data, stats.data, g->weak ? g->weak : "",
                           g->strong ? g->strong : "", NULL};
    int result = eval_ask(w, "catalogue", texts, &catalogue, err);
    if (result == 0) {
        struct span doc = buf_span(&catalogue);
        j->setup.weak = model_named(&j->data, doc, "weak");
        j->setup.strong = model_named(&j->data, doc, "strong");
        result = buf_add_span(&j->models, json_member(doc, "models"));
        j->setup.models = buf_span(&j->models);
    }
    buf_deinit(&stats);
    buf_deinit(&catalogue);
    if (result < 0)
        return -1;
    if (j->setup.weak < 0 || j->setup.strong < 0)
        return err_set(err, ERR_INTERNAL, "the weak or the strong model is none of the data's");
    if (j->setup.weak == j->setup.strong)
        return err_set(
            err, ERR_BAD_REQUEST,
            "the weak and the strong model are the same, '%s': name two (--weak, --strong)",
            j->data.models[j->setup.weak].name);
    j->left_out = outcomes_require(&j->data, j->setup.weak, j->setup.strong);
    return j->data.n
               ? 0
               : err_set(err, ERR_BAD_REQUEST, "no row has an outcome of both '%s' and '%s'",
                         j->data.models[j->setup.weak].name, j->data.models[j->setup.strong].name);
}

static int load(struct job *j, struct err *err)
{
    if (read_data(j, err) < 0)
        return -1;
    j->setup.models = SPAN("{}");
    struct worker *w = eval_worker(&j->setup, NULL, NULL, 0, err);
    if (!w)
        return -1;
    int result = describe(j, w, err);
    if (result == 0)
        result = load_rows(j, w, err);
    if (result == 0)
        result = choose_models(j, w, err);
    eval_worker_free(w);
    return result;
}

/* ---- what is done ---- */

static int find_targets(struct job *j, struct err *err)
{
    const struct given *g = j->given;
    const struct outcomes_model *strong = &j->data.models[j->setup.strong];
    const struct eval_target t = {
        .quality = isnan(g->target_quality) ? -HUGE_VAL : g->target_quality * strong->mean_score,
        .cost = isnan(g->target_cost)
                    ? HUGE_VAL
                    : g->target_cost * (strong->mean_cost > 0 ? strong->mean_cost : 1),
        .by_quality = !isnan(g->target_quality),
        .costs = strong->mean_cost > 0,
    };

    if (isnan(g->target_quality) && isnan(g->target_cost))
        return 0;
    for (int i = 0; i < j->count; i++)
        if (j->lines[i].is_policy && j->lines[i].has_curve &&
            eval_find(&j->setup, &t, &j->lines[i], err) < 0)
            return -1;
    return 0;
}

/* A parameter that no policy has is a mistake. */
static int check_sweep(const struct job *j, struct err *err)
{
    for (int i = 0; i < j->count; i++)
        if (!j->given->sweep || j->lines[i].param[0])
            return 0;
    return err_set(err, ERR_BAD_REQUEST, "--sweep: no policy has a parameter '%s' that is a number",
                   j->given->sweep);
}

static int evaluate(struct job *j, struct err *err)
{
    const struct given *g = j->given;

    if (load(j, err) < 0 || (j->count = eval_compare(&j->setup, j->lines, err)) < 0)
        return -1;
    for (int i = 0; i < g->policies.n; i++)
        if (eval_policy(&j->setup, g->policies.values[i], g->sweep, &j->grid, &j->lines[j->count++],
                        err) < 0)
            return -1;
    if (check_sweep(j, err) < 0 || find_targets(j, err) < 0)
        return -1;
    if (j->setup.progress)
        fprintf(stderr, "\rintervals\033[K");
    int result = eval_measure(&j->setup, j->lines, j->count, (int)g->replicates, j->measured, err);
    if (j->setup.progress)
        fprintf(stderr, "\r\033[K");
    return result;
}

/* ---- the report ---- */

/* One form of the result: {"text": ...} of the script, without its quotes, to a file or to standard output. */
static int show(struct worker *w, const char *form, const char *result, const char *path,
                struct err *err)
{
    const char *texts[] = {form, result, NULL};
    struct buf made, text;

    buf_init(&made, TEXT_MAX);
    buf_init(&text, TEXT_MAX);
    int status = eval_ask(w, "report", texts, &made, err);
    if (status == 0 && json_text(buf_span(&made), &text) < 0)
        status = err_set(err, ERR_OVERLOADED, "out of memory for the report");
    if (status == 0 && path)
        status = write_file(path, buf_span(&text), err);
    else if (status == 0)
        fwrite(text.data, 1, text.len, stdout);
    buf_deinit(&made);
    buf_deinit(&text);
    return status;
}

static int report(struct job *j, struct err *err)
{
    const struct given *g = j->given;
    const struct eval_result r = {.setup = &j->setup,
                                  .file = g->data,
                                  .lines = j->lines,
                                  .measured = j->measured,
                                  .count = j->count,
                                  .replicates = (int)g->replicates,
                                  .left_out = j->left_out,
                                  .target_quality = g->target_quality,
                                  .target_cost = g->target_cost};
    struct buf json;

    buf_init(&json, TEXT_MAX);
    int status = eval_write(&r, &json, err);
    if (status == 0 && g->json)
        printf("%.*s\n", (int)json.len, json.data);
    if (status == 0 && buf_add(&json, "", 1) < 0)
        status = err_set(err, ERR_OVERLOADED, "out of memory for the report");
    struct worker *w = status == 0 ? eval_worker(&j->setup, NULL, NULL, 0, err) : NULL;
    if (!w)
        status = -1;
    if (status == 0 && !g->json)
        status = show(w, "text", json.data, NULL, err);
    if (status == 0 && g->svg)
        status = show(w, "svg", json.data, g->svg, err);
    if (status == 0 && g->html)
        status = show(w, "html", json.data, g->html, err);
    if (w)
        eval_worker_free(w);
    buf_deinit(&json);
    return status;
}

static void job_free(struct job *j)
{
    for (int i = 0; i < LINES; i++)
        eval_line_deinit(&j->lines[i]);
    outcomes_deinit(&j->data);
    buf_deinit(&j->file);
    buf_deinit(&j->described);
    buf_deinit(&j->models);
    free(j);
}

static int run(const struct given *g, const struct eval_grid *grid)
{
    struct job *j = calloc(1, sizeof *j);
    struct err err;

    if (!j)
        return 1;
    j->given = g;
    j->grid = *grid;
    j->setup = (struct eval_setup){.data = &j->data,
                                   .config = g->config,
                                   .policies = g->folder,
                                   .seed = (uint64_t)g->seed,
                                   .feedback = g->feedback,
                                   .progress = isatty(STDERR_FILENO)};
    buf_init(&j->file, DATA_MAX);
    buf_init(&j->described, TEXT_MAX);
    buf_init(&j->models, TEXT_MAX);
    int result = evaluate(j, &err);
    if (result == 0)
        result = report(j, &err);
    job_free(j);
    return result < 0 ? command_failed("eval", &err) : 0;
}

/* ---- options ---- */

/* "FROM:TO:STEPS" or "FROM:TO:STEPS:log" */
static bool read_grid(const char *text, struct eval_grid *grid)
{
    char *end;

    grid->given = true;
    grid->from = strtod(text, &end);
    if (end == text || *end != ':')
        return false;
    text = end + 1;
    grid->to = strtod(text, &end);
    if (end == text || *end != ':')
        return false;
    text = end + 1;
    long steps = strtol(text, &end, 10);
    grid->steps = (int)steps;
    grid->ratios = end != text && strcmp(end, ":log") == 0;
    return end != text && (grid->ratios || !*end) && isfinite(grid->from) && isfinite(grid->to) &&
           grid->to > grid->from && (!grid->ratios || grid->from > 0) && steps >= 2 &&
           steps <= EVAL_GRID_MAX;
}

static const char *wrong(const struct given *g, struct eval_grid *grid)
{
    if (g->policies.n == 0)
        return "which policy? (-p POLICY, may be repeated)";
    if (!(g->replicates >= 0 && g->replicates <= REPLICATES_MAX) ||
        g->replicates != floor(g->replicates))
        return "--bootstrap goes from 0 to 100000";
    if (!(g->seed >= 0 && g->seed < 1e15))
        return "--seed is a positive number";
    if (!isnan(g->target_quality) && !(g->target_quality > 0 && g->target_quality <= 2))
        return "--target-quality is a share of the strong model's quality, as 0.95";
    if (!isnan(g->target_cost) && !(g->target_cost > 0 && g->target_cost <= 10))
        return "--target-cost is a share of the strong model's cost, as 0.3";
    if (g->grid && !read_grid(g->grid, grid))
        return "--grid is FROM:TO:STEPS, from 2 to 201 steps, TO above FROM; or FROM:TO:STEPS:log, "
               "FROM above 0";
    return NULL;
}

int cmd_eval(int argc, char **argv)
{
    struct given g = {.replicates = 1000,
                      .target_quality = (double)NAN,
                      .target_cost = (double)NAN,
                      .folder = cmd_file_policies()};
    struct eval_grid grid = {.from = 0, .to = 1, .steps = 21};
    const struct option options[] = {
        {"--policy", 'p', "POLICY", OPTION_LIST, &g.policies,
         "a policy, or oracle/MODEL; may be repeated"},
        {"--describe", 'd', "FILE", OPTION_TEXT, &g.description,
         "a Lua file that says what the columns are"},
        {"--config", 'c', "FILE", OPTION_TEXT, &g.config,
         "configuration [baton.lua, if it is there]"},
        {"--policies", 0, "DIR", OPTION_TEXT, &g.folder,
         "your policies; they come before the shipped ones [BATON_POLICIES]"},
        {"--weak", 0, "MODEL", OPTION_TEXT, &g.weak, "the model at the cheap end [the cheapest]"},
        {"--strong", 0, "MODEL", OPTION_TEXT, &g.strong, "the one at the dear end [the best]"},
        {"--where", 0, "COLUMN=VALUE", OPTION_LIST, &g.where, "only such rows; repeated: or such"},
        {"--sweep", 0, "PARAM", OPTION_TEXT, &g.sweep,
         "the parameter to vary [threshold, where there is one]"},
        {"--grid", 0, "FROM:TO:STEPS[:log]", OPTION_TEXT, &g.grid,
         "run it at these values, whatever score is told; log: at even ratios"},
        {"--target-quality", 0, "SHARE", OPTION_NUMBER, &g.target_quality,
         "find the cheapest setting with this share of the strong model's quality"},
        {"--target-cost", 0, "SHARE", OPTION_NUMBER, &g.target_cost,
         "find the best setting for this share of the strong model's cost"},
        {"--bootstrap", 0, "N", OPTION_NUMBER, &g.replicates, "samples for the intervals [1000]"},
        {"--seed", 0, "N", OPTION_NUMBER, &g.seed, "of the samples, and of what scripts draw [0]"},
        {"--feedback", 0, NULL, OPTION_FLAG, &g.feedback,
         "tell policies that learn how good each answer was (scores from 0 to 1)"},
        {"--json", 0, NULL, OPTION_FLAG, &g.json, "the whole result as JSON"},
        {"--svg", 0, "FILE", OPTION_TEXT, &g.svg, "write a picture: quality against cost"},
        {"--html", 0, "FILE", OPTION_TEXT, &g.html, "write a page with the picture and the table"},
        {0},
    };
    const struct command command = {"eval", "baton eval [options] -p POLICY DATA",
                                    "Runs policies on recorded outcomes: what real models answered "
                                    "to real prompts, and what that cost. No\n"
                                    "network. DATA is CSV with a header line or JSONL, also packed "
                                    "(.gz), '-': standard input; it has a column\n"
                                    "prompt, and for each model score:MODEL and, where known, "
                                    "cost:MODEL, answer:MODEL, latency:MODEL, or a\n"
                                    "file that says otherwise (-d). Figures stand beside those of "
                                    "simple routers, with intervals (95 %).",
                                    options};
    struct err err;
    int operands = options_read(&command, argc, argv, false, &err);

    if (operands == -2)
        return 0;
    if (operands != 1)
        return command_usage("eval", operands < 0 ? err.message : "which file? (one)");
    const char *why = wrong(&g, &grid);
    if (why)
        return command_usage("eval", why);
    g.data = argv[1];
    return run(&g, &grid);
}
