/* lua_match - Lua's patterns over bytes: a backtracking matcher that counts its steps.
 * SPDX-License-Identifier: MIT
 *
 * Written from section 6.4.1 of the Lua 5.4 manual. Raises nothing: what is wrong with a pattern,
 * and a budget used up, is said in 'error'. */
#ifndef LUA_MATCH_H
#define LUA_MATCH_H

#include "buf.h"
#include "lua_bounded.h"

enum {
    MATCH_CAPTURES = 32, /* as in Lua */
    MATCH_DEPTH = 200,   /* as in Lua: nested captures and repetitions */
    MATCH_OPEN = -1,     /* length of a capture that has begun and not ended */
    MATCH_POSITION = -2  /* length of an empty capture "()", which captures its place */
};

struct match {
    const char *text, *end; /* the whole text: '%f' looks behind the place where a match starts */
    const char *pattern, *pend; /* without the anchor */
    bool anchored;              /* the pattern began with '^' */
    struct steps steps;         /* to be set by the caller */
    int depth;                  /* of recursion */
    int captures;               /* how many there are, at the place reached */
    struct {
        const char *start;
        ptrdiff_t len; /* or MATCH_OPEN, MATCH_POSITION */
    } capture[MATCH_CAPTURES];
    /* NULL, or a format for luaL_error with at most one %d; MATCH_OVER: no steps */
    const char *error;
    int error_index; /* for that %d */
};

extern const char MATCH_OVER[]; /* 'error' is this very address when the steps are used up */

/* Borrows the bytes, which a '\0' follows. With 'anchors' a leading '^' anchors, otherwise (gmatch)
 * it is a letter. */
void match_init(struct match *m, struct span text, struct span pattern, bool anchors);

/* The first match that starts at *at or later (only at *at when anchored) and does not end at
 * 'last' (NULL: anywhere): the end of it, and its start in *at. NULL when there is none, or on an
 * error. */
const char *match_next(struct match *m, const char **at, const char *last);

/* Does the pattern mean just its own bytes? Then memmem() is all it takes. */
bool match_is_plain(struct span pattern);

#endif
