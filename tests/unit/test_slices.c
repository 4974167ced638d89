/* test_slices - a generation is built and buried in short pieces, so that requests run in between.
 * SPDX-License-Identifier: MIT */
#include "worldhelp.h"

#include <sys/stat.h>
#include <time.h>

enum {
    POLICIES = 100,
    LOAD_MAX_US = 20000, /* a bound for slow machines; what is measured is printed */
    BURY_MAX_US = 20000
};

static char folder[64];

/* CPU of this thread: the machine may be busy with other things. */
static int64_t cpu_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return t.tv_sec * (int64_t)1000000 + t.tv_nsec / 1000;
}

static int64_t real_mono(struct effect *e)
{
    (void)e;
    return cpu_us();
}

/* ---- 100 policies of ordinary size: the shipped cascade under other names, with checks ---- */

static char *read_file(const char *path)
{
    static char text[16384];
    FILE *f = fopen(path, "r");

    CHECK(f != NULL);
    text[f ? fread(text, 1, sizeof text - 1, f) : 0] = 0;
    if (f)
        fclose(f);
    return text;
}

static void write_policy(int i, const char *text)
{
    static const char field[] = "name = \"cascade\"";
    const char *at = strstr(text, field);
    char path[128];

    snprintf(path, sizeof path, "%s/p%03d.lua", folder, i);
    FILE *f = fopen(path, "w");
    CHECK(f != NULL && at != NULL);
    if (!f || !at)
        return;
    fprintf(f, "%.*sname = \"p%03d\", checks = { sums = function() assert(1 + 1 == 2) end }%s",
            (int)(at - text), text, i, at + sizeof field - 1);
    fclose(f);
}

static void make_policies(const char *home)
{
    char path[4096];

    snprintf(path, sizeof path, "%s/policies/cascade.lua", home);
    const char *text = read_file(path);
    snprintf(folder, sizeof folder, "/tmp/baton_slices_XXXXXX");
    CHECK(mkdtemp(folder) != NULL);
    for (int i = 0; i < POLICIES; i++)
        write_policy(i, text);
}

static void remove_policies(void)
{
    char command[128];

    snprintf(command, sizeof command, "rm -rf %s", folder);
    CHECK_INT(system(command), 0);
}

static int open_world(struct world *w, struct err *err)
{
    if (world_open(w, NULL, err) < 0)
        return -1;
    w->fake.effect.mono_us = real_mono;
    sources_deinit(&w->sources);
    if (sources_read(&w->sources, world_home(), folder, err) < 0)
        return -1;
    w->plan.sources = &w->sources;
    w->plan.providers = &w->config.providers;
    w->plan.facts = (struct span){w->config.facts, strlen(w->config.facts)};
    return 0;
}

/* ---- building ---- */

static void test_building(struct world *w)
{
    struct err err = {.message = ""};
    int64_t longest = 0, all = 0;
    int steps = 0, longest_step = 0, more = 1;

    w->g = generation_begin(&w->rt, &w->plan, &err);
    CHECK(w->g != NULL);
    while (more == 1) {
        int64_t start = cpu_us();
        more = generation_step(w->g, &err);
        int64_t took = cpu_us() - start;
        all += took;
        if (took > longest) {
            longest = took;
            longest_step = steps;
        }
        steps++;
    }
    CHECK_INT(more, 0);
    CHECK_STR(err.message, "");
    CHECK(w->g->building == NULL);
    CHECK(steps > 2 * POLICIES); /* each compiled, run and checked */
    CHECK(longest < LOAD_MAX_US);
    fprintf(stderr,
            "slices: %d policies: %d steps, %.1f ms, the longest (%d) %.2f ms, live %.1f MB\n",
            POLICIES, steps, (double)all / 1e3, longest_step, (double)longest / 1e3,
            (double)w->g->heap.live / 1e6);
}

/* Refused in any step, and thrown away after any step. */
static void test_half_built(struct world *w)
{
    struct err err;
    int more = 1;

    for (int until = 0; more == 1; until += 1 + until / 4) {
        struct generation *g = generation_begin(&w->rt, &w->plan, &err);
        more = 1;
        for (int i = 0; i < until && more == 1; i++)
            more = generation_step(g, &err);
        CHECK(more >= 0);
        generation_unref(g);
    }
}

/* ---- burying ---- */

struct grave {
    struct runtime *rt;
    struct generation *g;
    int closed;
};

static struct grave grave;

static void on_bury(struct runtime *rt, struct generation *g)
{
    grave.rt = rt;
    grave.g = g;
}

static void on_close(void *arg)
{
    ((struct grave *)arg)->closed++;
}

static void bury(const char *what, size_t live)
{
    int64_t longest = 0, all = 0;
    int steps = 0;
    bool more = true;

    CHECK(grave.g != NULL && grave.closed == 0);
    while (more) {
        int64_t start = cpu_us();
        more = generation_bury_step(grave.g);
        int64_t took = cpu_us() - start;
        all += took;
        longest = took > longest ? took : longest;
        steps++;
        CHECK_INT(grave.closed, !more);
    }
    CHECK(longest < BURY_MAX_US);
    fprintf(stderr, "slices: burying %s (%.1f MB): %d steps, %.1f ms, the longest %.2f ms\n", what,
            (double)live / 1e6, steps, (double)all / 1e3, (double)longest / 1e3);
}

/* What a policy keeps in its own tables: many small ones. */
static const char keeps[] =
    "local kept = {} for i = 1, 200000 do kept[i] = { i, 'text ' .. i } end "
    "return { kept = kept, size = function() return #kept end }";

static void test_burying(struct world *w, bool large)
{
    struct err err = {.message = ""};
    struct outcome o;

    grave = (struct grave){.closed = 0};
    w->rt.bury = on_bury;
    w->g = generation_new(&w->rt, &w->plan, &err);
    CHECK_STR(err.message, "");
    w->g->on_close = on_close;
    w->g->on_close_arg = &grave;
    if (large)
        CHECK_INT(generation_add_script(w->g, "scripts/keeps.lua", SPAN(keeps), &err), 0);
    w->g->limits.bytes = 200 << 20;
    w->g->limits.slice_ms = 10000;
    for (int i = 0; i < 300; i++) /* threads in the pool */
        world_run(w, "return require('policies').p007.name", &o);
    CHECK_STR(o.failed ? o.err.message : o.text, "p007");
    if (large)
        world_run(w, "return require('keeps').size()", &o);
    size_t live = w->g->heap.live;
    generation_ref(w->g);
    generation_unref(w->g);
    CHECK(grave.g == NULL);
    generation_unref(w->g); /* the last one out */
    w->g = NULL;
    CHECK(grave.g != NULL && grave.closed == 0);
    bury(large ? "one that kept much" : "one of ordinary size", live);
    w->rt.bury = NULL;
}

/* Thrown away half-way, in slices. */
static void test_burying_a_part(struct world *w)
{
    struct err err;

    for (int until = 0; until < 120; until += 17) {
        grave = (struct grave){.closed = 0};
        w->rt.bury = on_bury;
        struct generation *g = generation_begin(&w->rt, &w->plan, &err);
        g->on_close = on_close;
        g->on_close_arg = &grave;
        for (int i = 0; i < until; i++)
            CHECK_INT(generation_step(g, &err), 1);
        generation_unref(g);
        while (generation_bury_step(grave.g))
            ;
        CHECK_INT(grave.closed, 1);
        w->rt.bury = NULL;
    }
}

/* ---- the configuration, which a worker loads in one go ---- */

static void test_configuration(struct world *w)
{
    struct config c;
    struct err err;
    struct span text = {world_config(), strlen(world_config())};
    int64_t start = cpu_us();

    CHECK_INT(config_load_text(&c, &w->sources, "baton.lua", text, NULL, &err), 0);
    fprintf(stderr, "slices: the configuration %.2f ms", (double)(cpu_us() - start) / 1e3);
    config_deinit(&c);

    struct sources again;
    struct buf packed;
    buf_init(&packed, SOURCES_PACKED_MAX);
    CHECK_INT(sources_pack(&w->sources, &packed), 0);
    start = cpu_us();
    CHECK_INT(sources_unpack(&again, buf_span(&packed), &err), 0);
    fprintf(stderr, ", unpacking %zu files (%.2f MB) %.2f ms\n", again.n, (double)packed.len / 1e6,
            (double)(cpu_us() - start) / 1e3);
    sources_deinit(&again);
    buf_deinit(&packed);
}

int main(void)
{
    struct world w;
    struct err err = {.message = ""};

    make_policies(world_home());
    CHECK_INT(open_world(&w, &err), 0);
    CHECK_STR(err.message, "");
    test_configuration(&w);
    test_building(&w);
    generation_unref(w.g);
    w.g = NULL;
    test_half_built(&w);
    test_burying(&w, false);
    test_burying(&w, true);
    test_burying_a_part(&w);
    world_close(&w);
    remove_policies();
    return test_report("slices");
}
