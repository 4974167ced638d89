/* schema_tape - one pass over the text, and the names that a schema knows.
 * SPDX-License-Identifier: MIT */
#include "schema_tape.h"

#include "json_bytes.h"

#include <stdlib.h>
#include <string.h>

enum { FIRST_PLACES = 256 };
static const uint32_t HASHED = 1u << 31; /* in the number of a name that nobody knows */

/* ---- names ---- */

void names_init(struct names *t, uint64_t seed)
{
    *t = (struct names){.seed = seed};
}

void names_deinit(struct names *t)
{
    free(t->slots);
    t->slots = NULL;
}

static struct name_slot *slot_of(const struct names *t, struct span text, uint32_t hash)
{
    for (uint32_t i = hash & t->mask;; i = (i + 1) & t->mask) {
        struct name_slot *s = &t->slots[i];
        if (!s->p || (s->hash == hash && s->n == text.n && memcmp(s->p, text.p, text.n) == 0))
            return s;
    }
}

static uint32_t find_hashed(const struct names *t, struct span text, uint32_t hash)
{
    if (!t->slots)
        return NAME_NONE;
    const struct name_slot *s = slot_of(t, text, hash);
    return s->p ? s->number : NAME_NONE;
}

uint32_t names_find(const struct names *t, struct span text)
{
    return find_hashed(t, text, (uint32_t)tape_hash(t->seed, text));
}

static int grow_names(struct names *t)
{
    uint32_t size = t->slots ? 2 * (t->mask + 1) : 16;
    struct names wider = {.mask = size - 1, .seed = t->seed};

    wider.slots = calloc(size, sizeof *wider.slots);
    if (!wider.slots)
        return -1;
    for (uint32_t i = 0; t->slots && i <= t->mask; i++) {
        const struct name_slot *s = &t->slots[i];
        if (s->p)
            *slot_of(&wider, (struct span){s->p, s->n}, s->hash) = *s;
    }
    free(t->slots);
    t->slots = wider.slots;
    t->mask = wider.mask;
    return 0;
}

int names_add(struct names *t, struct span text, uint32_t *number)
{
    uint32_t hash = (uint32_t)tape_hash(t->seed, text);

    if ((!t->slots || 2 * t->count >= t->mask) && grow_names(t) < 0)
        return -1;
    struct name_slot *s = slot_of(t, text, hash);
    if (!s->p) {
        *s = (struct name_slot){text.p ? text.p : "", (uint32_t)text.n, hash, *number};
        t->count++;
    }
    *number = s->number;
    return 0;
}

/* ---- texts ---- */

struct span tape_text(const struct tape *t, const struct place *v, struct buf *room)
{
    if (!v->escaped)
        return (struct span){t->text + v->at, v->n};
    room->len = 0;
    if (!buf_reserve(room, v->n + 2))
        return (struct span){NULL, 0};
    room->len = json_unescape((struct span){t->text + v->at - 1, v->n + 2}, room->data);
    return buf_span(room);
}

bool tape_is(const struct tape *t, const struct place *v, struct span text)
{
    if (!v->escaped)
        return v->n == text.n && memcmp(t->text + v->at, text.p, text.n) == 0;
    return json_text_is((struct span){t->text + v->at - 1, v->n + 2}, text);
}

/* Where the text of a container ends is behind its last child, brackets and spaces. */
struct span tape_raw(const struct tape *t, uint32_t at)
{
    const struct place *v = &t->places[at];
    struct span rest = {t->text + v->at, t->size - v->at}, key, value;
    struct json_iter it = {0};

    if (v->type == JSON_STRING || v->type == TAPE_KEY)
        return (struct span){rest.p - 1, v->n + 2};
    if (v->type != JSON_ARRAY && v->type != JSON_OBJECT)
        return (struct span){rest.p, v->n};
    while (json_next(rest, &it, &key, &value))
        continue;
    const char *end = t->text + t->size, *p = rest.p + (it.at ? it.at : 1);
    while (p < end && *p != ']' && *p != '}')
        p++;
    return (struct span){rest.p, (size_t)(p - rest.p) + (p < end)};
}

uint32_t tape_member(const struct tape *t, uint32_t at, const char *name)
{
    uint32_t key, value;
    struct span text = {name, strlen(name)};

    if (t->places[at].type != JSON_OBJECT)
        return 0;
    for (uint32_t i = at + 1, end = t->places[at].next; tape_next(t, &i, end, &key, &value);)
        if (tape_is(t, &t->places[key], text))
            return value;
    return 0;
}

/* ---- reading ---- */

/* A container that is open. 'seen' has a bit for each name so far: a bit twice, and the names are compared. */
struct frame {
    uint32_t place, children;
    uint64_t seen[2];
    bool doubtful;
};

struct tape_reader {
    struct tape *t;
    const struct names *names;
    struct json_reader in;
    struct err *err;
    int depth;
    struct frame frames[JSON_DEPTH_MAX + 1]; /* the first one is outside of everything */
};

void tape_init(struct tape *t)
{
    *t = (struct tape){.text = ""};
    buf_init(&t->scratch, SIZE_MAX / 2);
}

void tape_deinit(struct tape *t)
{
    free(t->places);
    buf_deinit(&t->scratch);
    tape_init(t);
}

static int grow_places(struct tape *t, struct err *err)
{
    uint32_t cap = t->cap ? 2 * t->cap : FIRST_PLACES;

    if (cap > TAPE_PLACES_MAX)
        return err_set(err, ERR_BUDGET, "the document has more than %d values", TAPE_PLACES_MAX);
    struct place *wider = realloc(t->places, cap * sizeof *wider);
    if (!wider)
        return err_set(err, ERR_BUDGET, "no memory for the document");
    t->places = wider;
    t->cap = cap;
    return 0;
}

static inline struct place *new_place(struct tape_reader *r)
{
    struct tape *t = r->t;

    if (t->n == t->cap && grow_places(t, r->err) < 0)
        return NULL;
    return &t->places[t->n++];
}

static int add_scalar(struct tape_reader *r, struct span token, enum json_type type)
{
    struct place *v = new_place(r);
    uint32_t quote = type == JSON_STRING;

    if (!v)
        return -1;
    *v = (struct place){.at = (uint32_t)(token.p - r->t->text) + quote,
                        .n = (uint32_t)token.n - 2 * quote,
                        .next = r->t->n,
                        .type = (uint8_t)type,
                        .escaped = r->in.escaped};
    r->frames[r->depth].children++;
    return 0;
}

static int add_cut(struct tape_reader *r, struct span token, enum json_type type)
{
    if (add_scalar(r, token, type) < 0)
        return -1;
    r->t->places[r->t->n - 1].open = true;
    return 0;
}

static int add_key(struct tape_reader *r)
{
    struct span token = r->in.token;
    struct frame *f = &r->frames[r->depth];
    struct place *v = new_place(r);

    if (!v)
        return -1;
    *v = (struct place){.at = (uint32_t)(token.p - r->t->text) + 1,
                        .n = (uint32_t)token.n - 2,
                        .type = TAPE_KEY,
                        .escaped = r->in.escaped};
    struct span text = tape_text(r->t, v, &r->t->scratch);
    if (!text.p)
        return err_set(r->err, ERR_BUDGET, "no memory for the document");
    uint32_t hash = (uint32_t)tape_hash(r->names ? r->names->seed : 0, text);
    uint32_t number = r->names ? find_hashed(r->names, text, hash) : NAME_NONE;
    v->next = number == NAME_NONE ? (hash | HASHED) : number;
    uint64_t bit = UINT64_C(1) << (v->next & 63), *seen = &f->seen[v->next >> 6 & 1];
    f->doubtful |= (*seen & bit) != 0;
    *seen |= bit;
    return 0;
}

static int open_container(struct tape_reader *r, enum json_type type)
{
    struct place *v = new_place(r);

    if (!v)
        return -1;
    *v = (struct place){.at = (uint32_t)r->in.at - 1, .type = (uint8_t)type};
    r->frames[r->depth].children++;
    r->frames[++r->depth] = (struct frame){.place = r->t->n - 1};
    return 0;
}

/* ---- names that come twice ---- */

static bool same_key(struct tape *t, const struct place *a, const struct place *b)
{
    if (a->next != b->next)
        return false;
    if (!(a->next & HASHED))
        return true;
    struct span text = tape_text(t, a, &t->scratch);
    return text.p && tape_is(t, b, text);
}

/* Marks all but the last of each name, with a table of the last place of each. */
static int drop_doubles(struct tape *t, struct frame *f, struct err *err)
{
    uint32_t size = 16, key, value;

    while (size < 2 * f->children)
        size *= 2;
    uint32_t *last = calloc(size, sizeof *last);
    if (!last)
        return err_set(err, ERR_BUDGET, "no memory for the document");
    for (uint32_t i = f->place + 1; tape_next(t, &i, t->n, &key, &value);) {
        uint32_t slot = (uint32_t)(t->places[key].next * UINT64_C(0x9E3779B97F4A7C15) >> 32);
        for (slot &= size - 1; last[slot]; slot = (slot + 1) & (size - 1)) {
            if (same_key(t, &t->places[last[slot]], &t->places[key])) {
                t->places[last[slot]].type = TAPE_GONE;
                f->children--;
                break;
            }
        }
        last[slot] = key;
    }
    free(last);
    return 0;
}

static int close_container(struct tape_reader *r)
{
    struct frame *f = &r->frames[r->depth--];
    struct place *v = &r->t->places[f->place];

    if (f->doubtful && drop_doubles(r->t, f, r->err) < 0)
        return -1;
    v->next = r->t->n;
    v->n = f->children;
    return 0;
}

/* ---- texts that were cut ---- */

/* Bytes of the escape at p; 0: it is none, -1: it is cut. */
static int escape_size(const char *p, const char *end)
{
    if (end - p < 2)
        return -1;
    if (p[1] != 'u')
        return strchr("\"\\/bfnrt", p[1]) && p[1] ? 2 : 0;
    for (int i = 2; i < 6; i++) {
        if (p + i == end)
            return -1;
        if (!json_is_digit(p[i]) && !((p[i] | 0x20) >= 'a' && (p[i] | 0x20) <= 'f'))
            return 0;
    }
    return 6;
}

/* Is the string whose quote is at p cut by the end, and right so far? Sets the token to what is whole of it. */
static bool begins_string(struct tape_reader *r, const char *p, const char *end)
{
    const char *q = p + 1, *whole = q;

    r->in.escaped = false;
    while ((q = whole = json_text_end(q, end)) < end) {
        if (*q == '\\') {
            bool pair =
                end - q > 3 && q[1] == 'u' && (q[2] | 0x20) == 'd' && strchr("89abAB", q[3]);
            int n = escape_size(q, end);
            if (n == 0)
                return false;
            if (n < 0 || (pair && end - q < 12))
                break;
            q += n;
            r->in.escaped = true;
        } else if ((unsigned char)*q >= 0xC2 && end - q < 4) {
            break; /* half a character */
        } else {
            return false;
        }
    }
    r->in.token = (struct span){p, (size_t)(whole - p) + 1};
    return true;
}

static const char *skip_digits(const char *p, const char *end)
{
    while (p < end && json_is_digit(*p))
        p++;
    return p;
}

/* May these bytes become a number (RFC 8259, 6)? */
static bool begins_number(const char *p, const char *end)
{
    p += p < end && *p == '-';
    if (p == end)
        return true;
    if (!json_is_digit(*p))
        return false;
    p = *p == '0' ? p + 1 : skip_digits(p, end);
    if (p < end && *p == '.') {
        const char *digits = ++p;
        p = skip_digits(p, end);
        if (p == digits && p < end)
            return false;
    }
    if (p < end && (*p | 0x20) == 'e') {
        p++;
        p += p < end && (*p == '+' || *p == '-');
        p = skip_digits(p, end);
    }
    return p == end;
}

/* What the beginning of a word or of a number will be; -1: of neither. */
static int begins_word(const char *p, const char *end)
{
    static const struct {
        const char *text;
        enum json_type type;
    } words[] = {{"true", JSON_TRUE}, {"false", JSON_FALSE}, {"null", JSON_NULL}};
    size_t n = (size_t)(end - p);

    for (size_t i = 0; i < 3; i++)
        if (n < strlen(words[i].text) && memcmp(p, words[i].text, n) == 0)
            return words[i].type;
    return n && begins_number(p, end) ? JSON_NUMBER : -1;
}

/* A whole key, and nothing behind it. Sets the token to it. */
static bool ends_with_key(struct tape_reader *r, const char *p, const char *end)
{
    struct err err;

    while (end > p && json_is_space(end[-1]))
        end--;
    r->in.token = (struct span){p, (size_t)(end - p)};
    r->in.escaped = memchr(p, '\\', r->in.token.n) != NULL;
    return json_check(r->in.token, &err) == 0;
}

static int take_key(struct tape_reader *r, const char *p, const char *end)
{
    if (ends_with_key(r, p, end))
        return add_key(r);
    if (!begins_string(r, p, end))
        return -1;
    struct place *v = new_place(r);
    if (!v)
        return -1;
    *v = (struct place){.at = (uint32_t)(p - r->t->text) + 1,
                        .n = (uint32_t)r->in.token.n - 2,
                        .type = TAPE_KEY,
                        .escaped = r->in.escaped,
                        .open = true};
    return 0;
}

/* The reader failed at the end of a text that may go on. Takes what is there of the value; -1: it is wrong, not cut. */
static int take_rest(struct tape_reader *r, size_t before)
{
    const char *end = r->t->text + r->t->size, *p = json_skip_space(r->t->text + before, end);
    uint32_t inside = r->frames[r->depth].place;
    bool object = r->depth && r->t->places[inside].type == JSON_OBJECT;
    bool key_last = r->t->n && r->t->places[r->t->n - 1].type == TAPE_KEY;
    bool comma = p < end && *p == ',' && !key_last;

    if (comma)
        p = json_skip_space(p + 1, end);
    if (p == end) {
        r->t->comma_in = comma && !object ? inside + 1 : 0;
        return 0;
    }
    if (object && !key_last)
        return *p == '"' ? take_key(r, p, end) : -1;
    if (*p == '"' && begins_string(r, p, end))
        return add_cut(r, r->in.token, JSON_STRING);
    int type = begins_word(p, end);
    return type < 0 ? -1 : add_cut(r, (struct span){p, (size_t)(end - p)}, (enum json_type)type);
}

/* A key without its value is no member yet; what is open is marked. */
static int close_cut(struct tape_reader *r)
{
    if (r->t->n && r->t->places[r->t->n - 1].type == TAPE_KEY) {
        r->t->key = --r->t->n;
        r->t->key_in = r->frames[r->depth].place;
    }
    while (r->depth) {
        r->t->places[r->frames[r->depth].place].open = true;
        if (close_container(r) < 0)
            return -1;
    }
    return 0;
}

/* A number at the very end may go on: no more than its kind is known yet. */
static bool is_unsure(const struct tape_reader *r)
{
    return r->in.type == JSON_NUMBER && r->in.at == r->t->size;
}

static int step(struct tape_reader *r, bool beginning)
{
    size_t before = r->in.at;

    switch (json_read(&r->in)) {
    case JSON_T_VALUE:
        return (beginning && is_unsure(r) ? add_cut : add_scalar)(r, r->in.token, r->in.type);
    case JSON_T_KEY:
        return add_key(r);
    case JSON_T_OPEN_ARRAY:
        return open_container(r, JSON_ARRAY);
    case JSON_T_OPEN_OBJECT:
        return open_container(r, JSON_OBJECT);
    case JSON_T_CLOSE_ARRAY:
    case JSON_T_CLOSE_OBJECT:
        return close_container(r);
    case JSON_T_END:
        return 1;
    default:
        *r->err = r->in.err;
        if (beginning && take_rest(r, before) == 0)
            return close_cut(r) < 0 ? -1 : 1;
        return -1;
    }
}

int tape_read(struct tape *t, struct span doc, const struct names *names, bool beginning,
              struct err *err)
{
    struct tape_reader r; /* not cleared: frames are filled when they are used */
    int end;

    if (doc.n > UINT32_MAX / 2)
        return err_set(err, ERR_BUDGET, "the document is too large");
    r.t = t;
    r.names = names;
    r.err = err;
    r.depth = 0;
    r.frames[0] = (struct frame){0};
    t->text = doc.p ? doc.p : "";
    t->size = doc.n;
    t->n = 0;
    t->key = t->comma_in = 0;
    json_reader_init(&r.in, doc);
    do
        end = step(&r, beginning);
    while (end == 0);
    return end < 0 ? -1 : 0;
}
