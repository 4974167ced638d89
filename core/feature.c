/* feature - what a text shows of the work it asks for, counted in one pass.
 * SPDX-License-Identifier: MIT */
#include "feature.h"

#include "feature_marks.h"
#include "text_char.h"

#include <string.h>
#include <strings.h>

enum {
    LONG_WORD = 11,    /* letters */
    PLAIN_WORD = 3,    /* letters */
    UNSPACED_WORD = 4, /* characters */
    STRETCH = 12       /* bytes between operators of one formula, at most */
};

struct reader {
    const struct lexicon *lexicon;
    struct features *f;
    struct span text;
    size_t at;
    bool order_place;                    /* an order may stand here */
    bool pending;                        /* words since the last sentence ended */
    bool code_line;                      /* this line looks like code */
    size_t operator;                     /* behind the last operator of a formula; 0: none yet */
    size_t dollar;                       /* behind an open '$'; 0: none is open */
    uint32_t before[LEXICON_PHRASE - 1]; /* hashes of the last words, the latest first */
    int run;                             /* how many of them there are */
};

static unsigned char at(const struct reader *r, size_t i)
{
    return i < r->text.n ? (unsigned char)r->text.p[i] : 0;
}

static unsigned char previous(const struct reader *r, size_t i)
{
    return i ? (unsigned char)r->text.p[i - 1] : 0;
}

/* ---- words ---- */

static void count_kinds(struct features *f, unsigned kinds)
{
    f->technical += (kinds & WORD_TECHNICAL) != 0;
    f->vague += (kinds & WORD_VAGUE) != 0;
    f->sequence += (kinds & WORD_SEQUENCE) != 0;
    f->logic += (kinds & WORD_LOGIC) != 0;
    f->constraints += (kinds & WORD_CONSTRAINT) != 0;
}

/* Phrases that end with this word; the word becomes one that phrases go on from. */
static unsigned find_phrases(struct reader *r, uint32_t hash, unsigned kinds)
{
    unsigned found = 0;

    for (int n = 1; n <= r->run && (kinds & WORD_LAST); n++) {
        uint32_t all = r->before[n - 1];
        for (int i = n - 2; i >= 0; i--)
            all = lexicon_join(all, r->before[i]);
        unsigned phrase = lexicon_find(r->lexicon, lexicon_join(all, hash));
        if (phrase & WORD_PHRASE) {
            count_kinds(r->f, phrase);
            found |= phrase;
        }
    }
    for (int i = LEXICON_PHRASE - 2; i > 0; i--)
        r->before[i] = r->before[i - 1];
    r->before[0] = hash;
    r->run += r->run < LEXICON_PHRASE - 1;
    return found;
}

static void count_word(struct reader *r, const char *word, int n, const uint32_t *hashes,
                       bool ascii)
{
    unsigned kinds = lexicon_find(r->lexicon, hashes[n - 1]);

    if (kinds & WORD_PHRASE) /* no phrase has one word */
        kinds = 0;
    if (kinds & ~(unsigned)WORD_COMMON)
        count_kinds(r->f, kinds);
    if (ascii && n >= PLAIN_WORD) {
        r->f->plain++;
        r->f->rare += !(kinds & WORD_COMMON) && !lexicon_is_common(r->lexicon, word, n, hashes);
    }
    r->f->long_words += n >= LONG_WORD;
    r->f->orders += (kinds & WORD_ORDER) != 0;
    r->f->imperatives += (kinds & WORD_ORDER) && r->order_place;
    kinds |= find_phrases(r, hashes[n - 1], kinds) & WORD_LEAD;
    r->order_place = kinds & WORD_LEAD;
}

/* A character of a word that is not ASCII, folded into 'to'; its bytes there, 0 when it is none of a word. */
static int take_wide(struct reader *r, char to[TEXT_BYTES_MAX], int *bytes)
{
    uint32_t c = text_decode(r->text, r->at, bytes);

    if (c == 0x2019) { /* an apostrophe, when a letter follows */
        to[0] = '\'';
        return text_is_letter(at(r, r->at + 3)) ? 1 : 0;
    }
    return text_is_word(c) && !text_is_unspaced(c) ? text_encode(text_fold(c), to) : 0;
}

/* What a word has shown so far. */
struct word {
    char bytes[LEXICON_BYTES]; /* folded */
    uint32_t hashes[LEXICON_BYTES];
    uint32_t hash;
    int n, letters;
    bool ascii, fits;
};

static void add_byte(struct word *w, char folded)
{
    w->fits = w->fits && w->n < LEXICON_BYTES;
    if (!w->fits)
        return;
    w->hash = lexicon_add(w->hash, (unsigned char)folded);
    w->bytes[w->n] = folded;
    w->hashes[w->n++] = w->hash;
}

/* What is no ASCII letter: a digit, an apostrophe, a letter of another script. False: the word ends before it. */
static bool read_rest(struct reader *r, struct word *w)
{
    unsigned char c = at(r, r->at);
    char folded[TEXT_BYTES_MAX] = {(char)c};
    int bytes = 1, count = 1;

    if (c >= 0x80) {
        count = take_wide(r, folded, &bytes);
        w->ascii = w->ascii && count == 1;
    } else if (text_is_digit(c) || c == '_') {
        w->ascii = false; /* "x86" is no word of prose */
    } else if (c != '\'' || !text_is_letter(at(r, r->at + 1))) {
        count = 0;
    }
    for (int i = 0; i < count; i++)
        add_byte(w, folded[i]);
    if (count)
        r->at += (size_t)bytes;
    w->letters += count > 0;
    return count > 0;
}

static void read_word(struct reader *r)
{
    struct word w;

    w.hash = LEXICON_START;
    w.n = w.letters = 0;
    w.ascii = w.fits = true;
    do {
        for (unsigned char c; text_is_letter(c = at(r, r->at)); r->at++, w.letters++)
            add_byte(&w, (char)(c | 0x20));
    } while (r->at < r->text.n && read_rest(r, &w));
    r->f->words++;
    r->pending = true;
    if (w.fits && w.n) {
        count_word(r, w.bytes, w.n, w.hashes, w.ascii);
    } else {
        r->f->long_words += w.letters >= LONG_WORD;
        r->order_place = false;
        r->run = 0;
    }
}

/* Two characters that make a word of the lists: "证明". 'place': an order may stand where they begin. */
static void count_pair(struct reader *r, uint32_t hash, bool place)
{
    unsigned kinds = lexicon_find(r->lexicon, hash);

    count_kinds(r->f, kinds);
    r->f->orders += (kinds & WORD_ORDER) != 0;
    r->f->imperatives += (kinds & WORD_ORDER) && place;
}

static uint32_t add_character(uint32_t hash, struct span text, size_t at, int bytes)
{
    for (int i = 0; i < bytes; i++)
        hash = lexicon_add(hash, (unsigned char)text.p[at + (size_t)i]);
    return hash;
}

/* Chinese, Japanese, Thai: from here to the end of the run. */
static void read_unspaced(struct reader *r)
{
    uint32_t before = 0; /* hash of the character before; 0: there is none */
    size_t others = 0;
    bool place = r->order_place, next = place;

    for (int bytes; r->at < r->text.n; r->at += (size_t)bytes) {
        uint32_t c = text_decode(r->text, r->at, &bytes);
        if (!text_is_unspaced(c))
            break;
        if (before)
            count_pair(r, add_character(before, r->text, r->at, bytes), place);
        before = add_character(LEXICON_START, r->text, r->at, bytes);
        place = next;
        next = lexicon_find(r->lexicon, before) & WORD_LEAD;
        if (c >= 0x2e80 || others++ % UNSPACED_WORD == 0)
            r->f->words++;
    }
    r->pending = true;
    r->order_place = false;
    r->run = 0;
}

static void read_number(struct reader *r)
{
    while (text_is_digit(at(r, r->at)) ||
           ((at(r, r->at) == '.' || at(r, r->at) == ',') && text_is_digit(at(r, r->at + 1))))
        r->at++;
    if (text_is_letter(at(r, r->at)) || at(r, r->at) == '_') { /* "3rd", "2x" */
        read_word(r);
        return;
    }
    r->f->numbers++;
    r->f->words++;
    r->pending = true;
    r->order_place = false;
    r->run = 0;
}

/* ---- sentences ---- */

static void end_sentence(struct reader *r)
{
    r->f->sentences += r->pending;
    r->pending = false;
    r->order_place = true;
    r->operator= 0;
    r->run = 0;
}

/* "?", "!!", "." and what closes behind them, before a blank or the end. */
static void read_stop(struct reader *r, bool question, size_t width)
{
    if (at(r, r->at) == '.' && mark_abbreviation(r->text, r->at)) {
        r->at++;
        return;
    }
    r->at += width;
    for (unsigned char c; (c = at(r, r->at)) == '.' || c == '!' || c == '?'; r->at++)
        question |= c == '?';
    size_t end = r->at;
    for (int i = 0; i < 3 && at(r, end) && strchr("\"')]*_", at(r, end)); i++)
        end++;
    if (width == 1 && end < r->text.n && !text_is_blank(at(r, end)) && at(r, end) < 0x80)
        return; /* "1.5", "a.b", "x?y" */
    r->f->questions += question && r->pending;
    end_sentence(r);
}

/* ---- code and addresses ---- */

static void note_language(struct features *f, struct span name)
{
    for (int i = 0; i < f->languages; i++)
        if (f->language[i].n == name.n && strncasecmp(f->language[i].p, name.p, name.n) == 0)
            return;
    if (name.n && f->languages < FEATURES_LANGUAGES)
        f->language[f->languages++] = name;
}

/* The language behind the fence, when the line holds little else. */
static struct span language_at(const struct reader *r, size_t i)
{
    size_t from = i, end;

    while (text_is_alnum(at(r, i)) || (at(r, i) && strchr("+#.-_", at(r, i))))
        if (++i - from > FEATURES_LANGUAGE)
            return (struct span){0};
    for (end = i; end < i + 64 && at(r, end) && at(r, end) != '\n'; end++)
        if (at(r, end) == '`')
            return (struct span){0};
    return (struct span){r->text.p + from, at(r, end) == '\n' ? i - from : 0};
}

static void count_words_of(struct features *f, struct span code)
{
    bool inside = false;

    for (size_t i = 0; i < code.n; i++) {
        bool word = text_is_alnum((unsigned char)code.p[i]) || code.p[i] == '_' ||
                    (unsigned char)code.p[i] >= 0x80;
        f->words += word && !inside;
        inside = word;
    }
}

/* At ``` or ~~~: to behind the same three signs, or the end. */
static void read_block(struct reader *r)
{
    const unsigned char fence = at(r, r->at);
    size_t from = r->at + 3;

    note_language(r->f, language_at(r, from));
    size_t end =
        from + text_find_three((struct span){r->text.p + from, r->text.n - from}, (char)fence);
    struct span code = {r->text.p + from, end - from};
    r->f->blocks++;
    r->f->block_bytes += code.n;
    count_words_of(r->f, code);
    r->at = end;
    while (r->at < r->text.n && at(r, r->at) == fence)
        r->at++;
    end_sentence(r);
}

static bool is_fence(const struct reader *r, size_t i)
{
    unsigned char c = at(r, i);

    return (c == '`' || c == '~') && at(r, i + 1) == c && at(r, i + 2) == c;
}

/* At "://" behind a scheme, or at "www.". */
static void read_url(struct reader *r)
{
    r->f->urls++;
    while (r->at < r->text.n && at(r, r->at) > ' ' && !strchr("<>\"`", at(r, r->at)))
        r->at++;
    while (previous(r, r->at) &&
           strchr(".,;:!?)]}'", previous(r, r->at))) /* those of the sentence */
        r->at--;
    r->run = 0;
    r->order_place = false;
    r->pending = true;
}

/* ---- lines ---- */

/* What begins a line: a number or a bullet before a blank. */
static void read_item(struct reader *r)
{
    size_t step = mark_step(r->text, r->at);
    unsigned char c = at(r, r->at);
    bool bullet = !step && (((c == '-' || c == '*') && at(r, r->at + 1) == ' ') ||
                            (c == 0xe2 && at(r, r->at + 1) == 0x80 && at(r, r->at + 2) == 0xa2));

    if (!step && !bullet)
        return;
    end_sentence(r);
    r->f->steps += step != 0;
    r->f->bullets += bullet;
    r->at = step ? step : r->at + (c == 0xe2 ? 3 : 1);
}

static void end_line(struct reader *r)
{
    size_t i = r->at;

    while (i && (r->text.p[i - 1] == ' ' || r->text.p[i - 1] == '\t' || r->text.p[i - 1] == '\r') &&
           r->at - i < 8)
        i--;
    unsigned char last = previous(r, i);
    r->f->code_lines += r->code_line || last == ';' || last == '{' || last == '}';
    r->code_line = false;
    r->order_place = true;
    r->operator= r->dollar = 0;
}

static void read_line_start(struct reader *r)
{
    size_t from = r->at;

    while (at(r, r->at) == ' ' || at(r, r->at) == '\t')
        r->at++;
    if (at(r, r->at) == '\n' && from) /* an empty line */
        end_sentence(r);
    if (is_fence(r, r->at))
        read_block(r);
    else
        read_item(r);
}

/* ---- signs ---- */

/* One character before or behind an operator that can be an operand. */
static bool is_operand(const struct reader *r, size_t i, int step)
{
    unsigned char c = at(r, i), beyond = step < 0 ? previous(r, i) : at(r, i + 1);

    if (text_is_digit(c) || c == (step < 0 ? ')' : '(') || c == '\\')
        return true;
    return text_is_letter(c) && (!text_is_letter(beyond) || text_is_digit(beyond));
}

/* '=', '+', '<', ...: part of a formula when operands stand on both sides. */
static void read_operator(struct reader *r, size_t width)
{
    size_t left = r->at, right = r->at + width;

    while (left && r->at - left < 3 && r->text.p[left - 1] == ' ')
        left--;
    while (right - r->at < 4 && at(r, right) == ' ')
        right++;
    if (left && is_operand(r, left - 1, -1) && is_operand(r, right, 1)) {
        r->f->formulas += !r->operator|| r->at - r->operator> STRETCH;
        r->operator= r->at + width;
    }
    r->at += width;
}

/* "$x^2$": closes what is open when there is mathematics in between, or opens. */
static void read_dollar(struct reader *r)
{
    size_t from = r->dollar, n = r->at - from;

    r->at++;
    if (from && n &&
        (memchr(r->text.p + from, '\\', n) || memchr(r->text.p + from, '^', n) ||
         memchr(r->text.p + from, '_', n) || memchr(r->text.p + from, '=', n))) {
        r->f->formulas += r->operator<= from;
        r->operator= r->at;
        r->dollar = 0;
    } else {
        r->dollar = r->at;
        r->operator= 0;
    }
}

/* Of ASCII signs: counted in 'symbols'; the first of two that only code has. */
enum { SYMBOL = 1, PAIR = 2 };
static const unsigned char signs[128] = {
    ['='] = SYMBOL | PAIR, ['<'] = SYMBOL | PAIR, ['>'] = SYMBOL,        ['^'] = SYMBOL,
    ['{'] = SYMBOL | PAIR, ['}'] = SYMBOL,        ['['] = SYMBOL | PAIR, [']'] = SYMBOL,
    ['\\'] = SYMBOL,       ['|'] = SYMBOL | PAIR, ['-'] = PAIR,          ['('] = PAIR,
    ['!'] = PAIR,          ['&'] = PAIR,          ['+'] = PAIR,          [':'] = PAIR,
    ['/'] = PAIR,
};

static bool is_code_pair(unsigned char a, unsigned char b)
{
    static const char pairs[] = "=> -> () == != && || += -= := :: [] {} </ /> ";

    for (const char *p = pairs; *p; p += 3)
        if (a == (unsigned char)p[0] && b == (unsigned char)p[1])
            return true;
    return false;
}

static void read_colon(struct reader *r)
{
    if (at(r, r->at + 1) == '/' && at(r, r->at + 2) == '/' && text_is_letter(previous(r, r->at)) &&
        at(r, r->at + 3) > ' ')
        read_url(r);
    else
        r->at++;
    r->order_place = true;
}

static void read_sign(struct reader *r)
{
    unsigned char c = at(r, r->at), next = at(r, r->at + 1);

    r->f->symbols += signs[c] & SYMBOL;
    r->code_line |= (signs[c] & PAIR) && is_code_pair(c, next);
    switch (c) {
    case '.':
    case '!':
    case '?':
        read_stop(r, c == '?', 1);
        return;
    case ':':
        read_colon(r);
        return;
    case ',':
    case ';':
        r->order_place = true;
        r->run = 0;
        break;
    case '`':
        if (is_fence(r, r->at)) {
            read_block(r);
            return;
        }
        break;
    case '$':
        read_dollar(r);
        return;
    case '\\':
        r->f->formulas += next == '(' || next == '[';
        break;
    case '+':
    case '*':
    case '^':
    case '=':
    case '<':
    case '>':
        read_operator(r, 1);
        return;
    case '-':
    case '/':
        if (previous(r, r->at) == ' ' && next == ' ') {
            read_operator(r, 1);
            return;
        }
        break;
    default:
        break;
    }
    r->at++;
}

/* A character beyond ASCII. */
static void read_wide(struct reader *r)
{
    int bytes;
    uint32_t c = text_decode(r->text, r->at, &bytes);

    if (text_is_unspaced(c)) {
        read_unspaced(r);
    } else if (text_is_word(c)) {
        read_word(r);
    } else if (c == 0x3002 || c == 0xff01 || c == 0xff1f || c == 0x061f ||
               c == 0x0964) { /* 。！？؟। */
        read_stop(r, c == 0xff1f || c == 0x061f, (size_t)bytes);
    } else if (c == 0xd7 || c == 0xf7 || c == 0x2212 ||
               (c >= 0x2260 && c <= 0x2265)) { /* × ÷ − ≠ ≤ ≥ */
        read_operator(r, (size_t)bytes);
    } else {
        r->order_place |= c == 0xff0c || c == 0x3001 || c == 0xff1b || c == 0xff1a; /* ，、；： */
        r->at += (size_t)bytes;
    }
}

/* ---- the pass ---- */

static void count_characters(struct span text, struct features *f)
{
    size_t continued = 0, breaks = 0;

    for (size_t i = 0; i < text.n; i++) { /* a compiler makes this sixteen bytes at a time */
        continued += ((unsigned char)text.p[i] & 0xc0) == 0x80;
        breaks += text.p[i] == '\n';
    }
    f->bytes = text.n;
    f->characters = text.n - continued;
    f->lines = text.n ? breaks + (text.p[text.n - 1] != '\n') : 0;
}

static void read_next(struct reader *r)
{
    unsigned char c = at(r, r->at);

    if (text_is_letter(c) || c == '_') {
        if ((c | 0x20) == 'w' && (at(r, r->at + 1) | 0x20) == 'w' && r->text.n - r->at > 4 &&
            strncasecmp(r->text.p + r->at, "www.", 4) == 0)
            read_url(r);
        else
            read_word(r);
    } else if (c == ' ') {
        r->at++;
    } else if (c == '\n') {
        end_line(r);
        r->at++;
        read_line_start(r);
    } else if (text_is_digit(c)) {
        read_number(r);
    } else if (c >= 0x80) {
        read_wide(r);
    } else {
        read_sign(r);
    }
}

void features_read(const struct lexicon *l, struct span text, struct features *out)
{
    struct reader r = {.lexicon = l, .f = out, .text = text, .order_place = true};

    *out = (struct features){0};
    count_characters(text, out);
    read_line_start(&r);
    while (r.at < text.n)
        read_next(&r);
    if (text.n && text.p[text.n - 1] != '\n')
        end_line(&r);
    end_sentence(&r);
}
