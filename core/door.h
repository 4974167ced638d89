/* door - the paths that clients ask at, and the API that each belongs to.
 * SPDX-License-Identifier: MIT
 *
 * A door is an API that clients speak: scripts/door/NAME.lua reads its requests and writes its answers. Paths are taken
 * with and without the version before them (/v1, /v1beta), as clients differ. */
#ifndef DOOR_H
#define DOOR_H

#include "failure.h"

enum { DOOR_MODEL_MAX = 256, DOOR_ACTION_MAX = 32 };

struct door_match {
    const char *door; /* NULL: there is nothing at this path */
    const char *page; /* a function of the door's that answers; NULL: a request for a policy */
    /* the method that is right; differs from the one that was asked for: 405 */
    const char *allowed;
    enum failure_form form;
    char model[DOOR_MODEL_MAX];   /* in the path, decoded; "" without */
    char action[DOOR_ACTION_MAX]; /* "generateContent" */
};

/* method, path: as sent. anthropic: does the client say so, on a path that two APIs share (GET /v1/models) or that
 * there is not? */
void door_find(const char *method, const char *path, bool anthropic, struct door_match *match);

#endif
