/* schema_values - the rules for numbers, strings, arrays and objects.
 * SPDX-License-Identifier: MIT */
#include "schema_run.h"

#include "json_bytes.h"

#include <stdlib.h>
#include <string.h>

/* ---- numbers ---- */

struct number {
    struct span text;
    struct decimal exact; /* when 'known' */
    int64_t fast;         /* when 'small' */
    bool small, known;
};

static int compare(struct number *n, const struct schema_bound *b)
{
    if (n->small && b->small)
        return (n->fast > b->fast) - (n->fast < b->fast);
    if (!n->known)
        n->exact = decimal_of(n->text);
    n->known = true;
    return decimal_compare(&n->exact, &b->exact);
}

static bool is_multiple(struct run *r, struct number *n, const struct schema_bound *b)
{
    if (n->small && b->small && b->fast > 0)
        return n->fast % b->fast == 0;
    if (!n->known)
        n->exact = decimal_of(n->text);
    n->known = true;
    int rc = decimal_divides(&b->exact, &n->exact);
    r->steps -= n->text.n / 4;
    return rc < 0 ? run_fail(r, RUN_NUMBER) : rc > 0;
}

/* Each bound with what is said when it is not kept. */
bool run_number(struct run *r, const struct schema_node *node, uint32_t at)
{
    const struct number_rules *rules = node->number;
    const struct place *v = &r->t->places[at];
    struct number n = {.text = {r->t->text + v->at, v->n}};
    static const char below[] = "must be at least", above[] = "must be at most";
    bool ok = true;

    n.small = json_int(n.text, &n.fast) == 0;
    if (rules->min.there && compare(&n, &rules->min) < 0)
        ok = run_wrong(r, node, at, "minimum", below);
    if (rules->max.there && (ok || r->all) && compare(&n, &rules->max) > 0)
        ok = run_wrong(r, node, at, "maximum", above);
    if (rules->above.there && (ok || r->all) && compare(&n, &rules->above) <= 0)
        ok = run_wrong(r, node, at, "exclusiveMinimum", "must be above");
    if (rules->below.there && (ok || r->all) && compare(&n, &rules->below) >= 0)
        ok = run_wrong(r, node, at, "exclusiveMaximum", "must be below");
    if (rules->factor.there && (ok || r->all) && !is_multiple(r, &n, &rules->factor))
        ok = run_wrong(r, node, at, "multipleOf", "must be a multiple of");
    return ok;
}

/* ---- strings ---- */

static int64_t characters(struct span text)
{
    int64_t n = 0;
    const char *p = text.p, *end = p + text.n, *plain;

    while (p < end) {
        plain = json_plain_end(p, end);
        n += plain - p;
        for (p = plain; p < end && !json_is_plain(*p); p++)
            n += !json_is_tail(*p);
    }
    return n;
}

static bool check_pattern(struct run *r, struct regex *re, struct span text, bool open)
{
    int rc = open ? regex_begun(re, text, &r->steps) : regex_match(re, text, &r->steps);
    return rc < 0 ? run_fail(r, RUN_PATTERN) : rc > 0;
}

static bool check_length(struct run *r, const struct schema_node *node, uint32_t at,
                         struct span text, bool open)
{
    const struct string_rules *s = node->string;

    r->steps -= (int64_t)text.n / 64;
    int64_t n = characters(text);
    if (s->min >= 0 && n < s->min && !open)
        return run_wrong(r, node, at, "minLength", "must have at least %lld characters, has %lld",
                         (long long)s->min, (long long)n);
    if (s->max >= 0 && n > s->max)
        return run_wrong(r, node, at, "maxLength", "must have at most %lld characters, has %lld",
                         (long long)s->max, (long long)n);
    return true;
}

bool run_string(struct run *r, const struct schema_node *node, uint32_t at)
{
    const struct string_rules *s = node->string;
    const struct place *v = &r->t->places[at];
    struct span text = tape_text(r->t, v, &r->w->room);
    bool ok = true;

    if (!text.p)
        return run_fail(r, RUN_MEMORY);
    if (s->min >= 0 || s->max >= 0)
        ok = check_length(r, node, at, text, v->open);
    if (s->pattern && (ok || r->all) && !check_pattern(r, s->pattern, text, v->open))
        ok = run_wrong(r, node, at, "pattern", "must match the pattern");
    if (s->format && !v->open && (ok || r->all) && !s->format(text, &r->steps))
        ok = run_wrong(r, node, at, "format", "must be in the format \"%.60s\"", s->format_name);
    return ok && !r->failed;
}

/* ---- arrays ---- */

static bool make_room(struct run *r, uint32_t n, uint32_t slots)
{
    struct schema_work *w = r->w;

    if (n > w->cap_hashes) {
        uint64_t *wider = realloc(w->hashes, n * sizeof *wider);
        if (!wider)
            return run_fail(r, RUN_MEMORY);
        w->hashes = wider;
        w->cap_hashes = n;
    }
    if (slots > w->cap_slots) {
        uint32_t *wider = realloc(w->slots, slots * sizeof *wider);
        if (!wider)
            return run_fail(r, RUN_MEMORY);
        w->slots = wider;
        w->cap_slots = slots;
    }
    return true;
}

static bool twice(struct run *r, const struct schema_node *node, uint32_t at, uint32_t first,
                  uint32_t second)
{
    return run_wrong(r, node, at, "uniqueItems", "items %u and %u are the same", first, second);
}

/* Items with one hash are compared; so no more than the length in steps, whatever they are. */
static bool check_unique(struct run *r, const struct schema_node *node, uint32_t at)
{
    const struct tape *t = r->t;
    uint32_t n = t->places[at].n, size = 16, k = 0;

    while (size < 2 * n)
        size *= 2;
    if (n < 2 || !make_room(r, n, 2 * size))
        return !r->failed;
    uint32_t *slots = r->w->slots, *places = slots + size;
    memset(slots, 0, size * sizeof *slots);
    for (uint32_t i = at + 1; i < t->places[at].next; i = t->places[i].next, k++) {
        if (t->places[i].open)
            break; /* what it will be nobody knows */
        uint64_t hash = value_hash(t, i, r->s->seed, &r->steps);
        uint32_t slot = (uint32_t)hash & (size - 1);
        for (; slots[slot]; slot = (slot + 1) & (size - 1)) {
            uint32_t other = slots[slot] - 1;
            if (r->w->hashes[other] == hash && value_same(t, places[other], t, i, &r->steps))
                return twice(r, node, at, other, k);
            r->steps--;
        }
        if (r->steps < 0)
            return run_fail(r, RUN_STEPS);
        slots[slot] = k + 1;
        places[k] = i;
        r->w->hashes[k] = hash;
    }
    return true;
}

static bool check_contains(struct run *r, const struct schema_node *node, uint32_t at,
                           struct seen *seen)
{
    const struct array_rules *a = node->array;
    int64_t least = a->least < 0 ? 1 : a->least, found = 0;
    uint32_t k = 0;
    bool listing = r->listing;

    r->listing = false;
    for (uint32_t i = at + 1; i < r->t->places[at].next; i = r->t->places[i].next, k++) {
        if (r->t->places[i].open || !run_check(r, a->contains, i, NULL))
            continue; /* one that is cut may come to fit, or not */
        found++;
        if (seen)
            seen_mark(seen, k);
        else if (a->most < 0 && found >= least)
            break;
    }
    r->listing = listing;
    if (r->failed)
        return false;
    if (found < least && !r->t->places[at].open)
        return run_wrong(r, node, at, a->least < 0 ? "contains" : "minContains",
                         "must have at least %lld items that fit \"contains\", has %lld",
                         (long long)least, (long long)found);
    if (a->most >= 0 && found > a->most)
        return run_wrong(r, node, at, "maxContains",
                         "must have at most %lld items that fit \"contains\", has %lld",
                         (long long)a->most, (long long)found);
    return true;
}

static bool check_items(struct run *r, const struct schema_node *node, uint32_t at,
                        struct seen *seen)
{
    const struct array_rules *a = node->array;
    uint32_t k = 0;
    bool ok = true;

    for (uint32_t i = at + 1; i < r->t->places[at].next; i = r->t->places[i].next, k++) {
        const struct schema_node *item = k < a->prefix.n ? a->prefix.at[k] : a->rest;
        if (!item)
            break;
        if (item->answer == ANSWER_FALSE)
            ok = run_wrong(r, node, i, k < a->prefix.n ? NULL : a->rest_keyword,
                           "is not allowed here");
        else
            ok &= run_check(r, item, i, NULL);
        if (seen)
            seen_mark(seen, k);
        if (!ok && !r->all)
            return false;
    }
    return ok;
}

bool run_array(struct run *r, const struct schema_node *node, uint32_t at, struct seen *seen)
{
    const struct array_rules *a = node->array;
    const struct place *v = &r->t->places[at];
    bool ok = true;

    if (a->min >= 0 && (int64_t)v->n < a->min && !v->open)
        ok = run_wrong(r, node, at, "minItems", "must have at least %lld items, has %u",
                       (long long)a->min, v->n);
    if (a->max >= 0 && (ok || r->all) && (int64_t)v->n > a->max)
        ok = run_wrong(r, node, at, "maxItems", "must have at most %lld items, has %u",
                       (long long)a->max, v->n);
    if ((a->prefix.n || a->rest) && (ok || r->all))
        ok &= check_items(r, node, at, seen);
    if (a->contains && (ok || r->all))
        ok &= check_contains(r, node, at, seen);
    if (a->unique && (ok || r->all))
        ok &= check_unique(r, node, at);
    if (ok && r->t->comma_in == at + 1)
        ok = run_begun_item(r, node, at);
    return ok && !r->failed;
}

/* ---- objects ---- */

/* Members mostly come in the schema's order: *next is where to look first. */
static inline const struct schema_property *property_of(const struct object_rules *o, uint32_t name,
                                                        uint32_t *next)
{
    if (*next < o->n && o->properties[*next].name == name)
        return &o->properties[(*next)++];
    if (!o->index) {
        for (uint32_t i = 0; i < o->n; i++) {
            if (o->properties[i].name == name) {
                *next = i + 1;
                return &o->properties[i];
            }
        }
        return NULL;
    }
    for (uint32_t slot = name & o->mask; o->index[slot]; slot = (slot + 1) & o->mask) {
        uint32_t i = o->index[slot] - 1;
        if (o->properties[i].name == name) {
            *next = i + 1;
            return &o->properties[i];
        }
    }
    return NULL;
}

static bool has_member(struct run *r, uint32_t at, uint32_t name)
{
    uint32_t key, value;

    for (uint32_t i = at + 1; tape_next(r->t, &i, r->t->places[at].next, &key, &value);) {
        if (--r->steps < 0)
            return run_fail(r, RUN_STEPS);
        if (r->t->places[key].next == name)
            return true;
    }
    return false;
}

static bool missing(struct run *r, const struct schema_node *node, uint32_t at, const char *keyword,
                    uint32_t name)
{
    struct span text = r->s->name_texts[name];
    int n = (int)(text.n < 100 ? text.n : 100);

    return run_wrong(r, node, at, keyword, "the member '%.*s' is missing", n, text.p);
}

static bool check_required(struct run *r, const struct schema_node *node, uint32_t at)
{
    const struct object_rules *o = node->object;
    bool ok = true;

    if (!r->listing)
        return false;
    for (uint32_t i = 0; i < o->n && (ok || r->all) && !r->failed; i++)
        if (o->properties[i].required && !has_member(r, at, o->properties[i].name))
            ok = missing(r, node, at, "required", o->properties[i].name);
    return ok;
}

static bool check_dependent(struct run *r, const struct schema_node *node, uint32_t at,
                            const struct schema_dependent *d, struct seen *seen)
{
    bool ok = true;

    for (; d && (ok || r->all); d = d->next) {
        if (d->node && (ok || r->all))
            ok &= run_check(r, d->node, at, seen);
        for (uint32_t i = 0; i < d->n && (ok || r->all) && !r->t->places[at].open; i++)
            if (!has_member(r, at, d->names[i]))
                ok = missing(r, node, at, d->keyword, d->names[i]);
    }
    return ok;
}

static bool check_patterns(struct run *r, const struct object_rules *o, uint32_t key, bool *known)
{
    bool ok = true;

    for (uint32_t i = 0; i < o->n_patterns && (ok || r->all); i++) {
        struct span text = tape_text(r->t, &r->t->places[key], &r->w->room);
        if (!text.p)
            return run_fail(r, RUN_MEMORY);
        if (!check_pattern(r, o->patterns[i].pattern, text, false))
            continue;
        *known = true;
        ok &= run_check(r, o->patterns[i].node, key + 1, NULL);
    }
    return ok && !r->failed;
}

/* One member by all that is said of members, up to the first fault unless all are wanted; *known: somebody spoke of
 * it. */
static inline bool check_member(struct run *r, const struct schema_node *node, uint32_t key,
                                const struct schema_property *p, bool *known)
{
    const struct object_rules *o = node->object;
    bool ok = true;

    if (p && p->node) {
        *known = true;
        ok = run_check(r, p->node, key + 1, NULL);
    }
    if (o->n_patterns && (ok || r->all))
        ok &= check_patterns(r, o, key, known);
    if (!*known && o->additional && (ok || r->all)) {
        *known = true;
        if (o->additional->answer == ANSWER_FALSE)
            ok = run_wrong(r, node, key + 1, "additionalProperties", "is not allowed here");
        else
            ok &= run_check(r, o->additional, key + 1, NULL);
    }
    if (o->names && (ok || r->all))
        ok &= run_check(r, o->names, key, NULL);
    return ok;
}

static bool check_members(struct run *r, const struct schema_node *node, uint32_t at,
                          struct seen *seen)
{
    const struct object_rules *o = node->object;
    const struct tape *t = r->t;
    uint32_t end = t->places[at].next, key, value, next = 0, k = 0, required = 0;
    bool ok = true;

    for (uint32_t i = at + 1; tape_next(t, &i, end, &key, &value); k++) {
        const struct schema_property *p = property_of(o, t->places[key].next, &next);
        bool known = false;
        required += p && p->required;
        ok &= check_member(r, node, key, p, &known);
        if (known && seen)
            seen_mark(seen, k);
        if (p && p->dependent && (ok || r->all))
            ok &= check_dependent(r, node, at, p->dependent, seen);
        if (!ok && !r->all)
            return false;
    }
    r->steps -= k;
    if (required < o->required && !t->places[at].open)
        ok &= check_required(r, node, at);
    return ok;
}

bool run_object(struct run *r, const struct schema_node *node, uint32_t at, struct seen *seen)
{
    const struct object_rules *o = node->object;
    const struct place *v = &r->t->places[at];
    bool ok = true;

    if (o->min >= 0 && (int64_t)v->n < o->min && !v->open)
        ok = run_wrong(r, node, at, "minProperties", "must have at least %lld members, has %u",
                       (long long)o->min, v->n);
    if (o->max >= 0 && (ok || r->all) && (int64_t)v->n > o->max)
        ok = run_wrong(r, node, at, "maxProperties", "must have at most %lld members, has %u",
                       (long long)o->max, v->n);
    if (!ok && !r->all)
        return false;
    ok &= check_members(r, node, at, seen);
    if (ok && r->t->key && r->t->key_in == at)
        ok = run_begun_member(r, node, at);
    return ok && !r->failed;
}
