/* fuzz_codec - nothing that a provider or a client sends makes a codec or a door raise.
 * SPDX-License-Identifier: MIT
 *
 * The first byte of the input chooses the codec and what is read: an answer, the events of a stream, an error, a
 * request. tests/fuzz/codecs.lua does it. */
#include "../unit/worldhelp.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define SCRIPT "tests/fuzz/codecs.lua"

enum { RELOAD = 20000 /* runs until the generation is made anew */ };

struct input {
    int choice;
    struct span text;
    bool ended;
    struct err err;
};

static struct world world;
static int runs;

static void open_world(void)
{
    struct err err = {.code = ERR_NONE};
    struct buf script;

    buf_init(&script, 1 << 20);
    if (world_open(&world, NULL, &err) < 0 || world_load(&world, &err) < 0 ||
        fake_read_file(NULL, SCRIPT, &script, &err) < 0 ||
        generation_add_script(world.g, "codecs", buf_span(&script), &err) < 0) {
        fprintf(stderr, "fuzz_codec: %s\n", err.message);
        abort();
    }
    buf_deinit(&script);
}

static int body(lua_State *L)
{
    struct input *in = lua_touserdata(L, 1);

    generation_push_script(L, "codecs");
    lua_pushinteger(L, in->choice);
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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct ledger ledger = {.id = "fuzz"};
    struct err err;

    if (n < 2)
        return 0;
    if (!world.g)
        open_world();
    struct input in = {.choice = data[0], .text = {(const char *)data + 1, n - 1}};
    buf_init(&ledger.notes, 64 << 10);
    struct task *t = task_new(world.g, NULL, &ledger, on_end, &in, &err);
    if (!t)
        abort();
    lua_pushcfunction(t->L, body);
    lua_pushlightuserdata(t->L, &in);
    task_start(t, 1);
    while (!in.ended && fake_turn(&world.fake))
        ;
    if (!in.ended) { /* it waits for a file that nobody sends */
        err_set(&err, ERR_CANCELLED, "over");
        task_cancel(t, &err);
    }
    if (in.err.code != ERR_NONE && in.err.code != ERR_CANCELLED && in.err.code != ERR_BUDGET) {
        fprintf(stderr, "choice %d: %s\n", in.choice, in.err.message);
        abort();
    }
    buf_deinit(&ledger.notes);
    if (++runs % RELOAD == 0) {
        world_close(&world);
        world = (struct world){0};
    }
    return 0;
}
