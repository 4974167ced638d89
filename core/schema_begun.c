/* schema_begun - where a document was cut: can what has just begun still become a member, an item, a value?
 * SPDX-License-Identifier: MIT
 *
 * Only what no end could repair counts. A name may come twice, then its last value counts; so one that is there already
 * may always come again, and adds no member. */
#include "schema_run.h"

#include <string.h>

static bool begins(struct span whole, struct span text, bool open)
{
    return (open ? whole.n >= text.n : whole.n == text.n) && memcmp(whole.p, text.p, text.n) == 0;
}

/* Is it, or may it become, a name that the schema has a value for? */
static bool is_property(struct run *r, const struct object_rules *o, struct span text, bool open)
{
    r->steps -= o->n;
    for (uint32_t i = 0; i < o->n; i++) {
        const struct schema_property *p = &o->properties[i];
        if (p->node && p->node->answer != ANSWER_FALSE &&
            begins(r->s->name_texts[p->name], text, open))
            return true;
    }
    return false;
}

/* A whole name: has it a property with no value that fits? */
static bool is_forbidden(const struct run *r, const struct object_rules *o, struct span text)
{
    for (uint32_t i = 0; i < o->n; i++) {
        const struct schema_property *p = &o->properties[i];
        if (p->node && p->node->answer == ANSWER_FALSE &&
            begins(r->s->name_texts[p->name], text, false))
            return true;
    }
    return false;
}

/* Does a name match a pattern, or may it, when it is cut; and a whole one one of those that allow no value
 * (*forbidden)? */
static bool is_matched(struct run *r, const struct object_rules *o, struct span text, bool open,
                       bool *forbidden)
{
    bool matched = false;

    for (uint32_t i = 0; i < o->n_patterns && !r->failed; i++) {
        struct regex *re = o->patterns[i].pattern;
        int rc = open ? regex_begun(re, text, &r->steps) : regex_match(re, text, &r->steps);
        if (rc < 0)
            return run_fail(r, RUN_PATTERN);
        matched |= rc > 0;
        *forbidden |= rc > 0 && o->patterns[i].node->answer == ANSWER_FALSE;
    }
    return matched;
}

/* May a member of that name follow? */
static bool is_allowed(struct run *r, const struct object_rules *o, struct span text, bool open)
{
    bool additional = !o->additional || o->additional->answer != ANSWER_FALSE, forbidden = false;

    if (open && additional)
        return true;
    bool matched = is_matched(r, o, text, open, &forbidden);
    if (!open && (forbidden || is_forbidden(r, o, text)))
        return false;
    return additional || matched || is_property(r, o, text, open);
}

/* Is there a member of that name, or one that the cut name may become? */
static bool is_there(struct run *r, uint32_t at, struct span text, bool open)
{
    uint32_t key, value;
    struct buf room;
    bool found = false;

    buf_init(&room, SIZE_MAX / 2);
    for (uint32_t i = at + 1, end = r->t->places[at].next;
         !found && tape_next(r->t, &i, end, &key, &value); r->steps--) {
        struct span name = tape_text(r->t, &r->t->places[key], &room);
        found = !name.p || begins(name, text, open);
    }
    buf_deinit(&room);
    return found;
}

static bool fits_names(struct run *r, const struct object_rules *o)
{
    bool listing = r->listing;

    r->listing = false;
    bool fits = !o->names || run_check(r, o->names, r->t->key, NULL);
    r->listing = listing;
    return fits;
}

bool run_begun_member(struct run *r, const struct schema_node *node, uint32_t at)
{
    const struct object_rules *o = node->object;
    const struct place *key = &r->t->places[r->t->key], *v = &r->t->places[at];
    const char *cut = key->open ? "..." : "";
    struct buf room;
    bool ok = true;

    buf_init(&room, SIZE_MAX / 2);
    struct span text = tape_text(r->t, key, &room);
    int n = (int)(text.n < 100 ? text.n : 100);
    if (!text.p)
        ok = run_fail(r, RUN_MEMORY);
    else if (!is_allowed(r, o, text, key->open))
        ok = run_wrong(r, node, at, "additionalProperties",
                       "the member '%.*s%s' is not allowed here", n, text.p, cut);
    else if (!fits_names(r, o))
        ok = run_wrong(r, node, at, "propertyNames", "the name '%.*s%s' is not allowed here", n,
                       text.p, cut);
    else if (o->max >= 0 && (int64_t)v->n >= o->max && !is_there(r, at, text, key->open))
        ok = run_wrong(r, node, at, "maxProperties",
                       "must have at most %lld members, and '%.*s%s' would be one more",
                       (long long)o->max, n, text.p, cut);
    buf_deinit(&room);
    return ok && !r->failed;
}

bool run_begun_item(struct run *r, const struct schema_node *node, uint32_t at)
{
    const struct array_rules *a = node->array;
    uint32_t n = r->t->places[at].n;
    const struct schema_node *item = n < a->prefix.n ? a->prefix.at[n] : a->rest;

    if (a->max >= 0 && (int64_t)n >= a->max)
        return run_wrong(r, node, at, "maxItems",
                         "must have at most %lld items, and one more must follow",
                         (long long)a->max);
    if (item && item->answer == ANSWER_FALSE)
        return run_wrong(r, node, at, n < a->prefix.n ? NULL : a->rest_keyword,
                         "no item %u is allowed here", n);
    return true;
}

bool run_begun_text(struct run *r, const struct place *v, const struct value_set *set)
{
    struct buf mine, theirs;
    bool found = false;

    buf_init(&mine, SIZE_MAX / 2);
    buf_init(&theirs, SIZE_MAX / 2);
    struct span text = tape_text(r->t, v, &mine);
    for (uint32_t i = 0; text.p && i < set->n && !found; i++) {
        const struct place *w = &set->tape->places[set->places[i]];
        struct span whole =
            w->type == JSON_STRING ? tape_text(set->tape, w, &theirs) : (struct span){NULL, 0};
        found = whole.p && begins(whole, text, true);
    }
    r->steps -= set->n;
    buf_deinit(&theirs);
    buf_deinit(&mine);
    return found || !text.p;
}
