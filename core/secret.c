/* secret - comparing what must stay secret.
 * SPDX-License-Identifier: MIT */
#include "secret.h"

#include <string.h>

bool secret_is(const char *given, const char *secret)
{
    size_t n = strlen(given), m = strlen(secret);
    unsigned char differ = n != m;

    for (size_t i = 0; i < n; i++)
        differ |= (unsigned char)(given[i] ^ secret[m ? i % m : 0]);
    return !differ;
}
