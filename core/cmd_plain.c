/* cmd_plain - text of a script, a model or a client on a terminal: what would steer it is not sent there.
 * SPDX-License-Identifier: MIT */
#include "cmd_plain.h"

#include "text_char.h"

#include <string.h>

static bool steers(uint32_t c)
{
    return (c < ' ' && c != '\n') || (c >= 0x7f && c < 0xa0) || (c >= 0x202a && c <= 0x202e) ||
           (c >= 0x2066 && c <= 0x2069) || c == TEXT_BROKEN;
}

void cmd_plain_line(char *text)
{
    struct span rest = {text, strlen(text)};
    char *to = text;
    int n;

    for (size_t at = 0; at < rest.n; at += (size_t)n) {
        uint32_t c = text_decode(rest, at, &n);
        if (steers(c) || c == '\n') {
            *to++ = '?';
        } else {
            memmove(to, text + at, (size_t)n);
            to += n;
        }
    }
    *to = 0;
}

void cmd_plain(FILE *out, struct span text)
{
    int n;

    for (size_t at = 0; at < text.n; at += (size_t)n) {
        if (steers(text_decode(text, at, &n)))
            fputc('?', out);
        else
            fwrite(text.p + at, 1, (size_t)n, out);
    }
}
