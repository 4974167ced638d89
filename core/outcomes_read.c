/* outcomes_read - recorded outcomes out of a file: CSV or JSON Lines, by a plan.
 * SPDX-License-Identifier: MIT */
#include "outcomes.h"

#include "csv.h"
#include "hash.h"
#include "json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FIELD_MAX = 16 << 20, STORE_MAX = 1 << 30, WHERE_MAX = 16 };

/* What a column is for. A cell may serve several. */
enum use { PROMPT, GROUP, REFERENCE, SCORE, COST, ANSWER, LATENCY, CHARS, TOKENS };

struct target {
    enum use use;
    int model, column;
};

struct reading {
    struct outcomes *o;
    const char *file;
    struct err *err;
    struct buf names; /* texts of the plan, each ended by NUL */
    char *columns[OUTCOMES_COLUMNS];
    struct buf fields[OUTCOMES_COLUMNS];
    bool there[OUTCOMES_COLUMNS];
    int count;
    struct target *targets;
    size_t target_count, target_room;
    struct {
        int column;
        char *value;
    } where[WHERE_MAX];
    int where_count;
    size_t line, room;
    uint64_t *seen; /* hashes of the groups, a table of 'slots' */
    uint32_t *numbers;
    size_t slots;
};

static int fail_memory(struct reading *r)
{
    return err_set(r->err, ERR_OVERLOADED, "%s: out of memory for the rows", r->file);
}

/* ---- the plan ---- */

static char *keep_text(struct span value)
{
    char *text = json_type(value) == JSON_STRING ? malloc(value.n + 1) : NULL;

    if (text)
        text[json_unescape(value, text)] = 0;
    return text;
}

/* The place of a column that is looked at; the name is taken over. */
static int column(struct reading *r, char *name)
{
    if (!name)
        return fail_memory(r);
    for (int i = 0; i < r->count; i++)
        if (strcmp(r->columns[i], name) == 0) {
            free(name);
            return i;
        }
    if (r->count == OUTCOMES_COLUMNS) {
        free(name);
        return err_set(r->err, ERR_BUDGET, "%s: more than %d columns are asked for", r->file,
                       OUTCOMES_COLUMNS);
    }
    buf_init(&r->fields[r->count], FIELD_MAX);
    r->columns[r->count] = name;
    return r->count++;
}

static int add_target(struct reading *r, struct span from, const char *key, enum use use, int model)
{
    struct span value = json_member(from, key);

    if (!value.p || json_type(value) != JSON_STRING)
        return 0;
    if (r->target_count == r->target_room) {
        size_t room = r->target_room ? r->target_room * 2 : 64;
        void *p = realloc(r->targets, room * sizeof *r->targets);
        if (!p)
            return fail_memory(r);
        r->targets = p;
        r->target_room = room;
    }
    int at = column(r, keep_text(value));
    if (at < 0)
        return -1;
    r->targets[r->target_count++] = (struct target){use, model, at};
    return 0;
}

static double number_of(struct span from, const char *key)
{
    struct span value = json_member(from, key);
    double d;

    return value.p && json_double(value, &d) == 0 ? d : (double)NAN;
}

static int add_model(struct reading *r, struct span from)
{
    static const struct {
        const char *key;
        enum use use;
    } uses[] = {{"score", SCORE},     {"cost", COST},   {"answer", ANSWER},
                {"latency", LATENCY}, {"chars", CHARS}, {"tokens", TOKENS}};
    struct outcomes *o = r->o;
    struct outcomes_model *m = &o->models[o->count];

    *m = (struct outcomes_model){.name = keep_text(json_member(from, "name")),
                                 .per_call = number_of(from, "per_call"),
                                 .input = number_of(from, "input"),
                                 .output = number_of(from, "output")};
    if (!m->name)
        return fail_memory(r);
    o->count++;
    if (strlen(m->name) > OUTCOMES_NAME)
        return err_set(r->err, ERR_BAD_REQUEST,
                       "%s: the name of a model is longer than %d bytes: '%.40s...'", r->file,
                       OUTCOMES_NAME, m->name);
    for (size_t i = 0; i < sizeof uses / sizeof *uses; i++)
        if (add_target(r, from, uses[i].key, uses[i].use, o->count - 1) < 0)
            return -1;
    return 0;
}

static int add_where(struct reading *r, struct span value)
{
    char *text = keep_text(value), *equals = text ? strchr(text, '=') : NULL;

    if (!text)
        return fail_memory(r);
    if (!equals || r->where_count == WHERE_MAX) {
        free(text);
        return err_set(r->err, ERR_BAD_REQUEST, "--where is COLUMN=VALUE, at most %d times",
                       WHERE_MAX);
    }
    *equals = 0;
    char *wanted = strdup(equals + 1);
    int at = wanted ? column(r, text) : fail_memory(r);
    if (!wanted)
        free(text);
    if (at < 0) {
        free(wanted);
        return -1;
    }
    r->where[r->where_count].column = at;
    r->where[r->where_count++].value = wanted;
    return 0;
}

static int read_plan(struct reading *r, struct span plan)
{
    struct json_iter it = {0};
    struct span key, value, list = json_member(plan, "models");

    if (!(r->o->models = calloc(OUTCOMES_MODELS, sizeof *r->o->models)))
        return fail_memory(r);
    if (add_target(r, plan, "prompt", PROMPT, -1) < 0 ||
        add_target(r, plan, "group", GROUP, -1) < 0 ||
        add_target(r, plan, "reference", REFERENCE, -1) < 0)
        return -1;
    while (list.p && json_next(list, &it, &key, &value)) {
        if (r->o->count == OUTCOMES_MODELS)
            return err_set(r->err, ERR_BUDGET, "%s: more than %d models", r->file, OUTCOMES_MODELS);
        if (add_model(r, value) < 0)
            return -1;
    }
    if (r->o->count == 0)
        return err_set(r->err, ERR_BAD_REQUEST, "%s: no model is asked for", r->file);
    list = json_member(plan, "where");
    it = (struct json_iter){0};
    while (list.p && json_next(list, &it, &key, &value))
        if (add_where(r, value) < 0)
            return -1;
    return 0;
}

/* ---- one row ---- */

static int grow(struct reading *r)
{
    struct outcomes *o = r->o;
    size_t room = r->room ? r->room * 2 : 256;
    void *p;

    if (o->n >= OUTCOMES_ROWS || o->n * (size_t)o->count >= OUTCOMES_CELLS)
        return err_set(r->err, ERR_BUDGET,
                       "%s: line %zu: more than %d rows, or %d rows times models", r->file, r->line,
                       OUTCOMES_ROWS, OUTCOMES_CELLS);
    if (o->n < r->room)
        return 0;
    if (!(p = realloc(o->rows, room * sizeof *o->rows)))
        return fail_memory(r);
    o->rows = p;
    if (!(p = realloc(o->all, room * (size_t)o->count * sizeof *o->all)))
        return fail_memory(r);
    o->all = p;
    r->room = room;
    return 0;
}

/* Groups get numbers as they come. */
static int group_of(struct reading *r, struct span text, uint32_t *number)
{
    static const struct hash_key key = {3, 4};
    uint64_t hash = hash_bytes(&key, text) | 1;

    if (r->slots < 2 * ((size_t)r->o->groups + 1)) {
        size_t slots = r->slots ? r->slots * 2 : 1024;
        uint64_t *seen = calloc(slots, sizeof *seen);
        uint32_t *numbers = calloc(slots, sizeof *numbers);
        if (!seen || !numbers) {
            free(seen);
            free(numbers);
            return fail_memory(r);
        }
        for (size_t i = 0; i < r->slots; i++)
            if (r->seen[i]) {
                size_t at = r->seen[i] % slots;
                while (seen[at])
                    at = (at + 1) % slots;
                seen[at] = r->seen[i];
                numbers[at] = r->numbers[i];
            }
        free(r->seen);
        free(r->numbers);
        r->seen = seen;
        r->numbers = numbers;
        r->slots = slots;
    }
    size_t at = hash % r->slots;
    while (r->seen[at] && r->seen[at] != hash)
        at = (at + 1) % r->slots;
    if (!r->seen[at]) {
        r->seen[at] = hash;
        r->numbers[at] = r->o->groups++;
    }
    *number = r->numbers[at];
    return 0;
}

/* An empty cell, "null" and "nan" are NAN, "true" and "false" 1 and 0. */
static int number_in(struct reading *r, int at, double least, double *out)
{
    struct span text = buf_span(&r->fields[at]);
    char copy[64], *end;

    *out = (double)NAN;
    if (!r->there[at] || text.n == 0 || span_is(text, "null") || span_is(text, "nan"))
        return 0;
    snprintf(copy, sizeof copy, "%.*s", (int)(text.n < 63 ? text.n : 63), text.p);
    *out = span_is(text, "true") ? 1 : span_is(text, "false") ? 0 : strtod(copy, &end);
    bool word = span_is(text, "true") || span_is(text, "false");
    if (word || (end != copy && !*end && text.n < 63 && isfinite(*out) && fabs(*out) < 1e12 &&
                 *out >= least))
        return 0;
    return err_set(r->err, ERR_BAD_REQUEST, "%s: line %zu, column '%s': %s: '%.40s'", r->file,
                   r->line, r->columns[at],
                   end != copy && !*end && *out < least ? "must not be negative" : "no number",
                   copy);
}

/* Offsets into the store become pointers when all is read: until then 'p' is an offset plus one. */
static int text_in(struct reading *r, int at, struct span *out)
{
    struct buf *store = &r->o->store;
    size_t before = store->len;

    *out = (struct span){NULL, 0};
    if (!r->there[at])
        return 0;
    if (buf_add_span(store, buf_span(&r->fields[at])) < 0)
        return err_set(r->err, ERR_BUDGET, "%s: line %zu: the texts are larger than %d bytes",
                       r->file, r->line, STORE_MAX);
    *out = (struct span){(const char *)(uintptr_t)(before + 1), store->len - before};
    return 0;
}

static int put_target(struct reading *r, const struct target *t, struct outcomes_row *row,
                      struct outcome *all)
{
    struct outcome *x = t->model < 0 ? NULL : &all[t->model];
    double number = 0;

    switch (t->use) {
    case PROMPT:
        if (!r->there[t->column])
            return err_set(r->err, ERR_BAD_REQUEST, "%s: line %zu: there is no '%s'", r->file,
                           r->line, r->columns[t->column]);
        return text_in(r, t->column, &row->prompt);
    case REFERENCE:
        return text_in(r, t->column, &row->reference);
    case GROUP:
        return group_of(r, buf_span(&r->fields[t->column]), &row->group);
    case ANSWER:
        return r->fields[t->column].len ? text_in(r, t->column, &x->answer) : 0;
    case SCORE:
        if (number_in(r, t->column, -HUGE_VAL, &number) < 0)
            return -1;
        x->score = (float)number;
        return 0;
    case COST:
        return number_in(r, t->column, 0, &x->cost);
    case LATENCY:
        if (number_in(r, t->column, 0, &number) < 0)
            return -1;
        x->latency = isnan(number) || number > 86400 ? 0 : (float)number;
        return 0;
    case CHARS:
    case TOKENS:
        if (number_in(r, t->column, 0, &number) < 0)
            return -1;
        number = t->use == CHARS ? ceil(number / OUTCOMES_CHARS) : number;
        x->tokens = number > 0 && number < 1e8 ? (int)number : 0;
        return 0;
    }
    return 0;
}

static bool row_is_wanted(struct reading *r)
{
    for (int i = 0; i < r->where_count; i++)
        if (r->there[r->where[i].column] &&
            span_is(buf_span(&r->fields[r->where[i].column]), r->where[i].value))
            return true;
    return r->where_count == 0;
}

static int put_row(struct reading *r)
{
    struct outcomes *o = r->o;
    bool grouped = false;

    if (!row_is_wanted(r))
        return 0;
    if (grow(r) < 0)
        return -1;
    struct outcomes_row *row = &o->rows[o->n];
    struct outcome *all = &o->all[o->n * (size_t)o->count];
    *row = (struct outcomes_row){.line = r->line};
    for (int i = 0; i < o->count; i++)
        all[i] = (struct outcome){.score = NAN, .cost = (double)NAN};
    for (size_t i = 0; i < r->target_count; i++) {
        if (put_target(r, &r->targets[i], row, all) < 0)
            return -1;
        grouped |= r->targets[i].use == GROUP;
    }
    if (!grouped)
        row->group = o->groups++;
    o->n++;
    return 0;
}

/* ---- CSV ---- */

/* Which of our columns each column of the file is; -1: none. Their number. */
static int read_header(struct reading *r, struct csv *csv, int places[OUTCOMES_COLUMNS])
{
    struct buf name;
    int n = 0, got;

    buf_init(&name, 64 << 10);
    do {
        if ((got = csv_next(csv, &name)) <= 0 || n == OUTCOMES_COLUMNS)
            break;
        places[n] = -1;
        for (int i = 0; i < r->count; i++)
            if (span_is(buf_span(&name), r->columns[i])) {
                places[n] = i;
                r->there[i] = true;
            }
        n++;
    } while (!csv->row_end);
    buf_deinit(&name);
    if (got <= 0 || !csv->row_end)
        return err_set(r->err, ERR_BAD_REQUEST, "%s: line 1: it must name the columns, at most %d",
                       r->file, OUTCOMES_COLUMNS);
    for (int i = 0; i < r->count; i++)
        if (!r->there[i])
            return err_set(r->err, ERR_BAD_REQUEST, "%s: line 1: there is no column '%s'", r->file,
                           r->columns[i]);
    return n;
}

static int read_csv(struct reading *r, struct span file)
{
    struct csv csv;
    struct buf ignored;
    int *places = calloc(OUTCOMES_COLUMNS, sizeof *places), got = 1, result = 0, at = 0;

    if (!places)
        return fail_memory(r);
    csv_begin(&csv, file);
    int n = read_header(r, &csv, places);
    buf_init(&ignored, FIELD_MAX);
    while (n > 0 && result == 0) {
        int place = at < n ? places[at] : -1;
        if ((got = csv_next(&csv, place < 0 ? &ignored : &r->fields[place])) <= 0)
            break;
        r->line = at == 0 ? csv.line : r->line;
        at++;
        if (!csv.row_end)
            continue;
        result = at == n
                     ? put_row(r)
                     : err_set(r->err, ERR_BAD_REQUEST, "%s: line %zu: %d fields, but %d columns",
                               r->file, r->line, at, n);
        at = 0;
    }
    buf_deinit(&ignored);
    free(places);
    if (n > 0 && got < 0)
        return err_set(
            r->err, ERR_BAD_REQUEST,
            "%s: line %zu: a quote does not end as it should, or a field is larger than %d bytes",
            r->file, csv.line, FIELD_MAX);
    return n < 0 ? -1 : result;
}

/* ---- JSON Lines ---- */

static int read_object(struct reading *r, struct span line)
{
    struct err why;

    if (json_check(line, &why) < 0)
        return err_set(r->err, ERR_BAD_REQUEST, "%s: line %zu: %s", r->file, r->line, why.message);
    if (json_type(line) != JSON_OBJECT)
        return err_set(r->err, ERR_BAD_REQUEST, "%s: line %zu: no JSON object", r->file, r->line);
    for (int i = 0; i < r->count; i++) {
        struct span value = json_member(line, r->columns[i]);
        struct buf *field = &r->fields[i];
        field->len = 0;
        r->there[i] = value.p && json_type(value) != JSON_NULL;
        if (!r->there[i])
            continue;
        if (json_type(value) == JSON_STRING ? json_text(value, field) < 0
                                            : buf_add_span(field, value) < 0)
            return fail_memory(r);
    }
    return put_row(r);
}

/* The next line that is not empty; false at the end. */
static bool next_line(struct span *left, size_t *number, struct span *line)
{
    while (left->n) {
        const char *end = memchr(left->p, '\n', left->n);
        size_t n = end ? (size_t)(end - left->p) : left->n;
        *line = (struct span){left->p, n};
        left->p += n + (end != NULL);
        left->n -= n + (end != NULL);
        ++*number;
        for (size_t i = 0; i < n; i++)
            if (!strchr(" \t\r", line->p[i]))
                return true;
    }
    return false;
}

static int read_jsonl(struct reading *r, struct span file)
{
    struct span line;
    int result = 0;

    while (result == 0 && next_line(&file, &r->line, &line))
        result = read_object(r, line);
    return result;
}

int outcomes_columns(struct span file, const char *name, bool jsonl, struct buf *out,
                     struct err *err)
{
    struct buf field;
    struct csv csv;
    struct span line, key, value;
    struct json_iter it = {0};
    size_t number = 0;
    bool more = true, first = true;
    int result = buf_puts(out, "[");

    if (jsonl) {
        more = next_line(&file, &number, &line) && json_check(line, err) == 0 &&
               json_type(line) == JSON_OBJECT;
        while (more && result == 0 && json_next(line, &it, &key, &value)) {
            result = (first ? 0 : buf_puts(out, ",")) < 0 ? -1 : buf_add_span(out, key);
            first = false;
        }
        if (!more)
            return err_set(err, ERR_BAD_REQUEST, "%s: line %zu: no JSON object", name, number);
        return buf_puts(out, "]") < 0 || result < 0
                   ? err_set(err, ERR_BUDGET, "%s: too many columns", name)
                   : 0;
    }
    buf_init(&field, 64 << 10);
    csv_begin(&csv, file);
    do {
        if (csv_next(&csv, &field) <= 0) {
            more = false;
            break;
        }
        if ((!first && buf_puts(out, ",") < 0) || json_write_text(out, buf_span(&field)) < 0)
            result = -1;
        first = false;
    } while (!csv.row_end && result == 0);
    buf_deinit(&field);
    if (!more || result < 0 || buf_puts(out, "]") < 0)
        return err_set(err, ERR_BAD_REQUEST, "%s: line 1: it must name the columns", name);
    return 0;
}

int outcomes_read(struct outcomes *o, struct span file, const char *name, bool jsonl,
                  struct span plan, struct err *err)
{
    struct reading *r = calloc(1, sizeof *r);

    *o = (struct outcomes){0};
    if (!r)
        return err_set(err, ERR_OVERLOADED, "out of memory");
    buf_init(&o->store, STORE_MAX);
    r->o = o;
    r->file = name;
    r->err = err;
    int result = read_plan(r, plan);
    if (result == 0)
        result = (jsonl ? read_jsonl : read_csv)(r, file);
    if (result == 0 && o->n == 0)
        result = err_set(err, ERR_BAD_REQUEST, "%s: there are no rows%s", name,
                         r->where_count ? " as --where wants them" : "");
    for (int i = 0; i < r->count; i++) {
        buf_deinit(&r->fields[i]);
        free(r->columns[i]);
    }
    for (int i = 0; i < r->where_count; i++)
        free(r->where[i].value);
    free(r->targets);
    free(r->seen);
    free(r->numbers);
    free(r);
    if (result < 0) {
        outcomes_deinit(o);
        return -1;
    }
    outcomes_settle(o);
    return 0;
}
