/* schema_rules_object - the keywords for objects: members by name and pattern, what is required.
 * SPDX-License-Identifier: MIT */
#include "schema_rules.h"

#include <stdlib.h>
#include <string.h>

enum { INDEX_FROM = 8 };

struct object_rules *schema_object(struct schema_compiler *c, struct schema_node *node)
{
    if (!node->object) {
        node->object = arena_take(&c->s->arena, sizeof *node->object);
        if (node->object)
            *node->object = (struct object_rules){.min = -1, .max = -1};
        else
            schema_no_memory(c);
    }
    return node->object;
}

/* The property of that name among those of the rules in the making. */
static struct schema_property *property(struct schema_compiler *c, struct schema_node *node,
                                        struct span text)
{
    uint32_t name = schema_name(c->s, text);

    if (name == NAME_NONE || !schema_object(c, node) ||
        schema_grow(&c->props, c->n_props, &c->cap_props, sizeof *c->props) < 0) {
        schema_no_memory(c);
        return NULL;
    }
    if (name >= c->cap_prop_of) {
        uint32_t cap = 2 * name + 64;
        uint32_t *wider = realloc(c->prop_of, cap * sizeof *wider);
        if (!wider) {
            schema_no_memory(c);
            return NULL;
        }
        memset(wider + c->cap_prop_of, 0, (cap - c->cap_prop_of) * sizeof *wider);
        c->prop_of = wider;
        c->cap_prop_of = cap;
    }
    if (!c->prop_of[name]) {
        c->props[c->n_props++] = (struct schema_property){.name = name};
        c->prop_of[name] = c->n_props;
    }
    return &c->props[c->prop_of[name] - 1];
}

int rule_properties(struct schema_compiler *c, struct schema_node *node, uint32_t value)
{
    const struct tape *t = &node->doc->tape;
    uint32_t key, child;

    for (uint32_t i = value + 1; tape_next(t, &i, schema_place(node, value)->next, &key, &child);) {
        struct span text = tape_text(t, &t->places[key], &c->room);
        struct schema_property *p = text.p ? property(c, node, text) : NULL;
        if (!p)
            return -1;
        p->node = schema_node_at(node, child);
    }
    return 0;
}

int rule_required(struct schema_compiler *c, struct schema_node *node, uint32_t value)
{
    const struct place *v = schema_place(node, value);

    if (v->type != JSON_ARRAY)
        return schema_fail(c, node->doc, value, "must be an array of names");
    for (uint32_t i = value + 1; i < v->next; i = schema_place(node, i)->next) {
        struct span text = schema_text(c, node, i);
        struct schema_property *p = text.p ? property(c, node, text) : NULL;
        if (!p)
            return -1;
        if (p->required)
            return schema_fail(c, node->doc, i, "'%.*s' is there twice",
                               (int)(text.n < 60 ? text.n : 60), text.p);
        node->object->required++;
        p->required = true;
    }
    return 0;
}

int rule_patterns(struct schema_compiler *c, struct schema_node *node, uint32_t value)
{
    const struct tape *t = &node->doc->tape;
    struct object_rules *o = schema_object(c, node);
    uint32_t key, child;

    if (!o)
        return -1;
    o->patterns =
        arena_take(&c->s->arena, (schema_place(node, value)->n + 1) * sizeof *o->patterns);
    if (!o->patterns)
        return schema_no_memory(c);
    for (uint32_t i = value + 1; tape_next(t, &i, schema_place(node, value)->next, &key, &child);) {
        struct span text = tape_text(t, &t->places[key], &c->room);
        struct regex *re = text.p ? schema_pattern(c, node, child, text) : NULL;
        if (!re)
            return -1;
        o->patterns[o->n_patterns++] = (struct schema_pattern){re, schema_node_at(node, child)};
    }
    return 0;
}

static int dependent_names(struct schema_compiler *c, struct schema_node *node, uint32_t value,
                           struct schema_dependent *d)
{
    const struct place *v = schema_place(node, value);

    d->names = arena_take(&c->s->arena, (v->n + 1) * sizeof *d->names);
    if (!d->names)
        return schema_no_memory(c);
    for (uint32_t i = value + 1; i < v->next; i = schema_place(node, i)->next) {
        struct span text = schema_text(c, node, i);
        if (!text.p)
            return -1;
        d->names[d->n] = schema_name(c->s, text);
        if (d->names[d->n++] == NAME_NONE)
            return schema_no_memory(c);
    }
    return 0;
}

static int rule_dependents(struct schema_compiler *c, struct schema_node *node, uint32_t value,
                           const char *keyword)
{
    const struct tape *t = &node->doc->tape;
    uint32_t key, child;
    bool names_only = strcmp(keyword, "dependentRequired") == 0;

    if (schema_place(node, value)->type != JSON_OBJECT)
        return schema_fail(c, node->doc, value, "must be an object");
    for (uint32_t i = value + 1; tape_next(t, &i, schema_place(node, value)->next, &key, &child);) {
        struct span text = tape_text(t, &t->places[key], &c->room);
        struct schema_property *p = text.p ? property(c, node, text) : NULL;
        struct schema_dependent *d = p ? arena_take(&c->s->arena, sizeof *d) : NULL;
        if (!d)
            return schema_no_memory(c);
        d->keyword = keyword;
        d->next = p->dependent;
        p->dependent = d;
        node->object->dependents = true;
        if (names_only && schema_place(node, child)->type != JSON_ARRAY)
            return schema_fail(c, node->doc, child, "must be an array of names");
        if (schema_place(node, child)->type != JSON_ARRAY)
            d->node = schema_node_at(node, child);
        else if (dependent_names(c, node, child, d) < 0)
            return -1;
    }
    return 0;
}

int rule_dependencies(struct schema_compiler *c, struct schema_node *node, uint32_t value)
{
    return rule_dependents(c, node, value, "dependencies");
}

int rule_dependent_required(struct schema_compiler *c, struct schema_node *node, uint32_t value)
{
    return rule_dependents(c, node, value, "dependentRequired");
}

int rule_dependent_schemas(struct schema_compiler *c, struct schema_node *node, uint32_t value)
{
    return rule_dependents(c, node, value, "dependentSchemas");
}

/* The properties gathered become the object's table. */
int schema_finish_properties(struct schema_compiler *c, struct object_rules *o)
{
    size_t n = c->n_props;
    uint32_t size = 16;

    o->properties = arena_take(&c->s->arena, (n + 1) * sizeof *o->properties);
    if (!o->properties)
        return schema_no_memory(c);
    memcpy(o->properties, c->props, n * sizeof *o->properties);
    o->n = c->n_props;
    for (uint32_t i = 0; i < o->n; i++)
        c->prop_of[c->props[i].name] = 0;
    c->n_props = 0;
    if (n <= INDEX_FROM)
        return 0;
    while (size < 2 * n)
        size *= 2;
    o->index = arena_take(&c->s->arena, size * sizeof *o->index);
    if (!o->index)
        return schema_no_memory(c);
    o->mask = size - 1;
    for (uint32_t i = 0; i < o->n; i++) {
        uint32_t slot = o->properties[i].name & o->mask;
        while (o->index[slot])
            slot = (slot + 1) & o->mask;
        o->index[slot] = i + 1;
    }
    return 0;
}
