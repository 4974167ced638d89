/* schemahelp - the public test suite of JSON Schema: its files, its remote schemas, one case after the other.
 * SPDX-License-Identifier: MIT */
#ifndef SCHEMAHELP_H
#define SCHEMAHELP_H

#include "json.h"
#include "schema.h"
#include "testhelp.h"

#include <dirent.h>
#include <limits.h>
#include <sys/stat.h>

enum { SUITE_REMOTES_MAX = 200 };

struct suite {
    struct schema_remote remotes[SUITE_REMOTES_MAX];
    char *uris[SUITE_REMOTES_MAX];
    size_t n_remotes;
    struct schema_work *work;
    int passed, failed, excused;
    long cuts; /* beginnings that were looked at */
};

/* Optional tests that do not pass, each with its reason. Anything else that fails is a failure. */
static const struct {
    const char *file, *test, *why;
} suite_excuses[] = {
    {"draft7/optional/content.json", "",
     "contentEncoding and contentMediaType are notes, in draft 7 as in 2020-12"},
    {"optional/format/ecmascript-regex.json", "a variable-width lookbehind (ES2018)",
     "PCRE2 10.42 looks back over a fixed length only: such a pattern is refused, not misread"},
};

static inline struct span suite_read(const char *path)
{
    FILE *f = fopen(path, "rb");
    struct span text = {NULL, 0};
    char *p = NULL;
    long n;

    if (f && fseek(f, 0, SEEK_END) == 0 && (n = ftell(f)) >= 0) {
        rewind(f);
        p = malloc((size_t)n + 1);
        text = (struct span){p, p ? fread(p, 1, (size_t)n, f) : 0};
    }
    if (f)
        fclose(f);
    return text;
}

/* Every file below 'dir' as http://localhost:1234/<path>. */
static inline void suite_remotes(struct suite *s, const char *dir, const char *below)
{
    char path[PATH_MAX], name[PATH_MAX];
    struct dirent *e;
    struct stat st;
    DIR *d = opendir(dir);

    while (d && (e = readdir(d))) {
        if (e->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "%.2000s/%s", dir, e->d_name);
        snprintf(name, sizeof name, "%.2000s/%s", below, e->d_name);
        if (stat(path, &st) == 0 && S_ISDIR(st.st_mode)) {
            suite_remotes(s, path, name);
        } else if (s->n_remotes < SUITE_REMOTES_MAX) {
            char *uri = malloc(strlen(name) + 32);
            sprintf(uri, "http://localhost:1234%s", name);
            s->uris[s->n_remotes] = uri;
            s->remotes[s->n_remotes++] =
                (struct schema_remote){{uri, strlen(uri)}, suite_read(path)};
        }
    }
    if (d)
        closedir(d);
}

static inline void suite_end(struct suite *s)
{
    for (size_t i = 0; i < s->n_remotes; i++) {
        free(s->uris[i]);
        free((char *)s->remotes[i].text.p);
    }
    schema_work_free(s->work);
}

static inline void suite_say(const char *file, struct span group, struct span test, const char *why)
{
    fprintf(stderr, "FAIL %s: %.*s: %.*s: %s\n", file, (int)group.n, group.p, (int)test.n, test.p,
            why);
}

static inline bool suite_excused(const char *file, struct span test)
{
    for (size_t i = 0; i < sizeof suite_excuses / sizeof *suite_excuses; i++)
        if (strstr(file, suite_excuses[i].file) &&
            (!*suite_excuses[i].test || json_is_text(test, suite_excuses[i].test)))
            return true;
    return false;
}

/* Is no beginning of a document that fits refused? */
static inline bool suite_begins(struct suite *s, struct schema *schema, struct span doc)
{
    struct err err;

    for (size_t n = 0; n <= doc.n; n++) {
        struct schema_report report = {.beginning = true};
        if (schema_check(schema, (struct span){doc.p, n}, s->work, &report, &err) != SCHEMA_VALID)
            return false;
        s->cuts++;
    }
    return true;
}

static inline void suite_test(struct suite *s, const char *file, struct span group,
                              struct span test, struct schema *schema, const struct err *bad)
{
    struct schema_report report = {.all = true};
    struct err err;
    bool valid = json_type(json_member(test, "valid")) == JSON_TRUE;
    enum schema_verdict got = SCHEMA_FAILED;

    if (schema)
        got = schema_check(schema, json_member(test, "data"), s->work, &report, &err);
    bool right = got == (valid ? SCHEMA_VALID : SCHEMA_INVALID);
    right = right && (got != SCHEMA_INVALID || report.n > 0) &&
            (got != SCHEMA_VALID || suite_begins(s, schema, json_member(test, "data")));
    bool excused = !right && suite_excused(file, json_member(test, "description"));
    s->passed += right;
    s->excused += excused;
    s->failed += !right && !excused;
    if (!right && !excused)
        suite_say(file, group, json_member(test, "description"),
                  !schema                        ? bad->message
                  : got == SCHEMA_FAILED         ? err.message
                  : got == SCHEMA_VALID && valid ? "a beginning was refused"
                  : valid ? report.n ? report.found[0].message.p : "no reason"
                          : "was taken as valid");
}

static inline void suite_file(struct suite *s, const char *path, enum schema_draft draft,
                              bool formats)
{
    struct span text = suite_read(path), key, group, test;
    struct json_iter i = {0}, j;
    struct err err;

    while (json_next(text, &i, &key, &group)) {
        struct schema_options options = {
            .draft = draft, .formats = formats, .remotes = s->remotes, .n_remotes = s->n_remotes};
        struct schema *schema = schema_new(json_member(group, "schema"), &options, &err);
        struct span tests = json_member(group, "tests");
        for (j = (struct json_iter){0}; json_next(tests, &j, &key, &test);)
            suite_test(s, path, json_member(group, "description"), test, schema, &err);
        schema_free(schema);
    }
    free((char *)text.p);
}

#endif
