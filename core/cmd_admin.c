/* cmd_admin - the commands "baton reload", "policies" and "use": an operator's words to a running
 * engine. SPDX-License-Identifier: MIT */
#include "admin_client.h"
#include "cmd_plain.h"
#include "commands.h"
#include "json.h"
#include "options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char share_help[] = "not all requests, but so many (5% or 0.05): a canary";
static const char after_help[] =
    "a canary takes over after so long without a fault (90s, 10m, 1h) [the configuration's]";

/* "a, b, c" of the list of texts, cut where it gets too long for a line. */
static void list_at(struct span doc, const char *key, char *out, size_t size)
{
    struct span list = json_member(doc, key), none, value;
    struct json_iter it = {0};
    size_t at = 0, left = 0;

    out[0] = 0;
    while (list.p && json_next(list, &it, &none, &value)) {
        char name[64];
        struct buf text;
        buf_init(&text, value.n + 1);
        if (json_text(value, &text) < 0)
            text.len = 0;
        int n = snprintf(name, sizeof name, "%s%.*s", at ? ", " : "", (int)text.len,
                         text.data ? text.data : "");
        buf_deinit(&text);
        if (left || n >= (int)sizeof name || at + (size_t)n + 16 >= size)
            left++;
        else
            at += (size_t)snprintf(out + at, size - at, "%s", name);
    }
    if (left)
        snprintf(out + at, size - at, " and %zu more", left);
}

/* ---- a change, and what came of it ---- */

static void print_change(struct span answer, double share)
{
    char hash[13], state[16];

    admin_text_at(answer, "hash", hash, sizeof hash);
    admin_text_at(answer, "state", state, sizeof state);
    struct span same = json_member(answer, "unchanged");
    bool unchanged = same.p && json_type(same) == JSON_TRUE;
    if (strcmp(state, "canary") == 0 && share > 0)
        printf("canary %s: gets %.3g%% of the requests\n", hash, share * 100);
    else
        printf("%s %s%s\n", state, hash, unchanged ? " (unchanged)" : "");
}

struct change {
    struct admin_target target;
    const char *share, *after; /* as given */
    bool stage;
};

/* {"hash":"…","stage":true,"share":0.05,"promote_after":600}, as much of it as was asked for. */
static int write_body(const struct change *c, const char *hash, struct buf *out, double *share,
                      struct err *err)
{
    double after = 0;

    *share = 0;
    if ((c->share && admin_share(c->share, share, err) < 0) ||
        (c->after && admin_duration(c->after, &after, err) < 0))
        return -1;
    if (c->after && !c->share)
        return err_set(err, ERR_BAD_REQUEST, "--promote-after goes with --share");
    if (c->stage && c->share)
        return err_set(err, ERR_BAD_REQUEST, "--stage and --share exclude each other");
    buf_puts(out, "{");
    if (hash) {
        buf_puts(out, "\"hash\":");
        json_write_text(out, (struct span){hash, strlen(hash)});
    }
    if (c->stage)
        buf_puts(out, "\"stage\":true");
    if (c->share) {
        buf_puts(out, hash ? ",\"share\":" : "\"share\":");
        json_write_double(out, *share);
    }
    if (c->after) {
        buf_puts(out, ",\"promote_after\":");
        json_write_double(out, after);
    }
    return buf_puts(out, "}");
}

static int change(const char *name, const struct change *c, const char *hash)
{
    char path[32];
    struct buf body, answer;
    struct err err;
    double share;
    int result;

    buf_init(&body, 4096);
    buf_init(&answer, ADMIN_ANSWER_BYTES);
    snprintf(path, sizeof path, "/admin/%s", name);
    if (write_body(c, hash, &body, &share, &err) < 0) {
        result = command_usage(name, err.message);
    } else if (admin_ask(&c->target, "POST", path, buf_span(&body), &answer, &err) < 0) {
        result = command_failed(name, &err);
    } else {
        print_change(buf_span(&answer), share);
        result = 0;
    }
    buf_deinit(&body);
    buf_deinit(&answer);
    return result;
}

int cmd_reload(int argc, char **argv)
{
    struct change c = {.stage = false};
    const struct option options[] = {
        {"--stage", 0, NULL, OPTION_FLAG, &c.stage,
         "try them and keep them, but do not serve them: \"baton use\" does"},
        {"--share", 0, "SHARE", OPTION_TEXT, &c.share, share_help},
        {"--promote-after", 0, "TIME", OPTION_TEXT, &c.after, after_help},
        ADMIN_OPTIONS(c.target),
        {0},
    };
    const struct command command = {
        "reload", "baton reload [options]",
        "Makes a running engine load its files anew: scripts, policies, configuration. Anything "
        "wrong with\n"
        "them is told with file and line, the exit status is 1, and the engine goes on as before.",
        options};
    struct err err;
    int operands = options_read(&command, argc, argv, false, &err);

    if (operands == -2)
        return 0;
    if (operands != 0)
        return command_usage("reload", operands < 0 ? err.message : "it takes no operands");
    return change("reload", &c, NULL);
}

int cmd_use(int argc, char **argv)
{
    struct change c = {.stage = false};
    const struct option options[] = {
        {"--share", 0, "SHARE", OPTION_TEXT, &c.share, share_help},
        {"--promote-after", 0, "TIME", OPTION_TEXT, &c.after, after_help},
        ADMIN_OPTIONS(c.target),
        {0},
    };
    const struct command command = {
        "use", "baton use [options] HASH",
        "Lets a running engine serve with another generation it keeps (\"baton policies\" lists "
        "them), by at\n"
        "least six digits of its hash: an earlier one, or one that was staged. It stays until the "
        "files change.",
        options};
    struct err err;
    int operands = options_read(&command, argc, argv, false, &err);

    if (operands == -2)
        return 0;
    if (operands != 1)
        return command_usage("use", operands < 0 ? err.message : "which generation? one HASH");
    return change("use", &c, argv[1]);
}

/* ---- the list ---- */

static void print_generation(struct span g)
{
    char hash[13], state[16], age[16], note[256], policies[96];

    admin_text_at(g, "hash", hash, sizeof hash);
    admin_text_at(g, "state", state, sizeof state);
    admin_text_at(g, "note", note, sizeof note);
    list_at(g, "policies", policies, sizeof policies);
    admin_age(admin_number_at(g, "age_s"), age);
    printf("%-12s  %-8s  %5s  %9.0f  %s%s%s\n", hash, state, age,
           admin_number_at(g, "requests_in_flight"), policies, *note ? "; " : "", note);
}

static void print_side(struct span canary, const char *name)
{
    char path[64];
    double values[4];
    static const char *const fields[] = {"requests", "error_rate", "p95_s", "cost_usd_per_request"};

    for (int i = 0; i < 4; i++) {
        snprintf(path, sizeof path, "%s.%s", name, fields[i]);
        values[i] = admin_number_at(canary, path);
    }
    printf("  %-6s  %9.0f requests  %5.1f%% failed  p95 %.3g s  %.3g USD a request\n", name,
           values[0], values[1] * 100, values[2], values[3]);
}

static void print_canary(struct span canary)
{
    char hash[13], lived[16];

    if (!canary.p || json_type(canary) != JSON_OBJECT)
        return;
    admin_text_at(canary, "hash", hash, sizeof hash);
    admin_age(admin_number_at(canary, "for_s"), lived);
    printf("\ncanary %s: %.3g%% of the requests, for %s\n", hash,
           admin_number_at(canary, "share") * 100, lived);
    print_side(canary, "base");
    print_side(canary, "canary");
}

static void print_list(struct span doc)
{
    struct span generations = json_member(doc, "generations"), none, g;
    struct json_iter it = {0};
    char message[600], time[32];

    printf("%-12s  %-8s  %5s  %9s  %s\n", "generation", "state", "age", "in flight", "policies");
    while (generations.p && json_next(generations, &it, &none, &g))
        print_generation(g);
    print_canary(json_member(doc, "canary"));
    admin_text_at(doc, "last_error.message", message, sizeof message);
    admin_text_at(doc, "last_error.time", time, sizeof time);
    if (*message) {
        printf("\nthe last load was refused%s%s: ", *time ? ", " : "", time);
        cmd_plain(stdout, (struct span){message, strlen(message)});
        putchar('\n');
    }
}

int command_show(const char *name, const struct admin_target *target, const char *path, bool json,
                 void (*print)(struct span answer))
{
    struct buf answer;
    struct err err;
    int result = 0;

    buf_init(&answer, ADMIN_ANSWER_BYTES);
    if (admin_ask(target, "GET", path, (struct span){NULL, 0}, &answer, &err) < 0)
        result = command_failed(name, &err);
    else if (!json)
        print(buf_span(&answer));
    else
        printf("%.*s%s", (int)answer.len, answer.data,
               answer.data[answer.len - 1] == '\n' ? "" : "\n");
    buf_deinit(&answer);
    return result;
}

int cmd_policies(int argc, char **argv)
{
    struct admin_target target = {.address = NULL};
    bool json = false;
    const struct option options[] = {
        {"--json", 0, NULL, OPTION_FLAG, &json, "the engine's answer as it is"},
        ADMIN_OPTIONS(target),
        {0},
    };
    const struct command command = {
        "policies", "baton policies [options]",
        "Lists the generations of a running engine: which one serves, what is kept, the state of a "
        "canary,\n"
        "and why the last load was refused.",
        options};
    struct err err;
    int operands = options_read(&command, argc, argv, false, &err);

    if (operands == -2)
        return 0;
    if (operands != 0)
        return command_usage("policies", operands < 0 ? err.message : "it takes no operands");
    return command_show("policies", &target, "/admin/policies", json, print_list);
}
