/* json_find - finding bytes inside a checked document, without reading what lies between.
 * SPDX-License-Identifier: MIT */
#include "json.h"

#include "json_bytes.h"

enum json_type json_type(struct span value)
{
    if (!value.p)
        return JSON_NULL;
    const char *end = value.p + value.n, *p = json_skip_space(value.p, end);
    if (p == end)
        return JSON_NULL;
    switch (*p) {
    case '{':
        return JSON_OBJECT;
    case '[':
        return JSON_ARRAY;
    case '"':
        return JSON_STRING;
    case 't':
        return JSON_TRUE;
    case 'f':
        return JSON_FALSE;
    case 'n':
        return JSON_NULL;
    default:
        return JSON_NUMBER;
    }
}

/* ---- skipping; all of these stay inside [p, end) whatever the bytes are ---- */

/* The byte after the string that starts with the quote at p. memchr does the work: a quote ends the
 * string when the number of backslashes before it is even. */
static const char *string_end(const char *p, const char *end)
{
    const char *start = p + 1, *q = start;

    while ((q = memchr(q, '"', (size_t)(end - q)))) {
        const char *slash = q;
        while (slash > start && slash[-1] == '\\')
            slash--;
        q++;
        if ((q - slash) % 2 == 1)
            return q;
    }
    return end;
}

static const char *container_end(const char *p, const char *end)
{
    size_t depth = 0;

    while (p < end) {
        switch (*p) {
        case '"':
            p = string_end(p, end);
            continue;
        case '{':
        case '[':
            depth++;
            break;
        case '}':
        case ']':
            if (--depth == 0)
                return p + 1;
            break;
        default:
            break;
        }
        p++;
    }
    return end;
}

static const char *value_end(const char *p, const char *end)
{
    if (*p == '"')
        return string_end(p, end);
    if (*p == '{' || *p == '[')
        return container_end(p, end);
    while (p < end && *p != ',' && *p != '}' && *p != ']' && !json_is_space(*p))
        p++;
    return p;
}

/* ---- walking ---- */

bool json_next(struct span doc, struct json_iter *it, struct span *key, struct span *value)
{
    if (!doc.p)
        return false;
    const char *end = doc.p + doc.n, *p = json_skip_space(doc.p, end);
    if (p == end || (*p != '{' && *p != '['))
        return false;
    bool object = *p == '{';

    p = json_skip_space(it->at ? doc.p + it->at : p + 1, end);
    if (it->at && p < end && *p == ',')
        p = json_skip_space(p + 1, end);
    *key = (struct span){NULL, 0};
    if (object) {
        if (p == end || *p != '"')
            return false;
        const char *after = string_end(p, end);
        *key = (struct span){p, (size_t)(after - p)};
        p = json_skip_space(after, end);
        if (p == end || *p != ':')
            return false;
        p = json_skip_space(p + 1, end);
    }
    if (p == end)
        return false;
    const char *after = value_end(p, end);
    if (after == p)
        return false; /* ']', or no JSON */
    *value = (struct span){p, (size_t)(after - p)};
    it->at = (size_t)(after - doc.p);
    return true;
}

static struct span member(struct span doc, struct span name)
{
    struct span found = {NULL, 0}, key, value;
    struct json_iter it = {0};

    if (json_type(doc) != JSON_OBJECT)
        return found;
    while (json_next(doc, &it, &key, &value))
        if (json_text_is(key, name))
            found = value;
    return found;
}

struct span json_member(struct span doc, const char *key)
{
    return member(doc, (struct span){key, strlen(key)});
}

/* The element whose number is the digits of 'part'. */
static struct span element(struct span doc, struct span part)
{
    struct span key, value;
    struct json_iter it = {0};
    size_t index = 0;

    for (size_t i = 0; i < part.n; i++) {
        if (!json_is_digit(part.p[i]) || index > doc.n)
            return (struct span){NULL, 0};
        index = index * 10 + (size_t)(part.p[i] - '0');
    }
    while (part.n && json_next(doc, &it, &key, &value))
        if (index-- == 0)
            return value;
    return (struct span){NULL, 0};
}

int64_t json_member_int(struct span doc, const char *key, int64_t otherwise)
{
    struct span value = json_member(doc, key);
    int64_t i;

    return value.p && json_int(value, &i) == 0 ? i : otherwise;
}

void json_member_text(struct span doc, const char *key, char *out, size_t size)
{
    struct span value = json_member(doc, key);
    bool fits = value.p && json_type(value) == JSON_STRING && value.n < size;

    out[fits ? json_unescape(value, out) : 0] = 0;
}

struct span json_path(struct span doc, const char *path)
{
    for (;;) {
        struct span part = {path, strcspn(path, ".")};
        doc = json_type(doc) == JSON_ARRAY ? element(doc, part) : member(doc, part);
        path += part.n;
        if (!doc.p || !*path)
            return doc;
        path++;
    }
}
