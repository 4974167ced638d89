/* zone - what the clocks on the wall show in a time zone, from the system's tzdata.
 * SPDX-License-Identifier: MIT
 *
 * Format: RFC 8536 (TZif), versions 2 to 4; the rule at the end of the file goes on where its list of changes ends. */
#ifndef ZONE_H
#define ZONE_H

#include "buf.h"
#include "err.h"

#include <stdint.h>

struct zone;

/* The zone of that name ("Europe/Berlin", "UTC"). NULL with ERR_NOT_FOUND when there is none. */
struct zone *zone_open(const char *name, struct err *err);
/* The same from the bytes of a file; NULL with ERR_BAD_REQUEST. */
struct zone *zone_parse(struct span file, struct err *err);
void zone_free(struct zone *z); /* NULL is fine */

/* Seconds that its clocks are ahead of UTC at that moment (seconds since 1970). */
int32_t zone_offset(const struct zone *z, int64_t at);

/* The first moment after 'after' at which its clocks show so many seconds after midnight (0 to 86399). On a day on
 * which they never do, since the clocks are set forward over it: the moment at which they are set. On one on which they
 * do twice: the first. */
int64_t zone_next(const struct zone *z, int64_t after, int second);

#endif
