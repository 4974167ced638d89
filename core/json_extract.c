/* json_extract - brackets that open JSON, and those that do not.
 * SPDX-License-Identifier: MIT */
#include "json_extract.h"

#include "json.h"
#include "json_bytes.h"

#include <string.h>

enum { TIMES = 16, AT_LEAST = 4096 }; /* so often may the text be read, so many bytes in any case */

static bool is_json(struct span text)
{
    struct err err;
    return json_check(text, &err) == 0;
}

static struct span trim(struct span s)
{
    while (s.n && json_is_space(*s.p)) {
        s.p++;
        s.n--;
    }
    while (s.n && json_is_space(s.p[s.n - 1]))
        s.n--;
    return s;
}

static void add(struct json_found *f, struct span s)
{
    if (f->n < JSON_FOUND_MAX)
        f->at[f->n++] = s;
}

/* ---- fences ---- */

static const char *find(const char *p, const char *end, const char *what)
{
    return p < end ? memmem(p, (size_t)(end - p), what, strlen(what)) : NULL;
}

/* What stands between ```word and ```; all that is JSON. */
static void in_fences(struct span text, struct json_found *f)
{
    const char *end = text.p + text.n, *p = text.p;
    struct span blocks[JSON_FOUND_MAX];
    int n = 0;

    while ((p = find(p, end, "```"))) {
        const char *line = memchr(p, '\n', (size_t)(end - p));
        const char *close = line ? find(line + 1, end, "```") : NULL;
        if (!close)
            break;
        blocks[n % JSON_FOUND_MAX] = trim((struct span){line + 1, (size_t)(close - line - 1)});
        n++;
        p = close + 3;
    }
    for (int i = n - 1; i >= 0 && i >= n - JSON_FOUND_MAX / 2; i--)
        if (blocks[i % JSON_FOUND_MAX].n && is_json(blocks[i % JSON_FOUND_MAX]))
            add(f, blocks[i % JSON_FOUND_MAX]);
}

/* ---- prose ---- */

enum outcome { COMPLETE, CUT, WRONG };

/* Is [p, end) what the end of the text has left of a word, a number or an escape? */
static bool is_rest(const char *p, const char *end)
{
    static const char *const words[] = {"true", "false", "null"};
    size_t n = (size_t)(end - p);

    for (size_t i = 0; n < 5 && i < 3; i++)
        if (n < strlen(words[i]) && memcmp(p, words[i], n) == 0)
            return true;
    return n < 12 && (*p == '\\' || *p == '-');
}

/* Reads the array or object at p. *stop is where it ends, or what is wrong. */
static enum outcome read_one(const char *p, const char *end, const char **stop, struct err *err)
{
    struct json_reader r;

    json_reader_init(&r, (struct span){p, (size_t)(end - p)});
    for (int tokens = 0;; tokens++) {
        enum json_token t = json_read(&r);
        *stop = p + r.at;
        if ((t == JSON_T_CLOSE_ARRAY || t == JSON_T_CLOSE_OBJECT) && r.depth == 0)
            return COMPLETE;
        if (t != JSON_T_ERROR)
            continue;
        *err = r.err;
        bool more = tokens > 1 || (*stop == end && end - p > 1);
        return more && (*stop == end || is_rest(*stop, end)) ? CUT : WRONG;
    }
}

/* Keeps the list in its order: longer first, of equal ones the later first. */
static void insert(struct json_found *f, int from, struct span s)
{
    int i = f->n;

    if (f->n == JSON_FOUND_MAX) {
        if (s.n < f->at[f->n - 1].n || f->n == from)
            return;
        i = --f->n;
    }
    for (; i > from && f->at[i - 1].n <= s.n; i--)
        f->at[i] = f->at[i - 1];
    f->at[i] = s;
    f->n++;
}

struct prose {
    bool cut, wrong;
    struct err why;
};

static void in_prose(struct span text, struct json_found *f, struct prose *about)
{
    const char *p = text.p, *end = p + text.n, *stop = p;
    size_t left = TIMES * text.n + AT_LEAST;
    int from = f->n;
    struct err err;

    while (p < end) {
        if (*p != '{' && *p != '[') {
            p++;
            continue;
        }
        enum outcome got = read_one(p, end, &stop, &err);
        size_t took = (size_t)(stop - p) + 1;
        if (got == CUT) {
            about->cut = true;
            return;
        }
        if (got == COMPLETE) {
            insert(f, from, (struct span){p, (size_t)(stop - p)});
            p = stop;
            continue;
        }
        if (!about->wrong && took > 2) {
            about->wrong = true;
            about->why = err;
        }
        p = took < left || stop <= p ? p + 1 : stop;
        left -= took < left ? took : left;
    }
}

int json_extract(struct span text, struct json_found *found, struct err *err)
{
    struct prose about = {.cut = false};
    struct span all = trim(text.p ? text : SPAN(""));
    struct err whole;

    found->n = 0;
    if (all.n == 0)
        return err_set(err, ERR_INVALID_OUTPUT, "the answer is empty");
    if (json_check(all, &whole) == 0) {
        add(found, all);
        return 0;
    }
    in_fences(all, found);
    if (found->n)
        return 0;
    in_prose(all, found, &about);
    if (about.cut)
        return err_set(err, ERR_INVALID_OUTPUT, "the JSON in the answer is cut off before its end");
    if (found->n)
        return 0;
    if (about.wrong || *all.p == '{' || *all.p == '[')
        return err_set(err, ERR_INVALID_OUTPUT, "the JSON in the answer is malformed: %s",
                       about.wrong ? about.why.message : whole.message);
    return err_set(err, ERR_INVALID_OUTPUT, "the answer holds no JSON");
}
