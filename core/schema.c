/* schema - compiling from the outside: memory, the order of the work, circles.
 * SPDX-License-Identifier: MIT */
#include "schema_private.h"

#include "hash.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- memory that lives as long as the schema ---- */

struct arena_chunk {
    struct arena_chunk *next;
    size_t size;
    max_align_t bytes[];
};

enum { CHUNK = 16 << 10 };

void *arena_take(struct arena *a, size_t n)
{
    n = (n + 15) & ~(size_t)15;
    if (n > a->left) {
        size_t size = n > CHUNK / 4 ? n : CHUNK;
        struct arena_chunk *made =
            a->total + size <= a->max ? calloc(1, sizeof *made + size) : NULL;
        if (!made)
            return NULL;
        made->size = size;
        a->total += size;
        if (size != CHUNK &&
            a->chunks) { /* a large one: the rest of the present one stays in use */
            made->next = a->chunks->next;
            a->chunks->next = made;
            return made->bytes;
        }
        made->next = a->chunks;
        a->chunks = made;
        a->left = size;
    }
    struct arena_chunk *now = a->chunks;
    void *p = (char *)now->bytes + (now->size - a->left);
    a->left -= n;
    return p;
}

void arena_free(struct arena *a)
{
    while (a->chunks) {
        struct arena_chunk *next = a->chunks->next;
        free(a->chunks);
        a->chunks = next;
    }
}

void arena_reset(struct arena *a)
{
    struct arena_chunk *kept = a->chunks;

    if (!kept)
        return;
    a->chunks = kept->next;
    arena_free(a);
    kept->next = NULL;
    a->chunks = kept;
    a->left = a->total = kept->size;
}

int schema_grow(void *array, uint32_t n, uint32_t *cap, size_t size)
{
    void **at = array;

    if (n < *cap)
        return 0;
    uint32_t wider = *cap ? 2 * *cap : 16;
    void *made = realloc(*at, wider * size);
    if (!made)
        return -1;
    *at = made;
    *cap = wider;
    return 0;
}

uint32_t schema_name(struct schema *s, struct span text)
{
    uint32_t number = s->n_names;

    if (schema_grow(&s->name_texts, s->n_names, &s->cap_names, sizeof *s->name_texts) < 0)
        return NAME_NONE;
    char *copy = NULL;
    if (names_find(&s->names, text) == NAME_NONE) {
        copy = arena_take(&s->arena, text.n + 1);
        if (!copy)
            return NAME_NONE;
        memcpy(copy, text.p, text.n);
        text.p = copy;
    }
    if (names_add(&s->names, text, &number) < 0)
        return NAME_NONE;
    if (number == s->n_names)
        s->name_texts[s->n_names++] = text;
    return number;
}

/* ---- failing ---- */

int schema_no_memory(struct schema_compiler *c)
{
    return err_set(c->err, ERR_BUDGET, "the schema is too large");
}

int schema_fail(struct schema_compiler *c, const struct schema_doc *doc, uint32_t place,
                const char *format, ...)
{
    char why[300];
    struct buf b;
    va_list args;

    va_start(args, format);
    vsnprintf(why, sizeof why, format, args);
    va_end(args);
    buf_init(&b, 1 << 20);
    if (doc->uri.n && doc != c->s->docs)
        buf_printf(&b, "%.*s#", (int)(doc->uri.n < 100 ? doc->uri.n : 100), doc->uri.p);
    tape_pointer(&doc->tape, place, &b);
    if (b.len == 0)
        buf_puts(&b, "the schema");
    size_t n = b.len < 150 ? b.len : 150;
    err_set(c->err, ERR_BAD_REQUEST, "%.*s%s: %s", (int)n, b.data ? b.data : "",
            n < b.len ? "…" : "", why);
    buf_deinit(&b);
    return -1;
}

/* ---- pointers ---- */

int pointer_token(struct buf *out, struct span text)
{
    if (buf_add(out, "/", 1) < 0)
        return -1;
    for (size_t i = 0, n; i < text.n; i += n) {
        char c = text.p[i];
        for (n = 0; i + n < text.n && text.p[i + n] != '~' && text.p[i + n] != '/'; n++)
            continue;
        if (n ? buf_add(out, text.p + i, n) < 0 : buf_add(out, c == '~' ? "~0" : "~1", 2) < 0)
            return -1;
        n += n == 0;
    }
    return 0;
}

/* The step from the container at 'at' to its child that holds 'place'; the child's place. */
static uint32_t pointer_step(const struct tape *t, uint32_t at, uint32_t place, struct buf *out)
{
    bool object = t->places[at].type == JSON_OBJECT;
    uint32_t i = at + 1, index = 0;

    for (; i < place; index++) {
        uint32_t value = i + object;
        if (place < t->places[value].next)
            break;
        i = t->places[value].next;
    }
    if (object) {
        struct buf room;
        buf_init(&room, SIZE_MAX / 2);
        int rc = pointer_token(out, tape_text(t, &t->places[i], &room));
        buf_deinit(&room);
        return rc < 0 ? 0 : i + 1;
    }
    return buf_printf(out, "/%u", index) < 0 ? 0 : i;
}

int tape_pointer(const struct tape *t, uint32_t place, struct buf *out)
{
    if (place < t->n && t->places[place].type >= TAPE_KEY)
        place++; /* a key stands for its value */
    for (uint32_t at = 0; at != place && at < t->n;) {
        if (t->places[at].type != JSON_OBJECT && t->places[at].type != JSON_ARRAY)
            return -1;
        at = pointer_step(t, at, place, out);
        if (at == 0)
            return -1;
    }
    return 0;
}

/* ---- circles that no document ends ---- */

enum { MARK_OPEN = 1, MARK_DONE = 2 };

/* The n-th schema that applies to the same value whatever it is; NULL: no more. */
static struct schema_node *always(const struct schema_node *node, uint32_t n)
{
    const struct general_rules *g = node->general;

    if (!g)
        return NULL;
    if (g->ref && g->dynamic == NAME_NONE) {
        if (n == 0)
            return g->ref;
        n--;
    }
    return n < g->all.n ? g->all.at[n] : NULL;
}

struct visit {
    struct schema_node *node;
    uint32_t next;
};

static int visit(struct schema_compiler *c, struct schema_node *first, struct visit *stack)
{
    uint32_t depth = 0;

    first->mark = MARK_OPEN;
    stack[depth++] = (struct visit){first, 0};
    while (depth) {
        struct visit *top = &stack[depth - 1];
        struct schema_node *next = always(top->node, top->next++);
        if (!next) {
            top->node->mark = MARK_DONE;
            depth--;
        } else if (next->mark == MARK_OPEN) {
            return schema_fail(c, next->doc, next->place,
                               "it refers to itself without end: no value can fit");
        } else if (next->mark == 0) {
            next->mark = MARK_OPEN;
            stack[depth++] = (struct visit){next, 0};
        }
    }
    return 0;
}

static int find_circles(struct schema_compiler *c)
{
    struct schema *s = c->s;
    struct visit *stack = malloc((s->n_nodes + 1) * sizeof *stack);
    int rc = stack ? 0 : schema_no_memory(c);

    for (uint32_t i = 0; rc == 0 && i < s->n_nodes; i++)
        if (s->nodes[i]->mark == 0)
            rc = visit(c, s->nodes[i], stack);
    free(stack);
    return rc;
}

/* ---- hints for alternatives ---- */

enum { REFS_MAX = 8 };

static struct schema_hint hint_of(const struct schema_node *node)
{
    struct schema_hint none = {NAME_NONE, {NULL, 0}};

    for (int i = 0; i < REFS_MAX && !node->object; i++) {
        const struct general_rules *g = node->general;
        if (!g || !g->ref || g->dynamic != NAME_NONE)
            return none;
        node = g->ref;
    }
    for (uint32_t i = 0; node->object && i < node->object->n; i++) {
        const struct schema_property *p = &node->object->properties[i];
        const struct value_set *set =
            p->node && p->node->general ? p->node->general->constant : NULL;
        const struct place *v = set ? &set->tape->places[set->places[0]] : NULL;
        if (p->required && v && v->type == JSON_STRING && !v->escaped)
            return (struct schema_hint){p->name, {set->tape->text + v->at, v->n}};
    }
    return none;
}

static int add_hints(struct schema_compiler *c, struct schema_nodes *list)
{
    bool any = false;

    if (list->n < 2)
        return 0;
    struct schema_hint *hints = arena_take(&c->s->arena, list->n * sizeof *hints);
    if (!hints)
        return schema_no_memory(c);
    for (uint32_t i = 0; i < list->n; i++) {
        hints[i] = hint_of(list->at[i]);
        any |= hints[i].name != NAME_NONE;
    }
    list->hints = any ? hints : NULL;
    return 0;
}

static int find_hints(struct schema_compiler *c)
{
    for (uint32_t i = 0; i < c->s->n_nodes; i++) {
        struct general_rules *g = c->s->nodes[i]->general;
        if (g && (add_hints(c, &g->any) < 0 || add_hints(c, &g->one) < 0))
            return -1;
    }
    return 0;
}

/* ---- compiling ---- */

static int compile(struct schema_compiler *c, struct span text)
{
    struct schema *s = c->s;

    if (keywords_init(c) < 0)
        return -1;
    for (size_t i = 0; i < c->options->n_remotes; i++) {
        uint32_t number = (uint32_t)i;
        if (names_add(&c->remotes, c->options->remotes[i].uri, &number) < 0)
            return schema_no_memory(c);
    }
    struct schema_doc *doc = schema_load(c, text, SPAN(""));
    if (!doc)
        return -1;
    s->root = doc->nodes[0];
    for (uint32_t i = 0; i < s->n_nodes; i++) /* references add to them */
        if (schema_rules(c, s->nodes[i]) < 0)
            return -1;
    return find_circles(c) < 0 ? -1 : find_hints(c);
}

static void compiler_end(struct schema_compiler *c)
{
    names_deinit(&c->uris);
    names_deinit(&c->anchors);
    names_deinit(&c->dynamic_names);
    names_deinit(&c->keywords);
    names_deinit(&c->remotes);
    names_deinit(&c->index);
    free(c->resources);
    free(c->anchored);
    free(c->props);
    free(c->prop_of);
    buf_deinit(&c->room);
    buf_deinit(&c->room2);
}

struct schema *schema_new(struct span text, const struct schema_options *options, struct err *err)
{
    struct schema *s = calloc(1, sizeof *s);
    struct hash_key key;

    if (!s) {
        err_set(err, ERR_BUDGET, "no memory for a schema");
        return NULL;
    }
    hash_key_init(&key);
    s->seed = key.a;
    s->arena.max = 64 * (size_t)SCHEMA_BYTES_MAX;
    names_init(&s->names, key.b);
    struct schema_compiler c = {.s = s, .options = options, .err = err};
    names_init(&c.uris, key.a);
    names_init(&c.anchors, key.a);
    names_init(&c.dynamic_names, key.a);
    names_init(&c.keywords, key.a);
    names_init(&c.remotes, key.a);
    names_init(&c.index, key.a);
    buf_init(&c.room, SCHEMA_BYTES_MAX);
    buf_init(&c.room2, SCHEMA_BYTES_MAX);
    int rc = compile(&c, text);
    compiler_end(&c);
    if (rc < 0) {
        schema_free(s);
        return NULL;
    }
    return s;
}

void schema_free(struct schema *s)
{
    if (!s)
        return;
    for (uint32_t i = 0; i < s->n_patterns; i++)
        regex_free(s->patterns[i]);
    for (struct schema_doc *d = s->docs; d; d = d->next)
        tape_deinit(&d->tape);
    names_deinit(&s->names);
    free(s->name_texts);
    free(s->nodes);
    free(s->patterns);
    arena_free(&s->arena);
    free(s);
}

size_t schema_bytes(const struct schema *s)
{
    size_t n = sizeof *s + s->arena.total + s->cap_nodes * sizeof(void *) +
               s->cap_names * sizeof(struct span) + s->n_patterns * 2048;

    for (const struct schema_doc *d = s->docs; d; d = d->next)
        n += d->tape.cap * sizeof(struct place);
    return n;
}
