/* archive - the last good generations in a folder, so that they survive a restart of the engine.
 * SPDX-License-Identifier: MIT
 *
 * One file a generation, named by its hash, and a small one, "current". Files are for the owner
 * only, written whole or not at all, and checked when they are read: what is damaged, or was made by
 * another version of the engine (whose scripts it holds), is not used. One process at a time. */
#ifndef ARCHIVE_H
#define ARCHIVE_H

#include "buf.h"
#include "err.h"
#include "sources.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    ARCHIVE_KEPT = 16, /* generations */
    ARCHIVE_PREFIX = 6 /* digits that name one, at least */
};

struct archive;

/* Makes the folder (0700, with those above it) where it is missing. NULL with *err set: also when
 * another process uses it, when it is somebody else's, or when others may write to it. */
struct archive *archive_open(const char *dir, struct err *err);
void archive_close(struct archive *a); /* NULL is fine */

/* ---- generations ---- */

/* Keeps the snapshot and the moment (microseconds since 1970); not the configuration, which may hold keys. Known ones
 * are written anew. The oldest beyond ARCHIVE_KEPT goes, but never the current one. On the disk when it returns 0. */
int archive_put(struct archive *a, const struct sources *s, int64_t at_us, struct err *err);

/* The one whose hash begins so: its hash. -1: ERR_NOT_FOUND, or ERR_BAD_REQUEST when it is no hash,
 * shorter than ARCHIVE_PREFIX, or could be several (they are listed). */
int archive_find(struct archive *a, const char *prefix, char hash[65], struct err *err);

struct archived {
    struct sources sources;
    int64_t at_us;
    char version[32]; /* of the engine */
};

/* Finds and reads it. Then archived_deinit. */
int archive_get(struct archive *a, const char *prefix, struct archived *out, struct err *err);
void archived_deinit(struct archived *d);

struct archive_entry {
    char hash[65];
    int64_t at_us;
    bool usable; /* of this version of the engine; what it holds was not looked at */
};

/* Fills in at most ARCHIVE_KEPT, the newest first, and says how many. */
size_t archive_list(struct archive *a, struct archive_entry out[ARCHIVE_KEPT]);

/* ---- which one serves ---- */

struct archive_current {
    char hash[65];
    bool pinned; /* "baton use": stays until the files on disk change */
    /* of the files on disk when it was chosen; "" when they could not be read */
    char disk_hash[65];
};

int archive_note_current(struct archive *a, const struct archive_current *c, struct err *err);
/* -1 with ERR_NOT_FOUND when nothing was noted, or what was noted is damaged. */
int archive_current(struct archive *a, struct archive_current *out, struct err *err);

/* ---- one file's bytes ---- */

int archived_pack(const struct sources *s, int64_t at_us, struct buf *out);
/* Any bytes are fine. -1 with *err set and nothing to free. */
int archived_unpack(struct archived *out, struct span bytes, struct err *err);

#endif
