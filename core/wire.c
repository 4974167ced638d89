/* wire - what must be seen in a provider's events without decoding them: data from its codec.
 * SPDX-License-Identifier: MIT */
#include "wire.h"

#include "json.h"

#include <string.h>

static bool has_value(struct span v)
{
    if (!v.p || v.n == 0)
        return false;
    switch (json_type(v)) {
    case JSON_NULL:
    case JSON_FALSE:
        return false;
    case JSON_STRING:
        return v.n > 2;
    case JSON_ARRAY:
    case JSON_OBJECT: {
        struct json_iter it = {0};
        struct span key, value;
        return json_next(v, &it, &key, &value);
    }
    default:
        return true;
    }
}

static bool is_null(struct span v)
{
    return v.p && json_type(v) == JSON_NULL;
}

/* Which value is looked for. */
typedef bool fits_fn(struct span value);

static struct span find(struct span doc, const char *path, fits_fn *fits);

static struct span find_in_elements(struct span array, const char *rest, fits_fn *fits)
{
    struct json_iter it = {0};
    struct span key, value;

    if (json_type(array) == JSON_ARRAY)
        while (json_next(array, &it, &key, &value)) {
            struct span found = find(value, rest, fits);
            if (found.p)
                return found;
        }
    return (struct span){NULL, 0};
}

static struct span find(struct span doc, const char *path, fits_fn *fits)
{
    char name[WIRE_PATH_MAX];

    while (*path) {
        size_t n = strcspn(path, ".");
        const char *rest = path[n] ? path + n + 1 : path + n;
        if (n == 1 && *path == '*')
            return find_in_elements(doc, rest, fits);
        memcpy(name, path, n);
        name[n] = 0;
        if (json_type(doc) != JSON_OBJECT)
            return (struct span){NULL, 0};
        doc = json_member(doc, name);
        if (!doc.p)
            return doc;
        path = rest;
    }
    return fits(doc) ? doc : (struct span){NULL, 0};
}

struct span wire_find(struct span doc, const char *path)
{
    return find(doc, path, has_value);
}

/* ---- one pass over an event ---- */

void wire_prepare(struct wire *w)
{
    for (int i = 0; i < WIRE_MARKS; i++) {
        struct wire_mark *m = &w->marks[i];
        size_t n = strcspn(m->path, "=");
        m->levels = n && strcmp(m->path, ".") != 0 ? 1 : 0;
        m->name.values = m->path[n] ? (unsigned char)(n + 1) : 0;
        m->path[n] = 0; /* the path ends where its values begin */
        const char *dot = strrchr(m->path, '.'), *name = dot ? dot + 1 : m->path;
        for (const char *p = m->path; m->levels && *p; p++)
            m->levels += *p == '.';
        m->name.at = (unsigned char)(name - m->path);
        m->name.n = (unsigned char)strlen(name);
    }
}

/* Could this value be the one at the end of the path? Only wire_find knows the whole path, and which
 * one of several equal names counts. */
static bool may_end(const struct wire_mark *m, int levels, struct span key, bool escaped)
{
    const char *name = m->path + m->name.at;

    if (levels != m->levels)
        return false;
    if (!key.p) /* an array's element */
        return m->name.n == 1 && *name == '*';
    if (escaped) /* the name may be spelled in another way */
        return true;
    return key.n == (size_t)m->name.n + 2 && memcmp(key.p + 1, name, m->name.n) == 0;
}

/* json_check, which also says in bits what is worth looking for: a path that ends at a value which
 * is not null. */
static int check(const struct wire *w, struct span data, unsigned *worth, struct err *err)
{
    struct json_reader r;
    struct span key = {NULL, 0};
    bool escaped = false;
    int levels;

    *worth = 0;
    json_reader_init(&r, data);
    for (;;) {
        switch (json_read(&r)) {
        case JSON_T_END:
            return 0;
        case JSON_T_ERROR:
            *err = r.err;
            return -1;
        case JSON_T_KEY:
            key = r.token;
            escaped = r.escaped;
            continue;
        case JSON_T_VALUE:
            levels = r.type == JSON_NULL ? 0 : r.depth;
            break;
        case JSON_T_OPEN_ARRAY:
        case JSON_T_OPEN_OBJECT:
            levels = r.depth - 1;
            break;
        default:
            levels = 0;
        }
        for (int i = 0; levels && i < WIRE_MARKS; i++)
            if (may_end(&w->marks[i], levels, key, escaped))
                *worth |= 1u << i;
        key.p = NULL;
    }
}

/* The last name of a path must stand in the bytes, or looking for the path is idle: most events of
 * a stream hold none of them. */
static bool may_have(struct span data, const char *path)
{
    const char *dot = strrchr(path, '.'), *name = dot ? dot + 1 : path;

    return *path && memmem(data.p, data.n, name, strlen(name));
}

/* Is the text one of the alternatives "a|b|c"? */
static bool is_one_of(struct span text, const char *values)
{
    if (json_type(text) != JSON_STRING)
        return false;
    text = (struct span){text.p + 1, text.n - 2};
    for (;;) {
        size_t n = strcspn(values, "|");
        if (text.n == n && memcmp(text.p, values, n) == 0)
            return true;
        if (!values[n])
            return false;
        values += n + 1;
    }
}

static struct span look_for(const struct wire *w, int i, unsigned worth, struct span data)
{
    const struct wire_mark *m = &w->marks[i];
    struct span found = {NULL, 0};

    if (worth & 1u << i)
        found = wire_find(data, m->path);
    if (found.p && m->name.values && !is_one_of(found, m->path + m->name.values))
        found.p = NULL;
    return found;
}

int wire_inspect(const struct wire *w, struct span data, bool want_content, struct wire_seen *seen,
                 struct err *err)
{
    unsigned worth;

    *seen = (struct wire_seen){0};
    if (w->end_mark[0] && span_is(data, w->end_mark)) {
        seen->done = true;
        return 0;
    }
    if (check(w, data, &worth, err) < 0) {
        err->code = ERR_BAD_RESPONSE;
        return err_prefix(err, "an event of the stream is no JSON");
    }
    seen->done = look_for(w, WIRE_DONE, worth, data).p;
    seen->finish = look_for(w, WIRE_FINISH, worth, data).p;
    for (int i = 0; i < WIRE_USAGES; i++)
        seen->usage[i] = look_for(w, WIRE_USAGE + i, worth, data);
    if (seen->finish && strcmp(w->marks[WIRE_USAGE].path, ".") == 0)
        seen->usage[0] = data;
    for (int i = WIRE_ERROR; i < WIRE_MARKS && !seen->error; i++)
        seen->error = look_for(w, i, worth, data).p;
    for (int i = 0; want_content && !seen->content && i < WIRE_PATHS && w->content[i][0]; i++)
        seen->content = may_have(data, w->content[i]) && wire_find(data, w->content[i]).p;
    seen->null = want_content && !seen->content && may_have(data, w->object) &&
                 find(data, w->object, is_null).p;
    return 0;
}

size_t wire_content_bytes(const struct wire *w, struct span data)
{
    size_t bytes = 0;

    for (int i = 0; i < WIRE_PATHS && w->content[i][0]; i++) {
        struct span found =
            may_have(data, w->content[i]) ? wire_find(data, w->content[i]) : (struct span){NULL, 0};
        if (found.p)
            bytes += found.n > 2 && *found.p == '"' ? found.n - 2 : found.n;
    }
    return bytes;
}

uint64_t wire_finishes(const struct wire *w, struct span data)
{
    const char *finish = w->marks[WIRE_FINISH].path;
    size_t n = strlen(w->payload);
    struct span list = json_member(data, w->payload), key, element;
    struct json_iter it = {0};
    uint64_t mask = 0;

    if (n == 0 || !list.p || strncmp(finish, w->payload, n) != 0 ||
        strncmp(finish + n, ".*.", 3) != 0)
        return 1;
    for (int64_t i = 0; json_next(list, &it, &key, &element); i++) {
        struct span index = json_member(element, "index");
        int64_t at = i;
        if (!wire_find(element, finish + n + 3).p)
            continue;
        if (index.p)
            json_int(index, &at);
        mask |= (uint64_t)1 << (at & 63);
    }
    return mask;
}

/* Bytes up to the next line break or the end. */
static size_t line_length(const char *p, const char *end)
{
    const char *q = p;

    while (q < end && *q != '\n' && *q != '\r')
        q++;
    return (size_t)(q - p);
}

/* The lines of a block that are no data and not blank: comments, event, id, retry. */
static int copy_other_lines(struct span raw, struct buf *out)
{
    const char *p = raw.p, *end = raw.p + raw.n;

    while (p < end) {
        size_t n = line_length(p, end);
        bool data = n >= 4 && memcmp(p, "data", 4) == 0 && (n == 4 || p[4] == ':');
        if (n > 0 && !data && (buf_add(out, p, n) < 0 || buf_puts(out, "\n") < 0))
            return -1;
        p += n;
        p += p < end;
    }
    return 0;
}

/* JSON may hold line breaks between its tokens: each line is a data line of its own. */
static int add_data_lines(struct span json, struct buf *out)
{
    const char *p = json.p, *end = json.p + json.n;

    while (p < end) {
        size_t n = line_length(p, end);
        if (buf_puts(out, "data: ") < 0 || buf_add(out, p, n) < 0 || buf_puts(out, "\n") < 0)
            return -1;
        p += n;
        p += p < end;
    }
    return buf_puts(out, "\n");
}

int wire_strip_usage(const struct wire *w, struct span raw, struct span data, struct buf *out)
{
    const char *usage = w->marks[WIRE_USAGE].path;
    struct json_edit edit = {usage, {NULL, 0}};
    struct buf json;

    if (!may_have(data, usage) || !json_member(data, usage).p)
        return buf_add_span(out, raw);
    if (wire_find(data, usage).p && !wire_find(data, w->payload).p)
        return 0;
    buf_init(&json, data.n + 1);
    int result = json_splice(data, &edit, 1, &json);
    if (result == 0)
        result = copy_other_lines(raw, out);
    if (result == 0)
        result = add_data_lines(buf_span(&json), out);
    buf_deinit(&json);
    return result;
}
