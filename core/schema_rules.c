/* schema_rules - keywords into rules: what a check looks at.
 * SPDX-License-Identifier: MIT */
#include "schema_rules.h"

#include <stdlib.h>
#include <string.h>

enum { SET_INDEX_FROM = 8 };

/* ---- groups of rules, made when the first of them comes ---- */

#define GROUP(name, field, start)                                                                  \
    static struct name##_rules *name##_of(struct schema_compiler *c, struct schema_node *node)     \
    {                                                                                              \
        if (!node->field) {                                                                        \
            node->field = arena_take(&c->s->arena, sizeof *node->field);                           \
            if (node->field)                                                                       \
                *node->field = (struct name##_rules)start;                                         \
            else                                                                                   \
                schema_no_memory(c);                                                               \
        }                                                                                          \
        return node->field;                                                                        \
    }

#define START_STRING                                                                               \
    {                                                                                              \
        .min = -1, .max = -1                                                                       \
    }
#define START_ARRAY                                                                                \
    {                                                                                              \
        .min = -1, .max = -1, .least = -1, .most = -1                                              \
    }
#define START_OBJECT                                                                               \
    {                                                                                              \
        .min = -1, .max = -1                                                                       \
    }
#define START_GENERAL                                                                              \
    {                                                                                              \
        .dynamic = NAME_NONE                                                                       \
    }
#define START_NUMBER                                                                               \
    {                                                                                              \
        .min = {.there = false }                                                                   \
    }

GROUP(number, number, START_NUMBER)
GROUP(string, string, START_STRING)
GROUP(array, array, START_ARRAY)
GROUP(general, general, START_GENERAL)

static struct object_rules *object_of(struct schema_compiler *c, struct schema_node *node)
{
    return schema_object(c, node);
}

static struct span raw(const struct schema_node *node, uint32_t value)
{
    return (struct span){node->doc->tape.text + schema_place(node, value)->at,
                         schema_place(node, value)->n};
}

/* ---- what keywords may hold ---- */

static int read_count(struct schema_compiler *c, struct schema_node *node, uint32_t value,
                      int64_t *to)
{
    if (schema_place(node, value)->type == JSON_NUMBER) {
        struct decimal d = decimal_of(raw(node, value));
        if (decimal_is_integer(&d) && !d.negative) {
            *to = decimal_count(&d);
            *to = *to < 0 ? INT64_MAX : *to; /* more than there can be */
            return 0;
        }
    }
    return schema_fail(c, node->doc, value, "must be a whole number of at least 0");
}

static int read_bound(struct schema_compiler *c, struct schema_node *node, uint32_t value,
                      struct schema_bound *to)
{
    if (schema_place(node, value)->type != JSON_NUMBER)
        return schema_fail(c, node->doc, value, "must be a number");
    to->there = true;
    to->exact = decimal_of(raw(node, value));
    to->small = json_int(raw(node, value), &to->fast) == 0;
    return 0;
}

static int read_flag(struct schema_compiler *c, struct schema_node *node, uint32_t value, bool *to)
{
    uint8_t type = schema_place(node, value)->type;

    if (type != JSON_TRUE && type != JSON_FALSE)
        return schema_fail(c, node->doc, value, "must be true or false");
    *to = type == JSON_TRUE;
    return 0;
}

struct span schema_text(struct schema_compiler *c, struct schema_node *node, uint32_t value)
{
    struct span none = {NULL, 0};

    if (schema_place(node, value)->type != JSON_STRING) {
        schema_fail(c, node->doc, value, "must be a string");
        return none;
    }
    struct span text = tape_text(&node->doc->tape, schema_place(node, value), &c->room);
    if (!text.p)
        schema_no_memory(c);
    return text;
}

static int read_list(struct schema_compiler *c, struct schema_node *node, uint32_t value,
                     struct schema_nodes *to)
{
    const struct place *v = schema_place(node, value);

    if (v->n == 0 && v->type == JSON_ARRAY)
        return schema_fail(c, node->doc, value, "must have at least one schema");
    to->at = arena_take(&c->s->arena, v->n * sizeof *to->at);
    if (!to->at)
        return schema_no_memory(c);
    for (uint32_t i = value + 1; i < v->next; i = schema_place(node, i)->next)
        to->at[to->n++] = schema_node_at(node, i);
    return 0;
}

struct regex *schema_pattern(struct schema_compiler *c, struct schema_node *node, uint32_t place,
                             struct span text)
{
    struct schema *s = c->s;
    struct err err;

    if (schema_grow(&s->patterns, s->n_patterns, &s->cap_patterns, sizeof *s->patterns) < 0) {
        schema_no_memory(c);
        return NULL;
    }
    struct regex *re = regex_new(text, REGEX_ECMA, 0, &err);
    if (!re) {
        schema_fail(c, node->doc, place, "no regular expression of ECMA-262: %s", err.message);
        return NULL;
    }
    s->patterns[s->n_patterns++] = re;
    return re;
}

/* ---- any value ---- */

static int type_bit(struct schema_compiler *c, struct schema_node *node, uint32_t value,
                    unsigned *bits, unsigned *seen)
{
    static const struct {
        const char *name;
        unsigned bits;
    } types[] = {{"string", 1 << JSON_STRING}, {"number", 1 << JSON_NUMBER | TYPE_INTEGER},
                 {"integer", TYPE_INTEGER},    {"object", 1 << JSON_OBJECT},
                 {"array", 1 << JSON_ARRAY},   {"boolean", 1 << JSON_TRUE | 1 << JSON_FALSE},
                 {"null", 1 << JSON_NULL}};
    struct span text = schema_text(c, node, value);

    if (!text.p)
        return -1;
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        if (span_is(text, types[i].name)) {
            if (*seen >> i & 1)
                return schema_fail(c, node->doc, value, "'%s' is there twice", types[i].name);
            *bits |= types[i].bits;
            *seen |= 1u << i;
            return 0;
        }
    }
    return schema_fail(c, node->doc, value, "there is no type '%.*s'",
                       (int)(text.n < 60 ? text.n : 60), text.p);
}

static int rule_type(struct schema_compiler *c, struct schema_node *node, uint32_t value)
{
    const struct place *v = schema_place(node, value);
    unsigned bits = 0, seen = 0;

    if (v->type == JSON_STRING) {
        if (type_bit(c, node, value, &bits, &seen) < 0)
            return -1;
    } else {
        if (v->type != JSON_ARRAY || v->n == 0)
            return schema_fail(c, node->doc, value,
                               "must be the name of a type, or a list of such");
        for (uint32_t i = value + 1; i < v->next; i = schema_place(node, i)->next)
            if (type_bit(c, node, i, &bits, &seen) < 0)
                return -1;
    }
    node->types = (uint8_t)bits;
    return 0;
}

static int index_set(struct schema_compiler *c, struct value_set *set)
{
    uint32_t size = 16;

    while (size < 2 * set->n)
        size *= 2;
    set->index = arena_take(&c->s->arena, size * sizeof *set->index);
    if (!set->index)
        return schema_no_memory(c);
    set->mask = size - 1;
    for (uint32_t i = 0; i < set->n; i++) {
        int64_t steps = INT64_MAX;
        uint32_t slot =
            (uint32_t)value_hash(set->tape, set->places[i], c->s->seed, &steps) & set->mask;
        while (set->index[slot])
            slot = (slot + 1) & set->mask;
        set->index[slot] = i + 1;
    }
    return 0;
}

static struct value_set *new_set(struct schema_compiler *c, struct schema_node *node, uint32_t n,
                                 const char *keyword)
{
    struct value_set *set = arena_take(&c->s->arena, sizeof *set);
    uint32_t *places = arena_take(&c->s->arena, (n + 1) * sizeof *places);

    if (!set || !places) {
        schema_no_memory(c);
        return NULL;
    }
    *set = (struct value_set){.keyword = keyword, .tape = &node->doc->tape, .places = places};
    return set;
}

static void add_to_set(struct value_set *set, uint32_t place)
{
    set->places[set->n++] = place;
    set->types |= (uint8_t)(1u << set->tape->places[place].type);
}

static int rule_const(struct schema_compiler *c, struct schema_node *node, uint32_t value)
{
    struct general_rules *g = general_of(c, node);
    struct value_set *set = g ? new_set(c, node, 1, "const") : NULL;

    if (!set)
        return -1;
    add_to_set(set, value);
    g->constant = set;
    return 0;
}

static int rule_enum(struct schema_compiler *c, struct schema_node *node, uint32_t value)
{
    const struct place *v = schema_place(node, value);

    if (v->type != JSON_ARRAY)
        return schema_fail(c, node->doc, value, "must be an array of values");
    struct general_rules *g = general_of(c, node);
    struct value_set *set = g ? new_set(c, node, v->n, "enum") : NULL;
    if (!set)
        return -1;
    for (uint32_t i = value + 1; i < v->next; i = schema_place(node, i)->next)
        add_to_set(set, i);
    g->choice = set;
    return set->n >= SET_INDEX_FROM ? index_set(c, set) : 0;
}

/* ---- other schemas for the same value ---- */

static int refer(struct schema_compiler *c, struct schema_node *node, uint32_t value,
                 const char *keyword)
{
    struct general_rules *g = general_of(c, node);
    uint32_t dynamic;
    struct schema_node *to = g ? schema_resolve(c, node, value, &dynamic) : NULL;

    if (!to)
        return -1;
    if (g->ref) { /* $ref and $dynamicRef side by side: one of them through "all" */
        struct schema_node *extra = arena_take(&c->s->arena, sizeof *extra);
        struct schema_node **all = arena_take(&c->s->arena, (g->all.n + 1) * sizeof *all);
        if (!extra || !all)
            return schema_no_memory(c);
        *extra = (struct schema_node){.doc = node->doc,
                                      .resource = node->resource,
                                      .place = node->place,
                                      .types = TYPE_ANY,
                                      .answer = ANSWER_RULES,
                                      .mark = 2};
        if (!(extra->general = general_of(c, extra)))
            return -1;
        extra->general->ref = g->ref;
        extra->general->ref_keyword = g->ref_keyword;
        extra->general->dynamic = g->dynamic;
        memcpy(all, g->all.at, g->all.n * sizeof *all);
        all[g->all.n++] = extra;
        g->all.at = all;
    }
    g->ref = to;
    g->ref_keyword = keyword;
    g->dynamic = NAME_NONE;
    if (strcmp(keyword, "$ref") != 0) {
        g->dynamic = dynamic;
        c->s->dynamic |= dynamic != NAME_NONE;
    }
    return 0;
}

static int rule_ref(struct schema_compiler *c, struct schema_node *node, uint32_t value)
{
    return refer(c, node, value, "$ref");
}

static int rule_dynamic_ref(struct schema_compiler *c, struct schema_node *node, uint32_t value)
{
    return refer(c, node, value, "$dynamicRef");
}

static int rule_recursive_ref(struct schema_compiler *c, struct schema_node *node, uint32_t value)
{
    if (refer(c, node, value, "$recursiveRef") < 0)
        return -1;
    for (const struct schema_dynamic *d = node->general->ref->resource->dynamics; d; d = d->next) {
        if (d->node == node->general->ref && d->name == names_find(&c->dynamic_names, SPAN(""))) {
            node->general->dynamic = d->name;
            c->s->dynamic = true;
        }
    }
    return 0;
}

static int rule_all(struct schema_compiler *c, struct schema_node *node, uint32_t value)
{
    struct general_rules *g = general_of(c, node);
    struct schema_nodes before = g ? g->all : (struct schema_nodes){.n = 0}, list = {.n = 0};

    if (!g || read_list(c, node, value, &list) < 0)
        return -1;
    g->all = list;
    if (before.n) {
        g->all.at = arena_take(&c->s->arena, (before.n + list.n) * sizeof *list.at);
        if (!g->all.at)
            return schema_no_memory(c);
        memcpy(g->all.at, list.at, list.n * sizeof *list.at);
        memcpy(g->all.at + list.n, before.at, before.n * sizeof *list.at);
        g->all.n = list.n + before.n;
    }
    return 0;
}

static int rule_any(struct schema_compiler *c, struct schema_node *node, uint32_t value)
{
    struct general_rules *g = general_of(c, node);
    return g ? read_list(c, node, value, &g->any) : -1;
}

static int rule_one(struct schema_compiler *c, struct schema_node *node, uint32_t value)
{
    struct general_rules *g = general_of(c, node);
    return g ? read_list(c, node, value, &g->one) : -1;
}

#define ONE_SCHEMA(function, group, field)                                                         \
    static int function(struct schema_compiler *c, struct schema_node *node, uint32_t value)       \
    {                                                                                              \
        struct group##_rules *g = group##_of(c, node);                                             \
        if (!g)                                                                                    \
            return -1;                                                                             \
        g->field = schema_node_at(node, value);                                                    \
        return 0;                                                                                  \
    }

ONE_SCHEMA(rule_not, general, no)
ONE_SCHEMA(rule_if, general, condition)
ONE_SCHEMA(rule_then, general, then)
ONE_SCHEMA(rule_else, general, otherwise)
ONE_SCHEMA(rule_more_items, general, more_items)
ONE_SCHEMA(rule_more_members, general, more_members)
ONE_SCHEMA(rule_contains, array, contains)
ONE_SCHEMA(rule_names, object, names)
ONE_SCHEMA(rule_additional, object, additional)

/* ---- numbers and strings ---- */

#define BOUND(function, field)                                                                     \
    static int function(struct schema_compiler *c, struct schema_node *node, uint32_t value)       \
    {                                                                                              \
        struct number_rules *n = number_of(c, node);                                               \
        return n ? read_bound(c, node, value, &n->field) : -1;                                     \
    }

BOUND(rule_minimum, min)
BOUND(rule_maximum, max)
BOUND(rule_above, above)
BOUND(rule_below, below)
BOUND(read_factor, factor)

static int rule_multiple(struct schema_compiler *c, struct schema_node *node, uint32_t value)
{
    if (read_factor(c, node, value) < 0)
        return -1;
    if (node->number->factor.exact.negative || !node->number->factor.exact.first)
        return schema_fail(c, node->doc, value, "must be a number above 0");
    return 0;
}

#define COUNT(function, group, field)                                                              \
    static int function(struct schema_compiler *c, struct schema_node *node, uint32_t value)       \
    {                                                                                              \
        struct group##_rules *g = group##_of(c, node);                                             \
        return g ? read_count(c, node, value, &g->field) : -1;                                     \
    }

COUNT(rule_min_length, string, min)
COUNT(rule_max_length, string, max)
COUNT(rule_min_items, array, min)
COUNT(rule_max_items, array, max)
COUNT(rule_min_contains, array, least)
COUNT(rule_max_contains, array, most)
COUNT(rule_min_members, object, min)
COUNT(rule_max_members, object, max)

static int rule_pattern(struct schema_compiler *c, struct schema_node *node, uint32_t value)
{
    struct span text = schema_text(c, node, value);
    struct string_rules *s = text.p ? string_of(c, node) : NULL;

    if (!s)
        return -1;
    s->pattern = schema_pattern(c, node, value, text);
    return s->pattern ? 0 : -1;
}

static int rule_format(struct schema_compiler *c, struct schema_node *node, uint32_t value)
{
    struct span text = schema_text(c, node, value);

    if (!text.p)
        return -1;
    if (!node->resource->formats)
        return 0;
    schema_format_check *check = schema_format(text);
    if (!check)
        return 0; /* of formats that nobody knows nothing is demanded */
    struct string_rules *s = string_of(c, node);
    char *name = s ? arena_take(&c->s->arena, text.n + 1) : NULL;
    if (!name)
        return schema_no_memory(c);
    memcpy(name, text.p, text.n);
    s->format = check;
    s->format_name = name;
    return 0;
}

/* ---- arrays ---- */

static int rule_unique(struct schema_compiler *c, struct schema_node *node, uint32_t value)
{
    struct array_rules *a = array_of(c, node);
    return a ? read_flag(c, node, value, &a->unique) : -1;
}

static int rule_prefix(struct schema_compiler *c, struct schema_node *node, uint32_t value)
{
    struct array_rules *a = array_of(c, node);
    return a ? read_list(c, node, value, &a->prefix) : -1;
}

static int rule_items(struct schema_compiler *c, struct schema_node *node, uint32_t value)
{
    struct array_rules *a = array_of(c, node);

    if (!a)
        return -1;
    if (schema_place(node, value)->type == JSON_ARRAY) /* before 2020-12 */
        return schema_place(node, value)->n ? read_list(c, node, value, &a->prefix) : 0;
    a->rest = schema_node_at(node, value);
    a->rest_keyword = "items";
    return 0;
}

/* Counts only beside items that are a list. */
static int rule_additional_items(struct schema_compiler *c, struct schema_node *node,
                                 uint32_t value)
{
    uint32_t items = tape_member(&node->doc->tape, node->place, "items");

    if (!items || schema_place(node, items)->type != JSON_ARRAY)
        return 0;
    struct array_rules *a = array_of(c, node);
    if (!a)
        return -1;
    a->rest = schema_node_at(node, value);
    a->rest_keyword = "additionalItems";
    return 0;
}

/* ---- notes: nothing is checked by them ---- */

static int note_text(struct schema_compiler *c, struct schema_node *node, uint32_t value)
{
    return schema_text(c, node, value).p ? 0 : -1;
}

static int note_flag(struct schema_compiler *c, struct schema_node *node, uint32_t value)
{
    bool flag;
    return read_flag(c, node, value, &flag);
}

static int note_list(struct schema_compiler *c, struct schema_node *node, uint32_t value)
{
    if (schema_place(node, value)->type != JSON_ARRAY)
        return schema_fail(c, node->doc, value, "must be an array");
    return 0;
}

static int note_vocabulary(struct schema_compiler *c, struct schema_node *node, uint32_t value)
{
    uint32_t key, flag, end = schema_place(node, value)->next;

    if (schema_place(node, value)->type != JSON_OBJECT)
        return schema_fail(c, node->doc, value, "must be an object");
    for (uint32_t i = value + 1; tape_next(&node->doc->tape, &i, end, &key, &flag);)
        if (note_flag(c, node, flag) < 0)
            return -1;
    return 0;
}

/* ---- the keywords ---- */

enum {
    NEW = 1 << SCHEMA_2020_12,
    MID = 1 << SCHEMA_2019_09,
    OLD = 1 << SCHEMA_7,
    EVERY = NEW | MID | OLD
};

static const struct keyword keywords[] = {
    {"$ref", SHAPE_NONE, EVERY, VOCAB_CORE, rule_ref},
    {"$dynamicRef", SHAPE_NONE, NEW, VOCAB_CORE, rule_dynamic_ref},
    {"$recursiveRef", SHAPE_NONE, MID, VOCAB_CORE, rule_recursive_ref},
    {"$defs", SHAPE_MAP, NEW | MID, VOCAB_CORE, NULL},
    {"definitions", SHAPE_MAP, EVERY, VOCAB_CORE, NULL},
    {"type", SHAPE_NONE, EVERY, VOCAB_VALIDATION, rule_type},
    {"const", SHAPE_NONE, EVERY, VOCAB_VALIDATION, rule_const},
    {"enum", SHAPE_NONE, EVERY, VOCAB_VALIDATION, rule_enum},
    {"multipleOf", SHAPE_NONE, EVERY, VOCAB_VALIDATION, rule_multiple},
    {"minimum", SHAPE_NONE, EVERY, VOCAB_VALIDATION, rule_minimum},
    {"maximum", SHAPE_NONE, EVERY, VOCAB_VALIDATION, rule_maximum},
    {"exclusiveMinimum", SHAPE_NONE, EVERY, VOCAB_VALIDATION, rule_above},
    {"exclusiveMaximum", SHAPE_NONE, EVERY, VOCAB_VALIDATION, rule_below},
    {"minLength", SHAPE_NONE, EVERY, VOCAB_VALIDATION, rule_min_length},
    {"maxLength", SHAPE_NONE, EVERY, VOCAB_VALIDATION, rule_max_length},
    {"pattern", SHAPE_NONE, EVERY, VOCAB_VALIDATION, rule_pattern},
    {"minItems", SHAPE_NONE, EVERY, VOCAB_VALIDATION, rule_min_items},
    {"maxItems", SHAPE_NONE, EVERY, VOCAB_VALIDATION, rule_max_items},
    {"uniqueItems", SHAPE_NONE, EVERY, VOCAB_VALIDATION, rule_unique},
    {"minContains", SHAPE_NONE, NEW | MID, VOCAB_VALIDATION, rule_min_contains},
    {"maxContains", SHAPE_NONE, NEW | MID, VOCAB_VALIDATION, rule_max_contains},
    {"minProperties", SHAPE_NONE, EVERY, VOCAB_VALIDATION, rule_min_members},
    {"maxProperties", SHAPE_NONE, EVERY, VOCAB_VALIDATION, rule_max_members},
    {"required", SHAPE_NONE, EVERY, VOCAB_VALIDATION, rule_required},
    {"dependentRequired", SHAPE_NONE, NEW | MID, VOCAB_VALIDATION, rule_dependent_required},
    {"allOf", SHAPE_LIST, EVERY, VOCAB_APPLICATOR, rule_all},
    {"anyOf", SHAPE_LIST, EVERY, VOCAB_APPLICATOR, rule_any},
    {"oneOf", SHAPE_LIST, EVERY, VOCAB_APPLICATOR, rule_one},
    {"not", SHAPE_SCHEMA, EVERY, VOCAB_APPLICATOR, rule_not},
    {"if", SHAPE_SCHEMA, EVERY, VOCAB_APPLICATOR, rule_if},
    {"then", SHAPE_SCHEMA, EVERY, VOCAB_APPLICATOR, rule_then},
    {"else", SHAPE_SCHEMA, EVERY, VOCAB_APPLICATOR, rule_else},
    {"prefixItems", SHAPE_LIST, NEW, VOCAB_APPLICATOR, rule_prefix},
    {"items", SHAPE_SCHEMA, NEW, VOCAB_APPLICATOR, rule_items},
    {"items", SHAPE_EITHER, MID | OLD, VOCAB_APPLICATOR, rule_items},
    {"additionalItems", SHAPE_SCHEMA, MID | OLD, VOCAB_APPLICATOR, rule_additional_items},
    {"contains", SHAPE_SCHEMA, EVERY, VOCAB_APPLICATOR, rule_contains},
    {"properties", SHAPE_MAP, EVERY, VOCAB_APPLICATOR, rule_properties},
    {"patternProperties", SHAPE_MAP, EVERY, VOCAB_APPLICATOR, rule_patterns},
    {"additionalProperties", SHAPE_SCHEMA, EVERY, VOCAB_APPLICATOR, rule_additional},
    {"propertyNames", SHAPE_SCHEMA, EVERY, VOCAB_APPLICATOR, rule_names},
    {"dependentSchemas", SHAPE_MAP, NEW | MID, VOCAB_APPLICATOR, rule_dependent_schemas},
    {"dependencies", SHAPE_MAP, EVERY, VOCAB_APPLICATOR, rule_dependencies},
    {"unevaluatedItems", SHAPE_SCHEMA, NEW | MID, VOCAB_UNEVALUATED, rule_more_items},
    {"unevaluatedProperties", SHAPE_SCHEMA, NEW | MID, VOCAB_UNEVALUATED, rule_more_members},
    {"format", SHAPE_NONE, EVERY, VOCAB_CORE, rule_format},
    {"contentSchema", SHAPE_SCHEMA, NEW | MID, VOCAB_CORE, NULL},
    {"contentEncoding", SHAPE_NONE, EVERY, VOCAB_CORE, note_text},
    {"contentMediaType", SHAPE_NONE, EVERY, VOCAB_CORE, note_text},
    {"title", SHAPE_NONE, EVERY, VOCAB_CORE, note_text},
    {"description", SHAPE_NONE, EVERY, VOCAB_CORE, note_text},
    {"$comment", SHAPE_NONE, EVERY, VOCAB_CORE, note_text},
    {"readOnly", SHAPE_NONE, EVERY, VOCAB_CORE, note_flag},
    {"writeOnly", SHAPE_NONE, EVERY, VOCAB_CORE, note_flag},
    {"deprecated", SHAPE_NONE, NEW | MID, VOCAB_CORE, note_flag},
    {"examples", SHAPE_NONE, EVERY, VOCAB_CORE, note_list},
    {"$vocabulary", SHAPE_NONE, NEW | MID, VOCAB_CORE, note_vocabulary},
};

enum { KEYWORDS = sizeof keywords / sizeof *keywords, KEYWORD_MAX = 24 };

int keywords_init(struct schema_compiler *c)
{
    for (uint32_t i = 0; i < KEYWORDS; i++) {
        uint32_t number = i;
        if (names_add(&c->keywords, (struct span){keywords[i].name, strlen(keywords[i].name)},
                      &number) < 0)
            return schema_no_memory(c);
    }
    return 0;
}

const struct keyword *keyword_of(const struct schema_compiler *c, const struct schema_node *node,
                                 uint32_t key)
{
    const struct tape *t = &node->doc->tape;
    const struct place *v = &t->places[key];

    char room[KEYWORD_MAX * 6 + 2]; /* "\u0074ype" is one, too */
    struct span name = {t->text + v->at, v->n};
    if (v->escaped) {
        if (v->n > KEYWORD_MAX * 6)
            return NULL;
        name = (struct span){room, json_unescape((struct span){name.p - 1, name.n + 2}, room)};
    }
    uint32_t number = names_find(&c->keywords, name);
    if (number == NAME_NONE)
        return NULL;
    const struct keyword *k = &keywords[number];
    unsigned draft = 1u << node->resource->draft;
    if (!(k->drafts & draft) && number + 1 < KEYWORDS && strcmp(k->name, k[1].name) == 0)
        k++;
    return k->drafts & draft && k->vocabulary & node->resource->vocabulary ? k : NULL;
}

static void summarise(struct schema_node *node, bool boolean, bool value)
{
    if (boolean)
        node->answer = value ? ANSWER_TRUE : ANSWER_FALSE;
    else if (node->number || node->string || node->array || node->object || node->general)
        node->answer = ANSWER_RULES;
    else
        node->answer = node->types == TYPE_ANY ? ANSWER_TRUE : ANSWER_TYPES;
}

int schema_rules(struct schema_compiler *c, struct schema_node *node)
{
    const struct tape *t = &node->doc->tape;
    uint8_t type = schema_place(node, node->place)->type;
    uint32_t key, value, end = schema_place(node, node->place)->next;

    if (type != JSON_OBJECT) {
        summarise(node, true, type == JSON_TRUE);
        return 0;
    }
    uint32_t ref = node->resource->draft == SCHEMA_7 ? tape_member(t, node->place, "$ref") : 0;
    if (ref) {
        if (rule_ref(c, node, ref) < 0)
            return -1;
        summarise(node, false, false);
        return 0;
    }
    for (uint32_t i = node->place + 1; tape_next(t, &i, end, &key, &value);) {
        const struct keyword *k = keyword_of(c, node, key);
        if (k && k->rule && k->rule(c, node, value) < 0)
            return -1;
    }
    if (c->n_props && schema_finish_properties(c, node->object) < 0)
        return -1;
    summarise(node, false, false);
    return 0;
}
