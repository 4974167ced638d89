/* transfer_unpack - bodies that come packed (gzip, deflate) though nobody asked for it.
 * SPDX-License-Identifier: MIT */
#include "transfer_parts.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <zlib.h>

enum { PIECE = 16 * 1024, WINDOW = 15, GZIP = 16 };

struct unpack {
    z_stream z;
    int window; /* 0: not begun; "deflate" shows at its first byte which of two forms it has */
    bool whole;
};

static bool named(struct span s, const char *name)
{
    return s.n == strlen(name) && strncasecmp(s.p, name, s.n) == 0;
}

struct unpack *unpack_new(struct span coding)
{
    bool gzip = named(coding, "gzip") || named(coding, "x-gzip");

    if (!gzip && !named(coding, "deflate"))
        return NULL;
    struct unpack *u = calloc(1, sizeof *u);
    if (u && gzip)
        u->window = WINDOW + GZIP;
    if (u && inflateInit2(&u->z, gzip ? WINDOW + GZIP : WINDOW) != Z_OK) {
        free(u);
        return NULL;
    }
    return u;
}

void unpack_free(struct unpack *u)
{
    if (u)
        inflateEnd(&u->z);
    free(u);
}

/* Its name means zlib's format, but some send the bare one: that has another first byte. */
static int begin(struct unpack *u, unsigned char first)
{
    if (u->window)
        return 0;
    u->window = (first & 0x0F) == Z_DEFLATED ? WINDOW : -WINDOW;
    return inflateReset2(&u->z, u->window) == Z_OK ? 0 : -1;
}

int unpack_add(struct unpack *u, struct span in, unpack_take *take, void *arg)
{
    unsigned char out[PIECE];
    int got = Z_OK;

    if (in.n == 0 || u->whole) /* what follows the end is ignored, as padding */
        return 0;
    if (in.n > UINT32_MAX || begin(u, (unsigned char)*in.p) < 0)
        return -1;
    u->z.next_in = (z_const Bytef *)in.p;
    u->z.avail_in = (uInt)in.n;
    do {
        u->z.next_out = out;
        u->z.avail_out = PIECE;
        got = inflate(&u->z, Z_NO_FLUSH);
        if (got != Z_OK && got != Z_STREAM_END && got != Z_BUF_ERROR)
            return -1;
        if (take(arg, (char *)out, PIECE - u->z.avail_out) < 0)
            return -1;
    } while (got == Z_OK && u->z.avail_out == 0);
    u->whole = got == Z_STREAM_END;
    return 0;
}

bool unpack_whole(const struct unpack *u)
{
    return u->whole || u->z.total_in == 0;
}
