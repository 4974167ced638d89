/* cmd_check - the command "baton check": is this configuration right, do these policies load? No
 * network. SPDX-License-Identifier: MIT */
#include "cmd_file.h"
#include "commands.h"
#include "effect_live.h"
#include "home.h"
#include "load.h"
#include "options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* What stands for the simulator where no provider is configured: nothing is called. */
#define NO_SIMULATOR "http://127.0.0.1:9/v1"

struct checking {
    char home[4096];
    const char *config, *policies; /* file, folder, or NULL */
    struct event_base *base;
    struct transfers *transfers;
    struct shared shared;
    struct cache *cache;
    struct log log;
    struct runtime rt;
    bool watched;
};

static void print_note(const char *text)
{
    printf("%s\n", text);
}

static void was_printed(const char *text)
{
    (void)text;
}

static int load_all(struct checking *c, struct sources *sources, const char *config,
                    struct err *err)
{
    struct config loaded;
    int result = -1;

    if (config_load(&loaded, c->home, config, NULL, print_note, err) < 0)
        return -1;
    if (loaded.providers.n == 0) {
        config_deinit(&loaded);
        if (config_load(&loaded, c->home, config, NO_SIMULATOR, was_printed, err) < 0)
            return -1;
    }
    if (load_check_files(&loaded, true, err) < 0) {
        config_blame(config, err);
    } else {
        const struct generation_plan plan = {.sources = sources,
                                             .providers = &loaded.providers,
                                             .facts = {loaded.facts, strlen(loaded.facts)},
                                             .limits = loaded.task,
                                             .heap_max = loaded.heap_max};
        struct generation *g = generation_new(&c->rt, &plan, err);
        result = g ? 0 : -1;
        if (!g)
            config_blame(config, err);
        generation_unref(g);
    }
    config_deinit(&loaded);
    return result;
}

static bool is_config(const char *path)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    size_t n = strlen(name);

    return n >= 9 && strcmp(name + n - 9, "baton.lua") == 0;
}

/* One operand: a configuration, a folder of policies, or a policy. NULL: what "serve" would load.
 */
static int check_path(struct checking *c, const char *path, struct err *err)
{
    struct sources sources;
    struct stat st = {0};
    bool folder = path && stat(path, &st) == 0 && S_ISDIR(st.st_mode);

    if (path && !folder && access(path, R_OK) < 0)
        return err_set(err, ERR_NOT_FOUND, "%s: cannot be read: %s", path, strerror(errno));
    if (sources_read(&sources, c->home, folder ? path : c->policies, err) < 0)
        return -1;
    int result = 0;
    const char *config = c->config;
    if (path && !folder && is_config(path))
        config = path;
    else if (path && !folder)
        result = sources_add_policy(&sources, path, err);
    if (result == 0)
        result = load_all(c, &sources, config, err);
    sources_deinit(&sources);
    if (result == 0)
        printf("ok: %s\n", path                  ? path
                           : c->policies         ? c->policies
                           : config_path(config) ? config_path(config)
                                                 : "the shipped policies");
    return result;
}

static int begin(struct checking *c, struct err *err)
{
    struct transfers_config transfers;
    struct shared_sizes sizes;

    transfers_config_default(&transfers);
    shared_sizes_default(&sizes);
    log_init(&c->log, STDERR_FILENO, LOG_WARN);
    if (home_find(c->home, sizeof c->home, err) < 0)
        return -1;
    if (!(c->base = event_base_new()))
        return err_set(err, ERR_INTERNAL, "cannot make an event loop");
    if (shared_new(&c->shared, &sizes, err) < 0 || !(c->cache = cache_new(CACHE_BYTES, err)) ||
        !(c->transfers = transfers_new(c->base, &transfers, err)) ||
        !(c->rt.fx = effect_live_new(c->base, c->transfers, &c->shared, c->cache, err)) ||
        watchdog_init(&c->rt.dog, err) < 0)
        return -1;
    c->watched = true;
    c->rt.log = &c->log;
    c->rt.shared = &c->shared;
    return 0;
}

static void end(struct checking *c)
{
    if (c->watched)
        watchdog_deinit(&c->rt.dog);
    if (c->rt.fx)
        c->rt.fx->free(c->rt.fx);
    transfers_free(c->transfers);
    cache_free(c->cache);
    shared_free(&c->shared);
    if (c->base)
        event_base_free(c->base);
    log_deinit(&c->log);
}

/* Every operand is checked; each fault is told. */
static int check_all(struct checking *c, int n, char **paths)
{
    struct err err;
    int result = 0;

    if (n == 0 && check_path(c, NULL, &err) < 0)
        result = command_failed("check", &err);
    for (int i = 0; i < n; i++)
        if (check_path(c, paths[i], &err) < 0)
            result = command_failed("check", &err);
    return result;
}

int cmd_check(int argc, char **argv)
{
    struct checking *c = calloc(1, sizeof *c);
    const struct option options[] = {
        {"--config", 'c', "FILE", OPTION_TEXT, c ? &c->config : NULL,
         "the configuration that policies are checked with [baton.lua, if it is there]"},
        {"--policies", 0, "DIR", OPTION_TEXT, c ? &c->policies : NULL,
         "your policies: as \"serve\" would load them with the configuration [BATON_POLICIES]"},
        {0},
    };
    const struct command command = {
        "check", "baton check [options] [PATH...]",
        "Compiles and loads configurations (files that end in baton.lua), policies and folders of "
        "policies,\n"
        "with everything the engine ships, and runs the policies' own checks; without a path, what "
        "\"serve\"\n"
        "would load. Uses no network. Variables that are not set are noted. Exit status 0 or 1.",
        options};
    struct err err;

    if (c)
        c->policies = cmd_file_policies();
    int operands = c ? options_read(&command, argc, argv, false, &err) : -1, result = 1;

    if (operands < 0) {
        free(c);
        return operands == -2 ? 0 : command_usage("check", err.message);
    }
    if (begin(c, &err) < 0)
        result = command_failed("check", &err);
    else
        result = check_all(c, operands, argv + 1);
    end(c);
    free(c);
    return result;
}
