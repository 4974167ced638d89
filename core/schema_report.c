/* schema_report - what is wrong, where, and by which rule, in words.
 * SPDX-License-Identifier: MIT */
#include "schema_run.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { MESSAGE_MAX = 400, SHOWN_VALUES = 12, SHOWN_BYTES = 240, POINTER_MAX = 2000 };

static struct span keep(struct run *r, struct span text)
{
    char *p = arena_take(&r->w->texts, text.n + 1);

    if (!p)
        return SPAN("");
    memcpy(p, text.p, text.n);
    return (struct span){p, text.n};
}

static struct span keep_buf(struct run *r, struct buf *b)
{
    struct span kept = b->len ? keep(r, buf_span(b)) : SPAN("");

    buf_deinit(b);
    return kept;
}

static struct span instance_pointer(struct run *r, uint32_t at)
{
    struct buf b;

    buf_init(&b, POINTER_MAX);
    tape_pointer(r->t, at, &b);
    return keep_buf(r, &b);
}

static struct span schema_pointer(struct run *r, const struct schema_node *node,
                                  const char *keyword)
{
    struct buf b;

    buf_init(&b, POINTER_MAX);
    if (node->doc != r->s->docs && buf_add_span(&b, node->doc->uri) == 0)
        buf_puts(&b, "#");
    tape_pointer(&node->doc->tape, node->place, &b);
    if (keyword)
        pointer_token(&b, (struct span){keyword, strlen(keyword)});
    return keep_buf(r, &b);
}

/* The value of the keyword, as it stands in the schema, when it is short. */
static void add_operand(struct buf *b, const struct schema_node *node, const char *keyword)
{
    uint32_t at = tape_member(&node->doc->tape, node->place, keyword);
    const struct place *v = &node->doc->tape.places[at];

    if (!at || (v->type != JSON_NUMBER && v->type != JSON_STRING) || v->n > 200)
        return;
    buf_puts(b, " ");
    buf_add_span(b, tape_raw(&node->doc->tape, at));
}

/* Keywords whose messages end with their value. */
static bool wants_operand(const char *keyword)
{
    static const char *const these[] = {"minimum",          "maximum",    "exclusiveMinimum",
                                        "exclusiveMaximum", "multipleOf", "pattern"};

    for (size_t i = 0; i < sizeof these / sizeof *these; i++)
        if (strcmp(keyword, these[i]) == 0)
            return true;
    return false;
}

static bool note(struct run *r, const struct schema_node *node, uint32_t at, const char *keyword,
                 struct span message)
{
    if (r->n == SCHEMA_ERRORS_MAX) {
        r->more = true;
        return false;
    }
    struct schema_error *e = &r->w->found[r->n++];
    *e = (struct schema_error){.instance = instance_pointer(r, at),
                               .schema = schema_pointer(r, node, keyword),
                               .message = keep(r, message),
                               .keyword = keyword ? keyword : "false"};
    return false;
}

bool run_wrong(struct run *r, const struct schema_node *node, uint32_t at, const char *keyword,
               const char *format, ...)
{
    char text[MESSAGE_MAX];
    struct buf b;
    va_list args;

    if (!r->listing || r->failed)
        return false;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    buf_init(&b, 2 * MESSAGE_MAX);
    buf_puts(&b, text);
    if (keyword && wants_operand(keyword))
        add_operand(&b, node, keyword);
    note(r, node, at, keyword, buf_span(&b));
    buf_deinit(&b);
    return false;
}

static const char *type_name(const struct run *r, uint32_t at)
{
    static const char *const names[] = {
        [JSON_NULL] = "null",        [JSON_FALSE] = "a boolean", [JSON_TRUE] = "a boolean",
        [JSON_NUMBER] = "a number",  [JSON_STRING] = "a string", [JSON_ARRAY] = "an array",
        [JSON_OBJECT] = "an object", [TAPE_KEY] = "a string"};

    return names[r->t->places[at].type];
}

bool run_wrong_type(struct run *r, const struct schema_node *node, uint32_t at)
{
    static const struct {
        unsigned bits;
        const char *name;
    } types[] = {{1 << JSON_STRING, "a string"}, {1 << JSON_NUMBER, "a number"},
                 {TYPE_INTEGER, "an integer"},   {1 << JSON_OBJECT, "an object"},
                 {1 << JSON_ARRAY, "an array"},  {1 << JSON_TRUE, "a boolean"},
                 {1 << JSON_NULL, "null"}};
    char text[160];
    size_t n = 0;

    if (!r->listing)
        return false;
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        bool told = types[i].bits == TYPE_INTEGER && node->types >> JSON_NUMBER & 1;
        if (node->types & types[i].bits && !told)
            n +=
                (size_t)snprintf(text + n, sizeof text - n, "%s%s", n ? " or " : "", types[i].name);
    }
    return run_wrong(r, node, at, "type", "must be %s, not %s", text, type_name(r, at));
}

bool run_wrong_value(struct run *r, const struct schema_node *node, uint32_t at,
                     const struct value_set *set)
{
    struct buf b;

    if (!r->listing || r->failed)
        return false;
    buf_init(&b, MESSAGE_MAX);
    buf_puts(&b, set->n == 1 ? "must be" : "must be one of");
    for (uint32_t i = 0; i < set->n; i++) {
        struct span text = tape_raw(set->tape, set->places[i]);
        if (i == SHOWN_VALUES || b.len + text.n > SHOWN_BYTES) {
            buf_printf(&b, i ? ", … (%u in all)" : " another value (%u are allowed)", set->n);
            break;
        }
        buf_puts(&b, i ? ", " : " ");
        buf_add_span(&b, text);
    }
    note(r, node, at, set->keyword, buf_span(&b));
    buf_deinit(&b);
    return false;
}

/* How far into the document an error is; one about a name or a kind says that another schema is meant. */
static int nearness(const struct schema_error *e)
{
    int depth = 0;

    for (size_t i = 0; i < e->instance.n; i++)
        depth += e->instance.p[i] == '/';
    bool kind = strcmp(e->keyword, "const") == 0 || strcmp(e->keyword, "enum") == 0;
    bool type = strcmp(e->keyword, "type") == 0 || kind;
    return 4 * depth + (kind ? 0 : type ? 1 : 2);
}

bool run_wrong_choice(struct run *r, const struct schema_node *node, uint32_t at,
                      const char *keyword, const struct schema_nodes *list)
{
    struct schema_error best = {.keyword = NULL};
    int before = r->n, best_nearness = -1;
    uint32_t best_index = 0;
    bool all = r->all;

    if (!r->listing || r->failed || before == SCHEMA_ERRORS_MAX)
        return r->listing ? run_wrong(r, node, at, keyword, "too many errors") : false;
    r->all = false;
    for (uint32_t i = 0; i < list->n && !r->failed; i++) {
        r->n = before;
        run_check(r, list->at[i], at, NULL);
        if (r->n > before && nearness(&r->w->found[before]) > best_nearness) {
            best = r->w->found[before];
            best_nearness = nearness(&best);
            best_index = i;
        }
    }
    r->n = before;
    r->all = all;
    if (!best.keyword)
        return run_wrong(r, node, at, keyword, "fits none of the %u schemas", list->n);
    return run_wrong(r, node, at, keyword,
                     "fits none of the %u schemas; the nearest (number %u): %.*s%s%.*s", list->n,
                     best_index + 1, (int)(best.instance.n < 120 ? best.instance.n : 120),
                     best.instance.p, best.instance.n ? ": " : "",
                     (int)(best.message.n < 200 ? best.message.n : 200), best.message.p);
}
