/* secret - comparing what must stay secret.
 * SPDX-License-Identifier: MIT */
#ifndef SECRET_H
#define SECRET_H

#include <stdbool.h>

/* Are they the same? It takes as long for every guess of one length, so that a secret cannot be found out letter by
 * letter. */
bool secret_is(const char *given, const char *secret);

#endif
