/* pii_plain - a text with typographic signs as ASCII has them, and where each byte stood.
 * SPDX-License-Identifier: MIT */
#include "pii_plain.h"

#include "text_char.h"

#include <stdint.h>
#include <string.h>

enum { NOTHING = -1, SAME = 0 };

/* U+2000 to U+2060: blanks, what cannot be seen, hyphens, dashes, quotes. */
static int punctuation(uint32_t c)
{
    if (c <= 0x200a || c == 0x202f || c == 0x205f)
        return ' ';
    if (c <= 0x200f || c == 0x2060)
        return NOTHING;
    if (c <= 0x2013)
        return '-';
    if ((c >= 0x2018 && c <= 0x201b) || c == 0x2039 || c == 0x203a)
        return '\'';
    if (c >= 0x201c && c <= 0x201f)
        return '"';
    if (c == 0x2026)
        return '.';
    return c <= 0x2030 ? ' ' : SAME; /* dashes between words, bullets, line ends */
}

/* The ASCII sign that stands for a character; SAME: none, NOTHING: it is left out. */
static int sign_of(uint32_t c)
{
    if (c >= 0x2000 && c <= 0x2060)
        return punctuation(c);
    if (c >= 0xff01 && c <= 0xff5e)
        return (int)(c - 0xff01) + '!';
    if (c == 0x3000 || (c >= 0x3001 && c <= 0x3003) || (c >= 0x3008 && c <= 0x301f))
        return ' '; /* stops and brackets of Chinese and Japanese */
    switch (c) {
    case 0xa0: /* a blank that does not break */
    case 0xa1: /* ¡ */
    case 0xbf: /* ¿ */
        return ' ';
    case 0xab: /* « */
    case 0xbb: /* » */
        return '"';
    case 0x2212: /* minus */
        return '-';
    case 0xad: /* a soft hyphen */
    case 0xfeff:
        return NOTHING;
    default:
        return SAME;
    }
}

/* Skips ASCII, eight bytes at once. */
static size_t skip_ascii(struct span text, size_t at)
{
    for (uint64_t eight; text.n - at >= sizeof eight; at += sizeof eight) {
        memcpy(&eight, text.p + at, sizeof eight);
        if (eight & 0x8080808080808080)
            break;
    }
    while (at < text.n && (unsigned char)text.p[at] < 0x80)
        at++;
    return at;
}

/* The next character from 'at' on that is written otherwise, or text.n; its bytes and its sign. */
static size_t next_change(struct span text, size_t at, int *bytes, int *sign)
{
    while ((at = skip_ascii(text, at)) < text.n) {
        unsigned char first = (unsigned char)text.p[at];
        *bytes = 1;
        if (first == 0xc2 || first == 0xe2 || first == 0xe3 || first == 0xef) {
            *sign = sign_of(text_decode(text, at, bytes));
            if (*sign != SAME)
                return at;
        }
        at += (size_t)*bytes;
    }
    return text.n;
}

int pii_plain_make(struct pii_plain *p, struct span text)
{
    int bytes = 0, sign = SAME;
    size_t done = 0, at = next_change(text, 0, &bytes, &sign);

    p->text = text;
    buf_init(&p->bytes, text.n + 1);
    buf_init(&p->steps, (text.n + 1) * sizeof(struct pii_step));
    if (at == text.n)
        return 0;
    if (!buf_reserve(&p->bytes, text.n + 1))
        return -1;
    for (; at < text.n; at = next_change(text, at, &bytes, &sign)) {
        char c = (char)sign;
        if (buf_add(&p->bytes, text.p + done, at - done) < 0 ||
            (sign != NOTHING && buf_add(&p->bytes, &c, 1) < 0))
            return -1;
        done = at += (size_t)bytes;
        struct pii_step step = {p->bytes.len, done};
        if (buf_add(&p->steps, &step, sizeof step) < 0)
            return -1;
    }
    if (buf_add(&p->bytes, text.p + done, text.n - done) < 0)
        return -1;
    p->text = (struct span){p->bytes.data, p->bytes.len};
    return 0;
}

void pii_plain_deinit(struct pii_plain *p)
{
    buf_deinit(&p->bytes);
    buf_deinit(&p->steps);
}

size_t pii_plain_source(const struct pii_plain *p, size_t i)
{
    const struct pii_step *steps = (const struct pii_step *)(const void *)p->steps.data;
    size_t low = 0, high = p->steps.len / sizeof *steps; /* steps before 'low' are not behind i */

    while (low < high) {
        size_t middle = (low + high) / 2;
        if (steps[middle].plain <= i)
            low = middle + 1;
        else
            high = middle;
    }
    return low ? steps[low - 1].source + (i - steps[low - 1].plain) : i;
}
