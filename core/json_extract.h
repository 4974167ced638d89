/* json_extract - the JSON in a text: in fences, or with prose around it.
 * SPDX-License-Identifier: MIT */
#ifndef JSON_EXTRACT_H
#define JSON_EXTRACT_H

#include "buf.h"
#include "err.h"

enum { JSON_FOUND_MAX = 32 };

struct json_found {
    struct span at[JSON_FOUND_MAX]; /* complete JSON texts, the likeliest first */
    int n;
};

/* Looks for JSON: the whole text; else what stands in ``` fences, the last first; then objects and arrays in the prose,
 * the longest first, of equally long ones the last. Each byte is read a bounded number of times. -1 when there is none,
 * or the last one is cut off by the end of the text: *err (ERR_INVALID_OUTPUT) says which, and how it is malformed. */
int json_extract(struct span text, struct json_found *found, struct err *err);

#endif
