/* main - the binary: finds the command and runs it.
 * SPDX-License-Identifier: MIT */
#include "cmd_sim.h"
#include "commands.h"

#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

static int unexpected(const char *argument)
{
    char message[128];

    snprintf(message, sizeof message, "it takes no arguments, but got '%.80s'", argument);
    return command_usage("version", message);
}

static int cmd_version(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "--help") == 0) {
        printf("usage: baton version\n\nShows the version.\n");
        return 0;
    }
    if (argc > 1)
        return unexpected(argv[1]);
    printf("baton %s\n", BATON_VERSION);
    return 0;
}

static int cmd_help(int argc, char **argv);

static const struct {
    const char *name, *about;
    int (*run)(int argc, char **argv);
} commands[] = {
    {"serve", "the gateway", cmd_serve},
    {"run", "run a workflow script", cmd_run},
    {"ask", "one question through a policy", cmd_ask},
    {"check", "check configuration and policies", cmd_check},
    {"models", "list models and prices, import price lists", cmd_models},
    {"train", "train a linear classifier on labelled prompts", cmd_train},
    {"eval", "run policies on recorded outcomes", cmd_eval},
    {"reload", "load the files of a running engine anew", cmd_reload},
    {"policies", "list the generations of a running engine", cmd_policies},
    {"use", "let a running engine serve with another generation", cmd_use},
    {"bandits", "what the bandits of a running engine have learned", cmd_bandits},
    {"questions", "list what people are asked by a running engine", cmd_questions},
    {"answer", "answer a question of a running engine", cmd_answer},
    {"sim", "the simulated providers", cmd_sim},
    {"version", "show the version", cmd_version},
    {"help", "show help, or that of a command", cmd_help},
};

enum { COMMANDS = sizeof commands / sizeof *commands };

static void print_help(FILE *out)
{
    fprintf(out, "Baton: a scriptable orchestration engine for language models.\n\n"
                 "usage: baton COMMAND [options]\n       baton help [COMMAND]\n\ncommands:\n");
    for (int i = 0; i < COMMANDS; i++)
        fprintf(out, "  %-10s %s\n", commands[i].name, commands[i].about);
    fprintf(out, "\n'baton COMMAND --help' tells more. Exit status: 0, 1 failed, 2 wrong usage.\n");
}

static int run_command(const char *name, int argc, char **argv)
{
    for (int i = 0; i < COMMANDS; i++)
        if (strcmp(commands[i].name, name) == 0)
            return commands[i].run(argc, argv);
    if (strcmp(name, "worker") == 0) /* not listed: "serve" starts it */
        return cmd_worker(argc, argv);
    fprintf(stderr, "baton: there is no command '%s'; 'baton help' lists them\n", name);
    return 2;
}

static int cmd_help(int argc, char **argv)
{
    if (argc < 2 || strcmp(argv[1], "help") == 0 || argv[1][0] == '-') {
        print_help(stdout);
        return 0;
    }
    char help[] = "--help", *arguments[] = {argv[1], help, NULL};
    return run_command(argv[1], 2, arguments);
}

int command_failed(const char *name, const struct err *err)
{
    fprintf(stderr, "baton %s: %s\n", name, err->message);
    return 1;
}

int command_usage(const char *name, const char *message)
{
    fprintf(stderr, "baton %s: %s\n'baton %s --help' shows its options\n", name, message, name);
    return 2;
}

int main(int argc, char **argv)
{
    /* Bodies of 100 KB would otherwise be mapped and unmapped each time. */
    mallopt(M_MMAP_THRESHOLD, 32 << 20);
    mallopt(M_TRIM_THRESHOLD, 256 << 20);
    signal(SIGPIPE, SIG_IGN);
    if (argc < 2) {
        print_help(stderr);
        return 2;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
        return cmd_help(0, NULL);
    if (strcmp(argv[1], "--version") == 0)
        return cmd_version(0, NULL);
    return run_command(argv[1], argc - 1, argv + 1);
}
