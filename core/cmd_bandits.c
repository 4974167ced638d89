/* cmd_bandits - the command "baton bandits": what a running engine's bandits have learned; freeze, reset.
 * SPDX-License-Identifier: MIT */
#include "admin_client.h"
#include "cmd_plain.h"
#include "commands.h"
#include "json.h"
#include "options.h"

#include <stdio.h>
#include <string.h>

struct asked {
    struct admin_target target;
    bool json, freeze, thaw, reset;
    const char *name; /* NULL: all */
};

/* ---- the list ---- */

/* A name that scripts, or clients, have given. */
static void plain_at(struct span doc, const char *path, char *out, size_t size)
{
    admin_text_at(doc, path, out, size);
    cmd_plain_line(out);
}

static void print_arm(struct span bandit, struct span bucket, struct span arm)
{
    char name[40], of[24], method[16];
    bool thompson;

    plain_at(arm, "arm", name, sizeof name);
    plain_at(bucket, "bucket", of, sizeof of);
    admin_text_at(bandit, "method", method, sizeof method);
    thompson = strcmp(method, "thompson") == 0;
    printf("  %-23s  %-39s  %8.0f  %8.0f", of[0] ? of : "-", name, admin_number_at(arm, "chosen"),
           admin_number_at(arm, "learned"));
    if (admin_number_at(arm, "learned") > 0)
        printf("  %5.3f", admin_number_at(arm, "score"));
    else
        printf("  %5s", "-");
    if (thompson)
        printf("  %5.3f  %5.1f%%\n", admin_number_at(arm, "mean"),
               admin_number_at(arm, "probability") * 100);
    else
        printf("  %5.3f  %6s\n", admin_number_at(arm, "weights.(constant)"), "-");
}

static void print_bandit(struct span bandit)
{
    struct span buckets = json_member(bandit, "buckets"), none, bucket, arm;
    struct json_iter outer = {0};
    char name[80], method[16], state[16];

    plain_at(bandit, "name", name, sizeof name);
    admin_text_at(bandit, "method", method, sizeof method);
    admin_text_at(bandit, "state", state, sizeof state);
    printf("%s: %s, %s, discount %g, explore %g", name, method, state,
           admin_number_at(bandit, "discount"), admin_number_at(bandit, "explore"));
    if (admin_number_at(bandit, "worth_usd") > 0)
        printf(", a score of 1 is worth %g USD", admin_number_at(bandit, "worth_usd"));
    printf("; %.0f await feedback\n", admin_number_at(bandit, "waiting"));
    printf("  %-23s  %-39s  %8s  %8s  %5s  %5s  %6s\n", "bucket", "arm", "chosen", "learned",
           "score", strcmp(method, "thompson") == 0 ? "mean" : "const", "now");
    while (buckets.p && json_next(buckets, &outer, &none, &bucket)) {
        struct span arms = json_member(bucket, "arms");
        struct json_iter inner = {0};
        while (arms.p && json_next(arms, &inner, &none, &arm))
            print_arm(bandit, bucket, arm);
    }
}

static void print_list(struct span doc)
{
    struct span list = json_member(doc, "bandits"), none, bandit;
    struct json_iter it = {0};
    int n = 0;

    while (list.p && json_next(list, &it, &none, &bandit)) {
        if (n++)
            printf("\n");
        print_bandit(bandit);
    }
    if (n == 0)
        printf("no bandit has been used yet\n");
}

/* ---- questions ---- */

/* A name may hold any bytes. */
static void path_of(const char *name, char *out, size_t size)
{
    size_t at = (size_t)snprintf(out, size, "/admin/bandits/");

    for (; *name && at + 4 < size; name++)
        at += (size_t)snprintf(out + at, size - at, "%%%02X", (unsigned char)*name);
}

static int question(const struct asked *a, struct buf *answer, struct err *err)
{
    char path[1024];
    struct buf body;
    int result;

    snprintf(path, sizeof path, "/admin/bandits");
    if (a->name && !a->freeze && !a->thaw)
        path_of(a->name, path, sizeof path);
    buf_init(&body, 4096);
    if (a->freeze || a->thaw) {
        buf_puts(&body, "{\"name\":");
        json_write_text(&body, (struct span){a->name, strlen(a->name)});
        buf_printf(&body, ",\"state\":\"%s\"}", a->freeze ? "frozen" : "learning");
        result = admin_ask(&a->target, "POST", path, buf_span(&body), answer, err);
    } else {
        result = admin_ask(&a->target, a->reset ? "DELETE" : "GET", path, (struct span){NULL, 0},
                           answer, err);
    }
    buf_deinit(&body);
    return result;
}

static void print_answer(const struct asked *a, struct span answer)
{
    if (a->json)
        printf("%.*s", (int)answer.n, answer.p);
    else if (a->reset)
        printf("%s has forgotten what it had learned\n", a->name);
    else
        print_list(answer);
}

static int read_options(int argc, char **argv, struct asked *a)
{
    const struct option options[] = {
        {"--freeze", 0, NULL, OPTION_FLAG, &a->freeze, "it chooses on and learns no more"},
        {"--thaw", 0, NULL, OPTION_FLAG, &a->thaw, "it learns again"},
        {"--reset", 0, NULL, OPTION_FLAG, &a->reset, "it forgets what it has learned"},
        {"--json", 0, NULL, OPTION_FLAG, &a->json, "the engine's answer as it is"},
        ADMIN_OPTIONS(a->target),
        {0},
    };
    const struct command command = {
        "bandits", "baton bandits [options] [NAME]",
        "Shows what the bandits of a running engine have learned, or the one of that name: for "
        "each "
        "bucket and\n"
        "arm how often it was chosen and learned of, the mean of its scores, what it is thought to "
        "bring, and how\n"
        "probable its next choice is. Or freezes it, lets it learn again, makes it forget.",
        options};
    struct err err;
    int operands = options_read(&command, argc, argv, false, &err);

    if (operands == -2)
        return -1;
    if (operands < 0 || operands > 1)
        return command_usage("bandits", operands < 0 ? err.message : "one NAME at most");
    a->name = operands ? argv[1] : NULL;
    if (a->freeze + a->thaw + a->reset > 1)
        return command_usage("bandits", "--freeze, --thaw and --reset exclude each other");
    if ((a->freeze || a->thaw || a->reset) && !a->name)
        return command_usage("bandits", "which one? its NAME");
    return 0;
}

int cmd_bandits(int argc, char **argv)
{
    struct asked a = {.name = NULL};
    struct buf answer;
    struct err err;
    int result = read_options(argc, argv, &a);

    if (result != 0)
        return result < 0 ? 0 : result;
    buf_init(&answer, ADMIN_ANSWER_BYTES);
    if (question(&a, &answer, &err) < 0)
        result = command_failed("bandits", &err);
    else
        print_answer(&a, buf_span(&answer));
    buf_deinit(&answer);
    return result;
}
