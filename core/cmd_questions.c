/* cmd_questions - the commands "baton questions" and "answer": what a running engine asks people.
 * SPDX-License-Identifier: MIT */
#include "admin_client.h"
#include "cmd_plain.h"
#include "commands.h"
#include "json.h"
#include "options.h"

#include <stdio.h>
#include <string.h>

enum { LINE = 4200, ID_MAX = 64 };

/* ---- the list ---- */

static void print_options(struct span options)
{
    struct json_iter it = {0};
    struct span none, option;
    const char *between = "    answers: ";

    while (options.p && json_next(options, &it, &none, &option)) {
        struct buf text;
        buf_init(&text, option.n + 1);
        if (json_text(option, &text) == 0) {
            printf("%s", between);
            cmd_plain(stdout, buf_span(&text));
            between = " | ";
        }
        buf_deinit(&text);
    }
    if (*between == ' ' && between[1] == '|')
        putchar('\n');
}

static void print_one(struct span q)
{
    char id[ID_MAX], policy[160], age[16], left[16], question[LINE];
    struct span details = json_member(q, "details");

    admin_text_at(q, "id", id, sizeof id);
    admin_text_at(q, "policy", policy, sizeof policy);
    admin_text_at(q, "question", question, sizeof question);
    admin_age(admin_number_at(q, "age_s"), age);
    admin_age(admin_number_at(q, "left_s"), left);
    printf("%s  asked %s ago, %s left%s%s\n    ", id, age, left, *policy ? ", by " : "", policy);
    cmd_plain(stdout, (struct span){question, strlen(question)});
    putchar('\n');
    if (details.p) {
        printf("    ");
        cmd_plain(stdout, details);
        putchar('\n');
    }
    print_options(json_member(q, "options"));
}

static void print_list(struct span doc)
{
    struct span list = json_member(doc, "questions"), none, q;
    struct json_iter it = {0};
    int shown = 0, total = (int)admin_number_at(doc, "total");

    for (; list.p && json_next(list, &it, &none, &q); shown++)
        print_one(q);
    if (total > shown)
        printf("and %d more\n", total - shown);
    else if (total == 0)
        printf("nobody is asked anything\n");
}

int cmd_questions(int argc, char **argv)
{
    struct admin_target target = {.address = NULL};
    bool json = false;
    const struct option options[] = {
        {"--json", 0, NULL, OPTION_FLAG, &json, "the engine's answer as it is"},
        ADMIN_OPTIONS(target),
        {0},
    };
    const struct command command = {"questions", "baton questions [options]",
                                    "Lists what the policies of a running engine ask people, the "
                                    "oldest first. \"baton answer\" "
                                    "answers.",
                                    options};
    struct err err;
    int operands = options_read(&command, argc, argv, false, &err);

    if (operands == -2)
        return 0;
    if (operands != 0)
        return command_usage("questions", operands < 0 ? err.message : "it takes no operands");
    return command_show("questions", &target, "/admin/questions", json, print_list);
}

/* ---- an answer ---- */

/* Letters, digits and '_', as ids are: nothing that would mean another path. */
static bool is_id(const char *id)
{
    return *id && strlen(id) < ID_MAX &&
           id[strspn(id, "_0123456789abcdefghijklmnopqrstuvwxyz")] == 0;
}

static int write_body(struct buf *body, int n, char **words, const char *by)
{
    struct buf text;

    buf_init(&text, 64 << 10);
    for (int i = 0; i < n; i++) {
        buf_puts(&text, i ? " " : "");
        buf_puts(&text, words[i]);
    }
    buf_puts(body, "{\"answer\":");
    json_write_text(body, (struct span){text.data ? text.data : "", text.len});
    if (by) {
        buf_puts(body, ",\"by\":");
        json_write_text(body, (struct span){by, strlen(by)});
    }
    buf_deinit(&text);
    return buf_puts(body, "}");
}

static int answer(const struct admin_target *target, const char *id, int n, char **words,
                  const char *by, struct err *err)
{
    char path[32 + ID_MAX];
    struct buf body, out;
    int result;

    snprintf(path, sizeof path, "/admin/questions/%s", id);
    buf_init(&body, 128 << 10);
    buf_init(&out, ADMIN_ANSWER_BYTES);
    if (n == 0)
        result = admin_ask(target, "DELETE", path, (struct span){NULL, 0}, &out, err);
    else if (write_body(&body, n, words, by) < 0)
        result = err_set(err, ERR_BAD_REQUEST, "the answer is too long");
    else
        result = admin_ask(target, "POST", path, buf_span(&body), &out, err);
    buf_deinit(&body);
    buf_deinit(&out);
    return result;
}

int cmd_answer(int argc, char **argv)
{
    struct admin_target target = {.address = NULL};
    const char *by = NULL;
    bool expire = false;
    const struct option options[] = {
        {"--by", 0, "NAME", OPTION_TEXT, &by, "who answers"},
        {"--expire", 0, NULL, OPTION_FLAG, &expire,
         "nobody will answer: the policy goes on without"},
        ADMIN_OPTIONS(target),
        {0},
    };
    const struct command command = {
        "answer", "baton answer [options] ID TEXT...\n       baton answer --expire ID",
        "Answers a question of a running engine; \"baton questions\" lists them. Where it has "
        "options the\n"
        "answer must be one of them.",
        options};
    struct err err;
    int operands = options_read(&command, argc, argv, false, &err);

    if (operands == -2)
        return 0;
    if (operands < 0)
        return command_usage("answer", err.message);
    if (expire ? operands != 1 : operands < 2)
        return command_usage("answer", expire ? "which question? one ID" : "an ID and a TEXT");
    if (!is_id(argv[1]))
        return command_usage("answer", "an ID looks like q_0123456789abcdef");
    if (answer(&target, argv[1], expire ? 0 : operands - 1, argv + 2, by, &err) < 0)
        return command_failed("answer", &err);
    printf(expire ? "expired\n" : "answered\n");
    return 0;
}
