/* test_watch - changes on disk are seen, once, however they are made.
 * SPDX-License-Identifier: MIT */
#include "watch.h"

#include "testhelp.h"

#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdint.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static struct event_base *base;
static struct watch *watch;
static char root[64];
static int calls;

static int64_t now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * (int64_t)1000 + t.tv_nsec / 1000000;
}

static const char *path_of(const char *name)
{
    static char paths[4][PATH_MAX];
    static int next;
    char *path = paths[next++ % 4];

    snprintf(path, PATH_MAX, "%s/%s", root, name);
    return path;
}

static void put(const char *name, const char *text)
{
    FILE *f = fopen(path_of(name), "w");

    CHECK(f != NULL);
    if (f)
        fputs(text, f), fclose(f);
}

static void folder(const char *name)
{
    CHECK_INT(mkdir(path_of(name), 0777), 0);
}

static void move(const char *from, const char *to)
{
    CHECK_INT(rename(path_of(from), path_of(to)), 0);
}

static void link_to(const char *target, const char *name)
{
    CHECK_INT(symlink(target, path_of(name)), 0);
}

static void on_change(void *arg)
{
    (void)arg;
    calls++;
}

/* The loop runs for so long; how often was there a change? */
static int run(int ms)
{
    const struct timeval limit = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};

    calls = 0;
    event_base_loopexit(base, &limit);
    event_base_dispatch(base);
    return calls;
}

/* Until the change is told: at most two seconds, so that a busy machine fails no test. */
static bool seen(void)
{
    int64_t stop = now_ms() + 2000;

    calls = 0;
    while (!calls && now_ms() < stop) {
        const struct timeval piece = {.tv_usec = 20000};
        event_base_loopexit(base, &piece);
        event_base_dispatch(base);
    }
    return calls == 1;
}

static bool quiet(void)
{
    return run(150) == 0;
}

static void open_watch(const char *first, ...)
{
    const char *paths[8];
    struct err err = {.message = ""};
    size_t n = 0;
    va_list more;

    va_start(more, first);
    for (const char *name = first; name && n < 8; name = va_arg(more, const char *))
        paths[n++] = path_of(name);
    va_end(more);
    watch = watch_new(base, paths, n, on_change, NULL, &err);
    CHECK(watch != NULL);
    CHECK_STR(err.message, "");
}

static void fresh(void)
{
    snprintf(root, sizeof root, "/tmp/baton_watch_XXXXXX");
    CHECK(mkdtemp(root) != NULL);
    folder("policies");
    folder("policies/sub");
    put("policies/a.lua", "a");
    put("baton.lua", "x");
}

static void clean(void)
{
    char command[128];

    watch_free(watch);
    watch = NULL;
    snprintf(command, sizeof command, "rm -rf %s", root);
    CHECK_INT(system(command), 0);
}

/* ---- how editors save ---- */

static void test_writing(void)
{
    open_watch("policies", "baton.lua", NULL);
    CHECK(quiet());
    put("policies/a.lua", "in place");
    CHECK(seen());
    put("policies/new", "by another name");
    move("policies/new", "policies/a.lua");
    CHECK(seen());
    move("policies/a.lua", "policies/a.lua~"); /* a copy is kept, the file is new */
    put("policies/a.lua", "again");
    CHECK(seen());
    CHECK_INT(unlink(path_of("policies/a.lua")), 0);
    CHECK(seen());
    CHECK_INT(chmod(path_of("baton.lua"), 0), 0);
    CHECK(seen());
    put("other", "beside it");
    put("policies/.a.lua.swp", "an editor's");
    put("policies/b.lua~", "an editor's");
    CHECK(quiet());
    int fd = open(path_of("policies/sub"), O_RDONLY | O_DIRECTORY);
    close(fd); /* reading is no change */
    CHECK(quiet());
}

static void test_the_file(void)
{
    open_watch("baton.lua", NULL);
    put("baton.lua", "in place");
    CHECK(seen());
    put("new", "renamed over it");
    CHECK(quiet());
    move("new", "baton.lua");
    CHECK(seen());
    put("baton.lua", "the new one");
    CHECK(seen());
    CHECK_INT(unlink(path_of("baton.lua")), 0);
    CHECK(seen());
    put("baton.lua", "again");
    CHECK(seen());
}

static void test_folders_inside(void)
{
    open_watch("policies", NULL);
    put("policies/sub/x.lua", "x");
    CHECK(seen());
    folder("policies/later");
    put("policies/later/y.lua", "y"); /* perhaps before it is watched */
    CHECK(seen());
    put("policies/later/y.lua", "changed");
    CHECK(seen());
    folder("policies/later/deeper");
    CHECK(seen());
    put("policies/later/deeper/z.lua", "z");
    CHECK(seen());
    move("policies/later", "elsewhere");
    CHECK(seen());
    put("elsewhere/y.lua", "not ours any more");
    CHECK(quiet());
}

/* ---- one call for many changes ---- */

static void test_settling(void)
{
    char name[64];

    open_watch("policies", NULL);
    for (int i = 0; i < 50; i++) {
        snprintf(name, sizeof name, "policies/p%d.lua", i);
        put(name, "x");
    }
    CHECK_INT(run(400), 1);
    int64_t start = now_ms();
    put("policies/a.lua", "x");
    CHECK(seen());
    CHECK(now_ms() - start >= WATCH_SETTLE_MS - 1);
}

static void on_busy(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what, (void)arg;
    put("policies/a.lua", "and again");
}

/* Somebody writes without end: it is told about once a second. */
static void test_no_end(void)
{
    const struct timeval every = {.tv_usec = 10000};
    struct event *busy = event_new(base, -1, EV_PERSIST, on_busy, NULL);

    open_watch("policies", NULL);
    event_add(busy, &every);
    int told = run(2500);
    CHECK(told >= 1 && told <= 3);
    event_free(busy);
}

/* ---- paths that come, go and lead elsewhere ---- */

static void test_missing(void)
{
    open_watch("none/deep/policies", "none.lua", NULL);
    CHECK(quiet());
    put("none.lua", "there");
    CHECK(seen());
    folder("none");
    CHECK(seen());
    folder("none/beside");
    CHECK(quiet());
    folder("none/deep");
    CHECK(seen());
    folder("none/deep/policies");
    CHECK(seen());
    put("none/deep/policies/a.lua", "x");
    CHECK(seen());
}

static void test_replaced(void)
{
    open_watch("policies", NULL);
    folder("fresh");
    put("fresh/a.lua", "x");
    CHECK(quiet());
    move("policies", "old");
    move("fresh", "policies");
    CHECK(seen());
    put("policies/a.lua", "y");
    CHECK(seen());
    put("old/a.lua", "not ours any more");
    CHECK(quiet());
    char command[PATH_MAX];
    snprintf(command, sizeof command, "rm -rf %s/policies", root);
    CHECK_INT(system(command), 0);
    CHECK(seen());
    folder("policies");
    CHECK(seen());
    put("policies/b.lua", "y");
    CHECK(seen());
}

/* current -> releases/1, and then another: ln -sfn makes a new link and renames it. */
static void test_links(void)
{
    folder("releases");
    folder("releases/1");
    folder("releases/1/policies");
    folder("releases/2");
    folder("releases/2/policies");
    link_to("releases/1", "current");
    open_watch("current/policies", NULL);
    put("releases/1/policies/a.lua", "x");
    CHECK(seen());
    put("releases/2/policies/a.lua", "x");
    CHECK(quiet());
    link_to("releases/2", "next");
    move("next", "current");
    CHECK(seen());
    put("releases/2/policies/a.lua", "y");
    CHECK(seen());
    put("releases/1/policies/a.lua", "y");
    CHECK(quiet());
}

static void test_links_inside(void)
{
    char target[PATH_MAX];

    folder("shared");
    put("shared/x.lua", "x");
    put("shared/y.lua", "y");
    snprintf(target, sizeof target, "%s/shared/x.lua", root);
    link_to(target, "policies/x.lua");
    link_to("../policies", "policies/loop");
    link_to("nowhere", "policies/dangling.lua");
    link_to("self", "policies/self");
    open_watch("policies", NULL);
    put("shared/x.lua", "changed");
    CHECK(seen());
    put("shared/y.lua", "changed");
    CHECK(quiet());
    put("policies/nowhere", "here");
    CHECK(seen());
    CHECK_INT(unlink(path_of("policies/x.lua")), 0);
    link_to("../shared", "policies/lib");
    CHECK(seen());
    put("shared/y.lua", "changed");
    CHECK(seen());
}

static void test_ends(void)
{
    const char *relative[] = {"policies"}, *long_one[1];
    char path[PATH_MAX * 2], before[PATH_MAX];
    struct err err;

    CHECK(getcwd(before, sizeof before) != NULL);
    CHECK_INT(chdir(root), 0);
    watch = watch_new(base, relative, 1, on_change, NULL, &err);
    CHECK_INT(chdir("/"), 0);
    put("policies/a.lua", "x");
    CHECK(seen());
    CHECK_INT(chdir(before), 0);
    watch_free(watch);
    memset(path, 'x', sizeof path);
    path[0] = '/';
    path[sizeof path - 1] = 0;
    long_one[0] = path;
    watch = watch_new(base, long_one, 1, on_change, NULL, &err);
    CHECK(watch == NULL && strstr(err.message, "too long"));
    watch = watch_new(base, long_one, 0, on_change, NULL, &err);
    CHECK(watch != NULL);
    watch_free(watch);
    watch_free(NULL);
    open_watch("policies", NULL);
    put("policies/a.lua", "x"); /* freed with a change on the way */
    run(10);
    watch_free(watch);
    watch = NULL;
    CHECK(quiet());
}

int main(void)
{
    static void (*const tests[])(void) = {
        test_writing, test_the_file, test_folders_inside, test_settling,     test_no_end,
        test_missing, test_replaced, test_links,          test_links_inside, test_ends,
    };

    base = event_base_new();
    for (size_t i = 0; i < sizeof tests / sizeof *tests; i++) {
        fresh();
        tests[i]();
        clean();
    }
    event_base_free(base);
    return test_report("watch");
}
