/* schema_index - finding the schemas in a text: resources, anchors, and what references lead to.
 * SPDX-License-Identifier: MIT */
#include "schema_private.h"

#include "schema_uri.h"
#include "text_char.h"

#include <stdlib.h>
#include <string.h>

enum { METAS_MAX = 8, INDEX_FROM = 32 };

static struct span copy_text(struct schema *s, struct span text)
{
    char *p = arena_take(&s->arena, text.n + 1);

    if (!p)
        return (struct span){NULL, 0};
    memcpy(p, text.p, text.n);
    return (struct span){p, text.n};
}

/* The string value at a place, unescaped, in c->room; fails when it is none. */
static int text_at(struct schema_compiler *c, const struct schema_doc *doc, uint32_t place,
                   struct span *text)
{
    const struct place *v = &doc->tape.places[place];

    if (v->type != JSON_STRING)
        return schema_fail(c, doc, place, "must be a string");
    *text = tape_text(&doc->tape, v, &c->room);
    return text->p ? 0 : schema_no_memory(c);
}

static struct span without_fragment(struct span uri)
{
    const char *sign = uri.n ? memchr(uri.p, '#', uri.n) : NULL;
    return sign ? (struct span){uri.p, (size_t)(sign - uri.p)} : uri;
}

/* ---- dialects ---- */

static bool known_dialect(struct span uri, enum schema_draft *draft)
{
    static const struct {
        const char *name;
        enum schema_draft draft;
    } known[] = {{"://json-schema.org/draft/2020-12/schema", SCHEMA_2020_12},
                 {"://json-schema.org/draft/2019-09/schema", SCHEMA_2019_09},
                 {"://json-schema.org/draft-07/schema", SCHEMA_7},
                 {"://json-schema.org/draft-06/schema", SCHEMA_7}};
    const char *colon = uri.n ? memchr(uri.p, ':', uri.n) : NULL;

    if (!colon)
        return false;
    struct span rest = {colon, uri.n - (size_t)(colon - uri.p)};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (span_is(rest, known[i].name)) {
            *draft = known[i].draft;
            return true;
        }
    }
    return false;
}

static unsigned vocabulary_of(struct span uri)
{
    static const struct {
        const char *name;
        unsigned bit;
    } known[] = {{"core", VOCAB_CORE},
                 {"applicator", VOCAB_APPLICATOR},
                 {"unevaluated", VOCAB_UNEVALUATED},
                 {"validation", VOCAB_VALIDATION},
                 {"format-annotation", VOCAB_OTHER},
                 {"format-assertion", VOCAB_FORMAT},
                 {"format", VOCAB_OTHER},
                 {"meta-data", VOCAB_OTHER},
                 {"content", VOCAB_OTHER}};
    static const char *const roots[] = {"https://json-schema.org/draft/2020-12/vocab/",
                                        "https://json-schema.org/draft/2019-09/vocab/"};

    for (size_t r = 0; r < 2; r++) {
        size_t n = strlen(roots[r]);
        if (uri.n <= n || memcmp(uri.p, roots[r], n) != 0)
            continue;
        struct span name = {uri.p + n, uri.n - n};
        for (size_t i = 0; i < sizeof known / sizeof *known; i++)
            if (span_is(name, known[i].name))
                return known[i].bit;
    }
    return 0;
}

static int read_vocabulary(struct schema_compiler *c, const struct schema_resource *r,
                           const struct tape *meta, uint32_t list, unsigned *bits)
{
    uint32_t key, value;

    *bits = VOCAB_CORE;
    for (uint32_t i = list + 1; tape_next(meta, &i, meta->places[list].next, &key, &value);) {
        struct span uri = tape_text(meta, &meta->places[key], &c->room2);
        unsigned bit = uri.p ? vocabulary_of(uri) : 0;
        if (!bit && meta->places[value].type == JSON_TRUE)
            return schema_fail(c, r->doc, r->place,
                               "its metaschema requires a vocabulary that is not known: %.*s",
                               (int)(uri.n < 120 ? uri.n : 120), uri.p);
        *bits |= bit;
    }
    if (*bits & VOCAB_APPLICATOR && r->draft != SCHEMA_2020_12)
        *bits |= VOCAB_UNEVALUATED; /* draft 2019-09 has them there */
    return 0;
}

/* What the metaschema 'uri' of the table says of the resource. */
static int read_meta(struct schema_compiler *c, struct schema_resource *r, struct span uri,
                     int level)
{
    struct tape meta;
    struct err err;
    int rc = 0;
    uint32_t number = names_find(&c->remotes, uri);

    if (known_dialect(uri, &r->draft))
        return 0;
    if (number == NAME_NONE || level == METAS_MAX)
        return schema_fail(c, r->doc, r->place, "$schema names a dialect that is not known: %.*s",
                           (int)(uri.n < 120 ? uri.n : 120), uri.p);
    tape_init(&meta);
    if (tape_read(&meta, c->options->remotes[number].text, &c->uris, false, &err) < 0) {
        rc = schema_fail(c, r->doc, r->place, "its metaschema is no JSON: %s", err.message);
    } else {
        uint32_t list = tape_member(&meta, 0, "$vocabulary"), up = tape_member(&meta, 0, "$schema");
        struct buf room;
        buf_init(&room, SCHEMA_BYTES_MAX);
        if (up && meta.places[up].type == JSON_STRING) {
            struct span text = tape_text(&meta, &meta.places[up], &room);
            rc = read_meta(c, r, without_fragment(text.p ? text : SPAN("")), level + 1);
        }
        if (rc == 0 && list && meta.places[list].type == JSON_OBJECT)
            rc = read_vocabulary(c, r, &meta, list, &r->vocabulary);
        buf_deinit(&room);
    }
    tape_deinit(&meta);
    return rc;
}

static int set_dialect(struct schema_compiler *c, struct schema_resource *r)
{
    const struct tape *t = &r->doc->tape;
    uint32_t value = tape_member(t, r->place, "$schema");
    struct span text;

    if (!value)
        return 0;
    if (text_at(c, r->doc, value, &text) < 0)
        return -1;
    r->vocabulary = VOCAB_ALL & ~(unsigned)VOCAB_FORMAT;
    if (read_meta(c, r, without_fragment(text), 0) < 0)
        return -1;
    r->formats = c->options->formats || (r->vocabulary & VOCAB_FORMAT);
    return 0;
}

/* ---- resources and anchors ---- */

static struct schema_resource *new_resource(struct schema_compiler *c, struct schema_doc *doc,
                                            uint32_t place, struct span uri,
                                            const struct schema_resource *outer)
{
    struct schema_resource *r = arena_take(&c->s->arena, sizeof *r);

    if (!r ||
        schema_grow(&c->resources, c->n_resources, &c->cap_resources, sizeof *c->resources) < 0) {
        schema_no_memory(c);
        return NULL;
    }
    *r = (struct schema_resource){.uri = uri,
                                  .doc = doc,
                                  .place = place,
                                  .draft = outer ? outer->draft : c->options->draft,
                                  .vocabulary = outer ? outer->vocabulary
                                                      : VOCAB_ALL & ~(unsigned)VOCAB_FORMAT,
                                  .formats = outer ? outer->formats : c->options->formats};
    if (set_dialect(c, r) < 0)
        return NULL;
    c->resources[c->n_resources] = r;
    uint32_t number = c->n_resources++;
    if (names_add(&c->uris, uri, &number) < 0) {
        schema_no_memory(c);
        return NULL;
    }
    return r;
}

/* Resolves against the resource's URI; a copy that stays. */
static struct span absolute(struct schema_compiler *c, struct span base, struct span ref)
{
    struct span none = {NULL, 0};

    c->room2.len = 0;
    if (uri_resolve(base, ref, &c->room2) < 0 || buf_add(&c->room2, "", 1) < 0) {
        schema_no_memory(c);
        return none;
    }
    c->room2.len--;
    struct span made = copy_text(c->s, buf_span(&c->room2));
    if (!made.p)
        schema_no_memory(c);
    return made;
}

static struct span anchor_key(struct schema_compiler *c, struct span uri, struct span name)
{
    c->room2.len = 0;
    if (buf_add_span(&c->room2, uri) < 0 || buf_add(&c->room2, "#", 1) < 0 ||
        buf_add_span(&c->room2, name) < 0)
        return (struct span){NULL, 0};
    return buf_span(&c->room2);
}

static int add_anchor(struct schema_compiler *c, struct schema_node *node, uint32_t place,
                      struct span name)
{
    struct span key = anchor_key(c, node->resource->uri, name);
    uint32_t number = c->n_anchored;

    if (key.p)
        key = copy_text(c->s, key);
    if (!key.p ||
        schema_grow(&c->anchored, c->n_anchored, &c->cap_anchored, sizeof *c->anchored) < 0 ||
        names_add(&c->anchors, key, &number) < 0)
        return schema_no_memory(c);
    if (number != c->n_anchored && c->anchored[number] != node)
        return schema_fail(c, node->doc, place, "the anchor '%.*s' is there twice",
                           (int)(name.n < 100 ? name.n : 100), name.p);
    if (number == c->n_anchored)
        c->anchored[c->n_anchored++] = node;
    return 0;
}

static int add_dynamic(struct schema_compiler *c, struct schema_node *node, struct span name)
{
    struct schema_dynamic *d = arena_take(&c->s->arena, sizeof *d);
    uint32_t number = c->dynamic_names.count;
    struct span copy = copy_text(c->s, name);

    if (!d || !copy.p || names_add(&c->dynamic_names, copy, &number) < 0)
        return schema_no_memory(c);
    *d = (struct schema_dynamic){node->resource->dynamics, number, node};
    node->resource->dynamics = d;
    return 0;
}

/* ---- the walk ---- */

static struct schema_node *walk(struct schema_compiler *c, struct schema_doc *doc, uint32_t place,
                                struct schema_resource *resource);

static struct schema_node *new_node(struct schema_compiler *c, struct schema_doc *doc,
                                    uint32_t place, struct schema_resource *resource)
{
    struct schema *s = c->s;
    struct schema_node *node = arena_take(&s->arena, sizeof *node);

    if (!node || s->n_nodes == SCHEMA_NODES_MAX ||
        schema_grow(&s->nodes, s->n_nodes, &s->cap_nodes, sizeof *s->nodes) < 0) {
        schema_no_memory(c);
        return NULL;
    }
    node->doc = doc;
    node->place = place;
    node->resource = resource;
    node->types = TYPE_ANY;
    s->nodes[s->n_nodes++] = node;
    doc->nodes[place] = node;
    return node;
}

/* $id: a new resource, or (draft 7, "#name") an anchor. */
static int take_id(struct schema_compiler *c, struct schema_node *node, uint32_t value)
{
    struct span id, fragment;

    if (text_at(c, node->doc, value, &id) < 0)
        return -1;
    fragment = uri_split(id).fragment;
    bool named = fragment.p && fragment.n;
    if (named && node->resource->draft != SCHEMA_7)
        return schema_fail(c, node->doc, value, "\"$id\" must have no fragment");
    struct span copy = copy_text(c->s, id);
    if (!copy.p)
        return schema_no_memory(c);
    fragment = uri_split(copy).fragment;
    struct span uri = without_fragment(copy);
    if (uri.n) {
        uri = absolute(c, node->resource->uri, uri);
        struct schema_resource *r =
            uri.p ? new_resource(c, node->doc, node->place, uri, node->resource) : NULL;
        if (!r)
            return -1;
        r->node = node;
        node->resource = r;
    }
    return named ? add_anchor(c, node, value, fragment) : 0;
}

/* The name at a place: a letter or '_', then also digits and "-._" (2019-09: and ':'). */
static int anchor_at(struct schema_compiler *c, struct schema_node *node, uint32_t place,
                     struct span *name)
{
    const char *more = node->resource->draft == SCHEMA_2019_09 ? "-._:" : "-._";

    if (text_at(c, node->doc, place, name) < 0)
        return -1;
    bool good = name->n && (text_is_letter((unsigned char)name->p[0]) || name->p[0] == '_');
    for (size_t i = 1; good && i < name->n; i++)
        good = text_is_alnum((unsigned char)name->p[i]) || (name->p[i] && strchr(more, name->p[i]));
    if (good)
        return 0;
    return schema_fail(c, node->doc, place,
                       "must be a name: a letter or '_', then letters, digits and any of %s", more);
}

static int take_names(struct schema_compiler *c, struct schema_node *node)
{
    const struct tape *t = &node->doc->tape;
    uint32_t value;
    struct span name;
    bool old = node->resource->draft == SCHEMA_7;

    if (!old && (value = tape_member(t, node->place, "$anchor"))) {
        if (anchor_at(c, node, value, &name) < 0 || add_anchor(c, node, value, name) < 0)
            return -1;
    }
    if (!old && (value = tape_member(t, node->place, "$dynamicAnchor"))) {
        if (anchor_at(c, node, value, &name) < 0 || add_anchor(c, node, value, name) < 0 ||
            add_dynamic(c, node, name) < 0)
            return -1;
    }
    value = node->resource->draft == SCHEMA_2019_09
                ? tape_member(t, node->place, "$recursiveAnchor")
                : 0;
    if (value && t->places[value].type == JSON_TRUE)
        return add_dynamic(c, node, SPAN(""));
    return 0;
}

static int walk_children(struct schema_compiler *c, struct schema_node *node, uint32_t value,
                         const struct keyword *k)
{
    const struct tape *t = &node->doc->tape;
    uint32_t key, at, end = t->places[value].next;

    if (k->shape == SHAPE_MAP) {
        bool names = strcmp(k->name, "dependencies") == 0;
        for (uint32_t i = value + 1; tape_next(t, &i, end, &key, &at);) {
            if (names && t->places[at].type == JSON_ARRAY)
                continue;
            if (!walk(c, node->doc, at, node->resource))
                return -1;
        }
        return 0;
    }
    for (uint32_t i = value + 1; i < end; i = t->places[i].next)
        if (!walk(c, node->doc, i, node->resource))
            return -1;
    return 0;
}

static int walk_keyword(struct schema_compiler *c, struct schema_node *node, uint32_t key)
{
    const struct keyword *k = keyword_of(c, node, key);
    uint32_t value = key + 1;
    uint8_t type = node->doc->tape.places[value].type;

    if (!k || k->shape == SHAPE_NONE)
        return 0;
    if (k->shape == SHAPE_SCHEMA || (k->shape == SHAPE_EITHER && type != JSON_ARRAY))
        return walk(c, node->doc, value, node->resource) ? 0 : -1;
    bool map = k->shape == SHAPE_MAP;
    if (type != (map ? JSON_OBJECT : JSON_ARRAY))
        return schema_fail(c, node->doc, value,
                           map ? "must be an object of schemas" : "must be an array of schemas");
    return walk_children(c, node, value, k);
}

static struct schema_node *walk(struct schema_compiler *c, struct schema_doc *doc, uint32_t place,
                                struct schema_resource *resource)
{
    const struct tape *t = &doc->tape;
    const struct place *v = &t->places[place];

    if (doc->nodes[place])
        return doc->nodes[place];
    if (v->type != JSON_OBJECT && v->type != JSON_TRUE && v->type != JSON_FALSE) {
        schema_fail(c, doc, place, "a schema must be an object or a boolean");
        return NULL;
    }
    struct schema_node *node = new_node(c, doc, place, resource);
    if (!node || v->type != JSON_OBJECT)
        return node;
    /* in draft 7 a $ref hides what stands beside it */
    bool hidden = resource->draft == SCHEMA_7 && tape_member(t, place, "$ref");
    uint32_t id = hidden ? 0 : tape_member(t, place, "$id"), key, value;
    if (resource->place == place && resource->doc == doc)
        resource->node = node;
    if (id && take_id(c, node, id) < 0)
        return NULL;
    if (!hidden && take_names(c, node) < 0)
        return NULL;
    for (uint32_t i = place + 1; tape_next(t, &i, v->next, &key, &value);)
        if (walk_keyword(c, node, key) < 0)
            return NULL;
    return node;
}

struct schema_doc *schema_load(struct schema_compiler *c, struct span text, struct span uri)
{
    struct schema *s = c->s;
    struct schema_doc *doc = arena_take(&s->arena, sizeof *doc), **last = &s->docs;
    struct err err;

    c->bytes += text.n;
    if (c->bytes > SCHEMA_BYTES_MAX) {
        err_set(c->err, ERR_BUDGET, "the schema has more than %d bytes", SCHEMA_BYTES_MAX);
        return NULL;
    }
    struct span copy = copy_text(s, text);
    if (!doc || !copy.p) {
        schema_no_memory(c);
        return NULL;
    }
    doc->uri = uri;
    tape_init(&doc->tape);
    while (*last)
        last = &(*last)->next;
    *last = doc;
    if (tape_read(&doc->tape, copy, &c->uris, false, &err) < 0) {
        err_set(c->err, err.code, "%.*s%sno JSON: %s", (int)(uri.n < 120 ? uri.n : 120), uri.p,
                uri.n ? ": " : "the schema is ", err.message);
        return NULL;
    }
    /* keys must not have numbers of URIs: only their hashes are of use */
    doc->nodes = arena_take(&s->arena, doc->tape.n * sizeof *doc->nodes);
    struct schema_resource *r = doc->nodes ? new_resource(c, doc, 0, uri, NULL) : NULL;
    if (!doc->nodes)
        schema_no_memory(c);
    return r && walk(c, doc, 0, r) ? doc : NULL;
}

/* ---- references ---- */

static struct schema_resource *find_resource(struct schema_compiler *c, struct schema_node *node,
                                             uint32_t value, struct span uri)
{
    uint32_t number = names_find(&c->uris, uri);

    if (number != NAME_NONE)
        return c->resources[number];
    uint32_t remote = names_find(&c->remotes, uri);
    struct span text = remote == NAME_NONE ? schema_meta(uri) : c->options->remotes[remote].text;
    if (!text.p) {
        schema_fail(c, node->doc, value,
                    "refers to %.*s, which is not in the table of remotes (nothing is fetched)",
                    (int)(uri.n < 150 ? uri.n : 150), uri.p);
        return NULL;
    }
    struct span copy = copy_text(c->s, uri);
    if (!copy.p) {
        schema_no_memory(c);
        return NULL;
    }
    if (!schema_load(c, text, copy))
        return NULL;
    return c->resources[names_find(&c->uris, copy)];
}

/* The member of a large object: its names are kept in a table, since many references go there. */
static uint32_t find_indexed(struct schema_compiler *c, struct schema_doc *doc, uint32_t at,
                             struct span name)
{
    const struct tape *t = &doc->tape;
    uint32_t key, value;

    if (c->indexed_doc != doc || c->indexed != at) {
        names_deinit(&c->index);
        names_init(&c->index, c->s->seed);
        c->indexed_doc = doc;
        c->indexed = at;
        for (uint32_t i = at + 1; tape_next(t, &i, t->places[at].next, &key, &value);) {
            struct span text = {t->text + t->places[key].at, t->places[key].n};
            if (t->places[key].escaped) {
                text = copy_text(c->s, tape_text(t, &t->places[key], &c->room));
                if (!text.p)
                    continue;
            }
            if (names_add(&c->index, text, &value) < 0)
                break;
        }
    }
    uint32_t found = names_find(&c->index, name);
    return found == NAME_NONE ? 0 : found;
}

static uint32_t find_element(const struct tape *t, uint32_t at, struct span token)
{
    uint32_t index = 0, i = at + 1;

    if (token.n == 0 || token.n > 7 || (token.n > 1 && token.p[0] == '0'))
        return 0;
    for (size_t k = 0; k < token.n; k++) {
        if (token.p[k] < '0' || token.p[k] > '9')
            return 0;
        index = index * 10 + (uint32_t)(token.p[k] - '0');
    }
    if (index >= t->places[at].n)
        return 0;
    while (index--)
        i = t->places[i].next;
    return i;
}

static uint32_t find_member(struct schema_compiler *c, struct schema_doc *doc, uint32_t at,
                            struct span name)
{
    const struct tape *t = &doc->tape;
    uint32_t key, value;

    if (t->places[at].type == JSON_ARRAY)
        return find_element(t, at, name);
    if (t->places[at].type != JSON_OBJECT)
        return 0;
    if (t->places[at].n >= INDEX_FROM)
        return find_indexed(c, doc, at, name);
    for (uint32_t i = at + 1; tape_next(t, &i, t->places[at].next, &key, &value);)
        if (tape_is(t, &t->places[key], name))
            return value;
    return 0;
}

/* Undoes ~0 and ~1 in place; the new length. */
static size_t unescape_token(char *p, size_t n)
{
    size_t to = 0;

    for (size_t i = 0; i < n; i++) {
        if (p[i] == '~' && i + 1 < n && (p[i + 1] == '0' || p[i + 1] == '1'))
            p[to++] = p[++i] == '0' ? '~' : '/';
        else
            p[to++] = p[i];
    }
    return to;
}

/* Follows a JSON Pointer (without percent signs, may be changed) from the resource's root. */
static struct schema_node *follow(struct schema_compiler *c, struct schema_resource *r, char *p,
                                  size_t n)
{
    struct schema_doc *doc = r->doc;
    uint32_t at = r->place;
    char *end = p + n;

    while (p < end) {
        char *token = ++p;
        while (p < end && *p != '/')
            p++;
        struct span name = {token, unescape_token(token, (size_t)(p - token))};
        at = find_member(c, doc, at, name);
        if (!at)
            return NULL;
        if (doc->nodes[at])
            r = doc->nodes[at]->resource;
    }
    return walk(c, doc, at, r);
}

struct schema_node *schema_node_at(const struct schema_node *near, uint32_t place)
{
    return near->doc->nodes[place];
}

static struct schema_node *at_fragment(struct schema_compiler *c, struct schema_resource *r,
                                       struct span fragment, uint32_t *dynamic)
{
    if (fragment.n == 0)
        return r->node;
    if (fragment.p[0] == '/')
        return follow(c, r, (char *)fragment.p, fragment.n);
    struct span key = anchor_key(c, r->uri, fragment);
    uint32_t number = key.p ? names_find(&c->anchors, key) : NAME_NONE;
    if (number == NAME_NONE)
        return NULL;
    struct schema_node *node = c->anchored[number];
    uint32_t name = names_find(&c->dynamic_names, fragment);
    for (const struct schema_dynamic *d = node->resource->dynamics; d; d = d->next)
        if (d->node == node && d->name == name)
            *dynamic = name;
    return node;
}

struct schema_node *schema_resolve(struct schema_compiler *c, struct schema_node *node,
                                   uint32_t value, uint32_t *dynamic)
{
    struct span ref;
    struct buf fragment;

    *dynamic = NAME_NONE;
    if (text_at(c, node->doc, value, &ref) < 0)
        return NULL;
    struct span uri = absolute(c, node->resource->uri, without_fragment(ref));
    struct span raw = uri_split(ref).fragment;
    buf_init(&fragment, SCHEMA_BYTES_MAX);
    if (!uri.p || uri_decode(raw.p ? raw : SPAN(""), &fragment) < 0) {
        buf_deinit(&fragment);
        return NULL;
    }
    struct schema_resource *r = find_resource(c, node, value, uri);
    if (!r) {
        buf_deinit(&fragment);
        return NULL;
    }
    c->err->code = ERR_NONE;
    struct schema_node *found = at_fragment(c, r, buf_span(&fragment), dynamic);
    buf_deinit(&fragment);
    if (!found && c->err->code == ERR_NONE) {
        const struct tape *t = &node->doc->tape;
        struct span shown = tape_text(t, &t->places[value], &c->room);
        schema_fail(c, node->doc, value, "refers to '%.*s', which is not there",
                    (int)(shown.n < 150 ? shown.n : 150), shown.p);
    }
    return found;
}
