/* sources - one snapshot of all Lua files, read once: what a generation is built from.
 * SPDX-License-Identifier: MIT */
#ifndef SOURCES_H
#define SOURCES_H

#include "buf.h"
#include "err.h"

#include <stdint.h>

enum {
    SOURCE_MAX = 1 << 20,        /* bytes of one file */
    SOURCES_MAX = 2000,          /* files */
    SOURCES_BYTES_MAX = 32 << 20 /* bytes of all */
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
 * replace those of the same name. Only *.lua, regular files, no hidden ones. */
int sources_read(struct sources *s, const char *home, const char *policies, struct err *err);
/* Adds one file as a policy, whatever its folder; it replaces the one of the same file name. */
int sources_add_policy(struct sources *s, const char *path, struct err *err);
void sources_deinit(struct sources *s);

/* NULL where there is no such name. */
const struct source *sources_find(const struct sources *s, const char *name);

#endif
