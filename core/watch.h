/* watch - says when files below some paths have changed, once for many changes.
 * SPDX-License-Identifier: MIT
 *
 * A path may be a file or a folder (with the folders in it, a few levels deep); it may be missing,
 * appear later, be replaced by another one or by a link, at any place of the path. Changes are
 * gathered until nothing happened for 50 ms, but for no longer than a second. What changed is not
 * said: who cares reads all of it. Hidden files and editors' copies ("x~") do not count. */
#ifndef WATCH_H
#define WATCH_H

#include "err.h"

#include <event2/event.h>
#include <stddef.h>

enum { WATCH_SETTLE_MS = 50, WATCH_LONGEST_MS = 1000 };

struct watch;

/* 'paths' (copied; relative ones are taken from the present working directory) are watched from now
 * on. 'changed' runs from the loop. NULL with *err set, when the system has no watches left, too. */
struct watch *watch_new(struct event_base *base, const char *const *paths, size_t n,
                        void (*changed)(void *arg), void *arg, struct err *err);
void watch_free(struct watch *w); /* NULL is fine; not from 'changed' */

#endif
