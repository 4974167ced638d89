/* test_nonsense - every place of a provider's answers and a client's requests, with values that do not belong there.
 * SPDX-License-Identifier: MIT
 *
 * The kept inputs of fuzz_codec say what is read; tests/fuzz/codecs.lua tries the values. */
#include "worldhelp.h"

#include <dirent.h>

#define SCRIPT "tests/fuzz/codecs.lua"
#define CORPUS "tests/fuzz/corpus/codec"

struct input {
    int choice;
    struct span text;
    bool ended;
    struct err err;
};

static struct world world;

static int body(lua_State *L)
{
    struct input *in = lua_touserdata(L, 1);

    generation_push_script(L, "codecs");
    lua_pushinteger(L, 1000 + in->choice);
    lua_pushlstring(L, in->text.p, in->text.n);
    lua_callk(L, 2, 0, 0, world_after);
    return 0;
}

static void on_end(struct task *t, const struct err *err)
{
    struct input *in = t->arg;

    in->ended = true;
    if (err)
        in->err = *err;
}

static void try_file(const char *name)
{
    struct ledger ledger = {.id = "nonsense"};
    struct buf bytes;
    struct err err;
    char path[512];

    snprintf(path, sizeof path, CORPUS "/%s", name);
    buf_init(&bytes, 1 << 20);
    CHECK_INT(fake_read_file(NULL, path, &bytes, &err), 0);
    if (bytes.len > 1) {
        struct input in = {
            (unsigned char)bytes.data[0], {bytes.data + 1, bytes.len - 1}, false, {0}};
        buf_init(&ledger.notes, 64 << 10);
        struct task *t = task_new(world.g, NULL, &ledger, on_end, &in, &err);
        lua_pushcfunction(t->L, body);
        lua_pushlightuserdata(t->L, &in);
        task_start(t, 1);
        while (!in.ended && fake_turn(&world.fake))
            ;
        CHECK(in.ended);
        CHECK_STR(in.err.message, "");
        if (in.err.message[0])
            fprintf(stderr, "   %s\n", name);
        buf_deinit(&ledger.notes);
    }
    buf_deinit(&bytes);
}

int main(void)
{
    struct err err;
    struct buf script;

    buf_init(&script, 1 << 20);
    CHECK_INT(world_open(&world, NULL, &err), 0);
    world.plan.limits.slice_ms = 60000; /* all of it is one slice */
    world.plan.limits.total_ms = 60000;
    CHECK_INT(world_load(&world, &err), 0);
    CHECK_INT(fake_read_file(NULL, SCRIPT, &script, &err), 0);
    CHECK_INT(generation_add_script(world.g, "codecs", buf_span(&script), &err), 0);
    DIR *d = opendir(CORPUS);
    CHECK(d != NULL);
    for (struct dirent *e; d && (e = readdir(d));)
        if (e->d_name[0] != '.')
            try_file(e->d_name);
    if (d)
        closedir(d);
    buf_deinit(&script);
    world_close(&world);
    return test_report("nonsense");
}
