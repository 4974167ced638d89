/* schema - JSON Schema, drafts 2020-12 and 7: compiled once, then checks the bytes of documents.
 * SPDX-License-Identifier: MIT
 *
 * A document is not decoded: one pass notes where its values stand (schema_tape.h), the rules read there. Numbers are
 * exact, names are compared once by a table, patterns are those of ECMA-262 (regex.h). Nothing is fetched: what a $ref
 * names is in the schema, in the table of remotes, or one of the built-in metaschemas.
 *
 * Everything has a bound: bytes, values and depth of schema and document, steps of a check, errors that are listed. */
#ifndef SCHEMA_H
#define SCHEMA_H

#include "buf.h"
#include "err.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    SCHEMA_BYTES_MAX = 4 << 20, /* of a schema with all remotes that it uses */
    SCHEMA_NODES_MAX = 200000,  /* subschemas */
    SCHEMA_DEPTH_MAX = 1500,    /* subschemas inside each other while a document is checked */
    SCHEMA_STEPS = 1000000,     /* of a check, and besides */
    SCHEMA_STEPS_PER_BYTE = 16, /* so many for each byte of the document */
    SCHEMA_ERRORS_MAX = 100     /* that are listed */
};

enum schema_draft { SCHEMA_2020_12, SCHEMA_7, SCHEMA_2019_09 /* only what a $ref leads to */ };

struct schema_remote {
    struct span uri, text;
};

struct schema_options {
    enum schema_draft draft; /* where $schema does not say it */
    bool formats; /* "format" is asserted; else a note, unless the metaschema says otherwise */
    const struct schema_remote *remotes;
    size_t n_remotes;
};

struct schema;

/* Compiles; copies what it needs. NULL with *err (ERR_BAD_REQUEST): which keyword, where, why. */
struct schema *schema_new(struct span text, const struct schema_options *options, struct err *err);
void schema_free(struct schema *s);          /* NULL is fine */
size_t schema_bytes(const struct schema *s); /* memory it takes, about */

enum schema_verdict { SCHEMA_VALID, SCHEMA_INVALID, SCHEMA_FAILED };

/* One thing that is wrong. The spans live until the next check. */
struct schema_error {
    struct span instance; /* JSON Pointer into the document; "" is all of it */
    struct span schema;   /* JSON Pointer into the schema, or URI#pointer into a remote one */
    struct span message;  /* readable, names no place */
    const char *keyword;
};

struct schema_report {
    bool all;                   /* every error (at most SCHEMA_ERRORS_MAX), not the first only */
    bool beginning;             /* the document may go on: only what no end could repair counts */
    struct schema_error *found; /* made by schema_check */
    int n;
    bool more;     /* there were more */
    int64_t steps; /* what the check cost, about one instruction of Lua each */
};

/* What checks need besides the schema; used again and again, by one at a time. */
struct schema_work;
struct schema_work *schema_work_new(void); /* NULL: no memory */
void schema_work_free(struct schema_work *w);

/* Is the document one of this schema? FAILED with *err: it is no JSON (ERR_INVALID_OUTPUT), or the check ran into a
 * bound (ERR_BUDGET). 'report' belongs to 'w' and lives until its next check. */
enum schema_verdict schema_check(struct schema *s, struct span doc, struct schema_work *w,
                                 struct schema_report *report, struct err *err);

#endif
