/* train_data - the rows of a CSV or JSONL file as what is learned from.
 * SPDX-License-Identifier: MIT */
#include "hash.h"
#include "json.h"
#include "train_reading.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS_MAX = 4 << 20, LABELS_MAX = LINEAR_COLUMNS };

int reading_out_of_memory(struct reading *r)
{
    return err_set(r->err, ERR_OVERLOADED, "out of memory for the rows");
}

/* ---- which columns ---- */

static int column(struct reading *r, const char *name)
{
    for (int i = 0; i < r->count; i++)
        if (strcmp(r->names[i], name) == 0)
            return i;
    if (r->count == FIELDS)
        return FIELDS - 1;
    buf_init(&r->row.fields[r->count], 16 << 20);
    r->names[r->count] = name;
    return r->count++;
}

/* ---- one row ---- */

static bool row_is(struct reading *r, const char *condition)
{
    const char *equals = strchr(condition, '=');

    for (int i = 0; i < r->count; i++)
        if (strlen(r->names[i]) == (size_t)(equals - condition) &&
            strncmp(r->names[i], condition, (size_t)(equals - condition)) == 0)
            return r->row.there[i] && span_is(buf_span(&r->row.fields[i]), equals + 1);
    return false;
}

static bool row_is_any(struct reading *r, const char *const *conditions, int n)
{
    for (int i = 0; i < n; i++)
        if (row_is(r, conditions[i]))
            return true;
    return false;
}

static bool is_blank(struct span text)
{
    while (text.n && strchr(" \t\r\n", *text.p)) {
        text.p++;
        text.n--;
    }
    return text.n == 0;
}

static const struct hash_key keys = {1, 2};

/* Texts of the same words have the same one: they are not to be divided. */
static uint64_t key_of(struct span text)
{
    static const struct ngrams how = {.bits = NGRAMS_BITS_MAX, .least = 2};
    struct ngrams_reader in;
    uint32_t found[NGRAMS_OUT];
    uint64_t sum = 0;
    int words;

    ngrams_begin(&in, &how, text);
    while (ngrams_next(&in, found, &words) > 0)
        sum = hash_bytes(&keys, (struct span){(const char *)found, sizeof *found}) + sum * 31;
    return sum;
}

static int label_of(struct reading *r, struct train_head *h, struct span text)
{
    struct linear_head *s = &h->shape;

    for (int i = 0; i < s->count; i++)
        if (span_is(text, s->labels[i]))
            return i;
    if (text.n > LINEAR_NAME || memchr(text.p, 0, text.n))
        return err_set(r->err, ERR_BAD_REQUEST, "line %zu: a label is longer than %d bytes",
                       r->line, LINEAR_NAME);
    char **labels =
        s->count < LABELS_MAX ? realloc(s->labels, (size_t)(s->count + 1) * sizeof *labels) : NULL;
    if (!labels)
        return err_set(r->err, ERR_BUDGET, "line %zu: more than %d labels of '%s'", r->line,
                       LABELS_MAX, s->name);
    s->labels = labels;
    if (!(labels[s->count] = strndup(text.p, text.n)))
        return reading_out_of_memory(r);
    return s->count++;
}

static int read_number(struct reading *r, const char *name, struct buf *field, float *out)
{
    char *end = NULL;

    if (buf_add(field, "", 1) < 0)
        return reading_out_of_memory(r);
    double x = strtod(field->data, &end);
    if (*end || end == field->data || !isfinite(x) || fabs(x) > 1e9)
        return err_set(r->err, ERR_BAD_REQUEST, "line %zu: '%s' is no number: '%.40s'", r->line,
                       name, field->data);
    *out = (float)x;
    return 0;
}

static void note(struct train_note *note, size_t line)
{
    if (note->rows++ == 0)
        note->line = line;
}

static int put_head(struct reading *r, struct train_head *h, size_t row)
{
    int at = column(r, h->shape.name);
    struct buf *field = &r->row.fields[at];
    bool there = r->row.there[at] && field->len > 0;

    if (!there)
        note(&h->missing, r->line);
    if (h->shape.kind == LINEAR_NUMBER) {
        h->number[row] = NAN;
        return there ? read_number(r, h->shape.name, field, &h->number[row]) : 0;
    }
    h->label[row] = there ? label_of(r, h, buf_span(field)) : -1;
    return there && h->label[row] < 0 ? -1 : 0;
}

static int put_inputs(struct reading *r, size_t row)
{
    struct train_data *d = r->d;
    int result = 0;

    for (int i = 0; i < d->input_count && result == 0; i++) {
        int at = column(r, d->input_names[i]);
        float *x = &d->inputs[row * (size_t)d->input_count + (size_t)i];
        *x = NAN;
        if (r->row.there[at] && r->row.fields[at].len > 0)
            result = read_number(r, d->input_names[i], &r->row.fields[at], x);
    }
    return result;
}

static int grow(struct reading *r)
{
    struct train_data *d = r->d;
    size_t room = r->room ? r->room * 2 : 1024;
    void *p;

    if (d->n < r->room)
        return 0;
    if (d->n >= ROWS_MAX)
        return err_set(r->err, ERR_BUDGET, "more than %d rows", ROWS_MAX);
    if (!(p = realloc(r->starts, room * sizeof *r->starts)))
        return reading_out_of_memory(r);
    r->starts = p;
    if (!(p = realloc(d->keys, room * sizeof *d->keys)))
        return reading_out_of_memory(r);
    d->keys = p;
    if (!(p = realloc(d->test, room * sizeof *d->test)))
        return reading_out_of_memory(r);
    d->test = p;
    if (d->input_count) {
        if (!(p = realloc(d->inputs, room * (size_t)d->input_count * sizeof *d->inputs)))
            return reading_out_of_memory(r);
        d->inputs = p;
    }
    for (int i = 0; i < d->head_count; i++) {
        struct train_head *h = &d->heads[i];
        bool number = h->shape.kind == LINEAR_NUMBER;
        void *old = number ? (void *)h->number : (void *)h->label;
        if (!(p = realloc(old, room * sizeof(int))))
            return reading_out_of_memory(r);
        h->number = number ? p : NULL;
        h->label = number ? NULL : p;
    }
    r->room = room;
    return 0;
}

/* Is this row learned from, or judged? What is passed over, or odd, is noted. */
static bool is_wanted(struct reading *r, bool test)
{
    struct train_data *d = r->d;
    struct span text = buf_span(&r->row.fields[r->text]);

    if (r->c->where_count && !test && !row_is_any(r, r->c->where, r->c->where_count))
        return false;
    if (!r->row.there[r->text] || (is_blank(text) && !d->input_count)) {
        note(&d->no_text, r->line);
        return false;
    }
    if (!json_is_utf8(text))
        note(&d->no_utf8, r->line);
    return true;
}

int reading_put(struct reading *r)
{
    struct train_data *d = r->d;
    struct span text = buf_span(&r->row.fields[r->text]);
    bool test = row_is_any(r, r->c->test, r->c->test_count);

    if (!is_wanted(r, test))
        return 0;
    if (grow(r) < 0)
        return -1;
    r->starts[d->n] = d->store.len;
    if (buf_add_span(&d->store, text) < 0 || buf_add(&d->store, "", 1) < 0)
        return reading_out_of_memory(r);
    bool grouped = r->group >= 0 && r->row.there[r->group];
    d->keys[d->n] = grouped ? hash_bytes(&keys, buf_span(&r->row.fields[r->group])) : key_of(text);
    d->test[d->n] = test;
    for (int i = 0; i < d->head_count; i++)
        if (put_head(r, &d->heads[i], d->n) < 0)
            return -1;
    if (put_inputs(r, d->n) < 0)
        return -1;
    d->n++;
    return 0;
}

/* ---- all of it ---- */

static void add_heads(struct reading *r)
{
    struct train_data *d = r->d;

    for (int i = 0; i < r->c->label_count + r->c->number_count && i < LINEAR_HEADS; i++) {
        bool number = i >= r->c->label_count;
        struct linear_head *s = &d->heads[d->head_count++].shape;
        const char *name = number ? r->c->numbers[i - r->c->label_count] : r->c->labels[i];
        s->kind = number ? LINEAR_NUMBER : LINEAR_LABELS;
        s->other = -1;
        s->slope = 1;
        strncpy(s->name, name, LINEAR_NAME);
        column(r, s->name);
    }
}

static void add_inputs(struct reading *r)
{
    struct train_data *d = r->d;

    for (int i = 0; i < r->c->input_count; i++) {
        d->input_names[d->input_count++] = r->c->inputs[i];
        column(r, r->c->inputs[i]);
    }
}

static const char *column_of(const char *condition, struct buf *names)
{
    size_t at = names->len;

    buf_add(names, condition, strcspn(condition, "="));
    buf_add(names, "", 1);
    return names->data + at;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Labels in the order of their names, whatever the order of the rows. */
static int sort_labels(struct reading *r, struct train_head *h)
{
    struct linear_head *s = &h->shape;
    char **old = calloc((size_t)s->count + 1, sizeof *old);
    int *place = calloc((size_t)s->count + 1, sizeof *place);

    if (!old || !place) {
        free(old);
        free(place);
        return reading_out_of_memory(r);
    }
    memcpy(old, s->labels, (size_t)s->count * sizeof *old);
    qsort(s->labels, (size_t)s->count, sizeof *old, by_name);
    for (int i = 0; i < s->count; i++)
        for (int k = 0; k < s->count; k++)
            if (old[i] == s->labels[k])
                place[i] = k;
    for (size_t i = 0; i < r->d->n; i++)
        h->label[i] = h->label[i] < 0 ? -1 : place[h->label[i]];
    free(old);
    free(place);
    for (int i = 0; i < s->count && r->c->other; i++)
        if (strcmp(s->labels[i], r->c->other) == 0 && s->count > 2)
            s->other = i;
    return 0;
}

static int finish(struct reading *r)
{
    struct train_data *d = r->d;
    bool other = !r->c->other;

    if (d->n == 0 && r->c->where_count)
        return err_set(r->err, ERR_BAD_REQUEST, "no row is as --where %s wants it%s",
                       r->c->where[0], r->c->where_count > 1 ? ", or as the others" : "");
    if (d->n < 20)
        return err_set(r->err, ERR_BAD_REQUEST, "%zu rows are too few to learn from%s", d->n,
                       d->no_text.rows ? ": others have no text" : "");
    if (!(d->texts = calloc(d->n, sizeof *d->texts)))
        return reading_out_of_memory(r);
    for (size_t i = 0; i < d->n; i++) {
        size_t end = i + 1 < d->n ? r->starts[i + 1] : d->store.len;
        d->texts[i] = (struct span){d->store.data + r->starts[i], end - r->starts[i] - 1};
    }
    for (int i = 0; i < d->head_count; i++) {
        struct train_head *h = &d->heads[i];
        if (h->shape.kind == LINEAR_LABELS && sort_labels(r, h) < 0)
            return -1;
        if (h->shape.kind == LINEAR_LABELS && h->shape.count < 2)
            return err_set(r->err, ERR_BAD_REQUEST, "the column '%s' has fewer than two labels",
                           h->shape.name);
        other |= h->shape.other >= 0;
    }
    return other ? 0
                 : err_set(r->err, ERR_BAD_REQUEST,
                           "no column with three labels or more has the label '%s'", r->c->other);
}

int train_read(struct train_data *d, struct span file, const struct train_columns *c,
               struct err *err)
{
    struct reading *r = calloc(1, sizeof *r);
    struct buf names;

    *d = (struct train_data){0};
    buf_init(&d->store, (size_t)1 << 30);
    if (!r)
        return err_set(err, ERR_OVERLOADED, "out of memory");
    buf_init(&names, 1 << 20);
    *r = (struct reading){.d = d, .c = c, .err = err};
    r->text = column(r, c->text);
    r->group = c->group ? column(r, c->group) : -1;
    add_heads(r);
    add_inputs(r);
    int result =
        buf_reserve(&names, 64 << 10) ? 0 : reading_out_of_memory(r); /* pointers into it stay */
    for (int i = 0; i < c->where_count && result == 0; i++)
        column(r, column_of(c->where[i], &names));
    for (int i = 0; i < c->test_count && result == 0; i++)
        column(r, column_of(c->test[i], &names));
    if (result == 0)
        result = (c->jsonl ? reading_jsonl : reading_csv)(r, file);
    if (result == 0)
        result = finish(r);
    for (int i = 0; i < r->count; i++)
        buf_deinit(&r->row.fields[i]);
    buf_deinit(&names);
    free(r->starts);
    free(r);
    if (result < 0)
        train_data_deinit(d);
    return result;
}

void train_data_deinit(struct train_data *d)
{
    for (int i = 0; i < d->head_count; i++) {
        for (int k = 0; k < d->heads[i].shape.count; k++)
            free(d->heads[i].shape.labels[k]);
        free(d->heads[i].shape.labels);
        free(d->heads[i].label);
        free(d->heads[i].number);
    }
    free(d->texts);
    free(d->keys);
    free(d->test);
    free(d->inputs);
    buf_deinit(&d->store);
    *d = (struct train_data){0};
}
