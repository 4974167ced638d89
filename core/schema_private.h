/* schema_private - a compiled schema from inside: what the schema_*.c files share.
 * SPDX-License-Identifier: MIT */
#ifndef SCHEMA_PRIVATE_H
#define SCHEMA_PRIVATE_H

#include "regex.h"
#include "schema.h"
#include "schema_tape.h"
#include "schema_value.h"

/* ---- the compiled form ---- */

struct schema_doc { /* one text: the schema itself, or a remote one */
    struct schema_doc *next;
    struct span uri;
    struct tape tape;
    struct schema_node **nodes; /* of each place; NULL: no schema stands there */
};

enum schema_vocabulary {
    VOCAB_CORE = 1,
    VOCAB_APPLICATOR = 2,
    VOCAB_UNEVALUATED = 4,
    VOCAB_VALIDATION = 8,
    VOCAB_FORMAT = 16,
    VOCAB_OTHER = 32, /* notes, contents: nothing to check */
    VOCAB_ALL = 63
};

struct schema_node;

struct schema_dynamic { /* a $dynamicAnchor of a resource */
    struct schema_dynamic *next;
    uint32_t name;
    struct schema_node *node;
};

struct schema_resource { /* a schema with a URI of its own, up to the next one inside it */
    struct span uri;     /* without fragment */
    struct schema_doc *doc;
    uint32_t place;
    enum schema_draft draft;
    unsigned vocabulary;
    bool formats;
    struct schema_node *node;
    struct schema_dynamic *dynamics;
};

/* A member that an alternative requires to be one certain text: where it is not, nobody needs to look closer. */
struct schema_hint {
    uint32_t name; /* NAME_NONE: there is no such member */
    struct span text;
};

struct schema_nodes {
    struct schema_node **at;
    uint32_t n;
    struct schema_hint *hints; /* of anyOf and oneOf, one for each; NULL: none has one */
};

struct schema_bound { /* of a number */
    bool there;
    int64_t fast; /* the bound, when 'small' */
    bool small;
    struct decimal exact;
};

struct number_rules {
    struct schema_bound min, max, above, below, factor;
};

typedef bool schema_format_check(struct span text, int64_t *steps);

struct string_rules {
    int64_t min, max; /* characters; -1: none */
    struct regex *pattern;
    schema_format_check *format;
    const char *format_name;
};

struct array_rules {
    struct schema_nodes prefix;
    struct schema_node *rest, *contains;
    const char *rest_keyword;
    int64_t min, max, least, most; /* items; those that 'contains' fits; -1: none */
    bool unique;
};

struct schema_dependent {
    struct schema_dependent *next;
    const char *keyword;
    uint32_t *names; /* that must be there, too */
    uint32_t n;
    struct schema_node *node; /* or that the object must fit */
};

struct schema_property {
    uint32_t name;
    bool required;
    struct schema_node *node; /* NULL: nothing is said of its value */
    struct schema_dependent *dependent;
};

struct schema_pattern {
    struct regex *pattern;
    struct schema_node *node;
};

struct object_rules {
    struct schema_property *properties;
    uint32_t n;
    uint32_t *index; /* by number, when there are many: place in 'properties' + 1; 'mask' */
    uint32_t mask, required;
    struct schema_pattern *patterns;
    uint32_t n_patterns;
    struct schema_node *additional, *names;
    int64_t min, max;
    bool dependents;
};

struct value_set { /* const and enum */
    const char *keyword;
    const struct tape *tape;
    uint32_t *places, *index; /* index by hash when there are many: place in 'places' + 1 */
    uint32_t n, mask;
    uint8_t types;
};

struct general_rules {
    struct value_set *constant, *choice;
    struct schema_node *ref;
    const char *ref_keyword;
    uint32_t dynamic; /* name of the anchor; NAME_NONE: a plain ref */
    struct schema_nodes all, any, one;
    struct schema_node *no, *condition, *then, *otherwise;
    struct schema_node *more_items, *more_members; /* unevaluated */
};

enum schema_answer { ANSWER_RULES, ANSWER_TYPES, ANSWER_TRUE, ANSWER_FALSE };

enum { TYPE_INTEGER = 1 << 7, TYPE_ANY = 0xFF }; /* besides 1 << json_type */

struct schema_node {
    struct schema_doc *doc;
    struct schema_resource *resource;
    uint32_t place;
    uint8_t types;  /* allowed ones, a bit each */
    uint8_t answer; /* enum schema_answer: how much there is to look at */
    uint8_t mark;   /* of the search for circles */
    struct number_rules *number;
    struct string_rules *string;
    struct array_rules *array;
    struct object_rules *object;
    struct general_rules *general;
};

struct arena_chunk;
struct arena {
    struct arena_chunk *chunks;
    size_t left, total, max;
};

struct schema {
    struct arena arena;
    struct schema_doc *docs; /* the first one is the schema itself */
    struct schema_node *root;
    struct schema_node **nodes; /* all of them */
    uint32_t n_nodes, cap_nodes;
    struct names names; /* of members that rules speak of */
    struct span *name_texts;
    uint32_t n_names, cap_names;
    struct regex **patterns;
    uint32_t n_patterns, cap_patterns;
    bool dynamic; /* the scope matters */
    uint64_t seed;
};

void *arena_take(struct arena *a, size_t n); /* cleared; NULL: no memory */
void arena_free(struct arena *a);
void arena_reset(struct arena *a); /* all of it is free again, and no longer cleared */

/* The metaschema of that URI (without '#'), p is NULL: there is none. */
struct span schema_meta(struct span uri);

/* The check of that format, or NULL: not known. */
schema_format_check *schema_format(struct span name);

/* ---- compiling ---- */

struct schema_compiler {
    struct schema *s;
    const struct schema_options *options;
    struct err *err;
    struct names uris;    /* of resources */
    struct names anchors; /* "uri#name" */
    struct names dynamic_names;
    struct names keywords;
    struct names remotes;
    struct schema_resource **resources;
    uint32_t n_resources, cap_resources;
    struct schema_node **anchored;
    uint32_t n_anchored, cap_anchored;
    size_t bytes; /* of all texts so far */
    struct buf room, room2;
    struct schema_property *props; /* of the object rules in the making; see schema_rules.c */
    uint32_t n_props, cap_props;
    uint32_t *prop_of; /* by number of a name: place in 'props' + 1 */
    uint32_t cap_prop_of;
    uint32_t indexed; /* an object whose members 'index' has, for pointers */
    struct schema_doc *indexed_doc;
    struct names index;
};

/* What a keyword's value holds: where there are schemas in it. */
enum keyword_shape { SHAPE_NONE, SHAPE_SCHEMA, SHAPE_LIST, SHAPE_MAP, SHAPE_EITHER };

typedef int keyword_rule(struct schema_compiler *c, struct schema_node *node, uint32_t value);

struct keyword {
    const char *name;
    enum keyword_shape shape;
    unsigned drafts; /* 1 << enum schema_draft */
    unsigned vocabulary;
    keyword_rule *rule; /* NULL: nothing to check */
};

/* Fills c->keywords. */
int keywords_init(struct schema_compiler *c);
/* The keyword of the key at 'key' when this resource knows it. */
const struct keyword *keyword_of(const struct schema_compiler *c, const struct schema_node *node,
                                 uint32_t key);
/* Fails at a place of a document: "/properties/a: why". Always -1. */
int schema_fail(struct schema_compiler *c, const struct schema_doc *doc, uint32_t place,
                const char *format, ...) __attribute__((format(printf, 4, 5)));
int schema_no_memory(struct schema_compiler *c); /* always -1 */

/* Grows an array of n elements for one more. -1: no memory. */
int schema_grow(void *array, uint32_t n, uint32_t *cap, size_t size);
/* The number of a name that rules speak of; NAME_NONE: no memory. */
uint32_t schema_name(struct schema *s, struct span text);

/* Reads a text and finds the schemas in it. 'uri' says where it came from. */
struct schema_doc *schema_load(struct schema_compiler *c, struct span text, struct span uri);
/* The node at a place where a schema stands. */
struct schema_node *schema_node_at(const struct schema_node *near, uint32_t place);
/* What a reference in 'node' leads to; *dynamic is the name of the $dynamicAnchor it ends at, or NAME_NONE. */
struct schema_node *schema_resolve(struct schema_compiler *c, struct schema_node *node,
                                   uint32_t value, uint32_t *dynamic);
/* Turns keywords into rules. */
int schema_rules(struct schema_compiler *c, struct schema_node *node);

/* Appends the pointer to a place of a tape ("/a/0"). -1: no memory. */
int tape_pointer(const struct tape *t, uint32_t place, struct buf *out);
int pointer_token(struct buf *out, struct span text); /* "/" and the text, escaped */

#endif
