/* train_columns - the rows of a CSV or JSONL file, by the names of its columns.
 * SPDX-License-Identifier: MIT */
#include "csv.h"
#include "json.h"
#include "train_reading.h"

#include <string.h>

enum { LISTED = 200 }; /* bytes of names in a message */

/* ---- CSV ---- */

/* One name of those that there are, for a message. */
static void list(struct buf *names, struct span name)
{
    if (names->len < LISTED) {
        buf_puts(names, names->len ? ", " : "");
        buf_add(names, name.p, name.n < LISTED ? name.n : LISTED);
    }
}

/* Columns that are separated by something else are one column, whose name says so. */
static const char *separated(const struct buf *names, int n)
{
    if (n > 1 || !names->len)
        return "";
    return memchr(names->data, ';', names->len) ? "; columns are separated by commas, not by ';'"
           : memchr(names->data, '\t', names->len)
               ? "; columns are separated by commas, not by tabs"
               : "";
}

/* Which of our columns each column of the file is; -1: none. */
static int read_names(struct reading *r, struct csv *csv, int places[FIELDS], struct buf *all)
{
    struct buf name;
    int n = 0, got;

    buf_init(&name, 64 << 10);
    do {
        if ((got = csv_next(csv, &name)) <= 0 || n == FIELDS)
            break;
        places[n] = -1;
        for (int i = 0; i < r->count; i++)
            if (span_is(buf_span(&name), r->names[i])) {
                places[n] = i;
                r->row.there[i] = true;
            }
        list(all, buf_span(&name));
        n++;
    } while (!csv->row_end);
    buf_deinit(&name);
    return got <= 0 || !csv->row_end ? -1 : n;
}

static int read_header(struct reading *r, struct csv *csv, int places[FIELDS])
{
    struct buf all;

    buf_init(&all, 4 << 10);
    int n = read_names(r, csv, places, &all), result = n;
    if (n < 0)
        result = err_set(r->err, ERR_BAD_REQUEST, "the first line must name the columns");
    for (int i = 0; i < r->count && result >= 0; i++)
        if (!r->row.there[i])
            result = err_set(r->err, ERR_BAD_REQUEST, "there is no column '%s' (there are: %.*s%s)",
                             r->names[i], (int)all.len, all.data, separated(&all, n));
    buf_deinit(&all);
    return result;
}

int reading_csv(struct reading *r, struct span file)
{
    struct csv csv;
    struct buf ignored;
    int places[FIELDS], got = 1, result = 0;

    csv_begin(&csv, file);
    int n = read_header(r, &csv, places), at = 0;
    if (n < 0)
        return -1;
    buf_init(&ignored, 16 << 20);
    while (result == 0) {
        int place = at < n ? places[at] : -1;
        if ((got = csv_next(&csv, place < 0 ? &ignored : &r->row.fields[place])) <= 0)
            break;
        r->line = csv.line;
        at++;
        if (!csv.row_end)
            continue;
        result = at == n ? reading_put(r)
                         : err_set(r->err, ERR_BAD_REQUEST, "line %zu: %d fields, not %d", r->line,
                                   at, n);
        at = 0;
    }
    buf_deinit(&ignored);
    if (got < 0)
        return err_set(r->err, ERR_BAD_REQUEST, "line %zu: a quote does not end as it should",
                       csv.line);
    return result;
}

/* ---- JSONL ---- */

static int read_object(struct reading *r, struct span line)
{
    struct err why;

    if (json_check(line, &why) < 0 || json_type(line) != JSON_OBJECT)
        return err_set(r->err, ERR_BAD_REQUEST, "line %zu: no JSON object", r->line);
    for (int i = 0; i < r->count; i++) {
        struct span value = json_member(line, r->names[i]);
        struct buf *field = &r->row.fields[i];
        field->len = 0;
        r->row.there[i] = value.p && json_type(value) != JSON_NULL;
        if (!value.p)
            continue;
        r->known[i] = true;
        if (!r->row.there[i])
            continue;
        if (json_type(value) == JSON_STRING ? json_text(value, field) < 0
                                            : buf_add_span(field, value) < 0)
            return reading_out_of_memory(r);
    }
    return reading_put(r);
}

/* A column that no row has is misspelled. */
static int check_names(struct reading *r, struct span first)
{
    struct json_iter it = {0};
    struct span key, value;
    struct buf all;
    int result = 0;

    buf_init(&all, 4 << 10);
    while (json_next(first, &it, &key, &value))
        list(&all, (struct span){key.p + 1, key.n - 2});
    for (int i = 0; i < r->count && result == 0; i++)
        if (!r->known[i])
            result = err_set(r->err, ERR_BAD_REQUEST, "no row has '%s' (the first one has: %.*s)",
                             r->names[i], (int)all.len, all.data ? all.data : "");
    buf_deinit(&all);
    return result;
}

int reading_jsonl(struct reading *r, struct span file)
{
    struct span first = {0};
    int result = 0;

    while (file.n && result == 0) {
        const char *end = memchr(file.p, '\n', file.n);
        size_t n = end ? (size_t)(end - file.p) : file.n;
        struct span line = {file.p, n && file.p[n - 1] == '\r' ? n - 1 : n};
        r->line++;
        if (line.n)
            result = read_object(r, line);
        first = first.p ? first : line;
        n += end != NULL;
        file.p += n;
        file.n -= n;
    }
    return result == 0 && first.n ? check_names(r, first) : result;
}
