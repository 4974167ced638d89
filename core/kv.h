/* kv - the scripts' state that all workers share.
 * SPDX-License-Identifier: MIT */
#ifndef KV_H
#define KV_H

#include <stddef.h>

enum { KV_BYTES = 16 << 20 };

struct kv;

/* Bytes of shared memory for a store of about 'bytes'. */
size_t kv_size(size_t bytes);
/* Makes an empty store of zeroed memory of that size. Once, before anybody uses it. */
void kv_format(void *part, size_t size);

#endif
