/* bench_schema - how long checks take: files with a schema in the first line and documents in the others.
 * SPDX-License-Identifier: MIT */
#include "schemahelp.h"

#include <time.h>

enum { DOCS_MAX = 256, NANOSECONDS = 300 * 1000 * 1000 };

static int64_t now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int lines_of(struct span text, struct span *lines)
{
    int n = 0;

    for (char *p = (char *)text.p, *end = p + text.n; p < end && n < DOCS_MAX; n++) {
        char *line = memchr(p, '\n', (size_t)(end - p));
        line = line ? line : end;
        lines[n] = (struct span){p, (size_t)(line - p)};
        p = line + 1;
    }
    return n;
}

static void bench(const char *path, struct schema_work *w)
{
    struct schema_options options = {.draft = SCHEMA_2020_12};
    struct schema_report report = {.all = false};
    struct span text = suite_read(path), lines[DOCS_MAX];
    struct err err;
    int n = lines_of(text, lines);
    char verdicts[DOCS_MAX + 1] = "";
    const char *name = strrchr(path, '/') + 1;

    int64_t begun = now();
    struct schema *s = schema_new(lines[0], &options, &err);
    if (!s) {
        fprintf(stderr, "%s: %s\n", path, err.message);
        exit(1);
    }
    fprintf(stderr, "%s: %zu bytes compiled in %.2f ms\n", name, lines[0].n,
            (double)(now() - begun) / 1e6);
    int64_t checks = 0, end = now() + NANOSECONDS, start = now();
    do {
        for (int i = 1; i < n; i++, checks++)
            verdicts[i - 1] =
                schema_check(s, lines[i], w, &report, &err) == SCHEMA_VALID ? '1' : '0';
    } while (now() < end);
    printf("%.*s %.1f %s\n", (int)(strlen(name) - 4), name,
           (double)(now() - start) / (double)checks, verdicts);
    schema_free(s);
    free((char *)text.p);
}

int main(int argc, char **argv)
{
    struct schema_work *w = schema_work_new();

    for (int i = 1; i < argc; i++)
        bench(argv[i], w);
    schema_work_free(w);
    return 0;
}
