/* schema_rules - what the two files that turn keywords into rules share.
 * SPDX-License-Identifier: MIT */
#ifndef SCHEMA_RULES_H
#define SCHEMA_RULES_H

#include "schema_private.h"

static inline const struct place *schema_place(const struct schema_node *node, uint32_t value)
{
    return &node->doc->tape.places[value];
}

/* The string at a place, in c->room; p is NULL when it is none: the compiling has failed. */
struct span schema_text(struct schema_compiler *c, struct schema_node *node, uint32_t value);
/* A compiled pattern, or NULL: the compiling has failed, because of 'place'. */
struct regex *schema_pattern(struct schema_compiler *c, struct schema_node *node, uint32_t place,
                             struct span text);
/* The rules for objects, made when they are first asked for. NULL: no memory. */
struct object_rules *schema_object(struct schema_compiler *c, struct schema_node *node);
/* The properties that the keywords named become the object's table. */
int schema_finish_properties(struct schema_compiler *c, struct object_rules *o);

keyword_rule rule_properties, rule_required, rule_patterns, rule_dependencies,
    rule_dependent_required, rule_dependent_schemas;

#endif
