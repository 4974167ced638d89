/* sources - one snapshot of all Lua files and trained models, read once: what a generation is built from.
 * SPDX-License-Identifier: MIT */
#ifndef SOURCES_H
#define SOURCES_H

#include "buf.h"
#include "err.h"

#include <stdint.h>

enum {
    SOURCE_MAX = 1 << 20,                                       /* bytes of one Lua file */
    SOURCE_MODEL_MAX = 4 << 20,                                 /* of a model (linear.h) */
    SOURCES_MAX = 2000,                                         /* files */
    SOURCES_BYTES_MAX = 32 << 20,                               /* bytes of all */
    SOURCES_PACKED_MAX = SOURCES_BYTES_MAX + SOURCES_MAX * 5000 /* bytes of a packed snapshot */
};

struct source {
    char *name; /* "scripts/codec/openai.lua", "policies/cascade.lua" */
    char *path; /* how messages call it: the name of a shipped file, the path of another */
    char *text;
    size_t n;
};

struct sources {
    struct source *items; /* sorted by name */
    size_t n, bytes;
    bool shipped;  /* while reading: the files belong to the product */
    char hash[65]; /* SHA-256 over names and texts */
};

/* Reads HOME/scripts (with folders) and HOME/policies, then 'policies' (may be NULL), whose files
 * replace those of the same name. Only *.lua and *.model, regular files, no hidden
 * ones. */
int sources_read(struct sources *s, const char *home, const char *policies, struct err *err);
/* Adds one file as a policy, whatever its folder, and the models beside it; they replace those of the same file
 * names. */
int sources_add_policy(struct sources *s, const char *path, struct err *err);
void sources_deinit(struct sources *s);

/* The snapshot as bytes: appends them. -1 when out is full or memory is. */
int sources_pack(const struct sources *s, struct buf *out);
/* A snapshot of its own from such bytes; whatever they are. The hash is computed anew and must be
 * the one they were packed with. -1 with *err set and nothing to free. */
int sources_unpack(struct sources *s, struct span packed, struct err *err);
/* The same by way of a descriptor of sealed memory (memfd.h), which the caller closes. */
int sources_to_memfd(const struct sources *s, struct err *err);
int sources_from_memfd(struct sources *s, int fd, struct err *err);

/* Writes s->hash anew, over the items as they are. */
void sources_hash(struct sources *s);

/* Is it a model, not Lua, by its name? */
bool sources_is_model(const char *name);
/* How large a file of that name may be. */
size_t sources_max(const char *name);

/* NULL where there is no such name. */
const struct source *sources_find(const struct sources *s, const char *name);

#endif
