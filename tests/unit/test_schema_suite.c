/* test_schema_suite - the public test suite of JSON Schema, every required test and the optional ones.
 * SPDX-License-Identifier: MIT */
#include "schemahelp.h"

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int is_case(const struct dirent *e)
{
    size_t n = strlen(e->d_name);
    return n > 5 && strcmp(e->d_name + n - 5, ".json") == 0;
}

static void folder(struct suite *s, const char *dir, enum schema_draft draft, bool formats)
{
    struct dirent **files;
    char path[PATH_MAX];
    int n = scandir(dir, &files, is_case, by_name);

    s->passed = s->failed = s->excused = 0;
    for (int i = 0; i < n; i++) {
        snprintf(path, sizeof path, "%.2000s/%s", dir, files[i]->d_name);
        suite_file(s, path, draft, formats);
        free(files[i]);
    }
    if (n >= 0)
        free(files);
    printf("%s: %d of %d\n", dir + strlen(test_vectors()), s->passed,
           s->passed + s->failed + s->excused);
}

int main(void)
{
    static const struct {
        const char *folder;
        enum schema_draft draft;
        bool formats;
        int all, excused;
    } parts[] = {{"draft2020-12", SCHEMA_2020_12, false, 1299, 0},
                 {"draft7", SCHEMA_7, false, 927, 0},
                 {"draft2020-12/optional", SCHEMA_2020_12, false, 162, 0},
                 {"draft7/optional", SCHEMA_7, false, 118, 4},
                 {"draft2020-12/optional/format", SCHEMA_2020_12, true, 764, 1},
                 {"draft7/optional/format", SCHEMA_7, true, 676, 1}};
    static struct suite s;
    char dir[PATH_MAX];

    snprintf(dir, sizeof dir, "%s/json-schema-test-suite/remotes", test_vectors());
    suite_remotes(&s, dir, "");
    s.work = schema_work_new();
    if (s.n_remotes == 0) {
        SKIP("no json-schema-test-suite in VECTORS");
        suite_end(&s);
        return test_report("test_schema_suite");
    }
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        snprintf(dir, sizeof dir, "%s/json-schema-test-suite/tests/%s", test_vectors(),
                 parts[i].folder);
        folder(&s, dir, parts[i].draft, parts[i].formats);
        CHECK_INT(s.failed, 0);
        CHECK_INT(s.excused, parts[i].excused);
        CHECK_INT(s.passed + s.excused, parts[i].all);
        test_passed += s.passed;
    }
    CHECK(s.cuts > 30000);
    for (size_t i = 0; i < sizeof suite_excuses / sizeof *suite_excuses; i++)
        printf("not passed: %s %s: %s\n", suite_excuses[i].file, suite_excuses[i].test,
               suite_excuses[i].why);
    printf("beginnings of documents that fit: %ld, none refused\n", s.cuts);
    suite_end(&s);
    return test_report("test_schema_suite");
}
