/* gunzip - a file's bytes, unpacked when they are gzip's (RFC 1952).
 * SPDX-License-Identifier: MIT */
#include "gunzip.h"

#include <stdint.h>
#include <string.h>
#include <zlib.h>

enum { PIECE = 64 << 10, WINDOW = 15, GZIP = 16 };

bool gunzip_is(struct span file)
{
    return file.n >= 2 && memcmp(file.p, "\x1f\x8b", 2) == 0;
}

/* One member; what follows it stays in z. */
static int unpack(z_stream *z, struct buf *out, struct err *err)
{
    int got;

    do {
        char *to = buf_reserve(out, PIECE);
        if (!to)
            return err_set(err, ERR_BUDGET, "unpacked it is larger than %zu bytes", out->max);
        z->next_out = (Bytef *)to;
        z->avail_out = PIECE;
        got = inflate(z, Z_NO_FLUSH);
        out->len += PIECE - z->avail_out;
    } while (got == Z_OK && (z->avail_in > 0 || z->avail_out == 0));
    if (got == Z_STREAM_END)
        return 0;
    return err_set(err, ERR_BAD_REQUEST, "the packed bytes are %s",
                   got == Z_OK || got == Z_BUF_ERROR ? "cut off" : "broken");
}

int gunzip(struct span file, struct buf *out, struct err *err)
{
    z_stream z = {.next_in = (z_const Bytef *)file.p, .avail_in = (uInt)file.n};

    if (file.n > UINT32_MAX)
        return err_set(err, ERR_BUDGET, "more than 4 GB");
    if (inflateInit2(&z, WINDOW + GZIP) != Z_OK)
        return err_set(err, ERR_OVERLOADED, "out of memory");
    int result = unpack(&z, out, err);
    while (result == 0 && z.avail_in > 2 && z.next_in[0] == 0x1f && z.next_in[1] == 0x8b &&
           inflateReset(&z) == Z_OK)
        result = unpack(&z, out, err);
    inflateEnd(&z);
    return result;
}
