/* base64 - bytes as text and back (RFC 4648), and the data: URLs that carry it (RFC 2397).
 * SPDX-License-Identifier: MIT */
#ifndef BASE64_H
#define BASE64_H

#include "buf.h"

#include <stdbool.h>
#include <stddef.h>

/* Characters of the text for n bytes, padding included. */
size_t base64_length(size_t n);
/* Writes base64_length(bytes.n) characters; no NUL. */
void base64_encode(char *to, struct span bytes);

/* What a text holds: the number of its bytes; -1 when it is no base64. Taken are both alphabets ('+' '/' or '-' '_',
 * not mixed), with its padding or without; refused are white space, other characters, a wrong length and bits beyond
 * the last byte. '*usual', if asked for: is it what base64_encode would write? */
ptrdiff_t base64_size(struct span text, bool *usual);
/* Writes the bytes of a text for which base64_size gave their number. 'to' may be text.p. */
void base64_decode(char *to, struct span text);

struct data_url {
    struct span type; /* "image/png"; p NULL where it says none (then it is text/plain) */
    bool base64;
    struct span data; /* as it stands in the URL: percent-encoded, in base64, too */
};

/* "data:" [type] *(";" parameter) [";base64"] "," data. Parameters are passed over. False: it is none. */
bool data_url_read(struct data_url *u, struct span url);

/* Undoes "%41"; returns the number of bytes, -1 for a '%' without two hexadecimal digits. 'to' has room for text.n
 * and may be text.p. */
ptrdiff_t percent_decode(char *to, struct span text);

#endif
