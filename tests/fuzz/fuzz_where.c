/* fuzz_where - any bytes as a configuration file: a line is one of its lines, found in time.
 * SPDX-License-Identifier: MIT
 *
 * Input: the message, a line feed, the file. */
#include "where.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { MESSAGE_MAX = 512 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *cut = size ? memchr(data, '\n', size) : NULL;
    size_t n = cut ? (size_t)(cut - (const char *)data) : 0;
    char message[MESSAGE_MAX];

    if (!cut || n >= sizeof message)
        return 0;
    memcpy(message, data, n);
    message[n] = 0;
    struct span text = {cut + 1, size - n - 1};
    int lines = 1;
    for (size_t i = 0; i < text.n; i++)
        lines += text.p[i] == '\n' || text.p[i] == '\r';
    int line = where_line(text, message);
    if (line < 0 || line > lines)
        abort();
    line = where_return(text);
    if (line < 0 || line > lines)
        abort();
    return 0;
}
