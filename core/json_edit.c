/* json_edit - new bytes for an object with some members changed, the others as they were.
 * SPDX-License-Identifier: MIT */
#include "json.h"

#include "json_bytes.h"

#include <stdlib.h>

struct splice {
    struct span doc;
    const struct json_edit *edits;
    size_t n;
    size_t *last; /* per edit: the offset of the last member of that name; 0 where there is none */
    struct buf *out;
    bool first; /* no member written yet */
};

/* The edit for this member, the last one where two name the same key; or n. */
static size_t edit_of(const struct splice *s, struct span key)
{
    for (size_t i = s->n; i-- > 0;)
        if (json_is_text(key, s->edits[i].key))
            return i;
    return s->n;
}

static bool is_overruled(const struct splice *s, size_t edit)
{
    for (size_t i = edit + 1; i < s->n; i++)
        if (strcmp(s->edits[i].key, s->edits[edit].key) == 0)
            return true;
    return false;
}

/* Notes where the last member of each edited name is; returns where the last member of all ends. */
static size_t look_through(struct splice *s)
{
    struct json_iter it = {0};
    struct span key, value;

    while (json_next(s->doc, &it, &key, &value)) {
        size_t edit = edit_of(s, key);
        if (edit < s->n)
            s->last[edit] = (size_t)(key.p - s->doc.p);
    }
    return it.at;
}

static int comma(struct splice *s)
{
    bool first = s->first;

    s->first = false;
    return first ? 0 : buf_add(s->out, ",", 1);
}

/* Writes one member; 'before' and 'after' are the white space around it. */
static int write_member(struct splice *s, struct span before, struct span key, struct span value,
                        struct span after)
{
    size_t edit = edit_of(s, key);
    const char *key_to_value = key.p;
    size_t n = (size_t)(value.p - key.p);

    if (edit < s->n) {
        if (!s->edits[edit].value.p || s->last[edit] != (size_t)(key.p - s->doc.p))
            return 0;
        value = s->edits[edit].value;
    }
    if (comma(s) < 0 || buf_add_span(s->out, before) < 0 || buf_add(s->out, key_to_value, n) < 0 ||
        buf_add_span(s->out, value) < 0)
        return -1;
    return buf_add_span(s->out, after);
}

static int write_old(struct splice *s, const char *from, size_t members_end)
{
    const char *end = s->doc.p + members_end;
    struct json_iter it = {0};
    struct span key, value;

    while (json_next(s->doc, &it, &key, &value)) {
        /* [from .. key) is white space; what follows a value up to its comma too. The space after
         * the last member stays with the closing brace. */
        const char *value_end = value.p + value.n;
        const char *stop = value_end == end ? end : json_skip_space(value_end, end);
        struct span before = {from, (size_t)(key.p - from)};
        struct span after = {value_end, (size_t)(stop - value_end)};
        if (write_member(s, before, key, value, after) < 0)
            return -1;
        from = stop < end && *stop == ',' ? stop + 1 : stop;
    }
    return 0;
}

static int write_new(struct splice *s)
{
    for (size_t i = 0; i < s->n; i++) {
        const struct json_edit *e = &s->edits[i];
        if (!e->value.p || s->last[i] || is_overruled(s, i))
            continue;
        if (comma(s) < 0 || json_write_text(s->out, (struct span){e->key, strlen(e->key)}) < 0 ||
            buf_add(s->out, ":", 1) < 0 || buf_add_span(s->out, e->value) < 0)
            return -1;
    }
    return 0;
}

static int write_all(struct splice *s)
{
    const char *end = s->doc.p + s->doc.n;
    const char *inside = json_skip_space(s->doc.p, end) + 1;
    size_t head = (size_t)(inside - s->doc.p), members_end = look_through(s);

    if (members_end < head)
        members_end = head;
    if (buf_add(s->out, s->doc.p, head) < 0 || write_old(s, inside, members_end) < 0 ||
        write_new(s) < 0)
        return -1;
    return buf_add(s->out, s->doc.p + members_end, s->doc.n - members_end);
}

int json_splice(struct span doc, const struct json_edit *edits, size_t n, struct buf *out)
{
    size_t before = out->len;

    if (json_type(doc) != JSON_OBJECT)
        return -1;
    struct splice s = {.doc = doc, .edits = edits, .n = n, .out = out, .first = true};
    s.last = calloc(n + 1, sizeof *s.last);
    if (!s.last)
        return -1;
    int result = write_all(&s);
    free(s.last);
    if (result < 0)
        out->len = before;
    return result;
}
