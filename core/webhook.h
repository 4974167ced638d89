/* webhook - a JSON text is posted to a URL, again when it does not arrive.
 * SPDX-License-Identifier: MIT */
#ifndef WEBHOOK_H
#define WEBHOOK_H

#include "effect.h"

enum { WEBHOOK_HEADERS = 16 }; /* fields of the caller's: the configuration allows as many */

struct webhook {
    struct effect *fx; /* NULL: nothing is under way */
    struct op op, pause;
    struct buf body;
    int tries, status;
    char *url;      /* owned */
    char **headers; /* owned */
    size_t header_count;
    /* Runs once, when it has arrived (err NULL: a 2xx) or is given up; webhook_stop may be called in it. */
    void (*on_end)(struct webhook *h, const struct err *err);
};

/* Zeroed but for on_end. Copies all it gets, at most WEBHOOK_HEADERS fields. -1 with *err: nothing is under way. Tries 4 times, after 1, 4 and 16 seconds,
 * where there was no answer, or one of 408, 429 or 5xx. */
int webhook_start(struct webhook *h, struct effect *fx, const char *url, char *const *headers,
                  size_t header_count, struct span body, struct err *err);
void webhook_stop(struct webhook *h); /* safe when nothing is under way */

#endif
