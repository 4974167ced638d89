/* cmd_train - the command "baton train": a linear model from a CSV or JSONL file.
 * SPDX-License-Identifier: MIT */
#include "cmd_file.h"
#include "commands.h"
#include "neighbours.h"
#include "options.h"
#include "train.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    DATA_MAX = 512 << 20,
    SMALL = 256 << 10, /* bytes of a model with few outputs, for routing */
    LARGE = 1500000,   /* of one with many */
    FEW = 8,
    BITS = 16,
    FOLDS_MAX = 20
};

struct job {
    struct train_columns columns;
    struct train_options options;
    struct train_data data;
    struct train_verdict verdicts[LINEAR_HEADS];
    bool *use, *judged;
    int folds;
    bool examples; /* are written down, instead of a model */
    const char *output;
};

/* ---- files ---- */

static int read_data(struct job *j, const char *path, struct err *err)
{
    struct buf file;
    size_t n = strlen(path);

    buf_init(&file, DATA_MAX);
    int result = cmd_file_read(path, &file, err);
    j->columns.jsonl =
        (n > 6 && strcmp(path + n - 6, ".jsonl") == 0) || (file.len && *file.data == '{');
    if (result == 0 && (result = train_read(&j->data, buf_span(&file), &j->columns, err)) < 0)
        err_prefix(err, "%s", strcmp(path, "-") == 0 ? "standard input" : path);
    buf_deinit(&file);
    return result;
}

static void tell(const struct train_note *note, const char *what, const char *column)
{
    if (note->rows)
        fprintf(stderr, "%zu row%s %s%s%s, the first in line %zu\n", note->rows,
                note->rows == 1 ? "" : "s", what, column, *column ? "'" : "", note->line);
}

/* What was odd in the data, before they are learned from. */
static void tell_notes(const struct train_data *d)
{
    tell(&d->no_text, "without text passed over", "");
    tell(&d->no_utf8, "not in UTF-8 (iconv converts files)", "");
    for (int i = 0; i < d->head_count; i++)
        tell(&d->heads[i].missing, "without a value of '", d->heads[i].shape.name);
}

/* ---- what is done ---- */

static int make_room(struct job *j, struct err *err)
{
    const size_t n = j->data.n;
    bool good = (j->use = calloc(n, sizeof *j->use)) && (j->judged = calloc(n, sizeof *j->judged));

    for (int i = 0; good && i < j->data.head_count; i++) {
        struct train_verdict *v = &j->verdicts[i];
        good = (v->best = calloc(n, sizeof *v->best)) && (v->p = calloc(n, sizeof *v->p));
    }
    return good ? 0 : err_set(err, ERR_OVERLOADED, "out of memory for the verdicts");
}

/* How large the model may be. Heads of two labels that learn together from words need buckets that have owners. */
static void choose_form(struct job *j)
{
    struct ngrams *how = &j->options.how;
    int columns = 0, pairs = 0;

    for (int i = 0; i < j->data.head_count; i++) {
        int labels = j->data.heads[i].shape.count;
        columns += labels > 2 ? labels : 1;
        pairs += labels == 2;
    }
    if (!j->options.bytes_max)
        j->options.bytes_max = columns <= FEW ? SMALL : LARGE;
    if (pairs > 1 && !how->most && columns <= LINEAR_OWN_COLUMNS) {
        how->own = LINEAR_OWN;
        how->bits += LINEAR_OWN;
    }
}

static void forget_verdicts(struct job *j)
{
    for (int i = 0; i < j->data.head_count; i++)
        for (size_t k = 0; k < j->data.n; k++)
            j->verdicts[i].best[k] = -1;
}

/* Trains with 'use' and lets the model judge 'judged'. */
static int train_and_judge(struct job *j, struct buf *file, struct err *err)
{
    struct linear *m = NULL;

    file->len = 0;
    if (train_model(&j->data, j->use, &j->options, NULL, file, err) == 0)
        m = linear_read(buf_span(file), err);
    int result = m ? train_judge(&j->data, j->judged, m, j->verdicts, err) : -1;
    linear_free(m);
    return result;
}

/* Each row is judged by a model that was trained without it, and calibrated without it. */
static int cross_validate(struct job *j, struct buf *file, struct err *err)
{
    const uint64_t seed = j->options.seed;

    forget_verdicts(j);
    for (int fold = 0; fold < j->folds; fold++) {
        if (j->options.progress)
            fprintf(j->options.progress, "fold %d of %d\n", fold + 1, j->folds);
        for (size_t i = 0; i < j->data.n; i++) {
            bool here =
                ((j->data.keys[i] ^ seed * 0x9e3779b97f4a7c15u) >> 17) % (unsigned)j->folds ==
                (unsigned)fold;
            j->use[i] = !j->data.test[i] && !here;
            j->judged[i] = !j->data.test[i] && here;
        }
        if (train_and_judge(j, file, err) < 0)
            return -1;
    }
    printf("%d folds, each judged by a model that was trained without it:\n", j->folds);
    train_report(&j->data, j->verdicts, stdout);
    return 0;
}

static int judge_tests(struct job *j, const struct buf *file, struct err *err)
{
    struct linear *m = linear_read(buf_span(file), err);

    forget_verdicts(j);
    int result = m ? train_judge(&j->data, j->data.test, m, j->verdicts, err) : -1;
    linear_free(m);
    if (result == 0) {
        printf("the rows of --test, judged by the model:\n");
        train_report(&j->data, j->verdicts, stdout);
    }
    return result;
}

static int train_all(struct job *j, struct buf *file, struct err *err)
{
    for (size_t i = 0; i < j->data.n; i++)
        j->use[i] = !j->data.test[i];
    file->len = 0;
    if (train_model(&j->data, j->use, &j->options, j->verdicts, file, err) < 0)
        return -1;
    printf("rows held back, judged by a model trained without them:\n");
    train_report(&j->data, j->verdicts, stdout);
    return j->columns.test_count ? judge_tests(j, file, err) : 0;
}

/* ---- examples: nothing is learned of them, they are only written down ---- */

static bool is_example(const struct job *j, size_t row)
{
    return !j->data.test[row] && j->data.heads[0].label[row] >= 0 && j->data.texts[row].n > 0;
}

static struct neighbours *collect(struct job *j, struct err *err)
{
    const struct train_head *h = &j->data.heads[0];
    struct neighbours *n = neighbours_new();

    if (!n)
        err_set(err, ERR_OVERLOADED, "out of memory for the examples");
    for (size_t i = 0; n && i < j->data.n; i++) {
        const char *name = is_example(j, i) ? h->shape.labels[h->label[i]] : NULL;
        if (name &&
            neighbours_add(n, j->data.texts[i], (struct span){name, strlen(name)}, err) < 0) {
            neighbours_free(n);
            return NULL;
        }
    }
    return n;
}

static int write_examples(struct job *j, struct buf *file, struct err *err)
{
    struct neighbours *n = collect(j, err);
    int result = n ? neighbours_write(n, file, err) : -1;

    if (result == 0)
        printf("%d examples\n", neighbours_count(n));
    neighbours_free(n);
    return result;
}

static int run(struct job *j, const char *path, struct err *err)
{
    struct buf file;

    if (cmd_file_may_write(j->output, err) < 0 || read_data(j, path, err) < 0 ||
        make_room(j, err) < 0)
        return -1;
    tell_notes(&j->data);
    choose_form(j);
    buf_init(&file, LINEAR_FILE_MAX);
    int result = j->folds ? cross_validate(j, &file, err) : 0;
    if (result == 0)
        result = j->examples ? write_examples(j, &file, err) : train_all(j, &file, err);
    if (result == 0)
        result = cmd_file_write(j->output, buf_span(&file), err);
    if (result == 0)
        printf("%s: %zu bytes\n", j->output, file.len);
    buf_deinit(&file);
    return result;
}

static void job_free(struct job *j)
{
    for (int i = 0; i < LINEAR_HEADS; i++) {
        free(j->verdicts[i].best);
        free(j->verdicts[i].p);
    }
    free(j->use);
    free(j->judged);
    train_data_deinit(&j->data);
    free(j);
}

/* ---- options ---- */

struct given {
    struct option_list labels, numbers, inputs, where, test;
    const char *text, *other, *group, *output;
    double held_back, other_share, input_share, c, seed, bytes, folds, least, most;
    bool examples, once;
};

static const char *wrong(const struct given *g)
{
    for (int i = 0; i < g->where.n; i++)
        if (!strchr(g->where.values[i], '=') || strlen(g->where.values[i]) > 1000)
            return "--where is COLUMN=VALUE";
    for (int i = 0; i < g->test.n; i++)
        if (!strchr(g->test.values[i], '=') || strlen(g->test.values[i]) > 1000)
            return "--test is COLUMN=VALUE";
    for (int i = 0; i < g->labels.n + g->numbers.n; i++)
        if (strlen(i < g->labels.n ? g->labels.values[i] : g->numbers.values[i - g->labels.n]) >
            LINEAR_NAME)
            return "the name of a column is too long";
    if (!(g->held_back >= 0.05 && g->held_back <= 0.5))
        return "--hold-back is a share from 0.05 to 0.5";
    if (!(g->other_share > 0 && g->other_share < 1))
        return "--other-share is a share between 0 and 1";
    for (int i = 0; i < g->inputs.n; i++)
        if (strlen(g->inputs.values[i]) > LINEAR_NAME)
            return "the name of an input is too long";
    if (!(g->input_share > 0 && g->input_share <= 10))
        return "--input-share goes from above 0 to 10";
    if (!(g->c >= 0 && g->c <= 1e6) || !(g->seed >= 0 && g->seed < 1e15))
        return "--c and --seed are positive numbers";
    if (!(g->bytes == 0 || (g->bytes >= 1024 && g->bytes <= LINEAR_FILE_MAX)))
        return "--max-bytes goes from 1024 to 4194304";
    if (!(g->folds == 0 || (g->folds >= 2 && g->folds <= FOLDS_MAX)))
        return "--folds goes from 2 to 20";
    if (!(g->least >= 2 && g->least <= NGRAMS_PIECE_MAX) ||
        !(g->most == 0 || (g->most >= g->least && g->most <= NGRAMS_PIECE_MAX)))
        return "--pieces-from goes from 2 to 6, --pieces-to from there to 6, or is 0: no pieces";
    if (g->examples && (g->numbers.n || g->labels.n > 1 || g->inputs.n || g->folds > 0 || g->once))
        return "--neighbours takes one --label and nothing that is learned";
    return NULL;
}

static void copy(struct job *j, const struct given *g)
{
    struct train_columns *c = &j->columns;

    c->text = g->text;
    c->other = g->other;
    c->group = g->group;
    memcpy(c->labels, g->labels.values, sizeof g->labels.values);
    memcpy(c->numbers, g->numbers.values, sizeof g->numbers.values);
    memcpy(c->where, g->where.values, sizeof g->where.values);
    memcpy(c->test, g->test.values, sizeof g->test.values);
    memcpy(c->inputs, g->inputs.values, sizeof g->inputs.values);
    c->label_count = g->labels.n;
    c->input_count = g->inputs.n;
    c->number_count = g->numbers.n;
    c->where_count = g->where.n;
    c->test_count = g->test.n;
    if (!c->label_count && !c->number_count)
        c->labels[c->label_count++] = "label";
    j->options = (struct train_options){
        .how = {BITS, (int)g->least, (int)g->most, g->once, 0},
        .bytes_max = (size_t)g->bytes,
        .held_back = g->held_back,
        .other_share = g->other_share,
        .input_share = g->input_share,
        .c = g->c,
        .seed = (uint64_t)g->seed,
        .progress = stderr,
    };
    j->folds = (int)g->folds;
    j->examples = g->examples;
    j->output = g->output;
}

static int train_file(const struct given *g, const char *path)
{
    struct job *j = calloc(1, sizeof *j);
    struct err err;

    if (!j)
        return 1;
    copy(j, g);
    int result = run(j, path, &err);
    job_free(j);
    return result < 0 ? command_failed("train", &err) : 0;
}

int cmd_train(int argc, char **argv)
{
    struct given g = {.text = "text",
                      .held_back = 0.15,
                      .other_share = 0.2,
                      .input_share = 0.1,
                      .least = 2,
                      .most = 5};
    const struct option options[] = {
        {"--output", 'o', "MODEL", OPTION_TEXT, &g.output, "the file to write, best NAME.model"},
        {"--text", 0, "COLUMN", OPTION_TEXT, &g.text, "where the prompts are [text]"},
        {"--label", 0, "COLUMN", OPTION_LIST, &g.labels,
         "a head: which of its values? May be repeated [label]"},
        {"--number", 0, "COLUMN", OPTION_LIST, &g.numbers, "a head: what number? May be repeated"},
        {"--input", 0, "COLUMN", OPTION_LIST, &g.inputs,
         "a number that is given beside the prompt. May be repeated"},
        {"--input-share", 0, "SHARE", OPTION_NUMBER, &g.input_share,
         "what a deviation of an input counts; all words of a prompt count 1 [0.1]"},
        {"--other", 0, "LABEL", OPTION_TEXT, &g.other, "the label that means: none of the others"},
        {"--other-share", 0, "SHARE", OPTION_NUMBER, &g.other_share,
         "how many requests will be none of the others [0.2]"},
        {"--group", 0, "COLUMN", OPTION_TEXT, &g.group,
         "rows with the same value are never divided between learning and judging"},
        {"--where", 0, "COLUMN=VALUE", OPTION_LIST, &g.where, "only such rows; repeated: or such"},
        {"--test", 0, "COLUMN=VALUE", OPTION_LIST, &g.test,
         "such rows are only judged, never learned from"},
        {"--hold-back", 0, "SHARE", OPTION_NUMBER, &g.held_back, "rows for the calibration [0.15]"},
        {"--folds", 0, "N", OPTION_NUMBER, &g.folds, "cross-validate first, in so many parts"},
        {"--seed", 0, "N", OPTION_NUMBER, &g.seed, "which rows are held back [0]"},
        {"--c", 0, "C", OPTION_NUMBER, &g.c,
         "liblinear's C [1; for two labels and numbers the best of some]"},
        {"--max-bytes", 0, "N", OPTION_NUMBER, &g.bytes,
         "of the model [262144; with more than 8 outputs 1500000]"},
        {"--neighbours", 0, NULL, OPTION_FLAG, &g.examples,
         "write the examples down for classify.neighbours, instead of a model"},
        {"--pieces-from", 0, "N", OPTION_NUMBER, &g.least,
         "bytes of the shortest pieces of words [2]"},
        {"--pieces-to", 0, "N", OPTION_NUMBER, &g.most,
         "bytes of the longest; 0: words only, and heads of two labels learn together [5]"},
        {"--once", 0, NULL, OPTION_FLAG, &g.once,
         "a word counts once in a prompt, however often it occurs: for long ones"},
        {0},
    };
    const struct command command = {
        "train", "baton train [options] -o MODEL DATA",
        "Trains a linear classifier on the prompts of a CSV file with a header line, or of a JSONL "
        "file ('-':\nstandard input), and says how well it does on rows it has not seen. Beside "
        "your policies, policies find\nit by its name: classify.linear{ model = \"NAME\" }. The "
        "same "
        "data give the same file.",
        options};
    struct err err;
    int operands = options_read(&command, argc, argv, false, &err);

    if (operands == -2)
        return 0;
    if (operands != 1)
        return command_usage("train", operands < 0 ? err.message : "which file? (one)");
    const char *why = g.output ? wrong(&g) : "where to? (-o NAME.model)";
    if (why)
        return command_usage("train", why);
    return train_file(&g, argv[1]);
}
