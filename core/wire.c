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

static struct span find_in_elements(struct span array, const char *rest)
{
    struct json_iter it = {0};
    struct span key, value;

    if (json_type(array) == JSON_ARRAY)
        while (json_next(array, &it, &key, &value)) {
            struct span found = wire_find(value, rest);
            if (found.p)
                return found;
        }
    return (struct span){NULL, 0};
}

struct span wire_find(struct span doc, const char *path)
{
    char name[WIRE_PATH_MAX];

    while (*path) {
        size_t n = strcspn(path, ".");
        const char *rest = path[n] ? path + n + 1 : path + n;
        if (n == 1 && *path == '*')
            return find_in_elements(doc, rest);
        memcpy(name, path, n);
        name[n] = 0;
        if (json_type(doc) != JSON_OBJECT)
            return (struct span){NULL, 0};
        doc = json_member(doc, name);
        if (!doc.p)
            return doc;
        path = rest;
    }
    return has_value(doc) ? doc : (struct span){NULL, 0};
}

/* ---- one pass over an event ---- */

static const char *end_path(const struct wire *w, int i)
{
    return i == WIRE_FINISH ? w->finish : i == WIRE_USAGE ? w->usage : w->error;
}

void wire_prepare(struct wire *w)
{
    for (int i = 0; i < WIRE_ENDS; i++) {
        const char *path = end_path(w, i), *dot = strrchr(path, '.'), *name = dot ? dot + 1 : path;
        struct wire_end *end = &w->ends[i];
        end->levels = *path ? 1 : 0;
        for (const char *p = path; *p; p++)
            end->levels += *p == '.';
        end->name.at = (unsigned char)(name - path);
        end->name.n = (unsigned char)strlen(name);
    }
}

/* Could this value be the one at the end of path i? Only wire_find knows the whole path, and which
 * one of several equal names counts. */
static bool may_end(const struct wire *w, int i, int levels, struct span key, bool escaped)
{
    const struct wire_end *end = &w->ends[i];
    const char *name = end_path(w, i) + end->name.at;

    if (levels != end->levels)
        return false;
    if (!key.p) /* an array's element */
        return end->name.n == 1 && *name == '*';
    if (escaped) /* the name may be spelled in another way */
        return true;
    return key.n == (size_t)end->name.n + 2 && memcmp(key.p + 1, name, end->name.n) == 0;
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
        for (int i = 0; levels && i < WIRE_ENDS; i++)
            if (may_end(w, i, levels, key, escaped))
                *worth |= 1u << i;
        key.p = NULL;
    }
}

/* The last name of a path must stand in the bytes, or looking for the path is idle: most events of
 * a stream hold neither usage nor an error. */
static bool may_have(struct span data, const char *path)
{
    const char *dot = strrchr(path, '.'), *name = dot ? dot + 1 : path;

    return *path && memmem(data.p, data.n, name, strlen(name));
}

static struct span look(struct span data, const char *path)
{
    return may_have(data, path) ? wire_find(data, path) : (struct span){NULL, 0};
}

static struct span look_for(const struct wire *w, int i, unsigned worth, struct span data)
{
    if (!w->ends[i].levels)
        return look(data, end_path(w, i));
    return worth & 1u << i ? wire_find(data, end_path(w, i)) : (struct span){NULL, 0};
}

int wire_inspect(const struct wire *w, struct span data, bool want_content, struct wire_seen *seen,
                 struct err *err)
{
    unsigned worth;

    *seen = (struct wire_seen){0};
    if (w->done[0] && span_is(data, w->done)) {
        seen->done = true;
        return 0;
    }
    if (check(w, data, &worth, err) < 0) {
        err->code = ERR_BAD_RESPONSE;
        return err_prefix(err, "an event of the stream is no JSON");
    }
    seen->finish = look_for(w, WIRE_FINISH, worth, data).p;
    seen->usage = look_for(w, WIRE_USAGE, worth, data);
    seen->error = look_for(w, WIRE_ERROR, worth, data);
    for (int i = 0; want_content && !seen->content && i < WIRE_PATHS && w->content[i][0]; i++)
        seen->content = look(data, w->content[i]).p;
    return 0;
}

uint64_t wire_finishes(const struct wire *w, struct span data)
{
    size_t n = strlen(w->payload);
    struct span list = json_member(data, w->payload), key, element;
    struct json_iter it = {0};
    uint64_t mask = 0;

    if (n == 0 || !list.p || strncmp(w->finish, w->payload, n) != 0 ||
        strncmp(w->finish + n, ".*.", 3) != 0)
        return 1;
    for (int64_t i = 0; json_next(list, &it, &key, &element); i++) {
        struct span index = json_member(element, "index");
        int64_t at = i;
        if (!wire_find(element, w->finish + n + 3).p)
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
    struct json_edit edit = {w->usage, {NULL, 0}};
    struct buf json;

    if (!w->usage[0] || !may_have(data, w->usage) || !json_member(data, w->usage).p)
        return buf_add_span(out, raw);
    if (wire_find(data, w->usage).p && !wire_find(data, w->payload).p)
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
