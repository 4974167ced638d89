/* text_char - characters of UTF-8 text: what they are, and their lower case.
 * SPDX-License-Identifier: MIT
 *
 * Any bytes are text: a byte that is no part of well-formed UTF-8 counts as one character TEXT_BROKEN, which is
 * neither letter nor digit. Tables are those of Unicode 14. */
#ifndef TEXT_CHAR_H
#define TEXT_CHAR_H

#include "buf.h"

#include <stdint.h>

enum {
    TEXT_BROKEN = 0xfffd,
    TEXT_BYTES_MAX = 4 /* of one character */
};

/* The character at s.p[at], at < s.n, and the number of its bytes (1 to 4). */
uint32_t text_decode(struct span s, size_t at, int *bytes);
/* Writes a character, and returns its bytes. */
int text_encode(uint32_t c, char to[TEXT_BYTES_MAX]);

/* Simple case folding: one character becomes one ("ß" stays, "ẞ" becomes "ß"). */
uint32_t text_fold(uint32_t c);
/* A letter, a mark on one, a digit, another number, or '_'. */
bool text_is_word(uint32_t c);
/* A character of a script that is written without blanks between words (Chinese, Japanese, Thai, ...): a word may
 * begin and end beside any of them. */
bool text_is_unspaced(uint32_t c);

/* Where the first three of that byte in a row are ("```"), or s.n. */
size_t text_find_three(struct span s, char c);

static inline bool text_is_lower(unsigned char c)
{
    return c >= 'a' && c <= 'z';
}

static inline bool text_is_upper(unsigned char c)
{
    return c >= 'A' && c <= 'Z';
}

static inline bool text_is_digit(unsigned char c)
{
    return c >= '0' && c <= '9';
}

static inline bool text_is_letter(unsigned char c)
{
    return text_is_lower(c | 0x20);
}

static inline bool text_is_alnum(unsigned char c)
{
    return text_is_digit(c) || text_is_letter(c);
}

static inline bool text_is_hex(unsigned char c)
{
    return text_is_digit(c) || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
}

static inline bool text_is_blank(unsigned char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static inline char text_lower(char c)
{
    return text_is_upper((unsigned char)c) ? (char)(c | 0x20) : c;
}

#endif
