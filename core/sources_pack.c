/* sources_pack - a snapshot as bytes, to be handed to another process or kept on disk.
 * SPDX-License-Identifier: MIT
 *
 * The form, numbers little-endian: "BATONSRC", version (4), files (4), hash (64 digits); then for
 * each file, in the order of their names: lengths of name (2), path (2) and text (4), then these
 * three. One snapshot has one form: names ascend, nothing follows the last text. */
#include "memfd.h"
#include "sources.h"

#include <stdlib.h>
#include <string.h>

enum { VERSION = 1, HASH = 64, HEAD = 16 + HASH, ITEM = 8, NAME_LEN = 511, PATH_LEN = 4095 };

static const char magic[8] = {'B', 'A', 'T', 'O', 'N', 'S', 'R', 'C'};

static void put_number(char *to, size_t bytes, size_t n)
{
    for (size_t i = 0; i < bytes; i++)
        to[i] = (char)(n >> (8 * i) & 255);
}

static size_t take_number(const char *from, size_t bytes)
{
    size_t n = 0;

    for (size_t i = 0; i < bytes; i++)
        n |= (size_t)(unsigned char)from[i] << (8 * i);
    return n;
}

/* ---- out ---- */

static size_t packed_size(const struct sources *s)
{
    size_t n = HEAD;

    for (size_t i = 0; i < s->n; i++)
        n += ITEM + strlen(s->items[i].name) + strlen(s->items[i].path) + s->items[i].n;
    return n;
}

static char *put_text(char *to, const char *text, size_t n)
{
    memcpy(to, text, n);
    return to + n;
}

static char *put_item(char *to, const struct source *item)
{
    size_t name = strlen(item->name), path = strlen(item->path);

    put_number(to, 2, name);
    put_number(to + 2, 2, path);
    put_number(to + 4, 4, item->n);
    to = put_text(to + ITEM, item->name, name);
    to = put_text(to, item->path, path);
    return put_text(to, item->text, item->n);
}

int sources_pack(const struct sources *s, struct buf *out)
{
    size_t n = packed_size(s);
    char *to = buf_reserve(out, n);

    if (!to)
        return -1;
    to = put_text(to, magic, sizeof magic);
    put_number(to, 4, VERSION);
    put_number(to + 4, 4, s->n);
    to = put_text(to + 8, s->hash, HASH);
    for (size_t i = 0; i < s->n; i++)
        to = put_item(to, &s->items[i]);
    out->len += n;
    return 0;
}

/* ---- in ---- */

/* A text of its own, terminated; NULL when it holds a zero byte that 'plain' does not allow, or
 * without memory. */
static char *take_text(struct span *in, size_t n, bool plain)
{
    char *text = plain && memchr(in->p, 0, n) ? NULL : malloc(n + 1);

    if (text) {
        memcpy(text, in->p, n);
        text[n] = 0;
        in->p += n;
        in->n -= n;
    }
    return text;
}

static bool take_item(struct span *in, struct sources *s)
{
    struct source *item = &s->items[s->n];

    if (in->n < ITEM)
        return false;
    size_t name = take_number(in->p, 2), path = take_number(in->p + 2, 2);
    item->n = take_number(in->p + 4, 4);
    in->p += ITEM;
    in->n -= ITEM;
    if (name < 1 || name > NAME_LEN || path < 1 || path > PATH_LEN || item->n > SOURCE_MODEL_MAX ||
        name + path + item->n > in->n)
        return false;
    s->n++; /* from here on sources_deinit frees it */
    item->name = take_text(in, name, true);
    item->path = item->name ? take_text(in, path, true) : NULL;
    item->text = item->path ? take_text(in, item->n, false) : NULL;
    s->bytes += item->n;
    return item->text && item->n <= sources_max(item->name) && s->bytes <= SOURCES_BYTES_MAX &&
           (s->n == 1 || strcmp(item[-1].name, item->name) < 0);
}

static bool take_all(struct sources *s, struct span in)
{
    if (in.n < HEAD || memcmp(in.p, magic, sizeof magic) != 0 ||
        take_number(in.p + 8, 4) != VERSION)
        return false;
    size_t count = take_number(in.p + 12, 4);
    const char *hash = in.p + 16;
    in.p += HEAD;
    in.n -= HEAD;
    if (count > SOURCES_MAX || !(s->items = calloc(count + 1, sizeof *s->items)))
        return false;
    while (s->n < count)
        if (!take_item(&in, s))
            return false;
    sources_hash(s);
    return in.n == 0 && memcmp(hash, s->hash, HASH) == 0;
}

int sources_unpack(struct sources *s, struct span packed, struct err *err)
{
    *s = (struct sources){0};
    if (take_all(s, packed))
        return 0;
    sources_deinit(s);
    return err_set(err, ERR_BAD_REQUEST, "the snapshot of the Lua files is damaged");
}

/* ---- as a descriptor ---- */

int sources_to_memfd(const struct sources *s, struct err *err)
{
    struct buf out;
    int fd = -1;

    buf_init(&out, SOURCES_PACKED_MAX);
    if (sources_pack(s, &out) < 0)
        err_set(err, ERR_OVERLOADED, "out of memory for the snapshot of the Lua files");
    else
        fd = memfd_make("baton-sources", buf_span(&out), err);
    buf_deinit(&out);
    return fd;
}

int sources_from_memfd(struct sources *s, int fd, struct err *err)
{
    struct span packed;

    *s = (struct sources){0};
    if (memfd_map(fd, SOURCES_PACKED_MAX, &packed, err) < 0)
        return -1;
    int result = sources_unpack(s, packed, err);
    memfd_unmap(packed);
    return result;
}
