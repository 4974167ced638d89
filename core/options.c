/* options - command-line options from one table a command; --help is made from the same table.
 * SPDX-License-Identifier: MIT */
#include "options.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct option *find(const struct command *c, const char *arg, size_t n)
{
    for (const struct option *o = c->options; o->name; o++) {
        if (strlen(o->name) == n && strncmp(o->name, arg, n) == 0)
            return o;
        if (n == 2 && o->letter && arg[1] == o->letter)
            return o;
    }
    return NULL;
}

static int store(const struct command *c, const struct option *o, const char *value,
                 struct err *err)
{
    char *end;

    switch (o->kind) {
    case OPTION_FLAG:
        *(bool *)o->target = true;
        return 0;
    case OPTION_TEXT:
        *(const char **)o->target = value;
        return 0;
    case OPTION_NUMBER:
        *(double *)o->target = strtod(value, &end);
        if (end == value || *end || !isfinite(*(double *)o->target))
            return err_set(err, ERR_BAD_REQUEST, "%s: '%s' is not a number", o->name, value);
        return 0;
    case OPTION_LIST: {
        struct option_list *list = o->target;
        if (list->n == OPTION_LIST_MAX)
            return err_set(err, ERR_BAD_REQUEST, "%s was given more than %d times", o->name,
                           list->n);
        list->values[list->n++] = value;
        return 0;
    }
    }
    return err_set(err, ERR_INTERNAL, "%s %s has no kind", c->name, o->name);
}

/* One option at argv[i]; returns how many words it took, or -1. */
static int read_one(const struct command *c, int argc, char **argv, int i, struct err *err)
{
    const char *arg = argv[i], *eq = strchr(arg, '=');
    const struct option *o = find(c, arg, eq ? (size_t)(eq - arg) : strlen(arg));

    if (!o)
        return err_set(err, ERR_BAD_REQUEST, "unknown option '%s'", arg);
    if (o->kind == OPTION_FLAG) {
        if (eq)
            return err_set(err, ERR_BAD_REQUEST, "%s takes no value", o->name);
        return store(c, o, NULL, err) < 0 ? -1 : 1;
    }
    if (eq)
        return store(c, o, eq + 1, err) < 0 ? -1 : 1;
    if (i + 1 >= argc)
        return err_set(err, ERR_BAD_REQUEST, "%s needs a value: %s %s", o->name, o->name,
                       o->argument);
    return store(c, o, argv[i + 1], err) < 0 ? -1 : 2;
}

int options_read(const struct command *c, int argc, char **argv, bool stop_at_operand,
                 struct err *err)
{
    int operands = 0, i = 1;

    while (i < argc) {
        if (strcmp(argv[i], "--") == 0) {
            i++;
            break;
        }
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            options_help(c);
            return -2;
        }
        if (argv[i][0] == '-' && argv[i][1]) {
            int took = read_one(c, argc, argv, i, err);
            if (took < 0)
                return -1;
            i += took;
            continue;
        }
        if (stop_at_operand)
            break;
        argv[1 + operands++] = argv[i++];
    }
    while (i < argc)
        argv[1 + operands++] = argv[i++];
    return operands;
}

void options_help(const struct command *c)
{
    printf("usage: %s\n\n%s\n", c->usage, c->about);
    if (c->options->name)
        printf("\noptions:\n");
    for (const struct option *o = c->options; o->name; o++) {
        char left[64];
        snprintf(left, sizeof left, "%s%c%s%s%s%s", o->letter ? "-" : "",
                 o->letter ? o->letter : ' ', o->letter ? ", " : "   ", o->name,
                 o->argument ? " " : "", o->argument ? o->argument : "");
        printf("  %-28s %s\n", left, o->help);
    }
    printf("  %-28s %s\n", "-h, --help", "show this help");
}
