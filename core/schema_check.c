/* schema_check - a document against the rules.
 * SPDX-License-Identifier: MIT
 *
 * A first pass finds out whether it fits, and most do. Only when it does not and somebody wants to know why, a second
 * one notes the errors. */
#include "schema_run.h"

#include <stdlib.h>
#include <string.h>

bool run_fail(struct run *r, enum run_failure why)
{
    if (r->failed == RUN_FINE)
        r->failed = why;
    return false;
}

/* ---- what was spoken of ---- */

/* False: no memory, the run has failed. */
static bool seen_begin(struct run *r, struct seen *s, uint32_t n)
{
    s->n = n;
    s->few[0] = s->few[1] = 0;
    s->bits = n <= 128 ? s->few : calloc(n / 64 + 1, sizeof *s->bits);
    r->steps -= n / 64;
    if (!s->bits)
        run_fail(r, RUN_MEMORY);
    return s->bits != NULL;
}

static void seen_end(struct seen *s)
{
    if (s->bits != s->few)
        free(s->bits);
}

static void seen_merge(struct seen *to, const struct seen *from)
{
    for (uint32_t i = 0; i < (from->n + 63) / 64; i++)
        to->bits[i] |= from->bits[i];
}

/* A schema that may not fit: what it speaks of counts only when it does. */
static bool try(struct run *r, const struct schema_node *node, uint32_t at, struct seen *seen)
{
    struct seen mine;

    if (!seen)
        return run_check(r, node, at, NULL);
    if (!seen_begin(r, &mine, seen->n))
        return false;
    bool fits = run_check(r, node, at, &mine);
    if (fits)
        seen_merge(seen, &mine);
    seen_end(&mine);
    return fits;
}

/* The same without a word about what is wrong. */
static bool try_quietly(struct run *r, const struct schema_node *node, uint32_t at,
                        struct seen *seen)
{
    bool listing = r->listing;

    r->listing = false;
    bool fits = try(r, node, at, seen);
    r->listing = listing;
    return fits;
}

/* ---- general rules ---- */

static bool cut_fits(struct run *r, const struct place *v, const struct value_set *set)
{
    if (v->type == JSON_STRING || v->type == TAPE_KEY)
        return run_begun_text(r, v, set);
    return set->types >> v->type & 1;
}

static bool in_set(struct run *r, uint32_t at, const struct value_set *set)
{
    const struct place *v = &r->t->places[at];
    uint8_t type = v->type == TAPE_KEY ? JSON_STRING : v->type;

    if (v->open)
        return cut_fits(r, v, set);
    if (!(set->types >> type & 1))
        return false;
    if (!set->index) {
        for (uint32_t i = 0; i < set->n; i++)
            if (value_same(set->tape, set->places[i], r->t, at, &r->steps))
                return true;
        return false;
    }
    uint32_t slot = (uint32_t)value_hash(r->t, at, r->s->seed, &r->steps) & set->mask;
    for (; set->index[slot]; slot = (slot + 1) & set->mask)
        if (value_same(set->tape, set->places[set->index[slot] - 1], r->t, at, &r->steps))
            return true;
    return false;
}

/* The outermost resource with a $dynamicAnchor of that name; else where the reference leads by itself. */
static const struct schema_node *dynamic_target(struct run *r, const struct general_rules *g)
{
    const struct schema_node *found = g->ref;

    for (const struct scope *s = r->scope; s; s = s->up) {
        for (const struct schema_dynamic *d = s->resource->dynamics; d; d = d->next)
            if (d->name == g->dynamic)
                found = d->node;
        r->steps--;
    }
    return found;
}

static uint32_t member_of(struct run *r, uint32_t at, uint32_t name)
{
    uint32_t key, value;

    for (uint32_t i = at + 1; tape_next(r->t, &i, r->t->places[at].next, &key, &value); r->steps--)
        if (r->t->places[key].next == name)
            return value;
    return 0;
}

/* The member that tells alternatives apart says that it is not this one. */
static bool is_other(struct run *r, const struct schema_nodes *list, uint32_t i, uint32_t at)
{
    const struct place *v = &r->t->places[at];

    if (!list->hints || v->type != JSON_OBJECT || list->hints[i].name == NAME_NONE)
        return false;
    struct span text = list->hints[i].text;
    uint32_t value = member_of(r, at, list->hints[i].name);
    if (!value)
        return !v->open;
    v = &r->t->places[value];
    if (v->type != JSON_STRING)
        return true;
    return !v->open && !v->escaped &&
           (v->n != text.n || memcmp(r->t->text + v->at, text.p, text.n) != 0);
}

static bool check_any(struct run *r, const struct schema_node *node, uint32_t at, struct seen *seen)
{
    const struct schema_nodes *list = &node->general->any;
    bool found = false;

    for (uint32_t i = 0; i < list->n && (!found || seen); i++)
        found |= !is_other(r, list, i, at) && try_quietly(r, list->at[i], at, seen);
    return found || run_wrong_choice(r, node, at, "anyOf", list);
}

static bool check_one(struct run *r, const struct schema_node *node, uint32_t at, struct seen *seen)
{
    const struct schema_nodes *list = &node->general->one;
    uint32_t first = 0, second = 0;

    for (uint32_t i = 0; i < list->n && !second; i++) {
        if (is_other(r, list, i, at) || !try_quietly(r, list->at[i], at, seen))
            continue;
        if (!first)
            first = i + 1;
        else
            second = i + 1;
    }
    if (!first)
        return run_wrong_choice(r, node, at, "oneOf", list);
    if (second && !(r->beginning && r->t->places[at].open))
        return run_wrong(r, node, at, "oneOf",
                         "must fit exactly one of %u schemas, fits numbers %u and %u", list->n,
                         first, second);
    return true;
}

static bool check_if(struct run *r, const struct schema_node *node, uint32_t at, struct seen *seen)
{
    const struct general_rules *g = node->general;

    if (r->beginning && r->t->places[at].open)
        return true; /* it may still change sides */
    bool yes = try_quietly(r, g->condition, at, seen);
    const struct schema_node *next = yes ? g->then : g->otherwise;
    return !next || run_check(r, next, at, seen);
}

static bool check_not(struct run *r, const struct schema_node *node, uint32_t at)
{
    if (r->beginning && r->t->places[at].open)
        return true;
    if (!try_quietly(r, node->general->no, at, NULL) || r->failed)
        return !r->failed;
    return run_wrong(r, node, at, "not", "fits the schema that it must not fit");
}

static bool general(struct run *r, const struct schema_node *node, uint32_t at, struct seen *seen)
{
    const struct general_rules *g = node->general;
    bool ok = true;

    if (g->constant && !in_set(r, at, g->constant))
        ok = run_wrong_value(r, node, at, g->constant);
    if (g->choice && (ok || r->all) && !in_set(r, at, g->choice))
        ok = run_wrong_value(r, node, at, g->choice);
    if (g->ref && (ok || r->all))
        ok &= run_check(r, g->dynamic == NAME_NONE ? g->ref : dynamic_target(r, g), at, seen);
    for (uint32_t i = 0; i < g->all.n && (ok || r->all); i++)
        ok &= run_check(r, g->all.at[i], at, seen);
    if (g->any.n && (ok || r->all))
        ok &= check_any(r, node, at, seen);
    if (g->one.n && (ok || r->all))
        ok &= check_one(r, node, at, seen);
    if (g->condition && (ok || r->all))
        ok &= check_if(r, node, at, seen);
    if (g->no && (ok || r->all))
        ok &= check_not(r, node, at);
    return ok;
}

/* What nothing has spoken of. */
static bool check_rest(struct run *r, const struct schema_node *node, uint32_t at,
                       struct seen *seen)
{
    const struct general_rules *g = node->general;
    bool object = r->t->places[at].type == JSON_OBJECT, ok = true;
    const struct schema_node *rest = object ? g->more_members : g->more_items;
    const char *keyword = object ? "unevaluatedProperties" : "unevaluatedItems";
    uint32_t end = r->t->places[at].next, key, value = at, n = 0;

    if (!rest || (r->beginning && r->t->places[at].open))
        return true;
    for (uint32_t i = at + 1; i < end && (ok || r->all); n++) {
        if (!object) {
            value = i;
            i = r->t->places[i].next;
        } else if (!tape_next(r->t, &i, end, &key, &value)) {
            break;
        }
        if (seen_has(seen, n))
            continue;
        seen_mark(seen, n);
        if (rest->answer == ANSWER_FALSE)
            ok = run_wrong(r, node, value, keyword, "is not allowed here");
        else
            ok &= run_check(r, rest, value, NULL);
    }
    return ok;
}

/* ---- one schema ---- */

static inline bool type_fits(const struct run *r, const struct schema_node *node,
                             const struct place *v)
{
    unsigned type = v->type == TAPE_KEY ? JSON_STRING : v->type;

    if (node->types >> type & 1)
        return true;
    return type == JSON_NUMBER && node->types & TYPE_INTEGER &&
           (v->open || number_is_integer((struct span){r->t->text + v->at, v->n}));
}

static bool by_type(struct run *r, const struct schema_node *node, uint32_t at, struct seen *seen)
{
    switch (r->t->places[at].type) {
    case JSON_NUMBER:
        return !node->number || r->t->places[at].open || run_number(r, node, at);
    case JSON_STRING:
    case TAPE_KEY:
        return !node->string || run_string(r, node, at);
    case JSON_ARRAY:
        return !node->array || run_array(r, node, at, seen);
    case JSON_OBJECT:
        return !node->object || run_object(r, node, at, seen);
    default:
        return true;
    }
}

static bool rules(struct run *r, const struct schema_node *node, uint32_t at, struct seen *seen)
{
    bool ok = type_fits(r, node, &r->t->places[at]) || run_wrong_type(r, node, at);

    if (!ok && !r->all)
        return false;
    ok &= by_type(r, node, at, seen);
    if (node->general && (ok || r->all))
        ok &= general(r, node, at, seen);
    return ok && !r->failed;
}

/* With rules about what nothing has spoken of. */
static bool rules_and_rest(struct run *r, const struct schema_node *node, uint32_t at,
                           struct seen *outer)
{
    uint8_t type = r->t->places[at].type;
    struct seen mine;

    if (type != JSON_OBJECT && type != JSON_ARRAY)
        return rules(r, node, at, outer);
    if (!seen_begin(r, &mine, r->t->places[at].n))
        return false;
    bool ok = rules(r, node, at, &mine);
    if (ok || r->all)
        ok &= check_rest(r, node, at, &mine);
    if (outer)
        seen_merge(outer, &mine);
    seen_end(&mine);
    return ok;
}

static bool enter(struct run *r, const struct schema_node *node, uint32_t at, struct seen *seen)
{
    const struct general_rules *g = node->general;
    struct scope scope = {r->scope, node->resource};
    bool entered = r->s->dynamic && r->scope->resource != node->resource;

    if (entered)
        r->scope = &scope; // cppcheck-suppress autoVariables ; it is taken back below
    r->depth++;
    bool ok = g && (g->more_items || g->more_members) ? rules_and_rest(r, node, at, seen)
                                                      : rules(r, node, at, seen);
    r->depth--;
    if (entered)
        r->scope = scope.up;
    return ok;
}

bool run_check(struct run *r, const struct schema_node *node, uint32_t at, struct seen *seen)
{
    if (node->answer == ANSWER_TRUE)
        return true;
    if (--r->steps < 0)
        return run_fail(r, RUN_STEPS);
    if (node->answer == ANSWER_TYPES)
        return type_fits(r, node, &r->t->places[at]) || run_wrong_type(r, node, at);
    if (node->answer == ANSWER_FALSE)
        return run_wrong(r, node, at, NULL, "no value is allowed here");
    if (r->depth >= SCHEMA_DEPTH_MAX)
        return run_fail(r, RUN_DEPTH);
    return enter(r, node, at, seen);
}

/* ---- from outside ---- */

struct schema_work *schema_work_new(void)
{
    struct schema_work *w = calloc(1, sizeof *w);

    if (w) {
        tape_init(&w->tape);
        buf_init(&w->room, SIZE_MAX / 2);
        w->texts.max = 4 << 20;
    }
    return w;
}

void schema_work_free(struct schema_work *w)
{
    if (!w)
        return;
    tape_deinit(&w->tape);
    buf_deinit(&w->room);
    arena_free(&w->texts);
    free(w->hashes);
    free(w->slots);
    free(w);
}

static int explain(enum run_failure failed, struct err *err)
{
    static const char *const why[] = {
        [RUN_STEPS] = "checking took too many steps",
        [RUN_DEPTH] = "the schema refers to itself without end, or is nested too deep",
        [RUN_MEMORY] = "no memory for the check",
        [RUN_PATTERN] = "a pattern took too many steps",
        [RUN_NUMBER] = "a number is too long for multipleOf",
    };

    return err_set(err, ERR_BUDGET, "schema: %s", why[failed]);
}

static bool pass(struct run *r, const struct scope *scope, int64_t limit)
{
    r->steps = limit;
    r->scope = scope;
    r->depth = r->n = 0;
    return r->t->n == 0 || run_check(r, r->s->root, 0, NULL);
}

enum schema_verdict schema_check(struct schema *s, struct span doc, struct schema_work *w,
                                 struct schema_report *report, struct err *err)
{
    struct scope scope = {NULL, s->root->resource};
    struct run r = {.s = s, .w = w, .t = &w->tape, .beginning = report->beginning};

    report->n = 0;
    report->more = false;
    report->found = w->found;
    report->steps = (int64_t)(doc.n / 8);
    if (tape_read(&w->tape, doc, &s->names, report->beginning, err) < 0) {
        err->code = err->code == ERR_BAD_REQUEST ? ERR_INVALID_OUTPUT : err->code;
        return SCHEMA_FAILED;
    }
    int64_t limit = SCHEMA_STEPS + SCHEMA_STEPS_PER_BYTE * (int64_t)doc.n;
    bool fits = pass(&r, &scope, limit);
    report->steps += limit - r.steps;
    if (!fits && !r.failed) {
        r.listing = true;
        r.all = report->all;
        arena_reset(&w->texts);
        pass(&r, &scope, limit);
        r.failed = r.n ? RUN_FINE : r.failed; /* what was found counts */
        report->steps += limit - r.steps;
        report->n = r.n;
        report->more = r.more;
    }
    if (r.failed)
        return explain(r.failed, err), SCHEMA_FAILED;
    return fits ? SCHEMA_VALID : SCHEMA_INVALID;
}
