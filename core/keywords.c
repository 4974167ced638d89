/* keywords - many terms found in one pass over a text (Aho and Corasick 1975).
 * SPDX-License-Identifier: MIT
 *
 * The terms, folded and sorted, make a trie whose nodes are numbered level by level: the children of a node lie side
 * by side, so that a node needs one bit for each byte that goes on and the number of its first child. From a node
 * without the wanted child its 'fail' leads to the longest suffix that is a node. */
#include "keywords.h"

#include "text_char.h"
#include "text_same.h"

#include <stdlib.h>
#include <string.h>

#define NONE UINT32_MAX

enum { RING = 512 /* a power of 2 above KEYWORD_BYTES */ };

struct node {
    uint64_t bits[4];      /* the bytes that go on */
    uint32_t first;        /* child */
    uint32_t fail;         /* the longest proper suffix that is a node */
    uint32_t term;         /* that ends here, or NONE */
    uint32_t out;          /* the longest proper suffix in which a term ends; 0: none */
    unsigned char rank[4]; /* bits in the words before */
    uint16_t depth;        /* bytes from the root */
};

struct keywords {
    struct node *nodes;
    size_t n;
    uint32_t *same; /* for each term */
    size_t terms;
    bool inside;
    uint32_t root[256]; /* the root's children, or 0 */
};

/* ---- building ---- */

struct word {
    const char *p;
    uint32_t n, term;
};

/* Appends the folded term; white space at its ends does not count. */
static int add_folded(struct buf *b, struct span term)
{
    size_t start = b->len;
    bool blank = false;

    for (size_t at = 0; at < term.n;) {
        int bytes;
        char c[TEXT_BYTES_MAX];
        uint32_t same[TEXT_SAME_MAX], first;
        int n = text_same(term, at, same, &bytes, &first);
        at += (size_t)bytes;
        if (n && same[0] == ' ') {
            blank = b->len > start;
            continue;
        }
        for (int i = 0; i < n; i++, blank = false)
            if ((blank && buf_add(b, " ", 1) < 0) ||
                buf_add(b, c, (size_t)text_encode(same[i], c)) < 0)
                return -1;
    }
    return 0;
}

static int compare(const void *a, const void *b)
{
    const struct word *x = a, *y = b;
    int order = memcmp(x->p, y->p, x->n < y->n ? x->n : y->n);

    if (order)
        return order;
    if (x->n != y->n)
        return x->n < y->n ? -1 : 1;
    return x->term < y->term ? -1 : x->term > y->term;
}

static int fold_terms(const struct span *terms, size_t n, struct buf *all, struct word *words,
                      struct err *err)
{
    for (size_t i = 0; i < n; i++) {
        size_t start = all->len;
        if (add_folded(all, terms[i]) < 0) {
            err_set(err, ERR_BAD_REQUEST, "the keywords are longer than %d bytes together",
                    KEYWORDS_BYTES);
            return -1;
        }
        words[i].n = (uint32_t)(all->len - start);
        words[i].term = (uint32_t)i;
        if (!words[i].n || words[i].n > KEYWORD_BYTES) {
            err_set(err, ERR_BAD_REQUEST, "keyword %zu must have 1 to %d bytes", i + 1,
                    KEYWORD_BYTES);
            return -1;
        }
    }
    for (size_t i = 0, at = 0; i < n; at += words[i++].n)
        words[i].p = all->data + at;
    return 0;
}

/* Leaves each word once. */
static size_t unite(struct keywords *k, struct word *words, size_t n)
{
    size_t kept = 0;

    qsort(words, n, sizeof *words, compare);
    for (size_t i = 0; i < n; i++) {
        const struct word *w = &words[i], *last = kept ? &words[kept - 1] : NULL;
        if (last && last->n == w->n && memcmp(last->p, w->p, w->n) == 0) {
            k->same[w->term] = last->term;
            continue;
        }
        k->same[w->term] = w->term;
        words[kept++] = *w;
    }
    return kept;
}

/* Without a call, which GCC makes for processors of which it knows nothing. */
static uint32_t count_ones(uint64_t bits)
{
    bits -= bits >> 1 & 0x5555555555555555;
    bits = (bits & 0x3333333333333333) + (bits >> 2 & 0x3333333333333333);
    bits = (bits + (bits >> 4)) & 0x0f0f0f0f0f0f0f0f;
    return (uint32_t)(bits * 0x0101010101010101 >> 56);
}

static uint32_t child(const struct node *node, unsigned char c)
{
    uint64_t bits = node->bits[c >> 6], bit = (uint64_t)1 << (c & 63);

    if (!(bits & bit))
        return 0;
    return node->first + node->rank[c >> 6] + count_ones(bits & (bit - 1));
}

static uint32_t go_on(const struct keywords *k, uint32_t at, unsigned char c)
{
    while (at) {
        uint32_t next = child(&k->nodes[at], c);
        if (next)
            return next;
        at = k->nodes[at].fail;
    }
    return k->root[c];
}

/* The words that go through a node. */
struct part {
    uint32_t low, high;
};

static void count_bits(struct node *node)
{
    unsigned sum = 0;

    for (int i = 0; i < 4; i++) {
        node->rank[i] = (unsigned char)sum;
        sum += count_ones(node->bits[i]);
    }
}

/* Makes the children of a node, which share its words by their next byte. */
static void spread(struct keywords *k, const struct word *words, struct part *parts, uint32_t at)
{
    struct node *node = &k->nodes[at];
    struct part part = parts[at];
    uint16_t depth = node->depth;

    node->first = (uint32_t)k->n;
    if (part.low < part.high && words[part.low].n == depth)
        node->term = words[part.low++].term;
    while (part.low < part.high) {
        unsigned char c = (unsigned char)words[part.low].p[depth];
        uint32_t end = part.low + 1, next = (uint32_t)k->n++;
        while (end < part.high && (unsigned char)words[end].p[depth] == c)
            end++;
        parts[next] = (struct part){part.low, end};
        k->nodes[next] = (struct node){.term = NONE, .depth = (uint16_t)(depth + 1)};
        node->bits[c >> 6] |= (uint64_t)1 << (c & 63);
        part.low = end;
    }
    count_bits(node);
}

static void link_child(struct keywords *k, uint32_t at, uint32_t next, unsigned char c)
{
    struct node *to = &k->nodes[next];

    to->fail = at ? go_on(k, k->nodes[at].fail, c) : 0;
    const struct node *fail = &k->nodes[to->fail];
    to->out = fail->term != NONE ? to->fail : fail->out;
    if (!at)
        k->root[c] = next;
}

static void link_children(struct keywords *k, uint32_t at)
{
    const struct node *node = &k->nodes[at];
    uint32_t next = node->first;

    for (int word = 0; word < 4; word++)
        for (uint64_t bits = node->bits[word]; bits; bits &= bits - 1)
            link_child(k, at, next++, (unsigned char)(64 * word + __builtin_ctzll(bits)));
}

static int build(struct keywords *k, const struct word *words, size_t n)
{
    size_t most = 1;

    for (size_t i = 0; i < n; i++) /* a node for each byte that the word before does not share */
        for (uint32_t d = 0; d < words[i].n; d++)
            if (!i || d >= words[i - 1].n || memcmp(words[i].p, words[i - 1].p, d + 1) != 0) {
                most += words[i].n - d;
                break;
            }
    struct part *parts = malloc(most * sizeof *parts);
    k->nodes = malloc(most * sizeof *k->nodes);
    if (!parts || !k->nodes) {
        free(parts);
        return -1;
    }
    k->nodes[0] = (struct node){.term = NONE};
    parts[0] = (struct part){0, (uint32_t)n};
    k->n = 1;
    for (uint32_t at = 0; at < k->n; at++) {
        spread(k, words, parts, at);
        link_children(k, at);
    }
    free(parts);
    return 0;
}

struct keywords *keywords_new(const struct span *terms, size_t n, bool inside, struct err *err)
{
    struct keywords *k = calloc(1, sizeof *k);
    struct word *words = calloc(n + 1, sizeof *words);
    struct buf all;
    int result = -1;

    buf_init(&all, KEYWORDS_BYTES);
    err_set(err, ERR_INTERNAL, "not enough memory for keywords");
    if (n > KEYWORDS_MAX)
        err_set(err, ERR_BAD_REQUEST, "more than %d keywords", KEYWORDS_MAX);
    else if (k && words && (k->same = calloc(n + 1, sizeof *k->same))) {
        k->terms = n;
        k->inside = inside;
        if (fold_terms(terms, n, &all, words, err) == 0)
            result = build(k, words, unite(k, words, n));
    }
    free(words);
    buf_deinit(&all);
    if (result < 0) {
        keywords_free(k);
        return NULL;
    }
    return k;
}

void keywords_free(struct keywords *k)
{
    if (!k)
        return;
    free(k->nodes);
    free(k->same);
    free(k);
}

size_t keywords_bytes(const struct keywords *k)
{
    return sizeof *k + k->n * sizeof *k->nodes + k->terms * sizeof *k->same;
}

struct keywords *keywords_move(struct keywords *k, void *block)
{
    struct keywords *to = block;

    *to = *k;
    to->nodes = (struct node *)(void *)(to + 1);
    to->same = (uint32_t *)(void *)(to->nodes + k->n);
    memcpy(to->nodes, k->nodes, k->n * sizeof *k->nodes);
    memcpy(to->same, k->same, k->terms * sizeof *k->same);
    keywords_free(k);
    return to;
}

size_t keywords_same(const struct keywords *k, size_t i)
{
    return k->same[i];
}

/* ---- finding ---- */

struct finder {
    const struct keywords *k;
    void (*hit)(void *arg, const struct keyword_hit *h);
    void *arg;
    uint32_t at;                      /* node */
    uint32_t written;                 /* folded bytes so far */
    size_t from[RING];                /* where the character of a folded byte begins in the text */
    bool border[RING];                /* does a word begin there? */
    struct keyword_hit waiting[RING]; /* hits that a longer one may still swallow */
    uint32_t first, end;              /* of these, counted up without end */
};

static void give(struct finder *f)
{
    f->hit(f->arg, &f->waiting[f->first++ & (RING - 1)]);
}

/* A hit that ends behind all others swallows those that lie in it, and gives way to one that it only overlaps. */
static void note(struct finder *f, const struct keyword_hit *h)
{
    while (f->end != f->first && f->waiting[(f->end - 1) & (RING - 1)].from >= h->from)
        f->end--;
    if (f->end != f->first && f->waiting[(f->end - 1) & (RING - 1)].to > h->from)
        return;
    if (f->end - f->first == RING) /* no term reaches back so far */
        give(f);
    f->waiting[f->end++ & (RING - 1)] = *h;
}

/* The longest term that ends here, if any. */
static void look(struct finder *f, size_t to)
{
    const struct node *nodes = f->k->nodes;
    uint32_t at = nodes[f->at].term != NONE ? f->at : nodes[f->at].out;

    for (; at; at = nodes[at].out) {
        uint32_t start = (f->written - nodes[at].depth) & (RING - 1);
        if (!f->border[start] && !f->k->inside)
            continue;
        note(f, &(struct keyword_hit){nodes[at].term, f->from[start], to});
        return;
    }
}

static void feed(struct finder *f, unsigned char c, size_t from, bool border)
{
    uint32_t slot = f->written++ & (RING - 1);

    if (!f->at && !border && !f->k->inside) /* no term begins here */
        return;
    f->from[slot] = from;
    f->border[slot] = border;
    f->at = f->at ? go_on(f->k, f->at, c) : f->k->root[c];
    if (!border && !f->k->inside && f->k->nodes[f->at].depth == 1)
        f->at = 0;
}

/* A character as text_same gives it. */
static void feed_same(struct finder *f, const uint32_t *same, int n, size_t from, bool border)
{
    char bytes[TEXT_BYTES_MAX];

    for (int k = 0; k < n; k++) {
        int width = text_encode(same[k], bytes);
        for (int i = 0; i < width; i++)
            feed(f, (unsigned char)bytes[i], from, border && i == 0 && k == 0);
    }
}

/* Is there a border between two characters? 0 stands for the ends of the text. */
static bool is_border(uint32_t a, uint32_t b)
{
    return !text_is_word(a) || !text_is_word(b) || text_is_unspaced(a) || text_is_unspaced(b);
}

static bool is_hangul(uint32_t c)
{
    return c >= 0xac00 && c <= 0xd7a3;
}

/* May a term end between two characters? Behind a Korean word particles follow without a blank. */
static bool may_end(const struct keywords *k, uint32_t a, uint32_t b, bool border)
{
    return border || (k->inside && !text_is_mark(b)) || (is_hangul(a) && is_hangul(b));
}

/* The character at 'at' of the text, 'last' is the one before; returns its bytes. */
static int step(struct finder *f, struct span text, size_t at, uint32_t *last)
{
    uint32_t c = (unsigned char)text.p[at], same[TEXT_SAME_MAX] = {c};
    int bytes = 1, n = 1;

    if (c >= 0x80 || (at + 1 < text.n && text_may_mark(text.p[at + 1]))) {
        n = text_same(text, at, same, &bytes, &c);
        if (!n)
            return bytes;
    } else {
        same[0] = text_is_blank((unsigned char)c) ? ' ' : (unsigned char)text_lower((char)c);
    }
    bool border = is_border(*last, c);
    if (f->at && may_end(f->k, *last, c, border))
        look(f, at);
    if (same[0] != ' ')
        feed_same(f, same, n, at, border);
    else if (*last != ' ')
        feed(f, ' ', at, border);
    *last = same[0] == ' ' ? ' ' : c;
    return bytes;
}

void keywords_find(const struct keywords *k, struct span text,
                   void (*hit)(void *arg, const struct keyword_hit *h), void *arg)
{
    struct finder f;
    uint32_t last = 0;

    f.k = k, f.hit = hit, f.arg = arg;
    f.at = f.written = f.first = f.end = 0;
    for (size_t at = 0; at < text.n;)
        at += (size_t)step(&f, text, at, &last);
    if (f.at)
        look(&f, text.n);
    while (f.first != f.end)
        give(&f);
}
