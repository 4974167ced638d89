/* kv - the scripts' state that all workers share.
 * SPDX-License-Identifier: MIT */
#include "kv.h"

size_t kv_size(size_t bytes)
{
    return bytes;
}

void kv_format(void *part, size_t size)
{
    (void)part, (void)size;
}
